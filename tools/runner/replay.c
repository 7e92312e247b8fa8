// SPDX-License-Identifier: Apache-2.0
#include "tools/runner/replay.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/trace/errno_names.h"
#include "kernel_shim/iommufd.h"
#include "tools/runner/answer.h"

#define SCRATCH_HINT 0x10000ULL /* below anything that a program maps */
#define SCRATCH_SIZE (1ULL << 20)
#define STEPS_MAX    (1ULL << 24) /* of one call */

/* A process of the recording and the one that stands for it. */
struct bound_process {
	uint32_t pid;    /* label */
	uint32_t parent; /* label */
	struct process *process;
	uint64_t scratch;   /* va; 0: none yet */
	uint32_t fork_line; /* of the fork that made it; 0: not seen */
	bool acted;
	struct recorded_fail_nth fail_nth; /* of its next call; nth 0: none */
};

/* A fork line, for what only later lines can tell. */
struct fork_line {
	struct recorded_call call;
	struct trace_call source;
	bool differs;
};

struct replay {
	struct machine *machine;
	struct replay_options options;
	const struct replay_events *events;
	struct replay_counts counts;
	struct bound_process *processes;
	uint32_t process_count;
	uint32_t process_capacity;
	struct syscall *call; /* in the arena, used again and again */
	struct arena_snapshot *snapshot;
	struct fork_line *forks;
	uint32_t fork_count;
	uint32_t fork_capacity;
	const char *failure;
	bool internal;
	uint8_t *bytes; /* for reading back */
	size_t bytes_size;
};

struct replay_options replay_options_default(void)
{
	struct replay_options options = {.machine = machine_config_default()};
	options.machine.track_stated = true;
	return options;
}

static void set_kernel_options(struct iommufd_module *module, const char *const *texts)
{
	unsigned option, value;
	for (; texts != NULL && *texts != NULL; texts++)
		if (option_find(kernel_options, *texts, &option, &value))
			module->options.values[option] = (uint8_t)value;
}

struct replay *replay_new(const struct replay_options *options, const struct replay_events *events)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	if (replay == NULL)
		return NULL;
	replay->options = *options;
	replay->events = events;
	replay->machine = machine_new(&options->machine);
	if (replay->machine == NULL) {
		free(replay);
		return NULL;
	}
	iommufd_register(replay->machine);
	set_kernel_options(replay->machine->kernel, options->kernel);
	replay->machine->scheduler.stepwise = options->check_steps;
	replay->call = arena_new(replay->machine->arena, struct syscall);
	return replay;
}

void replay_free(struct replay *replay)
{
	if (replay == NULL)
		return;
	arena_snapshot_free(replay->snapshot);
	machine_free(replay->machine);
	free(replay->processes);
	free(replay->forks);
	free(replay->bytes);
	free(replay);
}

const struct replay_counts *replay_counts(const struct replay *replay)
{
	return &replay->counts;
}

struct machine *replay_machine(struct replay *replay)
{
	return replay->machine;
}

const char *replay_failure(const struct replay *replay)
{
	return replay->failure;
}

bool replay_is_internal(const struct replay *replay)
{
	return replay->internal;
}

static void *must_grow(void *block, size_t size)
{
	void *grown = realloc(block, size);
	if (grown == NULL)
		abort();
	return grown;
}

/* --- processes --- */

static struct bound_process *find_process(struct replay *replay, uint32_t pid)
{
	/* The last one first: lines of one process come in runs. */
	for (uint32_t i = replay->process_count; i-- > 0;)
		if (replay->processes[i].pid == pid)
			return &replay->processes[i];
	return NULL;
}

static struct bound_process *bind_process(struct replay *replay, uint32_t pid, uint32_t parent,
					  struct process *process)
{
	if (replay->process_count == replay->process_capacity) {
		replay->process_capacity = replay->process_capacity * 2 + 4;
		replay->processes = must_grow(
			replay->processes, replay->process_capacity * sizeof(*replay->processes));
	}
	struct bound_process *bound = &replay->processes[replay->process_count++];
	*bound = (struct bound_process){.pid = pid, .parent = parent, .process = process};
	return bound;
}

