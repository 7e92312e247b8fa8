// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/amd_world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_shim/uapi/vfio.h"
#include "kernel_shim/vfio_cdev.h"
#include "tests/kit/amd.h"
#include "tools/runner/builtin_profiles.h"

#define AMD_SECOND_DEVICE 0x3U

static const struct amd_board board = {
	.name = "amd",
	.ecam = {AMD_ECAM_AT},
	.base = {AMD_AT},
	.vf_base = {AMD_VF_AT},
	.vfcntl_base = {AMD_VFCNTL_AT},
	.own_device = AMD_OWN_DEVICE,
};

struct profile amd_world_profile(void)
{
	struct profile profile;
	struct trace_diag diag = {0};
	const struct builtin_profile *at = builtin_profiles;
	while (strcmp(at->name, "amd-viommu") != 0)
		at++;
	int error = profile_parse(&profile, at->name, (const char *)at->text, at->length,
				  amd_parameters, &diag);
	assert(error == 0);
	(void)error;
	return profile;
}

/* --- the log --- */

uint64_t amd_world_word(struct amd_world *amd, uint64_t pa)
{
	uint8_t bytes[8];
	memory_read(&amd->machine->memory, pa_of(pa), bytes, sizeof(bytes));
	return load_le64(bytes);
}

static void log_map(struct amd_world *amd, struct amd_map_log *map, uint64_t value)
{
	uint64_t guest = field_get(value, MAP_GUEST);
	assert((value & ~(MAP_GUEST | MAP_HOST)) == (MAP_WRITE | MAP_VALID));
	if (map->writes++ == 0)
		map->at = amd->count;
	map->host[guest] = (uint16_t)field_get(value, MAP_HOST);
	map->times[guest]++;
}

static struct amd_command announced(struct amd_world *amd, uint64_t tail)
{
	const struct amd_ring *ring = &amd->iommu->ring;
	struct amd_command command = {{0, 0}};
	uint64_t at = ring->base + ((tail - COMMAND_SIZE) & (ring->size - 1));
	if (ring->size == 0 || !(amd->iommu->control & CONTROL_CMD_BUF_EN))
		return command;
	command.q[0] = amd_world_word(amd, at);
	command.q[1] = amd_world_word(amd, at + 8);
	return command;
}

static void log_write(struct amd_world *amd, enum amd_region region, uint64_t offset,
		      unsigned width, uint64_t value)
{
	struct amd_written written = {
		.region = region, .width = width, .offset = offset, .value = value};
	if (amd->watched_pa != 0)
		written.word = amd_world_word(amd, amd->watched_pa);
	if (region == AMD_REGION_HOST && offset == AMD_CMD_TAIL)
		written.command = announced(amd, value);
	if (amd->driver != NULL) {
		written.dte = amd_world_dte(amd, amd->watched);
		const struct ledger_binding *binding = ledger_binding(
			&amd->machine->ledger, amd->driver->engine, CONTEXT_DEVICE(amd->watched));
		written.holder = binding != NULL ? binding->holder : LEDGER_NOTHING;
	}
	assert(amd->count < AMD_LOG_MAX);
	amd->log[amd->count++] = written;
}

struct spy {
	struct amd_world *amd;
	enum amd_region which;
};

static uint64_t spy_read(void *owner, uint64_t offset, unsigned width)
{
	const struct spy *spy = owner;
	const struct mmio_region *real = &spy->amd->real[spy->which];
	return real->ops->read(real->owner, offset, width);
}

static void spy_write(void *owner, uint64_t offset, unsigned width, uint64_t value)
{
	const struct spy *spy = owner;
	struct amd_world *amd = spy->amd;
	const struct mmio_region *real = &amd->real[spy->which];
	uint64_t port = spy->which == AMD_REGION_VFCNTL ? offset % VFCNTL_STRIDE : UINT64_MAX;
	if (port == VFCNTL_DEVICE_MAP)
		log_map(amd, &amd->device_map, value);
	else if (port == VFCNTL_DOMAIN_MAP)
		log_map(amd, &amd->domain_map, value);
	else
		log_write(amd, spy->which, offset, width, value);
	real->ops->write(real->owner, offset, width, value);
}

static const struct mmio_ops spy_ops = {spy_read, spy_write};

