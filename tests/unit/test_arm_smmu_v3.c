/* SPDX-License-Identifier: Apache-2.0 */
/* The Linux driver's side, through ioctls (iommufd app. D; tegra241-cmdqv 9; smmuv3 3.6, 4.3). */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "emu/checker.h"
#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"
#include "kernel_shim/uapi/vfio.h"
#include "kernel_shim/vfio_cdev.h"
#include "tests/kit/fake_iommu.h"
#include "tests/kit/run.h"
#include "tests/kit/smmu.h"
#include "tests/kit/world.h"

#define OTHER_AT   0x8000000ULL
#define SID        0x10U
#define VMID       1U /* of the first domain: the lowest free */
#define QUEUE_IOVA 0x40000000ULL
#define WRITES_MAX 512U
#define UNALIGNED  (0x20000000ULL + PAGE_SIZE) /* no leaf above 4 KiB fits here */

enum region { REGION_SMMU, REGION_CMDQV };

/* A register write of the driver, and what held when it was made. */
struct spied {
	uint64_t offset;
	uint64_t value;
	uint64_t ste[4];
	enum region region;
	uint32_t holder; /* of the stream */
};

struct expected_write {
	uint64_t offset;
	uint64_t value;
};

static struct profile profile;
static struct world *world;
static struct machine *machine;
static struct smmu *smmu;
static struct arm_smmu *driver;
static struct mmio_region real[2];
static struct spied writes[WRITES_MAX];
static unsigned write_count;
/* What CONS of the main queue reads as, while ANSWERED; and when it was read. */
static struct {
	bool answered;
	uint64_t value;
	unsigned count;
	uint64_t read_ps[16];
} cons;
/* Reads of the CMDQV, but for polls of CONS. */
static struct {
	uint64_t offset;
	unsigned width;
} reads[64];
static unsigned read_count;
static uint32_t eventqs; /* what IDR1.EVENTQS reads as; 0: as CMDQS */
/* The SMMU does not acknowledge this write. */
static const struct expected_write *ignored;
static uint64_t mark; /* commands that were sent before what a test looks at */
static int device_fd;
static uint32_t ioas, device, parent, viommu;
static uint64_t queue_va, queue_pfn; /* 2 MiB, mapped at QUEUE_IOVA by make_guest() */
static uint64_t mmap_offset, mmap_length;
static struct translation got;

/* --- what the driver does to registers and memory --- */

static uint64_t word_at(uint64_t pa)
{
	uint8_t bytes[8];
	memory_read(&machine->memory, pa_of(pa), bytes, sizeof(bytes));
	return load_le64(bytes);
}

static uint64_t ste_word(uint32_t sid, unsigned word)
{
	return word_at(driver->strtab_pfn * PAGE_SIZE + STE_SIZE * sid + 8ULL * word);
}

static uint32_t stream_holder(uint32_t sid)
{
	const struct ledger_binding *binding =
		ledger_binding(&machine->ledger, smmu->port.engine, CONTEXT_DEVICE(sid));
	return binding != NULL ? binding->holder : LEDGER_NOTHING;
}

/* Whether OFFSET acknowledges what was written last, and that is ignored. */
static bool is_ignored(uint64_t offset)
{
	if (ignored == NULL || write_count == 0 || offset != ignored->offset + 4)
		return false;
	const struct spied *last = &writes[write_count - 1];
	return last->offset == ignored->offset && last->value == ignored->value;
}

static uint64_t spy_read(void *owner, uint64_t offset, unsigned width)
{
	const struct mmio_region *region = owner;
	if (region == &real[REGION_CMDQV] && offset != cmdqv_vintf_page0(0) + VCMDQ_CONS &&
	    read_count < sizeof(reads) / sizeof(reads[0])) {
		reads[read_count].offset = offset;
		reads[read_count++].width = width;
	}
	if (region == &real[REGION_SMMU] && offset == SMMU_IDR0 + 4 && eventqs != 0)
		return field_set(region->ops->read(region->owner, offset, width), IDR1_EVENTQS,
				 eventqs);
	if (region == &real[REGION_SMMU] && is_ignored(offset))
		return ~ignored->value;
	if (region == &real[REGION_SMMU] && offset == SMMU_CMDQ_CONS && cons.answered) {
		if (cons.count < sizeof(cons.read_ps) / sizeof(cons.read_ps[0]))
			cons.read_ps[cons.count++] = machine->clock.now_ps;
		return cons.value;
	}
	return region->ops->read(region->owner, offset, width);
}

static void spy_write(void *owner, uint64_t offset, unsigned width, uint64_t value)
{
	const struct mmio_region *region = owner;
	struct spied *spied = &writes[write_count < WRITES_MAX ? write_count : 0];
	*spied = (struct spied){
		.region = (enum region)(region - real), .offset = offset, .value = value};
	for (unsigned word = 0; driver != NULL && word < 4; word++)
		spied->ste[word] = ste_word(SID, word);
	spied->holder = stream_holder(SID);
	write_count++;
	region->ops->write(region->owner, offset, width, value);
}

static const struct mmio_ops spy_ops = {spy_read, spy_write};

static void spy_on(enum region which)
{
	struct mmio_region *region = &machine->bus.regions[which];
	real[which] = *region;
	region->ops = &spy_ops;
	region->owner = &real[which];
}

/* Forgets what was sent and written so far. */
static void look_from_here(void)
{
	mark = driver->cmdq.issued;
	write_count = 0;
}

/* The first COUNT commands since then are exactly these. */
static void expect_first(const struct smmu_command *commands, uint64_t count)
{
	ck_assert_uint_ge(driver->cmdq.issued, mark + count);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t entry = (mark + i) % (1U << driver->cmdq.log2size);
		uint64_t pa = driver->cmdq.pfn * PAGE_SIZE + COMMAND_SIZE * entry;
		ck_assert_msg(word_at(pa) == commands[i].dw[0] &&
				      word_at(pa + 8) == commands[i].dw[1],
			      "command %lu is %016lx %016lx", i, word_at(pa), word_at(pa + 8));
	}
}

static void expect_all(const struct smmu_command *commands, uint64_t count)
{
	ck_assert_uint_eq(driver->cmdq.issued, mark + count);
	expect_first(commands, count);
}

#define EXPECT(how, ...)                                               \
	do {                                                           \
		const struct smmu_command expected[] = {__VA_ARGS__};  \
		how(expected, sizeof(expected) / sizeof(expected[0])); \
	} while (0)
#define EXPECT_COMMANDS(...)       EXPECT(expect_all, __VA_ARGS__)
#define EXPECT_FIRST_COMMANDS(...) EXPECT(expect_first, __VA_ARGS__)
#define SYNC                       command_sync(SYNC_CS_SEV)

/* The writes since then to this register: how many; the last one's value in *VALUE. */
static unsigned written(enum region region, uint64_t offset, uint64_t *value)
{
	unsigned count = 0;
	ck_assert_uint_le(write_count, WRITES_MAX);
	for (unsigned i = 0; i < write_count; i++) {
		if (writes[i].region != region || writes[i].offset != offset)
			continue;
		count++;
		if (value != NULL)
			*value = writes[i].value;
	}
	return count;
}

/* The number of the first write of VALUE to the register. */
static unsigned place_of(uint64_t offset, uint64_t value)
{
	unsigned i = 0;
	while (i < write_count && (writes[i].region != REGION_SMMU || writes[i].offset != offset ||
				   writes[i].value != value))
		i++;
	ck_assert_msg(i < write_count, "%lx is never written to %lx", value, offset);
	return i;
}

/* The number of the first write to CR0 that sets BITS. */
static unsigned place_of_cr0(uint64_t bits)
{
	unsigned i = 0;
	while (i < write_count && (writes[i].region != REGION_SMMU ||
				   writes[i].offset != SMMU_CR0 || (writes[i].value & bits) == 0))
		i++;
	ck_assert_uint_lt(i, write_count);
	return i;
}

/* The writes to the CMDQV since then are exactly these. */
static void expect_cmdqv_writes(const struct expected_write *expected, unsigned count)
{
	unsigned seen = 0;
	for (unsigned i = 0; i < write_count; i++) {
		if (writes[i].region != REGION_CMDQV)
			continue;
		ck_assert_msg(seen < count && writes[i].offset == expected[seen].offset &&
				      writes[i].value == expected[seen].value,
			      "write %u: %lx to %lx", seen, writes[i].value, writes[i].offset);
		seen++;
	}
	ck_assert_uint_eq(seen, count);
}

#define EXPECT_CMDQV_WRITES(...)                                           \
	do {                                                               \
		const struct expected_write list[] = {__VA_ARGS__};        \
		expect_cmdqv_writes(list, sizeof(list) / sizeof(list[0])); \
	} while (0)

static uint64_t cmdqv(uint64_t offset, unsigned width)
{
	return bus_read(&machine->bus, pa_of(CMDQV_AT + offset), width);
}

static void set_cmdqv(uint64_t offset, uint64_t value)
{
	bus_write(&machine->bus, pa_of(CMDQV_AT + offset), 4, value);
}

static void run_machine(void)
{
	while (clock_step(&machine->clock))
		;
}

static void set_kernel_option(enum kernel_option option, unsigned value)
{
	struct iommufd_module *module = machine->kernel;
	module->options.values[option] = (uint8_t)value;
}

/* --- the machine --- */

static int probe_smmu(uint64_t at, struct smmu **made, struct arm_smmu **probed)
{
	const struct smmu_board board = {.name = "smmu",
					 .base = {at},
					 .cmdqv_base = {at + CMDQV_AT - SMMU_AT},
					 .gerror_irq = KIT_IRQ_GERROR,
					 .eventq_irq = KIT_IRQ_EVENTQ,
					 .cmdqv_irq = KIT_IRQ_CMDQV,
					 .priq_irq = KIT_IRQ_PRIQ,
					 .sync_irq = KIT_IRQ_SYNC};
	const struct arm_smmu_resources resources = {.name = board.name,
						     .base = board.base,
						     .cmdqv = board.cmdqv_base,
						     .eventq_irq = board.eventq_irq,
						     .cmdqv_irq = board.cmdqv_irq};
	struct option_set assumptions;
	option_set_init(&assumptions, smmu_assumptions);
	*made = smmu_new(machine, &board, &profile, &assumptions);
	if (at == SMMU_AT) {
		spy_on(REGION_SMMU);
		spy_on(REGION_CMDQV);
	}
	return arm_smmu_probe(machine, &resources, probed);
}

static struct arm_smmu *add_smmu(uint64_t at, struct smmu **made)
{
	struct arm_smmu *probed = NULL;
	ck_assert_int_eq(probe_smmu(at, made, &probed), 0);
	return probed;
}

/* Opens PATH and gives the device to the iommufd: *ID. */
static int bind_device(const char *path, uint32_t *id)
{
	int fd = (int)world_open(world, path);
	ck_assert_int_ge(fd, 0);
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = world->fd};
	ck_assert_int_eq(
		world_device_ioctl(world, fd, VFIO_DEVICE_BIND_IOMMUFD, &bind, sizeof(bind)), 0);
	*id = bind.out_devid;
	return fd;
}

static int add_device(const char *path, uint32_t sid, bool ats, uint32_t *id)
{
	struct arm_smmu_master *master = arm_smmu_master_new(driver, sid, ats);
	vfio_cdev_register(machine, path, &master->device);
	return bind_device(path, id);
}

static void make_machine(void)
{
	world = world_new();
	machine = world->machine;
	driver = NULL;
	write_count = 0;
	cons.answered = false;
	/* What is sent is looked at in the main queue; test_tegra241_vintf0.c has the other. */
	set_kernel_option(KERNEL_CMDQV_BYPASS, KERNEL_SWITCH_OTHER);
	driver = add_smmu(SMMU_AT, &smmu);
	ioas = (uint32_t)world_ioas(world);
	device_fd = add_device("/dev/vfio/devices/vfio0", SID, false, &device);
}

static void setup(void)
{
	profile = smmu_kit_grace();
	make_machine();
	mark = 0;
}

/* Hardware without stage 1: each domain of it is one of stage 2. */
static void setup_stage2(void)
{
	profile = smmu_kit_grace();
	smmu_kit_set(&profile, "idr0.features", profile_get(&profile, "idr0.features") & ~IDR0_S1P);
	make_machine();
	mark = 0;
}

static void teardown(void)
{
	world_free(world);
}

static void remake_with(const char *parameter, uint64_t value)
{
	teardown();
	smmu_kit_set(&profile, parameter, value);
	make_machine();
}

/* --- calls --- */

static uint32_t new_hwpt(uint32_t flags)
{
	int64_t id = world_hwpt(world, device, ioas, flags);
	ck_assert_int_gt(id, 0);
	return (uint32_t)id;
}

static int64_t attach(int fd, uint32_t id)
{
	struct vfio_device_attach_iommufd_pt at = {.argsz = sizeof(at), .pt_id = id};
	return world_device_ioctl(world, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &at, sizeof(at));
}

static uint32_t attach_new(uint32_t flags)
{
	uint32_t hwpt = new_hwpt(flags);
	ck_assert_int_eq(attach(device_fd, hwpt), 0);
	return hwpt;
}

/* PAGES fresh pages at IOVA; their address. */
static uint64_t map_pages(uint64_t iova, uint64_t pages)
{
	uint64_t va = world_mmap_aligned(world, align_up(pages * PAGE_SIZE, HPAGE_SIZE));
	ck_assert_int_eq(world_map_at(world, ioas, va, pages * PAGE_SIZE, iova), 0);
	return va;
}

static void unmap_pages(uint64_t iova, uint64_t pages)
{
	ck_assert_int_eq(world_unmap(world, ioas, iova, pages * PAGE_SIZE),
			 (int64_t)(pages * PAGE_SIZE));
}

static bool works(uint64_t iova, bool write)
{
	return smmu_translate(smmu, SID, iova, write, &got) == TRANSLATE_OK;
}

static int64_t viommu_alloc(uint32_t type, uint32_t hwpt, uint32_t length, uint64_t data)
{
	struct iommu_viommu_alloc cmd = {.type = type,
					 .dev_id = device,
					 .hwpt_id = hwpt,
					 .data_len = length,
					 .data_uptr = data};
	int64_t error = world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_viommu_id;
}

static uint32_t new_viommu(uint32_t hwpt)
{
	int64_t id = viommu_alloc(2, hwpt, 16, world->data);
	ck_assert_int_gt(id, 0);
	return (uint32_t)id;
}

/* A nest parent, attached; a vIOMMU on it, VINTF 1; 2 MiB at QUEUE_IOVA. */
static void make_guest(void)
{
	uint64_t words[2];
	parent = attach_new(IOMMU_HWPT_ALLOC_NEST_PARENT);
	viommu = new_viommu(parent);
	world_get(world, world->data, words, sizeof(words));
	mmap_offset = words[0];
	mmap_length = words[1];
	queue_va = map_pages(QUEUE_IOVA, HPAGE_FRAMES);
	ck_assert(works(QUEUE_IOVA, false));
	queue_pfn = pa_pfn(got.pa);
}

static struct iommu_hw_queue_alloc queue_of(uint32_t index, uint64_t iova, uint64_t length)
{
	return (struct iommu_hw_queue_alloc){.viommu_id = viommu,
					     .type = IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV,
					     .index = index,
					     .nesting_parent_iova = iova,
					     .length = length};
}

