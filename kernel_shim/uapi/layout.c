// SPDX-License-Identifier: Apache-2.0
#include "kernel_shim/uapi/layout.h"

#include <stdbool.h>
#include <string.h>

#include "kernel_shim/uapi/iommufd.h"
#include "kernel_shim/uapi/iommufd_test.h"
#include "kernel_shim/uapi/vfio.h"

/* A field named as its C member, and one that traces name otherwise. */
#define FIELD(type, member, kind) NAMED(#member, type, member, kind)
#define NAMED(name, type, member, kind)                                                  \
	{                                                                                \
		name, offsetof(struct type, member), sizeof(((struct type *)0)->member), \
			FIELD_##kind                                                     \
	}
#define TEST_FIELD(member, kind) FIELD(iommu_test_cmd, member, kind)
#define END                   \
	{                     \
		NULL, 0, 0, 0 \
	}

static const struct field_layout iommu_destroy_fields[] = {
	FIELD(iommu_destroy, size, NUMBER),
	FIELD(iommu_destroy, id, NUMBER),
	END,
};

static const struct field_layout iommu_ioas_alloc_fields[] = {
	FIELD(iommu_ioas_alloc, size, NUMBER),
	FIELD(iommu_ioas_alloc, flags, NUMBER),
	FIELD(iommu_ioas_alloc, out_ioas_id, NUMBER),
	END,
};

static const struct field_layout iommu_ioas_allow_iovas_fields[] = {
	FIELD(iommu_ioas_allow_iovas, size, NUMBER),
	FIELD(iommu_ioas_allow_iovas, ioas_id, NUMBER),
	FIELD(iommu_ioas_allow_iovas, num_iovas, NUMBER),
	FIELD(iommu_ioas_allow_iovas, __reserved, RESERVED),
	FIELD(iommu_ioas_allow_iovas, allowed_iovas, DATA),
	END,
};

static const struct field_layout iommu_ioas_copy_fields[] = {
	FIELD(iommu_ioas_copy, size, NUMBER),        FIELD(iommu_ioas_copy, flags, NUMBER),
	FIELD(iommu_ioas_copy, dst_ioas_id, NUMBER), FIELD(iommu_ioas_copy, src_ioas_id, NUMBER),
	FIELD(iommu_ioas_copy, length, NUMBER),      FIELD(iommu_ioas_copy, dst_iova, NUMBER),
	FIELD(iommu_ioas_copy, src_iova, NUMBER),    END,
};

static const struct field_layout iommu_ioas_iova_ranges_fields[] = {
	FIELD(iommu_ioas_iova_ranges, size, NUMBER),
	FIELD(iommu_ioas_iova_ranges, ioas_id, NUMBER),
	FIELD(iommu_ioas_iova_ranges, num_iovas, NUMBER),
	FIELD(iommu_ioas_iova_ranges, __reserved, RESERVED),
	FIELD(iommu_ioas_iova_ranges, allowed_iovas, DATA),
	FIELD(iommu_ioas_iova_ranges, out_iova_alignment, NUMBER),
	END,
};

static const struct field_layout iommu_ioas_map_fields[] = {
	FIELD(iommu_ioas_map, size, NUMBER),    FIELD(iommu_ioas_map, flags, NUMBER),
	FIELD(iommu_ioas_map, ioas_id, NUMBER), FIELD(iommu_ioas_map, __reserved, RESERVED),
	FIELD(iommu_ioas_map, user_va, VA),     FIELD(iommu_ioas_map, length, NUMBER),
	FIELD(iommu_ioas_map, iova, NUMBER),    END,
};

static const struct field_layout iommu_ioas_unmap_fields[] = {
	FIELD(iommu_ioas_unmap, size, NUMBER),
	FIELD(iommu_ioas_unmap, ioas_id, NUMBER),
	FIELD(iommu_ioas_unmap, iova, NUMBER),
	FIELD(iommu_ioas_unmap, length, NUMBER),
	END,
};

static const struct field_layout iommu_option_fields[] = {
	FIELD(iommu_option, size, NUMBER),
	FIELD(iommu_option, option_id, NUMBER),
	FIELD(iommu_option, op, NUMBER),
	FIELD(iommu_option, __reserved, RESERVED),
	FIELD(iommu_option, object_id, NUMBER),
	FIELD(iommu_option, val64, NUMBER),
	END,
};

