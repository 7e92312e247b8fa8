/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a sequence of system calls of a few processes on /dev/iommu. Each call ends, and
 * when all processes have, nothing is left: no pin, no frame, no promise, no memory.
 *
 * A byte chooses the call, then one byte each of its fields, mostly from values that mean
 * something here (ids, addresses, IOVAs); see pick_word() and pick_long().
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/syscall.h"
#include "kernel_shim/iommufd.h"
#include "kernel_shim/uapi/iommufd_test.h"
#include "kernel_shim/uapi/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CALLS_MAX     200U
#define PROCESSES_TOP 4U

/* The first process's memory. */
#define PRIVATE_VA 0x100000000000ULL
#define SHARED_VA  0x110000000000ULL
#define MEMFD_VA   0x120000000000ULL
#define HUGE_VA    0x130000000000ULL
#define DATA_VA    0x140000000000ULL /* what pointers in arguments point to */
#define ARGS_VA    0x150000000000ULL /* one page: the arguments themselves */
#define MEMORY     (64 * PAGE_SIZE)
#define IOVA       0x1000000ULL

#define DEVICE_FD 3
#define MEMFD_FD  4

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct input {
	const uint8_t *at;
	const uint8_t *end;
};

/* Kept from input to input; the snapshot is of the machine after setup(). */
static struct machine *machine;
static struct arena_snapshot *snapshot;
static size_t live_at_start; /* but for what is kept for good */
static struct process *processes[PROCESSES_TOP];
static struct process *saved_processes[PROCESSES_TOP];
static uint32_t process_count;
static struct syscall *call;

static uint8_t next(struct input *input)
{
	return input->at < input->end ? *input->at++ : 0;
}

static uint64_t next_raw(struct input *input, uint32_t width)
{
	uint64_t value = 0;
	for (uint32_t i = 0; i < width; i++)
		value |= (uint64_t)next(input) << (8 * i);
	return value;
}

/* --- memory that is left --- */

/* As the arena rounds: 16 bytes up to a KiB, then powers of two. */
static size_t rounded(size_t size)
{
	size_t block = 2048;
	if (size <= 1024)
		return size == 0 ? 16 : (size + 15) & ~(size_t)15;
	while (block < size)
		block *= 2;
	return block;
}

static size_t block_of(size_t count, size_t size)
{
	return count == 0 ? 0 : rounded(count * size);
}

static size_t spans_bytes(struct spans *spans)
{
	struct span *span;
	size_t bytes = 0;
	SPANS_FOREACH (span, spans)
		bytes += rounded(sizeof(*span));
	return bytes;
}

/* What a machine keeps for good: contents of free pages, the ledger, the dead. */
static size_t kept_bytes(void)
{
	const struct memory *memory = &machine->memory;
	const struct ledger *ledger = &machine->ledger;
	const struct free_run *run;
	const struct process *process;
	const struct thread *thread;
	size_t bytes = spans_bytes(&machine->memory.frames);
	TAILQ_FOREACH (run, &memory->free, link)
		bytes += rounded(sizeof(*run));
	bytes += memory->data_count * PAGE_SIZE + block_of(memory->data_capacity, 32);
	bytes += block_of(ledger->holder_capacity, sizeof(*ledger->holders));
	for (uint32_t i = 0; i < ledger->holder_count; i++)
		bytes += rounded(sizeof(*ledger->holders[i])) +
			 spans_bytes(&ledger->holders[i]->promises);
	bytes += block_of(ledger->revocation_capacity, sizeof(*ledger->revocations));
	bytes += block_of(machine->owner_capacity, sizeof(*machine->owners));
	bytes += block_of(machine->clock.capacity, sizeof(*machine->clock.heap));
	TAILQ_FOREACH (process, &machine->processes, link) {
		bytes += rounded(sizeof(*process)) +
			 block_of(process->files.capacity, sizeof(*process->files.slots));
		TAILQ_FOREACH (thread, &process->threads, link)
			bytes += rounded(sizeof(*thread));
	}
	return bytes;
}

/* --- calls --- */

static struct thread *thread_of(struct process *process)
{
	struct thread *thread = TAILQ_FIRST(&process->threads);
	return thread != NULL ? thread : thread_new(process);
}

