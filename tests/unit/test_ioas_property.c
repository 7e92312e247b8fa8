/* SPDX-License-Identifier: Apache-2.0 */
/* Random calls on IOASes, answered by the shim as by a slow model (iommufd 2, 3, 6, 7). */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/draw.h"
#include "tests/kit/ioas_model.h"
#include "tests/kit/run.h"
#include "tests/kit/world.h"

#define SEEDS      40U
#define PAGES      48U
#define RO_PAGES   16U
#define FILE_PAGES 48U
#define RW_MAX     0x6000U
#define SYZ_FLAG   0x10000U
/* An IOAS that aligns to 4 KiB and holds nothing: COPY to it tells whether a range is covered. */
#define PROBE 1U

static struct world *world;
static struct model model;
static uint64_t random_state, seed;
static unsigned step;
static const char *step_name = "start";
static uint64_t buffer, read_only, shared;

static uint64_t draw(uint64_t below)
{
	return draw_from(&random_state, below);
}

static bool chance(unsigned of)
{
	return draw(of) == 0;
}

#define same(what, have, want)                                                                 \
	ck_assert_msg((have) == (want), "seed %" PRIu64 " step %u %s: %s is %#llx, not %#llx", \
		      seed, step, step_name, (what), (unsigned long long)(have),               \
		      (unsigned long long)(want))

/* --- what to call with --- */

static uint32_t pick_id(enum model_kind kind)
{
	uint32_t ids[MODEL_OBJECTS], count = 0;
	if (chance(25))
		return (uint32_t)draw(40);
	for (uint32_t id = kind == MODEL_IOAS ? PROBE + 1 : 1; id < MODEL_OBJECTS; id++)
		if (model.objects[id].kind == kind)
			ids[count++] = id;
	return count == 0 ? (uint32_t)draw(12) : ids[draw(count)];
}

static uint32_t pick_fd(void)
{
	uint32_t fds[MODEL_FDS], count = 0;
	for (uint32_t fd = 0; fd < MODEL_FDS; fd++)
		if (model.fds[fd] > 0)
			fds[count++] = fd;
	return count == 0 || chance(25) ? (uint32_t)draw(20) : fds[draw(count)];
}

static uint64_t pick_length(void)
{
	switch (draw(24)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX - draw(3) * (PAGE_SIZE / 2);
	case 2:
		return draw(0);
	case 3:
	case 4:
		return 1 + draw(3 * PAGE_SIZE);
	case 5:
		return 2048 * (1 + draw(12));
	case 6:
		return (uint64_t)1 << draw(40);
	default:
		return PAGE_SIZE * (1 + draw(8));
	}
}

static uint64_t pick_sub_page(void)
{
	switch (draw(12)) {
	case 0:
		return draw(PAGE_SIZE);
	case 1:
	case 2:
		return 2048;
	default:
		return 0;
	}
}

static uint64_t pick_va(void)
{
	switch (draw(24)) {
	case 0:
		return draw(0);
	case 1:
		return NOWHERE;
	case 2:
		return 0;
	case 3:
	case 4:
		return read_only + draw(RO_PAGES) * PAGE_SIZE + pick_sub_page();
	case 5:
	case 6:
	case 7:
		return shared + draw(FILE_PAGES) * PAGE_SIZE + pick_sub_page();
	default:
		return buffer + draw(PAGES) * PAGE_SIZE + pick_sub_page();
	}
}

static uint64_t pick_iova(uint32_t ioas)
{
	const struct model_object *object = model_get(&model, ioas, MODEL_IOAS);
	if (object != NULL && object->area_count > 0 && !chance(4)) {
		const struct model_area *area = &object->areas[draw(object->area_count)];
		switch (draw(8)) {
		case 0:
			return area->iova + draw(area->length);
		case 1:
			return area->iova + area->length;
		case 2:
			return area->iova + PAGE_SIZE * draw(4);
		default:
			return area->iova;
		}
	}
	switch (draw(16)) {
	case 0:
		return UINT64_MAX - draw(3) * PAGE_SIZE;
	case 1:
		return draw(0);
	case 2:
		return 0x7ffff000;
	case 3:
	case 4:
		return draw(32) * PAGE_SIZE + pick_sub_page();
	default:
		return APERTURE + draw(64) * PAGE_SIZE + pick_sub_page();
	}
}

