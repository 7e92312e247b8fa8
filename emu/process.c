// SPDX-License-Identifier: Apache-2.0
#include "emu/process.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "emu/arena.h"
#include "emu/machine.h"

/* --- objects -------------------------------------------------------------------------------- */

struct object *object_new(struct machine *machine, enum object_kind kind, uint64_t size,
			  uint32_t owner)
{
	struct object *object = arena_new(machine->arena, struct object);
	object->machine = machine;
	object->kind = kind;
	object->references = 1;
	object->size = size;
	object->owner = owner;
	spans_init(&object->pages, machine->arena, true);
	return object;
}

void object_get(struct object *object)
{
	object->references++;
}

static void put_frames(struct machine *machine, const struct span *span)
{
	memory_put(&machine->memory, span->base, span->last - span->first + 1);
}

/* Fresh frames for pages of OWNER: what was reclaimed of them comes back. */
static void swap_in(struct machine *machine, const void *owner, uint64_t index, uint64_t count,
		    uint64_t pfn)
{
	struct swapped_page *page, *next;
	for (page = LIST_FIRST(&machine->swap); page != NULL; page = next) {
		next = LIST_NEXT(page, link);
		if (page->owner != owner || page->index - index >= count)
			continue;
		memory_write(&machine->memory, pa_of_pfn(pfn + (page->index - index)), page->bytes,
			     PAGE_SIZE, page->writer);
		LIST_REMOVE(page, link);
		arena_delete(machine->arena, page);
	}
}

/* The pages are gone, and what was reclaimed of them too. */
static void swap_drop(struct machine *machine, const void *owner, uint64_t first, uint64_t last)
{
	struct swapped_page *page, *next;
	for (page = LIST_FIRST(&machine->swap); page != NULL; page = next) {
		next = LIST_NEXT(page, link);
		if (page->owner != owner || page->index < first || page->index > last)
			continue;
		LIST_REMOVE(page, link);
		arena_delete(machine->arena, page);
	}
}

void object_put(struct object *object)
{
	assert(object->references > 0);
	if (--object->references > 0)
		return;
	struct machine *machine = object->machine;
	struct span *span;
	swap_drop(machine, object, 0, UINT64_MAX);
	SPANS_FOREACH (span, &object->pages) {
		if (object->kind != OBJECT_DEVICE)
			put_frames(machine, span);
		if (object->kind == OBJECT_HUGETLB)
			machine->huge_free += (span->last - span->first + 1) / HPAGE_FRAMES;
	}
	spans_fini(&object->pages);
	arena_delete(machine->arena, object);
}

/* Allocates a frame run for [index, index + count), none of which has one. */
static int object_fill(struct object *object, uint64_t index, uint64_t count)
{
	struct machine *machine = object->machine;
	uint64_t align = 1, min = 1;
	uint32_t flags = 0;
	if (object->kind == OBJECT_HUGETLB) {
		uint64_t end = align_up(index + count, HPAGE_FRAMES);
		index = align_down(index, HPAGE_FRAMES);
		count = end - index;
		if (count / HPAGE_FRAMES > machine->huge_free)
			count = machine->huge_free * HPAGE_FRAMES;
		align = min = HPAGE_FRAMES;
		flags = FRAME_HUGE;
		if (count == 0)
			return -ENOMEM;
	} else if (index % HPAGE_FRAMES == 0 && count >= HPAGE_FRAMES) {
		align = HPAGE_FRAMES; /* large runs come aligned, as from a buddy allocator */
	}
	uint64_t pfn;
	uint64_t got =
		memory_alloc(&machine->memory, object->owner, count, min, align, flags, &pfn);
	if (got == 0 && min == 1 && align > 1)
		got = memory_alloc(&machine->memory, object->owner, count, 1, 1, flags, &pfn);
	if (got == 0)
		return -ENOMEM;
	if (object->kind == OBJECT_HUGETLB) {
		uint64_t extra = got % HPAGE_FRAMES;
		if (extra != 0)
			memory_put(&machine->memory, pfn + got - extra, extra);
		got -= extra;
		machine->huge_free -= got / HPAGE_FRAMES;
	}
	spans_set(&object->pages, index, index + got - 1, pfn, 0);
	return 0;
}

