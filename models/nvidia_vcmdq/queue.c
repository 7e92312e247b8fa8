// SPDX-License-Identifier: Apache-2.0
/*
 * Command queues: the architected one and the VCMDQs (smmuv3 2, 3.4; tegra241-cmdqv 7, 8.1, 11).
 *
 * One event a queue drives it; each firing is one step: a fetch, or one command.
 */
#include <assert.h>
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"

static uint32_t entry_of(const struct command_queue *queue, uint32_t pointer)
{
	return pointer & (queue->entries - 1);
}

static struct pa entry_pa(const struct command_queue *queue, uint32_t pointer)
{
	return pa_of(queue->base + (uint64_t)COMMAND_SIZE * entry_of(queue, pointer));
}

/* Commands between CONS and PROD; 0 as well where the distance makes no sense and is not run. */
static uint32_t ready(const struct command_queue *queue)
{
	uint32_t distance = (queue->prod - queue->cons) & queue_mask(queue->entries);
	if (distance > queue->entries &&
	    option_get(&queue->smmu->assumptions, ASSUME_POINTER_DISTANCE) ==
		    POINTER_DISTANCE_EMPTY)
		return 0;
	return distance;
}

static bool runnable(const struct command_queue *queue)
{
	bool stopped = (queue->gerror ^ queue->gerrorn) & GERROR_CMDQ_ERR;
	return queue->enabled && !queue->stopping && !stopped && ready(queue) != 0;
}

static bool line_has(const struct command_queue *queue, uint32_t pointer)
{
	return ((pointer - queue->line_at) & queue_mask(queue->entries)) < queue->line_count;
}

static struct smmu_command line_command(const struct command_queue *queue)
{
	uint32_t at = (queue->cons - queue->line_at) & queue_mask(queue->entries);
	return command_load(queue->line + at * COMMAND_SIZE);
}

/* A CMD_SYNC takes until the ATC_INVs before it are answered, or given up (3.5). */
static uint64_t sync_ps(const struct command_queue *queue, uint64_t after_ps)
{
	const struct smmu *smmu = queue->smmu;
	uint64_t now_ps = smmu->machine->clock.now_ps, until_ps = queue->atc_done_ps;
	/* One of the main queue also flushes what stopped VCMDQs left behind (tegra241-cmdqv 9.3). */
	bool flush = queue->vcmdq == NULL && smmu->atc_outstanding;
	for (uint32_t q = 0; flush && q < smmu->vcmdq_count; q++) {
		const struct command_queue *other = &smmu->vcmdqs[q].queue;
		if (!other->enabled && other->atc_done_ps > until_ps)
			until_ps = other->atc_done_ps;
	}
	uint64_t drain_ps = until_ps > now_ps ? until_ps - now_ps : 0;
	uint64_t own_ps = after_ps + smmu->timing.sync_ps;
	return drain_ps > own_ps ? drain_ps : own_ps;
}

static void post_work(struct command_queue *queue, uint64_t delay_ps)
{
	struct clock *clock = &queue->smmu->machine->clock;
	clock_post(clock, &queue->work, clock->now_ps + delay_ps, EVENT_HARDWARE);
}

/* The command at CONS, which is at hand AFTER_PS from now: its turn, and then its time. */
static void post_command(struct command_queue *queue, uint64_t after_ps)
{
	struct smmu_command command = line_command(queue);
	if (queue->line_status == PORT_OK && command_opcode(&command) == CMD_SYNC)
		post_work(queue, sync_ps(queue, after_ps));
	else if (queue->vcmdq != NULL)
		arbiter_claim(queue, after_ps);
	else
		post_work(queue, after_ps + queue->smmu->timing.command_ps);
}

/* How many commands a fetch at CONS takes; PROD covers them, and they do not wrap. */
static uint32_t fetch_count(const struct command_queue *queue)
{
	struct smmu *smmu = queue->smmu;
	uint32_t entry = entry_of(queue, queue->cons), count, available = ready(queue);
	uint32_t room = queue->entries - entry;
	switch (option_get(&smmu->assumptions, ASSUME_PREFETCH)) {
	case PREFETCH_BATCH:
		count = (uint32_t)field_get(smmu->cmdqv_config, CONFIG_MAX_CMD_BATCH);
		count = count == 0 ? 1 : count;
		count = count < PREFETCH_MAX ? count : PREFETCH_MAX;
		break;
	case PREFETCH_SINGLE:
		count = 1;
		break;
	default:
		count = LINE_COMMANDS - entry % LINE_COMMANDS;
		break;
	}
	count = count < available ? count : available;
	return count < room ? count : room;
}