static const struct field_layout iommu_vfio_ioas_fields[] = {
	FIELD(iommu_vfio_ioas, size, NUMBER),
	FIELD(iommu_vfio_ioas, ioas_id, NUMBER),
	FIELD(iommu_vfio_ioas, op, NUMBER),
	FIELD(iommu_vfio_ioas, __reserved, RESERVED),
	END,
};

static const struct field_layout iommu_hwpt_alloc_fields[] = {
	FIELD(iommu_hwpt_alloc, size, NUMBER),
	FIELD(iommu_hwpt_alloc, flags, NUMBER),
	FIELD(iommu_hwpt_alloc, dev_id, NUMBER),
	FIELD(iommu_hwpt_alloc, pt_id, NUMBER),
	FIELD(iommu_hwpt_alloc, out_hwpt_id, NUMBER),
	FIELD(iommu_hwpt_alloc, __reserved, RESERVED),
	FIELD(iommu_hwpt_alloc, data_type, NUMBER),
	FIELD(iommu_hwpt_alloc, data_len, NUMBER),
	FIELD(iommu_hwpt_alloc, data_uptr, DATA),
	FIELD(iommu_hwpt_alloc, fault_id, NUMBER),
	FIELD(iommu_hwpt_alloc, __reserved2, RESERVED),
	END,
};

static const struct field_layout iommu_hw_info_fields[] = {
	FIELD(iommu_hw_info, size, NUMBER),
	FIELD(iommu_hw_info, flags, NUMBER),
	FIELD(iommu_hw_info, dev_id, NUMBER),
	FIELD(iommu_hw_info, data_len, NUMBER),
	FIELD(iommu_hw_info, data_uptr, DATA),
	NAMED("in_data_type", iommu_hw_info, data_type, NUMBER),
	FIELD(iommu_hw_info, out_max_pasid_log2, NUMBER),
	NAMED("__reserved", iommu_hw_info, __reserved[0], RESERVED),
	NAMED("__reserved1", iommu_hw_info, __reserved[1], RESERVED),
	NAMED("__reserved2", iommu_hw_info, __reserved[2], RESERVED),
	FIELD(iommu_hw_info, out_capabilities, NUMBER),
	END,
};

static const struct field_layout iommu_hwpt_set_dirty_tracking_fields[] = {
	FIELD(iommu_hwpt_set_dirty_tracking, size, NUMBER),
	FIELD(iommu_hwpt_set_dirty_tracking, flags, NUMBER),
	FIELD(iommu_hwpt_set_dirty_tracking, hwpt_id, NUMBER),
	FIELD(iommu_hwpt_set_dirty_tracking, __reserved, RESERVED),
	END,
};

static const struct field_layout iommu_hwpt_get_dirty_bitmap_fields[] = {
	FIELD(iommu_hwpt_get_dirty_bitmap, size, NUMBER),
	FIELD(iommu_hwpt_get_dirty_bitmap, hwpt_id, NUMBER),
	FIELD(iommu_hwpt_get_dirty_bitmap, flags, NUMBER),
	FIELD(iommu_hwpt_get_dirty_bitmap, __reserved, RESERVED),
	FIELD(iommu_hwpt_get_dirty_bitmap, iova, NUMBER),
	FIELD(iommu_hwpt_get_dirty_bitmap, length, NUMBER),
	FIELD(iommu_hwpt_get_dirty_bitmap, page_size, NUMBER),
	FIELD(iommu_hwpt_get_dirty_bitmap, data, DATA),
	END,
};

static const struct field_layout iommu_hwpt_invalidate_fields[] = {
	FIELD(iommu_hwpt_invalidate, size, NUMBER),
	FIELD(iommu_hwpt_invalidate, hwpt_id, NUMBER),
	FIELD(iommu_hwpt_invalidate, data_uptr, DATA),
	FIELD(iommu_hwpt_invalidate, data_type, NUMBER),
	FIELD(iommu_hwpt_invalidate, entry_len, NUMBER),
	FIELD(iommu_hwpt_invalidate, entry_num, NUMBER),
	FIELD(iommu_hwpt_invalidate, __reserved, RESERVED),
	END,
};

static const struct field_layout iommu_fault_alloc_fields[] = {
	FIELD(iommu_fault_alloc, size, NUMBER),
	FIELD(iommu_fault_alloc, flags, NUMBER),
	FIELD(iommu_fault_alloc, out_fault_id, NUMBER),
	FIELD(iommu_fault_alloc, out_fault_fd, FD),
	END,
};

