// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/smmu_walker.h"

/* LENGTH bits of WORD from bit FROM on. */
static uint64_t cut(uint64_t word, unsigned from, unsigned length)
{
	return word >> from & ((1ULL << length) - 1);
}

/* Rights, separately for unprivileged [0] and privileged [1] accesses. */
struct rights {
	bool read[2];
	bool write[2];
	bool execute[2];
};

struct found {
	uint64_t address;
	struct rights rights;
	bool device;
};

struct way {
	struct smmu_kit *kit;
	const struct smmu_access *access;
	const uint64_t *ste;
	struct walker_answer answer;
};

/* Its geometry, however it was stated. */
struct map {
	unsigned page; /* log2 bytes */
	unsigned bits; /* of input */
	int start;
	unsigned output;
	uint64_t root;
	bool ds;
	bool big_endian;
	bool no_access_fault;
	bool second;
	bool no_hierarchy;
	bool wxn;
	bool pan;
};

/* Of a granule of 2^PAGE bytes, with DS or not. */
static unsigned size_of_code(struct smmu_kit *kit, unsigned code, unsigned page, bool ds)
{
	static const unsigned sizes[] = {32, 36, 40, 42, 44, 48, 52, 56};
	unsigned oas = sizes[cut(kit_smmu_read(kit, SMMU_IDR5, 4), 0, 3)];
	unsigned least = sizes[code] < oas ? sizes[code] : oas;
	return least > 48 && page != 16 && !ds ? 48 : least;
}

static bool has_ds(struct smmu_kit *kit)
{
	return cut(kit_smmu_read(kit, SMMU_IDR5, 4), 7, 1);
}

/* Whether there are blocks at the level. */
static bool block_at(const struct map *map, int level)
{
	switch (map->page) {
	case 12:
		return level == 2 || level == 1 || (level == 0 && map->ds);
	case 14:
		return level == 2 || (level == 1 && map->ds);
	default:
		return level == 2 || (level == 1 && map->output == 52);
	}
}

static uint64_t address_in(const struct map *map, uint64_t descriptor)
{
	uint64_t address = cut(descriptor, map->page, 48 - map->page) << map->page;
	if (map->page == 16)
		return address | (map->output == 52 ? cut(descriptor, 12, 4) << 48 : 0);
	if (map->ds)
		address |= cut(descriptor, 48, 2) << 48 | cut(descriptor, 8, 2) << 50;
	return address;
}

static bool refuse_it(struct way *way, unsigned event, const struct map *map, unsigned class,
		      uint64_t address)
{
	way->answer = (struct walker_answer){.event = event,
					     .stage2 = map->second,
					     .class = map->second ? class : 2,
					     .ipa = map->second ? address : 0};
	return false;
}

static bool second_stage(struct way *way, uint64_t ipa, unsigned class, struct found *found);

static struct rights rights_of(const struct map *map, uint64_t leaf, uint64_t tables)
{
	struct rights rights = {{false, false}, {false, false}, {false, false}};
	if (map->second) {
		unsigned xn = (unsigned)cut(leaf, 53, 2);
		for (unsigned privileged = 0; privileged < 2; privileged++) {
			rights.read[privileged] = cut(leaf, 6, 1);
			rights.write[privileged] = cut(leaf, 7, 1);
		}
		rights.execute[0] = xn == 0 || xn == 1;
		rights.execute[1] = xn == 0 || xn == 3;
		return rights;
	}
	bool writable = cut(leaf, 7, 1) == 0 && cut(tables, 62, 1) == 0;
	bool user = cut(leaf, 6, 1) == 1 && cut(tables, 61, 1) == 0;
	rights.read[0] = user;
	rights.write[0] = user && writable;
	rights.read[1] = !(map->pan && user);
	rights.write[1] = writable && !(map->pan && user);
	rights.execute[0] = cut(leaf, 54, 1) == 0 && cut(tables, 60, 1) == 0;
	rights.execute[1] = cut(leaf, 53, 1) == 0 && cut(tables, 59, 1) == 0;
	if (user && writable)
		rights.execute[1] = false;
	if (map->wxn && writable) {
		rights.execute[1] = false;
		rights.execute[0] &= !user;
	}
	return rights;
}

