/* SPDX-License-Identifier: Apache-2.0 */
/* System calls: what they return, when they sleep, and who wakes them. */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/syscall.h"
#include "tests/kit/run.h"

#define PS_PER_MS 1000000000ULL
#define RW        (PROT_READ_BIT | PROT_WRITE_BIT)

static struct machine *machine;
static struct thread *thread;

static void setup(void)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 64UL << 20;
	machine = machine_new(&config);
	ck_assert_ptr_nonnull(machine);
	thread = thread_new(process_new(machine, NULL));
}

static void teardown(void)
{
	machine_free(machine);
}

static struct syscall *begin(struct thread *by, enum syscall_number number, uint64_t a, uint64_t b,
			     uint64_t c)
{
	struct syscall *call = arena_new(machine->arena, struct syscall);
	call->number = number;
	call->args[0] = a;
	call->args[1] = b;
	call->args[2] = c;
	ck_assert(syscall_start(by, call));
	return call;
}

static int64_t finish(struct syscall *call)
{
	ck_assert(syscall_finish(machine, call));
	return call->result;
}

static int64_t do_call(enum syscall_number number, uint64_t a, uint64_t b, uint64_t c)
{
	return finish(begin(thread, number, a, b, c));
}

static int64_t do_open(const char *path)
{
	struct syscall *call = arena_new(machine->arena, struct syscall);
	call->number = SYS_OPEN;
	call->args[1] = O_RDWR_BIT;
	snprintf(call->path, sizeof(call->path), "%s", path);
	ck_assert(syscall_start(thread, call));
	return finish(call);
}

static int64_t do_mmap(uint64_t length, uint64_t prot, uint64_t flags, int64_t fd, uint64_t offset)
{
	struct syscall *call = arena_new(machine->arena, struct syscall);
	*call = (struct syscall){
		.number = SYS_MMAP,
		.args = {0, length, prot, flags, (uint64_t)fd, offset},
	};
	ck_assert(syscall_start(thread, call));
	return finish(call);
}

static struct thread *child_thread(int64_t pid)
{
	struct process *process;
	TAILQ_FOREACH (process, &machine->processes, link)
		if (process->pid == pid)
			return TAILQ_FIRST(&process->threads);
	ck_abort_msg("no process %d", (int)pid);
}

/* ---- files ---- */

START_TEST(unknown_path_is_a_regular_file)
{
	ck_assert_int_eq(do_open("/etc/hostname"), 0);
	struct file *file = fd_file(thread->process, 0);
	ck_assert_ptr_eq(file->ops, &regular_file_ops);
	ck_assert_int_eq(file->object->kind, OBJECT_FILE);
	ck_assert_int_eq(do_open("/etc/hostname"), 1);
}
END_TEST

static struct file *open_device(struct thread *by, void *context, uint32_t flags, int *error)
{
	(void)by;
	if (*(bool *)context)
		return file_new(machine, &char_device_ops, NULL, flags);
	*error = -ENXIO;
	return NULL;
}

START_TEST(device_path_is_opened_by_its_driver)
{
	bool works = true;
	machine_register_device(machine, "/dev/x", open_device, &works);
	ck_assert_int_eq(do_open("/dev/x"), 0);
	ck_assert_ptr_eq(fd_file(thread->process, 0)->ops, &char_device_ops);
	works = false;
	ck_assert_int_eq(do_open("/dev/x"), -ENXIO);
	/* Its descriptor was given back. */
	ck_assert_int_eq(do_open("/dev/y"), 1);
	ck_assert_ptr_eq(fd_file(thread->process, 1)->ops, &regular_file_ops);
}
END_TEST

START_TEST(closed_descriptor_is_bad)
{
	ck_assert_int_eq(do_call(SYS_CLOSE, 0, 0, 0), -EBADF);
	ck_assert_int_eq(do_open("/a"), 0);
	ck_assert_int_eq(do_call(SYS_CLOSE, 0, 0, 0), 0);
	ck_assert_int_eq(do_call(SYS_CLOSE, 0, 0, 0), -EBADF);
	ck_assert_int_eq(do_call(SYS_IOCTL, 0, 0x3b80, 0), -EBADF);
	ck_assert_int_eq(do_call(SYS_READ, 0, 0, 0), -EBADF);
	ck_assert_int_eq(do_call(SYS_WRITE, (uint64_t)-1, 0, 0), -EBADF);
	ck_assert_int_eq(do_call(SYS_FTRUNCATE, 0, 0, 0), -EBADF);
	ck_assert_int_eq(do_mmap(PAGE_SIZE, RW, MAP_SHARED_BIT, 0, 0), -EBADF);
}
END_TEST

