/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation of a sequence of calls fails once, in turn: no failure leaves anything behind. */
#include "client.h"

static int file;

static void arm(unsigned int number)
{
	char text[16];
	int width = snprintf(text, sizeof(text), "%u", number);

	EQUAL(pwrite(file, text, (size_t)width, 0), width);
}

/* What is left of the number: 0 is a failure that has happened. */
static unsigned long left(void)
{
	char text[16] = {0};
	ssize_t width = pread(file, text, sizeof(text) - 1, 0);

	CHECK(width >= 2);
	EQUAL(text[width - 1], '\n');
	return strtoul(text, NULL, 10);
}

/* Ends early when a call fails, as the callers do. */
static void sequence(uint8_t *memory, unsigned int number, int *failed)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct device device;
	uint64_t iova;
	uint32_t item;
	int fd, access;

	*failed = 0;
	arm(number);
	fd = open("/dev/iommu", O_RDWR);
	if (fd < 0) {
		*failed = errno;
		arm(0);
		return;
	}
	if (call(fd, IOMMUFD_NR_IOAS_ALLOC, &alloc)) {
		*failed = errno;
		goto out;
	}
	if (mock_device(fd, alloc.out_ioas_id, &device)) {
		*failed = errno;
		goto out;
	}
	if (map(fd, alloc.out_ioas_id, memory, 4 * PAGE, &iova)) {
		*failed = errno;
		goto out;
	}
	access = access_create(fd, alloc.out_ioas_id, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	if (access < 0) {
		*failed = errno;
		goto out;
	}
	if (access_pin(fd, access, iova + PAGE, memory + PAGE, 2 * PAGE, &item))
		*failed = errno;
	else if (access_unpin(fd, access, item))
		*failed = errno;
	if (close(access))
		*failed = errno;
	if (!*failed && unmap(fd, alloc.out_ioas_id, iova, 4 * PAGE))
		*failed = errno;
out:
	if (close(fd))
		FAIL("close: %s", strerror(errno));
}

int main(void)
{
	uint8_t *memory = shared_memory(4 * PAGE);
	unsigned int number, failures = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	file = open(path, O_RDWR | O_CLOEXEC);
	if (file < 0)
		FAIL("open %s: %s", path, strerror(errno));
	arm(0);
	EQUAL(left(), 0);
	arm(100000);
	EQUAL(left(), 100000);
	for (number = 1;; number++) {
		unsigned long rest;
		int failed;

		if (number > 10000)
			FAIL("still hit after %u", number);
		sequence(memory, number, &failed);
		rest = left();
		arm(0);
		OK(nothing_pinned(memory, 4 * PAGE));
		EQUAL(status_kib(getpid(), "VmPin"), 0);
		if (rest) {
			EQUAL(failed, 0);
			break;
		}
		failures += failed != 0;
		if (failed && failed != ENOMEM && failed != ENOENT && failed != EFAULT &&
		    failed != EINVAL && failed != EMFILE)
			FAIL("failure %u gives %s", number, strerror(failed));
	}
	/* At least an allocation each of the context, the IOAS, the device, the area, the access. */
	CHECK(failures >= 5);
	OK(close(file));
	return 0;
}
