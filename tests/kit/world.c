// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGS_SIZE (16 * PAGE_SIZE)

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "test kit: %s\n", what);
	abort();
}

struct world *world_new(void)
{
	struct machine_config config = machine_config_default();
	return world_new_with(&config);
}

struct world *world_new_with(const struct machine_config *config)
{
	struct world *world = calloc(1, sizeof(*world));
	must(world != NULL, "no memory");
	world->machine = machine_new(config);
	must(world->machine != NULL, "no machine");
	iommufd_register(world->machine);
	world->process = process_new(world->machine, NULL);
	world->thread = thread_new(world->process);
	world->call = arena_new(world->machine->arena, struct syscall);
	/* Descriptors 0 to 2, as every program has them. */
	for (int i = 0; i < 3; i++)
		must(world_open(world, "/dev/null") == i, "descriptors start at 0");
	world->fd = (int)world_open(world, "/dev/iommu");
	must(world->fd == 3, "/dev/iommu is the next descriptor");
	world->args = world_mmap(world, ARGS_SIZE, PROT_RW, SHARED);
	world->data = world_mmap(world, DATA_SIZE, PROT_RW, SHARED);
	uint8_t zeros[PAGE_SIZE] = {0};
	for (uint64_t at = 0; at < ARGS_SIZE; at += PAGE_SIZE)
		world_put(world, world->args + at, zeros, PAGE_SIZE);
	for (uint64_t at = 0; at < DATA_SIZE; at += PAGE_SIZE)
		world_put(world, world->data + at, zeros, PAGE_SIZE);
	return world;
}

void world_free(struct world *world)
{
	machine_free(world->machine);
	free(world);
}

const char *world_rule(const struct world *world)
{
	return world->call->rule.id != NULL ? world->call->rule.id : "";
}

int64_t world_syscall(struct world *world, enum syscall_number number, const uint64_t args[6])
{
	struct syscall *call = world->call;
	call->number = number;
	memcpy(call->args, args, sizeof(call->args));
	must(syscall_start(world->thread, call), "no stack for a call");
	must(syscall_finish(world->machine, call), "a call never ends");
	return call->result;
}

int64_t world_open(struct world *world, const char *path)
{
	snprintf(world->call->path, sizeof(world->call->path), "%s", path);
	return world_sys(world, SYS_OPEN, 0, O_RDWR_BIT);
}

int64_t world_close(struct world *world, int fd)
{
	return world_sys(world, SYS_CLOSE, (uint64_t)fd);
}

uint64_t world_mmap(struct world *world, uint64_t length, uint32_t prot, uint32_t flags)
{
	int64_t va = world_sys(world, SYS_MMAP, 0, length, prot, flags, UINT64_MAX, 0);
	must(va > 0, "mmap failed");
	return (uint64_t)va;
}

uint64_t world_mmap_aligned(struct world *world, uint64_t length)
{
	uint64_t va = align_up(world_mmap(world, length + HPAGE_SIZE, PROT_RW, SHARED), HPAGE_SIZE);
	must(world_sys(world, SYS_MMAP, va, length, PROT_RW, SHARED | MAP_FIXED_BIT, UINT64_MAX,
		       0) == (int64_t)va,
	     "mmap failed");
	return va;
}

int64_t world_memfd(struct world *world, uint64_t size)
{
	int64_t fd = world_sys(world, SYS_MEMFD_CREATE, 0);
	must(fd >= 0 && world_sys(world, SYS_FTRUNCATE, (uint64_t)fd, size) == 0, "no memfd");
	return fd;
}

struct world *world_fork(struct world *world)
{
	struct world *child = calloc(1, sizeof(*child));
	must(child != NULL, "no memory");
	*child = *world;
	int64_t pid = world_sys(world, SYS_FORK, 0);
	must(pid > 0, "fork failed");
	TAILQ_FOREACH (child->process, &world->machine->processes, link)
		if (child->process->pid == (uint32_t)pid)
			break;
	must(child->process != NULL, "no child");
	child->thread = TAILQ_FIRST(&child->process->threads);
	child->call = arena_new(world->machine->arena, struct syscall);
	return child;
}

void world_exit(struct world *child)
{
	world_sys(child, SYS_EXIT, 0);
	arena_delete(child->machine->arena, child->call);
	free(child);
}

