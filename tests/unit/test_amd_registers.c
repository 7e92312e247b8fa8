/* SPDX-License-Identifier: Apache-2.0 */
/* The AMD IOMMU's registers: what its table says is what the hardware does, and what the document says. */
#include <check.h>
#include <glib.h>

#include "tests/kit/amd.h"
#include "tests/kit/register_page.h"
#include "tests/kit/run.h"

static struct amd_kit *kit;

static void setup(void)
{
	struct profile profile = amd_kit_profile();
	kit = amd_kit_new(&profile);
}

static void teardown(void)
{
	amd_kit_free(kit);
}

/* The engine's own registers are the first region on the bus. */
static const struct mmio_region *region(void)
{
	return &kit->machine->bus.regions[0];
}

START_TEST(a_register_has_the_bits_of_its_row_and_keeps_what_is_read_only)
{
	register_page_try_rows(region(), amd_registers);
}
END_TEST

START_TEST(what_has_no_row_is_reserved)
{
	register_page_try_reserved(region(), amd_registers);
}
END_TEST

static GString *document(void)
{
	GString *text = g_string_new(
		"# Registers of the AMD IOMMU\n"
		"\n"
		"What the model decodes, made from its tables (`models/amd_iommu/amd_iommu.c`, "
		"`models/amd_iommu/pci.c`);\n"
		"`unit.amd_registers` compares this page and tries every register. The last column "
		"is the\n"
		"section of the fact sheet amd-iommu. What no row has reads as zero and ignores "
		"writes; EFR and EFR2 are those of\n"
		"the profile. Registers of guests (VF, VFCntl) are not here.\n"
		"\n");
	register_page_table(text, amd_registers);
	g_string_append(
		text,
		"\n"
		"## PCI configuration space\n"
		"\n"
		"The capability of the IOMMU at 0x40, the vendor's at 0x60: the last four and its "
		"header are of sheet\n"
		"amd-viommu. IotlbSup, NpCache, the vendor's capability and the BARs are as the "
		"profile and firmware have them: here they\n"
		"are off. Accesses are of 32 bits; unit.amd_pci tries them.\n"
		"\n");
	register_page_table(text, amd_config_registers);
	return text;
}

START_TEST(the_document_is_what_the_table_makes)
{
	register_page_compare("registers-amd.md", document());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_registers");
	TCase *tests = tcase_create("table");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_register_has_the_bits_of_its_row_and_keeps_what_is_read_only);
	tcase_add_test(tests, what_has_no_row_is_reserved);
	tcase_add_test(tests, the_document_is_what_the_table_makes);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
