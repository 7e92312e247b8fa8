/* SPDX-License-Identifier: Apache-2.0 */
/* Physical memory: who holds a frame, which is handed out next, and what it contains. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/arena.h"
#include "emu/machine.h"
#include "emu/memory.h"
#include "tests/kit/run.h"

#define BASE   0x100000U /* pfn */
#define FRAMES 4096U
#define OWNER  5U
#define OTHER  6U

static struct arena *arena;
static struct memory memory;

static void exhausted(void *context)
{
	(void)context;
	abort();
}

static void setup(void)
{
	arena = arena_create(16UL << 20, exhausted, NULL);
	memory_init(&memory, arena, BASE, FRAMES, REUSE_LIFO);
}

static void teardown(void)
{
	arena_destroy(arena);
}

static uint64_t take(uint64_t count)
{
	uint64_t pfn = 0;
	ck_assert_uint_eq(memory_alloc(&memory, OWNER, count, count, 1, 0, &pfn), count);
	return pfn;
}

static struct frame_state frame(uint64_t pfn)
{
	return memory_frame(&memory, pfn, NULL);
}

static void fill(uint64_t pfn, uint8_t value)
{
	uint8_t page[PAGE_SIZE];
	memset(page, value, sizeof(page));
	memory_write(&memory, pa_of_pfn(pfn), page, sizeof(page), OWNER);
}

static uint8_t byte_at(uint64_t address)
{
	uint8_t byte = 0xee;
	memory_read(&memory, pa_of(address), &byte, 1);
	return byte;
}

/* ---- frames ---- */

START_TEST(frames_have_owner_and_generation)
{
	uint64_t run, second;
	uint64_t first = take(10);
	ck_assert_uint_eq(memory_alloc(&memory, OTHER, 1, 1, 1, 0, &second), 1);
	ck_assert_uint_eq(first, BASE);
	ck_assert_uint_eq(second, BASE + 10);
	struct frame_state state = memory_frame(&memory, first + 3, &run);
	ck_assert_uint_eq(run, 7);
	ck_assert_uint_eq(state.owner, OWNER);
	ck_assert_uint_eq(state.references, 1);
	ck_assert_uint_eq(state.pins, 0);
	ck_assert_uint_eq(state.generation, 1);
	ck_assert_uint_eq(frame(second).owner, OTHER);
	memory_frame(&memory, second + 1, &run);
	ck_assert_uint_gt(run, FRAMES);
	ck_assert(memory_is_free(&memory, second + 1));
	ck_assert_uint_eq(frame(second + 1).generation, 0);
}
END_TEST

START_TEST(frame_handed_out_again_is_another_page)
{
	uint64_t pfn = take(1);
	uint32_t generation = frame(pfn).generation;
	memory_put(&memory, pfn, 1);
	ck_assert_uint_eq(memory_alloc(&memory, OTHER, 1, 1, 1, FRAME_HUGE, &pfn), 1);
	ck_assert_uint_eq(pfn, BASE);
	ck_assert_uint_gt(frame(pfn).generation, generation);
	ck_assert_uint_eq(frame(pfn).owner, OTHER);
	ck_assert_uint_eq(frame(pfn).flags, FRAME_HUGE);
}
END_TEST

START_TEST(ram_has_bounds)
{
	ck_assert(!memory_is_ram(&memory, pa_of(BASE * PAGE_SIZE - 1)));
	ck_assert(memory_is_ram(&memory, pa_of(BASE * PAGE_SIZE)));
	ck_assert(memory_is_ram(&memory, pa_of((BASE + FRAMES) * PAGE_SIZE - 1)));
	ck_assert(!memory_is_ram(&memory, pa_of((BASE + FRAMES) * PAGE_SIZE)));
}
END_TEST

START_TEST(lifo_hands_out_the_latest)
{
	uint64_t pfn = take(4);
	memory_put(&memory, pfn + 2, 1);
	memory_put(&memory, pfn, 1);
	memory_put(&memory, pfn + 3, 1);
	ck_assert_uint_eq(memory.free_count, 3);
	ck_assert_uint_eq(take(1), pfn + 3);
	ck_assert_uint_eq(take(1), pfn);
	ck_assert_uint_eq(take(1), pfn + 2);
	ck_assert_uint_eq(memory.free_count, 0);
	ck_assert_uint_eq(take(1), pfn + 4);
}
END_TEST

