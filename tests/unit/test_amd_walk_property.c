// SPDX-License-Identifier: Apache-2.0
/*
 * Random v1 tables of all modes and sizes, against a walker that does one step after the other; and
 * random commands between random changes, against a model of caches that only knows what the sheet
 * lets hardware remember: amd-iommu (7, 9, 10, 11, 13).
 *
 * Concepts
 *   palette     the indices that tables have entries at; addresses are made of them, mostly
 *   remembered  leaves that memory had since an invalidation that covers their page was completed
 *   reachable   tables that lead to a region, since one with PDE was
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/amd.h"
#include "tests/kit/run.h"

#define DEVICE 0x20U
#define DOMAIN 0x10U
#define SEED   20261126U

static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 24) % below;
}

static bool chance(unsigned percent)
{
	return draw(100) < percent;
}

static struct amd_kit *kit;

static void drop_caches(void)
{
	tlb_remove_all(&kit->amd->tlb);
	tlb_remove_all(&kit->amd->pdes);
	dte_cache_drop_all(&kit->amd->dtes);
}

/* --- the walk, one step after the other (11) --- */

struct step_result {
	bool translated;
	uint64_t pa;
	unsigned size_log2;
	bool readable;
	bool writable;
	uint64_t flags; /* of the fault */
};

static bool bit(uint64_t value, unsigned number)
{
	return value >> number & 1;
}

static struct step_result refused(uint64_t flags)
{
	return (struct step_result){.flags = flags};
}

/* The lowest address bit from 12 on that is 0 says half the size. */
static unsigned coded_size(uint64_t entry)
{
	unsigned number = 12;
	while (number < 52 && bit(entry, number))
		number++;
	return number + 1;
}

static struct step_result leaf(uint64_t entry, uint64_t address, unsigned size_log2, bool read,
			       bool write)
{
	uint64_t size = 1ULL << size_log2;
	uint64_t base = (entry & 0xffffffffff000ULL) / size * size;
	return (struct step_result){
		.translated = true,
		.pa = base + address % size,
		.size_log2 = size_log2,
		.readable = read,
		.writable = write,
	};
}

static struct step_result walk_slowly(uint64_t root, unsigned mode, uint64_t address)
{
	bool read = true, write = true;
	unsigned level = mode;
	uint64_t table = root;
	if (mode < 6 && address >= 1ULL << (12 + 9 * mode))
		return refused(0);
	for (;;) {
		unsigned low = 12 + 9 * (level - 1);
		uint64_t entry = amd_kit_word(kit, table + 8 * (address >> low & 511));
		unsigned next = (unsigned)(entry >> 9 & 7);
		if (!bit(entry, 0))
			return refused(0);
		for (unsigned number = 52; number <= 63; number++)
			if (bit(entry, number) && (number < 57 || number == 63))
				return refused(EVT_PR | EVT_RZ);
		read = read && bit(entry, 61);
		write = write && bit(entry, 62);
		if (next == 0)
			return level == 6 ? refused(EVT_PR)
					  : leaf(entry, address, low, read, write);
		if (next == 7) {
			unsigned size = coded_size(entry);
			if (level == 6 || size <= low || size >= low + 9)
				return refused(EVT_PR);
			return leaf(entry, address, size, read, write);
		}
		if (next >= level)
			return refused(EVT_PR);
		for (unsigned number = 12 + 9 * next; number < low; number++)
			if (bit(address, number))
				return refused(EVT_PR);
		table = entry & 0xffffffffff000ULL;
		level = next;
	}
}

/* --- random tables --- */

static const unsigned palette[] = {0, 1, 2, 3, 4, 8, 16, 64, 127, 255, 256, 384, 511};
#define PALETTE (sizeof(palette) / sizeof(palette[0]))

static unsigned tables_left;
static bool whole_leaves; /* all slots of a leaf have it, as software has to see to */

static uint64_t random_rights(void)
{
	return chance(80) ? PTE_RW : draw(4) << 61;
}

static uint64_t random_pa(void)
{
	return draw(1ULL << 36) << 12;
}

