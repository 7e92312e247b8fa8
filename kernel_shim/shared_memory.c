// SPDX-License-Identifier: Apache-2.0
#include "kernel_shim/shared_memory.h"

#include "emu/bits.h"
#include "kernel_shim/iommufd.h"

uint64_t alloc_shared_frames(struct machine *machine, uint64_t bytes)
{
	uint64_t frames = align_up(bytes, PAGE_SIZE) / PAGE_SIZE, pfn = 0;
	uint64_t align = 1;
	while (align < frames)
		align *= 2;
	bool got =
		memory_alloc(&machine->memory, OWNER_KERNEL, frames, frames, align, 0, &pfn) != 0;
	return got ? pfn : 0;
}

uint64_t read_shared_word(struct machine *machine, uint64_t at)
{
	uint8_t bytes[8];
	memory_read(&machine->memory, pa_of(at), bytes, sizeof(bytes));
	return load_le64(bytes);
}

void write_shared_word(struct machine *machine, uint64_t at, uint64_t word)
{
	uint8_t bytes[8];
	store_le64(bytes, word);
	memory_write(&machine->memory, pa_of(at), bytes, sizeof(bytes), OWNER_KERNEL);
}