START_TEST(fifo_hands_out_the_oldest)
{
	memory.order = REUSE_FIFO;
	uint64_t pfn = take(4);
	memory_put(&memory, pfn + 2, 1);
	memory_put(&memory, pfn, 1);
	memory_put(&memory, pfn + 3, 1);
	ck_assert_uint_eq(take(1), pfn + 2);
	ck_assert_uint_eq(take(1), pfn);
	ck_assert_uint_eq(take(1), pfn + 3);
}
END_TEST

/* The order in which 64 single free frames are handed out again, as offsets. */
static void random_order(uint64_t seed, uint64_t order[64])
{
	memory_init(&memory, arena, BASE, 64, REUSE_RANDOM);
	memory.random = seed;
	uint64_t pfn = take(64);
	for (uint64_t i = 0; i < 64; i++)
		memory_put(&memory, pfn + i, 1);
	for (uint64_t i = 0; i < 64; i++)
		order[i] = take(1) - pfn;
	ck_assert_uint_eq(memory.free_count, 0);
}

START_TEST(random_reuse_hands_out_each_frame_once)
{
	uint64_t order[64];
	bool seen[64] = {false};
	unsigned in_place = 0;
	random_order((uint64_t)_i + 1, order);
	for (uint64_t i = 0; i < 64; i++) {
		ck_assert_uint_lt(order[i], 64);
		ck_assert(!seen[order[i]]);
		seen[order[i]] = true;
		in_place += order[i] == i || order[i] == 63 - i; /* FIFO, LIFO */
	}
	ck_assert_uint_lt(in_place, 32);
}
END_TEST

START_TEST(seed_decides_the_random_order)
{
	uint64_t first[64], again[64], other[64];
	random_order(7, first);
	random_order(7, again);
	random_order(8, other);
	ck_assert_mem_eq(first, again, sizeof(first));
	ck_assert_mem_ne(first, other, sizeof(first));
}
END_TEST

/* --- RAM that is added --- */

START_TEST(added_ram_has_bytes_and_an_owner)
{
	uint64_t run;
	ck_assert(memory_add_ram(&memory, 0x40, 16, OTHER));
	ck_assert(!memory_is_ram(&memory, pa_of(0x40 * PAGE_SIZE - 1)));
	ck_assert(memory_is_ram(&memory, pa_of_pfn(0x40)));
	ck_assert(memory_is_ram(&memory, pa_of(0x50 * PAGE_SIZE - 1)));
	ck_assert(!memory_is_ram(&memory, pa_of_pfn(0x50)));
	struct frame_state state = memory_frame(&memory, 0x42, &run);
	ck_assert_uint_eq(run, 14);
	ck_assert_uint_eq(state.owner, OTHER);
	ck_assert_uint_eq(state.references, 1);
	ck_assert(!memory_is_free(&memory, 0x4f));
	ck_assert_uint_eq(byte_at(0x41 * PAGE_SIZE), 0);
	ck_assert_uint_eq(memory_writer(&memory, 0x41), OTHER);
	fill(0x41, 0x33);
	ck_assert_uint_eq(byte_at(0x41 * PAGE_SIZE), 0x33);
}
END_TEST

START_TEST(added_ram_lies_beside_what_is_there)
{
	ck_assert(!memory_add_ram(&memory, BASE, 1, OTHER));
	ck_assert(!memory_add_ram(&memory, BASE - 1, 2, OTHER));
	ck_assert(!memory_add_ram(&memory, BASE + FRAMES - 1, 9, OTHER));
	ck_assert(!memory_add_ram(&memory, BASE - 1, FRAMES + 2, OTHER));
	ck_assert(memory_add_ram(&memory, BASE - 8, 8, OTHER));
	ck_assert(memory_add_ram(&memory, BASE + FRAMES, 8, OTHER));
	ck_assert(!memory_add_ram(&memory, BASE - 8, 8, OTHER));
	ck_assert(!memory_add_ram(&memory, BASE - 9, 2, OTHER));
	ck_assert(!memory_add_ram(&memory, BASE - 10, 20, OTHER));
	ck_assert(!memory_add_ram(&memory, BASE + FRAMES + 7, 1, OTHER));
	ck_assert(memory_add_ram(&memory, BASE - 9, 1, OTHER));
	ck_assert_uint_eq(memory.range_count, 3);
}
END_TEST

START_TEST(refused_ram_leaves_no_trace)
{
	ck_assert(memory_add_ram(&memory, 0x40, 2, OTHER));
	ck_assert(!memory_add_ram(&memory, 0x41, 2, OWNER));
	ck_assert(!memory_is_ram(&memory, pa_of_pfn(0x42)));
	ck_assert_uint_eq(frame(0x41).owner, OTHER);
	ck_assert_uint_eq(frame(0x42).owner, OWNER_NOBODY);
}
END_TEST

