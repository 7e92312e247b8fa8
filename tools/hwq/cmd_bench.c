// SPDX-License-Identifier: Apache-2.0
/*
 * hwq bench: the hot paths, one line a figure: `name value unit`. CPU time of this process, the
 * best of several rounds; docs/performance.md says what each figure means.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "kernel_shim/iommufd.h"
#include "kernel_shim/uapi/iommufd_test.h"
#include "tools/hwq/bench.h"
#include "tools/hwq/hwq.h"
#include "tools/runner/trace_replay.h"

#define ROUNDS 5

double bench_cpu_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void bench_figure(struct bench_run *run, const char *name, double value, const char *unit)
{
	if (run->json == NULL) {
		printf("%s %.4g %s\n", name, value, unit);
		fflush(stdout);
		return;
	}
	json_builder_begin_object(run->json);
	json_builder_set_member_name(run->json, "name");
	json_builder_add_string_value(run->json, name);
	json_builder_set_member_name(run->json, "value");
	json_builder_add_double_value(run->json, value);
	json_builder_set_member_name(run->json, "unit");
	json_builder_add_string_value(run->json, unit);
	json_builder_end_object(run->json);
}

/* --- events --- */

#define EVENTS_PENDING 1000U
#define EVENTS_ROUND   2000000U

struct bench_source {
	struct clock *clock;
	struct event event;
	uint64_t seed;
};

struct machine *bench_machine(const struct machine_config *config)
{
	struct machine *machine = machine_new(config);
	if (machine != NULL)
		return machine;
	fprintf(stderr, "hwq bench: no room for a machine of %" PRIu64 " MiB\n",
		config->memory_bytes >> 20);
	exit(HWQ_INTERNAL_ERROR);
}

struct script *bench_script(const struct bench_run *run, const char *text, int *status)
{
	const struct script_options options = {
		.profile = run->options->profile,
		.kernel = (const char *const *)run->options->kernel,
		.hardware = (const char *const *)run->options->hardware,
		.seed = (uint64_t)run->options->seed,
	};
	struct trace_diag diag = {0};
	char *path = NULL;
	struct script *script = NULL;
	int fd = g_file_open_tmp("hwq-bench-XXXXXX.hwq", &path, NULL);
	*status = HWQ_INTERNAL_ERROR;
	if (fd < 0) {
		fprintf(stderr, "hwq bench: no temporary file can be made\n");
		return NULL;
	}
	close(fd);
	if (g_file_set_contents(path, text, -1, NULL)) {
		script = script_parse(path, &options, &diag);
		*status = script != NULL ? HWQ_AS_EXPECTED : HWQ_BAD_INPUT;
	}
	if (script == NULL)
		fprintf(stderr, "%s\n", trace_diag_text(&diag));
	trace_diag_free(&diag);
	remove(path);
	g_free(path);
	return script;
}

/* Posts itself again at a pseudo-random distance, as a component would. */
static void fire(struct event *event)
{
	struct bench_source *source = event->owner;
	source->seed = source->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	uint64_t delay_ps = 1000 + (source->seed >> 44);
	clock_post(source->clock, event, source->clock->now_ps + delay_ps, EVENT_HARDWARE);
}

static int bench_events(struct bench_run *run)
{
	struct machine_config config = machine_config_default();
	struct machine *machine = bench_machine(&config);
	struct bench_source *sources =
		arena_alloc(machine->arena, EVENTS_PENDING * sizeof(*sources));
	double best = 1e9;
	for (uint32_t i = 0; i < EVENTS_PENDING; i++) {
		sources[i] = (struct bench_source){&machine->clock, {fire, &sources[i], 0}, i};
		fire(&sources[i].event);
	}
	for (int round = 0; round < ROUNDS; round++) {
		double start = bench_cpu_seconds();
		for (uint32_t i = 0; i < EVENTS_ROUND; i++)
			clock_step(&machine->clock);
		double spent = bench_cpu_seconds() - start;
		best = spent < best ? spent : best;
	}
	machine_free(machine);
	bench_figure(run, "events_1k_pending", EVENTS_ROUND / best / 1e6, "M/s");
	return HWQ_AS_EXPECTED;
}

/* --- a machine with one process and /dev/iommu open --- */

