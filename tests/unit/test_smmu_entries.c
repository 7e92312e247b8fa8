// SPDX-License-Identifier: Apache-2.0
/* What a stream table entry and a context may say on which hardware, and what it does (smmuv3 4.1 to 4.3, 5.3). */
#include <check.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu_host.h"

#define SID   3U
#define OTHER 4U

static struct smmu_host host;
static struct translation got;

/* All that the model can do, less and more of IDR0. */
static void begin(uint64_t clear, uint64_t set)
{
	struct profile profile = smmu_kit_everything();
	smmu_kit_set(&profile, "idr0.features",
		     (profile_get(&profile, "idr0.features") & ~clear) | set);
	host = smmu_host_new(&profile);
}

static void begin_anew(uint64_t clear, uint64_t set)
{
	smmu_host_free(&host);
	begin(clear, set);
}

static void setup(void)
{
	begin(0, 0);
}

static void teardown(void)
{
	smmu_host_free(&host);
}

static bool passes(uint64_t iova, bool write)
{
	return smmu_translate(host.kit->smmu, SID, iova, write, &got) == TRANSLATE_OK;
}

static void is_bad(unsigned event)
{
	ck_assert(!passes(SLOT(1), false));
	ck_assert_uint_eq(got.event, event);
}

static uint64_t stage1_with(uint64_t bits)
{
	uint64_t table = host_stage1(&host, SID, CD_A | CD_R | bits);
	host_map(&host, table, 1, 5, HOST_LEAF1);
	return table;
}

static uint64_t stage2_with(uint64_t bits)
{
	uint64_t table = host_stage2(&host, SID, STE_S2R | bits);
	host_map(&host, table, 1, 5, HOST_LEAF2);
	return table;
}

static uint64_t nested_with(uint64_t bits1, uint64_t bits2)
{
	uint64_t stage2,
		stage1 = host_nested(&host, SID, CD_A | CD_R | bits1, STE_S2R | bits2, &stage2);
	host_map(&host, stage1, 1, 5, HOST_LEAF1);
	return stage2;
}

static uint64_t context_at(void)
{
	return kit_word(host.kit, host.streams + STE_SIZE * SID) & STE_S1CONTEXTPTR;
}

/* Bits of a word of the context, and it is read anew. */
static void change_context(unsigned word, uint64_t clear, uint64_t set)
{
	uint64_t at = context_at() + 8ULL * word;
	kit_set_word(host.kit, at, (kit_word(host.kit, at) & ~clear) | set);
	host_issue(&host, command_cfgi_cd(SID, 0, 1));
	host_issue(&host, command_tlbi_nsnh_all());
}

/* --- stages --- */

START_TEST(a_stage_that_the_hardware_lacks_is_a_bad_ste)
{
	begin_anew(IDR0_S2P, 0);
	stage1_with(0);
	ck_assert(passes(SLOT(1), false));
	host_change_ste(&host, SID, 0, STE_CONFIG, field_put(STE_CONFIG, STE_CONFIG_NESTED));
	is_bad(EVT_C_BAD_STE);
	host_change_ste(&host, SID, 0, STE_CONFIG, field_put(STE_CONFIG, STE_CONFIG_S2));
	is_bad(EVT_C_BAD_STE);
	begin_anew(IDR0_S1P, 0);
	stage2_with(0);
	ck_assert(passes(SLOT(1), false));
	host_change_ste(&host, SID, 0, STE_CONFIG, field_put(STE_CONFIG, STE_CONFIG_S1));
	is_bad(EVT_C_BAD_STE);
}
END_TEST

START_TEST(each_config_has_its_stages)
{
	uint64_t stage2, stage1 = host_nested(&host, SID, CD_A, 0, &stage2);
	host_map(&host, stage1, 1, 5, HOST_LEAF1);
	host_map(&host, stage2, 5, 6, HOST_LEAF2);
	host_map(&host, stage2, 1, 7, HOST_LEAF2);
	static const unsigned slots[][2] = {{STE_CONFIG_BYPASS, 1},
					    {STE_CONFIG_S1, 5},
					    {STE_CONFIG_S2, 7},
					    {STE_CONFIG_NESTED, 6}};
	for (unsigned i = 0; i < 4; i++) {
		host_change_ste(&host, SID, 0, STE_CONFIG, field_put(STE_CONFIG, slots[i][0]));
		host_issue(&host, command_tlbi_nsnh_all());
		ck_assert(passes(SLOT(1) + 0x123, true));
		ck_assert_uint_eq(got.pa.value, SLOT(slots[i][1]) + 0x123);
	}
}
END_TEST

