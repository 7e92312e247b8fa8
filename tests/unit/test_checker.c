/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of violation, from accesses through a port and from probes made by hand. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "emu/checker.h"
#include "tests/kit/run.h"

#define QUEUE   2U
#define VMID    5U
#define SID     0x10U
#define DEVICE  CONTEXT_DEVICE(SID)
#define FRAMES  4U
#define BIND    31U /* number of the call that binds the queue */
#define LINE    64U /* bytes */
#define COMMAND 16U /* bytes */

static struct machine *machine;
static struct ledger *ledger;
static struct checker *checker;
static struct port port;
static uint32_t holder, guest, owner, stranger;
static uint64_t pfn; /* of FRAMES that the holder is promised */

static void setup(void)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 256ULL << 20; /* quicker to make */
	machine = machine_new(&config);
	ledger = &machine->ledger;
	checker = checker_new(machine);
	machine_engine(machine, "other"); /* so that this one is not number 0 */
	ledger->call = BIND;
	port = (struct port){machine, machine_engine(machine, "smmu")};
	owner = machine_owner(machine, "owner");
	stranger = machine_owner(machine, "stranger");
	holder = ledger_holder_new(ledger, "domain");
	guest = ledger_guest_new(ledger);
	ledger_guest_reach(ledger, guest, REACH_DOMAIN, VMID, true);
	ledger_guest_reach(ledger, guest, REACH_DEVICE, SID, true);
	ledger_bind(ledger, port.engine, QUEUE, holder, guest);
	ledger_bind(ledger, port.engine, DEVICE, holder, LEDGER_NO_GUEST);
	ck_assert_uint_eq(memory_alloc(&machine->memory, owner, FRAMES, FRAMES, FRAMES, 0, &pfn),
			  FRAMES);
	ledger_grant(ledger, holder, pfn, FRAMES);
}

static void teardown(void)
{
	machine_free(machine);
}

static void begin_revoke(uint64_t frame, uint64_t count)
{
	ledger_revoke(ledger, holder, frame, count, ledger_revocation_new(ledger, holder, "unmap"));
}

static void revoke(uint64_t frame, uint64_t count)
{
	begin_revoke(frame, count);
	ledger_revoked(ledger, holder, frame, count);
}

/* Revoked, given back, and handed out to somebody else. */
static void lose(uint64_t frame)
{
	uint64_t again;
	revoke(frame, 1);
	memory_put(&machine->memory, frame, 1);
	ck_assert_uint_eq(memory_alloc(&machine->memory, stranger, 1, 1, 1, 0, &again), 1);
	ck_assert_uint_eq(again, frame);
}

static enum port_status touch(struct access access)
{
	uint8_t bytes[PAGE_SIZE] = {0};
	return access_writes(&access) ? port_write(&port, &access, bytes)
				      : port_read(&port, &access, bytes);
}

/* The first bytes of FRAME. */
static struct access at(enum access_purpose purpose, uint32_t context, uint64_t frame)
{
	return (struct access){
		.context = context, .purpose = purpose, .pa = pa_of_pfn(frame), .size = 8};
}

static void fetch(uint32_t entry, uint32_t count)
{
	struct access access = at(ACCESS_COMMAND_FETCH, QUEUE, pfn);
	access.pa.value += (uint64_t)COMMAND * entry;
	access.size = COMMAND * count;
	access.index = entry;
	ck_assert_int_eq(touch(access), PORT_OK);
}

/* A device's access by an address that it came by on PATH. */
static void dma(enum access_purpose purpose, enum access_path path, uint64_t frame)
{
	struct access access = at(purpose, DEVICE, frame);
	access.path = path;
	access.input = 0x1000;
	ck_assert_int_eq(touch(access), PORT_OK);
}

/* The command at ENTRY of the queue's first frame. */
static struct probe command(enum probe_kind kind, uint32_t entry, enum probe_effect effect,
			    uint32_t target)
{
	return (struct probe){.kind = kind,
			      .effect = effect,
			      .target = target,
			      .engine = port.engine,
			      .context = QUEUE,
			      .index = entry,
			      .pa = pa_of(pfn * PAGE_SIZE + (uint64_t)COMMAND * entry),
			      .time_ps = 77,
			      .ran = {0x11, entry}};
}

static void tell(enum probe_kind kind, uint32_t entry, enum probe_effect effect, uint32_t target)
{
	struct probe probe = command(kind, entry, effect, target);
	machine_tell_probe(machine, &probe);
}

static void run(uint32_t entry, enum probe_effect effect, uint32_t target)
{
	tell(PROBE_EXECUTED, entry, effect, target);
}

static void expect_none(void)
{
	ck_assert_uint_eq(checker->count, 0);
}

