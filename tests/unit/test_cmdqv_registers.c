/* SPDX-License-Identifier: Apache-2.0 */
/* The CMDQV's register tables: what they say is what the hardware does, and what the document says. */
#include <check.h>
#include <glib.h>
#include <stdlib.h>

#include "tests/kit/register_page.h"
#include "tests/kit/run.h"
#include "tests/kit/smmu.h"

#define VINTF   63U
#define QUEUE   127U
#define LOGICAL 1U

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

/* Where each table's registers are, and how the document calls the place. */
static const struct window {
	const struct register_row *rows;
	uint64_t base; /* of the one that is tried */
	const char *title;
	const char *where;
} windows[] = {
	{cmdqv_page1_registers, CMDQV_DIRECT_PAGE1 + CMDQV_QUEUE_STRIDE *QUEUE,
	 "VCMDQ, page 1 (host only)", "0x20000 + 0x80 * q, also 0x40000 + 0x20000 * v + 0x80 * l"},
	{cmdqv_page0_registers, CMDQV_DIRECT_PAGE0 + CMDQV_QUEUE_STRIDE *QUEUE,
	 "VCMDQ, page 0 (a guest maps its VINTF's)",
	 "0x10000 + 0x80 * q, also 0x30000 + 0x20000 * v + 0x80 * l"},
	{cmdqv_vintf_registers, CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE *VINTF,
	 "VINTF v, in the CONFIG page", "0x1000 + 0x100 * v"},
	{cmdqv_config_registers, 0, "CONFIG page", "0x00000"},
};

#define WINDOWS (sizeof(windows) / sizeof(windows[0]))

typedef void visit_fn(const struct register_row *row, uint64_t at);

static void visit(visit_fn *fn)
{
	for (size_t w = 0; w < WINDOWS; w++)
		for (const struct register_row *row = windows[w].rows; row->name != NULL; row++)
			for (uint32_t i = 0; i < row->count; i++)
				fn(row, windows[w].base + row->offset + i * row->stride);
}

static void check_reset(const struct register_row *row, uint64_t at)
{
	ck_assert_msg(kit_read(kit, at, row->width) == row->reset, "%s at %lx is %lx", row->name,
		      at, kit_read(kit, at, row->width));
}

START_TEST(each_register_starts_as_its_row_says)
{
	visit(check_reset);
}
END_TEST

static void check_written(const struct register_row *row, uint64_t at)
{
	uint64_t all = row->width == 8 ? UINT64_MAX : UINT32_MAX, before;
	before = kit_read(kit, at, row->width);
	kit_write(kit, at, row->width, all);
	ck_assert_msg(kit_read(kit, at, row->width) ==
			      (row->access == REGISTER_RW ? row->mask : before),
		      "%s at %lx is %lx", row->name, at, kit_read(kit, at, row->width));
	ck_assert_uint_eq(row->reset & ~row->mask, 0);
}

/* All bits of a mask, and no other: a queue with an owner, which its own CONFIG needs. */
START_TEST(each_register_takes_what_its_row_says)
{
	kit_alloc(kit, QUEUE, VINTF, LOGICAL, true);
	kit_write(kit, kit_vintf(VINTF, VINTF_CONFIG), 4, VINTF_CONFIG_ENABLE);
	for (size_t w = 0; w < 2; w++) /* of the queue; the others would take its owner away */
		for (const struct register_row *row = windows[w].rows; row->name != NULL; row++)
			check_written(row, windows[w].base + row->offset);
	teardown();
	setup();
	for (size_t w = 2; w < WINDOWS; w++)
		for (const struct register_row *row = windows[w].rows; row->name != NULL; row++)
			check_written(row, windows[w].base + row->offset);
}
END_TEST

static void write_read_only(const struct register_row *row, uint64_t at)
{
	if (row->access == REGISTER_RO)
		kit_write(kit, at, row->width, UINT32_MAX);
}

/* Neither themselves nor any other. */
START_TEST(read_only_registers_change_nothing)
{
	visit(write_read_only);
	visit(check_reset);
}
END_TEST

/* As the look-up takes for granted. */
START_TEST(rows_of_a_slot_follow_each_other)
{
	for (size_t w = 0; w < 2; w++) {
		uint32_t offset = 0;
		for (const struct register_row *row = windows[w].rows; row->name != NULL; row++) {
			ck_assert_uint_eq(row->offset, offset);
			ck_assert_uint_eq(row->count, 1);
			offset += w == 0 ? 8 : 4;
			ck_assert_uint_eq(row->width, w == 0 ? 8 : 4);
		}
	}
}
END_TEST

static bool has_row(const struct register_row *rows, uint32_t offset)
{
	uint32_t index;
	return register_find(rows, offset, &index) != NULL;
}