/* False: the machine is out of memory. */
static bool issue(struct process *process, enum syscall_number number, const uint64_t args[6])
{
	call->number = number;
	memcpy(call->args, args, sizeof(call->args));
	bool started = syscall_start(thread_of(process), call);
	assert(started);
	bool done = syscall_finish(machine, call);
	assert(done ||
	       machine->scheduler.broken); /* nobody else runs: it must not sleep for good */
	return done;
}

static uint64_t map(struct process *process, uint64_t va, uint64_t length, uint32_t flags, int fd)
{
	bool done = issue(process, SYS_MMAP,
			  (uint64_t[6]){va, length, PROT_READ_BIT | PROT_WRITE_BIT,
					flags | MAP_FIXED_BIT, (uint64_t)fd, 0});
	assert(done && call->result == (int64_t)va);
	return va;
}

static void store(struct process *process, uint64_t va, const void *bytes, size_t size)
{
	mm_poke(process->mm, va_of(va), bytes, size);
}

/* The arguments that drivers and ranges take, at DATA_VA + 256 * k. */
static void store_data(struct process *process)
{
	static const uint32_t hwpt[] = {0xbadbeef, 0};
	static const uint32_t invalidations[] = {0, 0, 0, 1, 1, 0, 0, 3, 0, 7, 2, 0};
	static const uint32_t viommu_invalidations[] = {0, 0x88, 0, 1, 0x99, 0, 0, 0x99, 3};
	static const uint64_t ranges[] = {IOVA, IOVA + 0xffffff, 0x4000000, 0x4ffffff};
	static const uint32_t response[] = {1, 0, 2, 1};
	static const uint32_t viommu[] = {1, 2, 0, 0, 0, 0};
	uint8_t ones[512];
	memset(ones, 0xff, sizeof(ones));
	store(process, DATA_VA, hwpt, sizeof(hwpt));
	store(process, DATA_VA + 0x100, invalidations, sizeof(invalidations));
	store(process, DATA_VA + 0x200, viommu_invalidations, sizeof(viommu_invalidations));
	store(process, DATA_VA + 0x300, ranges, sizeof(ranges));
	store(process, DATA_VA + 0x400, response, sizeof(response));
	store(process, DATA_VA + 0x500, viommu, sizeof(viommu));
	store(process, DATA_VA + 0x800, ones, sizeof(ones));
}

static void ioctl_struct(struct process *process, uint32_t cmd, const void *argument, size_t size)
{
	store(process, ARGS_VA, argument, size);
	bool done = issue(process, SYS_IOCTL, (uint64_t[6]){DEVICE_FD, cmd, ARGS_VA});
	assert(done && call->result == 0);
}

static void setup(void)
{
	struct machine_config config = machine_config_default();
	config.memory_bytes = 1ULL << 30;
	config.arena_bytes = 256ULL << 20;
	config.huge_pages = 4;
	machine = machine_new(&config);
	assert(machine != NULL);
	iommufd_register(machine);
	call = arena_new(machine->arena, struct syscall);
	live_at_start = arena_live(machine->arena) - kept_bytes();

	struct process *process = process_new(machine, NULL);
	for (int fd = 0; fd < 3; fd++)
		fd_install_at(process, fd, file_new(machine, &char_device_ops, NULL, O_RDWR_BIT));
	strcpy(call->path, "/dev/iommu");
	issue(process, SYS_OPEN, (uint64_t[6]){0, O_RDWR_BIT});
	assert(call->result == DEVICE_FD);
	strcpy(call->path, "memory");
	issue(process, SYS_MEMFD_CREATE, (uint64_t[6]){0});
	assert(call->result == MEMFD_FD);
	issue(process, SYS_FTRUNCATE, (uint64_t[6]){MEMFD_FD, MEMORY});
	map(process, PRIVATE_VA, MEMORY, MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT, -1);
	map(process, SHARED_VA, MEMORY, MAP_SHARED_BIT | MAP_ANONYMOUS_BIT, -1);
	map(process, MEMFD_VA, MEMORY, MAP_SHARED_BIT, MEMFD_FD);
	map(process, HUGE_VA, HPAGE_SIZE, MAP_SHARED_BIT | MAP_ANONYMOUS_BIT | MAP_HUGETLB_BIT, -1);
	map(process, DATA_VA, MEMORY, MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT, -1);
	map(process, ARGS_VA, PAGE_SIZE, MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT, -1);
	store_data(process);

	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	ioctl_struct(process, IOMMUFD_IO(IOMMUFD_NR_IOAS_ALLOC), &ioas, sizeof(ioas));
	struct iommu_test_cmd mock = {
		.size = sizeof(mock), .op = IOMMU_TEST_OP_MOCK_DOMAIN, .id = 1};
	ioctl_struct(process, IOMMUFD_IO(IOMMUFD_NR_TEST_CMD), &mock, sizeof(mock));
	saved_processes[0] = process;
	snapshot = arena_save(machine->arena, snapshot);
}

