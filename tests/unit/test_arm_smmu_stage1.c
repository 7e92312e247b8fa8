// SPDX-License-Identifier: Apache-2.0
/*
 * The driver's own stage-1 domains: what it writes and sends (smmuv3 3.6, 4.3), and that it does what
 * Linux's did when the same was asked of it (traces/captures/smmuv3).
 */
#include <check.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/arm_smmu.h"
#include "tests/kit/fake_iommu.h"
#include "tests/kit/run.h"
#include "tests/kit/smmu_capture.h"

#define SID   0x10U
#define OTHER 0x11U
#define IOVA  0x40000000ULL
#define RAM   0x1000000000ULL /* output addresses; nothing is stored there */

static struct profile profile;
static struct arm_kit *kit;
static struct arm_smmu_master *master;
static struct translation got;

static void setup(void)
{
	profile = smmu_kit_grace();
	kit = arm_kit_new(&profile);
	master = arm_kit_device(kit, SID, false);
	arm_kit_look(kit);
}

static void teardown(void)
{
	arm_kit_free(kit);
}

static void remake_with(const char *parameter, uint64_t set, uint64_t clear)
{
	teardown();
	smmu_kit_set(&profile, parameter, (profile_get(&profile, parameter) & ~clear) | set);
	kit = arm_kit_new(&profile);
	master = arm_kit_device(kit, SID, false);
	arm_kit_look(kit);
}

static struct arm_smmu_domain *new_domain(unsigned stage)
{
	struct iommu_domain *made;
	ck_assert_int_eq(arm_smmu_domain_alloc(kit->driver, stage, false, &made), 0);
	return to_arm_smmu_domain(made);
}

static void attach_to(struct arm_smmu_domain *domain, struct arm_smmu_master *device)
{
	ck_assert_int_eq(arm_smmu_attach(&domain->domain, &device->device), 0);
}

/* Of stage 1, attached; what that sends is forgotten. */
static struct arm_smmu_domain *attached(void)
{
	struct arm_smmu_domain *domain = new_domain(1);
	attach_to(domain, master);
	arm_kit_look(kit);
	return domain;
}

/* Leaves of LIMIT bytes at most. */
static void map_limited(struct arm_smmu_domain *domain, uint64_t iova, uint64_t size,
			uint64_t limit)
{
	ck_assert_int_eq(domain->domain.ops->map(&domain->domain, iova_of(iova), pa_of(RAM + iova),
						 size, IOMMU_READ | IOMMU_WRITE, limit),
			 0);
}

static void map(struct arm_smmu_domain *domain, uint64_t iova, uint64_t size)
{
	map_limited(domain, iova, size, 0);
}

static void unmap(struct arm_smmu_domain *domain, uint64_t iova, uint64_t size)
{
	domain->domain.ops->unmap(&domain->domain, iova_of(iova), size);
}

static bool reaches(uint64_t iova)
{
	return smmu_translate(kit->smmu, SID, iova, true, &got) == TRANSLATE_OK &&
	       got.pa.value == RAM + iova;
}

static struct smmu_command prefetch(void)
{
	return command_prefetch_config(SID);
}

#define CFGI_CD  command_cfgi_cd(SID, 0, 1)
#define CFGI_STE command_cfgi_ste(SID, 1)

/* --- entries [3.6, 4.3] --- */

/* Grace: 48 bits of output, ATTR_TYPES_OVR, STALL_MODEL 0. */
START_TEST(attach_writes_the_entries_of_linux)
{
	struct arm_smmu_domain *domain = new_domain(1);
	attach_to(domain, master);
	const struct arm_logged *last = &kit->log[kit->count - 1];
	ck_assert_uint_eq(last->cd[0], 0x0001e205c0003510);
	ck_assert_uint_eq(last->cd[1], domain->table.root_pfn * PAGE_SIZE);
	ck_assert_uint_eq(last->cd[2], 0);
	ck_assert_uint_eq(last->cd[3], 0xfffffffff404ff44);
	ck_assert_uint_eq(last->ste[0], master->cd_pa | 0xb);
	ck_assert_uint_eq(last->ste[1], 0x80000d6);
	ck_assert_uint_eq(last->ste[2], 0);
	ck_assert_uint_eq(last->ste[3], 0);
}
END_TEST

START_TEST(attach_goes_from_the_context_to_the_stream)
{
	attach_to(new_domain(1), master);
	ARM_KIT_EXPECT(kit, CFGI_CD, ARM_SYNC, CFGI_CD, ARM_SYNC, CFGI_STE, ARM_SYNC, CFGI_STE,
		       ARM_SYNC, prefetch());
	ck_assert_uint_eq(kit->log[0].cd[0], 0); /* words 1 and 3 */
	ck_assert_uint_eq(kit->log[0].cd[3], 0xfffffffff404ff44);
	ck_assert_uint_eq(kit->log[2].cd[0], 0x0001e205c0003510);
	ck_assert_uint_eq(kit->log[2].ste[1], 0);
	ck_assert_uint_eq(kit->log[4].ste[0], STE_V);
	ck_assert_uint_eq(kit->log[4].ste[1], 0x80000d6);
	ck_assert_uint_eq(kit->log[6].ste[0], master->cd_pa | 0xb);
}
END_TEST

START_TEST(detach_goes_from_the_stream_to_the_context)
{
	struct arm_smmu_domain *domain = attached();
	arm_smmu_block(&master->device);
	ARM_KIT_EXPECT(kit, CFGI_STE, ARM_SYNC, CFGI_STE, ARM_SYNC, prefetch(),
		       command_tlbi_nh_asid(0, domain->asid), ARM_SYNC, CFGI_CD, ARM_SYNC, CFGI_CD,
		       ARM_SYNC);
	ck_assert_uint_eq(kit->log[0].ste[0], STE_V);
	ck_assert_uint_eq(kit->log[0].ste[1], 0x80000d6);
	ck_assert_uint_eq(kit->log[2].ste[1], 0);
	ck_assert_uint_ne(kit->log[5].cd[0], 0);
	ck_assert_uint_eq(kit->log[7].cd[0], 0);
	ck_assert_uint_ne(kit->log[7].cd[1], 0);
	ck_assert_uint_eq(kit->log[9].cd[1], 0);
	ck_assert_uint_eq(kit->log[9].cd[3], 0);
	arm_kit_look(kit);
	domain->domain.ops->free(&domain->domain);
	ck_assert_uint_eq(kit->count, 0);
}
END_TEST