/* SLOTS entries from that of INDEX on, if none of them is there. */
static void put(uint64_t table, unsigned index, unsigned slots, uint64_t entry)
{
	index = index / slots * slots;
	for (unsigned i = 0; i < slots; i++)
		if (amd_kit_word(kit, table + 8ULL * (index + i)) != 0)
			return;
	for (unsigned i = 0; i < slots; i++)
		amd_kit_set_word(kit, table + 8ULL * (index + i), entry);
}

static void put_coded(uint64_t table, unsigned level, unsigned index)
{
	unsigned over = 1 + (unsigned)draw(8), size = 12 + 9 * (level - 1) + over;
	uint64_t base = random_pa() >> size << size, ones = 0;
	for (unsigned number = 12; number < size - 1; number++)
		ones |= 1ULL << number;
	put(table, index, 1U << over,
	    PTE_PR | random_rights() | 7ULL << 9 | (base & 0xffffffffff000ULL) | ones);
}

/* Wrong in one of the ways that a walk can tell. */
static uint64_t bad_entry(unsigned level)
{
	uint64_t entry = PTE_PR | PTE_RW | random_pa();
	switch (draw(whole_leaves ? 3 : 4)) {
	case 0:
		return entry | 1ULL << (chance(20) ? 63 : 52 + draw(5));
	case 1: /* a level that is not lower */
		return (entry & ~(7ULL << 9)) | (level + draw(7 - level)) << 9;
	case 2:
		return entry & ~PTE_PR;
	default: /* any coded size */
		return entry | 7ULL << 9;
	}
}

static uint64_t make_table(unsigned level)
{
	uint64_t table = amd_kit_frames(kit, 1);
	tables_left -= tables_left > 0;
	if (level < 6 && chance(50)) /* the large ones need room */
		put_coded(table, level, palette[draw(PALETTE)]);
	for (unsigned i = 0; i < 8; i++) {
		unsigned index = palette[draw(PALETTE)], what = (unsigned)draw(10);
		if (what < 5 && level > 1 && tables_left > 0) {
			unsigned next = chance(75) ? level - 1 : 1 + (unsigned)draw(level - 1);
			put(table, index, 1,
			    PTE_PR | random_rights() | (uint64_t)next << 9 | make_table(next));
		} else if (what < 7) {
			put(table, index, 1, PTE_PR | random_rights() | random_pa());
		} else if (what < 9 && level < 6) {
			put_coded(table, level, index);
		} else {
			put(table, index, 1, bad_entry(level));
		}
	}
	return table;
}

static uint64_t random_address(unsigned mode)
{
	uint64_t address = draw(4096);
	for (unsigned level = 1; level <= 6; level++) {
		uint64_t index = chance(85) ? palette[draw(PALETTE)] : draw(512);
		if (level > mode && !chance(2))
			index = 0;
		address |= (level == 6 ? index & 127 : index) << (12 + 9 * (level - 1));
	}
	return address;
}

/* Along entries that are there, as far as they lead; below that at random. */
static uint64_t guided_address(uint64_t root, unsigned mode)
{
	uint64_t address = draw(1ULL << (12 + 9 * (mode - 1))), table = root;
	for (unsigned level = mode; level > 0;) {
		unsigned low = 12 + 9 * (level - 1), index = 0;
		uint64_t entry = 0;
		for (unsigned tries = 0; tries < 16 && !bit(entry, 0); tries++) {
			index = palette[draw(PALETTE)] & (level == 6 ? 127 : 511);
			entry = amd_kit_word(kit, table + 8ULL * index);
		}
		unsigned next = (unsigned)(entry >> 9 & 7);
		address = (address & ~(511ULL << low)) | (uint64_t)index << low;
		if (!bit(entry, 0) || next == 0 || next >= level)
			break;
		for (unsigned number = 12 + 9 * next; number < low && chance(90); number++)
			address &= ~(1ULL << number);
		table = entry & 0xffffffffff000ULL;
		level = next;
	}
	return address;
}

static struct {
	uint64_t translated;
	uint64_t refused;
	uint64_t sizes; /* bit n: a leaf of 2^n was met */
} seen;

