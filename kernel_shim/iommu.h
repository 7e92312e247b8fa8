/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-kernel IOMMU API that the iommufd core calls and drivers implement.
 *
 * Concepts
 *   device   a DMA-capable function behind one IOMMU instance
 *   domain   a translation: paging (iova -> pa, filled by the core), nested (tables of the guest)
 *   driver   what the core asks to make domains and vIOMMUs (struct iommu_ops)
 *   holder   the ledger's name for a paging domain: promises are made to it
 *   user data  driver-specific bytes of the caller, typed, copied by copy_struct_from_user()
 *
 * Errors are negative errnos; refuse() remembers the sheet's rule.
 */
#ifndef HWQ_KERNEL_SHIM_IOMMU_H
#define HWQ_KERNEL_SHIM_IOMMU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "emu/machine.h"

struct device;
struct iommu_domain;
struct iommufd_hw_queue;
struct iommufd_vdevice;
struct iommufd_viommu;

/* Permission bits of a mapping. */
#define IOMMU_READ  1U
#define IOMMU_WRITE 2U
#define IOMMU_MMIO  4U

struct user_data {
	struct thread *thread;
	uint32_t type;
	struct va va;
	uint32_t length;
};

struct user_data_array {
	struct thread *thread;
	uint32_t type;
	struct va va;
	uint32_t entry_length;
	uint32_t entry_count; /* in: entries; out: entries done */
};

/* copy_from_user(), copy_to_user(): 0 or -EFAULT; modelled failure points. */
int copy_from_user(struct thread *thread, void *to, struct va from, uint64_t size);
int copy_to_user(struct thread *thread, struct va to, const void *from, uint64_t size);
/* SIZE bytes of USER_SIZE at FROM: missing ones zero, extra ones must be zero (E2BIG). */
int copy_struct_from_user(struct thread *thread, void *to, uint64_t size, struct va from,
			  uint64_t user_size);
/* Entry INDEX, by the same rule (7.5). */
int copy_array_entry(const struct user_data_array *array, uint32_t index, void *entry,
		     uint64_t size);
/* What a driver takes as user data, and what the caller is told whose data is another. */
struct user_data_form {
	uint32_t type;
	uint64_t size;
	uint64_t min; /* the end of the first version's last field */
	const char *not_type;
	const char *not_length;
};

/* Sheet 4.1, "copy struct": type, then min <= length <= size, then the copy. */
int copy_user_data(const struct user_data *data, const struct user_data_form *form, void *to);

/* Called for each dirty IOPTE. */
typedef void dirty_fn(void *context, uint64_t iova, uint64_t length);

struct iommu_domain_ops {
	/* Maps a physically contiguous run; CHUNK, if not 0, limits one IOPTE's size. */
	int (*map)(struct iommu_domain *domain, struct iova iova, struct pa pa, uint64_t length,
		   uint32_t prot, uint64_t chunk);
	void (*unmap)(struct iommu_domain *domain, struct iova iova, uint64_t length);
	bool (*translate)(struct iommu_domain *domain, struct iova iova, struct pa *pa);
	int (*set_dirty_tracking)(struct iommu_domain *domain, bool enable);
	void (*read_dirty)(struct iommu_domain *domain, uint64_t iova, uint64_t last, bool clear,
			   dirty_fn *report, void *context);
	/* Caches forget that pages of [FIRST, LAST] are dirty. NULL: none knows. */
	void (*iotlb_sync)(struct iommu_domain *domain, uint64_t first, uint64_t last);
	int (*attach)(struct iommu_domain *domain, struct device *device);
	int (*attach_pasid)(struct iommu_domain *domain, struct device *device, uint32_t pasid);
	int (*cache_invalidate)(struct iommu_domain *domain, struct user_data_array *array);
	/* Of devices with that capability; called before anything is mapped. */
	bool (*enforce_cache_coherency)(struct iommu_domain *domain);
	void (*free)(struct iommu_domain *domain);
};

