// SPDX-License-Identifier: Apache-2.0
/* ATS: what a device may ask, what it is told, what it keeps, and what ends that (smmuv3 3.2, 4.2, 8). */
#include <check.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu_host.h"

#define SID   3U
#define OTHER 4U
#define FULL  field_put(STE_EATS, EATS_FULL)
#define SPLIT field_put(STE_EATS, EATS_SPLIT)

static struct smmu_host host;
static struct smmu_endpoint *endpoint;
static struct ats_answer told;
static struct translation got;

static void begin(const struct profile *profile)
{
	host = smmu_host_new(profile);
	endpoint = smmu_endpoint_new(host.kit->smmu, SID);
}

static void setup(void)
{
	struct profile profile = smmu_kit_everything();
	begin(&profile);
}

static void teardown(void)
{
	smmu_host_free(&host);
}

static void set_cr0(uint64_t clear, uint64_t set)
{
	uint64_t cr0 = kit_smmu_read(host.kit, SMMU_CR0, 4);
	kit_smmu_write(host.kit, SMMU_CR0, 4, (cr0 & ~clear) | set);
}

/* A stream of stage 1 with its tables. */
static uint64_t stream(uint64_t eats)
{
	uint64_t table = host_stage1(&host, SID, CD_A | CD_R);
	host_change_ste(&host, SID, 1, STE_EATS, eats);
	return table;
}

static void ask(uint64_t iova, bool write)
{
	const struct smmu_access access = {.sid = SID, .iova = iova, .write = write};
	smmu_ats_request(host.kit->smmu, &access, &told);
}

static void unsupported(unsigned events)
{
	ask(SLOT(1), false);
	ck_assert_int_eq(told.status, ATS_UNSUPPORTED);
	ck_assert_uint_eq(host_events(&host), events);
	if (events > 0)
		ck_assert_uint_eq(host_event(&host, events - 1, 0),
				  (uint64_t)SID << 32 | EVT_F_BAD_ATS_TREQ);
}

static void no_rights(uint64_t iova, bool write)
{
	ask(iova, write);
	ck_assert_int_eq(told.status, ATS_SUCCESS);
	ck_assert(!told.readable && !told.writable);
	ck_assert_uint_eq(host_events(&host), 0);
}

/* --- translation requests --- */

START_TEST(a_stream_without_ats_may_not_ask)
{
	host_map(&host, stream(0), 1, 5, HOST_LEAF1);
	unsupported(1);
	host_change_ste(&host, SID, 0, STE_CONFIG, field_put(STE_CONFIG, STE_CONFIG_BYPASS));
	unsupported(2);
	host_change_ste(&host, SID, 1, 0, FULL); /* means nothing to a bypass */
	unsupported(3);
	host_change_ste(&host, SID, 0, STE_CONFIG, field_put(STE_CONFIG, STE_CONFIG_ABORT));
	unsupported(3);
	set_cr0(CR0_SMMUEN, 0);
	unsupported(4);
}
END_TEST

START_TEST(eats_3_is_as_0)
{
	stream(field_put(STE_EATS, 3));
	unsupported(1);
}
END_TEST

/* 6.2: F_BAD_ATS_TREQ. */
START_TEST(the_record_of_a_bad_request_has_what_was_asked)
{
	static const struct {
		struct smmu_access access;
		uint64_t dw0;
		uint64_t dw1;
	} rows[] = {
		{{.sid = SID, .iova = 0x12345}, 0x300000005, 1ULL << 31},
		{{.sid = SID, .write = true}, 0x300000005, 3ULL << 30},
		{{.sid = SID, .privileged = true}, 0x300000005, 9ULL << 28},
		{{.sid = SID, .instruction = true}, 0x300000005, 5ULL << 29},
		{{.sid = SID, .has_ssid = true, .ssid = 0x12}, 0x300012805, 1ULL << 31},
	};
	stream(0);
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		smmu_ats_request(host.kit->smmu, &rows[i].access, &told);
		ck_assert_msg(host_event(&host, i, 0) == rows[i].dw0, "%u", i);
		ck_assert_msg(host_event(&host, i, 1) == rows[i].dw1, "%u", i);
		ck_assert_uint_eq(host_event(&host, i, 2), rows[i].access.iova & ~0xfffULL);
	}
}
END_TEST

