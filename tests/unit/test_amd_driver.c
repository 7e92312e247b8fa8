/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Linux driver's side, through ioctls: what it writes, and in which order (amd-iommu 3, 7 to 11).
 * "Capture": commands, tables and memory of Linux 7.3.4 on an emulated AMD IOMMU.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_shim/uapi/vfio.h"
#include "tests/kit/amd_world.h"
#include "tests/kit/run.h"

#define DOMAIN     0xcU   /* of the capture's vfio device, which is 0x28 as AMD_DEVICE is */
#define ATS_DEVICE 0x200U /* the capture's virtio-net */
#define IOVA       0x40000000ULL
#define PS_PER_MS  1000000000ULL

static struct amd_world *amd;
static struct world *world;
static struct amd_translation got;

static const struct amd_command wait = AMD_WAIT;
static const struct amd_command devtab = {{0x2000000000000028, 0}};
static const struct amd_command whole_domain = {{0x3000000c00000000, 0x7ffffffffffff003}};

static void setup(void)
{
	amd = amd_world_new(true);
	world = amd->world;
}

static void teardown(void)
{
	amd_world_free(amd);
}

static bool works(uint64_t iova, bool write)
{
	return amd_world_works(amd, AMD_DEVICE, iova, write, &got);
}

/* --- set-up (3) --- */

/* "One control write per bit"; the bits in the order in which they come on. */
START_TEST(set_up_turns_control_bits_on_one_by_one)
{
	static const unsigned golden[] = {7, 12, 16, 58, 17, 0, 2, 3, 60, 52, 53};
	uint64_t value = 0;
	unsigned seen = 0;
	for (unsigned i = 0; i < amd->count; i++) {
		const struct amd_written *written = &amd->log[i];
		if (written->region != AMD_REGION_HOST || written->offset != AMD_CONTROL)
			continue;
		ck_assert_uint_eq(written->width, 8);
		if (written->value == value)
			continue;
		ck_assert_uint_lt(seen, sizeof(golden) / sizeof(golden[0]));
		ck_assert_uint_eq(written->value ^ value, 1ULL << golden[seen]);
		value = written->value;
		seen++;
	}
	ck_assert_uint_eq(seen, sizeof(golden) / sizeof(golden[0]));
}
END_TEST

/* What the capture's mmio.txt has in this order too: bases as 8 bytes, pointers as 4. */
START_TEST(set_up_writes_bases_and_pointers_in_the_order_of_the_capture)
{
	const struct {
		uint64_t offset, value;
		unsigned width;
	} golden[] = {
		{0x0000, amd->driver->table_pfn * PAGE_SIZE | 0x1ff, 8},
		{0x0008, amd->driver->ring_pfn * PAGE_SIZE | 9ULL << 56, 8},
		{0x2000, 0, 4},
		{0x2008, 0, 4},
		{0x0018, 0x1080, 8},            /* CmdBufEn: the ring is armed */
		{0x0018, 0x400000000031081, 8}, /* IommuEn: it starts */
		{0x2008, 0x10, 4},
		{0x2008, 0x20, 4},
		{0x0010, amd->iommu->event_base[0], 8},
		{0x2010, 0, 4},
		{0x2018, 0, 4},
		{0x0018, 0x400000000031085, 8}, /* EventLogEn */
	};
	unsigned at = 0;
	for (unsigned i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		while (at < amd->count && (amd->log[at].offset != golden[i].offset ||
					   amd->log[at].value != golden[i].value ||
					   amd->log[at].region != AMD_REGION_HOST))
			at++;
		ck_assert_msg(at < amd->count, "row %u is not written, or too early", i);
		ck_assert_uint_eq(amd->log[at].width, golden[i].width);
	}
	ck_assert_uint_eq(field_get(amd->iommu->event_base[0], RING_LENGTH), 9);
}
END_TEST

/* "8000000000000000 0", "10000000001d0001 1", before there is an event log. */
START_TEST(the_first_command_invalidates_all)
{
	unsigned first = amd_world_command(amd, CMD_INVALIDATE_IOMMU_ALL, 0);
	ck_assert(AMD_SENT_FIRST(amd, {{0x8000000000000000, 0}}, AMD_WAIT));
	ck_assert_uint_eq(amd->log[first + 1].command.q[1], 1);
	ck_assert_uint_lt(first + 1, amd_world_place(amd, AMD_REGION_HOST, AMD_EVENT_BASE, 0));
	ck_assert_uint_eq(amd->driver->semaphore_pa % PAGE_SIZE, 0);
}
END_TEST

/* "once more at the end of PCI initialisation, when the first domains are attached" (3). */
START_TEST(all_is_invalidated_once_more_when_the_event_log_runs)
{
	unsigned second = amd_world_command(amd, CMD_INVALIDATE_IOMMU_ALL, 1);
	ck_assert_uint_lt(second, amd->count);
	ck_assert_uint_eq(amd_world_command(amd, CMD_INVALIDATE_IOMMU_ALL, 2), amd->count);
	ck_assert_uint_gt(second, amd_world_place(amd, AMD_REGION_HOST, AMD_EVENT_BASE, 0));
	ck_assert_uint_eq(amd_command_opcode(&amd->log[second + 1].command), CMD_COMPLETION_WAIT);
}
END_TEST

/* Another kernel starts on the same hardware. */
static void start_again(uint16_t last_device)
{
	const struct amd_resources resources = {.name = "amd",
						.ecam = {AMD_ECAM_AT},
						.own_device = AMD_OWN_DEVICE,
						.last_device = last_device};
	amd_world_look(amd);
	amd->driver = amd_probe(amd->machine, &resources);
}

/* CmdBufEn, EventIntEn, EventLogEn, GALogEn, GAIntEn, PPRLogEn, PprIntEn, IommuEn, IRTCacheDis. */
static const unsigned turned_off[] = {12, 3, 2, 28, 29, 13, 14, 0, 59};

/* A kernel that starts on hardware that runs turns it off first, bit by bit. */
START_TEST(set_up_turns_off_what_was_left_on)
{
	uint64_t on = bus_read(&amd->machine->bus, pa_of(AMD_AT + AMD_CONTROL), 8);
	for (unsigned i = 0; i < 9; i++)
		on |= 1ULL << turned_off[i];
	bus_write(&amd->machine->bus, pa_of(AMD_AT + AMD_CONTROL), 8, on);
	start_again(AMD_LAST);
	for (unsigned i = 0; i < 9; i++) {
		on &= ~(1ULL << turned_off[i]);
		ck_assert_uint_eq(amd->log[i].offset, AMD_CONTROL);
		ck_assert_uint_eq(amd->log[i].value, on);
	}
}
END_TEST

/* "One control write per bit, also when nothing changes": seq 1 to 9 of the captures' mmio.txt. */
START_TEST(set_up_turns_off_what_is_off)
{
	for (unsigned i = 0; i < 9; i++) {
		ck_assert_uint_eq(amd->log[i].offset, AMD_CONTROL);
		ck_assert_uint_eq(amd->log[i].value, 0);
	}
	ck_assert_uint_eq(amd->log[9].value, 0x80); /* InvTimeOut */
}
END_TEST

/* "per-DeviceID and per-DomainID commands": INVALIDATE_IOMMU_ALL is illegal there (6.2; amd-viommu 2). */
START_TEST(without_iasup_caches_are_emptied_one_by_one)
{
	amd->iommu->efr &= ~EFR_IA;
	start_again(1);
	ck_assert(AMD_SENT_FIRST(amd, {{0x2000000000000000, 0}}, {{0x2000000000000001, 0}}, wait,
				 {{0x5000000000000000, 0}}, {{0x5000000000000001, 0}}, wait,
				 {{0x3000000000000000, 0x7ffffffffffff003}},
				 {{0x3000000100000000, 0x7ffffffffffff003}}, wait));
	ck_assert_uint_eq(amd_world_command(amd, CMD_INVALIDATE_IOMMU_ALL, 0), amd->count);
	/* And once more when the event log runs. */
	ck_assert_uint_lt(amd_world_command(amd, CMD_INVALIDATE_INTERRUPT_TABLE, 3), amd->count);
	ck_assert_uint_eq(amd->iommu->ring.head, amd->driver->tail);
}
END_TEST

