/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command rings of the host and of guests, what their commands do, and the registers that drive
 * them: sheets amd-iommu (2 to 9) and amd-viommu (marked V: 4 to 10, 12, 20).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define GUEST       5U
#define OTHER_GUEST 0x123U
#define TRANS       0x3f0U /* trans_devid of GUEST */
#define OTHER_TRANS 0x3f1U
#define DOMAIN      0x31U /* of TRANS */
#define NO_RAM      0x1000ULL
#define OTHER_AT    0x10003000ULL
#define US          1000000ULL
#define MS          (1000 * US)

static struct profile profile;
static struct amd_kit *kit;
static struct amd_kit_guest guest;
static uint64_t memory; /* a page for stores of the host's ring */

static void setup(void)
{
	profile = amd_kit_profile();
	kit = amd_kit_new(&profile);
	memory = amd_kit_frames(kit, 1);
	guest = amd_kit_guest(kit, GUEST, TRANS, DOMAIN);
	amd_kit_clear(kit);
}

static void teardown(void)
{
	amd_kit_free(kit);
}

static void again(enum amd_assumption assumption, unsigned value)
{
	teardown();
	setup();
	amd_kit_assume(kit, assumption, value);
}

static uint64_t get(uint64_t offset)
{
	return amd_kit_read(kit, offset, 8);
}

static void set(uint64_t offset, uint64_t value)
{
	amd_kit_write(kit, offset, 8, value);
}

static uint64_t now_ps(void)
{
	return kit->machine->clock.now_ps;
}

static struct amd_command store(uint64_t address, uint64_t data)
{
	return amd_command_completion_wait(address, data);
}

static struct amd_command raw(unsigned opcode, uint64_t q0, uint64_t q1)
{
	return (struct amd_command){{(uint64_t)opcode << 60 | q0, q1}};
}

static struct amd_command illegal(void)
{
	return raw(0, 0, 0);
}

/* Head and tail in entries, of the host (NULL) or of a guest. */
static uint64_t head_of(const struct amd_kit_guest *of)
{
	return (of != NULL ? amd_kit_vf(of, AMD_CMD_HEAD) : get(AMD_CMD_HEAD)) / COMMAND_SIZE;
}

static void step_until_taken(const struct amd_kit_guest *of)
{
	while (head_of(of) == 0)
		ck_assert(clock_step(&kit->machine->clock));
}

static struct amd_ring *ring_of(const struct amd_kit_guest *of)
{
	return of != NULL ? &amd_guest_find(kit->amd, of->id)->ring : &kit->amd->ring;
}

static void step_until_fetching(const struct amd_kit_guest *of)
{
	while (ring_of(of)->state != RING_FETCHING)
		ck_assert(clock_step(&kit->machine->clock));
}

static bool runs(const struct amd_kit_guest *of)
{
	return (of != NULL ? amd_kit_vf(of, AMD_STATUS) : get(AMD_STATUS)) & STATUS_CMD_BUF_RUN;
}

static uint64_t guest_events(const struct amd_kit_guest *of)
{
	return amd_kit_vf(of, AMD_EVENT_TAIL) / EVENT_SIZE;
}

static void check_event(uint64_t log, uint32_t entry, uint64_t q0, uint64_t q1)
{
	struct amd_event event = amd_kit_event(kit, log, entry);
	ck_assert_msg(event.q[0] == q0 && event.q[1] == q1,
		      "event %u is %016lx %016lx, expected %016lx %016lx", entry, event.q[0],
		      event.q[1], q0, q1);
}

/* The N-th access (from 0) of a purpose; NULL: there were fewer. */
static const struct access *access_of(enum access_purpose purpose, unsigned n)
{
	for (unsigned i = 0; i < kit->access_count && i < KIT_LOG_MAX; i++)
		if (kit->accesses[i].purpose == purpose && n-- == 0)
			return &kit->accesses[i];
	return NULL;
}

/* CmdBufEn off, something else, on. */
static void restart_host(void)
{
	amd_kit_control(kit, CONTROL_CMD_BUF_EN, 0);
	amd_kit_control(kit, 0, CONTROL_CMD_BUF_EN);
	amd_kit_run(kit);
}

/* A ring of BASE with length code CODE, its pointers zero, off. */
static void rebase_host(uint64_t base, uint64_t code)
{
	amd_kit_control(kit, CONTROL_CMD_BUF_EN, 0);
	set(AMD_CMD_BASE, base | field_put(RING_LENGTH, code));
}

static void rebase_guest(uint64_t base, uint64_t code)
{
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, 0);
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, base | code | GUEST_CMD_EN);
}

/* Memory for another ring of the guest, at OTHER_AT, with one command. */
static void other_ring(struct amd_command command)
{
	uint64_t other = amd_kit_frames(kit, 1);
	amd_kit_guest_map(&guest, OTHER_AT, other, PTE_RW);
	amd_kit_put(kit, other, 0, command);
}

/* The guest's ring no longer has a place, in tables that nothing is cached of. */
static void unmap_ring(void)
{
	amd_kit_guest_map(&guest, GUEST_RING_AT, 0, 0);
}

/* --- registers [2 to 5] --- */

START_TEST(registers_have_the_bits_of_the_sheet)
{
	static const struct {
		uint32_t offset;
		uint64_t bits;
	} rows[] = {
		{AMD_DEV_TABLE, 0x000ffffffffff1ff},
		{AMD_CMD_BASE, 0x0f0ffffffffff000},
		{AMD_EVENT_BASE, 0x0f0ffffffffff000},
		{AMD_EXCL_BASE, 0x000ffffffffff003},
		{AMD_EXCL_LIMIT, 0x000ffffffffff000},
		{AMD_PPR_BASE, 0x0f0ffffffffff000},
		{AMD_CMD_HEAD, 0x7fff0},
		{AMD_CMD_TAIL, 0x7fff0},
		{AMD_EVENT_HEAD, 0x7fff0},
		{AMD_EVENT_TAIL, 0x7fff0},
	};
	set(AMD_CONTROL, 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t offset = rows[i].offset;
		uint64_t bits = rows[i].bits;
		set(offset, ~0ULL);
		ck_assert_msg(get(offset) == bits, "%x: %016lx", offset, get(offset));
		ck_assert_uint_eq(amd_kit_read(kit, offset, 4), (uint32_t)bits);
		ck_assert_uint_eq(amd_kit_read(kit, offset + 4, 4), bits >> 32);
	}
}
END_TEST

START_TEST(registers_are_written_whole_or_in_halves)
{
	static const uint32_t offsets[] = {AMD_DEV_TABLE, AMD_CMD_BASE,   AMD_EVENT_BASE,
					   AMD_EXCL_BASE, AMD_EXCL_LIMIT, AMD_PPR_BASE,
					   AMD_CONTROL};
	set(AMD_CONTROL, 0);
	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		set(offsets[i], 0);
		amd_kit_write(kit, offsets[i] + 4, 4, 0x09000012);
		amd_kit_write(kit, offsets[i], 4, 0x34567000);
		uint64_t high = get(offsets[i]) >> 32, low = (uint32_t)get(offsets[i]);
		ck_assert_uint_eq(low, 0x34567000);
		ck_assert_uint_eq(high & 0xfffff, 0x12);
	}
}
END_TEST

/* EPYC 7542 where it matters, less what the model lacks [5]. */
START_TEST(registers_without_an_effect_keep_what_is_written)
{
	static const struct {
		uint64_t offset;
		uint64_t kept; /* of all ones */
	} registers[] = {
		{AMD_XT_GENERAL, 0xff0001ffffffff04},
		{AMD_XT_PPR, 0xff0001ffffffff04},
		{AMD_XT_GA, 0xff0001ffffffff04},
	};
	for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		ck_assert_uint_eq(get(registers[i].offset), 0);
		set(registers[i].offset, ~0ULL);
	}
	for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
		ck_assert_uint_eq(get(registers[i].offset), registers[i].kept);
}
END_TEST

START_TEST(without_iotlbsup_an_iotlb_invalidation_is_illegal)
{
	struct profile without = amd_kit_profile();
	amd_kit_set(&without, "iotlb.supported", 0);
	struct amd_kit *other = amd_kit_new(&without);
	amd_endpoint_new(other->amd, 0x20);
	amd_kit_issue(other, amd_command_invalidate_iotlb(0x20, 0x20, 1, 0, 0xfff));
	ck_assert_uint_eq(amd_kit_events(other), 1);
	ck_assert_uint_eq(field_get(amd_kit_event(other, other->log, 0).q[0], EVT_CODE),
			  EVENT_ILLEGAL_COMMAND_ERROR);
	amd_kit_free(other);
}
END_TEST

START_TEST(what_needs_a_feature_does_not_stick_without_it)
{
	static const struct {
		uint64_t efr;
		uint64_t efr2;
		uint64_t bits;
	} rows[] = {
		{EFR_GT, 0, CONTROL_GT_EN},
		{EFR_GA, 0, CONTROL_GA_EN},
		{EFR_PPR, 0, CONTROL_PPR_EN},
		{0, EFR2_GCR3_TRP, CONTROL_GCR3_TRP},
		{EFR_VIOMMU, 0, CONTROL_VCMD_EN | CONTROL_VIOMMU_EN | CONTROL_GST_BUFFER_TRP},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t efr = kit->amd->efr, efr2 = kit->amd->efr2;
		set(AMD_CONTROL, rows[i].bits);
		ck_assert_uint_eq(get(AMD_CONTROL), rows[i].bits);
		kit->amd->efr &= ~rows[i].efr;
		kit->amd->efr2 &= ~rows[i].efr2;
		set(AMD_CONTROL, rows[i].bits);
		ck_assert_uint_eq(get(AMD_CONTROL), 0);
		kit->amd->efr = efr;
		kit->amd->efr2 = efr2;
	}
}
END_TEST

START_TEST(feature_registers_are_read_only)
{
	set(AMD_EFR, 0);
	set(AMD_EFR2, ~0ULL);
	amd_kit_write(kit, AMD_EFR + 4, 4, 0);
	ck_assert_uint_eq(get(AMD_EFR), 0x0081030f000048d2);
	ck_assert_uint_eq(get(AMD_EFR2), 8);
}
END_TEST

START_TEST(what_no_register_covers_reads_zero)
{
	set(0x60, ~0ULL);
	set(0x3ff8, ~0ULL);
	ck_assert_uint_eq(get(0x60), 0);
	ck_assert_uint_eq(get(0x3ff8), 0);
}
END_TEST

