// SPDX-License-Identifier: Apache-2.0
/*
 * Files under /proc and /sys that belong to the interface: VmPin and VmLck of a process, a task's
 * fail-nth, and the switches of fault injection, which are there and take anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/exec/exec.h"

#define DEBUGFS "/sys/kernel/debug"

static const char *const switches[] = {
	"failslab",
	"fail_page_alloc",
	"fail_iommufd",
};

static bool is_switch(const char *path)
{
	if (!g_str_has_prefix(path, DEBUGFS "/"))
		return false;
	path += strlen(DEBUGFS "/");
	for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
		size_t length = strlen(switches[i]);
		if (strncmp(path, switches[i], length) == 0 &&
		    (path[length] == 0 || path[length] == '/'))
			return true;
	}
	return false;
}

bool procfs_exists(const char *path)
{
	return is_switch(path);
}

static struct answer value(int64_t value)
{
	return (struct answer){ANSWER_VALUE, value};
}

static struct answer give(struct exec *exec, int fd, int number)
{
	int64_t given = fd < 0 ? -errno : exec_give_fd(exec, fd, number, false);
	if (fd >= 0)
		close(fd);
	return value(given);
}

/* /proc/PID/status with the numbers of pages that the shim has pinned and charged. */
static struct answer open_status(struct exec *exec, pid_t pid)
{
	char path[64], *text = NULL;
	struct client *client = g_hash_table_lookup(exec->clients, GINT_TO_POINTER(pid));
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (client == NULL || !g_file_get_contents(path, &text, NULL, NULL))
		return (struct answer){.kind = ANSWER_CONTINUE};
	const struct mm *mm = client->process->mm;
	int fd = memfd_create("status", MFD_CLOEXEC);
	char *rest = text, *line;
	while (fd >= 0 && (line = strsep(&rest, "\n")) != NULL && (*line != 0 || rest != NULL)) {
		if (g_str_has_prefix(line, "VmPin:"))
			dprintf(fd, "VmPin:\t%8llu kB\n", (unsigned long long)mm->pinned_vm * 4);
		else if (g_str_has_prefix(line, "VmLck:"))
			dprintf(fd, "VmLck:\t%8llu kB\n", (unsigned long long)mm->locked_vm * 4);
		else
			dprintf(fd, "%s\n", line);
	}
	g_free(text);
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return give(exec, fd, -1);
}

/* A descriptor of exec's own with a reserved number, so that reads of it are asked about. */
static struct answer open_own(struct exec *exec, struct client *client, pid_t fail_nth)
{
	int theirs;
	struct standin *standin = standin_new(exec, NULL, false, &theirs);
	if (standin == NULL)
		return value(-EMFILE);
	standin->fail_nth = fail_nth;
	exec->call->number = SYS_IOCTL; /* any but open(): a reserved number */
	int number = client->process->fd_outside->reserve(client->process);
	return number < 0 ? (close(theirs), value(number)) : give(exec, theirs, number);
}

struct answer procfs_open(struct exec *exec, struct client *client, const char *path,
			  uint32_t flags, bool *ours)
{
	int pid = 0, tid = 0, end = 0;
	*ours = true;
	if (strcmp(path, "/proc/self/status") == 0)
		return open_status(exec, client->pid);
	if (sscanf(path, "/proc/%d/status%n", &pid, &end) == 1 && end > 0 && path[end] == 0)
		return open_status(exec, pid);
	if (strcmp(path, "/proc/thread-self/fail-nth") == 0)
		return open_own(exec, client, (pid_t)exec->notif->pid);
	if ((sscanf(path, "/proc/self/task/%d/fail-nth%n", &tid, &end) == 1 ||
	     sscanf(path, "/proc/%d/task/%d/fail-nth%n", &pid, &tid, &end) == 2) &&
	    end > 0 && path[end] == 0)
		return open_own(exec, client, tid);
	if (strcmp(path, DEBUGFS) == 0 || strcmp(path, DEBUGFS "/") == 0) {
		int fd = open("/proc/self/fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)flags;
		/* As good a folder as any; what is opened under it is asked about. */
		fd = fd >= 0 ? fd : open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return give(exec, fd, -1);
	}
	if (is_switch(path))
		return give(exec, memfd_create("switch", MFD_CLOEXEC), -1);
	*ours = false;
	return value(0);
}

int64_t procfs_read(struct client *client, struct standin *standin, uint64_t va, uint64_t count,
		    uint64_t offset)
{
	char text[32];
	gpointer left = g_hash_table_lookup(client->fail_nth, GINT_TO_POINTER(standin->fail_nth));
	size_t length = (size_t)snprintf(text, sizeof(text), "%u\n", GPOINTER_TO_UINT(left));
	if (offset >= length)
		return 0;
	uint64_t n = MIN(count, length - offset);
	return client_write(client, va, text + offset, n) == n ? (int64_t)n : -EFAULT;
}

int64_t procfs_write(struct client *client, struct standin *standin, uint64_t va, uint64_t count)
{
	char text[32] = {0};
	char *end;
	uint64_t n = MIN(count, sizeof(text) - 1);
	if (client_read(client, va, text, n) != n)
		return -EFAULT;
	unsigned long nth = strtoul(text, &end, 0);
	if (end == text || (*end != 0 && *end != '\n'))
		return -EINVAL;
	g_hash_table_insert(client->fail_nth, GINT_TO_POINTER(standin->fail_nth),
			    GUINT_TO_POINTER((guint)nth));
	return (int64_t)count;
}
