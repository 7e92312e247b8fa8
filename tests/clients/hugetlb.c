/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the huge page pool: mapped, pinned, checked; byte borders inside one huge page. */
#include "client.h"

#define HUGE_PAGE (2UL << 20)

int main(void)
{
	struct device device;
	uint64_t iova = APERTURE, small;
	uint8_t *memory, bytes[128], expected[128];
	uint32_t ioas, item;
	int fd, access;

	memory = mmap(NULL, 2 * HUGE_PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		skip("no two huge pages: %s", strerror(errno));
	fd = iommu_open();
	ioas = ioas_alloc(fd);
	OK(mock_device(fd, ioas, &device));
	memset(memory, 0x11, HUGE_PAGE);
	memset(memory + HUGE_PAGE, 0x22, HUGE_PAGE);
	OK(map_flags(fd, ioas, memory, 2 * HUGE_PAGE, &iova, MAP_FIXRW));
	OK(check_map(fd, device.hwpt, iova, 2 * HUGE_PAGE, memory));
	REFUSED(EINVAL, check_map(fd, device.hwpt, iova, HUGE_PAGE, memory + HUGE_PAGE));
	/* Compound pages are exempt from the count, 7.3. */
	OK(check_refs(fd, memory, 2 * HUGE_PAGE, 5));
	access = access_create(fd, ioas, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	OK(access);
	OK(access_pin(fd, access, iova + HUGE_PAGE - PAGE, memory + HUGE_PAGE - PAGE, 2 * PAGE,
		      &item));
	OK(access_rw(fd, access, iova + HUGE_PAGE - 64, bytes, sizeof(bytes), 0));
	memset(expected, 0x11, 64);
	memset(expected + 64, 0x22, 64);
	EQUAL(memcmp(bytes, expected, sizeof(bytes)), 0);
	/* The pin outlives the domain. */
	OK(destroy(fd, device.stdev));
	OK(access_rw(fd, access, iova + HUGE_PAGE - 64, bytes, sizeof(bytes),
		     MOCK_ACCESS_RW_SLOW_PATH));
	EQUAL(memcmp(bytes, expected, sizeof(bytes)), 0);
	OK(access_unpin(fd, access, item));
	REFUSED(ENOENT, access_unpin(fd, access, item));
	OK(unmap(fd, ioas, iova, 2 * HUGE_PAGE));
	/* A page out of the middle. */
	OK(mock_device(fd, ioas, &device));
	OK(map(fd, ioas, memory + HUGE_PAGE - PAGE, 3 * PAGE, &small));
	OK(check_map(fd, device.hwpt, small, 3 * PAGE, memory + HUGE_PAGE - PAGE));
	OK(unmap(fd, ioas, small, 3 * PAGE));
	OK(close(access));
	OK(close(fd));
	OK(munmap(memory, 2 * HUGE_PAGE));
	return 0;
}
