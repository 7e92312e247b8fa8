/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage-2 translation of tables that the driver made, against an obvious walker; faults and their
 * event records; how an address was come by (smmuv3 4, 5, 6, 7).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"
#include "tests/kit/run.h"
#include "tests/kit/smmu.h"

#define SID   0x10U
#define OTHER 0x11U
#define SEED  20260417U

/* What Linux makes of an output size, 4 KiB granule (4.3, 5.1, 5.4). */
struct geometry {
	unsigned bits; /* of output and of input */
	unsigned start_level;
	uint64_t dw2; /* of the STE, VMID 1 */
	unsigned root_pages;
};

static const struct geometry geometries[] = {
	{36, 1, 0x0449355c00000001, 1}, {40, 1, 0x044a355800000001, 2},
	{42, 1, 0x044b355600000001, 8}, {44, 0, 0x044c359400000001, 1},
	{48, 0, 0x044d359000000001, 1},
};
#define GEOMETRIES (sizeof(geometries) / sizeof(geometries[0]))

static struct smmu_kit *kit;
static struct smmu *smmu;
static struct arm_smmu *driver;
static struct arm_smmu_domain *domain;
static struct geometry geometry;
static struct translation got;
static uint64_t seen_events;

static struct arm_smmu_domain *attach_new_domain(uint32_t sid)
{
	struct arm_smmu_master *master = arm_smmu_master_new(driver, sid, false);
	struct iommu_domain *made;
	ck_assert_int_eq(arm_smmu_domain_alloc(driver, 2, false, &made), 0);
	ck_assert_int_eq(arm_smmu_attach(made, &master->device), 0);
	return to_arm_smmu_domain(made);
}

static void set_up_with(const struct geometry *wanted)
{
	const struct arm_smmu_resources resources = {.name = "smmu",
						     .base = {SMMU_AT},
						     .cmdqv = {CMDQV_AT},
						     .eventq_irq = KIT_IRQ_EVENTQ,
						     .cmdqv_irq = KIT_IRQ_CMDQV};
	struct profile profile = smmu_kit_grace();
	smmu_kit_set(&profile, "oas.bits", wanted->bits);
	kit = smmu_kit_new(&profile);
	smmu = kit->smmu;
	iommufd_register(kit->machine);
	ck_assert_int_eq(arm_smmu_probe(kit->machine, &resources, &driver), 0);
	geometry = *wanted;
	domain = attach_new_domain(SID);
	seen_events = 0;
	smmu_kit_clear(kit);
}

static void setup(void)
{
	set_up_with(&geometries[GEOMETRIES - 1]);
}

static void teardown(void)
{
	smmu_kit_free(kit);
}

static void map_in(struct arm_smmu_domain *into, uint64_t iova, uint64_t pa, uint64_t length,
		   uint32_t prot)
{
	int error = into->domain.ops->map(&into->domain, iova_of(iova), pa_of(pa), length, prot, 0);
	ck_assert_int_eq(error, 0);
}

static void map(uint64_t iova, uint64_t pa, uint64_t length, uint32_t prot)
{
	map_in(domain, iova, pa, length, prot);
}

static bool works(uint64_t iova, bool write)
{
	return smmu_translate(smmu, SID, iova, write, &got) == TRANSLATE_OK;
}

static void issue(struct smmu_command command)
{
	arm_smmu_cmdq_issue(driver, command);
}

static uint64_t ste_at(unsigned word)
{
	return driver->strtab_pfn * PAGE_SIZE + STE_SIZE * SID + 8ULL * word;
}

static uint64_t ste(unsigned word)
{
	return kit_word(kit, ste_at(word));
}

/* The hardware sees it. */
static void set_ste(unsigned word, uint64_t value)
{
	kit_set_word(kit, ste_at(word), value);
	issue(command_cfgi_ste(SID, 1));
}

/* --- the obvious walker: where the descriptor that decides lies, and what it says --- */

struct slow {
	uint64_t at;
	uint64_t leaf;
	uint64_t pa;
	bool mapped;
	unsigned reads;
	uint64_t path[4]; /* where it read */
};