static void restore(void)
{
	if (machine != NULL && machine->scheduler.broken) {
		machine_free(machine);
		machine = NULL;
	}
	if (machine == NULL)
		setup();
	else
		arena_restore(machine->arena, snapshot);
	memcpy(processes, saved_processes, sizeof(processes));
	process_count = 1;
}

/* --- values --- */

static const uint32_t words[] = {
	0,          1,          2,          3,         4,          8,      12,         16,
	24,         32,         0x88,       0x99,      1023,       1024,   2048,       4096,
	0xdead,     0xdeadbeef, 0xbeefbeef, 0xbaddad,  0xfeedbeef, 524288, 0x7fffffff, 0x80000000,
	0xffffffff, 0xbadbeef,  0x10000,    0x3b01000, 72,         5,      6,          7,
};

static const uint64_t addresses[] = {
	PRIVATE_VA, SHARED_VA, MEMFD_VA, HUGE_VA, DATA_VA, ARGS_VA, 0, TASK_SIZE, 0x1000, ~0xfffULL,
};

static bool named(const struct field_layout *field, const char *part)
{
	return strstr(field->name, part) != NULL;
}

static uint32_t pick_word(struct input *input, const struct field_layout *field)
{
	uint8_t choice = next(input);
	if (choice >= 0xf8)
		return (uint32_t)next_raw(input, 4);
	if (choice >= 0xd0 || named(field, "type") || named(field, "cache") ||
	    named(field, "iotlb") || named(field, "page_size"))
		return words[choice % COUNT(words)];
	return named(field, "flags") ? choice & 0xf : choice & 0x1f;
}

static uint64_t pick_address(struct input *input)
{
	uint8_t choice = next(input);
	if (choice >= 0xf8)
		return next_raw(input, 8);
	uint64_t base = addresses[(choice & 0xf) % COUNT(addresses)];
	return base == DATA_VA ? base + 0x100 * (choice >> 4)
			       : base + PAGE_SIZE * (choice >> 4 & 7) + (choice >> 7) * 0x800;
}

static uint64_t pick_length(struct input *input)
{
	uint8_t choice = next(input);
	if (choice < 0x80)
		return PAGE_SIZE * (choice & 0x1f);
	if (choice < 0xc0)
		return 0x400ULL * (choice & 0x3f);
	if (choice < 0xe0)
		return choice & 0x1f;
	if (choice < 0xf0)
		return (PAGE_SIZE << (choice & 0xf)) + 0x800 * (choice & 1);
	return choice < 0xf8 ? UINT64_MAX - (choice & 7) : next_raw(input, 8);
}

static uint64_t pick_iova(struct input *input)
{
	uint8_t choice = next(input);
	if (choice < 0xc0)
		return IOVA + 0x800ULL * choice;
	return choice < 0xf0 ? PAGE_SIZE * (choice & 0xf) : next_raw(input, 8);
}

static uint64_t pick_long(struct input *input, const struct field_layout *field)
{
	if (field->kind == FIELD_VA || field->kind == FIELD_DATA || named(field, "uptr"))
		return pick_address(input);
	if (named(field, "iova") || named(field, "start") || named(field, "addr"))
		return pick_iova(input);
	if (named(field, "length"))
		return pick_length(input);
	return pick_word(input, field);
}

static uint64_t pick(struct input *input, const struct field_layout *field)
{
	if (field->kind == FIELD_RESERVED)
		return 0;
	if (field->width == 8)
		return pick_long(input, field);
	if (field->kind == FIELD_FD)
		return next(input) & 0x1f;
	return pick_word(input, field);
}

static int pick_fd(struct input *input)
{
	uint8_t choice = next(input);
	return choice < 0xe0 ? DEVICE_FD : choice - 0xe0;
}

/* --- one call of each kind --- */

static void put_field(uint8_t *argument, const struct field_layout *field, uint64_t value)
{
	for (uint32_t i = 0; i < field->width; i++)
		argument[field->offset + i] = (uint8_t)(value >> (8 * i));
}

