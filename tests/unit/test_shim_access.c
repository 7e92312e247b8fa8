/* SPDX-License-Identifier: Apache-2.0 */
/* In-kernel accesses: pin, unpin, rw, and what unmap does to them (iommufd 3.4, 6, 7.3). */
#include <string.h>

#include "tests/kit/fake_iommu.h"
#include "tests/kit/test.h"

static uint32_t ioas;
static uint64_t buffer;

#define BUFFER (16 * PAGE_SIZE)
#define IOVA   0x10000ULL

static void setup(void)
{
	buffer = world_mmap_aligned(world, BUFFER);
	ioas = made(world_ioas(world));
}

static int setup_access(uint32_t flags)
{
	setup();
	return (int)made(world_access(world, ioas, flags));
}

START_TEST(creation_checks_flags_and_ioas)
{
	setup();
	ck_assert_refused(world_access(world, ioas, 2), EOPNOTSUPP);
	ck_assert_refused(world_access(world, 99, 0), ENOENT);
	/* Descriptor 4 and id 2, both free again after the failures. */
	ck_assert_int_eq(world_access(world, ioas, 0), 4);
	ck_assert_refused(world_destroy(world, 2), EBUSY);
	ck_assert_int_eq(world_ioas(world), 3);
	ck_assert_ok(world_close(world, 4));
	ck_assert_int_eq(world_ioas(world), 2);
}
END_TEST

START_TEST(another_descriptor_is_ebadfd)
{
	setup();
	for (int fd = -1; fd <= 4; fd++) {
		ck_assert_refused(world_pin(world, fd, IOVA, 1, 0, 0), EBADFD);
		ck_assert_refused(world_unpin(world, fd, 0), EBADFD);
		ck_assert_refused(world_rw(world, fd, IOVA, world->data, 1, 0), EBADFD);
		ck_assert_refused(world_access_replace(world, fd, ioas), EBADFD);
	}
}
END_TEST

START_TEST(pin_checks_its_arguments_in_order)
{
	int access = setup_access(1);
	uint64_t iova;
	ck_assert_refused(world_pin(world, 99, 0, (16 << 20) + 1, 2, 0), ENOMEM);
	ck_assert_refused(world_pin(world, 99, 0, 1, 2, 0), EOPNOTSUPP);
	ck_assert_refused(world_pin(world, access, 0, 0, 0, 0), EINVAL);
	ck_assert_refused(world_pin(world, access, UINT64_MAX, 2, 0, 0), EOVERFLOW);
	ck_assert_refused(world_pin(world, access, IOVA, 1, 0, 0), ENOENT);
	iova = IOVA;
	ck_assert_ok(world_map(world, ioas, buffer, PAGE_SIZE, MAP_RO | MAP_FIXED_, &iova));
	iova = IOVA + PAGE_SIZE;
	ck_assert_ok(
		world_map(world, ioas, buffer + PAGE_SIZE, PAGE_SIZE, MAP_WO | MAP_FIXED_, &iova));
	ck_assert_refused(world_pin(world, access, IOVA + 1, 1, 1, 0), EINVAL);
	ck_assert_refused(world_pin(world, access, IOVA, 1, 1, 0), EPERM);
	ck_assert_refused(world_pin(world, access, IOVA + PAGE_SIZE, 1, 0, 0), EPERM);
	ck_assert_int_eq(world_pin(world, access, IOVA + PAGE_SIZE, 1, 1, 0), 0);
	ck_assert_int_eq(world_pin(world, access, IOVA, 1, 0, 0), 1);
	/* Over both areas a permission is missing somewhere: the first piece is let go. */
	ck_assert_ok(world_unpin(world, access, 0));
	ck_assert_ok(world_unpin(world, access, 1));
	ck_assert_refused(world_pin(world, access, IOVA, 2 * PAGE_SIZE, 0, 0), EPERM);
	ck_assert_ok(world_refs(world, buffer, 2 * PAGE_SIZE, 0));
	ck_assert_refused(world_unpin(world, access, 2), ENOENT);
}
END_TEST

START_TEST(only_a_pin_capable_access_pins)
{
	int access = setup_access(0);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	ck_assert_refused(world_pin(world, access, IOVA, 1, 0, 0), EOPNOTSUPP);
	ck_assert_ok(world_rw(world, access, IOVA, world->data, 8, 0));
}
END_TEST