START_TEST(the_device_table_moves_only_while_the_iommu_is_off)
{
	uint64_t before = get(AMD_DEV_TABLE);
	set(AMD_DEV_TABLE, 0x123000);
	ck_assert_uint_eq(get(AMD_DEV_TABLE), before);
	amd_kit_control(kit, CONTROL_IOMMU_EN, 0);
	set(AMD_DEV_TABLE, 0x123000);
	ck_assert_uint_eq(get(AMD_DEV_TABLE), 0x123000);
}
END_TEST

START_TEST(segments_of_it_do_too)
{
	set(AMD_DEV_TABLE_SEG, ~0ULL);
	ck_assert_uint_eq(get(AMD_DEV_TABLE_SEG), 0);
	amd_kit_control(kit, CONTROL_IOMMU_EN, 0);
	for (uint32_t i = 0; i < 7; i++) {
		set(AMD_DEV_TABLE_SEG + 8 * i, ~0ULL << (12 + i));
		amd_kit_write(kit, AMD_DEV_TABLE_SEG + 8 * i, 4, 0x1ff);
	}
	for (uint32_t i = 0; i < 7; i++)
		ck_assert_uint_eq(get(AMD_DEV_TABLE_SEG + 8 * i), 0xfffff000000ff);
	ck_assert_uint_eq(amd_kit_read(kit, AMD_DEV_TABLE_SEG + 8 * 6 + 4, 4), 0xfffff);
	ck_assert_uint_eq(get(AMD_DEV_TABLE_SEG + 8 * 7), 0);
}
END_TEST

START_TEST(status_bits_are_cleared_by_ones_and_run_bits_are_read_only)
{
	amd_kit_issue(kit, raw(CMD_COMPLETION_WAIT, CMD_INTERRUPT, 0));
	amd_kit_issue(kit, illegal());
	uint64_t all = STATUS_COMWAIT_INT | STATUS_EVENT_INT | STATUS_EVENT_LOG_RUN;
	ck_assert_uint_eq(get(AMD_STATUS), all);
	set(AMD_STATUS, 0);
	amd_kit_write(kit, AMD_STATUS + 4, 4, ~0U);
	ck_assert_uint_eq(get(AMD_STATUS), all);
	amd_kit_write(kit, AMD_STATUS, 4, STATUS_EVENT_INT);
	ck_assert_uint_eq(get(AMD_STATUS), all & ~STATUS_EVENT_INT);
	set(AMD_STATUS, ~0ULL);
	ck_assert_uint_eq(get(AMD_STATUS), STATUS_EVENT_LOG_RUN);
}
END_TEST

START_TEST(vf_registers_are_of_one_guest)
{
	struct amd_kit_guest other = amd_kit_guest(kit, OTHER_GUEST, OTHER_TRANS, 0x32);
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, 0);
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, GUEST_RING_AT | 15);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, 0);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, GUEST_LOG_AT | 15);
	for (uint32_t offset = AMD_CMD_HEAD; offset <= AMD_EVENT_TAIL; offset += 8) {
		amd_kit_set_vf(&guest, offset, ~0ULL);
		ck_assert_uint_eq(amd_kit_vf(&guest, offset), 0x7fff0);
		ck_assert_uint_eq(amd_kit_vf(&other, offset), 0);
	}
	amd_kit_set_vf(&guest, AMD_STATUS, ~0ULL);
	ck_assert_uint_eq(amd_kit_vf(&guest, AMD_STATUS), 0);
	ck_assert_uint_eq(amd_kit_vf(&other, AMD_STATUS),
			  STATUS_CMD_BUF_RUN | STATUS_EVENT_LOG_RUN);
}
END_TEST

START_TEST(vf_pointers_are_written_in_halves_too)
{
	struct bus *bus = &kit->machine->bus;
	uint64_t tail = VF_AT + GUEST * VF_STRIDE + 8;
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, GUEST_RING_AT | GUEST_LENGTH);
	bus_write(bus, pa_of(tail), 4, 0x120);
	bus_write(bus, pa_of(tail + 4), 4, 0x340);
	ck_assert_uint_eq(bus_read(bus, pa_of(tail), 4), 0x120);
	ck_assert_uint_eq(bus_read(bus, pa_of(tail + 4), 4), 0);
}
END_TEST

/* [V 5] */
START_TEST(vfcntl_registers_are_of_one_guest_and_take_whole_words)
{
	static const struct {
		uint32_t offset;
		uint64_t value;
		uint64_t reads;
	} rows[] = {
		{VFCNTL_MISC, 0x12340000, 0x12340000},
		{VFCNTL_COMMAND, ~GUEST_CMD_EN, 0x000ffffffffff20f},
		{VFCNTL_EVENT, 0x000ffffffffff208, 0x000ffffffffff208},
		{VFCNTL_EVENT_B, ~0ULL, 0x000ffffffffff000},
		{VFCNTL_PPR, 0x00fffffffff00308, 0x00fffffffff00308},
		{VFCNTL_PPR_B, ~0ULL, 0x000ffffffffff000},
		{VFCNTL_DEVICE_MAP, ~MAP_WRITE, 0},
		{VFCNTL_DOMAIN_MAP, ~MAP_WRITE, 0},
	};
	struct amd_kit_guest other = {.kit = kit, .id = GUEST + 1};
	struct bus *bus = &kit->machine->bus;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t at = VFCNTL_AT + GUEST * VFCNTL_STRIDE + rows[i].offset;
		amd_kit_set_vfcntl(&guest, rows[i].offset, rows[i].value);
		bus_write(bus, pa_of(at), 4, 0); /* half a command */
		ck_assert_uint_eq(amd_kit_vfcntl(&guest, rows[i].offset), rows[i].reads);
		ck_assert_uint_eq(bus_read(bus, pa_of(at + 4), 4), rows[i].reads >> 32);
		ck_assert_uint_eq(amd_kit_vfcntl(&other, rows[i].offset), 0);
	}
}
END_TEST

/* --- the host's ring [6, 7, 8] --- */

START_TEST(head_moves_when_a_command_is_taken_and_not_when_it_is_done)
{
	amd_kit_put(kit, kit->ring, 0, store(memory, 7));
	set(AMD_CMD_TAIL, COMMAND_SIZE);
	step_until_fetching(NULL);
	uint64_t from_ps = now_ps();
	step_until_taken(NULL);
	ck_assert_uint_eq(now_ps(), from_ps + kit->amd->timing.fetch_line_ps);
	ck_assert_uint_eq(amd_kit_word(kit, memory), 0);
	ck_assert_uint_eq(kit->probe_count, 0);
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, memory), 7);
	ck_assert_uint_eq(head_of(NULL), 1);
}
END_TEST

START_TEST(the_hosts_ring_lies_at_a_physical_address)
{
	amd_kit_issue(kit, store(memory, 1));
	const struct access *fetch = access_of(ACCESS_COMMAND_FETCH, 0);
	ck_assert_uint_eq(fetch->pa.value, kit->ring);
	ck_assert_int_eq(fetch->path, PATH_PHYSICAL);
	ck_assert_uint_eq(fetch->context, CONTEXT_HOST_RING);
	ck_assert_ptr_null(access_of(ACCESS_TABLE_WALK, 0));
	ck_assert_ptr_null(access_of(ACCESS_CONFIG_FETCH, 0));
}
END_TEST

START_TEST(a_full_ring_runs_in_order_over_its_end)
{
	uint32_t first = 200, count = KIT_ENTRIES - 1;
	for (uint32_t i = 0; i < count; i++)
		amd_kit_put(kit, kit->ring, (first + i) % KIT_ENTRIES, store(memory, i + 1));
	amd_kit_control(kit, CONTROL_CMD_BUF_EN, 0);
	set(AMD_CMD_HEAD, (uint64_t)first * COMMAND_SIZE);
	set(AMD_CMD_TAIL, (uint64_t)(first - 1) * COMMAND_SIZE);
	amd_kit_control(kit, 0, CONTROL_CMD_BUF_EN);
	amd_kit_run(kit);
	ck_assert_uint_eq(head_of(NULL), first - 1);
	ck_assert_uint_eq(kit->probe_count, count);
	for (uint32_t i = 0; i < count; i++) {
		ck_assert_uint_eq(kit->probes[i].index, (first + i) % KIT_ENTRIES);
		ck_assert_uint_eq(kit->probes[i].ran[1], i + 1);
	}
}
END_TEST

/* The last entry of a ring of each length code, run alone. */
START_TEST(length_codes_8_to_15_make_rings_of_256_to_32768_entries)
{
	uint64_t base = amd_kit_frames(kit, 128);
	for (uint64_t code = 0; code < 16; code++) {
		uint64_t last = code < 8 ? 0 : (16ULL << code) - 16;
		rebase_host(base, code);
		amd_kit_put(kit, base, (uint32_t)(last / 16), store(memory, code));
		set(AMD_CMD_HEAD, 0x7fff0 & last);
		set(AMD_CMD_TAIL, code < 8 ? 16 : 0);
		amd_kit_clear(kit);
		amd_kit_control(kit, 0, CONTROL_CMD_BUF_EN);
		amd_kit_run(kit);
		ck_assert_uint_eq(kit->probe_count, code < 8 ? 0 : 1);
		ck_assert_uint_eq(head_of(NULL), 0);
		ck_assert(code < 8 || kit->probes[0].pa.value == base + last);
		ck_assert_uint_eq(amd_kit_word(kit, memory), code < 8 ? 0 : code);
	}
}
END_TEST

START_TEST(a_guests_ring_has_the_same_length_codes)
{
	for (uint64_t code = 8; code < 16; code++) {
		amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, 0);
		amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, GUEST_RING_AT | code);
		amd_kit_set_vf(&guest, AMD_CMD_TAIL, ~0ULL);
		ck_assert_uint_eq(amd_kit_vf(&guest, AMD_CMD_TAIL), (16ULL << code) - 16);
	}
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, GUEST_RING_AT | 7);
	amd_kit_set_vf(&guest, AMD_CMD_TAIL, 16);
	ck_assert_uint_eq(amd_kit_vf(&guest, AMD_CMD_TAIL), 0);
}
END_TEST

START_TEST(a_ring_that_is_off_keeps_its_place)
{
	amd_kit_issue(kit, store(memory, 1));
	amd_kit_control(kit, CONTROL_CMD_BUF_EN, 0);
	ck_assert(!runs(NULL));
	amd_kit_issue(kit, store(memory, 2));
	ck_assert_uint_eq(amd_kit_word(kit, memory), 1);
	ck_assert_uint_eq(head_of(NULL), 1);
	amd_kit_control(kit, 0, CONTROL_CMD_BUF_EN);
	ck_assert(runs(NULL));
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, memory), 2);
}
END_TEST

