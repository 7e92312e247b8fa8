// SPDX-License-Identifier: Apache-2.0
#include "emu/task.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "emu/arena.h"

#if defined(__SANITIZE_ADDRESS__)
#define TASK_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TASK_ASAN 1
#endif
#endif

#ifdef TASK_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

/*
 * task_switch(&save, load): pushes the callee-saved registers, stores the stack pointer in *save,
 * takes the one in load and pops. Signal masks and floating-point modes are not switched: nothing
 * here changes them, and the two system calls of swapcontext() would cost more than a step.
 */
void task_switch(void **save, void *load);
void task_entry(void);

#if defined(__x86_64__)
__asm__(".text\n"
	".globl task_switch\n"
	".type task_switch, @function\n"
	"task_switch:\n"
	"	pushq %rbp\n	pushq %rbx\n"
	"	pushq %r12\n	pushq %r13\n	pushq %r14\n	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n"
	"	popq %rbx\n	popq %rbp\n"
	"	ret\n"
	".size task_switch, .-task_switch\n"
	/* First entry: the task is in rbx, its main function in r12. */
	".globl task_entry\n"
	".type task_entry, @function\n"
	"task_entry:\n"
	"	movq %rbx, %rdi\n"
	"	xorl %ebp, %ebp\n"
	"	callq *%r12\n"
	"	ud2\n"
	".size task_entry, .-task_entry\n");

static void *first_frame(void *stack_end, struct task *task, void (*main)(struct task *))
{
	uint64_t *sp = stack_end;
	sp -= 2; /* the entry finds sp 16-byte aligned */
	memset(sp, 0, 2 * sizeof(*sp));
	*--sp = (uint64_t)(uintptr_t)&task_entry; /* return address of task_switch */
	*--sp = 0;                                /* rbp */
	*--sp = (uint64_t)(uintptr_t)task;        /* rbx */
	*--sp = (uint64_t)(uintptr_t)main;        /* r12 */
	sp -= 3;                                  /* r13, r14, r15 */
	memset(sp, 0, 3 * sizeof(*sp));
	return sp;
}
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl task_switch\n"
	".type task_switch, %function\n"
	"task_switch:\n"
	"	sub sp, sp, #160\n"
	"	stp x19, x20, [sp]\n	stp x21, x22, [sp, #16]\n"
	"	stp x23, x24, [sp, #32]\n	stp x25, x26, [sp, #48]\n"
	"	stp x27, x28, [sp, #64]\n	stp x29, x30, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n	stp d14, d15, [sp, #144]\n"
	"	mov x2, sp\n	str x2, [x0]\n	mov sp, x1\n"
	"	ldp x19, x20, [sp]\n	ldp x21, x22, [sp, #16]\n"
	"	ldp x23, x24, [sp, #32]\n	ldp x25, x26, [sp, #48]\n"
	"	ldp x27, x28, [sp, #64]\n	ldp x29, x30, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #160\n"
	"	ret\n"
	".size task_switch, .-task_switch\n"
	".globl task_entry\n"
	".type task_entry, %function\n"
	"task_entry:\n"
	"	mov x0, x19\n	blr x20\n	brk #1\n"
	".size task_entry, .-task_entry\n");

static void *first_frame(void *stack_end, struct task *task, void (*main)(struct task *))
{
	uint64_t *sp = (uint64_t *)stack_end - 20;
	memset(sp, 0, 20 * sizeof(*sp));
	sp[0] = (uint64_t)(uintptr_t)task;         /* x19 */
	sp[1] = (uint64_t)(uintptr_t)main;         /* x20 */
	sp[11] = (uint64_t)(uintptr_t)&task_entry; /* x30 */
	return sp;
}
#else
#error "task_switch() is written for x86-64 and AArch64"
#endif

void scheduler_init(struct scheduler *scheduler, struct arena *arena, struct clock *clock)
{
	memset(scheduler, 0, sizeof(*scheduler));
	scheduler->arena = arena;
	scheduler->clock = clock;
	scheduler->horizon_ps = UINT64_MAX;
}

