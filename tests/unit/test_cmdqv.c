/* SPDX-License-Identifier: Apache-2.0 */
/* CMDQV registers, substitution and errors, against sheet tegra241-cmdqv (sections in brackets). */
#include <check.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"
#include "tests/kit/run.h"

#define SMMU_AT  0x5000000ULL
#define CMDQV_AT 0x5200000ULL

#define GUEST_VINTF 1U
#define GUEST_VMID  5U
#define GUEST_QUEUE 2U /* of VINTF 1, logical 0 */
#define HOST_QUEUE  0U
#define LOG2SIZE    3U
#define PROBES_MAX  64U

static struct profile profile;
static struct machine *machine;
static struct smmu *smmu;
static struct probe probes[PROBES_MAX];
static unsigned probe_count;
static unsigned irqs;

static void on_probe(struct machine *from, const struct probe *probe)
{
	(void)from;
	if (probe_count < PROBES_MAX)
		probes[probe_count] = *probe;
	probe_count++;
}

static void on_irq(void *context)
{
	++*(unsigned *)context;
}

static void load_profile(void)
{
	char *text;
	gsize length;
	struct trace_diag diag = {0};
	ck_assert(g_file_get_contents(HWQ_SOURCE_DIR "/profiles/grace", &text, &length, NULL));
	ck_assert_int_eq(profile_parse(&profile, "grace", text, length, smmu_parameters, &diag), 0);
	g_free(text);
}

static void set_parameter(const char *name, uint64_t value)
{
	for (uint32_t i = 0; i < profile.count; i++)
		if (strcmp(profile.parameters[i].name, name) == 0)
			profile.parameters[i].value = value;
}

static void make_machine(void)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 256ULL << 20; /* quicker to make */
	machine = machine_new(&config);
	smmu = smmu_new(machine, pa_of(SMMU_AT), pa_of(CMDQV_AT), &profile);
	machine->probe = on_probe;
	probe_count = 0;
	irqs = 0;
	smmu->cmdqv_irq = on_irq;
	smmu->cmdqv_irq_context = &irqs;
}

static void setup(void)
{
	load_profile();
	make_machine();
}

static void teardown(void)
{
	machine_free(machine);
}

/* --- registers --- */

static uint64_t get(uint64_t offset, unsigned width)
{
	return bus_read(&machine->bus, pa_of(CMDQV_AT + offset), width);
}

static void set(uint64_t offset, unsigned width, uint64_t value)
{
	bus_write(&machine->bus, pa_of(CMDQV_AT + offset), width, value);
}

static uint32_t direct(uint32_t queue, uint32_t offset)
{
	return CMDQV_DIRECT_PAGE0 + CMDQV_QUEUE_STRIDE * queue + offset;
}

static uint32_t direct1(uint32_t queue, uint32_t offset)
{
	return CMDQV_DIRECT_PAGE1 + CMDQV_QUEUE_STRIDE * queue + offset;
}

static uint32_t vintf_block(uint32_t vintf, uint32_t offset)
{
	return CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE * vintf + offset;
}

static void set_alloc(uint32_t queue, uint32_t vintf, uint32_t logical, bool alloc)
{
	set(CMDQV_ALLOC_MAP + 4 * queue, 4, vintf << 15 | logical << 1 | alloc);
}

static uint64_t status(uint32_t queue)
{
	return get(direct(queue, VCMDQ_STATUS), 4);
}

static uint32_t cons(uint32_t queue)
{
	return (uint32_t)field_get(get(direct(queue, VCMDQ_CONS), 4), VCMDQ_POINTER);
}

static uint32_t error(uint32_t queue)
{
	return (uint32_t)field_get(get(direct(queue, VCMDQ_CONS), 4), VCMDQ_CONS_ERR);
}

static void ring(uint32_t queue, uint32_t prod)
{
	set(direct(queue, VCMDQ_PROD), 4, prod);
	while (clock_step(&machine->clock))
		;
}

/* --- queues in memory --- */

static uint64_t page(void)
{
	uint64_t pfn;
	ck_assert_uint_eq(memory_alloc(&machine->memory, 0, 1, 1, 1, 0, &pfn), 1);
	return pfn * PAGE_SIZE;
}

static void put(uint64_t base, uint32_t entry, struct smmu_command command)
{
	uint8_t bytes[COMMAND_SIZE];
	command_store(bytes, &command);
	memory_write(&machine->memory, pa_of(base + (uint64_t)COMMAND_SIZE * entry), bytes,
		     sizeof(bytes), 0);
}

static struct smmu_command legal(void)
{
	return command_tlbi_nh_asid(0, 1);
}

/* A queue that runs, of a VINTF with CONFIG; returns its memory. */
static uint64_t start_queue(uint32_t queue, uint32_t vintf, uint32_t logical, uint32_t config)
{
	uint64_t base = page();
	set(vintf_block(vintf, VINTF_CONFIG), 4, config);
	set_alloc(queue, vintf, logical, true);
	set(direct1(queue, VCMDQ_BASE), 8, base | LOG2SIZE);
	set(direct(queue, VCMDQ_CONFIG), 4, 1);
	ck_assert_uint_eq(status(queue), 1);
	return base;
}