START_TEST(a_granted_request_has_the_address_and_its_rights)
{
	uint64_t table = stream(FULL);
	host_map(&host, table, 1, 5, HOST_LEAF1);
	host_map(&host, table, 2, 6, HOST_LEAF1 | PTE_S1_AP_RO);
	ask(SLOT(1) + 0x5000, true);
	ck_assert_int_eq(told.status, ATS_SUCCESS);
	ck_assert_uint_eq(told.address, SLOT(5) + 0x5000);
	ck_assert(told.readable && told.writable);
	ck_assert_uint_eq(told.order, 18);
	/* The right to write is not given unasked. */
	ask(SLOT(1), false);
	ck_assert(told.readable && !told.writable);
	/* Asked for both, it may get one. */
	ask(SLOT(2), true);
	ck_assert(told.readable && !told.writable);
	ck_assert_uint_eq(told.address, SLOT(6));
	ck_assert_uint_eq(host_events(&host), 0);
}
END_TEST

START_TEST(a_fault_is_told_to_the_device_alone)
{
	uint64_t table = stream(FULL);
	host_map(&host, table, 2, 6, HOST_LEAF1 & ~PTE_S1_AP_EL0);
	host_map(&host, table, 3, 6, HOST_LEAF1 & ~PTE_AF);
	for (unsigned slot = 1; slot < 4; slot++) {
		no_rights(SLOT(slot), false);
		no_rights(SLOT(slot), true);
	}
}
END_TEST

/* Stalls are for transactions. */
START_TEST(a_request_does_not_stall)
{
	host_stage1(&host, SID, CD_A | CD_S);
	host_change_ste(&host, SID, 1, STE_EATS, FULL);
	no_rights(SLOT(1), false);
	ck_assert(TAILQ_EMPTY(&host.kit->smmu->stalls));
}
END_TEST

START_TEST(a_faulty_configuration_aborts_the_request)
{
	const struct smmu_access substream = {.sid = SID, .has_ssid = true, .ssid = 1};
	const struct smmu_access unknown = {.sid = HOST_STREAMS};
	stream(FULL);
	smmu_ats_request(host.kit->smmu, &substream, &told); /* C_BAD_SUBSTREAMID */
	ck_assert_int_eq(told.status, ATS_ABORTED);
	smmu_ats_request(host.kit->smmu, &unknown, &told); /* C_BAD_STREAMID */
	ck_assert_int_eq(told.status, ATS_ABORTED);
	host_change_ste(&host, SID, 0, STE_V, 0);
	ask(SLOT(1), false);
	ck_assert_int_eq(told.status, ATS_ABORTED);
	ck_assert_uint_eq(host_events(&host), 0);
	/* Recorded if CR2 says so. */
	set_cr0(CR0_SMMUEN, 0);
	kit_smmu_write(host.kit, SMMU_CR2, 4, CR2_REC_CFG_ATS);
	set_cr0(0, CR0_SMMUEN);
	ask(SLOT(1), false);
	ck_assert_uint_eq(host_events(&host), 1);
	ck_assert_uint_eq(field_get(host_event(&host, 0, 0), EVT_ID), EVT_C_BAD_STE);
}
END_TEST

START_TEST(faults_of_requests_are_not_recorded_by_rec_cfg_ats)
{
	stream(FULL);
	set_cr0(CR0_SMMUEN, 0);
	kit_smmu_write(host.kit, SMMU_CR2, 4, CR2_REC_CFG_ATS);
	set_cr0(0, CR0_SMMUEN);
	no_rights(SLOT(1), false);
}
END_TEST

START_TEST(both_stages_are_one_with_full_ats)
{
	uint64_t stage2, stage1 = host_nested(&host, SID, CD_A, 0, &stage2);
	host_change_ste(&host, SID, 1, STE_EATS, FULL);
	host_map(&host, stage1, 1, 100, HOST_LEAF1);
	host_map(&host, stage2, 100, 5, HOST_LEAF2);
	ask(SLOT(1), false);
	ck_assert_uint_eq(told.address, SLOT(5));
}
END_TEST

