// SPDX-License-Identifier: Apache-2.0
#include "models/amd_iommu/amd_spec.h"

#include <stddef.h>

/* Everything but what the reserved-bit masks of 6.2 name. */
#define Q0_DEVICE_ONLY (CMD_OPCODE | CMD_DEVICE)

const struct amd_command_rules amd_command_rules[OPCODES] = {
	[CMD_COMPLETION_WAIT] = {"COMPLETION_WAIT", {~BITS(59, 52), ~0ULL}, 0, true},
	[CMD_INVALIDATE_DEVTAB_ENTRY] = {"INVALIDATE_DEVTAB_ENTRY", {Q0_DEVICE_ONLY, 0}, 0, true},
	[CMD_INVALIDATE_IOMMU_PAGES] = {"INVALIDATE_IOMMU_PAGES",
					{~(BITS(31, 20) | BITS(59, 48)), ~BITS(11, 3)},
					0,
					true},
	[CMD_INVALIDATE_IOTLB_PAGES] = {"INVALIDATE_IOTLB_PAGES",
					{~0ULL, ~(BITS(1, 1) | BITS(3, 3) | BITS(11, 6))},
					0,
					true},
	[CMD_INVALIDATE_INTERRUPT_TABLE] = {"INVALIDATE_INTERRUPT_TABLE",
					    {Q0_DEVICE_ONLY, 0},
					    0,
					    true},
	[CMD_PREFETCH_IOMMU_PAGES] = {"PREFETCH_IOMMU_PAGES",
				      {~(BITS(23, 16) | BITS(59, 52)),
				       ~(BITS(1, 1) | BITS(3, 3) | BITS(11, 5))},
				      EFR_PREFETCH,
				      false},
	[CMD_COMPLETE_PPR_REQUEST] = {"COMPLETE_PPR_REQUEST",
				      {~(BITS(31, 16) | BITS(59, 52)),
				       ~(BITS(1, 0) | BITS(31, 3) | BITS(63, 48))},
				      EFR_PPR,
				      true},
	[CMD_INVALIDATE_IOMMU_ALL] = {"INVALIDATE_IOMMU_ALL", {CMD_OPCODE, 0}, EFR_IA, false},
	[CMD_INSERT_GUEST_EVENT] = {"INSERT_GUEST_EVENT", {~0ULL, ~0ULL}, EFR_VIOMMU, false},
	[CMD_RESET_VMMIO] = {"RESET_VMMIO",
			     {CMD_OPCODE | CMD_GUEST | CMD_RESET_ALL | CMD_RESET_VCMD, 0},
			     EFR_VIOMMU,
			     false},
};

static const char *const event_names[16] = {
	[EVENT_ILLEGAL_DEV_TABLE_ENTRY] = "ILLEGAL_DEV_TABLE_ENTRY",
	[EVENT_IO_PAGE_FAULT] = "IO_PAGE_FAULT",
	[EVENT_DEV_TAB_HARDWARE_ERROR] = "DEV_TAB_HARDWARE_ERROR",
	[EVENT_PAGE_TAB_HARDWARE_ERROR] = "PAGE_TAB_HARDWARE_ERROR",
	[EVENT_ILLEGAL_COMMAND_ERROR] = "ILLEGAL_COMMAND_ERROR",
	[EVENT_COMMAND_HARDWARE_ERROR] = "COMMAND_HARDWARE_ERROR",
	[EVENT_IOTLB_INV_TIMEOUT] = "IOTLB_INV_TIMEOUT",
	[EVENT_INVALID_DEVICE_REQUEST] = "INVALID_DEVICE_REQUEST",
	[EVENT_INVALID_PPR_REQUEST] = "INVALID_PPR_REQUEST",
	[EVENT_GUEST_EVENT_FAULT] = "GUEST_EVENT_FAULT",
	[EVENT_VIOMMU_HARDWARE_ERROR] = "VIOMMU_HARDWARE_ERROR",
};

const char *amd_event_name(unsigned code)
{
	return code < 16 ? event_names[code] : NULL;
}

uint64_t amd_dte_gcr3(const struct amd_dte *dte)
{
	return field_get(dte->q[0], DTE_GCR3_14_12) << 12 |
	       field_get(dte->q[1], DTE_GCR3_30_15) << 15 |
	       field_get(dte->q[1], DTE_GCR3_51_31) << 31;
}

