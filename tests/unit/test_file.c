/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors and the file descriptions behind them. */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "emu/machine.h"
#include "tests/kit/run.h"

static struct machine *machine;
static struct process *process;
static int releases;

static void count_release(struct file *file)
{
	(*(int *)file->priv)++;
}

static const struct file_ops ops = {.name = "counted", .release = count_release};

static void setup(void)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 64UL << 20;
	machine = machine_new(&config);
	ck_assert_ptr_nonnull(machine);
	process = process_new(machine, NULL);
	releases = 0;
}

static void teardown(void)
{
	machine_free(machine);
}

static struct file *new_file(void)
{
	return file_new(machine, &ops, &releases, O_RDWR_BIT);
}

START_TEST(lowest_free_descriptor_is_handed_out)
{
	for (int fd = 0; fd < 20; fd++)
		ck_assert_int_eq(fd_install(process, new_file()), fd);
	ck_assert_int_eq(fd_close(process, 11), 0);
	ck_assert_int_eq(fd_close(process, 3), 0);
	ck_assert_int_eq(fd_close(process, 7), 0);
	ck_assert_int_eq(fd_install(process, new_file()), 3);
	ck_assert_int_eq(fd_install(process, new_file()), 7);
	ck_assert_int_eq(fd_install(process, new_file()), 11);
	ck_assert_int_eq(fd_install(process, new_file()), 20);
}
END_TEST

START_TEST(descriptors_are_limited)
{
	struct file *file = new_file();
	for (int fd = 0; fd < (int)FD_MAX; fd++)
		ck_assert_int_eq(fd_install(process, new_file()), fd);
	ck_assert_int_eq(fd_install(process, file), -EMFILE);
	ck_assert_int_eq(fd_reserve(process), -EMFILE);
	ck_assert_uint_eq(file->references, 1);
	ck_assert_int_eq(fd_close(process, FD_MAX - 1), 0);
	ck_assert_int_eq(fd_install(process, file), FD_MAX - 1);
}
END_TEST

START_TEST(reserved_descriptor_is_taken_but_has_no_file)
{
	int fd = fd_reserve(process);
	ck_assert_int_eq(fd, 0);
	ck_assert_ptr_null(fd_file(process, fd));
	ck_assert_int_eq(fd_close(process, fd), -EBADF);
	ck_assert_int_eq(fd_install(process, new_file()), 1);
	fd_release(process, fd);
	ck_assert_int_eq(fd_reserve(process), 0);
	struct file *file = new_file();
	fd_install_at(process, 0, file);
	ck_assert_ptr_eq(fd_file(process, 0), file);
}
END_TEST

START_TEST(file_can_be_put_at_any_number)
{
	struct file *file = new_file();
	fd_install_at(process, 100, file);
	ck_assert_ptr_eq(fd_file(process, 100), file);
	ck_assert_int_eq(fd_install(process, new_file()), 0);
}
END_TEST

START_TEST(numbers_without_a_file_are_bad)
{
	static const int numbers[] = {-1, 0, 1, 1023, 1024, INT32_MAX, INT32_MIN};
	fd_install(process, new_file());
	ck_assert_int_eq(fd_close(process, 0), 0);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		ck_assert_ptr_null(fd_file(process, numbers[i]));
		ck_assert_int_eq(fd_close(process, numbers[i]), -EBADF);
	}
	ck_assert_int_eq(releases, 1);
}
END_TEST

START_TEST(last_reference_releases)
{
	struct file *file = new_file();
	int fd = fd_install(process, file);
	file_get(file);
	ck_assert_int_eq(fd_close(process, fd), 0);
	ck_assert_int_eq(releases, 0);
	file_put(file);
	ck_assert_int_eq(releases, 1);
}
END_TEST

START_TEST(closed_file_leaves_nothing_behind)
{
	fd_install(process, new_file());
	fd_close(process, 0);
	size_t live = arena_live(machine->arena);
	struct file *file = new_file();
	file->object = object_new(machine, OBJECT_SHMEM, PAGE_SIZE, 0);
	uint64_t pfn, run;
	ck_assert_int_eq(object_frames(file->object, 0, 1, &pfn, &run), 0);
	ck_assert_int_eq(fd_install(process, file), 0);
	fd_close(process, 0);
	ck_assert(memory_is_free(&machine->memory, pfn));
	/* The list of free frames has one entry more. */
	ck_assert_uint_eq(arena_live(machine->arena), live + sizeof(struct free_run));
}
END_TEST

START_TEST(fork_shares_file_descriptions)
{
	struct file *file = new_file();
	fd_install_at(process, 5, file);
	fd_reserve(process);
	struct process *child = process_fork(process);
	ck_assert_ptr_eq(fd_file(child, 5), file);
	ck_assert_uint_eq(file->references, 2);
	ck_assert_ptr_null(fd_file(child, 0));
	ck_assert_int_eq(fd_install(child, new_file()), 0);
	ck_assert_ptr_null(fd_file(process, 0));
	ck_assert_int_eq(fd_close(process, 5), 0);
	ck_assert_int_eq(releases, 0);
	ck_assert_int_eq(fd_close(child, 5), 0);
	ck_assert_int_eq(releases, 1);
}
END_TEST

START_TEST(exit_closes_every_descriptor)
{
	for (int i = 0; i < 30; i++)
		fd_install(process, new_file());
	fd_reserve(process);
	process_exit(process, 0);
	ck_assert_int_eq(releases, 30);
	ck_assert_ptr_null(fd_file(process, 0));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("file");
	TCase *descriptors = tcase_create("descriptors");
	tcase_add_checked_fixture(descriptors, setup, teardown);
	tcase_add_test(descriptors, lowest_free_descriptor_is_handed_out);
	tcase_add_test(descriptors, descriptors_are_limited);
	tcase_add_test(descriptors, reserved_descriptor_is_taken_but_has_no_file);
	tcase_add_test(descriptors, file_can_be_put_at_any_number);
	tcase_add_test(descriptors, numbers_without_a_file_are_bad);
	tcase_add_test(descriptors, last_reference_releases);
	tcase_add_test(descriptors, closed_file_leaves_nothing_behind);
	tcase_add_test(descriptors, fork_shares_file_descriptions);
	tcase_add_test(descriptors, exit_closes_every_descriptor);
	suite_add_tcase(s, descriptors);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
