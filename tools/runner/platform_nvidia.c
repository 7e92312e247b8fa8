// SPDX-License-Identifier: Apache-2.0
/* NVIDIA's half: SMMUv3 with CMDQV, driven by arm-smmu-v3 and tegra241-cmdqv. */
#include <assert.h>
#include <string.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"
#include "models/nvidia_vcmdq/smmu.h"
#include "tools/runner/command_text.h"
#include "tools/runner/platform.h"
#include "tools/runner/qemu_events.h"

/* As a Tegra264 device tree has it (tegra241-cmdqv 9.1). */
#define SMMU_BASE  0x05000000
#define CMDQV_BASE 0x05200000

static const struct smmu_board board = {
	.name = "smmu",
	.base = {SMMU_BASE},
	.cmdqv_base = {CMDQV_BASE},
	.gerror_irq = 0,
	.eventq_irq = 1,
	.cmdqv_irq = 2,
	.priq_irq = 3,
	.sync_irq = 4,
};

struct nvidia_hardware {
	struct smmu *smmu;
	struct arm_smmu *driver; /* NULL: bare */
	struct smmu_endpoint *endpoints[512];
};

static void *create(struct machine *machine, const struct profile *profile,
		    const struct option_set *assumptions, bool bare)
{
	struct nvidia_hardware *hardware = arena_new(machine->arena, struct nvidia_hardware);
	const struct arm_smmu_resources resources = {
		.name = board.name,
		.base = board.base,
		.cmdqv = profile_get(profile, "cmdqv.present") ? board.cmdqv_base : pa_of(0),
		.gerror_irq = board.gerror_irq,
		.eventq_irq = board.eventq_irq,
		.cmdqv_irq = board.cmdqv_irq,
	};
	hardware->smmu = smmu_new(machine, &board, profile, assumptions);
	int error = bare ? 0 : arm_smmu_probe(machine, &resources, &hardware->driver);
	assert(error == 0 && "refused() was asked");
	(void)error;
	return hardware;
}

static const char *refused(const struct profile *profile)
{
	uint32_t idr[6];
	smmu_id_registers(profile, idr);
	return arm_smmu_unsupported(idr);
}

static struct option_set *assumed(void *context)
{
	struct nvidia_hardware *hardware = context;
	return &hardware->smmu->assumptions;
}

static void hash_hardware(void *context, struct hash *hash)
{
	struct nvidia_hardware *hardware = context;
	smmu_hash(hardware->smmu, hash);
}

/* --- devices --- */

static struct device *add_device(void *context, uint32_t id, bool ats)
{
	struct nvidia_hardware *hardware = context;
	if (hardware->driver == NULL)
		return NULL;
	if (ats)
		hardware->endpoints[id] = smmu_endpoint_new(hardware->smmu, id);
	return &arm_smmu_master_new(hardware->driver, id, ats)->device;
}

static void set_silent(void *context, uint32_t id, bool silent)
{
	struct nvidia_hardware *hardware = context;
	if (id < G_N_ELEMENTS(hardware->endpoints) && hardware->endpoints[id] != NULL)
		hardware->endpoints[id]->silent = silent;
}

static struct platform_dma dma(void *context, uint32_t id, uint64_t iova, bool write, void *data,
			       uint32_t size)
{
	struct nvidia_hardware *hardware = context;
	struct translation translation;
	bool ok =
		smmu_dma(hardware->smmu, id, iova, write, data, size, &translation) == TRANSLATE_OK;
	return (struct platform_dma){ok, translation.pa, event_name(translation.event),
				     translation.path};
}

static const char *guest_event_name(uint32_t type, uint64_t word)
{
	return type == IOMMU_VEVENTQ_TYPE_ARM_SMMUV3 ? event_name((unsigned)field_get(word, EVT_ID))
						     : NULL;
}

static struct platform_translation translate(void *context, uint32_t id, uint64_t iova, bool write)
{
	struct nvidia_hardware *hardware = context;
	struct translation translation;
	bool ok = smmu_translate(hardware->smmu, id, iova, write, &translation) == TRANSLATE_OK;
	return (struct platform_translation){
		.ok = ok,
		.pa = translation.pa,
		.readable = translation.perm & PTE_S2_READ,
		.writable = translation.perm & PTE_S2_WRITE,
		.event = event_name(translation.event),
	};
}

