/* SPDX-License-Identifier: Apache-2.0 */
/* The vIOMMU that is posted for Linux, through ioctls (amd-viommu 7, 8, 12.3, 13, 14). */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/amd_world.h"
#include "tests/kit/run.h"

#define RING_IOVA  0x40000000ULL
#define STORE_IOVA 0x40002000ULL
#define VIRT_ID    0x100U
#define TOP        0xffffU /* the first trans_devid */
#define GUEST_MAPS 65536U

static struct amd_world *amd;
static struct world *world;
static uint32_t parent, viommu;
static uint64_t ring_va, store_va;
static uint16_t domain_id; /* of the parent */
static uint64_t root_dte;  /* word 0 of an entry that leads to its tables */
static uint64_t mmap_offset;

static void setup_posted(void)
{
	amd = amd_world_new(true);
	world = amd->world;
}

static void setup_none(void)
{
	amd = amd_world_new(false);
	world = amd->world;
}

static void teardown(void)
{
	amd_world_free(amd);
}

/* --- calls --- */

static int64_t viommu_alloc(uint32_t type, uint32_t hwpt, uint32_t length, uint64_t data)
{
	struct iommu_viommu_alloc cmd = {.type = type,
					 .dev_id = amd->device,
					 .hwpt_id = hwpt,
					 .data_len = length,
					 .data_uptr = data};
	int64_t error = world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_viommu_id;
}

static uint32_t new_viommu(void)
{
	int64_t id = viommu_alloc(IOMMU_VIOMMU_TYPE_AMD, parent, 8, world->data);
	ck_assert_int_gt(id, 0);
	world_get(world, world->data, &mmap_offset, sizeof(mmap_offset));
	return (uint32_t)id;
}

/* A nest parent with the device on it. */
static void make_parent(void)
{
	parent = amd_world_hwpt(amd, IOMMU_HWPT_ALLOC_NEST_PARENT);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, parent), 0);
	struct amd_dte dte = amd_world_dte(amd, AMD_DEVICE);
	domain_id = (uint16_t)field_get(dte.q[1], DTE_DOMAIN);
	root_dte = dte.q[0];
}

/* And a vIOMMU: GuestID 1. Two pages are mapped, for a ring and for what it stores. */
static void make_guest(void)
{
	make_parent();
	viommu = new_viommu();
	ring_va = amd_world_map(amd, RING_IOVA, 2);
	store_va = amd_world_map(amd, STORE_IOVA, 1);
	amd_world_look(amd);
}

static int64_t queue_alloc(uint32_t type, uint32_t index, uint64_t iova, uint64_t length)
{
	struct iommu_hw_queue_alloc cmd = {.viommu_id = viommu,
					   .type = type,
					   .index = index,
					   .nesting_parent_iova = iova,
					   .length = length};
	int64_t error = world_ioctl(world, IOMMUFD_NR_HW_QUEUE_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_hw_queue_id;
}

static uint32_t new_ring(uint64_t code)
{
	int64_t id = queue_alloc(IOMMU_HW_QUEUE_TYPE_AMD_CMD, 0, RING_IOVA, code);
	ck_assert_int_gt(id, 0);
	return (uint32_t)id;
}

static int64_t unmap(uint64_t iova, uint64_t pages)
{
	return world_unmap(world, amd->ioas, iova, pages * PAGE_SIZE);
}

static void destroy(uint32_t id)
{
	ck_assert_int_eq(world_destroy(world, id), 0);
}

/* --- the guest --- */

/* Puts a command at ENTRY of the ring, tells the hardware, and lets it run. */
static void guest_runs(uint32_t entry, struct amd_command command)
{
	uint8_t bytes[COMMAND_SIZE];
	amd_command_store(bytes, &command);
	world_put(world, ring_va + COMMAND_SIZE * entry, bytes, sizeof(bytes));
	bus_write(&amd->machine->bus, pa_of(AMD_VF_AT + VF_STRIDE + 8), 8,
		  COMMAND_SIZE * (entry + 1));
	amd_world_run(amd);
}

static uint64_t vf(uint16_t guest, uint32_t offset)
{
	return bus_read(&amd->machine->bus, pa_of(AMD_VF_AT + (uint64_t)guest * VF_STRIDE + offset),
			8);
}

static uint64_t stored(void)
{
	uint64_t word;
	world_get(world, store_va, &word, sizeof(word));
	return word;
}

static bool reads(uint64_t iova, struct amd_translation *got)
{
	return amd_guest_translate(amd_guest_find(amd->iommu, 1), iova, false, got) ==
	       AMD_TRANSLATED;
}

static unsigned vfcntl_place(uint32_t offset)
{
	return amd_world_place(amd, AMD_REGION_VFCNTL, VFCNTL_STRIDE + offset, 0);
}

static bool taken(const uint64_t *map, unsigned number)
{
	return map[number / 64] >> number % 64 & 1;
}

/* --- what the hardware must have (2) --- */

START_TEST(a_nest_parent_needs_guest_tables_giov_and_gcr3trpmode)
{
	const struct {
		uint64_t *word;
		uint64_t bit;
	} rows[] = {{&amd->driver->efr, EFR_GT},
		    {&amd->driver->efr, EFR_GIO},
		    {&amd->driver->control, CONTROL_GCR3_TRP}};
	for (unsigned i = 0; i < 3; i++) {
		*rows[i].word &= ~rows[i].bit;
		ck_assert_int_eq(
			world_hwpt(world, amd->device, amd->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT),
			-EOPNOTSUPP);
		ck_assert_int_gt(world_hwpt(world, amd->device, amd->ioas, 0), 0);
		*rows[i].word |= rows[i].bit;
	}
	ck_assert_int_gt(world_hwpt(world, amd->device, amd->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT),
			 0);
}
END_TEST

START_TEST(a_domain_for_pasids_is_not_modelled)
{
	ck_assert_int_eq(world_hwpt(amd->world, amd->device, amd->ioas, IOMMU_HWPT_ALLOC_PASID),
			 -EOPNOTSUPP);
}
END_TEST

START_TEST(a_viommu_needs_gaen)
{
	make_parent();
	amd_world_option(amd, KERNEL_AMD_VIOMMU, AMD_VIOMMU_POSTED);
	amd_control(amd->driver, CONTROL_GA_EN, false);
	ck_assert_int_eq(viommu_alloc(IOMMU_VIOMMU_TYPE_AMD, parent, 8, world->data), -EOPNOTSUPP);
	amd_control(amd->driver, CONTROL_GA_EN, true);
	ck_assert_int_gt(viommu_alloc(IOMMU_VIOMMU_TYPE_AMD, parent, 8, world->data), 0);
}
END_TEST

/* --- as in 7.3.4 (13) --- */

START_TEST(in_7_3_4_a_viommu_of_any_type_is_made_and_has_no_queue)
{
	static const uint32_t types[] = {1, 2, 3, 77};
	make_parent();
	amd_world_look(amd);
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		int64_t id = viommu_alloc(types[i], parent, 0, 0);
		ck_assert_int_gt(id, 0);
		viommu = (uint32_t)id;
		for (uint32_t type = 1; type <= 5; type++)
			ck_assert_int_eq(queue_alloc(type, 0, RING_IOVA, 8), -EOPNOTSUPP);
		destroy(viommu);
	}
	ck_assert_uint_eq(amd->count + amd->device_map.writes + amd->domain_map.writes, 0);
	ck_assert_uint_eq(amd->driver->control &
				  (CONTROL_VCMD_EN | CONTROL_VIOMMU_EN | CONTROL_GST_BUFFER_TRP),
			  0);
}
END_TEST

START_TEST(a_vdevice_of_7_3_4_maps_nothing)
{
	make_parent();
	viommu = (uint32_t)viommu_alloc(3, parent, 0, 0);
	amd_world_look(amd);
	int64_t id = world_vdevice(world, viommu, amd->device, VIRT_ID);
	ck_assert_int_gt(id, 0);
	destroy((uint32_t)id);
	ck_assert_uint_eq(amd->count + amd->device_map.writes, 0);
}
END_TEST

/* --- what is made, and in which order (8, 13) --- */

START_TEST(a_viommu_is_checked_before_anything_is_taken)
{
	const struct {
		uint32_t type, length;
		uint64_t data;
		int error;
	} rows[] = {
		{1, 8, world->data, EOPNOTSUPP}, {2, 8, world->data, EOPNOTSUPP},
		{4, 8, world->data, EOPNOTSUPP}, {3, 0, world->data, EINVAL},
		{3, 4, world->data, EINVAL},     {3, 16, world->data, EINVAL},
		{3, 8, NOWHERE, EFAULT},
	};
	make_parent();
	amd_world_look(amd);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_int_eq(viommu_alloc(rows[i].type, parent, rows[i].length, rows[i].data),
				 -rows[i].error);
	ck_assert_int_eq(viommu_alloc(3, amd_world_hwpt(amd, 0), 8, world->data), -EINVAL);
	ck_assert_uint_eq(amd->count + amd->device_map.writes, 0);
	ck_assert(!taken(amd->driver->guests, 1));
	ck_assert(!taken(amd->driver->trans_devids, TOP));
}
END_TEST

