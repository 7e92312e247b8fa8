/* SPDX-License-Identifier: Apache-2.0 */
/* A queue is read by whatever number it has: chosen by its user, or by a socket it came through. */
#include "client.h"

static void it_is_read(const struct event_bench *bench, int queue)
{
	uint32_t words[3];

	OK(trigger_event(bench->fd, &bench->device));
	EQUAL(read(queue, words, sizeof(words)), 12);
	EQUAL(words[2], VIRT_ID);
	EQUAL(read(queue, words, sizeof(words)), 0);
}

int main(void)
{
	struct event_bench bench;
	int sockets[2], received;

	event_bench_set_up(&bench, 4);
	it_is_read(&bench, bench.queue);
	EQUAL(dup2(bench.queue, 50), 50);
	it_is_read(&bench, 50);
	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	send_fds(sockets[0], &bench.queue, 1);
	receive_fds(sockets[1], &received, 1);
	it_is_read(&bench, received);
	return 0;
}
