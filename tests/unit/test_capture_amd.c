// SPDX-License-Identifier: Apache-2.0
/*
 * What Linux's AMD driver did under QEMU (traces/captures/amd), done again here: its commands and
 * register writes run, its device table and mappings are built as time goes on, and what devices
 * reached then is what they reach here. The tables of its memory image translate as recorded.
 *
 * Concepts
 *   replay   a kit on which a recorded run is played; as the host's driver, or with its commands in
 *            a guest's ring by guest address, its ids those of a guest
 *   domain   tables that the replay builds from the recorded mappings, at the recorded root
 *   open     a recorded DMA that has not yet been seen to hold since its doorbell
 */
#include <check.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/amd.h"
#include "tests/kit/amd_capture.h"
#include "tests/kit/run.h"
#include "tools/runner/image.h"

#define DOMAINS      256U
#define LOW_FRAMES   0x10000U /* the recorded machine's 256 MiB */
#define TABLE_UNUSED 256U     /* entries at the table's end that the driver does not fill */
#define COMMANDS_MAX 65536U
/* The guest of a replay, and what it is told its ids are. */
#define GUEST_ID        5U
#define TRANS_DEVICE    0x3feU
#define TRANS_DOMAIN    0x77U
#define DEVICE_OFFSET   0x100U
#define DOMAIN_OFFSET   0x4000U /* a multiple of what spreads domains over the cache's sets */
#define GUEST_DEVICES   0x280U
#define PAGE_IN_GUEST   0xfffffffff000ULL
#define STORE_PAGES     4U
#define PERMITTED(prot) (((prot)&CAPTURE_READ ? PTE_IR : 0) | ((prot)&CAPTURE_WRITE ? PTE_IW : 0))

enum caches {
	CACHES_HOT,
	CACHES_COLD, /* emptied before each DMA */
};

struct domain {
	bool live;
	unsigned mode;
	uint64_t root;
};

struct replay {
	struct amd_kit *kit;
	struct amd_kit_guest guest;
	bool in_guest;
	enum caches caches;
	const struct capture *run;
	uint32_t at;   /* line */
	uint64_t ring; /* where its commands lie in physical memory */
	uint32_t ring_bytes;
	uint32_t slot;  /* of the next command */
	uint64_t table; /* device table, physical */
	struct domain domains[DOMAINS];
	uint32_t next_dma;
	GArray *open; /* of uint32_t: DMA */
	uint32_t dma_faults;
	uint32_t events_a_fault;
	/* What came back. */
	uint32_t issued;
	uint32_t executed;
	uint32_t stopped;
	uint32_t waits;
	uint32_t waits_done;
	uint64_t removed[COMMANDS_MAX];
	struct {
		uint64_t gpa;
		uint64_t pa;
	} stores[STORE_PAGES];
	uint32_t store_count;
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
	r->removed[r->executed++] = probe->removed;
}

/* The access has happened: the data are in memory. */
static void on_access(void *context, struct machine *machine, const struct access *access)
{
	struct replay *r = context;
	uint8_t bytes[8];
	if (access->purpose != ACCESS_COMPLETION_WRITE)
		return;
	memory_read(&machine->memory, access->pa, bytes, sizeof(bytes));
	r->waits_done++;
	/* The driver counts its waits from 1. */
	ck_assert_uint_eq(load_le64(bytes), r->waits_done);
}

static void on_note(void *context, struct machine *machine, const struct note *note)
{
	(void)context, (void)machine, (void)note;
}

/* --- tables from mappings (11) --- */

static uint64_t word(uint64_t pa)
{
	return amd_kit_word(replay->kit, pa);
}

static void set_word(uint64_t pa, uint64_t value)
{
	amd_kit_set_word(replay->kit, pa, value);
}

static void clear_page(uint64_t pa)
{
	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		set_word(pa + 8ULL * i, 0);
}

static bool is_leaf(uint64_t entry)
{
	uint64_t next = field_get(entry, PTE_NEXT);
	return next == 0 || next == NEXT_CODED_SIZE;
}

static uint64_t slot_of(uint64_t table, unsigned level, uint64_t iova)
{
	return table + 8 * (iova >> amd_level_shift(level) & 511);
}