/* What a fetch takes is settled when it is begun, even if it is then held up. */
static void begin_fetch(struct command_queue *queue)
{
	queue->fetch_count = fetch_count(queue);
	queue->fetch_pa = entry_pa(queue, queue->cons);
	queue->fetch_index = queue->cons;
}

static void fetch(struct command_queue *queue)
{
	struct access access = {
		.context = queue->context,
		.purpose = ACCESS_COMMAND_FETCH,
		.path = PATH_PHYSICAL,
		.pa = queue->fetch_pa,
		.size = queue->fetch_count * COMMAND_SIZE,
		.index = queue->fetch_index,
	};
	queue->line_status = port_read(&queue->smmu->port, &access, queue->line);
	queue->line_at = queue->fetch_index;
	queue->line_count = queue->fetch_count;
	queue->line_prod = queue->prod;
	queue->line_ps = queue->smmu->machine->clock.now_ps;
}

static uint64_t fetch_ps(const struct command_queue *queue)
{
	uint32_t in_line = entry_of(queue, queue->fetch_index) % LINE_COMMANDS;
	uint32_t lines = (in_line + queue->fetch_count + LINE_COMMANDS - 1) / LINE_COMMANDS;
	return queue->smmu->timing.fetch_line_ps * lines;
}

/*
 * Batches are fetched ahead: the time since the last one came is time that this one has been on its way, if
 * PROD covered it then. Its bytes are read when it is needed, so what changes meanwhile is not missed.
 */
static uint64_t ahead_ps(const struct command_queue *queue)
{
	uint32_t mask = queue_mask(queue->entries);
	uint32_t covered = (queue->line_prod - queue->fetch_index) & mask;
	if (option_get(&queue->smmu->assumptions, ASSUME_PREFETCH) != PREFETCH_BATCH ||
	    queue->line_count == 0 || covered > queue->entries || covered < queue->fetch_count ||
	    ((queue->line_at + queue->line_count) & mask) != queue->fetch_index)
		return 0;
	return queue->smmu->machine->clock.now_ps - queue->line_ps;
}

/* ERR first, then GERROR; CONS stays at the command (3.4). */
static void stop_with(struct command_queue *queue, uint32_t error)
{
	struct smmu *smmu = queue->smmu;
	queue->error = error;
	queue->line_count = 0;
	queue->gerror ^= GERROR_CMDQ_ERR;
	if (queue->vcmdq == NULL) {
		smmu_raise_gerror(smmu, (uint32_t)GERROR_CMDQ_ERR);
	} else {
		cmdqv_error_raised(smmu, queue->vcmdq);
	}
}

/* What is to become of the command at CONS; the owner's numbers are put in. */
static enum vcmdq_admission admit(struct command_queue *queue, struct smmu_command *command,
				  enum vcmdq_error *error)
{
	enum vcmdq_admission admission = VCMDQ_RUN;
	if (queue->line_status != PORT_OK) {
		*error = VCMDQ_ERR_ABT;
		return VCMDQ_STOP;
	}
	if (queue->vcmdq != NULL) {
		admission = cmdqv_admit(queue->smmu, queue->vcmdq, command, error);
	} else if (!smmu_command_legal(queue->smmu, command)) {
		*error = VCMDQ_ERR_ILL_OPCODE;
		return VCMDQ_STOP;
	}
	if (queue->atc_timed_out && admission == VCMDQ_RUN && command_opcode(command) == CMD_SYNC) {
		queue->atc_timed_out = false; /* the retry after the acknowledgement completes */
		*error = VCMDQ_ERR_ATC_INV_SYNC;
		return VCMDQ_STOP;
	}
	return admission;
}

/* The main queue's CONS is about to move: it is full no longer (2.2). */
static void tell_space(const struct command_queue *queue)
{
	uint32_t distance = (queue->prod - queue->cons) & queue_mask(queue->entries);
	bool full = distance == queue->entries;
	queue->smmu->wakes += full && (queue->smmu->idr[0] & IDR0_SEV);
}

