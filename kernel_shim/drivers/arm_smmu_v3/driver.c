// SPDX-License-Identifier: Apache-2.0
/* Probe and reset, stream table, what the iommufd core asks (smmuv3 1.6, 3.6, 4; iommufd app. D). */
#include <assert.h>
#include <string.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define STRTAB_LOG2SIZE 9U

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
	uint64_t frames = align_up(bytes, PAGE_SIZE) / PAGE_SIZE, pfn = 0;
	uint64_t align = 1;
	while (align < frames)
		align *= 2;
	uint64_t got = memory_alloc(&machine->memory, OWNER_KERNEL, frames, frames, align, 0, &pfn);
	assert(got == frames && "a machine has memory for its own queues");
	return pfn;
}

static void update_cr0(struct arm_smmu *smmu, uint64_t value)
{
	arm_smmu_write(smmu, SMMU_CR0, 4, value);
	while (arm_smmu_read(smmu, SMMU_CR0ACK, 4) != value)
		machine_delay(smmu->machine, 1000000, "CR0ACK");
}

static void set_up_command_queue(struct arm_smmu *smmu)
{
	arm_smmu_cmdq_init(&smmu->cmdq, smmu, pa_of(smmu->base.value + SMMU_CMDQ_PROD),
			   pa_of(smmu->base.value + SMMU_CMDQ_CONS), SYNC_CS_SEV);
	arm_smmu_write(smmu, SMMU_CMDQ_BASE, 8, arm_smmu_cmdq_base(&smmu->cmdq) | BITS(62, 62));
	arm_smmu_write(smmu, SMMU_CMDQ_PROD, 4, 0);
	arm_smmu_write(smmu, SMMU_CMDQ_CONS, 4, 0);
}

static void set_up_event_queue(struct arm_smmu *smmu)
{
	smmu->eventq_log2size = smmu->cmdq.log2size;
	smmu->eventq_pfn =
		arm_smmu_alloc_frames(smmu->machine, (uint64_t)EVENT_SIZE << smmu->eventq_log2size);
	arm_smmu_write(smmu, SMMU_EVENTQ_BASE, 8,
		       smmu->eventq_pfn * PAGE_SIZE | BITS(62, 62) | smmu->eventq_log2size);
	arm_smmu_write(smmu, SMMU_EVENTQ_PROD, 4, 0);
	arm_smmu_write(smmu, SMMU_EVENTQ_CONS, 4, 0);
}

/* 64-bit stores, as the table is shared with hardware. */
static void write_ste_word(struct arm_smmu *smmu, uint32_t sid, uint32_t word, uint64_t value)
{
	uint8_t bytes[8];
	store_le64(bytes, value);
	memory_write(&smmu->machine->memory,
		     pa_of(smmu->strtab_pfn * PAGE_SIZE + (uint64_t)STE_SIZE * sid + 8ULL * word),
		     bytes, sizeof(bytes), OWNER_KERNEL);
}

static void read_ste(struct arm_smmu *smmu, uint32_t sid, uint64_t ste[STE_WORDS])
{
	uint8_t bytes[STE_SIZE];
	memory_read(&smmu->machine->memory,
		    pa_of(smmu->strtab_pfn * PAGE_SIZE + (uint64_t)STE_SIZE * sid), bytes,
		    sizeof(bytes));
	for (uint32_t word = 0; word < STE_WORDS; word++)
		ste[word] = load_le64(bytes + 8 * word);
}

/* Bits that the hardware looks at in an entry of this kind (4.2). */
static void ste_used(const uint64_t ste[STE_WORDS], uint64_t used[STE_WORDS])
{
	uint64_t config = ste[0] & STE_V ? field_get(ste[0], STE_CONFIG) : STE_CONFIG_ABORT;
	memset(used, 0, STE_WORDS * sizeof(*used));
	used[0] = ste[0] & STE_V ? STE_V | STE_CONFIG : STE_V;
	if (config == STE_CONFIG_NESTED) {
		used[0] |= STE_S1FMT | STE_S1CONTEXTPTR | STE_S1CDMAX;
		used[1] |= STE_S1DSS | STE_S1CIR | STE_S1COR | STE_S1CSH | STE_S1STALLD;
	}
	if (config != STE_CONFIG_NESTED && config != STE_CONFIG_S2)
		return;
	used[1] |= STE_SHCFG; /* MEV, and EATS between 0 and 1, may change at any time (3.6) */
	used[2] = ~0ULL;
	used[3] = STE_S2TTB;
}

/* Stores words [from, to) that differ; if any did, CFGI_STE and CMD_SYNC. */
static void store_ste(struct arm_smmu *smmu, uint32_t sid, uint64_t now[STE_WORDS],
		      const uint64_t next[STE_WORDS], uint32_t from, uint32_t to)
{
	bool changed = false;
	for (uint32_t word = from; word < to; word++) {
		if (now[word] == next[word])
			continue;
		write_ste_word(smmu, sid, word, next[word]);
		now[word] = next[word];
		changed = true;
	}
	if (changed)
		arm_smmu_cmdq_issue(smmu, command_cfgi_ste(sid, 1));
}

