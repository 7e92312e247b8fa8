// SPDX-License-Identifier: Apache-2.0
/* Invalidations of what a domain no longer holds: by leaf, by range, of all; then ATS (smmuv3 3.6). */
#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define RANGE_NUM_MAX 31U /* chunks in a command */
#define TG_4K         1U

static bool is_stage1(const struct arm_smmu_domain *domain)
{
	return domain->table.stage == 1;
}

static struct smmu_command by_address(const struct arm_smmu_domain *domain, uint64_t iova,
				      bool leaf)
{
	return is_stage1(domain) ? command_tlbi_nh_va(domain->vmid, domain->asid, iova, leaf)
				 : command_tlbi_s2_ipa(domain->vmid, iova, leaf);
}

struct smmu_command arm_smmu_tlbi_all(const struct arm_smmu_domain *domain)
{
	return is_stage1(domain) ? command_tlbi_nh_asid(domain->vmid, domain->asid)
				 : command_tlbi_s12_vmall(domain->vmid);
}

/*
 * With RIL: chunks of 2^SCALE pages, up to 31 a command, the smallest first. Of a table no level is
 * said, and no single page, which would be a reserved combination.
 */
static void add_ranges(struct arm_smmu_batch *batch, const struct arm_smmu_domain *domain,
		       const struct iotlb_gather *gather, bool leaf)
{
	uint64_t pages = (gather->end - gather->start) / PAGE_SIZE, at = gather->start;
	unsigned granule = (unsigned)__builtin_ctzll(gather->granule);
	unsigned level = leaf ? 4 - (granule - 3) / (PAGE_SHIFT - 3) : 0;
	if (!leaf && (pages & RANGE_NUM_MAX) == 1)
		pages++;
	while (at < gather->end) {
		unsigned scale = (unsigned)__builtin_ctzll(pages);
		uint64_t chunks = pages >> scale & RANGE_NUM_MAX;
		struct smmu_command command = by_address(domain, at, leaf);
		command.dw[0] |=
			field_put(CMD_TLBI_NUM, chunks - 1) | field_put(CMD_TLBI_SCALE, scale % 32);
		command.dw[1] |= field_put(CMD_TLBI_TG, TG_4K) | field_put(CMD_TLBI_TTL, level);
		arm_smmu_batch_add(batch, command);
		pages -= chunks << scale;
		at += (chunks << scale) * PAGE_SIZE;
	}
}

/* Without RIL one command a leaf, or all of the tag from an eighth of a table on: true. */
static bool add_range(struct arm_smmu_batch *batch, const struct arm_smmu_domain *domain,
		      const struct iotlb_gather *gather, bool leaf)
{
	uint64_t leaves = (gather->end - gather->start) / gather->granule;
	if (domain->smmu->idr[3] & IDR3_RIL) {
		add_ranges(batch, domain, gather, leaf);
		return false;
	}
	if (leaves >= gather->granule / 8) {
		arm_smmu_batch_add(batch, arm_smmu_tlbi_all(domain));
		return true;
	}
	for (uint64_t at = gather->start; at < gather->end; at += gather->granule)
		arm_smmu_batch_add(batch, by_address(domain, at, leaf));
	return false;
}

static void submit(struct arm_smmu_domain *domain, struct arm_smmu_batch *batch)
{
	unsigned flush = kernel_option(domain->smmu->machine, KERNEL_UNMAP_FLUSH);
	if (flush == UNMAP_FLUSH_WAIT)
		arm_smmu_batch_submit(batch);
	else if (flush == UNMAP_FLUSH_NO_WAIT)
		arm_smmu_batch_submit_no_wait(batch);
	batch->count = 0;
}

/* The smallest power of two of pages that holds the range; of a nested parent everything. */
static struct smmu_command atc_inv(const struct arm_smmu_domain *domain, uint32_t sid,
				   const struct iotlb_gather *gather)
{
	if (gather == NULL || domain->nest_parent)
		return command_atc_inv(sid, 0, ATC_SIZE_ALL);
	uint64_t first = gather->start / PAGE_SIZE, last = (gather->end - 1) / PAGE_SIZE;
	uint8_t size = first == last ? 0 : (uint8_t)(64 - __builtin_clzll(first ^ last));
	return command_atc_inv(sid, align_down(gather->start, PAGE_SIZE << size), size);
}

/* Of GATHER; NULL: of everything. Devices with ATS come last. */
static void invalidate_atcs(struct arm_smmu_domain *domain, struct arm_smmu_batch *batch,
			    const struct iotlb_gather *gather)
{
	const struct arm_smmu_attachment *attachment;
	LIST_FOREACH (attachment, &domain->attachments, link)
		if (attachment->master->ats_enabled)
			arm_smmu_batch_add(batch, atc_inv(domain, attachment->master->sid, gather));
	submit(domain, batch);
}

static bool flushes(const struct arm_smmu_domain *domain)
{
	return kernel_option(domain->smmu->machine, KERNEL_UNMAP_FLUSH) != UNMAP_FLUSH_NONE;
}

/* A nested parent then drops what stage 1 made of it. */
static void invalidate(struct arm_smmu_domain *domain, const struct iotlb_gather *gather, bool leaf)
{
	struct arm_smmu_batch batch = {.cmdq = arm_smmu_get_cmdq(domain->smmu)};
	ledger_tables_cleared(&domain->smmu->machine->ledger);
	if (!flushes(domain))
		return;
	bool all = add_range(&batch, domain, gather, leaf);
	if (domain->nest_parent && !all) {
		submit(domain, &batch);
		arm_smmu_batch_add(&batch, command_tlbi_nh_all(domain->vmid));
	}
	submit(domain, &batch);
	invalidate_atcs(domain, &batch, gather);
}

void arm_smmu_flush_iotlb_all(void *context)
{
	struct arm_smmu_domain *domain = context;
	struct arm_smmu_batch batch = {.cmdq = arm_smmu_get_cmdq(domain->smmu)};
	if (!flushes(domain))
		return;
	arm_smmu_batch_add(&batch, arm_smmu_tlbi_all(domain));
	submit(domain, &batch);
	invalidate_atcs(domain, &batch, NULL);
}

void arm_smmu_iotlb_sync(struct arm_smmu_domain *domain, struct iotlb_gather *gather)
{
	if (gather->granule != 0)
		invalidate(domain, gather, true);
	gather->granule = 0;
}

static void flush_walk(void *context, uint64_t iova, uint64_t size)
{
	const struct iotlb_gather walk = {iova, iova + size, PAGE_SIZE};
	invalidate(context, &walk, false);
}

/* Another size, or a gap, forces out what was gathered. */
static void gather_leaf(void *context, struct iotlb_gather *gather, uint64_t iova, uint64_t size)
{
	if (gather->granule != 0 && (gather->granule != size || gather->end != iova))
		arm_smmu_iotlb_sync(context, gather);
	if (gather->granule == 0)
		*gather = (struct iotlb_gather){iova, iova, size};
	gather->end = iova + size;
}

const struct io_pgtable_flusher arm_smmu_flusher = {.walk = flush_walk, .leaf = gather_leaf};