/* 4.2: fields irrelevant to Config are ignored. */
START_TEST(fields_of_a_stage_that_is_off_are_not_looked_at)
{
	uint64_t stage2, stage1 = host_nested(&host, SID, CD_A, 0, &stage2);
	host_map(&host, stage1, 1, 5, HOST_LEAF1);
	host_map(&host, stage2, 1, 7, HOST_LEAF2);
	host_change_ste(&host, SID, 2, 0, STE_S2ENDI | STE_S2TG | STE_S2S);
	host_change_ste(&host, SID, 0, STE_CONFIG, field_put(STE_CONFIG, STE_CONFIG_S1));
	ck_assert(passes(SLOT(1), false));
	host_change_ste(&host, SID, 0, STE_CONFIG, field_put(STE_CONFIG, STE_CONFIG_BYPASS));
	ck_assert(passes(SLOT(1), false));
	host_change_ste(&host, SID, 2, STE_S2ENDI | STE_S2TG | STE_S2S, 0);
	host_change_ste(&host, SID, 0, STE_CONFIG | STE_S1FMT | STE_S1CDMAX,
			field_put(STE_CONFIG, STE_CONFIG_S2) | STE_S1FMT | STE_S1CDMAX);
	host_change_ste(&host, SID, 1, 0, STE_STRW | STE_S1STALLD);
	ck_assert(passes(SLOT(1), false));
}
END_TEST

/* 4.2, 4.3: AA64 against IDR0.TTF: 1 has AArch32 tables alone, 2 AArch64, 3 both. */
START_TEST(tables_have_a_format_that_the_hardware_has)
{
	for (uint64_t formats = 0; formats < 4; formats++) {
		begin_anew(IDR0_TTF, field_put(IDR0_TTF, formats));
		stage1_with(0);
		ck_assert(passes(SLOT(1), false) == (formats >= 2));
		if (formats < 2)
			is_bad(EVT_C_BAD_CD);
		change_context(0, CD_AA64, 0); /* of AArch32, which is not modelled */
		is_bad(EVT_C_BAD_CD);
		stage2_with(0);
		ck_assert(passes(SLOT(1), false) == (formats >= 2));
		if (formats < 2)
			is_bad(EVT_C_BAD_STE);
		host_change_ste(&host, SID, 2, STE_S2AA64, 0);
		is_bad(EVT_C_BAD_STE);
	}
}
END_TEST

/* --- numbers --- */

START_TEST(a_vmid_of_more_than_eight_bits_needs_vmid16)
{
	begin_anew(IDR0_VMID16, 0);
	stage2_with(0);
	ck_assert(passes(SLOT(1), false));
	host_change_ste(&host, SID, 2, 0, 0x100);
	is_bad(EVT_C_BAD_STE);
	begin_anew(0, 0);
	stage2_with(0x100);
	ck_assert(passes(SLOT(1), false));
}
END_TEST

START_TEST(an_asid_of_more_than_eight_bits_needs_asid16)
{
	begin_anew(IDR0_ASID16, 0);
	stage1_with(0);
	ck_assert(passes(SLOT(1), false));
	change_context(0, 0, field_put(CD_ASID, 0x100));
	is_bad(EVT_C_BAD_CD);
	begin_anew(0, 0);
	stage1_with(field_put(CD_ASID, 0x100));
	ck_assert(passes(SLOT(1), false));
}
END_TEST

/* What COMMAND takes of SID's leaf at slot 1, which the table no longer has. */
static bool takes(uint64_t table, uint64_t leaf, struct smmu_command command)
{
	host_map(&host, table, 1, 5, leaf);
	ck_assert(passes(SLOT(1), false));
	host_map(&host, table, 1, 5, 0);
	ck_assert(passes(SLOT(1), false));
	host_issue(&host, command);
	return !passes(SLOT(1), false);
}

