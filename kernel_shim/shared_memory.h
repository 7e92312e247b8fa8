/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a driver shares with its hardware: tables, queues. The hardware reads it while it changes, so
 * that words are stored whole.
 */
#ifndef HWQ_KERNEL_SHIM_SHARED_MEMORY_H
#define HWQ_KERNEL_SHIM_SHARED_MEMORY_H

#include <stdint.h>

struct machine;

/* Consecutive zeroed frames for BYTES, aligned to their size: the first; 0: no memory. */
uint64_t alloc_shared_frames(struct machine *machine, uint64_t bytes);
/* Of 64 bits, at a physical address. */
uint64_t read_shared_word(struct machine *machine, uint64_t at);
void write_shared_word(struct machine *machine, uint64_t at, uint64_t word);

#endif
