/* SPDX-License-Identifier: Apache-2.0 */
/* Event logs of the host and of guests: sheets amd-iommu (2, 4, 13) and amd-viommu (V: 5, 11). */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define DEVICE      0x20U
#define GUEST       5U
#define OTHER_GUEST 0x123U
#define TRANS       0x3f0U
#define DOMAIN      0x31U
#define ROOM        (KIT_ENTRIES - 1) /* one slot is never used */
#define RUN         STATUS_EVENT_LOG_RUN

static struct amd_kit *kit;
static struct amd_kit_guest guest;

static void setup(void)
{
	struct profile profile = amd_kit_profile();
	kit = amd_kit_new(&profile);
	guest = amd_kit_guest(kit, GUEST, TRANS, DOMAIN);
	amd_kit_set_dte(kit, DEVICE, (struct amd_dte){{DTE_V, DOMAIN, 0, 0}});
	amd_kit_clear(kit);
}

static void teardown(void)
{
	amd_kit_free(kit);
}

static uint64_t get(uint64_t offset)
{
	return amd_kit_read(kit, offset, 8);
}

static void set(uint64_t offset, uint64_t value)
{
	amd_kit_write(kit, offset, 8, value);
}

static uint64_t status(void)
{
	return get(AMD_STATUS) & (STATUS_EVENT_OVERFLOW | STATUS_EVENT_INT | RUN);
}

static uint64_t guest_status(void)
{
	return amd_kit_vf(&guest, AMD_STATUS) & (STATUS_EVENT_OVERFLOW | STATUS_EVENT_INT | RUN);
}

/* Events of the host: writes of a device that may not. */
static void cause(uint32_t count, uint64_t address)
{
	struct amd_translation translation;
	for (uint32_t i = 0; i < count; i++)
		ck_assert_int_eq(amd_dma(kit->amd, DEVICE, address + 0x1000ULL * i, true, &i, 4,
					 &translation),
				 AMD_FAULT);
}

static void check_event(uint64_t log, uint32_t entry, uint64_t q0, uint64_t q1)
{
	struct amd_event event = amd_kit_event(kit, log, entry);
	ck_assert_msg(event.q[0] == q0 && event.q[1] == q1,
		      "event %u is %016lx %016lx, expected %016lx %016lx", entry, event.q[0],
		      event.q[1], q0, q1);
}

static void check_caused(uint32_t entry, uint64_t address)
{
	check_event(kit->log, entry, 2ULL << 60 | EVT_RW | (uint64_t)DOMAIN << 32 | DEVICE,
		    address);
}

/* Events of the guest: an illegal command, met anew at every restart. */
static void cause_in_guest(uint32_t count)
{
	if (amd_kit_vf(&guest, AMD_CMD_TAIL) == 0) {
		amd_kit_guest_issue(&guest, (struct amd_command){{0, 0}});
		count--;
	}
	for (; count > 0; count--)
		amd_kit_guest_restart(&guest);
}

static uint64_t guest_tail(void)
{
	return amd_kit_vf(&guest, AMD_EVENT_TAIL) / EVENT_SIZE;
}

static const struct access *last_access(void)
{
	ck_assert(kit->access_count > 0 && kit->access_count <= KIT_LOG_MAX);
	return &kit->accesses[kit->access_count - 1];
}

/* --- the host's log --- */

/* --- the registers that have a copy [2, 13] --- */

/* A table entry that can't be read: DEV_TAB_HARDWARE_ERROR. */
static void cause_hardware_error(uint16_t device)
{
	struct amd_translation translation;
	uint32_t bytes = 0;
	set(AMD_CONTROL, 0);
	set(AMD_DEV_TABLE, 0x1000 | 1);
	set(AMD_CONTROL, CONTROL_IOMMU_EN | CONTROL_EVENT_LOG_EN);
	ck_assert_int_eq(amd_dma(kit->amd, device, 0x2000, false, &bytes, 4, &translation),
			 AMD_FAULT);
}

static void with_hardware_event_registers(void)
{
	struct profile profile = amd_kit_profile_named("qemu-q35");
	amd_kit_free(kit);
	kit = amd_kit_new(&profile);
}

