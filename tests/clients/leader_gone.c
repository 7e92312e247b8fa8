/* SPDX-License-Identifier: Apache-2.0 */
/* The first thread is gone, the process is not: another thread goes on with the context. */
#include "client.h"

#include <pthread.h>

static int fd;
static pthread_t first;

static void *go_on(void *context)
{
	uint8_t *memory = private_memory(4 * PAGE), bytes[16];
	struct event_bench bench;
	struct device device;
	uint32_t words[3], item;
	uint64_t iova;
	int access, file;

	(void)context;
	EQUAL(pthread_join(first, NULL), 0);
	OK(destroy(fd, ioas_alloc(fd)));
	EQUAL(ioas_alloc(fd), 1);
	OK(mock_device(fd, 1, &device));
	memset(memory, 0x6b, 4 * PAGE);
	OK(map(fd, 1, memory, 4 * PAGE, &iova));
	OK(check_map(fd, device.hwpt, iova, 4 * PAGE, memory));
	access = access_create(fd, 1, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	OK(access);
	OK(access_pin(fd, access, iova, memory, PAGE, &item));
	OK(access_rw(fd, access, iova + PAGE - 8, bytes, 16, MOCK_ACCESS_RW_SLOW_PATH));
	EQUAL(bytes[15], 0x6b);
	event_bench_set_up(&bench, 4);
	OK(trigger_event(bench.fd, &bench.device));
	EQUAL(read(bench.queue, words, sizeof(words)), 12);
	EQUAL(words[2], VIRT_ID);
	file = memfd_create("client", MFD_CLOEXEC);
	OK(file);
	OK(ftruncate(file, PAGE));
	OK(map_file(fd, 1, file, 0, PAGE, &iova));
	OK(close(file));
	OK(close(access));
	OK(close(fd));
	OK(nothing_pinned(memory, 4 * PAGE));
	exit(0);
}

int main(void)
{
	pthread_t thread;

	fd = iommu_open();
	first = pthread_self();
	EQUAL(pthread_create(&thread, NULL, go_on, NULL), 0);
	pthread_exit(NULL);
}
