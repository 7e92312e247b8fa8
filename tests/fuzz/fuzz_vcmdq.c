/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest: any bytes in its queues, any access to page 0 of its VINTF, at any time, on hardware
 * of any assumption; and a host that takes its queues away and gives them back. The guest must not
 * reach another VMID's translations, another guest's stream ids or queues, nor memory that is not its
 * queue's now, nor keep the engine busy for ever.
 *
 * The input: struct setup's bytes, then operations, each an opcode and its operands; missing bytes are
 * zero.
 */
#include <assert.h>
#include <string.h>

#include "tests/kit/smmu.h"

#define GUEST_VMID   5U
#define OTHER_VMID   6U
#define GUEST_VINTF  1U
#define GUEST_QUEUE  2U /* and the next one */
#define GUEST_QUEUES 2U
#define OTHER_QUEUE  4U
#define VIRT_SID     0x100U
#define PHYS_SID     0x10U
#define SIDS         2U
#define TLB_PAGES    8U
#define OPERATIONS   256U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
};

enum operation {
	OP_ENTRY,   /* queue, entry, 16 bytes */
	OP_COMMAND, /* queue, entry, opcode, 3 bytes of VMID and ASID or SID, page: nearly right */
	OP_WRITE,   /* 2 bytes of offset, 4 of value */
	OP_WRITE_8, /* the same, 64 bits wide */
	OP_READ,    /* 2 bytes of offset */
	OP_STEP,    /* how often */
	OP_RUN,
	OP_PROD,   /* queue, value */
	OP_SWITCH, /* queue and, in bit 1, CMDQ_EN */
	OP_REBASE, /* queue: the host stops it, and starts it in its other page */
	OP_VINTF,  /* the host's ENABLE of the guest's VINTF */
	OP_COUNT,
};

/* The first bytes. */
struct setup {
	uint8_t size;         /* 2:0 log2 of entries; 3 CONS is copied; 4 a silent endpoint */
	uint16_t assumptions; /* digits: a value of each */
	uint8_t faults;       /* which fetch is late (3:0) and which aborts (7:4); 0: none */
	uint8_t copy_fault;   /* which copy of CONS aborts; 0: none */
};

struct guest_queue {
	uint64_t pages[2];
	uint64_t copy;
	unsigned current; /* page */
};

/* One run. */
struct fuzz {
	struct smmu_kit *kit;
	struct setup setup;
	struct guest_queue queues[GUEST_QUEUES];
	uint64_t main_base;
	uint32_t main_prod;
	uint32_t vintf_config;
	struct hash hash; /* of what was seen */
};

static uint64_t take(struct input *input, unsigned bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < bytes && input->size > 0; i++, input->data++, input->size--)
		value |= (uint64_t)*input->data << (8 * i);
	return value;
}

static unsigned assumed(const struct fuzz *fuzz, enum smmu_assumption assumption)
{
	return fuzz->kit->smmu->assumptions.values[assumption];
}

/* --- what must hold --- */

static bool may_run(const struct fuzz *fuzz, unsigned opcode)
{
	bool stage2 = assumed(fuzz, ASSUME_GUEST_STAGE2_TLBI) == GUEST_STAGE2_TLBI_LEGAL;
	return opcode == CMD_TLBI_NH_ASID || opcode == CMD_TLBI_NH_VA || opcode == CMD_ATC_INV ||
	       opcode == CMD_SYNC ||
	       (stage2 && (opcode == CMD_TLBI_S12_VMALL || opcode == CMD_TLBI_S2_IPA));
}

/* No effect beyond the guest's VMID and devices. */
static void check_effect(const struct probe *probe)
{
	uint64_t vmid = field_get(probe->ran[0], CMD_VMID);
	uint64_t sid = field_get(probe->ran[0], CMD_SID);
	switch (probe->effect) {
	case EFFECT_NONE:
		assert(probe->removed == 0);
		break;
	case EFFECT_DOMAIN:
		assert(probe->target == GUEST_VMID && vmid == GUEST_VMID);
		break;
	case EFFECT_DEVICE:
		assert(probe->target == sid && sid >= PHYS_SID && sid < PHYS_SID + SIDS);
		break;
	default:
		assert(!"a guest's command affects everyone");
	}
}

