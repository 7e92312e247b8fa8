// SPDX-License-Identifier: Apache-2.0
#include "tools/runner/chronicle.h"

#include "emu/syscall.h"

/* A new entry, or NULL when there are too many. */
static struct chronicle_entry *add(struct chronicle *chronicle, enum chronicle_kind kind)
{
	struct machine *machine = chronicle->machine;
	const struct task *task = machine->scheduler.current;
	if (chronicle->count == CHRONICLE_MAX) {
		chronicle->left_out++;
		return NULL;
	}
	if (chronicle->count == chronicle->capacity) {
		uint32_t capacity = chronicle->capacity == 0 ? 64 : chronicle->capacity * 2;
		chronicle->entries = arena_grow(machine->arena, chronicle->entries,
						chronicle->capacity * sizeof(*chronicle->entries),
						capacity * sizeof(*chronicle->entries));
		chronicle->capacity = capacity;
	}
	struct chronicle_entry *entry = &chronicle->entries[chronicle->count++];
	entry->kind = kind;
	entry->time_ps = machine->clock.now_ps;
	entry->accesses = machine->access_count;
	entry->call = task != NULL ? task_syscall_id(task) : 0;
	entry->line = task == NULL ? chronicle->line : 0;
	return entry;
}

/* Only queues that act for a guest: the host's own are shown by what its calls return. */
static bool of_a_guest(struct machine *machine, uint32_t engine, uint32_t context)
{
	const struct ledger_binding *binding = ledger_binding(&machine->ledger, engine, context);
	return binding != NULL && binding->guest != LEDGER_NO_GUEST;
}

static void on_access(void *context, struct machine *machine, const struct access *access)
{
	if (!of_a_guest(machine, access->engine, access->context))
		return;
	struct chronicle_entry *entry = add(context, CHRONICLE_ACCESS);
	if (entry != NULL)
		entry->access = *access;
}

static void on_probe(void *context, struct machine *machine, const struct probe *probe)
{
	if (!of_a_guest(machine, probe->engine, probe->context))
		return;
	struct chronicle_entry *entry = add(context, CHRONICLE_PROBE);
	if (entry != NULL)
		entry->probe = *probe;
}

static void on_note(void *context, struct machine *machine, const struct note *note)
{
	(void)machine;
	struct chronicle_entry *entry = add(context, CHRONICLE_NOTE);
	if (entry != NULL)
		entry->note = *note;
}

struct chronicle *chronicle_new(struct machine *machine)
{
	struct chronicle *chronicle = arena_new(machine->arena, struct chronicle);
	chronicle->machine = machine;
	machine_observe(machine, &(struct observer){.context = chronicle,
						    .access = on_access,
						    .probe = on_probe,
						    .note = on_note});
	return chronicle;
}
