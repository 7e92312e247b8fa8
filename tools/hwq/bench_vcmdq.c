// SPDX-License-Identifier: Apache-2.0
/* Benchmarks of the VCMDQ engine: commands, translations, a whole experiment. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "emu/checker.h"
#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"
#include "models/nvidia_vcmdq/smmu.h"
#include "tools/hwq/bench.h"
#include "tools/hwq/hwq.h"
#include "tools/runner/experiment.h"

#define QUEUE_LOG2SIZE 16U
#define SYNC_EVERY     64U
#define DMA_PAGES      1024U
#define HIT_PAGES      256U
#define HIT_ROUNDS     100U
#define FAR_PAGES      256U /* 512 GiB apart: no table serves two */
#define ROUNDS         5
#define EXPERIMENTS    200
#define VMID           1U
#define QUEUE          2U /* VINTF1's first */

static const struct smmu_board board = {
	.name = "smmu",
	.base = {0x05000000},
	.cmdqv_base = {0x05200000},
	.eventq_irq = 1,
	.cmdqv_irq = 2,
	.priq_irq = 3,
	.sync_irq = 4,
};

struct engine_world {
	struct machine *machine;
	struct smmu *hardware;
	struct vcmdq *vcmdq;
};

/* COUNT frames that are promised to a holder of a guest's, bound to the queue. */
static uint64_t promised_frames(struct machine *machine, uint64_t count)
{
	struct ledger *ledger = &machine->ledger;
	uint32_t holder = ledger_holder_new(ledger, "bench"), guest = ledger_guest_new(ledger);
	uint64_t pfn;
	memory_alloc(&machine->memory, machine_owner(machine, "guest"), count, count, count, 0,
		     &pfn);
	ledger_grant(ledger, holder, pfn, count);
	ledger_bind(ledger, machine_engine(machine, board.name), QUEUE, holder, guest);
	ledger_guest_reach(ledger, guest, REACH_DOMAIN, VMID, true);
	return pfn;
}

/* The queue's entries: TLBI_NH_VA, and a CMD_SYNC every 64. */
static void fill_queue(struct machine *machine, uint64_t pfn)
{
	for (uint32_t i = 0; i < 1U << QUEUE_LOG2SIZE; i++) {
		uint8_t bytes[COMMAND_SIZE];
		struct smmu_command command =
			i % SYNC_EVERY == SYNC_EVERY - 1
				? command_sync(SYNC_CS_NONE)
				: command_tlbi_nh_va(0, 1, (uint64_t)i << PAGE_SHIFT, 1);
		command_store(bytes, &command);
		memory_write(&machine->memory, pa_of(pfn * PAGE_SIZE + (uint64_t)i * COMMAND_SIZE),
			     bytes, sizeof(bytes), OWNER_KERNEL);
	}
}

/* A full TLB: pages of this VMID and of three others, half of them of ASID 1; or 2 MiB blocks too. */
static void fill_tlb(struct tlb *tlb, bool blocks)
{
	uint32_t entries = tlb->set_count * tlb->ways;
	for (uint32_t i = 0; i < entries; i++) {
		struct tlb_entry entry = {
			.tag = {.stage1 = true,
				.domain = (uint16_t)(VMID + i % 4),
				.space = 1 + i / 4 % 2},
			.order = blocks && i % 16 == 0 ? 9 : 0,
			.perm = PTE_S2_READ | PTE_S2_WRITE,
			.pa = 0x200000 + i,
		};
		tlb_insert(tlb, &entry, entry.order > 0 ? (uint64_t)i << 9 : i);
	}
}

