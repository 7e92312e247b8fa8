/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Linux side of an AMD IOMMU: what drivers/iommu/amd does in 7.3.4, and what the posted vIOMMU
 * series would add.
 *
 * Concepts
 *   instance     one IOMMU, reached by MMIO, memory and interrupts only
 *   domain       v1 tables in memory, a DomainID, the IOMMUs whose devices are attached to it
 *   device       a DeviceID in the device table
 *   vIOMMU       posted: a GuestID, a trans_devid, the maps of DeviceIDs and DomainIDs
 *   own domain   private addresses (IPA) of the IOMMU itself, where the maps lie
 *
 * Sections: sheet "amd-iommu"; "amd-viommu" where it says so.
 */
#ifndef HWQ_KERNEL_SHIM_DRIVERS_AMD_IOMMU_AMD_H
#define HWQ_KERNEL_SHIM_DRIVERS_AMD_IOMMU_AMD_H

#include "kernel_shim/flush_queue.h"
#include "kernel_shim/iommufd.h"
#include "kernel_shim/shared_memory.h"
#include "kernel_shim/uapi/iommufd_drivers.h"
#include "models/amd_iommu/amd_spec.h"

struct iommu_hw_info_amd {
	uint64_t efr;
	uint64_t efr2;
};

struct iommu_hwpt_amd_guest {
	uint64_t dte[DTE_WORDS];
};

/* As of AE-d (amd-viommu 14). */
struct iommu_viommu_amd {
	uint64_t out_vfmmio_mmap_offset;
};

#define AMD_DEVICES         65536U
#define AMD_RING_CODE       9U  /* 512 entries, of commands and of events (2) */
#define AMD_ATS_QUEUE_DEPTH 32U /* invalidations in flight: PCIe's 0 (8.5) */

/* What firmware tells the driver of an instance. */
struct amd_resources {
	const char *name; /* literal; the engine's */
	struct pa ecam;   /* PCI configuration spaces, by DeviceID */
	uint16_t own_device;
	uint16_t last_device; /* that firmware knows of */
	uint32_t irq;
};

struct amd_domain;
struct amd_viommu;
struct amd_device;

struct amd_guest_domain;
struct amd_nested;

LIST_HEAD(amd_guest_domains, amd_guest_domain);
LIST_HEAD(amd_devices, amd_device);
LIST_HEAD(amd_viommus, amd_viommu);

/* Frames of table pages that no table leads to any more, but a cache may. */
struct amd_freed {
	struct spans pages;
	uint64_t first; /* the addresses they were for */
	uint64_t last;
};

/* v1 tables: three levels at first, more on top as addresses grow (11). */
struct amd_tables {
	struct machine *machine;
	uint64_t root_pfn;
	unsigned mode;
	struct spans pages; /* frames of table pages, to be given back */
	struct amd_freed freed;
};

struct amd {
	struct machine *machine;
	struct pa config; /* its PCI configuration space; what that says: */
	struct pa base;
	struct pa vf; /* 0: there is none, or it is not enabled */
	struct pa vfcntl;
	bool iotlb_sup;
	bool np_cache;
	uint16_t own_device;
	uint16_t last_device; /* that firmware knows of */
	uint32_t engine;      /* its number in the ledger */
	uint64_t control;
	uint64_t efr;
	uint64_t efr2;
	uint64_t table_pfn;
	struct mutex lock; /* of the ring */
	uint64_t ring_pfn;
	uint32_t tail;
	uint64_t event_log_pfn;
	uint64_t semaphore_pa;
	uint64_t semaphore;       /* the last number that was queued */
	bool need_sync;           /* something was queued behind it */
	uint64_t domains[1024];   /* bit map; 0 is reserved */
	uint16_t identity_domain; /* 0: no device was in it yet */
	/* the posted vIOMMU */
	bool vimu;            /* it is turned on */
	bool private_buffers; /* guests' rings and logs are at private addresses (RFC23) */
	struct amd_tables private_tables;
	uint16_t private_domain;
	uint64_t mmio_state_pfn;     /* the hardware's: guests' registers */
	uint64_t ext_int_pfn;        /* level 1 of extended interrupt remapping */
	uint64_t guests[1024];       /* GuestIDs */
	uint64_t trans_devids[1024]; /* taken, from the top down */
};

