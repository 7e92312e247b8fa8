// SPDX-License-Identifier: Apache-2.0
#include "emu/file.h"

#include <assert.h>
#include <errno.h>

#include "emu/arena.h"
#include "emu/machine.h"
#include "emu/process.h"

const struct file_ops regular_file_ops = {.name = "regular file"};
const struct file_ops memfd_ops = {.name = "memfd"};
const struct file_ops pipe_ops = {.name = "pipe"};
const struct file_ops char_device_ops = {.name = "character device"};

/* Stands in a slot that is taken but not filled; no file has this address. */
#define RESERVED ((struct file *)(uintptr_t)1)

struct file *file_new(struct machine *machine, const struct file_ops *ops, void *priv,
		      uint32_t flags)
{
	struct file *file = arena_new(machine->arena, struct file);
	file->machine = machine;
	file->ops = ops;
	file->priv = priv;
	file->flags = flags;
	file->references = 1;
	return file;
}

void file_get(struct file *file)
{
	file->references++;
}

void file_put(struct file *file)
{
	assert(file->references > 0);
	if (--file->references > 0)
		return;
	if (file->ops->release != NULL)
		file->ops->release(file);
	if (file->object != NULL)
		object_put(file->object);
	arena_delete(file->machine->arena, file);
}

static void grow(struct process *process, uint32_t capacity)
{
	struct fd_table *files = &process->files;
	files->slots = arena_grow(process->machine->arena, files->slots,
				  files->capacity * sizeof(*files->slots),
				  capacity * sizeof(*files->slots));
	files->capacity = capacity;
}

int fd_reserve(struct process *process)
{
	if (process->fd_outside != NULL)
		return process->fd_outside->reserve(process);
	struct fd_table *files = &process->files;
	uint32_t fd = files->lowest;
	while (fd < files->capacity && files->slots[fd] != NULL)
		fd++;
	if (fd >= FD_MAX)
		return -EMFILE;
	if (fd == files->capacity)
		grow(process, files->capacity == 0 ? 8 : files->capacity * 2);
	files->slots[fd] = RESERVED;
	files->lowest = fd + 1;
	return (int)fd;
}

void fd_install_at(struct process *process, int fd, struct file *file)
{
	struct fd_table *files = &process->files;
	if (process->fd_outside != NULL) {
		process->fd_outside->install_at(process, fd, file);
		return;
	}
	while ((uint32_t)fd >= files->capacity)
		grow(process, files->capacity == 0 ? 8 : files->capacity * 2);
	assert(files->slots[fd] == NULL || files->slots[fd] == RESERVED);
	files->slots[fd] = file;
}

void fd_release(struct process *process, int fd)
{
	struct fd_table *files = &process->files;
	if (process->fd_outside != NULL) {
		process->fd_outside->release(process, fd);
		return;
	}
	files->slots[fd] = NULL;
	if ((uint32_t)fd < files->lowest)
		files->lowest = (uint32_t)fd;
}

int fd_install(struct process *process, struct file *file)
{
	int fd = fd_reserve(process);
	if (fd >= 0)
		fd_install_at(process, fd, file);
	return fd;
}

struct file *fd_file(struct process *process, int fd)
{
	struct fd_table *files = &process->files;
	if (process->fd_outside != NULL)
		return process->fd_outside->file(process, fd);
	if (fd < 0 || (uint32_t)fd >= files->capacity || files->slots[fd] == RESERVED)
		return NULL;
	return files->slots[fd];
}

int fd_close(struct process *process, int fd)
{
	struct file *file = fd_file(process, fd);
	if (file == NULL)
		return -EBADF;
	fd_release(process, fd);
	file_put(file);
	return 0;
}
