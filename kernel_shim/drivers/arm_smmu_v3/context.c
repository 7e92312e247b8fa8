// SPDX-License-Identifier: Apache-2.0
/* A device's context descriptor: one, as its driver has no substreams (smmuv3 3.6, 4.3). */
#include <string.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"

/* Linux's memory attributes by index: 0 not cached, 1 write-back, 2 device (4.3). */
#define MAIR 0xfffffffff404ff44ULL

/* With V all of it. */
static void cd_used(const uint64_t cd[ENTRY_WORDS], uint64_t used[ENTRY_WORDS])
{
	memset(used, cd[0] & CD_V ? 0xff : 0, ENTRY_WORDS * sizeof(*used));
	used[0] |= CD_V;
}

static void write_cd(struct arm_smmu_master *master, const uint64_t cd[CD_WORDS])
{
	const struct arm_smmu_entry entry = {.smmu = master->smmu,
					     .at = master->cd_pa,
					     .valid = CD_V,
					     .cfgi = command_cfgi_cd(master->sid, 0, 1),
					     .used = cd_used};
	arm_smmu_write_entry(&entry, cd);
}

static void make_cd(const struct arm_smmu_domain *domain, uint64_t cd[CD_WORDS])
{
	const struct io_pgtable *table = &domain->table;
	const struct arm_smmu *smmu = domain->smmu;
	const struct walk_attributes walk = arm_smmu_walk_attributes(smmu);
	memset(cd, 0, CD_WORDS * sizeof(*cd));
	cd[0] = field_put(CD_T0SZ, 64 - table->input_bits) | field_put(CD_IR0, walk.cache) |
		field_put(CD_OR0, walk.cache) | field_put(CD_SH0, walk.share) | CD_EPD1 | CD_V |
		field_put(CD_IPS, field_get(smmu->idr[5], IDR5_OAS)) | CD_AA64 | CD_R | CD_A |
		CD_ASET | field_put(CD_ASID, domain->asid);
	if (arm_smmu_stalls(smmu))
		cd[0] |= CD_S;
	cd[1] = table->root_pfn * PAGE_SIZE & CD_TTB;
	cd[3] = MAIR;
}

/* The table is the device's for good: the first stage-1 domain makes it. */
int arm_smmu_alloc_cd(struct arm_smmu_master *master)
{
	struct machine *machine = master->smmu->machine;
	if (master->cd_pa != 0)
		return 0;
	if (!no_memory(machine, "context descriptor"))
		master->cd_pa = alloc_shared_frames(machine, CD_SIZE) * PAGE_SIZE;
	if (master->cd_pa == 0)
		return refuse(machine, ENOMEM, "smmuv3 4.3", "no memory for a context descriptor");
	return 0;
}

void arm_smmu_set_cd(struct arm_smmu_master *master, const struct arm_smmu_domain *domain)
{
	uint64_t cd[CD_WORDS];
	make_cd(domain, cd);
	write_cd(master, cd);
}

void arm_smmu_clear_cd(struct arm_smmu_master *master)
{
	const uint64_t cd[CD_WORDS] = {0};
	if (master->cd_pa != 0)
		write_cd(master, cd);
}
