/* SPDX-License-Identifier: Apache-2.0 */
/* The Linux driver's side, through ioctls (iommufd app. D; tegra241-cmdqv 9; smmuv3 3.6, 4.3). */
#include <check.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/checker.h"
#include "emu/syscall.h"
#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"
#include "kernel_shim/uapi/vfio.h"
#include "kernel_shim/vfio_cdev.h"
#include "models/nvidia_vcmdq/smmu.h"
#include "tests/kit/run.h"

#define SMMU_AT    0x5000000ULL
#define CMDQV_AT   0x5200000ULL
#define OTHER_AT   0x8000000ULL
#define SID        0x10U
#define IOMMU_(nr) (0x3b00U | IOMMUFD_NR_##nr)
#define QUEUE_IOVA 0x40000000ULL
#define WRITES_MAX 256U
#define NO_DATA    UINT32_MAX

static struct profile profile;
static struct machine *machine;
static struct smmu *smmu;
static struct arm_smmu *driver;
static struct thread *vmm;
static struct syscall *call;
static uint64_t scratch;
static uint64_t queue_va; /* a 2 MiB page, mapped at QUEUE_IOVA by make_guest() */
static int iommu_fd;
static int device_fd;
static uint32_t ioas, device, parent, viommu;
static uint64_t mmap_offset, mmap_length;

/* Register writes of the driver, on their way to the model. */
static struct {
	uint64_t offset;
	uint64_t value;
} writes[WRITES_MAX];
static unsigned write_count;

static uint64_t spy_read(void *owner, uint64_t offset, unsigned width)
{
	const struct mmio_region *real = &((struct bus *)owner)->regions[1];
	return real->ops->read(real->owner, offset, width);
}

static void spy_write(void *owner, uint64_t offset, unsigned width, uint64_t value)
{
	const struct mmio_region *real = &((struct bus *)owner)->regions[1];
	if (write_count < WRITES_MAX) {
		writes[write_count].offset = offset;
		writes[write_count].value = value;
	}
	write_count++;
	real->ops->write(real->owner, offset, width, value);
}

static const struct mmio_ops spy_ops = {spy_read, spy_write};

static int64_t sys(int number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
		   uint64_t f)
{
	const uint64_t args[6] = {a, b, c, d, e, f};
	call->number = (enum syscall_number)number;
	memcpy(call->args, args, sizeof(args));
	ck_assert(syscall_start(vmm, call) && syscall_finish(machine, call));
	return call->result;
}

/* The ioctl's struct goes in and comes back. */
static int64_t ioctl_of(int fd, uint32_t command, void *data, uint32_t size)
{
	ck_assert_uint_eq(mm_write(vmm->process->mm, va_of(scratch), data, size), size);
	int64_t result = sys(SYS_IOCTL, (uint64_t)fd, command, scratch, 0, 0, 0);
	ck_assert_uint_eq(mm_read(vmm->process->mm, va_of(scratch), data, size), size);
	return result;
}

#define IOCTL(nr, data) ioctl_of(iommu_fd, IOMMU_(nr), data, sizeof(*(data)))

static int open_path(const char *path)
{
	snprintf(call->path, sizeof(call->path), "%s", path);
	return (int)sys(SYS_OPEN, 0, 2, 0, 0, 0, 0);
}

static void load_profile(void)
{
	struct trace_diag diag = {0};
	char *text;
	gsize length;
	ck_assert(g_file_get_contents(HWQ_SOURCE_DIR "/profiles/grace", &text, &length, NULL));
	ck_assert_int_eq(profile_parse(&profile, "grace", text, length, smmu_parameters, &diag), 0);
	g_free(text);
}

static void set_parameter(const char *name, uint64_t value)
{
	for (uint32_t i = 0; i < profile.count; i++)
		if (strcmp(profile.parameters[i].name, name) == 0)
			profile.parameters[i].value = value;
}

static void make_machine(void)
{
	struct machine_config config = machine_config_default();
	machine = machine_new(&config);
	iommufd_register(machine);
	write_count = 0;
	bus_add(&machine->bus, pa_of(SMMU_AT), SMMU_WINDOW_SIZE, &spy_ops, &machine->bus, "spy");
	smmu = smmu_new(machine, pa_of(SMMU_AT), pa_of(CMDQV_AT), &profile);
	driver = arm_smmu_probe(machine, pa_of(SMMU_AT), pa_of(CMDQV_AT));
	struct arm_smmu_master *master = arm_smmu_master_new(driver, SID);
	vfio_cdev_register(machine, "/dev/vfio/devices/vfio0", &master->device);
	vmm = thread_new(process_new(machine, NULL));
	call = arena_new(machine->arena, struct syscall);
	scratch = (uint64_t)sys(SYS_MMAP, 0, PAGE_SIZE, 3, 0x22, UINT64_MAX, 0);
	iommu_fd = open_path("/dev/iommu");
	device_fd = open_path("/dev/vfio/devices/vfio0");
	ck_assert_int_ge(device_fd, 0);
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	ck_assert_int_eq(IOCTL(IOAS_ALLOC, &alloc), 0);
	ioas = alloc.out_ioas_id;
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommu_fd};
	ck_assert_int_eq(ioctl_of(device_fd, VFIO_DEVICE_BIND_IOMMUFD, &bind, sizeof(bind)), 0);
	device = bind.out_devid;
}

