// SPDX-License-Identifier: Apache-2.0
/* Walks of translation tables, of either stage and any granule (smmuv3 5). */
#include "models/nvidia_vcmdq/smmu.h"

/* What tables on the way take away from what is below them (5.3). */
struct restrictions {
	bool no_user;
	bool no_write;
	bool no_exec;
	bool no_user_exec;
};

struct walk {
	struct request *request;
	const struct tables *tables;
	const struct stage_input *input;
	struct restrictions restrictions;
};

/* Descriptors of stage 1 lie behind stage 2, if there is one. False: a fault. */
static bool locate(struct walk *walk, uint64_t *address)
{
	struct request *request = walk->request;
	const struct stage_input input = {.stage2 = true,
					  .record = request->config->record,
					  .class = EVT_CLASS_TT,
					  .address = *address};
	struct leaf leaf;
	enum access_path path;
	if (walk->input->stage2 || request->config->kind != STREAM_NESTED)
		return true;
	if (smmu_stage2(request, &input, PERM_READ | PERM_USER_READ, &leaf, &path) != TRANSLATE_OK)
		return false;
	*address = leaf_pa(&leaf, *address);
	return true;
}

static bool read_descriptor(struct walk *walk, uint64_t address, uint64_t *descriptor)
{
	struct request *request = walk->request;
	if (!locate(walk, &address))
		return false;
	struct access access = {.context = CONTEXT_DEVICE(request->access->sid),
				.purpose = ACCESS_TABLE_WALK,
				.pa = pa_of(address)};
	if (port_read_u64(&request->smmu->port, &access, descriptor) == PORT_OK)
		return true;
	smmu_walk_abort(request, walk->input, address);
	return false;
}

/* Without DS: 1 GiB and 2 MiB; 32 MiB; 512 MiB, and 4 TiB where addresses have 52 bits (5.1). */
static bool block_legal(const struct tables *tables, unsigned level)
{
	return level == 2 || (level == 1 && (tables->page_shift == 12 ||
					     (tables->page_shift == 16 && tables->wide)));
}

static uint64_t address_of(const struct tables *tables, uint64_t descriptor)
{
	uint64_t address = descriptor & PTE_ADDR & ~((1ULL << tables->page_shift) - 1);
	if (tables->wide)
		address |= field_get(descriptor, PTE_ADDR_HIGH) << 48;
	return address;
}

static void restrict_by(struct restrictions *restrictions, uint64_t table)
{
	restrictions->no_user |= (table & PTE_S1_AP_TABLE_EL0) != 0;
	restrictions->no_write |= (table & PTE_S1_AP_TABLE_RO) != 0;
	restrictions->no_exec |= (table & PTE_S1_PXN_TABLE) != 0;
	restrictions->no_user_exec |= (table & PTE_S1_UXN_TABLE) != 0;
}

static uint8_t stage1_perm(const struct walk *walk, uint64_t leaf)
{
	const struct restrictions *restrictions = &walk->restrictions;
	bool user = (leaf & PTE_S1_AP_EL0) && !restrictions->no_user;
	bool write = !(leaf & PTE_S1_AP_RO) && !restrictions->no_write;
	bool exec = !(leaf & PTE_S1_PXN) && !restrictions->no_exec;
	bool user_exec = !(leaf & PTE_S1_UXN) && !restrictions->no_user_exec;
	unsigned perm = 0;
	if (user)
		perm |= (unsigned)PERM_USER_READ | (write ? (unsigned)PERM_USER_WRITE : 0U);
	if (!(walk->tables->no_user_data && user))
		perm |= (unsigned)PERM_READ | (write ? (unsigned)PERM_WRITE : 0U);
	/* What unprivileged code may write, privileged code does not run. */
	if (exec && !(user && write) && !(walk->tables->no_write_exec && write))
		perm |= (unsigned)PERM_EXEC;
	if (user_exec && !(walk->tables->no_write_exec && user && write))
		perm |= (unsigned)PERM_USER_EXEC;
	return (uint8_t)perm;
}