START_TEST(ioctl_on_a_file_without_any_is_refused)
{
	ck_assert_int_eq(do_open("/a"), 0);
	ck_assert_int_eq(do_call(SYS_IOCTL, 0, 0x3b80, 0), -ENOTTY);
	ck_assert_int_eq(do_call(SYS_IOCTL, 0, 0x5451, 0), 0);       /* FIOCLEX */
	ck_assert_int_eq(do_call(SYS_IOCTL, 0, 0x5421, 0), -EFAULT); /* FIONBIO */
}
END_TEST

START_TEST(transfers_need_the_operation)
{
	ck_assert_int_eq(do_open("/a"), 0);
	ck_assert_int_eq(do_call(SYS_READ, 0, 0x1000, 8), -EINVAL);
	ck_assert_int_eq(do_call(SYS_WRITE, 0, 0x1000, 8), -EINVAL);
}
END_TEST

static int64_t read_nothing(struct thread *by, struct file *file, struct va buffer, uint64_t count)
{
	(void)by, (void)file, (void)buffer;
	return (int64_t)count;
}

START_TEST(buffers_beyond_the_address_space_are_refused)
{
	static const struct file_ops ops = {.name = "x", .read = read_nothing};
	fd_install(thread->process, file_new(machine, &ops, NULL, 0));
	ck_assert_int_eq(do_call(SYS_READ, 0, TASK_SIZE - 8, 8), 8);
	ck_assert_int_eq(do_call(SYS_READ, 0, TASK_SIZE - 8, 9), -EFAULT);
	ck_assert_int_eq(do_call(SYS_READ, 0, UINT64_MAX, 8), -EFAULT);
	ck_assert_int_eq(do_call(SYS_WRITE, 0, 0x1000, 8), -EINVAL);
}
END_TEST

static bool released;

static void note_release(struct file *file)
{
	(void)file;
	released = true;
}

static int64_t close_meanwhile(struct thread *by, struct file *file, uint32_t cmd, struct va arg)
{
	(void)file, (void)arg;
	fd_close(by->process, 0);
	ck_assert(!released);
	return cmd;
}

START_TEST(file_lives_until_its_ioctl_ends)
{
	static const struct file_ops ops = {
		.name = "x", .ioctl = close_meanwhile, .release = note_release};
	released = false;
	fd_install(thread->process, file_new(machine, &ops, NULL, 0));
	ck_assert_int_eq(do_call(SYS_IOCTL, 0, 5, 0), 5);
	ck_assert(released);
}
END_TEST

/* ---- memory ---- */

START_TEST(mmap_checks_its_arguments)
{
	uint64_t private = MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT;
	ck_assert_int_eq(do_mmap(0, RW, private, -1, 0), -EINVAL);
	ck_assert_int_eq(do_mmap(PAGE_SIZE, RW, private, -1, 5), -EINVAL);
	ck_assert_int_eq(do_mmap(PAGE_SIZE, RW, MAP_ANONYMOUS_BIT, -1, 0), -EINVAL);
	ck_assert_int_eq(do_mmap(PAGE_SIZE, RW, MAP_ANONYMOUS_BIT | 4, -1, 0), -EINVAL);
	ck_assert_int_eq(do_mmap(TASK_SIZE + PAGE_SIZE, RW, private, -1, 0), -ENOMEM);
	ck_assert_int_gt(do_mmap(PAGE_SIZE, RW, private, -1, 0), 0);
}
END_TEST