static struct slow slow_walk(uint64_t iova)
{
	static const unsigned shifts[] = {39, 30, 21, 12};
	uint64_t table = domain->table.root_pfn * 4096;
	uint64_t entries = 1ULL << (geometry.bits - shifts[geometry.start_level]);
	struct slow slow = {0};
	for (unsigned level = geometry.start_level; level < 4; level++) {
		uint64_t size = 1ULL << shifts[level];
		slow.at = table + iova / size % entries * 8;
		slow.path[slow.reads++] = slow.at;
		slow.leaf = kit_word(kit, slow.at);
		entries = 512;
		if (slow.leaf % 2 == 0)
			return slow;
		table = slow.leaf & 0x0000fffffffff000;
		if (level == 3 || slow.leaf % 4 == 1) {
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

#define SLOTS 32U

/* A run of leaves of one size, at the start of slot SLOT of the input space. */
static void map_at_random(unsigned slot, uint64_t *start, uint64_t *length)
{
	static const uint64_t sizes[] = {1ULL << 12, 1ULL << 21, 1ULL << 30};
	unsigned output = geometry.bits < 47 ? geometry.bits - 30 : 17;
	uint64_t size = sizes[random_below(3)];
	bool large = size == 1ULL << 30;
	uint64_t count = large ? 1 : 1 + random_below(5);
	/* Sometimes the two addresses differ below the size, so that smaller leaves serve. */
	uint64_t skew = random_below(3) == 0 && !large ? 4096ULL * random_below(7) : 0;
	uint64_t pa = ((uint64_t)random_below((1U << output) - 8) << 30) + size * random_below(3);
	*start = ((uint64_t)slot << (geometry.bits - 5)) + (large ? 0 : size * random_below(2));
	*length = size * count;
	map(*start, pa + skew, *length, 1 + random_below(3));
}

static void compare_with_walker(unsigned accesses)
{
	uint64_t starts[SLOTS], lengths[SLOTS];
	random_state = SEED;
	for (unsigned slot = 0; slot < SLOTS; slot++)
		map_at_random(slot, &starts[slot], &lengths[slot]);
	for (unsigned i = 0; i < accesses; i++) {
		unsigned slot = random_below(SLOTS);
		/* In it, at its ends, or around it. */
		uint64_t iova = starts[slot] + random_below(1 << 28) * 4096ULL % lengths[slot];
		if (random_below(4) == 0)
			iova = starts[slot] + lengths[slot] - random_below(2);
		if (random_below(8) == 0)
			iova = (starts[slot] - 1 - random_below(4096)) &
			       ((1ULL << geometry.bits) - 1);
		check_against_walker(iova + random_below(2) * random_below(4096) % 64,
				     random_below(2));
	}
	ck_assert_uint_gt(smmu->tlb.hits, 100);
	ck_assert_uint_gt(smmu->tlb.misses, 100);
}

START_TEST(every_translation_is_what_an_obvious_walk_gives)
{
	compare_with_walker(6000);
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

START_TEST(a_walk_reads_one_descriptor_a_level)
{
	static const uint64_t iovas[] = {0x1000, 0x80200000, 0x40000000};
	map(0x1000, 0x150000000, PAGE_SIZE, IOMMU_READ);
	map(0x80200000, 0x80400000, 2ULL << 20, IOMMU_READ);
	map(0x40000000, 0x180000000, 1ULL << 30, IOMMU_READ);
	ck_assert(!works(0x5000000000, true)); /* the STE is then cached */
	for (unsigned i = 0; i < 3; i++) {
		struct slow slow = slow_walk(iovas[i]);
		/* Of the way there nothing is cached. */
		issue(command_tlbi_s12_vmall(domain->vmid));
		smmu_kit_clear(kit);
		ck_assert(works(iovas[i], false));
		ck_assert_uint_eq(kit->access_count, 4 - i);
		ck_assert_uint_eq(slow.reads, 4 - i);
		for (unsigned k = 0; k < slow.reads; k++) {
			ck_assert_int_eq(kit->accesses[k].purpose, ACCESS_TABLE_WALK);
			ck_assert_uint_eq(kit->accesses[k].pa.value, slow.path[k]);
			ck_assert_uint_eq(kit->accesses[k].context, CONTEXT_DEVICE(SID));
		}
	}
}
END_TEST

/* --- output sizes [5.4] --- */

START_TEST(each_output_size_has_the_start_level_of_linux)
{
	teardown();
	set_up_with(&geometries[_i]);
	ck_assert_uint_eq(ste(0), 0xd);
	ck_assert_uint_eq(ste(2), geometry.dw2);
	/* Concatenated tables are aligned to the size of them all. */
	ck_assert_uint_eq(ste(3), domain->table.root_pfn * PAGE_SIZE);
	ck_assert_uint_eq(ste(3) % (geometry.root_pages * PAGE_SIZE), 0);
	compare_with_walker(1500);
}
END_TEST

START_TEST(input_and_output_end_where_the_output_size_says)
{
	teardown();
	set_up_with(&geometries[_i]);
	uint64_t limit = 1ULL << geometry.bits;
	map(limit - PAGE_SIZE, limit - PAGE_SIZE, PAGE_SIZE, IOMMU_READ);
	ck_assert(works(limit - 1, false));
	ck_assert_uint_eq(got.pa.value, limit - 1);
	ck_assert(!works(limit, false));
	ck_assert_uint_eq(got.event, EVT_F_TRANSLATION);
	if (geometry.bits == 48)
		return; /* a descriptor holds no more */
	map(0x1000, limit, PAGE_SIZE, IOMMU_READ);
	ck_assert(!works(0x1000, false));
	ck_assert_uint_eq(got.event, EVT_F_ADDR_SIZE);
}
END_TEST

/* S2SL0 1 with 43 input bits is 16 tables in a row; with 44 it is none that is legal (5.4). */
START_TEST(start_tables_can_be_concatenated)
{
	uint64_t frames = align_up(kit_frames(kit, 32), 16 * PAGE_SIZE);
	kit_set_word(kit, frames + 8 * 8191, 0x18000077d);
	set_ste(2, field_set(field_set(ste(2), STE_S2T0SZ, 64 - 43), STE_S2SL0, 1));
	set_ste(3, frames + 5 * PAGE_SIZE); /* aligned down to the tables' size */
	ck_assert(works(0x7ffc0000123, false));
	ck_assert_uint_eq(got.pa.value, 0x180000123);
	set_ste(2, field_set(ste(2), STE_S2T0SZ, 64 - 44));
	ck_assert(!works(0x7ffc0000123, false));
	ck_assert_uint_eq(got.event, EVT_C_BAD_STE);
}
END_TEST

/* Each start level with the input sizes of 5.4's table, and the one beyond each end. */
START_TEST(start_levels_take_the_input_sizes_of_the_table)
{
	static const struct {
		uint64_t sl0;
		unsigned from;
		unsigned to;
	} rows[] = {{0, 25, 34}, {1, 31, 43}, {2, 40, 48}};
	uint64_t frames = align_up(kit_frames(kit, 32), 16 * PAGE_SIZE);
	set_ste(3, frames);
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned bits = 25; bits <= 48; bits++) {
			bool legal = bits >= rows[i].from && bits <= rows[i].to;
			uint64_t dw2 = field_set(ste(2), STE_S2T0SZ, 64 - bits);
			set_ste(2, field_set(dw2, STE_S2SL0, rows[i].sl0));
			ck_assert(!works(0x1000, false));
			ck_assert_msg(got.event == (legal ? EVT_F_TRANSLATION : EVT_C_BAD_STE),
				      "S2SL0 %u, %u bits: event %x", (unsigned)rows[i].sl0, bits,
				      got.event);
		}
	}
}
END_TEST

/* 4.2: the smaller of S2PS and OAS counts. */
START_TEST(output_is_limited_by_s2ps_as_well)
{
	map(0x1000, 1ULL << 44, PAGE_SIZE, IOMMU_READ);
	ck_assert(works(0x1000, false));
	issue(command_tlbi_s12_vmall(domain->vmid));
	set_ste(2, field_set(ste(2), STE_S2PS, 4));
	ck_assert(!works(0x1000, false));
	ck_assert_uint_eq(got.event, EVT_F_ADDR_SIZE);
	set_ste(2, field_set(ste(2), STE_S2PS, 6)); /* 52 bits: capped at 48 */
	ck_assert(works(0x1000, false));
}
END_TEST

/* --- faults and their records [6] --- */

static uint32_t event_prod(void)
{
	return (uint32_t)kit_smmu_read(kit, SMMU_EVENTQ_PROD, 4);
}

/* Exactly one new record, with these words. */
static void expect_event(uint64_t dw0, uint64_t dw1, uint64_t dw2, uint64_t dw3)
{
	uint64_t at = driver->eventq_pfn * PAGE_SIZE + EVENT_SIZE * seen_events;
	ck_assert_uint_eq(event_prod(), ++seen_events);
	ck_assert_uint_eq(kit_word(kit, at), dw0);
	ck_assert_uint_eq(kit_word(kit, at + 8), dw1);
	ck_assert_uint_eq(kit_word(kit, at + 16), dw2);
	ck_assert_uint_eq(kit_word(kit, at + 24), dw3);
	ck_assert_uint_eq(got.event, dw0 & 0xff);
}

static void inject(enum access_purpose purpose, uint64_t nth)
{
	const struct port_fault fault = {
		.engine = smmu->port.engine, .purpose = purpose, .action = FAULT_ABORT, .nth = nth};
	ck_assert(port_inject(kit->machine, &fault));
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
	ck_assert(!works(0x1000, false));
	smmu_kit_clear(kit);
	seen_events = 1;
	ck_assert(!works(1ULL << 48, false));
	expect_event(0x0000001000000010, 0x0000028800000000, 1ULL << 48, 1ULL << 48);
	ck_assert_uint_eq(kit->access_count, 1);
	ck_assert_int_eq(kit->accesses[0].purpose, ACCESS_EVENT_WRITE);
}
END_TEST

/* 6.1: IPA is bits 55 to 12 of dw3; the rest is reserved. */
START_TEST(an_ipa_in_a_record_has_the_bits_of_its_field)
{
	ck_assert(!works(0xff80000000001234, false));
	expect_event(0x0000001000000010, 0x0000028800000000, 0xff80000000001234,
		     0x0080000000001000);
}
END_TEST

/* No block at level 0; 01 at level 3 is reserved (5.2). */
START_TEST(descriptors_that_no_level_has_are_invalid)
{
	map(0x1000, 0x150000000, PAGE_SIZE, IOMMU_READ);
	struct slow slow = slow_walk(0x1000);
	for (unsigned level = 0; level < 4; level += 3) {
		uint64_t good = kit_word(kit, slow.path[level]);
		kit_set_word(kit, slow.path[level], (good & ~3ULL) | 0x7c1);
		ck_assert(!works(0x1000, false));
		expect_event(0x0000001000000010, 0x0000028800000000, 0x1000, 0x1000);
		kit_set_word(kit, slow.path[level], good);
	}
	ck_assert(works(0x1000, false));
}
END_TEST

START_TEST(a_leaf_without_its_access_flag_faults_unless_affd)
{
	map(0x1000, 0x150000000, PAGE_SIZE, IOMMU_READ);
	kit_set_word(kit, slow_walk(0x1000).at, slow_walk(0x1000).leaf & ~PTE_AF);
	ck_assert(!works(0x1000, false));
	expect_event(0x0000001000000012, 0x0000028800000000, 0x1000, 0x1000);
	/* Not cached (7.1): setting the flag is enough. */
	kit_set_word(kit, slow_walk(0x1000).at, slow_walk(0x1000).leaf | PTE_AF);
	ck_assert(works(0x1000, false));
	set_ste(2, ste(2) | STE_S2AFFD);
	map(0x2000, 0x150001000, PAGE_SIZE, IOMMU_READ);
	kit_set_word(kit, slow_walk(0x2000).at, slow_walk(0x2000).leaf & ~PTE_AF);
	ck_assert(works(0x2000, false));
}
END_TEST

/* 6.3: address size, then access flag, then permission. */
START_TEST(the_first_fault_of_a_leaf_is_the_one_recorded)
{
	set_ste(2, field_set(ste(2), STE_S2PS, 4));
	map(0x1000, 1ULL << 44, PAGE_SIZE, IOMMU_READ);
	uint64_t at = slow_walk(0x1000).at, leaf = slow_walk(0x1000).leaf & ~PTE_AF;
	kit_set_word(kit, at, leaf);
	ck_assert(!works(0x1000, true));
	expect_event(0x0000001000000011, 0x0000028000000000, 0x1000, 0x1000);
	kit_set_word(kit, at, leaf & ~(1ULL << 44));
	ck_assert(!works(0x1000, true));
	expect_event(0x0000001000000012, 0x0000028000000000, 0x1000, 0x1000);
	kit_set_word(kit, at, (leaf & ~(1ULL << 44)) | PTE_AF);
	ck_assert(!works(0x1000, true));
	expect_event(0x0000001000000013, 0x0000028000000000, 0x1000, 0x1000);
}
END_TEST

START_TEST(a_table_beyond_the_address_size_is_not_read)
{
	map(0x1000, 0x150000000, PAGE_SIZE, IOMMU_READ);
	struct slow slow = slow_walk(0x1000);
	kit_set_word(kit, slow.path[1], kit_word(kit, slow.path[1]) | 1ULL << 45);
	set_ste(2, field_set(ste(2), STE_S2PS, 4));
	smmu_kit_clear(kit);
	ck_assert(!works(0x1000, false));
	expect_event(0x0000001000000011, 0x0000028800000000, 0x1000, 0x1000);
	ck_assert_uint_eq(kit->access_count, 4); /* STE, two descriptors, the record */
}
END_TEST

START_TEST(an_aborted_walk_reports_where_it_read)
{
	map(0x1000, 0x150000000, PAGE_SIZE, IOMMU_READ);
	struct slow slow = slow_walk(0x1000);
	for (unsigned level = 0; level < 4; level++) {
		inject(ACCESS_TABLE_WALK, level + 1);
		ck_assert(!works(0x1000, false));
		expect_event(0x000000100000000b, 0x0000028800000000, 0x1000, slow.path[level]);
		issue(command_tlbi_s12_vmall(domain->vmid));
	}
	ck_assert(works(0x1000, false));
}
END_TEST

START_TEST(an_aborted_fetch_of_the_stream_table_reports_where_it_read)
{
	inject(ACCESS_CONFIG_FETCH, 1);
	issue(command_cfgi_all());
	ck_assert(!works(0x1000, false));
	expect_event(0x0000001000000003, 0, 0, ste_at(0));
}
END_TEST

START_TEST(a_stream_id_beyond_the_table_is_recorded_if_recinvsid)
{
	ck_assert_int_eq(smmu_translate(smmu, 512, 0x1000, false, &got), TRANSLATE_FAULT);
	expect_event(0x0000020000000002, 0, 0, 0);
	ck_assert_int_eq(smmu_translate(smmu, UINT32_MAX, 0x1000, false, &got), TRANSLATE_FAULT);
	expect_event(0xffffffff00000002, 0, 0, 0);
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_EVENTQEN);
	kit_smmu_write(kit, SMMU_CR2, 4, 0);
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_EVENTQEN | CR0_SMMUEN);
	ck_assert_int_eq(smmu_translate(smmu, 512, 0x1000, false, &got), TRANSLATE_FAULT);
	ck_assert_uint_eq(event_prod(), seen_events);
}
END_TEST

