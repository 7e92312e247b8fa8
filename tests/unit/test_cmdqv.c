/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CMDQV registers, substitution, legality and errors, against sheet tegra241-cmdqv (sections in
 * brackets); legality in the main queue against smmuv3 3.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu.h"

#define GUEST_VINTF  1U
#define GUEST_VMID   5U
#define GUEST_CONFIG (GUEST_VMID << 1 | 1)
#define GUEST_QUEUE  2U /* of VINTF 1, logical 0 */
#define HOST_QUEUE   0U
#define HOST_CONFIG  0x20001U /* HYP_OWN, ENABLE */
#define LOG2SIZE     3U
#define ENTRIES      (1U << LOG2SIZE)

static struct profile profile;
static struct smmu_kit *kit;

static void make_kit(void)
{
	kit = smmu_kit_new(&profile);
	/* ATC_INV is ignored without it (smmuv3 1.4). */
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_SMMUEN);
}

static void setup(void)
{
	profile = smmu_kit_grace();
	make_kit();
}

static void teardown(void)
{
	smmu_kit_free(kit);
}

/* The same hardware with another parameter. */
static void remake(const char *parameter, uint64_t value)
{
	teardown();
	smmu_kit_set(&profile, parameter, value);
	make_kit();
}

static uint64_t get(uint64_t offset, unsigned width)
{
	return kit_read(kit, offset, width);
}

static void set(uint64_t offset, unsigned width, uint64_t value)
{
	kit_write(kit, offset, width, value);
}

static void ring(uint32_t queue, uint32_t prod)
{
	kit_ring(kit, queue, prod);
	kit_run(kit);
}

static unsigned interrupts(void)
{
	return kit->interrupts[KIT_IRQ_CMDQV];
}

static struct smmu_command legal(void)
{
	return command_tlbi_nh_asid(0, 1);
}

/* A queue that runs; returns its memory. */
static uint64_t start_queue(uint32_t queue, uint32_t vintf, uint32_t logical, uint32_t config)
{
	uint64_t base = kit_frames(kit, 1);
	kit_enable(kit, queue, vintf, logical, config, base | LOG2SIZE);
	ck_assert(kit_enabled(kit, queue));
	return base;
}

static uint64_t start_guest(void)
{
	return start_queue(GUEST_QUEUE, GUEST_VINTF, 0, GUEST_CONFIG);
}

static uint64_t start_host(void)
{
	return start_queue(HOST_QUEUE, 0, 0, HOST_CONFIG);
}

static void fill(uint64_t base, uint32_t count)
{
	for (uint32_t entry = 0; entry < count; entry++)
		kit_put(kit, base, entry, legal());
}

/* Another BASE register of a queue that is enabled, and is then again. */
static void rebase(uint32_t queue, uint64_t base)
{
	kit_switch(kit, queue, false);
	set(kit_direct1(queue, VCMDQ_BASE), 8, base);
	kit_switch(kit, queue, true);
}

/* Runs one command from entry 0 of a queue that was stopped and emptied; its probe. */
static const struct probe *run_alone(uint32_t queue, uint64_t base, struct smmu_command command)
{
	kit_switch(kit, queue, false);
	set(kit_direct(queue, VCMDQ_PROD), 4, 0);
	set(kit_direct(queue, VCMDQ_CONS), 4, 0);
	kit_acknowledge(kit, queue);
	kit_switch(kit, queue, true);
	kit_put(kit, base, 0, command);
	smmu_kit_clear(kit);
	ring(queue, 1);
	ck_assert_uint_eq(kit->probe_count, 1);
	return &kit->probes[0];
}

/* It ran: CONS passed it, and there is no error. */
static void check_runs(uint32_t queue, uint64_t base, struct smmu_command command)
{
	const struct probe *probe = run_alone(queue, base, command);
	ck_assert_msg(probe->kind == PROBE_EXECUTED, "%016llx %016llx of queue %u stops with %u",
		      (unsigned long long)command.dw[0], (unsigned long long)command.dw[1], queue,
		      probe->error);
	ck_assert_uint_eq(kit_cons(kit, queue), 1);
	ck_assert(!kit_stopped(kit, queue));
	ck_assert_uint_eq(interrupts(), 0);
}

/* The queue stopped at it with CODE, and it affected nobody. */
static void check_stops(uint32_t queue, uint64_t base, struct smmu_command command, uint32_t code)
{
	const struct probe *probe = run_alone(queue, base, command);
	ck_assert_msg(probe->kind == PROBE_STOPPED, "%016llx %016llx of queue %u runs",
		      (unsigned long long)command.dw[0], (unsigned long long)command.dw[1], queue);
	ck_assert_uint_eq(probe->error, code);
	ck_assert_int_eq(probe->effect, EFFECT_NONE);
	ck_assert_uint_eq(probe->removed, 0);
	ck_assert_uint_eq(kit_cons(kit, queue), 0);
	ck_assert_uint_eq(kit_error(kit, queue), code);
	ck_assert(kit_stopped(kit, queue));
	ck_assert_uint_eq(interrupts(), 1);
}

/* Pair K of the guest: VIRTUAL is replaced by PHYSICAL. */
static void pair_sid(uint32_t k, uint32_t virtual, uint32_t physical)
{
	set(kit_vintf(GUEST_VINTF, VINTF_SID_REPLACE + 4 * k), 4, physical);
	set(kit_vintf(GUEST_VINTF, VINTF_SID_MATCH + 4 * k), 4, virtual << 1 | 1);
}

/* --- windows [2, 3, 4, 5] --- */

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
			ck_assert_uint_eq(get(kit_direct(queue, offset), 4), 0);
		ck_assert_uint_eq(get(kit_direct1(queue, 0), 8), 0);
		ck_assert_uint_eq(get(kit_direct1(queue, 8), 8), 0);
	}
	for (uint32_t vintf = 0; vintf < 64; vintf++)
		for (uint32_t offset = 0; offset < 0x100; offset += 4)
			ck_assert_uint_eq(get(kit_vintf(vintf, offset), 4), 0);
}
END_TEST

/* [13], in the sheet's own numbers: queue 5 is logical 1 of VINTF 2. */
START_TEST(the_sheets_offsets_and_words_are_what_the_hardware_has)
{
	set(0x200 + 4 * 5, 4, 2 << 15 | 1 << 1 | 1);
	set(0x1000 + 0x100 * 2, 4, 0x0b); /* guest, VMID 5, ENABLE */
	ck_assert_uint_eq(get(0x1204, 4), 0x10001);
	set(0x80080, 8, 0x12345000c); /* page 1, BASE */
	ck_assert_uint_eq(get(0x20000 + 0x80 * 5, 8), 0x12345000c);
	set(0x70084, 4, 0x123); /* page 0, PROD */
	ck_assert_uint_eq(get(0x10000 + 0x80 * 5 + 4, 4), 0x123);
	set(0x1000 + 0x100 * 2 + 0x40, 4, 0x100 << 1 | 1);
	ck_assert_uint_eq(get(0x1240, 4), 0x201);
	ck_assert_uint_eq(command_sync(SYNC_CS_NONE).dw[0], 0x0fc00046);
	ck_assert_uint_eq(command_sync(SYNC_CS_NONE).dw[1], 0);
}
END_TEST

START_TEST(direct_page_and_vintf_page_are_the_same_registers)
{
	kit_alloc(kit, 77, 9, 3, true);
	uint64_t page0 = cmdqv_vintf_page0(9) + 3 * CMDQV_QUEUE_STRIDE;
	uint64_t page1 = cmdqv_vintf_page1(9) + 3 * CMDQV_QUEUE_STRIDE;
	set(page1 + VCMDQ_BASE, 8, 0x12345000c);
	ck_assert_uint_eq(get(kit_direct1(77, VCMDQ_BASE), 8), 0x12345000c);
	set(kit_direct1(77, VCMDQ_CONS_BASE), 8, 0xabcdef123450);
	ck_assert_uint_eq(get(page1 + VCMDQ_CONS_BASE, 8), 0xabcdef123450);
	set(page0 + VCMDQ_PROD, 4, 0x54321);
	ck_assert_uint_eq(get(kit_direct(77, VCMDQ_PROD), 4), 0x54321);
	set(kit_direct(77, VCMDQ_CONS), 4, 0x321);
	ck_assert_uint_eq(get(page0 + VCMDQ_CONS, 4), 0x321);
	set(page0 + VCMDQ_GERRORN, 4, 7);
	ck_assert_uint_eq(get(kit_direct(77, VCMDQ_GERRORN), 4), 7);
	/* No other queue saw any of it. */
	for (uint32_t queue = 0; queue < 128; queue++)
		ck_assert(queue == 77 || get(kit_direct(queue, VCMDQ_PROD), 4) == 0);
}
END_TEST

START_TEST(addresses_are_written_whole_or_in_halves)
{
	set(kit_direct1(1, VCMDQ_BASE), 4, 0x2345000c);
	set(kit_direct1(1, VCMDQ_BASE + 4), 4, 0x1);
	ck_assert_uint_eq(get(kit_direct1(1, VCMDQ_BASE), 8), 0x12345000c);
	ck_assert_uint_eq(get(kit_direct1(1, VCMDQ_BASE + 4), 4), 1);
	set(kit_direct1(1, VCMDQ_CONS_BASE + 4), 4, 0x2);
	set(kit_direct1(1, VCMDQ_CONS_BASE), 4, 0x34567890);
	ck_assert_uint_eq(get(kit_direct1(1, VCMDQ_CONS_BASE), 8), 0x234567890);
	/* Only ADDR[47:5] and LOG2SIZE[4:0] exist, and ADDR[47:0]. */
	set(kit_direct1(1, VCMDQ_BASE), 8, ~0ULL);
	ck_assert_uint_eq(get(kit_direct1(1, VCMDQ_BASE), 8), 0x0000ffffffffffff);
	set(kit_direct1(1, VCMDQ_CONS_BASE), 8, ~0ULL);
	ck_assert_uint_eq(get(kit_direct1(1, VCMDQ_CONS_BASE), 8), 0x0000ffffffffffff);
}
END_TEST

