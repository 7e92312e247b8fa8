// SPDX-License-Identifier: Apache-2.0
/*
 * Paging domains: v1 tables; unmap clears, invalidates on the IOMMUs that the domain knows of, and
 * waits before it returns (9).
 */
#include "kernel_shim/drivers/amd_iommu/amd.h"

#define V1_PGSIZES (~(PAGE_SIZE - 1) & ((1ULL << 39) - 1))

struct amd_domain *to_amd_domain(struct iommu_domain *domain)
{
	return domain->driver == &amd_ops ? (struct amd_domain *)domain : NULL;
}

void amd_domain_lock(struct amd_domain *domain)
{
	mutex_lock(sched_of(domain->amd->machine), &domain->lock, "domain");
}

void amd_domain_unlock(struct amd_domain *domain)
{
	mutex_unlock(sched_of(domain->amd->machine), &domain->lock);
}

/* --- flushes --- */

/*
 * Whether the IOMMU is in the domain's list: attaching a device puts it there, a vIOMMU on the
 * domain does not (amd-viommu 12.3, 1).
 */
static bool knows_iommu(const struct amd_domain *domain)
{
	if (domain->attached > 0)
		return true;
	return !LIST_EMPTY(&domain->viommus) &&
	       kernel_option(domain->amd->machine, KERNEL_AMD_FLUSH_COVERAGE) == AMD_FLUSH_VIOMMUS;
}

/*
 * The parent's range under the guests' own DomainIDs. Devices of nested domains do not put the IOMMU
 * in the parent's list either: nobody need wait for these (amd-viommu 12.3, 1).
 */
static void queue_guest_domains(struct amd_domain *domain, uint64_t first, uint64_t last, bool pde)
{
	const struct amd_viommu *viommu;
	const struct amd_guest_domain *number;
	LIST_FOREACH (viommu, &domain->viommus, link)
		LIST_FOREACH (number, &viommu->numbers, link)
			amd_queue(domain->amd,
				  amd_command_invalidate_pages(number->host, first, last, pde));
}

/* To ATS devices, after the IOMMU itself (9). */
static void queue_iotlb(struct amd_domain *domain, uint64_t first, uint64_t last)
{
	const struct amd_device *device;
	LIST_FOREACH (device, &domain->devices, link)
		if (device->ats)
			amd_queue(domain->amd,
				  amd_command_invalidate_iotlb(device->id, device->id,
							       AMD_ATS_QUEUE_DEPTH, first, last));
}

static void queue_range(struct amd_domain *domain, uint64_t first, uint64_t last, bool pde)
{
	if (knows_iommu(domain))
		amd_queue(domain->amd, amd_command_invalidate_pages(domain->id, first, last, pde));
	queue_guest_domains(domain, first, last, pde);
	queue_iotlb(domain, first, last);
}

/* The largest that is aligned to its size, at FIRST, and ends at LAST or before: its last byte. */
static uint64_t piece_end(uint64_t first, uint64_t last)
{
	uint64_t size = 1ULL << (63 - __builtin_clzll(last - first + 1));
	uint64_t aligned = first & -first;
	return first + (aligned != 0 && aligned < size ? aligned : size) - 1;
}

/* NpCache = 1: a hypervisor may be behind it, for which no page too many is flushed (7). */
static void queue_pieces(struct amd_domain *domain, uint64_t first, uint64_t last, bool pde)
{
	while (first <= last) {
		uint64_t end = piece_end(first, last);
		queue_range(domain, first, end, pde);
		first = end + 1;
	}
}

static void send_flush(struct amd_domain *domain, uint64_t first, uint64_t last, bool pde,
		       bool waits)
{
	struct amd *amd = domain->amd;
	if (amd->np_cache && last != UINT64_MAX)
		queue_pieces(domain, first, last, pde);
	else
		queue_range(domain, first, last, pde);
	if (!knows_iommu(domain))
		return; /* no COMPLETION_WAIT either: its loop is over the same list */
	if (waits)
		amd_completion_wait(amd);
	else
		amd_completion_no_wait(amd);
}

static void flush(struct amd_domain *domain, uint64_t first, uint64_t last, bool pde)
{
	unsigned how = kernel_option(domain->amd->machine, KERNEL_UNMAP_FLUSH);
	if (how == UNMAP_FLUSH_NONE)
		return;
	amd_domain_lock(domain);
	send_flush(domain, first, last, pde, how == UNMAP_FLUSH_WAIT);
	amd_domain_unlock(domain);
}

static void flush_all(struct amd_domain *domain)
{
	amd_queue(domain->amd, amd_command_invalidate_domain(domain->id));
	amd_completion_wait(domain->amd);
}

/* --- dirty tracking (11; iommufd 4.4) --- */

struct amd_dte amd_domain_dte(const struct amd_domain *domain, uint16_t id)
{
	struct amd_dte dte = amd_dte_for(&domain->tables, id);
	dte.q[0] |= domain->dirty_tracking ? DTE_HAD : 0;
	return dte;
}

