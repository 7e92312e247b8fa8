/* SPDX-License-Identifier: Apache-2.0 */
/* What the SMMU keeps of its stream table, and until when (smmuv3 3.2, 4.1, 7.1, 7.3). */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu.h"

#define SEED         20261125U
#define STREAMS      256U
#define STREAMS_LOG2 8U
#define CACHE        16U /* streams 16 apart share a place */
#define QUEUE_LOG2   8U
#define ENABLE       (CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN)
#define EVENTQ_LOG2  7U

#define STE_INVALID 0ULL
#define STE_ABORT   1ULL
#define STE_BYPASS  9ULL

static struct smmu_kit *kit;
static uint64_t table;
static uint64_t queue;
static uint32_t queued;
static struct translation got;

static void set_ste(uint32_t sid, uint64_t dw0)
{
	kit_set_word(kit, table + STE_SIZE * sid, dw0);
}

/* Stage 2 at OAS 48, as Linux writes it (4.3), over an empty table: its VMID tells it from others. */
static void set_stage2(uint32_t sid, uint16_t vmid)
{
	kit_set_word(kit, table + STE_SIZE * sid + 16, 0x044d359000000000 | vmid);
	kit_set_word(kit, table + STE_SIZE * sid + 24, table + STE_SIZE * STREAMS);
	set_ste(sid, STE_V | field_put(STE_CONFIG, STE_CONFIG_S2));
}

static bool passes(uint32_t sid)
{
	return smmu_translate(kit->smmu, sid, 0x5000, false, &got) == TRANSLATE_OK;
}

static void issue(struct smmu_command command)
{
	kit_put(kit, queue, queued++ % (1U << QUEUE_LOG2), command);
	kit_smmu_write(kit, SMMU_CMDQ_PROD, 4, queued % (2U << QUEUE_LOG2));
	kit_run(kit);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_CMDQ_CONS, 4), queued % (2U << QUEUE_LOG2));
}

static struct smmu_command cfgi_range(uint32_t sid, unsigned range)
{
	return (struct smmu_command){{0x04 | (uint64_t)sid << 32, range}};
}

static unsigned config_fetches(void)
{
	unsigned count = 0;
	ck_assert_uint_le(kit->access_count, KIT_LOG_MAX);
	for (unsigned i = 0; i < kit->access_count; i++)
		count += kit->accesses[i].purpose == ACCESS_CONFIG_FETCH;
	return count;
}

static uint64_t events(void)
{
	return kit_smmu_read(kit, SMMU_EVENTQ_PROD, 4);
}

static void setup(void)
{
	struct profile profile = smmu_kit_grace();
	smmu_kit_set(&profile, "config.entries", CACHE);
	kit = smmu_kit_new(&profile);
	/* Aligned to its size, and one page more, for an empty translation table. */
	table = align_up(kit_frames(kit, 10), STE_SIZE * STREAMS);
	queue = kit_frames(kit, 1);
	queued = 0;
	kit_smmu_write(kit, SMMU_STRTAB_BASE, 8, table);
	kit_smmu_write(kit, SMMU_STRTAB_BASE_CFG, 4, STREAMS_LOG2);
	kit_smmu_write(kit, SMMU_CMDQ_BASE, 8, queue | QUEUE_LOG2);
	kit_smmu_write(kit, SMMU_EVENTQ_BASE, 8, kit_frames(kit, 1) | EVENTQ_LOG2);
	kit_smmu_write(kit, SMMU_CR2, 4, CR2_RECINVSID);
	kit_smmu_write(kit, SMMU_CR0, 4, ENABLE);
	for (uint32_t sid = 0; sid < STREAMS; sid++)
		set_ste(sid, STE_ABORT);
}

static void teardown(void)
{
	smmu_kit_free(kit);
}

/* --- the cache --- */

START_TEST(an_entry_is_fetched_once)
{
	set_ste(3, STE_BYPASS);
	for (unsigned i = 0; i < 5; i++)
		ck_assert(passes(3));
	ck_assert_uint_eq(config_fetches(), 1);
	ck_assert_uint_eq(kit->accesses[0].pa.value, table + 64 * 3);
	ck_assert_uint_eq(kit->accesses[0].size, 64);
	ck_assert_uint_eq(kit->accesses[0].context, CONTEXT_DEVICE(3));
}
END_TEST

START_TEST(a_changed_entry_is_seen_after_its_invalidation_and_not_before)
{
	ck_assert(!passes(3));
	set_ste(3, STE_BYPASS);
	ck_assert(!passes(3));
	issue(command_cfgi_ste(4, 1));
	issue(command_cfgi_ste(3 + CACHE, 1));
	ck_assert(!passes(3));
	issue(command_cfgi_ste(3, 1));
	ck_assert(passes(3));
	set_ste(3, STE_ABORT);
	ck_assert(passes(3));
	issue(command_cfgi_ste(3, 0)); /* Leaf is about the level above */
	ck_assert(!passes(3));
}
END_TEST

