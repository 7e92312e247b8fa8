// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/object_model.h"

#include <errno.h>
#include <string.h>

#define PAGE            4096ULL
#define HWPT_FLAGS      0xfU
#define NESTED_FLAGS    (IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID)
#define SELFTEST_TYPE   0xdeadbeefU
#define EVENT_TYPE      0xbeefbeefU
#define HWPT_DATA       0xdeadU
#define HW_INFO_TYPE    0xfeedbeefU
#define CACHE_INITIAL   0xbaddadU
#define PASID_SPECIAL   1024U
#define SPECIAL         4U /* its place in kobj_pasids */
#define REGION_SIZE     0x2000U
#define REGION_FIRST    0x1000U
#define DIRTY_BITS_MAX  (1ULL << 27)
#define SEQUENCE_MASK   0x7fffffffU
#define BUFFER_ENTRIES  349525U /* of a vIOMMU's invalidation (7.5) */
#define ENTRIES_MAX     (1U << 19)
#define DMA_BUF_PAGES   512U
#define MOCK_TEMP_LIMIT 12U

const uint32_t kobj_pasids[PASIDS] = {0, 1, 2, 3, PASID_SPECIAL};

/* --- objects (1.4, 1.5, 1.6, App. B) --- */

static bool is(const struct kobj_model *model, uint32_t id, enum kobj_kind kind)
{
	return id != 0 && id < KOBJS_MAX && model->objects[id].kind == kind;
}

static struct kobj *get(struct kobj_model *model, uint32_t id, enum kobj_kind kind)
{
	return is(model, id, kind) ? &model->objects[id] : NULL;
}

const struct kobj *kobj_get(const struct kobj_model *model, uint32_t id, enum kobj_kind kind)
{
	return is(model, id, kind) ? &model->objects[id] : NULL;
}

/* Of an object of any kind. */
static enum kobj_kind kind_of(const struct kobj_model *model, uint32_t id)
{
	if (id == 0 || id >= KOBJS_MAX || model->objects[id].kind == KOBJ_TOMBSTONE)
		return KOBJ_NONE;
	return model->objects[id].kind;
}

static uint32_t id_of(const struct kobj_model *model, const struct kobj *object)
{
	return (uint32_t)(object - model->objects);
}

/* The lowest free id; 0: the model is full. */
static uint32_t free_id(const struct kobj_model *model)
{
	for (uint32_t id = 1; id < KOBJS_MAX - 4; id++)
		if (model->objects[id].kind == KOBJ_NONE)
			return id;
	return 0;
}

static struct kobj *make(struct kobj_model *model, enum kobj_kind kind)
{
	struct kobj *object = &model->objects[free_id(model)];
	memset(object, 0, sizeof(*object));
	object->kind = kind;
	return object;
}

static bool is_hwpt(const struct kobj *object)
{
	return object->kind == KOBJ_PAGING || object->kind == KOBJ_NESTED;
}

static bool uses(const struct kobj *user, uint32_t id)
{
	switch (user->kind) {
	case KOBJ_PAGING:
	case KOBJ_NESTED:
		return user->parent == id || user->fault == id;
	case KOBJ_VIOMMU:
	case KOBJ_VDEVICE:
	case KOBJ_VEVENTQ:
		return user->parent == id;
	case KOBJ_HW_QUEUE:
		return user->parent == id || user->below == id || user->access == id;
	case KOBJ_ACCESS:
		return user->parent == id;
	case KOBJ_SELFTEST:
		return user->device == id;
	case KOBJ_DEVICE:
		for (uint32_t i = 0; i < PASIDS; i++)
			if (user->attached[i] == id)
				return true;
		return false;
	default:
		return false;
	}
}

uint32_t kobj_users(const struct kobj_model *model, uint32_t id)
{
	uint32_t users = 0;
	for (uint32_t i = 1; i < KOBJS_MAX; i++)
		users += uses(&model->objects[i], id);
	for (uint32_t fd = 0; fd < KOBJ_FDS; fd++)
		users += model->fds[fd] == id;
	return users;
}

static bool has_domain(const struct kobj_model *model, uint32_t ioas)
{
	for (uint32_t id = 1; id < KOBJS_MAX; id++)
		if (model->objects[id].kind == KOBJ_PAGING && model->objects[id].parent == ioas)
			return true;
	return false;
}

uint32_t kobj_pins(const struct kobj_model *model)
{
	uint32_t pins = 0;
	for (uint32_t id = 1; id < KOBJS_MAX; id++)
		pins += model->objects[id].kind == KOBJ_IOAS && model->objects[id].mapped &&
			has_domain(model, id);
	return pins;
}

static uint32_t free_fd(const struct kobj_model *model)
{
	uint32_t fd = 0;
	while (model->fds[fd] != 0)
		fd++;
	return fd;
}

static void remove_automatic(struct kobj_model *model, uint32_t id)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < model->automatic_count; i++)
		if (model->automatic[i] != id)
			model->automatic[kept++] = model->automatic[i];
	model->automatic_count = kept;
}

static void drop(struct kobj_model *model, uint32_t id)
{
	remove_automatic(model, id);
	memset(&model->objects[id], 0, sizeof(struct kobj));
}

/* --- IOAS, with its one area (2) --- */

int64_t kobj_ioas_alloc(struct kobj_model *model, struct iommu_ioas_alloc *cmd)
{
	if (cmd->flags != 0)
		return -EOPNOTSUPP;
	if (free_id(model) == 0)
		return KOBJ_SKIP;
	cmd->out_ioas_id = id_of(model, make(model, KOBJ_IOAS));
	return 0;
}

int64_t kobj_map(struct kobj_model *model, uint32_t ioas)
{
	struct kobj *object = get(model, ioas, KOBJ_IOAS);
	if (object == NULL)
		return -ENOENT;
	if (object->mapped)
		return -EEXIST;
	object->mapped = true;
	return 0;
}

/* The area goes, unless a HW queue has it. */
static int64_t unmap_area(struct kobj_model *model, uint32_t ioas)
{
	for (uint32_t id = 1; id < KOBJS_MAX; id++)
		if (model->objects[id].kind == KOBJ_ACCESS && model->objects[id].parent == ioas)
			return -EBUSY;
	model->objects[ioas].mapped = false;
	for (uint32_t id = 1; id < KOBJS_MAX; id++)
		if (model->objects[id].kind == KOBJ_PAGING && model->objects[id].parent == ioas)
			memset(model->objects[id].dirty, 0, sizeof(model->objects[id].dirty));
	return 0;
}