START_TEST(an_error_of_the_hardware_is_copied_to_registers)
{
	with_hardware_event_registers();
	cause_hardware_error(0x30);
	ck_assert_uint_eq(get(AMD_HW_EVENT_STATUS), HW_EVENT_VALID);
	struct amd_event event = amd_kit_event(kit, kit->log, 0);
	ck_assert_uint_eq(field_get(event.q[0], EVT_CODE), EVENT_DEV_TAB_HARDWARE_ERROR);
	ck_assert_uint_eq(get(AMD_HW_EVENT_UPPER), event.q[0]);
	ck_assert_uint_eq(get(AMD_HW_EVENT_LOWER), event.q[1]);
	amd_kit_write(kit, AMD_HW_EVENT_STATUS, 4, HW_EVENT_VALID);
	ck_assert_uint_eq(get(AMD_HW_EVENT_STATUS), 0);
	/* Of these codes and no other (13). */
	for (uint64_t code = 1; code < 16; code++) {
		const struct amd_event one = {{field_put(EVT_CODE, code), code}};
		bool hardware = code == 3 || code == 4 || code == 6;
		amd_log_event(kit->amd, &one);
		ck_assert_uint_eq(get(AMD_HW_EVENT_STATUS), hardware ? HW_EVENT_VALID : 0);
		amd_kit_write(kit, AMD_HW_EVENT_STATUS, 4, HW_EVENT_VALID);
	}
}
END_TEST

START_TEST(a_second_error_of_the_hardware_says_overflow)
{
	with_hardware_event_registers();
	cause_hardware_error(0x30);
	cause_hardware_error(0x31);
	ck_assert_uint_eq(get(AMD_HW_EVENT_STATUS), HW_EVENT_VALID | HW_EVENT_OVERFLOW);
	amd_kit_write(kit, AMD_HW_EVENT_STATUS, 8, HW_EVENT_OVERFLOW);
	ck_assert_uint_eq(get(AMD_HW_EVENT_STATUS), HW_EVENT_VALID);
}
END_TEST

START_TEST(without_the_feature_nothing_is_copied)
{
	cause_hardware_error(0x30);
	ck_assert_uint_eq(get(AMD_HW_EVENT_STATUS), 0);
}
END_TEST

START_TEST(an_event_is_written_at_tail_which_moves)
{
	cause(2, 0x5000);
	ck_assert_uint_eq(get(AMD_EVENT_TAIL), 32);
	ck_assert_uint_eq(get(AMD_EVENT_HEAD), 0);
	check_caused(0, 0x5000);
	check_caused(1, 0x6000);
	ck_assert_int_eq(last_access()->purpose, ACCESS_EVENT_WRITE);
	ck_assert_int_eq(last_access()->path, PATH_PHYSICAL);
	ck_assert_uint_eq(last_access()->pa.value, kit->log + 16);
	ck_assert_uint_eq(last_access()->size, 16);
}
END_TEST

START_TEST(an_event_interrupts_while_its_bit_is_clear)
{
	cause(1, 0x5000);
	ck_assert_uint_eq(status(), STATUS_EVENT_INT | RUN);
	ck_assert_uint_eq(kit->interrupts, 1);
	cause(3, 0x5000);
	ck_assert_uint_eq(kit->interrupts, 1);
	set(AMD_STATUS, STATUS_EVENT_INT);
	ck_assert_uint_eq(status(), RUN);
	cause(1, 0x5000);
	ck_assert_uint_eq(kit->interrupts, 2);
}
END_TEST

START_TEST(an_event_does_not_interrupt_without_eventinten)
{
	amd_kit_control(kit, CONTROL_EVENT_INT_EN, 0);
	cause(1, 0x5000);
	ck_assert_uint_eq(status(), STATUS_EVENT_INT | RUN);
	ck_assert_uint_eq(kit->interrupts, 0);
}
END_TEST

START_TEST(a_log_that_is_read_wraps)
{
	for (uint32_t i = 0; i < 2 * KIT_ENTRIES + 5; i++) {
		cause(1, 0x1000ULL * i);
		check_caused(i % KIT_ENTRIES, 0x1000ULL * i);
		set(AMD_EVENT_HEAD, get(AMD_EVENT_TAIL));
	}
	ck_assert_uint_eq(amd_kit_events(kit), 5);
	ck_assert(!(status() & STATUS_EVENT_OVERFLOW));
}
END_TEST

