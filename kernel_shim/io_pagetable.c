// SPDX-License-Identifier: Apache-2.0
/* Areas, IOVA selection, reserved and allowed ranges, domains of an IOAS (iommufd 2.4 .. 2.8). */
#include "kernel_shim/io_pagetable.h"

#include <assert.h>
#include <errno.h>

#include "kernel_shim/iommufd.h"

#define UNMAP_TRIES_MAX 100
#define ACCESSES_MAX    65536

static int compare_area(const struct iopt_area *a, const struct iopt_area *b)
{
	return a->iova < b->iova ? -1 : a->iova > b->iova;
}

TREE_GENERATE(area_tree, iopt_area, node, compare_area)

void iopt_init(struct io_pagetable *iopt, struct machine *machine)
{
	iopt->machine = machine;
	rwsem_init(&iopt->domains_rwsem);
	rwsem_init(&iopt->iova_rwsem);
	RB_INIT(&iopt->areas);
	TAILQ_INIT(&iopt->reserved);
	spans_init(&iopt->holes_not, machine->arena, false);
	spans_init(&iopt->allowed, machine->arena, false);
	TAILQ_INIT(&iopt->accesses);
	iopt->iova_alignment = 1;
	LIST_INSERT_HEAD(&iommufd_module(machine)->iopts, iopt, link);
}

void iopt_fini(struct io_pagetable *iopt)
{
	struct arena *arena = iopt->machine->arena;
	struct iopt_reserved *reserved;
	assert(iopt->area_count == 0 && iopt->domain_count == 0 && TAILQ_EMPTY(&iopt->accesses));
	while ((reserved = TAILQ_FIRST(&iopt->reserved)) != NULL) {
		TAILQ_REMOVE(&iopt->reserved, reserved, link);
		arena_delete(arena, reserved);
	}
	LIST_REMOVE(iopt, link);
	spans_fini(&iopt->holes_not);
	spans_fini(&iopt->allowed);
	arena_free(arena, iopt->domains, iopt->domain_capacity * sizeof(struct iommu_domain *));
}

struct iopt_area *iopt_area_from(struct io_pagetable *iopt, uint64_t iova)
{
	struct iopt_area *area = RB_ROOT(&iopt->areas), *found = NULL;
	while (area != NULL) {
		if (area->last >= iova) {
			found = area;
			if (area->iova <= iova)
				break;
			area = RB_LEFT(area, node);
		} else {
			area = RB_RIGHT(area, node);
		}
	}
	return found;
}

struct iopt_area *iopt_area_next(struct iopt_area *area)
{
	return RB_NEXT(area_tree, NULL, area);
}

struct iopt_area *iopt_find_area(struct io_pagetable *iopt, uint64_t iova)
{
	struct iopt_area *area = iopt_area_from(iopt, iova);
	return area != NULL && area->iova <= iova && !area->busy ? area : NULL;
}

static bool area_intersects(struct io_pagetable *iopt, uint64_t first, uint64_t last)
{
	struct iopt_area *area = iopt_area_from(iopt, first);
	return area != NULL && area->iova <= last;
}

static bool span_intersects(struct spans *spans, uint64_t first, uint64_t last)
{
	struct span *span = spans_from(spans, first);
	return span != NULL && span->first <= last;
}

/* --- IOVA selection (2.5) --- */

static int check_fixed_iova(struct io_pagetable *iopt, uint64_t iova, uint64_t length)
{
	struct machine *machine = iopt->machine;
	uint64_t last;
	if (iova & (iopt->iova_alignment - 1))
		return refuse(machine, EINVAL, "iommufd 2.5.1 1", "iova is not aligned");
	if (add_overflows(iova, length - 1, &last))
		return refuse(machine, EOVERFLOW, "iommufd 2.5.1 2", "iova + length overflows");
	if (span_intersects(&iopt->holes_not, iova, last))
		return refuse(machine, EINVAL, "iommufd 2.5.1 3", "a reserved range is in the way");
	if (area_intersects(iopt, iova, last))
		return refuse(machine, EEXIST, "iommufd 2.5.1 4", "an area is in the way");
	return 0;
}

