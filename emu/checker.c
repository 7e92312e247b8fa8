// SPDX-License-Identifier: Apache-2.0
#include "emu/checker.h"

#include <string.h>

static const char *const names[VIOLATION_KINDS] = {
	[VIOLATION_USE_AFTER_UNMAP] = "use-after-unmap",
	[VIOLATION_USE_AFTER_FREE] = "use-after-free",
	[VIOLATION_FOREIGN_FETCH] = "foreign-fetch",
	[VIOLATION_FOREIGN_WRITE] = "foreign-write",
	[VIOLATION_FOREIGN_COMMAND] = "foreign-command",
	[VIOLATION_STALE_IOTLB] = "stale-iotlb",
	[VIOLATION_DMA_AFTER_SYNC] = "dma-after-sync",
	[VIOLATION_UNTRANSLATED] = "untranslated",
	[VIOLATION_WRONG_ADDRESS] = "wrong-address",
	[VIOLATION_ESCAPED_COMMAND] = "escaped-command",
};

const char *violation_name(enum violation_kind kind)
{
	return names[kind];
}

int violation_by_name(const char *name, size_t length)
{
	for (int kind = 0; kind < VIOLATION_KINDS; kind++)
		if (strlen(names[kind]) == length && memcmp(names[kind], name, length) == 0)
			return kind;
	return -1;
}

static void record(struct checker *checker, const struct violation *violation)
{
	if (checker->count < VIOLATIONS_MAX)
		checker->violations[checker->count] = *violation;
	checker->count++;
	checker->kinds[violation->kind]++;
}

static enum violation_kind kind_of(enum judgement judgement, const struct access *access)
{
	if (judgement == ACCESS_FOREIGN)
		return access_writes(access) ? VIOLATION_FOREIGN_WRITE : VIOLATION_FOREIGN_FETCH;
	if (access->path == PATH_BYPASS)
		return VIOLATION_UNTRANSLATED;
	if (judgement == ACCESS_NEVER_PROMISED)
		return VIOLATION_WRONG_ADDRESS;
	if (access->path == PATH_CACHED)
		return VIOLATION_STALE_IOTLB;
	if (access->path == PATH_DEVICE)
		return VIOLATION_DMA_AFTER_SYNC;
	return judgement == ACCESS_AFTER_FREE ? VIOLATION_USE_AFTER_FREE
					      : VIOLATION_USE_AFTER_UNMAP;
}

static uint64_t key_of(uint32_t engine, uint32_t context)
{
	return (uint64_t)engine << 32 | context;
}

static bool same_queue(const struct access *access, uint32_t engine, uint32_t context)
{
	return access->context == context && access->engine == engine;
}

/* The queue reads the same entries again: it dropped what it had of them, which never ran. */
static void supersede(struct checker *checker, const struct access *access)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < checker->pending_count; i++) {
		const struct violation *pending = &checker->pending[i];
		const struct access *old = &pending->access;
		bool same = same_queue(old, access->engine, access->context) &&
			    access->pa.value < old->pa.value + old->size &&
			    old->pa.value < access->pa.value + access->size;
		if (same)
			record(checker, pending);
		else
			checker->pending[kept++] = *pending;
	}
	checker->pending_count = kept;
}

/* Configuration and tables are the host's own memory: nobody promised them to a guest. */
static bool judged(enum access_purpose purpose)
{
	return purpose != ACCESS_CONFIG_FETCH && purpose != ACCESS_CONFIG_WRITE &&
	       purpose != ACCESS_TABLE_WALK;
}

__attribute__((noinline)) static void judge_access(struct checker *checker, struct machine *machine,
						   const struct access *access)
{
	struct ledger *ledger = &machine->ledger;
	struct checker_memo *memo = &checker->memo;
	const struct ledger_binding *binding =
		ledger_binding(ledger, access->engine, access->context);
	if (binding == NULL)
		return;
	if (access->purpose == ACCESS_COMMAND_FETCH && checker->pending_count > 0)
		supersede(checker, access);
	if (access->status != PORT_OK || binding->holder == LEDGER_IN_TRANSITION)
		return;
	uint64_t pfn = pa_pfn(access->pa);
	bool bypass = access->path == PATH_BYPASS;
	if (!bypass &&
	    ledger_granted_run(ledger, binding->holder, pfn, &memo->first, &memo->last)) {
		memo->version = ledger->version;
		memo->key = key_of(access->engine, access->context);
		return;
	}
	enum judgement judgement = checker_judge(ledger, binding->holder, access->pa);
	if (judgement == ACCESS_LEGAL && !bypass)
		return;
	struct violation violation = {
		.kind = kind_of(judgement, access),
		.access = *access,
		.promise = ledger_promise(ledger, binding->holder, pfn),
		.frame = memory_frame(&machine->memory, pfn, NULL),
		.writer = memory_writer(&machine->memory, pfn),
		.bound_by = binding->call,
	};
	bool unsettled = violation.kind == VIOLATION_FOREIGN_FETCH &&
			 access->purpose == ACCESS_COMMAND_FETCH;
	if (unsettled && checker->pending_count < PENDING_MAX)
		checker->pending[checker->pending_count++] = violation;
	else
		record(checker, &violation);
}

/* Only what an engine does for a guest is judged: the host's own queues have no binding. */
static void on_page_access(struct checker *checker, struct machine *machine,
			   const struct access *access)
{
	const struct checker_memo *memo = &checker->memo;
	bool like_before = access->path != PATH_BYPASS &&
			   memo->version == machine->ledger.version &&
			   memo->key == key_of(access->engine, access->context) &&
			   pa_pfn(access->pa) - memo->first <= memo->last - memo->first;
	if (judged(access->purpose) && (!like_before || checker->pending_count > 0))
		judge_access(checker, machine, access);
}