/* The entry of LEVEL for IOVA, made if it is not there; a leaf in its way is an error. */
static uint64_t entry_at(const struct domain *domain, uint64_t iova, unsigned level)
{
	uint64_t table = domain->root;
	for (unsigned at = domain->mode; at > level; at--) {
		uint64_t slot = slot_of(table, at, iova), entry = word(slot);
		if (!(entry & PTE_PR)) {
			entry = PTE_PR | PTE_RW | field_put(PTE_NEXT, at - 1) |
				amd_kit_frames(replay->kit, 1);
			set_word(slot, entry);
		}
		ck_assert_msg(!is_leaf(entry), "%lx is mapped already", iova);
		table = entry & PTE_ADDR;
	}
	return slot_of(table, level, iova);
}

/* The largest size, coded ones too, that starts at both addresses and fits. */
static unsigned size_log2(uint64_t iova, uint64_t pa, uint64_t size)
{
	unsigned bits = 63 - (unsigned)__builtin_clzll(size);
	unsigned aligned = (unsigned)__builtin_ctzll(iova | pa | 1ULL << 38);
	return bits < aligned ? bits : aligned;
}

static void map(const struct domain *domain, const struct capture_line *line)
{
	uint64_t iova = line->map.iova, pa = line->map.pa, left = line->map.size;
	while (left > 0) {
		unsigned log2 = size_log2(iova, pa, left), level = (log2 - 12) / 9 + 1;
		unsigned over = (log2 - 12) % 9;
		uint64_t entry = PTE_PR | PTE_FC | PERMITTED(line->map.prot) | pa;
		uint64_t at = entry_at(domain, iova, level);
		if (over > 0)
			entry |= field_put(PTE_NEXT, NEXT_CODED_SIZE) |
				 (log2 > 13 ? BITS(log2 - 2, 12) : 0);
		for (uint64_t copy = 0; copy < 1ULL << over; copy++)
			set_word(at + 8 * copy, entry);
		iova += 1ULL << log2;
		pa += 1ULL << log2;
		left -= 1ULL << log2;
	}
}

/* The leaf that IOVA lies in; *FIRST: its first entry. 0: none. */
static uint64_t leaf_of(const struct domain *domain, uint64_t iova, unsigned *log2, uint64_t *first)
{
	uint64_t table = domain->root;
	for (unsigned level = domain->mode; level > 0; level--) {
		uint64_t entry = word(slot_of(table, level, iova));
		if (!(entry & PTE_PR))
			return 0;
		if (!is_leaf(entry)) {
			table = entry & PTE_ADDR;
			continue;
		}
		*log2 = amd_level_shift(level);
		if (field_get(entry, PTE_NEXT) == NEXT_CODED_SIZE)
			*log2 = (unsigned)__builtin_ctzll(~entry & PTE_ADDR) + 1;
		*first = slot_of(table, level, iova >> *log2 << *log2);
		return entry;
	}
	return 0;
}

static void unmap(const struct domain *domain, const struct capture_line *line)
{
	for (uint64_t done = 0; done < line->map.size;) {
		unsigned log2 = 0;
		uint64_t first = 0, iova = line->map.iova + done;
		uint64_t leaf = leaf_of(domain, iova, &log2, &first);
		ck_assert_msg(leaf != 0, "seq %lu unmaps %lx, which is not mapped", line->seq,
			      iova);
		uint64_t size = 1ULL << log2, span = 1ULL << ((log2 - 12) / 9 * 9 + 12);
		ck_assert_msg((iova & (size - 1)) == 0 && size <= line->map.size - done,
			      "seq %lu unmaps a part of a leaf", line->seq);
		if (done == 0)
			ck_assert_uint_eq(leaf & PTE_ADDR & ~(size - 1), line->map.pa);
		for (uint64_t copy = 0; copy < size / span; copy++)
			set_word(first + 8 * copy, 0);
		done += size;
	}
}

/* Tables grow at the top: the old root is entry 0 of what is above it (11). */
static void grow(struct domain *domain, uint64_t root, unsigned mode)
{
	uint64_t below = domain->root;
	for (unsigned level = domain->mode + 1; level <= mode; level++) {
		uint64_t table = level == mode ? root : amd_kit_frames(replay->kit, 1);
		clear_page(table);
		set_word(table, PTE_PR | PTE_RW | field_put(PTE_NEXT, level - 1) | below);
		below = table;
	}
	domain->root = root;
	domain->mode = mode;
}

