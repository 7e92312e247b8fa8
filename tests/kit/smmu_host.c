// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/smmu_host.h"

#include <assert.h>

/* 39 bits of input from level 1, 4 KiB, 48 bits of output. */
#define CD_DW0     (25ULL | 5ULL << 32 | CD_EPD1 | CD_V | CD_AA64)
#define STAGE2_DW2 (25ULL << 32 | 1ULL << 38 | 5ULL << 48 | STE_S2AA64)

struct smmu_host smmu_host_new(const struct profile *profile)
{
	struct smmu_kit *kit = smmu_kit_new(profile);
	struct smmu_host host = {.kit = kit,
				 .streams = kit_frames(kit, 1),
				 .events = kit_frames(kit, 1),
				 .requests = kit_frames(kit, 1),
				 .queue = kit_frames(kit, 1)};
	kit_smmu_write(kit, SMMU_STRTAB_BASE, 8, host.streams);
	kit_smmu_write(kit, SMMU_STRTAB_BASE_CFG, 4, 6);
	kit_smmu_write(kit, SMMU_EVENTQ_BASE, 8, host.events | HOST_QUEUE_LOG2);
	kit_smmu_write(kit, SMMU_PRIQ_BASE, 8, host.requests | HOST_QUEUE_LOG2);
	kit_smmu_write(kit, SMMU_IRQ_CTRL, 4, 7);
	kit_smmu_write(kit, SMMU_CR0, 4, CR0_SMMUEN | CR0_EVENTQEN | CR0_PRIQEN);
	kit_enable_main(kit, host.queue, HOST_QUEUE_LOG2);
	return host;
}

void smmu_host_free(struct smmu_host *host)
{
	smmu_kit_free(host->kit);
}

void host_issue_words(struct smmu_host *host, uint64_t dw0, uint64_t dw1)
{
	kit_put(host->kit, host->queue, host->queued++ % HOST_QUEUE,
		(struct smmu_command){{dw0, dw1}});
	kit_smmu_write(host->kit, SMMU_CMDQ_PROD, 4, host->queued % (2 * HOST_QUEUE));
	kit_run(host->kit);
}

void host_issue(struct smmu_host *host, struct smmu_command command)
{
	host_issue_words(host, command.dw[0], command.dw[1]);
	assert(kit_smmu_read(host->kit, SMMU_CMDQ_CONS, 4) == host->queued % (2 * HOST_QUEUE));
}

/* --- streams --- */

static uint64_t ste_of(const struct smmu_host *host, uint32_t sid)
{
	return host->streams + (uint64_t)STE_SIZE * sid;
}

static uint64_t context_of(struct smmu_host *host, uint32_t sid, uint64_t bits)
{
	uint64_t context = kit_frames(host->kit, 1), table = kit_frames(host->kit, 1);
	kit_set_word(host->kit, context + 8, table);
	kit_set_word(host->kit, context, CD_DW0 | bits | field_put(CD_ASID, sid));
	kit_set_word(host->kit, ste_of(host, sid), context);
	return table;
}

static uint64_t stage2_of(struct smmu_host *host, uint32_t sid, uint64_t bits)
{
	uint64_t table = kit_frames(host->kit, 1);
	kit_set_word(host->kit, ste_of(host, sid) + 16, STAGE2_DW2 | bits | sid);
	kit_set_word(host->kit, ste_of(host, sid) + 24, table);
	return table;
}

static void set_config(struct smmu_host *host, uint32_t sid, uint64_t config)
{
	uint64_t word = kit_word(host->kit, ste_of(host, sid)) & STE_S1CONTEXTPTR;
	kit_set_word(host->kit, ste_of(host, sid), word | STE_V | field_put(STE_CONFIG, config));
	host_issue(host, command_cfgi_ste(sid, 1));
}

uint64_t host_stage1(struct smmu_host *host, uint32_t sid, uint64_t bits)
{
	uint64_t table = context_of(host, sid, bits);
	set_config(host, sid, STE_CONFIG_S1);
	return table;
}

uint64_t host_stage2(struct smmu_host *host, uint32_t sid, uint64_t bits)
{
	uint64_t table = stage2_of(host, sid, bits);
	set_config(host, sid, STE_CONFIG_S2);
	return table;
}

uint64_t host_nested(struct smmu_host *host, uint32_t sid, uint64_t bits1, uint64_t bits2,
		     uint64_t *stage2)
{
	uint64_t table = context_of(host, sid, bits1);
	*stage2 = stage2_of(host, sid, bits2);
	for (unsigned slot = 0; slot < 8; slot++)
		host_map(host, *stage2, slot, slot, HOST_LEAF2);
	set_config(host, sid, STE_CONFIG_NESTED);
	return table;
}

void host_change_ste(struct smmu_host *host, uint32_t sid, unsigned word, uint64_t clear,
		     uint64_t set)
{
	uint64_t at = ste_of(host, sid) + 8ULL * word;
	kit_set_word(host->kit, at, (kit_word(host->kit, at) & ~clear) | set);
	host_issue(host, command_cfgi_ste(sid, 1));
}

void host_map(struct smmu_host *host, uint64_t table, unsigned slot, unsigned output, uint64_t bits)
{
	kit_set_word(host->kit, table + 8ULL * slot, SLOT(output) | bits);
}

/* --- records --- */

uint64_t host_event(const struct smmu_host *host, uint32_t n, unsigned word)
{
	return kit_word(host->kit, host->events + (uint64_t)EVENT_SIZE * n + 8ULL * word);
}

uint64_t host_request(const struct smmu_host *host, uint32_t n, unsigned word)
{
	return kit_word(host->kit, host->requests + (uint64_t)PRI_SIZE * n + 8ULL * word);
}

uint32_t host_events(const struct smmu_host *host)
{
	return (uint32_t)kit_smmu_read(host->kit, SMMU_EVENTQ_PROD, 4);
}