START_TEST(a_gap_unpins_the_pieces_before_it)
{
	int access = setup_access(1);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	ck_assert_ok(world_map_at(world, ioas, buffer + PAGE_SIZE, PAGE_SIZE, IOVA + PAGE_SIZE));
	ck_assert_refused(world_pin(world, access, IOVA, 3 * PAGE_SIZE, 0, 0), ENOENT);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
	ck_assert_int_eq(world_pin(world, access, IOVA, PAGE_SIZE + 1, 0, 0), 0);
	ck_assert_ok(world_refs(world, buffer, 2 * PAGE_SIZE, 1));
	ck_assert_ok(world_unpin(world, access, 0));
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
}
END_TEST

START_TEST(the_pinned_pages_are_compared_with_the_caller_s)
{
	int access = setup_access(1);
	ck_assert_ok(world_map_at(world, ioas, buffer, 4 * PAGE_SIZE, IOVA));
	ck_assert_int_eq(world_pin(world, access, IOVA, 4 * PAGE_SIZE, 0, buffer), 0);
	ck_assert_refused(world_pin(world, access, IOVA, 4 * PAGE_SIZE, 0, buffer + PAGE_SIZE),
			  EBADE);
	ck_assert_refused(world_pin(world, access, IOVA, PAGE_SIZE, 0, NOWHERE), EFAULT);
	ck_assert_ok(world_unpin(world, access, 0));
	/* Every page counts. */
	uint64_t other = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, SHARED), iova = IOVA + 0x100000;
	ck_assert_ok(world_map_at(world, ioas, other, PAGE_SIZE, iova));
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, iova + PAGE_SIZE));
	ck_assert_refused(world_pin(world, access, iova, 2 * PAGE_SIZE, 0, other), EBADE);
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
}
END_TEST

START_TEST(rw_copies_bytes_of_any_alignment)
{
	int access = setup_access(0);
	uint8_t pattern[256], back[256];
	for (int i = 0; i < 256; i++)
		pattern[i] = (uint8_t)(i * 7 + 1);
	/* Areas that meet in the middle of a page, backed by pages far apart. */
	ck_assert_ok(world_map_at(world, ioas, buffer + 100, 1000, IOVA + 3));
	ck_assert_ok(world_map_at(world, ioas, buffer + 0x5ffd, 1000, IOVA + 1003));
	static const uint32_t flags[] = {0, MOCK_ACCESS_RW_SLOW_PATH};
	for (int path = 0; path < 2; path++) {
		uint64_t at = IOVA + 903 + (uint64_t)path;
		world_data(world, pattern, 256);
		ck_assert_ok(world_rw(world, access, at, world->data, 256,
				      flags[path] | MOCK_ACCESS_RW_WRITE));
		memset(back, 0, sizeof(back));
		world_data(world, back, 256);
		ck_assert_ok(world_rw(world, access, at, world->data, 256, flags[path]));
		world_get(world, world->data, back, 256);
		ck_assert_mem_eq(back, pattern, 256);
		world_get(world, buffer + 0x5ffd, back, 156);
		ck_assert_mem_eq(back, pattern + 100 - path, 156);
	}
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
}
END_TEST

