// SPDX-License-Identifier: Apache-2.0
/*
 * Random guest tables, alone and over random host tables, against a walker that does one step after
 * the other (amd-iommu 11, 12, 13).
 *
 * Concepts
 *   window   guest addresses that the host may have pages for: 4 KiB ones, and above them 2 MiB ones
 *   palette  the indices that guest tables have entries at
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define DEVICE     0x20U
#define DOMAIN     0x10U
#define PASIDS     4U
#define SEED       20261126U
#define WINDOW     0x200000000ULL
#define LARGE      0x240000000ULL
#define SMALL_MAX  400U
#define LARGE_MAX  4U
#define ADDRESSES  600U
#define ROUNDS     24U
#define LEVELS_MET 5U

static uint64_t random_state;
static struct amd_kit *kit;
static bool nested;
static unsigned levels;
static uint64_t host_root;
static uint64_t roots[PASIDS]; /* guest addresses */
static unsigned window_pages;
static unsigned tables_left;

static const unsigned palette[] = {0, 1, 2, 3, 255, 256, 384, 511};
#define PALETTE (sizeof(palette) / sizeof(palette[0]))

static uint64_t draw(uint64_t below)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 24) % below;
}

static bool chance(unsigned percent)
{
	return draw(100) < percent;
}

static bool bit(uint64_t value, unsigned number)
{
	return value >> number & 1;
}

/* --- the walk, one step after the other --- */

struct outcome {
	bool reached;
	uint64_t pa;
	unsigned size_log2;
	bool writable;
	bool host;     /* the fault is of a guest address */
	bool unmarked; /* because a table can't be written */
	uint64_t address;
	uint64_t flags;
	uint64_t met[LEVELS_MET];
	unsigned count;
};

struct page_of_host {
	bool present;
	bool read;
	bool write;
	uint64_t pa;
	unsigned size_log2;
};

static struct page_of_host host_page(uint64_t gpa)
{
	if (!nested)
		return (struct page_of_host){true, true, true, gpa, 52};
	uint64_t table = host_root;
	bool read = true, write = true;
	for (unsigned level = 4; level > 0; level--) {
		unsigned low = 12 + 9 * (level - 1);
		uint64_t entry = amd_kit_word(kit, table + 8 * (gpa >> low & 511));
		if (!bit(entry, 0))
			return (struct page_of_host){.present = false};
		read = read && bit(entry, 61);
		write = write && bit(entry, 62);
		table = entry & 0xffffffffff000ULL;
		if ((entry >> 9 & 7) == 0)
			return (struct page_of_host){true, read, write,
						     table | (gpa & ((1ULL << low) - 1)), low};
	}
	return (struct page_of_host){.present = false};
}

static bool host_fails(struct outcome *out, uint64_t gpa, bool write, struct page_of_host *page)
{
	*page = gpa >> 48 != 0 && nested ? (struct page_of_host){.present = false} : host_page(gpa);
	if (page->present && (write ? page->write : page->read))
		return false;
	out->host = true;
	out->address = gpa;
	out->flags = (page->present ? EVT_PR | EVT_PE : 0) | (write ? EVT_RW : 0);
	return true;
}

static struct outcome fails(struct outcome out, uint64_t flags, bool write)
{
	out.flags = flags | (write ? EVT_RW : 0);
	return out;
}

/* Whether what was met can be marked; else the first that can't says where it is. */
static bool can_mark(struct outcome *out, const uint64_t *inputs, bool write)
{
	for (unsigned i = 0; i < out->count; i++) {
		uint64_t bits = i + 1 == out->count && write ? 0x60 : 0x20;
		struct page_of_host page = host_page(inputs[i]);
		if ((amd_kit_word(kit, out->met[i]) & bits) == bits || page.write)
			continue;
		out->unmarked = true;
		out->host = true;
		out->address = inputs[i];
		out->flags = EVT_PR | EVT_PE | EVT_RW;
		return false;
	}
	return true;
}

static struct outcome walk_slowly(unsigned pasid, uint64_t address, bool write)
{
	struct outcome out = {.address = address};
	struct page_of_host page;
	uint64_t inputs[LEVELS_MET], table = roots[pasid], gpa;
	bool writable = true;
	unsigned width = 12 + 9 * levels, level = levels, low;
	for (unsigned number = width; number < 64; number++)
		if (bit(address, number) != bit(address, width - 1))
			return fails(out, 0, write);
	for (;; level--) {
		low = 12 + 9 * (level - 1);
		gpa = table + 8 * (address >> low & 511);
		if (host_fails(&out, gpa, false, &page))
			return out;
		inputs[out.count] = gpa;
		out.met[out.count++] = page.pa;
		uint64_t entry = amd_kit_word(kit, page.pa);
		table = entry & 0xffffffffff000ULL;
		if (!bit(entry, 0))
			return fails(out, 0, write);
		if (bit(entry, 7) && level > 3)
			return fails(out, EVT_PR | EVT_RZ, write);
		for (unsigned number = 13; bit(entry, 7) && level > 1 && number < low; number++)
			if (bit(entry, number))
				return fails(out, EVT_PR | EVT_RZ, write);
		writable = writable && bit(entry, 1);
		if (level == 1 || bit(entry, 7))
			break;
	}
	if (write && !writable)
		return fails(out, EVT_PR | EVT_PE, write);
	gpa = (table >> low << low) | (address & ((1ULL << low) - 1));
	if (host_fails(&out, gpa, write, &page) || !can_mark(&out, inputs, write))
		return out;
	out.reached = true;
	out.pa = page.pa;
	out.size_log2 = page.size_log2 < low ? page.size_log2 : low;
	out.writable = writable && page.write;
	return out;
}

