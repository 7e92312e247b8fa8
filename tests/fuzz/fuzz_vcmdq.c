/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest: any bytes in its queues, any access to page 0 of its VINTF, at any time. It
 * must not reach another VMID's translations, another guest's stream ids or queues, nor keep the
 * engine busy for ever.
 *
 * The first byte is the size of the queues (bits 2:0) and whether CONS is copied to memory (bit
 * 3); then operations, each an opcode and its operands; missing bytes are zero.
 */
#include <assert.h>
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"

#define SMMU_AT  0x5000000ULL
#define CMDQV_AT 0x5200000ULL

#define GUEST_VMID  5U
#define OTHER_VMID  6U
#define GUEST_VINTF 1U
#define GUEST_QUEUE 2U /* and the next one */
#define OTHER_QUEUE 4U
#define VIRT_SID    0x100U
#define PHYS_SID    0x10U
#define SIDS        2U
#define TLB_PAGES   8U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
};

enum operation {
	OP_ENTRY,   /* queue, entry, 16 bytes */
	OP_COMMAND, /* queue, entry, opcode, VMID, SID, page: a command that is nearly right */
	OP_WRITE,   /* 2 bytes of offset, 4 of value */
	OP_WRITE_8, /* the same, 64 bits wide */
	OP_READ,    /* 2 bytes of offset */
	OP_STEP,    /* how often */
	OP_RUN,
	OP_PROD, /* queue, value */
	OP_COUNT,
};

static const char profile_text[] = "doorbell.latency_ns = 100 ; assumed ; fuzz\n"
				   "fetch.line_latency_ns = 200 ; assumed ; fuzz\n"
				   "command.service_ns = 60 ; assumed ; fuzz\n"
				   "sync.drain_ns = 240 ; assumed ; fuzz\n"
				   "memory.write_ns = 100 ; assumed ; fuzz\n"
				   "walk.read_ns = 100 ; assumed ; fuzz\n"
				   "tlb.hit_ns = 3 ; assumed ; fuzz\n"
				   "ats.round_trip_ns = 1000 ; assumed ; fuzz\n"
				   "tlb.entries = 64 ; assumed ; fuzz\n"
				   "tlb.ways = 4 ; assumed ; fuzz\n"
				   "oas.bits = 48 ; assumed ; fuzz\n"
				   "cmdqs.log2 = 19 ; assumed ; fuzz\n"
				   "vcmdq.count_log2 = 3 ; assumed ; fuzz\n"
				   "vintf.count_log2 = 2 ; assumed ; fuzz\n"
				   "sid_pairs.log2 = 4 ; assumed ; fuzz\n";

static uint64_t take(struct input *input, unsigned bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < bytes && input->size > 0; i++, input->data++, input->size--)
		value |= (uint64_t)*input->data << (8 * i);
	return value;
}

/* What ran for a guest is one of four commands, with its owner's VMID and stream ids. */
static void on_probe(struct machine *machine, const struct probe *probe)
{
	struct smmu_command ran = {{probe->ran[0], probe->ran[1]}};
	uint64_t sid = field_get(ran.dw[0], CMD_SID);
	(void)machine;
	assert(probe->context == GUEST_QUEUE || probe->context == GUEST_QUEUE + 1);
	if (probe->kind == PROBE_STOPPED) {
		assert(probe->error >= VCMDQ_ERR_ILL_OPCODE &&
		       probe->error <= VCMDQ_ERR_ILL_ACCESS);
		assert(probe->removed == 0);
		return;
	}
	assert(!(ran.dw[0] & CMD_SSEC));
	switch (command_opcode(&ran)) {
	case CMD_TLBI_NH_ASID:
	case CMD_TLBI_NH_VA:
		assert(field_get(ran.dw[0], CMD_VMID) == GUEST_VMID);
		break;
	case CMD_ATC_INV:
		assert(sid >= PHYS_SID && sid < PHYS_SID + SIDS);
		break;
	case CMD_SYNC:
		assert(field_get(ran.dw[0], CMD_SYNC_CS) == SYNC_CS_NONE);
		break;
	default:
		assert(!"a guest's queue ran an illegal command");
	}
}

/* Commands are read from the guest's own two pages, CONS goes to a third. */
static uint64_t first_pa;

static void on_access(struct machine *machine, const struct access *access)
{
	(void)machine;
	uint64_t end = access->purpose == ACCESS_POINTER_WRITE ? 3 * PAGE_SIZE : 2 * PAGE_SIZE;
	assert(access->pa.value >= first_pa);
	assert(access->pa.value + access->size <= first_pa + end);
}

