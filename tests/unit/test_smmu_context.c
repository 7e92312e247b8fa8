// SPDX-License-Identifier: Apache-2.0
/*
 * Which context descriptor serves an access, and what becomes of one that can't (smmuv3 4.1, 4.3,
 * 6.2, 6.3): substreams, tables of one and of two levels, behind stage 2 too; stream tables of two
 * levels.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu.h"

#define SID         3U
#define CD_BITS     12U /* of substreams that the hardware has */
#define STREAM_BITS 9U
#define SPLIT       6U

/* As Linux writes them: 39 bits, 4 KiB, 44 bits of output. */
#define CD_DW0     (25ULL | 4ULL << 32 | CD_EPD1 | CD_V | CD_AA64 | CD_R | CD_A)
#define STAGE2_DW2 (7ULL | 25ULL << 32 | 1ULL << 38 | 4ULL << 48 | STE_S2AA64 | STE_S2R)

static struct smmu_kit *kit;
static uint64_t streams;  /* level 1 of the stream table */
static uint64_t leaves;   /* level 2 of SIDs 0 to 63 */
static uint64_t contexts; /* what the STE points to */
static uint64_t events, queue;
static uint32_t queued;
static struct translation got;

static void setup(void)
{
	struct profile profile = smmu_kit_profile("qemu-virt");
	smmu_kit_set(&profile, "idr0.features", 0x0d44101b | IDR0_CD2L);
	smmu_kit_set(&profile, "idr1.features", 0x10 | field_put(IDR1_SSIDSIZE, CD_BITS));
	kit = smmu_kit_new(&profile);
	streams = kit_frames(kit, 1);
	leaves = kit_frames(kit, 1);
	events = kit_frames(kit, 1);
	queue = kit_frames(kit, 1);
	contexts = align_up(kit_frames(kit, 128), 64 * PAGE_SIZE);
	queued = 0;
	kit_set_word(kit, streams, leaves | (SPLIT + 1));
	kit_smmu_write(kit, SMMU_STRTAB_BASE, 8, streams);
	kit_smmu_write(kit, SMMU_STRTAB_BASE_CFG, 4,
		       STREAM_BITS | SPLIT << 6 | STRTAB_FMT_2LEVEL << 16);
	kit_smmu_write(kit, SMMU_EVENTQ_BASE, 8, events | 6);
	kit_smmu_write(kit, SMMU_CR2, 4, CR2_RECINVSID);
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_SMMUEN | CR0_EVENTQEN);
	kit_enable_main(kit, queue, 6);
}

static void teardown(void)
{
	smmu_kit_free(kit);
}

static void issue(struct smmu_command command)
{
	kit_put(kit, queue, queued++ % 64, command);
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, queued % 128);
	kit_run(kit);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_CMDQ_CONS, 4), queued % 128);
}

static void set_ste(uint64_t config, uint64_t format, uint64_t bits, uint64_t dss)
{
	uint64_t at = leaves + STE_SIZE * SID;
	kit_set_word(kit, at + 8, field_put(STE_S1DSS, dss));
	kit_set_word(kit, at,
		     STE_V | field_put(STE_CONFIG, config) | field_put(STE_S1FMT, format) |
			     contexts | field_put(STE_S1CDMAX, bits));
	issue(command_cfgi_ste(SID, 1));
}

/* Tables of their own, in which the first GiB is at NUMBER GiB. */
static void put_context(uint64_t at, uint64_t number)
{
	uint64_t table = kit_frames(kit, 1);
	kit_set_word(kit, table, number << 30 | PTE_AF | PTE_S1_AP_EL0 | PTE_S1_NG | PTE_VALID);
	kit_set_word(kit, at + 8, table);
	kit_set_word(kit, at, CD_DW0 | number << 48);
}

static bool reaches(int ssid, uint64_t number)
{
	const struct smmu_access access = {
		.sid = SID, .has_ssid = ssid >= 0, .ssid = (uint32_t)ssid, .iova = 0x1234};
	bool ok = smmu_translate_access(kit->smmu, &access, &got) == TRANSLATE_OK;
	return ok && got.pa.value == (number << 30) + 0x1234;
}