static int64_t queue_alloc(uint32_t index, uint64_t iova, uint64_t length)
{
	struct iommu_hw_queue_alloc cmd = queue_of(index, iova, length);
	int64_t error = world_ioctl(world, IOMMUFD_NR_HW_QUEUE_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_hw_queue_id;
}

static uint32_t new_queue(uint32_t index, uint64_t iova)
{
	int64_t id = queue_alloc(index, iova, PAGE_SIZE);
	ck_assert_int_gt(id, 0);
	return (uint32_t)id;
}

static uint64_t vintf_block(uint32_t vintf, uint32_t offset)
{
	return CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE * vintf + offset;
}

/* --- set-up [smmuv3 1.7] --- */

/* profiles/grace with CLEAR, then SET, in a parameter: what the probe of it comes to. */
static int probe_with(const char *parameter, uint64_t clear, uint64_t set)
{
	teardown();
	profile = smmu_kit_grace();
	smmu_kit_set(&profile, parameter, (profile_get(&profile, parameter) & ~clear) | set);
	world = world_new();
	machine = world->machine;
	driver = NULL;
	write_count = 0;
	return probe_smmu(SMMU_AT, &smmu, &driver);
}

/* 1.3: and nothing is written to it. */
START_TEST(hardware_that_linux_does_not_support_is_refused)
{
	static const struct {
		const char *parameter;
		uint64_t clear;
		uint64_t set;
		const char *field;
	} rows[] = {
		{"idr1.features", 0, 1 << 30, "TABLES_PRESET"},
		{"idr1.features", 0, 1 << 29, "QUEUES_PRESET"},
		{"idr1.features", 0, 1 << 28, "REL"},
		{"idr0.features", 3 << 2, 0, "TTF"},
		{"idr0.features", 3 << 2, 1 << 2, "TTF"}, /* AArch32 alone */
		{"idr0.features", 3, 0, "S1P, S2P"},
		{"idr0.features", 3 << 21, 3 << 21, "TTENDIAN"}, /* big-endian alone */
		{"idr0.features", 3 << 21, 1 << 21, "TTENDIAN"}, /* reserved */
		{"cmdqs.log2", 31, 6, "CMDQS"},
		{"cmdqs.log2", 31, 0, "CMDQS"},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_msg(probe_with(rows[i].parameter, rows[i].clear, rows[i].set) == -ENXIO,
			      "%u", i);
		ck_assert_int_eq(machine->rule.error, ENXIO);
		ck_assert_str_eq(machine->rule.id, "smmuv3 1.3");
		ck_assert_ptr_nonnull(strstr(machine->rule.why, rows[i].field));
		ck_assert_ptr_null(driver);
		ck_assert_uint_eq(write_count, 0);
	}
}
END_TEST

START_TEST(hardware_that_linux_just_supports_is_probed)
{
	ck_assert_int_eq(probe_with("idr0.features", 3 << 2, 3 << 2), 0); /* TTF: both */
	ck_assert_int_eq(probe_with("idr0.features", 1, 0), 0);           /* stage 1 alone */
	ck_assert_int_eq(probe_with("idr0.features", 2, 0), 0);
	ck_assert_int_eq(probe_with("idr0.features", 3 << 21, 0), 0); /* TTENDIAN: mixed */
	ck_assert_int_eq(probe_with("cmdqs.log2", 31, 7), 0);
	ck_assert_ptr_nonnull(driver);
}
END_TEST

/* What is written before what, of all that has an order; the values of the capture's mmio.txt. */
START_TEST(set_up_enables_nothing_before_it_is_ready)
{
	unsigned cmdqen = place_of_cr0(CR0_CMDQEN), eventqen = place_of_cr0(CR0_EVENTQEN);
	unsigned smmuen = place_of_cr0(CR0_SMMUEN);
	ck_assert_uint_eq(place_of(SMMU_CR0, 0), 0);
	ck_assert_uint_lt(place_of(SMMU_CR1, 0xd75), cmdqen);
	ck_assert_uint_lt(place_of(SMMU_CR2, 6), cmdqen);
	ck_assert_uint_lt(place_of(SMMU_STRTAB_BASE, driver->strtab_pfn * PAGE_SIZE | 1ULL << 62),
			  smmuen);
	ck_assert_uint_lt(place_of(SMMU_STRTAB_BASE_CFG, driver->strtab_log2size), smmuen);
	unsigned base = place_of(SMMU_CMDQ_BASE,
				 driver->cmdq.pfn * PAGE_SIZE | 1ULL << 62 | driver->cmdq.log2size);
	ck_assert_uint_lt(base, place_of(SMMU_CMDQ_PROD, 0));
	ck_assert_uint_lt(place_of(SMMU_CMDQ_CONS, 0), cmdqen);
	/* A CFGI_ALL and a SYNC; a TLBI_NSNH_ALL and a SYNC. */
	ck_assert_uint_lt(cmdqen, place_of(SMMU_CMDQ_PROD, 2));
	ck_assert_uint_lt(place_of(SMMU_CMDQ_PROD, 2), place_of(SMMU_CMDQ_PROD, 4));
	ck_assert_uint_lt(place_of(SMMU_CMDQ_PROD, 4), eventqen);
	ck_assert_uint_lt(place_of(SMMU_EVENTQ_PROD, 0), eventqen);
	ck_assert_uint_lt(place_of(SMMU_EVENTQ_CONS, 0), eventqen);
	ck_assert_uint_lt(eventqen, place_of(SMMU_IRQ_CTRL, 5));
	ck_assert_uint_lt(place_of(SMMU_IRQ_CTRL, 5), smmuen);
}
END_TEST

/* The capture's mmio.txt, without what needs MSIs, and with ATSCHK: IDR0.ATS is 1 here (1.7). */
START_TEST(set_up_writes_registers_in_the_order_of_the_capture)
{
	static const uint64_t golden[][2] = {
		{0x20, 0},    {0x28, 0xd75}, {0x2c, 6},    {0x80, 0},    {0x88, 0}, {0x90, 0},
		{0x98, 0},    {0x9c, 0},     {0x20, 8},    {0x98, 2},    {0x98, 4}, {0xa0, 0},
		{0x100a8, 0}, {0x100ac, 0},  {0x20, 0xc},  {0x20, 0x1c}, {0x50, 0}, {0x68, 0},
		{0xb0, 0},    {0x50, 5},     {0x20, 0x1d},
	};
	for (unsigned i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		bool base = golden[i][0] == 0x80 || golden[i][0] == 0x88 || golden[i][0] == 0x90 ||
			    golden[i][0] == 0xa0;
		ck_assert_msg(writes[i].offset == golden[i][0], "write %u at %lx", i,
			      writes[i].offset);
		ck_assert_msg(base || writes[i].value == golden[i][1], "write %u", i);
	}
}
END_TEST

/* 1.7: each for a second, polled each microsecond. */
START_TEST(a_register_that_is_not_acknowledged_ends_the_set_up)
{
	static const struct expected_write rows[] = {
		{SMMU_CR0, 0},    {SMMU_CR0, 8},      {SMMU_CR0, 0xc},    {SMMU_CR0, 0x1c},
		{SMMU_CR0, 0x1d}, {SMMU_IRQ_CTRL, 0}, {SMMU_IRQ_CTRL, 5},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ignored = &rows[i];
		ck_assert_int_eq(probe_with("aidr.value", 0, 0), -ETIMEDOUT);
		ignored = NULL;
		ck_assert_str_eq(machine->rule.id, "smmuv3 1.7");
		ck_assert_ptr_null(driver);
		ck_assert_uint_eq(writes[write_count - 1].offset, rows[i].offset);
		ck_assert_uint_eq(writes[write_count - 1].value, rows[i].value);
		/* And a little for the commands before. */
		ck_assert_uint_ge(machine->clock.now_ps, 1000000000000);
		ck_assert_uint_lt(machine->clock.now_ps, 1000010000000);
	}
}
END_TEST

/* 1.7: each by its own field of IDR1, 2^10 entries at most here (docs/limits.md). */
START_TEST(queues_are_as_large_as_the_hardware_allows)
{
	static const struct {
		uint32_t cmdqs, eventqs, commands, events;
	} rows[] = {{19, 19, 10, 10}, {19, 5, 10, 5}, {7, 19, 7, 10}, {8, 9, 8, 9}};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		eventqs = rows[i].eventqs;
		ck_assert_int_eq(probe_with("cmdqs.log2", 31, rows[i].cmdqs), 0);
		eventqs = 0;
		ck_assert_uint_eq(driver->cmdq.log2size, rows[i].commands);
		place_of(SMMU_CMDQ_BASE,
			 driver->cmdq.pfn * PAGE_SIZE | 1ULL << 62 | rows[i].commands);
		place_of(SMMU_EVENTQ_BASE,
			 driver->eventq_pfn * PAGE_SIZE | 1ULL << 62 | rows[i].events);
	}
}
END_TEST

/* 1.7: with HYP, which profiles/grace leaves out. */
START_TEST(set_up_drops_translations_of_el2)
{
	ck_assert_int_eq(probe_with("idr0.features", 0, IDR0_HYP), 0);
	mark = 0;
	EXPECT_FIRST_COMMANDS(command_cfgi_all(), SYNC, {{CMD_TLBI_EL2_ALL, 0}}, SYNC,
			      command_tlbi_nsnh_all(), SYNC);
}
END_TEST

/* 1.7: where IDR0.ATS is set. */
START_TEST(set_up_checks_translated_traffic_where_there_is_ats)
{
	ck_assert_uint_eq(field_get(smmu->idr[0], IDR0_ATS), 1);
	ck_assert_uint_eq(bus_read(&machine->bus, pa_of(SMMU_AT + SMMU_CR0), 4), 0x1d);
}
END_TEST

START_TEST(the_first_commands_are_those_of_the_capture)
{
	mark = 0;
	EXPECT_FIRST_COMMANDS({{0x0000000000000004, 0x000000000000001f}}, {{0x000000000fc02046, 0}},
			      {{0x0000000000000030, 0}}, {{0x000000000fc02046, 0}});
}
END_TEST

START_TEST(every_stream_is_blocked_at_first)
{
	for (uint32_t sid = 0; sid < 1U << driver->strtab_log2size; sid++) {
		ck_assert_uint_eq(ste_word(sid, 0), 1);
		for (unsigned word = 1; word < STE_WORDS; word++)
			ck_assert_uint_eq(ste_word(sid, word), 0);
	}
	ck_assert_uint_eq(stream_holder(SID), LEDGER_NOTHING);
	ck_assert(!works(0x1000, true));
	ck_assert_uint_eq(got.event, 0);
}
END_TEST

/* tegra241-cmdqv 9.2: after the SMMU is up; off, on, then each queue, q counting up. */
START_TEST(set_up_assigns_every_queue_without_allocating_it)
{
	unsigned first = place_of_cr0(CR0_SMMUEN) + 1;
	ck_assert_uint_ge(write_count, first + 2 + 128);
	for (unsigned i = 0; i < first; i++)
		ck_assert_int_eq(writes[i].region, REGION_SMMU);
	ck_assert_uint_eq(writes[first].offset, CMDQV_CONFIG);
	ck_assert_uint_eq(writes[first].value, 0x20082);
	ck_assert_uint_eq(writes[first + 1].offset, CMDQV_CONFIG);
	ck_assert_uint_eq(writes[first + 1].value, 0x20083);
	for (uint32_t q = 0; q < 128; q++) {
		ck_assert_uint_eq(writes[first + 2 + q].offset, CMDQV_ALLOC_MAP + 4 * q);
		ck_assert_uint_eq(writes[first + 2 + q].value, (q / 2) << 15 | (q % 2) << 1);
	}
	ck_assert_uint_eq(cmdqv(CMDQV_STATUS, 4), 1);
	ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * 3, 4), 0x8002);
}
END_TEST

/* tegra241-cmdqv 9.3: set-up begins with take-down, the last queue first. */
START_TEST(vintf_0_is_taken_down_before_it_is_set_up)
{
	static const struct expected_write golden[] = {
		/* CONFIG, PROD, CONS, BASE, CONS_INDX_BASE; ALLOC of queue 1, then of queue 0 */
		{0x30088, 0}, {0x30084, 0}, {0x30080, 0}, {0x40080, 0}, {0x40088, 0},
		{0x204, 2},   {0x30008, 0}, {0x30004, 0}, {0x30000, 0}, {0x40000, 0},
		{0x40008, 0}, {0x200, 0},   {0x1000, 0},
	};
	unsigned at = place_of_cr0(CR0_SMMUEN) + 1 + 2 + 128;
	for (unsigned i = 0; i < sizeof(golden) / sizeof(golden[0]); i++, at++) {
		while (writes[at].region != REGION_CMDQV) /* a doorbell for the flush */
			at++;
		ck_assert_msg(writes[at].offset == golden[i].offset &&
				      writes[at].value == golden[i].value,
			      "write %u: %lx to %lx", i, writes[at].value, writes[at].offset);
	}
}
END_TEST

/* tegra241-cmdqv 9.3: once when the VINTF is taken down, once when its queue is set up. */
START_TEST(set_up_flushes_each_queue_of_vintf_0_twice)
{
	mark = 4;
	EXPECT_COMMANDS({{0x46, 0}}, SYNC, {{0x46, 0}}, SYNC, {{0x46, 0}}, SYNC, {{0x46, 0}}, SYNC);
}
END_TEST

/* tegra241-cmdqv 9.3: whatever else the entry has. */
START_TEST(only_alloc_changes_of_an_assignment)
{
	make_guest();
	set_cmdqv(CMDQV_ALLOC_MAP + 4 * 2, 1 << 15 | 5 << 1);
	uint32_t id = new_queue(0, QUEUE_IOVA);
	ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * 2, 4), 1 << 15 | 5 << 1 | 1);
	ck_assert_int_eq(world_destroy(world, id), 0);
	ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * 2, 4), 1 << 15 | 5 << 1);
}
END_TEST

/* --- attach and detach [smmuv3 3.6, 4.3] --- */

/* ATS: the device takes part in it. */
static void expect_entry(bool ats)
{
	uint32_t id;
	int fd = add_device("/dev/vfio/devices/vfio1", SID + 1, ats, &id);
	device = id;
	uint32_t hwpt = new_hwpt(0);
	ck_assert_int_eq(attach(fd, hwpt), 0);
	ck_assert_uint_eq(ste_word(SID + 1, 0), 0xd);
	ck_assert_uint_eq(ste_word(SID + 1, 1), ats ? 0x100010000000 : 0x100000000000);
	ck_assert_uint_eq(ste_word(SID + 1, 2), 0x044d359000000001);
	ck_assert_uint_eq(ste_word(SID + 1, 3) & ~STE_S2TTB, 0);
	for (unsigned word = 4; word < STE_WORDS; word++)
		ck_assert_uint_eq(ste_word(SID + 1, word), 0);
}

START_TEST(attach_writes_the_stream_table_entry_of_linux)
{
	expect_entry(_i);
}
END_TEST

/* The body, CFGI_STE, SYNC; then the word with V and Config, CFGI_STE, SYNC. */
START_TEST(attach_writes_the_body_of_the_entry_first)
{
	uint32_t hwpt = new_hwpt(0);
	look_from_here();
	ck_assert_int_eq(attach(device_fd, hwpt), 0);
	EXPECT_FIRST_COMMANDS(command_cfgi_ste(SID, 1), SYNC, command_cfgi_ste(SID, 1), SYNC);
	ck_assert_uint_eq(writes[0].offset, SMMU_CMDQ_PROD);
	ck_assert_uint_eq(writes[0].ste[0], 1);
	ck_assert_uint_eq(writes[0].ste[2], 0x044d359000000001);
	ck_assert_uint_eq(writes[0].ste[3], ste_word(SID, 3));
	ck_assert_uint_eq(writes[1].offset, SMMU_CMDQ_PROD);
	ck_assert_uint_eq(writes[1].ste[0], 0xd);
}
END_TEST

static struct smmu_command prefetch_config(void)
{
	return (struct smmu_command){{CMD_PREFETCH_CONFIG | (uint64_t)SID << 32, 0}};
}

/* "... 0000001000000003 1, SYNC, 0000001000000003 1, SYNC, 0000001000000001 0". */
START_TEST(attach_ends_with_a_prefetch)
{
	uint32_t hwpt = new_hwpt(0);
	look_from_here();
	ck_assert_int_eq(attach(device_fd, hwpt), 0);
	EXPECT_COMMANDS(command_cfgi_ste(SID, 1), SYNC, command_cfgi_ste(SID, 1), SYNC,
			prefetch_config());
}
END_TEST

/* 3.6, update algorithm: VMID and table change, two words: V = 0, body, V = 1. */
START_TEST(a_domain_is_replaced_by_way_of_an_invalid_entry)
{
	attach_new(0);
	uint32_t second = new_hwpt(0);
	look_from_here();
	ck_assert_int_eq(attach(device_fd, second), 0);
	EXPECT_FIRST_COMMANDS(command_cfgi_ste(SID, 1), SYNC, command_cfgi_ste(SID, 1), SYNC,
			      command_cfgi_ste(SID, 1), SYNC);
	ck_assert_uint_eq(writes[0].ste[0] & 1, 0);
	ck_assert_uint_eq(writes[1].ste[0] & 1, 0);
	ck_assert_uint_eq(writes[1].ste[2], 0x044d359000000002);
}
END_TEST

START_TEST(a_replaced_domain_is_no_longer_translated_by)
{
	attach_new(0);
	map_pages(0x1000, 1);
	ck_assert(works(0x1000, true));
	uint32_t second = new_hwpt(0);
	ck_assert_int_eq(attach(device_fd, second), 0);
	ck_assert(works(0x1000, true));
	ck_assert_uint_eq(got.vmid, 2);
	ck_assert_int_eq(got.path, PATH_WALKED);
	ck_assert_uint_eq(ste_word(SID, 2), 0x044d359000000002);
}
END_TEST

/* "STE 0020 .. 0 0000000000000001", CFGI_STE, SYNC; words 2 and 3 := 0, CFGI_STE, SYNC. */
START_TEST(closing_the_device_blocks_the_stream_first)
{
	attach_new(0);
	uint64_t root = ste_word(SID, 3);
	look_from_here();
	ck_assert_int_eq(world_close(world, device_fd), 0);
	EXPECT_FIRST_COMMANDS(command_cfgi_ste(SID, 1), SYNC, command_cfgi_ste(SID, 1), SYNC);
	ck_assert_uint_eq(writes[0].ste[0], 1);
	ck_assert_uint_eq(writes[0].ste[3], root);
	ck_assert_uint_eq(writes[1].ste[3], 0);
	ck_assert_uint_eq(ste_word(SID, 0), 1);
	for (unsigned word = 1; word < STE_WORDS; word++)
		ck_assert_uint_eq(ste_word(SID, word), 0);
	ck_assert(!works(0x1000, false));
	ck_assert_uint_eq(got.event, 0);
}
END_TEST