static const struct violation *expect(uint32_t count, enum violation_kind last)
{
	ck_assert_uint_eq(checker->count, count);
	ck_assert_str_eq(violation_name(checker->violations[count - 1].kind), violation_name(last));
	return &checker->violations[count - 1];
}

/* ---- accesses ---- */

START_TEST(any_access_by_a_promise_is_legal)
{
	for (int purpose = 0; purpose < ACCESS_PURPOSES; purpose++) {
		touch(at((enum access_purpose)purpose, QUEUE, pfn + 1));
		dma((enum access_purpose)purpose, PATH_WALKED, pfn);
		dma((enum access_purpose)purpose, PATH_CACHED, pfn + FRAMES - 1);
	}
	expect_none();
}
END_TEST

START_TEST(an_access_while_the_promise_is_being_taken_back_is_legal)
{
	begin_revoke(pfn, 1);
	fetch(0, 4);
	dma(ACCESS_DMA_WRITE, PATH_CACHED, pfn);
	expect_none();
	ledger_revoked(ledger, holder, pfn, 1);
	fetch(0, 4);
	expect(1, VIOLATION_USE_AFTER_UNMAP);
}
END_TEST

START_TEST(a_revoked_page_of_the_same_owner_is_use_after_unmap)
{
	revoke(pfn, 1);
	machine->clock.now_ps = 1234;
	fetch(4, 4);
	const struct violation *violation = expect(1, VIOLATION_USE_AFTER_UNMAP);
	ck_assert_int_eq(violation->promise.state, PROMISE_REVOKED);
	ck_assert_str_eq(ledger->revocations[violation->promise.revocation].what, "unmap");
	ck_assert_uint_eq(violation->promise.owner, owner);
	ck_assert_uint_eq(violation->frame.owner, owner);
	ck_assert_uint_eq(violation->writer, owner);
	ck_assert_uint_eq(violation->access.engine, port.engine);
	ck_assert_uint_eq(violation->access.pa.value, pfn * PAGE_SIZE + LINE);
	ck_assert_uint_eq(violation->access.time_ps, 1234);
	ck_assert(!violation->has_command);
}
END_TEST

START_TEST(a_free_page_is_use_after_free)
{
	revoke(pfn, 1);
	memory_put(&machine->memory, pfn, 1);
	fetch(0, 4);
	expect(1, VIOLATION_USE_AFTER_FREE);
	touch(at(ACCESS_POINTER_WRITE, QUEUE, pfn));
	const struct violation *violation = expect(2, VIOLATION_USE_AFTER_FREE);
	ck_assert_uint_eq(violation->frame.references + violation->frame.pins, 0);
	ck_assert_uint_eq(violation->promise.owner, owner);
}
END_TEST

START_TEST(a_page_that_was_never_promised_is_a_wrong_address)
{
	touch(at(ACCESS_COMMAND_FETCH, QUEUE, pfn + FRAMES));
	expect(1, VIOLATION_WRONG_ADDRESS);
	dma(ACCESS_DMA_READ, PATH_CACHED, pfn + FRAMES);
	expect(2, VIOLATION_WRONG_ADDRESS);
	dma(ACCESS_DMA_WRITE, PATH_WALKED, pfn + FRAMES);
	expect(3, VIOLATION_WRONG_ADDRESS);
}
END_TEST

START_TEST(any_write_to_somebody_elses_page_is_a_foreign_write)
{
	static const enum access_purpose writes[] = {ACCESS_POINTER_WRITE, ACCESS_EVENT_WRITE,
						     ACCESS_COMPLETION_WRITE, ACCESS_DMA_WRITE,
						     ACCESS_TABLE_WRITE};
	lose(pfn);
	for (uint32_t i = 0; i < 5; i++) {
		touch(at(writes[i], QUEUE, pfn));
		expect(i + 1, VIOLATION_FOREIGN_WRITE);
	}
	const struct violation *violation = &checker->violations[0];
	ck_assert_uint_eq(violation->frame.owner, stranger);
	ck_assert_uint_eq(violation->writer, stranger);
	ck_assert_uint_eq(violation->promise.owner, owner);
}
END_TEST

/* Nothing that a device reads is ever run: no need to wait for it. */
START_TEST(dma_from_somebody_elses_page_is_a_foreign_fetch_at_once)
{
	lose(pfn);
	dma(ACCESS_DMA_READ, PATH_CACHED, pfn);
	expect(1, VIOLATION_FOREIGN_FETCH);
	ck_assert_uint_eq(checker->pending_count, 0);
}
END_TEST

START_TEST(whose_bytes_they_were_is_told_apart_from_whose_page_it_is)
{
	uint32_t writer = machine_owner(machine, "writer");
	lose(pfn);
	memory_write(&machine->memory, pa_of_pfn(pfn), "secret", 6, writer);
	dma(ACCESS_DMA_READ, PATH_CACHED, pfn);
	ck_assert_uint_eq(expect(1, VIOLATION_FOREIGN_FETCH)->writer, writer);
	ck_assert_uint_eq(checker->violations[0].frame.owner, stranger);
}
END_TEST

