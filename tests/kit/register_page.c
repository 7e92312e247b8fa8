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