START_TEST(a_logical_slot_without_a_queue_drops_writes)
{
	uint64_t page0 = cmdqv_vintf_page0(4);
	set(page0 + VCMDQ_PROD, 4, 9);
	ck_assert_uint_eq(get(page0 + VCMDQ_PROD, 4), 0);
	kit_alloc(kit, 8, 4, 0, false); /* assigned beforehand, not allocated */
	set(page0 + VCMDQ_PROD, 4, 9);
	ck_assert_uint_eq(get(kit_direct(8, VCMDQ_PROD), 4), 0);
	kit_alloc(kit, 8, 4, 0, true);
	set(page0 + VCMDQ_PROD, 4, 9);
	ck_assert_uint_eq(get(kit_direct(8, VCMDQ_PROD), 4), 9);
	kit_alloc(kit, 8, 4, 0, false);
	ck_assert_uint_eq(get(page0 + VCMDQ_PROD, 4), 0);
	ck_assert_uint_eq(get(kit_direct(8, VCMDQ_PROD), 4), 9);
}
END_TEST

START_TEST(page_0_and_the_config_page_take_no_64_bit_writes)
{
	set(kit_direct(3, VCMDQ_CONS), 8, 0x0000000300000002);
	ck_assert_uint_eq(get(kit_direct(3, VCMDQ_CONS), 8), 0);
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
	ck_assert_ptr_nonnull(bus_find(&kit->machine->bus, pa_of(CMDQV_AT + size - 4)));
	ck_assert_ptr_null(bus_find(&kit->machine->bus, pa_of(CMDQV_AT + size)));
}
END_TEST

START_TEST(fields_that_do_not_exist_stay_zero)
{
	set(CMDQV_CONFIG, 4, 0xffffffff);
	ck_assert_uint_eq(get(CMDQV_CONFIG, 4), 0x1fffff);
	set(CMDQV_ALLOC_MAP + 4 * 5, 4, 0xffffffff);
	ck_assert_uint_eq(get(CMDQV_ALLOC_MAP + 4 * 5, 4), 0x1f80ff);
	set(kit_vintf(2, VINTF_CONFIG), 4, 0xffffffff);
	ck_assert_uint_eq(get(kit_vintf(2, VINTF_CONFIG), 4), 0x3ffff);
	set(kit_vintf(2, VINTF_SID_MATCH), 4, 0xffffffff);
	ck_assert_uint_eq(get(kit_vintf(2, VINTF_SID_MATCH), 4), 0x1fffff);
	set(kit_vintf(2, VINTF_SID_REPLACE + 60), 4, 0xffffffff);
	ck_assert_uint_eq(get(kit_vintf(2, VINTF_SID_REPLACE + 60), 4), 0xfffff);
	set(kit_direct(5, VCMDQ_CONS), 4, 0xffffffff);
	ck_assert_uint_eq(get(kit_direct(5, VCMDQ_CONS), 4), 0x7f0fffff);
	set(kit_direct(5, VCMDQ_PROD), 4, 0xffffffff);
	ck_assert_uint_eq(get(kit_direct(5, VCMDQ_PROD), 4), 0xfffff);
	set(kit_direct(5, VCMDQ_GERRORN), 4, 0xffffffff);
	ck_assert_uint_eq(get(kit_direct(5, VCMDQ_GERRORN), 4), 7);
	set(kit_direct(5, VCMDQ_GERROR), 4, 0xffffffff);
	ck_assert_uint_eq(get(kit_direct(5, VCMDQ_GERROR), 4), 0);
}
END_TEST

START_TEST(only_what_param_tells_is_there)
{
	smmu_kit_set(&profile, "vintf.count_log2", 2);
	smmu_kit_set(&profile, "sid_pairs.log2", 1);
	remake("vcmdq.count_log2", 6);
	ck_assert_uint_eq(get(CMDQV_PARAM, 4), 0x1261);
	const uint64_t there[] = {CMDQV_ALLOC_MAP + 4 * 63, kit_direct(63, VCMDQ_PROD),
				  kit_vintf(3, VINTF_CONFIG), kit_vintf(3, VINTF_SID_MATCH + 4),
				  kit_vintf(3, VINTF_SID_REPLACE + 4)};
	const uint64_t beyond[] = {CMDQV_ALLOC_MAP + 4 * 64, kit_direct(64, VCMDQ_PROD),
				   kit_vintf(4, VINTF_CONFIG), kit_vintf(3, VINTF_SID_MATCH + 8),
				   kit_vintf(3, VINTF_SID_REPLACE + 8)};
	for (unsigned i = 0; i < 5; i++) {
		set(there[i], 4, 3);
		ck_assert_uint_eq(get(there[i], 4), 3);
		set(beyond[i], 4, 3);
		ck_assert_uint_eq(get(beyond[i], 4), 0);
	}
}
END_TEST

START_TEST(a_vintf_counts_its_mapped_queues)
{
	for (uint32_t logical = 0; logical < 5; logical++)
		kit_alloc(kit, 10 + logical, 7, logical, true);
	ck_assert_uint_eq(get(kit_vintf(7, VINTF_STATUS), 4), 5 << 16);
	kit_alloc(kit, 14, 7, 4, false);
	set(kit_vintf(7, VINTF_CONFIG), 4, 1);
	ck_assert_uint_eq(get(kit_vintf(7, VINTF_STATUS), 4), 4 << 16 | 1);
}
END_TEST

/* --- enable [5.1] --- */

/* Each of CMDQV_EN, VINTF ENABLE and ALLOC lacking in turn. */
static void lack(uint32_t queue, unsigned which)
{
	set(CMDQV_CONFIG, 4, which == 0 ? CONFIG_RESET & ~1U : CONFIG_RESET);
	set(kit_vintf(1, VINTF_CONFIG), 4, which == 1 ? GUEST_VMID << 1 : GUEST_CONFIG);
	kit_alloc(kit, queue, 1, 1, which != 2);
}

START_TEST(a_queue_needs_cmdqv_vintf_and_alloc_to_be_enabled)
{
	uint64_t base = kit_frames(kit, 1);
	kit_put(kit, base, 0, legal());
	set(kit_direct1(3, VCMDQ_BASE), 8, base | LOG2SIZE);
	for (unsigned which = 0; which < 3; which++) {
		lack(3, which);
		kit_switch(kit, 3, true);
		ck_assert(!kit_enabled(kit, 3));
		ck_assert_uint_eq(get(kit_direct(3, VCMDQ_CONFIG), 4), 1); /* as written */
		ck_assert_uint_eq(get(kit_direct(3, VCMDQ_GERROR), 4), 0);
		ring(3, 1);
		ck_assert_uint_eq(kit_cons(kit, 3), 0);
	}
	ck_assert_uint_eq(interrupts(), 0);
	kit_alloc(kit, 3, 1, 1, true);
	kit_switch(kit, 3, true);
	ck_assert(kit_enabled(kit, 3));
	ring(3, 1);
	ck_assert_uint_eq(kit_cons(kit, 3), 1);
}
END_TEST

START_TEST(a_refused_queue_may_say_so)
{
	kit_assume(kit, ASSUME_ENABLE_REFUSED, ENABLE_REFUSED_INIT_ERR);
	set(kit_direct1(3, VCMDQ_BASE), 8, kit_frames(kit, 1) | LOG2SIZE);
	for (unsigned which = 0; which < 3; which++) {
		lack(3, which);
		kit_switch(kit, 3, true);
		ck_assert(!kit_enabled(kit, 3));
		uint64_t active =
			get(kit_direct(3, VCMDQ_GERROR), 4) ^ get(kit_direct(3, VCMDQ_GERRORN), 4);
		ck_assert_uint_eq(active, VCMDQ_GERROR_INIT);
		ck_assert_uint_eq(interrupts(), which + 1);
		kit_acknowledge(kit, 3);
	}
}
END_TEST

/* [8.1] EN requested, but the initialisation fails. */
START_TEST(a_queue_without_a_base_does_not_start)
{
	kit_enable(kit, GUEST_QUEUE, GUEST_VINTF, 0, GUEST_CONFIG, LOG2SIZE);
	ck_assert(!kit_enabled(kit, GUEST_QUEUE));
	ck_assert_uint_eq(get(kit_direct(GUEST_QUEUE, VCMDQ_GERROR), 4), 1 << 2);
	ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP, 4), 1U << GUEST_QUEUE);
	ck_assert_uint_eq(get(CMDQV_VI_ERR_MAP, 4), 1U << GUEST_VINTF);
	ck_assert_uint_eq(interrupts(), 1);
	/* It is active already: neither toggled back nor told again. */
	kit_switch(kit, GUEST_QUEUE, true);
	ck_assert_uint_eq(get(kit_direct(GUEST_QUEUE, VCMDQ_GERROR), 4), 1 << 2);
	ck_assert_uint_eq(interrupts(), 1);
	kit_acknowledge(kit, GUEST_QUEUE);
	ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP, 4), 0);
	kit_switch(kit, GUEST_QUEUE, true);
	ck_assert_uint_eq(get(kit_direct(GUEST_QUEUE, VCMDQ_GERROR), 4), 0);
	ck_assert_uint_eq(interrupts(), 2);
}
END_TEST

