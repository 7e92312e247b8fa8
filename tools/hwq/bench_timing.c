// SPDX-License-Identifier: Apache-2.0
/*
 * hwq bench timing: how long a guest's unmap takes by its own VCMDQ, and through a VMM that traps its
 * command queue, beside what was published of Grace (tegra241-cmdqv 14.1).
 *
 * A thread is a vCPU that unmaps again and again: its CPU clears the PTEs and writes a TLBI a page and a
 * CMD_SYNC (guest.unmap_ns, guest.page_ns); then either
 *   vcmdq    it writes PROD of its own logical queue and reads CONS (guest.cons_read_ns) until it is done
 *   trapped  the write of PROD ends in its VMM, which has one lock: it takes vmm.exit_ns, vmm.command_ns a
 *            command, and gives them to IOMMU_HWPT_INVALIDATE, which runs them on the main queue
 * All the rest, from the doorbell to CONS, is what the engine and the driver do. All time is simulated.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "emu/syscall.h"
#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"
#include "kernel_shim/iommufd.h"
#include "kernel_shim/uapi/vfio.h"
#include "kernel_shim/vfio_cdev.h"
#include "models/nvidia_vcmdq/assumptions.h"
#include "tools/hwq/bench.h"
#include "tools/hwq/hwq.h"
#include "tools/runner/platform.h"

#define THREADS_MAX   128U
#define ROUNDS        20U /* unmaps of a thread; the first is left out */
#define QUEUE_LOG2    8U
#define QUEUE_ENTRIES (1U << QUEUE_LOG2)
#define QUEUE_IOVA    0x40000000ULL
#define DEVICE_PATH   "/dev/vfio/devices/vfio0"
#define STREAM        0x10U
#define LVCMDQS       2U /* of a VINTF */
#define MAP_FLAGS     (IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)
#define VMM_POLL_PS   20000U /* how late the VMM sees that its ioctl is done, at most */
#define SWEEP_PAGES   16U

struct published {
	double us;
	unsigned pages;
	unsigned threads;
	bool trapped;
	bool fitted; /* one of the four numbers that calibrate.sh solves for */
};

/* tegra241-cmdqv 14.1, source A */
static const struct published published[] = {
	{35.7, 1, 1, true, true},    {41.8, 4, 1, true, false},   {68.9, 16, 1, true, false},
	{109.0, 32, 1, true, false}, {187.1, 64, 1, true, true},  {5.3, 1, 1, false, true},
	{6.8, 4, 1, false, false},   {9.9, 16, 1, false, false},  {12.6, 32, 1, false, false},
	{18.0, 64, 1, false, true},  {96.9, 1, 2, true, false},   {97.8, 4, 2, true, false},
	{151.5, 16, 2, true, false}, {257.8, 32, 2, true, false}, {443.0, 64, 2, true, false},
	{6.8, 1, 2, false, false},   {7.5, 4, 2, false, false},   {10.7, 16, 2, false, false},
	{12.7, 32, 2, false, false}, {17.9, 64, 2, false, false},
};

struct timing_setup {
	unsigned pages, threads;
	bool trapped;
	bool ranges; /* one TLBI for all pages, as with RIL */
};

struct guest_times {
	uint64_t unmap_ps, page_ps, cons_read_ps, exit_ps, command_ps;
};

struct timing_world;

/* A vCPU. */
struct vcpu {
	struct timing_world *world;
	struct event step;
	void (*next)(struct vcpu *vcpu);
	uint32_t index;
	uint32_t produced; /* commands, ever */
	unsigned unmaps;
	uint64_t start_ps, spent_ps;
	uint64_t queue_va; /* of its logical queue, in the VMM, which has the guest's memory */
	struct pa page0;   /* and its registers */
	uint32_t viommu;
	struct thread *thread; /* of the VMM, for its exits */
	struct syscall *call;
	uint64_t entries_va, args_va;
};

struct timing_world {
	struct machine *machine;
	const struct timing_setup *setup;
	struct guest_times times;
	struct process *vmm;
	struct thread *thread;
	struct syscall *call;
	int fd;
	uint64_t scratch;
	uint32_t viommu; /* the last one made */
	struct vcpu vcpus[THREADS_MAX];
	/* The VMM's lock, and who waits for it. */
	bool locked;
	uint32_t waiting[THREADS_MAX], first_waiting, last_waiting;
};

/* --- the VMM sets its guest up --- */

