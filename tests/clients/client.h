/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the client programs share. A client is somebody else's program: it knows the user API and
 * libc, nothing of the emulator. It exits with 0 when all is as the kernel does it, 1 after the
 * line "file:line: what", 77 after a line that says what this machine can't do.
 *
 * Numbers in comments are sections of the iommufd sheet.
 */
#ifndef HWQ_TESTS_CLIENTS_CLIENT_H
#define HWQ_TESTS_CLIENTS_CLIENT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include "kernel_shim/uapi/iommufd.h"
#include "kernel_shim/uapi/iommufd_test.h"

#define PAGE      4096UL
#define APERTURE  0x1000000UL /* where the mock's IOVAs begin, 7.4 */
#define MAP_RW    (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define MAP_FIXRW (MAP_RW | IOMMU_IOAS_MAP_FIXED_IOVA)
#define SKIPPED   77

__attribute__((noreturn, format(printf, 3, 4))) static inline void
fail_at(const char *file, int line, const char *format, ...)
{
	const char *base = strrchr(file, '/');
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "%s:%d: ", base ? base + 1 : file, line);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	fflush(NULL);
	_exit(1);
}

#define FAIL(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(condition)                                          \
	do {                                                      \
		errno = 0;                                        \
		if (!(condition))                                 \
			FAIL("%s (errno %d)", #condition, errno); \
	} while (0)

/* The call succeeds: its result is 0 or more. */
#define OK(call)                                                \
	do {                                                    \
		long ok_result = (call);                        \
		if (ok_result < 0)                              \
			FAIL("%s: %s", #call, strerror(errno)); \
	} while (0)

#define EQUAL(is, should)                                                                 \
	do {                                                                              \
		long long equal_is = (long long)(is), equal_should = (long long)(should); \
		if (equal_is != equal_should)                                             \
			FAIL("%s is %lld (0x%llx), not %lld", #is, equal_is, equal_is,    \
			     equal_should);                                               \
	} while (0)

/* The call fails with just this errno. */
#define REFUSED(error, call)                                                      \
	do {                                                                      \
		long refused_result;                                              \
		errno = 0;                                                        \
		refused_result = (long)(call);                                    \
		if (refused_result != -1)                                         \
			FAIL("%s gives %ld, not " #error, #call, refused_result); \
		if (errno != (error))                                             \
			FAIL("%s: %s, not " #error, #call, strerror(errno));      \
	} while (0)

__attribute__((noreturn, format(printf, 1, 2))) static inline void skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	printf("skipped: ");
	vprintf(format, arguments);
	putchar('\n');
	va_end(arguments);
	fflush(NULL);
	_exit(SKIPPED);
}

/* Nothing is mapped there; the compiler need not know. */
static inline void *nowhere(void)
{
	void *volatile pointer = (void *)8;

	return pointer;
}

static inline uint64_t address_of(const volatile void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

static inline int iommu_open(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		FAIL("open /dev/iommu: %s", strerror(errno));
	return fd;
}

static inline int call(int fd, enum iommufd_nr nr, void *argument)
{
	return ioctl(fd, IOMMUFD_IO(nr), argument);
}

static inline uint32_t ioas_alloc(int fd)
{
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)};

	OK(call(fd, IOMMUFD_NR_IOAS_ALLOC, &cmd));
	return cmd.out_ioas_id;
}

static inline int destroy(int fd, uint32_t id)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = id};

	return call(fd, IOMMUFD_NR_DESTROY, &cmd);
}

static inline int map_flags(int fd, uint32_t ioas, const volatile void *memory, uint64_t length,
			    uint64_t *iova, uint32_t flags)
{
	struct iommu_ioas_map cmd = {.size = sizeof(cmd),
				     .flags = flags,
				     .ioas_id = ioas,
				     .user_va = address_of(memory),
				     .length = length,
				     .iova = *iova};
	int result = call(fd, IOMMUFD_NR_IOAS_MAP, &cmd);

	if (result >= 0)
		*iova = cmd.iova;
	return result;
}

static inline int map(int fd, uint32_t ioas, const volatile void *memory, uint64_t length,
		      uint64_t *iova)
{
	*iova = 0;
	return map_flags(fd, ioas, memory, length, iova, MAP_RW);
}

static inline int map_fixed(int fd, uint32_t ioas, const volatile void *memory, uint64_t length,
			    uint64_t iova)
{
	return map_flags(fd, ioas, memory, length, &iova, MAP_FIXRW);
}

static inline int map_file(int fd, uint32_t ioas, int file, uint64_t start, uint64_t length,
			   uint64_t *iova)
{
	struct iommu_ioas_map_file cmd = {.size = sizeof(cmd),
					  .flags = MAP_RW,
					  .ioas_id = ioas,
					  .fd = file,
					  .start = start,
					  .length = length};
	int result = call(fd, IOMMUFD_NR_IOAS_MAP_FILE, &cmd);

	if (result >= 0)
		*iova = cmd.iova;
	return result;
}

