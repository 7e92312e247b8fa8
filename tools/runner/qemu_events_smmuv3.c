// SPDX-License-Identifier: Apache-2.0
/* Events of QEMU's arm-smmuv3 and tegra241-cmdqv. */
#include <inttypes.h>
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"
#include "models/nvidia_vcmdq/smmu_spec.h"
#include "tools/runner/qemu_events.h"

/* The board's names of the register windows. */
#define SMMU  "smmu"
#define CMDQV "cmdqv"

static uint32_t smmu_register(struct qemu_events *events, uint64_t offset)
{
	return (uint32_t)qemu_register(events, SMMU, offset, 4);
}

/* Errors are raised between events; they are told with the next. */
static void tell_gerror(struct qemu_events *events)
{
	uint32_t gerror = smmu_register(events, SMMU_GERROR);
	uint32_t gerrorn = smmu_register(events, SMMU_GERRORN);
	if (gerror != events->gerror)
		qemu_event(events, "smmuv3_write_gerror toggled=0x%x, new GERROR=0x%x",
			   gerror ^ events->gerror, gerror);
	if (gerrorn != events->gerrorn)
		qemu_event(events, "smmuv3_write_gerrorn acked=0x%x, new GERRORN=0x%x",
			   gerrorn ^ events->gerrorn, gerrorn);
	events->gerror = gerror;
	events->gerrorn = gerrorn;
}

static void on_mmio(struct qemu_events *events, const struct mmio_access *access)
{
	const char *verb = access->write ? "write" : "read";
	tell_gerror(events);
	if (strcmp(access->region->name, SMMU) == 0)
		qemu_event(events,
			   "smmuv3_%s_mmio addr: 0x%" PRIx64 " val:0x%" PRIx64 " size: 0x%x(0)",
			   verb, access->offset, access->value, access->width);
	else if (strcmp(access->region->name, CMDQV) == 0)
		qemu_event(events,
			   "tegra241_cmdqv_%s_mmio offset: 0x%" PRIx64 " val: 0x%" PRIx64
			   " size: 0x%x",
			   verb, access->offset, access->value, access->width);
}

/* The largest power of two that starts at FIRST and does not reach behind LAST, less one. */
static uint64_t aligned_mask(uint64_t first, uint64_t last)
{
	uint64_t mask = first == 0 ? UINT64_MAX : (first & -first) - 1;
	while (mask > last - first)
		mask >>= 1;
	return mask;
}

/* A range is told in naturally aligned pieces. */
static void tell_range(struct qemu_events *events, const struct smmu_command *command, int stage)
{
	uint64_t first = command->dw[1] & (stage == 2 ? CMD_IPA : CMD_ADDR);
	unsigned tg = (unsigned)field_get(command->dw[1], CMD_TLBI_TG);
	unsigned granule = tg * 2 + 10;
	uint64_t pages = 1, last = first;
	bool asid = command_opcode(command) == CMD_TLBI_NH_VA;
	if (tg != 0) {
		pages = (field_get(command->dw[0], CMD_TLBI_NUM) + 1)
			<< field_get(command->dw[0], CMD_TLBI_SCALE);
		last = first + (pages << granule) - 1;
	}
	while (pages != 0) {
		uint64_t piece = tg == 0 ? 1 : (aligned_mask(first, last) + 1) >> granule;
		qemu_event(events,
			   "smmuv3_range_inval vmid=%d asid=%d addr=0x%" PRIx64
			   " tg=%u num_pages=0x%" PRIx64 " ttl=%d leaf=%d stage=%d",
			   (int)field_get(command->dw[0], CMD_VMID),
			   asid ? (int)field_get(command->dw[0], CMD_ASID) : -1, first, tg, piece,
			   (int)field_get(command->dw[1], CMD_TLBI_TTL),
			   (int)field_get(command->dw[1], CMD_LEAF), stage);
		first += piece << granule;
		pages -= piece;
	}
}