/* The first maximal hole of (reserved or mapped) in [*FIRST, *LAST]. */
static bool first_hole(struct io_pagetable *iopt, uint64_t *first, uint64_t *last)
{
	for (;;) {
		struct iopt_area *area = iopt_area_from(iopt, *first);
		struct span *reserved = spans_from(&iopt->holes_not, *first);
		uint64_t covered;
		if (area != NULL && area->iova <= *first)
			covered = area->last;
		else if (reserved != NULL && reserved->first <= *first)
			covered = reserved->last;
		else {
			if (area != NULL && area->iova - 1 < *last)
				*last = area->iova - 1;
			if (reserved != NULL && reserved->first - 1 < *last)
				*last = reserved->first - 1;
			return true;
		}
		if (covered >= *last)
			return false;
		*first = covered + 1;
	}
}

/* A start inside [first, last] that fits, as 2.5.2 step 4 computes it. */
static bool fits(uint64_t first, uint64_t last, uint64_t length, uint64_t align, uint64_t offset,
		 uint64_t *start)
{
	uint64_t aligned;
	if (add_overflows(first, align - 1, &aligned))
		return false;
	*start = (aligned & ~(align - 1)) | offset;
	return *start < last && last - *start >= length - 1;
}

static bool alloc_in_span(struct io_pagetable *iopt, uint64_t first, uint64_t last, uint64_t length,
			  uint64_t align, uint64_t offset, uint64_t *iova)
{
	uint64_t at;
	if (!fits(first, last, length, align, offset, &at))
		return false;
	for (;;) {
		uint64_t hole_last = last;
		if (!first_hole(iopt, &at, &hole_last))
			return false;
		if (fits(at, hole_last, length, align, offset, iova))
			return true;
		if (hole_last >= last)
			return false;
		at = hole_last + 1;
	}
}

static int alloc_iova(struct io_pagetable *iopt, uint64_t address, uint64_t length, uint64_t *iova)
{
	struct machine *machine = iopt->machine;
	uint64_t offset = page_offset(address);
	uint64_t align = HPAGE_SIZE;
	if (length == 0 || length >= UINT64_MAX / 2)
		return refuse(machine, EOVERFLOW, "iommufd 2.5.2 1", "length too large");
	while (align / 2 >= length)
		align /= 2;
	if (address != 0 && (address & -address) < align)
		align = address & -address;
	if (align < iopt->iova_alignment)
		return refuse(machine, EINVAL, "iommufd 2.5.2 3",
			      "the address can't be aligned as the IOAS needs");
	uint64_t window_first = PAGE_SIZE, window_last = UINT64_MAX - PAGE_SIZE;
	struct span *span = spans_from(&iopt->allowed, window_first);
	if (RB_EMPTY(&iopt->allowed.tree) &&
	    alloc_in_span(iopt, window_first, window_last, length, align, offset, iova))
		return check_fixed_iova(iopt, *iova, length);
	for (; span != NULL && span->first <= window_last; span = spans_next(span)) {
		uint64_t first = span->first > window_first ? span->first : window_first;
		uint64_t last = span->last < window_last ? span->last : window_last;
		if (alloc_in_span(iopt, first, last, length, align, offset, iova))
			return check_fixed_iova(iopt, *iova, length);
	}
	return refuse(machine, ENOSPC, "iommufd 2.5.2 5", "no free IOVA range fits");
}

/* --- mapping --- */

void map_list_add(struct machine *machine, struct map_list *list, struct iopt_pages *pages,
		  uint64_t start_byte, uint64_t length)
{
	if (list->count == list->capacity) {
		uint32_t capacity = list->capacity == 0 ? 1 : list->capacity * 2;
		list->pieces = arena_grow(machine->arena, list->pieces,
					  list->capacity * sizeof(*list->pieces),
					  capacity * sizeof(*list->pieces));
		list->capacity = capacity;
	}
	list->pieces[list->count++] = (struct pages_piece){pages, start_byte, length};
}

