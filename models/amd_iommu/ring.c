// SPDX-License-Identifier: Apache-2.0
/*
 * Command rings: the host's and the guests' (amd-iommu 6; amd-viommu 10).
 *
 * One event a ring drives it. A fetch is begun when its address is translated and happens when its
 * time has passed; a command is taken, which moves head, and is done when its time has passed.
 */
#include <string.h>

#include "models/amd_iommu/amd_iommu.h"

static uint32_t wrap(const struct amd_ring *ring, uint32_t offset)
{
	return offset & (ring->size - 1);
}

static bool ready(const struct amd_ring *ring)
{
	return ring->size != 0 && ring->head != ring->tail;
}

bool amd_ring_running(const struct amd_ring *ring)
{
	uint64_t needed =
		CONTROL_IOMMU_EN | (ring->guest != NULL ? CONTROL_VCMD_EN | CONTROL_VIOMMU_EN : 0);
	return ring->enabled && !ring->halted && (ring->amd->control & needed) == needed;
}

static bool runnable(const struct amd_ring *ring)
{
	return amd_ring_running(ring) && ready(ring);
}

static bool line_has(const struct amd_ring *ring, uint32_t offset)
{
	return ring->line_count > 0 &&
	       wrap(ring, offset - ring->line_at) < ring->line_count * COMMAND_SIZE;
}

static void post_work(struct amd_ring *ring, uint64_t delay_ps)
{
	struct clock *clock = &ring->amd->machine->clock;
	ring->due_ps = clock->now_ps + delay_ps;
	clock_post(clock, &ring->work, ring->due_ps, EVENT_HARDWARE);
}

/* It stops at the command behind which head is; POLICY: the assumption that says where head stands. */
static void halt(struct amd_ring *ring, enum amd_assumption policy)
{
	if (ring->moved)
		return;
	if (option_get(&ring->amd->assumptions, policy) == AMD_HEAD_AT)
		ring->head = wrap(ring, ring->head - COMMAND_SIZE);
	ring->halted = true;
	ring->line_count = 0;
}

/* --- fetch --- */

/* How many commands a fetch at head takes; tail covers them, and they do not wrap. */
static uint32_t fetch_count(const struct amd_ring *ring)
{
	uint32_t available = wrap(ring, ring->tail - ring->head) / COMMAND_SIZE;
	uint32_t room = (ring->size - ring->head) / COMMAND_SIZE;
	uint32_t count = LINE_COMMANDS - ring->head / COMMAND_SIZE % LINE_COMMANDS;
	if (option_get(&ring->amd->assumptions, AMD_PREFETCH) == AMD_PREFETCH_SINGLE)
		count = 1;
	count = count < available ? count : available;
	return count < room ? count : room;
}

/* Finds the place of the next commands; false: the ring has halted, or gone past them. */
static bool begin_fetch(struct amd_ring *ring, uint64_t *cost_ps)
{
	struct amd_translation translation = {.path = PATH_PHYSICAL};
	struct amd_guest *guest = ring->guest;
	uint64_t base = guest != NULL ? amd_buffer_at(guest, IPA_RINGS, ring->base) : ring->base;
	ring->fetch_at = ring->head;
	ring->fetch_input = base + ring->head;
	ring->fetch_count = fetch_count(ring);
	ring->dropped = false;
	ring->moved = false;
	if (guest == NULL) {
		translation.pa = pa_of(ring->fetch_input);
	} else if (amd_buffer_translate(guest, ring->fetch_input, false, &translation) !=
		   AMD_TRANSLATED) {
		amd_log_buffer_fault(guest, translation.event, EVT_VCMD);
		if (option_get(&ring->amd->assumptions, AMD_FAULT_STOP) == AMD_FAULT_SKIPS) {
			ring->head = wrap(ring, ring->head + ring->fetch_count * COMMAND_SIZE);
			return false;
		}
		ring->head = wrap(ring, ring->head + COMMAND_SIZE);
		halt(ring, AMD_FAULT_HEAD);
		return false;
	}
	ring->fetch_pa = translation.pa;
	ring->fetch_path = translation.path;
	*cost_ps = translation.cost_ps;
	return true;
}

static enum port_status fetch(struct amd_ring *ring)
{
	struct access access = {
		.context = ring->context,
		.purpose = ACCESS_COMMAND_FETCH,
		.path = ring->fetch_path,
		.input = ring->fetch_input,
		.pa = ring->fetch_pa,
		.size = ring->fetch_count * COMMAND_SIZE,
		.index = ring->fetch_at / COMMAND_SIZE,
	};
	ring->line_at = ring->fetch_at;
	ring->line_count = ring->fetch_count;
	ring->line_pa = ring->fetch_pa;
	return port_read(&ring->amd->port, &access, ring->line);
}

/* --- stops --- */

