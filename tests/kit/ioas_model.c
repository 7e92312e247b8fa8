// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/ioas_model.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define RW_FLAGS  (IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)
#define MAP_FLAGS (IOMMU_IOAS_MAP_FIXED_IOVA | RW_FLAGS)

/* 7.2, 7.4 */
#define SYZ              0x10000U
#define APERTURE_START   0x1000000ULL
#define APERTURE_LAST    0x7fffffffULL
#define MOCK_ALIGNMENT   2048ULL
#define ACCESS_BYTES_MAX (16ULL << 20)

void model_init(struct model *model)
{
	memset(model, 0, sizeof(*model));
	model->next_serial = 1;
}

void model_add_region(struct model *model, const struct model_region *region)
{
	assert(model->region_count < MODEL_REGIONS);
	assert(region->first_frame + region->pages <= MODEL_FRAMES);
	model->regions[model->region_count++] = *region;
	if (model->frame_count < region->first_frame + region->pages)
		model->frame_count = region->first_frame + region->pages;
}

static uint32_t free_fd(const struct model *model)
{
	uint32_t fd = 0;
	while (fd < MODEL_FDS && model->fds[fd] != MODEL_FD_FREE)
		fd++;
	assert(fd < MODEL_FDS);
	return fd;
}

void model_add_fd(struct model *model, int64_t what)
{
	model->fds[free_fd(model)] = what;
}

static const struct model_region *region_of(const struct model *model, bool file, uint64_t page)
{
	for (uint32_t i = 0; i < model->region_count; i++) {
		const struct model_region *region = &model->regions[i];
		uint64_t first = region->start / PAGE_SIZE;
		if (region->file == file && page >= first && page - first < region->pages)
			return region;
	}
	return NULL;
}

int64_t model_frame(const struct model *model, bool file, uint64_t page)
{
	const struct model_region *region = region_of(model, file, page);
	if (region == NULL)
		return -1;
	return (int64_t)(region->first_frame + page - region->start / PAGE_SIZE);
}

struct model_object *model_get(struct model *model, uint32_t id, enum model_kind kind)
{
	if (id == 0 || id >= MODEL_OBJECTS || model->objects[id].kind != kind)
		return NULL;
	return &model->objects[id];
}

static enum model_kind kind_of(const struct model *model, uint32_t id)
{
	return id < MODEL_OBJECTS ? model->objects[id].kind : MODEL_NONE;
}

/* App. B */
static uint32_t take_id(struct model *model, enum model_kind kind)
{
	uint32_t id = 1;
	while (id < MODEL_OBJECTS && model->objects[id].kind != MODEL_NONE)
		id++;
	assert(id < MODEL_OBJECTS);
	memset(&model->objects[id], 0, sizeof(model->objects[id]));
	model->objects[id].kind = kind;
	return id;
}

static void drop_id(struct model *model, uint32_t id)
{
	memset(&model->objects[id], 0, sizeof(model->objects[id]));
}

static bool overflows(uint64_t start, uint64_t length)
{
	return start + length - 1 < start;
}

static bool meet(uint64_t a, uint64_t a_last, uint64_t b, uint64_t b_last)
{
	return a <= b_last && b <= a_last;
}

static uint64_t area_last(const struct model_area *area)
{
	return area->iova + area->length - 1;
}

/* --- what follows from the objects --- */

static uint32_t domains_of(const struct model *model, uint32_t ioas)
{
	uint32_t count = 0;
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		count += model->objects[id].kind == MODEL_HWPT && model->objects[id].ioas == ioas;
	return count;
}

static uint32_t attached_to(const struct model *model, uint32_t hwpt)
{
	uint32_t count = 0;
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		count += model->objects[id].kind == MODEL_STDEV && model->objects[id].hwpt == hwpt;
	return count;
}

static bool ioas_used(const struct model *model, uint32_t ioas)
{
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++) {
		const struct model_object *object = &model->objects[id];
		if ((object->kind == MODEL_HWPT || object->kind == MODEL_ACCESS) &&
		    object->ioas == ioas)
			return true;
	}
	return false;
}

/* 2 */
static uint64_t alignment_of(const struct model *model, uint32_t ioas)
{
	uint64_t alignment = 1;
	if (domains_of(model, ioas) > 0)
		alignment = MOCK_ALIGNMENT;
	if (model->objects[ioas].small_pages)
		alignment = PAGE_SIZE;
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++) {
		const struct model_object *object = &model->objects[id];
		if (object->kind == MODEL_ACCESS && object->ioas == ioas && object->pins)
			alignment = PAGE_SIZE;
	}
	return alignment;
}

/* 2: EADDRINUSE when it must grow and an area is in the way. */
static int64_t can_align(const struct model *model, uint32_t ioas, uint64_t alignment)
{
	const struct model_object *object = &model->objects[ioas];
	if (alignment <= alignment_of(model, ioas))
		return 0;
	for (uint32_t i = 0; i < object->area_count; i++) {
		const struct model_area *area = &object->areas[i];
		if (area->iova % alignment != 0 || area->length % alignment != 0 ||
		    area->at % PAGE_SIZE % alignment != 0)
			return -EADDRINUSE;
	}
	return 0;
}

/* Its own, and those of its domains. */
static uint32_t reserved_of(const struct model *model, uint32_t ioas, struct model_span *spans)
{
	const struct model_object *object = &model->objects[ioas];
	uint32_t count = object->reserved_count;
	memcpy(spans, object->reserved, count * sizeof(*spans));
	if (domains_of(model, ioas) > 0) {
		spans[count++] = (struct model_span){0, APERTURE_START - 1};
		spans[count++] = (struct model_span){APERTURE_LAST + 1, UINT64_MAX};
	}
	return count;
}

static bool meets_any(const struct model_span *spans, uint32_t count, uint64_t start, uint64_t last)
{
	for (uint32_t i = 0; i < count; i++)
		if (meet(spans[i].start, spans[i].last, start, last))
			return true;
	return false;
}

