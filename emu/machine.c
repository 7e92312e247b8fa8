// SPDX-License-Identifier: Apache-2.0
#include "emu/machine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct machine_config machine_config_default(void)
{
	return (struct machine_config){
		.memory_bytes = 64ULL << 30,
		.ram_base = 1ULL << 32,
		.arena_bytes = 16ULL << 30,
		.huge_pages = 64,
		.rlimit_memlock = 8ULL << 20,
		.privileged = true,
		.reuse = REUSE_LIFO,
		.seed = 1,
	};
}

/* What belongs to the host rather than to the machine's state: never saved. */
struct host_side {
	struct machine *machine;
	jmp_buf guard;
	bool guarded;
};

static void exhausted(void *context)
{
	struct host_side *host = context;
	struct scheduler *scheduler = &host->machine->scheduler;
	task_abandon(scheduler);
	if (!host->guarded)
		abort();
	longjmp(host->guard, 1);
}

/* The arena's context is the host side; the root is the machine. */
struct machine_root {
	struct machine machine;
	struct host_side *host;
};

static struct machine *build(struct arena *arena, struct host_side *host,
			     const struct machine_config *config)
{
	struct machine_root *root = arena_new(arena, struct machine_root);
	struct machine *machine = &root->machine;
	root->host = host;
	host->machine = machine;
	machine->arena = arena;
	arena_set_root(arena, root);
	machine->config = *config;
	clock_init(&machine->clock, arena);
	scheduler_init(&machine->scheduler, arena, &machine->clock);
	memory_init(&machine->memory, arena, config->ram_base / PAGE_SIZE,
		    config->memory_bytes / PAGE_SIZE, config->reuse);
	machine->memory.machine = machine;
	machine->memory.random = config->seed;
	machine->memory.track_stated = config->track_stated;
	ledger_init(&machine->ledger, machine);
	TAILQ_INIT(&machine->processes);
	machine->huge_free = config->huge_pages;
	wait_queue_init(&machine->poll_waiters);
	machine_owner(machine, "nobody");
	return machine;
}

struct machine *machine_new(const struct machine_config *config)
{
	struct host_side *host = calloc(1, sizeof(*host));
	if (host == NULL)
		return NULL;
	struct arena *arena = arena_create(config->arena_bytes, exhausted, host);
	if (arena == NULL) {
		free(host);
		return NULL;
	}
	return build(arena, host, config);
}

struct machine *machine_renew(struct machine *machine, const struct machine_config *config)
{
	struct arena *arena = machine->arena;
	struct machine_root *root = arena_root(arena);
	struct host_side *host = root->host;
	host->guarded = false;
	arena_clear(arena);
	return build(arena, host, config);
}

void machine_free(struct machine *machine)
{
	struct machine_root *root = arena_root(machine->arena);
	struct host_side *host = root->host;
	arena_destroy(machine->arena);
	free(host);
}

jmp_buf *machine_guard_buffer(struct machine *machine)
{
	struct machine_root *root = arena_root(machine->arena);
	root->host->guarded = true;
	return &root->host->guard;
}

void machine_register_device(struct machine *machine, const char *path, device_open_fn *open,
			     void *context)
{
	if (machine->device_count == machine->device_capacity) {
		uint32_t old = machine->device_capacity, capacity = old == 0 ? 4 : 2 * old;
		machine->devices = arena_grow(machine->arena, machine->devices,
					      old * sizeof(*machine->devices),
					      capacity * sizeof(*machine->devices));
		machine->device_capacity = capacity;
	}
	machine->devices[machine->device_count++] = (struct path_device){path, open, context};
}

uint32_t machine_owner(struct machine *machine, const char *name)
{
	if (machine->owner_count == machine->owner_capacity) {
		uint32_t capacity = machine->owner_capacity == 0 ? 8 : machine->owner_capacity * 2;
		machine->owners = arena_grow(machine->arena, machine->owners,
					     machine->owner_capacity * sizeof(*machine->owners),
					     capacity * sizeof(*machine->owners));
		machine->owner_capacity = capacity;
	}
	struct owner *owner = &machine->owners[machine->owner_count];
	strncpy(owner->name, name, OWNER_NAME_MAX - 1);
	return machine->owner_count++;
}