/* Only an active CMDQ_ERR keeps a queue from running [5.1]. */
START_TEST(a_failed_start_does_not_hold_up_the_next)
{
	kit_enable(kit, GUEST_QUEUE, GUEST_VINTF, 0, GUEST_CONFIG, LOG2SIZE);
	uint64_t base = kit_frames(kit, 1);
	kit_put(kit, base, 0, legal());
	rebase(GUEST_QUEUE, base | LOG2SIZE);
	ck_assert(kit_enabled(kit, GUEST_QUEUE));
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 1);
}
END_TEST

START_TEST(what_enables_a_queue_disables_it_when_it_goes)
{
	start_guest();
	set(kit_vintf(GUEST_VINTF, VINTF_CONFIG), 4, GUEST_VMID << 1);
	ck_assert(!kit_enabled(kit, GUEST_QUEUE));
	start_guest();
	kit_alloc(kit, GUEST_QUEUE, GUEST_VINTF, 0, false);
	ck_assert(!kit_enabled(kit, GUEST_QUEUE));
	start_guest();
	set(CMDQV_CONFIG, 4, CONFIG_RESET & ~1U);
	ck_assert_uint_eq(get(CMDQV_STATUS, 4), 0);
	ck_assert(!kit_enabled(kit, GUEST_QUEUE));
	kit_ring(kit, GUEST_QUEUE, 1);
	ck_assert_uint_eq(kit_run(kit), 0);
}
END_TEST

START_TEST(a_queue_given_to_a_vintf_that_is_off_stops)
{
	start_guest();
	kit_alloc(kit, GUEST_QUEUE, 33, 0, true);
	ck_assert(!kit_enabled(kit, GUEST_QUEUE));
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 0);
}
END_TEST

START_TEST(a_queue_given_to_a_vintf_that_does_not_exist_stops)
{
	remake("vintf.count_log2", 2);
	start_guest();
	kit_alloc(kit, GUEST_QUEUE, 33, 0, true);
	ck_assert(!kit_enabled(kit, GUEST_QUEUE));
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 0);
	/* Nor can it be enabled there. */
	kit_switch(kit, GUEST_QUEUE, true);
	ck_assert(!kit_enabled(kit, GUEST_QUEUE));
	kit_alloc(kit, GUEST_QUEUE, GUEST_VINTF, 0, true);
	kit_switch(kit, GUEST_QUEUE, true);
	ck_assert(kit_enabled(kit, GUEST_QUEUE));
}
END_TEST

START_TEST(base_and_cons_are_writable_only_when_disabled)
{
	uint64_t base = start_guest();
	set(kit_direct1(GUEST_QUEUE, VCMDQ_BASE), 8, 0x12345000c);
	set(kit_direct1(GUEST_QUEUE, VCMDQ_CONS_BASE), 8, 0x1000);
	set(kit_direct(GUEST_QUEUE, VCMDQ_CONS), 4, 5);
	ck_assert_uint_eq(get(kit_direct1(GUEST_QUEUE, VCMDQ_BASE), 8), base | LOG2SIZE);
	ck_assert_uint_eq(get(kit_direct1(GUEST_QUEUE, VCMDQ_CONS_BASE), 8), 0);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 0);
	kit_switch(kit, GUEST_QUEUE, false);
	set(kit_direct1(GUEST_QUEUE, VCMDQ_BASE), 8, 0x12345000c);
	set(kit_direct(GUEST_QUEUE, VCMDQ_CONS), 4, 5);
	ck_assert_uint_eq(get(kit_direct1(GUEST_QUEUE, VCMDQ_BASE), 8), 0x12345000c);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 5);
}
END_TEST

START_TEST(enabling_starts_what_prod_already_covers)
{
	uint64_t base = start_guest();
	kit_switch(kit, GUEST_QUEUE, false);
	kit_put(kit, base, 0, legal());
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 0);
	kit_switch(kit, GUEST_QUEUE, true);
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 1);
}
END_TEST

/* --- size and wrap [5, 11.1; smmuv3 2.1] --- */

START_TEST(indices_wrap_with_their_flag)
{
	uint64_t base = start_guest();
	fill(base, ENTRIES);
	for (uint32_t prod = 1; prod <= 40; prod++) {
		ring(GUEST_QUEUE, prod & 15);
		ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), prod & 15);
		ck_assert_uint_eq(kit->probes[prod - 1].index, (prod - 1) & 15);
		ck_assert_uint_eq(kit->probes[prod - 1].pa.value,
				  base + (prod - 1) % 8 * COMMAND_SIZE);
	}
}
END_TEST

START_TEST(a_full_queue_runs_every_entry)
{
	uint64_t base = start_guest();
	fill(base, ENTRIES);
	ring(GUEST_QUEUE, ENTRIES);
	ck_assert_uint_eq(kit->probe_count, ENTRIES);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), ENTRIES);
}
END_TEST

/* LOG2SIZE 0: the wrap flag is bit 0. */
START_TEST(a_queue_of_one_entry_is_full_or_empty)
{
	for (unsigned prefetch = PREFETCH_LINE; prefetch <= PREFETCH_SINGLE; prefetch++) {
		kit_assume(kit, ASSUME_PREFETCH, prefetch);
		uint64_t base = start_guest();
		rebase(GUEST_QUEUE, base);
		for (uint32_t i = 0; i < 5; i++) {
			kit_put(kit, base, 0, command_tlbi_nh_asid(0, (uint16_t)i));
			kit_put(kit, base, 1, command_cfgi_all()); /* not its own */
			ring(GUEST_QUEUE, (i + 1) & 1);
			ck_assert_uint_eq(kit->probe_count, i + 1);
			ck_assert_uint_eq(kit->probes[i].pa.value, base);
			ck_assert_uint_eq(field_get(kit->probes[i].ran[0], CMD_ASID), i);
			ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), (i + 1) & 1);
		}
		ring(GUEST_QUEUE, 0);
		kit_switch(kit, GUEST_QUEUE, false);
		smmu_kit_clear(kit);
	}
}
END_TEST

START_TEST(the_size_is_capped_at_what_the_smmu_has)
{
	remake("cmdqs.log2", 7);
	uint64_t base = start_guest();
	rebase(GUEST_QUEUE, base | 31);
	fill(base, 128);
	ring(GUEST_QUEUE, 128);
	ring(GUEST_QUEUE, 130);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 130);
	ck_assert_uint_eq(kit->probe_count, 130);
	ck_assert_uint_eq(kit->probes[129].pa.value, base + COMMAND_SIZE);
	/* What was written reads back. */
	ck_assert_uint_eq(get(kit_direct1(GUEST_QUEUE, VCMDQ_BASE), 8), base | 31);
}
END_TEST

/* Where entries of a queue at BASE + 0x60, eight entries long, are read from. */
static void check_entries_at(uint64_t base, uint64_t expected)
{
	rebase(GUEST_QUEUE, base | 0x60 | LOG2SIZE);
	fill(base, 2 * ENTRIES);
	for (uint32_t prod = 1; prod <= 9; prod++) {
		ring(GUEST_QUEUE, prod);
		ck_assert_uint_eq(kit->probes[prod - 1].pa.value,
				  expected + (prod - 1) % 8 * COMMAND_SIZE);
	}
	for (unsigned i = 0; i < kit->access_count; i++) {
		ck_assert_uint_ge(kit->accesses[i].pa.value, expected);
		ck_assert_uint_le(kit->accesses[i].pa.value + kit->accesses[i].size,
				  expected + (uint64_t)ENTRIES * COMMAND_SIZE);
	}
}

START_TEST(base_bits_below_the_size_do_not_count)
{
	uint64_t base = start_guest();
	check_entries_at(base, base);
}
END_TEST

START_TEST(base_bits_below_the_size_may_be_kept)
{
	kit_assume(kit, ASSUME_BASE_LOW_BITS, BASE_LOW_BITS_KEPT);
	uint64_t base = start_guest();
	check_entries_at(base, base + 0x60);
}
END_TEST

/* --- legality [7.1, 7.2; smmuv3 3.2, 3.3] --- */

#define IDR0_HYP         BITS(9, 9)
#define IDR0_PRI         BITS(16, 16)
#define IDR0_STALL_MODEL BITS(25, 24)
#define IDR3_MPAM        BITS(7, 7)
#define IDR3_DPT         BITS(15, 15)

/* The sheet's table: illegal without the feature, and whatever the table does not have. */
static bool sheet_has(unsigned opcode)
{
	uint64_t idr0 = kit_smmu_read(kit, SMMU_IDR0, 4), idr3 = kit_smmu_read(kit, SMMU_IDR3, 4);
	if ((opcode >= 0x01 && opcode <= 0x04) || opcode == 0x30 || opcode == 0x46)
		return true;
	if (opcode == 0x05 || opcode == 0x06 || (opcode >= 0x10 && opcode <= 0x13))
		return idr0 & IDR0_S1P;
	if (opcode == 0x07)
		return idr3 & IDR3_MPAM;
	if (opcode >= 0x20 && opcode <= 0x23)
		return idr0 & IDR0_HYP;
	if (opcode == 0x28 || opcode == 0x2a)
		return idr0 & IDR0_S2P;
	if (opcode == 0x40)
		return idr0 & IDR0_ATS;
	if (opcode == 0x41)
		return idr0 & IDR0_PRI;
	if (opcode == 0x44 || opcode == 0x45)
		return field_get(idr0, IDR0_STALL_MODEL) != 1;
	return (opcode == 0x70 || opcode == 0x73) && (idr3 & IDR3_DPT);
}