struct bench_world {
	struct machine *machine;
	struct thread *thread;
	struct syscall *call;
	uint64_t scratch;
	int fd;
};

static int64_t issue(struct bench_world *world, enum syscall_number number, uint64_t a, uint64_t b,
		     uint64_t c, uint64_t d, uint64_t e)
{
	struct syscall *call = world->call;
	call->number = number;
	call->args[0] = a;
	call->args[1] = b;
	call->args[2] = c;
	call->args[3] = d;
	call->args[4] = e;
	call->args[5] = 0;
	if (!syscall_start(world->thread, call) || !syscall_finish(world->machine, call))
		return -EIO;
	return call->result;
}

static int64_t bench_ioctl(struct bench_world *world, uint32_t nr, void *cmd, uint32_t size)
{
	struct mm *mm = world->thread->process->mm;
	mm_write(mm, va_of(world->scratch), cmd, size);
	int64_t result =
		issue(world, SYS_IOCTL, (uint64_t)world->fd, IOMMUFD_IO(nr), world->scratch, 0, 0);
	mm_read(mm, va_of(world->scratch), cmd, size);
	return result;
}

static uint64_t bench_mmap(struct bench_world *world, uint64_t length)
{
	return (uint64_t)issue(world, SYS_MMAP, 0, length, PROT_READ_BIT | PROT_WRITE_BIT,
			       MAP_SHARED_BIT | MAP_ANONYMOUS_BIT, (uint64_t)-1);
}

static struct bench_world bench_world(uint64_t memory_bytes)
{
	struct machine_config config = machine_config_default();
	struct bench_world world;
	config.memory_bytes = memory_bytes;
	world.machine = bench_machine(&config);
	iommufd_register(world.machine);
	world.thread = thread_new(process_new(world.machine, NULL));
	world.call = arena_new(world.machine->arena, struct syscall);
	snprintf(world.call->path, sizeof(world.call->path), "/dev/iommu");
	world.fd = (int)issue(&world, SYS_OPEN, 0, O_RDWR_BIT, 0, 0, 0);
	world.scratch = bench_mmap(&world, PAGE_SIZE);
	return world;
}

static uint32_t bench_ioas(struct bench_world *world)
{
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)};
	bench_ioctl(world, IOMMUFD_NR_IOAS_ALLOC, &cmd, sizeof(cmd));
	return cmd.out_ioas_id;
}

/* A mock domain of the kind with 256 GiB of aperture, so that many areas fit. */
static void bench_domain(struct bench_world *world, uint32_t ioas)
{
	struct iommu_test_cmd device = {
		.size = sizeof(device), .op = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, .id = 0};
	uint32_t other = bench_ioas(world);
	device.id = other;
	bench_ioctl(world, IOMMUFD_NR_TEST_CMD, &device, sizeof(device));
	struct iommu_hwpt_selftest data = {.pagetable_type = MOCK_IOMMUPT_HUGE};
	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt),
		.dev_id = device.mock_domain_flags.out_idev_id,
		.pt_id = ioas,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = world->scratch + 1024,
	};
	mm_write(world->thread->process->mm, va_of(hwpt.data_uptr), &data, sizeof(data));
	bench_ioctl(world, IOMMUFD_NR_HWPT_ALLOC, &hwpt, sizeof(hwpt));
}

static int64_t bench_map(struct bench_world *world, uint32_t ioas, uint64_t va, uint64_t length,
			 uint64_t iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = va,
		.length = length,
		.iova = iova,
	};
	return bench_ioctl(world, IOMMUFD_NR_IOAS_MAP, &cmd, sizeof(cmd));
}

static int64_t bench_unmap(struct bench_world *world, uint32_t ioas, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .iova = iova, .length = length};
	return bench_ioctl(world, IOMMUFD_NR_IOAS_UNMAP, &cmd, sizeof(cmd));
}

/* --- save and restore --- */

