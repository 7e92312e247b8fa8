/* SPDX-License-Identifier: Apache-2.0 */
/* Random calls on devices, HWPTs, vIOMMUs and queues, answered by the shim as by a slow model (iommufd 1, 4, 5, 7). */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tests/kit/draw.h"
#include "tests/kit/object_model.h"
#include "tests/kit/run.h"
#include "tests/kit/world.h"

#define SEEDS       40U
#define CALLS       600U
#define BYTES       0x8000U /* of what a struct points to */
#define ENTRIES_MAX 40U
#define SELFTEST    0xdeadbeefU
#define EVENTS      0xbeefbeefU
#define HWPT_DATA   0xdeadU
#define HW_INFO     0xfeedbeefU

static struct world *world;
static struct kobj_model model;
static uint64_t random_state, seed, buffer;
static unsigned step;
static const char *step_name = "start";
static uint8_t bytes[BYTES], have_bytes[BYTES];

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

static unsigned count_of(enum kobj_kind kind)
{
	unsigned count = 0;
	for (uint32_t id = 1; id < KOBJS_MAX; id++)
		count += model.objects[id].kind == kind;
	return count;
}

/* Mostly an object of the kind. */
static uint32_t pick(enum kobj_kind kind)
{
	uint32_t at = (uint32_t)draw(count_of(kind) + 1);
	if (at == 0 && (count_of(kind) == 0 || chance(6)))
		return (uint32_t)draw(40);
	for (uint32_t id = 1; id < KOBJS_MAX; id++)
		if (model.objects[id].kind == kind && at-- <= 1)
			return id;
	return 0;
}

/* Mostly one for which FITS; so that what takes several calls comes about. */
static uint32_t pick_fitting(enum kobj_kind kind, bool (*fits)(const struct kobj *object))
{
	uint32_t ids[KOBJS_MAX], count = 0;
	for (uint32_t id = 1; id < KOBJS_MAX; id++)
		if (model.objects[id].kind == kind && fits(&model.objects[id]))
			ids[count++] = id;
	return count == 0 || chance(4) ? pick(kind) : ids[draw(count)];
}

static bool takes_pasids(const struct kobj *hwpt)
{
	return hwpt->flags & IOMMU_HWPT_ALLOC_PASID;
}

/* A SELFTEST object whose RID allows PASIDs. */
static bool may_have_pasids(const struct kobj *stdev)
{
	const struct kobj *device = &model.objects[stdev->device];
	return device->flags & MOCK_FLAGS_DEVICE_PASID &&
	       takes_pasids(&model.objects[device->attached[0]]);
}

static bool is_on_viommu(const struct kobj *device)
{
	return device->cached_viommu != 0;
}

static bool stands_on_viommu(const struct kobj *nested)
{
	return model.objects[nested->parent].kind == KOBJ_VIOMMU;
}

static bool is_nest_parent(const struct kobj *hwpt)
{
	return hwpt->flags & IOMMU_HWPT_ALLOC_NEST_PARENT;
}

static bool tracks(const struct kobj *hwpt)
{
	return hwpt->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
}

static uint32_t pick_of(const enum kobj_kind *kinds, uint32_t count)
{
	return pick(kinds[draw(count)]);
}

/* What a device can be attached to. */
static uint32_t pick_pt(void)
{
	static const enum kobj_kind kinds[] = {KOBJ_IOAS,   KOBJ_PAGING, KOBJ_PAGING,
					       KOBJ_NESTED, KOBJ_NESTED, KOBJ_NESTED};
	static const enum kobj_kind others[] = {KOBJ_VIOMMU, KOBJ_DEVICE, KOBJ_FAULT,
						KOBJ_HW_QUEUE};
	return chance(20) ? pick_of(others, 4) : pick_of(kinds, 6);
}

static uint32_t pick_pasid(void)
{
	return kobj_pasids[draw(PASIDS)];
}

static uint32_t pick_type(uint32_t type)
{
	return !chance(16) ? type : chance(2) ? 0 : (uint32_t)draw(4);
}

/* Mostly 0. */
static uint32_t rarely(uint32_t value)
{
	return chance(24) ? value : 0;
}

/* The bytes, where the call finds them, or where it does not. */
static const void *readable(uint64_t *va)
{
	if (chance(30)) {
		*va = NOWHERE;
		return NULL;
	}
	*va = world_data(world, bytes, BYTES);
	return bytes;
}