START_TEST(split_stage_ats_tells_the_ipa)
{
	uint64_t stage2, stage1 = host_nested(&host, SID, CD_A | CD_R, STE_S2R, &stage2);
	host_change_ste(&host, SID, 1, STE_EATS, SPLIT);
	host_map(&host, stage1, 1, 100, HOST_LEAF1);
	host_map(&host, stage2, 100, 5, HOST_LEAF2);
	set_cr0(0, CR0_ATSCHK);
	for (unsigned i = 0; i < 2; i++) {
		ask(SLOT(1) + 0x3000, false);
		ck_assert_int_eq(told.status, ATS_SUCCESS);
		ck_assert_uint_eq(told.address, SLOT(100) + 0x3000);
		/* An untranslated access goes through both, and is cached so. */
		ck_assert_int_eq(smmu_translate(host.kit->smmu, SID, SLOT(1), false, &got),
				 TRANSLATE_OK);
		ck_assert_uint_eq(got.pa.value, SLOT(5));
	}
	/* What comes back still goes through stage 2. */
	struct smmu_access access = {.sid = SID, .iova = SLOT(100) + 8, .translated = true};
	ck_assert_int_eq(smmu_translate_access(host.kit->smmu, &access, &got), TRANSLATE_OK);
	ck_assert_uint_eq(got.pa.value, SLOT(5) + 8);
	access.iova = SLOT(101);
	ck_assert_int_eq(smmu_translate_access(host.kit->smmu, &access, &got), TRANSLATE_FAULT);
	ck_assert_uint_eq(host_events(&host), 1);
	ck_assert_uint_eq(host_event(&host, 0, 1) & EVT_S2, EVT_S2);
}
END_TEST

/* --- translated accesses --- */

static enum translate_result translated(uint64_t pa)
{
	const struct smmu_access access = {
		.sid = SID, .iova = pa, .write = true, .translated = true};
	return smmu_translate_access(host.kit->smmu, &access, &got);
}

static void forbidden(uint32_t events)
{
	ck_assert_int_eq(translated(SLOT(7) + 0x10), TRANSLATE_FAULT);
	ck_assert_uint_eq(host_events(&host), events);
	if (events == 0)
		return;
	ck_assert_uint_eq(host_event(&host, events - 1, 0),
			  (uint64_t)SID << 32 | EVT_F_TRANSL_FORBIDDEN);
	ck_assert_uint_eq(host_event(&host, events - 1, 1), 0); /* a write */
	ck_assert_uint_eq(host_event(&host, events - 1, 2), SLOT(7) + 0x10);
}

START_TEST(a_translated_access_passes_where_ats_is_on)
{
	stream(FULL);
	for (unsigned check = 0; check < 2; check++) {
		set_cr0(CR0_ATSCHK, check ? CR0_ATSCHK : 0);
		ck_assert_int_eq(translated(SLOT(7) + 0x10), TRANSLATE_OK);
		ck_assert_uint_eq(got.pa.value, SLOT(7) + 0x10);
	}
}
END_TEST

START_TEST(a_translated_access_of_another_stream_is_refused_if_checked)
{
	stream(0);
	ck_assert_int_eq(translated(SLOT(7)), TRANSLATE_OK); /* not looked up */
	set_cr0(0, CR0_ATSCHK);
	forbidden(1);
	host_change_ste(&host, SID, 0, STE_CONFIG, field_put(STE_CONFIG, STE_CONFIG_BYPASS));
	forbidden(2);
	host_change_ste(&host, SID, 0, STE_CONFIG, field_put(STE_CONFIG, STE_CONFIG_ABORT));
	ck_assert_int_eq(translated(SLOT(7)), TRANSLATE_FAULT);
	ck_assert_uint_eq(host_events(&host), 2); /* silently */
	set_cr0(CR0_ATSCHK | CR0_SMMUEN, 0);
	forbidden(3);
}
END_TEST

/* --- what the device keeps --- */

static bool reaches(uint64_t iova, int ssid, uint64_t pa)
{
	const struct smmu_access access = {
		.sid = SID, .iova = iova, .has_ssid = ssid >= 0, .ssid = (uint32_t)ssid};
	bool ok = smmu_endpoint_translate(endpoint, &access, &got) == TRANSLATE_OK;
	return ok && got.pa.value == pa;
}

/* The device knows a GiB that its tables have no more. */
static void keep(void)
{
	uint64_t table = stream(FULL);
	host_map(&host, table, 1, 5, HOST_LEAF1);
	ck_assert(reaches(SLOT(1), -1, SLOT(5)));
	ck_assert_int_eq(got.path, PATH_WALKED);
	kit_set_word(host.kit, table + 8, 0);
	host_issue(&host, command_tlbi_nsnh_all());
	host_issue(&host, command_sync(SYNC_CS_NONE));
}

static void invalidate(uint64_t dw0, uint64_t address, uint64_t size)
{
	host_issue(&host, (struct smmu_command){
				  {CMD_ATC_INV | field_put(CMD_SID, SID) | dw0, address | size}});
	kit_run(host.kit);
}