/* A length that often ends where an area does. */
static uint64_t pick_extent(uint32_t ioas, uint64_t iova)
{
	const struct model_object *object = model_get(&model, ioas, MODEL_IOAS);
	if (object != NULL && !chance(3))
		for (uint32_t i = 0, more = (uint32_t)draw(3); i < object->area_count; i++) {
			const struct model_area *area = &object->areas[i];
			if (area->iova < iova && area->iova + area->length - 1 < iova)
				continue;
			if (more-- == 0 || i + 1 == object->area_count)
				return area->iova + area->length - iova;
		}
	return pick_length();
}

static uint32_t pick_flags(void)
{
	if (chance(20))
		return (uint32_t)draw(16);
	static const uint32_t flags[] = {MAP_RW, MAP_RW, MAP_RW, MAP_RO, MAP_WO};
	return flags[draw(5)] | (chance(2) ? MAP_FIXED_ : 0);
}

static uint32_t reserved_word(void)
{
	return chance(60) ? 1 : 0;
}

/* --- the state after a call --- */

static void check_pins(void)
{
	uint32_t pins[MODEL_FRAMES];
	model_pins(&model, pins);
	for (uint32_t r = 0; r < model.region_count; r++) {
		const struct model_region *region = &model.regions[r];
		if (region->file)
			continue;
		for (uint32_t i = 0, n; i < region->pages; i += n) {
			uint32_t refs = pins[region->first_frame + i];
			for (n = 1; i + n < region->pages; n++)
				if (pins[region->first_frame + i + n] != refs)
					break;
			same("MD_CHECK_REFS",
			     world_refs(world, region->start + i * PAGE_SIZE, n * PAGE_SIZE, refs),
			     0);
		}
	}
}

/* Without a change: the length never fits PROBE's alignment. */
static bool covered(uint32_t ioas, uint64_t iova, uint64_t length)
{
	uint64_t to = 0;
	int64_t error = world_copy(world, ioas, iova, length, PROBE, MAP_RW, &to);
	ck_assert(error == -EINVAL || error == -ENOENT);
	return error == -EINVAL;
}

static void check_coverage(uint32_t ioas, uint64_t iova, uint64_t length)
{
	if (length % PAGE_SIZE != 0 && iova + length - 1 >= iova)
		same("cover", covered(ioas, iova, length),
		     model_covered(&model, ioas, iova, length));
}

static void check_areas(uint32_t ioas)
{
	const struct model_object *object = &model.objects[ioas];
	for (uint32_t i = 0; i < object->area_count; i++) {
		const struct model_area *area = &object->areas[i];
		uint64_t last = area->iova + area->length - 1;
		check_coverage(ioas, area->iova, area->length - (area->length % PAGE_SIZE == 0));
		check_coverage(ioas, last, 1);
		if (last < UINT64_MAX - 1)
			check_coverage(ioas, last + 1, 1);
		if (area->iova > 0)
			check_coverage(ioas, area->iova - 1, 1);
	}
}

static void check_maps(uint32_t hwpt)
{
	uint32_t ioas = model.objects[hwpt].ioas;
	const struct model_object *object = &model.objects[ioas];
	for (uint32_t i = 0; i < object->area_count; i++) {
		const struct model_area *area = &object->areas[i];
		uint64_t at = area->at;
		if (model.sources[area->source].file)
			at += shared;
		if ((area->iova | area->length | at) % 2048 != 0)
			continue;
		same("MD_CHECK_MAP", world_check_map(world, hwpt, area->iova, at, area->length), 0);
	}
}

static void check_ranges(uint32_t ioas)
{
	struct iommu_iova_range have[MODEL_RANGES] = {0}, want[MODEL_RANGES] = {0};
	struct iommu_ioas_iova_ranges cmd = {.ioas_id = ioas, .num_iovas = MODEL_RANGES};
	uint32_t count;
	uint64_t alignment;
	same("ranges", model_ranges(&model, &cmd, want), 0);
	same("IOVA_RANGES", world_ranges(world, ioas, have, MODEL_RANGES, &count, &alignment), 0);
	same("num_iovas", count, cmd.num_iovas);
	same("alignment", alignment, cmd.out_iova_alignment);
	same("ranges differ", memcmp(have, want, sizeof(have)), 0);
}