static void check_bytes(uint64_t size)
{
	world_get(world, world->data, have_bytes, size);
	same("data differs", memcmp(have_bytes, bytes, size), 0);
}

#define compare(nr, answer, have, want)                                                            \
	do {                                                                                       \
		int64_t expected = (answer);                                                       \
		if (expected == KOBJ_SKIP)                                                         \
			return;                                                                    \
		same("result", world_ioctl(world, (nr), &(have)), expected);                       \
		same("struct differs",                                                             \
		     memcmp((const uint8_t *)&(have), (const uint8_t *)&(want), sizeof(have)), 0); \
	} while (0)

/* --- one step each --- */

static void step_ioas(void)
{
	struct iommu_ioas_alloc want = {.size = sizeof(want), .flags = rarely(1)}, have = want;
	uint64_t off = 0;
	if (count_of(KOBJ_IOAS) > 4)
		return;
	compare(IOMMUFD_NR_IOAS_ALLOC, kobj_ioas_alloc(&model, &want), have, want);
	if (have.out_ioas_id != 0) /* each page an IOPTE of its own */
		same("HUGE_PAGES",
		     world_option(world, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET,
				  have.out_ioas_id, &off),
		     0);
}

static void step_map(void)
{
	uint32_t ioas = pick(KOBJ_IOAS);
	int64_t want = kobj_map(&model, ioas);
	same("MAP", world_map_at(world, ioas, buffer, AREA_PAGES * PAGE_SIZE, AREA_IOVA), want);
}

static void step_unmap(void)
{
	struct iommu_ioas_unmap want = {.size = sizeof(want),
					.ioas_id = pick(KOBJ_IOAS),
					.iova = AREA_IOVA,
					.length = (AREA_PAGES - rarely(1)) * PAGE_SIZE},
				have = want;
	compare(IOMMUFD_NR_IOAS_UNMAP, kobj_unmap(&model, &want), have, want);
}

static void step_destroy(void)
{
	struct iommu_destroy want = {.size = sizeof(want), .id = 1 + (uint32_t)draw(60)};
	if (chance(2))
		want.id = pick((enum kobj_kind)(1 + draw(KOBJ_FAULT)));
	struct iommu_destroy have = want;
	compare(IOMMUFD_NR_DESTROY, kobj_destroy(&model, &want), have, want);
}

static void step_vfio_ioas(void)
{
	struct iommu_vfio_ioas want = {.size = sizeof(want),
				       .ioas_id = pick(KOBJ_IOAS),
				       .op = (uint16_t)draw(4),
				       .__reserved = (uint16_t)rarely(1)},
			       have = want;
	compare(IOMMUFD_NR_VFIO_IOAS, kobj_vfio_ioas(&model, &want), have, want);
}

static void step_vfio(void)
{
	static const uint32_t requests[] = {VFIO_GET_API_VERSION, VFIO_CHECK_EXTENSION,
					    VFIO_CHECK_EXTENSION, VFIO_SET_IOMMU};
	uint32_t request = requests[draw(4)];
	uint64_t arg = draw(11);
	if (request == VFIO_SET_IOMMU && arg == VFIO_TYPE1_IOMMU)
		return; /* it is about huge pages */
	int64_t want = kobj_vfio(&model, request, arg);
	same("result", world_ioctl_raw(world, request, arg), want);
}

static void step_vfio_map(void)
{
	const struct vfio_iommu_type1_dma_map cmd = {.argsz = sizeof(cmd) - rarely(1),
						     .flags = 3 | rarely(4),
						     .vaddr = buffer,
						     .iova = AREA_IOVA,
						     .size = AREA_PAGES * PAGE_SIZE};
	int64_t want = kobj_vfio_map(&model, &cmd);
	same("result",
	     world_ioctl_raw(world, VFIO_IOMMU_MAP_DMA, world_data(world, &cmd, sizeof(cmd))),
	     want);
}