/* HAD of each device, one word of its entry; then nothing cached is clean or dirty any more. */
static int set_dirty_tracking(struct iommu_domain *iommu_domain, bool enable)
{
	struct amd_domain *domain = (struct amd_domain *)iommu_domain;
	const struct amd_device *device;
	if (domain->dirty_tracking == enable)
		return 0;
	domain->dirty_tracking = enable;
	LIST_FOREACH (device, &domain->devices, link) {
		struct amd_dte dte;
		amd_dte_read(domain->amd, device->id, &dte);
		amd_dte_write_word(domain->amd, device->id, 0,
				   enable ? dte.q[0] | DTE_HAD : dte.q[0] & ~DTE_HAD);
		amd_queue(domain->amd, amd_command_invalidate_devtab(device->id));
	}
	flush(domain, 0, UINT64_MAX, true);
	return 0;
}

static void read_dirty(struct iommu_domain *iommu_domain, uint64_t iova, uint64_t last, bool clear,
		       dirty_fn *report, void *context)
{
	struct amd_domain *domain = (struct amd_domain *)iommu_domain;
	amd_tables_read_dirty(&domain->tables, iova, last, clear, report, context);
}

/* The entry of a device that is attached to the domain itself. */
static struct amd_dte entry_of(const struct amd_domain *domain, const struct amd_device *device)
{
	struct amd_dte dte = amd_domain_dte(domain, domain->id);
	dte.q[1] |= device->ats ? DTE_I : 0;
	return dte;
}

static void iotlb_sync(struct iommu_domain *iommu_domain, uint64_t first, uint64_t last)
{
	flush((struct amd_domain *)iommu_domain, first, last, false);
}

/* --- map, unmap --- */

/* A new root: the entries of attached devices are written anew; that of a trans_devid is not. */
static void change_root(struct amd_domain *domain)
{
	struct amd_device *device;
	LIST_FOREACH (device, &domain->devices, link) {
		const struct amd_dte dte = entry_of(domain, device);
		amd_dte_update(domain->amd, device->id, &dte);
		flush_all(domain); /* the DomainID of the entry that was replaced (9) */
	}
	if (kernel_option(domain->amd->machine, KERNEL_AMD_ROOT_CHANGE) == AMD_ROOT_TRANS_DEVIDS) {
		struct amd_viommu *viommu;
		LIST_FOREACH (viommu, &domain->viommus, link) {
			amd_viommu_change_root(viommu);
			flush_all(domain);
		}
	}
	if (domain->attached == 0)
		return;
	LIST_FOREACH (device, &domain->devices, link)
		amd_queue(domain->amd, amd_command_invalidate_devtab(device->id));
	amd_completion_wait(domain->amd);
}

/* PDE, where tables are freed; only then are they another's to use (7, 9). */
static void flush_and_release(struct amd_domain *domain, uint64_t first, uint64_t last)
{
	struct amd_freed freed;
	bool pde = amd_tables_have_freed(&domain->tables);
	amd_tables_take_freed(&domain->tables, &freed);
	if (pde) { /* also those of unmaps that were not flushed */
		first = freed.first < first ? freed.first : first;
		last = freed.last > last ? freed.last : last;
	}
	flush(domain, first, last, pde);
	amd_tables_release(&domain->tables, &freed);
}

/* One for all that was queued: of the whole domain, with PDE (9). */
static void drain(void *context)
{
	struct amd_domain *domain = context;
	struct amd_freed freed;
	amd_tables_take_freed(&domain->tables, &freed);
	flush(domain, 0, UINT64_MAX, true);
	amd_tables_release(&domain->tables, &freed);
}

/* NpCache = 1: what was not present is cached, and so is what there was in place of a table. */
static void flush_mapped(struct amd_domain *domain, uint64_t first, uint64_t last)
{
	amd_domain_lock(domain);
	send_flush(domain, first, last, true, true);
	amd_domain_unlock(domain);
}

static int map(struct iommu_domain *iommu_domain, struct iova iova, struct pa pa, uint64_t length,
	       uint32_t prot, uint64_t chunk)
{
	struct amd_domain *domain = (struct amd_domain *)iommu_domain;
	bool grew = false;
	int error =
		amd_tables_map(&domain->tables, iova.value, pa.value, length, prot, chunk, &grew);
	if (grew) {
		amd_domain_lock(domain);
		change_root(domain);
		amd_domain_unlock(domain);
	}
	if (amd_tables_have_freed(&domain->tables))
		flush_and_release(domain, domain->tables.freed.first, domain->tables.freed.last);
	if (error != 0)
		return refuse(iommu_domain->machine, ENOMEM, "iommufd 3.3",
			      "no memory for a page table");
	if (domain->amd->np_cache)
		flush_mapped(domain, iova.value, iova.value + length - 1);
	return 0;
}

