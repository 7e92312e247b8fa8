/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files and descriptor tables.
 *
 * Concepts
 *   file        an open file description, counted; release() runs with the last reference
 *   descriptor  a number in a process's table; the lowest free one is handed out
 *   file ops    what a driver does for its files (file_operations); an absent one gives the VFS's
 *               own answer
 */
#ifndef HWQ_EMU_FILE_H
#define HWQ_EMU_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/addr.h"

struct arena;
struct file;
struct hash;
struct machine;
struct object;
struct process;
struct thread;
struct map_request;

#define O_ACCMODE_BITS 3U
#define O_RDWR_BIT     2U
#define O_CLOEXEC_BIT  02000000U

#define POLLIN_BIT     0x1U
#define POLLOUT_BIT    0x4U
#define POLLRDNORM_BIT 0x40U
#define POLLWRNORM_BIT 0x100U
#define POLLNVAL_BIT   0x20U

#define FD_MAX 1024U /* soft RLIMIT_NOFILE */

struct file_ops {
	const char *name;
	void (*release)(struct file *file);
	int64_t (*ioctl)(struct thread *thread, struct file *file, uint32_t cmd, struct va arg);
	int64_t (*read)(struct thread *thread, struct file *file, struct va buffer, uint64_t count);
	int64_t (*write)(struct thread *thread, struct file *file, struct va buffer,
			 uint64_t count);
	uint32_t (*poll)(struct file *file);
	/* Completes REQUEST (object, ops) or refuses with an errno. */
	int (*mmap)(struct thread *thread, struct file *file, struct map_request *request,
		    uint64_t offset);
	void (*hash)(struct file *file, struct hash *hash); /* state behind it */
};

struct file {
	struct machine *machine;
	const struct file_ops *ops;
	void *priv;
	struct object *object; /* what can be mapped: a memfd, a regular file */
	uint32_t references;
	uint32_t flags;
};

struct fd_table {
	struct file **slots;
	uint32_t capacity;
	uint32_t lowest; /* no free number below */
};

/* Descriptors of a live program (hwq exec): its kernel has the table. */
struct fd_outside {
	int (*reserve)(struct process *process);
	void (*install_at)(struct process *process, int fd, struct file *file);
	void (*release)(struct process *process, int fd);
	struct file *(*file)(struct process *process, int fd);
};

struct file *file_new(struct machine *machine, const struct file_ops *ops, void *priv,
		      uint32_t flags);
void file_get(struct file *file);
void file_put(struct file *file);

/* The lowest free number with FILE in it (the reference moves), or -EMFILE. */
int fd_install(struct process *process, struct file *file);
/* Reserves the lowest free number; fd_install_at() fills it or fd_release() gives it back. */
int fd_reserve(struct process *process);
void fd_install_at(struct process *process, int fd, struct file *file);
void fd_release(struct process *process, int fd);
/* Borrowed, or NULL. */
struct file *fd_file(struct process *process, int fd);
/* 0 or -EBADF. */
int fd_close(struct process *process, int fd);

/* Files of kinds that have no behaviour of their own here. */
extern const struct file_ops regular_file_ops;
extern const struct file_ops memfd_ops;
extern const struct file_ops pipe_ops;
extern const struct file_ops char_device_ops;

#endif