/* The capture, lines 15564 to 15575; freeing the domain sends nothing more. */
START_TEST(the_last_device_of_a_domain_takes_its_vmid_along)
{
	uint32_t hwpt = attach_new(0);
	look_from_here();
	ck_assert_int_eq(world_close(world, device_fd), 0);
	EXPECT_COMMANDS(command_cfgi_ste(SID, 1), SYNC, command_cfgi_ste(SID, 1), SYNC,
			prefetch_config(), command_tlbi_s12_vmall(VMID), SYNC);
	look_from_here();
	ck_assert_int_eq(world_destroy(world, hwpt), 0);
	ck_assert_uint_eq(driver->cmdq.issued, mark);
}
END_TEST

START_TEST(nothing_is_cached_of_a_vmid_that_is_given_out_again)
{
	uint32_t hwpt = attach_new(0);
	map_pages(0x1000, 3);
	for (uint64_t iova = 0x1000; iova < 0x4000; iova += PAGE_SIZE)
		ck_assert(works(iova, true));
	ck_assert_uint_eq(smmu->tlb.count, 3);
	ck_assert_int_eq(world_close(world, device_fd), 0);
	ck_assert_int_eq(world_destroy(world, hwpt), 0);
	device_fd = bind_device("/dev/vfio/devices/vfio0", &device);
	attach_new(0);
	ck_assert_uint_eq(field_get(ste_word(SID, 2), STE_S2VMID), VMID);
	ck_assert_uint_eq(smmu->tlb.count, 0);
}
END_TEST

/* 3.6: lowest free first, from 1. */
START_TEST(vmids_are_the_lowest_free_from_one)
{
	struct iommu_domain *domains[5];
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(arm_smmu_domain_alloc(driver, 2, false, &domains[i]), 0);
		ck_assert_uint_eq(to_arm_smmu_domain(domains[i])->vmid, i + 1);
	}
	domains[1]->ops->free(domains[1]);
	domains[0]->ops->free(domains[0]);
	ck_assert_int_eq(arm_smmu_domain_alloc(driver, 2, false, &domains[0]), 0);
	ck_assert_uint_eq(to_arm_smmu_domain(domains[0])->vmid, 1);
	ck_assert_int_eq(arm_smmu_domain_alloc(driver, 2, false, &domains[1]), 0);
	ck_assert_uint_eq(to_arm_smmu_domain(domains[1])->vmid, 2);
	ck_assert_int_eq(arm_smmu_domain_alloc(driver, 2, false, &domains[4]), 0);
	ck_assert_uint_eq(to_arm_smmu_domain(domains[4])->vmid, 5);
}
END_TEST

START_TEST(a_freed_domain_gives_its_tables_back)
{
	uint64_t pfn;
	struct iommu_domain *domain;
	ck_assert_int_eq(arm_smmu_domain_alloc(driver, 2, false, &domain), 0);
	ck_assert_uint_eq(memory_alloc(&machine->memory, OWNER_KERNEL, 1, 1, 1, 0, &pfn), 1);
	ck_assert_int_eq(
		domain->ops->map(domain, iova_of(0), pa_of_pfn(pfn), PAGE_SIZE, IOMMU_READ, 0), 0);
	uint64_t table = to_arm_smmu_domain(domain)->table.root_pfn, frames[4];
	for (unsigned level = 0; level < 4; level++) {
		frames[level] = table;
		ck_assert(!memory_is_free(&machine->memory, table));
		table = (word_at(table * PAGE_SIZE) & PTE_ADDR) / PAGE_SIZE;
	}
	ck_assert_uint_eq(table, pfn);
	domain->ops->free(domain);
	for (unsigned level = 0; level < 4; level++)
		ck_assert(memory_is_free(&machine->memory, frames[level]));
	ck_assert(!memory_is_free(&machine->memory, pfn));
}
END_TEST

/* --- tables [smmuv3 4.3, 5.3] --- */

/* The entries on the way to a page of a fresh stage 2, levels 0 to 3. */
static struct arm_smmu_domain *map_a_page(bool nest_parent, uint32_t prot, uint64_t entries[4])
{
	struct iommu_domain *domain;
	uint64_t pfn;
	ck_assert_int_eq(arm_smmu_domain_alloc(driver, 2, nest_parent, &domain), 0);
	ck_assert_uint_eq(memory_alloc(&machine->memory, OWNER_KERNEL, 1, 1, 1, 0, &pfn), 1);
	ck_assert_int_eq(domain->ops->map(domain, iova_of(0), pa_of_pfn(pfn), PAGE_SIZE, prot, 0),
			 0);
	uint64_t at = to_arm_smmu_domain(domain)->table.root_pfn * PAGE_SIZE;
	for (unsigned level = 0; level < 4; level++) {
		entries[level] = word_at(at);
		at = entries[level] & PTE_ADDR;
	}
	return to_arm_smmu_domain(domain);
}

static void expect_stage_2(bool nest_parent, uint32_t prot, uint64_t s2fwb, uint64_t memattr)
{
	uint64_t entries[4], ste[STE_WORDS];
	arm_smmu_make_stage2_ste(map_a_page(nest_parent, prot, entries), false, ste);
	ck_assert_uint_eq(ste[1] & STE_S2FWB, s2fwb);
	ck_assert_uint_eq(field_get(entries[3], PTE_S2_MEMATTR), memattr);
}

START_TEST(a_nest_parent_forces_write_back_where_the_hardware_can)
{
	const uint32_t memory = IOMMU_READ | IOMMU_WRITE, device_memory = memory | IOMMU_MMIO;
	expect_stage_2(true, memory, 0, 0xf);
	expect_stage_2(true, device_memory, 0, 1);
	remake_with("idr3.features", IDR3_FWB);
	expect_stage_2(true, memory, STE_S2FWB, 6);
	expect_stage_2(true, device_memory, STE_S2FWB, 1);
	expect_stage_2(false, memory, 0, 0xf);
	attach_new(IOMMU_HWPT_ALLOC_NEST_PARENT);
	map_pages(0x1000, 1);
	ck_assert(works(0x1000, true));
}
END_TEST

/* Bit 55: software's, of tables alone. */
START_TEST(tables_are_marked_for_walks_that_are_not_coherent)
{
	uint64_t entries[4];
	map_a_page(false, IOMMU_READ, entries);
	for (unsigned level = 0; level < 4; level++)
		ck_assert_uint_eq(entries[level] & BITS(55, 55), 0);
	remake_with("idr0.features", profile_get(&profile, "idr0.features") & ~IDR0_COHACC);
	map_a_page(false, IOMMU_READ, entries);
	for (unsigned level = 0; level < 3; level++)
		ck_assert_uint_eq(entries[level] & ~PTE_ADDR, BITS(55, 55) | 3);
	ck_assert_uint_eq(entries[3] & BITS(55, 55), 0);
	attach_new(0);
	map_pages(0x1000, 1);
	ck_assert(works(0x1000, true));
}
END_TEST

START_TEST(a_domain_of_another_smmu_is_refused)
{
	struct smmu *model;
	uint32_t hwpt = new_hwpt(IOMMU_HWPT_ALLOC_NEST_PARENT);
	struct arm_smmu *other = add_smmu(OTHER_AT, &model), *first = driver;
	driver = other;
	int fd = add_device("/dev/vfio/devices/vfio1", 0x20, false, &device);
	driver = first;
	ck_assert_int_eq(attach(fd, hwpt), -EINVAL);
	ck_assert_int_eq(viommu_alloc(2, hwpt, 16, world->data), -EINVAL);
}
END_TEST

/* --- hw_info, domains [iommufd app. D; smmuv3 9.4; tegra241-cmdqv 9.5] --- */

static int64_t hw_info(uint32_t flags, uint32_t type, struct iommu_hw_info *info)
{
	*info = (struct iommu_hw_info){.flags = flags,
				       .dev_id = device,
				       .data_len = 64,
				       .data_uptr = world->data,
				       .data_type = type};
	return world_ioctl(world, IOMMUFD_NR_GET_HW_INFO, info);
}

START_TEST(hw_info_knows_the_smmu)
{
	struct iommu_hw_info info;
	uint32_t words[10];
	for (uint32_t type = 0; type <= 2; type += 2) {
		ck_assert_int_eq(hw_info(type ? 1 : 0, type, &info), 0);
		ck_assert_uint_eq(info.data_type, 2);
		ck_assert_uint_eq(info.data_len, 40);
		world_get(world, world->data, words, sizeof(words));
		ck_assert_uint_eq(words[0], 0);
		for (unsigned i = 0; i < 6; i++)
			ck_assert_uint_eq(words[2 + i],
					  bus_read(&machine->bus, pa_of(SMMU_AT + 4 * i), 4));
		ck_assert_uint_eq(words[9], 1);
	}
}
END_TEST

START_TEST(hw_info_knows_the_cmdqv_and_no_more)
{
	static const uint8_t golden[8] = {0, 0, 0, 0, 1, 1, 4, 0}; /* version, 2 queues, 16 SIDs */
	struct iommu_hw_info info;
	uint8_t bytes[8];
	ck_assert_int_eq(hw_info(1, 3, &info), 0);
	ck_assert_uint_eq(info.data_type, 3);
	ck_assert_uint_eq(info.data_len, 8);
	world_get(world, world->data, bytes, sizeof(bytes));
	ck_assert_mem_eq(bytes, golden, sizeof(golden));
	ck_assert_int_eq(hw_info(1, 1, &info), -EOPNOTSUPP);
	ck_assert_int_eq(hw_info(1, 4, &info), -EOPNOTSUPP);
}
END_TEST

START_TEST(domains_take_no_data_and_only_known_flags)
{
	struct iommu_hwpt_alloc alloc = {.dev_id = device,
					 .pt_id = ioas,
					 .data_type = 2,
					 .data_len = 16,
					 .data_uptr = world->data};
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &alloc), -EOPNOTSUPP);
	ck_assert_int_eq(world_hwpt(world, device, ioas,
				    IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING),
			 -EOPNOTSUPP);
	ck_assert_int_eq(world_hwpt(world, device, ioas,
				    IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_PASID),
			 -EOPNOTSUPP);
	ck_assert_int_gt(world_hwpt(world, device, ioas, IOMMU_HWPT_ALLOC_PASID), 0);
	ck_assert_int_gt(world_hwpt(world, device, ioas, 0), 0);
}
END_TEST

START_TEST(without_a_cmdqv_there_is_no_type_of_it)
{
	struct iommu_hw_info info;
	uint32_t hwpt = new_hwpt(IOMMU_HWPT_ALLOC_NEST_PARENT);
	struct pa at = driver->cmdqv;
	driver->cmdqv = pa_of(0);
	ck_assert_int_eq(hw_info(1, 3, &info), -EOPNOTSUPP);
	ck_assert_int_eq(viommu_alloc(2, hwpt, 16, world->data), -EOPNOTSUPP);
	driver->cmdqv = at;
	ck_assert_int_gt(viommu_alloc(2, hwpt, 16, world->data), 0);
}
END_TEST

START_TEST(nothing_nests_without_both_stages)
{
	uint32_t hwpt = new_hwpt(IOMMU_HWPT_ALLOC_NEST_PARENT), idr0 = driver->idr[0];
	static const uint32_t stages[] = {IDR0_S1P, IDR0_S2P};
	for (uint32_t i = 0; i < 2; i++) {
		driver->idr[0] = idr0 & ~stages[i];
		ck_assert_int_eq(world_hwpt(world, device, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT),
				 -EOPNOTSUPP);
		ck_assert_int_eq(viommu_alloc(2, hwpt, 16, world->data), -EOPNOTSUPP);
	}
	driver->idr[0] = idr0 & ~IDR0_S1P;
	ck_assert_int_gt(world_hwpt(world, device, ioas, 0), 0);
	driver->idr[0] = idr0;
	ck_assert_int_gt(viommu_alloc(2, hwpt, 16, world->data), 0);
}
END_TEST

START_TEST(nothing_nests_on_a_hwpt_alone)
{
	struct iommu_hwpt_alloc alloc = {.dev_id = device,
					 .pt_id = new_hwpt(IOMMU_HWPT_ALLOC_NEST_PARENT),
					 .data_type = 2,
					 .data_len = 16,
					 .data_uptr = world->data};
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &alloc), -EOPNOTSUPP);
}
END_TEST

/* --- map and unmap [smmuv3 3.6] --- */

START_TEST(mapping_sends_nothing)
{
	attach_new(0);
	look_from_here();
	map_pages(UNALIGNED, 700);
	ck_assert_uint_eq(driver->cmdq.issued, mark);
	ck_assert_uint_eq(write_count, 0);
	ck_assert(works(UNALIGNED, true));
}
END_TEST

START_TEST(unmap_returns_when_the_tlb_has_forgotten)
{
	attach_new(0);
	map_pages(0x1000, 3);
	for (uint64_t iova = 0x1000; iova < 0x4000; iova += PAGE_SIZE)
		ck_assert(works(iova, true));
	look_from_here();
	unmap_pages(0x1000, 3);
	EXPECT_COMMANDS(command_tlbi_s2_ipa(VMID, 0x1000, 1), command_tlbi_s2_ipa(VMID, 0x2000, 1),
			command_tlbi_s2_ipa(VMID, 0x3000, 1), SYNC);
	ck_assert_uint_eq(written(REGION_SMMU, SMMU_CMDQ_PROD, NULL), 1);
	ck_assert_uint_eq(smmu->cmdq.cons, smmu->cmdq.prod);
	ck_assert_uint_eq(smmu->tlb.count, 0);
	for (uint64_t iova = 0x1000; iova < 0x4000; iova += PAGE_SIZE)
		ck_assert(!works(iova, true));
}
END_TEST

/* Four tables are wanted: three down to the first page, one more past the end of its table. */
START_TEST(a_map_that_runs_out_of_memory_leaves_nothing)
{
	struct iommu_domain *domain;
	struct pa pa;
	ck_assert_int_eq(arm_smmu_domain_alloc(driver, 2, false, &domain), 0);
	machine->failures.countdown = 4;
	ck_assert_int_eq(domain->ops->map(domain, iova_of(HPAGE_SIZE - PAGE_SIZE),
					  pa_of(1ULL << 33), 2 * PAGE_SIZE, IOMMU_READ, 0),
			 -ENOMEM);
	ck_assert(!domain->ops->translate(domain, iova_of(HPAGE_SIZE - PAGE_SIZE), &pa));
	ck_assert(!domain->ops->translate(domain, iova_of(HPAGE_SIZE), &pa));
	ck_assert_int_eq(domain->ops->map(domain, iova_of(HPAGE_SIZE - PAGE_SIZE),
					  pa_of(1ULL << 33), 2 * PAGE_SIZE, IOMMU_READ, 0),
			 0);
	ck_assert(domain->ops->translate(domain, iova_of(HPAGE_SIZE + 5), &pa));
	ck_assert_uint_eq(pa.value, (1ULL << 33) + PAGE_SIZE + 5);
}
END_TEST

/* COUNT leaves of 4 KiB from UNALIGNED on, and the SYNC. */
static void expect_leaves(uint64_t count)
{
	struct smmu_command expected[600];
	for (uint64_t i = 0; i < count; i++)
		expected[i] = command_tlbi_s2_ipa(VMID, UNALIGNED + i * PAGE_SIZE, 1);
	expected[count] = SYNC;
	expect_all(expected, count + 1);
}

/* 64 commands go together, without a SYNC where more follow; the last ones with it. */
START_TEST(a_full_batch_goes_without_a_sync)
{
	static const unsigned rows[][2] = {{1, 1},   {63, 1},  {64, 1}, {65, 2},
					   {128, 2}, {129, 3}, {511, 8}};
	attach_new(0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned pages = rows[i][0];
		map_pages(UNALIGNED, pages);
		look_from_here();
		unmap_pages(UNALIGNED, pages);
		expect_leaves(pages);
		ck_assert_uint_eq(written(REGION_SMMU, SMMU_CMDQ_PROD, NULL), rows[i][1]);
		for (unsigned k = 0; k + 1 < rows[i][1]; k++)
			ck_assert_uint_eq(writes[k].value, (mark + 64 * (k + 1)) % 2048);
	}
}
END_TEST

/* An eighth of a table's bytes in leaves: 512 of 4 KiB. */
START_TEST(from_an_eighth_of_a_table_on_the_whole_vmid_goes)
{
	attach_new(0);
	map_pages(UNALIGNED, 512);
	ck_assert(works(UNALIGNED, true));
	look_from_here();
	unmap_pages(UNALIGNED, 512);
	EXPECT_COMMANDS(command_tlbi_s12_vmall(VMID), SYNC);
	ck_assert_uint_eq(smmu->tlb.count, 0);
}
END_TEST

