/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena: all state of one machine in one contiguous block of memory.
 *
 * Concepts
 *   arena     one reserved range of addresses; containers, objects and task stacks live in it, so
 *             ordinary pointers between them stay valid after a restore
 *   heap      the used part, allocated in size classes; the allocator's own state lies in it too
 *   stack     a task's stack, a slot of fixed size at the arena's end; only its live part is saved
 *   snapshot  a copy of the heap and the live stacks; to restore is to copy it back in place
 *
 * Nothing has to be written for a new structure to be saved: whatever lies in the arena is. Code
 * whose state is in the arena must not keep pointers to it outside across a restore, nor pointers
 * in it to anything outside that may die.
 */
#ifndef HWQ_EMU_ARENA_H
#define HWQ_EMU_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define ARENA_STACK_SIZE (256UL << 10)
#define ARENA_STACKS     512U

struct arena;
struct arena_snapshot;

/* Called when LIMIT is reached; must not return to the caller of arena_alloc(). */
typedef void arena_exhausted_fn(void *context);

/* A new arena whose heap may grow to LIMIT bytes. NULL when the address range can't be reserved. */
struct arena *arena_create(size_t limit, arena_exhausted_fn *exhausted, void *context);
void arena_destroy(struct arena *arena);
/* Forgets all blocks and stacks, and keeps the memory that was touched for the next ones. */
void arena_clear(struct arena *arena);

/* SIZE zeroed bytes, 16-byte aligned. Never NULL: see arena_exhausted_fn. */
__attribute__((returns_nonnull)) void *arena_alloc(struct arena *arena, size_t size);
/* SIZE is what the block was allocated with. NULL is allowed. */
void arena_free(struct arena *arena, void *block, size_t size);
/* Moves a block to a larger size; new bytes are zero. */
__attribute__((returns_nonnull)) void *arena_grow(struct arena *arena, void *block, size_t old_size,
						  size_t new_size);

#define arena_new(arena, type)       ((type *)arena_alloc((arena), sizeof(type)))
#define arena_delete(arena, pointer) arena_free((arena), (pointer), sizeof(*(pointer)))

/* The machine's root object, found again after a restore. */
void arena_set_root(struct arena *arena, void *root);
void *arena_root(const struct arena *arena);

/* A stack of ARENA_STACK_SIZE bytes (its lowest address), or NULL when all are taken. */
void *arena_stack_get(struct arena *arena);
void arena_stack_put(struct arena *arena, void *stack);
/* Tells what part of STACK is live while its task does not run: [live, end of the slot). */
void arena_stack_live(struct arena *arena, void *stack, void *live);

/* Copies all state. REUSE, if not NULL, is a snapshot of this arena to overwrite. */
struct arena_snapshot *arena_save(const struct arena *arena, struct arena_snapshot *reuse);
/* Puts the arena back as it was. Must not be called on a stack of the arena. */
void arena_restore(struct arena *arena, const struct arena_snapshot *snapshot);
void arena_snapshot_free(struct arena_snapshot *snapshot);

/* Bytes that a snapshot copies now. */
size_t arena_used(const struct arena *arena);
/* Bytes that it may come to use. */
size_t arena_limit(const struct arena *arena);
/* Bytes in blocks that are allocated and not freed: a leak shows here. */
size_t arena_live(const struct arena *arena);

#endif