/* EATS counts as long as the entry translates: it goes with the rest, not before. */
START_TEST(detach_of_a_device_with_ats_has_no_step_of_its_own)
{
	for (unsigned stage = 1; stage <= 2; stage++) {
		struct arm_smmu_master *device = arm_kit_device(kit, OTHER + stage, true);
		const struct smmu_command cfgi = command_cfgi_ste(OTHER + stage, 1);
		attach_to(new_domain(stage), device);
		kit->watched = device;
		arm_kit_look(kit);
		arm_smmu_block(&device->device);
		for (unsigned i = 0; i < 4; i += 2)
			ck_assert_uint_eq(kit->log[i].command.dw[0], cfgi.dw[0]);
		ck_assert_uint_eq(kit->log[0].ste[0], STE_V);
		ck_assert_uint_eq(field_get(kit->log[0].ste[1], STE_EATS), EATS_FULL);
		ck_assert_uint_eq(kit->log[2].ste[1], 0);
		ck_assert_uint_eq(command_opcode(&kit->log[4].command), CMD_PREFETCH_CONFIG);
		ck_assert_uint_eq(command_opcode(&kit->log[5].command), CMD_ATC_INV);
	}
}
END_TEST

/* ASID and table change, two words: V = 0, the rest, word 0. The stream's entry stays. */
START_TEST(another_stage_1_takes_the_context_over)
{
	struct arm_smmu_domain *first = attached(), *second = new_domain(1);
	attach_to(second, master);
	ARM_KIT_EXPECT(kit, CFGI_CD, ARM_SYNC, CFGI_CD, ARM_SYNC, CFGI_CD, ARM_SYNC, prefetch(),
		       command_tlbi_nh_asid(0, first->asid), ARM_SYNC);
	ck_assert_uint_eq(kit->log[0].cd[0] & CD_V, 0);
	ck_assert_uint_eq(kit->log[0].cd[1], first->table.root_pfn * PAGE_SIZE);
	ck_assert_uint_eq(kit->log[2].cd[0] & CD_V, 0);
	ck_assert_uint_eq(kit->log[2].cd[1], second->table.root_pfn * PAGE_SIZE);
	ck_assert_uint_eq(field_get(kit->log[4].cd[0], CD_ASID), second->asid);
	for (unsigned i = 0; i < kit->count; i++)
		ck_assert_uint_eq(kit->log[i].ste[0], master->cd_pa | 0xb);
}
END_TEST

/* The VMID is of stage 1 too: two words. The context goes when nothing leads to it. */
START_TEST(a_stage_2_takes_the_stream_over)
{
	struct arm_smmu_domain *first = attached(), *second = new_domain(2);
	attach_to(second, master);
	ARM_KIT_EXPECT(kit, CFGI_STE, ARM_SYNC, CFGI_STE, ARM_SYNC, CFGI_STE, ARM_SYNC, prefetch(),
		       CFGI_CD, ARM_SYNC, CFGI_CD, ARM_SYNC, command_tlbi_nh_asid(0, first->asid),
		       ARM_SYNC);
	ck_assert_uint_eq(kit->log[0].ste[0] & STE_V, 0);
	ck_assert_uint_eq(kit->log[2].ste[0] & STE_V, 0);
	ck_assert_uint_eq(field_get(kit->log[2].ste[2], STE_S2VMID), second->vmid);
	ck_assert_uint_eq(field_get(kit->log[4].ste[0], STE_CONFIG), STE_CONFIG_S2);
	map(second, IOVA, PAGE_SIZE);
	ck_assert(reaches(IOVA));
	ck_assert_uint_eq(got.vmid, second->vmid);
}
END_TEST

START_TEST(a_stage_1_takes_the_stream_back)
{
	struct arm_smmu_domain *second = new_domain(2), *first = new_domain(1);
	attach_to(second, master);
	arm_kit_look(kit);
	attach_to(first, master);
	ARM_KIT_EXPECT(kit, CFGI_CD, ARM_SYNC, CFGI_CD, ARM_SYNC, CFGI_STE, ARM_SYNC, CFGI_STE,
		       ARM_SYNC, CFGI_STE, ARM_SYNC, prefetch(),
		       command_tlbi_s12_vmall(second->vmid), ARM_SYNC);
	ck_assert_uint_eq(field_get(kit->log[2].ste[0], STE_CONFIG), STE_CONFIG_S2);
	ck_assert_uint_eq(kit->log[4].ste[0] & STE_V, 0);
	ck_assert_uint_eq(kit->log[8].ste[0], master->cd_pa | 0xb);
	map(first, IOVA, PAGE_SIZE);
	ck_assert(reaches(IOVA));
}
END_TEST

/* clang-format off */
#define ABORT             {0x1}
#define BYPASS            {0x9, 0x100000000000} /* SHCFG */
#define BYPASS_PLAIN      {0x9}
#define STAGE1            {0x300b, 0x80000d6} /* S1DSS 2, S1STALLD */
#define STAGE1_ENDS       {0x300b, 0x80000d4} /* S1DSS 0 */
#define STAGE1_ENDS_MOVED {0x400b, 0x80000d4}
#define STAGE1_PASSES     {0x300b, 0x1000080000d5} /* S1DSS 1, SHCFG */
#define STAGE2            {0xd, 0x100000000000, 0x448000000000000, 0x5000}
#define STAGE2_ATS        {0xd, 0x100010000000, 0x448000000000000, 0x5000}
#define NESTED_PASSES     {0x300f, 0x1000100800d5, 0x448000000000000, 0x5000} /* EATS, MEV */
/* clang-format on */

/* As Linux's own unit test has it: a CMD_SYNC each; the entry is valid all the time, or it is not. */
static const struct {
	const char *name;
	uint64_t from[STE_WORDS], to[STE_WORDS];
	unsigned there, back;
	bool breaks;
} updates[] = {
	{"bypass, abort", BYPASS, ABORT, 2, 2, false},
	{"bypass without ATTR_TYPES_OVR, abort", BYPASS_PLAIN, ABORT, 1, 1, false},
	{"stage 1, abort", STAGE1, ABORT, 2, 2, false},
	{"stage 1, bypass", STAGE1, BYPASS, 3, 3, false},
	{"stage 1, bypass without ATTR_TYPES_OVR", STAGE1, BYPASS_PLAIN, 2, 2, false},
	{"S1DSS", STAGE1, STAGE1_ENDS, 1, 1, false},
	{"S1DSS bypass, bypass", STAGE1_PASSES, BYPASS, 2, 2, false},
	{"stage 2, abort", STAGE2, ABORT, 2, 2, false},
	{"stage 2, bypass", STAGE2, BYPASS, 2, 2, false},
	{"stage 1, stage 2 of VMID 0", STAGE1, STAGE2, 3, 3, false},
	{"nested S1DSS bypass, stage 2", NESTED_PASSES, STAGE2, 3, 2, false},
	{"EATS", STAGE2, STAGE2_ATS, 1, 1, false},
	{"context and S1DSS", STAGE1, STAGE1_ENDS_MOVED, 3, 3, true},
};

