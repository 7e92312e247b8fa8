// SPDX-License-Identifier: Apache-2.0
/*
 * The vIOMMU as posted for Linux (AE-d): GuestID, trans_devid, maps of ids, queues by guest address
 * (amd-viommu 7, 8, 12.3, 13, 14). In 7.3.4 there is none of it.
 */
#include "kernel_shim/drivers/amd_iommu/amd.h"

#include <assert.h>

#define MAP_ENTRIES 65536U

void amd_vfcntl_write(const struct amd_viommu *viommu, uint32_t offset, uint64_t value)
{
	struct amd *amd = viommu->amd;
	uint64_t at = amd->vfcntl.value + (uint64_t)viommu->guest * VFCNTL_STRIDE + offset;
	bus_write(&amd->machine->bus, pa_of(at), 8, value);
}

uint64_t amd_vfcntl_read(const struct amd_viommu *viommu, uint32_t offset)
{
	struct amd *amd = viommu->amd;
	uint64_t at = amd->vfcntl.value + (uint64_t)viommu->guest * VFCNTL_STRIDE + offset;
	return bus_read(&amd->machine->bus, pa_of(at), 8);
}

/* --- private addresses (7) --- */

static void flush_private(struct amd *amd, uint64_t ipa, uint64_t length)
{
	struct amd_freed freed;
	amd_tables_take_freed(&amd->private_tables, &freed);
	amd_queue(amd,
		  amd_command_invalidate_pages(amd->private_domain, ipa, ipa + length - 1, true));
	amd_completion_wait(amd);
	amd_tables_release(&amd->private_tables, &freed);
}

/* 4 KiB entries in all versions. */
int amd_map_private(struct amd *amd, uint64_t ipa, uint64_t pfn, uint64_t length)
{
	bool grew = false;
	int error = amd_tables_map(&amd->private_tables, ipa, pfn * PAGE_SIZE, length,
				   IOMMU_READ | IOMMU_WRITE, PAGE_SIZE, &grew);
	assert(!grew && "39 bits hold all of it");
	flush_private(amd, ipa, length);
	return error;
}

void amd_unmap_private(struct amd *amd, uint64_t ipa, uint64_t length)
{
	amd_tables_unmap(&amd->private_tables, ipa, length);
	flush_private(amd, ipa, length);
}

static void free_private_tables(struct amd *amd)
{
	amd_give_number(amd->domains, amd->private_domain);
	amd_tables_fini(&amd->private_tables);
	amd_ext_int_fini(amd);
}

static bool make_private_tables(struct amd *amd, uint64_t pfn)
{
	if (!amd_ext_int_init(amd) || !amd_tables_init(&amd->private_tables, amd->machine)) {
		amd_ext_int_fini(amd);
		return false;
	}
	amd->private_domain = amd_take_number(amd->domains);
	if (amd_map_private(amd, IPA_MMIO_STATE, pfn, IPA_MMIO_STATE_SIZE) == 0)
		return true;
	free_private_tables(amd);
	return false;
}

/* The hardware keeps its guests' registers there. */
static int make_private_space(struct amd *amd)
{
	uint64_t pfn = alloc_shared_frames(amd->machine, IPA_MMIO_STATE_SIZE);
	if (pfn == 0)
		return -ENOMEM;
	amd->mmio_state_pfn = pfn;
	if (make_private_tables(amd, pfn))
		return 0;
	memory_put(&amd->machine->memory, pfn, IPA_MMIO_STATE_SIZE / PAGE_SIZE);
	return refuse(amd->machine, ENOMEM, "amd-viommu 7", "no memory for the private space");
}

/* As a device is detached; only then are the tables another's to use (amd-iommu 9). */
static void undo_private_space(struct amd *amd)
{
	const struct amd_dte dte = amd_dte_blocked();
	amd_dte_update(amd, amd->own_device, &dte);
	amd_queue(amd, amd_command_invalidate_domain(amd->private_domain));
	amd_completion_wait(amd);
	free_private_tables(amd);
	memory_put(&amd->machine->memory, amd->mmio_state_pfn, IPA_MMIO_STATE_SIZE / PAGE_SIZE);
}