static void check_address(uint64_t root, unsigned mode, uint64_t address)
{
	struct step_result expected = walk_slowly(root, mode, address);
	for (unsigned write = 0; write < 2; write++) {
		struct amd_translation got;
		bool reached = amd_translate(kit->amd, DEVICE, address, write != 0,
					     AMD_LEAVES_BY_DOMAIN, &got) == AMD_TRANSLATED;
		bool allowed =
			expected.translated && (write ? expected.writable : expected.readable);
		ck_assert_msg(reached == allowed, "mode %u, %lx: a %s is %s", mode, address,
			      write ? "write" : "read", reached ? "let through" : "refused");
		if (expected.translated)
			ck_assert_uint_eq(got.order + 12U, expected.size_log2);
		if (!reached) {
			uint64_t flags = expected.translated ? EVT_PR | EVT_PE : expected.flags;
			ck_assert_uint_eq(got.event.q[0] & (EVT_PR | EVT_PE | EVT_RZ), flags);
			ck_assert_uint_eq(got.event.q[1], address);
			seen.refused++;
			continue;
		}
		ck_assert_msg(got.pa.value == expected.pa, "mode %u, %lx: %lx, expected %lx", mode,
			      address, got.pa.value, expected.pa);
		ck_assert(got.readable == expected.readable && got.writable == expected.writable);
		seen.translated++;
		seen.sizes |= 1ULL << expected.size_log2;
	}
}

#define ADDRESSES 1500U
#define TABLES    40U

START_TEST(random_tables_of_a_mode_are_walked_step_by_step)
{
	unsigned mode = 1 + (unsigned)_i;
	struct profile profile = amd_kit_profile();
	random_state = SEED + mode;
	uint64_t hits = 0;
	memset(&seen, 0, sizeof(seen));
	for (unsigned round = 0; round < TABLES; round++) {
		kit = amd_kit_new(&profile);
		tables_left = 80;
		whole_leaves = round % 2 != 0;
		uint64_t root = make_table(mode);
		amd_kit_set_dte(kit, DEVICE, amd_kit_dte(root, mode, DOMAIN));
		for (unsigned i = 0; i < ADDRESSES; i++) {
			/* Every other table with nothing cached; the rest with all that was met. */
			if (round % 2 == 0)
				drop_caches();
			check_address(root, mode,
				      chance(80) ? guided_address(root, mode)
						 : random_address(mode));
		}
		hits += round % 2 != 0 ? kit->amd->tlb.hits : 0;
		amd_kit_free(kit);
	}
	ck_assert_uint_gt(hits, ADDRESSES);
	ck_assert_uint_gt(seen.translated, 500);
	ck_assert_uint_gt(seen.refused, 500);
	/* Levels above 1 have leaves of their own; level 1 has 4 KiB and eight coded sizes. */
	ck_assert_uint_eq(seen.sizes & 0x1ff000, 0x1ff000);
	if (mode > 1)
		ck_assert_uint_eq(seen.sizes & 0x3fe00000, 0x3fe00000);
}
END_TEST

/* --- what may be remembered (9) --- */

#define DOMAINS_USED  3U
#define DEVICES_USED  4U
#define REGIONS       2U /* of 2 MiB */
#define SLOTS         8U /* pages of a region that are used */
#define LEAVES_MAX    64U
#define REACHABLE_MAX 64U
#define DTES_MAX      32U
#define PENDING_MAX   8U

struct known_leaf {
	uint64_t last; /* when memory last said so */
	uint64_t pa;   /* of the page */
	bool read;
	bool write;
};

struct page_history {
	struct known_leaf leaves[LEAVES_MAX];
	unsigned count;
};

struct reachable {
	uint64_t last;
	uint64_t entry; /* of level 2 */
};

struct region {
	uint64_t at; /* of its entry of level 2 */
	struct reachable tables[REACHABLE_MAX];
	unsigned count;
	struct page_history pages[SLOTS];
};

struct host_domain {
	uint16_t number;
	uint64_t root;
	struct region regions[REGIONS];
};

struct host_device {
	uint16_t number;
	struct amd_dte current;
	struct amd_dte dtes[DTES_MAX];
	uint64_t last[DTES_MAX];
	unsigned count;
};

/*
 * Time is counted in commands. One that was issued at T and is completed removes what memory last
 * said before T: what it said later may have been read anew meanwhile.
 */