/* --- commands --- */

static const struct command_operand operands[] = {
	{"vmid", CMD_VMID, 0, false, 0},
	{"asid", CMD_ASID, 0, false, 0},
	{"sid", CMD_SID, 0, false, 0},
	{"va", CMD_ADDR, 1, true, 0},
	{"ipa", CMD_IPA, 1, true, 0},
	{"leaf", CMD_LEAF, 1, false, 0},
	{"size", CMD_ATC_SIZE, 1, false, 0},
	{"cs", CMD_SYNC_CS, 0, false, 0},
	{"range", CMD_CFGI_RANGE, 1, false, 0},
	{"dw0", ~0ULL, 0, true, 0},
	{"dw1", ~0ULL, 1, true, 0},
	{NULL, 0, 0, false, 0},
};

/* CMD_SYNC as Linux writes it: inner shareable, write-back (smmuv3 3.2). */
#define SYNC_WORD (CMD_SYNC | 3ULL << 22 | 0xfULL << 24)

static const struct command_form forms[] = {
	{"TLBI_NH_ASID", {{CMD_TLBI_NH_ASID, 0}}, {"vmid", "asid"}},
	{"TLBI_NH_VA", {{CMD_TLBI_NH_VA, 0}}, {"vmid", "asid", "va", "leaf"}},
	{"TLBI_NH_VAA", {{CMD_TLBI_NH_VAA, 0}}, {"vmid", "va", "leaf"}},
	{"TLBI_NH_ALL", {{CMD_TLBI_NH_ALL, 0}}, {"vmid"}},
	{"TLBI_S12_VMALL", {{CMD_TLBI_S12_VMALL, 0}}, {"vmid"}},
	{"TLBI_S2_IPA", {{CMD_TLBI_S2_IPA, 0}}, {"vmid", "ipa", "leaf"}},
	{"TLBI_NSNH_ALL", {{CMD_TLBI_NSNH_ALL, 0}}, {NULL}},
	{"ATC_INV", {{CMD_ATC_INV, 0}}, {"sid", "va", "size"}},
	{"CFGI_STE", {{CMD_CFGI_STE, 0}}, {"sid", "leaf"}},
	{"CFGI_STE_RANGE", {{CMD_CFGI_STE_RANGE, 0}}, {"sid", "range"}},
	{"CFGI_CD", {{CMD_CFGI_CD, 0}}, {"sid", "leaf"}},
	{"CFGI_CD_ALL", {{CMD_CFGI_CD_ALL, 0}}, {"sid"}},
	{"PREFETCH_CONFIG", {{CMD_PREFETCH_CONFIG, 0}}, {"sid"}},
	{"PREFETCH_ADDR", {{CMD_PREFETCH_ADDR, 0}}, {"sid", "va"}},
	{"RESUME", {{CMD_RESUME, 0}}, {"sid"}},
	{"STALL_TERM", {{CMD_STALL_TERM, 0}}, {"sid"}},
	{"CMD_SYNC", {{SYNC_WORD, 0}}, {NULL}},
	/* For scenarios of all platforms. */
	{"INVALIDATE", {{CMD_TLBI_NH_ASID | 1ULL << 48, 0}}, {NULL}},
	{"WAIT", {{SYNC_WORD, 0}}, {NULL}},
	{NULL, {{0, 0}}, {NULL}},
};

static const struct command_language language = {CMD_OPCODE, forms, operands};

/* --- registers --- */

#define QUEUE_TAIL 1

static const struct platform_register queue_registers[] = {
	{"CONS_INDX", VCMDQ_CONS, 4},
	{"PROD_INDX", VCMDQ_PROD, 4},
	{"CONFIG", VCMDQ_CONFIG, 4},
	{"STATUS", VCMDQ_STATUS, 4},
	{"GERROR", VCMDQ_GERROR, 4},
	{"GERRORN", VCMDQ_GERRORN, 4},
	{NULL, 0, 0},
};

