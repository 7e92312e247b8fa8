// SPDX-License-Identifier: Apache-2.0
/*
 * What Linux's arm-smmu-v3 did under QEMU (traces/captures/smmuv3), done again here: its commands
 * and register writes run, its tables are built as time goes on, what devices reached then is what
 * they reach here, and what faulted then is recorded in the same words. The tables of its memory
 * image translate as recorded.
 *
 * Concepts
 *   replay   a kit on which a recorded run is played, with the profile of the recorded machine
 *   domain   tables that the replay builds from the recorded mappings, at the recorded root
 *   open     a recorded DMA that has not yet been seen to hold since its doorbell
 */
#include <check.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu.h"
#include "tests/kit/smmu_capture.h"
#include "tools/runner/image.h"

#define DOMAINS      256U
#define LOW_PFN      0x40000U /* the recorded machine's RAM: 256 MiB from 1 GiB on */
#define LOW_FRAMES   0x10000U
#define COMMANDS_MAX 65536U
#define LEVEL_BITS   9U
#define PROT_PRIV    0x20U
/* The queue of a guest's that a stream is also sent through. */
#define GUEST_VINTF 1U
#define GUEST_QUEUE 2U

enum caches {
	CACHES_HOT,
	CACHES_COLD, /* emptied before each DMA */
};

struct domain {
	bool live;
	bool stage2;
	unsigned start_level;
	uint64_t root;
	uint64_t root_bytes;
};

struct replay {
	struct smmu_kit *kit;
	enum caches caches;
	bool through_vcmdq; /* what a guest may send is sent by one */
	const struct smmu_capture *run;
	uint32_t at; /* line */
	uint64_t queue;
	uint32_t entries;
	uint32_t slot; /* of the next command */
	struct domain domains[DOMAINS];
	uint32_t next_dma;
	GArray *open; /* of uint32_t: DMA */
	uint32_t events;
	uint32_t next_event; /* line */
	/* What came back. */
	uint32_t issued;
	uint32_t syncs;
	uint32_t executed;
	uint32_t syncs_done;
	uint32_t stopped;
	uint64_t removed[COMMANDS_MAX];
	uint64_t words[COMMANDS_MAX][2];
	/* The guest's queue. */
	uint64_t guest_queue;
	uint32_t guest_slot;
};

static struct replay *replay;

/* --- what the hardware did --- */

static void on_probe(void *context, struct machine *machine, const struct probe *probe)
{
	struct replay *r = context;
	(void)machine;
	if (probe->kind == PROBE_STOPPED) {
		r->stopped++;
		return;
	}
	ck_assert_uint_lt(r->executed, COMMANDS_MAX);
	r->syncs_done += (probe->ran[0] & CMD_OPCODE) == CMD_SYNC;
	r->words[r->executed][0] = probe->fetched[0];
	r->words[r->executed][1] = probe->fetched[1];
	r->removed[r->executed++] = probe->removed;
}

static void on_access(void *context, struct machine *machine, const struct access *access)
{
	(void)context, (void)machine, (void)access;
}

static void on_note(void *context, struct machine *machine, const struct note *note)
{
	(void)context, (void)machine, (void)note;
}

/* --- tables from mappings (smmuv3 5) --- */

static uint64_t word(uint64_t pa)
{
	return kit_word(replay->kit, pa);
}

static void set_word(uint64_t pa, uint64_t value)
{
	kit_set_word(replay->kit, pa, value);
}

static unsigned shift_of(unsigned level)
{
	return PAGE_SHIFT + LEVEL_BITS * (3 - level);
}

static uint64_t slot_of(const struct domain *domain, uint64_t table, unsigned level, uint64_t iova)
{
	uint64_t index = iova >> shift_of(level);
	return table + 8 * (level == domain->start_level ? index : index & 511);
}

static bool is_table(uint64_t descriptor, unsigned level)
{
	return level < 3 && (descriptor & 3) == 3;
}