static void set_root(struct domain *domain, uint64_t q0)
{
	unsigned mode = (unsigned)field_get(q0, DTE_MODE);
	uint64_t root = q0 & DTE_ROOT;
	if (!(q0 & DTE_TV) || mode == 0 || (domain->live && domain->root == root))
		return;
	if (domain->live && mode > domain->mode) {
		grow(domain, root, mode);
		return;
	}
	*domain = (struct domain){true, mode, root};
	clear_page(root);
}

/* Mappings may be made before the entry that points to them is: it is found ahead. */
static struct domain *domain_of(uint32_t number)
{
	const struct capture *run = replay->run;
	ck_assert_uint_lt(number, DOMAINS);
	struct domain *domain = &replay->domains[number];
	for (uint32_t i = replay->at; !domain->live && i + 1 < run->line_count; i++) {
		const struct capture_line *low = &run->lines[i], *high = low + 1;
		if (low->kind == CAPTURE_DTE && low->dte.word == 0 && high->kind == CAPTURE_DTE &&
		    high->dte.word == 1 && field_get(high->dte.value, DTE_DOMAIN) == number)
			set_root(domain, low->dte.value);
	}
	ck_assert_msg(domain->live, "domain %u has no tables", number);
	return domain;
}

/* --- the device table --- */

static uint16_t device_here(uint16_t device)
{
	return replay->in_guest ? (uint16_t)(device + DEVICE_OFFSET) : device;
}

/* V, TV, IV and nothing else is what the driver starts with (10). */
static void fill_table(uint64_t base)
{
	uint64_t entries = (field_get(base, DEV_TABLE_SIZE) + 1) * PAGE_SIZE / DTE_SIZE;
	replay->table = base & DEV_TABLE_ADDR;
	for (uint64_t i = 0; i + TABLE_UNUSED < entries; i++) {
		set_word(replay->table + i * DTE_SIZE, DTE_V | DTE_TV);
		set_word(replay->table + i * DTE_SIZE + 16, DTE_IV);
	}
}

static void store_dte(const struct capture_line *line)
{
	uint64_t at = replay->table + (uint64_t)device_here(line->dte.device) * DTE_SIZE;
	uint64_t value = line->dte.value;
	if (!replay->in_guest)
		ck_assert_uint_eq(at, line->dte.at);
	if (line->dte.word == 1 && replay->in_guest && value != 0)
		value += DOMAIN_OFFSET;
	set_word(at + 8ULL * line->dte.word, value);
	if (line->dte.word != 1)
		return;
	uint32_t number = (uint32_t)field_get(line->dte.value, DTE_DOMAIN);
	ck_assert_uint_lt(number, DOMAINS);
	set_root(&replay->domains[number], word(at));
}

/* --- commands --- */

/* The guest's page for a store, mapped when it is first named. */
static void map_store(uint64_t gpa)
{
	gpa &= PAGE_IN_GUEST;
	for (uint32_t i = 0; i < replay->store_count; i++)
		if (replay->stores[i].gpa == gpa)
			return;
	ck_assert_uint_lt(replay->store_count, STORE_PAGES);
	uint64_t pa = amd_kit_frames(replay->kit, 1);
	replay->stores[replay->store_count].gpa = gpa;
	replay->stores[replay->store_count++].pa = pa;
	amd_kit_guest_map(&replay->guest, gpa, pa, PTE_RW);
}

static bool is_for_guests(const struct capture_line *line)
{
	return amd_command_rules[line->command[0] >> 60].guest;
}

static void put_command(const struct capture_line *line)
{
	struct amd_command command = {{line->command[0], line->command[1]}};
	unsigned opcode = amd_command_opcode(&command);
	if (replay->in_guest &&
	    !is_for_guests(line)) /* the host's: it keeps its place in the ring */
		command = amd_command_invalidate_devtab(0);
	if (opcode == CMD_COMPLETION_WAIT) {
		replay->waits++;
		ck_assert_uint_eq(command.q[1], replay->waits);
		if (replay->in_guest)
			map_store(command.q[0] & CMD_STORE_ADDR);
	}
	amd_kit_put(replay->kit, replay->ring, replay->slot / COMMAND_SIZE, command);
	replay->slot = (replay->slot + COMMAND_SIZE) % replay->ring_bytes;
	replay->issued++;
}

