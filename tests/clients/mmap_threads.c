/* SPDX-License-Identifier: Apache-2.0 */
/* Threads and a signal handler at work while others map and unmap a vIOMMU's region (5.9). */
#include "client.h"

#include <pthread.h>
#include <sys/time.h>

#define THREADS 4
#define REGION  (2 * PAGE)

static int fd;
static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
	(void)number;
	alarms++;
}

static void *map_and_unmap(void *context)
{
	size_t index = (size_t)(uintptr_t)context;

	for (uint32_t round = 1; round <= 50; round++) {
		volatile uint32_t *one, *two;

		one = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0x1000);
		if (one == MAP_FAILED)
			FAIL("mmap: %s", strerror(errno));
		two = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0x1000);
		if (two == MAP_FAILED)
			FAIL("mmap: %s", strerror(errno));
		CHECK(one != two);
		one[16 + index] = round;
		EQUAL(two[16 + index], round);
		OK(munmap((void *)(uintptr_t)one, REGION));
		EQUAL(two[0], 0x11);
		OK(munmap((void *)(uintptr_t)two, REGION));
	}
	return NULL;
}

static void *call_and_call(void *context)
{
	uint8_t *memory = private_memory(PAGE);

	(void)context;
	for (unsigned int round = 0; round < 200; round++) {
		uint64_t iova;

		OK(map(fd, 1, memory, PAGE, &iova));
		OK(unmap(fd, 1, iova, PAGE));
	}
	return NULL;
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval timer = {{0, 2000}, {0, 2000}};
	struct iommu_viommu_selftest data = {.in_data = 0x11};
	pthread_t threads[THREADS], caller;
	struct device device;
	uint32_t viommu;

	fd = iommu_open();
	EQUAL(ioas_alloc(fd), 1);
	OK(mock_device(fd, 1, &device));
	viommu = viommu_alloc(fd, &device, hwpt_alloc(fd, &device, 1, IOMMU_HWPT_ALLOC_NEST_PARENT),
			      &data);
	OK(sigaction(SIGALRM, &action, NULL));
	OK(setitimer(ITIMER_REAL, &timer, NULL));
	for (size_t index = 0; index < THREADS; index++)
		EQUAL(pthread_create(&threads[index], NULL, map_and_unmap,
				     (void *)(uintptr_t)index),
		      0);
	EQUAL(pthread_create(&caller, NULL, call_and_call, NULL), 0);
	for (size_t index = 0; index < THREADS; index++)
		EQUAL(pthread_join(threads[index], NULL), 0);
	EQUAL(pthread_join(caller, NULL), 0);
	OK(destroy(fd, viommu));
	CHECK(alarms > 0);
	return 0;
}
