// SPDX-License-Identifier: Apache-2.0
/* Page arrays: pinning, accounting, filling domains, reading and writing (iommufd 2.11, 3, 6). */
#include <assert.h>
#include <errno.h>

#include "kernel_shim/io_pagetable.h"
#include "kernel_shim/iommufd.h"

static int compare_access(const struct iopt_pages_access *a, const struct iopt_pages_access *b)
{
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return a->last < b->last ? -1 : a->last > b->last;
}

TREE_GENERATE(pages_access_tree, iopt_pages_access, node, compare_access)

/* --- making and freeing --- */

static struct iopt_pages *pages_new(struct iommufd_ctx *ictx, struct thread *thread,
				    uint64_t start_byte, uint64_t length, bool writable, int *error)
{
	struct machine *machine = ictx->machine;
	struct process *process = thread->process;
	if (length == 0 || length > UINT64_MAX - PAGE_SIZE) {
		*error = refuse(machine, EINVAL, "iommufd 2.4 6", "length is 0 or too large");
		return NULL;
	}
	if (no_memory(machine, "page array")) {
		*error = -ENOMEM;
		return NULL;
	}
	struct iopt_pages *pages = arena_new(machine->arena, struct iopt_pages);
	pages->references = 1;
	pages->npages = (start_byte + length - 1) / PAGE_SIZE + 1;
	pages->writable = writable;
	if (process->credentials.cap_ipc_lock)
		pages->account_mode = ACCOUNT_NONE;
	else
		pages->account_mode = ictx->account_mm ? ACCOUNT_MM : ACCOUNT_USER;
	pages->process = process;
	pages->mm = process->mm;
	mm_get(pages->mm);
	mutex_init(&pages->mutex);
	spans_init(&pages->pinned, machine->arena, true);
	RB_INIT(&pages->accesses);
	return pages;
}

static void set_backing(struct iopt_pages *pages, struct file *file, uint64_t index)
{
	pages->backing = arena_new(pages_machine(pages)->arena, struct iopt_backing);
	pages->backing->pages = pages;
	pages->backing->file = file;
	pages->backing->index = index;
	file_get(file);
}

struct iopt_pages *iopt_alloc_user_pages(struct iommufd_ctx *ictx, struct thread *thread,
					 uint64_t va, uint64_t length, bool writable, int *error)
{
	struct iopt_pages *pages =
		pages_new(ictx, thread, page_offset(va), length, writable, error);
	if (pages == NULL)
		return NULL;
	pages->source = IOPT_PAGES_USER;
	pages->user_va = align_down(va, PAGE_SIZE);
	return pages;
}

struct iopt_pages *iopt_alloc_file_pages(struct iommufd_ctx *ictx, struct thread *thread,
					 struct file *file, uint64_t start, uint64_t length,
					 bool writable, int *error)
{
	struct iopt_pages *pages =
		pages_new(ictx, thread, page_offset(start), length, writable, error);
	if (pages == NULL)
		return NULL;
	pages->source = IOPT_PAGES_FILE;
	set_backing(pages, file, start / PAGE_SIZE);
	return pages;
}

struct iopt_pages *iopt_alloc_dmabuf_pages(struct iommufd_ctx *ictx, struct thread *thread,
					   struct file *file, uint64_t start, uint64_t length,
					   bool writable, int *error)
{
	struct dmabuf *dmabuf = file->priv;
	if (dmabuf->length <= start + length - 1 || length / PAGE_SIZE >= UINT32_MAX) {
		*error = refuse(ictx->machine, EINVAL, "iommufd 2.6 7",
				"the range is not inside the dma-buf");
		return NULL;
	}
	struct iopt_pages *pages =
		pages_new(ictx, thread, page_offset(start), length, writable, error);
	if (pages == NULL)
		return NULL;
	pages->source = IOPT_PAGES_DMABUF;
	pages->account_mode = ACCOUNT_NONE;
	if (dmabuf->revoked) {
		*error = refuse(ictx->machine, ENODEV, "iommufd 2.6 7", "the dma-buf is revoked");
		iopt_pages_put(pages);
		return NULL;
	}
	set_backing(pages, file, start / PAGE_SIZE);
	pages->backing->dmabuf = dmabuf;
	LIST_INSERT_HEAD(&dmabuf->importers, pages->backing, link);
	return pages;
}

