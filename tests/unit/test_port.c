/* SPDX-License-Identifier: Apache-2.0 */
/* An engine's accesses to memory: bytes, faults that an experiment injects, the watcher. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "emu/machine.h"
#include "tests/kit/run.h"

static struct machine *machine;
static struct port port;
static uint64_t pa;
static struct access watched;
static unsigned watch_count;

static void on_access(struct machine *from, const struct access *access)
{
	(void)from;
	watched = *access;
	watch_count++;
}

static void setup(void)
{
	struct machine_config config = machine_config_default();
	uint64_t pfn;
	config.arena_bytes = 256ULL << 20; /* quicker to make */
	machine = machine_new(&config);
	machine->watch = on_access;
	watch_count = 0;
	port = (struct port){machine, "engine"};
	ck_assert_uint_eq(memory_alloc(&machine->memory, 3, 1, 1, 1, 0, &pfn), 1);
	pa = pfn * PAGE_SIZE;
}

static void teardown(void)
{
	machine_free(machine);
}

static enum port_status transfer(enum access_purpose purpose, uint64_t at, void *data,
				 uint32_t size)
{
	struct access access = {
		.context = 9, .purpose = purpose, .pa = pa_of(at), .size = size, .index = 4};
	return access_writes(&access) ? port_write(&port, &access, data)
				      : port_read(&port, &access, data);
}

START_TEST(what_is_written_is_read)
{
	char back[8] = "";
	ck_assert_int_eq(transfer(ACCESS_DMA_WRITE, pa + 100, (char[]){"engine"}, 7), PORT_OK);
	ck_assert_int_eq(transfer(ACCESS_DMA_READ, pa + 100, back, 7), PORT_OK);
	ck_assert_str_eq(back, "engine");
}
END_TEST

START_TEST(a_watcher_sees_each_access_with_its_time)
{
	char byte = 1;
	machine->clock.now_ps = 1234;
	transfer(ACCESS_COMMAND_FETCH, pa + 8, &byte, 1);
	ck_assert_uint_eq(watch_count, 1);
	ck_assert_str_eq(watched.engine, "engine");
	ck_assert_uint_eq(watched.context, 9);
	ck_assert_uint_eq(watched.index, 4);
	ck_assert_uint_eq(watched.pa.value, pa + 8);
	ck_assert_uint_eq(watched.time_ps, 1234);
	ck_assert_int_eq(watched.status, PORT_OK);
}
END_TEST

START_TEST(an_address_outside_ram_aborts_and_reads_zero)
{
	uint64_t word = ~0ULL, end = machine->config.ram_base + machine->config.memory_bytes;
	ck_assert_int_eq(transfer(ACCESS_DMA_READ, 0x1000, &word, 8), PORT_ABORT);
	ck_assert_uint_eq(word, 0);
	ck_assert_int_eq(watched.status, PORT_ABORT);
	ck_assert_int_eq(transfer(ACCESS_DMA_WRITE, end, &word, 8), PORT_ABORT);
	ck_assert_int_eq(transfer(ACCESS_DMA_READ, UINT64_MAX, &word, 8), PORT_ABORT);
	/* The last bytes of RAM, and one that only starts there. */
	ck_assert_int_eq(transfer(ACCESS_DMA_READ, end - 8, &word, 8), PORT_OK);
	ck_assert_int_eq(transfer(ACCESS_DMA_READ, end - 4, &word, 8), PORT_ABORT);
	ck_assert_int_eq(transfer(ACCESS_DMA_WRITE, end - 4, &word, 8), PORT_ABORT);
}
END_TEST

START_TEST(the_nth_access_of_a_purpose_aborts)
{
	uint8_t byte = 7;
	struct port_fault fault = {.port = "engine", .purpose = ACCESS_TABLE_WALK, .nth = 3};
	memory_write(&machine->memory, pa_of(pa), &byte, 1, 3);
	ck_assert(port_inject(machine, &fault));
	for (unsigned i = 1; i <= 5; i++) {
		transfer(ACCESS_CONFIG_FETCH, pa, &byte, 1); /* another purpose does not count */
		ck_assert_int_eq(transfer(ACCESS_TABLE_WALK, pa, &byte, 1),
				 i == 3 ? PORT_ABORT : PORT_OK);
		ck_assert_uint_eq(byte, i == 3 ? 0 : 7);
	}
}
END_TEST

