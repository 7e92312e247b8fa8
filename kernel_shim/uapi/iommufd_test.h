/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test interface of iommufd (CONFIG_IOMMUFD_TEST): IOMMU_TEST_CMD and the mock driver's data.
 * Written from section 7 of the iommufd sheet.
 */
#ifndef HWQ_KERNEL_SHIM_UAPI_IOMMUFD_TEST_H
#define HWQ_KERNEL_SHIM_UAPI_IOMMUFD_TEST_H

#include <stdint.h>

enum iommu_test_op {
	IOMMU_TEST_OP_ADD_RESERVED = 1,
	IOMMU_TEST_OP_MOCK_DOMAIN = 2,
	IOMMU_TEST_OP_MD_CHECK_MAP = 3,
	IOMMU_TEST_OP_MD_CHECK_REFS = 4,
	IOMMU_TEST_OP_CREATE_ACCESS = 5,
	IOMMU_TEST_OP_DESTROY_ACCESS_PAGES = 6,
	IOMMU_TEST_OP_ACCESS_PAGES = 7,
	IOMMU_TEST_OP_ACCESS_RW = 8,
	IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT = 9,
	IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE = 10,
	IOMMU_TEST_OP_ACCESS_REPLACE_IOAS = 11,
	IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS = 12,
	IOMMU_TEST_OP_DIRTY = 13,
	IOMMU_TEST_OP_MD_CHECK_IOTLB = 14,
	IOMMU_TEST_OP_TRIGGER_IOPF = 15,
	IOMMU_TEST_OP_DEV_CHECK_CACHE = 16,
	IOMMU_TEST_OP_TRIGGER_VEVENT = 17,
	IOMMU_TEST_OP_PASID_ATTACH = 18,
	IOMMU_TEST_OP_PASID_REPLACE = 19,
	IOMMU_TEST_OP_PASID_DETACH = 20,
	IOMMU_TEST_OP_PASID_CHECK_HWPT = 21,
	IOMMU_TEST_OP_DMABUF_GET = 22,
	IOMMU_TEST_OP_DMABUF_REVOKE = 23,
};

#define MOCK_IOMMUPT_DEFAULT 0U
#define MOCK_IOMMUPT_HUGE    1U

#define MOCK_FLAGS_ACCESS_WRITE                  1U
#define MOCK_FLAGS_ACCESS_SYZ                    0x10000U
#define MOCK_ACCESS_RW_WRITE                     1U
#define MOCK_ACCESS_RW_SLOW_PATH                 4U
#define MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES 1U
#define MOCK_FLAGS_DEVICE_NO_DIRTY               1U
#define MOCK_FLAGS_DEVICE_PASID                  4U

#define MOCK_NESTED_DOMAIN_IOTLB_NUM 4U
#define MOCK_DEV_CACHE_NUM           4U
#define IOMMU_TEST_PASID_RESERVED    1024U
#define MOCK_PASID_WIDTH             20U

#define IOMMU_HW_INFO_TYPE_SELFTEST           0xfeedbeefU
#define IOMMU_HW_INFO_SELFTEST_REGVAL         0xdeadbeefU
#define IOMMU_HWPT_DATA_SELFTEST              0xdeadU
#define IOMMU_TEST_DEV_CACHE_DEFAULT          0xbaddadU
#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST   0xdeadbeefU
#define IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST 0xdeadbeefU
#define IOMMU_TEST_INVALIDATE_FLAG_ALL        1U
#define IOMMU_VIOMMU_TYPE_SELFTEST            0xdeadbeefU
#define IOMMU_VEVENTQ_TYPE_SELFTEST           0xbeefbeefU
#define IOMMU_HW_QUEUE_TYPE_SELFTEST          0xdeadbeefU
#define IOMMU_TEST_HW_QUEUE_MAX               2U

/* 7.1, 7.2 */
struct iommu_test_cmd {
	uint32_t size;
	uint32_t op;
	uint32_t id;
	uint32_t __reserved;
	union {
		struct {
			uint64_t start;
			uint64_t length;
		} add_reserved;
		struct {
			uint32_t out_stdev_id;
			uint32_t out_hwpt_id;
			uint32_t out_idev_id;
		} mock_domain;
		struct {
			uint32_t out_stdev_id;
			uint32_t out_hwpt_id;
			uint32_t out_idev_id;
			uint32_t dev_flags;
		} mock_domain_flags;
		struct {
			uint32_t pt_id;
		} mock_domain_replace;
		struct {
			uint64_t iova;
			uint64_t length;
			uint64_t uptr;
		} check_map;
		struct {
			uint64_t length;
			uint64_t uptr;
			uint32_t refs;
		} check_refs;
		struct {
			uint32_t out_access_fd;
			uint32_t flags;
		} create_access;
		struct {
			uint32_t access_pages_id;
		} destroy_access_pages;
		struct {
			uint32_t flags;
			uint32_t out_access_pages_id;
			uint64_t iova;
			uint64_t length;
			uint64_t uptr;
		} access_pages;
		struct {
			uint64_t iova;
			uint64_t length;
			uint64_t uptr;
			uint32_t flags;
		} access_rw;
		struct {
			uint32_t limit;
		} memory_limit;
		struct {
			uint32_t ioas_id;
		} access_replace_ioas;
		struct {
			uint32_t flags;
			uint32_t __pad;
			uint64_t iova;
			uint64_t length;
			uint64_t page_size;
			uint64_t uptr;
			uint64_t out_nr_dirty;
		} dirty;
		struct {
			uint32_t id;
			uint32_t iotlb;
		} check_iotlb;
		struct {
			uint32_t dev_id;
			uint32_t pasid;
			uint32_t grpid;
			uint32_t perm;
			uint64_t addr;
		} trigger_iopf;
		struct {
			uint32_t id;
			uint32_t cache;
		} check_dev_cache;
		struct {
			uint32_t dev_id;
		} trigger_vevent;
		struct {
			uint32_t pasid;
			uint32_t pt_id;
		} pasid_attach; /* and pasid_replace */
		struct {
			uint32_t pasid;
		} pasid_detach;
		struct {
			uint32_t pasid;
			uint32_t hwpt_id;
		} pasid_check;
		struct {
			uint32_t length;
			uint32_t open_flags;
		} dmabuf_get;
		struct {
			int32_t dmabuf_fd;
			uint32_t revoked;
		} dmabuf_revoke;
		uint64_t bytes[6];
	};
	uint32_t last;
	uint32_t __tail;
};

struct iommu_test_hw_info {
	uint32_t flags;
	uint32_t test_reg;
};

struct iommu_hwpt_selftest {
	uint32_t iotlb;
	uint32_t pagetable_type;
};

struct iommu_hwpt_invalidate_selftest {
	uint32_t flags;
	uint32_t iotlb_id;
};

struct iommu_viommu_selftest {
	uint32_t in_data;
	uint32_t out_data;
	uint64_t out_mmap_offset;
	uint64_t out_mmap_length;
};

struct iommu_viommu_invalidate_selftest {
	uint32_t flags;
	uint32_t vdev_id;
	uint32_t cache_id;
};

_Static_assert(sizeof(struct iommu_test_cmd) == 72, "7.1");
_Static_assert(sizeof(struct iommu_viommu_selftest) == 24, "7.2");
_Static_assert(sizeof(struct iommu_viommu_invalidate_selftest) == 12, "7.2");

#endif