static void check_all(void)
{
	check_pins();
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++) {
		if (model.objects[id].kind == MODEL_IOAS) {
			check_ranges(id);
			check_areas(id);
		} else if (model.objects[id].kind == MODEL_HWPT) {
			check_maps(id);
		}
	}
}

/* Of what an ioctl on IOAS may have changed. */
static void check_some(uint32_t ioas)
{
	check_pins();
	if (model_get(&model, ioas, MODEL_IOAS) == NULL)
		return;
	check_ranges(ioas);
	/* The others get their turn in check_all(). */
	if (chance(2))
		check_areas(ioas);
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		if (model.objects[id].kind == MODEL_HWPT && model.objects[id].ioas == ioas)
			check_maps(id);
}

/* --- one step each --- */

#define compare(nr, answer, have, want)                                                            \
	do {                                                                                       \
		int64_t expected = (answer);                                                       \
		if (expected == MODEL_SKIP)                                                        \
			return;                                                                    \
		same("result", world_ioctl(world, (nr), &(have)), expected);                       \
		same("struct differs",                                                             \
		     memcmp((const uint8_t *)&(have), (const uint8_t *)&(want), sizeof(have)), 0); \
	} while (0)

static void step_ioas(void)
{
	struct iommu_ioas_alloc want = {.size = sizeof(want), .flags = chance(10) ? 1 : 0},
				have = want;
	unsigned count = 0;
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		count += model.objects[id].kind == MODEL_IOAS;
	if (count > 6)
		return;
	compare(IOMMUFD_NR_IOAS_ALLOC, model_ioas_alloc(&model, &want), have, want);
}

static bool full(uint32_t ioas)
{
	const struct model_object *object = model_get(&model, ioas, MODEL_IOAS);
	return object != NULL && object->area_count > 24;
}

static void step_map(void)
{
	uint32_t ioas = pick_id(MODEL_IOAS);
	struct iommu_ioas_map want = {.size = sizeof(want),
				      .flags = pick_flags(),
				      .ioas_id = ioas,
				      .__reserved = reserved_word(),
				      .user_va = pick_va(),
				      .length = pick_length(),
				      .iova = pick_iova(ioas)};
	if (full(ioas) || ioas == PROBE)
		return;
	struct iommu_ioas_map have = want;
	compare(IOMMUFD_NR_IOAS_MAP, model_map(&model, &want), have, want);
	check_some(ioas);
}

static void step_map_file(void)
{
	uint32_t ioas = pick_id(MODEL_IOAS);
	struct iommu_ioas_map_file want = {
		.size = sizeof(want),
		.flags = pick_flags(),
		.ioas_id = ioas,
		.fd = chance(12) ? (int32_t)draw(24) - 2 : 4,
		.start = chance(20) ? draw(0) : draw(FILE_PAGES + 2) * PAGE_SIZE + pick_sub_page(),
		.length = pick_length(),
		.iova = pick_iova(ioas)};
	if (full(ioas) || ioas == PROBE)
		return;
	struct iommu_ioas_map_file have = want;
	compare(IOMMUFD_NR_IOAS_MAP_FILE, model_map_file(&model, &want), have, want);
	check_some(ioas);
}

static void step_copy(void)
{
	uint32_t from = pick_id(MODEL_IOAS), to = pick_id(MODEL_IOAS);
	struct iommu_ioas_copy want = {.size = sizeof(want),
				       .flags = pick_flags(),
				       .dst_ioas_id = to,
				       .src_ioas_id = from,
				       .dst_iova = pick_iova(to),
				       .src_iova = pick_iova(from)};
	want.length = pick_extent(from, want.src_iova);
	if (chance(12)) {
		want.flags |= SYZ_FLAG;
		want.src_iova = draw(6) | pick_sub_page() << 32;
	}
	if (full(to) || to == PROBE)
		return;
	struct iommu_ioas_copy have = want;
	compare(IOMMUFD_NR_IOAS_COPY, model_copy(&model, &want), have, want);
	check_some(to);
}

static void step_unmap(void)
{
	uint32_t ioas = pick_id(MODEL_IOAS);
	struct iommu_ioas_unmap want = {
		.size = sizeof(want), .ioas_id = ioas, .iova = pick_iova(ioas)};
	want.length = pick_extent(ioas, want.iova);
	if (chance(12)) {
		want.iova = 0;
		want.length = UINT64_MAX - (chance(3) ? 1 : 0);
	}
	struct iommu_ioas_unmap have = want;
	compare(IOMMUFD_NR_IOAS_UNMAP, model_unmap(&model, &want), have, want);
	check_some(ioas);
}

