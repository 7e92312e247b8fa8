/* SPDX-License-Identifier: Apache-2.0 */
/* A child maps its own memory into the inherited context and is gone: what it mapped stays. */
#include "client.h"

#define WHERE 0x40000000UL

/* The child's bytes are private to it: only through the IOAS can anyone still see them. */
static void let_a_child_map(int fd, uint32_t ioas)
{
	pid_t child = fork_checked();

	if (!child) {
		uint8_t *memory = private_memory(4 * PAGE);

		memset(memory, 0x5a, 4 * PAGE);
		OK(map_fixed(fd, ioas, memory, 4 * PAGE, WHERE));
		_exit(0);
	}
	CHILD_EXITS_WITH(child, 0);
}

static void a_domain_keeps_the_pages_of_the_dead(void)
{
	uint8_t bytes[64], expected[64];
	struct device device, second;
	int fd = iommu_open(), access;
	uint32_t ioas = ioas_alloc(fd);

	memset(expected, 0x5a, sizeof(expected));
	OK(mock_device(fd, ioas, &device));
	let_a_child_map(fd, ioas);
	OK(mock_device(fd, ioas, &second));
	access = access_create(fd, ioas, 0);
	OK(access);
	OK(access_rw(fd, access, WHERE + PAGE - 32, bytes, sizeof(bytes), 0));
	EQUAL(memcmp(bytes, expected, sizeof(bytes)), 0);
	memset(bytes, 0xa5, sizeof(bytes));
	OK(access_rw(fd, access, WHERE + PAGE - 32, bytes, sizeof(bytes), MOCK_ACCESS_RW_WRITE));
	memset(bytes, 0, sizeof(bytes));
	OK(access_rw(fd, access, WHERE + PAGE - 32, bytes, sizeof(bytes), 0));
	EQUAL(bytes[0], 0xa5);
	EQUAL(bytes[63], 0xa5);
	OK(destroy(fd, second.stdev));
	OK(unmap(fd, ioas, WHERE, 4 * PAGE));
	OK(close(access));
	OK(close(fd));
}

static void without_one_they_are_lost(void)
{
	struct device device;
	uint8_t byte;
	int fd = iommu_open(), access;
	uint32_t ioas = ioas_alloc(fd);

	let_a_child_map(fd, ioas);
	REFUSED(EFAULT, mock_device(fd, ioas, &device));
	access = access_create(fd, ioas, 0);
	OK(access);
	REFUSED(EFAULT, access_rw(fd, access, WHERE, &byte, 1, 0));
	OK(unmap(fd, ioas, WHERE, 4 * PAGE));
	OK(mock_device(fd, ioas, &device));
	OK(close(access));
	OK(close(fd));
}

int main(void)
{
	a_domain_keeps_the_pages_of_the_dead();
	without_one_they_are_lost();
	return 0;
}