START_TEST(an_old_translation_that_is_used_is_a_stale_iotlb)
{
	revoke(pfn, 2);
	memory_put(&machine->memory, pfn + 1, 1);
	dma(ACCESS_DMA_READ, PATH_CACHED, pfn);
	expect(1, VIOLATION_STALE_IOTLB);
	dma(ACCESS_DMA_WRITE, PATH_CACHED, pfn + 1); /* free by now */
	ck_assert_uint_eq(expect(2, VIOLATION_STALE_IOTLB)->access.input, 0x1000);
}
END_TEST

START_TEST(tables_that_still_lead_to_a_page_are_no_stale_iotlb)
{
	revoke(pfn, 2);
	memory_put(&machine->memory, pfn + 1, 1);
	dma(ACCESS_DMA_READ, PATH_WALKED, pfn);
	expect(1, VIOLATION_USE_AFTER_UNMAP);
	dma(ACCESS_DMA_READ, PATH_WALKED, pfn + 1);
	expect(2, VIOLATION_USE_AFTER_FREE);
}
END_TEST

START_TEST(dma_that_bypasses_translation_is_untranslated)
{
	revoke(pfn, 2);
	memory_put(&machine->memory, pfn + 1, 1);
	dma(ACCESS_DMA_READ, PATH_BYPASS, pfn);
	expect(1, VIOLATION_UNTRANSLATED);
	dma(ACCESS_DMA_WRITE, PATH_BYPASS, pfn + 1);
	expect(2, VIOLATION_UNTRANSLATED);
	dma(ACCESS_DMA_WRITE, PATH_BYPASS, pfn + FRAMES);
	expect(3, VIOLATION_UNTRANSLATED);
}
END_TEST

/* The table did not lead there: that it is the right place is luck. */
START_TEST(a_bypass_to_a_promised_frame_is_untranslated)
{
	dma(ACCESS_DMA_READ, PATH_WALKED, pfn);
	expect_none();
	dma(ACCESS_DMA_READ, PATH_BYPASS, pfn);
	expect(1, VIOLATION_UNTRANSLATED);
}
END_TEST

/* Whom it hurts says more than how it came about. */
START_TEST(a_foreign_write_is_one_on_any_path)
{
	static const enum access_path paths[] = {PATH_PHYSICAL, PATH_WALKED, PATH_CACHED,
						 PATH_BYPASS};
	lose(pfn);
	for (uint32_t i = 0; i < 4; i++) {
		dma(ACCESS_DMA_WRITE, paths[i], pfn);
		expect(i + 1, VIOLATION_FOREIGN_WRITE);
	}
}
END_TEST

/* ---- who is judged ---- */

START_TEST(the_hosts_own_queues_and_devices_are_not_judged)
{
	lose(pfn);
	touch(at(ACCESS_COMMAND_FETCH, QUEUE + 1, pfn));
	touch(at(ACCESS_DMA_WRITE, CONTEXT_DEVICE(SID + 1), pfn));
	port.engine--;
	touch(at(ACCESS_COMMAND_FETCH, QUEUE, pfn)); /* the same numbers, of another engine */
	touch(at(ACCESS_DMA_READ, DEVICE, pfn));
	run(0, EFFECT_ALL, 0);
	checker_finish(checker);
	expect_none();
}
END_TEST

START_TEST(configuration_and_tables_are_the_hosts)
{
	lose(pfn);
	touch(at(ACCESS_CONFIG_FETCH, DEVICE, pfn));
	touch(at(ACCESS_TABLE_WALK, DEVICE, pfn));
	touch(at(ACCESS_TABLE_WALK, QUEUE, pfn + FRAMES));
	expect_none();
}
END_TEST

START_TEST(an_access_that_aborted_touched_nothing)
{
	struct port_fault fault = {.engine = port.engine, .purpose = ACCESS_DMA_WRITE, .nth = 1};
	lose(pfn);
	ck_assert(port_inject(machine, &fault));
	ck_assert_int_eq(touch(at(ACCESS_DMA_WRITE, DEVICE, pfn)), PORT_ABORT);
	ck_assert_int_eq(touch(at(ACCESS_COMMAND_FETCH, QUEUE, 1)), PORT_ABORT); /* no RAM */
	expect_none();
	ck_assert_int_eq(touch(at(ACCESS_DMA_WRITE, DEVICE, pfn)), PORT_OK);
	expect(1, VIOLATION_FOREIGN_WRITE);
}
END_TEST