static void open_descriptor(struct process *process, int fd, enum descriptor_kind kind)
{
	static const struct file_ops *const ops[] = {
		[DESCRIPTOR_REGULAR] = &regular_file_ops,
		[DESCRIPTOR_PIPE] = &pipe_ops,
		[DESCRIPTOR_CHARACTER] = &char_device_ops,
	};
	if (kind == DESCRIPTOR_CLOSED)
		return;
	struct file *file = file_new(process->machine, ops[kind], NULL, O_RDWR_BIT);
	if (kind == DESCRIPTOR_REGULAR)
		file->object =
			object_new(process->machine, OBJECT_FILE, UINT64_MAX, process->mm->owner);
	fd_install_at(process, fd, file);
}

/* The table starts at 3: what 0, 1 and 2 are, the recording says. */
static struct bound_process *root_process(struct replay *replay, uint32_t pid, uint32_t parent,
					  const enum descriptor_kind descriptors[3])
{
	if (replay->machine->process_count >= PROCESSES_MAX) {
		replay->failure = "the recording has more processes than the limit of 4096";
		return NULL;
	}
	struct process *process = process_new(replay->machine, NULL);
	thread_new(process);
	for (int fd = 0; fd < 3; fd++)
		open_descriptor(process, fd, descriptors[fd]);
	return bind_process(replay, pid, parent, process);
}

/* A child whose first line stands before its parent's fork line. */
static struct bound_process *forked_early(struct replay *replay, uint32_t pid,
					  struct bound_process *parent)
{
	uint64_t scratch = parent->scratch;
	uint32_t parent_pid = parent->pid;
	struct process *process = process_fork(parent->process);
	if (process == NULL)
		return NULL;
	thread_new(process);
	struct bound_process *bound = bind_process(replay, pid, parent_pid, process);
	bound->scratch = scratch;
	return bound;
}

static void fork_differs(struct replay *replay, uint32_t parent, uint32_t child, const char *got);

/* A fork line gave the process to another parent than its own line says. */
static void adopt(struct replay *replay, struct bound_process *bound, struct bound_process *parent)
{
	char got[DIFFERENCE_TEXT_MAX];
	struct process *process = process_fork(parent->process);
	if (process == NULL)
		return;
	thread_new(process);
	snprintf(got, sizeof(got), "%u is a child of %u", bound->pid, parent->pid);
	fork_differs(replay, bound->parent, bound->pid, got);
	bound->parent = parent->pid;
	bound->process = process;
	bound->scratch = parent->scratch;
	bound->fork_line = 0;
}

static void meet_process(struct replay *replay, const struct recorded_process *process)
{
	if (machine_guard(replay->machine) != 0)
		return; /* the next call finds the machine broken */
	struct bound_process *bound = find_process(replay, process->pid);
	struct bound_process *parent = find_process(replay, process->parent);
	if (bound != NULL) {
		if (parent != NULL && !bound->acted && bound->parent != process->parent &&
		    !parent->process->exited)
			adopt(replay, bound, parent);
		return;
	}
	if (parent == NULL)
		root_process(replay, process->pid, process->parent, process->descriptors);
	else if (!parent->process->exited)
		forked_early(replay, process->pid, parent);
}

static struct bound_process *process_of(struct replay *replay, uint32_t pid)
{
	static const enum descriptor_kind plain[3] = {DESCRIPTOR_CHARACTER, DESCRIPTOR_CHARACTER,
						      DESCRIPTOR_CHARACTER};
	struct bound_process *bound = find_process(replay, pid);
	return bound != NULL ? bound : root_process(replay, pid, 0, plain);
}

static bool meet_memory(struct replay *replay, const struct recorded_memory *memory)
{
	if (replay->process_count == 0)
		return false;
	if (machine_guard(replay->machine) != 0)
		return true; /* the next call finds the machine broken */
	struct process *process = replay->processes[0].process;
	struct map_request request = {
		.address = memory->first,
		.length = memory->last - memory->first + 1,
		.prot = memory->prot,
		.flags = MAP_FIXED_BIT | (memory->shared ? MAP_SHARED_BIT : MAP_PRIVATE_BIT),
	};
	uint64_t va;
	if (memory->file || memory->shared)
		request.object =
			object_new(replay->machine, memory->file ? OBJECT_FILE : OBJECT_SHMEM,
				   UINT64_MAX, process->mm->owner);
	mm_map(process->mm, &request, &va);
	if (request.object != NULL)
		object_put(request.object);
	return true;
}

