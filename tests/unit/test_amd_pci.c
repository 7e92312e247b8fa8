/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI configuration space: the IOMMU's capability and the vendor's, the windows that they enable, and
 * what the driver learns from them (amd-iommu 1; amd-viommu 3).
 */
#include <check.h>
#include <errno.h>

#include "tests/kit/amd.h"
#include "tests/kit/amd_world.h"
#include "tests/kit/register_page.h"
#include "tests/kit/run.h"

#define GUEST_ID     5U
#define TRANS_DEVICE 0x3feU
#define DOMAIN       0x10U

static struct profile profile;
static struct amd_kit *kit;
static struct amd_world *amd;

static void setup(void)
{
	profile = amd_kit_profile();
	kit = amd_kit_new(&profile);
}

static void teardown(void)
{
	amd_kit_free(kit);
}

static struct pa config_at(uint32_t offset)
{
	return pa_of(ECAM_AT + ((uint64_t)OWN_DEVICE << 12) + offset);
}

static uint32_t read_config(uint32_t offset)
{
	return (uint32_t)bus_read(&kit->machine->bus, config_at(offset), 4);
}

static void write_config(uint32_t offset, uint32_t value)
{
	bus_write(&kit->machine->bus, config_at(offset), 4, value);
}

/* --- capabilities --- */

START_TEST(the_list_of_capabilities_has_the_iommus_and_the_vendors)
{
	ck_assert_uint_eq(read_config(0x08) >> 8, 0x080600);
	ck_assert_uint_eq(read_config(0x04) >> 20, 1);
	uint32_t at = read_config(0x34);
	ck_assert_uint_eq(read_config(at) & 0xff, 0x0f);
	ck_assert_uint_eq(read_config(at) >> 16 & 7, 3);
	at = read_config(at) >> 8 & 0xff;
	ck_assert_uint_eq(read_config(at), 0x09); /* the last */
}
END_TEST

START_TEST(the_header_says_what_the_profile_says)
{
	static const struct {
		const char *name;
		uint64_t value;
		uint32_t header;
	} rows[] = {
		{"iotlb.supported", 1, 0x1903600f},
		{"iotlb.supported", 0, 0x1803600f},
		{"npcache.supported", 1, 0x1c03600f},
		{"efr.features", 0x1d7, 0x1c03000f}, /* no vIOMMU: nor the vendor's capability */
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		amd_kit_set(&profile, rows[i].name, rows[i].value);
		amd_kit_free(kit);
		kit = amd_kit_new(&profile);
		ck_assert_uint_eq(read_config(AMD_CAP), rows[i].header);
	}
	ck_assert_uint_eq(read_config(AMD_VSC), 0);
}
END_TEST

START_TEST(addresses_have_the_sizes_that_misc0_says)
{
	uint32_t misc0 = read_config(AMD_CAP + 0x10);
	ck_assert_uint_eq(misc0 >> 5 & 7, 2);
	ck_assert_uint_eq(misc0 >> 8 & 0x7f, 52);
	ck_assert_uint_eq(misc0 >> 15 & 0x7f, 64);
	ck_assert_uint_eq(misc0 & 0x1f, 0); /* MsiNum, and of all */
	ck_assert_uint_eq(read_config(AMD_CAP + 0x14), 0);
}
END_TEST

START_TEST(firmware_has_set_all_bars)
{
	ck_assert_uint_eq(read_config(AMD_CAP + 0x04), AMD_AT | 1);
	ck_assert_uint_eq(read_config(AMD_CAP + 0x08), 0);
	ck_assert_uint_eq(read_config(AMD_VSC + 0x08), VF_AT | 1);
	ck_assert_uint_eq(read_config(AMD_VSC + 0x0c), 0);
	ck_assert_uint_eq(read_config(AMD_VSC + 0x10), VFCNTL_AT | 1);
	ck_assert_uint_eq(read_config(AMD_VSC + 0x14), 0);
}
END_TEST

START_TEST(a_register_has_the_bits_of_its_row)
{
	register_page_try_rows(bus_region(&kit->machine->bus, "pci"), amd_config_registers);
}
END_TEST

START_TEST(the_rest_reads_as_zero_and_is_not_written)
{
	uint32_t index;
	for (uint32_t at = 0; at < AMD_CONFIG_SIZE; at += 4) {
		if (register_find(amd_config_registers, at, &index) != NULL)
			continue;
		write_config(at, UINT32_MAX);
		ck_assert_uint_eq(read_config(at), 0);
	}
}
END_TEST