START_TEST(a_full_log_drops_the_event_overflows_and_stops)
{
	cause(ROOM, 0);
	ck_assert_uint_eq(status(), STATUS_EVENT_INT | RUN);
	ck_assert_uint_eq(amd_kit_events(kit), ROOM);
	ck_assert_uint_eq(kit->interrupts, 1);
	cause(1, 0xdead000);
	ck_assert_uint_eq(status(), STATUS_EVENT_INT | STATUS_EVENT_OVERFLOW);
	ck_assert_uint_eq(amd_kit_events(kit), ROOM);
	ck_assert_uint_eq(kit->interrupts, 2);
	check_event(kit->log, ROOM, 0, 0);
	/* Reading it makes room, and does not restart it. */
	set(AMD_EVENT_HEAD, get(AMD_EVENT_TAIL));
	cause(1, 0xdead000);
	ck_assert_uint_eq(amd_kit_events(kit), ROOM);
	check_event(kit->log, ROOM, 0, 0);
	ck_assert_uint_eq(kit->interrupts, 2);
}
END_TEST

/* [13, restart] */
START_TEST(an_overflown_log_restarts_as_linux_does_it)
{
	cause(KIT_ENTRIES, 0);
	set(AMD_EVENT_HEAD, get(AMD_EVENT_TAIL));
	amd_kit_control(kit, CONTROL_EVENT_LOG_EN, 0);
	amd_kit_control(kit, CONTROL_EVENT_INT_EN, 0);
	set(AMD_STATUS, STATUS_EVENT_OVERFLOW | STATUS_EVENT_INT);
	amd_kit_control(kit, 0, CONTROL_EVENT_INT_EN);
	amd_kit_control(kit, 0, CONTROL_EVENT_LOG_EN);
	ck_assert_uint_eq(status(), RUN);
	amd_kit_clear(kit);
	cause(2, 0x7000);
	ck_assert_uint_eq(get(AMD_EVENT_TAIL), 16);
	check_caused(ROOM, 0x7000);
	check_caused(0, 0x8000);
	ck_assert_uint_eq(kit->interrupts, 1);
}
END_TEST

START_TEST(an_overflown_log_starts_with_eventlogen_and_not_with_its_bit)
{
	cause(KIT_ENTRIES, 0);
	set(AMD_EVENT_HEAD, get(AMD_EVENT_TAIL));
	set(AMD_STATUS, STATUS_EVENT_OVERFLOW);
	ck_assert_uint_eq(status(), STATUS_EVENT_INT);
	cause(1, 0);
	ck_assert_uint_eq(amd_kit_events(kit), ROOM);
	amd_kit_control(kit, CONTROL_EVENT_LOG_EN, 0);
	amd_kit_control(kit, 0, CONTROL_EVENT_LOG_EN);
	ck_assert_uint_eq(status(), STATUS_EVENT_INT | RUN);
	cause(KIT_ENTRIES, 0x7000); /* from the last entry on */
	check_caused(ROOM, 0x7000);
	ck_assert_uint_eq(status(), STATUS_EVENT_INT | STATUS_EVENT_OVERFLOW);
	amd_kit_control(kit, CONTROL_EVENT_LOG_EN, 0);
	ck_assert_uint_eq(status(), STATUS_EVENT_INT | STATUS_EVENT_OVERFLOW);
	amd_kit_control(kit, 0, CONTROL_EVENT_LOG_EN); /* clears the bit too */
	ck_assert_uint_eq(status(), STATUS_EVENT_INT | RUN);
}
END_TEST

START_TEST(a_log_that_is_off_loses_events)
{
	amd_kit_control(kit, CONTROL_EVENT_LOG_EN, 0);
	ck_assert_uint_eq(status(), 0);
	cause(1, 0x5000);
	ck_assert_uint_eq(amd_kit_events(kit), 0);
	ck_assert_uint_eq(kit->interrupts, 0);
	amd_kit_control(kit, 0, CONTROL_EVENT_LOG_EN);
	ck_assert_uint_eq(status(), RUN);
	cause(1, 0x6000);
	check_caused(0, 0x6000);
}
END_TEST