static int64_t call(struct timing_world *world, enum syscall_number number, uint64_t a, uint64_t b,
		    uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	struct syscall *call = world->call;
	const uint64_t args[6] = {a, b, c, d, e, f};
	call->number = number;
	memcpy(call->args, args, sizeof(args));
	if (!syscall_start(world->thread, call) || !syscall_finish(world->machine, call))
		return -1;
	return call->result;
}

static int64_t ioctl_on(struct timing_world *world, int fd, uint32_t request, void *arg,
			uint32_t size)
{
	struct mm *mm = world->vmm->mm;
	mm_write(mm, va_of(world->scratch), arg, size);
	int64_t result = call(world, SYS_IOCTL, (uint64_t)fd, request, world->scratch, 0, 0, 0);
	mm_read(mm, va_of(world->scratch), arg, size);
	return result;
}

#define iommufd(world, nr, arg) \
	ioctl_on((world), (world)->fd, IOMMUFD_IO(nr), (arg), sizeof(*(arg)))

static uint64_t map_memory(struct timing_world *world, uint64_t length)
{
	return (uint64_t)call(world, SYS_MMAP, 0, length, PROT_READ_BIT | PROT_WRITE_BIT,
			      MAP_SHARED_BIT | MAP_ANONYMOUS_BIT, (uint64_t)-1, 0);
}

static int open_path(struct timing_world *world, const char *path)
{
	snprintf(world->call->path, sizeof(world->call->path), "%s", path);
	return (int)call(world, SYS_OPEN, 0, O_RDWR_BIT, 0, 0, 0, 0);
}

/* A vIOMMU for each pair of vCPUs; each has a logical queue of its own. False: the kernel refuses. */
static bool make_queue(struct timing_world *world, uint32_t dev, uint32_t hwpt, uint32_t ioas,
		       uint32_t index)
{
	struct vcpu *vcpu = &world->vcpus[index];
	uint32_t lvcmdq = index % LVCMDQS, vintf = 1 + index / LVCMDQS;
	vcpu->queue_va = map_memory(world, PAGE_SIZE);
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = MAP_FLAGS,
				     .ioas_id = ioas,
				     .user_va = vcpu->queue_va,
				     .length = PAGE_SIZE,
				     .iova = QUEUE_IOVA + (uint64_t)index * PAGE_SIZE};
	struct iommu_viommu_alloc viommu = {.size = sizeof(viommu),
					    .type = IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV,
					    .dev_id = dev,
					    .hwpt_id = hwpt,
					    .data_len = 16,
					    .data_uptr = map_memory(world, PAGE_SIZE)};
	if (iommufd(world, IOMMUFD_NR_IOAS_MAP, &map) != 0)
		return false;
	if (lvcmdq == 0 && iommufd(world, IOMMUFD_NR_VIOMMU_ALLOC, &viommu) != 0)
		return false;
	if (lvcmdq == 0)
		world->viommu = viommu.out_viommu_id;
	struct iommu_hw_queue_alloc queue = {.size = sizeof(queue),
					     .viommu_id = world->viommu,
					     .type = IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV,
					     .index = lvcmdq,
					     .nesting_parent_iova = map.iova,
					     .length = QUEUE_ENTRIES * COMMAND_SIZE};
	if (iommufd(world, IOMMUFD_NR_HW_QUEUE_ALLOC, &queue) != 0)
		return false;
	vcpu->viommu = world->viommu;
	const struct mmio_region *cmdqv = bus_region(&world->machine->bus, "cmdqv");
	vcpu->page0 = pa_of(cmdqv->base.value + cmdqv_vintf_page0(vintf) +
			    (uint64_t)lvcmdq * CMDQV_QUEUE_STRIDE);
	bus_write(&world->machine->bus, pa_of(vcpu->page0.value + VCMDQ_CONFIG), 4, 1);
	return true;
}

static bool make_guest(struct timing_world *world)
{
	int device = open_path(world, DEVICE_PATH);
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = world->fd};
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	struct iommu_hwpt_alloc hwpt = {.size = sizeof(hwpt),
					.flags = IOMMU_HWPT_ALLOC_NEST_PARENT};
	if (ioctl_on(world, device, VFIO_DEVICE_BIND_IOMMUFD, &bind, sizeof(bind)) != 0 ||
	    iommufd(world, IOMMUFD_NR_IOAS_ALLOC, &ioas) != 0)
		return false;
	hwpt.dev_id = bind.out_devid;
	hwpt.pt_id = ioas.out_ioas_id;
	if (iommufd(world, IOMMUFD_NR_HWPT_ALLOC, &hwpt) != 0)
		return false;
	for (uint32_t i = 0; i < world->setup->threads; i++)
		if (!make_queue(world, bind.out_devid, hwpt.out_hwpt_id, ioas.out_ioas_id, i))
			return false;
	return true;
}

