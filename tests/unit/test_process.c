/* SPDX-License-Identifier: Apache-2.0 */
/* Address spaces: placement, sharing, copying, forgetting, and what pins change about it. */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/machine.h"
#include "tests/kit/run.h"

#define RW          (PROT_READ_BIT | PROT_WRITE_BIT)
#define PRIVATE     (MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT)
#define SHARED      (MAP_SHARED_BIT | MAP_ANONYMOUS_BIT)
#define ADDRESS     0x10000000ULL
#define PAGE(n)     (ADDRESS + (n)*PAGE_SIZE)
#define HUGE_PAGES  4U
#define FRAME_COUNT 16384U

static struct machine *machine;
static struct process *process;
static struct mm *mm;

static void setup(void)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 64UL << 20;
	config.memory_bytes = FRAME_COUNT * PAGE_SIZE;
	config.huge_pages = HUGE_PAGES;
	machine = machine_new(&config);
	ck_assert_ptr_nonnull(machine);
	process = process_new(machine, NULL);
	mm = process->mm;
}

static void teardown(void)
{
	machine_free(machine);
}

static int map_object(struct object *object, uint64_t address, uint64_t pages, uint32_t prot,
		      uint32_t flags, uint64_t *va)
{
	struct map_request request = {
		.address = address,
		.length = pages * PAGE_SIZE,
		.prot = prot,
		.flags = flags,
		.object = object,
	};
	return mm_map(mm, &request, va);
}

/* At PAGE(0). */
static void map_here(struct object *object, uint64_t pages, uint32_t prot, uint32_t flags)
{
	uint64_t va = 0;
	ck_assert_int_eq(map_object(object, ADDRESS, pages, prot, flags | MAP_FIXED_BIT, &va), 0);
	ck_assert_uint_eq(va, ADDRESS);
}

static uint64_t frame_of(struct mm *of, uint64_t va, uint32_t flags)
{
	uint64_t pfn = 0, run = 0;
	ck_assert_int_eq(mm_fault(of, va_of(va), 1, flags, &pfn, &run), 0);
	ck_assert_uint_eq(run, 1);
	return pfn;
}

static void put(struct mm *of, uint64_t va, const char *text)
{
	ck_assert_uint_eq(mm_write(of, va_of(va), text, strlen(text) + 1), strlen(text) + 1);
}

static void assert_text(struct mm *of, uint64_t va, const char *expected)
{
	char text[32] = {0};
	ck_assert_uint_eq(mm_read(of, va_of(va), text, sizeof(text)), sizeof(text));
	ck_assert_str_eq(text, expected);
}

static int fault(uint64_t va, uint32_t flags)
{
	uint64_t pfn, run;
	return mm_fault(mm, va_of(va), 1, flags, &pfn, &run);
}

static bool is_free(uint64_t pfn)
{
	return memory_is_free(&machine->memory, pfn);
}

static struct object *shared_object(enum object_kind kind, uint64_t pages)
{
	return object_new(machine, kind, pages * PAGE_SIZE, mm->owner);
}

/* ---- placement ---- */

START_TEST(mappings_go_down_from_the_top)
{
	uint64_t first, second;
	ck_assert_int_eq(map_object(NULL, 0, 3, RW, PRIVATE, &first), 0);
	ck_assert_int_eq(map_object(NULL, 0, 2, RW, PRIVATE, &second), 0);
	ck_assert_uint_eq(first, MMAP_TOP - 3 * PAGE_SIZE);
	ck_assert_uint_eq(second, first - 2 * PAGE_SIZE);
	ck_assert_int_eq(mm_unmap(mm, first, 3 * PAGE_SIZE), 0);
	ck_assert_int_eq(map_object(NULL, 0, 1, RW, PRIVATE, &first), 0);
	ck_assert_uint_eq(first, MMAP_TOP - PAGE_SIZE);
}
END_TEST

START_TEST(hint_is_taken_where_it_is_free)
{
	uint64_t va;
	ck_assert_int_eq(map_object(NULL, PAGE(0), 2, RW, PRIVATE, &va), 0);
	ck_assert_uint_eq(va, PAGE(0));
	ck_assert_int_eq(map_object(NULL, PAGE(2) - 5, 1, RW, PRIVATE, &va), 0);
	ck_assert_uint_eq(va, PAGE(2));
	ck_assert_int_eq(map_object(NULL, PAGE(1), 1, RW, PRIVATE, &va), 0);
	ck_assert_uint_eq(va, MMAP_TOP - PAGE_SIZE);
	ck_assert_int_eq(map_object(NULL, ADDRESS - PAGE_SIZE, 2, RW, PRIVATE, &va), 0);
	ck_assert_uint_ne(va, ADDRESS - PAGE_SIZE);
}
END_TEST

START_TEST(fixed_mapping_replaces)
{
	uint64_t va;
	map_here(NULL, 4, RW, PRIVATE);
	put(mm, PAGE(1), "old");
	uint64_t pfn = frame_of(mm, PAGE(1), 0);
	ck_assert_int_eq(map_object(NULL, PAGE(1), 2, PROT_READ_BIT, PRIVATE | MAP_FIXED_BIT, &va),
			 0);
	ck_assert(is_free(pfn));
	ck_assert_uint_eq(mm->vma_count, 3);
	ck_assert_uint_eq(mm_find_vma(mm, PAGE(0))->last, PAGE(1) - 1);
	ck_assert_uint_eq(mm_find_vma(mm, PAGE(2))->prot, PROT_READ_BIT);
	ck_assert_uint_eq(mm_find_vma(mm, PAGE(3))->first, PAGE(3));
	assert_text(mm, PAGE(1), "");
}
END_TEST

START_TEST(noreplace_mapping_is_refused_where_something_is)
{
	uint64_t va;
	uint32_t flags = PRIVATE | MAP_FIXED_NOREPLACE_BIT;
	map_here(NULL, 2, RW, PRIVATE);
	ck_assert_int_eq(map_object(NULL, PAGE(1), 2, RW, flags, &va), -EEXIST);
	ck_assert_int_eq(map_object(NULL, ADDRESS - PAGE_SIZE, 2, RW, flags, &va), -EEXIST);
	ck_assert_int_eq(map_object(NULL, PAGE(2), 2, RW, flags, &va), 0);
	ck_assert_uint_eq(va, PAGE(2));
}
END_TEST