int object_frames(struct object *object, uint64_t index, uint64_t count, uint64_t *pfn,
		  uint64_t *run)
{
	struct span *span = spans_from(&object->pages, index);
	if (span == NULL || span->first > index) {
		if (object->kind == OBJECT_DEVICE)
			return -EFAULT;
		uint64_t hole = span != NULL ? span->first - index : count;
		int error = object_fill(object, index, hole < count ? hole : count);
		if (error != 0)
			return error;
		span = spans_find(&object->pages, index);
		swap_in(object->machine, object, index, span->last - index + 1,
			span_at(span, index));
	}
	uint64_t available = span->last - index + 1;
	*pfn = span_at(span, index);
	*run = available < count ? available : count;
	return 0;
}

void object_punch(struct object *object, uint64_t index, uint64_t count)
{
	if (count == 0)
		return;
	uint64_t last = index + count - 1;
	swap_drop(object->machine, object, index, last);
	spans_split(&object->pages, index);
	spans_split(&object->pages, last + 1);
	struct span *span = spans_from(&object->pages, index);
	for (; span != NULL && span->last <= last; span = spans_next(span)) {
		put_frames(object->machine, span);
		if (object->kind == OBJECT_HUGETLB)
			object->machine->huge_free += (span->last - span->first + 1) / HPAGE_FRAMES;
	}
	spans_clear(&object->pages, index, last);
}

/* --- address spaces ------------------------------------------------------------------------- */

static int compare_vma(const struct vma *a, const struct vma *b)
{
	return a->first < b->first ? -1 : a->first > b->first;
}

TREE_GENERATE(vma_tree, vma, node, compare_vma)

static struct mm *mm_new(struct machine *machine, uint32_t owner)
{
	struct mm *mm = arena_new(machine->arena, struct mm);
	mm->machine = machine;
	mm->users = 1;
	mm->references = 1;
	mm->owner = owner;
	RB_INIT(&mm->vmas);
	spans_init(&mm->anon, machine->arena, true);
	return mm;
}

void mm_get(struct mm *mm)
{
	mm->references++;
}

void mm_put(struct mm *mm)
{
	assert(mm->references > 0);
	if (--mm->references == 0)
		arena_delete(mm->machine->arena, mm);
}

struct vma *mm_vma_from(struct mm *mm, uint64_t va)
{
	struct vma *vma = RB_ROOT(&mm->vmas), *found = NULL;
	while (vma != NULL) {
		if (vma->last >= va) {
			found = vma;
			if (vma->first <= va)
				break;
			vma = RB_LEFT(vma, node);
		} else {
			vma = RB_RIGHT(vma, node);
		}
	}
	return found;
}

struct vma *mm_find_vma(struct mm *mm, uint64_t va)
{
	struct vma *vma = mm->recent;
	if (vma != NULL && vma->first <= va && va <= vma->last)
		return vma;
	vma = mm_vma_from(mm, va);
	if (vma == NULL || vma->first > va)
		return NULL;
	return mm->recent = vma;
}

static void vma_hold(struct vma *vma)
{
	if (vma->object != NULL)
		object_get(vma->object);
	if (vma->file != NULL)
		file_get(vma->file);
	if (vma->ops != NULL)
		vma->ops->open(vma->ops_context);
}

static void vma_release(struct vma *vma)
{
	if (vma->ops != NULL)
		vma->ops->close(vma->ops_context);
	if (vma->object != NULL)
		object_put(vma->object);
	if (vma->file != NULL)
		file_put(vma->file);
}

static void vma_remove(struct mm *mm, struct vma *vma)
{
	RB_REMOVE(vma_tree, &mm->vmas, vma);
	mm->vma_count--;
	mm->recent = NULL;
	vma_release(vma);
	arena_delete(mm->machine->arena, vma);
}