START_TEST(rw_checks_its_arguments_in_order)
{
	int access = setup_access(0);
	uint64_t iova = IOVA, data = world->data;
	ck_assert_refused(world_rw(world, 99, 0, 0, (16 << 20) + 1, 8), ENOMEM);
	ck_assert_refused(world_rw(world, 99, 0, 0, 1, 8), EOPNOTSUPP);
	ck_assert_refused(world_rw(world, access, IOVA, NOWHERE, 8, 1), EFAULT);
	ck_assert_refused(world_rw(world, access, IOVA, data, 0, 0), EINVAL);
	ck_assert_refused(world_rw(world, access, UINT64_MAX, data, 2, 0), EOVERFLOW);
	ck_assert_refused(world_rw(world, access, IOVA, data, 2, 0), ENOENT);
	ck_assert_ok(world_map(world, ioas, buffer, PAGE_SIZE, MAP_RO | MAP_FIXED_, &iova));
	iova = IOVA + PAGE_SIZE;
	ck_assert_ok(world_map(world, ioas, buffer, PAGE_SIZE, MAP_WO | MAP_FIXED_, &iova));
	ck_assert_refused(world_rw(world, access, IOVA, data, 1, 1), EPERM);
	ck_assert_refused(world_rw(world, access, IOVA + PAGE_SIZE, data, 1, 0), EPERM);
	ck_assert_ok(world_rw(world, access, IOVA, data, 1, 0));
	ck_assert_ok(world_rw(world, access, IOVA + PAGE_SIZE, data, 1, 1));
	ck_assert_refused(world_rw(world, access, IOVA, NOWHERE, 1, 0), EFAULT);
	/* Memory that is not there. */
	iova = IOVA + 2 * PAGE_SIZE;
	ck_assert_ok(world_map(world, ioas, NOWHERE, PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	ck_assert_refused(world_rw(world, access, iova, data, 1, 0), EFAULT);
}
END_TEST

START_TEST(rw_keeps_what_it_transferred_before_a_gap)
{
	int access = setup_access(0);
	char text[9] = "";
	ck_assert_ok(world_map_at(world, ioas, buffer, 4, IOVA));
	world_data(world, "abcdefgh", 8);
	ck_assert_refused(world_rw(world, access, IOVA, world->data, 8, 1), ENOENT);
	world_get(world, buffer, text, 8);
	ck_assert_str_eq(text, "abcd");
}
END_TEST

START_TEST(unmap_removes_the_items_it_meets)
{
	int access = setup_access(1);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	ck_assert_ok(world_map_at(world, ioas, buffer + PAGE_SIZE, PAGE_SIZE, IOVA + PAGE_SIZE));
	ck_assert_int_eq(world_pin(world, access, IOVA, PAGE_SIZE, 0, 0), 0);
	ck_assert_int_eq(world_pin(world, access, IOVA, 2 * PAGE_SIZE, 0, 0), 1);
	ck_assert_int_eq(world_pin(world, access, IOVA + PAGE_SIZE, PAGE_SIZE, 0, 0), 2);
	ck_assert_int_eq(world_unmap(world, ioas, IOVA, PAGE_SIZE), PAGE_SIZE);
	ck_assert_refused(world_unpin(world, access, 0), ENOENT);
	ck_assert_refused(world_unpin(world, access, 1), ENOENT);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	ck_assert_ok(world_refs(world, buffer + PAGE_SIZE, PAGE_SIZE, 1));
	ck_assert_ok(world_unpin(world, access, 2));
	/* Item numbers are never used again. */
	ck_assert_int_eq(world_pin(world, access, IOVA + PAGE_SIZE, PAGE_SIZE, 0, 0), 3);
}
END_TEST

START_TEST(closing_the_descriptor_unpins)
{
	int access = setup_access(1);
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, IOVA));
	made(world_pin(world, access, IOVA, 4 * PAGE_SIZE, 0, 0));
	made(world_pin(world, access, IOVA, 5 * PAGE_SIZE, 0, 0));
	ck_assert_ok(world_refs(world, buffer, 5 * PAGE_SIZE, 1));
	ck_assert_ok(world_close(world, access));
	ck_assert_ok(world_refs(world, buffer, BUFFER, 0));
	ck_assert_int_eq(world_unmap_all(world, ioas), BUFFER);
	ck_assert_ok(world_destroy(world, ioas));
}
END_TEST

START_TEST(identical_intervals_of_two_accesses_share_a_pin)
{
	int first = setup_access(1), second = (int)made(world_access(world, ioas, 1));
	ck_assert_ok(world_map_at(world, ioas, buffer, BUFFER, IOVA));
	made(world_pin(world, first, IOVA, PAGE_SIZE, 0, 0));
	made(world_pin(world, second, IOVA, PAGE_SIZE, 0, 0));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_ok(world_unpin(world, first, 0));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_ok(world_unpin(world, second, 0));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
}
END_TEST

START_TEST(replace_moves_the_access_and_drops_its_items)
{
	int access = setup_access(1);
	uint32_t other = made(world_ioas(world));
	uint64_t iova = IOVA;
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	ck_assert_ok(world_copy(world, ioas, IOVA, PAGE_SIZE, other, MAP_RW | MAP_FIXED_, &iova));
	made(world_pin(world, access, IOVA, PAGE_SIZE, 0, 0));
	ck_assert_refused(world_access_replace(world, access, 99), ENOENT);
	ck_assert_ok(world_access_replace(world, access, ioas));
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 1));
	ck_assert_refused(world_destroy(world, ioas), EBUSY);
	ck_assert_ok(world_access_replace(world, access, other));
	ck_assert_refused(world_unpin(world, access, 0), ENOENT);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	ck_assert_ok(world_destroy(world, ioas));
	ck_assert_refused(world_destroy(world, other), EBUSY);
	ck_assert_int_eq(world_pin(world, access, IOVA, PAGE_SIZE, 0, buffer), 1);
	/* An IOAS that can't be aligned to pages is refused; the old one stays. */
	uint32_t odd = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, odd, buffer, 100, IOVA));
	ck_assert_refused(world_access_replace(world, access, odd), EADDRINUSE);
	ck_assert_ok(world_destroy(world, odd));
	ck_assert_ok(world_unpin(world, access, 1));
}
END_TEST

/* An access of a driver that does not do its duty. */
struct lazy {
	struct iommufd_access *access;
	uint32_t calls;
	uint64_t iova;
	uint64_t length;
};