/* A thread of the process that is in no call. */
static struct thread *thread_of(struct bound_process *bound, uint32_t tid)
{
	struct thread *thread;
	TAILQ_FOREACH (thread, &bound->process->threads, link)
		if (!thread->busy)
			break;
	if (thread == NULL)
		thread = thread_new(bound->process);
	thread->tid = tid;
	return thread;
}

/* --- user memory that the lines speak of --- */

/* Memory whose bytes a line prints is accessible (FORMAT.md): maps what is missing. */
static void make_accessible(struct mm *mm, uint64_t va, uint64_t length)
{
	uint64_t end = va + length;
	for (uint64_t at = align_down(va, PAGE_SIZE); at < end; at += PAGE_SIZE) {
		if (mm_find_vma(mm, at) != NULL)
			continue;
		struct map_request request = {
			.address = at,
			.length = PAGE_SIZE,
			.prot = PROT_READ_BIT | PROT_WRITE_BIT,
			.flags = MAP_FIXED_BIT | MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT,
		};
		uint64_t mapped;
		mm_map(mm, &request, &mapped);
	}
}

static bool in_user_space(uint64_t va, uint64_t length)
{
	return va < TASK_SIZE && length <= TASK_SIZE - va;
}

/* A line shows so many bytes at most; what the pointer reaches beyond is as accessible. */
#define SHOWN_BYTES_MAX 16384U
#define REACH_MAX       (16ULL << 20)

static uint64_t reach_of(const struct recorded_call *call, const struct recorded_pointee *pointee)
{
	const struct trace_field *length = NULL;
	if (pointee->bytes.length == SHOWN_BYTES_MAX && call->has_argument)
		length = trace_value_field(&call->source->args[2], "access_rw.length");
	if (length == NULL || length->value.number > REACH_MAX ||
	    !in_user_space(pointee->va, length->value.number))
		return pointee->bytes.length;
	return length->value.number;
}

static void put_pointees(struct mm *mm, const struct recorded_call *call)
{
	for (uint32_t i = 0; i < call->pointee_count; i++) {
		const struct recorded_pointee *pointee = &call->pointees[i];
		if (!in_user_space(pointee->va, pointee->bytes.length))
			continue;
		make_accessible(mm, pointee->va, reach_of(call, pointee));
		mm_poke(mm, va_of(pointee->va), pointee->bytes.before, pointee->bytes.length);
	}
}

/* Room for arguments that the recording shows without their address. */
static uint64_t scratch_of(struct bound_process *bound, uint64_t size)
{
	struct mm *mm = bound->process->mm;
	struct vma *vma = bound->scratch != 0 ? mm_find_vma(mm, bound->scratch) : NULL;
	if (vma != NULL && vma->first == bound->scratch && vma->last - vma->first + 1 >= size &&
	    vma->prot == (PROT_READ_BIT | PROT_WRITE_BIT))
		return bound->scratch;
	struct map_request request = {
		.address = SCRATCH_HINT,
		.length = size > SCRATCH_SIZE ? size : SCRATCH_SIZE,
		.prot = PROT_READ_BIT | PROT_WRITE_BIT,
		.flags = MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT,
	};
	return mm_map(mm, &request, &bound->scratch) == 0 ? bound->scratch : 0;
}

static uint8_t *read_back(struct replay *replay, struct mm *mm, uint64_t va, uint32_t length)
{
	if (replay->bytes_size < length) {
		replay->bytes = must_grow(replay->bytes, length);
		replay->bytes_size = length;
	}
	memset(replay->bytes, 0, length);
	mm_peek(mm, va_of(va), replay->bytes, length);
	return replay->bytes;
}

/* --- outcomes --- */

static void differ(struct replay *replay, const struct recorded_call *call, const char *field,
		   int64_t offset, const char *expected, const char *got)
{
	struct difference difference = {.call = call, .field = field, .offset = offset};
	snprintf(difference.expected, sizeof(difference.expected), "%s", expected);
	snprintf(difference.got, sizeof(difference.got), "%s", got);
	difference.rule = replay->call->rule;
	replay->events->difference(replay->events->context, &difference);
}

static void result_text(char *text, size_t size, int64_t result)
{
	const char *name = result < 0 && result > -4096 ? errno_name((int)-result) : NULL;
	if (name != NULL)
		snprintf(text, size, "-1 %s", name);
	else
		answer_number_text(text, size, (uint64_t)result);
}