static void setup(void)
{
	load_profile();
	make_machine();
}

static void teardown(void)
{
	machine_free(machine);
}

static int64_t hwpt_alloc(uint32_t flags, uint32_t *id)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc), .flags = flags, .dev_id = device, .pt_id = ioas};
	int64_t result = IOCTL(HWPT_ALLOC, &alloc);
	*id = alloc.out_hwpt_id;
	return result;
}

static int64_t attach(int fd, uint32_t id)
{
	struct vfio_device_attach_iommufd_pt at = {.argsz = sizeof(at), .pt_id = id};
	return ioctl_of(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &at, sizeof(at));
}

static int64_t destroy(uint32_t id)
{
	struct iommu_destroy destroy = {sizeof(destroy), id};
	return IOCTL(DESTROY, &destroy);
}

static int64_t map(uint64_t iova, uint64_t va, uint64_t length)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
					      IOMMU_IOAS_MAP_READABLE,
				     .ioas_id = ioas,
				     .user_va = va,
				     .length = length,
				     .iova = iova};
	return IOCTL(IOAS_MAP, &map);
}

static int64_t unmap(uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap unmap = {sizeof(unmap), ioas, iova, length};
	return IOCTL(IOAS_UNMAP, &unmap);
}

static int64_t viommu_alloc(uint32_t type, uint32_t hwpt, uint32_t data_len, uint64_t data,
			    uint32_t *id)
{
	struct iommu_viommu_alloc alloc = {.size = sizeof(alloc),
					   .type = type,
					   .dev_id = device,
					   .hwpt_id = hwpt,
					   .data_len = data_len == NO_DATA ? 0 : data_len,
					   .data_uptr = data};
	int64_t result = IOCTL(VIOMMU_ALLOC, &alloc);
	*id = alloc.out_viommu_id;
	return result;
}

/* A nest parent, attached; a vIOMMU on it; 2 MiB at QUEUE_IOVA. */
static void make_guest(void)
{
	uint64_t words[2];
	ck_assert_int_eq(hwpt_alloc(IOMMU_HWPT_ALLOC_NEST_PARENT, &parent), 0);
	ck_assert_int_eq(attach(device_fd, parent), 0);
	ck_assert_int_eq(viommu_alloc(2, parent, 16, scratch + 512, &viommu), 0);
	mm_read(vmm->process->mm, va_of(scratch + 512), words, sizeof(words));
	mmap_offset = words[0];
	mmap_length = words[1];
	queue_va = (uint64_t)sys(SYS_MMAP, 0, HPAGE_SIZE, 3, 0x40021, UINT64_MAX, 0);
	ck_assert_int_eq(map(QUEUE_IOVA, queue_va, HPAGE_SIZE), 0);
}

static struct iommu_hw_queue_alloc queue_of(uint32_t index, uint64_t iova, uint64_t length)
{
	return (struct iommu_hw_queue_alloc){.size = sizeof(struct iommu_hw_queue_alloc),
					     .viommu_id = viommu,
					     .type = 1,
					     .index = index,
					     .nesting_parent_iova = iova,
					     .length = length};
}

static int64_t queue_alloc(uint32_t index, uint64_t iova, uint64_t length, uint32_t *id)
{
	struct iommu_hw_queue_alloc alloc = queue_of(index, iova, length);
	int64_t result = IOCTL(HW_QUEUE_ALLOC, &alloc);
	*id = alloc.out_hw_queue_id;
	return result;
}

static uint64_t cmdqv(uint64_t offset, unsigned width)
{
	return bus_read(&machine->bus, pa_of(CMDQV_AT + offset), width);
}

static uint64_t read_word(uint64_t pa)
{
	uint8_t bytes[8];
	memory_read(&machine->memory, pa_of(pa), bytes, sizeof(bytes));
	return load_le64(bytes);
}

static uint64_t ste_word(unsigned word)
{
	return read_word(driver->strtab_pfn * PAGE_SIZE + STE_SIZE * SID + 8ULL * word);
}