void world_put(struct world *world, uint64_t va, const void *from, uint64_t size)
{
	must(mm_poke(world->process->mm, va_of(va), from, size) == size, "user memory is missing");
}

void world_get(struct world *world, uint64_t va, void *to, uint64_t size)
{
	must(mm_peek(world->process->mm, va_of(va), to, size) == size, "user memory is missing");
}

uint64_t world_data(struct world *world, const void *data, uint64_t size)
{
	must(size <= DATA_SIZE, "too much data");
	world_put(world, world->data, data, size);
	return world->data;
}

int64_t world_ioctl_raw(struct world *world, uint32_t cmd, uint64_t arg)
{
	return world_sys(world, SYS_IOCTL, (uint64_t)world->fd, cmd, arg);
}

static void fill_size(void *arg, uint32_t size)
{
	uint32_t given;
	memcpy(&given, arg, sizeof(given));
	if (given == 0)
		memcpy(arg, &size, sizeof(size));
}

int64_t world_ioctl_sized(struct world *world, uint32_t nr, void *arg, uint32_t size)
{
	fill_size(arg, size);
	world_put(world, world->args, arg, size);
	int64_t result = world_ioctl_raw(world, IOMMUFD_IO(nr), world->args);
	world_get(world, world->args, arg, size);
	return result;
}

int64_t world_test(struct world *world, enum iommu_test_op op, struct iommu_test_cmd *cmd)
{
	cmd->op = op;
	return world_ioctl(world, IOMMUFD_NR_TEST_CMD, cmd);
}

/* --- objects --- */

int64_t world_destroy(struct world *world, uint32_t id)
{
	struct iommu_destroy cmd = {.id = id};
	return world_ioctl(world, IOMMUFD_NR_DESTROY, &cmd);
}

