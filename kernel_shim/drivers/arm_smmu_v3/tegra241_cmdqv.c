// SPDX-License-Identifier: Apache-2.0
/* CMDQV: reset, the host's VINTF 0, VINTFs for guests, hardware queues (tegra241-cmdqv 9). */
#include <assert.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

#define POLL_PS   1000000ULL /* 1 us, up to 1 s */
#define POLLS_MAX 1000000U

#define ERROR_MAP_WORDS 2U /* of a VINTF's queues */

struct tegra241_vintf {
	struct arm_smmu *smmu;
	struct arm_smmu_domain *parent;
	uint32_t index;
	uint16_t vmid;
	uint32_t guest; /* in the ledger */
	uint64_t mmap_offset;
	struct iommufd_viommu *viommu;
	struct arm_smmu_cmdq *lvcmdqs; /* of VINTF 0: the driver's own */
	struct iommufd_hw_queue *queues[CMDQV_QUEUES_MAX];
	struct mutex lvcmdq_mutex; /* of queues: each is ready, or not there */
	uint64_t sids;             /* slots in use */
};

uint64_t tegra241_cmdqv_mmio(struct arm_smmu *smmu, uint64_t offset)
{
	return smmu->cmdqv.value + offset;
}

static uint32_t read_reg(struct arm_smmu *smmu, uint64_t offset)
{
	return (uint32_t)bus_read(&smmu->machine->bus, pa_of(tegra241_cmdqv_mmio(smmu, offset)), 4);
}

static void write_reg(struct arm_smmu *smmu, uint64_t offset, unsigned width, uint64_t value)
{
	bus_write(&smmu->machine->bus, pa_of(tegra241_cmdqv_mmio(smmu, offset)), width, value);
}

bool tegra241_cmdqv_present(const struct arm_smmu *smmu)
{
	return smmu->cmdqv.value != 0;
}

static void poll_bit(struct arm_smmu *smmu, uint64_t offset, uint32_t bit, bool want)
{
	for (uint32_t i = 0; i < POLLS_MAX; i++) {
		if (((read_reg(smmu, offset) & bit) != 0) == want)
			return;
		machine_delay(smmu->machine, POLL_PS, "CMDQV acknowledge");
	}
}

static uint64_t vintf_reg(uint32_t v, uint32_t offset)
{
	return CMDQV_VINTF_BLOCKS + (uint64_t)CMDQV_VINTF_BLOCK_STRIDE * v + offset;
}

static uint64_t page0_reg(const struct tegra241_vintf *vintf, uint32_t lvcmdq, uint32_t offset)
{
	return cmdqv_vintf_page0(vintf->index) + (uint64_t)CMDQV_QUEUE_STRIDE * lvcmdq + offset;
}

static uint64_t page1_reg(const struct tegra241_vintf *vintf, uint32_t lvcmdq, uint32_t offset)
{
	return cmdqv_vintf_page1(vintf->index) + (uint64_t)CMDQV_QUEUE_STRIDE * lvcmdq + offset;
}

/* Fixed split: q = v * N + l (6). */
static uint32_t global_number(const struct tegra241_vintf *vintf, uint32_t lvcmdq)
{
	return vintf->index * vintf->smmu->lvcmdqs + lvcmdq;
}

/* Its assignment stays as the reset has written it. */
static void set_alloc(struct tegra241_vintf *vintf, uint32_t lvcmdq, bool alloc)
{
	uint64_t at = CMDQV_ALLOC_MAP + 4 * global_number(vintf, lvcmdq);
	uint32_t entry = read_reg(vintf->smmu, at);
	write_reg(vintf->smmu, at, 4, field_set(entry, ALLOC_ALLOC, alloc));
}

/* --- errors (8.3) --- */

/* VINTFs with an error. The map is not aligned to 8: two reads, the upper half first (2, 8.3). */
static uint64_t read_vintf_errors(struct arm_smmu *smmu)
{
	uint64_t upper = read_reg(smmu, CMDQV_VI_ERR_MAP + 4);
	return upper << 32 | read_reg(smmu, CMDQV_VI_ERR_MAP);
}

