// SPDX-License-Identifier: Apache-2.0
/*
 * The walk cache and the cached level-1 descriptors: what a driver finds in use that frees a table and
 * says it is about leaves, or names the wrong level; what each invalidation takes of them; that faults
 * are not among it (smmuv3 3.2, 3.3, 7.1 to 7.3).
 *
 * Concepts
 *   world   a kind of tables: stage 1, stage 2, stage 1 over stage 2, EL2-E2H
 *   path    the tables from a start table to VA's page
 *   freed   a table that descriptors no longer lead to, and that holds another's data
 */
#include <check.h>
#include <string.h>

#include "tests/kit/run.h"
#include "tests/kit/smmu_host.h"

#define SID    3U
#define OTHER  4U
#define VA     SLOT(1)
#define PAGE   (PTE_TABLE | HOST_LEAF1)
#define BLOCK2 (2ULL << 20)

enum world { STAGE_1, STAGE_2, NESTED, EL2, WORLDS };

static struct smmu_host host;
static struct translation got;

static void setup(void)
{
	struct profile profile = smmu_kit_everything();
	host = smmu_host_new(&profile);
}

static void teardown(void)
{
	smmu_host_free(&host);
}

static bool reaches(uint32_t sid, uint64_t va, uint64_t pa)
{
	return smmu_translate(host.kit->smmu, sid, va, false, &got) == TRANSLATE_OK &&
	       got.pa.value == pa;
}

/* --- tables of three levels --- */

static uint64_t start_table(enum world world, uint32_t sid)
{
	uint64_t stage2, table;
	switch (world) {
	case STAGE_2:
		return host_stage2(&host, sid, STE_S2R);
	case NESTED:
		return host_nested(&host, sid, CD_A | CD_R, STE_S2R, &stage2);
	case EL2:
		kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_CMDQEN | CR0_EVENTQEN);
		kit_smmu_write(host.kit, SMMU_CR2, 4, CR2_E2H);
		kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN);
		table = host_stage1(&host, sid, CD_A | CD_R);
		host_change_ste(&host, sid, 1, STE_STRW, field_put(STE_STRW, STRW_EL2));
		return table;
	default:
		return host_stage1(&host, sid, CD_A | CD_R);
	}
}

static uint64_t leaf_bits(enum world world, bool block)
{
	return (world == STAGE_2 ? HOST_LEAF2 : HOST_LEAF1) | (block ? 0 : PTE_TABLE);
}

/* Entry INDEX of TABLE leads to a new one. */
static uint64_t new_table(uint64_t table, unsigned index)
{
	uint64_t next = kit_frames(host.kit, 1);
	kit_set_word(host.kit, table + 8ULL * index, next | PTE_VALID | PTE_TABLE);
	return next;
}

static void set_leaf(enum world world, uint64_t table, unsigned index, uint64_t pa, bool block)
{
	kit_set_word(host.kit, table + 8ULL * index, pa | leaf_bits(world, block));
}

struct path {
	enum world world;
	uint64_t level1;
	uint64_t level2;
	uint64_t level3;
};

/* VA is page 0x10 of slot 6; its neighbour, page 0x20. */
static struct path three_levels(enum world world, uint32_t sid)
{
	struct path tables = {.world = world, .level1 = start_table(world, sid)};
	tables.level2 = new_table(tables.level1, 1);
	tables.level3 = new_table(tables.level2, 0);
	set_leaf(world, tables.level3, 0, SLOT(6) + 0x10000, false);
	set_leaf(world, tables.level3, 1, SLOT(6) + 0x20000, false);
	return tables;
}

#define BEFORE (SLOT(6) + 0x10000)
#define AFTER  (SLOT(6) + 0x30000)
#define FREED  (SLOT(7) + 0x40000)

/* The last table gives way to another one, and its frame to somebody's data. */
static void replace_level3(const struct path *tables)
{
	set_leaf(tables->world, new_table(tables->level2, 0), 0, AFTER, false);
	set_leaf(tables->world, tables->level3, 0, FREED, false);
}

/* By address, of SID's tables. */
static struct smmu_command tlbi(enum world world, uint64_t va, unsigned leaf)
{
	struct smmu_command command = world == STAGE_2  ? command_tlbi_s2_ipa(SID, va, leaf)
				      : world == NESTED ? command_tlbi_nh_va(SID, SID, va, leaf)
							: command_tlbi_nh_va(0, SID, va, leaf);
	if (world == EL2)
		command.dw[0] = field_set(command.dw[0], CMD_OPCODE, CMD_TLBI_EL2_VA);
	return command;
}

/* 2^SCALE pages of 4 KiB, whose leaves are at level TTL. */
static struct smmu_command tlbi_range(enum world world, uint64_t va, unsigned leaf, unsigned scale,
				      unsigned ttl)
{
	struct smmu_command command = tlbi(world, va, leaf);
	command.dw[0] |= field_put(CMD_TLBI_SCALE, scale);
	command.dw[1] |= field_put(CMD_TLBI_TG, 1) | field_put(CMD_TLBI_TTL, ttl);
	return command;
}

static struct smmu_command with_opcode(struct smmu_command command, unsigned opcode)
{
	command.dw[0] = field_set(command.dw[0], CMD_OPCODE, opcode);
	return command;
}

/* --- a driver that frees a table --- */