START_TEST(bad_addresses_and_lengths_are_refused)
{
	uint64_t va;
	uint32_t fixed = PRIVATE | MAP_FIXED_BIT;
	ck_assert_int_eq(map_object(NULL, PAGE(0), 0, RW, PRIVATE, &va), -EINVAL);
	ck_assert_int_eq(map_object(NULL, PAGE(0) + 8, 1, RW, fixed, &va), -EINVAL);
	ck_assert_int_eq(map_object(NULL, TASK_SIZE - PAGE_SIZE, 2, RW, fixed, &va), -ENOMEM);
	ck_assert_int_eq(map_object(NULL, TASK_SIZE - PAGE_SIZE, 1, RW, fixed, &va), 0);
	ck_assert_int_eq(map_object(NULL, 0, TASK_SIZE / PAGE_SIZE + 1, RW, PRIVATE, &va), -ENOMEM);
	ck_assert_int_eq(map_object(NULL, 0, TASK_SIZE / PAGE_SIZE, RW, PRIVATE, &va), -ENOMEM);
	ck_assert_int_eq(mm_unmap(mm, PAGE(0) + 1, PAGE_SIZE), -EINVAL);
	ck_assert_int_eq(mm_unmap(mm, PAGE(0), 0), -EINVAL);
	ck_assert_int_eq(mm_unmap(mm, PAGE(0), TASK_SIZE), -EINVAL);
	ck_assert_int_eq(mm_unmap(mm, PAGE(0), PAGE_SIZE), 0);
}
END_TEST

START_TEST(unmap_splits_and_frees)
{
	map_here(NULL, 5, RW, PRIVATE);
	uint64_t pfns[5];
	for (uint64_t i = 0; i < 5; i++)
		pfns[i] = frame_of(mm, PAGE(i), FAULT_WRITE);
	/* A length is rounded up to pages. */
	ck_assert_int_eq(mm_unmap(mm, PAGE(1), PAGE_SIZE + 1), 0);
	ck_assert_uint_eq(mm->vma_count, 2);
	for (uint64_t i = 0; i < 5; i++) {
		bool gone = i == 1 || i == 2;
		ck_assert_int_eq(is_free(pfns[i]), gone);
		ck_assert_int_eq(mm_find_vma(mm, PAGE(i)) == NULL, gone);
		ck_assert_int_eq(fault(PAGE(i), 0), gone ? -EFAULT : 0);
	}
}
END_TEST

START_TEST(upper_part_of_a_split_keeps_its_pages)
{
	struct object *object = shared_object(OBJECT_SHMEM, 4);
	map_here(object, 4, RW, MAP_SHARED_BIT);
	uint64_t pfn = frame_of(mm, PAGE(3), FAULT_WRITE);
	ck_assert_int_eq(mm_unmap(mm, PAGE(1), PAGE_SIZE), 0);
	ck_assert_uint_eq(mm_find_vma(mm, PAGE(2))->page_index, 2);
	ck_assert_uint_eq(frame_of(mm, PAGE(3), 0), pfn);
	ck_assert_uint_eq(object->references, 3);
	object_put(object);
}
END_TEST

/* ---- rights ---- */

START_TEST(faults_need_the_right)
{
	uint64_t va;
	map_here(NULL, 1, PROT_READ_BIT, PRIVATE);
	ck_assert_int_eq(map_object(NULL, PAGE(1), 1, 0, PRIVATE | MAP_FIXED_BIT, &va), 0);
	ck_assert_int_eq(fault(PAGE(0), 0), 0);
	ck_assert_int_eq(fault(PAGE(0), FAULT_WRITE), -EFAULT);
	ck_assert_int_eq(fault(PAGE(0), FAULT_WRITE | FAULT_FORCE), 0);
	ck_assert_int_eq(fault(PAGE(1), 0), -EFAULT);
	ck_assert_int_eq(fault(PAGE(1), FAULT_FORCE), 0);
	ck_assert_int_eq(fault(PAGE(2), FAULT_FORCE), -EFAULT);
	ck_assert_int_eq(fault(ADDRESS - 1, 0), -EFAULT);
}
END_TEST

START_TEST(copies_stop_at_the_first_fault)
{
	char buffer[64] = "";
	map_here(NULL, 1, PROT_READ_BIT, PRIVATE);
	ck_assert_uint_eq(mm_read(mm, va_of(PAGE(1) - 10), buffer, 64), 10);
	ck_assert_uint_eq(mm_write(mm, va_of(PAGE(0)), buffer, 64), 0);
	ck_assert_uint_eq(mm_poke(mm, va_of(PAGE(1) - 10), "abc", 4), 4);
	ck_assert_uint_eq(mm_peek(mm, va_of(PAGE(1) - 10), buffer, 64), 10);
	ck_assert_str_eq(buffer, "abc");
}
END_TEST

START_TEST(mapping_ends_where_its_file_ends)
{
	uint64_t pfn, run;
	struct object *object = object_new(machine, OBJECT_SHMEM, 2 * PAGE_SIZE + 1, mm->owner);
	map_here(object, 5, RW, _i == 0 ? MAP_SHARED_BIT : MAP_PRIVATE_BIT);
	ck_assert_int_eq(mm_fault(mm, va_of(PAGE(1)), 4, 0, &pfn, &run), 0);
	ck_assert_uint_eq(run, 2);
	ck_assert_int_eq(fault(PAGE(2), FAULT_WRITE), 0);
	ck_assert_int_eq(fault(PAGE(3), 0), -EFAULT);
	object->size = 4 * PAGE_SIZE;
	ck_assert_int_eq(fault(PAGE(3), 0), 0);
	ck_assert_int_eq(fault(PAGE(4), FAULT_WRITE), -EFAULT);
	object_put(object);
}
END_TEST

