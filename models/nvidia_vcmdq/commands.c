// SPDX-License-Identifier: Apache-2.0
/* What commands do to caches and to devices (smmuv3 3.2, 7.3). */
#include "models/nvidia_vcmdq/smmu.h"

static uint16_t vmid_of(const struct smmu *smmu, const struct smmu_command *command)
{
	return (uint16_t)field_get(command->dw[0], CMD_VMID) & smmu->vmid_mask;
}

static uint16_t asid_of(const struct smmu *smmu, const struct smmu_command *command)
{
	return (uint16_t)field_get(command->dw[0], CMD_ASID) & smmu->asid_mask;
}

static uint32_t sid_of(const struct smmu_command *command)
{
	return (uint32_t)field_get(command->dw[0], CMD_SID);
}

static void reached(struct probe *probe, enum probe_effect effect, uint32_t target)
{
	probe->effect = effect;
	probe->target = target;
}

/* The caches of a StreamWorld: leaves, and the tables on the way to them. */
struct world {
	struct tlb *leaves;
	struct tlb *tables;
};

static inline struct world el1_of(struct smmu *smmu)
{
	return (struct world){&smmu->tlb, &smmu->walks};
}

/* How many 4-KiB pages a TLBI with a range takes from its address on (3.3). */
static uint64_t range_pages(const struct smmu *smmu, const struct smmu_command *command)
{
	uint64_t granule = field_get(command->dw[1], CMD_TLBI_TG);
	if (!(smmu->idr[3] & IDR3_RIL))
		return 1; /* and the fields are not looked at */
	uint64_t scale = field_get(command->dw[0], CMD_TLBI_SCALE);
	uint64_t pages = (field_get(command->dw[0], CMD_TLBI_NUM) + 1) << (scale < 39 ? scale : 39);
	return pages << (2 * (granule - 1));
}

/* Where the leaves are that a TLBI with a range reaches; 0: at any level (3.3). */
static uint8_t range_level(struct smmu *smmu, const struct smmu_command *command)
{
	uint8_t level = (uint8_t)field_get(command->dw[1], CMD_TLBI_TTL);
	if (level == 0 || !(smmu->idr[3] & IDR3_RIL) ||
	    option_get(&smmu->assumptions, ASSUME_TTL) == TTL_IGNORED)
		return 0;
	return level;
}

__attribute__((noinline)) static uint32_t remove_range(struct smmu *smmu, struct world world,
						       const struct smmu_command *command,
						       struct tlb_tag tag, bool any_space,
						       uint64_t first)
{
	uint64_t last = first + range_pages(smmu, command) - 1;
	uint8_t level = range_level(smmu, command);
	if (!(command->dw[1] & CMD_LEAF) && level == 0)
		tlb_remove_span(world.tables, tag, any_space, first, last);
	return tlb_remove_level(world.leaves, tag, any_space, level, first, last);
}

/* What TAG (with any space, if ANY_SPACE) has of the command's pages; how many leaves went. */
static inline uint32_t remove_pages(struct smmu *smmu, struct world world,
				    const struct smmu_command *command, struct tlb_tag tag,
				    bool any_space)
{
	uint64_t page = (command->dw[1] & (tag.stage1 ? CMD_ADDR : CMD_IPA)) >> PAGE_SHIFT;
	if (__builtin_expect((command->dw[1] & CMD_TLBI_TG) != 0, 0))
		return remove_range(smmu, world, command, tag, any_space, page);
	if (!(command->dw[1] & CMD_LEAF))
		tlb_remove_page(world.tables, tag, any_space, page);
	return tlb_remove_page(world.leaves, tag, any_space, page);
}

/* Of one VMID; how many leaves went. */
static inline uint32_t remove_of_vmid(struct smmu *smmu, const struct smmu_command *command,
				      uint16_t vmid)
{
	const struct world world = el1_of(smmu);
	const struct tlb_tag stage1 = {
		.stage1 = true, .domain = vmid, .space = asid_of(smmu, command)};
	const struct tlb_tag stage2 = {.domain = vmid};
	switch (command_opcode(command)) {
	case CMD_TLBI_NH_VA:
		return remove_pages(smmu, world, command, stage1, false);
	case CMD_TLBI_NH_VAA:
		return remove_pages(smmu, world, command, stage1, true);
	case CMD_TLBI_NH_ASID:
		tlb_remove_space(world.tables, vmid, stage1.space);
		return tlb_remove_space(world.leaves, vmid, stage1.space);
	case CMD_TLBI_NH_ALL:
		tlb_remove_stage1(world.tables, vmid);
		return tlb_remove_stage1(world.leaves, vmid);
	case CMD_TLBI_S2_IPA:
		return remove_pages(smmu, world, command, stage2, true);
	default: /* CMD_TLBI_S12_VMALL */
		tlb_remove_domain(world.tables, vmid);
		return tlb_remove_domain(world.leaves, vmid);
	}
}

