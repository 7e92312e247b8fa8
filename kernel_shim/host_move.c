// SPDX-License-Identifier: Apache-2.0
/*
 * A what-if: the host moves or takes a page that an IOAS has pinned. Linux refuses (iommufd 3.1).
 * What it would mean for engines is when stage 2 follows: before the page goes, or later.
 */
#include <errno.h>

#include "kernel_shim/io_pagetable.h"
#include "kernel_shim/iommufd.h"

/* The page at an address, in the one area that maps it. */
struct mapped_page {
	struct iopt_area *area;
	uint64_t index; /* of its page array */
	uint64_t pfn;
};

static bool holds(const struct iopt_area *area, const struct mm *mm, struct va va)
{
	const struct iopt_pages *pages = area->pages;
	uint64_t index = (va.value - pages->user_va) / PAGE_SIZE;
	return area->filled && pages->source == IOPT_PAGES_USER && pages->mm == mm &&
	       va.value >= pages->user_va && index >= area->first_index &&
	       index <= area_last_index(area);
}

/* Held by that area and by nothing else. */
static bool movable(const struct iopt_area *area, uint64_t index, uint64_t pfn)
{
	struct span *span = spans_find(&area->pages->pinned, index);
	return !area->busy && span->tag == 1 &&
	       (pfn >= IOPT_PAGE_ABSENT ||
		memory_frame(&area->iopt->machine->memory, pfn, NULL).pins == 1);
}

/* An area that the page has been taken from can be updated; the page is not there to be moved. */
static bool find_page(struct io_pagetable *iopt, const struct mm *mm, struct va va,
		      enum host_move move, struct mapped_page *page)
{
	struct iopt_area *area;
	for (area = iopt_area_from(iopt, 0); area != NULL; area = iopt_area_next(area)) {
		if (!holds(area, mm, va))
			continue;
		page->area = area;
		page->index = (va.value - area->pages->user_va) / PAGE_SIZE;
		page->pfn = span_at(spans_find(&area->pages->pinned, page->index), page->index);
		if (move != HOST_UPDATE && page->pfn >= IOPT_PAGE_ABSENT)
			continue;
		return movable(area, page->index, page->pfn);
	}
	return false;
}

static void set_frame(struct iopt_pages *pages, uint64_t index, uint64_t pfn)
{
	spans_split(&pages->pinned, index);
	spans_split(&pages->pinned, index + 1);
	spans_set(&pages->pinned, index, index, pfn, 1);
}

static void promise(struct iopt_area *area, uint64_t pfn, bool grant)
{
	struct io_pagetable *iopt = area->iopt;
	struct ledger *ledger = &iopt->machine->ledger;
	for (uint32_t i = 0; i < iopt->domain_count; i++) {
		uint32_t holder = iopt->domains[i]->holder;
		if (grant)
			ledger_grant(ledger, holder, pfn, 1);
		else
			ledger_revoke(ledger, holder, pfn, 1,
				      ledger_revocation_new(ledger, holder, "host move"));
	}
}

static void promise_taken(struct iopt_area *area, uint64_t pfn)
{
	struct io_pagetable *iopt = area->iopt;
	for (uint32_t i = 0; i < iopt->domain_count; i++)
		ledger_revoked(&iopt->machine->ledger, iopt->domains[i]->holder, pfn, 1);
}

static void unmap_area(struct iopt_area *area)
{
	struct io_pagetable *iopt = area->iopt;
	for (uint32_t i = 0; i < iopt->domain_count; i++)
		iopt->domains[i]->ops->unmap(iopt->domains[i], iova_of(area->iova),
					     area->last - area->iova + 1);
}

static int map_area(struct iopt_area *area)
{
	int error = 0;
	for (uint32_t i = 0; i < area->iopt->domain_count && error == 0; i++)
		error = iopt_area_map_again(area, area->iopt->domains[i]);
	return error;
}

/* The page goes from its frame; its pin with it, if it stays anywhere. */
static int change_frame(struct mapped_page *page, struct mm *mm, struct va va, enum host_move move)
{
	struct iopt_pages *pages = page->area->pages;
	struct memory *memory = &pages_machine(pages)->memory;
	uint64_t fresh = IOPT_PAGE_ABSENT | page->index, count = 1;
	memory_unpin(memory, page->pfn, 1);
	int error = move == HOST_MIGRATE ? mm_migrate(mm, va) : mm_reclaim(mm, va);
	if (error != 0)
		fresh = page->pfn;
	else if (move == HOST_MIGRATE)
		mm_fault(mm, va, 1, FAULT_PIN, &fresh, &count);
	if (fresh < IOPT_PAGE_ABSENT)
		memory_pin(memory, fresh, 1);
	set_frame(pages, page->index, fresh);
	page->pfn = fresh;
	return error;
}

static int move_page(struct mapped_page *page, struct mm *mm, struct va va, enum host_move move,
		     bool update)
{
	uint64_t old = page->pfn;
	promise(page->area, old, false);
	if (update)
		unmap_area(page->area);
	promise_taken(page->area, old);
	int error = change_frame(page, mm, va, move);
	if (page->pfn < IOPT_PAGE_ABSENT)
		promise(page->area, page->pfn, true);
	if (update && map_area(page->area) != 0)
		return -ENOMEM;
	return error;
}

static int act(struct io_pagetable *iopt, struct mm *mm, struct va va, enum host_move move)
{
	struct mapped_page page;
	unsigned how = kernel_option(iopt->machine, KERNEL_HOST_MOVE);
	if (!find_page(iopt, mm, va, move, &page))
		return -EBUSY;
	struct mutex *mutex = &page.area->pages->mutex;
	mutex_lock(sched_of(iopt->machine), mutex, "pages mutex");
	int error = 0;
	if (move == HOST_UPDATE) {
		unmap_area(page.area);
		error = map_area(page.area);
	} else {
		error = move_page(&page, mm, va, move, how == HOST_MOVE_UPDATED);
	}
	mutex_unlock(sched_of(iopt->machine), mutex);
	return error;
}

int iommufd_move_pinned(struct machine *machine, struct mm *mm, struct va va, enum host_move move)
{
	struct iommufd_module *module = machine->kernel;
	struct io_pagetable *iopt;
	int error = -EBUSY;
	if (kernel_option(machine, KERNEL_HOST_MOVE) == HOST_MOVE_REFUSED)
		return -EBUSY;
	LIST_FOREACH (iopt, &module->iopts, link) {
		down_read(sched_of(machine), &iopt->domains_rwsem, "domains rwsem");
		down_read(sched_of(machine), &iopt->iova_rwsem, "iova rwsem");
		error = act(iopt, mm, va, move);
		up_read(sched_of(machine), &iopt->iova_rwsem);
		up_read(sched_of(machine), &iopt->domains_rwsem);
		if (error != -EBUSY)
			break;
	}
	return error;
}