/* --- turning it on (2, 13) --- */

static int check_hardware(struct amd *amd)
{
	if (!(amd->efr & EFR_VIOMMU))
		return refuse(amd->machine, EOPNOTSUPP, "amd-viommu 2",
			      "the hardware has no vIOMMU");
	if (amd->vf.value == 0 || amd->vfcntl.value == 0)
		return refuse(amd->machine, EOPNOTSUPP, "amd-viommu 3",
			      "firmware has not enabled the BARs of the vIOMMU");
	if (!(amd->control & CONTROL_GA_EN))
		return refuse(amd->machine, EOPNOTSUPP, "amd-viommu 2", "GAEn is not on");
	return 0;
}

/* No feature bit says that there is GstBufferTRPMode (2). */
static int set_buffer_mode(struct amd *amd)
{
	amd_control(amd, CONTROL_GST_BUFFER_TRP, true);
	if (amd_read(amd, AMD_CONTROL, 8) & CONTROL_GST_BUFFER_TRP)
		return 0;
	amd_control(amd, CONTROL_GST_BUFFER_TRP, false);
	return refuse(amd->machine, EINVAL, "amd-viommu 2", "GstBufferTRPMode does not stick");
}

/* Bits 60, 58, 52, 53. */
static int turn_on_features(struct amd *amd)
{
	int error = amd->private_buffers ? 0 : set_buffer_mode(amd);
	if (error != 0)
		return error;
	if (amd->efr2 & EFR2_GCR3_TRP)
		amd_control(amd, CONTROL_GCR3_TRP, true);
	amd_control(amd, CONTROL_VCMD_EN, true);
	amd_control(amd, CONTROL_VIOMMU_EN, true);
	return 0;
}

/* Private memory, the IOMMU's own table entry, then the features. */
static int turn_on(struct amd *amd)
{
	int error = check_hardware(amd);
	if (error == 0)
		error = make_private_space(amd);
	if (error != 0)
		return error;
	amd->private_buffers =
		kernel_option(amd->machine, KERNEL_AMD_BUFFERS) == AMD_BUFFERS_PRIVATE;
	struct amd_dte dte = amd_dte_for(&amd->private_tables, amd->private_domain);
	dte.q[2] = amd_ext_int_word(amd);
	amd_dte_update(amd, amd->own_device, &dte);
	error = turn_on_features(amd);
	if (error != 0)
		undo_private_space(amd);
	amd->vimu = error == 0;
	return error;
}

/* --- maps of ids --- */

static void map_device(const struct amd_viommu *viommu, uint16_t guest_device, uint16_t device)
{
	amd_vfcntl_write(viommu, VFCNTL_DEVICE_MAP,
			 MAP_WRITE | field_put(MAP_GUEST, guest_device) |
				 field_put(MAP_HOST, device) | MAP_VALID);
}

void amd_viommu_map_domain(const struct amd_viommu *viommu, uint16_t guest_domain, uint16_t domain)
{
	amd_vfcntl_write(viommu, VFCNTL_DOMAIN_MAP,
			 MAP_WRITE | field_put(MAP_GUEST, guest_domain) |
				 field_put(MAP_HOST, domain) | MAP_VALID);
}

/*
 * Every guest DomainID leads to the parent's, as the hardware logs an event for a missing one, and
 * every guest DeviceID to the host's device 0: 131072 register writes (7).
 */
static void fill_maps(const struct amd_viommu *viommu)
{
	for (uint32_t number = 0; number < MAP_ENTRIES; number++) {
		amd_viommu_map_domain(viommu, (uint16_t)number, viommu->parent->id);
		map_device(viommu, (uint16_t)number, 0);
	}
}

