/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage-2 translation of tables that the driver made, against an obvious walker; faults and their
 * event records; the TLB (smmuv3 4, 5, 6, 7).
 */
#include <check.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"
#include "models/nvidia_vcmdq/smmu.h"
#include "tests/kit/run.h"

#define SMMU_AT  0x5000000ULL
#define CMDQV_AT 0x5200000ULL
#define SID      0x10U
#define SEED     20260417U

static struct machine *machine;
static struct smmu *smmu;
static struct arm_smmu *driver;
static struct arm_smmu_master *master;
static struct arm_smmu_domain *domain;
static struct translation got;
static uint64_t seen_events;

static void setup(void)
{
	struct machine_config config = machine_config_default();
	struct profile profile;
	struct trace_diag diag = {0};
	char *text;
	gsize length;
	ck_assert(g_file_get_contents(HWQ_SOURCE_DIR "/profiles/grace", &text, &length, NULL));
	ck_assert_int_eq(profile_parse(&profile, "grace", text, length, smmu_parameters, &diag), 0);
	g_free(text);
	config.arena_bytes = 256ULL << 20; /* quicker to make */
	machine = machine_new(&config);
	iommufd_register(machine);
	smmu = smmu_new(machine, pa_of(SMMU_AT), pa_of(CMDQV_AT), &profile);
	driver = arm_smmu_probe(machine, pa_of(SMMU_AT), pa_of(CMDQV_AT));
	master = arm_smmu_master_new(driver, SID);
	struct iommu_domain *made;
	ck_assert_int_eq(arm_smmu_domain_alloc(driver, false, &made), 0);
	domain = to_arm_smmu_domain(made);
	ck_assert_int_eq(arm_smmu_attach(made, &master->device), 0);
	seen_events = 0;
}

static void teardown(void)
{
	machine_free(machine);
}

static void map(uint64_t iova, uint64_t pa, uint64_t length, uint32_t prot)
{
	int error =
		domain->domain.ops->map(&domain->domain, iova_of(iova), pa_of(pa), length, prot, 0);
	ck_assert_int_eq(error, 0);
}

static bool works(uint64_t iova, bool write)
{
	return smmu_translate(smmu, SID, iova, write, &got) == TRANSLATE_OK;
}

static uint64_t read_word(uint64_t pa)
{
	uint8_t bytes[8];
	memory_read(&machine->memory, pa_of(pa), bytes, sizeof(bytes));
	return load_le64(bytes);
}

static void write_word(uint64_t pa, uint64_t value)
{
	uint8_t bytes[8];
	store_le64(bytes, value);
	memory_write(&machine->memory, pa_of(pa), bytes, sizeof(bytes), OWNER_KERNEL);
}

/* --- the obvious walker: where the descriptor that decides lies, and what it says --- */

struct slow {
	uint64_t at;
	uint64_t leaf;
	uint64_t pa;
	bool mapped;
};

static struct slow slow_walk(uint64_t iova)
{
	static const unsigned shifts[] = {39, 30, 21, 12};
	uint64_t table = domain->root_pfn * 4096;
	struct slow slow = {0};
	for (unsigned level = 0; level < 4; level++) {
		slow.at = table + (iova >> shifts[level]) % 512 * 8;
		slow.leaf = read_word(slow.at);
		if (slow.leaf % 2 == 0)
			return slow;
		table = slow.leaf & 0x0000fffffffff000;
		if (level == 3 || slow.leaf % 4 == 1) {
			uint64_t size = 1ULL << shifts[level];
			slow.mapped = true;
			slow.pa = table / size * size + iova % size;
			return slow;
		}
	}
	return slow;
}

static void check_against_walker(uint64_t iova, bool write)
{
	struct slow slow = slow_walk(iova);
	bool allowed = slow.mapped && (slow.leaf >> (write ? 7 : 6) & 1);
	ck_assert_int_eq(works(iova, write), allowed);
	if (allowed)
		ck_assert_uint_eq(got.pa.value, slow.pa);
	else
		ck_assert_uint_eq(got.event, slow.mapped ? EVT_F_PERMISSION : EVT_F_TRANSLATION);
}

static uint32_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 1664525U + 1013904223U;
	return (uint32_t)((uint64_t)(random_state >> 4) * limit >> 28);
}

