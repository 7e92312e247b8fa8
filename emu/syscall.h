/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls of emulated processes: everything a trace or a scenario can issue.
 *
 * A call is a record in the arena, run by its thread's task from start to result; it may be
 * preempted, and may sleep (waitpid, poll, contended locks).
 */
#ifndef HWQ_EMU_SYSCALL_H
#define HWQ_EMU_SYSCALL_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/machine.h"

enum syscall_number {
	SYS_OPEN,         /* path, flags */
	SYS_CLOSE,        /* fd */
	SYS_IOCTL,        /* fd, cmd, arg */
	SYS_READ,         /* fd, buffer, count */
	SYS_WRITE,        /* fd, buffer, count */
	SYS_POLL,         /* fd, events, timeout in ms; revents in out */
	SYS_MMAP,         /* addr, length, prot, flags, fd, offset */
	SYS_MUNMAP,       /* addr, length */
	SYS_MPROTECT,     /* addr, length, prot */
	SYS_MADVISE,      /* addr, length, advice */
	SYS_MEMFD_CREATE, /* path, flags */
	SYS_FTRUNCATE,    /* fd, length */
	SYS_FORK,         /* the child's process number in result */
	SYS_EXECVE,       /* path: a new, empty address space; descriptors stay */
	SYS_WAITPID,      /* pid, (unused), options; the status in out */
	SYS_EXIT,         /* code, the signal that ends it (0: none) */
	/* No calls of the process: what the host does with the page at ADDR of its memory. */
	SYS_HOST_MIGRATE, /* addr */
	SYS_HOST_RECLAIM, /* addr */
	SYS_HOST_UPDATE,  /* addr: the kernel catches up with an earlier one */
};

#define SYSCALL_PATH_MAX     256U
#define MADV_DONTNEED_ADVICE 4U

struct syscall {
	enum syscall_number number;
	uint64_t id; /* how manieth of the machine it is, from 1 */
	uint64_t args[6];
	char path[SYSCALL_PATH_MAX];
	int64_t result; /* negative errno on failure */
	uint64_t out;
	struct rule rule; /* why it was refused */
	bool from_memory; /* it delivered bytes of a process's memory, which the process may change */
	bool unstated;    /* it delivered bytes that the emulation does not know (memory.h) */
	bool done;
	uint64_t done_ps; /* when */
};

/* Starts CALL, which lies in the arena, on THREAD. False when the machine is out of stacks. */
bool syscall_start(struct thread *thread, struct syscall *call);
/*
 * Runs steps until CALL is done. False when it sleeps and nothing else can happen, or the machine
 * broke; the call then stays unfinished.
 */
bool syscall_finish(struct machine *machine, struct syscall *call);
/* The id of the call that TASK runs; 0: it runs none. */
uint64_t task_syscall_id(const struct task *task);

#endif