int64_t kobj_unmap(struct kobj_model *model, struct iommu_ioas_unmap *cmd)
{
	struct kobj *object = get(model, cmd->ioas_id, KOBJ_IOAS);
	if (object == NULL || !object->mapped)
		return -ENOENT;
	if (cmd->length == AREA_PAGES * PAGE)
		return unmap_area(model, cmd->ioas_id);
	for (uint32_t id = 1; id < KOBJS_MAX; id++)
		if (model->objects[id].kind == KOBJ_ACCESS &&
		    model->objects[id].parent == cmd->ioas_id)
			return -EBUSY; /* before a part of an area is ENOENT */
	return -ENOENT;
}

int64_t kobj_vfio(const struct kobj_model *model, uint32_t request, uint64_t arg)
{
	if (request == VFIO_GET_API_VERSION)
		return 0;
	if (request == VFIO_SET_IOMMU) {
		if (arg != VFIO_TYPE1v2_IOMMU)
			return -EINVAL;
		return model->compat == 0 ? -ENODEV : 0;
	}
	switch (arg) {
	case 1: /* TYPE1, TYPE1v2, UNMAP_ALL */
	case 3:
	case 9:
		return 1;
	case 4: /* DMA_CC: the mock enforces nothing */
		if (model->compat == 0)
			return -ENODEV;
		return has_domain(model, model->compat) ? 0 : 1;
	default:
		return 0;
	}
}

int64_t kobj_vfio_map(struct kobj_model *model, const struct vfio_iommu_type1_dma_map *cmd)
{
	if (cmd->argsz < sizeof(*cmd) ||
	    cmd->flags & ~(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE))
		return -EINVAL;
	return model->compat == 0 ? -ENODEV : kobj_map(model, model->compat);
}

int64_t kobj_vfio_unmap(struct kobj_model *model, struct vfio_iommu_type1_dma_unmap *cmd,
			bool *written)
{
	bool all = cmd->flags & VFIO_DMA_UNMAP_FLAG_ALL;
	*written = false;
	if (cmd->argsz < sizeof(*cmd) || cmd->flags & ~VFIO_DMA_UNMAP_FLAG_ALL)
		return -EINVAL;
	if (model->compat == 0)
		return -ENODEV;
	if (all && (cmd->iova != 0 || cmd->size != 0))
		return -EINVAL;
	*written = true;
	cmd->size = 0;
	if (!model->objects[model->compat].mapped)
		return 0;
	int64_t error = unmap_area(model, model->compat);
	if (error == 0)
		cmd->size = AREA_PAGES * PAGE;
	return error;
}

