// SPDX-License-Identifier: Apache-2.0
/* Translation of a device's DMA: configuration, TLB, the two stages (smmuv3 5, 6, 7). */
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"

/* --- faults (6) --- */

static bool is_configuration(unsigned event)
{
	return event < EVT_F_WALK_EABT;
}

/* Faults of translation requests are told to the device alone, but for those that REC_CFG_ATS records (8). */
static bool is_recorded(const struct request *request, unsigned event)
{
	const struct smmu *smmu = request->smmu;
	bool recorded = !request->access->asks ||
			(is_configuration(event) && (smmu->idr[0] & IDR0_ATSRECERR) &&
			 (smmu->cr2 & CR2_REC_CFG_ATS));
	return recorded && !request->access->speculative;
}

/* STALL: the access is held up. */
static void record(struct request *request, unsigned event, bool stall, uint64_t dw1, uint64_t dw2,
		   uint64_t dw3)
{
	const struct smmu_access *access = request->access;
	const uint64_t words[4] = {
		field_put(EVT_ID, event) | field_put(EVT_SID, access->sid) |
			(access->has_ssid ? field_put(EVT_SSID, access->ssid) : 0) |
			field_put(EVT_SSV, access->has_ssid && event != EVT_C_BAD_SUBSTREAMID),
		dw1, dw2, dw3};
	request->out->event = event;
	request->out->stalled = stall;
	if (stall)
		smmu_stall_access(request->smmu, access, words);
	else if (is_recorded(request, event))
		smmu_record_event(request->smmu, words, true);
}

/* Of the transaction: what it wanted, and where. */
static uint64_t wanted(const struct request *request)
{
	return field_put(EVT_RNW, !request->access->write) |
	       field_put(EVT_PNU, (request->need & (PERM_READ | PERM_WRITE | PERM_EXEC)) != 0) |
	       field_put(EVT_IND, (request->need & (PERM_EXEC | PERM_USER_EXEC)) != 0);
}

enum translate_result smmu_config_fault(struct request *request, unsigned event,
					uint64_t fetch_address)
{
	record(request, event, false, 0, 0, fetch_address);
	return TRANSLATE_FAULT;
}

/* TTRnW is told by F_PERMISSION of a descriptor (6.2). */
static uint64_t table_read(unsigned event, const struct stage_input *input)
{
	return event == EVT_F_PERMISSION && input->class == EVT_CLASS_TT && !input->writes
		       ? EVT_TTRNW
		       : 0;
}

enum translate_result smmu_stage_fault(struct request *request, unsigned event,
				       const struct stage_input *input)
{
	request->out->stage2 = input->stage2;
	request->out->ipa = input->stage2 ? input->address : 0;
	bool stall = input->stall && !request->access->speculative && !request->access->asks;
	request->out->ignored = input->ignore && !stall;
	if (!input->record && !stall)
		return TRANSLATE_FAULT;
	record(request, event, stall,
	       wanted(request) | field_put(EVT_S2, input->stage2) |
		       field_put(EVT_CLASS, input->class) | table_read(event, input),
	       request->access->iova, request->out->ipa & EVT_IPA);
	return TRANSLATE_FAULT;
}

/* A descriptor of stage 1 is of class TT; one of stage 2 of that which is looked for (6.2). */
enum translate_result smmu_walk_abort(struct request *request, const struct stage_input *input,
				      uint64_t fetch_address)
{
	request->out->stage2 = input->stage2;
	record(request, EVT_F_WALK_EABT, false,
	       wanted(request) | field_put(EVT_S2, input->stage2) |
		       field_put(EVT_CLASS, input->stage2 ? input->class : EVT_CLASS_TT),
	       request->access->iova, fetch_address);
	return TRANSLATE_FAULT;
}

/* --- stage 2 --- */

static void leaf_of_entry(const struct tlb_entry *entry, struct leaf *leaf)
{
	leaf->address = entry->pa << PAGE_SHIFT;
	leaf->order = entry->order;
	leaf->perm = entry->perm;
	leaf->fleeting = false;
}

static void remember(struct tlb *tlb, struct tlb_tag tag, const struct leaf *leaf, uint64_t input)
{
	const struct tlb_entry entry = {.tag = tag,
					.order = leaf->order,
					.perm = leaf->perm,
					.level = leaf->level,
					.reach = leaf->reach,
					.pa = leaf->address >> PAGE_SHIFT};
	if (!leaf->fleeting)
		tlb_insert(tlb, &entry, input >> PAGE_SHIFT);
}