START_TEST(file_is_mapped_with_its_rights)
{
	fd_install(thread->process, file_new(machine, &char_device_ops, NULL, O_RDWR_BIT));
	ck_assert_int_eq(do_mmap(PAGE_SIZE, RW, MAP_SHARED_BIT, 0, 0), -ENODEV);
	ck_assert_int_eq(do_open("/a"), 1);
	fd_file(thread->process, 1)->flags = 0;
	ck_assert_int_eq(do_mmap(PAGE_SIZE, RW, MAP_SHARED_BIT, 1, 0), -EACCES);
	ck_assert_int_gt(do_mmap(PAGE_SIZE, RW, MAP_PRIVATE_BIT, 1, 0), 0);
	ck_assert_int_gt(do_mmap(PAGE_SIZE, PROT_READ_BIT, MAP_SHARED_BIT, 1, 0), 0);
}
END_TEST

START_TEST(mappings_of_a_memfd_alias)
{
	char text[8] = "";
	struct mm *mm = thread->process->mm;
	ck_assert_int_eq(do_call(SYS_MEMFD_CREATE, 0, 0, 0), 0);
	ck_assert_int_eq(do_call(SYS_FTRUNCATE, 0, 4 * PAGE_SIZE, 0), 0);
	int64_t whole = do_mmap(4 * PAGE_SIZE, RW, MAP_SHARED_BIT, 0, 0);
	int64_t part = do_mmap(PAGE_SIZE, RW, MAP_SHARED_BIT, 0, 2 * PAGE_SIZE);
	ck_assert_int_eq(do_call(SYS_CLOSE, 0, 0, 0), 0);
	uint64_t third = (uint64_t)whole + 2 * PAGE_SIZE;
	ck_assert_uint_eq(mm_write(mm, va_of(third), "alias", 6), 6);
	ck_assert_uint_eq(mm_read(mm, va_of((uint64_t)part), text, 6), 6);
	ck_assert_str_eq(text, "alias");
	ck_assert_int_eq(do_call(SYS_MUNMAP, (uint64_t)whole, 4 * PAGE_SIZE, 0), 0);
	ck_assert_uint_eq(mm_read(mm, va_of(third), text, 6), 0);
	ck_assert_uint_eq(mm_read(mm, va_of((uint64_t)part), text, 6), 6);
}
END_TEST

START_TEST(ftruncate_forgets_what_is_beyond)
{
	uint64_t first, third, run;
	ck_assert_int_eq(do_call(SYS_MEMFD_CREATE, 0, 0, 0), 0);
	ck_assert_int_eq(do_call(SYS_FTRUNCATE, 0, 4 * PAGE_SIZE, 0), 0);
	struct object *object = fd_file(thread->process, 0)->object;
	ck_assert_int_eq(object_frames(object, 0, 1, &first, &run), 0);
	ck_assert_int_eq(object_frames(object, 2, 1, &third, &run), 0);
	ck_assert_int_eq(do_call(SYS_FTRUNCATE, 0, 2 * PAGE_SIZE + 1, 0), 0);
	ck_assert(!memory_is_free(&machine->memory, third));
	ck_assert(memory_pin(&machine->memory, third, 1));
	ck_assert_int_eq(do_call(SYS_FTRUNCATE, 0, 2 * PAGE_SIZE, 0), 0);
	ck_assert_uint_eq(object->size, 2 * PAGE_SIZE);
	ck_assert(!memory_is_free(&machine->memory, third));
	memory_unpin(&machine->memory, third, 1);
	ck_assert(memory_is_free(&machine->memory, third));
	ck_assert(!memory_is_free(&machine->memory, first));
	ck_assert_int_eq(do_call(SYS_FTRUNCATE, 0, UINT64_MAX, 0), -EINVAL);
}
END_TEST