START_TEST(a_parent_of_another_iommu_is_refused)
{
	struct amd *other = amd_world_second(amd, 0x200000000);
	make_parent();
	amd_world_add(amd, other, "/dev/vfio/devices/vfio1", AMD_DEVICE, false, &amd->device);
	ck_assert_int_eq(viommu_alloc(3, parent, 8, world->data), -EINVAL);
}
END_TEST

/* RESET_VMMIO and wait; the table entry, INVALIDATE_DEVTAB_ENTRY, wait; Misc Control; the maps. */
START_TEST(a_guest_is_reset_then_gets_its_trans_devid_then_its_maps)
{
	static const struct amd_command reset = {{0xa000000090000001, 0}};
	make_parent();
	amd->watched = TOP;
	amd_world_look(amd);
	viommu = new_viommu();
	unsigned misc = vfcntl_place(VFCNTL_MISC);
	ck_assert(AMD_SENT_FIRST(amd, reset, AMD_WAIT, {{0x200000000000ffff, 0}}, AMD_WAIT));
	ck_assert_uint_gt(misc, amd_world_command(amd, CMD_COMPLETION_WAIT, 1));
	ck_assert_uint_lt(misc, amd->count);
	ck_assert_uint_eq(amd->log[misc].value, 0xffff0000);
	ck_assert_uint_eq(amd->log[misc].width, 8);
	ck_assert_uint_eq(amd->log[misc].dte.q[0], root_dte);
	ck_assert_uint_eq(amd->log[misc].dte.q[1], domain_id);
	/* What is private is flushed before the first entry is written. */
	unsigned flush = amd_world_command(amd, CMD_INVALIDATE_IOMMU_PAGES, 1);
	ck_assert_uint_gt(flush, misc);
	ck_assert_uint_gt(amd->device_map.at, flush + 1);
	ck_assert_uint_eq(amd->device_map.at, amd->count);
	ck_assert_uint_eq(amd->domain_map.at, amd->count);
}
END_TEST

/* 8: V, TV, IR, IW; the parent's root, Mode and DomainID; GV = 0. */
START_TEST(the_trans_devid_translates_as_the_parent_does)
{
	struct amd_translation got;
	make_guest();
	struct amd_dte dte = amd_world_dte(amd, TOP);
	ck_assert_uint_eq(dte.q[0] & ~DTE_ROOT, 0x6000000000000603);
	ck_assert_uint_eq(dte.q[0], root_dte);
	ck_assert_uint_eq(dte.q[1], domain_id);
	ck_assert_uint_eq(dte.q[3], 0);
	ck_assert(amd_world_works(amd, TOP, STORE_IOVA + 8, true, &got));
	uint64_t pa = got.pa.value;
	ck_assert(amd_world_works(amd, AMD_DEVICE, STORE_IOVA + 8, true, &got));
	ck_assert_uint_eq(got.pa.value, pa);
}
END_TEST

START_TEST(guest_ids_count_up_and_trans_devids_down_and_both_come_back)
{
	uint32_t ids[3];
	make_parent();
	for (uint16_t i = 0; i < 3; i++) {
		ids[i] = new_viommu();
		ck_assert_uint_eq(amd_world_vfcntl(amd, i + 1, VFCNTL_MISC), (uint64_t)(TOP - i)
										     << 16);
	}
	ck_assert_uint_eq(amd_world_vfcntl(amd, 4, VFCNTL_MISC), 0);
	destroy(ids[1]);
	ck_assert_uint_eq(amd_world_vfcntl(amd, 2, VFCNTL_MISC), 0);
	new_viommu();
	ck_assert_uint_eq(amd_world_vfcntl(amd, 2, VFCNTL_MISC), 0xfffe0000);
	ck_assert_uint_eq(amd_world_vfcntl(amd, 3, VFCNTL_MISC), 0xfffd0000);
}
END_TEST

/* 7: "every GDomainID -> the parent DomainID", "every GDeviceID -> host DeviceID 0". */
START_TEST(every_id_is_mapped_once_to_the_parent_or_to_device_0)
{
	make_parent();
	amd_world_look(amd);
	new_viommu();
	ck_assert_uint_eq(amd->device_map.writes + amd->domain_map.writes, 131072);
	for (unsigned id = 0; id < GUEST_MAPS; id++) {
		ck_assert_uint_eq(amd->device_map.times[id], 1);
		ck_assert_uint_eq(amd->domain_map.times[id], 1);
		ck_assert_uint_eq(amd->device_map.host[id], 0);
		ck_assert_uint_eq(amd->domain_map.host[id], domain_id);
	}
}
END_TEST

/* The two tables lie where the guest's number says, and nowhere else. */
START_TEST(the_maps_of_guests_lie_apart)
{
	struct amd_translation got;
	make_parent();
	for (uint64_t guest = 1; guest <= 2; guest++) {
		uint64_t devices = 0x1000000000 + guest * 0x100000;
		uint64_t domains = 0x2000000000 + guest * 0x80000;
		ck_assert(!amd_world_works(amd, AMD_OWN_DEVICE, devices, true, &got));
		ck_assert(!amd_world_works(amd, AMD_OWN_DEVICE, domains, true, &got));
		new_viommu();
		ck_assert(amd_world_works(amd, AMD_OWN_DEVICE, devices, true, &got));
		ck_assert_uint_eq(got.order, 0); /* 4 KB entries in all versions */
		uint64_t first = got.pa.value;
		ck_assert(amd_world_works(amd, AMD_OWN_DEVICE, devices + 0xffff0, true, &got));
		ck_assert_uint_eq(got.pa.value, first + 0xffff0);
		ck_assert(amd_world_works(amd, AMD_OWN_DEVICE, domains + 0x7fff8, true, &got));
	}
}
END_TEST

START_TEST(a_viommu_acts_for_its_parent_and_reaches_its_domain)
{
	make_guest();
	struct ledger *ledger = &amd->machine->ledger;
	const struct ledger_binding *binding = ledger_binding(ledger, amd->driver->engine, 1);
	const struct ledger_binding *device =
		ledger_binding(ledger, amd->driver->engine, CONTEXT_DEVICE(AMD_DEVICE));
	ck_assert_ptr_nonnull(binding);
	ck_assert_uint_eq(binding->holder, device->holder);
	ck_assert(ledger_guest_reaches(ledger, binding->guest, REACH_DOMAIN, domain_id));
	ck_assert(!ledger_guest_reaches(ledger, binding->guest, REACH_DOMAIN, domain_id + 1));
	ck_assert(!ledger_guest_reaches(ledger, binding->guest, REACH_DEVICE, AMD_DEVICE));
	ck_assert(!ledger_guest_reaches(ledger, binding->guest, REACH_DEVICE, 0));
}
END_TEST

/* --- vDEVICE (13) --- */

START_TEST(a_vdevice_is_one_write_to_the_map_and_back)
{
	make_guest();
	struct ledger *ledger = &amd->machine->ledger;
	uint32_t guest = ledger_binding(ledger, amd->driver->engine, 1)->guest;
	int64_t id = world_vdevice(world, viommu, amd->device, VIRT_ID);
	ck_assert_int_gt(id, 0);
	ck_assert_uint_eq(amd->device_map.writes, 1);
	ck_assert_uint_eq(amd->device_map.times[VIRT_ID], 1);
	ck_assert_uint_eq(amd->device_map.host[VIRT_ID], AMD_DEVICE);
	ck_assert(ledger_guest_reaches(ledger, guest, REACH_DEVICE, AMD_DEVICE));
	destroy((uint32_t)id);
	ck_assert_uint_eq(amd->device_map.writes, 2);
	ck_assert_uint_eq(amd->device_map.times[VIRT_ID], 2);
	ck_assert_uint_eq(amd->device_map.host[VIRT_ID], 0);
	ck_assert(!ledger_guest_reaches(ledger, guest, REACH_DEVICE, AMD_DEVICE));
	ck_assert_uint_eq(amd->count + amd->domain_map.writes, 0);
}
END_TEST

START_TEST(a_virtual_device_id_has_16_bits)
{
	make_guest();
	ck_assert_int_eq(world_vdevice(world, viommu, amd->device, 0x10000), -EINVAL);
	ck_assert_int_eq(world_vdevice(world, viommu, amd->device, 1ULL << 32), -EINVAL);
	ck_assert_uint_eq(amd->device_map.writes, 0);
	ck_assert_int_gt(world_vdevice(world, viommu, amd->device, 0xffff), 0);
	ck_assert_uint_eq(amd->device_map.host[0xffff], AMD_DEVICE);
}
END_TEST