START_TEST(a_block_is_one_leaf)
{
	attach_new(0);
	map_pages(QUEUE_IOVA, 3 * HPAGE_FRAMES);
	ck_assert(works(QUEUE_IOVA, false));
	ck_assert_uint_eq(got.order, 9);
	look_from_here();
	unmap_pages(QUEUE_IOVA, 3 * HPAGE_FRAMES);
	EXPECT_COMMANDS(command_tlbi_s2_ipa(VMID, QUEUE_IOVA, 1),
			command_tlbi_s2_ipa(VMID, QUEUE_IOVA + HPAGE_SIZE, 1),
			command_tlbi_s2_ipa(VMID, QUEUE_IOVA + 2 * HPAGE_SIZE, 1), SYNC);
}
END_TEST

START_TEST(leaves_of_another_size_force_out_what_was_gathered)
{
	attach_new(0);
	map_pages(QUEUE_IOVA, HPAGE_FRAMES + 2);
	look_from_here();
	unmap_pages(QUEUE_IOVA, HPAGE_FRAMES + 2);
	uint64_t end = QUEUE_IOVA + HPAGE_SIZE;
	EXPECT_COMMANDS(command_tlbi_s2_ipa(VMID, QUEUE_IOVA, 1), SYNC,
			command_tlbi_s2_ipa(VMID, end, 1),
			command_tlbi_s2_ipa(VMID, end + PAGE_SIZE, 1), SYNC);
}
END_TEST

/* Each area is unmapped by a call of its own. */
START_TEST(each_area_has_its_sync)
{
	attach_new(0);
	map_pages(0x1000, 1);
	map_pages(0x2000, 1);
	look_from_here();
	unmap_pages(0x1000, 2);
	EXPECT_COMMANDS(command_tlbi_s2_ipa(VMID, 0x1000, 1), SYNC,
			command_tlbi_s2_ipa(VMID, 0x2000, 1), SYNC);
}
END_TEST

/* A block's worth of pages: the table goes, at once and with all below it, then the block. */
START_TEST(a_table_that_goes_is_invalidated_twice)
{
	attach_new(0);
	uint64_t va = world_mmap_aligned(world, 2 * HPAGE_SIZE) + PAGE_SIZE;
	ck_assert_int_eq(world_map_at(world, ioas, va, HPAGE_SIZE, QUEUE_IOVA), 0);
	ck_assert(works(QUEUE_IOVA, false));
	ck_assert_uint_eq(got.order, 0);
	look_from_here();
	unmap_pages(QUEUE_IOVA, HPAGE_FRAMES);
	EXPECT_COMMANDS(command_tlbi_s12_vmall(VMID), SYNC,
			command_tlbi_s2_ipa(VMID, QUEUE_IOVA, 1), SYNC);
}
END_TEST

/* The frame of the level-3 table for IOVA. */
static uint64_t last_table(uint64_t iova)
{
	uint64_t table = ste_word(SID, 3) & STE_S2TTB;
	for (unsigned shift = 39; shift > 12; shift -= 9)
		table = word_at(table + 8 * (iova >> shift & 511)) & PTE_ADDR;
	return table / PAGE_SIZE;
}

/* Or its walk is cached, and the block never found. */
START_TEST(a_block_takes_the_place_of_an_empty_table_that_goes_first)
{
	attach_new(0);
	map_pages(QUEUE_IOVA, 1);
	ck_assert(works(QUEUE_IOVA, false));
	unmap_pages(QUEUE_IOVA, 1);
	ck_assert(!works(QUEUE_IOVA, false));
	uint64_t table = last_table(QUEUE_IOVA);
	look_from_here();
	map_pages(QUEUE_IOVA, HPAGE_FRAMES);
	EXPECT_COMMANDS(command_tlbi_s12_vmall(VMID), SYNC);
	ck_assert(works(QUEUE_IOVA, false));
	ck_assert_uint_eq(got.order, 9);
	ck_assert(memory_is_free(&machine->memory, table));
	/* Over nothing it needs no command. */
	map_pages(QUEUE_IOVA + HPAGE_SIZE, HPAGE_FRAMES);
	EXPECT_COMMANDS(command_tlbi_s12_vmall(VMID), SYNC);
}
END_TEST

START_TEST(unmap_of_a_nest_parent_drops_stage_1_too)
{
	attach_new(IOMMU_HWPT_ALLOC_NEST_PARENT);
	map_pages(0x1000, 2);
	look_from_here();
	unmap_pages(0x1000, 2);
	EXPECT_COMMANDS(command_tlbi_s2_ipa(VMID, 0x1000, 1), command_tlbi_s2_ipa(VMID, 0x2000, 1),
			SYNC, command_tlbi_nh_all(VMID), SYNC);
	/* All of the VMID, which stands alone. */
	map_pages(UNALIGNED, 600);
	look_from_here();
	unmap_pages(UNALIGNED, 600);
	EXPECT_COMMANDS(command_tlbi_s12_vmall(VMID), SYNC);
}
END_TEST

/* A device with ATS beside the one without. */
static void add_ats_device(void)
{
	uint32_t id;
	smmu_endpoint_new(smmu, SID + 1);
	int fd = add_device("/dev/vfio/devices/vfio1", SID + 1, true, &id);
	ck_assert_int_eq(attach(fd, parent), 0);
}

/* "Nested parent change: S2_IPA range, SYNC, NH_ALL, SYNC, ATC_INV full for each SID, SYNC". */
START_TEST(unmap_of_a_nest_parent_empties_the_devices_caches_last)
{
	parent = attach_new(IOMMU_HWPT_ALLOC_NEST_PARENT);
	add_ats_device();
	map_pages(0x1000, 1);
	map_pages(UNALIGNED, 600);
	look_from_here();
	unmap_pages(0x1000, 1);
	EXPECT_COMMANDS(command_tlbi_s2_ipa(VMID, 0x1000, 1), SYNC, command_tlbi_nh_all(VMID), SYNC,
			command_atc_inv(SID + 1, 0, ATC_SIZE_ALL), SYNC);
	look_from_here();
	unmap_pages(UNALIGNED, 600);
	EXPECT_COMMANDS(command_tlbi_s12_vmall(VMID), SYNC,
			command_atc_inv(SID + 1, 0, ATC_SIZE_ALL), SYNC);
}
END_TEST

/* Pages 1 to 3: the smallest power of two of pages that holds them is 4, from 0 on. */
START_TEST(devices_caches_are_emptied_of_the_range)
{
	parent = attach_new(0);
	add_ats_device();
	map_pages(0x1000, 3);
	look_from_here();
	unmap_pages(0x1000, 3);
	EXPECT_COMMANDS(command_tlbi_s2_ipa(VMID, 0x1000, 1), command_tlbi_s2_ipa(VMID, 0x2000, 1),
			command_tlbi_s2_ipa(VMID, 0x3000, 1), SYNC, command_atc_inv(SID + 1, 0, 2),
			SYNC);
}
END_TEST

/* FIRST and LAST page; the ATC_INV's address and Size. */
static void expect_span(uint64_t first, uint64_t last, uint64_t address, unsigned size)
{
	uint64_t pages = last - first + 1;
	map_pages(first * PAGE_SIZE, pages);
	look_from_here();
	unmap_pages(first * PAGE_SIZE, pages);
	mark = driver->cmdq.issued - 2;
	EXPECT_COMMANDS(command_atc_inv(SID + 1, address, size), SYNC);
}

/* smmuv3 3.6: fls(first ^ last) bits, aligned down: more than the length where a boundary is crossed. */
START_TEST(the_span_of_a_devices_cache_holds_both_ends)
{
	parent = attach_new(0);
	add_ats_device();
	expect_span(3, 3, 0x3000, 0);
	expect_span(2, 3, 0x2000, 1);
	expect_span(3, 4, 0, 3);
	expect_span(5, 6, 0x4000, 2);
	expect_span(0x1ff, 0x200, 0, 10);
}
END_TEST

START_TEST(a_small_queue_wraps_and_waits_for_space)
{
	remake_with("cmdqs.log2", 7);
	attach_new(0);
	for (unsigned i = 0; i < 5; i++) {
		map_pages(UNALIGNED, 511);
		ck_assert(works(UNALIGNED + 510 * PAGE_SIZE, true));
		look_from_here();
		unmap_pages(UNALIGNED, 511);
		ck_assert_uint_eq(driver->cmdq.issued, mark + 512);
		ck_assert_uint_eq(smmu->cmdq.cons, driver->cmdq.issued % 256);
		ck_assert_uint_eq(smmu->tlb.count, 0);
	}
}
END_TEST

/* smmuv3 3.4: Linux acknowledges the error and the queue goes on with the same command. */
START_TEST(an_aborted_fetch_of_the_main_queue_is_recovered_from)
{
	attach_new(0);
	map_pages(0x1000, 1);
	ck_assert(works(0x1000, true));
	const struct port_fault fault = {.engine = smmu->port.engine,
					 .purpose = ACCESS_COMMAND_FETCH,
					 .action = FAULT_ABORT,
					 .nth = 1};
	ck_assert(port_inject(machine, &fault));
	unmap_pages(0x1000, 1);
	ck_assert_uint_eq(smmu->cmdq.cons, smmu->cmdq.prod);
	ck_assert_uint_eq(smmu->tlb.count, 0);
}
END_TEST

static uint64_t memory_word(uint64_t pa)
{
	uint8_t bytes[8];
	memory_read(&machine->memory, pa_of(pa), bytes, sizeof(bytes));
	return load_le64(bytes);
}

/* smmuv3 3.4: its opcode is read wrongly, a CMD_SYNC takes its place, and the queue goes on. */
START_TEST(an_illegal_command_gives_way_to_a_sync)
{
	attach_new(0);
	map_pages(0x1000, 1);
	ck_assert(works(0x1000, true));
	const struct port_fault fault = {.engine = smmu->port.engine,
					 .purpose = ACCESS_COMMAND_FETCH,
					 .action = FAULT_FLIP,
					 .nth = 1};
	uint64_t at = driver->cmdq.pfn * PAGE_SIZE +
		      COMMAND_SIZE * (smmu->cmdq.cons & (smmu->cmdq.entries - 1));
	ck_assert_uint_eq(memory_word(at) & 0xff, CMD_PREFETCH_CONFIG);
	ck_assert(port_inject(machine, &fault));
	unmap_pages(0x1000, 1);
	ck_assert_uint_eq(memory_word(at), 0x0fc02046);
	ck_assert_uint_eq(smmu->cmdq.cons, smmu->cmdq.prod);
	ck_assert_uint_eq(smmu->gerror, smmu->gerrorn);
	ck_assert_uint_eq(smmu->tlb.count, 0);
}
END_TEST

/* smmuv3 3.4: NONE, ABT and ATC_INV_SYNC leave the command; ILL, and codes that nobody knows, do not. */
START_TEST(only_known_errors_are_tried_again)
{
	static const bool again[] = {
		[CERROR_NONE] = true,         [CERROR_ILL] = false, [CERROR_ABT] = true,
		[CERROR_ATC_INV_SYNC] = true, [4] = false,          [0x7f] = false};
	uint64_t at = driver->cmdq.pfn * PAGE_SIZE + COMMAND_SIZE * 2ULL;
	ck_assert_uint_eq(memory_word(at) & 0xff, CMD_TLBI_NSNH_ALL);
	for (unsigned error = 0; error < sizeof(again) / sizeof(again[0]); error++) {
		uint8_t bytes[COMMAND_SIZE];
		struct smmu_command command = command_tlbi_nsnh_all();
		command_store(bytes, &command);
		memory_write(&machine->memory, pa_of(at), bytes, sizeof(bytes), OWNER_KERNEL);
		cons.answered = true;
		cons.value = field_put(CMDQ_CONS_ERR, error) | 2;
		arm_smmu_cmdq_skip_error(&driver->cmdq);
		cons.answered = false;
		ck_assert_uint_eq(memory_word(at),
				  again[error] ? command.dw[0] : command_sync(SYNC_CS_SEV).dw[0]);
	}
}
END_TEST

/* smmuv3 3.5: nine times at once, here 100 ns apart; then after 1, 2, 4 us and so on, for a second. */
START_TEST(a_sync_is_polled_for_ever_more_rarely)
{
	uint64_t start_ps = machine->clock.now_ps;
	cons.answered = true;
	cons.value = bus_read(&machine->bus, pa_of(SMMU_AT + SMMU_CMDQ_CONS), 4);
	cons.count = 0;
	arm_smmu_cmdq_issue(driver, command_tlbi_nsnh_all());
	cons.answered = false;
	ck_assert_uint_eq(cons.count, 16);
	for (unsigned i = 0; i < 9; i++)
		ck_assert_uint_eq(cons.read_ps[i + 1] - cons.read_ps[i], 100000);
	for (unsigned i = 9; i < 15; i++)
		ck_assert_uint_eq(cons.read_ps[i + 1] - cons.read_ps[i], 1000000ULL << (i - 9));
	ck_assert_uint_eq(machine->clock.now_ps - start_ps, 900000 + 1000000ULL * ((1 << 20) - 1));
}
END_TEST

/* --- unmap.flush --- */

static void prepare_unmap(enum unmap_flush flush)
{
	attach_new(IOMMU_HWPT_ALLOC_NEST_PARENT);
	map_pages(0x1000, 1);
	ck_assert(works(0x1000, true));
	set_kernel_option(KERNEL_UNMAP_FLUSH, flush);
	look_from_here();
	unmap_pages(0x1000, 1);
}

START_TEST(without_a_flush_the_tlb_keeps_what_was_unmapped)
{
	prepare_unmap(UNMAP_FLUSH_NONE);
	ck_assert_uint_eq(driver->cmdq.issued, mark);
	run_machine();
	ck_assert(works(0x1000, true));
	ck_assert_int_eq(got.path, PATH_CACHED);
}
END_TEST

START_TEST(without_a_wait_unmap_returns_before_the_flush)
{
	prepare_unmap(UNMAP_FLUSH_NO_WAIT);
	EXPECT_COMMANDS(command_tlbi_s2_ipa(VMID, 0x1000, 1), SYNC, command_tlbi_nh_all(VMID),
			SYNC);
	ck_assert(works(0x1000, true));
	run_machine();
	ck_assert_uint_eq(smmu->cmdq.cons, smmu->cmdq.prod);
	ck_assert(!works(0x1000, true));
}
END_TEST

/* --- the ledger --- */

START_TEST(a_stream_is_bound_to_the_holder_of_its_domain)
{
	ck_assert_uint_eq(stream_holder(SID), LEDGER_NOTHING);
	attach_new(0);
	map_pages(0x1000, 1);
	ck_assert(works(0x1000, true));
	uint32_t holder = stream_holder(SID);
	ck_assert_uint_ne(holder, LEDGER_NOTHING);
	ck_assert_int_eq(ledger_promise(&machine->ledger, holder, pa_pfn(got.pa)).state,
			 PROMISE_GRANTED);
	uint32_t second = new_hwpt(0);
	ck_assert_int_eq(attach(device_fd, second), 0);
	ck_assert_uint_ne(stream_holder(SID), holder);
	ck_assert_int_eq(world_close(world, device_fd), 0);
	ck_assert_uint_eq(stream_holder(SID), LEDGER_NOTHING);
}
END_TEST

START_TEST(a_stream_is_in_transition_while_its_entry_changes)
{
	uint32_t hwpt = new_hwpt(0);
	for (unsigned i = 0; i < 2; i++) {
		look_from_here();
		if (i == 0)
			ck_assert_int_eq(attach(device_fd, hwpt), 0);
		else
			ck_assert_int_eq(world_close(world, device_fd), 0);
		ck_assert_uint_gt(write_count, 0);
		for (unsigned k = 0; k < 2; k++)
			ck_assert_uint_eq(writes[k].holder, LEDGER_IN_TRANSITION);
	}
}
END_TEST

START_TEST(a_queue_acts_for_the_guest_and_its_stage_2)
{
	make_guest();
	struct iommu_vdevice_alloc vdevice = {
		.viommu_id = viommu, .dev_id = device, .virt_id = 0x100};
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_VDEVICE_ALLOC, &vdevice), 0);
	new_queue(0, QUEUE_IOVA);
	const struct ledger_binding *binding =
		ledger_binding(&machine->ledger, smmu->port.engine, 2); /* VINTF 1, LVCMDQ 0 */
	ck_assert_ptr_nonnull(binding);
	ck_assert_uint_eq(binding->holder, stream_holder(SID));
	struct ledger *ledger = &machine->ledger;
	ck_assert(ledger_guest_reaches(ledger, binding->guest, REACH_DOMAIN, VMID));
	ck_assert(!ledger_guest_reaches(ledger, binding->guest, REACH_DOMAIN, VMID + 1));
	ck_assert(ledger_guest_reaches(ledger, binding->guest, REACH_DEVICE, SID));
	ck_assert(!ledger_guest_reaches(ledger, binding->guest, REACH_DEVICE, 0x100));
	uint32_t guest = binding->guest;
	ck_assert_int_eq(world_destroy(world, vdevice.out_vdevice_id), 0);
	ck_assert(!ledger_guest_reaches(ledger, guest, REACH_DEVICE, SID));
}
END_TEST

