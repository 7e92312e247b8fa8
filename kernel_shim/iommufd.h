/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The iommufd core, as Linux 7.3 behaves (reference sheet "iommufd", quoted by section).
 *
 * Concepts
 *   context   what one open of /dev/iommu owns: the object table and all below
 *   object    anything with an id; `users` counts long-lived links, `wait_count` those of ioctls
 *   IOAS      an IO address space: an io_pagetable of areas
 *   area      one contiguous mapping in an IOAS, a slice of a page array (pages.h)
 *   HWPT      a domain: paging (filled from its IOAS) or nested
 *   vIOMMU    a slice of an IOMMU given to a guest; vDEVICEs, event queues and HW queues hang on it
 *   access    in-kernel user of an IOAS without a domain; internal ones pin for HW queues
 *   locks     IOAS: domains_rwsem -> iova_rwsem -> the page array's mutex; igroup lock outermost of
 *             attach; each lock and each sleep is a preemption point
 *
 * Every source file is one subject; handlers are named after their ioctl. A handler returns 0 or
 * -errno, through refuse(), which remembers the sheet's rule for reports.
 */
#ifndef HWQ_KERNEL_SHIM_IOMMUFD_H
#define HWQ_KERNEL_SHIM_IOMMUFD_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "emu/machine.h"
#include "emu/tree.h"
#include "kernel_shim/io_pagetable.h"
#include "kernel_shim/iommu.h"
#include "kernel_shim/options.h"
#include "kernel_shim/uapi/iommufd.h"

/* --- objects (1.4, 1.5) --- */

enum iommufd_object_type {
	IOMMUFD_OBJ_ANY,
	IOMMUFD_OBJ_DEVICE,
	IOMMUFD_OBJ_HWPT_PAGING,
	IOMMUFD_OBJ_HWPT_NESTED,
	IOMMUFD_OBJ_IOAS,
	IOMMUFD_OBJ_ACCESS,
	IOMMUFD_OBJ_FAULT,
	IOMMUFD_OBJ_VIOMMU,
	IOMMUFD_OBJ_VDEVICE,
	IOMMUFD_OBJ_VEVENTQ,
	IOMMUFD_OBJ_HW_QUEUE,
	IOMMUFD_OBJ_SELFTEST,
	IOMMUFD_OBJ_TYPES,
};

struct iommufd_object {
	enum iommufd_object_type type;
	uint32_t id;
	uint32_t users;
	uint32_t wait_count;
	uint32_t size; /* of the whole object, bytes */
};

enum slot_state {
	SLOT_FREE,
	SLOT_PLACEHOLDER, /* id taken, object not published */
	SLOT_OBJECT,
	SLOT_TOMBSTONE, /* never reused while the context lives */
};

struct object_slot {
	enum slot_state state;
	struct iommufd_object *object;
};

enum account_mode {
	ACCOUNT_NONE,
	ACCOUNT_USER,
	ACCOUNT_MM,
};

TAILQ_HEAD(igroup_list, iommufd_group);
TAILQ_HEAD(mmap_list, iommufd_mmap);

struct iommufd_ctx {
	struct machine *machine;
	struct file *file; /* whose references keep the context alive */
	struct object_slot *slots;
	uint32_t slot_count;
	uint32_t slot_capacity;
	uint32_t lowest_free;
	uint32_t objects; /* slots in use, in any state */
	struct igroup_list groups;
	struct mmap_list mmaps;
	struct wait_queue destroy_wait;
	struct mutex ioas_creation_lock;
	bool account_mm; /* RLIMIT_MODE: MM */
	uint64_t unmap_notices;
	struct iommufd_ioas *vfio_ioas;
};

/* State of the module as a whole, one a machine (machine->kernel). */
struct iommufd_module {
	uint32_t groups;            /* IOMMU groups made so far */
	struct option_set options;  /* kernel_options */
	uint64_t temp_memory_limit; /* bytes; only changes batching, so nothing here */
	LIST_HEAD(, io_pagetable) iopts;
	LIST_HEAD(, iommufd_group) igroups; /* of all contexts */
};

static inline struct iommufd_module *iommufd_module(struct machine *machine)
{
	return machine->kernel;
}

static inline unsigned kernel_option(struct machine *machine, enum kernel_option option)
{
	struct iommufd_module *module = machine->kernel;
	return option_get(&module->options, option);
}

