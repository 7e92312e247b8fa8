/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine with one process, one thread and /dev/iommu open, and short words for what tests do.
 *
 * Concepts
 *   world    what calls are issued from: machine, process, thread, descriptor. A copy with another
 *            process or descriptor acts as that one
 *   result   calls that make something return its number; all return a negative errno on failure
 *   flight   a call under way on a thread of its own, stepped by hand
 */
#ifndef HWQ_TESTS_KIT_WORLD_H
#define HWQ_TESTS_KIT_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include "emu/machine.h"
#include "emu/syscall.h"
#include "kernel_shim/iommufd.h"
#include "kernel_shim/uapi/iommufd_test.h"

#define MAP_RW     (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define MAP_RO     IOMMU_IOAS_MAP_READABLE
#define MAP_WO     IOMMU_IOAS_MAP_WRITEABLE
#define MAP_FIXED_ IOMMU_IOAS_MAP_FIXED_IOVA
#define SHARED     (MAP_SHARED_BIT | MAP_ANONYMOUS_BIT)
#define PRIVATE    (MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT)
#define PROT_RW    (PROT_READ_BIT | PROT_WRITE_BIT)

/* First IOVA of a mock domain. */
#define APERTURE 0x1000000ULL
/* A user address that nothing is mapped at. */
#define NOWHERE 0x1000ULL
/* Room for data of calls, at world.data. */
#define DATA_SIZE 0x20000U

struct world {
	struct machine *machine;
	struct process *process;
	struct thread *thread;
	int fd;               /* /dev/iommu */
	uint64_t args;        /* page for argument structs */
	uint64_t data;        /* DATA_SIZE bytes for whatever a struct points to */
	struct syscall *call; /* the last call, with its result */
};

struct world *world_new(void);
struct world *world_new_with(const struct machine_config *config);
void world_free(struct world *world);
/* The sheet's rule behind the last call's refusal; "" when it was none. */
const char *world_rule(const struct world *world);

int64_t world_syscall(struct world *world, enum syscall_number number, const uint64_t args[6]);
#define world_sys(world, number, ...) \
	world_syscall((world), (number), (const uint64_t[6]){__VA_ARGS__})

int64_t world_open(struct world *world, const char *path);
int64_t world_close(struct world *world, int fd);
uint64_t world_mmap(struct world *world, uint64_t length, uint32_t prot, uint32_t flags);
/* At a 2 MiB boundary. */
uint64_t world_mmap_aligned(struct world *world, uint64_t length);
int64_t world_memfd(struct world *world, uint64_t size);
/* The child's side of the same world; the caller frees it. */
struct world *world_fork(struct world *world);
/* The child exits and its world is freed. */
void world_exit(struct world *child);

/* Copies to and from user memory, whatever its protection. */
void world_put(struct world *world, uint64_t va, const void *from, uint64_t size);
void world_get(struct world *world, uint64_t va, void *to, uint64_t size);
/* Puts DATA at world->data and returns that address. */
uint64_t world_data(struct world *world, const void *data, uint64_t size);

/* Passes SIZE bytes of ARG through user memory; a size field of 0 is filled in. */
int64_t world_ioctl_sized(struct world *world, uint32_t nr, void *arg, uint32_t size);
#define world_ioctl(world, nr, arg) world_ioctl_sized((world), (nr), (arg), sizeof(*(arg)))
/* The plain call. */
int64_t world_ioctl_raw(struct world *world, uint32_t cmd, uint64_t arg);
int64_t world_test(struct world *world, enum iommu_test_op op, struct iommu_test_cmd *cmd);

/* --- objects --- */
int64_t world_destroy(struct world *world, uint32_t id);
int64_t world_ioas(struct world *world);
int64_t world_map(struct world *world, uint32_t ioas, uint64_t va, uint64_t length, uint32_t flags,
		  uint64_t *iova);
int64_t world_map_at(struct world *world, uint32_t ioas, uint64_t va, uint64_t length,
		     uint64_t iova);
int64_t world_map_file(struct world *world, uint32_t ioas, int fd, uint64_t start, uint64_t length,
		       uint32_t flags, uint64_t *iova);
int64_t world_copy(struct world *world, uint32_t source, uint64_t source_iova, uint64_t length,
		   uint32_t target, uint32_t flags, uint64_t *iova);
/* Bytes unmapped. */
int64_t world_unmap(struct world *world, uint32_t ioas, uint64_t iova, uint64_t length);
int64_t world_unmap_all(struct world *world, uint32_t ioas);
/* Up to CAPACITY ranges; *COUNT and *ALIGNMENT may be NULL. */
int64_t world_ranges(struct world *world, uint32_t ioas, struct iommu_iova_range *ranges,
		     uint32_t capacity, uint32_t *count, uint64_t *alignment);