static void expect_steps(const uint64_t ste[STE_WORDS], unsigned steps, bool breaks,
			 const char *name)
{
	arm_kit_look(kit);
	arm_smmu_write_ste(kit->driver, SID, ste);
	arm_kit_run(kit);
	ck_assert_msg(kit->count == 2 * steps + 1, "%s: %u commands", name, kit->count);
	for (unsigned word = 0; word < 4; word++)
		ck_assert_uint_eq(kit->log[kit->count - 1].ste[word], ste[word]);
	bool broken = false;
	for (unsigned i = 0; i < kit->count; i++)
		broken |= (kit->log[i].ste[0] & STE_V) == 0;
	ck_assert_msg(broken == breaks, "%s", name);
}

START_TEST(an_entry_changes_in_as_few_steps_as_in_linux)
{
	arm_smmu_write_ste(kit->driver, SID, updates[_i].from);
	expect_steps(updates[_i].to, updates[_i].there, updates[_i].breaks, updates[_i].name);
	expect_steps(updates[_i].from, updates[_i].back, updates[_i].breaks, updates[_i].name);
}
END_TEST

/* The first domain that needs it makes it; it is not made anew. */
START_TEST(a_device_keeps_its_context_table)
{
	ck_assert_uint_eq(master->cd_pa, 0);
	attached();
	uint64_t at = master->cd_pa;
	ck_assert_uint_ne(at, 0);
	arm_smmu_block(&master->device);
	attached();
	ck_assert_uint_eq(master->cd_pa, at);
}
END_TEST

START_TEST(in_a_full_machine_there_is_no_context)
{
	struct arm_smmu_domain *domain = new_domain(1);
	uint64_t pfn;
	for (uint64_t count = 1ULL << 24; count != 0; count /= 2)
		while (memory_alloc(&kit->machine->memory, OWNER_KERNEL, count, count, 1, 0,
				    &pfn) != 0)
			;
	ck_assert_int_eq(arm_smmu_attach(&domain->domain, &master->device), -ENOMEM);
	ck_assert_uint_eq(master->cd_pa, 0);
	ck_assert_ptr_null(master->domain);
}
END_TEST

START_TEST(without_memory_for_a_context_nothing_is_attached)
{
	struct arm_smmu_domain *domain = new_domain(1);
	kit->machine->failures.countdown = 1;
	ck_assert_int_eq(arm_smmu_attach(&domain->domain, &master->device), -ENOMEM);
	ck_assert_uint_eq(kit->count, 0);
	attach_to(domain, master);
}
END_TEST

/* Lowest free first, from 1; 8 bits without ASID16. The two kinds do not share numbers. */
START_TEST(asids_are_the_lowest_free_from_one)
{
	struct arm_smmu_domain *domains[256];
	struct iommu_domain *none;
	remake_with("idr0.features", 0, IDR0_ASID16 | IDR0_VMID16);
	for (unsigned stage = 1; stage <= 2; stage++) {
		for (unsigned i = 1; i < 256; i++) {
			domains[i] = new_domain(stage);
			ck_assert_uint_eq(domains[i]->asid, stage == 1 ? i : 0);
			ck_assert_uint_eq(domains[i]->vmid, stage == 2 ? i : 0);
		}
		ck_assert_int_eq(arm_smmu_domain_alloc(kit->driver, stage, false, &none),
				 stage == 1 ? -EBUSY : -ENOSPC);
		for (unsigned i = 9; i > 6; i -= 2)
			domains[i]->domain.ops->free(&domains[i]->domain);
		ck_assert_uint_eq(new_domain(stage)->table.stage, stage);
		struct arm_smmu_domain *again = new_domain(stage);
		ck_assert_uint_eq(again->asid + again->vmid, 9);
	}
}
END_TEST

/* Not coherent: walks are not cached, and outer shareable. Where all faults stall, entries say so (4.3). */
START_TEST(entries_say_what_the_hardware_is)
{
	remake_with("idr0.features", field_put(IDR0_STALL_MODEL, STALL_MODEL_FORCED), IDR0_COHACC);
	remake_with("idr5.features", field_put(IDR5_STALL_MAX, 4), IDR5_STALL_MAX);
	attached();
	attach_to(new_domain(2), master);
	const struct arm_logged *last = &kit->log[2], *stage2 = &kit->log[4];
	ck_assert_uint_eq(last->cd[0], 0x0001f205c0002010);
	ck_assert_uint_eq(field_get(stage2->ste[2], STE_S2IR0 | STE_S2OR0 | STE_S2SH0), 0x20);
	ck_assert_uint_eq(stage2->ste[2] & STE_S2S, STE_S2S);
}
END_TEST

/* --- invalidations [3.6] --- */

/* COUNT leaves of SIZE bytes from IOVA on, and the SYNC. */
static void expect_leaves(const struct arm_smmu_domain *domain, uint64_t size, unsigned count)
{
	struct smmu_command expected[600];
	for (unsigned i = 0; i < count; i++)
		expected[i] = command_tlbi_nh_va(0, domain->asid, IOVA + i * size, 1);
	expected[count] = ARM_SYNC;
	arm_kit_expect(kit, expected, count + 1);
}

/* Without RIL: by leaf below an eighth of a table's bytes in leaves, else all of the ASID. */
START_TEST(unmap_goes_by_leaf_or_by_asid)
{
	static const struct {
		uint64_t size;
		unsigned count;
		bool by_asid;
	} rows[] = {
		{PAGE_SIZE, 1, false},  {PAGE_SIZE, 511, false}, {PAGE_SIZE, 512, true},
		{PAGE_SIZE, 600, true}, {HPAGE_SIZE, 3, false},
	};
	struct arm_smmu_domain *domain = attached();
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t at = rows[i].by_asid ? IOVA + PAGE_SIZE : IOVA; /* no table goes whole */
		uint64_t length = rows[i].size * rows[i].count;
		map_limited(domain, at, length, rows[i].size);
		ck_assert(reaches(at + length - 1));
		arm_kit_look(kit);
		unmap(domain, at, length);
		if (rows[i].by_asid)
			ARM_KIT_EXPECT(kit, command_tlbi_nh_asid(0, domain->asid), ARM_SYNC);
		else
			expect_leaves(domain, rows[i].size, rows[i].count);
		ck_assert(!reaches(at + length - 1));
		ck_assert_uint_eq(kit->smmu->tlb.count, 0);
	}
}
END_TEST

