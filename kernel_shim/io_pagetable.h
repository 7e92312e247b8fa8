/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The io_pagetable of an IOAS, and page arrays (sheet 2.4 .. 2.11 and 3).
 *
 * Concepts
 *   area        a contiguous IOVA interval, permissions, a slice of a page array
 *   page array  (iopt_pages) CPU pages from a user VA, a file or a dma-buf; shared by copies
 *   cover       why an index of a page array is pinned: slices of areas that have a domain, and
 *               intervals of accesses. An index is pinned once while its cover is not 0 (3.1)
 *   locks       pins of internal accesses on an area: unmap answers EBUSY
 */
#ifndef HWQ_KERNEL_SHIM_IO_PAGETABLE_H
#define HWQ_KERNEL_SHIM_IO_PAGETABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "emu/machine.h"
#include "emu/tree.h"
#include "kernel_shim/iommu.h"

struct iommufd_access;
struct iommufd_ctx;

enum iopt_pages_source {
	IOPT_PAGES_USER,
	IOPT_PAGES_FILE,
	IOPT_PAGES_DMABUF,
};

/* An access's pin of page indices; identical ones share the record. */
struct iopt_pages_access {
	RB_ENTRY(iopt_pages_access) node;
	uint64_t first;
	uint64_t last;
	uint64_t users;
};

RB_HEAD(pages_access_tree, iopt_pages_access);

/* Where pages come from that are not a process's memory. */
struct iopt_backing {
	struct iopt_pages *pages;
	struct file *file; /* held open */
	uint64_t index;    /* page index of the start */
	struct dmabuf *dmabuf;
	bool revoked; /* DMABUF: for good, and for copies too */
	LIST_ENTRY(iopt_backing) link;
};

/* One for each area that was mapped, millions of them: members are in order of size. */
struct iopt_pages {
	uint32_t references; /* areas */
	uint8_t source;      /* enum iopt_pages_source */
	uint8_t account_mode;
	bool writable;
	bool charging; /* CHANGE_PROCESS has charged the new owner */
	struct mutex mutex;
	uint64_t npages;
	uint64_t npinned;
	uint64_t charged; /* npinned as last accounted */
	struct mm *mm;    /* the mapper's; whose counters are charged */
	struct process
		*process; /* whose RLIMIT_MEMLOCK and user count; processes are never freed */
	union {
		uint64_t user_va;             /* USER: page-aligned start */
		struct iopt_backing *backing; /* FILE, DMABUF */
	};
	struct spans pinned; /* index -> pfn; tag: cover */
	struct pages_access_tree accesses;
};

static inline struct machine *pages_machine(const struct iopt_pages *pages)
{
	return pages->process->machine;
}

/* In place of a frame: the host has taken it (host_move.c); the index in the other bits. */
#define IOPT_PAGE_ABSENT (1ULL << 63)

struct iopt_area {
	RB_ENTRY(iopt_area) node;
	struct io_pagetable *iopt;
	uint64_t iova;
	uint64_t last;
	struct iopt_pages *pages;
	uint64_t first_index; /* in pages, of the first byte */
	uint32_t page_offset; /* of the first byte */
	uint32_t prot;
	uint32_t num_accesses;
	uint32_t num_locks;
	bool busy; /* in construction or teardown: counts as missing */
	bool prevent_access;
	bool filled;  /* in the domains, and in the cover */
	bool revoked; /* dma-buf */
};

RB_HEAD(area_tree, iopt_area);

struct iopt_reserved {
	TAILQ_ENTRY(iopt_reserved) link;
	uint64_t first;
	uint64_t last;
	const void *owner; /* domain, device, or NULL for the test interface */
};

TAILQ_HEAD(reserved_list, iopt_reserved);
/* An access on an IOAS's list; during a replace an access is on two. */
struct iopt_access_link {
	TAILQ_ENTRY(iopt_access_link) link;
	struct iommufd_access *access;
};

TAILQ_HEAD(access_list, iopt_access_link);

struct io_pagetable {
	struct machine *machine;
	LIST_ENTRY(io_pagetable) link; /* of all */
	struct rwsem domains_rwsem;
	struct rwsem iova_rwsem;
	struct area_tree areas;
	uint64_t area_count;
	struct reserved_list reserved;
	struct spans holes_not; /* union of the reserved ranges */
	struct spans allowed;   /* empty: no limit */
	struct iommu_domain **domains;
	uint32_t domain_count;
	uint32_t domain_capacity;
	struct access_list accesses;
	uint32_t access_count;
	uint64_t iova_alignment;
	bool disable_large_pages;
};

static inline uint64_t area_length(const struct iopt_area *area)
{
	return area->last - area->iova + 1;
}

/* Page index in the page array of IOVA, which lies in AREA. */
static inline uint64_t area_index(const struct iopt_area *area, uint64_t iova)
{
	return area->first_index + (iova - area->iova + area->page_offset) / PAGE_SIZE;
}

static inline uint64_t area_last_index(const struct iopt_area *area)
{
	return area_index(area, area->last);
}

/* Offset in its page of the byte behind IOVA. */
static inline uint64_t area_byte_offset(const struct iopt_area *area, uint64_t iova)
{
	return page_offset(iova - area->iova + area->page_offset);
}

/* --- io_pagetable.c --- */
void iopt_init(struct io_pagetable *iopt, struct machine *machine);
void iopt_fini(struct io_pagetable *iopt);

/* Pieces of page arrays to be mapped at consecutive IOVAs. */
struct pages_piece {
	struct iopt_pages *pages; /* holds a reference */
	uint64_t start_byte;      /* in the page array */
	uint64_t length;
};

