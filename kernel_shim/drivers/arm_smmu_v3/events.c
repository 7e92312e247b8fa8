// SPDX-License-Identifier: Apache-2.0
/* The event queue as the driver drains it, and what of it goes to guests (smmuv3 6.4, 9.5). */
#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

static struct arm_smmu_master *find_master(struct arm_smmu *smmu, uint32_t sid)
{
	struct arm_smmu_master *master;
	LIST_FOREACH (master, &smmu->masters, link)
		if (master->sid == sid)
			break;
	return master;
}

/* Of a walk or of a descriptor (6.2). */
static bool is_fault(const uint64_t record[4])
{
	uint64_t id = field_get(record[0], EVT_ID);
	return id >= EVT_F_TRANSLATION && id <= EVT_F_PERMISSION;
}

/* Events of stage 1 that a guest's own driver would be told (9.5). */
static bool is_for_guests(const uint64_t record[4])
{
	switch (field_get(record[0], EVT_ID)) {
	case EVT_C_BAD_STE:
	case EVT_F_STREAM_DISABLED:
	case EVT_C_BAD_SUBSTREAMID:
	case EVT_C_BAD_CD:
		return true;
	default:
		return is_fault(record) && !(record[1] & EVT_S2);
	}
}

/* With the guest's stream id; a guest without a queue for it does not hear of it. */
static void forward(struct arm_smmu_master *master, const uint64_t record[4])
{
	struct iommufd_viommu *viommu = master->nested->viommu;
	uint8_t bytes[EVENT_SIZE];
	uint64_t virt_id;
	if (iommufd_viommu_virt_id(viommu, &master->device, &virt_id) != 0)
		return;
	store_le64(bytes, field_set(record[0], EVT_SID, virt_id));
	for (unsigned word = 1; word < 4; word++)
		store_le64(bytes + 8 * word, record[word]);
	iommufd_viommu_report_event(viommu, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, bytes, sizeof(bytes));
}

/* Nobody here handles page faults: a stalled access is aborted, and nobody waits for that (6.4). */
static void handle(struct arm_smmu *smmu, const uint64_t record[4])
{
	uint32_t sid = (uint32_t)field_get(record[0], EVT_SID);
	struct arm_smmu_master *master = find_master(smmu, sid);
	bool stalls = is_fault(record) && (record[1] & EVT_STALL);
	if (stalls)
		arm_smmu_cmdq_issue_no_sync(
			smmu, command_resume_abort(sid, (uint16_t)field_get(record[1], EVT_STAG)));
	else if (master != NULL && master->nested != NULL && is_for_guests(record))
		forward(master, record);
}

static void read_record(struct arm_smmu *smmu, uint32_t index, uint64_t record[4])
{
	uint8_t bytes[EVENT_SIZE];
	uint64_t at = smmu->eventq_pfn * PAGE_SIZE + (uint64_t)EVENT_SIZE * index;
	memory_read(&smmu->machine->memory, pa_of(at), bytes, sizeof(bytes));
	for (unsigned word = 0; word < 4; word++)
		record[word] = load_le64(bytes + 8 * word);
}

/* Until it is empty; then CONS, which acknowledges an overflow too. */
void arm_smmu_handle_events(void *context)
{
	struct arm_smmu *smmu = context;
	uint32_t size = 1U << smmu->eventq_log2size, mask = 2 * size - 1;
	uint32_t cons = (uint32_t)arm_smmu_read(smmu, SMMU_EVENTQ_CONS, 4), prod;
	uint32_t acknowledged = cons & QUEUE_OVERFLOW;
	cons &= mask;
	while (prod = (uint32_t)arm_smmu_read(smmu, SMMU_EVENTQ_PROD, 4),
	       (cons | acknowledged) != (prod & (mask | QUEUE_OVERFLOW))) {
		uint64_t record[4];
		for (; cons != (prod & mask); cons = (cons + 1) & mask) {
			read_record(smmu, cons & (size - 1), record);
			handle(smmu, record);
		}
		acknowledged = prod & QUEUE_OVERFLOW;
		arm_smmu_write(smmu, SMMU_EVENTQ_CONS, 4, cons | acknowledged);
	}
}