/* The walk at once, 512 pages of it; the block with what else is gathered. */
START_TEST(a_table_that_goes_is_invalidated_twice)
{
	struct arm_smmu_domain *domain = attached();
	map_limited(domain, IOVA, HPAGE_SIZE, PAGE_SIZE);
	map(domain, IOVA + HPAGE_SIZE, HPAGE_SIZE);
	arm_kit_look(kit);
	unmap(domain, IOVA, 2 * HPAGE_SIZE);
	ARM_KIT_EXPECT(kit, command_tlbi_nh_asid(0, domain->asid), ARM_SYNC,
		       command_tlbi_nh_va(0, domain->asid, IOVA, 1),
		       command_tlbi_nh_va(0, domain->asid, IOVA + HPAGE_SIZE, 1), ARM_SYNC);
}
END_TEST

START_TEST(a_block_takes_the_place_of_an_empty_table)
{
	struct arm_smmu_domain *domain = attached();
	map(domain, IOVA, PAGE_SIZE);
	uint64_t root = domain->table.root_pfn * PAGE_SIZE;
	uint64_t level1 = read_shared_word(kit->machine, root) & PTE_ADDR;
	uint64_t level2 = read_shared_word(kit->machine, level1 + 8) & PTE_ADDR;
	uint64_t table = read_shared_word(kit->machine, level2) & PTE_ADDR;
	unmap(domain, IOVA, PAGE_SIZE);
	ck_assert(!memory_is_free(&kit->machine->memory, table / PAGE_SIZE));
	arm_kit_look(kit);
	map(domain, IOVA, HPAGE_SIZE);
	ARM_KIT_EXPECT(kit, command_tlbi_nh_asid(0, domain->asid), ARM_SYNC);
	ck_assert(memory_is_free(&kit->machine->memory, table / PAGE_SIZE));
	ck_assert(reaches(IOVA + 0x12345));
}
END_TEST

static struct smmu_command leaf_command(const struct arm_smmu_domain *domain, uint64_t iova)
{
	return domain->table.stage == 1 ? command_tlbi_nh_va(0, domain->asid, iova, 1)
					: command_tlbi_s2_ipa(domain->vmid, iova, 1);
}

static struct smmu_command range(struct smmu_command command, uint64_t num, uint64_t scale,
				 uint64_t ttl)
{
	command.dw[0] |= num << 12 | scale << 20;
	command.dw[1] |= 1ULL << 10 | ttl << 8;
	return command;
}

/* With RIL: the lowest set chunk first, addresses going up; never all of the ASID. */
START_TEST(ranges_are_cut_into_chunks)
{
	static const struct {
		uint64_t size;
		unsigned leaves;
		struct {
			unsigned page, num, scale;
		} chunks[2];
		unsigned count, ttl;
	} rows[] = {
		{PAGE_SIZE, 1, {{0, 0, 0}}, 1, 3},
		{PAGE_SIZE, 21, {{0, 20, 0}}, 1, 3},
		{PAGE_SIZE, 24, {{0, 2, 3}}, 1, 3},
		{PAGE_SIZE, 33, {{0, 0, 0}, {1, 0, 5}}, 2, 3},
		{PAGE_SIZE, 510, {{0, 30, 1}, {62, 6, 6}}, 2, 3},
		{HPAGE_SIZE, 3, {{0, 2, 9}}, 1, 2},
		{1ULL << 30, 1, {{0, 0, 18}}, 1, 1},
	};
	remake_with("idr3.features", IDR3_RIL, 0);
	for (unsigned stage = 1; stage <= 2; stage++) {
		struct arm_smmu_domain *domain = new_domain(stage);
		attach_to(domain, master);
		for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct smmu_command expected[3] = {{{0, 0}}};
			for (unsigned k = 0; k < rows[i].count; k++)
				expected[k] =
					range(leaf_command(domain, IOVA + rows[i].chunks[k].page *
										   PAGE_SIZE),
					      rows[i].chunks[k].num, rows[i].chunks[k].scale,
					      rows[i].ttl);
			expected[rows[i].count] = ARM_SYNC;
			uint64_t length = rows[i].size * rows[i].leaves;
			map_limited(domain, IOVA, length, rows[i].size);
			for (uint64_t at = IOVA; at < IOVA + length; at += rows[i].size)
				ck_assert(reaches(at));
			arm_kit_look(kit);
			unmap(domain, IOVA, length);
			arm_kit_expect(kit, expected, rows[i].count + 1);
			ck_assert_uint_eq(kit->smmu->tlb.count, 0);
		}
	}
}
END_TEST

/* A table: no level is said, and what leads to it goes too (leaf 0). */
START_TEST(a_range_of_a_table_has_no_level)
{
	remake_with("idr3.features", IDR3_RIL, 0);
	struct arm_smmu_domain *domain = attached();
	map_limited(domain, IOVA, HPAGE_SIZE, PAGE_SIZE);
	arm_kit_look(kit);
	unmap(domain, IOVA, HPAGE_SIZE);
	ARM_KIT_EXPECT(kit, range(command_tlbi_nh_va(0, domain->asid, IOVA, 0), 0, 9, 0), ARM_SYNC,
		       range(command_tlbi_nh_va(0, domain->asid, IOVA, 1), 0, 9, 2), ARM_SYNC);
}
END_TEST

START_TEST(devices_with_ats_come_last)
{
	struct arm_smmu_domain *domain = attached();
	smmu_endpoint_new(kit->smmu, OTHER);
	attach_to(domain, arm_kit_device(kit, OTHER, true));
	map(domain, IOVA, 3 * PAGE_SIZE);
	arm_kit_look(kit);
	unmap(domain, IOVA, 3 * PAGE_SIZE);
	ARM_KIT_EXPECT(kit, command_tlbi_nh_va(0, domain->asid, IOVA, 1),
		       command_tlbi_nh_va(0, domain->asid, IOVA + PAGE_SIZE, 1),
		       command_tlbi_nh_va(0, domain->asid, IOVA + 2 * PAGE_SIZE, 1), ARM_SYNC,
		       command_atc_inv(OTHER, IOVA, 2), ARM_SYNC);
}
END_TEST

/* Stage 1 has no write-only; MMIO is memory of a device, and outer shareable (5.3). */
START_TEST(leaves_are_those_of_linux)
{
	static const struct {
		uint32_t prot;
		uint64_t stage1, stage2;
	} rows[] = {
		{IOMMU_READ | IOMMU_WRITE, 0xf47, 0x7ff},
		{IOMMU_READ, 0xfc7, 0x77f},
		{IOMMU_WRITE, 0xf47, 0x7bf},
		{IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO, 0xe4b, 0x6c7},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned stage = 1; stage <= 2; stage++) {
			struct arm_smmu_domain *domain = new_domain(stage);
			uint64_t table = domain->table.root_pfn * PAGE_SIZE;
			ck_assert_int_eq(domain->domain.ops->map(&domain->domain, iova_of(0),
								 pa_of(RAM), PAGE_SIZE,
								 rows[i].prot, 0),
					 0);
			for (unsigned level = 0; level < 3; level++)
				table = read_shared_word(kit->machine, table) & PTE_ADDR;
			ck_assert_uint_eq(read_shared_word(kit->machine, table),
					  RAM | (stage == 1 ? rows[i].stage1 : rows[i].stage2));
		}
	}
}
END_TEST