/* The next commands of the main queue, from AT on, are exactly these. */
static void expect_commands(uint32_t at, const struct smmu_command *commands, uint32_t count)
{
	ck_assert_uint_eq(driver->cmdq_prod, at + count);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t pa = driver->cmdq_pfn * PAGE_SIZE + COMMAND_SIZE * (at + i);
		ck_assert_msg(read_word(pa) == commands[i].dw[0] &&
				      read_word(pa + 8) == commands[i].dw[1],
			      "command %u is %016lx %016lx", i, read_word(pa), read_word(pa + 8));
	}
}

#define EXPECT_COMMANDS(at, ...)                                                       \
	do {                                                                           \
		const struct smmu_command expected[] = {__VA_ARGS__};                  \
		expect_commands(at, expected, sizeof(expected) / sizeof(expected[0])); \
	} while (0)
#define SYNC command_sync(SYNC_CS_SEV)

/* --- set-up --- */

/* The order and the values of the capture's mmio.txt; addresses and what needs PRI or MSIs aside. */
START_TEST(set_up_writes_registers_as_linux_does)
{
	static const struct {
		uint64_t offset;
		uint64_t value;
		bool address;
	} golden[] = {
		{0x20, 0, false},   {0x28, 0xd75, false}, {0x2c, 6, false},    {0x80, 0, true},
		{0x88, 0, true},    {0x90, 0, true},      {0x98, 0, false},    {0x9c, 0, false},
		{0xa0, 0, true},    {0x100a8, 0, false},  {0x100ac, 0, false}, {0x20, 8, false},
		{0x98, 2, false},   {0x98, 4, false},     {0x20, 0xc, false},  {0x50, 5, false},
		{0x20, 0xd, false},
	};
	unsigned count = sizeof(golden) / sizeof(golden[0]);
	ck_assert_uint_ge(write_count, count);
	for (unsigned i = 0; i < count; i++) {
		ck_assert_msg(writes[i].offset == golden[i].offset, "write %u at %lx", i,
			      writes[i].offset);
		if (!golden[i].address)
			ck_assert_uint_eq(writes[i].value, golden[i].value);
		else if (golden[i].offset != 0x88)
			ck_assert_uint_eq(writes[i].value >> 60, 4);
	}
	uint64_t at = driver->cmdq_pfn * PAGE_SIZE;
	ck_assert_uint_eq(read_word(at), 0x0000000000000004);
	ck_assert_uint_eq(read_word(at + 8), 0x000000000000001f);
	ck_assert_uint_eq(read_word(at + 16), 0x000000000fc02046);
	ck_assert_uint_eq(read_word(at + 32), 0x0000000000000030);
	ck_assert_uint_eq(read_word(at + 48), 0x000000000fc02046);
}
END_TEST

START_TEST(set_up_assigns_every_queue_without_allocating_it)
{
	ck_assert_uint_eq(cmdqv(CMDQV_STATUS, 4), 1);
	ck_assert_uint_eq(cmdqv(CMDQV_CONFIG, 4), 0x20083);
	for (uint32_t queue = 0; queue < 128; queue++)
		ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * queue, 4),
				  (queue / 2) << 15 | (queue % 2) << 1);
	ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * 3, 4), 0x8002);
}
END_TEST

START_TEST(attach_writes_the_stream_table_entry_of_linux)
{
	uint32_t hwpt, at = driver->cmdq_prod;
	ck_assert_int_eq(hwpt_alloc(0, &hwpt), 0);
	ck_assert_int_eq(attach(device_fd, hwpt), 0);
	ck_assert_uint_eq(ste_word(0), 0xd);
	ck_assert_uint_eq(ste_word(1), 0x100010000000); /* SHCFG 1, EATS 1 */
	ck_assert_uint_eq(ste_word(2), 0x044d359000000001);
	ck_assert_uint_eq(ste_word(3) & ~STE_S2TTB, 0);
	for (unsigned word = 4; word < STE_WORDS; word++)
		ck_assert_uint_eq(ste_word(word), 0);
	EXPECT_COMMANDS(at, command_cfgi_ste(SID, 1), SYNC, command_cfgi_ste(SID, 1), SYNC);
}
END_TEST

START_TEST(at_oas_44_the_entry_is_that_of_the_capture)
{
	uint32_t hwpt;
	teardown();
	set_parameter("oas.bits", 44);
	make_machine();
	ck_assert_int_eq(hwpt_alloc(0, &hwpt), 0);
	ck_assert_int_eq(attach(device_fd, hwpt), 0);
	ck_assert_uint_eq(ste_word(2), 0x044c359400000001);
}
END_TEST

START_TEST(closing_the_device_leaves_an_abort_entry)
{
	uint32_t hwpt;
	ck_assert_int_eq(hwpt_alloc(0, &hwpt), 0);
	ck_assert_int_eq(attach(device_fd, hwpt), 0);
	ck_assert_int_eq(sys(SYS_CLOSE, (uint64_t)device_fd, 0, 0, 0, 0, 0), 0);
	ck_assert_uint_eq(ste_word(0), 1);
	for (unsigned word = 1; word < STE_WORDS; word++)
		ck_assert_uint_eq(ste_word(word), 0);
}
END_TEST