/* A command on its way: what a handler gets. */
struct iommufd_ucmd {
	struct iommufd_ctx *ictx;
	struct machine *machine;
	struct thread *thread;
	struct va user; /* the caller's struct */
	uint32_t user_size;
	void *cmd; /* the kernel's copy, whole */
	uint32_t cmd_size;
	struct iommufd_object *new_object; /* published or aborted by the dispatcher (1.3 step 7) */
};

/* main.c */
int iommufd_respond(struct iommufd_ucmd *ucmd);
struct iommufd_ctx *iommufd_ctx_from_file(struct file *file);
/* host_move.c: 0, -EBUSY, -EFAULT, -ENOMEM. */
int iommufd_move_pinned(struct machine *machine, struct mm *mm, struct va va, enum host_move move);
/* Makes /dev/iommu on MACHINE. */
void iommufd_register(struct machine *machine);

/* object.c */
/* NULL with *ERROR set when an id or modelled memory is missing. The id is a placeholder. */
struct iommufd_object *iommufd_object_alloc(struct iommufd_ctx *ictx, uint32_t size,
					    enum iommufd_object_type type, int *error);
void iommufd_object_publish(struct iommufd_ctx *ictx, struct iommufd_object *object);
/* Before publication: frees the id and the object, without its destructor. */
void iommufd_object_abort(struct iommufd_ctx *ictx, struct iommufd_object *object);
void iommufd_object_abort_and_destroy(struct iommufd_ctx *ictx, struct iommufd_object *object);
/* NULL: ENOENT. Holds users and wait_count until put. */
struct iommufd_object *iommufd_get_object(struct iommufd_ctx *ictx, uint32_t id,
					  enum iommufd_object_type type);
void iommufd_put_object(struct iommufd_ctx *ictx, struct iommufd_object *object);
/* IOMMU_DESTROY's way: EBUSY when used (1.6). */
int iommufd_object_destroy_user(struct iommufd_ctx *ictx, uint32_t id);
/* In-kernel destroy by the owner of one user; waits for lookups. */
void iommufd_object_destroy_wait(struct iommufd_ctx *ictx, struct iommufd_object *object,
				 bool tombstone);
/* For an object that only this caller knows: drops it at once. */
void iommufd_object_remove(struct iommufd_ctx *ictx, struct iommufd_object *object);
void iommufd_objects_release(struct iommufd_ctx *ictx);
int iommufd_cmd_destroy(struct iommufd_ucmd *ucmd);

/* --- IOAS (2) --- */

LIST_HEAD(hwpt_list, iommufd_hwpt);

struct iommufd_ioas {
	struct iommufd_object object;
	struct iommufd_ctx *ictx;
	struct io_pagetable iopt;
	struct mutex mutex;
	struct hwpt_list hwpts; /* in order of creation */
	struct iommufd_hwpt *last_hwpt;
};

/* ioas.c */
struct iommufd_ioas *iommufd_get_ioas(struct iommufd_ctx *ictx, uint32_t id);
void iommufd_put_ioas(struct iommufd_ioas *ioas);
void iommufd_ioas_destroy(struct iommufd_object *object);
int iommufd_ioas_alloc_ioctl(struct iommufd_ucmd *ucmd);
int iommufd_ioas_iova_ranges(struct iommufd_ucmd *ucmd);
int iommufd_ioas_allow_iovas(struct iommufd_ucmd *ucmd);
int iommufd_ioas_map(struct iommufd_ucmd *ucmd);
int iommufd_ioas_map_file(struct iommufd_ucmd *ucmd);
int iommufd_ioas_copy(struct iommufd_ucmd *ucmd);
int iommufd_ioas_unmap(struct iommufd_ucmd *ucmd);
int iommufd_ioas_change_process(struct iommufd_ucmd *ucmd);
int iommufd_option(struct iommufd_ucmd *ucmd);
int iommufd_ioas_noiommu_get_pa(struct iommufd_ucmd *ucmd);
int iommufd_option_huge_pages_off(struct iommufd_ioas *ioas);

/* --- devices, groups, HWPTs (4) --- */

LIST_HEAD(attach_list, iommufd_attach);

TAILQ_HEAD(device_list, iommufd_device);
TAILQ_HEAD(attached_list, attached_device);

