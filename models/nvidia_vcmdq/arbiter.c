// SPDX-License-Identifier: Apache-2.0
/*
 * Turns of the VCMDQs at the command processor (tegra241-cmdqv 3, 12, 14.4).
 *
 * What the batch fields of CONFIG do is not documented. Taken here: one VCMDQ is served at a time,
 * round-robin by number; its turn ends when it has no command at hand, or after MAX_CMD_BATCH
 * commands or 2^MAX_CLK_BATCH clocks if another one waits. Fetches go on beside it, and so does the
 * wait of a CMD_SYNC. The architected queue takes no part.
 */
#include "models/nvidia_vcmdq/smmu.h"

#define CLOCK_PS        1000U /* 1 GHz: assumed (14.4) */
#define CLOCKS_LOG2_MAX 50U   /* beyond it no turn ends */
#define WORD_BITS       64U

static bool waits(const struct arbiter *arbiter, uint32_t context)
{
	return arbiter->waiting[context / WORD_BITS] >> context % WORD_BITS & 1;
}

static void set_waits(struct arbiter *arbiter, uint32_t context, bool wait)
{
	uint64_t bit = 1ULL << context % WORD_BITS;
	if (wait)
		arbiter->waiting[context / WORD_BITS] |= bit;
	else
		arbiter->waiting[context / WORD_BITS] &= ~bit;
}

static bool anyone_waits(const struct arbiter *arbiter)
{
	return (arbiter->waiting[0] | arbiter->waiting[1]) != 0;
}

bool arbiter_waits(const struct command_queue *queue)
{
	return queue->vcmdq != NULL && waits(&queue->smmu->arbiter, queue->context);
}

/* The queue is served from START_PS on. */
static void serve(struct command_queue *queue, uint64_t start_ps, bool same_turn)
{
	struct smmu *smmu = queue->smmu;
	struct arbiter *arbiter = &smmu->arbiter;
	if (!same_turn) {
		arbiter->turn_ps = start_ps;
		arbiter->turn_commands = 0;
	}
	arbiter->serving = queue;
	arbiter->last = queue->context;
	arbiter->start_ps = start_ps;
	clock_post(&smmu->machine->clock, &queue->work, start_ps + smmu->timing.command_ps,
		   EVENT_HARDWARE);
}

static void wait_for_turn(struct command_queue *queue, uint64_t ready_ps)
{
	queue->ready_ps = ready_ps;
	set_waits(&queue->smmu->arbiter, queue->context, true);
}

static bool turn_is_over(const struct smmu *smmu)
{
	const struct arbiter *arbiter = &smmu->arbiter;
	uint64_t commands = field_get(smmu->cmdqv_config, CONFIG_MAX_CMD_BATCH);
	uint64_t clocks_log2 = field_get(smmu->cmdqv_config, CONFIG_MAX_CLK_BATCH);
	uint64_t taken_ps = smmu->machine->clock.now_ps - arbiter->turn_ps;
	return arbiter->turn_commands >= commands ||
	       (clocks_log2 <= CLOCKS_LOG2_MAX && taken_ps >= (uint64_t)CLOCK_PS << clocks_log2);
}

/* Of two that wait, the one that is ready sooner; what is ready already counts as ready now. */
static uint64_t ready_ps(const struct smmu *smmu, uint32_t context)
{
	uint64_t now_ps = smmu->machine->clock.now_ps, at_ps = smmu->vcmdqs[context].queue.ready_ps;
	return at_ps > now_ps ? at_ps : now_ps;
}

/* How many numbers on from the last one served, which itself comes last. */
static uint32_t distance(const struct smmu *smmu, uint32_t context)
{
	return (context - smmu->arbiter.last - 1) % smmu->vcmdq_count;
}

static bool before(const struct smmu *smmu, uint32_t context, uint32_t other)
{
	uint64_t at_ps = ready_ps(smmu, context), other_ps = ready_ps(smmu, other);
	return at_ps != other_ps ? at_ps < other_ps
				 : distance(smmu, context) < distance(smmu, other);
}