/* 7.2: the VMID is a tag where there is a stage 2. */
START_TEST(without_stage_2_no_vmid_is_compared)
{
	const struct smmu_command commands[] = {command_tlbi_nh_va(9, SID, SLOT(1), 1),
						command_tlbi_nh_asid(9, SID),
						command_tlbi_nh_all(9)};
	for (unsigned lacks = 0; lacks < 2; lacks++) {
		begin_anew(lacks ? IDR0_S2P : 0, 0);
		uint64_t table = stage1_with(0);
		host_change_ste(&host, SID, 2, 0, 7); /* S2VMID */
		for (unsigned i = 0; i < 3; i++) {
			ck_assert_msg(takes(table, HOST_LEAF1, commands[i]) == lacks, "%u", i);
			host_issue(&host, command_tlbi_nsnh_all());
		}
	}
}
END_TEST

/* 7.1 */
START_TEST(numbers_of_eight_bits_are_compared_in_eight_bits)
{
	for (unsigned lacks = 0; lacks < 2; lacks++) {
		begin_anew(lacks ? IDR0_ASID16 | IDR0_VMID16 : 0, 0);
		uint64_t table = stage1_with(0);
		ck_assert(takes(table, HOST_LEAF1, command_tlbi_nh_asid(0, 0x500 | SID)) == lacks);
		host_issue(&host, command_tlbi_nsnh_all());
		ck_assert(takes(table, HOST_LEAF1, command_tlbi_nh_all(0x500)) == lacks);
		table = stage2_with(0);
		host_issue(&host, command_tlbi_nsnh_all());
		ck_assert(takes(table, HOST_LEAF2, command_tlbi_s12_vmall(0x500 | SID)) == lacks);
		host_issue(&host, command_tlbi_nsnh_all());
		ck_assert(!takes(table, HOST_LEAF2, command_tlbi_s12_vmall(0x40 | SID)));
	}
}
END_TEST

/* --- stalls: STALL_MODEL 0 has both, 1 never stalls, 2 always --- */

START_TEST(s2s_is_as_the_hardware_stalls)
{
	static const bool legal[3][2] = {{true, true}, {true, false}, {false, true}};
	for (uint64_t model = 0; model < 3; model++) {
		begin_anew(IDR0_STALL_MODEL, field_put(IDR0_STALL_MODEL, model));
		for (unsigned stalls = 0; stalls < 2; stalls++) {
			stage2_with(stalls ? STE_S2S : 0);
			ck_assert_msg(passes(SLOT(1), false) == legal[model][stalls], "%u, %u",
				      (unsigned)model, stalls);
			if (!legal[model][stalls])
				ck_assert_uint_eq(got.event, EVT_C_BAD_STE);
			host_issue(&host, command_tlbi_nsnh_all());
		}
	}
}
END_TEST

START_TEST(s_of_a_context_is_as_the_hardware_stalls)
{
	static const bool legal[3][2] = {{true, true}, {true, false}, {false, true}};
	for (uint64_t model = 0; model < 3; model++) {
		begin_anew(IDR0_STALL_MODEL, field_put(IDR0_STALL_MODEL, model));
		for (unsigned stalls = 0; stalls < 2; stalls++) {
			stage1_with(stalls ? CD_S : 0);
			ck_assert_msg(passes(SLOT(1), false) == legal[model][stalls], "%u, %u",
				      (unsigned)model, stalls);
			if (!legal[model][stalls])
				ck_assert_uint_eq(got.event, EVT_C_BAD_CD);
			host_issue(&host, command_tlbi_nsnh_all());
		}
	}
}
END_TEST

START_TEST(s1stalld_keeps_a_stream_from_stalling)
{
	stage1_with(0);
	host_change_ste(&host, SID, 1, 0, STE_S1STALLD);
	ck_assert(passes(SLOT(1), false));
	stage1_with(CD_S);
	is_bad(EVT_C_BAD_CD);
	for (uint64_t model = 1; model < 3; model++) { /* there is nothing to choose */
		begin_anew(IDR0_STALL_MODEL, field_put(IDR0_STALL_MODEL, model));
		stage1_with(model == 2 ? CD_S : 0);
		ck_assert(passes(SLOT(1), false));
		host_change_ste(&host, SID, 1, 0, STE_S1STALLD);
		is_bad(EVT_C_BAD_STE);
	}
}
END_TEST

/* --- ATS --- */