/* --- nested domains [12; V 9, 13] --- */

static struct iommu_hwpt_amd_guest guest_entry(uint16_t domain)
{
	struct amd_dte dte = {{DTE_V | DTE_TV | DTE_GV | DTE_GIOV | DTE_PPR, domain, 0, 0}};
	amd_dte_set_gcr3(&dte, 0x123456789000);
	return (struct iommu_hwpt_amd_guest){{dte.q[0], dte.q[1], dte.q[2], dte.q[3]}};
}

static int64_t nest_as(uint32_t type, struct iommu_hwpt_amd_guest entry, uint32_t length)
{
	struct iommu_hwpt_alloc cmd = {.dev_id = amd->device,
				       .pt_id = viommu,
				       .data_type = type,
				       .data_len = length,
				       .data_uptr = world->data};
	world_put(world, world->data, &entry, sizeof(entry));
	int64_t error = world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_hwpt_id;
}

static int64_t nest(struct iommu_hwpt_amd_guest entry)
{
	return nest_as(3, entry, sizeof(entry));
}

static uint32_t new_nested(uint16_t domain)
{
	int64_t id = nest(guest_entry(domain));
	ck_assert_int_gt(id, 0);
	return (uint32_t)id;
}

static uint16_t host_domain(void)
{
	return (uint16_t)field_get(amd_world_dte(amd, AMD_DEVICE).q[1], DTE_DOMAIN);
}

START_TEST(a_nested_entry_has_the_parents_tables_and_the_guests)
{
	make_guest();
	ck_assert_int_gt(world_vdevice(world, viommu, amd->device, VIRT_ID), 0);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, new_nested(7)), 0);
	struct amd_dte dte = amd_world_dte(amd, AMD_DEVICE);
	uint64_t guests = DTE_GV | DTE_GIOV | DTE_PPR | field_put(DTE_GCR3_14_12, 1);
	ck_assert_uint_eq(dte.q[0], root_dte | guests);
	ck_assert_uint_eq(amd_dte_gcr3(&dte), 0x123456789000);
	ck_assert_uint_ne(host_domain(), domain_id);
	ck_assert_uint_eq(amd->domain_map.host[7], host_domain());
	ck_assert_uint_eq(dte.q[3], DTE_VIOMMU_EN | VIRT_ID << 16 | 1ULL << 32);
	/* GuestPagingMode and GLX are the guest's, too. */
	struct iommu_hwpt_amd_guest entry = guest_entry(7);
	entry.dte[0] |= field_put(DTE_GLX, 2);
	entry.dte[2] |= field_put(DTE_GUEST_MODE, 1);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, (uint32_t)nest(entry)), 0);
	dte = amd_world_dte(amd, AMD_DEVICE);
	ck_assert_uint_eq(field_get(dte.q[0], DTE_GLX), 2);
	ck_assert_uint_eq(field_get(dte.q[2], DTE_GUEST_MODE), 1);
}
END_TEST

START_TEST(a_guests_entry_that_is_wrong_is_refused)
{
	make_guest();
	const struct {
		unsigned word;
		uint64_t clear;
		uint64_t set;
	} rows[] = {
		{0, 0, field_put(DTE_MODE, 1)},
		{0, 0, 0x1000},
		{0, 0, DTE_GLX},
		{2, 0, field_put(DTE_GUEST_MODE, 2)},
		{1, DTE_GCR3_30_15 | DTE_GCR3_51_31, 0},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct iommu_hwpt_amd_guest entry = guest_entry(7);
		if (i == 4)
			entry.dte[0] &= ~DTE_GCR3_14_12;
		entry.dte[rows[i].word] = (entry.dte[rows[i].word] & ~rows[i].clear) | rows[i].set;
		ck_assert_int_eq(nest(entry), -EINVAL);
		/* Without V or GV there need not be a GCR3 table. */
		entry.dte[0] &= ~DTE_GV;
		ck_assert_int_eq(nest(entry) > 0, i == 4);
	}
	ck_assert_int_eq(nest_as(2, guest_entry(7), 32), -EINVAL);
	ck_assert_int_eq(nest_as(3, guest_entry(7), 31), -EINVAL);
}
END_TEST

START_TEST(a_domain_of_the_guest_has_one_of_the_hosts_while_it_is_used)
{
	make_guest();
	uint32_t first = new_nested(7), second = new_nested(7), other = new_nested(8);
	uint16_t host = amd->domain_map.host[7];
	ck_assert_uint_ne(host, domain_id);
	ck_assert_uint_ne(amd->domain_map.host[8], host);
	ck_assert_uint_ne(amd->domain_map.host[8], domain_id);
	destroy(first);
	ck_assert_uint_eq(amd->domain_map.host[7], host);
	amd_world_look(amd);
	destroy(second);
	ck_assert_uint_eq(amd->domain_map.host[7], domain_id);
	ck_assert(AMD_SENT(amd, amd_command_invalidate_domain(host), {{0, 0}}));
	destroy(other);
	ck_assert_uint_eq(new_nested(9) > 0, 1);
	ck_assert_uint_eq(amd->domain_map.host[9], host);
}
END_TEST

START_TEST(a_nested_domain_of_another_iommu_is_refused)
{
	struct amd *other = amd_world_second(amd, 0x200000000);
	uint32_t id;
	make_guest();
	uint32_t nested = new_nested(7);
	int fd = amd_world_add(amd, other, "/dev/vfio/devices/vfio1", AMD_DEVICE, false, &id);
	ck_assert_int_eq(amd_world_attach(amd, fd, nested), -EINVAL);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, nested), 0);
}
END_TEST

START_TEST(no_domain_id_left_is_no_space_left)
{
	make_guest();
	uint64_t all[1024];
	memcpy(all, amd->driver->domains, sizeof(all));
	memset(amd->driver->domains, 0xff, sizeof(amd->driver->domains));
	ck_assert_int_eq(nest(guest_entry(7)), -ENOSPC);
	ck_assert_uint_eq(amd->domain_map.host[7], 0);
	memcpy(amd->driver->domains, all, sizeof(all));
	new_nested(7);
}
END_TEST

START_TEST(a_nested_device_goes_through_the_detached_state)
{
	make_guest();
	uint32_t nested = new_nested(7);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, nested), 0);
	uint16_t host = host_domain();
	amd_world_look(amd);
	ck_assert_int_eq(amd_world_detach(amd, amd->device_fd), 0);
	const struct amd_command devtab = {{2ULL << 60 | AMD_DEVICE, 0}}, wait = AMD_WAIT;
	ck_assert(AMD_SENT(amd, devtab, wait, devtab, wait, amd_command_invalidate_domain(host),
			   wait));
	ck_assert_uint_eq(amd_world_dte(amd, AMD_DEVICE).q[0], DTE_V);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, parent), 0);
	ck_assert_uint_eq(amd_world_dte(amd, AMD_DEVICE).q[0], root_dte);
}
END_TEST

/* "GV 1 -> 1 with the same mode: only the low half, no flush here"; then the common path's. */
START_TEST(another_guest_table_takes_the_place_of_a_nested_one_in_the_low_half)
{
	const struct amd_command devtab = {{2ULL << 60 | AMD_DEVICE, 0}}, wait = AMD_WAIT;
	make_guest();
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, new_nested(7)), 0);
	uint16_t host = host_domain();
	uint32_t second = new_nested(8);
	amd_world_look(amd);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, second), 0);
	ck_assert(AMD_SENT(amd, devtab, wait, amd_command_invalidate_domain(host), wait));
	ck_assert_uint_ne(host_domain(), host);
	ck_assert_uint_eq(amd->log[0].dte.q[1] & DTE_DOMAIN, host_domain());
}
END_TEST

/* "all-zero low half, flush, then high, low, flush". */
START_TEST(another_paging_mode_goes_through_an_entry_that_is_not_valid)
{
	const struct amd_command devtab = {{2ULL << 60 | AMD_DEVICE, 0}}, wait = AMD_WAIT;
	make_guest();
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, new_nested(7)), 0);
	uint16_t host = host_domain();
	struct iommu_hwpt_amd_guest entry = guest_entry(8);
	entry.dte[2] = field_put(DTE_GUEST_MODE, 1);
	uint32_t second = (uint32_t)nest(entry);
	amd_world_look(amd);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, second), 0);
	ck_assert(AMD_SENT(amd, devtab, wait, devtab, wait, devtab, wait,
			   amd_command_invalidate_domain(host), wait));
	ck_assert_uint_eq(amd->log[0].dte.q[0] | amd->log[0].dte.q[1], 0);
	ck_assert_uint_eq(field_get(amd->log[0].dte.q[2], DTE_GUEST_MODE), 0);
	ck_assert_uint_ne(amd->log[2].dte.q[0], 0);
	ck_assert_uint_eq(field_get(amd->log[2].dte.q[2], DTE_GUEST_MODE), 1);
}
END_TEST