static int engine_world(struct engine_world *world, const char *profile_name, bool walk_cache)
{
	struct machine_config config = machine_config_default();
	struct profile profile;
	const struct platform *platform;
	struct option_set assumptions;
	struct trace_diag diag = {0};
	const struct trace_pos pos = {1, 1};
	if (platform_profile(profile_name, "--profile", pos, &profile, &platform, &diag) != 0 ||
	    platform_probes(platform, &profile, profile_name, "--profile", pos, &diag) != 0) {
		fprintf(stderr, "%s\n", trace_diag_text(&diag));
		trace_diag_free(&diag);
		return HWQ_BAD_INPUT;
	}
	if (platform != &platform_nvidia) {
		hwq_usage_error("bench", "--profile %s has no VCMDQ: this benchmark is of it",
				profile_name);
		return HWQ_BAD_INPUT;
	}
	option_set_init(&assumptions, smmu_assumptions);
	world->machine = bench_machine(&config);
	iommufd_register(world->machine);
	world->hardware = smmu_new(world->machine, &board, &profile, &assumptions);
	if (!walk_cache)
		tlb_init(&world->hardware->walks, world->machine, 0, 1);
	checker_new(world->machine);
	struct bus *bus = &world->machine->bus;
	uint64_t cmdqv = board.cmdqv_base.value;
	uint64_t pfn =
		promised_frames(world->machine, (COMMAND_SIZE << QUEUE_LOG2SIZE) / PAGE_SIZE);
	fill_queue(world->machine, pfn);
	bus_write(bus, pa_of(cmdqv + CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE), 4,
		  field_put(VINTF_CONFIG_VMID, VMID) | VINTF_CONFIG_ENABLE);
	bus_write(bus, pa_of(cmdqv + CMDQV_ALLOC_MAP + 4 * QUEUE), 4,
		  field_put(ALLOC_VINTF, 1) | ALLOC_ALLOC);
	bus_write(bus, pa_of(cmdqv + cmdqv_vintf_page1(1)), 8, pfn * PAGE_SIZE | QUEUE_LOG2SIZE);
	bus_write(bus, pa_of(cmdqv + cmdqv_vintf_page0(1) + VCMDQ_CONFIG), 4, 1);
	world->vcmdq = &world->hardware->vcmdqs[QUEUE];
	return HWQ_AS_EXPECTED;
}

/* Everything but one entry is produced; then the queue runs dry. */
static void bench_commands(struct bench_run *run, struct engine_world *world, const char *name,
			   bool timed, bool blocks)
{
	struct command_queue *queue = &world->vcmdq->queue;
	uint32_t count = (1U << QUEUE_LOG2SIZE) - 1;
	double best = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		tlb_remove_all(&world->hardware->tlb);
		fill_tlb(&world->hardware->tlb, blocks);
		double start = bench_cpu_seconds();
		queue->prod = (queue->cons + count) & queue_mask(1U << QUEUE_LOG2SIZE);
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
	bench_figure(run, name, best / count * 1e9, "ns");
}

/* Two queues of each of 64 VINTFs, all over the same commands, and all at once. */
static void bench_busy_queues(struct bench_run *run, struct engine_world *world)
{
	struct bus *bus = &world->machine->bus;
	uint64_t cmdqv = board.cmdqv_base.value, base = world->vcmdq->queue.base;
	uint32_t queues = world->hardware->vcmdq_count, vintfs = world->hardware->vintf_count;
	uint32_t each = queues / vintfs, count = (1U << QUEUE_LOG2SIZE) / 16;
	double best = 1e9;
	for (uint32_t q = 0; q < queues; q++) {
		uint32_t vintf = q / each, logical = q % each;
		bus_write(bus, pa_of(cmdqv + CMDQV_VINTF_BLOCKS + CMDQV_VINTF_BLOCK_STRIDE * vintf),
			  4, field_put(VINTF_CONFIG_VMID, vintf) | VINTF_CONFIG_ENABLE);
		bus_write(bus, pa_of(cmdqv + CMDQV_ALLOC_MAP + 4 * q), 4,
			  field_put(ALLOC_VINTF, vintf) | field_put(ALLOC_LVCMDQ, logical) |
				  ALLOC_ALLOC);
		uint64_t slot = (uint64_t)CMDQV_QUEUE_STRIDE * logical;
		bus_write(bus, pa_of(cmdqv + cmdqv_vintf_page0(vintf) + slot + VCMDQ_CONFIG), 4, 0);
		bus_write(bus, pa_of(cmdqv + cmdqv_vintf_page1(vintf) + slot), 8,
			  base | QUEUE_LOG2SIZE);
		bus_write(bus, pa_of(cmdqv + cmdqv_vintf_page0(vintf) + slot + VCMDQ_CONFIG), 4, 1);
	}
	for (int round = 0; round < ROUNDS; round++) {
		fill_tlb(&world->hardware->tlb, false);
		double start = bench_cpu_seconds();
		for (uint32_t q = 0; q < queues; q++) {
			struct command_queue *queue = &world->hardware->vcmdqs[q].queue;
			queue->prod = (queue->cons + count) & queue_mask(1U << QUEUE_LOG2SIZE);
			command_queue_kick(queue, 0);
		}
		while (clock_step(&world->machine->clock))
			;
		double spent = bench_cpu_seconds() - start;
		best = spent < best ? spent : best;
	}
	bench_figure(run, "vcmdq_128_busy_queues", count * queues / best / 1e6, "M/s");
}