START_TEST(split_stage_ats_is_for_nested_streams_that_do_not_stall)
{
	const uint64_t split = field_put(STE_EATS, EATS_SPLIT);
	nested_with(0, 0);
	host_change_ste(&host, SID, 1, 0, split);
	ck_assert(passes(SLOT(1), false));
	host_change_ste(&host, SID, 2, 0, STE_S2S);
	is_bad(EVT_C_BAD_STE);
	stage1_with(0);
	is_bad(EVT_C_BAD_STE);
	host_change_ste(&host, SID, 2, STE_S2S, 0);
	is_bad(EVT_C_BAD_STE);
	stage2_with(0);
	is_bad(EVT_C_BAD_STE);
	begin_anew(0, IDR0_NS1ATS);
	nested_with(0, 0);
	host_change_ste(&host, SID, 1, 0, split);
	is_bad(EVT_C_BAD_STE);
}
END_TEST

/* --- stage 2 --- */

START_TEST(s2r_says_whether_faults_of_stage_2_are_recorded)
{
	host_stage2(&host, SID, 0);
	ck_assert(!passes(SLOT(1), false));
	ck_assert_uint_eq(host_events(&host), 0);
	host_change_ste(&host, SID, 2, 0, STE_S2R);
	ck_assert(!passes(SLOT(1), false));
	ck_assert_uint_eq(host_events(&host), 1);
}
END_TEST

/* 4.2: tables of stage 1 and contexts in device memory. */
START_TEST(s2ptw_keeps_tables_out_of_device_memory)
{
	uint64_t stage2 = nested_with(0, 0), device = HOST_LEAF2 | field_put(PTE_S2_MEMATTR, 1);
	unsigned slot = (unsigned)(context_at() >> 30);
	host_map(&host, stage2, slot, slot, device);
	host_map(&host, stage2, 5, 5, device);
	ck_assert(passes(SLOT(1), false));
	host_change_ste(&host, SID, 2, 0, STE_S2PTW);
	is_bad(EVT_F_PERMISSION);
	ck_assert_uint_eq(host_event(&host, 0, 1) & (EVT_S2 | EVT_CLASS), EVT_S2); /* class CD */
	host_map(&host, stage2, slot, slot, HOST_LEAF2 | field_put(PTE_S2_MEMATTR, 0xf));
	host_issue(&host, command_tlbi_nsnh_all());
	ck_assert(passes(SLOT(1), false)); /* where the access itself leads is another matter */
}
END_TEST

/* 4.2: 24 input bits are one too few. */
START_TEST(stage_2_has_the_input_sizes_of_the_sheet)
{
	stage2_with(0);
	host_change_ste(&host, SID, 2, STE_S2T0SZ | STE_S2SL0, 40ULL << 32);
	is_bad(EVT_C_BAD_STE);
	host_change_ste(&host, SID, 2, STE_S2T0SZ, 39ULL << 32);
	is_bad(EVT_F_TRANSLATION);
	host_change_ste(&host, SID, 2, STE_S2T0SZ, 15ULL << 32);
	is_bad(EVT_C_BAD_STE);
}
END_TEST

/* 5.4: small address sizes begin one level lower. */
START_TEST(stage_2_begins_where_the_address_size_says)
{
	static const struct {
		uint64_t granule; /* S2TG */
		uint64_t sl0;
		unsigned oas;
		bool legal;
	} rows[] = {
		{0, 2, 40, false}, {0, 2, 42, false}, {0, 2, 44, true}, /* 4 KiB, level 0 */
		{0, 1, 40, true},  {2, 2, 40, false}, {2, 2, 42, true}, /* 16 KiB, level 1 */
		{2, 1, 40, true},  {2, 3, 48, false},                   /* level 0: with DS */
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct profile profile = smmu_kit_everything();
		smmu_kit_set(&profile, "oas.bits", rows[i].oas);
		smmu_host_free(&host);
		host = smmu_host_new(&profile);
		stage2_with(0);
		kit_set_word(host.kit, host.streams + STE_SIZE * SID + 24,
			     align_up(kit_frames(host.kit, 32), 16 * PAGE_SIZE));
		host_change_ste(&host, SID, 2, STE_S2T0SZ | STE_S2SL0 | STE_S2TG,
				24ULL << 32 | field_put(STE_S2SL0, rows[i].sl0) |
					field_put(STE_S2TG, rows[i].granule));
		ck_assert(!passes(SLOT(1), false));
		ck_assert_msg(got.event == (rows[i].legal ? EVT_F_TRANSLATION : EVT_C_BAD_STE),
			      "%u: %x", i, got.event);
	}
}
END_TEST