START_TEST(ram_ranges_are_limited)
{
	for (uint64_t i = 0; i < RAM_RANGES_MAX; i++)
		ck_assert(memory_add_ram(&memory, 2 * i, 1, OTHER));
	ck_assert(!memory_add_ram(&memory, 2 * RAM_RANGES_MAX, 1, OTHER));
	ck_assert(!memory_is_ram(&memory, pa_of_pfn(2 * RAM_RANGES_MAX)));
}
END_TEST

START_TEST(added_ram_is_never_handed_out)
{
	uint64_t pfn;
	ck_assert(memory_add_ram(&memory, BASE - 8, 8, OTHER));
	ck_assert(memory_add_ram(&memory, BASE + FRAMES, 8, OTHER));
	ck_assert_uint_eq(take(FRAMES), BASE);
	ck_assert_uint_eq(memory_alloc(&memory, OWNER, 1, 1, 1, 0, &pfn), 0);
	fill(BASE, 1);
	memory_put(&memory, BASE, FRAMES);
	fill(BASE + FRAMES, 0x44);
	take(FRAMES);
	ck_assert_uint_eq(byte_at(BASE * PAGE_SIZE), 0);
	ck_assert_uint_eq(byte_at((BASE + FRAMES) * PAGE_SIZE), 0x44);
	ck_assert_uint_eq(frame(BASE - 1).owner, OTHER);
}
END_TEST

/* --- notes --- */

#define NOTES_MAX 16U

static struct note noted[NOTES_MAX];
static unsigned note_count;

static void on_note(void *context, struct machine *machine, const struct note *note)
{
	(void)context;
	(void)machine;
	ck_assert_uint_lt(note_count, NOTES_MAX);
	noted[note_count++] = *note;
}

static void assert_note(unsigned i, enum note_kind kind, uint32_t who, uint64_t first,
			uint64_t count)
{
	ck_assert_uint_gt(note_count, i);
	ck_assert_int_eq(noted[i].kind, kind);
	ck_assert_uint_eq(noted[i].who, who);
	ck_assert_uint_eq(noted[i].first, first);
	ck_assert_uint_eq(noted[i].count, count);
}

static struct machine *watched_machine(void)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 16UL << 20;
	config.memory_bytes = 64 * PAGE_SIZE;
	struct machine *machine = machine_new(&config);
	ck_assert_ptr_nonnull(machine);
	machine_observe(machine, &(struct observer){.note = on_note});
	note_count = 0;
	return machine;
}

START_TEST(frames_taken_and_freed_are_noted)
{
	struct machine *machine = watched_machine();
	uint64_t pfn;
	ck_assert_uint_eq(memory_alloc(&machine->memory, OTHER, 8, 8, 1, 0, &pfn), 8);
	assert_note(0, NOTE_FRAMES_TAKEN, OTHER, pfn, 8);
	memory_put(&machine->memory, pfn + 2, 3);
	assert_note(1, NOTE_FRAMES_FREED, OTHER, pfn + 2, 3);
	ck_assert_uint_eq(memory_alloc(&machine->memory, OWNER, 2, 2, 1, 0, &pfn), 2);
	assert_note(2, NOTE_FRAMES_TAKEN, OWNER, pfn, 2);
	ck_assert_uint_eq(memory_alloc(&machine->memory, OWNER, 65, 65, 1, 0, &pfn), 0);
	ck_assert_uint_eq(note_count, 3);
	machine_free(machine);
}
END_TEST

START_TEST(frame_is_noted_when_its_last_holder_goes)
{
	struct machine *machine = watched_machine();
	struct memory *of = &machine->memory;
	uint64_t pfn;
	ck_assert_uint_eq(memory_alloc(of, OTHER, 4, 4, 1, 0, &pfn), 4);
	memory_get(of, pfn, 1);
	ck_assert(memory_pin(of, pfn + 1, 1));
	memory_put(of, pfn, 3);
	ck_assert_uint_eq(note_count, 2);
	assert_note(1, NOTE_FRAMES_FREED, OTHER, pfn + 2, 1);
	memory_unpin(of, pfn + 1, 1);
	assert_note(2, NOTE_FRAMES_FREED, OTHER, pfn + 1, 1);
	memory_put(of, pfn, 1);
	assert_note(3, NOTE_FRAMES_FREED, OTHER, pfn, 1);
	ck_assert_uint_eq(note_count, 4);
	machine_free(machine);
}
END_TEST