static struct {
	struct host_domain domains[DOMAINS_USED];
	struct host_device devices[DEVICES_USED];
	struct amd_command pending[PENDING_MAX]; /* since the last COMPLETION_WAIT */
	uint64_t issued[PENDING_MAX];
	uint64_t now;
	unsigned pending_count;
	uint64_t waits;
	uint64_t semaphore;
	unsigned stale;
} naive;

static uint64_t page_of(unsigned region, unsigned slot)
{
	return ((uint64_t)(region + 1) << 21) + ((uint64_t)slot << 12);
}

/* What ENTRY, of level 2, says of a slot now. False: nothing that is present. */
static bool leaf_through(uint64_t entry, unsigned slot, struct known_leaf *out)
{
	uint64_t own = entry;
	unsigned size = 21;
	if (!bit(entry, 0))
		return false;
	if ((entry >> 9 & 7) != 0) {
		own = amd_kit_word(kit, (entry & 0xffffffffff000ULL) + 8ULL * slot);
		if (!bit(own, 0))
			return false;
		size = (own >> 9 & 7) == 7 ? coded_size(own) : 12;
	}
	uint64_t mask = (1ULL << size) - 1;
	*out = (struct known_leaf){
		.pa = (own & 0xffffffffff000ULL & ~mask) | (((uint64_t)slot << 12) & mask),
		.read = bit(entry, 61) && bit(own, 61),
		.write = bit(entry, 62) && bit(own, 62),
	};
	return true;
}

static void remember(struct page_history *page, const struct known_leaf *one)
{
	for (unsigned i = 0; i < page->count; i++)
		if (page->leaves[i].pa == one->pa && page->leaves[i].read == one->read &&
		    page->leaves[i].write == one->write) {
			if (page->leaves[i].last < one->last)
				page->leaves[i].last = one->last;
			return;
		}
	ck_assert_uint_lt(page->count, LEAVES_MAX);
	page->leaves[page->count++] = *one;
}

static void note_region(struct region *region)
{
	uint64_t entry = amd_kit_word(kit, region->at);
	unsigned at = 0;
	while (at < region->count && region->tables[at].entry != entry)
		at++;
	ck_assert_uint_lt(at, REACHABLE_MAX);
	region->tables[at] = (struct reachable){naive.now, entry};
	if (at == region->count)
		region->count++;
	for (unsigned i = 0; i < region->count; i++)
		for (unsigned slot = 0; slot < SLOTS; slot++) {
			struct known_leaf one;
			if (!leaf_through(region->tables[i].entry, slot, &one))
				continue;
			one.last = region->tables[i].last;
			remember(&region->pages[slot], &one);
		}
}

/* What memory says may be remembered: asked before and after each change, and each command. */
static void note_memory(void)
{
	for (unsigned d = 0; d < DOMAINS_USED; d++)
		for (unsigned r = 0; r < REGIONS; r++)
			note_region(&naive.domains[d].regions[r]);
	for (unsigned i = 0; i < DEVICES_USED; i++)
		if (naive.devices[i].count > 0)
			naive.devices[i].last[naive.devices[i].count - 1] = naive.now;
}

static bool covers(const struct amd_command *command, uint64_t first, uint64_t last)
{
	uint64_t address = command->q[1] & ~0xfffULL, size = 4096;
	if (command->q[1] & 1) {
		unsigned number = 12;
		while (number < 63 && bit(address, number))
			number++;
		if (number > 51)
			return true;
		size = 2ULL << number;
	}
	address = address / size * size;
	return address <= last && address + (size - 1) >= first;
}

static void forget_tables(struct region *region, uint64_t before)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < region->count; i++)
		if (region->tables[i].last >= before)
			region->tables[kept++] = region->tables[i];
	region->count = kept;
}

static void forget_leaves(struct page_history *page, uint64_t before)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < page->count; i++)
		if (page->leaves[i].last >= before)
			page->leaves[kept++] = page->leaves[i];
	page->count = kept;
}

/* The current one is the last. */
static void forget_dtes(struct host_device *device, uint64_t before)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < device->count; i++)
		if (device->last[i] >= before) {
			device->dtes[kept] = device->dtes[i];
			device->last[kept++] = device->last[i];
		}
	device->count = kept;
}

