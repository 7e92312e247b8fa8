/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lazy invalidation (iommu.strict=0): unmaps queue up, and one flush of the whole domain is for all
 * of them. Linux has it for its own DMA and never for iommufd's domains; here an experiment may ask
 * for it all the same.
 *
 * Concepts
 *   drain  that flush: when the queue is full, by the unmap that finds it so; and 10 ms after the
 *          first unmap that came since it did so last, by a task of its own
 */
#ifndef HWQ_KERNEL_SHIM_FLUSH_QUEUE_H
#define HWQ_KERNEL_SHIM_FLUSH_QUEUE_H

#include "emu/machine.h"

#define FLUSH_QUEUE_SIZE 256U /* slots; one stays free, as Linux has it */
#define FLUSH_QUEUE_PS   10000000000ULL

struct flush_queue {
	struct machine *machine;
	void (*flush)(void *domain);
	void *domain;
	uint32_t count;
	struct event timer;
	struct task task;
	bool draining; /* in the task */
};

void flush_queue_init(struct flush_queue *queue, struct machine *machine,
		      void (*flush)(void *domain), void *domain);
/* An unmap has cleared the tables. */
void flush_queue_add(struct flush_queue *queue);
/* Nothing is queued any more, and no drain is under way; what was is not flushed. */
void flush_queue_fini(struct flush_queue *queue);

#endif