START_TEST(freed_run_is_taken_from_its_end)
{
	uint64_t pfn = take(8);
	memory_put(&memory, pfn, 8);
	ck_assert_uint_eq(take(1), pfn + 7);
	ck_assert_uint_eq(take(3), pfn + 4);
	/* Too few are left: the next come from memory never used. */
	ck_assert_uint_eq(take(5), pfn + 8);
	ck_assert_uint_eq(take(4), pfn);
	ck_assert_uint_eq(memory.free_count, 0);
}
END_TEST

START_TEST(aligned_frames_are_aligned_and_the_rest_stays_free)
{
	uint64_t pfn;
	take(1);
	ck_assert_uint_eq(memory_alloc(&memory, OWNER, 512, 512, 512, 0, &pfn), 512);
	ck_assert_uint_eq(pfn, BASE + 512);
	ck_assert_uint_eq(memory.free_count, 511);
	memory_put(&memory, pfn, 512);
	ck_assert_uint_eq(memory_alloc(&memory, OWNER, 16, 16, 16, 0, &pfn), 16);
	ck_assert_uint_eq(pfn % 16, 0);
	ck_assert_uint_eq(memory.free_count, 511 + 512 - 16);
}
END_TEST

START_TEST(run_is_cut_in_its_middle)
{
	uint64_t pfn;
	uint64_t start = take(13);
	memory_put(&memory, start, 13);
	ck_assert_uint_eq(memory_alloc(&memory, OWNER, 2, 2, 8, 0, &pfn), 2);
	ck_assert_uint_eq(pfn, start + 8);
	ck_assert_uint_eq(memory.free_count, 11);
	ck_assert_uint_eq(take(3), start + 5);
	ck_assert_uint_eq(take(5), start);
	ck_assert_uint_eq(take(3), start + 10);
}
END_TEST

START_TEST(exhausted_ram_gives_what_is_left_then_nothing)
{
	uint64_t pfn;
	take(FRAMES - 3);
	ck_assert_uint_eq(memory_alloc(&memory, OWNER, 8, 4, 1, 0, &pfn), 0);
	ck_assert_uint_eq(memory_alloc(&memory, OWNER, 8, 3, 1, 0, &pfn), 3);
	ck_assert_uint_eq(memory_alloc(&memory, OWNER, 1, 1, 1, 0, &pfn), 0);
	memory_put(&memory, BASE + 7, 1);
	ck_assert_uint_eq(memory_alloc(&memory, OWNER, 1, 1, 1, 0, &pfn), 1);
}
END_TEST

START_TEST(fewer_aligned_frames_are_found_in_an_unaligned_run)
{
	uint64_t pfn;
	take(FRAMES);
	memory_put(&memory, BASE + 1, 2 * 512);
	ck_assert_uint_ge(memory_alloc(&memory, OWNER, 2 * 512, 512, 512, 0, &pfn), 512);
	ck_assert_uint_eq(pfn, BASE + 512);
}
END_TEST

/* ---- references and pins ---- */

START_TEST(frame_is_free_without_references_and_pins)
{
	uint64_t pfn = take(1);
	memory_get(&memory, pfn, 1);
	memory_put(&memory, pfn, 1);
	ck_assert(!memory_is_free(&memory, pfn));
	memory_put(&memory, pfn, 1);
	ck_assert(memory_is_free(&memory, pfn));
	ck_assert_uint_eq(memory.free_count, 1);
}
END_TEST

START_TEST(pin_keeps_a_frame_from_being_free)
{
	uint64_t pfn = take(3);
	ck_assert(memory_pin(&memory, pfn + 1, 1));
	memory_put(&memory, pfn, 3);
	ck_assert(memory_is_free(&memory, pfn));
	ck_assert(!memory_is_free(&memory, pfn + 1));
	ck_assert(memory_is_free(&memory, pfn + 2));
	ck_assert_uint_eq(frame(pfn + 1).owner, OWNER);
	ck_assert_uint_eq(memory.free_count, 2);
	memory_unpin(&memory, pfn + 1, 1);
	ck_assert(memory_is_free(&memory, pfn + 1));
	ck_assert_uint_eq(take(1), pfn + 1);
}
END_TEST