/* Firmware's 1 to 3 would be 5 to 7 with Linux's 4, if it was not cleared. */
START_TEST(the_limit_of_an_ats_invalidation_takes_the_place_of_firmwares)
{
	for (uint64_t left = 0; left <= 7; left++) {
		uint64_t on = bus_read(&amd->machine->bus, pa_of(AMD_AT + AMD_CONTROL), 8);
		bus_write(&amd->machine->bus, pa_of(AMD_AT + AMD_CONTROL), 8,
			  (on & ~CONTROL_INV_TIMEOUT) | left << 5);
		start_again(AMD_LAST);
		on = bus_read(&amd->machine->bus, pa_of(AMD_AT + AMD_CONTROL), 8);
		ck_assert_uint_eq(on >> 5 & 7, 4);
	}
}
END_TEST

/* V = TV = IV = 1 up to the last device that firmware lists; zero beyond (10). */
START_TEST(every_device_is_blocked_at_first)
{
	for (uint32_t device = 0; device <= UINT16_MAX; device++) {
		struct amd_dte dte = amd_world_dte(amd, (uint16_t)device);
		bool known = device <= AMD_LAST;
		if (device == AMD_OWN_DEVICE)
			continue;
		ck_assert_uint_eq(dte.q[0], known ? 3 : 0);
		ck_assert_uint_eq(dte.q[1], 0);
		ck_assert_uint_eq(dte.q[2], known ? 1 : 0);
		ck_assert_uint_eq(dte.q[3], 0);
	}
	ck_assert(!works(0x1000, false));
	ck_assert_uint_eq(field_get(got.event.q[0], EVT_CODE), EVENT_IO_PAGE_FAULT);
}
END_TEST

/* amd-viommu 13: private memory; its own table entry; then bits 60, 58, 52, 53. */
START_TEST(the_iommu_translates_for_itself_before_it_may_serve_guests)
{
	struct amd_dte own = amd_world_dte(amd, AMD_OWN_DEVICE);
	unsigned entry = amd_world_command(amd, CMD_INVALIDATE_DEVTAB_ENTRY, 0);
	unsigned flush = amd_world_command(amd, CMD_INVALIDATE_IOMMU_PAGES, 0);
	ck_assert_uint_eq(own.q[0] & ~DTE_ROOT, 0x6000000000000603);
	ck_assert_uint_eq(own.q[1], amd->driver->private_domain);
	ck_assert_uint_eq(amd->log[entry].command.q[0], 0x2000000000000002);
	ck_assert_uint_lt(flush, entry);
	ck_assert(amd_world_works(amd, AMD_OWN_DEVICE, 0x7ffff8, true, &got));
	ck_assert(!amd_world_works(amd, AMD_OWN_DEVICE, 0x800000, true, &got));
	/* GstBufferTRPMode, with what set-up turned on; that once more; vCmdEn; vIommuEn. */
	static const uint64_t golden[] = {0x140, 0x140, 0x141, 0x143};
	unsigned first = amd->count - 4;
	ck_assert_uint_lt(entry, first);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_eq(amd->log[first + i].offset, AMD_CONTROL);
		ck_assert_uint_eq(amd->log[first + i].value >> 52, golden[i]);
	}
	for (unsigned i = 0; i < first; i++)
		ck_assert(amd->log[i].offset != AMD_CONTROL ||
			  !(amd->log[i].value & CONTROL_GST_BUFFER_TRP));
}
END_TEST

/* --- hw_info, domains (iommufd app. D) --- */

START_TEST(hw_info_shows_the_features)
{
	uint64_t words[2];
	for (uint32_t type = 0; type <= 5; type++) {
		struct iommu_hw_info info = {.flags = type != 0,
					     .dev_id = amd->device,
					     .data_len = 16,
					     .data_uptr = world->data,
					     .data_type = type};
		int64_t error = world_ioctl(world, IOMMUFD_NR_GET_HW_INFO, &info);
		ck_assert_int_eq(error, type == 0 || type == 4 ? 0 : -EOPNOTSUPP);
		if (error != 0)
			continue;
		world_get(world, world->data, words, sizeof(words));
		ck_assert_uint_eq(info.data_type, 4);
		ck_assert_uint_eq(words[0], bus_read(&amd->machine->bus, pa_of(AMD_AT + 0x30), 8));
		ck_assert_uint_eq(words[1], bus_read(&amd->machine->bus, pa_of(AMD_AT + 0x1a0), 8));
	}
}
END_TEST

START_TEST(domains_take_no_data_and_only_known_flags)
{
	struct iommu_hwpt_alloc alloc = {.dev_id = amd->device,
					 .pt_id = amd->ioas,
					 .data_type = 3,
					 .data_len = 32,
					 .data_uptr = world->data};
	ck_assert_int_eq(world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &alloc), -EOPNOTSUPP);
	ck_assert_int_eq(world_hwpt(world, amd->device, amd->ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING),
			 -EOPNOTSUPP);
	amd_world_hwpt(amd, 0);
}
END_TEST

static struct amd_domain *new_domain(void)
{
	struct iommu_domain *domain;
	ck_assert_int_eq(amd_domain_alloc(amd->driver, false, &domain), 0);
	return to_amd_domain(domain);
}

/* 0 is reserved, 1 the IOMMU's own. */
START_TEST(domain_ids_are_the_lowest_free)
{
	struct amd_domain *domains[4];
	for (unsigned i = 0; i < 4; i++) {
		domains[i] = new_domain();
		ck_assert_uint_eq(domains[i]->id, i + 2);
	}
	amd_domain_ops.free(&domains[2]->domain);
	amd_domain_ops.free(&domains[1]->domain);
	ck_assert_uint_eq(new_domain()->id, 3);
	ck_assert_uint_eq(new_domain()->id, 4);
	ck_assert_uint_eq(new_domain()->id, 6);
}
END_TEST

/* --- attach and detach (9) --- */

/* Domains until the next one is the capture's. */
static uint32_t hwpt_like_the_captures(void)
{
	while (new_domain()->id < DOMAIN - 1)
		;
	return amd_world_hwpt(amd, 0);
}

static uint32_t attach_like_the_capture(void)
{
	uint32_t hwpt = hwpt_like_the_captures();
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, hwpt), 0);
	amd_world_look(amd);
	return hwpt;
}

static uint32_t holder(void)
{
	return ledger_binding(&amd->machine->ledger, amd->driver->engine,
			      CONTEXT_DEVICE(AMD_DEVICE))
		->holder;
}

/* Lines 35010 to 35016; "DTE 0028 ... 6000000002d7d603 c 1 0" but for the root. */
START_TEST(attach_writes_the_entry_and_invalidates_it_twice)
{
	uint32_t hwpt = hwpt_like_the_captures();
	amd_world_look(amd);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, hwpt), 0);
	ck_assert(AMD_SENT(amd, devtab, wait, devtab, wait));
	for (unsigned i = 0; i < amd->count; i++) {
		const struct amd_dte *dte = &amd->log[i].dte;
		ck_assert_uint_eq(dte->q[0] & ~DTE_ROOT, 0x6000000000000603);
		ck_assert_uint_eq(dte->q[1], DOMAIN);
		ck_assert_uint_eq(dte->q[2], 1);
		ck_assert_uint_eq(dte->q[3], 0);
		ck_assert_uint_eq(amd->log[i].holder, LEDGER_IN_TRANSITION);
	}
	ck_assert_uint_ne(holder(), LEDGER_IN_TRANSITION);
	ck_assert_uint_eq(amd->iommu->ring.head, amd->iommu->ring.tail);
}
END_TEST

/* Lines 34977 ff. ("DTE 0028 ... 1 0"), and 33515 to 33525: the domain's translations go last. */
START_TEST(detach_blocks_the_device_then_flushes_the_domain)
{
	attach_like_the_capture();
	amd_world_map(amd, IOVA, 1);
	ck_assert(works(IOVA, true));
	ck_assert_int_eq(amd_world_detach(amd, amd->device_fd), 0);
	ck_assert(AMD_SENT(amd, devtab, wait, devtab, wait, whole_domain, wait));
	ck_assert_uint_eq(amd->log[0].dte.q[0], 1);
	ck_assert_uint_eq(amd->log[0].dte.q[1], 0);
	ck_assert_uint_eq(amd->log[0].dte.q[2], 1);
	ck_assert_uint_eq(holder(), LEDGER_NOTHING);
	ck_assert(!works(IOVA, true));
	ck_assert_uint_eq(amd->iommu->tlb.count, 0);
}
END_TEST