static const struct field_layout iommu_ioas_map_file_fields[] = {
	FIELD(iommu_ioas_map_file, size, NUMBER),    FIELD(iommu_ioas_map_file, flags, NUMBER),
	FIELD(iommu_ioas_map_file, ioas_id, NUMBER), FIELD(iommu_ioas_map_file, fd, FD),
	FIELD(iommu_ioas_map_file, start, NUMBER),   FIELD(iommu_ioas_map_file, length, NUMBER),
	FIELD(iommu_ioas_map_file, iova, NUMBER),    END,
};

static const struct field_layout iommu_viommu_alloc_fields[] = {
	FIELD(iommu_viommu_alloc, size, NUMBER),
	FIELD(iommu_viommu_alloc, flags, NUMBER),
	FIELD(iommu_viommu_alloc, type, NUMBER),
	FIELD(iommu_viommu_alloc, dev_id, NUMBER),
	FIELD(iommu_viommu_alloc, hwpt_id, NUMBER),
	FIELD(iommu_viommu_alloc, out_viommu_id, NUMBER),
	FIELD(iommu_viommu_alloc, data_len, NUMBER),
	FIELD(iommu_viommu_alloc, __reserved, RESERVED),
	FIELD(iommu_viommu_alloc, data_uptr, DATA),
	END,
};

static const struct field_layout iommu_vdevice_alloc_fields[] = {
	FIELD(iommu_vdevice_alloc, size, NUMBER),
	FIELD(iommu_vdevice_alloc, viommu_id, NUMBER),
	FIELD(iommu_vdevice_alloc, dev_id, NUMBER),
	FIELD(iommu_vdevice_alloc, out_vdevice_id, NUMBER),
	FIELD(iommu_vdevice_alloc, virt_id, NUMBER),
	END,
};

static const struct field_layout iommu_ioas_change_process_fields[] = {
	FIELD(iommu_ioas_change_process, size, NUMBER),
	FIELD(iommu_ioas_change_process, __reserved, RESERVED),
	END,
};

static const struct field_layout iommu_veventq_alloc_fields[] = {
	FIELD(iommu_veventq_alloc, size, NUMBER),
	FIELD(iommu_veventq_alloc, flags, NUMBER),
	FIELD(iommu_veventq_alloc, viommu_id, NUMBER),
	FIELD(iommu_veventq_alloc, type, NUMBER),
	FIELD(iommu_veventq_alloc, veventq_depth, NUMBER),
	FIELD(iommu_veventq_alloc, out_veventq_id, NUMBER),
	FIELD(iommu_veventq_alloc, out_veventq_fd, FD),
	FIELD(iommu_veventq_alloc, __reserved, RESERVED),
	END,
};

static const struct field_layout iommu_hw_queue_alloc_fields[] = {
	FIELD(iommu_hw_queue_alloc, size, NUMBER),
	FIELD(iommu_hw_queue_alloc, flags, NUMBER),
	FIELD(iommu_hw_queue_alloc, viommu_id, NUMBER),
	FIELD(iommu_hw_queue_alloc, type, NUMBER),
	FIELD(iommu_hw_queue_alloc, index, NUMBER),
	FIELD(iommu_hw_queue_alloc, out_hw_queue_id, NUMBER),
	FIELD(iommu_hw_queue_alloc, nesting_parent_iova, NUMBER),
	FIELD(iommu_hw_queue_alloc, length, NUMBER),
	END,
};

static const struct field_layout iommu_ioas_noiommu_get_pa_fields[] = {
	FIELD(iommu_ioas_noiommu_get_pa, size, NUMBER),
	FIELD(iommu_ioas_noiommu_get_pa, flags, NUMBER),
	FIELD(iommu_ioas_noiommu_get_pa, ioas_id, NUMBER),
	FIELD(iommu_ioas_noiommu_get_pa, __reserved, RESERVED),
	FIELD(iommu_ioas_noiommu_get_pa, iova, NUMBER),
	FIELD(iommu_ioas_noiommu_get_pa, length, NUMBER),
	FIELD(iommu_ioas_noiommu_get_pa, out_phys, NUMBER),
	END,
};

