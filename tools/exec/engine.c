// SPDX-License-Identifier: Apache-2.0
/*
 * hwq exec --profile: hardware behind the shim, and what the checker says of it.
 *
 * A client's doorbell is a store to shared memory, which nobody is told of. So the supervisor looks
 * at the registers of mapped pages every millisecond and before each call: what a client changed is
 * written to the hardware, which then runs until nothing is left to do; what the hardware changed
 * goes back to the page.
 */
#include "tools/exec/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "emu/checker.h"
#include "kernel_shim/uapi/layout.h"
#include "kernel_shim/vfio_cdev.h"
#include "tools/runner/platform.h"

#define DEVICE_PATH "/dev/vfio/devices/vfio0"
#define DEVICE_ID   0x10U
#define STEPS_MAX   1000000U

/* A call that the shim did: who asked, for reports. */
struct call_site {
	uint64_t id; /* the machine's number of it */
	pid_t pid;
	pid_t tid;
	const char *name;
	int64_t result;
};

struct engine {
	struct exec *exec;
	const struct platform *platform;
	void *hardware;
	struct checker *checker;
	uint32_t told;
	GArray *sites; /* struct call_site */
};

struct engine *engine_new(struct exec *exec, const struct exec_options *options)
{
	struct profile profile;
	struct trace_diag diag;
	struct trace_pos pos = {1, 1};
	struct option_set assumptions;
	struct engine *engine = g_new0(struct engine, 1);
	engine->exec = exec;
	if (platform_profile(options->profile, "--profile", pos, &profile, &engine->platform,
			     &diag) != 0 ||
	    platform_probes(engine->platform, &profile, options->profile, "--profile", pos,
			    &diag) != 0) {
		fprintf(stderr, "hwq exec: %s\n", trace_diag_text(&diag));
		g_free(engine);
		return NULL;
	}
	option_set_init(&assumptions, engine->platform->assumptions);
	for (const char *const *text = options->hardware; text != NULL && *text != NULL; text++) {
		unsigned option, value;
		if (option_find(engine->platform->assumptions, *text, &option, &value))
			assumptions.values[option] = (uint8_t)value;
	}
	engine->checker = checker_new(exec->machine);
	engine->hardware = engine->platform->create(exec->machine, &profile, &assumptions, false);
	struct device *device = engine->platform->add_device(engine->hardware, DEVICE_ID, false);
	vfio_cdev_register(exec->machine, DEVICE_PATH, device);
	engine->sites = g_array_new(FALSE, FALSE, sizeof(struct call_site));
	return engine;
}

/* --- registers in shared memory --- */

static bool is_registers(struct engine *engine, const struct shared_region *region)
{
	return bus_find(&engine->exec->machine->bus, pa_of(region->pfn * PAGE_SIZE)) != NULL;
}

/* REGISTER of a queue's slot: the page's value against what the hardware last said. */
static bool exchange(struct engine *engine, struct shared_region *region, uint64_t slot,
		     const struct platform_register *reg)
{
	struct bus *bus = &engine->exec->machine->bus;
	uint64_t offset = slot + reg->offset, now = 0, known = 0;
	struct pa pa = pa_of(region->pfn * PAGE_SIZE + offset);
	if (offset + reg->width > region->length ||
	    !region_copy(region, offset, &now, NULL, reg->width))
		return false;
	memcpy(&known, region->known + offset, reg->width);
	bool changed = now != known;
	if (changed)
		bus_write(bus, pa, reg->width, now);
	uint64_t value = bus_read(bus, pa, reg->width);
	/* Only what the hardware changed: a store that came meanwhile must not be undone. */
	if (value != now)
		region_copy(region, offset, NULL, &value, reg->width);
	memcpy(region->known + offset, &value, reg->width);
	return changed;
}

static bool exchange_all(struct engine *engine)
{
	const struct platform *platform = engine->platform;
	GPtrArray *regions = engine->exec->regions;
	bool changed = false;
	for (guint i = 0; i < regions->len; i++) {
		struct shared_region *region = regions->pdata[i];
		if (!is_registers(engine, region))
			continue;
		if (region->known == NULL)
			region->known = g_malloc0(region->length);
		for (uint32_t index = 0; index < platform->queue_indices; index++)
			for (const struct platform_register *reg = platform->registers;
			     reg->name != NULL; reg++)
				changed |= exchange(engine, region,
						    (uint64_t)index * platform->queue_stride, reg);
	}
	return changed;
}

bool engine_has_registers(struct engine *engine)
{
	if (engine == NULL)
		return false;
	for (guint i = 0; i < engine->exec->regions->len; i++)
		if (is_registers(engine, engine->exec->regions->pdata[i]))
			return true;
	return false;
}