static void step_ranges(void)
{
	struct iommu_iova_range have_ranges[MODEL_RANGES] = {0}, want_ranges[MODEL_RANGES] = {0};
	struct iommu_ioas_iova_ranges want = {.size = sizeof(want),
					      .ioas_id = pick_id(MODEL_IOAS),
					      .num_iovas = (uint32_t)draw(4),
					      .__reserved = reserved_word(),
					      .allowed_iovas = world->data};
	struct iommu_ioas_iova_ranges have = want;
	world_data(world, have_ranges, sizeof(have_ranges));
	compare(IOMMUFD_NR_IOAS_IOVA_RANGES, model_ranges(&model, &want, want_ranges), have, want);
	world_get(world, world->data, have_ranges, sizeof(have_ranges));
	same("ranges differ", memcmp(have_ranges, want_ranges, sizeof(have_ranges)), 0);
}

static void step_allow(void)
{
	uint32_t ioas = pick_id(MODEL_IOAS);
	struct iommu_iova_range ranges[3];
	struct iommu_ioas_allow_iovas want = {.size = sizeof(want),
					      .ioas_id = ioas,
					      .num_iovas = (uint32_t)draw(4),
					      .__reserved = reserved_word(),
					      .allowed_iovas = world->data};
	for (unsigned i = 0; i < 3; i++) {
		ranges[i].start = chance(3) && i > 0 ? ranges[i - 1].last + 1 : pick_iova(0);
		ranges[i].last = ranges[i].start + pick_length() - 1;
	}
	world_data(world, ranges, sizeof(ranges));
	struct iommu_ioas_allow_iovas have = want;
	compare(IOMMUFD_NR_IOAS_ALLOW_IOVAS, model_allow(&model, &want, ranges), have, want);
	check_some(ioas);
}

static void step_option(void)
{
	uint32_t ioas = pick_id(MODEL_IOAS);
	struct iommu_option want = {.size = sizeof(want),
				    .option_id = chance(5) ? (uint32_t)draw(3) : 1,
				    .op = chance(12) ? 2 : (uint16_t)draw(2),
				    .__reserved = (uint16_t)reserved_word(),
				    .object_id = ioas,
				    .val64 = chance(12) ? draw(0) : draw(2)};
	if (want.option_id == 0 && !chance(3))
		want.object_id = 0;
	if (want.object_id == PROBE)
		return;
	struct iommu_option have = want;
	compare(IOMMUFD_NR_OPTION, model_option(&model, &want), have, want);
	check_some(ioas);
}

static void step_change_process(void)
{
	struct iommu_ioas_change_process want = {.size = sizeof(want),
						 .__reserved = reserved_word()};
	struct iommu_ioas_change_process have = want;
	compare(IOMMUFD_NR_IOAS_CHANGE_PROCESS, model_change_process(&model, &want), have, want);
	check_pins();
}

static void step_destroy(void)
{
	static const enum model_kind kinds[] = {MODEL_IOAS,  MODEL_HWPT,   MODEL_STDEV,
						MODEL_STDEV, MODEL_DEVICE, MODEL_ACCESS};
	struct iommu_destroy want = {.size = sizeof(want), .id = pick_id(kinds[draw(6)])};
	if (want.id == PROBE)
		return;
	struct iommu_destroy have = want;
	compare(IOMMUFD_NR_DESTROY, model_destroy(&model, &want), have, want);
	check_all();
}

static void step_hwpt(void)
{
	struct iommu_hwpt_alloc want = {.size = sizeof(want),
					.dev_id = pick_id(MODEL_DEVICE),
					.pt_id = pick_id(chance(8) ? MODEL_HWPT : MODEL_IOAS)};
	unsigned count = 0;
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		count += model.objects[id].kind == MODEL_HWPT;
	if (want.pt_id == PROBE || count > 8)
		return;
	struct iommu_hwpt_alloc have = want;
	compare(IOMMUFD_NR_HWPT_ALLOC, model_hwpt_alloc(&model, &want), have, want);
	check_some(want.pt_id);
}

static void compare_test(struct iommu_test_cmd *want, uint32_t op, uint8_t *data)
{
	want->size = sizeof(*want);
	want->op = op;
	struct iommu_test_cmd have = *want;
	compare(IOMMUFD_NR_TEST_CMD, model_test(&model, want, data), have, *want);
}