/* Leaves of 4 KiB, 2 MiB and 1 GiB in slots of 2 GiB each, so that none overlaps another. */
START_TEST(every_translation_is_what_an_obvious_walk_gives)
{
	static const uint64_t sizes[] = {1ULL << 12, 1ULL << 21, 1ULL << 30};
	uint64_t starts[48], lengths[48];
	random_state = SEED;
	for (unsigned slot = 0; slot < 48; slot++) {
		uint64_t size = sizes[random_below(3)];
		uint64_t count = size == 1ULL << 30 ? 1 : 1 + random_below(5);
		/* Sometimes the two addresses differ below the size, so that smaller leaves serve. */
		uint64_t skew = random_below(3) == 0 ? 4096ULL * random_below(7) : 0;
		skew = size == 1ULL << 30 ? 0 : skew;
		starts[slot] = ((uint64_t)slot << 31 | (uint64_t)random_below(2) << 47) +
			       size * random_below(2);
		lengths[slot] = size * count;
		uint64_t pa = ((uint64_t)random_below(1 << 17) << 30) + size * random_below(3);
		map(starts[slot], pa + skew, lengths[slot], 1 + random_below(3));
	}
	for (unsigned i = 0; i < 6000; i++) {
		unsigned slot = random_below(48);
		/* In it, at its ends, or around it. */
		uint64_t iova = starts[slot] + random_below(1 << 28) * 4096ULL % lengths[slot];
		if (random_below(4) == 0)
			iova = starts[slot] + lengths[slot] - random_below(2);
		if (random_below(8) == 0)
			iova = (starts[slot] - 1 - random_below(4096)) & ((1ULL << 48) - 1);
		check_against_walker(iova + random_below(2) * random_below(4096) % 64,
				     random_below(2));
	}
	ck_assert_uint_gt(smmu->tlb.hits, 100);
	ck_assert_uint_gt(smmu->tlb.misses, 100);
}
END_TEST

START_TEST(the_driver_uses_the_largest_leaf_that_fits)
{
	map(0x40000000, 0x180000000, 1ULL << 30, IOMMU_READ);
	ck_assert_uint_eq(slow_walk(0x40000000).leaf, 0x18000077d);
	map(0x80200000, 0x80400000, 2ULL << 20, IOMMU_READ | IOMMU_WRITE);
	ck_assert_uint_eq(slow_walk(0x80200000).leaf, 0x804007fd);
	map(0x80400000, 0x80601000, 2ULL << 20, IOMMU_WRITE);
	ck_assert_uint_eq(slow_walk(0x80400000).leaf, 0x806017bf);
	ck_assert_uint_eq(slow_walk(0x805ff000).leaf, 0x808007bf);
}
END_TEST

/* --- faults and their records [6] --- */

static uint32_t event_prod(void)
{
	return (uint32_t)bus_read(&machine->bus, pa_of(SMMU_AT + SMMU_EVENTQ_PROD), 4);
}

/* Exactly one new record, with these words. */
static void expect_event(uint64_t dw0, uint64_t dw1, uint64_t dw2, uint64_t dw3)
{
	uint64_t at = driver->eventq_pfn * PAGE_SIZE + EVENT_SIZE * seen_events;
	ck_assert_uint_eq(event_prod(), ++seen_events);
	ck_assert_uint_eq(read_word(at), dw0);
	ck_assert_uint_eq(read_word(at + 8), dw1);
	ck_assert_uint_eq(read_word(at + 16), dw2);
	ck_assert_uint_eq(read_word(at + 24), dw3);
	ck_assert_uint_eq(got.event, dw0 & 0xff);
}

START_TEST(an_unmapped_address_faults_as_in_the_capture)
{
	map(0x36000000, 0x41900000, PAGE_SIZE, IOMMU_READ);
	/* "0000002000000013 0000028000000000 0000000036001000 0000000036001000", another stream. */
	ck_assert(!works(0x36000008, true));
	expect_event(0x0000001000000013, 0x0000028000000000, 0x36000008, 0x36000000);
	ck_assert(!works(0x50000000, true));
	expect_event(0x0000001000000010, 0x0000028000000000, 0x50000000, 0x50000000);
	ck_assert(!works(0x50000000, false));
	expect_event(0x0000001000000010, 0x0000028800000000, 0x50000000, 0x50000000);
	ck_assert(works(0x36000008, false));
	ck_assert_uint_eq(event_prod(), seen_events);
}
END_TEST