/* The opcode, and 0x100 where it has a VMID or a stream id. */
static struct smmu_command bare(unsigned opcode)
{
	return (struct smmu_command){{opcode | 0x100ULL << 32, 0}};
}

static void check_guest_opcodes(bool stage2_tlbi)
{
	uint64_t base = start_guest();
	pair_sid(0, 0x100, 0x10);
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		bool runs = opcode == 0x11 || opcode == 0x12 || opcode == 0x40 || opcode == 0x46;
		if (stage2_tlbi)
			runs |= opcode == 0x28 || opcode == 0x2a;
		if (runs)
			check_runs(GUEST_QUEUE, base, bare(opcode));
		else
			check_stops(GUEST_QUEUE, base, bare(opcode), VCMDQ_ERR_ILL_OPCODE);
	}
}

START_TEST(a_guest_queue_runs_four_opcodes_and_no_other)
{
	check_guest_opcodes(false);
}
END_TEST

/* Nor what hardware with EL2 and PRI runs in other queues. */
START_TEST(a_guest_queue_runs_no_more_where_the_smmu_has_all)
{
	teardown();
	profile = smmu_kit_everything();
	make_kit();
	ck_assert(sheet_has(CMD_TLBI_EL2_ALL) && sheet_has(CMD_PRI_RESP));
	check_guest_opcodes(false);
}
END_TEST

START_TEST(a_guest_queue_may_run_two_more_that_invalidate_stage_2)
{
	kit_assume(kit, ASSUME_GUEST_STAGE2_TLBI, GUEST_STAGE2_TLBI_LEGAL);
	check_guest_opcodes(true);
}
END_TEST

START_TEST(a_hypervisor_queue_runs_whatever_the_smmu_has)
{
	uint64_t base = start_host();
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		if (sheet_has(opcode))
			check_runs(HOST_QUEUE, base, bare(opcode));
		else
			check_stops(HOST_QUEUE, base, bare(opcode), VCMDQ_ERR_ILL_OPCODE);
		/* Nothing is put in. */
		ck_assert_mem_eq(kit->probes[0].ran, kit->probes[0].fetched,
				 sizeof(kit->probes[0].ran));
	}
}
END_TEST

/* One command of the main queue, from entry 0; the main queue's CONS afterwards. */
static uint64_t run_main(uint64_t base, struct smmu_command command)
{
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_SMMUEN);
	kit_smmu_write(kit, SMMU_GERRORN, 4, kit_smmu_read(kit, SMMU_GERROR, 4));
	kit_put(kit, base, 0, command);
	smmu_kit_clear(kit);
	kit_enable_main(kit, base, LOG2SIZE);
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, 1);
	kit_run(kit);
	ck_assert_uint_eq(kit->probe_count, 1);
	return kit_smmu_read(kit, SMMU_CMDQ_CONS, 4);
}

START_TEST(the_main_queue_runs_whatever_the_smmu_has)
{
	uint64_t base = kit_frames(kit, 1);
	kit_smmu_write(kit, SMMU_IRQ_CTRL, 4, IRQ_CTRL_GERROR);
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		uint64_t cons = run_main(base, bare(opcode));
		ck_assert_msg(cons == (sheet_has(opcode) ? 1 : CERROR_ILL << 24), "%02x: %llx",
			      opcode, (unsigned long long)cons);
		ck_assert_uint_eq(kit->interrupts[KIT_IRQ_GERROR], !sheet_has(opcode));
	}
}
END_TEST

/* Other completion signals are unsure in a VCMDQ of either owner; 3 is none at all. */
START_TEST(sync_takes_no_completion_signal)
{
	uint64_t guest = start_guest(), host = start_host();
	check_runs(GUEST_QUEUE, guest, command_sync(0));
	check_runs(HOST_QUEUE, host, command_sync(0));
	for (unsigned cs = 1; cs < 4; cs++) {
		check_stops(GUEST_QUEUE, guest, command_sync(cs), VCMDQ_ERR_ILL_OPCODE);
		check_stops(HOST_QUEUE, host, command_sync(cs), VCMDQ_ERR_ILL_OPCODE);
	}
}
END_TEST

START_TEST(sync_may_take_a_completion_signal_as_none)
{
	uint64_t guest = start_guest(), host = start_host();
	kit_assume(kit, ASSUME_GUEST_SYNC_CS, GUEST_SYNC_CS_AS_NONE);
	for (unsigned cs = 0; cs < 3; cs++) {
		check_runs(GUEST_QUEUE, guest, command_sync(cs));
		check_runs(HOST_QUEUE, host, command_sync(cs));
	}
	check_stops(GUEST_QUEUE, guest, command_sync(3), VCMDQ_ERR_ILL_OPCODE);
	check_stops(HOST_QUEUE, host, command_sync(3), VCMDQ_ERR_ILL_OPCODE);
}
END_TEST

/* Neither an MSI, which a guest could send anywhere, nor the wire. */
START_TEST(a_sync_that_is_taken_as_none_tells_nobody)
{
	uint64_t guest = start_guest(), host = start_host(), target = kit_frames(kit, 1);
	kit_assume(kit, ASSUME_GUEST_SYNC_CS, GUEST_SYNC_CS_AS_NONE);
	kit->smmu->idr[0] |= (uint32_t)IDR0_MSI;
	for (unsigned i = 0; i < 4; i++) {
		struct smmu_command sync = command_sync(SYNC_CS_IRQ);
		sync.dw[0] = field_set(sync.dw[0], CMD_SYNC_MSIDATA, 0x12345678);
		sync.dw[1] = i < 2 ? target : 0;
		check_runs(i % 2 ? HOST_QUEUE : GUEST_QUEUE, i % 2 ? host : guest, sync);
		ck_assert_uint_eq(kit_word(kit, target), 0);
		ck_assert_uint_eq(kit->interrupts[KIT_IRQ_SYNC], 0);
	}
}
END_TEST

START_TEST(the_main_queue_takes_each_completion_signal_but_3)
{
	uint64_t base = kit_frames(kit, 1);
	for (unsigned cs = 0; cs < 4; cs++)
		ck_assert_uint_eq(run_main(base, command_sync(cs)), cs < 3 ? 1 : CERROR_ILL << 24);
}
END_TEST

/* SSec must be 0 in a non-secure queue. */
START_TEST(a_command_of_the_secure_side_is_illegal)
{
	uint64_t guest = start_guest(), host = start_host();
	struct smmu_command command = legal();
	command.dw[0] |= 1 << 10;
	check_stops(GUEST_QUEUE, guest, command, VCMDQ_ERR_ILL_OPCODE);
	check_stops(HOST_QUEUE, host, command, VCMDQ_ERR_ILL_OPCODE);
	ck_assert_uint_eq(run_main(kit_frames(kit, 1), command), CERROR_ILL << 24);
}
END_TEST

/* Commands with one bit that the sheet's table gives no use. */
static const struct smmu_command reserved_bits[] = {
	{{0x11 | 1ULL << 20, 0}}, {{0x11, 1ULL << 12}}, {{0x12, 1ULL << 3}},
	{{0x12 | 1ULL << 31, 0}}, {{0x46, 1ULL << 63}}, {{0x46 | 1ULL << 14, 0}},
	{{0x40 | 1ULL << 8, 0}},  {{0x40, 1ULL << 6}},
};
#define RESERVED_BITS (sizeof(reserved_bits) / sizeof(reserved_bits[0]))

START_TEST(reserved_bits_are_ignored)
{
	uint64_t guest = start_guest(), host = start_host(), main_queue = kit_frames(kit, 1);
	pair_sid(0, 0, 0x10);
	for (size_t i = 0; i < RESERVED_BITS; i++) {
		check_runs(GUEST_QUEUE, guest, reserved_bits[i]);
		check_runs(HOST_QUEUE, host, reserved_bits[i]);
		ck_assert_uint_eq(run_main(main_queue, reserved_bits[i]), 1);
	}
}
END_TEST

START_TEST(reserved_bits_may_be_illegal)
{
	uint64_t guest = start_guest(), host = start_host(), main_queue = kit_frames(kit, 1);
	pair_sid(0, 0, 0x10);
	kit_assume(kit, ASSUME_RES0, RES0_ILLEGAL);
	for (size_t i = 0; i < RESERVED_BITS; i++) {
		check_stops(GUEST_QUEUE, guest, reserved_bits[i], VCMDQ_ERR_ILL_OPCODE);
		check_stops(HOST_QUEUE, host, reserved_bits[i], VCMDQ_ERR_ILL_OPCODE);
		ck_assert_uint_eq(run_main(main_queue, reserved_bits[i]), CERROR_ILL << 24);
	}
}
END_TEST

