// SPDX-License-Identifier: Apache-2.0
/* Probe and reset, devices, what the iommufd core asks (smmuv3 1.6, 1.7; iommufd app. D). */
#include <assert.h>
#include <string.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define ACK_POLL_PS   1000000ULL /* 1 us, up to 1 s */
#define ACK_POLLS_MAX 1000000U

uint64_t arm_smmu_read(struct arm_smmu *smmu, uint32_t offset, unsigned width)
{
	return bus_read(&smmu->machine->bus, pa_of(smmu->base.value + offset), width);
}

void arm_smmu_write(struct arm_smmu *smmu, uint32_t offset, unsigned width, uint64_t value)
{
	bus_write(&smmu->machine->bus, pa_of(smmu->base.value + offset), width, value);
}

uint64_t arm_smmu_alloc_frames(struct machine *machine, uint64_t bytes)
{
	uint64_t pfn = alloc_shared_frames(machine, bytes);
	assert(pfn != 0 && "a machine has memory for its own queues");
	return pfn;
}

uint32_t arm_smmu_queue_log2size(const struct arm_smmu *smmu, uint64_t field)
{
	uint32_t limit = (uint32_t)field_get(smmu->idr[1], field);
	return limit < QUEUE_LOG2SIZE_MAX ? limit : QUEUE_LOG2SIZE_MAX;
}

/* The acknowledgement is read each microsecond for 1 s (1.7); it stands behind its register. */
static int write_acknowledged(struct arm_smmu *smmu, uint32_t offset, uint32_t value,
			      const char *where)
{
	arm_smmu_write(smmu, offset, 4, value);
	for (uint32_t i = 0; i < ACK_POLLS_MAX; i++) {
		if (arm_smmu_read(smmu, offset + 4, 4) == value)
			return 0;
		machine_delay(smmu->machine, ACK_POLL_PS, where);
	}
	return refuse(smmu->machine, ETIMEDOUT, "smmuv3 1.7", "a register is not acknowledged");
}

/* What CR0 has is on; BITS too from now on. */
static int enable(struct arm_smmu *smmu, uint32_t bits)
{
	smmu->cr0 |= bits;
	return write_acknowledged(smmu, SMMU_CR0, smmu->cr0, "CR0ACK");
}

static int update_irq_ctrl(struct arm_smmu *smmu, uint32_t value)
{
	return write_acknowledged(smmu, SMMU_IRQ_CTRL, value, "IRQ_CTRLACK");
}

/* Nothing is cached from before; EL2 is left alone, but for that. */
static int set_up_command_queue(struct arm_smmu *smmu)
{
	static const struct smmu_command tlbi_el2_all = {{CMD_TLBI_EL2_ALL, 0}};
	arm_smmu_cmdq_init(&smmu->cmdq, smmu, pa_of(smmu->base.value + SMMU_CMDQ_PROD),
			   pa_of(smmu->base.value + SMMU_CMDQ_CONS), SYNC_CS_SEV);
	arm_smmu_write(smmu, SMMU_CMDQ_BASE, 8, arm_smmu_cmdq_base(&smmu->cmdq) | BITS(62, 62));
	arm_smmu_write(smmu, SMMU_CMDQ_PROD, 4, 0);
	arm_smmu_write(smmu, SMMU_CMDQ_CONS, 4, 0);
	int error = enable(smmu, CR0_CMDQEN);
	if (error != 0)
		return error;
	arm_smmu_cmdq_issue(smmu, command_cfgi_all());
	if (smmu->idr[0] & IDR0_HYP)
		arm_smmu_cmdq_issue(smmu, tlbi_el2_all);
	arm_smmu_cmdq_issue(smmu, command_tlbi_nsnh_all());
	return 0;
}

static int set_up_event_queue(struct arm_smmu *smmu)
{
	smmu->eventq_log2size = arm_smmu_queue_log2size(smmu, IDR1_EVENTQS);
	smmu->eventq_pfn =
		arm_smmu_alloc_frames(smmu->machine, (uint64_t)EVENT_SIZE << smmu->eventq_log2size);
	arm_smmu_write(smmu, SMMU_EVENTQ_BASE, 8,
		       smmu->eventq_pfn * PAGE_SIZE | BITS(62, 62) | smmu->eventq_log2size);
	arm_smmu_write(smmu, SMMU_EVENTQ_PROD, 4, 0);
	arm_smmu_write(smmu, SMMU_EVENTQ_CONS, 4, 0);
	return enable(smmu, CR0_EVENTQEN);
}

static void handle_gerror(void *context)
{
	struct arm_smmu *smmu = context;
	uint32_t gerror = (uint32_t)arm_smmu_read(smmu, SMMU_GERROR, 4);
	uint32_t active = gerror ^ (uint32_t)arm_smmu_read(smmu, SMMU_GERRORN, 4);
	if (active & GERROR_CMDQ_ERR)
		arm_smmu_cmdq_skip_error(&smmu->cmdq);
	arm_smmu_write(smmu, SMMU_GERRORN, 4, gerror);
}