/* As io-pgtable-arm encodes them (5.3). */
static uint64_t leaf_bits(const struct domain *domain, unsigned level, uint32_t prot)
{
	uint64_t bits = PTE_AF | PTE_VALID | (level == 3 ? PTE_TABLE : 0);
	if (domain->stage2)
		return bits | (prot & SMMU_CAPTURE_READ ? PTE_S2_READ : 0) |
		       (prot & SMMU_CAPTURE_WRITE ? PTE_S2_WRITE : 0) |
		       field_put(PTE_S2_MEMATTR, PTE_MEMATTR_WB);
	if ((prot & (SMMU_CAPTURE_READ | SMMU_CAPTURE_WRITE)) == SMMU_CAPTURE_READ)
		bits |= PTE_S1_AP_RO;
	return bits | PTE_S1_NG | (prot & PROT_PRIV ? 0 : PTE_S1_AP_EL0);
}

/* The descriptor of LEVEL for IOVA, made if it is not there. */
static uint64_t descriptor_at(const struct domain *domain, uint64_t iova, unsigned level)
{
	uint64_t table = domain->root;
	for (unsigned at = domain->start_level; at < level; at++) {
		uint64_t slot = slot_of(domain, table, at, iova), descriptor = word(slot);
		if (!(descriptor & PTE_VALID)) {
			descriptor = kit_frames(replay->kit, 1) | PTE_VALID | PTE_TABLE;
			set_word(slot, descriptor);
		}
		ck_assert_msg(is_table(descriptor, at), "%lx is mapped already", iova);
		table = descriptor & PTE_ADDR;
	}
	return slot_of(domain, table, level, iova);
}

static unsigned level_for(uint64_t iova, uint64_t pa, uint64_t size)
{
	unsigned level = 1;
	while (((iova | pa) & ((1ULL << shift_of(level)) - 1)) != 0 || size >> shift_of(level) == 0)
		level++;
	return level;
}

static void map(const struct domain *domain, const struct smmu_capture_line *line)
{
	for (uint64_t done = 0; done < line->map.size;) {
		uint64_t iova = line->map.iova + done, pa = line->map.pa + done;
		unsigned level = level_for(iova, pa, line->map.size - done);
		uint64_t at = descriptor_at(domain, iova, level), old = word(at);
		/* A block takes the place of a table that became empty. */
		for (uint64_t i = 0; is_table(old, level) && i < 512; i++)
			ck_assert_uint_eq(word((old & PTE_ADDR) + 8 * i), 0);
		ck_assert_msg(old == 0 || is_table(old, level), "seq %lu: %lx is mapped already",
			      line->seq, iova);
		set_word(at, pa | leaf_bits(domain, level, line->map.prot));
		done += 1ULL << shift_of(level);
	}
}

static void unmap(const struct domain *domain, const struct smmu_capture_line *line)
{
	for (uint64_t done = 0; done < line->map.size;) {
		uint64_t iova = line->map.iova + done, table = domain->root, at = 0;
		unsigned level = domain->start_level;
		for (;; level++) {
			at = slot_of(domain, table, level, iova);
			if (!is_table(word(at), level))
				break;
			table = word(at) & PTE_ADDR;
		}
		uint64_t size = 1ULL << shift_of(level), leaf = word(at);
		ck_assert_msg(leaf & PTE_VALID, "seq %lu unmaps %lx, which is not mapped",
			      line->seq, iova);
		ck_assert_msg((iova & (size - 1)) == 0 && size <= line->map.size - done,
			      "seq %lu unmaps a part of a block", line->seq);
		if (done == 0) /* what follows may lie elsewhere */
			ck_assert_uint_eq(leaf & PTE_ADDR, line->map.pa);
		set_word(at, 0);
		done += size;
	}
}

/* New tables at ROOT; the kernel hands out cleared pages. */
static void set_root(struct domain *domain, bool stage2, uint64_t root, unsigned bits,
		     unsigned start_level)
{
	if (domain->live && domain->root == root && domain->stage2 == stage2)
		return;
	*domain = (struct domain){.live = true,
				  .stage2 = stage2,
				  .start_level = start_level,
				  .root = root,
				  .root_bytes = 8ULL << (bits - shift_of(start_level))};
	for (uint64_t at = 0; at < domain->root_bytes; at += 8)
		set_word(root + at, 0);
}

