// SPDX-License-Identifier: Apache-2.0
/*
 * Hardware queues of the posted vIOMMU: rings and logs of a guest (amd-viommu 14). They are at guest
 * addresses; in RFC23 at private ones, to which the host maps the pages that it has pinned (7, 12.1).
 */
#include "kernel_shim/drivers/amd_iommu/amd.h"

bool amd_hw_queue_supported(struct iommufd_viommu *viommu, uint32_t type)
{
	(void)viommu;
	return type >= IOMMU_HW_QUEUE_TYPE_AMD_CMD && type <= IOMMU_HW_QUEUE_TYPE_AMD_PPR;
}

uint64_t amd_hw_queue_bytes(const struct iommufd_hw_queue *queue)
{
	return queue->length <= RING_CODE_MAX ? (uint64_t)COMMAND_SIZE << queue->length : 0;
}

/* --- private addresses --- */

bool amd_hw_queue_pins(struct iommufd_viommu *object)
{
	const struct amd_viommu *viommu = object->driver_data;
	return viommu->amd->private_buffers;
}

static uint64_t slot_of(const struct iommufd_hw_queue *queue)
{
	static const uint64_t slots[] = {
		[IOMMU_HW_QUEUE_TYPE_AMD_CMD] = IPA_RINGS,
		[IOMMU_HW_QUEUE_TYPE_AMD_EVT] = IPA_EVENT_LOGS,
		[IOMMU_HW_QUEUE_TYPE_AMD_PPR] = IPA_PPR_LOGS,
	};
	const struct amd_viommu *viommu = queue->viommu->driver_data;
	return slots[queue->type] + viommu->guest * BUFFER_SLOT_SIZE;
}

/* The pages that the core has pinned, of which the parent's tables know where they are. */
static int map_slot(const struct iommufd_hw_queue *queue)
{
	struct amd_viommu *viommu = queue->viommu->driver_data;
	struct amd *amd = viommu->amd;
	uint64_t slot = slot_of(queue), bytes = amd_hw_queue_bytes(queue), done = 0, pa;
	int error = 0;
	if (amd_tables_find(&amd->private_tables, slot, &pa))
		return refuse(amd->machine, EBUSY, "amd-viommu 7", "the guest's slot is taken");
	while (error == 0 && done < bytes) {
		bool mapped =
			amd_tables_find(&viommu->parent->tables, queue->base_iova + done, &pa);
		error = mapped ? amd_map_private(amd, slot + done, pa / PAGE_SIZE, PAGE_SIZE)
			       : -EFAULT;
		done += error == 0 ? PAGE_SIZE : 0;
	}
	if (error == 0)
		return 0;
	if (done > 0)
		amd_unmap_private(amd, slot, done);
	return refuse(amd->machine, -error, "amd-viommu 7", "the queue's pages can't be mapped");
}

/* --- set-up and end --- */

/* The base is a guest address, the length a code; flags say what is enabled. */
static void program(const struct iommufd_hw_queue *queue)
{
	struct amd_viommu *viommu = queue->viommu->driver_data;
	uint64_t base = queue->base_iova & GUEST_BASE;
	bool enables = kernel_option(viommu->amd->machine, KERNEL_AMD_QUEUE_BASE) ==
		       AMD_QUEUE_BASE_ENABLES;
	switch (queue->type) {
	case IOMMU_HW_QUEUE_TYPE_AMD_CMD:
		amd_vfcntl_write(viommu, VFCNTL_COMMAND,
				 base | queue->length | (enables ? GUEST_CMD_EN : 0));
		break;
	case IOMMU_HW_QUEUE_TYPE_AMD_EVT:
		amd_vfcntl_write(viommu, VFCNTL_EVENT,
				 base | queue->length | (enables ? GUEST_EVENT_EN : 0));
		break;
	default:
		amd_vfcntl_write(viommu, VFCNTL_PPR,
				 base << 4 | queue->length |
					 (enables ? GUEST_PPR_LOG_EN | GUEST_PPR_EN : 0));
		break;
	}
}

int amd_hw_queue_init(struct iommufd_hw_queue *queue, uint32_t index)
{
	const struct amd_viommu *viommu = queue->viommu->driver_data;
	struct machine *machine = viommu->amd->machine;
	uint64_t base = queue->base_iova & GUEST_BASE;
	if (index != 0)
		return refuse(machine, EINVAL, "amd-viommu 14", "one queue of a type, index 0");
	if (queue->length < RING_CODE_MIN || queue->length > RING_CODE_MAX ||
	    base != queue->base_iova)
		return refuse(machine, EINVAL, "amd-viommu 14",
			      "the length is no code from 8 to 15, or the base not page-aligned");
	int error = viommu->amd->private_buffers ? map_slot(queue) : 0;
	if (error == 0)
		program(queue);
	return error;
}

static void stop(const struct iommufd_hw_queue *queue)
{
	struct amd_viommu *viommu = queue->viommu->driver_data;
	if (queue->type == IOMMU_HW_QUEUE_TYPE_AMD_CMD)
		amd_vfcntl_write(viommu, VFCNTL_COMMAND,
				 amd_vfcntl_read(viommu, VFCNTL_COMMAND) & ~GUEST_CMD_EN);
	else if (queue->type == IOMMU_HW_QUEUE_TYPE_AMD_EVT)
		amd_vfcntl_write(viommu, VFCNTL_EVENT,
				 amd_vfcntl_read(viommu, VFCNTL_EVENT) & ~GUEST_EVENT_EN);
	else
		amd_vfcntl_write(viommu, VFCNTL_PPR,
				 amd_vfcntl_read(viommu, VFCNTL_PPR) & ~GUEST_PPR_LOG_EN);
	/* Something to wait behind: a COMPLETION_WAIT alone may be the last one's. */
	amd_queue(viommu->amd, amd_command_invalidate_devtab(viommu->trans_devid));
	amd_completion_wait(viommu->amd);
}

/*
 * No posted version stops the queue: base and CmdBufEn stay (12.3, 6). What RFC23 has mapped it unmaps,
 * with a flush and a wait, before the pages are unpinned (12.1 i).
 */
void amd_hw_queue_destroy(struct iommufd_hw_queue *queue)
{
	struct amd *amd = ((struct amd_viommu *)queue->viommu->driver_data)->amd;
	if (kernel_option(amd->machine, KERNEL_AMD_QUEUE_DESTROY) != AMD_QUEUE_DESTROY_NOTHING)
		stop(queue);
	if (amd->private_buffers)
		amd_unmap_private(amd, slot_of(queue), amd_hw_queue_bytes(queue));
}
