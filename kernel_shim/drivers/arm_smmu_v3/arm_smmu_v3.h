/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Linux side of an SMMUv3 with CMDQV: what arm-smmu-v3 and tegra241-cmdqv do.
 *
 * Concepts
 *   instance  one SMMU and its CMDQV, reached by MMIO, memory and interrupts only
 *   domain    tables in memory, invalidation by the driver's queue: stage 1 with an ASID, where
 *             the hardware has it; stage 2 with a VMID, where it has not, and below a guest's stage 1
 *   nested    a guest's stage 1 over such a domain: what the guest's stream table entry says
 *   vsmmu     a guest's vIOMMU without queues: what it sends goes by the main queue, and what its
 *             devices' stage 1 faults with comes back by a vEVENTQ
 *   master    a device: its entry in the stream table, and its context descriptor
 *   entry     one of these two: it changes word by word, under the hardware's eyes
 *   queue     of the driver's own commands: the SMMU's main queue, or one of VINTF 0
 *   batch     commands on their way to a queue; a full one goes without a CMD_SYNC
 *   vintf     what a guest's vIOMMU owns: a VMID, stream-id pairs, logical queues; 0 is the host's
 */
#ifndef HWQ_KERNEL_SHIM_DRIVERS_ARM_SMMU_V3_H
#define HWQ_KERNEL_SHIM_DRIVERS_ARM_SMMU_V3_H

#include "kernel_shim/drivers/arm_smmu_v3/io_pgtable.h"
#include "kernel_shim/flush_queue.h"
#include "kernel_shim/iommufd.h"
#include "kernel_shim/uapi/iommufd_drivers.h"
#include "models/nvidia_vcmdq/cmdqv_spec.h"
#include "models/nvidia_vcmdq/smmu_spec.h"

/* Words 0 and 1 of a guest's stream table entry. */
struct iommu_hwpt_arm_smmuv3 {
	uint64_t ste[2];
};

/* iommu_hw_info_arm_smmuv3.flags (9.4) */
#define IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI 1U

struct iommu_viommu_tegra241_cmdqv {
	uint64_t out_vintf_mmap_offset;
	uint64_t out_vintf_mmap_length;
};

struct iommu_hw_info_arm_smmuv3 {
	uint32_t flags;
	uint32_t __reserved;
	uint32_t idr[6];
	uint32_t iidr;
	uint32_t aidr;
};

struct iommu_hw_info_tegra241_cmdqv {
	uint32_t flags;
	uint8_t version;
	uint8_t log2vcmdqs;
	uint8_t log2vsids;
	uint8_t __reserved;
};

#define TLBI_BATCH         64U /* commands that go together (3.6) */
#define QUEUE_LOG2SIZE_MAX 10U /* what an experiment needs; Linux takes what fits a page order */

/* What firmware tells the driver of an instance. */
struct arm_smmu_resources {
	const char *name; /* literal; the engine's */
	struct pa base;
	struct pa cmdqv; /* 0: none */
	uint32_t gerror_irq;
	uint32_t eventq_irq;
	uint32_t cmdqv_irq;
};

struct tegra241_vintf;
struct arm_smmu_domain;
struct arm_smmu_master;

/* ASIDs or VMIDs: 0 is the host's. */
struct arm_smmu_tags {
	uint64_t used[1024]; /* bit map */
};

LIST_HEAD(arm_smmu_masters, arm_smmu_master);
LIST_HEAD(arm_smmu_attachments, arm_smmu_attachment);

/* A queue for the driver's own commands. */
struct arm_smmu_cmdq {
	struct arm_smmu *smmu;
	struct pa prod; /* registers */
	struct pa cons;
	unsigned sync_cs; /* how a CMD_SYNC tells that it is done */
	struct mutex lock;
	uint64_t pfn;
	uint32_t log2size;
	uint64_t issued; /* commands, ever */
};

