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

static void reached(struct probe *probe, enum probe_effect effect, uint32_t target)
{
	probe->effect = effect;
	probe->target = target;
}

/* How many 4-KiB pages a TLBI with a range takes from its address on (3.3). */
__attribute__((noinline)) static uint64_t range_pages(const struct smmu *smmu,
						      const struct smmu_command *command)
{
	uint64_t granule = field_get(command->dw[1], CMD_TLBI_TG);
	if (!(smmu->idr[3] & IDR3_RIL))
		return 1; /* and the fields are not looked at */
	uint64_t scale = field_get(command->dw[0], CMD_TLBI_SCALE);
	uint64_t pages = (field_get(command->dw[0], CMD_TLBI_NUM) + 1) << (scale < 39 ? scale : 39);
	return pages << (2 * (granule - 1));
}

static inline uint32_t remove_pages(struct smmu *smmu, const struct smmu_command *command,
				    uint16_t vmid, bool stage1, bool any_asid)
{
	const struct tlb_tag tag = {
		.stage1 = stage1, .domain = vmid, .space = asid_of(smmu, command)};
	uint64_t page = (command->dw[1] & (stage1 ? CMD_ADDR : CMD_IPA)) >> PAGE_SHIFT;
	if (__builtin_expect((command->dw[1] & CMD_TLBI_TG) == 0, 1))
		return tlb_remove_page(&smmu->tlb, tag, any_asid, page);
	uint64_t count = range_pages(smmu, command);
	return tlb_remove_span(&smmu->tlb, tag, any_asid, page, page + count - 1);
}

static void invalidate_config(struct smmu *smmu, const struct smmu_command *command,
			      struct probe *probe)
{
	uint32_t sid = (uint32_t)field_get(command->dw[0], CMD_SID);
	bool range = command_opcode(command) == CMD_CFGI_STE_RANGE;
	uint32_t bits = range ? (uint32_t)field_get(command->dw[1], CMD_CFGI_RANGE) + 1 : 0;
	config_cache_drop(&smmu->configs, sid, bits);
	context_cache_drop(&smmu->contexts, sid, bits);
	reached(probe, range ? EFFECT_ALL : EFFECT_DEVICE, sid);
}

static void invalidate_contexts(struct smmu *smmu, const struct smmu_command *command,
				struct probe *probe)
{
	uint32_t sid = (uint32_t)field_get(command->dw[0], CMD_SID);
	if (command_opcode(command) == CMD_CFGI_CD_ALL)
		context_cache_drop(&smmu->contexts, sid, 0);
	else
		context_cache_drop_one(&smmu->contexts, sid,
				       (uint32_t)field_get(command->dw[0], CMD_SSID));
	reached(probe, EFFECT_DEVICE, sid);
}

/* The endpoint answers after a round trip; one that does not is given up (8). */
static void invalidate_atc(struct smmu *smmu, struct command_queue *queue,
			   const struct smmu_command *command, struct probe *probe)
{
	uint32_t sid = (uint32_t)field_get(command->dw[0], CMD_SID);
	uint64_t answer_ps = smmu->timing.ats_round_trip_ps;
	reached(probe, EFFECT_NONE, 0);
	if (!(smmu->cr0 & CR0_SMMUEN))
		return; /* ignored (1.4) */
	const struct smmu_endpoint *endpoint;
	LIST_FOREACH (endpoint, &smmu->endpoints, link) {
		if (endpoint->sid != sid || !endpoint->silent)
			continue;
		answer_ps = smmu->timing.ats_timeout_ps;
		queue->atc_timed_out = true;
	}
	uint64_t done_ps = smmu->machine->clock.now_ps + answer_ps;
	queue->atc_done_ps = done_ps > queue->atc_done_ps ? done_ps : queue->atc_done_ps;
	smmu->atc_outstanding |= queue->vcmdq != NULL;
	reached(probe, EFFECT_DEVICE, sid);
}

/* Of the main queue: failures that stopped VCMDQs left behind are gone (tegra241-cmdqv 9.3). */
static void synchronise(struct smmu *smmu, struct command_queue *queue)
{
	queue->atc_done_ps = 0;
	if (queue->vcmdq != NULL || !smmu->atc_outstanding)
		return;
	smmu->atc_outstanding = false;
	for (uint32_t q = 0; q < smmu->vcmdq_count; q++) {
		struct command_queue *other = &smmu->vcmdqs[q].queue;
		if (other->enabled) {
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
	struct tlb *tlb = &smmu->tlb;
	uint16_t vmid = vmid_of(smmu, command);
	probe->removed = 0;
	reached(probe, EFFECT_DOMAIN, vmid);
	switch (command_opcode(command)) {
	case CMD_TLBI_NH_VA:
		probe->removed = remove_pages(smmu, command, vmid, true, false);
		break;
	case CMD_TLBI_NH_VAA:
		probe->removed = remove_pages(smmu, command, vmid, true, true);
		break;
	case CMD_TLBI_NH_ASID:
		probe->removed = tlb_remove_space(tlb, vmid, asid_of(smmu, command));
		break;
	case CMD_TLBI_NH_ALL:
		probe->removed = tlb_remove_stage1(tlb, vmid);
		break;
	case CMD_TLBI_S2_IPA:
		probe->removed = remove_pages(smmu, command, vmid, false, true);
		break;
	case CMD_TLBI_S12_VMALL:
		probe->removed = tlb_remove_domain(tlb, vmid);
		break;
	case CMD_TLBI_NSNH_ALL:
		probe->removed = tlb_remove_all(tlb);
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
		synchronise(smmu, queue);
		reached(probe, EFFECT_NONE, 0);
		break;
	default: /* hints; nothing is ever stalled */
		reached(probe, EFFECT_NONE, 0);
		break;
	}
}
