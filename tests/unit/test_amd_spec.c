/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodings against golden words: lines of captures of the Linux driver (amd: commands-strict,
 * commands-ats with maps-ats, tables, events, registers), and the tables of sheets amd-iommu and
 * amd-viommu (marked V).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "models/amd_iommu/amd_spec.h"
#include "tests/kit/run.h"

#define SEED     20261127U
#define ALL      UINT64_MAX
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct golden {
	const char *name;
	uint64_t q0;
	uint64_t q1;
	struct amd_command built;
};

static void check_goldens(const struct golden *goldens, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct golden *golden = &goldens[i];
		ck_assert_msg(golden->built.q[0] == golden->q0 && golden->built.q[1] == golden->q1,
			      "%s %zu: %016lx %016lx, expected %016lx %016lx", golden->name, i,
			      golden->built.q[0], golden->built.q[1], golden->q0, golden->q1);
		const struct amd_command_rules *rules =
			&amd_command_rules[amd_command_opcode(&golden->built)];
		ck_assert_str_eq(rules->name, golden->name);
		ck_assert_uint_eq(golden->q0 & ~rules->used[0], 0);
		ck_assert_uint_eq(golden->q1 & ~rules->used[1], 0);
	}
}

/* A field: its name, its mask, and the bits that a table gives it, in the word it is in. */
struct field {
	const char *name;
	uint64_t mask;
	unsigned high;
	unsigned low;
};

#define F(mask, high, low)             \
	{                              \
#mask, mask, high, low \
	}

static void check_fields(const struct field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t expected = 0;
		for (unsigned bit = fields[i].low; bit <= fields[i].high; bit++)
			expected |= 1ULL << bit;
		ck_assert_msg(fields[i].mask == expected, "%s is %016lx, expected %016lx",
			      fields[i].name, fields[i].mask, expected);
	}
}

/* --- commands [7] --- */

START_TEST(commands_are_those_that_linux_wrote)
{
	const struct golden goldens[] = {
		/* commands-strict 36, 38, 41, 222, 120, 695, 827 */
		{"INVALIDATE_IOMMU_ALL", 0x8000000000000000, 0, amd_command_invalidate_all()},
		{"COMPLETION_WAIT", 0x10000000001d0001, 1,
		 amd_command_completion_wait(0x1d0000, 1)},
		{"INVALIDATE_DEVTAB_ENTRY", 0x20000000000000a0, 0,
		 amd_command_invalidate_devtab(0xa0)},
		{"INVALIDATE_DEVTAB_ENTRY", 0x2000000000000200, 0,
		 amd_command_invalidate_devtab(0x200)},
		{"COMPLETION_WAIT", 0x10000000001d0001, 0xf,
		 amd_command_completion_wait(0x1d0000, 0xf)},
		{"INVALIDATE_IOMMU_PAGES", 0x3000000a00000000, 0x00000000fffbb002,
		 amd_command_invalidate_pages(10, 0xfffbb000, 0xfffbbfff, true)},
		{"INVALIDATE_IOMMU_PAGES", 0x3000000a00000000, 0x00000000fffa7003,
		 amd_command_invalidate_pages(10, 0xfffa0000, 0xfffaffff, true)},
		/* commands-ats 20284, 7087 */
		{"INVALIDATE_IOMMU_PAGES", 0x3000000500000000, 0x7ffffffffffff003,
		 amd_command_invalidate_domain(5)},
		{"INVALIDATE_IOTLB_PAGES", 0x4000020020000200, 0x00000000fff31000,
		 amd_command_invalidate_iotlb(0x200, 0x200, 32, 0xfff31000, 0xfff31fff)},
	};
	check_goldens(goldens, COUNT(goldens));
}
END_TEST