START_TEST(too_many_pins_are_refused_and_nothing_is_done)
{
	uint64_t pfn = take(3);
	for (unsigned i = 0; i < FRAME_PINS_MAX; i++)
		if (!memory_pin(&memory, pfn + 1, 1))
			ck_abort_msg("pin %u was refused", i + 1);
	ck_assert_uint_eq(frame(pfn + 1).pins, FRAME_PINS_MAX);
	ck_assert(!memory_pin(&memory, pfn, 3));
	ck_assert_uint_eq(frame(pfn).pins, 0);
	ck_assert_uint_eq(frame(pfn + 1).pins, FRAME_PINS_MAX);
	ck_assert_uint_eq(frame(pfn + 2).pins, 0);
	ck_assert_uint_eq(frame(pfn + 1).references, 1);
	memory_unpin(&memory, pfn + 1, 1);
	ck_assert(memory_pin(&memory, pfn, 3));
}
END_TEST

/* ---- contents ---- */

START_TEST(contents_cross_pages)
{
	uint64_t pfn = take(3);
	uint8_t in[6000], out[6000];
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	uint64_t address = pfn * PAGE_SIZE + 3000;
	memory_write(&memory, pa_of(address), in, sizeof(in), OWNER);
	memory_read(&memory, pa_of(address), out, sizeof(out));
	ck_assert_mem_eq(in, out, sizeof(in));
	ck_assert_uint_eq(byte_at(address - 1), 0);
	ck_assert_uint_eq(byte_at(address + sizeof(in)), 0);
	ck_assert_uint_eq(byte_at((pfn + 1) * PAGE_SIZE), in[1096]);
}
END_TEST

START_TEST(many_pages_keep_their_contents)
{
	uint64_t pfn = take(300);
	for (uint64_t i = 0; i < 300; i++)
		fill(pfn + i, (uint8_t)(i % 251 + 1));
	for (uint64_t i = 0; i < 300; i += 3)
		memory_put(&memory, pfn + i, 1);
	for (uint64_t i = 0; i < 300; i += 3)
		take(1); /* handed out again: contents go */
	for (uint64_t i = 0; i < 300; i++)
		ck_assert_uint_eq(byte_at((pfn + i) * PAGE_SIZE), i % 3 == 0 ? 0 : i % 251 + 1);
}
END_TEST

START_TEST(stale_bytes_stay_until_the_frame_is_reused)
{
	uint64_t pfn = take(1);
	fill(pfn, 0x5a);
	memory_put(&memory, pfn, 1);
	ck_assert_uint_eq(byte_at(pfn * PAGE_SIZE + 9), 0x5a);
	ck_assert_uint_eq(take(1), pfn);
	ck_assert_uint_eq(byte_at(pfn * PAGE_SIZE + 9), 0);
}
END_TEST

START_TEST(each_page_of_a_hand_out_is_zeroed)
{
	uint64_t pfn = take(3);
	for (uint64_t i = 0; i < 3; i++)
		fill(pfn + i, 0x5a);
	memory_put(&memory, pfn, 3);
	ck_assert_uint_eq(take(3), pfn);
	for (uint64_t i = 0; i < 3; i++)
		ck_assert_uint_eq(byte_at((pfn + i) * PAGE_SIZE), 0);
}
END_TEST

START_TEST(large_hand_out_is_zeroed_too)
{
	uint64_t pfn = take(1000);
	fill(pfn, 1);
	fill(pfn + 500, 1);
	fill(pfn + 999, 1);
	memory_put(&memory, pfn, 1000);
	ck_assert_uint_eq(take(1000), pfn);
	ck_assert_uint_eq(byte_at(pfn * PAGE_SIZE), 0);
	ck_assert_uint_eq(byte_at((pfn + 500) * PAGE_SIZE), 0);
	ck_assert_uint_eq(byte_at((pfn + 999) * PAGE_SIZE), 0);
	ck_assert_uint_eq(memory.data_count, 0);
}
END_TEST

START_TEST(page_copy_takes_contents_and_writer)
{
	uint64_t pfn = take(3);
	memory_write(&memory, pa_of(pfn * PAGE_SIZE + 10), "x", 1, OTHER);
	fill(pfn + 1, 9);
	memory_copy_page(&memory, pfn + 1, pfn);
	ck_assert_uint_eq(byte_at((pfn + 1) * PAGE_SIZE + 10), 'x');
	ck_assert_uint_eq(byte_at((pfn + 1) * PAGE_SIZE + 11), 0);
	ck_assert_uint_eq(memory_writer(&memory, pfn + 1), OTHER);
	/* A page never written copies as zeros. */
	memory_copy_page(&memory, pfn + 1, pfn + 2);
	ck_assert_uint_eq(byte_at((pfn + 1) * PAGE_SIZE + 10), 0);
}
END_TEST