static bool meets_reserved(const struct model *model, uint32_t ioas, uint64_t start, uint64_t last)
{
	struct model_span spans[MODEL_SPANS + 2];
	return meets_any(spans, reserved_of(model, ioas, spans), start, last);
}

static bool meets_area(const struct model_object *ioas, uint64_t start, uint64_t last)
{
	for (uint32_t i = 0; i < ioas->area_count; i++)
		if (meet(ioas->areas[i].iova, area_last(&ioas->areas[i]), start, last))
			return true;
	return false;
}

static int64_t can_reserve(const struct model *model, uint32_t ioas, uint64_t start, uint64_t last)
{
	const struct model_object *object = &model->objects[ioas];
	if (meets_area(object, start, last) ||
	    meets_any(object->allowed, object->allowed_count, start, last))
		return -EADDRINUSE;
	return 0;
}

static struct model_area *area_at(struct model_object *ioas, uint64_t iova)
{
	for (uint32_t i = 0; i < ioas->area_count; i++)
		if (iova >= ioas->areas[i].iova && iova <= area_last(&ioas->areas[i]))
			return &ioas->areas[i];
	return NULL;
}

bool model_covered(struct model *model, uint32_t ioas, uint64_t iova, uint64_t length)
{
	struct model_object *object = &model->objects[ioas];
	if (length == 0 || overflows(iova, length))
		return false;
	uint64_t last = iova + length - 1;
	for (;;) {
		const struct model_area *area = area_at(object, iova);
		if (area == NULL)
			return false;
		if (area_last(area) >= last)
			return true;
		iova = area_last(area) + 1;
	}
}

/* 3.1: a page is pinned once by a source that holds it, in however many ways. */
void model_pins(struct model *model, uint32_t pins[MODEL_FRAMES])
{
	static bool held[MODEL_SOURCES][MODEL_FRAMES];
	memset(held, 0, sizeof(held));
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++) {
		const struct model_object *object = &model->objects[id];
		if (object->kind == MODEL_IOAS && domains_of(model, id) > 0) {
			for (uint32_t i = 0; i < object->area_count; i++) {
				const struct model_area *area = &object->areas[i];
				uint64_t last = (area->at + area->length - 1) / PAGE_SIZE;
				bool file = model->sources[area->source].file;
				for (uint64_t page = area->at / PAGE_SIZE; page <= last; page++)
					held[area->source][model_frame(model, file, page)] = true;
			}
		}
		for (uint32_t i = 0; object->kind == MODEL_ACCESS && i < object->item_count; i++) {
			const struct model_item *item = &object->items[i];
			for (uint32_t j = 0; j < item->piece_count; j++) {
				const struct model_piece *piece = &item->pieces[j];
				bool file = model->sources[piece->source].file;
				for (uint64_t page = piece->first_page; page <= piece->last_page;
				     page++)
					held[piece->source][model_frame(model, file, page)] = true;
			}
		}
	}
	memset(pins, 0, MODEL_FRAMES * sizeof(pins[0]));
	for (uint32_t source = 0; source < MODEL_SOURCES; source++)
		for (uint32_t frame = 0; model->sources[source].areas > 0 && frame < MODEL_FRAMES;
		     frame++)
			pins[frame] += held[source][frame];
}

/* 3.3: no memory of the tests ever goes away, so what is held already can be pinned too. */
static int64_t can_pin(const struct model *model, uint32_t source_index, uint64_t first_page,
		       uint64_t last_page)
{
	const struct model_source *source = &model->sources[source_index];
	if (source->file && !source->memory)
		return -EINVAL;
	for (uint64_t page = first_page; page <= last_page; page++) {
		const struct model_region *region = region_of(model, source->file, page);
		if (region == NULL || (source->writable && !region->writable))
			return source->file ? -EINVAL : -EFAULT;
	}
	return 0;
}

/* 2.7 9, 3.3: one area into one domain. */
static int64_t can_fill(const struct model *model, bool small_pages, const struct model_area *area)
{
	uint64_t where = area->iova | area->length | area->at % PAGE_SIZE;
	int64_t error = can_pin(model, area->source, area->at / PAGE_SIZE,
				(area->at + area->length - 1) / PAGE_SIZE);
	bool unaligned = where % MOCK_ALIGNMENT != 0;
	/* Which of two errors is first depends on the size of batches; and the sheet does not say
	 * what strict 4 KiB units are on half a page. */
	if (error != 0 && unaligned)
		return MODEL_SKIP;
	if (error == 0 && small_pages && !unaligned && where % PAGE_SIZE != 0)
		return MODEL_SKIP;
	return unaligned ? -ENXIO : error;
}

/* 4.1.1 10 */
static int64_t can_add_domain(const struct model *model, uint32_t ioas)
{
	const struct model_object *object = &model->objects[ioas];
	int64_t error = can_align(model, ioas, MOCK_ALIGNMENT);
	if (error == 0)
		error = can_reserve(model, ioas, 0, APERTURE_START - 1);
	if (error == 0)
		error = can_reserve(model, ioas, APERTURE_LAST + 1, UINT64_MAX);
	for (uint32_t i = 0; error == 0 && i < object->area_count; i++)
		error = can_fill(model, object->small_pages, &object->areas[i]);
	return error;
}

/* --- objects --- */

int64_t model_ioas_alloc(struct model *model, struct iommu_ioas_alloc *cmd)
{
	if (cmd->flags != 0)
		return -EOPNOTSUPP;
	cmd->out_ioas_id = take_id(model, MODEL_IOAS);
	return 0;
}

static void remove_area(struct model *model, struct model_object *ioas, uint32_t index)
{
	model->sources[ioas->areas[index].source].areas--;
	ioas->area_count--;
	memmove(&ioas->areas[index], &ioas->areas[index + 1],
		(ioas->area_count - index) * sizeof(ioas->areas[0]));
}

/* 4.6: an automatic HWPT goes with its last attachment. */
static void detached(struct model *model, uint32_t hwpt)
{
	if (model->objects[hwpt].automatic && attached_to(model, hwpt) == 0)
		drop_id(model, hwpt);
}