/* --- domains [iommufd app. D] --- */

static int64_t hwpt_stage(struct world *world, uint32_t device, uint32_t flags)
{
	int64_t id = world_hwpt(world, device, (uint32_t)world_ioas(world), flags);
	if (id < 0)
		return id;
	return to_arm_smmu_domain(world_hwpt_of(world, (uint32_t)id)->domain)->table.stage;
}

START_TEST(plain_domains_have_stage_1_where_there_is_one)
{
	static const struct {
		uint64_t missing;
		int64_t plain, pasid, parent;
	} rows[] = {{0, 1, 1, 2},
		    {IDR0_S2P, 1, 1, -EOPNOTSUPP},
		    {IDR0_S1P, 2, -EOPNOTSUPP, -EOPNOTSUPP}};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd;
		remake_with("idr0.features", IDR0_S1P | IDR0_S2P, rows[i].missing);
		remake_with("idr0.features", 0, rows[i].missing);
		uint32_t device = (uint32_t)world_bind(kit->world, &master->device, &fd);
		ck_assert_int_eq(hwpt_stage(kit->world, device, 0), rows[i].plain);
		ck_assert_int_eq(hwpt_stage(kit->world, device, IOMMU_HWPT_ALLOC_PASID),
				 rows[i].pasid);
		ck_assert_int_eq(hwpt_stage(kit->world, device, IOMMU_HWPT_ALLOC_NEST_PARENT),
				 rows[i].parent);
	}
}
END_TEST

/* What an attach to an IOAS makes by itself is one too; 48 bits of input, whatever the output. */
START_TEST(an_automatic_domain_is_of_stage_1)
{
	remake_with("oas.bits", 40, ~0ULL);
	struct world *world = kit->world;
	uint32_t ioas = (uint32_t)world_ioas(world), pt = ioas;
	int fd;
	ck_assert_int_gt(world_bind(world, &master->device, &fd), 0);
	ck_assert_int_eq(world_attach(world, fd, &pt), 0);
	uint64_t va = world_mmap(world, PAGE_SIZE, PROT_RW, SHARED),
		 last = (1ULL << 48) - PAGE_SIZE;
	ck_assert_int_eq(world_map_at(world, ioas, va, PAGE_SIZE, last), 0);
	ck_assert_int_eq(smmu_translate(kit->smmu, SID, last, true, &got), TRANSLATE_OK);
	arm_kit_look(kit);
	ck_assert_int_eq(world_unmap(world, ioas, last, PAGE_SIZE), PAGE_SIZE);
	ARM_KIT_EXPECT(kit, command_tlbi_nh_va(0, 1, last, 1), ARM_SYNC);
	ck_assert_int_lt(world_map_at(world, ioas, va, PAGE_SIZE, 1ULL << 48), 0);
}
END_TEST

/* --- a stream table of two levels [1.7, 4.1] --- */

START_TEST(tables_of_streams_are_made_when_a_stream_comes)
{
	remake_with("idr0.features", field_put(IDR0_ST_LEVEL, 1), 0);
	uint64_t level1 = kit->driver->strtab_pfn * PAGE_SIZE;
	ck_assert_uint_eq(bus_read(&kit->machine->bus, pa_of(SMMU_AT + SMMU_STRTAB_BASE_CFG), 4),
			  0x10210);
	for (unsigned i = 0; i < 256; i++)
		ck_assert_uint_eq(read_shared_word(kit->machine, level1 + 8 * i) & 0x1f,
				  i == 0 ? 9 : 0);
	struct arm_smmu_master *far = arm_kit_device(kit, 0x234, false);
	uint64_t leaf = read_shared_word(kit->machine, level1 + 8 * 2);
	ck_assert_uint_eq(leaf & 0x1f, 9);
	for (unsigned word = 0; word < 256 * 8; word++)
		ck_assert_uint_eq(read_shared_word(kit->machine, (leaf & ~0x3fULL) + 8 * word),
				  word % 8 == 0 ? STE_V : 0);
	ck_assert_int_ne(smmu_translate(kit->smmu, 0x235, IOVA, false, &got), TRANSLATE_OK);
	ck_assert_uint_eq(got.event, 0);
	ck_assert_int_ne(smmu_translate(kit->smmu, 0x300, IOVA, false, &got), TRANSLATE_OK);
	ck_assert_uint_eq(got.event, EVT_C_BAD_STREAMID);
	struct arm_smmu_domain *domain = attached();
	attach_to(domain, far);
	map(domain, IOVA, PAGE_SIZE);
	ck_assert(reaches(IOVA));
	ck_assert_int_eq(smmu_translate(kit->smmu, 0x234, IOVA, false, &got), TRANSLATE_OK);
}
END_TEST

/* --- lazy invalidation: iommu.strict=0 [3.6] --- */

#define DRAIN_PS 10000000000ULL

/* Not for iommufd, in Linux: pages are another's while the TLB still has them. */
START_TEST(lazy_unmaps_are_flushed_together_later)
{
	struct arm_smmu_domain *domain = attached();
	arm_kit_option(kit, KERNEL_IOMMU_STRICT, IOMMU_LAZY);
	for (unsigned round = 0; round < 2; round++) {
		uint64_t start_ps = kit->machine->clock.now_ps;
		for (uint64_t at = IOVA; at < IOVA + 6 * PAGE_SIZE; at += 2 * PAGE_SIZE) {
			map(domain, at, PAGE_SIZE);
			ck_assert(reaches(at));
			unmap(domain, at, PAGE_SIZE);
			ck_assert(reaches(at));
			ck_assert_int_eq(got.path, PATH_CACHED);
		}
		ck_assert_uint_eq(kit->count, 0);
		ARM_KIT_EXPECT(kit, command_tlbi_nh_asid(0, domain->asid), ARM_SYNC);
		ck_assert_uint_ge(kit->machine->clock.now_ps, start_ps + DRAIN_PS);
		ck_assert_uint_lt(kit->machine->clock.now_ps, start_ps + DRAIN_PS * 11 / 10);
		ck_assert(!reaches(IOVA));
		ck_assert_uint_eq(kit->smmu->tlb.count, 0);
		arm_kit_look(kit);
	}
}
END_TEST