/* Through a VINTF's page 0; a slot without a queue has none. */
static bool queue_context(void *context, struct pa pa, uint32_t *number)
{
	struct nvidia_hardware *hardware = context;
	uint64_t offset = pa.value - board.cmdqv_base.value - CMDQV_VINTF_PAGES;
	uint64_t vintf = offset / CMDQV_VINTF_STRIDE;
	uint64_t slot = offset % CMDQV_VINTF_STRIDE / CMDQV_QUEUE_STRIDE;
	if (vintf >= hardware->smmu->vintf_count || slot >= CMDQV_QUEUES_MAX ||
	    hardware->smmu->vintfs[vintf] == NULL ||
	    hardware->smmu->vintfs[vintf]->slots[slot] == NULL)
		return false;
	*number = hardware->smmu->vintfs[vintf]->slots[slot]->queue.context;
	return true;
}

static const struct register_window windows[] = {
	{"smmu", {SMMU_BASE}, SMMU_WINDOW_SIZE, 4, smmu_registers},
	{"cmdqv", {CMDQV_BASE}, CMDQV_WINDOW_SIZE, 4, NULL},
	{NULL, {0}, 0, 0, NULL},
};

/*
 * A VM with a device, a vIOMMU and a queue that runs: its memory is $queue at 0x40000000 and $buffer at
 * 0x40002000, a page each.
 */
static const char *const vm[] = {
	"device vfio0 sid=0x10",
	"vmm: open(\"/dev/iommu\", 0x2) = $fd",
	"vmm: open(\"/dev/vfio/devices/vfio0\", 0x2) = $vfio",
	"vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = $queue",
	"vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = "
	"$buffer",
	"vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = $data",
	"vmm: ioctl($fd, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => $ioas}) = 0",
	"vmm: ioctl($vfio, VFIO_DEVICE_BIND_IOMMUFD, {argsz=24, iommufd=$fd, out_devid=0 "
	"=> $dev}) = 0",
	"vmm: ioctl($fd, IOMMU_HWPT_ALLOC, {flags=1, dev_id=$dev, pt_id=$ioas, "
	"out_hwpt_id=0 => $hwpt}) = 0",
	"vmm: ioctl($vfio, VFIO_DEVICE_ATTACH_IOMMUFD_PT, {argsz=12, pt_id=$hwpt}) = 0",
	"vmm: ioctl($fd, IOMMU_VIOMMU_ALLOC, {type=2, dev_id=$dev, hwpt_id=$hwpt, "
	"out_viommu_id=0 => $viommu, data_len=16, data_uptr=$data}) = 0",
	"vmm: ioctl($fd, IOMMU_VDEVICE_ALLOC, {viommu_id=$viommu, dev_id=$dev, "
	"virt_id=0x100, out_vdevice_id=0 => $vdev}) = 0",
	"vmm: mmap(0, 0x10000, PROT_READ|PROT_WRITE, MAP_SHARED, $fd, 0x1000) = $page",
	"vmm: ioctl($fd, IOMMU_IOAS_MAP, {flags=7, ioas_id=$ioas, user_va=$queue, "
	"length=0x1000, iova=0x40000000}) = 0",
	"vmm: ioctl($fd, IOMMU_IOAS_MAP, {flags=7, ioas_id=$ioas, user_va=$buffer, "
	"length=0x1000, iova=0x40002000}) = 0",
	"vmm: ioctl($fd, IOMMU_HW_QUEUE_ALLOC, {viommu_id=$viommu, type=1, index=0, "
	"out_hw_queue_id=0 => $hwq, nesting_parent_iova=0x40000000, length=0x800}) = 0",
	"ram gpa=0x40000000 va=$queue length=0x1000",
	"ram gpa=0x40002000 va=$buffer length=0x1000",
	"queue @ page0=$page index=0 gpa=0x40000000 entries=128",
	"guest: write @.CONFIG 1",
	NULL,
};

static uint64_t tail_value(uint32_t commands, uint32_t entries)
{
	return commands & (2 * entries - 1); /* with the wrap flag */
}

/* --- texts --- */