int64_t model_destroy(struct model *model, const struct iommu_destroy *cmd)
{
	struct model_object *object;
	switch (kind_of(model, cmd->id)) {
	case MODEL_IOAS:
		if (ioas_used(model, cmd->id))
			return -EBUSY;
		object = &model->objects[cmd->id];
		while (object->area_count > 0)
			remove_area(model, object, 0);
		drop_id(model, cmd->id);
		return 0;
	case MODEL_HWPT:
		if (attached_to(model, cmd->id) > 0)
			return -EBUSY;
		drop_id(model, cmd->id);
		return 0;
	case MODEL_STDEV: {
		struct model_object stdev = model->objects[cmd->id];
		drop_id(model, cmd->id);
		drop_id(model, stdev.device);
		detached(model, stdev.hwpt);
		return 0;
	}
	case MODEL_DEVICE:
	case MODEL_ACCESS:
		return -EBUSY;
	default:
		return -ENOENT;
	}
}

int64_t model_hwpt_alloc(struct model *model, struct iommu_hwpt_alloc *cmd)
{
	if (model_get(model, cmd->dev_id, MODEL_DEVICE) == NULL)
		return -ENOENT;
	switch (kind_of(model, cmd->pt_id)) {
	case MODEL_IOAS:
		break;
	case MODEL_HWPT:
		return -EOPNOTSUPP; /* 4.1.2 1 */
	default:
		return -EINVAL;
	}
	int64_t error = can_add_domain(model, cmd->pt_id);
	if (error != 0)
		return error;
	cmd->out_hwpt_id = take_id(model, MODEL_HWPT);
	model->objects[cmd->out_hwpt_id].ioas = cmd->pt_id;
	return 0;
}

/* 4.6: the HWPT that PT means, in *HWPT; a new one is made when an IOAS has no automatic one. */
static int64_t find_hwpt(struct model *model, uint32_t pt, uint32_t *hwpt)
{
	switch (kind_of(model, pt)) {
	case MODEL_NONE:
	case MODEL_PLACEHOLDER:
		return -ENOENT;
	case MODEL_HWPT:
		*hwpt = pt;
		return 0;
	case MODEL_IOAS:
		break;
	default:
		return -EINVAL;
	}
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++) {
		const struct model_object *object = &model->objects[id];
		if (object->kind == MODEL_HWPT && object->ioas == pt && object->automatic) {
			*hwpt = id;
			return 0;
		}
	}
	int64_t error = can_add_domain(model, pt);
	if (error != 0)
		return error;
	*hwpt = take_id(model, MODEL_HWPT);
	model->objects[*hwpt].ioas = pt;
	model->objects[*hwpt].automatic = true;
	return 0;
}

static int64_t mock_domain(struct model *model, struct iommu_test_cmd *cmd, uint32_t dev_flags)
{
	if ((dev_flags & ~(MOCK_FLAGS_DEVICE_NO_DIRTY | MOCK_FLAGS_DEVICE_PASID)) != 0)
		return -EINVAL;
	uint32_t hwpt = 0;
	uint32_t stdev = take_id(model, MODEL_PLACEHOLDER);
	uint32_t device = take_id(model, MODEL_DEVICE);
	int64_t error = find_hwpt(model, cmd->id, &hwpt);
	if (error != 0) {
		drop_id(model, stdev);
		drop_id(model, device);
		return error;
	}
	model->objects[stdev].kind = MODEL_STDEV;
	model->objects[stdev].device = device;
	model->objects[stdev].hwpt = hwpt;
	cmd->mock_domain.out_stdev_id = stdev;
	cmd->mock_domain.out_hwpt_id = hwpt;
	cmd->mock_domain.out_idev_id = device;
	return 0;
}

static int64_t mock_domain_replace(struct model *model, struct iommu_test_cmd *cmd)
{
	struct model_object *stdev = model_get(model, cmd->id, MODEL_STDEV);
	uint32_t hwpt = 0;
	if (stdev == NULL)
		return -ENOENT;
	int64_t error = find_hwpt(model, cmd->mock_domain_replace.pt_id, &hwpt);
	if (error != 0)
		return error;
	uint32_t old = stdev->hwpt;
	stdev->hwpt = hwpt;
	detached(model, old);
	cmd->mock_domain_replace.pt_id = hwpt;
	return 0;
}

/* --- ranges --- */

int64_t model_ranges(struct model *model, struct iommu_ioas_iova_ranges *cmd,
		     struct iommu_iova_range *ranges)
{
	struct model_span spans[MODEL_SPANS + 2];
	uint32_t found = 0;
	if (cmd->__reserved != 0)
		return -EOPNOTSUPP;
	if (model_get(model, cmd->ioas_id, MODEL_IOAS) == NULL)
		return -ENOENT;
	uint32_t count = reserved_of(model, cmd->ioas_id, spans);
	uint64_t at = 0;
	for (bool more = true; more;) {
		uint64_t last = UINT64_MAX, skip_to = 0;
		bool inside = false;
		for (uint32_t i = 0; i < count; i++) {
			if (at >= spans[i].start && at <= spans[i].last) {
				inside = true;
				skip_to = spans[i].last;
			} else if (spans[i].start > at && spans[i].start - 1 < last) {
				last = spans[i].start - 1;
			}
		}
		if (inside) {
			last = skip_to;
		} else {
			if (found < cmd->num_iovas)
				ranges[found] = (struct iommu_iova_range){at, last};
			found++;
		}
		more = last != UINT64_MAX;
		at = last + 1;
	}
	int64_t result = found > cmd->num_iovas ? -EMSGSIZE : 0;
	cmd->num_iovas = found;
	cmd->out_iova_alignment = alignment_of(model, cmd->ioas_id);
	return result;
}