START_TEST(what_a_device_keeps_outlives_the_smmus_own_caches)
{
	keep();
	ck_assert(reaches(SLOT(1) + 0x1000, -1, SLOT(5) + 0x1000));
	ck_assert_int_eq(got.path, PATH_DEVICE);
	invalidate(0, 0, ATC_SIZE_ALL);
	ck_assert(!reaches(SLOT(1), -1, SLOT(5)));
	ck_assert_uint_eq(field_get(host_event(&host, 0, 0), EVT_ID), EVT_F_TRANSLATION);
}
END_TEST

START_TEST(an_invalidation_takes_effect_when_it_is_answered)
{
	keep();
	kit_put(host.kit, host.queue, host.queued++ % HOST_QUEUE, command_atc_inv(SID, 0, 52));
	kit_smmu_write(host.kit, SMMU_CMDQ_PROD, 4, host.queued % (2 * HOST_QUEUE));
	while (kit_smmu_read(host.kit, SMMU_CMDQ_CONS, 4) != host.queued % (2 * HOST_QUEUE))
		ck_assert(clock_step(&host.kit->machine->clock));
	ck_assert(reaches(SLOT(1), -1, SLOT(5))); /* consumed, and no more (3.5) */
	kit_run(host.kit);
	ck_assert(!reaches(SLOT(1), -1, SLOT(5)));
}
END_TEST

START_TEST(a_device_that_does_not_answer_keeps_what_it_has)
{
	keep();
	endpoint->silent = true;
	invalidate(0, 0, ATC_SIZE_ALL);
	ck_assert(reaches(SLOT(1), -1, SLOT(5)));
}
END_TEST

/* 3.2: 2^(12 + Size) bytes, aligned. */
START_TEST(an_invalidation_has_a_span)
{
	static const struct {
		uint64_t address;
		uint64_t size;
		bool gone;
	} rows[] = {
		{SLOT(0), 17, false},         {SLOT(0), 18, false},
		{SLOT(0), 19, true}, /* 2 GiB */
		{SLOT(2), 18, false},         {SLOT(2) - 0x1000, 0, true},
		{SLOT(1) + 0x5000, 18, true},                        /* aligned down */
		{SLOT(300), 52, true},        {SLOT(300), 63, true}, /* reserved; everything */
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		keep();
		invalidate(0, rows[i].address, rows[i].size);
		ck_assert_msg(reaches(SLOT(1), -1, SLOT(5)) != rows[i].gone, "%u", i);
		invalidate(0, 0, ATC_SIZE_ALL);
	}
}
END_TEST

START_TEST(an_invalidation_is_of_its_stream)
{
	keep();
	host_issue(&host, command_atc_inv(OTHER, 0, ATC_SIZE_ALL));
	kit_run(host.kit);
	ck_assert(reaches(SLOT(1), -1, SLOT(5)));
}
END_TEST

START_TEST(an_invalidation_is_of_a_substream_of_all_or_of_none)
{
	static const struct {
		uint64_t dw0;
		bool kept[3]; /* without a substream, of 1, of 2 */
	} rows[] = {
		{0, {false, true, true}},
		{CMD_SSV | 1ULL << 12, {true, false, true}},
		{CMD_SSV | CMD_ATC_GLOBAL | 1ULL << 12, {true, false, false}},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t table = stream(FULL);
		host_map(&host, table, 1, 5, HOST_LEAF1);
		host_change_ste(&host, SID, 0, STE_S1CDMAX, field_put(STE_S1CDMAX, 2));
		host_change_ste(&host, SID, 1, STE_S1DSS, field_put(STE_S1DSS, S1DSS_SSID0));
		uint64_t at = kit_word(host.kit, host.streams + STE_SIZE * SID) & STE_S1CONTEXTPTR;
		for (unsigned ssid = 1; ssid < 3; ssid++) {
			kit_set_word(host.kit, at + CD_SIZE * ssid, kit_word(host.kit, at));
			kit_set_word(host.kit, at + CD_SIZE * ssid + 8, table);
		}
		for (int ssid = -1; ssid < 3; ssid += ssid < 0 ? 2 : 1)
			ck_assert(reaches(SLOT(1), ssid, SLOT(5)));
		kit_set_word(host.kit, table + 8, 0);
		host_issue(&host, command_tlbi_nsnh_all());
		invalidate(rows[i].dw0, SLOT(1), 18);
		for (int n = 0; n < 3; n++)
			ck_assert_msg(reaches(SLOT(1), n == 0 ? -1 : n, SLOT(5)) == rows[i].kept[n],
				      "%u, %d", i, n);
		invalidate(0, 0, ATC_SIZE_ALL);
		invalidate(CMD_SSV | CMD_ATC_GLOBAL, 0, ATC_SIZE_ALL);
		kit_smmu_write(host.kit, SMMU_EVENTQ_CONS, 4, host_events(&host));
	}
}
END_TEST

