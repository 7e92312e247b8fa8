/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of registers that models decode by: pages of docs/ that list them, and whether they tell the truth. */
#ifndef HWQ_TESTS_KIT_REGISTER_PAGE_H
#define HWQ_TESTS_KIT_REGISTER_PAGE_H

#include <glib.h>

#include "emu/bus.h"

/* A table of the rows; of a row's section only the number is shown. */
void register_page_table(GString *text, const struct register_row *rows);
/* docs/NAME is PAGE, which is freed. With HWQ_WRITE_DOCS set it is written first. */
void register_page_compare(const char *name, GString *page);

/*
 * Each register at REGION has no bit that its row has not, and a read-only one keeps its value; what no row
 * covers reads as zero and ignores writes.
 */
void register_page_try_rows(const struct mmio_region *region, const struct register_row *rows);
void register_page_try_reserved(const struct mmio_region *region, const struct register_row *rows);

#endif