static const struct field_layout iommu_test_cmd_fields[] = {
	FIELD(iommu_test_cmd, size, NUMBER), FIELD(iommu_test_cmd, op, TEST_OP),
	FIELD(iommu_test_cmd, id, NUMBER),   FIELD(iommu_test_cmd, __reserved, RESERVED),
	FIELD(iommu_test_cmd, last, NUMBER), END,
};

static const struct field_layout vfio_iommu_type1_info_fields[] = {
	FIELD(vfio_iommu_type1_info, argsz, NUMBER),
	FIELD(vfio_iommu_type1_info, flags, NUMBER),
	FIELD(vfio_iommu_type1_info, iova_pgsizes, NUMBER),
	FIELD(vfio_iommu_type1_info, cap_offset, NUMBER),
	END,
};

static const struct field_layout vfio_iommu_type1_dma_map_fields[] = {
	FIELD(vfio_iommu_type1_dma_map, argsz, NUMBER),
	FIELD(vfio_iommu_type1_dma_map, flags, NUMBER),
	FIELD(vfio_iommu_type1_dma_map, vaddr, VA),
	FIELD(vfio_iommu_type1_dma_map, iova, NUMBER),
	FIELD(vfio_iommu_type1_dma_map, size, NUMBER),
	END,
};

static const struct field_layout vfio_iommu_type1_dma_unmap_fields[] = {
	FIELD(vfio_iommu_type1_dma_unmap, argsz, NUMBER),
	FIELD(vfio_iommu_type1_dma_unmap, flags, NUMBER),
	FIELD(vfio_iommu_type1_dma_unmap, iova, NUMBER),
	FIELD(vfio_iommu_type1_dma_unmap, size, NUMBER),
	END,
};

static const struct field_layout vfio_device_bind_iommufd_fields[] = {
	FIELD(vfio_device_bind_iommufd, argsz, NUMBER),
	FIELD(vfio_device_bind_iommufd, flags, NUMBER),
	FIELD(vfio_device_bind_iommufd, iommufd, FD),
	FIELD(vfio_device_bind_iommufd, out_devid, NUMBER),
	FIELD(vfio_device_bind_iommufd, token_uuid_ptr, VA),
	END,
};

static const struct field_layout vfio_device_attach_iommufd_pt_fields[] = {
	FIELD(vfio_device_attach_iommufd_pt, argsz, NUMBER),
	FIELD(vfio_device_attach_iommufd_pt, flags, NUMBER),
	FIELD(vfio_device_attach_iommufd_pt, pt_id, NUMBER),
	FIELD(vfio_device_attach_iommufd_pt, pasid, NUMBER),
	END,
};

static const struct field_layout vfio_device_detach_iommufd_pt_fields[] = {
	FIELD(vfio_device_detach_iommufd_pt, argsz, NUMBER),
	FIELD(vfio_device_detach_iommufd_pt, flags, NUMBER),
	FIELD(vfio_device_detach_iommufd_pt, pasid, NUMBER),
	END,
};

static const struct field_layout test_add_reserved_fields[] = {
	TEST_FIELD(add_reserved.start, NUMBER),
	TEST_FIELD(add_reserved.length, NUMBER),
	END,
};

static const struct field_layout test_mock_domain_fields[] = {
	TEST_FIELD(mock_domain.out_stdev_id, NUMBER),
	TEST_FIELD(mock_domain.out_hwpt_id, NUMBER),
	TEST_FIELD(mock_domain.out_idev_id, NUMBER),
	END,
};

static const struct field_layout test_md_check_map_fields[] = {
	TEST_FIELD(check_map.iova, NUMBER),
	TEST_FIELD(check_map.length, NUMBER),
	TEST_FIELD(check_map.uptr, VA),
	END,
};

static const struct field_layout test_md_check_refs_fields[] = {
	TEST_FIELD(check_refs.length, NUMBER),
	TEST_FIELD(check_refs.uptr, VA),
	TEST_FIELD(check_refs.refs, NUMBER),
	END,
};

static const struct field_layout test_create_access_fields[] = {
	TEST_FIELD(create_access.out_access_fd, FD),
	TEST_FIELD(create_access.flags, NUMBER),
	END,
};

static const struct field_layout test_destroy_access_pages_fields[] = {
	TEST_FIELD(destroy_access_pages.access_pages_id, NUMBER),
	END,
};

static const struct field_layout test_access_pages_fields[] = {
	TEST_FIELD(access_pages.flags, NUMBER),
	TEST_FIELD(access_pages.out_access_pages_id, NUMBER),
	TEST_FIELD(access_pages.iova, NUMBER),
	TEST_FIELD(access_pages.length, NUMBER),
	TEST_FIELD(access_pages.uptr, VA),
	END,
};