START_TEST(an_armed_ring_starts_when_the_iommu_does)
{
	amd_kit_control(kit, CONTROL_IOMMU_EN, 0);
	ck_assert(!runs(NULL));
	amd_kit_issue(kit, store(memory, 1));
	ck_assert_uint_eq(amd_kit_word(kit, memory), 0);
	amd_kit_control(kit, 0, CONTROL_IOMMU_EN);
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, memory), 1);
}
END_TEST

START_TEST(turning_a_ring_off_lets_the_taken_command_end_and_drops_the_fetched)
{
	for (uint32_t i = 0; i < 4; i++)
		amd_kit_put(kit, kit->ring, i, store(memory + 8ULL * i, 1));
	set(AMD_CMD_TAIL, 4 * COMMAND_SIZE);
	step_until_taken(NULL);
	amd_kit_control(kit, CONTROL_CMD_BUF_EN, 0);
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, memory), 1);
	ck_assert_uint_eq(amd_kit_word(kit, memory + 8), 0);
	ck_assert_uint_eq(head_of(NULL), 1);
	amd_kit_put(kit, kit->ring, 1, store(memory + 8, 2));
	amd_kit_control(kit, 0, CONTROL_CMD_BUF_EN);
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, memory + 8), 2);
	ck_assert_uint_eq(amd_kit_word(kit, memory + 24), 1);
}
END_TEST

START_TEST(a_fetch_under_way_is_dropped_when_the_ring_moves)
{
	uint64_t other = amd_kit_frames(kit, 1);
	amd_kit_put(kit, kit->ring, 0, store(memory, 1));
	amd_kit_put(kit, other, 0, store(memory + 8, 2));
	set(AMD_CMD_TAIL, COMMAND_SIZE);
	step_until_fetching(NULL);
	rebase_host(other, 8);
	amd_kit_control(kit, 0, CONTROL_CMD_BUF_EN);
	set(AMD_CMD_TAIL, COMMAND_SIZE);
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, memory), 0);
	ck_assert_uint_eq(amd_kit_word(kit, memory + 8), 2);
	ck_assert_uint_eq(head_of(NULL), 1);
	ck_assert_uint_eq(kit->probe_count, 1);
}
END_TEST

/* [6.1: IommuEn = 0 is off.] An entry that changed meanwhile is read anew. */
START_TEST(what_was_fetched_ahead_goes_when_the_iommu_is_switched)
{
	amd_kit_put(kit, kit->ring, 0, store(memory, 1));
	amd_kit_put(kit, kit->ring, 1, store(memory + 8, 2));
	set(AMD_CMD_TAIL, 2 * COMMAND_SIZE);
	while (kit->amd->ring.state != RING_EXECUTING)
		ck_assert(clock_step(&kit->machine->clock));
	amd_kit_control(kit, CONTROL_IOMMU_EN, 0);
	amd_kit_run(kit);
	amd_kit_put(kit, kit->ring, 1, store(memory + 8, 3));
	amd_kit_control(kit, 0, CONTROL_IOMMU_EN);
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, memory), 1);
	ck_assert_uint_eq(amd_kit_word(kit, memory + 8), 3);
}
END_TEST

/* The command of the old ring fails when the new one is there already. */
START_TEST(a_command_that_fails_does_not_halt_the_ring_that_came_after)
{
	uint64_t other = amd_kit_frames(kit, 1);
	amd_kit_put(kit, kit->ring, 0, store(NO_RAM, 1));
	amd_kit_put(kit, other, 0, store(memory, 2));
	set(AMD_CMD_TAIL, COMMAND_SIZE);
	while (kit->amd->ring.state != RING_EXECUTING)
		ck_assert(clock_step(&kit->machine->clock));
	rebase_host(other, 8);
	amd_kit_control(kit, 0, CONTROL_CMD_BUF_EN);
	set(AMD_CMD_TAIL, COMMAND_SIZE);
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, memory), 2);
	ck_assert_uint_eq(head_of(NULL), 1);
	ck_assert_uint_eq(amd_kit_events(kit), 1);
}
END_TEST

START_TEST(base_and_head_move_only_while_the_ring_stands)
{
	uint64_t before = get(AMD_CMD_BASE);
	amd_kit_issue(kit, store(memory, 1));
	set(AMD_CMD_BASE, before + 0x1000);
	set(AMD_CMD_HEAD, 0x50);
	ck_assert_uint_eq(get(AMD_CMD_BASE), before);
	ck_assert_uint_eq(head_of(NULL), 1);
	amd_kit_control(kit, CONTROL_CMD_BUF_EN, 0);
	set(AMD_CMD_HEAD, 0x50);
	set(AMD_CMD_TAIL, 0x70);
	ck_assert_uint_eq(get(AMD_CMD_HEAD), 0x50);
	set(AMD_CMD_BASE, before + 0x1000);
	ck_assert_uint_eq(get(AMD_CMD_BASE), before + 0x1000);
	ck_assert_uint_eq(get(AMD_CMD_HEAD), 0);
	ck_assert_uint_eq(get(AMD_CMD_TAIL), 0);
}
END_TEST

/* --- what is illegal [6.2; V 10] --- */

struct legality {
	unsigned opcode;
	bool host;
	bool guest;
	uint64_t reserved[2];
};

static const struct legality rules[] = {
	{0, false, false, {0, 0}},
	{1, true, true, {BITS(59, 52), 0}},
	{2, true, true, {BITS(59, 16), ~0ULL}},
	{3, true, true, {BITS(31, 20) | BITS(59, 48), BITS(11, 3)}},
	{4, true, true, {0, BITS(1, 1) | BITS(11, 3)}}, /* no InvIotlbTypeSup */
	{5, true, true, {BITS(59, 16), ~0ULL}},
	{6, false, false, {0, 0}}, /* no PreFSup */
	{7, true, true, {BITS(31, 16) | BITS(59, 52), BITS(1, 0) | BITS(31, 3) | BITS(63, 48)}},
	{8, true, false, {BITS(59, 0), ~0ULL}},
	{9, true, false, {0, 0}},
	{10, true, false, {BITS(27, 16) | BITS(30, 29) | BITS(59, 32), ~0ULL}},
	{11, false, false, {0, 0}},
	{12, false, false, {0, 0}},
	{13, false, false, {0, 0}},
	{14, false, false, {0, 0}},
	{15, false, false, {0, 0}},
};

static void check_legal(const struct legality *rule, const struct amd_ring *ring, bool taken)
{
	struct amd_command command = raw(rule->opcode, 0, 0);
	ck_assert_msg(amd_command_legal(kit->amd, ring, &command) == taken, "opcode %u",
		      rule->opcode);
	for (unsigned bit = 0; bit < 124; bit++) {
		unsigned word = bit < 60 ? 0 : 1, place = bit < 60 ? bit : bit - 60;
		command = raw(rule->opcode, 0, 0);
		command.q[word] |= 1ULL << place;
		bool reserved = rule->reserved[word] >> place & 1;
		ck_assert_msg(amd_command_legal(kit->amd, ring, &command) == (taken && !reserved),
			      "opcode %u, bit %u of word %u", rule->opcode, place, word);
	}
}

START_TEST(opcodes_features_and_reserved_bits_decide_what_is_legal)
{
	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		check_legal(&rules[i], &kit->amd->ring, rules[i].host);
		check_legal(&rules[i], &amd_guest_find(kit->amd, GUEST)->ring, rules[i].guest);
	}
}
END_TEST

START_TEST(a_type_of_iotlb_invalidation_needs_its_feature)
{
	struct amd_command command = raw(4, 0, 3U << 4);
	ck_assert(!amd_command_legal(kit->amd, &kit->amd->ring, &command));
	kit->amd->efr |= EFR_IOTLB_TYPE;
	ck_assert(amd_command_legal(kit->amd, &kit->amd->ring, &command));
}
END_TEST

START_TEST(an_illegal_command_halts_the_hosts_ring_at_it)
{
	amd_kit_put(kit, kit->ring, 0, store(memory, 1));
	amd_kit_put(kit, kit->ring, 1, raw(2, 1 << 16, 0));
	amd_kit_put(kit, kit->ring, 2, store(memory, 3));
	set(AMD_CMD_TAIL, 3 * COMMAND_SIZE);
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, memory), 1);
	ck_assert(!runs(NULL));
	ck_assert(get(AMD_CONTROL) & CONTROL_CMD_BUF_EN);
	ck_assert_uint_eq(head_of(NULL), 1);
	ck_assert_uint_eq(amd_kit_events(kit), 1);
	check_event(kit->log, 0, 5ULL << 60, kit->ring + 16);
	ck_assert_int_eq(kit->probes[1].kind, PROBE_STOPPED);
	ck_assert_int_eq(kit->probes[1].effect, EFFECT_NONE);
	/* A doorbell does not help; the guest goes on. */
	amd_kit_issue(kit, store(memory, 4));
	ck_assert_uint_eq(amd_kit_word(kit, memory), 1);
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 9));
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 9);
	/* The entry is mended and the ring turned off and on. */
	amd_kit_put(kit, kit->ring, 1, store(memory, 2));
	restart_host();
	ck_assert(runs(NULL));
	ck_assert_uint_eq(head_of(NULL), 4);
	ck_assert_uint_eq(amd_kit_word(kit, memory), 4);
}
END_TEST

/* "Translation and other activity go on" (6.1). */
START_TEST(a_halted_host_ring_halts_nothing_else)
{
	struct amd_translation got;
	uint8_t byte = 0;
	amd_kit_issue(kit, illegal());
	ck_assert_uint_eq(get(AMD_STATUS) & STATUS_CMD_BUF_RUN, 0);
	uint32_t events = amd_kit_events(kit);
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 7));
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 7);
	ck_assert_int_eq(amd_dma(kit->amd, TRANS, GUEST_MEMORY_AT, true, &byte, 1, &got),
			 AMD_TRANSLATED);
	ck_assert_int_eq(amd_dma(kit->amd, TRANS, OTHER_AT, true, &byte, 1, &got), AMD_FAULT);
	ck_assert_uint_eq(amd_kit_events(kit), events + 1);
}
END_TEST

START_TEST(a_halted_ring_may_leave_head_past_the_command)
{
	for (unsigned past = 0; past < 2; past++) {
		again(AMD_HALT_HEAD, past ? AMD_HEAD_PAST : AMD_HEAD_AT);
		amd_kit_issue(kit, store(memory, 1));
		amd_kit_issue(kit, illegal());
		amd_kit_guest_issue(&guest, illegal());
		ck_assert(!runs(NULL));
		ck_assert(!runs(&guest));
		ck_assert_uint_eq(head_of(NULL), 1 + past);
		ck_assert_uint_eq(head_of(&guest), past);
		check_event(kit->log, 0, 5ULL << 60, kit->ring + 16);
	}
}
END_TEST

