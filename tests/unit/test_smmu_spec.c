/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodings against golden bytes: lines of captures of the Linux driver, and vectors of the sheets.
 *
 * A captured command carries range fields (RIL) that this driver does not use: they are masked out.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"
#include "tests/kit/run.h"

/* NUM and SCALE in dw0, TTL and TG in dw1 (smmuv3 3.1). */
#define RANGE_DW0 (BITS(16, 12) | BITS(25, 20))
#define RANGE_DW1 (BITS(9, 8) | BITS(11, 10))

struct golden {
	const char *name;
	uint64_t dw0;
	uint64_t dw1;
	struct smmu_command built;
};

static void check_goldens(const struct golden *goldens, size_t count, uint64_t mask0,
			  uint64_t mask1)
{
	for (size_t i = 0; i < count; i++) {
		const struct golden *golden = &goldens[i];
		ck_assert_msg(golden->built.dw[0] == (golden->dw0 & ~mask0) &&
				      golden->built.dw[1] == (golden->dw1 & ~mask1),
			      "%s %zu: %016lx %016lx, expected %016lx %016lx", golden->name, i,
			      golden->built.dw[0], golden->built.dw[1], golden->dw0, golden->dw1);
		ck_assert_str_eq(command_name(command_opcode(&golden->built)), golden->name);
	}
}

#define CHECK_GOLDENS(goldens, mask0, mask1) \
	check_goldens(goldens, sizeof(goldens) / sizeof((goldens)[0]), mask0, mask1)

/* Whole words: the first lines of the capture of a stage-2 SMMU. */
START_TEST(set_up_commands_are_those_that_linux_wrote)
{
	const struct golden goldens[] = {
		{"CFGI_STE_RANGE", 0x0000000000000004, 0x000000000000001f, command_cfgi_all()},
		{"CMD_SYNC", 0x000000000fc02046, 0, command_sync(SYNC_CS_SEV)},
		{"TLBI_NSNH_ALL", 0x0000000000000030, 0, command_tlbi_nsnh_all()},
		{"CFGI_STE", 0x0000000000000003, 1, command_cfgi_ste(0, 1)},
		{"CFGI_STE", 0x0000000800000003, 1, command_cfgi_ste(0x8, 1)},
		{"CFGI_STE", 0x0000001000000003, 1, command_cfgi_ste(0x10, 1)},
		{"CFGI_STE", 0x0000002000000003, 1, command_cfgi_ste(0x20, 1)},
	};
	CHECK_GOLDENS(goldens, 0, 0);
}
END_TEST

START_TEST(invalidations_of_a_vmid_are_those_that_linux_wrote)
{
	const struct golden goldens[] = {
		{"TLBI_S12_VMALL", 0x0000000400000028, 0, command_tlbi_s12_vmall(4)},
		{"TLBI_NH_ASID", 0x0004000000000011, 0, command_tlbi_nh_asid(0, 4)},
	};
	CHECK_GOLDENS(goldens, 0, 0);
}
END_TEST

START_TEST(invalidations_by_ipa_are_those_that_linux_wrote)
{
	const struct golden goldens[] = {
		{"TLBI_S2_IPA", 0x000000080000002a, 0x00000000ffffc701,
		 command_tlbi_s2_ipa(8, 0xffffc000, 1)},
		{"TLBI_S2_IPA", 0x000000080000002a, 0x00000000fff5f701,
		 command_tlbi_s2_ipa(8, 0xfff5f000, 1)},
		{"TLBI_S2_IPA", 0x000000080040002a, 0x00000000fffa0701,
		 command_tlbi_s2_ipa(8, 0xfffa0000, 1)},
		{"TLBI_S2_IPA", 0x000000060000002a, 0x00000000ffff5701,
		 command_tlbi_s2_ipa(6, 0xffff5000, 1)},
		{"TLBI_S2_IPA", 0x000000080050002a, 0x00000000fff80701,
		 command_tlbi_s2_ipa(8, 0xfff80000, 1)},
	};
	CHECK_GOLDENS(goldens, RANGE_DW0, RANGE_DW1);
}
END_TEST

START_TEST(invalidations_by_va_are_those_that_linux_wrote)
{
	const struct golden goldens[] = {
		{"TLBI_NH_VA", 0x0008000000000012, 0x00000000ffffc701,
		 command_tlbi_nh_va(0, 8, 0xffffc000, 1)},
		{"TLBI_NH_VA", 0x0004000000100012, 0x00000000ffef8701,
		 command_tlbi_nh_va(0, 4, 0xffef8000, 1)},
		{"TLBI_NH_VA", 0x0009000000000012, 0x00000000fff75701,
		 command_tlbi_nh_va(0, 9, 0xfff75000, 1)},
	};
	CHECK_GOLDENS(goldens, RANGE_DW0, RANGE_DW1);
}
END_TEST