static inline int map_file_fixed(int fd, uint32_t ioas, int file, uint64_t length, uint64_t iova)
{
	struct iommu_ioas_map_file cmd = {.size = sizeof(cmd),
					  .flags = MAP_FIXRW,
					  .ioas_id = ioas,
					  .fd = file,
					  .length = length,
					  .iova = iova};

	return call(fd, IOMMUFD_NR_IOAS_MAP_FILE, &cmd);
}

static inline int unmap(int fd, uint32_t ioas, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .iova = iova, .length = length};

	return call(fd, IOMMUFD_NR_IOAS_UNMAP, &cmd);
}

static inline int option(int fd, uint32_t which, uint16_t op, uint32_t object, uint64_t *value)
{
	struct iommu_option cmd = {.size = sizeof(cmd),
				   .option_id = which,
				   .op = op,
				   .object_id = object,
				   .val64 = *value};
	int result = call(fd, IOMMUFD_NR_OPTION, &cmd);

	if (result >= 0)
		*value = cmd.val64;
	return result;
}

static inline int test_call(int fd, uint32_t op, uint32_t id, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	cmd->id = id;
	return call(fd, IOMMUFD_NR_TEST_CMD, cmd);
}

struct device {
	uint32_t stdev;
	uint32_t hwpt;
	uint32_t id; /* what HWPT_ALLOC calls dev_id */
};

static inline int mock_device_flags(int fd, uint32_t pt, uint32_t flags, struct device *device)
{
	struct iommu_test_cmd cmd = {.mock_domain_flags = {.dev_flags = flags}};
	int result = test_call(fd, IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, pt, &cmd);

	if (result >= 0)
		*device = (struct device){cmd.mock_domain_flags.out_stdev_id,
					  cmd.mock_domain_flags.out_hwpt_id,
					  cmd.mock_domain_flags.out_idev_id};
	return result;
}

static inline int mock_device(int fd, uint32_t pt, struct device *device)
{
	struct iommu_test_cmd cmd = {0};
	int result = test_call(fd, IOMMU_TEST_OP_MOCK_DOMAIN, pt, &cmd);

	if (result >= 0)
		*device = (struct device){cmd.mock_domain.out_stdev_id, cmd.mock_domain.out_hwpt_id,
					  cmd.mock_domain.out_idev_id};
	return result;
}

static inline int mock_replace(int fd, const struct device *device, uint32_t pt)
{
	struct iommu_test_cmd cmd = {.mock_domain_replace = {.pt_id = pt}};

	return test_call(fd, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, device->stdev, &cmd);
}

static inline int check_map(int fd, uint32_t hwpt, uint64_t iova, uint64_t length,
			    const volatile void *memory)
{
	struct iommu_test_cmd cmd = {
		.check_map = {.iova = iova, .length = length, .uptr = address_of(memory)}};

	return test_call(fd, IOMMU_TEST_OP_MD_CHECK_MAP, hwpt, &cmd);
}

/* 0 if each page is pinned so often, else EIO. */
static inline int check_refs(int fd, const volatile void *memory, uint64_t length, uint32_t refs)
{
	struct iommu_test_cmd cmd = {
		.check_refs = {.length = length, .uptr = address_of(memory), .refs = refs}};

	return test_call(fd, IOMMU_TEST_OP_MD_CHECK_REFS, 0, &cmd);
}

/* Of no context, not only of one's own: the count is of the page. */
static inline int nothing_pinned(const volatile void *memory, uint64_t length)
{
	int fd = iommu_open();
	int result = check_refs(fd, memory, length, 0);

	close(fd);
	return result;
}

/* The access's descriptor, or -1. */
static inline int access_create(int fd, uint32_t ioas, uint32_t flags)
{
	struct iommu_test_cmd cmd = {.create_access = {.flags = flags}};

	if (test_call(fd, IOMMU_TEST_OP_CREATE_ACCESS, ioas, &cmd))
		return -1;
	return (int)cmd.create_access.out_access_fd;
}

static inline int access_rw(int fd, int access_fd, uint64_t iova, volatile void *data,
			    uint64_t length, uint32_t flags)
{
	struct iommu_test_cmd cmd = {
		.access_rw = {
			.iova = iova, .length = length, .uptr = address_of(data), .flags = flags}};

	return test_call(fd, IOMMU_TEST_OP_ACCESS_RW, (uint32_t)access_fd, &cmd);
}