/* What Linux sends has no such bits (smmuv3 3.2); nor have range fields, ignored without RIL. */
START_TEST(what_linux_sends_has_no_reserved_bits)
{
	uint64_t guest = start_guest(), host = start_host();
	const struct smmu_command commands[] = {
		command_sync(SYNC_CS_NONE),
		{{0x46, 0}}, /* of the teardown [9.3] */
		command_tlbi_nh_asid(0xffff, 0xffff),
		command_tlbi_nh_va(0xffff, 0xffff, ~0ULL, 1),
		{{0x12 | 0x1fULL << 12 | 0x3fULL << 20, 0xfULL << 8}},
		command_atc_inv(0x100, ~0ULL, ATC_SIZE_ALL),
		{{0x40 | 1 << 9 | 1 << 11 | 0xfffffULL << 12 | 0x100ULL << 32, 0}},
		command_cfgi_ste(0xffffffff, 1),
		command_cfgi_all(),
		command_tlbi_nh_all(0xffff),
		command_tlbi_s12_vmall(0xffff),
		command_tlbi_s2_ipa(0xffff, ~0ULL, 1),
		command_tlbi_nsnh_all(),
	};
	pair_sid(0, 0x100, 0x10);
	kit_assume(kit, ASSUME_RES0, RES0_ILLEGAL);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		check_runs(HOST_QUEUE, host, commands[i]);
		if (i < 7)
			check_runs(GUEST_QUEUE, guest, commands[i]);
	}
}
END_TEST

/* --- substitution [7.2, 7.4, 7.5] --- */

static void check_vmid_put_in(uint64_t base, struct smmu_command command)
{
	const struct probe *probe = run_alone(GUEST_QUEUE, base, command);
	ck_assert_uint_eq(probe->fetched[0], command.dw[0]);
	ck_assert_uint_eq(probe->fetched[1], command.dw[1]);
	ck_assert_uint_eq(probe->ran[0], (command.dw[0] & ~CMD_VMID) | (uint64_t)GUEST_VMID << 32);
	ck_assert_uint_eq(probe->ran[1], command.dw[1]);
}

START_TEST(the_vmid_of_a_guest_is_its_vintfs_whatever_it_writes)
{
	uint64_t base = start_guest();
	check_vmid_put_in(base, command_tlbi_nh_asid(99, 0x51));
	check_vmid_put_in(base, command_tlbi_nh_va(99, 0x51, 0x7f12345678000, 1));
	kit_assume(kit, ASSUME_GUEST_STAGE2_TLBI, GUEST_STAGE2_TLBI_LEGAL);
	check_vmid_put_in(base, command_tlbi_s12_vmall(99));
	check_vmid_put_in(base, command_tlbi_s2_ipa(99, 0x12345678000, 1));
}
END_TEST

START_TEST(the_widest_vmid_is_put_in_whole)
{
	uint64_t base = start_queue(GUEST_QUEUE, GUEST_VINTF, 0, 0xffff << 1 | 1);
	run_alone(GUEST_QUEUE, base, command_tlbi_nh_asid(0, 0x51));
	ck_assert_uint_eq(kit->probes[0].ran[0], 0x0051ffff00000011);
}
END_TEST

/* A translation of page 1, of stage 1 (ASID 0x51) or of stage 2. */
static bool cached(uint16_t vmid, bool stage1)
{
	struct tlb_tag tag = {.stage1 = stage1, .domain = vmid, .space = stage1 ? 0x51 : 0};
	return tlb_lookup(&kit->smmu->tlb, tag, 1) != NULL;
}

static void cache(uint16_t vmid, bool stage1)
{
	struct tlb_entry entry = {
		.tag = {.stage1 = stage1, .domain = vmid, .space = stage1 ? 0x51 : 0}, .pa = 1};
	tlb_insert(&kit->smmu->tlb, &entry, 1);
}

/* Each command names the other guest's VMID; it takes only its own guest's translations. */
START_TEST(a_guest_removes_translations_of_its_own_vmid_only)
{
	const uint16_t own = GUEST_VMID, other = GUEST_VMID + 1;
	const struct smmu_command commands[] = {
		command_tlbi_nh_asid(other, 0x51),
		command_tlbi_nh_va(other, 0x51, PAGE_SIZE, 1),
		command_tlbi_s12_vmall(other),
		command_tlbi_s2_ipa(other, PAGE_SIZE, 1),
	};
	uint64_t base = start_guest();
	kit_assume(kit, ASSUME_GUEST_STAGE2_TLBI, GUEST_STAGE2_TLBI_LEGAL);
	for (unsigned i = 0; i < 4; i++) {
		bool removes1 = i != 3, removes2 = i >= 2;
		for (unsigned stage = 0; stage < 2; stage++) {
			cache(own, stage);
			cache(other, stage);
		}
		run_alone(GUEST_QUEUE, base, commands[i]);
		ck_assert_uint_eq(kit->probes[0].removed, removes1 + removes2);
		ck_assert_int_eq(cached(own, true), !removes1);
		ck_assert_int_eq(cached(own, false), !removes2);
		ck_assert(cached(other, true) && cached(other, false));
	}
}
END_TEST

START_TEST(stream_ids_of_a_guest_are_matched_and_replaced)
{
	uint64_t base = start_guest();
	for (uint32_t pair = 0; pair < 16; pair++)
		pair_sid(pair, 0x100 + pair, 0xabc00 + pair);
	set(kit_vintf(GUEST_VINTF, VINTF_SID_MATCH + 4 * 7), 4, (0x100 + 7) << 1); /* off */
	for (uint32_t pair = 0; pair < 18; pair++) {
		struct smmu_command atc = command_atc_inv(0x100 + pair, 0x5000, 3);
		if (pair == 7 || pair >= 16) {
			check_stops(GUEST_QUEUE, base, atc, VCMDQ_ERR_ILL_ACCESS);
			continue;
		}
		check_runs(GUEST_QUEUE, base, atc);
		ck_assert_uint_eq(kit->probes[0].ran[0], 0x40 | (0xabc00ULL + pair) << 32);
		ck_assert_uint_eq(kit->probes[0].ran[1], atc.dw[1]);
	}
}
END_TEST

/* Pairs of one VINTF are nothing to another, nor to the hypervisor's own queues. */
START_TEST(stream_ids_are_replaced_by_the_owners_pairs_only)
{
	uint64_t host = start_host(), other = start_queue(9, 4, 0, 7 << 1 | 1);
	start_guest();
	pair_sid(0, 0x100, 0x10);
	check_stops(9, other, command_atc_inv(0x100, 0, 0), VCMDQ_ERR_ILL_ACCESS);
	check_runs(HOST_QUEUE, host, command_atc_inv(0x100, 0, 0));
	ck_assert_uint_eq(kit->probes[0].ran[0], 0x40 | 0x100ULL << 32);
}
END_TEST

START_TEST(only_as_many_pairs_match_as_there_are)
{
	for (unsigned log2 = 0; log2 <= 4; log2++) {
		remake("sid_pairs.log2", log2);
		uint64_t base = start_guest();
		for (uint32_t pair = 0; pair < 16; pair++)
			pair_sid(pair, 0x100 + pair, 0x10 + pair);
		uint32_t last = (1U << log2) - 1;
		check_runs(GUEST_QUEUE, base, command_atc_inv(0x100 + last, 0, 0));
		check_stops(GUEST_QUEUE, base, command_atc_inv(0x101 + last, 0, 0),
			    VCMDQ_ERR_ILL_ACCESS);
	}
}
END_TEST

START_TEST(an_unmatched_stream_id_never_gets_through)
{
	static const uint32_t codes[] = {
		[UNMATCHED_SID_ILL_ACCESS] = VCMDQ_ERR_ILL_ACCESS,
		[UNMATCHED_SID_ILL_OPCODE] = VCMDQ_ERR_ILL_OPCODE,
	};
	uint64_t base = start_guest();
	for (unsigned value = 0; value < 2; value++) {
		kit_assume(kit, ASSUME_UNMATCHED_SID, value);
		check_stops(GUEST_QUEUE, base, command_atc_inv(0x100, 0, 0), codes[value]);
	}
	kit_assume(kit, ASSUME_UNMATCHED_SID, UNMATCHED_SID_DROPPED);
	check_runs(GUEST_QUEUE, base, command_atc_inv(0x100, 0, 0));
	ck_assert_int_eq(kit->probes[0].effect, EFFECT_NONE);
	ck_assert_uint_eq(kit->probes[0].removed, 0);
}
END_TEST

START_TEST(the_first_or_the_last_of_several_pairs_replaces)
{
	static const uint32_t expected[] = {
		[SID_CONFLICT_FIRST] = 0x12, [SID_CONFLICT_LAST] = 0x1e};
	uint64_t base = start_guest();
	for (unsigned value = 0; value < 2; value++) {
		kit_assume(kit, ASSUME_SID_CONFLICT, value);
		pair_sid(2, 0x100, 0x12);
		pair_sid(9, 0x100, 0x19);
		pair_sid(14, 0x100, 0x1e);
		pair_sid(15, 0x101, 0x1f);
		check_runs(GUEST_QUEUE, base, command_atc_inv(0x100, 0, 0));
		ck_assert_uint_eq(field_get(kit->probes[0].ran[0], CMD_SID), expected[value]);
	}
}
END_TEST

/* A verdict hangs on what was asked for only. */
START_TEST(what_linux_sends_from_a_guest_asks_for_no_doubtful_behaviour)
{
	uint64_t base = start_guest();
	pair_sid(0, 0x100, 0x10);
	check_runs(GUEST_QUEUE, base, command_tlbi_nh_va(0, 1, 0x1000, 1));
	check_runs(GUEST_QUEUE, base, command_atc_inv(0x100, 0x1000, 0));
	check_runs(GUEST_QUEUE, base, command_sync(SYNC_CS_NONE));
	check_stops(GUEST_QUEUE, base, command_cfgi_all(), VCMDQ_ERR_ILL_OPCODE);
	kit_switch(kit, GUEST_QUEUE, false);
	const bool *consulted = kit->smmu->assumptions.consulted;
	for (unsigned i = 0; i <= ASSUME_ARBITER; i++)
		ck_assert_int_eq(consulted[i], i == ASSUME_PREFETCH);
	kit_switch(kit, GUEST_QUEUE, true);
	run_alone(GUEST_QUEUE, base, command_atc_inv(0x101, 0, 0));
	ck_assert(consulted[ASSUME_UNMATCHED_SID] && !consulted[ASSUME_SID_CONFLICT]);
	run_alone(GUEST_QUEUE, base, command_sync(SYNC_CS_SEV));
	ck_assert(consulted[ASSUME_GUEST_SYNC_CS]);
	run_alone(GUEST_QUEUE, base, command_tlbi_s12_vmall(0));
	ck_assert(consulted[ASSUME_GUEST_STAGE2_TLBI]);
}
END_TEST