/* --- kinds of stream table entry [4.2] --- */

static void expect_bad_ste(const uint64_t words[4], size_t row)
{
	for (unsigned word = 0; word < 4; word++)
		kit_set_word(kit, ste_at(word), words[word]);
	issue(command_cfgi_ste(SID, 1));
	ck_assert_msg(!works(0x1000, false) && got.event == EVT_C_BAD_STE, "row %zu", row);
	expect_event(0x0000001000000004, 0, 0, 0);
}

START_TEST(a_bad_stream_table_entry_is_reported)
{
	uint64_t dw0 = ste(0), dw1 = ste(1), dw2 = ste(2), dw3 = ste(3);
	const uint64_t bad[][4] = {
		{dw0 & ~STE_V, dw1, dw2, dw3},
		{dw0, dw1, dw2 & ~STE_S2AA64, dw3},
		{dw0, dw1, dw2 | STE_S2HA, dw3},
		{dw0, dw1, dw2 | STE_S2HA | STE_S2HD, dw3},
		{dw0, dw1, dw2 | STE_S2HD, dw3},
		{dw0, dw1, field_set(dw2, STE_S2TG, 1), dw3},
		{dw0, dw1, field_set(dw2, STE_S2TG, 2), dw3},
		{dw0, dw1, field_set(dw2, STE_S2TG, 3), dw3},
		{dw0, dw1, field_set(dw2, STE_S2T0SZ, 15), dw3},
		{dw0, dw1, field_set(dw2, STE_S2T0SZ, 40), dw3},
		{dw0, dw1, field_set(dw2, STE_S2SL0, 0), dw3},
		{dw0, dw1, field_set(dw2, STE_S2SL0, 1), dw3},
		{dw0, dw1, field_set(dw2, STE_S2SL0, 3), dw3},
		{dw0, dw1, field_set(dw2, STE_S2PS, 0), dw3},
		{dw0, dw1, dw2, 1ULL << 48},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_bad_ste(bad[i], i);
}
END_TEST

/* EATS 2 is for Config 7, 1 excludes S2S, S2FWB needs IDR3.FWB: none of it is there. */
START_TEST(an_entry_with_settings_of_other_streams_is_bad)
{
	uint64_t dw0 = ste(0), dw1 = ste(1), dw2 = ste(2), dw3 = ste(3);
	const uint64_t bad[][4] = {
		{dw0, field_set(dw1, STE_EATS, 2), dw2, dw3},
		{dw0, field_set(dw1, STE_EATS, 1), dw2 | STE_S2S, dw3},
		{dw0, dw1 | BITS(25, 25), dw2, dw3},
	};
	expect_bad_ste(bad[_i], (size_t)_i);
}
END_TEST

/* Without DS, tables of 4 KiB granule lie below 2^48, whatever S2PS and OAS allow. */
START_TEST(a_table_above_48_bits_is_bad_at_any_output_size)
{
	static const struct geometry wide = {.bits = 52, .root_pages = 1};
	teardown();
	set_up_with(&wide);
	set_ste(2, field_set(ste(2), STE_S2PS, 6));
	set_ste(3, 1ULL << 48);
	ck_assert(!works(0x1000, false));
	ck_assert_uint_eq(got.event, EVT_C_BAD_STE);
}
END_TEST

/* Config 1 to 3 behave as 0. */
START_TEST(an_abort_entry_is_silent)
{
	for (uint64_t config = 0; config < 4; config++) {
		set_ste(0, STE_V | field_put(STE_CONFIG, config));
		for (unsigned write = 0; write < 2; write++) {
			ck_assert(!works(0x1000, write));
			ck_assert_uint_eq(got.event, 0);
		}
	}
	ck_assert_uint_eq(event_prod(), 0);
}
END_TEST

START_TEST(a_bypass_entry_passes_addresses_of_the_output_size)
{
	set_ste(0, STE_V | field_put(STE_CONFIG, STE_CONFIG_BYPASS));
	ck_assert(works(0x123456789abc, true));
	ck_assert_uint_eq(got.pa.value, 0x123456789abc);
	ck_assert_int_eq(got.path, PATH_BYPASS);
	ck_assert(works((1ULL << 48) - 1, false));
	ck_assert_uint_eq(event_prod(), 0);
	/* Beyond: a fault of stage 1, class IN (4.2). */
	ck_assert(!works(1ULL << 48, true));
	expect_event(0x0000001000000011, 0x0000020000000000, 1ULL << 48, 0);
}
END_TEST

/* S1ContextPtr = 0 leads to no context. */
START_TEST(a_stream_of_stage_1_without_a_context_does_not_pass)
{
	static const unsigned kinds[] = {STE_CONFIG_S1, STE_CONFIG_NESTED};
	for (unsigned i = 0; i < 2; i++) {
		set_ste(0, STE_V | field_put(STE_CONFIG, kinds[i]));
		ck_assert(!works(0x1000, false));
		ck_assert_uint_ne(got.event, 0);
	}
}
END_TEST

/* --- SMMUEN = 0 [1.4] --- */

START_TEST(a_disabled_smmu_bypasses_or_aborts_as_gbpa_says)
{
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_CMDQEN | CR0_EVENTQEN);
	ck_assert(works(0x5000, true));
	ck_assert_uint_eq(got.pa.value, 0x5000);
	ck_assert_int_eq(got.path, PATH_BYPASS);
	ck_assert(!works(1ULL << 48, true)); /* without event */
	kit_smmu_write(kit, SMMU_GBPA, 4, 1U << 31 | 1U << 20);
	ck_assert(!works(0x5000, true));
	ck_assert_uint_eq(event_prod(), 0);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_GBPA, 4), 1U << 20); /* Update is done */
	ck_assert_uint_eq(kit->access_count, 0);
}
END_TEST