/* A CD's words 0 and 1, an STE's 2 and 3: whose tables, and where. */
static void set_tables(bool stage2, uint64_t settings, uint64_t base)
{
	static const unsigned start_levels[] = {2, 1, 0, 3};
	unsigned bits = 64 - (unsigned)field_get(settings, stage2 ? STE_S2T0SZ : CD_T0SZ);
	uint32_t number = (uint32_t)field_get(settings, stage2 ? STE_S2VMID : CD_ASID);
	unsigned start = stage2 ? start_levels[field_get(settings, STE_S2SL0)]
				: 3 - (bits - PAGE_SHIFT - 1) / LEVEL_BITS;
	ck_assert_uint_lt(number, DOMAINS);
	ck_assert_uint_eq(field_get(settings, stage2 ? STE_S2TG : CD_TG0), 0);
	set_root(&replay->domains[number], stage2, base & CD_TTB, bits, start);
}

/* Mappings may be made before the structure that points to them is: it is found ahead. */
static struct domain *domain_of(uint32_t number)
{
	const struct smmu_capture *run = replay->run;
	ck_assert_uint_lt(number, DOMAINS);
	struct domain *domain = &replay->domains[number];
	uint64_t base = 0;
	for (uint32_t i = replay->at; !domain->live && i < run->line_count; i++) {
		const struct smmu_capture_line *line = &run->lines[i];
		if (line->kind == SMMU_CAPTURE_CD && line->store.word == 1)
			base = line->store.value;
		if (line->kind == SMMU_CAPTURE_CD && line->store.word == 0 &&
		    (line->store.value & CD_V) && field_get(line->store.value, CD_ASID) == number)
			set_tables(false, line->store.value, base);
		if (line->kind == SMMU_CAPTURE_STE && line->store.word == 2 &&
		    field_get(line->store.value, STE_S2VMID) == number)
			set_tables(true, line->store.value, line[1].store.value);
	}
	ck_assert_msg(domain->live, "domain %u has no tables", number);
	return domain;
}

/* --- stores to structures --- */

static void store(const struct smmu_capture_line *line)
{
	uint64_t first = line->store.at - 8ULL * line->store.word;
	set_word(line->store.at, line->store.value);
	switch (line->kind) {
	case SMMU_CAPTURE_L1STD: /* a new table: each stream aborts */
		for (uint64_t i = 0; i < 1ULL << (field_get(line->store.value, L1STD_SPAN) - 1);
		     i++)
			set_word((line->store.value & L1STD_L2PTR) + STE_SIZE * i, STE_V);
		break;
	case SMMU_CAPTURE_CD:
		if (line->store.word == 0 && (line->store.value & CD_V))
			set_tables(false, line->store.value, word(first + 8));
		break;
	default:
		if (line->store.word == 3 && line->store.value != 0)
			set_tables(true, word(first + 16), line->store.value);
		break;
	}
}

/* --- commands --- */

/* Sent by a guest, which has no business with what it waits for. */
static void send_as_guest(struct smmu_command command)
{
	if (command_opcode(&command) == CMD_SYNC)
		command = (struct smmu_command){{CMD_SYNC, 0}};
	kit_put(replay->kit, replay->guest_queue, replay->guest_slot % 128, command);
	replay->guest_slot = (replay->guest_slot + 1) % 256;
	kit_ring(replay->kit, GUEST_QUEUE, replay->guest_slot);
	kit_run(replay->kit);
	ck_assert_uint_eq(kit_cons(replay->kit, GUEST_QUEUE), replay->guest_slot);
	ck_assert(!kit_stopped(replay->kit, GUEST_QUEUE));
}

static void put_command(const struct smmu_capture_line *line)
{
	const struct smmu_command command = {{line->command[0], line->command[1]}};
	replay->issued++;
	replay->syncs += command_opcode(&command) == CMD_SYNC;
	if (replay->through_vcmdq &&
	    (command_rules[command_opcode(&command)].guest & COMMAND_GUEST_LEGAL)) {
		send_as_guest(command);
		return;
	}
	kit_put(replay->kit, replay->queue, replay->slot % replay->entries, command);
	replay->slot = (replay->slot + 1) % (2 * replay->entries);
	if (!replay->through_vcmdq)
		return;
	kit_smmu_write(replay->kit, SMMU_CMDQ_PROD, 4, replay->slot);
	kit_run(replay->kit);
}