int64_t model_allow(struct model *model, const struct iommu_ioas_allow_iovas *cmd,
		    const struct iommu_iova_range *ranges)
{
	struct model_object *ioas = model_get(model, cmd->ioas_id, MODEL_IOAS);
	struct model_span spans[MODEL_SPANS];
	if (cmd->__reserved != 0)
		return -EOPNOTSUPP;
	if (ioas == NULL)
		return -ENOENT;
	assert(cmd->num_iovas <= MODEL_SPANS);
	for (uint32_t i = 0; i < cmd->num_iovas; i++) {
		if (ranges[i].start >= ranges[i].last ||
		    meets_any(spans, i, ranges[i].start, ranges[i].last))
			return -EINVAL;
		spans[i] = (struct model_span){ranges[i].start, ranges[i].last};
	}
	for (uint32_t i = 0; i < cmd->num_iovas; i++)
		if (meets_reserved(model, cmd->ioas_id, spans[i].start, spans[i].last))
			return -EADDRINUSE;
	ioas->allowed_count = cmd->num_iovas;
	memcpy(ioas->allowed, spans, cmd->num_iovas * sizeof(spans[0]));
	return 0;
}

static int64_t add_reserved(struct model *model, const struct iommu_test_cmd *cmd)
{
	uint64_t start = cmd->add_reserved.start, length = cmd->add_reserved.length;
	struct model_object *ioas = model_get(model, cmd->id, MODEL_IOAS);
	if (length == 0)
		return -EINVAL;
	if (overflows(start, length))
		return -EOVERFLOW;
	if (ioas == NULL)
		return -ENOENT;
	int64_t error = can_reserve(model, cmd->id, start, start + length - 1);
	if (error != 0)
		return error;
	assert(ioas->reserved_count < MODEL_SPANS);
	ioas->reserved[ioas->reserved_count++] = (struct model_span){start, start + length - 1};
	return 0;
}

/* --- where a mapping goes --- */

static bool align_up_to(uint64_t value, uint64_t alignment, uint64_t *up)
{
	*up = (value + alignment - 1) & ~(alignment - 1);
	return *up >= value;
}

/* The end of the hole, or of the taken range, that AT is in; no further than LIMIT. */
static uint64_t stretch(const struct model *model, uint32_t ioas, uint64_t at, uint64_t limit,
			bool *taken)
{
	struct model_span spans[MODEL_SPANS + 2 + MODEL_AREAS];
	const struct model_object *object = &model->objects[ioas];
	uint32_t count = reserved_of(model, ioas, spans);
	for (uint32_t i = 0; i < object->area_count; i++)
		spans[count++] =
			(struct model_span){object->areas[i].iova, area_last(&object->areas[i])};
	uint64_t last = limit;
	*taken = false;
	for (uint32_t i = 0; i < count; i++) {
		if (at >= spans[i].start && at <= spans[i].last) {
			*taken = true;
			return spans[i].last < limit ? spans[i].last : limit;
		}
		if (spans[i].start > at && spans[i].start - 1 < last)
			last = spans[i].start - 1;
	}
	return last;
}

/* 2.5.2 4, within one span. */
static bool pick_in(const struct model *model, uint32_t ioas, struct model_span span,
		    uint64_t length, uint64_t alignment, uint64_t page_offset, uint64_t *iova)
{
	uint64_t at, last;
	if (!align_up_to(span.start, alignment, &at))
		return false;
	at |= page_offset;
	if (at >= span.last || span.last - at < length - 1)
		return false;
	for (;; at = last + 1) {
		bool taken;
		uint64_t candidate;
		last = stretch(model, ioas, at, span.last, &taken);
		if (!taken && align_up_to(at, alignment, &candidate)) {
			candidate |= page_offset;
			if (candidate < last && last - candidate >= length - 1) {
				*iova = candidate;
				return true;
			}
		}
		if (last >= span.last)
			return false;
	}
}

/* The allowed span that begins at or after START: the lowest, with what follows it directly. */
static bool next_allowed(const struct model_object *ioas, uint64_t start, struct model_span *span)
{
	bool found = false;
	for (uint32_t i = 0; i < ioas->allowed_count; i++)
		if (ioas->allowed[i].start >= start &&
		    (!found || ioas->allowed[i].start < span->start)) {
			*span = ioas->allowed[i];
			found = true;
		}
	for (bool grew = found; grew;) {
		grew = false;
		for (uint32_t i = 0; i < ioas->allowed_count; i++)
			if (span->last != UINT64_MAX && ioas->allowed[i].start == span->last + 1) {
				span->last = ioas->allowed[i].last;
				grew = true;
			}
	}
	return found;
}

static int64_t pick(const struct model *model, uint32_t ioas, uint64_t at, uint64_t length,
		    uint64_t *iova)
{
	const struct model_object *object = &model->objects[ioas];
	const struct model_span window = {PAGE_SIZE, UINT64_MAX - PAGE_SIZE};
	if (length >= UINT64_MAX / 2)
		return -EOVERFLOW;
	uint64_t alignment = 1;
	while (alignment < length)
		alignment *= 2;
	if (at != 0 && (at & -at) < alignment)
		alignment = at & -at;
	if (alignment > HPAGE_SIZE)
		alignment = HPAGE_SIZE;
	if (alignment < alignment_of(model, ioas))
		return -EINVAL;
	if (object->allowed_count == 0)
		return pick_in(model, ioas, window, length, alignment, at % PAGE_SIZE, iova)
			       ? 0
			       : -ENOSPC;
	struct model_span span;
	for (uint64_t from = 0; next_allowed(object, from, &span);) {
		uint64_t end = span.last;
		if (span.start < window.start)
			span.start = window.start;
		if (span.last > window.last)
			span.last = window.last;
		if (span.start <= span.last &&
		    pick_in(model, ioas, span, length, alignment, at % PAGE_SIZE, iova))
			return 0;
		if (end == UINT64_MAX)
			break;
		from = end + 1;
	}
	return -ENOSPC;
}