START_TEST(a_device_that_may_do_nothing_may_not_use_what_it_had)
{
	dma(ACCESS_DMA_READ, PATH_WALKED, pfn);
	ledger_bind(ledger, port.engine, DEVICE, LEDGER_NOTHING, LEDGER_NO_GUEST);
	dma(ACCESS_DMA_READ, PATH_CACHED, pfn); /* the domain is still granted it */
	expect(1, VIOLATION_WRONG_ADDRESS);
	dma(ACCESS_DMA_WRITE, PATH_BYPASS, pfn);
	expect(2, VIOLATION_UNTRANSLATED);
	fetch(0, 4); /* the queue is another context */
	ck_assert_uint_eq(checker->count, 2);
}
END_TEST

START_TEST(what_a_device_keeps_itself_is_dma_after_sync)
{
	revoke(pfn, 1);
	dma(ACCESS_DMA_READ, PATH_DEVICE, pfn);
	expect(1, VIOLATION_DMA_AFTER_SYNC);
	dma(ACCESS_DMA_WRITE, PATH_DEVICE, pfn + 1);
	expect(1, VIOLATION_DMA_AFTER_SYNC);
	lose(pfn + 1);
	dma(ACCESS_DMA_WRITE, PATH_DEVICE, pfn + 1);
	expect(2, VIOLATION_FOREIGN_WRITE);
}
END_TEST

START_TEST(a_device_between_two_domains_is_not_judged)
{
	revoke(pfn, 1);
	ledger_bind(ledger, port.engine, DEVICE, LEDGER_IN_TRANSITION, LEDGER_NO_GUEST);
	dma(ACCESS_DMA_WRITE, PATH_CACHED, pfn);
	dma(ACCESS_DMA_WRITE, PATH_BYPASS, pfn + FRAMES);
	expect_none();
	ledger_bind(ledger, port.engine, DEVICE, holder, LEDGER_NO_GUEST);
	dma(ACCESS_DMA_WRITE, PATH_CACHED, pfn);
	expect(1, VIOLATION_STALE_IOTLB);
}
END_TEST

START_TEST(a_queue_of_a_destroyed_domain_is_still_judged)
{
	fetch(0, 4);
	ledger_holder_gone(ledger, holder);
	ck_assert_uint_ne(ledger_holder_new(ledger, "next"), holder);
	fetch(4, 4);
	const struct violation *violation = expect(1, VIOLATION_USE_AFTER_UNMAP);
	ck_assert_str_eq(ledger->revocations[violation->promise.revocation].what, "destroy");
}
END_TEST

/* The last line of FRAME and the first one of the next. */
static void cross(enum access_purpose purpose, uint32_t context, uint64_t frame)
{
	struct access access = at(purpose, context, frame);
	access.pa.value += PAGE_SIZE - LINE;
	access.size = 2 * LINE;
	touch(access);
}

START_TEST(an_access_is_judged_by_every_page_that_it_touches)
{
	cross(ACCESS_COMMAND_FETCH, QUEUE, pfn);
	cross(ACCESS_DMA_WRITE, DEVICE, pfn + 1);
	expect_none();
	revoke(pfn + 1, 1);
	cross(ACCESS_COMMAND_FETCH, QUEUE, pfn);
	ck_assert_uint_eq(pa_pfn(expect(1, VIOLATION_USE_AFTER_UNMAP)->access.pa), pfn + 1);
	cross(ACCESS_DMA_WRITE, DEVICE, pfn + 1);
	ck_assert_uint_eq(pa_pfn(expect(2, VIOLATION_USE_AFTER_UNMAP)->access.pa), pfn + 1);
	revoke(pfn + 2, 1);
	cross(ACCESS_DMA_WRITE, DEVICE, pfn + 1);
	ck_assert_uint_eq(checker->count, 4);
}
END_TEST

START_TEST(a_violation_names_the_call_that_bound_the_context)
{
	ledger->call++;
	ledger_bind(ledger, port.engine, DEVICE, holder, LEDGER_NO_GUEST);
	ledger->call++;
	revoke(pfn, 1);
	fetch(0, 4);
	ck_assert_uint_eq(expect(1, VIOLATION_USE_AFTER_UNMAP)->bound_by, BIND);
	dma(ACCESS_DMA_READ, PATH_CACHED, pfn);
	ck_assert_uint_eq(expect(2, VIOLATION_STALE_IOTLB)->bound_by, BIND + 1);
}
END_TEST

START_TEST(an_escape_names_the_call_that_bound_the_queue)
{
	run(0, EFFECT_ALL, 0);
	ck_assert_uint_eq(expect(1, VIOLATION_ESCAPED_COMMAND)->bound_by, BIND);
}
END_TEST

/* ---- what was found legal before ---- */