START_TEST(a_freed_table_is_walked_until_a_tlbi_that_is_not_for_leaves)
{
	struct path tables = three_levels(_i, SID);
	ck_assert(reaches(SID, VA, BEFORE));
	replace_level3(&tables);
	ck_assert(reaches(SID, VA, BEFORE)); /* the leaf itself */
	host_issue(&host, tlbi(_i, VA, 1));
	ck_assert(reaches(SID, VA, FREED));
	host_issue(&host, tlbi(_i, VA, 0));
	ck_assert(reaches(SID, VA, AFTER));
}
END_TEST

/* The same of the table above, and of both at once. */
START_TEST(a_freed_table_of_a_higher_level_is_walked_too)
{
	struct path tables = three_levels(_i, SID);
	ck_assert(reaches(SID, VA, BEFORE));
	uint64_t level2 = new_table(tables.level1, 1);
	set_leaf(_i, level2, 0, SLOT(6), true);
	/* Another address, by the table of level 2 alone. */
	set_leaf(_i, level2, 1, SLOT(6) + BLOCK2, true);
	set_leaf(_i, tables.level2, 1, SLOT(7) + BLOCK2, true);
	ck_assert(reaches(SID, VA + BLOCK2, SLOT(7) + BLOCK2));
	host_issue(&host, tlbi(_i, VA + BLOCK2, 1));
	ck_assert(reaches(SID, VA + BLOCK2, SLOT(7) + BLOCK2));
	/* That address's tables are one of VA's: of level 3 it has none. */
	host_issue(&host, tlbi(_i, VA + BLOCK2, 0));
	ck_assert(reaches(SID, VA + BLOCK2, SLOT(6) + BLOCK2));
	host_issue(&host, tlbi(_i, VA, 1));
	ck_assert(reaches(SID, VA, BEFORE));
	host_issue(&host, tlbi(_i, VA, 0));
	ck_assert(reaches(SID, VA, SLOT(6)));
}
END_TEST

/* 3.3: a TLBI that names a level reaches leaves of that level, if the hardware looks at TTL. */
START_TEST(a_level_spares_tables)
{
	struct path tables = three_levels(_i, SID);
	ck_assert(reaches(SID, VA, BEFORE));
	replace_level3(&tables);
	host_issue(&host, tlbi_range(_i, VA, 0, 9, 3));
	ck_assert(reaches(SID, VA, FREED));
	host_issue(&host, tlbi_range(_i, VA, 0, 9, 0));
	ck_assert(reaches(SID, VA, AFTER));
	tables.level3 = kit_word(host.kit, tables.level2) & PTE_ADDR;
	replace_level3(&tables);
	kit_assume(host.kit, ASSUME_TTL, TTL_IGNORED);
	host_issue(&host, tlbi_range(_i, VA, 0, 9, 3));
	ck_assert(reaches(SID, VA, AFTER));
	ck_assert(host.kit->smmu->assumptions.consulted[ASSUME_TTL]);
}
END_TEST

START_TEST(a_wrong_level_spares_leaves)
{
	struct path tables = three_levels(_i, SID);
	set_leaf(_i, tables.level2, 1, SLOT(6), true);
	ck_assert(reaches(SID, VA, BEFORE));
	ck_assert(reaches(SID, VA + BLOCK2, SLOT(6)));
	set_leaf(_i, tables.level3, 0, AFTER, false);
	set_leaf(_i, tables.level2, 1, SLOT(7), true);
	host_issue(&host, tlbi_range(_i, VA, 1, 0, 2));
	host_issue(&host, tlbi_range(_i, VA + BLOCK2, 1, 9, 3));
	host_issue(&host, tlbi_range(_i, VA + BLOCK2, 1, 9, 1));
	ck_assert(reaches(SID, VA, BEFORE));
	ck_assert(reaches(SID, VA + BLOCK2, SLOT(6)));
	host_issue(&host, tlbi_range(_i, VA, 1, 0, 3));
	host_issue(&host, tlbi_range(_i, VA + BLOCK2, 1, 9, 2));
	ck_assert(reaches(SID, VA, AFTER));
	ck_assert(reaches(SID, VA + BLOCK2, SLOT(7)));
}
END_TEST

/* Stage 2 cuts it into pages, and it is stage 1's block all the same. */
START_TEST(the_level_of_both_stages_is_that_of_stage_1)
{
	uint64_t stage2, level1 = host_nested(&host, SID, CD_A | CD_R, STE_S2R, &stage2);
	uint64_t level3 = new_table(new_table(stage2, 9), 0);
	for (unsigned i = 0; i < 2; i++)
		set_leaf(STAGE_2, level3, i, SLOT(6) + 0x10000 * i, false);
	host_map(&host, level1, 1, 9, HOST_LEAF1);
	ck_assert(reaches(SID, VA, SLOT(6)));
	ck_assert_uint_eq(got.order, 0);
	host_map(&host, level1, 1, 6, HOST_LEAF1);
	host_issue(&host, tlbi_range(NESTED, VA, 1, 0, 3));
	ck_assert(reaches(SID, VA, SLOT(6)));
	ck_assert_uint_eq(got.order, 0);
	host_issue(&host, tlbi_range(NESTED, VA, 1, 18, 1));
	ck_assert(reaches(SID, VA, SLOT(6)));
	ck_assert_uint_eq(got.order, 18);
}
END_TEST

