// SPDX-License-Identifier: Apache-2.0
/* A guest's stage 1 over the driver's stage 2, and its events (smmuv3 9.1, 9.2, 9.5). */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"
#include "kernel_shim/uapi/vfio.h"
#include "tests/kit/fake_iommu.h"
#include "tests/kit/run.h"
#include "tests/kit/smmu.h"
#include "tests/kit/world.h"

#define OTHER_AT 0x8000000ULL
#define SID      0x10U
#define VSID     0x123U
#define OTHER    0x11U /* behind the second SMMU */

/* The guest's memory: 2 MiB at 1 GiB. Its context descriptor, then its table. */
#define IPA      0x40000000ULL
#define CONTEXTS IPA
#define TABLE    (IPA + PAGE_SIZE)
#define MAPPED   0ULL                  /* what its stage 1 puts at IPA */
#define UNMAPPED (2ULL << 30)          /* what neither stage maps */
#define BEYOND   (MAPPED + HPAGE_SIZE) /* what its stage 1 maps and stage 2 does not */
#define CD_DW0   (25ULL | 4ULL << 32 | CD_EPD1 | CD_V | CD_AA64 | CD_R | CD_A | 7ULL << 48)

#define LEAF (PTE_AF | PTE_S1_AP_EL0 | PTE_S1_NG | PTE_VALID)

#define STE(config) (STE_V | field_put(STE_CONFIG, config))
#define STAGE1      (STE(STE_CONFIG_S1) | CONTEXTS)

static struct profile profile;
static struct world *world;
static struct machine *machine;
static struct smmu *smmu, *second_smmu;
static struct arm_smmu *driver, *second;
static struct arm_smmu_master *master;
static int device_fd, other_fd, events_fd;
static uint32_t ioas, device, other, parent, viommu;
static uint64_t memory_va, memory_pa;
static struct translation got;

/* --- the machine --- */

static struct arm_smmu *add_smmu(uint64_t at, uint32_t irq, const char *name, struct smmu **made)
{
	const struct smmu_board board = {.name = name,
					 .base = {at},
					 .cmdqv_base = {at + CMDQV_AT - SMMU_AT},
					 .gerror_irq = irq,
					 .eventq_irq = irq + 1,
					 .cmdqv_irq = irq + 2,
					 .priq_irq = 7,
					 .sync_irq = 7};
	const struct arm_smmu_resources resources = {.name = name,
						     .base = board.base,
						     .cmdqv = board.cmdqv_base,
						     .gerror_irq = board.gerror_irq,
						     .eventq_irq = board.eventq_irq,
						     .cmdqv_irq = board.cmdqv_irq};
	struct option_set assumptions;
	option_set_init(&assumptions, smmu_assumptions);
	*made = smmu_new(machine, &board, &profile, &assumptions);
	struct arm_smmu *probed = NULL;
	ck_assert_int_eq(arm_smmu_probe(machine, &resources, &probed), 0);
	return probed;
}

static int add_device(struct arm_smmu *of, uint32_t sid, uint32_t *id)
{
	struct arm_smmu_master *made = arm_smmu_master_new(of, sid, true);
	master = of == driver ? made : master;
	int fd;
	*id = (uint32_t)world_bind(world, &made->device, &fd);
	return fd;
}

static int64_t attach(int fd, uint32_t id)
{
	return world_attach(world, fd, &id);
}

static uint32_t new_viommu(uint32_t type, uint32_t data_len)
{
	struct iommu_viommu_alloc cmd = {.type = type,
					 .dev_id = device,
					 .hwpt_id = parent,
					 .data_len = data_len,
					 .data_uptr = data_len != 0 ? world->data : 0};
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd), 0);
	return cmd.out_viommu_id;
}

static void put_word(uint64_t ipa, uint64_t value)
{
	uint8_t bytes[8];
	store_le64(bytes, value);
	world_put(world, memory_va + (ipa - IPA), bytes, sizeof(bytes));
}

static bool reaches(uint64_t iova, uint64_t pa)
{
	return smmu_translate(smmu, SID, iova, false, &got) == TRANSLATE_OK && got.pa.value == pa;
}