/* ENTRY: what the TLB has of it, or NULL. */
static enum translate_result stage2_from(struct request *request, const struct tlb_entry *entry,
					 const struct stage_input *input, uint8_t need,
					 struct leaf *leaf, enum access_path *path)
{
	const struct tables *tables = &request->config->stage2;
	const struct tlb_tag tag = {.domain = request->config->vmid};
	/* What it does not permit, a walk may come to permit (HD). */
	if (entry != NULL && tables->set_dirty && !(entry->perm & need))
		entry = NULL;
	*path = entry != NULL ? PATH_CACHED : PATH_WALKED;
	request->out->path = *path; /* of a fault, too */
	if (entry != NULL) {
		leaf_of_entry(entry, leaf);
	} else {
		if (smmu_walk(request, tables, tag, input, leaf) != TRANSLATE_OK)
			return TRANSLATE_FAULT;
		remember(&request->smmu->tlb, tag, leaf, input->address);
	}
	if (!(leaf->perm & need) ||
	    (tables->protected && input->class != EVT_CLASS_IN && (leaf->perm & PERM_DEVICE)))
		return smmu_stage_fault(request, EVT_F_PERMISSION, input);
	return TRANSLATE_OK;
}

enum translate_result smmu_stage2(struct request *request, const struct stage_input *input,
				  uint8_t need, struct leaf *leaf, enum access_path *path)
{
	const struct tlb_tag tag = {.domain = request->config->vmid};
	if (input->address >> request->config->stage2.input_bits != 0)
		return smmu_stage_fault(request, EVT_F_TRANSLATION, input);
	return stage2_from(request,
			   tlb_lookup(&request->smmu->tlb, tag, input->address >> PAGE_SHIFT),
			   input, need, leaf, path);
}

/* Reading and writing, as such an access may. */
static inline uint8_t data_perm(uint8_t need, uint8_t perm)
{
	bool privileged = need & (PERM_READ | PERM_WRITE | PERM_EXEC);
	return (uint8_t)((privileged ? (unsigned)perm << 2 : perm) &
			 (PERM_USER_READ | PERM_USER_WRITE));
}

static enum translate_result done(struct request *request, const struct leaf *leaf, uint64_t input,
				  enum access_path path)
{
	request->out->pa = pa_of(leaf_pa(leaf, input));
	request->out->order = leaf->order;
	request->out->perm = data_perm(request->need, leaf->perm);
	request->out->path = path;
	return TRANSLATE_OK;
}

/* ENTRY: what the TLB has of it, or NULL. */
static enum translate_result translate_stage2(struct request *request,
					      const struct tlb_entry *entry)
{
	const struct stage_input input = {.stage2 = true,
					  .record = request->config->record,
					  .stall = request->config->stall,
					  .class = EVT_CLASS_IN,
					  .address = request->iova};
	struct leaf leaf;
	enum access_path path;
	if (request->iova >> request->config->stage2.input_bits != 0)
		return smmu_stage_fault(request, EVT_F_TRANSLATION, &input);
	if (stage2_from(request, entry, &input, request->need, &leaf, &path) != TRANSLATE_OK)
		return TRANSLATE_FAULT;
	return done(request, &leaf, request->iova, path);
}

static const struct tlb_entry *stage2_entry(struct smmu *smmu, const struct stream_config *config,
					    uint64_t iova)
{
	const struct tlb_tag tag = {.domain = config->vmid};
	if (iova >> config->stage2.input_bits != 0)
		return NULL;
	return tlb_lookup(&smmu->tlb, tag, iova >> PAGE_SHIFT);
}

/* --- bypass --- */

static enum translate_result bypass(struct request *request)
{
	unsigned oas = smmu_address_bits((unsigned)field_get(request->smmu->idr[5], IDR5_OAS));
	if (request->iova >> oas != 0)
		return TRANSLATE_FAULT;
	request->out->pa = pa_of(request->iova);
	request->out->path = PATH_BYPASS;
	request->out->perm = PTE_S2_READ | PTE_S2_WRITE;
	return TRANSLATE_OK;
}

static enum translate_result bypass_stream(struct request *request)
{
	const struct stage_input input = {
		.record = true, .class = EVT_CLASS_IN, .address = request->iova};
	if (bypass(request) == TRANSLATE_OK)
		return TRANSLATE_OK;
	return smmu_stage_fault(request, EVT_F_ADDR_SIZE, &input);
}

/* --- stage 1 --- */