static void put_fields(struct input *input, uint8_t *argument, const struct field_layout *field)
{
	for (; field != NULL && field->name != NULL; field++)
		put_field(argument, field, pick(input, field));
}

/* At the end of the page, the argument may run out of it. */
static uint64_t place_argument(struct input *input, struct process *process, const void *argument,
			       uint32_t size)
{
	uint8_t choice = next(input);
	uint64_t va = choice < 0xf0 ? ARGS_VA : ARGS_VA + PAGE_SIZE - (choice & 0xf) * 8;
	store(process, va, argument, size);
	return va;
}

/*
 * Any file can be mapped (iommufd 2.6), even one that keeps the context open: then they keep each
 * other for ever, as in Linux. That would be found as a leak each time.
 */
static void map_no_context(struct process *process, uint8_t *argument)
{
	struct iommu_ioas_map_file *cmd = (struct iommu_ioas_map_file *)argument;
	const struct file *file = fd_file(process, cmd->fd);
	if (file != NULL && (file->ops->name[0] == '[' || file->ops->name[0] == '/'))
		cmd->fd = -1;
}

static const struct ioctl_layout *pick_layout(uint8_t choice)
{
	uint32_t count = 1; /* there is at least one */
	while (ioctl_layout_at(count) != NULL)
		count++;
	return ioctl_layout_at(choice % count);
}

static bool typed_ioctl(struct input *input, struct process *process, uint8_t choice)
{
	_Alignas(8) uint8_t argument[256] = {0};
	const struct ioctl_layout *layout = pick_layout(choice);
	int fd = pick_fd(input);
	if (layout->argument == ARGUMENT_SCALAR)
		return issue(process, SYS_IOCTL,
			     (uint64_t[6]){(uint64_t)fd, layout->cmd, next(input)});
	const struct test_op_layout *op = NULL;
	if (strcmp(layout->name, "IOMMU_TEST_CMD") == 0)
		op = test_op_layout_by_op(next(input) % 24);
	put_fields(input, argument, layout->fields);
	if (op != NULL) {
		put_fields(input, argument, op->fields);
		memcpy(argument + offsetof(struct iommu_test_cmd, op), &op->op, sizeof(op->op));
	}
	if (layout->cmd == IOMMUFD_IO(IOMMUFD_NR_IOAS_MAP_FILE))
		map_no_context(process, argument);
	uint8_t sizing = next(input);
	uint32_t size = sizing < 0xe0 ? layout->size : next(input);
	memcpy(argument, &size, sizeof(size));
	uint64_t va = place_argument(input, process, argument, sizeof(argument));
	return issue(process, SYS_IOCTL, (uint64_t[6]){(uint64_t)fd, layout->cmd, va});
}

static bool raw_ioctl(struct input *input, struct process *process)
{
	_Alignas(8) uint8_t argument[128] = {0};
	uint32_t cmd = 0x3b00 | next(input), size = next(input) % sizeof(argument);
	for (uint32_t i = 0; i < size; i++)
		argument[i] = next(input);
	if (cmd == IOMMUFD_IO(IOMMUFD_NR_IOAS_MAP_FILE))
		map_no_context(process, argument);
	uint64_t va = place_argument(input, process, argument, sizeof(argument));
	return issue(process, SYS_IOCTL, (uint64_t[6]){DEVICE_FD, cmd, va});
}

static bool do_mmap(struct input *input, struct process *process)
{
	static const uint32_t flags[] = {
		MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT,
		MAP_SHARED_BIT | MAP_ANONYMOUS_BIT,
		MAP_SHARED_BIT,
		MAP_PRIVATE_BIT,
		MAP_SHARED_BIT | MAP_FIXED_BIT,
		MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT | MAP_FIXED_BIT,
		MAP_SHARED_BIT | MAP_ANONYMOUS_BIT | MAP_HUGETLB_BIT,
		MAP_SHARED_BIT | MAP_ANONYMOUS_BIT | MAP_POPULATE_BIT,
	};
	uint64_t va = pick_address(input), length = pick_length(input);
	uint8_t how = next(input);
	return issue(process, SYS_MMAP,
		     (uint64_t[6]){va, length, how >> 3 & 7, flags[how & 7], next(input) & 0x1f,
				   PAGE_SIZE * (how >> 6)});
}

