// SPDX-License-Identifier: Apache-2.0
/* IOMMU_TEST_CMD: the 23 operations of the test interface (iommufd 7.1 .. 7.3). */
#include <assert.h>
#include <string.h>

#include "emu/syscall.h"
#include "kernel_shim/drivers/mock/mock.h"

#define TEST_LENGTH_MAX  (16ULL << 20)
#define DIRTY_BITS_MAX   (1ULL << 27)
#define TEMP_LIMIT_MIN   12U
#define DMABUF_PAGES_MAX 512U

/* A mock device that is bound and attached. */
struct selftest_obj {
	struct iommufd_object object;
	struct iommufd_device *idev;
	struct mock_dev *dev;
};

/* What an access pinned with one ACCESS_PAGES. */
struct access_item {
	TAILQ_ENTRY(access_item) link;
	uint32_t id;
	uint64_t iova;
	uint64_t length;
};

TAILQ_HEAD(access_items, access_item);

struct selftest_access {
	struct machine *machine;
	struct iommufd_access *access;
	struct access_items items;
	uint32_t next_item;
	bool needs_pin_pages;
};

/* --- mock devices --- */

static struct selftest_obj *get_stdev(struct iommufd_ucmd *ucmd, uint32_t id)
{
	return (struct selftest_obj *)iommufd_get_object(ucmd->ictx, id, IOMMUFD_OBJ_SELFTEST);
}

static int no_stdev(struct iommufd_ucmd *ucmd)
{
	return refuse(ucmd->machine, ENOENT, "iommufd 7.3", "no mock device has this stdev id");
}

static int no_device(struct iommufd_ucmd *ucmd)
{
	return refuse(ucmd->machine, ENOENT, "iommufd 7.3", "no device has this id");
}

void iommufd_selftest_destroy(struct iommufd_object *object)
{
	struct selftest_obj *stdev = (struct selftest_obj *)object;
	/* The kernel leaves PASIDs to the caller and is undefined without; here they go too. */
	iommufd_device_detach_all(stdev->idev);
	iommufd_device_unbind(stdev->idev);
	mock_dev_free(stdev->dev);
}

static int op_mock_domain(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd, uint32_t dev_flags)
{
	struct iommufd_ctx *ictx = ucmd->ictx;
	uint32_t pt_id = cmd->id;
	int error;
	struct selftest_obj *stdev = (struct selftest_obj *)iommufd_object_alloc(
		ictx, sizeof(*stdev), IOMMUFD_OBJ_SELFTEST, &error);
	if (stdev == NULL)
		return error;
	if (dev_flags & ~(MOCK_FLAGS_DEVICE_NO_DIRTY | MOCK_FLAGS_DEVICE_PASID)) {
		error = refuse(ucmd->machine, EINVAL, "iommufd 7.3 MOCK_DOMAIN 2",
			       "unknown dev_flags");
		goto abort;
	}
	if (no_memory(ucmd->machine, "mock device")) {
		error = -ENOMEM;
		goto abort;
	}
	stdev->dev = mock_dev_new(ucmd->machine, dev_flags);
	error = iommufd_device_bind(ictx, &stdev->dev->device, &stdev->idev);
	if (error != 0)
		goto free_dev;
	error = iommufd_device_attach(stdev->idev, 0, &pt_id);
	if (error != 0)
		goto unbind;
	cmd->mock_domain.out_stdev_id = stdev->object.id;
	cmd->mock_domain.out_hwpt_id = pt_id;
	cmd->mock_domain.out_idev_id = stdev->idev->object.id;
	error = iommufd_respond(ucmd);
	if (error != 0)
		goto detach;
	iommufd_object_publish(ictx, &stdev->object);
	return 0;
detach:
	iommufd_device_detach(stdev->idev, 0);
unbind:
	iommufd_device_unbind(stdev->idev);
free_dev:
	mock_dev_free(stdev->dev);
abort:
	iommufd_object_abort(ictx, &stdev->object);
	return error;
}

static int op_mock_domain_replace(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct selftest_obj *stdev = get_stdev(ucmd, cmd->id);
	if (stdev == NULL)
		return no_stdev(ucmd);
	uint32_t pt_id = cmd->mock_domain_replace.pt_id;
	int error = iommufd_device_replace(stdev->idev, 0, &pt_id);
	if (error == 0) {
		cmd->mock_domain_replace.pt_id = pt_id;
		error = iommufd_respond(ucmd);
	}
	iommufd_put_object(ucmd->ictx, &stdev->object);
	return error;
}

