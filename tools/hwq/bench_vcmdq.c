// SPDX-License-Identifier: Apache-2.0
/* Benchmarks of the VCMDQ engine: commands, translations, a whole experiment. */
#include <stdio.h>
#include <string.h>

#include "emu/checker.h"
#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"
#include "models/nvidia_vcmdq/smmu.h"
#include "tools/hwq/bench.h"
#include "tools/hwq/hwq.h"
#include "tools/runner/scenario.h"

#define QUEUE_LOG2SIZE 16U
#define SYNC_EVERY     64U
#define DMA_PAGES      1024U
#define ROUNDS         5

struct engine_world {
	struct machine *machine;
	struct smmu *hardware;
	struct vcmdq *vcmdq;
};

/* A guest VINTF with one queue of 64 Ki entries, full of TLBI_NH_VA and a CMD_SYNC every 64. */
static bool engine_world(struct engine_world *world)
{
	struct machine_config config = machine_config_default();
	struct profile profile;
	struct trace_diag diag = {0};
	gchar *text;
	gsize length;
	if (!g_file_get_contents("profiles/grace", &text, &length, NULL)) {
		fprintf(stderr, "hwq bench: profiles/grace can't be read: run it in the source\n");
		return false;
	}
	int error = profile_parse(&profile, "profiles/grace", text, length, smmu_parameters, &diag);
	g_free(text);
	if (error != 0)
		return false;
	world->machine = machine_new(&config);
	iommufd_register(world->machine);
	world->hardware = smmu_new(world->machine, pa_of(0x05000000), pa_of(0x05200000), &profile);
	checker_new(world->machine);
	struct bus *bus = &world->machine->bus;
	uint64_t cmdqv = 0x05200000, pfn, bytes = COMMAND_SIZE << QUEUE_LOG2SIZE;
	memory_alloc(&world->machine->memory, 0, bytes / PAGE_SIZE, bytes / PAGE_SIZE,
		     bytes / PAGE_SIZE, 0, &pfn);
	for (uint32_t i = 0; i < 1U << QUEUE_LOG2SIZE; i++) {
		uint8_t command_bytes[COMMAND_SIZE];
		struct smmu_command command =
			i % SYNC_EVERY == SYNC_EVERY - 1
				? command_sync(SYNC_CS_NONE)
				: command_tlbi_nh_va(0, 1, (uint64_t)i << PAGE_SHIFT, 1);
		command_store(command_bytes, &command);
		memory_write(&world->machine->memory,
			     pa_of(pfn * PAGE_SIZE + (uint64_t)i * COMMAND_SIZE), command_bytes,
			     sizeof(command_bytes), 0);
	}
	bus_write(bus, pa_of(cmdqv + CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE), 4,
		  field_put(VINTF_CONFIG_VMID, 1) | VINTF_CONFIG_ENABLE);
	bus_write(bus, pa_of(cmdqv + CMDQV_ALLOC_MAP + 4 * 2), 4,
		  field_put(ALLOC_VINTF, 1) | ALLOC_ALLOC);
	bus_write(bus, pa_of(cmdqv + cmdqv_vintf_page1(1)), 8, pfn * PAGE_SIZE | QUEUE_LOG2SIZE);
	bus_write(bus, pa_of(cmdqv + cmdqv_vintf_page0(1) + VCMDQ_CONFIG), 4, 1);
	world->vcmdq = &world->hardware->vcmdqs[2];
	return true;
}

/* Everything but one entry is produced; then the queue runs dry. */
static void bench_commands(struct engine_world *world, bool timed)
{
	struct command_queue *queue = &world->vcmdq->queue;
	uint32_t count = (1U << QUEUE_LOG2SIZE) - 1;
	double best = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		double start = bench_cpu_seconds();
		queue->prod = (queue->cons + count) & queue_mask(QUEUE_LOG2SIZE);
		if (timed) {
			command_queue_kick(queue, 0);
			while (clock_step(&world->machine->clock))
				;
		} else {
			command_queue_run(queue);
		}
		double spent = bench_cpu_seconds() - start;
		best = spent < best ? spent : best;
	}
	bench_figure(timed ? "vcmdq_command_timed" : "vcmdq_command_functional", best / count * 1e9,
		     "ns");
}

/* DMA of a device behind a stage-2 domain: each page once (walk), then again (hit). */
static void bench_translation(struct engine_world *world)
{
	struct arm_smmu *driver =
		arm_smmu_probe(world->machine, world->hardware->base, pa_of(0x05200000));
	struct arm_smmu_master *master = arm_smmu_master_new(driver, 16);
	struct iommu_domain *domain;
	struct translation translation;
	struct smmu_command all = command_tlbi_nsnh_all();
	double best_walk = 1e9, best_hit = 1e9;
	arm_smmu_domain_alloc(driver, true, &domain);
	arm_smmu_attach(domain, &master->device);
	for (uint64_t page = 0; page < DMA_PAGES; page++)
		domain->ops->map(domain, iova_of(page * PAGE_SIZE), pa_of_pfn(0x180000 + page * 3),
				 PAGE_SIZE, IOMMU_READ | IOMMU_WRITE, 0);
	for (int round = 0; round < ROUNDS; round++) {
		smmu_execute(world->hardware, &all);
		double start = bench_cpu_seconds();
		for (uint64_t page = 0; page < DMA_PAGES; page++)
			smmu_translate(world->hardware, 16, page * PAGE_SIZE, false, &translation);
		double walked = bench_cpu_seconds();
		for (int again = 0; again < 100; again++)
			for (uint64_t page = 0; page < DMA_PAGES / 4; page++)
				smmu_translate(world->hardware, 16, page * PAGE_SIZE, false,
					       &translation);
		double hit = bench_cpu_seconds() - walked;
		best_walk = walked - start < best_walk ? walked - start : best_walk;
		best_hit = hit < best_hit ? hit : best_hit;
	}
	bench_figure("smmu_tlb_hit", best_hit / (100.0 * DMA_PAGES / 4) * 1e9, "ns");
	bench_figure("smmu_stage2_walk_4_levels", best_walk / DMA_PAGES * 1e9, "ns");
}

int bench_vcmdq(void)
{
	struct engine_world world;
	if (!engine_world(&world))
		return HWQ_BAD_INPUT;
	bench_commands(&world, false);
	bench_commands(&world, true);
	bench_translation(&world);
	machine_free(world.machine);
	return HWQ_AS_EXPECTED;
}

int bench_experiment(void)
{
	const char *path = "traces/flagship/vcmdq-05-foreign-command.hwq";
	struct scenario_options options = {.profile_dir = "profiles"};
	double best = 1e9;
	for (int round = 0; round < 50; round++) {
		struct scenario *scenario;
		struct trace_diag diag = {0};
		double start = bench_cpu_seconds();
		enum scenario_result result = scenario_run(path, &options, &scenario, &diag);
		double spent = bench_cpu_seconds() - start;
		scenario_free(scenario);
		if (result != SCENARIO_RAN) {
			fprintf(stderr, "%s\n", diag.text);
			trace_diag_free(&diag);
			return HWQ_BAD_INPUT;
		}
		best = spent < best ? spent : best;
	}
	bench_figure("vcmdq_experiment_text_to_verdict", best * 1e6, "us");
	return HWQ_AS_EXPECTED;
}