static void step_mock(void)
{
	struct iommu_test_cmd cmd = {.id = pick_id(chance(4) ? MODEL_HWPT : MODEL_IOAS)};
	unsigned count = 0;
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		count += model.objects[id].kind == MODEL_STDEV;
	if (cmd.id == PROBE || count > 5)
		return;
	uint32_t pt = cmd.id;
	if (chance(2)) {
		cmd.mock_domain_flags.dev_flags = (uint32_t)draw(chance(8) ? 8 : 2);
		compare_test(&cmd, IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, NULL);
	} else {
		compare_test(&cmd, IOMMU_TEST_OP_MOCK_DOMAIN, NULL);
	}
	check_some(pt);
}

static void step_replace(void)
{
	struct iommu_test_cmd cmd = {.id = pick_id(MODEL_STDEV)};
	cmd.mock_domain_replace.pt_id = pick_id(chance(2) ? MODEL_HWPT : MODEL_IOAS);
	if (cmd.mock_domain_replace.pt_id == PROBE)
		return;
	compare_test(&cmd, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, NULL);
	check_all();
}

static void step_reserve(void)
{
	struct iommu_test_cmd cmd = {.id = pick_id(MODEL_IOAS)};
	const struct model_object *ioas = model_get(&model, cmd.id, MODEL_IOAS);
	cmd.add_reserved.start = pick_iova(0);
	cmd.add_reserved.length = pick_length();
	if (cmd.id == PROBE || (ioas != NULL && ioas->reserved_count == MODEL_SPANS))
		return;
	compare_test(&cmd, IOMMU_TEST_OP_ADD_RESERVED, NULL);
	check_some(cmd.id);
}

static void step_check_map(void)
{
	struct iommu_test_cmd cmd = {.id = pick_id(MODEL_HWPT)};
	const struct model_object *hwpt = model_get(&model, cmd.id, MODEL_HWPT);
	cmd.check_map.iova = pick_iova(hwpt != NULL ? hwpt->ioas : 0);
	cmd.check_map.length = draw(5) * 2048 + (chance(12) ? 1 : 0);
	cmd.check_map.uptr = pick_va();
	compare_test(&cmd, IOMMU_TEST_OP_MD_CHECK_MAP, NULL);
}

static void step_check_refs(void)
{
	struct iommu_test_cmd cmd = {0};
	cmd.check_refs.length = draw(4) * PAGE_SIZE + (chance(12) ? 1 : 0);
	cmd.check_refs.uptr = pick_va();
	cmd.check_refs.refs = (uint32_t)draw(3);
	compare_test(&cmd, IOMMU_TEST_OP_MD_CHECK_REFS, NULL);
}

static void step_access(void)
{
	struct iommu_test_cmd cmd = {.id = pick_id(MODEL_IOAS)};
	unsigned count = 0;
	cmd.create_access.flags = chance(12) ? 2 : chance(4) ? 0 : 1;
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		count += model.objects[id].kind == MODEL_ACCESS;
	if (count > 6)
		return;
	compare_test(&cmd, IOMMU_TEST_OP_CREATE_ACCESS, NULL);
	check_some(cmd.id);
}

static uint32_t ioas_of(uint32_t fd)
{
	return fd < MODEL_FDS && model.fds[fd] > 0 ? model.objects[model.fds[fd]].ioas : 0;
}

static void step_pin(void)
{
	struct iommu_test_cmd cmd = {.id = pick_fd()};
	uint32_t ioas = ioas_of(cmd.id);
	if (ioas != 0 && model.objects[model.fds[cmd.id]].item_count == MODEL_ITEMS)
		return;
	uint64_t iova = pick_iova(ioas);
	cmd.access_pages.flags = chance(16) ? 8 : (uint32_t)draw(2);
	cmd.access_pages.iova = iova;
	cmd.access_pages.length = chance(2) ? pick_extent(ioas, iova) : 1 + draw(4 * PAGE_SIZE);
	cmd.access_pages.uptr = chance(4) ? pick_va() : 0;
	for (uint32_t i = 0; ioas != 0 && chance(3) && i < model.objects[ioas].area_count; i++)
		if (model.objects[ioas].areas[i].iova == iova)
			cmd.access_pages.uptr = model.objects[ioas].areas[i].at;
	compare_test(&cmd, IOMMU_TEST_OP_ACCESS_PAGES, NULL);
	check_some(ioas);
}