START_TEST(an_unmap_of_the_parent_flushes_the_guests_domains_too)
{
	const struct amd_command wait = AMD_WAIT;
	make_guest();
	uint32_t nested = new_nested(7);
	uint16_t host = amd->domain_map.host[7];
	struct amd_command of_parent = amd_command_invalidate_pages(
		domain_id, STORE_IOVA, STORE_IOVA + PAGE_SIZE - 1, false);
	struct amd_command of_guest =
		amd_command_invalidate_pages(host, STORE_IOVA, STORE_IOVA + PAGE_SIZE - 1, false);
	amd_world_look(amd);
	ck_assert_int_eq(unmap(STORE_IOVA, 1), PAGE_SIZE);
	ck_assert(AMD_SENT(amd, of_parent, of_guest, wait));
	/* With nested devices alone nobody waits, and the parent's own number is left out. */
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, nested), 0);
	amd_world_map(amd, STORE_IOVA, 1);
	amd_world_look(amd);
	ck_assert_int_eq(unmap(STORE_IOVA, 1), PAGE_SIZE);
	ck_assert(AMD_SENT(amd, of_guest));
}
END_TEST

/* From the guest's tables to its memory, and what its own flush lets it see. */
START_TEST(a_guest_translates_its_device_and_flushes_its_own_translations)
{
	uint64_t tables[5], frames[5], zero = 0;
	struct amd_translation first;
	const struct amd_request request = {.address = 0x5000, .device = AMD_DEVICE};
	make_guest();
	for (unsigned i = 0; i < 5; i++) {
		tables[i] = 0x50000000 + i * PAGE_SIZE;
		frames[i] = amd_world_map(amd, tables[i], 1);
	}
	struct iommu_hwpt_amd_guest entry = guest_entry(7);
	struct amd_dte dte = {{entry.dte[0], entry.dte[1], 0, 0}};
	amd_dte_set_gcr3(&dte, tables[0]);
	entry = (struct iommu_hwpt_amd_guest){{dte.q[0], dte.q[1], 0, 0}};
	for (unsigned i = 0; i < 5; i++) {
		/* GCR3, then four levels; the last leads to the guest's page. */
		uint64_t word = i < 4 ? tables[i + 1] | 7 : STORE_IOVA | 7;
		word = i == 0 ? tables[1] | 1 : word;
		world_put(world, frames[i] + (i == 4 ? 8 * 5 : 0), &word, 8);
	}
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, (uint32_t)nest(entry)), 0);
	ck_assert(amd_translate_request(amd->iommu, &request, AMD_LEAVES_BY_DOMAIN, &first) ==
		  AMD_TRANSLATED);
	ck_assert_uint_ne(first.pa.value, STORE_IOVA);
	world_put(world, frames[4] + 8 * 5, &zero, 8);
	new_ring(8);
	bus_write(&amd->machine->bus, pa_of(AMD_VFCNTL_AT + VFCNTL_STRIDE + VFCNTL_COMMAND), 8,
		  RING_IOVA | 8 | GUEST_CMD_EN);
	guest_runs(0, amd_command_invalidate_guest_pages(8, 0, 0, ~0ULL, true));
	ck_assert(amd_translate_request(amd->iommu, &request, AMD_LEAVES_BY_DOMAIN, &first) ==
		  AMD_TRANSLATED);
	guest_runs(1, amd_command_invalidate_guest_pages(7, 0, 0, ~0ULL, true));
	ck_assert(amd_translate_request(amd->iommu, &request, AMD_LEAVES_BY_DOMAIN, &first) ==
		  AMD_FAULT);
}
END_TEST

/* --- the VF page (4, 14) --- */

static struct pa page_behind(uint64_t va)
{
	uint64_t pfn, run;
	ck_assert_int_eq(mm_fault(world->process->mm, va_of(va), 1, FAULT_WRITE, &pfn, &run), 0);
	return pa_of_pfn(pfn);
}

START_TEST(each_guest_maps_its_own_vf_page_only)
{
	uint64_t fd = (uint64_t)world->fd;
	make_parent();
	for (uint64_t guest = 1; guest <= 2; guest++) {
		viommu = new_viommu();
		ck_assert_int_eq(world_sys(world, SYS_MMAP, 0, 2 * PAGE_SIZE, PROT_RW,
					   MAP_SHARED_BIT, fd, mmap_offset),
				 -ENXIO);
		int64_t va = world_sys(world, SYS_MMAP, 0, PAGE_SIZE, PROT_RW, MAP_SHARED_BIT, fd,
				       mmap_offset);
		ck_assert_int_gt(va, 0);
		ck_assert_uint_eq(page_behind((uint64_t)va).value, AMD_VF_AT + guest * PAGE_SIZE);
		ck_assert_int_eq(world_destroy(world, viommu), -EBUSY);
		ck_assert_int_eq(world_sys(world, SYS_MUNMAP, (uint64_t)va, PAGE_SIZE), 0);
	}
	destroy(viommu);
	ck_assert_int_eq(
		world_sys(world, SYS_MMAP, 0, PAGE_SIZE, PROT_RW, MAP_SHARED_BIT, fd, mmap_offset),
		-ENXIO);
}
END_TEST

/* --- queues (5, 14) --- */

/* The base is the guest's address, the length the 4-bit code; PPR's base is 4 bits higher up. */
START_TEST(a_queue_is_one_register_write)
{
	static const struct {
		uint32_t type, offset;
		uint64_t iova, code, value;
	} rows[] = {
		{2, 0x20, 0x40000000, 8, 0x40000108},
		{2, 0x20, 0xffffffffff000, 15, 0xffffffffff10f},
		{3, 0x28, 0x7fff0000, 9, 0x7fff0109},
		{4, 0x30, 0x40001000, 10, 0x40001050a},
	};
	make_guest();
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		amd_world_look(amd);
		int64_t id = queue_alloc(rows[i].type, 0, rows[i].iova, rows[i].code);
		ck_assert_int_gt(id, 0);
		ck_assert_uint_eq(amd->count, 1);
		ck_assert_uint_eq(vfcntl_place(rows[i].offset), 0);
		ck_assert_uint_eq(amd->log[0].value, rows[i].value);
		ck_assert_uint_eq(amd_world_vfcntl(amd, 1, rows[i].offset), rows[i].value);
		destroy((uint32_t)id);
	}
}
END_TEST

START_TEST(a_queue_that_is_wrong_is_refused_and_writes_nothing)
{
	static const struct {
		uint32_t type, index;
		uint64_t iova, length;
		int error;
	} rows[] = {
		{1, 0, RING_IOVA, 8, EOPNOTSUPP},      {5, 0, RING_IOVA, 8, EOPNOTSUPP},
		{2, 1, RING_IOVA, 8, EINVAL},          {3, 1, RING_IOVA, 8, EINVAL},
		{4, UINT32_MAX, RING_IOVA, 8, EINVAL}, {2, 0, RING_IOVA, 0, EINVAL},
		{2, 0, RING_IOVA, 7, EINVAL},          {2, 0, RING_IOVA, 16, EINVAL},
		{2, 0, RING_IOVA, 4096, EINVAL},       {2, 0, RING_IOVA, UINT64_MAX, EOVERFLOW},
		{2, 0, RING_IOVA + 0x10, 8, EINVAL},   {3, 0, RING_IOVA + 0x800, 8, EINVAL},
		{2, 0, 1ULL << 52, 8, EINVAL},
	};
	make_guest();
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t result =
			queue_alloc(rows[i].type, rows[i].index, rows[i].iova, rows[i].length);
		ck_assert_msg(result == -rows[i].error, "row %u: %ld", i, (long)result);
	}
	ck_assert_uint_eq(amd->count, 0);
	ck_assert_uint_eq(amd_world_vfcntl(amd, 1, VFCNTL_COMMAND), 0);
}
END_TEST

START_TEST(a_guests_commands_reach_its_device_and_its_memory)
{
	make_guest();
	ck_assert_int_gt(world_vdevice(world, viommu, amd->device, VIRT_ID), 0);
	new_ring(8);
	ck_assert_uint_eq(vf(1, AMD_STATUS - AMD_PAGE3), STATUS_CMD_BUF_RUN);
	guest_runs(0, amd_command_invalidate_devtab(VIRT_ID));
	ck_assert_uint_eq(amd_guest_find(amd->iommu, 1)->ring.probe.target, AMD_DEVICE);
	guest_runs(1, amd_command_invalidate_devtab(VIRT_ID + 1));
	ck_assert_uint_eq(amd_guest_find(amd->iommu, 1)->ring.probe.target, 0);
	guest_runs(2, amd_command_invalidate_domain(0x1234));
	ck_assert_uint_eq(amd_guest_find(amd->iommu, 1)->ring.probe.target, domain_id);
	guest_runs(3, amd_command_completion_wait(STORE_IOVA, 0xabcdef));
	ck_assert_uint_eq(stored(), 0xabcdef);
	ck_assert_uint_eq(vf(1, 0), 4 * COMMAND_SIZE);
	ck_assert_uint_eq(vf(1, AMD_STATUS - AMD_PAGE3), STATUS_CMD_BUF_RUN);
}
END_TEST