static uint64_t start_guest(void)
{
	return start_queue(GUEST_QUEUE, GUEST_VINTF, 0, GUEST_VMID << 1 | 1);
}

static uint64_t start_host(void)
{
	return start_queue(HOST_QUEUE, 0, 0, (uint32_t)VINTF_CONFIG_HYP_OWN | 1);
}

/* Runs one command from entry 0 of a queue that was stopped and emptied. */
static void run_alone(uint32_t queue, uint64_t base, struct smmu_command command)
{
	set(direct(queue, VCMDQ_CONFIG), 4, 0);
	set(direct(queue, VCMDQ_PROD), 4, 0);
	set(direct(queue, VCMDQ_CONS), 4, 0);
	set(direct(queue, VCMDQ_GERRORN), 4, get(direct(queue, VCMDQ_GERROR), 4));
	set(direct(queue, VCMDQ_CONFIG), 4, 1);
	put(base, 0, command);
	probe_count = 0;
	ring(queue, 1);
}

static bool in_error(uint32_t queue)
{
	return ((get(direct(queue, VCMDQ_GERROR), 4) ^ get(direct(queue, VCMDQ_GERRORN), 4)) & 1) !=
	       0;
}

/* --- windows [2] --- */

START_TEST(reset_values_are_those_of_the_sheet)
{
	ck_assert_uint_eq(get(CMDQV_CONFIG, 4), 0x00020083);
	ck_assert_uint_eq(get(CMDQV_PARAM, 4), 0x4671); /* 16 SIDs, 64 VINTFs, 128 queues, v1 */
	ck_assert_uint_eq(get(CMDQV_STATUS, 4), 1);
	for (uint32_t offset = CMDQV_VI_ERR_MAP; offset < 0x34; offset += 4)
		ck_assert_uint_eq(get(offset, 4), 0);
	for (uint32_t queue = 0; queue < 128; queue++) {
		ck_assert_uint_eq(get(CMDQV_ALLOC_MAP + 4 * queue, 4), 0);
		for (uint32_t offset = 0; offset < 0x18; offset += 4)
			ck_assert_uint_eq(get(direct(queue, offset), 4), 0);
		ck_assert_uint_eq(get(direct1(queue, 0), 8), 0);
		ck_assert_uint_eq(get(direct1(queue, 8), 8), 0);
	}
	for (uint32_t vintf = 0; vintf < 64; vintf++)
		for (uint32_t offset = 0; offset < 0x100; offset += 4)
			ck_assert_uint_eq(get(vintf_block(vintf, offset), 4), 0);
}
END_TEST

START_TEST(direct_page_and_vintf_page_are_the_same_registers)
{
	set_alloc(77, 9, 3, true);
	uint64_t page0 = cmdqv_vintf_page0(9) + 3 * CMDQV_QUEUE_STRIDE;
	uint64_t page1 = cmdqv_vintf_page1(9) + 3 * CMDQV_QUEUE_STRIDE;
	set(page1 + VCMDQ_BASE, 8, 0x12345000c);
	ck_assert_uint_eq(get(direct1(77, VCMDQ_BASE), 8), 0x12345000c);
	set(direct1(77, VCMDQ_CONS_BASE), 8, 0xabcdef123450);
	ck_assert_uint_eq(get(page1 + VCMDQ_CONS_BASE, 8), 0xabcdef123450);
	set(page0 + VCMDQ_PROD, 4, 0x54321);
	ck_assert_uint_eq(get(direct(77, VCMDQ_PROD), 4), 0x54321);
	set(direct(77, VCMDQ_CONS), 4, 0x321);
	ck_assert_uint_eq(get(page0 + VCMDQ_CONS, 4), 0x321);
	set(page0 + VCMDQ_GERRORN, 4, 7);
	ck_assert_uint_eq(get(direct(77, VCMDQ_GERRORN), 4), 7);
	/* No other queue saw any of it. */
	for (uint32_t queue = 0; queue < 128; queue++)
		ck_assert(queue == 77 || get(direct(queue, VCMDQ_PROD), 4) == 0);
}
END_TEST

START_TEST(base_is_written_whole_or_in_halves)
{
	set(direct1(1, VCMDQ_BASE), 4, 0x2345000c);
	set(direct1(1, VCMDQ_BASE + 4), 4, 0x1);
	ck_assert_uint_eq(get(direct1(1, VCMDQ_BASE), 8), 0x12345000c);
	ck_assert_uint_eq(get(direct1(1, VCMDQ_BASE + 4), 4), 1);
	/* Only ADDR[47:5] and LOG2SIZE[4:0] exist. */
	set(direct1(1, VCMDQ_BASE), 8, ~0ULL);
	ck_assert_uint_eq(get(direct1(1, VCMDQ_BASE), 8), 0x0000ffffffffffff);
}
END_TEST