static uint64_t reg(struct machine *machine, uint64_t offset)
{
	return bus_read(&machine->bus, pa_of(CMDQV_AT + offset), 4);
}

static void set_reg(struct machine *machine, uint64_t offset, unsigned width, uint64_t value)
{
	bus_write(&machine->bus, pa_of(CMDQV_AT + offset), width, value);
}

static void make_queue(struct machine *machine, uint32_t queue, uint32_t vintf, uint32_t logical,
		       uint64_t base, uint64_t copy)
{
	uint64_t page1 = CMDQV_DIRECT_PAGE1 + CMDQV_QUEUE_STRIDE * queue;
	set_reg(machine, CMDQV_ALLOC_MAP + 4 * queue, 4, vintf << 15 | logical << 1 | 1);
	set_reg(machine, page1 + VCMDQ_BASE, 8, base);
	set_reg(machine, page1 + VCMDQ_CONS_BASE, 8, copy);
	set_reg(machine, CMDQV_DIRECT_PAGE0 + CMDQV_QUEUE_STRIDE * queue + VCMDQ_CONFIG, 4, 1);
}

static struct smmu *make_smmu(struct machine *machine, uint8_t first)
{
	struct profile profile;
	struct trace_diag diag = {0};
	uint64_t pfn, log2size = first & 7;
	int result = profile_parse(&profile, "fuzz", profile_text, sizeof(profile_text) - 1,
				   smmu_parameters, &diag);
	assert(result == 0);
	(void)result;
	struct smmu *smmu = smmu_new(machine, pa_of(SMMU_AT), pa_of(CMDQV_AT), &profile);
	memory_alloc(&machine->memory, 0, 3, 3, 1, 0, &pfn);
	first_pa = pfn * PAGE_SIZE;
	if (first & 8)
		set_reg(machine, CMDQV_CONFIG, 4, CONFIG_RESET | CONFIG_CONS_DRAM_EN);
	for (uint32_t vintf = GUEST_VINTF; vintf <= GUEST_VINTF + 1; vintf++) {
		uint64_t block = CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE * vintf;
		uint32_t vmid = vintf == GUEST_VINTF ? GUEST_VMID : OTHER_VMID;
		set_reg(machine, block + VINTF_CONFIG, 4, vmid << 1 | 1);
		for (uint32_t i = 0; i < SIDS; i++) {
			set_reg(machine, block + VINTF_SID_REPLACE + 4 * i, 4,
				(vintf == GUEST_VINTF ? PHYS_SID : 0x700) + i);
			set_reg(machine, block + VINTF_SID_MATCH + 4 * i, 4,
				(VIRT_SID + i) << 1 | 1);
		}
	}
	for (uint32_t logical = 0; logical < 2; logical++)
		make_queue(machine, GUEST_QUEUE + logical, GUEST_VINTF, logical,
			   (first_pa + PAGE_SIZE * logical) | log2size,
			   first_pa + 2 * PAGE_SIZE + 8 * logical);
	make_queue(machine, OTHER_QUEUE, GUEST_VINTF + 1, 0, first_pa, 0);
	for (uint16_t vmid = 0; vmid <= OTHER_VMID;
	     vmid = vmid == 0 ? (uint16_t)GUEST_VMID : (uint16_t)(vmid + 1)) {
		for (uint64_t page = 0; page < TLB_PAGES; page++) {
			struct tlb_entry entry = {
				.stage1 = page & 1, .vmid = vmid, .asid = 1, .input = page};
			tlb_insert(&smmu->tlb, &entry);
		}
	}
	return smmu;
}

static uint32_t foreign_entries(const struct smmu *smmu)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < smmu->tlb.sets * smmu->tlb.ways; i++)
		count += smmu->tlb.entries[i].valid && smmu->tlb.entries[i].vmid != GUEST_VMID;
	return count;
}