/* --- vIOMMU [tegra241-cmdqv 9.3, 9.5] --- */

/* By guests. */
static unsigned vintfs_in_use(void)
{
	unsigned count = 0;
	for (unsigned v = 1; v < CMDQV_VINTFS_MAX; v++)
		count += driver->vintfs[v] != NULL;
	return count;
}

START_TEST(viommu_checks_type_data_and_length)
{
	uint32_t hwpt = new_hwpt(IOMMU_HWPT_ALLOC_NEST_PARENT);
	ck_assert_int_eq(viommu_alloc(7, hwpt, 16, world->data), -EOPNOTSUPP);
	ck_assert_int_eq(viommu_alloc(2, hwpt, 0, world->data), -EINVAL);
	ck_assert_int_eq(viommu_alloc(2, hwpt, 8, world->data), -EINVAL);
	ck_assert_int_eq(viommu_alloc(2, hwpt, 24, world->data), -EINVAL);
	ck_assert_int_eq(viommu_alloc(2, hwpt, 16, NOWHERE), -EFAULT);
	ck_assert_int_eq(viommu_alloc(2, new_hwpt(0), 16, world->data), -EINVAL);
	ck_assert_uint_eq(vintfs_in_use(), 0);
	ck_assert_int_gt(viommu_alloc(2, hwpt, 16, world->data), 0);
	ck_assert_uint_eq(vintfs_in_use(), 1);
}
END_TEST

START_TEST(viommu_data_that_can_not_be_answered_leaves_no_vintf)
{
	uint64_t ro = world_mmap(world, PAGE_SIZE, PROT_READ_BIT, SHARED);
	uint32_t hwpt = new_hwpt(IOMMU_HWPT_ALLOC_NEST_PARENT);
	ck_assert_int_eq(viommu_alloc(2, hwpt, 16, ro), -EFAULT);
	ck_assert_uint_eq(vintfs_in_use(), 0);
	ck_assert_uint_eq(cmdqv(vintf_block(1, VINTF_CONFIG), 4), 0);
	ck_assert_int_eq(world_destroy(world, hwpt), 0);
}
END_TEST

START_TEST(vintfs_run_from_one_to_the_last_and_are_given_back)
{
	uint32_t hwpt = new_hwpt(IOMMU_HWPT_ALLOC_NEST_PARENT), ids[64];
	for (uint32_t v = 1; v < 64; v++) {
		ids[v] = new_viommu(hwpt);
		ck_assert_uint_eq(cmdqv(vintf_block(v, VINTF_CONFIG), 4), 1 << 1 | 1);
		ck_assert_uint_eq(cmdqv(vintf_block(v, VINTF_STATUS), 4), 1);
	}
	ck_assert_int_eq(viommu_alloc(2, hwpt, 16, world->data), -ENOSPC);
	ck_assert_int_eq(world_destroy(world, ids[17]), 0);
	ck_assert_uint_eq(cmdqv(vintf_block(17, VINTF_CONFIG), 4), 0);
	new_viommu(hwpt);
	ck_assert_uint_eq(cmdqv(vintf_block(17, VINTF_CONFIG), 4), 3);
}
END_TEST

/* CONFIG without ENABLE, then with it: VMID 1, not HYP_OWN. */
START_TEST(a_vintf_has_its_vmid_before_it_is_enabled)
{
	uint32_t hwpt = new_hwpt(IOMMU_HWPT_ALLOC_NEST_PARENT);
	look_from_here();
	new_viommu(hwpt);
	ck_assert_uint_ge(write_count, 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct spied *write = &writes[write_count - 2 + i];
		ck_assert_uint_eq(write->offset, vintf_block(1, VINTF_CONFIG));
		ck_assert_uint_eq(write->value, 2 + i);
	}
}
END_TEST

/* 9.3: init begins with deinit, which empties the pairs, whoever filled them. */
START_TEST(a_vintf_begins_with_empty_pairs)
{
	set_cmdqv(vintf_block(1, VINTF_SID_MATCH), 0x201);
	set_cmdqv(vintf_block(1, VINTF_SID_REPLACE), 0x77);
	new_viommu(new_hwpt(IOMMU_HWPT_ALLOC_NEST_PARENT));
	ck_assert_uint_eq(cmdqv(vintf_block(1, VINTF_SID_MATCH), 4), 0);
	ck_assert_uint_eq(cmdqv(vintf_block(1, VINTF_SID_REPLACE), 4), 0);
}
END_TEST

START_TEST(a_destroyed_vintf_is_disabled_and_emptied)
{
	make_guest();
	set_cmdqv(vintf_block(1, VINTF_SID_MATCH + 4 * 15), 0x201);
	look_from_here();
	ck_assert_int_eq(world_destroy(world, viommu), 0);
	ck_assert_uint_eq(writes[0].offset, vintf_block(1, VINTF_CONFIG));
	ck_assert_uint_eq(writes[0].value, 0);
	for (unsigned k = 0; k < 16; k++) {
		ck_assert_uint_eq(cmdqv(vintf_block(1, VINTF_SID_MATCH + 4 * k), 4), 0);
		ck_assert_uint_eq(cmdqv(vintf_block(1, VINTF_SID_REPLACE + 4 * k), 4), 0);
	}
	ck_assert_int_eq(world_sys(world, SYS_MMAP, 0, mmap_length, PROT_RW, MAP_SHARED_BIT,
				   (uint64_t)world->fd, mmap_offset),
			 -ENXIO);
}
END_TEST

/* --- vDEVICE [tegra241-cmdqv 7.4, 9.5] --- */

static int64_t vdevice_alloc(uint32_t dev, uint64_t virt_id)
{
	return world_vdevice(world, viommu, dev, virt_id);
}

START_TEST(a_vdevice_is_a_pair_of_stream_ids)
{
	make_guest();
	look_from_here();
	int64_t id = vdevice_alloc(device, 0x100);
	ck_assert_int_gt(id, 0);
	EXPECT_CMDQV_WRITES({vintf_block(1, VINTF_SID_REPLACE), SID},
			    {vintf_block(1, VINTF_SID_MATCH), 0x201});
	ck_assert_int_eq(world_destroy(world, viommu), -EBUSY);
	look_from_here();
	ck_assert_int_eq(world_destroy(world, (uint32_t)id), 0);
	EXPECT_CMDQV_WRITES({vintf_block(1, VINTF_SID_MATCH), 0},
			    {vintf_block(1, VINTF_SID_REPLACE), 0});
}
END_TEST

START_TEST(a_virtual_stream_id_has_20_bits)
{
	make_guest();
	ck_assert_int_eq(vdevice_alloc(device, 0x100000), -EINVAL);
	ck_assert_int_eq(vdevice_alloc(device, 1ULL << 32), -EINVAL);
	ck_assert_int_gt(vdevice_alloc(device, 0xfffff), 0);
	ck_assert_uint_eq(cmdqv(vintf_block(1, VINTF_SID_MATCH), 4), 0x1fffff);
}
END_TEST

START_TEST(a_device_has_one_vdevice_and_an_id_too)
{
	uint32_t other;
	make_guest();
	add_device("/dev/vfio/devices/vfio1", SID + 1, false, &other);
	int64_t id = vdevice_alloc(device, 0x100);
	ck_assert_int_gt(id, 0);
	ck_assert_int_eq(vdevice_alloc(device, 0x101), -EEXIST);
	ck_assert_int_eq(vdevice_alloc(other, 0x100), -EEXIST);
	ck_assert_int_gt(vdevice_alloc(other, 0x101), 0);
	ck_assert_uint_eq(cmdqv(vintf_block(1, VINTF_SID_MATCH + 4), 4), 0x203);
	ck_assert_uint_eq(cmdqv(vintf_block(1, VINTF_SID_REPLACE + 4), 4), SID + 1);
}
END_TEST

START_TEST(no_pair_left_is_no_space_left)
{
	uint32_t other;
	remake_with("sid_pairs.log2", 0);
	make_guest();
	add_device("/dev/vfio/devices/vfio1", SID + 1, false, &other);
	int64_t id = vdevice_alloc(device, 0x100);
	ck_assert_int_gt(id, 0);
	ck_assert_int_eq(vdevice_alloc(other, 0x101), -ENOSPC);
	ck_assert_int_eq(vdevice_alloc(other, 0x100000), -EINVAL);
	ck_assert_int_eq(world_destroy(world, (uint32_t)id), 0);
	ck_assert_int_gt(vdevice_alloc(other, 0x101), 0);
	ck_assert_uint_eq(cmdqv(vintf_block(1, VINTF_SID_MATCH), 4), 0x203);
}
END_TEST

/* --- invalidation by the host [smmuv3 9.3; iommufd app. D] --- */

static uint32_t invalidated; /* entry_num after the call */

/* COUNT entries of LENGTH bytes at the queue's pages. */
static int64_t invalidate_entries(uint32_t type, uint32_t length, uint32_t count)
{
	struct iommu_hwpt_invalidate cmd = {.hwpt_id = viommu,
					    .data_uptr = queue_va,
					    .data_type = type,
					    .entry_len = length,
					    .entry_num = count};
	int64_t result = world_ioctl(world, IOMMUFD_NR_HWPT_INVALIDATE, &cmd);
	invalidated = cmd.entry_num;
	return result;
}

static void put_command_at(uint32_t entry, struct smmu_command command)
{
	uint8_t bytes[COMMAND_SIZE];
	command_store(bytes, &command);
	world_put(world, queue_va + COMMAND_SIZE * entry, bytes, sizeof(bytes));
}

static int64_t invalidate(const struct smmu_command *commands, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		put_command_at(i, commands[i]);
	look_from_here();
	return invalidate_entries(1, COMMAND_SIZE, count);
}

static void make_guest_with_device(void)
{
	make_guest();
	ck_assert_int_gt(vdevice_alloc(device, 0x100), 0);
}

/* Whatever VMID it writes; the device's own stream id. */
START_TEST(a_guests_commands_go_by_the_main_queue)
{
	const struct smmu_command commands[] = {
		command_tlbi_nsnh_all(),
		command_tlbi_nh_all(77),
		command_tlbi_nh_asid(77, 0xffff),
		command_tlbi_nh_va(77, 5, 0x7ffff000, 1),
		{{CMD_TLBI_NH_VAA | 77ULL << 32, 0x7000}},
		command_cfgi_cd(0x100, 0, 1),
		{{CMD_CFGI_CD_ALL | 0x100ULL << 32, 0}},
		command_atc_inv(0x100, 0x5000, 52),
	};
	make_guest_with_device();
	ck_assert_int_eq(invalidate(commands, 8), 0);
	ck_assert_uint_eq(invalidated, 8);
	EXPECT_COMMANDS(command_tlbi_nh_all(VMID), command_tlbi_nh_all(VMID),
			command_tlbi_nh_asid(VMID, 0xffff),
			command_tlbi_nh_va(VMID, 5, 0x7ffff000, 1),
			{{CMD_TLBI_NH_VAA | (uint64_t)VMID << 32, 0x7000}},
			command_cfgi_cd(SID, 0, 1), {{CMD_CFGI_CD_ALL | (uint64_t)SID << 32, 0}},
			command_atc_inv(SID, 0x5000, 52), SYNC);
	ck_assert_uint_eq(smmu->cmdq.cons, smmu->cmdq.prod);
}
END_TEST

START_TEST(a_guests_commands_go_in_groups_of_63)
{
	make_guest_with_device();
	for (uint32_t i = 0; i < 130; i++)
		put_command_at(i, command_tlbi_nh_asid(0, (uint16_t)i));
	look_from_here();
	ck_assert_int_eq(invalidate_entries(1, COMMAND_SIZE, 130), 0);
	ck_assert_uint_eq(invalidated, 130);
	struct smmu_command expected[133];
	for (uint32_t i = 0, command = 0; i < 133; i++)
		expected[i] = i % 64 == 63 || i == 132
				      ? SYNC
				      : command_tlbi_nh_asid(VMID, (uint16_t)command++);
	expect_all(expected, 133);
	/* Two groups to the brim end with their own SYNC, and no other. */
	look_from_here();
	ck_assert_int_eq(invalidate_entries(1, COMMAND_SIZE, 126), 0);
	ck_assert_uint_eq(driver->cmdq.issued, mark + 128);
}
END_TEST

/* What is refused whatever stands before it. */
static const struct smmu_command not_for_users[] = {
	{{CMD_SYNC, 0}},
	{{CMD_CFGI_STE | 0x100ULL << 32, 1}},
	{{CMD_CFGI_STE_RANGE, 31}},
	{{CMD_TLBI_S12_VMALL, 0}},
	{{CMD_TLBI_S2_IPA, 0x1000}},
	{{CMD_PREFETCH_CONFIG | 0x100ULL << 32, 0}},
	{{CMD_RESUME, 0}},
	{{0, 0}},
	{{CMD_ATC_INV | 0x101ULL << 32, 52}},           /* no vDEVICE */
	{{CMD_CFGI_CD | 0x10ULL << 32, 0}},             /* nor by the physical id */
	{{CMD_ATC_INV | 0x100ULL << 32, 53}},           /* Size */
	{{CMD_ATC_INV | 0x100ULL << 32 | 1 << 11, 52}}, /* SSV, without substreams */
	{{CMD_CFGI_CD | 0x100ULL << 32 | 1 << 12, 0}},
	{{CMD_CFGI_CD_ALL | 0x100ULL << 32, 1}},
	{{CMD_TLBI_NH_ASID | CMD_SSEC, 0}},
	{{CMD_TLBI_NH_ALL | 1ULL << 48, 0}},   /* an ASID */
	{{CMD_TLBI_NSNH_ALL | 1ULL << 32, 0}}, /* a VMID */
	{{CMD_TLBI_NH_VAA | 1ULL << 48, 0x1000}},
	{{CMD_TLBI_NH_VA | 1 << 12, 0x1000 | 1 << 10}}, /* a range, without RIL */
	{{CMD_TLBI_NH_VA, 0x1002}},
};

START_TEST(a_command_that_is_not_for_users_ends_the_call)
{
	const struct smmu_command commands[] = {command_tlbi_nh_asid(0, 1), not_for_users[_i],
						command_tlbi_nh_asid(0, 2)};
	make_guest_with_device();
	ck_assert_int_eq(invalidate(commands, 3), -EIO);
	ck_assert_uint_eq(invalidated, 1);
	/* It was counted, and it is not sent. */
	ck_assert_uint_eq(driver->cmdq.issued, mark);
}
END_TEST

START_TEST(groups_before_a_bad_command_are_sent)
{
	make_guest_with_device();
	for (uint32_t i = 0; i < 70; i++)
		put_command_at(i, command_tlbi_nh_asid(0, (uint16_t)i));
	put_command_at(70, command_sync(0));
	look_from_here();
	ck_assert_int_eq(invalidate_entries(1, COMMAND_SIZE, 80), -EIO);
	ck_assert_uint_eq(invalidated, 70);
	ck_assert_uint_eq(driver->cmdq.issued, mark + 64);
}
END_TEST

START_TEST(invalidation_checks_type_count_and_length)
{
	make_guest_with_device();
	put_command_at(0, command_tlbi_nh_asid(0, 1));
	ck_assert_int_eq(invalidate_entries(2, COMMAND_SIZE, 1), -EINVAL);
	ck_assert_uint_eq(invalidated, 0);
	ck_assert_int_eq(invalidate_entries(1, COMMAND_SIZE, 0), -EINVAL);
	/* A longer entry must end in zeroes; a shorter one does. */
	put_command_at(2, command_tlbi_nh_asid(0, 2));
	look_from_here();
	ck_assert_int_eq(invalidate_entries(1, 32, 2), 0);
	EXPECT_COMMANDS(command_tlbi_nh_asid(VMID, 1), command_tlbi_nh_asid(VMID, 2), SYNC);
	put_command_at(1, command_tlbi_nh_asid(0, 1));
	ck_assert_int_eq(invalidate_entries(1, 32, 1), -E2BIG);
	ck_assert_uint_eq(invalidated, 0);
	look_from_here();
	ck_assert_int_eq(invalidate_entries(1, 8, 1), 0);
	EXPECT_COMMANDS(command_tlbi_nh_asid(VMID, 1), SYNC);
}
END_TEST

