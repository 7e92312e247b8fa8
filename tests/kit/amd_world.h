/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world with an AMD IOMMU, its Linux driver and one device, and a log of what the driver wrote.
 *
 * Concepts
 *   written   a register write of the driver; a tail write carries the command that it announces.
 *             Writes to the two map ports are counted apart: there are 131072 of them a vIOMMU
 *   watched   a device whose table entry is noted with each write
 */
#ifndef HWQ_TESTS_KIT_AMD_WORLD_H
#define HWQ_TESTS_KIT_AMD_WORLD_H

#include "kernel_shim/drivers/amd_iommu/amd.h"
#include "models/amd_iommu/amd_iommu.h"
#include "tests/kit/world.h"

#define AMD_AT         0xfed80000ULL
#define AMD_ECAM_AT    0xe0000000ULL
#define AMD_VF_AT      0x50000000ULL
#define AMD_VFCNTL_AT  0x60000000ULL
#define AMD_OWN_DEVICE 0x2U
#define AMD_DEVICE     0x28U
#define AMD_LAST       0x1ffU
#define AMD_LOG_MAX    512U

enum amd_region { AMD_REGION_HOST, AMD_REGION_VF, AMD_REGION_VFCNTL, AMD_REGIONS };

struct amd_written {
	enum amd_region region;
	unsigned width;
	uint64_t offset;
	uint64_t value;
	struct amd_command command; /* of a write to the host's tail */
	struct amd_dte dte;         /* of the watched device, at that time */
	uint32_t holder;            /* of the watched device's translations, likewise */
	uint64_t word;              /* at watched_pa, likewise */
};

/* What the map ports of one kind were told. */
struct amd_map_log {
	uint32_t writes;
	uint16_t host[65536]; /* last */
	uint32_t times[65536];
	unsigned at; /* of the first: how many writes the log had */
};

struct amd_world {
	struct world *world;
	struct machine *machine;
	struct amd_iommu *iommu;
	struct amd *driver;
	struct mmio_region real[AMD_REGIONS];
	struct amd_written log[AMD_LOG_MAX];
	unsigned count;
	struct amd_map_log device_map;
	struct amd_map_log domain_map;
	uint16_t watched;
	uint64_t watched_pa; /* 0: none */
	int device_fd;
	uint32_t ioas;
	uint32_t device; /* AMD_DEVICE, bound to the iommufd */
};

/* profiles/amd-viommu. */
struct profile amd_world_profile(void);
/* Posted or as in 7.3.4. The log has all that the driver wrote to come up. */
struct amd_world *amd_world_new(bool posted);
/* On other hardware. */
struct amd_world *amd_world_new_on(bool posted, const struct profile *profile);
void amd_world_free(struct amd_world *amd);
/* Another IOMMU of the kind, unobserved, at AT; no vIOMMU. */
struct amd *amd_world_second(struct amd_world *amd, uint64_t at);
/* Forgets the log. */
void amd_world_look(struct amd_world *amd);

void amd_world_option(struct amd_world *amd, enum kernel_option option, unsigned value);
/* Makes a device of IOMMU, opens PATH and gives it to the iommufd: *ID; the descriptor. */
int amd_world_add(struct amd_world *amd, struct amd *iommu, const char *path, uint16_t device,
		  bool ats, uint32_t *id);
int64_t amd_world_attach(struct amd_world *amd, int fd, uint32_t hwpt);
int64_t amd_world_detach(struct amd_world *amd, int fd);
uint32_t amd_world_hwpt(struct amd_world *amd, uint32_t flags);
/* PAGES fresh pages at IOVA; their address, which is 2 MiB-aligned. */
uint64_t amd_world_map(struct amd_world *amd, uint64_t iova, uint64_t pages);

/* The commands in the log are these; MORE: or begin so. What differs is printed. */
bool amd_world_sent(const struct amd_world *amd, const struct amd_command *commands, unsigned count,
		    bool more);
#define AMD_SENT_(amd, more, ...)                                          \
	amd_world_sent((amd), (const struct amd_command[]){__VA_ARGS__},   \
		       sizeof((const struct amd_command[]){__VA_ARGS__}) / \
			       sizeof(struct amd_command),                 \
		       (more))
#define AMD_SENT(amd, ...)       AMD_SENT_(amd, false, __VA_ARGS__)
#define AMD_SENT_FIRST(amd, ...) AMD_SENT_(amd, true, __VA_ARGS__)
/* A COMPLETION_WAIT, whichever number it carries. */
#define AMD_WAIT             \
	{                    \
		{            \
			0, 0 \
		}            \
	}
/* How many commands the log has, of any opcode. */
unsigned amd_world_commands(const struct amd_world *amd);
/* The place in the log of the NTH (from 0) write of REGION at OFFSET; count: there is none. */
unsigned amd_world_place(const struct amd_world *amd, enum amd_region region, uint64_t offset,
			 unsigned nth);
/* The same of the NTH command of OPCODE. */
unsigned amd_world_command(const struct amd_world *amd, enum amd_opcode opcode, unsigned nth);

struct amd_dte amd_world_dte(struct amd_world *amd, uint16_t device);
uint64_t amd_world_word(struct amd_world *amd, uint64_t pa);
uint64_t amd_world_vfcntl(struct amd_world *amd, uint16_t guest, uint32_t offset);
void amd_world_run(struct amd_world *amd);
/* What a device's access to IOVA comes to now. */
bool amd_world_works(struct amd_world *amd, uint16_t device, uint64_t iova, bool write,
		     struct amd_translation *got);

#endif
