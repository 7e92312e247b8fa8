/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HWQ_EMU_TRACE_ERRNO_NAMES_H
#define HWQ_EMU_TRACE_ERRNO_NAMES_H

#include <stddef.h>

/*
 * Names and numbers of Linux's errors (the generic numbers, as on x86 and Arm), whatever the host
 * calls them. Holds 1..133 and the kernel's own 512.., which leak to user space now and then.
 */

/* The number of a name of length bytes, aliases (EWOULDBLOCK) included; 0 if there is none. */
int errno_from_name(const char *name, size_t length);

/* The name of a positive number, or NULL if it has none. */
const char *errno_name(int number);

#endif
