/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of violation, from accesses and probes made by hand. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "emu/checker.h"
#include "tests/kit/run.h"

#define ENGINE  "smmu"
#define CONTEXT 2U
#define VMID    5U

static struct machine *machine;
static struct checker *checker;
static uint32_t holder, guest, stranger;
static uint64_t pfn;

static void setup(void)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 256ULL << 20; /* quicker to make */
	machine = machine_new(&config);
	checker = checker_new(machine);
	guest = machine_owner(machine, "guest");
	stranger = machine_owner(machine, "stranger");
	holder = ledger_holder_new(&machine->ledger, "queue");
	ledger_bind(&machine->ledger, ENGINE, CONTEXT, holder, VMID);
	ck_assert_uint_eq(memory_alloc(&machine->memory, guest, 1, 1, 1, 0, &pfn), 1);
	ledger_grant(&machine->ledger, holder, pfn, 1);
}

static void teardown(void)
{
	machine_free(machine);
}

static void revoke(bool done)
{
	uint32_t why = ledger_revocation_new(&machine->ledger, "IOMMU_IOAS_UNMAP");
	ledger_revoke(&machine->ledger, holder, pfn, 1, why);
	if (done)
		ledger_revoked(&machine->ledger, holder, pfn, 1);
}

/* Revoked, given back, and handed out to somebody else. */
static void revoke_and_lose(void)
{
	uint64_t again;
	revoke(true);
	memory_put(&machine->memory, pfn, 1);
	ck_assert_uint_eq(memory_alloc(&machine->memory, stranger, 1, 1, 1, 0, &again), 1);
	ck_assert_uint_eq(again, pfn);
}

static void touch_at(enum access_purpose purpose, uint32_t context, uint32_t offset, uint32_t size)
{
	struct access access = {.engine = ENGINE,
				.context = context,
				.purpose = purpose,
				.pa = pa_of(pfn * PAGE_SIZE + offset),
				.size = size,
				.status = PORT_OK};
	machine->watch(machine, &access);
}

static void fetch(uint32_t entry, uint32_t count)
{
	touch_at(ACCESS_COMMAND_FETCH, CONTEXT, 16 * entry, 16 * count);
}

static void probe(enum probe_kind kind, uint32_t entry, uint64_t ran)
{
	struct probe probe = {.kind = kind,
			      .engine = ENGINE,
			      .context = CONTEXT,
			      .index = entry,
			      .pa = pa_of(pfn * PAGE_SIZE + 16ULL * entry),
			      .fetched = {ran, 0},
			      .ran = {ran, 0}};
	machine->probe(machine, &probe);
}

static uint64_t tlbi(uint64_t vmid)
{
	return 0x11 | vmid << 32;
}

static void expect(uint32_t count, enum violation_kind last)
{
	ck_assert_uint_eq(checker->count, count);
	ck_assert_int_eq(checker->violations[count - 1].kind, last);
}

START_TEST(accesses_by_a_promise_are_legal)
{
	fetch(0, 4);
	touch_at(ACCESS_POINTER_WRITE, CONTEXT, 0, 4);
	probe(PROBE_EXECUTED, 0, tlbi(VMID));
	revoke(false); /* until the call returns */
	fetch(0, 4);
	checker_finish(checker);
	ck_assert_uint_eq(checker->count, 0);
}
END_TEST

START_TEST(a_revoked_page_of_the_same_owner_is_use_after_unmap)
{
	revoke(true);
	fetch(0, 4);
	expect(1, VIOLATION_USE_AFTER_UNMAP);
	ck_assert_int_eq(checker->violations[0].promise.state, PROMISE_REVOKED);
	ck_assert_uint_eq(checker->violations[0].vmid, VMID);
	ck_assert_uint_eq(checker->violations[0].access.pa.value, pfn * PAGE_SIZE);
}
END_TEST

START_TEST(a_free_page_is_use_after_free)
{
	revoke(true);
	memory_put(&machine->memory, pfn, 1);
	fetch(0, 4);
	expect(1, VIOLATION_USE_AFTER_FREE);
	touch_at(ACCESS_POINTER_WRITE, CONTEXT, 0, 4);
	expect(2, VIOLATION_USE_AFTER_FREE);
}
END_TEST