enum iommu_domain_kind {
	IOMMU_DOMAIN_PAGING,
	IOMMU_DOMAIN_NESTED,
};

struct iommu_domain {
	enum iommu_domain_kind kind;
	struct machine *machine;
	const struct iommu_ops *driver;
	const struct iommu_domain_ops *ops;
	uint64_t pgsize_bitmap;
	uint64_t aperture_first;
	uint64_t aperture_last;
	bool dirty_ops; /* made with DIRTY_TRACKING */
	uint32_t holder;
};

enum iommu_cap {
	IOMMU_CAP_CACHE_COHERENCY,
	IOMMU_CAP_DIRTY_TRACKING,
	IOMMU_CAP_ATS,
	/* DMA of the device can be made coherent whatever it asks for. */
	IOMMU_CAP_ENFORCE_CACHE_COHERENCY,
};

/* IOVAs that a device can't use, in whatever domain it is. */
struct resv_region {
	uint64_t first;
	uint64_t last;
	bool relaxable; /* of direct mappings: may be used all the same */
};

struct iommu_ops {
	const char *name;
	bool user_pasid_table; /* a nested domain serves PASIDs through the RID attachment */
	bool (*capable)(struct device *device, enum iommu_cap cap);
	/* Up to MAX bytes of info in DATA: *LENGTH and *TYPE, or an errno for an unknown type. */
	int (*hw_info)(struct device *device, uint32_t *type, void *data, uint32_t max,
		       uint32_t *length);
	int (*domain_alloc_paging)(struct device *device, uint32_t flags,
				   const struct user_data *data, struct iommu_domain **domain);
	int (*domain_alloc_nested)(struct device *device, struct iommu_domain *parent,
				   uint32_t flags, const struct user_data *data,
				   struct iommu_domain **domain);
	/* NULL: none. */
	const struct resv_region *(*resv_regions)(struct device *device, uint32_t *count);
	/* Back to blocked DMA. */
	void (*block)(struct device *device);
	void (*block_pasid)(struct device *device, uint32_t pasid);
	bool (*viommu_supported)(struct device *device, uint32_t type);
	int (*viommu_init)(struct iommufd_viommu *viommu, struct iommu_domain *parent,
			   const struct user_data *data);
};

struct iommufd_viommu_ops {
	void (*destroy)(struct iommufd_viommu *viommu);
	int (*alloc_domain_nested)(struct iommufd_viommu *viommu, uint32_t flags,
				   const struct user_data *data, struct iommu_domain **domain);
	int (*cache_invalidate)(struct iommufd_viommu *viommu, struct user_data_array *array);
	int (*vdevice_init)(struct iommufd_vdevice *vdevice);
	void (*vdevice_destroy)(struct iommufd_vdevice *vdevice);
	bool (*hw_queue_supported)(struct iommufd_viommu *viommu, uint32_t type);
	/* One of the two: the queue is read by physical address, or by guest address. */
	int (*hw_queue_init_phys)(struct iommufd_hw_queue *queue, uint32_t index, struct pa base);
	int (*hw_queue_init)(struct iommufd_hw_queue *queue, uint32_t index);
	/* Whether pages of a queue that is read by guest address are pinned too; NULL: they are not. */
	bool (*hw_queue_pins)(struct iommufd_viommu *viommu);
	/* Bytes, where the user's length says them otherwise; NULL: it is in bytes. */
	uint64_t (*hw_queue_bytes)(const struct iommufd_hw_queue *queue);
	void (*hw_queue_destroy)(struct iommufd_hw_queue *queue);
};

struct device {
	struct machine *machine;
	const struct iommu_ops *driver;
	void *iommu;          /* the instance: devices with the same one share domains */
	uint32_t group;       /* devices of one group attach together */
	uint32_t max_pasids;  /* 1: none beyond the RID */
	uint32_t fault_users; /* attachments with page-request handling */
	bool vfio_bound;      /* by a VFIO descriptor */
};

#endif