START_TEST(invalidation_without_memory_sends_nothing)
{
	const struct smmu_command command = command_tlbi_nh_asid(0, 1);
	make_guest_with_device();
	int64_t result = 0;
	/* The copy of the struct and the look-up of the vIOMMU come first. */
	for (uint32_t nth = 1; nth <= 8 && result != -ENOMEM; nth++) {
		machine->failures.countdown = nth;
		result = invalidate(&command, 1);
		ck_assert_uint_eq(driver->cmdq.issued, mark);
	}
	ck_assert_int_eq(result, -ENOMEM);
	machine->failures.countdown = 0;
	ck_assert_int_eq(invalidate(&command, 1), 0);
}
END_TEST

START_TEST(what_the_smmu_lacks_is_not_for_users)
{
	const struct smmu_command atc = command_atc_inv(0x100, 0, 52);
	remake_with("idr0.features", 0x4141b & ~(uint64_t)(IDR0_ATS | IDR0_ASID16));
	make_guest_with_device();
	ck_assert_int_eq(invalidate(&atc, 1), -EIO);
	const struct smmu_command wide = command_tlbi_nh_asid(0, 0x100),
				  narrow = command_tlbi_nh_asid(0, 0xff);
	ck_assert_int_eq(invalidate(&wide, 1), -EIO);
	ck_assert_int_eq(invalidate(&narrow, 1), 0);
}
END_TEST

START_TEST(substreams_are_for_users_where_there_are_some)
{
	const struct smmu_command commands[] = {
		{{CMD_ATC_INV | 0x100ULL << 32 | 3 << 12 | 1 << 11 | 1 << 9, 52}},
		command_cfgi_cd(0x100, 3, 1)};
	remake_with("idr1.features", 0x08000010 | field_put(IDR1_SSIDSIZE, 4));
	make_guest_with_device();
	ck_assert_int_eq(invalidate(commands, 2), 0);
	EXPECT_COMMANDS({{CMD_ATC_INV | (uint64_t)SID << 32 | 3 << 12 | 1 << 11 | 1 << 9, 52}},
			command_cfgi_cd(SID, 3, 1), SYNC);
}
END_TEST

/* NUM, SCALE, TG, TTL; whether they are legal, without DS and with it. */
static const struct {
	uint64_t num, scale, granule, ttl;
	bool legal[2];
} ranges[] = {
	{0, 0, 0, 0, {true, true}},   {5, 2, 1, 0, {true, true}},   {0, 0, 1, 3, {true, true}},
	{0, 1, 3, 0, {true, true}},   {0, 0, 1, 0, {false, false}}, {1, 0, 0, 0, {false, false}},
	{0, 1, 0, 0, {false, false}}, {0, 0, 0, 1, {false, false}}, {0, 0, 2, 1, {false, true}},
	{1, 32, 1, 0, {false, true}}, {1, 31, 2, 2, {true, true}},
};

START_TEST(ranges_are_for_users_where_there_are_some)
{
	smmu_kit_set(&profile, "idr5.features", IDR5_GRAN4K | (_i != 0 ? IDR5_DS : 0));
	remake_with("idr3.features", IDR3_RIL);
	make_guest_with_device();
	for (unsigned opcode = CMD_TLBI_NH_VA; opcode <= CMD_TLBI_NH_VAA; opcode++)
		for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
			const struct smmu_command command = {
				{opcode | field_put(CMD_TLBI_NUM, ranges[i].num) |
					 field_put(CMD_TLBI_SCALE, ranges[i].scale),
				 0x40000000 | field_put(CMD_TLBI_TG, ranges[i].granule) |
					 field_put(CMD_TLBI_TTL, ranges[i].ttl)}};
			ck_assert_int_eq(invalidate(&command, 1), ranges[i].legal[_i] ? 0 : -EIO);
		}
}
END_TEST

/* --- hardware queues [tegra241-cmdqv 9.5; iommufd 5.4] --- */

/* Two pages whose frames do not follow each other, at 0x50000000; one write-only at 0x60000000. */
static void map_awkward_pages(void)
{
	uint64_t iova = 0x60000000;
	uint64_t va = world_mmap(world, 3 * PAGE_SIZE, PROT_RW, SHARED);
	ck_assert_int_eq(world_map_at(world, ioas, va + PAGE_SIZE, PAGE_SIZE, 0x50000000), 0);
	ck_assert_int_eq(world_map_at(world, ioas, va, PAGE_SIZE, 0x50000000 + PAGE_SIZE), 0);
	ck_assert_int_eq(
		world_map(world, ioas, va + 2 * PAGE_SIZE, PAGE_SIZE, MAP_WO | MAP_FIXED_, &iova),
		0);
}

/* Each request is wrong in the way of its line, and in the ways of lines below it. */
START_TEST(hw_queue_checks_come_in_the_order_of_the_sheet)
{
	const struct {
		uint32_t flags, viommu, type, index;
		uint64_t iova, length;
		int error;
	} rows[] = {
		{1, 0, 0, 9, 0x80000000, 0, EOPNOTSUPP},
		{0, 0, 0, 9, 0x80000000, 0, EOPNOTSUPP},
		{0, 999, 2, 9, 0x80000000, 0, EINVAL},
		{0, 999, 2, 9, UINT64_MAX, 48, EOVERFLOW},
		{0, 999, 2, 9, 0x80000000, 48, ENOENT},
		{0, 0, 2, 9, 0x80000000, 48, EOPNOTSUPP},
		{0, 0, 1, 9, 1, UINT64_MAX, ERANGE},
		{0, 0, 1, 9, 0x80000000, 48, ENOENT}, /* not mapped */
		{0, 0, 1, 9, 0x60000000, 48, EPERM},
		{0, 0, 1, 9, 0x50000000, 2 * PAGE_SIZE, EFAULT},
		{0, 0, 1, 9, QUEUE_IOVA, 48, EINVAL}, /* index */
		{0, 0, 1, 1, QUEUE_IOVA, 48, EIO},
		{0, 0, 1, 0, QUEUE_IOVA, 48, EINVAL}, /* length */
		{0, 0, 1, 0, QUEUE_IOVA + 32, 64, EINVAL},
	};
	make_guest();
	map_awkward_pages();
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct iommu_hw_queue_alloc cmd =
			queue_of(rows[i].index, rows[i].iova, rows[i].length);
		cmd.flags = rows[i].flags;
		cmd.type = rows[i].type;
		cmd.viommu_id = rows[i].viommu != 0 ? rows[i].viommu : viommu;
		int64_t result = world_ioctl(world, IOMMUFD_NR_HW_QUEUE_ALLOC, &cmd);
		ck_assert_msg(result == -rows[i].error, "row %u: %ld", i, (long)result);
	}
	/* Nothing stayed pinned. */
	ck_assert_int_eq(world_unmap(world, ioas, 0x50000000, 2 * PAGE_SIZE), 2 * PAGE_SIZE);
	ck_assert_int_gt(queue_alloc(0, QUEUE_IOVA, PAGE_SIZE), 0);
	ck_assert_int_eq(queue_alloc(0, QUEUE_IOVA, 48), -EEXIST);
	ck_assert_int_eq(queue_alloc(2, QUEUE_IOVA, PAGE_SIZE), -EINVAL);
}
END_TEST

/* 6, 9.1: q = v * N + l, N = queues / VINTFs. */
START_TEST(queues_are_split_evenly_between_the_vintfs)
{
	remake_with("vintf.count_log2", 1);
	ck_assert_uint_eq(driver->lvcmdqs, 64);
	ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * 63, 4), 63 << 1 | 1); /* the driver's own */
	ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * 127, 4), 1 << 15 | 63 << 1);
	make_guest();
	for (uint32_t l = 0; l < 64; l++)
		new_queue(l, QUEUE_IOVA + l * PAGE_SIZE);
	ck_assert_int_eq(queue_alloc(64, QUEUE_IOVA + 64 * PAGE_SIZE, PAGE_SIZE), -EINVAL);
	for (uint32_t q = 64; q < 128; q++)
		ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * q, 4), 1 << 15 | (q - 64) << 1 | 1);
	ck_assert_uint_eq(cmdqv(vintf_block(1, VINTF_STATUS), 4), 64 << 16 | 1);
}
END_TEST

START_TEST(hw_queue_sizes_are_powers_of_two_and_aligned)
{
	static const uint64_t bad[][2] = {
		{0, 16},        {0, 48},    {0, 4097},  {0, 1 << 20 | 32},
		{0x1000, 8192}, {0x20, 64}, {0x10, 32}, {0x100000, 0x81000}};
	static const uint64_t good[][2] = {
		{0x20, 32}, {0x1000, 4096}, {0x2000, 8192}, {0, 2 << 20}};
	make_guest();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(queue_alloc(0, QUEUE_IOVA + bad[i][0], bad[i][1]), -EINVAL);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int64_t id = queue_alloc(0, QUEUE_IOVA + good[i][0], good[i][1]);
		ck_assert_int_gt(id, 0);
		ck_assert(works(QUEUE_IOVA + good[i][0], false));
		ck_assert_uint_eq(cmdqv(cmdqv_vintf_page1(1), 8),
				  got.pa.value | (uint64_t)__builtin_ctzll(good[i][1] / 16));
		ck_assert_int_eq(world_destroy(world, (uint32_t)id), 0);
	}
}
END_TEST

START_TEST(hw_queue_is_capped_by_the_smmus_queue_size)
{
	remake_with("cmdqs.log2", 8);
	make_guest();
	ck_assert_int_eq(queue_alloc(0, QUEUE_IOVA, 8192), -EINVAL);
	ck_assert_int_gt(queue_alloc(0, QUEUE_IOVA, 4096), 0);
}
END_TEST

#define PAGE0(offset) (cmdqv_vintf_page0(1) + (offset))
#define PAGE1(offset) (cmdqv_vintf_page1(1) + (offset))

/* 9.5: ALLOC, the reset of 9.3, BASE; EN is left to the guest. */
START_TEST(a_new_queue_is_mapped_reset_and_based)
{
	make_guest();
	look_from_here();
	new_queue(0, QUEUE_IOVA);
	EXPECT_CMDQV_WRITES({CMDQV_ALLOC_MAP + 4 * 2, 0x8001}, {PAGE0(VCMDQ_CONFIG), 0},
			    {PAGE0(VCMDQ_PROD), 0}, {PAGE0(VCMDQ_CONS), 0}, {PAGE1(VCMDQ_BASE), 0},
			    {PAGE1(VCMDQ_CONS_BASE), 0},
			    {PAGE1(VCMDQ_BASE), queue_pfn * PAGE_SIZE | 8});
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_STATUS), 4), 0);
	/* A bare SYNC, then the driver's own, which is the one waited for. */
	EXPECT_COMMANDS({{0x46, 0}}, SYNC);
	ck_assert_uint_eq(smmu->cmdq.cons, smmu->cmdq.prod);
}
END_TEST

/* 9.3, 9.5: stopped, flushed, emptied, taken off. */
/* A queue under way is not there for the next index, nor is its own index free. */
START_TEST(a_queue_is_not_seen_before_it_is_ready)
{
	make_guest();
	struct iommu_hw_queue_alloc cmds[3] = {
		queue_of(0, QUEUE_IOVA, PAGE_SIZE),
		queue_of(1, QUEUE_IOVA + PAGE_SIZE, PAGE_SIZE),
		queue_of(0, QUEUE_IOVA + 2 * PAGE_SIZE, PAGE_SIZE),
	};
	struct flight flights[3];
	world_stepwise(world, true);
	for (uint32_t i = 0; i < 3; i++)
		flight_start(&flights[i], world, i, IOMMUFD_NR_HW_QUEUE_ALLOC, &cmds[i]);
	ck_assert(flight_until(&flights[0], "CMD_SYNC"));
	for (uint32_t i = 1; i < 3; i++) {
		while (flight_step(&flights[i]))
			;
		ck_assert(!flights[i].call->done);
		ck_assert_str_eq(flights[i].thread->task.where, "lvcmdq_mutex");
	}
	ck_assert_int_eq(flight_finish(&flights[0]), 0);
	ck_assert_int_eq(flight_finish(&flights[1]), 0);
	ck_assert_int_eq(flight_finish(&flights[2]), -EEXIST);
	world_stepwise(world, false);
	ck_assert_uint_ne(cmdqv(PAGE1(VCMDQ_BASE), 8), 0);
}
END_TEST

START_TEST(a_destroyed_queue_is_stopped_and_flushed_first)
{
	make_guest();
	uint32_t id = new_queue(0, QUEUE_IOVA);
	look_from_here();
	ck_assert_int_eq(world_destroy(world, id), 0);
	EXPECT_CMDQV_WRITES({PAGE0(VCMDQ_CONFIG), 0}, {PAGE0(VCMDQ_PROD), 0},
			    {PAGE0(VCMDQ_CONS), 0}, {PAGE1(VCMDQ_BASE), 0},
			    {PAGE1(VCMDQ_CONS_BASE), 0}, {CMDQV_ALLOC_MAP + 4 * 2, 0x8000});
	EXPECT_COMMANDS({{0x46, 0}}, SYNC);
	ck_assert_int_eq(writes[0].region, REGION_CMDQV);
	ck_assert_int_eq(writes[1].region, REGION_SMMU);
	ck_assert_uint_eq(writes[1].offset, SMMU_CMDQ_PROD);
}
END_TEST

/* Starts to destroy queue ID in FLIGHT; it then stands at WHERE. */
static void destroy_until(struct flight *flight, struct iommu_destroy *destroy, const char *where)
{
	world_stepwise(world, true);
	flight_start(flight, world, 0, IOMMUFD_NR_DESTROY, destroy);
	ck_assert(flight_until(flight, where));
	world_stepwise(world, false);
}

/* How long the destruction of a queue takes whose fetch, LATE_PS long, has just begun. */
static uint64_t destruction_ps(uint64_t late_ps)
{
	remake_with("doorbell.latency_ns", 0);
	make_guest();
	uint32_t id = new_queue(0, QUEUE_IOVA);
	struct port_fault fault = {.engine = smmu->port.engine,
				   .purpose = ACCESS_COMMAND_FETCH,
				   .action = FAULT_LATE,
				   .late_ps = late_ps,
				   .nth = 1};
	ck_assert(late_ps == 0 || port_inject(machine, &fault));
	set_cmdqv(PAGE0(VCMDQ_CONFIG), 1);
	set_cmdqv(PAGE0(VCMDQ_PROD), 1);
	ck_assert(late_ps == 0 || clock_step(&machine->clock));
	uint64_t begun_ps = machine->clock.now_ps;
	ck_assert_int_eq(world_destroy(world, id), 0);
	return machine->clock.now_ps - begun_ps;
}

#define US 1000000ULL

/* 5.1: each microsecond, a second long. */
START_TEST(an_acknowledge_is_polled_for)
{
	uint64_t at_once_ps = destruction_ps(0);
	ck_assert_uint_eq(destruction_ps(5 * US + US / 2) - at_once_ps, 6 * US);
	ck_assert_uint_eq(destruction_ps(7 * US + 1) - at_once_ps, 8 * US);
	ck_assert_uint_eq(destruction_ps(5000000 * US) - at_once_ps, 1000000 * US);
}
END_TEST

/* 11.1: only what is stopped is unpinned. */
START_TEST(a_queues_pages_are_held_until_it_is_stopped)
{
	struct flight flight;
	make_guest();
	struct iommu_destroy destroy = {.id = new_queue(0, QUEUE_IOVA)};
	set_cmdqv(PAGE0(VCMDQ_CONFIG), 1);
	destroy_until(&flight, &destroy, "CMD_SYNC");
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_STATUS), 4), 0);
	ck_assert_int_eq(world_unmap(world, ioas, QUEUE_IOVA, HPAGE_SIZE), -EBUSY);
	world_stepwise(world, true);
	ck_assert(flight_until(&flight, "queue pages unpinned"));
	world_stepwise(world, false);
	ck_assert_uint_eq(cmdqv(CMDQV_DIRECT_PAGE1 + 2 * CMDQV_QUEUE_STRIDE, 8), 0);
	ck_assert_int_eq(world_unmap(world, ioas, QUEUE_IOVA, HPAGE_SIZE), HPAGE_SIZE);
	ck_assert_int_eq(flight_finish(&flight), 0);
}
END_TEST

START_TEST(hw_queues_go_in_reverse_order)
{
	make_guest();
	uint32_t first = new_queue(0, QUEUE_IOVA), second = new_queue(1, QUEUE_IOVA + PAGE_SIZE);
	ck_assert_int_eq(world_destroy(world, first), -EBUSY);
	ck_assert_int_eq(world_destroy(world, viommu), -EBUSY);
	ck_assert_int_eq(world_unmap(world, ioas, QUEUE_IOVA, HPAGE_SIZE), -EBUSY);
	ck_assert_int_eq(world_destroy(world, second), 0);
	ck_assert_int_eq(world_unmap(world, ioas, QUEUE_IOVA, HPAGE_SIZE), -EBUSY);
	ck_assert_int_eq(world_destroy(world, first), 0);
	ck_assert_int_eq(world_unmap(world, ioas, QUEUE_IOVA, HPAGE_SIZE), HPAGE_SIZE);
	ck_assert_int_eq(world_destroy(world, viommu), 0);
}
END_TEST