/* 2.5.1 */
static int64_t check_fixed(const struct model *model, uint32_t ioas, uint64_t iova, uint64_t length)
{
	if (iova % alignment_of(model, ioas) != 0)
		return -EINVAL;
	if (overflows(iova, length))
		return -EOVERFLOW;
	if (meets_reserved(model, ioas, iova, iova + length - 1))
		return -EINVAL;
	if (meets_area(&model->objects[ioas], iova, iova + length - 1))
		return -EEXIST;
	return 0;
}

static void insert_area(struct model *model, struct model_object *ioas, struct model_area area)
{
	uint32_t at = ioas->area_count;
	assert(at < MODEL_AREAS);
	while (at > 0 && ioas->areas[at - 1].iova > area.iova) {
		ioas->areas[at] = ioas->areas[at - 1];
		at--;
	}
	area.serial = model->next_serial++;
	ioas->areas[at] = area;
	ioas->area_count++;
	model->sources[area.source].areas++;
}

/* 2.4 8 to 12: PIECES one after the other. */
static int64_t map_pieces(struct model *model, uint32_t ioas, uint32_t flags,
			  struct model_area *pieces, uint32_t count, uint64_t *iova)
{
	struct model_object *object = &model->objects[ioas];
	uint64_t length = 0, alignment = alignment_of(model, ioas), at = *iova;
	for (uint32_t i = 0; i < count; i++)
		length += pieces[i].length;
	if (length % alignment != 0)
		return -EINVAL;
	int64_t error = (flags & IOMMU_IOAS_MAP_FIXED_IOVA) != 0
				? check_fixed(model, ioas, at, length)
				: pick(model, ioas, pieces[0].at, length, &at);
	if (error != 0)
		return error;
	uint64_t next = at;
	for (uint32_t i = 0; i < count; i++) {
		const struct model_source *source = &model->sources[pieces[i].source];
		if ((flags & IOMMU_IOAS_MAP_WRITEABLE) != 0 && !source->writable)
			return -EPERM;
		if (pieces[i].at % PAGE_SIZE % alignment != 0)
			return -EINVAL;
		pieces[i].iova = next;
		pieces[i].flags = flags & RW_FLAGS;
		next += pieces[i].length;
	}
	for (uint32_t i = 0; domains_of(model, ioas) > 0 && i < count; i++) {
		error = can_fill(model, object->small_pages, &pieces[i]);
		if (error != 0)
			return error;
	}
	for (uint32_t i = 0; i < count; i++)
		insert_area(model, object, pieces[i]);
	*iova = at;
	return 0;
}

static int64_t map_new(struct model *model, uint32_t ioas, uint32_t flags, uint64_t at,
		       uint64_t length, struct model_source source, uint64_t *iova)
{
	uint32_t index = 0;
	while (index < MODEL_SOURCES && model->sources[index].areas > 0)
		index++;
	assert(index < MODEL_SOURCES);
	source.writable = (flags & IOMMU_IOAS_MAP_WRITEABLE) != 0;
	model->sources[index] = source;
	struct model_area piece = {.at = at, .length = length, .source = index};
	return map_pieces(model, ioas, flags, &piece, 1, iova);
}

int64_t model_map(struct model *model, struct iommu_ioas_map *cmd)
{
	if ((cmd->flags & ~MAP_FLAGS) != 0 || cmd->__reserved != 0)
		return -EOPNOTSUPP;
	if (cmd->iova == UINT64_MAX || cmd->length == UINT64_MAX)
		return -EOVERFLOW;
	if ((cmd->flags & RW_FLAGS) == 0)
		return -EINVAL;
	if (model_get(model, cmd->ioas_id, MODEL_IOAS) == NULL)
		return -ENOENT;
	if (cmd->user_va + cmd->length < cmd->user_va)
		return -EOVERFLOW;
	if (cmd->length == 0 || cmd->length > UINT64_MAX - PAGE_SIZE)
		return -EINVAL;
	return map_new(model, cmd->ioas_id, cmd->flags, cmd->user_va, cmd->length,
		       (struct model_source){0}, &cmd->iova);
}

int64_t model_map_file(struct model *model, struct iommu_ioas_map_file *cmd)
{
	if ((cmd->flags & ~MAP_FLAGS) != 0)
		return -EOPNOTSUPP;
	if (cmd->iova == UINT64_MAX || cmd->length == UINT64_MAX)
		return -EOVERFLOW;
	if ((cmd->flags & RW_FLAGS) == 0)
		return -EINVAL;
	if (model_get(model, cmd->ioas_id, MODEL_IOAS) == NULL)
		return -ENOENT;
	if (cmd->length == 0)
		return -EINVAL;
	if (overflows(cmd->start, cmd->length))
		return -EOVERFLOW;
	if (cmd->fd < 0 || cmd->fd >= (int32_t)MODEL_FDS || model->fds[cmd->fd] == MODEL_FD_FREE)
		return -EBADF;
	if (cmd->length > UINT64_MAX - PAGE_SIZE)
		return -EINVAL;
	return map_new(model, cmd->ioas_id, cmd->flags, cmd->start, cmd->length,
		       (struct model_source){.file = true,
					     .memory = model->fds[cmd->fd] == MODEL_FD_MEMORY,
					     .what = model->fds[cmd->fd]},
		       &cmd->iova);
}

