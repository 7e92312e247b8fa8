/* SPDX-License-Identifier: Apache-2.0 */
/* threads [ITERATIONS]: eight threads hammer one context. */
#include "client.h"

#include <pthread.h>

#define THREADS 8

struct worker {
	pthread_t thread;
	int fd;
	uint32_t ioas;
	uint32_t hwpt;
	unsigned int index;
	unsigned int iterations;
	uint8_t *memory;
};

static void *work(void *context)
{
	struct worker *worker = context;
	int fd = worker->fd,
	    access = access_create(fd, worker->ioas, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	uint8_t bytes[64], *memory = worker->memory;

	OK(access);
	for (unsigned int round = 0; round < worker->iterations; round++) {
		uint64_t iova, fixed = APERTURE + ((uint64_t)worker->index + 1) * 0x100000;
		uint8_t mark = (uint8_t)(round * THREADS + worker->index);
		uint32_t item;

		memset(memory + PAGE - 32, mark, 64);
		if (round % 2) {
			iova = fixed;
			OK(map_fixed(fd, worker->ioas, memory, 4 * PAGE, iova));
			REFUSED(EEXIST, map_fixed(fd, worker->ioas, memory, PAGE, iova + PAGE));
		} else {
			OK(map(fd, worker->ioas, memory, 4 * PAGE, &iova));
		}
		OK(check_map(fd, worker->hwpt, iova, 4 * PAGE, memory));
		OK(access_rw(fd, access, iova + PAGE - 32, bytes, 64,
			     round % 3 ? 0 : MOCK_ACCESS_RW_SLOW_PATH));
		EQUAL(bytes[0], mark);
		EQUAL(bytes[63], mark);
		bytes[0] = (uint8_t)~mark;
		OK(access_rw(fd, access, iova + 2 * PAGE, bytes, 1, MOCK_ACCESS_RW_WRITE));
		EQUAL(memory[2 * PAGE], (uint8_t)~mark);
		OK(access_pin(fd, access, iova, memory, 2 * PAGE, &item));
		OK(check_refs(fd, memory, 4 * PAGE, 1));
		if (round % 4) {
			OK(access_unpin(fd, access, item));
			OK(unmap(fd, worker->ioas, iova, 4 * PAGE));
		} else {
			/* The unmap tells the access to let go. */
			OK(unmap(fd, worker->ioas, iova, 4 * PAGE));
			REFUSED(ENOENT, access_unpin(fd, access, item));
		}
		REFUSED(ENOENT, unmap(fd, worker->ioas, fixed, PAGE));
		OK(check_refs(fd, memory, 4 * PAGE, 0));
	}
	OK(close(access));
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned int iterations = argc > 1 ? (unsigned int)atoi(argv[1]) : 30;
	struct worker workers[THREADS];
	uint8_t *memory = shared_memory(THREADS * 4 * PAGE);
	struct device device;
	int fd = iommu_open();
	uint32_t ioas = ioas_alloc(fd);
	uint64_t other;

	OK(mock_device(fd, ioas, &device));
	for (unsigned int index = 0; index < THREADS; index++) {
		workers[index] = (struct worker){.fd = fd,
						 .ioas = ioas,
						 .hwpt = device.hwpt,
						 .index = index,
						 .iterations = iterations,
						 .memory = memory + index * 4 * PAGE};
		EQUAL(pthread_create(&workers[index].thread, NULL, work, &workers[index]), 0);
	}
	for (unsigned int index = 0; index < THREADS; index++)
		EQUAL(pthread_join(workers[index].thread, NULL), 0);
	/* Nothing is left in the IOAS, and its table still works. */
	REFUSED(ENOENT, unmap(fd, ioas, APERTURE, 0x10000000));
	OK(map(fd, ioas, memory, PAGE, &other));
	EQUAL(other, APERTURE);
	OK(close(fd));
	OK(nothing_pinned(memory, THREADS * 4 * PAGE));
	return 0;
}