/* 3.5, 3.6: Linux sends one TLBI for a leaf that goes, whatever stage 2 made of it. */
START_TEST(a_tlbi_takes_a_block_of_stage_1_that_stage_2_cuts)
{
	const struct smmu_command takes[] = {
		command_tlbi_nh_va(SID, SID, VA, 1),
		command_tlbi_nh_va(SID, SID, VA + SLOT(1) - PAGE_SIZE, 0),
		with_opcode(command_tlbi_nh_va(SID, OTHER, VA + BLOCK2, 1), CMD_TLBI_NH_VAA),
		tlbi_range(NESTED, VA + BLOCK2, 1, 4, 1),
	};
	uint64_t stage2, level1 = host_nested(&host, SID, CD_A | CD_R, STE_S2R, &stage2);
	uint64_t level3 = new_table(new_table(stage2, 6), 0);
	for (unsigned i = 0; i < 3; i++)
		set_leaf(STAGE_2, level3, i, SLOT(9) + 0x10000 * i, false);
	for (unsigned i = 0; i < sizeof(takes) / sizeof(takes[0]); i++) {
		host_map(&host, level1, 1, 6, HOST_LEAF1);
		for (unsigned page = 0; page < 3; page++)
			ck_assert(reaches(SID, VA + page * PAGE_SIZE, SLOT(9) + 0x10000 * page));
		host_map(&host, level1, 1, 7, HOST_LEAF1);
		host_issue(&host, command_tlbi_nh_va(SID, SID, VA - PAGE_SIZE, 1));
		host_issue(&host, command_tlbi_nh_va(SID, SID, VA + SLOT(1), 1));
		host_issue(&host, command_tlbi_nh_va(SID, OTHER, VA, 1));
		host_issue(&host, command_tlbi_nh_va(OTHER, SID, VA, 1));
		ck_assert(reaches(SID, VA + PAGE_SIZE, SLOT(9) + 0x10000));
		host_issue(&host, takes[i]);
		for (unsigned page = 0; page < 3; page++)
			ck_assert_msg(
				reaches(SID, VA + page * PAGE_SIZE, SLOT(7) + page * PAGE_SIZE),
				"%u: page %u", i, page);
		host_issue(&host, command_tlbi_nh_all(SID));
	}
}
END_TEST

/* Without RIL the fields are not looked at: all leaves of the address go, and tables by Leaf. */
START_TEST(without_ranges_there_are_no_levels)
{
	struct path tables = three_levels(STAGE_1, SID);
	host.kit->smmu->idr[3] &= ~(uint32_t)IDR3_RIL;
	ck_assert(reaches(SID, VA, BEFORE));
	replace_level3(&tables);
	host_issue(&host, tlbi_range(STAGE_1, VA, 0, 0, 1));
	ck_assert(reaches(SID, VA, AFTER));
	ck_assert(!host.kit->smmu->assumptions.consulted[ASSUME_TTL]);
}
END_TEST

/* --- what each TLBI takes --- */

/* What leaves SID's tables alone, and what does not, beside those by address. */
static void check_commands(enum world world, const struct smmu_command *spare, unsigned spares,
			   const struct smmu_command *take, unsigned takes)
{
	struct path tables = three_levels(world, SID);
	for (unsigned i = 0; i < takes; i++) {
		ck_assert(reaches(SID, VA, BEFORE));
		uint64_t leaf = kit_word(host.kit, tables.level3), old = tables.level3;
		replace_level3(&tables);
		for (unsigned k = 0; k < spares; k++)
			host_issue(&host, spare[k]);
		host_issue(&host, tlbi(world, VA, 1));
		ck_assert_msg(reaches(SID, VA, FREED), "%u", i);
		host_issue(&host, take[i]);
		host_issue(&host, tlbi(world, VA, 1));
		ck_assert_msg(reaches(SID, VA, AFTER), "%u", i);
		kit_set_word(host.kit, old, leaf);
		kit_set_word(host.kit, tables.level2, old | PTE_VALID | PTE_TABLE);
		host_issue(&host, tlbi(world, VA, 0));
	}
}

START_TEST(tables_of_stage_1_go_by_address_asid_and_vmid)
{
	const struct smmu_command spare[] = {
		command_tlbi_nh_va(0, OTHER, VA, 0),
		command_tlbi_nh_va(1, SID, VA, 0),
		command_tlbi_nh_va(0, SID, VA + BLOCK2 * 512, 0),
		command_tlbi_nh_asid(0, OTHER),
		command_tlbi_nh_asid(1, SID),
		command_tlbi_nh_all(1),
		command_tlbi_s12_vmall(1),
		command_tlbi_s2_ipa(0, VA, 0),
		with_opcode(command_tlbi_nh_va(0, SID, VA, 0), CMD_TLBI_EL2_VA),
		{{CMD_TLBI_EL2_ALL, 0}},
	};
	const struct smmu_command take[] = {
		command_tlbi_nh_va(0, SID, VA + 0x1000, 0),
		with_opcode(command_tlbi_nh_va(0, OTHER, VA, 0), CMD_TLBI_NH_VAA),
		command_tlbi_nh_asid(0, SID),
		command_tlbi_nh_all(0),
		command_tlbi_s12_vmall(0),
		command_tlbi_nsnh_all(),
		tlbi_range(STAGE_1, VA - BLOCK2, 0, 12, 0),
	};
	check_commands(STAGE_1, spare, 10, take, 7);
}
END_TEST