static struct vma *vma_insert(struct mm *mm, const struct vma *like)
{
	struct vma *vma = arena_new(mm->machine->arena, struct vma);
	*vma = *like;
	RB_INSERT(vma_tree, &mm->vmas, vma);
	mm->vma_count++;
	return vma;
}

/* Makes VA the first byte of a VMA, if one holds it. */
static void vma_split(struct mm *mm, uint64_t va)
{
	struct vma *vma = mm_find_vma(mm, va);
	if (vma == NULL || vma->first == va)
		return;
	struct vma upper = *vma;
	upper.first = va;
	upper.page_index += (va - vma->first) / PAGE_SIZE;
	vma->last = va - 1;
	vma_hold(vma_insert(mm, &upper));
}

static void drop_anon(struct mm *mm, uint64_t first, uint64_t last)
{
	swap_drop(mm->machine, mm, first, last);
	spans_split(&mm->anon, first);
	spans_split(&mm->anon, last + 1);
	struct span *span = spans_from(&mm->anon, first);
	for (; span != NULL && span->last <= last; span = spans_next(span))
		put_frames(mm->machine, span);
	spans_clear(&mm->anon, first, last);
}

static void unmap_range(struct mm *mm, uint64_t first, uint64_t last)
{
	vma_split(mm, first);
	vma_split(mm, last + 1);
	struct vma *vma = mm_vma_from(mm, first);
	while (vma != NULL && vma->first <= last) {
		struct vma *next = RB_NEXT(vma_tree, &mm->vmas, vma);
		vma_remove(mm, vma);
		vma = next;
	}
	drop_anon(mm, first / PAGE_SIZE, last / PAGE_SIZE);
}

int mm_unmap(struct mm *mm, uint64_t va, uint64_t length)
{
	if (page_offset(va) != 0 || length == 0 || va > TASK_SIZE || length > TASK_SIZE - va)
		return -EINVAL;
	if (mm->vma_count + 2 > VMA_MAX)
		return -ENOMEM;
	unmap_range(mm, va, va + align_up(length, PAGE_SIZE) - 1);
	return 0;
}

/* Highest free range below MMAP_TOP, aligned; 0 when there is none. */
static uint64_t find_free(struct mm *mm, uint64_t length, uint64_t align)
{
	uint64_t end = MMAP_TOP;
	struct vma *vma = RB_MAX(vma_tree, &mm->vmas);
	for (;; vma = RB_PREV(vma_tree, &mm->vmas, vma)) {
		while (vma != NULL && vma->first >= end)
			vma = RB_PREV(vma_tree, &mm->vmas, vma);
		uint64_t floor = vma != NULL ? vma->last + 1 : PAGE_SIZE * 16;
		if (end > floor && end - floor >= length) {
			uint64_t start = align_down(end - length, align);
			if (start >= floor)
				return start;
		}
		if (vma == NULL)
			return 0;
		end = vma->first;
	}
}

static bool range_is_free(struct mm *mm, uint64_t first, uint64_t length)
{
	struct vma *vma = mm_vma_from(mm, first);
	return vma == NULL || vma->first > first + length - 1;
}

static int choose_address(struct mm *mm, const struct map_request *request, uint64_t length,
			  uint64_t align, uint64_t *va)
{
	uint64_t hint = request->address;
	if (request->flags & (MAP_FIXED_BIT | MAP_FIXED_NOREPLACE_BIT)) {
		if (hint % align != 0)
			return -EINVAL;
		if (hint > TASK_SIZE || length > TASK_SIZE - hint)
			return -ENOMEM;
		if ((request->flags & MAP_FIXED_NOREPLACE_BIT) && !range_is_free(mm, hint, length))
			return -EEXIST;
		*va = hint;
		return 0;
	}
	hint = align_up(hint, align);
	if (hint >= PAGE_SIZE * 16 && hint <= TASK_SIZE && length <= TASK_SIZE - hint &&
	    range_is_free(mm, hint, length)) {
		*va = hint;
		return 0;
	}
	/* As Linux places what may become transparent huge pages. */
	if (length >= HPAGE_SIZE)
		align = HPAGE_SIZE;
	*va = find_free(mm, length, align);
	return *va == 0 ? -ENOMEM : 0;
}

