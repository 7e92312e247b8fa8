/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks: system calls as straight-line C that can be preempted and can sleep.
 *
 * Concepts
 *   task             a coroutine whose stack lies in the arena; one a running system call
 *   preemption point where the kernel could be preempted; names itself and what time passed
 *   wait queue       tasks asleep until someone wakes them, in order of arrival
 *   mutex, rwsem     as in the kernel: FIFO, a waiting writer holds back later readers
 *   scheduler        resumes tasks from clock events; a normal run passes a preemption point
 *                    without switching while nothing else could happen before it
 *
 * A stretch between two switches is one step. With scheduler.stepwise every preemption point
 * switches, so that each step can be saved, restored and reordered.
 */
#ifndef HWQ_EMU_TASK_H
#define HWQ_EMU_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "emu/clock.h"

struct arena;
struct task;

typedef void task_fn(void *arg);

struct task {
	struct event resume;
	struct scheduler *scheduler;
	void *stack;
	void *sp; /* while it does not run */
	task_fn *fn;
	void *arg;
	const char *where; /* the point it stopped at */
	bool done;
	struct task *behind; /* in a wait queue: the next; of the last, the first */
	bool waiting;
};

/* One word, as every page array has one: a ring, known by its last task. */
struct wait_queue {
	struct task *last;
};

struct scheduler {
	struct arena *arena;
	struct clock *clock;
	struct task *current; /* NULL: the caller's own stack runs */
	void *caller_sp;
	bool stepwise;
	bool broken; /* a task was abandoned: the machine is fit only to be thrown away */
	uint64_t switches;
	uint64_t horizon_ps;  /* no task runs on beyond it without an event */
	const char *delay_at; /* an experiment holds tasks up at this point */
	uint64_t delay_ps;
	uint64_t delays; /* how often it did */
};

void scheduler_init(struct scheduler *scheduler, struct arena *arena, struct clock *clock);

/*
 * Prepares TASK to call FN(ARG) from an event that is posted for now. False when no stack is
 * free. The task must stay in the arena until done.
 */
bool task_start(struct scheduler *scheduler, struct task *task, task_fn *fn, void *arg);
/* Runs TASK's first stretch at once, without an event. For a caller that has nothing else to do. */
bool task_run(struct scheduler *scheduler, struct task *task, task_fn *fn, void *arg);

/* The calling task lets COST_PS pass; others may run. Outside a task it does nothing. */
void task_preempt(struct scheduler *scheduler, uint64_t cost_ps, const char *where);
/* Leaves the calling task for good. Outside a task it does nothing. */
void task_abandon(struct scheduler *scheduler);

void wait_queue_init(struct wait_queue *queue);
/* Sleeps until woken. Must be called in a task. */
void wait_queue_sleep(struct scheduler *scheduler, struct wait_queue *queue, const char *where);
/* The same, but not beyond DEADLINE_PS; false when that came first. */
bool wait_queue_sleep_until(struct scheduler *scheduler, struct wait_queue *queue,
			    uint64_t deadline_ps, const char *where);
void wait_queue_wake_all(struct scheduler *scheduler, struct wait_queue *queue);
void wait_queue_wake_one(struct scheduler *scheduler, struct wait_queue *queue);

struct mutex {
	struct task *holder; /* NULL: free */
	struct wait_queue waiters;
};

void mutex_init(struct mutex *mutex);
static inline bool mutex_held(const struct mutex *mutex)
{
	return mutex->holder != NULL;
}
void mutex_lock(struct scheduler *scheduler, struct mutex *mutex, const char *name);
void mutex_unlock(struct scheduler *scheduler, struct mutex *mutex);

struct rwsem {
	uint32_t readers;
	bool writer;
	uint32_t writers_waiting;
	struct wait_queue waiters;
};

void rwsem_init(struct rwsem *sem);
void down_read(struct scheduler *scheduler, struct rwsem *sem, const char *name);
void up_read(struct scheduler *scheduler, struct rwsem *sem);
void down_write(struct scheduler *scheduler, struct rwsem *sem, const char *name);
void up_write(struct scheduler *scheduler, struct rwsem *sem);

#endif