struct amd_device {
	struct device device;
	struct amd *amd;
	uint16_t id;
	bool ats;
	struct amd_domain *domain; /* it is attached to; with neither it is blocked */
	struct amd_nested *nested;
	LIST_ENTRY(amd_device) link;
};

struct amd_domain {
	struct iommu_domain domain;
	struct amd *amd;
	uint16_t id;
	struct amd_tables tables;
	struct flush_queue unmapped; /* and not invalidated yet: iommu.strict=0 */
	uint32_t attached;           /* devices: what iommu_array counts */
	bool dirty_tracking;
	struct mutex lock; /* of what an unmap flushes: the lists, and the vIOMMUs' own */
	struct amd_devices devices;
	struct amd_viommus viommus;
};

/* A DomainID of a guest, and the host's for it. */
struct amd_guest_domain {
	LIST_ENTRY(amd_guest_domain) link;
	uint16_t guest;
	uint16_t host;
	uint32_t users; /* nested domains */
};

/* A guest: its GuestID, and what its ring and logs are translated by (amd-viommu 6, 8). */
struct amd_viommu {
	LIST_ENTRY(amd_viommu) link; /* of the parent domain */
	struct amd *amd;
	struct amd_domain *parent;
	uint16_t guest;       /* GuestID */
	uint16_t trans_devid; /* the DeviceID whose table entry translates its buffers */
	uint32_t ledger_guest;
	uint64_t device_map_pfn;
	uint64_t domain_map_pfn;
	uint64_t mmap_offset;
	struct amd_guest_domains numbers;
	bool guest_given; /* the GuestID was given back before the rest */
};

extern const struct iommu_ops amd_ops;
extern const struct iommu_domain_ops amd_domain_ops;

/* init.c */
struct amd *amd_probe(struct machine *machine, const struct amd_resources *resources);
struct amd_device *amd_device_new(struct amd *amd, uint16_t id, bool ats);
/* A device that the host keeps in its identity domain. */
void amd_pass_through(struct amd *amd, uint16_t id);
uint64_t amd_read(struct amd *amd, uint32_t offset, unsigned width);
void amd_write(struct amd *amd, uint32_t offset, unsigned width, uint64_t value);
/* One bit of the control register, one write (3). */
void amd_control(struct amd *amd, uint64_t bit, bool on);
/* The lowest free number from 1, or 0. */
uint16_t amd_take_number(uint64_t map[1024]);
/* The highest, or 0. */
uint16_t amd_take_high_number(uint64_t map[1024]);
void amd_give_number(uint64_t map[1024], uint16_t number);

/* pci.c: what the capabilities of its configuration space say (1; amd-viommu 3). */
void amd_discover(struct amd *amd);

/* event_log.c: the host's event log. */
void amd_set_up_event_log(struct amd *amd);
/* The interrupt's handler. */
void amd_handle_irq(void *context);

/* command.c: the host's ring. 0, or -EIO: the ring is full and stays so, nothing is queued (8.7). */
int amd_queue(struct amd *amd, struct amd_command command);
/*
 * COMPLETION_WAIT and wait for its store; nothing queued since the last one: waits for that. It can't be
 * queued: does not wait.
 */
void amd_completion_wait(struct amd *amd);
/* The same without waiting. */
void amd_completion_no_wait(struct amd *amd);

/* device_table.c */
void amd_dte_init_all(struct amd *amd);
void amd_dte_read(struct amd *amd, uint16_t device, struct amd_dte *dte);
/* High half first, or low half first, as the entries say; then INVALIDATE_DEVTAB_ENTRY, wait (9). */
void amd_dte_update(struct amd *amd, uint16_t device, const struct amd_dte *dte);
/* One 64-bit store. */
void amd_dte_write_word(struct amd *amd, uint16_t device, unsigned word, uint64_t value);
/* V = 1 and nothing else (9, Detach). */
struct amd_dte amd_dte_blocked(void);
struct amd_dte amd_dte_for(const struct amd_tables *tables, uint16_t domain);

/* tables.c */
bool amd_tables_init(struct amd_tables *tables, struct machine *machine);
void amd_tables_fini(struct amd_tables *tables);
/* 0, or -ENOMEM with nothing mapped; *GREW: the root is another. */
int amd_tables_map(struct amd_tables *tables, uint64_t iova, uint64_t pa, uint64_t length,
		   uint32_t prot, uint64_t chunk, bool *grew);