int mm_map(struct mm *mm, const struct map_request *request, uint64_t *va)
{
	uint64_t align = request->flags & MAP_HUGETLB_BIT ? HPAGE_SIZE : PAGE_SIZE;
	if (request->length == 0)
		return -EINVAL;
	if (request->length > TASK_SIZE)
		return -ENOMEM;
	uint64_t length = align_up(request->length, align);
	int error = choose_address(mm, request, length, align, va);
	if (error != 0)
		return error;
	if (mm->vma_count + 3 > VMA_MAX)
		return -ENOMEM;
	if (!range_is_free(mm, *va, length))
		unmap_range(mm, *va, *va + length - 1);
	struct vma vma = {
		.first = *va,
		.last = *va + length - 1,
		.prot = request->prot,
		.flags = request->flags,
		.object = request->object,
		.page_index = request->page_index,
		.file = request->file,
		.ops = request->ops,
		.ops_context = request->ops_context,
	};
	vma_insert(mm, &vma);
	/* The driver counted this mapping in its mmap(): no open(). */
	if (vma.object != NULL)
		object_get(vma.object);
	if (vma.file != NULL)
		file_get(vma.file);
	return 0;
}

int mm_protect(struct mm *mm, uint64_t va, uint64_t length, uint32_t prot)
{
	if (page_offset(va) != 0)
		return -EINVAL;
	if (va > TASK_SIZE || length > TASK_SIZE - va || mm->vma_count + 2 > VMA_MAX)
		return -ENOMEM;
	uint64_t end = va + align_up(length, PAGE_SIZE);
	vma_split(mm, va);
	vma_split(mm, end);
	while (va < end) {
		struct vma *vma = mm_find_vma(mm, va);
		if (vma == NULL)
			return -ENOMEM;
		vma->prot = prot;
		va = vma->last + 1;
	}
	return 0;
}

int mm_dontneed(struct mm *mm, uint64_t va, uint64_t length)
{
	if (page_offset(va) != 0 || va > TASK_SIZE || length > TASK_SIZE - va)
		return -EINVAL;
	if (length == 0)
		return 0;
	drop_anon(mm, va / PAGE_SIZE, (va + align_up(length, PAGE_SIZE) - 1) / PAGE_SIZE);
	return 0;
}

/* A private copy of one page, from the object's page or from a shared private one. */
static int copy_on_write(struct mm *mm, uint64_t index, bool has_source, uint64_t source)
{
	uint64_t pfn;
	struct memory *memory = &mm->machine->memory;
	if (memory_alloc(memory, mm->owner, 1, 1, 1, 0, &pfn) == 0)
		return -ENOMEM;
	if (has_source)
		memory_copy_page(memory, pfn, source);
	drop_anon(mm, index, index);
	spans_set(&mm->anon, index, index, pfn, 0);
	return 0;
}

/* Pages of OWNER from INDEX on before the first reclaimed one, at most COUNT. */
static uint64_t pages_before_swapped(const struct machine *machine, const void *owner,
				     uint64_t index, uint64_t count)
{
	const struct swapped_page *page;
	LIST_FOREACH (page, &machine->swap, link)
		if (page->owner == owner && page->index - index < count)
			count = page->index - index;
	return count;
}

/* A reclaimed private page comes back, whatever lies under it. */
static int swap_in_private(struct mm *mm, uint64_t index)
{
	uint64_t pfn;
	if (pages_before_swapped(mm->machine, mm, index, 1) > 0)
		return 0;
	if (memory_alloc(&mm->machine->memory, mm->owner, 1, 1, 1, 0, &pfn) == 0)
		return -ENOMEM;
	spans_set(&mm->anon, index, index, pfn, 0);
	swap_in(mm->machine, mm, index, 1, pfn);
	return 0;
}

