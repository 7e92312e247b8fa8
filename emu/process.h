/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes and their memory.
 *
 * Concepts
 *   process   address space, descriptors, credentials; a fork copies it
 *   thread    who makes system calls; at most one at a time, run by its task
 *   mm        an address space. It outlives its process while something (an IOAS area) holds it
 *   vma       one mapping: [first, last], protection, and an object (shared, or private over it)
 *   object    pages that can be shared: anonymous shared memory, a memfd, a file, huge pages, the
 *             registers of a device
 *   anon      pages private to an mm: anonymous, or copied on write
 *   fault     finding the frame behind a page, allocating or copying it where that is due
 */
#ifndef HWQ_EMU_PROCESS_H
#define HWQ_EMU_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "emu/addr.h"
#include "emu/file.h"
#include "emu/hash.h"
#include "emu/memory.h"
#include "emu/spans.h"
#include "emu/task.h"
#include "emu/tree.h"

struct machine;
struct syscall;

/* What mmap() takes, with Linux's numbers (x86-64 and arm64 agree). */
#define PROT_READ_BIT            1U
#define PROT_WRITE_BIT           2U
#define PROT_EXEC_BIT            4U
#define MAP_SHARED_BIT           0x01U
#define MAP_PRIVATE_BIT          0x02U
#define MAP_SHARED_VALIDATE_BITS 0x03U
#define MAP_TYPE_MASK            0x0fU
#define MAP_FIXED_BIT            0x10U
#define MAP_ANONYMOUS_BIT        0x20U
#define MAP_POPULATE_BIT         0x8000U
#define MAP_HUGETLB_BIT          0x40000U
#define MAP_FIXED_NOREPLACE_BIT  0x100000U

#define TASK_SIZE 0x7ffffffff000ULL /* user addresses end here (x86-64, four levels) */
#define MMAP_TOP  0x7ffff7fff000ULL
#define VMA_MAX   65530U /* vm.max_map_count */

enum object_kind {
	OBJECT_SHMEM,   /* shared anonymous memory, memfd */
	OBJECT_HUGETLB, /* 2 MiB pages from the machine's pool */
	OBJECT_FILE,    /* a regular file: its contents are not known */
	OBJECT_DEVICE,  /* fixed physical addresses, owned by a driver */
};

struct object {
	struct machine *machine;
	enum object_kind kind;
	uint32_t references;
	uint32_t owner;
	uint64_t size;      /* bytes; where mappings and pins of a file end */
	struct spans pages; /* page index -> pfn */
};

struct vma;

/* A driver's interest in the lifetime of its mappings (vm_operations_struct). */
struct vma_ops {
	void (*open)(void *context); /* duplicated: fork, split */
	void (*close)(void *context);
};

struct vma {
	RB_ENTRY(vma) node;
	uint64_t first; /* va, bytes */
	uint64_t last;
	uint32_t prot;
	uint32_t flags;
	struct object *object; /* NULL: private anonymous */
	uint64_t page_index;   /* in the object, of first */
	struct file *file;     /* held open by the mapping, or NULL */
	const struct vma_ops *ops;
	void *ops_context;
};

RB_HEAD(vma_tree, vma);

struct mm;

/*
 * The memory of a live program (hwq exec): its mappings are mirrored here, its bytes are not.
 */
struct mm_outside {
	/* Brings the mirror up to date, before it is looked at. */
	void (*refresh)(struct mm *mm);
	/* COUNT frames from PFN on were found behind VA. */
	void (*found)(struct mm *mm, struct va va, uint64_t pfn, uint64_t count);
	/* Bytes done, short at the first fault. */
	uint64_t (*read)(struct mm *mm, struct va va, void *to, uint64_t size);
	uint64_t (*write)(struct mm *mm, struct va va, const void *from, uint64_t size);
};

struct mm {
	struct machine *machine;
	uint32_t users;      /* processes; at 0 the mappings go */
	uint32_t references; /* whoever remembers it; at 0 the mm goes */
	uint32_t owner;      /* of its frames */
	struct vma_tree vmas;
	struct vma *recent;
	uint32_t vma_count;
	struct spans anon;                /* va / PAGE_SIZE -> pfn */
	uint64_t pinned_vm;               /* VmPin, pages */
	uint64_t locked_vm;               /* VmLck, pages */
	const struct mm_outside *outside; /* NULL: an emulated process */
	void *outside_context;
};

/* Charged per user (struct user_struct). */
struct user {
	uint64_t locked_vm; /* pages */
};

struct credentials {
	bool cap_ipc_lock;
	bool cap_sys_resource;
	bool cap_sys_rawio;
	uint64_t rlimit_memlock; /* bytes */
	struct user *user;
};

struct thread {
	TAILQ_ENTRY(thread) link;
	uint32_t tid;
	struct process *process;
	struct task task;
	bool busy;
	struct syscall *call; /* the one it is in */
};

TAILQ_HEAD(thread_list, thread);

