// SPDX-License-Identifier: Apache-2.0
/* The device table (9, 10). */
#include "kernel_shim/drivers/amd_iommu/amd.h"

static uint64_t word_at(const struct amd *amd, uint16_t device, unsigned word)
{
	return amd->table_pfn * PAGE_SIZE + (uint64_t)device * DTE_SIZE + 8ULL * word;
}

void amd_dte_write_word(struct amd *amd, uint16_t device, unsigned word, uint64_t value)
{
	write_shared_word(amd->machine, word_at(amd, device, word), value);
}

void amd_dte_read(struct amd *amd, uint16_t device, struct amd_dte *dte)
{
	for (unsigned word = 0; word < DTE_WORDS; word++)
		dte->q[word] = read_shared_word(amd->machine, word_at(amd, device, word));
}

/* Valid, nothing allowed: what no driver has claimed is blocked (10). */
void amd_dte_init_all(struct amd *amd)
{
	uint64_t bytes = (uint64_t)AMD_DEVICES * DTE_SIZE;
	amd->table_pfn = alloc_shared_frames(amd->machine, bytes);
	for (uint32_t device = 0; device <= amd->last_device; device++) {
		amd_dte_write_word(amd, (uint16_t)device, 0, DTE_V | DTE_TV);
		amd_dte_write_word(amd, (uint16_t)device, 2, DTE_IV);
	}
	amd_write(amd, AMD_DEV_TABLE, 8,
		  amd->table_pfn * PAGE_SIZE | field_put(DEV_TABLE_SIZE, bytes / PAGE_SIZE - 1));
}

/* The CPU writes 128 bits at a time. */
static void write_half(struct amd *amd, uint16_t device, const struct amd_dte *dte, unsigned half)
{
	amd_dte_write_word(amd, device, 2 * half, dte->q[2 * half]);
	amd_dte_write_word(amd, device, 2 * half + 1, dte->q[2 * half + 1]);
}

static void flush(struct amd *amd, uint16_t device)
{
	amd_queue(amd, amd_command_invalidate_devtab(device));
	amd_completion_wait(amd);
}

/* From one guest's tables to another's: the low half says which, but for the paging mode and the guest. */
static void write_guest(struct amd *amd, uint16_t device, const struct amd_dte *old,
			const struct amd_dte *dte)
{
	static const struct amd_dte none = {{0, 0, 0, 0}};
	if (old->q[2] == dte->q[2] && old->q[3] == dte->q[3]) {
		write_half(amd, device, dte, 0);
		return;
	}
	write_half(amd, device, &none, 0);
	flush(amd, device);
	write_half(amd, device, dte, 1);
	write_half(amd, device, dte, 0);
	flush(amd, device);
}

static bool allows_ats(const struct amd_dte *dte)
{
	return (dte->q[0] & DTE_V) && (dte->q[1] & DTE_I);
}

void amd_dte_update(struct amd *amd, uint16_t device, const struct amd_dte *dte)
{
	struct amd_dte old;
	amd_dte_read(amd, device, &old);
	if ((old.q[0] & DTE_V) && (old.q[0] & DTE_GV) && (dte->q[0] & DTE_GV)) {
		write_guest(amd, device, &old, dte);
	} else {
		bool goes = (old.q[0] & DTE_V) && !(dte->q[0] & DTE_V);
		unsigned first = goes || (old.q[0] & DTE_GV) ? 0 : 1;
		write_half(amd, device, dte, first);
		write_half(amd, device, dte, 1 - first);
		flush(amd, device);
	}
	/* Once more, as the driver's common path has it; with ATS, one that ends too, all of the device's cache. */
	amd_queue(amd, amd_command_invalidate_devtab(device));
	if (allows_ats(&old) || allows_ats(dte))
		amd_queue(amd, amd_command_invalidate_iotlb(device, device, AMD_ATS_QUEUE_DEPTH, 0,
							    UINT64_MAX));
	amd_completion_wait(amd);
}

struct amd_dte amd_dte_blocked(void)
{
	return (struct amd_dte){{DTE_V, 0, DTE_IV, 0}};
}

struct amd_dte amd_dte_for(const struct amd_tables *tables, uint16_t domain)
{
	return (struct amd_dte){{DTE_V | DTE_TV | DTE_IR | DTE_IW |
					 field_put(DTE_MODE, tables->mode) |
					 (tables->root_pfn * PAGE_SIZE & DTE_ROOT),
				 domain, DTE_IV, 0}};
}
