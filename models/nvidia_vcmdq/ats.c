// SPDX-License-Identifier: Apache-2.0
/* ATS: translation requests, translated accesses, and the devices that make them (smmuv3 8). */
#include "models/nvidia_vcmdq/smmu.h"

struct smmu_endpoint *smmu_endpoint_new(struct smmu *smmu, uint32_t sid)
{
	struct smmu_endpoint *endpoint = arena_new(smmu->machine->arena, struct smmu_endpoint);
	endpoint->smmu = smmu;
	endpoint->sid = sid;
	atc_init(&endpoint->atc, smmu->machine);
	LIST_INSERT_HEAD(&smmu->endpoints, endpoint, link);
	return endpoint;
}

struct smmu_endpoint *smmu_endpoint_find(struct smmu *smmu, uint32_t sid)
{
	struct smmu_endpoint *endpoint;
	LIST_FOREACH (endpoint, &smmu->endpoints, link)
		if (endpoint->sid == sid)
			break;
	return endpoint;
}

void smmu_hash_endpoints(const struct smmu *smmu, struct hash *hash)
{
	const struct smmu_endpoint *endpoint;
	LIST_FOREACH (endpoint, &smmu->endpoints, link) {
		const struct smmu_page_response *response = &endpoint->response;
		hash_u64(hash, (uint64_t)endpoint->sid << 1 | endpoint->silent);
		hash_u64(hash, endpoint->responses);
		hash_u64(hash, (uint64_t)response->ssid << 32 | (uint64_t)response->group << 8 |
				       (uint64_t)response->code << 1 | response->has_ssid);
		atc_hash(&endpoint->atc, hash);
	}
}

/* --- what the SMMU makes of both --- */

static uint64_t ids_of(const struct smmu_access *access, unsigned event)
{
	return field_put(EVT_ID, event) | field_put(EVT_SID, access->sid) |
	       (access->has_ssid ? EVT_SSV | field_put(EVT_SSID, access->ssid) : 0);
}

static void bad_request(struct smmu *smmu, const struct smmu_access *access)
{
	const uint64_t record[4] = {ids_of(access, EVT_F_BAD_ATS_TREQ),
				    EVT_TREQ_READ | (access->write ? EVT_TREQ_WRITE : 0) |
					    (access->instruction ? EVT_TREQ_EXEC : 0) |
					    (access->privileged ? EVT_TREQ_PRIV : 0),
				    access->iova & ~(PAGE_SIZE - 1), 0};
	if (!access->speculative)
		smmu_record_event(smmu, record, true);
}

/* 0x10 to 0x13 are answered by no rights; what else goes wrong, by an abort. */
static bool is_translation_fault(unsigned event)
{
	return event == 0 || (event >= EVT_F_TRANSLATION && event <= EVT_F_PERMISSION);
}

/* KNOWN: the stream has an STE. */
static void answer(struct smmu *smmu, const struct smmu_access *access, bool known,
		   struct ats_answer *answer)
{
	struct smmu_access ask = *access;
	struct translation got;
	ask.asks = true;
	enum translate_result result = smmu_translate_access(smmu, &ask, &got);
	if (result != TRANSLATE_OK && access->write && is_translation_fault(got.event)) {
		ask.write = false; /* reading may be allowed nevertheless */
		result = smmu_translate_access(smmu, &ask, &got);
	}
	if (result != TRANSLATE_OK) {
		bool fault = known && is_translation_fault(got.event);
		answer->status = fault ? ATS_SUCCESS : ATS_ABORTED;
		return;
	}
	*answer = (struct ats_answer){
		.status = ATS_SUCCESS,
		.address = got.pa.value,
		.order = got.order,
		.path = got.path,
		.readable = got.perm & PTE_S2_READ,
		/* Asked for reading alone, the right to write is not given: it would not be dirty. */
		.writable = ask.write && (got.perm & PTE_S2_WRITE),
	};
}