static int op_pasid_attach(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd, bool replace)
{
	struct selftest_obj *stdev = get_stdev(ucmd, cmd->id);
	if (stdev == NULL)
		return no_stdev(ucmd);
	uint32_t pasid = cmd->pasid_attach.pasid, pt_id = cmd->pasid_attach.pt_id;
	int error = replace ? iommufd_device_replace(stdev->idev, pasid, &pt_id)
			    : iommufd_device_attach(stdev->idev, pasid, &pt_id);
	if (error == 0) {
		cmd->pasid_attach.pt_id = pt_id;
		error = iommufd_respond(ucmd);
		if (error != 0 && !replace)
			iommufd_device_detach(stdev->idev, pasid);
	}
	iommufd_put_object(ucmd->ictx, &stdev->object);
	return error;
}

static int op_pasid_detach(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct selftest_obj *stdev = get_stdev(ucmd, cmd->id);
	if (stdev == NULL)
		return no_stdev(ucmd);
	iommufd_device_detach(stdev->idev, cmd->pasid_detach.pasid);
	iommufd_put_object(ucmd->ictx, &stdev->object);
	return 0;
}

static int check_hwpt(struct iommufd_ucmd *ucmd, struct iommufd_device *idev, uint32_t pasid,
		      uint32_t hwpt_id)
{
	struct iommufd_hwpt *attached = iommufd_device_hwpt(idev, pasid);
	bool match;
	if (hwpt_id == 0) {
		match = attached == NULL;
	} else {
		struct iommufd_object *object =
			iommufd_get_object(ucmd->ictx, hwpt_id, IOMMUFD_OBJ_ANY);
		if (object == NULL)
			return refuse(ucmd->machine, ENOENT, "iommufd 7.3 PASID_CHECK_HWPT",
				      "no object has this id");
		match = attached != NULL && &attached->object == object;
		iommufd_put_object(ucmd->ictx, object);
	}
	return match ? 0
		     : refuse(ucmd->machine, EINVAL, "iommufd 7.3 PASID_CHECK_HWPT",
			      "the pasid is not attached to exactly this HWPT");
}

static int op_pasid_check_hwpt(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct selftest_obj *stdev = get_stdev(ucmd, cmd->id);
	if (stdev == NULL)
		return no_stdev(ucmd);
	int error = check_hwpt(ucmd, stdev->idev, cmd->pasid_check.pasid, cmd->pasid_check.hwpt_id);
	iommufd_put_object(ucmd->ictx, &stdev->object);
	return error;
}

static int op_dev_check_cache(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct iommufd_device *idev = iommufd_get_device(ucmd->ictx, cmd->id);
	if (idev == NULL)
		return no_device(ucmd);
	const struct mock_dev *dev = mock_device(idev->device);
	uint32_t id = cmd->check_dev_cache.id;
	int error = 0;
	if (dev == NULL || id >= MOCK_DEV_CACHE_NUM || dev->cache[id] != cmd->check_dev_cache.cache)
		error = refuse(ucmd->machine, EINVAL, "iommufd 7.3 DEV_CHECK_CACHE",
			       "the cache word differs");
	iommufd_put_object(ucmd->ictx, &idev->object);
	return error;
}

static int op_trigger_iopf(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct iommufd_device *idev = iommufd_get_device(ucmd->ictx, cmd->trigger_iopf.dev_id);
	if (idev == NULL)
		return no_device(ucmd);
	struct iopf_fault fault = {
		.flags = IOMMU_PGFAULT_FLAGS_LAST_PAGE,
		.pasid = cmd->trigger_iopf.pasid,
		.grpid = cmd->trigger_iopf.grpid,
		.perm = cmd->trigger_iopf.perm,
		.addr = cmd->trigger_iopf.addr,
	};
	int error = 0;
	if (fault.pasid != 0)
		fault.flags |= IOMMU_PGFAULT_FLAGS_PASID_VALID;
	if (mock_device(idev->device) == NULL)
		error = refuse(ucmd->machine, EINVAL, "iommufd 7.3 TRIGGER_IOPF",
			       "not a mock device");
	else
		iommufd_report_iopf(idev, &fault, 1);
	iommufd_put_object(ucmd->ictx, &idev->object);
	return error;
}