/* --- DMA --- */

static void forget_all(void)
{
	tlb_remove_all(&replay->kit->amd->tlb);
	tlb_remove_all(&replay->kit->amd->pdes);
	dte_cache_drop_all(&replay->kit->amd->dtes);
}

/* The direction is not known: one of them has to do. */
static bool holds(const struct capture_dma *dma, bool *write)
{
	struct amd_translation got;
	for (unsigned i = 0; i < 2; i++) {
		if (replay->caches == CACHES_COLD)
			forget_all();
		bool reached = amd_translate(replay->kit->amd, device_here(dma->device), dma->iova,
					     i != 0, AMD_LEAVES_BY_DOMAIN, &got) == AMD_TRANSLATED;
		*write = i != 0;
		if (dma->fault ? !reached : reached && got.pa.value == dma->pa)
			return true;
	}
	return false;
}

/* The events of a recorded fault: one for each word of the transfer. */
static void fault(const struct capture_dma *dma, bool write)
{
	struct amd_translation got;
	uint32_t bytes = 0;
	for (uint32_t i = 0; i < replay->events_a_fault; i++)
		ck_assert_int_eq(amd_dma(replay->kit->amd, device_here(dma->device),
					 dma->iova + 4 * i, write, &bytes, sizeof(bytes), &got),
				 AMD_FAULT);
}

static void check_open(void)
{
	for (guint i = 0; i < replay->open->len;) {
		const struct capture_dma *dma =
			&replay->run->dma[g_array_index(replay->open, uint32_t, i)];
		bool write;
		if (!holds(dma, &write)) {
			i++;
			continue;
		}
		if (dma->fault)
			fault(dma, write);
		replay->dma_faults += dma->fault;
		g_array_remove_index(replay->open, i);
	}
}

static void open_after(uint64_t seq)
{
	const struct capture *run = replay->run;
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
	const struct capture_dma *dma = &replay->run->dma[g_array_index(replay->open, uint32_t, 0)];
	ck_abort_msg("after seq %lu: %04x at %lx does not %s %lx", dma->after_seq, dma->device,
		     dma->iova, dma->fault ? "fault, nor reach" : "reach", dma->pa);
}

/* --- registers --- */

static void ring_doorbell(const struct capture_line *line)
{
	close_all();
	ck_assert_uint_eq(line->mmio.value, replay->slot);
	if (replay->in_guest)
		amd_kit_set_vf(&replay->guest, AMD_CMD_TAIL, line->mmio.value);
	else
		amd_kit_write(replay->kit, AMD_CMD_TAIL, line->mmio.width, line->mmio.value);
	amd_kit_run(replay->kit);
	ck_assert_uint_eq(replay->executed, replay->issued);
	ck_assert_uint_eq(replay->stopped, 0);
	ck_assert_uint_eq(replay->waits_done, replay->waits);
	open_after(line->seq);
}

/* The driver says which events it has read: they are there. QEMU's addresses are no reference. */
static void read_events(uint64_t head)
{
	const struct amd_iommu *amd = replay->kit->amd;
	ck_assert_uint_le(head, amd_kit_read(replay->kit, AMD_EVENT_TAIL, 8));
	for (uint64_t at = amd->events.of[0].head; at < head; at += EVENT_SIZE) {
		struct amd_event event = amd_kit_event(replay->kit, amd->events.of[0].base,
						       (uint32_t)at / EVENT_SIZE);
		ck_assert_uint_lt(at / EVENT_SIZE, replay->run->event_count);
		uint64_t recorded = replay->run->events[at / EVENT_SIZE].q[0];
		ck_assert_uint_eq(event.q[0] & (EVT_CODE | EVT_DEVICE),
				  recorded & (EVT_CODE | EVT_DEVICE));
	}
}