static void count_call(void *context, uint64_t iova, uint64_t length)
{
	struct lazy *lazy = context;
	lazy->calls++;
	lazy->iova = iova;
	lazy->length = length;
}

static const struct iommufd_access_ops lazy_ops = {.needs_pin_pages = true, .unmap = count_call};
static const struct iommufd_access_ops lazy_rw_ops = {.unmap = count_call};

static void make_lazy(struct lazy *lazy, const struct iommufd_access_ops *ops)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(fd_file(world->process, world->fd));
	int error;
	lazy->access = iommufd_access_create(ictx, ops, lazy, &error);
	ck_assert_ptr_nonnull(lazy->access);
	ck_assert_ok(iommufd_access_attach(lazy->access, ioas));
}

static int ignore_run(void *context, uint64_t pfn, uint64_t count)
{
	(void)context, (void)pfn, (void)count;
	return 0;
}

START_TEST(unmap_gives_up_on_an_access_that_never_lets_go)
{
	setup();
	struct lazy lazy = {0}, other = {0};
	make_lazy(&lazy, &lazy_ops);
	make_lazy(&other, &lazy_rw_ops);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	ck_assert_ok(world_map_at(world, ioas, buffer, 2 * PAGE_SIZE, IOVA + PAGE_SIZE));
	ck_assert_ok(iommufd_access_pin_pages(lazy.access, IOVA + PAGE_SIZE, PAGE_SIZE, 0,
					      ignore_run, NULL));
	ck_assert_refused(world_unmap(world, ioas, IOVA, 3 * PAGE_SIZE), EDEADLOCK);
	ck_assert_uint_eq(lazy.calls, 101);
	ck_assert_uint_eq(lazy.iova, IOVA + PAGE_SIZE);
	ck_assert_uint_eq(lazy.length, 2 * PAGE_SIZE);
	/* All external accesses of the IOAS are told. */
	ck_assert_uint_eq(other.calls, 101);
	/* The area before it is gone; this one takes no more accesses. */
	ck_assert_refused(world_unmap(world, ioas, IOVA, PAGE_SIZE), ENOENT);
	ck_assert_refused(iommufd_access_pin_pages(lazy.access, IOVA + PAGE_SIZE, PAGE_SIZE, 0,
						   ignore_run, NULL),
			  EINVAL);
	int access = (int)made(world_access(world, ioas, 0));
	ck_assert_refused(world_rw(world, access, IOVA + PAGE_SIZE, world->data, 1, 0), EINVAL);
	iommufd_access_unpin_pages(lazy.access, IOVA + PAGE_SIZE, PAGE_SIZE);
	ck_assert_refused(world_rw(world, access, IOVA + PAGE_SIZE, world->data, 1, 0), EINVAL);
	ck_assert_int_eq(world_unmap(world, ioas, IOVA + PAGE_SIZE, 2 * PAGE_SIZE), 2 * PAGE_SIZE);
	iommufd_access_destroy(lazy.access);
	iommufd_access_destroy(other.access);
}
END_TEST