START_TEST(tables_of_stage_2_go_by_ipa_and_vmid)
{
	const struct smmu_command spare[] = {
		command_tlbi_nh_va(SID, SID, VA, 0), command_tlbi_nh_all(SID),
		command_tlbi_s2_ipa(OTHER, VA, 0),   command_tlbi_s2_ipa(SID, VA + BLOCK2 * 512, 0),
		command_tlbi_s12_vmall(OTHER),
	};
	const struct smmu_command take[] = {
		command_tlbi_s2_ipa(SID, VA + 0x1000, 0),
		command_tlbi_s12_vmall(SID),
		command_tlbi_nsnh_all(),
		tlbi_range(STAGE_2, VA - BLOCK2, 0, 12, 0),
	};
	check_commands(STAGE_2, spare, 5, take, 4);
}
END_TEST

/* Of a guest's tables: with the VMID too. */
START_TEST(tables_of_a_guest_go_by_its_vmid_and_asid)
{
	const struct smmu_command spare[] = {
		command_tlbi_nh_va(0, SID, VA, 0),     command_tlbi_nh_asid(0, SID),
		command_tlbi_nh_va(OTHER, SID, VA, 0), command_tlbi_nh_all(0),
		command_tlbi_nh_va(SID, OTHER, VA, 0), command_tlbi_s2_ipa(SID, VA, 0),
	};
	const struct smmu_command take[] = {
		command_tlbi_nh_va(SID, SID, VA, 0),
		command_tlbi_nh_asid(SID, SID),
		command_tlbi_nh_all(SID),
		command_tlbi_s12_vmall(SID),
		command_tlbi_nsnh_all(),
	};
	check_commands(NESTED, spare, 6, take, 5);
}
END_TEST

START_TEST(tables_of_el2_go_by_commands_of_el2)
{
	const struct smmu_command spare[] = {
		command_tlbi_nsnh_all(),
		command_tlbi_s12_vmall(0),
		command_tlbi_nh_va(0, SID, VA, 0),
		{{CMD_TLBI_EL2_ASID | (uint64_t)OTHER << 48, 0}},
	};
	const struct smmu_command take[] = {
		with_opcode(command_tlbi_nh_va(0, SID, VA, 0), CMD_TLBI_EL2_VA),
		with_opcode(command_tlbi_nh_va(0, OTHER, VA, 0), CMD_TLBI_EL2_VAA),
		{{CMD_TLBI_EL2_ASID | (uint64_t)SID << 48, 0}},
		{{CMD_TLBI_EL2_ALL, 0}},
	};
	check_commands(EL2, spare, 4, take, 4);
}
END_TEST

/* Tables are of one ASID, however global the leaves below them are (7.2). */
START_TEST(tables_are_of_one_asid_even_above_global_leaves)
{
	struct path tables = three_levels(STAGE_1, SID);
	kit_set_word(host.kit, tables.level3, BEFORE | (PAGE & ~PTE_S1_NG));
	ck_assert(reaches(SID, VA, BEFORE));
	replace_level3(&tables);
	host_issue(&host, command_tlbi_nh_va(0, OTHER, VA, 0)); /* the leaf goes, by its address */
	ck_assert(reaches(SID, VA, FREED));
}
END_TEST

/* --- walks --- */

static unsigned reads(void)
{
	unsigned count = 0;
	for (unsigned i = 0; i < host.kit->access_count; i++)
		count += host.kit->accesses[i].purpose == ACCESS_TABLE_WALK;
	smmu_kit_clear(host.kit);
	return count;
}

START_TEST(a_walk_reads_what_is_below_the_deepest_cached_table)
{
	struct path tables = three_levels(_i, SID);
	set_leaf(_i, tables.level2, 1, SLOT(6), true);
	ck_assert(reaches(SID, VA, BEFORE));
	reads();
	ck_assert(reaches(SID, VA + PAGE_SIZE, SLOT(6) + 0x20000));
	unsigned last = reads();
	ck_assert(reaches(SID, VA + BLOCK2, SLOT(6)));
	unsigned second = reads();
	ck_assert(!reaches(SID, VA + SLOT(1), 0));
	unsigned first = reads();
	ck_assert_uint_eq(last, 1);
	ck_assert_uint_eq(second, 1);
	ck_assert_uint_eq(first, 1);
	ck_assert_uint_ge(host.kit->smmu->walks.hits + host.kit->smmu->el2_walks.hits, 2);
}
END_TEST

START_TEST(what_cached_tables_forbid_stays_forbidden)
{
	struct path tables = three_levels(STAGE_1, SID);
	struct smmu_access access = {.sid = SID, .iova = VA + PAGE_SIZE, .write = true};
	uint64_t at = tables.level1 + 8;
	kit_set_word(host.kit, at, kit_word(host.kit, at) | PTE_S1_AP_TABLE_RO);
	kit_set_word(host.kit, tables.level2, kit_word(host.kit, tables.level2) | PTE_S1_UXN_TABLE);
	ck_assert(reaches(SID, VA, BEFORE));
	for (unsigned pass = 0; pass < 2; pass++) {
		ck_assert_int_eq(smmu_translate_access(host.kit->smmu, &access, &got),
				 TRANSLATE_FAULT);
		ck_assert_uint_eq(got.event, EVT_F_PERMISSION);
		access.write = false;
		access.instruction = true;
	}
	access.instruction = false;
	ck_assert_int_eq(smmu_translate_access(host.kit->smmu, &access, &got), TRANSLATE_OK);
}
END_TEST

