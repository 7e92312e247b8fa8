// SPDX-License-Identifier: Apache-2.0
/* Benchmarks of AMD's guest ring: making a VM, an experiment from a saved machine, commands. */
#include <stdio.h>
#include <string.h>

#include "kernel_shim/iommufd.h"
#include "models/amd_iommu/amd_iommu.h"
#include "tools/hwq/bench.h"
#include "tools/runner/experiment.h"

#define ROUNDS       5
#define EXPERIMENTS  200
#define RING_ENTRIES 256U
#define LAPS         256U
#define SYNC_EVERY   64U
#define PAGES        1024U
#define GUESTS       1000U

/* As large as the other engine's: 40 calls, 200 commands, unmapped and reused. */
static GString *experiment_text(void)
{
	GString *text = g_string_new("# hwq-scenario 1\n"
				     "profile amd-viommu\n"
				     "kernel amd.viommu=posted\n"
				     "vm q\n");
	for (int i = 0; i < 3; i++) {
		g_string_append(text, "guest: q <- ");
		for (int k = 0; k < 63; k++)
			g_string_append_printf(text,
					       "INVALIDATE_IOMMU_PAGES domid=1 gn=1 addr=0x%x000, ",
					       i * 64 + k);
		g_string_append(text, "COMPLETION_WAIT\n");
	}
	g_string_append(text, "guest: ring q 192\nrun 50us\n");
	for (int i = 0; i < 12; i++)
		g_string_append_printf(
			text,
			"vmm: ioctl($fd, IOMMU_IOAS_MAP, {flags=7, ioas_id=$ioas, user_va=$data, "
			"length=0x1000, iova=0x5%04x000}) = 0\n"
			"vmm: ioctl($fd, IOMMU_IOAS_UNMAP, {ioas_id=$ioas, iova=0x5%04x000, "
			"length=0x1000}) = 0\n",
			i, i);
	return g_string_append(text,
			       "guest: q <- INVALIDATE, WAIT\n"
			       "vmm: ioctl($fd, IOMMU_IOAS_UNMAP, {ioas_id=$ioas, iova=0x40000000, "
			       "length=0x1000}) = 0\n"
			       "vmm: munmap($queue, 0x1000) = 0\n"
			       "guest: ring q 200\n"
			       "expect none\n");
}

/* Best of few: it is long. The rest of the set-up is microseconds. */
static struct experiment_point *bench_creation(struct bench_run *run, const struct script *script,
					       struct machine **machine)
{
	struct experiment_point *point = NULL;
	double best = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		experiment_point_free(point);
		double start = bench_cpu_seconds();
		point = experiment_set_up(script, machine);
		double spent = bench_cpu_seconds() - start;
		best = spent < best ? spent : best;
	}
	bench_figure(run, "amd_vm_creation", best * 1e3, "ms");
	bench_figure(run, "amd_vm_state", (double)arena_used((*machine)->arena) / 1024, "KiB");
	return point;
}

static bool bench_from_saved(struct bench_run *run, const struct experiment_point *point)
{
	const struct experiment_options how = {.other_option = -1};
	bool as_expected = true;
	double best = 1e9;
	for (int round = 0; round < EXPERIMENTS; round++) {
		double start = bench_cpu_seconds();
		struct outcome *outcome = experiment_resume(point, &how);
		double spent = bench_cpu_seconds() - start;
		as_expected &= outcome->as_expected;
		outcome_free(outcome);
		best = spent < best ? spent : best;
	}
	bench_figure(run, "amd_experiment_from_saved", best * 1e6, "us");
	return as_expected;
}

/* The engine on the machine's bus. */
static struct amd_iommu *amd_of(struct machine *machine)
{
	const struct mmio_region *region = bus_region(&machine->bus, "vf");
	return region != NULL ? region->owner : NULL;
}