static int fault_private(struct mm *mm, struct vma *vma, uint64_t index, uint64_t count,
			 uint32_t flags, uint64_t *pfn, uint64_t *run)
{
	struct memory *memory = &mm->machine->memory;
	if (swap_in_private(mm, index) != 0)
		return -ENOMEM;
	struct span *span = spans_from(&mm->anon, index);
	if (span != NULL && span->first <= index) {
		uint64_t same;
		uint64_t frame = span_at(span, index);
		bool shared = memory_frame(memory, frame, &same).references > 1;
		if (shared && (flags & (FAULT_WRITE | FAULT_PIN))) {
			int error = copy_on_write(mm, index, true, frame);
			if (error != 0)
				return error;
			*pfn = span_at(spans_find(&mm->anon, index), index);
			*run = 1;
			return 0;
		}
		*pfn = frame;
		*run = span->last - index + 1 < same ? span->last - index + 1 : same;
		*run = *run < count ? *run : count;
		return 0;
	}
	uint64_t hole = span != NULL && span->first - index < count ? span->first - index : count;
	if (vma->object != NULL) {
		uint64_t object_index = vma->page_index + index - vma->first / PAGE_SIZE;
		hole = pages_before_swapped(mm->machine, mm, index, hole);
		int error = object_frames(vma->object, object_index, hole, pfn, run);
		if (error != 0 || !(flags & (FAULT_WRITE | FAULT_PIN)))
			return error;
		error = copy_on_write(mm, index, true, *pfn);
		if (error != 0)
			return error;
		*pfn = span_at(spans_find(&mm->anon, index), index);
		*run = 1;
		return 0;
	}
	uint64_t align = index % HPAGE_FRAMES == 0 && hole >= HPAGE_FRAMES ? HPAGE_FRAMES : 1;
	uint64_t got = memory_alloc(memory, mm->owner, hole, 1, align, 0, pfn);
	if (got == 0 && align > 1)
		got = memory_alloc(memory, mm->owner, hole, 1, 1, 0, pfn);
	if (got == 0)
		return -ENOMEM;
	spans_set(&mm->anon, index, index + got - 1, *pfn, 0);
	swap_in(mm->machine, mm, index, got, *pfn);
	*run = got;
	return 0;
}

/* Pages from INDEX up to the end of the file behind VMA; beyond it is SIGBUS. */
static uint64_t pages_inside(const struct vma *vma, uint64_t index)
{
	const struct object *object = vma->object;
	if (object == NULL || (object->kind != OBJECT_SHMEM && object->kind != OBJECT_FILE))
		return UINT64_MAX;
	uint64_t end = object->size / PAGE_SIZE + (page_offset(object->size) != 0);
	uint64_t at = vma->page_index + index - vma->first / PAGE_SIZE;
	return at < end ? end - at : 0;
}

static int fault(struct mm *mm, struct va va, uint64_t count, uint32_t flags, uint64_t *pfn,
		 uint64_t *run)
{
	struct vma *vma = mm_find_vma(mm, va.value);
	uint32_t need = flags & FAULT_WRITE ? PROT_WRITE_BIT : PROT_READ_BIT;
	if (vma == NULL || !((vma->prot & need) || (flags & FAULT_FORCE)))
		return -EFAULT;
	uint64_t index = va.value / PAGE_SIZE;
	uint64_t pages = vma->last / PAGE_SIZE - index + 1;
	if (pages < count)
		count = pages;
	pages = pages_inside(vma, index);
	if (pages == 0)
		return -EFAULT;
	if (pages < count)
		count = pages;
	if (!(vma->flags & MAP_SHARED_BIT))
		return fault_private(mm, vma, index, count, flags, pfn, run);
	/* Device registers can't be pinned (VM_PFNMAP). */
	if (vma->object->kind == OBJECT_DEVICE && (flags & FAULT_PIN))
		return -EFAULT;
	uint64_t object_index = vma->page_index + index - vma->first / PAGE_SIZE;
	return object_frames(vma->object, object_index, count, pfn, run);
}

