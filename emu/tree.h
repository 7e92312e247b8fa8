/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive red-black trees of libbsd, generated static for one source file. */
#ifndef HWQ_EMU_TREE_H
#define HWQ_EMU_TREE_H

#include <bsd/sys/tree.h>
#include <stddef.h>

#define TREE_GENERATE(name, type, field, compare) \
	RB_GENERATE_INTERNAL(name, type, field, compare, __attribute__((unused)) static)

#endif