/* The guest's ring, full of INVALIDATE_IOMMU_PAGES with a COMPLETION_WAIT every 64. */
static void fill_ring(struct amd_iommu *amd, struct amd_guest *guest)
{
	struct amd_translation translation;
	amd_guest_translate(guest, guest->ring.base, false, &translation);
	for (uint32_t i = 0; i < RING_ENTRIES; i++) {
		uint8_t bytes[COMMAND_SIZE];
		struct amd_command command =
			i % SYNC_EVERY == SYNC_EVERY - 1
				? (struct amd_command){{field_put(CMD_OPCODE, CMD_COMPLETION_WAIT)}}
				: amd_command_invalidate_pages(1, (uint64_t)i << PAGE_SHIFT,
							       ((uint64_t)i << PAGE_SHIFT) + 0xfff,
							       false);
		amd_command_store(bytes, &command);
		memory_write(&amd->machine->memory,
			     pa_of(translation.pa.value + (uint64_t)i * COMMAND_SIZE), bytes,
			     sizeof(bytes), OWNER_KERNEL);
	}
}

static void bench_commands(struct bench_run *run, struct amd_iommu *amd, const char *name,
			   bool timed)
{
	struct amd_ring *ring = &amd_guest_find(amd, 1)->ring;
	double best = 1e9;
	fill_ring(amd, ring->guest);
	for (int round = 0; round < ROUNDS; round++) {
		double start = bench_cpu_seconds();
		for (uint32_t lap = 0; lap < LAPS; lap++) {
			ring->tail = (ring->head - COMMAND_SIZE) & (ring->size - 1);
			if (!timed) {
				amd_ring_run(ring);
				continue;
			}
			amd_ring_kick(ring, 0);
			while (clock_step(&amd->machine->clock))
				;
		}
		double spent = bench_cpu_seconds() - start;
		best = spent < best ? spent : best;
	}
	bench_figure(run, name, best / (LAPS * (RING_ENTRIES - 1)) * 1e9, "ns");
}

/* The guest's buffer, by cache and by a walk of 4 levels and the table of the last one. */
static void bench_translation(struct bench_run *run, struct amd_iommu *amd)
{
	struct amd_guest *guest = amd_guest_find(amd, 1);
	struct amd_translation translation;
	double best_hit = 1e9, best_walk = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		double start = bench_cpu_seconds();
		for (uint32_t i = 0; i < PAGES; i++) {
			tlb_remove_all(&amd->tlb);
			tlb_remove_all(&amd->pdes);
			amd_guest_translate(guest, guest->ring.base, false, &translation);
		}
		double walked = bench_cpu_seconds();
		for (uint32_t i = 0; i < PAGES * 16; i++)
			amd_guest_translate(guest, guest->ring.base, false, &translation);
		double hit = bench_cpu_seconds() - walked;
		best_walk = walked - start < best_walk ? walked - start : best_walk;
		best_hit = hit < best_hit ? hit : best_hit;
	}
	bench_figure(run, "amd_tlb_hit", best_hit / (PAGES * 16) * 1e9, "ns");
	bench_figure(run, "amd_flush_and_walk", best_walk / PAGES * 1e9, "ns");
}

static int bench_machine_with_vm(struct bench_run *run, const struct script *script,
				 struct machine **machine)
{
	struct experiment_point *point = bench_creation(run, script, machine);
	bool as_expected = point != NULL && bench_from_saved(run, point);
	experiment_point_free(point);
	point = as_expected ? experiment_set_up(script, machine) : NULL;
	struct amd_iommu *amd = point != NULL ? amd_of(*machine) : NULL;
	experiment_point_free(point);
	if (amd == NULL || amd_guest_find(amd, 1) == NULL) {
		fprintf(stderr, "hwq bench: the experiment is not as expected\n");
		return HWQ_INTERNAL_ERROR;
	}
	bench_commands(run, amd, "amd_command_functional", false);
	bench_commands(run, amd, "amd_command_timed", true);
	bench_translation(run, amd);
	return HWQ_AS_EXPECTED;
}

typedef int measure_fn(struct bench_run *run, const struct script *script,
		       struct machine **machine);