struct arm_smmu {
	struct machine *machine;
	struct pa base;
	struct pa cmdqv;
	uint32_t engine; /* its number in the ledger */
	uint32_t idr[6];
	uint32_t cr0;              /* as it was written */
	struct arm_smmu_cmdq cmdq; /* the main queue */
	uint64_t eventq_pfn;
	uint32_t eventq_log2size;
	struct arm_smmu_masters masters; /* all devices behind it */
	uint64_t strtab_pfn;
	uint32_t strtab_log2size; /* stream ids */
	uint32_t strtab_config;   /* STRTAB_BASE_CFG */
	bool strtab_two_levels;
	struct arm_smmu_tags asids;
	struct arm_smmu_tags vmids;
	/* CMDQV */
	uint32_t vintf_count;
	uint32_t lvcmdqs; /* a VINTF */
	uint32_t sid_pairs;
	struct tegra241_vintf *vintfs[CMDQV_VINTFS_MAX]; /* 0 is the host's */
};

/* Lies in the arena (nested.c). */
struct arm_smmu_nested {
	struct iommu_domain domain;
	struct iommufd_viommu *viommu;
	struct arm_smmu_domain *parent;
	uint64_t ste[2]; /* the guest's, without EATS; V = 0: all zero */
	bool ats;        /* EATS */
};

/* A domain's hold on a device. */
struct arm_smmu_attachment {
	struct arm_smmu_master *master;
	LIST_ENTRY(arm_smmu_attachment) link;
};

struct arm_smmu_master {
	struct device device;
	struct arm_smmu *smmu;
	uint32_t sid;
	uint64_t cd_pa;                 /* 0: it has had no stage 1 of the driver's yet */
	bool ats;                       /* it can */
	bool ats_enabled;               /* by its entry */
	struct arm_smmu_domain *domain; /* whose tables it has; NULL: blocked */
	struct arm_smmu_nested *nested; /* over it; NULL: none */
	struct arm_smmu_attachment attachments[2]; /* both while one domain replaces another */
	unsigned attachment;                       /* which of them is DOMAIN's */
	LIST_ENTRY(arm_smmu_master) link;          /* of the SMMU's */
};

struct arm_smmu_domain {
	struct iommu_domain domain;
	struct arm_smmu *smmu;
	struct io_pgtable table;
	uint16_t asid; /* of stage 1 */
	uint16_t vmid; /* of stage 2; 0: the host's */
	bool nest_parent;
	struct flush_queue unmapped; /* and not invalidated yet: iommu.strict=0 */
	struct arm_smmu_attachments attachments;
};

/* --- driver.c --- */

/* Why Linux does not take hardware with these registers (1.3); NULL: it does. */
const char *arm_smmu_unsupported(const uint32_t idr[6]);
/*
 * Finds the hardware, sets it up, enables it. -ENXIO: it is not taken, and left as it is; -ETIMEDOUT:
 * it does not acknowledge, and is left as far as it got.
 */
int arm_smmu_probe(struct machine *machine, const struct arm_smmu_resources *resources,
		   struct arm_smmu **probed);
struct arm_smmu_master *arm_smmu_master_new(struct arm_smmu *smmu, uint32_t sid, bool ats);
extern const struct iommu_ops arm_smmu_ops;
uint64_t arm_smmu_read(struct arm_smmu *smmu, uint32_t offset, unsigned width);
void arm_smmu_write(struct arm_smmu *smmu, uint32_t offset, unsigned width, uint64_t value);
/* Consecutive frames for BYTES, aligned to their size: the first. */
uint64_t arm_smmu_alloc_frames(struct machine *machine, uint64_t bytes);
/* Of a queue's entries: what FIELD of IDR1 allows, as far as the driver goes. */
uint32_t arm_smmu_queue_log2size(const struct arm_smmu *smmu, uint64_t field);
/* Whether every fault stalls: then the driver's own stages must say so too (4.2, 4.3). */
bool arm_smmu_stalls(const struct arm_smmu *smmu);

