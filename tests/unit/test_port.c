/* SPDX-License-Identifier: Apache-2.0 */
/* An engine's accesses to memory: bytes, what observers see, faults that an experiment injects. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "emu/machine.h"
#include "tests/kit/run.h"

#define OWNER  3U
#define FRAMES 3U

static struct machine *machine;
static struct port port;
static uint64_t pa; /* of FRAMES pages; nobody wrote to the last */
static struct access watched;
static unsigned watch_count;
static uint8_t byte_then; /* at the access's address, when the observer was told */

static void on_access(void *context, struct machine *from, const struct access *access)
{
	ck_assert_ptr_eq(from, machine);
	ck_assert_ptr_eq(context, &watched);
	watched = *access;
	watch_count++;
	memory_read(&machine->memory, access->pa, &byte_then, 1);
}

static void setup(void)
{
	struct machine_config config = machine_config_default();
	struct observer observer = {.context = &watched, .access = on_access};
	uint64_t pfn;
	config.arena_bytes = 256ULL << 20; /* quicker to make */
	machine = machine_new(&config);
	machine_observe(machine, &observer);
	machine_engine(machine, "other"); /* so that this one is not number 0 */
	port = (struct port){machine, machine_engine(machine, "engine")};
	ck_assert_uint_eq(memory_alloc(&machine->memory, OWNER, FRAMES, FRAMES, 1, 0, &pfn),
			  FRAMES);
	pa = pfn * PAGE_SIZE;
	memset(&watched, 0, sizeof(watched));
	watch_count = 0;
}

static void teardown(void)
{
	machine_free(machine);
}

static struct access access_at(enum access_purpose purpose, uint64_t at, uint32_t size)
{
	return (struct access){.context = 9,
			       .purpose = purpose,
			       .path = PATH_CACHED,
			       .input = 0x4567,
			       .pa = pa_of(at),
			       .size = size,
			       .index = 4};
}

static enum port_status transfer(enum access_purpose purpose, uint64_t at, void *data,
				 uint32_t size)
{
	struct access access = access_at(purpose, at, size);
	return access_writes(&access) ? port_write(&port, &access, data)
				      : port_read(&port, &access, data);
}

static void put(uint64_t at, const void *bytes, uint64_t size)
{
	memory_write(&machine->memory, pa_of(at), bytes, size, OWNER);
}

static void inject(struct port_fault fault)
{
	fault.engine = port.engine;
	ck_assert(port_inject(machine, &fault));
}

/* ---- bytes ---- */

START_TEST(what_is_written_is_read)
{
	char back[8] = "";
	ck_assert_int_eq(transfer(ACCESS_DMA_WRITE, pa + 100, (char[]){"engine"}, 7), PORT_OK);
	ck_assert_int_eq(transfer(ACCESS_DMA_READ, pa + 100, back, 7), PORT_OK);
	ck_assert_str_eq(back, "engine");
}
END_TEST

START_TEST(what_was_never_written_reads_as_zero)
{
	uint64_t word = ~0ULL;
	ck_assert_int_eq(transfer(ACCESS_DMA_READ, pa + PAGE_SIZE, &word, 8), PORT_OK);
	ck_assert_uint_eq(word, 0);
}
END_TEST

START_TEST(an_access_may_cross_pages)
{
	char back[8] = "";
	uint64_t at = pa + PAGE_SIZE - 3;
	ck_assert_int_eq(transfer(ACCESS_DMA_WRITE, at, (char[]){"engine"}, 7), PORT_OK);
	ck_assert_int_eq(transfer(ACCESS_DMA_READ, at, back, 7), PORT_OK);
	ck_assert_str_eq(back, "engine");
	memory_read(&machine->memory, pa_of(pa + PAGE_SIZE), back, 4);
	ck_assert_str_eq(back, "ine");
}
END_TEST

/* An engine copies; it is not where bytes come from. */
START_TEST(whose_bytes_a_page_holds_stays_what_it_was)
{
	uint64_t word = 1;
	memory_write(&machine->memory, pa_of(pa), "x", 1, OWNER + 1);
	transfer(ACCESS_DMA_WRITE, pa, &word, 8);
	transfer(ACCESS_DMA_WRITE, pa + PAGE_SIZE, &word, 8);
	ck_assert_uint_eq(memory_writer(&machine->memory, pa_pfn(pa_of(pa))), OWNER + 1);
	ck_assert_uint_eq(memory_writer(&machine->memory, pa_pfn(pa_of(pa + PAGE_SIZE))), OWNER);
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
	put(end - 4, "last", 4);
	ck_assert_int_eq(transfer(ACCESS_DMA_READ, end - 8, &word, 8), PORT_OK);
	ck_assert_int_eq(transfer(ACCESS_DMA_READ, end - 4, &word, 8), PORT_ABORT);
	ck_assert_uint_eq(word, 0);
	ck_assert_int_eq(transfer(ACCESS_DMA_WRITE, end - 4, &word, 8), PORT_ABORT);
	ck_assert_int_eq(transfer(ACCESS_DMA_READ, machine->config.ram_base, &word, 8), PORT_OK);
	ck_assert_int_eq(transfer(ACCESS_DMA_READ, machine->config.ram_base - 8, &word, 8),
			 PORT_ABORT);
}
END_TEST