static int bench_save(struct bench_run *run)
{
	struct bench_world world = bench_world(64ULL << 30);
	uint32_t ioas = bench_ioas(&world);
	uint64_t va = bench_mmap(&world, 16 * PAGE_SIZE);
	bench_domain(&world, ioas);
	for (uint64_t i = 0; i < 16; i++)
		bench_map(&world, ioas, va + i * PAGE_SIZE, PAGE_SIZE, (i + 1) << 20);
	struct arena_snapshot *snapshot = arena_save(world.machine->arena, NULL);
	double best_save = 1e9, best_restore = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		double start = bench_cpu_seconds();
		for (int i = 0; i < 2000; i++)
			arena_save(world.machine->arena, snapshot);
		double saved = bench_cpu_seconds();
		for (int i = 0; i < 2000; i++)
			arena_restore(world.machine->arena, snapshot);
		double restored = bench_cpu_seconds();
		best_save = saved - start < best_save ? saved - start : best_save;
		best_restore = restored - saved < best_restore ? restored - saved : best_restore;
	}
	bench_figure(run, "save_small_machine", best_save / 2000 * 1e6, "us");
	bench_figure(run, "restore_small_machine", best_restore / 2000 * 1e6, "us");
	bench_figure(run, "small_machine_state", (double)arena_used(world.machine->arena) / 1024,
		     "KiB");
	arena_snapshot_free(snapshot);
	machine_free(world.machine);
	return HWQ_AS_EXPECTED;
}

/* --- map and unmap --- */

static int bench_map_unmap(struct bench_run *run, const char *name, uint32_t areas)
{
	const int pairs = 20000;
	struct bench_world world = bench_world(256ULL << 30);
	uint32_t ioas = bench_ioas(&world);
	uint64_t va = bench_mmap(&world, (uint64_t)areas * PAGE_SIZE);
	/* Consecutive 4 KiB frames that are not aligned as a large page would be. */
	uint64_t huge = bench_mmap(&world, 2 * HPAGE_SIZE) + PAGE_SIZE;
	char label[64];
	bench_domain(&world, ioas);
	/* Every second page, so that neighbours can't help each other. */
	double start = bench_cpu_seconds();
	for (uint32_t i = 0; i < areas; i++)
		if (bench_map(&world, ioas, va + (uint64_t)i * PAGE_SIZE, PAGE_SIZE,
			      HPAGE_SIZE * 2 + (uint64_t)i * 2 * PAGE_SIZE) != 0)
			return HWQ_INTERNAL_ERROR;
	double filled = bench_cpu_seconds() - start;
	double best = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		start = bench_cpu_seconds();
		for (int i = 0; i < pairs; i++)
			if (bench_map(&world, ioas, huge, HPAGE_SIZE, 0) != 0 ||
			    bench_unmap(&world, ioas, 0, HPAGE_SIZE) != 0)
				return HWQ_INTERNAL_ERROR;
		double spent = bench_cpu_seconds() - start;
		best = spent < best ? spent : best;
	}
	snprintf(label, sizeof(label), "map_unmap_2mib_among_%s", name);
	bench_figure(run, label, best / pairs * 1e6, "us");
	snprintf(label, sizeof(label), "map_one_page_up_to_%s", name);
	bench_figure(run, label, filled / areas * 1e6, "us");
	snprintf(label, sizeof(label), "memory_of_%s_areas", name);
	bench_figure(run, label, (double)arena_used(world.machine->arena) / (1 << 30), "GiB");
	machine_free(world.machine);
	return HWQ_AS_EXPECTED;
}

static int bench_map_100k(struct bench_run *run)
{
	return bench_map_unmap(run, "100k", 100000);
}

static int bench_map_10m(struct bench_run *run)
{
	return bench_map_unmap(run, "10m", 10000000);
}

/* --- a large guest --- */

static int bench_guest(struct bench_run *run)
{
	uint64_t size = 1ULL << 40, piece = 1ULL << 37;
	struct bench_world world = bench_world(2ULL << 40);
	uint32_t ioas = bench_ioas(&world);
	bench_domain(&world, ioas);
	double start = bench_cpu_seconds();
	uint64_t va = bench_mmap(&world, size);
	/* The mock aperture ends at 256 GiB: the rest stands in IOASes of their own. */
	for (uint64_t at = 0; at < size; at += piece) {
		uint32_t target = at == 0 ? ioas : bench_ioas(&world);
		if (at != 0)
			bench_domain(&world, target);
		if (bench_map(&world, target, va + at, piece, 0) != 0)
			return HWQ_INTERNAL_ERROR;
	}
	bench_figure(run, "map_1tib_guest", (bench_cpu_seconds() - start) * 1e3, "ms");
	bench_figure(run, "memory_of_1tib_guest",
		     (double)arena_used(world.machine->arena) / (1 << 20), "MiB");
	machine_free(world.machine);
	return HWQ_AS_EXPECTED;
}

