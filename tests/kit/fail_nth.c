// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/fail_nth.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "kernel_shim/iommufd.h"
#include "kernel_shim/uapi/layout.h"
#include "models/amd_iommu/amd_spec.h"
#include "models/nvidia_vcmdq/cmdqv_spec.h"

#define STEPS_MAX 1000000U

enum part {
	PART_KERNEL,      /* objects of each iommufd */
	PART_DESCRIPTORS, /* open and reserved, and references to files */
	PART_MAPPINGS,    /* of processes */
	PART_CONTENTS,    /* what processes find in their memory */
	PART_PINS,        /* by frame */
	PART_CHARGES,     /* against limits */
	PART_PROMISES,    /* of the ledger */
	PART_BINDINGS,    /* who acts for whom */
	PART_TABLES,      /* frames that drivers hold */
	PART_REGISTERS,   /* of the hardware */
	PART_TRANSLATION, /* what devices reach */
	PARTS,
};

static const char *const part_names[PARTS] = {
	"kernel",   "descriptors", "mappings", "contents",  "pins",        "charges",
	"promises", "bindings",    "tables",   "registers", "translation",
};

struct observation {
	uint64_t parts[PARTS];
	size_t live; /* bytes, less the books */
	uint64_t time_ps;
};

/* --- looking at a machine --- */

static int compare_vma(const struct vma *a, const struct vma *b)
{
	return a->first < b->first ? -1 : a->first > b->first;
}

TREE_GENERATE(vma_tree, vma, node, compare_vma)

static uint64_t hash_files(const struct machine *machine)
{
	struct hash hash;
	struct process *process;
	hash_init(&hash);
	TAILQ_FOREACH (process, &machine->processes, link)
		for (uint32_t fd = 0; !process->exited && fd < process->files.capacity; fd++) {
			struct file *file = fd_file(process, (int)fd);
			if (file != NULL && file->ops->hash != NULL)
				file->ops->hash(file, &hash);
		}
	return hash.value;
}

static uint64_t hash_descriptors(const struct machine *machine)
{
	struct hash hash;
	struct process *process;
	hash_init(&hash);
	TAILQ_FOREACH (process, &machine->processes, link) {
		hash_u64(&hash, (uint64_t)process->pid << 2 | (uint64_t)process->exited << 1 |
					process->reaped);
		for (uint32_t fd = 0; !process->exited && fd < process->files.capacity; fd++)
			if (process->files.slots[fd] != NULL) {
				const struct file *file = fd_file(process, (int)fd);
				hash_u64(&hash, fd);
				hash_u64(&hash, file != NULL ? file->references : 0);
			}
	}
	return hash.value;
}

static uint64_t hash_mappings(const struct machine *machine)
{
	struct hash hash;
	struct process *process;
	struct vma *vma;
	hash_init(&hash);
	TAILQ_FOREACH (process, &machine->processes, link) {
		hash_u64(&hash, process->pid);
		if (process->exited)
			continue;
		RB_FOREACH (vma, vma_tree, &process->mm->vmas) {
			hash_u64(&hash, vma->first);
			hash_u64(&hash, vma->last);
			hash_u64(&hash, (uint64_t)vma->prot << 32 | vma->flags);
			hash_u64(&hash, vma->page_index);
		}
	}
	return hash.value;
}

/* A page of zeros is as good as none: touching memory changes nothing that a process finds. */
static void hash_content(struct hash *hash, struct memory *memory, uint64_t va, uint64_t pfn)
{
	static const uint8_t zeros[PAGE_SIZE];
	uint8_t page[PAGE_SIZE];
	memory_read(memory, pa_of_pfn(pfn), page, sizeof(page));
	if (memcmp(page, zeros, sizeof(page)) == 0)
		return;
	hash_u64(hash, va);
	hash_bytes(hash, page, sizeof(page));
}