/* 1.2: a write without Update is ignored. */
START_TEST(gbpa_changes_by_its_update_protocol_only)
{
	kit_smmu_write(kit, SMMU_CR0, 4, 0);
	kit_smmu_write(kit, SMMU_GBPA, 4, 1U << 20);
	ck_assert(works(0x5000, true));
	kit_smmu_write(kit, SMMU_GBPA, 4, 1U << 31 | 1U << 20);
	kit_smmu_write(kit, SMMU_GBPA, 4, 0);
	ck_assert(!works(0x5000, true));
}
END_TEST

/* --- the event queue [2, 6.4] --- */

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
	kit_smmu_write(kit, SMMU_EVENTQ_CONS, 4, 1U << 31 | size);
	works(0x50000000, false);
	ck_assert_uint_eq(event_prod(), 1U << 31 | (size + 1));
}
END_TEST

START_TEST(an_aborted_event_write_stops_the_queue_until_acknowledged)
{
	inject(ACCESS_EVENT_WRITE, 1);
	works(0x50000000, false);
	ck_assert_uint_eq(event_prod(), 0);
	ck_assert_uint_eq(kit_smmu_read(kit, SMMU_GERROR, 4), GERROR_EVENTQ_ABT_ERR);
	ck_assert_uint_eq(kit->interrupts[KIT_IRQ_GERROR], 1);
	ck_assert_uint_eq(kit->interrupts[KIT_IRQ_EVENTQ], 0);
	works(0x50000000, false);
	ck_assert_uint_eq(event_prod(), 0);
	kit_smmu_write(kit, SMMU_GERRORN, 4, GERROR_EVENTQ_ABT_ERR);
	works(0x50000000, false);
	ck_assert_uint_eq(event_prod(), 1);
	ck_assert_uint_eq(kit->interrupts[KIT_IRQ_GERROR], 1);
}
END_TEST

