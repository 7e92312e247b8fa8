// SPDX-License-Identifier: Apache-2.0
#include "emu/syscall.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* ioctls that the VFS answers before any driver (asm-generic/ioctls.h). */
#define FIONCLEX_CMD 0x5450U
#define FIOCLEX_CMD  0x5451U
#define FIONBIO_CMD  0x5421U
#define FIOASYNC_CMD 0x5452U

#define PS_PER_MS 1000000000ULL

static int64_t sys_open(struct thread *thread, const char *path, uint32_t flags)
{
	struct process *process = thread->process;
	struct machine *machine = process->machine;
	int fd = fd_reserve(process);
	if (fd < 0)
		return fd;
	struct file *file = NULL;
	int error = 0;
	for (uint32_t i = 0; i < machine->device_count; i++) {
		const struct path_device *device = &machine->devices[i];
		if (strcmp(device->path, path) != 0)
			continue;
		file = device->open(thread, device->context, flags, &error);
		if (file == NULL) {
			fd_release(process, fd);
			return error;
		}
	}
	if (file == NULL) {
		/* Any other path is a regular file whose contents are not known. */
		file = file_new(machine, &regular_file_ops, NULL, flags);
		file->object = object_new(machine, OBJECT_FILE, UINT64_MAX, process->mm->owner);
	}
	fd_install_at(process, fd, file);
	return fd;
}

static int64_t sys_ioctl(struct thread *thread, int fd, uint32_t cmd, uint64_t arg)
{
	struct file *file = fd_file(thread->process, fd);
	struct machine *machine = thread->process->machine;
	if (file == NULL)
		return refuse(machine, EBADF, "ioctl", "the descriptor is not open");
	if (cmd == FIOCLEX_CMD || cmd == FIONCLEX_CMD)
		return 0;
	if (cmd == FIONBIO_CMD || cmd == FIOASYNC_CMD) {
		uint32_t on;
		if (mm_read(thread->process->mm, va_of(arg), &on, sizeof(on)) != sizeof(on))
			return -EFAULT;
		return cmd == FIOASYNC_CMD && on != 0 ? -ENOTTY : 0;
	}
	if (file->ops->ioctl == NULL)
		return refuse(machine, ENOTTY, "ioctl", "no iommufd is behind the descriptor");
	file_get(file); /* a close() meanwhile must not free it (fdget) */
	int64_t result = file->ops->ioctl(thread, file, cmd, va_of(arg));
	file_put(file);
	return result;
}

static int64_t sys_transfer(struct thread *thread, int fd, uint64_t buffer, uint64_t count,
			    bool reads)
{
	struct file *file = fd_file(thread->process, fd);
	if (file == NULL)
		return -EBADF;
	if (reads ? file->ops->read == NULL : file->ops->write == NULL)
		return -EINVAL;
	if (buffer > TASK_SIZE || count > TASK_SIZE - buffer)
		return -EFAULT;
	file_get(file);
	int64_t result = reads ? file->ops->read(thread, file, va_of(buffer), count)
			       : file->ops->write(thread, file, va_of(buffer), count);
	file_put(file);
	return result;
}

static int64_t sys_poll(struct thread *thread, struct syscall *call)
{
	struct machine *machine = thread->process->machine;
	int fd = (int)call->args[0];
	uint32_t events = (uint32_t)call->args[1];
	int64_t timeout_ms = (int32_t)call->args[2];
	uint64_t deadline_ps = machine->clock.now_ps + (uint64_t)timeout_ms * PS_PER_MS;
	for (;;) {
		struct file *file = fd_file(thread->process, fd);
		uint32_t ready = POLLIN_BIT | POLLRDNORM_BIT | POLLOUT_BIT | POLLWRNORM_BIT;
		if (fd < 0)
			ready = 0;
		else if (file == NULL)
			ready = POLLNVAL_BIT;
		else if (file->ops->poll != NULL)
			ready = file->ops->poll(file);
		call->out = ready & (events | POLLNVAL_BIT);
		if (call->out != 0)
			return 1;
		if (timeout_ms == 0)
			return 0;
		if (thread->process->exiting)
			return -EINTR;
		if (timeout_ms < 0)
			wait_queue_sleep(&machine->scheduler, &machine->poll_waiters, "poll");
		else if (!wait_queue_sleep_until(&machine->scheduler, &machine->poll_waiters,
						 deadline_ps, "poll"))
			return 0;
	}
}

/* What the VFS and the mm check for a file before its mmap(). */
static int64_t map_file(struct thread *thread, struct file *file, struct map_request *request,
			uint64_t offset)
{
	if ((request->flags & MAP_TYPE_MASK) != MAP_PRIVATE_BIT &&
	    (request->prot & PROT_WRITE_BIT) && (file->flags & O_ACCMODE_BITS) == 0)
		return -EACCES;
	if (file->ops->mmap != NULL) {
		request->length = align_up(request->length, PAGE_SIZE);
		return file->ops->mmap(thread, file, request, offset);
	}
	if (file->object == NULL)
		return -ENODEV;
	object_get(file->object);
	request->object = file->object;
	request->page_index = offset / PAGE_SIZE;
	return 0;
}