static void complete_pages(const struct amd_command *command, uint64_t issued)
{
	uint16_t number = (uint16_t)(command->q[0] >> 32);
	if (bit(command->q[1], 2)) /* GN: a guest's own */
		return;
	for (unsigned d = 0; d < DOMAINS_USED; d++) {
		if (naive.domains[d].number != number)
			continue;
		for (unsigned r = 0; r < REGIONS; r++) {
			struct region *region = &naive.domains[d].regions[r];
			if (bit(command->q[1], 1) &&
			    covers(command, page_of(r, 0), page_of(r, 0) + 0x1fffff))
				forget_tables(region, issued);
			for (unsigned slot = 0; slot < SLOTS; slot++)
				if (covers(command, page_of(r, slot), page_of(r, slot) + 0xfff))
					forget_leaves(&region->pages[slot], issued);
		}
	}
}

static void complete_all(uint64_t issued)
{
	for (unsigned i = 0; i < DEVICES_USED; i++)
		forget_dtes(&naive.devices[i], issued);
	for (unsigned d = 0; d < DOMAINS_USED; d++)
		for (unsigned r = 0; r < REGIONS; r++) {
			struct region *region = &naive.domains[d].regions[r];
			forget_tables(region, issued);
			for (unsigned slot = 0; slot < SLOTS; slot++)
				forget_leaves(&region->pages[slot], issued);
		}
}

static void complete(const struct amd_command *command, uint64_t issued)
{
	switch (command->q[0] >> 60) {
	case 2:
		for (unsigned i = 0; i < DEVICES_USED; i++)
			if (naive.devices[i].number == (command->q[0] & 0xffff))
				forget_dtes(&naive.devices[i], issued);
		break;
	case 3:
		complete_pages(command, issued);
		break;
	case 8:
		complete_all(issued);
		break;
	default:
		break;
	}
}

/* --- random changes and commands --- */

static uint64_t leaf_entry(unsigned over, unsigned shift)
{
	unsigned size = shift + over;
	uint64_t ones = 0;
	for (unsigned number = 12; over > 0 && number < size - 1; number++)
		ones |= 1ULL << number;
	return PTE_PR | random_rights() | (over > 0 ? 7ULL << 9 : 0) |
	       (((draw(1ULL << 20) << 21) >> size << size) | ones);
}

/* A block of pages of a table, whole: a driver never leaves half of a leaf. */
static void change_pages(uint64_t table)
{
	unsigned index = (unsigned)draw(SLOTS), over = 0;
	uint64_t entry = chance(30) ? 0 : leaf_entry(over = (unsigned)draw(4), 12);
	unsigned first = index >> over << over, last = first + (1U << over) - 1;
	for (unsigned slot = 0; slot < SLOTS;) {
		uint64_t old = amd_kit_word(kit, table + 8ULL * slot);
		unsigned size =
			bit(old, 0) && (old >> 9 & 7) == 7 ? 1U << (coded_size(old) - 12) : 1;
		if (slot <= last && slot + size > first)
			for (unsigned i = 0; i < size; i++)
				amd_kit_set_word(kit, table + 8ULL * (slot + i), 0);
		slot += size;
	}
	for (unsigned slot = first; slot <= last; slot++)
		amd_kit_set_word(kit, table + 8ULL * slot, entry);
}

static void change_memory(void)
{
	struct region *region = &naive.domains[draw(DOMAINS_USED)].regions[draw(REGIONS)];
	uint64_t entry = amd_kit_word(kit, region->at);
	bool table = bit(entry, 0) && (entry >> 9 & 7) != 0;
	note_memory();
	if (table && chance(80)) {
		change_pages(entry & 0xffffffffff000ULL);
	} else if (chance(60)) { /* a table, for a time with what is in it */
		uint64_t page = amd_kit_frames(kit, 1);
		for (unsigned i = 0; i < 4; i++)
			change_pages(page);
		amd_kit_set_word(kit, region->at, PTE_PR | random_rights() | 1ULL << 9 | page);
	} else {
		amd_kit_set_word(kit, region->at, chance(70) ? leaf_entry(0, 21) : 0);
	}
	note_memory();
}

static void set_device(struct host_device *device, struct amd_dte dte)
{
	note_memory();
	device->current = dte;
	amd_kit_set_dte(kit, device->number, dte);
	ck_assert_uint_lt(device->count, DTES_MAX);
	device->dtes[device->count++] = dte;
	note_memory();
}

