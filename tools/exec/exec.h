/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hwq exec: an unmodified program, with the shim behind its /dev/iommu.
 *
 * Concepts
 *   supervisor    this process: it has the machine, and answers for it
 *   client        a process of the program; a `struct process` of the machine stands for it
 *   filter        seccomp: the system calls that the kernel asks the supervisor about (filter.c)
 *   notification  one such call, stopped until it is answered
 *   stand-in      the socket that clients hold in place of a file of the shim (standin.c). Its inode
 *                 names the file, whatever its number; when the last copy is closed, or its holder
 *                 dies, the supervisor's end hangs up
 *   reserved      descriptor numbers from exec.fd_base on: only there can the filter see that a
 *                 read() or a dup() is ours
 *   mirror        a client's mappings in its process's mm, read from /proc/PID/maps (mirror.c)
 *   outside       bytes that lie in clients, read and written there
 *   limit         what can't be done as a kernel would: the user is told once, on standard error
 */
#ifndef HWQ_TOOLS_EXEC_EXEC_H
#define HWQ_TOOLS_EXEC_EXEC_H

#include <glib.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "emu/machine.h"
#include "emu/syscall.h"

#define RESERVED_FDS 128U

struct recorder;
struct engine;

/* A memfd, shared anonymous memory, a file: pages that clients map. */
struct outside_object {
	dev_t device;
	ino_t inode;
	struct object *object;
	struct file *file; /* of the shim, for IOMMU_IOAS_MAP_FILE; NULL: never asked for */
	int fd;            /* to its bytes; -1: only through a client's mapping */
	char *name;
	uint64_t recorded_size; /* that the recording knows of */
};

struct exec_options {
	char **program;      /* argv; NULL at the end */
	int (*body)(void *); /* or this, in the child */
	void *body_context;
	const char *trace;         /* file to record to, or NULL */
	const char *profile;       /* NULL: the mock driver alone */
	bool check;                /* print violations as they happen */
	const char *const *kernel; /* KEY=VALUE, NULL at the end; or NULL */
	const char *const *hardware;
	uint64_t seed;
};

/* What epoll tells of. */
enum source {
	SOURCE_NOTIFY,
	SOURCE_SIGNAL,
	SOURCE_CLIENT,
	SOURCE_STANDIN,
};

struct client {
	enum source source; /* SOURCE_CLIENT */
	struct exec *exec;
	pid_t pid;
	int pidfd;
	struct process *process;
	struct thread *thread;
	uint64_t refreshed;   /* the call at which the mirror was brought up to date */
	GString *maps;        /* /proc/PID/maps then */
	GHashTable *fail_nth; /* tid -> what is left of its fail-nth */
	char *program;        /* what it ran when it called exec(), until that is over; or NULL */
	pid_t exec_tid;       /* the thread that did */
	GPtrArray *numbers;   /* descriptors as a recording counts them: struct file, or NULL */
};

/* What a client holds instead of a file of the shim. */
struct standin {
	enum source source; /* SOURCE_STANDIN */
	struct file *file;  /* NULL: a file of exec's own (procfs.c) */
	ino_t inode;
	int ours;
	bool has_readiness; /* poll() means something: a queue */
	bool readable;      /* as clients see it */
	uint64_t events;    /* machine->poll_events when they were last told */
	pid_t fail_nth;     /* the task whose fail-nth file it is; 0: none */
};

/* One client's mapping of a driver's page, as the shim counts it. */
struct region_mapping {
	struct client *client; /* NULL: gone */
	uint64_t va;
	struct file *file; /* kept open by the mapping */
	const struct vma_ops *ops;
	void *ops_context;
};

/* A driver's page that clients have mapped: memory that both sides share. */
struct shared_region {
	int fd; /* a reader's; a lease on it says whether anyone has it open for writing */
	uint64_t length;
	uint64_t pfn;
	ino_t inode;
	GArray *mappings; /* struct region_mapping */
	uint8_t *known;   /* of registers: what the hardware and the page agreed on last */
};

struct exec {
	const struct exec_options *options;
	struct machine *machine;
	struct syscall *call;
	int notify;
	int epoll;
	int signals;
	int fd_base; /* first reserved descriptor number */
	pid_t child;
	int status;  /* waitpid()'s, of the child */
	bool failed; /* the supervisor itself can't go on */
	uint64_t calls;
	uint64_t held_back;   /* capabilities that root lacks here: it counts as having them */
	GHashTable *clients;  /* pid -> struct client */
	GHashTable *threads;  /* tid -> struct client */
	GHashTable *standins; /* inode -> struct standin */
	GPtrArray *objects;   /* struct outside_object */
	GPtrArray *regions;   /* struct shared_region */
	struct spans places;  /* pfn -> page of a client's address space; tag: its pid */
	GHashTable *kept;     /* pfn -> bytes that a client's pinned page had at its end */
	struct memory_outside memory_outside;
	struct seccomp_notif *notif; /* the one at hand */
	struct client *caller;       /* whose it is; NULL: none is being answered */
	GQueue *deferred;            /* struct seccomp_notif */
	struct {
		uint64_t call;
		pid_t pid;
		int fd;
		struct standin *standin;
	} looked_up; /* of the call at hand */
	struct {
		struct client *client; /* NULL: nothing */
		uint64_t va;
		uint64_t size;
		uint8_t bytes[128];
	} prefetched;
	uint64_t last_id; /* of a notification: the kernel counts them */
	int installed;    /* number that an open() got */
	struct {
		uint64_t call;
		pid_t pid;
		int fd;
		struct standin *standin;
	} found; /* what the call at hand has looked up already */
	struct recorder *recorder;
	struct engine *engine;
	uint32_t limits_told;
};

