// SPDX-License-Identifier: Apache-2.0
/* VINTF 0: the driver's own commands by VCMDQs (tegra241-cmdqv 8.3, 9.1 to 9.4). */
#include <check.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"
#include "kernel_shim/uapi/vfio.h"
#include "kernel_shim/vfio_cdev.h"
#include "tests/kit/run.h"
#include "tests/kit/smmu.h"
#include "tests/kit/world.h"

#define SID 0x10U

static struct world *world;
static struct machine *machine;
static struct smmu *smmu;
static struct arm_smmu *driver;
static int device_fd;
static uint32_t ioas, device;

static void set_option(enum kernel_option option, unsigned value)
{
	struct iommufd_module *module = machine->kernel;
	module->options.values[option] = (uint8_t)value;
}

static void probe(void)
{
	const struct arm_smmu_resources resources = {.name = smmu_kit_board.name,
						     .base = smmu_kit_board.base,
						     .cmdqv = smmu_kit_board.cmdqv_base,
						     .gerror_irq = smmu_kit_board.gerror_irq,
						     .eventq_irq = smmu_kit_board.eventq_irq,
						     .cmdqv_irq = smmu_kit_board.cmdqv_irq};
	struct profile profile = smmu_kit_grace();
	struct option_set assumptions;
	option_set_init(&assumptions, smmu_assumptions);
	smmu = smmu_new(machine, &smmu_kit_board, &profile, &assumptions);
	ck_assert_int_eq(arm_smmu_probe(machine, &resources, &driver), 0);
}

static void attach_a_device(void)
{
	ioas = (uint32_t)world_ioas(world);
	struct arm_smmu_master *master = arm_smmu_master_new(driver, SID, false);
	vfio_cdev_register(machine, "/dev/vfio/devices/vfio0", &master->device);
	device_fd = (int)world_open(world, "/dev/vfio/devices/vfio0");
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = world->fd};
	ck_assert_int_eq(
		world_device_ioctl(world, device_fd, VFIO_DEVICE_BIND_IOMMUFD, &bind, sizeof(bind)),
		0);
	device = bind.out_devid;
	struct vfio_device_attach_iommufd_pt at = {
		.argsz = sizeof(at), .pt_id = (uint32_t)world_hwpt(world, device, ioas, 0)};
	ck_assert_int_eq(world_device_ioctl(world, device_fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &at,
					    sizeof(at)),
			 0);
}

static void setup(void)
{
	world = world_new();
	machine = world->machine;
}

static void teardown(void)
{
	world_free(world);
}

static uint64_t cmdqv(uint64_t offset, unsigned width)
{
	return bus_read(&machine->bus, pa_of(CMDQV_AT + offset), width);
}

static struct command_queue *own(unsigned lvcmdq)
{
	return &smmu->vcmdqs[lvcmdq].queue;
}

/* One page goes; what was sent for it, CMD_SYNC included. */
static void map_and_unmap(void)
{
	uint64_t va = world_mmap_aligned(world, HPAGE_SIZE);
	ck_assert_int_eq(world_map_at(world, ioas, va, PAGE_SIZE, 0x1000), 0);
	ck_assert_int_eq(world_unmap(world, ioas, 0x1000, PAGE_SIZE), PAGE_SIZE);
}

static struct smmu_command command_at(const struct command_queue *queue, uint32_t number)
{
	uint8_t bytes[COMMAND_SIZE];
	uint64_t entry = number & (queue->entries - 1);
	memory_read(&machine->memory, pa_of(queue->base + COMMAND_SIZE * entry), bytes,
		    sizeof(bytes));
	return command_load(bytes);
}

/* 9.1, 9.2: HYP_OWN, VMID 0, all its queues enabled in memory of the kernel. */
START_TEST(vintf_0_is_the_hypervisors_with_all_its_queues)
{
	probe();
	ck_assert_uint_eq(cmdqv(CMDQV_VINTF_BLOCKS + VINTF_CONFIG, 4),
			  VINTF_CONFIG_HYP_OWN | VINTF_CONFIG_ENABLE);
	ck_assert_uint_eq(driver->lvcmdqs, 2);
	for (unsigned l = 0; l < driver->lvcmdqs; l++) {
		ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * l, 4),
				  field_put(ALLOC_LVCMDQ, l) | ALLOC_ALLOC);
		ck_assert(own(l)->enabled);
		ck_assert_uint_eq(own(l)->entries, 1U << QUEUE_LOG2SIZE_MAX);
	}
	ck_assert_uint_ne(own(0)->base, own(1)->base);
	ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * 2, 4), field_put(ALLOC_VINTF, 1));
}
END_TEST

