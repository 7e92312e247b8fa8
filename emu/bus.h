/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bus: memory-mapped registers by physical address.
 *
 * Concepts
 *   region    the registers of one engine, [base, base + size)
 *   register  one row of its table: where, how wide, what software may do with it
 *   access    4 or 8 bytes, naturally aligned; anything else, and what no row covers, reads as
 *             zero and ignores writes
 *
 *   bus fault  what an experiment injects: a write to one register is lost, or comes late
 *
 * Drivers and guests reach engines only here, as in life.
 */
#ifndef HWQ_EMU_BUS_H
#define HWQ_EMU_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/addr.h"
#include "emu/clock.h"

#define BUS_REGIONS_MAX 32U
#define BUS_FAULTS_MAX  8U

struct machine;

enum register_access {
	REGISTER_RO,
	REGISTER_RW,
};

/* COUNT registers, STRIDE bytes apart. */
struct register_row {
	uint32_t offset; /* bytes from the region's base */
	uint32_t count;
	uint32_t stride; /* bytes */
	uint8_t width;   /* bytes: 4 or 8; an 8-byte one takes halves too */
	uint8_t access;  /* enum register_access */
	uint64_t reset;
	uint64_t mask; /* bits that exist */
	const char *name;
	const char *section; /* of the sheet */
};

/* The row that covers OFFSET, and which of its registers; NULL: none. Rows are in any order. */
const struct register_row *register_find(const struct register_row *rows, uint64_t offset,
					 uint32_t *index);

/* The register NAME: `CR0`, `IDR5` (the row IDR of six); false: there is none. */
bool register_by_name(const struct register_row *rows, const char *name, uint32_t *offset,
		      unsigned *width);

struct mmio_ops {
	uint64_t (*read)(void *owner, uint64_t offset, unsigned width);
	void (*write)(void *owner, uint64_t offset, unsigned width, uint64_t value);
};

struct mmio_region {
	struct pa base;
	uint64_t size;
	const struct mmio_ops *ops;
	void *owner;
	const char *name;
};

/* The NTH write (from 1) to the register at PA, or every one (0). */
struct bus_fault {
	struct pa pa;
	uint64_t nth;
	uint64_t late_ps; /* 0: it is lost */
	uint64_t seen;
	/* The write under way; another to the same register takes its place, as a posted one could. */
	struct machine *machine;
	struct event arrival;
	unsigned width;
	uint64_t value;
};

struct bus {
	struct mmio_region regions[BUS_REGIONS_MAX];
	uint32_t count;
	struct bus_fault faults[BUS_FAULTS_MAX];
	uint32_t fault_count;
};

void bus_add(struct bus *bus, struct pa base, uint64_t size, const struct mmio_ops *ops,
	     void *owner, const char *name);
/* The region of this name, or NULL. */
struct mmio_region *bus_region(struct bus *bus, const char *name);
/* The region that holds PA, or NULL. */
struct mmio_region *bus_find(struct bus *bus, struct pa pa);
uint64_t bus_read(struct bus *bus, struct pa pa, unsigned width);
void bus_write(struct bus *bus, struct pa pa, unsigned width, uint64_t value);
/* False: too many faults. LATE_PS 0: lost. */
bool bus_inject(struct machine *machine, struct pa pa, uint64_t nth, uint64_t late_ps);

#endif