static bool do_fork(struct process *process)
{
	if (process_count == PROCESSES_TOP)
		return true;
	if (!issue(process, SYS_FORK, (uint64_t[6]){0}))
		return false;
	assert(call->result > 0);
	struct process *child = TAILQ_LAST(&machine->processes, process_list);
	assert(child->pid == (uint64_t)call->result);
	processes[process_count++] = child;
	return true;
}

static bool do_store(struct input *input, struct process *process)
{
	uint64_t va = DATA_VA + 4ULL * next(input);
	uint8_t count = next(input) & 0xf;
	for (uint8_t i = 0; i < count; i++) {
		uint8_t choice = next(input);
		uint32_t word = choice < 0x40 ? choice : words[choice % COUNT(words)];
		store(process, va + 4ULL * i, &word, sizeof(word));
	}
	return true;
}

/* False: the machine is out of memory. */
static bool one_call(struct input *input, struct process *process)
{
	uint8_t choice = next(input);
	uint64_t fd, va;
	if (choice < 0xc0)
		return typed_ioctl(input, process, choice);
	switch (choice & 0x1f) {
	case 0:
		return raw_ioctl(input, process);
	case 1:
	case 2:
		return issue(process, SYS_CLOSE, (uint64_t[6]){next(input) & 0x1f});
	case 3:
	case 4:
		return do_mmap(input, process);
	case 5:
		va = pick_address(input);
		return issue(process, SYS_MUNMAP, (uint64_t[6]){va, pick_length(input)});
	case 6:
	case 7:
		fd = next(input) & 0x1f;
		return issue(process, SYS_READ, (uint64_t[6]){fd, DATA_VA, next(input)});
	case 8:
		fd = next(input) & 0x1f;
		return issue(process, SYS_WRITE, (uint64_t[6]){fd, DATA_VA + 0x400, next(input)});
	case 9:
		fd = next(input) & 0x1f;
		return issue(process, SYS_POLL, (uint64_t[6]){fd, next(input), next(input) & 3});
	case 10:
		return do_fork(process);
	case 11:
		return issue(process, SYS_EXIT, (uint64_t[6]){next(input)});
	case 12:
		return issue(process, SYS_WAITPID, (uint64_t[6]){(uint64_t)-1, 0, 1});
	case 13:
		va = pick_address(input);
		return issue(process, SYS_MADVISE,
			     (uint64_t[6]){va, pick_length(input), MADV_DONTNEED_ADVICE});
	case 14:
		return issue(process, SYS_FTRUNCATE, (uint64_t[6]){MEMFD_FD, pick_length(input)});
	case 15:
		snprintf(call->path, sizeof(call->path), "%s",
			 next(input) & 1 ? "/dev/iommu" : "/etc/motd");
		return issue(process, SYS_OPEN, (uint64_t[6]){0, O_RDWR_BIT});
	default:
		return do_store(input, process);
	}
}

/* --- the end --- */

static void check_end(void)
{
	struct memory *memory = &machine->memory;
	for (uint64_t pfn = memory->base_pfn, run; pfn < memory->next; pfn += run) {
		struct frame_state frame = memory_frame(memory, pfn, &run);
		assert(frame.pins == 0);
		assert(frame.references == 0);
	}
	for (uint32_t i = 0; i < machine->ledger.holder_count; i++)
		assert(machine->ledger.holders[i]->gone ||
		       ledger_granted(&machine->ledger, i) == 0);
	assert(machine->root_user.locked_vm == 0);
	assert(machine->huge_free == machine->config.huge_pages);
	assert(arena_live(machine->arena) - kept_bytes() == live_at_start);
}

/* False: the machine is out of memory. */
static bool run(struct input *input)
{
	uint8_t order = next(input);
	uint32_t current = 0;
	for (uint32_t i = 0; i < CALLS_MAX && input->at < input->end; i++) {
		if (process_count > 1)
			current = next(input) % process_count;
		if (!processes[current]->exited && !one_call(input, processes[current]))
			return false;
	}
	for (uint32_t i = 0; i < process_count; i++) {
		struct process *process = processes[order & 1 ? process_count - 1 - i : i];
		if (!process->exited && !issue(process, SYS_EXIT, (uint64_t[6]){0}))
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, data + size};
	restore();
	if (machine_guard(machine) == 0 && run(&input))
		check_end();
	else
		machine->scheduler.broken = true;
	return 0;
}