/* --- replay --- */

/* Calls as recordings hold them: objects, mappings, refusals; repeated to fill time. */
static void replay_text(GString *text, uint32_t repeats)
{
	unsigned line = 0;
	g_string_append(text, "# hwq-capture 1\n# kernel: Linux 7.3.4 x86_64, IOMMUFD_TEST\n");
	g_string_append_printf(text, "[1.1] %u.000000000 open(\"/dev/iommu\", 0x2) = 3\n", line++);
	g_string_append_printf(
		text,
		"[1.1] %u.000000000 mmap(0x100000000000, 0x40000, PROT_READ|PROT_WRITE, "
		"MAP_SHARED|MAP_FIXED|MAP_ANONYMOUS, -1, 0x0) = 0x100000000000\n",
		line++);
	g_string_append_printf(text,
			       "[1.1] %u.000000000 ioctl(3, IOMMU_IOAS_ALLOC, {size=12, flags=0, "
			       "out_ioas_id=0 => 1}) = 0\n",
			       line++);
	g_string_append_printf(
		text,
		"[1.1] %u.000000000 ioctl(3, IOMMU_TEST_CMD, {size=72, op=MOCK_DOMAIN, id=1, "
		"mock_domain.out_stdev_id=0 => 2, mock_domain.out_hwpt_id=0 => 4, "
		"mock_domain.out_idev_id=0 => 3, last=0}) = 0\n",
		line++);
	for (uint32_t i = 0; i < repeats; i++) {
		g_string_append_printf(
			text,
			"[1.1] %u.000000000 ioctl(3, IOMMU_IOAS_MAP, {size=40, flags=7, ioas_id=1, "
			"user_va=0x100000000000, length=0x4000, iova=0x1000000}) = 0\n"
			"[1.1] %u.000000001 ioctl(3, IOMMU_IOAS_MAP, {size=40, flags=7, ioas_id=1, "
			"user_va=0x100000004000, length=0x4000, iova=0x1000000}) = -1 EEXIST\n"
			"[1.1] %u.000000002 ioctl(3, IOMMU_IOAS_UNMAP, {size=24, ioas_id=1, "
			"iova=0x1000000, length=0x2000}) = -1 ENOENT\n"
			"[1.1] %u.000000003 ioctl(3, IOMMU_IOAS_UNMAP, {size=24, ioas_id=1, "
			"iova=0x1000000, length=0x4000}) = 0\n"
			"[1.1] %u.000000004 ioctl(3, IOMMU_DESTROY, {size=8, id=9}) = -1 ENOENT\n",
			line, line, line, line, line);
		line++;
	}
}

static void ignore_difference(void *context, const struct difference *difference)
{
	(void)context;
	(void)difference;
}

static void ignore_unverifiable(void *context, const struct recorded_call *call, const char *reason)
{
	(void)context;
	(void)call;
	(void)reason;
}

static int bench_replay(struct bench_run *run)
{
	const struct replay_events events = {NULL, ignore_difference, ignore_unverifiable};
	struct replay_options options = replay_options_default();
	GString *text = g_string_new(NULL);
	struct trace_diag diag = {0};
	double best_text = 1e9, best_memory = 1e9;
	struct replay_counts counts = {0};
	replay_text(text, 40000);
	for (int round = 0; round < ROUNDS; round++) {
		counts = (struct replay_counts){0};
		double start = bench_cpu_seconds();
		trace_replay(trace_reader_open_memory("bench", text->str, text->len, &diag),
			     &options, &events, &counts, &diag);
		double spent = bench_cpu_seconds() - start;
		best_text = spent < best_text ? spent : best_text;
	}
	struct loaded_trace *trace =
		trace_load(trace_reader_open_memory("bench", text->str, text->len, &diag), &diag);
	if (trace == NULL || counts.equal != counts.calls) {
		fprintf(stderr, "%s\n", diag.text != NULL ? diag.text : "bench: a call differs");
		return HWQ_INTERNAL_ERROR;
	}
	for (int round = 0; round < ROUNDS; round++) {
		struct replay_counts again = {0};
		double start = bench_cpu_seconds();
		trace_replay_loaded(trace, &options, &events, &again, &diag);
		double spent = bench_cpu_seconds() - start;
		best_memory = spent < best_memory ? spent : best_memory;
	}
	bench_figure(run, "replay_from_text", (double)counts.calls / best_text / 1e3, "kcalls/s");
	bench_figure(run, "replay_from_memory", (double)counts.calls / best_memory / 1e3,
		     "kcalls/s");
	loaded_trace_free(trace);
	g_string_free(text, TRUE);
	return HWQ_AS_EXPECTED;
}