void smmu_ats_request(struct smmu *smmu, const struct smmu_access *access, struct ats_answer *out)
{
	unsigned event = 0;
	uint64_t address = 0;
	const struct stream_config *config = NULL;
	*out = (struct ats_answer){.status = ATS_UNSUPPORTED};
	if (smmu->cr0 & CR0_SMMUEN)
		config = smmu_stream_config(smmu, access->sid, &event, &address);
	if (config != NULL && config->kind == STREAM_ABORT)
		return; /* without an event */
	if (!(smmu->cr0 & CR0_SMMUEN) ||
	    (config != NULL && config->kind != STREAM_FAULT && config->ats == EATS_OFF))
		bad_request(smmu, access);
	else
		answer(smmu, access, config != NULL, out);
}

static void forbidden(struct smmu *smmu, const struct smmu_access *access,
		      struct translation *translation)
{
	const uint64_t record[4] = {ids_of(access, EVT_F_TRANSL_FORBIDDEN),
				    field_put(EVT_RNW, !access->write), access->iova, 0};
	translation->event = EVT_F_TRANSL_FORBIDDEN;
	if (!access->speculative)
		smmu_record_event(smmu, record, true);
}

enum translate_result smmu_translated_access(struct smmu *smmu, const struct smmu_access *access,
					     struct translation *translation)
{
	unsigned event = 0;
	uint64_t address = 0;
	const struct stream_config *config = NULL;
	*translation = (struct translation){0};
	if (smmu->cr0 & CR0_SMMUEN && smmu->cr0 & CR0_ATSCHK) {
		config = smmu_stream_config(smmu, access->sid, &event, &address);
		if (config == NULL || config->kind == STREAM_FAULT || config->kind == STREAM_ABORT)
			return smmu_untranslated_access(smmu, access, translation);
	}
	if (!(smmu->cr0 & CR0_SMMUEN) || (config != NULL && config->ats == EATS_OFF)) {
		forbidden(smmu, access, translation);
		return TRANSLATE_FAULT;
	}
	if (config != NULL && config->ats == EATS_SPLIT)
		return smmu_untranslated_access(smmu, access, translation);
	translation->pa = pa_of(access->iova);
	translation->path = PATH_DEVICE;
	translation->perm = PTE_S2_READ | PTE_S2_WRITE;
	return TRANSLATE_OK;
}

/* --- what the device makes of them --- */

/* A translation request; what it is told it keeps. False: nothing. */
static bool learn(struct smmu_endpoint *endpoint, const struct smmu_access *access,
		  struct tlb_entry *entry, enum access_path *path)
{
	struct ats_answer told;
	smmu_ats_request(endpoint->smmu, access, &told);
	if (told.status != ATS_SUCCESS || !(access->write ? told.writable : told.readable))
		return false;
	*path = told.path;
	*entry = (struct tlb_entry){
		.tag = atc_tag(access->has_ssid, access->ssid),
		.order = told.order,
		.perm = (uint8_t)((told.readable ? ATC_READ : 0) | (told.writable ? ATC_WRITE : 0)),
		.pa = told.address / PAGE_SIZE >> told.order << told.order,
	};
	tlb_insert(&endpoint->atc.entries, entry, access->iova / PAGE_SIZE);
	return true;
}

static enum translate_result translated(struct smmu_endpoint *endpoint,
					const struct smmu_access *access,
					const struct tlb_entry *entry, enum access_path path,
					struct translation *translation)
{
	struct smmu_access at = *access;
	at.iova = entry->pa * PAGE_SIZE + (access->iova & ((PAGE_SIZE << entry->order) - 1));
	at.translated = true;
	enum translate_result result = smmu_translated_access(endpoint->smmu, &at, translation);
	if (translation->path == PATH_DEVICE)
		translation->path = path;
	translation->order = entry->order;
	return result;
}

enum translate_result smmu_endpoint_translate(struct smmu_endpoint *endpoint,
					      const struct smmu_access *access,
					      struct translation *translation)
{
	const struct tlb_entry *entry =
		atc_find(&endpoint->atc, atc_tag(access->has_ssid, access->ssid),
			 access->iova / PAGE_SIZE, access->write);
	struct tlb_entry learnt;
	enum access_path path;
	if (entry != NULL)
		return translated(endpoint, access, entry, PATH_DEVICE, translation);
	if (learn(endpoint, access, &learnt, &path))
		return translated(endpoint, access, &learnt, path, translation);
	return smmu_translate_access(endpoint->smmu, access, translation);
}