/* The first byte in memory is the lowest, or of big-endian tables the highest. */
static uint64_t descriptor_at(const struct way *way, const struct map *map, uint64_t at)
{
	uint64_t word = kit_word(way->kit, at), descriptor = 0;
	for (unsigned byte = 0; byte < 8; byte++)
		descriptor |= cut(word, 8 * byte, 8) << 8 * (map->big_endian ? 7 - byte : byte);
	return descriptor;
}

/* One stage: INPUT to FOUND, or the fault. */
static bool walk(struct way *way, const struct map *map, uint64_t input, unsigned class,
		 struct found *found)
{
	uint64_t table = map->root, tables = 0;
	uint64_t inside = input & ((1ULL << map->bits) - 1);
	for (int level = map->start; level <= 3; level++) {
		unsigned shift = map->page + (map->page - 3) * (unsigned)(3 - level);
		uint64_t size = 1ULL << shift, index = inside / size;
		if (level > map->start)
			index %= 1ULL << (map->page - 3);
		uint64_t at = table + index * 8;
		if (!map->second && cut(way->ste[0], 1, 3) == 7) {
			struct found through;
			if (!second_stage(way, at, 1, &through))
				return false;
			at = through.address;
		}
		uint64_t descriptor = descriptor_at(way, map, at);
		unsigned type = (unsigned)cut(descriptor, 0, 2);
		bool valid = type == 3 || (type == 1 && block_at(map, level));
		if (!valid)
			return refuse_it(way, 0x10, map, class, input);
		uint64_t address = address_in(map, descriptor);
		if (address >> map->output != 0)
			return refuse_it(way, 0x11, map, class, input);
		if (level < 3 && type == 3) {
			table = address;
			tables |= map->no_hierarchy ? 0 : descriptor;
			continue;
		}
		if (cut(descriptor, 10, 1) == 0 && !map->no_access_fault)
			return refuse_it(way, 0x12, map, class, input);
		found->address = address / size * size + inside % size;
		found->rights = rights_of(map, descriptor, tables);
		found->device = cut(descriptor, 4, 2) == 0;
		return true;
	}
	return false;
}

static bool permits(const struct rights *rights, const struct smmu_access *access)
{
	unsigned privileged = access->privileged;
	if (access->write)
		return rights->write[privileged];
	return access->instruction ? rights->execute[privileged] : rights->read[privileged];
}

/* CLASS: 0 for a CD, 1 for a table of stage 1, 2 for the access itself. */
static bool second_stage(struct way *way, uint64_t ipa, unsigned class, struct found *found)
{
	static const unsigned pages[] = {12, 16, 14};
	static const unsigned starts[3][4] = {{2, 1, 0, 3}, {3, 2, 1, 0}, {3, 2, 1, 0}};
	uint64_t dw2 = way->ste[2];
	struct map map = {.page = pages[cut(dw2, 46, 2)],
			  .bits = 64 - (unsigned)cut(dw2, 32, 6),
			  .ds = has_ds(way->kit) && cut(way->ste[3], 3, 1),
			  .big_endian = cut(dw2, 52, 1),
			  .no_access_fault = cut(dw2, 53, 1),
			  .second = true};
	map.ds &= map.page != 16;
	map.output = size_of_code(way->kit, (unsigned)cut(dw2, 48, 3), map.page, map.ds);
	map.start = (int)starts[map.page == 12 ? 0 : 1][cut(dw2, 38, 2)];
	uint64_t top = map.page + (map.page - 3) * (3ULL - (unsigned)map.start);
	uint64_t bytes = 8ULL << (map.bits - top);
	map.root = way->ste[3] & 0x00fffffffffffff0;
	map.root -= map.root % (bytes < 64 ? 64 : bytes);
	if (ipa >> map.bits != 0)
		return refuse_it(way, 0x10, &map, class, ipa);
	if (!walk(way, &map, ipa, class, found))
		return false;
	bool good = class == 2 ? permits(&found->rights, way->access)
			       : found->rights.read[0] && !(cut(dw2, 54, 1) && found->device);
	return good || refuse_it(way, 0x13, &map, class, ipa);
}