static void check_record(uint64_t dw0, uint64_t dw1, uint64_t dw3)
{
	uint32_t last = (uint32_t)kit_smmu_read(kit, SMMU_EVENTQ_PROD, 4) - 1;
	uint64_t at = events + (uint64_t)EVENT_SIZE * (last % 64);
	ck_assert_uint_eq(kit_word(kit, at), dw0);
	ck_assert_uint_eq(kit_word(kit, at + 8), dw1);
	ck_assert_uint_eq(kit_word(kit, at + 24), dw3);
	/* The driver has read it. */
	kit_smmu_write(kit, SMMU_EVENTQ_CONS, 4, kit_smmu_read(kit, SMMU_EVENTQ_PROD, 4));
}

static void refused(int ssid, unsigned event)
{
	ck_assert(!reaches(ssid, 0));
	ck_assert_uint_eq(got.event, event);
}

/* --- one level --- */

START_TEST(a_single_context_serves_what_has_no_substream)
{
	put_context(contexts, 1);
	set_ste(STE_CONFIG_S1, S1FMT_LINEAR, 0, S1DSS_END);
	ck_assert(reaches(-1, 1));
	refused(0, EVT_C_BAD_SUBSTREAMID);
	check_record(0x300000008, 0, 0);
	refused(5, EVT_C_BAD_SUBSTREAMID); /* SSID without SSV (6.2) */
	check_record(0x300005008, 0, 0);
}
END_TEST

START_TEST(each_substream_has_its_context)
{
	for (unsigned ssid = 0; ssid < 16; ssid++)
		put_context(contexts + CD_SIZE * ssid, 1 + ssid);
	set_ste(STE_CONFIG_S1, S1FMT_LINEAR, 4, S1DSS_SSID0);
	for (int round = 0; round < 2; round++)
		for (int ssid = 1; ssid < 16; ssid++)
			ck_assert(reaches(ssid, 1 + (uint64_t)ssid));
	refused(16, EVT_C_BAD_SUBSTREAMID);
	refused(1 << 19, EVT_C_BAD_SUBSTREAMID);
}
END_TEST

/* 4.2: what S1DSS makes of an access without a substream, and of substream 0. */
START_TEST(accesses_without_a_substream_go_by_s1dss)
{
	put_context(contexts, 1);
	put_context(contexts + CD_SIZE, 2);
	set_ste(STE_CONFIG_S1, S1FMT_LINEAR, 4, S1DSS_SSID0);
	ck_assert(reaches(-1, 1));
	refused(0, EVT_F_STREAM_DISABLED);
	check_record(0x300000806, 0, 0);
	set_ste(STE_CONFIG_S1, S1FMT_LINEAR, 4, S1DSS_BYPASS);
	ck_assert(reaches(-1, 0));
	ck_assert_int_eq(got.path, PATH_BYPASS);
	ck_assert(reaches(0, 1));
	for (unsigned dss = 0; dss < 4; dss += 3) { /* 3 is as 0 */
		set_ste(STE_CONFIG_S1, S1FMT_LINEAR, 4, dss);
		refused(-1, EVT_F_STREAM_DISABLED);
		check_record(0x300000006, 0, 0);
		ck_assert(reaches(0, 1));
		ck_assert(reaches(1, 2));
	}
}
END_TEST

/* --- two levels --- */

static void check_two_levels(uint64_t format, unsigned leaf_bits, uint64_t leaf_bytes)
{
	uint64_t second = align_up(kit_frames(kit, 64), leaf_bytes);
	uint32_t ssid = (1U << leaf_bits) + 3;
	put_context(second + CD_SIZE * 3, 9);
	kit_set_word(kit, contexts + 8, second | L1CD_V);
	set_ste(STE_CONFIG_S1, format, leaf_bits + 1, S1DSS_SSID0);
	ck_assert(reaches((int)ssid, 9));
	refused(3, EVT_C_BAD_SUBSTREAMID); /* level 1 has nothing there */
	refused((int)ssid + 1, EVT_C_BAD_CD);
	refused(2 << leaf_bits, EVT_C_BAD_SUBSTREAMID);
}

START_TEST(contexts_may_lie_behind_a_first_level)
{
	check_two_levels(S1FMT_4K, 6, PAGE_SIZE);
	check_two_levels(S1FMT_64K, 10, 16 * PAGE_SIZE);
}
END_TEST