/* Promises are made by the page: so are judgements. */
static void on_access(void *context, struct machine *machine, const struct access *access)
{
	uint64_t room = PAGE_SIZE - page_offset(access->pa.value);
	struct access piece = *access;
	if (access->size <= room) {
		on_page_access(context, machine, access);
		return;
	}
	for (uint32_t left = access->size; left > 0; left -= piece.size) {
		room = PAGE_SIZE - page_offset(piece.pa.value);
		piece.size = left < room ? left : (uint32_t)room;
		on_page_access(context, machine, &piece);
		piece.pa.value += piece.size;
	}
}

static bool covers(const struct access *access, const struct probe *probe)
{
	return same_queue(access, probe->engine, probe->context) &&
	       probe->pa.value - access->pa.value < access->size;
}

/* The command at PROBE ran or stopped the queue: its fetch is settled. */
static void settle(struct checker *checker, const struct probe *probe)
{
	for (uint32_t i = checker->pending_count; i-- > 0;) {
		struct violation *pending = &checker->pending[i];
		if (!covers(&pending->access, probe))
			continue;
		struct violation violation = *pending;
		violation.has_command = true;
		violation.command = *probe;
		if (probe->kind == PROBE_EXECUTED)
			violation.kind = VIOLATION_FOREIGN_COMMAND;
		record(checker, &violation);
		/* A line holds several commands: it stays pending for the next of them. */
		bool last = probe->kind == PROBE_STOPPED ||
			    probe->pa.value + sizeof(probe->fetched) >=
				    pending->access.pa.value + pending->access.size;
		if (last)
			*pending = checker->pending[--checker->pending_count];
		return;
	}
}

static bool escaped(struct ledger *ledger, uint32_t guest, const struct probe *probe)
{
	switch (probe->effect) {
	case EFFECT_DOMAIN:
		return !ledger_guest_reaches(ledger, guest, REACH_DOMAIN, probe->target);
	case EFFECT_DEVICE:
		return !ledger_guest_reaches(ledger, guest, REACH_DEVICE, probe->target);
	case EFFECT_ALL:
		return true;
	case EFFECT_NONE:
		break;
	}
	return false;
}

__attribute__((noinline)) static void
judge_command(struct checker *checker, struct machine *machine, const struct probe *probe)
{
	struct checker_memo *memo = &checker->memo;
	const struct ledger_binding *binding =
		ledger_binding(&machine->ledger, probe->engine, probe->context);
	if (binding == NULL)
		return;
	if (checker->pending_count > 0)
		settle(checker, probe);
	if (probe->kind != PROBE_EXECUTED || binding->guest == LEDGER_NO_GUEST)
		return;
	if (!escaped(&machine->ledger, binding->guest, probe)) {
		if (probe->effect == EFFECT_DOMAIN) {
			memo->reach_version = machine->ledger.version;
			memo->reach_key = key_of(probe->engine, probe->context);
			memo->reach_target = probe->target;
		}
		return;
	}
	struct violation violation = {
		.kind = VIOLATION_ESCAPED_COMMAND,
		.access = {.engine = probe->engine,
			   .context = probe->context,
			   .purpose = ACCESS_COMMAND_FETCH,
			   .pa = probe->pa,
			   .size = sizeof(probe->fetched),
			   .index = probe->index,
			   .time_ps = probe->time_ps,
			   .number = machine->access_count},
		.frame = memory_frame(&machine->memory, pa_pfn(probe->pa), NULL),
		.writer = memory_writer(&machine->memory, pa_pfn(probe->pa)),
		.bound_by = binding->call,
		.has_command = true,
		.command = *probe,
	};
	record(checker, &violation);
}

static void on_probe(void *context, struct machine *machine, const struct probe *probe)
{
	struct checker *checker = context;
	const struct checker_memo *memo = &checker->memo;
	bool harmless =
		probe->effect == EFFECT_NONE ||
		(probe->effect == EFFECT_DOMAIN && memo->reach_version == machine->ledger.version &&
		 memo->reach_key == key_of(probe->engine, probe->context) &&
		 memo->reach_target == probe->target);
	if (!harmless || checker->pending_count > 0)
		judge_command(checker, machine, probe);
}

struct checker *checker_new(struct machine *machine)
{
	struct checker *checker = arena_new(machine->arena, struct checker);
	checker->memo.version = checker->memo.reach_version = UINT64_MAX;
	machine_observe(
		machine,
		&(struct observer){.context = checker, .access = on_access, .probe = on_probe});
	return checker;
}

/* A fetch was recorded when it was settled, after accesses that came later. Stable. */
static void sort_by_access(struct checker *checker)
{
	uint32_t count = checker->count < VIOLATIONS_MAX ? checker->count : VIOLATIONS_MAX;
	struct violation *all = checker->violations;
	for (uint32_t i = 1; i < count; i++) {
		struct violation moved = all[i];
		uint32_t at = i;
		for (; at > 0 && all[at - 1].access.number > moved.access.number; at--)
			all[at] = all[at - 1];
		all[at] = moved;
	}
}

void checker_finish(struct checker *checker)
{
	for (uint32_t i = 0; i < checker->pending_count; i++)
		record(checker, &checker->pending[i]);
	checker->pending_count = 0;
	sort_by_access(checker);
}
