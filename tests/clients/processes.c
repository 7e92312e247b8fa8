/* SPDX-License-Identifier: Apache-2.0 */
/* processes [ITERATIONS]: six processes at once, each with a context of its own and a shared one. */
#include "client.h"

#define PROCESSES 6

static void work(int shared, uint32_t shared_ioas, unsigned int index, unsigned int iterations,
		 uint8_t *common)
{
	uint8_t *mine = private_memory(4 * PAGE), bytes[8];
	uint64_t where = 0x10000000 + (uint64_t)index * 0x100000;

	for (unsigned int round = 0; round < iterations; round++) {
		int fd = iommu_open(), access, shared_access;
		uint32_t ioas = ioas_alloc(fd);
		struct device device;
		uint64_t iova;

		EQUAL(ioas, 1);
		OK(mock_device(fd, ioas, &device));
		memset(mine, (int)(round + index), 4 * PAGE);
		OK(map(fd, ioas, mine, 4 * PAGE, &iova));
		EQUAL(iova, APERTURE);
		OK(check_map(fd, device.hwpt, iova, 4 * PAGE, mine));
		OK(check_refs(fd, mine, 4 * PAGE, 1));
		access = access_create(fd, ioas, 0);
		OK(access);
		OK(access_rw(fd, access, iova + PAGE - 4, bytes, 8, MOCK_ACCESS_RW_SLOW_PATH));
		EQUAL(bytes[7], (uint8_t)(round + index));

		/* In the shared one: private pages again, so each must stay this process's. */
		OK(map_fixed(shared, shared_ioas, mine, 4 * PAGE, where));
		OK(check_refs(fd, mine, 4 * PAGE, 2));
		shared_access = access_create(shared, shared_ioas, 0);
		OK(shared_access);
		OK(access_rw(shared, shared_access, where + PAGE - 4, bytes, 8, 0));
		EQUAL(bytes[0], (uint8_t)(round + index));
		OK(map_fixed(shared, shared_ioas, common + index * PAGE, PAGE, where + 0x80000));
		bytes[0] = (uint8_t)(round + 1);
		OK(access_rw(shared, shared_access, where + 0x80000, bytes, 1,
			     MOCK_ACCESS_RW_WRITE));
		EQUAL(common[index * PAGE], (uint8_t)(round + 1));
		OK(unmap(shared, shared_ioas, where + 0x80000, PAGE));
		OK(unmap(shared, shared_ioas, where, 4 * PAGE));
		OK(close(shared_access));
		OK(close(access));
		OK(close(fd));
		OK(check_refs(shared, mine, 4 * PAGE, 0));
	}
}

int main(int argc, char **argv)
{
	unsigned int iterations = argc > 1 ? (unsigned int)atoi(argv[1]) : 10;
	uint8_t *common = shared_memory(PROCESSES * PAGE);
	pid_t children[PROCESSES];
	struct device device;
	int fd = iommu_open();
	uint32_t ioas = ioas_alloc(fd);

	OK(mock_device(fd, ioas, &device));
	for (unsigned int index = 0; index < PROCESSES; index++) {
		children[index] = fork_checked();
		if (!children[index]) {
			work(fd, ioas, index, iterations, common);
			_exit(0);
		}
	}
	for (unsigned int index = 0; index < PROCESSES; index++)
		CHILD_EXITS_WITH(children[index], 0);
	REFUSED(ENOENT, unmap(fd, ioas, APERTURE, 0x70000000));
	OK(close(fd));
	OK(nothing_pinned(common, PROCESSES * PAGE));
	return 0;
}
