/* SPDX-License-Identifier: Apache-2.0 */
/* Who pays for pinned pages, and RLIMIT_MEMLOCK's say in it (2.10, 2.11). */
#include "client.h"

#define LIMIT_PAGES 4UL

static void limit_memlock(uint64_t pages)
{
	struct rlimit limit;

	OK(getrlimit(RLIMIT_MEMLOCK, &limit));
	limit.rlim_cur = pages * PAGE;
	OK(setrlimit(RLIMIT_MEMLOCK, &limit));
}

static void the_mode_is_set_before_anything_else(void)
{
	uint64_t value = 0;
	int fd = iommu_open();

	OK(option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &value));
	EQUAL(value, 0);
	value = 1;
	if (!may_set_mode()) {
		REFUSED(EPERM,
			option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &value));
		OK(close(fd));
		return;
	}
	OK(option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &value));
	value = 7;
	OK(option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &value));
	EQUAL(value, 1);
	value = 2;
	REFUSED(EINVAL, option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &value));
	ioas_alloc(fd);
	value = 0;
	REFUSED(EBUSY, option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &value));
	if (has_capability(CAP_SYS_RESOURCE)) {
		drop_capability(CAP_SYS_RESOURCE);
		REFUSED(EPERM,
			option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &value));
		CHECK(!may_set_mode());
	}
	OK(close(fd));
}

static void pinned_memory_is_limited(bool by_mm)
{
	uint8_t *memory = shared_memory(8 * PAGE);
	long pinned = status_kib(getpid(), "VmPin"), locked = status_kib(getpid(), "VmLck");
	struct device device;
	uint64_t first, second, mode = by_mm;
	uint32_t ioas;
	int fd = iommu_open();

	if (may_set_mode())
		OK(option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &mode));
	ioas = ioas_alloc(fd);
	limit_memlock(LIMIT_PAGES);
	OK(mock_device(fd, ioas, &device));
	REFUSED(ENOMEM, map(fd, ioas, memory, 8 * PAGE, &first));
	OK(nothing_pinned(memory, 8 * PAGE));
	EQUAL(status_kib(getpid(), "VmPin"), pinned);
	OK(map(fd, ioas, memory, 3 * PAGE, &first));
	EQUAL(status_kib(getpid(), "VmPin"), pinned + 12);
	EQUAL(status_kib(getpid(), "VmLck"), locked + (by_mm ? 12 : 0));
	REFUSED(ENOMEM, map(fd, ioas, memory + 4 * PAGE, 2 * PAGE, &second));
	OK(map(fd, ioas, memory + 4 * PAGE, PAGE, &second));
	REFUSED(ENOMEM, map(fd, ioas, memory + 4 * PAGE, PAGE, &first));
	/* The limit is read when it matters. */
	limit_memlock(LIMIT_PAGES + 1);
	OK(map(fd, ioas, memory + 6 * PAGE, PAGE, &first));
	limit_memlock(1);
	OK(unmap(fd, ioas, 0, UINT64_MAX));
	EQUAL(status_kib(getpid(), "VmPin"), pinned);
	EQUAL(status_kib(getpid(), "VmLck"), locked);
	OK(map(fd, ioas, memory, PAGE, &first));
	OK(close(fd));
	EQUAL(status_kib(getpid(), "VmPin"), pinned);
	EQUAL(status_kib(getpid(), "VmLck"), locked);
	OK(munmap(memory, 8 * PAGE));
}

static void nobody_pays_who_may_lock(void)
{
	uint8_t *memory = shared_memory(8 * PAGE);
	long pinned = status_kib(getpid(), "VmPin"), locked = status_kib(getpid(), "VmLck");
	struct device device;
	uint64_t iova;
	int fd = iommu_open();
	uint32_t ioas = ioas_alloc(fd);

	limit_memlock(1);
	OK(mock_device(fd, ioas, &device));
	OK(map(fd, ioas, memory, 8 * PAGE, &iova));
	EQUAL(status_kib(getpid(), "VmPin"), pinned + 32);
	EQUAL(status_kib(getpid(), "VmLck"), locked);
	OK(close(fd));
	EQUAL(status_kib(getpid(), "VmPin"), pinned);
	OK(munmap(memory, 8 * PAGE));
}

int main(void)
{
	bool may_set = may_set_mode();

	if (has_capability(CAP_IPC_LOCK)) {
		nobody_pays_who_may_lock();
		drop_capability(CAP_IPC_LOCK);
	}
	pinned_memory_is_limited(false);
	if (may_set)
		pinned_memory_is_limited(true);
	the_mode_is_set_before_anything_else();
	return 0;
}