START_TEST(a_command_that_cannot_be_read_is_a_hardware_error)
{
	rebase_host(NO_RAM, 8);
	amd_kit_control(kit, 0, CONTROL_CMD_BUF_EN);
	set(AMD_CMD_TAIL, 32);
	amd_kit_run(kit);
	ck_assert(!runs(NULL));
	ck_assert_uint_eq(head_of(NULL), 0);
	ck_assert_uint_eq(amd_kit_events(kit), 1);
	check_event(kit->log, 0, 6ULL << 60 | 3ULL << 57, NO_RAM);
}
END_TEST

START_TEST(a_store_that_cannot_be_made_halts_the_ring)
{
	amd_kit_issue(kit, store(NO_RAM + 8, 1));
	ck_assert(!runs(NULL));
	ck_assert_uint_eq(head_of(NULL), 0);
	ck_assert_uint_eq(amd_kit_events(kit), 1);
	check_event(kit->log, 0, 6ULL << 60 | 3ULL << 57, NO_RAM + 8);
}
END_TEST

/* Of commands at entry 1 or 2. */
START_TEST(a_hardware_error_has_the_address_that_failed)
{
	amd_kit_assume(kit, AMD_ILLEGAL_LOG, AMD_ILLEGAL_TO_HOST);
	amd_kit_issue(kit, raw(CMD_COMPLETION_WAIT, 0, 0));
	amd_kit_issue(kit, store(NO_RAM + 0x18, 1));
	check_event(kit->log, 0, 6ULL << 60 | 3ULL << 57, NO_RAM + 0x18);
	rebase_host(NO_RAM, 8);
	set(AMD_CMD_HEAD, 2 * COMMAND_SIZE);
	set(AMD_CMD_TAIL, 3 * COMMAND_SIZE);
	restart_host();
	check_event(kit->log, 1, 6ULL << 60 | 3ULL << 57, NO_RAM + 0x20);
	amd_kit_guest_map(&guest, GUEST_MEMORY_AT, NO_RAM, PTE_RW);
	amd_kit_guest_issue(&guest, raw(CMD_COMPLETION_WAIT, 0, 0));
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT + 0x18, 1));
	check_event(kit->log, 2, 6ULL << 60 | 3ULL << 57 | EVT_VCMD, NO_RAM + 0x18);
	amd_kit_guest_map(&guest, OTHER_AT, NO_RAM, PTE_RW);
	rebase_guest(OTHER_AT, GUEST_LENGTH);
	amd_kit_set_vf(&guest, AMD_CMD_TAIL, COMMAND_SIZE);
	amd_kit_run(kit);
	check_event(kit->log, 3, 6ULL << 60 | 3ULL << 57 | EVT_VCMD, NO_RAM);
	ck_assert_uint_eq(amd_kit_events(kit), 4);
}
END_TEST

/* --- COMPLETION_WAIT [4, 8] --- */

START_TEST(a_store_is_eight_bytes_at_its_address)
{
	amd_kit_set_word(kit, memory, ~0ULL);
	amd_kit_set_word(kit, memory + 16, ~0ULL);
	amd_kit_issue(kit, store(memory + 8, 0x1122334455667788));
	ck_assert_uint_eq(amd_kit_word(kit, memory), ~0ULL);
	ck_assert_uint_eq(amd_kit_word(kit, memory + 8), 0x1122334455667788);
	ck_assert_uint_eq(amd_kit_word(kit, memory + 16), ~0ULL);
	ck_assert_uint_eq(kit->interrupts, 0);
	ck_assert(!(get(AMD_STATUS) & STATUS_COMWAIT_INT));
}
END_TEST

START_TEST(without_s_nothing_is_stored)
{
	amd_kit_issue(kit, raw(CMD_COMPLETION_WAIT, memory | CMD_INTERRUPT, 5));
	ck_assert_uint_eq(amd_kit_word(kit, memory), 0);
	ck_assert(get(AMD_STATUS) & STATUS_COMWAIT_INT);
}
END_TEST

START_TEST(a_completion_interrupts_if_enabled_and_on_an_edge)
{
	struct amd_command both = raw(CMD_COMPLETION_WAIT, memory | CMD_STORE | CMD_INTERRUPT, 5);
	amd_kit_issue(kit, both);
	ck_assert(get(AMD_STATUS) & STATUS_COMWAIT_INT);
	ck_assert_uint_eq(kit->interrupts, 0);
	amd_kit_control(kit, 0, CONTROL_COMWAIT_INT_EN);
	amd_kit_issue(kit, both);
	ck_assert_uint_eq(kit->interrupts, 0);
	set(AMD_STATUS, STATUS_COMWAIT_INT);
	amd_kit_issue(kit, both);
	ck_assert_uint_eq(kit->interrupts, 1);
	ck_assert_uint_eq(amd_kit_word(kit, memory), 5);
}
END_TEST

/* --- INVALIDATE_IOTLB_PAGES [3, 8.5] --- */

static uint64_t completion_after_iotlb(uint16_t device)
{
	uint64_t from_ps = now_ps();
	uint32_t entry = (uint32_t)get(AMD_CMD_TAIL) / COMMAND_SIZE;
	amd_kit_clear(kit);
	amd_kit_put(kit, kit->ring, entry,
		    amd_command_invalidate_iotlb(device, device, 32, 0, ~0ULL));
	amd_kit_put(kit, kit->ring, entry + 1, store(memory, 1));
	set(AMD_CMD_TAIL, (entry + 2) * COMMAND_SIZE);
	amd_kit_run(kit);
	ck_assert(runs(NULL));
	ck_assert_uint_gt(kit->access_count, 0);
	const struct access *last = &kit->accesses[kit->access_count - 1];
	return (last->purpose == ACCESS_COMPLETION_WRITE ? last->time_ps : now_ps()) - from_ps;
}

START_TEST(a_completion_waits_for_devices_to_answer)
{
	amd_endpoint_new(kit->amd, 0x100);
	uint64_t took_ps = completion_after_iotlb(0x100);
	ck_assert_uint_ge(took_ps, US); /* ats.round_trip_ns */
	ck_assert_uint_lt(took_ps, 3 * US);
	ck_assert_uint_eq(amd_kit_events(kit), 0);
	/* That was that: the next one does not wait. */
	uint64_t from_ps = now_ps();
	amd_kit_issue(kit, store(memory, 1));
	ck_assert_uint_lt(now_ps() - from_ps, US);
}
END_TEST

START_TEST(a_device_that_does_not_answer_times_out_and_halts_nothing)
{
	static const uint64_t limits_ms[] = {0, 1, 10, 100, 1000, 10000, 100000};
	amd_endpoint_new(kit->amd, 0x100)->silent = true;
	for (unsigned code = 1; code <= 6; code++) {
		amd_kit_control(kit, CONTROL_INV_TIMEOUT, field_put(CONTROL_INV_TIMEOUT, code));
		uint64_t at = kit->ring + get(AMD_CMD_TAIL);
		uint64_t took_ps = completion_after_iotlb(code % 2 ? 0x100 : 0x101);
		ck_assert_uint_ge(took_ps, limits_ms[code] * MS);
		ck_assert_uint_lt(took_ps, limits_ms[code] * MS + 3 * US);
		ck_assert_uint_eq(amd_kit_events(kit), code);
		check_event(kit->log, code - 1, 7ULL << 60 | (code % 2 ? 0x100 : 0x101), at);
	}
}
END_TEST

START_TEST(a_timeout_is_logged_when_the_limit_has_passed)
{
	amd_endpoint_new(kit->amd, 0x100)->silent = true;
	amd_kit_control(kit, CONTROL_INV_TIMEOUT, field_put(CONTROL_INV_TIMEOUT, 2));
	amd_kit_put(kit, kit->ring, 0, amd_command_invalidate_iotlb(0x100, 0x100, 32, 0, ~0ULL));
	set(AMD_CMD_TAIL, COMMAND_SIZE); /* and no COMPLETION_WAIT behind it */
	while (amd_kit_events(kit) == 0)
		ck_assert(clock_step(&kit->machine->clock));
	ck_assert_uint_eq(now_ps(), kit->probes[0].time_ps + 10 * MS);
	check_event(kit->log, 0, 7ULL << 60 | 0x100, kit->ring);
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_events(kit), 1);
	ck_assert(runs(NULL));
}
END_TEST

START_TEST(without_a_limit_a_completion_waits_for_ever)
{
	amd_endpoint_new(kit->amd, 0x100)->silent = true;
	amd_kit_control(kit, CONTROL_INV_TIMEOUT, 0);
	completion_after_iotlb(0x100);
	ck_assert_uint_lt(now_ps(), MS); /* nothing is due that late */
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 2));
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 2);
	amd_kit_issue(kit, store(memory + 8, 3)); /* a doorbell does not help */
	ck_assert_uint_eq(amd_kit_word(kit, memory), 0);
	ck_assert_uint_eq(amd_kit_word(kit, memory + 8), 0);
	ck_assert_uint_eq(amd_kit_events(kit), 0);
	ck_assert_uint_lt(now_ps(), MS);
}
END_TEST

/* --- a guest's ring [V 10] --- */

START_TEST(a_guests_ring_lies_at_a_guest_address)
{
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT + 8, 3));
	const struct access *fetch = access_of(ACCESS_COMMAND_FETCH, 0);
	const struct access *write = access_of(ACCESS_COMPLETION_WRITE, 0);
	ck_assert_uint_eq(fetch->input, GUEST_RING_AT);
	ck_assert_uint_eq(fetch->pa.value, guest.ring);
	ck_assert_int_eq(fetch->path, PATH_WALKED);
	ck_assert_uint_eq(fetch->context, GUEST);
	ck_assert_uint_eq(access_of(ACCESS_CONFIG_FETCH, 0)->index, TRANS);
	ck_assert_uint_eq(write->input, GUEST_MEMORY_AT + 8);
	ck_assert_uint_eq(write->pa.value, guest.memory + 8);
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory + 8), 3);
	ck_assert_uint_eq(head_of(&guest), 1);
}
END_TEST

START_TEST(a_guests_head_moves_when_a_command_is_taken)
{
	amd_kit_guest_post(&guest, store(GUEST_MEMORY_AT, 3));
	step_until_taken(&guest);
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 0);
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 3);
}
END_TEST