/* From the table of commands: no capture has them. */
START_TEST(commands_of_no_capture_have_the_fields_of_the_table)
{
	const struct golden goldens[] = {
		{"TLBI_NH_ALL", 0x0000123400000010, 0, command_tlbi_nh_all(0x1234)},
		{"TLBI_NH_ASID", 0x0051006300000011, 0, command_tlbi_nh_asid(0x63, 0x51)},
		{"TLBI_NH_VA", 0xabcd006300000012, 0xfffff00012345000,
		 command_tlbi_nh_va(0x63, 0xabcd, 0xfffff00012345678, 0)},
		{"ATC_INV", 0x0000010000000040, 0x0000000012345003,
		 command_atc_inv(0x100, 0x12345678, 3)},
		{"ATC_INV", 0x0000001000000040, 52, command_atc_inv(0x10, 0, ATC_SIZE_ALL)},
	};
	CHECK_GOLDENS(goldens, 0, 0);
}
END_TEST

/* tegra241-cmdqv 13: CS = NONE as Linux writes it in a VCMDQ. */
START_TEST(sync_of_a_vcmdq_completes_without_a_signal)
{
	struct smmu_command sync = command_sync(SYNC_CS_NONE);
	ck_assert_uint_eq(sync.dw[0], 0x0fc00046);
	ck_assert_uint_eq(sync.dw[1], 0);
	ck_assert_uint_eq(command_sync(SYNC_CS_IRQ).dw[0], 0x0fc01046);
}
END_TEST

START_TEST(commands_lie_little_endian_in_memory)
{
	static const uint8_t golden[COMMAND_SIZE] = {0x12, 0, 0, 0,    0x63, 0, 0x51, 0,
						     0x01, 0, 0, 0x40, 0,    0, 0,    0};
	struct smmu_command command = command_tlbi_nh_va(0x63, 0x51, 0x40000000, 1);
	uint8_t bytes[COMMAND_SIZE];
	command_store(bytes, &command);
	ck_assert_mem_eq(bytes, golden, sizeof(golden));
	struct smmu_command loaded = command_load(golden);
	ck_assert_mem_eq(&loaded, &command, sizeof(command));
}
END_TEST