/* --- hw_info, domains --- */

static int64_t hw_info(uint32_t flags, uint32_t type, struct iommu_hw_info *info)
{
	*info = (struct iommu_hw_info){.size = sizeof(*info),
				       .flags = flags,
				       .dev_id = device,
				       .data_len = 64,
				       .data_uptr = scratch + 512,
				       .data_type = type};
	return IOCTL(GET_HW_INFO, info);
}

START_TEST(hw_info_knows_two_types)
{
	struct iommu_hw_info info;
	uint32_t words[10];
	uint8_t bytes[8];
	for (uint32_t type = 0; type <= 2; type += 2) {
		ck_assert_int_eq(hw_info(type ? 1 : 0, type, &info), 0);
		ck_assert_uint_eq(info.data_type, 2);
		ck_assert_uint_eq(info.data_len, 40);
		mm_read(vmm->process->mm, va_of(scratch + 512), words, sizeof(words));
		ck_assert_uint_eq(words[0], 0);
		for (unsigned i = 0; i < 6; i++)
			ck_assert_uint_eq(words[2 + i], smmu->idr[i]);
		ck_assert_uint_eq(words[9], 1);
	}
	ck_assert_int_eq(hw_info(1, 3, &info), 0);
	ck_assert_uint_eq(info.data_type, 3);
	ck_assert_uint_eq(info.data_len, 8);
	mm_read(vmm->process->mm, va_of(scratch + 512), bytes, sizeof(bytes));
	static const uint8_t golden[8] = {0, 0, 0, 0,
					  1, 1, 4, 0}; /* version 1, 2 queues, 16 SIDs */
	ck_assert_mem_eq(bytes, golden, sizeof(golden));
	ck_assert_int_eq(hw_info(1, 1, &info), -EOPNOTSUPP);
	ck_assert_int_eq(hw_info(1, 4, &info), -EOPNOTSUPP);
}
END_TEST

START_TEST(domains_take_no_data_and_only_known_flags)
{
	uint32_t hwpt;
	struct iommu_hwpt_alloc alloc = {.size = sizeof(alloc),
					 .dev_id = device,
					 .pt_id = ioas,
					 .data_type = 2,
					 .data_len = 16,
					 .data_uptr = scratch + 512};
	ck_assert_int_eq(IOCTL(HWPT_ALLOC, &alloc), -EOPNOTSUPP);
	ck_assert_int_eq(
		hwpt_alloc(IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt),
		-EOPNOTSUPP);
	ck_assert_int_eq(hwpt_alloc(0, &hwpt), 0);
}
END_TEST

START_TEST(vmids_are_the_lowest_free_from_one)
{
	struct iommu_domain *domains[5];
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(arm_smmu_domain_alloc(driver, false, &domains[i]), 0);
		ck_assert_uint_eq(to_arm_smmu_domain(domains[i])->vmid, i + 1);
	}
	uint32_t at = driver->cmdq_prod;
	domains[1]->ops->free(domains[1]);
	domains[0]->ops->free(domains[0]);
	EXPECT_COMMANDS(at, command_tlbi_s12_vmall(2), SYNC, command_tlbi_s12_vmall(1), SYNC);
	ck_assert_int_eq(arm_smmu_domain_alloc(driver, false, &domains[0]), 0);
	ck_assert_uint_eq(to_arm_smmu_domain(domains[0])->vmid, 1);
	ck_assert_int_eq(arm_smmu_domain_alloc(driver, false, &domains[1]), 0);
	ck_assert_uint_eq(to_arm_smmu_domain(domains[1])->vmid, 2);
	ck_assert_int_eq(arm_smmu_domain_alloc(driver, false, &domains[4]), 0);
	ck_assert_uint_eq(to_arm_smmu_domain(domains[4])->vmid, 5);
}
END_TEST

START_TEST(a_domain_of_another_smmu_is_refused)
{
	uint32_t hwpt, id;
	smmu_new(machine, pa_of(OTHER_AT), pa_of(OTHER_AT + 0x200000), &profile);
	struct arm_smmu *other =
		arm_smmu_probe(machine, pa_of(OTHER_AT), pa_of(OTHER_AT + 0x200000));
	struct arm_smmu_master *master = arm_smmu_master_new(other, 0x20);
	vfio_cdev_register(machine, "/dev/vfio/devices/vfio1", &master->device);
	int fd = open_path("/dev/vfio/devices/vfio1");
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommu_fd};
	ck_assert_int_eq(ioctl_of(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind, sizeof(bind)), 0);
	ck_assert_int_eq(hwpt_alloc(IOMMU_HWPT_ALLOC_NEST_PARENT, &hwpt), 0);
	ck_assert_int_eq(attach(fd, hwpt), -EINVAL);
	device = bind.out_devid;
	ck_assert_int_eq(viommu_alloc(2, hwpt, 16, scratch + 512, &id), -EINVAL);
}
END_TEST