static bool compare_result(struct replay *replay, const struct recorded_call *call,
			   int64_t expected, int64_t got)
{
	char a[DIFFERENCE_TEXT_MAX], b[DIFFERENCE_TEXT_MAX];
	replay->counts.results++;
	replay->counts.errnos += expected < 0;
	if (expected == got)
		return true;
	result_text(a, sizeof(a), expected);
	result_text(b, sizeof(b), got);
	differ(replay, call, "result", -1, a, b);
	return false;
}

/* Who compares what a call answered, and the call. */
struct comparison {
	struct replay *replay;
	const struct recorded_call *call;
};

static void answer_differs(void *context, const char *field, int64_t offset, const char *expected,
			   const char *got)
{
	const struct comparison *comparison = context;
	differ(comparison->replay, comparison->call, field, offset, expected, got);
}

static bool compare_bytes(struct replay *replay, const struct recorded_call *call, const char *name,
			  const uint8_t *expected, const uint8_t *got, uint32_t length)
{
	struct comparison comparison = {replay, call};
	replay->counts.bytes += length;
	return answer_compare_bytes(name, expected, got, length,
				    &(struct answer_events){&comparison, answer_differs});
}

/* The struct after the call, field by field. */
static bool compare_argument(struct replay *replay, struct mm *mm, const struct recorded_call *call,
			     uint64_t va)
{
	struct comparison comparison = {replay, call};
	replay->counts.fields++;
	return answer_compare_struct(call, read_back(replay, mm, va, call->argument.length),
				     &(struct answer_events){&comparison, answer_differs});
}

static bool compare_memory(struct replay *replay, struct mm *mm, const struct recorded_call *call,
			   uint64_t va)
{
	bool same = true;
	if (call->has_argument)
		same &= compare_argument(replay, mm, call, va);
	if (call->has_buffer && call->number == SYS_READ && call->result > 0) {
		uint32_t length = call->buffer.length;
		if (length > (uint64_t)call->result)
			length = (uint32_t)call->result;
		same &= compare_bytes(replay, call, "buffer", call->buffer.before,
				      read_back(replay, mm, va, length), length);
	}
	for (uint32_t i = 0; i < call->pointee_count; i++) {
		const struct recorded_pointee *pointee = &call->pointees[i];
		uint32_t length = pointee->bytes.length;
		if (!in_user_space(pointee->va, length))
			continue;
		same &= compare_bytes(replay, call, pointee->name, pointee->bytes.after,
				      read_back(replay, mm, pointee->va, length), length);
	}
	return same;
}

/* What a call hands back by value besides its result. */
static bool compare_out(struct replay *replay, const struct recorded_call *call)
{
	char a[DIFFERENCE_TEXT_MAX], b[DIFFERENCE_TEXT_MAX];
	if (!call->has_out || call->result < 0 || call->out == replay->call->out)
		return true;
	answer_number_text(a, sizeof(a), call->out);
	answer_number_text(b, sizeof(b), replay->call->out);
	differ(replay, call, call->number == SYS_POLL ? "revents" : "status", -1, a, b);
	return false;
}

static void count_outcome(struct replay *replay, bool equal)
{
	replay->counts.calls++;
	if (equal)
		replay->counts.equal++;
	else
		replay->counts.differ++;
}

static void count_unverifiable(struct replay *replay, const struct recorded_call *call,
			       const char *reason)
{
	replay->counts.calls++;
	replay->counts.unverifiable++;
	replay->events->unverifiable(replay->events->context, call, reason);
}

/* --- running --- */

/* Does one step, undoes it, does it again: the same state must come out. */
static bool checked_step(struct replay *replay)
{
	struct machine *machine = replay->machine;
	struct hash first, second;
	hash_init(&first);
	hash_init(&second);
	replay->snapshot = arena_save(machine->arena, replay->snapshot);
	if (!clock_step(&machine->clock))
		return false;
	machine_hash(machine, &first);
	arena_restore(machine->arena, replay->snapshot);
	clock_step(&machine->clock);
	machine_hash(machine, &second);
	replay->internal = first.value != second.value;
	if (replay->internal)
		replay->failure = "a step that was restored and done again led to another state";
	return first.value == second.value;
}