static void hash_vma(struct hash *hash, struct mm *mm, const struct vma *vma)
{
	struct memory *memory = &mm->machine->memory;
	struct object *object = vma->object;
	if (object != NULL && object->kind == OBJECT_DEVICE)
		return;
	for (uint64_t va = vma->first; va < vma->last; va += PAGE_SIZE) {
		uint64_t index = vma->page_index + (va - vma->first) / PAGE_SIZE;
		struct span *anon = spans_from(&mm->anon, va / PAGE_SIZE);
		struct span *shared = object != NULL ? spans_from(&object->pages, index) : NULL;
		if (anon != NULL && anon->first <= va / PAGE_SIZE)
			hash_content(hash, memory, va, span_at(anon, va / PAGE_SIZE));
		else if (shared != NULL && shared->first <= index)
			hash_content(hash, memory, va, span_at(shared, index));
		else if ((object == NULL &&
			  (anon == NULL || anon->first * PAGE_SIZE > vma->last)) ||
			 (anon == NULL && shared == NULL))
			return; /* nothing more in it */
	}
}

static uint64_t hash_contents(const struct machine *machine)
{
	struct hash hash;
	struct process *process;
	struct vma *vma;
	hash_init(&hash);
	TAILQ_FOREACH (process, &machine->processes, link)
		if (!process->exited)
			RB_FOREACH (vma, vma_tree, &process->mm->vmas)
				hash_vma(&hash, process->mm, vma);
	return hash.value;
}

static uint64_t hash_pins(struct machine *machine)
{
	struct hash hash;
	struct span *span;
	hash_init(&hash);
	SPANS_FOREACH (span, &machine->memory.frames) {
		struct frame_state frame = memory_frame(&machine->memory, span->first, NULL);
		for (uint64_t pfn = span->first; frame.pins > 0 && pfn <= span->last; pfn++) {
			hash_u64(&hash, pfn);
			hash_u64(&hash, frame.pins);
		}
	}
	return hash.value;
}

static uint64_t hash_charges(const struct machine *machine)
{
	struct hash hash;
	struct process *process;
	hash_init(&hash);
	hash_u64(&hash, machine->root_user.locked_vm);
	TAILQ_FOREACH (process, &machine->processes, link) {
		if (process->exited)
			continue;
		hash_u64(&hash, process->mm->pinned_vm);
		hash_u64(&hash, process->mm->locked_vm);
	}
	return hash.value;
}

static void hash_promises_of(struct ledger *ledger, uint32_t holder, struct hash *hash)
{
	struct span *span;
	if (ledger->holders[holder]->gone)
		return;
	SPANS_FOREACH (span, &ledger->holders[holder]->promises) {
		enum promise_state state = ledger_promise(ledger, holder, span->first).state;
		if (state != PROMISE_GRANTED && state != PROMISE_REVOKING)
			continue; /* what was taken back stays on record */
		for (uint64_t pfn = span->first; pfn <= span->last; pfn++) {
			hash_u64(hash, (uint64_t)holder << 2 | state);
			hash_u64(hash, pfn);
			hash_u64(hash, span->tag);
		}
	}
}

static uint64_t hash_promises(struct machine *machine)
{
	struct hash hash;
	hash_init(&hash);
	for (uint32_t holder = 0; holder < machine->ledger.holder_count; holder++)
		hash_promises_of(&machine->ledger, holder, &hash);
	return hash.value;
}

static uint64_t hash_bindings(const struct ledger *ledger)
{
	uint64_t bindings = 0;
	for (uint32_t i = 0; i < ledger->binding_capacity; i++) {
		const struct ledger_binding *binding = &ledger->bindings[i];
		struct hash hash;
		if (!binding->used)
			continue;
		hash_init(&hash);
		hash_u64(&hash, (uint64_t)binding->engine << 32 | binding->context);
		hash_u64(&hash, (uint64_t)binding->holder << 32 | binding->guest);
		bindings += hash.value;
	}
	return bindings;
}

static bool is_of_a_process(const struct machine *machine, uint32_t owner)
{
	const struct process *process;
	TAILQ_FOREACH (process, &machine->processes, link)
		if (!process->exited && process->mm->owner == owner)
			return true;
	return false;
}