static void tell_ste_range(struct qemu_events *events, const struct smmu_command *command)
{
	uint64_t mask = (2ULL << field_get(command->dw[1], CMD_CFGI_RANGE)) - 1;
	uint32_t start = (uint32_t)(field_get(command->dw[0], CMD_SID) & ~mask);
	qemu_event(events, "smmuv3_cmdq_cfgi_ste_range start=0x%x - end=0x%x", start,
		   (uint32_t)(start + mask));
}

static void tell_effect(struct qemu_events *events, const struct smmu_command *command)
{
	uint32_t sid = (uint32_t)field_get(command->dw[0], CMD_SID);
	int vmid = (int)field_get(command->dw[0], CMD_VMID);
	switch (command_opcode(command)) {
	case CMD_CFGI_STE:
		qemu_event(events, "smmuv3_cmdq_cfgi_ste streamid= 0x%x", sid);
		break;
	case CMD_CFGI_STE_RANGE:
		tell_ste_range(events, command);
		break;
	case CMD_CFGI_CD:
	case CMD_CFGI_CD_ALL:
		qemu_event(events, "smmuv3_cmdq_cfgi_cd sid=0x%x", sid);
		break;
	case CMD_TLBI_NH_ASID:
		qemu_event(events, "smmuv3_cmdq_tlbi_nh_asid asid=%d",
			   (int)field_get(command->dw[0], CMD_ASID));
		break;
	case CMD_TLBI_NH_ALL:
		qemu_event(events, "smmuv3_cmdq_tlbi_nh vmid=%d", vmid);
		break;
	case CMD_TLBI_NSNH_ALL:
		qemu_event(events, "smmuv3_cmdq_tlbi_nsnh");
		break;
	case CMD_TLBI_S12_VMALL:
		qemu_event(events, "smmuv3_cmdq_tlbi_s12_vmid vmid=%d", vmid);
		break;
	case CMD_TLBI_NH_VA:
	case CMD_TLBI_NH_VAA:
		tell_range(events, command, 1);
		break;
	case CMD_TLBI_S2_IPA:
		tell_range(events, command, 2);
		break;
	default:
		break;
	}
}

static void on_command(struct qemu_events *events, const struct probe *probe)
{
	const struct smmu_command command = {{probe->ran[0], probe->ran[1]}};
	const char *name = command_name(command_opcode(&command));
	if (probe->context != CONTEXT_MAIN_QUEUE)
		return;
	uint32_t prod = smmu_register(events, SMMU_CMDQ_PROD);
	unsigned log2size = (unsigned)field_get(qemu_register(events, SMMU, SMMU_CMDQ_BASE, 8),
						QUEUE_BASE_LOG2SIZE);
	uint32_t mask = (1U << log2size) - 1;
	const char *prefix = command_opcode(&command) == CMD_SYNC ? "SMMU_" : "SMMU_CMD_";
	if (name == NULL)
		prefix = "UNKNOWN", name = "";
	tell_gerror(events);
	qemu_event(events, "smmuv3_cmdq_consume prod=%u cons=%u prod.wrap=%u cons.wrap=%u",
		   prod & mask, probe->index & mask, prod >> log2size & 1,
		   probe->index >> log2size & 1);
	qemu_event(events, "smmuv3_cmdq_opcode <--- %s%s", prefix, name);
	if (probe->kind == PROBE_STOPPED)
		qemu_event(events, "smmuv3_cmdq_consume_error Error on %s%s command execution: %u",
			   prefix, name, probe->error);
	else
		tell_effect(events, &command);
}

static void on_fault(struct qemu_events *events, const struct note *note)
{
	qemu_event(events, "smmuv3_record_event SMMU_EVT_%s sid=0x%x", note->what, note->who);
}

const struct qemu_dialect qemu_dialect_smmuv3 = {on_mmio, on_command, on_fault};