/* 9.4: all of the driver's commands, and CMD_SYNC with CS = NONE. */
START_TEST(the_drivers_commands_go_by_the_queue_of_cpu_0)
{
	probe();
	uint32_t main_before = smmu->cmdq.prod;
	attach_a_device();
	map_and_unmap();
	ck_assert_uint_eq(smmu->cmdq.prod, main_before);
	ck_assert_uint_eq(own(1)->prod, 0);
	ck_assert_uint_eq(own(0)->prod, own(0)->cons);
	ck_assert_uint_gt(own(0)->prod, 4);
	struct smmu_command sync = command_at(own(0), own(0)->cons - 1);
	ck_assert_uint_eq(sync.dw[0], command_sync(SYNC_CS_NONE).dw[0]);
	ck_assert_uint_eq(field_get(sync.dw[0], CMD_SYNC_CS), SYNC_CS_NONE);
	struct smmu_command before = command_at(own(0), own(0)->cons - 2);
	ck_assert_uint_ne(command_opcode(&before), CMD_SYNC);
}
END_TEST

/* With HYP_OWN none is illegal: CFGI_STE, TLBI_S12_VMALL and their like take effect from there (7.2). */
START_TEST(a_vcmdq_of_the_host_runs_what_a_guests_may_not)
{
	probe();
	attach_a_device();
	map_and_unmap();
	ck_assert_uint_eq(own(0)->gerror, own(0)->gerrorn);
	ck_assert_uint_eq(smmu->tlb.count, 0);
	struct translation got;
	ck_assert_int_ne(smmu_translate(smmu, SID, 0x1000, false, &got), TRANSLATE_OK);
	uint64_t va = world_mmap_aligned(world, HPAGE_SIZE);
	ck_assert_int_eq(world_map_at(world, ioas, va, PAGE_SIZE, 0x1000), 0);
	ck_assert_int_eq(smmu_translate(smmu, SID, 0x1000, false, &got), TRANSLATE_OK);
	ck_assert_uint_ne(smmu->tlb.count, 0);
	ck_assert_int_eq(world_unmap(world, ioas, 0x1000, PAGE_SIZE), PAGE_SIZE);
	ck_assert_uint_eq(smmu->tlb.count, 0);
}
END_TEST

/* 8.3: an entry that is read wrongly gives way to a CMD_SYNC, and the queue goes on. */
START_TEST(an_illegal_command_in_vintf_0_gives_way_to_a_sync)
{
	probe();
	attach_a_device();
	const struct port_fault fault = {.engine = smmu->port.engine,
					 .purpose = ACCESS_COMMAND_FETCH,
					 .action = FAULT_FLIP,
					 .nth = 1};
	uint32_t at = own(0)->cons;
	ck_assert(port_inject(machine, &fault));
	map_and_unmap();
	ck_assert_uint_eq(command_at(own(0), at).dw[0], command_sync(SYNC_CS_NONE).dw[0]);
	ck_assert_uint_eq(own(0)->cons, own(0)->prod);
	ck_assert_uint_eq(own(0)->gerror, own(0)->gerrorn);
	ck_assert_uint_ne(own(0)->gerror, 0);
}
END_TEST

/* 8.3: what could not be read is tried again as it is. */
START_TEST(an_aborted_fetch_in_vintf_0_is_tried_again)
{
	probe();
	attach_a_device();
	const struct port_fault fault = {.engine = smmu->port.engine,
					 .purpose = ACCESS_COMMAND_FETCH,
					 .action = FAULT_ABORT,
					 .nth = 1};
	uint32_t at = own(0)->cons;
	struct smmu_command before = command_at(own(0), at);
	ck_assert_uint_ne(at, own(0)->prod);
	ck_assert(port_inject(machine, &fault));
	map_and_unmap();
	ck_assert_uint_eq(command_at(own(0), at).dw[0], before.dw[0]);
	ck_assert_uint_eq(own(0)->cons, own(0)->prod);
	ck_assert_uint_eq(own(0)->gerror, own(0)->gerrorn);
	ck_assert_uint_ne(own(0)->gerror, 0);
}
END_TEST