/* --- vCPUs --- */

static uint64_t now_ps(const struct vcpu *vcpu)
{
	return vcpu->world->machine->clock.now_ps;
}

static void after(struct vcpu *vcpu, uint64_t delay_ps, void (*next)(struct vcpu *vcpu))
{
	vcpu->next = next;
	clock_post(&vcpu->world->machine->clock, &vcpu->step, now_ps(vcpu) + delay_ps,
		   EVENT_HARDWARE);
}

static void step(struct event *event)
{
	struct vcpu *vcpu = event->owner;
	vcpu->next(vcpu);
}

static uint32_t command_count(const struct timing_setup *setup)
{
	return setup->ranges ? 1 : setup->pages;
}

static struct smmu_command invalidation(const struct timing_setup *setup, uint32_t i)
{
	struct smmu_command command = command_tlbi_nh_va(0, 1, (uint64_t)i << PAGE_SHIFT, 1);
	if (setup->ranges && setup->pages > 1) {
		command.dw[0] = field_set(command.dw[0], CMD_TLBI_NUM, setup->pages - 1);
		command.dw[1] = field_set(command.dw[1], CMD_TLBI_TG, 1);
	}
	return command;
}

static void unmap(struct vcpu *vcpu);

static void unmapped(struct vcpu *vcpu)
{
	if (vcpu->unmaps++ > 0)
		vcpu->spent_ps += now_ps(vcpu) - vcpu->start_ps;
	if (vcpu->unmaps < ROUNDS)
		unmap(vcpu);
}

static void poll_cons(struct vcpu *vcpu)
{
	uint64_t cons =
		bus_read(&vcpu->world->machine->bus, pa_of(vcpu->page0.value + VCMDQ_CONS), 4);
	if (field_get(cons, QUEUE_POINTER) == (vcpu->produced & (2 * QUEUE_ENTRIES - 1)))
		unmapped(vcpu);
	else
		after(vcpu, vcpu->world->times.cons_read_ps, poll_cons);
}

static void put(struct vcpu *vcpu, uint64_t va, uint32_t at, struct smmu_command command)
{
	uint8_t bytes[COMMAND_SIZE];
	command_store(bytes, &command);
	mm_write(vcpu->world->vmm->mm, va_of(va + (uint64_t)at * COMMAND_SIZE), bytes,
		 sizeof(bytes));
}

static void produce(struct vcpu *vcpu)
{
	uint32_t count = command_count(vcpu->world->setup);
	for (uint32_t i = 0; i <= count; i++, vcpu->produced++)
		put(vcpu, vcpu->queue_va, vcpu->produced % QUEUE_ENTRIES,
		    i < count ? invalidation(vcpu->world->setup, i) : command_sync(SYNC_CS_NONE));
	bus_write(&vcpu->world->machine->bus, pa_of(vcpu->page0.value + VCMDQ_PROD), 4,
		  vcpu->produced & (2 * QUEUE_ENTRIES - 1));
	after(vcpu, vcpu->world->times.cons_read_ps, poll_cons);
}

/* --- the VMM of the trapped path --- */

static void vmm_enter(struct vcpu *vcpu);

/* In order of arrival. */
static void vmm_leave(struct vcpu *vcpu)
{
	struct timing_world *world = vcpu->world;
	world->locked = false;
	unmapped(vcpu);
	if (world->first_waiting != world->last_waiting)
		vmm_enter(&world->vcpus[world->waiting[world->first_waiting++ % THREADS_MAX]]);
}

static void vmm_wait(struct vcpu *vcpu)
{
	if (vcpu->call->done)
		vmm_leave(vcpu);
	else
		after(vcpu, VMM_POLL_PS, vmm_wait);
}

static void vmm_invalidate(struct vcpu *vcpu)
{
	uint32_t count = command_count(vcpu->world->setup);
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = vcpu->viommu,
					    .data_uptr = vcpu->entries_va,
					    .data_type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
					    .entry_len = COMMAND_SIZE,
					    .entry_num = count};
	for (uint32_t i = 0; i < count; i++)
		put(vcpu, vcpu->entries_va, i, invalidation(vcpu->world->setup, i));
	mm_write(vcpu->world->vmm->mm, va_of(vcpu->args_va), &cmd, sizeof(cmd));
	vcpu->call->number = SYS_IOCTL;
	vcpu->call->args[0] = (uint64_t)vcpu->world->fd;
	vcpu->call->args[1] = IOMMUFD_IO(IOMMUFD_NR_HWPT_INVALIDATE);
	vcpu->call->args[2] = vcpu->args_va;
	syscall_start(vcpu->thread, vcpu->call);
	vmm_wait(vcpu);
}