/* Runs on the caller's stack until TASK stops. */
static void switch_to(struct task *task)
{
	struct scheduler *scheduler = task->scheduler;
	assert(scheduler->current == NULL);
	scheduler->current = task;
	scheduler->switches++;
#ifdef TASK_ASAN
	void *fake = NULL;
	__sanitizer_start_switch_fiber(&fake, task->stack, ARENA_STACK_SIZE);
#endif
	task_switch(&scheduler->caller_sp, task->sp);
#ifdef TASK_ASAN
	__sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
	scheduler->current = NULL;
	if (task->done || scheduler->broken)
		arena_stack_put(scheduler->arena, task->stack);
	else
		arena_stack_live(scheduler->arena, task->stack, task->sp);
}

/* Stops the running task; returns when it is resumed, or never if it is done. */
static void switch_back(struct task *task)
{
	struct scheduler *scheduler = task->scheduler;
#ifdef TASK_ASAN
	/* The caller's stack bounds: asan keeps them since the matching start. */
	extern __thread const void *task_caller_bottom;
	extern __thread size_t task_caller_size;
	void *fake = NULL;
	__sanitizer_start_switch_fiber(task->done ? NULL : &fake, task_caller_bottom,
				       task_caller_size);
#endif
	task_switch(&task->sp, scheduler->caller_sp);
#ifdef TASK_ASAN
	__sanitizer_finish_switch_fiber(fake, &task_caller_bottom, &task_caller_size);
#endif
}

#ifdef TASK_ASAN
/* Of the host, not of a machine: where this thread's own stack lies, for the sanitizer only. */
__thread const void *task_caller_bottom;
__thread size_t task_caller_size;
#endif

static void task_main(struct task *task)
{
#ifdef TASK_ASAN
	__sanitizer_finish_switch_fiber(NULL, &task_caller_bottom, &task_caller_size);
#endif
	task->fn(task->arg);
	task->done = true;
	switch_back(task);
	abort();
}

static void resume_event(struct event *event)
{
	switch_to(event->owner);
}

static bool prepare(struct scheduler *scheduler, struct task *task, task_fn *fn, void *arg)
{
	memset(task, 0, sizeof(*task));
	task->stack = arena_stack_get(scheduler->arena);
	if (task->stack == NULL)
		return false;
	task->scheduler = scheduler;
	task->fn = fn;
	task->arg = arg;
	task->resume.fn = resume_event;
	task->resume.owner = task;
	task->where = "start";
	task->sp = first_frame((unsigned char *)task->stack + ARENA_STACK_SIZE, task, task_main);
	arena_stack_live(scheduler->arena, task->stack, task->sp);
	return true;
}

bool task_start(struct scheduler *scheduler, struct task *task, task_fn *fn, void *arg)
{
	if (!prepare(scheduler, task, fn, arg))
		return false;
	clock_post(scheduler->clock, &task->resume, scheduler->clock->now_ps, EVENT_SOFTWARE);
	return true;
}

bool task_run(struct scheduler *scheduler, struct task *task, task_fn *fn, void *arg)
{
	if (!prepare(scheduler, task, fn, arg))
		return false;
	switch_to(task);
	return true;
}

void task_preempt(struct scheduler *scheduler, uint64_t cost_ps, const char *where)
{
	struct task *task = scheduler->current;
	struct clock *clock = scheduler->clock;
	if (task == NULL)
		return;
	if (scheduler->delay_at != NULL && strcmp(scheduler->delay_at, where) == 0) {
		cost_ps += scheduler->delay_ps;
		scheduler->delays++;
	}
	uint64_t resume_ps = clock->now_ps + cost_ps;
	if (!scheduler->stepwise && resume_ps <= scheduler->horizon_ps &&
	    (clock->pending == 0 || clock_next(clock) > resume_ps)) {
		clock->now_ps = resume_ps;
		return;
	}
	task->where = where;
	clock_post(clock, &task->resume, resume_ps, EVENT_SOFTWARE);
	switch_back(task);
}

void task_abandon(struct scheduler *scheduler)
{
	struct task *task = scheduler->current;
	scheduler->broken = true;
	if (task == NULL)
		return;
	switch_back(task);
	abort();
}

void wait_queue_init(struct wait_queue *queue)
{
	queue->last = NULL;
}

static struct task *first_of(const struct wait_queue *queue)
{
	return queue->last != NULL ? queue->last->behind : NULL;
}