START_TEST(a_format_that_the_hardware_lacks_is_a_bad_ste)
{
	put_context(contexts, 1);
	set_ste(STE_CONFIG_S1, 3, 4, S1DSS_SSID0);
	refused(-1, EVT_C_BAD_STE);
	set_ste(STE_CONFIG_S1, S1FMT_LINEAR, CD_BITS + 1, S1DSS_SSID0);
	refused(-1, EVT_C_BAD_STE);
	set_ste(STE_CONFIG_S1, 3, 0, S1DSS_SSID0); /* ignored */
	ck_assert(reaches(-1, 1));
	kit->smmu->idr[0] &= ~(uint32_t)IDR0_CD2L;
	set_ste(STE_CONFIG_S1, S1FMT_4K, 4, S1DSS_SSID0);
	refused(-1, EVT_C_BAD_STE);
}
END_TEST

/* 4.2, 4.3: low bits of a table's address are ignored, as many as its size has. */
START_TEST(tables_of_contexts_are_aligned_to_their_size)
{
	uint64_t base = contexts, second = align_up(kit_frames(kit, 32), 16 * PAGE_SIZE);
	put_context(base + CD_SIZE * 5, 1);
	contexts = base + CD_SIZE * 15;
	set_ste(STE_CONFIG_S1, S1FMT_LINEAR, 4, S1DSS_SSID0);
	ck_assert(reaches(5, 1));
	put_context(second + CD_SIZE * 5, 2);
	kit_set_word(kit, base + 8 * 63, second | 15 * PAGE_SIZE | L1CD_V);
	contexts = base + 8 * 56; /* of 64 entries */
	set_ste(STE_CONFIG_S1, S1FMT_4K, 12, S1DSS_SSID0);
	refused(63 * 64 + 5, EVT_C_BAD_CD); /* a leaf of 4 KiB begins there */
	contexts = base + 8 * 7 * 8;        /* of 4 entries, in 64 bytes */
	kit_set_word(kit, contexts + 8 * 3, second | 15 * PAGE_SIZE | L1CD_V);
	set_ste(STE_CONFIG_S1, S1FMT_64K, 12, S1DSS_SSID0);
	ck_assert(reaches(3 * 1024 + 5, 2));
}
END_TEST

/* --- bad contexts --- */

/* 4.3: bits of dw0 that may not be so on this hardware. */
START_TEST(a_bad_context_is_reported)
{
	static const struct {
		uint64_t set;
		uint64_t clear;
	} bad[] = {
		{0, CD_V},  {CD_S, 0},          {0, CD_A},  {0, CD_AA64},   {CD_HA, 0},
		{CD_HD, 0}, {63, 0} /* T0SZ */, {15, 0x3f}, {3ULL << 6, 0}, {0, CD_EPD1},
	};
	set_ste(STE_CONFIG_S1, S1FMT_LINEAR, 0, S1DSS_END);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_context(contexts, 1);
		issue(command_cfgi_cd(SID, 0, 1));
		ck_assert(reaches(-1, 1));
		kit_set_word(kit, contexts, (kit_word(kit, contexts) & ~bad[i].clear) | bad[i].set);
		ck_assert(reaches(-1, 1)); /* it is cached */
		issue(command_cfgi_cd(SID, 0, 1));
		refused(-1, EVT_C_BAD_CD);
		check_record(0x30000000a, 0, 0);
	}
}
END_TEST

START_TEST(a_context_that_can_t_be_read_is_reported)
{
	/* Level 1 and 2 of the stream table are fetched first. */
	const struct port_fault fault = {.engine = kit->smmu->port.engine,
					 .purpose = ACCESS_CONFIG_FETCH,
					 .action = FAULT_ABORT,
					 .nth = 3};
	put_context(contexts, 1);
	set_ste(STE_CONFIG_S1, S1FMT_LINEAR, 0, S1DSS_END);
	ck_assert(port_inject(kit->machine, &fault));
	refused(-1, EVT_F_CD_FETCH);
	check_record(0x300000009, 0, contexts);
	ck_assert(reaches(-1, 1));
}
END_TEST

/* --- behind stage 2 --- */

