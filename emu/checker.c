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
}

static enum violation_kind kind_of(enum judgement judgement, const struct access *access)
{
	switch (judgement) {
	case ACCESS_AFTER_UNMAP:
		return VIOLATION_USE_AFTER_UNMAP;
	case ACCESS_AFTER_FREE:
		return VIOLATION_USE_AFTER_FREE;
	case ACCESS_FOREIGN:
		return access_writes(access) ? VIOLATION_FOREIGN_WRITE : VIOLATION_FOREIGN_FETCH;
	default:
		return VIOLATION_WRONG_ADDRESS;
	}
}

/* The queue reads the same entries again: it dropped what it had of them, which never ran. */
static void supersede(struct checker *checker, const struct access *access)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < checker->pending_count; i++) {
		const struct violation *pending = &checker->pending[i];
		const struct access *old = &pending->access;
		bool same = access->context == old->context &&
			    strcmp(access->engine, old->engine) == 0 &&
			    access->pa.value < old->pa.value + old->size &&
			    old->pa.value < access->pa.value + access->size;
		if (same)
			record(checker, pending);
		else
			checker->pending[kept++] = *pending;
	}
	checker->pending_count = kept;
}

/* Only what an engine does for a guest is judged: the host's own queues have no binding. */
static void watch(struct machine *machine, const struct access *access)
{
	struct checker *checker = machine->observer;
	struct ledger *ledger = &machine->ledger;
	const struct ledger_binding *binding =
		ledger_binding(ledger, access->engine, access->context);
	bool queue =
		access->purpose == ACCESS_COMMAND_FETCH || access->purpose == ACCESS_POINTER_WRITE;
	if (binding == NULL || !queue)
		return;
	if (access->purpose == ACCESS_COMMAND_FETCH)
		supersede(checker, access);
	if (access->status != PORT_OK)
		return;
	enum judgement judgement = checker_judge(ledger, binding->holder, access->pa);
	if (judgement == ACCESS_LEGAL)
		return;
	uint64_t pfn = pa_pfn(access->pa);
	struct violation violation = {
		.kind = kind_of(judgement, access),
		.access = *access,
		.promise = ledger_promise(ledger, binding->holder, pfn),
		.frame = memory_frame(&machine->memory, pfn, NULL),
		.writer = memory_writer(&machine->memory, pfn),
		.vmid = binding->vmid,
	};
	if (violation.kind == VIOLATION_FOREIGN_FETCH && checker->pending_count < PENDING_MAX)
		checker->pending[checker->pending_count++] = violation;
	else
		record(checker, &violation);
}

static bool covers(const struct access *access, const struct probe *probe)
{
	return access->context == probe->context && strcmp(access->engine, probe->engine) == 0 &&
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
			    probe->pa.value + 16 >= pending->access.pa.value + pending->access.size;
		if (last)
			*pending = checker->pending[--checker->pending_count];
		return;
	}
}

#define OPCODE_TLBI_FIRST 0x10U
#define OPCODE_TLBI_LAST  0x3fU

/* An invalidation reached a VMID that is not the queue owner's. */
static bool escaped(const struct ledger_binding *binding, const struct probe *probe)
{
	uint32_t opcode = probe->ran[0] & 0xff;
	uint32_t vmid = probe->ran[0] >> 32 & 0xffff;
	return opcode >= OPCODE_TLBI_FIRST && opcode <= OPCODE_TLBI_LAST && vmid != binding->vmid;
}

static void on_probe(struct machine *machine, const struct probe *probe)
{
	struct checker *checker = machine->observer;
	const struct ledger_binding *binding =
		ledger_binding(&machine->ledger, probe->engine, probe->context);
	if (binding == NULL)
		return;
	settle(checker, probe);
	if (probe->kind != PROBE_EXECUTED || !escaped(binding, probe))
		return;
	struct violation violation = {
		.kind = VIOLATION_ESCAPED_COMMAND,
		.access = {.engine = probe->engine,
			   .context = probe->context,
			   .purpose = ACCESS_COMMAND_FETCH,
			   .pa = probe->pa,
			   .size = 16,
			   .index = probe->index,
			   .time_ps = probe->time_ps},
		.frame = memory_frame(&machine->memory, pa_pfn(probe->pa), NULL),
		.writer = memory_writer(&machine->memory, pa_pfn(probe->pa)),
		.has_command = true,
		.command = *probe,
		.vmid = binding->vmid,
	};
	record(checker, &violation);
}

struct checker *checker_new(struct machine *machine)
{
	struct checker *checker = arena_new(machine->arena, struct checker);
	checker->machine = machine;
	machine->observer = checker;
	machine->watch = watch;
	machine->probe = on_probe;
	return checker;
}

void checker_finish(struct checker *checker)
{
	for (uint32_t i = 0; i < checker->pending_count; i++)
		record(checker, &checker->pending[i]);
	checker->pending_count = 0;
}
