// SPDX-License-Identifier: Apache-2.0
/*
 * The filter: which calls the supervisor is asked about. It sees numbers and arguments only, no
 * memory: so every open() and stat() is asked about, reads and dups only with reserved numbers,
 * and everything else passes at the cost of the filter itself.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/exec/exec.h"

#define MAP_DENYWRITE_BIT 0x0800U
#define F_DUPFD_CMD       0U
#define F_GETFL_CMD       3U
#define F_DUPFD_CLOEXEC   1030U

/* By path, or by a descriptor that may be ours. */
static const int asked_always[] = {
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	/* The last look at memory that goes, and a region that must not grow. */
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(exit_group),
	SCMP_SYS(mremap),
};

static const int asked_if_reserved[] = {
	SCMP_SYS(read),    SCMP_SYS(write),      SCMP_SYS(readv), SCMP_SYS(writev),
	SCMP_SYS(pread64), SCMP_SYS(pwrite64),   SCMP_SYS(dup),   SCMP_SYS(dup2),
	SCMP_SYS(dup3),    SCMP_SYS(getdents64),
};

/* An argument compared; libseccomp's own macros leave fields out, which compilers warn of. */
static struct scmp_arg_cmp compared(unsigned argument, enum scmp_compare how, uint64_t a,
				    uint64_t b)
{
	return (struct scmp_arg_cmp){.arg = argument, .op = how, .datum_a = a, .datum_b = b};
}

static int ask(scmp_filter_ctx filter, int call, unsigned count, const struct scmp_arg_cmp *if_all)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_NOTIFY, call, count, if_all);
}

static int add_rules(scmp_filter_ctx filter, uint64_t fd_base)
{
	const struct scmp_arg_cmp reserved = compared(0, SCMP_CMP_GE, fd_base, 0);
	const struct scmp_arg_cmp dup[] = {reserved, compared(1, SCMP_CMP_EQ, F_DUPFD_CMD, 0)};
	const struct scmp_arg_cmp dup_cloexec[] = {reserved,
						   compared(1, SCMP_CMP_EQ, F_DUPFD_CLOEXEC, 0)};
	const struct scmp_arg_cmp get_flags = compared(1, SCMP_CMP_EQ, F_GETFL_CMD, 0);
	/* Type ';': iommufd's and VFIO's (iommufd 1.2, app. C). */
	const struct scmp_arg_cmp type = compared(1, SCMP_CMP_MASKED_EQ, 0xffffff00U, 0x3b00U);
	/* Files, but not those that the dynamic loader maps. */
	const struct scmp_arg_cmp file =
		compared(3, SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS_BIT | MAP_DENYWRITE_BIT, 0);
	int error = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(asked_always); i++)
		error |= ask(filter, asked_always[i], 0, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(asked_if_reserved); i++)
		error |= ask(filter, asked_if_reserved[i], 1, &reserved);
	error |= ask(filter, SCMP_SYS(fcntl), 2, dup);
	error |= ask(filter, SCMP_SYS(fcntl), 2, dup_cloexec);
	error |= ask(filter, SCMP_SYS(fcntl), 1, &get_flags);
	error |= ask(filter, SCMP_SYS(ioctl), 1, &type);
	error |= ask(filter, SCMP_SYS(mmap), 1, &file);
	return error;
}

/* seccomp_load() can't ask for WAIT_KILLABLE_RECV before libseccomp 2.6: load it by hand. */
static int load(scmp_filter_ctx filter)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	struct stat stat;
	if (fd < 0 || seccomp_export_bpf(filter, fd) != 0 || fstat(fd, &stat) != 0)
		return -1;
	size_t size = (size_t)stat.st_size;
	struct sock_filter {
		uint16_t code;
		uint8_t jt, jf;
		uint32_t k;
	} *code = malloc(size);
	if (code == NULL || pread(fd, code, size, 0) != (ssize_t)size)
		return -1;
	close(fd);
	struct {
		unsigned short length;
		struct sock_filter *code;
	} program = {(unsigned short)(size / sizeof(*code)), code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	/* Once received, a call runs to its end: a signal must not have it done twice. */
	int notify = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				  SECCOMP_FILTER_FLAG_NEW_LISTENER |
					  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
				  &program);
	free(code);
	return notify;
}

int filter_install(int fd_base)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	if (filter == NULL)
		return -1;
	/* Programs of another architecture run as if there were no /dev/iommu. */
	int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
	error |= add_rules(filter, (uint64_t)fd_base);
	int notify = error == 0 ? load(filter) : -1;
	seccomp_release(filter);
	return notify;
}