START_TEST(device_registers_cannot_be_pinned)
{
	struct object *object = shared_object(OBJECT_DEVICE, 2);
	spans_set(&object->pages, 0, 0, 0x1234, 0);
	map_here(object, 2, RW, MAP_SHARED_BIT);
	ck_assert_uint_eq(frame_of(mm, PAGE(0), FAULT_WRITE), 0x1234);
	ck_assert_int_eq(fault(PAGE(0), FAULT_PIN), -EFAULT);
	ck_assert_int_eq(fault(PAGE(1), 0), -EFAULT);
	ck_assert_int_eq(mm_unmap(mm, PAGE(0), 2 * PAGE_SIZE), 0);
	object_put(object);
}
END_TEST

/* ---- fork ---- */

START_TEST(shared_page_is_one_frame_after_fork)
{
	struct object *object = shared_object(OBJECT_SHMEM, 1);
	map_here(object, 1, RW, MAP_SHARED_BIT);
	object_put(object);
	put(mm, PAGE(0), "parent");
	struct process *child = process_fork(process);
	assert_text(child->mm, PAGE(0), "parent");
	put(child->mm, PAGE(0), "child");
	assert_text(mm, PAGE(0), "child");
	ck_assert_uint_eq(frame_of(child->mm, PAGE(0), 0), frame_of(mm, PAGE(0), 0));
}
END_TEST

START_TEST(private_page_is_copied_at_the_write)
{
	map_here(NULL, 1, RW, PRIVATE);
	put(mm, PAGE(0), "before");
	uint64_t pfn = frame_of(mm, PAGE(0), 0);
	struct process *child = process_fork(process);
	struct mm *writer = _i == 0 ? mm : child->mm;
	struct mm *keeper = _i == 0 ? child->mm : mm;
	ck_assert_uint_eq(frame_of(child->mm, PAGE(0), 0), pfn);
	put(writer, PAGE(0), "after");
	assert_text(keeper, PAGE(0), "before");
	assert_text(writer, PAGE(0), "after");
	ck_assert_uint_eq(frame_of(keeper, PAGE(0), 0), pfn);
	ck_assert_uint_ne(frame_of(writer, PAGE(0), 0), pfn);
	/* Now that nobody shares it, a write leaves the page where it is. */
	put(keeper, PAGE(0), "alone");
	ck_assert_uint_eq(frame_of(keeper, PAGE(0), 0), pfn);
	ck_assert_uint_eq(memory_frame(&machine->memory, pfn, NULL).references, 1);
}
END_TEST

START_TEST(pin_copies_a_shared_private_page)
{
	map_here(NULL, 1, RW, PRIVATE);
	put(mm, PAGE(0), "x");
	uint64_t pfn = frame_of(mm, PAGE(0), 0);
	process_fork(process);
	ck_assert_uint_ne(frame_of(mm, PAGE(0), FAULT_PIN), pfn);
	assert_text(mm, PAGE(0), "x");
}
END_TEST

START_TEST(pinned_private_page_stays_with_the_parent)
{
	map_here(NULL, 3, RW, PRIVATE);
	for (uint64_t i = 0; i < 3; i++)
		put(mm, PAGE(i), "page");
	uint64_t pinned = frame_of(mm, PAGE(1), 0);
	uint64_t shared = frame_of(mm, PAGE(2), 0);
	ck_assert(memory_pin(&machine->memory, pinned, 1));
	struct process *child = process_fork(process);
	ck_assert_uint_ne(frame_of(child->mm, PAGE(1), 0), pinned);
	ck_assert_uint_eq(frame_of(child->mm, PAGE(2), 0), shared);
	assert_text(child->mm, PAGE(1), "page");
	put(mm, PAGE(1), "parent");
	ck_assert_uint_eq(frame_of(mm, PAGE(1), 0), pinned);
	assert_text(child->mm, PAGE(1), "page");
}
END_TEST

START_TEST(frames_outlive_neither_process)
{
	map_here(NULL, 1, RW, PRIVATE);
	uint64_t pfn = frame_of(mm, PAGE(0), FAULT_WRITE);
	struct process *child = process_fork(process);
	process_exit(process, 0);
	ck_assert(!is_free(pfn));
	assert_text(child->mm, PAGE(0), "");
	process_exit(child, 0);
	ck_assert(is_free(pfn));
}
END_TEST

static int opens;
static int closes;

static void count(void *context)
{
	(*(int *)context)++;
}

static void count_open(void *context)
{
	(void)context;
	opens++;
}

START_TEST(driver_hears_of_copies_and_ends_of_its_mapping)
{
	static const struct vma_ops ops = {.open = count_open, .close = count};
	uint64_t va;
	opens = closes = 0;
	struct map_request request = {
		.length = 3 * PAGE_SIZE,
		.prot = RW,
		.flags = MAP_SHARED_BIT,
		.object = shared_object(OBJECT_SHMEM, 3),
		.ops = &ops,
		.ops_context = &closes,
	};
	ck_assert_int_eq(mm_map(mm, &request, &va), 0);
	ck_assert_int_eq(opens, 0);
	ck_assert_int_eq(mm_unmap(mm, va + PAGE_SIZE, PAGE_SIZE), 0);
	ck_assert_int_eq(opens - closes, 1); /* two pieces where one was */
	struct process *child = process_fork(process);
	ck_assert_int_eq(opens - closes, 3);
	process_exit(child, 0);
	process_exit(process, 0);
	ck_assert_int_eq(closes - opens, 1);
}
END_TEST

START_TEST(processes_are_limited)
{
	machine->process_count = PROCESSES_MAX - 1;
	ck_assert_ptr_nonnull(process_fork(process));
	ck_assert_ptr_null(process_fork(process));
}
END_TEST

/* ---- files and huge pages ---- */