START_TEST(a_full_queue_of_lazy_unmaps_is_flushed_at_once)
{
	struct arm_smmu_domain *domain = attached();
	uint64_t start_ps = kit->machine->clock.now_ps;
	arm_kit_option(kit, KERNEL_IOMMU_STRICT, IOMMU_LAZY);
	for (unsigned i = 0; i < 256; i++) {
		ck_assert_uint_eq(kit->count, 0);
		map(domain, IOVA, PAGE_SIZE);
		unmap(domain, IOVA, PAGE_SIZE);
	}
	ck_assert_uint_eq(kit->count, 2);
	ck_assert_uint_lt(kit->machine->clock.now_ps, start_ps + DRAIN_PS / 10);
	ck_assert_uint_eq(kit->log[0].command.dw[0], command_tlbi_nh_asid(0, domain->asid).dw[0]);
}
END_TEST

/* What leads to a freed table may not wait: it is invalidated at once, its block is not. */
START_TEST(tables_do_not_wait_for_a_lazy_flush)
{
	remake_with("idr3.features", IDR3_RIL, 0);
	struct arm_smmu_domain *domain = attached();
	arm_kit_option(kit, KERNEL_IOMMU_STRICT, IOMMU_LAZY);
	map_limited(domain, IOVA, HPAGE_SIZE, PAGE_SIZE);
	unmap(domain, IOVA, HPAGE_SIZE);
	ck_assert_uint_eq(kit->count, 2);
	ARM_KIT_EXPECT(kit, range(command_tlbi_nh_va(0, domain->asid, IOVA, 0), 0, 9, 0), ARM_SYNC,
		       command_tlbi_nh_asid(0, domain->asid), ARM_SYNC);
}
END_TEST

/* All of the VMID, which stands alone; then all that devices with ATS have. */
START_TEST(a_lazy_flush_is_of_everything)
{
	struct iommu_domain *made;
	ck_assert_int_eq(arm_smmu_domain_alloc(kit->driver, 2, true, &made), 0);
	struct arm_smmu_domain *domain = to_arm_smmu_domain(made);
	struct arm_smmu_master *device = arm_kit_device(kit, OTHER, true);
	smmu_endpoint_new(kit->smmu, OTHER);
	attach_to(domain, device);
	arm_kit_option(kit, KERNEL_IOMMU_STRICT, IOMMU_LAZY);
	map(domain, IOVA, PAGE_SIZE);
	arm_kit_look(kit);
	unmap(domain, IOVA, PAGE_SIZE);
	ARM_KIT_EXPECT(kit, command_tlbi_s12_vmall(domain->vmid), ARM_SYNC,
		       command_atc_inv(OTHER, 0, ATC_SIZE_ALL), ARM_SYNC);
	unmap(domain, IOVA, PAGE_SIZE);
	arm_kit_look(kit);
	arm_smmu_block(&device->device);
	unmap(domain, IOVA, PAGE_SIZE);
	domain->domain.ops->free(&domain->domain);
	unsigned sent = kit->count;
	arm_kit_run(kit); /* nothing is left that would drain */
	ck_assert_uint_eq(kit->count, sent);
}
END_TEST

/* --- workarounds of errata [3.6] --- */

/* COUNT pages of a nest parent are more than a batch: where a CMD_SYNC is among their TLBIs. */
static unsigned first_sync(unsigned count)
{
	struct arm_smmu_domain *domain = new_domain(2);
	attach_to(domain, master);
	map_limited(domain, IOVA, count * PAGE_SIZE, PAGE_SIZE);
	arm_kit_look(kit);
	unmap(domain, IOVA, count * PAGE_SIZE);
	unsigned at = 0;
	while (command_opcode(&kit->log[at].command) != CMD_SYNC)
		at++;
	return at;
}

START_TEST(a_sync_can_be_forced_after_63)
{
	ck_assert_uint_eq(first_sync(130), 130);
	arm_kit_option(kit, KERNEL_ARM_FORCE_SYNC, KERNEL_SWITCH_OTHER);
	ck_assert_uint_eq(first_sync(130), 63);
	ck_assert_uint_eq(kit->count, 130 + 3);
	ck_assert_uint_eq(command_opcode(&kit->log[63 + 1 + 63].command), CMD_SYNC);
	ck_assert_uint_eq(first_sync(63), 63);
	ck_assert_uint_eq(kit->count, 63 + 1);
}
END_TEST

static int64_t new_viommu(uint32_t *device)
{
	int fd;
	*device = (uint32_t)world_bind(kit->world, &master->device, &fd);
	struct iommu_viommu_alloc cmd = {.type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3, .dev_id = *device};
	cmd.hwpt_id = (uint32_t)world_hwpt(kit->world, *device, (uint32_t)world_ioas(kit->world),
					   IOMMU_HWPT_ALLOC_NEST_PARENT);
	int64_t error = world_ioctl(kit->world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_viommu_id;
}

/* Some study of the defect is wanted first, Linux says (9.1). */
START_TEST(nothing_nests_where_a_sync_is_forced)
{
	uint32_t device;
	arm_kit_option(kit, KERNEL_ARM_FORCE_SYNC, KERNEL_SWITCH_OTHER);
	ck_assert_int_eq(new_viommu(&device), -EOPNOTSUPP);
}
END_TEST

/* Each batch of TLBIs or CFGIs with its CMD_SYNC, twice; ATC_INVs and hints once. */
START_TEST(tlbis_and_cfgis_can_be_sent_twice)
{
	struct arm_smmu_domain *domain = new_domain(1);
	struct arm_smmu_master *device = arm_kit_device(kit, OTHER, true);
	struct smmu_command cd = command_cfgi_cd(OTHER, 0, 1), ste = command_cfgi_ste(OTHER, 1);
	struct smmu_command first = command_tlbi_nh_va(0, 1, IOVA, 1);
	struct smmu_command second = command_tlbi_nh_va(0, 1, IOVA + PAGE_SIZE, 1);
	smmu_endpoint_new(kit->smmu, OTHER);
	arm_kit_option(kit, KERNEL_ARM_REPEAT_TLBI_CFGI, KERNEL_SWITCH_OTHER);
	attach_to(domain, device);
	ARM_KIT_EXPECT(kit, cd, ARM_SYNC, cd, ARM_SYNC, cd, ARM_SYNC, cd, ARM_SYNC, ste, ARM_SYNC,
		       ste, ARM_SYNC, ste, ARM_SYNC, ste, ARM_SYNC, command_prefetch_config(OTHER),
		       command_atc_inv(OTHER, 0, ATC_SIZE_ALL), ARM_SYNC);
	map(domain, IOVA, 2 * PAGE_SIZE);
	arm_kit_look(kit);
	unmap(domain, IOVA, 2 * PAGE_SIZE);
	ARM_KIT_EXPECT(kit, first, second, ARM_SYNC, first, second, ARM_SYNC,
		       command_atc_inv(OTHER, IOVA, 1), ARM_SYNC);
}
END_TEST

/* A full batch too: it has a CMD_SYNC then. */
START_TEST(full_batches_are_sent_twice_as_well)
{
	arm_kit_option(kit, KERNEL_ARM_REPEAT_TLBI_CFGI, KERNEL_SWITCH_OTHER);
	ck_assert_uint_eq(first_sync(65), 64);
	ck_assert_uint_eq(kit->count, 2 * 65 + 2 * 1 + 2);
	for (unsigned i = 0; i < 65; i++) /* 64 and the CMD_SYNC */
		ck_assert_uint_eq(kit->log[i].command.dw[1], kit->log[65 + i].command.dw[1]);
}
END_TEST

/* A guest's go in groups of the one kind or the other; hw_info tells it of the erratum (9.3, 9.4). */
START_TEST(a_guests_tlbis_are_sent_twice_apart_from_its_atc_invs)
{
	struct world *world = kit->world;
	const struct smmu_command tlbi = command_tlbi_nh_asid(1, 7);
	const struct smmu_command atc = command_atc_inv(0x99, IOVA, 0);
	const struct smmu_command sent[] = {tlbi, tlbi, atc, atc, tlbi};
	uint32_t device, flags;
	arm_kit_option(kit, KERNEL_ARM_REPEAT_TLBI_CFGI, KERNEL_SWITCH_OTHER);
	uint32_t viommu = (uint32_t)new_viommu(&device);
	ck_assert_int_gt(world_vdevice(world, viommu, device, 0x99), 0);
	uint8_t bytes[sizeof(sent)];
	for (unsigned i = 0; i < 5; i++)
		command_store(bytes + COMMAND_SIZE * i, &sent[i]);
	struct iommu_hwpt_invalidate cmd = {.hwpt_id = viommu,
					    .data_uptr = world_data(world, bytes, sizeof(bytes)),
					    .data_type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
					    .entry_len = COMMAND_SIZE,
					    .entry_num = 5};
	smmu_endpoint_new(kit->smmu, SID);
	arm_kit_look(kit);
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_HWPT_INVALIDATE, &cmd), 0);
	const struct smmu_command host = command_atc_inv(SID, IOVA, 0);
	ARM_KIT_EXPECT(kit, tlbi, tlbi, ARM_SYNC, tlbi, tlbi, ARM_SYNC, host, host, ARM_SYNC, tlbi,
		       ARM_SYNC, tlbi, ARM_SYNC);
	struct iommu_hw_info info = {.dev_id = device, .data_len = 40, .data_uptr = world->data};
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_GET_HW_INFO, &info), 0);
	world_get(world, world->data, &flags, sizeof(flags));
	ck_assert_uint_eq(flags, 1);
}
END_TEST