START_TEST(a_guests_ring_wraps_in_order)
{
	for (uint32_t i = 0; i < 2 * KIT_ENTRIES + 3; i++) {
		amd_kit_clear(kit);
		amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, i + 1));
		ck_assert_uint_eq(kit->probes[0].index, i % KIT_ENTRIES);
		ck_assert_uint_eq(amd_kit_word(kit, guest.memory), i + 1);
	}
	ck_assert_uint_eq(head_of(&guest), 3);
}
END_TEST

START_TEST(a_guests_ring_is_turned_off_and_on)
{
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, GUEST_RING_AT | GUEST_LENGTH);
	ck_assert(!runs(&guest));
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 3));
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 0);
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, GUEST_RING_AT | GUEST_LENGTH | GUEST_CMD_EN);
	ck_assert(runs(&guest));
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 3);
}
END_TEST

START_TEST(a_guests_ring_runs_only_with_vcmden_and_viommuen)
{
	for (unsigned bit = 52; bit <= 53; bit++) {
		amd_kit_control(kit, BITS(bit, bit), 0);
		ck_assert(!runs(&guest));
		ck_assert(runs(NULL));
		amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, bit));
		ck_assert_uint_ne(amd_kit_word(kit, guest.memory), bit);
		ck_assert_uint_eq(head_of(&guest), bit - 52);
		amd_kit_control(kit, 0, BITS(bit, bit));
		ck_assert(runs(&guest));
		amd_kit_run(kit);
		ck_assert_uint_eq(amd_kit_word(kit, guest.memory), bit);
	}
}
END_TEST

START_TEST(a_guests_fetch_under_way_is_dropped_when_its_ring_moves)
{
	other_ring(store(GUEST_MEMORY_AT + 8, 2));
	amd_kit_guest_post(&guest, store(GUEST_MEMORY_AT, 1));
	step_until_fetching(&guest);
	rebase_guest(OTHER_AT, GUEST_LENGTH);
	amd_kit_set_vf(&guest, AMD_CMD_TAIL, COMMAND_SIZE);
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 0);
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory + 8), 2);
	ck_assert_uint_eq(head_of(&guest), 1);
	ck_assert_uint_eq(kit->probe_count, 1);
}
END_TEST

/* Another base, or another length [V 5]. */
START_TEST(one_write_stops_a_guests_ring_and_moves_it)
{
	static const uint64_t places[] = {OTHER_AT | GUEST_LENGTH, OTHER_AT | (GUEST_LENGTH + 1)};
	other_ring(store(GUEST_MEMORY_AT + 8, 2));
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 1));
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(head_of(&guest), 1);
		amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, places[i]);
		ck_assert(!runs(&guest));
		ck_assert_uint_eq(head_of(&guest), 0);
		ck_assert_uint_eq(amd_kit_vf(&guest, AMD_CMD_TAIL), 0);
		amd_kit_set_vf(&guest, AMD_CMD_TAIL, ~0ULL);
		ck_assert_uint_eq(amd_kit_vf(&guest, AMD_CMD_TAIL), (KIT_BYTES << i) - 16);
		amd_kit_set_vf(&guest, AMD_CMD_TAIL, COMMAND_SIZE);
		amd_kit_clear(kit);
		amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, places[i] | GUEST_CMD_EN);
		amd_kit_run(kit);
		ck_assert_uint_eq(head_of(&guest), 1);
		ck_assert_uint_eq(access_of(ACCESS_COMMAND_FETCH, 0)->input, OTHER_AT);
		ck_assert_uint_eq(amd_kit_word(kit, guest.memory + 8), 2);
	}
}
END_TEST

START_TEST(a_guests_running_ring_keeps_its_base_and_a_toggled_one_its_head)
{
	other_ring(illegal());
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 1));
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, OTHER_AT | GUEST_LENGTH | GUEST_CMD_EN);
	ck_assert_uint_eq(head_of(&guest), 1);
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 2));
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 2);
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, GUEST_RING_AT | GUEST_LENGTH);
	ck_assert_uint_eq(head_of(&guest), 2);
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, GUEST_RING_AT | GUEST_LENGTH | GUEST_CMD_EN);
	ck_assert_uint_eq(head_of(&guest), 2);
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 3));
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 3);
}
END_TEST

START_TEST(a_guest_moves_head_only_while_its_ring_stands)
{
	amd_kit_set_vf(&guest, AMD_CMD_HEAD, 0x50);
	ck_assert_uint_eq(head_of(&guest), 0);
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, GUEST_RING_AT | GUEST_LENGTH);
	amd_kit_set_vf(&guest, AMD_CMD_HEAD, 0x50);
	ck_assert_uint_eq(head_of(&guest), 5);
	/* A new base zeroes both pointers. */
	amd_kit_set_vfcntl(&guest, VFCNTL_COMMAND, GUEST_LOG_AT | GUEST_LENGTH);
	ck_assert_uint_eq(head_of(&guest), 0);
}
END_TEST

START_TEST(a_guest_completion_sets_its_own_status)
{
	amd_kit_guest_issue(&guest, raw(CMD_COMPLETION_WAIT, CMD_INTERRUPT, 0));
	ck_assert(amd_kit_vf(&guest, AMD_STATUS) & STATUS_COMWAIT_INT);
	ck_assert(!(get(AMD_STATUS) & STATUS_COMWAIT_INT));
	amd_kit_set_vf(&guest, AMD_STATUS, STATUS_COMWAIT_INT);
	ck_assert(!(amd_kit_vf(&guest, AMD_STATUS) & STATUS_COMWAIT_INT));
}
END_TEST

START_TEST(a_guests_store_needs_write_permission)
{
	amd_kit_guest_map(&guest, GUEST_MEMORY_AT, guest.memory, PTE_IR);
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT + 8, 3));
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory + 8), 0);
	ck_assert(!runs(&guest));
	ck_assert_uint_eq(head_of(&guest), 0);
	ck_assert_uint_eq(amd_kit_events(kit), 1);
	check_event(kit->log, 0,
		    2ULL << 60 | EVT_PE | EVT_RW | EVT_PR | (uint64_t)DOMAIN << 32 | EVT_VCMD |
			    TRANS,
		    GUEST_MEMORY_AT + 8);
}
END_TEST

START_TEST(an_illegal_command_halts_its_guest_alone)
{
	struct amd_kit_guest other = amd_kit_guest(kit, OTHER_GUEST, OTHER_TRANS, 0x32);
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 1));
	amd_kit_guest_issue(&guest, amd_command_invalidate_all());
	ck_assert(!runs(&guest));
	ck_assert_uint_eq(head_of(&guest), 1);
	ck_assert_uint_eq(amd_kit_events(kit), 0);
	ck_assert_uint_eq(guest_events(&guest), 1);
	check_event(guest.log, 0, 5ULL << 60, GUEST_RING_AT + 16);
	amd_kit_guest_issue(&other, store(GUEST_MEMORY_AT, 2));
	ck_assert_uint_eq(amd_kit_word(kit, other.memory), 2);
	amd_kit_issue(kit, store(memory, 3));
	ck_assert_uint_eq(amd_kit_word(kit, memory), 3);
	/* The guest mends it, and the VMM toggles VFCntl 20 bit 8. */
	amd_kit_put(kit, guest.ring, 1, store(GUEST_MEMORY_AT, 4));
	amd_kit_guest_restart(&guest);
	ck_assert(runs(&guest));
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 4);
}
END_TEST

START_TEST(an_illegal_command_of_a_guest_may_be_told_to_the_host)
{
	amd_kit_assume(kit, AMD_ILLEGAL_LOG, AMD_ILLEGAL_TO_HOST);
	amd_kit_guest_issue(&guest, illegal());
	ck_assert_uint_eq(guest_events(&guest), 0);
	ck_assert_uint_eq(amd_kit_events(kit), 1);
	check_event(kit->log, 0, 5ULL << 60 | EVT_VCMD, guest.ring);
}
END_TEST

/* --- maps of ids [V 5, 7, 10] --- */

START_TEST(ids_of_a_guest_are_replaced_by_the_hosts)
{
	static const struct {
		struct amd_command command;
		uint64_t ran0;
		enum probe_effect effect;
		uint32_t target;
	} rows[] = {
		{{{0x2000000000000011, 0}}, 0x2000000000000123, EFFECT_DEVICE, 0x123},
		{{{0x3000001200045678, 0x7ffffffffffff007}},
		 0x3000beef00045678,
		 EFFECT_DOMAIN,
		 0xbeef},
		{{{0x4abc001120fd0011, 0x7ffffffffffff005}},
		 0x4abc001120fd0123,
		 EFFECT_DEVICE,
		 0x123},
		{{{0x5000000000000011, 0}}, 0x5000000000000123, EFFECT_DEVICE, 0x123},
		{{{0x7000abcd00000011, 0x0000f00100000004}},
		 0x7000abcd00000123,
		 EFFECT_DEVICE,
		 0x123},
	};
	amd_endpoint_new(kit->amd, 0x123);
	amd_kit_guest_device(&guest, 0x11, 0x123);
	amd_kit_guest_domain(&guest, 0x12, 0xbeef);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		amd_kit_clear(kit);
		amd_kit_guest_issue(&guest, rows[i].command);
		const struct probe *probe = &kit->probes[0];
		ck_assert_int_eq(probe->kind, PROBE_EXECUTED);
		ck_assert_uint_eq(probe->fetched[0], rows[i].command.q[0]);
		ck_assert_uint_eq(probe->ran[0], rows[i].ran0);
		ck_assert_uint_eq(probe->ran[1], rows[i].command.q[1]);
		ck_assert_int_eq(probe->effect, rows[i].effect);
		ck_assert_uint_eq(probe->target, rows[i].target);
	}
	ck_assert_uint_eq(amd_kit_events(kit), 0);
}
END_TEST

START_TEST(the_host_names_its_ids_itself)
{
	amd_kit_issue(kit, amd_command_invalidate_domain(0x12));
	amd_kit_issue(kit, amd_command_invalidate_devtab(0x11));
	ck_assert_uint_eq(kit->probes[0].target, 0x12);
	ck_assert_uint_eq(kit->probes[1].target, 0x11);
	ck_assert_ptr_null(access_of(ACCESS_CONFIG_FETCH, 0));
}
END_TEST

START_TEST(maps_are_of_one_guest_and_can_be_rewritten)
{
	struct amd_kit_guest other = amd_kit_guest(kit, OTHER_GUEST, OTHER_TRANS, 0x32);
	amd_kit_guest_domain(&guest, 1, 0x41);
	amd_kit_guest_domain(&other, 1, 0x42);
	amd_kit_guest_issue(&guest, amd_command_invalidate_domain(1));
	amd_kit_guest_issue(&other, amd_command_invalidate_domain(1));
	amd_kit_guest_domain(&guest, 1, 0x43);
	amd_kit_guest_issue(&guest, amd_command_invalidate_domain(1));
	ck_assert_uint_eq(kit->probes[0].target, 0x41);
	ck_assert_uint_eq(kit->probes[1].target, 0x42);
	ck_assert_uint_eq(kit->probes[2].target, 0x43);
}
END_TEST