/*
 * The driver's update: where all used bits that change lie in one word, that word alone makes the
 * switch, and the hardware sees one entry or the other; else the entry is invalid meanwhile (3.6).
 */
static void write_ste(struct arm_smmu *smmu, uint32_t sid, const uint64_t target[STE_WORDS])
{
	uint64_t now[STE_WORDS], now_used[STE_WORDS], target_used[STE_WORDS], next[STE_WORDS];
	uint32_t critical = 0, critical_count = 0;
	read_ste(smmu, sid, now);
	ste_used(now, now_used);
	ste_used(target, target_used);
	for (uint32_t word = 0; word < STE_WORDS; word++) {
		next[word] = (now[word] & now_used[word]) | (target[word] & ~now_used[word]);
		if ((next[word] ^ target[word]) & target_used[word]) {
			critical = word;
			critical_count++;
		}
	}
	if (critical_count == 1) {
		next[critical] = now[critical];
		store_ste(smmu, sid, now, next, 0, STE_WORDS);
		store_ste(smmu, sid, now, target, critical, critical + 1);
	} else if (critical_count > 1) {
		memcpy(next, now, sizeof(next));
		next[0] &= ~STE_V;
		store_ste(smmu, sid, now, next, 0, 1);
		store_ste(smmu, sid, now, target, 1, STE_WORDS);
	}
	store_ste(smmu, sid, now, target, 0, STE_WORDS);
	arm_smmu_cmdq_issue_no_sync(smmu, command_prefetch_config(sid));
}

static void write_abort_ste(struct arm_smmu *smmu, uint32_t sid)
{
	const uint64_t ste[STE_WORDS] = {STE_V | field_put(STE_CONFIG, STE_CONFIG_ABORT)};
	write_ste(smmu, sid, ste);
}