/* All of one VMID out of a full TLB. */
static void bench_invalidate_vmid(struct bench_run *run, struct engine_world *world)
{
	struct tlb *tlb = &world->hardware->tlb;
	double best = 1e9;
	uint32_t removed = 0;
	for (int round = 0; round < ROUNDS; round++) {
		tlb_remove_all(tlb);
		for (uint32_t i = 0; i < tlb->set_count * tlb->ways; i++) {
			struct tlb_entry entry = {.tag = {.domain = VMID}, .pa = i};
			tlb_insert(tlb, &entry, i);
		}
		double start = bench_cpu_seconds();
		removed = tlb_remove_domain(tlb, VMID);
		double spent = bench_cpu_seconds() - start;
		best = spent < best ? spent : best;
	}
	bench_figure(run, "tlb_entries_of_a_vmid", removed, "entries");
	bench_figure(run, "tlb_invalidate_a_vmid", best * 1e6, "us");
}

static uint64_t far_iova(uint64_t page)
{
	return page << 39 | page << PAGE_SHIFT;
}

/* Walks of which nothing is cached; what of the walks before is cached gives way. */
static double far_walks(struct engine_world *world)
{
	struct translation translation;
	tlb_remove_all(&world->hardware->tlb);
	tlb_remove_all(&world->hardware->walks);
	double start = bench_cpu_seconds();
	for (uint64_t page = 1; page <= FAR_PAGES; page++)
		smmu_translate(world->hardware, 16, far_iova(page), false, &translation);
	return bench_cpu_seconds() - start;
}

static void map_pages(struct engine_world *world)
{
	const struct arm_smmu_resources resources = {.name = board.name,
						     .base = board.base,
						     .cmdqv = board.cmdqv_base,
						     .eventq_irq = 1,
						     .cmdqv_irq = 2};
	struct arm_smmu *driver = NULL;
	int error = arm_smmu_probe(world->machine, &resources, &driver);
	assert(error == 0 && "its profile was asked about");
	(void)error;
	struct arm_smmu_master *master = arm_smmu_master_new(driver, 16, false);
	struct iommu_domain *domain;
	arm_smmu_domain_alloc(driver, 2, true, &domain);
	arm_smmu_attach(domain, &master->device);
	for (uint64_t page = 0; page < DMA_PAGES; page++)
		domain->ops->map(domain, iova_of(page * PAGE_SIZE), pa_of_pfn(0x180000 + page * 3),
				 PAGE_SIZE, IOMMU_READ | IOMMU_WRITE, 0);
	for (uint64_t page = 1; page <= FAR_PAGES; page++)
		domain->ops->map(domain, iova_of(far_iova(page)), pa_of_pfn(0x190000 + page),
				 PAGE_SIZE, IOMMU_READ | IOMMU_WRITE, 0);
}