/* 1.6: when the queue was empty before. */
START_TEST(the_first_record_of_a_queue_interrupts)
{
	works(0x50000000, false);
	works(0x50000000, false);
	ck_assert_uint_eq(kit->interrupts[KIT_IRQ_EVENTQ], 1);
	kit_smmu_write(kit, SMMU_EVENTQ_CONS, 4, 1);
	works(0x50000000, false);
	ck_assert_uint_eq(kit->interrupts[KIT_IRQ_EVENTQ], 1);
	kit_smmu_write(kit, SMMU_EVENTQ_CONS, 4, 3);
	works(0x50000000, false);
	ck_assert_uint_eq(kit->interrupts[KIT_IRQ_EVENTQ], 2);
	kit_smmu_write(kit, SMMU_IRQ_CTRL, 4, IRQ_CTRL_GERROR);
	kit_smmu_write(kit, SMMU_EVENTQ_CONS, 4, 4);
	works(0x50000000, false);
	ck_assert_uint_eq(kit->interrupts[KIT_IRQ_EVENTQ], 2);
}
END_TEST

START_TEST(a_disabled_event_queue_takes_no_record_and_does_not_overflow)
{
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_CMDQEN | CR0_SMMUEN);
	for (uint32_t i = 0; i <= 1U << driver->eventq_log2size; i++)
		ck_assert(!works(0x50000000, false));
	ck_assert_uint_eq(event_prod(), 0);
	ck_assert_uint_eq(kit->interrupts[KIT_IRQ_EVENTQ], 0);
}
END_TEST