/* Logical queues with an error: WORD has those from 64 * WORD on. */
static uint64_t read_queue_errors(struct tegra241_vintf *vintf, unsigned word)
{
	uint64_t at = vintf_reg(vintf->index, VINTF_LVCMDQ_ERR_MAP) + 8 * word;
	return bus_read(&vintf->smmu->machine->bus, pa_of(tegra241_cmdqv_mmio(vintf->smmu, at)), 8);
}

/* A guest's errors go to its event queue; the guest acknowledges them itself. */
static void report_errors(struct tegra241_vintf *vintf)
{
	uint8_t map[8 * ERROR_MAP_WORDS];
	for (unsigned word = 0; word < ERROR_MAP_WORDS; word++)
		store_le64(map + 8 * word, read_queue_errors(vintf, word));
	iommufd_viommu_report_event(vintf->viommu, IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV, map,
				    sizeof(map));
}

static void handle_own_error(struct tegra241_vintf *vintf, uint32_t lvcmdq)
{
	struct arm_smmu *smmu = vintf->smmu;
	if (lvcmdq >= smmu->lvcmdqs)
		return;
	uint32_t gerror = read_reg(smmu, page0_reg(vintf, lvcmdq, VCMDQ_GERROR));
	arm_smmu_cmdq_skip_error(&vintf->lvcmdqs[lvcmdq]);
	write_reg(smmu, page0_reg(vintf, lvcmdq, VCMDQ_GERRORN), 4, gerror);
}

static void handle_own_errors(struct tegra241_vintf *vintf)
{
	for (unsigned word = 0; word < ERROR_MAP_WORDS; word++)
		for (uint64_t map = read_queue_errors(vintf, word); map != 0; map &= map - 1)
			handle_own_error(vintf, 64 * word + (uint32_t)__builtin_ctzll(map));
}

static void handle_irq(void *context)
{
	struct arm_smmu *smmu = context;
	uint64_t vintfs = read_vintf_errors(smmu);
	for (; vintfs != 0; vintfs &= vintfs - 1) {
		struct tegra241_vintf *vintf = smmu->vintfs[__builtin_ctzll(vintfs)];
		if (vintf == NULL)
			continue;
		if (vintf->lvcmdqs != NULL)
			handle_own_errors(vintf);
		else
			report_errors(vintf);
	}
}

/* CMDQV_EN off and on, then every queue pre-assigned, unallocated (9.2). */
static void reset(struct arm_smmu *smmu)
{
	uint32_t param = read_reg(smmu, CMDQV_PARAM);
	uint32_t config = read_reg(smmu, CMDQV_CONFIG);
	smmu->vintf_count = 1U << field_get(param, PARAM_NUM_VINTF_LOG2);
	smmu->lvcmdqs = (1U << field_get(param, PARAM_NUM_VCMDQ_LOG2)) / smmu->vintf_count;
	smmu->sid_pairs = 1U << field_get(param, PARAM_NUM_SID_LOG2);
	write_reg(smmu, CMDQV_CONFIG, 4, config & ~(uint32_t)CONFIG_CMDQV_EN);
	poll_bit(smmu, CMDQV_STATUS, STATUS_CMDQV_ENABLED, false);
	write_reg(smmu, CMDQV_CONFIG, 4, config | CONFIG_CMDQV_EN);
	poll_bit(smmu, CMDQV_STATUS, STATUS_CMDQV_ENABLED, true);
	for (uint32_t q = 0; q < smmu->vintf_count * smmu->lvcmdqs; q++)
		write_reg(smmu, CMDQV_ALLOC_MAP + 4 * q, 4,
			  field_put(ALLOC_VINTF, q / smmu->lvcmdqs) |
				  field_put(ALLOC_LVCMDQ, q % smmu->lvcmdqs));
}

/* --- hardware queues (9.3, 9.5) --- */