/* 1: done; 0: it sleeps for good; -1: the machine can't go on. */
static int run_to_end(struct replay *replay)
{
	struct machine *machine = replay->machine;
	struct syscall *call = replay->call;
	for (uint64_t steps = 0; !call->done; steps++) {
		if (machine->scheduler.broken) {
			replay->failure = "the recording needs more memory than the limit";
			return -1;
		}
		if (steps == STEPS_MAX) {
			replay->failure = "a call took more steps than the limit";
			return -1;
		}
		if (replay->options.check_steps ? checked_step(replay)
						: clock_step(&machine->clock))
			continue;
		return replay->failure != NULL ? -1 : 0;
	}
	return 1;
}

static int start_and_run(struct replay *replay, const struct recorded_call *call,
			 struct thread *thread)
{
	const struct call_watch *watch = replay->options.watch;
	if (watch != NULL)
		watch->ready(watch->context, &(struct watched_call){.thread = thread,
								    .syscall = replay->call,
								    .line = call->line});
	if (!syscall_start(thread, replay->call)) {
		replay->failure = "too many calls sleep at once";
		return -1;
	}
	return run_to_end(replay);
}

/* A call that sleeps keeps its record: the next one gets a new one. */
static bool never_returned(struct replay *replay, const struct recorded_call *call)
{
	char expected[DIFFERENCE_TEXT_MAX], got[DIFFERENCE_TEXT_MAX];
	struct thread *thread = NULL;
	struct process *process;
	TAILQ_FOREACH (process, &replay->machine->processes, link)
		TAILQ_FOREACH (thread, &process->threads, link)
			if (thread->call == replay->call)
				goto found;
found:
	result_text(expected, sizeof(expected), call->result);
	snprintf(got, sizeof(got), "no return: it sleeps at '%s' and nothing can wake it",
		 thread != NULL ? thread->task.where : "?");
	differ(replay, call, "result", -1, expected, got);
	replay->call = arena_new(replay->machine->arena, struct syscall);
	return false;
}

static bool same_process(struct replay *replay, const struct recorded_call *call)
{
	char a[DIFFERENCE_TEXT_MAX], b[DIFFERENCE_TEXT_MAX];
	int64_t got = replay->call->result;
	if (got > 0)
		for (uint32_t i = 0; i < replay->process_count; i++)
			if (replay->processes[i].process->pid == (uint64_t)got)
				got = replay->processes[i].pid;
	replay->counts.results++;
	if (got == call->result)
		return true;
	result_text(a, sizeof(a), call->result);
	result_text(b, sizeof(b), got);
	differ(replay, call, "result", -1, a, b);
	return false;
}

/* An address is a binding: compared are success, errno, and what MAP_FIXED promised. */
static bool compare_address(struct replay *replay, const struct recorded_call *call)
{
	char a[DIFFERENCE_TEXT_MAX];
	int64_t got = replay->call->result;
	if (call->result < 0 || got < 0)
		return compare_result(replay, call, call->result, got);
	replay->counts.results++;
	if (call->result == got)
		return true;
	result_text(a, sizeof(a), call->result);
	differ(replay, call, "result", -1, a, "an address that was free and page aligned");
	return false;
}

static struct fork_line *remember_fork(struct replay *replay, const struct recorded_call *call)
{
	if (replay->fork_count == replay->fork_capacity) {
		replay->fork_capacity = replay->fork_capacity * 2 + 4;
		replay->forks =
			must_grow(replay->forks, replay->fork_capacity * sizeof(*replay->forks));
	}
	struct fork_line *line = &replay->forks[replay->fork_count++];
	*line = (struct fork_line){.call = *call, .source = *call->source};
	/* The texts of the line go with it; a fork has few. */
	line->source.name = "fork";
	line->source.error = NULL;
	if (call->result < 0)
		line->source.error = errno_name((int)-call->result);
	return line;
}

/* A later line shows that the fork line of CHILD by PARENT is wrong. */
static void fork_differs(struct replay *replay, uint32_t parent, uint32_t child, const char *got)
{
	char expected[DIFFERENCE_TEXT_MAX];
	for (uint32_t i = 0; i < replay->fork_count; i++) {
		struct fork_line *line = &replay->forks[i];
		if (line->call.pid != parent || (uint32_t)line->call.result != child ||
		    line->differs)
			continue;
		result_text(expected, sizeof(expected), line->call.result);
		line->call.source = &line->source;
		line->differs = true;
		replay->call->rule = (struct rule){0};
		differ(replay, &line->call, "result", -1, expected, got);
		replay->counts.equal--;
		replay->counts.differ++;
		return;
	}
}