/* Which half the address is in, and the address without its tag; NULL: neither (5.1). */
static const struct tables *half_of(const struct request *request,
				    const struct context_config *context, uint64_t *address)
{
	unsigned half = is_plain_el2(request->smmu, request->config) ? 0 : request->iova >> 55 & 1;
	const struct tables *tables = &context->halves[half];
	uint64_t sign = half != 0 ? ~0ULL : 0, top = BITS(63, 56);
	uint64_t clean = tables->tagged ? (request->iova & ~top) | (sign & top) : request->iova;
	bool unprivileged = request->need & (PERM_USER_READ | PERM_USER_WRITE | PERM_USER_EXEC);
	if (tables->disabled || (tables->privileged && unprivileged))
		return NULL;
	*address = clean;
	return (clean ^ sign) >> tables->input_bits == 0 ? tables : NULL;
}

/* A translation request of split-stage ATS is answered with the IPA (8). */
static bool stage1_alone(const struct request *request)
{
	return request->access->asks && request->config->ats == EATS_SPLIT;
}

/* Both stages as one: the smaller leaf, what both permit; a TLBI reaches it by all of stage 1's leaf. */
static enum translate_result combine(struct request *request, uint64_t address, struct leaf *leaf,
				     enum access_path *path)
{
	const struct stage_input input = {.stage2 = true,
					  .record = request->config->record,
					  .stall = request->config->stall,
					  .class = EVT_CLASS_IN,
					  .address = leaf_pa(leaf, address)};
	struct leaf below = {0};
	if (smmu_stage2(request, &input, request->need, &below, path) != TRANSLATE_OK)
		return TRANSLATE_FAULT;
	uint64_t pa = leaf_pa(&below, input.address);
	leaf->reach = leaf->order;
	leaf->order = leaf->order < below.order ? leaf->order : below.order;
	leaf->address = pa & ~((PAGE_SIZE << leaf->order) - 1);
	leaf->perm &= below.perm;
	leaf->fleeting |= below.fleeting;
	return TRANSLATE_OK;
}

/* EL2's translations are apart, without VMIDs, and with ASIDs in EL2-E2H alone (7.2). */
static struct tlb *stage1_tlb(const struct request *request)
{
	return request->config->el2 ? &request->smmu->el2_tlb : &request->smmu->tlb;
}

static struct tlb_tag stage1_tag(const struct request *request,
				 const struct context_config *context)
{
	const struct stream_config *config = request->config;
	return (struct tlb_tag){
		.stage1 = true,
		.domain = config->el2 ? 0 : config->vmid,
		.space = is_plain_el2(request->smmu, config) ? 0 : context->asid,
	};
}

/*
 * Whether a cached leaf decides the access. Whose permission a combined one lacks, only a walk can tell, and
 * what it does not permit, a walk may come to permit (HD); the IPA it does not have.
 */
static bool suffices(const struct request *request, const struct tables *tables,
		     const struct tlb_entry *entry)
{
	bool nested = request->config->kind == STREAM_NESTED;
	if (nested && stage1_alone(request))
		return false;
	return (entry->perm & request->need) || !(nested || tables->set_dirty);
}

static enum translate_result walk_stage1(struct request *request,
					 const struct context_config *context,
					 const struct tables *tables,
					 const struct stage_input *input)
{
	struct tlb *tlb = stage1_tlb(request);
	struct tlb_tag tag = stage1_tag(request, context);
	enum access_path path = PATH_WALKED;
	struct leaf leaf;
	if (smmu_walk(request, tables, tag, input, &leaf) != TRANSLATE_OK)
		return TRANSLATE_FAULT;
	tag.global = leaf.global;
	if (request->config->kind == STREAM_STAGE1)
		remember(tlb, tag, &leaf, input->address);
	if (!(leaf.perm & request->need))
		return smmu_stage_fault(request, EVT_F_PERMISSION, input);
	if (request->config->kind == STREAM_NESTED && !stage1_alone(request)) {
		if (combine(request, input->address, &leaf, &path) != TRANSLATE_OK)
			return TRANSLATE_FAULT;
		remember(tlb, tag, &leaf, input->address);
	}
	return done(request, &leaf, input->address, path);
}