START_TEST(map_entries_lie_at_private_addresses)
{
	amd_kit_guest_device(&guest, 0x11, 0x123);
	const struct access *write = access_of(ACCESS_CONFIG_WRITE, 0);
	ck_assert_uint_eq(write->input, 0x1000000000 + GUEST * 0x100000ULL + 0x11 * 16);
	amd_kit_guest_domain(&guest, 0x12, 0x124);
	write = access_of(ACCESS_CONFIG_WRITE, 1);
	ck_assert_uint_eq(write->input, 0x2000000000 + GUEST * 0x80000ULL + 0x12 * 8);
	/* Without the command bit, or by half a word, nothing is written. */
	amd_kit_set_vfcntl(&guest, VFCNTL_DOMAIN_MAP, MAP_VALID);
	bus_write(&kit->machine->bus, pa_of(VFCNTL_AT + GUEST * VFCNTL_STRIDE + 4), 4, ~0U);
	ck_assert_ptr_null(access_of(ACCESS_CONFIG_WRITE, 2));
}
END_TEST

START_TEST(an_id_without_a_valid_entry_never_gets_through)
{
	static const struct {
		struct amd_command command;
		unsigned host_events;
	} rows[] = {
		{{{0x2000000000000011, 0}}, 0}, {{{0x3000001200000000, 0}}, 0},
		{{{0x4000000000000013, 0}}, 0}, /* an entry that is written invalid */
		{{{0x5000000000000100, 0}}, 1}, /* the page of its entry has no memory */
		{{{0x3000020000000000, 0}}, 1},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		teardown();
		setup();
		amd_kit_set_vfcntl(&guest, VFCNTL_DEVICE_MAP,
				   MAP_WRITE | field_put(MAP_GUEST, 0x13) | MAP_HOST);
		amd_kit_guest_issue(&guest, rows[i].command);
		ck_assert_uint_eq(kit->probe_count, 1);
		ck_assert_int_eq(kit->probes[0].kind, PROBE_STOPPED);
		ck_assert_int_eq(kit->probes[0].effect, EFFECT_NONE);
		ck_assert(!runs(&guest));
		ck_assert_uint_eq(guest_events(&guest), 1);
		ck_assert_uint_eq(amd_kit_events(kit), rows[i].host_events);
		if (rows[i].host_events > 0)
			ck_assert_uint_eq(amd_kit_event(kit, kit->log, 0).q[0],
					  2ULL << 60 | (uint64_t)KIT_OWN_DOMAIN << 32 | OWN_DEVICE);
	}
}
END_TEST

/* --- RESET_VMMIO [7; V 20.2] --- */

START_TEST(reset_vmmio_stops_its_guest_and_clears_its_registers)
{
	struct amd_kit_guest other = amd_kit_guest(kit, OTHER_GUEST, OTHER_TRANS, 0x32);
	amd_kit_guest_issue(&guest, raw(CMD_COMPLETION_WAIT, CMD_INTERRUPT, 0));
	amd_kit_issue(kit, amd_command_reset_vmmio(GUEST));
	for (uint32_t offset = VFCNTL_MISC; offset <= VFCNTL_PPR_B; offset += 8)
		ck_assert_uint_eq(amd_kit_vfcntl(&guest, offset), 0);
	for (uint32_t offset = AMD_CMD_HEAD; offset <= AMD_STATUS; offset += 8)
		ck_assert_uint_eq(amd_kit_vf(&guest, offset), 0);
	amd_kit_guest_issue(&other, store(GUEST_MEMORY_AT, 1));
	ck_assert_uint_eq(amd_kit_word(kit, other.memory), 1);
	amd_kit_issue(kit, amd_command_reset_vmmio(GUEST + 1)); /* that nobody has touched */
	ck_assert(runs(NULL));
}
END_TEST

/* A taken command, or a fetch; the guest starts anew before either would have come to its end. */
START_TEST(reset_vmmio_drops_what_its_guest_had_under_way)
{
	for (unsigned fetching = 0; fetching < 2; fetching++) {
		again(AMD_RESET_VMMIO, AMD_RESET_STOPS);
		*(fetching ? &kit->amd->timing.walk_read_ps : &kit->amd->timing.store_ps) = MS;
		other_ring(store(GUEST_MEMORY_AT + 8, 2));
		amd_kit_guest_post(&guest, store(GUEST_MEMORY_AT, 1));
		if (fetching)
			step_until_fetching(&guest);
		else
			step_until_taken(&guest);
		uint64_t due_ps = now_ps() + MS;
		amd_kit_put(kit, kit->ring, 0, amd_command_reset_vmmio(GUEST));
		set(AMD_CMD_TAIL, COMMAND_SIZE);
		while (kit->probe_count == 0)
			ck_assert(clock_step(&kit->machine->clock));
		ck_assert_uint_lt(now_ps(), due_ps);
		ck_assert_uint_eq(kit->probes[0].context, CONTEXT_HOST_RING);
		ck_assert_uint_eq(amd_kit_vf(&guest, AMD_CMD_HEAD), 0);
		amd_kit_set_vfcntl(&guest, VFCNTL_MISC, field_put(MISC_TRANS_DEVICE, TRANS));
		rebase_guest(OTHER_AT, GUEST_LENGTH);
		amd_kit_set_vf(&guest, AMD_CMD_TAIL, COMMAND_SIZE);
		amd_kit_run(kit);
		ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 0);
		ck_assert_uint_eq(amd_kit_word(kit, guest.memory + 8), 2);
		ck_assert_ptr_null(access_of(ACCESS_COMPLETION_WRITE, 1));
		ck_assert_uint_eq(head_of(&guest), 1);
	}
}
END_TEST

START_TEST(reset_vmmio_may_let_a_running_ring_go_on)
{
	amd_kit_assume(kit, AMD_RESET_VMMIO, AMD_RESET_REGISTERS_ONLY);
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 1));
	amd_kit_issue(kit, amd_command_reset_vmmio(GUEST));
	ck_assert(runs(&guest));
	ck_assert_uint_eq(head_of(&guest), 1);
	ck_assert_uint_eq(amd_kit_vfcntl(&guest, VFCNTL_MISC), 0);
	amd_kit_set_vfcntl(&guest, VFCNTL_MISC, field_put(MISC_TRANS_DEVICE, TRANS));
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 2));
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 2);
}
END_TEST

/* --- a buffer without memory [V 12] --- */

#define RING_FAULT (2ULL << 60 | (uint64_t)DOMAIN << 32 | 1ULL << 31 | TRANS)

START_TEST(an_unmapped_command_buffer_halts_the_guest)
{
	unmap_ring();
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 3));
	ck_assert(!runs(&guest));
	ck_assert_uint_eq(head_of(&guest), 0);
	ck_assert_ptr_null(access_of(ACCESS_COMMAND_FETCH, 0));
	ck_assert_uint_eq(amd_kit_events(kit), 1);
	ck_assert_uint_eq(guest_events(&guest), 0);
	check_event(kit->log, 0, RING_FAULT, GUEST_RING_AT);
	ck_assert(runs(NULL));
	amd_kit_issue(kit, store(memory, 1));
	ck_assert_uint_eq(amd_kit_word(kit, memory), 1);
}
END_TEST

START_TEST(a_buffer_mapped_again_needs_a_restart_and_no_invalidation)
{
	unmap_ring();
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 3));
	amd_kit_guest_map(&guest, GUEST_RING_AT, guest.ring, PTE_RW);
	amd_kit_set_vf(&guest, AMD_CMD_TAIL, COMMAND_SIZE);
	amd_kit_run(kit);
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 0);
	amd_kit_guest_restart(&guest);
	ck_assert(runs(&guest));
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 3);
	ck_assert_uint_eq(amd_kit_events(kit), 1);
}
END_TEST

START_TEST(a_command_buffer_that_cannot_be_read_faults_with_permission)
{
	amd_kit_guest_map(&guest, GUEST_RING_AT, guest.ring, PTE_IW);
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 3));
	ck_assert(!runs(&guest));
	check_event(kit->log, 0, RING_FAULT | EVT_PR | EVT_PE, GUEST_RING_AT);
}
END_TEST

/* A fetch, or a store; once. */
START_TEST(a_fault_goes_to_the_log_that_is_assumed)
{
	static const struct {
		unsigned value;
		unsigned host;
		unsigned guest;
	} rows[] = {
		{AMD_FAULT_TO_HOST, 1, 0}, {AMD_FAULT_TO_GUEST, 0, 1}, {AMD_FAULT_TO_BOTH, 1, 1}};
	for (unsigned i = 0; i < 6; i++) {
		unsigned stores = i / 3, host = rows[i % 3].host, of_guest = rows[i % 3].guest;
		uint64_t q0 = RING_FAULT | (stores ? EVT_RW : 0);
		uint64_t at = stores ? GUEST_MEMORY_AT : GUEST_RING_AT;
		again(AMD_FAULT_LOG, rows[i % 3].value);
		amd_kit_guest_map(&guest, at, 0, 0);
		amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 3));
		ck_assert(!runs(&guest));
		ck_assert_uint_eq(amd_kit_events(kit), host);
		ck_assert_uint_eq(guest_events(&guest), of_guest);
		ck_assert_ptr_null(access_of(ACCESS_EVENT_WRITE, host + of_guest));
		ck_assert_ptr_null(access_of(ACCESS_COMPLETION_WRITE, 0));
		if (host)
			check_event(kit->log, 0, q0, at);
		if (of_guest)
			check_event(guest.log, 0, q0, at);
	}
}
END_TEST

START_TEST(a_fault_may_leave_head_past_the_command)
{
	for (unsigned past = 0; past < 2; past++) {
		again(AMD_FAULT_HEAD, past ? AMD_HEAD_PAST : AMD_HEAD_AT);
		unmap_ring();
		amd_kit_guest_post(&guest, store(GUEST_MEMORY_AT, 3));
		amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT + 8, 4));
		ck_assert(!runs(&guest));
		ck_assert_uint_eq(head_of(&guest), past);
		amd_kit_guest_map(&guest, GUEST_RING_AT, guest.ring, PTE_RW);
		amd_kit_guest_restart(&guest);
		ck_assert_uint_eq(amd_kit_word(kit, guest.memory), past ? 0 : 3);
		ck_assert_uint_eq(amd_kit_word(kit, guest.memory + 8), 4);
	}
}
END_TEST

