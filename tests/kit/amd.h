/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An AMD IOMMU with hardware vIOMMU on a machine of its own, and a log of what it did.
 *
 * Concepts
 *   kit     machine, hardware, log; no kernel. It starts with a device table of 1024 entries, all
 *           zero but the IOMMU's own, a command ring, an event log, and all of them running
 *   guest   a GuestID with its trans_devid, its tables, a ring and an event log at fixed guest
 *           addresses, and maps of its ids, empty
 *   tables  v1 tables of MODE levels, a step or an entry at a time
 */
#ifndef HWQ_TESTS_KIT_AMD_H
#define HWQ_TESTS_KIT_AMD_H

#include "models/amd_iommu/amd_iommu.h"

#define AMD_AT         0xfed80000ULL
#define ECAM_AT        0xe0000000ULL
#define VF_AT          0x50000000ULL
#define VFCNTL_AT      0x60000000ULL
#define OWN_DEVICE     0x0002U
#define KIT_DEVICES    1024U
#define KIT_OWN_DOMAIN 0x99U
#define KIT_ENTRIES    256U /* of every ring and log */
#define KIT_BYTES      0x1000U
#define KIT_LOG_MAX    256U
/* Commands, and steps of one amd_kit_run(), beyond which an engine is taken to have run away. */
#define KIT_RUNAWAY (1U << 20)
#define PTE_RW      (PTE_IR | PTE_IW)

struct amd_kit {
	struct machine *machine;
	struct amd_iommu *amd;
	uint64_t devices; /* the table's address */
	uint64_t ring;
	uint64_t log;
	uint64_t own_root; /* tables of private addresses, 3 levels */
	struct probe probes[KIT_LOG_MAX];
	unsigned probe_count;
	struct access accesses[KIT_LOG_MAX];
	unsigned access_count;
	unsigned interrupts; /* edges */
};

/* profiles/amd-viommu. */
struct profile amd_kit_profile(void);
/* Another one of profiles/. */
struct profile amd_kit_profile_named(const char *name);
void amd_kit_set(struct profile *profile, const char *name, uint64_t value);
/* Default assumptions. */
struct amd_kit *amd_kit_new(const struct profile *profile);
/* Frees the machine and all that lies in it. */
void amd_kit_free(struct amd_kit *kit);
/* Forgets the log. */
void amd_kit_clear(struct amd_kit *kit);
/* Another value of an assumption. */
void amd_kit_assume(struct amd_kit *kit, enum amd_assumption assumption, unsigned value);

/* Registers of the host's window, by offset. */
uint64_t amd_kit_read(struct amd_kit *kit, uint64_t offset, unsigned width);
void amd_kit_write(struct amd_kit *kit, uint64_t offset, unsigned width, uint64_t value);
/* Clears and sets bits of Control. */
void amd_kit_control(struct amd_kit *kit, uint64_t clear, uint64_t set);
/* Steps until nothing is due; how many. */
unsigned amd_kit_run(struct amd_kit *kit);
/* COUNT consecutive fresh frames: their address. */
uint64_t amd_kit_frames(struct amd_kit *kit, uint32_t count);
/* A little-endian word of memory. */
uint64_t amd_kit_word(struct amd_kit *kit, uint64_t pa);
void amd_kit_set_word(struct amd_kit *kit, uint64_t pa, uint64_t value);
/* Puts a command at entry ENTRY of the ring at BASE. */
void amd_kit_put(struct amd_kit *kit, uint64_t base, uint32_t entry, struct amd_command command);
/* The event at entry ENTRY of the log at BASE. */
struct amd_event amd_kit_event(struct amd_kit *kit, uint64_t base, uint32_t entry);

/* The host's ring: puts a command at tail and runs until nothing is due. */
void amd_kit_issue(struct amd_kit *kit, struct amd_command command);
/* How many events the host's log has. */
uint32_t amd_kit_events(struct amd_kit *kit);

/* --- tables --- */
/* V, TV, IR, IW: MODE levels from ROOT. */
struct amd_dte amd_kit_dte(uint64_t root, unsigned mode, uint16_t domain);
/* Into the table in memory: what is cached of the old one stays. */
void amd_kit_set_dte(struct amd_kit *kit, uint16_t device, struct amd_dte dte);
/* The address of the entry of LEVEL for ADDRESS; tables on the way are made. */
uint64_t amd_kit_entry(struct amd_kit *kit, uint64_t root, unsigned mode, uint64_t address,
		       unsigned level);
/* A leaf of 4 KiB; RIGHTS: PTE_IR, PTE_IW; PA 0 and no rights: not present. */
void amd_kit_map(struct amd_kit *kit, uint64_t root, unsigned mode, uint64_t address, uint64_t pa,
		 uint64_t rights);

/* --- guests --- */
#define GUEST_MODE      3U
#define GUEST_RING_AT   0x10000000ULL /* guest addresses, one page each */
#define GUEST_LOG_AT    0x10001000ULL
#define GUEST_MEMORY_AT 0x10002000ULL
#define GUEST_LENGTH    8U /* code: 256 entries */

struct amd_kit_guest {
	struct amd_kit *kit;
	uint16_t id;
	uint16_t trans_device;
	uint16_t domain; /* of trans_devid */
	uint64_t root;
	uint64_t ring; /* physical addresses */
	uint64_t log;
	uint64_t memory;
};

/* Its ring and its log run. */
struct amd_kit_guest amd_kit_guest(struct amd_kit *kit, uint16_t id, uint16_t trans_device,
				   uint16_t domain);
uint64_t amd_kit_vf(const struct amd_kit_guest *guest, uint32_t offset);
void amd_kit_set_vf(const struct amd_kit_guest *guest, uint32_t offset, uint64_t value);
uint64_t amd_kit_vfcntl(const struct amd_kit_guest *guest, uint32_t offset);
void amd_kit_set_vfcntl(const struct amd_kit_guest *guest, uint32_t offset, uint64_t value);
/* Puts COMMAND at tail of its ring, which moves; steps nothing. */
void amd_kit_guest_post(const struct amd_kit_guest *guest, struct amd_command command);
/* The same, and runs until nothing is due. */
void amd_kit_guest_issue(const struct amd_kit_guest *guest, struct amd_command command);
/* CmdBufEn off and on again (VFCntl 20). */
void amd_kit_guest_restart(const struct amd_kit_guest *guest);
/* An entry of its map of DeviceIDs (below 256) or DomainIDs (below 512), by port. */
void amd_kit_guest_device(const struct amd_kit_guest *guest, uint16_t guest_device, uint16_t host);
void amd_kit_guest_domain(const struct amd_kit_guest *guest, uint16_t guest_domain, uint16_t host);
/* The 4 KiB of its guest address ADDRESS. */
void amd_kit_guest_map(const struct amd_kit_guest *guest, uint64_t address, uint64_t pa,
		       uint64_t rights);

#endif