struct process {
	TAILQ_ENTRY(process) link;
	struct machine *machine;
	uint32_t pid;
	struct process *parent;
	struct mm *mm;
	struct fd_table files;
	struct credentials credentials;
	struct thread_list threads;
	bool exiting; /* a thread called exit(): the others' calls end, then the process does */
	bool exited;
	uint32_t exit_status; /* as waitpid() reports it */
	bool reaped;
	struct wait_queue child_exit;
	struct wait_queue call_ended;
	const struct fd_outside *fd_outside; /* NULL: an emulated process */
	void *outside_context;
};

TAILQ_HEAD(process_list, process);

/* A first process with an empty address space, or a child of PARENT that shares nothing. */
struct process *process_new(struct machine *machine, struct process *parent);
/* As fork(): NULL when the machine's process limit is reached. */
struct process *process_fork(struct process *parent);
/* As exec(): an empty address space in place of the old one. Descriptors are left alone. */
void process_exec(struct process *process);
/* Closes descriptors, drops the address space; the process stays until reaped. */
void process_exit(struct process *process, uint32_t status);
struct thread *thread_new(struct process *process);

/* --- objects --- */
struct object *object_new(struct machine *machine, enum object_kind kind, uint64_t size,
			  uint32_t owner);
void object_get(struct object *object);
void object_put(struct object *object);
/*
 * Frames behind up to COUNT pages from INDEX, allocated where missing: *PFN and how many are
 * consecutive, or -ENOMEM.
 */
int object_frames(struct object *object, uint64_t index, uint64_t count, uint64_t *pfn,
		  uint64_t *run);
/* FALLOC_FL_PUNCH_HOLE: forgets the pages. Pins keep their frames. */
void object_punch(struct object *object, uint64_t index, uint64_t count);

/* --- address spaces --- */
void mm_get(struct mm *mm);
void mm_put(struct mm *mm);
struct vma *mm_find_vma(struct mm *mm, uint64_t va);
/* The first that ends at or after VA, or NULL. */
struct vma *mm_vma_from(struct mm *mm, uint64_t va);

struct map_request {
	uint64_t address; /* hint, or the address with MAP_FIXED */
	uint64_t length;
	uint32_t prot;
	uint32_t flags;
	struct object *object;
	uint64_t page_index;
	struct file *file;
	const struct vma_ops *ops;
	void *ops_context;
};

/* The address in *VA, or -EINVAL, -ENOMEM, -EEXIST. Takes its own references. */
int mm_map(struct mm *mm, const struct map_request *request, uint64_t *va);
int mm_unmap(struct mm *mm, uint64_t va, uint64_t length);
/* -ENOMEM where nothing is mapped, after what lies before the gap was changed, as in Linux. */
int mm_protect(struct mm *mm, uint64_t va, uint64_t length, uint32_t prot);
/* MADV_DONTNEED. */
int mm_dontneed(struct mm *mm, uint64_t va, uint64_t length);

/*
 * The host moves the page at VA to another frame (migration, compaction); its old frame is free.
 * -EBUSY: it is pinned, or shared after a fork; -EFAULT: nothing is there.
 */
int mm_migrate(struct mm *mm, struct va va);
enum host_move {
	HOST_MIGRATE,
	HOST_RECLAIM,
	HOST_UPDATE, /* nothing more moves: what still says otherwise is put right */
};

/* The host takes the frame of the page at VA; the next fault brings its contents back in another. */
int mm_reclaim(struct mm *mm, struct va va);

/* What a reclaimed page held. */
struct swapped_page {
	LIST_ENTRY(swapped_page) link;
	const void *owner; /* its mm or object */
	uint64_t index;    /* page of the address space, or of the object */
	uint32_t writer;
	uint8_t bytes[PAGE_SIZE];
};

LIST_HEAD(swapped_pages, swapped_page);

#define FAULT_WRITE 1U
#define FAULT_FORCE 4U /* whatever the protection is */
#define FAULT_PIN   2U /* for a long-term pin: breaks copy-on-write sharing even for reads */
/*
 * Frames behind up to COUNT pages from VA: *PFN and how many are consecutive.
 * -EFAULT: not mapped, or not with the right; -ENOMEM.
 */
int mm_fault(struct mm *mm, struct va va, uint64_t count, uint32_t flags, uint64_t *pfn,
	     uint64_t *run);

/* Copies between user memory and the caller; returns bytes done, short at the first fault. */
uint64_t mm_read(struct mm *mm, struct va va, void *to, uint64_t size);
uint64_t mm_write(struct mm *mm, struct va va, const void *from, uint64_t size);

/* The same without regard to protection, for whoever stands in for the program itself. */
uint64_t mm_peek(struct mm *mm, struct va va, void *to, uint64_t size);
uint64_t mm_poke(struct mm *mm, struct va va, const void *from, uint64_t size);

void process_hash(struct process *process, struct hash *hash);
/* What was reclaimed. */
void swap_hash(const struct machine *machine, struct hash *hash);

#endif