START_TEST(an_address_beyond_the_input_size_faults_without_a_walk)
{
	ck_assert(!works(1ULL << 48, false));
	expect_event(0x0000001000000010, 0x0000028800000000, 1ULL << 48, 1ULL << 48);
}
END_TEST

START_TEST(a_leaf_without_its_access_flag_faults_unless_affd)
{
	uint64_t ste = driver->strtab_pfn * PAGE_SIZE + STE_SIZE * SID;
	map(0x1000, 0x150000000, PAGE_SIZE, IOMMU_READ);
	write_word(slow_walk(0x1000).at, slow_walk(0x1000).leaf & ~PTE_AF);
	ck_assert(!works(0x1000, false));
	expect_event(0x0000001000000012, 0x0000028800000000, 0x1000, 0x1000);
	/* Not cached: setting the flag is enough. */
	write_word(slow_walk(0x1000).at, slow_walk(0x1000).leaf | PTE_AF);
	ck_assert(works(0x1000, false));
	write_word(ste + 16, read_word(ste + 16) | STE_S2AFFD);
	map(0x2000, 0x150001000, PAGE_SIZE, IOMMU_READ);
	write_word(slow_walk(0x2000).at, slow_walk(0x2000).leaf & ~PTE_AF);
	ck_assert(works(0x2000, false));
}
END_TEST

START_TEST(an_output_beyond_the_address_size_faults)
{
	uint64_t ste = driver->strtab_pfn * PAGE_SIZE + STE_SIZE * SID;
	map(0x1000, 1ULL << 44, PAGE_SIZE, IOMMU_READ);
	write_word(ste + 16, field_set(read_word(ste + 16), STE_S2PS, 4));
	ck_assert(!works(0x1000, false));
	expect_event(0x0000001000000011, 0x0000028800000000, 0x1000, 0x1000);
}
END_TEST

START_TEST(an_aborted_walk_reports_where_it_read)
{
	map(0x1000, 0x150000000, PAGE_SIZE, IOMMU_READ);
	struct port_fault fault = {.port = "smmu", .purpose = ACCESS_TABLE_WALK, .nth = 4};
	ck_assert(port_inject(machine, &fault));
	ck_assert(!works(0x1000, false));
	expect_event(0x000000100000000b, 0x0000028800000000, 0x1000, slow_walk(0x1000).at);
	ck_assert(works(0x1000, false));
}
END_TEST

START_TEST(an_aborted_fetch_of_the_stream_table_reports_where_it_read)
{
	struct port_fault fault = {.port = "smmu", .purpose = ACCESS_CONFIG_FETCH, .nth = 1};
	ck_assert(port_inject(machine, &fault));
	ck_assert(!works(0x1000, false));
	expect_event(0x0000001000000003, 0, 0, driver->strtab_pfn * PAGE_SIZE + STE_SIZE * SID);
}
END_TEST

START_TEST(a_stream_id_beyond_the_table_is_bad)
{
	ck_assert_int_eq(smmu_translate(smmu, 512, 0x1000, false, &got), TRANSLATE_FAULT);
	expect_event(0x0000020000000002, 0, 0, 0);
	ck_assert_int_eq(smmu_translate(smmu, UINT32_MAX, 0x1000, false, &got), TRANSLATE_FAULT);
	expect_event(0xffffffff00000002, 0, 0, 0);
	smmu->cr2 &= ~(uint32_t)CR2_RECINVSID;
	ck_assert_int_eq(smmu_translate(smmu, 512, 0x1000, false, &got), TRANSLATE_FAULT);
	ck_assert_uint_eq(event_prod(), seen_events);
}
END_TEST