/* The contexts' IPA is their address; what stage 2 does not map is reported as of class CD. */
START_TEST(contexts_and_tables_are_read_through_stage_2)
{
	uint64_t level1 = kit_frames(kit, 1), at = leaves + STE_SIZE * SID;
	uint64_t pa = contexts & ~((1ULL << 30) - 1);
	put_context(contexts, 1);
	set_ste(STE_CONFIG_NESTED, S1FMT_LINEAR, 0, S1DSS_END);
	kit_set_word(kit, at + 16, STAGE2_DW2);
	kit_set_word(kit, at + 24, level1);
	issue(command_cfgi_ste(SID, 1));
	refused(-1, EVT_F_TRANSLATION);
	ck_assert(got.stage2);
	ck_assert_uint_eq(got.ipa, contexts);
	/* S2, class CD, a read. */
	check_record(0x300000010, 1ULL << 39 | 1ULL << 35, contexts);
	kit_set_word(kit, level1 + 8 * (pa >> 30), pa | 0x7fd);
	refused(-1, EVT_F_TRANSLATION); /* where stage 1 leads to */
	check_record(0x300000010, 1ULL << 39 | 2ULL << 40 | 1ULL << 35, (1ULL << 30) + 0x1000);
	kit_set_word(kit, level1 + 8, 5ULL << 30 | 0x7fd);
	ck_assert(reaches(-1, 5));
}
END_TEST

/* --- stream tables of two levels (4.1) --- */

START_TEST(a_stream_beyond_its_span_is_unknown)
{
	static const unsigned spans[] = {0, 1, 2, 3, 7, 8, 12, 31};
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		unsigned span = spans[i];
		bool legal = span > 0 && span <= SPLIT + 1;
		kit_set_word(kit, streams + 8, leaves | span);
		for (uint32_t sid = 64; sid < 128; sid++) {
			kit_set_word(kit, leaves + STE_SIZE * (sid - 64), STE_V | 4 << 1);
			issue(command_cfgi_ste(sid, 0));
			bool known = legal && sid - 64 < 1U << (span - 1);
			bool ok =
				smmu_translate(kit->smmu, sid, 0x1000, false, &got) == TRANSLATE_OK;
			ck_assert_msg(ok == known, "sid %u, span %u", sid, span);
			if (ok)
				continue;
			ck_assert_uint_eq(got.event, EVT_C_BAD_STREAMID);
			check_record((uint64_t)sid << 32 | 2, 0, 0);
		}
	}
	ck_assert_int_eq(smmu_translate(kit->smmu, 1U << STREAM_BITS, 0, false, &got),
			 TRANSLATE_FAULT);
	ck_assert_uint_eq(got.event, EVT_C_BAD_STREAMID);
}
END_TEST

static void set_table(uint64_t base, uint32_t cfg)
{
	uint64_t cr0 = kit_smmu_read(kit, SMMU_CR0, 4);
	kit_smmu_write(kit, SMMU_CR0, 4, cr0 & ~CR0_SMMUEN);
	kit_smmu_write(kit, SMMU_STRTAB_BASE, 8, base);
	kit_smmu_write(kit, SMMU_STRTAB_BASE_CFG, 4, cfg);
	kit_smmu_write(kit, SMMU_CR0, 4, cr0);
	issue(command_cfgi_all());
}

static bool stream_passes(uint32_t sid)
{
	return smmu_translate(kit->smmu, sid, 0x1000, false, &got) == TRANSLATE_OK;
}

/* 1.2: to 8 * 2^(LOG2SIZE - SPLIT) bytes. */
START_TEST(the_first_level_of_the_stream_table_is_aligned_to_its_size)
{
	kit_set_word(kit, leaves, STE_V | 4 << 1);
	kit_set_word(kit, streams + 8 * 0, leaves | 1);
	set_table(streams + 0xfc0, 15 | SPLIT << 6 | STRTAB_FMT_2LEVEL << 16); /* 4 KiB */
	ck_assert(stream_passes(0));
	set_table(streams + 0x1c0, 12 | SPLIT << 6 | STRTAB_FMT_2LEVEL << 16); /* 512 bytes */
	ck_assert(stream_passes(0));
}
END_TEST

/* 1.2: SPLIT is 6, 8 or 10, else as 6; FMT 1, else as 0. */
START_TEST(reserved_formats_of_the_stream_table_are_the_first)
{
	static const unsigned splits[][2] = {{6, 6}, {8, 8}, {10, 10}, {0, 6},
					     {7, 6}, {9, 6}, {11, 6}};
	for (unsigned i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
		uint32_t sid = 1U << splits[i][1]; /* the first of the second leaf */
		kit_set_word(kit, streams, 0);
		kit_set_word(kit, streams + 8, leaves | 1);
		kit_set_word(kit, leaves, STE_V | 4 << 1);
		set_table(streams, 12 | splits[i][0] << 6 | STRTAB_FMT_2LEVEL << 16);
		ck_assert_msg(stream_passes(sid), "%u", splits[i][0]);
	}
	kit_set_word(kit, streams, STE_V | 4 << 1);
	for (uint32_t format = 0; format < 4; format += format == 0 ? 2 : 1) {
		set_table(streams, 0 | SPLIT << 6 | format << 16);
		ck_assert_msg(stream_passes(0), "%u", format);
	}
}
END_TEST

