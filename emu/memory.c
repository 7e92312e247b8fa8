// SPDX-License-Identifier: Apache-2.0
#include "emu/memory.h"

#include <assert.h>
#include <string.h>

#include "emu/arena.h"
#include "emu/machine.h"

#define STATED_SIZE (PAGE_SIZE / 8)

/* tag of a frame span: references 0..15, pins 16..39, owner 40..59, flags 60..63 */
static uint64_t pack(const struct frame_state *state)
{
	return (uint64_t)state->references | (uint64_t)state->pins << 16 |
	       (uint64_t)state->owner << 40 | (uint64_t)state->flags << 60;
}

static struct frame_state unpack(const struct span *span)
{
	return (struct frame_state){
		.references = span->tag & 0xffff,
		.pins = span->tag >> 16 & 0xffffff,
		.owner = span->tag >> 40 & 0xfffff,
		.flags = (uint32_t)(span->tag >> 60),
		.generation = (uint32_t)span->base,
	};
}

void memory_init(struct memory *memory, struct arena *arena, uint64_t base_pfn,
		 uint64_t frame_count, enum reuse_order order)
{
	memset(memory, 0, sizeof(*memory));
	memory->arena = arena;
	memory->base_pfn = base_pfn;
	memory->frame_count = frame_count;
	memory->next = base_pfn;
	memory->order = order;
	memory->generation = 1;
	memory->random = 1;
	TAILQ_INIT(&memory->free);
	spans_init(&memory->frames, arena, false);
}

/* --- contents ------------------------------------------------------------------------------- */

static uint32_t data_slot(uint64_t pfn, uint32_t capacity)
{
	return (uint32_t)(pfn * 0x9e3779b97f4a7c15ULL >> 32) & (capacity - 1);
}

static struct page_data *data_find(struct memory *memory, uint64_t pfn)
{
	if (memory->recent != NULL && memory->recent->pfn == pfn + 1)
		return memory->recent;
	if (memory->data_capacity == 0)
		return NULL;
	uint32_t slot = data_slot(pfn, memory->data_capacity);
	while (memory->data[slot].pfn != 0) {
		if (memory->data[slot].pfn == pfn + 1)
			return memory->recent = &memory->data[slot];
		slot = (slot + 1) & (memory->data_capacity - 1);
	}
	return NULL;
}

static void copy_repeated(uint8_t *to, const uint8_t *repeat, uint64_t offset, uint64_t size)
{
	for (uint64_t i = 0; i < size; i++)
		to[i] = repeat[(offset + i) % PAGE_REPEAT];
}

/* Folds a page that is PAGE_REPEAT bytes again and again. */
static void fold(struct memory *memory, struct page_data *data)
{
	if (data->stated != NULL ||
	    memcmp(data->bytes, data->bytes + PAGE_REPEAT, PAGE_SIZE - PAGE_REPEAT) != 0)
		return;
	uint8_t *repeat = arena_alloc(memory->arena, PAGE_REPEAT);
	memcpy(repeat, data->bytes, PAGE_REPEAT);
	arena_free(memory->arena, data->bytes, PAGE_SIZE);
	data->bytes = repeat;
	data->repeats = true;
}

static struct page_data *unfolded(struct memory *memory, struct page_data *data)
{
	if (data == NULL || !data->repeats)
		return data;
	uint8_t *repeat = data->bytes;
	data->bytes = arena_alloc(memory->arena, PAGE_SIZE);
	copy_repeated(data->bytes, repeat, 0, PAGE_SIZE);
	arena_free(memory->arena, repeat, PAGE_REPEAT);
	data->repeats = false;
	return data;
}

uint8_t *memory_page(struct memory *memory, uint64_t pfn)
{
	if (memory->outside != NULL)
		return NULL;
	const struct page_data *data = unfolded(memory, data_find(memory, pfn));
	return data != NULL ? data->bytes : NULL;
}