START_TEST(only_dontneed_forgets)
{
	char text[4] = "";
	struct mm *mm = thread->process->mm;
	int64_t va = do_mmap(PAGE_SIZE, RW, MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT, -1, 0);
	mm_write(mm, va_of((uint64_t)va), "old", 4);
	ck_assert_int_eq(do_call(SYS_MADVISE, (uint64_t)va, PAGE_SIZE, 14), 0);
	mm_read(mm, va_of((uint64_t)va), text, 4);
	ck_assert_str_eq(text, "old");
	ck_assert_int_eq(do_call(SYS_MADVISE, (uint64_t)va, PAGE_SIZE, MADV_DONTNEED_ADVICE), 0);
	mm_read(mm, va_of((uint64_t)va), text, 4);
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(huge_mapping_needs_the_pool)
{
	uint64_t flags = MAP_SHARED_BIT | MAP_ANONYMOUS_BIT | MAP_HUGETLB_BIT;
	uint64_t pool = machine->config.huge_pages * HPAGE_SIZE;
	ck_assert_int_eq(do_mmap(pool + 1, RW, flags, -1, 0), -ENOMEM);
	ck_assert_int_gt(do_mmap(pool, RW, flags, -1, 0), 0);
}
END_TEST

/* ---- processes ---- */

START_TEST(waitpid_sleeps_until_the_child_exits)
{
	int64_t pid = do_call(SYS_FORK, 0, 0, 0);
	struct syscall *wait = begin(thread, SYS_WAITPID, (uint64_t)pid, 0, 0);
	ck_assert(!syscall_finish(machine, wait));
	ck_assert(!wait->done);
	finish(begin(child_thread(pid), SYS_EXIT, 0x103, 0, 0));
	ck_assert_int_eq(finish(wait), pid);
	ck_assert_uint_eq(wait->out, 0x300);
	/* Reaped: there is none any more. */
	ck_assert_int_eq(do_call(SYS_WAITPID, (uint64_t)pid, 0, 0), -ECHILD);
}
END_TEST

START_TEST(exit_interrupts_other_threads_that_wait)
{
	struct thread *second = thread_new(thread->process), *third = thread_new(thread->process);
	do_call(SYS_FORK, 0, 0, 0);
	struct syscall *wait = begin(second, SYS_WAITPID, (uint64_t)-1, 0, 0);
	struct syscall *poll = begin(third, SYS_POLL, (uint64_t)-1, 1, (uint64_t)-1);
	ck_assert_int_eq(do_call(SYS_EXIT, 0, 0, 0), 0);
	ck_assert_int_eq(finish(wait), -EINTR);
	ck_assert_int_eq(finish(poll), -EINTR);
	ck_assert(thread->process->exited);
}
END_TEST

/* What an ioctl of the exiting process waits for. */
static struct wait_queue gate;
static bool gate_is_open;

static int64_t wait_at_the_gate(struct thread *by, struct file *file, uint32_t command,
				struct va arg)
{
	(void)file, (void)command;
	while (!gate_is_open)
		wait_queue_sleep(&machine->scheduler, &gate, "gate");
	char text[4] = "";
	return (int64_t)mm_read(by->process->mm, arg, text, sizeof(text));
}

START_TEST(exit_comes_after_what_can_not_be_interrupted)
{
	static const struct file_ops ops = {.ioctl = wait_at_the_gate};
	struct thread *second = thread_new(thread->process);
	int64_t va = do_mmap(PAGE_SIZE, RW, MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT, -1, 0);
	int fd = fd_install(thread->process, file_new(machine, &ops, NULL, O_RDWR_BIT));
	wait_queue_init(&gate);
	gate_is_open = false;
	struct syscall *ioctl = begin(second, SYS_IOCTL, (uint64_t)fd, 1, (uint64_t)va);
	struct syscall *exit_call = begin(thread, SYS_EXIT, 0, 0, 0);
	ck_assert(!syscall_finish(machine, exit_call));
	ck_assert(!thread->process->exited);
	gate_is_open = true;
	wait_queue_wake_all(&machine->scheduler, &gate);
	ck_assert_int_eq(finish(ioctl), 4);
	ck_assert_int_eq(finish(exit_call), 0);
	ck_assert(thread->process->exited);
}
END_TEST

START_TEST(waitpid_tells_who_and_whether)
{
	ck_assert_int_eq(do_call(SYS_WAITPID, (uint64_t)-1, 0, 0), -ECHILD);
	int64_t first = do_call(SYS_FORK, 0, 0, 0);
	int64_t second = do_call(SYS_FORK, 0, 0, 0);
	ck_assert_int_eq(do_call(SYS_WAITPID, (uint64_t)-1, 0, 1), 0); /* WNOHANG */
	finish(begin(child_thread(second), SYS_EXIT, 0, 9, 0));
	ck_assert_int_eq(do_call(SYS_WAITPID, (uint64_t)first, 0, 1), 0);
	struct syscall *wait = begin(thread, SYS_WAITPID, (uint64_t)-1, 0, 0);
	ck_assert_int_eq(finish(wait), second);
	ck_assert_uint_eq(wait->out, 9);
	ck_assert_int_eq(do_call(SYS_WAITPID, 4711, 0, 0), -ECHILD);
}
END_TEST

START_TEST(reaped_children_do_not_count_against_the_limit)
{
	uint32_t count = machine->process_count;
	int64_t pid = do_call(SYS_FORK, 0, 0, 0);
	ck_assert_uint_eq(machine->process_count, count + 1);
	finish(begin(child_thread(pid), SYS_EXIT, 0, 0, 0));
	ck_assert_uint_eq(machine->process_count, count + 1);
	ck_assert_int_eq(do_call(SYS_WAITPID, (uint64_t)pid, 0, 0), pid);
	ck_assert_uint_eq(machine->process_count, count);
	machine->process_count = PROCESSES_MAX;
	ck_assert_int_eq(do_call(SYS_FORK, 0, 0, 0), -EAGAIN);
}
END_TEST

/* ---- poll ---- */

static uint32_t ready_events;

static uint32_t poll_ready(struct file *file)
{
	(void)file;
	return ready_events;
}

static int pollable(void)
{
	static const struct file_ops ops = {.name = "pollable", .poll = poll_ready};
	ready_events = 0;
	return fd_install(thread->process, file_new(machine, &ops, NULL, 0));
}

START_TEST(poll_tells_what_is_ready)
{
	ck_assert_int_eq(pollable(), 0);
	ready_events = POLLIN_BIT | POLLOUT_BIT;
	struct syscall *call = begin(thread, SYS_POLL, 0, POLLIN_BIT, 1000);
	ck_assert_int_eq(finish(call), 1);
	ck_assert_uint_eq(call->out, POLLIN_BIT);
	ready_events = POLLOUT_BIT;
	ck_assert_int_eq(do_call(SYS_POLL, 0, POLLIN_BIT, 0), 0);
	call = begin(thread, SYS_POLL, 17, POLLIN_BIT, 1000);
	ck_assert_int_eq(finish(call), 1);
	ck_assert_uint_eq(call->out, POLLNVAL_BIT);
	ck_assert_uint_eq(machine->clock.now_ps, 0);
	/* A file without poll() is always ready. */
	ck_assert_int_eq(do_open("/a"), 1);
	ck_assert_int_eq(do_call(SYS_POLL, 1, POLLIN_BIT, 1000), 1);
}
END_TEST

START_TEST(poll_times_out_in_simulated_time)
{
	ck_assert_int_eq(pollable(), 0);
	struct syscall *call = begin(thread, SYS_POLL, 0, POLLIN_BIT, 1500);
	ck_assert(!call->done);
	ck_assert_int_eq(finish(call), 0);
	ck_assert_uint_eq(call->out, 0);
	ck_assert_uint_eq(machine->clock.now_ps, 1500 * PS_PER_MS);
	ck_assert_int_eq(do_call(SYS_POLL, (uint64_t)-1, POLLIN_BIT, 1), 0);
	ck_assert_uint_eq(machine->clock.now_ps, 1501 * PS_PER_MS);
}
END_TEST

static void make_ready(struct event *event)
{
	(void)event;
	ready_events = POLLIN_BIT;
	wait_queue_wake_all(&machine->scheduler, &machine->poll_waiters);
}

static void wake_in_vain(struct event *event)
{
	(void)event;
	wait_queue_wake_all(&machine->scheduler, &machine->poll_waiters);
}

START_TEST(poll_wakes_on_the_event)
{
	struct event vain = {.fn = wake_in_vain};
	struct event ready = {.fn = make_ready};
	ck_assert_int_eq(pollable(), 0);
	clock_post(&machine->clock, &vain, 5, EVENT_HARDWARE);
	clock_post(&machine->clock, &ready, 7, EVENT_HARDWARE);
	/* Without and with a limit. */
	uint64_t timeout = _i == 0 ? (uint64_t)-1 : 1000;
	struct syscall *call = begin(thread, SYS_POLL, 0, POLLIN_BIT, timeout);
	ck_assert_int_eq(finish(call), 1);
	ck_assert_uint_eq(call->out, POLLIN_BIT);
	ck_assert_uint_eq(machine->clock.now_ps, 7);
	ck_assert_uint_eq(machine->clock.pending, 0);
}
END_TEST

/* ---- calls ---- */

static int64_t refuse_it(struct thread *by, struct file *file, uint32_t cmd, struct va arg)
{
	(void)by, (void)file, (void)arg;
	return refuse(machine, (int)cmd, "sheet 1", "because");
}

START_TEST(refusal_is_explained)
{
	static const struct file_ops ops = {.name = "x", .ioctl = refuse_it};
	fd_install(thread->process, file_new(machine, &ops, NULL, 0));
	struct syscall *call = begin(thread, SYS_IOCTL, 0, EPERM, 0);
	ck_assert_int_eq(finish(call), -EPERM);
	ck_assert_int_eq(call->rule.error, EPERM);
	ck_assert_str_eq(call->rule.id, "sheet 1");
	call = begin(thread, SYS_CLOSE, 9, 0, 0);
	ck_assert_int_eq(finish(call), -EBADF);
	ck_assert_ptr_null(call->rule.id);
}
END_TEST

START_TEST(calls_are_numbered_for_the_ledger)
{
	do_call(SYS_CLOSE, 9, 0, 0);
	do_call(SYS_CLOSE, 9, 0, 0);
	ck_assert_uint_eq(machine->ledger.call, 2);
	ck_assert(!thread->busy);
}
END_TEST

START_TEST(call_needs_a_stack)
{
	for (unsigned i = 0; i < ARENA_STACKS; i++)
		arena_stack_get(machine->arena);
	struct syscall *call = arena_new(machine->arena, struct syscall);
	call->number = SYS_CLOSE;
	ck_assert(!syscall_start(thread, call));
	ck_assert(!thread->busy);
	ck_assert_ptr_null(thread->call);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("syscall");
	TCase *files = tcase_create("files");
	tcase_add_checked_fixture(files, setup, teardown);
	tcase_add_test(files, unknown_path_is_a_regular_file);
	tcase_add_test(files, device_path_is_opened_by_its_driver);
	tcase_add_test(files, closed_descriptor_is_bad);
	tcase_add_test(files, ioctl_on_a_file_without_any_is_refused);
	tcase_add_test(files, transfers_need_the_operation);
	tcase_add_test(files, buffers_beyond_the_address_space_are_refused);
	tcase_add_test(files, file_lives_until_its_ioctl_ends);
	suite_add_tcase(s, files);

	TCase *memory = tcase_create("memory");
	tcase_add_checked_fixture(memory, setup, teardown);
	tcase_add_test(memory, mmap_checks_its_arguments);
	tcase_add_test(memory, file_is_mapped_with_its_rights);
	tcase_add_test(memory, mappings_of_a_memfd_alias);
	tcase_add_test(memory, ftruncate_forgets_what_is_beyond);
	tcase_add_test(memory, only_dontneed_forgets);
	tcase_add_test(memory, huge_mapping_needs_the_pool);
	suite_add_tcase(s, memory);

	TCase *processes = tcase_create("processes");
	tcase_add_checked_fixture(processes, setup, teardown);
	tcase_add_test(processes, waitpid_sleeps_until_the_child_exits);
	tcase_add_test(processes, exit_interrupts_other_threads_that_wait);
	tcase_add_test(processes, exit_comes_after_what_can_not_be_interrupted);
	tcase_add_test(processes, waitpid_tells_who_and_whether);
	tcase_add_test(processes, reaped_children_do_not_count_against_the_limit);
	suite_add_tcase(s, processes);

	TCase *polls = tcase_create("poll");
	tcase_add_checked_fixture(polls, setup, teardown);
	tcase_add_test(polls, poll_tells_what_is_ready);
	tcase_add_test(polls, poll_times_out_in_simulated_time);
	tcase_add_loop_test(polls, poll_wakes_on_the_event, 0, 2);
	suite_add_tcase(s, polls);

	TCase *calls = tcase_create("calls");
	tcase_add_checked_fixture(calls, setup, teardown);
	tcase_add_test(calls, refusal_is_explained);
	tcase_add_test(calls, calls_are_numbered_for_the_ledger);
	tcase_add_test(calls, call_needs_a_stack);
	suite_add_tcase(s, calls);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