START_TEST(words_are_little_endian)
{
	static const uint8_t bytes[8] = {8, 7, 6, 5, 4, 3, 2, 1};
	uint8_t back[8];
	uint64_t word = 0;
	struct access access = access_at(ACCESS_TABLE_WALK, pa + 16, 0);
	put(pa + 16, bytes, 8);
	ck_assert_int_eq(port_read_u64(&port, &access, &word), PORT_OK);
	ck_assert_uint_eq(word, 0x0102030405060708);
	access = access_at(ACCESS_DMA_WRITE, pa + 24, 0);
	ck_assert_int_eq(port_write_u64(&port, &access, word), PORT_OK);
	memory_read(&machine->memory, pa_of(pa + 24), back, 8);
	ck_assert_mem_eq(back, bytes, 8);
	access = access_at(ACCESS_TABLE_WALK, pa + 2 * PAGE_SIZE, 0);
	ck_assert_int_eq(port_read_u64(&port, &access, &word), PORT_OK);
	ck_assert_uint_eq(word, 0);
}
END_TEST

START_TEST(words_outside_ram_abort_and_read_zero)
{
	uint64_t word = ~0ULL;
	struct access access = access_at(ACCESS_TABLE_WALK, 0x1000, 0);
	ck_assert_int_eq(port_read_u64(&port, &access, &word), PORT_ABORT);
	ck_assert_uint_eq(word, 0);
	access = access_at(ACCESS_DMA_WRITE, UINT64_MAX - 7, 0);
	ck_assert_int_eq(port_write_u64(&port, &access, word), PORT_ABORT);
	ck_assert_uint_eq(watch_count, 2);
}
END_TEST

/* ---- what observers see ---- */

static void assert_watched(enum access_purpose purpose, uint64_t at, uint32_t size,
			   enum port_status status)
{
	ck_assert_uint_eq(watched.engine, port.engine);
	ck_assert_uint_eq(watched.context, 9);
	ck_assert_int_eq(watched.purpose, purpose);
	ck_assert_int_eq(watched.path, PATH_CACHED);
	ck_assert_uint_eq(watched.input, 0x4567);
	ck_assert_uint_eq(watched.index, 4);
	ck_assert_uint_eq(watched.pa.value, at);
	ck_assert_uint_eq(watched.size, size);
	ck_assert_int_eq(watched.status, status);
	ck_assert_uint_eq(watched.time_ps, machine->clock.now_ps);
	ck_assert_uint_eq(watched.number, watch_count);
}

START_TEST(an_observer_sees_each_access_with_its_number_and_time)
{
	uint64_t word = 1;
	struct access access = access_at(ACCESS_EVENT_WRITE, pa + 8, 0);
	machine->clock.now_ps = 1234;
	transfer(ACCESS_DMA_WRITE, pa, &word, 8);
	assert_watched(ACCESS_DMA_WRITE, pa, 8, PORT_OK);
	machine->clock.now_ps = 2345;
	transfer(ACCESS_COMMAND_FETCH, pa + 8, &word, 1); /* of a page with bytes */
	assert_watched(ACCESS_COMMAND_FETCH, pa + 8, 1, PORT_OK);
	transfer(ACCESS_COMMAND_FETCH, pa + PAGE_SIZE, &word, 1); /* of one without */
	assert_watched(ACCESS_COMMAND_FETCH, pa + PAGE_SIZE, 1, PORT_OK);
	transfer(ACCESS_COMMAND_FETCH, 0, &word, 8);
	assert_watched(ACCESS_COMMAND_FETCH, 0, 8, PORT_ABORT);
	port_write_u64(&port, &access, 5);
	assert_watched(ACCESS_EVENT_WRITE, pa + 8, 8, PORT_OK);
	access = access_at(ACCESS_TABLE_WALK, pa + 8, 0);
	port_read_u64(&port, &access, &word);
	assert_watched(ACCESS_TABLE_WALK, pa + 8, 8, PORT_OK);
	ck_assert_uint_eq(watch_count, 6);
}
END_TEST