/* 7.1: what faults is not kept, and what led there may be. */
START_TEST(faults_are_not_cached)
{
	struct path tables = three_levels(_i, SID);
	uint64_t slots[] = {tables.level1 + 8, tables.level2, tables.level3};
	const uint64_t bad[] = {0, PTE_TABLE | PTE_AF};
	for (unsigned level = 0; level < 3; level++)
		for (unsigned i = 0; i < 2; i++) {
			uint64_t good = kit_word(host.kit, slots[level]);
			host_issue(&host, tlbi(_i, VA, 0));
			kit_set_word(host.kit, slots[level], bad[i]);
			ck_assert(!reaches(SID, VA, BEFORE));
			kit_set_word(host.kit, slots[level], good);
			ck_assert_msg(reaches(SID, VA, BEFORE), "level %u, %u", level + 1, i);
		}
}
END_TEST

START_TEST(an_aborted_walk_keeps_nothing_of_what_was_not_read)
{
	struct path tables = three_levels(_i, SID);
	const struct port_fault fault = {.engine = host.kit->smmu->port.engine,
					 .purpose = ACCESS_TABLE_WALK,
					 .action = FAULT_ABORT,
					 .nth = 2};
	(void)tables;
	ck_assert(port_inject(host.kit->machine, &fault));
	ck_assert(!reaches(SID, VA, BEFORE));
	ck_assert_uint_eq(got.event, EVT_F_WALK_EABT);
	ck_assert(reaches(SID, VA, BEFORE));
}
END_TEST

/* HTTU by a walk that begins at a cached table updates the leaf where it lies (5.5). */
START_TEST(flags_are_set_behind_a_cached_table)
{
	uint64_t level1 = host_stage1(&host, SID, CD_A | CD_R | CD_HA | CD_HD);
	uint64_t level3 = new_table(new_table(level1, 1), 0);
	for (unsigned i = 0; i < 2; i++)
		kit_set_word(host.kit, level3 + 8ULL * i,
			     SLOT(6) | (PAGE & ~PTE_AF) | PTE_S1_AP_RO | PTE_DBM);
	ck_assert(reaches(SID, VA, SLOT(6)));
	reads();
	ck_assert_int_eq(smmu_translate(host.kit->smmu, SID, VA + PAGE_SIZE, true, &got),
			 TRANSLATE_OK);
	ck_assert_uint_eq(reads(), 1);
	ck_assert_uint_eq(kit_word(host.kit, level3 + 8), SLOT(6) | PAGE | PTE_DBM);
	ck_assert_uint_eq(kit_word(host.kit, level3), SLOT(6) | PAGE | PTE_S1_AP_RO | PTE_DBM);
}
END_TEST

/* Other tables under the same ASID: what is cached of the old ones is not theirs to misread. */
START_TEST(a_cached_table_of_another_granule_is_not_walked)
{
	struct path tables = three_levels(STAGE_1, SID);
	uint64_t context = kit_word(host.kit, host.streams + STE_SIZE * SID) & STE_S1CONTEXTPTR;
	uint64_t wide = align_up(kit_frames(host.kit, 64), 16 * PAGE_SIZE);
	(void)tables;
	ck_assert(reaches(SID, VA, BEFORE));
	host_issue(&host, command_tlbi_nh_va(0, SID, VA, 1)); /* the leaf, and not the tables */
	/* 64 KiB, 39 bits: level 2 of 1024 blocks of 512 MiB. */
	kit_set_word(host.kit, context,
		     (kit_word(host.kit, context) & ~(uint64_t)CD_TG0) | field_put(CD_TG0, 1));
	kit_set_word(host.kit, context + 8, wide);
	kit_set_word(host.kit, wide + 8 * 2, SLOT(7) | HOST_LEAF1);
	host_issue(&host, command_cfgi_cd(SID, 0, 1));
	ck_assert(reaches(SID, VA, SLOT(7)));
}
END_TEST

START_TEST(the_walk_cache_has_the_size_of_its_profile)
{
	struct profile profile = smmu_kit_everything();
	smmu_kit_set(&profile, "walk_cache.entries", 8);
	smmu_kit_set(&profile, "walk_cache.ways", 2);
	smmu_host_free(&host);
	host = smmu_host_new(&profile);
	struct path tables = three_levels(STAGE_1, SID);
	for (unsigned i = 0; i < 64; i++) {
		set_leaf(STAGE_1, new_table(tables.level2, i), 0, SLOT(6), false);
		ck_assert(reaches(SID, VA + BLOCK2 * i, SLOT(6)));
		ck_assert_uint_le(host.kit->smmu->walks.count, 8);
	}
	ck_assert_uint_gt(host.kit->smmu->walks.count, 4);
}
END_TEST

/* A table that is cut off is found to be so, whatever was invalidated. */
START_TEST(hardware_may_have_no_walk_cache)
{
	struct profile profile = smmu_kit_everything();
	smmu_kit_set(&profile, "walk_cache.entries", 0);
	smmu_host_free(&host);
	host = smmu_host_new(&profile);
	struct path tables = three_levels(STAGE_1, SID);
	set_leaf(STAGE_1, new_table(tables.level2, 0), 0, SLOT(6), false);
	ck_assert(reaches(SID, VA, SLOT(6)));
	set_leaf(STAGE_1, new_table(tables.level2, 0), 0, SLOT(7), false);
	tlb_remove_all(&host.kit->smmu->tlb);
	ck_assert(reaches(SID, VA, SLOT(7)));
	ck_assert_uint_eq(host.kit->smmu->walks.count, 0);
	ck_assert_uint_eq(tlb_remove_all(&host.kit->smmu->walks), 0);
}
END_TEST