START_TEST(a_fault_of_no_number_hits_every_access_of_its_port)
{
	uint8_t byte = 7;
	struct port_fault fault = {.port = "other", .purpose = ACCESS_TABLE_WALK};
	ck_assert(port_inject(machine, &fault));
	ck_assert_int_eq(transfer(ACCESS_TABLE_WALK, pa, &byte, 1), PORT_OK);
	fault.port = "engine";
	ck_assert(port_inject(machine, &fault));
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(transfer(ACCESS_TABLE_WALK, pa, &byte, 1), PORT_ABORT);
}
END_TEST

START_TEST(an_aborted_write_changes_nothing)
{
	uint64_t word = 0x55, back = 1;
	struct port_fault fault = {.port = "engine", .purpose = ACCESS_EVENT_WRITE, .nth = 1};
	ck_assert(port_inject(machine, &fault));
	ck_assert_int_eq(transfer(ACCESS_EVENT_WRITE, pa, &word, 8), PORT_ABORT);
	transfer(ACCESS_DMA_READ, pa, &back, 8);
	ck_assert_uint_eq(back, 0);
	ck_assert_int_eq(transfer(ACCESS_EVENT_WRITE, pa, &word, 8), PORT_OK);
}
END_TEST

START_TEST(a_flip_changes_one_bit_of_what_is_read)
{
	uint8_t bytes[2] = {0x40, 0x40};
	struct port_fault fault = {
		.port = "engine", .purpose = ACCESS_COMMAND_FETCH, .nth = 1, .action = FAULT_FLIP};
	memory_write(&machine->memory, pa_of(pa), bytes, 2, 3);
	ck_assert(port_inject(machine, &fault));
	ck_assert_int_eq(transfer(ACCESS_COMMAND_FETCH, pa, bytes, 2), PORT_OK);
	ck_assert_uint_eq(bytes[0], 0x41);
	ck_assert_uint_eq(bytes[1], 0x40);
	transfer(ACCESS_COMMAND_FETCH, pa, bytes, 2); /* memory kept its bytes */
	ck_assert_uint_eq(bytes[0], 0x40);
}
END_TEST

START_TEST(a_flip_changes_one_bit_of_what_is_written)
{
	uint8_t bytes[2] = {0x40, 0x40}, back[2];
	struct port_fault fault = {
		.port = "engine", .purpose = ACCESS_EVENT_WRITE, .nth = 1, .action = FAULT_FLIP};
	ck_assert(port_inject(machine, &fault));
	ck_assert_int_eq(transfer(ACCESS_EVENT_WRITE, pa, bytes, 2), PORT_OK);
	ck_assert_uint_eq(bytes[0], 0x40); /* the engine's own bytes stay */
	transfer(ACCESS_DMA_READ, pa, back, 2);
	ck_assert_uint_eq(back[0], 0x41);
	ck_assert_uint_eq(back[1], 0x40);
}
END_TEST

START_TEST(there_is_room_for_sixteen_faults)
{
	struct port_fault fault = {.port = "engine", .purpose = ACCESS_EVENT_WRITE, .nth = 99};
	for (unsigned i = 0; i < PORT_FAULTS_MAX; i++)
		ck_assert(port_inject(machine, &fault));
	ck_assert(!port_inject(machine, &fault));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("port");
	TCase *tests = tcase_create("port");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, what_is_written_is_read);
	tcase_add_test(tests, a_watcher_sees_each_access_with_its_time);
	tcase_add_test(tests, an_address_outside_ram_aborts_and_reads_zero);
	tcase_add_test(tests, the_nth_access_of_a_purpose_aborts);
	tcase_add_test(tests, a_fault_of_no_number_hits_every_access_of_its_port);
	tcase_add_test(tests, an_aborted_write_changes_nothing);
	tcase_add_test(tests, a_flip_changes_one_bit_of_what_is_read);
	tcase_add_test(tests, a_flip_changes_one_bit_of_what_is_written);
	tcase_add_test(tests, there_is_room_for_sixteen_faults);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