START_TEST(a_logical_slot_without_a_queue_drops_writes)
{
	uint64_t page0 = cmdqv_vintf_page0(4);
	set(page0 + VCMDQ_PROD, 4, 9);
	ck_assert_uint_eq(get(page0 + VCMDQ_PROD, 4), 0);
	set_alloc(8, 4, 0, false); /* assigned beforehand, not allocated */
	set(page0 + VCMDQ_PROD, 4, 9);
	ck_assert_uint_eq(get(direct(8, VCMDQ_PROD), 4), 0);
	set_alloc(8, 4, 0, true);
	set(page0 + VCMDQ_PROD, 4, 9);
	ck_assert_uint_eq(get(direct(8, VCMDQ_PROD), 4), 9);
	set_alloc(8, 4, 0, false);
	ck_assert_uint_eq(get(page0 + VCMDQ_PROD, 4), 0);
	ck_assert_uint_eq(get(direct(8, VCMDQ_PROD), 4), 9);
}
END_TEST

START_TEST(page_0_and_the_config_page_take_no_64_bit_writes)
{
	set(direct(3, VCMDQ_CONS), 8, 0x0000000300000002);
	ck_assert_uint_eq(get(direct(3, VCMDQ_CONS), 8), 0);
	set(CMDQV_CONFIG, 8, 0);
	ck_assert_uint_eq(get(CMDQV_CONFIG, 4), 0x20083);
}
END_TEST

START_TEST(reserved_offsets_read_zero_and_change_nothing)
{
	static const uint64_t offsets[] = {0x00c,   0x034,   0x400,   0x5000,  0x10018, 0x14000,
					   0x1fffc, 0x20010, 0x24000, 0x34000, 0x44000};
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		set(offsets[i], 4, 0xffffffff);
		ck_assert_uint_eq(get(offsets[i], 4), 0);
	}
	set(CMDQV_PARAM, 4, 0xffffffff);
	ck_assert_uint_eq(get(CMDQV_PARAM, 4), 0x4671);
	set(CMDQV_STATUS, 4, 0);
	ck_assert_uint_eq(get(CMDQV_STATUS, 4), 1);
}
END_TEST

START_TEST(the_window_ends_after_the_last_vintf)
{
	uint64_t size = 0x30000 + 0x20000 * 64;
	ck_assert_ptr_nonnull(bus_find(&machine->bus, pa_of(CMDQV_AT + size - 4)));
	ck_assert_ptr_null(bus_find(&machine->bus, pa_of(CMDQV_AT + size)));
}
END_TEST

START_TEST(fields_that_do_not_exist_stay_zero)
{
	set(CMDQV_ALLOC_MAP + 4 * 5, 4, 0xffffffff);
	ck_assert_uint_eq(get(CMDQV_ALLOC_MAP + 4 * 5, 4), 0x1f80ff);
	set(vintf_block(2, VINTF_CONFIG), 4, 0xffffffff);
	ck_assert_uint_eq(get(vintf_block(2, VINTF_CONFIG), 4), 0x3ffff);
	set(vintf_block(2, VINTF_SID_MATCH), 4, 0xffffffff);
	ck_assert_uint_eq(get(vintf_block(2, VINTF_SID_MATCH), 4), 0x1fffff);
	set(vintf_block(2, VINTF_SID_REPLACE + 60), 4, 0xffffffff);
	ck_assert_uint_eq(get(vintf_block(2, VINTF_SID_REPLACE + 60), 4), 0xfffff);
	set(direct(5, VCMDQ_PROD), 4, 0xffffffff);
	ck_assert_uint_eq(get(direct(5, VCMDQ_PROD), 4), 0xfffff);
	set(direct(5, VCMDQ_GERRORN), 4, 0xffffffff);
	ck_assert_uint_eq(get(direct(5, VCMDQ_GERRORN), 4), 7);
	set(direct(5, VCMDQ_GERROR), 4, 0xffffffff);
	ck_assert_uint_eq(get(direct(5, VCMDQ_GERROR), 4), 0);
}
END_TEST

START_TEST(a_vintf_counts_its_mapped_queues)
{
	for (uint32_t logical = 0; logical < 5; logical++)
		set_alloc(10 + logical, 7, logical, true);
	ck_assert_uint_eq(get(vintf_block(7, VINTF_STATUS), 4), 5 << 16);
	set_alloc(14, 7, 4, false);
	set(vintf_block(7, VINTF_CONFIG), 4, 1);
	ck_assert_uint_eq(get(vintf_block(7, VINTF_STATUS), 4), 4 << 16 | 1);
}
END_TEST

/* --- enable [5.1] --- */