/* Lines 33515 to 33538: "a change of domain goes through the detached state". */
START_TEST(a_domain_is_replaced_by_way_of_the_detached_state)
{
	attach_like_the_capture();
	uint32_t second = amd_world_hwpt(amd, 0);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, second), 0);
	ck_assert(AMD_SENT(amd, devtab, wait, devtab, wait, whole_domain, wait, devtab, wait,
			   devtab, wait));
	for (unsigned i = 0; i < 6; i++)
		ck_assert_uint_eq(amd->log[i].dte.q[0], 1);
	ck_assert_uint_eq(amd->log[6].dte.q[1], DOMAIN + 1);
}
END_TEST

/* The capture's 00f8, 00fa and 00fb are all in domain 9. */
START_TEST(devices_of_a_domain_share_its_number_and_tables)
{
	uint32_t id, hwpt = attach_like_the_capture();
	int fd = amd_world_add(amd, amd->driver, "/dev/vfio/devices/vfio1", 0xfa, false, &id);
	ck_assert_int_eq(amd_world_attach(amd, fd, hwpt), 0);
	ck_assert(AMD_SENT(amd, {{0x20000000000000fa, 0}}, wait, {{0x20000000000000fa, 0}}, wait));
	struct amd_dte first = amd_world_dte(amd, AMD_DEVICE), second = amd_world_dte(amd, 0xfa);
	ck_assert_mem_eq(&first, &second, sizeof(first));
}
END_TEST

START_TEST(a_device_with_ats_may_ask_for_translations)
{
	uint32_t id, hwpt = hwpt_like_the_captures();
	int fd = amd_world_add(amd, amd->driver, "/dev/vfio/devices/vfio1", ATS_DEVICE, true, &id);
	amd_world_look(amd);
	ck_assert_int_eq(amd_world_attach(amd, fd, hwpt), 0);
	ck_assert_uint_eq(amd_world_dte(amd, ATS_DEVICE).q[1], 0x10000000c);
	/* Its own cache is emptied with the entry. */
	ck_assert(AMD_SENT(amd, {{0x2000000000000200, 0}}, wait, {{0x2000000000000200, 0}},
			   {{0x4000020020000200, 0x7ffffffffffff001}}, wait));
}
END_TEST

/* "Turning ATS off or changing the DTE: LX flushes the whole device IOTLB" (16). */
START_TEST(a_device_with_ats_is_detached_with_its_own_cache)
{
	const struct amd_request request = {.address = IOVA, .device = ATS_DEVICE};
	uint32_t id, hwpt = hwpt_like_the_captures();
	int fd = amd_world_add(amd, amd->driver, "/dev/vfio/devices/vfio1", ATS_DEVICE, true, &id);
	struct amd_endpoint *endpoint = amd_endpoint_new(amd->iommu, ATS_DEVICE);
	ck_assert_int_eq(amd_world_attach(amd, fd, hwpt), 0);
	amd_world_map(amd, IOVA, 1);
	ck_assert(amd_endpoint_ask(endpoint, &request));
	ck_assert_uint_ne(endpoint->atc.entries.count, 0);
	amd_world_look(amd);
	ck_assert_int_eq(amd_world_detach(amd, fd), 0);
	ck_assert(AMD_SENT(amd, {{0x2000000000000200, 0}}, wait, {{0x2000000000000200, 0}},
			   {{0x4000020020000200, 0x7ffffffffffff001}}, wait, whole_domain, wait));
	ck_assert_uint_eq(endpoint->atc.entries.count, 0);
}
END_TEST

START_TEST(a_domain_of_another_iommu_is_refused)
{
	struct amd *other = amd_world_second(amd, 0x200000000);
	uint32_t id, hwpt = amd_world_hwpt(amd, 0);
	int fd = amd_world_add(amd, other, "/dev/vfio/devices/vfio1", AMD_DEVICE, false, &id);
	ck_assert_int_eq(amd_world_attach(amd, fd, hwpt), -EINVAL);
	ck_assert_uint_eq(amd_world_dte(amd, AMD_DEVICE).q[0], 3);
}
END_TEST

/* Line 33530: "DTE 0020 ... 6000000000000003 1": Mode 0, all rights, a number of its own. */
START_TEST(the_hosts_device_is_passed_through_with_a_domain_id)
{
	amd_world_look(amd);
	amd_pass_through(amd->driver, AMD_DEVICE);
	ck_assert(AMD_SENT(amd, devtab, wait, devtab, wait));
	ck_assert_uint_eq(amd->log[0].dte.q[0], 0x6000000000000003);
	ck_assert_uint_eq(amd->log[0].dte.q[1], 2);
	ck_assert_uint_eq(new_domain()->id, 3);
	ck_assert(works(0x123456789000, true));
	ck_assert_uint_eq(got.pa.value, 0x123456789000);
}
END_TEST

START_TEST(devices_that_are_passed_through_share_a_domain_id)
{
	struct amd *other = amd_world_second(amd, 0x200000000);
	struct amd_dte dte;
	amd_pass_through(amd->driver, AMD_DEVICE);
	amd_pass_through(amd->driver, 0xfa);
	ck_assert_uint_eq(amd_world_dte(amd, AMD_DEVICE).q[1], 2);
	ck_assert_uint_eq(amd_world_dte(amd, 0xfa).q[1], 2);
	ck_assert_uint_eq(new_domain()->id, 3);
	/* Another IOMMU's numbers are its own. */
	amd_pass_through(other, AMD_DEVICE);
	amd_dte_read(other, AMD_DEVICE, &dte);
	ck_assert_uint_eq(dte.q[1], 1);
}
END_TEST

/* --- v1 tables (11) --- */

static int map(struct amd_domain *domain, uint64_t iova, uint64_t pa, uint64_t length,
	       uint32_t prot)
{
	return amd_domain_ops.map(&domain->domain, iova_of(iova), pa_of(pa), length, prot, 0);
}

static void unmap(struct amd_domain *domain, uint64_t iova, uint64_t length)
{
	amd_domain_ops.unmap(&domain->domain, iova_of(iova), length);
}

/* The entry that ends a walk for IOVA: its level, and where it lies. */
static uint64_t walk(struct amd_dte dte, uint64_t iova, unsigned *level, uint64_t *at)
{
	uint64_t table = dte.q[0] & DTE_ROOT, entry;
	for (*level = (unsigned)field_get(dte.q[0], DTE_MODE);; --*level) {
		*at = table + 8 * (iova >> (3 + 9 * *level) & (*level == 6 ? 127 : 511));
		entry = amd_world_word(amd, *at);
		unsigned next = (unsigned)field_get(entry, PTE_NEXT);
		if (!(entry & PTE_PR) || next == 0 || next == 7)
			return entry;
		/* PR, IR and IW, the level below, nothing else. */
		ck_assert_uint_eq(entry & ~PTE_ADDR, 0x6000000000000001 | (*level - 1ULL) << 9);
		table = entry & PTE_ADDR;
	}
}

static uint64_t leaf_of(const struct amd_domain *domain, uint64_t iova, unsigned *level,
			uint64_t *at)
{
	return walk(amd_dte_for(&domain->tables, domain->id), iova, level, at);
}

/*
 * What the capture's memory has for what its maps.txt maps: entry of the first and of the last page.
 * Coded sizes: ones below, a zero, and the same entry in every slot.
 */