/* --- the machine's state --- */

static uint64_t state(void)
{
	struct hash hash;
	hash_init(&hash);
	smmu_hash(host.kit->smmu, &hash);
	return hash.value;
}

START_TEST(a_restored_machine_has_its_caches_back)
{
	struct path tables = three_levels(_i, SID);
	ck_assert(reaches(SID, VA, BEFORE));
	struct arena_snapshot *snapshot = arena_save(host.kit->machine->arena, NULL);
	struct smmu_host saved = host;
	host_issue(&host, tlbi(_i, VA, 0));
	arena_restore(host.kit->machine->arena, snapshot);
	arena_snapshot_free(snapshot);
	host = saved;
	replace_level3(&tables);
	host_issue(&host, tlbi(_i, VA, 1));
	ck_assert(reaches(SID, VA, FREED));
}
END_TEST

START_TEST(the_hash_sees_cached_tables)
{
	struct path tables = three_levels(_i, SID);
	(void)tables;
	ck_assert(reaches(SID, VA, BEFORE));
	kit_smmu_write(host.kit, SMMU_CR0, 4, CR0_SMMUEN);
	uint64_t before = state();
	struct tlb *walks = _i == EL2 ? &host.kit->smmu->el2_walks : &host.kit->smmu->walks;
	ck_assert_uint_gt(tlb_remove_all(walks), 1);
	ck_assert_uint_ne(state(), before);
}
END_TEST

/* --- level 1 of the stream table --- */

#define SPLIT   6U
#define STREAMS (3U << SPLIT)
#define BYPASS  (STE_V | STE_CONFIG_BYPASS << 1)
#define ABORT   ((uint64_t)STE_V)

static uint64_t first_level, second_level[3];

/* Three level-1 descriptors, whose streams all pass. */
static void two_level_streams(void)
{
	struct smmu_kit *kit = host.kit;
	first_level = kit_frames(kit, 1);
	for (unsigned i = 0; i < 3; i++) {
		second_level[i] = kit_frames(kit, 1);
		kit_set_word(kit, first_level + 8ULL * i, second_level[i] | (SPLIT + 1));
		for (unsigned k = 0; k < 1U << SPLIT; k++)
			kit_set_word(kit, second_level[i] + STE_SIZE * k, BYPASS);
	}
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_CMDQEN | CR0_EVENTQEN);
	kit_smmu_write(kit, SMMU_STRTAB_BASE, 8, first_level);
	kit_smmu_write(kit, SMMU_STRTAB_BASE_CFG, 4, 9 | SPLIT << 6 | STRTAB_FMT_2LEVEL << 16);
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN);
	host_issue(&host, command_cfgi_all());
}

/* Level-1 descriptor 1 leads to a table of streams that abort; the old table's pass. */
static void replace_second_level(void)
{
	uint64_t table = kit_frames(host.kit, 1);
	for (unsigned k = 0; k < 1U << SPLIT; k++)
		kit_set_word(host.kit, table + STE_SIZE * k, ABORT);
	kit_set_word(host.kit, first_level + 8, table | (SPLIT + 1));
}

static bool passes(uint32_t sid)
{
	return reaches(sid, 0x5000, 0x5000);
}

#define FIRST (1U << SPLIT)

START_TEST(a_freed_stream_table_is_read_until_a_cfgi_that_is_not_for_leaves)
{
	two_level_streams();
	ck_assert(passes(FIRST) && passes(FIRST + 1));
	replace_second_level();
	host_issue(&host, command_cfgi_ste(FIRST, 1));
	ck_assert(passes(FIRST));
	ck_assert(passes(FIRST + 2)); /* never seen before */
	/* Of another descriptor's streams, and of another's contexts. */
	host_issue(&host, command_cfgi_ste(FIRST - 1, 0));
	host_issue(&host, command_cfgi_ste(FIRST + (1U << SPLIT), 0));
	host_issue(&host, command_cfgi_cd(FIRST, 0, 0));
	host_issue(&host, command_cfgi_ste(FIRST, 1));
	ck_assert(passes(FIRST));
	host_issue(&host, command_cfgi_ste(FIRST + 3, 0)); /* any of its streams */
	ck_assert(passes(FIRST) && passes(FIRST + 1)); /* their entries are cached as they were */
	ck_assert(!passes(FIRST + 4));
	host_issue(&host, command_cfgi_ste(FIRST, 1));
	ck_assert(!passes(FIRST));
}
END_TEST

static struct smmu_command cfgi_range(uint32_t sid, unsigned range)
{
	return (struct smmu_command){{CMD_CFGI_STE_RANGE | (uint64_t)sid << 32, range}};
}

