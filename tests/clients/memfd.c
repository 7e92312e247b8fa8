/* SPDX-License-Identifier: Apache-2.0 */
/* Files: pages of a memfd, truncated and past its end, and files that can't be pinned (2.6). */
#include "client.h"

static int memfd(uint64_t length)
{
	int file = memfd_create("client", MFD_CLOEXEC);

	OK(file);
	OK(ftruncate(file, (off_t)length));
	return file;
}

static void a_mapping_shows_the_files_pages(void)
{
	int fd = iommu_open(), file = memfd(16 * PAGE), access;
	uint32_t ioas = ioas_alloc(fd);
	struct device device;
	uint8_t *view, bytes[256];
	uint64_t iova;

	view = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	CHECK(view != MAP_FAILED);
	memset(view + 4 * PAGE, 0x33, 4 * PAGE);
	OK(mock_device(fd, ioas, &device));
	OK(map_file(fd, ioas, file, 4 * PAGE, 4 * PAGE, &iova));
	OK(check_map(fd, device.hwpt, iova, 4 * PAGE, view + 4 * PAGE));
	REFUSED(EINVAL, check_map(fd, device.hwpt, iova, 4 * PAGE, view + 5 * PAGE));
	OK(check_refs(fd, view + 4 * PAGE, 4 * PAGE, 1));
	OK(check_refs(fd, view, 4 * PAGE, 0));
	/* A second mapping of the process, and the file's own calls, see one memory. */
	access = access_create(fd, ioas, 0);
	OK(access);
	memset(bytes, 0x44, sizeof(bytes));
	OK(access_rw(fd, access, iova + PAGE - 128, bytes, sizeof(bytes), MOCK_ACCESS_RW_WRITE));
	EQUAL(view[5 * PAGE - 129], 0x33);
	EQUAL(view[5 * PAGE - 128], 0x44);
	EQUAL(view[5 * PAGE + 127], 0x44);
	EQUAL(view[5 * PAGE + 128], 0x33);
	EQUAL(pwrite(file, "file", 4, 6 * PAGE), 4);
	OK(access_rw(fd, access, iova + 2 * PAGE, bytes, 4, 0));
	EQUAL(memcmp(bytes, "file", 4), 0);
	/* The mapping holds the file, not the descriptor. */
	OK(close(file));
	OK(munmap(view, 16 * PAGE));
	memset(bytes, 0, sizeof(bytes));
	OK(access_rw(fd, access, iova + 2 * PAGE, bytes, 4, 0));
	EQUAL(memcmp(bytes, "file", 4), 0);
	OK(unmap(fd, ioas, iova, 4 * PAGE));
	OK(close(access));
	OK(close(fd));
}

static void missing_pages_are_made(void)
{
	int fd = iommu_open(), file = memfd(2 * PAGE), access;
	uint32_t ioas = ioas_alloc(fd);
	struct device device;
	uint8_t bytes[4] = {1, 1, 1, 1};
	uint64_t iova;

	OK(mock_device(fd, ioas, &device));
	OK(map_file(fd, ioas, file, 0, 2 * PAGE, &iova));
	access = access_create(fd, ioas, 0);
	OK(access);
	OK(access_rw(fd, access, iova + PAGE, bytes, 4, 0));
	EQUAL(bytes[0] | bytes[3], 0);
	OK(access_rw(fd, access, iova + PAGE, "made", 4, MOCK_ACCESS_RW_WRITE));
	EQUAL(pread(file, bytes, 4, PAGE), 4);
	EQUAL(memcmp(bytes, "made", 4), 0);
	OK(close(file));
	OK(close(access));
	OK(close(fd));
}

static void nothing_past_the_end_is_pinned(void)
{
	int fd = iommu_open(), file = memfd(4 * PAGE);
	uint32_t bare = ioas_alloc(fd), ioas = ioas_alloc(fd);
	struct device device, late;
	uint64_t iova;

	OK(mock_device(fd, ioas, &device));
	REFUSED(EINVAL, map_file(fd, ioas, file, 0, 5 * PAGE, &iova));
	REFUSED(EINVAL, map_file(fd, ioas, file, 4 * PAGE, PAGE, &iova));
	OK(map_file(fd, ioas, file, 3 * PAGE, PAGE, &iova));
	OK(unmap(fd, ioas, iova, PAGE));
	/* Without a domain nobody looks; a domain that comes later does. */
	OK(map_file_fixed(fd, bare, file, 5 * PAGE, APERTURE));
	REFUSED(EINVAL, mock_device(fd, bare, &late));
	OK(ftruncate(file, 8 * PAGE));
	OK(unmap(fd, bare, APERTURE, 5 * PAGE));
	OK(map_file(fd, ioas, file, 0, 5 * PAGE, &iova));
	OK(unmap(fd, ioas, iova, 5 * PAGE));
	OK(ftruncate(file, 0));
	REFUSED(EINVAL, map_file(fd, ioas, file, 0, PAGE, &iova));
	OK(close(file));
	OK(close(fd));
}

static void only_memfds_are_pinned(void)
{
	int fd = iommu_open(), null = open("/dev/null", O_RDWR), ends[2];
	uint32_t bare = ioas_alloc(fd), ioas = ioas_alloc(fd);
	struct device device;
	uint64_t iova;

	OK(null);
	OK(pipe2(ends, O_CLOEXEC));
	OK(mock_device(fd, ioas, &device));
	REFUSED(EINVAL, map_file(fd, ioas, null, 0, PAGE, &iova));
	OK(map_file(fd, bare, null, 0, PAGE, &iova));
	REFUSED(EINVAL, map_file(fd, ioas, ends[0], 0, PAGE, &iova));
	REFUSED(EINVAL, map_file(fd, ioas, fd, 0, PAGE, &iova));
	REFUSED(EBADF, map_file(fd, bare, -1, 0, PAGE, &iova));
	OK(close(null));
	REFUSED(EBADF, map_file(fd, bare, null, 0, PAGE, &iova));
	OK(close(ends[0]));
	OK(close(ends[1]));
	OK(close(fd));
}

int main(void)
{
	a_mapping_shows_the_files_pages();
	missing_pages_are_made();
	nothing_past_the_end_is_pinned();
	only_memfds_are_pinned();
	return 0;
}