static uint64_t device_map_ipa(const struct amd_viommu *viommu)
{
	return IPA_DEVICE_MAPS + viommu->guest * DEVICE_MAP_SIZE;
}

static uint64_t domain_map_ipa(const struct amd_viommu *viommu)
{
	return IPA_DOMAIN_MAPS + viommu->guest * DOMAIN_MAP_SIZE;
}

static void put_map(struct amd *amd, uint64_t ipa, uint64_t pfn, uint64_t size)
{
	if (pfn == 0)
		return;
	amd_unmap_private(amd, ipa, size);
	memory_put(&amd->machine->memory, pfn, size / PAGE_SIZE);
}

static void free_maps(struct amd_viommu *viommu)
{
	put_map(viommu->amd, device_map_ipa(viommu), viommu->device_map_pfn, DEVICE_MAP_SIZE);
	put_map(viommu->amd, domain_map_ipa(viommu), viommu->domain_map_pfn, DOMAIN_MAP_SIZE);
}

static int make_maps(struct amd_viommu *viommu)
{
	struct amd *amd = viommu->amd;
	int error = -ENOMEM;
	viommu->device_map_pfn = alloc_shared_frames(amd->machine, DEVICE_MAP_SIZE);
	viommu->domain_map_pfn = alloc_shared_frames(amd->machine, DOMAIN_MAP_SIZE);
	if (viommu->device_map_pfn != 0 && viommu->domain_map_pfn != 0)
		error = amd_map_private(amd, device_map_ipa(viommu), viommu->device_map_pfn,
					DEVICE_MAP_SIZE);
	if (error == 0)
		error = amd_map_private(amd, domain_map_ipa(viommu), viommu->domain_map_pfn,
					DOMAIN_MAP_SIZE);
	if (error == 0)
		fill_maps(viommu);
	else
		free_maps(viommu);
	return error;
}

/* --- vDEVICE (13) --- */

static int vdevice_init(struct iommufd_vdevice *vdevice)
{
	struct amd_viommu *viommu = vdevice->viommu->driver_data;
	struct machine *machine = viommu->amd->machine;
	const struct amd_device *device = (const struct amd_device *)vdevice->idev->device;
	if (vdevice->virt_id > UINT16_MAX)
		return refuse(machine, EINVAL, "amd-viommu 13", "virt_id is wider than 16 bits");
	map_device(viommu, (uint16_t)vdevice->virt_id, device->id);
	ledger_guest_reach(&machine->ledger, viommu->ledger_guest, REACH_DEVICE, device->id, true);
	return 0;
}

static void vdevice_destroy(struct iommufd_vdevice *vdevice)
{
	struct amd_viommu *viommu = vdevice->viommu->driver_data;
	const struct amd_device *device = (const struct amd_device *)vdevice->idev->device;
	map_device(viommu, (uint16_t)vdevice->virt_id, 0);
	ledger_guest_reach(&viommu->amd->machine->ledger, viommu->ledger_guest, REACH_DEVICE,
			   device->id, false);
}

/* --- vIOMMU --- */

static void reset_guest(const struct amd_viommu *viommu)
{
	amd_queue(viommu->amd, amd_command_reset_vmmio(viommu->guest));
	amd_completion_wait(viommu->amd);
}

/* As AE-d destroys: the engine is never told to stop (12.3, 3). */
static void tear_down_as_posted(struct amd_viommu *viommu)
{
	free_maps(viommu);
	amd_vfcntl_write(viommu, VFCNTL_MISC, 0);
	fill_maps(viommu);
}

/* An order that leaves nothing running: stop, reset, wait; only then what it used. */
static void tear_down_safely(struct amd_viommu *viommu)
{
	amd_vfcntl_write(viommu, VFCNTL_COMMAND,
			 amd_vfcntl_read(viommu, VFCNTL_COMMAND) & ~GUEST_CMD_EN);
	reset_guest(viommu);
	amd_vfcntl_write(viommu, VFCNTL_MISC, 0);
	free_maps(viommu);
}