static uint64_t hash_tables(struct machine *machine)
{
	struct memory *memory = &machine->memory;
	struct hash hash;
	struct span *span;
	hash_init(&hash);
	SPANS_FOREACH (span, &memory->frames) {
		struct frame_state frame = memory_frame(memory, span->first, NULL);
		if (frame.references == 0 || is_of_a_process(machine, frame.owner))
			continue;
		for (uint64_t pfn = span->first; pfn <= span->last; pfn++) {
			hash_u64(&hash, pfn);
			hash_u64(&hash, (uint64_t)frame.references << 32 | frame.owner);
		}
	}
	return hash.value;
}

/* Registers without a name: those of the first queues and guests. */
static const struct {
	const char *window;
	uint32_t offset;
	uint32_t size;
} unnamed[] = {
	/* Behind CONFIG, where the what-if CONS_DRAM_EN is turned on for good. */
	{"cmdqv", CMDQV_PARAM, CMDQV_ALLOC_MAP + 8 * 4 - CMDQV_PARAM},
	{"cmdqv", CMDQV_VINTF_BLOCKS, 3 * CMDQV_VINTF_BLOCK_STRIDE},
	/* VCMDQ 0 is the driver's own: its pointers go on. */
	{"cmdqv", CMDQV_DIRECT_PAGE0 + CMDQV_QUEUE_STRIDE, 3 * CMDQV_QUEUE_STRIDE},
	{"cmdqv", CMDQV_DIRECT_PAGE1, 4 * CMDQV_QUEUE_STRIDE},
	{"vfcntl", 0, 4 * VFCNTL_STRIDE},
};