START_TEST(writer_is_the_owner_until_somebody_writes)
{
	uint64_t pfn = take(1);
	ck_assert_uint_eq(memory_writer(&memory, pfn), OWNER);
	memory_write(&memory, pa_of_pfn(pfn), "x", 1, OTHER);
	ck_assert_uint_eq(memory_writer(&memory, pfn), OTHER);
	memory_put(&memory, pfn, 1);
	ck_assert_uint_eq(memory_writer(&memory, pfn), OTHER);
	take(1);
	ck_assert_uint_eq(memory_writer(&memory, pfn), OWNER);
}
END_TEST

START_TEST(stores_state_bytes)
{
	memory.track_stated = true;
	uint64_t pfn = take(2);
	uint64_t address = pfn * PAGE_SIZE + 60;
	ck_assert(!memory_stated(&memory, pa_of(address), 1));
	memory_write(&memory, pa_of(address), "0123456789", 10, OWNER);
	ck_assert(memory_stated(&memory, pa_of(address), 10));
	ck_assert(memory_stated(&memory, pa_of(address + 9), 1));
	ck_assert(!memory_stated(&memory, pa_of(address), 11));
	ck_assert(!memory_stated(&memory, pa_of(address - 1), 2));
	fill(pfn + 1, 3);
	ck_assert(memory_stated(&memory, pa_of_pfn(pfn + 1), PAGE_SIZE));
	memory_unstate(&memory, pfn + 1);
	ck_assert(!memory_stated(&memory, pa_of_pfn(pfn + 1), 1));
	ck_assert_uint_eq(byte_at((pfn + 1) * PAGE_SIZE), 3);
	memory_copy_page(&memory, pfn + 1, pfn);
	ck_assert(memory_stated(&memory, pa_of((pfn + 1) * PAGE_SIZE + 60), 10));
	ck_assert(!memory_stated(&memory, pa_of((pfn + 1) * PAGE_SIZE), 60));
}
END_TEST

START_TEST(all_bytes_are_stated_where_nobody_tracks)
{
	ck_assert(memory_stated(&memory, pa_of_pfn(take(1)), PAGE_SIZE));
}
END_TEST

START_TEST(hash_follows_frames_and_contents)
{
	struct hash hashes[4];
	uint64_t pfn = take(2);
	for (int i = 0; i < 4; i++) {
		hash_init(&hashes[i]);
		memory_hash(&memory, &hashes[i]);
		if (i == 0)
			fill(pfn, 1);
		else if (i == 1)
			ck_assert(memory_pin(&memory, pfn, 1));
		else
			memory_unpin(&memory, pfn, 1);
	}
	ck_assert_uint_ne(hashes[0].value, hashes[1].value);
	ck_assert_uint_ne(hashes[1].value, hashes[2].value);
	ck_assert_uint_eq(hashes[1].value, hashes[3].value);
}
END_TEST

START_TEST(hash_follows_chance)
{
	struct hash before, after;
	hash_init(&before);
	memory_hash(&memory, &before);
	memory.random++;
	hash_init(&after);
	memory_hash(&memory, &after);
	ck_assert_uint_ne(before.value, after.value);
}
END_TEST

/* Entries of WIDTH bytes, every STRIDE, over COUNT pages: a table that is filled with one entry. */
static void fill_table(uint64_t pfn, uint64_t count, const void *entry, uint64_t width,
		       uint64_t stride)
{
	for (uint64_t at = 0; at < count * PAGE_SIZE; at += stride)
		memory_write(&memory, pa_of(pfn * PAGE_SIZE + at), entry, width, OWNER);
}

START_TEST(filled_table_takes_little_and_reads_as_it_was_written)
{
	static const uint64_t strides[] = {8, 16};
	const uint64_t entry = 0x0123456789abcdef;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t pfn = take(64), got[3], stride = strides[i];
		size_t before = arena_live(arena);
		fill_table(pfn, 64, &entry, sizeof(entry), stride);
		ck_assert_uint_lt(arena_live(arena) - before, 64 * 256);
		for (uint64_t at = 0; at < 63 * PAGE_SIZE; at += stride * 7) {
			memory_read(&memory, pa_of(pfn * PAGE_SIZE + at), got, sizeof(got));
			ck_assert_uint_eq(got[0], entry);
			ck_assert_uint_eq(got[1], stride == 8 ? entry : 0);
			ck_assert_uint_eq(got[2], entry);
		}
		ck_assert_uint_eq(memory_writer(&memory, pfn + 9), OWNER);
	}
}
END_TEST