/* 6.2: a descriptor of stage 1 is of class TT, one of stage 2 of what it was for. */
START_TEST(an_aborted_walk_tells_its_stage_and_what_it_was_for)
{
	static const struct {
		unsigned nth;
		bool context; /* which is read first */
		uint64_t dw1;
	} rows[] = {
		{1, true, EVT_S2 | 0ULL << 40},  /* to the context */
		{1, false, EVT_S2 | 1ULL << 40}, /* to the descriptor of stage 1 */
		{2, false, 1ULL << 40},          /* that descriptor */
		{3, false, EVT_S2 | 2ULL << 40}, /* to where it leads */
	};
	nested_with(0, 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct port_fault once = {.engine = host.kit->smmu->port.engine,
						.purpose = ACCESS_TABLE_WALK,
						.action = FAULT_ABORT,
						.nth = rows[i].nth};
		ck_assert(passes(SLOT(1), false));
		host_issue(&host, command_tlbi_nsnh_all());
		if (rows[i].context)
			host_issue(&host, command_cfgi_cd(SID, 0, 1));
		ck_assert(port_inject(host.kit->machine, &once));
		is_bad(EVT_F_WALK_EABT);
		ck_assert_msg(host_event(&host, i, 1) == (EVT_RNW | rows[i].dw1), "%u", i);
	}
}
END_TEST

/* --- contexts --- */

/* 4.3: legality of an enabled half. */
START_TEST(a_half_has_the_sizes_that_the_hardware_has)
{
	static const struct {
		uint64_t clear;
		uint64_t set;
		uint64_t ttb;
	} bad[] = {
		{CD_T0SZ, 15, 0},        {CD_T0SZ, 40, 0}, {CD_TG0, 3ULL << 6, 0},
		{CD_IPS, 0, 1ULL << 32}, {CD_AA64, 0, 0},  {CD_EPD1, 2ULL << 22, 0}, /* T1SZ = 0 */
	};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		stage1_with(0);
		ck_assert(passes(SLOT(1), false));
		if (bad[i].ttb != 0)
			change_context(1, 0, bad[i].ttb);
		change_context(0, bad[i].clear, bad[i].set);
		ck_assert_msg(!passes(SLOT(1), false) && got.event == EVT_C_BAD_CD, "%u", i);
	}
	stage1_with(0);
	change_context(0, CD_IPS, 1ULL << 32); /* 36 bits: RAM lies below */
	ck_assert(passes(SLOT(1), false));
}
END_TEST

/* 4.2, 4.3: each bit of S2TTB and TTBx that lies beyond the output size, 55 to 52 among them. */
START_TEST(a_start_table_beyond_the_output_size_is_bad)
{
	for (unsigned bit = 48; bit < 56; bit++) {
		stage2_with(0);
		host_change_ste(&host, SID, 3, 0, 1ULL << bit);
		is_bad(EVT_C_BAD_STE);
		for (unsigned half = 0; half < 2; half++) {
			stage1_with(0);
			change_context(0, CD_EPD1, 25ULL << 16 | 2ULL << 22);
			ck_assert(passes(SLOT(1), false));
			change_context(1 + half, 0, 1ULL << bit);
			is_bad(EVT_C_BAD_CD);
		}
	}
}
END_TEST

START_TEST(granules_are_those_of_idr5)
{
	static const uint64_t granules[2] = {2ULL << 6, 1ULL << 6}; /* 16 KiB, 64 KiB */
	for (unsigned i = 0; i < 2; i++) {
		stage1_with(0);
		change_context(0, CD_TG0, granules[i]);
		passes(SLOT(1), false);
		ck_assert_uint_ne(got.event, EVT_C_BAD_CD);
		host.kit->smmu->idr[5] &= ~(uint32_t)(i == 0 ? IDR5_GRAN16K : IDR5_GRAN64K);
		change_context(0, 0, 0);
		is_bad(EVT_C_BAD_CD);
	}
}
END_TEST

START_TEST(a_half_that_is_disabled_is_not_looked_at)
{
	stage1_with(0);
	change_context(0, CD_T0SZ | CD_TG0, CD_EPD0 | 3ULL << 6);
	is_bad(EVT_F_TRANSLATION);
	ck_assert_uint_eq(host_event(&host, 0, 1), EVT_RNW | field_put(EVT_CLASS, EVT_CLASS_IN));
}
END_TEST