START_TEST(a_revocation_is_seen_by_the_next_access)
{
	for (uint32_t i = 0; i < FRAMES; i++) {
		fetch(0, 4);
		dma(ACCESS_DMA_READ, PATH_WALKED, pfn + i);
		dma(ACCESS_DMA_READ, PATH_WALKED, pfn + i);
		revoke(pfn + i, 1);
		dma(ACCESS_DMA_READ, PATH_WALKED, pfn + i);
		expect(i + 1, VIOLATION_USE_AFTER_UNMAP);
		ledger_grant(ledger, holder, pfn, 1);
	}
}
END_TEST

START_TEST(a_legal_access_says_nothing_about_the_frames_around)
{
	revoke(pfn, 1);
	revoke(pfn + 3, 1);
	dma(ACCESS_DMA_READ, PATH_WALKED, pfn + 1);
	dma(ACCESS_DMA_READ, PATH_WALKED, pfn + 2);
	expect_none();
	dma(ACCESS_DMA_READ, PATH_WALKED, pfn + 3);
	dma(ACCESS_DMA_READ, PATH_WALKED, pfn + 2);
	dma(ACCESS_DMA_READ, PATH_WALKED, pfn);
	dma(ACCESS_DMA_READ, PATH_WALKED, pfn + FRAMES);
	expect(3, VIOLATION_WRONG_ADDRESS);
	ck_assert_int_eq(checker->violations[0].kind, VIOLATION_USE_AFTER_UNMAP);
	ck_assert_int_eq(checker->violations[1].kind, VIOLATION_USE_AFTER_UNMAP);
}
END_TEST

START_TEST(a_legal_access_says_nothing_about_another_context)
{
	uint32_t second = ledger_holder_new(ledger, "second");
	ledger_bind(ledger, port.engine, QUEUE + 1, second, guest);
	ledger_bind(ledger, port.engine - 1, QUEUE, second, guest);
	fetch(0, 4);
	touch(at(ACCESS_COMMAND_FETCH, QUEUE + 1, pfn));
	expect(1, VIOLATION_WRONG_ADDRESS);
	fetch(0, 4);
	port.engine--;
	fetch(0, 4);
	expect(2, VIOLATION_WRONG_ADDRESS);
}
END_TEST

START_TEST(a_queue_with_a_new_holder_is_judged_anew)
{
	uint32_t second = ledger_holder_new(ledger, "second");
	fetch(0, 4);
	ledger_bind(ledger, port.engine, QUEUE, second, guest);
	fetch(0, 4);
	expect(1, VIOLATION_WRONG_ADDRESS);
	ledger_grant(ledger, second, pfn, 1);
	fetch(0, 4);
	ck_assert_uint_eq(checker->count, 1);
}
END_TEST

/* ---- foreign bytes: fetched, run, or neither ---- */

START_TEST(foreign_bytes_that_ran_are_foreign_commands)
{
	lose(pfn);
	fetch(0, 2);
	expect_none(); /* not settled yet */
	run(0, EFFECT_DOMAIN, VMID);
	expect(1, VIOLATION_FOREIGN_COMMAND);
	run(1, EFFECT_NONE, 0);
	const struct violation *violation = expect(2, VIOLATION_FOREIGN_COMMAND);
	ck_assert(violation->has_command);
	ck_assert_uint_eq(violation->command.ran[1], 1);
	ck_assert_uint_eq(violation->writer, stranger);
	ck_assert_uint_eq(checker->pending_count, 0);
	checker_finish(checker);
	ck_assert_uint_eq(checker->count, 2);
}
END_TEST

START_TEST(foreign_bytes_that_stopped_the_queue_are_a_foreign_fetch)
{
	lose(pfn);
	fetch(0, 4);
	run(0, EFFECT_DOMAIN, VMID);
	tell(PROBE_STOPPED, 1, EFFECT_NONE, 0);
	const struct violation *violation = expect(2, VIOLATION_FOREIGN_FETCH);
	ck_assert(violation->has_command);
	ck_assert_int_eq(violation->command.kind, PROBE_STOPPED);
	checker_finish(checker);
	ck_assert_uint_eq(checker->count, 2);
}
END_TEST

START_TEST(foreign_bytes_that_never_ran_are_a_foreign_fetch_at_the_end)
{
	lose(pfn);
	fetch(0, 4);
	checker_finish(checker);
	ck_assert(!expect(1, VIOLATION_FOREIGN_FETCH)->has_command);
	checker_finish(checker);
	ck_assert_uint_eq(checker->count, 1);
}
END_TEST

/* The page is somebody else's when it is fetched: what becomes of it later changes nothing. */
START_TEST(a_foreign_fetch_stays_one_when_the_page_comes_back)
{
	lose(pfn);
	fetch(0, 1);
	ledger_grant(ledger, holder, pfn, 1);
	touch(at(ACCESS_COMMAND_FETCH, QUEUE, pfn + 1)); /* legal, and remembered as such */
	run(0, EFFECT_DOMAIN, VMID);
	ck_assert_uint_eq(expect(1, VIOLATION_FOREIGN_COMMAND)->frame.owner, stranger);
}
END_TEST