void iopt_free_pages_list(struct machine *machine, struct map_list *list)
{
	for (uint32_t i = 0; i < list->count; i++)
		iopt_pages_put(list->pieces[i].pages);
	arena_free(machine->arena, list->pieces, list->capacity * sizeof(*list->pieces));
	list->pieces = NULL;
	list->count = list->capacity = 0;
}

static void delete_area(struct io_pagetable *iopt, struct iopt_area *area)
{
	RB_REMOVE(area_tree, &iopt->areas, area);
	iopt->area_count--;
	arena_delete(iopt->machine->arena, area);
}

/* The area is in the tree, and so taken, but in construction. */
static int insert_area(struct io_pagetable *iopt, const struct pages_piece *piece, uint64_t iova,
		       uint32_t prot, struct iopt_area **out)
{
	struct machine *machine = iopt->machine;
	uint64_t last;
	if ((prot & IOMMU_WRITE) && !piece->pages->writable)
		return refuse(machine, EPERM, "iommufd 2.7 9",
			      "the source was mapped without WRITEABLE");
	if (page_offset(piece->start_byte) & (iopt->iova_alignment - 1))
		return refuse(machine, EINVAL, "iommufd 2.4 10",
			      "the offset in the page is not aligned as the IOAS needs");
	bool overflows = add_overflows(iova, piece->length - 1, &last);
	assert(!overflows); /* the whole range does not (2.5.1 step 2, 2.5.2) */
	struct iopt_area *area = arena_new(machine->arena, struct iopt_area);
	area->iopt = iopt;
	area->pages = piece->pages;
	area->busy = true;
	area->iova = iova;
	area->last = last;
	area->first_index = piece->start_byte / PAGE_SIZE;
	area->page_offset = (uint32_t)page_offset(piece->start_byte);
	area->prot = prot;
	bool dmabuf = piece->pages->source == IOPT_PAGES_DMABUF;
	if (dmabuf)
		area->prot |= IOMMU_MMIO;
	area->revoked = dmabuf && piece->pages->backing->revoked;
	RB_INSERT(area_tree, &iopt->areas, area);
	iopt->area_count++;
	*out = area;
	return 0;
}

static void abort_areas(struct io_pagetable *iopt, struct iopt_area **areas, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		delete_area(iopt, areas[i]);
}

static int choose_and_insert(struct io_pagetable *iopt, struct map_list *list, uint64_t *iova,
			     uint32_t prot, uint32_t flags, struct iopt_area **areas)
{
	int error = 0;
	if (list->length & (iopt->iova_alignment - 1))
		return refuse(iopt->machine, EINVAL, "iommufd 2.4 8",
			      "length is not a multiple of the IOVA alignment");
	if (flags & IOPT_ALLOC_IOVA)
		error = alloc_iova(iopt, list->address, list->length, iova);
	else
		error = check_fixed_iova(iopt, *iova, list->length);
	uint64_t at = *iova;
	for (uint32_t i = 0; error == 0 && i < list->count; i++) {
		error = insert_area(iopt, &list->pieces[i], at, prot, &areas[i]);
		if (error != 0)
			abort_areas(iopt, areas, i);
		at += list->pieces[i].length;
	}
	return error;
}

/* 3.3, for each piece; on an error all pieces are undone. */
static int fill_pieces(struct io_pagetable *iopt, struct iopt_area **areas, uint32_t count)
{
	int error = 0;
	uint32_t filled;
	for (filled = 0; error == 0 && filled < count; filled++)
		error = iopt_area_fill_domains(areas[filled]);
	if (error == 0)
		return 0;
	filled--; /* the one that failed undid itself */
	while (filled-- > 0) {
		for (uint32_t i = 0; i < iopt->domain_count; i++)
			iopt_area_unfill_domain(areas[filled], iopt->domains[i]);
		iopt_area_unpin(areas[filled]);
	}
	return error;
}