START_TEST(accesses_of_all_ports_are_numbered_together)
{
	struct port second = {machine, machine_engine(machine, "second")};
	struct access access = access_at(ACCESS_DMA_READ, pa, 1);
	uint8_t byte;
	for (uint64_t number = 1; number <= 6; number += 2) {
		port_read(&port, &access, &byte);
		ck_assert_uint_eq(access.number, number);
		port_read(&second, &access, &byte);
		ck_assert_uint_eq(access.number, number + 1);
		ck_assert_uint_eq(access.engine, second.engine);
	}
}
END_TEST

START_TEST(an_observer_is_told_after_the_access)
{
	uint8_t byte = 1;
	transfer(ACCESS_DMA_WRITE, pa, &byte, 1);
	ck_assert_uint_eq(byte_then, 1);
}
END_TEST

START_TEST(only_some_purposes_write)
{
	static const bool writes[ACCESS_PURPOSES] = {
		[ACCESS_CONFIG_WRITE] = true,     [ACCESS_TABLE_WRITE] = true,
		[ACCESS_POINTER_WRITE] = true,    [ACCESS_EVENT_WRITE] = true,
		[ACCESS_COMPLETION_WRITE] = true, [ACCESS_DMA_WRITE] = true,
	};
	for (int i = 0; i < ACCESS_PURPOSES; i++) {
		struct access access = access_at((enum access_purpose)i, pa, 1);
		ck_assert_int_eq(access_writes(&access), writes[i]);
	}
}
END_TEST

/* ---- faults ---- */

START_TEST(the_nth_access_of_a_purpose_aborts)
{
	uint8_t byte = 7;
	put(pa, &byte, 1);
	inject((struct port_fault){.purpose = ACCESS_TABLE_WALK, .nth = 3});
	for (unsigned i = 1; i <= 5; i++) {
		transfer(ACCESS_CONFIG_FETCH, pa, &byte, 1); /* another purpose does not count */
		ck_assert_int_eq(transfer(ACCESS_TABLE_WALK, pa, &byte, 1),
				 i == 3 ? PORT_ABORT : PORT_OK);
		ck_assert_uint_eq(byte, i == 3 ? 0 : 7);
		ck_assert_int_eq(watched.status, i == 3 ? PORT_ABORT : PORT_OK);
	}
}
END_TEST

START_TEST(a_fault_of_no_number_hits_every_access_of_its_engine)
{
	uint8_t byte = 7;
	struct port_fault fault = {.engine = port.engine - 1, .purpose = ACCESS_TABLE_WALK};
	ck_assert(port_inject(machine, &fault));
	ck_assert_int_eq(transfer(ACCESS_TABLE_WALK, pa, &byte, 1), PORT_OK);
	inject(fault);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(transfer(ACCESS_TABLE_WALK, pa, &byte, 1), PORT_ABORT);
}
END_TEST

START_TEST(each_fault_counts_for_itself)
{
	uint8_t byte;
	inject((struct port_fault){.purpose = ACCESS_DMA_READ, .nth = 2});
	inject((struct port_fault){.purpose = ACCESS_COMMAND_FETCH, .nth = 1});
	inject((struct port_fault){.purpose = ACCESS_DMA_READ, .nth = 4});
	for (unsigned i = 1; i <= 5; i++)
		ck_assert_int_eq(transfer(ACCESS_DMA_READ, pa, &byte, 1),
				 i == 2 || i == 4 ? PORT_ABORT : PORT_OK);
	ck_assert_int_eq(transfer(ACCESS_COMMAND_FETCH, pa, &byte, 1), PORT_ABORT);
}
END_TEST

START_TEST(an_aborted_write_changes_nothing)
{
	uint64_t word = 0x55, back = 1;
	struct access access = access_at(ACCESS_EVENT_WRITE, pa + 8, 0);
	inject((struct port_fault){.purpose = ACCESS_EVENT_WRITE, .nth = 1});
	ck_assert_int_eq(transfer(ACCESS_EVENT_WRITE, pa, &word, 8), PORT_ABORT);
	transfer(ACCESS_DMA_READ, pa, &back, 8);
	ck_assert_uint_eq(back, 0);
	ck_assert_int_eq(transfer(ACCESS_EVENT_WRITE, pa, &word, 8), PORT_OK);
	inject((struct port_fault){.purpose = ACCESS_EVENT_WRITE, .nth = 1});
	ck_assert_int_eq(port_write_u64(&port, &access, word), PORT_ABORT);
	transfer(ACCESS_DMA_READ, pa + 8, &back, 8);
	ck_assert_uint_eq(back, 0);
}
END_TEST