/* Each page of PAGES, ROUNDS times. */
static double translate_pages(struct engine_world *world, uint64_t pages, unsigned rounds)
{
	struct translation translation;
	double start = bench_cpu_seconds();
	for (unsigned again = 0; again < rounds; again++)
		for (uint64_t page = 0; page < pages; page++)
			smmu_translate(world->hardware, 16, page * PAGE_SIZE, false, &translation);
	return bench_cpu_seconds() - start;
}

/* DMA of a device behind a stage-2 domain: each page once (walk), then some of them again (hit). */
static void bench_translation(struct bench_run *run, struct engine_world *world)
{
	double best_walk = 1e9, best_far = 1e9, best_hit = 1e9;
	map_pages(world);
	for (int round = 0; round < ROUNDS; round++) {
		double far = far_walks(world);
		tlb_remove_all(&world->hardware->tlb);
		double walk = translate_pages(world, DMA_PAGES, 1);
		double hit = translate_pages(world, HIT_PAGES, HIT_ROUNDS);
		best_walk = walk < best_walk ? walk : best_walk;
		best_far = far < best_far ? far : best_far;
		best_hit = hit < best_hit ? hit : best_hit;
	}
	bench_figure(run, "smmu_tlb_hit", best_hit / (HIT_ROUNDS * HIT_PAGES) * 1e9, "ns");
	bench_figure(run, "smmu_stage2_walk", best_walk / DMA_PAGES * 1e9, "ns");
	bench_figure(run, "smmu_stage2_walk_far", best_far / FAR_PAGES * 1e9, "ns");
}

/* The same pages where each walk reads all 4 descriptors. */
static int bench_whole_walks(struct bench_run *run, const char *profile)
{
	struct engine_world world;
	int status = engine_world(&world, profile, false);
	if (status != HWQ_AS_EXPECTED)
		return status;
	double best = 1e9;
	map_pages(&world);
	for (int round = 0; round < ROUNDS; round++) {
		tlb_remove_all(&world.hardware->tlb);
		double walk = translate_pages(&world, DMA_PAGES, 1);
		best = walk < best ? walk : best;
	}
	bench_figure(run, "smmu_stage2_walk_4_levels", best / DMA_PAGES * 1e9, "ns");
	machine_free(world.machine);
	return HWQ_AS_EXPECTED;
}

int bench_vcmdq(struct bench_run *run)
{
	struct engine_world world;
	const char *profile = run->options->profile != NULL ? run->options->profile : "grace";
	int status = engine_world(&world, profile, true);
	if (status != HWQ_AS_EXPECTED)
		return status;
	bench_commands(run, &world, "vcmdq_command_functional", false, false);
	bench_commands(run, &world, "vcmdq_command_timed", true, false);
	bench_commands(run, &world, "vcmdq_command_functional_two_page_sizes", false, true);
	bench_invalidate_vmid(run, &world);
	bench_translation(run, &world);
	bench_busy_queues(run, &world);
	machine_free(world.machine);
	return bench_whole_walks(run, profile);
}