/* --- DMA --- */

static bool holds(const struct smmu_capture_dma *dma)
{
	const struct smmu_access access = {
		.sid = dma->sid, .iova = dma->iova, .write = !dma->readable, .speculative = true};
	uint8_t perm =
		(uint8_t)((dma->readable ? PTE_S2_READ : 0) | (dma->writable ? PTE_S2_WRITE : 0));
	struct translation got;
	if (replay->caches == CACHES_COLD)
		kit_forget(replay->kit);
	return smmu_translate_access(replay->kit->smmu, &access, &got) == TRANSLATE_OK &&
	       got.pa.value == dma->pa && got.perm == perm;
}

static void check_open(void)
{
	for (guint i = 0; i < replay->open->len;) {
		uint32_t number = g_array_index(replay->open, uint32_t, i);
		if (holds(&replay->run->dma[number]))
			g_array_remove_index(replay->open, i);
		else
			i++;
	}
}

static void open_after(uint64_t seq)
{
	const struct smmu_capture *run = replay->run;
	while (replay->next_dma < run->dma_count && run->dma[replay->next_dma].after_seq <= seq) {
		ck_assert_uint_eq(run->dma[replay->next_dma].after_seq, seq);
		g_array_append_val(replay->open, replay->next_dma);
		replay->next_dma++;
	}
}

static void close_all(void)
{
	if (replay->open->len == 0)
		return;
	const struct smmu_capture_dma *dma =
		&replay->run->dma[g_array_index(replay->open, uint32_t, 0)];
	ck_abort_msg("after seq %lu: %04x at %lx does not reach %lx", dma->after_seq, dma->sid,
		     dma->iova, dma->pa);
}

/* --- events: a DMA that wants what the recorded one wanted is recorded in the same words --- */

static void fault(const struct smmu_capture_line *line)
{
	struct smmu_kit *kit = replay->kit;
	struct translation got;
	uint64_t base = kit_smmu_read(kit, SMMU_EVENTQ_BASE, 8);
	uint32_t entries = 1U << field_get(base, QUEUE_BASE_LOG2SIZE);
	uint32_t data = 0;
	bool write = !(line->event[1] & EVT_RNW);
	ck_assert_int_eq(smmu_dma(kit->smmu, (uint32_t)field_get(line->event[0], EVT_SID),
				  line->event[2], write, &data, sizeof(data), &got),
			 TRANSLATE_FAULT);
	uint64_t at = (base & QUEUE_BASE_ADDR) + (uint64_t)EVENT_SIZE * (replay->events % entries);
	for (unsigned i = 0; i < 4; i++) {
		/* The recorded machine keeps the low bits of an IPA. */
		uint64_t expected = i == 3 ? line->event[i] & EVT_IPA : line->event[i];
		ck_assert_msg(word(at + 8ULL * i) == expected, "event %u, word %u: %lx",
			      replay->events, i, word(at + 8ULL * i));
	}
	replay->events++;
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_EVENTQ_PROD, 4), replay->events % (2 * entries));
}

/* The driver has read events up to COUNT; those that were not there yet happen now. */
static void raise_until(uint64_t count)
{
	const struct smmu_capture *run = replay->run;
	for (; replay->events < count; replay->next_event++) {
		ck_assert_uint_lt(replay->next_event, run->line_count);
		if (run->lines[replay->next_event].kind == SMMU_CAPTURE_EVENT)
			fault(&run->lines[replay->next_event]);
	}
}

/* --- registers --- */

static void ring_doorbell(const struct smmu_capture_line *line)
{
	struct smmu_kit *kit = replay->kit;
	close_all();
	if (!replay->through_vcmdq) {
		/* Reserved slots may be filled late, but not later than this. */
		ck_assert_uint_eq(line->mmio.value, replay->slot);
		kit_smmu_write(kit, SMMU_CMDQ_PROD, line->mmio.width, line->mmio.value);
		kit_run(kit);
		ck_assert_uint_eq(kit_smmu_read(kit, SMMU_CMDQ_CONS, 4), line->mmio.value);
	}
	ck_assert_uint_eq(replay->stopped, 0);
	ck_assert_uint_eq(replay->executed, replay->issued);
	ck_assert_uint_eq(replay->syncs_done, replay->syncs);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_GERROR, 4), 0);
	open_after(line->seq);
}