static int do_fork(struct replay *replay, const struct recorded_call *call,
		   struct bound_process *parent)
{
	uint32_t parent_pid = parent->pid;
	uint64_t scratch = parent->scratch;
	struct fork_line *line = remember_fork(replay, call);
	struct bound_process *child = find_process(replay, (uint32_t)call->result);
	if (child != NULL && child->parent == parent_pid && child->fork_line == 0) {
		child->fork_line = call->line; /* it ran before this line */
		replay->counts.results++;
		count_outcome(replay, true);
		return 0;
	}
	int ended = start_and_run(replay, call, thread_of(parent, call->tid));
	if (ended < 0)
		return -1;
	int64_t got = replay->call->result;
	if (got < 0 || call->result < 0 || child != NULL) {
		line->differs = !compare_result(replay, call, call->result, got);
		count_outcome(replay, !line->differs);
		return 0;
	}
	struct process *process;
	TAILQ_FOREACH (process, &replay->machine->processes, link)
		if (process->pid == (uint64_t)got)
			break;
	child = bind_process(replay, (uint32_t)call->result, parent_pid, process);
	child->fork_line = call->line;
	child->scratch = scratch;
	replay->counts.results++;
	count_outcome(replay, true);
	return 0;
}

/* What can't be known without the recorded machine's files. */
static const char *beyond_recording(const struct recorded_call *call, struct process *process)
{
	struct file *file = fd_file(process, (int)call->args[0]);
	if (call->number == SYS_OPEN && call->result < 0 && strcmp(call->path, "/dev/iommu") != 0)
		return "what files there were is not recorded";
	if ((call->number == SYS_READ || call->number == SYS_WRITE) && file != NULL &&
	    file->ops->read == NULL && file->ops->write == NULL && file->ops->ioctl == NULL &&
	    file->ops->poll == NULL)
		return "the contents of files and pipes are not recorded";
	if ((call->number == SYS_READ || call->number == SYS_WRITE) && call->result == -EFAULT)
		return "the buffer's address is not recorded";
	return NULL;
}

/*
 * The struct itself may lie inside memory that the line shows, on the same stack: then it is found
 * there by its bytes, and is used there, so that what the kernel writes back shows there too.
 */
static uint64_t argument_in_pointee(const struct recorded_call *call)
{
	const struct recorded_bytes *argument = &call->argument;
	uint64_t found = 0;
	for (uint32_t i = 0; i < call->pointee_count; i++) {
		const struct recorded_pointee *pointee = &call->pointees[i];
		if (argument->length < 16 || pointee->bytes.length < argument->length)
			continue;
		for (uint32_t at = 0; at <= pointee->bytes.length - argument->length; at += 4) {
			if (memcmp(pointee->bytes.before + at, argument->before,
				   argument->length) != 0)
				continue;
			if (found != 0)
				return 0; /* not unique */
			found = pointee->va + at;
		}
	}
	return found;
}

static int prepare(struct replay *replay, const struct recorded_call *call,
		   struct bound_process *bound, uint64_t *scratch)
{
	struct syscall *syscall = replay->call;
	struct mm *mm = bound->process->mm;
	uint64_t need = call->has_argument ? call->reserve : 0;
	if (call->has_buffer)
		need = call->args[2] > call->buffer.length ? call->args[2] : call->buffer.length;
	*scratch = 0;
	syscall->number = call->number;
	memcpy(syscall->args, call->args, sizeof(syscall->args));
	syscall->path[0] = 0;
	if (call->path != NULL)
		snprintf(syscall->path, sizeof(syscall->path), "%s", call->path);
	put_pointees(mm, call);
	if (!call->has_argument && !call->has_buffer)
		return 0;
	if (call->has_argument && (*scratch = argument_in_pointee(call)) != 0) {
		syscall->args[2] = *scratch;
		return 0;
	}
	*scratch = need <= TASK_SIZE / 4 ? scratch_of(bound, need) : 0;
	if (*scratch == 0) {
		replay->failure = "no room in the process for the call's buffer";
		return -1;
	}
	const struct recorded_bytes *bytes = call->has_argument ? &call->argument : &call->buffer;
	mm_write(mm, va_of(*scratch), bytes->before,
		 call->has_argument ? call->reserve : bytes->length);
	syscall->args[call->has_argument ? 2 : 1] = *scratch;
	return 0;
}