/* Devices of one IOMMU group bound to one context, which owns the group's DMA. */
struct iommufd_group {
	TAILQ_ENTRY(iommufd_group) link;
	LIST_ENTRY(iommufd_group) module_link;
	struct iommufd_ctx *ictx;
	uint32_t users;
	uint32_t group;
	struct mutex lock;
	struct attach_list attaches; /* one a pasid */
	struct device_list devices;  /* all that are bound */
};

/* What a group has on one pasid. */
struct iommufd_attach {
	LIST_ENTRY(iommufd_attach) link;
	uint32_t pasid; /* 0: the RID */
	struct iommufd_hwpt *hwpt;
	struct attached_list devices; /* those that asked for it; never empty */
};

struct attached_device {
	TAILQ_ENTRY(attached_device) link;
	struct iommufd_device *idev;
};

struct iommufd_device {
	struct iommufd_object object;
	struct iommufd_ctx *ictx;
	struct iommufd_group *igroup;
	TAILQ_ENTRY(iommufd_device) group_link;
	struct device *device;
	struct iommufd_vdevice *vdevice;
	bool destroying;
};

struct iommufd_hwpt {
	struct iommufd_object object;
	struct iommufd_ctx *ictx;
	struct iommu_domain *domain;
	struct iommufd_fault *fault;
	bool pasid_compat;
	/* paging */
	struct iommufd_ioas *ioas;
	LIST_ENTRY(iommufd_hwpt) ioas_link;
	bool in_ioas;
	bool auto_domain;
	bool nest_parent;
	bool enforce_cache_coherency;
	/* nested */
	struct iommufd_hwpt *parent;
	struct iommufd_viommu *viommu;
};

/* device.c */
int iommufd_device_bind(struct iommufd_ctx *ictx, struct device *device,
			struct iommufd_device **bound);
void iommufd_device_unbind(struct iommufd_device *idev);
/* *PT_ID in: HWPT or IOAS; out: the HWPT (4.6). */
int iommufd_device_attach(struct iommufd_device *idev, uint32_t pasid, uint32_t *pt_id);
int iommufd_device_replace(struct iommufd_device *idev, uint32_t pasid, uint32_t *pt_id);
void iommufd_device_detach(struct iommufd_device *idev, uint32_t pasid);
/* Itself, whatever others of its group are. */
bool iommufd_device_is_attached(struct iommufd_device *idev, uint32_t pasid);
/* The RID and every PASID. */
void iommufd_device_detach_all(struct iommufd_device *idev);
struct iommufd_hwpt *iommufd_device_hwpt(struct iommufd_device *idev, uint32_t pasid);
void iommufd_device_destroy(struct iommufd_object *object);
void iommufd_device_pre_destroy(struct iommufd_object *object);
struct iommufd_device *iommufd_get_device(struct iommufd_ctx *ictx, uint32_t id);
int iommufd_get_hw_info(struct iommufd_ucmd *ucmd);

/* hw_pagetable.c */
/* The caller holds the IOAS mutex. IMMEDIATE attaches an automatic domain before it is filled. */
struct iommufd_hwpt *iommufd_hwpt_paging_alloc(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
					       struct iommufd_device *idev, uint32_t pasid,
					       uint32_t flags, bool immediate,
					       const struct user_data *data, int *error);
void iommufd_hwpt_paging_destroy(struct iommufd_object *object);
void iommufd_hwpt_nested_destroy(struct iommufd_object *object);
void iommufd_hwpt_put(struct iommufd_ctx *ictx, struct iommufd_hwpt *hwpt);
int iommufd_hwpt_alloc(struct iommufd_ucmd *ucmd);
int iommufd_hwpt_set_dirty_tracking(struct iommufd_ucmd *ucmd);
int iommufd_hwpt_get_dirty_bitmap(struct iommufd_ucmd *ucmd);
int iommufd_hwpt_invalidate(struct iommufd_ucmd *ucmd);
/* How an automatic domain is attached before it is filled; the IOAS mutex is held. */
int iommufd_group_attach(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt);
void iommufd_group_detach(struct iommufd_device *idev, uint32_t pasid);

/* --- accesses (6) --- */

struct iommufd_access_ops {
	bool needs_pin_pages;
	/* Must unpin all that intersects before it returns; called without IOAS locks. */
	void (*unmap)(void *context, uint64_t iova, uint64_t length);
};