/* --- random tables --- */

/* A guest page; one in a few is not there, or can't be written, or not read. */
static uint64_t new_page(bool sound)
{
	uint64_t frame = amd_kit_frames(kit, 1);
	if (!nested)
		return frame;
	ck_assert_uint_lt(window_pages, SMALL_MAX);
	uint64_t gpa = WINDOW + PAGE_SIZE * (uint64_t)window_pages++;
	uint64_t rights = sound || chance(90) ? PTE_RW : draw(4) << 61;
	if (sound || chance(97))
		amd_kit_map(kit, host_root, 4, gpa, frame, rights);
	return gpa;
}

static uint64_t random_target(void)
{
	if (!nested)
		return draw(1ULL << 30) << 12;
	switch (draw(8)) {
	case 0: /* most likely nowhere */
		return draw(1ULL << 40) << 12;
	case 1:
	case 2:
		return LARGE + (draw(LARGE_MAX * 512ULL) << 12);
	default:
		return WINDOW + PAGE_SIZE * draw(window_pages);
	}
}

static uint64_t random_leaf(unsigned level)
{
	uint64_t size = 1ULL << (12 + 9 * (level - 1)), target = random_target() / size * size;
	uint64_t entry = GPTE_P | GPTE_US | (chance(75) ? GPTE_RW : 0) | (level > 1 ? GPTE_PS : 0);
	if (level > 1 && nested && chance(60))
		target = (chance(50) ? WINDOW : LARGE) / size * size;
	if (level > 1 && chance(10)) /* an address bit that has to be 0, or PAT, which has not */
		entry |= 1ULL << (12 + draw(9 * (level - 1)));
	return entry | target | (chance(10) ? GPTE_A : 0) | (chance(5) ? GPTE_D : 0);
}

static uint64_t make_table(unsigned level, bool sound)
{
	uint64_t table = new_page(sound), at = host_page(table).pa;
	if (!host_page(table).present)
		return table;
	tables_left -= tables_left > 0;
	for (unsigned i = 0; i < PALETTE; i++) {
		uint64_t entry = 0;
		if (level > 1 && tables_left > 0 && chance(60))
			entry = make_table(level - 1, false) | GPTE_P | GPTE_US |
				(chance(85) ? GPTE_RW : 0);
		else if (level <= 3 && chance(85))
			entry = random_leaf(level);
		else if (level > 3 && chance(20))
			entry = GPTE_P | GPTE_US | GPTE_PS;
		amd_kit_set_word(kit, at + 8ULL * palette[i], entry);
	}
	return table;
}

static void make_world(void)
{
	uint64_t gcr3 = amd_kit_frames(kit, 1), run = amd_kit_frames(kit, 512 * (LARGE_MAX + 1));
	struct amd_dte dte;
	host_root = amd_kit_frames(kit, 1);
	window_pages = 0;
	run = (run + 0x1fffff) & ~0x1fffffULL;
	for (unsigned i = 0; nested && i < LARGE_MAX; i++)
		amd_kit_set_word(kit, amd_kit_entry(kit, host_root, 4, LARGE + (i * 2ULL << 20), 2),
				 PTE_PR | (chance(70) ? PTE_RW : PTE_IR) |
					 (run + (i * 2ULL << 20)));
	dte = amd_kit_dte(nested ? host_root : 0, nested ? 4 : 0, DOMAIN);
	dte.q[0] |= DTE_GV;
	dte.q[2] = field_put(DTE_GUEST_MODE, levels - 4);
	amd_dte_set_gcr3(&dte, gcr3);
	for (unsigned i = 0; i < PASIDS; i++) {
		tables_left = 24;
		roots[i] = make_table(levels, true);
		amd_kit_set_word(kit, gcr3 + 8ULL * i, GCR3_V | roots[i]);
	}
	amd_kit_set_dte(kit, DEVICE, dte);
}

/* Along entries that are there, mostly. */
static uint64_t random_address(unsigned pasid)
{
	uint64_t address = draw(4096), table = roots[pasid];
	for (unsigned level = levels; level > 0; level--) {
		struct page_of_host page = host_page(table);
		uint64_t entry = 0;
		unsigned index = 0;
		for (unsigned tries = 0; tries < 6 && !bit(entry, 0); tries++) {
			index = chance(95) ? palette[draw(PALETTE)] : (unsigned)draw(512);
			entry = page.present ? amd_kit_word(kit, page.pa + 8ULL * index) : 0;
		}
		address |= (uint64_t)index << (12 + 9 * (level - 1));
		table = entry & GPTE_ADDR;
		if (!bit(entry, 0) || bit(entry, 7)) {
			/* Below that few addresses, so that some of them come again. */
			address |= draw(chance(70) ? 4 : 512) << 12;
			break;
		}
	}
	if (bit(address, 12 + 9 * levels - 1) && !chance(3))
		address |= ~0ULL << (12 + 9 * levels);
	return address;
}