START_TEST(a_queue_needs_cmdqv_vintf_and_alloc_to_be_enabled)
{
	uint64_t base = page();
	put(base, 0, legal());
	set(direct1(3, VCMDQ_BASE), 8, base | LOG2SIZE);
	for (unsigned lacking = 0; lacking < 3; lacking++) {
		set(CMDQV_CONFIG, 4, lacking == 0 ? CONFIG_RESET & ~1U : CONFIG_RESET);
		set(vintf_block(1, VINTF_CONFIG), 4, lacking == 1 ? GUEST_VMID << 1 : 0x0b);
		set_alloc(3, 1, 1, lacking != 2);
		set(direct(3, VCMDQ_CONFIG), 4, 1);
		ck_assert_uint_eq(status(3), 0);
		ring(3, 1);
		ck_assert_uint_eq(cons(3), 0);
	}
	set_alloc(3, 1, 1, true);
	set(direct(3, VCMDQ_CONFIG), 4, 1);
	ck_assert_uint_eq(status(3), 1);
	ring(3, 1);
	ck_assert_uint_eq(cons(3), 1);
}
END_TEST

START_TEST(what_enables_a_queue_disables_it_when_it_goes)
{
	start_guest();
	set(vintf_block(GUEST_VINTF, VINTF_CONFIG), 4, GUEST_VMID << 1);
	ck_assert_uint_eq(status(GUEST_QUEUE), 0);
	start_guest();
	set_alloc(GUEST_QUEUE, GUEST_VINTF, 0, false);
	ck_assert_uint_eq(status(GUEST_QUEUE), 0);
	start_guest();
	set(CMDQV_CONFIG, 4, CONFIG_RESET & ~1U);
	ck_assert_uint_eq(get(CMDQV_STATUS, 4), 0);
	ck_assert_uint_eq(status(GUEST_QUEUE), 0);
	set(direct(GUEST_QUEUE, VCMDQ_PROD), 4, 1);
	ck_assert(!clock_step(&machine->clock));
}
END_TEST

START_TEST(a_queue_given_to_a_vintf_that_is_off_stops)
{
	start_guest();
	set_alloc(GUEST_QUEUE, 33, 0, true);
	ck_assert_uint_eq(status(GUEST_QUEUE), 0);
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(cons(GUEST_QUEUE), 0);
}
END_TEST

START_TEST(a_queue_given_to_a_vintf_that_does_not_exist_stops)
{
	machine_free(machine);
	set_parameter("vintf.count_log2", 2);
	make_machine();
	start_guest();
	set_alloc(GUEST_QUEUE, 33, 0, true);
	ck_assert_uint_eq(status(GUEST_QUEUE), 0);
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(cons(GUEST_QUEUE), 0);
}
END_TEST

START_TEST(base_and_cons_are_writable_only_when_disabled)
{
	uint64_t base = start_guest();
	set(direct1(GUEST_QUEUE, VCMDQ_BASE), 8, 0x12345000c);
	set(direct1(GUEST_QUEUE, VCMDQ_CONS_BASE), 8, 0x1000);
	set(direct(GUEST_QUEUE, VCMDQ_CONS), 4, 5);
	ck_assert_uint_eq(get(direct1(GUEST_QUEUE, VCMDQ_BASE), 8), base | LOG2SIZE);
	ck_assert_uint_eq(get(direct1(GUEST_QUEUE, VCMDQ_CONS_BASE), 8), 0);
	ck_assert_uint_eq(cons(GUEST_QUEUE), 0);
	set(direct(GUEST_QUEUE, VCMDQ_CONFIG), 4, 0);
	set(direct1(GUEST_QUEUE, VCMDQ_BASE), 8, 0x12345000c);
	set(direct(GUEST_QUEUE, VCMDQ_CONS), 4, 5);
	ck_assert_uint_eq(get(direct1(GUEST_QUEUE, VCMDQ_BASE), 8), 0x12345000c);
	ck_assert_uint_eq(cons(GUEST_QUEUE), 5);
}
END_TEST

START_TEST(enabling_starts_what_prod_already_covers)
{
	uint64_t base = start_guest();
	set(direct(GUEST_QUEUE, VCMDQ_CONFIG), 4, 0);
	put(base, 0, legal());
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(cons(GUEST_QUEUE), 0);
	set(direct(GUEST_QUEUE, VCMDQ_CONFIG), 4, 1);
	while (clock_step(&machine->clock))
		;
	ck_assert_uint_eq(cons(GUEST_QUEUE), 1);
}
END_TEST

/* --- size and wrap [5, 11.1] --- */

START_TEST(indices_wrap_with_their_flag)
{
	uint64_t base = start_guest();
	for (uint32_t entry = 0; entry < 1U << LOG2SIZE; entry++)
		put(base, entry, legal());
	for (uint32_t prod = 1; prod <= 40; prod++) {
		ring(GUEST_QUEUE, prod & 15);
		ck_assert_uint_eq(cons(GUEST_QUEUE), prod & 15);
		ck_assert_uint_eq(probes[prod - 1].index, (prod - 1) & 15);
		ck_assert_uint_eq(probes[prod - 1].pa.value, base + (prod - 1) % 8 * COMMAND_SIZE);
	}
}
END_TEST

