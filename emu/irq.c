// SPDX-License-Identifier: Apache-2.0
#include "emu/irq.h"

#include <assert.h>

#include "emu/machine.h"

void irq_request(struct machine *machine, uint32_t line, irq_fn *handler, void *context)
{
	assert(line < IRQ_LINES_MAX);
	machine->irqs.lines[line] = (struct irq_line){
		.machine = machine, .number = line, .handler = handler, .context = context};
}

static void thread(void *arg)
{
	struct irq_line *line = arg;
	task_preempt(&line->machine->scheduler, IRQ_LATENCY_PS, "interrupt");
	while (line->pending) {
		line->pending = false;
		line->handler(line->context);
	}
	line->running = false;
}

void irq_raise(struct machine *machine, uint32_t number)
{
	assert(number < IRQ_LINES_MAX);
	struct irq_line *line = &machine->irqs.lines[number];
	machine_note(machine, &(struct note){.kind = NOTE_INTERRUPT, .who = number});
	if (line->handler == NULL)
		return;
	line->pending = true;
	if (line->running)
		return;
	/* Out of stacks: the edge stays latched, the next one tries again. */
	line->running = task_start(&machine->scheduler, &line->task, thread, line);
}

void irq_hash(const struct irqs *irqs, struct hash *hash)
{
	for (uint32_t i = 0; i < IRQ_LINES_MAX; i++)
		hash_u64(hash, (uint64_t)irqs->lines[i].pending << 1 | irqs->lines[i].running);
}