static int op_trigger_vevent(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct iommufd_device *idev = iommufd_get_device(ucmd->ictx, cmd->trigger_vevent.dev_id);
	if (idev == NULL)
		return no_device(ucmd);
	const struct mock_dev *dev = mock_device(idev->device);
	int error;
	if (dev == NULL || dev->viommu == NULL || dev->vdev_id == 0) {
		error = refuse(ucmd->machine, ENOENT, "iommufd 7.3 TRIGGER_VEVENT",
			       "the device has no virt_id on a vIOMMU");
	} else {
		uint32_t virt_id = (uint32_t)dev->vdev_id;
		error = iommufd_viommu_report_event(dev->viommu->viommu,
						    IOMMU_VEVENTQ_TYPE_SELFTEST, &virt_id,
						    sizeof(virt_id));
	}
	iommufd_put_object(ucmd->ictx, &idev->object);
	return error;
}

/* --- domains --- */

static int op_add_reserved(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	uint64_t start = cmd->add_reserved.start, length = cmd->add_reserved.length, last;
	if (length == 0)
		return refuse(ucmd->machine, EINVAL, "iommufd 7.3 ADD_RESERVED", "length is 0");
	if (add_overflows(start, length - 1, &last))
		return refuse(ucmd->machine, EOVERFLOW, "iommufd 7.3 ADD_RESERVED",
			      "start + length overflows");
	struct iommufd_ioas *ioas = iommufd_get_ioas(ucmd->ictx, cmd->id);
	if (ioas == NULL)
		return refuse(ucmd->machine, ENOENT, "iommufd 7.3 ADD_RESERVED",
			      "no IOAS has this id");
	int error = iopt_reserve_iova(&ioas->iopt, start, last, NULL);
	iommufd_put_ioas(ioas);
	return error;
}

/* The page array would hold the page at VA: its physical address, as GUP finds it. */
static int page_at(struct iommufd_ucmd *ucmd, uint64_t va, struct pa *pa)
{
	uint64_t pfn, run;
	int error = mm_fault(ucmd->thread->process->mm, va_of(va), 1, 0, &pfn, &run);
	if (error != 0)
		return refuse(ucmd->machine, -error, "iommufd 7.3",
			      "the page at uptr can't be had");
	*pa = pa_of(pfn * PAGE_SIZE + page_offset(va));
	return 0;
}

static int check_map(struct iommufd_ucmd *ucmd, const struct iommu_test_cmd *cmd,
		     struct mock_domain *mock)
{
	uint64_t iova = cmd->check_map.iova, length = cmd->check_map.length;
	uint64_t uptr = cmd->check_map.uptr, end;
	if (mock == NULL)
		return refuse(ucmd->machine, EINVAL, "iommufd 7.3 MD_CHECK_MAP",
			      "not a mock paging domain");
	uint64_t granule = mock->domain.pgsize_bitmap & -mock->domain.pgsize_bitmap;
	if (((iova | length | uptr) & (granule - 1)) || add_overflows(uptr, length, &end))
		return refuse(ucmd->machine, EINVAL, "iommufd 7.3 MD_CHECK_MAP",
			      "not aligned, or uptr + length overflows");
	for (; uptr < end; uptr += granule, iova += granule) {
		struct pa pa = {0}, translated = {0};
		int error = page_at(ucmd, uptr, &pa);
		if (error != 0)
			return error;
		if (!mock->domain.ops->translate(&mock->domain, iova_of(iova), &translated) ||
		    translated.value != pa.value)
			return refuse(ucmd->machine, EINVAL, "iommufd 7.3 MD_CHECK_MAP",
				      "the domain maps another page, or none");
	}
	return 0;
}

static struct iommufd_hwpt *get_hwpt(struct iommufd_ucmd *ucmd, uint32_t id,
				     enum iommufd_object_type type)
{
	return (struct iommufd_hwpt *)iommufd_get_object(ucmd->ictx, id, type);
}

