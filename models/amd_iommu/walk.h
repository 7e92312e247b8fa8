/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translations under way: what host tables (translate.c) and guest tables (guest_walk.c) share.
 * For the model's own files.
 */
#ifndef HWQ_MODELS_AMD_IOMMU_WALK_H
#define HWQ_MODELS_AMD_IOMMU_WALK_H

#include "models/amd_iommu/amd_iommu.h"

/* Rights of entries; USER, EXECUTE and DIRTY are of guest tables. */
#define PERM_READ       1U
#define PERM_WRITE      2U
#define PERM_USER       4U
#define PERM_EXECUTE    8U
#define PERM_DIRTY      16U /* a write needs no walk: memory says so already, or is never told */
#define PERM_HOST_DIRTY 32U /* the host's leaf has its D */
#define PERM_ABSENT     64U /* no rights: the entry is not present (NpCache) */

/* An entry that a walk met, in case its A or D is to be set. */
struct met {
	uint64_t at;    /* physical address */
	uint64_t input; /* guest address, or the one that is translated */
	uint64_t entry;
};

/* One translation under way. */
struct walk {
	struct amd_iommu *amd;
	uint64_t address; /* a guest's, or one that host tables translate */
	uint32_t pasid;
	uint16_t device;
	bool guest; /* ADDRESS is of PASID's tables */
	bool write;
	bool execute;
	bool user;
	struct amd_translation *out;
	const struct amd_dte *dte; /* once it is found */
};

/* FLAGS and the rest of Q0 of an event. */
enum amd_translate_result amd_walk_fault(struct walk *walk, unsigned code, uint64_t flags,
					 uint64_t address);
/* PR, PE, RZ as 13 says: not present 0; permission PR, PE; bad level PR; reserved bits PR, RZ. */
enum amd_translate_result amd_walk_page_fault(struct walk *walk, uint64_t flags);
/* An entry of a table at physical address AT. */
enum amd_translate_result amd_walk_read(struct walk *walk, uint64_t at, uint64_t *entry);
/* Sets BITS of an entry of a table, for a walk that has met it (11, 12). */
enum amd_translate_result amd_walk_mark(struct walk *walk, struct met *met, uint64_t bits);
/* Whether this access has to set the D of the host's leaf, of which a cache says PERM. */
bool amd_walk_dirties(const struct walk *walk, unsigned perm);
/* Where leaves of this translation are kept; TAG: the domain to look them up by. NULL: nowhere. */
static inline struct tlb *amd_walk_leaves(struct walk *walk, enum amd_leaf_cache cache,
					  uint16_t *tag)
{
	*tag = cache == AMD_LEAVES_BY_DEVICE ? walk->device : walk->out->domain;
	if (cache == AMD_LEAVES_NOWHERE)
		return NULL;
	return cache == AMD_LEAVES_BY_DEVICE ? &walk->amd->buffers : &walk->amd->tlb;
}

/* Through host tables: Mode 1 to 6. */
enum amd_translate_result amd_walk_host(struct walk *walk, enum amd_leaf_cache cache,
					struct tlb_entry *leaf);
/* Through guest tables, and host tables if there are any (12). */
enum amd_translate_result amd_walk_guest(struct walk *walk, enum amd_leaf_cache cache);
/* What LEAF makes of the address; a fault if it does not allow the access. */
enum amd_translate_result amd_walk_finish(struct walk *walk, const struct tlb_entry *leaf,
					  enum access_path path);

#endif