int mm_fault(struct mm *mm, struct va va, uint64_t count, uint32_t flags, uint64_t *pfn,
	     uint64_t *run)
{
	if (mm->outside == NULL)
		return fault(mm, va, count, flags, pfn, run);
	mm->outside->refresh(mm);
	int error = fault(mm, va, count, flags, pfn, run);
	if (error == 0)
		mm->outside->found(mm, va, *pfn, *run);
	return error;
}

/* A page that the host may move or take: where it is kept, and its frame. */
struct host_page {
	struct spans *pages;
	const void *owner;
	uint64_t index;
	uint64_t pfn;
	struct frame_state state;
};

static int find_host_page(struct mm *mm, struct va va, struct host_page *page)
{
	struct vma *vma = mm_find_vma(mm, va.value);
	uint64_t index = va.value / PAGE_SIZE;
	if (vma == NULL || (vma->object != NULL && vma->object->kind == OBJECT_DEVICE))
		return -EFAULT;
	page->pages = &mm->anon;
	page->owner = mm;
	page->index = index;
	struct span *span = spans_find(&mm->anon, index);
	bool own = pages_before_swapped(mm->machine, mm, index, 1) == 0; /* its copy was taken */
	if (span == NULL && vma->object != NULL && !own) {
		page->pages = &vma->object->pages;
		page->owner = vma->object;
		page->index = vma->page_index + index - vma->first / PAGE_SIZE;
		span = spans_find(page->pages, page->index);
	}
	if (span == NULL)
		return -EFAULT;
	page->pfn = span_at(span, page->index);
	page->state = memory_frame(&mm->machine->memory, page->pfn, NULL);
	bool fixed = page->state.pins > 0 || page->state.references > 1 ||
		     (page->state.flags & FRAME_HUGE);
	return fixed ? -EBUSY : 0;
}

int mm_migrate(struct mm *mm, struct va va)
{
	struct memory *memory = &mm->machine->memory;
	struct host_page page;
	uint64_t fresh;
	int error = find_host_page(mm, va, &page);
	if (error != 0)
		return error;
	if (memory_alloc(memory, page.state.owner, 1, 1, 1, page.state.flags, &fresh) == 0)
		return -ENOMEM;
	memory_copy_page(memory, fresh, page.pfn);
	spans_set(page.pages, page.index, page.index, fresh, 0);
	memory_put(memory, page.pfn, 1);
	return 0;
}

int mm_reclaim(struct mm *mm, struct va va)
{
	struct machine *machine = mm->machine;
	struct host_page page;
	int error = find_host_page(mm, va, &page);
	if (error != 0)
		return error;
	struct swapped_page *swapped = arena_new(machine->arena, struct swapped_page);
	swapped->owner = page.owner;
	swapped->index = page.index;
	swapped->writer = memory_writer(&machine->memory, page.pfn);
	memory_read(&machine->memory, pa_of_pfn(page.pfn), swapped->bytes, PAGE_SIZE);
	LIST_INSERT_HEAD(&machine->swap, swapped, link);
	spans_clear(page.pages, page.index, page.index);
	memory_put(&machine->memory, page.pfn, 1);
	return 0;
}

static uint64_t copy(struct mm *mm, struct va va, void *to, const void *from, uint64_t size,
		     uint32_t flags)
{
	uint64_t done = 0;
	while (done < size) {
		struct va at = va_of(va.value + done);
		uint64_t pfn, run;
		if (mm_fault(mm, at, 1, flags, &pfn, &run) != 0)
			break;
		uint64_t offset = page_offset(at.value);
		uint64_t n = PAGE_SIZE - offset < size - done ? PAGE_SIZE - offset : size - done;
		struct pa pa = pa_of(pfn * PAGE_SIZE + offset);
		if (to != NULL)
			memory_read(&mm->machine->memory, pa, (uint8_t *)to + done, n);
		else
			memory_write(&mm->machine->memory, pa, (const uint8_t *)from + done, n,
				     mm->owner);
		done += n;
	}
	return done;
}