START_TEST(a_full_queue_runs_every_entry)
{
	uint64_t base = start_guest();
	for (uint32_t entry = 0; entry < 1U << LOG2SIZE; entry++)
		put(base, entry, legal());
	ring(GUEST_QUEUE, 1U << LOG2SIZE);
	ck_assert_uint_eq(probe_count, 1U << LOG2SIZE);
	ck_assert_uint_eq(cons(GUEST_QUEUE), 1U << LOG2SIZE);
}
END_TEST

START_TEST(the_size_is_capped_at_what_the_smmu_has)
{
	machine_free(machine);
	set_parameter("cmdqs.log2", 4);
	make_machine();
	uint64_t base = start_guest();
	set(direct(GUEST_QUEUE, VCMDQ_CONFIG), 4, 0);
	set(direct1(GUEST_QUEUE, VCMDQ_BASE), 8, base | 31);
	set(direct(GUEST_QUEUE, VCMDQ_CONFIG), 4, 1);
	for (uint32_t entry = 0; entry < 16; entry++)
		put(base, entry, legal());
	ring(GUEST_QUEUE, 16);
	ring(GUEST_QUEUE, 18);
	ck_assert_uint_eq(cons(GUEST_QUEUE), 18);
	ck_assert_uint_eq(probe_count, 18);
	ck_assert_uint_eq(probes[17].pa.value, base + COMMAND_SIZE);
	/* What was written reads back. */
	ck_assert_uint_eq(get(direct1(GUEST_QUEUE, VCMDQ_BASE), 8), base | 31);
}
END_TEST

START_TEST(base_bits_below_the_size_do_not_count)
{
	uint64_t base = start_guest();
	set(direct(GUEST_QUEUE, VCMDQ_CONFIG), 4, 0);
	set(direct1(GUEST_QUEUE, VCMDQ_BASE), 8, base | 0x60 | LOG2SIZE);
	set(direct(GUEST_QUEUE, VCMDQ_CONFIG), 4, 1);
	put(base, 0, legal());
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(probes[0].pa.value, base);
}
END_TEST

/* --- substitution and legality [7] --- */

START_TEST(a_guest_queue_runs_four_opcodes_and_no_other)
{
	uint64_t base = start_guest();
	set(vintf_block(GUEST_VINTF, VINTF_SID_REPLACE), 4, 0x10);
	set(vintf_block(GUEST_VINTF, VINTF_SID_MATCH), 4, 0x201);
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		struct smmu_command command = {{opcode | 0x100ULL << 32, 0}};
		bool runs = opcode == 0x11 || opcode == 0x12 || opcode == 0x40 || opcode == 0x46;
		run_alone(GUEST_QUEUE, base, command);
		ck_assert_uint_eq(probe_count, 1);
		ck_assert_int_eq(probes[0].kind, runs ? PROBE_EXECUTED : PROBE_STOPPED);
		ck_assert_uint_eq(cons(GUEST_QUEUE), runs);
		ck_assert_int_eq(in_error(GUEST_QUEUE), !runs);
		if (!runs)
			ck_assert_uint_eq(error(GUEST_QUEUE), VCMDQ_ERR_ILL_OPCODE);
	}
}
END_TEST

START_TEST(a_hypervisor_queue_runs_what_the_main_queue_does)
{
	uint64_t base = start_host();
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		struct smmu_command command = {{opcode | 0x100ULL << 32, 0}};
		bool runs = command_name(opcode) != NULL;
		run_alone(HOST_QUEUE, base, command);
		ck_assert_int_eq(probes[0].kind, runs ? PROBE_EXECUTED : PROBE_STOPPED);
		/* Nothing is put in. */
		ck_assert_mem_eq(probes[0].ran, probes[0].fetched, sizeof(probes[0].ran));
	}
}
END_TEST

START_TEST(the_vmid_of_a_guest_is_its_vintfs_whatever_it_writes)
{
	uint64_t base = start_guest();
	const struct smmu_command commands[] = {
		command_tlbi_nh_asid(99, 0x51),
		command_tlbi_nh_va(99, 0x51, 0x7f12345678000, 1),
	};
	for (unsigned i = 0; i < 2; i++) {
		run_alone(GUEST_QUEUE, base, commands[i]);
		ck_assert_uint_eq(probes[0].fetched[0], commands[i].dw[0]);
		ck_assert_uint_eq(probes[0].ran[0],
				  (commands[i].dw[0] & ~CMD_VMID) | (uint64_t)GUEST_VMID << 32);
		ck_assert_uint_eq(probes[0].ran[1], commands[i].dw[1]);
	}
}
END_TEST