/* How the hardware reads tables: as coherent as it can (4.3). */
struct walk_attributes {
	unsigned cache;
	unsigned share;
};

static inline struct walk_attributes arm_smmu_walk_attributes(const struct arm_smmu *smmu)
{
	if (smmu->idr[0] & IDR0_COHACC)
		return (struct walk_attributes){WALK_WRITE_BACK, PTE_SH_INNER};
	return (struct walk_attributes){WALK_NOT_CACHED, PTE_SH_OUTER};
}

/* entry.c: a stream table entry or a context descriptor. */
#define ENTRY_WORDS 8U

struct arm_smmu_entry {
	struct arm_smmu *smmu;
	uint64_t at;    /* physical address */
	uint64_t valid; /* V, in word 0 */
	struct smmu_command cfgi;
	/* Bits that the hardware looks at. */
	void (*used)(const uint64_t entry[ENTRY_WORDS], uint64_t used[ENTRY_WORDS]);
	/* Bits that may change at any time between two entries that use them; NULL: none. */
	void (*safe)(const uint64_t now[ENTRY_WORDS], const uint64_t target[ENTRY_WORDS],
		     uint64_t safe[ENTRY_WORDS]);
};

void arm_smmu_write_entry(const struct arm_smmu_entry *entry, const uint64_t target[ENTRY_WORDS]);

/* stream_table.c */
void arm_smmu_set_up_stream_table(struct arm_smmu *smmu);
/* SID has an entry from now on: at first one that aborts. */
void arm_smmu_add_stream(struct arm_smmu *smmu, uint32_t sid);
uint64_t arm_smmu_ste_pa(struct arm_smmu *smmu, uint32_t sid);
void arm_smmu_write_ste(struct arm_smmu *smmu, uint32_t sid, const uint64_t ste[STE_WORDS]);
void arm_smmu_make_abort_ste(uint64_t ste[STE_WORDS]);
void arm_smmu_make_stage1_ste(const struct arm_smmu_master *master, bool ats,
			      uint64_t ste[STE_WORDS]);
void arm_smmu_make_stage2_ste(const struct arm_smmu_domain *domain, bool ats,
			      uint64_t ste[STE_WORDS]);

/* context.c */
int arm_smmu_alloc_cd(struct arm_smmu_master *master);
void arm_smmu_set_cd(struct arm_smmu_master *master, const struct arm_smmu_domain *domain);
/* Nothing is sent where there is none. */
void arm_smmu_clear_cd(struct arm_smmu_master *master);

/* cmdq.c: queues. */
struct arm_smmu_batch {
	struct arm_smmu_cmdq *cmdq;
	struct smmu_command commands[TLBI_BATCH];
	uint32_t count;
};

/* Memory of a queue of up to 2^CMDQS commands; BASE: what its base register is to have beside hints. */
void arm_smmu_cmdq_init(struct arm_smmu_cmdq *cmdq, struct arm_smmu *smmu, struct pa prod,
			struct pa cons, unsigned sync_cs);
uint64_t arm_smmu_cmdq_base(const struct arm_smmu_cmdq *cmdq);
/* The queue that the driver's commands take now (tegra241-cmdqv 9.4). */
struct arm_smmu_cmdq *arm_smmu_get_cmdq(struct arm_smmu *smmu);
/* Whether COMMAND is one that some hardware may miss once: it is sent twice (3.6, T264-SMMU-3). */
bool arm_smmu_repeats(const struct arm_smmu *smmu, const struct smmu_command *command);
/* Appends; a batch that is full goes to the queue first, without a CMD_SYNC. */
void arm_smmu_batch_add(struct arm_smmu_batch *batch, struct smmu_command command);
/* Sends the rest and a CMD_SYNC, and waits for it. Nothing to send: nothing happens. */
void arm_smmu_batch_submit(struct arm_smmu_batch *batch);
/* The same without waiting. */
void arm_smmu_batch_submit_no_wait(struct arm_smmu_batch *batch);
/* One command, CMD_SYNC, wait. */
void arm_smmu_cmdq_issue(struct arm_smmu *smmu, struct smmu_command command);
void arm_smmu_cmdq_issue_on(struct arm_smmu_cmdq *cmdq, struct smmu_command command);
/* One command, a hint: nobody waits for it. */
void arm_smmu_cmdq_issue_no_sync(struct arm_smmu *smmu, struct smmu_command command);
/* After an error: a command at CONS that is illegal, or what is not known, gives way to a CMD_SYNC (3.4). */
void arm_smmu_cmdq_skip_error(struct arm_smmu_cmdq *cmdq);