static void queue_text(void *context, uint32_t number, GString *out)
{
	struct nvidia_hardware *hardware = context;
	if (number & CONTEXT_DEVICE(0)) {
		g_string_append_printf(out, "stream 0x%x", number & ~CONTEXT_DEVICE(0));
		return;
	}
	const struct vcmdq *vcmdq = &hardware->smmu->vcmdqs[number];
	g_string_append_printf(out, "VINTF%u LVCMDQ%u",
			       (unsigned)field_get(vcmdq->alloc, ALLOC_VINTF),
			       (unsigned)field_get(vcmdq->alloc, ALLOC_LVCMDQ));
}

static const char *stop_text(uint32_t error)
{
	static const char *const names[] = {
		[VCMDQ_ERR_NONE] = "no error",
		[VCMDQ_ERR_ILL_OPCODE] = "ERR 1 (ILL_OPCODE)",
		[VCMDQ_ERR_ABT] = "ERR 2 (ABT)",
		[VCMDQ_ERR_ATC_INV_SYNC] = "ERR 3 (ATC_INV_SYNC)",
		[VCMDQ_ERR_ILL_ACCESS] = "ERR 4 (ILL_ACCESS)",
	};
	return error < G_N_ELEMENTS(names) ? names[error] : "an unknown error";
}

static void guest_text(void *context, uint32_t number, GString *out)
{
	struct nvidia_hardware *hardware = context;
	const struct command_queue *queue = &hardware->smmu->vcmdqs[number].queue;
	g_string_append_printf(out, "CONS %u, %s", queue->cons, stop_text(queue->error));
	if ((queue->gerror ^ queue->gerrorn) & VCMDQ_GERROR_CONS_DRAM)
		g_string_append(out, ", CONS_DRAM_WR_ABT_ERR");
	if ((queue->gerror ^ queue->gerrorn) & VCMDQ_GERROR_INIT)
		g_string_append(out, ", CMDQ_INIT_ERR");
}

static const char *why(const struct violation *violation)
{
	if (violation->kind == VIOLATION_ESCAPED_COMMAND)
		return "the command reached what is not the queue owner's";
	switch (violation->access.path) {
	case PATH_CACHED:
		return "a cached translation is used until an invalidation and its CMD_SYNC are "
		       "done";
	case PATH_BYPASS:
		return "the stream was not translated";
	case PATH_WALKED:
		return "the tables still translate it";
	default:
		break;
	}
	return violation->access.purpose == ACCESS_POINTER_WRITE
		       ? "CONS_INDX_BASE is a physical address; stage 2 is not consulted"
		       : "VCMDQ fetches by physical address; stage 2 is not consulted";
}

static void ran_text(const struct probe *probe, GString *out)
{
	if (probe->effect == EFFECT_DOMAIN && (probe->ran[0] ^ probe->fetched[0]) & CMD_VMID)
		g_string_append_printf(out, "VMID %u substituted", probe->target);
	else if (probe->effect == EFFECT_DEVICE && (probe->ran[0] ^ probe->fetched[0]) & CMD_SID)
		g_string_append_printf(out, "StreamID 0x%x substituted", probe->target);
}

const struct platform platform_nvidia = {
	.name = "nvidia_vcmdq",
	.engine = "smmu",
	.parameters = smmu_parameters,
	.assumptions = smmu_assumptions,
	.refused = refused,
	.create = create,
	.assumed = assumed,
	.hash = hash_hardware,
	.device_key = "sid",
	.domain_key = "VMID",
	.device_limit = 512,
	.add_device = add_device,
	.set_silent = set_silent,
	.dma = dma,
	.translate = translate,
	.language = &language,
	.event_name = event_name,
	.guest_event_name = guest_event_name,
	.registers = queue_registers,
	.queue_stride = CMDQV_QUEUE_STRIDE,
	.queue_indices = CMDQV_QUEUES_MAX,
	.queue_context = queue_context,
	.tail = &queue_registers[QUEUE_TAIL],
	.tail_value = tail_value,
	.vm = vm,
	.windows = windows,
	.queue_text = queue_text,
	.stop_text = stop_text,
	.guest_text = guest_text,
	.why = why,
	.qemu = &qemu_dialect_smmuv3,
	.ran_text = ran_text,
};