START_TEST(private_file_page_is_copied_at_the_write)
{
	struct object *object = shared_object(OBJECT_FILE, 2);
	map_here(object, 2, RW, MAP_PRIVATE_BIT);
	uint64_t of_file = frame_of(mm, PAGE(1), 0);
	memory_write(&machine->memory, pa_of_pfn(of_file), "file", 5, 0);
	put(mm, PAGE(1), "x");
	uint64_t copied = frame_of(mm, PAGE(1), 0);
	ck_assert_uint_ne(copied, of_file);
	put(mm, PAGE(1) + 1, "y");
	ck_assert_uint_eq(frame_of(mm, PAGE(1), 0), copied);
	char text[5];
	memory_read(&machine->memory, pa_of_pfn(of_file), text, 5);
	ck_assert_str_eq(text, "file");
	/* What is private is forgotten; then the file's page shows again. */
	ck_assert_int_eq(mm_dontneed(mm, PAGE(1), PAGE_SIZE), 0);
	ck_assert(is_free(copied));
	ck_assert_uint_eq(frame_of(mm, PAGE(1), 0), of_file);
	object_put(object);
}
END_TEST

START_TEST(pin_of_a_private_file_page_copies_it)
{
	struct object *object = shared_object(OBJECT_FILE, 1);
	map_here(object, 1, PROT_READ_BIT, MAP_PRIVATE_BIT);
	uint64_t of_file = frame_of(mm, PAGE(0), 0);
	ck_assert_uint_ne(frame_of(mm, PAGE(0), FAULT_PIN), of_file);
	object_put(object);
}
END_TEST

START_TEST(dontneed_forgets_private_pages_but_pins_keep_frames)
{
	map_here(NULL, 3, RW, PRIVATE);
	uint64_t pfns[3];
	for (uint64_t i = 0; i < 3; i++) {
		put(mm, PAGE(i), "old");
		pfns[i] = frame_of(mm, PAGE(i), 0);
	}
	ck_assert(memory_pin(&machine->memory, pfns[1], 1));
	ck_assert_int_eq(mm_dontneed(mm, PAGE(0) + 1, PAGE_SIZE), -EINVAL);
	ck_assert_int_eq(mm_dontneed(mm, PAGE(0), 0), 0);
	assert_text(mm, PAGE(0), "old");
	ck_assert_int_eq(mm_dontneed(mm, PAGE(0), 2 * PAGE_SIZE), 0);
	ck_assert(is_free(pfns[0]));
	ck_assert(!is_free(pfns[1]));
	assert_text(mm, PAGE(1), "");
	ck_assert_uint_ne(frame_of(mm, PAGE(1), 0), pfns[1]);
	assert_text(mm, PAGE(2), "old");
}
END_TEST

START_TEST(dontneed_leaves_shared_pages)
{
	struct object *object = shared_object(OBJECT_SHMEM, 1);
	map_here(object, 1, RW, MAP_SHARED_BIT);
	put(mm, PAGE(0), "kept");
	ck_assert_int_eq(mm_dontneed(mm, PAGE(0), PAGE_SIZE), 0);
	assert_text(mm, PAGE(0), "kept");
	object_put(object);
}
END_TEST

START_TEST(punch_forgets_pages_but_pins_keep_frames)
{
	struct object *object = shared_object(OBJECT_SHMEM, 4);
	map_here(object, 4, RW, MAP_SHARED_BIT);
	uint64_t pfns[4];
	for (uint64_t i = 0; i < 4; i++) {
		put(mm, PAGE(i), "old");
		pfns[i] = frame_of(mm, PAGE(i), 0);
	}
	ck_assert(memory_pin(&machine->memory, pfns[2], 1));
	object_punch(object, 1, 0);
	object_punch(object, 1, 2);
	ck_assert(!is_free(pfns[0]));
	ck_assert(is_free(pfns[1]));
	ck_assert(!is_free(pfns[2]));
	assert_text(mm, PAGE(2), "");
	ck_assert_uint_ne(frame_of(mm, PAGE(2), 0), pfns[2]);
	assert_text(mm, PAGE(3), "old");
	memory_unpin(&machine->memory, pfns[2], 1);
	ck_assert(is_free(pfns[2]));
	object_put(object);
}
END_TEST

START_TEST(two_mappings_of_an_object_alias)
{
	uint64_t va;
	struct object *object = shared_object(OBJECT_SHMEM, 2);
	map_here(object, 2, RW, MAP_SHARED_BIT);
	struct map_request second = {
		.address = PAGE(10),
		.length = PAGE_SIZE,
		.prot = RW,
		.flags = MAP_SHARED_BIT,
		.object = object,
		.page_index = 1,
	};
	ck_assert_int_eq(mm_map(mm, &second, &va), 0);
	put(mm, PAGE(1), "alias");
	assert_text(mm, va, "alias");
	uint64_t pfn = frame_of(mm, va, 0);
	ck_assert_uint_eq(pfn, frame_of(mm, PAGE(1), 0));
	object_put(object);
	ck_assert_int_eq(mm_unmap(mm, PAGE(0), 2 * PAGE_SIZE), 0);
	ck_assert(!is_free(pfn));
	ck_assert_int_eq(mm_unmap(mm, va, PAGE_SIZE), 0);
	ck_assert(is_free(pfn));
}
END_TEST

START_TEST(huge_pages_come_from_a_pool)
{
	uint64_t pfn, run, va;
	uint64_t pages = HUGE_PAGES * HPAGE_FRAMES;
	struct object *object = shared_object(OBJECT_HUGETLB, pages + HPAGE_FRAMES);
	ck_assert_int_eq(map_object(object, 0, pages + HPAGE_FRAMES, RW,
				    MAP_SHARED_BIT | MAP_HUGETLB_BIT, &va),
			 0);
	object_put(object);
	ck_assert_uint_eq(va % HPAGE_SIZE, 0);
	ck_assert_int_eq(mm_fault(mm, va_of(va + HPAGE_SIZE + 5 * PAGE_SIZE), 1, 0, &pfn, &run), 0);
	ck_assert_uint_eq(pfn % HPAGE_FRAMES, 5);
	ck_assert_uint_eq(memory_frame(&machine->memory, pfn, NULL).flags, FRAME_HUGE);
	ck_assert_uint_eq(machine->huge_free, HUGE_PAGES - 1);
	for (uint64_t i = 0; i < HUGE_PAGES; i++)
		frame_of(mm, va + i * HPAGE_SIZE, FAULT_WRITE);
	ck_assert_uint_eq(machine->huge_free, 0);
	ck_assert_int_eq(fault(va + HUGE_PAGES * HPAGE_SIZE, 0), -ENOMEM);
	ck_assert_int_eq(mm_unmap(mm, va, (HUGE_PAGES + 1) * HPAGE_SIZE), 0);
	ck_assert_uint_eq(machine->huge_free, HUGE_PAGES);
	ck_assert(is_free(pfn));
}
END_TEST