START_TEST(a_page_that_was_never_promised_is_a_wrong_address)
{
	uint64_t promised = pfn++;
	fetch(0, 1);
	expect(1, VIOLATION_WRONG_ADDRESS);
	pfn = promised;
}
END_TEST

START_TEST(writing_to_somebody_elses_page_is_a_foreign_write)
{
	revoke_and_lose();
	touch_at(ACCESS_POINTER_WRITE, CONTEXT, 0, 4);
	expect(1, VIOLATION_FOREIGN_WRITE);
	ck_assert_uint_eq(checker->violations[0].writer, stranger);
	ck_assert_uint_eq(checker->violations[0].frame.owner, stranger);
}
END_TEST

START_TEST(foreign_bytes_that_ran_are_foreign_commands)
{
	revoke_and_lose();
	fetch(0, 2);
	ck_assert_uint_eq(checker->count, 0); /* not settled yet */
	probe(PROBE_EXECUTED, 0, tlbi(VMID));
	expect(1, VIOLATION_FOREIGN_COMMAND);
	probe(PROBE_EXECUTED, 1, tlbi(VMID));
	expect(2, VIOLATION_FOREIGN_COMMAND);
	ck_assert(checker->violations[1].has_command);
	ck_assert_uint_eq(checker->violations[1].command.ran[0], tlbi(VMID));
	ck_assert_uint_eq(checker->pending_count, 0);
	checker_finish(checker);
	ck_assert_uint_eq(checker->count, 2);
}
END_TEST

START_TEST(foreign_bytes_that_stopped_the_queue_are_a_foreign_fetch)
{
	revoke_and_lose();
	fetch(0, 4);
	probe(PROBE_EXECUTED, 0, tlbi(VMID));
	probe(PROBE_STOPPED, 1, 0xff);
	expect(2, VIOLATION_FOREIGN_FETCH);
	ck_assert(checker->violations[1].has_command);
	checker_finish(checker);
	ck_assert_uint_eq(checker->count, 2);
}
END_TEST

START_TEST(foreign_bytes_that_never_ran_are_a_foreign_fetch_at_the_end)
{
	revoke_and_lose();
	fetch(0, 4);
	checker_finish(checker);
	expect(1, VIOLATION_FOREIGN_FETCH);
	ck_assert(!checker->violations[0].has_command);
}
END_TEST

/* Dropped by a stop, then read anew from a page that is promised again. */
START_TEST(a_dropped_fetch_is_not_blamed_for_what_is_fetched_later)
{
	revoke_and_lose();
	fetch(0, 4);
	ledger_grant(&machine->ledger, holder, pfn, 1);
	fetch(0, 4);
	expect(1, VIOLATION_FOREIGN_FETCH);
	probe(PROBE_EXECUTED, 0, tlbi(VMID));
	checker_finish(checker);
	ck_assert_uint_eq(checker->count, 1);
}
END_TEST

START_TEST(a_command_of_another_queue_settles_nothing)
{
	revoke_and_lose();
	fetch(0, 1);
	struct probe other = {.kind = PROBE_EXECUTED,
			      .engine = ENGINE,
			      .context = CONTEXT + 1,
			      .pa = pa_of(pfn * PAGE_SIZE)};
	machine->probe(machine, &other);
	probe(PROBE_EXECUTED, 1, tlbi(VMID)); /* the next entry */
	ck_assert_uint_eq(checker->count, 0);
	ck_assert_uint_eq(checker->pending_count, 1);
}
END_TEST

START_TEST(an_invalidation_of_another_vmid_escaped)
{
	fetch(0, 4);
	probe(PROBE_EXECUTED, 0, tlbi(VMID + 1));
	expect(1, VIOLATION_ESCAPED_COMMAND);
	ck_assert_uint_eq(checker->violations[0].command.ran[0], tlbi(VMID + 1));
	probe(PROBE_EXECUTED, 1, 0x30); /* TLBI_NSNH_ALL: every VMID */
	expect(2, VIOLATION_ESCAPED_COMMAND);
	probe(PROBE_STOPPED, 2, tlbi(VMID + 1)); /* it did not run */
	probe(PROBE_EXECUTED, 3, 0x46);
	ck_assert_uint_eq(checker->count, 2);
}
END_TEST