int64_t world_allow(struct world *world, uint32_t ioas, const struct iommu_iova_range *ranges,
		    uint32_t count);
int64_t world_reserve(struct world *world, uint32_t ioas, uint64_t start, uint64_t length);
int64_t world_option(struct world *world, uint32_t option, uint16_t op, uint32_t object,
		     uint64_t *value);

struct mock {
	uint32_t stdev;
	uint32_t hwpt;
	uint32_t idev;
};

int64_t world_mock(struct world *world, uint32_t pt, uint32_t dev_flags, struct mock *mock);
int64_t world_replace(struct world *world, uint32_t stdev, uint32_t *pt);
int64_t world_hwpt(struct world *world, uint32_t dev, uint32_t pt, uint32_t flags);
int64_t world_nested(struct world *world, uint32_t dev, uint32_t pt, uint32_t flags, uint32_t fault,
		     uint32_t iotlb);
int64_t world_viommu(struct world *world, uint32_t dev, uint32_t hwpt);
int64_t world_vdevice(struct world *world, uint32_t viommu, uint32_t dev, uint64_t virt_id);
int64_t world_hw_queue(struct world *world, uint32_t viommu, uint32_t index, uint64_t iova,
		       uint64_t length);
int64_t world_veventq(struct world *world, uint32_t viommu, uint32_t depth, int *fd);
int64_t world_fault(struct world *world, int *fd);
int64_t world_iopf(struct world *world, uint32_t dev, uint32_t pasid, uint32_t grpid);
/* ATTACH, REPLACE; *PT in and out. */
int64_t world_pasid(struct world *world, enum iommu_test_op op, uint32_t stdev, uint32_t pasid,
		    uint32_t *pt);
int64_t world_pasid_detach(struct world *world, uint32_t stdev, uint32_t pasid);
int64_t world_pasid_check(struct world *world, uint32_t stdev, uint32_t pasid, uint32_t hwpt);

/* --- accesses --- */
int64_t world_access(struct world *world, uint32_t ioas, uint32_t flags);
int64_t world_pin(struct world *world, int access, uint64_t iova, uint64_t length, uint32_t flags,
		  uint64_t uptr);
int64_t world_unpin(struct world *world, int access, uint32_t item);
int64_t world_rw(struct world *world, int access, uint64_t iova, uint64_t uptr, uint64_t length,
		 uint32_t flags);
int64_t world_access_replace(struct world *world, int access, uint32_t ioas);

/* --- what the test interface can see --- */
/* 0 when each page of the range has REFS pins. */
int64_t world_refs(struct world *world, uint64_t va, uint64_t length, uint32_t refs);
int64_t world_check_map(struct world *world, uint32_t hwpt, uint64_t iova, uint64_t va,
			uint64_t length);
int64_t world_read(struct world *world, int fd, void *to, uint64_t count);
int64_t world_write(struct world *world, int fd, const void *from, uint64_t count);
/* COMMAND of a VFIO device on SIZE bytes of DATA, which come back. */
int64_t world_device_ioctl(struct world *world, int fd, uint32_t command, void *data,
			   uint32_t size);

/* As the selftest's fixture: ids 1 to 7. */
struct viommu_world {
	uint32_t ioas;
	struct mock mock;
	uint32_t parent;
	uint32_t viommu;
	uint32_t nested;
};

struct viommu_world world_make_viommu(struct world *world);

/* --- two calls at once --- */
struct flight {
	struct world *world;
	struct thread *thread;
	struct syscall *call;
	uint64_t va;
	void *arg;
	uint32_t size;
};

/* From now on every possible switch is a step of its own. */
void world_stepwise(struct world *world, bool on);
/* A new thread of WORLD's process starts an ioctl; SLOT (0 to 7) is its place for ARG. */
void flight_start_sized(struct flight *flight, struct world *world, uint32_t slot, uint32_t nr,
			void *arg, uint32_t size);
#define flight_start(flight, world, slot, nr, arg) \
	flight_start_sized((flight), (world), (slot), (nr), (arg), sizeof(*(arg)))
/* One step; false when it sleeps or is done. */
bool flight_step(struct flight *flight);
/* Steps until it stands at WHERE; false when it sleeps or ends before that. */
bool flight_until(struct flight *flight, const char *where);
/* Steps it, and others when it sleeps, to its end; the result. ARG is then filled. */
int64_t flight_finish(struct flight *flight);

#endif