/* --- whom a command can affect --- */

static void check_effect(uint32_t queue, uint64_t base, struct smmu_command command,
			 enum probe_effect effect, uint32_t target)
{
	const struct probe *probe = run_alone(queue, base, command);
	ck_assert_int_eq(probe->kind, PROBE_EXECUTED);
	ck_assert_msg(probe->effect == effect, "opcode %02x: effect %d", command_opcode(&command),
		      probe->effect);
	if (effect == EFFECT_DOMAIN || effect == EFFECT_DEVICE)
		ck_assert_uint_eq(probe->target, target);
	ck_assert_uint_eq(probe->engine, kit->smmu->port.engine);
	ck_assert_uint_eq(probe->context, queue);
	ck_assert_uint_eq(probe->pa.value, base);
	ck_assert_uint_eq(probe->time_ps, kit->machine->clock.now_ps);
}

START_TEST(a_guests_commands_reach_its_own_domain_and_devices)
{
	uint64_t base = start_guest();
	pair_sid(3, 0x100, 0xabcde);
	check_effect(GUEST_QUEUE, base, command_tlbi_nh_asid(99, 1), EFFECT_DOMAIN, GUEST_VMID);
	check_effect(GUEST_QUEUE, base, command_tlbi_nh_va(99, 1, 0, 0), EFFECT_DOMAIN, GUEST_VMID);
	check_effect(GUEST_QUEUE, base, command_atc_inv(0x100, 0, 0), EFFECT_DEVICE, 0xabcde);
	check_effect(GUEST_QUEUE, base, command_sync(SYNC_CS_NONE), EFFECT_NONE, 0);
	kit_assume(kit, ASSUME_GUEST_STAGE2_TLBI, GUEST_STAGE2_TLBI_LEGAL);
	check_effect(GUEST_QUEUE, base, command_tlbi_s12_vmall(99), EFFECT_DOMAIN, GUEST_VMID);
	check_effect(GUEST_QUEUE, base, command_tlbi_s2_ipa(99, 0, 0), EFFECT_DOMAIN, GUEST_VMID);
}
END_TEST

START_TEST(a_hypervisors_commands_reach_whom_they_name)
{
	uint64_t base = start_host();
	check_effect(HOST_QUEUE, base, command_tlbi_nh_all(9), EFFECT_DOMAIN, 9);
	check_effect(HOST_QUEUE, base, command_tlbi_nh_asid(9, 1), EFFECT_DOMAIN, 9);
	check_effect(HOST_QUEUE, base, command_tlbi_nh_va(9, 1, 0, 0), EFFECT_DOMAIN, 9);
	check_effect(HOST_QUEUE, base, (struct smmu_command){{0x13 | 9ULL << 32, 0}}, EFFECT_DOMAIN,
		     9);
	check_effect(HOST_QUEUE, base, command_tlbi_s12_vmall(9), EFFECT_DOMAIN, 9);
	check_effect(HOST_QUEUE, base, command_tlbi_s2_ipa(0xffff, 0, 0), EFFECT_DOMAIN, 0xffff);
	check_effect(HOST_QUEUE, base, command_tlbi_nsnh_all(), EFFECT_ALL, 0);
	check_effect(HOST_QUEUE, base, command_cfgi_ste(0x77, 1), EFFECT_DEVICE, 0x77);
	check_effect(HOST_QUEUE, base, command_cfgi_all(), EFFECT_ALL, 0);
	check_effect(HOST_QUEUE, base, command_atc_inv(0x77, 0, 0), EFFECT_DEVICE, 0x77);
	check_effect(HOST_QUEUE, base, command_sync(SYNC_CS_NONE), EFFECT_NONE, 0);
	check_effect(HOST_QUEUE, base, bare(CMD_PREFETCH_CONFIG), EFFECT_NONE, 0);
	check_effect(HOST_QUEUE, base, bare(CMD_PREFETCH_ADDR), EFFECT_NONE, 0);
}
END_TEST

/* --- errors [7.3, 8] --- */

START_TEST(an_illegal_command_stops_its_queue_until_it_is_acknowledged)
{
	uint64_t base = start_guest();
	fill(base, 3);
	kit_put(kit, base, 1, command_cfgi_all());
	ring(GUEST_QUEUE, 3);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 1);
	ck_assert_uint_eq(kit_error(kit, GUEST_QUEUE), VCMDQ_ERR_ILL_OPCODE);
	ck_assert_uint_eq(get(kit_direct(GUEST_QUEUE, VCMDQ_GERROR), 4), 1);
	ck_assert_uint_eq(get(kit_direct(GUEST_QUEUE, VCMDQ_GERRORN), 4), 0);
	/* Neither a doorbell nor enabling anew goes past it. */
	ring(GUEST_QUEUE, 3);
	kit_switch(kit, GUEST_QUEUE, false);
	kit_switch(kit, GUEST_QUEUE, true);
	ck_assert_uint_eq(kit_run(kit), 0);
	ck_assert_uint_eq(kit->probe_count, 2);
	/* As Linux recovers: a SYNC in its place, then the acknowledgement [8.3]. */
	kit_put(kit, base, 1, command_sync(SYNC_CS_NONE));
	kit_acknowledge(kit, GUEST_QUEUE);
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 3);
	/* The next error toggles GERROR back. */
	kit_put(kit, base, 3, command_cfgi_all());
	ring(GUEST_QUEUE, 4);
	ck_assert_uint_eq(get(kit_direct(GUEST_QUEUE, VCMDQ_GERROR), 4), 0);
	ck_assert_uint_eq(get(kit_direct(GUEST_QUEUE, VCMDQ_GERRORN), 4), 1);
	ck_assert(kit_stopped(kit, GUEST_QUEUE));
}
END_TEST

static void inject(enum access_purpose purpose, enum fault_action action, uint64_t nth)
{
	struct port_fault fault = {
		.engine = kit->smmu->port.engine, .purpose = purpose, .action = action, .nth = nth};
	ck_assert(port_inject(kit->machine, &fault));
}

/* The commands before it are consumed; a retry after the acknowledgement reads again. */
START_TEST(an_aborted_fetch_stops_with_abt_and_can_be_retried)
{
	uint64_t base = start_guest();
	inject(ACCESS_COMMAND_FETCH, FAULT_ABORT, 2);
	fill(base, 6);
	ring(GUEST_QUEUE, 6);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 4);
	ck_assert_uint_eq(kit_error(kit, GUEST_QUEUE), VCMDQ_ERR_ABT);
	ck_assert(kit_stopped(kit, GUEST_QUEUE));
	ck_assert_uint_eq(interrupts(), 1);
	kit_acknowledge(kit, GUEST_QUEUE);
	kit_run(kit);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 6);
	ck_assert_uint_eq(kit->access_count, 3);
}
END_TEST

/* The first byte of a command is its opcode: 0x11 becomes 0x10, which no guest may run. */
START_TEST(a_flipped_bit_is_taken_for_what_it_says)
{
	uint64_t base = start_guest();
	inject(ACCESS_COMMAND_FETCH, FAULT_FLIP, 1);
	fill(base, 1);
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(kit_error(kit, GUEST_QUEUE), VCMDQ_ERR_ILL_OPCODE);
	ck_assert_uint_eq(kit->probes[0].fetched[0], legal().dw[0] ^ 1);
}
END_TEST

START_TEST(a_base_outside_ram_aborts)
{
	start_guest();
	rebase(GUEST_QUEUE, 0xffffffff0000 | LOG2SIZE);
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(kit_error(kit, GUEST_QUEUE), VCMDQ_ERR_ABT);
}
END_TEST

START_TEST(error_maps_name_the_queue_until_it_is_acknowledged)
{
	uint64_t base = start_queue(101, 40, 35, GUEST_CONFIG);
	kit_put(kit, base, 0, command_cfgi_all());
	ring(101, 1);
	ck_assert_uint_eq(get(CMDQV_VI_ERR_MAP, 4), 0);
	ck_assert_uint_eq(get(CMDQV_VI_ERR_MAP + 4, 4), 1U << (40 - 32));
	ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP + 12, 4), 1U << (101 - 96));
	ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP, 4), 0);
	ck_assert_uint_eq(get(kit_vintf(40, VINTF_LVCMDQ_ERR_MAP + 4), 4), 1U << (35 - 32));
	ck_assert_uint_eq(get(kit_vintf(40, VINTF_LVCMDQ_ERR_MAP), 8), 1ULL << 35);
	ck_assert_uint_eq(field_get(get(kit_vintf(40, VINTF_STATUS), 4), VINTF_STATUS_STATUS), 1);
	kit_acknowledge(kit, 101);
	ck_assert_uint_eq(get(CMDQV_VI_ERR_MAP + 4, 4), 0);
	ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP + 12, 4), 0);
	ck_assert_uint_eq(get(kit_vintf(40, VINTF_LVCMDQ_ERR_MAP), 8), 0);
	ck_assert_uint_eq(field_get(get(kit_vintf(40, VINTF_STATUS), 4), VINTF_STATUS_STATUS), 0);
}
END_TEST