uint64_t mm_read(struct mm *mm, struct va va, void *to, uint64_t size)
{
	if (mm->outside != NULL)
		return mm->outside->read(mm, va, to, size);
	return copy(mm, va, to, NULL, size, 0);
}

uint64_t mm_write(struct mm *mm, struct va va, const void *from, uint64_t size)
{
	if (mm->outside != NULL)
		return mm->outside->write(mm, va, from, size);
	return copy(mm, va, NULL, from, size, FAULT_WRITE);
}

uint64_t mm_peek(struct mm *mm, struct va va, void *to, uint64_t size)
{
	return copy(mm, va, to, NULL, size, FAULT_FORCE);
}

uint64_t mm_poke(struct mm *mm, struct va va, const void *from, uint64_t size)
{
	return copy(mm, va, NULL, from, size, FAULT_FORCE | FAULT_WRITE);
}

/* Both sides keep the pages, copied at the first write; pinned ones are copied for the child. */
static void fork_anon(struct mm *child, struct mm *parent)
{
	struct memory *memory = &parent->machine->memory;
	struct span *span;
	SPANS_FOREACH (span, &parent->anon) {
		for (uint64_t index = span->first, run; index <= span->last; index += run) {
			uint64_t pfn = span_at(span, index);
			struct frame_state state = memory_frame(memory, pfn, &run);
			if (run > span->last - index + 1)
				run = span->last - index + 1;
			uint64_t copied;
			if (state.pins == 0) {
				memory_get(memory, pfn, run);
				spans_set(&child->anon, index, index + run - 1, pfn, 0);
			} else if (memory_alloc(memory, child->owner, 1, 1, 1, 0, &copied) == 1) {
				run = 1;
				memory_copy_page(memory, copied, pfn);
				spans_set(&child->anon, index, index, copied, 0);
			}
		}
	}
}

/* The child has its own copy of what was reclaimed. */
static void fork_swapped(struct mm *child, const struct mm *parent)
{
	struct machine *machine = parent->machine;
	struct swapped_page *page;
	LIST_FOREACH (page, &machine->swap, link) {
		if (page->owner != parent)
			continue;
		struct swapped_page *copy = arena_new(machine->arena, struct swapped_page);
		*copy = *page;
		copy->owner = child;
		LIST_INSERT_HEAD(&machine->swap, copy, link); /* behind us: not met again */
	}
}

static struct mm *mm_fork(struct mm *parent, uint32_t owner)
{
	struct mm *mm = mm_new(parent->machine, owner);
	struct vma *vma;
	RB_FOREACH (vma, vma_tree, &parent->vmas)
		vma_hold(vma_insert(mm, vma));
	fork_anon(mm, parent);
	fork_swapped(mm, parent);
	return mm;
}

static void mm_exit(struct mm *mm)
{
	assert(mm->users > 0);
	if (--mm->users > 0)
		return;
	if (!RB_EMPTY(&mm->vmas))
		unmap_range(mm, 0, TASK_SIZE - 1);
	mm_put(mm);
}

/* --- processes ------------------------------------------------------------------------------ */

static struct process *new_process(struct machine *machine, struct process *parent)
{
	struct process *process = arena_new(machine->arena, struct process);
	process->machine = machine;
	process->pid = ++machine->next_pid;
	process->parent = parent;
	TAILQ_INIT(&process->threads);
	wait_queue_init(&process->child_exit);
	wait_queue_init(&process->call_ended);
	TAILQ_INSERT_TAIL(&machine->processes, process, link);
	machine->process_count++;
	return process;
}

static uint32_t owner_of_pid(struct machine *machine, uint32_t pid)
{
	char name[OWNER_NAME_MAX];
	snprintf(name, sizeof(name), "process %u", pid);
	return machine_owner(machine, name);
}