/* What a register keeps of VALUE: QEMU has PTM without BTM (1.2: with it alone). */
static uint64_t kept(uint32_t offset, uint64_t value)
{
	return offset == SMMU_CR2 ? value & ~CR2_PTM : value;
}

static void write_register(const struct smmu_capture_line *line)
{
	struct smmu_kit *kit = replay->kit;
	uint64_t value = line->mmio.value;
	switch (line->mmio.offset) {
	case SMMU_CMDQ_PROD:
		if (kit_smmu_read(kit, SMMU_CR0ACK, 4) & CR0_CMDQEN) {
			ring_doorbell(line);
			return;
		}
		break;
	case SMMU_CMDQ_BASE:
		replay->queue = value & QUEUE_BASE_ADDR;
		replay->entries = 1U << field_get(value, QUEUE_BASE_LOG2SIZE);
		break;
	case SMMU_EVENTQ_CONS:
		raise_until(value);
		break;
	default:
		break;
	}
	kit_smmu_write(kit, line->mmio.offset, line->mmio.width, value);
	kit_run(kit);
	if (line->mmio.offset == SMMU_CR0)
		ck_assert_uint_eq(kit_smmu_read(kit, SMMU_CR0ACK, 4), value);
	if (line->mmio.offset == SMMU_IRQ_CTRL)
		ck_assert_uint_eq(kit_smmu_read(kit, SMMU_IRQ_CTRLACK, 4), value);
	ck_assert_msg(kit_smmu_read(kit, line->mmio.offset, line->mmio.width) ==
			      kept(line->mmio.offset, value),
		      "register %05x reads otherwise than it was written", line->mmio.offset);
}

/* --- a run --- */

static void play_line(const struct smmu_capture_line *line)
{
	switch (line->kind) {
	case SMMU_CAPTURE_MMIO:
		write_register(line);
		break;
	case SMMU_CAPTURE_COMMAND:
		put_command(line);
		break;
	case SMMU_CAPTURE_STE:
	case SMMU_CAPTURE_CD:
	case SMMU_CAPTURE_L1STD:
		store(line);
		break;
	case SMMU_CAPTURE_MAP:
		map(domain_of(line->map.domain), line);
		break;
	case SMMU_CAPTURE_UNMAP:
		unmap(domain_of(line->map.domain), line);
		break;
	case SMMU_CAPTURE_FREE:
		ck_assert_uint_lt(line->map.domain, DOMAINS);
		replay->domains[line->map.domain].live = false;
		break;
	case SMMU_CAPTURE_EVENT: /* logged after CONS said so */
		ck_assert_uint_lt(line->order, replay->events);
		break;
	}
	check_open();
}

static struct profile profile_of(const char *folder)
{
	return smmu_kit_profile(strcmp(folder, "stage2") == 0 ? "qemu-virt-s2" : "qemu-virt");
}

/* A recorded machine has no VCMDQ. Here it is given one, of a guest whose VMID is that of stage 1. */
static void add_vcmdq(void)
{
	struct smmu_kit *kit = replay->kit;
	replay->through_vcmdq = true;
	replay->guest_queue = kit_frames(kit, 1);
	kit_enable(kit, GUEST_QUEUE, GUEST_VINTF, 0, VINTF_CONFIG_ENABLE, replay->guest_queue | 7);
	ck_assert(kit_enabled(kit, GUEST_QUEUE));
}

static void start(const struct smmu_capture *run, enum caches caches, bool cmdqv)
{
	struct profile profile = profile_of(run->folder);
	/* So that no translation makes way for another: what is removed is what was invalidated. */
	smmu_kit_set(&profile, "tlb.entries", 65536);
	smmu_kit_set(&profile, "cmdqv.present", cmdqv);
	replay = g_new0(struct replay, 1);
	replay->kit = smmu_kit_new(&profile);
	replay->run = run;
	replay->caches = caches;
	replay->open = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	ck_assert(memory_add_ram(&replay->kit->machine->memory, LOW_PFN, LOW_FRAMES,
				 OWNER_NOBODY + 1));
	const struct observer observer = {
		.context = replay, .access = on_access, .probe = on_probe, .note = on_note};
	machine_observe(replay->kit->machine, &observer);
}