/* Every word that no row has, of a queue that runs: it reads as zero, whatever was written. */
START_TEST(what_has_no_row_is_reserved)
{
	static const uint32_t sizes[WINDOWS] = {CMDQV_QUEUE_STRIDE, CMDQV_QUEUE_STRIDE,
						CMDQV_VINTF_BLOCK_STRIDE, CMDQV_VINTF_BLOCKS};
	unsigned reserved = 0;
	kit_enable(kit, QUEUE, VINTF, LOGICAL, VINTF_CONFIG_ENABLE, kit_frames(kit, 1) | 3);
	for (size_t w = 0; w < WINDOWS; w++)
		for (uint32_t offset = 0; offset < sizes[w]; offset += 4) {
			if (has_row(windows[w].rows, offset))
				continue;
			kit_write(kit, windows[w].base + offset, 4, UINT32_MAX);
			ck_assert_uint_eq(kit_read(kit, windows[w].base + offset, 4), 0);
			reserved++;
		}
	ck_assert_uint_eq(reserved, 28 + 26 + 26 + 885);
	ck_assert(kit_enabled(kit, QUEUE));
}
END_TEST

/* Rest of each page past its 128 slots. */
START_TEST(what_lies_past_the_slots_is_reserved)
{
	static const uint64_t pages[] = {0x10000, 0x20000, 0x30000, 0x40000, 0x810000, 0x820000};
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		for (uint64_t offset = 0x4000; offset < 0x10000; offset += 0x80) {
			kit_write(kit, pages[i] + offset + VCMDQ_PROD, 4, 3);
			ck_assert_uint_eq(kit_read(kit, pages[i] + offset + VCMDQ_PROD, 4), 0);
		}
	for (uint32_t queue = 0; queue < 128; queue++)
		ck_assert_uint_eq(kit_read(kit, kit_direct(queue, VCMDQ_PROD), 4), 0);
}
END_TEST

/* A read of 64 bits is two of 32 anywhere; a write of 64 bits is nothing, but on page 1. */
static void check_wide(const struct register_row *row, uint64_t at)
{
	if (at % 8 != 0)
		return;
	uint64_t halves = kit_read(kit, at, 4) | kit_read(kit, at + 4, 4) << 32;
	ck_assert_uint_eq(kit_read(kit, at, 8), halves);
	kit_write(kit, at, 8, ~halves);
	if (row->width == 4)
		ck_assert_uint_eq(kit_read(kit, at, 8), halves);
	else
		ck_assert_uint_eq(kit_read(kit, at, 8), ~halves & row->mask);
}

START_TEST(only_page_1_takes_64_bit_writes)
{
	visit(check_wide);
}
END_TEST

/* --- docs/registers-cmdqv.md --- */

static const char head[] =
	"# Registers of the CMDQV\n"
	"\n"
	"What the model decodes, made from its tables (`models/nvidia_vcmdq/cmdqv_spec.c`); "
	"`unit.cmdqv_registers` "
	"compares this page and tries every\n"
	"register. The last column is the section of the fact sheet tegra241-cmdqv.\n"
	"\n"
	"An access has 4 or 8 bytes and is aligned to them. 8 bytes are read as two words "
	"anywhere; they are written on "
	"page 1 only, elsewhere such a write\n"
	"is ignored. What no row has, bits that no mask has, queues, VINTFs and pairs beyond what "
	"PARAM tells, and a "
	"VINTF's slot without a queue read as zero\n"
	"and ignore writes. Reset values are those of `profiles/grace`. CONS_INDX and page 1 can "
	"be written only while the "
	"queue is disabled.\n";

static GString *document(void)
{
	GString *text = g_string_new(head);
	for (size_t w = WINDOWS; w-- > 0;) {
		g_string_append_printf(text, "\n## %s\n\nFrom %s on.\n\n", windows[w].title,
				       windows[w].where);
		register_page_table(text, windows[w].rows);
	}
	return text;
}

START_TEST(the_document_is_what_the_tables_make)
{
	register_page_compare("registers-cmdqv.md", document());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cmdqv_registers");
	TCase *tests = tcase_create("tables");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, each_register_starts_as_its_row_says);
	tcase_add_test(tests, each_register_takes_what_its_row_says);
	tcase_add_test(tests, read_only_registers_change_nothing);
	tcase_add_test(tests, rows_of_a_slot_follow_each_other);
	tcase_add_test(tests, what_has_no_row_is_reserved);
	tcase_add_test(tests, what_lies_past_the_slots_is_reserved);
	tcase_add_test(tests, only_page_1_takes_64_bit_writes);
	tcase_add_test(tests, the_document_is_what_the_tables_make);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