/* False: the queue stopped at the command. */
static bool execute(struct command_queue *queue)
{
	struct smmu *smmu = queue->smmu;
	struct probe *probe = &queue->probe;
	struct smmu_command command = line_command(queue);
	enum vcmdq_error error = VCMDQ_ERR_NONE;
	probe->index = queue->cons;
	probe->pa = entry_pa(queue, queue->cons);
	probe->time_ps = smmu->machine->clock.now_ps;
	probe->fetched[0] = command.dw[0];
	probe->fetched[1] = command.dw[1];
	enum vcmdq_admission admission = admit(queue, &command, &error);
	probe->ran[0] = command.dw[0];
	probe->ran[1] = command.dw[1];
	probe->kind = admission == VCMDQ_STOP ? PROBE_STOPPED : PROBE_EXECUTED;
	probe->error = error;
	if (admission == VCMDQ_RUN) {
		smmu_execute(smmu, queue, &command, probe);
	} else {
		probe->effect = EFFECT_NONE;
		probe->target = 0;
		probe->removed = 0;
	}
	if (admission != VCMDQ_STOP) {
		if (queue->vcmdq == NULL)
			tell_space(queue);
		queue->cons = (queue->cons + 1) & queue_mask(queue->entries);
		queue->error =
			VCMDQ_ERR_NONE; /* until the next stop; unspecified in between (3.4) */
	}
	machine_tell_probe(smmu->machine, probe);
	if (admission == VCMDQ_STOP) {
		stop_with(queue, error);
		return false;
	}
	if ((smmu->cmdqv_config & CONFIG_CONS_DRAM_EN) && queue->vcmdq != NULL)
		cmdqv_cons_moved(smmu, queue->vcmdq);
	return true;
}

/* A fetch that an injected fault held up happens now, wanted or not. */
static void late_fetch(struct command_queue *queue)
{
	queue->fetching = false;
	fetch(queue);
	if (queue->fetch_dropped)
		queue->line_count = 0;
	if (queue->stopping) {
		queue->stopping = false;
		queue->enabled = false;
	}
	if (!runnable(queue))
		return;
	if (queue->line_count > 0)
		post_command(queue, fetch_ps(queue));
	else
		post_work(queue, 0);
}

static void begin_line(struct command_queue *queue)
{
	uint64_t late_ps = port_late(&queue->smmu->port, ACCESS_COMMAND_FETCH);
	begin_fetch(queue);
	if (late_ps > 0) {
		queue->fetching = true;
		queue->fetch_dropped = false;
		post_work(queue, late_ps);
		return;
	}
	uint64_t on_its_way_ps = ahead_ps(queue), whole_ps = fetch_ps(queue);
	uint64_t rest_ps = whole_ps > on_its_way_ps ? whole_ps - on_its_way_ps : 0;
	fetch(queue);
	queue->line_ps = queue->smmu->machine->clock.now_ps + rest_ps;
	post_command(queue, rest_ps);
}

static void run_command(struct command_queue *queue)
{
	execute(queue);
	if (!runnable(queue))
		return;
	if (line_has(queue, queue->cons))
		post_command(queue, 0);
	else
		post_work(queue, 0);
}

static void work(struct event *event)
{
	struct command_queue *queue = event->owner;
	arbiter_served(queue);
	if (queue->fetching)
		late_fetch(queue);
	else if (runnable(queue) && !line_has(queue, queue->cons))
		begin_line(queue);
	else if (runnable(queue))
		run_command(queue);
	arbiter_pass_on(queue->smmu);
}

void command_queue_run(struct command_queue *queue)
{
	while (runnable(queue)) {
		if (!line_has(queue, queue->cons)) {
			begin_fetch(queue);
			fetch(queue);
		}
		uint32_t left = queue->line_at + queue->line_count - queue->cons;
		for (left &= queue_mask(queue->entries); left > 0; left--)
			if (!execute(queue))
				break;
	}
}

void command_queue_init(struct command_queue *queue, struct smmu *smmu, uint32_t context)
{
	memset(queue, 0, sizeof(*queue));
	queue->smmu = smmu;
	queue->context = context;
	queue->vcmdq = context == CONTEXT_MAIN_QUEUE ? NULL : &smmu->vcmdqs[context];
	queue->probe.engine = smmu->port.engine;
	queue->probe.context = context;
	queue->entries = 1;
	queue->work.fn = work;
	queue->work.owner = queue;
}

void command_queue_start(struct command_queue *queue)
{
	if (queue->line == NULL)
		queue->line = arena_alloc(queue->smmu->machine->arena,
					  (size_t)PREFETCH_MAX * COMMAND_SIZE);
	queue->enabled = true;
	queue->stopping = false;
	command_queue_kick(queue, 0);
}

void command_queue_kick(struct command_queue *queue, uint64_t delay_ps)
{
	if (runnable(queue) && !event_pending(&queue->work) && !arbiter_waits(queue))
		post_work(queue, delay_ps);
}

void command_queue_stop(struct command_queue *queue)
{
	queue->line_count = 0;
	if (queue->fetching) {
		bool early = queue->vcmdq != NULL && option_get(&queue->smmu->assumptions,
								ASSUME_STOP_ACK) == STOP_ACK_EARLY;
		queue->fetch_dropped = true;
		queue->stopping = !early;
		queue->enabled = !early;
		return;
	}
	queue->enabled = false;
	clock_cancel(&queue->smmu->machine->clock, &queue->work);
	arbiter_leave(queue);
}