static void step_vfio_unmap(void)
{
	struct vfio_iommu_type1_dma_unmap cmd = {.argsz = sizeof(cmd) - rarely(1),
						 .iova = AREA_IOVA,
						 .size = AREA_PAGES * PAGE_SIZE},
					  have;
	bool written;
	if (chance(3)) {
		cmd.flags = VFIO_DMA_UNMAP_FLAG_ALL | rarely(1);
		cmd.iova = cmd.size = rarely(PAGE_SIZE);
	}
	uint64_t at = world_data(world, &cmd, sizeof(cmd)), given = cmd.size;
	int64_t want = kobj_vfio_unmap(&model, &cmd, &written);
	same("result", world_ioctl_raw(world, VFIO_IOMMU_UNMAP_DMA, at), want);
	world_get(world, at, &have, sizeof(have));
	same("size", have.size, written ? cmd.size : given);
}

static void step_no_iommu(void)
{
	struct iommu_ioas_noiommu_get_pa cmd = {.size = sizeof(cmd), .ioas_id = pick(KOBJ_IOAS)};
	same("NOIOMMU_GET_PA", world_ioctl(world, IOMMUFD_NR_IOAS_NOIOMMU_GET_PA, &cmd),
	     -EOPNOTSUPP);
}

static void step_hwpt(void)
{
	static const enum kobj_kind parents[] = {KOBJ_IOAS, KOBJ_IOAS, KOBJ_PAGING, KOBJ_VIOMMU,
						 KOBJ_VIOMMU};
	static const uint32_t lengths[] = {8, 8, 8, 4, 3, 9, 0};
	struct iommu_hwpt_alloc want = {.size = sizeof(want),
					.flags = (uint32_t)draw(16),
					.dev_id = pick(KOBJ_DEVICE),
					.pt_id = pick_of(parents, 5),
					.__reserved = rarely(1),
					.fault_id = pick(KOBJ_FAULT),
					.__reserved2 = rarely(1)};
	if (model.objects[want.pt_id].kind != KOBJ_IOAS && !chance(8))
		want.flags &= IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID;
	if (model.objects[want.pt_id].kind != KOBJ_IOAS || chance(4)) {
		want.data_type = pick_type(HWPT_DATA);
		want.data_len = lengths[draw(chance(3) ? 7 : 3)];
	}
	const uint32_t data[2] = {(uint32_t)draw(0), 0};
	memcpy(bytes, data, sizeof(data));
	const void *given = readable(&want.data_uptr);
	struct iommu_hwpt_alloc have = want;
	compare(IOMMUFD_NR_HWPT_ALLOC, kobj_hwpt_alloc(&model, &want, given), have, want);
}

static void step_invalidate(void)
{
	static const enum kobj_kind kinds[] = {KOBJ_NESTED, KOBJ_VIOMMU, KOBJ_VIOMMU, KOBJ_PAGING};
	static const uint32_t viommu_lengths[] = {12, 12, 12, 8, 16, 0};
	uint32_t id = pick_of(kinds, chance(10) ? 4 : 3);
	bool viommu = model.objects[id].kind == KOBJ_VIOMMU;
	struct iommu_hwpt_invalidate want = {.size = sizeof(want),
					     .hwpt_id = id,
					     .data_type = pick_type(SELFTEST),
					     .entry_len = viommu ? viommu_lengths[draw(6)]
								 : 8 + rarely(4),
					     .entry_num = (uint32_t)draw(5),
					     .__reserved = rarely(1)};
	if (chance(30))
		want.entry_num = chance(2) ? 349526 : 524289;
	memset(bytes, 0, 1024);
	for (uint32_t i = 0; i < 6; i++) {
		uint32_t entry[3] = {(uint32_t)draw(chance(9) ? 3 : 2), (uint32_t)draw(4),
				     (uint32_t)draw(chance(6) ? 6 : 4)};
		uint32_t length = want.entry_len < 12 ? want.entry_len : 12;
		if (!viommu)
			entry[1] = entry[2];
		memcpy(bytes + (size_t)i * want.entry_len, entry, length);
	}
	if (want.entry_len > 12 && chance(4))
		bytes[want.entry_len - 1] = 1;
	const void *given = readable(&want.data_uptr);
	struct iommu_hwpt_invalidate have = want;
	int64_t expected = kobj_invalidate(&model, &want, given);
	same("result", world_ioctl(world, IOMMUFD_NR_HWPT_INVALIDATE, &have), expected);
	same("entry_num", have.entry_num, want.entry_num);
}