int iopt_map_pages(struct io_pagetable *iopt, struct map_list *list, uint64_t *iova, uint32_t prot,
		   uint32_t flags)
{
	struct machine *machine = iopt->machine;
	struct scheduler *sched = sched_of(machine);
	if (no_memory(machine, "area"))
		return -ENOMEM;
	size_t size = list->count * sizeof(struct iopt_area *);
	struct iopt_area **areas = arena_alloc(machine->arena, size);
	down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
	int error = choose_and_insert(iopt, list, iova, prot, flags, areas);
	up_write(sched, &iopt->iova_rwsem);
	if (error == 0) {
		/* Domains can't change meanwhile; other mappings can. */
		down_read(sched, &iopt->domains_rwsem, "domains_rwsem");
		error = fill_pieces(iopt, areas, list->count);
		down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
		for (uint32_t i = 0; i < list->count; i++) {
			if (error != 0) {
				delete_area(iopt, areas[i]);
				continue;
			}
			areas[i]->busy = false;
			iopt_pages_get(areas[i]->pages);
		}
		up_write(sched, &iopt->iova_rwsem);
		up_read(sched, &iopt->domains_rwsem);
	}
	arena_free(machine->arena, areas, size);
	return error;
}

static uint64_t address_of(const struct iopt_pages *pages, uint64_t start_byte)
{
	if (pages->source == IOPT_PAGES_USER)
		return pages->user_va + start_byte;
	return pages->backing->index * PAGE_SIZE + start_byte;
}

int iopt_get_pages(struct io_pagetable *iopt, uint64_t iova, uint64_t length, struct map_list *list)
{
	struct machine *machine = iopt->machine;
	struct scheduler *sched = sched_of(machine);
	uint64_t at = iova, last = iova + length - 1;
	int error = 0;
	down_read(sched, &iopt->iova_rwsem, "iova_rwsem");
	for (;;) {
		struct iopt_area *area = iopt_find_area(iopt, at);
		if (area == NULL) {
			error = refuse(machine, ENOENT, "iommufd 2.7 7",
				       "the source range is not wholly mapped");
			break;
		}
		if (no_memory(machine, "pages list")) {
			error = -ENOMEM;
			break;
		}
		uint64_t end = area->last < last ? area->last : last;
		uint64_t start_byte = area_index(area, at) * PAGE_SIZE + area_byte_offset(area, at);
		iopt_pages_get(area->pages);
		if (list->count == 0)
			list->address = address_of(area->pages, start_byte);
		map_list_add(machine, list, area->pages, start_byte, end - at + 1);
		if (end == last)
			break;
		at = end + 1;
	}
	up_read(sched, &iopt->iova_rwsem);
	if (error != 0)
		iopt_free_pages_list(machine, list);
	return error;
}

/* --- unmapping (2.8 step 4) --- */

/*
 * Takes AREA, which is marked busy, out of domains, pins and tree. A page array of a file goes to
 * FILES: the file's release may need the locks that are held here (fput() waits for the end of
 * the call).
 */
static void tear_down_area(struct io_pagetable *iopt, struct iopt_area *area,
			   struct map_list *files)
{
	struct scheduler *sched = sched_of(iopt->machine);
	struct iopt_pages *pages = area->pages;
	for (uint32_t i = 0; i < iopt->domain_count; i++)
		iopt_area_unfill_domain(area, iopt->domains[i]);
	area->revoked = true; /* a revocation meanwhile finds nothing to do */
	iopt_area_unpin(area);
	down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
	delete_area(iopt, area);
	if (pages->source != IOPT_PAGES_USER)
		map_list_add(iopt->machine, files, pages, 0, 0);
	else
		iopt_pages_put(pages);
}