static void vmm_enter(struct vcpu *vcpu)
{
	struct timing_world *world = vcpu->world;
	if (world->locked) {
		world->waiting[world->last_waiting++ % THREADS_MAX] = vcpu->index;
		return;
	}
	world->locked = true;
	after(vcpu, world->times.exit_ps + world->times.command_ps * command_count(world->setup),
	      vmm_invalidate);
}

static void unmap(struct vcpu *vcpu)
{
	const struct timing_world *world = vcpu->world;
	vcpu->start_ps = now_ps(vcpu);
	after(vcpu, world->times.unmap_ps + world->times.page_ps * world->setup->pages,
	      world->setup->trapped ? vmm_enter : produce);
}

/* --- a measurement --- */

static void make_vcpu(struct timing_world *world, uint32_t index)
{
	struct vcpu *vcpu = &world->vcpus[index];
	vcpu->world = world;
	vcpu->index = index;
	vcpu->step.fn = step;
	vcpu->step.owner = vcpu;
	vcpu->thread = thread_new(world->vmm);
	vcpu->call = arena_new(world->machine->arena, struct syscall);
	vcpu->entries_va = map_memory(world, PAGE_SIZE);
	vcpu->args_va = map_memory(world, PAGE_SIZE);
}

static struct guest_times times_of(const struct profile *profile)
{
	return (struct guest_times){
		.unmap_ps = profile_get(profile, "guest.unmap_ns") * PS_PER_NS,
		.page_ps = profile_get(profile, "guest.page_ns") * PS_PER_NS,
		.cons_read_ps = profile_get(profile, "guest.cons_read_ns") * PS_PER_NS,
		.exit_ps = profile_get(profile, "vmm.exit_ns") * PS_PER_NS,
		.command_ps = profile_get(profile, "vmm.command_ns") * PS_PER_NS,
	};
}

/* Microseconds of an unmap, or a negative number where the guest can't be made. */
static double measure(const struct timing_setup *setup, const struct profile *profile,
		      const struct option_set *assumptions)
{
	struct machine_config config = machine_config_default();
	struct machine *machine = bench_machine(&config);
	iommufd_register(machine);
	struct timing_world *world = arena_new(machine->arena, struct timing_world);
	world->machine = machine;
	world->setup = setup;
	world->times = times_of(profile);
	void *hardware = platform_nvidia.create(machine, profile, assumptions, false);
	vfio_cdev_register(machine, DEVICE_PATH,
			   platform_nvidia.add_device(hardware, STREAM, false));
	world->vmm = process_new(machine, NULL);
	world->thread = thread_new(world->vmm);
	world->call = arena_new(machine->arena, struct syscall);
	world->fd = open_path(world, "/dev/iommu");
	world->scratch = map_memory(world, PAGE_SIZE);
	double us = -1;
	uint64_t spent_ps = 0;
	if (make_guest(world)) {
		for (uint32_t i = 0; i < setup->threads; i++)
			make_vcpu(world, i);
		for (uint32_t i = 0; i < setup->threads; i++)
			unmap(&world->vcpus[i]);
		while (clock_step(&machine->clock))
			;
		for (uint32_t i = 0; i < setup->threads; i++)
			spent_ps += world->vcpus[i].spent_ps;
		us = (double)spent_ps / 1e6 / (ROUNDS - 1) / setup->threads;
	}
	machine_free(machine);
	return us;
}

/* The profile and the assumptions that the user wants. False: said why not. */
static bool timing_hardware(const struct bench_run *run, struct profile *profile,
			    struct option_set *assumptions)
{
	const struct platform *platform;
	struct trace_diag diag = {0};
	const char *name = run->options->profile != NULL ? run->options->profile : "grace";
	const struct trace_pos pos = {1, 1};
	if (platform_profile(name, "--profile", pos, profile, &platform, &diag) != 0 ||
	    platform_probes(platform, profile, name, "--profile", pos, &diag) != 0) {
		fprintf(stderr, "%s\n", trace_diag_text(&diag));
		trace_diag_free(&diag);
		return false;
	}
	if (platform != &platform_nvidia || profile_get(profile, "cmdqv.present") == 0) {
		hwq_usage_error("bench", "--profile %s has no VCMDQ: this benchmark is of it",
				name);
		return false;
	}
	option_set_init(assumptions, smmu_assumptions);
	/* A queue that fetches line by line does not have the published shape: docs/performance.md. */
	assumptions->values[ASSUME_PREFETCH] = PREFETCH_BATCH;
	for (char **text = run->options->hardware; text != NULL && *text != NULL; text++) {
		unsigned option, value;
		if (option_find(smmu_assumptions, *text, &option, &value))
			assumptions->values[option] = (uint8_t)value;
	}
	return true;
}

