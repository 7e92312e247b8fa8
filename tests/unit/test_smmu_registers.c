/* SPDX-License-Identifier: Apache-2.0 */
/* The SMMU's registers: what its table says is what the hardware does, and what the document says. */
#include <check.h>
#include <glib.h>

#include "tests/kit/register_page.h"
#include "tests/kit/run.h"
#include "tests/kit/smmu.h"

static struct smmu_kit *kit;

static void setup(void)
{
	struct profile profile = smmu_kit_everything();
	kit = smmu_kit_new(&profile);
}

static void teardown(void)
{
	smmu_kit_free(kit);
}

/* The engine's own registers are the first region on the bus. */
static const struct mmio_region *region(void)
{
	return &kit->machine->bus.regions[0];
}

START_TEST(a_register_has_the_bits_of_its_row_and_keeps_what_is_read_only)
{
	register_page_try_rows(region(), smmu_registers);
}
END_TEST

START_TEST(what_has_no_row_is_reserved)
{
	register_page_try_reserved(region(), smmu_registers);
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
		"writes; so do the PRI\n"
		"queue's registers without IDR0.PRI, and bits of CR0 and CR2 that IDR0 does not "
		"offer. IDR0 to IDR5,\n"
		"AIDR, and GBPA's reset value, are those of the profile.\n"
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