/* Clears the leaves of the range, and takes out tables of which it has all. */
void amd_tables_unmap(struct amd_tables *tables, uint64_t iova, uint64_t length);
/* Whether tables were taken out. */
bool amd_tables_have_freed(struct amd_tables *tables);
/* They are the caller's, which flushes their addresses, with PDE, and then releases them. */
void amd_tables_take_freed(struct amd_tables *tables, struct amd_freed *freed);
void amd_tables_release(struct amd_tables *tables, struct amd_freed *freed);
bool amd_tables_find(struct amd_tables *tables, uint64_t iova, uint64_t *pa);
/* Tells of each leaf with a D in any of its replicas; CLEAR: and takes it from all. */
void amd_tables_read_dirty(struct amd_tables *tables, uint64_t iova, uint64_t last, bool clear,
			   dirty_fn *report, void *context);

/* domain.c */
int amd_domain_alloc(struct amd *amd, bool dirty_ops, struct iommu_domain **out);
/* The entry of a device of the domain, or of one over it, with DomainID ID. */
struct amd_dte amd_domain_dte(const struct amd_domain *domain, uint16_t id);
struct amd_domain *to_amd_domain(struct iommu_domain *domain);
void amd_domain_lock(struct amd_domain *domain);
void amd_domain_unlock(struct amd_domain *domain);
int amd_attach(struct iommu_domain *domain, struct device *device);
void amd_block(struct device *device);
void amd_bind_device(struct amd_device *device, uint32_t holder);

/* nested.c: posted, too. */
int amd_nested_alloc(struct iommufd_viommu *object, uint32_t flags, const struct user_data *data,
		     struct iommu_domain **out);
/* A device has left it: its translations go. */
void amd_nested_flush(const struct amd_nested *nested);

/* viommu.c: posted (amd-viommu 13). */
/* At boot, if the kernel has it; else for the first vIOMMU. */
void amd_viommu_probe(struct amd *amd);
/* The parent's root is another: the entry that translates the guest's buffers, too. */
void amd_viommu_change_root(struct amd_viommu *viommu);
/* Where a DomainID of the guest leads. */
void amd_viommu_map_domain(const struct amd_viommu *viommu, uint16_t guest_domain, uint16_t domain);
/* A register of the guest's VFCntl. */
void amd_vfcntl_write(const struct amd_viommu *viommu, uint32_t offset, uint64_t value);
uint64_t amd_vfcntl_read(const struct amd_viommu *viommu, uint32_t offset);
/* Private addresses, and what the IOMMU has cached of them. */
int amd_map_private(struct amd *amd, uint64_t ipa, uint64_t pfn, uint64_t length);
void amd_unmap_private(struct amd *amd, uint64_t ipa, uint64_t length);
bool amd_viommu_supported(struct device *device, uint32_t type);
int amd_viommu_init(struct iommufd_viommu *object, struct iommu_domain *iommu_domain,
		    const struct user_data *data);

/* hw_queue.c: posted. */
bool amd_hw_queue_supported(struct iommufd_viommu *viommu, uint32_t type);
bool amd_hw_queue_pins(struct iommufd_viommu *viommu);
uint64_t amd_hw_queue_bytes(const struct iommufd_hw_queue *queue);
int amd_hw_queue_init(struct iommufd_hw_queue *queue, uint32_t index);
void amd_hw_queue_destroy(struct iommufd_hw_queue *queue);

/* ext_int.c: posted (amd-viommu 11). Types are those of extended ids: 0 events, 1 page requests. */
#define AMD_EXT_INT_TYPES 2U
/* The table of level 1; false: no memory. */
bool amd_ext_int_init(struct amd *amd);
void amd_ext_int_fini(struct amd *amd);
/* What the IOMMU's own table entry says of it: word 2. */
uint64_t amd_ext_int_word(const struct amd *amd);
/* Tables of level 2 that the guest's entries are in; false: no memory. They stay: others use them. */
bool amd_ext_int_prepare(struct amd *amd, uint16_t guest);
/* Where interrupts of TYPE go. */
void amd_ext_int_set(struct amd *amd, uint16_t guest, unsigned type, struct pa vapic,
		     uint8_t vector, uint32_t tag);
void amd_ext_int_clear(struct amd *amd, uint16_t guest);

#endif