static void insert_last(struct wait_queue *queue, struct task *task)
{
	task->behind = queue->last != NULL ? first_of(queue) : task;
	if (queue->last != NULL)
		queue->last->behind = task;
	queue->last = task;
}

static void take_out(struct wait_queue *queue, struct task *task)
{
	struct task *before = queue->last;
	while (before->behind != task)
		before = before->behind;
	before->behind = task->behind;
	if (queue->last == task)
		queue->last = before != task ? before : NULL;
}

void wait_queue_sleep(struct scheduler *scheduler, struct wait_queue *queue, const char *where)
{
	struct task *task = scheduler->current;
	assert(task != NULL);
	task->where = where;
	task->waiting = true;
	insert_last(queue, task);
	switch_back(task);
}

bool wait_queue_sleep_until(struct scheduler *scheduler, struct wait_queue *queue,
			    uint64_t deadline_ps, const char *where)
{
	struct task *task = scheduler->current;
	clock_post(scheduler->clock, &task->resume, deadline_ps, EVENT_SOFTWARE);
	wait_queue_sleep(scheduler, queue, where);
	if (!task->waiting)
		return true;
	take_out(queue, task);
	task->waiting = false;
	return false;
}

void wait_queue_wake_one(struct scheduler *scheduler, struct wait_queue *queue)
{
	struct task *task = first_of(queue);
	if (task == NULL)
		return;
	take_out(queue, task);
	task->waiting = false;
	clock_cancel(scheduler->clock, &task->resume);
	clock_post(scheduler->clock, &task->resume, scheduler->clock->now_ps, EVENT_SOFTWARE);
}

void wait_queue_wake_all(struct scheduler *scheduler, struct wait_queue *queue)
{
	while (first_of(queue) != NULL)
		wait_queue_wake_one(scheduler, queue);
}

/* --- mutex --- */

/* Who holds a lock that is taken outside of tasks. */
#define NO_TASK ((struct task *)1)

static struct task *current_or_none(const struct scheduler *scheduler)
{
	return scheduler->current != NULL ? scheduler->current : NO_TASK;
}

void mutex_init(struct mutex *mutex)
{
	mutex->holder = NULL;
	wait_queue_init(&mutex->waiters);
}

void mutex_lock(struct scheduler *scheduler, struct mutex *mutex, const char *name)
{
	task_preempt(scheduler, 0, name);
	if (mutex_held(mutex)) {
		wait_queue_sleep(scheduler, &mutex->waiters, name);
		assert(mutex->holder == scheduler->current);
		return;
	}
	mutex->holder = current_or_none(scheduler);
}

void mutex_unlock(struct scheduler *scheduler, struct mutex *mutex)
{
	assert(mutex->holder == current_or_none(scheduler));
	/* Handed over, so that who comes between the wake-up and its task can't pass it. */
	mutex->holder = first_of(&mutex->waiters);
	wait_queue_wake_one(scheduler, &mutex->waiters);
}

void rwsem_init(struct rwsem *sem)
{
	sem->readers = 0;
	sem->writer = false;
	sem->writers_waiting = 0;
	wait_queue_init(&sem->waiters);
}

void down_read(struct scheduler *scheduler, struct rwsem *sem, const char *name)
{
	task_preempt(scheduler, 0, name);
	while (sem->writer || sem->writers_waiting > 0)
		wait_queue_sleep(scheduler, &sem->waiters, name);
	sem->readers++;
}

void up_read(struct scheduler *scheduler, struct rwsem *sem)
{
	assert(sem->readers > 0);
	if (--sem->readers == 0)
		wait_queue_wake_all(scheduler, &sem->waiters);
}

void down_write(struct scheduler *scheduler, struct rwsem *sem, const char *name)
{
	task_preempt(scheduler, 0, name);
	while (sem->writer || sem->readers > 0) {
		sem->writers_waiting++;
		wait_queue_sleep(scheduler, &sem->waiters, name);
		sem->writers_waiting--;
	}
	sem->writer = true;
}

void up_write(struct scheduler *scheduler, struct rwsem *sem)
{
	assert(sem->writer);
	sem->writer = false;
	wait_queue_wake_all(scheduler, &sem->waiters);
}