/* CR0.VMW: VMIDs that differ in their low bits alone are taken for one (1.4). */
__attribute__((noinline)) static uint32_t
remove_of_vmids(struct smmu *smmu, const struct smmu_command *command, uint16_t vmid, uint64_t bits)
{
	uint32_t removed = 0, count = 1U << bits;
	for (uint32_t low = 0; low < count; low++)
		removed += remove_of_vmid(smmu, command, (uint16_t)((vmid & ~(count - 1)) | low));
	return removed;
}

static inline uint32_t invalidate_tlb(struct smmu *smmu, const struct smmu_command *command,
				      uint16_t vmid)
{
	uint64_t bits = field_get(smmu->cr0, CR0_VMW);
	if (__builtin_expect(bits == 0 || bits > VMW_MAX, 1))
		return remove_of_vmid(smmu, command, vmid);
	return remove_of_vmids(smmu, command, vmid, bits);
}

/* EL2 has ASIDs in EL2-E2H alone (3.2, 7.2). */
static uint32_t invalidate_el2(struct smmu *smmu, const struct smmu_command *command)
{
	const struct world world = {&smmu->el2_tlb, &smmu->el2_walks};
	bool e2h = smmu->cr2 & CR2_E2H;
	const struct tlb_tag tag = {.stage1 = true, .space = asid_of(smmu, command)};
	switch (command_opcode(command)) {
	case CMD_TLBI_EL2_VA:
		return remove_pages(smmu, world, command, tag, !e2h);
	case CMD_TLBI_EL2_VAA:
		return remove_pages(smmu, world, command, tag, true);
	case CMD_TLBI_EL2_ASID:
		tlb_remove_space(world.tables, 0, tag.space);
		return tlb_remove_space(world.leaves, 0, tag.space);
	default: /* CMD_TLBI_EL2_ALL */
		tlb_remove_all(world.tables);
		return tlb_remove_all(world.leaves);
	}
}

/* A range has no Leaf, and takes the level above along. */
static void invalidate_config(struct smmu *smmu, const struct smmu_command *command,
			      struct probe *probe)
{
	uint32_t sid = sid_of(command);
	bool range = command_opcode(command) == CMD_CFGI_STE_RANGE;
	uint32_t bits = range ? (uint32_t)field_get(command->dw[1], CMD_CFGI_RANGE) + 1 : 0;
	const struct level1_key key = {
		.sid = sid, .sid_bits = (uint8_t)bits, .ssid_bits = LEVEL1_ALL};
	config_cache_drop(&smmu->configs, sid, bits);
	context_cache_drop(&smmu->contexts, sid, bits);
	level1_cache_drop(&smmu->level1_contexts, &key);
	if (range || !(command->dw[1] & CMD_LEAF))
		level1_cache_drop(&smmu->level1_streams, &key);
	reached(probe, range ? EFFECT_ALL : EFFECT_DEVICE, sid);
}

static void invalidate_contexts(struct smmu *smmu, const struct smmu_command *command,
				struct probe *probe)
{
	uint32_t sid = sid_of(command), ssid = (uint32_t)field_get(command->dw[0], CMD_SSID);
	bool all = command_opcode(command) == CMD_CFGI_CD_ALL;
	const struct level1_key key = {.sid = sid, .ssid = ssid, .ssid_bits = all ? LEVEL1_ALL : 0};
	if (all)
		context_cache_drop(&smmu->contexts, sid, 0);
	else
		context_cache_drop_one(&smmu->contexts, sid, ssid);
	if (all || !(command->dw[1] & CMD_LEAF))
		level1_cache_drop(&smmu->level1_contexts, &key);
	reached(probe, EFFECT_DEVICE, sid);
}

/* Span of 2^(12 + Size), aligned; 52 and more: everything. */
static void drop_at(struct smmu_endpoint *endpoint, const struct smmu_command *command,
		    uint64_t due_ps)
{
	uint64_t size = field_get(command->dw[1], CMD_ATC_SIZE);
	uint64_t pages = size < ATC_SIZE_ALL ? 1ULL << size : 1ULL << ATC_SIZE_ALL;
	uint64_t first = field_get(command->dw[1], CMD_ADDR) & ~(pages - 1);
	bool substream = command->dw[0] & CMD_SSV;
	atc_invalidate(
		&endpoint->atc, atc_tag(substream, (uint32_t)field_get(command->dw[0], CMD_SSID)),
		substream && (command->dw[0] & CMD_ATC_GLOBAL), first, first + pages - 1, due_ps);
}

/* The endpoint answers after a round trip; one that does not is given up (8). */
static void invalidate_atc(struct smmu *smmu, struct command_queue *queue,
			   const struct smmu_command *command, struct probe *probe)
{
	uint32_t sid = sid_of(command);
	uint64_t done_ps = smmu->machine->clock.now_ps;
	reached(probe, EFFECT_NONE, 0);
	if (!(smmu->cr0 & CR0_SMMUEN))
		return; /* ignored (1.4) */
	struct smmu_endpoint *endpoint = smmu_endpoint_find(smmu, sid);
	bool silent = endpoint != NULL && endpoint->silent;
	done_ps += silent ? smmu->timing.ats_timeout_ps : smmu->timing.ats_round_trip_ps;
	queue->atc_timed_out |= silent;
	if (endpoint != NULL && !silent)
		drop_at(endpoint, command, done_ps);
	queue->atc_done_ps = done_ps > queue->atc_done_ps ? done_ps : queue->atc_done_ps;
	smmu->atc_outstanding |= queue->vcmdq != NULL;
	reached(probe, EFFECT_DEVICE, sid);
}