START_TEST(a_log_runs_while_the_iommu_does)
{
	amd_kit_control(kit, CONTROL_IOMMU_EN, 0);
	ck_assert_uint_eq(status(), 0);
	amd_kit_control(kit, 0, CONTROL_IOMMU_EN);
	ck_assert_uint_eq(status(), RUN);
}
END_TEST

START_TEST(base_and_tail_move_only_while_the_log_stands)
{
	uint64_t before = get(AMD_EVENT_BASE);
	cause(3, 0);
	set(AMD_EVENT_BASE, before + 0x1000);
	set(AMD_EVENT_TAIL, 0);
	set(AMD_EVENT_HEAD, 16); /* at any time */
	ck_assert_uint_eq(get(AMD_EVENT_BASE), before);
	ck_assert_uint_eq(get(AMD_EVENT_TAIL), 48);
	ck_assert_uint_eq(get(AMD_EVENT_HEAD), 16);
	amd_kit_control(kit, CONTROL_EVENT_LOG_EN, 0);
	set(AMD_EVENT_TAIL, 32);
	ck_assert_uint_eq(get(AMD_EVENT_TAIL), 32);
	set(AMD_EVENT_BASE, before + 0x1000);
	ck_assert_uint_eq(get(AMD_EVENT_BASE), before + 0x1000);
	ck_assert_uint_eq(get(AMD_EVENT_TAIL), 0);
	ck_assert_uint_eq(get(AMD_EVENT_HEAD), 0);
}
END_TEST

/* The last slot of a log of each length, and the first one after it. */
START_TEST(length_codes_8_to_15_make_logs_of_256_to_32768_entries)
{
	uint64_t base = amd_kit_frames(kit, 128);
	for (uint64_t code = 0; code < 16; code++) {
		uint64_t last = (16ULL << code) - 16;
		amd_kit_control(kit, CONTROL_EVENT_LOG_EN, 0);
		set(AMD_EVENT_BASE, base | field_put(RING_LENGTH, code));
		set(AMD_EVENT_HEAD, last);
		set(AMD_EVENT_TAIL, last);
		amd_kit_control(kit, 0, CONTROL_EVENT_LOG_EN);
		cause(2, 0x1000 * code);
		ck_assert_int_eq((status() & RUN) != 0, code >= 8);
		ck_assert_uint_eq(get(AMD_EVENT_TAIL), code >= 8 ? 16 : 0);
		ck_assert_uint_eq(amd_kit_word(kit, base + 8), code >= 8 ? 0x1000 * (code + 1) : 0);
		if (code >= 8)
			ck_assert_uint_eq(amd_kit_word(kit, base + last + 8), 0x1000 * code);
	}
}
END_TEST

/* --- a guest's log [V 5, 11] --- */

START_TEST(a_guests_event_is_written_to_its_memory)
{
	cause_in_guest(2);
	ck_assert_uint_eq(guest_tail(), 2);
	check_event(guest.log, 0, 5ULL << 60, GUEST_RING_AT);
	check_event(guest.log, 1, 5ULL << 60, GUEST_RING_AT);
	const struct access *access = last_access();
	ck_assert_int_eq(access->purpose, ACCESS_EVENT_WRITE);
	ck_assert_uint_eq(access->input, GUEST_LOG_AT + 16);
	ck_assert_uint_eq(access->pa.value, guest.log + 16);
	ck_assert_uint_eq(access->context, GUEST);
	ck_assert_int_eq(access->path, PATH_CACHED);
	ck_assert_uint_eq(guest_status(), STATUS_EVENT_INT | RUN);
}
END_TEST

/* Guests' interrupts take a way of their own, and the host's log has nothing to say. */
START_TEST(a_guests_event_is_not_the_hosts)
{
	struct amd_kit_guest other = amd_kit_guest(kit, OTHER_GUEST, TRANS + 1, DOMAIN + 1);
	cause_in_guest(1);
	ck_assert_uint_eq(status(), RUN);
	ck_assert_uint_eq(kit->interrupts, 0);
	ck_assert_uint_eq(amd_kit_events(kit), 0);
	ck_assert_uint_eq(amd_kit_vf(&other, AMD_EVENT_TAIL), 0);
	ck_assert_uint_eq(amd_kit_vf(&other, AMD_STATUS), RUN | STATUS_CMD_BUF_RUN);
	amd_kit_set_vf(&other, AMD_STATUS, STATUS_EVENT_INT);
	ck_assert_uint_eq(guest_status(), STATUS_EVENT_INT | RUN);
	amd_kit_set_vf(&guest, AMD_STATUS, STATUS_EVENT_INT);
	ck_assert_uint_eq(guest_status(), RUN);
}
END_TEST

