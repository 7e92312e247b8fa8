// SPDX-License-Identifier: Apache-2.0
#include "emu/arena.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define poison(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define unpoison(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define poison(p, n)   ((void)(p), (void)(n))
#define unpoison(p, n) ((void)(p), (void)(n))
#endif

#define GRAIN         16UL
#define SMALL_MAX     1024UL /* up to here: classes GRAIN apart; above: four a power of two */
#define SMALL_BITS    10U
#define LARGE_BITS    38U /* no block is larger than 2^38 bytes */
#define SMALL_CLASSES (SMALL_MAX / GRAIN)
#define CLASSES       (SMALL_CLASSES + 4 * (LARGE_BITS - SMALL_BITS))
#define STACKS_SIZE   (ARENA_STACK_SIZE * ARENA_STACKS)

struct free_block {
	struct free_block *next;
};

/* Lies at the arena's start and is saved with it. */
struct arena {
	size_t limit; /* of the heap, bytes, this header included */
	size_t brk;   /* heap in use, bytes from the arena's start */
	size_t live;
	arena_exhausted_fn *exhausted;
	void *context;
	void *root;
	struct free_block *free[CLASSES];
	uint32_t stack_live[ARENA_STACKS]; /* live bytes at the slot's top; 0: slot free or empty */
	bool stack_taken[ARENA_STACKS];
	uint32_t stack_top; /* slots at or above this one were never taken */
	/* The largest brk and stack_top before the last restore, which may have lowered them. */
	size_t old_brk;
	uint32_t old_stack_top;
};

#define HEAP_START ((sizeof(struct arena) + GRAIN - 1) & ~(GRAIN - 1))

struct arena_snapshot {
	size_t capacity;
	size_t heap;   /* bytes of heap, at the start of data */
	size_t stacks; /* bytes of live stacks, behind them, in slot order */
	unsigned char *data;
};

static unsigned char *stack_slot(const struct arena *arena, uint32_t slot)
{
	return (unsigned char *)(uintptr_t)arena + arena->limit + (size_t)slot * ARENA_STACK_SIZE;
}

static size_t brk_reached(const struct arena *arena)
{
	return arena->brk > arena->old_brk ? arena->brk : arena->old_brk;
}

static uint32_t stacks_reached(const struct arena *arena)
{
	return arena->stack_top > arena->old_stack_top ? arena->stack_top : arena->old_stack_top;
}

static unsigned class_of(size_t size, size_t *rounded)
{
	if (size <= SMALL_MAX) {
		unsigned class = size == 0 ? 0 : (unsigned)((size - 1) / GRAIN);
		*rounded = (class + 1) * GRAIN;
		return class;
	}
	unsigned bits = 63 - (unsigned)__builtin_clzl(size - 1);
	unsigned quarter = (unsigned)((size - 1) >> (bits - 2) & 3);
	assert(bits < LARGE_BITS);
	*rounded = (size_t)(5 + quarter) << (bits - 2);
	return (unsigned)SMALL_CLASSES + 4 * (bits - SMALL_BITS) + quarter;
}

#ifdef ARENA_ASAN
static size_t size_of(unsigned class)
{
	unsigned above = class - (unsigned)SMALL_CLASSES;
	return class < SMALL_CLASSES ? (class + 1) * GRAIN
				     : (size_t)(5 + above % 4) << (above / 4 + SMALL_BITS - 2);
}
#endif