/* --- map and unmap [smmuv3 3.6] --- */

START_TEST(unmap_returns_when_the_tlb_has_forgotten)
{
	struct translation got;
	uint32_t hwpt;
	uint64_t va = (uint64_t)sys(SYS_MMAP, 0, 4 * PAGE_SIZE, 3, 0x22, UINT64_MAX, 0);
	ck_assert_int_eq(hwpt_alloc(0, &hwpt), 0);
	ck_assert_int_eq(attach(device_fd, hwpt), 0);
	uint32_t at = driver->cmdq_prod;
	ck_assert_int_eq(map(0x1000, va, 3 * PAGE_SIZE), 0);
	ck_assert_uint_eq(driver->cmdq_prod, at); /* mapping sends nothing */
	for (uint64_t iova = 0x1000; iova < 0x4000; iova += PAGE_SIZE)
		ck_assert_int_eq(smmu_translate(smmu, SID, iova, true, &got), TRANSLATE_OK);
	ck_assert_int_eq(unmap(0x1000, 3 * PAGE_SIZE), 0);
	EXPECT_COMMANDS(at, command_tlbi_s2_ipa(1, 0x1000, 1), command_tlbi_s2_ipa(1, 0x2000, 1),
			command_tlbi_s2_ipa(1, 0x3000, 1), SYNC);
	ck_assert_uint_eq(smmu->cmdq.cons, driver->cmdq_prod);
	for (uint64_t iova = 0x1000; iova < 0x4000; iova += PAGE_SIZE) {
		ck_assert_ptr_null(tlb_lookup(&smmu->tlb, 1, iova >> PAGE_SHIFT));
		ck_assert_int_eq(smmu_translate(smmu, SID, iova, true, &got), TRANSLATE_FAULT);
	}
}
END_TEST

START_TEST(unmap_of_a_nest_parent_drops_stage_1_too)
{
	make_guest();
	uint64_t va = (uint64_t)sys(SYS_MMAP, 0, PAGE_SIZE, 3, 0x22, UINT64_MAX, 0);
	ck_assert_int_eq(map(0x1000, va, PAGE_SIZE), 0);
	uint32_t at = driver->cmdq_prod;
	ck_assert_int_eq(unmap(0x1000, PAGE_SIZE), 0);
	EXPECT_COMMANDS(at, command_tlbi_s2_ipa(1, 0x1000, 1), SYNC, command_tlbi_nh_all(1), SYNC);
	/* 2 MiB: the whole VMID, which stands alone. */
	at = driver->cmdq_prod;
	ck_assert_int_eq(unmap(QUEUE_IOVA, HPAGE_SIZE), 0);
	EXPECT_COMMANDS(at, command_tlbi_s12_vmall(1), SYNC);
}
END_TEST

/* --- vIOMMU, vDEVICE --- */

START_TEST(viommu_checks_type_data_and_length)
{
	uint32_t hwpt, id;
	ck_assert_int_eq(hwpt_alloc(IOMMU_HWPT_ALLOC_NEST_PARENT, &hwpt), 0);
	ck_assert_int_eq(viommu_alloc(7, hwpt, 16, scratch + 512, &id), -EOPNOTSUPP);
	ck_assert_int_eq(viommu_alloc(2, hwpt, NO_DATA, 0, &id), -EINVAL);
	ck_assert_int_eq(viommu_alloc(2, hwpt, 8, scratch + 512, &id), -EINVAL);
	ck_assert_int_eq(viommu_alloc(2, hwpt, 24, scratch + 512, &id), -EINVAL);
	ck_assert_int_eq(viommu_alloc(2, hwpt, 16, 0x10, &id), -EFAULT);
	ck_assert_uint_eq(driver->vintfs, 1); /* none of them kept a VINTF */
	ck_assert_int_eq(viommu_alloc(2, hwpt, 16, scratch + 512, &id), 0);
	ck_assert_uint_eq(driver->vintfs, 3);
}
END_TEST