/* What is as it was written, in pages that are folded and in such that are not. */
START_TEST(changed_entry_of_a_filled_table_is_the_only_one)
{
	uint64_t pfn = take(3), copy_pfn = take(1), entry = 7, other = 9, got;
	uint8_t odd[5];
	fill_table(pfn, 2, &entry, sizeof(entry), 8);
	memory_copy_page(&memory, copy_pfn, pfn + 1);
	memory_write(&memory, pa_of(pfn * PAGE_SIZE + 4088), &other, sizeof(other), OTHER);
	for (uint64_t at = 0; at < 2 * PAGE_SIZE; at += 8) {
		memory_read(&memory, pa_of(pfn * PAGE_SIZE + at), &got, sizeof(got));
		ck_assert_uint_eq(got, at == 4088 ? other : entry);
	}
	memory_read(&memory, pa_of(copy_pfn * PAGE_SIZE + 16), &got, sizeof(got));
	ck_assert_uint_eq(got, entry);
	memory_read(&memory, pa_of((pfn + 1) * PAGE_SIZE + 29), odd, sizeof(odd));
	ck_assert_mem_eq(odd, "\0\0\0\7\0", 5);
	ck_assert_uint_eq(memory_page(&memory, pfn + 1)[8], 7);
}
END_TEST

START_TEST(page_that_only_ends_as_it_begins_is_kept_whole)
{
	uint64_t pfn = take(1), entry = 7, other = 9, got;
	for (uint64_t at = 0; at < PAGE_SIZE; at += 8)
		memory_write(&memory, pa_of(pfn * PAGE_SIZE + at), at == 800 ? &other : &entry,
			     sizeof(entry), OWNER);
	memory_read(&memory, pa_of(pfn * PAGE_SIZE + 800), &got, sizeof(got));
	ck_assert_uint_eq(got, other);
}
END_TEST

/* The same bytes, folded or not, are the same state. */
START_TEST(hash_is_of_bytes_not_of_their_keeping)
{
	uint64_t pfn = take(1), entry = 7;
	struct hash folded, spread;
	fill_table(pfn, 1, &entry, sizeof(entry), 8);
	hash_init(&folded);
	memory_hash(&memory, &folded);
	ck_assert_ptr_nonnull(memory_page(&memory, pfn));
	hash_init(&spread);
	memory_hash(&memory, &spread);
	ck_assert_uint_eq(folded.value, spread.value);
}
END_TEST

START_TEST(page_has_bytes_once_it_was_written)
{
	uint64_t pfn = take(1);
	ck_assert_ptr_null(memory_page(&memory, pfn));
	fill(pfn, 0x5a);
	uint8_t *page = memory_page(&memory, pfn);
	ck_assert_ptr_nonnull(page);
	ck_assert_uint_eq(page[PAGE_SIZE - 1], 0x5a);
}
END_TEST

/* ---- against an array by frame ---- */

#define CELLS 256

static struct cell {
	int references;
	int pins;
} model[CELLS];
static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

static bool model_free(uint64_t at)
{
	return model[at].references == 0 && model[at].pins == 0;
}

/* Longest range from FIRST, up to LIMIT, on which the operation is allowed. */
static uint64_t allowed(uint32_t kind, uint64_t first, uint64_t limit)
{
	uint64_t n = 0;
	while (n < limit && first + n < CELLS) {
		const struct cell *cell = &model[first + n];
		if ((kind == 1 && cell->references == 0) || (kind == 3 && cell->pins == 0) ||
		    model_free(first + n))
			break;
		n++;
	}
	return n;
}

static void random_alloc(int seed)
{
	uint64_t pfn;
	uint64_t n = memory_alloc(&memory, OWNER, 1 + random_below(6), 1, 1, 0, &pfn);
	for (uint64_t i = 0; i < n; i++) {
		ck_assert_msg(pfn - BASE + i < CELLS && model_free(pfn - BASE + i),
			      "seed %d: frame %d was not free", seed, (int)(pfn - BASE + i));
		model[pfn - BASE + i].references = 1;
	}
}

static void random_adjust(uint32_t kind)
{
	uint64_t first = random_below(CELLS);
	uint64_t n = allowed(kind, first, 1 + random_below(20));
	if (n == 0)
		return;
	if (kind == 0)
		memory_get(&memory, BASE + first, n);
	else if (kind == 1)
		memory_put(&memory, BASE + first, n);
	else if (kind == 2)
		ck_assert(memory_pin(&memory, BASE + first, n));
	else
		memory_unpin(&memory, BASE + first, n);
	for (uint64_t i = first; i < first + n; i++) {
		model[i].references += kind == 0 ? 1 : kind == 1 ? -1 : 0;
		model[i].pins += kind == 2 ? 1 : kind == 3 ? -1 : 0;
	}
}

