// SPDX-License-Identifier: Apache-2.0
/* Clients: who they are, what they may, their memory as bytes, their descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tools/exec/exec.h"
#include "tools/exec/recorder.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD ((unsigned)O_EXCL)
#endif

/* --- who --- */

/* A number from /proc/PID/status. */
static long status_field(pid_t pid, const char *field)
{
	char path[64], line[256];
	long value = -1;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), file) != NULL)
		if (g_str_has_prefix(line, field))
			value = strtol(line + strlen(field), NULL, 10);
	fclose(file);
	return value;
}

static struct client *parent_of(struct exec *exec, pid_t pid)
{
	pid_t parent = (pid_t)status_field(pid, "PPid:");
	return g_hash_table_lookup(exec->clients, GINT_TO_POINTER(parent));
}

static bool share_memory(pid_t one, pid_t other)
{
	return syscall(SYS_kcmp, one, other, KCMP_VM, 0, 0) == 0;
}

/* A thread that has its memory and descriptors: one that ended has neither. */
static bool is_alive(pid_t tid)
{
	char path[64], target[1];
	snprintf(path, sizeof(path), "/proc/%d/exe", tid);
	return readlink(path, target, sizeof(target)) >= 0;
}

pid_t client_task(const struct client *client)
{
	char path[64];
	const char *name;
	pid_t task = client->pid;
	if (client == client->exec->caller)
		return (pid_t)client->exec->notif->pid;
	if (is_alive(task))
		return task;
	snprintf(path, sizeof(path), "/proc/%d/task", client->pid);
	GDir *tasks = g_dir_open(path, 0, NULL);
	while (tasks != NULL && (name = g_dir_read_name(tasks)) != NULL)
		if (is_alive((pid_t)strtol(name, NULL, 10)))
			task = (pid_t)strtol(name, NULL, 10);
	if (tasks != NULL)
		g_dir_close(tasks);
	return task;
}

int client_take_fd(const struct client *client, int fd)
{
	pid_t task = client_task(client);
	if (task == client->pid)
		return pidfd_getfd(client->pidfd, fd, 0);
	int pidfd = pidfd_open(task, PIDFD_THREAD);
	int copy = pidfd >= 0 ? pidfd_getfd(pidfd, fd, 0) : -1;
	if (pidfd >= 0)
		close(pidfd);
	/* Linux before 6.9 knows first threads only. */
	return copy >= 0 ? copy : pidfd_getfd(client->pidfd, fd, 0);
}

static struct client *client_new(struct exec *exec, pid_t pid)
{
	struct client *client = g_new0(struct client, 1);
	client->source = SOURCE_CLIENT;
	client->exec = exec;
	client->pid = pid;
	client->pidfd = pidfd_open(pid, 0);
	client->maps = g_string_new(NULL);
	client->fail_nth = g_hash_table_new(NULL, NULL);
	client->numbers = g_ptr_array_new();
	g_ptr_array_set_size(client->numbers, 3);
	struct client *parent = parent_of(exec, pid);
	if (parent != NULL) {
		/* It had what its parent has: the fork was not asked about, and is made up for. */
		parent->refreshed = 0;
		mirror_refresh(parent);
		client->process = process_fork(parent->process);
		for (guint i = 0; client->process != NULL && i < parent->numbers->len; i++) {
			g_ptr_array_set_size(client->numbers, (gint)MAX(i + 1, 3));
			client->numbers->pdata[i] = parent->numbers->pdata[i];
		}
	}
	if (client->process == NULL)
		client->process = process_new(exec->machine, NULL);
	client->thread = thread_new(client->process);
	client->process->fd_outside = &client_fds;
	client->process->outside_context = client;
	client->process->mm->outside = &client_memory;
	client->process->mm->outside_context = client;
	g_hash_table_insert(exec->clients, GINT_TO_POINTER(pid), client);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	if (client->pidfd < 0 || epoll_ctl(exec->epoll, EPOLL_CTL_ADD, client->pidfd, &event) != 0)
		exec_limit(exec, LIMIT_UNREADABLE, "process %d can't be watched: %s", pid,
			   g_strerror(errno));
	recorder_process(exec->recorder, client, parent);
	return client;
}

/*
 * Changes with exec(): the program's file, and the fields startstack, arg_start to env_end (28, 48 to
 * 51) of /proc/PID/stat, which are random addresses. Where they are not random, an exec() of the same
 * program with the same arguments is not noticed.
 */
static char *program_of(pid_t pid)
{
	char path[64], file[256];
	char *text = NULL;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!g_file_get_contents(path, &text, NULL, NULL))
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	ssize_t length = readlink(path, file, sizeof(file) - 1);
	file[length > 0 ? length : 0] = 0;
	const char *rest = strrchr(text, ')');
	char **fields = g_strsplit(rest != NULL ? rest : text, " ", -1);
	char *program = NULL;
	/* The first is field 2. */
	if (g_strv_length(fields) > 49)
		program = g_strjoin(" ", file, fields[26], fields[46], fields[47], fields[48],
				    fields[49], NULL);
	g_strfreev(fields);
	g_free(text);
	return program;
}