static int unmap_range(struct io_pagetable *iopt, uint64_t first, uint64_t last, uint64_t *unmapped)
{
	struct machine *machine = iopt->machine;
	struct scheduler *sched = sched_of(machine);
	struct iopt_area *area;
	struct map_list files = {0};
	uint64_t start = first;
	int tries = 0, error = 0;
	*unmapped = 0;
	down_read(sched, &iopt->domains_rwsem, "domains_rwsem");
	down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
	while ((area = iopt_area_from(iopt, start)) != NULL && area->iova <= last) {
		if (area->busy) {
			error = refuse(machine, EBUSY, "iommufd 2.8 4a",
				       "an area is being made or torn down");
			break;
		}
		if (area->num_locks > 0) {
			error = refuse(machine, EBUSY, "iommufd 2.8 4b",
				       "an internal access (a HW queue) pins the area");
			break;
		}
		if (area->iova < first || area->last > last) {
			error = refuse(machine, ENOENT, "iommufd 2.8 4c",
				       "an area is only partly in the range");
			break;
		}
		if (area->iova != start)
			tries = 0;
		start = area->iova;
		uint64_t length = area_length(area);
		if (area->num_accesses > 0) {
			area->prevent_access = true;
			up_write(sched, &iopt->iova_rwsem);
			up_read(sched, &iopt->domains_rwsem);
			iommufd_access_notify_unmap(iopt, start, length);
			down_read(sched, &iopt->domains_rwsem, "domains_rwsem");
			down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
			if (++tries > UNMAP_TRIES_MAX) {
				error = refuse(machine, EDEADLOCK, "iommufd 2.8 4d",
					       "an access does not let go of its pins");
				break;
			}
			continue;
		}
		area->busy = true;
		up_write(sched, &iopt->iova_rwsem);
		uint64_t area_last = area->last;
		tear_down_area(iopt, area, &files);
		*unmapped += length;
		if (area_last >= last)
			break;
		start = area_last + 1;
		tries = 0;
	}
	up_write(sched, &iopt->iova_rwsem);
	up_read(sched, &iopt->domains_rwsem);
	iopt_free_pages_list(machine, &files);
	return error;
}

int iopt_unmap_iova(struct io_pagetable *iopt, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	uint64_t last;
	*unmapped = 0;
	if (length == 0)
		return refuse(iopt->machine, EINVAL, "iommufd 2.8 3", "length is 0");
	if (add_overflows(iova, length - 1, &last))
		return refuse(iopt->machine, EOVERFLOW, "iommufd 2.8 3", "iova + length overflows");
	return unmap_range(iopt, iova, last, unmapped);
}

int iopt_unmap_all(struct io_pagetable *iopt, uint64_t *unmapped)
{
	return unmap_range(iopt, 0, UINT64_MAX, unmapped);
}

/* Splits AREA behind the byte at AT (app. C, cut errors). */
static int split_area(struct io_pagetable *iopt, struct iopt_area *area, uint64_t at)
{
	struct machine *machine = iopt->machine;
	uint64_t next = at + 1;
	if (at == area->iova || at == area->last)
		return 0;
	if (area->busy || area->prevent_access)
		return refuse(machine, EBUSY, "iommufd app. C cut", "the area is busy");
	if (area->pages->source == IOPT_PAGES_DMABUF)
		return refuse(machine, EOPNOTSUPP, "iommufd app. C cut",
			      "a dma-buf area can't be split");
	uint64_t mask = iopt->iova_alignment - 1;
	if ((next & mask) || (area_byte_offset(area, next) & mask))
		return refuse(machine, EINVAL, "iommufd app. C cut",
			      "the cut is not aligned as the IOAS needs");
	if (no_memory(machine, "area"))
		return -ENOMEM;
	if (area->num_accesses > 0)
		return refuse(machine, EINVAL, "iommufd app. C cut",
			      "the area has pinned accesses");
	struct iopt_area *right = arena_new(machine->arena, struct iopt_area);
	*right = *area;
	right->iova = next;
	right->first_index = area_index(area, next);
	right->page_offset = (uint32_t)area_byte_offset(area, next);
	area->last = at;
	RB_INSERT(area_tree, &iopt->areas, right);
	iopt->area_count++;
	iopt_pages_get(right->pages);
	return 0;
}