static void on_probe(void *context, struct machine *machine, const struct probe *probe)
{
	struct fuzz *fuzz = context;
	(void)machine;
	hash_bytes(&fuzz->hash, probe->ran, sizeof(probe->ran));
	hash_u64(&fuzz->hash, probe->time_ps);
	if (probe->context == CONTEXT_MAIN_QUEUE) {
		assert(probe->kind == PROBE_EXECUTED || probe->error == CERROR_ABT);
		return;
	}
	assert(probe->context - GUEST_QUEUE < GUEST_QUEUES);
	if (probe->kind == PROBE_STOPPED) {
		assert(probe->error >= VCMDQ_ERR_ILL_OPCODE &&
		       probe->error <= VCMDQ_ERR_ILL_ACCESS);
		assert(probe->effect == EFFECT_NONE && probe->removed == 0);
		return;
	}
	assert(!(probe->ran[0] & CMD_SSEC));
	assert(may_run(fuzz, (unsigned)field_get(probe->ran[0], CMD_OPCODE)));
	check_effect(probe);
}

/*
 * Commands come from the queue's own page of now, while STATUS says that it is enabled; but for a stop
 * that is acknowledged too early. CONS goes to its copy.
 */
static void check_access(const struct fuzz *fuzz, const struct access *access)
{
	const struct guest_queue *queue = &fuzz->queues[access->context - GUEST_QUEUE];
	bool early = assumed(fuzz, ASSUME_STOP_ACK) == STOP_ACK_EARLY;
	if (access->purpose == ACCESS_POINTER_WRITE) {
		assert(fuzz->setup.size & 8);
		assert(access->pa.value == queue->copy && access->size == 4);
		return;
	}
	assert(access->purpose == ACCESS_COMMAND_FETCH);
	assert(early || kit_enabled(fuzz->kit, access->context));
	uint64_t base = queue->pages[queue->current];
	if (early && access->pa.value - base >= PAGE_SIZE)
		base = queue->pages[!queue->current];
	assert(access->pa.value >= base);
	assert(access->pa.value + access->size <=
	       base + ((uint64_t)COMMAND_SIZE << (fuzz->setup.size & 7)));
}

static void on_access(void *context, struct machine *machine, const struct access *access)
{
	struct fuzz *fuzz = context;
	(void)machine;
	hash_u64(&fuzz->hash, access->pa.value);
	hash_u64(&fuzz->hash, access->time_ps);
	assert(access->path == PATH_PHYSICAL);
	if (access->context == CONTEXT_MAIN_QUEUE) {
		assert(access->pa.value - fuzz->main_base < PAGE_SIZE);
		return;
	}
	assert(access->context - GUEST_QUEUE < GUEST_QUEUES);
	check_access(fuzz, access);
}

static void on_note(void *context, struct machine *machine, const struct note *note)
{
	(void)context, (void)machine;
	assert(note->kind != NOTE_FAULT);
	assert(note->kind != NOTE_INTERRUPT || note->who == KIT_IRQ_CMDQV);
}

/* The engine comes to rest: each queue runs at most what its pointers can span. */
static uint32_t steps_max(const struct fuzz *fuzz)
{
	return 2 * 2 * GUEST_QUEUES * (2U << (fuzz->setup.size & 7)) + 16;
}

static void run(struct fuzz *fuzz)
{
	uint32_t steps = 0;
	while (clock_step(&fuzz->kit->machine->clock)) {
		steps++;
		assert(steps <= steps_max(fuzz));
	}
}

/* --- the host --- */

static void enable(struct fuzz *fuzz, uint32_t which)
{
	struct guest_queue *queue = &fuzz->queues[which];
	uint32_t number = GUEST_QUEUE + which;
	kit_write(fuzz->kit, kit_direct1(number, VCMDQ_CONS_BASE), 8, queue->copy);
	fuzz->vintf_config = GUEST_VMID << 1 | 1;
	kit_enable(fuzz->kit, number, GUEST_VINTF, which, fuzz->vintf_config,
		   queue->pages[queue->current] | (fuzz->setup.size & 7));
}

/* A step that must be there, one of LIMIT at most. */
static void step(struct fuzz *fuzz, uint32_t *steps, uint32_t limit)
{
	bool more = clock_step(&fuzz->kit->machine->clock);
	++*steps;
	assert(more && *steps <= limit);
}