static void assert_frames(int seed, int op)
{
	uint64_t available = 0;
	for (uint64_t i = 0; i < CELLS; i++) {
		struct frame_state state = frame(BASE + i);
		if ((int)state.references != model[i].references ||
		    (int)state.pins != model[i].pins ||
		    memory_is_free(&memory, BASE + i) != model_free(i))
			ck_abort_msg("seed %d, operation %d: frame %d has %u references, %u pins",
				     seed, op, (int)i, state.references, state.pins);
		available += model_free(i);
	}
	uint64_t unused = BASE + CELLS - memory.next;
	ck_assert_msg(memory.free_count + unused == available,
		      "seed %d, operation %d: %d frames are free, expected %d", seed, op,
		      (int)(memory.free_count + unused), (int)available);
}

START_TEST(frames_agree_with_an_array)
{
	random_state = (uint64_t)_i + 1;
	memset(model, 0, sizeof(model));
	memory_init(&memory, arena, BASE, CELLS, (enum reuse_order)(_i % 3));
	for (int op = 0; op < 2000; op++) {
		uint32_t kind = random_below(6);
		if (kind >= 4)
			random_alloc(_i);
		else
			random_adjust(kind);
		assert_frames(_i, op);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("memory");
	TCase *frames = tcase_create("frames");
	tcase_add_checked_fixture(frames, setup, teardown);
	tcase_add_test(frames, frames_have_owner_and_generation);
	tcase_add_test(frames, frame_handed_out_again_is_another_page);
	tcase_add_test(frames, ram_has_bounds);
	tcase_add_test(frames, lifo_hands_out_the_latest);
	tcase_add_test(frames, fifo_hands_out_the_oldest);
	tcase_add_loop_test(frames, random_reuse_hands_out_each_frame_once, 0, 3);
	tcase_add_test(frames, seed_decides_the_random_order);
	tcase_add_test(frames, added_ram_has_bytes_and_an_owner);
	tcase_add_test(frames, added_ram_lies_beside_what_is_there);
	tcase_add_test(frames, refused_ram_leaves_no_trace);
	tcase_add_test(frames, ram_ranges_are_limited);
	tcase_add_test(frames, added_ram_is_never_handed_out);
	tcase_add_test(frames, frames_taken_and_freed_are_noted);
	tcase_add_test(frames, frame_is_noted_when_its_last_holder_goes);
	tcase_add_test(frames, freed_run_is_taken_from_its_end);
	tcase_add_test(frames, aligned_frames_are_aligned_and_the_rest_stays_free);
	tcase_add_test(frames, run_is_cut_in_its_middle);
	tcase_add_test(frames, exhausted_ram_gives_what_is_left_then_nothing);
	tcase_add_test(frames, fewer_aligned_frames_are_found_in_an_unaligned_run);
	tcase_add_test(frames, frame_is_free_without_references_and_pins);
	tcase_add_test(frames, pin_keeps_a_frame_from_being_free);
	tcase_add_test(frames, too_many_pins_are_refused_and_nothing_is_done);
	tcase_add_loop_test(frames, frames_agree_with_an_array, 0, 6);
	suite_add_tcase(s, frames);

	TCase *contents = tcase_create("contents");
	tcase_add_checked_fixture(contents, setup, teardown);
	tcase_add_test(contents, contents_cross_pages);
	tcase_add_test(contents, many_pages_keep_their_contents);
	tcase_add_test(contents, stale_bytes_stay_until_the_frame_is_reused);
	tcase_add_test(contents, each_page_of_a_hand_out_is_zeroed);
	tcase_add_test(contents, large_hand_out_is_zeroed_too);
	tcase_add_test(contents, page_copy_takes_contents_and_writer);
	tcase_add_test(contents, writer_is_the_owner_until_somebody_writes);
	tcase_add_test(contents, stores_state_bytes);
	tcase_add_test(contents, all_bytes_are_stated_where_nobody_tracks);
	tcase_add_test(contents, hash_follows_frames_and_contents);
	tcase_add_test(contents, hash_follows_chance);
	tcase_add_test(contents, filled_table_takes_little_and_reads_as_it_was_written);
	tcase_add_test(contents, changed_entry_of_a_filled_table_is_the_only_one);
	tcase_add_test(contents, page_that_only_ends_as_it_begins_is_kept_whole);
	tcase_add_test(contents, hash_is_of_bytes_not_of_their_keeping);
	tcase_add_test(contents, page_has_bytes_once_it_was_written);
	suite_add_tcase(s, contents);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