static void refused(uint64_t iova, bool write, unsigned event)
{
	ck_assert_int_ne(smmu_translate(smmu, SID, iova, write, &got), TRANSLATE_OK);
	ck_assert_uint_eq(got.event, event);
}

static void run_machine(void)
{
	while (clock_step(&machine->clock))
		;
}

static void setup(void)
{
	profile = smmu_kit_grace();
	smmu_kit_set(&profile, "idr5.features", 0x10 | field_put(IDR5_STALL_MAX, 4));
	world = world_new();
	machine = world->machine;
	/* What is sent is looked at in the main queue. */
	((struct iommufd_module *)machine->kernel)->options.values[KERNEL_CMDQV_BYPASS] =
		KERNEL_SWITCH_OTHER;
	driver = add_smmu(SMMU_AT, 1, "smmu", &smmu);
	second = add_smmu(OTHER_AT, 4, "smmu1", &second_smmu);
	ioas = (uint32_t)world_ioas(world);
	device_fd = add_device(driver, SID, &device);
	other_fd = add_device(second, OTHER, &other);
	parent = (uint32_t)world_hwpt(world, device, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	ck_assert_int_eq(attach(device_fd, parent), 0);
	viommu = new_viommu(IOMMU_VIOMMU_TYPE_ARM_SMMUV3, 0);
	memory_va = world_mmap_aligned(world, HPAGE_SIZE);
	ck_assert_int_eq(world_map_at(world, ioas, memory_va, HPAGE_SIZE, IPA), 0);
	ck_assert_int_eq(smmu_translate(smmu, SID, IPA, false, &got), TRANSLATE_OK);
	memory_pa = got.pa.value;
	put_word(CONTEXTS, CD_DW0);
	put_word(CONTEXTS + 8, TABLE);
	put_word(TABLE, IPA | LEAF);
	events_fd = -1;
}

static void teardown(void)
{
	world_free(world);
}

/* --- calls --- */

static int64_t nested_alloc_of(uint32_t dev, uint64_t dw0, uint64_t dw1)
{
	uint8_t bytes[16];
	store_le64(bytes, dw0);
	store_le64(bytes + 8, dw1);
	struct iommu_hwpt_alloc cmd = {.dev_id = dev,
				       .pt_id = viommu,
				       .data_type = IOMMU_HWPT_DATA_ARM_SMMUV3,
				       .data_len = sizeof(bytes),
				       .data_uptr = world_data(world, bytes, sizeof(bytes))};
	int64_t error = world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_hwpt_id;
}

static int64_t nested_alloc(uint64_t dw0, uint64_t dw1)
{
	return nested_alloc_of(device, dw0, dw1);
}

static void detach(void)
{
	struct vfio_device_detach_iommufd_pt pt = {.argsz = sizeof(pt)};
	ck_assert_int_eq(world_device_ioctl(world, device_fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &pt,
					    sizeof(pt)),
			 0);
}

static uint32_t attach_nested(uint64_t dw0, uint64_t dw1)
{
	int64_t id = nested_alloc(dw0, dw1);
	ck_assert_int_gt(id, 0);
	ck_assert_int_eq(attach(device_fd, (uint32_t)id), 0);
	return (uint32_t)id;
}

static void add_vdevice(void)
{
	ck_assert_int_gt(world_vdevice(world, viommu, device, VSID), 0);
}

/* The guest's stage 1, and its queue of events of this depth. */
static void make_guest(uint32_t depth)
{
	struct iommu_veventq_alloc cmd = {
		.viommu_id = viommu, .type = IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, .veventq_depth = depth};
	add_vdevice();
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_VEVENTQ_ALLOC, &cmd), 0);
	events_fd = (int)cmd.out_veventq_fd;
	attach_nested(STAGE1, 0);
}

static struct pa ste_at(unsigned word)
{
	return pa_of(driver->strtab_pfn * PAGE_SIZE + STE_SIZE * SID + 8ULL * word);
}

static uint64_t ste_word(unsigned word)
{
	uint8_t bytes[8];
	memory_read(&machine->memory, ste_at(word), bytes, sizeof(bytes));
	return load_le64(bytes);
}