/* 3.2: Range has no Leaf; 31 is all. */
START_TEST(a_range_of_streams_takes_their_level_1)
{
	const struct {
		struct smmu_command command;
		bool takes;
	} rows[] = {
		{cfgi_range(FIRST, 0), true},      {cfgi_range(FIRST, SPLIT - 1), true},
		{cfgi_range(0, SPLIT), true},      {cfgi_range(0, SPLIT - 1), false},
		{cfgi_range(2 * FIRST, 0), false}, {command_cfgi_all(), true},
	};
	for (unsigned i = 0; i < 6; i++) {
		two_level_streams();
		ck_assert(passes(FIRST));
		replace_second_level();
		host_issue(&host, rows[i].command);
		ck_assert_msg(passes(FIRST + 9) != rows[i].takes, "%u", i);
	}
}
END_TEST

/* Nobody says so when a level-1 descriptor becomes valid: what was not is not kept. */
START_TEST(a_level_1_descriptor_that_leads_nowhere_is_not_cached)
{
	const uint64_t bad[] = {0, SPLIT + 2, 12, 1ULL << 50 | (SPLIT + 1)};
	const struct port_fault fault = {.engine = host.kit->smmu->port.engine,
					 .purpose = ACCESS_CONFIG_FETCH,
					 .action = FAULT_ABORT,
					 .nth = 1};
	two_level_streams();
	for (unsigned i = 0; i < 5; i++) {
		uint64_t good = kit_word(host.kit, first_level + 8);
		host_issue(&host, command_cfgi_all());
		if (i < 4)
			kit_set_word(host.kit, first_level + 8, bad[i]);
		else
			ck_assert(port_inject(host.kit->machine, &fault));
		ck_assert(!passes(FIRST));
		kit_set_word(host.kit, first_level + 8, good);
		ck_assert_msg(passes(FIRST), "%u", i);
	}
}
END_TEST

/* Streams beyond the span are so with a cached descriptor too. */
START_TEST(the_span_of_a_cached_level_1_descriptor_counts)
{
	two_level_streams();
	kit_set_word(host.kit, first_level + 8, second_level[1] | SPLIT);
	ck_assert(passes(FIRST));
	smmu_kit_clear(host.kit);
	ck_assert(passes(FIRST + 31));
	ck_assert_uint_eq(host.kit->access_count, 1); /* the entry alone */
	ck_assert(!passes(FIRST + 32));
	ck_assert_uint_eq(host.kit->smmu->level1_streams.hits, 2);
}
END_TEST

/* --- level 1 of a table of contexts --- */

#define SUBSTREAM 70U /* entry 6 of the second leaf */

static uint64_t first_contexts, context_bits;

static uint64_t leaf_of_contexts(uint64_t pa)
{
	uint64_t leaf = kit_frames(host.kit, 1), table = kit_frames(host.kit, 1);
	kit_set_word(host.kit, table + 8, pa | HOST_LEAF1);
	for (unsigned i = 0; i < 64; i++) {
		kit_set_word(host.kit, leaf + CD_SIZE * i,
			     context_bits | field_put(CD_ASID, (pa >> 30) * 64 + i));
		kit_set_word(host.kit, leaf + CD_SIZE * i + 8, table);
	}
	return leaf;
}

/* A nested stream, or one of stage 1, with 128 substreams; the second 64 reach slot 5. */
static void two_level_contexts(bool nested)
{
	uint64_t stage2;
	if (nested)
		host_nested(&host, SID, CD_A | CD_R, STE_S2R, &stage2);
	else
		host_stage1(&host, SID, CD_A | CD_R);
	context_bits = kit_word(host.kit, kit_word(host.kit, host.streams + STE_SIZE * SID) &
						  STE_S1CONTEXTPTR) &
		       ~(uint64_t)CD_ASID;
	uint64_t leaf = leaf_of_contexts(SLOT(5));
	first_contexts = kit_frames(host.kit, 1);
	kit_set_word(host.kit, first_contexts + 8, leaf | L1CD_V);
	host_change_ste(&host, SID, 0, STE_S1CONTEXTPTR | STE_S1FMT | STE_S1CDMAX,
			first_contexts | field_put(STE_S1FMT, S1FMT_4K) |
				field_put(STE_S1CDMAX, 7));
}

static bool substream_reaches(uint32_t ssid, uint64_t pa)
{
	const struct smmu_access access = {.sid = SID, .has_ssid = true, .ssid = ssid, .iova = VA};
	return smmu_translate_access(host.kit->smmu, &access, &got) == TRANSLATE_OK &&
	       got.pa.value == pa;
}

START_TEST(freed_contexts_are_read_until_a_cfgi_that_is_not_for_leaves)
{
	two_level_contexts(_i != 0);
	ck_assert(substream_reaches(SUBSTREAM, SLOT(5)));
	kit_set_word(host.kit, first_contexts + 8, leaf_of_contexts(SLOT(6)) | L1CD_V);
	host_issue(&host, command_cfgi_cd(SID, SUBSTREAM, 1));
	ck_assert(substream_reaches(SUBSTREAM, SLOT(5)));
	ck_assert(substream_reaches(SUBSTREAM + 1, SLOT(5)));
	/* Other streams, other leaves. */
	host_issue(&host, command_cfgi_cd(OTHER, SUBSTREAM, 0));
	host_issue(&host, command_cfgi_cd(SID, 63, 0));
	host_issue(&host, command_cfgi_ste(OTHER, 0));
	ck_assert(substream_reaches(SUBSTREAM + 2, SLOT(5)));
	host_issue(&host, command_cfgi_cd(SID, 64, 0)); /* any of its substreams */
	ck_assert(substream_reaches(SUBSTREAM, SLOT(5)));
	ck_assert(substream_reaches(SUBSTREAM + 3, SLOT(6)));
}
END_TEST