START_TEST(the_hosts_own_queues_are_not_judged)
{
	revoke(true);
	touch_at(ACCESS_COMMAND_FETCH, 0xffff, 0, 64);
	struct probe host = {.engine = ENGINE, .context = 0xffff, .ran = {tlbi(9), 0}};
	machine->probe(machine, &host);
	ck_assert_uint_eq(checker->count, 0);
}
END_TEST

START_TEST(an_aborted_access_touched_nothing)
{
	revoke(true);
	struct access access = {.engine = ENGINE,
				.context = CONTEXT,
				.purpose = ACCESS_COMMAND_FETCH,
				.pa = pa_of(pfn * PAGE_SIZE),
				.size = 64,
				.status = PORT_ABORT};
	machine->watch(machine, &access);
	ck_assert_uint_eq(checker->count, 0);
}
END_TEST

START_TEST(more_violations_than_fit_are_counted)
{
	revoke(true);
	for (unsigned i = 0; i < VIOLATIONS_MAX + 10; i++)
		fetch(i % 256, 1);
	ck_assert_uint_eq(checker->count, VIOLATIONS_MAX + 10);
	ck_assert_uint_eq(checker->violations[VIOLATIONS_MAX - 1].access.pa.value,
			  pfn * PAGE_SIZE + 16 * (VIOLATIONS_MAX - 1));
}
END_TEST

START_TEST(more_pending_fetches_than_fit_are_not_lost)
{
	revoke_and_lose();
	for (unsigned i = 0; i < PENDING_MAX + 3; i++)
		fetch(i, 1);
	checker_finish(checker);
	ck_assert_uint_eq(checker->count, PENDING_MAX + 3);
	for (unsigned i = 0; i < PENDING_MAX + 3; i++)
		ck_assert_int_eq(checker->violations[i].kind, VIOLATION_FOREIGN_FETCH);
}
END_TEST

START_TEST(kinds_have_names_that_find_them)
{
	for (int kind = 0; kind < VIOLATION_KINDS; kind++) {
		const char *name = violation_name((enum violation_kind)kind);
		ck_assert_int_eq(violation_by_name(name, strlen(name)), kind);
		ck_assert_int_eq(violation_by_name(name, strlen(name) - 1), -1);
	}
	ck_assert_str_eq(violation_name(VIOLATION_FOREIGN_COMMAND), "foreign-command");
	ck_assert_int_eq(violation_by_name("", 0), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("checker");
	TCase *tests = tcase_create("checker");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, accesses_by_a_promise_are_legal);
	tcase_add_test(tests, a_revoked_page_of_the_same_owner_is_use_after_unmap);
	tcase_add_test(tests, a_free_page_is_use_after_free);
	tcase_add_test(tests, a_page_that_was_never_promised_is_a_wrong_address);
	tcase_add_test(tests, writing_to_somebody_elses_page_is_a_foreign_write);
	tcase_add_test(tests, foreign_bytes_that_ran_are_foreign_commands);
	tcase_add_test(tests, foreign_bytes_that_stopped_the_queue_are_a_foreign_fetch);
	tcase_add_test(tests, foreign_bytes_that_never_ran_are_a_foreign_fetch_at_the_end);
	tcase_add_test(tests, a_dropped_fetch_is_not_blamed_for_what_is_fetched_later);
	tcase_add_test(tests, a_command_of_another_queue_settles_nothing);
	tcase_add_test(tests, an_invalidation_of_another_vmid_escaped);
	tcase_add_test(tests, the_hosts_own_queues_are_not_judged);
	tcase_add_test(tests, an_aborted_access_touched_nothing);
	tcase_add_test(tests, more_violations_than_fit_are_counted);
	tcase_add_test(tests, more_pending_fetches_than_fit_are_not_lost);
	tcase_add_test(tests, kinds_have_names_that_find_them);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