START_TEST(a_bad_stream_table_entry_is_reported)
{
	uint64_t ste = driver->strtab_pfn * PAGE_SIZE + STE_SIZE * SID;
	uint64_t dw0 = read_word(ste), dw2 = read_word(ste + 16), dw3 = read_word(ste + 24);
	const uint64_t bad[][3] = {
		{dw0 & ~STE_V, dw2, dw3},
		{field_set(dw0, STE_CONFIG, STE_CONFIG_S1), dw2, dw3},
		{dw0, dw2 & ~STE_S2AA64, dw3},
		{dw0, dw2 | STE_S2ENDI, dw3},
		{dw0, dw2 | STE_S2HA, dw3},
		{dw0, dw2 | STE_S2HA | STE_S2HD, dw3},
		{dw0, field_set(dw2, STE_S2TG, 1), dw3},
		{dw0, field_set(dw2, STE_S2T0SZ, 15), dw3},
		{dw0, field_set(dw2, STE_S2T0SZ, 40), dw3},
		{dw0, field_set(dw2, STE_S2SL0, 0), dw3},
		{dw0, field_set(dw2, STE_S2SL0, 1), dw3},
		{dw0, field_set(dw2, STE_S2SL0, 3), dw3},
		{dw0, field_set(dw2, STE_S2PS, 0), dw3},
		{dw0, dw2, 1ULL << 48},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_word(ste, bad[i][0]);
		write_word(ste + 16, bad[i][1]);
		write_word(ste + 24, bad[i][2]);
		ck_assert_msg(!works(0x1000, false), "%zu", i);
		expect_event(0x0000001000000004, 0, 0, 0);
	}
}
END_TEST

START_TEST(abort_is_silent_and_bypass_passes)
{
	uint64_t ste = driver->strtab_pfn * PAGE_SIZE + STE_SIZE * SID;
	for (uint64_t config = 0; config < 4; config++) {
		write_word(ste, STE_V | field_put(STE_CONFIG, config));
		ck_assert(!works(0x1000, true));
		ck_assert_uint_eq(got.event, 0);
	}
	write_word(ste, STE_V | field_put(STE_CONFIG, STE_CONFIG_BYPASS));
	ck_assert(works(0x123456789abc, true));
	ck_assert_uint_eq(got.pa.value, 0x123456789abc);
	ck_assert_uint_eq(event_prod(), 0);
	/* Beyond the output size: a fault of stage 1 (4.2). */
	ck_assert(!works(1ULL << 48, true));
	expect_event(0x0000001000000011, 0x0000020000000000, 1ULL << 48, 0);
}
END_TEST

START_TEST(a_disabled_smmu_bypasses_or_aborts_as_gbpa_says)
{
	bus_write(&machine->bus, pa_of(SMMU_AT + SMMU_CR0), 4, CR0_CMDQEN | CR0_EVENTQEN);
	ck_assert(works(0x5000, true));
	ck_assert_uint_eq(got.pa.value, 0x5000);
	ck_assert(!works(1ULL << 48, true));
	bus_write(&machine->bus, pa_of(SMMU_AT + SMMU_GBPA), 4, 1U << 31 | 1U << 20);
	ck_assert(!works(0x5000, true));
	ck_assert_uint_eq(event_prod(), 0);
}
END_TEST

START_TEST(a_full_event_queue_drops_records_and_says_so_once)
{
	uint32_t size = 1U << driver->eventq_log2size;
	for (uint32_t i = 0; i < size; i++)
		works(0x50000000, false);
	ck_assert_uint_eq(event_prod(), size);
	for (uint32_t i = 0; i < 3; i++) {
		works(0x50000000, false);
		ck_assert_uint_eq(event_prod(), 1U << 31 | size);
	}
	bus_write(&machine->bus, pa_of(SMMU_AT + SMMU_EVENTQ_CONS), 4, 1U << 31 | size);
	works(0x50000000, false);
	ck_assert_uint_eq(event_prod(), 1U << 31 | (size + 1));
}
END_TEST

START_TEST(an_aborted_event_write_stops_the_queue_until_acknowledged)
{
	struct port_fault fault = {.port = "smmu", .purpose = ACCESS_EVENT_WRITE, .nth = 1};
	ck_assert(port_inject(machine, &fault));
	works(0x50000000, false);
	ck_assert_uint_eq(event_prod(), 0);
	ck_assert_uint_eq(smmu->gerror, GERROR_EVENTQ_ABT_ERR);
	works(0x50000000, false);
	ck_assert_uint_eq(event_prod(), 0);
	bus_write(&machine->bus, pa_of(SMMU_AT + SMMU_GERRORN), 4, GERROR_EVENTQ_ABT_ERR);
	works(0x50000000, false);
	ck_assert_uint_eq(event_prod(), 1);
}
END_TEST