struct iommufd_access {
	struct iommufd_object object;
	struct iommufd_ctx *ictx;
	struct iommufd_ioas *ioas;
	const struct iommufd_access_ops *ops; /* NULL: internal */
	void *context;
	struct mutex ioas_lock;
	uint64_t iova_alignment;
	struct iommufd_ioas *ioas_unpin; /* pins are in here; outlives ioas during a detach */
	uint64_t notified;               /* the last unmap it was told of */
};

/* Flags of pin and rw. */
#define ACCESS_READ      0U
#define ACCESS_WRITE     1U
#define ACCESS_SLOW_PATH 4U

/* access.c */
struct iommufd_access *iommufd_access_create(struct iommufd_ctx *ictx,
					     const struct iommufd_access_ops *ops, void *context,
					     int *error);
struct iommufd_access *iommufd_access_create_internal(struct iommufd_ctx *ictx, int *error);
void iommufd_access_destroy(struct iommufd_access *access);
void iommufd_access_destroy_object(struct iommufd_object *object);
int iommufd_access_attach(struct iommufd_access *access, uint32_t ioas_id);
int iommufd_access_attach_ioas(struct iommufd_access *access, struct iommufd_ioas *ioas);
int iommufd_access_replace(struct iommufd_access *access, uint32_t ioas_id);
void iommufd_access_detach(struct iommufd_access *access);
/* Frames behind [iova, iova + length), in order, through RUN for each consecutive piece. */
typedef int pinned_fn(void *context, uint64_t pfn, uint64_t count);
int iommufd_access_pin_pages(struct iommufd_access *access, uint64_t iova, uint64_t length,
			     uint32_t flags, pinned_fn *run, void *context);
void iommufd_access_unpin_pages(struct iommufd_access *access, uint64_t iova, uint64_t length);
int iommufd_access_rw(struct iommufd_access *access, struct thread *thread, uint64_t iova,
		      void *data, uint64_t length, uint32_t flags, bool *stated);
void iommufd_access_notify_unmap(struct io_pagetable *iopt, uint64_t iova, uint64_t length);

/* --- vIOMMU (5) --- */

LIST_HEAD(veventq_list, iommufd_veventq);
TAILQ_HEAD(vdevice_list, iommufd_vdevice);

struct iommufd_viommu {
	struct iommufd_object object;
	struct iommufd_ctx *ictx;
	struct iommufd_hwpt *hwpt; /* the nest parent */
	const struct iommufd_viommu_ops *ops;
	void *iommu; /* instance */
	uint32_t type;
	struct vdevice_list vdevices;
	struct veventq_list veventqs;
	struct rwsem veventqs_rwsem;
	void *driver_data;
};

struct iommufd_vdevice {
	struct iommufd_object object;
	struct iommufd_viommu *viommu;
	struct iommufd_device *idev;
	uint64_t virt_id;
	uint32_t driver_slot; /* the driver's */
	bool has_slot;        /* published under virt_id */
	TAILQ_ENTRY(iommufd_vdevice) link;
};

struct iommufd_hw_queue {
	struct iommufd_object object;
	struct iommufd_viommu *viommu;
	struct iommufd_access *access; /* the internal one that pins; NULL: not pinned */
	uint64_t first_pfn;            /* of the pinned pages */
	uint64_t page_count;
	uint64_t base_iova;
	uint64_t length;
	uint32_t type;
	bool initialised;
	struct iommufd_hw_queue *previous; /* it depends on this one; the driver's */
};

/* A region of driver registers that the descriptor can mmap (5.9). */
struct iommufd_mmap {
	TAILQ_ENTRY(iommufd_mmap) link;
	struct iommufd_object *owner;
	struct iommufd_ctx *ictx;
	uint64_t offset;
	uint64_t length;
	struct pa base;
};

/* viommu.c */
int iommufd_viommu_alloc(struct iommufd_ucmd *ucmd);
int iommufd_vdevice_alloc(struct iommufd_ucmd *ucmd);
int iommufd_hw_queue_alloc(struct iommufd_ucmd *ucmd);
void iommufd_viommu_destroy(struct iommufd_object *object);
void iommufd_vdevice_destroy(struct iommufd_object *object);
void iommufd_hw_queue_destroy(struct iommufd_object *object);
struct iommufd_viommu *iommufd_get_viommu(struct iommufd_ctx *ictx, uint32_t id);
/* NULL when no vDEVICE of this vIOMMU has the id. */
struct device *iommufd_viommu_find_device(struct iommufd_viommu *viommu, uint64_t virt_id);
/* 0 and *VIRT_ID, or -ENOENT. */
int iommufd_viommu_virt_id(struct iommufd_viommu *viommu, struct device *device, uint64_t *virt_id);
int iommufd_hw_queue_depend(struct iommufd_hw_queue *dependent, struct iommufd_hw_queue *depended);
void iommufd_hw_queue_undepend(struct iommufd_hw_queue *dependent,
			       struct iommufd_hw_queue *depended);
