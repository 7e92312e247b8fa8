/* SPDX-License-Identifier: Apache-2.0 */
/* The node, the descriptor, the order of the first refusals, close and open again (1.1 to 1.3). */
#include "client.h"

#include <sys/sysmacros.h>

static void the_node_is_a_misc_device(void)
{
	struct stat by_path, by_link, by_fd;
	int fd = iommu_open();

	OK(stat("/dev/iommu", &by_path));
	OK(lstat("/dev/iommu", &by_link));
	OK(fstat(fd, &by_fd));
	CHECK(S_ISCHR(by_path.st_mode));
	EQUAL(by_path.st_mode & 07777, 0660);
	EQUAL(major(by_path.st_rdev), 10);
	EQUAL(by_link.st_mode, by_path.st_mode);
	EQUAL(by_link.st_rdev, by_path.st_rdev);
	EQUAL(by_fd.st_mode, by_path.st_mode);
	EQUAL(by_fd.st_rdev, by_path.st_rdev);
	EQUAL(by_fd.st_ino, by_path.st_ino);
	EQUAL(by_fd.st_dev, by_path.st_dev);
	OK(close(fd));
}

static void it_opens_by_every_path(void)
{
	char link[] = "/tmp/client.XXXXXX";
	struct stat stat;
	int directory, fd, again;

	fd = open("/dev/../dev/./iommu", O_RDWR);
	OK(fd);
	EQUAL(destroy(fd, ioas_alloc(fd)), 0);
	OK(close(fd));

	directory = open("/dev", O_RDONLY | O_DIRECTORY);
	OK(directory);
	fd = openat(directory, "iommu", O_RDWR | O_CLOEXEC);
	OK(fd);
	EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQUAL(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	EQUAL(destroy(fd, ioas_alloc(fd)), 0);
	OK(fstatat(directory, "iommu", &stat, 0));
	CHECK(S_ISCHR(stat.st_mode));
	OK(close(fd));
	OK(fchdir(directory));
	OK(close(directory));
	fd = open("iommu", O_RDONLY);
	OK(fd);
	EQUAL(fcntl(fd, F_GETFD), 0);
	EQUAL(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	EQUAL(destroy(fd, ioas_alloc(fd)), 0);
	OK(close(fd));
	OK(chdir("/"));

	again = mkstemp(link);
	OK(again);
	OK(close(again));
	OK(unlink(link));
	OK(symlink("/dev/iommu", link));
	fd = open(link, O_RDWR);
	OK(unlink(link));
	OK(fd);
	EQUAL(destroy(fd, ioas_alloc(fd)), 0);
	OK(close(fd));

	REFUSED(ENOTDIR, open("/dev/iommu", O_RDWR | O_DIRECTORY));
	REFUSED(ENOTDIR, open("/dev/iommu/x", O_RDWR));
	REFUSED(EEXIST, open("/dev/iommu", O_RDWR | O_CREAT | O_EXCL, 0600));
	REFUSED(ENOENT, open("/dev/iommu2", O_RDWR));
}

static void operations_that_it_lacks_are_refused(void)
{
	char byte = 0;
	int fd = iommu_open();
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	REFUSED(EINVAL, read(fd, &byte, 1));
	REFUSED(ESPIPE, lseek(fd, 0, SEEK_SET));
	EQUAL(poll(&poll_fd, 1, 0), 1);
	EQUAL(poll_fd.revents, POLLIN);
	OK(close(fd));
}

static void refusals_come_in_the_kernels_order(void)
{
	struct {
		struct iommu_destroy cmd;
		uint32_t tail;
	} longer = {.cmd = {.size = sizeof(longer), .id = 77}};
	uint32_t word = 4;
	int fd = iommu_open();

	REFUSED(ENOTTY, ioctl(fd, IOMMUFD_IO(0x7f), NULL));
	REFUSED(EFAULT, ioctl(fd, IOMMUFD_IO(0x97), NULL));
	REFUSED(ENOTTY, ioctl(fd, IOMMUFD_IO(0x97), &word));
	REFUSED(ENOTTY, ioctl(fd, 0x1233b80U, &word));
	REFUSED(EFAULT, call(fd, IOMMUFD_NR_DESTROY, NULL));
	REFUSED(EINVAL, call(fd, IOMMUFD_NR_DESTROY, &word));
	REFUSED(ENOENT, destroy(fd, 0));
	REFUSED(ENOENT, call(fd, IOMMUFD_NR_DESTROY, &longer));
	longer.tail = 1;
	REFUSED(E2BIG, call(fd, IOMMUFD_NR_DESTROY, &longer));
	OK(close(fd));
}

static void generic_requests_never_reach_it(void)
{
	int on = 1, fd = open("/dev/iommu", O_RDWR);

	OK(fd);
	EQUAL(fcntl(fd, F_GETFD), 0);
	OK(ioctl(fd, FIOCLEX));
	EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
	OK(ioctl(fd, FIONCLEX));
	EQUAL(fcntl(fd, F_GETFD), 0);
	OK(ioctl(fd, FIONBIO, &on));
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	OK(close(fd));
}

static void close_tears_down_and_the_number_is_free_again(void)
{
	uint8_t *memory = shared_memory(4 * PAGE);
	struct device device;
	uint64_t iova;
	uint32_t item;
	int fd = iommu_open(), access, again;

	EQUAL(ioas_alloc(fd), 1);
	OK(mock_device(fd, 1, &device));
	EQUAL(device.stdev, 2);
	EQUAL(device.id, 3);
	EQUAL(device.hwpt, 4);
	OK(map(fd, 1, memory, 4 * PAGE, &iova));
	EQUAL(iova, APERTURE);
	access = access_create(fd, 1, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	OK(access);
	OK(access_pin(fd, access, iova, memory, PAGE, &item));
	OK(check_refs(fd, memory, 4 * PAGE, 1));
	OK(check_map(fd, device.hwpt, iova, 4 * PAGE, memory));
	OK(close(access));
	OK(close(fd));
	REFUSED(EBADF, close(fd));
	REFUSED(EBADF, destroy(fd, 1));
	OK(nothing_pinned(memory, 4 * PAGE));
	again = iommu_open();
	EQUAL(again, fd);
	EQUAL(ioas_alloc(again), 1);
	OK(close(again));
}

int main(void)
{
	the_node_is_a_misc_device();
	it_opens_by_every_path();
	operations_that_it_lacks_are_refused();
	refusals_come_in_the_kernels_order();
	generic_requests_never_reach_it();
	close_tears_down_and_the_number_is_free_again();
	return 0;
}