const char *arm_smmu_unsupported(const uint32_t idr[6])
{
	uint64_t endian = field_get(idr[0], IDR0_TTENDIAN);
	if (idr[1] & (IDR1_TABLES_PRESET | IDR1_QUEUES_PRESET | IDR1_REL))
		return "its tables or queues are preset (IDR1.TABLES_PRESET, QUEUES_PRESET, REL)";
	if (!(field_get(idr[0], IDR0_TTF) & TTF_AARCH64))
		return "it has no AArch64 tables (IDR0.TTF)";
	if (!(idr[0] & (IDR0_S1P | IDR0_S2P)))
		return "it has no stage (IDR0.S1P, S2P)";
	if (endian != TTENDIAN_MIXED && endian != TTENDIAN_LITTLE)
		return "it has no little-endian tables (IDR0.TTENDIAN)";
	if (1U << field_get(idr[1], IDR1_CMDQS) <= TLBI_BATCH)
		return "its command queue has 64 entries or fewer (IDR1.CMDQS)";
	return NULL;
}

/* By wire: no MSIs (1.7). */
static int set_up_interrupts(struct arm_smmu *smmu, const struct arm_smmu_resources *resources)
{
	int error = update_irq_ctrl(smmu, 0);
	if (error != 0)
		return error;
	arm_smmu_write(smmu, SMMU_GERROR_IRQ_CFG0, 8, 0);
	arm_smmu_write(smmu, SMMU_EVENTQ_IRQ_CFG0, 8, 0);
	irq_request(smmu->machine, resources->gerror_irq, handle_gerror, smmu);
	irq_request(smmu->machine, resources->eventq_irq, arm_smmu_handle_events, smmu);
	return update_irq_ctrl(smmu, 5); /* GERROR, EVENTQ */
}

static int set_up(struct arm_smmu *smmu, const struct arm_smmu_resources *resources)
{
	smmu->cr0 = 0;
	int error = enable(smmu, 0);
	if (error != 0)
		return error;
	arm_smmu_write(smmu, SMMU_CR1, 4,
		       0xd75); /* tables and queues: inner shareable, write-back */
	arm_smmu_write(smmu, SMMU_CR2, 4, CR2_RECINVSID | BITS(2, 2));
	arm_smmu_set_up_stream_table(smmu);
	error = set_up_command_queue(smmu);
	if (error == 0)
		error = set_up_event_queue(smmu);
	if (error == 0 && (smmu->idr[0] & IDR0_ATS))
		error = enable(smmu, CR0_ATSCHK);
	if (error == 0)
		error = set_up_interrupts(smmu, resources);
	if (error == 0)
		error = enable(smmu, CR0_SMMUEN);
	if (error == 0 && tegra241_cmdqv_present(smmu))
		tegra241_cmdqv_probe(smmu, resources->cmdqv_irq);
	return error;
}

int arm_smmu_probe(struct machine *machine, const struct arm_smmu_resources *resources,
		   struct arm_smmu **probed)
{
	struct arm_smmu *smmu = arena_new(machine->arena, struct arm_smmu);
	smmu->machine = machine;
	smmu->base = resources->base;
	smmu->cmdqv = resources->cmdqv;
	smmu->engine = machine_engine(machine, resources->name);
	smmu->asids.used[0] = 1;
	smmu->vmids.used[0] = 1;
	LIST_INIT(&smmu->masters);
	for (uint32_t i = 0; i < 6; i++)
		smmu->idr[i] = (uint32_t)arm_smmu_read(smmu, SMMU_IDR0 + 4 * i, 4);
	const char *why = arm_smmu_unsupported(smmu->idr);
	if (why != NULL) {
		arena_delete(machine->arena, smmu);
		return refuse(machine, ENXIO, "smmuv3 1.3", why);
	}
	int error = set_up(smmu, resources); /* what hardware may still read stays where it is */
	if (error == 0)
		*probed = smmu;
	return error;
}

/* --- devices --- */

struct arm_smmu_master *arm_smmu_master_new(struct arm_smmu *smmu, uint32_t sid, bool ats)
{
	struct iommufd_module *module = smmu->machine->kernel;
	struct arm_smmu_master *master = arena_new(smmu->machine->arena, struct arm_smmu_master);
	master->smmu = smmu;
	master->sid = sid;
	master->ats = ats && (smmu->idr[0] & IDR0_ATS);
	for (unsigned i = 0; i < 2; i++)
		master->attachments[i].master = master;
	master->device.machine = smmu->machine;
	master->device.driver = &arm_smmu_ops;
	master->device.iommu = smmu;
	master->device.group = ++module->groups;
	master->device.max_pasids = 1;
	LIST_INSERT_HEAD(&smmu->masters, master, link);
	arm_smmu_add_stream(smmu, sid);
	return master;
}

bool arm_smmu_stalls(const struct arm_smmu *smmu)
{
	return field_get(smmu->idr[0], IDR0_STALL_MODEL) == STALL_MODEL_FORCED;
}