static int no_hwpt(struct iommufd_ucmd *ucmd)
{
	return refuse(ucmd->machine, ENOENT, "iommufd 7.3", "no HWPT of this kind has this id");
}

static int op_md_check_map(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct iommufd_hwpt *hwpt = get_hwpt(ucmd, cmd->id, IOMMUFD_OBJ_HWPT_PAGING);
	if (hwpt == NULL)
		return no_hwpt(ucmd);
	int error = check_map(ucmd, cmd, mock_paging_domain(hwpt->domain));
	iommufd_put_object(ucmd->ictx, &hwpt->object);
	return error;
}

static int op_md_check_refs(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	uint64_t length = cmd->check_refs.length, uptr = cmd->check_refs.uptr, end;
	if (page_offset(length | uptr) != 0 || add_overflows(uptr, length, &end))
		return refuse(ucmd->machine, EINVAL, "iommufd 7.3 MD_CHECK_REFS",
			      "not page aligned, or uptr + length overflows");
	while (uptr < end) {
		uint64_t pfn, run, same;
		uint64_t pages = (end - uptr) / PAGE_SIZE;
		int error = mm_fault(ucmd->thread->process->mm, va_of(uptr), pages, 0, &pfn, &run);
		if (error != 0)
			return refuse(ucmd->machine, -error, "iommufd 7.3 MD_CHECK_REFS",
				      "the page at uptr can't be had");
		struct frame_state frame = memory_frame(&ucmd->machine->memory, pfn, &same);
		if (!(frame.flags & FRAME_HUGE) && frame.pins != cmd->check_refs.refs)
			return refuse(ucmd->machine, EIO, "iommufd 7.3 MD_CHECK_REFS",
				      "the page has another number of pins");
		uptr += (same < run ? same : run) * PAGE_SIZE;
	}
	return 0;
}

static int set_dirty_bits(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd,
			  struct mock_domain *mock)
{
	uint64_t page = cmd->dirty.page_size, bits = cmd->dirty.length / page;
	uint64_t size = (bits + 7) / 8, count = 0;
	if (mock == NULL || !mock->tracking)
		return refuse(ucmd->machine, EINVAL, "iommufd 7.3 DIRTY",
			      "not a mock domain that tracks dirty pages");
	if (no_memory(ucmd->machine, "dirty bits"))
		return -ENOMEM;
	uint8_t *bitmap = arena_alloc(ucmd->machine->arena, size);
	int error = 0;
	if (copy_from_user(ucmd->thread, bitmap, va_of(cmd->dirty.uptr), size) != 0)
		error = refuse(ucmd->machine, EFAULT, "iommufd 7.3 DIRTY",
			       "the bitmap can't be read");
	for (uint64_t bit = 0; error == 0 && bit < bits; bit++) {
		if (!(bitmap[bit / 8] & 1U << bit % 8))
			continue;
		mock_table_set_dirty(mock, cmd->dirty.iova + bit * page);
		count++;
	}
	arena_free(ucmd->machine->arena, bitmap, size);
	if (error != 0)
		return error;
	cmd->dirty.out_nr_dirty = count;
	return iommufd_respond(ucmd);
}

static int op_dirty(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	uint64_t page = cmd->dirty.page_size, length = cmd->dirty.length;
	if (page == 0 || length == 0 || cmd->dirty.iova % page != 0 || length % page != 0 ||
	    cmd->dirty.uptr == 0)
		return refuse(ucmd->machine, EINVAL, "iommufd 7.3 DIRTY",
			      "a zero or unaligned argument");
	if (length / page > DIRTY_BITS_MAX)
		return refuse(ucmd->machine, EOVERFLOW, "iommufd 7.3 DIRTY", "too many bits");
	struct iommufd_hwpt *hwpt = get_hwpt(ucmd, cmd->id, IOMMUFD_OBJ_HWPT_PAGING);
	if (hwpt == NULL)
		return no_hwpt(ucmd);
	int error = set_dirty_bits(ucmd, cmd, mock_paging_domain(hwpt->domain));
	iommufd_put_object(ucmd->ictx, &hwpt->object);
	return error;
}