static struct command_queue *next_queue(struct smmu *smmu)
{
	struct command_queue *next = NULL;
	for (uint32_t first = 0; first < CMDQV_QUEUES_MAX; first += WORD_BITS) {
		uint64_t bits = smmu->arbiter.waiting[first / WORD_BITS];
		for (; bits != 0; bits &= bits - 1) {
			uint32_t context = first + (uint32_t)__builtin_ctzll(bits);
			if (next == NULL || before(smmu, context, next->context))
				next = &smmu->vcmdqs[context].queue;
		}
	}
	return next;
}

void arbiter_pass_on(struct smmu *smmu)
{
	struct arbiter *arbiter = &smmu->arbiter;
	if (arbiter->serving != NULL || !anyone_waits(arbiter))
		return;
	uint64_t now_ps = smmu->machine->clock.now_ps;
	uint32_t last = arbiter->last;
	bool same_turn = waits(arbiter, last) && smmu->vcmdqs[last].queue.ready_ps <= now_ps &&
			 !turn_is_over(smmu);
	struct command_queue *queue = same_turn ? &smmu->vcmdqs[last].queue : next_queue(smmu);
	set_waits(arbiter, queue->context, false);
	serve(queue, ready_ps(smmu, queue->context), same_turn);
}

/* The one being served has a command that is not there yet, and this one's is there before it. */
static bool displaces(const struct smmu *smmu, uint64_t at_ps)
{
	const struct arbiter *arbiter = &smmu->arbiter;
	return arbiter->start_ps > smmu->machine->clock.now_ps && at_ps < arbiter->start_ps;
}

void arbiter_claim(struct command_queue *queue, uint64_t after_ps)
{
	struct smmu *smmu = queue->smmu;
	struct arbiter *arbiter = &smmu->arbiter;
	uint64_t now_ps = smmu->machine->clock.now_ps, at_ps = now_ps + after_ps;
	if (arbiter->serving == NULL && !anyone_waits(arbiter)) {
		serve(queue, at_ps, queue->context == arbiter->last && after_ps == 0);
		return;
	}
	if (option_get(&smmu->assumptions, ASSUME_ARBITER) == ARBITER_NONE) {
		clock_post(&smmu->machine->clock, &queue->work, at_ps + smmu->timing.command_ps,
			   EVENT_HARDWARE);
		return;
	}
	struct command_queue *served = arbiter->serving;
	if (served == NULL || !displaces(smmu, at_ps)) {
		wait_for_turn(queue, at_ps);
		return;
	}
	clock_cancel(&smmu->machine->clock, &served->work);
	wait_for_turn(served, arbiter->start_ps);
	serve(queue, at_ps, false);
}

void arbiter_served(struct command_queue *queue)
{
	struct arbiter *arbiter = &queue->smmu->arbiter;
	if (arbiter->serving != queue)
		return;
	arbiter->serving = NULL;
	arbiter->turn_commands++;
}

void arbiter_leave(struct command_queue *queue)
{
	struct arbiter *arbiter = &queue->smmu->arbiter;
	if (queue->vcmdq == NULL)
		return;
	set_waits(arbiter, queue->context, false);
	if (arbiter->serving == queue)
		arbiter->serving = NULL;
	arbiter_pass_on(queue->smmu);
}

void arbiter_hash(const struct smmu *smmu, struct hash *hash)
{
	const struct arbiter *arbiter = &smmu->arbiter;
	hash_u64(hash, (uint64_t)arbiter->last << 32 |
			       (arbiter->serving != NULL ? arbiter->serving->context + 1 : 0));
	if (arbiter->serving == NULL)
		return; /* nobody waits, and the next turn is a new one */
	hash_u64(hash, arbiter->start_ps);
	hash_u64(hash, arbiter->turn_ps);
	hash_u64(hash, arbiter->turn_commands);
	for (uint32_t q = 0; q < smmu->vcmdq_count; q++)
		if (waits(arbiter, q))
			hash_u64(hash, smmu->vcmdqs[q].queue.ready_ps << 8 | q);
}