/* 5.1 */
START_TEST(an_address_is_in_one_half_or_in_none)
{
	uint64_t low = stage1_with(0), high = kit_frames(host.kit, 1);
	/* TTB1: 39 bits, 4 KiB. */
	change_context(2, 0, high);
	change_context(0, CD_EPD1, 25ULL << 16 | 2ULL << 22);
	host_map(&host, high, 511, 6, HOST_LEAF1);
	host_map(&host, low, 511, 7, HOST_LEAF1);
	ck_assert(passes(0x7fffffffff, false));
	ck_assert_uint_eq(got.pa.value, SLOT(8) - 1);
	ck_assert(passes(~0ULL, false));
	ck_assert_uint_eq(got.pa.value, SLOT(7) - 1);
	static const uint64_t between[] = {0x8000000000, 0xffffff7fffffffff, 1ULL << 63,
					   0xff80000000000000, 0x00ffffffffffffff};
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_msg(!passes(between[i], false), "%u", i);
		ck_assert_uint_eq(got.event, EVT_F_TRANSLATION);
	}
	/* TBI: the top byte does not count. */
	change_context(0, 0, CD_TBI0);
	ck_assert(passes(0xab00007fffffffff, false));
	ck_assert_uint_eq(got.pa.value, SLOT(8) - 1);
	ck_assert(!passes(0x00ffffffffffffff, false));
	change_context(0, CD_TBI0, CD_TBI1);
	ck_assert(!passes(0xab00007fffffffff, false));
	ck_assert(passes(0x00ffffffffffffff, false));
	ck_assert_uint_eq(got.pa.value, SLOT(7) - 1);
}
END_TEST

/* --- rights (5.3) --- */

static bool may(bool privileged, bool instruction, bool write)
{
	const struct smmu_access access = {.sid = SID,
					   .iova = SLOT(1),
					   .privileged = privileged,
					   .instruction = instruction,
					   .write = write};
	host_issue(&host, command_tlbi_nsnh_all());
	return smmu_translate_access(host.kit->smmu, &access, &got) == TRANSLATE_OK;
}

START_TEST(wxn_lets_nothing_run_that_can_be_written)
{
	uint64_t table = stage1_with(0);
	ck_assert(may(false, true, false));
	change_context(0, 0, CD_WXN);
	ck_assert(!may(false, true, false));
	host_map(&host, table, 1, 5, HOST_LEAF1 | PTE_S1_AP_RO);
	ck_assert(may(false, true, false));
	host_map(&host, table, 1, 5, HOST_LEAF1 & ~PTE_S1_AP_EL0);
	ck_assert(!may(true, true, false));
	change_context(0, CD_WXN, 0);
	ck_assert(may(true, true, false));
}
END_TEST

START_TEST(what_anybody_may_write_does_not_run_privileged)
{
	uint64_t table = stage1_with(0);
	ck_assert(!may(true, true, false));
	host_map(&host, table, 1, 5, HOST_LEAF1 | PTE_S1_AP_RO);
	ck_assert(may(true, true, false));
}
END_TEST

START_TEST(pan_keeps_privileged_data_accesses_from_user_pages)
{
	uint64_t table = stage1_with(0);
	ck_assert(may(true, false, false) && may(true, false, true));
	change_context(0, 0, CD_PAN);
	ck_assert(!may(true, false, false) && !may(true, false, true));
	ck_assert_uint_eq(got.event, EVT_F_PERMISSION);
	ck_assert(may(false, false, true));
	host_map(&host, table, 1, 5, HOST_LEAF1 & ~PTE_S1_AP_EL0);
	ck_assert(may(true, false, true));
}
END_TEST

START_TEST(e0pd_keeps_unprivileged_accesses_from_a_half)
{
	stage1_with(0);
	change_context(1, 0, CD_E0PD);
	ck_assert(!may(false, false, false));
	ck_assert_uint_eq(got.event, EVT_F_TRANSLATION);
	ck_assert(may(true, false, false));
	host.kit->smmu->idr[3] &= ~(uint32_t)IDR3_E0PD;
	change_context(0, 0, 0);
	ck_assert(may(false, false, false));
}
END_TEST