/* Lines of both captures, field by field. */
START_TEST(captured_commands_decode)
{
	static const struct {
		struct smmu_command command;
		const char *name;
		uint64_t address;
		unsigned sid;
		unsigned vmid;
		unsigned asid;
		unsigned leaf;
	} rows[] = {
		{{{0x0000001800000001, 0}}, "PREFETCH_CONFIG", 0, 0x18, 0x18, 0, 0},
		{{{0x0000001800000005, 1}}, "CFGI_CD", 0, 0x18, 0x18, 0, 1},
		{{{0x0000010000000003, 1}}, "CFGI_STE", 0, 0x100, 0x100, 0, 1},
		{{{0x0000000400000028, 0}}, "TLBI_S12_VMALL", 0, 4, 4, 0, 0},
		{{{0x000000040010002a, 0xffd8e701}}, "TLBI_S2_IPA", 0xffd8e000, 4, 4, 0, 1},
		{{{0x0004000000100012, 0xffef8701}}, "TLBI_NH_VA", 0xffef8000, 0x40000, 0, 4, 1},
		{{{0x0004000000000011, 0}}, "TLBI_NH_ASID", 0, 0x40000, 0, 4, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t dw0 = rows[i].command.dw[0], dw1 = rows[i].command.dw[1];
		ck_assert_str_eq(command_name(command_opcode(&rows[i].command)), rows[i].name);
		ck_assert_uint_eq(field_get(dw0, CMD_SID), rows[i].sid);
		ck_assert_uint_eq(field_get(dw0, CMD_VMID), rows[i].vmid);
		ck_assert_uint_eq(field_get(dw0, CMD_ASID), rows[i].asid);
		ck_assert_uint_eq(dw1 & CMD_ADDR, rows[i].address);
		ck_assert_uint_eq(field_get(dw1, CMD_LEAF), rows[i].leaf);
	}
}
END_TEST

/* smmuv3 3.1, 3.2: each field in its bits, alone. */
START_TEST(fields_of_commands_have_the_bits_of_the_table)
{
	static const struct {
		uint64_t field;
		unsigned high;
		unsigned low;
	} rows[] = {
		{CMD_OPCODE, 7, 0},         {CMD_SSEC, 10, 10},
		{CMD_SSV, 11, 11},          {CMD_SSID, 31, 12},
		{CMD_SID, 63, 32},          {CMD_VMID, 47, 32},
		{CMD_ASID, 63, 48},         {CMD_SYNC_CS, 13, 12},
		{CMD_SYNC_MSH, 23, 22},     {CMD_SYNC_MSIATTR, 27, 24},
		{CMD_SYNC_MSIDATA, 63, 32}, {CMD_ATC_GLOBAL, 9, 9},
		{CMD_LEAF, 0, 0},           {CMD_CFGI_RANGE, 4, 0},
		{CMD_ATC_SIZE, 5, 0},       {CMD_ADDR, 63, 12},
		{CMD_SYNC_MSIADDR, 55, 2},  {CMD_PREFETCH_NS, 9, 9},
		{CMD_PREFETCH_RANGE, 9, 0}, {CMD_TLBI_RANGE1, 11, 8},
		{CMD_PRI_GROUP, 8, 0},      {CMD_PRI_RESP_CODE, 13, 12},
		{CMD_RESUME_AC, 12, 12},    {CMD_RESUME_AB, 13, 13},
		{CMD_RESUME_STAG, 15, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t bits = 0;
		for (unsigned bit = rows[i].low; bit <= rows[i].high; bit++)
			bits |= 1ULL << bit;
		ck_assert_msg(rows[i].field == bits, "row %zu: %lx", i, rows[i].field);
	}
	ck_assert_uint_eq(CMD_TLBI_RANGE0, RANGE_DW0);
}
END_TEST

#define S1    COMMAND_NEEDS_STAGE1
#define S2    COMMAND_NEEDS_STAGE2
#define ATS   COMMAND_NEEDS_ATS
#define STALL COMMAND_NEEDS_STALL
#define PRI   COMMAND_NEEDS_PRI
#define HYP   COMMAND_NEEDS_HYP
#define G     COMMAND_GUEST_LEGAL
#define GV    (COMMAND_GUEST_LEGAL | COMMAND_GUEST_VMID)
#define UV    (COMMAND_GUEST_UNSURE | COMMAND_GUEST_VMID)

/* smmuv3 3.2: operands, and what makes it illegal; tegra241-cmdqv 7.2: what a guest may send. */
static const struct {
	unsigned opcode;
	unsigned needs;
	unsigned guest;
	uint64_t used[2];
} rules[] = {
	{0x01, 0, 0, {0xfffffffffffff8ff, 0}},
	{0x02, 0, 0, {0xfffffffffffffaff, 0xfffffffffffff3ff}},
	{0x03, 0, 0, {0xffffffff000000ff, 0x1}},
	{0x04, 0, 0, {0xffffffff000000ff, 0x1f}},
	{0x05, S1, 0, {0xfffffffffffff0ff, 0x1}},
	{0x06, S1, 0, {0xffffffff000000ff, 0}},
	{0x10, S1, 0, {0x0000ffff000000ff, 0}},
	{0x11, S1, GV, {0xffffffff000000ff, 0}},
	{0x12, S1, GV, {0xffffffff03f1f0ff, 0xffffffffffffff01}},
	{0x13, S1, 0, {0x0000ffff03f1f0ff, 0xffffffffffffff01}},
	{0x20, HYP, 0, {0x00000000000000ff, 0}},
	{0x21, HYP, 0, {0xffff0000000000ff, 0}},
	{0x22, HYP, 0, {0xffff000003f1f0ff, 0xffffffffffffff01}},
	{0x23, HYP, 0, {0x0000000003f1f0ff, 0xffffffffffffff01}},
	{0x28, S2, UV, {0x0000ffff000000ff, 0}},
	{0x2a, S2, UV, {0x0000ffff03f1f0ff, 0x000fffffffffff01}},
	{0x30, 0, 0, {0x00000000000000ff, 0}},
	{0x40, ATS, G, {0xfffffffffffffaff, 0xfffffffffffff03f}},
	{0x41, PRI, 0, {0xfffffffffffff8ff, 0x31ff}},
	{0x44, STALL, 0, {0xffffffff000030ff, 0xffff}},
	{0x45, STALL, 0, {0xffffffff000000ff, 0}},
	{0x46, 0, G, {0xffffffff0fc030ff, 0x00fffffffffffffc}},
};
#define RULES (sizeof(rules) / sizeof(rules[0]))

START_TEST(rules_of_commands_are_those_of_the_tables)
{
	for (size_t i = 0; i < RULES; i++) {
		const struct command_rules *known = &command_rules[rules[i].opcode];
		ck_assert_ptr_nonnull(known->name);
		ck_assert_msg(known->needs == rules[i].needs, "%x", rules[i].opcode);
		ck_assert_msg(known->guest == rules[i].guest, "%x", rules[i].opcode);
	}
}
END_TEST

START_TEST(operands_of_commands_are_those_of_the_table)
{
	for (size_t i = 0; i < RULES; i++) {
		const uint64_t *used = command_rules[rules[i].opcode].used;
		ck_assert_msg(used[0] == rules[i].used[0], "%x: %lx", rules[i].opcode, used[0]);
		ck_assert_msg(used[1] == rules[i].used[1], "%x: %lx", rules[i].opcode, used[1]);
	}
}
END_TEST

START_TEST(only_opcodes_of_the_table_have_names)
{
	unsigned named = 0;
	for (unsigned opcode = 0; opcode < 256; opcode++)
		named += command_name(opcode) != NULL;
	ck_assert_uint_eq(named, RULES);
	ck_assert_str_eq(command_name(0x46), "CMD_SYNC");
	ck_assert_str_eq(command_name(0x13), "TLBI_NH_VAA");
}
END_TEST

/* The lines "STE 0000 ..." of the capture, at OAS 44. */
START_TEST(stage2_stream_table_entry_is_the_one_that_linux_wrote)
{
	uint64_t dw2 = field_put(STE_S2VMID, 1) | field_put(STE_S2T0SZ, 64 - 44) |
		       field_put(STE_S2SL0, 2) | field_put(STE_S2IR0, 1) | field_put(STE_S2OR0, 1) |
		       field_put(STE_S2SH0, 3) | field_put(STE_S2PS, 4) | STE_S2AA64 | STE_S2PTW |
		       STE_S2R;
	ck_assert_uint_eq(STE_V | field_put(STE_CONFIG, STE_CONFIG_S2), 0x000000000000000d);
	ck_assert_uint_eq(dw2, 0x044c359400000001);
	ck_assert_uint_eq(0x436e0000 & STE_S2TTB, 0x00000000436e0000);
	/* "STE 0018 .. 0 0000000000000009", "STE 0020 .. 0 0000000000000001". */
	ck_assert_uint_eq(STE_V | field_put(STE_CONFIG, STE_CONFIG_BYPASS), 0x9);
	ck_assert_uint_eq(STE_V | field_put(STE_CONFIG, STE_CONFIG_ABORT), 0x1);
	ck_assert_uint_eq(field_put(STE_EATS, 1) | field_put(STE_SHCFG, 1), 0x100010000000);
	/* Streams 0000 and 0008. */
	ck_assert_uint_eq(8 * STE_SIZE, 0x42954210 - 0x42954010);
}
END_TEST

/* smmuv3 4.2. */
START_TEST(fields_of_stream_table_entries_have_the_bits_of_the_table)
{
	static const struct {
		uint64_t field;
		unsigned high;
		unsigned low;
	} rows[] = {
		{STE_V, 0, 0},        {STE_CONFIG, 3, 1},        {STE_EATS, 29, 28},
		{STE_SHCFG, 45, 44},  {STE_S2VMID, 15, 0},       {STE_S2T0SZ, 37, 32},
		{STE_S2SL0, 39, 38},  {STE_S2IR0, 41, 40},       {STE_S2OR0, 43, 42},
		{STE_S2SH0, 45, 44},  {STE_S2TG, 47, 46},        {STE_S2PS, 50, 48},
		{STE_S2AA64, 51, 51}, {STE_S2ENDI, 52, 52},      {STE_S2SL0_2, 2, 2},
		{STE_S2DS, 3, 3},     {STE_S2AFFD, 53, 53},      {STE_S2PTW, 54, 54},
		{STE_S2HD, 55, 55},   {STE_S2HA, 56, 56},        {STE_S2S, 57, 57},
		{STE_S2R, 58, 58},    {STE_S2TTB, 55, 4},        {STE_S1CONTEXTPTR, 55, 6},
		{L1STD_L2PTR, 55, 6}, {STRTAB_BASE_ADDR, 55, 6}, {QUEUE_BASE_ADDR, 55, 5},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(rows[i].field ==
				      (~0ULL >> (63 - rows[i].high) >> rows[i].low << rows[i].low),
			      "row %zu: %lx", i, rows[i].field);
}
END_TEST

/* From the page tables in the capture's core. */
START_TEST(stage2_descriptors_are_those_that_linux_wrote)
{
	uint64_t leaf = PTE_VALID | PTE_AF | field_put(PTE_SH, PTE_SH_INNER);
	uint64_t memory = leaf | field_put(PTE_S2_MEMATTR, PTE_MEMATTR_WB);
	ck_assert_uint_eq(0x435a1000 | PTE_VALID | PTE_TABLE, 0x435a1003);
	ck_assert_uint_eq(0x4340e000 | memory | PTE_TABLE | PTE_S2_READ | PTE_S2_WRITE, 0x4340e7ff);
	ck_assert_uint_eq(0x42b54000 | memory | PTE_TABLE | PTE_S2_WRITE, 0x42b547bf);
	ck_assert_uint_eq(0x41900000 | memory | PTE_TABLE | PTE_S2_READ, 0x4190077f);
	ck_assert_uint_eq(0x40000000 | memory | PTE_S2_READ | PTE_S2_WRITE, 0x400007fd);
	ck_assert_uint_eq(field_get(0x60000008090687, PTE_S2_MEMATTR), 1);
	ck_assert_uint_eq(0x60000008090687 & PTE_ADDR, 0x8090000);
}
END_TEST

START_TEST(event_records_have_the_fields_that_linux_read)
{
	uint64_t dw0 = 0x0000002000000013, dw1 = 0x0000028000000000;
	ck_assert_uint_eq(field_get(dw0, EVT_ID), EVT_F_PERMISSION);
	ck_assert_uint_eq(field_get(dw0, EVT_SID), 0x20);
	ck_assert_uint_eq(dw1, EVT_S2 | field_put(EVT_CLASS, EVT_CLASS_IN));
	/* A read: F_TRANSLATION of the same stream. */
	ck_assert_uint_eq(field_get(0x0000002000000010, EVT_ID), EVT_F_TRANSLATION);
	ck_assert_uint_eq(0x0000028800000000,
			  EVT_S2 | EVT_RNW | field_put(EVT_CLASS, EVT_CLASS_IN));
}
END_TEST

/* smmuv3 6.1, 6.2. */
START_TEST(events_have_the_numbers_and_fields_of_the_tables)
{
	static const struct {
		unsigned id;
		const char *name;
	} rows[] = {{0x02, "C_BAD_STREAMID"},     {0x03, "F_STE_FETCH"},
		    {0x04, "C_BAD_STE"},          {0x05, "F_BAD_ATS_TREQ"},
		    {0x07, "F_TRANSL_FORBIDDEN"}, {0x06, "F_STREAM_DISABLED"},
		    {0x08, "C_BAD_SUBSTREAMID"},  {0x09, "F_CD_FETCH"},
		    {0x0a, "C_BAD_CD"},           {0x0b, "F_WALK_EABT"},
		    {0x10, "F_TRANSLATION"},      {0x11, "F_ADDR_SIZE"},
		    {0x12, "F_ACCESS"},           {0x13, "F_PERMISSION"}};
	unsigned named = 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_str_eq(event_name(rows[i].id), rows[i].name);
	for (unsigned id = 0; id < 256; id++)
		named += event_name(id) != NULL;
	ck_assert_uint_eq(named, sizeof(rows) / sizeof(rows[0]));
	ck_assert_uint_eq(EVT_SID, 0xffffffff00000000);
	ck_assert_uint_eq(EVT_RNW, 1ULL << 35);
	ck_assert_uint_eq(EVT_S2, 1ULL << 39);
	ck_assert_uint_eq(EVT_CLASS, 3ULL << 40);
	ck_assert_uint_eq(EVT_CLASS_IN, 2);
	ck_assert_uint_eq(EVENT_SIZE, 32);
}
END_TEST

/* smmuv3 1.2. */
START_TEST(registers_are_those_of_the_table)
{
	static const struct {
		const char *name;
		uint32_t offset;
		unsigned width;
		enum register_access access;
	} rows[] = {
		{"IDR0", 0x00, 4, REGISTER_RO},
		{"IDR1", 0x04, 4, REGISTER_RO},
		{"IDR5", 0x14, 4, REGISTER_RO},
		{"IIDR", 0x18, 4, REGISTER_RO},
		{"AIDR", 0x1c, 4, REGISTER_RO},
		{"CR0", 0x20, 4, REGISTER_RW},
		{"CR0ACK", 0x24, 4, REGISTER_RO},
		{"CR1", 0x28, 4, REGISTER_RW},
		{"CR2", 0x2c, 4, REGISTER_RW},
		{"GBPA", 0x44, 4, REGISTER_RW},
		{"IRQ_CTRL", 0x50, 4, REGISTER_RW},
		{"IRQ_CTRLACK", 0x54, 4, REGISTER_RO},
		{"GERROR", 0x60, 4, REGISTER_RO},
		{"GERRORN", 0x64, 4, REGISTER_RW},
		{"STRTAB_BASE", 0x80, 8, REGISTER_RW},
		{"STRTAB_BASE_CFG", 0x88, 4, REGISTER_RW},
		{"CMDQ_BASE", 0x90, 8, REGISTER_RW},
		{"CMDQ_PROD", 0x98, 4, REGISTER_RW},
		{"CMDQ_CONS", 0x9c, 4, REGISTER_RW},
		{"EVENTQ_BASE", 0xa0, 8, REGISTER_RW},
		{"GERROR_IRQ_CFG0", 0x68, 8, REGISTER_RW},
		{"GERROR_IRQ_CFG1", 0x70, 4, REGISTER_RW},
		{"GERROR_IRQ_CFG2", 0x74, 4, REGISTER_RW},
		{"EVENTQ_IRQ_CFG0", 0xb0, 8, REGISTER_RW},
		{"EVENTQ_IRQ_CFG1", 0xb8, 4, REGISTER_RW},
		{"EVENTQ_IRQ_CFG2", 0xbc, 4, REGISTER_RW},
		{"PRIQ_BASE", 0xc0, 8, REGISTER_RW},
		{"PRIQ_IRQ_CFG0", 0xd0, 8, REGISTER_RW},
		{"PRIQ_IRQ_CFG1", 0xd8, 4, REGISTER_RW},
		{"PRIQ_IRQ_CFG2", 0xdc, 4, REGISTER_RW},
		{"PIDR4", 0xfd0, 4, REGISTER_RO},
		{"PIDR0", 0xfe0, 4, REGISTER_RO},
		{"CIDR0", 0xff0, 4, REGISTER_RO},
		{"CIDR3", 0xffc, 4, REGISTER_RO},
		{"EVENTQ_PROD", 0x100a8, 4, REGISTER_RW},
		{"EVENTQ_CONS", 0x100ac, 4, REGISTER_RW},
		{"PRIQ_PROD", 0x100c8, 4, REGISTER_RW},
		{"PRIQ_CONS", 0x100cc, 4, REGISTER_RW},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t offset, index;
		unsigned width;
		ck_assert(register_by_name(smmu_registers, rows[i].name, &offset, &width));
		ck_assert_msg(offset == rows[i].offset, "%s", rows[i].name);
		ck_assert_msg(width == rows[i].width, "%s", rows[i].name);
		const struct register_row *row = register_find(smmu_registers, offset, &index);
		ck_assert_msg(row->access == rows[i].access, "%s", rows[i].name);
	}
	ck_assert_uint_eq(SMMU_WINDOW_SIZE, 0x20000);
}
END_TEST

/* Values of the capture's register writes. */
START_TEST(registers_have_the_fields_that_linux_used)
{
	/* "00020 4 0000000d", "0002c 4 00000006", "00088 4 00010210" */
	ck_assert_uint_eq(CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN, 0xd);
	ck_assert_uint_eq(0x6 & CR2_RECINVSID, 2);
	ck_assert_uint_eq(field_get(0x00010210, STRTAB_CFG_LOG2SIZE), 16);
	ck_assert_uint_eq(field_get(0x00010210, STRTAB_CFG_FMT), 1);
	/* "00080 8 4000000042945000", "00090 8 4000000042c00012", "000a0 8 4000000043000011" */
	ck_assert_uint_eq(0x4000000042945000 & STRTAB_BASE_ADDR, 0x42945000);
	ck_assert_uint_eq(0x4000000042c00012 & QUEUE_BASE_ADDR, 0x42c00000);
	ck_assert_uint_eq(field_get(0x4000000042c00012, QUEUE_BASE_LOG2SIZE), 18);
	ck_assert_uint_eq(0x4000000043000011 & QUEUE_BASE_ADDR, 0x43000000);
	ck_assert_uint_eq(field_get(0x4000000043000011, QUEUE_BASE_LOG2SIZE), 17);
	/* 1.2, 1.5, 2.1 */
	ck_assert_uint_eq(CR0_ATSCHK, 1 << 4);
	ck_assert_uint_eq(GBPA_ABORT, 1 << 20);
	ck_assert_uint_eq(IRQ_CTRL_GERROR | IRQ_CTRL_EVENTQ, 5);
	ck_assert_uint_eq(GERROR_CMDQ_ERR | GERROR_EVENTQ_ABT_ERR, 5);
	ck_assert_uint_eq(QUEUE_POINTER, 0xfffff);
	ck_assert_uint_eq(CMDQ_CONS_ERR, 0x7f000000);
	ck_assert_uint_eq(QUEUE_OVERFLOW, 0x80000000);
}
END_TEST

START_TEST(id_registers_decode_as_qemus_do)
{
	uint64_t idr0 = 0x0d441019, idr1 = 0x02730010, idr3 = 0x1414, idr5 = 0x74;
	ck_assert_uint_eq(field_get(idr0, IDR0_S2P), 1);
	ck_assert_uint_eq(field_get(idr0, IDR0_S1P), 0);
	ck_assert_uint_eq(field_get(idr0, IDR0_TTF), 2);
	ck_assert_uint_eq(field_get(idr0, IDR0_COHACC), 1);
	ck_assert_uint_eq(field_get(idr0, IDR0_ATS), 0);
	ck_assert_uint_eq(field_get(idr0, IDR0_ASID16), 1);
	ck_assert_uint_eq(field_get(idr0, IDR0_VMID16), 1);
	ck_assert_uint_eq(field_get(idr0, IDR0_TTENDIAN), 2);
	ck_assert_uint_eq(field_get(idr0, IDR0_ST_LEVEL), 1);
	ck_assert_uint_eq(field_get(idr1, IDR1_SIDSIZE), 16);
	ck_assert_uint_eq(field_get(idr1, IDR1_EVENTQS), 19);
	ck_assert_uint_eq(field_get(idr1, IDR1_CMDQS), 19);
	ck_assert_uint_eq(field_get(idr3, IDR3_RIL), 1);
	ck_assert_uint_eq(field_get(idr5, IDR5_OAS), 4);
	ck_assert_uint_eq(field_get(idr5, IDR5_GRAN4K), 1);
}
END_TEST

struct field_row {
	uint64_t field;
	unsigned high;
	unsigned low;
};

static void check_fields(const struct field_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ck_assert_msg(rows[i].field ==
				      (~0ULL >> (63 - rows[i].high) >> rows[i].low << rows[i].low),
			      "row %zu: %lx", i, rows[i].field);
}

/* smmuv3 1.3. */
START_TEST(fields_of_id_registers_have_the_bits_of_the_sheet)
{
	static const struct field_row rows[] = {
		{IDR0_S2P, 0, 0},
		{IDR0_S1P, 1, 1},
		{IDR0_TTF, 3, 2},
		{IDR0_COHACC, 4, 4},
		{IDR0_HTTU, 7, 6},
		{IDR0_HYP, 9, 9},
		{IDR0_ATS, 10, 10},
		{IDR0_NS1ATS, 11, 11},
		{IDR0_ASID16, 12, 12},
		{IDR0_MSI, 13, 13},
		{IDR0_SEV, 14, 14},
		{IDR0_PRI, 16, 16},
		{IDR0_VMW, 17, 17},
		{IDR0_VMID16, 18, 18},
		{IDR0_CD2L, 19, 19},
		{IDR0_TTENDIAN, 22, 21},
		{IDR0_ATSRECERR, 23, 23},
		{IDR0_STALL_MODEL, 25, 24},
		{IDR0_TERM_MODEL, 26, 26},
		{IDR0_ST_LEVEL, 28, 27},
		{IDR1_SIDSIZE, 5, 0},
		{IDR1_SSIDSIZE, 10, 6},
		{IDR1_PRIQS, 15, 11},
		{IDR1_EVENTQS, 20, 16},
		{IDR1_CMDQS, 25, 21},
		{IDR1_ATTR_PERMS_OVR, 26, 26},
		{IDR1_ATTR_TYPES_OVR, 27, 27},
		{IDR1_REL, 28, 28},
		{IDR1_QUEUES_PRESET, 29, 29},
		{IDR1_TABLES_PRESET, 30, 30},
		{IDR3_HAD, 2, 2},
		{IDR3_XNX, 4, 4},
		{IDR3_FWB, 8, 8},
		{IDR3_STT, 9, 9},
		{IDR3_RIL, 10, 10},
		{IDR3_E0PD, 13, 13},
		{IDR5_OAS, 2, 0},
		{IDR5_GRAN4K, 4, 4},
		{IDR5_GRAN16K, 5, 5},
		{IDR5_GRAN64K, 6, 6},
		{IDR5_DS, 7, 7},
		{IDR5_VAX, 11, 10},
		{IDR5_STALL_MAX, 31, 16},
	};
	check_fields(rows, sizeof(rows) / sizeof(rows[0]));
}
END_TEST

/* smmuv3 4.3. */
START_TEST(fields_of_contexts_have_the_bits_of_the_table)
{
	static const struct field_row rows[] = {
		{CD_T0SZ, 5, 0},   {CD_TG0, 7, 6},    {CD_EPD0, 14, 14}, {CD_ENDI, 15, 15},
		{CD_T1SZ, 21, 16}, {CD_TG1, 23, 22},  {CD_EPD1, 30, 30}, {CD_V, 31, 31},
		{CD_IPS, 34, 32},  {CD_AFFD, 35, 35}, {CD_WXN, 36, 36},  {CD_TBI0, 38, 38},
		{CD_TBI1, 39, 39}, {CD_PAN, 40, 40},  {CD_AA64, 41, 41}, {CD_HD, 42, 42},
		{CD_HA, 43, 43},   {CD_S, 44, 44},    {CD_R, 45, 45},    {CD_A, 46, 46},
		{CD_ASET, 47, 47}, {CD_ASID, 63, 48}, {CD_HAD, 1, 1},    {CD_E0PD, 2, 2},
		{CD_TTB, 55, 4},   {CD_DS, 58, 58},   {L1CD_V, 0, 0},    {L1CD_L2PTR, 55, 12},
	};
	check_fields(rows, sizeof(rows) / sizeof(rows[0]));
}
END_TEST

START_TEST(address_sizes_follow_the_code_table)
{
	static const unsigned bits[] = {32, 36, 40, 42, 44, 48, 52, 56};
	for (unsigned code = 0; code < 8; code++) {
		ck_assert_uint_eq(smmu_address_bits(code), bits[code]);
		ck_assert_uint_eq(smmu_address_code(bits[code]), code);
	}
	ck_assert_uint_eq(smmu_address_code(33), 1);
	ck_assert_uint_eq(smmu_address_code(64), 7);
}
END_TEST

/* tegra241-cmdqv 13. */
START_TEST(cmdqv_words_are_those_of_the_sheet)
{
	ck_assert_uint_eq(ALLOC_ALLOC | field_put(ALLOC_LVCMDQ, 1) | field_put(ALLOC_VINTF, 1),
			  0x8003);
	ck_assert_uint_eq(field_put(ALLOC_LVCMDQ, 1) | field_put(ALLOC_VINTF, 1), 0x8002);
	ck_assert_uint_eq(field_put(VINTF_CONFIG_VMID, 5), 0x0a);
	ck_assert_uint_eq(field_put(VINTF_CONFIG_VMID, 5) | VINTF_CONFIG_ENABLE, 0x0b);
	ck_assert_uint_eq(VINTF_CONFIG_HYP_OWN | VINTF_CONFIG_ENABLE, 0x20001);
	ck_assert_uint_eq(field_put(SID_MATCH_VIRT, 0x100) | SID_MATCH_ENABLE, 0x201);
	ck_assert_uint_eq(0x123450000 | field_put(VCMDQ_BASE_LOG2SIZE, 12), 0x12345000c);
	ck_assert_uint_eq(0x12345000c & VCMDQ_BASE_ADDR, 0x123450000);
	ck_assert_uint_eq(cmdqv_vintf_page0(2), 0x70000);
	ck_assert_uint_eq(cmdqv_vintf_page0(2) + CMDQV_QUEUE_STRIDE + VCMDQ_PROD, 0x70084);
	ck_assert_uint_eq(cmdqv_vintf_page1(2) + CMDQV_QUEUE_STRIDE + VCMDQ_BASE, 0x80080);
	/* CONFIG after reset (3): EN, 16 bytes a command, batches of 8 clocks (log2), 32 commands. */
	ck_assert_uint_eq(field_get(CONFIG_RESET, CONFIG_CMDQV_EN), 1);
	ck_assert_uint_eq(field_get(CONFIG_RESET, CONFIG_PER_CMD_OFFSET), 1);
	ck_assert_uint_eq(field_get(CONFIG_RESET, CONFIG_MAX_CLK_BATCH), 8);
	ck_assert_uint_eq(field_get(CONFIG_RESET, CONFIG_MAX_CMD_BATCH), 32);
	ck_assert_uint_eq(field_get(CONFIG_RESET, CONFIG_CONS_DRAM_EN), 0);
}
END_TEST

/* tegra241-cmdqv 2 to 5. */
START_TEST(cmdqv_registers_lie_where_the_sheet_says)
{
	static const uint32_t rows[][2] = {
		{CMDQV_DIRECT_PAGE0, 0x10000},
		{CMDQV_DIRECT_PAGE1, 0x20000},
		{CMDQV_VINTF_PAGES, 0x30000},
		{CMDQV_VINTF_STRIDE, 0x20000},
		{CMDQV_QUEUE_STRIDE, 0x80},
		{CMDQV_PARAM, 0x4},
		{CMDQV_STATUS, 0x8},
		{CMDQV_VI_ERR_MAP, 0x14},
		{CMDQV_VI_INT_MASK, 0x1c},
		{CMDQV_CMDQ_ERR_MAP, 0x24},
		{CMDQV_ALLOC_MAP, 0x200},
		{CMDQV_VINTF_BLOCKS, 0x1000},
		{CMDQV_VINTF_BLOCK_STRIDE, 0x100},
		{VINTF_STATUS, 0x4},
		{VINTF_SID_MATCH, 0x40},
		{VINTF_SID_REPLACE, 0x80},
		{VINTF_LVCMDQ_ERR_MAP, 0xc0},
		{VCMDQ_CONS, 0x0},
		{VCMDQ_PROD, 0x4},
		{VCMDQ_CONFIG, 0x8},
		{VCMDQ_STATUS, 0xc},
		{VCMDQ_GERROR, 0x10},
		{VCMDQ_GERRORN, 0x14},
		{VCMDQ_BASE, 0x0},
		{VCMDQ_CONS_BASE, 0x8},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(rows[i][0] == rows[i][1], "row %zu", i);
	/* 64 VINTFs end the window (1). */
	ck_assert_uint_eq(cmdqv_vintf_page0(CMDQV_VINTFS_MAX), 0x830000);
}
END_TEST

/* tegra241-cmdqv 3 to 5. */
START_TEST(cmdqv_fields_have_the_bits_of_the_sheet)
{
	ck_assert_uint_eq(PARAM_VER | PARAM_NUM_VCMDQ_LOG2 | PARAM_NUM_VINTF_LOG2 |
				  PARAM_NUM_SID_LOG2,
			  0xffff);
	ck_assert_uint_eq(field_put(PARAM_NUM_VCMDQ_LOG2, 7) | field_put(PARAM_NUM_VINTF_LOG2, 6) |
				  field_put(PARAM_NUM_SID_LOG2, 4) | field_put(PARAM_VER, 1),
			  0x4671);
	ck_assert_uint_eq(CONFIG_CONS_DRAM_EN, 1 << 20);
	ck_assert_uint_eq(VINTF_CONFIG_VMID, 0x1fffe);
	ck_assert_uint_eq(VINTF_STATUS_STATUS, 0xe);
	ck_assert_uint_eq(VINTF_STATUS_NUM_LVCMDQ, 0xff0000);
	ck_assert_uint_eq(SID_MATCH_VIRT, 0x1ffffe);
	ck_assert_uint_eq(SID_REPLACE_PHYS, 0xfffff);
	ck_assert_uint_eq(VCMDQ_CONS_ERR, 0x7f000000);
	ck_assert_uint_eq(VCMDQ_BASE_ADDR, 0xffffffffffe0);
	ck_assert_uint_eq(VCMDQ_CONS_BASE_ADDR, 0xffffffffffff);
	ck_assert_uint_eq(VCMDQ_GERROR_CMDQ_ERR | VCMDQ_GERROR_CONS_DRAM << 4 |
				  VCMDQ_GERROR_INIT << 8,
			  0x421);
}
END_TEST

static TCase *smmu_tests(void)
{
	TCase *tests = tcase_create("SMMU");
	tcase_add_test(tests, set_up_commands_are_those_that_linux_wrote);
	tcase_add_test(tests, invalidations_of_a_vmid_are_those_that_linux_wrote);
	tcase_add_test(tests, invalidations_by_ipa_are_those_that_linux_wrote);
	tcase_add_test(tests, invalidations_by_va_are_those_that_linux_wrote);
	tcase_add_test(tests, commands_of_no_capture_have_the_fields_of_the_table);
	tcase_add_test(tests, commands_lie_little_endian_in_memory);
	tcase_add_test(tests, captured_commands_decode);
	tcase_add_test(tests, fields_of_commands_have_the_bits_of_the_table);
	tcase_add_test(tests, rules_of_commands_are_those_of_the_tables);
	tcase_add_test(tests, operands_of_commands_are_those_of_the_table);
	tcase_add_test(tests, only_opcodes_of_the_table_have_names);
	tcase_add_test(tests, stage2_stream_table_entry_is_the_one_that_linux_wrote);
	tcase_add_test(tests, fields_of_stream_table_entries_have_the_bits_of_the_table);
	tcase_add_test(tests, stage2_descriptors_are_those_that_linux_wrote);
	tcase_add_test(tests, event_records_have_the_fields_that_linux_read);
	tcase_add_test(tests, events_have_the_numbers_and_fields_of_the_tables);
	tcase_add_test(tests, registers_are_those_of_the_table);
	tcase_add_test(tests, registers_have_the_fields_that_linux_used);
	tcase_add_test(tests, id_registers_decode_as_qemus_do);
	tcase_add_test(tests, fields_of_id_registers_have_the_bits_of_the_sheet);
	tcase_add_test(tests, fields_of_contexts_have_the_bits_of_the_table);
	tcase_add_test(tests, address_sizes_follow_the_code_table);
	return tests;
}

static TCase *cmdqv_tests(void)
{
	TCase *tests = tcase_create("CMDQV");
	tcase_add_test(tests, sync_of_a_vcmdq_completes_without_a_signal);
	tcase_add_test(tests, cmdqv_words_are_those_of_the_sheet);
	tcase_add_test(tests, cmdqv_registers_lie_where_the_sheet_says);
	tcase_add_test(tests, cmdqv_fields_have_the_bits_of_the_sheet);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("smmu_spec");
	suite_add_tcase(suite, smmu_tests());
	suite_add_tcase(suite, cmdqv_tests());
	return run_suite(suite);
}
