/* SPDX-License-Identifier: Apache-2.0 */
/* The mock vIOMMU's region: real shared memory, and what keeps its owner alive (5.9, 7.6). */
#include "client.h"

#define REGION (2 * PAGE)

struct bench {
	int fd;
	uint32_t viommu;
	struct device device;
	struct iommu_viommu_selftest data;
};

static void set_up(struct bench *bench, uint32_t word)
{
	uint32_t ioas, parent;

	bench->fd = iommu_open();
	ioas = ioas_alloc(bench->fd);
	OK(mock_device(bench->fd, ioas, &bench->device));
	parent = hwpt_alloc(bench->fd, &bench->device, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	bench->data = (struct iommu_viommu_selftest){.in_data = word};
	bench->viommu = viommu_alloc(bench->fd, &bench->device, parent, &bench->data);
	EQUAL(bench->data.out_data, word);
	EQUAL(bench->data.out_mmap_offset, 0x1000);
	EQUAL(bench->data.out_mmap_length, REGION);
}

static volatile uint32_t *region(const struct bench *bench, int protection)
{
	void *memory = mmap(NULL, bench->data.out_mmap_length, protection, MAP_SHARED, bench->fd,
			    (off_t)bench->data.out_mmap_offset);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static void refused_map(const struct bench *bench, int error, uint64_t length, int protection,
			int flags, uint64_t offset)
{
	errno = 0;
	if (mmap(NULL, length, protection, flags, bench->fd, (off_t)offset) != MAP_FAILED)
		FAIL("mmap(length 0x%llx, flags %d, offset 0x%llx) succeeds",
		     (unsigned long long)length, flags, (unsigned long long)offset);
	if (errno != error)
		FAIL("mmap(length 0x%llx, flags %d, offset 0x%llx): %s, not %s",
		     (unsigned long long)length, flags, (unsigned long long)offset, strerror(errno),
		     strerror(error));
}

static void only_the_whole_region_can_be_mapped(void)
{
	int rw = PROT_READ | PROT_WRITE;
	struct bench bench;
	void *memory;

	set_up(&bench, 1);
	refused_map(&bench, EINVAL, 0, rw, MAP_SHARED, 0x1000);
	refused_map(&bench, EINVAL, REGION, rw, MAP_SHARED, 0x1001);
	refused_map(&bench, EINVAL, REGION, rw, MAP_PRIVATE, 0x1000);
	refused_map(&bench, EINVAL, PAGE, rw, MAP_PRIVATE, 0x9000);
	refused_map(&bench, EPERM, REGION, PROT_READ | PROT_EXEC, MAP_SHARED, 0x1000);
	refused_map(&bench, EPERM, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, 0x9000);
	refused_map(&bench, ENXIO, REGION, rw, MAP_SHARED, 0);
	refused_map(&bench, ENXIO, REGION, rw, MAP_SHARED, 0x3000);
	refused_map(&bench, ENXIO, PAGE, rw, MAP_SHARED, 0x2000);
	refused_map(&bench, ENXIO, PAGE, rw, MAP_SHARED, 0x1000);
	refused_map(&bench, ENXIO, 3 * PAGE, rw, MAP_SHARED, 0x1000);
	/* The length is rounded up before anyone looks at it. */
	memory = mmap(NULL, PAGE + 1, rw, MAP_SHARED, bench.fd, 0x1000);
	CHECK(memory != MAP_FAILED);
	OK(munmap(memory, REGION));
	OK(destroy(bench.fd, bench.viommu));
	refused_map(&bench, ENXIO, REGION, rw, MAP_SHARED, 0x1000);
	OK(close(bench.fd));
}

static void mappings_share_one_memory(void)
{
	volatile uint32_t *first, *second, *view;
	struct bench bench;
	pid_t child;

	set_up(&bench, 0xbeef1234);
	first = region(&bench, PROT_READ | PROT_WRITE);
	EQUAL(first[0], 0xbeef1234);
	EQUAL(first[1], 0);
	EQUAL(first[REGION / 4 - 1], 0);
	second = region(&bench, PROT_READ | PROT_WRITE);
	view = region(&bench, PROT_READ);
	first[0] = 1;
	first[PAGE / 4 + 5] = 0x55;
	EQUAL(second[0], 1);
	EQUAL(second[PAGE / 4 + 5], 0x55);
	EQUAL(view[PAGE / 4 + 5], 0x55);
	child = fork_checked();
	if (!child) {
		EQUAL(second[0], 1);
		second[7] = 0x77;
		_exit(0);
	}
	CHILD_EXITS_WITH(child, 0);
	EQUAL(first[7], 0x77);
	OK(munmap((void *)(uintptr_t)first, REGION));
	OK(munmap((void *)(uintptr_t)second, REGION));
	REFUSED(EBUSY, destroy(bench.fd, bench.viommu));
	OK(munmap((void *)(uintptr_t)view, REGION));
	OK(destroy(bench.fd, bench.viommu));
	OK(close(bench.fd));
}

static void what_is_left_of_a_mapping_keeps_the_owner(void)
{
	volatile uint8_t *memory;
	struct bench bench;
	void *moved;

	set_up(&bench, 3);
	memory = (volatile uint8_t *)region(&bench, PROT_READ | PROT_WRITE);
	OK(munmap((void *)(uintptr_t)(memory + PAGE), PAGE));
	REFUSED(EBUSY, destroy(bench.fd, bench.viommu));
	EQUAL(memory[0], 3);
	OK(munmap((void *)(uintptr_t)memory, PAGE));
	OK(destroy(bench.fd, bench.viommu));

	OK(close(bench.fd));
	set_up(&bench, 4);
	memory = (volatile uint8_t *)region(&bench, PROT_READ | PROT_WRITE);
	/* The first half goes, the second stays; then something else is mapped over it. */
	OK(munmap((void *)(uintptr_t)memory, PAGE));
	REFUSED(EBUSY, destroy(bench.fd, bench.viommu));
	CHECK(mmap((void *)(uintptr_t)(memory + PAGE), PAGE, PROT_READ,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == memory + PAGE);
	OK(destroy(bench.fd, bench.viommu));
	OK(munmap((void *)(uintptr_t)(memory + PAGE), PAGE));
	OK(close(bench.fd));

	/* Moved, it is the same mapping; it can't grow. */
	set_up(&bench, 5);
	memory = (volatile uint8_t *)region(&bench, PROT_READ | PROT_WRITE);
	moved = mmap(NULL, REGION, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(moved != MAP_FAILED);
	CHECK(mremap((void *)(uintptr_t)memory, REGION, REGION, MREMAP_MAYMOVE | MREMAP_FIXED,
		     moved) == moved);
	memory = moved;
	EQUAL(memory[0], 5);
	REFUSED(EBUSY, destroy(bench.fd, bench.viommu));
	CHECK(mremap(moved, REGION, 2 * REGION, MREMAP_MAYMOVE) == MAP_FAILED);
	OK(munmap(moved, REGION));
	OK(destroy(bench.fd, bench.viommu));
	OK(close(bench.fd));
}

static void a_childs_copy_keeps_the_owner(void)
{
	volatile uint32_t *memory;
	struct bench bench;
	int go[2];
	uint8_t byte;
	pid_t child;

	set_up(&bench, 6);
	memory = region(&bench, PROT_READ | PROT_WRITE);
	OK(pipe2(go, O_CLOEXEC));
	child = fork_checked();
	if (!child) {
		OK(close(go[1]));
		EQUAL(read(go[0], &byte, 1), 0);
		EQUAL(memory[1], 0x66);
		_exit(0);
	}
	memory[1] = 0x66;
	OK(munmap((void *)(uintptr_t)memory, REGION));
	REFUSED(EBUSY, destroy(bench.fd, bench.viommu));
	OK(close(go[0]));
	OK(close(go[1]));
	CHILD_EXITS_WITH(child, 0);
	OK(destroy(bench.fd, bench.viommu));
	OK(close(bench.fd));
}

/* The mapping keeps the context open: close tears nothing down. */
static void a_mapping_outlives_the_descriptor(void)
{
	uint8_t *pinned = shared_memory(PAGE);
	volatile uint32_t *memory;
	struct bench bench;

	set_up(&bench, 8);
	OK(map_fixed(bench.fd, 1, pinned, PAGE, 0x2000000));
	memory = region(&bench, PROT_READ | PROT_WRITE);
	OK(close(bench.fd));
	EQUAL(memory[0], 8);
	memory[0] = 9;
	EQUAL(memory[0], 9);
	REFUSED(EIO, nothing_pinned(pinned, PAGE));
	OK(munmap((void *)(uintptr_t)memory, REGION));
	OK(nothing_pinned(pinned, PAGE));
}

int main(void)
{
	only_the_whole_region_can_be_mapped();
	mappings_share_one_memory();
	what_is_left_of_a_mapping_keeps_the_owner();
	a_childs_copy_keeps_the_owner();
	a_mapping_outlives_the_descriptor();
	return 0;
}