static enum translate_result translate_stage1(struct request *request, uint32_t ssid)
{
	const struct context_config *context = smmu_context(request, ssid);
	if (context == NULL)
		return TRANSLATE_FAULT;
	struct stage_input input = {.record = context->record,
				    .stall = context->stall,
				    .ignore = context->ignore,
				    .class = EVT_CLASS_IN,
				    .address = request->iova};
	const struct tables *tables = half_of(request, context, &input.address);
	if (tables == NULL)
		return smmu_stage_fault(request, EVT_F_TRANSLATION, &input);
	const struct tlb_entry *entry = tlb_lookup(
		stage1_tlb(request), stage1_tag(request, context), input.address >> PAGE_SHIFT);
	if (entry != NULL && !suffices(request, tables, entry))
		entry = NULL;
	if (entry == NULL)
		return walk_stage1(request, context, tables, &input);
	struct leaf leaf;
	leaf_of_entry(entry, &leaf);
	request->out->path = PATH_CACHED;
	if (!(leaf.perm & request->need))
		return smmu_stage_fault(request, EVT_F_PERMISSION, &input);
	return done(request, &leaf, input.address, PATH_CACHED);
}

/* Which context, if any (4.3). */
static enum translate_result translate_substream(struct request *request)
{
	const struct stream_config *config = request->config;
	const struct smmu_access *access = request->access;
	bool disabled = config->context_bits > 0 && config->unnumbered == S1DSS_SSID0 &&
			access->has_ssid && access->ssid == 0;
	if (access->has_ssid &&
	    (config->context_bits == 0 || access->ssid >> config->context_bits != 0))
		return smmu_config_fault(request, EVT_C_BAD_SUBSTREAMID, 0);
	if (config->context_bits > 0 && !access->has_ssid) {
		if (config->unnumbered == S1DSS_BYPASS)
			return config->kind == STREAM_NESTED && !stage1_alone(request)
				       ? translate_stage2(
						 request,
						 stage2_entry(request->smmu, config, request->iova))
				       : bypass_stream(request);
		disabled = config->unnumbered != S1DSS_SSID0;
	}
	if (disabled)
		return smmu_config_fault(request, EVT_F_STREAM_DISABLED, 0);
	return translate_stage1(request, access->has_ssid ? access->ssid : 0);
}

/* --- any stream --- */

/* PRIVCFG and INSTCFG override what came in (4.2). */
__attribute__((noinline)) static uint8_t unusual_need(const struct smmu_access *access,
						      const struct stream_config *config)
{
	bool privileged = access->privileged, instruction = access->instruction && !access->write;
	if (config->privilege >= PRIVCFG_UNPRIV)
		privileged = config->privilege == PRIVCFG_PRIV;
	if (config->instruction >= INSTCFG_DATA)
		instruction = config->instruction == INSTCFG_INST && !access->write;
	if (instruction)
		return (uint8_t)(privileged ? PERM_EXEC : PERM_USER_EXEC);
	if (access->write)
		return (uint8_t)(privileged ? PERM_WRITE : PERM_USER_WRITE);
	return (uint8_t)(privileged ? PERM_READ : PERM_USER_READ);
}

/*
 * WRITE and UNUSUAL (it is privileged or an instruction fetch) apart from ACCESS: a struct that was
 * just put together byte by byte is slow to read.
 */
static inline uint8_t need_of(const struct smmu_access *access, const struct stream_config *config,
			      bool write, bool unusual)
{
	if (unusual || config->privilege != 0 || config->instruction != 0)
		return unusual_need(access, config);
	return (uint8_t)(write ? PERM_USER_WRITE : PERM_USER_READ);
}

/* SMMUEN = 0: as GBPA says; above OAS: abort without event. */
static enum translate_result translate_disabled(struct request *request)
{
	memset(request->out, 0, sizeof(*request->out));
	return request->smmu->gbpa & GBPA_ABORT ? TRANSLATE_FAULT : bypass(request);
}

/* No STE: EVENT says why. */
static enum translate_result translate_unknown(struct request *request, unsigned event,
					       uint64_t address)
{
	memset(request->out, 0, sizeof(*request->out));
	if (event == EVT_C_BAD_STREAMID && !(request->smmu->cr2 & CR2_RECINVSID))
		return TRANSLATE_FAULT;
	return smmu_config_fault(request, event, address);
}

/* All but what the TLB has of a stream with stage 2 alone; ENTRY: what it has, or NULL. */
static enum translate_result translate_stream(struct request *request,
					      const struct tlb_entry *entry)
{
	memset(request->out, 0, sizeof(*request->out));
	request->out->vmid = request->config->vmid;
	if (request->access->translated && request->config->ats == EATS_SPLIT)
		return translate_stage2(
			request, stage2_entry(request->smmu, request->config, request->iova));
	switch (request->config->kind) {
	case STREAM_STAGE2:
		return translate_stage2(request, entry);
	case STREAM_STAGE1:
	case STREAM_NESTED:
		return translate_substream(request);
	case STREAM_BYPASS:
		return bypass_stream(request);
	case STREAM_FAULT:
		return smmu_config_fault(request, request->config->event, 0);
	case STREAM_ABORT:
		break;
	}
	return TRANSLATE_FAULT;
}