static void free_backing(struct iopt_pages *pages)
{
	struct iopt_backing *backing = pages->backing;
	if (backing == NULL)
		return; /* it was refused before it had one */
	if (backing->dmabuf != NULL)
		LIST_REMOVE(backing, link);
	file_put(backing->file);
	arena_delete(pages_machine(pages)->arena, backing);
}

void iopt_pages_get(struct iopt_pages *pages)
{
	pages->references++;
}

void iopt_pages_put(struct iopt_pages *pages)
{
	assert(pages->references > 0);
	if (--pages->references > 0)
		return;
	assert(RB_EMPTY(&pages->pinned.tree) && RB_EMPTY(&pages->accesses) && pages->npinned == 0);
	if (pages->source != IOPT_PAGES_USER)
		free_backing(pages);
	mm_put(pages->mm);
	arena_delete(pages_machine(pages)->arena, pages);
}

/* --- pinning (3.1, 3.2) --- */

static int pin_failed(struct iopt_pages *pages, int error)
{
	return refuse(pages_machine(pages), error, "iommufd 3.2",
		      error == ENOMEM
			      ? "no memory for the page, or too many pins on it"
			      : "a page can't be pinned: not mapped, or not with the right");
}

static int find_file_frames(struct iopt_pages *pages, uint64_t index, uint64_t count, uint64_t *pfn,
			    uint64_t *run)
{
	struct object *object = pages->backing->file->object;
	uint64_t end;
	if (object == NULL || (object->kind != OBJECT_SHMEM && object->kind != OBJECT_HUGETLB))
		return refuse(pages_machine(pages), EINVAL, "iommufd 2.6",
			      "only a memfd-like file can be pinned");
	if (__builtin_mul_overflow(pages->backing->index + index + count, PAGE_SIZE, &end) ||
	    end > object->size)
		return refuse(pages_machine(pages), EINVAL, "iommufd 2.6",
			      "the range is not inside the file");
	if (object_frames(object, pages->backing->index + index, count, pfn, run) != 0)
		return pin_failed(pages, ENOMEM);
	return 0;
}

/* Finds and pins up to COUNT frames from INDEX of the page array. */
static int pin_from_source(struct iopt_pages *pages, uint64_t index, uint64_t count, uint64_t *pfn,
			   uint64_t *run)
{
	int error;
	if (fails_here(pages_machine(pages), "pin pages"))
		return pin_failed(pages, EFAULT);
	if (pages->source == IOPT_PAGES_FILE) {
		error = find_file_frames(pages, index, count, pfn, run);
		if (error != 0)
			return error;
	} else {
		uint32_t flags = FAULT_PIN | (pages->writable ? FAULT_WRITE : 0);
		if (pages->mm->users == 0)
			return pin_failed(pages, EFAULT);
		error = mm_fault(pages->mm, va_of(pages->user_va + index * PAGE_SIZE), count, flags,
				 pfn, run);
		if (error != 0)
			return pin_failed(pages, -error);
	}
	return memory_pin(&pages_machine(pages)->memory, *pfn, *run) ? 0
								     : pin_failed(pages, ENOMEM);
}

void iopt_pages_uncover(struct iopt_pages *pages, uint64_t first, uint64_t last)
{
	struct spans *pinned = &pages->pinned;
	spans_split(pinned, first);
	spans_split(pinned, last + 1);
	for (uint64_t at = first; at <= last;) {
		struct span *span = spans_find(pinned, at);
		assert(span != NULL && span->tag > 0);
		uint64_t next = span->last + 1, count = next - span->first;
		if (--span->tag == 0) {
			if (span->base < IOPT_PAGE_ABSENT)
				memory_unpin(&pages_machine(pages)->memory, span->base, count);
			pages->npinned -= count;
			spans_clear(pinned, span->first, span->last);
		}
		at = next;
	}
	spans_merge(pinned, first, last);
}