START_TEST(the_widest_vmid_is_put_in_whole)
{
	uint64_t base = start_queue(GUEST_QUEUE, GUEST_VINTF, 0, 0xffff << 1 | 1);
	run_alone(GUEST_QUEUE, base, command_tlbi_nh_asid(0, 0x51));
	ck_assert_uint_eq(probes[0].ran[0], 0x0051ffff00000011);
}
END_TEST

START_TEST(a_guest_removes_translations_of_its_own_vmid_only)
{
	uint64_t base = start_guest();
	for (uint16_t vmid = GUEST_VMID; vmid <= GUEST_VMID + 1; vmid++) {
		struct tlb_entry entry = {
			.stage1 = true, .vmid = vmid, .asid = 0x51, .input = 0x1000};
		tlb_insert(&smmu->tlb, &entry);
	}
	run_alone(GUEST_QUEUE, base, command_tlbi_nh_asid(GUEST_VMID + 1, 0x51));
	ck_assert_uint_eq(probes[0].removed, 1);
	ck_assert_ptr_null(tlb_lookup(&smmu->tlb, GUEST_VMID, 0x1000));
	ck_assert_ptr_nonnull(tlb_lookup(&smmu->tlb, GUEST_VMID + 1, 0x1000));
}
END_TEST

START_TEST(stream_ids_of_a_guest_are_matched_and_replaced)
{
	uint64_t base = start_guest();
	for (uint32_t pair = 0; pair < 16; pair++) {
		set(vintf_block(GUEST_VINTF, VINTF_SID_REPLACE + 4 * pair), 4, 0xabc00 + pair);
		set(vintf_block(GUEST_VINTF, VINTF_SID_MATCH + 4 * pair), 4,
		    (0x100 + pair) << 1 | (pair != 7));
	}
	for (uint32_t pair = 0; pair < 18; pair++) {
		struct smmu_command atc = command_atc_inv(0x100 + pair, 0x5000, 3);
		bool matches = pair < 16 && pair != 7; /* 7 is not enabled */
		run_alone(GUEST_QUEUE, base, atc);
		ck_assert_int_eq(probes[0].kind, matches ? PROBE_EXECUTED : PROBE_STOPPED);
		if (matches) {
			ck_assert_uint_eq(probes[0].ran[0], 0x40 | (0xabc00ULL + pair) << 32);
			ck_assert_uint_eq(probes[0].ran[1], atc.dw[1]);
		} else {
			ck_assert_uint_eq(error(GUEST_QUEUE), VCMDQ_ERR_ILL_ACCESS);
		}
	}
}
END_TEST

START_TEST(sync_takes_no_completion_signal)
{
	uint64_t guest = start_guest(), host = start_host();
	for (unsigned cs = 0; cs < 4; cs++) {
		run_alone(GUEST_QUEUE, guest, command_sync(cs));
		ck_assert_uint_eq(error(GUEST_QUEUE), cs == 0 ? 0 : VCMDQ_ERR_ILL_OPCODE);
		run_alone(HOST_QUEUE, host, command_sync(cs));
		ck_assert_int_eq(in_error(HOST_QUEUE), cs != 0);
	}
}
END_TEST

/* smmuv3 3.1, 3.3: SSec must be 0 in a non-secure queue. */
START_TEST(a_secure_stream_is_illegal)
{
	uint64_t guest = start_guest();
	struct smmu_command command = legal();
	command.dw[0] |= 1 << 10;
	run_alone(GUEST_QUEUE, guest, command);
	ck_assert_uint_eq(error(GUEST_QUEUE), VCMDQ_ERR_ILL_OPCODE);
}
END_TEST

/* --- errors [8] --- */

START_TEST(an_illegal_command_stops_its_queue_until_it_is_acknowledged)
{
	uint64_t base = start_guest();
	put(base, 0, legal());
	put(base, 1, command_cfgi_all());
	put(base, 2, legal());
	ring(GUEST_QUEUE, 3);
	ck_assert_uint_eq(cons(GUEST_QUEUE), 1);
	ck_assert_uint_eq(error(GUEST_QUEUE), VCMDQ_ERR_ILL_OPCODE);
	ck_assert_uint_eq(get(direct(GUEST_QUEUE, VCMDQ_GERROR), 4), 1);
	ck_assert_uint_eq(get(direct(GUEST_QUEUE, VCMDQ_GERRORN), 4), 0);
	/* Neither a doorbell nor enabling anew goes past it. */
	ring(GUEST_QUEUE, 3);
	set(direct(GUEST_QUEUE, VCMDQ_CONFIG), 4, 1);
	ck_assert(!clock_step(&machine->clock));
	ck_assert_uint_eq(probe_count, 2);
	/* As Linux recovers: a SYNC in its place, then the acknowledgement (8.3). */
	put(base, 1, command_sync(SYNC_CS_NONE));
	set(direct(GUEST_QUEUE, VCMDQ_GERRORN), 4, 1);
	while (clock_step(&machine->clock))
		;
	ck_assert_uint_eq(cons(GUEST_QUEUE), 3);
	/* The next error toggles GERROR back. */
	put(base, 3, command_cfgi_all());
	ring(GUEST_QUEUE, 4);
	ck_assert_uint_eq(get(direct(GUEST_QUEUE, VCMDQ_GERROR), 4), 0);
	ck_assert_uint_eq(get(direct(GUEST_QUEUE, VCMDQ_GERRORN), 4), 1);
	ck_assert(in_error(GUEST_QUEUE));
}
END_TEST