static uint32_t main_cons(const struct fuzz *fuzz)
{
	uint64_t cons = kit_smmu_read(fuzz->kit, SMMU_CMDQ_CONS, 4);
	return (uint32_t)field_get(cons, QUEUE_POINTER);
}

/* As Linux stops a queue: STATUS polled, then a SYNC of the main queue (9.3). */
static void stop(struct fuzz *fuzz, uint32_t number)
{
	struct smmu_kit *kit = fuzz->kit;
	uint32_t steps = 0;
	kit_switch(kit, number, false);
	while (kit_enabled(kit, number))
		step(fuzz, &steps, steps_max(fuzz));
	kit_put(kit, fuzz->main_base, fuzz->main_prod & 255, command_sync(SYNC_CS_NONE));
	fuzz->main_prod = (fuzz->main_prod + 1) & 511;
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, fuzz->main_prod);
	while (main_cons(fuzz) != fuzz->main_prod) {
		/* The injected fault may have hit this fetch: it is tried again. */
		kit_smmu_write(kit, SMMU_GERRORN, 4, kit_smmu_read(kit, SMMU_GERROR, 4));
		step(fuzz, &steps, 2 * steps_max(fuzz));
	}
}

static void rebase(struct fuzz *fuzz, uint32_t which)
{
	uint32_t number = GUEST_QUEUE + which;
	stop(fuzz, number);
	kit_ring(fuzz->kit, number, 0);
	kit_write(fuzz->kit, kit_direct(number, VCMDQ_CONS), 4, 0);
	kit_acknowledge(fuzz->kit, number);
	kit_alloc(fuzz->kit, number, GUEST_VINTF, which, false);
	fuzz->queues[which].current ^= 1;
	enable(fuzz, which);
	assert(kit_enabled(fuzz->kit, number));
}

static void set_up_vintf(struct fuzz *fuzz, uint32_t vintf, uint32_t vmid, uint32_t physical)
{
	kit_write(fuzz->kit, kit_vintf(vintf, VINTF_CONFIG), 4, vmid << 1 | 1);
	for (uint32_t i = 0; i <= SIDS; i++) { /* the last one is in conflict with the first */
		kit_write(fuzz->kit, kit_vintf(vintf, VINTF_SID_REPLACE + 4 * i), 4,
			  physical + (i < SIDS ? i : 1));
		kit_write(fuzz->kit, kit_vintf(vintf, VINTF_SID_MATCH + 4 * i), 4,
			  (VIRT_SID + i % SIDS) << 1 | 1);
	}
}

static void inject(struct fuzz *fuzz, enum access_purpose purpose, enum fault_action action,
		   unsigned nth)
{
	struct port_fault fault = {.engine = fuzz->kit->smmu->port.engine,
				   .purpose = purpose,
				   .action = action,
				   .late_ps = action == FAULT_LATE ? 1000000 : 0,
				   .nth = nth};
	if (nth != 0)
		port_inject(fuzz->kit->machine, &fault);
}

/* Translations of host, guest and another guest, of either stage. */
static void fill_tlb(struct fuzz *fuzz)
{
	static const uint16_t vmids[] = {0, GUEST_VMID, OTHER_VMID};
	for (unsigned i = 0; i < 3; i++) {
		for (uint64_t page = 0; page < TLB_PAGES; page++) {
			struct tlb_entry entry = {
				.tag = {.stage1 = page & 1, .domain = vmids[i], .space = page & 1}};
			tlb_insert(&fuzz->kit->smmu->tlb, &entry, page);
		}
	}
}

static void choose_assumptions(struct fuzz *fuzz)
{
	uint32_t digits = fuzz->setup.assumptions;
	for (unsigned i = 0; smmu_assumptions[i].key != NULL; i++) {
		uint32_t count = option_value_count(&smmu_assumptions[i]);
		kit_assume(fuzz->kit, i, digits % count);
		digits /= count;
	}
}

static struct profile small_profile(void)
{
	struct profile profile = smmu_kit_grace();
	smmu_kit_set(&profile, "tlb.entries", 64);
	smmu_kit_set(&profile, "config.entries", 1);
	smmu_kit_set(&profile, "vcmdq.count_log2", 6);
	smmu_kit_set(&profile, "vintf.count_log2", 2);
	return profile;
}