void client_execs(struct client *client)
{
	g_free(client->program);
	client->program = program_of(client->pid);
	client->exec_tid = (pid_t)client->exec->notif->pid;
}

/* TID, a thread of it, makes a call. */
static struct client *look_for_exec(struct client *client, pid_t tid)
{
	char *now = client->program != NULL ? program_of(client->pid) : NULL;
	bool became = now != NULL && strcmp(now, client->program) != 0;
	g_free(now);
	if (became)
		mirror_exec(client);
	/* Another thread may call while exec() is under way. */
	if (became || tid == client->exec_tid)
		g_clear_pointer(&client->program, g_free);
	return client;
}

struct client *client_of(struct exec *exec, pid_t tid)
{
	struct client *client = g_hash_table_lookup(exec->threads, GINT_TO_POINTER(tid));
	/*
	 * The number may be another thread's by now; that of a first thread is not given anew before
	 * the process is gone, which we are told.
	 */
	if (client != NULL && tid == client->pid)
		return look_for_exec(client, tid);
	if (client != NULL && syscall(SYS_tgkill, client->pid, tid, 0) == 0)
		return look_for_exec(client, tid);
	pid_t pid = (pid_t)status_field(tid, "Tgid:");
	if (pid <= 0)
		return NULL; /* killed meanwhile */
	client = g_hash_table_lookup(exec->clients, GINT_TO_POINTER(pid));
	if (client == NULL) {
		struct client *parent = parent_of(exec, pid);
		/* Between vfork() and exec its calls are about its parent's memory. */
		if (parent != NULL && share_memory(pid, parent->pid))
			return parent;
		client = client_new(exec, pid);
	}
	g_hash_table_insert(exec->threads, GINT_TO_POINTER(tid), client);
	return look_for_exec(client, tid);
}

static gboolean is_of(gpointer tid, gpointer client, gpointer gone)
{
	(void)tid;
	return client == gone;
}

void client_exited(struct exec *exec, struct client *client)
{
	g_hash_table_foreach_remove(exec->threads, is_of, client);
	g_hash_table_remove(exec->clients, GINT_TO_POINTER(client->pid));
	mirror_forget(client);
	recorder_exit(exec->recorder, client);
	/* What remembers its mm finds it dead. */
	client->process->mm->outside = NULL;
	client->process->fd_outside = NULL;
	process_exit(client->process, 0);
	regions_forget(exec, client);
	client->process->reaped = true;
	exec->machine->process_count--;
	if (client->pidfd >= 0)
		close(client->pidfd);
	g_string_free(client->maps, TRUE);
	g_free(client->program);
	g_hash_table_destroy(client->fail_nth);
	g_ptr_array_free(client->numbers, TRUE);
	g_free(client);
}

/* --- what it may --- */

static bool effective(const struct __user_cap_data_struct *data, unsigned capability)
{
	return data[capability / 32].effective & 1U << capability % 32;
}

static bool get_capabilities(pid_t pid, struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, pid};
	return syscall(SYS_capget, &header, data) == 0;
}

/*
 * Root counts as root where a container holds capabilities back from it: what hwq lacks itself was
 * never the program's to give up.
 */
static bool held_back(unsigned capability)
{
	struct __user_cap_data_struct data[2] = {{0}};
	return geteuid() == 0 && get_capabilities(0, data) && !effective(data, capability);
}

static bool has_capability(const struct client *client, const struct __user_cap_data_struct *data,
			   unsigned capability)
{
	return effective(data, capability) || client->exec->held_back & 1ULL << capability;
}

uint64_t capabilities_held_back(void)
{
	static const unsigned asked[] = {CAP_IPC_LOCK, CAP_SYS_RESOURCE, CAP_SYS_RAWIO};
	uint64_t mask = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(asked); i++)
		if (held_back(asked[i]))
			mask |= 1ULL << asked[i];
	return mask;
}

void client_credentials(struct client *client)
{
	struct credentials *credentials = &client->process->credentials;
	struct __user_cap_data_struct data[2] = {{0}};
	struct rlimit limit;
	const struct credentials before = *credentials;
	if (get_capabilities(client_task(client), data)) {
		credentials->cap_ipc_lock = has_capability(client, data, CAP_IPC_LOCK);
		credentials->cap_sys_resource = has_capability(client, data, CAP_SYS_RESOURCE);
		credentials->cap_sys_rawio = has_capability(client, data, CAP_SYS_RAWIO);
	}
	if (prlimit(client_task(client), RLIMIT_MEMLOCK, NULL, &limit) == 0)
		credentials->rlimit_memlock = limit.rlim_cur;
	if (before.cap_ipc_lock != credentials->cap_ipc_lock ||
	    before.cap_sys_resource != credentials->cap_sys_resource ||
	    before.cap_sys_rawio != credentials->cap_sys_rawio ||
	    before.rlimit_memlock != credentials->rlimit_memlock)
		recorder_credentials(client->exec->recorder, client);
}