int64_t kobj_vfio_ioas(struct kobj_model *model, struct iommu_vfio_ioas *cmd)
{
	if (cmd->__reserved != 0)
		return -EOPNOTSUPP;
	switch (cmd->op) {
	case IOMMU_VFIO_IOAS_GET:
		if (model->compat == 0)
			return -ENODEV;
		cmd->ioas_id = model->compat;
		return 0;
	case IOMMU_VFIO_IOAS_SET:
		if (get(model, cmd->ioas_id, KOBJ_IOAS) == NULL)
			return -ENOENT;
		model->compat = cmd->ioas_id;
		return 0;
	case IOMMU_VFIO_IOAS_CLEAR:
		model->compat = 0;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* --- attachments (4.6, 7.4) --- */

/* Faults that came through the attachment are answered. */
static void drop_groups(struct kobj_model *model, uint32_t device, uint32_t place)
{
	for (uint32_t id = 1; id < KOBJS_MAX; id++) {
		struct kobj *fault = &model->objects[id];
		uint32_t kept = 0;
		if (fault->kind != KOBJ_FAULT)
			continue;
		for (uint32_t i = 0; i < fault->count; i++)
			if (fault->groups[i].device != device || fault->groups[i].through != place)
				fault->groups[kept++] = fault->groups[i];
		fault->count = kept;
	}
}

static void let_go(struct kobj_model *model, uint32_t device, uint32_t place)
{
	uint32_t old = model->objects[device].attached[place];
	drop_groups(model, device, place);
	model->objects[device].attached[place] = 0;
	if (model->objects[old].automatic && kobj_users(model, old) == 0)
		drop(model, old);
}

static bool compatible(const struct kobj *hwpt)
{
	return hwpt->flags & IOMMU_HWPT_ALLOC_PASID;
}

/* PASID compatibility (4.6). */
static bool pasids_fit(const struct kobj_model *model, const struct kobj *device, uint32_t place,
		       const struct kobj *hwpt)
{
	if (place > 0) {
		uint32_t rid = device->attached[0];
		return compatible(hwpt) && (rid == 0 || compatible(&model->objects[rid]));
	}
	for (uint32_t i = 1; i < PASIDS; i++)
		if (device->attached[i] != 0 && !compatible(hwpt))
			return false;
	return true;
}

static struct kobj *vdevice_of(struct kobj_model *model, uint32_t device)
{
	for (uint32_t id = 1; id < KOBJS_MAX; id++)
		if (model->objects[id].kind == KOBJ_VDEVICE && model->objects[id].device == device)
			return &model->objects[id];
	return NULL;
}

/* The mock driver's attach. */
static int64_t set_domain(struct kobj_model *model, uint32_t id, uint32_t place, uint32_t hwpt_id)
{
	struct kobj *device = &model->objects[id];
	const struct kobj *hwpt = &model->objects[hwpt_id];
	if (place > 0 && !(device->flags & MOCK_FLAGS_DEVICE_PASID))
		return -EINVAL;
	if (place == SPECIAL) {
		device->armed = !device->armed;
		return device->armed ? 0 : -ENOMEM;
	}
	if (place > 0)
		return 0;
	if (device->flags & MOCK_FLAGS_DEVICE_NO_DIRTY &&
	    hwpt->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING && hwpt->kind == KOBJ_PAGING)
		return -EINVAL;
	if (hwpt->kind != KOBJ_NESTED || model->objects[hwpt->parent].kind != KOBJ_VIOMMU) {
		device->cached_viommu = 0;
		return 0;
	}
	const struct kobj *vdevice = vdevice_of(model, id);
	if (vdevice == NULL || vdevice->parent != hwpt->parent)
		return -ENOENT;
	if (device->cached_viommu == hwpt->parent)
		return 0;
	device->cached_viommu = hwpt->parent;
	device->cached_virt_id = (uint32_t)vdevice->virt_id;
	return 0;
}

/* Attach or replace to a HWPT. */
static int64_t attach_hwpt(struct kobj_model *model, uint32_t id, uint32_t place, uint32_t hwpt,
			   bool replace)
{
	struct kobj *device = &model->objects[id];
	if (!replace && device->attached[place] != 0)
		return -EBUSY;
	if (replace && device->attached[place] == 0)
		return -EINVAL;
	if (device->attached[place] == hwpt)
		return 0;
	if (!pasids_fit(model, device, place, &model->objects[hwpt]))
		return -EINVAL;
	int64_t error = set_domain(model, id, place, hwpt);
	if (error != 0)
		return error;
	uint32_t old = device->attached[place];
	device->attached[place] = hwpt;
	if (old == 0)
		return 0;
	drop_groups(model, id, place);
	if (model->objects[old].automatic && kobj_users(model, old) == 0)
		drop(model, old);
	return 0;
}

static int64_t attach(struct kobj_model *model, uint32_t id, uint32_t place, uint32_t *pt,
		      bool replace)
{
	enum kobj_kind kind = kind_of(model, *pt);
	if (kind == KOBJ_NONE)
		return -ENOENT;
	if (kind == KOBJ_PAGING || kind == KOBJ_NESTED)
		return attach_hwpt(model, id, place, *pt, replace);
	if (kind != KOBJ_IOAS)
		return -EINVAL;
	for (uint32_t i = 0; i < model->automatic_count; i++) {
		uint32_t hwpt = model->automatic[i];
		if (model->objects[hwpt].parent != *pt)
			continue;
		int64_t error = attach_hwpt(model, id, place, hwpt, replace);
		if (error == -EINVAL)
			continue;
		if (error == 0)
			*pt = hwpt;
		return error;
	}
	struct kobj *hwpt = make(model, KOBJ_PAGING);
	hwpt->parent = *pt;
	hwpt->automatic = true;
	int64_t error = attach_hwpt(model, id, place, id_of(model, hwpt), replace);
	if (error != 0) {
		memset(hwpt, 0, sizeof(*hwpt));
		return error;
	}
	*pt = id_of(model, hwpt);
	model->automatic[model->automatic_count++] = *pt;
	return 0;
}

/* --- HWPTs (4.1) --- */

/* The mock's data (7.4); on a paging HWPT it may be absent. */
static int64_t check_data(const struct iommu_hwpt_alloc *cmd, const uint32_t *data)
{
	if (cmd->data_len == 0)
		return 0;
	if (cmd->data_type != HWPT_DATA)
		return -EOPNOTSUPP;
	if (cmd->data_len < 4 || cmd->data_len > 8)
		return -EINVAL;
	return data == NULL ? -EFAULT : 0;
}

static int64_t paging_on_ioas(const struct kobj *device, const struct iommu_hwpt_alloc *cmd,
			      const uint32_t *data)
{
	if (cmd->flags & ~HWPT_FLAGS)
		return -EOPNOTSUPP;
	if (cmd->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING &&
	    device->flags & MOCK_FLAGS_DEVICE_NO_DIRTY)
		return -EOPNOTSUPP;
	if (cmd->flags & IOMMU_HWPT_FAULT_ID_VALID && cmd->flags & IOMMU_HWPT_ALLOC_NEST_PARENT)
		return -EOPNOTSUPP;
	return check_data(cmd, data);
}

static int64_t nested_on_hwpt(const struct kobj *parent, const struct iommu_hwpt_alloc *cmd,
			      const uint32_t *data)
{
	if (cmd->flags & ~NESTED_FLAGS || cmd->data_len == 0)
		return -EOPNOTSUPP;
	if (parent->automatic || !(parent->flags & IOMMU_HWPT_ALLOC_NEST_PARENT))
		return -EINVAL;
	return check_data(cmd, data);
}

static int64_t nested_on_viommu(const struct iommu_hwpt_alloc *cmd, const uint32_t *data)
{
	if (cmd->flags & ~NESTED_FLAGS || cmd->data_len == 0)
		return -EOPNOTSUPP;
	return check_data(cmd, data);
}

int64_t kobj_hwpt_alloc(struct kobj_model *model, struct iommu_hwpt_alloc *cmd,
			const uint32_t *data)
{
	if (cmd->__reserved != 0)
		return -EOPNOTSUPP;
	if ((cmd->data_type == 0) != (cmd->data_len == 0))
		return -EINVAL;
	const struct kobj *device = get(model, cmd->dev_id, KOBJ_DEVICE);
	if (device == NULL)
		return -ENOENT;
	enum kobj_kind kind = kind_of(model, cmd->pt_id);
	int64_t error = -EINVAL;
	if (kind == KOBJ_IOAS)
		error = paging_on_ioas(device, cmd, data);
	else if (kind == KOBJ_PAGING)
		error = nested_on_hwpt(&model->objects[cmd->pt_id], cmd, data);
	else if (kind == KOBJ_VIOMMU)
		error = nested_on_viommu(cmd, data);
	if (error != 0)
		return error;
	if (cmd->flags & IOMMU_HWPT_FAULT_ID_VALID && get(model, cmd->fault_id, KOBJ_FAULT) == NULL)
		return -ENOENT;
	if (free_id(model) == 0)
		return KOBJ_SKIP;
	struct kobj *hwpt = make(model, kind == KOBJ_IOAS ? KOBJ_PAGING : KOBJ_NESTED);
	hwpt->flags = cmd->flags;
	hwpt->parent = cmd->pt_id;
	hwpt->fault = cmd->flags & IOMMU_HWPT_FAULT_ID_VALID ? cmd->fault_id : 0;
	for (uint32_t i = 0; i < 4 && hwpt->kind == KOBJ_NESTED; i++)
		hwpt->words[i] = data[0];
	cmd->out_hwpt_id = id_of(model, hwpt);
	return 0;
}

/* --- invalidation (4.2, 7.5) --- */

static int64_t invalidate_word(struct kobj *object, uint32_t flags, uint32_t which)
{
	if (which > 3)
		return -EINVAL;
	if (flags & IOMMU_TEST_INVALIDATE_FLAG_ALL)
		memset(object->words, 0, sizeof(object->words));
	else
		object->words[which] = 0;
	return 0;
}

static int64_t invalidate_nested(struct kobj *nested, const struct iommu_hwpt_invalidate *cmd,
				 const uint8_t *entries, uint32_t *done)
{
	if (cmd->data_type != SELFTEST_TYPE)
		return -EINVAL;
	for (; *done < cmd->entry_num; ++*done) {
		uint32_t entry[2];
		if (cmd->entry_len != sizeof(entry))
			return -EINVAL;
		if (entries == NULL)
			return -EFAULT;
		memcpy(entry, entries + *done * sizeof(entry), sizeof(entry));
		if (entry[0] & ~IOMMU_TEST_INVALIDATE_FLAG_ALL)
			return -EOPNOTSUPP;
		int64_t error = invalidate_word(nested, entry[0], entry[1]);
		if (error != 0)
			return error;
	}
	return 0;
}

static struct kobj *device_of_virt_id(struct kobj_model *model, uint32_t viommu, uint64_t virt_id)
{
	for (uint32_t id = 1; id < KOBJS_MAX; id++) {
		struct kobj *vdevice = &model->objects[id];
		if (vdevice->kind == KOBJ_VDEVICE && vdevice->parent == viommu &&
		    vdevice->virt_id == virt_id)
			return &model->objects[vdevice->device];
	}
	return NULL;
}

/* Entry N, as long as the kernel knows it; false: what is longer is not zero. */
static bool viommu_entry(const struct iommu_hwpt_invalidate *cmd, const uint8_t *entries,
			 uint32_t n, uint32_t entry[3])
{
	const uint8_t *bytes = entries + (uint64_t)n * cmd->entry_len;
	uint32_t length = cmd->entry_len < 12 ? cmd->entry_len : 12;
	memset(entry, 0, 12);
	memcpy(entry, bytes, length);
	for (uint32_t i = 12; i < cmd->entry_len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static int64_t invalidate_viommu(struct kobj_model *model, const struct iommu_hwpt_invalidate *cmd,
				 const uint8_t *entries, uint32_t *done)
{
	uint32_t entry[3];
	if (cmd->entry_num == 0)
		return cmd->data_type == SELFTEST_TYPE ? 0 : -EINVAL;
	if (cmd->entry_num > BUFFER_ENTRIES) {
		*done = cmd->entry_num;
		return -ENOMEM;
	}
	if (cmd->data_type != SELFTEST_TYPE)
		return -EINVAL;
	if (entries == NULL)
		return -EFAULT;
	for (uint32_t i = 0; i < cmd->entry_num; i++)
		if (!viommu_entry(cmd, entries, i, entry))
			return -E2BIG;
	for (; *done < cmd->entry_num; ++*done) {
		viommu_entry(cmd, entries, *done, entry);
		if (entry[0] & ~IOMMU_TEST_INVALIDATE_FLAG_ALL)
			return -EOPNOTSUPP;
		if (entry[2] > 3)
			return -EINVAL;
		struct kobj *device = device_of_virt_id(model, cmd->hwpt_id, entry[1]);
		if (device == NULL)
			return -EINVAL;
		invalidate_word(device, entry[0], entry[2]);
	}
	return 0;
}

int64_t kobj_invalidate(struct kobj_model *model, struct iommu_hwpt_invalidate *cmd,
			const uint8_t *entries)
{
	uint32_t done = 0;
	int64_t error;
	enum kobj_kind kind = kind_of(model, cmd->hwpt_id);
	bool fits =
		cmd->entry_num == 0 || (cmd->data_uptr != 0 && cmd->entry_len != 0 &&
					cmd->entry_len <= PAGE && cmd->entry_num <= ENTRIES_MAX);
	if (cmd->__reserved != 0)
		error = -EOPNOTSUPP;
	else if (fits && kind == KOBJ_NONE)
		error = -ENOENT;
	else if (fits && kind == KOBJ_NESTED)
		error = invalidate_nested(&model->objects[cmd->hwpt_id], cmd, entries, &done);
	else if (fits && kind == KOBJ_VIOMMU)
		error = invalidate_viommu(model, cmd, entries, &done);
	else
		error = -EINVAL;
	cmd->entry_num = done;
	return error;
}

/* --- information (4.3) --- */

int64_t kobj_hw_info(const struct kobj_model *model, struct iommu_hw_info *cmd, uint8_t *data)
{
	static const uint32_t info[2] = {0, 0xdeadbeef};
	if (cmd->flags & ~IOMMU_HW_INFO_FLAG_INPUT_TYPE)
		return -EOPNOTSUPP;
	for (uint32_t i = 0; i < 3; i++)
		if (cmd->__reserved[i] != 0)
			return -EOPNOTSUPP;
	uint32_t type = cmd->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE ? cmd->data_type : 0;
	const struct kobj *device = kobj_get(model, cmd->dev_id, KOBJ_DEVICE);
	if (device == NULL)
		return -ENOENT;
	if (type != 0 && type != HW_INFO_TYPE)
		return -EOPNOTSUPP;
	if (cmd->data_len > 0 && data == NULL)
		return -EFAULT;
	if (data != NULL) {
		memset(data, 0, cmd->data_len);
		memcpy(data, info, cmd->data_len < 8 ? cmd->data_len : 8);
	}
	cmd->data_len = 8;
	cmd->data_type = HW_INFO_TYPE;
	cmd->out_capabilities = device->flags & MOCK_FLAGS_DEVICE_NO_DIRTY ? 8 : 9;
	cmd->out_max_pasid_log2 = device->flags & MOCK_FLAGS_DEVICE_PASID ? 20 : 0;
	return 0;
}

/* --- dirty tracking (4.4, 7.3) --- */

int64_t kobj_set_dirty(struct kobj_model *model, const struct iommu_hwpt_set_dirty_tracking *cmd)
{
	if (cmd->flags & ~IOMMU_HWPT_DIRTY_TRACKING_ENABLE)
		return -EOPNOTSUPP;
	struct kobj *hwpt = get(model, cmd->hwpt_id, KOBJ_PAGING);
	if (hwpt == NULL)
		return -ENOENT;
	if (!(hwpt->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING))
		return -EOPNOTSUPP;
	hwpt->tracking = cmd->flags & IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
	if (hwpt->tracking)
		memset(hwpt->dirty, 0, sizeof(hwpt->dirty));
	return 0;
}

/* Ranges of whole pages only. */
int64_t kobj_get_dirty(struct kobj_model *model, const struct iommu_hwpt_get_dirty_bitmap *cmd,
		       uint8_t *bitmap)
{
	if (cmd->flags & ~IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR || cmd->__reserved != 0)
		return -EOPNOTSUPP;
	struct kobj *hwpt = get(model, cmd->hwpt_id, KOBJ_PAGING);
	if (hwpt == NULL)
		return -ENOENT;
	if (cmd->length == 0)
		return -EINVAL;
	if (cmd->iova + cmd->length - 1 < cmd->iova)
		return -EOVERFLOW;
	if ((cmd->iova | (cmd->iova + cmd->length)) % PAGE != 0)
		return KOBJ_SKIP;
	if (cmd->page_size == 0 || (cmd->iova | (cmd->iova + cmd->length)) & (cmd->page_size - 1))
		return -EINVAL;
	if (!(hwpt->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING))
		return -EOPNOTSUPP;
	uint64_t granule = cmd->page_size & -cmd->page_size;
	for (uint64_t at = cmd->iova; at < cmd->iova + cmd->length; at += PAGE) {
		uint64_t page = (at - AREA_IOVA) / PAGE;
		if (at < AREA_IOVA || page >= AREA_PAGES || !model->objects[hwpt->parent].mapped)
			break;
		if (!hwpt->dirty[page])
			continue;
		for (uint64_t byte = at; byte < at + PAGE;
		     byte += granule < PAGE ? granule : PAGE) {
			uint64_t bit = (byte - cmd->iova) / granule;
			bitmap[bit / 8] |= (uint8_t)(1U << bit % 8);
		}
		if (!(cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR))
			hwpt->dirty[page] = false;
	}
	return 0;
}

static int64_t test_dirty(struct kobj_model *model, struct iommu_test_cmd *cmd, const uint8_t *bits)
{
	uint64_t size = cmd->dirty.page_size, length = cmd->dirty.length;
	if (size == 0 || length == 0 || cmd->dirty.iova % size != 0 || length % size != 0 ||
	    cmd->dirty.uptr == 0)
		return -EINVAL;
	uint64_t count = length / size;
	if (count > DIRTY_BITS_MAX)
		return -EOVERFLOW;
	struct kobj *hwpt = get(model, cmd->id, KOBJ_PAGING);
	if (hwpt == NULL)
		return -ENOENT;
	if (!hwpt->tracking)
		return -EINVAL;
	if (bits == NULL)
		return -EFAULT;
	cmd->dirty.out_nr_dirty = 0;
	for (uint64_t i = 0; i < count; i++) {
		if (!(bits[i / 8] >> i % 8 & 1))
			continue;
		uint64_t at = cmd->dirty.iova + i * size;
		cmd->dirty.out_nr_dirty++;
		if (at >= AREA_IOVA && (at - AREA_IOVA) / PAGE < AREA_PAGES &&
		    model->objects[hwpt->parent].mapped)
			hwpt->dirty[(at - AREA_IOVA) / PAGE] = true;
	}
	return 0;
}

/* --- vIOMMUs and what stands on them (5.1 to 5.6, 7.6) --- */

/* The lowest gap for a region. */
static uint64_t free_region(const struct kobj_model *model)
{
	for (uint64_t at = REGION_FIRST;; at += REGION_SIZE) {
		bool taken = false;
		for (uint32_t id = 1; id < KOBJS_MAX; id++)
			taken |= model->objects[id].kind == KOBJ_VIOMMU &&
				 model->objects[id].region == at;
		if (!taken)
			return at;
	}
}

int64_t kobj_viommu_alloc(struct kobj_model *model, struct iommu_viommu_alloc *cmd,
			  struct iommu_viommu_selftest *data)
{
	if (cmd->flags != 0 || cmd->type == 0)
		return -EOPNOTSUPP;
	if (get(model, cmd->dev_id, KOBJ_DEVICE) == NULL)
		return -ENOENT;
	if (cmd->type != SELFTEST_TYPE)
		return -EOPNOTSUPP;
	const struct kobj *parent = get(model, cmd->hwpt_id, KOBJ_PAGING);
	if (parent == NULL)
		return -ENOENT;
	if (!(parent->flags & IOMMU_HWPT_ALLOC_NEST_PARENT))
		return -EINVAL;
	if (cmd->data_len != 0 && (cmd->data_len < 8 || cmd->data_len > 24))
		return -EINVAL;
	if (cmd->data_len != 0 && data == NULL)
		return -EFAULT;
	if (free_id(model) == 0)
		return KOBJ_SKIP;
	uint64_t region = cmd->data_len != 0 ? free_region(model) : 0;
	struct kobj *viommu = make(model, KOBJ_VIOMMU);
	viommu->parent = cmd->hwpt_id;
	viommu->region = region;
	if (cmd->data_len != 0) {
		struct iommu_viommu_selftest answer = {data->in_data, data->in_data, region,
						       REGION_SIZE};
		memcpy(data, &answer, cmd->data_len);
	}
	cmd->out_viommu_id = id_of(model, viommu);
	return 0;
}

int64_t kobj_vdevice_alloc(struct kobj_model *model, struct iommu_vdevice_alloc *cmd)
{
	if (get(model, cmd->viommu_id, KOBJ_VIOMMU) == NULL)
		return -ENOENT;
	if (get(model, cmd->dev_id, KOBJ_DEVICE) == NULL)
		return -ENOENT;
	if (vdevice_of(model, cmd->dev_id) != NULL ||
	    device_of_virt_id(model, cmd->viommu_id, cmd->virt_id) != NULL)
		return -EEXIST;
	if (free_id(model) == 0)
		return KOBJ_SKIP;
	struct kobj *vdevice = make(model, KOBJ_VDEVICE);
	vdevice->parent = cmd->viommu_id;
	vdevice->device = cmd->dev_id;
	vdevice->virt_id = cmd->virt_id;
	cmd->out_vdevice_id = id_of(model, vdevice);
	return 0;
}

int64_t kobj_hw_queue_alloc(struct kobj_model *model, struct iommu_hw_queue_alloc *cmd)
{
	uint64_t iova = cmd->nesting_parent_iova, last = iova + cmd->length - 1;
	if (cmd->flags != 0 || cmd->type == 0)
		return -EOPNOTSUPP;
	if (cmd->length == 0)
		return -EINVAL;
	if (last < iova)
		return -EOVERFLOW;
	struct kobj *viommu = get(model, cmd->viommu_id, KOBJ_VIOMMU);
	if (viommu == NULL)
		return -ENOENT;
	if (cmd->type != SELFTEST_TYPE)
		return -EOPNOTSUPP;
	if ((last | (PAGE - 1)) == UINT64_MAX)
		return KOBJ_SKIP;
	uint32_t ioas = model->objects[viommu->parent].parent;
	if (!model->objects[ioas].mapped || iova < AREA_IOVA ||
	    last >= AREA_IOVA + AREA_PAGES * PAGE)
		return -ENOENT;
	if (cmd->index >= 2)
		return -EINVAL;
	if (viommu->slots[cmd->index] != 0)
		return -EEXIST;
	if (cmd->index > 0 && viommu->slots[cmd->index - 1] == 0)
		return -EIO;
	if (free_id(model) == 0)
		return KOBJ_SKIP;
	struct kobj *queue = make(model, KOBJ_HW_QUEUE);
	struct kobj *access = make(model, KOBJ_ACCESS);
	access->parent = ioas;
	queue->parent = cmd->viommu_id;
	queue->access = id_of(model, access);
	queue->below = cmd->index > 0 ? viommu->slots[cmd->index - 1] : 0;
	cmd->out_hw_queue_id = id_of(model, queue);
	viommu->slots[cmd->index] = cmd->out_hw_queue_id;
	return 0;
}

static uint32_t new_file(struct kobj_model *model, struct kobj *object)
{
	uint32_t fd = free_fd(model);
	model->fds[fd] = id_of(model, object);
	return fd;
}

int64_t kobj_veventq_alloc(struct kobj_model *model, struct iommu_veventq_alloc *cmd)
{
	if (cmd->flags != 0 || cmd->__reserved != 0 || cmd->type == 0)
		return -EOPNOTSUPP;
	if (cmd->veventq_depth == 0 || cmd->veventq_depth > ENTRIES_MAX)
		return -EINVAL;
	if (get(model, cmd->viommu_id, KOBJ_VIOMMU) == NULL)
		return -ENOENT;
	for (uint32_t id = 1; id < KOBJS_MAX; id++)
		if (model->objects[id].kind == KOBJ_VEVENTQ &&
		    model->objects[id].parent == cmd->viommu_id &&
		    model->objects[id].type == cmd->type)
			return -EEXIST;
	if (free_id(model) == 0 || free_fd(model) >= KOBJ_FDS - 1)
		return KOBJ_SKIP;
	struct kobj *veventq = make(model, KOBJ_VEVENTQ);
	veventq->parent = cmd->viommu_id;
	veventq->type = cmd->type;
	veventq->depth = cmd->veventq_depth;
	cmd->out_veventq_id = id_of(model, veventq);
	cmd->out_veventq_fd = new_file(model, veventq);
	return 0;
}

int64_t kobj_fault_alloc(struct kobj_model *model, struct iommu_fault_alloc *cmd)
{
	if (cmd->flags != 0)
		return -EOPNOTSUPP;
	if (free_id(model) == 0 || free_fd(model) >= KOBJ_FDS - 1)
		return KOBJ_SKIP;
	struct kobj *fault = make(model, KOBJ_FAULT);
	cmd->out_fault_id = id_of(model, fault);
	cmd->out_fault_fd = new_file(model, fault);
	return 0;
}

/* --- events and faults (5.6, 5.7) --- */

static void append(struct kobj *veventq, struct kobj_event event)
{
	if (veventq->count > 0 && veventq->events[veventq->count - 1].lost)
		veventq->count--;
	veventq->events[veventq->count++] = event;
}

static int64_t test_vevent(struct kobj_model *model, const struct iommu_test_cmd *cmd)
{
	const struct kobj *device = get(model, cmd->trigger_vevent.dev_id, KOBJ_DEVICE);
	if (device == NULL || device->cached_viommu == 0 || device->cached_virt_id == 0)
		return -ENOENT;
	for (uint32_t id = 1; id < KOBJS_MAX; id++) {
		struct kobj *veventq = &model->objects[id];
		uint32_t stored = 0;
		if (veventq->kind != KOBJ_VEVENTQ || veventq->type != EVENT_TYPE ||
		    veventq->parent != device->cached_viommu)
			continue;
		for (uint32_t i = 0; i < veventq->count; i++)
			stored += !veventq->events[i].lost;
		if (stored >= QUEUE_MAX - 2)
			return KOBJ_SKIP;
		append(veventq, (struct kobj_event){stored == veventq->depth, veventq->sequence,
						    device->cached_virt_id});
		veventq->sequence = (veventq->sequence + 1) & SEQUENCE_MASK;
		return 0;
	}
	return -EOPNOTSUPP;
}

/* The place of the attachment that takes the fault, or PASIDS. */
static uint32_t route(const struct kobj_model *model, const struct kobj *device, uint32_t pasid)
{
	for (uint32_t i = 0; i < PASIDS; i++)
		if (kobj_pasids[i] == pasid && device->attached[i] != 0)
			return i;
	uint32_t rid = device->attached[0];
	return pasid != 0 && rid != 0 && model->objects[rid].kind == KOBJ_NESTED ? 0 : PASIDS;
}

static int64_t test_iopf(struct kobj_model *model, const struct iommu_test_cmd *cmd)
{
	uint32_t id = cmd->trigger_iopf.dev_id, pasid = cmd->trigger_iopf.pasid;
	const struct kobj *device = get(model, id, KOBJ_DEVICE);
	if (device == NULL)
		return -ENOENT;
	uint32_t through = route(model, device, pasid);
	if (through == PASIDS)
		return 0;
	uint32_t fault_id = model->objects[device->attached[through]].fault;
	if (fault_id == 0)
		return 0;
	struct kobj *fault = &model->objects[fault_id];
	if (fault->count == QUEUE_MAX)
		return KOBJ_SKIP;
	fault->groups[fault->count++] = (struct kobj_group){id,
							    through,
							    0,
							    pasid,
							    cmd->trigger_iopf.grpid,
							    cmd->trigger_iopf.perm,
							    cmd->trigger_iopf.addr};
	return 0;
}

static uint32_t free_cookie(const struct kobj *fault)
{
	for (uint32_t cookie = 1;; cookie++) {
		bool taken = false;
		for (uint32_t i = 0; i < fault->count; i++)
			taken |= fault->groups[i].cookie == cookie;
		if (!taken)
			return cookie;
	}
}

static int64_t read_faults(struct kobj *fault, uint8_t *out, uint64_t count)
{
	uint64_t done = 0;
	if (count % FAULT_BYTES != 0)
		return -ESPIPE;
	for (uint32_t i = 0; i < fault->count; i++) {
		struct kobj_group *group = &fault->groups[i];
		if (group->cookie != 0)
			continue;
		if (count - done < FAULT_BYTES)
			return done > 0 ? (int64_t)done : -EINVAL;
		group->cookie = free_cookie(fault);
		const struct iommu_hwpt_pgfault record = {.flags = (group->pasid != 0 ? 1 : 0) | 2,
							  .dev_id = group->device,
							  .pasid = group->pasid,
							  .grpid = group->grpid,
							  .perm = group->perm,
							  .addr = group->addr,
							  .cookie = group->cookie};
		memcpy(out + done, &record, FAULT_BYTES);
		done += FAULT_BYTES;
	}
	return (int64_t)done;
}

static int64_t read_events(struct kobj *veventq, uint8_t *out, uint64_t count)
{
	uint64_t done = 0;
	if (count < 8)
		return -EINVAL;
	while (veventq->count > 0) {
		const struct kobj_event *event = &veventq->events[0];
		uint64_t size = event->lost ? 8 : 12;
		const uint32_t record[3] = {event->lost, event->sequence, event->virt_id};
		if (count - done < 8)
			break;
		if (count - done < size)
			return done > 0 ? (int64_t)done : -EINVAL;
		memcpy(out + done, record, size);
		done += size;
		veventq->count--;
		memmove(&veventq->events[0], &veventq->events[1], veventq->count * sizeof(*event));
	}
	return (int64_t)done;
}

int64_t kobj_read(struct kobj_model *model, uint32_t fd, uint8_t *out, uint64_t count)
{
	struct kobj *object = &model->objects[model->fds[fd]];
	return object->kind == KOBJ_FAULT ? read_faults(object, out, count)
					  : read_events(object, out, count);
}

/* False: no group waits for it. */
static bool answer(struct kobj *fault, uint32_t cookie)
{
	for (uint32_t i = 0; i < fault->count; i++) {
		if (cookie == 0 || fault->groups[i].cookie != cookie)
			continue;
		fault->count--;
		memmove(&fault->groups[i], &fault->groups[i + 1],
			(fault->count - i) * sizeof(fault->groups[0]));
		return true;
	}
	return false;
}

int64_t kobj_write(struct kobj_model *model, uint32_t fd, const uint8_t *bytes, uint64_t count)
{
	struct kobj *fault = &model->objects[model->fds[fd]];
	uint64_t done = 0;
	if (fault->kind != KOBJ_FAULT)
		return -EINVAL;
	if (count % ANSWER_BYTES != 0)
		return -ESPIPE;
	for (; done < count; done += ANSWER_BYTES) {
		uint32_t record[2];
		memcpy(record, bytes + done, sizeof(record));
		if (record[1] > 1 || !answer(fault, record[0]))
			return done > 0 ? (int64_t)done : -EINVAL;
	}
	return (int64_t)done;
}

uint32_t kobj_poll(const struct kobj_model *model, uint32_t fd)
{
	const struct kobj *object = &model->objects[model->fds[fd]];
	bool waiting = object->kind == KOBJ_VEVENTQ && object->count > 0;
	for (uint32_t i = 0; i < object->count && object->kind == KOBJ_FAULT; i++)
		waiting |= object->groups[i].cookie == 0;
	return (waiting ? 0x41 : 0) | (object->kind == KOBJ_FAULT ? 4 : 0);
}

int64_t kobj_close(struct kobj_model *model, uint32_t fd)
{
	model->fds[fd] = 0;
	return 0;
}

/* --- the test interface (7.3) --- */

static int64_t test_mock(struct kobj_model *model, struct iommu_test_cmd *cmd)
{
	bool has_flags = cmd->op == IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS;
	uint32_t flags = has_flags ? cmd->mock_domain_flags.dev_flags : 0, pt = cmd->id;
	if (flags & ~(MOCK_FLAGS_DEVICE_NO_DIRTY | MOCK_FLAGS_DEVICE_PASID))
		return -EINVAL;
	if (free_id(model) == 0)
		return KOBJ_SKIP;
	struct kobj *stdev = make(model, KOBJ_SELFTEST);
	struct kobj *device = make(model, KOBJ_DEVICE);
	device->flags = flags;
	for (uint32_t i = 0; i < 4; i++)
		device->words[i] = CACHE_INITIAL;
	stdev->device = id_of(model, device);
	/* Its own SELFTEST id is not published yet. */
	int64_t error =
		pt == id_of(model, stdev) ? -ENOENT : attach(model, stdev->device, 0, &pt, false);
	if (error != 0) {
		memset(stdev, 0, sizeof(*stdev));
		memset(device, 0, sizeof(*device));
		return error;
	}
	cmd->mock_domain.out_stdev_id = id_of(model, stdev);
	cmd->mock_domain.out_hwpt_id = pt;
	cmd->mock_domain.out_idev_id = stdev->device;
	return 0;
}

static uint32_t place_of(uint32_t pasid)
{
	uint32_t place = 0;
	while (place < PASIDS && kobj_pasids[place] != pasid)
		place++;
	return place;
}

static int64_t test_pasid(struct kobj_model *model, struct iommu_test_cmd *cmd)
{
	const struct kobj *stdev = get(model, cmd->id, KOBJ_SELFTEST);
	uint32_t place = place_of(cmd->pasid_attach.pasid);
	if (stdev == NULL)
		return -ENOENT;
	if (free_id(model) == 0 || place == PASIDS)
		return KOBJ_SKIP;
	/* Where the RID's may go to another IOAS, the sheet's order of checks is what attach() has. */
	return attach(model, stdev->device, place, &cmd->pasid_attach.pt_id,
		      cmd->op == IOMMU_TEST_OP_PASID_REPLACE);
}

static int64_t test_pasid_detach(struct kobj_model *model, const struct iommu_test_cmd *cmd)
{
	const struct kobj *stdev = get(model, cmd->id, KOBJ_SELFTEST);
	uint32_t place = place_of(cmd->pasid_detach.pasid);
	if (stdev == NULL)
		return -ENOENT;
	if (place == PASIDS || place == 0)
		return KOBJ_SKIP;
	struct kobj *device = &model->objects[stdev->device];
	if (device->attached[place] == 0)
		return 0;
	if (place == SPECIAL)
		device->armed = false;
	let_go(model, stdev->device, place);
	return 0;
}

static int64_t test_pasid_check(const struct kobj_model *model, const struct iommu_test_cmd *cmd)
{
	const struct kobj *stdev = kobj_get(model, cmd->id, KOBJ_SELFTEST);
	uint32_t place = place_of(cmd->pasid_check.pasid), hwpt = cmd->pasid_check.hwpt_id;
	if (stdev == NULL)
		return -ENOENT;
	if (place == PASIDS)
		return KOBJ_SKIP;
	uint32_t attached = model->objects[stdev->device].attached[place];
	if (hwpt == 0)
		return attached == 0 ? 0 : -EINVAL;
	if (kind_of(model, hwpt) == KOBJ_NONE)
		return -ENOENT;
	return is_hwpt(&model->objects[hwpt]) && attached == hwpt ? 0 : -EINVAL;
}

static int64_t test_word(const struct kobj_model *model, uint32_t id, enum kobj_kind kind,
			 uint32_t which, uint32_t value)
{
	const struct kobj *object = kobj_get(model, id, kind);
	if (object == NULL)
		return -ENOENT;
	return which <= 3 && object->words[which] == value ? 0 : -EINVAL;
}

static int64_t test_dma_buf(struct kobj_model *model, const struct iommu_test_cmd *cmd)
{
	uint64_t pages = (cmd->dmabuf_get.length + PAGE - 1) / PAGE;
	if (pages == 0 || pages > DMA_BUF_PAGES)
		return -EINVAL;
	if (free_fd(model) >= KOBJ_FDS - 1)
		return KOBJ_SKIP;
	model->fds[free_fd(model)] = DMA_BUF_FD;
	return 0;
}

static int64_t test_revoke(const struct kobj_model *model, const struct iommu_test_cmd *cmd)
{
	uint32_t fd = (uint32_t)cmd->dmabuf_revoke.dmabuf_fd;
	if (fd >= KOBJ_FDS || model->fds[fd] == 0)
		return -EBADF;
	return model->fds[fd] == DMA_BUF_FD ? 0 : -EINVAL;
}

int64_t kobj_test(struct kobj_model *model, struct iommu_test_cmd *cmd, const uint8_t *bits)
{
	const struct kobj *stdev = get(model, cmd->id, KOBJ_SELFTEST);
	switch (cmd->op) {
	case IOMMU_TEST_OP_MOCK_DOMAIN:
	case IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS:
		return test_mock(model, cmd);
	case IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE:
		if (stdev == NULL)
			return -ENOENT;
		if (free_id(model) == 0)
			return KOBJ_SKIP;
		return attach(model, stdev->device, 0, &cmd->mock_domain_replace.pt_id, true);
	case IOMMU_TEST_OP_DIRTY:
		return test_dirty(model, cmd, bits);
	case IOMMU_TEST_OP_MD_CHECK_IOTLB:
		return test_word(model, cmd->id, KOBJ_NESTED, cmd->check_iotlb.id,
				 cmd->check_iotlb.iotlb);
	case IOMMU_TEST_OP_DEV_CHECK_CACHE:
		return test_word(model, cmd->id, KOBJ_DEVICE, cmd->check_dev_cache.id,
				 cmd->check_dev_cache.cache);
	case IOMMU_TEST_OP_TRIGGER_IOPF:
		return test_iopf(model, cmd);
	case IOMMU_TEST_OP_TRIGGER_VEVENT:
		return test_vevent(model, cmd);
	case IOMMU_TEST_OP_PASID_ATTACH:
	case IOMMU_TEST_OP_PASID_REPLACE:
		return test_pasid(model, cmd);
	case IOMMU_TEST_OP_PASID_DETACH:
		return test_pasid_detach(model, cmd);
	case IOMMU_TEST_OP_PASID_CHECK_HWPT:
		return test_pasid_check(model, cmd);
	case IOMMU_TEST_OP_DMABUF_GET:
		return test_dma_buf(model, cmd);
	case IOMMU_TEST_OP_DMABUF_REVOKE:
		return test_revoke(model, cmd);
	case IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT:
		return cmd->memory_limit.limit < MOCK_TEMP_LIMIT ? -EINVAL : 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* --- destruction (1.6, 5.8) --- */

static int64_t destroy_selftest(struct kobj_model *model, uint32_t id)
{
	uint32_t device = model->objects[id].device;
	struct kobj *vdevice = vdevice_of(model, device);
	for (uint32_t i = 1; i < PASIDS; i++)
		if (model->objects[device].attached[i] != 0)
			return KOBJ_SKIP; /* undefined (7.3) */
	let_go(model, device, 0);
	if (vdevice != NULL)
		*vdevice = (struct kobj){.kind = KOBJ_TOMBSTONE};
	drop(model, device);
	drop(model, id);
	return 0;
}

static void destroy_hw_queue(struct kobj_model *model, uint32_t id)
{
	struct kobj *queue = &model->objects[id];
	model->objects[queue->parent].slots[0] = 0; /* whatever its index (7.6) */
	drop(model, queue->access);
	drop(model, id);
}

int64_t kobj_destroy(struct kobj_model *model, const struct iommu_destroy *cmd)
{
	enum kobj_kind kind = kind_of(model, cmd->id);
	if (kind == KOBJ_NONE)
		return -ENOENT;
	/* Its SELFTEST object is a device's user; and its HW queue an access's. */
	if (kobj_users(model, cmd->id) > 0)
		return -EBUSY;
	if (kind == KOBJ_SELFTEST)
		return destroy_selftest(model, cmd->id);
	if (kind == KOBJ_HW_QUEUE)
		destroy_hw_queue(model, cmd->id);
	else
		drop(model, cmd->id);
	if (model->compat == cmd->id)
		model->compat = 0;
	return 0;
}