/* A write needs the right that was told. */
START_TEST(a_device_asks_anew_for_what_it_may_not_do)
{
	struct smmu_access access = {.sid = SID, .iova = SLOT(1)};
	uint64_t table = stream(FULL);
	host_map(&host, table, 1, 5, HOST_LEAF1);
	ck_assert_int_eq(smmu_endpoint_translate(endpoint, &access, &got), TRANSLATE_OK);
	access.write = true;
	ck_assert_int_eq(smmu_endpoint_translate(endpoint, &access, &got), TRANSLATE_OK);
	ck_assert_int_ne(got.path, PATH_DEVICE);
	ck_assert_int_eq(smmu_endpoint_translate(endpoint, &access, &got), TRANSLATE_OK);
	ck_assert_int_eq(got.path, PATH_DEVICE);
}
END_TEST

START_TEST(dma_goes_where_the_device_thinks)
{
	uint64_t frame = kit_frames(host.kit, 1), word = 0;
	uint64_t slot = frame >> 30, inside = frame & (SLOT(1) - 1);
	host_map(&host, stream(FULL), 1, (unsigned)slot, HOST_LEAF1);
	kit_set_word(host.kit, frame, 0x1122334455667788);
	ck_assert_int_eq(smmu_dma(host.kit->smmu, SID, SLOT(1) + inside, false, &word, 8, &got),
			 TRANSLATE_OK);
	ck_assert_uint_eq(word, 0x1122334455667788);
	word = 5;
	ck_assert_int_eq(smmu_dma(host.kit->smmu, SID, SLOT(1) + inside, true, &word, 8, &got),
			 TRANSLATE_OK);
	ck_assert_uint_eq(kit_word(host.kit, frame), 5);
	const struct access *last = &host.kit->accesses[host.kit->access_count - 1];
	ck_assert_int_eq(last->purpose, ACCESS_DMA_WRITE);
	ck_assert_uint_eq(last->input, SLOT(1) + inside);
}
END_TEST

START_TEST(the_hash_sees_what_a_device_keeps)
{
	uint64_t values[3];
	for (unsigned i = 0; i < 3; i++) {
		struct hash hash;
		hash_init(&hash);
		smmu_hash(host.kit->smmu, &hash);
		values[i] = hash.value;
		struct tlb_entry entry = {.perm = ATC_READ, .pa = 7};
		if (i == 0)
			tlb_insert(&endpoint->atc.entries, &entry, 1);
		if (i == 1)
			atc_invalidate(&endpoint->atc, atc_tag(false, 0), false, 5, 6, 1ULL << 40);
	}
	ck_assert_uint_ne(values[0], values[1]);
	ck_assert_uint_ne(values[1], values[2]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_ats");
	TCase *tests = tcase_create("ats");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_stream_without_ats_may_not_ask);
	tcase_add_test(tests, eats_3_is_as_0);
	tcase_add_test(tests, the_record_of_a_bad_request_has_what_was_asked);
	tcase_add_test(tests, a_granted_request_has_the_address_and_its_rights);
	tcase_add_test(tests, a_fault_is_told_to_the_device_alone);
	tcase_add_test(tests, a_request_does_not_stall);
	tcase_add_test(tests, a_faulty_configuration_aborts_the_request);
	tcase_add_test(tests, faults_of_requests_are_not_recorded_by_rec_cfg_ats);
	tcase_add_test(tests, both_stages_are_one_with_full_ats);
	tcase_add_test(tests, split_stage_ats_tells_the_ipa);
	tcase_add_test(tests, a_translated_access_passes_where_ats_is_on);
	tcase_add_test(tests, a_translated_access_of_another_stream_is_refused_if_checked);
	tcase_add_test(tests, what_a_device_keeps_outlives_the_smmus_own_caches);
	tcase_add_test(tests, an_invalidation_takes_effect_when_it_is_answered);
	tcase_add_test(tests, a_device_that_does_not_answer_keeps_what_it_has);
	tcase_add_test(tests, an_invalidation_has_a_span);
	tcase_add_test(tests, an_invalidation_is_of_its_stream);
	tcase_add_test(tests, an_invalidation_is_of_a_substream_of_all_or_of_none);
	tcase_add_test(tests, a_device_asks_anew_for_what_it_may_not_do);
	tcase_add_test(tests, dma_goes_where_the_device_thinks);
	tcase_add_test(tests, the_hash_sees_what_a_device_keeps);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