START_TEST(configuration_is_accessed_by_words_of_32_bits)
{
	ck_assert_uint_eq(bus_read(&kit->machine->bus, config_at(AMD_CAP), 8), 0);
	bus_write(&kit->machine->bus, config_at(AMD_VSC_VF), 8, 0);
	ck_assert_uint_eq(read_config(AMD_VSC_VF), VF_AT | 1);
}
END_TEST

/* --- windows --- */

START_TEST(enable_of_the_base_sticks)
{
	write_config(AMD_CAP_BASE, AMD_AT);
	ck_assert_uint_eq(read_config(AMD_CAP_BASE), AMD_AT | 1);
	ck_assert_uint_ne(amd_kit_read(kit, AMD_EFR, 8), 0);
}
END_TEST

/* There are no registers where the base does not say so: the board's wires stay where they are. */
START_TEST(registers_answer_where_the_base_is)
{
	static const uint32_t elsewhere[][2] = {{AMD_CAP_BASE, AMD_AT + 0x4000},
						{AMD_CAP_BASE + 4, 1}};
	uint64_t control = amd_kit_read(kit, AMD_CONTROL, 8);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t was = read_config(elsewhere[i][0]);
		write_config(elsewhere[i][0], elsewhere[i][1]);
		ck_assert_uint_eq(amd_kit_read(kit, AMD_EFR, 8), 0);
		amd_kit_write(kit, AMD_CONTROL, 8, 0);
		write_config(elsewhere[i][0], was);
		ck_assert_uint_eq(amd_kit_read(kit, AMD_CONTROL, 8), control);
	}
}
END_TEST

/* Off, or elsewhere: what the vendor's BARs can be. */
static void each_disabled(uint32_t bar, uint64_t base, void (*check)(struct amd_kit_guest *guest))
{
	const uint32_t values[] = {(uint32_t)base, 0, (uint32_t)base + 0x1001};
	struct amd_kit_guest guest = amd_kit_guest(kit, GUEST_ID, TRANS_DEVICE, DOMAIN);
	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		write_config(bar, values[i]);
		check(&guest);
		write_config(bar, (uint32_t)base | 1);
		amd_kit_guest_issue(&guest, amd_command_completion_wait(GUEST_MEMORY_AT, i + 1));
		ck_assert_uint_eq(amd_kit_word(kit, guest.memory), i + 1);
	}
}

static void check_vf(struct amd_kit_guest *guest)
{
	uint64_t tail = guest->kit->amd->guests_by_id[0][GUEST_ID]->ring.tail;
	ck_assert_uint_eq(amd_kit_vf(guest, AMD_STATUS), 0);
	amd_kit_set_vf(guest, AMD_CMD_TAIL, tail + COMMAND_SIZE);
	ck_assert_uint_eq(guest->kit->amd->guests_by_id[0][GUEST_ID]->ring.tail, tail);
}

START_TEST(pages_of_guests_answer_where_their_bar_is_enabled)
{
	each_disabled(AMD_VSC_VF, VF_AT, check_vf);
}
END_TEST

static void check_vfcntl(struct amd_kit_guest *guest)
{
	ck_assert_uint_eq(amd_kit_vfcntl(guest, VFCNTL_COMMAND), 0);
	amd_kit_set_vfcntl(guest, VFCNTL_COMMAND, 0);
	ck_assert(amd_ring_running(&guest->kit->amd->guests_by_id[0][GUEST_ID]->ring));
}

START_TEST(controls_of_guests_answer_where_their_bar_is_enabled)
{
	each_disabled(AMD_VSC_VFCNTL, VFCNTL_AT, check_vfcntl);
}
END_TEST

/* --- the driver --- */

static void setup_world(void)
{
	profile = amd_world_profile();
	amd = NULL;
}

static void teardown_world(void)
{
	amd_world_free(amd);
}

static void boot(const char *name, uint64_t value)
{
	if (amd != NULL)
		amd_world_free(amd);
	amd_kit_set(&profile, name, value);
	amd = amd_world_new_on(true, &profile);
}

START_TEST(the_driver_finds_its_windows_in_the_capabilities)
{
	boot("iotlb.supported", 1);
	ck_assert_uint_eq(amd->driver->base.value, AMD_AT);
	ck_assert_uint_eq(amd->driver->vf.value, AMD_VF_AT);
	ck_assert_uint_eq(amd->driver->vfcntl.value, AMD_VFCNTL_AT);
	ck_assert(amd->driver->vimu);
}
END_TEST