static bool capable(struct device *device, enum iommu_cap cap)
{
	const struct arm_smmu_master *master = (const struct arm_smmu_master *)device;
	return cap == IOMMU_CAP_CACHE_COHERENCY || (cap == IOMMU_CAP_ATS && master->ats);
}

static int hw_info(struct device *device, uint32_t *type, void *data, uint32_t max,
		   uint32_t *length)
{
	struct arm_smmu *smmu = device->iommu;
	if (*type == 0 || *type == IOMMU_HW_INFO_TYPE_ARM_SMMUV3) {
		struct iommu_hw_info_arm_smmuv3 info = {0};
		if (kernel_option(smmu->machine, KERNEL_ARM_REPEAT_TLBI_CFGI) ==
		    KERNEL_SWITCH_OTHER)
			info.flags |= IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI;
		memcpy(info.idr, smmu->idr, sizeof(info.idr));
		info.iidr = (uint32_t)arm_smmu_read(smmu, SMMU_IIDR, 4);
		info.aidr = (uint32_t)arm_smmu_read(smmu, SMMU_AIDR, 4);
		assert(max >= sizeof(info));
		memcpy(data, &info, sizeof(info));
		*length = sizeof(info);
		*type = IOMMU_HW_INFO_TYPE_ARM_SMMUV3;
		return 0;
	}
	if (*type != IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV || !tegra241_cmdqv_present(smmu))
		return refuse(device->machine, EOPNOTSUPP, "iommufd app. D hw_info",
			      "unknown type");
	struct iommu_hw_info_tegra241_cmdqv info = {
		.version = 1,
		.log2vcmdqs = (uint8_t)__builtin_ctz(smmu->lvcmdqs),
		.log2vsids = (uint8_t)__builtin_ctz(smmu->sid_pairs),
	};
	memcpy(data, &info, sizeof(info));
	*length = sizeof(info);
	return 0;
}

/* Both stages (iommufd app. D; smmuv3 9.1). */
static bool nests(const struct arm_smmu *smmu)
{
	return (smmu->idr[0] & IDR0_S1P) && (smmu->idr[0] & IDR0_S2P);
}

/* Stage 1 where the hardware has it, but below a guest's (iommufd app. D). */
static int domain_alloc_paging(struct device *device, uint32_t flags, const struct user_data *data,
			       struct iommu_domain **domain)
{
	struct arm_smmu *smmu = device->iommu;
	bool stage1 = smmu->idr[0] & IDR0_S1P;
	if (data != NULL)
		return refuse(device->machine, EOPNOTSUPP, "iommufd app. D paging alloc",
			      "a HWPT on an IOAS takes no data: data_len is not 0");
	switch (flags) {
	case 0:
		return arm_smmu_domain_alloc(smmu, stage1 ? 1 : 2, false, domain);
	case IOMMU_HWPT_ALLOC_NEST_PARENT:
		if (!nests(smmu))
			return refuse(device->machine, EOPNOTSUPP, "iommufd app. D paging alloc",
				      "a nest parent needs both stages");
		return arm_smmu_domain_alloc(smmu, 2, true, domain);
	case IOMMU_HWPT_ALLOC_PASID:
		if (!stage1)
			return refuse(device->machine, EOPNOTSUPP, "iommufd app. D paging alloc",
				      "a domain for PASIDs needs stage 1");
		return arm_smmu_domain_alloc(smmu, 1, false, domain);
	default:
		return refuse(device->machine, EOPNOTSUPP, "iommufd app. D paging alloc",
			      "flags is not 0, NEST_PARENT or PASID alone");
	}
}

static void block_pasid(struct device *device, uint32_t pasid)
{
	(void)device;
	(void)pasid;
}

static bool viommu_supported(struct device *device, uint32_t type)
{
	if (!nests(device->iommu) ||
	    kernel_option(device->machine, KERNEL_ARM_FORCE_SYNC) == KERNEL_SWITCH_OTHER)
		return false;
	return type == IOMMU_VIOMMU_TYPE_ARM_SMMUV3 ||
	       (type == IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV && tegra241_cmdqv_present(device->iommu));
}

static int viommu_init(struct iommufd_viommu *viommu, struct iommu_domain *parent,
		       const struct user_data *data)
{
	struct arm_smmu_domain *domain = to_arm_smmu_domain(parent);
	if (domain == NULL || domain->smmu != viommu->iommu)
		return refuse(viommu->ictx->machine, EINVAL, "iommufd app. D vIOMMU",
			      "the parent belongs to another SMMU");
	if (viommu->type == IOMMU_VIOMMU_TYPE_ARM_SMMUV3)
		return arm_vsmmu_init(viommu, domain, data);
	return tegra241_cmdqv_viommu_init(viommu, domain->smmu, domain, data);
}

const struct iommu_ops arm_smmu_ops = {
	.name = "arm-smmu-v3",
	.capable = capable,
	.hw_info = hw_info,
	.domain_alloc_paging = domain_alloc_paging,
	.block = arm_smmu_block,
	.block_pasid = block_pasid,
	.viommu_supported = viommu_supported,
	.viommu_init = viommu_init,
};