static void spy_on(struct amd_world *amd, enum amd_region which, uint64_t at)
{
	struct mmio_region *region = bus_find(&amd->machine->bus, pa_of(at));
	struct spy *spy = arena_new(amd->machine->arena, struct spy);
	*spy = (struct spy){amd, which};
	amd->real[which] = *region;
	region->ops = &spy_ops;
	region->owner = spy;
}

void amd_world_look(struct amd_world *amd)
{
	amd->count = 0;
	memset(&amd->device_map, 0, sizeof(amd->device_map));
	memset(&amd->domain_map, 0, sizeof(amd->domain_map));
}

/* --- making one --- */

static struct amd_iommu *add_iommu(struct amd_world *amd, const struct amd_board *where,
				   const struct profile *profile)
{
	struct option_set assumptions;
	option_set_init(&assumptions, amd_assumptions);
	return amd_iommu_new(amd->machine, where, profile, &assumptions);
}

struct amd_world *amd_world_new(bool posted)
{
	const struct profile profile = amd_world_profile();
	return amd_world_new_on(posted, &profile);
}

struct amd_world *amd_world_new_on(bool posted, const struct profile *profile)
{
	const struct amd_resources resources = {
		.name = board.name,
		.ecam = board.ecam,
		.own_device = AMD_OWN_DEVICE,
		.last_device = AMD_LAST,
	};
	struct amd_world *amd = calloc(1, sizeof(*amd));
	assert(amd != NULL);
	amd->world = world_new();
	amd->machine = amd->world->machine;
	amd->watched = AMD_DEVICE;
	amd->iommu = add_iommu(amd, &board, profile);
	spy_on(amd, AMD_REGION_HOST, AMD_AT);
	spy_on(amd, AMD_REGION_VF, AMD_VF_AT);
	spy_on(amd, AMD_REGION_VFCNTL, AMD_VFCNTL_AT);
	amd_world_option(amd, KERNEL_AMD_VIOMMU, posted ? AMD_VIOMMU_POSTED : AMD_VIOMMU_NONE);
	amd->driver = amd_probe(amd->machine, &resources);
	amd->ioas = (uint32_t)world_ioas(amd->world);
	amd->device_fd = amd_world_add(amd, amd->driver, "/dev/vfio/devices/vfio0", AMD_DEVICE,
				       false, &amd->device);
	return amd;
}

void amd_world_free(struct amd_world *amd)
{
	world_free(amd->world);
	free(amd);
}

struct amd *amd_world_second(struct amd_world *amd, uint64_t at)
{
	const struct amd_board where = {.name = "amd2",
					.ecam = {AMD_ECAM_AT},
					.base = {at},
					.vf_base = {at + 0x80000000},
					.vfcntl_base = {at + 0xa0000000},
					.own_device = AMD_SECOND_DEVICE,
					.irq = 1};
	const struct amd_resources resources = {.name = where.name,
						.ecam = where.ecam,
						.own_device = AMD_SECOND_DEVICE,
						.last_device = AMD_LAST,
						.irq = 1};
	struct profile profile = amd_world_profile();
	amd_kit_set(&profile, "vf.enabled", 0);
	add_iommu(amd, &where, &profile);
	return amd_probe(amd->machine, &resources);
}

void amd_world_option(struct amd_world *amd, enum kernel_option option, unsigned value)
{
	struct iommufd_module *module = amd->machine->kernel;
	module->options.values[option] = (uint8_t)value;
}

/* --- calls --- */

int amd_world_add(struct amd_world *amd, struct amd *iommu, const char *path, uint16_t device,
		  bool ats, uint32_t *id)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = amd->world->fd};
	vfio_cdev_register(amd->machine, path, &amd_device_new(iommu, device, ats)->device);
	int fd = (int)world_open(amd->world, path);
	assert(fd >= 0);
	int64_t error =
		world_device_ioctl(amd->world, fd, VFIO_DEVICE_BIND_IOMMUFD, &bind, sizeof(bind));
	assert(error == 0);
	(void)error;
	*id = bind.out_devid;
	return fd;
}

int64_t amd_world_attach(struct amd_world *amd, int fd, uint32_t hwpt)
{
	struct vfio_device_attach_iommufd_pt at = {.argsz = sizeof(at), .pt_id = hwpt};
	return world_device_ioctl(amd->world, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &at, sizeof(at));
}