static int64_t viommu_alloc(void)
{
	struct iommu_viommu_alloc cmd = {.type = IOMMU_VIOMMU_TYPE_AMD,
					 .dev_id = amd->device,
					 .hwpt_id =
						 amd_world_hwpt(amd, IOMMU_HWPT_ALLOC_NEST_PARENT),
					 .data_len = 8,
					 .data_uptr = amd->world->data};
	return world_ioctl(amd->world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd);
}

/* "a clear enable bit is treated as a firmware bug and vIOMMU stays off" */
START_TEST(without_either_bar_there_is_no_viommu)
{
	static const char *const names[] = {"vf.enabled", "vfcntl.enabled"};
	for (unsigned i = 0; i < 2; i++) {
		boot(names[i], 0);
		ck_assert_int_eq(viommu_alloc(), -EOPNOTSUPP);
		ck_assert(!(amd->iommu->control & (CONTROL_VIOMMU_EN | CONTROL_VCMD_EN)));
		ck_assert(!amd->driver->vimu);
		boot(names[i], 1);
		ck_assert_int_eq(viommu_alloc(), 0);
	}
}
END_TEST

START_TEST(without_the_vendors_capability_there_is_no_viommu)
{
	boot("efr.features", EFR_GT | EFR_GIO | EFR_IA | EFR_GA);
	ck_assert_int_eq(viommu_alloc(), -EOPNOTSUPP);
	ck_assert_uint_eq(amd->driver->vf.value, 0);
	ck_assert_uint_eq(amd->driver->vfcntl.value, 0);
}
END_TEST

/* A list that leads back to itself ends. */
START_TEST(the_driver_leaves_a_list_without_end)
{
	boot("vf.enabled", 1);
	amd->iommu->config[AMD_CAP / 4] =
		(uint32_t)field_set(amd->iommu->config[AMD_CAP / 4], PCI_CAP_NEXT, AMD_CAP);
	amd->driver->vf = pa_of(0);
	amd_discover(amd->driver);
	ck_assert_uint_eq(amd->driver->base.value, AMD_AT);
	ck_assert_uint_eq(amd->driver->vf.value, 0);
}
END_TEST

START_TEST(without_iotlbsup_the_driver_lets_no_device_use_ats)
{
	uint32_t id;
	for (unsigned supported = 0; supported < 2; supported++) {
		boot("iotlb.supported", supported);
		int fd =
			amd_world_add(amd, amd->driver, "/dev/vfio/devices/vfio1", 0x30, true, &id);
		ck_assert_int_eq(amd_world_attach(amd, fd, amd_world_hwpt(amd, 0)), 0);
		bool asks = amd_world_dte(amd, 0x30).q[1] & DTE_I;
		ck_assert_int_eq(asks, supported);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_pci");
	TCase *tests = tcase_create("hardware");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, the_list_of_capabilities_has_the_iommus_and_the_vendors);
	tcase_add_test(tests, the_header_says_what_the_profile_says);
	tcase_add_test(tests, addresses_have_the_sizes_that_misc0_says);
	tcase_add_test(tests, firmware_has_set_all_bars);
	tcase_add_test(tests, a_register_has_the_bits_of_its_row);
	tcase_add_test(tests, the_rest_reads_as_zero_and_is_not_written);
	tcase_add_test(tests, configuration_is_accessed_by_words_of_32_bits);
	tcase_add_test(tests, enable_of_the_base_sticks);
	tcase_add_test(tests, registers_answer_where_the_base_is);
	tcase_add_test(tests, pages_of_guests_answer_where_their_bar_is_enabled);
	tcase_add_test(tests, controls_of_guests_answer_where_their_bar_is_enabled);
	suite_add_tcase(suite, tests);
	tests = tcase_create("driver");
	tcase_add_checked_fixture(tests, setup_world, teardown_world);
	tcase_add_test(tests, the_driver_finds_its_windows_in_the_capabilities);
	tcase_add_test(tests, without_either_bar_there_is_no_viommu);
	tcase_add_test(tests, without_the_vendors_capability_there_is_no_viommu);
	tcase_add_test(tests, the_driver_leaves_a_list_without_end);
	tcase_add_test(tests, without_iotlbsup_the_driver_lets_no_device_use_ats);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