static void change_device(void)
{
	struct host_device *device = &naive.devices[draw(DEVICES_USED)];
	const struct host_domain *domain = &naive.domains[draw(DOMAINS_USED)];
	struct amd_dte dte = amd_kit_dte(domain->root, 3, domain->number);
	if (device->count == DTES_MAX)
		return;
	if (chance(20))
		dte.q[0] &= ~(draw(4) << 61); /* IR, IW */
	if (chance(10))
		dte.q[0] &= ~(1ULL << draw(2)); /* V or TV */
	set_device(device, dte);
}

static struct amd_command random_command(void)
{
	uint16_t domain = naive.domains[draw(DOMAINS_USED)].number;
	uint64_t first = page_of((unsigned)draw(REGIONS), (unsigned)draw(SLOTS));
	uint64_t last = first + (draw(SLOTS) + 1) * 4096 - 1;
	struct amd_command command;
	switch (draw(12)) {
	case 0:
	case 1:
	case 2:
		return amd_command_invalidate_devtab(naive.devices[draw(DEVICES_USED)].number);
	case 3:
		return amd_command_invalidate_domain(domain);
	case 4:
		return chance(20) ? amd_command_invalidate_all()
				  : amd_command_invalidate_domain(domain);
	case 5:
		command = amd_command_invalidate_domain(domain);
		command.q[1] |= 4; /* GN */
		return command;
	default:
		return amd_command_invalidate_pages(domain, first, last, chance(40));
	}
}

static void issue(struct amd_command command)
{
	if (naive.pending_count == PENDING_MAX)
		return;
	note_memory();
	naive.issued[naive.pending_count] = ++naive.now;
	naive.pending[naive.pending_count++] = command;
	amd_kit_issue(kit, command);
}

static void issue_commands(void)
{
	for (unsigned count = 1 + (unsigned)draw(3); count > 0; count--)
		issue(random_command());
}

/* Only now is it certain that all of them are done (8). */
static void wait_for_commands(void)
{
	naive.waits++;
	amd_kit_issue(kit, amd_command_completion_wait(naive.semaphore, naive.waits));
	ck_assert_uint_eq(amd_kit_word(kit, naive.semaphore), naive.waits);
	note_memory();
	for (unsigned i = 0; i < naive.pending_count; i++)
		complete(&naive.pending[i], naive.issued[i]);
	naive.pending_count = 0;
	note_memory();
}

/* --- whether an answer is one of those that hardware may give --- */

struct question {
	unsigned region;
	unsigned slot;
	uint64_t offset;
	bool write;
};

struct answer {
	bool reached;
	uint64_t pa;
};

static bool gives(const struct known_leaf *one, uint64_t dte, const struct question *question,
		  const struct answer *answer)
{
	bool allowed = question->write ? one->write && bit(dte, 62) : one->read && bit(dte, 61);
	return answer->reached == allowed && (!allowed || answer->pa == one->pa + question->offset);
}

static bool domain_gives(const struct host_domain *domain, uint64_t dte,
			 const struct question *question, const struct answer *answer)
{
	const struct region *region = &domain->regions[question->region];
	const struct page_history *page = &region->pages[question->slot];
	for (unsigned i = 0; i < page->count; i++)
		if (gives(&page->leaves[i], dte, question, answer))
			return true;
	/* What is not present is never remembered, but may be seen through a table that is. */
	for (unsigned i = 0; i < region->count; i++) {
		struct known_leaf one;
		if (!leaf_through(region->tables[i].entry, question->slot, &one) &&
		    !answer->reached)
			return true;
	}
	return false;
}

static bool may_answer(const struct host_device *device, const struct question *question,
		       const struct answer *answer)
{
	uint64_t address = page_of(question->region, question->slot) + question->offset;
	for (unsigned i = 0; i < device->count; i++) {
		uint64_t q0 = device->dtes[i].q[0];
		if (!bit(q0, 0)) {
			if (answer->reached && answer->pa == address)
				return true;
			continue;
		}
		if (!bit(q0, 1)) {
			if (!answer->reached)
				return true;
			continue;
		}
		for (unsigned d = 0; d < DOMAINS_USED; d++)
			if (naive.domains[d].number == (device->dtes[i].q[1] & 0xffff) &&
			    domain_gives(&naive.domains[d], q0, question, answer))
				return true;
	}
	return false;
}