int iopt_pages_cover(struct iopt_pages *pages, uint64_t first, uint64_t last)
{
	struct spans *pinned = &pages->pinned;
	for (uint64_t at = first; at <= last;) {
		/* Here, not once before: a page that is new joins the span next to it. */
		spans_split(pinned, at);
		spans_split(pinned, last + 1);
		struct span *span = spans_from(pinned, at);
		bool covered = span != NULL && span->first <= at;
		if (covered && span->base >= IOPT_PAGE_ABSENT) {
			if (at > first)
				iopt_pages_uncover(pages, first, at - 1);
			return pin_failed(pages, EFAULT);
		}
		if (covered) {
			span->tag++;
			at = span->last + 1;
			continue;
		}
		uint64_t end = span != NULL && span->first <= last ? span->first - 1 : last;
		uint64_t pfn, run;
		task_preempt(sched_of(pages_machine(pages)), 0, "pin pages");
		int error = pin_from_source(pages, at, end - at + 1, &pfn, &run);
		if (error != 0) {
			if (at > first)
				iopt_pages_uncover(pages, first, at - 1);
			return error;
		}
		spans_set(pinned, at, at + run - 1, pfn, 1);
		pages->npinned += run;
		at += run;
	}
	spans_merge(pinned, first, last);
	return 0;
}

/* --- accounting (2.11) --- */

static uint64_t *charged_counter(struct iopt_pages *pages, struct user *user, struct mm *mm)
{
	switch (pages->account_mode) {
	case ACCOUNT_USER:
		return &user->locked_vm;
	case ACCOUNT_MM:
		return &mm->locked_vm;
	default:
		return NULL;
	}
}

static int charge(struct iopt_pages *pages, struct process *process, struct user *user,
		  struct mm *mm, uint64_t count)
{
	uint64_t *counter = charged_counter(pages, user, mm);
	if (counter == NULL)
		return 0;
	if (fails_here(pages_machine(pages), "charge pinned pages") ||
	    *counter + count > process->credentials.rlimit_memlock / PAGE_SIZE)
		return refuse(pages_machine(pages), ENOMEM, "iommufd 2.11",
			      "RLIMIT_MEMLOCK of the owner is exceeded");
	*counter += count;
	return 0;
}

int iopt_pages_account(struct iopt_pages *pages)
{
	uint64_t *counter = charged_counter(pages, pages->process->credentials.user, pages->mm);
	assert(pages->mm != NULL);
	if (pages->npinned < pages->charged) {
		uint64_t count = pages->charged - pages->npinned;
		if (counter != NULL)
			*counter -= count;
		pages->mm->pinned_vm -= count;
	} else if (pages->npinned > pages->charged) {
		uint64_t count = pages->npinned - pages->charged;
		if (pages->account_mode == ACCOUNT_MM && pages->mm->users == 0)
			return refuse(pages_machine(pages), EINVAL, "iommufd 2.11",
				      "the owner's mm is gone");
		int error = charge(pages, pages->process, pages->process->credentials.user,
				   pages->mm, count);
		if (error != 0)
			return error;
		pages->mm->pinned_vm += count;
	}
	pages->charged = pages->npinned;
	return 0;
}

/* Whether the charge follows the page array to another owner (2.9). */
static bool must_move(const struct iopt_pages *pages, const struct process *to)
{
	switch (pages->account_mode) {
	case ACCOUNT_USER:
		return pages->process->credentials.user != to->credentials.user ||
		       pages->mm != to->mm;
	case ACCOUNT_MM:
		return pages->mm != to->mm;
	default:
		return false;
	}
}

int iopt_pages_charge_new_owner(struct iopt_pages *pages, struct thread *thread)
{
	struct process *process = thread->process;
	if (pages->charging || !must_move(pages, process))
		return 0;
	int error = charge(pages, process, process->credentials.user, process->mm, pages->charged);
	pages->charging = error == 0;
	return error;
}