static void data_rehash(struct memory *memory, uint32_t capacity)
{
	struct page_data *old = memory->data;
	uint32_t old_capacity = memory->data_capacity;
	memory->data = arena_alloc(memory->arena, capacity * sizeof(*old));
	memory->data_capacity = capacity;
	memory->recent = NULL;
	for (uint32_t i = 0; i < old_capacity; i++) {
		if (old[i].pfn == 0)
			continue;
		uint32_t slot = data_slot(old[i].pfn - 1, capacity);
		while (memory->data[slot].pfn != 0)
			slot = (slot + 1) & (capacity - 1);
		memory->data[slot] = old[i];
	}
	arena_free(memory->arena, old, old_capacity * sizeof(*old));
}

static struct page_data *data_get(struct memory *memory, uint64_t pfn)
{
	struct page_data *data = data_find(memory, pfn);
	if (data != NULL)
		return unfolded(memory, data);
	if ((memory->data_count + 1) * 2 > memory->data_capacity)
		data_rehash(memory, memory->data_capacity == 0 ? 16 : memory->data_capacity * 2);
	uint32_t slot = data_slot(pfn, memory->data_capacity);
	while (memory->data[slot].pfn != 0)
		slot = (slot + 1) & (memory->data_capacity - 1);
	data = &memory->data[slot];
	data->pfn = pfn + 1;
	data->bytes = arena_alloc(memory->arena, PAGE_SIZE);
	data->repeats = false;
	data->stated = memory->track_stated ? arena_alloc(memory->arena, STATED_SIZE) : NULL;
	data->writer = memory_frame(memory, pfn, NULL).owner;
	memory->data_count++;
	return memory->recent = data;
}

/* Takes the entry out and closes the gap, so that probing needs no tombstones. */
static void data_drop(struct memory *memory, uint64_t pfn)
{
	struct page_data *data = data_find(memory, pfn);
	if (data == NULL)
		return;
	arena_free(memory->arena, data->bytes, data->repeats ? PAGE_REPEAT : PAGE_SIZE);
	arena_free(memory->arena, data->stated, STATED_SIZE);
	memory->recent = NULL;
	memory->data_count--;
	uint32_t mask = memory->data_capacity - 1;
	uint32_t hole = (uint32_t)(data - memory->data);
	for (uint32_t slot = (hole + 1) & mask; memory->data[slot].pfn != 0;
	     slot = (slot + 1) & mask) {
		uint32_t home = data_slot(memory->data[slot].pfn - 1, memory->data_capacity);
		if (((slot - home) & mask) < ((slot - hole) & mask))
			continue;
		memory->data[hole] = memory->data[slot];
		hole = slot;
	}
	memory->data[hole].pfn = 0;
}

void memory_read(struct memory *memory, struct pa pa, void *to, uint64_t size)
{
	uint8_t *out = to;
	while (size > 0) {
		uint64_t offset = page_offset(pa.value);
		uint64_t n = PAGE_SIZE - offset < size ? PAGE_SIZE - offset : size;
		struct page_data *data = data_find(memory, pa_pfn(pa));
		if (memory->outside != NULL &&
		    memory->outside->read(memory->outside->context, pa, out, n))
			; /* done */
		else if (data == NULL)
			memset(out, 0, n);
		else if (data->repeats)
			copy_repeated(out, data->bytes, offset, n);
		else
			memcpy(out, data->bytes + offset, n);
		out += n, pa.value += n, size -= n;
	}
}

static void set_bits(uint64_t *bits, uint64_t first, uint64_t count)
{
	while (count > 0) {
		uint64_t shift = first % 64;
		uint64_t n = 64 - shift < count ? 64 - shift : count;
		uint64_t mask = n == 64 ? UINT64_MAX : ((1ULL << n) - 1) << shift;
		bits[first / 64] |= mask;
		first += n, count -= n;
	}
}

static bool bits_set(const uint64_t *bits, uint64_t first, uint64_t count)
{
	while (count > 0) {
		uint64_t shift = first % 64;
		uint64_t n = 64 - shift < count ? 64 - shift : count;
		uint64_t mask = n == 64 ? UINT64_MAX : ((1ULL << n) - 1) << shift;
		if ((bits[first / 64] & mask) != mask)
			return false;
		first += n, count -= n;
	}
	return true;
}

/* Inside one page. */
static void write_here(struct memory *memory, struct pa pa, const void *from, uint64_t size,
		       uint32_t writer)
{
	uint64_t offset = page_offset(pa.value);
	struct page_data *data = data_get(memory, pa_pfn(pa));
	memcpy(data->bytes + offset, from, size);
	data->writer = writer;
	if (data->stated != NULL)
		set_bits(data->stated, offset, size);
	if (offset >= PAGE_SIZE - PAGE_REPEAT)
		fold(memory, data);
}

