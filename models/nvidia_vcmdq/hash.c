// SPDX-License-Identifier: Apache-2.0
/* The engine's state as a number: registers, queues, caches, what is under way. */
#include "models/nvidia_vcmdq/smmu.h"

static void hash_queue(const struct command_queue *queue, struct hash *hash)
{
	hash_u64(hash, (uint64_t)queue->prod << 32 | queue->cons);
	hash_u64(hash, queue->base | queue->entries);
	hash_u64(hash, (uint64_t)queue->error << 32 | queue->gerror << 8 | queue->gerrorn);
	hash_u64(hash, (uint64_t)queue->line_at << 32 | queue->line_count << 4 |
			       (uint64_t)queue->enabled << 2 | (uint64_t)queue->fetching << 1 |
			       queue->stopping);
	hash_u64(hash, queue->atc_done_ps << 1 | queue->atc_timed_out);
	hash_u64(hash, (uint64_t)queue->line_status << 1 | queue->fetch_dropped);
	if (queue->fetching) {
		hash_u64(hash, queue->fetch_pa.value);
		hash_u64(hash, (uint64_t)queue->fetch_index << 32 | queue->fetch_count);
	}
	hash_bytes(hash, queue->line, (size_t)queue->line_count * COMMAND_SIZE);
	if (queue->line_count > 0) {
		hash_u64(hash, queue->line_ps);
		hash_u64(hash, queue->line_prod);
	}
}

static void hash_tables(const struct tables *tables, struct hash *hash)
{
	hash_u64(hash, tables->root);
	hash_u64(hash, (uint64_t)tables->page_shift << 24 | (uint64_t)tables->input_bits << 16 |
			       (uint64_t)(uint8_t)tables->start_level << 8 | tables->output_bits);
	hash_u64(hash,
		 (uint64_t)tables->ds << 12 | (uint64_t)tables->big_endian << 11 |
			 (uint64_t)tables->set_dirty << 10 | (uint64_t)tables->set_access << 9 |
			 (uint64_t)tables->no_access_fault << 8 | (uint64_t)tables->wide << 7 |
			 (uint64_t)tables->disabled << 6 | (uint64_t)tables->flat << 5 |
			 (uint64_t)tables->tagged << 4 | (uint64_t)tables->privileged << 3 |
			 (uint64_t)tables->no_write_exec << 2 |
			 (uint64_t)tables->no_user_data << 1 | tables->protected);
}

static void hash_config(const struct stream_config *config, struct hash *hash)
{
	hash_u64(hash, (uint64_t)config->sid << 32 | config->kind);
	hash_u64(hash, (uint64_t)config->event << 48 | (uint64_t)config->vmid << 32 |
			       (uint64_t)config->context_bits << 24 |
			       (uint64_t)config->context_format << 16 |
			       (uint64_t)config->unnumbered << 8 |
			       (uint64_t)config->privilege << 4 |
			       (uint64_t)config->instruction << 2 |
			       (uint64_t)config->no_stall << 1 | config->record);
	hash_u64(hash, (uint64_t)config->ats << 2 | (uint64_t)config->el2 << 1 | config->stall);
	hash_u64(hash, config->contexts);
	hash_tables(&config->stage2, hash);
}

static void hash_context(const struct context_config *context, struct hash *hash)
{
	hash_u64(hash, (uint64_t)context->sid << 32 | context->ssid);
	hash_u64(hash, (uint64_t)context->asid << 4 | (uint64_t)context->stall << 3 |
			       (uint64_t)context->ignore << 2 | (uint64_t)context->bad << 1 |
			       context->record);
	hash_tables(&context->halves[0], hash);
	hash_tables(&context->halves[1], hash);
}

static void hash_output(const struct output_queue *queue, struct hash *hash)
{
	hash_u64(hash, queue->base);
	hash_u64(hash, (uint64_t)queue->prod << 32 | queue->cons);
}

void smmu_hash(const struct smmu *smmu, struct hash *hash)
{
	hash_u64(hash, (uint64_t)smmu->cr0 << 32 | smmu->gerror);
	hash_u64(hash, (uint64_t)smmu->gbpa << 32 | smmu->irq_ctrl);
	if (smmu->agbpa != 0)
		hash_u64(hash, smmu->agbpa);
	hash_u64(hash, smmu->strtab_base);
	hash_u64(hash, (uint64_t)smmu->strtab_cfg << 32 | smmu->cmdqv_config);
	hash_u64(hash, (uint64_t)smmu->vi_int_mask[1] << 32 | smmu->vi_int_mask[0]);
	hash_output(&smmu->eventq, hash);
	hash_output(&smmu->priq, hash);
	hash_bytes(hash, smmu->msis, sizeof(smmu->msis));
	hash_u64(hash, (uint64_t)smmu->cr1 << 32 | smmu->cr2);
	smmu_hash_endpoints(smmu, hash);
	smmu_hash_stalls(smmu, hash);
	hash_queue(&smmu->cmdq, hash);
	arbiter_hash(smmu, hash);
	for (uint32_t q = 0; q < smmu->vcmdq_count; q++) {
		const struct vcmdq *vcmdq = &smmu->vcmdqs[q];
		hash_queue(&vcmdq->queue, hash);
		hash_u64(hash, (uint64_t)vcmdq->config << 32 | vcmdq->alloc);
		hash_u64(hash, vcmdq->base_register);
		hash_u64(hash, vcmdq->cons_base);
	}
	for (uint32_t v = 0; v < smmu->vintf_count; v++) {
		const struct vintf *vintf = smmu->vintfs[v];
		if (vintf == NULL)
			continue;
		hash_u64(hash, (uint64_t)v << 32 | vintf->config);
		hash_bytes(hash, vintf->sid_match, sizeof(vintf->sid_match));
		hash_bytes(hash, vintf->sid_replace, sizeof(vintf->sid_replace));
	}
	for (uint32_t i = 0; i < smmu->configs.count; i++)
		if (smmu->configs.entries[i].valid)
			hash_config(&smmu->configs.entries[i], hash);
	for (uint32_t i = 0; smmu->contexts.used > 0 && i < smmu->contexts.count; i++)
		if (smmu->contexts.entries[i].valid)
			hash_context(&smmu->contexts.entries[i], hash);
	tlb_hash(&smmu->tlb, hash);
	if (smmu->features & COMMAND_NEEDS_HYP)
		tlb_hash(&smmu->el2_tlb, hash);
	tlb_hash(&smmu->walks, hash);
	if (smmu->features & COMMAND_NEEDS_HYP)
		tlb_hash(&smmu->el2_walks, hash);
	level1_cache_hash(&smmu->level1_streams, hash);
	level1_cache_hash(&smmu->level1_contexts, hash);
}