/* [1, 6] Each queue is its VINTF's alone, and so are its numbers and its errors. */
START_TEST(each_of_128_queues_runs_for_its_vintf)
{
	uint64_t base[128];
	for (uint32_t queue = 0; queue < 128; queue++)
		base[queue] = start_queue(queue, queue / 2, queue % 2, (queue / 2 + 7) << 1 | 1);
	for (uint32_t queue = 0; queue < 128; queue++) {
		check_runs(queue, base[queue], legal());
		ck_assert_uint_eq(field_get(kit->probes[0].ran[0], CMD_VMID), queue / 2 + 7);
		ck_assert_uint_eq(get(cmdqv_vintf_page0(queue / 2) + queue % 2 * 0x80, 4), 1);
	}
	for (uint32_t queue = 0; queue < 128; queue++) {
		check_stops(queue, base[queue], command_cfgi_all(), VCMDQ_ERR_ILL_OPCODE);
		for (uint32_t word = 0; word < 4; word++)
			ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP + 4 * word, 4),
					  word == queue / 32 ? 1U << queue % 32 : 0);
		for (uint32_t word = 0; word < 2; word++)
			ck_assert_uint_eq(get(CMDQV_VI_ERR_MAP + 4 * word, 4),
					  word == queue / 64 ? 1U << queue / 2 % 32 : 0);
		ck_assert_uint_eq(get(kit_vintf(queue / 2, VINTF_LVCMDQ_ERR_MAP), 4),
				  1U << queue % 2);
		kit_put(kit, base[queue], 0, legal());
		kit_acknowledge(kit, queue);
		kit_run(kit);
	}
}
END_TEST

START_TEST(one_vintf_may_have_all_128_queues)
{
	for (uint32_t queue = 0; queue < 128; queue++) {
		uint64_t base = start_queue(queue, 5, 127 - queue, GUEST_CONFIG);
		ck_assert_uint_eq(
			field_get(get(kit_vintf(5, VINTF_STATUS), 4), VINTF_STATUS_NUM_LVCMDQ),
			queue + 1);
		check_stops(queue, base, command_cfgi_all(), VCMDQ_ERR_ILL_OPCODE);
		uint32_t logical = 127 - queue, offset = VINTF_LVCMDQ_ERR_MAP + logical / 32 * 4;
		ck_assert(get(kit_vintf(5, offset), 4) >> logical % 32 & 1);
	}
	for (uint32_t word = 0; word < 4; word++)
		ck_assert_uint_eq(get(kit_vintf(5, VINTF_LVCMDQ_ERR_MAP + 4 * word), 4),
				  UINT32_MAX);
	ck_assert_uint_eq(get(CMDQV_VI_ERR_MAP, 4), 1 << 5);
	/* [2] Not both words at once: the first is not aligned to that. */
	ck_assert_uint_eq(get(CMDQV_VI_ERR_MAP, 8), 0);
}
END_TEST

/* [6] The sheet does not say: the slot is the last one's, and nobody's when that one goes. */
START_TEST(of_two_queues_in_one_slot_the_last_is_seen)
{
	uint64_t prod = cmdqv_vintf_page0(9) + 3 * CMDQV_QUEUE_STRIDE + VCMDQ_PROD;
	kit_alloc(kit, 20, 9, 3, true);
	kit_alloc(kit, 21, 9, 3, true);
	set(prod, 4, 5);
	ck_assert_uint_eq(get(kit_direct(20, VCMDQ_PROD), 4), 0);
	ck_assert_uint_eq(get(kit_direct(21, VCMDQ_PROD), 4), 5);
	kit_alloc(kit, 20, 9, 3, false);
	ck_assert_uint_eq(get(prod, 4), 5);
	kit_alloc(kit, 21, 9, 3, false);
	ck_assert_uint_eq(get(prod, 4), 0);
}
END_TEST

/* [8.2] An edge for each, also while the maps show an error of the same VINTF and queue. */
START_TEST(every_new_error_interrupts)
{
	uint64_t base = start_guest();
	uint64_t next = start_queue(GUEST_QUEUE + 1, GUEST_VINTF, 1, GUEST_CONFIG);
	kit_put(kit, base, 0, command_cfgi_all());
	kit_put(kit, next, 0, command_cfgi_all());
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(interrupts(), 1);
	ring(GUEST_QUEUE + 1, 1);
	ck_assert_uint_eq(interrupts(), 2);
	ck_assert_uint_eq(get(CMDQV_VI_ERR_MAP, 4), 1U << GUEST_VINTF);
	/* Acknowledged without a repair: the same command again. */
	kit_acknowledge(kit, GUEST_QUEUE);
	kit_run(kit);
	ck_assert_uint_eq(interrupts(), 3);
}
END_TEST

START_TEST(an_error_of_a_masked_vintf_does_not_interrupt)
{
	uint64_t base = start_queue(90, 45, 0, 7 << 1 | 1), other = start_guest();
	kit_put(kit, base, 0, command_cfgi_all());
	kit_put(kit, other, 0, command_cfgi_all());
	set(CMDQV_VI_INT_MASK + 4, 4, 1U << (45 - 32));
	ck_assert_uint_eq(get(CMDQV_VI_INT_MASK + 4, 4), 1U << (45 - 32));
	ring(90, 1);
	ck_assert_uint_eq(interrupts(), 0);
	ck_assert_uint_eq(kit_error(kit, 90), VCMDQ_ERR_ILL_OPCODE);
	ck_assert_uint_eq(get(CMDQV_VI_ERR_MAP + 4, 4), 1U << (45 - 32));
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(interrupts(), 1);
	/* The line is an edge: unmasking makes none, the next error does. */
	set(CMDQV_VI_INT_MASK + 4, 4, 0);
	ck_assert_uint_eq(interrupts(), 1);
	kit_acknowledge(kit, 90);
	kit_run(kit);
	ck_assert_uint_eq(interrupts(), 2);
}
END_TEST

/* --- CONS in memory [5, 11] --- */

static uint32_t word_at(uint64_t pa)
{
	uint8_t bytes[8] = {0};
	memory_read(&kit->machine->memory, pa_of(pa), bytes, 4);
	return (uint32_t)load_le64(bytes);
}

/* The guest's queue with its copy of CONS at COPY. */
static uint64_t start_with_copy(uint32_t config, uint64_t copy)
{
	uint64_t base = start_guest();
	kit_switch(kit, GUEST_QUEUE, false);
	set(CMDQV_CONFIG, 4, config);
	set(kit_direct1(GUEST_QUEUE, VCMDQ_CONS_BASE), 8, copy);
	kit_switch(kit, GUEST_QUEUE, true);
	fill(base, ENTRIES);
	return base;
}

#define CONFIG_WITH_COPY (CONFIG_RESET | (uint32_t)CONFIG_CONS_DRAM_EN)

START_TEST(cons_goes_to_memory_when_cons_dram_is_enabled)
{
	uint64_t copy = kit_frames(kit, 1) + 0xff8;
	start_with_copy(CONFIG_WITH_COPY, copy);
	for (uint32_t prod = 1; prod <= 2 * ENTRIES; prod++) {
		ring(GUEST_QUEUE, prod & (2 * ENTRIES - 1));
		ck_assert_uint_eq(word_at(copy), prod & (2 * ENTRIES - 1));
	}
	unsigned writes = 0;
	for (unsigned i = 0; i < kit->access_count; i++) {
		const struct access *access = &kit->accesses[i];
		if (access->purpose != ACCESS_POINTER_WRITE)
			continue;
		ck_assert_uint_eq(access->pa.value, copy);
		ck_assert_uint_eq(access->size, 4);
		ck_assert_uint_eq(access->context, GUEST_QUEUE);
		ck_assert_int_eq(access->path, PATH_PHYSICAL);
		writes++;
	}
	ck_assert_uint_eq(writes, 2 * ENTRIES);
}
END_TEST

START_TEST(cons_stays_out_of_memory_as_linux_leaves_it)
{
	uint64_t copy = kit_frames(kit, 1) + 0xff8;
	start_with_copy(CONFIG_RESET, copy);
	ring(GUEST_QUEUE, 2);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 2);
	ck_assert_uint_eq(word_at(copy), 0);
	ck_assert_uint_eq(kit->access_count, 1);
}
END_TEST

START_TEST(an_aborted_copy_of_cons_is_an_error_that_stops_nothing)
{
	inject(ACCESS_POINTER_WRITE, FAULT_ABORT, 0);
	start_with_copy(CONFIG_WITH_COPY, kit_frames(kit, 1));
	ring(GUEST_QUEUE, 2);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 2);
	ck_assert_uint_eq(kit_error(kit, GUEST_QUEUE), VCMDQ_ERR_NONE);
	/* The second abort found the error active: not toggled back, not told again. */
	ck_assert_uint_eq(get(kit_direct(GUEST_QUEUE, VCMDQ_GERROR), 4), 1 << 1);
	ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP, 4), 1U << GUEST_QUEUE);
	ck_assert_uint_eq(interrupts(), 1);
	kit_acknowledge(kit, GUEST_QUEUE);
	ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP, 4), 0);
	ring(GUEST_QUEUE, 3);
	ck_assert_uint_eq(get(kit_direct(GUEST_QUEUE, VCMDQ_GERROR), 4), 0);
	ck_assert_uint_eq(interrupts(), 2);
}
END_TEST

