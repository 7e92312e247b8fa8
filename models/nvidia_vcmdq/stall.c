// SPDX-License-Identifier: Apache-2.0
/* Accesses that a fault holds up until software answers (smmuv3 6.5). */
#include "models/nvidia_vcmdq/smmu.h"

/* The next number that no access has, after the one given out last; false: all are taken. */
static bool take_stag(struct smmu *smmu, uint16_t *stag)
{
	const struct smmu_stall *other;
	uint32_t most = (uint32_t)field_get(smmu->idr[5], IDR5_STALL_MAX), taken = 0;
	TAILQ_FOREACH (other, &smmu->stalls, link)
		taken += other->recorded;
	if (taken >= most)
		return false;
	do {
		*stag = smmu->next_stag++;
		TAILQ_FOREACH (other, &smmu->stalls, link)
			if (other->recorded && other->stag == *stag)
				break;
	} while (other != NULL);
	return true;
}

/* What the event queue does not take now, or has no number, is told later (6.4). */
static void tell(struct smmu *smmu, struct smmu_stall *stall)
{
	uint16_t stag;
	if (!take_stag(smmu, &stag))
		return;
	stall->record[1] |= EVT_STALL | field_put(EVT_STAG, stag);
	stall->stag = stag;
	stall->recorded = smmu_record_event(smmu, stall->record, false);
	if (!stall->recorded)
		stall->record[1] &= ~EVT_STAG;
}

void smmu_stall_access(struct smmu *smmu, const struct smmu_access *access,
		       const uint64_t record[4])
{
	struct smmu_stall *stall = arena_new(smmu->machine->arena, struct smmu_stall);
	stall->access = *access;
	for (unsigned i = 0; i < 4; i++)
		stall->record[i] = record[i];
	TAILQ_INSERT_TAIL(&smmu->stalls, stall, link);
	smmu_tell_stalls(smmu);
}

void smmu_tell_stalls(struct smmu *smmu)
{
	struct smmu_stall *stall;
	TAILQ_FOREACH (stall, &smmu->stalls, link) {
		if (!stall->recorded)
			tell(smmu, stall);
		if (!stall->recorded)
			break; /* in their order */
	}
}

/* The device hears what became of its access. */
static void finish(const struct smmu_access *access, enum translate_result result,
		   const struct translation *translation)
{
	if (access->resumed != NULL)
		access->resumed(access, result, translation);
}

static void end(struct smmu *smmu, struct smmu_stall *stall, enum smmu_resume how)
{
	const struct smmu_access access = stall->access;
	struct translation translation = {0};
	enum translate_result result = TRANSLATE_FAULT;
	TAILQ_REMOVE(&smmu->stalls, stall, link);
	arena_delete(smmu->machine->arena, stall);
	if (how == RESUME_RETRY)
		result = smmu_translate_access(smmu, &access, &translation);
	else if (how == RESUME_IGNORE && !(smmu->idr[0] & IDR0_TERM_MODEL))
		result = TRANSLATE_IGNORED;
	if (result != TRANSLATE_STALLED)
		finish(&access, result, &translation);
}

void smmu_resume(struct smmu *smmu, uint32_t sid, uint16_t stag, enum smmu_resume how)
{
	struct smmu_stall *stall;
	TAILQ_FOREACH (stall, &smmu->stalls, link)
		if (stall->recorded && stall->access.sid == sid && stall->stag == stag)
			break;
	if (stall == NULL)
		return;
	end(smmu, stall, how);
	smmu_tell_stalls(smmu);
}

/* Those that are there now: what a device does next may stall again. */
static void abort_all(struct smmu *smmu, bool every, uint32_t sid)
{
	struct smmu_stalls aborted = TAILQ_HEAD_INITIALIZER(aborted);
	struct smmu_stall *stall, *next;
	for (stall = TAILQ_FIRST(&smmu->stalls); stall != NULL; stall = next) {
		next = TAILQ_NEXT(stall, link);
		if (!every && stall->access.sid != sid)
			continue;
		TAILQ_REMOVE(&smmu->stalls, stall, link);
		TAILQ_INSERT_TAIL(&aborted, stall, link);
	}
	while ((stall = TAILQ_FIRST(&aborted)) != NULL) {
		const struct smmu_access access = stall->access;
		const struct translation none = {0};
		TAILQ_REMOVE(&aborted, stall, link);
		arena_delete(smmu->machine->arena, stall);
		finish(&access, TRANSLATE_FAULT, &none);
	}
	smmu_tell_stalls(smmu);
}

void smmu_end_stalls(struct smmu *smmu, uint32_t sid)
{
	abort_all(smmu, false, sid);
}

void smmu_end_all_stalls(struct smmu *smmu)
{
	abort_all(smmu, true, 0);
}

void smmu_hash_stalls(const struct smmu *smmu, struct hash *hash)
{
	const struct smmu_stall *stall;
	hash_u64(hash, smmu->next_stag);
	TAILQ_FOREACH (stall, &smmu->stalls, link) {
		hash_u64(hash, (uint64_t)stall->stag << 1 | stall->recorded);
		hash_u64(hash, stall->access.iova);
		for (unsigned i = 0; i < 4; i++)
			hash_u64(hash, stall->record[i]);
	}
}