/* --- TLB [7] --- */

START_TEST(the_second_translation_comes_from_the_tlb)
{
	map(0x1000, 0x150000000, 2 * PAGE_SIZE, IOMMU_READ | IOMMU_WRITE);
	ck_assert(works(0x1234, false));
	ck_assert_int_eq(got.path, PATH_WALKED);
	smmu_kit_clear(kit);
	ck_assert(works(0x1678, true));
	ck_assert_int_eq(got.path, PATH_CACHED);
	ck_assert_uint_eq(kit->access_count, 0);
	ck_assert_uint_eq(got.pa.value, 0x150000678);
	ck_assert_uint_eq(got.vmid, domain->vmid);
	ck_assert(works(0x2000, false));
	ck_assert_int_eq(got.path, PATH_WALKED);
}
END_TEST

/* 7.2: entries are tagged by VMID, not by stream. */
START_TEST(streams_of_one_vmid_share_what_is_cached_and_others_do_not)
{
	struct arm_smmu_master *master = arm_smmu_master_new(driver, OTHER, false);
	map(0x1000, 0x150000000, PAGE_SIZE, IOMMU_READ);
	ck_assert_int_eq(arm_smmu_attach(&domain->domain, &master->device), 0);
	ck_assert(works(0x1000, false));
	ck_assert_int_eq(smmu_translate(smmu, OTHER, 0x1000, false, &got), TRANSLATE_OK);
	ck_assert_int_eq(got.path, PATH_CACHED);
	struct arm_smmu_domain *another = attach_new_domain(OTHER + 1);
	map_in(another, 0x1000, 0x160000000, PAGE_SIZE, IOMMU_READ);
	ck_assert_int_eq(smmu_translate(smmu, OTHER + 1, 0x1000, false, &got), TRANSLATE_OK);
	ck_assert_int_eq(got.path, PATH_WALKED);
	ck_assert_uint_eq(got.pa.value, 0x160000000);
	ck_assert(works(0x1000, false));
	ck_assert_uint_eq(got.pa.value, 0x150000000);
}
END_TEST