START_TEST(a_copy_of_cons_outside_ram_aborts)
{
	start_with_copy(CONFIG_WITH_COPY, 0xfffffffffffc);
	ring(GUEST_QUEUE, 1);
	ck_assert_uint_eq(kit_cons(kit, GUEST_QUEUE), 1);
	ck_assert_uint_eq(get(kit_direct(GUEST_QUEUE, VCMDQ_GERROR), 4), 1 << 1);
}
END_TEST

/* An illegal command after an aborted copy is a new error of the same queue. */
START_TEST(errors_of_two_kinds_are_active_at_once)
{
	inject(ACCESS_POINTER_WRITE, FAULT_ABORT, 1);
	uint64_t base = start_with_copy(CONFIG_WITH_COPY, kit_frames(kit, 1));
	kit_put(kit, base, 1, command_cfgi_all());
	ring(GUEST_QUEUE, 2);
	ck_assert_uint_eq(get(kit_direct(GUEST_QUEUE, VCMDQ_GERROR), 4), 3);
	ck_assert_uint_eq(interrupts(), 2);
	/* Acknowledging the other one does not let it go on. */
	set(kit_direct(GUEST_QUEUE, VCMDQ_GERRORN), 4, 2);
	ck_assert_uint_eq(kit_run(kit), 0);
	ck_assert_uint_eq(get(CMDQV_CMDQ_ERR_MAP, 4), 1U << GUEST_QUEUE);
}
END_TEST

/* --- the hash: two machines with equal ones behave alike (emu/hash.h) --- */

static uint64_t hash_now(void)
{
	struct hash hash;
	hash_init(&hash);
	smmu_hash(kit->smmu, &hash);
	return hash.value;
}

struct place {
	uint64_t offset;
	unsigned width;
};

/* Bit 1 of each exists, and makes another hash. */
static void check_hashed(const struct place *places, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t old = get(places[i].offset, places[i].width), before = hash_now();
		set(places[i].offset, places[i].width, old ^ 2);
		ck_assert_uint_eq(get(places[i].offset, places[i].width), old ^ 2);
		ck_assert_msg(hash_now() != before, "register %llx",
			      (unsigned long long)places[i].offset);
		set(places[i].offset, places[i].width, old);
		ck_assert_uint_eq(hash_now(), before);
	}
}

START_TEST(the_hash_sees_registers_that_matter_later)
{
	const struct place places[] = {
		{CMDQV_CONFIG, 4},
		{CMDQV_ALLOC_MAP + 4 * 3, 4},
		{kit_vintf(1, VINTF_CONFIG), 4},
		{kit_vintf(1, VINTF_SID_MATCH), 4},
		{kit_vintf(1, VINTF_SID_REPLACE), 4},
		{kit_direct(GUEST_QUEUE, VCMDQ_CONS), 4},
		{kit_direct(GUEST_QUEUE, VCMDQ_PROD), 4},
		{kit_direct(GUEST_QUEUE, VCMDQ_GERRORN), 4},
		{kit_direct1(GUEST_QUEUE, VCMDQ_BASE), 8},
	};
	start_guest();
	kit_switch(kit, GUEST_QUEUE, false);
	check_hashed(places, sizeof(places) / sizeof(places[0]));
}
END_TEST

/* Masks decide about interrupts, the copy's address is written to; a queue is set up before ALLOC. */
START_TEST(the_hash_sees_masks_copies_and_queues_not_allocated_yet)
{
	const struct place places[] = {
		{CMDQV_VI_INT_MASK, 4},
		{CMDQV_VI_INT_MASK + 4, 4},
		{kit_direct1(GUEST_QUEUE, VCMDQ_CONS_BASE), 8},
		{kit_direct(9, VCMDQ_PROD), 4},
		{kit_direct1(9, VCMDQ_BASE), 8},
	};
	start_guest();
	kit_switch(kit, GUEST_QUEUE, false);
	check_hashed(places, sizeof(places) / sizeof(places[0]));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cmdqv");
	TCase *tests = tcase_create("cmdqv");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, reset_values_are_those_of_the_sheet);
	tcase_add_test(tests, the_sheets_offsets_and_words_are_what_the_hardware_has);
	tcase_add_test(tests, direct_page_and_vintf_page_are_the_same_registers);
	tcase_add_test(tests, addresses_are_written_whole_or_in_halves);
	tcase_add_test(tests, a_logical_slot_without_a_queue_drops_writes);
	tcase_add_test(tests, page_0_and_the_config_page_take_no_64_bit_writes);
	tcase_add_test(tests, reserved_offsets_read_zero_and_change_nothing);
	tcase_add_test(tests, the_window_ends_after_the_last_vintf);
	tcase_add_test(tests, fields_that_do_not_exist_stay_zero);
	tcase_add_test(tests, only_what_param_tells_is_there);
	tcase_add_test(tests, a_vintf_counts_its_mapped_queues);
	tcase_add_test(tests, a_queue_needs_cmdqv_vintf_and_alloc_to_be_enabled);
	tcase_add_test(tests, a_refused_queue_may_say_so);
	tcase_add_test(tests, a_queue_without_a_base_does_not_start);
	tcase_add_test(tests, a_failed_start_does_not_hold_up_the_next);
	tcase_add_test(tests, what_enables_a_queue_disables_it_when_it_goes);
	tcase_add_test(tests, a_queue_given_to_a_vintf_that_is_off_stops);
	tcase_add_test(tests, a_queue_given_to_a_vintf_that_does_not_exist_stops);
	tcase_add_test(tests, base_and_cons_are_writable_only_when_disabled);
	tcase_add_test(tests, enabling_starts_what_prod_already_covers);
	tcase_add_test(tests, indices_wrap_with_their_flag);
	tcase_add_test(tests, a_full_queue_runs_every_entry);
	tcase_add_test(tests, a_queue_of_one_entry_is_full_or_empty);
	tcase_add_test(tests, the_size_is_capped_at_what_the_smmu_has);
	tcase_add_test(tests, base_bits_below_the_size_do_not_count);
	tcase_add_test(tests, base_bits_below_the_size_may_be_kept);
	tcase_add_test(tests, a_guest_queue_runs_four_opcodes_and_no_other);
	tcase_add_test(tests, a_guest_queue_runs_no_more_where_the_smmu_has_all);
	tcase_add_test(tests, a_guest_queue_may_run_two_more_that_invalidate_stage_2);
	tcase_add_test(tests, a_hypervisor_queue_runs_whatever_the_smmu_has);
	tcase_add_test(tests, the_main_queue_runs_whatever_the_smmu_has);
	tcase_add_test(tests, sync_takes_no_completion_signal);
	tcase_add_test(tests, sync_may_take_a_completion_signal_as_none);
	tcase_add_test(tests, a_sync_that_is_taken_as_none_tells_nobody);
	tcase_add_test(tests, the_main_queue_takes_each_completion_signal_but_3);
	tcase_add_test(tests, a_command_of_the_secure_side_is_illegal);
	tcase_add_test(tests, reserved_bits_are_ignored);
	tcase_add_test(tests, reserved_bits_may_be_illegal);
	tcase_add_test(tests, what_linux_sends_has_no_reserved_bits);
	tcase_add_test(tests, the_vmid_of_a_guest_is_its_vintfs_whatever_it_writes);
	tcase_add_test(tests, the_widest_vmid_is_put_in_whole);
	tcase_add_test(tests, a_guest_removes_translations_of_its_own_vmid_only);
	tcase_add_test(tests, stream_ids_of_a_guest_are_matched_and_replaced);
	tcase_add_test(tests, stream_ids_are_replaced_by_the_owners_pairs_only);
	tcase_add_test(tests, only_as_many_pairs_match_as_there_are);
	tcase_add_test(tests, an_unmatched_stream_id_never_gets_through);
	tcase_add_test(tests, the_first_or_the_last_of_several_pairs_replaces);
	tcase_add_test(tests, what_linux_sends_from_a_guest_asks_for_no_doubtful_behaviour);
	tcase_add_test(tests, a_guests_commands_reach_its_own_domain_and_devices);
	tcase_add_test(tests, a_hypervisors_commands_reach_whom_they_name);
	tcase_add_test(tests, an_illegal_command_stops_its_queue_until_it_is_acknowledged);
	tcase_add_test(tests, an_aborted_fetch_stops_with_abt_and_can_be_retried);
	tcase_add_test(tests, a_flipped_bit_is_taken_for_what_it_says);
	tcase_add_test(tests, a_base_outside_ram_aborts);
	tcase_add_test(tests, error_maps_name_the_queue_until_it_is_acknowledged);
	tcase_add_test(tests, every_new_error_interrupts);
	tcase_add_test(tests, each_of_128_queues_runs_for_its_vintf);
	tcase_add_test(tests, one_vintf_may_have_all_128_queues);
	tcase_add_test(tests, of_two_queues_in_one_slot_the_last_is_seen);
	tcase_add_test(tests, an_error_of_a_masked_vintf_does_not_interrupt);
	tcase_add_test(tests, cons_goes_to_memory_when_cons_dram_is_enabled);
	tcase_add_test(tests, cons_stays_out_of_memory_as_linux_leaves_it);
	tcase_add_test(tests, an_aborted_copy_of_cons_is_an_error_that_stops_nothing);
	tcase_add_test(tests, a_copy_of_cons_outside_ram_aborts);
	tcase_add_test(tests, errors_of_two_kinds_are_active_at_once);
	tcase_add_test(tests, the_hash_sees_registers_that_matter_later);
	tcase_add_test(tests, the_hash_sees_masks_copies_and_queues_not_allocated_yet);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