/* --- what was recorded of Linux [traces/captures/smmuv3] --- */

struct recorded_stream {
	struct arm_smmu_master *master;
	bool translated;
};

static struct arm_smmu_domain *recorded_domains[256];
static struct recorded_stream recorded_streams[0x400];

/* The domain of this ASID or VMID: the driver gives out the numbers that Linux gave. */
static struct arm_smmu_domain *recorded_domain(uint32_t number, unsigned stage)
{
	ck_assert_uint_lt(number, 256);
	if (recorded_domains[number] == NULL) {
		recorded_domains[number] = new_domain(stage);
		ck_assert_uint_eq(recorded_domains[number]->asid + recorded_domains[number]->vmid,
				  number);
	}
	return recorded_domains[number];
}

/* The stream's next domain: the number is in a later word of the same entry. */
static uint32_t recorded_tag(const struct smmu_capture *run, uint32_t at, unsigned stage)
{
	uint32_t sid = run->lines[at].store.sid;
	for (; at < run->line_count; at++) {
		const struct smmu_capture_line *line = &run->lines[at];
		if (stage == 1 && line->kind == SMMU_CAPTURE_CD && line->store.sid == sid &&
		    line->store.word == 0)
			return (uint32_t)field_get(line->store.value, CD_ASID);
		if (stage == 2 && line->kind == SMMU_CAPTURE_STE && line->store.sid == sid &&
		    line->store.word == 2)
			return (uint32_t)field_get(line->store.value, STE_S2VMID);
	}
	ck_abort_msg("no tag");
	return 0;
}

/* The word has what was recorded, but for where tables lie. */
static void check_store(const struct smmu_capture_line *line, const struct arm_smmu_master *device)
{
	bool cd = line->kind == SMMU_CAPTURE_CD;
	uint64_t at = cd ? device->cd_pa : arm_smmu_ste_pa(kit->driver, device->sid);
	uint64_t now = read_shared_word(kit->machine, at + 8 * line->store.word);
	bool address = line->store.word == (cd ? 1 : 3) || (!cd && line->store.word == 0);
	uint64_t mask = address ? ~BITS(51, 6) : ~0ULL;
	ck_assert_msg(((now ^ line->store.value) & mask) == 0, "seq %lu: %016lx, recorded %016lx",
		      line->seq, now, line->store.value);
}

/* A store to an entry is a part of an attach or a detach: the first one begins it. */
static void play_store(const struct smmu_capture *run, uint32_t at, unsigned stage)
{
	const struct smmu_capture_line *line = &run->lines[at];
	uint64_t config = field_get(line->store.value, STE_CONFIG);
	ck_assert_uint_lt(line->store.sid, 0x400);
	struct recorded_stream *stream = &recorded_streams[line->store.sid];
	if (stream->master == NULL)
		stream->master = arm_kit_device(kit, line->store.sid, false);
	if (!stream->translated && line->store.value != 0 &&
	    (line->kind == SMMU_CAPTURE_CD || line->store.word == 2)) {
		attach_to(recorded_domain(recorded_tag(run, at, stage), stage), stream->master);
		stream->translated = true;
	} else if (line->kind == SMMU_CAPTURE_STE && line->store.word == 0 &&
		   config != STE_CONFIG_S1 && config != STE_CONFIG_S2) {
		arm_smmu_block(&stream->master->device); /* or identity, of which no more is sent */
		stream->translated = false;
	}
	if (stream->translated)
		check_store(line, stream->master);
}

static void play_mapping(const struct smmu_capture_line *line, unsigned stage)
{
	struct arm_smmu_domain *domain = recorded_domain(line->map.domain, stage);
	struct iova iova = iova_of(line->map.iova);
	if (line->kind == SMMU_CAPTURE_UNMAP)
		domain->domain.ops->unmap(&domain->domain, iova, line->map.size);
	else
		ck_assert_int_eq(domain->domain.ops->map(&domain->domain, iova, pa_of(line->map.pa),
							 line->map.size, line->map.prot & 3, 0),
				 0);
}

/*
 * Once the first domain is freed, its number is that of one with a flush queue, which the shim's kernel has
 * not: what is mapped there is not played, its TLBIs are not compared.
 */
static uint32_t queued_domain;