START_TEST(a_queue_that_runs_is_stopped_and_emptied_by_its_destruction)
{
	make_guest();
	struct checker *checker = checker_new(machine);
	uint32_t id = new_queue(0, QUEUE_IOVA);
	set_cmdqv(PAGE0(VCMDQ_CONFIG), 1);
	set_cmdqv(PAGE0(VCMDQ_PROD), 100); /* opcode 0: an error */
	ck_assert_int_eq(world_destroy(world, id), 0);
	run_machine();
	ck_assert_uint_eq(checker->count, 0);
	ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * 2, 4), 0x8000);
	uint64_t direct = CMDQV_DIRECT_PAGE0 + 2 * CMDQV_QUEUE_STRIDE;
	ck_assert_uint_eq(cmdqv(direct + VCMDQ_CONFIG, 4), 0);
	ck_assert_uint_eq(cmdqv(direct + VCMDQ_PROD, 4), 0);
	ck_assert_uint_eq(cmdqv(direct + VCMDQ_CONS, 4) & 0xfffff, 0);
	ck_assert_uint_eq(cmdqv(direct + VCMDQ_GERROR, 4), cmdqv(direct + VCMDQ_GERRORN, 4));
	ck_assert_uint_eq(cmdqv(CMDQV_DIRECT_PAGE1 + 2 * CMDQV_QUEUE_STRIDE, 8), 0);
	/* The guest's doorbell reaches nothing. */
	set_cmdqv(PAGE0(VCMDQ_PROD), 3);
	ck_assert(!clock_step(&machine->clock));
}
END_TEST

/* 9.3: and does not hold up the queue's next owner. */
START_TEST(an_active_error_goes_with_its_queue)
{
	make_guest();
	uint32_t id = new_queue(0, QUEUE_IOVA);
	set_cmdqv(PAGE0(VCMDQ_CONFIG), 1);
	set_cmdqv(PAGE0(VCMDQ_PROD), 1); /* opcode 0: an error */
	run_machine();
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_GERROR), 4), 1);
	ck_assert_int_eq(world_destroy(world, id), 0);
	ck_assert_uint_eq(cmdqv(CMDQV_VI_ERR_MAP, 4), 0);
	const struct smmu_command sync = {{CMD_SYNC, 0}};
	uint8_t bytes[COMMAND_SIZE];
	command_store(bytes, &sync);
	world_put(world, queue_va, bytes, sizeof(bytes));
	new_queue(0, QUEUE_IOVA);
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_GERRORN), 4), 1);
	set_cmdqv(PAGE0(VCMDQ_CONFIG), 1);
	set_cmdqv(PAGE0(VCMDQ_PROD), 1);
	run_machine();
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_CONS), 4), 1);
}
END_TEST

START_TEST(page_0_of_the_vintf_is_mapped_whole_and_shared_only)
{
	static const struct {
		uint64_t prot, flags, more_length, more_offset;
		int error;
	} rows[] = {
		{3, MAP_PRIVATE_BIT, 0, 0, EINVAL},       {7, MAP_SHARED_BIT, 0, 0, EPERM},
		{3, MAP_SHARED_BIT, PAGE_SIZE, 0, ENXIO}, {3, MAP_SHARED_BIT, 0, PAGE_SIZE, ENXIO},
		{3, MAP_SHARED_BIT, 0, 0x10000, ENXIO}, /* page 1 lies behind it in the hardware */
		{3, MAP_SHARED_BIT, 0x10000, 0, ENXIO},
	};
	make_guest();
	ck_assert_uint_eq(mmap_length, 0x10000);
	uint64_t fd = (uint64_t)world->fd;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_int_eq(world_sys(world, SYS_MMAP, 0, mmap_length + rows[i].more_length,
					   rows[i].prot, rows[i].flags, fd,
					   mmap_offset + rows[i].more_offset),
				 -rows[i].error);
	int64_t va = world_sys(world, SYS_MMAP, 0, mmap_length, PROT_RW, MAP_SHARED_BIT, fd,
			       mmap_offset);
	ck_assert_int_gt(va, 0);
	ck_assert_int_eq(world_destroy(world, viommu), -EBUSY);
	ck_assert_int_eq(world_sys(world, SYS_MUNMAP, (uint64_t)va, mmap_length), 0);
	ck_assert_int_eq(world_destroy(world, viommu), 0);
}
END_TEST

/* 9.5, 11.1: never page 1, which has the base addresses, and never another's. */
START_TEST(what_is_mapped_is_page_0_of_the_own_vintf)
{
	make_guest();
	new_viommu(parent);
	uint32_t v = 0;
	const struct iommufd_mmap *mmap;
	const struct iommufd_viommu *first =
		(const struct iommufd_viommu *)world_object(world, viommu);
	TAILQ_FOREACH (mmap, &first->ictx->mmaps, link) {
		v++;
		ck_assert_uint_eq(mmap->base.value, CMDQV_AT + 0x30000 + 0x20000 * v);
		ck_assert_uint_eq(mmap->length, 0x10000);
	}
	ck_assert_uint_eq(v, 2);
}
END_TEST

/* --- options of hardware queues --- */

START_TEST(without_a_pin_the_queues_pages_can_be_unmapped)
{
	make_guest();
	set_kernel_option(KERNEL_HW_QUEUE_PIN, HW_QUEUE_PIN_OFF);
	new_queue(0, QUEUE_IOVA);
	ck_assert_int_eq(world_unmap(world, ioas, QUEUE_IOVA, HPAGE_SIZE), HPAGE_SIZE);
	ck_assert_uint_eq(memory_frame(&machine->memory, queue_pfn, NULL).pins, 0);
	ck_assert_uint_eq(cmdqv(PAGE1(VCMDQ_BASE), 8), queue_pfn * PAGE_SIZE | 8);
}
END_TEST

START_TEST(unpinned_first_the_queue_outlives_its_pages)
{
	struct flight flight;
	make_guest();
	struct iommu_destroy destroy = {.id = new_queue(0, QUEUE_IOVA)};
	set_cmdqv(PAGE0(VCMDQ_CONFIG), 1);
	set_kernel_option(KERNEL_HW_QUEUE_DESTROY, HW_QUEUE_UNPIN_THEN_STOP);
	destroy_until(&flight, &destroy, "queue pages unpinned");
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_STATUS), 4), 1);
	ck_assert_int_eq(world_unmap(world, ioas, QUEUE_IOVA, HPAGE_SIZE), HPAGE_SIZE);
	ck_assert_int_eq(flight_finish(&flight), 0);
	ck_assert_uint_eq(cmdqv(CMDQV_DIRECT_PAGE1 + 2 * CMDQV_QUEUE_STRIDE, 8), 0);
}
END_TEST

/* known-bugs 1, 2: a base inside a page. */
START_TEST(a_base_inside_a_page_can_be_rounded_up)
{
	make_guest();
	int64_t id = queue_alloc(0, QUEUE_IOVA + 0x20, 32);
	ck_assert_uint_eq(cmdqv(PAGE1(VCMDQ_BASE), 8), (queue_pfn * PAGE_SIZE + 0x20) | 1);
	ck_assert_int_eq(world_destroy(world, (uint32_t)id), 0);
	set_kernel_option(KERNEL_HW_QUEUE_BASE, HW_QUEUE_BASE_ROUNDED_UP);
	ck_assert_int_gt(queue_alloc(0, QUEUE_IOVA + 0x20, 32), 0);
	ck_assert_uint_eq(cmdqv(PAGE1(VCMDQ_BASE), 8), (queue_pfn + 1) * PAGE_SIZE | 1);
}
END_TEST

/* tegra241-cmdqv 5, 11.1 3d: Linux programs 0 and never enables it. */
START_TEST(a_copy_of_cons_in_memory_can_be_asked_for)
{
	make_guest();
	uint32_t id = new_queue(0, QUEUE_IOVA);
	ck_assert_uint_eq(cmdqv(PAGE1(VCMDQ_CONS_BASE), 8), 0);
	ck_assert_uint_eq(field_get(cmdqv(CMDQV_CONFIG, 4), CONFIG_CONS_DRAM_EN), 0);
	ck_assert_int_eq(world_destroy(world, id), 0);
	set_kernel_option(KERNEL_CMDQV_CONS_DRAM, KERNEL_SWITCH_OTHER);
	ck_assert_int_gt(queue_alloc(0, QUEUE_IOVA, 2 * PAGE_SIZE), 0);
	/* The last word of the queue's pages. */
	ck_assert_uint_eq(cmdqv(PAGE1(VCMDQ_CONS_BASE), 8), (queue_pfn + 2) * PAGE_SIZE - 8);
	ck_assert_uint_eq(cmdqv(CMDQV_CONFIG, 4), 0x120083);
}
END_TEST

START_TEST(without_the_flush_a_queues_end_sends_nothing)
{
	make_guest();
	set_kernel_option(KERNEL_CMDQV_DEINIT_SYNC, KERNEL_SWITCH_OTHER);
	look_from_here();
	uint32_t id = new_queue(0, QUEUE_IOVA);
	ck_assert_int_eq(world_destroy(world, id), 0);
	ck_assert_uint_eq(driver->cmdq.issued, mark);
	ck_assert_uint_eq(cmdqv(CMDQV_ALLOC_MAP + 4 * 2, 4), 0x8000);
}
END_TEST

/* A queue ends with an ATC_INV that its device never answers; the next owner sends a SYNC. */
static void leave_failure_behind(enum kernel_switch flush)
{
	const struct smmu_command commands[] = {command_atc_inv(0x100, 0, 52),
						command_sync(SYNC_CS_NONE)};
	uint8_t bytes[2 * COMMAND_SIZE];
	remake_with("ats.timeout_ns", 1000000); /* within Linux's patience */
	make_guest();
	set_kernel_option(KERNEL_CMDQV_DEINIT_SYNC, flush);
	smmu_endpoint_new(smmu, SID)->silent = true;
	ck_assert_int_gt(vdevice_alloc(device, 0x100), 0);
	for (unsigned i = 0; i < 2; i++)
		command_store(bytes + COMMAND_SIZE * i, &commands[i]);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t id = new_queue(0, QUEUE_IOVA);
		world_put(world, queue_va, bytes + COMMAND_SIZE * i, COMMAND_SIZE);
		set_cmdqv(PAGE0(VCMDQ_CONFIG), 1);
		set_cmdqv(PAGE0(VCMDQ_PROD), 1);
		run_machine();
		if (i == 0)
			ck_assert_int_eq(world_destroy(world, id), 0);
	}
}

/* 9.3: the failure must not surface in the queue's next owner. */
START_TEST(the_flush_takes_what_the_last_owner_left_behind)
{
	leave_failure_behind(KERNEL_SWITCH_DEFAULT);
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_GERROR), 4), cmdqv(PAGE0(VCMDQ_GERRORN), 4));
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_CONS), 4), 1);
}
END_TEST

START_TEST(without_the_flush_the_next_owner_finds_it)
{
	leave_failure_behind(KERNEL_SWITCH_OTHER);
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_GERROR), 4), 1);
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_CONS), 4), 3 << 24); /* ERR 3, at its SYNC */
}
END_TEST

/* --- errors of a guest's queues [tegra241-cmdqv 8.3, 8.4] --- */

static int new_veventq(uint32_t of, uint32_t depth)
{
	struct iommu_veventq_alloc cmd = {
		.viommu_id = of, .type = IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV, .veventq_depth = depth};
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_VEVENTQ_ALLOC, &cmd), 0);
	return (int)cmd.out_veventq_fd;
}

/* The guest rings for a command of opcode 0. */
static void provoke(uint32_t vintf, uint32_t logical)
{
	uint64_t page0 = cmdqv_vintf_page0(vintf) + CMDQV_QUEUE_STRIDE * logical;
	set_cmdqv(page0 + VCMDQ_CONFIG, 1);
	set_cmdqv(page0 + VCMDQ_PROD, 1);
	run_machine();
}

static void acknowledge(uint32_t logical)
{
	uint64_t queue = CMDQV_QUEUE_STRIDE * logical;
	set_cmdqv(PAGE0(queue + VCMDQ_GERRORN), cmdqv(PAGE0(queue + VCMDQ_GERROR), 4));
}

/* One record is there: its sequence and map. */
static void expect_vevent(int fd, uint32_t sequence, uint64_t map)
{
	uint64_t words[3];
	ck_assert_int_eq(world_read(world, fd, words, sizeof(words)), 24);
	ck_assert_uint_eq(load_le64(&words[0]), (uint64_t)sequence << 32);
	ck_assert_uint_eq(load_le64(&words[1]), map);
	ck_assert_uint_eq(load_le64(&words[2]), 0);
	ck_assert_int_eq(world_read(world, fd, words, sizeof(words)), 0);
}

START_TEST(an_error_reaches_the_guest_with_its_logical_queues_bit)
{
	make_guest();
	int fd = new_veventq(viommu, 8);
	new_queue(0, QUEUE_IOVA);
	new_queue(1, QUEUE_IOVA + PAGE_SIZE);
	provoke(1, 1);
	expect_vevent(fd, 0, 1 << 1);
	/* The host does not acknowledge for the guest. */
	ck_assert_uint_eq(cmdqv(PAGE0(CMDQV_QUEUE_STRIDE + VCMDQ_GERROR), 4), 1);
	ck_assert_uint_eq(cmdqv(PAGE0(CMDQV_QUEUE_STRIDE + VCMDQ_GERRORN), 4), 0);
}
END_TEST

static void inject_abort(enum access_purpose purpose)
{
	struct port_fault fault = {
		.engine = smmu->port.engine, .purpose = purpose, .action = FAULT_ABORT, .nth = 1};
	ck_assert(port_inject(machine, &fault));
}

static void put_commands(const struct smmu_command *commands, unsigned count)
{
	uint8_t bytes[COMMAND_SIZE];
	for (unsigned i = 0; i < count; i++) {
		command_store(bytes, &commands[i]);
		world_put(world, queue_va + COMMAND_SIZE * i, bytes, sizeof(bytes));
	}
}

/* What can go wrong in a queue, and what it shows then (8.1, 5). */
static const struct {
	struct smmu_command commands[2];
	enum { BROKEN_NOTHING, BROKEN_FETCH, BROKEN_COPY, BROKEN_BASE } broken;
	uint32_t gerror;
	uint32_t cons;
} errors[] = {
	{{{{CMD_CFGI_STE, 0}}}, BROKEN_NOTHING, 1, 1 << 24},
	{{{{CMD_SYNC, 0}}}, BROKEN_FETCH, 1, 2 << 24},
	{{{{CMD_ATC_INV | 0x100ULL << 32, 52}}, {{CMD_SYNC, 0}}}, BROKEN_NOTHING, 1, 3 << 24 | 1},
	{{{{CMD_ATC_INV | 0x101ULL << 32, 52}}}, BROKEN_NOTHING, 1, 4 << 24},
	{{{{CMD_SYNC, 0}}, {{CMD_SYNC, 0}}}, BROKEN_COPY, 2, 2},
	{{{{CMD_SYNC, 0}}}, BROKEN_BASE, 4, 0},
};

/* Each is told once, and stays until the guest acknowledges it. */
START_TEST(each_kind_of_error_reaches_the_guest)
{
	remake_with("ats.timeout_ns", 1000000);
	make_guest();
	smmu_endpoint_new(smmu, SID)->silent = true;
	ck_assert_int_gt(vdevice_alloc(device, 0x100), 0);
	int fd = new_veventq(viommu, 8);
	if (errors[_i].broken == BROKEN_COPY)
		set_kernel_option(KERNEL_CMDQV_CONS_DRAM, KERNEL_SWITCH_OTHER);
	new_queue(0, QUEUE_IOVA);
	put_commands(errors[_i].commands, 2);
	if (errors[_i].broken == BROKEN_FETCH)
		inject_abort(ACCESS_COMMAND_FETCH);
	if (errors[_i].broken == BROKEN_COPY)
		inject_abort(ACCESS_POINTER_WRITE);
	for (unsigned half = 0; errors[_i].broken == BROKEN_BASE && half < 8; half += 4)
		set_cmdqv(PAGE1(VCMDQ_BASE + half), 0);
	set_cmdqv(PAGE0(VCMDQ_CONFIG), 1);
	set_cmdqv(PAGE0(VCMDQ_PROD), 2);
	run_machine();
	expect_vevent(fd, 0, 1);
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_GERROR), 4), errors[_i].gerror);
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_GERRORN), 4), 0);
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_CONS), 4), errors[_i].cons);
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_STATUS), 4), errors[_i].broken != BROKEN_BASE);
	ck_assert_uint_eq(cmdqv(CMDQV_VI_ERR_MAP, 4), 1 << 1);
	put_commands((struct smmu_command[]){{{CMD_SYNC, 0}}, {{CMD_SYNC, 0}}}, 2);
	acknowledge(0);
	run_machine();
	ck_assert_uint_eq(cmdqv(CMDQV_VI_ERR_MAP, 4), 0);
	ck_assert_uint_eq(cmdqv(PAGE0(VCMDQ_CONS), 4), errors[_i].broken == BROKEN_BASE ? 0 : 2);
}
END_TEST