static void step_hw_info(void)
{
	struct iommu_hw_info want = {.size = sizeof(want),
				     .flags = (uint32_t)draw(2) | rarely(2),
				     .dev_id = pick(KOBJ_DEVICE),
				     .data_len = (uint32_t)draw(20),
				     .data_type = pick_type(HW_INFO),
				     .__reserved = {0, (uint8_t)rarely(1), 0}};
	memset(bytes, 0x5a, 32);
	const void *given = readable(&want.data_uptr);
	struct iommu_hw_info have = want;
	compare(IOMMUFD_NR_GET_HW_INFO, kobj_hw_info(&model, &want, given == NULL ? NULL : bytes),
		have, want);
	if (given != NULL && want.data_len == 8)
		check_bytes(32);
}

static void step_set_dirty(void)
{
	struct iommu_hwpt_set_dirty_tracking want = {.size = sizeof(want),
						     .flags = (chance(3) ? 0 : 1) | rarely(2),
						     .hwpt_id = pick_fitting(KOBJ_PAGING, tracks),
						     .__reserved = rarely(1)},
					     have = want;
	compare(IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING, kobj_set_dirty(&model, &want), have, want);
}

static uint64_t pick_page(void)
{
	return AREA_IOVA + (draw(AREA_PAGES + 4) - 2) * PAGE_SIZE;
}

static void step_get_dirty(void)
{
	static const uint64_t sizes[] = {4096, 4096, 4096, 2048, 512, 8192, 0x3000, 0};
	struct iommu_hwpt_get_dirty_bitmap want = {.size = sizeof(want),
						   .hwpt_id = pick_fitting(KOBJ_PAGING, tracks),
						   .flags = (uint32_t)draw(2) | rarely(2),
						   .__reserved = rarely(1),
						   .iova = chance(2) ? AREA_IOVA : pick_page(),
						   .length = draw(AREA_PAGES + 2) * PAGE_SIZE,
						   .page_size = sizes[draw(8)]};
	if (chance(30))
		want.iova = -PAGE_SIZE, want.length = 2 * PAGE_SIZE;
	memset(bytes, 0, 64);
	want.data = world_data(world, bytes, 64);
	struct iommu_hwpt_get_dirty_bitmap have = want;
	compare(IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP, kobj_get_dirty(&model, &want, bytes), have, want);
	check_bytes(64);
}

static void step_fault_alloc(void)
{
	struct iommu_fault_alloc want = {.size = sizeof(want), .flags = rarely(1)}, have = want;
	if (count_of(KOBJ_FAULT) > 4)
		return;
	compare(IOMMUFD_NR_FAULT_QUEUE_ALLOC, kobj_fault_alloc(&model, &want), have, want);
}

static void step_viommu(void)
{
	static const uint32_t lengths[] = {0, 0, 24, 24, 16, 8, 7, 25};
	struct iommu_viommu_alloc want = {.size = sizeof(want),
					  .flags = rarely(1),
					  .type = pick_type(SELFTEST),
					  .dev_id = pick(KOBJ_DEVICE),
					  .hwpt_id = pick_fitting(KOBJ_PAGING, is_nest_parent),
					  .data_len = lengths[draw(chance(4) ? 8 : 6)],
					  .__reserved = rarely(1)};
	const struct iommu_viommu_selftest data = {(uint32_t)draw(0), 5, 5, 5};
	if (count_of(KOBJ_VIOMMU) > 5)
		return;
	memcpy(bytes, &data, sizeof(data));
	const void *given = readable(&want.data_uptr);
	struct iommu_viommu_alloc have = want;
	compare(IOMMUFD_NR_VIOMMU_ALLOC,
		kobj_viommu_alloc(&model, &want, given == NULL ? NULL : (void *)bytes), have, want);
	if (given != NULL)
		check_bytes(sizeof(data));
}

static void step_vdevice(void)
{
	struct iommu_vdevice_alloc want = {.size = sizeof(want),
					   .viommu_id = pick(KOBJ_VIOMMU),
					   .dev_id = pick(KOBJ_DEVICE),
					   .virt_id = draw(4)},
				   have = want;
	compare(IOMMUFD_NR_VDEVICE_ALLOC, kobj_vdevice_alloc(&model, &want), have, want);
}

static void step_veventq(void)
{
	struct iommu_veventq_alloc want = {.size = sizeof(want),
					   .flags = rarely(1),
					   .viommu_id = pick(KOBJ_VIOMMU),
					   .type = pick_type(EVENTS),
					   .veventq_depth = (uint32_t)draw(6),
					   .__reserved = rarely(1)},
				   have = want;
	if (chance(20))
		have.veventq_depth = want.veventq_depth = (1U << 19) + (uint32_t)draw(2);
	compare(IOMMUFD_NR_VEVENTQ_ALLOC, kobj_veventq_alloc(&model, &want), have, want);
}

