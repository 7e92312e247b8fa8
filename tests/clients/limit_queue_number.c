/* SPDX-License-Identifier: Apache-2.0 */
/* Queues and accesses get the lowest free number, as every descriptor does (5.6, 5.7). */
#include "client.h"

int main(void)
{
	struct event_bench bench;
	uint32_t id;

	event_bench_set_up(&bench, 4);
	EQUAL(bench.queue, bench.fd + 1);
	EQUAL(fault_queue(bench.fd, &id), bench.fd + 2);
	EQUAL(access_create(bench.fd, 1, 0), bench.fd + 3);
	OK(close(bench.queue));
	EQUAL(fault_queue(bench.fd, &id), bench.fd + 1);
	return 0;
}