/* Dropped by a stop, then read anew from a page that is promised again. */
START_TEST(a_dropped_fetch_is_not_blamed_for_what_is_fetched_later)
{
	lose(pfn);
	fetch(0, 4);
	ledger_grant(ledger, holder, pfn, 1);
	fetch(0, 4);
	ck_assert(!expect(1, VIOLATION_FOREIGN_FETCH)->has_command);
	run(0, EFFECT_DOMAIN, VMID);
	checker_finish(checker);
	ck_assert_uint_eq(checker->count, 1);
}
END_TEST

START_TEST(a_line_fetched_next_drops_nothing)
{
	lose(pfn);
	fetch(0, 4);
	fetch(4, 4);
	expect_none();
	for (uint32_t entry = 0; entry < 8; entry++)
		run(entry, EFFECT_NONE, 0);
	expect(8, VIOLATION_FOREIGN_COMMAND);
	ck_assert_uint_eq(checker->pending_count, 0);
}
END_TEST

START_TEST(only_the_foreign_page_of_a_fetch_holds_foreign_commands)
{
	const uint32_t second_page = PAGE_SIZE / COMMAND;
	lose(pfn + 1);
	fetch(second_page - 4, 8);
	for (uint32_t entry = second_page - 4; entry < second_page; entry++)
		run(entry, EFFECT_NONE, 0);
	expect_none();
	for (uint32_t entry = second_page; entry < second_page + 4; entry++)
		run(entry, EFFECT_NONE, 0);
	expect(4, VIOLATION_FOREIGN_COMMAND);
	ck_assert_uint_eq(checker->violations[0].command.index, second_page);
	ck_assert_uint_eq(checker->pending_count, 0);
}
END_TEST

START_TEST(a_command_of_another_queue_settles_nothing)
{
	struct probe probe = command(PROBE_EXECUTED, 0, EFFECT_DOMAIN, VMID);
	ledger_bind(ledger, port.engine, QUEUE + 1, holder, guest);
	ledger_bind(ledger, port.engine - 1, QUEUE, holder, guest);
	lose(pfn);
	fetch(0, 1);
	probe.context++;
	machine_tell_probe(machine, &probe);
	probe.context--;
	probe.engine--;
	machine_tell_probe(machine, &probe);
	run(1, EFFECT_DOMAIN, VMID); /* the next entry */
	expect_none();
	ck_assert_uint_eq(checker->pending_count, 1);
	run(0, EFFECT_DOMAIN, VMID);
	expect(1, VIOLATION_FOREIGN_COMMAND);
}
END_TEST

START_TEST(foreign_commands_of_a_queue_without_a_guest_are_foreign_commands)
{
	ledger_bind(ledger, port.engine, QUEUE, holder, LEDGER_NO_GUEST);
	lose(pfn);
	fetch(0, 1);
	run(0, EFFECT_DOMAIN, VMID);
	checker_finish(checker);
	expect(1, VIOLATION_FOREIGN_COMMAND);
}
END_TEST

/* ---- whom commands affect ---- */

START_TEST(commands_within_the_guests_reach_are_legal)
{
	run(0, EFFECT_DOMAIN, VMID);
	run(1, EFFECT_DEVICE, SID);
	run(2, EFFECT_NONE, 0);
	run(3, EFFECT_NONE, VMID + 1); /* no effect: the target means nothing */
	expect_none();
}
END_TEST

START_TEST(an_invalidation_of_another_domain_escaped)
{
	run(3, EFFECT_DOMAIN, VMID + 1);
	const struct violation *violation = expect(1, VIOLATION_ESCAPED_COMMAND);
	ck_assert(violation->has_command);
	ck_assert_uint_eq(violation->command.target, VMID + 1);
	ck_assert_uint_eq(violation->access.engine, port.engine);
	ck_assert_uint_eq(violation->access.context, QUEUE);
	ck_assert_uint_eq(violation->access.index, 3);
	ck_assert_uint_eq(violation->access.pa.value, pfn * PAGE_SIZE + 3 * COMMAND);
	ck_assert_uint_eq(violation->access.time_ps, 77);
	ck_assert_uint_eq(violation->writer, owner);
}
END_TEST

START_TEST(a_command_to_another_device_escaped)
{
	run(0, EFFECT_DEVICE, SID);
	run(1, EFFECT_DEVICE, SID + 1);
	expect(1, VIOLATION_ESCAPED_COMMAND);
	run(2, EFFECT_DEVICE, VMID); /* a domain's number is not a device's */
	expect(2, VIOLATION_ESCAPED_COMMAND);
	run(3, EFFECT_DOMAIN, SID);
	expect(3, VIOLATION_ESCAPED_COMMAND);
}
END_TEST