START_TEST(vintfs_run_from_one_to_the_last_and_are_given_back)
{
	uint32_t hwpt, ids[64], extra;
	ck_assert_int_eq(hwpt_alloc(IOMMU_HWPT_ALLOC_NEST_PARENT, &hwpt), 0);
	for (uint32_t v = 1; v < 64; v++) {
		ck_assert_int_eq(viommu_alloc(2, hwpt, 16, scratch + 512, &ids[v]), 0);
		uint64_t block = CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE * v;
		ck_assert_uint_eq(cmdqv(block + VINTF_CONFIG, 4),
				  1 << 1 | 1); /* VMID 1, no owner */
		ck_assert_uint_eq(cmdqv(block + VINTF_STATUS, 4), 1);
	}
	ck_assert_int_eq(viommu_alloc(2, hwpt, 16, scratch + 512, &extra), -ENOSPC);
	ck_assert_int_eq(destroy(ids[17]), 0);
	ck_assert_uint_eq(cmdqv(CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE * 17, 4), 0);
	ck_assert_int_eq(viommu_alloc(2, hwpt, 16, scratch + 512, &extra), 0);
	ck_assert_uint_eq(cmdqv(CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE * 17, 4), 3);
}
END_TEST

START_TEST(a_vdevice_is_a_pair_of_stream_ids)
{
	make_guest();
	uint64_t match = CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE + VINTF_SID_MATCH;
	uint64_t replace = CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE + VINTF_SID_REPLACE;
	struct iommu_vdevice_alloc alloc = {
		.size = sizeof(alloc), .viommu_id = viommu, .dev_id = device, .virt_id = 0x100000};
	ck_assert_int_eq(IOCTL(VDEVICE_ALLOC, &alloc), -EINVAL);
	alloc.virt_id = 0x100;
	ck_assert_int_eq(IOCTL(VDEVICE_ALLOC, &alloc), 0);
	ck_assert_uint_eq(cmdqv(match, 4), 0x201);
	ck_assert_uint_eq(cmdqv(replace, 4), SID);
	ck_assert_int_eq(destroy(viommu), -EBUSY);
	ck_assert_int_eq(destroy(alloc.out_vdevice_id), 0);
	ck_assert_uint_eq(cmdqv(match, 4), 0);
	ck_assert_uint_eq(cmdqv(replace, 4), 0);
	alloc.virt_id = 0xfffff;
	ck_assert_int_eq(IOCTL(VDEVICE_ALLOC, &alloc), 0);
	ck_assert_uint_eq(cmdqv(match, 4), 0x1fffff);
}
END_TEST

/* --- hardware queues [tegra241-cmdqv 9.5] --- */

/* Each request is wrong in the way of its line and in the ways of the lines below it. */
START_TEST(hw_queue_checks_come_in_the_order_of_the_sheet)
{
	make_guest();
	uint32_t id;
	uint64_t hole = 0x80000000;
	/* Two pages whose frames do not follow each other. */
	uint64_t va = (uint64_t)sys(SYS_MMAP, 0, 2 * PAGE_SIZE, 3, 0x22, UINT64_MAX, 0);
	ck_assert_int_eq(map(0x50000000, va + PAGE_SIZE, PAGE_SIZE), 0);
	ck_assert_int_eq(map(0x50000000 + PAGE_SIZE, va, PAGE_SIZE), 0);
	struct iommu_hw_queue_alloc base = queue_of(9, hole, 48);
	struct {
		struct iommu_hw_queue_alloc alloc;
		int error;
	} rows[12];
	for (unsigned i = 0; i < 12; i++)
		rows[i].alloc = base;
	rows[0].alloc.flags = 1;
	rows[0].alloc.length = 0;
	rows[0].error = EOPNOTSUPP;
	rows[1].alloc.type = 0;
	rows[1].alloc.length = 0;
	rows[1].error = EOPNOTSUPP;
	rows[2].alloc.length = 0;
	rows[2].alloc.viommu_id = 999;
	rows[2].error = EINVAL;
	rows[3].alloc.nesting_parent_iova = UINT64_MAX;
	rows[3].alloc.viommu_id = 999;
	rows[3].error = EOVERFLOW;
	rows[4].alloc.viommu_id = 999;
	rows[4].alloc.type = 2;
	rows[4].error = ENOENT;
	rows[5].alloc.type = 2;
	rows[5].error = EOPNOTSUPP;
	rows[6].alloc.nesting_parent_iova = 1;
	rows[6].alloc.length = UINT64_MAX;
	rows[6].error = ERANGE;
	rows[7].error = ENOENT; /* not mapped */
	rows[8].alloc.nesting_parent_iova = 0x50000000;
	rows[8].alloc.length = 2 * PAGE_SIZE;
	rows[8].error = EFAULT;
	rows[9].alloc.nesting_parent_iova = QUEUE_IOVA;
	rows[9].error = EINVAL; /* index */
	rows[10].alloc.nesting_parent_iova = QUEUE_IOVA;
	rows[10].alloc.index = 1;
	rows[10].error = EIO;
	rows[11].alloc.nesting_parent_iova = QUEUE_IOVA;
	rows[11].alloc.index = 0;
	rows[11].error = EINVAL; /* length */
	for (unsigned i = 0; i < 12; i++) {
		int64_t result = IOCTL(HW_QUEUE_ALLOC, &rows[i].alloc);
		ck_assert_msg(result == -rows[i].error, "row %u: %ld", i, (long)result);
	}
	/* Nothing stayed pinned. */
	ck_assert_int_eq(queue_alloc(0, QUEUE_IOVA, PAGE_SIZE, &id), 0);
	ck_assert_int_eq(queue_alloc(0, QUEUE_IOVA, 48, &id), -EEXIST);
	ck_assert_int_eq(queue_alloc(2, QUEUE_IOVA, PAGE_SIZE, &id), -EINVAL);
	ck_assert_int_eq(unmap(0x50000000, 2 * PAGE_SIZE), 0);
}
END_TEST

