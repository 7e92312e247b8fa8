/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mock IOMMU driver behind the test interface (iommufd sheet 7.4 .. 7.6): no hardware, a page
 * table that can be asked what it holds.
 */
#ifndef HWQ_KERNEL_SHIM_DRIVERS_MOCK_H
#define HWQ_KERNEL_SHIM_DRIVERS_MOCK_H

#include "kernel_shim/iommufd.h"
#include "kernel_shim/uapi/iommufd_test.h"

#define MOCK_APERTURE_START 0x1000000ULL
#define MOCK_APERTURE_LAST  0x7fffffffULL
#define MOCK_PAGE_SIZE      2048ULL
#define MOCK_HUGE_PAGE_SIZE (1ULL << 20)
#define MOCK_TABLE_BITS     38 /* three levels over 2 KiB granules */

struct mock_viommu {
	struct iommufd_viommu *viommu;
	struct iommu_domain *parent;
	struct iommufd_hw_queue *hw_queues[IOMMU_TEST_HW_QUEUE_MAX];
	uint64_t page_pfn; /* 2 pages for mmap, when has_pages */
	uint64_t mmap_offset;
	bool has_pages;
};

struct mock_dev {
	struct device device;
	uint32_t flags;
	uint32_t cache[MOCK_DEV_CACHE_NUM];
	struct mock_viommu *viommu; /* of the nested domain on the RID */
	uint64_t vdev_id;           /* cached at attach */
	bool pasid_1024_armed;
};

struct mock_table;

struct mock_domain {
	struct iommu_domain domain;
	struct mock_table *root;
	bool tracking;
};

struct mock_nested {
	struct iommu_domain domain;
	struct mock_viommu *viommu; /* NULL: made on a HWPT */
	uint32_t iotlb[MOCK_NESTED_DOMAIN_IOTLB_NUM];
};

/* mock.c */
extern const struct iommu_ops mock_ops;
struct mock_dev *mock_dev_new(struct machine *machine, uint32_t flags);
void mock_dev_free(struct mock_dev *dev);
/* NULL when the domain is of another driver or kind. */
struct mock_domain *mock_paging_domain(struct iommu_domain *domain);
struct mock_nested *mock_nested_domain(struct iommu_domain *domain);
struct mock_dev *mock_device(struct device *device);

/* mock_table.c */
int mock_table_map(struct mock_domain *mock, uint64_t iova, uint64_t pa, uint64_t length,
		   uint64_t chunk);
void mock_table_unmap(struct mock_domain *mock, uint64_t iova, uint64_t length);
bool mock_table_translate(struct mock_domain *mock, uint64_t iova, uint64_t *pa);
/* Marks the IOPTE at IOVA dirty; unmapped addresses are ignored. */
void mock_table_set_dirty(struct mock_domain *mock, uint64_t iova);
void mock_table_read_dirty(struct mock_domain *mock, uint64_t iova, uint64_t last, bool clear,
			   dirty_fn *report, void *context);
void mock_table_free(struct mock_domain *mock);

#endif