/* Where the recorded ring is. A guest's lies elsewhere, at the same guest address. */
static void place_ring(uint64_t base)
{
	replay->ring = base & RING_ADDR;
	replay->ring_bytes = COMMAND_SIZE << field_get(base, RING_LENGTH);
	if (!replay->in_guest)
		return;
	uint64_t gpa = replay->ring, pages = replay->ring_bytes / PAGE_SIZE;
	replay->ring = amd_kit_frames(replay->kit, (uint32_t)pages);
	for (uint64_t page = 0; page < pages; page++)
		amd_kit_guest_map(&replay->guest, gpa + page * PAGE_SIZE,
				  replay->ring + page * PAGE_SIZE, PTE_RW);
	amd_kit_set_vfcntl(&replay->guest, VFCNTL_COMMAND, 0);
	amd_kit_set_vfcntl(&replay->guest, VFCNTL_COMMAND,
			   gpa | field_get(base, RING_LENGTH) | GUEST_CMD_EN);
}

static void write_register(const struct capture_line *line)
{
	if (line->mmio.offset == AMD_CMD_BASE)
		place_ring(line->mmio.value);
	if (line->mmio.offset == AMD_DEV_TABLE && !replay->in_guest)
		fill_table(line->mmio.value);
	if (line->mmio.offset == AMD_CMD_TAIL)
		ring_doorbell(line);
	if (line->mmio.offset == AMD_CMD_TAIL || replay->in_guest) /* the rest is the VMM's */
		return;
	if (line->mmio.offset == AMD_EVENT_HEAD)
		read_events(line->mmio.value);
	amd_kit_write(replay->kit, line->mmio.offset, line->mmio.width, line->mmio.value);
}

/* --- a run --- */

static void play_line(const struct capture_line *line)
{
	switch (line->kind) {
	case CAPTURE_MMIO:
		write_register(line);
		break;
	case CAPTURE_COMMAND:
		put_command(line);
		break;
	case CAPTURE_DTE:
		store_dte(line);
		break;
	case CAPTURE_MAP:
		map(domain_of(line->map.domain), line);
		break;
	case CAPTURE_UNMAP:
		unmap(domain_of(line->map.domain), line);
		break;
	case CAPTURE_FREE:
		ck_assert_uint_lt(line->map.domain, DOMAINS);
		replay->domains[line->map.domain].live = false;
		break;
	}
	check_open();
}

static void make_guest(void)
{
	struct amd_kit *kit = replay->kit;
	uint64_t map_pages = (GUEST_DEVICES * DEVICE_MAP_ENTRY + PAGE_SIZE - 1) / PAGE_SIZE;
	replay->guest = amd_kit_guest(kit, GUEST_ID, TRANS_DEVICE, TRANS_DOMAIN);
	for (uint64_t page = 1; page < map_pages; page++)
		amd_kit_map(kit, kit->own_root, 3,
			    IPA_DEVICE_MAPS + GUEST_ID * DEVICE_MAP_SIZE + page * PAGE_SIZE,
			    amd_kit_frames(kit, 1), PTE_RW);
	for (uint16_t device = 0; device < GUEST_DEVICES; device++)
		amd_kit_guest_device(&replay->guest, device, (uint16_t)(device + DEVICE_OFFSET));
	for (uint16_t domain = 0; domain < DOMAINS; domain++)
		amd_kit_guest_domain(&replay->guest, domain, (uint16_t)(domain + DOMAIN_OFFSET));
	replay->table = kit->devices;
}

/* Who is sent invalidations has ATS, and answers. */
static void plug_endpoints(void)
{
	bool *known = g_new0(bool, UINT16_MAX + 1);
	for (uint32_t i = 0; i < replay->run->line_count; i++) {
		const struct capture_line *line = &replay->run->lines[i];
		if (line->kind != CAPTURE_COMMAND ||
		    line->command[0] >> 60 != CMD_INVALIDATE_IOTLB_PAGES)
			continue;
		uint16_t device = device_here((uint16_t)field_get(line->command[0], CMD_DEVICE));
		if (!known[device])
			amd_endpoint_new(replay->kit->amd, device);
		known[device] = true;
	}
	g_free(known);
}