static void step_hw_queue(void)
{
	struct iommu_hw_queue_alloc want = {.size = sizeof(want),
					    .flags = rarely(1),
					    .viommu_id = pick(KOBJ_VIOMMU),
					    .type = pick_type(SELFTEST),
					    .index = (uint32_t)draw(chance(6) ? 4 : 2),
					    .nesting_parent_iova = pick_page() + draw(2) * 64,
					    .length = chance(20) ? 0 : 1 + draw(PAGE_SIZE - 64)};
	if (chance(30))
		want.nesting_parent_iova = -(uint64_t)32, want.length = 64;
	struct iommu_hw_queue_alloc have = want;
	compare(IOMMUFD_NR_HW_QUEUE_ALLOC, kobj_hw_queue_alloc(&model, &want), have, want);
}

/* --- the test interface --- */

static void test(enum iommu_test_op op, struct iommu_test_cmd *want, const uint8_t *bits)
{
	want->size = sizeof(*want);
	want->op = op;
	want->__reserved = rarely(1);
	struct iommu_test_cmd have = *want;
	compare(IOMMUFD_NR_TEST_CMD, kobj_test(&model, want, bits), have, *want);
}

static void step_mock(void)
{
	static const uint32_t flags[] = {MOCK_FLAGS_DEVICE_PASID, MOCK_FLAGS_DEVICE_PASID, 0,
					 MOCK_FLAGS_DEVICE_NO_DIRTY, 2};
	struct iommu_test_cmd cmd = {.id = chance(3) ? pick_pt() : pick(KOBJ_IOAS)};
	if (count_of(KOBJ_SELFTEST) > 5)
		return;
	cmd.mock_domain_flags.dev_flags = flags[draw(5)];
	test(chance(4) ? IOMMU_TEST_OP_MOCK_DOMAIN : IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, &cmd, NULL);
}

static void step_replace(void)
{
	struct iommu_test_cmd cmd = {.id = pick(KOBJ_SELFTEST)};
	cmd.mock_domain_replace.pt_id =
		chance(2) ? pick_pt() : pick_fitting(KOBJ_NESTED, stands_on_viommu);
	test(IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, &cmd, NULL);
}

static void step_pasid(void)
{
	struct iommu_test_cmd cmd = {.id = pick_fitting(KOBJ_SELFTEST, may_have_pasids)};
	cmd.pasid_attach.pasid = pick_pasid();
	cmd.pasid_attach.pt_id =
		chance(3) ? pick_pt()
			  : pick_fitting(chance(2) ? KOBJ_PAGING : KOBJ_NESTED, takes_pasids);
	test(chance(2) ? IOMMU_TEST_OP_PASID_ATTACH : IOMMU_TEST_OP_PASID_REPLACE, &cmd, NULL);
}

static void step_pasid_detach(void)
{
	struct iommu_test_cmd cmd = {.id = pick(KOBJ_SELFTEST)};
	cmd.pasid_detach.pasid = pick_pasid();
	test(IOMMU_TEST_OP_PASID_DETACH, &cmd, NULL);
}

static void step_pasid_check(void)
{
	struct iommu_test_cmd cmd = {.id = pick(KOBJ_SELFTEST)};
	const struct kobj *stdev = kobj_get(&model, cmd.id, KOBJ_SELFTEST);
	uint32_t place = (uint32_t)draw(PASIDS);
	cmd.pasid_check.pasid = kobj_pasids[place];
	cmd.pasid_check.hwpt_id = chance(4) ? 0 : pick_pt();
	if (stdev != NULL && chance(2))
		cmd.pasid_check.hwpt_id = model.objects[stdev->device].attached[place];
	test(IOMMU_TEST_OP_PASID_CHECK_HWPT, &cmd, NULL);
}