static void timing_line(struct bench_run *run, const struct published *row, double us)
{
	const char *path = row->trapped ? "trapped" : "vcmdq";
	double error = 100 * (us / row->us - 1);
	if (run->json == NULL) {
		printf("timing %uKB %u %s model_us=%.2f published_us=%.1f error=%+.1f%% "
		       "fitted=%s\n",
		       row->pages * 4, row->threads, path, us, row->us, error,
		       row->fitted ? "yes" : "no");
		return;
	}
	JsonBuilder *json = run->json;
	json_builder_begin_object(json);
	json_builder_set_member_name(json, "unmap_bytes");
	json_builder_add_int_value(json, (gint64)row->pages * PAGE_SIZE);
	json_builder_set_member_name(json, "threads");
	json_builder_add_int_value(json, row->threads);
	json_builder_set_member_name(json, "path");
	json_builder_add_string_value(json, path);
	json_builder_set_member_name(json, "model_us");
	json_builder_add_double_value(json, us);
	json_builder_set_member_name(json, "published_us");
	json_builder_add_double_value(json, row->us);
	json_builder_set_member_name(json, "fitted");
	json_builder_add_boolean_value(json, row->fitted);
	json_builder_end_object(json);
}

int bench_timing(struct bench_run *run)
{
	struct profile profile;
	struct option_set assumptions;
	if (!timing_hardware(run, &profile, &assumptions))
		return HWQ_BAD_INPUT;
	for (size_t i = 0; i < G_N_ELEMENTS(published); i++) {
		const struct published *row = &published[i];
		const struct timing_setup setup = {row->pages, row->threads, row->trapped, false};
		timing_line(run, row, measure(&setup, &profile, &assumptions));
	}
	return HWQ_AS_EXPECTED;
}

/* --- a sweep --- */

static void sweep_figure(struct bench_run *run, const char *what, uint64_t value,
			 const struct timing_setup *setup, const struct profile *profile,
			 const struct option_set *assumptions)
{
	char *name = g_strdup_printf("unmap_%s_%" PRIu64, what, value);
	bench_figure(run, name, measure(setup, profile, assumptions), "us");
	g_free(name);
}

static void set_parameter(struct profile *profile, const char *name, uint64_t value)
{
	for (uint32_t i = 0; i < profile->count; i++)
		if (strcmp(profile->parameters[i].name, name) == 0)
			profile->parameters[i].value = value;
}

int bench_timing_sweep(struct bench_run *run)
{
	static const unsigned queues[] = {1, 2, 4, 8, 16, 32, 64, 126};
	static const unsigned latencies[] = {100, 200, 300, 1000};
	struct profile profile;
	struct option_set assumptions;
	if (!timing_hardware(run, &profile, &assumptions))
		return HWQ_BAD_INPUT;
	struct timing_setup setup = {SWEEP_PAGES, 1, false, false};
	for (size_t i = 0; i < G_N_ELEMENTS(queues); i++) {
		setup.threads = queues[i];
		sweep_figure(run, "16_pages_queues", queues[i], &setup, &profile, &assumptions);
	}
	setup.threads = 1;
	for (unsigned value = 0; value < 3; value++) {
		struct option_set other = assumptions;
		static const char *const names[] = {"16_pages_fetch_by_line",
						    "16_pages_fetch_by_batch",
						    "16_pages_fetch_single"};
		other.values[ASSUME_PREFETCH] = (uint8_t)value;
		sweep_figure(run, names[value], 1, &setup, &profile, &other);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(latencies); i++) {
		struct profile other = profile;
		set_parameter(&other, "fetch.line_latency_ns", latencies[i]);
		sweep_figure(run, "16_pages_line_latency_ns", latencies[i], &setup, &other,
			     &assumptions);
	}
	setup.ranges = true;
	struct profile ranges = profile;
	set_parameter(&ranges, "idr3.features", profile_get(&profile, "idr3.features") | IDR3_RIL);
	sweep_figure(run, "16_pages_with_ril", 1, &setup, &ranges, &assumptions);
	return HWQ_AS_EXPECTED;
}