static void start_on(const struct capture *run, struct profile profile, bool in_guest,
		     enum caches caches)
{
	/* So that no translation makes way for another: what is removed is what was invalidated. */
	amd_kit_set(&profile, "tlb.entries", 65536);
	replay = g_new0(struct replay, 1);
	replay->kit = amd_kit_new(&profile);
	replay->run = run;
	replay->caches = caches;
	replay->in_guest = in_guest;
	replay->open = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	ck_assert(memory_add_ram(&replay->kit->machine->memory, 0, LOW_FRAMES, OWNER_NOBODY + 1));
	if (in_guest)
		make_guest();
	plug_endpoints();
	for (uint32_t i = 0; i < run->dma_count; i++)
		replay->events_a_fault += run->dma[i].fault;
	if (replay->events_a_fault > 0)
		replay->events_a_fault = run->event_count / replay->events_a_fault;
	/* Last: what the kit did to get going is not the driver's. */
	const struct observer observer = {
		.context = replay, .access = on_access, .probe = on_probe, .note = on_note};
	machine_observe(replay->kit->machine, &observer);
}

static void start(const struct capture *run, const char *profile_name, bool in_guest,
		  enum caches caches)
{
	start_on(run, amd_kit_profile_named(profile_name), in_guest, caches);
}

static void stop(void)
{
	amd_kit_free(replay->kit);
	g_array_free(replay->open, TRUE);
	g_clear_pointer(&replay, g_free);
}

static void play(void)
{
	const struct capture *run = replay->run;
	uint32_t commands = 0;
	for (replay->at = 0; replay->at < run->line_count; replay->at++) {
		commands += run->lines[replay->at].kind == CAPTURE_COMMAND;
		play_line(&run->lines[replay->at]);
	}
	close_all();
	ck_assert_uint_gt(commands, 0);
	ck_assert_uint_eq(replay->executed, commands);
	ck_assert_uint_eq(replay->next_dma, run->dma_count);
}

/* By the name of its commands and the suffix of its other files; those that are there count. */
static const struct {
	const char *name;
	const char *suffix;
} runs[] = {{"strict", ""}, {"ats", "-ats"}, {"lazy", "-lazy"}};

typedef void check_fn(const struct capture *run, const char *name);

static void each_run(check_fn *check)
{
	unsigned found = 0;
	for (unsigned i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		struct capture *run = capture_load(runs[i].name, runs[i].suffix);
		if (run == NULL)
			continue;
		check(run, runs[i].name);
		capture_free(run);
		found++;
	}
	ck_assert_uint_gt(found, 0);
}

/* --- tests --- */

static void check_cold(const struct capture *run, const char *name)
{
	(void)name;
	start(run, "qemu-q35", false, CACHES_COLD);
	play();
	ck_assert_uint_eq(amd_kit_events(replay->kit), run->event_count);
	stop();
}

START_TEST(a_recorded_driver_runs_and_dma_goes_where_it_went)
{
	each_run(check_cold);
}
END_TEST

static void check_hot(const struct capture *run, const char *name)
{
	(void)name;
	start(run, "qemu-q35", false, CACHES_HOT);
	play();
	ck_assert_uint_gt(replay->kit->amd->tlb.hits, run->dma_count / 10);
	stop();
}

START_TEST(what_is_cached_is_never_what_the_driver_had_invalidated)
{
	each_run(check_hot);
}
END_TEST

/* This run's driver was told NpCache = 1: after each map it flushes, with PDE. Others' were not. */
static void check_np_cache(const struct capture *run, const char *name)
{
	struct profile profile = amd_kit_profile_named("qemu-q35");
	if (strcmp(name, "strict") != 0)
		return;
	amd_kit_set(&profile, "npcache.supported", 1);
	start_on(run, profile, false, CACHES_HOT);
	play();
	stop();
}

START_TEST(a_driver_that_flushes_after_maps_runs_where_absence_is_cached)
{
	each_run(check_np_cache);
}
END_TEST