START_TEST(an_unmap_without_pins_tells_nobody)
{
	setup();
	struct lazy lazy = {0};
	make_lazy(&lazy, &lazy_ops);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	ck_assert_int_eq(world_unmap_all(world, ioas), PAGE_SIZE);
	ck_assert_uint_eq(lazy.calls, 0);
	/* Detaching does, over the whole range. */
	iommufd_access_detach(lazy.access);
	ck_assert_uint_eq(lazy.calls, 1);
	ck_assert_uint_eq(lazy.iova, 0);
	ck_assert_uint_eq(lazy.length, UINT64_MAX);
	ck_assert_refused(iommufd_access_pin_pages(lazy.access, IOVA, 1, 0, ignore_run, NULL),
			  ENOENT);
	ck_assert_refused(iommufd_access_replace(lazy.access, ioas), ENOENT);
	ck_assert_ok(iommufd_access_attach(lazy.access, ioas));
	ck_assert_refused(iommufd_access_attach(lazy.access, ioas), EINVAL);
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(an_access_that_only_reads_and_writes_pins_nothing)
{
	setup();
	struct lazy lazy = {0};
	make_lazy(&lazy, &lazy_rw_ops);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	/* Before the length and the range are looked at. */
	ck_assert_refused(iommufd_access_pin_pages(lazy.access, 0, 0, 0, ignore_run, NULL), EINVAL);
	ck_assert_str_eq(world->machine->rule.id, "iommufd 6 pin_pages");
	ck_assert_refused(
		iommufd_access_pin_pages(lazy.access, IOVA, PAGE_SIZE, 0, ignore_run, NULL),
		EINVAL);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(an_access_that_is_attached_nowhere_is_enoent)
{
	setup();
	struct lazy lazy = {0};
	bool stated;
	char byte = 0;
	make_lazy(&lazy, &lazy_ops);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	iommufd_access_detach(lazy.access);
	ck_assert_refused(
		iommufd_access_pin_pages(lazy.access, IOVA, PAGE_SIZE, 0, ignore_run, NULL),
		ENOENT);
	ck_assert_refused(iommufd_access_rw(lazy.access, world->thread, IOVA, &byte, 1, 0, &stated),
			  ENOENT);
	ck_assert_refused(iommufd_access_replace(lazy.access, ioas), ENOENT);
	iommufd_access_destroy(lazy.access);
}
END_TEST

/* As many as it takes would need 64 processes: the IOAS is told that it has them. */
START_TEST(an_ioas_has_65536_accesses_at_most)
{
	setup();
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(fd_file(world->process, world->fd));
	struct iommufd_ioas *object = iommufd_get_ioas(ictx, ioas);
	struct io_pagetable *iopt = &object->iopt;
	iommufd_put_ioas(object);
	int first = (int)made(world_access(world, ioas, 0));
	iopt->access_count += 65534;
	int last = (int)made(world_access(world, ioas, 0));
	ck_assert_refused(world_access(world, ioas, 0), EBUSY);
	ck_assert_ok(world_close(world, last));
	last = (int)made(world_access(world, ioas, 0));
	iopt->access_count -= 65534;
	ck_assert_ok(world_close(world, last));
	ck_assert_ok(world_close(world, first));
}
END_TEST

START_TEST(an_access_without_a_free_descriptor_is_enomem)
{
	setup();
	while (world_open(world, "/dev/null") >= 0)
		;
	ck_assert_refused(world_access(world, ioas, 0), ENOMEM);
	ck_assert_ok(world_close(world, FD_MAX - 1));
	ck_assert_int_eq(world_access(world, ioas, 0), FD_MAX - 1);
}
END_TEST

static int64_t pin_of(const struct lazy *lazy, uint64_t iova, uint64_t length, uint32_t flags)
{
	return iommufd_access_pin_pages(lazy->access, iova, length, flags, ignore_run, NULL);
}

static int64_t rw_of(const struct lazy *lazy, uint64_t iova, uint64_t length, uint32_t flags)
{
	uint8_t bytes[2 * PAGE_SIZE] = {0};
	bool stated;
	return iommufd_access_rw(lazy->access, world->thread, iova, bytes, length, flags, &stated);
}

static struct io_pagetable *iopt_of(uint32_t id)
{
	return &((struct iommufd_ioas *)world_object(world, id))->iopt;
}

START_TEST(an_access_without_memory_is_enomem)
{
	setup();
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(fd_file(world->process, world->fd));
	struct lazy lazy = {0};
	int error = 0;
	machine_fail_nth(world->machine, 1, "object");
	ck_assert_ptr_null(iommufd_access_create(ictx, &lazy_ops, &lazy, &error));
	machine_fail_nth(world->machine, 0, NULL);
	ck_assert_refused(error, ENOMEM);
	make_lazy(&lazy, &lazy_ops);
	iommufd_access_detach(lazy.access);
	machine_fail_nth(world->machine, 1, "access list");
	ck_assert_refused(iommufd_access_attach(lazy.access, ioas), ENOMEM);
	machine_fail_nth(world->machine, 0, NULL);
	ck_assert_ok(iommufd_access_attach(lazy.access, ioas));
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(an_access_is_an_object_that_its_maker_holds)
{
	setup();
	struct lazy lazy = {0};
	make_lazy(&lazy, &lazy_ops);
	ck_assert_ptr_eq(world_object(world, 2), &lazy.access->object);
	ck_assert_uint_eq(lazy.access->object.users, 2);
	iommufd_access_destroy(lazy.access);
	ck_assert_int_eq(world_ioas(world), 2);
}
END_TEST

START_TEST(an_ioas_that_can_not_be_aligned_refuses_an_access_that_pins)
{
	setup();
	struct lazy lazy = {0};
	make_lazy(&lazy, &lazy_ops);
	iommufd_access_detach(lazy.access);
	ck_assert_ok(world_map_at(world, ioas, buffer, 100, IOVA));
	ck_assert_refused(iommufd_access_attach(lazy.access, ioas), EADDRINUSE);
	ck_assert_int_eq(world_unmap_all(world, ioas), 100);
	ck_assert_ok(iommufd_access_attach(lazy.access, ioas));
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(a_refused_replace_leaves_the_old_ioas)
{
	setup();
	struct lazy lazy = {0};
	make_lazy(&lazy, &lazy_ops);
	uint32_t odd = made(world_ioas(world));
	ck_assert_ok(world_map_at(world, odd, buffer, 100, IOVA));
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	ck_assert_refused(iommufd_access_replace(lazy.access, odd), EADDRINUSE);
	ck_assert_uint_eq(lazy.calls, 0);
	ck_assert_ok(pin_of(&lazy, IOVA, 1, 0));
	iommufd_access_unpin_pages(lazy.access, IOVA, 1);
	ck_assert_ok(world_destroy(world, odd));
	iommufd_access_destroy(lazy.access);
}
END_TEST

static void let_go(void *context, uint64_t iova, uint64_t length)
{
	struct lazy *lazy = context;
	(void)iova, (void)length;
	lazy->calls++;
	/* Pins are refused already; they can still be given back. */
	ck_assert_refused(pin_of(lazy, IOVA, 1, 0), ENOENT);
	iommufd_access_unpin_pages(lazy->access, IOVA, PAGE_SIZE);
}

START_TEST(pins_are_given_back_during_a_detach)
{
	static const struct iommufd_access_ops ops = {.needs_pin_pages = true, .unmap = let_go};
	setup();
	struct lazy lazy = {0};
	make_lazy(&lazy, &ops);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	ck_assert_ok(pin_of(&lazy, IOVA, PAGE_SIZE, 0));
	iommufd_access_detach(lazy.access);
	ck_assert_uint_eq(lazy.calls, 1);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	/* Nothing is left to detach from. */
	iommufd_access_detach(lazy.access);
	ck_assert_uint_eq(lazy.calls, 1);
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(an_access_need_not_have_a_callback)
{
	static const struct iommufd_access_ops ops = {.needs_pin_pages = false};
	setup();
	struct lazy lazy = {0};
	make_lazy(&lazy, &ops);
	uint32_t other = made(world_ioas(world));
	ck_assert_ok(iommufd_access_replace(lazy.access, other));
	ck_assert_ok(world_destroy(world, ioas));
	ck_assert_refused(world_destroy(world, other), EBUSY);
	iommufd_access_destroy(lazy.access);
	ck_assert_ok(world_destroy(world, other));
}
END_TEST

START_TEST(a_detached_access_checks_the_range_first)
{
	setup();
	struct lazy lazy = {0};
	make_lazy(&lazy, &lazy_ops);
	iommufd_access_detach(lazy.access);
	ck_assert_refused(pin_of(&lazy, IOVA, 0, 0), EINVAL);
	ck_assert_refused(pin_of(&lazy, UINT64_MAX, 2, 0), EOVERFLOW);
	ck_assert_refused(pin_of(&lazy, IOVA, 1, 0), ENOENT);
	ck_assert_refused(rw_of(&lazy, IOVA, 0, 0), EINVAL);
	ck_assert_refused(rw_of(&lazy, UINT64_MAX, 2, 0), EOVERFLOW);
	ck_assert_refused(rw_of(&lazy, IOVA, 1, 0), ENOENT);
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(an_area_being_unmapped_takes_neither_pins_nor_rw)
{
	setup();
	struct lazy lazy = {0};
	uint64_t iova = IOVA;
	make_lazy(&lazy, &lazy_ops);
	ck_assert_ok(world_map(world, ioas, buffer, PAGE_SIZE, MAP_RO | MAP_FIXED_, &iova));
	iopt_find_area(iopt_of(ioas), IOVA)->prevent_access = true;
	/* Before the permission is looked at. */
	ck_assert_refused(pin_of(&lazy, IOVA, 1, ACCESS_WRITE), EINVAL);
	ck_assert_refused(rw_of(&lazy, IOVA, 1, ACCESS_WRITE), EINVAL);
	iopt_find_area(iopt_of(ioas), IOVA)->prevent_access = false;
	ck_assert_refused(pin_of(&lazy, IOVA, 1, ACCESS_WRITE), EPERM);
	ck_assert_refused(rw_of(&lazy, IOVA, 1, ACCESS_WRITE), EPERM);
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(a_dma_buf_has_no_pages_for_an_access)
{
	setup();
	struct lazy lazy = {0};
	uint64_t iova = APERTURE;
	struct iommu_test_cmd cmd = {.dmabuf_get = {2 * PAGE_SIZE, O_RDWR_BIT}};
	int fd = (int)made(world_open(world, "/dev/zero"));
	ck_assert_ok(world_close(world, fd));
	ck_assert_ok(world_test(world, IOMMU_TEST_OP_DMABUF_GET, &cmd));
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_ok(world_map_file(world, ioas, fd, 0, 2 * PAGE_SIZE, MAP_RO | MAP_FIXED_, &iova));
	make_lazy(&lazy, &lazy_ops);
	ck_assert_refused(pin_of(&lazy, APERTURE, 1, 0), EINVAL);
	ck_assert_refused(rw_of(&lazy, APERTURE, 1, 0), EINVAL);
	/* The permission comes first. */
	ck_assert_refused(pin_of(&lazy, APERTURE, 1, ACCESS_WRITE), EPERM);
	ck_assert_refused(rw_of(&lazy, APERTURE, 1, ACCESS_WRITE), EPERM);
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(a_pin_is_of_whole_pages_of_memory)
{
	setup();
	struct lazy lazy = {0};
	make_lazy(&lazy, &lazy_rw_ops);
	ck_assert_ok(world_map_at(world, ioas, buffer, 100, IOVA));
	ck_assert_ok(world_map_at(world, ioas, buffer + PAGE_SIZE, 100, IOVA + 100));
	ck_assert_ok(world_map_at(world, ioas, buffer + 16, PAGE_SIZE, IOVA + 2 * PAGE_SIZE));
	/* The alignment of its IOAS would not let it come so far. */
	lazy.access->iova_alignment = PAGE_SIZE;
	ck_assert_refused(pin_of(&lazy, IOVA, 101, 0), EINVAL);
	ck_assert_refused(pin_of(&lazy, IOVA + 2 * PAGE_SIZE, 1, 0), EINVAL);
	ck_assert_ok(pin_of(&lazy, IOVA, 100, 0));
	iommufd_access_unpin_pages(lazy.access, IOVA, 100);
	lazy.access->iova_alignment = 1;
	iommufd_access_destroy(lazy.access);
}
END_TEST

START_TEST(pages_that_can_not_be_had_are_efault_or_enomem)
{
	setup();
	struct lazy lazy = {0};
	make_lazy(&lazy, &lazy_ops);
	ck_assert_ok(world_map_at(world, ioas, buffer, PAGE_SIZE, IOVA));
	ck_assert_ok(world_map_at(world, ioas, NOWHERE, PAGE_SIZE, IOVA + PAGE_SIZE));
	ck_assert_refused(pin_of(&lazy, IOVA, 2 * PAGE_SIZE, 0), EFAULT);
	ck_assert_ok(world_refs(world, buffer, PAGE_SIZE, 0));
	machine_fail_nth(world->machine, 1, "pin record");
	ck_assert_refused(pin_of(&lazy, IOVA, 1, 0), ENOMEM);
	machine_fail_nth(world->machine, 0, NULL);
	iommufd_access_destroy(lazy.access);
}
END_TEST

static void expect_read(struct world *by, int access, uint64_t iova, uint64_t length,
			uint32_t flags, const char *expected)
{
	char got[2 * PAGE_SIZE] = "";
	ck_assert_ok(world_rw(by, access, iova, by->data, length, flags));
	world_get(by, by->data, got, length);
	ck_assert_mem_eq(got, expected, 3);
	if (length > PAGE_SIZE)
		ck_assert_mem_eq(got + PAGE_SIZE, expected, 3);
}

START_TEST(rw_of_own_memory_is_a_plain_copy)
{
	int access = setup_access(0);
	uint64_t va = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, PRIVATE);
	world_put(world, va, "old", 3);
	world_put(world, va + PAGE_SIZE, "old", 3);
	ck_assert_ok(world_map_at(world, ioas, va, 2 * PAGE_SIZE, APERTURE));
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	/* The domain keeps its pages; the process has others now. */
	ck_assert_int_eq(world_sys(world, SYS_MMAP, va, 2 * PAGE_SIZE, PROT_RW,
				   PRIVATE | MAP_FIXED_BIT, UINT64_MAX, 0),
			 (int64_t)va);
	world_put(world, va, "new", 3);
	world_put(world, va + PAGE_SIZE, "new", 3);
	expect_read(world, access, APERTURE, 3, 0, "new");
	expect_read(world, access, APERTURE, PAGE_SIZE + 3, 0, "new");
	/* A single page of another mm is pinned there; several are read from the domain. */
	expect_read(world, access, APERTURE, 3, MOCK_ACCESS_RW_SLOW_PATH, "new");
	expect_read(world, access, APERTURE, PAGE_SIZE + 3, MOCK_ACCESS_RW_SLOW_PATH, "old");
	struct world *child = world_fork(world);
	world_put(child, va, "not", 3);
	expect_read(child, access, APERTURE, 3, 0, "new");
	expect_read(child, access, APERTURE, PAGE_SIZE + 3, 0, "old");
	world_exit(child);
}
END_TEST

START_TEST(rw_of_an_owner_that_is_gone_needs_pages_that_are_held)
{
	int access = setup_access(0);
	struct mock mock;
	uint64_t own = world_mmap(world, 2 * PAGE_SIZE, PROT_RW, PRIVATE);
	ck_assert_ok(world_mock(world, ioas, 0, &mock));
	struct world *child = world_fork(world);
	world_put(child, own, "old", 3);
	ck_assert_ok(world_map_at(child, ioas, own, 2 * PAGE_SIZE, APERTURE));
	world_exit(child);
	expect_read(world, access, APERTURE, 3, 0, "old");
	ck_assert_ok(world_destroy(world, mock.stdev));
	ck_assert_refused(world_rw(world, access, APERTURE, world->data, 3, 0), EFAULT);
}
END_TEST

START_TEST(rw_of_a_file_reads_its_pages)
{
	int access = setup_access(0);
	uint64_t iova = APERTURE;
	int file = (int)made(world_memfd(world, PAGE_SIZE));
	uint64_t va = (uint64_t)world_sys(world, SYS_MMAP, 0, PAGE_SIZE, PROT_RW, MAP_SHARED_BIT,
					  (uint64_t)file, 0);
	world_put(world, va, "old", 3);
	ck_assert_ok(
		world_map_file(world, ioas, file, 0, 2 * PAGE_SIZE, MAP_RW | MAP_FIXED_, &iova));
	expect_read(world, access, APERTURE, 3, 0, "old");
	/* Beyond its end nothing can be pinned. */
	ck_assert_refused(world_rw(world, access, APERTURE + PAGE_SIZE, world->data, 3, 0), EINVAL);
	ck_assert_ok(world_sys(world, SYS_FTRUNCATE, (uint64_t)file, 2 * PAGE_SIZE));
	ck_assert_ok(world_rw(world, access, APERTURE + PAGE_SIZE, world->data, 3, 0));
	/* A domain's pages stay when the file is cut. */
	ck_assert_ok(world_mock(world, ioas, 0, NULL));
	ck_assert_ok(world_sys(world, SYS_FTRUNCATE, (uint64_t)file, 0));
	expect_read(world, access, APERTURE, 3, 0, "old");
}
END_TEST

START_TEST(rw_pins_for_a_moment_only)
{
	int access = setup_access(0);
	ck_assert_ok(world_map_at(world, ioas, buffer, 2 * PAGE_SIZE, IOVA));
	ck_assert_ok(world_rw(world, access, IOVA, world->data, 2 * PAGE_SIZE,
			      MOCK_ACCESS_RW_SLOW_PATH));
	ck_assert_ok(world_rw(world, access, IOVA, world->data, 8, MOCK_ACCESS_RW_SLOW_PATH));
	ck_assert_ok(world_refs(world, buffer, 2 * PAGE_SIZE, 0));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		creation_checks_flags_and_ioas,
		another_descriptor_is_ebadfd,
		pin_checks_its_arguments_in_order,
		only_a_pin_capable_access_pins,
		a_gap_unpins_the_pieces_before_it,
		the_pinned_pages_are_compared_with_the_caller_s,
		rw_copies_bytes_of_any_alignment,
		rw_checks_its_arguments_in_order,
		rw_keeps_what_it_transferred_before_a_gap,
		unmap_removes_the_items_it_meets,
		closing_the_descriptor_unpins,
		identical_intervals_of_two_accesses_share_a_pin,
		replace_moves_the_access_and_drops_its_items,
		unmap_gives_up_on_an_access_that_never_lets_go,
		an_unmap_without_pins_tells_nobody,
		an_access_that_only_reads_and_writes_pins_nothing,
		an_access_that_is_attached_nowhere_is_enoent,
		an_ioas_has_65536_accesses_at_most,
		an_access_without_a_free_descriptor_is_enomem,
		an_access_without_memory_is_enomem,
		an_access_is_an_object_that_its_maker_holds,
		an_ioas_that_can_not_be_aligned_refuses_an_access_that_pins,
		a_refused_replace_leaves_the_old_ioas,
		pins_are_given_back_during_a_detach,
		an_access_need_not_have_a_callback,
		a_detached_access_checks_the_range_first,
		an_area_being_unmapped_takes_neither_pins_nor_rw,
		a_dma_buf_has_no_pages_for_an_access,
		a_pin_is_of_whole_pages_of_memory,
		pages_that_can_not_be_had_are_efault_or_enomem,
		rw_of_own_memory_is_a_plain_copy,
		rw_of_an_owner_that_is_gone_needs_pages_that_are_held,
		rw_of_a_file_reads_its_pages,
		rw_pins_for_a_moment_only,
	};
	return RUN_TESTS("shim_access", tests);
}
