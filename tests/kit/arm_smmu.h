/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SMMU with Linux's driver of it, and what the driver sends.
 *
 * Concepts
 *   log      each command that the main queue ran, and what the watched device's entries were then
 *   watched  the device of the log: the first one, unless a test says otherwise
 */
#ifndef HWQ_TESTS_KIT_ARM_SMMU_H
#define HWQ_TESTS_KIT_ARM_SMMU_H

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"
#include "tests/kit/smmu.h"
#include "tests/kit/world.h"

#define ARM_LOG_MAX 8192U

struct arm_logged {
	struct smmu_command command;
	uint64_t ste[4];
	uint64_t cd[4];
};

struct arm_kit {
	struct world *world;
	struct machine *machine;
	struct smmu *smmu;
	struct arm_smmu *driver;
	struct arm_smmu_master *watched;
	struct arm_logged log[ARM_LOG_MAX];
	unsigned count;
};

/* Default assumptions. */
struct arm_kit *arm_kit_new(const struct profile *profile);
void arm_kit_free(struct arm_kit *kit);
struct arm_smmu_master *arm_kit_device(struct arm_kit *kit, uint32_t sid, bool ats);
/* What was sent is done, and forgotten. */
void arm_kit_look(struct arm_kit *kit);
/* What was sent since then is done, and the log is exactly this. */
void arm_kit_expect(struct arm_kit *kit, const struct smmu_command *commands, unsigned count);
#define ARM_KIT_EXPECT(kit, ...)                                            \
	arm_kit_expect(kit, (const struct smmu_command[]){__VA_ARGS__},     \
		       sizeof((const struct smmu_command[]){__VA_ARGS__}) / \
			       sizeof(struct smmu_command))
#define ARM_SYNC command_sync(SYNC_CS_SEV)

void arm_kit_option(struct arm_kit *kit, enum kernel_option option, unsigned value);
/* Until nothing is due. */
void arm_kit_run(struct arm_kit *kit);

#endif