START_TEST(a_guests_log_wraps)
{
	for (uint32_t i = 0; i < KIT_ENTRIES + 3; i++) {
		cause_in_guest(1);
		ck_assert_uint_eq(guest_tail(), (i + 1) % KIT_ENTRIES);
		amd_kit_set_vf(&guest, AMD_EVENT_HEAD, amd_kit_vf(&guest, AMD_EVENT_TAIL));
	}
	ck_assert(!(guest_status() & STATUS_EVENT_OVERFLOW));
}
END_TEST

START_TEST(a_guests_full_log_overflows_alone_and_restarts)
{
	cause_in_guest(ROOM);
	ck_assert_uint_eq(guest_status(), STATUS_EVENT_INT | RUN);
	cause_in_guest(1);
	ck_assert_uint_eq(guest_status(), STATUS_EVENT_INT | STATUS_EVENT_OVERFLOW);
	ck_assert_uint_eq(guest_tail(), ROOM);
	check_event(guest.log, ROOM, 0, 0);
	ck_assert_uint_eq(status(), RUN);
	amd_kit_set_vf(&guest, AMD_EVENT_HEAD, amd_kit_vf(&guest, AMD_EVENT_TAIL));
	cause_in_guest(1);
	ck_assert_uint_eq(guest_tail(), ROOM);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, GUEST_LOG_AT | GUEST_LENGTH);
	amd_kit_set_vf(&guest, AMD_STATUS, STATUS_EVENT_OVERFLOW | STATUS_EVENT_INT);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, GUEST_LOG_AT | GUEST_LENGTH | GUEST_EVENT_EN);
	ck_assert_uint_eq(guest_status(), RUN);
	cause_in_guest(1);
	ck_assert_uint_eq(guest_tail(), 0);
	check_event(guest.log, ROOM, 5ULL << 60, GUEST_RING_AT);
}
END_TEST

START_TEST(a_guests_overflown_log_starts_with_eventlogen_and_not_with_its_bit)
{
	cause_in_guest(KIT_ENTRIES);
	for (unsigned clears = 0; clears < 2; clears++) {
		ck_assert_uint_eq(guest_status(), STATUS_EVENT_INT | STATUS_EVENT_OVERFLOW);
		amd_kit_set_vf(&guest, AMD_EVENT_HEAD, amd_kit_vf(&guest, AMD_EVENT_TAIL));
		amd_kit_set_vf(&guest, AMD_STATUS, clears ? STATUS_EVENT_OVERFLOW : 0);
		uint64_t tail = guest_tail();
		cause_in_guest(1);
		ck_assert_uint_eq(guest_tail(), tail);
		ck_assert(!(guest_status() & RUN));
		ck_assert_int_eq((guest_status() & STATUS_EVENT_OVERFLOW) != 0, !clears);
		amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, GUEST_LOG_AT | GUEST_LENGTH);
		amd_kit_set_vfcntl(&guest, VFCNTL_EVENT,
				   GUEST_LOG_AT | GUEST_LENGTH | GUEST_EVENT_EN);
		ck_assert_uint_eq(guest_status(), STATUS_EVENT_INT | RUN);
		cause_in_guest(KIT_ENTRIES);
		check_event(guest.log, (uint32_t)tail, 5ULL << 60, GUEST_RING_AT);
	}
}
END_TEST

START_TEST(a_guests_log_that_is_off_loses_events)
{
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, GUEST_LOG_AT | GUEST_LENGTH);
	ck_assert_uint_eq(guest_status(), 0);
	cause_in_guest(1);
	ck_assert_uint_eq(guest_tail(), 0);
	ck_assert_uint_eq(guest_status(), 0);
	check_event(guest.log, 0, 0, 0);
	ck_assert_uint_eq(amd_kit_events(kit), 0);
}
END_TEST

