/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodings against golden bytes: lines of captures of the Linux driver, and vectors of the sheets.
 *
 * A captured command carries range fields (RIL) that this driver does not use: they are masked out.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "models/nvidia_vcmdq/cmdqv_spec.h"
#include "models/nvidia_vcmdq/smmu_spec.h"
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

START_TEST(only_known_opcodes_have_names)
{
	static const unsigned known[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11,
					 0x12, 0x13, 0x28, 0x2a, 0x30, 0x40, 0x46};
	unsigned named = 0;
	for (unsigned opcode = 0; opcode < 256; opcode++)
		named += command_name(opcode) != NULL;
	ck_assert_uint_eq(named, sizeof(known) / sizeof(known[0]));
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		ck_assert_ptr_nonnull(command_name(known[i]));
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
	ck_assert_str_eq(event_name(0x13), "F_PERMISSION");
	ck_assert_str_eq(event_name(0x02), "C_BAD_STREAMID");
	ck_assert_str_eq(event_name(0x0b), "F_WALK_EABT");
	ck_assert_ptr_null(event_name(0x01));
}
END_TEST

/* Offsets and values of the capture's register writes, and of its registers.txt. */
START_TEST(registers_have_the_offsets_and_fields_that_linux_used)
{
	static const uint32_t offsets[][2] = {
		{SMMU_CR0, 0x20},
		{SMMU_CR0ACK, 0x24},
		{SMMU_CR1, 0x28},
		{SMMU_CR2, 0x2c},
		{SMMU_GBPA, 0x44},
		{SMMU_IRQ_CTRL, 0x50},
		{SMMU_IRQ_CTRLACK, 0x54},
		{SMMU_GERROR, 0x60},
		{SMMU_GERRORN, 0x64},
		{SMMU_STRTAB_BASE, 0x80},
		{SMMU_STRTAB_BASE_CFG, 0x88},
		{SMMU_CMDQ_BASE, 0x90},
		{SMMU_CMDQ_PROD, 0x98},
		{SMMU_CMDQ_CONS, 0x9c},
		{SMMU_EVENTQ_BASE, 0xa0},
		{SMMU_EVENTQ_PROD, 0x100a8},
		{SMMU_EVENTQ_CONS, 0x100ac},
		{SMMU_WINDOW_SIZE, 0x20000},
	};
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		ck_assert_uint_eq(offsets[i][0], offsets[i][1]);
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

int main(void)
{
	Suite *suite = suite_create("smmu_spec");
	TCase *tests = tcase_create("golden bytes");
	tcase_add_test(tests, set_up_commands_are_those_that_linux_wrote);
	tcase_add_test(tests, invalidations_of_a_vmid_are_those_that_linux_wrote);
	tcase_add_test(tests, invalidations_by_ipa_are_those_that_linux_wrote);
	tcase_add_test(tests, invalidations_by_va_are_those_that_linux_wrote);
	tcase_add_test(tests, commands_of_no_capture_have_the_fields_of_the_table);
	tcase_add_test(tests, sync_of_a_vcmdq_completes_without_a_signal);
	tcase_add_test(tests, commands_lie_little_endian_in_memory);
	tcase_add_test(tests, only_known_opcodes_have_names);
	tcase_add_test(tests, stage2_stream_table_entry_is_the_one_that_linux_wrote);
	tcase_add_test(tests, stage2_descriptors_are_those_that_linux_wrote);
	tcase_add_test(tests, event_records_have_the_fields_that_linux_read);
	tcase_add_test(tests, registers_have_the_offsets_and_fields_that_linux_used);
	tcase_add_test(tests, id_registers_decode_as_qemus_do);
	tcase_add_test(tests, address_sizes_follow_the_code_table);
	tcase_add_test(tests, cmdqv_words_are_those_of_the_sheet);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