static inline int access_pin(int fd, int access_fd, uint64_t iova, volatile void *memory,
			     uint64_t length, uint32_t *item)
{
	struct iommu_test_cmd cmd = {.access_pages = {.flags = MOCK_FLAGS_ACCESS_WRITE,
						      .iova = iova,
						      .length = length,
						      .uptr = address_of(memory)}};
	int result = test_call(fd, IOMMU_TEST_OP_ACCESS_PAGES, (uint32_t)access_fd, &cmd);

	if (result >= 0)
		*item = cmd.access_pages.out_access_pages_id;
	return result;
}

static inline int access_unpin(int fd, int access_fd, uint32_t item)
{
	struct iommu_test_cmd cmd = {.destroy_access_pages = {.access_pages_id = item}};

	return test_call(fd, IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, (uint32_t)access_fd, &cmd);
}

static inline uint32_t hwpt_alloc(int fd, const struct device *device, uint32_t pt, uint32_t flags)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd), .flags = flags, .dev_id = device->id, .pt_id = pt};

	OK(call(fd, IOMMUFD_NR_HWPT_ALLOC, &cmd));
	return cmd.out_hwpt_id;
}

/* fault: the id of a fault queue, or 0 */
static inline uint32_t nested_alloc(int fd, const struct device *device, uint32_t pt,
				    uint32_t fault)
{
	struct iommu_hwpt_selftest data = {.iotlb = 0xbadbeef};
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = fault ? IOMMU_HWPT_FAULT_ID_VALID : 0,
				       .dev_id = device->id,
				       .pt_id = pt,
				       .data_type = IOMMU_HWPT_DATA_SELFTEST,
				       .data_len = sizeof(data),
				       .data_uptr = address_of(&data),
				       .fault_id = fault};

	OK(call(fd, IOMMUFD_NR_HWPT_ALLOC, &cmd));
	return cmd.out_hwpt_id;
}

static inline int fault_queue(int fd, uint32_t *id)
{
	struct iommu_fault_alloc cmd = {.size = sizeof(cmd)};

	OK(call(fd, IOMMUFD_NR_FAULT_QUEUE_ALLOC, &cmd));
	*id = cmd.out_fault_id;
	return (int)cmd.out_fault_fd;
}

static inline int trigger_fault(int fd, const struct device *device, uint32_t group)
{
	struct iommu_test_cmd cmd = {
		.trigger_iopf = {
			.dev_id = device->id, .grpid = group, .perm = 3, .addr = 0xdeadbeaf}};

	return test_call(fd, IOMMU_TEST_OP_TRIGGER_IOPF, 0, &cmd);
}

static inline uint32_t viommu_alloc(int fd, const struct device *device, uint32_t parent,
				    struct iommu_viommu_selftest *data)
{
	struct iommu_viommu_alloc cmd = {.size = sizeof(cmd),
					 .type = IOMMU_VIOMMU_TYPE_SELFTEST,
					 .dev_id = device->id,
					 .hwpt_id = parent,
					 .data_len = data ? sizeof(*data) : 0,
					 .data_uptr = address_of(data)};

	OK(call(fd, IOMMUFD_NR_VIOMMU_ALLOC, &cmd));
	return cmd.out_viommu_id;
}

static inline uint32_t vdevice_alloc(int fd, const struct device *device, uint32_t viommu,
				     uint64_t virt_id)
{
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = viommu, .dev_id = device->id, .virt_id = virt_id};

	OK(call(fd, IOMMUFD_NR_VDEVICE_ALLOC, &cmd));
	return cmd.out_vdevice_id;
}

static inline int event_queue(int fd, uint32_t viommu, uint32_t depth, uint32_t *id)
{
	struct iommu_veventq_alloc cmd = {.size = sizeof(cmd),
					  .viommu_id = viommu,
					  .type = IOMMU_VEVENTQ_TYPE_SELFTEST,
					  .veventq_depth = depth};

	OK(call(fd, IOMMUFD_NR_VEVENTQ_ALLOC, &cmd));
	*id = cmd.out_veventq_id;
	return (int)cmd.out_veventq_fd;
}

static inline int trigger_event(int fd, const struct device *device)
{
	struct iommu_test_cmd cmd = {.trigger_vevent = {.dev_id = device->id}};

	return test_call(fd, IOMMU_TEST_OP_TRIGGER_VEVENT, 0, &cmd);
}

/* A device behind a nested domain that has a fault queue. */
struct fault_bench {
	int fd;
	int queue;
	uint32_t queue_id;
	struct device device;
};

