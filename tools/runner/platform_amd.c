// SPDX-License-Identifier: Apache-2.0
/* AMD's half: an IOMMU with hardware vIOMMU, driven by amd-iommu. */
#include <string.h>

#include "kernel_shim/drivers/amd_iommu/amd.h"
#include "models/amd_iommu/amd_iommu.h"
#include "tools/runner/command_text.h"
#include "tools/runner/platform.h"
#include "tools/runner/qemu_events.h"

/* Where firmware of a PC puts them. */
#define ECAM_BASE   0xe0000000
#define AMD_BASE    0xfed80000
#define VF_BASE     0x50000000
#define VFCNTL_BASE 0x60000000
#define OWN_DEVICE  0x0002

static const struct amd_board board = {
	.name = "amd",
	.ecam = {ECAM_BASE},
	.base = {AMD_BASE},
	.vf_base = {VF_BASE},
	.vfcntl_base = {VFCNTL_BASE},
	.own_device = OWN_DEVICE,
	.irq = 0,
};

#define DEVICES_MAX 512U

struct amd_hardware {
	struct amd_iommu *iommu;
	struct amd *driver; /* NULL: bare */
	struct amd_endpoint *endpoints[DEVICES_MAX];
};

static void *create(struct machine *machine, const struct profile *profile,
		    const struct option_set *assumptions, bool bare)
{
	struct amd_hardware *hardware = arena_new(machine->arena, struct amd_hardware);
	const struct amd_resources resources = {
		.name = board.name,
		.ecam = board.ecam,
		.own_device = board.own_device,
		.last_device = DEVICES_MAX - 1,
		.irq = board.irq,
	};
	hardware->iommu = amd_iommu_new(machine, &board, profile, assumptions);
	if (!bare)
		hardware->driver = amd_probe(machine, &resources);
	return hardware;
}

static struct option_set *assumed(void *context)
{
	struct amd_hardware *hardware = context;
	return &hardware->iommu->assumptions;
}

static void hash_hardware(void *context, struct hash *hash)
{
	struct amd_hardware *hardware = context;
	amd_iommu_hash(hardware->iommu, hash);
}

/* --- devices --- */

static struct device *add_device(void *context, uint32_t id, bool ats)
{
	struct amd_hardware *hardware = context;
	if (hardware->driver == NULL)
		return NULL;
	if (ats)
		hardware->endpoints[id] = amd_endpoint_new(hardware->iommu, (uint16_t)id);
	return &amd_device_new(hardware->driver, (uint16_t)id, ats)->device;
}

static void add_host_device(void *context, uint32_t id)
{
	struct amd_hardware *hardware = context;
	if (hardware->driver != NULL)
		amd_pass_through(hardware->driver, (uint16_t)id);
}

static void set_silent(void *context, uint32_t id, bool silent)
{
	struct amd_hardware *hardware = context;
	if (hardware->endpoints[id] != NULL)
		hardware->endpoints[id]->silent = silent;
}

static const char *event_of(const struct amd_translation *translation)
{
	return amd_event_name((unsigned)field_get(translation->event.q[0], EVT_CODE));
}

static struct platform_dma dma(void *context, uint32_t id, uint64_t iova, bool write, void *data,
			       uint32_t size)
{
	struct amd_hardware *hardware = context;
	struct amd_translation translation;
	struct amd_endpoint *endpoint = hardware->endpoints[id];
	const struct amd_request request = {
		.address = iova, .device = (uint16_t)id, .write = write};
	enum amd_translate_result result =
		endpoint != NULL
			? amd_endpoint_dma(endpoint, &request, data, size, &translation)
			: amd_dma_request(hardware->iommu, &request, data, size, &translation);
	bool ok = result == AMD_TRANSLATED;
	return (struct platform_dma){ok, translation.pa, event_of(&translation), translation.path};
}

static struct platform_translation translate(void *context, uint32_t id, uint64_t iova, bool write)
{
	struct amd_hardware *hardware = context;
	struct amd_translation translation;
	bool ok = amd_translate(hardware->iommu, (uint16_t)id, iova, write, AMD_LEAVES_BY_DOMAIN,
				&translation) == AMD_TRANSLATED;
	return (struct platform_translation){
		.ok = ok,
		.pa = translation.pa,
		.readable = translation.readable,
		.writable = translation.writable,
		.event = event_of(&translation),
	};
}

/* --- commands --- */