static void step_dirty(void)
{
	static const uint64_t sizes[] = {4096, 4096, 4096, 2048, 0};
	struct iommu_test_cmd cmd = {.id = pick_fitting(KOBJ_PAGING, tracks)};
	cmd.dirty.flags = rarely(1);
	cmd.dirty.iova = pick_page() + rarely(512);
	cmd.dirty.length = draw(AREA_PAGES + 2) * PAGE_SIZE;
	cmd.dirty.page_size = sizes[draw(5)];
	if (chance(40))
		cmd.dirty.length = cmd.dirty.page_size << 28;
	for (uint32_t i = 0; i < 8; i++)
		bytes[i] = (uint8_t)draw(0);
	const uint8_t *bits = readable(&cmd.dirty.uptr);
	if (chance(30))
		cmd.dirty.uptr = 0;
	test(IOMMU_TEST_OP_DIRTY, &cmd, bits);
}

static void step_words(void)
{
	bool nested = chance(2);
	struct iommu_test_cmd cmd = {.id = pick(nested ? KOBJ_NESTED : KOBJ_DEVICE)};
	uint32_t which = (uint32_t)draw(chance(6) ? 6 : 4);
	cmd.check_iotlb.id = which;
	cmd.check_iotlb.iotlb = model.objects[cmd.id % KOBJS_MAX].words[which % 4] + rarely(1);
	test(nested ? IOMMU_TEST_OP_MD_CHECK_IOTLB : IOMMU_TEST_OP_DEV_CHECK_CACHE, &cmd, NULL);
}

static void step_iopf(void)
{
	struct iommu_test_cmd cmd = {.id = 0};
	cmd.trigger_iopf.dev_id = pick(KOBJ_DEVICE);
	cmd.trigger_iopf.pasid = chance(2) ? 0 : pick_pasid();
	cmd.trigger_iopf.grpid = (uint32_t)draw(0);
	cmd.trigger_iopf.perm = (uint32_t)draw(16);
	cmd.trigger_iopf.addr = draw(0);
	test(IOMMU_TEST_OP_TRIGGER_IOPF, &cmd, NULL);
}

static void step_vevent(void)
{
	struct iommu_test_cmd cmd = {.id = 0};
	cmd.trigger_vevent.dev_id = pick_fitting(KOBJ_DEVICE, is_on_viommu);
	test(IOMMU_TEST_OP_TRIGGER_VEVENT, &cmd, NULL);
}

static void step_dma_buf(void)
{
	struct iommu_test_cmd cmd = {.id = 0};
	if (chance(2)) {
		cmd.dmabuf_get.length = (uint32_t)(chance(3) ? draw(0) : draw(4) * 1000);
		test(IOMMU_TEST_OP_DMABUF_GET, &cmd, NULL);
		return;
	}
	cmd.dmabuf_revoke.dmabuf_fd = (int32_t)draw(20) - 1;
	cmd.dmabuf_revoke.revoked = (uint32_t)draw(2);
	test(IOMMU_TEST_OP_DMABUF_REVOKE, &cmd, NULL);
}

static void step_test_misc(void)
{
	struct iommu_test_cmd cmd = {.id = 0};
	cmd.memory_limit.limit = (uint32_t)draw(24);
	test(chance(2) ? IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT : (enum iommu_test_op)24, &cmd, NULL);
}

/* --- descriptors --- */

/* A queue's descriptor; 0: there is none. */
static uint32_t pick_queue(void)
{
	uint32_t fds[KOBJ_FDS], count = 0;
	for (uint32_t fd = 4; fd < KOBJ_FDS; fd++)
		if (model.fds[fd] != 0 && model.fds[fd] < OTHER_FD)
			fds[count++] = fd;
	return count == 0 ? 0 : fds[draw(count)];
}

static void step_read(void)
{
	static const uint64_t counts[] = {40, 80, 4000, 12, 24, 20, 8, 7, 0, 41};
	uint32_t fd = pick_queue();
	uint64_t count = counts[draw(10)];
	if (fd == 0)
		return;
	memset(bytes, 0x77, 4096);
	world_data(world, bytes, 4096);
	int64_t want = kobj_read(&model, fd, bytes, count);
	same("read", world_sys(world, SYS_READ, fd, world->data, count), want);
	check_bytes(4096);
}

static void step_write(void)
{
	uint32_t fd = pick_queue(), count = (uint32_t)draw(4);
	if (fd == 0)
		return;
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t record[2] = {(uint32_t)draw(8), (uint32_t)draw(chance(5) ? 3 : 2)};
		memcpy(bytes + (size_t)i * sizeof(record), record, sizeof(record));
	}
	uint64_t length = count * ANSWER_BYTES + rarely(3);
	world_data(world, bytes, 64);
	int64_t want = kobj_write(&model, fd, bytes, length);
	same("write", world_sys(world, SYS_WRITE, fd, world->data, length), want);
}