START_TEST(an_aborted_fetch_stops_with_abt_and_can_be_retried)
{
	uint64_t base = start_guest();
	struct port_fault fault = {.port = "smmu", .purpose = ACCESS_COMMAND_FETCH, .nth = 1};
	ck_assert(port_inject(machine, &fault));
	put(base, 0, legal());
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(cons(GUEST_QUEUE), 0);
	ck_assert_uint_eq(error(GUEST_QUEUE), VCMDQ_ERR_ABT);
	ck_assert(in_error(GUEST_QUEUE));
	set(direct(GUEST_QUEUE, VCMDQ_GERRORN), 4, 1);
	while (clock_step(&machine->clock))
		;
	ck_assert_uint_eq(cons(GUEST_QUEUE), 1);
}
END_TEST

START_TEST(a_base_outside_ram_aborts)
{
	start_guest();
	set(direct(GUEST_QUEUE, VCMDQ_CONFIG), 4, 0);
	set(direct1(GUEST_QUEUE, VCMDQ_BASE), 8, 0xffffffff0000 | LOG2SIZE);
	set(direct(GUEST_QUEUE, VCMDQ_CONFIG), 4, 1);
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(error(GUEST_QUEUE), VCMDQ_ERR_ABT);
}
END_TEST

START_TEST(error_maps_name_the_queue_until_it_is_acknowledged)
{
	uint64_t base = start_queue(101, 40, 35, GUEST_VMID << 1 | 1);
	put(base, 0, command_cfgi_all());
	ring(101, 1);
	ck_assert_uint_eq(get(CMDQV_VI_ERR_MAP, 4), 0);
	ck_assert_uint_eq(get(CMDQV_VI_ERR_MAP + 4, 4), 1U << (40 - 32));
	ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP + 12, 4), 1U << (101 - 96));
	ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP, 4), 0);
	ck_assert_uint_eq(get(vintf_block(40, VINTF_LVCMDQ_ERR_MAP + 4), 4), 1U << (35 - 32));
	ck_assert_uint_eq(get(vintf_block(40, VINTF_LVCMDQ_ERR_MAP), 8), 1ULL << 35);
	ck_assert_uint_eq(field_get(get(vintf_block(40, VINTF_STATUS), 4), VINTF_STATUS_STATUS), 1);
	set(direct(101, VCMDQ_GERRORN), 4, 1);
	ck_assert_uint_eq(get(CMDQV_VI_ERR_MAP + 4, 4), 0);
	ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP + 12, 4), 0);
	ck_assert_uint_eq(get(vintf_block(40, VINTF_LVCMDQ_ERR_MAP), 8), 0);
	ck_assert_uint_eq(field_get(get(vintf_block(40, VINTF_STATUS), 4), VINTF_STATUS_STATUS), 0);
}
END_TEST

START_TEST(every_new_error_interrupts_unless_its_vintf_is_masked)
{
	uint64_t base = start_guest();
	uint64_t other = start_queue(90, 45, 0, 7 << 1 | 1);
	put(base, 0, command_cfgi_all());
	put(other, 0, command_cfgi_all());
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(irqs, 1);
	set(CMDQV_VI_INT_MASK + 4, 4, 1U << (45 - 32));
	ck_assert_uint_eq(get(CMDQV_VI_INT_MASK + 4, 4), 1U << (45 - 32));
	ring(90, 1);
	ck_assert_uint_eq(irqs, 1);
	ck_assert_uint_eq(error(90), VCMDQ_ERR_ILL_OPCODE);
	/* Acknowledged without a repair: the same command again. */
	set(direct(GUEST_QUEUE, VCMDQ_GERRORN), 4, 1);
	while (clock_step(&machine->clock))
		;
	ck_assert_uint_eq(irqs, 2);
}
END_TEST

/* --- CONS in memory [5, 11] --- */

static uint32_t word_at(uint64_t pa)
{
	uint8_t bytes[8] = {0};
	memory_read(&machine->memory, pa_of(pa), bytes, 4);
	return (uint32_t)load_le64(bytes);
}

static uint64_t start_with_copy(uint32_t config, uint64_t copy)
{
	uint64_t base = start_guest();
	set(direct(GUEST_QUEUE, VCMDQ_CONFIG), 4, 0);
	set(CMDQV_CONFIG, 4, config);
	set(direct1(GUEST_QUEUE, VCMDQ_CONS_BASE), 8, copy);
	set(direct(GUEST_QUEUE, VCMDQ_CONFIG), 4, 1);
	put(base, 0, legal());
	put(base, 1, legal());
	return base;
}