static int op_md_check_iotlb(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct iommufd_hwpt *hwpt = get_hwpt(ucmd, cmd->id, IOMMUFD_OBJ_HWPT_NESTED);
	if (hwpt == NULL)
		return no_hwpt(ucmd);
	struct mock_nested *nested = mock_nested_domain(hwpt->domain);
	uint32_t id = cmd->check_iotlb.id;
	int error = 0;
	if (nested == NULL || id >= MOCK_NESTED_DOMAIN_IOTLB_NUM ||
	    nested->iotlb[id] != cmd->check_iotlb.iotlb)
		error = refuse(ucmd->machine, EINVAL, "iommufd 7.3 MD_CHECK_IOTLB",
			       "the IOTLB word differs");
	iommufd_put_object(ucmd->ictx, &hwpt->object);
	return error;
}

/* --- accesses --- */

static void drop_item(struct selftest_access *st, struct access_item *item)
{
	TAILQ_REMOVE(&st->items, item, link);
	iommufd_access_unpin_pages(st->access, item->iova, item->length);
	arena_delete(st->machine->arena, item);
}

static void access_unmap(void *context, uint64_t iova, uint64_t length)
{
	struct selftest_access *st = context;
	uint64_t last = length == UINT64_MAX ? UINT64_MAX : iova + length - 1;
	for (struct access_item *item = TAILQ_FIRST(&st->items), *next; item != NULL; item = next) {
		next = TAILQ_NEXT(item, link);
		if (item->iova <= last && iova <= item->iova + item->length - 1)
			drop_item(st, item);
	}
}

static const struct iommufd_access_ops access_ops = {.unmap = access_unmap};
static const struct iommufd_access_ops access_ops_pin = {
	.needs_pin_pages = true,
	.unmap = access_unmap,
};

static void access_file_release(struct file *file)
{
	struct selftest_access *st = file->priv;
	if (st->access != NULL) {
		access_unmap(st, 0, UINT64_MAX);
		iommufd_access_destroy(st->access);
	}
	arena_delete(file->machine->arena, st);
}

static const struct file_ops access_fops = {
	.name = "[iommufd_test_staccess]",
	.release = access_file_release,
};

static int op_create_access(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct process *process = ucmd->thread->process;
	struct machine *machine = ucmd->machine;
	uint32_t flags = cmd->create_access.flags;
	int error = 0;
	if (flags & ~MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES)
		return refuse(machine, EOPNOTSUPP, "iommufd 7.3 CREATE_ACCESS", "unknown flags");
	if (no_memory(machine, "access file"))
		return -ENOMEM;
	int fd = fd_reserve(process);
	if (fd < 0)
		return refuse(machine, ENOMEM, "iommufd 7.3 CREATE_ACCESS",
			      "no descriptor is free");
	struct selftest_access *st = arena_new(machine->arena, struct selftest_access);
	st->machine = machine;
	st->needs_pin_pages = flags & MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES;
	TAILQ_INIT(&st->items);
	struct file *file = file_new(machine, &access_fops, st, O_RDWR_BIT | O_CLOEXEC_BIT);
	st->access = iommufd_access_create(
		ucmd->ictx, st->needs_pin_pages ? &access_ops_pin : &access_ops, st, &error);
	if (error == 0)
		error = iommufd_access_attach(st->access, cmd->id);
	if (error == 0) {
		cmd->create_access.out_access_fd = (uint32_t)fd;
		error = iommufd_respond(ucmd);
	}
	if (error != 0) {
		struct rule rule = machine->rule;
		fd_release(process, fd);
		file_put(file);
		machine->rule = rule;
		return error;
	}
	fd_install_at(process, fd, file);
	return 0;
}

/* The access behind a descriptor, with a file reference; NULL: EBADFD. */
static struct file *get_access(struct iommufd_ucmd *ucmd, uint32_t fd)
{
	struct file *file = fd_file(ucmd->thread->process, (int)fd);
	if (file == NULL || file->ops != &access_fops) {
		refuse(ucmd->machine, EBADFD, "iommufd 7.3", "not an access descriptor");
		return NULL;
	}
	file_get(file);
	return file;
}

static int op_access_replace_ioas(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct file *file = get_access(ucmd, cmd->id);
	if (file == NULL)
		return -EBADFD;
	struct selftest_access *st = file->priv;
	int error = iommufd_access_replace(st->access, cmd->access_replace_ioas.ioas_id);
	file_put(file);
	return error;
}

