/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of docs/ that list registers, made from the tables that the models decode by. */
#ifndef HWQ_TESTS_KIT_REGISTER_PAGE_H
#define HWQ_TESTS_KIT_REGISTER_PAGE_H

#include <glib.h>

#include "emu/bus.h"

/* A table of the rows; of a row's section only the number is shown. */
void register_page_table(GString *text, const struct register_row *rows);
/* docs/NAME is PAGE, which is freed. With HWQ_WRITE_DOCS set it is written first. */
void register_page_compare(const char *name, GString *page);

#endif