int64_t model_copy(struct model *model, struct iommu_ioas_copy *cmd)
{
	struct model_area pieces[MODEL_AREAS];
	struct model_object *source = model_get(model, cmd->src_ioas_id, MODEL_IOAS);
	uint32_t flags = cmd->flags, count = 0;
	uint64_t from = cmd->src_iova;
	if ((flags & SYZ) != 0) {
		flags &= ~SYZ;
		if (source != NULL) {
			uint32_t index = (uint32_t)from;
			from = index < source->area_count ? source->areas[index].iova + (from >> 32)
							  : 0;
		}
	}
	if ((flags & ~MAP_FLAGS) != 0)
		return -EOPNOTSUPP;
	if (cmd->length == UINT64_MAX || from == UINT64_MAX || cmd->dst_iova == UINT64_MAX)
		return -EOVERFLOW;
	if ((flags & RW_FLAGS) == 0)
		return -EINVAL;
	if (source == NULL)
		return -ENOENT;
	if (cmd->length == 0)
		return -EINVAL;
	if (overflows(from, cmd->length))
		return -EOVERFLOW;
	if (!model_covered(model, cmd->src_ioas_id, from, cmd->length))
		return -ENOENT;
	if (model_get(model, cmd->dst_ioas_id, MODEL_IOAS) == NULL)
		return -ENOENT;
	for (uint64_t done = 0; done < cmd->length;) {
		const struct model_area *area = area_at(source, from + done);
		uint64_t offset = from + done - area->iova;
		uint64_t length = area->length - offset;
		if (length > cmd->length - done)
			length = cmd->length - done;
		pieces[count++] = (struct model_area){
			.at = area->at + offset, .length = length, .source = area->source};
		done += length;
	}
	int64_t error = map_pieces(model, cmd->dst_ioas_id, flags, pieces, count, &cmd->dst_iova);
	if (error == 0) {
		cmd->flags = flags;
		cmd->src_iova = from;
	}
	return error;
}

static bool item_holds(const struct model_item *item, uint64_t area)
{
	for (uint32_t i = 0; i < item->piece_count; i++)
		if (item->pieces[i].area == area)
			return true;
	return false;
}

static void remove_item(struct model_object *access, uint32_t index)
{
	access->item_count--;
	memmove(&access->items[index], &access->items[index + 1],
		(access->item_count - index) * sizeof(access->items[0]));
}

/* 3.4: the callbacks of an IOAS's accesses, when the area has pins. */
static void notify(struct model *model, uint32_t ioas, const struct model_area *area)
{
	bool pinned = false;
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		for (uint32_t i = 0; i < model->objects[id].item_count; i++)
			pinned |= item_holds(&model->objects[id].items[i], area->serial);
	for (uint32_t id = 1; pinned && id < MODEL_OBJECTS; id++) {
		struct model_object *access = &model->objects[id];
		if (access->kind != MODEL_ACCESS || access->ioas != ioas)
			continue;
		for (uint32_t i = access->item_count; i-- > 0;)
			if (meet(access->items[i].iova, access->items[i].last, area->iova,
				 area_last(area)))
				remove_item(access, i);
	}
}

int64_t model_unmap(struct model *model, struct iommu_ioas_unmap *cmd)
{
	struct model_object *ioas = model_get(model, cmd->ioas_id, MODEL_IOAS);
	bool all = cmd->iova == 0 && cmd->length == UINT64_MAX;
	uint64_t last = UINT64_MAX, unmapped = 0;
	if (ioas == NULL)
		return -ENOENT;
	if (!all) {
		if (cmd->iova == UINT64_MAX || cmd->length == UINT64_MAX)
			return -EOVERFLOW;
		if (cmd->length == 0)
			return -EINVAL;
		if (overflows(cmd->iova, cmd->length))
			return -EOVERFLOW;
		last = cmd->iova + cmd->length - 1;
	}
	for (uint32_t i = 0; i < ioas->area_count;) {
		const struct model_area *area = &ioas->areas[i];
		if (!meet(area->iova, area_last(area), cmd->iova, last)) {
			i++;
			continue;
		}
		if (area->iova < cmd->iova || area_last(area) > last)
			return -ENOENT;
		notify(model, cmd->ioas_id, area);
		unmapped += area->length;
		remove_area(model, ioas, i);
	}
	if (!all && unmapped == 0)
		return -ENOENT;
	cmd->length = unmapped;
	return 0;
}

/* --- options --- */

int64_t model_change_process(struct model *model, const struct iommu_ioas_change_process *cmd)
{
	if (cmd->__reserved != 0)
		return -EOPNOTSUPP;
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		for (uint32_t i = 0; i < model->objects[id].area_count; i++)
			if (!model->sources[model->objects[id].areas[i].source].file)
				return -EINVAL;
	return 0;
}

static int64_t rlimit_mode(struct model *model, struct iommu_option *cmd)
{
	if (cmd->object_id != 0)
		return -EOPNOTSUPP;
	switch (cmd->op) {
	case IOMMU_OPTION_OP_GET:
		cmd->val64 = 0; /* nothing here sets it: there is always an object */
		return 0;
	case IOMMU_OPTION_OP_SET:
		for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
			if (model->objects[id].kind != MODEL_NONE)
				return -EBUSY;
		return MODEL_SKIP;
	default:
		return -EOPNOTSUPP;
	}
}

static int64_t huge_pages(struct model *model, struct iommu_option *cmd)
{
	struct model_object *ioas = model_get(model, cmd->object_id, MODEL_IOAS);
	if (ioas == NULL)
		return -ENOENT;
	if (cmd->op == IOMMU_OPTION_OP_GET) {
		cmd->val64 = ioas->small_pages ? 0 : 1;
		return 0;
	}
	if (cmd->op != IOMMU_OPTION_OP_SET)
		return -EOPNOTSUPP;
	if (cmd->val64 > 1)
		return -EINVAL;
	if (cmd->val64 == 1) {
		ioas->small_pages = false;
		return 0;
	}
	if (ioas->small_pages)
		return 0;
	if (domains_of(model, cmd->object_id) > 0 && ioas->area_count > 0)
		return -EINVAL;
	int64_t error = can_align(model, cmd->object_id, PAGE_SIZE);
	if (error == 0)
		ioas->small_pages = true;
	return error;
}

int64_t model_option(struct model *model, struct iommu_option *cmd)
{
	if (cmd->__reserved != 0)
		return -EOPNOTSUPP;
	switch (cmd->option_id) {
	case IOMMU_OPTION_RLIMIT_MODE:
		return rlimit_mode(model, cmd);
	case IOMMU_OPTION_HUGE_PAGES:
		return huge_pages(model, cmd);
	default:
		return -EOPNOTSUPP;
	}
}

/* --- accesses --- */