/* invalidate.c: a guest's commands, with the parent's VMID, by the main queue. */
int arm_vsmmu_cache_invalidate(struct iommufd_viommu *viommu, struct arm_smmu *smmu, uint16_t vmid,
			       struct user_data_array *array);

/* nested.c */
extern const struct iommufd_viommu_ops arm_vsmmu_ops;
/* A vIOMMU of its own: no queues. */
int arm_vsmmu_init(struct iommufd_viommu *viommu, struct arm_smmu_domain *parent,
		   const struct user_data *data);
int arm_smmu_nested_alloc(struct iommufd_viommu *viommu, struct arm_smmu_domain *parent,
			  uint32_t flags, const struct user_data *data, struct iommu_domain **out);
/* STE: a stream table entry of the parent's, with EATS for a device with ATS. */
void arm_smmu_nested_ste(const struct arm_smmu_nested *nested, uint64_t ste[STE_WORDS]);

/* events.c: what the event queue has, to those whom it concerns. CONTEXT: the struct arm_smmu. */
void arm_smmu_handle_events(void *context);

/* tlbi.c: what a domain no longer holds. */
extern const struct io_pgtable_flusher arm_smmu_flusher;
/* What was gathered; GATHER is empty then. */
void arm_smmu_iotlb_sync(struct arm_smmu_domain *domain, struct iotlb_gather *gather);
/* All that is cached of CONTEXT, a struct arm_smmu_domain. */
void arm_smmu_flush_iotlb_all(void *context);
/* All of the domain's tag. */
struct smmu_command arm_smmu_tlbi_all(const struct arm_smmu_domain *domain);

/* domain.c */
extern const struct iommu_domain_ops arm_smmu_domain_ops;
/* STAGE 1 or 2. */
int arm_smmu_domain_alloc(struct arm_smmu *smmu, unsigned stage, bool nest_parent,
			  struct iommu_domain **out);
struct arm_smmu_domain *to_arm_smmu_domain(struct iommu_domain *domain);
/* Points the device's stream table entry at DOMAIN. */
int arm_smmu_attach(struct iommu_domain *domain, struct device *device);
/* The same of a domain of stage 2, with what NESTED makes of it, or NULL. */
void arm_smmu_install(struct arm_smmu_master *master, struct arm_smmu_domain *domain,
		      struct arm_smmu_nested *nested);
void arm_smmu_block(struct device *device);

/* tegra241_cmdqv.c */
void tegra241_cmdqv_probe(struct arm_smmu *smmu, uint32_t irq);
bool tegra241_cmdqv_present(const struct arm_smmu *smmu);
/* The queue of VINTF 0 for this CPU's commands; NULL: there is none, or it is bypassed. */
struct arm_smmu_cmdq *tegra241_cmdqv_get_cmdq(struct arm_smmu *smmu);
int tegra241_cmdqv_viommu_init(struct iommufd_viommu *viommu, struct arm_smmu *smmu,
			       struct arm_smmu_domain *parent, const struct user_data *data);
uint64_t tegra241_cmdqv_mmio(struct arm_smmu *smmu, uint64_t offset);

#endif