void memory_write(struct memory *memory, struct pa pa, const void *from, uint64_t size,
		  uint32_t writer)
{
	const uint8_t *in = from;
	while (size > 0) {
		uint64_t offset = page_offset(pa.value);
		uint64_t n = PAGE_SIZE - offset < size ? PAGE_SIZE - offset : size;
		if (memory->outside == NULL ||
		    !memory->outside->write(memory->outside->context, pa, in, n))
			write_here(memory, pa, in, n, writer);
		in += n, pa.value += n, size -= n;
	}
}

void memory_copy_page(struct memory *memory, uint64_t to_pfn, uint64_t from_pfn)
{
	if (memory->outside != NULL)
		return; /* the program's kernel copied it */
	struct page_data *from = unfolded(memory, data_find(memory, from_pfn));
	if (from == NULL) {
		data_drop(memory, to_pfn);
		return;
	}
	uint8_t *bytes = from->bytes;
	uint64_t *stated = from->stated;
	uint32_t writer = from->writer;
	struct page_data *to = data_get(memory, to_pfn);
	assert(to->bytes != NULL && (stated == NULL) == (to->stated == NULL));
	memcpy(to->bytes, bytes, PAGE_SIZE);
	if (stated != NULL)
		memcpy(to->stated, stated, STATED_SIZE);
	to->writer = writer;
}

uint32_t memory_writer(struct memory *memory, uint64_t pfn)
{
	struct page_data *data = data_find(memory, pfn);
	return data != NULL ? data->writer : memory_frame(memory, pfn, NULL).owner;
}

bool memory_stated(struct memory *memory, struct pa pa, uint64_t size)
{
	if (!memory->track_stated)
		return true;
	struct page_data *data = data_find(memory, pa_pfn(pa));
	return data != NULL && bits_set(data->stated, page_offset(pa.value), size);
}

void memory_unstate(struct memory *memory, uint64_t pfn)
{
	struct page_data *data = data_find(memory, pfn);
	if (data != NULL && data->stated != NULL)
		memset(data->stated, 0, STATED_SIZE);
}

static void note_frames(struct memory *memory, enum note_kind kind, uint64_t pfn, uint64_t count,
			uint32_t owner)
{
	if (memory->machine == NULL)
		return;
	machine_note(memory->machine,
		     &(struct note){.kind = kind, .who = owner, .first = pfn, .count = count});
}

/* --- frames --------------------------------------------------------------------------------- */

struct frame_state memory_frame(struct memory *memory, uint64_t pfn, uint64_t *run)
{
	struct span *span = spans_from(&memory->frames, pfn);
	if (span != NULL && span->first <= pfn) {
		if (run != NULL)
			*run = span->last - pfn + 1;
		return unpack(span);
	}
	if (run != NULL)
		*run = span != NULL ? span->first - pfn : UINT64_MAX - pfn;
	return (struct frame_state){0};
}

bool memory_is_free(struct memory *memory, uint64_t pfn)
{
	struct frame_state state = memory_frame(memory, pfn, NULL);
	return state.references == 0 && state.pins == 0;
}

bool memory_is_ram(const struct memory *memory, struct pa pa)
{
	uint64_t pfn = pa_pfn(pa);
	if (pfn >= memory->base_pfn && pfn - memory->base_pfn < memory->frame_count)
		return true;
	for (uint32_t i = 0; i < memory->range_count; i++)
		if (pfn - memory->ranges[i].pfn < memory->ranges[i].count)
			return true;
	return false;
}

bool memory_add_ram(struct memory *memory, uint64_t pfn, uint64_t count, uint32_t owner)
{
	uint64_t end = memory->base_pfn + memory->frame_count;
	if (memory->range_count == RAM_RANGES_MAX || (pfn < end && pfn + count > memory->base_pfn))
		return false;
	for (uint32_t i = 0; i < memory->range_count; i++)
		if (pfn < memory->ranges[i].pfn + memory->ranges[i].count &&
		    pfn + count > memory->ranges[i].pfn)
			return false;
	memory->ranges[memory->range_count].pfn = pfn;
	memory->ranges[memory->range_count++].count = count;
	struct frame_state state = {.references = 1, .owner = owner, .generation = 1};
	spans_set(&memory->frames, pfn, pfn + count - 1, state.generation, pack(&state));
	return true;
}