int iopt_cut_iova(struct io_pagetable *iopt, const uint64_t *iovas, uint32_t count)
{
	struct scheduler *sched = sched_of(iopt->machine);
	int error = 0;
	down_write(sched, &iopt->domains_rwsem, "domains_rwsem");
	down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
	for (uint32_t i = 0; error == 0 && i < count; i++) {
		struct iopt_area *area = iopt_area_from(iopt, iovas[i]);
		if (area != NULL && area->iova <= iovas[i])
			error = split_area(iopt, area, iovas[i]);
	}
	up_write(sched, &iopt->iova_rwsem);
	up_write(sched, &iopt->domains_rwsem);
	return error;
}

/* --- reserved and allowed ranges --- */

int iopt_set_allow_iova(struct io_pagetable *iopt, struct spans *allowed)
{
	struct scheduler *sched = sched_of(iopt->machine);
	struct span *span;
	int error = 0;
	down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
	SPANS_FOREACH (span, allowed)
		if (span_intersects(&iopt->holes_not, span->first, span->last))
			error = refuse(iopt->machine, EADDRINUSE, "iommufd 2.3 4",
				       "a range intersects a reserved one");
	if (error == 0) {
		struct spans old = iopt->allowed;
		iopt->allowed = *allowed;
		*allowed = old;
	}
	up_write(sched, &iopt->iova_rwsem);
	return error;
}

/* The caller holds iova_rwsem. */
static int reserve_locked(struct io_pagetable *iopt, uint64_t first, uint64_t last,
			  const void *owner)
{
	if (area_intersects(iopt, first, last) || span_intersects(&iopt->allowed, first, last))
		return refuse(iopt->machine, EADDRINUSE, "iommufd 7.3 ADD_RESERVED",
			      "an area or an allowed range lies in what is to be reserved");
	if (no_memory(iopt->machine, "reserved range"))
		return -ENOMEM;
	struct iopt_reserved *reserved = arena_new(iopt->machine->arena, struct iopt_reserved);
	reserved->first = first;
	reserved->last = last;
	reserved->owner = owner;
	TAILQ_INSERT_TAIL(&iopt->reserved, reserved, link);
	spans_set(&iopt->holes_not, first, last, 0, 0);
	return 0;
}

int iopt_reserve_iova(struct io_pagetable *iopt, uint64_t first, uint64_t last, const void *owner)
{
	struct scheduler *sched = sched_of(iopt->machine);
	down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
	int error = reserve_locked(iopt, first, last, owner);
	up_write(sched, &iopt->iova_rwsem);
	return error;
}

static void remove_reserved_locked(struct io_pagetable *iopt, const void *owner)
{
	struct iopt_reserved *reserved = TAILQ_FIRST(&iopt->reserved);
	while (reserved != NULL) {
		struct iopt_reserved *next = TAILQ_NEXT(reserved, link);
		if (reserved->owner == owner) {
			TAILQ_REMOVE(&iopt->reserved, reserved, link);
			arena_delete(iopt->machine->arena, reserved);
		}
		reserved = next;
	}
	spans_fini(&iopt->holes_not);
	TAILQ_FOREACH (reserved, &iopt->reserved, link)
		spans_set(&iopt->holes_not, reserved->first, reserved->last, 0, 0);
}

void iopt_remove_reserved_iova(struct io_pagetable *iopt, const void *owner)
{
	struct scheduler *sched = sched_of(iopt->machine);
	down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
	remove_reserved_locked(iopt, owner);
	up_write(sched, &iopt->iova_rwsem);
}

/* --- alignment, domains, accesses (2) --- */

static uint64_t lowest_page_size(const struct iommu_domain *domain)
{
	return domain->pgsize_bitmap & -domain->pgsize_bitmap;
}

