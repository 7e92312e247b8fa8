// SPDX-License-Identifier: Apache-2.0
/*
 * Paging domains: unmap clears, invalidates and waits before it returns; attach writes a device's entries in
 * the order that keeps it from seeing half of them (smmuv3 3.6).
 */
#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define STAGE1_BITS 48U /* of the host's CPUs; input of stage 1, whatever the output (4.3) */

struct arm_smmu_domain *to_arm_smmu_domain(struct iommu_domain *domain)
{
	return domain->driver == &arm_smmu_ops ? (struct arm_smmu_domain *)domain : NULL;
}

/* --- map, unmap --- */

/* Linux is never lazy with iommufd's domains (3.6). */
static void unmap_lazily(struct arm_smmu_domain *domain, uint64_t iova, uint64_t length)
{
	io_pgtable_unmap(&domain->table, iova, length, NULL);
	ledger_tables_cleared(&domain->smmu->machine->ledger);
	flush_queue_add(&domain->unmapped);
}

static void unmap(struct iommu_domain *iommu_domain, struct iova iova, uint64_t length)
{
	struct arm_smmu_domain *domain = (struct arm_smmu_domain *)iommu_domain;
	struct iotlb_gather gather = {0};
	if (kernel_option(iommu_domain->machine, KERNEL_IOMMU_STRICT) == IOMMU_LAZY) {
		unmap_lazily(domain, iova.value, length);
		return;
	}
	io_pgtable_unmap(&domain->table, iova.value, length, &gather);
	arm_smmu_iotlb_sync(domain, &gather);
}

static int map(struct iommu_domain *iommu_domain, struct iova iova, struct pa pa, uint64_t length,
	       uint32_t prot, uint64_t chunk)
{
	struct arm_smmu_domain *domain = (struct arm_smmu_domain *)iommu_domain;
	uint64_t done = io_pgtable_map(&domain->table, iova.value, pa.value, length, prot, chunk);
	if (done == length)
		return 0;
	if (done > 0)
		unmap(iommu_domain, iova, done);
	return refuse(iommu_domain->machine, ENOMEM, "iommufd 3.3", "no memory for a page table");
}

static bool translate(struct iommu_domain *iommu_domain, struct iova iova, struct pa *pa)
{
	struct arm_smmu_domain *domain = (struct arm_smmu_domain *)iommu_domain;
	return io_pgtable_translate(&domain->table, iova.value, pa);
}

/* --- attach --- */

static void bind_stream(struct arm_smmu_master *master, uint32_t holder)
{
	ledger_bind(&master->smmu->machine->ledger, master->smmu->engine,
		    CONTEXT_DEVICE(master->sid), holder, LEDGER_NO_GUEST);
}

/* The device's entries no longer name DOMAIN; its last device takes the ASID or VMID along. */
static void leave(struct arm_smmu_domain *domain, struct arm_smmu_attachment *attachment)
{
	LIST_REMOVE(attachment, link);
	if (LIST_EMPTY(&domain->attachments))
		arm_smmu_cmdq_issue(domain->smmu, arm_smmu_tlbi_all(domain));
}

/* What the device keeps is of an entry that is no more (7). */
static void empty_atc(struct arm_smmu_master *master)
{
	arm_smmu_cmdq_issue(master->smmu, command_atc_inv(master->sid, 0, ATC_SIZE_ALL));
}

void arm_smmu_block(struct device *device)
{
	struct arm_smmu_master *master = (struct arm_smmu_master *)device;
	uint64_t ste[STE_WORDS];
	arm_smmu_make_abort_ste(ste);
	bind_stream(master, LEDGER_IN_TRANSITION);
	arm_smmu_write_ste(master->smmu, master->sid, ste);
	if (master->ats_enabled)
		empty_atc(master);
	if (master->domain != NULL)
		leave(master->domain, &master->attachments[master->attachment]);
	arm_smmu_clear_cd(master);
	master->domain = NULL;
	master->nested = NULL;
	master->ats_enabled = false;
	bind_stream(master, LEDGER_NOTHING);
}

/* A stage 1 has its context first; what is left of another's goes when nothing leads there. */
static void write_entries(struct arm_smmu_master *master, struct arm_smmu_domain *domain,
			  const struct arm_smmu_nested *nested, bool ats)
{
	uint64_t ste[STE_WORDS];
	if (domain->table.stage == 1) {
		arm_smmu_set_cd(master, domain);
		arm_smmu_make_stage1_ste(master, ats, ste);
		arm_smmu_write_ste(master->smmu, master->sid, ste);
		return;
	}
	arm_smmu_make_stage2_ste(domain, ats, ste);
	if (nested != NULL)
		arm_smmu_nested_ste(nested, ste);
	arm_smmu_write_ste(master->smmu, master->sid, ste);
	arm_smmu_clear_cd(master);
}

void arm_smmu_install(struct arm_smmu_master *master, struct arm_smmu_domain *domain,
		      struct arm_smmu_nested *nested)
{
	struct arm_smmu_domain *before = master->domain;
	struct arm_smmu_attachment *old = &master->attachments[master->attachment];
	bool ats = master->ats && (nested == NULL || nested->ats);
	bool had_ats = master->ats_enabled;
	bind_stream(master, LEDGER_IN_TRANSITION);
	/* Until all is done, unmaps of both domains concern the device's ATC. */
	master->ats_enabled |= ats;
	if (before != domain) {
		master->attachment ^= 1;
		LIST_INSERT_HEAD(&domain->attachments, &master->attachments[master->attachment],
				 link);
	}
	write_entries(master, domain, nested, ats);
	if (ats || had_ats)
		empty_atc(master);
	/* Another entry over the same stage 2 takes no translations along. */
	if (before != NULL && before != domain)
		leave(before, old);
	master->domain = domain;
	master->nested = nested;
	master->ats_enabled = ats;
	bind_stream(master, domain->domain.holder);
}