/* Range is log2 of the number of streams, less one; low bits of SID are ignored (3.2). */
START_TEST(a_range_is_a_power_of_two_of_streams_around_its_own)
{
	static const uint32_t sids[] = {0, 1, 5, 6, 15, 0xffffffff};
	for (unsigned i = 0; i < 6 * 32; i++) {
		uint32_t sid = sids[i / 32];
		unsigned range = i % 32;
		for (uint32_t other = 0; other < CACHE; other++) {
			set_ste(other, STE_ABORT);
			issue(command_cfgi_ste(other, 1));
			ck_assert(!passes(other));
			set_ste(other, STE_BYPASS);
		}
		issue(cfgi_range(sid, range));
		for (uint32_t other = 0; other < CACHE; other++) {
			bool wanted = range == 31 || other >> (range + 1) == sid >> (range + 1);
			ck_assert_msg(passes(other) == wanted, "%u: range %u of %x", other, range,
				      sid);
		}
	}
}
END_TEST

START_TEST(all_of_the_table_can_be_invalidated)
{
	for (uint32_t sid = 100; sid < 100 + CACHE; sid++) {
		ck_assert(!passes(sid));
		set_ste(sid, STE_BYPASS);
	}
	issue(command_cfgi_all());
	for (uint32_t sid = 100; sid < 100 + CACHE; sid++)
		ck_assert(passes(sid));
}
END_TEST

/* 1.4, 7.3: neither SMMUEN nor the base registers invalidate; nor does any TLBI. */
START_TEST(nothing_but_cfgi_invalidates)
{
	const struct smmu_command others[] = {
		command_tlbi_nsnh_all(),         command_tlbi_s12_vmall(0), command_tlbi_nh_all(0),
		command_atc_inv(3, 0, 52),       command_sync(SYNC_CS_SEV), {{CMD_CFGI_CD, 0}},
		{{CMD_CFGI_CD_ALL, 3ULL << 32}},
	};
	ck_assert(!passes(3));
	set_ste(3, STE_BYPASS);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		issue(others[i]);
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_CMDQEN);
	ck_assert(passes(3)); /* GBPA */
	kit_smmu_write(kit, SMMU_STRTAB_BASE, 8, table);
	kit_smmu_write(kit, SMMU_CR0, 4, ENABLE);
	ck_assert(!passes(3));
	issue(command_cfgi_ste(3, 1));
	ck_assert(passes(3));
}
END_TEST

/* 1.4: with SMMUEN = 0 commands still act on caches. */
START_TEST(a_disabled_smmu_invalidates_too)
{
	ck_assert(!passes(3));
	set_ste(3, STE_BYPASS);
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_CMDQEN);
	issue(command_cfgi_ste(3, 1));
	kit_smmu_write(kit, SMMU_CR0, 4, ENABLE);
	ck_assert(passes(3));
}
END_TEST

/* 7.1: an aborted fetch is not cached. */
START_TEST(an_aborted_fetch_is_tried_again)
{
	const struct port_fault fault = {.engine = kit->smmu->port.engine,
					 .purpose = ACCESS_CONFIG_FETCH,
					 .action = FAULT_ABORT,
					 .nth = 1};
	ck_assert(port_inject(kit->machine, &fault));
	set_ste(3, STE_BYPASS);
	ck_assert(!passes(3));
	ck_assert_uint_eq(got.event, EVT_F_STE_FETCH);
	ck_assert(passes(3));
	ck_assert_uint_eq(events(), 1);
}
END_TEST

/* Whether it is cached is the hardware's choice (7.4); each transaction records its event (6.2). */
START_TEST(an_invalid_entry_is_reported_each_time)
{
	set_ste(3, STE_INVALID);
	for (unsigned i = 1; i <= 3; i++) {
		ck_assert(!passes(3));
		ck_assert_uint_eq(got.event, EVT_C_BAD_STE);
		ck_assert_uint_eq(events(), i);
	}
	set_ste(3, STE_BYPASS);
	issue(command_cfgi_ste(3, 1));
	ck_assert(passes(3));
}
END_TEST

/* 7.3: CFGI_STE leaves the TLB, TLBI the configuration. */
START_TEST(configuration_and_translations_are_invalidated_apart)
{
	uint64_t l1 = kit_frames(kit, 3), l0 = table + STE_SIZE * STREAMS;
	set_stage2(3, 7);
	kit_set_word(kit, l0, l1 | 3);
	kit_set_word(kit, l1, (l1 + 0x1000) | 3);
	kit_set_word(kit, l1 + 0x1000, (l1 + 0x2000) | 3);
	kit_set_word(kit, l1 + 0x2000 + 8 * 5, 0x1234507ff);
	ck_assert(passes(3));
	ck_assert_int_eq(got.path, PATH_WALKED);
	issue(command_cfgi_ste(3, 1));
	issue(command_cfgi_all());
	ck_assert(passes(3));
	ck_assert_int_eq(got.path, PATH_CACHED);
	set_ste(3, STE_ABORT);
	issue(command_tlbi_s12_vmall(7));
	ck_assert(passes(3));
	ck_assert_int_eq(got.path, PATH_WALKED);
}
END_TEST