/* 4.1: F_STE_FETCH, with the address that could not be read. */
START_TEST(a_first_level_that_leads_nowhere_is_reported)
{
	const struct port_fault once = {.engine = kit->smmu->port.engine,
					.purpose = ACCESS_CONFIG_FETCH,
					.action = FAULT_ABORT,
					.nth = 1};
	issue(command_cfgi_all());
	ck_assert(port_inject(kit->machine, &once));
	ck_assert(!stream_passes(0x85));
	ck_assert_uint_eq(got.event, EVT_F_STE_FETCH);
	check_record(0x8500000003, 0, streams + 8 * 2);
	for (unsigned bit = 45; bit < 56; bit++) {
		uint64_t far = leaves | 1ULL << bit;
		kit_set_word(kit, streams + 8 * 2, far | 7);
		smmu_kit_clear(kit);
		ck_assert(!stream_passes(0x85));
		ck_assert_uint_eq(kit->access_count, 2); /* level 1, and the record */
		ck_assert_uint_eq(got.event, EVT_F_STE_FETCH);
		check_record(0x8500000003, 0, far + STE_SIZE * 5);
	}
}
END_TEST

/* 1.2, 4.1, 4.2, 4.3: bits 55 to 52 of an address lead where nothing is, and are not dropped. */
START_TEST(a_table_of_streams_or_contexts_beyond_memory_can_t_be_read)
{
	uint64_t near = contexts, second = kit_frames(kit, 1);
	put_context(contexts, 1);
	put_context(second, 1);
	for (unsigned bit = 52; bit < 56; bit++) {
		uint64_t far = 1ULL << bit;
		contexts = near | far;
		set_ste(STE_CONFIG_S1, S1FMT_LINEAR, 0, S1DSS_END);
		refused(-1, EVT_F_CD_FETCH);
		check_record(0x300000009, 0, contexts);
		contexts = near + PAGE_SIZE;
		kit_set_word(kit, contexts, second | far | L1CD_V);
		set_ste(STE_CONFIG_S1, S1FMT_4K, 4, S1DSS_SSID0);
		refused(-1, EVT_F_CD_FETCH);
		check_record(0x300000009, 0, second | far);
		set_table(streams | far, STREAM_BITS | SPLIT << 6 | STRTAB_FMT_2LEVEL << 16);
		refused(-1, EVT_F_STE_FETCH);
		check_record(0x300000003, 0, streams | far);
		set_table(leaves | far, SPLIT);
		refused(-1, EVT_F_STE_FETCH);
		check_record(0x300000003, 0, (leaves | far) + STE_SIZE * SID);
		set_table(streams, STREAM_BITS | SPLIT << 6 | STRTAB_FMT_2LEVEL << 16);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_context");
	TCase *tcase = tcase_create("smmu_context");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_single_context_serves_what_has_no_substream);
	tcase_add_test(tcase, each_substream_has_its_context);
	tcase_add_test(tcase, accesses_without_a_substream_go_by_s1dss);
	tcase_add_test(tcase, contexts_may_lie_behind_a_first_level);
	tcase_add_test(tcase, a_format_that_the_hardware_lacks_is_a_bad_ste);
	tcase_add_test(tcase, tables_of_contexts_are_aligned_to_their_size);
	tcase_add_test(tcase, a_bad_context_is_reported);
	tcase_add_test(tcase, a_context_that_can_t_be_read_is_reported);
	tcase_add_test(tcase, contexts_and_tables_are_read_through_stage_2);
	tcase_add_test(tcase, a_stream_beyond_its_span_is_unknown);
	tcase_add_test(tcase, the_first_level_of_the_stream_table_is_aligned_to_its_size);
	tcase_add_test(tcase, reserved_formats_of_the_stream_table_are_the_first);
	tcase_add_test(tcase, a_first_level_that_leads_nowhere_is_reported);
	tcase_add_test(tcase, a_table_of_streams_or_contexts_beyond_memory_can_t_be_read);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