START_TEST(a_stale_translation_serves_until_invalidate_and_sync)
{
	map(0x1000, 0x150000000, PAGE_SIZE, IOMMU_READ);
	ck_assert(works(0x1000, false));
	kit_set_word(kit, slow_walk(0x1000).at, 0);
	ck_assert(works(0x1000, false));
	issue(command_tlbi_s2_ipa((uint16_t)(domain->vmid + 1), 0x1000, 1));
	issue(command_tlbi_s2_ipa(domain->vmid, 0x2000, 1));
	issue(command_tlbi_s12_vmall((uint16_t)(domain->vmid + 1)));
	issue(command_tlbi_nh_all(domain->vmid));
	issue(command_tlbi_nh_va(domain->vmid, 0, 0x1000, 1));
	issue(command_cfgi_all());
	ck_assert(works(0x1000, false));
	ck_assert_int_eq(got.path, PATH_CACHED);
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
		kit_set_word(kit, slow_walk(iova).at, 0);
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
		ck_assert_int_eq(got.path, PATH_CACHED);
		ck_assert_uint_eq(got.pa.value, slow_walk(block + 0x1ff123).pa);
		kit_set_word(kit, slow_walk(block).at, 0);
		issue(command_tlbi_s2_ipa(domain->vmid, block + 0x5000, 1));
		ck_assert(!works(block, false));
		ck_assert(!works(block + 0x1ff123, false));
	}
}
END_TEST

/* 3.3: IDR3.RIL is 0. */
START_TEST(range_fields_are_ignored)
{
	map(0x1000, 0x150000000, 2 * PAGE_SIZE, IOMMU_READ);
	ck_assert(works(0x1000, false) && works(0x2000, false));
	struct smmu_command command = command_tlbi_s2_ipa(domain->vmid, 0x1000, 1);
	command.dw[0] |= BITS(16, 12) | BITS(25, 20);
	command.dw[1] |= BITS(11, 8);
	issue(command);
	ck_assert(works(0x1000, false));
	ck_assert_int_eq(got.path, PATH_WALKED);
	ck_assert(works(0x2000, false));
	ck_assert_int_eq(got.path, PATH_CACHED);
}
END_TEST

/* 3.1, 3.3: an IPA is bits 51 to 12; reserved bits above it are ignored, or make it illegal. */
START_TEST(reserved_bits_above_an_ipa_do_not_save_its_translation)
{
	map(0x1000, 0x150000000, PAGE_SIZE, IOMMU_READ);
	ck_assert(works(0x1000, false));
	kit_set_word(kit, slow_walk(0x1000).at, 0);
	issue(command_tlbi_s2_ipa(domain->vmid, 0x1000 | 1ULL << 60, 1));
	ck_assert(!works(0x1000, false));
}
END_TEST

START_TEST(permissions_of_a_cached_translation_still_count)
{
	map(0x1000, 0x150000000, PAGE_SIZE, IOMMU_READ);
	ck_assert(works(0x1000, false));
	ck_assert(!works(0x1000, true));
	ck_assert_int_eq(got.path, PATH_CACHED);
	expect_event(0x0000001000000013, 0x0000028000000000, 0x1000, 0x1000);
}
END_TEST

/* --- DMA --- */

START_TEST(dma_moves_bytes_or_nothing)
{
	uint64_t frame = kit_frames(kit, 1), word = 0x1122334455667788, back = 0;
	map(0x1000, frame, PAGE_SIZE, IOMMU_READ);
	map(0x2000, frame, PAGE_SIZE, IOMMU_READ | IOMMU_WRITE);
	ck_assert_int_eq(smmu_dma(smmu, SID, 0x1010, true, &word, 8, &got), TRANSLATE_FAULT);
	ck_assert_uint_eq(kit_word(kit, frame + 0x10), 0);
	ck_assert_int_eq(smmu_dma(smmu, SID, 0x2010, true, &word, 8, &got), TRANSLATE_OK);
	ck_assert_uint_eq(kit_word(kit, frame + 0x10), word);
	ck_assert_int_eq(smmu_dma(smmu, SID, 0x1010, false, &back, 8, &got), TRANSLATE_OK);
	ck_assert_uint_eq(back, word);
}
END_TEST

static void expect_dma(uint64_t iova, uint64_t pa, bool write, enum access_path path)
{
	uint64_t word = 0;
	smmu_kit_clear(kit);
	ck_assert_int_eq(smmu_dma(smmu, SID, iova, write, &word, 8, &got), TRANSLATE_OK);
	const struct access *last = &kit->accesses[kit->access_count - 1];
	ck_assert_int_eq(last->purpose, write ? ACCESS_DMA_WRITE : ACCESS_DMA_READ);
	ck_assert_int_eq(last->path, path);
	ck_assert_uint_eq(last->context, CONTEXT_DEVICE(SID));
	ck_assert_uint_eq(last->input, iova);
	ck_assert_uint_eq(last->pa.value, pa);
	ck_assert_uint_eq(last->size, 8);
	ck_assert_uint_eq(last->engine, smmu->port.engine);
}

START_TEST(an_access_says_how_its_address_was_come_by)
{
	uint64_t frame = kit_frames(kit, 1);
	map(0x1000, frame, PAGE_SIZE, IOMMU_READ | IOMMU_WRITE);
	expect_dma(0x1010, frame + 0x10, false, PATH_WALKED);
	expect_dma(0x1018, frame + 0x18, true, PATH_CACHED);
	issue(command_tlbi_s2_ipa(domain->vmid, 0x1000, 1));
	expect_dma(0x1010, frame + 0x10, true, PATH_WALKED);
	set_ste(0, STE_V | field_put(STE_CONFIG, STE_CONFIG_BYPASS));
	expect_dma(frame + 8, frame + 8, true, PATH_BYPASS);
	kit_smmu_write(kit, SMMU_CR0, 4, 0);
	expect_dma(frame + 8, frame + 8, false, PATH_BYPASS);
}
END_TEST