void iopt_pages_cancel_charge(struct iopt_pages *pages, struct thread *thread)
{
	struct process *process = thread->process;
	if (!pages->charging)
		return;
	*charged_counter(pages, process->credentials.user, process->mm) -= pages->charged;
	pages->charging = false;
}

void iopt_pages_change_owner(struct iopt_pages *pages, struct thread *thread)
{
	struct process *process = thread->process;
	if (pages->charging) {
		*charged_counter(pages, pages->process->credentials.user, pages->mm) -=
			pages->charged;
		pages->mm->pinned_vm -= pages->charged;
		process->mm->pinned_vm += pages->charged;
		pages->charging = false;
	}
	/* Mode NONE: the per-mm counter stays behind although the owner changes (2.9 [Q]). */
	mm_get(process->mm);
	mm_put(pages->mm);
	pages->mm = process->mm;
	pages->process = process;
}

/* --- domains (3.3) --- */

/* Calls for each physically contiguous piece of AREA, in order of IOVA. */
typedef int piece_fn(struct iopt_area *area, struct iommu_domain *domain, uint64_t iova,
		     struct pa pa, uint64_t length);

static int for_each_piece(struct iopt_area *area, struct iommu_domain *domain, uint64_t last,
			  piece_fn *fn)
{
	struct iopt_pages *pages = area->pages;
	uint64_t iova = area->iova;
	while (iova <= last) {
		uint64_t index = area_index(area, iova), offset = area_byte_offset(area, iova);
		uint64_t pfn, run;
		if (pages->source == IOPT_PAGES_DMABUF) {
			pfn = pages->backing->dmabuf->pfn + pages->backing->index + index;
			run = UINT64_MAX / PAGE_SIZE;
		} else {
			struct span *span = spans_find(&pages->pinned, index);
			/* Other covers may split what is physically one run. */
			struct span *next;
			uint64_t span_last = span->last;
			pfn = span_at(span, index);
			while (span_last < area_index(area, last) &&
			       (next = spans_find(&pages->pinned, span_last + 1)) != NULL &&
			       next->base == pfn + (next->first - index))
				span_last = next->last;
			run = span_last - index + 1;
		}
		uint64_t length = last - iova + 1;
		if (run < UINT64_MAX / PAGE_SIZE && run * PAGE_SIZE - offset < length)
			length = run * PAGE_SIZE - offset;
		int error = 0;
		if (pfn < IOPT_PAGE_ABSENT)
			error = fn(area, domain, iova, pa_of(pfn * PAGE_SIZE + offset), length);
		if (error != 0)
			return error;
		if (add_overflows(iova, length, &iova))
			break;
	}
	return 0;
}

static void promised_frames(struct pa pa, uint64_t length, uint64_t *pfn, uint64_t *count)
{
	*pfn = pa_pfn(pa);
	*count = pa_pfn(pa_of(pa.value + length - 1)) - *pfn + 1;
}

static int map_promised_piece(struct iopt_area *area, struct iommu_domain *domain, uint64_t iova,
			      struct pa pa, uint64_t length)
{
	uint64_t chunk = area->iopt->disable_large_pages ? PAGE_SIZE : 0;
	if (!(area->prot & (IOMMU_READ | IOMMU_WRITE)))
		return refuse(area->iopt->machine, EINVAL, "iommufd app. C MAP_DMA",
			      "a domain can't map without a permission");
	return domain->ops->map(domain, iova_of(iova), pa, length, area->prot, chunk);
}

int iopt_area_map_again(struct iopt_area *area, struct iommu_domain *domain)
{
	return for_each_piece(area, domain, area->last, map_promised_piece);
}