int64_t amd_world_detach(struct amd_world *amd, int fd)
{
	struct vfio_device_detach_iommufd_pt detach = {.argsz = sizeof(detach)};
	return world_device_ioctl(amd->world, fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach,
				  sizeof(detach));
}

uint32_t amd_world_hwpt(struct amd_world *amd, uint32_t flags)
{
	int64_t id = world_hwpt(amd->world, amd->device, amd->ioas, flags);
	assert(id > 0);
	return (uint32_t)id;
}

uint64_t amd_world_map(struct amd_world *amd, uint64_t iova, uint64_t pages)
{
	uint64_t va = world_mmap_aligned(amd->world, align_up(pages * PAGE_SIZE, HPAGE_SIZE));
	int64_t error = world_map_at(amd->world, amd->ioas, va, pages * PAGE_SIZE, iova);
	assert(error == 0);
	(void)error;
	return va;
}

/* --- what the log has --- */

static bool is_command(const struct amd_written *written)
{
	return written->region == AMD_REGION_HOST && written->offset == AMD_CMD_TAIL &&
	       written->command.q[0] != 0;
}

static bool same(const struct amd_world *amd, const struct amd_command *got,
		 const struct amd_command *want)
{
	if (want->q[0] != 0)
		return got->q[0] == want->q[0] && got->q[1] == want->q[1];
	/* COMPLETION_WAIT with s = 1, i = 0, f = 0 and the one address (7). */
	return got->q[0] == (field_put(CMD_OPCODE, CMD_COMPLETION_WAIT) | CMD_STORE |
			     amd->driver->semaphore_pa) &&
	       got->q[1] != 0;
}

bool amd_world_sent(const struct amd_world *amd, const struct amd_command *commands, unsigned count,
		    bool more)
{
	unsigned seen = 0;
	for (unsigned i = 0; i < amd->count && (seen < count || !more); i++) {
		const struct amd_command *got = &amd->log[i].command;
		if (!is_command(&amd->log[i]))
			continue;
		if (seen == count || !same(amd, got, &commands[seen])) {
			fprintf(stderr, "command %u of %u is %016lx %016lx\n", seen, count,
				got->q[0], got->q[1]);
			return false;
		}
		seen++;
	}
	return seen == count;
}

unsigned amd_world_commands(const struct amd_world *amd)
{
	unsigned count = 0;
	for (unsigned i = 0; i < amd->count; i++)
		count += is_command(&amd->log[i]);
	return count;
}

unsigned amd_world_place(const struct amd_world *amd, enum amd_region region, uint64_t offset,
			 unsigned nth)
{
	for (unsigned i = 0; i < amd->count; i++)
		if (amd->log[i].region == region && amd->log[i].offset == offset && nth-- == 0)
			return i;
	return amd->count;
}

unsigned amd_world_command(const struct amd_world *amd, enum amd_opcode opcode, unsigned nth)
{
	for (unsigned i = 0; i < amd->count; i++)
		if (is_command(&amd->log[i]) &&
		    amd_command_opcode(&amd->log[i].command) == opcode && nth-- == 0)
			return i;
	return amd->count;
}

/* --- hardware --- */

struct amd_dte amd_world_dte(struct amd_world *amd, uint16_t device)
{
	struct amd_dte dte = {{0}};
	if (amd->driver->table_pfn != 0)
		amd_dte_read(amd->driver, device, &dte);
	return dte;
}

uint64_t amd_world_vfcntl(struct amd_world *amd, uint16_t guest, uint32_t offset)
{
	return bus_read(&amd->machine->bus,
			pa_of(AMD_VFCNTL_AT + (uint64_t)guest * VFCNTL_STRIDE + offset), 8);
}

void amd_world_run(struct amd_world *amd)
{
	while (clock_step(&amd->machine->clock))
		;
}

bool amd_world_works(struct amd_world *amd, uint16_t device, uint64_t iova, bool write,
		     struct amd_translation *got)
{
	return amd_translate(amd->iommu, device, iova, write, AMD_LEAVES_BY_DOMAIN, got) ==
	       AMD_TRANSLATED;
}