static const struct command_operand operands[] = {
	{"devid", CMD_DEVICE, 0, false, 0},
	{"domid", CMD_DOMAIN, 0, false, 0},
	{"pasid", CMD_PASID, 0, false, 0},
	{"addr", CMD_ADDR, 1, true, 0},
	{"s", CMD_SIZE_CODED, 1, false, 0},
	{"pde", CMD_PDE, 1, false, 0},
	{"gn", CMD_GN, 1, false, 0},
	{"store", CMD_STORE_ADDR, 0, true, CMD_STORE},
	{"data", ~0ULL, 1, true, 0},
	{"gid", CMD_GUEST, 0, false, 0},
	{"q0", ~0ULL, 0, true, 0},
	{"q1", ~0ULL, 1, true, 0},
	{NULL, 0, 0, false, 0},
};

#define OP(opcode) ((uint64_t)(opcode) << 60)

static const struct command_form forms[] = {
	{"COMPLETION_WAIT", {{OP(CMD_COMPLETION_WAIT), 0}}, {"store", "data"}},
	{"INVALIDATE_DEVTAB_ENTRY", {{OP(CMD_INVALIDATE_DEVTAB_ENTRY), 0}}, {"devid"}},
	{"INVALIDATE_IOMMU_PAGES",
	 {{OP(CMD_INVALIDATE_IOMMU_PAGES), 0}},
	 {"domid", "addr", "s", "gn"}},
	{"INVALIDATE_IOTLB_PAGES", {{OP(CMD_INVALIDATE_IOTLB_PAGES), 0}}, {"devid", "addr", "s"}},
	{"INVALIDATE_INTERRUPT_TABLE", {{OP(CMD_INVALIDATE_INTERRUPT_TABLE), 0}}, {"devid"}},
	{"PREFETCH_IOMMU_PAGES", {{OP(CMD_PREFETCH_IOMMU_PAGES), 0}}, {"devid", "addr"}},
	{"COMPLETE_PPR_REQUEST", {{OP(CMD_COMPLETE_PPR_REQUEST), 0}}, {"devid"}},
	{"INVALIDATE_IOMMU_ALL", {{OP(CMD_INVALIDATE_IOMMU_ALL), 0}}, {NULL}},
	{"INSERT_GUEST_EVENT", {{OP(CMD_INSERT_GUEST_EVENT), 0}}, {NULL}},
	{"RESET_VMMIO", {{OP(CMD_RESET_VMMIO), 0}}, {"gid"}},
	/* For scenarios of all platforms. */
	{"INVALIDATE", {{OP(CMD_INVALIDATE_IOMMU_PAGES) | 1ULL << 32, CMD_GN}}, {NULL}},
	{"WAIT", {{OP(CMD_COMPLETION_WAIT), 0}}, {NULL}},
	{NULL, {{0, 0}}, {NULL}},
};

static const struct command_language language = {CMD_OPCODE, forms, operands};

/* --- registers --- */

/* The guest's MMIO page 3 (amd-viommu 4). */
#define QUEUE_TAIL 1

static const struct platform_register queue_registers[] = {
	{"CMD_HEAD", AMD_CMD_HEAD - AMD_PAGE3, 8},
	{"CMD_TAIL", AMD_CMD_TAIL - AMD_PAGE3, 8},
	{"EVENT_HEAD", AMD_EVENT_HEAD - AMD_PAGE3, 8},
	{"EVENT_TAIL", AMD_EVENT_TAIL - AMD_PAGE3, 8},
	{"STATUS", AMD_STATUS - AMD_PAGE3, 8},
	{NULL, 0, 0},
};

static bool queue_context(void *context, struct pa pa, uint32_t *number)
{
	struct amd_hardware *hardware = context;
	uint64_t guest = (pa.value - board.vf_base.value) / VF_STRIDE;
	if (guest >= GUESTS_MAX || amd_guest_find(hardware->iommu, (uint16_t)guest) == NULL)
		return false;
	*number = (uint32_t)guest;
	return true;
}

static const struct register_window windows[] = {
	{"amd", {AMD_BASE}, AMD_WINDOW_SIZE, 8, amd_registers},
	{"vfcntl", {VFCNTL_BASE}, VFCNTL_WINDOW_SIZE, 8, NULL},
	{"vf", {VF_BASE}, VF_WINDOW_SIZE, 8, NULL},
	{"pci", {ECAM_BASE + PCI_FUNCTION(OWN_DEVICE)}, AMD_CONFIG_SIZE, 4, amd_config_registers},
	{NULL, {0}, 0, 0, NULL},
};

/*
 * A VM with a device, a vIOMMU and a queue that runs: its memory is $queue at 0x40000000 and $buffer at
 * 0x40002000, a page each.
 */