static void stop(void)
{
	smmu_kit_free(replay->kit);
	g_array_free(replay->open, TRUE);
	g_clear_pointer(&replay, g_free);
}

static void play(void)
{
	const struct smmu_capture *run = replay->run;
	for (replay->at = 0; replay->at < run->line_count; replay->at++)
		play_line(&run->lines[replay->at]);
	close_all();
	ck_assert_uint_gt(replay->issued, 0);
	ck_assert_uint_eq(replay->executed, replay->issued);
	ck_assert_uint_eq(replay->stopped, 0);
	ck_assert_uint_gt(replay->syncs_done, 0);
	ck_assert_uint_eq(replay->syncs_done, replay->syncs);
	ck_assert_uint_eq(replay->next_dma, run->dma_count);
}

/* Those that are there count. */
static const struct {
	const char *folder;
	const char *name;
	const char *suffix;
} runs[] = {{".", "strict", ""},
	    {".", "lazy", "-lazy"},
	    {"stage2", "strict", ""},
	    {"stage2", "lazy", "-lazy"}};

typedef void check_fn(const struct smmu_capture *run);

static void each_run(check_fn *check)
{
	unsigned found = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
		struct smmu_capture *run =
			smmu_capture_load(runs[i].folder, runs[i].name, runs[i].suffix);
		if (run == NULL)
			continue;
		check(run);
		smmu_capture_free(run);
		found++;
	}
	ck_assert_uint_gt(found, 0);
}

/* --- tests --- */

static void check_cold(const struct smmu_capture *run)
{
	start(run, CACHES_COLD, false);
	play();
	stop();
}

START_TEST(a_recorded_driver_runs_and_dma_goes_where_it_went)
{
	each_run(check_cold);
}
END_TEST

static void check_hot(const struct smmu_capture *run)
{
	start(run, CACHES_HOT, false);
	play();
	ck_assert_uint_gt(replay->kit->smmu->tlb.hits, run->dma_count / 10);
	stop();
}

START_TEST(what_is_cached_is_never_what_the_driver_had_invalidated)
{
	each_run(check_hot);
}
END_TEST

/* QEMU's register 0xb0 is recorded four bytes wide: its lower half. */
static void check_registers(const struct smmu_capture *run)
{
	uint32_t count;
	if (strcmp(run->name, "strict") != 0)
		return;
	struct smmu_capture_register *registers = smmu_capture_registers(run->folder, &count);
	ck_assert_uint_gt(count, 0);
	start(run, CACHES_HOT, false);
	play();
	for (uint32_t i = 0; i < count; i++) {
		uint64_t value =
			kit_smmu_read(replay->kit, registers[i].offset, registers[i].width);
		ck_assert_msg(value == kept(registers[i].offset, registers[i].value),
			      "register %05x is %lx, recorded %lx", registers[i].offset, value,
			      registers[i].value);
	}
	stop();
	g_free(registers);
}

START_TEST(registers_end_as_they_were_recorded)
{
	each_run(check_registers);
}
END_TEST

/* A guest's queue against the main one: each command removes the same. */
static void check_vcmdq(const struct smmu_capture *run)
{
	uint64_t *removed = g_new(uint64_t, COMMANDS_MAX), sum = 0;
	uint32_t executed;
	if (strcmp(run->folder, "stage2") == 0) {
		g_free(removed); /* a guest invalidates its stage 1 */
		return;
	}
	start(run, CACHES_HOT, true);
	play();
	executed = replay->executed;
	memcpy(removed, replay->removed, sizeof(replay->removed));
	stop();
	start(run, CACHES_HOT, true);
	add_vcmdq();
	play();
	ck_assert_uint_eq(replay->executed, executed);
	for (uint32_t i = 0; i < executed; i++) {
		ck_assert_msg(replay->removed[i] == removed[i],
			      "command %u removes %lu from a guest's queue, %lu from the host's", i,
			      replay->removed[i], removed[i]);
		sum += removed[i];
	}
	ck_assert_uint_gt(sum, 0);
	stop();
	g_free(removed);
}