static void set_up(struct fuzz *fuzz, struct input *input)
{
	const struct profile profile = small_profile();
	memset(fuzz, 0, sizeof(*fuzz));
	hash_init(&fuzz->hash);
	fuzz->setup.size = (uint8_t)take(input, 1);
	fuzz->setup.assumptions = (uint16_t)take(input, 2);
	fuzz->setup.faults = (uint8_t)take(input, 1);
	fuzz->setup.copy_fault = (uint8_t)take(input, 1);
	fuzz->kit = smmu_kit_new(&profile);
	kit_smmu_write(fuzz->kit, SMMU_CR0, 4, CR0_SMMUEN);
	fuzz->main_base = kit_frames(fuzz->kit, 1);
	kit_enable_main(fuzz->kit, fuzz->main_base, 8);
	choose_assumptions(fuzz);
	smmu_endpoint_new(fuzz->kit->smmu, PHYS_SID + 1)->silent = fuzz->setup.size & 16;
	if (fuzz->setup.size & 8)
		kit_write(fuzz->kit, CMDQV_CONFIG, 4, CONFIG_RESET | (uint32_t)CONFIG_CONS_DRAM_EN);
	set_up_vintf(fuzz, GUEST_VINTF, GUEST_VMID, PHYS_SID);
	set_up_vintf(fuzz, GUEST_VINTF + 1, OTHER_VMID, 0x700);
	for (uint32_t i = 0; i < GUEST_QUEUES; i++) {
		fuzz->queues[i].pages[0] = kit_frames(fuzz->kit, 1);
		fuzz->queues[i].pages[1] = kit_frames(fuzz->kit, 1);
		fuzz->queues[i].copy = kit_frames(fuzz->kit, 1) + 8;
		enable(fuzz, i);
	}
	kit_enable(fuzz->kit, OTHER_QUEUE, GUEST_VINTF + 1, 0, OTHER_VMID << 1 | 1,
		   kit_frames(fuzz->kit, 1));
	fill_tlb(fuzz);
	inject(fuzz, ACCESS_COMMAND_FETCH, FAULT_LATE, fuzz->setup.faults & 15);
	inject(fuzz, ACCESS_COMMAND_FETCH, FAULT_ABORT, fuzz->setup.faults >> 4);
	inject(fuzz, ACCESS_POINTER_WRITE, FAULT_ABORT, fuzz->setup.copy_fault);
	const struct observer observer = {
		.context = fuzz, .access = on_access, .probe = on_probe, .note = on_note};
	machine_observe(fuzz->kit->machine, &observer);
}

/* What the host set up is as it was: the guest wrote to page 0 of its VINTF only. */
static void check_host(struct fuzz *fuzz)
{
	struct smmu_kit *kit = fuzz->kit;
	for (uint32_t i = 0; i < GUEST_QUEUES; i++) {
		const struct guest_queue *queue = &fuzz->queues[i];
		uint32_t number = GUEST_QUEUE + i;
		assert(kit_read(kit, kit_direct1(number, VCMDQ_BASE), 8) ==
		       (queue->pages[queue->current] | (fuzz->setup.size & 7)));
		assert(kit_read(kit, kit_direct1(number, VCMDQ_CONS_BASE), 8) == queue->copy);
		assert(kit_read(kit, CMDQV_ALLOC_MAP + 4 * number, 4) ==
		       (GUEST_VINTF << 15 | i << 1 | 1));
	}
	assert(kit_read(kit, kit_vintf(GUEST_VINTF, VINTF_CONFIG), 4) == fuzz->vintf_config);
	for (uint32_t offset = VCMDQ_CONS; offset <= VCMDQ_GERRORN; offset += 4)
		assert(kit_read(kit, kit_direct(OTHER_QUEUE, offset), 4) ==
		       (offset == VCMDQ_CONFIG || offset == VCMDQ_STATUS));
	assert((kit_read(kit, CMDQV_VI_ERR_MAP, 4) & ~(1U << GUEST_VINTF)) == 0);
	assert((kit_read(kit, CMDQV_CMDQ_ERR_MAP, 4) & ~(3U << GUEST_QUEUE)) == 0);
	assert(kit_smmu_read(kit, SMMU_GERROR, 4) == kit_smmu_read(kit, SMMU_GERRORN, 4));
	assert(main_cons(fuzz) == fuzz->main_prod);
}