START_TEST(a_faulting_store_leaves_head_where_a_fault_does_and_not_a_halt)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned past = i & 1;
		again(AMD_FAULT_HEAD, past ? AMD_HEAD_PAST : AMD_HEAD_AT);
		amd_kit_assume(kit, AMD_HALT_HEAD, i & 2 ? AMD_HEAD_PAST : AMD_HEAD_AT);
		amd_kit_guest_map(&guest, GUEST_MEMORY_AT, 0, 0);
		amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 3));
		ck_assert(!runs(&guest));
		ck_assert_uint_eq(head_of(&guest), past);
		amd_kit_guest_map(&guest, GUEST_MEMORY_AT, guest.memory, PTE_RW);
		amd_kit_guest_restart(&guest);
		ck_assert_uint_eq(amd_kit_word(kit, guest.memory), past ? 0 : 3);
	}
}
END_TEST

START_TEST(a_fault_may_skip_the_line)
{
	amd_kit_assume(kit, AMD_FAULT_STOP, AMD_FAULT_SKIPS);
	unmap_ring();
	for (unsigned i = 0; i < 6; i++)
		amd_kit_guest_post(&guest, store(GUEST_MEMORY_AT + 8ULL * i, 3));
	amd_kit_run(kit);
	ck_assert(runs(&guest));
	ck_assert_uint_eq(head_of(&guest), 6);
	ck_assert_uint_eq(kit->probe_count, 0);
	ck_assert_uint_eq(amd_kit_events(kit), 2);
	check_event(kit->log, 1, RING_FAULT, GUEST_RING_AT + 64);
}
END_TEST

START_TEST(a_fault_may_skip_the_store)
{
	amd_kit_assume(kit, AMD_FAULT_STOP, AMD_FAULT_SKIPS);
	amd_kit_guest_map(&guest, GUEST_MEMORY_AT, 0, 0);
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 3));
	ck_assert(runs(&guest));
	ck_assert_uint_eq(head_of(&guest), 1);
	check_event(kit->log, 0, RING_FAULT | EVT_RW, GUEST_MEMORY_AT);
	amd_kit_guest_map(&guest, GUEST_MEMORY_AT, guest.memory, PTE_RW);
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 4));
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 4);
}
END_TEST

/* --- what the buffers' translations are kept in [V 12.2, 20.4] --- */

/* Runs a command, gives the ring other memory, and says whether the next is read from the old. */
static bool old_ring_is_used(void)
{
	uint64_t other = amd_kit_frames(kit, 1);
	uint32_t at = (uint32_t)head_of(&guest);
	amd_kit_guest_map(&guest, GUEST_RING_AT, other, PTE_RW);
	amd_kit_put(kit, other, at, store(GUEST_MEMORY_AT, 2));
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 1));
	ck_assert(runs(&guest));
	ck_assert_uint_eq(head_of(&guest), at + 1);
	bool old = amd_kit_word(kit, guest.memory) == 1;
	guest.ring = other;
	return old;
}

START_TEST(a_cached_buffer_is_used_until_it_is_invalidated)
{
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 9));
	uint64_t before = guest.ring;
	ck_assert(old_ring_is_used());
	ck_assert_int_eq(access_of(ACCESS_COMMAND_FETCH, 1)->path, PATH_CACHED);
	guest.ring = before;
	amd_kit_issue(kit, amd_command_invalidate_domain(DOMAIN + 1));
	ck_assert(old_ring_is_used());
	amd_kit_issue(kit, amd_command_invalidate_pages(DOMAIN, GUEST_LOG_AT, GUEST_LOG_AT + 0xfff,
							false));
	guest.ring = before;
	ck_assert(old_ring_is_used());
	amd_kit_issue(kit, amd_command_invalidate_pages(DOMAIN, GUEST_RING_AT,
							GUEST_RING_AT + 0xfff, false));
	ck_assert(!old_ring_is_used());
}
END_TEST

START_TEST(a_guest_drops_what_its_map_names_and_no_more)
{
	uint64_t before = guest.ring;
	amd_kit_guest_domain(&guest, 7, DOMAIN);
	amd_kit_guest_domain(&guest, DOMAIN, 0x77);
	amd_kit_guest_issue(&guest, amd_command_invalidate_domain(DOMAIN));
	ck_assert(old_ring_is_used());
	guest.ring = before;
	amd_kit_guest_issue(&guest, amd_command_invalidate_domain(7));
	ck_assert(!old_ring_is_used());
}
END_TEST

START_TEST(a_buffer_may_be_translated_anew_each_time)
{
	amd_kit_assume(kit, AMD_BUFFER_CACHE, AMD_BUFFER_WALKED);
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 9));
	ck_assert(!old_ring_is_used());
}
END_TEST

START_TEST(a_buffer_may_be_kept_by_device)
{
	amd_kit_assume(kit, AMD_BUFFER_TAG, AMD_BUFFER_TAG_DEVICE);
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 9));
	amd_kit_issue(kit, amd_command_invalidate_domain(DOMAIN));
	uint64_t before = guest.ring;
	ck_assert(old_ring_is_used());
	guest.ring = before;
	amd_kit_issue(kit, amd_command_invalidate_devtab(TRANS + 1));
	ck_assert(old_ring_is_used());
	amd_kit_issue(kit, amd_command_invalidate_devtab(TRANS));
	ck_assert(!old_ring_is_used());
}
END_TEST

/* The line was read before its second command is overwritten. */
START_TEST(a_fetch_takes_the_rest_of_a_line_or_one_command)
{
	for (unsigned single = 0; single < 2; single++) {
		again(AMD_PREFETCH, single ? AMD_PREFETCH_SINGLE : AMD_PREFETCH_LINE);
		for (unsigned i = 1; i <= 4; i++)
			amd_kit_guest_post(&guest, store(GUEST_MEMORY_AT, i));
		step_until_taken(&guest);
		amd_kit_put(kit, guest.ring, 1, store(GUEST_MEMORY_AT + 8, 7));
		amd_kit_run(kit);
		ck_assert_uint_eq(amd_kit_word(kit, guest.memory + 8), single ? 7 : 0);
		ck_assert_uint_eq(access_of(ACCESS_COMMAND_FETCH, 0)->size, single ? 16 : 64);
		ck_assert_int_eq(access_of(ACCESS_COMMAND_FETCH, 1) != NULL, single);
		ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 4);
	}
}
END_TEST

START_TEST(a_fetch_ends_at_tail_and_at_the_line)
{
	for (unsigned i = 0; i < 3; i++)
		amd_kit_put(kit, kit->ring, i, store(memory, i));
	set(AMD_CMD_TAIL, 3 * COMMAND_SIZE);
	amd_kit_run(kit);
	for (unsigned i = 3; i < 9; i++)
		amd_kit_put(kit, kit->ring, i, store(memory, i));
	set(AMD_CMD_TAIL, 9 * COMMAND_SIZE);
	amd_kit_run(kit);
	static const uint32_t sizes[] = {48, 16, 64, 16};
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(access_of(ACCESS_COMMAND_FETCH, i)->size, sizes[i]);
	ck_assert_ptr_null(access_of(ACCESS_COMMAND_FETCH, 4));
}
END_TEST

/* A fetch of the guest's that was translated and comes late, and a wait of the host's [V 20.5]. */
START_TEST(a_completion_waits_for_accesses_to_guests_buffers_or_does_not)
{
	for (unsigned dma_only = 0; dma_only < 2; dma_only++) {
		again(AMD_WAIT_IN_FLIGHT, dma_only ? AMD_WAIT_FOR_DMA_ONLY : AMD_WAIT_FOR_BUFFERS);
		port_inject(kit->machine, &(struct port_fault){.engine = kit->amd->port.engine,
							       .purpose = ACCESS_COMMAND_FETCH,
							       .action = FAULT_LATE,
							       .late_ps = MS,
							       .nth = 1});
		amd_kit_guest_post(&guest, raw(CMD_COMPLETION_WAIT, 0, 0));
		amd_kit_put(kit, kit->ring, 0, store(memory, 1));
		set(AMD_CMD_TAIL, COMMAND_SIZE);
		amd_kit_run(kit);
		const struct access *fetch = access_of(ACCESS_COMMAND_FETCH, 1);
		const struct access *write = access_of(ACCESS_COMPLETION_WRITE, 0);
		ck_assert_uint_eq(fetch->context, GUEST);
		ck_assert_int_eq(write->number > fetch->number, !dma_only);
		ck_assert_int_eq(write->time_ps >= MS, !dma_only);
	}
}
END_TEST

START_TEST(a_completion_does_not_wait_for_fetches_that_begin_later)
{
	struct amd_kit_guest busy[6];
	amd_kit_assume(kit, AMD_PREFETCH, AMD_PREFETCH_SINGLE);
	for (uint16_t i = 0; i < 6; i++) {
		busy[i] = amd_kit_guest(kit, GUEST + 1 + i, OTHER_TRANS + i, DOMAIN + 1 + i);
		for (unsigned j = 0; j < KIT_ENTRIES - 1; j++)
			amd_kit_guest_post(&busy[i], raw(CMD_COMPLETION_WAIT, 0, 0));
		step_until_taken(&busy[i]); /* they are out of step */
	}
	uint64_t from_ps = now_ps();
	amd_kit_put(kit, kit->ring, 0, store(memory, 1));
	set(AMD_CMD_TAIL, COMMAND_SIZE);
	while (amd_kit_word(kit, memory) == 0)
		ck_assert(clock_step(&kit->machine->clock));
	ck_assert_uint_lt(now_ps() - from_ps, 3 * US);
	for (unsigned i = 0; i < 6; i++)
		ck_assert_uint_lt(head_of(&busy[i]), KIT_ENTRIES - 1);
}
END_TEST

/* --- whose translation it is [V 12.3, 20.3] --- */

/* A ring at a physical address, for what is not translated. */
static void move_to_physical(void)
{
	rebase_guest(guest.ring, GUEST_LENGTH);
	amd_kit_put(kit, guest.ring, 0, raw(CMD_COMPLETION_WAIT, 0, 0));
	amd_kit_set_vf(&guest, AMD_CMD_TAIL, COMMAND_SIZE);
	amd_kit_run(kit);
}