/* --- the command --- */

struct bench {
	const char *name;
	int (*run)(struct bench_run *run);
	const char *summary;
};

static const struct bench benches[] = {
	{"events", bench_events, "cross-component events, 1,000 pending"},
	{"save", bench_save, "save and restore of a small machine"},
	{"map", bench_map_100k, "map + unmap of 2 MiB among 100,000 areas"},
	{"guest", bench_guest, "1 TiB of guest memory mapped"},
	{"replay", bench_replay, "replay from text and from memory"},
	{"vcmdq", bench_vcmdq, "VCMDQ commands, SMMU translations"},
	{"timing", bench_timing,
	 "simulated time of a guest's unmap, beside what was published of Grace"},
	{"timing-sweep", bench_timing_sweep,
	 "how that time grows with queues, batches, memory latency, ranges"},
	{"experiment", bench_experiment,
	 "an experiment on a VCMDQ, from a fresh machine to its verdict"},
	{"amd", bench_amd, "AMD's guest ring, and an experiment on it from a saved machine"},
	{"amd-guests", bench_amd_guests, "1,000 guests of AMD with rings that run, and idle ones"},
	{"exec", bench_exec, "a call through hwq exec"},
	{"map10m", bench_map_10m, "map + unmap of 2 MiB among 10,000,000 areas"},
};

static const struct bench *find_bench(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(benches); i++)
		if (strcmp(benches[i].name, name) == 0)
			return &benches[i];
	return NULL;
}

static char *describe(void)
{
	GString *text = g_string_new("One line a figure: name value unit.\n\n");
	for (size_t b = 0; b < G_N_ELEMENTS(benches); b++)
		g_string_append_printf(text, "  %-10s %s\n", benches[b].name, benches[b].summary);
	g_string_truncate(text, text->len - 1);
	return g_string_free(text, FALSE);
}

static int run_benches(struct bench_run *run, char **names)
{
	int result = HWQ_AS_EXPECTED;
	for (char **name = names; name != NULL && *name != NULL; name++)
		if (find_bench(*name) == NULL)
			return hwq_usage_error("bench", "unknown benchmark '%s'", *name);
	for (char **name = names; name != NULL && *name != NULL && result == HWQ_AS_EXPECTED;
	     name++)
		result = find_bench(*name)->run(run);
	for (size_t b = 0; names == NULL && b < G_N_ELEMENTS(benches); b++)
		if (result == HWQ_AS_EXPECTED)
			result = benches[b].run(run);
	return result;
}

int hwq_bench(int argc, char **argv)
{
	const GOptionEntry own[] = {G_OPTION_ENTRY_NULL};
	struct hwq_options options;
	char *description = describe();
	int result = HWQ_BAD_INPUT;
	if (hwq_options_parse(&options, "bench", "- measure the hot paths", "[NAME...]",
			      description, own, &argc, &argv)) {
		struct bench_run run = {&options, options.json ? json_builder_new() : NULL};
		if (run.json != NULL)
			json_builder_begin_array(run.json);
		result = run_benches(&run, options.paths);
		if (run.json != NULL) {
			json_builder_end_array(run.json);
			if (result == HWQ_AS_EXPECTED)
				hwq_print_json(run.json);
			g_object_unref(run.json);
		}
	}
	hwq_options_free(&options);
	g_free(description);
	return result;
}
