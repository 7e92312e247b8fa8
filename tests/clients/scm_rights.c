/* SPDX-License-Identifier: Apache-2.0 */
/* A context travels over a socket to a process that is not its opener's child, and stays alive. */
#include "client.h"

#define WHERE 0x2000000UL

/* The sender is gone before the receiver looks. */
static void a_context_is_passed_on(uint8_t *memory)
{
	int sockets[2], fds[3], expected = 0x1d;
	struct device device;
	uint8_t byte = 0;
	uint64_t iova;
	pid_t child;

	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	child = fork_checked();
	if (!child) {
		struct event_bench bench;

		event_bench_set_up(&bench, 4);
		OK(map_fixed(bench.fd, 1, memory, PAGE, WHERE));
		fds[0] = bench.fd;
		fds[1] = access_create(bench.fd, 1, 0);
		OK(fds[1]);
		fds[2] = bench.queue;
		send_fds(sockets[1], fds, 3);
		_exit(0);
	}
	CHILD_EXITS_WITH(child, 0);
	memory[5] = (uint8_t)expected;
	/* In flight it is held by the socket alone. */
	REFUSED(EIO, nothing_pinned(memory, PAGE));
	receive_fds(sockets[0], fds, 3);
	EQUAL(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	OK(access_rw(fds[0], fds[1], WHERE + 5, &byte, 1, 0));
	EQUAL(byte, expected);
	OK(mock_device(fds[0], 1, &device));
	OK(map(fds[0], 1, memory, PAGE, &iova));
	OK(unmap(fds[0], 1, WHERE, PAGE));
	OK(close(fds[0]));
	REFUSED(EIO, nothing_pinned(memory, PAGE));
	OK(close(fds[1]));
	OK(close(fds[2]));
	OK(nothing_pinned(memory, PAGE));
	OK(close(sockets[0]));
	OK(close(sockets[1]));
}

/* Never received: it goes with the socket. */
static void a_context_in_flight_dies_with_its_socket(uint8_t *memory)
{
	struct device device;
	int sockets[2], fd;
	uint32_t ioas;

	OK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets));
	fd = iommu_open();
	ioas = ioas_alloc(fd);
	OK(mock_device(fd, ioas, &device));
	OK(map_fixed(fd, ioas, memory, PAGE, WHERE));
	send_fds(sockets[1], &fd, 1);
	OK(close(fd));
	REFUSED(EIO, nothing_pinned(memory, PAGE));
	OK(close(sockets[0]));
	OK(close(sockets[1]));
	OK(nothing_pinned(memory, PAGE));
}

/* To oneself: two descriptors of one context. */
static void a_context_comes_back_to_its_sender(void)
{
	int sockets[2], fd = iommu_open(), copy;
	uint32_t ioas = ioas_alloc(fd);

	OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets));
	send_fds(sockets[0], &fd, 1);
	receive_fds(sockets[1], &copy, 1);
	CHECK(copy != fd);
	OK(destroy(copy, ioas));
	REFUSED(ENOENT, destroy(fd, ioas));
	OK(close(fd));
	EQUAL(ioas_alloc(copy), 1);
	OK(close(copy));
	OK(close(sockets[0]));
	OK(close(sockets[1]));
}

int main(void)
{
	uint8_t *memory = shared_memory(PAGE);

	a_context_is_passed_on(memory);
	a_context_in_flight_dies_with_its_socket(memory);
	a_context_comes_back_to_its_sender();
	return 0;
}