/* Each change of an entry has a VMID of its own; what is used is no older than the invalidation. */
START_TEST(what_is_used_is_never_older_than_the_last_invalidation)
{
	uint16_t oldest[64], newest[64];
	uint32_t random = SEED;
	for (uint32_t sid = 0; sid < 64; sid++)
		set_stage2(sid, oldest[sid] = newest[sid] = 1);
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_CMDQEN | CR0_SMMUEN);
	for (unsigned i = 0; i < 20000; i++) {
		random = random * 1664525U + 1013904223U;
		uint32_t sid = random >> 20 & 63, range = random >> 16 & 3;
		switch (random >> 28) {
		case 0:
			issue(command_cfgi_ste(sid, 1));
			oldest[sid] = newest[sid];
			break;
		case 1:
			issue(cfgi_range(sid, range));
			for (uint32_t other = 0; other < 64; other++)
				if (other >> (range + 1) == sid >> (range + 1))
					oldest[other] = newest[other];
			break;
		case 2:
		case 3:
		case 4:
			set_stage2(sid, ++newest[sid]);
			break;
		default:
			ck_assert(!passes(sid));
			ck_assert_uint_ge(got.vmid, oldest[sid]);
			ck_assert_uint_le(got.vmid, newest[sid]);
			break;
		}
	}
}
END_TEST

/* --- where an entry lies [4.1] --- */

static void move_table(uint64_t base, uint32_t log2size)
{
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_CMDQEN);
	kit_smmu_write(kit, SMMU_STRTAB_BASE, 8, base);
	kit_smmu_write(kit, SMMU_STRTAB_BASE_CFG, 4, log2size);
	kit_smmu_write(kit, SMMU_CR0, 4, ENABLE);
	issue(command_cfgi_all());
}

START_TEST(the_base_is_aligned_down_to_the_size_of_the_table)
{
	set_ste(3, STE_BYPASS);
	move_table(table + STE_SIZE * (STREAMS - 1), STREAMS_LOG2);
	ck_assert(passes(3));
	/* A smaller table may begin there. */
	move_table(table + STE_SIZE * 2, 1);
	ck_assert(passes(1));
	ck_assert(!passes(0));
}
END_TEST

START_TEST(streams_beyond_the_table_or_sidsize_are_bad)
{
	static const struct {
		uint32_t log2size;
		uint32_t sid;
		bool good;
	} rows[] = {{8, 255, true},       {8, 256, false},      {8, UINT32_MAX, false},
		    {0, 0, true},         {0, 1, false},        {20, 0xffff, true},
		    {20, 0x10000, false}, {32, 0x10000, false}, {63, 0x10000, false}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		move_table(table, rows[i].log2size);
		passes(rows[i].sid);
		ck_assert_msg((got.event != EVT_C_BAD_STREAMID) == rows[i].good, "row %zu", i);
	}
}
END_TEST

/* 1.2: guarded by SMMUEN. */
START_TEST(the_table_does_not_move_while_in_use)
{
	set_ste(3, STE_BYPASS);
	kit_smmu_write(kit, SMMU_STRTAB_BASE, 8, 0);
	kit_smmu_write(kit, SMMU_STRTAB_BASE_CFG, 4, 0);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_STRTAB_BASE, 8), table);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_STRTAB_BASE_CFG, 4), STREAMS_LOG2);
	ck_assert(passes(3));
}
END_TEST

START_TEST(the_cache_has_the_largest_power_of_two_that_the_profile_allows)
{
	static const uint32_t sizes[][2] = {{1, 1}, {2, 2}, {3, 2}, {255, 128}, {256, 256}};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct config_cache cache;
		config_cache_init(&cache, kit->machine, sizes[i][0]);
		ck_assert_uint_eq(cache.count, sizes[i][1]);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_config");
	TCase *tests = tcase_create("configuration");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_entry_is_fetched_once);
	tcase_add_test(tests, a_changed_entry_is_seen_after_its_invalidation_and_not_before);
	tcase_add_test(tests, a_range_is_a_power_of_two_of_streams_around_its_own);
	tcase_add_test(tests, all_of_the_table_can_be_invalidated);
	tcase_add_test(tests, nothing_but_cfgi_invalidates);
	tcase_add_test(tests, a_disabled_smmu_invalidates_too);
	tcase_add_test(tests, an_aborted_fetch_is_tried_again);
	tcase_add_test(tests, an_invalid_entry_is_reported_each_time);
	tcase_add_test(tests, configuration_and_translations_are_invalidated_apart);
	tcase_add_test(tests, what_is_used_is_never_older_than_the_last_invalidation);
	tcase_add_test(tests, the_base_is_aligned_down_to_the_size_of_the_table);
	tcase_add_test(tests, streams_beyond_the_table_or_sidsize_are_bad);
	tcase_add_test(tests, the_table_does_not_move_while_in_use);
	tcase_add_test(tests, the_cache_has_the_largest_power_of_two_that_the_profile_allows);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