static void set_ste_word(unsigned word, uint64_t value)
{
	uint8_t bytes[8];
	store_le64(bytes, value);
	memory_write(&machine->memory, ste_at(word), bytes, sizeof(bytes), OWNER_KERNEL);
}

static struct smmu_command sent(uint64_t number)
{
	uint64_t entry = number % (1U << driver->cmdq.log2size);
	uint8_t bytes[COMMAND_SIZE];
	memory_read(&machine->memory, pa_of(driver->cmdq.pfn * PAGE_SIZE + COMMAND_SIZE * entry),
		    bytes, sizeof(bytes));
	return (struct smmu_command){{load_le64(bytes), load_le64(bytes + 8)}};
}

/* Whether a command of OPCODE was sent since the one of this number. */
static bool was_sent(uint64_t from, uint64_t opcode)
{
	for (uint64_t i = from; i < driver->cmdq.issued; i++)
		if (field_get(sent(i).dw[0], BITS(7, 0)) == opcode)
			return true;
	return false;
}

/* --- the guest's entry [9.2] --- */

START_TEST(only_bits_for_guests_are_taken)
{
	const uint64_t dw0 = STE_V | STE_S1FMT | BITS(51, 6) | STE_S1CDMAX;
	const uint64_t dw1 = STE_S1DSS | STE_S1CIR | STE_S1COR | STE_S1CSH | STE_S1STALLD |
			     field_put(STE_EATS, EATS_FULL);
	ck_assert_int_gt(nested_alloc(dw0 | STE(STE_CONFIG_S1), dw1), 0);
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t one = 1ULL << bit;
		if (!((dw0 | STE_CONFIG) & one))
			ck_assert_int_eq(nested_alloc(STAGE1 | one, 0), -EIO);
		if (!((dw1 | STE_EATS) & one))
			ck_assert_int_eq(nested_alloc(STAGE1, one), -EIO);
	}
}
END_TEST

START_TEST(a_guest_has_stage_1_bypass_or_nothing)
{
	for (uint64_t config = 0; config < 8; config++) {
		bool taken = config == STE_CONFIG_ABORT || config == STE_CONFIG_BYPASS ||
			     config == STE_CONFIG_S1;
		int64_t id = nested_alloc(STE(config), 0);
		ck_assert_msg(taken ? id > 0 : id == -EIO, "config %lu: %ld", config, id);
	}
	for (uint64_t eats = 0; eats < 4; eats++) {
		int64_t id = nested_alloc(STAGE1, field_put(STE_EATS, eats));
		ck_assert_msg(eats < 2 ? id > 0 : id == -EIO, "EATS %lu: %ld", eats, id);
	}
}
END_TEST

START_TEST(an_entry_that_is_not_valid_is_not_looked_at)
{
	add_vdevice();
	attach_nested(~STE_V, ~0ULL);
	ck_assert_uint_eq(ste_word(0), STE(STE_CONFIG_ABORT));
	for (unsigned word = 1; word < STE_WORDS; word++)
		ck_assert_uint_eq(ste_word(word), 0);
	ck_assert(!reaches(IPA, memory_pa));
}
END_TEST

START_TEST(the_entry_is_copied_as_all_user_data_is)
{
	const struct iommu_hwpt_alloc good = {.dev_id = device,
					      .pt_id = viommu,
					      .data_type = IOMMU_HWPT_DATA_ARM_SMMUV3,
					      .data_len = 16,
					      .data_uptr = world->data};
	struct iommu_hwpt_alloc cmd = good;
	const uint64_t zero[3] = {0};
	world_data(world, zero, sizeof(zero));
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd), 0);
	cmd = good;
	cmd.data_type = 1;
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd), -EINVAL);
	cmd = good;
	cmd.data_len = 8;
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd), -EINVAL);
	cmd = good;
	cmd.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd), -EOPNOTSUPP);
	cmd = good;
	cmd.flags = IOMMU_HWPT_ALLOC_PASID; /* which gets past the core */
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd), -EOPNOTSUPP);
}
END_TEST

/* --- the device's entry --- */