static void step_unpin(void)
{
	struct iommu_test_cmd cmd = {.id = pick_fd()};
	cmd.destroy_access_pages.access_pages_id = (uint32_t)draw(4);
	if (ioas_of(cmd.id) != 0) {
		const struct model_object *access = &model.objects[model.fds[cmd.id]];
		if (access->item_count > 0 && !chance(4))
			cmd.destroy_access_pages.access_pages_id =
				access->items[draw(access->item_count)].id;
	}
	compare_test(&cmd, IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, NULL);
	check_pins();
}

static void load_memory(void)
{
	for (uint32_t i = 0; i < model.region_count; i++) {
		const struct model_region *region = &model.regions[i];
		if (!region->file)
			world_get(world, region->start, model.bytes[region->first_frame],
				  region->pages * PAGE_SIZE);
	}
}

static void step_rw(void)
{
	static uint8_t want[RW_MAX], have[RW_MAX];
	struct iommu_test_cmd cmd = {.id = pick_fd()};
	uint32_t ioas = ioas_of(cmd.id);
	bool nowhere = chance(16);
	cmd.access_rw.iova = pick_iova(ioas);
	cmd.access_rw.length =
		chance(2) ? pick_extent(ioas, cmd.access_rw.iova) : draw(2 * PAGE_SIZE);
	if (cmd.access_rw.length > RW_MAX && cmd.access_rw.length <= 16 << 20)
		cmd.access_rw.length = RW_MAX;
	cmd.access_rw.uptr = nowhere ? NOWHERE : world->data;
	cmd.access_rw.flags = (uint32_t)draw(2) | (chance(3) ? MOCK_ACCESS_RW_SLOW_PATH : 0) |
			      (chance(20) ? 2 : 0);
	for (uint32_t i = 0; i < RW_MAX; i += 8) {
		uint64_t word = draw(0);
		memcpy(&want[i], &word, 8);
	}
	world_data(world, want, sizeof(want));
	cmd.size = sizeof(cmd);
	cmd.op = IOMMU_TEST_OP_ACCESS_RW;
	int64_t expected = model_test(&model, &cmd, nowhere ? NULL : want);
	/* How far a transfer came that failed is left open. */
	if (expected != MODEL_SKIP)
		same("result", world_ioctl(world, IOMMUFD_NR_TEST_CMD, &cmd), expected);
	if (expected != 0) {
		load_memory();
	} else {
		world_get(world, world->data, have, sizeof(have));
		same("data differs", memcmp(have, want, cmd.access_rw.length), 0);
	}
	check_pins();
}

static void step_memory_limit(void)
{
	struct iommu_test_cmd cmd = {.memory_limit = {(uint32_t)draw(chance(2) ? 16 : 66000)}};
	compare_test(&cmd, IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT, NULL);
}

static void step_access_replace(void)
{
	struct iommu_test_cmd cmd = {.id = pick_fd()};
	cmd.access_replace_ioas.ioas_id = pick_id(MODEL_IOAS);
	compare_test(&cmd, IOMMU_TEST_OP_ACCESS_REPLACE_IOAS, NULL);
	check_all();
}

static void step_close(void)
{
	uint32_t fd = pick_fd();
	if (ioas_of(fd) == 0 || model_is_mapped(&model, fd))
		return;
	model_close(&model, fd);
	same("close", world_close(world, (int)fd), 0);
	check_all();
}

