// SPDX-License-Identifier: Apache-2.0
#include "kernel_shim/flush_queue.h"

#define POLL_PS 1000000ULL

static void drain(struct flush_queue *queue)
{
	queue->count = 0;
	queue->flush(queue->domain);
}

static void thread(void *arg)
{
	struct flush_queue *queue = arg;
	drain(queue);
	queue->draining = false;
}

/* A flush sleeps: it needs a task. While that is not to be had: once more, later. */
static void timeout(struct event *event)
{
	struct flush_queue *queue = event->owner;
	struct machine *machine = queue->machine;
	if (!queue->draining && task_start(&machine->scheduler, &queue->task, thread, queue))
		queue->draining = true;
	else
		clock_post(&machine->clock, event, machine->clock.now_ps + FLUSH_QUEUE_PS,
			   EVENT_SOFTWARE);
}

void flush_queue_init(struct flush_queue *queue, struct machine *machine,
		      void (*flush)(void *domain), void *domain)
{
	*queue = (struct flush_queue){.machine = machine, .flush = flush, .domain = domain};
	queue->timer.fn = timeout;
	queue->timer.owner = queue;
}

void flush_queue_add(struct flush_queue *queue)
{
	struct clock *clock = &queue->machine->clock;
	if (queue->count == FLUSH_QUEUE_SIZE - 1)
		drain(queue);
	queue->count++;
	if (!event_pending(&queue->timer))
		clock_post(clock, &queue->timer, clock->now_ps + FLUSH_QUEUE_PS, EVENT_SOFTWARE);
}

void flush_queue_fini(struct flush_queue *queue)
{
	clock_cancel(&queue->machine->clock, &queue->timer);
	while (queue->draining)
		machine_delay(queue->machine, POLL_PS, "flush queue");
	queue->count = 0;
}