static void ask(void)
{
	const struct host_device *device = &naive.devices[draw(DEVICES_USED)];
	struct question question = {(unsigned)draw(REGIONS), (unsigned)draw(SLOTS), draw(4096),
				    chance(40)};
	uint64_t address = page_of(question.region, question.slot) + question.offset;
	struct amd_translation got;
	struct answer answer = {0};
	answer.reached = amd_translate(kit->amd, device->number, address, question.write,
				       AMD_LEAVES_BY_DOMAIN, &got) == AMD_TRANSLATED;
	answer.pa = got.pa.value;
	ck_assert_msg(may_answer(device, &question, &answer),
		      "device %04x, %s of %lx: %s %lx, which nothing lets hardware remember",
		      device->number, question.write ? "write" : "read", address,
		      answer.reached ? "reaches" : "is refused", answer.pa);
	/* Whether memory as it is now says another thing. */
	uint64_t root = device->current.q[0] & 0xffffffffff000ULL, q0 = device->current.q[0];
	if (!bit(q0, 0) || !bit(q0, 1))
		return;
	struct step_result now = walk_slowly(root, 3, address);
	bool allowed = now.translated &&
		       (question.write ? now.writable && bit(q0, 62) : now.readable && bit(q0, 61));
	naive.stale += answer.reached != allowed || (allowed && answer.pa != now.pa);
}

static void start_naive(const struct profile *profile)
{
	kit = amd_kit_new(profile);
	memset(&naive, 0, sizeof(naive));
	naive.semaphore = amd_kit_frames(kit, 1);
	for (unsigned d = 0; d < DOMAINS_USED; d++) {
		struct host_domain *domain = &naive.domains[d];
		domain->number = (uint16_t)(DOMAIN + d);
		domain->root = amd_kit_frames(kit, 1);
		for (unsigned r = 0; r < REGIONS; r++)
			domain->regions[r].at =
				amd_kit_entry(kit, domain->root, 3, page_of(r, 0), 2);
	}
	for (unsigned i = 0; i < DEVICES_USED; i++) {
		const struct host_domain *domain = &naive.domains[i % DOMAINS_USED];
		naive.devices[i].number = (uint16_t)(DEVICE + i);
		set_device(&naive.devices[i], amd_kit_dte(domain->root, 3, domain->number));
	}
	note_memory();
}

#define STREAMS 20
#define STEPS   4000U

START_TEST(no_translation_outlives_what_invalidates_it)
{
	struct profile profile = amd_kit_profile();
	random_state = SEED + 1000 + (unsigned)_i;
	if (_i % 2 != 0) { /* so that entries make way for others, too */
		amd_kit_set(&profile, "tlb.entries", 8);
		amd_kit_set(&profile, "tlb.ways", 2);
		amd_kit_set(&profile, "pde.entries", 4);
		amd_kit_set(&profile, "dte.entries", 2);
	}
	start_naive(&profile);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned what = (unsigned)draw(100);
		if (what < 70)
			ask();
		else if (what < 82)
			change_memory();
		else if (what < 85)
			change_device();
		else if (what < 93)
			issue_commands();
		else
			wait_for_commands();
		/* Histories are finite: all is forgotten before they are full. */
		if (step % 100 == 99) {
			wait_for_commands();
			issue(amd_command_invalidate_all());
			wait_for_commands();
		}
	}
	ck_assert_uint_eq(amd_kit_events(kit), 0);
	ck_assert_uint_gt(kit->amd->tlb.hits, STEPS / 20);
	/* It was no test of memory alone. */
	ck_assert_uint_gt(naive.stale, 20);
	amd_kit_free(kit);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("amd_walk_property");
	TCase *tcase = tcase_create("amd_walk_property");
	tcase_add_loop_test(tcase, random_tables_of_a_mode_are_walked_step_by_step, 0, 6);
	tcase_add_loop_test(tcase, no_translation_outlives_what_invalidates_it, 0, STREAMS);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