START_TEST(a_flip_changes_one_bit_of_what_is_read)
{
	uint8_t bytes[2] = {0x40, 0x40};
	put(pa, bytes, 2);
	inject((struct port_fault){
		.purpose = ACCESS_COMMAND_FETCH, .nth = 1, .action = FAULT_FLIP});
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
	inject((struct port_fault){.purpose = ACCESS_EVENT_WRITE, .nth = 1, .action = FAULT_FLIP});
	ck_assert_int_eq(transfer(ACCESS_EVENT_WRITE, pa, bytes, 2), PORT_OK);
	ck_assert_uint_eq(bytes[0], 0x40); /* the engine's own bytes stay */
	transfer(ACCESS_DMA_READ, pa, back, 2);
	ck_assert_uint_eq(back[0], 0x41);
	ck_assert_uint_eq(back[1], 0x40);
}
END_TEST

START_TEST(a_flip_hits_words_too)
{
	uint64_t word = 0;
	struct access access = access_at(ACCESS_TABLE_WALK, pa, 0);
	put(pa, (uint8_t[]){0x40, 0, 0, 0, 0, 0, 0, 0x80}, 8);
	inject((struct port_fault){.purpose = ACCESS_TABLE_WALK, .nth = 1, .action = FAULT_FLIP});
	ck_assert_int_eq(port_read_u64(&port, &access, &word), PORT_OK);
	ck_assert_uint_eq(word, 0x8000000000000041);
	port_read_u64(&port, &access, &word);
	ck_assert_uint_eq(word, 0x8000000000000040);
}
END_TEST

START_TEST(the_nth_access_that_can_wait_is_late)
{
	inject((struct port_fault){
		.purpose = ACCESS_COMMAND_FETCH, .nth = 2, .action = FAULT_LATE, .late_ps = 500});
	for (unsigned i = 1; i <= 4; i++) {
		ck_assert_uint_eq(port_late(&port, ACCESS_CONFIG_FETCH), 0);
		ck_assert_uint_eq(port_late(&port, ACCESS_COMMAND_FETCH), i == 2 ? 500 : 0);
	}
	struct port second = {machine, port.engine - 1};
	inject((struct port_fault){
		.purpose = ACCESS_DMA_READ, .action = FAULT_LATE, .late_ps = 70});
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(port_late(&second, ACCESS_DMA_READ), 0);
		ck_assert_uint_eq(port_late(&port, ACCESS_DMA_READ), 70);
	}
}
END_TEST

/* The engine waits by itself: the access that follows happens as usual, and is counted apart. */
START_TEST(lateness_and_other_faults_do_not_mix)
{
	uint8_t byte = 7;
	put(pa, &byte, 1);
	ck_assert_uint_eq(port_late(&port, ACCESS_COMMAND_FETCH), 0);
	inject((struct port_fault){
		.purpose = ACCESS_COMMAND_FETCH, .nth = 1, .action = FAULT_LATE, .late_ps = 500});
	inject((struct port_fault){.purpose = ACCESS_COMMAND_FETCH, .nth = 2});
	for (unsigned i = 1; i <= 3; i++) {
		ck_assert_uint_eq(port_late(&port, ACCESS_COMMAND_FETCH), i == 1 ? 500 : 0);
		ck_assert_int_eq(transfer(ACCESS_COMMAND_FETCH, pa, &byte, 1),
				 i == 2 ? PORT_ABORT : PORT_OK);
		ck_assert_uint_eq(byte, i == 2 ? 0 : 7);
	}
	ck_assert_uint_eq(machine->clock.now_ps, 0);
}
END_TEST

START_TEST(there_is_room_for_sixteen_faults)
{
	struct port_fault fault = {.engine = port.engine, .purpose = ACCESS_EVENT_WRITE, .nth = 99};
	for (unsigned i = 0; i < PORT_FAULTS_MAX; i++)
		ck_assert(port_inject(machine, &fault));
	ck_assert(!port_inject(machine, &fault));
}
END_TEST

/* ---- with and without faults about ---- */

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

struct outcome {
	uint8_t bytes[160];
	uint64_t word;
	enum port_status statuses[2];
	struct access seen[2];
};