/* Compares the pinned frames, run by run, with the pages at the caller's pointer. */
struct page_check {
	struct iommufd_ucmd *ucmd;
	uint64_t uptr; /* 0: do not compare */
	uint64_t done; /* pages */
};

static int check_pinned(void *context, uint64_t pfn, uint64_t count)
{
	struct page_check *check = context;
	for (uint64_t i = 0; check->uptr != 0 && i < count; i++, check->done++) {
		struct pa pa = {0};
		int error = page_at(check->ucmd, check->uptr + check->done * PAGE_SIZE, &pa);
		if (error != 0)
			return error;
		if (pa_pfn(pa) != pfn + i)
			return refuse(check->ucmd->machine, EBADE, "iommufd 7.3 ACCESS_PAGES",
				      "the pinned page is not the page at uptr");
	}
	return 0;
}

static int pin_item(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd,
		    struct selftest_access *st)
{
	uint64_t iova = cmd->access_pages.iova, length = cmd->access_pages.length;
	uint32_t flags = cmd->access_pages.flags;
	struct page_check check = {.ucmd = ucmd, .uptr = cmd->access_pages.uptr};
	if (!st->needs_pin_pages)
		return refuse(ucmd->machine, EOPNOTSUPP, "iommufd 7.3 ACCESS_PAGES",
			      "the access was made without NEEDS_PIN_PAGES");
	if ((flags & MOCK_FLAGS_ACCESS_SYZ) && st->access->ioas != NULL)
		iommufd_test_syz_conv_iova(ucmd->ictx, st->access->ioas->object.id, &iova, &flags);
	if (check.uptr != 0)
		check.uptr -= page_offset(iova);
	if (no_memory(ucmd->machine, "pages array"))
		return -ENOMEM;
	int error = iommufd_access_pin_pages(
		st->access, iova, length,
		flags & MOCK_FLAGS_ACCESS_WRITE ? ACCESS_WRITE : ACCESS_READ, check_pinned, &check);
	if (error != 0)
		return error;
	struct access_item *item = arena_new(ucmd->machine->arena, struct access_item);
	item->iova = iova;
	item->length = length;
	item->id = st->next_item++;
	TAILQ_INSERT_TAIL(&st->items, item, link);
	cmd->access_pages.out_access_pages_id = item->id;
	error = iommufd_respond(ucmd);
	if (error != 0)
		drop_item(st, item);
	return error;
}

static int op_access_pages(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	if (cmd->access_pages.length > TEST_LENGTH_MAX)
		return refuse(ucmd->machine, ENOMEM, "iommufd 7.3 ACCESS_PAGES", "above 16 MiB");
	if (cmd->access_pages.flags & ~(MOCK_FLAGS_ACCESS_WRITE | MOCK_FLAGS_ACCESS_SYZ))
		return refuse(ucmd->machine, EOPNOTSUPP, "iommufd 7.3 ACCESS_PAGES",
			      "unknown flags");
	struct file *file = get_access(ucmd, cmd->id);
	if (file == NULL)
		return -EBADFD;
	int error = pin_item(ucmd, cmd, file->priv);
	file_put(file);
	return error;
}

static int op_destroy_access_pages(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct file *file = get_access(ucmd, cmd->id);
	if (file == NULL)
		return -EBADFD;
	struct selftest_access *st = file->priv;
	struct access_item *item;
	int error = 0;
	TAILQ_FOREACH (item, &st->items, link)
		if (item->id == cmd->destroy_access_pages.access_pages_id)
			break;
	if (item == NULL)
		error = refuse(ucmd->machine, ENOENT, "iommufd 7.3 DESTROY_ACCESS_PAGES",
			       "no item has this id");
	else
		drop_item(st, item);
	file_put(file);
	return error;
}