int64_t world_ioas(struct world *world)
{
	struct iommu_ioas_alloc cmd = {0};
	int64_t error = world_ioctl(world, IOMMUFD_NR_IOAS_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_ioas_id;
}

int64_t world_map(struct world *world, uint32_t ioas, uint64_t va, uint64_t length, uint32_t flags,
		  uint64_t *iova)
{
	struct iommu_ioas_map cmd = {
		.ioas_id = ioas, .user_va = va, .length = length, .flags = flags, .iova = *iova};
	int64_t error = world_ioctl(world, IOMMUFD_NR_IOAS_MAP, &cmd);
	*iova = cmd.iova;
	return error;
}

int64_t world_map_at(struct world *world, uint32_t ioas, uint64_t va, uint64_t length,
		     uint64_t iova)
{
	return world_map(world, ioas, va, length, MAP_RW | MAP_FIXED_, &iova);
}

int64_t world_map_file(struct world *world, uint32_t ioas, int fd, uint64_t start, uint64_t length,
		       uint32_t flags, uint64_t *iova)
{
	struct iommu_ioas_map_file cmd = {.ioas_id = ioas,
					  .fd = fd,
					  .start = start,
					  .length = length,
					  .flags = flags,
					  .iova = *iova};
	int64_t error = world_ioctl(world, IOMMUFD_NR_IOAS_MAP_FILE, &cmd);
	*iova = cmd.iova;
	return error;
}

int64_t world_copy(struct world *world, uint32_t source, uint64_t source_iova, uint64_t length,
		   uint32_t target, uint32_t flags, uint64_t *iova)
{
	struct iommu_ioas_copy cmd = {.src_ioas_id = source,
				      .src_iova = source_iova,
				      .length = length,
				      .dst_ioas_id = target,
				      .flags = flags,
				      .dst_iova = *iova};
	int64_t error = world_ioctl(world, IOMMUFD_NR_IOAS_COPY, &cmd);
	*iova = cmd.dst_iova;
	return error;
}

int64_t world_unmap(struct world *world, uint32_t ioas, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap cmd = {.ioas_id = ioas, .iova = iova, .length = length};
	int64_t error = world_ioctl(world, IOMMUFD_NR_IOAS_UNMAP, &cmd);
	return error != 0 ? error : (int64_t)cmd.length;
}

int64_t world_unmap_all(struct world *world, uint32_t ioas)
{
	return world_unmap(world, ioas, 0, UINT64_MAX);
}

int64_t world_ranges(struct world *world, uint32_t ioas, struct iommu_iova_range *ranges,
		     uint32_t capacity, uint32_t *count, uint64_t *alignment)
{
	uint64_t size = capacity * sizeof(*ranges);
	struct iommu_ioas_iova_ranges cmd = {
		.ioas_id = ioas, .num_iovas = capacity, .allowed_iovas = world->data};
	if (capacity > 0)
		world_put(world, world->data, ranges, size);
	int64_t error = world_ioctl(world, IOMMUFD_NR_IOAS_IOVA_RANGES, &cmd);
	if (capacity > 0)
		world_get(world, world->data, ranges, size);
	if (count != NULL)
		*count = cmd.num_iovas;
	if (alignment != NULL)
		*alignment = cmd.out_iova_alignment;
	return error;
}

int64_t world_allow(struct world *world, uint32_t ioas, const struct iommu_iova_range *ranges,
		    uint32_t count)
{
	struct iommu_ioas_allow_iovas cmd = {.ioas_id = ioas, .num_iovas = count};
	if (count > 0)
		cmd.allowed_iovas = world_data(world, ranges, count * sizeof(*ranges));
	return world_ioctl(world, IOMMUFD_NR_IOAS_ALLOW_IOVAS, &cmd);
}

int64_t world_reserve(struct world *world, uint32_t ioas, uint64_t start, uint64_t length)
{
	struct iommu_test_cmd cmd = {.id = ioas, .add_reserved = {start, length}};
	return world_test(world, IOMMU_TEST_OP_ADD_RESERVED, &cmd);
}

int64_t world_option(struct world *world, uint32_t option, uint16_t op, uint32_t object,
		     uint64_t *value)
{
	struct iommu_option cmd = {
		.option_id = option, .op = op, .object_id = object, .val64 = *value};
	int64_t error = world_ioctl(world, IOMMUFD_NR_OPTION, &cmd);
	*value = cmd.val64;
	return error;
}

int64_t world_mock(struct world *world, uint32_t pt, uint32_t dev_flags, struct mock *mock)
{
	struct iommu_test_cmd cmd = {.id = pt};
	cmd.mock_domain_flags.dev_flags = dev_flags;
	int64_t error = world_test(world, IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, &cmd);
	if (mock != NULL && error == 0)
		*mock = (struct mock){cmd.mock_domain.out_stdev_id, cmd.mock_domain.out_hwpt_id,
				      cmd.mock_domain.out_idev_id};
	return error;
}

int64_t world_replace(struct world *world, uint32_t stdev, uint32_t *pt)
{
	struct iommu_test_cmd cmd = {.id = stdev, .mock_domain_replace = {*pt}};
	int64_t error = world_test(world, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, &cmd);
	*pt = cmd.mock_domain_replace.pt_id;
	return error;
}

int64_t world_hwpt(struct world *world, uint32_t dev, uint32_t pt, uint32_t flags)
{
	struct iommu_hwpt_alloc cmd = {.dev_id = dev, .pt_id = pt, .flags = flags};
	int64_t error = world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_hwpt_id;
}

int64_t world_nested(struct world *world, uint32_t dev, uint32_t pt, uint32_t flags, uint32_t fault,
		     uint32_t iotlb)
{
	struct iommu_hwpt_selftest data = {.iotlb = iotlb};
	struct iommu_hwpt_alloc cmd = {.dev_id = dev,
				       .pt_id = pt,
				       .flags = flags,
				       .fault_id = fault,
				       .data_type = IOMMU_HWPT_DATA_SELFTEST,
				       .data_len = sizeof(data),
				       .data_uptr = world_data(world, &data, sizeof(data))};
	int64_t error = world_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_hwpt_id;
}

int64_t world_viommu(struct world *world, uint32_t dev, uint32_t hwpt)
{
	struct iommu_viommu_alloc cmd = {
		.type = IOMMU_VIOMMU_TYPE_SELFTEST, .dev_id = dev, .hwpt_id = hwpt};
	int64_t error = world_ioctl(world, IOMMUFD_NR_VIOMMU_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_viommu_id;
}

int64_t world_vdevice(struct world *world, uint32_t viommu, uint32_t dev, uint64_t virt_id)
{
	struct iommu_vdevice_alloc cmd = {.viommu_id = viommu, .dev_id = dev, .virt_id = virt_id};
	int64_t error = world_ioctl(world, IOMMUFD_NR_VDEVICE_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_vdevice_id;
}

int64_t world_hw_queue(struct world *world, uint32_t viommu, uint32_t index, uint64_t iova,
		       uint64_t length)
{
	struct iommu_hw_queue_alloc cmd = {.viommu_id = viommu,
					   .type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
					   .index = index,
					   .nesting_parent_iova = iova,
					   .length = length};
	int64_t error = world_ioctl(world, IOMMUFD_NR_HW_QUEUE_ALLOC, &cmd);
	return error != 0 ? error : cmd.out_hw_queue_id;
}

int64_t world_veventq(struct world *world, uint32_t viommu, uint32_t depth, int *fd)
{
	struct iommu_veventq_alloc cmd = {
		.viommu_id = viommu, .type = IOMMU_VEVENTQ_TYPE_SELFTEST, .veventq_depth = depth};
	int64_t error = world_ioctl(world, IOMMUFD_NR_VEVENTQ_ALLOC, &cmd);
	*fd = (int)cmd.out_veventq_fd;
	return error != 0 ? error : cmd.out_veventq_id;
}

int64_t world_fault(struct world *world, int *fd)
{
	struct iommu_fault_alloc cmd = {0};
	int64_t error = world_ioctl(world, IOMMUFD_NR_FAULT_QUEUE_ALLOC, &cmd);
	*fd = (int)cmd.out_fault_fd;
	return error != 0 ? error : cmd.out_fault_id;
}

int64_t world_iopf(struct world *world, uint32_t dev, uint32_t pasid, uint32_t grpid)
{
	struct iommu_test_cmd cmd = {.trigger_iopf = {dev, pasid, grpid, 3, 0xdeadbeafU}};
	return world_test(world, IOMMU_TEST_OP_TRIGGER_IOPF, &cmd);
}

int64_t world_pasid(struct world *world, enum iommu_test_op op, uint32_t stdev, uint32_t pasid,
		    uint32_t *pt)
{
	struct iommu_test_cmd cmd = {.id = stdev, .pasid_attach = {pasid, *pt}};
	int64_t error = world_test(world, op, &cmd);
	*pt = cmd.pasid_attach.pt_id;
	return error;
}

int64_t world_pasid_detach(struct world *world, uint32_t stdev, uint32_t pasid)
{
	struct iommu_test_cmd cmd = {.id = stdev, .pasid_detach = {pasid}};
	return world_test(world, IOMMU_TEST_OP_PASID_DETACH, &cmd);
}

int64_t world_pasid_check(struct world *world, uint32_t stdev, uint32_t pasid, uint32_t hwpt)
{
	struct iommu_test_cmd cmd = {.id = stdev, .pasid_check = {pasid, hwpt}};
	return world_test(world, IOMMU_TEST_OP_PASID_CHECK_HWPT, &cmd);
}

/* --- accesses --- */

int64_t world_access(struct world *world, uint32_t ioas, uint32_t flags)
{
	struct iommu_test_cmd cmd = {.id = ioas};
	cmd.create_access.flags = flags;
	int64_t error = world_test(world, IOMMU_TEST_OP_CREATE_ACCESS, &cmd);
	return error != 0 ? error : cmd.create_access.out_access_fd;
}

int64_t world_pin(struct world *world, int access, uint64_t iova, uint64_t length, uint32_t flags,
		  uint64_t uptr)
{
	struct iommu_test_cmd cmd = {.id = (uint32_t)access};
	cmd.access_pages.flags = flags;
	cmd.access_pages.iova = iova;
	cmd.access_pages.length = length;
	cmd.access_pages.uptr = uptr;
	int64_t error = world_test(world, IOMMU_TEST_OP_ACCESS_PAGES, &cmd);
	return error != 0 ? error : cmd.access_pages.out_access_pages_id;
}

int64_t world_unpin(struct world *world, int access, uint32_t item)
{
	struct iommu_test_cmd cmd = {.id = (uint32_t)access, .destroy_access_pages = {item}};
	return world_test(world, IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, &cmd);
}

int64_t world_rw(struct world *world, int access, uint64_t iova, uint64_t uptr, uint64_t length,
		 uint32_t flags)
{
	struct iommu_test_cmd cmd = {.id = (uint32_t)access,
				     .access_rw = {iova, length, uptr, flags}};
	return world_test(world, IOMMU_TEST_OP_ACCESS_RW, &cmd);
}

int64_t world_access_replace(struct world *world, int access, uint32_t ioas)
{
	struct iommu_test_cmd cmd = {.id = (uint32_t)access, .access_replace_ioas = {ioas}};
	return world_test(world, IOMMU_TEST_OP_ACCESS_REPLACE_IOAS, &cmd);
}

int64_t world_refs(struct world *world, uint64_t va, uint64_t length, uint32_t refs)
{
	struct iommu_test_cmd cmd = {.check_refs = {length, va, refs}};
	return world_test(world, IOMMU_TEST_OP_MD_CHECK_REFS, &cmd);
}

int64_t world_check_map(struct world *world, uint32_t hwpt, uint64_t iova, uint64_t va,
			uint64_t length)
{
	struct iommu_test_cmd cmd = {.id = hwpt, .check_map = {iova, length, va}};
	return world_test(world, IOMMU_TEST_OP_MD_CHECK_MAP, &cmd);
}

int64_t world_read(struct world *world, int fd, void *to, uint64_t count)
{
	must(count <= DATA_SIZE, "too much data");
	int64_t result = world_sys(world, SYS_READ, (uint64_t)fd, world->data, count);
	if (result > 0)
		world_get(world, world->data, to, (uint64_t)result);
	return result;
}

int64_t world_write(struct world *world, int fd, const void *from, uint64_t count)
{
	world_data(world, from, count);
	return world_sys(world, SYS_WRITE, (uint64_t)fd, world->data, count);
}

int64_t world_device_ioctl(struct world *world, int fd, uint32_t command, void *data, uint32_t size)
{
	world_put(world, world->args, data, size);
	int64_t result = world_sys(world, SYS_IOCTL, (uint64_t)fd, command, world->args);
	world_get(world, world->args, data, size);
	return result;
}

struct viommu_world world_make_viommu(struct world *world)
{
	struct viommu_world made = {.ioas = (uint32_t)world_ioas(world)};
	must(world_mock(world, made.ioas, 0, &made.mock) == 0, "no mock device");
	made.parent = (uint32_t)world_hwpt(world, made.mock.idev, made.ioas,
					   IOMMU_HWPT_ALLOC_NEST_PARENT);
	made.viommu = (uint32_t)world_viommu(world, made.mock.idev, made.parent);
	made.nested = (uint32_t)world_nested(world, made.mock.idev, made.viommu, 0, 0, 0xbadbeef);
	must(made.nested == 7, "the fixture's ids are 1 to 7");
	return made;
}

/* --- two calls at once --- */

void world_stepwise(struct world *world, bool on)
{
	world->machine->scheduler.stepwise = on;
}

void flight_start_sized(struct flight *flight, struct world *world, uint32_t slot, uint32_t nr,
			void *arg, uint32_t size)
{
	must(slot < 8 && size <= PAGE_SIZE, "no such slot");
	*flight = (struct flight){.world = world,
				  .thread = thread_new(world->process),
				  .call = arena_new(world->machine->arena, struct syscall),
				  .va = world->args + (slot + 1) * PAGE_SIZE,
				  .arg = arg,
				  .size = size};
	fill_size(arg, size);
	world_put(world, flight->va, arg, size);
	flight->call->number = SYS_IOCTL;
	flight->call->args[0] = (uint64_t)world->fd;
	flight->call->args[1] = IOMMUFD_IO(nr);
	flight->call->args[2] = flight->va;
	must(syscall_start(flight->thread, flight->call), "no stack for a call");
}

bool flight_step(struct flight *flight)
{
	struct clock *clock = &flight->world->machine->clock;
	struct event *event = &flight->thread->task.resume;
	if (flight->call->done || !event_pending(event))
		return false;
	clock_do(clock, event);
	return true;
}

bool flight_until(struct flight *flight, const char *where)
{
	while (flight_step(flight))
		if (!flight->call->done && strcmp(flight->thread->task.where, where) == 0)
			return true;
	return false;
}

int64_t flight_finish(struct flight *flight)
{
	struct world *world = flight->world;
	while (!flight->call->done)
		if (!flight_step(flight))
			must(clock_step(&world->machine->clock), "a call never ends");
	world_get(world, flight->va, flight->arg, flight->size);
	return flight->call->result;
}