START_TEST(a_guests_stage_1_lies_over_the_parents_stage_2)
{
	uint64_t s2[4], ir = field_put(STE_S1CIR, 1);
	for (unsigned word = 0; word < 4; word++)
		s2[word] = ste_word(word);
	add_vdevice();
	attach_nested(STAGE1, ir);
	ck_assert_uint_eq(ste_word(0), STE(STE_CONFIG_NESTED) | CONTEXTS);
	ck_assert_uint_eq(ste_word(1), (s2[1] & ~STE_EATS) | ir | STE_MEV);
	ck_assert_uint_eq(ste_word(2), s2[2]);
	ck_assert_uint_eq(ste_word(3), s2[3]);
	ck_assert(reaches(MAPPED + 0x1234, memory_pa + 0x1234));
	refused(UNMAPPED, false, EVT_F_TRANSLATION);
	refused(BEYOND, false, EVT_F_TRANSLATION);
}
END_TEST

/* The guest's EATS decides, of a device that has ATS. */
START_TEST(ats_is_on_where_the_guest_has_it_on)
{
	add_vdevice();
	for (unsigned i = 0; i < 4; i++) {
		uint64_t eats = i / 2, from = driver->cmdq.issued;
		attach_nested(STAGE1, field_put(STE_EATS, eats));
		ck_assert_uint_eq(field_get(ste_word(1), STE_EATS), eats);
		/* It may keep what was before: the parent's, at first. */
		ck_assert(was_sent(from, CMD_ATC_INV) == (eats || i == 0));
		from = driver->cmdq.issued;
		ck_assert_int_eq(world_map_at(world, ioas, memory_va, PAGE_SIZE, 0), 0);
		ck_assert_int_eq(world_unmap(world, ioas, 0, PAGE_SIZE), PAGE_SIZE);
		ck_assert(was_sent(from, CMD_ATC_INV) == eats);
	}
	ck_assert_int_eq(attach(device_fd, parent), 0);
	ck_assert_uint_eq(field_get(ste_word(1), STE_EATS), EATS_FULL);
	uint64_t from = driver->cmdq.issued;
	detach();
	ck_assert(was_sent(from, CMD_ATC_INV));
}
END_TEST

START_TEST(bypass_of_stage_1_leaves_the_parents_stage_2)
{
	uint64_t s2[4];
	for (unsigned word = 0; word < 4; word++)
		s2[word] = ste_word(word);
	attach_nested(STE(STE_CONFIG_BYPASS), 0); /* no vDEVICE is asked for */
	for (unsigned word = 0; word < 4; word++)
		ck_assert_uint_eq(ste_word(word), word == 1 ? s2[1] & ~STE_EATS : s2[word]);
	ck_assert(reaches(IPA, memory_pa));
	refused(MAPPED, false, EVT_F_TRANSLATION);
}
END_TEST

/* --- attach [9.1] --- */

START_TEST(a_stage_1_needs_a_vdevice)
{
	int64_t id = nested_alloc(STAGE1, 0);
	uint64_t before = driver->cmdq.issued;
	ck_assert_int_eq(attach(device_fd, (uint32_t)id), -ENOENT);
	ck_assert_uint_eq(driver->cmdq.issued, before);
	ck_assert(reaches(IPA, memory_pa)); /* it has the parent still */
	add_vdevice();
	ck_assert_int_eq(attach(device_fd, (uint32_t)id), 0);
	ck_assert(reaches(MAPPED, memory_pa));
}
END_TEST

START_TEST(a_nested_domain_is_of_one_smmu)
{
	int64_t id = nested_alloc(STE(STE_CONFIG_BYPASS), 0);
	ck_assert_int_eq(attach(other_fd, (uint32_t)id), -EINVAL);
}
END_TEST

/* The stage 2 stays: what is cached of it too. Leaving it removes all of its VMID. */
START_TEST(another_entry_over_the_same_parent_keeps_what_is_cached)
{
	add_vdevice();
	attach_nested(STAGE1, 0);
	uint64_t from = driver->cmdq.issued;
	attach_nested(STE(STE_CONFIG_BYPASS), 0);
	attach_nested(STAGE1, 0);
	ck_assert_int_eq(attach(device_fd, parent), 0);
	ck_assert(was_sent(from, CMD_CFGI_STE));
	ck_assert(!was_sent(from, CMD_TLBI_S12_VMALL));
	detach();
	ck_assert(was_sent(from, CMD_TLBI_S12_VMALL));
	ck_assert_uint_eq(ste_word(0), STE(STE_CONFIG_ABORT));
}
END_TEST