static int access_rw(struct iommufd_ucmd *ucmd, const struct iommu_test_cmd *cmd,
		     struct selftest_access *st, void *data)
{
	uint64_t iova = cmd->access_rw.iova, length = cmd->access_rw.length;
	uint32_t flags = cmd->access_rw.flags;
	struct va uptr = va_of(cmd->access_rw.uptr);
	bool writes = flags & MOCK_ACCESS_RW_WRITE, stated;
	if ((flags & MOCK_FLAGS_ACCESS_SYZ) && st->access->ioas != NULL)
		iommufd_test_syz_conv_iova(ucmd->ictx, st->access->ioas->object.id, &iova, &flags);
	if (writes && copy_from_user(ucmd->thread, data, uptr, length) != 0)
		return refuse(ucmd->machine, EFAULT, "iommufd 7.3 ACCESS_RW",
			      "the bytes at uptr can't be read");
	int error = iommufd_access_rw(st->access, ucmd->thread, iova, data, length,
				      flags & (ACCESS_WRITE | ACCESS_SLOW_PATH), &stated);
	if (error != 0 || writes)
		return error;
	if (copy_to_user(ucmd->thread, uptr, data, length) != 0)
		return refuse(ucmd->machine, EFAULT, "iommufd 7.3 ACCESS_RW",
			      "the bytes at uptr can't be written");
	ucmd->thread->call->from_memory = true;
	ucmd->thread->call->unstated = !stated;
	return 0;
}

static int op_access_rw(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	uint32_t known = MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH | MOCK_FLAGS_ACCESS_SYZ;
	uint64_t length = cmd->access_rw.length;
	if (length > TEST_LENGTH_MAX)
		return refuse(ucmd->machine, ENOMEM, "iommufd 7.3 ACCESS_RW", "above 16 MiB");
	if (cmd->access_rw.flags & ~known)
		return refuse(ucmd->machine, EOPNOTSUPP, "iommufd 7.3 ACCESS_RW", "unknown flags");
	struct file *file = get_access(ucmd, cmd->id);
	if (file == NULL)
		return -EBADFD;
	int error = -ENOMEM;
	if (!no_memory(ucmd->machine, "rw buffer")) {
		void *data = arena_alloc(ucmd->machine->arena, length);
		error = access_rw(ucmd, cmd, file->priv, data);
		arena_free(ucmd->machine->arena, data, length);
	}
	file_put(file);
	return error;
}

/* The n-th area and an offset in it, for fuzzers that can't know addresses (2.7 step 0). */
void iommufd_test_syz_conv_iova(struct iommufd_ctx *ictx, uint32_t ioas_id, uint64_t *iova,
				uint32_t *flags)
{
	if (!(*flags & MOCK_FLAGS_ACCESS_SYZ))
		return;
	*flags &= ~MOCK_FLAGS_ACCESS_SYZ;
	struct iommufd_ioas *ioas = iommufd_get_ioas(ictx, ioas_id);
	if (ioas == NULL)
		return;
	struct iopt_area *area = iopt_area_from(&ioas->iopt, 0);
	for (uint32_t n = (uint32_t)*iova; area != NULL && n > 0; n--)
		area = iopt_area_next(area);
	*iova = area != NULL ? area->iova + (*iova >> 32) : 0;
	iommufd_put_ioas(ioas);
}

/* --- dma-buf --- */

static int op_dmabuf_get(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct machine *machine = ucmd->machine;
	uint64_t length = align_up(cmd->dmabuf_get.length, PAGE_SIZE), pages = length / PAGE_SIZE;
	if (length == 0 || pages > DMABUF_PAGES_MAX)
		return refuse(machine, EINVAL, "iommufd 7.3 DMABUF_GET", "0 or above 512 pages");
	if (no_memory(machine, "dma-buf"))
		return -ENOMEM;
	struct dmabuf *dmabuf = arena_new(machine->arena, struct dmabuf);
	dmabuf->machine = machine;
	dmabuf->length = length;
	LIST_INIT(&dmabuf->importers);
	if (memory_alloc(&machine->memory, OWNER_KERNEL, pages, pages, 1, 0, &dmabuf->pfn) == 0) {
		arena_delete(machine->arena, dmabuf);
		return refuse(machine, ENOMEM, "iommufd 7.3 DMABUF_GET", "no memory");
	}
	struct file *file = file_new(machine, &dmabuf_file_ops, dmabuf, cmd->dmabuf_get.open_flags);
	int fd = fd_install(ucmd->thread->process, file);
	if (fd < 0) {
		file_put(file);
		return refuse(machine, EMFILE, "iommufd 7.3 DMABUF_GET", "no descriptor is free");
	}
	return 0; /* [Q] 7.3: not the descriptor */
}

