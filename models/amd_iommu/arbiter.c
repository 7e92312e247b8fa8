// SPDX-License-Identifier: Apache-2.0
/*
 * Turns of the rings at the command processor (amd-viommu 10: UNSURE; amd.arbiter).
 *
 * A ring claims it for each command that it has at hand. Fetches go on beside it, and so do
 * COMPLETION_WAITs, whose time is that of others or of a store.
 */
#include "models/amd_iommu/amd_iommu.h"

void amd_arbiter_init(struct amd_arbiter *arbiter)
{
	arbiter->serving = NULL;
	TAILQ_INIT(&arbiter->waiting);
}

bool amd_arbiter_claim(struct amd_ring *ring)
{
	struct amd_arbiter *arbiter = &ring->amd->arbiter;
	if (arbiter->serving == ring)
		return true;
	if (arbiter->serving == NULL && TAILQ_EMPTY(&arbiter->waiting)) {
		arbiter->serving = ring;
		return true;
	}
	if (option_get(&ring->amd->assumptions, AMD_ARBITER) == AMD_ARBITER_NONE)
		return true;
	ring->state = RING_WAITING;
	TAILQ_INSERT_TAIL(&arbiter->waiting, ring, turn);
	return false;
}

void amd_arbiter_served(struct amd_ring *ring)
{
	if (ring->amd->arbiter.serving == ring)
		ring->amd->arbiter.serving = NULL;
}

static struct amd_ring *next_ring(struct amd_iommu *amd)
{
	bool host_first = option_get(&amd->assumptions, AMD_ARBITER) == AMD_ARBITER_HOST_FIRST;
	return host_first && amd->ring.state == RING_WAITING ? &amd->ring
							     : TAILQ_FIRST(&amd->arbiter.waiting);
}

void amd_arbiter_pass_on(struct amd_iommu *amd)
{
	struct amd_arbiter *arbiter = &amd->arbiter;
	while (arbiter->serving == NULL && !TAILQ_EMPTY(&arbiter->waiting)) {
		struct amd_ring *ring = next_ring(amd);
		TAILQ_REMOVE(&arbiter->waiting, ring, turn);
		arbiter->serving = ring;
		amd_ring_go_on(ring);
		if (ring->state != RING_EXECUTING) /* it was stopped while it waited */
			amd_arbiter_served(ring);
	}
}

void amd_arbiter_leave(struct amd_ring *ring)
{
	if (ring->state == RING_WAITING)
		TAILQ_REMOVE(&ring->amd->arbiter.waiting, ring, turn);
	amd_arbiter_served(ring);
	amd_arbiter_pass_on(ring->amd);
}

void amd_arbiter_hash(const struct amd_iommu *amd, struct hash *hash)
{
	const struct amd_arbiter *arbiter = &amd->arbiter;
	const struct amd_ring *ring;
	hash_u64(hash, arbiter->serving != NULL ? arbiter->serving->context + 1ULL : 0);
	TAILQ_FOREACH (ring, &arbiter->waiting, turn)
		hash_u64(hash, ring->context);
}