static int map_piece(struct iopt_area *area, struct iommu_domain *domain, uint64_t iova,
		     struct pa pa, uint64_t length)
{
	int error = map_promised_piece(area, domain, iova, pa, length);
	if (error != 0) {
		if (iova > area->iova)
			iopt_area_unfill_range(area, domain, iova - 1);
		return error;
	}
	uint64_t pfn, count;
	promised_frames(pa, length, &pfn, &count);
	ledger_grant(&area->iopt->machine->ledger, domain->holder, pfn, count);
	return 0;
}

static int revoke_piece(struct iopt_area *area, struct iommu_domain *domain, uint64_t iova,
			struct pa pa, uint64_t length)
{
	struct ledger *ledger = &area->iopt->machine->ledger;
	uint64_t pfn, count;
	promised_frames(pa, length, &pfn, &count);
	machine_note(area->iopt->machine, &(struct note){.kind = NOTE_UNMAPPING,
							 .who = domain->holder,
							 .first = pfn,
							 .count = count,
							 .address = align_down(iova, PAGE_SIZE)});
	ledger_revoke(ledger, domain->holder, pfn, count,
		      ledger_revocation_new(ledger, domain->holder, "unmap"));
	return 0;
}

static int revoked_piece(struct iopt_area *area, struct iommu_domain *domain, uint64_t iova,
			 struct pa pa, uint64_t length)
{
	uint64_t pfn, count;
	(void)iova;
	promised_frames(pa, length, &pfn, &count);
	ledger_revoked(&area->iopt->machine->ledger, domain->holder, pfn, count);
	return 0;
}

void iopt_area_unfill_range(struct iopt_area *area, struct iommu_domain *domain, uint64_t last)
{
	for_each_piece(area, domain, last, revoke_piece);
	domain->ops->unmap(domain, iova_of(area->iova), last - area->iova + 1);
	for_each_piece(area, domain, last, revoked_piece);
}

void iopt_area_unfill_domain(struct iopt_area *area, struct iommu_domain *domain)
{
	if (!area->revoked)
		iopt_area_unfill_range(area, domain, area->last);
}

/* Puts AREA's slice into the cover, once, however many domains it has. */
static int cover_area(struct iopt_area *area)
{
	if (area->filled || area->pages->source == IOPT_PAGES_DMABUF)
		return 0;
	int error = iopt_pages_cover(area->pages, area->first_index, area_last_index(area));
	area->filled = error == 0;
	return error;
}

static void uncover_area(struct iopt_area *area)
{
	if (!area->filled)
		return;
	area->filled = false;
	iopt_pages_uncover(area->pages, area->first_index, area_last_index(area));
	iopt_pages_account(area->pages);
}

/* Fills COUNT domains; the caller holds the mutex. All or nothing. */
static int fill_locked(struct iopt_area *area, struct iommu_domain **domains, uint32_t count)
{
	bool was_filled = area->filled;
	int error = cover_area(area);
	if (error != 0)
		return error;
	uint32_t done = 0;
	while (done < count) {
		error = for_each_piece(area, domains[done], area->last, map_piece);
		if (error != 0)
			break;
		done++;
	}
	if (error == 0)
		error = iopt_pages_account(area->pages);
	if (error == 0)
		return 0;
	while (done-- > 0)
		iopt_area_unfill_domain(area, domains[done]);
	if (!was_filled)
		uncover_area(area);
	return error;
}

static int fill(struct iopt_area *area, struct iommu_domain **domains, uint32_t count)
{
	struct iopt_pages *pages = area->pages;
	if (count == 0 || area->revoked)
		return 0;
	mutex_lock(sched_of(pages_machine(pages)), &pages->mutex, "pages mutex");
	int error = fill_locked(area, domains, count);
	mutex_unlock(sched_of(pages_machine(pages)), &pages->mutex);
	return error;
}

int iopt_area_fill_domains(struct iopt_area *area)
{
	return fill(area, area->iopt->domains, area->iopt->domain_count);
}

int iopt_area_fill_domain(struct iopt_area *area, struct iommu_domain *domain)
{
	return fill(area, &domain, 1);
}