START_TEST(base_and_tail_of_a_guests_log_move_only_while_it_stands)
{
	cause_in_guest(3);
	amd_kit_set_vf(&guest, AMD_EVENT_TAIL, 0);
	amd_kit_set_vf(&guest, AMD_EVENT_HEAD, 16);
	ck_assert_uint_eq(guest_tail(), 3);
	ck_assert_uint_eq(amd_kit_vf(&guest, AMD_EVENT_HEAD), 16);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, GUEST_LOG_AT | GUEST_LENGTH);
	ck_assert_uint_eq(guest_tail(), 3); /* turning it off moves nothing */
	amd_kit_set_vf(&guest, AMD_EVENT_TAIL, 32);
	ck_assert_uint_eq(guest_tail(), 2);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, GUEST_MEMORY_AT | GUEST_LENGTH);
	ck_assert_uint_eq(guest_tail(), 0);
	ck_assert_uint_eq(amd_kit_vf(&guest, AMD_EVENT_HEAD), 0);
}
END_TEST

/* Another base, or another length; a log that runs stays, and one that is toggled keeps tail. */
START_TEST(one_write_stops_a_guests_log_and_moves_it)
{
	static const uint64_t places[] = {GUEST_MEMORY_AT | GUEST_LENGTH,
					  GUEST_MEMORY_AT | (GUEST_LENGTH + 1)};
	cause_in_guest(1);
	for (unsigned i = 0; i < 2; i++) {
		amd_kit_set_word(kit, guest.memory, 0);
		amd_kit_set_vf(&guest, AMD_EVENT_HEAD, 16);
		amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, places[i]);
		ck_assert_uint_eq(guest_status() & RUN, 0);
		ck_assert_uint_eq(guest_tail(), 0);
		ck_assert_uint_eq(amd_kit_vf(&guest, AMD_EVENT_HEAD), 0);
		amd_kit_set_vf(&guest, AMD_EVENT_TAIL, ~0ULL);
		ck_assert_uint_eq(amd_kit_vf(&guest, AMD_EVENT_TAIL), (KIT_BYTES << i) - 16);
		amd_kit_set_vf(&guest, AMD_EVENT_TAIL, 0);
		amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, places[i] | GUEST_EVENT_EN);
		amd_kit_set_vfcntl(&guest, VFCNTL_EVENT,
				   GUEST_LOG_AT | GUEST_LENGTH | GUEST_EVENT_EN);
		cause_in_guest(1);
		ck_assert_uint_eq(guest_tail(), 1);
		ck_assert_uint_eq(last_access()->input, GUEST_MEMORY_AT);
		amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, places[i]);
		ck_assert_uint_eq(guest_tail(), 1);
		amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, places[i] | GUEST_EVENT_EN);
		ck_assert_uint_eq(guest_tail(), 1);
		check_event(guest.memory, 0, 5ULL << 60, GUEST_RING_AT);
	}
}
END_TEST

START_TEST(a_guests_log_has_the_same_length_codes)
{
	for (uint64_t code = 0; code < 16; code++) {
		amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, 0);
		amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, GUEST_LOG_AT | code);
		amd_kit_set_vf(&guest, AMD_EVENT_TAIL, ~0ULL);
		ck_assert_uint_eq(amd_kit_vf(&guest, AMD_EVENT_TAIL),
				  code >= 8 ? (16ULL << code) - 16 : 0);
		amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, GUEST_LOG_AT | code | GUEST_EVENT_EN);
		ck_assert_uint_eq(guest_status(), code >= 8 ? RUN : 0);
	}
}
END_TEST

