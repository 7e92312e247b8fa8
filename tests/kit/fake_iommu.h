/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An IOMMU driver that does what a test wants: it shows the core's side of the driver API.
 *
 * Concepts
 *   ops    copies of the instance's own, to be changed: an op of NULL is one that it lacks. Each
 *          instance is a driver of its own, which knows no other's domains
 *   log    a letter for each call of the core, in order
 */
#ifndef HWQ_TESTS_KIT_FAKE_IOMMU_H
#define HWQ_TESTS_KIT_FAKE_IOMMU_H

#include "tests/kit/world.h"

#define FAKE_LOG_MAX 64U
#define FAKE_REGIONS 4U
/* The data of its nested domains: the first version of the struct, and the whole. */
#define FAKE_DATA_TYPE 0xfa4eU
#define FAKE_DATA_MIN  8U
#define FAKE_DATA_MAX  16U

/* The log's letters. */
#define FAKE_ATTACH       'a'
#define FAKE_ATTACH_PASID 'p'
#define FAKE_BLOCK        'b'
#define FAKE_BLOCK_PASID  'q'
#define FAKE_ENFORCE      'e'
#define FAKE_MAP          'm'
#define FAKE_UNMAP        'u'
#define FAKE_DIRTY_READ   'r'
#define FAKE_DIRTY_SET    's'

struct fake_iommu {
	struct machine *machine;
	struct iommu_ops ops;
	struct iommu_domain_ops domain_ops;
	struct iommu_domain_ops nested_ops;
	struct iommufd_viommu_ops viommu_ops;
	uint64_t pgsizes;
	bool incoherent;      /* its devices' DMA */
	bool enforces;        /* its devices have the capability */
	bool refuses_enforce; /* its domains do not take it */
	bool no_dirty;        /* its devices can't track dirty pages */
	bool ats;
	int alloc_error; /* negative errno, as the others */
	int attach_error;
	uint32_t attach_error_after; /* so many attaches succeed first */
	uint32_t flags;              /* of the last paging or nested domain */
	bool had_data;
	uint8_t data[FAKE_DATA_MAX]; /* what the last nested domain was given */
	char log[FAKE_LOG_MAX];
	uint32_t log_length;
};

struct fake_device {
	struct device device;
	struct iommu_domain *domain; /* of the RID; NULL: blocked */
	struct resv_region regions[FAKE_REGIONS];
	uint32_t region_count;
};

struct fake_iommu *fake_iommu_new(struct machine *machine);
/* In a group of its own, with 16 PASIDs. */
struct fake_device *fake_device_new(struct fake_iommu *fake);
/* Forgets the log. */
void fake_look(struct fake_iommu *fake);

/* --- any device, through its VFIO file --- */

/* Gives DEVICE to WORLD's iommufd: its id; *FD is its file. */
int64_t world_bind(struct world *world, struct device *device, int *fd);
/* Attaches, then replaces; *PT in and out. */
int64_t world_attach(struct world *world, int fd, uint32_t *pt);
int64_t world_detach(struct world *world, int fd);
/* What has this id in the kernel. */
struct iommufd_object *world_object(struct world *world, uint32_t id);
struct iommufd_device *world_idev(struct world *world, uint32_t id);
struct iommufd_hwpt *world_hwpt_of(struct world *world, uint32_t id);

#endif