START_TEST(a_nested_domain_keeps_its_viommu)
{
	int64_t id = nested_alloc(STE(STE_CONFIG_BYPASS), 0);
	ck_assert_int_eq(world_destroy(world, viommu), -EBUSY);
	ck_assert_int_eq(world_destroy(world, (uint32_t)id), 0);
	ck_assert_int_eq(world_destroy(world, viommu), 0);
}
END_TEST

/* A vIOMMU with queues nests as well. */
START_TEST(a_guest_with_queues_has_a_stage_1_too)
{
	viommu = new_viommu(IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV, 16);
	add_vdevice();
	attach_nested(STAGE1, 0);
	ck_assert(reaches(MAPPED, memory_pa));
}
END_TEST

/* --- an unmap beside an attach [3.6, 7] --- */

#define OTHER_IPA 0x80000000ULL

static bool dma_works(uint64_t iova)
{
	uint8_t byte;
	return smmu_dma(smmu, SID, iova, false, &byte, 1, &got) == TRANSLATE_OK;
}

/*
 * STEPS into the attach of another domain, made with FLAGS, the device reads a page of the one or the other, which is
 * then unmapped: it never reads it again. DETACHED: it had none. False: the attach was over before.
 */
static bool attach_and_unmap(uint32_t flags, unsigned steps, bool of_new, bool detached)
{
	struct flight flight;
	struct world files;
	uint32_t ioas2 = (uint32_t)world_ioas(world);
	uint32_t hwpt2 = (uint32_t)world_hwpt(world, device, ioas2, flags);
	uint64_t iova = of_new ? OTHER_IPA : IPA;
	struct vfio_device_attach_iommufd_pt at = {.argsz = sizeof(at), .pt_id = hwpt2};
	ck_assert_int_eq(world_map_at(world, ioas2, memory_va, HPAGE_SIZE, OTHER_IPA), 0);
	smmu_endpoint_new(smmu, SID);
	ck_assert(dma_works(IPA));
	if (detached)
		detach();
	files = *world;
	files.fd = device_fd;
	world_stepwise(world, true);
	flight_start(&flight, &files, 0, VFIO_DEVICE_ATTACH_IOMMUFD_PT & 0xff, &at);
	for (unsigned i = 0; i < steps && !flight.call->done; i++)
		ck_assert(clock_step(&machine->clock));
	bool under_way = !flight.call->done;
	world_stepwise(world, false);
	dma_works(iova);
	ck_assert_int_eq(world_unmap(world, of_new ? ioas2 : ioas, iova, HPAGE_SIZE), HPAGE_SIZE);
	ck_assert_msg(!dma_works(iova), "after %u steps", steps);
	ck_assert_int_eq(flight_finish(&flight), 0);
	run_machine(); /* the flight alone was stepped: the hardware may lag behind */
	ck_assert(!dma_works(iova));
	ck_assert(dma_works(OTHER_IPA) == !of_new);
	return under_way;
}

START_TEST(an_unmap_beside_an_attach_leaves_the_device_nothing)
{
	unsigned steps = 0;
	uint32_t flags = _i < 3 ? 0 : IOMMU_HWPT_ALLOC_NEST_PARENT; /* stage 1 or 2 */
	while (attach_and_unmap(flags, steps, _i % 3 > 0, _i % 3 == 2)) {
		teardown();
		setup();
		steps++;
	}
	ck_assert_uint_gt(steps, 10);
}
END_TEST

