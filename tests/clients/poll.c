/* SPDX-License-Identifier: Apache-2.0 */
/* poll(), select() and epoll on both kinds of queues; waiters are woken (5.6, 5.7). */
#include "client.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>

static short events_of(int fd, short wanted)
{
	struct pollfd poll_fd = {.fd = fd, .events = wanted};
	int result = poll(&poll_fd, 1, 0);

	OK(result);
	EQUAL(result, poll_fd.revents != 0);
	return poll_fd.revents;
}

static bool select_says(int fd)
{
	struct timeval none = {0};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	OK(select(fd + 1, &set, NULL, NULL, &none));
	return FD_ISSET(fd, &set);
}

static int epoll_on(int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = 0x1234};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	OK(epoll);
	OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	return epoll;
}

static uint32_t epoll_says(int epoll, int milliseconds)
{
	struct epoll_event event = {0};
	int result = epoll_wait(epoll, &event, 1, milliseconds);

	OK(result);
	if (result)
		EQUAL(event.data.u64, 0x1234);
	return result ? event.events : 0;
}

static void answer(int queue, uint32_t cookie)
{
	struct iommu_hwpt_page_response response = {.cookie = cookie};

	EQUAL(write(queue, &response, sizeof(response)), sizeof(response));
}

static void a_fault_queue_is_ready_while_faults_wait(void)
{
	struct iommu_hwpt_pgfault fault;
	struct fault_bench bench;
	int level, out, closed;

	fault_bench_set_up(&bench);
	EQUAL(fcntl(bench.queue, F_GETFD), FD_CLOEXEC);
	level = epoll_on(bench.queue, EPOLLIN);
	out = epoll_on(bench.queue, EPOLLIN | EPOLLOUT);
	EQUAL(events_of(bench.queue, POLLIN | POLLRDNORM | POLLOUT), POLLOUT);
	EQUAL(events_of(bench.queue, POLLIN), 0);
	EQUAL(select_says(bench.queue), false);
	EQUAL(epoll_says(level, 0), 0);
	EQUAL(epoll_says(out, 0), EPOLLOUT);
	OK(trigger_fault(bench.fd, &bench.device, 1));
	OK(trigger_fault(bench.fd, &bench.device, 2));
	EQUAL(events_of(bench.queue, POLLIN | POLLRDNORM | POLLOUT), POLLIN | POLLRDNORM | POLLOUT);
	EQUAL(select_says(bench.queue), true);
	EQUAL(epoll_says(level, 0), EPOLLIN);
	EQUAL(epoll_says(level, 0), EPOLLIN);
	EQUAL(epoll_says(out, 0), EPOLLIN | EPOLLOUT);
	EQUAL(read(bench.queue, &fault, sizeof(fault)), sizeof(fault));
	answer(bench.queue, fault.cookie);
	EQUAL(events_of(bench.queue, POLLIN), POLLIN);
	EQUAL(read(bench.queue, &fault, sizeof(fault)), sizeof(fault));
	/* Read but not answered: there is nothing to read. */
	EQUAL(events_of(bench.queue, POLLIN | POLLRDNORM | POLLOUT), POLLOUT);
	EQUAL(select_says(bench.queue), false);
	EQUAL(epoll_says(level, 0), 0);
	EQUAL(epoll_says(out, 0), EPOLLOUT);
	answer(bench.queue, fault.cookie);
	closed = epoll_on(bench.queue, EPOLLOUT);
	EQUAL(epoll_says(closed, 0), EPOLLOUT);
	OK(close(bench.queue));
	/* With its last descriptor it leaves the set. */
	EQUAL(epoll_says(closed, 0), 0);
	OK(close(closed));
	OK(close(level));
	OK(close(out));
	OK(close(bench.fd));
}

static void an_event_queue_is_ready_while_events_wait(void)
{
	uint32_t record[3];
	struct event_bench bench;
	int level;

	event_bench_set_up(&bench, 2);
	level = epoll_on(bench.queue, EPOLLIN | EPOLLOUT);
	EQUAL(events_of(bench.queue, POLLIN | POLLRDNORM | POLLOUT), 0);
	EQUAL(epoll_says(level, 0), 0);
	OK(trigger_event(bench.fd, &bench.device));
	EQUAL(events_of(bench.queue, POLLIN | POLLRDNORM | POLLOUT), POLLIN | POLLRDNORM);
	EQUAL(select_says(bench.queue), true);
	EQUAL(epoll_says(level, 0), EPOLLIN);
	EQUAL(epoll_says(level, 0), EPOLLIN);
	EQUAL(read(bench.queue, record, sizeof(record)), sizeof(record));
	EQUAL(events_of(bench.queue, POLLIN | POLLRDNORM | POLLOUT), 0);
	EQUAL(select_says(bench.queue), false);
	EQUAL(epoll_says(level, 0), 0);
	OK(close(bench.queue));
	OK(close(level));
	OK(close(bench.fd));
}

static void each_event_wakes_an_edge_triggered_waiter(void)
{
	struct event_bench bench;
	int edge;

	event_bench_set_up(&bench, 8);
	edge = epoll_on(bench.queue, EPOLLIN | EPOLLET);
	EQUAL(epoll_says(edge, 0), 0);
	OK(trigger_event(bench.fd, &bench.device));
	EQUAL(epoll_says(edge, 1000), EPOLLIN);
	EQUAL(epoll_says(edge, 0), 0);
	OK(trigger_event(bench.fd, &bench.device));
	EQUAL(epoll_says(edge, 1000), EPOLLIN);
	EQUAL(epoll_says(edge, 0), 0);
	OK(close(edge));
	OK(close(bench.queue));
	OK(close(bench.fd));
}

static void *trigger_later(void *context)
{
	struct event_bench *bench = context;

	nap(50);
	OK(trigger_event(bench->fd, &bench->device));
	return NULL;
}

static void a_sleeping_waiter_wakes(void)
{
	struct pollfd poll_fd = {.events = POLLIN};
	struct event_bench bench;
	uint32_t record[3];
	pthread_t thread;
	pid_t child;
	int epoll;

	event_bench_set_up(&bench, 8);
	poll_fd.fd = bench.queue;
	EQUAL(pthread_create(&thread, NULL, trigger_later, &bench), 0);
	EQUAL(poll(&poll_fd, 1, 20000), 1);
	EQUAL(poll_fd.revents, POLLIN);
	EQUAL(pthread_join(thread, NULL), 0);
	EQUAL(read(bench.queue, record, sizeof(record)), sizeof(record));
	/* By another process, with epoll. */
	epoll = epoll_on(bench.queue, EPOLLIN);
	child = fork_checked();
	if (!child) {
		trigger_later(&bench);
		_exit(0);
	}
	EQUAL(epoll_says(epoll, 20000), EPOLLIN);
	CHILD_EXITS_WITH(child, 0);
	/* In the child: what it inherited is ready there, too. */
	child = fork_checked();
	if (!child) {
		EQUAL(events_of(bench.queue, POLLIN), POLLIN);
		EQUAL(read(bench.queue, record, sizeof(record)), sizeof(record));
		_exit(0);
	}
	CHILD_EXITS_WITH(child, 0);
	EQUAL(events_of(bench.queue, POLLIN), 0);
	EQUAL(poll(&poll_fd, 1, 20), 0);
	OK(close(epoll));
	OK(close(bench.queue));
	OK(close(bench.fd));
}

int main(void)
{
	a_fault_queue_is_ready_while_faults_wait();
	an_event_queue_is_ready_while_events_wait();
	each_event_wakes_an_edge_triggered_waiter();
	a_sleeping_waiter_wakes();
	return 0;
}
