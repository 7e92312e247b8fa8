/* SPDX-License-Identifier: Apache-2.0 */
/* posix_spawn(), vfork() and exec: who has the descriptor, and whose memory is meant. */
#include "client.h"

#include <spawn.h>

#define WHERE 0x2000000UL

extern char **environ;

/* The spawned program: the same context, memory of its own. */
static int spawned(int fd, int absent)
{
	uint8_t *memory = private_memory(PAGE), byte = 0;
	struct device device;
	int access;

	REFUSED(EBADF, destroy(absent, 1));
	memory[3] = 0x42;
	OK(map_fixed(fd, 1, memory, PAGE, WHERE + PAGE));
	access = access_create(fd, 1, 0);
	OK(access);
	OK(access_rw(fd, access, WHERE + PAGE + 3, &byte, 1, MOCK_ACCESS_RW_SLOW_PATH));
	EQUAL(byte, 0x42);
	/* The parent's page is there as well. */
	OK(access_rw(fd, access, WHERE + 3, &byte, 1, 0));
	EQUAL(byte, 0x24);
	OK(close(access));
	/* And it may open its own. */
	fd = iommu_open();
	EQUAL(ioas_alloc(fd), 1);
	OK(mock_device(fd, 1, &device));
	return 0;
}

static void spawn(const char *program, bool with_vfork)
{
	uint8_t *memory = private_memory(PAGE), byte = 0;
	char fd_text[16], absent_text[16];
	char *arguments[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "spawned", fd_text,
			     absent_text, NULL};
	struct device device;
	int fd = iommu_open(), plain = dup(fd), access;
	uint32_t ioas = ioas_alloc(fd);
	pid_t child;

	OK(plain);
	OK(mock_device(fd, ioas, &device));
	memory[3] = 0x24;
	OK(map_fixed(fd, ioas, memory, PAGE, WHERE));
	snprintf(fd_text, sizeof(fd_text), "%d", plain);
	snprintf(absent_text, sizeof(absent_text), "%d", fd);
	if (with_vfork) {
		child = vfork();
		if (!child) {
			execv("/proc/self/exe", arguments);
			_exit(2);
		}
		OK(child);
	} else {
		EQUAL(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
	}
	CHILD_EXITS_WITH(child, 0);
	/* What the child mapped outlives it: a domain holds it. */
	access = access_create(fd, ioas, 0);
	OK(access);
	OK(access_rw(fd, access, WHERE + PAGE + 3, &byte, 1, 0));
	EQUAL(byte, 0x42);
	OK(access_rw(fd, access, WHERE + 3, &byte, 1, MOCK_ACCESS_RW_SLOW_PATH));
	EQUAL(byte, 0x24);
	OK(unmap(fd, ioas, WHERE, 2 * PAGE));
	OK(close(access));
	OK(close(plain));
	OK(close(fd));
	OK(nothing_pinned(memory, PAGE));
	OK(munmap(memory, PAGE));
}

/* A vfork child runs in its parent's memory: that is what it maps. */
static void a_vfork_child_maps_its_parents_memory(void)
{
	uint8_t *memory = private_memory(PAGE), byte = 0;
	struct iommu_ioas_map cmd = {.size = sizeof(cmd),
				     .flags = MAP_FIXRW,
				     .ioas_id = 1,
				     .user_va = address_of(memory),
				     .length = PAGE,
				     .iova = WHERE};
	int fd = iommu_open(), access;
	struct device device;
	pid_t child;

	EQUAL(ioas_alloc(fd), 1);
	OK(mock_device(fd, 1, &device));
	child = vfork();
	if (!child)
		_exit(ioctl(fd, IOMMUFD_IO(IOMMUFD_NR_IOAS_MAP), &cmd) ? 1 : 0);
	OK(child);
	CHILD_EXITS_WITH(child, 0);
	OK(check_map(fd, device.hwpt, WHERE, PAGE, memory));
	memory[1] = 0x99;
	access = access_create(fd, 1, 0);
	OK(access);
	OK(access_rw(fd, access, WHERE + 1, &byte, 1, MOCK_ACCESS_RW_SLOW_PATH));
	EQUAL(byte, 0x99);
	OK(close(access));
	OK(close(fd));
	OK(nothing_pinned(memory, PAGE));
	OK(munmap(memory, PAGE));
}

int main(int argc, char **argv)
{
	if (argc == 4)
		return spawned(atoi(argv[2]), atoi(argv[3]));
	spawn(argv[0], false);
	spawn(argv[0], true);
	a_vfork_child_maps_its_parents_memory();
	return 0;
}
