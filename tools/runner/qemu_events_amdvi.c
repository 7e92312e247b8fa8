// SPDX-License-Identifier: Apache-2.0
/* Events of QEMU's amd-iommu. */
#include <inttypes.h>
#include <string.h>

#include "models/amd_iommu/amd_iommu.h"
#include "models/amd_iommu/amd_spec.h"
#include "tools/runner/qemu_events.h"

/* The board's name of the register window. */
#define IOMMU "amd"

/* QEMU names a register by offset / 8 in its page, and has no names behind these. */
static const char *register_name(uint64_t offset)
{
	static const char *const low[] = {"DEVTAB_BASE", "CMDBUF_BASE", "EVTLOG_BASE",  "CONTROL",
					  "EXCL_BASE",   "EXCL_LIMIT",  "EXT_FEATURES", "PPR_BASE"};
	static const char *const high[] = {"COMMAND_HEAD", "COMMAND_TAIL", "EVTLOG_HEAD",
					   "EVTLOG_TAIL",  "STATUS",       "PPR_HEAD",
					   "PPR_TAIL"};
	uint64_t index = (offset & ~(uint64_t)AMD_PAGE3) / 8;
	if (offset & AMD_PAGE3)
		return index < G_N_ELEMENTS(high) ? high[index] : NULL;
	return index < G_N_ELEMENTS(low) ? low[index] : NULL;
}

static void on_mmio(struct qemu_events *events, const struct mmio_access *access)
{
	const char *name = register_name(access->offset);
	const char *prefix = name != NULL ? "AMDVI_MMIO_" : "UNHANDLED";
	uint64_t aligned = access->offset & ~7ULL;
	if (strcmp(access->region->name, IOMMU) != 0)
		return;
	if (name == NULL)
		name = "";
	if (access->write)
		qemu_event(events,
			   "amdvi_mmio_write %s%s addr 0x%" PRIx64 ", size %u, val 0x%" PRIx64
			   ", offset 0x%" PRIx64,
			   prefix, name, access->offset, access->width, access->value, aligned);
	else
		qemu_event(events,
			   "amdvi_mmio_read %s%s addr 0x%" PRIx64 ", size %u offset 0x%" PRIx64,
			   prefix, name, access->offset, access->width, aligned);
}

static void tell_effect(struct qemu_events *events, const struct amd_command *command)
{
	unsigned device = (unsigned)field_get(command->q[0], CMD_DEVICE);
	switch (amd_command_opcode(command)) {
	case CMD_COMPLETION_WAIT:
		qemu_event(events,
			   "amdvi_completion_wait completion wait requested with store address "
			   "0x%" PRIx64 " and store data 0x%" PRIx64,
			   (uint64_t)(command->q[0] & CMD_STORE_ADDR), command->q[1]);
		break;
	case CMD_INVALIDATE_DEVTAB_ENTRY:
		qemu_event(events,
			   "amdvi_devtab_inval device table entry for devid: %02x:%02x.%x "
			   "invalidated",
			   device >> 8, device >> 3 & 0x1f, device & 7);
		break;
	case CMD_INVALIDATE_IOMMU_PAGES:
		qemu_event(events, "amdvi_pages_inval AMD-Vi pages for domain 0x%x invalidated",
			   (unsigned)field_get(command->q[0], CMD_DOMAIN));
		break;
	case CMD_INVALIDATE_IOTLB_PAGES:
		qemu_event(events, "amdvi_iotlb_inval IOTLB pages invalidated");
		break;
	case CMD_INVALIDATE_INTERRUPT_TABLE:
		qemu_event(events, "amdvi_intr_inval Interrupt table invalidated");
		break;
	case CMD_PREFETCH_IOMMU_PAGES:
		qemu_event(events, "amdvi_prefetch_pages Pre-fetch of AMD-Vi pages requested");
		break;
	case CMD_COMPLETE_PPR_REQUEST:
		qemu_event(events, "amdvi_ppr_exec Execution of PPR queue requested");
		break;
	case CMD_INVALIDATE_IOMMU_ALL:
		qemu_event(events, "amdvi_all_inval Invalidation of all IOMMU cache requested");
		break;
	default:
		break;
	}
}

static void on_command(struct qemu_events *events, const struct probe *probe)
{
	const struct amd_command command = {{probe->ran[0], probe->ran[1]}};
	if (probe->context != CONTEXT_HOST_RING)
		return;
	qemu_event(events,
		   "amdvi_command_exec command buffer head at 0x%x command buffer tail at "
		   "0x%" PRIx64 " command buffer base at 0x%" PRIx64,
		   probe->index * COMMAND_SIZE, qemu_register(events, IOMMU, AMD_CMD_TAIL, 8),
		   (uint64_t)(qemu_register(events, IOMMU, AMD_CMD_BASE, 8) & RING_ADDR));
	if (probe->kind == PROBE_STOPPED)
		qemu_event(events, "amdvi_unhandled_command unhandled command 0x%x",
			   amd_command_opcode(&command));
	else
		tell_effect(events, &command);
}

static void on_fault(struct qemu_events *events, const struct note *note)
{
	if (note->what != NULL && strcmp(note->what, "IO_PAGE_FAULT") == 0)
		qemu_event(events,
			   "amdvi_page_fault error: page fault accessing guest physical address "
			   "0x%" PRIx64,
			   note->first);
}

const struct qemu_dialect qemu_dialect_amdvi = {on_mmio, on_command, on_fault};