/* The driver's own ring goes on with each command: that is no change. */
static bool goes_on(const char *name)
{
	static const char *const names[] = {"CMDQ_PROD", "CMDQ_CONS", "CMD_HEAD", "CMD_TAIL"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void hash_window(struct machine *machine, const struct register_window *window,
			struct hash *hash)
{
	const struct register_row *row = window->rows;
	for (; row != NULL && row->name != NULL; row++)
		for (uint32_t i = 0; i < row->count && !goes_on(row->name); i++)
			hash_u64(hash, bus_read(&machine->bus,
						pa_of(window->base.value + row->offset +
						      (uint64_t)i * row->stride),
						row->width));
	for (size_t i = 0; i < sizeof(unnamed) / sizeof(unnamed[0]); i++)
		for (uint32_t at = 0;
		     strcmp(unnamed[i].window, window->name) == 0 && at < unnamed[i].size;
		     at += window->width)
			hash_u64(hash, bus_read(&machine->bus,
						pa_of(window->base.value + unnamed[i].offset + at),
						window->width));
}

static uint64_t hash_registers(const struct watched_call *call)
{
	struct hash hash;
	hash_init(&hash);
	if (call->hardware != NULL)
		for (const struct register_window *window = call->platform->windows;
		     window->name != NULL; window++)
			hash_window(call->thread->process->machine, window, &hash);
	return hash.value;
}

/* Where scenarios put their queues and buffers, for the device that all of them have. */
static uint64_t hash_translation(const struct watched_call *call)
{
	static const uint64_t iovas[] = {0x40000000,  0x40001000,  0x40002000,
					 0x100001000, 0x100002000, 0x100003000};
	struct hash hash;
	hash_init(&hash);
	for (size_t i = 0; call->hardware != NULL && i < sizeof(iovas) / sizeof(iovas[0]); i++) {
		struct platform_translation found =
			call->platform->translate(call->hardware, 0x10, iovas[i], false);
		hash_u64(&hash, found.ok);
		hash_u64(&hash, found.ok ? found.pa.value : 0);
		hash_u64(&hash, (uint64_t)found.readable << 1 | found.writable);
	}
	return hash.value;
}

static size_t span_bytes(struct spans *spans)
{
	size_t bytes = 0;
	struct span *span;
	SPANS_FOREACH (span, spans)
		bytes += sizeof(*span);
	return bytes;
}

/*
 * The emulator's own books of frames and of promises: they tell pages apart that once were handed
 * out, and what was once granted. A failed call may leave an entry there; nothing of the kernel's.
 */
static size_t books(struct machine *machine)
{
	struct memory *memory = &machine->memory;
	struct ledger *ledger = &machine->ledger;
	const struct free_run *run;
	size_t bytes = span_bytes(&memory->frames);
	TAILQ_FOREACH (run, &memory->free, link)
		bytes += sizeof(*run);
	bytes += memory->data_capacity * sizeof(*memory->data);
	for (uint32_t i = 0; i < memory->data_capacity; i++) {
		const struct page_data *data = &memory->data[i];
		if (data->pfn == 0)
			continue;
		bytes += data->repeats ? PAGE_REPEAT : PAGE_SIZE;
		bytes += data->stated != NULL ? PAGE_SIZE / 8 : 0;
	}
	for (uint32_t holder = 0; holder < ledger->holder_count; holder++)
		bytes += span_bytes(&ledger->holders[holder]->promises) +
			 sizeof(*ledger->holders[holder]);
	for (uint32_t guest = 0; guest < ledger->guest_count; guest++)
		for (unsigned kind = 0; kind < REACH_KINDS; kind++)
			bytes += span_bytes(&ledger->guests[guest]->reach[kind]);
	bytes += ledger->guest_count * sizeof(struct ledger_guest);
	bytes += ledger->guest_capacity * sizeof(struct ledger_guest *);
	bytes += ledger->revocation_capacity * sizeof(*ledger->revocations);
	return bytes + ledger->binding_capacity * sizeof(*ledger->bindings);
}

static struct observation observe(const struct watched_call *call)
{
	struct machine *machine = call->thread->process->machine;
	struct observation seen = {.live = arena_live(machine->arena) - books(machine),
				   .time_ps = machine->clock.now_ps};
	seen.parts[PART_KERNEL] = hash_files(machine);
	seen.parts[PART_DESCRIPTORS] = hash_descriptors(machine);
	seen.parts[PART_MAPPINGS] = hash_mappings(machine);
	seen.parts[PART_CONTENTS] = hash_contents(machine);
	seen.parts[PART_PINS] = hash_pins(machine);
	seen.parts[PART_CHARGES] = hash_charges(machine);
	seen.parts[PART_PROMISES] = hash_promises(machine);
	seen.parts[PART_BINDINGS] = hash_bindings(&machine->ledger);
	seen.parts[PART_TABLES] = hash_tables(machine);
	seen.parts[PART_REGISTERS] = hash_registers(call);
	seen.parts[PART_TRANSLATION] = hash_translation(call);
	return seen;
}

/* A bit for each part in which they differ. */
static unsigned differing(const struct observation *a, const struct observation *b)
{
	unsigned parts = 0;
	for (unsigned part = 0; part < PARTS; part++)
		if (a->parts[part] != b->parts[part])
			parts |= 1U << part;
	return parts;
}

/* --- making a call --- */

/* The machine as CALL found it. Nobody watches a trial: what watchers store is not the machine's. */
static void start_over(const struct fail_nth *fail_nth, struct machine *machine)
{
	arena_restore(machine->arena, fail_nth->start);
	machine->observer_count = 0;
	machine->scheduler.horizon_ps = UINT64_MAX;
}

/* False: it sleeps, and nothing can wake it. */
static bool attempt(const struct watched_call *call, uint64_t nth)
{
	struct machine *machine = call->thread->process->machine;
	machine->failures.countdown = nth;
	bool done = syscall_start(call->thread, call->syscall);
	for (uint32_t steps = 0; done && !call->syscall->done; steps++)
		done = steps < STEPS_MAX && !machine->scheduler.broken &&
		       clock_step(&machine->clock);
	machine->failures.countdown = 0;
	return done;
}

/* What the machine is at TIME_PS without the call. */
static struct observation idle_until(const struct fail_nth *fail_nth,
				     const struct watched_call *call, uint64_t time_ps)
{
	struct machine *machine = call->thread->process->machine;
	start_over(fail_nth, machine);
	machine->scheduler.horizon_ps = time_ps;
	while (clock_next(&machine->clock) <= time_ps)
		clock_step(&machine->clock);
	machine->clock.now_ps = time_ps;
	return observe(call);
}

/* --- judging --- */

#define BIT(part)        (1U << PART_##part)
#define AMD_VIOMMU_PARTS (BIT(CONTENTS) | BIT(BINDINGS) | BIT(TABLES) | BIT(REGISTERS))

enum quirk_kind {
	ANSWERED, /* it is done, only its answer did not arrive: all but the process's memory is so */
	CHANGES,  /* refused, yet PARTS may change; made again, it does what it should */
	SPOILS,   /* the same, but what it is made with has changed, too */
	SURVIVES, /* no error; PARTS may differ from those of an undisturbed call */
};

/* What a failed call may do beside returning an error and leaving everything as it was. */
static const struct quirk {
	const char *call;
	const char *point;
	bool last; /* of the call: the answer */
	enum quirk_kind kind;
	unsigned parts;
	const char *platform; /* NULL: any */
} quirks[] = {
	/* iommufd 2.4 12, 2.8 6, 7.3: nothing is undone when the struct can't be written back. */
	{"IOMMU_IOAS_MAP", "copy to user", true, ANSWERED, 0, NULL},
	{"IOMMU_IOAS_UNMAP", "copy to user", true, ANSWERED, 0, NULL},
	{"MOCK_DOMAIN_REPLACE", "copy to user", true, ANSWERED, 0, NULL},
	/* iommufd 4.2 5: entry_num is written back whatever happens. */
	{"IOMMU_HWPT_INVALIDATE", NULL, false, SPOILS, BIT(CONTENTS), NULL},
	/* iommufd 5.6: an event without memory leaves the marker of a lost one, and takes a number. */
	{"TRIGGER_VEVENT", "event", false, CHANGES, BIT(KERNEL), NULL},
	/* iommufd 5.6, 5.7: a read ends before the record that can't be copied. */
	{"read", "copy to user", false, SURVIVES, BIT(KERNEL) | BIT(CONTENTS), NULL},
	/* iommufd app. A 22: a fault that can't be queued is answered INVALID. */
	{"TRIGGER_IOPF", "page fault group", false, SURVIVES, BIT(KERNEL), NULL},
	/* amd-iommu 7: the tables above a page that is taken out are kept. */
	{"IOMMU_IOAS_MAP", "page table", false, CHANGES, BIT(TABLES), NULL},
	/* iommufd 4.7: the device is detached again; its DMA is blocked. */
	{"VFIO_DEVICE_ATTACH_IOMMUFD_PT", "copy to user", true, CHANGES, BIT(BINDINGS), NULL},
	/* emu/ledger.h: a binding is never taken back. */
	{"IOMMU_HW_QUEUE_ALLOC", "copy to user", true, CHANGES, BIT(BINDINGS), "nvidia_vcmdq"},
	/* amd-viommu 12.3 6: nothing takes the queue's base from the hardware. */
	{"IOMMU_HW_QUEUE_ALLOC", "copy to user", true, CHANGES, BIT(REGISTERS), "amd_iommu"},
	/*
	 * amd-viommu 13: the private space and its tables are made with the first vIOMMU, and stay.
	 * The driver's data is answered before the maps are made.
	 */
	{"IOMMU_VIOMMU_ALLOC", "copy to user", true, CHANGES, AMD_VIOMMU_PARTS, "amd_iommu"},
	{"IOMMU_VIOMMU_ALLOC", "page table", false, CHANGES, AMD_VIOMMU_PARTS, "amd_iommu"},
	/* iommufd 5.1: the driver's data is answered before the struct. */
	{"IOMMU_VIOMMU_ALLOC", "copy to user", true, CHANGES, BIT(CONTENTS), NULL},
};

/* The operation of IOMMU_TEST_CMD; the read may touch the process's memory. */
static const struct test_op_layout *test_op_of(const struct watched_call *call)
{
	uint32_t op;
	if (call->syscall->number != SYS_IOCTL ||
	    (call->syscall->args[1] & 0xff) != IOMMUFD_NR_TEST_CMD ||
	    mm_read(call->thread->process->mm, va_of(call->syscall->args[2] + 4), &op,
		    sizeof(op)) != sizeof(op))
		return NULL;
	return test_op_layout_by_op(op);
}

static const char *command_of(const struct syscall *syscall, const struct test_op_layout *test_op)
{
	static const char *const names[] = {
		[SYS_OPEN] = "open", [SYS_CLOSE] = "close", [SYS_IOCTL] = "ioctl",
		[SYS_READ] = "read", [SYS_WRITE] = "write", [SYS_MMAP] = "mmap",
		[SYS_EXIT] = "exit", [SYS_FORK] = "fork",   [SYS_MUNMAP] = "munmap",
	};
	const struct ioctl_layout *layout = ioctl_layout_by_cmd((uint32_t)syscall->args[1]);
	if (syscall->number == SYS_IOCTL && layout != NULL)
		return test_op != NULL ? test_op->name : layout->name;
	if (syscall->number >= sizeof(names) / sizeof(names[0]) || names[syscall->number] == NULL)
		return "other";
	return names[syscall->number];
}

struct trial {
	struct fail_nth *fail_nth;
	const struct watched_call *call;
	struct machine *machine;
	const char *command;     /* or operation */
	struct observation done; /* after the call, undisturbed */
	int64_t result;          /* of that */
	uint64_t nth;
	uint64_t points;   /* of the call */
	const char *point; /* that failed */
};

static void find(struct trial *trial, const char *what, unsigned parts)
{
	printf("%s:%u: %s, failing %u (%s): %s", trial->fail_nth->file, trial->call->line,
	       trial->command, (unsigned)trial->nth, trial->point, what);
	for (unsigned part = 0; part < PARTS; part++)
		if (parts & (1U << part))
			printf(" %s", part_names[part]);
	printf("\n");
	trial->fail_nth->findings++;
}

static bool is_on(const struct trial *trial, const char *platform)
{
	return trial->call->hardware != NULL && strcmp(trial->call->platform->name, platform) == 0;
}

/* NULL: none. */
static const struct quirk *quirk_of(const struct trial *trial)
{
	for (size_t i = 0; i < sizeof(quirks) / sizeof(quirks[0]); i++)
		if (strcmp(quirks[i].call, trial->command) == 0 &&
		    (quirks[i].point == NULL || strcmp(quirks[i].point, trial->point) == 0) &&
		    (quirks[i].platform == NULL || is_on(trial, quirks[i].platform)) &&
		    (!quirks[i].last || trial->nth == trial->points))
			return &quirks[i];
	return NULL;
}

static void judge_refused(struct trial *trial, const struct quirk *quirk,
			  const struct observation *after)
{
	if (quirk != NULL && quirk->kind == ANSWERED) {
		unsigned undone = differing(&trial->done, after) & ~BIT(CONTENTS);
		if (undone != 0)
			find(trial, "is not done in", undone);
		return;
	}
	unsigned allowed = quirk != NULL && quirk->kind != SURVIVES ? quirk->parts : 0;
	struct observation idle = idle_until(trial->fail_nth, trial->call, after->time_ps);
	unsigned parts = differing(&idle, after) & ~allowed;
	if (parts != 0)
		find(trial, "changes", parts);
}

/* iommufd 7.6: a queue of the mock's that goes empties slot 0, whichever was its own. */
static bool keeps_its_slot(const struct trial *trial)
{
	const struct watched_call *call = trial->call;
	struct va at = va_of(call->syscall->args[2] + offsetof(struct iommu_hw_queue_alloc, index));
	uint32_t index = 0;
	if (call->hardware != NULL || strcmp(trial->command, "IOMMU_HW_QUEUE_ALLOC") != 0 ||
	    trial->nth != trial->points)
		return false;
	mm_read(call->thread->process->mm, at, &index, sizeof(index));
	return index > 0;
}

/* The call again, undisturbed, does what it would have done at first. */
static void judge_again(struct trial *trial, unsigned allowed)
{
	const struct watched_call *call = trial->call;
	start_over(trial->fail_nth, trial->machine);
	attempt(call, trial->nth);
	attempt(call, 0);
	struct observation again = observe(call);
	unsigned parts = differing(&again, &trial->done) & ~allowed;
	if (keeps_its_slot(trial) && call->syscall->result == -EEXIST)
		return;
	if (call->syscall->result != trial->result)
		find(trial, "made again, returns something else", parts);
	else if (parts != 0)
		find(trial, "made again, leads to other", parts);
	if (again.live != trial->done.live)
		find(trial, "made again, takes more or less memory", 0);
}

/* False: the call has no further point. */
static bool fail_one(struct trial *trial)
{
	struct machine *machine = trial->machine;
	const struct watched_call *call = trial->call;
	start_over(trial->fail_nth, machine);
	uint64_t hits = machine->failures.hits;
	if (!attempt(call, trial->nth)) {
		trial->point = machine->failures.last;
		find(trial, "never returns", 0);
		return false;
	}
	if (machine->failures.hits == hits)
		return false;
	trial->fail_nth->failures++;
	trial->point = machine->failures.last;
	struct observation after = observe(call);
	const struct quirk *quirk = quirk_of(trial);
	if (call->syscall->result >= 0) {
		unsigned parts = differing(&trial->done, &after);
		if (quirk == NULL || quirk->kind != SURVIVES || (parts & ~quirk->parts) != 0)
			find(trial, "succeeds, with another", parts);
		return true;
	}
	trial->fail_nth->refused++;
	judge_refused(trial, quirk, &after);
	/* Tables that were kept are used then. */
	if (quirk == NULL)
		judge_again(trial, 0);
	else if (quirk->kind == CHANGES)
		judge_again(trial, quirk->parts & ~BIT(TABLES));
	return true;
}

static void on_ready(void *context, const struct watched_call *call)
{
	struct fail_nth *fail_nth = context;
	struct machine *machine = call->thread->process->machine;
	struct trial trial = {.fail_nth = fail_nth, .call = call, .machine = machine, .point = ""};
	fail_nth->calls++;
	fail_nth->start = arena_save(machine->arena, fail_nth->start);
	start_over(fail_nth, machine);
	trial.command = command_of(call->syscall, test_op_of(call));
	start_over(fail_nth, machine);
	uint64_t points = machine->failures.points;
	if (!attempt(call, 0)) {
		fail_nth->unfinished++;
	} else if (machine->failures.points != points) {
		fail_nth->tried++;
		trial.result = call->syscall->result;
		trial.points = machine->failures.points - points;
		trial.done = observe(call);
		for (trial.nth = 1; fail_one(&trial); trial.nth++)
			;
	}
	arena_restore(machine->arena, fail_nth->start);
}

/* False: it sleeps. */
static bool end_process(struct process *process)
{
	struct machine *machine = process->machine;
	struct syscall *call = arena_new(machine->arena, struct syscall);
	call->number = SYS_EXIT;
	return syscall_start(thread_new(process), call) && syscall_finish(machine, call);
}

/* With every process gone, and all that it had open, nothing is pinned or charged. */
static void on_ended(void *context, struct machine *machine)
{
	struct fail_nth *fail_nth = context;
	struct process *process;
	struct span *span;
	uint64_t pins = 0;
	bool ended = true;
	machine->scheduler.horizon_ps = UINT64_MAX;
	TAILQ_FOREACH (process, &machine->processes, link)
		if (!process->exited)
			ended &= end_process(process);
	SPANS_FOREACH (span, &machine->memory.frames)
		pins += memory_frame(&machine->memory, span->first, NULL).pins;
	if (ended && pins == 0 && machine->root_user.locked_vm == 0)
		return;
	printf("%s: at the end: %s, %u pins, %u pages charged\n", fail_nth->file,
	       ended ? "all processes are gone" : "a process is left", (unsigned)pins,
	       (unsigned)machine->root_user.locked_vm);
	fail_nth->findings++;
}

struct call_watch fail_nth_watch(struct fail_nth *fail_nth)
{
	return (struct call_watch){fail_nth, on_ready, on_ended};
}

void fail_nth_fini(struct fail_nth *fail_nth)
{
	arena_snapshot_free(fail_nth->start);
}