static const struct field_layout test_access_rw_fields[] = {
	TEST_FIELD(access_rw.iova, NUMBER),
	TEST_FIELD(access_rw.length, NUMBER),
	TEST_FIELD(access_rw.uptr, DATA),
	TEST_FIELD(access_rw.flags, NUMBER),
	END,
};

static const struct field_layout test_set_temp_memory_limit_fields[] = {
	TEST_FIELD(memory_limit.limit, NUMBER),
	END,
};

static const struct field_layout test_mock_domain_replace_fields[] = {
	TEST_FIELD(mock_domain_replace.pt_id, NUMBER),
	END,
};

static const struct field_layout test_access_replace_ioas_fields[] = {
	TEST_FIELD(access_replace_ioas.ioas_id, NUMBER),
	END,
};

static const struct field_layout test_mock_domain_flags_fields[] = {
	TEST_FIELD(mock_domain_flags.out_stdev_id, NUMBER),
	TEST_FIELD(mock_domain_flags.out_hwpt_id, NUMBER),
	TEST_FIELD(mock_domain_flags.out_idev_id, NUMBER),
	TEST_FIELD(mock_domain_flags.dev_flags, NUMBER),
	END,
};

static const struct field_layout test_dirty_fields[] = {
	TEST_FIELD(dirty.flags, NUMBER),
	TEST_FIELD(dirty.iova, NUMBER),
	TEST_FIELD(dirty.length, NUMBER),
	TEST_FIELD(dirty.page_size, NUMBER),
	TEST_FIELD(dirty.uptr, DATA),
	TEST_FIELD(dirty.out_nr_dirty, NUMBER),
	END,
};

static const struct field_layout test_md_check_iotlb_fields[] = {
	TEST_FIELD(check_iotlb.id, NUMBER),
	TEST_FIELD(check_iotlb.iotlb, NUMBER),
	END,
};

static const struct field_layout test_trigger_iopf_fields[] = {
	TEST_FIELD(trigger_iopf.dev_id, NUMBER), TEST_FIELD(trigger_iopf.pasid, NUMBER),
	TEST_FIELD(trigger_iopf.grpid, NUMBER),  TEST_FIELD(trigger_iopf.perm, NUMBER),
	TEST_FIELD(trigger_iopf.addr, NUMBER),   END,
};

static const struct field_layout test_dev_check_cache_fields[] = {
	TEST_FIELD(check_dev_cache.id, NUMBER),
	TEST_FIELD(check_dev_cache.cache, NUMBER),
	END,
};

static const struct field_layout test_trigger_vevent_fields[] = {
	TEST_FIELD(trigger_vevent.dev_id, NUMBER),
	END,
};

static const struct field_layout test_pasid_attach_fields[] = {
	TEST_FIELD(pasid_attach.pasid, NUMBER),
	TEST_FIELD(pasid_attach.pt_id, NUMBER),
	END,
};

static const struct field_layout test_pasid_replace_fields[] = {
	NAMED("pasid_replace.pasid", iommu_test_cmd, pasid_attach.pasid, NUMBER),
	NAMED("pasid_replace.pt_id", iommu_test_cmd, pasid_attach.pt_id, NUMBER),
	END,
};

static const struct field_layout test_pasid_detach_fields[] = {
	TEST_FIELD(pasid_detach.pasid, NUMBER),
	END,
};

static const struct field_layout test_pasid_check_hwpt_fields[] = {
	TEST_FIELD(pasid_check.pasid, NUMBER),
	TEST_FIELD(pasid_check.hwpt_id, NUMBER),
	END,
};

static const struct field_layout test_dmabuf_get_fields[] = {
	TEST_FIELD(dmabuf_get.length, NUMBER),
	TEST_FIELD(dmabuf_get.open_flags, NUMBER),
	END,
};

static const struct field_layout test_dmabuf_revoke_fields[] = {
	TEST_FIELD(dmabuf_revoke.dmabuf_fd, FD),
	TEST_FIELD(dmabuf_revoke.revoked, NUMBER),
	END,
};