/* Takes [pfn, pfn + count) out of a free run, or returns false. */
static bool take_from_run(struct memory *memory, struct free_run *run, uint64_t pfn, uint64_t count)
{
	uint64_t end = run->pfn + run->count;
	if (pfn < run->pfn || pfn + count > end)
		return false;
	uint64_t head = pfn - run->pfn;
	uint64_t tail = end - (pfn + count);
	memory->free_count -= count;
	if (head > 0 && tail > 0) {
		struct free_run *rest = arena_new(memory->arena, struct free_run);
		rest->pfn = pfn + count;
		rest->count = tail;
		TAILQ_INSERT_AFTER(&memory->free, run, rest, link);
		run->count = head;
	} else if (head > 0) {
		run->count = head;
	} else if (tail > 0) {
		run->pfn = pfn + count;
		run->count = tail;
	} else {
		TAILQ_REMOVE(&memory->free, run, link);
		arena_delete(memory->arena, run);
	}
	return true;
}

/* xorshift64: order of reuse needs no better. */
static uint64_t next_random(struct memory *memory)
{
	memory->random ^= memory->random << 13;
	memory->random ^= memory->random >> 7;
	memory->random ^= memory->random << 17;
	return memory->random;
}

/* Brings a run that chance picks to the front. */
static void shuffle_runs(struct memory *memory)
{
	struct free_run *run;
	uint64_t count = 0;
	TAILQ_FOREACH (run, &memory->free, link)
		count++;
	if (count < 2)
		return;
	uint64_t skip = next_random(memory) % count;
	run = TAILQ_FIRST(&memory->free);
	while (skip-- > 0)
		run = TAILQ_NEXT(run, link);
	TAILQ_REMOVE(&memory->free, run, link);
	TAILQ_INSERT_HEAD(&memory->free, run, link);
}

/* Freed frames first, the most recent at its end as single frees would have left it. */
static uint64_t take_freed(struct memory *memory, uint64_t count, uint64_t min, uint64_t align,
			   uint64_t *pfn)
{
	struct free_run *run;
	if (memory->order == REUSE_RANDOM)
		shuffle_runs(memory);
	TAILQ_FOREACH (run, &memory->free, link) {
		uint64_t n = count < run->count ? count : run->count;
		if (n < min)
			continue;
		uint64_t start = align_down(run->pfn + run->count - n, align);
		if (start < run->pfn) {
			/* From the first aligned frame to the end, if that is enough. */
			uint64_t end = run->pfn + run->count;
			start = align_up(run->pfn, align);
			if (start >= end || end - start < min)
				continue;
			n = end - start;
		}
		if (!take_from_run(memory, run, start, n))
			continue;
		*pfn = start;
		return n;
	}
	return 0;
}

static void put_run(struct memory *memory, uint64_t pfn, uint64_t count)
{
	struct free_run *run = arena_new(memory->arena, struct free_run);
	run->pfn = pfn;
	run->count = count;
	if (memory->order != REUSE_FIFO)
		TAILQ_INSERT_HEAD(&memory->free, run, link);
	else
		TAILQ_INSERT_TAIL(&memory->free, run, link);
	memory->free_count += count;
}

static uint64_t take_new(struct memory *memory, uint64_t count, uint64_t min, uint64_t align,
			 uint64_t *pfn)
{
	uint64_t end = memory->base_pfn + memory->frame_count;
	uint64_t start = align_up(memory->next, align);
	if (start >= end || end - start < min)
		return 0;
	uint64_t n = count < end - start ? count : end - start;
	if (start > memory->next)
		put_run(memory, memory->next, start - memory->next);
	memory->next = start + n;
	*pfn = start;
	return n;
}