static struct model_object *access_of(struct model *model, uint32_t fd)
{
	if (fd >= MODEL_FDS || model->fds[fd] <= 0)
		return NULL;
	return model_get(model, (uint32_t)model->fds[fd], MODEL_ACCESS);
}

static int64_t create_access(struct model *model, struct iommu_test_cmd *cmd)
{
	uint32_t flags = cmd->create_access.flags;
	if ((flags & ~MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES) != 0)
		return -EOPNOTSUPP;
	bool pins = flags != 0;
	if (model_get(model, cmd->id, MODEL_IOAS) == NULL)
		return -ENOENT;
	int64_t error = can_align(model, cmd->id, pins ? PAGE_SIZE : 1);
	if (error != 0)
		return error;
	uint32_t id = take_id(model, MODEL_ACCESS), fd = free_fd(model);
	model->objects[id].ioas = cmd->id;
	model->objects[id].pins = pins;
	model->fds[fd] = id;
	cmd->create_access.out_access_fd = fd;
	return 0;
}

bool model_is_mapped(const struct model *model, uint32_t fd)
{
	for (uint32_t i = 0; i < MODEL_SOURCES; i++)
		if (model->sources[i].areas > 0 && model->sources[i].what == model->fds[fd])
			return true;
	return false;
}

void model_close(struct model *model, uint32_t fd)
{
	drop_id(model, (uint32_t)model->fds[fd]);
	model->fds[fd] = MODEL_FD_FREE;
}

static int64_t access_replace(struct model *model, const struct iommu_test_cmd *cmd)
{
	struct model_object *access = access_of(model, cmd->id);
	uint32_t ioas = cmd->access_replace_ioas.ioas_id;
	if (access == NULL)
		return -EBADFD;
	if (model_get(model, ioas, MODEL_IOAS) == NULL)
		return -ENOENT;
	if (access->ioas == ioas)
		return 0;
	int64_t error = can_align(model, ioas, access->pins ? PAGE_SIZE : 1);
	if (error != 0)
		return error;
	access->item_count = 0;
	access->ioas = ioas;
	return 0;
}

static int64_t may_access(const struct model *model, const struct model_area *area, bool write)
{
	uint32_t need = write ? IOMMU_IOAS_MAP_WRITEABLE : IOMMU_IOAS_MAP_READABLE;
	if ((area->flags & need) == 0 || (write && !model->sources[area->source].writable))
		return -EPERM;
	return 0;
}

/* Fills ITEM. */
static int64_t pin(struct model *model, uint32_t ioas, uint64_t iova, uint64_t length, bool write,
		   struct model_item *item)
{
	if (length == 0)
		return -EINVAL;
	if (overflows(iova, length))
		return -EOVERFLOW;
	uint64_t last = iova + length - 1;
	*item = (struct model_item){.iova = iova, .last = last};
	for (;;) {
		const struct model_area *area = area_at(&model->objects[ioas], iova);
		if (area == NULL)
			return -ENOENT;
		bool goes_on = area_last(area) < last;
		uint64_t end = goes_on ? area_last(area) : last;
		uint64_t from = area->at + (iova - area->iova), to = area->at + (end - area->iova);
		if (from % PAGE_SIZE != 0 || (goes_on && (to + 1) % PAGE_SIZE != 0))
			return -EINVAL;
		int64_t error = may_access(model, area, write);
		if (error == 0)
			error = can_pin(model, area->source, from / PAGE_SIZE, to / PAGE_SIZE);
		if (error != 0)
			return error;
		assert(item->piece_count < MODEL_PIECES);
		item->pieces[item->piece_count++] = (struct model_piece){
			area->serial, area->source, from / PAGE_SIZE, to / PAGE_SIZE};
		if (!goes_on)
			return 0;
		iova = end + 1;
	}
}

static int64_t check_pinned(const struct model *model, const struct model_item *item, uint64_t uptr)
{
	uint64_t user_page = (uptr - item->iova % PAGE_SIZE) / PAGE_SIZE;
	for (uint32_t i = 0; i < item->piece_count; i++) {
		const struct model_piece *piece = &item->pieces[i];
		bool file = model->sources[piece->source].file;
		for (uint64_t page = piece->first_page; page <= piece->last_page; page++) {
			int64_t frame = model_frame(model, false, user_page++);
			if (frame < 0)
				return -EFAULT;
			if (frame != model_frame(model, file, page))
				return -EBADE;
		}
	}
	return 0;
}

static int64_t access_pages(struct model *model, struct iommu_test_cmd *cmd)
{
	struct model_object *access = access_of(model, cmd->id);
	uint32_t flags = cmd->access_pages.flags;
	struct model_item item;
	if (cmd->access_pages.length > ACCESS_BYTES_MAX)
		return -ENOMEM;
	if ((flags & ~(MOCK_FLAGS_ACCESS_WRITE | MOCK_FLAGS_ACCESS_SYZ)) != 0)
		return -EOPNOTSUPP;
	if (access == NULL)
		return -EBADFD;
	if (!access->pins)
		return -EOPNOTSUPP;
	int64_t error = pin(model, access->ioas, cmd->access_pages.iova, cmd->access_pages.length,
			    (flags & MOCK_FLAGS_ACCESS_WRITE) != 0, &item);
	if (error == 0 && cmd->access_pages.uptr != 0)
		error = check_pinned(model, &item, cmd->access_pages.uptr);
	if (error != 0)
		return error;
	assert(access->item_count < MODEL_ITEMS);
	item.id = access->next_item++;
	access->items[access->item_count++] = item;
	cmd->access_pages.out_access_pages_id = item.id;
	return 0;
}

static int64_t destroy_access_pages(struct model *model, const struct iommu_test_cmd *cmd)
{
	struct model_object *access = access_of(model, cmd->id);
	if (access == NULL)
		return -EBADFD;
	for (uint32_t i = 0; i < access->item_count; i++)
		if (access->items[i].id == cmd->destroy_access_pages.access_pages_id) {
			remove_item(access, i);
			return 0;
		}
	return -ENOENT;
}