/* The half of the input space that IOVA lies in; false: none. */
static bool half_of(struct smmu_kit *kit, const uint64_t cd[3], uint64_t iova, struct map *map)
{
	static const unsigned pages[2][4] = {{12, 16, 14, 0}, {0, 14, 12, 16}};
	unsigned half = (unsigned)cut(iova, 55, 1), from = 16 * half;
	*map = (struct map){.page = pages[half][cut(cd[0], 6 + from, 2)],
			    .bits = 64 - (unsigned)cut(cd[0], from, 6),
			    .ds = has_ds(kit) && cut(cd[2], 58, 1),
			    .big_endian = cut(cd[0], 15, 1),
			    .no_access_fault = cut(cd[0], 35, 1),
			    .wxn = cut(cd[0], 36, 1),
			    .pan = cut(cd[0], 40, 1),
			    .no_hierarchy = cut(cd[1 + half], 1, 1),
			    .root = cd[1 + half] & 0x000ffffffffffff0};
	map->ds &= map->page != 16;
	map->output = size_of_code(kit, (unsigned)cut(cd[0], 32, 3), map->page, map->ds);
	bool disabled = cut(cd[0], 14 + from, 1), tagged = cut(cd[0], 38 + half, 1);
	if (disabled)
		return false;
	unsigned top = tagged ? 56 : 64;
	for (unsigned bit = map->bits; bit < top; bit++)
		if (cut(iova, bit, 1) != half)
			return false;
	unsigned level_bits = map->page - 3, covered = map->page;
	for (map->start = 3; covered + level_bits < map->bits; map->start--)
		covered += level_bits;
	uint64_t bytes = 8ULL << (map->bits - covered);
	map->root -= map->root % (bytes < 64 ? 64 : bytes);
	return true;
}

static bool first_stage(struct way *way, struct found *found)
{
	uint64_t at = way->ste[0] & 0x000fffffffffffc0, cd[3];
	bool nested = cut(way->ste[0], 1, 3) == 7;
	struct map map;
	if (nested) {
		if (!second_stage(way, at, 0, found))
			return false;
		at = found->address;
	}
	for (unsigned i = 0; i < 3; i++)
		cd[i] = kit_word(way->kit, at + 8 * i);
	if (!half_of(way->kit, cd, way->access->iova, &map))
		return refuse_it(way, 0x10, &map, 2, 0);
	if (!walk(way, &map, way->access->iova, 2, found))
		return false;
	if (!permits(&found->rights, way->access))
		return refuse_it(way, 0x13, &map, 2, 0);
	return !nested || second_stage(way, found->address, 2, found);
}

struct walker_answer walker_translate(struct smmu_kit *kit, uint64_t stream_table,
				      const struct smmu_access *access)
{
	uint64_t ste[4];
	for (unsigned i = 0; i < 4; i++)
		ste[i] = kit_word(kit, stream_table + 64ULL * access->sid + 8 * i);
	struct way way = {.kit = kit, .access = access, .ste = ste};
	struct found found = {.address = access->iova};
	switch (cut(ste[0], 1, 3)) {
	case 4:
		way.answer.ok = true;
		break;
	case 5:
	case 7:
		way.answer.ok = first_stage(&way, &found);
		break;
	case 6:
		way.answer.ok = second_stage(&way, access->iova, 2, &found);
		break;
	default:
		break;
	}
	way.answer.pa = way.answer.ok ? found.address : 0;
	return way.answer;
}