START_TEST(a_command_that_affects_everyone_escaped)
{
	run(0, EFFECT_DOMAIN, VMID);
	run(1, EFFECT_ALL, VMID);
	expect(1, VIOLATION_ESCAPED_COMMAND);
}
END_TEST

START_TEST(a_command_that_stopped_the_queue_affects_nobody)
{
	tell(PROBE_STOPPED, 0, EFFECT_ALL, 0);
	tell(PROBE_STOPPED, 1, EFFECT_DOMAIN, VMID + 1);
	expect_none();
}
END_TEST

START_TEST(an_escape_by_foreign_bytes_is_both)
{
	lose(pfn);
	fetch(0, 1);
	run(0, EFFECT_ALL, 0);
	expect(2, VIOLATION_ESCAPED_COMMAND);
	ck_assert_int_eq(checker->violations[0].kind, VIOLATION_FOREIGN_COMMAND);
}
END_TEST

START_TEST(a_guest_that_loses_its_reach_escapes_with_the_same_command)
{
	run(0, EFFECT_DOMAIN, VMID);
	run(1, EFFECT_DEVICE, SID);
	ledger_guest_reach(ledger, guest, REACH_DOMAIN, VMID, false);
	ledger_guest_reach(ledger, guest, REACH_DEVICE, SID, false);
	run(0, EFFECT_DOMAIN, VMID);
	expect(1, VIOLATION_ESCAPED_COMMAND);
	run(1, EFFECT_DEVICE, SID);
	expect(2, VIOLATION_ESCAPED_COMMAND);
}
END_TEST

START_TEST(a_legal_command_says_nothing_about_another_domain)
{
	run(0, EFFECT_DOMAIN, VMID);
	run(1, EFFECT_DOMAIN, VMID + 1);
	expect(1, VIOLATION_ESCAPED_COMMAND);
	run(2, EFFECT_DOMAIN, VMID);
	ledger_guest_reach(ledger, guest, REACH_DOMAIN, VMID + 1, true);
	run(3, EFFECT_DOMAIN, VMID + 1);
	ck_assert_uint_eq(checker->count, 1);
}
END_TEST

START_TEST(a_legal_command_says_nothing_about_another_guests)
{
	uint32_t neighbour = ledger_guest_new(ledger);
	struct probe probe = command(PROBE_EXECUTED, 0, EFFECT_DOMAIN, VMID);
	ledger_guest_reach(ledger, neighbour, REACH_DOMAIN, VMID + 1, true);
	ledger_bind(ledger, port.engine, QUEUE + 1, holder, neighbour);
	ledger_bind(ledger, port.engine - 1, QUEUE, holder, neighbour);
	run(0, EFFECT_DOMAIN, VMID);
	probe.context++;
	machine_tell_probe(machine, &probe);
	expect(1, VIOLATION_ESCAPED_COMMAND);
	run(0, EFFECT_DOMAIN, VMID);
	probe.context--;
	probe.engine--;
	machine_tell_probe(machine, &probe);
	expect(2, VIOLATION_ESCAPED_COMMAND);
	probe.target = VMID + 1;
	machine_tell_probe(machine, &probe);
	ck_assert_uint_eq(checker->count, 2);
}
END_TEST

START_TEST(a_queue_of_no_guest_may_affect_everyone)
{
	ledger_bind(ledger, port.engine, QUEUE, holder, LEDGER_NO_GUEST);
	run(0, EFFECT_ALL, 0);
	run(1, EFFECT_DOMAIN, VMID + 1);
	expect_none();
}
END_TEST

/* ---- limits and names ---- */

START_TEST(more_violations_than_fit_are_counted)
{
	revoke(pfn, 1);
	for (unsigned i = 0; i < VIOLATIONS_MAX + 10; i++)
		fetch(i, 1);
	ck_assert_uint_eq(checker->count, VIOLATIONS_MAX + 10);
	ck_assert_uint_eq(checker->violations[VIOLATIONS_MAX - 1].access.index, VIOLATIONS_MAX - 1);
}
END_TEST

START_TEST(more_pending_fetches_than_fit_are_not_lost)
{
	lose(pfn);
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
	ck_assert_str_eq(violation_name(VIOLATION_STALE_IOTLB), "stale-iotlb");
	ck_assert_str_eq(violation_name(VIOLATION_DMA_AFTER_SYNC), "dma-after-sync");
	ck_assert_str_eq(violation_name(VIOLATION_UNTRANSLATED), "untranslated");
	ck_assert_int_eq(violation_by_name("", 0), -1);
}
END_TEST

static TCase *group(Suite *suite, const char *name)
{
	TCase *tests = tcase_create(name);
	tcase_add_checked_fixture(tests, setup, teardown);
	suite_add_tcase(suite, tests);
	return tests;
}