static int64_t map_anonymous(struct thread *thread, struct map_request *request)
{
	struct machine *machine = thread->process->machine;
	bool shared = request->flags & MAP_SHARED_BIT;
	if (request->flags & MAP_HUGETLB_BIT) {
		uint64_t pages = align_up(request->length, HPAGE_SIZE) / HPAGE_SIZE;
		if (pages > machine->huge_free)
			return -ENOMEM;
		request->object = object_new(machine, OBJECT_HUGETLB, request->length,
					     thread->process->mm->owner);
	} else if (shared) {
		request->object = object_new(machine, OBJECT_SHMEM, request->length,
					     thread->process->mm->owner);
	}
	return 0;
}

static int64_t sys_mmap(struct thread *thread, const uint64_t args[6])
{
	struct mm *mm = thread->process->mm;
	uint64_t offset = args[5];
	struct map_request request = {
		.address = args[0],
		.length = args[1],
		.prot = (uint32_t)args[2],
		.flags = (uint32_t)args[3],
	};
	uint32_t type = request.flags & MAP_TYPE_MASK;
	if (page_offset(offset) != 0 || request.length == 0 || type == 0 ||
	    type > MAP_SHARED_VALIDATE_BITS)
		return -EINVAL;
	if (request.length > TASK_SIZE)
		return -ENOMEM;
	int64_t error;
	if (request.flags & MAP_ANONYMOUS_BIT) {
		error = map_anonymous(thread, &request);
	} else {
		struct file *file = fd_file(thread->process, (int)args[4]);
		if (file == NULL)
			return -EBADF;
		request.file = file;
		error = map_file(thread, file, &request, offset);
	}
	if (error != 0)
		return error;
	uint64_t va = 0;
	error = mm_map(mm, &request, &va);
	if (error != 0 && request.ops != NULL)
		request.ops->close(request.ops_context);
	if (request.object != NULL)
		object_put(request.object); /* the mapping has its own reference */
	return error != 0 ? error : (int64_t)va;
}

static int64_t sys_memfd_create(struct thread *thread)
{
	struct process *process = thread->process;
	struct file *file = file_new(process->machine, &memfd_ops, NULL, O_RDWR_BIT);
	file->object = object_new(process->machine, OBJECT_SHMEM, 0, process->mm->owner);
	int fd = fd_install(process, file);
	if (fd < 0)
		file_put(file);
	return fd;
}

static int64_t sys_ftruncate(struct thread *thread, int fd, uint64_t length)
{
	struct file *file = fd_file(thread->process, fd);
	if (file == NULL)
		return -EBADF;
	if (file->object == NULL || file->object->kind == OBJECT_DEVICE || length > INT64_MAX)
		return -EINVAL;
	struct object *object = file->object;
	if (length < object->size) {
		uint64_t keep = align_up(length, PAGE_SIZE) / PAGE_SIZE;
		object_punch(object, keep, UINT64_MAX / PAGE_SIZE - keep);
	}
	object->size = length;
	return 0;
}

static struct process *exited_child(struct process *parent, int64_t pid, bool *any)
{
	struct process *child;
	*any = false;
	TAILQ_FOREACH (child, &parent->machine->processes, link) {
		if (child->parent != parent || child->reaped || (pid > 0 && child->pid != pid))
			continue;
		*any = true;
		if (child->exited)
			return child;
	}
	return NULL;
}

static int64_t sys_waitpid(struct thread *thread, struct syscall *call)
{
	int64_t pid = (int32_t)call->args[0];
	uint64_t options = call->args[2];
	struct process *process = thread->process;
	struct process *child;
	bool any;
	while ((child = exited_child(process, pid, &any)) == NULL) {
		if (!any)
			return -ECHILD;
		if (options & 1) /* WNOHANG */
			return 0;
		if (process->exiting)
			return -EINTR;
		wait_queue_sleep(&process->machine->scheduler, &process->child_exit, "waitpid");
	}
	child->reaped = true;
	process->machine->process_count--;
	call->out = child->exit_status;
	return child->pid;
}

static int64_t sys_fork(struct thread *thread)
{
	struct process *child = process_fork(thread->process);
	if (child == NULL)
		return -EAGAIN;
	thread_new(child);
	return child->pid;
}

static bool others_are_busy(const struct thread *thread)
{
	const struct thread *other;
	TAILQ_FOREACH (other, &thread->process->threads, link)
		if (other != thread && other->busy)
			return true;
	return false;
}