static void unmap(struct iommu_domain *iommu_domain, struct iova iova, uint64_t length)
{
	struct amd_domain *domain = (struct amd_domain *)iommu_domain;
	amd_tables_unmap(&domain->tables, iova.value, length);
	ledger_tables_cleared(&domain->amd->machine->ledger);
	/* Linux is never lazy with iommufd's domains (9), nor with NpCache = 1 (1). */
	if (kernel_option(domain->amd->machine, KERNEL_IOMMU_STRICT) == IOMMU_LAZY &&
	    !domain->amd->np_cache)
		flush_queue_add(&domain->unmapped);
	else
		flush_and_release(domain, iova.value, iova.value + length - 1);
}

static bool translate(struct iommu_domain *iommu_domain, struct iova iova, struct pa *pa)
{
	struct amd_domain *domain = (struct amd_domain *)iommu_domain;
	return amd_tables_find(&domain->tables, iova.value, &pa->value);
}

/* --- devices --- */

void amd_bind_device(struct amd_device *device, uint32_t holder)
{
	ledger_bind(&device->amd->machine->ledger, device->amd->engine, CONTEXT_DEVICE(device->id),
		    holder, LEDGER_NO_GUEST);
}

/* V = 1 and nothing else, then the domain's translations go (9, Detach). */
void amd_block(struct device *iommu_device)
{
	struct amd_device *device = (struct amd_device *)iommu_device;
	const struct amd_dte dte = amd_dte_blocked();
	struct amd_domain *domain = device->domain;
	amd_bind_device(device, LEDGER_IN_TRANSITION);
	amd_dte_update(device->amd, device->id, &dte);
	if (domain != NULL) {
		flush_all(domain);
		amd_domain_lock(domain);
		LIST_REMOVE(device, link);
		domain->attached--;
		amd_domain_unlock(domain);
	}
	if (device->nested != NULL)
		amd_nested_flush(device->nested);
	device->domain = NULL;
	device->nested = NULL;
	amd_bind_device(device, LEDGER_NOTHING);
}

int amd_attach(struct iommu_domain *iommu_domain, struct device *iommu_device)
{
	struct amd_domain *domain = to_amd_domain(iommu_domain);
	struct amd_device *device = (struct amd_device *)iommu_device;
	if (domain->amd != device->amd)
		return refuse(iommu_device->machine, EINVAL, "iommufd app. D attach",
			      "another IOMMU");
	if (device->domain != NULL || device->nested != NULL)
		amd_block(iommu_device); /* a change goes through the detached state (9) */
	amd_bind_device(device, LEDGER_IN_TRANSITION);
	amd_domain_lock(domain);
	LIST_INSERT_HEAD(&domain->devices, device, link);
	domain->attached++;
	amd_domain_unlock(domain);
	device->domain = domain;
	/* Not earlier: a map that gives the domain a new root knows the device from here on. */
	const struct amd_dte dte = entry_of(domain, device);
	amd_dte_update(device->amd, device->id, &dte);
	amd_bind_device(device, iommu_domain->holder);
	return 0;
}

static void free_domain(struct iommu_domain *iommu_domain)
{
	struct amd_domain *domain = (struct amd_domain *)iommu_domain;
	struct amd *amd = domain->amd;
	flush_queue_fini(&domain->unmapped);
	amd_tables_fini(&domain->tables);
	amd_give_number(amd->domains, domain->id);
	arena_delete(amd->machine->arena, domain);
}

const struct iommu_domain_ops amd_domain_ops = {
	.map = map,
	.unmap = unmap,
	.translate = translate,
	.set_dirty_tracking = set_dirty_tracking,
	.read_dirty = read_dirty,
	.iotlb_sync = iotlb_sync,
	.attach = amd_attach,
	.free = free_domain,
};

int amd_domain_alloc(struct amd *amd, bool dirty_ops, struct iommu_domain **out)
{
	struct machine *machine = amd->machine;
	struct amd_domain *domain = arena_new(machine->arena, struct amd_domain);
	mutex_init(&domain->lock);
	LIST_INIT(&domain->devices);
	LIST_INIT(&domain->viommus);
	domain->amd = amd;
	flush_queue_init(&domain->unmapped, machine, drain, domain);
	bool tables = amd_tables_init(&domain->tables, machine);
	domain->id = tables ? amd_take_number(amd->domains) : 0;
	if (domain->id == 0) {
		if (tables)
			amd_tables_fini(&domain->tables);
		arena_delete(machine->arena, domain);
		return refuse(machine, ENOMEM, "iommufd 3.3", "no memory or no DomainID");
	}
	domain->domain = (struct iommu_domain){
		.kind = IOMMU_DOMAIN_PAGING,
		.machine = machine,
		.driver = &amd_ops,
		.ops = &amd_domain_ops,
		.pgsize_bitmap = V1_PGSIZES,
		.aperture_last = UINT64_MAX,
		.dirty_ops = dirty_ops,
	};
	*out = &domain->domain;
	return 0;
}
