/* SPDX-License-Identifier: Apache-2.0 */
/* As many contexts as descriptors allow, in several processes at once; the limit is a process's own. */
#include "client.h"

#define PROCESSES 4
#define CONTEXTS  400

static void open_many(uint8_t *memory)
{
	static int fds[CONTEXTS];
	struct device device;
	uint64_t iova;

	for (int index = 0; index < CONTEXTS; index++) {
		fds[index] = iommu_open();
		EQUAL(ioas_alloc(fds[index]), 1);
	}
	/* Each is a context of its own. */
	for (int index = 0; index < CONTEXTS; index += 50) {
		OK(mock_device(fds[index], 1, &device));
		OK(map(fds[index], 1, memory, PAGE, &iova));
		EQUAL(iova, APERTURE);
		REFUSED(ENOENT, destroy(fds[index + 1], 2));
	}
	OK(check_refs(fds[0], memory, PAGE, CONTEXTS / 50));
	for (int index = 0; index < CONTEXTS; index++)
		OK(close(fds[index]));
}

static void the_limit_is_the_processs(void)
{
	struct rlimit limit;
	int fd = iommu_open(), last;

	OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)fd + 3;
	OK(setrlimit(RLIMIT_NOFILE, &limit));
	OK(open("/dev/iommu", O_RDWR));
	last = open("/dev/iommu", O_RDWR);
	EQUAL(last, fd + 2);
	REFUSED(EMFILE, open("/dev/iommu", O_RDWR));
	OK(close(last));
	EQUAL(open("/dev/iommu", O_RDWR), last);
	OK(destroy(last, ioas_alloc(last)));
}

int main(void)
{
	pid_t children[PROCESSES];
	struct rlimit limit;

	OK(getrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_cur < CONTEXTS + 50)
		skip("only %lu descriptors are allowed", (unsigned long)limit.rlim_cur);
	for (int index = 0; index < PROCESSES; index++) {
		children[index] = fork_checked();
		if (!children[index]) {
			open_many(private_memory(PAGE));
			_exit(0);
		}
	}
	for (int index = 0; index < PROCESSES; index++)
		CHILD_EXITS_WITH(children[index], 0);
	the_limit_is_the_processs();
	return 0;
}
