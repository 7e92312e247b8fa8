/* SPDX-License-Identifier: Apache-2.0 */
/* exec replaces the memory, not the context: what was pinned of the old stays, the rest is gone. */
#include "client.h"

#define WHERE 0x2000000UL

static int after_exec(int fd)
{
	uint8_t *memory = private_memory(PAGE), bytes[64], expected[64];
	struct device device;
	uint64_t iova;
	int access = access_create(fd, 1, 0), bare = access_create(fd, 2, 0);

	OK(access);
	OK(bare);
	memset(expected, 0x5c, sizeof(expected));
	/* Counted at the old memory, which is no process's any more. */
	EQUAL(status_kib(getpid(), "VmPin"), 0);
	OK(access_rw(fd, access, WHERE + PAGE - 32, bytes, sizeof(bytes), 0));
	EQUAL(memcmp(bytes, expected, sizeof(bytes)), 0);
	REFUSED(EFAULT, access_rw(fd, bare, WHERE, bytes, 1, 0));
	REFUSED(EFAULT, mock_device(fd, 2, &device));
	OK(map(fd, 1, memory, PAGE, &iova));
	EQUAL(status_kib(getpid(), "VmPin"), 4);
	OK(unmap(fd, 1, WHERE, 4 * PAGE));
	EQUAL(status_kib(getpid(), "VmPin"), 4);
	OK(unmap(fd, 1, iova, PAGE));
	EQUAL(status_kib(getpid(), "VmPin"), 0);
	return 0;
}

int main(int argc, char **argv)
{
	uint8_t *memory = private_memory(4 * PAGE);
	struct device device;
	char number[16];
	int fd;

	if (argc == 2)
		return after_exec(atoi(argv[1]));
	memset(memory, 0x5c, 4 * PAGE);
	fd = open("/dev/iommu", O_RDWR);
	OK(fd);
	EQUAL(ioas_alloc(fd), 1);
	EQUAL(ioas_alloc(fd), 2);
	OK(mock_device(fd, 1, &device));
	OK(map_fixed(fd, 1, memory, 4 * PAGE, WHERE));
	OK(map_fixed(fd, 2, memory, 4 * PAGE, WHERE));
	EQUAL(status_kib(getpid(), "VmPin"), 16);
	/* One that fails changes nothing. */
	REFUSED(ENOENT, execl("/nonexistent/program", "program", (char *)NULL));
	EQUAL(status_kib(getpid(), "VmPin"), 16);
	OK(check_map(fd, device.hwpt, WHERE, 4 * PAGE, memory));
	snprintf(number, sizeof(number), "%d", fd);
	execl("/proc/self/exe", argv[0], number, (char *)NULL);
	FAIL("exec: %s", strerror(errno));
}
