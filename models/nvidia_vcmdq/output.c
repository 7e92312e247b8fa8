// SPDX-License-Identifier: Apache-2.0
/* What the SMMU tells software: GERROR, event queue, PRI queue, MSIs and wires (smmuv3 1.5, 1.6, 2.1, 6). */
#include "models/nvidia_vcmdq/smmu.h"

/* --- interrupts (1.6) --- */

static uint32_t line_of(const struct smmu *smmu, enum smmu_source source)
{
	const struct smmu_board *board = &smmu->board;
	const uint32_t lines[SMMU_SOURCES] = {board->gerror_irq, board->priq_irq,
					      board->eventq_irq};
	return lines[source];
}

bool smmu_write_msi(struct smmu *smmu, uint64_t address, uint32_t data)
{
	struct access access = {
		.context = CONTEXT_MAIN_QUEUE,
		.purpose = ACCESS_COMPLETION_WRITE,
		.path = PATH_PHYSICAL,
		.pa = pa_of(address),
		.size = sizeof(data),
	};
	uint8_t bytes[sizeof(data)];
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(data >> (8 * i));
	return port_write(&smmu->port, &access, bytes) == PORT_OK;
}

void smmu_interrupt(struct smmu *smmu, enum smmu_source source)
{
	static const uint32_t aborts[SMMU_SOURCES] = {
		GERROR_MSI_GERROR_ABT_ERR, GERROR_MSI_PRIQ_ABT_ERR, GERROR_MSI_EVENTQ_ABT_ERR};
	const struct smmu_msi *msi = &smmu->msis[source];
	if (!(smmu->irq_ctrl >> source & 1))
		return;
	if (!(smmu->idr[0] & IDR0_MSI) || msi->address == 0)
		irq_raise(smmu->machine, line_of(smmu, source));
	else if (!smmu_write_msi(smmu, msi->address, msi->data))
		smmu_raise_gerror(smmu, aborts[source]);
}

/* What is active already is not logged again; a failed MSI of GERROR can't be told by another (1.5). */
void smmu_raise_gerror(struct smmu *smmu, uint32_t bit)
{
	if ((smmu->gerror ^ smmu->gerrorn) & bit)
		return;
	smmu->gerror ^= bit;
	if (bit != GERROR_MSI_GERROR_ABT_ERR)
		smmu_interrupt(smmu, SOURCE_GERROR);
}

/* --- queues (2.1, 6.4) --- */

uint32_t smmu_queue_entries(const struct smmu *smmu, uint64_t base, uint64_t limit)
{
	uint32_t cap = (uint32_t)field_get(smmu->idr[1], limit);
	uint32_t log2size = (uint32_t)field_get(base, QUEUE_BASE_LOG2SIZE);
	return 1U << (log2size < cap ? log2size : cap);
}

uint64_t smmu_queue_base(uint64_t base, uint32_t entries, uint32_t entry_size)
{
	uint64_t size = (uint64_t)entry_size * entries;
	return (base & QUEUE_BASE_ADDR) & ~((size > 32 ? size : 32) - 1);
}

/* Of a queue's records: how large, how many at most, which error an aborted write is. */
struct output_kind {
	enum smmu_source source;
	uint32_t entry_size;
	uint64_t limit;
	uint32_t abort;
};

static const struct output_kind events = {SOURCE_EVENTQ, EVENT_SIZE, IDR1_EVENTQS,
					  GERROR_EVENTQ_ABT_ERR};
static const struct output_kind requests = {SOURCE_PRIQ, PRI_SIZE, IDR1_PRIQS, GERROR_PRIQ_ABT_ERR};

static uint32_t used_of(const struct smmu *smmu, const struct output_queue *queue,
			const struct output_kind *kind, uint32_t *entries)
{
	*entries = smmu_queue_entries(smmu, queue->base, kind->limit);
	return (queue->prod - queue->cons) & queue_mask(*entries);
}

/* A record was dropped: the flag toggles once, until it is acknowledged. */
static void overflow(struct output_queue *queue)
{
	if (((queue->prod ^ queue->cons) & QUEUE_OVERFLOW) == 0)
		queue->prod ^= (uint32_t)QUEUE_OVERFLOW;
}

/* The record, and then PROD; the caller has seen that there is space. False: the write was aborted. */
static bool append(struct smmu *smmu, struct output_queue *queue, const struct output_kind *kind,
		   const uint64_t *words)
{
	uint8_t bytes[EVENT_SIZE];
	uint32_t entries = smmu_queue_entries(smmu, queue->base, kind->limit);
	uint32_t mask = queue_mask(entries);
	for (unsigned i = 0; i < kind->entry_size / 8; i++)
		store_le64(bytes + 8 * i, words[i]);
	uint64_t base = smmu_queue_base(queue->base, entries, kind->entry_size);
	struct access access = {
		.context = CONTEXT_MAIN_QUEUE,
		.purpose = ACCESS_EVENT_WRITE,
		.pa = pa_of(base + (uint64_t)kind->entry_size * (queue->prod & (entries - 1))),
		.size = kind->entry_size,
		.index = queue->prod & mask,
	};
	if (port_write(&smmu->port, &access, bytes) != PORT_OK) {
		smmu_raise_gerror(smmu, kind->abort);
		return false;
	}
	queue->prod = (queue->prod & (uint32_t)QUEUE_OVERFLOW) | ((queue->prod + 1) & mask);
	return true;
}

/* --- events --- */

static void note_fault(struct smmu *smmu, const uint64_t record[4])
{
	struct note note = {
		.kind = NOTE_FAULT,
		.who = (uint32_t)field_get(record[0], EVT_SID),
		.first = record[2],
		.what = event_name((unsigned)field_get(record[0], EVT_ID)),
	};
	machine_note(smmu->machine, &note);
}

bool smmu_record_event(struct smmu *smmu, const uint64_t record[4], bool loses)
{
	struct output_queue *queue = &smmu->eventq;
	uint32_t entries, used = used_of(smmu, queue, &events, &entries);
	if (!(smmu->cr0 & CR0_EVENTQEN) || ((smmu->gerror ^ smmu->gerrorn) & events.abort))
		return false; /* not writable (6.4) */
	if (used >= entries) {
		if (loses)
			overflow(queue);
		return false;
	}
	if (!append(smmu, queue, &events, record))
		return false;
	note_fault(smmu, record);
	if (used == 0) /* empty -> non-empty (1.6) */
		smmu_interrupt(smmu, SOURCE_EVENTQ);
	return true;
}

/* --- page requests --- */

enum pri_admission smmu_record_request(struct smmu *smmu, const uint64_t record[2])
{
	struct output_queue *queue = &smmu->priq;
	bool last = record[0] & PRI_LAST, each = smmu->msis[SOURCE_PRIQ].attributes & PRIQ_CFG2_LO;
	uint32_t entries, used = used_of(smmu, queue, &requests, &entries);
	if (!(smmu->cr0 & CR0_SMMUEN) || !(smmu->cr0 & CR0_PRIQEN) ||
	    ((smmu->gerror ^ smmu->gerrorn) & requests.abort))
		return PRI_OFF;
	/* Overflow blocks the queue until it is acknowledged (6.4). */
	bool full = used >= entries || ((queue->prod ^ queue->cons) & QUEUE_OVERFLOW);
	if (full)
		overflow(queue);
	else if (!append(smmu, queue, &requests, record))
		return PRI_OFF;
	if (each ? last : !full && used == 0) /* LO: also of one that is dropped (1.2) */
		smmu_interrupt(smmu, SOURCE_PRIQ);
	return full ? PRI_OVERFLOW : PRI_TAKEN;
}