/* What MEASURE finds of the scenario TEXT, which goes. */
static int bench_text(struct bench_run *run, GString *text, measure_fn *measure)
{
	struct machine_config config = machine_config_default();
	int status;
	struct script *script = bench_script(run, text->str, &status);
	g_string_free(text, TRUE);
	if (script == NULL)
		return status;
	struct machine *machine = bench_machine(&config);
	status = measure(run, script, &machine);
	machine_free(machine);
	script_free(script);
	return status;
}

int bench_amd(struct bench_run *run)
{
	return bench_text(run, experiment_text(), bench_machine_with_vm);
}

/* --- many guests --- */

/* Each with its maps, and a ring at the page that all of them share. */
static GString *guests_text(void)
{
	GString *text = g_string_new("# hwq-scenario 1\n"
				     "profile amd-viommu\n"
				     "kernel amd.viommu=posted\n"
				     "vm q\n");
	for (unsigned i = 2; i <= GUESTS; i++)
		g_string_append_printf(
			text,
			"vmm: ioctl($fd, IOMMU_VIOMMU_ALLOC, {type=3, dev_id=$dev, hwpt_id=$hwpt, "
			"out_viommu_id=0 => $viommu%u, data_len=8, data_uptr=$data}) = 0\n"
			"vmm: ioctl($fd, IOMMU_HW_QUEUE_ALLOC, {viommu_id=$viommu%u, type=2, "
			"index=0, out_hw_queue_id=0 => $hwq%u, nesting_parent_iova=0x40000000, "
			"length=8}) = 0\n",
			i, i, i);
	return g_string_append(text, "expect none\n");
}

/* All at once, each a ring full; the host's ring is idle. */
static void bench_busy_guests(struct bench_run *run, struct amd_iommu *amd)
{
	double best = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		double start = bench_cpu_seconds();
		for (uint32_t id = 1; id <= GUESTS; id++) {
			struct amd_ring *ring = &amd_guest_find(amd, (uint16_t)id)->ring;
			ring->tail = (ring->head - COMMAND_SIZE) & (ring->size - 1);
			amd_ring_kick(ring, 0);
		}
		while (clock_step(&amd->machine->clock))
			;
		double spent = bench_cpu_seconds() - start;
		best = spent < best ? spent : best;
	}
	bench_figure(run, "amd_1000_busy_guests", GUESTS * (RING_ENTRIES - 1) / best / 1e6, "M/s");
}

/* Of GuestIDs that nobody has touched before: what the engine keeps of each. */
static void bench_idle_guests(struct bench_run *run, struct amd_iommu *amd)
{
	const struct mmio_region *vfcntl = bus_region(&amd->machine->bus, "vfcntl");
	size_t before = arena_live(amd->machine->arena);
	for (uint64_t id = GUESTS + 1; id <= 2 * GUESTS; id++)
		vfcntl->ops->write(vfcntl->owner, id * VFCNTL_STRIDE + VFCNTL_MISC, 8, 0);
	size_t bytes = arena_live(amd->machine->arena) - before;
	bench_figure(run, "amd_idle_guest", (double)bytes / GUESTS, "bytes");
}

static int bench_machine_with_guests(struct bench_run *run, const struct script *script,
				     struct machine **machine)
{
	struct experiment_point *point = experiment_set_up(script, machine);
	struct amd_iommu *amd = point != NULL ? amd_of(*machine) : NULL;
	struct amd_guest *last = amd != NULL ? amd_guest_find(amd, GUESTS) : NULL;
	experiment_point_free(point);
	if (last == NULL || !amd_ring_running(&last->ring)) {
		fprintf(stderr, "hwq bench: the guests are not as expected\n");
		return HWQ_INTERNAL_ERROR;
	}
	fill_ring(amd, last);
	bench_busy_guests(run, amd);
	bench_idle_guests(run, amd);
	return HWQ_AS_EXPECTED;
}

int bench_amd_guests(struct bench_run *run)
{
	return bench_text(run, guests_text(), bench_machine_with_guests);
}