static void check_registers(const struct capture *run, const char *name)
{
	uint32_t count;
	struct capture_register *registers = capture_registers(&count);
	if (strcmp(name, "strict") == 0) {
		ck_assert_uint_gt(count, 0);
		start(run, "qemu-q35", false, CACHES_HOT);
		play();
		for (uint32_t i = 0; i < count; i++) {
			uint64_t value =
				amd_kit_read(replay->kit, registers[i].offset, registers[i].width);
			ck_assert_msg(value == registers[i].value,
				      "register %05x is %lx, recorded %lx", registers[i].offset,
				      value, registers[i].value);
		}
		stop();
	}
	g_free(registers);
}

START_TEST(registers_end_as_they_were_recorded)
{
	each_run(check_registers);
}
END_TEST

/* A guest's ring by guest address, against the host's: the same is removed by each command. */
static void check_guest(const struct capture *run, const char *name)
{
	uint64_t *removed = g_new(uint64_t, COMMANDS_MAX), sum = 0;
	uint32_t executed, command = 0;
	(void)name;
	start(run, "amd-viommu", false, CACHES_HOT);
	play();
	executed = replay->executed;
	memcpy(removed, replay->removed, sizeof(replay->removed));
	stop();
	start(run, "amd-viommu", true, CACHES_HOT);
	play();
	ck_assert_uint_eq(replay->executed, executed);
	for (uint32_t i = 0; i < run->line_count; i++) {
		const struct capture_line *line = &run->lines[i];
		if (line->kind != CAPTURE_COMMAND)
			continue;
		if (is_for_guests(line))
			ck_assert_msg(
				replay->removed[command] == removed[command],
				"seq %lu removes %lu from a guest's ring, %lu from the host's",
				line->seq, replay->removed[command], removed[command]);
		sum += removed[command++];
	}
	ck_assert_uint_gt(sum, 0);
	/* The last store went to the guest's page. */
	ck_assert_uint_gt(replay->store_count, 0);
	ck_assert_uint_eq(word(replay->stores[0].pa), replay->waits);
	stop();
	g_free(removed);
}

START_TEST(a_guest_s_ring_does_what_the_host_s_does)
{
	each_run(check_guest);
}
END_TEST

/* --- the memory image --- */

static struct amd_kit *image_kit(void)
{
	struct profile profile = amd_kit_profile_named("qemu-q35");
	struct amd_kit *kit = amd_kit_new(&profile);
	struct trace_diag diag = {0};
	uint32_t count;
	gchar *path = g_build_filename(capture_folder(), "guest.core.zst", NULL);
	struct image *image = image_load(path, &diag);
	struct capture_register *registers = capture_registers(&count);
	ck_assert_msg(image != NULL, "%s can't be loaded", path);
	ck_assert(image_place(image, kit->machine));
	amd_kit_write(kit, AMD_CONTROL, 8, 0);
	/* Control last: what it starts needs the rest. */
	for (unsigned control = 0; control < 2; control++)
		for (uint32_t i = 0; i < count; i++)
			if ((registers[i].offset == AMD_CONTROL) == (control != 0) &&
			    registers[i].offset != AMD_STATUS)
				amd_kit_write(kit, registers[i].offset, registers[i].width,
					      registers[i].value);
	image_free(image);
	g_free(registers);
	g_free(path);
	return kit;
}

/* A reason names the level of the entry that was not present: the last that was read. */
static void check_reason(struct amd_kit *kit, const struct capture_translation *one,
			 const struct amd_event *event)
{
	uint64_t q0 = event->q[0], code = field_get(q0, EVT_CODE), flags = q0 & (EVT_PR | EVT_PE);
	unsigned level = 0, reads = 0;
	if (strcmp(one->reason, "beyond-device-table") == 0) {
		ck_assert_uint_eq(code, EVENT_ILLEGAL_DEV_TABLE_ENTRY);
		return;
	}
	ck_assert_uint_eq(code, EVENT_IO_PAGE_FAULT);
	if (strcmp(one->reason, "no-perm-dte") == 0) {
		ck_assert_uint_eq(flags, EVT_PR | EVT_PE);
		return;
	}
	ck_assert_msg(flags == 0, "%04x %lx: %s", one->device, one->iova, one->reason);
	for (unsigned i = 0; i < kit->access_count; i++)
		reads += kit->accesses[i].purpose == ACCESS_TABLE_WALK;
	if (sscanf(one->reason, "not-present-l%u", &level) != 1) {
		ck_assert_str_eq(one->reason, "beyond-top-level");
		ck_assert_uint_eq(reads, 0);
		return;
	}
	uint64_t q = amd_kit_word(kit, (kit->amd->dev_table[0] & DEV_TABLE_ADDR) +
					       (uint64_t)one->device * DTE_SIZE);
	ck_assert_uint_eq(field_get(q, DTE_MODE) + 1 - reads, level);
}

