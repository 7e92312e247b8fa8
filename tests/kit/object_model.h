/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slow, obvious model of iommufd's objects and queues under the mock driver, written from the iommufd
 * sheet (1, 4, 5, 7): who is there, who uses whom, what waits in which queue.
 *
 * Concepts
 *   object      anything with an id; who uses it is worked out by looking at all others
 *   area        each IOAS has one, or none: AREA_PAGES pages at AREA_IOVA, each an IOPTE of its own
 *   attachment  what a device has on one PASID (0: the RID): a HWPT's id
 *   group       a page fault that was routed through an attachment, waiting or read
 *   event       of a vEVENTQ: a sequence number, or the marker of lost ones
 *
 * Each call takes the ioctl's struct, fills what the kernel would write, and returns 0 or a negative errno.
 * What a struct points to is given as bytes; NULL: it can't be read.
 */
#ifndef HWQ_TESTS_KIT_OBJECT_MODEL_H
#define HWQ_TESTS_KIT_OBJECT_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel_shim/uapi/iommufd.h"
#include "kernel_shim/uapi/iommufd_test.h"
#include "kernel_shim/uapi/vfio.h"

/* The sheet leaves the answer open: nothing has changed, and the call is not to be made. */
#define KOBJ_SKIP INT64_MIN

#define AREA_IOVA    0x1000000ULL
#define AREA_PAGES   8U
#define KOBJS_MAX    128U
#define KOBJ_FDS     64U
#define QUEUE_MAX    64U /* groups or events */
#define PASIDS       5U
#define FAULT_BYTES  40U
#define ANSWER_BYTES 8U

enum kobj_kind {
	KOBJ_NONE,
	KOBJ_IOAS,
	KOBJ_SELFTEST,
	KOBJ_DEVICE,
	KOBJ_PAGING,
	KOBJ_NESTED,
	KOBJ_VIOMMU,
	KOBJ_VDEVICE,
	KOBJ_HW_QUEUE,
	KOBJ_ACCESS, /* of a HW queue */
	KOBJ_VEVENTQ,
	KOBJ_FAULT,
	KOBJ_TOMBSTONE,
};

struct kobj_group {
	uint32_t device;
	uint32_t through; /* the attachment's PASID, by its place in kobj_pasids */
	uint32_t cookie;  /* 0: not read yet */
	uint32_t pasid, grpid, perm;
	uint64_t addr;
};

struct kobj_event {
	bool lost;
	uint32_t sequence;
	uint32_t virt_id;
};

struct kobj {
	enum kobj_kind kind;
	uint32_t flags; /* PAGING, NESTED: of the ioctl; DEVICE: of the mock device */
	uint32_t
		parent; /* PAGING: its IOAS; NESTED: a PAGING or a VIOMMU; VIOMMU: a PAGING; of a VIOMMU: it */
	uint32_t device; /* SELFTEST, VDEVICE: the DEVICE */
	uint32_t fault;  /* of a HWPT; 0: none */
	/* IOAS */
	bool mapped;
	/* PAGING */
	bool automatic, tracking, dirty[AREA_PAGES];
	/* NESTED: IOTLB; DEVICE: cache */
	uint32_t words[4];
	/* DEVICE */
	uint32_t attached[PASIDS];
	bool armed; /* PASID 1024 (7.4) */
	uint32_t cached_viommu, cached_virt_id;
	/* VIOMMU */
	uint64_t region; /* offset; 0: none */
	uint32_t slots[2];
	/* VDEVICE */
	uint64_t virt_id;
	/* HW_QUEUE */
	uint32_t below, access;
	/* VEVENTQ, FAULT */
	uint32_t type, depth, sequence, count;
	bool open;
	struct kobj_event events[QUEUE_MAX];
	struct kobj_group groups[QUEUE_MAX];
};

struct kobj_model {
	struct kobj objects[KOBJS_MAX]; /* by id */
	uint32_t automatic[KOBJS_MAX];  /* ids, oldest first */
	uint32_t automatic_count;
	uint32_t compat; /* IOAS for VFIO; 0: none */
	/* By descriptor: 0 free, else an object's id or OTHER_FD. */
	uint32_t fds[KOBJ_FDS];
};

#define OTHER_FD   0xfffffffeU
#define DMA_BUF_FD 0xffffffffU

/* PASIDs that a device may have attached. */
extern const uint32_t kobj_pasids[PASIDS];

const struct kobj *kobj_get(const struct kobj_model *model, uint32_t id, enum kobj_kind kind);
uint32_t kobj_users(const struct kobj_model *model, uint32_t id);
/* Pins of a page of an area: each mapping IOAS with a domain has one. */
uint32_t kobj_pins(const struct kobj_model *model);

int64_t kobj_ioas_alloc(struct kobj_model *model, struct iommu_ioas_alloc *cmd);
int64_t kobj_map(struct kobj_model *model, uint32_t ioas);
int64_t kobj_unmap(struct kobj_model *model, struct iommu_ioas_unmap *cmd);
int64_t kobj_destroy(struct kobj_model *model, const struct iommu_destroy *cmd);
/* GET_API_VERSION, CHECK_EXTENSION; SET_IOMMU but of type 1 (app. C). */
int64_t kobj_vfio(const struct kobj_model *model, uint32_t request, uint64_t arg);
/* The whole area. */
int64_t kobj_vfio_map(struct kobj_model *model, const struct vfio_iommu_type1_dma_map *cmd);
/* *WRITTEN: whether SIZE is written back. */
int64_t kobj_vfio_unmap(struct kobj_model *model, struct vfio_iommu_type1_dma_unmap *cmd,
			bool *written);
int64_t kobj_vfio_ioas(struct kobj_model *model, struct iommu_vfio_ioas *cmd);
int64_t kobj_hwpt_alloc(struct kobj_model *model, struct iommu_hwpt_alloc *cmd,
			const uint32_t *data);
int64_t kobj_invalidate(struct kobj_model *model, struct iommu_hwpt_invalidate *cmd,
			const uint8_t *entries);
int64_t kobj_hw_info(const struct kobj_model *model, struct iommu_hw_info *cmd, uint8_t *data);
int64_t kobj_set_dirty(struct kobj_model *model, const struct iommu_hwpt_set_dirty_tracking *cmd);
int64_t kobj_get_dirty(struct kobj_model *model, const struct iommu_hwpt_get_dirty_bitmap *cmd,
		       uint8_t *bitmap);
int64_t kobj_fault_alloc(struct kobj_model *model, struct iommu_fault_alloc *cmd);
int64_t kobj_viommu_alloc(struct kobj_model *model, struct iommu_viommu_alloc *cmd,
			  struct iommu_viommu_selftest *data);
int64_t kobj_vdevice_alloc(struct kobj_model *model, struct iommu_vdevice_alloc *cmd);
int64_t kobj_veventq_alloc(struct kobj_model *model, struct iommu_veventq_alloc *cmd);
int64_t kobj_hw_queue_alloc(struct kobj_model *model, struct iommu_hw_queue_alloc *cmd);
/* BITS: of DIRTY. */
int64_t kobj_test(struct kobj_model *model, struct iommu_test_cmd *cmd, const uint8_t *bits);

/* Of a descriptor. OUT has COUNT bytes; the result is how many were written. */
int64_t kobj_read(struct kobj_model *model, uint32_t fd, uint8_t *out, uint64_t count);
int64_t kobj_write(struct kobj_model *model, uint32_t fd, const uint8_t *bytes, uint64_t count);
uint32_t kobj_poll(const struct kobj_model *model, uint32_t fd);
int64_t kobj_close(struct kobj_model *model, uint32_t fd);

#endif