static inline void fault_bench_set_up(struct fault_bench *bench)
{
	uint32_t ioas, parent;

	bench->fd = iommu_open();
	ioas = ioas_alloc(bench->fd);
	OK(mock_device(bench->fd, ioas, &bench->device));
	bench->queue = fault_queue(bench->fd, &bench->queue_id);
	parent = hwpt_alloc(bench->fd, &bench->device, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	OK(mock_replace(bench->fd, &bench->device,
			nested_alloc(bench->fd, &bench->device, parent, bench->queue_id)));
}

/* A device behind a vIOMMU that has an event queue. */
struct event_bench {
	int fd;
	int queue;
	uint32_t queue_id;
	uint32_t viommu;
	struct device device;
};

#define VIRT_ID 0x88U

static inline void event_bench_set_up(struct event_bench *bench, uint32_t depth)
{
	uint32_t ioas, parent;

	bench->fd = iommu_open();
	ioas = ioas_alloc(bench->fd);
	OK(mock_device(bench->fd, ioas, &bench->device));
	parent = hwpt_alloc(bench->fd, &bench->device, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	bench->viommu = viommu_alloc(bench->fd, &bench->device, parent, NULL);
	vdevice_alloc(bench->fd, &bench->device, bench->viommu, VIRT_ID);
	OK(mock_replace(bench->fd, &bench->device,
			nested_alloc(bench->fd, &bench->device, bench->viommu, 0)));
	bench->queue = event_queue(bench->fd, bench->viommu, depth, &bench->queue_id);
}

static inline uint8_t *anonymous(uint64_t length, int kind)
{
	uint8_t *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | kind, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static inline uint8_t *shared_memory(uint64_t length)
{
	return anonymous(length, MAP_SHARED);
}

static inline uint8_t *private_memory(uint64_t length)
{
	return anonymous(length, MAP_PRIVATE);
}

static inline pid_t fork_checked(void)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	OK(child);
	return child;
}

#define CHILD_EXITS_WITH(child, code)                                                          \
	do {                                                                                   \
		int child_status;                                                              \
		EQUAL(waitpid(child, &child_status, 0), child);                                \
		if (!WIFEXITED(child_status) || WEXITSTATUS(child_status) != (code))           \
			FAIL("child ended with status 0x%x, not exit %d", child_status, code); \
	} while (0)

/* A line such as "VmPin: 4 kB" of /proc/PID/status in KiB. */
static inline long status_kib(pid_t pid, const char *field)
{
	char path[64], line[256];
	long value = -1;
	size_t width = strlen(field);
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	if (!file)
		FAIL("open %s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, field, width) && line[width] == ':')
			value = strtol(line + width + 1, NULL, 10);
	fclose(file);
	if (value < 0)
		FAIL("%s has no %s", path, field);
	return value;
}

static inline void capabilities(uint32_t *effective, bool set)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	OK(syscall(SYS_capget, &header, data));
	if (set) {
		data[0].effective = *effective;
		OK(syscall(SYS_capset, &header, data));
	}
	*effective = data[0].effective;
}

static inline bool has_capability(unsigned int which)
{
	uint32_t effective;

	capabilities(&effective, false);
	return effective & 1U << which;
}

/* From the effective set only: it can be taken back. */
static inline void drop_capability(unsigned int which)
{
	uint32_t effective;

	capabilities(&effective, false);
	effective &= ~(1U << which);
	capabilities(&effective, true);
}

/*
 * Whether this process may choose the mode of accounting (2.10). One that has CAP_SYS_RESOURCE may,
 * an ordinary user may not; for root in a container which holds the capability back, what stands
 * behind /dev/iommu decides.
 */
static inline bool may_set_mode(void)
{
	uint64_t value = 0;
	int fd = iommu_open();
	int result = option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &value);

	if (result)
		EQUAL(errno, EPERM);
	if (has_capability(CAP_SYS_RESOURCE))
		EQUAL(result, 0);
	else if (geteuid() != 0)
		EQUAL(result, -1);
	close(fd);
	return !result;
}

static inline void send_fds(int socket, const int *fds, size_t count)
{
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec vector = {(void *)(uintptr_t) "x", 1};
	struct msghdr message = {.msg_iov = &vector,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = CMSG_SPACE(count * sizeof(int))};
	struct cmsghdr *header;

	memset(&control, 0, sizeof(control));
	header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	EQUAL(sendmsg(socket, &message, 0), 1);
}

static inline void receive_fds(int socket, int *fds, size_t count)
{
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec vector = {&byte, 1};
	struct msghdr message = {.msg_iov = &vector,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *header;

	EQUAL(recvmsg(socket, &message, MSG_CMSG_CLOEXEC), 1);
	header = CMSG_FIRSTHDR(&message);
	CHECK(header);
	EQUAL(header->cmsg_type, SCM_RIGHTS);
	EQUAL(header->cmsg_len, CMSG_LEN(count * sizeof(int)));
	memcpy(fds, CMSG_DATA(header), count * sizeof(int));
}

static inline void nap(long milliseconds)
{
	struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};

	nanosleep(&time, NULL);
}

#endif