/* Where the recorded kernel put a mapping, the emulated one puts it too, if it is free. */
static void bind_address(struct replay *replay, const struct recorded_call *call,
			 struct bound_process *bound)
{
	struct syscall *syscall = replay->call;
	uint64_t length = align_up(call->args[1], PAGE_SIZE);
	uint64_t address = (uint64_t)call->result;
	if (call->result < 0 || page_offset(address) != 0 || (call->args[3] & MAP_FIXED_BIT))
		return;
	/* The scratch memory is the replay's own: it makes way. */
	if (bound->scratch != 0 && address < bound->scratch + SCRATCH_SIZE &&
	    bound->scratch < address + length) {
		mm_unmap(bound->process->mm, bound->scratch, SCRATCH_SIZE);
		bound->scratch = 0;
	}
	syscall->args[0] = address;
}

static int64_t bound_pid(struct replay *replay, uint64_t label)
{
	struct bound_process *bound = find_process(replay, (uint32_t)label);
	return (int32_t)label > 0 && bound != NULL ? (int64_t)bound->process->pid : (int64_t)label;
}

static bool compare_all(struct replay *replay, const struct recorded_call *call,
			struct bound_process *bound, uint64_t scratch)
{
	struct mm *mm = bound->process->mm;
	bool same;
	if (call->result_kind == RESULT_NONE)
		return true;
	if (call->result_kind == RESULT_ADDRESS)
		same = compare_address(replay, call);
	else if (call->number == SYS_WAITPID)
		same = same_process(replay, call);
	else
		same = compare_result(replay, call, call->result, replay->call->result);
	same &= compare_out(replay, call);
	same &= compare_memory(replay, mm, call, scratch);
	return same;
}

/*
 * What the shim read from the program's memory is compared as far as it goes: bytes that nothing
 * recorded put there, and bytes that differ from what the last recorded call put there, may be
 * stores of the program. Neither is ever counted as equal.
 */
static const char *hangs_on_stores(struct replay *replay, const struct recorded_call *call,
				   struct mm *mm)
{
	if (!replay->call->from_memory || replay->call->result != call->result)
		return NULL;
	if (replay->call->unstated)
		return "it read bytes that only the recorded program can have stored";
	for (uint32_t i = 0; i < call->pointee_count; i++) {
		const struct recorded_pointee *pointee = &call->pointees[i];
		uint32_t length = pointee->bytes.length;
		if (memcmp(pointee->bytes.after, read_back(replay, mm, pointee->va, length),
			   length) != 0)
			return "the program may have stored there since the last recorded call did";
	}
	return NULL;
}

/* A child that a signal ended has no exit line: the status that was waited for tells. */
static int kill_child(struct replay *replay, const struct recorded_call *call, bool *killed)
{
	struct bound_process *child = find_process(replay, (uint32_t)call->args[0]);
	uint64_t signal = call->out & 0x7f;
	*killed = signal != 0 && call->result > 0 && child != NULL && !child->process->exited;
	if (!*killed)
		return 0;
	replay->call->number = SYS_EXIT;
	replay->call->args[0] = 0;
	replay->call->args[1] = signal;
	return start_and_run(replay, call, thread_of(child, child->pid)) < 0 ? -1 : 0;
}

static int issue(struct replay *replay, const struct recorded_call *call,
		 struct bound_process *bound)
{
	uint64_t scratch;
	bool killed = false;
	if (prepare(replay, call, bound, &scratch) != 0)
		return -1;
	if (call->result_kind == RESULT_ADDRESS)
		bind_address(replay, call, bound);
	if (call->number == SYS_WAITPID) {
		if (kill_child(replay, call, &killed) != 0 ||
		    prepare(replay, call, bound, &scratch) != 0)
			return -1;
		replay->call->args[0] = (uint64_t)bound_pid(replay, call->args[0]);
	}
	if (call->number == SYS_FORK)
		return do_fork(replay, call, bound);
	const char *point = bound->fail_nth.point;
	if (bound->fail_nth.nth > 0)
		machine_fail_nth(replay->machine, bound->fail_nth.nth, *point != 0 ? point : NULL);
	int ended = start_and_run(replay, call, thread_of(bound, call->tid));
	if (bound->fail_nth.nth > 0)
		machine_fail_nth(replay->machine, 0, NULL);
	bound->fail_nth.nth = 0;
	if (ended < 0)
		return -1;
	if (ended == 0) {
		count_outcome(replay, never_returned(replay, call));
		return 0;
	}
	const char *reason = killed ? "the child died by a signal, which no line records"
				    : hangs_on_stores(replay, call, bound->process->mm);
	if (reason != NULL)
		count_unverifiable(replay, call, reason);
	else
		count_outcome(replay, compare_all(replay, call, bound, scratch));
	return 0;
}