/* More queues than Linux gives a VINTF: bit 100 is of the record's second word. */
START_TEST(an_error_of_an_upper_queue_is_in_the_second_word)
{
	make_guest();
	int fd = new_veventq(viommu, 8);
	uint64_t words[3];
	set_cmdqv(CMDQV_ALLOC_MAP + 4 * 60, 1 << 15 | 100 << 1 | 1);
	set_cmdqv(PAGE1(CMDQV_QUEUE_STRIDE * 100 + VCMDQ_BASE), queue_pfn * PAGE_SIZE | 8);
	provoke(1, 100);
	ck_assert_int_eq(world_read(world, fd, words, sizeof(words)), 24);
	ck_assert_uint_eq(load_le64(&words[1]), 0);
	ck_assert_uint_eq(load_le64(&words[2]), 1ULL << 36);
}
END_TEST

/* Edge-triggered (8.2): no error that stays brings another event, each new one does. */
START_TEST(each_new_error_is_one_event_with_all_that_are_active)
{
	make_guest();
	int fd = new_veventq(viommu, 8);
	new_queue(0, QUEUE_IOVA);
	new_queue(1, QUEUE_IOVA + PAGE_SIZE);
	provoke(1, 1);
	expect_vevent(fd, 0, 2);
	provoke(1, 0);
	expect_vevent(fd, 1, 3);
	acknowledge(1); /* the same command fails again */
	run_machine();
	expect_vevent(fd, 2, 3);
}
END_TEST

START_TEST(an_error_reaches_no_other_guest)
{
	make_guest();
	uint32_t second = new_viommu(parent);
	int mine = new_veventq(viommu, 8), other = new_veventq(second, 8);
	uint64_t words[3];
	new_queue(0, QUEUE_IOVA);
	provoke(1, 0);
	ck_assert_int_eq(world_read(world, other, words, sizeof(words)), 0);
	expect_vevent(mine, 0, 1);
	viommu = second;
	new_queue(0, QUEUE_IOVA + PAGE_SIZE);
	provoke(2, 0);
	expect_vevent(other, 0, 1);
}
END_TEST

/* Both have stopped when the handler comes. */
START_TEST(an_interrupt_tells_all_vintfs)
{
	make_guest();
	uint32_t second = new_viommu(parent);
	int mine = new_veventq(viommu, 8), other = new_veventq(second, 8);
	new_queue(0, QUEUE_IOVA);
	viommu = second;
	new_queue(0, QUEUE_IOVA + PAGE_SIZE);
	for (uint32_t v = 1; v <= 2; v++) {
		set_cmdqv(cmdqv_vintf_page0(v) + VCMDQ_CONFIG, 1);
		set_cmdqv(cmdqv_vintf_page0(v) + VCMDQ_PROD, 1);
	}
	while (cmdqv(CMDQV_VI_ERR_MAP, 4) != 6)
		ck_assert(clock_step(&machine->clock));
	run_machine();
	for (unsigned i = 0; i < 2; i++) {
		uint64_t words[3];
		ck_assert_int_eq(world_read(world, i == 0 ? mine : other, words, sizeof(words)),
				 24);
		ck_assert_uint_eq(load_le64(&words[1]), 1);
	}
}
END_TEST

/* VI_ERR_MAP is two words (3). */
/* tegra241-cmdqv 2, 8.3: VI_ERR_MAP in halves, the upper one first; the others whole, and each once. */
START_TEST(error_maps_are_read_as_linux_reads_them)
{
	make_guest();
	new_queue(0, QUEUE_IOVA);
	read_count = 0;
	provoke(1, 0);
	unsigned i = 0;
	while (i < read_count && reads[i].offset != CMDQV_VI_ERR_MAP + 4)
		i++;
	ck_assert_uint_eq(read_count, i + 4);
	ck_assert_uint_eq(reads[i].width, 4);
	ck_assert_uint_eq(reads[i + 1].offset, CMDQV_VI_ERR_MAP);
	ck_assert_uint_eq(reads[i + 1].width, 4);
	for (unsigned word = 0; word < 2; word++) {
		ck_assert_uint_eq(reads[i + 2 + word].offset,
				  vintf_block(1, VINTF_LVCMDQ_ERR_MAP) + 8 * word);
		ck_assert_uint_eq(reads[i + 2 + word].width, 8);
	}
}
END_TEST

START_TEST(error_maps_of_vintf_0_are_read_once)
{
	static const uint64_t golden[] = {
		CMDQV_VI_ERR_MAP + 4,
		CMDQV_VI_ERR_MAP,
		CMDQV_VINTF_BLOCKS + VINTF_LVCMDQ_ERR_MAP,
		0x30010, /* GERROR of its queue 0 */
		CMDQV_VINTF_BLOCKS + VINTF_LVCMDQ_ERR_MAP + 8,
	};
	const struct port_fault fault = {.engine = smmu->port.engine,
					 .purpose = ACCESS_COMMAND_FETCH,
					 .action = FAULT_ABORT,
					 .nth = 1};
	set_kernel_option(KERNEL_CMDQV_BYPASS, KERNEL_SWITCH_DEFAULT);
	ck_assert(port_inject(machine, &fault));
	read_count = 0;
	arm_smmu_cmdq_issue(driver, command_tlbi_nsnh_all());
	ck_assert_uint_eq(read_count, 5);
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_uint_eq(reads[i].offset, golden[i]);
		ck_assert_uint_eq(reads[i].width, i == 2 || i == 4 ? 8 : 4);
	}
}
END_TEST

START_TEST(an_error_of_a_vintf_above_31_arrives)
{
	parent = attach_new(IOMMU_HWPT_ALLOC_NEST_PARENT);
	map_pages(QUEUE_IOVA, 1);
	for (uint32_t v = 1; v <= 40; v++)
		viommu = new_viommu(parent);
	int fd = new_veventq(viommu, 8);
	new_queue(0, QUEUE_IOVA);
	provoke(40, 0);
	expect_vevent(fd, 0, 1);
}
END_TEST

/* 9.5 of smmuv3: without a queue of the type the event is dropped. */
START_TEST(an_error_without_an_event_queue_is_dropped)
{
	make_guest();
	new_queue(0, QUEUE_IOVA);
	provoke(1, 0);
	int fd = new_veventq(viommu, 8);
	uint64_t words[3];
	ck_assert_int_eq(world_read(world, fd, words, sizeof(words)), 0);
}
END_TEST

/* 8.2: VI_INT_MASK. */
START_TEST(a_masked_vintf_raises_no_event)
{
	make_guest();
	int fd = new_veventq(viommu, 8);
	uint64_t words[3];
	new_queue(0, QUEUE_IOVA);
	set_cmdqv(CMDQV_VI_INT_MASK, 1 << 1);
	provoke(1, 0);
	ck_assert_int_eq(world_read(world, fd, words, sizeof(words)), 0);
	ck_assert_uint_eq(cmdqv(CMDQV_VI_ERR_MAP, 4), 1 << 1);
}
END_TEST

static TCase *streams(void)
{
	TCase *tests = tcase_create("streams");
	tcase_add_checked_fixture(tests, setup_stage2, teardown);
	tcase_add_test(tests, hardware_that_linux_does_not_support_is_refused);
	tcase_add_test(tests, hardware_that_linux_just_supports_is_probed);
	tcase_add_test(tests, set_up_enables_nothing_before_it_is_ready);
	tcase_add_test(tests, the_first_commands_are_those_of_the_capture);
	tcase_add_test(tests, every_stream_is_blocked_at_first);
	tcase_add_test(tests, set_up_assigns_every_queue_without_allocating_it);
	tcase_add_test(tests, vintf_0_is_taken_down_before_it_is_set_up);
	tcase_add_test(tests, set_up_flushes_each_queue_of_vintf_0_twice);
	tcase_add_loop_test(tests, attach_writes_the_stream_table_entry_of_linux, 0, 2);
	tcase_add_test(tests, attach_writes_the_body_of_the_entry_first);
	tcase_add_test(tests, a_replaced_domain_is_no_longer_translated_by);
	tcase_add_test(tests, closing_the_device_blocks_the_stream_first);
	tcase_add_test(tests, nothing_is_cached_of_a_vmid_that_is_given_out_again);
	tcase_add_test(tests, vmids_are_the_lowest_free_from_one);
	tcase_add_test(tests, a_freed_domain_gives_its_tables_back);
	tcase_add_test(tests, hw_info_knows_the_smmu);
	tcase_add_test(tests, hw_info_knows_the_cmdqv_and_no_more);
	tcase_add_test(tests, a_stream_is_bound_to_the_holder_of_its_domain);
	tcase_add_test(tests, a_stream_is_in_transition_while_its_entry_changes);
	tcase_add_test(tests, set_up_writes_registers_in_the_order_of_the_capture);
	tcase_add_test(tests, a_register_that_is_not_acknowledged_ends_the_set_up);
	tcase_add_test(tests, set_up_drops_translations_of_el2);
	tcase_add_test(tests, queues_are_as_large_as_the_hardware_allows);
	tcase_add_test(tests, set_up_checks_translated_traffic_where_there_is_ats);
	tcase_add_test(tests, attach_ends_with_a_prefetch);
	tcase_add_test(tests, a_domain_is_replaced_by_way_of_an_invalid_entry);
	tcase_add_test(tests, the_last_device_of_a_domain_takes_its_vmid_along);
	tcase_add_test(tests, a_table_that_goes_is_invalidated_twice);
	tcase_add_test(tests, a_block_takes_the_place_of_an_empty_table_that_goes_first);
	tcase_add_test(tests, devices_caches_are_emptied_of_the_range);
	tcase_add_test(tests, the_span_of_a_devices_cache_holds_both_ends);
	tcase_add_test(tests, an_aborted_fetch_of_the_main_queue_is_recovered_from);
	tcase_add_test(tests, an_illegal_command_gives_way_to_a_sync);
	tcase_add_test(tests, only_known_errors_are_tried_again);
	tcase_add_test(tests, a_sync_is_polled_for_ever_more_rarely);
	return tests;
}

static TCase *unmaps(void)
{
	TCase *tests = tcase_create("unmaps");
	tcase_add_checked_fixture(tests, setup_stage2, teardown);
	tcase_add_test(tests, mapping_sends_nothing);
	tcase_add_test(tests, a_map_that_runs_out_of_memory_leaves_nothing);
	tcase_add_test(tests, unmap_returns_when_the_tlb_has_forgotten);
	tcase_add_test(tests, a_full_batch_goes_without_a_sync);
	tcase_add_test(tests, from_an_eighth_of_a_table_on_the_whole_vmid_goes);
	tcase_add_test(tests, a_block_is_one_leaf);
	tcase_add_test(tests, leaves_of_another_size_force_out_what_was_gathered);
	tcase_add_test(tests, each_area_has_its_sync);
	tcase_add_test(tests, a_small_queue_wraps_and_waits_for_space);
	return tests;
}

static TCase *parents(void)
{
	TCase *tests = tcase_create("parents");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_domain_of_another_smmu_is_refused);
	tcase_add_test(tests, domains_take_no_data_and_only_known_flags);
	tcase_add_test(tests, without_a_cmdqv_there_is_no_type_of_it);
	tcase_add_test(tests, nothing_nests_without_both_stages);
	tcase_add_test(tests, nothing_nests_on_a_hwpt_alone);
	tcase_add_test(tests, a_vintf_begins_with_empty_pairs);
	tcase_add_test(tests, unmap_of_a_nest_parent_drops_stage_1_too);
	tcase_add_test(tests, unmap_of_a_nest_parent_empties_the_devices_caches_last);
	tcase_add_test(tests, without_a_flush_the_tlb_keeps_what_was_unmapped);
	tcase_add_test(tests, without_a_wait_unmap_returns_before_the_flush);
	return tests;
}

static TCase *guests(void)
{
	TCase *tests = tcase_create("guests");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_queue_acts_for_the_guest_and_its_stage_2);
	tcase_add_test(tests, viommu_checks_type_data_and_length);
	tcase_add_test(tests, viommu_data_that_can_not_be_answered_leaves_no_vintf);
	tcase_add_test(tests, vintfs_run_from_one_to_the_last_and_are_given_back);
	tcase_add_test(tests, a_vintf_has_its_vmid_before_it_is_enabled);
	tcase_add_test(tests, a_destroyed_vintf_is_disabled_and_emptied);
	tcase_add_test(tests, a_vdevice_is_a_pair_of_stream_ids);
	tcase_add_test(tests, a_virtual_stream_id_has_20_bits);
	tcase_add_test(tests, a_device_has_one_vdevice_and_an_id_too);
	tcase_add_test(tests, no_pair_left_is_no_space_left);
	tcase_add_test(tests, a_guests_commands_go_by_the_main_queue);
	tcase_add_test(tests, a_guests_commands_go_in_groups_of_63);
	tcase_add_loop_test(tests, a_command_that_is_not_for_users_ends_the_call, 0,
			    sizeof(not_for_users) / sizeof(not_for_users[0]));
	tcase_add_test(tests, groups_before_a_bad_command_are_sent);
	tcase_add_test(tests, invalidation_checks_type_count_and_length);
	tcase_add_test(tests, invalidation_without_memory_sends_nothing);
	tcase_add_test(tests, what_the_smmu_lacks_is_not_for_users);
	tcase_add_test(tests, substreams_are_for_users_where_there_are_some);
	tcase_add_loop_test(tests, ranges_are_for_users_where_there_are_some, 0, 2);
	tcase_add_test(tests, hw_queue_checks_come_in_the_order_of_the_sheet);
	tcase_add_test(tests, hw_queue_sizes_are_powers_of_two_and_aligned);
	tcase_add_test(tests, hw_queue_is_capped_by_the_smmus_queue_size);
	tcase_add_test(tests, a_nest_parent_forces_write_back_where_the_hardware_can);
	tcase_add_test(tests, tables_are_marked_for_walks_that_are_not_coherent);
	tcase_add_test(tests, a_new_queue_is_mapped_reset_and_based);
	tcase_add_test(tests, only_alloc_changes_of_an_assignment);
	tcase_add_test(tests, a_queue_is_not_seen_before_it_is_ready);
	tcase_add_test(tests, a_destroyed_queue_is_stopped_and_flushed_first);
	tcase_add_test(tests, an_acknowledge_is_polled_for);
	tcase_add_test(tests, a_queues_pages_are_held_until_it_is_stopped);
	tcase_add_test(tests, hw_queues_go_in_reverse_order);
	tcase_add_test(tests, a_queue_that_runs_is_stopped_and_emptied_by_its_destruction);
	tcase_add_test(tests, an_active_error_goes_with_its_queue);
	tcase_add_test(tests, page_0_of_the_vintf_is_mapped_whole_and_shared_only);
	tcase_add_test(tests, without_a_pin_the_queues_pages_can_be_unmapped);
	tcase_add_test(tests, unpinned_first_the_queue_outlives_its_pages);
	tcase_add_test(tests, a_base_inside_a_page_can_be_rounded_up);
	tcase_add_test(tests, a_copy_of_cons_in_memory_can_be_asked_for);
	tcase_add_test(tests, without_the_flush_a_queues_end_sends_nothing);
	tcase_add_test(tests, the_flush_takes_what_the_last_owner_left_behind);
	tcase_add_test(tests, without_the_flush_the_next_owner_finds_it);
	tcase_add_test(tests, an_error_reaches_the_guest_with_its_logical_queues_bit);
	tcase_add_test(tests, each_new_error_is_one_event_with_all_that_are_active);
	tcase_add_loop_test(tests, each_kind_of_error_reaches_the_guest, 0,
			    sizeof(errors) / sizeof(errors[0]));
	tcase_add_test(tests, an_error_of_an_upper_queue_is_in_the_second_word);
	tcase_add_test(tests, queues_are_split_evenly_between_the_vintfs);
	tcase_add_test(tests, an_error_reaches_no_other_guest);
	tcase_add_test(tests, an_interrupt_tells_all_vintfs);
	tcase_add_test(tests, what_is_mapped_is_page_0_of_the_own_vintf);
	tcase_add_test(tests, error_maps_are_read_as_linux_reads_them);
	tcase_add_test(tests, error_maps_of_vintf_0_are_read_once);
	tcase_add_test(tests, an_error_of_a_vintf_above_31_arrives);
	tcase_add_test(tests, an_error_without_an_event_queue_is_dropped);
	tcase_add_test(tests, a_masked_vintf_raises_no_event);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("arm_smmu_v3");
	suite_add_tcase(suite, streams());
	suite_add_tcase(suite, unmaps());
	suite_add_tcase(suite, parents());
	suite_add_tcase(suite, guests());
	return run_suite(suite);
}