static void check_translation(struct amd_kit *kit, const struct capture_translation *one, bool cold)
{
	for (unsigned write = 0; write < 2; write++) {
		struct amd_translation got;
		if (cold) {
			tlb_remove_all(&kit->amd->tlb);
			tlb_remove_all(&kit->amd->pdes);
			dte_cache_drop_all(&kit->amd->dtes);
		}
		amd_kit_clear(kit);
		bool reached = amd_translate(kit->amd, one->device, one->iova, write != 0,
					     AMD_LEAVES_BY_DOMAIN, &got) == AMD_TRANSLATED;
		bool allowed = !one->fault && (write ? one->writable : one->readable);
		ck_assert_msg(reached == allowed, "%04x %lx: a %s is %s", one->device, one->iova,
			      write ? "write" : "read", reached ? "let through" : "refused");
		if (one->fault && cold)
			check_reason(kit, one, &got.event);
		if (!reached)
			continue;
		ck_assert_msg(got.pa.value == one->pa, "%04x %lx: %lx, recorded %lx", one->device,
			      one->iova, got.pa.value, one->pa);
		ck_assert(got.readable == one->readable && got.writable == one->writable);
		if (one->leaf_log2 == 64)
			ck_assert_int_eq(got.path, PATH_BYPASS);
		else
			ck_assert_uint_eq(got.order + 12U, one->leaf_log2);
	}
}

START_TEST(the_memory_image_translates_as_recorded)
{
	uint32_t count;
	struct capture_translation *all = capture_translations(&count);
	struct amd_kit *kit = image_kit();
	ck_assert_uint_gt(count, 0);
	for (unsigned pass = 0; pass < 3; pass++) /* the last one finds everything cached */
		for (uint32_t i = 0; i < count; i++)
			check_translation(kit, &all[i], pass == 0);
	ck_assert_uint_gt(kit->amd->tlb.hits, count / 2);
	amd_kit_free(kit);
	g_free(all);
}
END_TEST

/* What the replay built from mappings is what the driver had in memory. */
static void check_rebuilt(const struct capture *run, const char *name)
{
	uint32_t count;
	struct capture_translation *all = capture_translations(&count);
	if (strcmp(name, "strict") == 0) {
		start(run, "qemu-q35", false, CACHES_COLD);
		play();
		for (uint32_t i = 0; i < count; i++) {
			struct amd_translation got;
			if (all[i].fault || all[i].leaf_log2 == 64)
				continue;
			forget_all();
			ck_assert_int_eq(amd_translate(replay->kit->amd, all[i].device, all[i].iova,
						       !all[i].readable, AMD_LEAVES_BY_DOMAIN,
						       &got),
					 AMD_TRANSLATED);
			ck_assert_uint_eq(got.pa.value, all[i].pa);
			ck_assert(got.readable == all[i].readable &&
				  got.writable == all[i].writable);
			ck_assert_uint_eq(got.order + 12U, all[i].leaf_log2);
		}
		stop();
	}
	g_free(all);
}

START_TEST(tables_built_from_the_mappings_translate_like_the_image)
{
	each_run(check_rebuilt);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("capture_amd");
	TCase *tcase = tcase_create("capture_amd");
	tcase_add_test(tcase, a_recorded_driver_runs_and_dma_goes_where_it_went);
	tcase_add_test(tcase, what_is_cached_is_never_what_the_driver_had_invalidated);
	tcase_add_test(tcase, a_driver_that_flushes_after_maps_runs_where_absence_is_cached);
	tcase_add_test(tcase, registers_end_as_they_were_recorded);
	tcase_add_test(tcase, a_guest_s_ring_does_what_the_host_s_does);
	tcase_add_test(tcase, the_memory_image_translates_as_recorded);
	tcase_add_test(tcase, tables_built_from_the_mappings_translate_like_the_image);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
