// SPDX-License-Identifier: Apache-2.0
/*
 * Stand-ins: sockets that behave like a file of the shim where the kernel alone answers.
 *
 * A context's is a listening socket: read() is EINVAL and lseek() ESPIPE, as on /dev/iommu. The
 * supervisor's end is a connection that nobody accepts; it makes poll() say POLLIN, and breaks when
 * the last copy of the listener is gone. A queue's is one end of a pair: a byte in it is what poll()
 * sees, and a full send buffer keeps POLLOUT away where the shim's file has none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/exec/exec.h"
#include "tools/exec/recorder.h"

static bool make_listener(int ends[2])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t length = sizeof(address);
	ends[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ends[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ends[0] >= 0 && ends[1] >= 0 &&
	    bind(ends[1], (struct sockaddr *)&address, sizeof(sa_family_t)) == 0 &&
	    listen(ends[1], 0) == 0 &&
	    getsockname(ends[1], (struct sockaddr *)&address, &length) == 0 &&
	    connect(ends[0], (struct sockaddr *)&address, length) == 0)
		return true;
	close(ends[0]);
	close(ends[1]);
	return false;
}

static bool make_pair(int ends[2], bool writable)
{
	char byte = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return false;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	if (!writable) {
		fcntl(ends[1], F_SETFL, O_NONBLOCK);
		while (send(ends[1], &byte, 1, MSG_NOSIGNAL) == 1)
			;
		fcntl(ends[1], F_SETFL, 0);
	}
	return true;
}

struct standin *standin_new(struct exec *exec, struct file *file, bool queue, int *theirs)
{
	int ends[2];
	struct stat stat;
	bool writable = queue && (file->ops->poll(file) & POLLOUT_BIT);
	if (!(queue ? make_pair(ends, writable) : make_listener(ends)))
		return NULL;
	struct standin *standin = g_new0(struct standin, 1);
	standin->source = SOURCE_STANDIN;
	standin->file = file;
	standin->ours = ends[0];
	standin->has_readiness = queue;
	fstat(ends[1], &stat);
	standin->inode = stat.st_ino;
	*theirs = ends[1];
	g_hash_table_insert(exec->standins, GSIZE_TO_POINTER(stat.st_ino), standin);
	struct epoll_event event = {.events = 0, .data.ptr = standin};
	epoll_ctl(exec->epoll, EPOLL_CTL_ADD, standin->ours, &event);
	return standin;
}

struct standin *standin_find(struct client *client, int fd)
{
	char path[64];
	struct stat stat_;
	struct exec *exec = client->exec;
	if (exec->looked_up.call == exec->calls && exec->looked_up.fd == fd &&
	    exec->looked_up.pid == client->pid)
		return exec->looked_up.standin;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", client_task(client), fd);
	if (fd < 0 || stat(path, &stat_) != 0 || !S_ISSOCK(stat_.st_mode))
		return NULL;
	struct standin *standin =
		g_hash_table_lookup(exec->standins, GSIZE_TO_POINTER(stat_.st_ino));
	/* The dispatcher looks again at what the filter's answer has looked at. */
	if (standin != NULL) {
		exec->looked_up.call = exec->calls;
		exec->looked_up.fd = fd;
		exec->looked_up.pid = client->pid;
		exec->looked_up.standin = standin;
	}
	return standin;
}

bool standin_is_open(struct exec *exec, const struct file *file)
{
	GHashTableIter iter;
	gpointer at;
	g_hash_table_iter_init(&iter, exec->standins);
	while (g_hash_table_iter_next(&iter, NULL, &at))
		if (((struct standin *)at)->file == file)
			return true;
	return false;
}

void standin_hung_up(struct exec *exec, struct standin *standin)
{
	g_hash_table_remove(exec->standins, GSIZE_TO_POINTER(standin->inode));
	if (exec->looked_up.standin == standin)
		exec->looked_up.call = UINT64_MAX;
	if (standin->file != NULL) {
		recorder_closed(exec->recorder, standin->file);
		file_put(standin->file);
	}
	close(standin->ours);
	g_free(standin);
}

/* A copy of the clients' end, taken from one that has it; -1: none has. */
static int borrow(struct exec *exec, const struct standin *standin)
{
	GHashTableIter iter;
	gpointer value;
	g_hash_table_iter_init(&iter, exec->clients);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct client *client = value;
		char *folder = g_strdup_printf("/proc/%d/fd", client_task(client));
		GDir *dir = g_dir_open(folder, 0, NULL);
		const char *name;
		int fd = -1;
		while (fd < 0 && dir != NULL && (name = g_dir_read_name(dir)) != NULL)
			if (standin_find(client, (int)strtol(name, NULL, 10)) == standin)
				fd = client_take_fd(client, (int)strtol(name, NULL, 10));
		if (dir != NULL)
			g_dir_close(dir);
		g_free(folder);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

void standin_set_readable(struct exec *exec, struct standin *standin, bool readable)
{
	char bytes[256] = {0};
	bool told = standin->events == exec->machine->poll_events;
	standin->events = exec->machine->poll_events;
	/* Another byte, as edge-triggered waiters wake again; perhaps for another queue's event. */
	if (readable && (!standin->readable || !told))
		(void)!send(standin->ours, bytes, 1, MSG_NOSIGNAL);
	if (readable == standin->readable)
		return;
	standin->readable = readable;
	int theirs = readable ? -1 : borrow(exec, standin);
	if (theirs < 0)
		return;
	while (recv(theirs, bytes, sizeof(bytes), MSG_DONTWAIT) == sizeof(bytes))
		;
	close(theirs);
}