void machine_owner_rename(struct machine *machine, uint32_t owner, const char *name)
{
	memset(machine->owners[owner].name, 0, OWNER_NAME_MAX);
	strncpy(machine->owners[owner].name, name, OWNER_NAME_MAX - 1);
}

const char *machine_owner_name(const struct machine *machine, uint32_t owner)
{
	return owner < machine->owner_count ? machine->owners[owner].name : "unknown";
}

uint32_t machine_engine(struct machine *machine, const char *name)
{
	uint32_t engine = 0;
	while (engine < machine->engine_count && strcmp(machine->engines[engine], name) != 0)
		engine++;
	if (engine == machine->engine_count) {
		assert(machine->engine_count < ENGINES_MAX);
		machine->engines[machine->engine_count++] = name;
	}
	return engine;
}

void machine_observe(struct machine *machine, const struct observer *observer)
{
	assert(machine->observer_count < OBSERVERS_MAX);
	machine->observers[machine->observer_count++] = *observer;
}

void machine_tell_note(struct machine *machine, const struct note *note)
{
	for (uint32_t i = 0; i < machine->observer_count; i++)
		if (machine->observers[i].note != NULL)
			machine->observers[i].note(machine->observers[i].context, machine, note);
}

void machine_tell_mmio(struct machine *machine, const struct mmio_access *access)
{
	for (uint32_t i = 0; i < machine->observer_count; i++)
		if (machine->observers[i].mmio != NULL)
			machine->observers[i].mmio(machine->observers[i].context, machine, access);
}

void machine_fail_nth(struct machine *machine, uint64_t nth, const char *only)
{
	struct failure_injector *failures = &machine->failures;
	failures->countdown = nth;
	failures->only = only;
	memset(failures->passed, 0, sizeof(failures->passed));
}

/* Which of its name the point is. */
static uint64_t rank(struct failure_injector *failures, const char *name)
{
	for (uint32_t i = 0; i < FAILURE_NAMES_MAX; i++) {
		if (failures->passed[i].name == NULL)
			failures->passed[i].name = name;
		if (strcmp(failures->passed[i].name, name) == 0)
			return ++failures->passed[i].count;
	}
	return 0;
}

bool fails_here(struct machine *machine, const char *name)
{
	struct failure_injector *failures = &machine->failures;
	failures->points++;
	if (failures->countdown == 0 ||
	    (failures->only != NULL && strcmp(failures->only, name) != 0))
		return false;
	uint64_t nth = rank(failures, name);
	if (--failures->countdown > 0)
		return false;
	failures->hits++;
	failures->last = name;
	failures->last_rank = nth;
	return true;
}

void machine_delay(struct machine *machine, uint64_t delay_ps, const char *where)
{
	uint64_t until_ps = machine->clock.now_ps + delay_ps;
	if (machine->scheduler.current != NULL) {
		task_preempt(&machine->scheduler, delay_ps, where);
		return;
	}
	while (clock_next(&machine->clock) <= until_ps)
		clock_step(&machine->clock);
	machine->clock.now_ps = until_ps > machine->clock.now_ps ? until_ps : machine->clock.now_ps;
}

void machine_hash(struct machine *machine, struct hash *hash)
{
	struct process *process;
	hash_u64(hash, machine->clock.now_ps);
	hash_u64(hash, machine->clock.pending);
	memory_hash(&machine->memory, hash);
	ledger_hash(&machine->ledger, hash);
	TAILQ_FOREACH (process, &machine->processes, link)
		process_hash(process, hash);
	swap_hash(machine, hash);
	hash_u64(hash, machine->root_user.locked_vm);
	hash_u64(hash, machine->huge_free);
	irq_hash(&machine->irqs, hash);
	for (uint32_t i = 0; i < machine->faults.count; i++)
		hash_u64(hash, machine->faults.faults[i].seen);
	for (uint32_t i = 0; i < machine->bus.fault_count; i++)
		hash_u64(hash, machine->bus.faults[i].seen);
}