int iommufd_viommu_alloc_mmap(struct iommufd_viommu *viommu, struct pa base, uint64_t length,
			      uint64_t *offset);
void iommufd_viommu_destroy_mmap(struct iommufd_viommu *viommu, uint64_t offset);
int iommufd_fops_mmap(struct thread *thread, struct file *file, struct map_request *request,
		      uint64_t offset);

/* --- event queues (5.6, 5.7) --- */

struct vevent {
	TAILQ_ENTRY(vevent) link;
	uint32_t flags;
	uint32_t sequence;
	uint32_t data_length;
	uint8_t data[32];
};

TAILQ_HEAD(vevents, vevent);

struct iommufd_veventq {
	struct iommufd_object object;
	struct iommufd_ctx *ictx;
	struct iommufd_viommu *viommu;
	LIST_ENTRY(iommufd_veventq) link;
	uint32_t type;
	uint32_t depth;
	uint32_t stored;
	uint32_t sequence;
	struct vevents events;
	struct vevent lost; /* the marker; in the list or not */
	bool lost_queued;
};

struct iopf_fault {
	uint32_t flags;
	uint32_t pasid;
	uint32_t grpid;
	uint32_t perm;
	uint64_t addr;
};

#define IOPF_GROUP_MAX 16U

struct iopf_group {
	TAILQ_ENTRY(iopf_group) link;
	struct iommufd_device *idev;
	struct iommufd_hwpt *hwpt; /* it came in through this attachment */
	uint32_t attach_pasid;
	uint32_t cookie; /* 0: not delivered */
	uint32_t count;
	struct iopf_fault faults[IOPF_GROUP_MAX];
};

TAILQ_HEAD(iopf_groups, iopf_group);

struct iommufd_fault {
	struct iommufd_object object;
	struct iommufd_ctx *ictx;
	struct iopf_groups queued;
	struct iopf_groups delivered; /* waiting for an answer */
	struct mutex mutex;
};

/* eventq.c */
int iommufd_fault_alloc(struct iommufd_ucmd *ucmd);
int iommufd_veventq_alloc(struct iommufd_ucmd *ucmd);
void iommufd_fault_destroy(struct iommufd_object *object);
void iommufd_veventq_destroy(struct iommufd_object *object);
struct iommufd_fault *iommufd_get_fault(struct iommufd_ctx *ictx, uint32_t id);
/* A driver reports an event; -EOPNOTSUPP: no queue of that type. */
int iommufd_viommu_report_event(struct iommufd_viommu *viommu, uint32_t type, const void *data,
				uint32_t length);
/* A page-request group arrives; answered INVALID at once when nobody takes it. */
void iommufd_report_iopf(struct iommufd_device *idev, const struct iopf_fault *faults,
			 uint32_t count);
/* Answers INVALID what came in through this attachment. */
void iommufd_auto_response_faults(struct iommufd_hwpt *hwpt, struct iommufd_device *idev,
				  uint32_t pasid);

/* --- other front ends --- */

/* vfio_compat.c */
int64_t iommufd_vfio_ioctl(struct iommufd_ctx *ictx, struct thread *thread, uint32_t cmd,
			   struct va arg);
int iommufd_vfio_ioas(struct iommufd_ucmd *ucmd);

/* selftest.c */
int iommufd_test(struct iommufd_ucmd *ucmd);
void iommufd_selftest_destroy(struct iommufd_object *object);
void iommufd_test_syz_conv_iova(struct iommufd_ctx *ictx, uint32_t ioas_id, uint64_t *iova,
				uint32_t *flags);

/* state.c */
/* All that a later call could depend on in FILE's context. */
void iommufd_hash(struct file *file, struct hash *hash);

#define OWNER_KERNEL 0U /* frames of the kernel itself belong to no process */

/* Modelled allocation: true, and refused with ENOMEM, when it fails. */
bool no_memory(struct machine *machine, const char *what);

#define sched_of(machine) (&(machine)->scheduler)

#endif
