/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical memory of one machine: who holds which frame, and what it contains.
 *
 * Concepts
 *   frame       a host-physical page of 4 KiB; kept as extents, never as an array by frame
 *   owner       who the frame was handed out to: a process, a file, a table of a driver. A number;
 *               0 is nobody
 *   generation  1 at the first hand-out, then another at each: the same frame with another
 *               generation is another page
 *   reference   one holder of the frame: a page of a process or of a file
 *   pin         a long-term pin (FOLL_LONGTERM); what MD_CHECK_REFS counts
 *   free        no references and no pins. The bytes stay until the frame is handed out again
 *   reuse       which free frame is handed out next: LIFO by default, like a per-CPU free list
 *   outside     a frame whose bytes lie in a live program (hwq exec), not here
 *   stated      a byte that the emulation knows: some recorded or emulated store put it there.
 *               A replay can't know the stores of the recorded program
 */
#ifndef HWQ_EMU_MEMORY_H
#define HWQ_EMU_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "emu/addr.h"
#include "emu/hash.h"
#include "emu/spans.h"

enum reuse_order {
	REUSE_LIFO,
	REUSE_FIFO,
	REUSE_RANDOM, /* seeded */
};

#define OWNER_NOBODY   0U
#define RAM_RANGES_MAX 8U
#define FRAME_HUGE     1U         /* part of a 2 MiB page */
#define FRAME_PINS_MAX (1U << 21) /* 2^31 references / 1024 a pin: the kernel then refuses */

struct frame_state {
	uint32_t references;
	uint32_t pins;
	uint32_t owner;
	uint32_t generation;
	uint32_t flags;
};

struct free_run {
	TAILQ_ENTRY(free_run) link;
	uint64_t pfn;
	uint64_t count;
};

TAILQ_HEAD(free_runs, free_run);

struct machine;

#define PAGE_REPEAT 16U

struct page_data {
	uint64_t pfn; /* + 1, so that 0 is an empty slot */
	uint8_t *bytes;
	uint64_t *stated; /* a bit a byte */
	uint32_t writer;
	bool repeats; /* BYTES are PAGE_REPEAT, again and again: a table that was filled with one entry */
};

/* Where the bytes of a live program's frames are. False: the frame is not outside. */
struct memory_outside {
	bool (*read)(void *context, struct pa pa, void *to, uint64_t size);
	bool (*write)(void *context, struct pa pa, const void *from, uint64_t size);
	void *context;
};

struct memory {
	struct arena *arena;
	struct machine *machine; /* told what becomes of frames; NULL: nobody */
	struct spans frames;     /* pfn -> generation; tag: references, pins, owner, flags */
	struct free_runs free;
	enum reuse_order order;
	uint64_t base_pfn;    /* of RAM that is handed out */
	uint64_t frame_count; /* of it */
	struct {
		uint64_t pfn;
		uint64_t count;
	} ranges[RAM_RANGES_MAX]; /* more RAM, never handed out: images */
	uint32_t range_count;
	uint64_t next;       /* frames at or above were never handed out */
	uint64_t free_count; /* in the free runs */
	uint32_t generation;
	uint64_t random;        /* state of REUSE_RANDOM */
	struct page_data *data; /* open-addressing table by pfn */
	uint32_t data_count;
	uint32_t data_capacity;
	struct page_data *recent;
	bool track_stated;
	const struct memory_outside *outside; /* NULL: all bytes are here */
};

void memory_init(struct memory *memory, struct arena *arena, uint64_t base_pfn,
		 uint64_t frame_count, enum reuse_order order);

/*
 * Hands out up to COUNT consecutive frames to OWNER, zeroed, with one reference each; ALIGN is in
 * frames. Returns how many (at least MIN), or 0 when that can't be met.
 */
uint64_t memory_alloc(struct memory *memory, uint32_t owner, uint64_t count, uint64_t min,
		      uint64_t align, uint32_t flags, uint64_t *pfn);
/* More RAM, that OWNER holds for good. False: too many ranges, or it is there already. */
bool memory_add_ram(struct memory *memory, uint64_t pfn, uint64_t count, uint32_t owner);
/* One more or one fewer holder of each of COUNT frames. */
void memory_get(struct memory *memory, uint64_t pfn, uint64_t count);
void memory_put(struct memory *memory, uint64_t pfn, uint64_t count);
/* False, and nothing done, where a frame has FRAME_PINS_MAX pins already. */
bool memory_pin(struct memory *memory, uint64_t pfn, uint64_t count);
void memory_unpin(struct memory *memory, uint64_t pfn, uint64_t count);
/* State of PFN; *RUN (if not NULL) is how many frames from it on share that state. */
struct frame_state memory_frame(struct memory *memory, uint64_t pfn, uint64_t *run);
bool memory_is_free(struct memory *memory, uint64_t pfn);
bool memory_is_ram(const struct memory *memory, struct pa pa);

/* Any length, any alignment. Never-written bytes read as zero. */
void memory_read(struct memory *memory, struct pa pa, void *to, uint64_t size);
/*
 * The bytes of a page that was ever written; NULL: they are all zero, or not at hand. Until the
 * next write.
 */
uint8_t *memory_page(struct memory *memory, uint64_t pfn);
/* WRITER is recorded as the source of the page's bytes. */
void memory_write(struct memory *memory, struct pa pa, const void *from, uint64_t size,
		  uint32_t writer);
void memory_copy_page(struct memory *memory, uint64_t to_pfn, uint64_t from_pfn);
/* Who wrote to the page last; its owner when nobody did. */
uint32_t memory_writer(struct memory *memory, uint64_t pfn);
/* With track_stated: whether all SIZE bytes, inside one page, are stated. */
bool memory_stated(struct memory *memory, struct pa pa, uint64_t size);
/* The byte is no longer known. */
void memory_unstate(struct memory *memory, uint64_t pfn);

void memory_hash(struct memory *memory, struct hash *hash);

#endif
