/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt lines, from engines to drivers.
 *
 * Concepts
 *   line     edge-triggered; a raise is latched until the handler takes it
 *   handler  the driver's, threaded and one-shot: it runs as a task of its own and may sleep; what is
 *            raised meanwhile makes it run once more
 */
#ifndef HWQ_EMU_IRQ_H
#define HWQ_EMU_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/hash.h"
#include "emu/task.h"

#define IRQ_LINES_MAX  8U
#define IRQ_LATENCY_PS 1000000ULL /* from the edge to the handler's first instruction; assumed */

struct machine;

typedef void irq_fn(void *context);

struct irq_line {
	struct machine *machine;
	uint32_t number;
	irq_fn *handler; /* NULL: nobody listens, edges are lost */
	void *context;
	bool pending;
	bool running;
	struct task task;
};

struct irqs {
	struct irq_line lines[IRQ_LINES_MAX];
};

void irq_request(struct machine *machine, uint32_t line, irq_fn *handler, void *context);
void irq_raise(struct machine *machine, uint32_t number);
void irq_hash(const struct irqs *irqs, struct hash *hash);

#endif
