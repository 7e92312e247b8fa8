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
	machine->memory.track_stated = config->track_stated;
	ledger_init(&machine->ledger, machine);
	TAILQ_INIT(&machine->processes);
	machine->huge_free = config->huge_pages;
	wait_queue_init(&machine->poll_waiters);
	machine_owner(machine, "nobody");
	return machine;
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
	assert(machine->device_count < PATH_DEVICES_MAX);
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

bool fails_here(struct machine *machine, const char *name)
{
	struct failure_injector *failures = &machine->failures;
	failures->points++;
	if (failures->countdown == 0 || --failures->countdown > 0)
		return false;
	failures->hits++;
	failures->last = name;
	return true;
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
	hash_u64(hash, machine->root_user.locked_vm);
	hash_u64(hash, machine->huge_free);
}