/* --- its bytes --- */

static uint64_t transfer(struct client *client, uint64_t va, void *bytes, uint64_t size,
			 ssize_t (*vm)(pid_t, const struct iovec *, unsigned long,
				       const struct iovec *, unsigned long, unsigned long))
{
	if (size == 0 || va > TASK_SIZE || size > TASK_SIZE - va)
		return 0;
	/* In pages: the call stops before a piece that it can't do whole. */
	struct iovec remote[64];
	uint64_t done = 0;
	while (done < size) {
		unsigned count = 0;
		uint64_t piece_bytes = 0;
		for (; count < G_N_ELEMENTS(remote) && done + piece_bytes < size; count++) {
			uint64_t at = va + done + piece_bytes;
			uint64_t n = PAGE_SIZE - page_offset(at);
			n = n < size - done - piece_bytes ? n : size - done - piece_bytes;
			remote[count] = (struct iovec){(void *)(uintptr_t)at, n};
			piece_bytes += n;
		}
		struct iovec local = {(char *)bytes + done, piece_bytes};
		ssize_t got = vm(client_task(client), &local, 1, remote, count, 0);
		if (got < 0) {
			if (errno == EPERM)
				exec_limit(client->exec, LIMIT_UNREADABLE,
					   "the memory of process %d can't be read: it runs as "
					   "another user, or forbids it (PR_SET_DUMPABLE)",
					   client->pid);
			return done;
		}
		done += (uint64_t)got;
		if ((uint64_t)got < piece_bytes)
			return done;
	}
	return done;
}

void client_prefetch(struct client *client, uint64_t va)
{
	struct exec *exec = client->exec;
	uint64_t size = MIN(sizeof(exec->prefetched.bytes), PAGE_SIZE - page_offset(va));
	exec->prefetched.client = client;
	exec->prefetched.va = va;
	exec->prefetched.size =
		transfer(client, va, exec->prefetched.bytes, size, process_vm_readv);
}

uint64_t client_read(struct client *client, uint64_t va, void *to, uint64_t size)
{
	const struct exec *exec = client->exec;
	uint64_t offset = va - exec->prefetched.va;
	if (exec->prefetched.client == client && offset < exec->prefetched.size &&
	    size <= exec->prefetched.size - offset) {
		memcpy(to, exec->prefetched.bytes + offset, size);
		return size;
	}
	return transfer(client, va, to, size, process_vm_readv);
}

uint64_t client_write(struct client *client, uint64_t va, const void *from, uint64_t size)
{
	client->exec->prefetched.client = NULL;
	/* process_vm_writev() only reads its local side. */
	return transfer(client, va, (void *)(uintptr_t)from, size, process_vm_writev);
}

/* --- its descriptors --- */

int client_number(struct client *client, struct file *file)
{
	GPtrArray *numbers = client->numbers;
	guint number = 3;
	for (guint i = 3; i < numbers->len; i++)
		if (numbers->pdata[i] == file)
			return (int)i;
	while (number < numbers->len && numbers->pdata[number] != NULL)
		number++;
	if (number == numbers->len)
		g_ptr_array_add(numbers, NULL);
	numbers->pdata[number] = file;
	return (int)number;
}

static bool is_open(const struct client *client, int fd)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", client_task(client), fd);
	return access(path, F_OK) == 0 || errno != ENOENT;
}

/* An open() takes what the kernel gives; everything else lies where the filter can see it. */
static int reserve(struct process *process)
{
	struct client *client = process->outside_context;
	struct exec *exec = client->exec;
	if (exec->call->number == SYS_OPEN)
		return INT32_MAX;
	for (int fd = exec->fd_base; fd < exec->fd_base + (int)RESERVED_FDS; fd++)
		if (!is_open(client, fd))
			return fd;
	exec_limit(exec, LIMIT_FDS, "process %d has %u queues and accesses open: no more are given",
		   client->pid, RESERVED_FDS);
	return -EMFILE;
}

static void install_at(struct process *process, int fd, struct file *file)
{
	struct client *client = process->outside_context;
	struct exec *exec = client->exec;
	int theirs;
	bool queue = file->ops->poll != NULL;
	struct standin *standin = standin_new(exec, file, queue, &theirs);
	if (standin == NULL) {
		exec->installed = -EMFILE;
		file_put(file);
		return;
	}
	exec->installed =
		exec_give_fd(exec, theirs, fd == INT32_MAX ? -1 : fd, file->flags & O_CLOEXEC_BIT);
	/* Where that failed nobody has it: the stand-in hangs up, and the file goes. */
	close(theirs);
}

static void release(struct process *process, int fd)
{
	(void)process; /* a number that was only chosen */
	(void)fd;
}

static struct file *find_file(struct process *process, int fd)
{
	struct client *client = process->outside_context;
	struct standin *standin = standin_find(client, fd);
	if (standin != NULL)
		return standin->file;
	return mirror_file(client, fd);
}

const struct fd_outside client_fds = {
	.reserve = reserve,
	.install_at = install_at,
	.release = release,
	.file = find_file,
};