static void release(struct amd_viommu *viommu)
{
	struct amd *amd = viommu->amd;
	struct amd_dte cleared = amd_dte_blocked();
	if (kernel_option(amd->machine, KERNEL_AMD_TRANS_CLEAR) == AMD_TRANS_CLEAR_ZERO) {
		amd_dte_read(amd, viommu->trans_devid, &cleared);
		cleared.q[0] = cleared.q[1] = 0; /* the others are left alone (8) */
	}
	amd_dte_update(amd, viommu->trans_devid, &cleared);
	amd_give_number(amd->trans_devids, viommu->trans_devid);
	if (!viommu->guest_given)
		amd_give_number(amd->guests, viommu->guest);
	arena_delete(amd->machine->arena, viommu);
}

void amd_viommu_change_root(struct amd_viommu *viommu)
{
	struct amd_dte dte = amd_dte_for(&viommu->parent->tables, viommu->parent->id);
	amd_dte_update(viommu->amd, viommu->trans_devid, &dte);
}

static void viommu_destroy(struct iommufd_viommu *object)
{
	struct amd_viommu *viommu = object->driver_data;
	amd_domain_lock(viommu->parent);
	LIST_REMOVE(viommu, link);
	amd_domain_unlock(viommu->parent);
	iommufd_viommu_destroy_mmap(object, viommu->mmap_offset);
	amd_ext_int_clear(viommu->amd, viommu->guest);
	if (kernel_option(viommu->amd->machine, KERNEL_AMD_GUEST_ID) == AMD_GUEST_ID_FREED_FIRST) {
		amd_give_number(viommu->amd->guests, viommu->guest);
		viommu->guest_given = true;
	}
	if (kernel_option(viommu->amd->machine, KERNEL_AMD_DESTROY) == AMD_DESTROY_POSTED)
		tear_down_as_posted(viommu);
	else
		tear_down_safely(viommu);
	release(viommu);
}

static const struct iommufd_viommu_ops viommu_ops = {
	.destroy = viommu_destroy,
	.alloc_domain_nested = amd_nested_alloc,
	.vdevice_init = vdevice_init,
	.vdevice_destroy = vdevice_destroy,
	.hw_queue_supported = amd_hw_queue_supported,
	.hw_queue_pins = amd_hw_queue_pins,
	.hw_queue_init = amd_hw_queue_init,
	.hw_queue_destroy = amd_hw_queue_destroy,
	.hw_queue_bytes = amd_hw_queue_bytes,
};

/* In 7.3.4 the object can be made, of any type, and does nothing (13). */
static const struct iommufd_viommu_ops empty_ops = {.destroy = NULL};

static bool posted(struct machine *machine)
{
	return kernel_option(machine, KERNEL_AMD_VIOMMU) == AMD_VIOMMU_POSTED;
}

/* A scenario says later that the kernel is the posted one: then it is made up for. */
void amd_viommu_probe(struct amd *amd)
{
	if (posted(amd->machine))
		turn_on(amd);
}

bool amd_viommu_supported(struct device *device, uint32_t type)
{
	return !posted(device->machine) || type == IOMMU_VIOMMU_TYPE_AMD;
}

/* From the top down, as unused bus numbers are there (8). */
static void claim_trans_devid(struct amd_viommu *viommu)
{
	struct amd *amd = viommu->amd;
	struct amd_dte dte = amd_dte_for(&viommu->parent->tables, viommu->parent->id);
	viommu->trans_devid = amd_take_high_number(amd->trans_devids);
	amd_dte_update(amd, viommu->trans_devid, &dte);
	amd_vfcntl_write(viommu, VFCNTL_MISC, field_put(MISC_TRANS_DEVICE, viommu->trans_devid));
}