/* The other threads are killed: what can be interrupted is, the rest comes to its end first. */
static int64_t sys_exit(struct thread *thread, uint32_t status)
{
	struct process *process = thread->process;
	struct scheduler *scheduler = &process->machine->scheduler;
	if (process->exiting)
		return 0;
	process->exiting = true;
	wait_queue_wake_all(scheduler, &process->child_exit);
	wait_queue_wake_all(scheduler, &process->machine->poll_waiters);
	while (others_are_busy(thread))
		wait_queue_sleep(scheduler, &process->call_ended, "exit");
	process_exit(process, status);
	return 0;
}

/* A pinned page is the pinner's to let go of. */
static int64_t sys_host(struct thread *thread, const struct syscall *call)
{
	struct machine *machine = thread->process->machine;
	struct mm *mm = thread->process->mm;
	struct va va = va_of(call->args[0]);
	enum host_move move = call->number == SYS_HOST_MIGRATE   ? HOST_MIGRATE
			      : call->number == SYS_HOST_RECLAIM ? HOST_RECLAIM
								 : HOST_UPDATE;
	int error = move == HOST_MIGRATE   ? mm_migrate(mm, va)
		    : move == HOST_RECLAIM ? mm_reclaim(mm, va)
					   : -EBUSY;
	if (error != -EBUSY || machine->move_pinned == NULL)
		return error;
	return machine->move_pinned(machine, mm, va, move);
}

static int64_t dispatch(struct thread *thread, struct syscall *call)
{
	const uint64_t *args = call->args;
	struct mm *mm = thread->process->mm;
	switch (call->number) {
	case SYS_OPEN:
		return sys_open(thread, call->path, (uint32_t)args[1]);
	case SYS_CLOSE:
		return fd_close(thread->process, (int)args[0]);
	case SYS_IOCTL:
		return sys_ioctl(thread, (int)args[0], (uint32_t)args[1], args[2]);
	case SYS_READ:
	case SYS_WRITE:
		return sys_transfer(thread, (int)args[0], args[1], args[2],
				    call->number == SYS_READ);
	case SYS_POLL:
		return sys_poll(thread, call);
	case SYS_MMAP:
		return sys_mmap(thread, args);
	case SYS_MUNMAP:
		return mm_unmap(mm, args[0], args[1]);
	case SYS_MPROTECT:
		return mm_protect(mm, args[0], args[1], (uint32_t)args[2]);
	case SYS_MADVISE:
		return args[2] == MADV_DONTNEED_ADVICE ? mm_dontneed(mm, args[0], args[1]) : 0;
	case SYS_MEMFD_CREATE:
		return sys_memfd_create(thread);
	case SYS_FTRUNCATE:
		return sys_ftruncate(thread, (int)args[0], args[1]);
	case SYS_FORK:
		return sys_fork(thread);
	case SYS_EXECVE:
		process_exec(thread->process);
		return 0;
	case SYS_WAITPID:
		return sys_waitpid(thread, call);
	case SYS_EXIT:
		return sys_exit(thread, (uint32_t)(args[0] & 0xff) << 8 | (args[1] & 0x7f));
	case SYS_HOST_MIGRATE:
	case SYS_HOST_RECLAIM:
	case SYS_HOST_UPDATE:
		return sys_host(thread, call);
	}
	return -ENOSYS;
}

/* Tasks of threads are known by what they run. */
static void run(void *arg);

uint64_t task_syscall_id(const struct task *task)
{
	if (task->fn != run)
		return 0;
	const struct thread *thread = task->arg;
	return thread->call != NULL ? thread->call->id : 0;
}

static void run(void *arg)
{
	struct thread *thread = arg;
	struct syscall *call = thread->call;
	struct machine *machine = thread->process->machine;
	machine->rule = (struct rule){0};
	call->result = dispatch(thread, call);
	if (machine->rule.error == -call->result)
		call->rule = machine->rule;
	call->done = true;
	call->done_ps = machine->clock.now_ps;
	thread->busy = false;
	thread->call = NULL;
	if (thread->process->exiting)
		wait_queue_wake_all(&machine->scheduler, &thread->process->call_ended);
}

bool syscall_start(struct thread *thread, struct syscall *call)
{
	struct machine *machine = thread->process->machine;
	assert(!thread->busy);
	thread->busy = true;
	thread->call = call;
	call->done = false;
	call->out = 0;
	call->unstated = false;
	call->from_memory = false;
	call->rule = (struct rule){0};
	call->id = ++machine->ledger.call;
	/* Nothing else can happen first: skip the event. */
	bool started = machine->clock.pending == 0 && !machine->scheduler.stepwise
			       ? task_run(&machine->scheduler, &thread->task, run, thread)
			       : task_start(&machine->scheduler, &thread->task, run, thread);
	if (!started) {
		thread->busy = false;
		thread->call = NULL;
	}
	return started;
}

bool syscall_finish(struct machine *machine, struct syscall *call)
{
	while (!call->done && !machine->scheduler.broken)
		if (!clock_step(&machine->clock))
			return false;
	return call->done;
}