static void put_entry(struct input *input, struct machine *machine, bool nearly_right)
{
	uint64_t queue = take(input, 1) & 1, entry = take(input, 1);
	uint8_t bytes[COMMAND_SIZE];
	struct smmu_command command;
	if (nearly_right) {
		static const uint8_t opcodes[] = {CMD_TLBI_NH_ASID, CMD_TLBI_NH_VA, CMD_ATC_INV,
						  CMD_SYNC};
		uint64_t which = take(input, 1);
		command.dw[0] = which < 128 ? opcodes[which % 4] : which - 128;
		command.dw[0] |= take(input, 1) << 32 | take(input, 2) << 40 | 1ULL << 48;
		command.dw[1] = take(input, 1) << PAGE_SHIFT;
	} else {
		command.dw[0] = take(input, 8);
		command.dw[1] = take(input, 8);
	}
	command_store(bytes, &command);
	memory_write(&machine->memory, pa_of(first_pa + queue * PAGE_SIZE + entry * COMMAND_SIZE),
		     bytes, sizeof(bytes), 0);
}

/* The engine comes to rest: each queue runs at most what its pointers can span. */
static void run(struct machine *machine, uint32_t log2size)
{
	uint32_t steps = 0, limit = 2 * 2 * (2U << log2size) + 8;
	while (clock_step(&machine->clock)) {
		steps++;
		assert(steps <= limit);
	}
}

static void act(struct input *input, struct machine *machine, uint32_t log2size)
{
	uint64_t page0 = cmdqv_vintf_page0(GUEST_VINTF);
	uint64_t offset, count;
	switch (take(input, 1) % OP_COUNT) {
	case OP_ENTRY:
		put_entry(input, machine, false);
		break;
	case OP_COMMAND:
		put_entry(input, machine, true);
		break;
	case OP_WRITE:
		offset = take(input, 2);
		set_reg(machine, page0 + offset, 4, take(input, 4));
		break;
	case OP_WRITE_8:
		offset = take(input, 2) & ~7U;
		set_reg(machine, page0 + offset, 8, take(input, 8));
		break;
	case OP_READ:
		offset = take(input, 2);
		bus_read(&machine->bus, pa_of(CMDQV_AT + page0 + (offset & ~7U)), 8);
		reg(machine, page0 + offset);
		break;
	case OP_STEP:
		for (count = take(input, 1) & 15; count > 0; count--)
			clock_step(&machine->clock);
		break;
	case OP_RUN:
		run(machine, log2size);
		break;
	case OP_PROD:
		offset = CMDQV_QUEUE_STRIDE * (take(input, 1) & 1);
		set_reg(machine, page0 + offset + VCMDQ_PROD, 4, take(input, 1));
		break;
	default:
		break;
	}
}

/* The guest wrote to page 0 only: what the host set up is as it was. */
static void check_host(struct machine *machine, const struct smmu *smmu, uint8_t first)
{
	uint64_t page1 = CMDQV_DIRECT_PAGE1 + CMDQV_QUEUE_STRIDE * GUEST_QUEUE;
	uint64_t other = CMDQV_DIRECT_PAGE0 + CMDQV_QUEUE_STRIDE * OTHER_QUEUE;
	assert(reg(machine, page1 + VCMDQ_BASE) == (uint32_t)(first_pa | (first & 7)));
	assert(reg(machine, CMDQV_ALLOC_MAP + 4 * GUEST_QUEUE) == (GUEST_VINTF << 15 | 1));
	assert(reg(machine, CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE) ==
	       (GUEST_VMID << 1 | 1));
	for (uint32_t offset = VCMDQ_CONS; offset <= VCMDQ_GERRORN; offset += 4)
		assert(reg(machine, other + offset) ==
		       (offset == VCMDQ_CONFIG || offset == VCMDQ_STATUS));
	assert((reg(machine, CMDQV_VI_ERR_MAP) & ~(1U << GUEST_VINTF)) == 0);
	assert(smmu->gerror == 0 && smmu->cmdq.cons == 0);
	(void)page1, (void)other, (void)smmu, (void)first;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct machine_config config = machine_config_default();
	config.memory_bytes = 16ULL << 20;
	config.arena_bytes = 64ULL << 20;
	config.huge_pages = 0;
	struct machine *machine = machine_new(&config);
	assert(machine != NULL);
	uint8_t first = (uint8_t)take(&input, 1);
	struct smmu *smmu = make_smmu(machine, first);
	uint32_t before = foreign_entries(smmu);
	machine->probe = on_probe;
	machine->watch = on_access;
	for (unsigned i = 0; i < 256 && input.size > 0; i++)
		act(&input, machine, first & 7);
	run(machine, first & 7);
	assert(foreign_entries(smmu) == before);
	check_host(machine, smmu, first);
	(void)before;
	machine_free(machine);
	return 0;
}