START_TEST(leaves_are_those_of_the_captures_memory)
{
	static const struct {
		uint64_t iova, pa, length;
		uint32_t prot;
		unsigned level;
		uint64_t first, last;
	} golden[] = {
		{0x10000000, 0x3447000, 0x40000, 3, 1, 0x7000000003447001, 0x7000000003486001},
		{0x20000000, 0x200000, 0x200000, 3, 2, 0x7000000000200001, 0x7000000000200001},
		{0x30100000, 0xf100000, 0x100000, 3, 1, 0x700000000f17fe01, 0x700000000f17fe01},
		{0x31010000, 0xf010000, 0x10000, 3, 1, 0x700000000f017e01, 0x700000000f017e01},
		{0x32008000, 0xf008000, 0x8000, 3, 1, 0x700000000f00be01, 0x700000000f00be01},
		{0x33004000, 0xa00000, 0x4000, 3, 1, 0x7000000000a01e01, 0x7000000000a01e01},
		{0x34002000, 0xf002000, 0x2000, 3, 1, 0x700000000f002e01, 0x700000000f002e01},
		{0x35001000, 0x800000, 0x30000, 3, 1, 0x7000000000800001, 0x700000000082f001},
		{0x36000000, 0x900000, 0x4000, 1, 1, 0x3000000000901e01, 0x3000000000901e01},
		{0x37000000, 0x910000, 0x4000, 2, 1, 0x5000000000911e01, 0x5000000000911e01},
		{0x38040000, 0xf040000, 0x40000, 3, 1, 0x700000000f05fe01, 0x700000000f05fe01},
		{0x40000000, 0xc00000, 0x400000, 3, 2, 0x7000000000dffe01, 0x7000000000dffe01},
		{0x6000a000, 0xc06000, 0x6000, 3, 1, 0x7000000000c06e01, 0x7000000000c09e01},
		{0x60014000, 0xc0c000, 0xc000, 3, 1, 0x7000000000c0de01, 0x7000000000c13e01},
		{0x4000000000, 0x2800000, 0x200000, 3, 2, 0x7000000002800001, 0x7000000002800001},
		{0x8000200000, 0x2a00000, 0x200000, 3, 2, 0x7000000002a00001, 0x7000000002a00001},
		{0xfffffffff000, 0x3447000, 0x1000, 3, 1, 0x7000000003447001, 0x7000000003447001},
		{0xfffffffffffff000, 0x3448000, 0x1000, 3, 1, 0x7000000003448001,
		 0x7000000003448001},
	};
	struct amd_domain *domain = new_domain();
	uint64_t at;
	unsigned level;
	for (unsigned i = 0; i < sizeof(golden) / sizeof(golden[0]); i++)
		ck_assert_int_eq(
			map(domain, golden[i].iova, golden[i].pa, golden[i].length, golden[i].prot),
			0);
	ck_assert_uint_eq(domain->tables.mode, 6);
	for (unsigned i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		uint64_t last = golden[i].iova + golden[i].length - PAGE_SIZE;
		ck_assert_uint_eq(leaf_of(domain, golden[i].iova, &level, &at), golden[i].first);
		ck_assert_uint_eq(level, golden[i].level);
		ck_assert_uint_eq(leaf_of(domain, last, &level, &at), golden[i].last);
	}
}
END_TEST

START_TEST(the_largest_leaf_is_256_gib)
{
	struct amd_domain *domain = new_domain();
	uint64_t at;
	unsigned level;
	ck_assert_int_eq(map(domain, 0, 0, 1ULL << 39, 3), 0);
	uint64_t leaf = leaf_of(domain, (1ULL << 38) + 0x5000, &level, &at);
	ck_assert_uint_eq(level, 3);
	ck_assert_uint_eq(leaf, 0x7000005ffffffe01); /* 2^38 at 2^38: a zero at bit 37 */
}
END_TEST

START_TEST(mapping_sends_nothing)
{
	attach_like_the_capture();
	amd_world_map(amd, 0x20001000, 700);
	amd_world_map(amd, IOVA, 1024);
	ck_assert_uint_eq(amd->count, 0);
	ck_assert(works(0x20001000, true));
	ck_assert(works(IOVA + 1023 * PAGE_SIZE, true));
}
END_TEST

/* Four tables are wanted, two for a page on either side of 1 GiB; the last one fails. */
START_TEST(a_map_that_runs_out_of_memory_leaves_nothing)
{
	struct amd_domain *domain = new_domain();
	struct pa pa;
	uint64_t iova = (1ULL << 30) - PAGE_SIZE;
	amd->machine->failures.countdown = 4;
	ck_assert_int_eq(map(domain, iova, 1ULL << 33, 2 * PAGE_SIZE, 3), -ENOMEM);
	ck_assert(!amd_domain_ops.translate(&domain->domain, iova_of(iova), &pa));
	ck_assert_int_eq(map(domain, iova, 1ULL << 33, 2 * PAGE_SIZE, 3), 0);
	ck_assert(amd_domain_ops.translate(&domain->domain, iova_of(iova + PAGE_SIZE + 5), &pa));
	ck_assert_uint_eq(pa.value, (1ULL << 33) + PAGE_SIZE + 5);
}
END_TEST

START_TEST(a_freed_domain_gives_its_tables_back)
{
	struct amd_domain *domain = new_domain();
	uint64_t frames[3], at;
	unsigned level;
	ck_assert_int_eq(map(domain, 0x1000, 1ULL << 33, PAGE_SIZE, 3), 0);
	leaf_of(domain, 0x1000, &level, &at);
	frames[0] = domain->tables.root_pfn;
	frames[1] = (amd_world_word(amd, frames[0] * PAGE_SIZE) & PTE_ADDR) / PAGE_SIZE;
	frames[2] = at / PAGE_SIZE;
	for (unsigned i = 0; i < 3; i++)
		ck_assert(!memory_is_free(&amd->machine->memory, frames[i]));
	amd_domain_ops.free(&domain->domain);
	for (unsigned i = 0; i < 3; i++)
		ck_assert(memory_is_free(&amd->machine->memory, frames[i]));
}
END_TEST

/* --- unmap (7, 9) --- */

static void unmap_pages(uint64_t iova, uint64_t length)
{
	ck_assert_int_eq(world_unmap(world, amd->ioas, iova, length), (int64_t)length);
}

/* The capture's domain with its device; memory is mapped to it as it lies. */
static struct amd_domain *attached_domain(void)
{
	struct amd_domain *domain;
	do
		domain = new_domain();
	while (domain->id < DOMAIN);
	amd_attach(&domain->domain, &amd_device_new(amd->driver, AMD_DEVICE, false)->device);
	return domain;
}

/* What the capture's driver sent for these ranges of domain 12, NpCache = 0; no tables are freed. */
START_TEST(an_unmap_is_one_coded_range_and_a_wait)
{
	static const uint64_t golden[][3] = {
		{0x33004000, 0x4000, 0x33005001},   {0x60003000, 0x1000, 0x60003000},
		{0x60006000, 0x2000, 0x60006001},   {0x6000c000, 0x4000, 0x6000d001},
		{0x60018000, 0x8000, 0x6001b001},   {0x60030000, 0x10000, 0x60037001},
		{0x60060000, 0x20000, 0x6006f001},  {0x600c0000, 0x40000, 0x600df001},
		{0x60180000, 0x80000, 0x601bf001},  {0x60300000, 0x100000, 0x6037f001},
		{0x60600000, 0x200000, 0x606ff001}, {0x60c00000, 0x400000, 0x60dff001},
		{0x61800000, 0x800000, 0x61bff001}, {0x60005000, 0x3000, 0x60005001},
		{0x60023000, 0x15000, 0x6002f001},  {0x80000000, 0x800000, 0x803ff001},
	};
	struct amd_domain *domain = attached_domain();
	for (unsigned i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		uint64_t pa = (1ULL << 33) + golden[i][0];
		ck_assert_int_eq(map(domain, golden[i][0], pa, golden[i][1], 3), 0);
		ck_assert(works(golden[i][0], true));
		amd_world_look(amd);
		unmap(domain, golden[i][0], golden[i][1]);
		ck_assert(AMD_SENT(amd, {{0x3000000c00000000, golden[i][2]}}, wait));
		ck_assert(!works(golden[i][0], true));
		ck_assert_uint_eq(amd->iommu->tlb.count, 0);
	}
}
END_TEST

START_TEST(entries_are_cleared_before_they_are_invalidated)
{
	unsigned level;
	attach_like_the_capture();
	amd_world_map(amd, IOVA, 1);
	struct amd_dte dte = amd_world_dte(amd, AMD_DEVICE);
	ck_assert_uint_ne(walk(dte, IOVA, &level, &amd->watched_pa), 0);
	amd_world_look(amd);
	unmap_pages(IOVA, PAGE_SIZE);
	unsigned pages = amd_world_command(amd, CMD_INVALIDATE_IOMMU_PAGES, 0);
	ck_assert_uint_lt(pages, amd->count);
	ck_assert_uint_eq(amd->log[pages].word, 0);
}
END_TEST

static uint64_t table_of(uint64_t iova)
{
	uint64_t at;
	unsigned level;
	ck_assert_uint_ne(walk(amd_world_dte(amd, AMD_DEVICE), iova, &level, &at), 0);
	ck_assert_uint_eq(level, 1);
	return at / PAGE_SIZE;
}

static bool is_free(uint64_t pfn)
{
	return memory_is_free(&amd->machine->memory, pfn);
}

