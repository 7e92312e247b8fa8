/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses. Every address space is a C type of its own, so that one can't be passed for another.
 *
 * Concepts
 *   pa    host-physical address (Arm: PA, AMD: SPA)
 *   gpa   guest-physical address, the input of stage 2
 *   iova  address that a device or an IOAS sees
 *   va    address in one process
 *   pfn   number of a host-physical page: pa >> PAGE_SHIFT
 */
#ifndef HWQ_EMU_ADDR_H
#define HWQ_EMU_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT   12
#define PAGE_SIZE    4096ULL
#define HPAGE_SIZE   (2ULL << 20)
#define HPAGE_FRAMES (HPAGE_SIZE / PAGE_SIZE)

struct pa {
	uint64_t value;
};
struct gpa {
	uint64_t value;
};
struct iova {
	uint64_t value;
};
struct va {
	uint64_t value;
};

static inline struct pa pa_of(uint64_t value)
{
	return (struct pa){value};
}

static inline struct pa pa_of_pfn(uint64_t pfn)
{
	return (struct pa){pfn << PAGE_SHIFT};
}

static inline uint64_t pa_pfn(struct pa pa)
{
	return pa.value >> PAGE_SHIFT;
}

static inline struct gpa gpa_of(uint64_t value)
{
	return (struct gpa){value};
}

static inline struct iova iova_of(uint64_t value)
{
	return (struct iova){value};
}

static inline struct va va_of(uint64_t value)
{
	return (struct va){value};
}

/* Offset inside its page, bytes. */
static inline uint64_t page_offset(uint64_t address)
{
	return address & (PAGE_SIZE - 1);
}

/* ALIGN must be a power of two; the caller rules out overflow. */
static inline uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

static inline uint64_t align_down(uint64_t value, uint64_t align)
{
	return value & ~(align - 1);
}

/* True, and *SUM unset, where A + B does not fit 64 bits. */
static inline bool add_overflows(uint64_t a, uint64_t b, uint64_t *sum)
{
	return __builtin_add_overflow(a, b, sum);
}

#endif