START_TEST(a_guest_s_queue_does_what_the_main_queue_does)
{
	each_run(check_vcmdq);
}
END_TEST

/* --- the memory image --- */

static struct smmu_kit *image_kit(const char *folder)
{
	struct profile profile = profile_of(folder);
	struct smmu_kit *kit = smmu_kit_new(&profile);
	struct trace_diag diag = {0};
	uint32_t count;
	gchar *path = smmu_capture_path(folder, "guest.core.zst");
	struct image *image = image_load(path, &diag);
	struct smmu_capture_register *registers = smmu_capture_registers(folder, &count);
	ck_assert_msg(image != NULL, "%s can't be loaded", path);
	ck_assert(image_place(image, kit->machine));
	/* CR0 last: what it starts needs the rest. */
	for (unsigned control = 0; control < 2; control++)
		for (uint32_t i = 0; i < count; i++)
			if ((registers[i].offset == SMMU_CR0) == (control != 0))
				kit_smmu_write(kit, registers[i].offset, registers[i].width,
					       registers[i].value);
	kit_run(kit);
	image_free(image);
	g_free(registers);
	g_free(path);
	return kit;
}

static unsigned walk_reads(const struct smmu_kit *kit)
{
	unsigned reads = 0;
	ck_assert_uint_le(kit->access_count, KIT_LOG_MAX);
	for (unsigned i = 0; i < kit->access_count; i++)
		reads += kit->accesses[i].purpose == ACCESS_TABLE_WALK;
	return reads;
}

/* A reason names the level of the descriptor that was not valid: the last that was read. */
static void check_reason(struct smmu_kit *kit, const struct smmu_capture_translation *one,
			 const struct translation *got, unsigned start_level)
{
	unsigned level = 0, reads = walk_reads(kit);
	if (strcmp(one->reason, "abort") == 0) {
		ck_assert_uint_eq(got->event, 0);
		ck_assert_uint_eq(reads, 0);
	} else if (strcmp(one->reason, "C_BAD_STREAMID") == 0) {
		ck_assert_uint_eq(got->event, EVT_C_BAD_STREAMID);
	} else {
		ck_assert_uint_eq(got->event, EVT_F_TRANSLATION);
		if (strcmp(one->reason, "F_TRANSLATION-range") == 0) {
			ck_assert_uint_eq(reads, 0);
			return;
		}
		ck_assert_int_eq(sscanf(one->reason, "F_TRANSLATION-l%u", &level), 1);
		ck_assert_msg(start_level + reads == level + 1, "%04x %lx: %u reads, %s", one->sid,
			      one->iova, reads, one->reason);
	}
}

static void check_translation(struct smmu_kit *kit, const struct smmu_capture_translation *one,
			      bool cold)
{
	for (unsigned write = 0; write < 2; write++) {
		struct translation got;
		if (cold)
			kit_forget(kit);
		smmu_kit_clear(kit);
		bool reached = smmu_translate(kit->smmu, one->sid, one->iova, write != 0, &got) ==
			       TRANSLATE_OK;
		bool allowed = !one->fault && (write ? one->writable : one->readable);
		ck_assert_msg(reached == allowed, "%04x %lx: a %s is %s", one->sid, one->iova,
			      write ? "write" : "read", reached ? "let through" : "refused");
		if (one->fault && cold)
			check_reason(kit, one, &got, 0);
		if (!one->fault && !reached)
			ck_assert_uint_eq(got.event, EVT_F_PERMISSION);
		if (!reached)
			continue;
		ck_assert_msg(got.pa.value == one->pa, "%04x %lx: %lx, recorded %lx", one->sid,
			      one->iova, got.pa.value, one->pa);
		ck_assert_uint_eq(got.perm, (one->readable ? PTE_S2_READ : 0) |
						    (one->writable ? PTE_S2_WRITE : 0));
		ck_assert_uint_eq(got.order + PAGE_SHIFT, one->leaf_log2);
	}
}

static const char *const folders[] = {".", "stage2"};