static struct outcome read_both_ways(uint64_t at, uint32_t size)
{
	struct outcome outcome = {0};
	struct access access = access_at(ACCESS_DMA_READ, at, size);
	outcome.statuses[0] = port_read(&port, &access, outcome.bytes);
	outcome.seen[0] = watched;
	access = access_at(ACCESS_TABLE_WALK, at & ~7ULL, 0);
	outcome.statuses[1] = port_read_u64(&port, &access, &outcome.word);
	outcome.seen[1] = watched;
	for (int i = 0; i < 2; i++)
		outcome.seen[i].number = 0; /* differs, as it must */
	return outcome;
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
	ck_assert_mem_eq(a->bytes, b->bytes, sizeof(a->bytes));
	ck_assert_uint_eq(a->word, b->word);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(a->statuses[i], b->statuses[i]);
		ck_assert_int_eq(a->seen[i].status, b->seen[i].status);
		ck_assert_uint_eq(a->seen[i].pa.value, b->seen[i].pa.value);
		ck_assert_uint_eq(a->seen[i].size, b->seen[i].size);
		ck_assert_uint_eq(a->seen[i].engine, b->seen[i].engine);
		ck_assert_uint_eq(a->seen[i].time_ps, b->seen[i].time_ps);
	}
}

/* Where short cuts could go wrong: the ends of pages and of RAM. */
static uint64_t random_place(uint64_t end_of_ram)
{
	switch (random_below(4)) {
	case 0:
		return end_of_ram - 200 + random_below(240);
	case 1:
		return pa + PAGE_SIZE * (1 + random_below(2)) - 1 - random_below(200);
	default:
		return pa + random_below(FRAMES * PAGE_SIZE - 160);
	}
}

/* A fault that never hits makes the port take no short cut. */
START_TEST(a_fault_elsewhere_changes_no_access)
{
	uint8_t noise[2 * PAGE_SIZE];
	uint64_t end = machine->config.ram_base + machine->config.memory_bytes;
	random_state = 11;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)random_below(256);
	put(pa, noise, sizeof(noise));
	put(end - PAGE_SIZE, noise, PAGE_SIZE);
	for (int i = 0; i < 400; i++) {
		uint32_t size = 1 + random_below(160);
		uint64_t at = random_place(end);
		machine->faults.count = 0;
		struct outcome plain = read_both_ways(at, size);
		inject((struct port_fault){.purpose = ACCESS_POINTER_WRITE});
		struct outcome slow = read_both_ways(at, size);
		assert_same(&plain, &slow);
		if (at + size <= pa + sizeof(noise))
			ck_assert_mem_eq(plain.bytes, noise + (at - pa), size);
	}
}
END_TEST

static void add_bytes(Suite *suite)
{
	TCase *tests = tcase_create("bytes");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, what_is_written_is_read);
	tcase_add_test(tests, what_was_never_written_reads_as_zero);
	tcase_add_test(tests, an_access_may_cross_pages);
	tcase_add_test(tests, whose_bytes_a_page_holds_stays_what_it_was);
	tcase_add_test(tests, an_address_outside_ram_aborts_and_reads_zero);
	tcase_add_test(tests, words_are_little_endian);
	tcase_add_test(tests, words_outside_ram_abort_and_read_zero);
	tcase_add_test(tests, an_observer_sees_each_access_with_its_number_and_time);
	tcase_add_test(tests, accesses_of_all_ports_are_numbered_together);
	tcase_add_test(tests, an_observer_is_told_after_the_access);
	tcase_add_test(tests, only_some_purposes_write);
	suite_add_tcase(suite, tests);
}

static void add_faults(Suite *suite)
{
	TCase *tests = tcase_create("faults");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, the_nth_access_of_a_purpose_aborts);
	tcase_add_test(tests, a_fault_of_no_number_hits_every_access_of_its_engine);
	tcase_add_test(tests, each_fault_counts_for_itself);
	tcase_add_test(tests, an_aborted_write_changes_nothing);
	tcase_add_test(tests, a_flip_changes_one_bit_of_what_is_read);
	tcase_add_test(tests, a_flip_changes_one_bit_of_what_is_written);
	tcase_add_test(tests, a_flip_hits_words_too);
	tcase_add_test(tests, the_nth_access_that_can_wait_is_late);
	tcase_add_test(tests, lateness_and_other_faults_do_not_mix);
	tcase_add_test(tests, there_is_room_for_sixteen_faults);
	tcase_add_test(tests, a_fault_elsewhere_changes_no_access);
	suite_add_tcase(suite, tests);
}

int main(void)
{
	Suite *suite = suite_create("port");
	add_bytes(suite);
	add_faults(suite);
	return run_suite(suite);
}