/* Stops the queue and empties its registers; the SYNC flushes what it still had under way (9.3). */
static void queue_deinit(struct tegra241_vintf *vintf, uint32_t lvcmdq)
{
	struct arm_smmu *smmu = vintf->smmu;
	struct smmu_command flush = {{field_put(CMD_OPCODE, CMD_SYNC), 0}};
	bool synchronise =
		kernel_option(smmu->machine, KERNEL_CMDQV_DEINIT_SYNC) == KERNEL_SWITCH_DEFAULT;
	write_reg(smmu, page0_reg(vintf, lvcmdq, VCMDQ_CONFIG), 4, 0);
	poll_bit(smmu, page0_reg(vintf, lvcmdq, VCMDQ_STATUS), VCMDQ_EN, false);
	if (synchronise)
		arm_smmu_cmdq_issue_on(&smmu->cmdq, flush);
	write_reg(smmu, page0_reg(vintf, lvcmdq, VCMDQ_PROD), 4, 0);
	write_reg(smmu, page0_reg(vintf, lvcmdq, VCMDQ_CONS), 4, 0);
	write_reg(smmu, page1_reg(vintf, lvcmdq, VCMDQ_BASE), 8, 0);
	write_reg(smmu, page1_reg(vintf, lvcmdq, VCMDQ_CONS_BASE), 8, 0);
	uint32_t gerror = read_reg(smmu, page0_reg(vintf, lvcmdq, VCMDQ_GERROR));
	if (gerror != read_reg(smmu, page0_reg(vintf, lvcmdq, VCMDQ_GERRORN)))
		write_reg(smmu, page0_reg(vintf, lvcmdq, VCMDQ_GERRORN), 4, gerror);
}

/* BASE has the address and log2 of the entries; a guest's queue is enabled by the guest. */
static void queue_init(struct tegra241_vintf *vintf, uint32_t lvcmdq, uint64_t base)
{
	set_alloc(vintf, lvcmdq, true);
	queue_deinit(vintf, lvcmdq);
	write_reg(vintf->smmu, page1_reg(vintf, lvcmdq, VCMDQ_BASE), 8, base);
}

static int check_queue(struct iommufd_hw_queue *queue, struct tegra241_vintf *vintf, uint32_t index,
		       struct pa base)
{
	struct machine *machine = vintf->smmu->machine;
	uint64_t max = (uint64_t)COMMAND_SIZE << field_get(vintf->smmu->idr[1], IDR1_CMDQS);
	uint64_t length = queue->length;
	if (index >= vintf->smmu->lvcmdqs)
		return refuse(machine, EINVAL, "cmdqv 9.5", "index above the VINTF's queues");
	if (vintf->queues[index] != NULL)
		return refuse(machine, EEXIST, "cmdqv 9.5", "the index has a queue");
	if (index > 0 && vintf->queues[index - 1] == NULL)
		return refuse(machine, EIO, "cmdqv 9.5", "the previous index has no queue");
	if ((length & (length - 1)) != 0 || length < 32 || length > max)
		return refuse(machine, EINVAL, "cmdqv 9.5",
			      "length is no power of two from 32 to 16 << CMDQS");
	if ((base.value & (length - 1)) != 0 || (base.value & ~VCMDQ_BASE_ADDR) != 0)
		return refuse(machine, EINVAL, "cmdqv 9.5",
			      "the physical base is not aligned to length, or beyond 48 bits");
	return 0;
}

static uint32_t index_of(const struct tegra241_vintf *vintf, const struct iommufd_hw_queue *queue)
{
	uint32_t index = 0;
	while (vintf->queues[index] != queue)
		index++;
	return index;
}

/* The caller holds lvcmdq_mutex. */
static int start_queue(struct iommufd_hw_queue *queue, struct tegra241_vintf *vintf, uint32_t index,
		       struct pa base)
{
	struct arm_smmu *smmu = vintf->smmu;
	int error = check_queue(queue, vintf, index, base);
	if (error == 0 && index > 0) {
		error = iommufd_hw_queue_depend(queue, vintf->queues[index - 1]);
		queue->previous = vintf->queues[index - 1];
	}
	if (error != 0)
		return error;
	vintf->queues[index] = queue;
	queue_init(vintf, index,
		   base.value | (uint64_t)__builtin_ctzll(queue->length / COMMAND_SIZE));
	if (kernel_option(smmu->machine, KERNEL_CMDQV_CONS_DRAM) != KERNEL_SWITCH_DEFAULT) {
		/* A what-if: the last word of the queue's last page. */
		uint64_t last = (base.value + queue->length - 1) | (PAGE_SIZE - 1);
		write_reg(smmu, page1_reg(vintf, index, VCMDQ_CONS_BASE), 8, last - 7);
		write_reg(smmu, CMDQV_CONFIG, 4,
			  read_reg(smmu, CMDQV_CONFIG) | CONFIG_CONS_DRAM_EN);
	}
	ledger_bind(&smmu->machine->ledger, smmu->engine, global_number(vintf, index),
		    vintf->parent->domain.holder, vintf->guest);
	return 0;
}