/* All contexts of the stream, or what they derive from. */
START_TEST(level_1_of_contexts_goes_with_all_of_them_and_with_the_stream)
{
	const struct smmu_command commands[] = {
		{{CMD_CFGI_CD_ALL | (uint64_t)SID << 32, 0}},
		command_cfgi_ste(SID, 1),
		cfgi_range(SID - 1, 0),
		command_cfgi_all(),
	};
	for (unsigned i = 0; i < 4; i++) {
		two_level_contexts(false);
		ck_assert(substream_reaches(SUBSTREAM, SLOT(5)));
		kit_set_word(host.kit, first_contexts + 8, leaf_of_contexts(SLOT(6)) | L1CD_V);
		host_issue(&host, commands[i]);
		ck_assert_msg(substream_reaches(SUBSTREAM, SLOT(6)), "%u", i);
	}
}
END_TEST

START_TEST(a_level_1_descriptor_of_contexts_that_is_not_valid_is_not_cached)
{
	two_level_contexts(false);
	uint64_t good = kit_word(host.kit, first_contexts + 8);
	kit_set_word(host.kit, first_contexts + 8, leaf_of_contexts(SLOT(6)));
	ck_assert(!substream_reaches(SUBSTREAM, SLOT(5)));
	ck_assert_uint_eq(got.event, EVT_C_BAD_SUBSTREAMID);
	kit_set_word(host.kit, first_contexts + 8, good);
	ck_assert(substream_reaches(SUBSTREAM, SLOT(5)));
}
END_TEST

START_TEST(the_hash_sees_cached_level_1_descriptors)
{
	static const struct level1_key all = {.sid_bits = LEVEL1_ALL, .ssid_bits = LEVEL1_ALL};
	two_level_contexts(false);
	ck_assert(substream_reaches(SUBSTREAM, SLOT(5)));
	uint64_t before = state();
	level1_cache_drop(&host.kit->smmu->level1_contexts, &all);
	ck_assert_uint_ne(state(), before);
	two_level_streams();
	ck_assert(passes(FIRST));
	before = state();
	level1_cache_drop(&host.kit->smmu->level1_streams, &all);
	ck_assert_uint_ne(state(), before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_caches");
	TCase *tests = tcase_create("caches");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, a_freed_table_is_walked_until_a_tlbi_that_is_not_for_leaves, 0,
			    WORLDS);
	tcase_add_loop_test(tests, a_freed_table_of_a_higher_level_is_walked_too, 0, WORLDS);
	tcase_add_loop_test(tests, a_level_spares_tables, 0, WORLDS);
	tcase_add_loop_test(tests, a_wrong_level_spares_leaves, 0, WORLDS);
	tcase_add_test(tests, the_level_of_both_stages_is_that_of_stage_1);
	tcase_add_test(tests, a_tlbi_takes_a_block_of_stage_1_that_stage_2_cuts);
	tcase_add_test(tests, without_ranges_there_are_no_levels);
	tcase_add_test(tests, tables_of_stage_1_go_by_address_asid_and_vmid);
	tcase_add_test(tests, tables_of_stage_2_go_by_ipa_and_vmid);
	tcase_add_test(tests, tables_of_a_guest_go_by_its_vmid_and_asid);
	tcase_add_test(tests, tables_of_el2_go_by_commands_of_el2);
	tcase_add_test(tests, tables_are_of_one_asid_even_above_global_leaves);
	tcase_add_loop_test(tests, a_walk_reads_what_is_below_the_deepest_cached_table, 0, WORLDS);
	tcase_add_test(tests, what_cached_tables_forbid_stays_forbidden);
	tcase_add_loop_test(tests, faults_are_not_cached, 0, WORLDS);
	tcase_add_loop_test(tests, an_aborted_walk_keeps_nothing_of_what_was_not_read, 0, WORLDS);
	tcase_add_test(tests, flags_are_set_behind_a_cached_table);
	tcase_add_test(tests, a_cached_table_of_another_granule_is_not_walked);
	tcase_add_test(tests, the_walk_cache_has_the_size_of_its_profile);
	tcase_add_test(tests, hardware_may_have_no_walk_cache);
	tcase_add_loop_test(tests, a_restored_machine_has_its_caches_back, 0, WORLDS);
	tcase_add_loop_test(tests, the_hash_sees_cached_tables, 0, WORLDS);
	tcase_add_test(tests, a_freed_stream_table_is_read_until_a_cfgi_that_is_not_for_leaves);
	tcase_add_test(tests, a_range_of_streams_takes_their_level_1);
	tcase_add_test(tests, a_level_1_descriptor_that_leads_nowhere_is_not_cached);
	tcase_add_test(tests, the_span_of_a_cached_level_1_descriptor_counts);
	tcase_add_loop_test(tests, freed_contexts_are_read_until_a_cfgi_that_is_not_for_leaves, 0,
			    2);
	tcase_add_test(tests, level_1_of_contexts_goes_with_all_of_them_and_with_the_stream);
	tcase_add_test(tests, a_level_1_descriptor_of_contexts_that_is_not_valid_is_not_cached);
	tcase_add_test(tests, the_hash_sees_cached_level_1_descriptors);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