/* --- TLB [7] --- */

static void issue(struct smmu_command command)
{
	arm_smmu_cmdq_issue(driver, &command, 1);
}

START_TEST(the_second_translation_comes_from_the_tlb)
{
	map(0x1000, 0x150000000, 2 * PAGE_SIZE, IOMMU_READ | IOMMU_WRITE);
	ck_assert(works(0x1234, false));
	ck_assert(!got.from_tlb);
	ck_assert(works(0x1678, true));
	ck_assert(got.from_tlb);
	ck_assert_uint_eq(got.pa.value, 0x150000678);
	ck_assert_uint_eq(got.vmid, domain->vmid);
	ck_assert(works(0x2000, false));
	ck_assert(!got.from_tlb);
}
END_TEST

START_TEST(a_stale_translation_serves_until_invalidate_and_sync)
{
	map(0x1000, 0x150000000, PAGE_SIZE, IOMMU_READ);
	ck_assert(works(0x1000, false));
	write_word(slow_walk(0x1000).at, 0);
	ck_assert(works(0x1000, false));
	issue(command_tlbi_s2_ipa((uint16_t)(domain->vmid + 1), 0x1000, 1));
	issue(command_tlbi_s2_ipa(domain->vmid, 0x2000, 1));
	issue(command_tlbi_s12_vmall((uint16_t)(domain->vmid + 1)));
	issue(command_tlbi_nh_all(domain->vmid));
	issue(command_cfgi_all());
	ck_assert(works(0x1000, false));
	ck_assert(got.from_tlb);
	issue(command_tlbi_s2_ipa(domain->vmid, 0x1000, 1));
	ck_assert(!works(0x1000, false));
	ck_assert_uint_eq(got.event, EVT_F_TRANSLATION);
}
END_TEST

START_TEST(whole_vmid_and_whole_world_commands_drop_everything)
{
	const struct smmu_command commands[] = {command_tlbi_s12_vmall(domain->vmid),
						command_tlbi_nsnh_all()};
	for (unsigned i = 0; i < 2; i++) {
		uint64_t iova = 0x1000 + 0x10000 * i;
		map(iova, 0x150000000, PAGE_SIZE, IOMMU_READ);
		ck_assert(works(iova, false));
		write_word(slow_walk(iova).at, 0);
		issue(commands[i]);
		ck_assert(!works(iova, false));
	}
}
END_TEST

/* Any address of a block reaches what was cached of it (3.6: one command a leaf). */
START_TEST(one_invalidation_drops_a_whole_block)
{
	map(0x40000000, 0x180000000, 1ULL << 30, IOMMU_READ);
	map(0x80200000, 0x80400000, 2ULL << 20, IOMMU_READ);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t block = i ? 0x80200000 : 0x40000000;
		ck_assert(works(block, false));
		ck_assert(works(block + 0x1ff123, false));
		ck_assert(got.from_tlb);
		ck_assert_uint_eq(got.pa.value, slow_walk(block + 0x1ff123).pa);
		write_word(slow_walk(block).at, 0);
		issue(command_tlbi_s2_ipa(domain->vmid, block + 0x5000, 1));
		ck_assert(!works(block, false));
		ck_assert(!works(block + 0x1ff123, false));
	}
}
END_TEST

START_TEST(permissions_of_a_cached_translation_still_count)
{
	map(0x1000, 0x150000000, PAGE_SIZE, IOMMU_READ);
	ck_assert(works(0x1000, false));
	ck_assert(!works(0x1000, true));
	ck_assert(got.from_tlb);
	ck_assert_uint_eq(got.event, EVT_F_PERMISSION);
}
END_TEST