START_TEST(punched_huge_page_returns_to_its_pool)
{
	struct object *object = shared_object(OBJECT_HUGETLB, 2 * HPAGE_FRAMES);
	uint64_t pfn, run;
	ck_assert_int_eq(object_frames(object, 0, 2 * HPAGE_FRAMES, &pfn, &run), 0);
	ck_assert_uint_eq(machine->huge_free, HUGE_PAGES - 2);
	object_punch(object, HPAGE_FRAMES, HPAGE_FRAMES);
	ck_assert_uint_eq(machine->huge_free, HUGE_PAGES - 1);
	object_put(object);
	ck_assert_uint_eq(machine->huge_free, HUGE_PAGES);
}
END_TEST

START_TEST(large_runs_are_aligned_while_they_can_be)
{
	uint64_t va = 0, pfn, run;
	ck_assert_int_eq(map_object(NULL, 0, HPAGE_FRAMES, RW, PRIVATE, &va), 0);
	map_here(NULL, 1, RW, PRIVATE);
	frame_of(mm, PAGE(0), FAULT_WRITE);
	ck_assert_int_eq(mm_fault(mm, va_of(va), HPAGE_FRAMES, FAULT_WRITE, &pfn, &run), 0);
	ck_assert_uint_eq(run, HPAGE_FRAMES);
	ck_assert_uint_eq(pfn % HPAGE_FRAMES, 0);
}
END_TEST

START_TEST(large_mapping_gets_the_last_frames_too)
{
	/* No aligned run is left, but there are frames. */
	uint64_t pfn, run, va;
	struct memory *memory = &machine->memory;
	ck_assert_uint_eq(memory_alloc(memory, 0, FRAME_COUNT, FRAME_COUNT, 1, 0, &pfn),
			  FRAME_COUNT);
	memory_put(memory, pfn + 3, 8);
	struct object *object = NULL;
	if (_i == 1)
		object = shared_object(OBJECT_SHMEM, HPAGE_FRAMES);
	ck_assert_int_eq(map_object(object, HPAGE_SIZE, HPAGE_FRAMES, RW,
				    _i == 1 ? MAP_SHARED_BIT : PRIVATE, &va),
			 0);
	ck_assert_int_eq(mm_fault(mm, va_of(va), HPAGE_FRAMES, FAULT_WRITE, &pfn, &run), 0);
	ck_assert_uint_eq(run, 8);
	ck_assert_int_eq(fault(va + 8 * PAGE_SIZE, FAULT_WRITE), -ENOMEM);
}
END_TEST

/* ---- what the host does ---- */

static int migrate(uint64_t va)
{
	return mm_migrate(mm, va_of(va));
}

static int reclaim(uint64_t va)
{
	return mm_reclaim(mm, va_of(va));
}

/* PAGES at PAGE(0): private ones, or those of an object, which the mapping keeps. */
static void map_pages(bool shared, uint64_t pages)
{
	struct object *object = shared ? shared_object(OBJECT_SHMEM, pages) : NULL;
	map_here(object, pages, RW, shared ? MAP_SHARED_BIT : PRIVATE);
	if (shared)
		object_put(object);
}

START_TEST(migrated_page_keeps_its_contents)
{
	map_pages(_i == 1, 3);
	for (uint64_t i = 0; i < 3; i++)
		put(mm, PAGE(i), "page");
	put(mm, PAGE(1), "moved");
	uint64_t neighbour = frame_of(mm, PAGE(2), 0), old = frame_of(mm, PAGE(1), 0);
	memory_write(&machine->memory, pa_of(old * PAGE_SIZE + 100), "x", 1, 77);
	ck_assert_int_eq(migrate(PAGE(1) + 5), 0);
	uint64_t fresh = frame_of(mm, PAGE(1), 0);
	ck_assert_uint_ne(fresh, old);
	ck_assert(is_free(old));
	assert_text(mm, PAGE(1), "moved");
	ck_assert_uint_eq(memory_frame(&machine->memory, fresh, NULL).owner, mm->owner);
	ck_assert_uint_eq(memory_writer(&machine->memory, fresh), 77);
	ck_assert_uint_eq(frame_of(mm, PAGE(2), 0), neighbour);
}
END_TEST

START_TEST(reclaimed_page_comes_back_at_the_next_fault)
{
	map_pages(_i == 1, 3);
	for (uint64_t i = 0; i < 3; i++)
		put(mm, PAGE(i), "page");
	put(mm, PAGE(1), "taken");
	uint64_t old = frame_of(mm, PAGE(1), 0), others;
	memory_write(&machine->memory, pa_of(old * PAGE_SIZE + 100), "x", 1, 77);
	ck_assert_int_eq(reclaim(PAGE(1) + 5), 0);
	ck_assert(is_free(old));
	ck_assert_uint_eq(memory_alloc(&machine->memory, 9, 1, 1, 1, 0, &others), 1);
	ck_assert_uint_eq(others, old);
	assert_text(mm, PAGE(1), "taken");
	uint64_t fresh = frame_of(mm, PAGE(1), 0);
	ck_assert_uint_ne(fresh, old);
	ck_assert_uint_eq(memory_writer(&machine->memory, fresh), 77);
	ck_assert(LIST_EMPTY(&machine->swap));
	assert_text(mm, PAGE(0), "page");
	assert_text(mm, PAGE(2), "page");
}
END_TEST