static struct {
	uint64_t reached;
	uint64_t guest_faults;
	uint64_t host_faults;
	uint64_t unmarked;
	uint64_t sizes;
	uint64_t cached;
} seen;

static void check_event(const struct outcome *expected, unsigned pasid,
			const struct amd_translation *got)
{
	uint64_t q0 = 2ULL << 60 | DEVICE | expected->flags;
	if (expected->host)
		q0 |= (uint64_t)DOMAIN << 32;
	else
		q0 |= 1ULL << 48 | 1ULL << 50 | (uint64_t)pasid << 32;
	ck_assert_msg(got->event.q[0] == q0, "event %016lx, expected %016lx", got->event.q[0], q0);
	ck_assert_uint_eq(got->event.q[1], expected->address);
	seen.host_faults += expected->host;
	seen.guest_faults += !expected->host;
	seen.unmarked += expected->unmarked;
}

static void check_marks(const struct outcome *expected, bool write, const uint64_t *before)
{
	for (unsigned i = 0; i < expected->count; i++) {
		uint64_t bits = i + 1 == expected->count && write ? 0x60 : 0x20;
		uint64_t after = before[i] | (expected->reached ? bits : 0);
		ck_assert_uint_eq(amd_kit_word(kit, expected->met[i]), after);
	}
}

static void check_address(unsigned pasid, uint64_t address, bool write)
{
	const struct amd_request request = {.address = address,
					    .pasid = pasid,
					    .device = DEVICE,
					    .has_pasid = true,
					    .write = write};
	struct outcome expected = walk_slowly(pasid, address, write);
	struct amd_translation got;
	uint64_t before[LEVELS_MET];
	for (unsigned i = 0; i < expected.count; i++)
		before[i] = amd_kit_word(kit, expected.met[i]);
	bool reached = amd_translate_request(kit->amd, &request, AMD_LEAVES_BY_DOMAIN, &got) ==
		       AMD_TRANSLATED;
	ck_assert_msg(reached == expected.reached, "PASID %u, %lx: a %s is %s, event %016lx", pasid,
		      address, write ? "write" : "read", reached ? "let through" : "refused",
		      got.event.q[0]);
	if (!expected.unmarked) /* some are marked before the one that can't be */
		check_marks(&expected, write, before);
	if (!reached) {
		check_event(&expected, pasid, &got);
		return;
	}
	ck_assert_msg(got.pa.value == expected.pa, "PASID %u, %lx: %lx, expected %lx", pasid,
		      address, got.pa.value, expected.pa);
	ck_assert_uint_eq(got.order + 12U, expected.size_log2);
	ck_assert_int_eq(got.writable, expected.writable);
	seen.reached++;
	seen.sizes |= 1ULL << expected.size_log2;
	seen.cached += got.path == PATH_CACHED;
}

START_TEST(random_guest_tables_are_walked_step_by_step)
{
	struct profile profile = amd_kit_profile();
	amd_kit_set(&profile, "efr.features", 0x0081000f000050d2); /* five levels of tables too */
	random_state = SEED + (unsigned)_i;
	nested = _i & 1;
	levels = _i & 2 ? 5 : 4;
	memset(&seen, 0, sizeof(seen));
	for (unsigned round = 0; round < ROUNDS; round++) {
		kit = amd_kit_new(&profile);
		amd_kit_control(kit, 0, CONTROL_GT_EN);
		make_world();
		for (unsigned i = 0; i < ADDRESSES; i++) {
			unsigned pasid = (unsigned)draw(PASIDS);
			/* Every other round with nothing cached; the rest with all that was met. */
			if (round % 2 == 0) {
				tlb_remove_all(&kit->amd->tlb);
				tlb_remove_all(&kit->amd->pdes);
				tlb_remove_all(&kit->amd->gcr3);
			}
			check_address(pasid, random_address(pasid), chance(40));
		}
		amd_kit_free(kit);
	}
	ck_assert_uint_gt(seen.reached, 1000);
	ck_assert_uint_gt(seen.guest_faults, 500);
	ck_assert_uint_gt(seen.cached, 50);
	ck_assert_uint_eq(seen.sizes & 0x201000, 0x201000);
	if (nested) {
		ck_assert_uint_gt(seen.host_faults, 300);
		ck_assert_uint_gt(seen.unmarked, 20);
	} else {
		ck_assert(bit(seen.sizes, 30));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_guest_property");
	TCase *tcase = tcase_create("amd_guest_property");
	tcase_add_loop_test(tcase, random_guest_tables_are_walked_step_by_step, 0, 4);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