/* What a table was for may be another's memory, as soon as no cache leads to it. */
START_TEST(an_unmap_of_all_that_a_table_is_for_frees_it_with_pde)
{
	uint64_t first = 0x5ffff000, frames[4];
	struct amd_domain *domain = attached_domain();
	/* All of 4 KiB: the frames lie a page further. */
	ck_assert_int_eq(map(domain, first, 1ULL << 33, 1026 * PAGE_SIZE, 3), 0);
	for (unsigned i = 0; i < 4; i++)
		frames[i] = table_of(i == 0 ? first : 0x60000000 + (i - 1) * 0x200000ULL);
	amd_world_look(amd);
	unmap(domain, first, 1026 * PAGE_SIZE);
	ck_assert(AMD_SENT(amd, amd_command_invalidate_pages(12, first, 0x60400fff, true), wait));
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(is_free(frames[i]), i == 1 || i == 2);
}
END_TEST

START_TEST(a_table_with_addresses_outside_an_unmap_stays)
{
	struct amd_domain *domain = attached_domain();
	ck_assert_int_eq(map(domain, 0x60001000, 1ULL << 33, 512 * PAGE_SIZE, 3), 0);
	uint64_t frames[2] = {table_of(0x60001000), table_of(0x60200000)};
	amd_world_look(amd);
	unmap(domain, 0x60001000, 512 * PAGE_SIZE);
	ck_assert(AMD_SENT(amd, amd_command_invalidate_pages(12, 0x60001000, 0x60200fff, false),
			   wait));
	ck_assert(!is_free(frames[0]) && !is_free(frames[1]));
}
END_TEST

START_TEST(tables_of_all_levels_go_with_what_they_were_for)
{
	struct amd_domain *domain = new_domain();
	uint64_t frames[3], at;
	unsigned level;
	/* A page of the first GiB, and all of the second. */
	ck_assert_int_eq(map(domain, 0x3ffff000, 1ULL << 33, PAGE_SIZE, 3), 0);
	ck_assert_int_eq(map(domain, 0x40000000, 1ULL << 33, PAGE_SIZE, 3), 0);
	leaf_of(domain, 0x40000000, &level, &at);
	frames[0] = at / PAGE_SIZE;
	frames[1] = (amd_world_word(amd, domain->tables.root_pfn * PAGE_SIZE + 8) & PTE_ADDR) /
		    PAGE_SIZE;
	leaf_of(domain, 0x3ffff000, &level, &at);
	frames[2] = at / PAGE_SIZE;
	unmap(domain, 0x3ffff000, (1ULL << 30) + PAGE_SIZE);
	ck_assert(is_free(frames[0]) && is_free(frames[1]) && !is_free(frames[2]));
	ck_assert_uint_eq(amd_world_word(amd, domain->tables.root_pfn * PAGE_SIZE + 8), 0);
	/* What is mapped there again has tables of its own. */
	ck_assert_int_eq(map(domain, 0x40000000, 1ULL << 33, PAGE_SIZE, 3), 0);
	ck_assert_uint_ne(leaf_of(domain, 0x40000000, &level, &at), 0);
}
END_TEST

START_TEST(a_large_leaf_takes_the_place_of_an_empty_table_with_pde)
{
	uint64_t pa = 1ULL << 33;
	struct amd_domain *domain = attached_domain();
	ck_assert_int_eq(map(domain, 0x60200000, pa, PAGE_SIZE, 3), 0);
	ck_assert(works(0x60200000, true)); /* the table is cached */
	uint64_t frame = table_of(0x60200000);
	unmap(domain, 0x60200000, PAGE_SIZE);
	ck_assert(!is_free(frame));
	amd_world_look(amd);
	ck_assert_int_eq(map(domain, 0x60000000, pa, 4ULL << 20, 3), 0); /* one leaf */
	ck_assert(AMD_SENT(amd, amd_command_invalidate_pages(12, 0x60200000, 0x603fffff, true),
			   wait));
	ck_assert(is_free(frame));
	ck_assert(works(0x60200000, true));
	ck_assert_uint_eq(got.pa.value, pa + 0x200000);
}
END_TEST

/* All copies of a coded size go, and nothing beside them. */
START_TEST(an_unmap_clears_every_copy_of_a_leaf_and_no_more)
{
	struct amd_domain *domain = new_domain();
	uint64_t at;
	unsigned level;
	ck_assert_int_eq(map(domain, 0x30000, 0x10000, 0x30000, 3), 0); /* 64 KiB, then 128 */
	unmap(domain, 0x40000, 0x20000);
	for (uint64_t iova = 0x30000; iova < 0x60000; iova += PAGE_SIZE)
		ck_assert_int_eq(leaf_of(domain, iova, &level, &at) != 0, iova < 0x40000);
	unmap(domain, 0x30000, 0x30000);
	for (uint64_t iova = 0x30000; iova < 0x60000; iova += PAGE_SIZE)
		ck_assert_uint_eq(leaf_of(domain, iova, &level, &at), 0);
}
END_TEST

/* Lines 6275 to 6279 of the run with ATS, of domain 11: IOMMU first, then the device, then wait. */
START_TEST(devices_with_ats_are_invalidated_after_the_iommu)
{
	uint32_t id, hwpt = hwpt_like_the_captures();
	int fd = amd_world_add(amd, amd->driver, "/dev/vfio/devices/vfio1", ATS_DEVICE, true, &id);
	amd_endpoint_new(amd->iommu, ATS_DEVICE);
	ck_assert_int_eq(amd_world_attach(amd, fd, hwpt), 0);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, hwpt), 0);
	amd_world_map(amd, 0xfff77000, 1);
	amd_world_look(amd);
	unmap_pages(0xfff77000, PAGE_SIZE);
	ck_assert(AMD_SENT(amd, {{0x3000000c00000000, 0xfff77000}},
			   {{0x4000020020000200, 0xfff77000}}, wait));
}
END_TEST

/* amd-viommu 12.3, 1: iommu_array is empty. */
START_TEST(an_unmap_of_a_domain_without_devices_sends_nothing)
{
	attach_like_the_capture();
	amd_world_map(amd, IOVA, 4);
	ck_assert_int_eq(amd_world_detach(amd, amd->device_fd), 0);
	amd_world_look(amd);
	unmap_pages(IOVA, 4 * PAGE_SIZE);
	ck_assert_uint_eq(amd->count, 0);
}
END_TEST

START_TEST(without_a_flush_the_tlb_keeps_what_was_unmapped)
{
	attach_like_the_capture();
	amd_world_option(amd, KERNEL_UNMAP_FLUSH, UNMAP_FLUSH_NONE);
	amd_world_map(amd, IOVA, 1);
	ck_assert(works(IOVA, true));
	unmap_pages(IOVA, PAGE_SIZE);
	ck_assert_uint_eq(amd->count, 0);
	ck_assert(works(IOVA, true));
	ck_assert_int_eq(got.path, PATH_CACHED);
}
END_TEST

START_TEST(without_a_wait_unmap_returns_before_the_flush)
{
	attach_like_the_capture();
	amd_world_option(amd, KERNEL_UNMAP_FLUSH, UNMAP_FLUSH_NO_WAIT);
	amd_world_map(amd, IOVA, 1);
	ck_assert(works(IOVA, true));
	unmap_pages(IOVA, PAGE_SIZE);
	ck_assert(AMD_SENT(amd, {{0x3000000c00000000, IOVA}}, wait));
	ck_assert_uint_ne(amd->iommu->ring.head, amd->iommu->ring.tail);
	ck_assert(works(IOVA, true));
	amd_world_run(amd);
	ck_assert(!works(IOVA, true));
}
END_TEST

/* --- lazy flushes (9): what Linux does for its own DMA, and never for iommufd --- */

static struct amd_domain *lazy_domain(unsigned pages)
{
	struct amd_domain *domain = attached_domain();
	amd_world_option(amd, KERNEL_IOMMU_STRICT, IOMMU_LAZY);
	for (unsigned i = 0; i < pages; i++) {
		uint64_t at = i * PAGE_SIZE;
		ck_assert_int_eq(map(domain, IOVA + at, (1ULL << 33) + at, PAGE_SIZE, 3), 0);
		ck_assert(works(IOVA + at, true));
	}
	amd_world_look(amd);
	return domain;
}

