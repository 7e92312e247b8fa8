/* SPDX-License-Identifier: Apache-2.0 */
/* A private page of a file, pinned for reading, stays the process's page when it is written. */
#include "client.h"

int main(void)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), fd = iommu_open(), access;
	uint32_t ioas = ioas_alloc(fd);
	uint64_t iova = APERTURE;
	struct device device;
	volatile uint8_t *page;
	uint8_t first, byte;

	OK(file);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	CHECK(page != MAP_FAILED);
	first = *page;
	EQUAL(first, 0x7f);
	OK(mock_device(fd, ioas, &device));
	OK(map_flags(fd, ioas, page, PAGE, &iova,
		     IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_FIXED_IOVA));
	OK(check_map(fd, device.hwpt, iova, PAGE, page));
	page[8] = 0xee;
	OK(check_map(fd, device.hwpt, iova, PAGE, page));
	OK(check_refs(fd, page, PAGE, 1));
	access = access_create(fd, ioas, 0);
	OK(access);
	byte = 0;
	OK(access_rw(fd, access, iova + 8, &byte, 1, MOCK_ACCESS_RW_SLOW_PATH));
	EQUAL(byte, 0xee);
	OK(access_rw(fd, access, iova, &byte, 1, 0));
	EQUAL(byte, first);
	/* Not writable through the IOAS, and never in the file. */
	REFUSED(EPERM, access_rw(fd, access, iova, &byte, 1, MOCK_ACCESS_RW_WRITE));
	EQUAL(pread(file, &byte, 1, 8), 1);
	CHECK(byte != 0xee);
	OK(close(access));
	OK(close(fd));
	OK(nothing_pinned(page, PAGE));
	return 0;
}