START_TEST(pinned_page_is_not_the_hosts)
{
	map_pages(_i == 1, 1);
	put(mm, PAGE(0), "kept");
	uint64_t pfn = frame_of(mm, PAGE(0), 0);
	ck_assert(memory_pin(&machine->memory, pfn, 1));
	ck_assert_int_eq(migrate(PAGE(0)), -EBUSY);
	ck_assert_int_eq(reclaim(PAGE(0)), -EBUSY);
	ck_assert_uint_eq(frame_of(mm, PAGE(0), 0), pfn);
	assert_text(mm, PAGE(0), "kept");
	memory_unpin(&machine->memory, pfn, 1);
	ck_assert_int_eq(reclaim(PAGE(0)), 0);
	ck_assert_int_eq(migrate(PAGE(0)), -EFAULT);
	assert_text(mm, PAGE(0), "kept");
	ck_assert_int_eq(migrate(PAGE(0)), 0);
}
END_TEST

START_TEST(page_shared_after_a_fork_is_not_the_hosts)
{
	map_pages(false, 1);
	put(mm, PAGE(0), "both");
	uint64_t pfn = frame_of(mm, PAGE(0), 0);
	struct process *child = process_fork(process);
	ck_assert_int_eq(migrate(PAGE(0)), -EBUSY);
	ck_assert_int_eq(reclaim(PAGE(0)), -EBUSY);
	ck_assert_int_eq(mm_reclaim(child->mm, va_of(PAGE(0))), -EBUSY);
	ck_assert_uint_eq(frame_of(child->mm, PAGE(0), 0), pfn);
	process_exit(child, 0);
	ck_assert_int_eq(reclaim(PAGE(0)), 0);
	ck_assert(is_free(pfn));
	assert_text(mm, PAGE(0), "both");
}
END_TEST

/* One object has one frame a page, however many mappings there are. */
START_TEST(page_of_an_object_is_the_hosts_after_a_fork)
{
	map_pages(true, 1);
	put(mm, PAGE(0), "both");
	struct process *child = process_fork(process);
	ck_assert_int_eq(migrate(PAGE(0)), 0);
	ck_assert_uint_eq(frame_of(child->mm, PAGE(0), 0), frame_of(mm, PAGE(0), 0));
	ck_assert_int_eq(mm_reclaim(child->mm, va_of(PAGE(0))), 0);
	assert_text(mm, PAGE(0), "both");
	put(mm, PAGE(0), "again");
	assert_text(child->mm, PAGE(0), "again");
}
END_TEST

START_TEST(where_nothing_is_there_is_nothing_for_the_host)
{
	map_pages(_i == 1, 2);
	ck_assert_int_eq(migrate(PAGE(0)), -EFAULT);
	ck_assert_int_eq(reclaim(PAGE(0)), -EFAULT);
	ck_assert_int_eq(migrate(PAGE(7)), -EFAULT);
	ck_assert_int_eq(reclaim(PAGE(7)), -EFAULT);
	put(mm, PAGE(1), "x");
	ck_assert_int_eq(reclaim(PAGE(1)), 0);
	ck_assert_int_eq(reclaim(PAGE(1)), -EFAULT);
	ck_assert_int_eq(migrate(PAGE(1)), -EFAULT);
	assert_text(mm, PAGE(1), "x");
}
END_TEST

START_TEST(registers_and_huge_pages_are_not_the_hosts)
{
	uint64_t va;
	struct object *registers = shared_object(OBJECT_DEVICE, 1);
	struct object *huge = shared_object(OBJECT_HUGETLB, HPAGE_FRAMES);
	spans_set(&registers->pages, 0, 0, 0x1234, 0);
	map_here(registers, 1, RW, MAP_SHARED_BIT);
	ck_assert_int_eq(migrate(PAGE(0)), -EFAULT);
	ck_assert_int_eq(reclaim(PAGE(0)), -EFAULT);
	ck_assert_int_eq(
		map_object(huge, 0, HPAGE_FRAMES, RW, MAP_SHARED_BIT | MAP_HUGETLB_BIT, &va), 0);
	put(mm, va, "x");
	ck_assert_int_eq(migrate(va), -EBUSY);
	ck_assert_int_eq(reclaim(va), -EBUSY);
	object_put(registers);
	object_put(huge);
}
END_TEST

START_TEST(reclaimed_page_is_dropped_with_its_mapping)
{
	map_pages(_i == 3, 1);
	put(mm, PAGE(0), "gone");
	ck_assert_int_eq(reclaim(PAGE(0)), 0);
	if (_i == 0)
		ck_assert_int_eq(mm_unmap(mm, PAGE(0), PAGE_SIZE), 0);
	else if (_i == 1)
		ck_assert_int_eq(mm_dontneed(mm, PAGE(0), PAGE_SIZE), 0);
	else if (_i == 3)
		object_punch(mm_find_vma(mm, PAGE(0))->object, 0, 1);
	if (_i == 0 || _i == 2)
		map_here(NULL, 1, RW, PRIVATE);
	ck_assert(LIST_EMPTY(&machine->swap));
	assert_text(mm, PAGE(0), "");
}
END_TEST

START_TEST(reclaimed_page_ends_with_its_process)
{
	map_pages(_i == 1, 2);
	put(mm, PAGE(1), "x");
	ck_assert_int_eq(reclaim(PAGE(1)), 0);
	process_exit(process, 0);
	ck_assert(LIST_EMPTY(&machine->swap));
}
END_TEST

START_TEST(reclaimed_page_is_kept_across_a_fork_for_both)
{
	map_pages(false, 2);
	put(mm, PAGE(0), "before");
	put(mm, PAGE(1), "second");
	ck_assert_int_eq(reclaim(PAGE(0)), 0);
	ck_assert_int_eq(reclaim(PAGE(1)), 0);
	struct process *child = process_fork(process);
	struct mm *writer = _i == 0 ? mm : child->mm;
	struct mm *keeper = _i == 0 ? child->mm : mm;
	put(writer, PAGE(0), "after");
	assert_text(keeper, PAGE(0), "before");
	assert_text(writer, PAGE(0), "after");
	assert_text(keeper, PAGE(1), "second");
	assert_text(writer, PAGE(1), "second");
	ck_assert_uint_ne(frame_of(mm, PAGE(1), 0), frame_of(child->mm, PAGE(1), 0));
	ck_assert(LIST_EMPTY(&machine->swap));
}
END_TEST