START_TEST(a_lazy_unmap_is_flushed_with_the_whole_domain_after_10_ms)
{
	struct amd_domain *domain = lazy_domain(2);
	unmap(domain, IOVA, PAGE_SIZE);
	machine_delay(amd->machine, 6 * PS_PER_MS, "test");
	unmap(domain, IOVA + PAGE_SIZE, PAGE_SIZE); /* does not put it off */
	machine_delay(amd->machine, 4 * PS_PER_MS - 1, "test");
	ck_assert_uint_eq(amd->count, 0);
	ck_assert(works(IOVA, true));
	ck_assert_int_eq(got.path, PATH_CACHED);
	machine_delay(amd->machine, PS_PER_MS, "test");
	ck_assert(AMD_SENT(amd, whole_domain, wait));
	ck_assert(!works(IOVA, true));
	ck_assert(!works(IOVA + PAGE_SIZE, true));
	amd_world_look(amd);
	amd_world_run(amd);
	ck_assert_uint_eq(amd->count, 0);
}
END_TEST

/* 256 slots, one of them free: the 256th unmap finds it full. */
START_TEST(a_full_flush_queue_is_drained_by_the_next_unmap)
{
	struct amd_domain *domain = lazy_domain(257);
	for (unsigned i = 0; i < 255; i++)
		unmap(domain, IOVA + i * PAGE_SIZE, PAGE_SIZE);
	ck_assert_uint_eq(amd->count, 0);
	unmap(domain, IOVA + 255 * PAGE_SIZE, PAGE_SIZE);
	ck_assert(AMD_SENT(amd, whole_domain, wait));
	ck_assert(!works(IOVA, true));
	ck_assert(works(IOVA + 256 * PAGE_SIZE, true));
	unmap(domain, IOVA + 256 * PAGE_SIZE, PAGE_SIZE);
	ck_assert(AMD_SENT(amd, whole_domain, wait));
	ck_assert(works(IOVA + 256 * PAGE_SIZE, true));
	amd_world_run(amd);
	ck_assert(AMD_SENT(amd, whole_domain, wait, whole_domain, wait));
	ck_assert(!works(IOVA + 256 * PAGE_SIZE, true));
}
END_TEST

START_TEST(tables_of_a_lazy_unmap_are_given_back_after_the_flush)
{
	struct amd_domain *domain = lazy_domain(512);
	uint64_t frame = table_of(IOVA);
	unmap(domain, IOVA, HPAGE_SIZE);
	ck_assert(!is_free(frame));
	amd_world_run(amd);
	ck_assert(is_free(frame));
}
END_TEST

/* The kernel is told otherwise in between: a strict unmap does not release what it has not flushed. */
START_TEST(a_strict_unmap_flushes_the_tables_that_a_lazy_one_left)
{
	struct amd_domain *domain = lazy_domain(512);
	uint64_t frame = table_of(IOVA), first, last;
	ck_assert_int_eq(map(domain, 2 * IOVA, 1ULL << 33, PAGE_SIZE, 3), 0);
	unmap(domain, IOVA, HPAGE_SIZE);
	amd_world_option(amd, KERNEL_IOMMU_STRICT, IOMMU_STRICT);
	unmap(domain, 2 * IOVA, PAGE_SIZE);
	unsigned at = amd_world_command(amd, CMD_INVALIDATE_IOMMU_PAGES, 0);
	ck_assert_uint_lt(at, amd->count);
	amd_command_range(&amd->log[at].command, &first, &last);
	ck_assert(amd->log[at].command.q[1] & CMD_PDE);
	ck_assert_uint_le(first, IOVA);
	ck_assert_uint_ge(last, 2 * IOVA + PAGE_SIZE - 1);
	ck_assert(is_free(frame));
}
END_TEST

START_TEST(a_domain_that_goes_takes_its_flush_queue_along)
{
	struct amd_domain *domain = new_domain();
	amd_world_option(amd, KERNEL_IOMMU_STRICT, IOMMU_LAZY);
	ck_assert_int_eq(map(domain, IOVA, 1ULL << 33, PAGE_SIZE, 3), 0);
	unmap(domain, IOVA, PAGE_SIZE);
	amd_domain_ops.free(&domain->domain);
	ck_assert_uint_eq(clock_next(&amd->machine->clock), UINT64_MAX);
}
END_TEST

/* A drain that is under way is waited for. */
START_TEST(a_domain_does_not_go_under_a_drain)
{
	struct amd_domain *domain = lazy_domain(1);
	unmap(domain, IOVA, PAGE_SIZE);
	while (amd_world_commands(amd) == 0)
		clock_step(&amd->machine->clock);
	ck_assert(domain->unmapped.draining);
	flush_queue_fini(&domain->unmapped);
	ck_assert(!domain->unmapped.draining);
	ck_assert_uint_eq(amd->iommu->ring.head, amd->iommu->ring.tail);
}
END_TEST

/* --- a new root (11): lines 20397 to 20411 of the run with ATS --- */

/* "DTE 0028 ... 6000000002fbc803 c", then "600000000321cc03": Mode 4, then 6, one step each. */
START_TEST(a_higher_address_gives_all_devices_a_new_root)
{
	static const struct {
		uint64_t iova, entry;
	} rows[] = {{0x8000200000, 0x6000000000000803}, {0xfffffffffffff000, 0x6000000000000c03}};
	const struct amd_command second = {{0x20000000000000fa, 0}};
	uint32_t id, hwpt = hwpt_like_the_captures();
	int fd = amd_world_add(amd, amd->driver, "/dev/vfio/devices/vfio1", 0xfa, false, &id);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, hwpt), 0);
	ck_assert_int_eq(amd_world_attach(amd, fd, hwpt), 0);
	amd_world_map(amd, IOVA, 1);
	for (unsigned i = 0; i < 2; i++) {
		amd_world_look(amd);
		amd_world_map(amd, rows[i].iova, 1);
		ck_assert_uint_eq(amd->log[0].command.q[0] >> 60, CMD_INVALIDATE_DEVTAB_ENTRY);
		ck_assert(AMD_SENT(amd, second, wait, second, wait, whole_domain, wait, devtab,
				   wait, devtab, wait, whole_domain, wait, second, devtab, wait));
		ck_assert_uint_eq(amd->log[6].dte.q[0] & ~DTE_ROOT, rows[i].entry);
		ck_assert_uint_eq(amd->log[6].dte.q[1], DOMAIN);
		ck_assert_uint_eq(amd_world_dte(amd, 0xfa).q[0], amd->log[6].dte.q[0]);
		ck_assert(works(rows[i].iova, true));
		ck_assert(works(IOVA, true));
	}
}
END_TEST

struct attach {
	struct task task;
	struct amd_domain *domain;
	struct amd_device *device;
};

static void run_attach(void *arg)
{
	const struct attach *attach = arg;
	amd_attach(&attach->domain->domain, &attach->device->device);
}

/* The device waits in the detached state when another task's map gives the domain a new root. */
START_TEST(a_root_that_grows_while_a_device_is_on_its_way_is_the_devices)
{
	struct attach *attach = arena_new(amd->machine->arena, struct attach);
	attach->domain = new_domain();
	attach->device = amd_device_new(amd->driver, AMD_DEVICE, false);
	amd_attach(&new_domain()->domain, &attach->device->device);
	ck_assert(task_start(&amd->machine->scheduler, &attach->task, run_attach, attach));
	while (amd_world_dte(amd, AMD_DEVICE).q[0] != DTE_V)
		ck_assert(clock_step(&amd->machine->clock));
	ck_assert_int_eq(map(attach->domain, 1ULL << 47, 1ULL << 33, PAGE_SIZE, 3), 0);
	amd_world_run(amd);
	ck_assert(attach->task.done);
	ck_assert_uint_eq(field_get(amd_world_dte(amd, AMD_DEVICE).q[0], DTE_MODE), 4);
	ck_assert(works(1ULL << 47, true));
}
END_TEST

START_TEST(a_new_root_of_a_domain_without_devices_sends_nothing)
{
	uint32_t hwpt = hwpt_like_the_captures();
	amd_world_look(amd);
	amd_world_map(amd, 1ULL << 47, 1);
	ck_assert_uint_eq(amd->count, 0);
	ck_assert_int_eq(amd_world_attach(amd, amd->device_fd, hwpt), 0);
	ck_assert_uint_eq(amd->log[0].dte.q[0] & ~DTE_ROOT, 0x6000000000000803);
}
END_TEST

/* --- the ring (6, 8.7) --- */

static uint64_t now_ps(void)
{
	return amd->machine->clock.now_ps;
}

