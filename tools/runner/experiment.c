// SPDX-License-Identifier: Apache-2.0
/* Running a script: steps are done one after the other, or beside each other where it says so. */
#include "tools/runner/experiment.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "emu/bits.h"
#include "kernel_shim/iommufd.h"
#include "kernel_shim/vfio_cdev.h"
#include "tools/runner/answer.h"
#include "tools/runner/experiment_state.h"
#include "tools/runner/qemu_events.h"

#define END_OF_TIME_PS 4000000000000000000ULL /* well before 2^64 ps */
#define STEPS_MAX      20000000U              /* of one experiment: some 10 s of real time */

void experiment_differs(struct experiment *experiment, uint32_t line, const char *what,
			const char *expected, const char *got, const struct rule *rule)
{
	struct difference_line *difference = g_new0(struct difference_line, 1);
	difference->line = line;
	difference->what = g_strdup(what);
	difference->expected = g_strdup(expected);
	difference->got = g_strdup(got);
	if (rule != NULL && rule->id != NULL)
		difference->rule = g_strdup_printf("%s: %s", rule->id, rule->why);
	g_ptr_array_add(experiment->outcome->differences, difference);
}

char *result_text(int64_t result)
{
	const char *name = result < 0 && result > -4096 ? errno_name((int)-result) : NULL;
	return name != NULL ? g_strdup_printf("-1 %s", name)
			    : g_strdup_printf("%" G_GINT64_FORMAT, result);
}

static uint64_t now_ps(const struct experiment *experiment)
{
	return experiment->machine->clock.now_ps;
}

struct story_line *tell(struct experiment *experiment, uint32_t line, const char *who, char *what)
{
	if (!experiment->options.story) {
		g_free(what);
		return NULL;
	}
	struct story_line *told = g_new0(struct story_line, 1);
	*told = (struct story_line){now_ps(experiment), experiment->chronicle->count, line,
				    g_strdup(who), what};
	g_ptr_array_add(experiment->told, told);
	return told;
}

/* --- time --- */

static uint64_t state_hash(struct experiment *experiment)
{
	struct hash hash;
	hash_init(&hash);
	machine_hash(experiment->machine, &hash);
	if (experiment->hardware != NULL)
		experiment->script->platform->hash(experiment->hardware, &hash);
	hash_u64(&hash, experiment->checker->count);
	return hash.value;
}

/* One step; with check_steps it is done, undone and done again, and must lead to the same state. */
static void step(struct experiment *experiment)
{
	struct machine *machine = experiment->machine;
	experiment->steps++;
	if (!experiment->options.check_steps) {
		clock_step(&machine->clock);
		return;
	}
	experiment->snapshot = arena_save(machine->arena, experiment->snapshot);
	clock_step(&machine->clock);
	uint64_t first = state_hash(experiment);
	arena_restore(machine->arena, experiment->snapshot);
	clock_step(&machine->clock);
	if (state_hash(experiment) != first)
		experiment_differs(experiment, 0, "a step done again", "the same state", "another",
				   NULL);
}

static bool may_step(struct experiment *experiment, uint64_t until_ps)
{
	struct machine *machine = experiment->machine;
	return !machine->scheduler.broken && experiment->steps < STEPS_MAX &&
	       clock_next(&machine->clock) <= until_ps;
}

/* Everything that is due until then happens; no task runs on beyond. */
static void let_pass(struct experiment *experiment, uint64_t until_ps)
{
	struct machine *machine = experiment->machine;
	machine->scheduler.horizon_ps = until_ps;
	while (may_step(experiment, until_ps))
		step(experiment);
	if (until_ps > machine->clock.now_ps)
		machine->clock.now_ps = until_ps;
	machine->scheduler.horizon_ps = machine->clock.now_ps;
}

/* What is still under way comes to its end. */
static void run_out(struct experiment *experiment)
{
	experiment->machine->scheduler.horizon_ps = UINT64_MAX;
	while (may_step(experiment, UINT64_MAX - 1))
		step(experiment);
	if (experiment->steps >= STEPS_MAX && !experiment->stopped)
		experiment_differs(experiment, 0, "the end", "a machine at rest",
				   "none within 20 million steps", NULL);
}

/* What comes next can't be done: the rest is not run. */
static void stop(struct experiment *experiment, uint32_t line, const char *what,
		 const char *expected, const char *got)
{
	char *text = g_strdup_printf("%s; the rest is not run", got);
	experiment_differs(experiment, line, what, expected, text, NULL);
	g_free(text);
	experiment->stopped = true;
}

/* What a line says behind its actor. */
static char *said(const struct script_step *at)
{
	const char *text = at->text + strcspn(at->text, " \t");
	return g_strdup(text + strspn(text, " \t"));
}

/* --- values --- */

/* False, and the experiment ends: the name has no value, as the call that binds it failed. */
static bool value_of(struct experiment *experiment, const struct script_step *at,
		     struct script_value value, uint64_t *number)
{
	*number = value.number;
	if (!value.named)
		return true;
	const struct bound_name *name = &experiment->names[value.name];
	*number = name->value + value.number;
	if (name->bound)
		return true;
	char *what = g_strdup_printf("$%s", (char *)experiment->script->names->pdata[value.name]);
	experiment_differs(experiment, at->line, what, "a value", "none; the rest is not run",
			   NULL);
	g_free(what);
	experiment->stopped = true;
	return false;
}

static void bind(struct experiment *experiment, uint32_t name, uint64_t value)
{
	experiment->names[name] = (struct bound_name){true, value};
}

/* --- processes --- */

static struct actor *actor_at(struct experiment *experiment, uint32_t index)
{
	struct actor *actor = &experiment->actors[index];
	if (actor->process != NULL)
		return actor;
	actor->process = process_new(experiment->machine, NULL);
	for (int fd = 0; fd < 3; fd++)
		fd_install_at(actor->process, fd,
			      file_new(experiment->machine, &char_device_ops, NULL, O_RDWR_BIT));
	machine_owner_rename(experiment->machine, actor->process->mm->owner,
			     experiment->script->actors->pdata[index]);
	return actor;
}