START_TEST(hw_queue_sizes_are_powers_of_two_and_aligned)
{
	make_guest();
	uint32_t id;
	static const uint64_t bad[][2] = {
		{0, 16},        {0, 48},    {0, 4097},  {0, 1 << 20 | 32},
		{0x1000, 8192}, {0x20, 64}, {0x10, 32}, {0x100000, 0x81000}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(queue_alloc(0, QUEUE_IOVA + bad[i][0], bad[i][1], &id), -EINVAL);
	static const uint64_t good[][2] = {
		{0x20, 32}, {0x1000, 4096}, {0x2000, 8192}, {0, 2 << 20}};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct pa pa;
		ck_assert_int_eq(queue_alloc(0, QUEUE_IOVA + good[i][0], good[i][1], &id), 0);
		struct translation got;
		smmu_translate(smmu, SID, QUEUE_IOVA + good[i][0], false, &got);
		pa = got.pa;
		ck_assert_uint_eq(cmdqv(cmdqv_vintf_page1(1), 8),
				  pa.value | (uint64_t)__builtin_ctzll(good[i][1] / 16));
		ck_assert_int_eq(destroy(id), 0);
	}
}
END_TEST

START_TEST(hw_queue_is_capped_by_the_smmus_queue_size)
{
	uint32_t id;
	teardown();
	set_parameter("cmdqs.log2", 8);
	make_machine();
	make_guest();
	ck_assert_int_eq(queue_alloc(0, QUEUE_IOVA, 8192, &id), -EINVAL);
	ck_assert_int_eq(queue_alloc(0, QUEUE_IOVA, 4096, &id), 0);
}
END_TEST

START_TEST(hw_queue_is_mapped_and_left_for_the_guest_to_enable)
{
	make_guest();
	uint32_t id, at = driver->cmdq_prod;
	ck_assert_int_eq(queue_alloc(0, QUEUE_IOVA, PAGE_SIZE, &id), 0);
	ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * 2, 4), 0x8001);
	ck_assert_uint_eq(cmdqv(cmdqv_vintf_page0(1) + VCMDQ_STATUS, 4), 0);
	ck_assert_uint_eq(cmdqv(cmdqv_vintf_page1(1) + VCMDQ_CONS_BASE, 8), 0);
	/* The flush of 9.3: a bare SYNC, then the driver's own. */
	EXPECT_COMMANDS(at, (struct smmu_command){{0x46, 0}}, SYNC);
}
END_TEST

START_TEST(hw_queues_go_in_reverse_order)
{
	make_guest();
	uint32_t ids[2];
	ck_assert_int_eq(queue_alloc(0, QUEUE_IOVA, PAGE_SIZE, &ids[0]), 0);
	ck_assert_int_eq(queue_alloc(1, QUEUE_IOVA + PAGE_SIZE, PAGE_SIZE, &ids[1]), 0);
	ck_assert_int_eq(destroy(ids[0]), -EBUSY);
	ck_assert_int_eq(destroy(viommu), -EBUSY);
	ck_assert_int_eq(unmap(QUEUE_IOVA, HPAGE_SIZE), -EBUSY);
	ck_assert_int_eq(destroy(ids[1]), 0);
	ck_assert_int_eq(unmap(QUEUE_IOVA, HPAGE_SIZE), -EBUSY);
	ck_assert_int_eq(destroy(ids[0]), 0);
	ck_assert_int_eq(unmap(QUEUE_IOVA, HPAGE_SIZE), 0);
	ck_assert_int_eq(destroy(viommu), 0);
}
END_TEST

