// SPDX-License-Identifier: Apache-2.0
/*
 * An mmap() in place of the one that a client asked for: of the shared memory that stands for a
 * driver's page, which the client has no descriptor of. The waiting thread is stopped with ptrace at
 * its way back, and does two calls more than it knows of: mmap() and close(). x86-64.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/reg.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/exec/exec.h"

#define SYSCALL_STOP (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */

/* As PTRACE_GETREGS has them (struct registers), by the indices of <sys/reg.h>. */
struct registers {
	uint64_t at[27];
};

static bool stopped(pid_t tid, int *status)
{
	return waitpid(tid, status, __WALL) == tid && WIFSTOPPED(*status);
}

/* A signal was on its way: it comes again when it is no longer blocked. */
static void hold_signal(pid_t tgid, pid_t tid, int status)
{
	siginfo_t info;
	int signal = WSTOPSIG(status);
	if (status >> 16 != 0 || signal == SYSCALL_STOP)
		return;
	/* What the kernel sent can't be sent again as the kernel's. */
	if (ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) != 0 || info.si_code >= 0 ||
	    syscall(SYS_rt_tgsigqueueinfo, tgid, tid, signal, &info) != 0)
		syscall(SYS_tgkill, tgid, tid, signal);
}

/* Lets the thread do one call of its own from its last syscall instruction. */
static bool call_in_thread(struct exec *exec, pid_t tgid, pid_t tid, const struct registers *regs,
			   long number, const uint64_t args[6], int64_t *result)
{
	struct registers call = *regs;
	int status;
	static const int arguments[] = {RDI, RSI, RDX, R10, R8, R9};
	call.at[RIP] -= 2; /* the syscall instruction */
	call.at[RAX] = (uint64_t)number;
	call.at[ORIG_RAX] = UINT64_MAX; /* no call that could be restarted */
	for (int i = 0; i < 6; i++)
		call.at[arguments[i]] = args[i];
	if (ptrace(PTRACE_SETREGS, tid, NULL, &call) != 0)
		return false;
	/* To the entry, past the filter, to the exit. */
	for (int stop = 0; stop < 2;) {
		if (ptrace(PTRACE_SYSCALL, tid, NULL, NULL) != 0)
			return false;
		/* The filter may ask about this call too: let it pass. */
		for (int got = 0; got == 0;) {
			struct pollfd asked = {exec->notify, POLLIN, 0};
			struct seccomp_notif notif;
			memset(&notif, 0, sizeof(notif));
			got = waitpid(tid, &status, __WALL | WNOHANG);
			if (got == 0 && poll(&asked, 1, 1) == 1 &&
			    ioctl(exec->notify, SECCOMP_IOCTL_NOTIF_RECV, &notif) == 0) {
				if ((pid_t)notif.pid != tid) {
					exec_defer(exec, &notif);
					continue;
				}
				struct seccomp_notif_resp pass = {
					.id = notif.id,
					.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
				};
				ioctl(exec->notify, SECCOMP_IOCTL_NOTIF_SEND, &pass);
			}
			if (got < 0)
				return false;
		}
		if (!WIFSTOPPED(status))
			return false;
		if (WSTOPSIG(status) == SYSCALL_STOP)
			stop++;
		else
			hold_signal(tgid, tid, status); /* SIGSTOP can't be blocked */
	}
	if (ptrace(PTRACE_GETREGS, tid, NULL, &call) != 0)
		return false;
	*result = (int64_t)call.at[RAX];
	return true;
}

int64_t inject_mmap(struct exec *exec, pid_t tgid, pid_t tid, const uint64_t args[6], int fd)
{
	struct registers regs;
	int status;
	int64_t result = -ENODEV, closed;
	uint64_t mask, all = UINT64_MAX;
	if (ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACESYSGOOD) != 0 ||
	    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0) {
		if (errno != ESRCH) /* killed meanwhile */
			exec_limit(exec, LIMIT_NO_PTRACE,
				   "the page can't be mapped into thread %d: ptrace is not "
				   "permitted (%s)",
				   tid, strerror(errno));
		return -ENODEV;
	}
	struct seccomp_notif_resp done = {.id = exec->notif->id};
	ioctl(exec->notify, SECCOMP_IOCTL_NOTIF_SEND, &done);
	/* Signals wait: they would end a call that waits for the filter's answer. */
	if (!stopped(tid, &status) || ptrace(PTRACE_GETREGS, tid, NULL, &regs) != 0 ||
	    ptrace(PTRACE_GETSIGMASK, tid, sizeof(mask), &mask) != 0 ||
	    ptrace(PTRACE_SETSIGMASK, tid, sizeof(all), &all) != 0)
		return -ESRCH;
	hold_signal(tgid, tid, status);
	uint64_t map[6] = {args[0], args[1], args[2], args[3], (uint64_t)fd, 0};
	const uint64_t close_args[6] = {(uint64_t)fd};
	if (call_in_thread(exec, tgid, tid, &regs, SYS_mmap, map, &result))
		call_in_thread(exec, tgid, tid, &regs, SYS_close, close_args, &closed);
	regs.at[RAX] = (uint64_t)result;
	regs.at[ORIG_RAX] = UINT64_MAX;
	ptrace(PTRACE_SETREGS, tid, NULL, &regs);
	ptrace(PTRACE_SETSIGMASK, tid, sizeof(mask), &mask);
	ptrace(PTRACE_DETACH, tid, NULL, NULL);
	return result;
}