/* NULL, and the experiment ends: the process has exited. */
static struct actor *live_actor_at(struct experiment *experiment, const struct script_step *at)
{
	struct actor *actor = actor_at(experiment, at->actor);
	if (!actor->process->exiting)
		return actor;
	stop(experiment, at->line, experiment->script->actors->pdata[at->actor], "a process",
	     "it has exited");
	return NULL;
}

/* The VMM: whose memory the guest's is. */
static struct mm *vmm_memory(struct experiment *experiment)
{
	for (guint i = 0; i < experiment->script->actors->len; i++)
		if (strcmp(experiment->script->actors->pdata[i], "vmm") == 0 &&
		    !actor_at(experiment, i)->process->exited)
			return actor_at(experiment, i)->process->mm;
	return NULL;
}

static struct thread *free_thread(struct actor *actor)
{
	struct thread *thread;
	TAILQ_FOREACH (thread, &actor->process->threads, link)
		if (!thread->busy)
			return thread;
	return thread_new(actor->process);
}

/* Fresh memory for one call's argument: several calls may be under way. */
static uint64_t scratch_for(struct actor *actor)
{
	struct map_request request = {
		.length = SCRIPT_ARGUMENT_MAX,
		.prot = PROT_READ_BIT | PROT_WRITE_BIT,
		.flags = MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT,
	};
	uint64_t va = actor->scratch_free;
	actor->scratch_free = 0;
	if (va != 0)
		return va;
	return mm_map(actor->process->mm, &request, &va) == 0 ? va : 0;
}

/* --- calls --- */