START_TEST(a_queue_that_runs_is_stopped_and_emptied_by_its_destruction)
{
	make_guest();
	struct checker *checker = checker_new(machine);
	uint64_t page0 = CMDQV_AT + cmdqv_vintf_page0(1);
	uint32_t id;
	ck_assert_int_eq(queue_alloc(0, QUEUE_IOVA, PAGE_SIZE, &id), 0);
	bus_write(&machine->bus, pa_of(page0 + VCMDQ_CONFIG), 4, 1);
	bus_write(&machine->bus, pa_of(page0 + VCMDQ_PROD), 4, 100); /* opcode 0: an error */
	ck_assert_int_eq(destroy(id), 0);
	while (clock_step(&machine->clock))
		;
	ck_assert_uint_eq(checker->count, 0);
	ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * 2, 4), 0x8000);
	uint64_t direct = CMDQV_DIRECT_PAGE0 + 2 * CMDQV_QUEUE_STRIDE;
	ck_assert_uint_eq(cmdqv(direct + VCMDQ_CONFIG, 4), 0);
	ck_assert_uint_eq(cmdqv(direct + VCMDQ_PROD, 4), 0);
	ck_assert_uint_eq(cmdqv(direct + VCMDQ_CONS, 4) & 0xfffff, 0);
	ck_assert_uint_eq(cmdqv(direct + VCMDQ_GERROR, 4), cmdqv(direct + VCMDQ_GERRORN, 4));
	ck_assert_uint_eq(cmdqv(CMDQV_DIRECT_PAGE1 + 2 * CMDQV_QUEUE_STRIDE, 8), 0);
	/* The guest's doorbell reaches nothing. */
	bus_write(&machine->bus, pa_of(page0 + VCMDQ_PROD), 4, 3);
	ck_assert(!clock_step(&machine->clock));
}
END_TEST

START_TEST(page_0_of_the_vintf_is_mapped_whole_and_shared_only)
{
	make_guest();
	ck_assert_uint_eq(mmap_length, 0x10000);
	uint64_t fd = (uint64_t)iommu_fd;
	ck_assert_int_eq(sys(SYS_MMAP, 0, mmap_length, 3, 2, fd, mmap_offset), -EINVAL);
	ck_assert_int_eq(sys(SYS_MMAP, 0, mmap_length, 7, 1, fd, mmap_offset), -EPERM);
	ck_assert_int_eq(sys(SYS_MMAP, 0, PAGE_SIZE, 3, 1, fd, mmap_offset), -ENXIO);
	ck_assert_int_eq(sys(SYS_MMAP, 0, mmap_length, 3, 1, fd, mmap_offset + PAGE_SIZE), -ENXIO);
	/* Page 1 lies behind it in the hardware, and is not reached. */
	ck_assert_int_eq(sys(SYS_MMAP, 0, mmap_length, 3, 1, fd, mmap_offset + mmap_length),
			 -ENXIO);
	ck_assert_int_eq(sys(SYS_MMAP, 0, 2 * mmap_length, 3, 1, fd, mmap_offset), -ENXIO);
	int64_t va = sys(SYS_MMAP, 0, mmap_length, 3, 1, fd, mmap_offset);
	ck_assert_int_gt(va, 0);
	ck_assert_int_eq(destroy(viommu), -EBUSY);
	ck_assert_int_eq(sys(SYS_MUNMAP, (uint64_t)va, mmap_length, 0, 0, 0, 0), 0);
	ck_assert_int_eq(destroy(viommu), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arm_smmu_v3");
	TCase *tests = tcase_create("driver");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, set_up_writes_registers_as_linux_does);
	tcase_add_test(tests, set_up_assigns_every_queue_without_allocating_it);
	tcase_add_test(tests, attach_writes_the_stream_table_entry_of_linux);
	tcase_add_test(tests, at_oas_44_the_entry_is_that_of_the_capture);
	tcase_add_test(tests, closing_the_device_leaves_an_abort_entry);
	tcase_add_test(tests, hw_info_knows_two_types);
	tcase_add_test(tests, domains_take_no_data_and_only_known_flags);
	tcase_add_test(tests, vmids_are_the_lowest_free_from_one);
	tcase_add_test(tests, a_domain_of_another_smmu_is_refused);
	tcase_add_test(tests, unmap_returns_when_the_tlb_has_forgotten);
	tcase_add_test(tests, unmap_of_a_nest_parent_drops_stage_1_too);
	tcase_add_test(tests, viommu_checks_type_data_and_length);
	tcase_add_test(tests, vintfs_run_from_one_to_the_last_and_are_given_back);
	tcase_add_test(tests, a_vdevice_is_a_pair_of_stream_ids);
	tcase_add_test(tests, hw_queue_checks_come_in_the_order_of_the_sheet);
	tcase_add_test(tests, hw_queue_sizes_are_powers_of_two_and_aligned);
	tcase_add_test(tests, hw_queue_is_capped_by_the_smmus_queue_size);
	tcase_add_test(tests, hw_queue_is_mapped_and_left_for_the_guest_to_enable);
	tcase_add_test(tests, hw_queues_go_in_reverse_order);
	tcase_add_test(tests, a_queue_that_runs_is_stopped_and_emptied_by_its_destruction);
	tcase_add_test(tests, page_0_of_the_vintf_is_mapped_whole_and_shared_only);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