/* --- pins (12.3: 7; 15) --- */

START_TEST(a_queues_pages_can_be_unmapped_under_it)
{
	make_guest();
	new_ring(8);
	ck_assert_int_eq(unmap(RING_IOVA, 2), 2 * PAGE_SIZE);
	ck_assert_uint_eq(amd_world_vfcntl(amd, 1, VFCNTL_COMMAND), RING_IOVA | 0x108);
}
END_TEST

/* Nobody looks whether the address is mapped (12.1 e). */
START_TEST(a_queue_may_lie_where_nothing_is_mapped)
{
	make_guest();
	ck_assert_int_gt(queue_alloc(IOMMU_HW_QUEUE_TYPE_AMD_CMD, 0, 0x90000000, 8), 0);
	ck_assert_int_gt(queue_alloc(IOMMU_HW_QUEUE_TYPE_AMD_EVT, 0, 0x90000000, 8), 0);
}
END_TEST

/* Code 9 is 8 KiB: both pages are held, until the queue goes. */
START_TEST(with_a_pin_all_of_the_queue_is_held)
{
	make_guest();
	amd_world_option(amd, KERNEL_HW_QUEUE_PIN, HW_QUEUE_PIN_ON);
	uint64_t pfn = page_behind(ring_va + PAGE_SIZE).value / PAGE_SIZE;
	uint32_t pins = memory_frame(&amd->machine->memory, pfn, NULL).pins;
	uint32_t id = new_ring(9);
	ck_assert_int_eq(unmap(RING_IOVA, 2), -EBUSY);
	ck_assert_int_eq(world_destroy(world, viommu), -EBUSY);
	destroy(id);
	ck_assert_uint_eq(memory_frame(&amd->machine->memory, pfn, NULL).pins, pins);
	ck_assert_int_eq(unmap(RING_IOVA, 2), 2 * PAGE_SIZE);
}
END_TEST

START_TEST(a_refused_queue_stays_pinned_for_nobody)
{
	make_guest();
	amd_world_option(amd, KERNEL_HW_QUEUE_PIN, HW_QUEUE_PIN_ON);
	ck_assert_int_eq(queue_alloc(IOMMU_HW_QUEUE_TYPE_AMD_CMD, 1, RING_IOVA, 8), -EINVAL);
	ck_assert_int_eq(queue_alloc(IOMMU_HW_QUEUE_TYPE_AMD_CMD, 0, RING_IOVA, 7), -EINVAL);
	ck_assert_int_eq(unmap(RING_IOVA, 2), 2 * PAGE_SIZE);
}
END_TEST

/* AE-a: a base, and the bits that let it run are 0 (12.3, 9). */
START_TEST(a_base_may_clear_what_enables_the_queue)
{
	make_guest();
	amd_world_option(amd, KERNEL_AMD_QUEUE_BASE, AMD_QUEUE_BASE_CLEARS_ENABLES);
	new_ring(8);
	ck_assert_int_gt(queue_alloc(IOMMU_HW_QUEUE_TYPE_AMD_EVT, 0, STORE_IOVA, 8), 0);
	ck_assert_uint_eq(amd_world_vfcntl(amd, 1, VFCNTL_COMMAND), RING_IOVA | 8);
	ck_assert_uint_eq(amd_world_vfcntl(amd, 1, VFCNTL_EVENT), STORE_IOVA | 8);
	ck_assert_int_gt(queue_alloc(IOMMU_HW_QUEUE_TYPE_AMD_PPR, 0, STORE_IOVA, 8), 0);
	ck_assert_uint_eq(amd_world_vfcntl(amd, 1, VFCNTL_PPR), STORE_IOVA << 4 | 8);
}
END_TEST

START_TEST(a_destroyed_queue_may_be_told_to_stop)
{
	static const uint32_t offsets[] = {[IOMMU_HW_QUEUE_TYPE_AMD_CMD] = VFCNTL_COMMAND,
					   [IOMMU_HW_QUEUE_TYPE_AMD_EVT] = VFCNTL_EVENT,
					   [IOMMU_HW_QUEUE_TYPE_AMD_PPR] = VFCNTL_PPR};
	make_guest();
	amd_world_option(amd, KERNEL_AMD_QUEUE_DESTROY, AMD_QUEUE_DESTROY_STOP);
	for (uint32_t type = IOMMU_HW_QUEUE_TYPE_AMD_CMD; type <= IOMMU_HW_QUEUE_TYPE_AMD_PPR;
	     type++) {
		int64_t id = queue_alloc(type, 0, STORE_IOVA, 8);
		ck_assert_int_gt(id, 0);
		ck_assert_uint_ne(amd_world_vfcntl(amd, 1, offsets[type]) & 1U << 8, 0);
		destroy((uint32_t)id);
		ck_assert_uint_eq(amd_world_vfcntl(amd, 1, offsets[type]) & 1U << 8, 0);
	}
}
END_TEST

/* --- at private addresses (7; 12.1 i): RFC23 --- */

#define RING_SLOT (0x2800000000 + 0x80000) /* of GuestID 1 */

static void make_private_guest(void)
{
	amd_world_option(amd, KERNEL_AMD_VIOMMU, AMD_VIOMMU_POSTED);
	amd_world_option(amd, KERNEL_AMD_BUFFERS, AMD_BUFFERS_PRIVATE);
	make_guest();
}

static uint64_t private_pa(uint64_t ipa)
{
	struct amd_translation got;
	return amd_world_works(amd, AMD_OWN_DEVICE, ipa, true, &got) ? got.pa.value : 0;
}

START_TEST(private_queues_are_pinned_and_mapped_into_their_slots)
{
	static const struct {
		uint32_t type;
		uint64_t slot;
	} rows[] = {{IOMMU_HW_QUEUE_TYPE_AMD_CMD, RING_SLOT},
		    {IOMMU_HW_QUEUE_TYPE_AMD_EVT, 0x4000080000},
		    {IOMMU_HW_QUEUE_TYPE_AMD_PPR, 0x3000080000}};
	make_private_guest();
	ck_assert(!(amd_read(amd->driver, AMD_CONTROL, 8) & CONTROL_GST_BUFFER_TRP));
	for (unsigned i = 0; i < 3; i++) {
		amd_world_look(amd);
		int64_t id = queue_alloc(rows[i].type, 0, RING_IOVA, 9);
		ck_assert_int_gt(id, 0);
		for (uint64_t at = 0; at < 2 * PAGE_SIZE; at += PAGE_SIZE)
			ck_assert_uint_eq(private_pa(rows[i].slot + at),
					  page_behind(ring_va + at).value);
		ck_assert_uint_eq(private_pa(rows[i].slot + 2 * PAGE_SIZE), 0);
		ck_assert_int_eq(unmap(RING_IOVA, 2), -EBUSY);
		destroy((uint32_t)id);
	}
}
END_TEST

START_TEST(a_private_ring_runs_and_stores_at_guest_addresses)
{
	make_private_guest();
	new_ring(8);
	guest_runs(0, amd_command_completion_wait(STORE_IOVA, 0x5e));
	ck_assert_uint_eq(stored(), 0x5e);
}
END_TEST

/* PDE, COMPLETION_WAIT; the core unpins the pages after it. */
START_TEST(a_private_queue_that_goes_is_unmapped_and_flushed)
{
	make_private_guest();
	uint32_t id = new_ring(9);
	ck_assert_uint_ne(private_pa(RING_SLOT), 0);
	amd_world_look(amd);
	destroy(id);
	ck_assert_uint_eq(private_pa(RING_SLOT), 0);
	ck_assert(AMD_SENT(amd,
			   amd_command_invalidate_pages(amd->driver->private_domain, RING_SLOT,
							RING_SLOT + 2 * PAGE_SIZE - 1, true),
			   AMD_WAIT));
	ck_assert_int_eq(unmap(RING_IOVA, 2), 2 * PAGE_SIZE);
}
END_TEST

START_TEST(a_slot_has_one_queue)
{
	make_private_guest();
	uint32_t id = new_ring(8);
	ck_assert_int_eq(queue_alloc(IOMMU_HW_QUEUE_TYPE_AMD_CMD, 0, RING_IOVA, 8), -EBUSY);
	ck_assert_uint_ne(private_pa(RING_SLOT), 0);
	destroy(id);
	ck_assert_int_eq(unmap(RING_IOVA, 2), 2 * PAGE_SIZE);
}
END_TEST