/* From the table of commands: no capture has them. */
START_TEST(commands_of_no_capture_have_the_fields_of_the_table)
{
	const struct golden goldens[] = {
		{"COMPLETION_WAIT", 0x100fedcba9876541, 0x1122334455667788,
		 amd_command_completion_wait(0xfedcba9876540, 0x1122334455667788)},
		{"RESET_VMMIO", 0xa00000009000beef, 0, amd_command_reset_vmmio(0xbeef)},
		{"INVALIDATE_IOTLB_PAGES", 0x4000456720000123, 0x7ffffffffffff001,
		 amd_command_invalidate_iotlb(0x123, 0x4567, 32, 0, ALL)},
		{"INVALIDATE_IOMMU_PAGES", 0x3000ffff00000000, 0xfffffffffffff000,
		 amd_command_invalidate_pages(0xffff, 0xfffffffffffff000, ALL, false)},
	};
	check_goldens(goldens, COUNT(goldens));
}
END_TEST

START_TEST(commands_lie_little_endian_in_memory)
{
	static const uint8_t golden[COMMAND_SIZE] = {0, 0,    0,    0,    0x05, 0,    0,    0x30,
						     3, 0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
	struct amd_command command = amd_command_invalidate_domain(5);
	uint8_t bytes[COMMAND_SIZE];
	amd_command_store(bytes, &command);
	ck_assert_mem_eq(bytes, golden, sizeof(golden));
	struct amd_command loaded = amd_command_load(golden);
	ck_assert_mem_eq(&loaded, &command, sizeof(command));
}
END_TEST

/* dwN of the table is the low or high half of a word. */
START_TEST(fields_of_commands_lie_where_the_table_says)
{
	static const struct field fields[] = {
		F(CMD_OPCODE, 32 + 31, 32 + 28),
		F(CMD_STORE, 0, 0),
		F(CMD_INTERRUPT, 1, 1),
		F(CMD_FLUSH, 2, 2),
		F(CMD_STORE_ADDR, 32 + 19, 3),
		F(CMD_DEVICE, 15, 0),
		F(CMD_PASID, 19, 0),
		F(CMD_DOMAIN, 32 + 15, 32),
		F(CMD_MAX_PEND, 31, 24),
		F(CMD_QUEUE, 32 + 15, 32),
		F(CMD_IOTLB_PASID_15_8, 23, 16),
		F(CMD_IOTLB_PASID_7_0, 32 + 23, 32 + 16),
		F(CMD_IOTLB_PASID_19_16, 32 + 27, 32 + 24),
		F(CMD_PPR_PASID, 32 + 19, 32),
		F(CMD_GUEST, 15, 0),
		F(CMD_RESET_ALL, 28, 28),
		F(CMD_RESET_VCMD, 31, 31),
		F(CMD_SIZE_CODED, 0, 0),
		F(CMD_PDE, 1, 1),
		F(CMD_GN, 2, 2),
		F(CMD_IOTLB_TYPE, 5, 4),
		F(CMD_ADDR, 63, 12),
	};
	check_fields(fields, COUNT(fields));
}
END_TEST

START_TEST(opcodes_have_the_names_of_the_table)
{
	static const char *const names[OPCODES] = {
		NULL,
		"COMPLETION_WAIT",
		"INVALIDATE_DEVTAB_ENTRY",
		"INVALIDATE_IOMMU_PAGES",
		"INVALIDATE_IOTLB_PAGES",
		"INVALIDATE_INTERRUPT_TABLE",
		"PREFETCH_IOMMU_PAGES",
		"COMPLETE_PPR_REQUEST",
		"INVALIDATE_IOMMU_ALL",
		"INSERT_GUEST_EVENT",
		"RESET_VMMIO",
	};
	for (unsigned opcode = 0; opcode < OPCODES; opcode++) {
		struct amd_command command = {{(uint64_t)opcode << 60 | 0xfffffffffffffff, ALL}};
		ck_assert_uint_eq(amd_command_opcode(&command), opcode);
		ck_assert_pstr_eq(amd_command_rules[opcode].name, names[opcode]);
	}
}
END_TEST

/* 6.2: PreFSup, PPRSup, IASup; vIommuSup. */
START_TEST(opcodes_need_the_features_of_the_sheet)
{
	static const uint64_t needs[OPCODES] = {
		[6] = 1, [7] = 2, [8] = 0x40, [9] = 1ULL << 55, [10] = 1ULL << 55};
	for (unsigned opcode = 0; opcode < OPCODES; opcode++)
		ck_assert_uint_eq(amd_command_rules[opcode].needs, needs[opcode]);
}
END_TEST

/* 6.2: what must be zero, in q0 and q1, the opcode apart. */
START_TEST(reserved_bits_of_commands_are_those_of_the_sheet)
{
	static const uint64_t reserved[OPCODES][2] = {
		[1] = {0x0ff0000000000000, 0},
		[2] = {0x0fffffffffff0000, ~0ULL},
		[3] = {0x0fff0000fff00000, 0xff8},
		[4] = {0, 0xfca},
		[5] = {0x0fffffffffff0000, ~0ULL},
		[6] = {0x0ff0000000ff0000, 0xfea},
		[7] = {0x0ff00000ffff0000, 0xffff0000fffffffb},
		[8] = {0x0fffffffffffffff, ~0ULL},
	};
	for (unsigned opcode = 1; opcode <= 8; opcode++)
		for (unsigned word = 0; word < 2; word++)
			ck_assert_msg(~amd_command_rules[opcode].used[word] ==
					      reserved[opcode][word],
				      "opcode %u, q%u", opcode, word);
}
END_TEST

/* --- ranges [7, size encoding] --- */

struct range {
	uint64_t first;
	uint64_t last;
	uint64_t q1;
	uint64_t block_first; /* what the command covers */
	uint64_t block_last;
};

/* maps-ats: an unmap; commands-ats: the invalidation that followed (its seq). */
static const struct range captured[] = {
	{0xffff8000, 0xffff8fff, 0xffff8000, 0xffff8000, 0xffff8fff}, /* 313 */
	{0xfffb0000, 0xfffbffff, 0xfffb7001, 0xfffb0000, 0xfffbffff}, /* 717 */
	{0xfff80000, 0xfff9ffff, 0xfff8f001, 0xfff80000, 0xfff9ffff}, /* 1647 */
	{0xfffd8000, 0xfffdefff, 0xfffdb001, 0xfffd8000, 0xfffdffff}, /* 4242: 7 pages */
	{0xfffcc000, 0xfffcffff, 0xfffcd001, 0xfffcc000, 0xfffcffff}, /* 4752 */
	{0xfffc8000, 0xfffc9fff, 0xfffc8001, 0xfffc8000, 0xfffc9fff}, /* 4762 */
	{0x600c0000, 0x600fffff, 0x600df001, 0x600c0000, 0x600fffff}, /* 20617 */
	{0x60180000, 0x601fffff, 0x601bf001, 0x60180000, 0x601fffff}, /* 20623 */
	{0x60300000, 0x603fffff, 0x6037f001, 0x60300000, 0x603fffff}, /* 20629 */
	{0x60600000, 0x607fffff, 0x606ff001, 0x60600000, 0x607fffff}, /* 20635 */
	{0x60c00000, 0x60ffffff, 0x60dff001, 0x60c00000, 0x60ffffff}, /* 20641 */
	{0x61800000, 0x61ffffff, 0x61bff001, 0x61800000, 0x61ffffff}, /* 20648 */
};

static const struct range computed[] = {
	/* 2 pages that no smaller block holds */
	{0x7ffff000, 0x80000fff, 0x7ffff001, 0, 0xffffffff},
	/* the largest coded size, and beyond it */
	{0, 0xfffffffffffff, 0x7fffffffff001, 0, 0xfffffffffffff},
	{0x10000000000000, 0x1fffffffffffff, 0x17fffffffff001, 0x10000000000000, 0x1fffffffffffff},
	{0, 0x10000000000000, 0x7ffffffffffff001, 0, ALL},
	{0, ALL, 0x7ffffffffffff001, 0, ALL},
	{0x123, 0x456, 0, 0, 0xfff},
	{0xffffffffffffe000, ALL, 0xffffffffffffe001, 0xffffffffffffe000, ALL},
};

static void check_range(const struct range *range)
{
	uint64_t first, last;
	struct amd_command command =
		amd_command_invalidate_pages(10, range->first, range->last, false);
	ck_assert_msg(command.q[1] == range->q1, "[%lx, %lx] is %016lx, expected %016lx",
		      range->first, range->last, command.q[1], range->q1);
	amd_command_range(&command, &first, &last);
	ck_assert_uint_eq(first, range->block_first);
	ck_assert_uint_eq(last, range->block_last);
}

START_TEST(ranges_are_coded_as_linux_does)
{
	for (size_t i = 0; i < COUNT(captured); i++)
		check_range(&captured[i]);
}
END_TEST

START_TEST(ranges_at_the_limits_are_coded_as_the_sheet_says)
{
	for (size_t i = 0; i < COUNT(computed); i++)
		check_range(&computed[i]);
}
END_TEST

START_TEST(both_ways_to_say_everything_mean_it)
{
	static const uint64_t words[] = {0x7ffffffffffff001, 0xfffffffffffff001,
					 0x7ffffffffffff007};
	for (size_t i = 0; i < COUNT(words); i++) {
		struct amd_command command = {{0, words[i]}};
		uint64_t first = 1, last = 1;
		amd_command_range(&command, &first, &last);
		ck_assert_uint_eq(first, 0);
		ck_assert_uint_eq(last, ALL);
	}
	/* Without S the same address is one page. */
	struct amd_command page = {{0, 0x7ffffffffffff000}};
	uint64_t first, last;
	amd_command_range(&page, &first, &last);
	ck_assert_uint_eq(first, 0x7ffffffffffff000);
	ck_assert_uint_eq(last, 0x7fffffffffffffff);
}
END_TEST

static uint64_t random_state = SEED;

static uint64_t random_word(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* The smallest aligned block of pages, a power of two, that holds both ends. */
START_TEST(a_coded_range_is_the_smallest_block_that_holds_it)
{
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t a = random_word(), b = a ^ (random_word() >> random_word() % 64);
		uint64_t from = a < b ? a : b, to = a < b ? b : a, size = 4096, first, last;
		while (size < 1ULL << 53 && from / size != to / size)
			size *= 2;
		bool all = size == 1ULL << 53;
		struct amd_command command = amd_command_invalidate_pages(1, from, to, i & 1);
		amd_command_range(&command, &first, &last);
		uint64_t wanted = all ? 0 : from / size * size;
		ck_assert_msg(first == wanted && last == (all ? ALL : wanted + size - 1),
			      "seed %u, %u: [%lx, %lx] covers [%lx, %lx]", SEED, i, from, to, first,
			      last);
		ck_assert_uint_eq(command.q[1] & 0xffe, i & 1 ? 2 : 0);
	}
}
END_TEST

/* --- device table [10], of 256 bits --- */

#define IN_Q(word, mask, high, low)                                \
	{                                                          \
#mask, mask, (high)-64 * (word), (low)-64 * (word) \
	}

START_TEST(fields_of_a_device_table_entry_lie_where_the_table_says)
{
	static const struct field fields[] = {
		IN_Q(0, DTE_V, 0, 0),           IN_Q(0, DTE_TV, 1, 1),
		IN_Q(0, DTE_MODE, 11, 9),       IN_Q(0, DTE_ROOT, 51, 12),
		IN_Q(0, DTE_PPR, 52, 52),       IN_Q(0, DTE_GIOV, 54, 54),
		IN_Q(0, DTE_GV, 55, 55),        IN_Q(0, DTE_GLX, 57, 56),
		IN_Q(0, DTE_IR, 61, 61),        IN_Q(0, DTE_IW, 62, 62),
		IN_Q(1, DTE_DOMAIN, 79, 64),    IN_Q(1, DTE_I, 96, 96),
		IN_Q(1, DTE_SE, 97, 97),        IN_Q(1, DTE_SA, 98, 98),
		IN_Q(2, DTE_IV, 128, 128),      IN_Q(3, DTE_VIOMMU_EN, 207, 207),
		IN_Q(3, DTE_GDEVICE, 223, 208), IN_Q(3, DTE_GUEST, 239, 224),
	};
	check_fields(fields, COUNT(fields));
	ck_assert_uint_eq(DTE_SIZE, 32);
}
END_TEST

/* tables, seq 77 and 78, 35137, 33530; tables-ats 220. */
START_TEST(captured_device_table_entries_decode)
{
	static const struct {
		uint64_t q0;
		uint64_t q1;
		uint64_t root;
		unsigned mode;
		unsigned domain;
	} rows[] = {
		{0x60000000006d2603, 0x0000000000000002, 0x6d2000, 3, 2},
		{0x60000000031e9c03, 0x000000000000000c, 0x31e9000, 6, 12},
		{0x6000000000000003, 0x0000000000000001, 0, 0, 1}, /* identity */
		{0x6000000000781603, 0x000000010000000b, 0x781000, 3, 11},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_uint_eq(rows[i].q0 & (DTE_V | DTE_TV | DTE_IR | DTE_IW),
				  DTE_V | DTE_TV | DTE_IR | DTE_IW);
		ck_assert_uint_eq(rows[i].q0 & DTE_ROOT, rows[i].root);
		ck_assert_uint_eq(field_get(rows[i].q0, DTE_MODE), rows[i].mode);
		ck_assert_uint_eq(field_get(rows[i].q1, DTE_DOMAIN), rows[i].domain);
		ck_assert_uint_eq(field_get(rows[i].q1, DTE_I), i == 3);
		ck_assert_uint_eq(rows[i].q0 & (DTE_GV | DTE_Q0_RESERVED), 0);
	}
	ck_assert_uint_eq(0x0000000000000001 & (DTE_V | DTE_TV), DTE_V); /* cleared */
	ck_assert_uint_eq(0x20000000001e6013 & DTE_IV, DTE_IV);
}
END_TEST

/* --- tables [11] --- */

START_TEST(fields_of_a_table_entry_lie_where_the_table_says)
{
	static const struct field fields[] = {
		F(PTE_PR, 0, 0),   F(PTE_NEXT, 11, 9), F(PTE_ADDR, 51, 12),
		F(PTE_FC, 60, 60), F(PTE_IR, 61, 61),  F(PTE_IW, 62, 62),
	};
	static const unsigned bits[] = {21, 30, 39, 48, 57}; /* of modes 1 to 5 */
	check_fields(fields, COUNT(fields));
	ck_assert_uint_eq(PTE_RESERVED, 0x81f0000000000000);
	ck_assert_uint_eq(amd_level_shift(1), 12);
	for (unsigned mode = 1; mode <= 5; mode++)
		ck_assert_uint_eq(amd_level_shift(mode + 1), bits[mode - 1]);
}
END_TEST

/* --- events [13] --- */

START_TEST(events_have_the_names_and_fields_of_the_table)
{
	static const char *const names[16] = {
		[1] = "ILLEGAL_DEV_TABLE_ENTRY", [2] = "IO_PAGE_FAULT",
		[3] = "DEV_TAB_HARDWARE_ERROR",  [4] = "PAGE_TAB_HARDWARE_ERROR",
		[5] = "ILLEGAL_COMMAND_ERROR",   [6] = "COMMAND_HARDWARE_ERROR",
		[7] = "IOTLB_INV_TIMEOUT",       [8] = "INVALID_DEVICE_REQUEST",
		[9] = "INVALID_PPR_REQUEST",     [11] = "GUEST_EVENT_FAULT",
		[12] = "VIOMMU_HARDWARE_ERROR",
	};
	static const struct field fields[] = {
		F(EVT_CODE, 32 + 31, 32 + 28),
		F(EVT_DEVICE, 15, 0),
		F(EVT_DOMAIN, 32 + 15, 32),
		F(EVT_PASID_19_16, 19, 16),
		F(EVT_PASID_15_0, 32 + 15, 32),
		F(EVT_GN, 32 + 16, 32 + 16),
		F(EVT_NX, 32 + 17, 32 + 17),
		F(EVT_US, 32 + 18, 32 + 18),
		F(EVT_I, 32 + 19, 32 + 19),
		F(EVT_PR, 32 + 20, 32 + 20),
		F(EVT_RW, 32 + 21, 32 + 21),
		F(EVT_PE, 32 + 22, 32 + 22),
		F(EVT_RZ, 32 + 23, 32 + 23),
		F(EVT_TR, 32 + 24, 32 + 24),
		F(EVT_TYPE, 32 + 26, 32 + 25),
		F(EVT_REQUEST_TYPE, 32 + 27, 32 + 25),
		F(EVT_PPR_PASID_15_0, 31, 16),
		F(EVT_PPR_TAG, 32 + 9, 32),
		F(EVT_PPR_PASID_19_16, 32 + 13, 32 + 10),
		F(EVT_PPR_RX, 32 + 16, 32 + 16),
		F(EVT_PPR_GN, 32 + 25, 32 + 25),
		F(EVT_VNR, 27, 27),
		F(EVT_VEVENT, 29, 29),
		F(EVT_VPPR, 30, 30),
		F(EVT_VCMD, 31, 31),
	};
	check_fields(fields, COUNT(fields));
	for (unsigned code = 0; code < 16; code++)
		ck_assert_pstr_eq(amd_event_name(code), names[code]);
	ck_assert_ptr_null(amd_event_name(16));
	ck_assert_uint_eq(EVT_TYPE_MASTER_ABORT, 1);
	ck_assert_uint_eq(EVT_TYPE_TARGET_ABORT, 2);
	ck_assert_uint_eq(EVT_TYPE_DATA_ERROR, 3);
}
END_TEST

/* events, seq 35161: code and device; its flags are no reference. */
START_TEST(a_captured_event_decodes)
{
	uint64_t q0 = 0x200a000000000028;
	ck_assert_uint_eq(field_get(q0, EVT_CODE), EVENT_IO_PAGE_FAULT);
	ck_assert_uint_eq(field_get(q0, EVT_DEVICE), 0x28);
	ck_assert_uint_eq(field_get(q0, EVT_DOMAIN), 0);
}
END_TEST

/* --- registers [2 to 5] --- */

START_TEST(fields_of_registers_lie_where_the_tables_say)
{
	static const struct field fields[] = {
		F(DEV_TABLE_SIZE, 8, 0),
		F(DEV_TABLE_ADDR, 51, 12),
		F(RING_ADDR, 51, 12),
		F(RING_LENGTH, 59, 56),
		F(RING_POINTER, 18, 4),
		F(CONTROL_IOMMU_EN, 0, 0),
		F(CONTROL_EVENT_LOG_EN, 2, 2),
		F(CONTROL_EVENT_INT_EN, 3, 3),
		F(CONTROL_COMWAIT_INT_EN, 4, 4),
		F(CONTROL_INV_TIMEOUT, 7, 5),
		F(CONTROL_CMD_BUF_EN, 12, 12),
		F(CONTROL_PPR_LOG_EN, 13, 13),
		F(CONTROL_GT_EN, 16, 16),
		F(CONTROL_GA_EN, 17, 17),
		F(CONTROL_VCMD_EN, 52, 52),
		F(CONTROL_VIOMMU_EN, 53, 53),
		F(CONTROL_GCR3_TRP, 58, 58),
		F(CONTROL_GST_BUFFER_TRP, 60, 60),
		F(STATUS_EVENT_OVERFLOW, 0, 0),
		F(STATUS_EVENT_INT, 1, 1),
		F(STATUS_COMWAIT_INT, 2, 2),
		F(STATUS_EVENT_LOG_RUN, 3, 3),
		F(STATUS_CMD_BUF_RUN, 4, 4),
		F(EFR_PREFETCH, 0, 0),
		F(EFR_PPR, 1, 1),
		F(EFR_GT, 4, 4),
		F(EFR_IA, 6, 6),
		F(EFR_GA, 7, 7),
		F(EFR_HATS, 11, 10),
		F(EFR_GATS, 13, 12),
		F(EFR_GLX, 15, 14),
		F(EFR_PASMAX, 36, 32),
		F(EFR_GIO, 48, 48),
		F(EFR_VIOMMU, 55, 55),
		F(EFR2_GCR3_TRP, 3, 3),
	};
	check_fields(fields, COUNT(fields));
	ck_assert_uint_eq(STATUS_W1C, 0x68e67);
	ck_assert_uint_eq(INV_TIMEOUT_1S, 4);
}
END_TEST

/* registers; and those of an EPYC 7542 [3, 5]. */
START_TEST(registers_of_machines_decode)
{
	ck_assert_uint_eq(field_get(0x00000000001f0007, DEV_TABLE_SIZE), 7);
	ck_assert_uint_eq(0x00000000001f0007 & DEV_TABLE_ADDR, 0x1f0000);
	ck_assert_uint_eq(field_get(0x09000000001e2000, RING_LENGTH), 9);
	ck_assert_uint_eq(0x09000000001e2000 & RING_ADDR, 0x1e2000);
	ck_assert_uint_eq(field_get(0x1040, RING_POINTER), 0x104);
	ck_assert_uint_eq(0x18, STATUS_EVENT_LOG_RUN | STATUS_CMD_BUF_RUN);
	uint64_t control = 0x000c00000003148f, epyc = 0x000c22003203f48d;
	uint64_t on = CONTROL_IOMMU_EN | CONTROL_EVENT_LOG_EN | CONTROL_EVENT_INT_EN |
		      CONTROL_CMD_BUF_EN | CONTROL_GT_EN | CONTROL_GA_EN;
	ck_assert_uint_eq(control & on, on);
	ck_assert_uint_eq(epyc & on, on);
	ck_assert_uint_eq(field_get(control, CONTROL_INV_TIMEOUT), INV_TIMEOUT_1S);
	ck_assert_uint_eq(field_get(epyc, CONTROL_INV_TIMEOUT), INV_TIMEOUT_1S);
	ck_assert_uint_eq(epyc & (CONTROL_VCMD_EN | CONTROL_VIOMMU_EN), 0);
	uint64_t efr = 0x058f77ef22294ade, has = EFR_PPR | EFR_GT | EFR_IA | EFR_GA | EFR_VIOMMU;
	ck_assert_uint_eq(efr & (has | EFR_PREFETCH), has);
	ck_assert_uint_eq(field_get(efr, EFR_HATS), 2);
	ck_assert_uint_eq(field_get(efr, EFR_GATS), 0);
	ck_assert_uint_eq(field_get(efr, EFR_GLX), 1);
	ck_assert_uint_eq(field_get(efr, EFR_PASMAX), 15);
}
END_TEST

START_TEST(registers_have_the_offsets_of_the_tables)
{
	static const uint32_t pairs[][2] = {
		{AMD_DEV_TABLE, 0x0000},    {AMD_CMD_BASE, 0x0008},    {AMD_EVENT_BASE, 0x0010},
		{AMD_CONTROL, 0x0018},      {AMD_EXCL_BASE, 0x0020},   {AMD_EXCL_LIMIT, 0x0028},
		{AMD_EFR, 0x0030},          {AMD_PPR_BASE, 0x0038},    {AMD_PPR_B_BASE, 0x00f0},
		{AMD_EVENT_B_BASE, 0x00f8}, {AMD_EFR2, 0x01a0},        {AMD_CMD_HEAD, 0x2000},
		{AMD_CMD_TAIL, 0x2008},     {AMD_EVENT_HEAD, 0x2010},  {AMD_EVENT_TAIL, 0x2018},
		{AMD_STATUS, 0x2020},       {AMD_PPR_HEAD, 0x2030},    {AMD_PPR_TAIL, 0x2038},
		{VFCNTL_DEVICE_MAP, 0x00},  {VFCNTL_DOMAIN_MAP, 0x08}, {VFCNTL_MISC, 0x10},
		{VFCNTL_EVENT_B, 0x18},     {VFCNTL_COMMAND, 0x20},    {VFCNTL_EVENT, 0x28},
		{VFCNTL_PPR, 0x30},         {VFCNTL_PPR_B, 0x38},      {VF_STRIDE, 0x1000},
		{VFCNTL_STRIDE, 0x40},
	};
	for (size_t i = 0; i < COUNT(pairs); i++)
		ck_assert_uint_eq(pairs[i][0], pairs[i][1]);
	ck_assert_uint_eq(VF_WINDOW_SIZE, (uint64_t)GUESTS_MAX * VF_STRIDE);
	ck_assert_uint_eq(VFCNTL_WINDOW_SIZE, (uint64_t)GUESTS_MAX * VFCNTL_STRIDE);
}
END_TEST

/* [V 5, 7] */
START_TEST(fields_of_vfcntl_registers_lie_where_the_table_says)
{
	static const struct field fields[] = {
		F(MAP_WRITE, 63, 63),    F(MAP_GUEST, 61, 46),          F(MAP_HOST, 29, 14),
		F(MAP_VALID, 0, 0),      F(MISC_TRANS_DEVICE, 31, 16),  F(GUEST_CMD_LENGTH, 3, 0),
		F(GUEST_CMD_EN, 8, 8),   F(GUEST_CMD_COMWAIT_EN, 9, 9), F(GUEST_EVENT_LENGTH, 3, 0),
		F(GUEST_EVENT_EN, 8, 8), F(GUEST_EVENT_INT_EN, 9, 9),   F(GUEST_BASE, 51, 12),
	};
	check_fields(fields, COUNT(fields));
	ck_assert_uint_eq(IPA_DEVICE_MAPS, 0x1000000000);
	ck_assert_uint_eq(DEVICE_MAP_SIZE, 65536 * DEVICE_MAP_ENTRY);
	ck_assert_uint_eq(DEVICE_MAP_ENTRY, 16);
	ck_assert_uint_eq(IPA_DOMAIN_MAPS, 0x2000000000);
	ck_assert_uint_eq(DOMAIN_MAP_SIZE, 65536 * DOMAIN_MAP_ENTRY);
	ck_assert_uint_eq(DOMAIN_MAP_ENTRY, 8);
	ck_assert_uint_ge(IPA_MMIO_STATE_SIZE, 0x400000 + 0x2000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_spec");
	TCase *tests = tcase_create("amd_spec");
	tcase_add_test(tests, commands_are_those_that_linux_wrote);
	tcase_add_test(tests, commands_of_no_capture_have_the_fields_of_the_table);
	tcase_add_test(tests, commands_lie_little_endian_in_memory);
	tcase_add_test(tests, fields_of_commands_lie_where_the_table_says);
	tcase_add_test(tests, opcodes_have_the_names_of_the_table);
	tcase_add_test(tests, opcodes_need_the_features_of_the_sheet);
	tcase_add_test(tests, reserved_bits_of_commands_are_those_of_the_sheet);
	tcase_add_test(tests, ranges_are_coded_as_linux_does);
	tcase_add_test(tests, ranges_at_the_limits_are_coded_as_the_sheet_says);
	tcase_add_test(tests, both_ways_to_say_everything_mean_it);
	tcase_add_test(tests, a_coded_range_is_the_smallest_block_that_holds_it);
	tcase_add_test(tests, fields_of_a_device_table_entry_lie_where_the_table_says);
	tcase_add_test(tests, captured_device_table_entries_decode);
	tcase_add_test(tests, fields_of_a_table_entry_lie_where_the_table_says);
	tcase_add_test(tests, events_have_the_names_and_fields_of_the_table);
	tcase_add_test(tests, a_captured_event_decodes);
	tcase_add_test(tests, fields_of_registers_lie_where_the_tables_say);
	tcase_add_test(tests, registers_of_machines_decode);
	tcase_add_test(tests, registers_have_the_offsets_of_the_tables);
	tcase_add_test(tests, fields_of_vfcntl_registers_lie_where_the_table_says);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
