/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of any number at any place around a page border, on both paths (6, 7.3). */
#include "client.h"

static void fill(uint8_t *memory, size_t length, unsigned int seed)
{
	for (size_t index = 0; index < length; index++) {
		seed = seed * 1103515245 + 12345;
		memory[index] = (uint8_t)(seed >> 16);
	}
}

static void bytes_go_where_they_should(bool with_domain, uint32_t path)
{
	uint8_t *memory = shared_memory(16 * PAGE), *copy = private_memory(16 * PAGE);
	uint8_t *large = private_memory(16 * PAGE), bytes[64];
	struct device device;
	int fd = iommu_open(), access;
	uint32_t ioas = ioas_alloc(fd);
	uint64_t iova;

	if (with_domain)
		OK(mock_device(fd, ioas, &device));
	OK(map(fd, ioas, memory, 16 * PAGE, &iova));
	access = access_create(fd, ioas, 0);
	OK(access);
	fill(memory, 16 * PAGE, 1);
	memcpy(copy, memory, 16 * PAGE);
	for (size_t start = PAGE - 40; start < PAGE + 10; start += 3)
		for (size_t length = 1; length < sizeof(bytes); length += 4) {
			memset(bytes, 0xee, sizeof(bytes));
			OK(access_rw(fd, access, iova + start, bytes, length, path));
			EQUAL(memcmp(bytes, copy + start, length), 0);
			EQUAL(bytes[length], 0xee);
			fill(bytes, length, (unsigned int)(start * 64 + length));
			memcpy(copy + start, bytes, length);
			OK(access_rw(fd, access, iova + start, bytes, length,
				     path | MOCK_ACCESS_RW_WRITE));
			EQUAL(memcmp(memory, copy, 3 * PAGE), 0);
		}
	OK(access_rw(fd, access, iova, large, 16 * PAGE, path));
	EQUAL(memcmp(large, copy, 16 * PAGE), 0);

	REFUSED(EINVAL, access_rw(fd, access, iova, bytes, 0, path));
	REFUSED(ENOENT, access_rw(fd, access, iova - 1, bytes, 2, path));
	REFUSED(ENOENT, access_rw(fd, access, iova + 16 * PAGE - 1, bytes, 2, path));
	REFUSED(EOVERFLOW, access_rw(fd, access, UINT64_MAX, bytes, 2, path));
	REFUSED(EFAULT, access_rw(fd, access, iova, nowhere(), 2, path));
	REFUSED(EFAULT, access_rw(fd, access, iova, nowhere(), 2, path | MOCK_ACCESS_RW_WRITE));
	REFUSED(ENOMEM, access_rw(fd, access, iova, bytes, (16UL << 20) + 1, path));
	REFUSED(EOPNOTSUPP, access_rw(fd, access, iova, bytes, 1, path | 2));
	REFUSED(EBADFD, access_rw(fd, 999, iova, bytes, 1, path));
	REFUSED(EBADFD, access_rw(fd, fd, iova, bytes, 1, path));
	OK(check_refs(fd, memory, 16 * PAGE, with_domain ? 1 : 0));
	OK(close(access));
	OK(close(fd));
	OK(munmap(memory, 16 * PAGE));
	OK(munmap(copy, 16 * PAGE));
	OK(munmap(large, 16 * PAGE));
}

/* Memory that starts in the middle of a page, in an IOAS of byte granularity. */
static void odd_areas_join(uint32_t path)
{
	uint8_t *memory = private_memory(4 * PAGE), bytes[16];
	int fd = iommu_open(), access;
	uint32_t ioas = ioas_alloc(fd);

	fill(memory, 4 * PAGE, 7);
	OK(map_fixed(fd, ioas, memory + 2 * PAGE - 5, 5, 0x10000));
	OK(map_fixed(fd, ioas, memory + 77, 11, 0x10005));
	access = access_create(fd, ioas, 0);
	OK(access);
	OK(access_rw(fd, access, 0x10000, bytes, 16, path));
	EQUAL(memcmp(bytes, memory + 2 * PAGE - 5, 5), 0);
	EQUAL(memcmp(bytes + 5, memory + 77, 11), 0);
	OK(access_rw(fd, access, 0x10004, "abc", 3, path | MOCK_ACCESS_RW_WRITE));
	EQUAL(memory[2 * PAGE - 1], 'a');
	EQUAL(memcmp(memory + 77, "bc", 2), 0);
	OK(close(access));
	OK(close(fd));
	OK(munmap(memory, 4 * PAGE));
}

/* The pages that a domain holds are the memory's, whoever looks, until the process unmaps them. */
static void holes_fault(uint32_t path)
{
	uint8_t *memory = private_memory(2 * PAGE), byte = 1;
	int fd = iommu_open(), access;
	uint32_t ioas = ioas_alloc(fd);
	struct device device;
	uint64_t iova;

	OK(map(fd, ioas, memory, 2 * PAGE, &iova));
	access = access_create(fd, ioas, 0);
	OK(access);
	OK(munmap(memory + PAGE, PAGE));
	OK(access_rw(fd, access, iova + PAGE - 1, &byte, 1, path));
	REFUSED(EFAULT, access_rw(fd, access, iova + PAGE, &byte, 1, path));
	OK(close(access));
	OK(unmap(fd, ioas, iova, 2 * PAGE));
	OK(mock_device(fd, ioas, &device));
	REFUSED(EFAULT, map(fd, ioas, memory, 2 * PAGE, &iova));
	OK(mprotect(memory, PAGE, PROT_READ));
	REFUSED(EFAULT, map(fd, ioas, memory, PAGE, &iova));
	iova = APERTURE;
	OK(map_flags(fd, ioas, memory, PAGE, &iova,
		     IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_FIXED_IOVA));
	OK(close(fd));
	OK(nothing_pinned(memory, PAGE));
	OK(munmap(memory, PAGE));
}

int main(void)
{
	for (uint32_t path = 0; path <= MOCK_ACCESS_RW_SLOW_PATH;
	     path += MOCK_ACCESS_RW_SLOW_PATH) {
		bytes_go_where_they_should(false, path);
		bytes_go_where_they_should(true, path);
		odd_areas_join(path);
		holes_fault(path);
	}
	return 0;
}