struct map_list {
	struct pages_piece *pieces;
	uint32_t count;
	uint32_t capacity;
	uint64_t address; /* what automatic selection aligns to (2.5.2) */
	uint64_t length;  /* total */
};

#define IOPT_ALLOC_IOVA 1U /* choose the IOVA */

/* Steps 8 .. 11 of 2.4 on LIST; *IOVA in or out. */
int iopt_map_pages(struct io_pagetable *iopt, struct map_list *list, uint64_t *iova, uint32_t prot,
		   uint32_t flags);
/* The page arrays behind [iova, iova + length) (2.7 step 7). Release with iopt_free_pages_list(). */
int iopt_get_pages(struct io_pagetable *iopt, uint64_t iova, uint64_t length,
		   struct map_list *list);
void iopt_free_pages_list(struct machine *machine, struct map_list *list);
void map_list_add(struct machine *machine, struct map_list *list, struct iopt_pages *pages,
		  uint64_t start_byte, uint64_t length);

int iopt_unmap_iova(struct io_pagetable *iopt, uint64_t iova, uint64_t length, uint64_t *unmapped);
int iopt_unmap_all(struct io_pagetable *iopt, uint64_t *unmapped);
/* Splits areas at the given IOVAs (VFIO type 1; app. C). */
int iopt_cut_iova(struct io_pagetable *iopt, const uint64_t *iovas, uint32_t count);

int iopt_set_allow_iova(struct io_pagetable *iopt, struct spans *allowed);
int iopt_reserve_iova(struct io_pagetable *iopt, uint64_t first, uint64_t last, const void *owner);
void iopt_remove_reserved_iova(struct io_pagetable *iopt, const void *owner);

int iopt_table_add_domain(struct io_pagetable *iopt, struct iommu_domain *domain);
void iopt_table_remove_domain(struct io_pagetable *iopt, struct iommu_domain *domain);
int iopt_add_access(struct io_pagetable *iopt, struct iommufd_access *access);
void iopt_remove_access(struct io_pagetable *iopt, struct iommufd_access *access);
int iopt_disable_large_pages(struct io_pagetable *iopt);
int iopt_enable_large_pages(struct io_pagetable *iopt);

/* The area that holds IOVA and is fully made, or NULL. */
struct iopt_area *iopt_find_area(struct io_pagetable *iopt, uint64_t iova);
/* The first area that ends at or after IOVA, or NULL. */
struct iopt_area *iopt_area_from(struct io_pagetable *iopt, uint64_t iova);
struct iopt_area *iopt_area_next(struct iopt_area *area);

/* --- pages.c --- */
struct iopt_pages *iopt_alloc_user_pages(struct iommufd_ctx *ictx, struct thread *thread,
					 uint64_t va, uint64_t length, bool writable, int *error);
struct iopt_pages *iopt_alloc_file_pages(struct iommufd_ctx *ictx, struct thread *thread,
					 struct file *file, uint64_t start, uint64_t length,
					 bool writable, int *error);
struct iopt_pages *iopt_alloc_dmabuf_pages(struct iommufd_ctx *ictx, struct thread *thread,
					   struct file *file, uint64_t start, uint64_t length,
					   bool writable, int *error);
void iopt_pages_get(struct iopt_pages *pages);
void iopt_pages_put(struct iopt_pages *pages);
/* Pins [first, last] where nothing covers it yet. -EFAULT, -EINVAL, -ENOMEM: nothing changed. */
int iopt_pages_cover(struct iopt_pages *pages, uint64_t first, uint64_t last);
void iopt_pages_uncover(struct iopt_pages *pages, uint64_t first, uint64_t last);
/* Charges or gives back what changed since the last call (2.11). */
int iopt_pages_account(struct iopt_pages *pages);
/* CHANGE_PROCESS (2.9): charge the caller, once a page array; then move it, or take it back. */
int iopt_pages_charge_new_owner(struct iopt_pages *pages, struct thread *thread);
void iopt_pages_cancel_charge(struct iopt_pages *pages, struct thread *thread);
void iopt_pages_change_owner(struct iopt_pages *pages, struct thread *thread);

/* Maps AREA into every domain of its io_pagetable, pinning its pages (3.3). All or nothing. */
int iopt_area_fill_domains(struct iopt_area *area);
int iopt_area_fill_domain(struct iopt_area *area, struct iommu_domain *domain);
void iopt_area_unfill_domain(struct iopt_area *area, struct iommu_domain *domain);
/* The same up to LAST, for an area that was filled so far. */
void iopt_area_unfill_range(struct iopt_area *area, struct iommu_domain *domain, uint64_t last);
/* Maps what is promised already and has been taken out of the domain (host_move.c). */
int iopt_area_map_again(struct iopt_area *area, struct iommu_domain *domain);
/* Takes AREA out of the cover of its pages; the domains are empty already. */
void iopt_area_unpin(struct iopt_area *area);

int iopt_area_add_access(struct iopt_area *area, uint64_t first, uint64_t last, bool lock);
void iopt_area_remove_access(struct iopt_area *area, uint64_t first, uint64_t last, bool lock);
/* Copies bytes of page indices to or from DATA; pins for the time where it has to. */
int iopt_pages_rw(struct iopt_pages *pages, struct thread *thread, uint64_t start_byte, void *data,
		  uint64_t length, uint32_t flags, bool *stated);

/* --- dma-buf exporter of the test interface --- */
LIST_HEAD(backing_list, iopt_backing);

struct dmabuf {
	struct machine *machine;
	uint64_t length;
	uint64_t pfn;
	bool revoked;
	struct backing_list importers;
};

extern const struct file_ops dmabuf_file_ops;
/* Removes all mappings of the buffer from domains, for good (2.6). */
void iopt_dmabuf_revoke(struct dmabuf *dmabuf);

#endif
