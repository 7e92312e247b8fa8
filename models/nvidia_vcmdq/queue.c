// SPDX-License-Identifier: Apache-2.0
/*
 * Command queues: the architected one and the VCMDQs (smmuv3 2, 3.4; tegra241-cmdqv 7, 8.1, 11).
 *
 * One event a queue drives it; each firing is one step: a fetch of up to a line, or one command.
 */
#include <assert.h>
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"

/* Of an index with its wrap flag. */
uint32_t queue_mask(uint32_t log2size)
{
	return (2U << log2size) - 1;
}

static struct vcmdq *vcmdq_of(struct command_queue *queue)
{
	return queue->context == CONTEXT_MAIN_QUEUE ? NULL : &queue->smmu->vcmdqs[queue->context];
}

static uint32_t entry_of(const struct command_queue *queue, uint32_t pointer)
{
	return pointer & ((1U << queue->log2size) - 1);
}

static struct pa entry_pa(const struct command_queue *queue, uint32_t pointer)
{
	return pa_of(queue->base + (uint64_t)COMMAND_SIZE * entry_of(queue, pointer));
}

static bool runnable(const struct command_queue *queue)
{
	bool stopped = (queue->gerror ^ queue->gerrorn) & GERROR_CMDQ_ERR;
	return queue->enabled && !stopped &&
	       ((queue->prod ^ queue->cons) & queue_mask(queue->log2size)) != 0;
}

static bool line_has(const struct command_queue *queue, uint32_t pointer)
{
	return ((pointer - queue->line_at) & queue_mask(queue->log2size)) < queue->line_count;
}

static void drop_line(struct command_queue *queue)
{
	queue->line_count = 0;
}

static struct smmu_command line_command(const struct command_queue *queue)
{
	uint32_t at = (queue->cons - queue->line_at) & queue_mask(queue->log2size);
	return command_load(queue->line + at * COMMAND_SIZE);
}

static uint64_t service_ps(const struct command_queue *queue)
{
	const struct smmu_timing *timing = &queue->smmu->timing;
	struct smmu_command command = line_command(queue);
	return command_opcode(&command) == CMD_SYNC ? timing->sync_ps : timing->command_ps;
}

static void post_work(struct command_queue *queue, uint64_t delay_ps)
{
	struct clock *clock = &queue->smmu->machine->clock;
	clock_post(clock, &queue->work, clock->now_ps + delay_ps, EVENT_HARDWARE);
}

/* Reads what is left of the line at CONS, as far as PROD covers it. */
static void fetch(struct command_queue *queue)
{
	struct smmu *smmu = queue->smmu;
	uint32_t mask = queue_mask(queue->log2size);
	uint32_t entry = entry_of(queue, queue->cons);
	uint32_t count = FETCH_LINE_COMMANDS - entry % FETCH_LINE_COMMANDS;
	uint32_t ready = (queue->prod - queue->cons) & mask;
	uint32_t room = (1U << queue->log2size) - entry;
	count = count < ready ? count : ready;
	count = count < room ? count : room;
	struct access access = {
		.context = queue->context,
		.purpose = ACCESS_COMMAND_FETCH,
		.pa = entry_pa(queue, queue->cons),
		.size = count * COMMAND_SIZE,
		.index = queue->cons,
	};
	queue->line_status = port_read(&smmu->port, &access, queue->line);
	queue->line_at = queue->cons;
	queue->line_count = count;
}

/* ERR first, then GERROR; CONS stays at the command (3.4). */
static void stop_with(struct command_queue *queue, uint32_t error, const struct probe *at)
{
	struct smmu *smmu = queue->smmu;
	struct probe probe = *at;
	queue->error = error;
	drop_line(queue);
	if (queue->context == CONTEXT_MAIN_QUEUE) {
		smmu->gerror ^= GERROR_CMDQ_ERR;
		queue->gerror = smmu->gerror;
	} else {
		queue->gerror ^= GERROR_CMDQ_ERR;
		cmdqv_error_changed(smmu, vcmdq_of(queue), true);
	}
	probe.kind = PROBE_STOPPED;
	probe.error = error;
	smmu_probe(smmu, &probe);
}

/* The code with which the command must not run, or 0; the owner's numbers are put in. */
static uint32_t admit(struct command_queue *queue, struct smmu_command *command)
{
	struct vcmdq *vcmdq = vcmdq_of(queue);
	if (queue->line_status != PORT_OK)
		return CERROR_ABT;
	if (vcmdq != NULL)
		return cmdqv_substitute(queue->smmu, vcmdq, command);
	return smmu_command_legal(queue->smmu, command) ? CERROR_NONE : CERROR_ILL;
}

static void execute(struct command_queue *queue)
{
	struct smmu *smmu = queue->smmu;
	struct vcmdq *vcmdq = vcmdq_of(queue);
	struct probe probe = {
		.kind = PROBE_EXECUTED,
		.engine = smmu->port.name,
		.context = queue->context,
		.index = queue->cons,
		.pa = entry_pa(queue, queue->cons),
		.time_ps = smmu->machine->clock.now_ps,
	};
	struct smmu_command command = line_command(queue);
	memcpy(probe.fetched, command.dw, sizeof(probe.fetched));
	uint32_t error = admit(queue, &command);
	memcpy(probe.ran, command.dw, sizeof(probe.ran));
	if (error == 0 && command_opcode(&command) == CMD_SYNC && queue->atc_timed_out) {
		queue->atc_timed_out = false; /* the retry after the acknowledgement completes */
		error = CERROR_ATC_INV_SYNC;
	}
	if (error != 0) {
		stop_with(queue, error, &probe);
		return;
	}
	probe.removed = smmu_execute(smmu, &command);
	queue->cons = (queue->cons + 1) & queue_mask(queue->log2size);
	smmu_probe(smmu, &probe);
	if (vcmdq != NULL)
		cmdqv_cons_moved(smmu, vcmdq);
}

static void work(struct event *event)
{
	struct command_queue *queue = event->owner;
	if (!runnable(queue))
		return;
	if (!line_has(queue, queue->cons)) {
		fetch(queue);
		post_work(queue, queue->smmu->timing.fetch_line_ps + service_ps(queue));
		return;
	}
	execute(queue);
	if (runnable(queue))
		post_work(queue, line_has(queue, queue->cons) ? service_ps(queue) : 0);
}

void command_queue_run(struct command_queue *queue)
{
	while (runnable(queue)) {
		if (!line_has(queue, queue->cons))
			fetch(queue);
		execute(queue);
	}
}

void command_queue_init(struct command_queue *queue, struct smmu *smmu, uint32_t context)
{
	memset(queue, 0, sizeof(*queue));
	queue->smmu = smmu;
	queue->context = context;
	queue->work.fn = work;
	queue->work.owner = queue;
}

void command_queue_kick(struct command_queue *queue, uint64_t delay_ps)
{
	if (runnable(queue) && !event_pending(&queue->work))
		post_work(queue, delay_ps);
}

void command_queue_stop(struct command_queue *queue)
{
	clock_cancel(&queue->smmu->machine->clock, &queue->work);
	drop_line(queue);
}