/* The caller holds iova_rwsem. */
static int set_alignment(struct io_pagetable *iopt, uint64_t alignment)
{
	if (alignment > iopt->iova_alignment) {
		struct iopt_area *area;
		RB_FOREACH (area, area_tree, &iopt->areas)
			if ((area->iova | area_length(area) | area->page_offset) & (alignment - 1))
				return refuse(iopt->machine, EADDRINUSE, "iommufd 2",
					      "an area violates the new IOVA alignment");
	}
	iopt->iova_alignment = alignment;
	return 0;
}

static int recalculate_alignment(struct io_pagetable *iopt)
{
	uint64_t alignment = iopt->disable_large_pages ? PAGE_SIZE : 1;
	struct iopt_access_link *link;
	for (uint32_t i = 0; i < iopt->domain_count; i++)
		if (lowest_page_size(iopt->domains[i]) > alignment)
			alignment = lowest_page_size(iopt->domains[i]);
	TAILQ_FOREACH (link, &iopt->accesses, link)
		if (link->access->iova_alignment > alignment)
			alignment = link->access->iova_alignment;
	return set_alignment(iopt, alignment);
}

/* Every finished area into DOMAIN, in ascending order; on an error none. */
static int fill_domain(struct io_pagetable *iopt, struct iommu_domain *domain)
{
	struct iopt_area *area, *failed = NULL;
	int error = 0;
	RB_FOREACH (area, area_tree, &iopt->areas) {
		if (area->busy)
			continue;
		error = iopt_area_fill_domain(area, domain);
		if (error != 0) {
			failed = area;
			break;
		}
	}
	if (error == 0)
		return 0;
	RB_FOREACH (area, area_tree, &iopt->areas) {
		if (area == failed)
			break;
		if (area->busy)
			continue;
		iopt_area_unfill_domain(area, domain);
		if (iopt->domain_count == 0)
			iopt_area_unpin(area);
	}
	return error;
}

static void append_domain(struct io_pagetable *iopt, struct iommu_domain *domain)
{
	if (iopt->domain_count == iopt->domain_capacity) {
		uint32_t old = iopt->domain_capacity, capacity = old == 0 ? 4 : old * 2;
		iopt->domains = arena_grow(iopt->machine->arena, iopt->domains,
					   old * sizeof(struct iommu_domain *),
					   capacity * sizeof(struct iommu_domain *));
		iopt->domain_capacity = capacity;
	}
	iopt->domains[iopt->domain_count++] = domain;
}

static int add_domain_locked(struct io_pagetable *iopt, struct iommu_domain *domain)
{
	uint64_t old_alignment = iopt->iova_alignment;
	uint64_t alignment = lowest_page_size(domain);
	if (alignment > PAGE_SIZE)
		return refuse(iopt->machine, EINVAL, "iommufd 4.1.1 10",
			      "the domain's smallest page is larger than PAGE_SIZE");
	int error = set_alignment(iopt, alignment > old_alignment ? alignment : old_alignment);
	if (error != 0)
		return error;
	if (domain->aperture_first > 0)
		error = reserve_locked(iopt, 0, domain->aperture_first - 1, domain);
	if (error == 0 && domain->aperture_last < UINT64_MAX)
		error = reserve_locked(iopt, domain->aperture_last + 1, UINT64_MAX, domain);
	if (error == 0)
		error = fill_domain(iopt, domain);
	if (error != 0) {
		remove_reserved_locked(iopt, domain);
		iopt->iova_alignment = old_alignment;
		return error;
	}
	append_domain(iopt, domain);
	return 0;
}

int iopt_table_add_domain(struct io_pagetable *iopt, struct iommu_domain *domain)
{
	struct scheduler *sched = sched_of(iopt->machine);
	if (no_memory(iopt->machine, "domain list"))
		return -ENOMEM;
	down_write(sched, &iopt->domains_rwsem, "domains_rwsem");
	down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
	int error = add_domain_locked(iopt, domain);
	up_write(sched, &iopt->iova_rwsem);
	up_write(sched, &iopt->domains_rwsem);
	return error;
}