/* 4.2: with ATTR_PERMS_OVR; 0 and 1 leave what comes in. */
START_TEST(an_entry_may_say_who_accesses_and_for_what)
{
	uint64_t table = stage1_with(0);
	for (uint64_t who = 0; who < 4; who++) {
		host_map(&host, table, 1, 5, HOST_LEAF1 & ~PTE_S1_AP_EL0);
		host_change_ste(&host, SID, 1, STE_PRIVCFG, field_put(STE_PRIVCFG, who));
		ck_assert(may(false, false, true) == (who == PRIVCFG_PRIV));
		ck_assert(may(true, false, true) == (who != PRIVCFG_UNPRIV));
	}
	host_change_ste(&host, SID, 1, STE_PRIVCFG, 0);
	for (uint64_t what = 0; what < 4; what++) {
		host_map(&host, table, 1, 5, HOST_LEAF1 | PTE_S1_UXN);
		host_change_ste(&host, SID, 1, STE_INSTCFG, field_put(STE_INSTCFG, what));
		ck_assert(may(false, true, false) == (what == INSTCFG_DATA));
		ck_assert(may(false, false, false) == (what != INSTCFG_INST));
		ck_assert(may(false, false, true)); /* a write is none */
	}
	host.kit->smmu->idr[1] &= ~(uint32_t)IDR1_ATTR_PERMS_OVR;
	host_change_ste(&host, SID, 1, 0, STE_INSTCFG | STE_PRIVCFG);
	ck_assert(may(false, false, false));
}
END_TEST

/* 5.3: APTable and XNTable, which HAD0 and HAD1 put out of use. */
START_TEST(had_lifts_the_restrictions_of_tables)
{
	for (unsigned half = 0; half < 2; half++) {
		uint64_t table = stage1_with(0), next = kit_frames(host.kit, 1);
		if (half != 0) {
			change_context(0, CD_EPD1, 25ULL << 16 | 2ULL << 22);
			change_context(2, 0, table);
		}
		uint64_t iova = half != 0 ? ~0ULL << 39 : 0;
		kit_set_word(host.kit, table, next | PTE_TABLE | PTE_VALID | PTE_S1_AP_TABLE_RO);
		host_map(&host, next, 0, 5, HOST_LEAF1);
		ck_assert(passes(iova, false) && !passes(iova, true));
		change_context(1 + half, 0, CD_HAD);
		ck_assert(passes(iova, true));
		host.kit->smmu->idr[3] &= ~(uint32_t)IDR3_HAD;
		change_context(0, 0, 0);
		ck_assert(!passes(iova, true));
		host.kit->smmu->idr[3] |= (uint32_t)IDR3_HAD;
	}
}
END_TEST

/* 6.1: as the entry has it in the end; a write is no fetch of an instruction. */
START_TEST(a_record_tells_who_accessed_and_for_what)
{
	uint32_t count = 0;
	stage1_with(0);
	for (unsigned i = 0; i < 16; i++) {
		bool privileged = i & 1, instruction = i & 2, write = i & 4, forced = i & 8;
		struct smmu_access access = {.sid = SID,
					     .iova = SLOT(2),
					     .privileged = privileged,
					     .instruction = instruction,
					     .write = write};
		host_change_ste(&host, SID, 1, STE_PRIVCFG | STE_INSTCFG,
				forced ? field_put(STE_PRIVCFG, PRIVCFG_UNPRIV) |
						 field_put(STE_INSTCFG, INSTCFG_DATA)
				       : 0);
		ck_assert_int_eq(smmu_translate_access(host.kit->smmu, &access, &got),
				 TRANSLATE_FAULT);
		uint64_t dw1 = host_event(&host, count++ % HOST_QUEUE, 1);
		ck_assert_uint_eq(field_get(dw1, EVT_PNU), privileged && !forced);
		ck_assert_uint_eq(field_get(dw1, EVT_IND), instruction && !write && !forced);
		ck_assert_uint_eq(field_get(dw1, EVT_RNW), !write);
		kit_smmu_write(host.kit, SMMU_EVENTQ_CONS, 4, host_events(&host));
	}
}
END_TEST

/* --- what may be shared (7.2) --- */

static void two_asids(uint64_t leaf, bool shared)
{
	host_map(&host, host_stage1(&host, SID, CD_A), 1, 5, leaf);
	host_map(&host, host_stage1(&host, OTHER, CD_A), 1, 6, leaf);
	ck_assert(passes(SLOT(1), false));
	ck_assert_int_eq(smmu_translate(host.kit->smmu, OTHER, SLOT(1), false, &got), TRANSLATE_OK);
	ck_assert_uint_eq(got.pa.value, SLOT(shared ? 5 : 6));
	host_issue(&host, command_tlbi_nsnh_all());
}

