// SPDX-License-Identifier: Apache-2.0
/*
 * The supervisor: starts the program under the filter and answers for the kernel until the last
 * process of it is gone. One thread: calls are done one after the other, in the order of arrival.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel_shim/iommufd.h"
#include "tools/exec/engine.h"
#include "tools/exec/exec.h"
#include "tools/exec/recorder.h"

#define EVENTS_MAX  64
#define DOORBELL_MS 1 /* how often mapped registers are looked at */

/* Linux 6.6; Debian 12's headers are older. */
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, __u64)
#endif

void exec_limit(struct exec *exec, enum limit limit, const char *format, ...)
{
	va_list args;
	if (exec->limits_told & 1U << limit)
		return;
	exec->limits_told |= 1U << limit;
	fprintf(stderr, "hwq exec: limit: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* --- answering --- */

bool exec_still_waits(struct exec *exec)
{
	return ioctl(exec->notify, SECCOMP_IOCTL_NOTIF_ID_VALID, &exec->notif->id) == 0;
}

int exec_give_fd(struct exec *exec, int source, int fd, bool cloexec)
{
	struct seccomp_notif_addfd addfd = {
		.id = exec->notif->id,
		.flags = fd >= 0 ? SECCOMP_ADDFD_FLAG_SETFD : 0,
		.srcfd = (__u32)source,
		.newfd = fd >= 0 ? (__u32)fd : 0,
		.newfd_flags = cloexec ? O_CLOEXEC_BIT : 0,
	};
	int given = ioctl(exec->notify, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd);
	return given >= 0 ? given : -errno;
}

void exec_defer(struct exec *exec, const struct seccomp_notif *notif)
{
	struct seccomp_notif *copy = g_new(struct seccomp_notif, 1);
	*copy = *notif;
	g_queue_push_tail(exec->deferred, copy);
}

static void answer_call(struct exec *exec)
{
	struct client *client = client_of(exec, (pid_t)exec->notif->pid);
	struct answer answer = {.kind = ANSWER_CONTINUE};
	exec->calls++;
	exec->caller = client;
	if (client != NULL && !exec->failed)
		answer = exec_call(exec, client);
	exec->caller = NULL;
	exec->prefetched.client = NULL;
	if (answer.kind == ANSWER_SENT)
		return;
	struct seccomp_notif_resp response = {.id = exec->notif->id};
	if (answer.kind == ANSWER_CONTINUE)
		response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (answer.value < 0)
		response.error = (__s32)answer.value;
	else
		response.val = answer.value;
	/* ENOENT: the caller was killed meanwhile. What it did is undone by its exit. */
	ioctl(exec->notify, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

/* --- events --- */

/* Asked to end: the program is, and answers for itself. */
static void pass_signals_on(struct exec *exec)
{
	struct signalfd_siginfo info;
	while (read(exec->signals, &info, sizeof(info)) == sizeof(info))
		kill(exec->child, (int)info.ssi_signo);
}

/*
 * What was closed and who died, before the call that came after it. False: nobody is under the
 * filter any more.
 */
static bool collect(struct exec *exec, int timeout_ms, bool *asked)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(exec->epoll, events, EVENTS_MAX, timeout_ms);
	bool alive = true;
	*asked = false;
	/* Mappings went with the processes, before descriptors; stand-ins before clients. */
	if (count > 0 && exec->regions->len > 0)
		regions_sweep(exec);
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < count; i++) {
			const enum source *source = events[i].data.ptr;
			if (source == NULL || (*source == SOURCE_STANDIN) != (pass == 0))
				continue;
			if (*source == SOURCE_STANDIN) {
				standin_hung_up(exec, events[i].data.ptr);
				events[i].data.ptr = NULL; /* freed */
				continue;
			}
			if (*source == SOURCE_CLIENT)
				client_exited(exec, events[i].data.ptr);
			else if (*source == SOURCE_SIGNAL)
				pass_signals_on(exec);
			else if (*source == SOURCE_NOTIFY && (events[i].events & EPOLLIN))
				*asked = true;
			else if (*source == SOURCE_NOTIFY && (events[i].events & EPOLLHUP))
				alive = false;
		}
	}
	return alive;
}

static bool receive(struct exec *exec)
{
	struct seccomp_notif *deferred = g_queue_pop_head(exec->deferred);
	if (deferred != NULL) {
		*exec->notif = *deferred;
		g_free(deferred);
		return exec_still_waits(exec);
	}
	memset(exec->notif, 0, sizeof(*exec->notif));
	return ioctl(exec->notify, SECCOMP_IOCTL_NOTIF_RECV, exec->notif) == 0;
}

static void watch(struct exec *exec, int fd, const enum source *source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = (void *)(uintptr_t)source};
	epoll_ctl(exec->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void serve(struct exec *exec)
{
	static const enum source notify = SOURCE_NOTIFY, signals = SOURCE_SIGNAL;
	bool asked, ignored;
	watch(exec, exec->notify, &notify);
	watch(exec, exec->signals, &signals);
	while (collect(exec, engine_has_registers(exec->engine) ? DOORBELL_MS : -1, &asked) &&
	       !exec->failed) {
		if (!asked && exec->regions->len > 0)
			engine_run(exec->engine);
		while (asked || !g_queue_is_empty(exec->deferred)) {
			asked = false;
			if (!receive(exec))
				continue;
			/* Another than the one that woke us: what came before it was not collected. */
			if (exec->notif->id != exec->last_id + 1)
				collect(exec, 0, &ignored);
			exec->last_id = exec->notif->id;
			answer_call(exec);
		}
	}
}

/* --- starting --- */

/* In the child: says which descriptor has the notifications, waits until it was taken, and goes. */
static void run_program(const struct exec_options *options, int channel, int fd_base)
{
	int notify = filter_install(fd_base);
	char go;
	int error = notify < 0 ? errno : 0;
	int message[2] = {notify, error};
	if (write(channel, message, sizeof(message)) != sizeof(message) || notify < 0 ||
	    read(channel, &go, 1) != 1)
		_exit(125);
	close(notify);
	close(channel);
	if (options->body != NULL)
		_exit(options->body(options->body_context));
	execvp(options->program[0], options->program);
	fprintf(stderr, "hwq exec: %s: %s\n", options->program[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static bool take_notifications(struct exec *exec, int channel)
{
	int message[2];
	__u64 sync_wake_up = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
	if (read(channel, message, sizeof(message)) != sizeof(message))
		return false;
	if (message[0] < 0) {
		fprintf(stderr, "hwq exec: the filter can't be installed: %s\n",
			strerror(message[1]));
		return false;
	}
	int pidfd = pidfd_open(exec->child, 0);
	exec->notify = pidfd_getfd(pidfd, message[0], 0);
	close(pidfd);
	if (exec->notify < 0 && errno == ESRCH)
		return false; /* killed meanwhile; its status says so */
	if (exec->notify < 0) {
		fprintf(stderr, "hwq exec: the child's notifications can't be had: %s\n",
			strerror(errno));
		return false;
	}
	ioctl(exec->notify, SECCOMP_IOCTL_NOTIF_SET_FLAGS, sync_wake_up); /* saves a wake-up */
	return write(channel, "", 1) == 1;
}

static int shell_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Reserved numbers end below 1024, or the limit on descriptors if that is lower. */
static int reserved_from(void)
{
	struct rlimit limit;
	uint64_t end = 1024;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < end)
		end = limit.rlim_cur;
	return (int)(end > 2 * RESERVED_FDS ? end - RESERVED_FDS : end / 2);
}

/* A descriptor for each of the clients': theirs are limited a process, hwq has them all. */
static void allow_many_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static struct machine *make_machine(const struct exec_options *options)
{
	struct machine_config config = machine_config_default();
	config.seed = options->seed;
	/* Real pages back them: the client's kernel has the say. */
	config.huge_pages = config.memory_bytes / HPAGE_SIZE / 2;
	struct machine *machine = machine_new(&config);
	if (machine == NULL)
		return NULL;
	iommufd_register(machine);
	struct iommufd_module *module = machine->kernel;
	for (const char *const *text = options->kernel; text != NULL && *text != NULL; text++) {
		unsigned option, value;
		if (option_find(kernel_options, *text, &option, &value))
			module->options.values[option] = (uint8_t)value;
	}
	return machine;
}

int exec_run(const struct exec_options *options)
{
	int channel[2];
	struct seccomp_notif notif;
	struct exec exec = {.options = options, .notif = &notif, .notify = -1};
	exec.machine = make_machine(options);
	if (exec.machine == NULL ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
		return 125;
	exec.call = arena_new(exec.machine->arena, struct syscall);
	exec.fd_base = reserved_from();
	exec.held_back = capabilities_held_back();
	exec.clients = g_hash_table_new(NULL, NULL);
	exec.threads = g_hash_table_new(NULL, NULL);
	exec.standins = g_hash_table_new(NULL, NULL);
	exec.deferred = g_queue_new();
	exec.epoll = epoll_create1(EPOLL_CLOEXEC);
	mirror_init(&exec);
	if (options->profile != NULL && (exec.engine = engine_new(&exec, options)) == NULL)
		return 2;
	exec.recorder = recorder_new(&exec, options->trace);
	fflush(NULL);
	exec.child = fork();
	if (exec.child == 0) {
		close(channel[0]);
		run_program(options, channel[1], exec.fd_base);
	}
	close(channel[1]);
	allow_many_descriptors();
	sigset_t forwarded;
	sigemptyset(&forwarded);
	sigaddset(&forwarded, SIGTERM);
	sigaddset(&forwarded, SIGHUP);
	sigprocmask(SIG_BLOCK, &forwarded, NULL);
	exec.signals = signalfd(-1, &forwarded, SFD_NONBLOCK | SFD_CLOEXEC);
	/* The terminal's keys are for the program. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (exec.child > 0 && take_notifications(&exec, channel[0]))
		serve(&exec);
	close(channel[0]);
	if (exec.failed)
		fprintf(stderr, "hwq exec: internal error: the emulated machine can't go on\n");
	if (exec.notify >= 0)
		close(exec.notify);
	if (exec.child > 0)
		waitpid(exec.child, &exec.status, 0);
	/* Nobody is left: what is closed now, the kernel closed at their exit. */
	regions_sweep(&exec);
	engine_free(exec.engine);
	bool recorded = recorder_free(exec.recorder);
	machine_free(exec.machine);
	return exec.failed || !recorded ? 3 : shell_status(exec.status);
}