static int hw_queue_init_phys(struct iommufd_hw_queue *queue, uint32_t index, struct pa base)
{
	struct tegra241_vintf *vintf = queue->viommu->driver_data;
	struct scheduler *sched = sched_of(vintf->smmu->machine);
	mutex_lock(sched, &vintf->lvcmdq_mutex, "lvcmdq_mutex");
	int error = start_queue(queue, vintf, index, base);
	mutex_unlock(sched, &vintf->lvcmdq_mutex);
	return error;
}

static void hw_queue_destroy(struct iommufd_hw_queue *queue)
{
	struct tegra241_vintf *vintf = queue->viommu->driver_data;
	struct scheduler *sched = sched_of(vintf->smmu->machine);
	mutex_lock(sched, &vintf->lvcmdq_mutex, "lvcmdq_mutex");
	uint32_t index = index_of(vintf, queue);
	queue_deinit(vintf, index);
	set_alloc(vintf, index, false);
	vintf->queues[index] = NULL;
	if (queue->previous != NULL)
		iommufd_hw_queue_undepend(queue, queue->previous);
	mutex_unlock(sched, &vintf->lvcmdq_mutex);
}

static bool hw_queue_supported(struct iommufd_viommu *viommu, uint32_t type)
{
	(void)viommu;
	return type == IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV;
}

/* --- vDEVICE: a stream-id pair, REPLACE before MATCH (7.4) --- */

static int vdevice_init(struct iommufd_vdevice *vdevice)
{
	struct tegra241_vintf *vintf = vdevice->viommu->driver_data;
	struct machine *machine = vintf->smmu->machine;
	const struct arm_smmu_master *master =
		(const struct arm_smmu_master *)vdevice->idev->device;
	if (vdevice->virt_id > SID_REPLACE_PHYS)
		return refuse(machine, EINVAL, "cmdqv 9.5", "virt_id is wider than 20 bits");
	uint32_t slot = 0;
	while (slot < vintf->smmu->sid_pairs && (vintf->sids >> slot & 1))
		slot++;
	if (slot == vintf->smmu->sid_pairs)
		return refuse(machine, ENOSPC, "cmdqv 9.5", "no stream-id pair is free");
	vintf->sids |= 1ULL << slot;
	vdevice->driver_slot = slot;
	write_reg(vintf->smmu, vintf_reg(vintf->index, VINTF_SID_REPLACE + 4 * slot), 4,
		  master->sid);
	write_reg(vintf->smmu, vintf_reg(vintf->index, VINTF_SID_MATCH + 4 * slot), 4,
		  field_put(SID_MATCH_VIRT, vdevice->virt_id) | SID_MATCH_ENABLE);
	ledger_guest_reach(&machine->ledger, vintf->guest, REACH_DEVICE, master->sid, true);
	return 0;
}

static void vdevice_destroy(struct iommufd_vdevice *vdevice)
{
	struct tegra241_vintf *vintf = vdevice->viommu->driver_data;
	const struct arm_smmu_master *master =
		(const struct arm_smmu_master *)vdevice->idev->device;
	uint32_t slot = vdevice->driver_slot;
	write_reg(vintf->smmu, vintf_reg(vintf->index, VINTF_SID_MATCH + 4 * slot), 4, 0);
	write_reg(vintf->smmu, vintf_reg(vintf->index, VINTF_SID_REPLACE + 4 * slot), 4, 0);
	vintf->sids &= ~(1ULL << slot);
	ledger_guest_reach(&vintf->smmu->machine->ledger, vintf->guest, REACH_DEVICE, master->sid,
			   false);
}

/* --- VINTF --- */

/* A guest's queues have gone before: each holds its vIOMMU. */
static void take_own_queues_down(struct tegra241_vintf *vintf)
{
	uint32_t l = vintf->lvcmdqs != NULL ? vintf->smmu->lvcmdqs : 0;
	while (l-- > 0) {
		queue_deinit(vintf, l);
		set_alloc(vintf, l, false);
	}
}