uint64_t memory_alloc(struct memory *memory, uint32_t owner, uint64_t count, uint64_t min,
		      uint64_t align, uint32_t flags, uint64_t *pfn)
{
	assert(count >= min && min > 0);
	uint64_t got = take_freed(memory, count, min, align, pfn);
	/* Frames that were never used share generation 1, so that their extents can merge. */
	uint32_t generation = got > 0 ? ++memory->generation : 1;
	if (got == 0)
		got = take_new(memory, count, min, align, pfn);
	if (got == 0)
		return 0;
	/* User pages are handed out zeroed. */
	if (memory->data_count > 0 && got <= memory->data_capacity) {
		for (uint64_t i = 0; i < got; i++)
			data_drop(memory, *pfn + i);
	} else if (memory->data_count > 0) {
		for (uint32_t i = 0; i < memory->data_capacity; i++)
			while (memory->data[i].pfn != 0 && memory->data[i].pfn - 1 >= *pfn &&
			       memory->data[i].pfn - 1 < *pfn + got)
				data_drop(memory, memory->data[i].pfn - 1);
	}
	struct frame_state state = {
		.references = 1, .owner = owner, .generation = generation, .flags = flags};
	spans_set(&memory->frames, *pfn, *pfn + got - 1, state.generation, pack(&state));
	note_frames(memory, NOTE_FRAMES_TAKEN, *pfn, got, owner);
	return got;
}

/* Adds to references and pins of each frame; those that reach 0 and 0 become free. */
static void adjust(struct memory *memory, uint64_t pfn, uint64_t count, int references, int pins)
{
	uint64_t last = pfn + count - 1;
	spans_split(&memory->frames, pfn);
	spans_split(&memory->frames, last + 1);
	uint64_t at = pfn;
	while (at <= last) {
		struct span *span = spans_find(&memory->frames, at);
		assert(span != NULL && "a frame that nobody holds");
		struct frame_state state = unpack(span);
		uint64_t next = span->last + 1;
		state.references = (uint32_t)((int)state.references + references);
		state.pins = (uint32_t)((int)state.pins + pins);
		if (state.references == 0 && state.pins == 0) {
			uint64_t first = span->first;
			spans_clear(&memory->frames, first, next - 1);
			put_run(memory, first, next - first);
			note_frames(memory, NOTE_FRAMES_FREED, first, next - first, state.owner);
		} else {
			span->tag = pack(&state);
		}
		at = next;
	}
	spans_merge(&memory->frames, pfn, last);
}

void memory_get(struct memory *memory, uint64_t pfn, uint64_t count)
{
	adjust(memory, pfn, count, 1, 0);
}

void memory_put(struct memory *memory, uint64_t pfn, uint64_t count)
{
	adjust(memory, pfn, count, -1, 0);
}

bool memory_pin(struct memory *memory, uint64_t pfn, uint64_t count)
{
	for (uint64_t at = pfn, run = 0; at < pfn + count; at += run)
		if (memory_frame(memory, at, &run).pins >= FRAME_PINS_MAX)
			return false;
	adjust(memory, pfn, count, 0, 1);
	return true;
}

void memory_unpin(struct memory *memory, uint64_t pfn, uint64_t count)
{
	adjust(memory, pfn, count, 0, -1);
}

static void hash_page(struct hash *hash, const struct page_data *data)
{
	uint8_t whole[PAGE_SIZE];
	if (data->repeats)
		copy_repeated(whole, data->bytes, 0, PAGE_SIZE);
	hash_bytes(hash, data->repeats ? whole : data->bytes, PAGE_SIZE);
}

void memory_hash(struct memory *memory, struct hash *hash)
{
	struct span *span;
	SPANS_FOREACH (span, &memory->frames) {
		hash_u64(hash, span->first);
		hash_u64(hash, span->last);
		hash_u64(hash, span->tag);
	}
	struct free_run *run;
	TAILQ_FOREACH (run, &memory->free, link) {
		hash_u64(hash, run->pfn);
		hash_u64(hash, run->count);
	}
	/* The table's order depends on its history: add up instead. */
	uint64_t contents = 0;
	for (uint32_t i = 0; i < memory->data_capacity; i++) {
		if (memory->data[i].pfn == 0)
			continue;
		struct hash page;
		hash_init(&page);
		hash_u64(&page, memory->data[i].pfn);
		hash_page(&page, &memory->data[i]);
		contents += page.value;
	}
	hash_u64(hash, contents);
	hash_u64(hash, memory->random);
}