static void check_tlb(struct fuzz *fuzz)
{
	static const uint16_t vmids[] = {0, OTHER_VMID};
	for (unsigned i = 0; i < 2; i++) {
		for (uint64_t page = 0; page < TLB_PAGES; page++) {
			struct tlb_tag tag = {
				.stage1 = page & 1, .domain = vmids[i], .space = page & 1};
			assert(tlb_lookup(&fuzz->kit->smmu->tlb, tag, page) != NULL);
		}
	}
}

/* --- the guest --- */

static struct smmu_command nearly_right(struct input *input)
{
	static const uint8_t opcodes[] = {CMD_TLBI_NH_ASID, CMD_TLBI_NH_VA,     CMD_ATC_INV,
					  CMD_SYNC,         CMD_TLBI_S12_VMALL, CMD_TLBI_S2_IPA};
	struct smmu_command command;
	uint64_t which = take(input, 1);
	command.dw[0] = which < 128 ? opcodes[which % sizeof(opcodes)] : which - 128;
	command.dw[0] |= take(input, 1) << 32 | take(input, 2) << 40; /* VMID and ASID, or SID */
	command.dw[1] = take(input, 1) << PAGE_SHIFT;
	return command;
}

static void put_entry(struct fuzz *fuzz, struct input *input, bool raw)
{
	const struct guest_queue *queue = &fuzz->queues[take(input, 1) & 1];
	uint32_t entry = (uint32_t)take(input, 1);
	struct smmu_command command;
	if (raw) {
		command.dw[0] = take(input, 8);
		command.dw[1] = take(input, 8);
	} else {
		command = nearly_right(input);
	}
	kit_put(fuzz->kit, queue->pages[queue->current], entry, command);
}

static void act(struct fuzz *fuzz, struct input *input)
{
	uint64_t page0 = cmdqv_vintf_page0(GUEST_VINTF), offset, count;
	uint32_t which;
	unsigned operation = (unsigned)take(input, 1) % OP_COUNT;
	switch (operation) {
	case OP_ENTRY:
	case OP_COMMAND:
		put_entry(fuzz, input, operation == OP_ENTRY);
		break;
	case OP_WRITE:
		offset = take(input, 2);
		kit_write(fuzz->kit, page0 + offset, 4, take(input, 4));
		break;
	case OP_WRITE_8:
		offset = take(input, 2) & ~7U;
		kit_write(fuzz->kit, page0 + offset, 8, take(input, 8));
		break;
	case OP_READ:
		offset = take(input, 2);
		hash_u64(&fuzz->hash, kit_read(fuzz->kit, page0 + (offset & ~7U), 8));
		hash_u64(&fuzz->hash, kit_read(fuzz->kit, page0 + offset, 4));
		break;
	case OP_STEP:
		for (count = take(input, 1) & 15; count > 0; count--)
			clock_step(&fuzz->kit->machine->clock);
		break;
	case OP_RUN:
		run(fuzz);
		break;
	case OP_PROD:
		offset = page0 + CMDQV_QUEUE_STRIDE * (take(input, 1) & 1);
		kit_write(fuzz->kit, offset + VCMDQ_PROD, 4, take(input, 1));
		break;
	case OP_SWITCH:
		which = (uint32_t)take(input, 1);
		offset = page0 + (uint64_t)CMDQV_QUEUE_STRIDE * (which & 1);
		kit_write(fuzz->kit, offset + VCMDQ_CONFIG, 4, which >> 1 & 1);
		break;
	case OP_REBASE:
		rebase(fuzz, take(input, 1) & 1);
		break;
	default:
		fuzz->vintf_config = GUEST_VMID << 1 | (take(input, 1) & 1);
		kit_write(fuzz->kit, kit_vintf(GUEST_VINTF, VINTF_CONFIG), 4, fuzz->vintf_config);
		break;
	}
}

/* A hash of all that was seen. */
static uint64_t play(struct input input)
{
	struct fuzz fuzz;
	set_up(&fuzz, &input);
	for (unsigned i = 0; i < OPERATIONS && input.size > 0; i++)
		act(&fuzz, &input);
	run(&fuzz);
	check_host(&fuzz);
	check_tlb(&fuzz);
	smmu_hash(fuzz.kit->smmu, &fuzz.hash);
	smmu_kit_free(fuzz.kit);
	return fuzz.hash.value;
}

/* The same input gives the same run. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct input input = {data, size};
	uint64_t first = play(input), second = play(input);
	assert(first == second);
	return 0;
}