/* The hardware no longer looks at the host's ring. */
static void silence(void)
{
	bus_write(&amd->machine->bus, pa_of(AMD_AT + AMD_CONTROL), 8,
		  amd->driver->control & ~CONTROL_CMD_BUF_EN);
	amd_world_look(amd);
}

/* 8.7: 100000 polls of 1 us; then the unmap is done, and the page is free (amd-viommu 19). */
START_TEST(a_wait_that_is_not_answered_ends_after_100_ms)
{
	attach_like_the_capture();
	uint64_t va = amd_world_map(amd, IOVA, 1);
	ck_assert(works(IOVA, true));
	uint64_t pfn = got.pa.value / PAGE_SIZE, start = now_ps();
	silence();
	unmap_pages(IOVA, PAGE_SIZE);
	ck_assert_uint_ge(now_ps() - start, 100 * PS_PER_MS);
	ck_assert_uint_lt(now_ps() - start, 101 * PS_PER_MS);
	ck_assert_uint_eq(memory_frame(&amd->machine->memory, pfn, NULL).pins, 0);
	ck_assert_int_eq(world_sys(world, SYS_MUNMAP, va, HPAGE_SIZE), 0);
	ck_assert(memory_is_free(&amd->machine->memory, pfn));
	ck_assert(works(IOVA, true));
	ck_assert_uint_eq(got.pa.value, pfn * PAGE_SIZE);
}
END_TEST

/* "LX waits on the last number instead of queueing another." */
START_TEST(nothing_new_is_waited_for_with_the_last_number)
{
	amd_world_look(amd);
	amd_completion_wait(amd->driver);
	ck_assert_uint_eq(amd->count, 0);
	amd_queue(amd->driver, devtab);
	amd_completion_no_wait(amd->driver);
	amd_completion_wait(amd->driver);
	ck_assert(AMD_SENT(amd, devtab, wait));
	ck_assert_uint_eq(amd_world_word(amd, amd->driver->semaphore_pa), amd->log[1].command.q[1]);
}
END_TEST

START_TEST(each_wait_has_the_next_number)
{
	uint64_t last = 0;
	attach_like_the_capture();
	ck_assert_int_eq(amd_world_detach(amd, amd->device_fd), 0);
	for (unsigned nth = 0; nth < 3; nth++) {
		unsigned at = amd_world_command(amd, CMD_COMPLETION_WAIT, nth);
		uint64_t number = amd->log[at].command.q[1];
		ck_assert(last == 0 || number == last + 1);
		last = number;
	}
}
END_TEST

/* 512 entries; closer than 0x20 bytes it waits (6). */
START_TEST(a_full_ring_is_waited_for_with_a_margin)
{
	silence();
	uint64_t start = now_ps();
	for (unsigned i = 0; i < 509; i++)
		amd_queue(amd->driver, devtab);
	ck_assert_uint_eq(now_ps(), start);
	amd_world_look(amd);
	amd_queue(amd->driver, devtab);
	ck_assert_uint_ge(now_ps() - start, 100 * PS_PER_MS);
}
END_TEST

/* "ring-full wait the same": 100000 polls, then an error (8.7). */
START_TEST(a_ring_that_stays_full_is_given_up_and_kept_as_it_is)
{
	silence();
	amd_queue(amd->driver, devtab);
	amd_completion_no_wait(amd->driver); /* which is not done */
	for (unsigned i = 2; i < 509; i++)
		ck_assert_int_eq(amd_queue(amd->driver, devtab), 0);
	amd_world_look(amd);
	uint32_t tail = amd->driver->tail;
	uint64_t number = amd->driver->semaphore, start = now_ps();
	uint64_t slot = amd->driver->ring_pfn * PAGE_SIZE + tail, word = amd_world_word(amd, slot);
	ck_assert_int_eq(amd_queue(amd->driver, whole_domain), -EIO);
	ck_assert_uint_eq(amd_world_word(amd, slot), word);
	/* A COMPLETION_WAIT has no place either, and is not waited for. */
	amd_completion_wait(amd->driver);
	ck_assert_uint_lt(now_ps() - start, 201 * PS_PER_MS);
	ck_assert_uint_eq(amd_world_word(amd, slot), word);
	ck_assert_uint_eq(amd->driver->tail, tail);
	ck_assert_uint_eq(amd->count, 0);
	/* The hardware runs again: so does the driver, with the next number. */
	bus_write(&amd->machine->bus, pa_of(AMD_AT + AMD_CONTROL), 8, amd->driver->control);
	amd_world_run(amd);
	amd_world_look(amd);
	amd_completion_wait(amd->driver);
	ck_assert(AMD_SENT(amd, wait));
	ck_assert_uint_eq(amd_world_word(amd, amd->driver->semaphore_pa), number + 1);
}
END_TEST

START_TEST(the_ring_wraps)
{
	unsigned wraps = 0;
	attach_like_the_capture();
	for (unsigned i = 0; i < 600; i++) {
		uint32_t tail = amd->driver->tail;
		amd_world_look(amd);
		amd_queue(amd->driver, devtab);
		amd_completion_wait(amd->driver);
		ck_assert(AMD_SENT(amd, devtab, wait));
		ck_assert_uint_eq(amd->log[1].value, (tail + 32) % 8192);
		wraps += amd->log[1].value < tail;
	}
	ck_assert_uint_eq(wraps, 2);
	ck_assert_uint_eq(amd->iommu->ring.head, amd->driver->tail);
}
END_TEST

/* --- the event log (13) --- */

static void cause_faults(unsigned count)
{
	uint8_t byte = 0;
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(amd_dma(amd->iommu, AMD_DEVICE, 0x1000, true, &byte, 1, &got),
				 AMD_FAULT);
}

START_TEST(events_are_taken_from_the_log)
{
	cause_faults(3);
	ck_assert_uint_eq(amd->iommu->events.of[0].tail, 3 * EVENT_SIZE);
	amd_world_run(amd);
	ck_assert_uint_eq(amd->iommu->events.of[0].head, 3 * EVENT_SIZE);
	ck_assert_uint_eq(amd->iommu->status & (STATUS_EVENT_INT | STATUS_EVENT_OVERFLOW), 0);
}
END_TEST

/* "EventLogEn = 0; EventIntEn = 0; write 1 to EventOverflow; EventIntEn = 1; EventLogEn = 1". */
START_TEST(a_log_that_overflowed_is_started_again)
{
	cause_faults(600);
	ck_assert(amd->iommu->events.of[0].overflow);
	amd_world_look(amd);
	amd_world_run(amd);
	ck_assert(!amd->iommu->events.of[0].overflow);
	ck_assert_uint_eq(amd->iommu->status & STATUS_EVENT_OVERFLOW, 0);
	unsigned off = amd_world_place(amd, AMD_REGION_HOST, AMD_CONTROL, 0);
	ck_assert_uint_eq(off + 5, amd->count);
	ck_assert_uint_eq(amd->log[off].value & 0xf,
			  0x9); /* EventLogEn and EventIntEn are bits 2, 3 */
	ck_assert_uint_eq(amd->log[off + 1].value & 0xf, 0x1);
	ck_assert_uint_eq(amd->log[off + 2].offset, AMD_STATUS);
	ck_assert_uint_eq(amd->log[off + 2].value, STATUS_EVENT_OVERFLOW);
	ck_assert_uint_eq(amd->log[off + 3].value & 0xf, 0x9);
	ck_assert_uint_eq(amd->log[off + 4].value & 0xf, 0xd);
	cause_faults(1);
	amd_world_run(amd);
	ck_assert_uint_eq(amd->iommu->events.of[0].head, amd->iommu->events.of[0].tail);
}
END_TEST

/* "If EventLogRun still 1 do nothing": it was started before the handler came to it. */
START_TEST(a_log_that_runs_is_not_started_again)
{
	cause_faults(600);
	amd->iommu->events.of[0].overflow = false;
	amd_world_look(amd);
	amd_world_run(amd);
	ck_assert_uint_eq(amd_world_place(amd, AMD_REGION_HOST, AMD_CONTROL, 0), amd->count);
	ck_assert_uint_eq(amd->iommu->status & STATUS_EVENT_OVERFLOW, 0);
}
END_TEST

/* Its first word reaches memory later than tail does. */
struct late_entry {
	struct event event;
	uint64_t at, word;
};