static const struct {
	const char *name;
	void (*run)(void);
	unsigned weight;
} steps[] = {
	{"IOAS_ALLOC", step_ioas, 3},
	{"IOAS_MAP", step_map, 22},
	{"IOAS_MAP_FILE", step_map_file, 10},
	{"IOAS_COPY", step_copy, 12},
	{"IOAS_UNMAP", step_unmap, 12},
	{"IOAS_IOVA_RANGES", step_ranges, 2},
	{"IOAS_ALLOW_IOVAS", step_allow, 2},
	{"OPTION", step_option, 4},
	{"IOAS_CHANGE_PROCESS", step_change_process, 2},
	{"DESTROY", step_destroy, 4},
	{"HWPT_ALLOC", step_hwpt, 3},
	{"MOCK_DOMAIN", step_mock, 4},
	{"MOCK_DOMAIN_REPLACE", step_replace, 4},
	{"ADD_RESERVED", step_reserve, 2},
	{"MD_CHECK_MAP", step_check_map, 3},
	{"MD_CHECK_REFS", step_check_refs, 2},
	{"CREATE_ACCESS", step_access, 4},
	{"ACCESS_PAGES", step_pin, 12},
	{"DESTROY_ACCESS_PAGES", step_unpin, 5},
	{"ACCESS_RW", step_rw, 8},
	{"SET_TEMP_MEMORY_LIMIT", step_memory_limit, 2},
	{"ACCESS_REPLACE_IOAS", step_access_replace, 3},
	{"close", step_close, 2},
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void setup(void)
{
	world = world_new();
}

static void teardown(void)
{
	world_free(world);
}

static uint64_t map_there(uint64_t va, uint64_t pages, uint32_t prot, uint32_t flags, uint64_t file)
{
	int64_t at = world_sys(world, SYS_MMAP, va, pages * PAGE_SIZE, prot, flags | MAP_FIXED_BIT,
			       file, 0);
	ck_assert_int_eq(at, (int64_t)va);
	return va;
}

static void start(void)
{
	uint64_t off = 0;
	model_init(&model);
	for (unsigned i = 0; i < 3; i++)
		model_add_fd(&model, MODEL_FD_OTHER);
	model_add_fd(&model, MODEL_FD_OTHER);
	int64_t file = world_memfd(world, FILE_PAGES * PAGE_SIZE);
	ck_assert_int_eq(file, 4);
	model_add_fd(&model, MODEL_FD_MEMORY);
	/* As in the captures: nothing is beside them. */
	buffer = map_there(0x100000000000, PAGES, PROT_RW, SHARED, UINT64_MAX);
	read_only = map_there(0x108000000000, RO_PAGES, PROT_READ_BIT, SHARED, UINT64_MAX);
	shared = map_there(0x110000000000, FILE_PAGES, PROT_RW, MAP_SHARED_BIT, (uint64_t)file);
	model_add_region(&model, &(struct model_region){buffer, PAGES, 0, false, true});
	model_add_region(&model, &(struct model_region){read_only, RO_PAGES, PAGES, false, false});
	model_add_region(&model,
			 &(struct model_region){shared, FILE_PAGES, PAGES + RO_PAGES, false, true});
	model_add_region(&model,
			 &(struct model_region){0, FILE_PAGES, PAGES + RO_PAGES, true, true});
	static uint8_t zeros[(PAGES + RO_PAGES + FILE_PAGES) * PAGE_SIZE];
	world_put(world, buffer, zeros, PAGES * PAGE_SIZE);
	world_put(world, read_only, zeros, RO_PAGES * PAGE_SIZE);
	world_put(world, shared, zeros, FILE_PAGES * PAGE_SIZE);
	struct iommu_ioas_alloc probe = {0};
	ck_assert_int_eq(model_ioas_alloc(&model, &probe), 0);
	ck_assert_int_eq(world_ioas(world), PROBE);
	struct iommu_option option = {.option_id = IOMMU_OPTION_HUGE_PAGES, .object_id = PROBE};
	ck_assert_int_eq(model_option(&model, &option), 0);
	ck_assert_int_eq(
		world_option(world, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, PROBE, &off), 0);
}

static void run_step(unsigned total)
{
	unsigned at = (unsigned)draw(total), i = 0;
	while (at >= steps[i].weight)
		at -= steps[i++].weight;
	step_name = steps[i].name;
	steps[i].run();
}

START_TEST(a_random_sequence_is_answered_as_by_the_model)
{
	unsigned total = 0;
	seed = (uint64_t)_i + 1;
	random_state = seed;
	for (unsigned i = 0; i < STEPS; i++)
		total += steps[i].weight;
	start();
	uint64_t calls = 300 + draw(201);
	/* So that most calls find something. */
	for (unsigned i = 0; i < 3; i++)
		step_ioas();
	step_mock();
	step_access();
	for (step = 0; step < calls; step++) {
		run_step(total);
		if (step % 64 == 0)
			check_all();
	}
	step_name = "the end";
	check_all();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ioas_property");
	TCase *tcase = tcase_create("ioas_property");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_random_sequence_is_answered_as_by_the_model, 0, SEEDS);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