static void set_up_stream_table(struct arm_smmu *smmu)
{
	smmu->strtab_log2size = STRTAB_LOG2SIZE;
	smmu->strtab_pfn =
		arm_smmu_alloc_frames(smmu->machine, (uint64_t)STE_SIZE << STRTAB_LOG2SIZE);
	uint8_t page[PAGE_SIZE] = {0};
	for (uint32_t at = 0; at < PAGE_SIZE; at += STE_SIZE)
		store_le64(page + at, STE_V);
	for (uint32_t at = 0; at < STE_SIZE << STRTAB_LOG2SIZE; at += PAGE_SIZE)
		memory_write(&smmu->machine->memory, pa_of(smmu->strtab_pfn * PAGE_SIZE + at), page,
			     PAGE_SIZE, OWNER_KERNEL);
	arm_smmu_write(smmu, SMMU_STRTAB_BASE, 8, smmu->strtab_pfn * PAGE_SIZE | BITS(62, 62));
	arm_smmu_write(smmu, SMMU_STRTAB_BASE_CFG, 4, STRTAB_LOG2SIZE);
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

struct arm_smmu *arm_smmu_probe(struct machine *machine, const struct arm_smmu_resources *resources)
{
	struct arm_smmu *smmu = arena_new(machine->arena, struct arm_smmu);
	uint64_t cr0 = CR0_CMDQEN;
	smmu->machine = machine;
	smmu->base = resources->base;
	smmu->cmdqv = resources->cmdqv;
	smmu->engine = machine_engine(machine, resources->name);
	smmu->vmids[0] = 1;
	LIST_INIT(&smmu->masters);
	for (uint32_t i = 0; i < 6; i++)
		smmu->idr[i] = (uint32_t)arm_smmu_read(smmu, SMMU_IDR0 + 4 * i, 4);
	update_cr0(smmu, 0);
	arm_smmu_write(smmu, SMMU_CR1, 4,
		       0xd75); /* tables and queues: inner shareable, write-back */
	arm_smmu_write(smmu, SMMU_CR2, 4, CR2_RECINVSID | BITS(2, 2));
	set_up_stream_table(smmu);
	set_up_command_queue(smmu);
	update_cr0(smmu, cr0);
	arm_smmu_cmdq_issue(smmu, command_cfgi_all());
	arm_smmu_cmdq_issue(smmu, command_tlbi_nsnh_all());
	set_up_event_queue(smmu);
	update_cr0(smmu, cr0 |= CR0_EVENTQEN);
	if (smmu->idr[0] & IDR0_ATS)
		update_cr0(smmu, cr0 |= CR0_ATSCHK);
	irq_request(machine, resources->gerror_irq, handle_gerror, smmu);
	irq_request(machine, resources->eventq_irq, arm_smmu_handle_events, smmu);
	arm_smmu_write(smmu, SMMU_IRQ_CTRL, 4, 0);
	arm_smmu_write(smmu, SMMU_IRQ_CTRL, 4, 5);
	update_cr0(smmu, cr0 | CR0_SMMUEN);
	if (tegra241_cmdqv_present(smmu))
		tegra241_cmdqv_probe(smmu, resources->cmdqv_irq);
	return smmu;
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
	return master;
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

static int domain_alloc_paging(struct device *device, uint32_t flags, const struct user_data *data,
			       struct iommu_domain **domain)
{
	if (data != NULL)
		return refuse(device->machine, EOPNOTSUPP, "iommufd app. D paging alloc",
			      "a HWPT on an IOAS takes no data: data_len is not 0");
	if (flags & ~IOMMU_HWPT_ALLOC_NEST_PARENT)
		return refuse(device->machine, EOPNOTSUPP, "iommufd app. D paging alloc",
			      "a flag other than NEST_PARENT: it is not modelled");
	if ((flags & IOMMU_HWPT_ALLOC_NEST_PARENT) && !nests(device->iommu))
		return refuse(device->machine, EOPNOTSUPP, "iommufd app. D paging alloc",
			      "a nest parent needs both stages");
	return arm_smmu_domain_alloc(device->iommu, flags & IOMMU_HWPT_ALLOC_NEST_PARENT, domain);
}

static void bind_stream(struct arm_smmu_master *master, uint32_t holder)
{
	ledger_bind(&master->smmu->machine->ledger, master->smmu->engine,
		    CONTEXT_DEVICE(master->sid), holder, LEDGER_NO_GUEST);
}

/* The stream's entry no longer names DOMAIN; its last device takes the VMID along. */
static void leave(struct arm_smmu_domain *domain, struct arm_smmu_attachment *attachment)
{
	LIST_REMOVE(attachment, link);
	if (LIST_EMPTY(&domain->attachments))
		arm_smmu_cmdq_issue(domain->smmu, command_tlbi_s12_vmall(domain->vmid));
}

/* What the device keeps is of an entry that is no more (7). */
static void empty_atc(struct arm_smmu_master *master)
{
	arm_smmu_cmdq_issue(master->smmu, command_atc_inv(master->sid, 0, ATC_SIZE_ALL));
}

static void block(struct device *device)
{
	struct arm_smmu_master *master = (struct arm_smmu_master *)device;
	bind_stream(master, LEDGER_IN_TRANSITION);
	write_abort_ste(master->smmu, master->sid);
	if (master->ats_enabled)
		empty_atc(master);
	if (master->domain != NULL)
		leave(master->domain, &master->attachments[master->attachment]);
	master->domain = NULL;
	master->nested = NULL;
	master->ats_enabled = false;
	bind_stream(master, LEDGER_NOTHING);
}

static void block_pasid(struct device *device, uint32_t pasid)
{
	(void)device;
	(void)pasid;
}

static bool viommu_supported(struct device *device, uint32_t type)
{
	if (!nests(device->iommu))
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

/* Stage-2 STE as Linux writes it (4.3, Linux values). */
static void stage2_ste(const struct arm_smmu_domain *domain, bool ats, uint64_t ste[STE_WORDS])
{
	unsigned oas = (unsigned)field_get(domain->smmu->idr[5], IDR5_OAS);
	memset(ste, 0, STE_WORDS * sizeof(*ste));
	ste[0] = STE_V | field_put(STE_CONFIG, STE_CONFIG_S2);
	ste[1] = field_put(STE_EATS, ats);
	if (domain->smmu->idr[1] & IDR1_ATTR_TYPES_OVR)
		ste[1] |= field_put(STE_SHCFG, 1);
	ste[2] = field_put(STE_S2VMID, domain->vmid) |
		 field_put(STE_S2T0SZ, 64 - domain->input_bits) |
		 field_put(STE_S2SL0, 2 - domain->start_level) | field_put(STE_S2IR0, 1) |
		 field_put(STE_S2OR0, 1) | field_put(STE_S2SH0, 3) | field_put(STE_S2PS, oas) |
		 STE_S2AA64 | STE_S2PTW | STE_S2R;
	ste[3] = domain->root_pfn * PAGE_SIZE & STE_S2TTB;
}

void arm_smmu_install(struct arm_smmu_master *master, struct arm_smmu_domain *domain,
		      struct arm_smmu_nested *nested)
{
	struct arm_smmu_domain *before = master->domain;
	struct arm_smmu_attachment *old = &master->attachments[master->attachment];
	uint64_t ste[STE_WORDS];
	bool ats = master->ats && (nested == NULL || nested->ats);
	bool had_ats = master->ats_enabled;
	stage2_ste(domain, ats, ste);
	if (nested != NULL)
		arm_smmu_nested_ste(nested, ste);
	bind_stream(master, LEDGER_IN_TRANSITION);
	/* Until all is done, unmaps of both domains concern the device's ATC. */
	master->ats_enabled |= ats;
	if (before != domain) {
		master->attachment ^= 1;
		LIST_INSERT_HEAD(&domain->attachments, &master->attachments[master->attachment],
				 link);
	}
	write_ste(master->smmu, master->sid, ste);
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
	arm_smmu_install(master, domain, NULL);
	return 0;
}

const struct iommu_ops arm_smmu_ops = {
	.name = "arm-smmu-v3",
	.capable = capable,
	.hw_info = hw_info,
	.domain_alloc_paging = domain_alloc_paging,
	.block = block,
	.block_pasid = block_pasid,
	.viommu_supported = viommu_supported,
	.viommu_init = viommu_init,
};