START_TEST(a_global_translation_serves_every_asid)
{
	two_asids(HOST_LEAF1, false);
	two_asids(HOST_LEAF1 & ~PTE_S1_NG, true);
}
END_TEST

/* --- how much is read (5.5) --- */

START_TEST(a_nested_walk_reads_each_descriptor_through_stage_2)
{
	nested_with(0, 0);
	ck_assert(passes(SLOT(1), false));
	host_issue(&host, command_tlbi_nsnh_all());
	smmu_kit_clear(host.kit);
	/* One level each: stage 2 of stage 1's descriptor, that, stage 2 of what it says. */
	ck_assert(passes(SLOT(1), false));
	ck_assert_uint_eq(host.kit->access_count, 3);
	/* And the context before them. */
	host_issue(&host, command_cfgi_cd(SID, 0, 1));
	host_issue(&host, command_tlbi_nsnh_all());
	smmu_kit_clear(host.kit);
	ck_assert(passes(SLOT(1), false));
	unsigned walks = 0, configs = 0;
	for (unsigned i = 0; i < host.kit->access_count; i++) {
		walks += host.kit->accesses[i].purpose == ACCESS_TABLE_WALK;
		configs += host.kit->accesses[i].purpose == ACCESS_CONFIG_FETCH;
	}
	ck_assert_uint_eq(configs, 1);
	ck_assert_uint_eq(walks, 3); /* stage 2 has the context's GiB, which is the table's too */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_entries");
	TCase *tests = tcase_create("entries");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_stage_that_the_hardware_lacks_is_a_bad_ste);
	tcase_add_test(tests, each_config_has_its_stages);
	tcase_add_test(tests, fields_of_a_stage_that_is_off_are_not_looked_at);
	tcase_add_test(tests, tables_have_a_format_that_the_hardware_has);
	tcase_add_test(tests, a_vmid_of_more_than_eight_bits_needs_vmid16);
	tcase_add_test(tests, an_asid_of_more_than_eight_bits_needs_asid16);
	tcase_add_test(tests, without_stage_2_no_vmid_is_compared);
	tcase_add_test(tests, numbers_of_eight_bits_are_compared_in_eight_bits);
	tcase_add_test(tests, s2s_is_as_the_hardware_stalls);
	tcase_add_test(tests, s_of_a_context_is_as_the_hardware_stalls);
	tcase_add_test(tests, s1stalld_keeps_a_stream_from_stalling);
	tcase_add_test(tests, split_stage_ats_is_for_nested_streams_that_do_not_stall);
	tcase_add_test(tests, s2r_says_whether_faults_of_stage_2_are_recorded);
	tcase_add_test(tests, s2ptw_keeps_tables_out_of_device_memory);
	tcase_add_test(tests, stage_2_has_the_input_sizes_of_the_sheet);
	tcase_add_test(tests, stage_2_begins_where_the_address_size_says);
	tcase_add_test(tests, an_aborted_walk_tells_its_stage_and_what_it_was_for);
	tcase_add_test(tests, a_half_has_the_sizes_that_the_hardware_has);
	tcase_add_test(tests, a_start_table_beyond_the_output_size_is_bad);
	tcase_add_test(tests, granules_are_those_of_idr5);
	tcase_add_test(tests, a_half_that_is_disabled_is_not_looked_at);
	tcase_add_test(tests, an_address_is_in_one_half_or_in_none);
	tcase_add_test(tests, wxn_lets_nothing_run_that_can_be_written);
	tcase_add_test(tests, what_anybody_may_write_does_not_run_privileged);
	tcase_add_test(tests, pan_keeps_privileged_data_accesses_from_user_pages);
	tcase_add_test(tests, e0pd_keeps_unprivileged_accesses_from_a_half);
	tcase_add_test(tests, an_entry_may_say_who_accesses_and_for_what);
	tcase_add_test(tests, had_lifts_the_restrictions_of_tables);
	tcase_add_test(tests, a_record_tells_who_accessed_and_for_what);
	tcase_add_test(tests, a_global_translation_serves_every_asid);
	tcase_add_test(tests, a_nested_walk_reads_each_descriptor_through_stage_2);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