/* What a fault comes to. */
static inline enum translate_result outcome(enum translate_result result,
					    const struct translation *translation)
{
	if (result == TRANSLATE_OK)
		return TRANSLATE_OK;
	return translation->stalled   ? TRANSLATE_STALLED
	       : translation->ignored ? TRANSLATE_IGNORED
				      : TRANSLATE_FAULT;
}

static inline struct request request_of(struct smmu *smmu, const struct smmu_access *access,
					const struct stream_config *config, struct translation *out)
{
	return (struct request){
		.smmu = smmu, .access = access, .config = config, .iova = access->iova, .out = out};
}

__attribute__((always_inline)) static inline enum translate_result
translate(struct smmu *smmu, const struct smmu_access *access, bool write, bool unusual,
	  struct translation *translation)
{
	const struct stream_config *config = NULL;
	const struct tlb_entry *entry = NULL;
	unsigned event = 0;
	uint64_t address = 0;
	if (smmu->cr0 & CR0_SMMUEN)
		config = smmu_stream_config(smmu, access->sid, &event, &address);
	if (config == NULL) {
		struct request request = request_of(smmu, access, NULL, translation);
		return smmu->cr0 & CR0_SMMUEN ? translate_unknown(&request, event, address)
					      : translate_disabled(&request);
	}
	uint8_t need = need_of(access, config, write, unusual);
	if (config->kind == STREAM_STAGE2)
		entry = stage2_entry(smmu, config, access->iova);
	if (entry != NULL && (entry->perm & need)) {
		uint64_t inside = access->iova & ((PAGE_SIZE << entry->order) - 1);
		*translation = (struct translation){
			.pa = pa_of((entry->pa << PAGE_SHIFT) + inside),
			.path = PATH_CACHED,
			.vmid = config->vmid,
			.order = entry->order,
			.perm = data_perm(need, entry->perm),
		};
		return TRANSLATE_OK;
	}
	struct request request = request_of(smmu, access, config, translation);
	request.need = need;
	return outcome(translate_stream(&request, entry), translation);
}

enum translate_result smmu_translate_access(struct smmu *smmu, const struct smmu_access *access,
					    struct translation *translation)
{
	return access->translated ? smmu_translated_access(smmu, access, translation)
				  : smmu_untranslated_access(smmu, access, translation);
}

enum translate_result smmu_untranslated_access(struct smmu *smmu, const struct smmu_access *access,
					       struct translation *translation)
{
	return translate(smmu, access, access->write, access->privileged || access->instruction,
			 translation);
}

enum translate_result smmu_translate(struct smmu *smmu, uint32_t sid, uint64_t iova, bool write,
				     struct translation *translation)
{
	const struct smmu_access access = {.sid = sid, .iova = iova, .write = write};
	return translate(smmu, &access, write, false, translation);
}

/* What a device is told of a DMA that succeeded without effect. */
static enum translate_result ignored(const struct smmu_access *access, void *data, uint32_t size)
{
	if (!access->write)
		memset(data, 0, size);
	return TRANSLATE_IGNORED;
}

enum translate_result smmu_dma_access(struct smmu *smmu, const struct smmu_access *device,
				      void *data, uint32_t size, struct translation *translation)
{
	struct smmu_endpoint *endpoint = smmu_endpoint_find(smmu, device->sid);
	enum translate_result result =
		endpoint != NULL ? smmu_endpoint_translate(endpoint, device, translation)
				 : smmu_translate_access(smmu, device, translation);
	if (result == TRANSLATE_IGNORED)
		return ignored(device, data, size);
	if (result != TRANSLATE_OK)
		return result;
	struct access access = {
		.context = CONTEXT_DEVICE(device->sid),
		.purpose = device->write ? ACCESS_DMA_WRITE : ACCESS_DMA_READ,
		.path = translation->path,
		.input = device->iova,
		.pa = translation->pa,
		.size = size,
	};
	enum port_status status = device->write ? port_write(&smmu->port, &access, data)
						: port_read(&smmu->port, &access, data);
	return status == PORT_OK ? TRANSLATE_OK : TRANSLATE_FAULT; /* aborted beyond the SMMU */
}

enum translate_result smmu_dma(struct smmu *smmu, uint32_t sid, uint64_t iova, bool write,
			       void *data, uint32_t size, struct translation *translation)
{
	const struct smmu_access access = {.sid = sid, .iova = iova, .write = write};
	return smmu_dma_access(smmu, &access, data, size, translation);
}
