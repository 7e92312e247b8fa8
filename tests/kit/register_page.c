// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/register_page.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* "[20:15] [7:0]" */
static void add_bits(GString *text, uint64_t mask)
{
	for (unsigned high = 64; high-- > 0;) {
		if (!(mask >> high & 1))
			continue;
		unsigned low = high;
		while (low > 0 && mask >> (low - 1) & 1)
			low--;
		g_string_append_printf(text, "%s[%u:%u]",
				       text->str[text->len - 1] == ' ' ? "" : " ", high, low);
		high = low;
	}
}

/* "1.3" of "smmuv3 1.3" */
static const char *section_number(const char *section)
{
	const char *space = strrchr(section, ' ');
	return space != NULL ? space + 1 : section;
}

static void add_row(GString *text, const struct register_row *row)
{
	g_string_append_printf(text, "| 0x%03x", row->offset);
	if (row->count > 1)
		g_string_append_printf(text, " + %u * k", row->stride);
	g_string_append_printf(text, " | %s", row->name);
	if (row->count > 1)
		g_string_append_printf(text, "k, k < %u", row->count);
	g_string_append_printf(text, " | %u | %s | 0x%lx | ", 8U * row->width,
			       row->access == REGISTER_RW ? "RW" : "RO", row->reset);
	add_bits(text, row->mask);
	g_string_append_printf(text, " | %s |\n", section_number(row->section));
}

void register_page_table(GString *text, const struct register_row *rows)
{
	g_string_append(text,
			"| offset | register | bits | access | reset | bits that exist | sheet |\n"
			"|---|---|---|---|---|---|---|\n");
	for (const struct register_row *row = rows; row->name != NULL; row++)
		add_row(text, row);
}

void register_page_compare(const char *name, GString *page)
{
	char *path = g_build_filename(HWQ_SOURCE_DIR, "docs", name, NULL);
	char *found = NULL;
	if (getenv("HWQ_WRITE_DOCS") != NULL)
		ck_assert(g_file_set_contents(path, page->str, -1, NULL));
	ck_assert_msg(g_file_get_contents(path, &found, NULL, NULL), "%s can't be read", path);
	ck_assert_str_eq(found, page->str);
	g_free(found);
	g_string_free(page, TRUE);
	g_free(path);
}

static void try_register(const struct mmio_region *region, const struct register_row *row,
			 uint64_t at)
{
	uint64_t before = region->ops->read(region->owner, at, row->width);
	region->ops->write(region->owner, at, row->width,
			   row->width == 8 ? UINT64_MAX : UINT32_MAX);
	uint64_t after = region->ops->read(region->owner, at, row->width);
	ck_assert_msg((after & ~row->mask) == 0, "%s has bits %lx", row->name, after & ~row->mask);
	if (row->access == REGISTER_RO)
		ck_assert_msg(after == before, "%s is %lx, was %lx", row->name, after, before);
}

void register_page_try_rows(const struct mmio_region *region, const struct register_row *rows)
{
	for (const struct register_row *row = rows; row->name != NULL; row++)
		for (uint32_t i = 0; i < row->count; i++)
			try_register(region, row, row->offset + (uint64_t)i * row->stride);
}

void register_page_try_reserved(const struct mmio_region *region, const struct register_row *rows)
{
	uint32_t index, reserved = 0;
	for (uint64_t at = 0; at < region->size; at += 4) {
		if (register_find(rows, at, &index) != NULL)
			continue;
		region->ops->write(region->owner, at, 4, UINT32_MAX);
		ck_assert_msg(region->ops->read(region->owner, at, 4) == 0, "%lx is something", at);
		reserved++;
	}
	ck_assert_uint_gt(reserved, 1000);
}
