/* SPDX-License-Identifier: Apache-2.0 */
/* A child maps its own memory and stays: its parent reaches that memory through the IOAS. */
#include "client.h"

#define WHERE 0x40000000UL

static void exchange(bool with_domain, uint32_t path)
{
	uint8_t bytes[2 * PAGE], byte;
	struct device device;
	int ready[2], go[2];
	int fd = iommu_open(), access;
	uint32_t ioas = ioas_alloc(fd);
	pid_t child;

	OK(pipe2(ready, O_CLOEXEC));
	OK(pipe2(go, O_CLOEXEC));
	if (with_domain)
		OK(mock_device(fd, ioas, &device));
	child = fork_checked();
	if (!child) {
		uint8_t *memory = private_memory(4 * PAGE);
		size_t index;

		for (index = 0; index < 4 * PAGE; index++)
			memory[index] = (uint8_t)(index * 7);
		OK(map_fixed(fd, ioas, memory, 4 * PAGE, WHERE));
		EQUAL(write(ready[1], "r", 1), 1);
		EQUAL(read(go[0], &byte, 1), 1);
		/* What the parent wrote is in this process's memory. */
		for (index = 0; index < 2 * PAGE; index++)
			EQUAL(memory[100 + index], 0xc3);
		EQUAL(memory[99], (uint8_t)(99 * 7));
		EQUAL(memory[100 + 2 * PAGE], (uint8_t)((100 + 2 * PAGE) * 7));
		_exit(0);
	}
	EQUAL(read(ready[0], &byte, 1), 1);
	if (!with_domain)
		OK(mock_device(fd, ioas, &device));
	access = access_create(fd, ioas, 0);
	OK(access);
	OK(access_rw(fd, access, WHERE + 100, bytes, sizeof(bytes), path));
	for (size_t index = 0; index < sizeof(bytes); index++)
		EQUAL(bytes[index], (uint8_t)((index + 100) * 7));
	OK(access_rw(fd, access, WHERE + 3 * PAGE + 1, bytes, 8, path));
	EQUAL(bytes[0], (uint8_t)((3 * PAGE + 1) * 7));
	memset(bytes, 0xc3, sizeof(bytes));
	OK(access_rw(fd, access, WHERE + 100, bytes, sizeof(bytes), path | MOCK_ACCESS_RW_WRITE));
	EQUAL(write(go[1], "g", 1), 1);
	CHILD_EXITS_WITH(child, 0);
	OK(close(access));
	OK(close(fd));
	OK(close(ready[0]));
	OK(close(ready[1]));
	OK(close(go[0]));
	OK(close(go[1]));
}

int main(void)
{
	exchange(false, 0);
	exchange(true, 0);
	exchange(false, MOCK_ACCESS_RW_SLOW_PATH);
	exchange(true, MOCK_ACCESS_RW_SLOW_PATH);
	return 0;
}