void iopt_table_remove_domain(struct io_pagetable *iopt, struct iommu_domain *domain)
{
	struct scheduler *sched = sched_of(iopt->machine);
	struct iopt_area *area;
	down_write(sched, &iopt->domains_rwsem, "domains_rwsem");
	down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
	uint32_t i = 0;
	while (i < iopt->domain_count && iopt->domains[i] != domain)
		i++;
	assert(i < iopt->domain_count);
	iopt->domains[i] = iopt->domains[--iopt->domain_count];
	RB_FOREACH (area, area_tree, &iopt->areas) {
		if (area->busy)
			continue;
		iopt_area_unfill_domain(area, domain);
		if (iopt->domain_count == 0)
			iopt_area_unpin(area);
	}
	remove_reserved_locked(iopt, domain);
	recalculate_alignment(iopt);
	up_write(sched, &iopt->iova_rwsem);
	up_write(sched, &iopt->domains_rwsem);
}

static void unlink_access(struct io_pagetable *iopt, struct iommufd_access *access)
{
	struct iopt_access_link *link;
	TAILQ_FOREACH (link, &iopt->accesses, link)
		if (link->access == access)
			break;
	assert(link != NULL);
	TAILQ_REMOVE(&iopt->accesses, link, link);
	arena_delete(iopt->machine->arena, link);
	iopt->access_count--;
}

static int add_access_locked(struct io_pagetable *iopt, struct iommufd_access *access)
{
	if (iopt->access_count >= ACCESSES_MAX)
		return refuse(iopt->machine, EBUSY, "iommufd 6 attach", "too many accesses");
	struct iopt_access_link *link = arena_new(iopt->machine->arena, struct iopt_access_link);
	link->access = access;
	TAILQ_INSERT_TAIL(&iopt->accesses, link, link);
	iopt->access_count++;
	int error = recalculate_alignment(iopt);
	if (error != 0)
		unlink_access(iopt, access);
	return error;
}

int iopt_add_access(struct io_pagetable *iopt, struct iommufd_access *access)
{
	struct scheduler *sched = sched_of(iopt->machine);
	if (no_memory(iopt->machine, "access list"))
		return -ENOMEM;
	down_write(sched, &iopt->domains_rwsem, "domains_rwsem");
	down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
	int error = add_access_locked(iopt, access);
	up_write(sched, &iopt->iova_rwsem);
	up_write(sched, &iopt->domains_rwsem);
	return error;
}

void iopt_remove_access(struct io_pagetable *iopt, struct iommufd_access *access)
{
	struct scheduler *sched = sched_of(iopt->machine);
	down_write(sched, &iopt->domains_rwsem, "domains_rwsem");
	down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
	unlink_access(iopt, access);
	recalculate_alignment(iopt);
	up_write(sched, &iopt->iova_rwsem);
	up_write(sched, &iopt->domains_rwsem);
}

int iopt_disable_large_pages(struct io_pagetable *iopt)
{
	struct scheduler *sched = sched_of(iopt->machine);
	int error = 0;
	down_write(sched, &iopt->domains_rwsem, "domains_rwsem");
	down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
	if (!iopt->disable_large_pages) {
		if (iopt->domain_count > 0 && iopt->area_count > 0)
			error = refuse(iopt->machine, EINVAL, "iommufd 2.10 HUGE_PAGES",
				       "the IOAS has a domain and an area");
		iopt->disable_large_pages = error == 0;
		if (error == 0)
			error = recalculate_alignment(iopt);
		if (error != 0)
			iopt->disable_large_pages = false;
	}
	up_write(sched, &iopt->iova_rwsem);
	up_write(sched, &iopt->domains_rwsem);
	return error;
}

int iopt_enable_large_pages(struct io_pagetable *iopt)
{
	struct scheduler *sched = sched_of(iopt->machine);
	down_write(sched, &iopt->domains_rwsem, "domains_rwsem");
	down_write(sched, &iopt->iova_rwsem, "iova_rwsem");
	iopt->disable_large_pages = false;
	recalculate_alignment(iopt);
	up_write(sched, &iopt->iova_rwsem);
	up_write(sched, &iopt->domains_rwsem);
	return 0;
}