/* A reclaimed private copy lies between pages of the file: a run must not pass over it. */
START_TEST(reclaimed_copy_is_not_hidden_by_its_file)
{
	struct object *object = shared_object(OBJECT_SHMEM, 5);
	uint64_t pfn, run, whole;
	ck_assert_int_eq(object_frames(object, 0, 5, &pfn, &whole), 0);
	ck_assert_uint_eq(whole, 5);
	memory_write(&machine->memory, pa_of_pfn(pfn + 2), "file", 5, 0);
	map_here(object, 5, RW, MAP_PRIVATE_BIT);
	put(mm, PAGE(2), "copy");
	ck_assert_int_eq(reclaim(PAGE(2)), 0);
	ck_assert_int_eq(mm_fault(mm, va_of(PAGE(0)), 5, 0, &pfn, &run), 0);
	ck_assert_uint_eq(run, 2);
	ck_assert_int_eq(mm_fault(mm, va_of(PAGE(2)), 3, _i == 1 ? FAULT_PIN : 0, &pfn, &run), 0);
	ck_assert_uint_eq(run, 1);
	assert_text(mm, PAGE(2), "copy");
	ck_assert_int_eq(mm_dontneed(mm, PAGE(2), PAGE_SIZE), 0);
	assert_text(mm, PAGE(2), "file");
	object_put(object);
}
END_TEST

START_TEST(reclaimed_page_comes_back_in_the_middle_of_a_run)
{
	uint64_t pfn, run;
	map_pages(_i == 1, 5);
	put(mm, PAGE(2), "middle");
	ck_assert_int_eq(reclaim(PAGE(2)), 0);
	/* Or the frame that is now free would make a run of its own. */
	ck_assert_uint_eq(memory_alloc(&machine->memory, 9, 1, 1, 1, 0, &pfn), 1);
	ck_assert_int_eq(mm_fault(mm, va_of(PAGE(0)), 5, FAULT_WRITE, &pfn, &run), 0);
	ck_assert_uint_eq(run, 5);
	assert_text(mm, PAGE(2), "middle");
	ck_assert_uint_eq(frame_of(mm, PAGE(2), 0), pfn + 2);
	assert_text(mm, PAGE(1), "");
	assert_text(mm, PAGE(3), "");
}
END_TEST

START_TEST(reclaimed_page_waits_for_a_frame)
{
	struct memory *memory = &machine->memory;
	uint64_t pfn;
	map_pages(_i == 1, 1);
	put(mm, PAGE(0), "waits");
	ck_assert_int_eq(reclaim(PAGE(0)), 0);
	while (memory_alloc(memory, 9, FRAME_COUNT, 1, 1, 0, &pfn) > 0)
		;
	ck_assert_int_eq(fault(PAGE(0), 0), -ENOMEM);
	ck_assert_int_eq(migrate(PAGE(0)), -EFAULT);
	memory_put(memory, machine->config.ram_base / PAGE_SIZE, 1);
	assert_text(mm, PAGE(0), "waits");
	ck_assert_int_eq(migrate(PAGE(0)), -ENOMEM);
	assert_text(mm, PAGE(0), "waits");
}
END_TEST

/* The page at the address is the reclaimed copy, not what the file has there. */
START_TEST(reclaimed_copy_leaves_nothing_for_the_host)
{
	struct object *object = shared_object(OBJECT_SHMEM, 1);
	map_here(object, 1, RW, MAP_PRIVATE_BIT);
	put(mm, PAGE(0), "copy");
	ck_assert_int_eq(reclaim(PAGE(0)), 0);
	ck_assert_int_eq(reclaim(PAGE(0)), -EFAULT);
	ck_assert_int_eq(migrate(PAGE(0)), -EFAULT);
	object_put(object);
}
END_TEST

static uint64_t machine_hash_value(void)
{
	struct hash hash;
	hash_init(&hash);
	machine_hash(machine, &hash);
	return hash.value;
}

/* The next fault depends on what was taken. */
START_TEST(hash_follows_what_the_host_took)
{
	map_pages(false, 1);
	put(mm, PAGE(0), "x");
	ck_assert_int_eq(reclaim(PAGE(0)), 0);
	uint64_t before = machine_hash_value();
	LIST_FIRST(&machine->swap)->bytes[0] = 'y';
	ck_assert_uint_ne(machine_hash_value(), before);
}
END_TEST

START_TEST(address_space_survives_its_process_while_referenced)
{
	map_here(NULL, 1, RW, PRIVATE);
	uint64_t pfn = frame_of(mm, PAGE(0), FAULT_WRITE);
	mm_get(mm);
	process_exit(process, 0);
	ck_assert(is_free(pfn));
	ck_assert_uint_eq(mm->users, 0);
	ck_assert_uint_eq(mm->vma_count, 0);
	ck_assert_int_eq(fault(PAGE(0), 0), -EFAULT);
	size_t live = arena_live(machine->arena);
	mm_put(mm);
	ck_assert_uint_lt(arena_live(machine->arena), live);
}
END_TEST

START_TEST(hash_follows_mappings)
{
	struct hash before, after;
	hash_init(&before);
	process_hash(process, &before);
	map_here(NULL, 1, RW, PRIVATE);
	hash_init(&after);
	process_hash(process, &after);
	ck_assert_uint_ne(before.value, after.value);
}
END_TEST

