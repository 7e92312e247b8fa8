/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The iommufd user API of Linux 7.3: argument structs, flags and types.
 * Written from the tables of the iommufd sheet; the section stands at each struct.
 * All fields are little endian and naturally aligned.
 */
#ifndef HWQ_KERNEL_SHIM_UAPI_IOMMUFD_H
#define HWQ_KERNEL_SHIM_UAPI_IOMMUFD_H

#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the ABI structs are read in place: a little-endian host is needed"
#endif

/* iommufd 1.2: _IO(';', nr) */
#define IOMMUFD_TYPE   0x3bU
#define IOMMUFD_IO(nr) ((uint32_t)(IOMMUFD_TYPE << 8 | (nr)))

enum iommufd_nr {
	IOMMUFD_NR_BASE = 0x80,
	IOMMUFD_NR_DESTROY = 0x80,
	IOMMUFD_NR_IOAS_ALLOC = 0x81,
	IOMMUFD_NR_IOAS_ALLOW_IOVAS = 0x82,
	IOMMUFD_NR_IOAS_COPY = 0x83,
	IOMMUFD_NR_IOAS_IOVA_RANGES = 0x84,
	IOMMUFD_NR_IOAS_MAP = 0x85,
	IOMMUFD_NR_IOAS_UNMAP = 0x86,
	IOMMUFD_NR_OPTION = 0x87,
	IOMMUFD_NR_VFIO_IOAS = 0x88,
	IOMMUFD_NR_HWPT_ALLOC = 0x89,
	IOMMUFD_NR_GET_HW_INFO = 0x8a,
	IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING = 0x8b,
	IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP = 0x8c,
	IOMMUFD_NR_HWPT_INVALIDATE = 0x8d,
	IOMMUFD_NR_FAULT_QUEUE_ALLOC = 0x8e,
	IOMMUFD_NR_IOAS_MAP_FILE = 0x8f,
	IOMMUFD_NR_VIOMMU_ALLOC = 0x90,
	IOMMUFD_NR_VDEVICE_ALLOC = 0x91,
	IOMMUFD_NR_IOAS_CHANGE_PROCESS = 0x92,
	IOMMUFD_NR_VEVENTQ_ALLOC = 0x93,
	IOMMUFD_NR_HW_QUEUE_ALLOC = 0x94,
	IOMMUFD_NR_IOAS_NOIOMMU_GET_PA = 0x95,
	IOMMUFD_NR_TEST_CMD = 0xa0,
};

/* 1.6 */
struct iommu_destroy {
	uint32_t size;
	uint32_t id;
};

/* 2.1 */
struct iommu_ioas_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_ioas_id;
};

struct iommu_iova_range {
	uint64_t start;
	uint64_t last;
};

/* 2.2 */
struct iommu_ioas_iova_ranges {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas;
	uint32_t __reserved;
	uint64_t allowed_iovas;
	uint64_t out_iova_alignment;
};

/* 2.3 */
struct iommu_ioas_allow_iovas {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas;
	uint32_t __reserved;
	uint64_t allowed_iovas;
};

/* 2.4 */
#define IOMMU_IOAS_MAP_FIXED_IOVA 1U
#define IOMMU_IOAS_MAP_WRITEABLE  2U
#define IOMMU_IOAS_MAP_READABLE   4U

struct iommu_ioas_map {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t __reserved;
	uint64_t user_va;
	uint64_t length;
	uint64_t iova;
};

/* 2.6 */
struct iommu_ioas_map_file {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	int32_t fd;
	uint64_t start;
	uint64_t length;
	uint64_t iova;
};

/* 2.7 */
struct iommu_ioas_copy {
	uint32_t size;
	uint32_t flags;
	uint32_t dst_ioas_id;
	uint32_t src_ioas_id;
	uint64_t length;
	uint64_t dst_iova;
	uint64_t src_iova;
};

/* 2.8 */
struct iommu_ioas_unmap {
	uint32_t size;
	uint32_t ioas_id;
	uint64_t iova;
	uint64_t length;
};

/* 2.9 */
struct iommu_ioas_change_process {
	uint32_t size;
	uint32_t __reserved;
};

/* 2.10 */
enum iommufd_option {
	IOMMU_OPTION_RLIMIT_MODE = 0,
	IOMMU_OPTION_HUGE_PAGES = 1,
};

enum iommufd_option_op {
	IOMMU_OPTION_OP_SET = 0,
	IOMMU_OPTION_OP_GET = 1,
};

struct iommu_option {
	uint32_t size;
	uint32_t option_id;
	uint16_t op;
	uint16_t __reserved;
	uint32_t object_id;
	uint64_t val64;
};

/* 2.12 */
enum iommufd_vfio_ioas_op {
	IOMMU_VFIO_IOAS_GET = 0,
	IOMMU_VFIO_IOAS_SET = 1,
	IOMMU_VFIO_IOAS_CLEAR = 2,
};

struct iommu_vfio_ioas {
	uint32_t size;
	uint32_t ioas_id;
	uint16_t op;
	uint16_t __reserved;
};

/* 2.13 */
struct iommu_ioas_noiommu_get_pa {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t __reserved;
	uint64_t iova;
	uint64_t length;
	uint64_t out_phys;
};

/* 4.1 */
#define IOMMU_HWPT_ALLOC_NEST_PARENT    1U
#define IOMMU_HWPT_ALLOC_DIRTY_TRACKING 2U
#define IOMMU_HWPT_FAULT_ID_VALID       4U
#define IOMMU_HWPT_ALLOC_PASID          8U

#define IOMMU_HWPT_DATA_NONE 0U

