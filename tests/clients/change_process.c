/* SPDX-License-Identifier: Apache-2.0 */
/* A child takes over its parent's context: the pins are counted at the child from then on (2.9). */
#include "client.h"

static int change_process(int fd)
{
	struct iommu_ioas_change_process cmd = {.size = sizeof(cmd)};

	return call(fd, IOMMUFD_NR_IOAS_CHANGE_PROCESS, &cmd);
}

static void pins_move(bool by_mm)
{
	long pinned = status_kib(getpid(), "VmPin"), locked = status_kib(getpid(), "VmLck");
	int fd = iommu_open(), file = memfd_create("client", MFD_CLOEXEC);
	uint64_t mode = by_mm, iova, other;
	uint8_t *memory = shared_memory(PAGE);
	struct device device;
	uint32_t ioas;
	pid_t child;

	OK(file);
	OK(ftruncate(file, 4 * PAGE));
	if (may_set_mode())
		OK(option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &mode));
	ioas = ioas_alloc(fd);
	OK(mock_device(fd, ioas, &device));
	OK(change_process(fd));
	OK(map(fd, ioas, memory, PAGE, &other));
	REFUSED(EINVAL, change_process(fd));
	OK(unmap(fd, ioas, other, PAGE));
	OK(map_file(fd, ioas, file, 0, 4 * PAGE, &iova));
	EQUAL(status_kib(getpid(), "VmPin"), pinned + 16);
	EQUAL(status_kib(getpid(), "VmLck"), locked + (by_mm ? 16 : 0));
	child = fork_checked();
	if (!child) {
		EQUAL(status_kib(getpid(), "VmPin"), 0);
		OK(change_process(fd));
		EQUAL(status_kib(getpid(), "VmPin"), 16);
		EQUAL(status_kib(getpid(), "VmLck"), by_mm ? 16 : 0);
		EQUAL(status_kib(getppid(), "VmPin"), pinned);
		EQUAL(status_kib(getppid(), "VmLck"), locked);
		/* Again: nothing moves. */
		OK(change_process(fd));
		EQUAL(status_kib(getpid(), "VmPin"), 16);
		OK(unmap(fd, ioas, iova, 4 * PAGE));
		EQUAL(status_kib(getpid(), "VmPin"), 0);
		OK(map_file(fd, ioas, file, 0, 2 * PAGE, &iova));
		EQUAL(status_kib(getpid(), "VmPin"), 8);
		EQUAL(status_kib(getppid(), "VmPin"), pinned);
		_exit(0);
	}
	CHILD_EXITS_WITH(child, 0);
	/* The child is gone, its mapping is not: it can be taken over from the dead. */
	EQUAL(status_kib(getpid(), "VmPin"), pinned);
	OK(change_process(fd));
	EQUAL(status_kib(getpid(), "VmPin"), pinned + 8);
	EQUAL(status_kib(getpid(), "VmLck"), locked + (by_mm ? 8 : 0));
	OK(close(fd));
	EQUAL(status_kib(getpid(), "VmPin"), pinned);
	EQUAL(status_kib(getpid(), "VmLck"), locked);
	OK(close(file));
}

int main(void)
{
	if (has_capability(CAP_IPC_LOCK))
		drop_capability(CAP_IPC_LOCK);
	pins_move(false);
	if (may_set_mode())
		pins_move(true);
	return 0;
}