static void entry_comes(struct event *event)
{
	const struct late_entry *late = event->owner;
	write_shared_word(amd->machine, late->at, late->word);
}

/* Erratum 732: "zeroes entries after use", "polls the code field until non-zero". */
START_TEST(an_event_is_waited_for_and_zeroed)
{
	struct late_entry late = {.at = amd->driver->event_log_pfn * PAGE_SIZE};
	uint64_t start = now_ps();
	cause_faults(1);
	late.word = amd_world_word(amd, late.at);
	late.event = (struct event){.fn = entry_comes, .owner = &late};
	clock_post(&amd->machine->clock, &late.event, start + PS_PER_MS, EVENT_HARDWARE);
	write_shared_word(amd->machine, late.at, 0);
	amd_world_run(amd);
	ck_assert_uint_eq(amd->iommu->events.of[0].head, EVENT_SIZE);
	ck_assert_uint_lt(now_ps() - start, 2 * PS_PER_MS);
	ck_assert_uint_eq(amd_world_word(amd, late.at), 0);
	ck_assert_uint_eq(amd_world_word(amd, late.at + 8), 0);
	/* One that never comes is given up after 100 ms. */
	cause_faults(1);
	write_shared_word(amd->machine, late.at + EVENT_SIZE, 0);
	amd_world_run(amd);
	ck_assert_uint_eq(amd->iommu->events.of[0].head, 2 * EVENT_SIZE);
	ck_assert_uint_ge(now_ps() - start, 101 * PS_PER_MS);
	ck_assert_uint_lt(now_ps() - start, 102 * PS_PER_MS);
}
END_TEST

/* Hardware whose status bits are set anew while they are cleared, once. */
static struct mmio_region honest;
static bool sets_anew;

static uint64_t racing_read(void *owner, uint64_t offset, unsigned width)
{
	return honest.ops->read(owner, offset, width);
}

static void racing_write(void *owner, uint64_t offset, unsigned width, uint64_t value)
{
	if (offset == AMD_STATUS && sets_anew)
		cause_faults(1);
	else
		honest.ops->write(owner, offset, width, value);
	sets_anew = sets_anew && offset != AMD_STATUS;
}

static const struct mmio_ops racing_ops = {racing_read, racing_write};

/* ERBT1312: "the bit then stays 1 and no further interrupt is produced". */
START_TEST(a_status_bit_that_stays_is_seen_by_reading_again)
{
	honest = amd->real[AMD_REGION_HOST];
	amd->real[AMD_REGION_HOST].ops = &racing_ops;
	sets_anew = true;
	cause_faults(1);
	amd_world_run(amd);
	ck_assert(!sets_anew);
	ck_assert_uint_eq(amd->iommu->events.of[0].head, 2 * EVENT_SIZE);
	ck_assert_uint_eq(amd->iommu->status & STATUS_EVENT_INT, 0);
	cause_faults(1);
	amd_world_run(amd);
	ck_assert_uint_eq(amd->iommu->events.of[0].head, 3 * EVENT_SIZE);
}
END_TEST

static TCase *set_up(void)
{
	TCase *tests = tcase_create("set_up");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, set_up_turns_control_bits_on_one_by_one);
	tcase_add_test(tests, set_up_writes_bases_and_pointers_in_the_order_of_the_capture);
	tcase_add_test(tests, the_first_command_invalidates_all);
	tcase_add_test(tests, all_is_invalidated_once_more_when_the_event_log_runs);
	tcase_add_test(tests, set_up_turns_off_what_was_left_on);
	tcase_add_test(tests, set_up_turns_off_what_is_off);
	tcase_add_test(tests, without_iasup_caches_are_emptied_one_by_one);
	tcase_add_test(tests, the_limit_of_an_ats_invalidation_takes_the_place_of_firmwares);
	tcase_add_test(tests, every_device_is_blocked_at_first);
	tcase_add_test(tests, the_iommu_translates_for_itself_before_it_may_serve_guests);
	return tests;
}

static TCase *domains(void)
{
	TCase *tests = tcase_create("domains");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, hw_info_shows_the_features);
	tcase_add_test(tests, domains_take_no_data_and_only_known_flags);
	tcase_add_test(tests, domain_ids_are_the_lowest_free);
	tcase_add_test(tests, attach_writes_the_entry_and_invalidates_it_twice);
	tcase_add_test(tests, detach_blocks_the_device_then_flushes_the_domain);
	tcase_add_test(tests, a_domain_is_replaced_by_way_of_the_detached_state);
	tcase_add_test(tests, devices_of_a_domain_share_its_number_and_tables);
	tcase_add_test(tests, a_device_with_ats_may_ask_for_translations);
	tcase_add_test(tests, a_device_with_ats_is_detached_with_its_own_cache);
	tcase_add_test(tests, a_domain_of_another_iommu_is_refused);
	tcase_add_test(tests, the_hosts_device_is_passed_through_with_a_domain_id);
	tcase_add_test(tests, devices_that_are_passed_through_share_a_domain_id);
	return tests;
}

static TCase *unmaps(void)
{
	TCase *tests = tcase_create("unmaps");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, leaves_are_those_of_the_captures_memory);
	tcase_add_test(tests, the_largest_leaf_is_256_gib);
	tcase_add_test(tests, mapping_sends_nothing);
	tcase_add_test(tests, a_map_that_runs_out_of_memory_leaves_nothing);
	tcase_add_test(tests, a_freed_domain_gives_its_tables_back);
	tcase_add_test(tests, an_unmap_is_one_coded_range_and_a_wait);
	tcase_add_test(tests, entries_are_cleared_before_they_are_invalidated);
	tcase_add_test(tests, an_unmap_of_all_that_a_table_is_for_frees_it_with_pde);
	tcase_add_test(tests, a_table_with_addresses_outside_an_unmap_stays);
	tcase_add_test(tests, tables_of_all_levels_go_with_what_they_were_for);
	tcase_add_test(tests, a_large_leaf_takes_the_place_of_an_empty_table_with_pde);
	tcase_add_test(tests, an_unmap_clears_every_copy_of_a_leaf_and_no_more);
	tcase_add_test(tests, devices_with_ats_are_invalidated_after_the_iommu);
	tcase_add_test(tests, an_unmap_of_a_domain_without_devices_sends_nothing);
	tcase_add_test(tests, without_a_flush_the_tlb_keeps_what_was_unmapped);
	tcase_add_test(tests, without_a_wait_unmap_returns_before_the_flush);
	tcase_add_test(tests, a_lazy_unmap_is_flushed_with_the_whole_domain_after_10_ms);
	tcase_add_test(tests, a_full_flush_queue_is_drained_by_the_next_unmap);
	tcase_add_test(tests, tables_of_a_lazy_unmap_are_given_back_after_the_flush);
	tcase_add_test(tests, a_strict_unmap_flushes_the_tables_that_a_lazy_one_left);
	tcase_add_test(tests, a_domain_that_goes_takes_its_flush_queue_along);
	tcase_add_test(tests, a_domain_does_not_go_under_a_drain);
	tcase_add_test(tests, a_higher_address_gives_all_devices_a_new_root);
	tcase_add_test(tests, a_root_that_grows_while_a_device_is_on_its_way_is_the_devices);
	tcase_add_test(tests, a_new_root_of_a_domain_without_devices_sends_nothing);
	return tests;
}

static TCase *ring(void)
{
	TCase *tests = tcase_create("ring");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_wait_that_is_not_answered_ends_after_100_ms);
	tcase_add_test(tests, nothing_new_is_waited_for_with_the_last_number);
	tcase_add_test(tests, each_wait_has_the_next_number);
	tcase_add_test(tests, a_full_ring_is_waited_for_with_a_margin);
	tcase_add_test(tests, a_ring_that_stays_full_is_given_up_and_kept_as_it_is);
	tcase_add_test(tests, the_ring_wraps);
	tcase_add_test(tests, events_are_taken_from_the_log);
	tcase_add_test(tests, a_log_that_overflowed_is_started_again);
	tcase_add_test(tests, a_log_that_runs_is_not_started_again);
	tcase_add_test(tests, an_event_is_waited_for_and_zeroed);
	tcase_add_test(tests, a_status_bit_that_stays_is_seen_by_reading_again);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("amd_driver");
	suite_add_tcase(suite, set_up());
	suite_add_tcase(suite, domains());
	suite_add_tcase(suite, unmaps());
	suite_add_tcase(suite, ring());
	return run_suite(suite);
}