START_TEST(a_private_queue_must_be_mapped)
{
	make_private_guest();
	ck_assert_int_lt(queue_alloc(IOMMU_HW_QUEUE_TYPE_AMD_CMD, 0, RING_IOVA, 15), 0);
	ck_assert_uint_eq(private_pa(RING_SLOT), 0);
	ck_assert_int_eq(unmap(RING_IOVA, 2), 2 * PAGE_SIZE);
}
END_TEST

START_TEST(a_private_queue_without_frames_for_its_tables_is_enomem)
{
	uint64_t pfn;
	make_private_guest();
	while (memory_alloc(&amd->machine->memory, OWNER_KERNEL, 1ULL << 30, 1, 1, 0, &pfn) != 0)
		;
	ck_assert_int_eq(queue_alloc(IOMMU_HW_QUEUE_TYPE_AMD_CMD, 0, RING_IOVA, 8), -ENOMEM);
	ck_assert_uint_eq(private_pa(RING_SLOT), 0);
	ck_assert_int_eq(unmap(RING_IOVA, 2), 2 * PAGE_SIZE);
}
END_TEST

/* --- extended interrupts (11, 13) --- */

#define VECTOR 0x25U

static uint64_t ext_word(unsigned index)
{
	return amd_world_word(amd, amd->driver->ext_int_pfn * PAGE_SIZE + 8ULL * index);
}

/* IntTabLen code 10, IntCtl = 2. */
START_TEST(the_iommus_own_entry_has_1024_tables_of_interrupts)
{
	struct amd_dte own = amd_world_dte(amd, AMD_OWN_DEVICE);
	ck_assert_uint_eq(own.q[2] & ~DTE_INT_ROOT, 1ULL | 10 << 1 | 2ULL << 60);
	ck_assert_uint_eq(own.q[2] & DTE_INT_ROOT, amd->driver->ext_int_pfn * PAGE_SIZE);
	for (unsigned i = 0; i < 1024; i++)
		ck_assert_uint_eq(ext_word(i), 0);
}
END_TEST

/* Index: type << 8 | GuestID >> 8; size code 8. Guests of the same 256 share theirs. */
START_TEST(a_guest_has_tables_for_its_events_and_its_page_requests)
{
	make_guest();
	uint64_t events = ext_word(0), requests = ext_word(256);
	ck_assert_uint_eq(events & 0xfff, 1 | 8 << 2);
	ck_assert_uint_eq(requests & 0xfff, 1 | 8 << 2);
	ck_assert_uint_ne(events, requests);
	for (unsigned i = 0; i < 1024; i++)
		ck_assert_int_eq(ext_word(i) != 0, i == 0 || i == 256);
	new_viommu();
	ck_assert_uint_eq(ext_word(0), events);
}
END_TEST

/* An event of guest 1: the vector's bit of the vAPIC page's request register. */
static uint64_t requested(uint64_t vapic)
{
	return amd_world_word(amd, vapic + 0x200 + 0x10 * (VECTOR / 32)) >> VECTOR % 32 & 1;
}

START_TEST(a_guests_event_is_posted_to_its_vapic_page)
{
	static const struct amd_command interrupt = {{0x5000000000000002, 0}};
	make_guest();
	uint64_t vapic = alloc_shared_frames(amd->machine, PAGE_SIZE) * PAGE_SIZE;
	ck_assert_int_gt(queue_alloc(IOMMU_HW_QUEUE_TYPE_AMD_EVT, 0, STORE_IOVA, 8), 0);
	bus_write(&amd->machine->bus, pa_of(AMD_VFCNTL_AT + VFCNTL_STRIDE + VFCNTL_EVENT), 8,
		  amd_world_vfcntl(amd, 1, VFCNTL_EVENT) | GUEST_EVENT_INT_EN);
	new_ring(8);
	amd_world_look(amd);
	amd_ext_int_set(amd->driver, 1, 1, pa_of(vapic), VECTOR + 1, 0);
	amd_ext_int_set(amd->driver, 1, 0, pa_of(vapic), VECTOR, 0xdeadbeef);
	ck_assert(AMD_SENT(amd, interrupt, AMD_WAIT, interrupt, AMD_WAIT));
	ck_assert_uint_eq(requested(vapic), 0);
	guest_runs(0, (struct amd_command){{0, 0}});
	ck_assert_uint_eq(requested(vapic), 1);
	ck_assert_uint_eq(amd_world_word(amd, vapic + 0x210), 1ULL << VECTOR % 32);
	uint64_t irte = (ext_word(0) & EXT_INT_TABLE) + 16;
	ck_assert_uint_eq(amd_world_word(amd, irte), 0xdeadbeef00000081);
	ck_assert_uint_eq(amd_world_word(amd, irte + 8), vapic | VECTOR);
}
END_TEST

START_TEST(a_guest_that_goes_takes_its_interrupts_along)
{
	make_guest();
	uint64_t vapic = alloc_shared_frames(amd->machine, PAGE_SIZE) * PAGE_SIZE;
	amd_ext_int_set(amd->driver, 1, 1, pa_of(vapic), VECTOR, 0);
	uint64_t irte = (ext_word(256) & EXT_INT_TABLE) + 16;
	amd_world_look(amd);
	destroy(viommu);
	ck_assert_uint_eq(amd_world_word(amd, irte), 0);
	ck_assert_uint_lt(amd_world_command(amd, CMD_INVALIDATE_INTERRUPT_TABLE, 0), amd->count);
	viommu = new_viommu();
	amd_world_look(amd);
	destroy(viommu); /* had none */
	ck_assert_uint_eq(amd_world_command(amd, CMD_INVALIDATE_INTERRUPT_TABLE, 0), amd->count);
}
END_TEST

/* --- the end of them (12.3: 3 to 6) --- */

/* What the teardown finds of GuestID 1 when it writes Misc Control. */
static struct mmio_region real_vfcntl;
static bool free_at_misc;

static uint64_t misc_read(void *owner, uint64_t offset, unsigned width)
{
	return real_vfcntl.ops->read(owner, offset, width);
}

static void misc_write(void *owner, uint64_t offset, unsigned width, uint64_t value)
{
	if (offset == VFCNTL_STRIDE + VFCNTL_MISC)
		free_at_misc = !taken(amd->driver->guests, 1);
	real_vfcntl.ops->write(owner, offset, width, value);
}

static const struct mmio_ops misc_ops = {misc_read, misc_write};

/* AE-c gives the GuestID back before it tears down (12.3, 5). */
START_TEST(a_guest_id_is_given_back_last_or_first)
{
	make_guest();
	real_vfcntl = amd->real[AMD_REGION_VFCNTL];
	amd->real[AMD_REGION_VFCNTL].ops = &misc_ops;
	for (unsigned first = 0; first < 2; first++) {
		amd_world_option(amd, KERNEL_AMD_GUEST_ID,
				 first ? AMD_GUEST_ID_FREED_FIRST : AMD_GUEST_ID_FREED_LAST);
		destroy(viommu);
		ck_assert_int_eq(free_at_misc, first);
		ck_assert(!taken(amd->driver->guests, 1));
		viommu = new_viommu();
		ck_assert(taken(amd->driver->guests, 1));
	}
}
END_TEST

/* AE-b, AE-c: "writes zeros to qwords 0-1"; "qwords 2-3 are left alone" (8). */
START_TEST(an_entry_cleared_to_zero_keeps_its_other_half)
{
	make_guest();
	amd_world_option(amd, KERNEL_AMD_TRANS_CLEAR, AMD_TRANS_CLEAR_ZERO);
	amd_dte_write_word(amd->driver, TOP, 3, 0x1234);
	destroy(viommu);
	struct amd_dte dte = amd_world_dte(amd, TOP);
	ck_assert_uint_eq(dte.q[0] | dte.q[1], 0);
	ck_assert_uint_eq(dte.q[2], DTE_IV);
	ck_assert_uint_eq(dte.q[3], 0x1234);
}
END_TEST

START_TEST(a_destroyed_queue_stays_enabled_where_it_was)
{
	make_guest();
	uint32_t id = new_ring(8);
	amd_world_look(amd);
	destroy(id);
	ck_assert_uint_eq(amd->count, 0);
	ck_assert_uint_eq(amd_world_vfcntl(amd, 1, VFCNTL_COMMAND), RING_IOVA | 0x108);
	guest_runs(0, amd_command_completion_wait(STORE_IOVA, 77));
	ck_assert_uint_eq(stored(), 77);
}
END_TEST