struct process *process_new(struct machine *machine, struct process *parent)
{
	struct process *process = new_process(machine, parent);
	process->mm = mm_new(machine, owner_of_pid(machine, process->pid));
	process->credentials = (struct credentials){
		.cap_ipc_lock = machine->config.privileged,
		.cap_sys_resource = machine->config.privileged,
		.cap_sys_rawio = machine->config.privileged,
		.rlimit_memlock = machine->config.rlimit_memlock,
		.user = &machine->root_user,
	};
	return process;
}

struct process *process_fork(struct process *parent)
{
	struct machine *machine = parent->machine;
	if (machine->process_count >= PROCESSES_MAX)
		return NULL;
	struct process *child = new_process(machine, parent);
	child->mm = mm_fork(parent->mm, owner_of_pid(machine, child->pid));
	child->credentials = parent->credentials;
	for (uint32_t fd = 0; fd < parent->files.capacity; fd++) {
		struct file *file = fd_file(parent, (int)fd);
		if (file == NULL)
			continue;
		file_get(file);
		fd_install_at(child, (int)fd, file);
	}
	return child;
}

void process_exec(struct process *process)
{
	mm_exit(process->mm);
	process->mm = mm_new(process->machine, owner_of_pid(process->machine, process->pid));
}

void process_exit(struct process *process, uint32_t status)
{
	/* In the kernel's order: memory first, then files, which still have what they pinned. */
	mm_exit(process->mm);
	for (uint32_t fd = 0; fd < process->files.capacity; fd++)
		fd_close(process, (int)fd);
	process->exited = true;
	process->exit_status = status;
	if (process->parent != NULL)
		wait_queue_wake_all(&process->machine->scheduler, &process->parent->child_exit);
}

struct thread *thread_new(struct process *process)
{
	struct thread *thread = arena_new(process->machine->arena, struct thread);
	thread->process = process;
	thread->tid = process->pid;
	TAILQ_INSERT_TAIL(&process->threads, thread, link);
	return thread;
}

static void hash_object(struct object *object, struct hash *hash)
{
	struct span *span;
	hash_u64(hash, object->size);
	SPANS_FOREACH (span, &object->pages) {
		hash_u64(hash, span->first);
		hash_u64(hash, span->last);
		hash_u64(hash, span->base);
	}
}

/* The list's order depends on its history: add up instead. */
void swap_hash(const struct machine *machine, struct hash *hash)
{
	const struct swapped_page *page;
	uint64_t sum = 0;
	LIST_FOREACH (page, &machine->swap, link) {
		struct hash one;
		hash_init(&one);
		hash_u64(&one, page->index);
		hash_u64(&one, page->writer);
		hash_bytes(&one, page->bytes, sizeof(page->bytes));
		sum += one.value;
	}
	hash_u64(hash, sum);
}

void process_hash(struct process *process, struct hash *hash)
{
	hash_u64(hash, process->pid);
	hash_u64(hash, (uint64_t)process->exited << 1 | process->reaped);
	if (process->exited)
		return;
	struct vma *vma;
	RB_FOREACH (vma, vma_tree, &process->mm->vmas) {
		hash_u64(hash, vma->first);
		hash_u64(hash, vma->last);
		hash_u64(hash, (uint64_t)vma->prot << 32 | vma->flags);
		hash_u64(hash, vma->page_index);
		if (vma->object != NULL)
			hash_object(vma->object, hash);
	}
	struct span *span;
	SPANS_FOREACH (span, &process->mm->anon) {
		hash_u64(hash, span->first);
		hash_u64(hash, span->last);
		hash_u64(hash, span->base);
	}
	hash_u64(hash, process->mm->pinned_vm);
	hash_u64(hash, process->mm->locked_vm);
	for (uint32_t fd = 0; fd < process->files.capacity; fd++) {
		struct file *file = fd_file(process, (int)fd);
		hash_u64(hash, file != NULL);
		if (file != NULL && file->ops->hash != NULL)
			file->ops->hash(file, hash);
	}
}