static void tell_stop(struct amd_ring *ring, unsigned code)
{
	struct probe *probe = &ring->probe;
	probe->kind = PROBE_STOPPED;
	probe->error = code;
	probe->effect = EFFECT_NONE;
	probe->removed = 0;
	probe->time_ps = ring->amd->machine->clock.now_ps;
	machine_tell_probe(ring->amd->machine, probe);
}

/* Logs why and halts; the event has a physical address: the command's, or where it failed (6.1, 13). */
static void stop_with(struct amd_ring *ring, unsigned code, struct pa pa)
{
	struct amd_iommu *amd = ring->amd;
	struct amd_event event = {{field_put(EVT_CODE, code), pa.value}};
	tell_stop(ring, code);
	if (code == EVENT_COMMAND_HARDWARE_ERROR)
		event.q[0] |= field_put(EVT_TYPE, EVT_TYPE_DATA_ERROR);
	halt(ring, AMD_HALT_HEAD);
	if (ring->guest == NULL ||
	    option_get(&amd->assumptions, AMD_ILLEGAL_LOG) == AMD_ILLEGAL_TO_HOST) {
		if (ring->guest != NULL)
			event.q[0] |= EVT_VCMD;
		amd_log_event(amd, &event);
		return;
	}
	/* The guest's log speaks of the guest's address. */
	event.q[1] = ring->bad_input;
	amd_log_guest_event(ring->guest, &event);
}

/* --- commands --- */

/* A device that never answers, and no limit (3). */
static bool waits_for_ever(const struct amd_ring *ring)
{
	return ring->iotlb_done_ps == UINT64_MAX &&
	       amd_command_opcode(&ring->taken) == CMD_COMPLETION_WAIT;
}

static uint64_t service_ps(const struct amd_ring *ring)
{
	const struct amd_iommu *amd = ring->amd;
	uint64_t now_ps = amd->machine->clock.now_ps;
	if (amd_command_opcode(&ring->taken) != CMD_COMPLETION_WAIT)
		return amd->timing.command_ps;
	uint64_t drain_ps = ring->iotlb_done_ps > now_ps ? ring->iotlb_done_ps - now_ps : 0;
	return drain_ps > amd->timing.store_ps ? drain_ps : amd->timing.store_ps;
}

/* The command at head, which moves. False: the ring has halted. */
static bool take(struct amd_ring *ring)
{
	struct probe *probe = &ring->probe;
	uint32_t in_line = wrap(ring, ring->head - ring->line_at);
	ring->taken = amd_command_load(ring->line + in_line);
	probe->index = ring->head / COMMAND_SIZE;
	probe->pa = pa_of(ring->line_pa.value + in_line);
	probe->fetched[0] = probe->ran[0] = ring->taken.q[0];
	probe->fetched[1] = probe->ran[1] = ring->taken.q[1];
	ring->head = wrap(ring, ring->head + COMMAND_SIZE);
	ring->waited = false;
	ring->moved = false;
	ring->bad_input = ring->base + probe->index * COMMAND_SIZE;
	if (amd_command_legal(ring->amd, ring, &ring->taken))
		return true;
	stop_with(ring, EVENT_ILLEGAL_COMMAND_ERROR, probe->pa);
	return false;
}

static bool execute(struct amd_ring *ring)
{
	struct probe *probe = &ring->probe;
	probe->kind = PROBE_EXECUTED;
	probe->error = 0;
	probe->effect = EFFECT_NONE;
	probe->target = 0;
	probe->removed = 0;
	probe->time_ps = ring->amd->machine->clock.now_ps;
	switch (amd_execute(ring)) {
	case AMD_DONE:
		machine_tell_probe(ring->amd->machine, probe);
		return true;
	case AMD_FAULTED:
		tell_stop(ring, EVENT_IO_PAGE_FAULT);
		halt(ring, AMD_FAULT_HEAD);
		return false;
	default:
		stop_with(ring, EVENT_COMMAND_HARDWARE_ERROR, ring->bad_pa);
		return false;
	}
}

/*
 * A COMPLETION_WAIT of the host is done when what used dropped translations has its data (8.4):
 * accesses of guests' rings that are under way. 0: nothing is.
 */
static uint64_t in_flight_ps(struct amd_ring *ring)
{
	struct amd_iommu *amd = ring->amd;
	uint64_t until_ps = 0;
	const struct amd_guest *guest;
	if (ring->guest != NULL)
		return 0;
	LIST_FOREACH (guest, &amd->guests, link) {
		if (guest->ring.state != RING_FETCHING)
			continue;
		if (option_get(&amd->assumptions, AMD_WAIT_IN_FLIGHT) == AMD_WAIT_FOR_DMA_ONLY)
			return 0;
		if (guest->ring.due_ps > until_ps)
			until_ps = guest->ring.due_ps;
	}
	return until_ps;
}

/* --- the engine --- */