/* The log's own fault is the host's to know, with vEvent [13; V 12]. */
START_TEST(a_guests_log_without_a_page_faults_and_stops)
{
	static const struct {
		bool mapped;
		uint64_t flags;
	} rows[] = {{false, 0}, {true, EVT_PR | EVT_PE}};
	for (unsigned i = 0; i < 2; i++) {
		teardown();
		setup();
		amd_kit_guest_map(&guest, GUEST_LOG_AT, rows[i].mapped ? guest.log : 0,
				  rows[i].mapped ? PTE_IR : 0);
		cause_in_guest(1);
		ck_assert_uint_eq(guest_tail(), 0);
		check_event(guest.log, 0, 0, 0);
		ck_assert_uint_eq(amd_kit_events(kit), 1);
		check_event(kit->log, 0,
			    2ULL << 60 | EVT_RW | rows[i].flags | (uint64_t)DOMAIN << 32 |
				    1ULL << 29 | TRANS,
			    GUEST_LOG_AT);
		ck_assert_uint_eq(kit->interrupts, 1);
		ck_assert(!(guest_status() & (RUN | STATUS_EVENT_INT)));
		cause_in_guest(1);
		ck_assert_uint_eq(amd_kit_events(kit), 1);
	}
}
END_TEST

START_TEST(a_guests_log_mapped_again_needs_no_invalidation)
{
	amd_kit_guest_map(&guest, GUEST_LOG_AT, 0, 0);
	cause_in_guest(1);
	amd_kit_guest_map(&guest, GUEST_LOG_AT, guest.log, PTE_RW);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, GUEST_LOG_AT | GUEST_LENGTH);
	amd_kit_set_vfcntl(&guest, VFCNTL_EVENT, GUEST_LOG_AT | GUEST_LENGTH | GUEST_EVENT_EN);
	cause_in_guest(1);
	ck_assert_uint_eq(guest_tail(), 1);
	check_event(guest.log, 0, 5ULL << 60, GUEST_RING_AT);
}
END_TEST

START_TEST(a_guests_log_goes_where_its_stale_translation_says)
{
	uint64_t other = amd_kit_frames(kit, 1);
	cause_in_guest(1);
	amd_kit_guest_map(&guest, GUEST_LOG_AT, other, PTE_RW);
	cause_in_guest(1);
	check_event(guest.log, 1, 5ULL << 60, GUEST_RING_AT);
	amd_kit_issue(kit, amd_command_invalidate_domain(DOMAIN));
	cause_in_guest(1);
	check_event(guest.log, 2, 0, 0);
	check_event(other, 2, 5ULL << 60, GUEST_RING_AT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_event_log");
	TCase *tests = tcase_create("amd_event_log");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_event_is_written_at_tail_which_moves);
	tcase_add_test(tests, an_error_of_the_hardware_is_copied_to_registers);
	tcase_add_test(tests, a_second_error_of_the_hardware_says_overflow);
	tcase_add_test(tests, without_the_feature_nothing_is_copied);
	tcase_add_test(tests, an_event_interrupts_while_its_bit_is_clear);
	tcase_add_test(tests, an_event_does_not_interrupt_without_eventinten);
	tcase_add_test(tests, a_log_that_is_read_wraps);
	tcase_add_test(tests, a_full_log_drops_the_event_overflows_and_stops);
	tcase_add_test(tests, an_overflown_log_restarts_as_linux_does_it);
	tcase_add_test(tests, an_overflown_log_starts_with_eventlogen_and_not_with_its_bit);
	tcase_add_test(tests, a_log_that_is_off_loses_events);
	tcase_add_test(tests, a_log_runs_while_the_iommu_does);
	tcase_add_test(tests, base_and_tail_move_only_while_the_log_stands);
	tcase_add_test(tests, length_codes_8_to_15_make_logs_of_256_to_32768_entries);
	tcase_add_test(tests, a_guests_event_is_written_to_its_memory);
	tcase_add_test(tests, a_guests_event_is_not_the_hosts);
	tcase_add_test(tests, a_guests_log_wraps);
	tcase_add_test(tests, a_guests_full_log_overflows_alone_and_restarts);
	tcase_add_test(tests, a_guests_overflown_log_starts_with_eventlogen_and_not_with_its_bit);
	tcase_add_test(tests, a_guests_log_that_is_off_loses_events);
	tcase_add_test(tests, base_and_tail_of_a_guests_log_move_only_while_it_stands);
	tcase_add_test(tests, one_write_stops_a_guests_log_and_moves_it);
	tcase_add_test(tests, a_guests_log_has_the_same_length_codes);
	tcase_add_test(tests, a_guests_log_without_a_page_faults_and_stops);
	tcase_add_test(tests, a_guests_log_mapped_again_needs_no_invalidation);
	tcase_add_test(tests, a_guests_log_goes_where_its_stale_translation_says);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