void iopt_area_unpin(struct iopt_area *area)
{
	struct iopt_pages *pages = area->pages;
	mutex_lock(sched_of(pages_machine(pages)), &pages->mutex, "pages mutex");
	uncover_area(area);
	mutex_unlock(sched_of(pages_machine(pages)), &pages->mutex);
}

/* --- accesses (3.4) --- */

static int add_access_locked(struct iopt_pages *pages, uint64_t first, uint64_t last)
{
	struct machine *machine = pages_machine(pages);
	struct iopt_pages_access key = {.first = first, .last = last};
	struct iopt_pages_access *access = RB_FIND(pages_access_tree, &pages->accesses, &key);
	if (access != NULL) {
		access->users++;
		return 0;
	}
	if (no_memory(machine, "pin record"))
		return -ENOMEM;
	int error = iopt_pages_cover(pages, first, last);
	if (error != 0)
		return error;
	if (fails_here(machine, "store pinned pages"))
		error = refuse(machine, EINVAL, "iommufd app. E", "storing the pinned pages fails");
	if (error == 0)
		error = iopt_pages_account(pages);
	if (error != 0) {
		iopt_pages_uncover(pages, first, last);
		return error;
	}
	access = arena_new(machine->arena, struct iopt_pages_access);
	access->first = first;
	access->last = last;
	access->users = 1;
	RB_INSERT(pages_access_tree, &pages->accesses, access);
	return 0;
}

int iopt_area_add_access(struct iopt_area *area, uint64_t first, uint64_t last, bool lock)
{
	struct iopt_pages *pages = area->pages;
	mutex_lock(sched_of(pages_machine(pages)), &pages->mutex, "pages mutex");
	int error = add_access_locked(pages, first, last);
	if (error == 0) {
		area->num_accesses++;
		area->num_locks += lock;
	}
	mutex_unlock(sched_of(pages_machine(pages)), &pages->mutex);
	return error;
}

void iopt_area_remove_access(struct iopt_area *area, uint64_t first, uint64_t last, bool lock)
{
	struct iopt_pages *pages = area->pages;
	struct iopt_pages_access key = {.first = first, .last = last};
	mutex_lock(sched_of(pages_machine(pages)), &pages->mutex, "pages mutex");
	struct iopt_pages_access *access = RB_FIND(pages_access_tree, &pages->accesses, &key);
	assert(access != NULL && area->num_accesses > 0);
	area->num_accesses--;
	area->num_locks -= lock;
	if (--access->users == 0) {
		RB_REMOVE(pages_access_tree, &pages->accesses, access);
		arena_delete(pages_machine(pages)->arena, access);
		iopt_pages_uncover(pages, first, last);
		iopt_pages_account(pages);
	}
	mutex_unlock(sched_of(pages_machine(pages)), &pages->mutex);
}

/* --- reading and writing (6, rw) --- */

static void copy_bytes(struct machine *machine, struct pa pa, void *data, uint64_t length,
		       uint32_t flags, uint32_t writer, bool *stated)
{
	if (flags & ACCESS_WRITE) {
		memory_write(&machine->memory, pa, data, length, writer);
		return;
	}
	*stated &= memory_stated(&machine->memory, pa, length);
	memory_read(&machine->memory, pa, data, length);
}

/* Through the owner's page tables, without a pin. */
static int rw_mm(struct iopt_pages *pages, uint64_t start_byte, uint8_t *data, uint64_t length,
		 uint32_t flags, bool *stated)
{
	uint32_t fault = flags & ACCESS_WRITE ? FAULT_WRITE : 0;
	while (length > 0) {
		uint64_t offset = page_offset(start_byte), pfn, run;
		uint64_t n = PAGE_SIZE - offset < length ? PAGE_SIZE - offset : length;
		struct va va = va_of(pages->user_va + start_byte);
		if (mm_fault(pages->mm, va, 1, fault, &pfn, &run) != 0)
			return refuse(pages_machine(pages), EFAULT, "iommufd 6 rw",
				      "the memory behind the area can't be accessed");
		copy_bytes(pages_machine(pages), pa_of(pfn * PAGE_SIZE + offset), data, n, flags,
			   pages->mm->owner, stated);
		data += n, start_byte += n, length -= n;
	}
	return 0;
}