static void vintf_deinit(struct tegra241_vintf *vintf)
{
	struct arm_smmu *smmu = vintf->smmu;
	take_own_queues_down(vintf);
	write_reg(smmu, vintf_reg(vintf->index, VINTF_CONFIG), 4, 0);
	poll_bit(smmu, vintf_reg(vintf->index, VINTF_STATUS), VINTF_STATUS_ENABLE_OK, false);
	for (uint32_t slot = 0; slot < smmu->sid_pairs; slot++) {
		write_reg(smmu, vintf_reg(vintf->index, VINTF_SID_MATCH + 4 * slot), 4, 0);
		write_reg(smmu, vintf_reg(vintf->index, VINTF_SID_REPLACE + 4 * slot), 4, 0);
	}
}

static void vintf_init(struct tegra241_vintf *vintf)
{
	struct arm_smmu *smmu = vintf->smmu;
	uint32_t config = (uint32_t)field_put(VINTF_CONFIG_VMID, vintf->vmid);
	if (vintf->lvcmdqs != NULL)
		config |= VINTF_CONFIG_HYP_OWN;
	vintf_deinit(vintf);
	write_reg(smmu, vintf_reg(vintf->index, VINTF_CONFIG), 4, config);
	write_reg(smmu, vintf_reg(vintf->index, VINTF_CONFIG), 4, config | VINTF_CONFIG_ENABLE);
	poll_bit(smmu, vintf_reg(vintf->index, VINTF_STATUS), VINTF_STATUS_ENABLE_OK, true);
}

/* --- VINTF 0: the driver's own commands, with VMID 0 and HYP_OWN (9.1, 9.2, 9.4) --- */

static void enable_own_queue(struct tegra241_vintf *vintf, uint32_t lvcmdq)
{
	struct arm_smmu *smmu = vintf->smmu;
	queue_init(vintf, lvcmdq, arm_smmu_cmdq_base(&vintf->lvcmdqs[lvcmdq]));
	write_reg(smmu, page0_reg(vintf, lvcmdq, VCMDQ_CONFIG), 4, VCMDQ_EN);
	poll_bit(smmu, page0_reg(vintf, lvcmdq, VCMDQ_STATUS), VCMDQ_EN, true);
}

static struct tegra241_vintf *new_own_vintf(struct arm_smmu *smmu)
{
	struct arena *arena = smmu->machine->arena;
	struct tegra241_vintf *vintf = arena_new(arena, struct tegra241_vintf);
	vintf->smmu = smmu;
	vintf->lvcmdqs = arena_alloc(arena, sizeof(*vintf->lvcmdqs) * smmu->lvcmdqs);
	for (uint32_t l = 0; l < smmu->lvcmdqs; l++) {
		uint64_t prod = tegra241_cmdqv_mmio(smmu, page0_reg(vintf, l, VCMDQ_PROD));
		uint64_t cons = tegra241_cmdqv_mmio(smmu, page0_reg(vintf, l, VCMDQ_CONS));
		arm_smmu_cmdq_init(&vintf->lvcmdqs[l], smmu, pa_of(prod), pa_of(cons),
				   SYNC_CS_NONE);
	}
	return vintf;
}

void tegra241_cmdqv_probe(struct arm_smmu *smmu, uint32_t irq)
{
	if (kernel_option(smmu->machine, KERNEL_CMDQV_DISABLE) != KERNEL_SWITCH_DEFAULT) {
		write_reg(smmu, CMDQV_CONFIG, 4,
			  read_reg(smmu, CMDQV_CONFIG) & ~(uint32_t)CONFIG_CMDQV_EN);
		smmu->cmdqv = pa_of(0);
		return;
	}
	irq_request(smmu->machine, irq, handle_irq, smmu);
	reset(smmu);
	struct tegra241_vintf *vintf = new_own_vintf(smmu);
	vintf_init(vintf);
	for (uint32_t l = 0; l < smmu->lvcmdqs; l++)
		enable_own_queue(vintf, l);
	smmu->vintfs[0] = vintf;
}

/* Linux takes the queue of the CPU's number, modulo their count: here all calls are CPU 0's. */
struct arm_smmu_cmdq *tegra241_cmdqv_get_cmdq(struct arm_smmu *smmu)
{
	bool bypassed = kernel_option(smmu->machine, KERNEL_CMDQV_BYPASS) != KERNEL_SWITCH_DEFAULT;
	return smmu->vintfs[0] != NULL && !bypassed ? &smmu->vintfs[0]->lvcmdqs[0] : NULL;
}