START_TEST(dma_moves_bytes_or_nothing)
{
	uint64_t pfn, word = 0x1122334455667788, back = 0;
	ck_assert_uint_eq(memory_alloc(&machine->memory, 0, 1, 1, 1, 0, &pfn), 1);
	map(0x1000, pfn * PAGE_SIZE, PAGE_SIZE, IOMMU_READ);
	map(0x2000, pfn * PAGE_SIZE, PAGE_SIZE, IOMMU_READ | IOMMU_WRITE);
	ck_assert_int_eq(smmu_dma(smmu, SID, 0x1010, true, &word, 8, &got), TRANSLATE_FAULT);
	ck_assert_uint_eq(read_word(pfn * PAGE_SIZE + 0x10), 0);
	ck_assert_int_eq(smmu_dma(smmu, SID, 0x2010, true, &word, 8, &got), TRANSLATE_OK);
	ck_assert_uint_eq(read_word(pfn * PAGE_SIZE + 0x10), word);
	ck_assert_int_eq(smmu_dma(smmu, SID, 0x1010, false, &back, 8, &got), TRANSLATE_OK);
	ck_assert_uint_eq(back, word);
}
END_TEST

/* Concatenated start tables (5.4): S2SL0 1 with 43 input bits is 16 tables in a row. */
START_TEST(start_tables_can_be_concatenated)
{
	uint64_t pfn, ste = driver->strtab_pfn * PAGE_SIZE + STE_SIZE * SID;
	ck_assert_uint_eq(memory_alloc(&machine->memory, OWNER_KERNEL, 16, 16, 16, 0, &pfn), 16);
	write_word(pfn * PAGE_SIZE + 8 * 8191, 0x18000077d);
	uint64_t dw2 = field_set(read_word(ste + 16), STE_S2T0SZ, 64 - 43);
	write_word(ste + 16, field_set(dw2, STE_S2SL0, 1));
	write_word(ste + 24, (pfn + 5) * PAGE_SIZE); /* aligned down to the tables' size */
	ck_assert(works(0x7ffc0000123, false));
	ck_assert_uint_eq(got.pa.value, 0x180000123);
	write_word(ste + 16, field_set(read_word(ste + 16), STE_S2T0SZ, 64 - 44));
	ck_assert(!works(0x7ffc0000123, false));
	ck_assert_uint_eq(got.event, EVT_C_BAD_STE);
}
END_TEST

START_TEST(any_stream_table_size_is_survived)
{
	for (uint32_t log2size = 0; log2size < 64; log2size++) {
		smmu->strtab_cfg = log2size;
		smmu_translate(smmu, 0, 0x1000, false, &got);
		smmu_translate(smmu, 0xffff, 0x1000, false, &got);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_translate");
	TCase *tests = tcase_create("stage 2");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, every_translation_is_what_an_obvious_walk_gives);
	tcase_add_test(tests, the_driver_uses_the_largest_leaf_that_fits);
	tcase_add_test(tests, an_unmapped_address_faults_as_in_the_capture);
	tcase_add_test(tests, an_address_beyond_the_input_size_faults_without_a_walk);
	tcase_add_test(tests, a_leaf_without_its_access_flag_faults_unless_affd);
	tcase_add_test(tests, an_output_beyond_the_address_size_faults);
	tcase_add_test(tests, an_aborted_walk_reports_where_it_read);
	tcase_add_test(tests, an_aborted_fetch_of_the_stream_table_reports_where_it_read);
	tcase_add_test(tests, a_stream_id_beyond_the_table_is_bad);
	tcase_add_test(tests, a_bad_stream_table_entry_is_reported);
	tcase_add_test(tests, abort_is_silent_and_bypass_passes);
	tcase_add_test(tests, a_disabled_smmu_bypasses_or_aborts_as_gbpa_says);
	tcase_add_test(tests, a_full_event_queue_drops_records_and_says_so_once);
	tcase_add_test(tests, an_aborted_event_write_stops_the_queue_until_acknowledged);
	tcase_add_test(tests, the_second_translation_comes_from_the_tlb);
	tcase_add_test(tests, a_stale_translation_serves_until_invalidate_and_sync);
	tcase_add_test(tests, whole_vmid_and_whole_world_commands_drop_everything);
	tcase_add_test(tests, one_invalidation_drops_a_whole_block);
	tcase_add_test(tests, permissions_of_a_cached_translation_still_count);
	tcase_add_test(tests, dma_moves_bytes_or_nothing);
	tcase_add_test(tests, start_tables_can_be_concatenated);
	tcase_add_test(tests, any_stream_table_size_is_survived);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