START_TEST(the_memory_image_translates_as_recorded)
{
	uint32_t count;
	struct smmu_capture_translation *all = smmu_capture_translations(folders[_i], &count);
	struct smmu_kit *kit = image_kit(folders[_i]);
	ck_assert_uint_gt(count, 0);
	for (unsigned pass = 0; pass < 3; pass++) /* the last one finds everything cached */
		for (uint32_t i = 0; i < count; i++)
			check_translation(kit, &all[i], pass == 0);
	ck_assert_uint_gt(kit->smmu->tlb.hits, count / 2);
	smmu_kit_free(kit);
	g_free(all);
}
END_TEST

/* The whole stream is in the image's queue: it runs from there, and is what was recorded. */
START_TEST(the_queue_of_the_memory_image_runs)
{
	struct smmu_capture *run = smmu_capture_load(folders[_i], "strict", "");
	ck_assert_ptr_nonnull(run);
	struct smmu_kit *kit = image_kit(folders[_i]);
	uint32_t prod = (uint32_t)kit_smmu_read(kit, SMMU_CMDQ_PROD, 4), next = 0;
	const uint32_t cr0 = (uint32_t)kit_smmu_read(kit, SMMU_CR0, 4);
	replay = g_new0(struct replay, 1);
	replay->kit = kit;
	const struct observer observer = {
		.context = replay, .access = on_access, .probe = on_probe, .note = on_note};
	machine_observe(kit->machine, &observer);
	kit_smmu_write(kit, SMMU_CR0, 4, cr0 & ~(uint32_t)CR0_CMDQEN);
	kit_smmu_write(kit, SMMU_CMDQ_CONS, 4, 0);
	kit_smmu_write(kit, SMMU_CR0, 4, cr0);
	kit_run(kit);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_CMDQ_CONS, 4), prod);
	ck_assert_uint_eq(replay->executed, prod);
	ck_assert_uint_eq(replay->stopped, 0);
	/* Lines are in queue order; sequence numbers of two CPUs may not be. */
	uint64_t(*lines)[2] = g_malloc0_n(prod + 1, sizeof(*lines));
	for (uint32_t i = 0; i < run->line_count; i++) {
		const struct smmu_capture_line *line = &run->lines[i];
		if (line->kind != SMMU_CAPTURE_COMMAND)
			continue;
		ck_assert_uint_lt(line->order, prod);
		lines[line->order][0] = line->command[0];
		lines[line->order][1] = line->command[1];
		next++;
	}
	ck_assert_uint_eq(next, prod);
	for (uint32_t i = 0; i < prod; i++) {
		ck_assert_uint_eq(replay->words[i][0], lines[i][0]);
		ck_assert_uint_eq(replay->words[i][1], lines[i][1]);
	}
	g_free(lines);
	smmu_kit_free(kit);
	g_clear_pointer(&replay, g_free);
	smmu_capture_free(run);
}
END_TEST

/* What the replay built from mappings is what the driver had in memory. */
static void check_rebuilt(const struct smmu_capture *run)
{
	uint32_t count;
	if (strcmp(run->name, "strict") != 0)
		return;
	struct smmu_capture_translation *all = smmu_capture_translations(run->folder, &count);
	start(run, CACHES_COLD, false);
	play();
	for (uint32_t i = 0; i < count; i++) {
		if (all[i].fault)
			continue;
		kit_forget(replay->kit);
		check_translation(replay->kit, &all[i], true);
	}
	stop();
	g_free(all);
}

START_TEST(tables_built_from_the_mappings_translate_like_the_image)
{
	each_run(check_rebuilt);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("capture_smmuv3");
	TCase *tcase = tcase_create("capture_smmuv3");
	tcase_add_test(tcase, a_recorded_driver_runs_and_dma_goes_where_it_went);
	tcase_add_test(tcase, what_is_cached_is_never_what_the_driver_had_invalidated);
	tcase_add_test(tcase, registers_end_as_they_were_recorded);
	tcase_add_test(tcase, a_guest_s_queue_does_what_the_main_queue_does);
	tcase_add_loop_test(tcase, the_memory_image_translates_as_recorded, 0, 2);
	tcase_add_loop_test(tcase, the_queue_of_the_memory_image_runs, 0, 2);
	tcase_add_test(tcase, tables_built_from_the_mappings_translate_like_the_image);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