static const struct ioctl_layout ioctls[] = {
	{"IOMMU_DESTROY", "1.6", IOMMUFD_IO(IOMMUFD_NR_DESTROY), sizeof(struct iommu_destroy), 8,
	 ARGUMENT_STRUCT, iommu_destroy_fields},
	{"IOMMU_IOAS_ALLOC", "2.1", IOMMUFD_IO(IOMMUFD_NR_IOAS_ALLOC),
	 sizeof(struct iommu_ioas_alloc), 12, ARGUMENT_STRUCT, iommu_ioas_alloc_fields},
	{"IOMMU_IOAS_ALLOW_IOVAS", "2.3", IOMMUFD_IO(IOMMUFD_NR_IOAS_ALLOW_IOVAS),
	 sizeof(struct iommu_ioas_allow_iovas), 24, ARGUMENT_STRUCT, iommu_ioas_allow_iovas_fields},
	{"IOMMU_IOAS_COPY", "2.7", IOMMUFD_IO(IOMMUFD_NR_IOAS_COPY), sizeof(struct iommu_ioas_copy),
	 40, ARGUMENT_STRUCT, iommu_ioas_copy_fields},
	{"IOMMU_IOAS_IOVA_RANGES", "2.2", IOMMUFD_IO(IOMMUFD_NR_IOAS_IOVA_RANGES),
	 sizeof(struct iommu_ioas_iova_ranges), 32, ARGUMENT_STRUCT, iommu_ioas_iova_ranges_fields},
	{"IOMMU_IOAS_MAP", "2.4", IOMMUFD_IO(IOMMUFD_NR_IOAS_MAP), sizeof(struct iommu_ioas_map),
	 40, ARGUMENT_STRUCT, iommu_ioas_map_fields},
	{"IOMMU_IOAS_UNMAP", "2.8", IOMMUFD_IO(IOMMUFD_NR_IOAS_UNMAP),
	 sizeof(struct iommu_ioas_unmap), 24, ARGUMENT_STRUCT, iommu_ioas_unmap_fields},
	{"IOMMU_OPTION", "2.10", IOMMUFD_IO(IOMMUFD_NR_OPTION), sizeof(struct iommu_option), 24,
	 ARGUMENT_STRUCT, iommu_option_fields},
	{"IOMMU_VFIO_IOAS", "2.12", IOMMUFD_IO(IOMMUFD_NR_VFIO_IOAS),
	 sizeof(struct iommu_vfio_ioas), 12, ARGUMENT_STRUCT, iommu_vfio_ioas_fields},
	{"IOMMU_HWPT_ALLOC", "4.1", IOMMUFD_IO(IOMMUFD_NR_HWPT_ALLOC),
	 sizeof(struct iommu_hwpt_alloc), 24, ARGUMENT_STRUCT, iommu_hwpt_alloc_fields},
	{"IOMMU_GET_HW_INFO", "4.3", IOMMUFD_IO(IOMMUFD_NR_GET_HW_INFO),
	 sizeof(struct iommu_hw_info), 32, ARGUMENT_STRUCT, iommu_hw_info_fields},
	{"IOMMU_HWPT_SET_DIRTY_TRACKING", "4.4", IOMMUFD_IO(IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING),
	 sizeof(struct iommu_hwpt_set_dirty_tracking), 16, ARGUMENT_STRUCT,
	 iommu_hwpt_set_dirty_tracking_fields},
	{"IOMMU_HWPT_GET_DIRTY_BITMAP", "4.4", IOMMUFD_IO(IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP),
	 sizeof(struct iommu_hwpt_get_dirty_bitmap), 48, ARGUMENT_STRUCT,
	 iommu_hwpt_get_dirty_bitmap_fields},
	{"IOMMU_HWPT_INVALIDATE", "4.2", IOMMUFD_IO(IOMMUFD_NR_HWPT_INVALIDATE),
	 sizeof(struct iommu_hwpt_invalidate), 32, ARGUMENT_STRUCT, iommu_hwpt_invalidate_fields},
	{"IOMMU_FAULT_QUEUE_ALLOC", "5.7", IOMMUFD_IO(IOMMUFD_NR_FAULT_QUEUE_ALLOC),
	 sizeof(struct iommu_fault_alloc), 16, ARGUMENT_STRUCT, iommu_fault_alloc_fields},
	{"IOMMU_IOAS_MAP_FILE", "2.6", IOMMUFD_IO(IOMMUFD_NR_IOAS_MAP_FILE),
	 sizeof(struct iommu_ioas_map_file), 40, ARGUMENT_STRUCT, iommu_ioas_map_file_fields},
	{"IOMMU_VIOMMU_ALLOC", "5.1", IOMMUFD_IO(IOMMUFD_NR_VIOMMU_ALLOC),
	 sizeof(struct iommu_viommu_alloc), 24, ARGUMENT_STRUCT, iommu_viommu_alloc_fields},
	{"IOMMU_VDEVICE_ALLOC", "5.3", IOMMUFD_IO(IOMMUFD_NR_VDEVICE_ALLOC),
	 sizeof(struct iommu_vdevice_alloc), 24, ARGUMENT_STRUCT, iommu_vdevice_alloc_fields},
	{"IOMMU_IOAS_CHANGE_PROCESS", "2.9", IOMMUFD_IO(IOMMUFD_NR_IOAS_CHANGE_PROCESS),
	 sizeof(struct iommu_ioas_change_process), 8, ARGUMENT_STRUCT,
	 iommu_ioas_change_process_fields},
	{"IOMMU_VEVENTQ_ALLOC", "5.6", IOMMUFD_IO(IOMMUFD_NR_VEVENTQ_ALLOC),
	 sizeof(struct iommu_veventq_alloc), 28, ARGUMENT_STRUCT, iommu_veventq_alloc_fields},
	{"IOMMU_HW_QUEUE_ALLOC", "5.4", IOMMUFD_IO(IOMMUFD_NR_HW_QUEUE_ALLOC),
	 sizeof(struct iommu_hw_queue_alloc), 40, ARGUMENT_STRUCT, iommu_hw_queue_alloc_fields},
	{"IOMMU_IOAS_NOIOMMU_GET_PA", "2.13", IOMMUFD_IO(IOMMUFD_NR_IOAS_NOIOMMU_GET_PA),
	 sizeof(struct iommu_ioas_noiommu_get_pa), 40, ARGUMENT_STRUCT,
	 iommu_ioas_noiommu_get_pa_fields},
	{"IOMMU_TEST_CMD", "7", IOMMUFD_IO(IOMMUFD_NR_TEST_CMD), sizeof(struct iommu_test_cmd), 68,
	 ARGUMENT_STRUCT, iommu_test_cmd_fields},
	{"VFIO_IOMMU_GET_INFO", "app. C", VFIO_IOMMU_GET_INFO, sizeof(struct vfio_iommu_type1_info),
	 0, ARGUMENT_STRUCT, vfio_iommu_type1_info_fields},
	{"VFIO_IOMMU_MAP_DMA", "app. C", VFIO_IOMMU_MAP_DMA,
	 sizeof(struct vfio_iommu_type1_dma_map), 0, ARGUMENT_STRUCT,
	 vfio_iommu_type1_dma_map_fields},
	{"VFIO_IOMMU_UNMAP_DMA", "app. C", VFIO_IOMMU_UNMAP_DMA,
	 sizeof(struct vfio_iommu_type1_dma_unmap), 0, ARGUMENT_STRUCT,
	 vfio_iommu_type1_dma_unmap_fields},
	{"VFIO_DEVICE_BIND_IOMMUFD", "4.7", VFIO_DEVICE_BIND_IOMMUFD,
	 sizeof(struct vfio_device_bind_iommufd), 0, ARGUMENT_STRUCT,
	 vfio_device_bind_iommufd_fields},
	{"VFIO_DEVICE_ATTACH_IOMMUFD_PT", "4.7", VFIO_DEVICE_ATTACH_IOMMUFD_PT,
	 sizeof(struct vfio_device_attach_iommufd_pt), 0, ARGUMENT_STRUCT,
	 vfio_device_attach_iommufd_pt_fields},
	{"VFIO_DEVICE_DETACH_IOMMUFD_PT", "4.7", VFIO_DEVICE_DETACH_IOMMUFD_PT,
	 sizeof(struct vfio_device_detach_iommufd_pt), 0, ARGUMENT_STRUCT,
	 vfio_device_detach_iommufd_pt_fields},
	{"VFIO_GET_API_VERSION", "app. C", VFIO_GET_API_VERSION, 0, 0, ARGUMENT_SCALAR, NULL},
	{"VFIO_CHECK_EXTENSION", "app. C", VFIO_CHECK_EXTENSION, 0, 0, ARGUMENT_SCALAR, NULL},
	{"VFIO_SET_IOMMU", "app. C", VFIO_SET_IOMMU, 0, 0, ARGUMENT_SCALAR, NULL},
};