/* What the guest changes in its tables holds once it says so (9.3). */
START_TEST(a_guest_invalidates_its_stage_1)
{
	uint8_t bytes[16];
	uint64_t now = (IPA + (1ULL << 30)) | LEAF;
	make_guest(8);
	ck_assert(reaches(MAPPED, memory_pa));
	put_word(TABLE, now);
	ck_assert(reaches(MAPPED, memory_pa));
	store_le64(bytes, CMD_TLBI_NH_ALL);
	store_le64(bytes + 8, 0);
	struct iommu_hwpt_invalidate cmd = {.hwpt_id = viommu,
					    .data_type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
					    .entry_len = 16,
					    .entry_num = 1,
					    .data_uptr = world_data(world, bytes, sizeof(bytes))};
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_HWPT_INVALIDATE, &cmd), 0);
	refused(MAPPED, false, EVT_F_TRANSLATION);
}
END_TEST

/* --- events [9.5] --- */

struct told_event {
	uint32_t flags;
	uint32_t sequence;
	uint64_t record[4];
};

static int64_t read_vevent(struct told_event *event)
{
	run_machine();
	return world_read(world, events_fd, event, sizeof(*event));
}

static void no_vevent(void)
{
	struct told_event event;
	ck_assert_int_eq(read_vevent(&event), 0);
}

/* Every kind that a guest may cause and be told of: with its own stream id. */
static const struct {
	uint64_t ste0; /* on top of a stage 1's */
	uint64_t cd0;  /* instead of the good one */
	uint64_t leaf; /* the same; 0: the good one */
	uint64_t iova;
	unsigned event;
	bool write;
} told[] = {
	{0, 0, 0, MAPPED, EVT_C_BAD_CD, false},
	{21ULL << 59, CD_DW0, 0, MAPPED, EVT_C_BAD_STE, false}, /* S1CDMax */
	{0, CD_DW0, 0, UNMAPPED, EVT_F_TRANSLATION, false},
	{0, CD_DW0, 1ULL << 47 | LEAF, MAPPED, EVT_F_ADDR_SIZE, false},
	{0, CD_DW0, IPA | (LEAF & ~PTE_AF), MAPPED, EVT_F_ACCESS, false},
	{0, CD_DW0, IPA | LEAF | 1ULL << 7, MAPPED, EVT_F_PERMISSION, true}, /* read only */
};

START_TEST(a_guest_is_told_of_what_its_stage_1_faults_with)
{
	struct told_event event;
	make_guest(8);
	attach_nested(STAGE1 | told[_i].ste0, 0);
	put_word(CONTEXTS, told[_i].cd0);
	if (told[_i].leaf != 0)
		put_word(TABLE, told[_i].leaf);
	refused(told[_i].iova, told[_i].write, told[_i].event);
	ck_assert_int_eq(read_vevent(&event), sizeof(event));
	ck_assert_uint_eq(event.flags, 0);
	ck_assert_uint_eq(event.sequence, 0);
	ck_assert_uint_eq(event.record[0], told[_i].event | (uint64_t)VSID << 32);
	if (told[_i].event >= EVT_F_TRANSLATION)
		ck_assert_uint_eq(event.record[2], told[_i].iova);
	no_vevent();
}
END_TEST

/* A stage 2 that has nothing there is the host's concern. */
START_TEST(a_guest_is_not_told_of_stage_2s_faults)
{
	make_guest(8);
	refused(BEYOND, false, EVT_F_TRANSLATION);
	no_vevent();
	refused(UNMAPPED, false, EVT_F_TRANSLATION);
	struct told_event event;
	ck_assert_int_eq(read_vevent(&event), sizeof(event));
	ck_assert_uint_eq(event.sequence, 0);
}
END_TEST

START_TEST(without_a_nested_domain_nothing_is_told)
{
	make_guest(8);
	ck_assert_int_eq(attach(device_fd, parent), 0);
	set_ste_word(2, ste_word(2) | STE_S2T0SZ); /* more than any table has */
	refused(IPA, false, EVT_C_BAD_STE);
	no_vevent();
}
END_TEST

START_TEST(a_guest_without_a_queue_of_events_hears_nothing)
{
	add_vdevice();
	attach_nested(STAGE1, 0);
	refused(UNMAPPED, false, EVT_F_TRANSLATION);
	run_machine();
	ck_assert_uint_eq(arm_smmu_read(driver, SMMU_EVENTQ_CONS, 4),
			  arm_smmu_read(driver, SMMU_EVENTQ_PROD, 4));
	ck_assert_uint_gt(arm_smmu_read(driver, SMMU_EVENTQ_PROD, 4), 0);
}
END_TEST