START_TEST(cons_goes_to_memory_when_cons_dram_is_enabled)
{
	uint64_t copy = page() + 0xff8;
	start_with_copy(CONFIG_RESET | (uint32_t)CONFIG_CONS_DRAM_EN, copy);
	ring(GUEST_QUEUE, 2);
	ck_assert_uint_eq(word_at(copy), 2);
}
END_TEST

START_TEST(cons_stays_out_of_memory_as_linux_leaves_it)
{
	uint64_t copy = page() + 0xff8;
	start_with_copy(CONFIG_RESET, copy);
	ring(GUEST_QUEUE, 2);
	ck_assert_uint_eq(cons(GUEST_QUEUE), 2);
	ck_assert_uint_eq(word_at(copy), 0);
}
END_TEST

START_TEST(an_aborted_copy_of_cons_is_an_error_that_stops_nothing)
{
	struct port_fault fault = {.port = "smmu", .purpose = ACCESS_POINTER_WRITE};
	ck_assert(port_inject(machine, &fault));
	start_with_copy(CONFIG_RESET | (uint32_t)CONFIG_CONS_DRAM_EN, page());
	ring(GUEST_QUEUE, 2);
	ck_assert_uint_eq(cons(GUEST_QUEUE), 2);
	ck_assert_uint_eq(get(direct(GUEST_QUEUE, VCMDQ_GERROR), 4), VCMDQ_GERROR_CONS_DRAM);
	ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP, 4), 1U << GUEST_QUEUE);
	ck_assert_uint_ge(irqs, 1);
	set(direct(GUEST_QUEUE, VCMDQ_GERRORN), 4, VCMDQ_GERROR_CONS_DRAM);
	ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP, 4), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cmdqv");
	TCase *tests = tcase_create("cmdqv");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, reset_values_are_those_of_the_sheet);
	tcase_add_test(tests, direct_page_and_vintf_page_are_the_same_registers);
	tcase_add_test(tests, base_is_written_whole_or_in_halves);
	tcase_add_test(tests, a_logical_slot_without_a_queue_drops_writes);
	tcase_add_test(tests, page_0_and_the_config_page_take_no_64_bit_writes);
	tcase_add_test(tests, reserved_offsets_read_zero_and_change_nothing);
	tcase_add_test(tests, the_window_ends_after_the_last_vintf);
	tcase_add_test(tests, fields_that_do_not_exist_stay_zero);
	tcase_add_test(tests, a_vintf_counts_its_mapped_queues);
	tcase_add_test(tests, a_queue_needs_cmdqv_vintf_and_alloc_to_be_enabled);
	tcase_add_test(tests, what_enables_a_queue_disables_it_when_it_goes);
	tcase_add_test(tests, a_queue_given_to_a_vintf_that_is_off_stops);
	tcase_add_test(tests, a_queue_given_to_a_vintf_that_does_not_exist_stops);
	tcase_add_test(tests, base_and_cons_are_writable_only_when_disabled);
	tcase_add_test(tests, enabling_starts_what_prod_already_covers);
	tcase_add_test(tests, indices_wrap_with_their_flag);
	tcase_add_test(tests, a_full_queue_runs_every_entry);
	tcase_add_test(tests, the_size_is_capped_at_what_the_smmu_has);
	tcase_add_test(tests, base_bits_below_the_size_do_not_count);
	tcase_add_test(tests, a_guest_queue_runs_four_opcodes_and_no_other);
	tcase_add_test(tests, a_hypervisor_queue_runs_what_the_main_queue_does);
	tcase_add_test(tests, the_vmid_of_a_guest_is_its_vintfs_whatever_it_writes);
	tcase_add_test(tests, the_widest_vmid_is_put_in_whole);
	tcase_add_test(tests, a_guest_removes_translations_of_its_own_vmid_only);
	tcase_add_test(tests, stream_ids_of_a_guest_are_matched_and_replaced);
	tcase_add_test(tests, sync_takes_no_completion_signal);
	tcase_add_test(tests, a_secure_stream_is_illegal);
	tcase_add_test(tests, an_illegal_command_stops_its_queue_until_it_is_acknowledged);
	tcase_add_test(tests, an_aborted_fetch_stops_with_abt_and_can_be_retried);
	tcase_add_test(tests, a_base_outside_ram_aborts);
	tcase_add_test(tests, error_maps_name_the_queue_until_it_is_acknowledged);
	tcase_add_test(tests, every_new_error_interrupts_unless_its_vintf_is_masked);
	tcase_add_test(tests, cons_goes_to_memory_when_cons_dram_is_enabled);
	tcase_add_test(tests, cons_stays_out_of_memory_as_linux_leaves_it);
	tcase_add_test(tests, an_aborted_copy_of_cons_is_an_error_that_stops_nothing);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