static void resume(struct smmu *smmu, const struct smmu_command *command)
{
	bool retry = command->dw[0] & CMD_RESUME_AC, abort = command->dw[0] & CMD_RESUME_AB;
	smmu_resume(smmu, sid_of(command), (uint16_t)field_get(command->dw[1], CMD_RESUME_STAG),
		    retry   ? RESUME_RETRY
		    : abort ? RESUME_ABORT
			    : RESUME_IGNORE);
}

/* CS = IRQ: a MSI, or the wire (1.6). CS = SEV is the main queue's alone (tegra241-cmdqv 7). */
static void signal_completion(struct smmu *smmu, const struct command_queue *queue,
			      const struct smmu_command *command)
{
	uint64_t address = command->dw[1] & CMD_SYNC_MSIADDR;
	uint64_t how = field_get(command->dw[0], CMD_SYNC_CS);
	if (how == SYNC_CS_SEV)
		smmu->wakes += queue->vcmdq == NULL && (smmu->idr[0] & IDR0_SEV);
	if (how != SYNC_CS_IRQ)
		return;
	if (address == 0 || !(smmu->idr[0] & IDR0_MSI))
		irq_raise(smmu->machine, smmu->board.sync_irq);
	else if (!smmu_write_msi(smmu, address,
				 (uint32_t)field_get(command->dw[0], CMD_SYNC_MSIDATA)))
		smmu_raise_gerror(smmu, (uint32_t)GERROR_MSI_CMDQ_ABT_ERR);
}

/*
 * Of the main queue: failures that stopped VCMDQs left behind are gone (tegra241-cmdqv 9.3). Not of one
 * that was stopped when the SYNC was under way already, and is still waiting: it was not waited for.
 */
static void synchronise(struct smmu *smmu, struct command_queue *queue,
			const struct smmu_command *command)
{
	uint64_t now_ps = smmu->machine->clock.now_ps;
	queue->atc_done_ps = 0;
	signal_completion(smmu, queue, command);
	if (queue->vcmdq != NULL || !smmu->atc_outstanding)
		return;
	smmu->atc_outstanding = false;
	for (uint32_t q = 0; q < smmu->vcmdq_count; q++) {
		struct command_queue *other = &smmu->vcmdqs[q].queue;
		if (other->enabled || other->atc_done_ps > now_ps) {
			smmu->atc_outstanding |= other->atc_done_ps != 0 || other->atc_timed_out;
			continue;
		}
		other->atc_done_ps = 0;
		other->atc_timed_out = false;
	}
}

void smmu_execute(struct smmu *smmu, struct command_queue *queue,
		  const struct smmu_command *command, struct probe *probe)
{
	uint16_t vmid = vmid_of(smmu, command);
	probe->removed = 0;
	reached(probe, EFFECT_DOMAIN, vmid);
	switch (command_opcode(command)) {
	case CMD_TLBI_NH_VA:
	case CMD_TLBI_NH_VAA:
	case CMD_TLBI_NH_ASID:
	case CMD_TLBI_NH_ALL:
	case CMD_TLBI_S2_IPA:
	case CMD_TLBI_S12_VMALL:
		probe->removed = invalidate_tlb(smmu, command, vmid);
		break;
	case CMD_TLBI_EL2_ALL:
	case CMD_TLBI_EL2_ASID:
	case CMD_TLBI_EL2_VA:
	case CMD_TLBI_EL2_VAA:
		probe->removed = invalidate_el2(smmu, command);
		reached(probe, EFFECT_ALL, 0);
		break;
	case CMD_TLBI_NSNH_ALL:
		tlb_remove_all(&smmu->walks);
		probe->removed = tlb_remove_all(&smmu->tlb);
		reached(probe, EFFECT_ALL, 0);
		break;
	case CMD_CFGI_STE:
	case CMD_CFGI_STE_RANGE:
		invalidate_config(smmu, command, probe);
		break;
	case CMD_CFGI_CD:
	case CMD_CFGI_CD_ALL:
		invalidate_contexts(smmu, command, probe);
		break;
	case CMD_ATC_INV:
		invalidate_atc(smmu, queue, command, probe);
		break;
	case CMD_SYNC:
		synchronise(smmu, queue, command);
		reached(probe, EFFECT_NONE, 0);
		break;
	case CMD_PRI_RESP:
		reached(probe, EFFECT_DEVICE, sid_of(command));
		smmu_answer_request(smmu, command);
		break;
	case CMD_RESUME:
		reached(probe, EFFECT_DEVICE, sid_of(command));
		resume(smmu, command);
		break;
	case CMD_STALL_TERM:
		reached(probe, EFFECT_DEVICE, sid_of(command));
		smmu_end_stalls(smmu, sid_of(command));
		break;
	default: /* hints */
		reached(probe, EFFECT_NONE, 0);
		break;
	}
}