/* The trans_devid's entry allows nothing any more, and its number is free. */
static void expect_gone(void)
{
	struct amd_translation got;
	unsigned devtab = amd_world_command(amd, CMD_INVALIDATE_DEVTAB_ENTRY, 0);
	ck_assert_uint_gt(devtab, vfcntl_place(VFCNTL_MISC));
	ck_assert_uint_lt(devtab, amd->count);
	ck_assert_uint_eq(amd->log[devtab].command.q[0], 0x200000000000ffff);
	ck_assert_uint_eq(amd->log[devtab].dte.q[0] & (DTE_V | DTE_TV | DTE_IR | DTE_IW), DTE_V);
	ck_assert(!amd_world_works(amd, TOP, STORE_IOVA, false, &got));
	ck_assert(!taken(amd->driver->trans_devids, TOP));
	ck_assert(!taken(amd->driver->guests, 1));
	ck_assert_uint_eq(amd_world_vfcntl(amd, 1, VFCNTL_MISC), 0);
}

static void destroy_viommu(enum amd_destroy_order order)
{
	make_guest();
	destroy(new_ring(8));
	amd_world_option(amd, KERNEL_AMD_DESTROY, order);
	amd->watched = TOP;
	amd_world_look(amd);
	destroy(viommu);
}

/* Tables, Misc Control, 131072 map writes, the table entry; no stop and no reset. */
START_TEST(destroyed_as_posted_the_ring_is_never_told_to_stop)
{
	destroy_viommu(AMD_DESTROY_POSTED);
	unsigned misc = vfcntl_place(VFCNTL_MISC);
	ck_assert_uint_eq(amd_world_command(amd, CMD_RESET_VMMIO, 0), amd->count);
	ck_assert_uint_eq(vfcntl_place(VFCNTL_COMMAND), amd->count);
	ck_assert_uint_eq(amd_world_vfcntl(amd, 1, VFCNTL_COMMAND), RING_IOVA | 0x108);
	ck_assert_uint_eq(vf(1, AMD_STATUS - AMD_PAGE3) & STATUS_CMD_BUF_RUN, STATUS_CMD_BUF_RUN);
	ck_assert_uint_lt(amd_world_command(amd, CMD_INVALIDATE_IOMMU_PAGES, 1), misc);
	ck_assert_uint_lt(misc, amd->device_map.at);
	ck_assert_uint_eq(amd->device_map.writes + amd->domain_map.writes, 131072);
	expect_gone();
}
END_TEST

/* CmdBufEn := 0, RESET_VMMIO, wait, Misc Control := 0; only then what it used. */
START_TEST(destroyed_safely_the_ring_stops_first)
{
	destroy_viommu(AMD_DESTROY_SAFE);
	unsigned command = vfcntl_place(VFCNTL_COMMAND), misc = vfcntl_place(VFCNTL_MISC);
	unsigned reset = amd_world_command(amd, CMD_RESET_VMMIO, 0);
	unsigned wait = amd_world_command(amd, CMD_COMPLETION_WAIT, 0);
	ck_assert_uint_lt(command, reset);
	ck_assert_uint_eq(amd->log[command].value, RING_IOVA | 0x8);
	ck_assert_uint_lt(reset, wait);
	ck_assert_uint_eq(amd->log[reset].command.q[0], 0xa000000090000001);
	ck_assert_uint_lt(wait, misc);
	ck_assert_uint_lt(misc, amd_world_command(amd, CMD_INVALIDATE_IOMMU_PAGES, 0));
	ck_assert_uint_eq(amd_world_vfcntl(amd, 1, VFCNTL_COMMAND), 0);
	expect_gone();
}
END_TEST

/* 12.3: 3. Device 0 is the host's and passed through: what was a guest address is physical. */
START_TEST(after_the_posted_end_the_ring_reads_as_device_0_does)
{
	struct amd_translation got;
	amd_pass_through(amd->driver, 0);
	destroy_viommu(AMD_DESTROY_POSTED);
	ck_assert(reads(0x123000, &got));
	ck_assert_uint_eq(got.pa.value, 0x123000);
	ck_assert_int_eq(got.path, PATH_BYPASS);
}
END_TEST

/* --- what an unmap flushes (12.3: 1) --- */

START_TEST(with_a_device_attached_an_unmap_reaches_the_guests_buffers)
{
	struct amd_translation got;
	make_guest();
	ck_assert(reads(STORE_IOVA, &got));
	ck_assert_int_eq(unmap(STORE_IOVA, 1), PAGE_SIZE);
	ck_assert(AMD_SENT(amd, {{0x3000000000000000 | (uint64_t)domain_id << 32, STORE_IOVA}},
			   AMD_WAIT));
	ck_assert(!reads(STORE_IOVA, &got));
}
END_TEST

static void unmap_without_a_device(enum amd_flush_coverage coverage)
{
	struct amd_translation got;
	amd_world_option(amd, KERNEL_AMD_FLUSH_COVERAGE, coverage);
	make_guest();
	ck_assert_int_eq(amd_world_detach(amd, amd->device_fd), 0);
	ck_assert(reads(STORE_IOVA, &got));
	amd_world_look(amd);
	ck_assert_int_eq(unmap(STORE_IOVA, 1), PAGE_SIZE);
}

START_TEST(with_no_device_attached_an_unmap_sends_nothing)
{
	struct amd_translation got;
	unmap_without_a_device(AMD_FLUSH_DEVICES);
	ck_assert_uint_eq(amd_world_commands(amd), 0);
	ck_assert(reads(STORE_IOVA, &got));
	ck_assert_int_eq(got.path, PATH_CACHED);
}
END_TEST

START_TEST(the_list_of_viommus_would_cover_it)
{
	struct amd_translation got;
	unmap_without_a_device(AMD_FLUSH_VIOMMUS);
	ck_assert(AMD_SENT(amd, {{0x3000000000000000 | (uint64_t)domain_id << 32, STORE_IOVA}},
			   AMD_WAIT));
	ck_assert(!reads(STORE_IOVA, &got));
}
END_TEST

/* Without a vIOMMU there is nobody to flush for. */
START_TEST(a_parent_without_viommu_or_device_is_not_flushed)
{
	unmap_without_a_device(AMD_FLUSH_VIOMMUS);
	destroy(viommu);
	amd_world_look(amd);
	ck_assert_int_eq(unmap(RING_IOVA, 2), 2 * PAGE_SIZE);
	ck_assert_uint_eq(amd_world_commands(amd), 0);
}
END_TEST

/* --- a new root (12.3: 2) --- */

START_TEST(a_new_root_reaches_devices_and_not_the_trans_devid)
{
	struct amd_translation got;
	make_guest();
	amd_world_map(amd, 1ULL << 40, 1);
	ck_assert_uint_eq(field_get(amd_world_dte(amd, AMD_DEVICE).q[0], DTE_MODE), 4);
	ck_assert_uint_eq(amd_world_dte(amd, TOP).q[0], root_dte);
	ck_assert(amd_world_works(amd, AMD_DEVICE, 1ULL << 40, false, &got));
	ck_assert(!reads(1ULL << 40, &got)); /* it faults, and translates nothing wrongly */
	ck_assert(reads(STORE_IOVA, &got));
}
END_TEST

/* As any entry that is replaced: its DomainID is flushed after it (amd-iommu 9). */
START_TEST(a_new_root_reaches_the_trans_devid_where_the_kernel_is_told_so)
{
	const struct amd_command device = {{2ULL << 60 | AMD_DEVICE, 0}}, wait = AMD_WAIT;
	const struct amd_command trans = {{2ULL << 60 | TOP, 0}};
	struct amd_translation got;
	amd_world_option(amd, KERNEL_AMD_ROOT_CHANGE, AMD_ROOT_TRANS_DEVIDS);
	make_guest();
	const struct amd_command domain = amd_command_invalidate_domain(domain_id);
	amd_world_map(amd, 1ULL << 40, 1);
	ck_assert(AMD_SENT(amd, device, wait, device, wait, domain, wait, trans, wait, trans, wait,
			   domain, wait, device, wait));
	ck_assert_uint_eq(field_get(amd_world_dte(amd, TOP).q[0], DTE_MODE), 4);
	ck_assert(reads(1ULL << 40, &got));
}
END_TEST

static uint64_t control(void)
{
	return bus_read(&amd->machine->bus, pa_of(AMD_AT + AMD_CONTROL), 8);
}

/* The private space is made with the first vIOMMU where the kernel was none when it started. */
START_TEST(no_memory_for_the_private_space_refuses_the_viommu)
{
	struct failure_injector *failures = &amd->machine->failures;
	uint64_t refused = 0;
	amd_world_option(amd, KERNEL_AMD_VIOMMU, AMD_VIOMMU_POSTED);
	make_parent();
	uint64_t before = control();
	ck_assert(!(before & CONTROL_VIOMMU_EN));
	for (uint64_t nth = 1; !(control() & CONTROL_VIOMMU_EN); nth++) {
		failures->countdown = nth;
		int64_t result = viommu_alloc(IOMMU_VIOMMU_TYPE_AMD, parent, 8, world->data);
		failures->countdown = 0;
		if (strcmp(failures->last, "page table") != 0 || control() & CONTROL_VIOMMU_EN)
			continue;
		ck_assert_int_eq(result, -ENOMEM);
		ck_assert_uint_eq(control(), before);
		refused++;
	}
	ck_assert_uint_gt(refused, 4);
}
END_TEST