START_TEST(protection_changes_for_the_pages_named_and_no_others)
{
	uint64_t pfn, run;
	map_here(NULL, 4, RW, PRIVATE);
	uint64_t frame = frame_of(mm, PAGE(1), FAULT_WRITE);
	ck_assert_int_eq(mm_protect(mm, PAGE(1), PAGE_SIZE, PROT_READ_BIT), 0);
	ck_assert_int_eq(mm_fault(mm, va_of(PAGE(1)), 1, FAULT_WRITE, &pfn, &run), -EFAULT);
	ck_assert_uint_eq(frame_of(mm, PAGE(1), 0), frame);
	frame_of(mm, PAGE(0), FAULT_WRITE);
	frame_of(mm, PAGE(2), FAULT_WRITE);
	ck_assert_int_eq(mm_protect(mm, PAGE(1), PAGE_SIZE, RW), 0);
	ck_assert_uint_eq(frame_of(mm, PAGE(1), FAULT_WRITE), frame);
}
END_TEST

START_TEST(protection_of_a_gap_is_enomem)
{
	uint64_t pfn, run;
	map_here(NULL, 2, RW, PRIVATE);
	ck_assert_int_eq(mm_protect(mm, PAGE(0) + 1, PAGE_SIZE, PROT_READ_BIT), -EINVAL);
	ck_assert_int_eq(mm_protect(mm, PAGE(1), 2 * PAGE_SIZE, PROT_READ_BIT), -ENOMEM);
	ck_assert_int_eq(mm_fault(mm, va_of(PAGE(1)), 1, FAULT_WRITE, &pfn, &run), -EFAULT);
	frame_of(mm, PAGE(0), FAULT_WRITE);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("process");
	TCase *placement = tcase_create("placement");
	tcase_add_checked_fixture(placement, setup, teardown);
	tcase_add_test(placement, mappings_go_down_from_the_top);
	tcase_add_test(placement, hint_is_taken_where_it_is_free);
	tcase_add_test(placement, fixed_mapping_replaces);
	tcase_add_test(placement, noreplace_mapping_is_refused_where_something_is);
	tcase_add_test(placement, bad_addresses_and_lengths_are_refused);
	tcase_add_test(placement, unmap_splits_and_frees);
	tcase_add_test(placement, upper_part_of_a_split_keeps_its_pages);
	suite_add_tcase(s, placement);

	TCase *rights = tcase_create("rights");
	tcase_add_checked_fixture(rights, setup, teardown);
	tcase_add_test(rights, faults_need_the_right);
	tcase_add_test(rights, copies_stop_at_the_first_fault);
	tcase_add_loop_test(rights, mapping_ends_where_its_file_ends, 0, 2);
	tcase_add_test(rights, device_registers_cannot_be_pinned);
	suite_add_tcase(s, rights);

	TCase *forks = tcase_create("forks");
	tcase_add_checked_fixture(forks, setup, teardown);
	tcase_add_test(forks, shared_page_is_one_frame_after_fork);
	tcase_add_loop_test(forks, private_page_is_copied_at_the_write, 0, 2);
	tcase_add_test(forks, pin_copies_a_shared_private_page);
	tcase_add_test(forks, pinned_private_page_stays_with_the_parent);
	tcase_add_test(forks, frames_outlive_neither_process);
	tcase_add_test(forks, driver_hears_of_copies_and_ends_of_its_mapping);
	tcase_add_test(forks, processes_are_limited);
	suite_add_tcase(s, forks);

	TCase *objects = tcase_create("objects");
	tcase_add_checked_fixture(objects, setup, teardown);
	tcase_add_test(objects, private_file_page_is_copied_at_the_write);
	tcase_add_test(objects, pin_of_a_private_file_page_copies_it);
	tcase_add_test(objects, dontneed_forgets_private_pages_but_pins_keep_frames);
	tcase_add_test(objects, dontneed_leaves_shared_pages);
	tcase_add_test(objects, punch_forgets_pages_but_pins_keep_frames);
	tcase_add_test(objects, two_mappings_of_an_object_alias);
	tcase_add_test(objects, huge_pages_come_from_a_pool);
	tcase_add_test(objects, punched_huge_page_returns_to_its_pool);
	tcase_add_test(objects, large_runs_are_aligned_while_they_can_be);
	tcase_add_loop_test(objects, large_mapping_gets_the_last_frames_too, 0, 2);
	tcase_add_test(objects, address_space_survives_its_process_while_referenced);
	tcase_add_test(objects, hash_follows_mappings);
	suite_add_tcase(s, objects);

	TCase *host = tcase_create("host");
	tcase_add_checked_fixture(host, setup, teardown);
	tcase_add_loop_test(host, migrated_page_keeps_its_contents, 0, 2);
	tcase_add_loop_test(host, reclaimed_page_comes_back_at_the_next_fault, 0, 2);
	tcase_add_loop_test(host, pinned_page_is_not_the_hosts, 0, 2);
	tcase_add_test(host, page_shared_after_a_fork_is_not_the_hosts);
	tcase_add_test(host, page_of_an_object_is_the_hosts_after_a_fork);
	tcase_add_loop_test(host, where_nothing_is_there_is_nothing_for_the_host, 0, 2);
	tcase_add_test(host, registers_and_huge_pages_are_not_the_hosts);
	tcase_add_loop_test(host, reclaimed_page_is_dropped_with_its_mapping, 0, 4);
	tcase_add_loop_test(host, reclaimed_page_ends_with_its_process, 0, 2);
	tcase_add_loop_test(host, reclaimed_page_is_kept_across_a_fork_for_both, 0, 2);
	tcase_add_loop_test(host, reclaimed_copy_is_not_hidden_by_its_file, 0, 2);
	tcase_add_loop_test(host, reclaimed_page_comes_back_in_the_middle_of_a_run, 0, 2);
	tcase_add_loop_test(host, reclaimed_page_waits_for_a_frame, 0, 2);
	tcase_add_test(placement, reclaimed_copy_leaves_nothing_for_the_host);
	tcase_add_test(placement, hash_follows_what_the_host_took);
	tcase_add_test(placement, protection_changes_for_the_pages_named_and_no_others);
	tcase_add_test(placement, protection_of_a_gap_is_enomem);
	suite_add_tcase(s, host);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