static const struct test_op_layout test_ops[] = {
	{"ADD_RESERVED", IOMMU_TEST_OP_ADD_RESERVED, test_add_reserved_fields},
	{"MOCK_DOMAIN", IOMMU_TEST_OP_MOCK_DOMAIN, test_mock_domain_fields},
	{"MD_CHECK_MAP", IOMMU_TEST_OP_MD_CHECK_MAP, test_md_check_map_fields},
	{"MD_CHECK_REFS", IOMMU_TEST_OP_MD_CHECK_REFS, test_md_check_refs_fields},
	{"CREATE_ACCESS", IOMMU_TEST_OP_CREATE_ACCESS, test_create_access_fields},
	{"DESTROY_ACCESS_PAGES", IOMMU_TEST_OP_DESTROY_ACCESS_PAGES,
	 test_destroy_access_pages_fields},
	{"ACCESS_PAGES", IOMMU_TEST_OP_ACCESS_PAGES, test_access_pages_fields},
	{"ACCESS_RW", IOMMU_TEST_OP_ACCESS_RW, test_access_rw_fields},
	{"SET_TEMP_MEMORY_LIMIT", IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT,
	 test_set_temp_memory_limit_fields},
	{"MOCK_DOMAIN_REPLACE", IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, test_mock_domain_replace_fields},
	{"ACCESS_REPLACE_IOAS", IOMMU_TEST_OP_ACCESS_REPLACE_IOAS, test_access_replace_ioas_fields},
	{"MOCK_DOMAIN_FLAGS", IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, test_mock_domain_flags_fields},
	{"DIRTY", IOMMU_TEST_OP_DIRTY, test_dirty_fields},
	{"MD_CHECK_IOTLB", IOMMU_TEST_OP_MD_CHECK_IOTLB, test_md_check_iotlb_fields},
	{"TRIGGER_IOPF", IOMMU_TEST_OP_TRIGGER_IOPF, test_trigger_iopf_fields},
	{"DEV_CHECK_CACHE", IOMMU_TEST_OP_DEV_CHECK_CACHE, test_dev_check_cache_fields},
	{"TRIGGER_VEVENT", IOMMU_TEST_OP_TRIGGER_VEVENT, test_trigger_vevent_fields},
	{"PASID_ATTACH", IOMMU_TEST_OP_PASID_ATTACH, test_pasid_attach_fields},
	{"PASID_REPLACE", IOMMU_TEST_OP_PASID_REPLACE, test_pasid_replace_fields},
	{"PASID_DETACH", IOMMU_TEST_OP_PASID_DETACH, test_pasid_detach_fields},
	{"PASID_CHECK_HWPT", IOMMU_TEST_OP_PASID_CHECK_HWPT, test_pasid_check_hwpt_fields},
	{"DMABUF_GET", IOMMU_TEST_OP_DMABUF_GET, test_dmabuf_get_fields},
	{"DMABUF_REVOKE", IOMMU_TEST_OP_DMABUF_REVOKE, test_dmabuf_revoke_fields},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool same(const char *name, const char *text, size_t length)
{
	return strlen(name) == length && memcmp(name, text, length) == 0;
}

const struct ioctl_layout *ioctl_layout_by_name(const char *name, size_t length)
{
	for (size_t i = 0; i < COUNT(ioctls); i++)
		if (same(ioctls[i].name, name, length))
			return &ioctls[i];
	return NULL;
}

const struct ioctl_layout *ioctl_layout_by_cmd(uint32_t cmd)
{
	for (size_t i = 0; i < COUNT(ioctls); i++)
		if (ioctls[i].cmd == cmd)
			return &ioctls[i];
	return NULL;
}

const struct ioctl_layout *ioctl_layout_at(size_t index)
{
	return index < COUNT(ioctls) ? &ioctls[index] : NULL;
}

const struct test_op_layout *test_op_layout_by_name(const char *name, size_t length)
{
	for (size_t i = 0; i < COUNT(test_ops); i++)
		if (same(test_ops[i].name, name, length))
			return &test_ops[i];
	return NULL;
}

const struct test_op_layout *test_op_layout_by_op(uint32_t op)
{
	for (size_t i = 0; i < COUNT(test_ops); i++)
		if (test_ops[i].op == op)
			return &test_ops[i];
	return NULL;
}