/* What the guest's ring and logs may touch is what the parent domain maps. */
static void bind_guest(struct amd_viommu *viommu)
{
	struct ledger *ledger = &viommu->amd->machine->ledger;
	viommu->ledger_guest = ledger_guest_new(ledger);
	ledger_guest_reach(ledger, viommu->ledger_guest, REACH_DOMAIN, viommu->parent->id, true);
	ledger_bind(ledger, viommu->amd->engine, viommu->guest, viommu->parent->domain.holder,
		    viommu->ledger_guest);
}

static const struct user_data_form viommu_data = {
	.type = IOMMU_VIOMMU_TYPE_AMD,
	.size = sizeof(struct iommu_viommu_amd),
	.min = sizeof(struct iommu_viommu_amd),
	.not_length = "data_len is not that of an iommu_viommu_amd, 8",
};

static int answer(struct iommufd_viommu *object, struct amd_viommu *viommu,
		  const struct user_data *data)
{
	struct machine *machine = viommu->amd->machine;
	uint64_t vf = viommu->amd->vf.value + (uint64_t)viommu->guest * VF_STRIDE;
	struct iommu_viommu_amd info;
	int error = copy_user_data(data, &viommu_data, &info);
	if (error == 0)
		error = iommufd_viommu_alloc_mmap(object, pa_of(vf), VF_STRIDE,
						  &viommu->mmap_offset);
	if (error != 0)
		return error;
	info.out_vfmmio_mmap_offset = viommu->mmap_offset;
	if (copy_to_user(data->thread, data->va, &info, sizeof(info)) == 0)
		return 0;
	iommufd_viommu_destroy_mmap(object, viommu->mmap_offset);
	return refuse(machine, EFAULT, "amd-viommu 14", "the data can't be written back");
}

int amd_viommu_init(struct iommufd_viommu *object, struct iommu_domain *iommu_domain,
		    const struct user_data *data)
{
	struct amd_domain *parent = to_amd_domain(iommu_domain);
	struct amd *amd = object->iommu;
	struct machine *machine = amd->machine;
	if (parent == NULL || parent->amd != amd)
		return refuse(machine, EINVAL, "iommufd app. D vIOMMU",
			      "the parent belongs to another IOMMU");
	object->ops = &empty_ops;
	if (!posted(machine))
		return 0;
	if (data == NULL)
		return refuse(machine, EINVAL, "amd-viommu 14", "the data is mandatory");
	uint16_t guest = amd_take_number(amd->guests);
	if (guest == 0)
		return refuse(machine, ENOSPC, "amd-viommu 6", "no GuestID is free");
	struct amd_viommu *viommu = arena_new(machine->arena, struct amd_viommu);
	viommu->amd = amd;
	viommu->parent = parent;
	viommu->guest = guest;
	LIST_INIT(&viommu->numbers);
	int error = answer(object, viommu, data);
	if (error == 0 && !amd->vimu) {
		error = turn_on(amd);
		if (error != 0)
			iommufd_viommu_destroy_mmap(object, viommu->mmap_offset);
	}
	if (error != 0) {
		amd_give_number(amd->guests, guest);
		arena_delete(machine->arena, viommu);
		return error;
	}
	bind_guest(viommu);
	reset_guest(viommu);
	claim_trans_devid(viommu);
	if (!amd_ext_int_prepare(amd, guest) || make_maps(viommu) != 0) {
		iommufd_viommu_destroy_mmap(object, viommu->mmap_offset);
		amd_vfcntl_write(viommu, VFCNTL_MISC, 0);
		release(viommu);
		return refuse(machine, ENOMEM, "amd-viommu 7",
			      "no memory for the tables of interrupts or the maps of ids");
	}
	amd_domain_lock(parent);
	LIST_INSERT_HEAD(&parent->viommus, viommu, link);
	amd_domain_unlock(parent);
	object->driver_data = viommu;
	object->ops = &viommu_ops;
	return 0;
}