/* As a message between the two would. False: one of them, or the descriptor, is not there. */
static bool pass_descriptor(struct replay *replay, const struct recorded_descriptor *passed)
{
	struct bound_process *to = find_process(replay, passed->pid);
	struct bound_process *from = find_process(replay, passed->from_pid);
	struct file *file = from != NULL ? fd_file(from->process, passed->from_fd) : NULL;
	if (to == NULL || to->process->exited || file == NULL ||
	    fd_file(to->process, passed->fd) != NULL)
		return false;
	file_get(file);
	fd_install_at(to->process, passed->fd, file);
	return true;
}

bool replay_context(struct replay *replay, const struct recorded_context *context)
{
	struct bound_process *bound;
	switch (context->kind) {
	case CONTEXT_PROCESS:
		meet_process(replay, &context->process);
		return true;
	case CONTEXT_MEMORY:
		return meet_memory(replay, &context->memory);
	case CONTEXT_CREDENTIALS:
		bound = find_process(replay, context->credentials.pid);
		if (bound == NULL)
			return false;
		bound->process->credentials.cap_ipc_lock = context->credentials.ipc_lock;
		bound->process->credentials.cap_sys_resource = context->credentials.sys_resource;
		bound->process->credentials.cap_sys_rawio = context->credentials.sys_rawio;
		bound->process->credentials.rlimit_memlock = context->credentials.memlock;
		return true;
	case CONTEXT_FAIL_NTH:
		bound = find_process(replay, context->fail_nth.pid);
		if (bound != NULL)
			bound->fail_nth = context->fail_nth;
		return bound != NULL;
	case CONTEXT_DESCRIPTOR:
		return pass_descriptor(replay, &context->descriptor);
	case CONTEXT_KERNEL:
	case CONTEXT_OTHER:
		break;
	}
	return true;
}

int replay_call(struct replay *replay, const struct recorded_call *call)
{
	if (replay->failure != NULL)
		return -1;
	if (machine_guard(replay->machine) != 0 || replay->machine->scheduler.broken) {
		replay->failure = "the recording needs more memory than the limit";
		return -1;
	}
	struct bound_process *bound = process_of(replay, call->pid);
	if (bound == NULL)
		return -1;
	bound->acted = true;
	if (bound->process->exited) {
		replay->failure = "a process acts after its exit";
		return -1;
	}
	const char *reason = beyond_recording(call, bound->process);
	if (reason != NULL) {
		count_unverifiable(replay, call, reason);
		return 0;
	}
	return issue(replay, call, bound);
}

/* Whether the fork line may be that of a child that no fork line names. */
static bool names_no_child(struct replay *replay, const struct fork_line *line)
{
	struct bound_process *child = find_process(replay, (uint32_t)line->call.result);
	return line->differs || child == NULL || !child->acted || child->parent != line->call.pid;
}

/* A fork whose child never acts, while a child that acts has no fork: the label is wrong. */
void replay_end(struct replay *replay)
{
	const struct call_watch *watch = replay->options.watch;
	char got[DIFFERENCE_TEXT_MAX];
	for (uint32_t i = 0; i < replay->process_count; i++) {
		const struct bound_process *orphan = &replay->processes[i];
		if (orphan->fork_line != 0 || orphan->parent == 0 ||
		    find_process(replay, orphan->parent) == NULL)
			continue;
		snprintf(got, sizeof(got), "the child that acts is %u", orphan->pid);
		for (uint32_t j = 0; j < replay->fork_count; j++) {
			const struct fork_line *line = &replay->forks[j];
			if (line->call.pid != orphan->parent || !names_no_child(replay, line))
				continue;
			if (!line->differs)
				fork_differs(replay, line->call.pid, (uint32_t)line->call.result,
					     got);
			break;
		}
	}
	if (watch != NULL && watch->ended != NULL)
		watch->ended(watch->context, replay->machine);
}