int arm_smmu_attach(struct iommu_domain *iommu_domain, struct device *device)
{
	struct arm_smmu_domain *domain = to_arm_smmu_domain(iommu_domain);
	struct arm_smmu_master *master = (struct arm_smmu_master *)device;
	if (domain->smmu != master->smmu)
		return refuse(device->machine, EINVAL, "iommufd app. D attach", "another SMMU");
	int error = domain->table.stage == 1 ? arm_smmu_alloc_cd(master) : 0;
	if (error == 0)
		arm_smmu_install(master, domain, NULL);
	return error;
}

/* --- alloc, free --- */

/* The lowest free one of BITS bits, from 1; 0: none. */
static uint16_t take_tag(struct arm_smmu_tags *tags, unsigned bits)
{
	for (uint32_t tag = 1; tag < 1U << bits; tag++) {
		if (tags->used[tag / 64] >> tag % 64 & 1)
			continue;
		tags->used[tag / 64] |= 1ULL << tag % 64;
		return (uint16_t)tag;
	}
	return 0;
}

/* Host's stage 1 has VMID 0. */
static int take_tags(struct arm_smmu_domain *domain)
{
	struct arm_smmu *smmu = domain->smmu;
	if (domain->table.stage == 1) {
		domain->asid = take_tag(&smmu->asids, smmu->idr[0] & IDR0_ASID16 ? 16 : 8);
		return domain->asid != 0
			       ? 0
			       : refuse(smmu->machine, EBUSY, "smmuv3 3.6", "no ASID is free");
	}
	domain->vmid = take_tag(&smmu->vmids, smmu->idr[0] & IDR0_VMID16 ? 16 : 8);
	return domain->vmid != 0 ? 0
				 : refuse(smmu->machine, ENOSPC, "smmuv3 3.6", "no VMID is free");
}

static void give_back(struct arm_smmu_tags *tags, uint16_t tag)
{
	if (tag != 0)
		tags->used[tag / 64] &= ~(1ULL << tag % 64);
}

/* Nothing is sent: the last device has taken the ASID or VMID along. */
static void free_domain(struct iommu_domain *iommu_domain)
{
	struct arm_smmu_domain *domain = (struct arm_smmu_domain *)iommu_domain;
	struct arm_smmu *smmu = domain->smmu;
	flush_queue_fini(&domain->unmapped);
	io_pgtable_fini(&domain->table);
	give_back(&smmu->asids, domain->asid);
	give_back(&smmu->vmids, domain->vmid);
	arena_delete(smmu->machine->arena, domain);
}

const struct iommu_domain_ops arm_smmu_domain_ops = {
	.map = map,
	.unmap = unmap,
	.translate = translate,
	.attach = arm_smmu_attach,
	.free = free_domain,
};

/* Stage 2: all of the output size, as Linux encodes it; 40 and 42 bits start at level 1 (5.4). */
static int make_tables(struct arm_smmu_domain *domain, unsigned stage)
{
	struct io_pgtable *table = &domain->table;
	const uint32_t *idr = domain->smmu->idr;
	unsigned oas = smmu_address_bits((unsigned)field_get(idr[5], IDR5_OAS));
	*table = (struct io_pgtable){.machine = domain->smmu->machine,
				     .stage = stage,
				     .input_bits = stage == 1 || oas > 48 ? STAGE1_BITS : oas,
				     .force_write_back = domain->nest_parent && (idr[3] & IDR3_FWB),
				     .coherent = idr[0] & IDR0_COHACC,
				     .flusher = &arm_smmu_flusher,
				     .context = domain};
	table->start_level = table->input_bits >= 44 ? 0 : 1;
	if (io_pgtable_init(table))
		return 0;
	return refuse(table->machine, ENOMEM, "iommufd 3.3", "no memory for a page table");
}

int arm_smmu_domain_alloc(struct arm_smmu *smmu, unsigned stage, bool nest_parent,
			  struct iommu_domain **out)
{
	struct machine *machine = smmu->machine;
	struct arm_smmu_domain *domain = arena_new(machine->arena, struct arm_smmu_domain);
	LIST_INIT(&domain->attachments);
	domain->smmu = smmu;
	domain->nest_parent = nest_parent;
	flush_queue_init(&domain->unmapped, machine, arm_smmu_flush_iotlb_all, domain);
	int error = make_tables(domain, stage);
	if (error == 0)
		error = take_tags(domain);
	domain->domain = (struct iommu_domain){
		.kind = IOMMU_DOMAIN_PAGING,
		.machine = machine,
		.driver = &arm_smmu_ops,
		.ops = &arm_smmu_domain_ops,
		.pgsize_bitmap = IO_PGTABLE_SIZES,
		.aperture_last = (1ULL << domain->table.input_bits) - 1,
	};
	if (error != 0)
		free_domain(&domain->domain);
	else
		*out = &domain->domain;
	return error;
}