static void put_le(uint8_t *to, uint64_t value, uint32_t width)
{
	for (uint32_t i = 0; i < width; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

void call_text(const struct running_call *call, GString *out)
{
	const struct recorded_call *recorded = call->step->call;
	const struct ioctl_layout *layout = recorded->layout;
	if (layout == NULL) {
		g_string_append_len(out, recorded->source->name, recorded->source->name_length);
		return;
	}
	g_string_append(out, layout->name);
	if (strcmp(layout->name, "IOMMU_IOAS_UNMAP") == 0)
		g_string_append_printf(out, " 0x%" G_GINT64_MODIFIER "x+0x%" G_GINT64_MODIFIER "x",
				       load_le(call->argument + 8, 8),
				       load_le(call->argument + 16, 8));
}

/* What fields hold after the call is what their names now stand for. */
static void bind_fields(struct experiment *experiment, const struct running_call *running)
{
	const struct recorded_call *call = running->step->call;
	for (uint32_t i = 0; i < call->binding_count; i++) {
		const struct recorded_binding *binding = &call->bindings[i];
		uint8_t bytes[8] = {0};
		mm_peek(running->actor->process->mm, va_of(running->scratch + binding->offset),
			bytes, binding->width);
		bind(experiment, binding->name, load_le(bytes, binding->width));
	}
}

/* Who compares, and the line of the call. */
struct answered_line {
	struct experiment *experiment;
	uint32_t line;
};

static void answer_differs(void *context, const char *field, int64_t offset, const char *expected,
			   const char *got)
{
	const struct answered_line *at = context;
	char *what = offset < 0 ? g_strdup(field)
				: g_strdup_printf("%s, byte %" G_GINT64_FORMAT, field, offset);
	experiment_differs(at->experiment, at->line, what, expected, got, NULL);
	g_free(what);
}

static uint8_t *peek(const struct running_call *running, uint64_t va, uint32_t length)
{
	uint8_t *bytes = g_malloc0(length + 1);
	mm_peek(running->actor->process->mm, va_of(va), bytes, length);
	return bytes;
}

/* What the line shows right of `=>`: fields of the struct, bytes behind pointers. */
static void compare_memory(const struct running_call *running, const struct answer_events *events)
{
	const struct recorded_call *call = running->step->call;
	if (call->has_argument) {
		uint8_t *got = peek(running, running->scratch, call->argument.length);
		answer_compare_struct(call, got, events);
		g_free(got);
	}
	for (uint32_t i = 0; i < call->pointee_count; i++) {
		const struct recorded_bytes *bytes = &call->pointees[i].bytes;
		if (bytes->after == bytes->before)
			continue; /* no `=>` */
		uint8_t *got = peek(running, running->pointees[i], bytes->length);
		answer_compare_bytes(call->pointees[i].name, bytes->after, got, bytes->length,
				     events);
		g_free(got);
	}
}

/* read's bytes, poll's revents, waitpid's status. */
static void compare_outputs(const struct running_call *running, const struct answer_events *events)
{
	const struct recorded_call *call = running->step->call;
	const struct syscall *syscall = running->syscall;
	if (call->has_out && syscall->out != call->out) {
		char expected[ANSWER_TEXT_MAX], got[ANSWER_TEXT_MAX];
		answer_number_text(expected, sizeof(expected), call->out);
		answer_number_text(got, sizeof(got), syscall->out);
		events->differs(events->context, call->number == SYS_POLL ? "revents" : "status",
				-1, expected, got);
	}
	if (!call->has_buffer || call->number != SYS_READ)
		return;
	uint32_t length = call->buffer.length;
	if (call->has_result_name && length != 0 && length != (uint64_t)syscall->result) {
		char expected[ANSWER_TEXT_MAX], got[ANSWER_TEXT_MAX];
		snprintf(expected, sizeof(expected), "%u bytes", length);
		snprintf(got, sizeof(got), "%" PRId64, syscall->result);
		events->differs(events->context, "buffer", -1, expected, got);
	}
	if (length > (uint64_t)syscall->result)
		length = (uint32_t)syscall->result;
	uint8_t *bytes = peek(running, running->scratch, length);
	answer_compare_bytes("buffer", call->buffer.before, bytes, length, events);
	g_free(bytes);
}

static void compare_result(struct experiment *experiment, const struct running_call *running)
{
	const struct recorded_call *call = running->step->call;
	const struct syscall *syscall = running->syscall;
	char *expected = NULL, *got = result_text(syscall->result);
	if (call->has_result_name && syscall->result < 0)
		expected = g_strdup("success");
	else if (!call->has_result_name && call->result_kind != RESULT_NONE &&
		 call->result != syscall->result)
		expected = result_text(call->result);
	if (expected != NULL)
		experiment_differs(experiment, call->line, "result", expected, got, &syscall->rule);
	g_free(expected);
	g_free(got);
}

/* A call is done: names get their values, what it answered is compared. */
static void finish_call(struct experiment *experiment, struct running_call *running)
{
	const struct recorded_call *call = running->step->call;
	struct syscall *syscall = running->syscall;
	struct answered_line at = {experiment, call->line};
	const struct answer_events events = {&at, answer_differs};
	running->state = CALL_RETURNED;
	running->done_ps = syscall->done_ps;
	running->result = syscall->result;
	if (!running->actor->process->exited)
		compare_memory(running, &events);
	if (syscall->result >= 0 && !running->actor->process->exited) {
		if (call->has_argument) {
			mm_peek(running->actor->process->mm, va_of(running->scratch),
				running->answer, sizeof(running->answer));
			bind_fields(experiment, running);
		}
		compare_outputs(running, &events);
		if (call->has_result_name)
			bind(experiment, call->result_name, (uint64_t)syscall->result);
	}
	compare_result(experiment, running);
	if (running->actor->scratch_free == 0)
		running->actor->scratch_free = running->scratch;
}

/* Of calls that run beside later lines: what they bind is known once they are done. */
static void finish_done_calls(struct experiment *experiment)
{
	for (guint i = experiment->first_running; i < experiment->calls->len; i++) {
		struct running_call *running = g_ptr_array_index(experiment->calls, i);
		if (running->syscall->done && running->state == CALL_RUNNING)
			finish_call(experiment, running);
	}
}

static void wait_for_calls(struct experiment *experiment)
{
	struct scheduler *scheduler = &experiment->machine->scheduler;
	scheduler->horizon_ps = UINT64_MAX;
	for (guint i = experiment->first_running; i < experiment->calls->len; i++) {
		struct running_call *running = g_ptr_array_index(experiment->calls, i);
		while (!running->syscall->done && may_step(experiment, UINT64_MAX - 1))
			step(experiment);
		if (running->syscall->done) {
			if (running->state == CALL_RUNNING)
				finish_call(experiment, running);
			continue;
		}
		if (!scheduler->broken)
			experiment_differs(experiment, running->step->line, "result", "a return",
					   experiment->steps < STEPS_MAX
						   ? "none: it sleeps and nothing can wake it"
						   : "none within 20 million steps",
					   NULL);
		experiment->stopped = true;
		running->state = CALL_HUNG;
		running->done_ps = UINT64_MAX;
	}
	experiment->first_running = experiment->calls->len;
	scheduler->horizon_ps = now_ps(experiment);
}

/* Puts the values of names where the call has them. */
static bool apply_patches(struct experiment *experiment, const struct script_step *at,
			  struct syscall *syscall, uint8_t *argument, uint64_t *pointees)
{
	const struct recorded_call *call = at->call;
	for (uint32_t i = 0; i < call->patch_count; i++) {
		const struct recorded_patch *patch = &call->patches[i];
		uint64_t value;
		if (!value_of(experiment, at, (struct script_value){true, patch->add, patch->name},
			      &value))
			return false;
		switch (patch->place) {
		case PATCH_ARGUMENT:
			syscall->args[patch->at] = value;
			break;
		case PATCH_FIELD:
			put_le(argument + patch->at, value, patch->width);
			break;
		case PATCH_POINTEE:
			pointees[patch->at] = value;
			break;
		}
	}
	return true;
}

/* The call's struct, its buffer and what its pointers lead to, in the process's memory. */
static void put_arguments(struct experiment *experiment, struct running_call *running)
{
	const struct recorded_call *call = running->step->call;
	const uint8_t *argument = experiment->argument;
	struct mm *mm = running->actor->process->mm;
	for (uint32_t i = 0; i < call->pointee_count; i++)
		mm_poke(mm, va_of(running->pointees[i]), call->pointees[i].bytes.before,
			call->pointees[i].bytes.length);
	if (call->has_argument || call->has_buffer)
		running->scratch = scratch_for(running->actor);
	if (call->has_buffer) {
		mm_poke(mm, va_of(running->scratch), call->buffer.before, call->buffer.length);
		running->syscall->args[1] = running->scratch;
	}
	if (call->has_argument) {
		mm_poke(mm, va_of(running->scratch), argument, call->reserve);
		running->syscall->args[2] = running->scratch;
		memcpy(running->argument, argument,
		       call->reserve < sizeof(running->argument) ? call->reserve
								 : sizeof(running->argument));
	}
}

static void show_to_watch(struct experiment *experiment, const struct script_step *at,
			  struct thread *thread, struct syscall *syscall)
{
	const struct call_watch *watch = experiment->options.watch;
	if (watch != NULL)
		watch->ready(watch->context, &(struct watched_call){thread, syscall, at->line,
								    experiment->script->platform,
								    experiment->hardware});
}

static void start_call(struct experiment *experiment, const struct script_step *at)
{
	const struct recorded_call *call = at->call;
	struct actor *actor = live_actor_at(experiment, at);
	if (actor == NULL)
		return;
	struct syscall *syscall = arena_new(experiment->machine->arena, struct syscall);
	uint64_t pointees[POINTEES_MAX] = {0};
	syscall->number = call->number;
	memcpy(syscall->args, call->args, sizeof(syscall->args));
	if (call->path != NULL)
		g_strlcpy(syscall->path, call->path, sizeof(syscall->path));
	if (call->has_argument)
		memcpy(experiment->argument, call->argument.before, call->reserve);
	for (uint32_t i = 0; i < call->pointee_count; i++)
		pointees[i] = call->pointees[i].va;
	if (!apply_patches(experiment, at, syscall, experiment->argument, pointees))
		return;
	struct running_call *running = g_new0(struct running_call, 1);
	running->step = at;
	running->actor = actor;
	running->syscall = syscall;
	running->start_ps = now_ps(experiment);
	memcpy(running->pointees, pointees, sizeof(pointees));
	running->told =
		tell(experiment, at->line, experiment->script->actors->pdata[at->actor], NULL);
	g_ptr_array_add(experiment->calls, running);
	put_arguments(experiment, running);
	struct thread *thread = free_thread(actor);
	show_to_watch(experiment, at, thread, syscall);
	if (!syscall_start(thread, syscall)) {
		stop(experiment, at->line, "call", "a free stack", "none");
		syscall->done = true;
		running->state = CALL_HUNG;
	} else if (syscall->done) {
		finish_call(experiment, running);
	}
}

#define STORE_SHOWN 64U /* bytes of a store in the story */

/* What a store says; many bytes are counted. */
static char *said_store(const struct script_step *at)
{
	char *text = said(at), *digits = strchr(text, '"');
	if (digits == NULL || at->store.length <= STORE_SHOWN)
		return text;
	digits[1 + 2 * (size_t)STORE_SHOWN] = 0;
	char *shortened = g_strdup_printf("%s...\" (%u bytes)", text, at->store.length);
	g_free(text);
	return shortened;
}

static void do_store(struct experiment *experiment, const struct script_step *at)
{
	struct actor *actor = live_actor_at(experiment, at);
	uint64_t address;
	if (actor == NULL || !value_of(experiment, at, at->store.address, &address))
		return;
	const char *name = experiment->script->actors->pdata[at->actor];
	uint64_t done =
		mm_write(actor->process->mm, va_of(address), at->store.bytes, at->store.length);
	tell(experiment, at->line, name, said_store(at));
	if (done == at->store.length)
		return;
	char *got = g_strdup_printf("SIGSEGV of %s at 0x%" PRIx64, name, address + done);
	stop(experiment, at->line, "store", "memory that is mapped, to be written", got);
	g_free(got);
}

/* --- the guest --- */

/* Guest memory is the VMM's: a store to what the VMM has unmapped goes nowhere, which is false. */
static bool guest_store(struct experiment *experiment, uint64_t gpa, const void *bytes, size_t size)
{
	struct mm *mm = vmm_memory(experiment);
	bool stored = false;
	for (guint i = 0; mm != NULL && i < experiment->ram->len; i++) {
		const struct guest_ram *ram = &g_array_index(experiment->ram, struct guest_ram, i);
		if (gpa - ram->gpa < ram->length)
			stored |= mm_write(mm, va_of(ram->va + (gpa - ram->gpa)), bytes, size) ==
				  size;
	}
	return stored;
}

/* TEXT is taken over. */
static char *goes_nowhere(char *text)
{
	char *nowhere = g_strconcat(text, ": not mapped, it goes nowhere", NULL);
	g_free(text);
	return nowhere;
}

static void guest_produce(struct experiment *experiment, const struct script_step *at)
{
	struct guest_queue *queue = &experiment->queues[at->produce.queue];
	const struct script_queue *named =
		&g_array_index(experiment->script->queues, struct script_queue, at->produce.queue);
	bool stored = true;
	for (uint32_t i = 0; i < at->produce.count; i++) {
		stored &= guest_store(experiment,
				      queue->gpa + queue->tail % named->entries * COMMAND_BYTES,
				      at->produce.bytes + (size_t)i * COMMAND_BYTES, COMMAND_BYTES);
		queue->tail++;
	}
	tell(experiment, at->line, "guest", stored ? said(at) : goes_nowhere(said(at)));
}

/* Where a register of the queue is, through the VMM's mapping. False: unmapped. */
static bool queue_register(struct experiment *experiment, uint32_t number, uint32_t offset,
			   struct pa *pa)
{
	const struct platform *platform = experiment->script->platform;
	struct guest_queue *queue = &experiment->queues[number];
	const struct script_queue *named =
		&g_array_index(experiment->script->queues, struct script_queue, number);
	struct mm *mm = vmm_memory(experiment);
	uint64_t slot = queue->page + (uint64_t)platform->queue_stride * named->index, pfn, run;
	struct vma *vma = mm != NULL ? mm_find_vma(mm, slot + offset) : NULL;
	if (vma == NULL || vma->object == NULL || vma->object->kind != OBJECT_DEVICE ||
	    mm_fault(mm, va_of(slot), 1, FAULT_WRITE, &pfn, &run) != 0)
		return false;
	struct pa base = pa_of(pfn * PAGE_SIZE + page_offset(slot));
	queue->has_context |= platform->queue_context(experiment->hardware, base, &queue->context);
	*pa = pa_of(base.value + offset);
	return true;
}

static void guest_write(struct experiment *experiment, const struct script_step *at)
{
	struct pa pa;
	uint64_t value;
	if (!value_of(experiment, at, at->access.value, &value))
		return;
	bool mapped = queue_register(experiment, at->access.queue, at->access.reg->offset, &pa);
	tell(experiment, at->line, "guest", mapped ? said(at) : goes_nowhere(said(at)));
	if (mapped)
		bus_write(&experiment->machine->bus, pa, at->access.reg->width, value);
}

static void guest_read(struct experiment *experiment, const struct script_step *at)
{
	struct pa pa;
	uint64_t value, got = at->access.reg->width == 8 ? UINT64_MAX : UINT32_MAX;
	if (!value_of(experiment, at, at->access.value, &value))
		return;
	if (queue_register(experiment, at->access.queue, at->access.reg->offset, &pa))
		got = bus_read(&experiment->machine->bus, pa, at->access.reg->width);
	char *expected_text = g_strdup_printf("0x%" G_GINT64_MODIFIER "x", value);
	char *got_text = g_strdup_printf("0x%" G_GINT64_MODIFIER "x", got);
	if (got != value)
		experiment_differs(experiment, at->line, "register", expected_text, got_text, NULL);
	tell(experiment, at->line, "guest",
	     g_strdup_printf("reads %s = %s", at->access.reg->name, got_text));
	g_free(expected_text);
	g_free(got_text);
}

/* --- the device, the host --- */

/* "ok at 0x1000", "fault", "fault F_TRANSLATION" */
static char *dma_text(bool ok, struct pa pa, const char *event)
{
	if (ok)
		return g_strdup_printf("ok at PA 0x%" G_GINT64_MODIFIER "x", pa.value);
	return event != NULL ? g_strdup_printf("fault %s", event) : g_strdup("fault, no event");
}

static void compare_outcome(struct experiment *experiment, const struct script_step *at,
			    const char *what, const struct script_outcome *wanted, bool ok,
			    struct pa pa, const char *event)
{
	bool same = ok != wanted->fault && (!ok || !wanted->has_pa || pa.value == wanted->pa) &&
		    (ok || wanted->event == NULL ||
		     (event != NULL && strcmp(wanted->event, event) == 0));
	if (same)
		return;
	char *got = dma_text(ok, pa, event);
	char *expected = wanted->fault    ? dma_text(false, pa, wanted->event)
			 : wanted->has_pa ? dma_text(true, pa_of(wanted->pa), NULL)
					  : g_strdup("ok");
	experiment_differs(experiment, at->line, what, expected, got, NULL);
	g_free(expected);
	g_free(got);
}

static void do_dma(struct experiment *experiment, const struct script_step *at)
{
	uint64_t iova, word = 0;
	if (!value_of(experiment, at, at->dma.iova, &iova))
		return;
	struct platform_dma dma = experiment->script->platform->dma(
		experiment->hardware, at->dma.id, iova & ~7ULL, at->dma.write, &word, sizeof(word));
	compare_outcome(experiment, at, "dma", &at->dma.outcome, dma.ok, dma.pa, dma.event);
	char *result = dma_text(dma.ok, dma.pa, dma.event);
	tell(experiment, at->line, at->dma.name,
	     g_strdup_printf("DMA %s 0x%" G_GINT64_MODIFIER "x: %s%s",
			     at->dma.write ? "write" : "read", iova, result,
			     dma.ok && dma.path == PATH_CACHED   ? ", by a cached translation"
			     : dma.ok && dma.path == PATH_DEVICE ? ", by the device's own cache"
								 : ""));
	g_free(result);
}

/* As a call, so that the kernel's locks and waits are what they are for calls. */
static int64_t call_host(struct experiment *experiment, struct actor *actor,
			 enum syscall_number number, uint64_t address)
{
	struct scheduler *scheduler = &experiment->machine->scheduler;
	struct syscall *call = arena_new(experiment->machine->arena, struct syscall);
	call->number = number;
	call->args[0] = address;
	scheduler->horizon_ps = UINT64_MAX;
	bool started = syscall_start(free_thread(actor), call);
	while (started && !call->done && may_step(experiment, UINT64_MAX - 1))
		step(experiment);
	scheduler->horizon_ps = now_ps(experiment);
	return call->done ? call->result : -EAGAIN;
}

static const struct host_action {
	enum step_kind kind;
	enum syscall_number number;
	const char *name;
	const char *does;
} host_actions[] = {
	{STEP_MIGRATE, SYS_HOST_MIGRATE, "migrate", "moves"},
	{STEP_RECLAIM, SYS_HOST_RECLAIM, "reclaim", "takes"},
	{STEP_UPDATE, SYS_HOST_UPDATE, "update", "maps anew"},
};

static void do_host(struct experiment *experiment, const struct script_step *at)
{
	const struct host_action *action = host_actions;
	struct actor *actor = live_actor_at(experiment, at);
	uint64_t address;
	if (actor == NULL || !value_of(experiment, at, at->page.address, &address))
		return;
	while (action->kind != at->kind)
		action++;
	int64_t result = call_host(experiment, actor, action->number, address);
	char *got = result_text(result), *expected = result_text(at->page.result);
	if (result != at->page.result)
		experiment_differs(experiment, at->line, action->name, expected, got, NULL);
	tell(experiment, at->line, "host",
	     g_strdup_printf("%s 0x%" G_GINT64_MODIFIER "x of %s: %s", action->does, address,
			     (char *)experiment->script->actors->pdata[at->actor], got));
	g_free(expected);
	g_free(got);
}

/* --- directives --- */

static void set_kernel(struct experiment *experiment, const struct script_step *at)
{
	struct iommufd_module *module = experiment->machine->kernel;
	module->options.values[at->option.option] = at->option.value;
}

static void set_assumption(struct experiment *experiment, unsigned option, unsigned value)
{
	if ((int)option == experiment->options.other_option)
		return; /* this run asks what another value would do */
	experiment->script->platform->assumed(experiment->hardware)->values[option] =
		(uint8_t)value;
}

static void add_device(struct experiment *experiment, const struct script_step *at)
{
	uint32_t number = at->device.device;
	const struct script_device *device =
		&g_array_index(experiment->script->devices, struct script_device, number);
	const struct platform *platform = experiment->script->platform;
	if (device->host) {
		platform->add_host_device(experiment->hardware, device->id);
		return;
	}
	experiment->devices[number] =
		platform->add_device(experiment->hardware, device->id, device->ats);
	if (experiment->devices[number] != NULL)
		vfio_cdev_register(experiment->machine, device->path, experiment->devices[number]);
}

static void add_ram(struct experiment *experiment, const struct script_step *at)
{
	struct guest_ram ram;
	if (value_of(experiment, at, at->ram.gpa, &ram.gpa) &&
	    value_of(experiment, at, at->ram.va, &ram.va) &&
	    value_of(experiment, at, at->ram.length, &ram.length))
		g_array_append_val(experiment->ram, ram);
}

static void add_queue(struct experiment *experiment, const struct script_step *at)
{
	struct guest_queue *queue = &experiment->queues[at->queue.queue];
	struct pa pa;
	if (!value_of(experiment, at, at->queue.page, &queue->page) ||
	    !value_of(experiment, at, at->queue.gpa, &queue->gpa))
		return;
	queue_register(experiment, at->queue.queue, 0, &pa);
}

/* A delay in force ends: one that no call passed would be a silent nothing. */
static void end_delay(struct experiment *experiment)
{
	struct scheduler *scheduler = &experiment->machine->scheduler;
	if (experiment->delay != NULL && scheduler->delays == experiment->delays_before) {
		char *what = g_strdup_printf("delay at '%s'", experiment->delay->delay.point);
		experiment_differs(experiment, experiment->delay->line, what, "a call passes it",
				   "none did", NULL);
		g_free(what);
	}
	experiment->delay = NULL;
}

static void set_delay(struct experiment *experiment, const struct script_step *at)
{
	struct scheduler *scheduler = &experiment->machine->scheduler;
	end_delay(experiment);
	scheduler->delay_at = at->delay.point;
	scheduler->delay_ps = at->delay.delay_ps;
	experiment->delay = at;
	experiment->delays_before = scheduler->delays;
}

static void add_port_fault(struct experiment *experiment, const struct script_step *at)
{
	const struct port_fault fault = {
		.engine = machine_engine(experiment->machine, experiment->script->platform->engine),
		.purpose = at->port_fault.purpose,
		.action = at->port_fault.action,
		.late_ps = at->port_fault.late_ps,
		.nth = at->port_fault.nth,
	};
	bool kept = port_inject(experiment->machine, &fault);
	assert(kept && "the script has no more than fit");
	(void)kept;
}

static void add_write_fault(struct experiment *experiment, const struct script_step *at)
{
	struct pa pa;
	if (!queue_register(experiment, at->write_fault.queue, at->write_fault.reg->offset, &pa)) {
		experiment_differs(experiment, at->line, "fault", "a mapped register",
				   "the queue's page is not mapped", NULL);
		return;
	}
	bool kept =
		bus_inject(experiment->machine, pa, at->write_fault.nth, at->write_fault.late_ps);
	assert(kept && "the script has no more than fit");
	(void)kept;
}

static void set_silent(struct experiment *experiment, const struct script_step *at)
{
	const struct script_device *device = &g_array_index(
		experiment->script->devices, struct script_device, at->device_fault.device);
	experiment->script->platform->set_silent(experiment->hardware, device->id,
						 at->device_fault.silent);
}

static void do_mmio(struct experiment *experiment, const struct script_step *at)
{
	struct bus *bus = &experiment->machine->bus;
	struct pa pa;
	unsigned width;
	uint64_t value;
	if (!value_of(experiment, at, at->mmio.value, &value))
		return;
	platform_find_register(experiment->script->platform, at->mmio.reg, &pa, &width);
	if (at->kind == STEP_MMIO_WRITE) {
		bus_write(bus, pa, width, value);
		return;
	}
	uint64_t got = bus_read(bus, pa, width);
	if (got == value)
		return;
	char *expected_text = g_strdup_printf("0x%" G_GINT64_MODIFIER "x", value);
	char *got_text = g_strdup_printf("0x%" G_GINT64_MODIFIER "x", got);
	experiment_differs(experiment, at->line, at->mmio.reg, expected_text, got_text, NULL);
	g_free(expected_text);
	g_free(got_text);
}

static void do_translate(struct experiment *experiment, const struct script_step *at)
{
	uint64_t iova;
	if (!value_of(experiment, at, at->translate.iova, &iova))
		return;
	struct platform_translation got = experiment->script->platform->translate(
		experiment->hardware, at->translate.device, iova, at->translate.write);
	compare_outcome(experiment, at, "translation", &at->translate.outcome, got.ok, got.pa,
			got.event);
}

static void do_step(struct experiment *experiment, const struct script_step *at)
{
	switch (at->kind) {
	case STEP_CALL:
		start_call(experiment, at);
		break;
	case STEP_STORE:
		do_store(experiment, at);
		break;
	case STEP_PRODUCE:
		guest_produce(experiment, at);
		break;
	case STEP_WRITE:
		guest_write(experiment, at);
		break;
	case STEP_READ:
		guest_read(experiment, at);
		break;
	case STEP_DMA:
		do_dma(experiment, at);
		break;
	case STEP_MIGRATE:
	case STEP_RECLAIM:
	case STEP_UPDATE:
		do_host(experiment, at);
		break;
	case STEP_KERNEL:
		set_kernel(experiment, at);
		break;
	case STEP_HARDWARE:
		set_assumption(experiment, at->option.option, at->option.value);
		break;
	case STEP_DEVICE:
		add_device(experiment, at);
		break;
	case STEP_RAM:
		add_ram(experiment, at);
		break;
	case STEP_QUEUE:
		add_queue(experiment, at);
		break;
	case STEP_RUN:
		let_pass(experiment, now_ps(experiment) + at->duration_ps);
		break;
	case STEP_DELAY:
		set_delay(experiment, at);
		break;
	case STEP_PORT_FAULT:
		add_port_fault(experiment, at);
		break;
	case STEP_WRITE_FAULT:
		add_write_fault(experiment, at);
		break;
	case STEP_DEVICE_FAULT:
		set_silent(experiment, at);
		break;
	case STEP_LOAD:
		if (!image_place(at->image, experiment->machine))
			experiment_differs(experiment, at->line, "load", "room beside RAM", "none",
					   NULL);
		break;
	case STEP_MMIO_WRITE:
	case STEP_MMIO_READ:
		do_mmio(experiment, at);
		break;
	case STEP_TRANSLATE:
		do_translate(experiment, at);
		break;
	}
}

/* False, and the experiment ends: it takes too long, in its own time or in ours. */
static bool time_is_left(struct experiment *experiment, const struct script_step *at)
{
	if (experiment->steps >= STEPS_MAX)
		stop(experiment, at->line, "steps", "an experiment of 20 million at most", "more");
	else if (now_ps(experiment) > END_OF_TIME_PS)
		stop(experiment, at->line, "time", "an experiment of 4 * 10^6 s at most", "more");
	return !experiment->stopped;
}

/* False: the instant is past. */
static bool wait_for_start(struct experiment *experiment, const struct script_step *at)
{
	uint64_t start_ps = at->start_ps;
	if (at->start == START_WHEN_DONE) {
		wait_for_calls(experiment);
		return !experiment->stopped;
	}
	if (at->start == START_AFTER)
		start_ps += experiment->step_start_ps;
	if (start_ps < now_ps(experiment)) {
		char *wanted = g_strdup_printf("%.3f us", (double)start_ps / 1e6);
		char *got = g_strdup_printf("%.3f us; the rest is not run",
					    (double)now_ps(experiment) / 1e6);
		experiment_differs(experiment, at->line, "start", wanted, got, NULL);
		g_free(wanted);
		g_free(got);
		return false;
	}
	let_pass(experiment, start_ps);
	finish_done_calls(experiment);
	return true;
}

/* Steps [FIRST, END), as far as they can be run. */
static void run_steps(struct experiment *experiment, guint first, guint end)
{
	const GArray *steps = experiment->script->steps;
	for (guint i = first; i < end && !experiment->stopped; i++) {
		const struct script_step *at = &g_array_index(steps, struct script_step, i);
		if (!time_is_left(experiment, at) || !wait_for_start(experiment, at))
			break;
		experiment->step_start_ps = now_ps(experiment);
		experiment->chronicle->line = at->kind == STEP_RUN ? 0 : at->line;
		do_step(experiment, at);
		experiment->chronicle->line = 0;
	}
}

static void finish(struct experiment *experiment)
{
	wait_for_calls(experiment);
	end_delay(experiment);
	run_out(experiment);
	checker_finish(experiment->checker);
}

/* --- an experiment --- */

static void make_machine(struct experiment *experiment, struct machine **machine)
{
	const struct script *script = experiment->script;
	struct machine_config config = machine_config_default();
	config.reuse = script->reuse;
	config.seed = script->seed;
	*machine = machine_renew(*machine, &config);
	experiment->machine = *machine;
	iommufd_register(*machine);
	(*machine)->scheduler.stepwise = experiment->options.check_steps;
	experiment->checker = checker_new(*machine);
	experiment->chronicle = chronicle_new(*machine);
}

/* What stands before all else holds when the driver probes, too. */
static void set_kernel_at_start(struct experiment *experiment)
{
	const GArray *steps = experiment->script->steps;
	for (guint i = 0; i < steps->len; i++) {
		const struct script_step *step = &g_array_index(steps, struct script_step, i);
		if (step->kind != STEP_KERNEL)
			return;
		set_kernel(experiment, step);
	}
}

/* Options of the command line, and hardware with the assumptions that hold from the start. */
static void make_hardware(struct experiment *experiment)
{
	const struct script *script = experiment->script;
	struct iommufd_module *module = experiment->machine->kernel;
	struct option_set assumptions = {0};
	if (script->platform != NULL)
		option_set_init(&assumptions, script->platform->assumptions);
	for (guint i = 0; i < script->overrides->len; i++) {
		const struct script_override *set =
			&g_array_index(script->overrides, struct script_override, i);
		if (set->hardware)
			assumptions.values[set->option] = (uint8_t)set->value;
		else
			module->options.values[set->option] = (uint8_t)set->value;
	}
	if (experiment->options.other_option >= 0)
		assumptions.values[experiment->options.other_option] =
			(uint8_t)experiment->options.other_value;
	if (script->platform != NULL && experiment->options.qemu_events != NULL)
		qemu_events_start(experiment->machine, script->platform->qemu,
				  experiment->options.qemu_events);
	set_kernel_at_start(experiment);
	if (script->platform != NULL)
		experiment->hardware = script->platform->create(
			experiment->machine, &script->profile, &assumptions, script->bare);
}

static void free_experiment(struct experiment *experiment)
{
	arena_snapshot_free(experiment->snapshot);
	g_free(experiment->argument);
	g_free(experiment->names);
	g_free(experiment->queues);
	g_free(experiment->actors);
	g_free(experiment->devices);
	g_array_free(experiment->ram, TRUE);
	g_ptr_array_free(experiment->calls, TRUE);
	g_ptr_array_free(experiment->told, TRUE);
	g_free(experiment);
}

static void out_of_memory(struct experiment *experiment)
{
	char *limit =
		g_strdup_printf("less than %zu bytes", arena_limit(experiment->machine->arena));
	experiment_differs(experiment, 0, "memory of the emulator", limit, "all of it", NULL);
	g_free(limit);
}

/* On the heap: the machine's guard may come back with a longjmp(). */
static struct experiment *new_experiment(const struct script *script,
					 const struct experiment_options *options)
{
	struct outcome *outcome = g_new0(struct outcome, 1);
	struct experiment *experiment = g_new0(struct experiment, 1);
	experiment->script = script;
	experiment->options = *options;
	experiment->outcome = outcome;
	experiment->argument = g_malloc(SCRIPT_ARGUMENT_MAX + 1);
	experiment->names = g_new0(struct bound_name, script->names->len + 1);
	experiment->queues = g_new0(struct guest_queue, script->queues->len + 1);
	experiment->actors = g_new0(struct actor, script->actors->len + 1);
	experiment->devices = g_new0(struct device *, script->devices->len + 1);
	experiment->ram = g_array_new(FALSE, TRUE, sizeof(struct guest_ram));
	experiment->calls = g_ptr_array_new_with_free_func(g_free);
	experiment->told = g_ptr_array_new();
	outcome->path = g_strdup(script->path);
	outcome->title = g_strdup(script->title);
	outcome->profile = script->profile_name != NULL ? g_path_get_basename(script->profile_name)
							: g_strdup("-");
	outcome->differences = g_ptr_array_new();
	outcome->story = g_ptr_array_new();
	outcome->violations = g_ptr_array_new();
	outcome->other_values = g_ptr_array_new();
	return experiment;
}

static struct outcome *conclude(struct experiment *experiment)
{
	struct outcome *outcome = experiment->outcome;
	const struct call_watch *watch = experiment->options.watch;
	if (experiment->machine->scheduler.broken)
		out_of_memory(experiment);
	experiment_conclude(experiment);
	if (watch != NULL && watch->ended != NULL && !experiment->machine->scheduler.broken)
		watch->ended(watch->context, experiment->machine);
	free_experiment(experiment);
	return outcome;
}

struct outcome *experiment_run(const struct script *script,
			       const struct experiment_options *options, struct machine **machine)
{
	struct experiment *experiment = new_experiment(script, options);
	make_machine(experiment, machine);
	if (machine_guard(experiment->machine) == 0) {
		make_hardware(experiment);
		run_steps(experiment, 0, script->steps->len);
		finish(experiment);
	} else {
		experiment->machine->scheduler.broken = true;
	}
	return conclude(experiment);
}

/* --- from a saved machine --- */

struct experiment_point {
	struct experiment *before; /* as it was there */
	struct arena_snapshot *saved;
	guint step; /* the next */
	bool consulted[OPTIONS_MAX];
};

static bool is_set_up(enum step_kind kind)
{
	return kind == STEP_CALL || kind == STEP_KERNEL || kind == STEP_HARDWARE ||
	       kind == STEP_DEVICE || kind == STEP_RAM || kind == STEP_QUEUE;
}

static guint set_up_steps(const struct script *script)
{
	guint count = 0;
	while (count < script->steps->len) {
		const struct script_step *at =
			&g_array_index(script->steps, struct script_step, count);
		if (!is_set_up(at->kind) || at->start != START_WHEN_DONE)
			break;
		count++;
	}
	/* A timed line starts beside the call before it, which then is not set-up. */
	bool timed =
		count < script->steps->len &&
		g_array_index(script->steps, struct script_step, count).start != START_WHEN_DONE;
	return timed && count > 0 ? count - 1 : count;
}

struct experiment_point *experiment_set_up(const struct script *script, struct machine **machine)
{
	const struct experiment_options options = {.other_option = -1};
	struct experiment *experiment = new_experiment(script, &options);
	struct experiment_point *point = g_new0(struct experiment_point, 1);
	point->before = experiment;
	point->step = set_up_steps(script);
	make_machine(experiment, machine);
	if (machine_guard(experiment->machine) == 0) {
		make_hardware(experiment);
		run_steps(experiment, 0, point->step);
		wait_for_calls(experiment);
	} else {
		experiment->machine->scheduler.broken = true;
	}
	if (experiment->stopped || experiment->machine->scheduler.broken ||
	    experiment->outcome->differences->len > 0 || experiment->hardware == NULL) {
		experiment_point_free(point);
		return NULL;
	}
	const struct option_set *assumed = script->platform->assumed(experiment->hardware);
	memcpy(point->consulted, assumed->consulted, sizeof(point->consulted));
	point->saved = arena_save(experiment->machine->arena, NULL);
	return point;
}

void experiment_point_free(struct experiment_point *point)
{
	if (point == NULL)
		return;
	outcome_free(point->before->outcome);
	free_experiment(point->before);
	arena_snapshot_free(point->saved);
	g_free(point);
}

/* What lies outside the machine, as it was at the point. */
static void copy_state(struct experiment *to, const struct experiment *from)
{
	const struct script *script = from->script;
	to->machine = from->machine;
	to->hardware = from->hardware;
	to->checker = from->checker;
	to->chronicle = from->chronicle;
	to->first_running = from->first_running;
	to->steps = from->steps;
	to->step_start_ps = from->step_start_ps;
	memcpy(to->names, from->names, script->names->len * sizeof(*to->names));
	memcpy(to->queues, from->queues, script->queues->len * sizeof(*to->queues));
	memcpy(to->actors, from->actors, script->actors->len * sizeof(*to->actors));
	memcpy(to->devices, from->devices, script->devices->len * sizeof(struct device *));
	g_array_append_vals(to->ram, from->ram->data, from->ram->len);
	for (guint i = 0; i < from->calls->len; i++)
		g_ptr_array_add(to->calls,
				g_memdup2(from->calls->pdata[i], sizeof(struct running_call)));
}

struct outcome *experiment_resume(const struct experiment_point *point,
				  const struct experiment_options *options)
{
	const struct script *script = point->before->script;
	struct experiment *experiment = new_experiment(script, options);
	assert(!options->story && !options->check_steps);
	arena_restore(point->before->machine->arena, point->saved);
	copy_state(experiment, point->before);
	if (options->other_option >= 0)
		script->platform->assumed(experiment->hardware)->values[options->other_option] =
			(uint8_t)options->other_value;
	if (machine_guard(experiment->machine) == 0) {
		run_steps(experiment, point->step, script->steps->len);
		finish(experiment);
	} else {
		experiment->machine->scheduler.broken = true;
	}
	return conclude(experiment);
}

/* --- other values of assumptions --- */

static void try_value(const struct script *script, struct outcome *outcome, unsigned option,
		      unsigned value, const struct experiment_point *point,
		      struct machine **machine)
{
	const struct experiment_options options = {.other_option = (int)option,
						   .other_value = value};
	/* What the set-up did not ask for can't have changed it. */
	struct outcome *run = point != NULL && !point->consulted[option]
				      ? experiment_resume(point, &options)
				      : experiment_run(script, &options, machine);
	struct other_value *other = g_new0(struct other_value, 1);
	*other = (struct other_value){
		.option = &script->platform->assumptions[option],
		.value = outcome->assumed[option],
		.another = value,
		.verdict = g_strdup(run->verdict),
		.did = g_strdup(run->did),
		.guest = g_strdup(run->guest),
		.changed = strcmp(run->verdict, outcome->verdict) != 0,
	};
	g_ptr_array_add(outcome->other_values, other);
	outcome_free(run);
}

void experiment_sweep(const struct script *script, struct outcome *outcome,
		      struct machine **machine)
{
	const struct option *options =
		script->platform != NULL ? script->platform->assumptions : NULL;
	struct experiment_point *point =
		options != NULL ? experiment_set_up(script, machine) : NULL;
	for (unsigned i = 0; options != NULL && options[i].key != NULL; i++)
		for (unsigned value = 0; value < option_value_count(&options[i]); value++)
			if (outcome->consulted[i] && value != outcome->assumed[i])
				try_value(script, outcome, i, value, point, machine);
	experiment_point_free(point);
}

const struct other_value *outcome_hangs_on(const struct outcome *outcome, guint nth)
{
	for (guint i = 0; i < outcome->other_values->len; i++) {
		const struct other_value *other = outcome->other_values->pdata[i];
		if (other->changed && nth-- == 0)
			return other;
	}
	return NULL;
}