static int op_dmabuf_revoke(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct file *file = fd_file(ucmd->thread->process, cmd->dmabuf_revoke.dmabuf_fd);
	if (file == NULL)
		return refuse(ucmd->machine, EBADF, "iommufd 7.3 DMABUF_REVOKE", "fd is not open");
	if (file->ops != &dmabuf_file_ops)
		return refuse(ucmd->machine, EINVAL, "iommufd 7.3 DMABUF_REVOKE", "not a dma-buf");
	struct dmabuf *dmabuf = file->priv;
	dmabuf->revoked = cmd->dmabuf_revoke.revoked;
	iopt_dmabuf_revoke(dmabuf);
	return 0;
}

static int op_set_temp_memory_limit(struct iommufd_ucmd *ucmd, struct iommu_test_cmd *cmd)
{
	struct iommufd_module *module = ucmd->machine->kernel;
	if (cmd->memory_limit.limit < TEMP_LIMIT_MIN)
		return refuse(ucmd->machine, EINVAL, "iommufd 7.3 SET_TEMP_MEMORY_LIMIT",
			      "limit below 12");
	module->temp_memory_limit = cmd->memory_limit.limit;
	return 0;
}

/* IOMMU_TEST_CMD (7) */
int iommufd_test(struct iommufd_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = ucmd->cmd;
	switch (cmd->op) {
	case IOMMU_TEST_OP_ADD_RESERVED:
		return op_add_reserved(ucmd, cmd);
	case IOMMU_TEST_OP_MOCK_DOMAIN:
		return op_mock_domain(ucmd, cmd, 0);
	case IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS:
		return op_mock_domain(ucmd, cmd, cmd->mock_domain_flags.dev_flags);
	case IOMMU_TEST_OP_MD_CHECK_MAP:
		return op_md_check_map(ucmd, cmd);
	case IOMMU_TEST_OP_MD_CHECK_REFS:
		return op_md_check_refs(ucmd, cmd);
	case IOMMU_TEST_OP_CREATE_ACCESS:
		return op_create_access(ucmd, cmd);
	case IOMMU_TEST_OP_DESTROY_ACCESS_PAGES:
		return op_destroy_access_pages(ucmd, cmd);
	case IOMMU_TEST_OP_ACCESS_PAGES:
		return op_access_pages(ucmd, cmd);
	case IOMMU_TEST_OP_ACCESS_RW:
		return op_access_rw(ucmd, cmd);
	case IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT:
		return op_set_temp_memory_limit(ucmd, cmd);
	case IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE:
		return op_mock_domain_replace(ucmd, cmd);
	case IOMMU_TEST_OP_ACCESS_REPLACE_IOAS:
		return op_access_replace_ioas(ucmd, cmd);
	case IOMMU_TEST_OP_DIRTY:
		return op_dirty(ucmd, cmd);
	case IOMMU_TEST_OP_MD_CHECK_IOTLB:
		return op_md_check_iotlb(ucmd, cmd);
	case IOMMU_TEST_OP_TRIGGER_IOPF:
		return op_trigger_iopf(ucmd, cmd);
	case IOMMU_TEST_OP_DEV_CHECK_CACHE:
		return op_dev_check_cache(ucmd, cmd);
	case IOMMU_TEST_OP_TRIGGER_VEVENT:
		return op_trigger_vevent(ucmd, cmd);
	case IOMMU_TEST_OP_PASID_ATTACH:
		return op_pasid_attach(ucmd, cmd, false);
	case IOMMU_TEST_OP_PASID_REPLACE:
		return op_pasid_attach(ucmd, cmd, true);
	case IOMMU_TEST_OP_PASID_DETACH:
		return op_pasid_detach(ucmd, cmd);
	case IOMMU_TEST_OP_PASID_CHECK_HWPT:
		return op_pasid_check_hwpt(ucmd, cmd);
	case IOMMU_TEST_OP_DMABUF_GET:
		return op_dmabuf_get(ucmd, cmd);
	case IOMMU_TEST_OP_DMABUF_REVOKE:
		return op_dmabuf_revoke(ucmd, cmd);
	default:
		return refuse(ucmd->machine, EOPNOTSUPP, "iommufd 7.1", "unknown op");
	}
}