static void add_accesses(Suite *suite)
{
	TCase *tests = group(suite, "accesses");
	tcase_add_test(tests, any_access_by_a_promise_is_legal);
	tcase_add_test(tests, an_access_while_the_promise_is_being_taken_back_is_legal);
	tcase_add_test(tests, a_revoked_page_of_the_same_owner_is_use_after_unmap);
	tcase_add_test(tests, a_free_page_is_use_after_free);
	tcase_add_test(tests, a_page_that_was_never_promised_is_a_wrong_address);
	tcase_add_test(tests, any_write_to_somebody_elses_page_is_a_foreign_write);
	tcase_add_test(tests, dma_from_somebody_elses_page_is_a_foreign_fetch_at_once);
	tcase_add_test(tests, whose_bytes_they_were_is_told_apart_from_whose_page_it_is);
	tcase_add_test(tests, an_old_translation_that_is_used_is_a_stale_iotlb);
	tcase_add_test(tests, what_a_device_keeps_itself_is_dma_after_sync);
	tcase_add_test(tests, tables_that_still_lead_to_a_page_are_no_stale_iotlb);
	tcase_add_test(tests, dma_that_bypasses_translation_is_untranslated);
	tcase_add_test(tests, a_bypass_to_a_promised_frame_is_untranslated);
	tcase_add_test(tests, a_foreign_write_is_one_on_any_path);
	tcase_add_test(tests, the_hosts_own_queues_and_devices_are_not_judged);
	tcase_add_test(tests, configuration_and_tables_are_the_hosts);
	tcase_add_test(tests, an_access_that_aborted_touched_nothing);
	tcase_add_test(tests, a_device_that_may_do_nothing_may_not_use_what_it_had);
	tcase_add_test(tests, a_device_between_two_domains_is_not_judged);
	tcase_add_test(tests, a_queue_of_a_destroyed_domain_is_still_judged);
	tcase_add_test(tests, an_access_is_judged_by_every_page_that_it_touches);
	tcase_add_test(tests, a_violation_names_the_call_that_bound_the_context);
	tests = group(suite, "memo");
	tcase_add_test(tests, a_revocation_is_seen_by_the_next_access);
	tcase_add_test(tests, a_legal_access_says_nothing_about_the_frames_around);
	tcase_add_test(tests, a_legal_access_says_nothing_about_another_context);
	tcase_add_test(tests, a_queue_with_a_new_holder_is_judged_anew);
}

static void add_commands(Suite *suite)
{
	TCase *tests = group(suite, "foreign bytes");
	tcase_add_test(tests, foreign_bytes_that_ran_are_foreign_commands);
	tcase_add_test(tests, foreign_bytes_that_stopped_the_queue_are_a_foreign_fetch);
	tcase_add_test(tests, foreign_bytes_that_never_ran_are_a_foreign_fetch_at_the_end);
	tcase_add_test(tests, a_foreign_fetch_stays_one_when_the_page_comes_back);
	tcase_add_test(tests, a_dropped_fetch_is_not_blamed_for_what_is_fetched_later);
	tcase_add_test(tests, a_line_fetched_next_drops_nothing);
	tcase_add_test(tests, only_the_foreign_page_of_a_fetch_holds_foreign_commands);
	tcase_add_test(tests, a_command_of_another_queue_settles_nothing);
	tests = group(suite, "escapes");
	tcase_add_test(tests, commands_within_the_guests_reach_are_legal);
	tcase_add_test(tests, an_invalidation_of_another_domain_escaped);
	tcase_add_test(tests, a_command_to_another_device_escaped);
	tcase_add_test(tests, a_command_that_affects_everyone_escaped);
	tcase_add_test(tests, a_command_that_stopped_the_queue_affects_nobody);
	tcase_add_test(tests, an_escape_by_foreign_bytes_is_both);
	tcase_add_test(tests, a_guest_that_loses_its_reach_escapes_with_the_same_command);
	tcase_add_test(tests, a_legal_command_says_nothing_about_another_domain);
	tcase_add_test(tests, a_legal_command_says_nothing_about_another_guests);
	tcase_add_test(tests, a_queue_of_no_guest_may_affect_everyone);
	tests = group(suite, "limits");
	tcase_add_test(tests, more_violations_than_fit_are_counted);
	tcase_add_test(tests, more_pending_fetches_than_fit_are_not_lost);
	tcase_add_test(tests, kinds_have_names_that_find_them);
	tcase_add_test(tests, an_escape_names_the_call_that_bound_the_queue);
	tcase_add_test(tests, foreign_commands_of_a_queue_without_a_guest_are_foreign_commands);
}

int main(void)
{
	Suite *suite = suite_create("checker");
	add_accesses(suite);
	add_commands(suite);
	return run_suite(suite);
}