struct iommu_hwpt_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t dev_id;
	uint32_t pt_id;
	uint32_t out_hwpt_id;
	uint32_t __reserved;
	uint32_t data_type;
	uint32_t data_len;
	uint64_t data_uptr;
	uint32_t fault_id;
	uint32_t __reserved2;
};

/* 4.2 */
struct iommu_hwpt_invalidate {
	uint32_t size;
	uint32_t hwpt_id;
	uint64_t data_uptr;
	uint32_t data_type;
	uint32_t entry_len;
	uint32_t entry_num;
	uint32_t __reserved;
};

/* 4.3 */
#define IOMMU_HW_INFO_FLAG_INPUT_TYPE      1U
#define IOMMU_HW_CAP_DIRTY_TRACKING        1U
#define IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED 8U

struct iommu_hw_info {
	uint32_t size;
	uint32_t flags;
	uint32_t dev_id;
	uint32_t data_len;
	uint64_t data_uptr;
	uint32_t data_type; /* in_data_type, out_data_type */
	uint8_t out_max_pasid_log2;
	uint8_t __reserved[3];
	uint64_t out_capabilities;
};

/* 4.4 */
#define IOMMU_HWPT_DIRTY_TRACKING_ENABLE     1U
#define IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR 1U

struct iommu_hwpt_set_dirty_tracking {
	uint32_t size;
	uint32_t flags;
	uint32_t hwpt_id;
	uint32_t __reserved;
};

struct iommu_hwpt_get_dirty_bitmap {
	uint32_t size;
	uint32_t hwpt_id;
	uint32_t flags;
	uint32_t __reserved;
	uint64_t iova;
	uint64_t length;
	uint64_t page_size;
	uint64_t data;
};

/* 5.1 */
struct iommu_viommu_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t type;
	uint32_t dev_id;
	uint32_t hwpt_id;
	uint32_t out_viommu_id;
	uint32_t data_len;
	uint32_t __reserved;
	uint64_t data_uptr;
};

/* 5.3 */
struct iommu_vdevice_alloc {
	uint32_t size;
	uint32_t viommu_id;
	uint32_t dev_id;
	uint32_t out_vdevice_id;
	uint64_t virt_id;
};

/* 5.4 */
struct iommu_hw_queue_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t viommu_id;
	uint32_t type;
	uint32_t index;
	uint32_t out_hw_queue_id;
	uint64_t nesting_parent_iova;
	uint64_t length;
};

/* 5.6 */
#define IOMMU_VEVENTQ_FLAG_LOST_EVENTS 1U

struct iommu_veventq_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t viommu_id;
	uint32_t type;
	uint32_t veventq_depth;
	uint32_t out_veventq_id;
	uint32_t out_veventq_fd;
	uint32_t __reserved;
};

struct iommufd_vevent_header {
	uint32_t flags;
	uint32_t sequence;
};

/* 5.7 */
#define IOMMU_PGFAULT_FLAGS_PASID_VALID 1U
#define IOMMU_PGFAULT_FLAGS_LAST_PAGE   2U

struct iommu_fault_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_fault_id;
	uint32_t out_fault_fd;
};

struct iommu_hwpt_pgfault {
	uint32_t flags;
	uint32_t dev_id;
	uint32_t pasid;
	uint32_t grpid;
	uint32_t perm;
	uint32_t __reserved;
	uint64_t addr;
	uint32_t length;
	uint32_t cookie;
};

struct iommu_hwpt_page_response {
	uint32_t cookie;
	uint32_t code;
};

_Static_assert(sizeof(struct iommu_destroy) == 8, "1.2");
_Static_assert(sizeof(struct iommu_ioas_alloc) == 12, "1.2");
_Static_assert(sizeof(struct iommu_ioas_allow_iovas) == 24, "1.2");
_Static_assert(sizeof(struct iommu_ioas_copy) == 40, "1.2");
_Static_assert(sizeof(struct iommu_ioas_iova_ranges) == 32, "1.2");
_Static_assert(sizeof(struct iommu_ioas_map) == 40, "1.2");
_Static_assert(sizeof(struct iommu_ioas_unmap) == 24, "1.2");
_Static_assert(sizeof(struct iommu_option) == 24, "1.2");
_Static_assert(sizeof(struct iommu_vfio_ioas) == 12, "1.2");
_Static_assert(sizeof(struct iommu_hwpt_alloc) == 48, "1.2");
_Static_assert(sizeof(struct iommu_hw_info) == 40, "1.2");
_Static_assert(sizeof(struct iommu_hwpt_set_dirty_tracking) == 16, "1.2");
_Static_assert(sizeof(struct iommu_hwpt_get_dirty_bitmap) == 48, "1.2");
_Static_assert(sizeof(struct iommu_hwpt_invalidate) == 32, "1.2");
_Static_assert(sizeof(struct iommu_fault_alloc) == 16, "1.2");
_Static_assert(sizeof(struct iommu_ioas_map_file) == 40, "1.2");
_Static_assert(sizeof(struct iommu_viommu_alloc) == 40, "1.2");
_Static_assert(sizeof(struct iommu_vdevice_alloc) == 24, "1.2");
_Static_assert(sizeof(struct iommu_ioas_change_process) == 8, "1.2");
_Static_assert(sizeof(struct iommu_veventq_alloc) == 32, "1.2");
_Static_assert(sizeof(struct iommu_hw_queue_alloc) == 40, "1.2");
_Static_assert(sizeof(struct iommu_ioas_noiommu_get_pa) == 40, "1.2");
_Static_assert(sizeof(struct iommu_hwpt_pgfault) == 40, "5.7");

#endif