START_TEST(hardware_that_does_not_keep_its_mode_has_no_viommu)
{
	struct memory *memory = &amd->machine->memory;
	amd_world_option(amd, KERNEL_AMD_VIOMMU, AMD_VIOMMU_POSTED);
	make_parent();
	/* What the driver read when it started says otherwise. */
	amd->iommu->efr &= ~EFR_VIOMMU;
	uint64_t before = control(), domains = amd->driver->domains[0];
	ck_assert_int_eq(viommu_alloc(IOMMU_VIOMMU_TYPE_AMD, parent, 8, world->data), -EINVAL);
	ck_assert_uint_eq(control(), before);
	ck_assert_uint_eq(amd->driver->control, before);
	/* Nothing of the private space is left: its entry, number, tables, memory. */
	ck_assert_uint_eq(amd_world_dte(amd, AMD_OWN_DEVICE).q[0], DTE_V);
	ck_assert_uint_eq(amd->driver->domains[0], domains);
	ck_assert(memory_is_free(memory, amd->driver->private_tables.root_pfn));
	ck_assert(memory_is_free(memory, amd->driver->mmio_state_pfn));
	ck_assert_uint_eq(amd->driver->ext_int_pfn, 0);
	amd->iommu->efr |= EFR_VIOMMU;
	new_viommu();
	ck_assert(control() & CONTROL_VIOMMU_EN);
}
END_TEST

START_TEST(no_frames_for_the_private_space_are_enomem)
{
	struct memory *memory = &amd->machine->memory;
	uint64_t pfn;
	amd_world_option(amd, KERNEL_AMD_VIOMMU, AMD_VIOMMU_POSTED);
	make_parent();
	uint64_t before = control();
	while (memory_alloc(memory, OWNER_KERNEL, 1ULL << 30, 1, 1, 0, &pfn) != 0)
		;
	ck_assert_int_eq(viommu_alloc(IOMMU_VIOMMU_TYPE_AMD, parent, 8, world->data), -ENOMEM);
	ck_assert_uint_eq(control(), before);
}
END_TEST

START_TEST(a_viommu_without_a_free_guest_id_is_enospc)
{
	make_parent();
	uint64_t *last = &amd->driver->guests[1023];
	memset(amd->driver->guests, 0xff, sizeof(amd->driver->guests));
	ck_assert_int_eq(viommu_alloc(IOMMU_VIOMMU_TYPE_AMD, parent, 8, world->data), -ENOSPC);
	*last &= ~(1ULL << 63);
	new_viommu();
	ck_assert_uint_eq(*last, UINT64_MAX);
}
END_TEST

static TCase *none(void)
{
	TCase *tests = tcase_create("none");
	tcase_add_checked_fixture(tests, setup_none, teardown);
	tcase_add_test(tests, in_7_3_4_a_viommu_of_any_type_is_made_and_has_no_queue);
	tcase_add_test(tests, a_vdevice_of_7_3_4_maps_nothing);
	tcase_add_test(tests, no_memory_for_the_private_space_refuses_the_viommu);
	tcase_add_test(tests, hardware_that_does_not_keep_its_mode_has_no_viommu);
	tcase_add_test(tests, no_frames_for_the_private_space_are_enomem);
	return tests;
}

static TCase *posted(void)
{
	TCase *tests = tcase_create("posted");
	tcase_add_checked_fixture(tests, setup_posted, teardown);
	tcase_add_test(tests, a_viommu_is_checked_before_anything_is_taken);
	tcase_add_test(tests, a_parent_of_another_iommu_is_refused);
	tcase_add_test(tests, a_guest_is_reset_then_gets_its_trans_devid_then_its_maps);
	tcase_add_test(tests, the_trans_devid_translates_as_the_parent_does);
	tcase_add_test(tests, guest_ids_count_up_and_trans_devids_down_and_both_come_back);
	tcase_add_test(tests, every_id_is_mapped_once_to_the_parent_or_to_device_0);
	tcase_add_test(tests, the_maps_of_guests_lie_apart);
	tcase_add_test(tests, a_viommu_acts_for_its_parent_and_reaches_its_domain);
	tcase_add_test(tests, a_vdevice_is_one_write_to_the_map_and_back);
	tcase_add_test(tests, a_virtual_device_id_has_16_bits);
	tcase_add_test(tests, a_nested_entry_has_the_parents_tables_and_the_guests);
	tcase_add_test(tests, a_guests_entry_that_is_wrong_is_refused);
	tcase_add_test(tests, a_domain_of_the_guest_has_one_of_the_hosts_while_it_is_used);
	tcase_add_test(tests, a_nested_domain_of_another_iommu_is_refused);
	tcase_add_test(tests, no_domain_id_left_is_no_space_left);
	tcase_add_test(tests, a_nested_device_goes_through_the_detached_state);
	tcase_add_test(tests, another_guest_table_takes_the_place_of_a_nested_one_in_the_low_half);
	tcase_add_test(tests, another_paging_mode_goes_through_an_entry_that_is_not_valid);
	tcase_add_test(tests, an_unmap_of_the_parent_flushes_the_guests_domains_too);
	tcase_add_test(tests, a_guest_translates_its_device_and_flushes_its_own_translations);
	tcase_add_test(tests, each_guest_maps_its_own_vf_page_only);
	tcase_add_test(tests, a_queue_is_one_register_write);
	tcase_add_test(tests, a_queue_that_is_wrong_is_refused_and_writes_nothing);
	tcase_add_test(tests, a_guests_commands_reach_its_device_and_its_memory);
	tcase_add_test(tests, a_queues_pages_can_be_unmapped_under_it);
	tcase_add_test(tests, a_queue_may_lie_where_nothing_is_mapped);
	tcase_add_test(tests, with_a_pin_all_of_the_queue_is_held);
	tcase_add_test(tests, a_refused_queue_stays_pinned_for_nobody);
	tcase_add_test(tests, the_iommus_own_entry_has_1024_tables_of_interrupts);
	tcase_add_test(tests, a_guest_has_tables_for_its_events_and_its_page_requests);
	tcase_add_test(tests, a_guests_event_is_posted_to_its_vapic_page);
	tcase_add_test(tests, a_guest_that_goes_takes_its_interrupts_along);
	tcase_add_test(tests, a_nest_parent_needs_guest_tables_giov_and_gcr3trpmode);
	tcase_add_test(tests, a_base_may_clear_what_enables_the_queue);
	tcase_add_test(tests, a_destroyed_queue_may_be_told_to_stop);
	tcase_add_test(tests, a_guest_id_is_given_back_last_or_first);
	tcase_add_test(tests, an_entry_cleared_to_zero_keeps_its_other_half);
	tcase_add_test(tests, a_destroyed_queue_stays_enabled_where_it_was);
	tcase_add_test(tests, destroyed_as_posted_the_ring_is_never_told_to_stop);
	tcase_add_test(tests, destroyed_safely_the_ring_stops_first);
	tcase_add_test(tests, after_the_posted_end_the_ring_reads_as_device_0_does);
	tcase_add_test(tests, with_a_device_attached_an_unmap_reaches_the_guests_buffers);
	tcase_add_test(tests, with_no_device_attached_an_unmap_sends_nothing);
	tcase_add_test(tests, the_list_of_viommus_would_cover_it);
	tcase_add_test(tests, a_parent_without_viommu_or_device_is_not_flushed);
	tcase_add_test(tests, a_new_root_reaches_devices_and_not_the_trans_devid);
	tcase_add_test(tests, a_new_root_reaches_the_trans_devid_where_the_kernel_is_told_so);
	tcase_add_test(tests, a_viommu_without_a_free_guest_id_is_enospc);
	return tests;
}

static TCase *at_private_addresses(void)
{
	TCase *tests = tcase_create("private");
	tcase_add_checked_fixture(tests, setup_none, teardown);
	tcase_add_test(tests, a_domain_for_pasids_is_not_modelled);
	tcase_add_test(tests, a_viommu_needs_gaen);
	tcase_add_test(tests, private_queues_are_pinned_and_mapped_into_their_slots);
	tcase_add_test(tests, a_private_ring_runs_and_stores_at_guest_addresses);
	tcase_add_test(tests, a_private_queue_that_goes_is_unmapped_and_flushed);
	tcase_add_test(tests, a_slot_has_one_queue);
	tcase_add_test(tests, a_private_queue_must_be_mapped);
	tcase_add_test(tests, a_private_queue_without_frames_for_its_tables_is_enomem);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("amd_viommu");
	suite_add_tcase(suite, none());
	suite_add_tcase(suite, posted());
	suite_add_tcase(suite, at_private_addresses());
	return run_suite(suite);
}