/* 9.1: the queues stand, and nothing is sent by them. */
START_TEST(bypass_vcmdq_sends_by_the_main_queue)
{
	set_option(KERNEL_CMDQV_BYPASS, KERNEL_SWITCH_OTHER);
	probe();
	uint32_t main_before = smmu->cmdq.prod;
	attach_a_device();
	map_and_unmap();
	ck_assert(own(0)->enabled);
	ck_assert_uint_eq(own(0)->prod, 0);
	ck_assert_uint_ne(smmu->cmdq.prod, main_before);
}
END_TEST

/* smmuv3 9.3: the main queue takes a guest's commands, whatever queue the driver's own take. */
START_TEST(a_guests_commands_go_by_the_main_queue)
{
	probe();
	attach_a_device();
	uint32_t parent = (uint32_t)world_hwpt(world, device, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	struct iommu_viommu_alloc alloc = {.size = sizeof(alloc),
					   .type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
					   .dev_id = device,
					   .hwpt_id = parent};
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &alloc), 0);
	uint8_t bytes[COMMAND_SIZE];
	struct smmu_command command = command_tlbi_nsnh_all();
	command_store(bytes, &command);
	world_put(world, world->data, bytes, sizeof(bytes));
	struct iommu_hwpt_invalidate cmd = {.hwpt_id = alloc.out_viommu_id,
					    .data_uptr = world->data,
					    .data_type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
					    .entry_len = COMMAND_SIZE,
					    .entry_num = 1};
	uint32_t own_before = own(0)->prod, main_before = smmu->cmdq.prod;
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_HWPT_INVALIDATE, &cmd), 0);
	ck_assert_uint_eq(own(0)->prod, own_before);
	ck_assert_uint_eq(smmu->cmdq.prod, main_before + 2);
	ck_assert_uint_eq(smmu->cmdq.cons, smmu->cmdq.prod);
	struct smmu_command sent = command_at(&smmu->cmdq, main_before);
	ck_assert_uint_eq(command_opcode(&sent), CMD_TLBI_NH_ALL);
}
END_TEST

/* 9.1: CMDQV_EN is off, no guest gets a queue, and the SMMU works. */
START_TEST(disable_cmdqv_falls_back_to_the_smmu)
{
	set_option(KERNEL_CMDQV_DISABLE, KERNEL_SWITCH_OTHER);
	probe();
	ck_assert_uint_eq(cmdqv(CMDQV_STATUS, 4) & STATUS_CMDQV_ENABLED, 0);
	ck_assert_uint_eq(cmdqv(CMDQV_CONFIG, 4) & CONFIG_CMDQV_EN, 0);
	attach_a_device();
	map_and_unmap();
	ck_assert(!own(0)->enabled);
	ck_assert(!tegra241_cmdqv_present(driver));
	uint32_t parent = (uint32_t)world_hwpt(world, device, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	struct iommu_viommu_alloc cmd = {.size = sizeof(cmd),
					 .type = IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV,
					 .dev_id = device,
					 .hwpt_id = parent,
					 .data_len = 16,
					 .data_uptr = world->data};
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd), -EOPNOTSUPP);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tegra241_vintf0");
	TCase *tests = tcase_create("vintf0");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, vintf_0_is_the_hypervisors_with_all_its_queues);
	tcase_add_test(tests, the_drivers_commands_go_by_the_queue_of_cpu_0);
	tcase_add_test(tests, a_vcmdq_of_the_host_runs_what_a_guests_may_not);
	tcase_add_test(tests, an_illegal_command_in_vintf_0_gives_way_to_a_sync);
	tcase_add_test(tests, an_aborted_fetch_in_vintf_0_is_tried_again);
	tcase_add_test(tests, bypass_vcmdq_sends_by_the_main_queue);
	tcase_add_test(tests, a_guests_commands_go_by_the_main_queue);
	tcase_add_test(tests, disable_cmdqv_falls_back_to_the_smmu);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