static void step_poll(void)
{
	uint32_t fd = pick_queue();
	if (fd == 0)
		return;
	uint32_t want = kobj_poll(&model, fd);
	same("poll", world_sys(world, SYS_POLL, fd, 0x45, 0), want != 0);
	same("revents", (uint64_t)world->call->out & 0x45, want & 0x45);
}

static void step_close(void)
{
	uint32_t fd = 4 + (uint32_t)draw(16);
	if (model.fds[fd] == 0)
		return;
	same("close", world_close(world, (int)fd), kobj_close(&model, fd));
}

/* --- the sequence --- */

static const struct {
	const char *name;
	unsigned weight;
	void (*run)(void);
} steps[] = {
	{"IOAS_ALLOC", 2, step_ioas},
	{"IOAS_MAP", 5, step_map},
	{"IOAS_UNMAP", 3, step_unmap},
	{"DESTROY", 10, step_destroy},
	{"VFIO_IOAS", 2, step_vfio_ioas},
	{"VFIO", 2, step_vfio},
	{"VFIO_IOMMU_MAP_DMA", 4, step_vfio_map},
	{"VFIO_IOMMU_UNMAP_DMA", 3, step_vfio_unmap},
	{"IOAS_NOIOMMU_GET_PA", 1, step_no_iommu},
	{"HWPT_ALLOC", 14, step_hwpt},
	{"HWPT_INVALIDATE", 8, step_invalidate},
	{"GET_HW_INFO", 3, step_hw_info},
	{"SET_DIRTY_TRACKING", 5, step_set_dirty},
	{"GET_DIRTY_BITMAP", 6, step_get_dirty},
	{"FAULT_QUEUE_ALLOC", 3, step_fault_alloc},
	{"VIOMMU_ALLOC", 6, step_viommu},
	{"VDEVICE_ALLOC", 6, step_vdevice},
	{"VEVENTQ_ALLOC", 5, step_veventq},
	{"HW_QUEUE_ALLOC", 6, step_hw_queue},
	{"MOCK_DOMAIN", 6, step_mock},
	{"MOCK_DOMAIN_REPLACE", 10, step_replace},
	{"PASID_ATTACH", 10, step_pasid},
	{"PASID_DETACH", 3, step_pasid_detach},
	{"PASID_CHECK_HWPT", 6, step_pasid_check},
	{"DIRTY", 6, step_dirty},
	{"MD_CHECK_IOTLB", 6, step_words},
	{"TRIGGER_IOPF", 10, step_iopf},
	{"TRIGGER_VEVENT", 10, step_vevent},
	{"DMABUF", 1, step_dma_buf},
	{"SET_TEMP_MEMORY_LIMIT", 1, step_test_misc},
	{"read", 10, step_read},
	{"write", 6, step_write},
	{"poll", 4, step_poll},
	{"close", 3, step_close},
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void run_step(unsigned total)
{
	unsigned at = (unsigned)draw(total), i = 0;
	while (at >= steps[i].weight)
		at -= steps[i++].weight;
	step_name = steps[i].name;
	steps[i].run();
}

static void setup(void)
{
	world = world_new();
	memset(&model, 0, sizeof(model));
	for (uint32_t fd = 0; fd <= (uint32_t)world->fd; fd++)
		model.fds[fd] = OTHER_FD;
	buffer = world_mmap(world, AREA_PAGES * PAGE_SIZE, PROT_RW, SHARED);
}

static void teardown(void)
{
	world_free(world);
}

START_TEST(objects_and_queues_answer_as_the_model)
{
	unsigned total = 0;
	seed = (uint64_t)_i + 1;
	random_state = seed;
	for (unsigned i = 0; i < STEPS; i++)
		total += steps[i].weight;
	/* So that most calls find something. */
	step_ioas();
	step_ioas();
	step_mock();
	for (step = 0; step < CALLS; step++) {
		run_step(total);
		if (step % 64 == 0)
			same("pins",
			     world_refs(world, buffer, AREA_PAGES * PAGE_SIZE, kobj_pins(&model)),
			     0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("object_property");
	TCase *tcase = tcase_create("object_property");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, objects_and_queues_answer_as_the_model, 0, SEEDS);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