/* --- reports --- */

static const struct call_site *site_of(const struct engine *engine, uint64_t id)
{
	for (guint i = engine->sites->len; i-- > 0;) {
		const struct call_site *site = &g_array_index(engine->sites, struct call_site, i);
		if (site->id == id)
			return site;
	}
	return NULL;
}

static void print_site(const struct engine *engine, const char *what, uint64_t id)
{
	const struct call_site *site = site_of(engine, id);
	if (site != NULL)
		fprintf(stderr,
			"  %s: %s by process %d, thread %d, call %" PRIu64 " = %" PRId64 "\n", what,
			site->name, site->pid, site->tid, site->id, site->result);
}

static void print_assumptions(const struct engine *engine)
{
	const struct option_set *assumed = engine->platform->assumed(engine->hardware);
	bool any = false;
	for (unsigned i = 0; assumed->options[i].key != NULL; i++) {
		if (!assumed->consulted[i])
			continue;
		fprintf(stderr, "%s%s=%s", any ? ", " : "  rests on: ", assumed->options[i].key,
			assumed->options[i].values[assumed->values[i]].name);
		any = true;
	}
	if (any)
		fputc('\n', stderr);
}

static void print_violation(const struct engine *engine, const struct violation *violation)
{
	struct machine *machine = engine->exec->machine;
	const struct access *access = &violation->access;
	GString *queue = g_string_new(NULL);
	bool free_frame = violation->frame.references == 0 && violation->frame.pins == 0;
	if (!(access->context & CONTEXT_DEVICE(0)))
		engine->platform->queue_text(engine->hardware, access->context, queue);
	fprintf(stderr, "hwq exec: violation: %s by %s%s%s at %" PRIu64 ".%03" PRIu64 " ns\n",
		violation_name(violation->kind), machine->engines[access->engine],
		queue->len > 0 ? ", " : "", queue->str, access->time_ps / 1000,
		access->time_ps % 1000);
	fprintf(stderr, "  accessed: %u bytes at PA 0x%" PRIx64, access->size, access->pa.value);
	if (access->path != PATH_PHYSICAL)
		fprintf(stderr, ", given as 0x%" PRIx64, access->input);
	fprintf(stderr, "\n  the frame: now %s; the bytes were %s's\n",
		free_frame ? "free" : machine_owner_name(machine, violation->frame.owner),
		machine_owner_name(machine, violation->writer));
	if (violation->promise.state == PROMISE_REVOKED)
		print_site(engine, "revoked",
			   machine->ledger.revocations[violation->promise.revocation].call);
	print_site(engine, "the queue was made", violation->bound_by);
	print_assumptions(engine);
	g_string_free(queue, TRUE);
}

static void tell(struct engine *engine)
{
	const struct checker *checker = engine->checker;
	for (; engine->told < checker->count && engine->told < VIOLATIONS_MAX; engine->told++)
		if (engine->exec->options->check)
			print_violation(engine, &checker->violations[engine->told]);
}

/* --- running --- */

void engine_run(struct engine *engine)
{
	if (engine == NULL)
		return;
	struct exec *exec = engine->exec;
	struct machine *machine = exec->machine;
	GHashTableIter iter;
	gpointer client;
	exec->calls++; /* mirrors are to be looked at anew */
	g_hash_table_iter_init(&iter, exec->clients);
	while (engine_has_registers(engine) && g_hash_table_iter_next(&iter, NULL, &client))
		mirror_refresh(client);
	if (machine_guard(machine) != 0) {
		exec->failed = true;
		return;
	}
	for (int round = 0; round < 2; round++) {
		exchange_all(engine);
		for (uint32_t steps = 0; steps < STEPS_MAX && clock_step(&machine->clock); steps++)
			;
	}
	tell(engine);
}

void engine_called(struct engine *engine, const struct client *client)
{
	const struct syscall *call = engine != NULL ? engine->exec->call : NULL;
	if (call == NULL || call->number != SYS_IOCTL)
		return;
	const struct ioctl_layout *layout = ioctl_layout_by_cmd((uint32_t)call->args[1]);
	struct call_site site = {
		.id = call->id,
		.pid = client->pid,
		.tid = (pid_t)engine->exec->notif->pid,
		.name = layout != NULL ? layout->name : "ioctl",
		.result = call->result,
	};
	g_array_append_val(engine->sites, site);
}

void engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	checker_finish(engine->checker);
	tell(engine);
	if (engine->exec->options->check)
		fprintf(stderr, "hwq exec: %u violations\n", engine->checker->count);
	g_array_free(engine->sites, TRUE);
	g_free(engine);
}