static void play(const struct smmu_capture *run, unsigned stage)
{
	queued_domain = 0;
	memset(recorded_domains, 0, sizeof(recorded_domains));
	memset(recorded_streams, 0, sizeof(recorded_streams));
	for (uint32_t at = 0; at < run->line_count; at++) {
		const struct smmu_capture_line *line = &run->lines[at];
		switch (line->kind) {
		case SMMU_CAPTURE_STE:
		case SMMU_CAPTURE_CD:
			play_store(run, at, stage);
			break;
		case SMMU_CAPTURE_MAP:
		case SMMU_CAPTURE_UNMAP:
			if (line->map.domain != queued_domain)
				play_mapping(line, stage);
			break;
		case SMMU_CAPTURE_FREE:
			queued_domain = line->map.domain;
			recorded_domains[queued_domain]->domain.ops->free(
				&recorded_domains[queued_domain]->domain);
			recorded_domains[queued_domain] = NULL;
			break;
		default:
			break;
		}
	}
}

static bool is_sync(const struct smmu_command *command)
{
	return command_opcode(command) == CMD_SYNC;
}

/* A TLBI of the domain with the flush queue. */
static bool is_queued(const struct smmu_command *command, unsigned stage)
{
	unsigned opcode = command_opcode(command);
	return queued_domain != 0 && opcode >= CMD_TLBI_NH_ALL && opcode < CMD_TLBI_NSNH_ALL &&
	       field_get(command->dw[0], stage == 1 ? CMD_ASID : CMD_VMID) == queued_domain;
}

/* What was recorded, but for those, and CMD_SYNCs, which are counted. */
static GArray *recorded_commands(const struct smmu_capture *run, unsigned stage, unsigned *syncs)
{
	GArray *commands = g_array_new(false, false, sizeof(struct smmu_command));
	bool skipped = false;
	queued_domain = 0;
	for (uint32_t i = 0; i < run->line_count; i++) {
		const struct smmu_capture_line *line = &run->lines[i];
		if (line->kind == SMMU_CAPTURE_FREE)
			queued_domain = line->map.domain;
		if (line->kind != SMMU_CAPTURE_COMMAND)
			continue;
		const struct smmu_command command = {{line->command[0], line->command[1]}};
		if (is_sync(&command)) {
			*syncs += !skipped;
			skipped = false;
			continue;
		}
		skipped = is_queued(&command, stage);
		if (!skipped)
			g_array_append_val(commands, command);
	}
	return commands;
}

/* Takes COMMAND off the first three: two CPUs may have sent at once. */
static void take_recorded(GArray *commands, const struct smmu_command *command, unsigned number)
{
	for (guint i = 0; i < 3 && i < commands->len; i++) {
		const struct smmu_command *one = &g_array_index(commands, struct smmu_command, i);
		if (one->dw[0] == command->dw[0] && one->dw[1] == command->dw[1]) {
			g_array_remove_index(commands, i);
			return;
		}
	}
	ck_abort_msg("command %u, %016lx %016lx, was not recorded", number, command->dw[0],
		     command->dw[1]);
}

START_TEST(the_driver_sends_what_linux_sent)
{
	static const struct {
		const char *folder, *profile;
	} runs[] = {{".", "qemu-virt"}, {"stage2", "qemu-virt-s2"}};
	unsigned stage = (unsigned)_i + 1, syncs = 0;
	struct smmu_capture *run = smmu_capture_load(runs[_i].folder, "strict", "");
	ck_assert_ptr_nonnull(run);
	teardown();
	profile = smmu_kit_profile(runs[_i].profile);
	kit = arm_kit_new(&profile);
	play(run, stage);
	arm_kit_run(kit);
	GArray *commands = recorded_commands(run, stage, &syncs);
	for (unsigned i = 0; i < kit->count; i++) {
		if (is_sync(&kit->log[i].command))
			syncs--;
		else
			take_recorded(commands, &kit->log[i].command, i);
	}
	ck_assert_uint_eq(commands->len, 0);
	ck_assert_uint_eq(syncs, 0);
	g_array_free(commands, true);
	smmu_capture_free(run);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arm_smmu_stage1");
	TCase *tests = tcase_create("entries");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, attach_writes_the_entries_of_linux);
	tcase_add_test(tests, attach_goes_from_the_context_to_the_stream);
	tcase_add_test(tests, detach_goes_from_the_stream_to_the_context);
	tcase_add_test(tests, detach_of_a_device_with_ats_has_no_step_of_its_own);
	tcase_add_test(tests, another_stage_1_takes_the_context_over);
	tcase_add_test(tests, a_stage_2_takes_the_stream_over);
	tcase_add_test(tests, a_stage_1_takes_the_stream_back);
	tcase_add_loop_test(tests, an_entry_changes_in_as_few_steps_as_in_linux, 0,
			    sizeof(updates) / sizeof(updates[0]));
	tcase_add_test(tests, a_device_keeps_its_context_table);
	tcase_add_test(tests, without_memory_for_a_context_nothing_is_attached);
	tcase_add_test(tests, in_a_full_machine_there_is_no_context);
	tcase_add_test(tests, asids_are_the_lowest_free_from_one);
	tcase_add_test(tests, entries_say_what_the_hardware_is);
	tcase_add_test(tests, unmap_goes_by_leaf_or_by_asid);
	tcase_add_test(tests, a_table_that_goes_is_invalidated_twice);
	tcase_add_test(tests, a_block_takes_the_place_of_an_empty_table);
	tcase_add_test(tests, ranges_are_cut_into_chunks);
	tcase_add_test(tests, a_range_of_a_table_has_no_level);
	tcase_add_test(tests, devices_with_ats_come_last);
	tcase_add_test(tests, leaves_are_those_of_linux);
	tcase_add_test(tests, plain_domains_have_stage_1_where_there_is_one);
	tcase_add_test(tests, an_automatic_domain_is_of_stage_1);
	tcase_add_test(tests, tables_of_streams_are_made_when_a_stream_comes);
	tcase_add_test(tests, lazy_unmaps_are_flushed_together_later);
	tcase_add_test(tests, a_full_queue_of_lazy_unmaps_is_flushed_at_once);
	tcase_add_test(tests, tables_do_not_wait_for_a_lazy_flush);
	tcase_add_test(tests, a_lazy_flush_is_of_everything);
	tcase_add_test(tests, a_sync_can_be_forced_after_63);
	tcase_add_test(tests, nothing_nests_where_a_sync_is_forced);
	tcase_add_test(tests, tlbis_and_cfgis_can_be_sent_twice);
	tcase_add_test(tests, full_batches_are_sent_twice_as_well);
	tcase_add_test(tests, a_guests_tlbis_are_sent_twice_apart_from_its_atc_invs);
	tcase_add_loop_test(tests, the_driver_sends_what_linux_sent, 0, 2);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
