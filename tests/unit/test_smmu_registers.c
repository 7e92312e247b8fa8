/* SPDX-License-Identifier: Apache-2.0 */
/* The SMMU's registers: what its table says is what the hardware does, and what the document says. */
#include <check.h>
#include <glib.h>
#include <stdlib.h>

#include "tests/kit/register_page.h"
#include "tests/kit/run.h"
#include "tests/kit/smmu.h"

static struct smmu_kit *kit;

static void setup(void)
{
	struct profile profile = smmu_kit_grace();
	kit = smmu_kit_new(&profile);
}

static void teardown(void)
{
	smmu_kit_free(kit);
}

/* Each register of the table. */
typedef void visit_fn(const struct register_row *row, uint64_t at);

static void visit(visit_fn *fn)
{
	for (const struct register_row *row = smmu_registers; row->name != NULL; row++)
		for (uint32_t i = 0; i < row->count; i++)
			fn(row, row->offset + (uint64_t)i * row->stride);
}

static void check_bits(const struct register_row *row, uint64_t at)
{
	uint64_t before = kit_smmu_read(kit, at, row->width);
	kit_smmu_write(kit, at, row->width, UINT64_MAX);
	uint64_t after = kit_smmu_read(kit, at, row->width);
	ck_assert_msg((after & ~row->mask) == 0, "%s has bits %lx", row->name, after & ~row->mask);
	if (row->access == REGISTER_RO)
		ck_assert_msg(after == before, "%s is %lx, was %lx", row->name, after, before);
}

START_TEST(a_register_has_the_bits_of_its_row_and_keeps_what_is_read_only)
{
	visit(check_bits);
}
END_TEST

START_TEST(what_has_no_row_is_reserved)
{
	uint32_t index, reserved = 0;
	for (uint64_t at = 0; at < SMMU_WINDOW_SIZE; at += 4) {
		if (register_find(smmu_registers, at, &index) != NULL)
			continue;
		kit_smmu_write(kit, at, 4, UINT32_MAX);
		ck_assert_msg(kit_smmu_read(kit, at, 4) == 0, "%lx is something", at);
		reserved++;
	}
	ck_assert_uint_gt(reserved, 1000);
}
END_TEST

static GString *document(void)
{
	GString *text = g_string_new(
		"# Registers of the SMMUv3\n"
		"\n"
		"What the model decodes, made from its table (`models/nvidia_vcmdq/smmu.c`);\n"
		"`unit.smmu_registers` compares this page and tries every register. The last "
		"column is the\n"
		"section of the fact sheet smmuv3. What no row has reads as zero and ignores "
		"writes; identification registers, and\n"
		"GBPA's reset value, are those of the profile.\n"
		"\n");
	register_page_table(text, smmu_registers);
	return text;
}

START_TEST(the_document_is_what_the_table_makes)
{
	register_page_compare("registers-smmu.md", document());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smmu_registers");
	TCase *tests = tcase_create("table");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_register_has_the_bits_of_its_row_and_keeps_what_is_read_only);
	tcase_add_test(tests, what_has_no_row_is_reserved);
	tcase_add_test(tests, the_document_is_what_the_table_makes);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
