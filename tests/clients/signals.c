/* SPDX-License-Identifier: Apache-2.0 */
/* Signal handlers in the midst of calls, calls from a handler, SIGKILL in the midst of calls. */
#include "client.h"

#include <sys/time.h>

static volatile sig_atomic_t alarms;
static int handler_fd = -1;

static void on_alarm(int number)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = 0x7ffffff0};
	int saved = errno;

	(void)number;
	alarms++;
	if (handler_fd >= 0 &&
	    (call(handler_fd, IOMMUFD_NR_DESTROY, &cmd) != -1 || errno != ENOENT))
		_exit(3);
	errno = saved;
}

static void run_timer(bool on)
{
	struct itimerval timer = {{0, on ? 500 : 0}, {0, on ? 500 : 0}};

	OK(setitimer(ITIMER_REAL, &timer, NULL));
}

/* Nothing here sleeps for a signal to interrupt: each call is done once, and gives its result. */
static void calls_are_whole_under_signals(void)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	uint8_t *memory = shared_memory(8 * PAGE);
	struct device device;
	int fd = iommu_open(), access;
	uint32_t ioas = ioas_alloc(fd), last = 0;

	OK(mock_device(fd, ioas, &device));
	access = access_create(fd, ioas, 0);
	OK(access);
	OK(sigaction(SIGALRM, &action, NULL));
	handler_fd = fd;
	alarms = 0;
	run_timer(true);
	for (unsigned int round = 0; round < 20000 && (round < 200 || alarms < 100); round++) {
		uint64_t iova;
		uint8_t byte = (uint8_t)round;
		uint32_t id;

		OK(map(fd, ioas, memory, 8 * PAGE, &iova));
		EQUAL(iova, APERTURE);
		OK(access_rw(fd, access, iova + PAGE, &byte, 1, MOCK_ACCESS_RW_WRITE));
		EQUAL(memory[PAGE], (uint8_t)round);
		OK(unmap(fd, ioas, iova, 8 * PAGE));
		/* A call that ran twice would take two numbers. */
		id = ioas_alloc(fd);
		if (last)
			EQUAL(id, last);
		last = id;
		OK(destroy(fd, id));
	}
	run_timer(false);
	CHECK(alarms >= 10);
	handler_fd = -1;
	OK(close(access));
	OK(close(fd));
	OK(nothing_pinned(memory, 8 * PAGE));
	OK(munmap(memory, 8 * PAGE));
}

static void poll_is_interrupted(void)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval timer = {{0, 0}, {0, 30000}};
	struct event_bench bench;
	struct pollfd poll_fd = {.events = POLLIN};

	event_bench_set_up(&bench, 4);
	OK(sigaction(SIGALRM, &action, NULL));
	poll_fd.fd = bench.queue;
	OK(setitimer(ITIMER_REAL, &timer, NULL));
	REFUSED(EINTR, poll(&poll_fd, 1, 20000));
	OK(close(bench.queue));
	OK(close(bench.fd));
}

static void nothing_is_left_of_the_killed(unsigned int round)
{
	uint8_t *memory = shared_memory(8 * PAGE), byte;
	int ready[2], status;
	pid_t child;

	OK(pipe2(ready, O_CLOEXEC));
	child = fork_checked();
	if (!child) {
		int fd = iommu_open(), access;
		uint32_t ioas = ioas_alloc(fd), item;
		struct device device;
		uint64_t iova;

		OK(mock_device(fd, ioas, &device));
		access = access_create(fd, ioas, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
		OK(access);
		OK(map(fd, ioas, memory, 4 * PAGE, &iova));
		EQUAL(write(ready[1], "r", 1), 1);
		for (;;) {
			OK(map(fd, ioas, memory + 4 * PAGE, 4 * PAGE, &iova));
			OK(access_pin(fd, access, iova, memory + 4 * PAGE, 4 * PAGE, &item));
			OK(unmap(fd, ioas, iova, 4 * PAGE));
		}
	}
	EQUAL(read(ready[0], &byte, 1), 1);
	usleep(round * 700);
	OK(kill(child, SIGKILL));
	EQUAL(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status));
	EQUAL(WTERMSIG(status), SIGKILL);
	OK(nothing_pinned(memory, 8 * PAGE));
	OK(munmap(memory, 8 * PAGE));
	OK(close(ready[0]));
	OK(close(ready[1]));
}

/* The context is the parent's too: what the child mapped stays until the parent lets go. */
static void a_shared_context_survives_its_killed_user(void)
{
	uint8_t *memory = shared_memory(PAGE), byte;
	struct device device;
	int fd = iommu_open(), ready[2];
	uint32_t ioas = ioas_alloc(fd);
	pid_t child;

	OK(mock_device(fd, ioas, &device));
	OK(pipe2(ready, O_CLOEXEC));
	child = fork_checked();
	if (!child) {
		OK(map_fixed(fd, ioas, memory, PAGE, APERTURE));
		EQUAL(write(ready[1], "r", 1), 1);
		for (;;)
			OK(check_refs(fd, memory, PAGE, 1));
	}
	EQUAL(read(ready[0], &byte, 1), 1);
	OK(kill(child, SIGKILL));
	EQUAL(waitpid(child, NULL, 0), child);
	OK(check_map(fd, device.hwpt, APERTURE, PAGE, memory));
	OK(check_refs(fd, memory, PAGE, 1));
	OK(unmap(fd, ioas, APERTURE, PAGE));
	OK(check_refs(fd, memory, PAGE, 0));
	OK(close(fd));
}

int main(void)
{
	calls_are_whole_under_signals();
	poll_is_interrupted();
	for (unsigned int round = 0; round < 10; round++)
		nothing_is_left_of_the_killed(round);
	a_shared_context_survives_its_killed_user();
	return 0;
}