/* --- a guest's VINTF (9.5) --- */

static void free_vintf(struct tegra241_vintf *vintf)
{
	struct machine *machine = vintf->smmu->machine;
	vintf_deinit(vintf);
	ledger_guest_reach(&machine->ledger, vintf->guest, REACH_DOMAIN, vintf->vmid, false);
	vintf->smmu->vintfs[vintf->index] = NULL;
	arena_delete(machine->arena, vintf);
}

static void viommu_destroy(struct iommufd_viommu *viommu)
{
	struct tegra241_vintf *vintf = viommu->driver_data;
	iommufd_viommu_destroy_mmap(viommu, vintf->mmap_offset);
	free_vintf(vintf);
}

static int cache_invalidate(struct iommufd_viommu *viommu, struct user_data_array *array)
{
	const struct tegra241_vintf *vintf = viommu->driver_data;
	return arm_vsmmu_cache_invalidate(viommu, vintf->smmu, vintf->vmid, array);
}

static int alloc_domain_nested(struct iommufd_viommu *viommu, uint32_t flags,
			       const struct user_data *data, struct iommu_domain **out)
{
	const struct tegra241_vintf *vintf = viommu->driver_data;
	return arm_smmu_nested_alloc(viommu, vintf->parent, flags, data, out);
}

static const struct iommufd_viommu_ops viommu_ops = {
	.destroy = viommu_destroy,
	.alloc_domain_nested = alloc_domain_nested,
	.cache_invalidate = cache_invalidate,
	.vdevice_init = vdevice_init,
	.vdevice_destroy = vdevice_destroy,
	.hw_queue_supported = hw_queue_supported,
	.hw_queue_init_phys = hw_queue_init_phys,
	.hw_queue_destroy = hw_queue_destroy,
};

static const struct user_data_form viommu_data = {
	.type = IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV,
	.size = sizeof(struct iommu_viommu_tegra241_cmdqv),
	.min = sizeof(struct iommu_viommu_tegra241_cmdqv),
	.not_length = "data_len is not that of an iommu_viommu_tegra241_cmdqv, 16",
};

int tegra241_cmdqv_viommu_init(struct iommufd_viommu *viommu, struct arm_smmu *smmu,
			       struct arm_smmu_domain *parent, const struct user_data *data)
{
	struct machine *machine = smmu->machine;
	struct iommu_viommu_tegra241_cmdqv info;
	if (data == NULL)
		return refuse(machine, EINVAL, "cmdqv 9.5", "the data is mandatory");
	int error = copy_user_data(data, &viommu_data, &info);
	if (error != 0)
		return error;
	uint32_t index = 1;
	while (index < smmu->vintf_count && smmu->vintfs[index] != NULL)
		index++;
	if (index >= smmu->vintf_count)
		return refuse(machine, ENOSPC, "cmdqv 9.5", "no VINTF is free");
	struct tegra241_vintf *vintf = arena_new(machine->arena, struct tegra241_vintf);
	smmu->vintfs[index] = vintf;
	vintf->smmu = smmu;
	vintf->viommu = viommu;
	vintf->parent = parent;
	vintf->index = index;
	vintf->vmid = parent->vmid;
	vintf->guest = ledger_guest_new(&machine->ledger);
	mutex_init(&vintf->lvcmdq_mutex);
	ledger_guest_reach(&machine->ledger, vintf->guest, REACH_DOMAIN, vintf->vmid, true);
	vintf_init(vintf);
	error = iommufd_viommu_alloc_mmap(
		viommu, pa_of(tegra241_cmdqv_mmio(smmu, cmdqv_vintf_page0(index))), CMDQV_PAGE_SIZE,
		&vintf->mmap_offset);
	if (error != 0) {
		free_vintf(vintf);
		return error;
	}
	info.out_vintf_mmap_offset = vintf->mmap_offset;
	info.out_vintf_mmap_length = CMDQV_PAGE_SIZE;
	if (copy_to_user(data->thread, data->va, &info, sizeof(info)) != 0) {
		iommufd_viommu_destroy_mmap(viommu, vintf->mmap_offset);
		free_vintf(vintf);
		return refuse(machine, EFAULT, "cmdqv 9.5", "the data can't be written back");
	}
	viommu->driver_data = vintf;
	viommu->ops = &viommu_ops;
	return 0;
}