static const char *const vm[] = {
	"device vfio0 devid=0x10",
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
	"vmm: ioctl($fd, IOMMU_VIOMMU_ALLOC, {type=3, dev_id=$dev, hwpt_id=$hwpt, "
	"out_viommu_id=0 => $viommu, data_len=8, data_uptr=$data}) = 0",
	"vmm: ioctl($fd, IOMMU_VDEVICE_ALLOC, {viommu_id=$viommu, dev_id=$dev, "
	"virt_id=0x100, out_vdevice_id=0 => $vdev}) = 0",
	"vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_SHARED, $fd, 0x1000) = $page",
	"vmm: ioctl($fd, IOMMU_IOAS_MAP, {flags=7, ioas_id=$ioas, user_va=$queue, "
	"length=0x1000, iova=0x40000000}) = 0",
	"vmm: ioctl($fd, IOMMU_IOAS_MAP, {flags=7, ioas_id=$ioas, user_va=$buffer, "
	"length=0x1000, iova=0x40002000}) = 0",
	"vmm: ioctl($fd, IOMMU_HW_QUEUE_ALLOC, {viommu_id=$viommu, type=2, index=0, "
	"out_hw_queue_id=0 => $hwq, nesting_parent_iova=0x40000000, length=8}) = 0",
	"ram gpa=0x40000000 va=$queue length=0x1000",
	"ram gpa=0x40002000 va=$buffer length=0x1000",
	"queue @ page0=$page index=0 gpa=0x40000000 entries=256",
	NULL,
};

static uint64_t tail_value(uint32_t commands, uint32_t entries)
{
	return commands % entries * COMMAND_SIZE;
}

/* --- texts --- */

static void queue_text(void *context, uint32_t number, GString *out)
{
	(void)context;
	if (number & CONTEXT_DEVICE(0))
		g_string_append_printf(out, "device 0x%x", number & ~CONTEXT_DEVICE(0));
	else
		g_string_append_printf(out, "guest %u", number);
}

static const char *stop_text(uint32_t error)
{
	const char *name = amd_event_name(error);
	return name != NULL ? name : "no error";
}

/* What the guest's page and log show. */
static void guest_text(void *context, uint32_t number, GString *out)
{
	struct amd_hardware *hardware = context;
	const struct amd_guest *guest = amd_guest_find(hardware->iommu, (uint16_t)number);
	const struct amd_event_log *log = &guest->events.of[guest->events.active];
	uint32_t events =
		log->size != 0 ? ((log->tail - log->head) & (log->size - 1)) / EVENT_SIZE : 0;
	g_string_append_printf(out, "head %u, %s", guest->ring.head / COMMAND_SIZE,
			       guest->ring.halted               ? "halted"
			       : amd_ring_running(&guest->ring) ? "running"
								: "stopped");
	if (events > 0)
		g_string_append_printf(out, ", %u event%s", events, events == 1 ? "" : "s");
}

static const char *why(const struct violation *violation)
{
	if (violation->kind == VIOLATION_ESCAPED_COMMAND)
		return "the maps of ids lead to what is not the guest's";
	switch (violation->access.path) {
	case PATH_CACHED:
		return "a cached translation is used until INVALIDATE_IOMMU_PAGES and its "
		       "COMPLETION_WAIT are done";
	case PATH_DEVICE:
		return "the device keeps its translation until it has answered "
		       "INVALIDATE_IOTLB_PAGES";
	case PATH_BYPASS:
		return "the table entry forwards the guest's address untranslated";
	case PATH_WALKED:
		return "it was translated before, or the tables still lead there";
	default:
		return "the address was taken as physical";
	}
}

static void ran_text(const struct probe *probe, GString *out)
{
	if (probe->effect == EFFECT_DOMAIN && (probe->ran[0] ^ probe->fetched[0]) & CMD_DOMAIN)
		g_string_append_printf(out, "DomainID %u substituted", probe->target);
	else if (probe->effect == EFFECT_DEVICE && (probe->ran[0] ^ probe->fetched[0]) & CMD_DEVICE)
		g_string_append_printf(out, "DeviceID 0x%x substituted", probe->target);
}

const struct platform platform_amd = {
	.name = "amd_iommu",
	.engine = "amd",
	.parameters = amd_parameters,
	.assumptions = amd_assumptions,
	.create = create,
	.assumed = assumed,
	.hash = hash_hardware,
	.device_key = "devid",
	.domain_key = "DomainID",
	.device_limit = DEVICES_MAX,
	.add_device = add_device,
	.add_host_device = add_host_device,
	.set_silent = set_silent,
	.dma = dma,
	.translate = translate,
	.language = &language,
	.event_name = amd_event_name,
	.registers = queue_registers,
	.queue_stride = VF_STRIDE,
	.queue_indices = 1,
	.queue_context = queue_context,
	.tail = &queue_registers[QUEUE_TAIL],
	.tail_value = tail_value,
	.vm = vm,
	.windows = windows,
	.queue_text = queue_text,
	.stop_text = stop_text,
	.guest_text = guest_text,
	.why = why,
	.qemu = &qemu_dialect_amdvi,
	.ran_text = ran_text,
};
