/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of a descriptor: a context lives until the last is closed, by hand or by exec. */
#include "client.h"

#define WHERE 0x2000000UL

/* After exec: the numbers on the command line say which descriptor is there and which is not. */
static int after_exec(int kept, int gone)
{
	OK(destroy(kept, ioas_alloc(kept)));
	OK(unmap(kept, 1, WHERE, PAGE));
	REFUSED(EBADF, destroy(gone, 1));
	REFUSED(EBADF, fcntl(gone, F_GETFD));
	return 0;
}

static void each_copy_keeps_the_context(void)
{
	uint8_t *memory = shared_memory(PAGE);
	struct device device;
	int fds[5], fd = iommu_open();
	uint32_t ioas = ioas_alloc(fd);

	OK(mock_device(fd, ioas, &device));
	OK(map_fixed(fd, ioas, memory, PAGE, WHERE));
	fds[0] = dup(fd);
	OK(fds[0]);
	EQUAL(dup2(fd, 100), 100);
	fds[1] = 100;
	EQUAL(dup3(fd, 101, O_CLOEXEC), 101);
	fds[2] = 101;
	fds[3] = fcntl(fd, F_DUPFD, 200);
	CHECK(fds[3] >= 200);
	fds[4] = fcntl(fd, F_DUPFD_CLOEXEC, 200);
	CHECK(fds[4] > fds[3]);
	EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQUAL(fcntl(fds[0], F_GETFD), 0);
	EQUAL(fcntl(fds[1], F_GETFD), 0);
	EQUAL(fcntl(fds[2], F_GETFD), FD_CLOEXEC);
	EQUAL(fcntl(fds[3], F_GETFD), 0);
	EQUAL(fcntl(fds[4], F_GETFD), FD_CLOEXEC);
	REFUSED(EINVAL, dup3(fd, fd, 0));
	OK(close(fd));
	for (size_t index = 0; index < 5; index++) {
		/* One context: each copy sees the same objects. */
		OK(check_map(fds[index], device.hwpt, WHERE, PAGE, memory));
		REFUSED(EIO, nothing_pinned(memory, PAGE));
		OK(close(fds[index]));
		REFUSED(EBADF, check_map(fds[index], device.hwpt, WHERE, PAGE, memory));
	}
	OK(nothing_pinned(memory, PAGE));
}

static void dup2_closes_what_it_replaces(void)
{
	uint8_t *memory = shared_memory(PAGE);
	struct device device;
	int first = iommu_open(), second = iommu_open(), null;
	uint32_t ioas = ioas_alloc(first);

	OK(mock_device(first, ioas, &device));
	OK(map_fixed(first, ioas, memory, PAGE, WHERE));
	EQUAL(dup2(first, first), first);
	REFUSED(EIO, nothing_pinned(memory, PAGE));
	REFUSED(ENOENT, destroy(second, 1));
	EQUAL(dup2(second, first), first);
	OK(nothing_pinned(memory, PAGE));
	REFUSED(ENOENT, destroy(first, 1));
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	OK(null);
	EQUAL(ioas_alloc(first), 1);
	EQUAL(dup2(null, first), first);
	REFUSED(ENOTTY, destroy(first, 1));
	OK(destroy(second, 1));
	OK(close(first));
	OK(close(second));
	OK(close(null));
}

static void close_range_closes(void)
{
	uint8_t *memory = shared_memory(PAGE);
	struct device device;
	int fd = iommu_open(), copy = fcntl(fd, F_DUPFD, 300);
	uint32_t ioas = ioas_alloc(fd);

	OK(mock_device(fd, ioas, &device));
	OK(map_fixed(fd, ioas, memory, PAGE, WHERE));
	OK(copy);
	OK(close(fd));
	REFUSED(EIO, nothing_pinned(memory, PAGE));
	if (syscall(SYS_close_range, 300, 400, 0)) {
		EQUAL(errno, ENOSYS);
		OK(close(copy));
	}
	OK(nothing_pinned(memory, PAGE));
}

static void exec_closes_what_says_so(const char *program)
{
	uint8_t *memory = shared_memory(PAGE);
	char kept_text[16], gone_text[16];
	struct device device;
	int fd = iommu_open(), kept = dup(fd);
	uint32_t ioas = ioas_alloc(fd);
	pid_t child;

	OK(kept);
	OK(mock_device(fd, ioas, &device));
	OK(map_fixed(fd, ioas, memory, PAGE, WHERE));
	snprintf(kept_text, sizeof(kept_text), "%d", kept);
	snprintf(gone_text, sizeof(gone_text), "%d", fd);
	child = fork_checked();
	if (!child) {
		execl("/proc/self/exe", program, "exec", kept_text, gone_text, (char *)NULL);
		_exit(2);
	}
	OK(close(fd));
	OK(close(kept));
	CHILD_EXITS_WITH(child, 0);
	OK(nothing_pinned(memory, PAGE));
}

int main(int argc, char **argv)
{
	if (argc == 4)
		return after_exec(atoi(argv[2]), atoi(argv[3]));
	each_copy_keeps_the_context();
	dup2_closes_what_it_replaces();
	close_range_closes();
	exec_closes_what_says_so(argv[0]);
	return 0;
}