/* What was noticed and can't be done: said once each. */
enum limit {
	LIMIT_GONE_PAGE,
	LIMIT_MOVED_QUEUE,
	LIMIT_NO_PTRACE,
	LIMIT_UNREADABLE,
	LIMIT_FDS,
	LIMIT_COUNT,
};
void exec_limit(struct exec *exec, enum limit limit, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* filter.c: in the child: installs the filter and returns the descriptor of its notifications. */
int filter_install(int fd_base);

/* supervisor.c: runs the program; the exit status for the shell. */
int exec_run(const struct exec_options *options);
/* True while the caller of the notification at hand still waits. */
bool exec_still_waits(struct exec *exec);
/* Gives SOURCE to the caller: as number FD, or the lowest free one for -1. The number or -errno. */
int exec_give_fd(struct exec *exec, int source, int fd, bool cloexec);
/* Another notification came while one was answered: it is next. */
void exec_defer(struct exec *exec, const struct seccomp_notif *notif);

/* calls.c */
enum answer_kind {
	ANSWER_VALUE,    /* VALUE: the result, or a negative errno */
	ANSWER_CONTINUE, /* the kernel does the call */
	ANSWER_SENT,     /* answered already */
};
struct answer {
	enum answer_kind kind;
	int64_t value;
};
struct answer exec_call(struct exec *exec, struct client *client);
/* Regions that nobody maps any more go. */
void regions_sweep(struct exec *exec);
/* CLIENT is gone. */
void regions_forget(struct exec *exec, const struct client *client);
/* Bytes at OFFSET of a region: into TO, or from FROM. */
bool region_copy(const struct shared_region *region, uint64_t offset, void *to, const void *from,
		 uint64_t size);
/* Runs exec->call on the machine. False: it can't go on. */
bool exec_issue(struct exec *exec, struct client *client);
/* Queues' poll() as the shim sees it. */
void exec_update_readiness(struct exec *exec);

/* client.c */
struct client *client_of(struct exec *exec, pid_t tid);
/* A thread through which its memory and descriptors can be had: the caller, if it is the client's. */
pid_t client_task(const struct client *client);
/* A copy of its descriptor, or -1. */
int client_take_fd(const struct client *client, int fd);
void client_exited(struct exec *exec, struct client *client);
/* Reads at once what the call at hand asks for in pieces: its argument. Until a write, or its end. */
void client_prefetch(struct client *client, uint64_t va);
/* As process_vm_readv() and writev(); bytes done. */
uint64_t client_read(struct client *client, uint64_t va, void *to, uint64_t size);
uint64_t client_write(struct client *client, uint64_t va, const void *from, uint64_t size);
/* Of those that the shim asks about, what root lacks in this container. A mask. */
uint64_t capabilities_held_back(void);
/* It calls exec(), which may fail: whether it did is seen at its next call. */
void client_execs(struct client *client);
/* Capabilities and limits as they are now. */
void client_credentials(struct client *client);
/* The number by which a recording knows FILE in this process. */
int client_number(struct client *client, struct file *file);
extern const struct fd_outside client_fds;

/* standin.c */
struct standin *standin_new(struct exec *exec, struct file *file, bool queue, int *theirs);
/* Behind the client's descriptor; NULL: none of ours. */
struct standin *standin_find(struct client *client, int fd);
/* Whether any process still has a descriptor of FILE. */
bool standin_is_open(struct exec *exec, const struct file *file);
void standin_hung_up(struct exec *exec, struct standin *standin);
void standin_set_readable(struct exec *exec, struct standin *standin, bool readable);

/* mirror.c */
extern const struct mm_outside client_memory;
void mirror_init(struct exec *exec);
/* Brings the mirror up to date, once a call. */
void mirror_refresh(struct client *client);
/* Pages of a private mapping, or a whole client's, are no longer where they were. */
void mirror_forget(struct client *client);
/* The object as a file of the shim. */
void mirror_make_file(struct exec *exec, struct outside_object *outside);
/* Another program runs in it: its memory is new. */
void mirror_exec(struct client *client);
/* Its memory is about to go: what is pinned of it is copied while it can be read. */
void mirror_keep(struct client *client);
/* Whether a mapping of a driver's page is at VA. */
bool mirror_is_region(struct client *client, uint64_t va);
/* The emulated file behind another descriptor of the client: a memfd, a regular file; or NULL. */
struct file *mirror_file(struct client *client, int fd);

/* procfs.c: files under /proc and /sys that belong to the interface. */
struct answer procfs_open(struct exec *exec, struct client *client, const char *path,
			  uint32_t flags, bool *ours);
bool procfs_exists(const char *path);
int64_t procfs_read(struct client *client, struct standin *standin, uint64_t va, uint64_t count,
		    uint64_t offset);
int64_t procfs_write(struct client *client, struct standin *standin, uint64_t va, uint64_t count);

/* inject.c: maps FD of the client in the thread that waits. The address or a negative errno. */
int64_t inject_mmap(struct exec *exec, pid_t tgid, pid_t tid, const uint64_t args[6], int fd);

#endif