START_TEST(a_refused_dma_reaches_no_memory)
{
	uint64_t word = 5;
	set_ste(0, STE_V);
	ck_assert(!works(0x1000, true));
	smmu_kit_clear(kit);
	ck_assert_int_eq(smmu_dma(smmu, SID, 0x1000, true, &word, 8, &got), TRANSLATE_FAULT);
	ck_assert_int_eq(smmu_dma(smmu, SID, 0x1000, false, &word, 8, &got), TRANSLATE_FAULT);
	ck_assert_uint_eq(kit->access_count, 0);
	ck_assert_uint_eq(word, 5);
}
END_TEST

START_TEST(any_stream_table_size_is_survived)
{
	for (uint32_t log2size = 0; log2size < 64; log2size++) {
		kit_smmu_write(kit, SMMU_CR0, 4, 0);
		kit_smmu_write(kit, SMMU_STRTAB_BASE_CFG, 4, log2size);
		kit_smmu_write(kit, SMMU_CR0, 4, CR0_SMMUEN);
		smmu_translate(smmu, 0, 0x1000, false, &got);
		smmu_translate(smmu, 0xffff, 0x1000, false, &got);
	}
}
END_TEST

static TCase *translations(void)
{
	TCase *tests = tcase_create("translations");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, every_translation_is_what_an_obvious_walk_gives);
	tcase_add_test(tests, the_driver_uses_the_largest_leaf_that_fits);
	tcase_add_test(tests, a_walk_reads_one_descriptor_a_level);
	tcase_add_loop_test(tests, each_output_size_has_the_start_level_of_linux, 0, GEOMETRIES);
	tcase_add_loop_test(tests, input_and_output_end_where_the_output_size_says, 0, GEOMETRIES);
	tcase_add_test(tests, start_tables_can_be_concatenated);
	tcase_add_test(tests, start_levels_take_the_input_sizes_of_the_table);
	tcase_add_test(tests, output_is_limited_by_s2ps_as_well);
	tcase_add_test(tests, the_second_translation_comes_from_the_tlb);
	tcase_add_test(tests, streams_of_one_vmid_share_what_is_cached_and_others_do_not);
	tcase_add_test(tests, a_stale_translation_serves_until_invalidate_and_sync);
	tcase_add_test(tests, whole_vmid_and_whole_world_commands_drop_everything);
	tcase_add_test(tests, one_invalidation_drops_a_whole_block);
	tcase_add_test(tests, range_fields_are_ignored);
	tcase_add_test(tests, permissions_of_a_cached_translation_still_count);
	tcase_add_test(tests, dma_moves_bytes_or_nothing);
	tcase_add_test(tests, an_access_says_how_its_address_was_come_by);
	tcase_add_test(tests, a_refused_dma_reaches_no_memory);
	tcase_add_test(tests, any_stream_table_size_is_survived);
	return tests;
}

static TCase *faults(void)
{
	TCase *tests = tcase_create("faults");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_unmapped_address_faults_as_in_the_capture);
	tcase_add_test(tests, an_address_beyond_the_input_size_faults_without_a_walk);
	tcase_add_test(tests, descriptors_that_no_level_has_are_invalid);
	tcase_add_test(tests, a_leaf_without_its_access_flag_faults_unless_affd);
	tcase_add_test(tests, the_first_fault_of_a_leaf_is_the_one_recorded);
	tcase_add_test(tests, a_table_beyond_the_address_size_is_not_read);
	tcase_add_test(tests, an_aborted_walk_reports_where_it_read);
	tcase_add_test(tests, an_aborted_fetch_of_the_stream_table_reports_where_it_read);
	tcase_add_test(tests, a_stream_id_beyond_the_table_is_recorded_if_recinvsid);
	tcase_add_test(tests, a_bad_stream_table_entry_is_reported);
	tcase_add_test(tests, an_abort_entry_is_silent);
	tcase_add_test(tests, a_bypass_entry_passes_addresses_of_the_output_size);
	tcase_add_test(tests, a_stream_of_stage_1_without_a_context_does_not_pass);
	tcase_add_test(tests, a_disabled_smmu_bypasses_or_aborts_as_gbpa_says);
	tcase_add_test(tests, gbpa_changes_by_its_update_protocol_only);
	tcase_add_test(tests, a_full_event_queue_drops_records_and_says_so_once);
	tcase_add_test(tests, an_aborted_event_write_stops_the_queue_until_acknowledged);
	tcase_add_test(tests, the_first_record_of_a_queue_interrupts);
	tcase_add_test(tests, a_disabled_event_queue_takes_no_record_and_does_not_overflow);
	tcase_add_test(tests, an_ipa_in_a_record_has_the_bits_of_its_field);
	tcase_add_loop_test(tests, an_entry_with_settings_of_other_streams_is_bad, 0, 3);
	tcase_add_test(tests, a_table_above_48_bits_is_bad_at_any_output_size);
	tcase_add_test(tests, reserved_bits_above_an_ipa_do_not_save_its_translation);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("smmu_translate");
	suite_add_tcase(suite, translations());
	suite_add_tcase(suite, faults());
	return run_suite(suite);
}