/* Through pinned pages, pinning for the time what is not pinned yet. */
static int rw_pinned(struct iopt_pages *pages, uint64_t start_byte, uint8_t *data, uint64_t length,
		     uint32_t flags, bool *stated)
{
	uint64_t first = start_byte / PAGE_SIZE, last = (start_byte + length - 1) / PAGE_SIZE;
	mutex_lock(sched_of(pages_machine(pages)), &pages->mutex, "pages mutex");
	int error = iopt_pages_cover(pages, first, last);
	if (error == 0) {
		while (length > 0) {
			uint64_t offset = page_offset(start_byte);
			uint64_t n = PAGE_SIZE - offset < length ? PAGE_SIZE - offset : length;
			uint64_t index = start_byte / PAGE_SIZE;
			uint64_t pfn = span_at(spans_find(&pages->pinned, index), index);
			copy_bytes(pages_machine(pages), pa_of(pfn * PAGE_SIZE + offset), data, n,
				   flags, pages->mm->owner, stated);
			data += n, start_byte += n, length -= n;
		}
		iopt_pages_uncover(pages, first, last);
	}
	mutex_unlock(sched_of(pages_machine(pages)), &pages->mutex);
	return error;
}

int iopt_pages_rw(struct iopt_pages *pages, struct thread *thread, uint64_t start_byte, void *data,
		  uint64_t length, uint32_t flags, bool *stated)
{
	bool same_mm = pages->mm == thread->process->mm;
	bool one_page = start_byte / PAGE_SIZE == (start_byte + length - 1) / PAGE_SIZE;
	assert(!(flags & ACCESS_WRITE) || pages->writable);
	if (pages->source == IOPT_PAGES_DMABUF)
		return refuse(pages_machine(pages), EINVAL, "iommufd 6 rw",
			      "a dma-buf has no CPU pages");
	if (pages->source == IOPT_PAGES_USER && pages->mm->users > 0) {
		bool remote = (flags & ACCESS_SLOW_PATH) || !same_mm;
		if (remote && one_page && fails_here(pages_machine(pages), "remote page"))
			return refuse(pages_machine(pages), EINVAL, "iommufd app. E",
				      "remote page");
		if (!remote || one_page)
			return rw_mm(pages, start_byte, data, length, flags, stated);
	}
	return rw_pinned(pages, start_byte, data, length, flags, stated);
}

/* --- dma-buf (2.6) --- */

static void dmabuf_release(struct file *file)
{
	struct dmabuf *dmabuf = file->priv;
	uint64_t frames = dmabuf->length / PAGE_SIZE;
	assert(LIST_EMPTY(&dmabuf->importers)); /* each holds the file */
	memory_put(&dmabuf->machine->memory, dmabuf->pfn, frames);
	arena_delete(dmabuf->machine->arena, dmabuf);
}

const struct file_ops dmabuf_file_ops = {
	.name = "dmabuf",
	.release = dmabuf_release,
};

static void revoke_areas(struct io_pagetable *iopt, const struct iopt_pages *pages)
{
	for (struct iopt_area *area = iopt_area_from(iopt, 0); area != NULL;
	     area = iopt_area_next(area)) {
		if (area->pages != pages)
			continue;
		for (uint32_t i = 0; !area->revoked && i < iopt->domain_count; i++)
			iopt_area_unfill_range(area, iopt->domains[i], area->last);
		area->revoked = true;
	}
}

/* Areas are not listed by what backs them: few are buffers, and none is revoked twice. */
void iopt_dmabuf_revoke(struct dmabuf *dmabuf)
{
	struct iopt_backing *backing;
	struct io_pagetable *iopt;
	LIST_FOREACH (backing, &dmabuf->importers, link) {
		backing->revoked = true;
		LIST_FOREACH (iopt, &iommufd_module(dmabuf->machine)->iopts, link)
			revoke_areas(iopt, backing->pages);
	}
}