START_TEST(events_that_do_not_fit_are_counted)
{
	struct told_event event;
	make_guest(2);
	for (unsigned i = 0; i < 5; i++) {
		refused(UNMAPPED, false, EVT_F_TRANSLATION);
		run_machine();
	}
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert_int_eq(read_vevent(&event), sizeof(event));
		ck_assert_uint_eq(event.sequence, i);
	}
	ck_assert_int_eq(read_vevent(&event), 8);
	ck_assert_uint_eq(event.flags, IOMMU_VEVENTQ_FLAG_LOST_EVENTS);
	ck_assert_uint_eq(event.sequence, 4);
}
END_TEST

/* 6.4: nobody handles it; the driver ends it. */
START_TEST(a_stalled_access_is_aborted)
{
	make_guest(8);
	put_word(CONTEXTS, CD_DW0 | CD_S);
	uint64_t from = driver->cmdq.issued;
	ck_assert_int_eq(smmu_translate(smmu, SID, UNMAPPED, false, &got), TRANSLATE_STALLED);
	no_vevent();
	ck_assert(was_sent(from, CMD_RESUME));
	ck_assert(TAILQ_EMPTY(&smmu->stalls));
}
END_TEST

/* More than the queue holds before the driver looks: the rest is lost, and then it goes on (2.1). */
START_TEST(an_overflow_of_the_queue_is_acknowledged)
{
	struct told_event event;
	make_guest(8);
	for (unsigned i = 0; i <= 1U << driver->eventq_log2size; i++)
		refused(UNMAPPED, false, EVT_F_TRANSLATION);
	run_machine();
	uint64_t prod = arm_smmu_read(driver, SMMU_EVENTQ_PROD, 4);
	ck_assert_uint_ne(prod & QUEUE_OVERFLOW, 0);
	ck_assert_uint_eq(arm_smmu_read(driver, SMMU_EVENTQ_CONS, 4), prod);
	while (read_vevent(&event) > 0)
		;
	refused(UNMAPPED, false, EVT_F_TRANSLATION);
	ck_assert_int_eq(read_vevent(&event), sizeof(event));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arm_smmu_nested");
	TCase *tests = tcase_create("arm_smmu_nested");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, only_bits_for_guests_are_taken);
	tcase_add_test(tests, a_guest_has_stage_1_bypass_or_nothing);
	tcase_add_test(tests, an_entry_that_is_not_valid_is_not_looked_at);
	tcase_add_test(tests, the_entry_is_copied_as_all_user_data_is);
	tcase_add_test(tests, a_guests_stage_1_lies_over_the_parents_stage_2);
	tcase_add_test(tests, ats_is_on_where_the_guest_has_it_on);
	tcase_add_test(tests, bypass_of_stage_1_leaves_the_parents_stage_2);
	tcase_add_test(tests, a_stage_1_needs_a_vdevice);
	tcase_add_test(tests, a_nested_domain_is_of_one_smmu);
	tcase_add_test(tests, another_entry_over_the_same_parent_keeps_what_is_cached);
	tcase_add_test(tests, a_nested_domain_keeps_its_viommu);
	tcase_add_test(tests, a_guest_with_queues_has_a_stage_1_too);
	tcase_add_test(tests, a_guest_invalidates_its_stage_1);
	tcase_add_loop_test(tests, an_unmap_beside_an_attach_leaves_the_device_nothing, 0, 6);
	tcase_add_loop_test(tests, a_guest_is_told_of_what_its_stage_1_faults_with, 0,
			    (int)(sizeof(told) / sizeof(told[0])));
	tcase_add_test(tests, a_guest_is_not_told_of_stage_2s_faults);
	tcase_add_test(tests, without_a_nested_domain_nothing_is_told);
	tcase_add_test(tests, a_guest_without_a_queue_of_events_hears_nothing);
	tcase_add_test(tests, events_that_do_not_fit_are_counted);
	tcase_add_test(tests, a_stalled_access_is_aborted);
	tcase_add_test(tests, an_overflow_of_the_queue_is_acknowledged);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