START_TEST(trans_devid_0_is_device_0_or_nobody)
{
	for (unsigned none = 0; none < 2; none++) {
		again(AMD_TRANS_ZERO, none ? AMD_TRANS_ZERO_IS_NONE : AMD_TRANS_ZERO_IS_DEVICE_0);
		amd_kit_set_dte(kit, 0, amd_kit_dte(0, 0, 7)); /* pass-through */
		amd_kit_set_vfcntl(&guest, VFCNTL_MISC, 0);
		move_to_physical();
		ck_assert_int_eq(runs(&guest), !none);
		ck_assert_uint_eq(head_of(&guest), !none);
		ck_assert_uint_eq(amd_kit_events(kit), none);
		if (none)
			check_event(kit->log, 0, 2ULL << 60 | EVT_VCMD, guest.ring);
		else
			ck_assert_int_eq(access_of(ACCESS_COMMAND_FETCH, 0)->path, PATH_BYPASS);
	}
}
END_TEST

START_TEST(an_invalid_entry_of_trans_devid_forwards_or_faults)
{
	for (unsigned faults = 0; faults < 2; faults++) {
		again(AMD_DTE_V0, faults ? AMD_DTE_V0_FAULTS : AMD_DTE_V0_FORWARDS);
		amd_kit_set_dte(kit, TRANS, (struct amd_dte){{0}});
		move_to_physical();
		ck_assert_int_eq(runs(&guest), !faults);
		ck_assert_uint_eq(head_of(&guest), !faults);
		if (faults)
			check_event(kit->log, 0, 2ULL << 60 | EVT_VCMD | TRANS, guest.ring);
		else
			ck_assert_int_eq(access_of(ACCESS_COMMAND_FETCH, 0)->path, PATH_BYPASS);
	}
}
END_TEST

START_TEST(a_valid_entry_of_mode_0_forwards_even_where_an_invalid_one_faults)
{
	amd_kit_assume(kit, AMD_DTE_V0, AMD_DTE_V0_FAULTS);
	amd_kit_set_dte(kit, TRANS, amd_kit_dte(0, 0, DOMAIN));
	move_to_physical();
	ck_assert(runs(&guest));
	ck_assert_uint_eq(head_of(&guest), 1);
	ck_assert_uint_eq(amd_kit_events(kit), 0);
	ck_assert_int_eq(access_of(ACCESS_COMMAND_FETCH, 0)->path, PATH_BYPASS);
}
END_TEST

START_TEST(trans_devids_entry_is_used_until_it_is_invalidated)
{
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 1));
	amd_kit_set_dte(kit, TRANS, (struct amd_dte){{DTE_V, 0, 0, 0}}); /* TV = 0 */
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 2));
	ck_assert_uint_eq(amd_kit_word(kit, guest.memory), 2);
	amd_kit_issue(kit, amd_command_invalidate_devtab(TRANS));
	amd_kit_guest_issue(&guest, store(GUEST_MEMORY_AT, 3));
	ck_assert(!runs(&guest));
	check_event(kit->log, 0, 2ULL << 60 | EVT_VCMD | TRANS, GUEST_RING_AT + 32);
}
END_TEST

/* --- state --- */

static uint64_t hash(void)
{
	struct hash state;
	hash_init(&state);
	amd_iommu_hash(kit->amd, &state);
	return state.value;
}

START_TEST(the_hash_sees_what_a_later_step_depends_on)
{
	uint64_t before = hash();
	amd_kit_guest_post(&guest, store(GUEST_MEMORY_AT, 1));
	uint64_t posted = hash();
	ck_assert_uint_ne(posted, before);
	clock_step(&kit->machine->clock);
	ck_assert_uint_ne(hash(), posted);
	amd_kit_run(kit);
	uint64_t ran = hash();
	ck_assert_uint_ne(ran, before);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT_B, 0x1000);
	ck_assert_uint_ne(hash(), ran);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT_B, 0);
	ck_assert_uint_eq(hash(), ran);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_ring");
	TCase *tests = tcase_create("amd_ring");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, registers_have_the_bits_of_the_sheet);
	tcase_add_test(tests, registers_are_written_whole_or_in_halves);
	tcase_add_test(tests, feature_registers_are_read_only);
	tcase_add_test(tests, registers_without_an_effect_keep_what_is_written);
	tcase_add_test(tests, without_iotlbsup_an_iotlb_invalidation_is_illegal);
	tcase_add_test(tests, what_no_register_covers_reads_zero);
	tcase_add_test(tests, the_device_table_moves_only_while_the_iommu_is_off);
	tcase_add_test(tests, segments_of_it_do_too);
	tcase_add_test(tests, status_bits_are_cleared_by_ones_and_run_bits_are_read_only);
	tcase_add_test(tests, vf_registers_are_of_one_guest);
	tcase_add_test(tests, vf_pointers_are_written_in_halves_too);
	tcase_add_test(tests, vfcntl_registers_are_of_one_guest_and_take_whole_words);
	tcase_add_test(tests, head_moves_when_a_command_is_taken_and_not_when_it_is_done);
	tcase_add_test(tests, the_hosts_ring_lies_at_a_physical_address);
	tcase_add_test(tests, a_full_ring_runs_in_order_over_its_end);
	tcase_add_test(tests, length_codes_8_to_15_make_rings_of_256_to_32768_entries);
	tcase_add_test(tests, a_guests_ring_has_the_same_length_codes);
	tcase_add_test(tests, a_ring_that_is_off_keeps_its_place);
	tcase_add_test(tests, an_armed_ring_starts_when_the_iommu_does);
	tcase_add_test(tests, turning_a_ring_off_lets_the_taken_command_end_and_drops_the_fetched);
	tcase_add_test(tests, a_fetch_under_way_is_dropped_when_the_ring_moves);
	tcase_add_test(tests, what_was_fetched_ahead_goes_when_the_iommu_is_switched);
	tcase_add_test(tests, a_command_that_fails_does_not_halt_the_ring_that_came_after);
	tcase_add_test(tests, base_and_head_move_only_while_the_ring_stands);
	tcase_add_test(tests, opcodes_features_and_reserved_bits_decide_what_is_legal);
	tcase_add_test(tests, an_illegal_command_halts_the_hosts_ring_at_it);
	tcase_add_test(tests, a_type_of_iotlb_invalidation_needs_its_feature);
	tcase_add_test(tests, what_needs_a_feature_does_not_stick_without_it);
	tcase_add_test(tests, a_halted_host_ring_halts_nothing_else);
	tcase_add_test(tests, a_halted_ring_may_leave_head_past_the_command);
	tcase_add_test(tests, a_command_that_cannot_be_read_is_a_hardware_error);
	tcase_add_test(tests, a_store_that_cannot_be_made_halts_the_ring);
	tcase_add_test(tests, a_hardware_error_has_the_address_that_failed);
	tcase_add_test(tests, a_store_is_eight_bytes_at_its_address);
	tcase_add_test(tests, without_s_nothing_is_stored);
	tcase_add_test(tests, a_completion_interrupts_if_enabled_and_on_an_edge);
	tcase_add_test(tests, a_completion_waits_for_devices_to_answer);
	tcase_add_test(tests, a_device_that_does_not_answer_times_out_and_halts_nothing);
	tcase_add_test(tests, a_timeout_is_logged_when_the_limit_has_passed);
	tcase_add_test(tests, without_a_limit_a_completion_waits_for_ever);
	tcase_add_test(tests, a_guests_ring_lies_at_a_guest_address);
	tcase_add_test(tests, a_guests_head_moves_when_a_command_is_taken);
	tcase_add_test(tests, a_guests_ring_wraps_in_order);
	tcase_add_test(tests, a_guests_ring_is_turned_off_and_on);
	tcase_add_test(tests, a_guests_ring_runs_only_with_vcmden_and_viommuen);
	tcase_add_test(tests, a_guests_fetch_under_way_is_dropped_when_its_ring_moves);
	tcase_add_test(tests, one_write_stops_a_guests_ring_and_moves_it);
	tcase_add_test(tests, a_guests_running_ring_keeps_its_base_and_a_toggled_one_its_head);
	tcase_add_test(tests, a_guest_moves_head_only_while_its_ring_stands);
	tcase_add_test(tests, a_guest_completion_sets_its_own_status);
	tcase_add_test(tests, a_guests_store_needs_write_permission);
	tcase_add_test(tests, an_illegal_command_halts_its_guest_alone);
	tcase_add_test(tests, an_illegal_command_of_a_guest_may_be_told_to_the_host);
	tcase_add_test(tests, ids_of_a_guest_are_replaced_by_the_hosts);
	tcase_add_test(tests, the_host_names_its_ids_itself);
	tcase_add_test(tests, maps_are_of_one_guest_and_can_be_rewritten);
	tcase_add_test(tests, map_entries_lie_at_private_addresses);
	tcase_add_test(tests, an_id_without_a_valid_entry_never_gets_through);
	tcase_add_test(tests, reset_vmmio_stops_its_guest_and_clears_its_registers);
	tcase_add_test(tests, reset_vmmio_drops_what_its_guest_had_under_way);
	tcase_add_test(tests, reset_vmmio_may_let_a_running_ring_go_on);
	tcase_add_test(tests, an_unmapped_command_buffer_halts_the_guest);
	tcase_add_test(tests, a_buffer_mapped_again_needs_a_restart_and_no_invalidation);
	tcase_add_test(tests, a_command_buffer_that_cannot_be_read_faults_with_permission);
	tcase_add_test(tests, a_fault_goes_to_the_log_that_is_assumed);
	tcase_add_test(tests, a_fault_may_leave_head_past_the_command);
	tcase_add_test(tests, a_faulting_store_leaves_head_where_a_fault_does_and_not_a_halt);
	tcase_add_test(tests, a_fault_may_skip_the_line);
	tcase_add_test(tests, a_fault_may_skip_the_store);
	tcase_add_test(tests, a_cached_buffer_is_used_until_it_is_invalidated);
	tcase_add_test(tests, a_guest_drops_what_its_map_names_and_no_more);
	tcase_add_test(tests, a_buffer_may_be_translated_anew_each_time);
	tcase_add_test(tests, a_buffer_may_be_kept_by_device);
	tcase_add_test(tests, a_fetch_takes_the_rest_of_a_line_or_one_command);
	tcase_add_test(tests, a_fetch_ends_at_tail_and_at_the_line);
	tcase_add_test(tests, a_completion_waits_for_accesses_to_guests_buffers_or_does_not);
	tcase_add_test(tests, a_completion_does_not_wait_for_fetches_that_begin_later);
	tcase_add_test(tests, trans_devid_0_is_device_0_or_nobody);
	tcase_add_test(tests, an_invalid_entry_of_trans_devid_forwards_or_faults);
	tcase_add_test(tests, a_valid_entry_of_mode_0_forwards_even_where_an_invalid_one_faults);
	tcase_add_test(tests, trans_devids_entry_is_used_until_it_is_invalidated);
	tcase_add_test(tests, the_hash_sees_what_a_later_step_depends_on);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