struct arena *arena_create(size_t limit, arena_exhausted_fn *exhausted, void *context)
{
	limit = (limit + 4095) & ~4095UL;
	/* NORESERVE: the limit is address space; memory comes with the first touch. */
	void *base = mmap(NULL, limit + STACKS_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return NULL;
	struct arena *arena = base;
	arena->limit = limit;
	arena->brk = HEAP_START;
	arena->exhausted = exhausted;
	arena->context = context;
	return arena;
}

void arena_destroy(struct arena *arena)
{
	size_t size = arena->limit + STACKS_SIZE;
	/* Only what was used can be poisoned; the whole is too large to go through. */
	unpoison(stack_slot(arena, 0), (size_t)stacks_reached(arena) * ARENA_STACK_SIZE);
	unpoison(arena, brk_reached(arena));
	munmap(arena, size);
}

void arena_clear(struct arena *arena)
{
	struct arena cleared = {
		.limit = arena->limit,
		.brk = HEAP_START,
		.exhausted = arena->exhausted,
		.context = arena->context,
		.old_brk = brk_reached(arena),
		.old_stack_top = stacks_reached(arena),
	};
	unpoison(stack_slot(arena, 0), (size_t)cleared.old_stack_top * ARENA_STACK_SIZE);
	*arena = cleared;
	poison((unsigned char *)arena + HEAP_START, cleared.old_brk - HEAP_START);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size_t rounded;
	unsigned class = class_of(size, &rounded);
	struct free_block *block = arena->free[class];
	if (block != NULL) {
		unpoison(block, rounded);
		arena->free[class] = block->next;
	} else {
		if (rounded > arena->limit - arena->brk) {
			arena->exhausted(arena->context);
			abort();
		}
		block = (struct free_block *)((unsigned char *)arena + arena->brk);
		arena->brk += rounded;
		unpoison(block, rounded);
	}
	arena->live += rounded;
	memset(block, 0, size);
	poison((unsigned char *)block + size, rounded - size);
	return block;
}

void arena_free(struct arena *arena, void *block, size_t size)
{
	if (block == NULL)
		return;
	size_t rounded;
	unsigned class = class_of(size, &rounded);
	struct free_block *free_block = block;
	if (size < sizeof(*free_block))
		unpoison(block, GRAIN);
	free_block->next = arena->free[class];
	arena->free[class] = free_block;
	arena->live -= rounded;
	poison(block, rounded);
}

void *arena_grow(struct arena *arena, void *block, size_t old_size, size_t new_size)
{
	assert(new_size >= old_size);
	void *grown = arena_alloc(arena, new_size);
	if (old_size != 0)
		memcpy(grown, block, old_size);
	arena_free(arena, block, old_size);
	return grown;
}

void arena_set_root(struct arena *arena, void *root)
{
	arena->root = root;
}

void *arena_root(const struct arena *arena)
{
	return arena->root;
}

void *arena_stack_get(struct arena *arena)
{
	for (uint32_t slot = 0; slot < ARENA_STACKS; slot++) {
		if (arena->stack_taken[slot])
			continue;
		arena->stack_taken[slot] = true;
		if (slot >= arena->stack_top)
			arena->stack_top = slot + 1;
		return stack_slot(arena, slot);
	}
	return NULL;
}

static uint32_t slot_of(const struct arena *arena, const void *stack)
{
	size_t offset = (size_t)((const unsigned char *)stack - stack_slot(arena, 0));
	assert(offset % ARENA_STACK_SIZE == 0 && offset < STACKS_SIZE);
	return (uint32_t)(offset / ARENA_STACK_SIZE);
}

void arena_stack_put(struct arena *arena, void *stack)
{
	uint32_t slot = slot_of(arena, stack);
	assert(arena->stack_taken[slot]);
	arena->stack_taken[slot] = false;
	arena->stack_live[slot] = 0;
	unpoison(stack, ARENA_STACK_SIZE);
}

void arena_stack_live(struct arena *arena, void *stack, void *live)
{
	unsigned char *end = (unsigned char *)stack + ARENA_STACK_SIZE;
	assert((unsigned char *)live >= (unsigned char *)stack && (unsigned char *)live <= end);
	arena->stack_live[slot_of(arena, stack)] = (uint32_t)(end - (unsigned char *)live);
}

static size_t stacks_used(const struct arena *arena)
{
	size_t used = 0;
	for (uint32_t slot = 0; slot < arena->stack_top; slot++)
		used += arena->stack_live[slot];
	return used;
}

/* Heap blocks and stack frames may be poisoned; a snapshot copies them whatever they are. */
__attribute__((no_sanitize("address"))) static void copy_raw(void *to, const void *from, size_t n)
{
#ifdef ARENA_ASAN
	/* memcpy() is intercepted and would complain; nothing here needs its speed. */
	unsigned char *t = to;
	const unsigned char *f = from;
	while (n >= 8) {
		*(uint64_t *)t = *(const uint64_t *)f;
		t += 8, f += 8, n -= 8;
	}
	while (n-- > 0)
		*t++ = *f++;
#else
	memcpy(to, from, n);
#endif
}

struct arena_snapshot *arena_save(const struct arena *arena, struct arena_snapshot *reuse)
{
	struct arena_snapshot *snapshot = reuse;
	if (snapshot == NULL) {
		snapshot = calloc(1, sizeof(*snapshot));
		if (snapshot == NULL)
			abort();
	}
	snapshot->heap = arena->brk;
	snapshot->stacks = stacks_used(arena);
	size_t total = snapshot->heap + snapshot->stacks;
	if (snapshot->capacity < total) {
		free(snapshot->data);
		snapshot->data = malloc(total);
		if (snapshot->data == NULL)
			abort();
		snapshot->capacity = total;
	}
	copy_raw(snapshot->data, arena, snapshot->heap);
	unsigned char *to = snapshot->data + snapshot->heap;
	for (uint32_t slot = 0; slot < arena->stack_top; slot++) {
		size_t live = arena->stack_live[slot];
		copy_raw(to, stack_slot(arena, slot) + ARENA_STACK_SIZE - live, live);
		to += live;
	}
	return snapshot;
}

/* The shadow is no part of a snapshot: make it agree with the restored free lists. */
static void repair_shadow(struct arena *arena)
{
#ifdef ARENA_ASAN
	poison((unsigned char *)arena + arena->brk, brk_reached(arena) - arena->brk);
	unpoison(arena, arena->brk);
	for (unsigned class = 0; class < CLASSES; class ++) {
		size_t size = size_of(class);
		struct free_block *block = arena->free[class];
		while (block != NULL) {
			struct free_block *next = block->next;
			poison(block, size);
			block = next;
		}
	}
	unpoison(stack_slot(arena, 0), (size_t)arena->stack_top * ARENA_STACK_SIZE);
#else
	(void)arena;
#endif
}

void arena_restore(struct arena *arena, const struct arena_snapshot *snapshot)
{
	size_t old_brk = brk_reached(arena);
	uint32_t old_stack_top = stacks_reached(arena);
	unpoison(arena, sizeof(*arena));
	copy_raw(arena, snapshot->data, snapshot->heap);
	arena->old_brk = old_brk;
	arena->old_stack_top = old_stack_top;
	const unsigned char *from = snapshot->data + snapshot->heap;
	for (uint32_t slot = 0; slot < arena->stack_top; slot++) {
		size_t live = arena->stack_live[slot];
		copy_raw(stack_slot(arena, slot) + ARENA_STACK_SIZE - live, from, live);
		from += live;
	}
	repair_shadow(arena);
}

void arena_snapshot_free(struct arena_snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	free(snapshot->data);
	free(snapshot);
}

size_t arena_used(const struct arena *arena)
{
	return arena->brk + stacks_used(arena);
}

size_t arena_limit(const struct arena *arena)
{
	return arena->limit;
}

size_t arena_live(const struct arena *arena)
{
	return arena->live;
}