void amd_dte_set_gcr3(struct amd_dte *dte, uint64_t root)
{
	dte->q[0] = field_set(dte->q[0], DTE_GCR3_14_12, root >> 12);
	dte->q[1] = field_set(dte->q[1], DTE_GCR3_30_15, root >> 15);
	dte->q[1] = field_set(dte->q[1], DTE_GCR3_51_31, root >> 31);
}

static struct amd_command command_of(enum amd_opcode opcode, uint64_t q0, uint64_t q1)
{
	return (struct amd_command){{field_put(CMD_OPCODE, opcode) | q0, q1}};
}

struct amd_command amd_command_completion_wait(uint64_t address, uint64_t data)
{
	return command_of(CMD_COMPLETION_WAIT, CMD_STORE | (address & CMD_STORE_ADDR), data);
}

struct amd_command amd_command_invalidate_devtab(uint16_t device)
{
	return command_of(CMD_INVALIDATE_DEVTAB_ENTRY, device, 0);
}

/* S and addr of the bytes [FIRST, LAST]: the highest bit in which they differ decides (7). */
static uint64_t coded_range(uint64_t first, uint64_t last)
{
	unsigned bits = first == last ? 0 : 64 - (unsigned)__builtin_clzll(first ^ last);
	if (bits <= 12)
		return first & CMD_ADDR;
	if (bits > 52)
		return CMD_ADDR_ALL | CMD_SIZE_CODED;
	/* 2^bits: ones in [bits - 2:12], a zero in bits - 1 */
	uint64_t ones = bits > 13 ? BITS(bits - 2, 12) : 0;
	uint64_t zero = 1ULL << (bits - 1);
	return (((first | ones) & ~zero) & CMD_ADDR) | CMD_SIZE_CODED;
}

struct amd_command amd_command_invalidate_pages(uint16_t domain, uint64_t first, uint64_t last,
						bool pde)
{
	return command_of(CMD_INVALIDATE_IOMMU_PAGES, field_put(CMD_DOMAIN, domain),
			  coded_range(first, last) | (pde ? CMD_PDE : 0));
}

struct amd_command amd_command_invalidate_domain(uint16_t domain)
{
	return amd_command_invalidate_pages(domain, 0, UINT64_MAX, true);
}

struct amd_command amd_command_invalidate_guest_pages(uint16_t domain, uint32_t pasid,
						      uint64_t first, uint64_t last, bool pde)
{
	return command_of(CMD_INVALIDATE_IOMMU_PAGES,
			  field_put(CMD_PASID, pasid) | field_put(CMD_DOMAIN, domain),
			  coded_range(first, last) | CMD_GN | (pde ? CMD_PDE : 0));
}

struct amd_command amd_command_invalidate_iotlb(uint16_t device, uint16_t queue, uint8_t max_pend,
						uint64_t first, uint64_t last)
{
	return command_of(CMD_INVALIDATE_IOTLB_PAGES,
			  device | field_put(CMD_QUEUE, queue) | field_put(CMD_MAX_PEND, max_pend),
			  coded_range(first, last));
}

struct amd_command amd_command_invalidate_all(void)
{
	return command_of(CMD_INVALIDATE_IOMMU_ALL, 0, 0);
}

struct amd_command amd_command_invalidate_interrupt(uint16_t device)
{
	return command_of(CMD_INVALIDATE_INTERRUPT_TABLE, device, 0);
}

struct amd_command amd_command_reset_vmmio(uint16_t guest)
{
	return command_of(CMD_RESET_VMMIO, guest | CMD_RESET_ALL | CMD_RESET_VCMD, 0);
}

void amd_command_range(const struct amd_command *command, uint64_t *first, uint64_t *last)
{
	uint64_t address = command->q[1] & CMD_ADDR;
	if (!(command->q[1] & CMD_SIZE_CODED)) {
		*first = address;
		*last = address | 0xfff;
		return;
	}
	uint64_t zeros = ~address & CMD_ADDR;
	unsigned lowest = zeros != 0 ? (unsigned)__builtin_ctzll(zeros) : 63;
	if (lowest >= 52) { /* ones up to bit 51 and beyond: everything */
		*first = 0;
		*last = UINT64_MAX;
		return;
	}
	uint64_t mask = (2ULL << lowest) - 1;
	*first = address & ~mask;
	*last = address | mask;
}