static uint8_t stage2_perm(const struct walk *walk, uint64_t leaf)
{
	bool xnx = walk->request->smmu->idr[3] & IDR3_XNX;
	unsigned xn = (unsigned)field_get(leaf, PTE_S2_XN), perm = 0;
	if (leaf & PTE_S2_READ)
		perm |= (unsigned)(PERM_READ | PERM_USER_READ);
	if (leaf & PTE_S2_WRITE)
		perm |= (unsigned)(PERM_WRITE | PERM_USER_WRITE);
	xn = xnx ? xn : xn & 2; /* 0: both may; 1: unprivileged alone; 3: privileged alone */
	if (xn == 0 || xn == 3)
		perm |= (unsigned)PERM_EXEC;
	if (xn < 2)
		perm |= (unsigned)PERM_USER_EXEC;
	if ((field_get(leaf, PTE_S2_MEMATTR) & 0xc) == 0)
		perm |= (unsigned)PERM_DEVICE;
	return (uint8_t)perm;
}

/* Log2 of the leaves in a contiguous run (5.1). */
static unsigned run_bits(const struct tables *tables, unsigned level)
{
	switch (tables->page_shift) {
	case 12:
		return 4;
	case 14:
		return level == 3 ? 7 : 5;
	default:
		return level == 1 ? 0 : 5;
	}
}

static void make_leaf(const struct walk *walk, uint64_t descriptor, unsigned level, unsigned shift,
		      struct leaf *leaf)
{
	const struct tables *tables = walk->tables;
	uint64_t address = address_of(tables, descriptor) & ~((1ULL << shift) - 1);
	if (descriptor & PTE_CONTIGUOUS) {
		unsigned run = shift + run_bits(tables, level);
		uint64_t in_run =
			walk->input->address & ((1ULL << run) - 1) & ~((1ULL << shift) - 1);
		/* A hint; where it can't be true it is not taken. */
		if (run <= tables->input_bits && ((address - in_run) & ((1ULL << run) - 1)) == 0) {
			address -= in_run;
			shift = run;
		}
	}
	*leaf = (struct leaf){
		.address = address,
		.order = (uint8_t)(shift - PAGE_SHIFT),
		.perm = walk->input->stage2 ? stage2_perm(walk, descriptor)
					    : stage1_perm(walk, descriptor),
		.global = !(descriptor & PTE_S1_NG),
	};
}

/* By the order of events in 6.3: abort, F_TRANSLATION, F_ADDR_SIZE, at the leaf F_ACCESS. */
enum translate_result smmu_walk(struct request *request, const struct tables *tables,
				const struct stage_input *input, struct leaf *leaf)
{
	struct walk walk = {request, tables, input, {false, false, false, false}};
	unsigned level_bits = tables->page_shift - 3U;
	uint64_t table = tables->root, descriptor;
	uint64_t address = input->address & ((1ULL << tables->input_bits) - 1);
	for (unsigned level = tables->start_level;; level++) {
		unsigned shift = tables->page_shift + level_bits * (3 - level);
		uint64_t index = address >> shift;
		if (level != tables->start_level)
			index &= (1U << level_bits) - 1;
		if (!read_descriptor(&walk, table + 8 * index, &descriptor))
			return TRANSLATE_FAULT;
		bool table_bit = descriptor & PTE_TABLE;
		bool is_leaf = level == 3 || !table_bit;
		if (!(descriptor & PTE_VALID) || (level == 3 && !table_bit) ||
		    (level < 3 && !table_bit && !block_legal(tables, level)))
			return smmu_stage_fault(request, EVT_F_TRANSLATION, input);
		if (address_of(tables, descriptor) >> tables->output_bits != 0)
			return smmu_stage_fault(request, EVT_F_ADDR_SIZE, input);
		if (!is_leaf) {
			table = address_of(tables, descriptor);
			if (!input->stage2 && !tables->flat)
				restrict_by(&walk.restrictions, descriptor);
			continue;
		}
		if (!(descriptor & PTE_AF) && !tables->no_access_fault)
			return smmu_stage_fault(request, EVT_F_ACCESS, input);
		make_leaf(&walk, descriptor, level, shift, leaf);
		return TRANSLATE_OK;
	}
}