/* A scenario of the size that experiments have: 40 calls, 200 commands, unmapped and reused. */
static const char experiment_text[] =
	"# hwq-scenario 1\n"
	"profile grace\n"
	"kernel hw_queue.pin=off\n"
	"device vfio0 sid=0x10\n"
	"vmm: open(\"/dev/iommu\", 0x2) = $fd\n"
	"vmm: open(\"/dev/vfio/devices/vfio0\", 0x2) = $vfio\n"
	"vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = $queue\n"
	"vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = $data\n"
	"vmm: ioctl($fd, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => $ioas}) = 0\n"
	"vmm: ioctl($vfio, VFIO_DEVICE_BIND_IOMMUFD, {argsz=24, iommufd=$fd, out_devid=0 => $dev}) "
	"= 0\n"
	"vmm: ioctl($fd, IOMMU_HWPT_ALLOC, {flags=1, dev_id=$dev, pt_id=$ioas, out_hwpt_id=0 => "
	"$hwpt}) = 0\n"
	"vmm: ioctl($vfio, VFIO_DEVICE_ATTACH_IOMMUFD_PT, {argsz=12, pt_id=$hwpt}) = 0\n"
	"vmm: ioctl($fd, IOMMU_VIOMMU_ALLOC, {type=2, dev_id=$dev, hwpt_id=$hwpt, out_viommu_id=0 "
	"=> $viommu, data_len=16, data_uptr=$data}) = 0\n"
	"vmm: ioctl($fd, IOMMU_VDEVICE_ALLOC, {viommu_id=$viommu, dev_id=$dev, virt_id=0x100}) = "
	"0\n"
	"vmm: mmap(0, 0x10000, PROT_READ|PROT_WRITE, MAP_SHARED, $fd, 0x1000) = $page0\n"
	"vmm: ioctl($fd, IOMMU_IOAS_MAP, {flags=7, ioas_id=$ioas, user_va=$queue, length=0x1000, "
	"iova=0x40000000}) = 0\n"
	"vmm: ioctl($fd, IOMMU_HW_QUEUE_ALLOC, {viommu_id=$viommu, type=1, index=0, "
	"out_hw_queue_id=0 => $hwq, nesting_parent_iova=0x40000000, length=0x1000}) = 0\n"
	"ram gpa=0x40000000 va=$queue length=0x1000\n"
	"queue vcmdq0 page0=$page0 index=0 gpa=0x40000000 entries=256\n"
	"guest: write vcmdq0.CONFIG 1\n";

static GString *full_experiment(void)
{
	GString *text = g_string_new(experiment_text);
	for (int i = 0; i < 3; i++) {
		g_string_append(text, "guest: vcmdq0 <- ");
		for (int k = 0; k < 63; k++)
			g_string_append_printf(text, "TLBI_NH_VA asid=1 va=0x%x000, ", i * 64 + k);
		g_string_append(text, "CMD_SYNC\n");
	}
	g_string_append(text, "guest: write vcmdq0.PROD_INDX 192\nrun 50us\n");
	for (int i = 0; i < 12; i++)
		g_string_append_printf(
			text,
			"vmm: ioctl($fd, IOMMU_IOAS_MAP, {flags=7, ioas_id=$ioas, user_va=$data, "
			"length=0x1000, iova=0x5%04x000}) = 0\n"
			"vmm: ioctl($fd, IOMMU_IOAS_UNMAP, {ioas_id=$ioas, iova=0x5%04x000, "
			"length=0x1000}) = 0\n",
			i, i);
	g_string_append(text, "guest: vcmdq0 <- TLBI_NH_VA asid=1 va=0, CMD_SYNC\n"
			      "vmm: ioctl($fd, IOMMU_IOAS_UNMAP, {ioas_id=$ioas, iova=0x40000000, "
			      "length=0x1000}) = 0\n"
			      "vmm: munmap($queue, 0x1000) = 0\n"
			      "guest: write vcmdq0.PROD_INDX 200\n"
			      "expect use-after-free\n");
	return text;
}

int bench_experiment(struct bench_run *run)
{
	const struct experiment_options how = {.other_option = -1};
	struct machine_config config = machine_config_default();
	double best = 1e9;
	bool as_expected = true;
	int status;
	GString *text = full_experiment();
	struct script *script = bench_script(run, text->str, &status);
	g_string_free(text, TRUE);
	if (script == NULL)
		return status;
	struct machine *machine = bench_machine(&config);
	for (int round = 0; round < EXPERIMENTS; round++) {
		double start = bench_cpu_seconds();
		struct outcome *outcome = experiment_run(script, &how, &machine);
		double spent = bench_cpu_seconds() - start;
		as_expected &= outcome->as_expected;
		outcome_free(outcome);
		best = spent < best ? spent : best;
	}
	machine_free(machine);
	script_free(script);
	if (!as_expected) {
		fprintf(stderr, "hwq bench: the experiment is not as expected\n");
		return HWQ_INTERNAL_ERROR;
	}
	bench_figure(run, "vcmdq_experiment", best * 1e6, "us");
	return HWQ_AS_EXPECTED;
}