/* For the command at hand; a COMPLETION_WAIT needs none. */
static bool has_turn(struct amd_ring *ring)
{
	struct amd_command command =
		amd_command_load(ring->line + wrap(ring, ring->head - ring->line_at));
	if (amd_command_opcode(&command) != CMD_COMPLETION_WAIT)
		return amd_arbiter_claim(ring);
	amd_arbiter_served(ring);
	return true;
}

void amd_ring_go_on(struct amd_ring *ring)
{
	uint64_t cost_ps = 0;
	ring->state = RING_IDLE;
	while (runnable(ring)) {
		if (line_has(ring, ring->head)) {
			if (!has_turn(ring))
				return;
			if (!take(ring)) {
				amd_arbiter_served(ring);
				return;
			}
			ring->state = RING_EXECUTING;
			if (!waits_for_ever(ring))
				post_work(ring, service_ps(ring));
			return;
		}
		if (!begin_fetch(ring, &cost_ps))
			continue;
		ring->state = RING_FETCHING;
		post_work(ring, cost_ps + ring->amd->timing.fetch_line_ps +
					port_late(&ring->amd->port, ACCESS_COMMAND_FETCH));
		return;
	}
}

static void fetched(struct amd_ring *ring)
{
	bool good = fetch(ring) == PORT_OK;
	bool wanted = amd_ring_running(ring) && ring->head == ring->fetch_at && !ring->dropped;
	if (!wanted) {
		ring->line_count = 0;
	} else if (!good) {
		ring->probe.pa = ring->fetch_pa;
		ring->probe.index = ring->head / COMMAND_SIZE;
		ring->bad_input = ring->base + ring->fetch_at;
		ring->head = wrap(ring, ring->head + COMMAND_SIZE);
		stop_with(ring, EVENT_COMMAND_HARDWARE_ERROR, ring->fetch_pa);
	}
}

/* Whether the taken command is due; a COMPLETION_WAIT asks once what it has to wait for. */
static bool is_due(struct amd_ring *ring)
{
	uint64_t now_ps = ring->amd->machine->clock.now_ps, until_ps;
	if (amd_command_opcode(&ring->taken) != CMD_COMPLETION_WAIT)
		return true;
	if (waits_for_ever(ring))
		return false;
	until_ps = ring->waited ? 0 : in_flight_ps(ring);
	ring->waited = true;
	if (until_ps == 0 || until_ps < now_ps)
		return true;
	post_work(ring, until_ps - now_ps);
	return false;
}

static void work(struct event *event)
{
	struct amd_ring *ring = event->owner;
	if (ring->state == RING_FETCHING) {
		fetched(ring);
	} else if (ring->state == RING_EXECUTING) {
		if (!is_due(ring))
			return;
		execute(ring);
		amd_arbiter_served(ring);
	}
	amd_ring_go_on(ring);
	amd_arbiter_pass_on(ring->amd);
}

void amd_ring_run(struct amd_ring *ring)
{
	uint64_t cost_ps;
	while (runnable(ring)) {
		if (!line_has(ring, ring->head)) {
			if (!begin_fetch(ring, &cost_ps))
				continue;
			fetched(ring);
			continue;
		}
		if (!take(ring) || !execute(ring))
			return;
	}
}

void amd_ring_init(struct amd_ring *ring, struct amd_iommu *amd, struct amd_guest *guest,
		   uint32_t context)
{
	memset(ring, 0, sizeof(*ring));
	ring->amd = amd;
	ring->guest = guest;
	ring->context = context;
	ring->probe.engine = amd->port.engine;
	ring->probe.context = context;
	ring->work.fn = work;
	ring->work.owner = ring;
}

/* What was taken is done; what was fetched beyond it is dropped (6.1). */
void amd_ring_enable(struct amd_ring *ring, bool enabled)
{
	if (enabled == ring->enabled)
		return;
	ring->enabled = enabled;
	ring->halted = false;
	amd_ring_forget(ring);
	amd_ring_kick(ring, 0);
}

void amd_ring_forget(struct amd_ring *ring)
{
	ring->line_count = 0;
	ring->dropped = true;
}

void amd_ring_move(struct amd_ring *ring, uint64_t base, uint32_t size)
{
	ring->base = base;
	ring->size = size;
	ring->head = 0;
	ring->tail = 0;
	ring->moved = true;
	amd_ring_forget(ring);
}

void amd_ring_reset(struct amd_ring *ring)
{
	clock_cancel(&ring->amd->machine->clock, &ring->work);
	amd_arbiter_leave(ring);
	amd_ring_init(ring, ring->amd, ring->guest, ring->context);
}

void amd_ring_kick(struct amd_ring *ring, uint64_t delay_ps)
{
	if (runnable(ring) && !event_pending(&ring->work) && ring->state != RING_WAITING)
		post_work(ring, delay_ps);
}