/* A piece of one area: user memory as the process itself sees it, or the source's pages. */
static int64_t move(struct model *model, const struct model_source *source, uint64_t at,
		    uint64_t length, uint8_t *data, bool write, bool slow)
{
	if (source->file && !source->memory)
		return -EINVAL;
	for (uint64_t page = at / PAGE_SIZE; page <= (at + length - 1) / PAGE_SIZE; page++) {
		const struct model_region *region = region_of(model, source->file, page);
		if (region == NULL || (write && !region->writable))
			return source->file ? -EINVAL : -EFAULT;
		/* Whether it reads with the intent to write is not told. */
		if (slow && source->writable && !region->writable)
			return MODEL_SKIP;
	}
	for (uint64_t i = 0; i < length; i++) {
		int64_t frame = model_frame(model, source->file, (at + i) / PAGE_SIZE);
		uint8_t *byte = &model->bytes[frame][(at + i) % PAGE_SIZE];
		if (write)
			*byte = data[i];
		else
			data[i] = *byte;
	}
	return 0;
}

static int64_t access_rw(struct model *model, const struct iommu_test_cmd *cmd, uint8_t *data)
{
	static uint8_t sink[ACCESS_BYTES_MAX];
	struct model_object *access = access_of(model, cmd->id);
	uint32_t flags = cmd->access_rw.flags;
	uint64_t iova = cmd->access_rw.iova, length = cmd->access_rw.length;
	bool write = (flags & MOCK_ACCESS_RW_WRITE) != 0;
	if (length > ACCESS_BYTES_MAX)
		return -ENOMEM;
	if ((flags & ~(MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH | MOCK_FLAGS_ACCESS_SYZ)) !=
	    0)
		return -EOPNOTSUPP;
	if (access == NULL)
		return -EBADFD;
	if (write && data == NULL && length > 0)
		return -EFAULT;
	if (length == 0)
		return -EINVAL;
	if (overflows(iova, length))
		return -EOVERFLOW;
	uint8_t *to = data != NULL ? data : sink;
	for (uint64_t done = 0; done < length;) {
		const struct model_area *area = area_at(&model->objects[access->ioas], iova + done);
		if (area == NULL)
			return -ENOENT;
		uint64_t offset = iova + done - area->iova;
		uint64_t size = area->length - offset;
		if (size > length - done)
			size = length - done;
		int64_t error = may_access(model, area, write);
		if (error == 0)
			error = move(model, &model->sources[area->source], area->at + offset, size,
				     to + done, write, (flags & MOCK_ACCESS_RW_SLOW_PATH) != 0);
		if (error != 0)
			return error;
		done += size;
	}
	return data != NULL ? 0 : -EFAULT;
}

static int64_t check_map(struct model *model, const struct iommu_test_cmd *cmd)
{
	uint64_t iova = cmd->check_map.iova, length = cmd->check_map.length;
	uint64_t uptr = cmd->check_map.uptr;
	const struct model_object *hwpt = model_get(model, cmd->id, MODEL_HWPT);
	if (hwpt == NULL)
		return -ENOENT;
	if ((iova | length | uptr) % MOCK_ALIGNMENT != 0 || uptr + length < uptr)
		return -EINVAL;
	for (uint64_t done = 0; done < length; done += MOCK_ALIGNMENT) {
		int64_t frame = model_frame(model, false, (uptr + done) / PAGE_SIZE);
		const struct model_area *area = area_at(&model->objects[hwpt->ioas], iova + done);
		if (frame < 0)
			return -EFAULT;
		if (area == NULL)
			return -EINVAL;
		uint64_t at = area->at + (iova + done - area->iova);
		if (model_frame(model, model->sources[area->source].file, at / PAGE_SIZE) !=
			    frame ||
		    at % PAGE_SIZE != (uptr + done) % PAGE_SIZE)
			return -EINVAL;
	}
	return 0;
}

static int64_t check_refs(struct model *model, const struct iommu_test_cmd *cmd)
{
	uint64_t length = cmd->check_refs.length, uptr = cmd->check_refs.uptr;
	uint32_t pins[MODEL_FRAMES];
	if ((length | uptr) % PAGE_SIZE != 0 || uptr + length < uptr)
		return -EINVAL;
	model_pins(model, pins);
	for (uint64_t done = 0; done < length; done += PAGE_SIZE) {
		int64_t frame = model_frame(model, false, (uptr + done) / PAGE_SIZE);
		if (frame < 0)
			return -EFAULT;
		if (pins[frame] != cmd->check_refs.refs)
			return -EIO;
	}
	return 0;
}

int64_t model_test(struct model *model, struct iommu_test_cmd *cmd, uint8_t *data)
{
	switch (cmd->op) {
	case IOMMU_TEST_OP_ADD_RESERVED:
		return add_reserved(model, cmd);
	case IOMMU_TEST_OP_MOCK_DOMAIN:
		return mock_domain(model, cmd, 0);
	case IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS:
		return mock_domain(model, cmd, cmd->mock_domain_flags.dev_flags);
	case IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE:
		return mock_domain_replace(model, cmd);
	case IOMMU_TEST_OP_MD_CHECK_MAP:
		return check_map(model, cmd);
	case IOMMU_TEST_OP_MD_CHECK_REFS:
		return check_refs(model, cmd);
	case IOMMU_TEST_OP_CREATE_ACCESS:
		return create_access(model, cmd);
	case IOMMU_TEST_OP_ACCESS_REPLACE_IOAS:
		return access_replace(model, cmd);
	case IOMMU_TEST_OP_ACCESS_PAGES:
		return access_pages(model, cmd);
	case IOMMU_TEST_OP_DESTROY_ACCESS_PAGES:
		return destroy_access_pages(model, cmd);
	case IOMMU_TEST_OP_ACCESS_RW:
		return access_rw(model, cmd, data);
	case IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT:
		return cmd->memory_limit.limit < 12 ? -EINVAL : 0;
	default:
		return -EOPNOTSUPP;
	}
}
