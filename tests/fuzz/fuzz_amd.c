/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest: any bytes in its memory, ring and log at any guest address, any access to its VF
 * page, at any time, on hardware of any assumption; and a host that unmaps, flushes, remaps, resets and
 * programs it anew. The guest must not reach a device or a domain that the maps do not give it, nor
 * memory that its tables do not map, nor another guest, nor keep the engine busy for ever.
 *
 * The input: struct setup's bytes, then operations, each an opcode and its operands; missing bytes are
 * zero.
 */
#include <assert.h>
#include <string.h>

#include "tests/kit/amd.h"

#define GUEST        1U
#define OTHER_GUEST  2U
#define TRANS        0x300U
#define OTHER_TRANS  0x301U
#define DOMAIN       5U /* of TRANS, and what GDomainIDs lead to; so does the next number */
#define OTHER_DOMAIN 7U
#define HOST_DOMAIN  9U
#define HOST_DEVICE  0x20U
#define DEVICE       0x10U /* what GDeviceIDs lead to; so does the next number */
#define GUEST_IDS    8U    /* that the maps may have */
#define PAGES        8U    /* from GUEST_RING_AT on */
#define TLB_PAGES    8U
#define OPERATIONS   128U
#define AGAINS       2U
#define STEPS_MAX    (8U << RING_CODE_MAX) /* of a ring's commands, twice over */
#define SEMAPHORE    8U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
};

enum operation {
	OP_BYTES,   /* page, slot, 16 bytes */
	OP_COMMAND, /* page, slot, opcode, id, page of an address, flags: nearly right */
	OP_TAIL,    /* the guest's tail, in slots */
	OP_WRITE,   /* 2 bytes of offset (15: 64 bits wide), 8 of value */
	OP_READ,    /* 2 bytes of offset */
	OP_STEP,    /* how often */
	OP_RUN,     /* to the end */
	OP_AGAIN,   /* the same twice over, from a saved machine (AGAINS times) */
	OP_RING,    /* length code (3:0), kind of base (5:4), CmdBufEn (7); an address of 6 bytes */
	OP_LOG,     /* the same for the event log */
	OP_MAP,     /* page; frame, rights (2 bits) */
	OP_UNMAP,   /* page; without a flush */
	OP_FLUSH,   /* page, or all of the domain from PAGES on */
	OP_MISC,    /* the trans_devid, or 0 */
	OP_RESET,   /* RESET_VMMIO */
	OP_HOST,    /* a command of the host's */
	OP_GIVE,    /* GDeviceID or GDomainID; whereto */
	OP_OTHER,   /* the other guest runs a command */
	OP_COUNT,
};

/* The first bytes. */
struct setup {
	uint16_t assumptions; /* digits: a value of each */
	uint8_t silent;       /* a device that answers no invalidation */
	uint8_t late;         /* which fetch is late; 0: none */
	uint8_t aborts;       /* which access aborts (3:0), of which purpose (5:4); 0: none */
};

struct id_map {
	bool valid;
	uint16_t host;
};

/* A page of the guest's addresses: one of two frames, or none. */
struct guest_page {
	uint64_t frames[2];
	uint64_t rights[2]; /* what a cache may still say, and the tables do */
	uint64_t mapped;    /* rights now; 0: none */
	unsigned current;   /* frame */
};

/* One run. */
struct fuzz {
	struct amd_kit *kit;
	struct setup setup;
	struct amd_kit_guest guest;
	struct amd_kit_guest other;
	struct guest_page pages[PAGES];
	struct id_map devices[GUEST_IDS];
	struct id_map domains[GUEST_IDS];
	uint64_t maps[4]; /* frames: of devices and domains of both guests */
	uint64_t semaphore;
	uint64_t number;
	uint64_t kept; /* hash of what nobody may write */
	bool all_gone; /* the host has emptied all caches */
	bool other_runs;
	unsigned agains;
	struct hash hash; /* of what was seen */
};

static uint64_t take(struct input *input, unsigned bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < bytes && input->size > 0; i++, input->data++, input->size--)
		value |= (uint64_t)*input->data << (8 * i);
	return value;
}

static unsigned assumed(const struct fuzz *fuzz, enum amd_assumption assumption)
{
	return fuzz->kit->amd->assumptions.values[assumption];
}

/* --- what must hold: commands --- */

static void check_target(const struct id_map *map, const struct probe *probe, uint64_t field)
{
	uint64_t id = field_get(probe->fetched[0], field);
	assert(id < GUEST_IDS && map[id].valid);
	assert(probe->target == map[id].host && field_get(probe->ran[0], field) == map[id].host);
	/* Nothing but the number is another. */
	assert((probe->ran[0] & ~field) == (probe->fetched[0] & ~field));
}

static void check_executed(const struct fuzz *fuzz, const struct probe *probe)
{
	assert(probe->ran[1] == probe->fetched[1]);
	switch (field_get(probe->fetched[0], CMD_OPCODE)) {
	case CMD_COMPLETION_WAIT:
		assert(probe->effect == EFFECT_NONE && probe->removed == 0);
		break;
	case CMD_INVALIDATE_IOMMU_PAGES:
		assert(probe->effect == EFFECT_DOMAIN);
		assert(!(probe->ran[1] & CMD_GN) || probe->removed == 0);
		check_target(fuzz->domains, probe, CMD_DOMAIN);
		break;
	case CMD_INVALIDATE_DEVTAB_ENTRY:
	case CMD_INVALIDATE_IOTLB_PAGES:
	case CMD_INVALIDATE_INTERRUPT_TABLE:
	case CMD_COMPLETE_PPR_REQUEST:
		assert(probe->effect == EFFECT_DEVICE && probe->removed == 0);
		check_target(fuzz->devices, probe, CMD_DEVICE);
		break;
	default:
		assert(!"a command that is the host's alone");
	}
}

static void on_probe(void *context, struct machine *machine, const struct probe *probe)
{
	struct fuzz *fuzz = context;
	(void)machine;
	hash_bytes(&fuzz->hash, probe->ran, sizeof(probe->ran));
	hash_u64(&fuzz->hash, probe->time_ps);
	if (probe->context == CONTEXT_HOST_RING) {
		assert(probe->kind == PROBE_EXECUTED ||
		       probe->error == EVENT_COMMAND_HARDWARE_ERROR);
		return;
	}
	if (probe->context == OTHER_GUEST) {
		assert(fuzz->other_runs);
		return;
	}
	assert(probe->context == GUEST);
	if (probe->kind == PROBE_EXECUTED) {
		check_executed(fuzz, probe);
		return;
	}
	assert(probe->error == EVENT_ILLEGAL_COMMAND_ERROR ||
	       probe->error == EVENT_COMMAND_HARDWARE_ERROR || probe->error == EVENT_IO_PAGE_FAULT);
	assert(probe->effect == EFFECT_NONE && probe->removed == 0);
}

/* --- what must hold: accesses --- */

static bool in_page(uint64_t pa, uint64_t size, uint64_t page)
{
	return pa >= page && pa + size <= page + PAGE_SIZE;
}

/* The guest's page that one of its frames is at PA. */
static uint64_t page_with(const struct fuzz *fuzz, uint64_t pa)
{
	uint64_t at = 0;
	while (at < 2 * PAGES && !in_page(pa, 1, fuzz->pages[at / 2].frames[at % 2]))
		at++;
	return at / 2;
}

/*
 * Its own memory, where its tables lead or led before the last flush, with those rights. A fetch under
 * way may have been begun at another base.
 */
static void check_guest_access(const struct fuzz *fuzz, const struct access *access)
{
	bool fetch = access->purpose == ACCESS_COMMAND_FETCH;
	bool in_flight = fetch && assumed(fuzz, AMD_WAIT_IN_FLIGHT) == AMD_WAIT_FOR_DMA_ONLY;
	uint64_t needs = access_writes(access) ? PTE_IW : PTE_IR;
	uint64_t pa = access->pa.value, at = page_with(fuzz, pa);
	assert(access->path == PATH_WALKED || access->path == PATH_CACHED);
	assert(fetch || access->purpose == ACCESS_COMPLETION_WRITE ||
	       access->purpose == ACCESS_EVENT_WRITE);
	assert(at < PAGES && page_offset(pa) == page_offset(access->input));
	assert(fetch || at == (access->input - GUEST_RING_AT) / PAGE_SIZE);
	const struct guest_page *page = &fuzz->pages[at];
	bool good = false;
	for (unsigned i = 0; i < 2; i++)
		good |= in_page(pa, access->size, page->frames[i]) &&
			((page->rights[i] & needs) || in_flight);
	assert(good);
}

static void check_host_access(const struct fuzz *fuzz, const struct access *access)
{
	uint64_t pa = access->pa.value, size = access->size;
	bool map = false;
	for (unsigned i = 0; i < 4; i++)
		map |= in_page(pa, size, fuzz->maps[i]);
	switch (access->purpose) {
	case ACCESS_COMMAND_FETCH:
		assert(in_page(pa, size, fuzz->kit->ring));
		break;
	case ACCESS_EVENT_WRITE:
		assert(in_page(pa, size, fuzz->kit->log));
		break;
	case ACCESS_COMPLETION_WRITE:
		assert(pa == fuzz->semaphore);
		break;
	default:
		assert(map);
	}
}

/* A device's context: of walks, which read tables and nothing that a guest can write. */
static void check_walk(const struct fuzz *fuzz, const struct access *access)
{
	assert(!access_writes(access));
	for (unsigned i = 0; i < 2 * PAGES; i++)
		assert(!in_page(access->pa.value, access->size, fuzz->pages[i / 2].frames[i % 2]));
}

static void on_access(void *context, struct machine *machine, const struct access *access)
{
	struct fuzz *fuzz = context;
	(void)machine;
	hash_u64(&fuzz->hash, access->pa.value);
	hash_u64(&fuzz->hash, access->time_ps);
	if (access->context == CONTEXT_HOST_RING)
		check_host_access(fuzz, access);
	else if (access->context & CONTEXT_DEVICE(0))
		check_walk(fuzz, access);
	else if (access->context == GUEST)
		check_guest_access(fuzz, access);
	else
		assert(access->context == OTHER_GUEST && fuzz->other_runs);
}

static void run(struct fuzz *fuzz)
{
	uint32_t steps = 0;
	while (clock_step(&fuzz->kit->machine->clock)) {
		steps++;
		assert(steps <= STEPS_MAX);
	}
}

static uint64_t state_of(struct fuzz *fuzz)
{
	struct hash hash;
	hash_init(&hash);
	amd_iommu_hash(fuzz->kit->amd, &hash);
	machine_hash(fuzz->kit->machine, &hash);
	hash_u64(&hash, fuzz->hash.value);
	return hash.value;
}

static void run_again(struct fuzz *fuzz)
{
	struct arena *arena = fuzz->kit->machine->arena;
	if (fuzz->agains++ >= AGAINS) {
		run(fuzz);
		return;
	}
	struct arena_snapshot *snapshot = arena_save(arena, NULL);
	const struct fuzz before = *fuzz;
	run(fuzz);
	uint64_t first = state_of(fuzz);
	arena_restore(arena, snapshot);
	arena_snapshot_free(snapshot);
	*fuzz = before;
	run(fuzz);
	assert(state_of(fuzz) == first);
}

/* --- the host --- */

static bool host_runs(const struct fuzz *fuzz)
{
	return amd_kit_read(fuzz->kit, AMD_STATUS, 4) & STATUS_CMD_BUF_RUN;
}

/* Commands and a wait, until its number is there: once more where a fault was injected into it. */
static void host_sends(struct fuzz *fuzz, const struct amd_command *commands, unsigned count)
{
	struct amd_kit *kit = fuzz->kit;
	uint32_t steps = 0;
	fuzz->number++;
	const struct amd_command wait = amd_command_completion_wait(fuzz->semaphore, fuzz->number);
	for (bool again = true; again;) {
		uint32_t tail = (uint32_t)amd_kit_read(kit, AMD_CMD_TAIL, 4);
		for (unsigned i = 0; i <= count; i++, tail = (tail + COMMAND_SIZE) % KIT_BYTES)
			amd_kit_put(kit, kit->ring, tail / COMMAND_SIZE,
				    i < count ? commands[i] : wait);
		amd_kit_write(kit, AMD_CMD_TAIL, 4, tail);
		while (amd_kit_word(kit, fuzz->semaphore) != fuzz->number && host_runs(fuzz)) {
			bool more = clock_step(&kit->machine->clock);
			steps++;
			assert(more && steps <= STEPS_MAX);
		}
		again = !host_runs(fuzz);
		if (again) {
			amd_kit_control(kit, CONTROL_CMD_BUF_EN, 0);
			amd_kit_write(kit, AMD_CMD_HEAD, 4, tail);
			amd_kit_control(kit, 0, CONTROL_CMD_BUF_EN);
		}
	}
}

/* What is there to be told from now on: what the tables say. */
static void forget(struct guest_page *page)
{
	for (unsigned i = 0; i < 2; i++)
		page->rights[i] = i == page->current ? page->mapped : 0;
}

/* Of PAGE, or of all. A cache by trans_devid goes whole, with its table entry (amd.buffer_tag). */
static void flush(struct fuzz *fuzz, uint64_t page)
{
	bool by_device = assumed(fuzz, AMD_BUFFER_TAG) == AMD_BUFFER_TAG_DEVICE;
	uint64_t at = GUEST_RING_AT + page * PAGE_SIZE;
	const struct amd_command commands[] = {
		page < PAGES ? amd_command_invalidate_pages(DOMAIN, at, at + PAGE_SIZE - 1, false)
			     : amd_command_invalidate_domain(DOMAIN),
		amd_command_invalidate_devtab(TRANS),
	};
	host_sends(fuzz, commands, by_device ? 2 : 1);
	for (uint64_t i = 0; i < PAGES; i++)
		if (i == page || page >= PAGES)
			forget(&fuzz->pages[i]);
}

static void set_page(struct fuzz *fuzz, uint64_t number, unsigned frame, uint64_t rights)
{
	struct guest_page *page = &fuzz->pages[number];
	amd_kit_guest_map(&fuzz->guest, GUEST_RING_AT + number * PAGE_SIZE,
			  rights != 0 ? page->frames[frame] : 0, rights);
	page->current = frame;
	page->mapped = rights;
	page->rights[frame] |= rights;
}

static void give(struct fuzz *fuzz, unsigned id, bool domain, unsigned which)
{
	struct id_map *map = domain ? &fuzz->domains[id] : &fuzz->devices[id];
	*map = (struct id_map){true, (uint16_t)((domain ? DOMAIN : DEVICE) + which)};
	if (domain)
		amd_kit_guest_domain(&fuzz->guest, (uint16_t)id, map->host);
	else
		amd_kit_guest_device(&fuzz->guest, (uint16_t)id, map->host);
}

static void host_command(struct fuzz *fuzz, uint64_t which)
{
	struct amd_command command = amd_command_invalidate_all();
	switch (which % 4) {
	case 0:
		fuzz->all_gone = true;
		break;
	case 1:
		command = amd_command_invalidate_devtab(TRANS);
		break;
	case 2:
		command = amd_command_invalidate_iotlb(DEVICE, DEVICE, 32, 0, PAGE_SIZE - 1);
		break;
	default:
		command = amd_command_invalidate_devtab(DEVICE);
		break;
	}
	host_sends(fuzz, &command, 1);
}

static uint64_t frame_behind(struct amd_kit *kit, uint64_t ipa)
{
	return amd_kit_word(kit, amd_kit_entry(kit, kit->own_root, 3, ipa, 1)) & PTE_ADDR;
}

/* What no guest may change: the other guest's memory and tables, the device table. */
static uint64_t hash_kept(const struct fuzz *fuzz)
{
	const uint64_t frames[] = {fuzz->other.ring,    fuzz->other.log, fuzz->other.root,
				   fuzz->kit->own_root, fuzz->maps[2],   fuzz->maps[3],
				   fuzz->kit->devices};
	struct hash hash;
	hash_init(&hash);
	for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
		for (uint64_t at = 0; at < PAGE_SIZE; at += 8)
			hash_u64(&hash, amd_kit_word(fuzz->kit, frames[i] + at));
	return hash.value;
}

static void inject(struct fuzz *fuzz, enum access_purpose purpose, enum fault_action action,
		   unsigned nth)
{
	struct port_fault fault = {.engine = fuzz->kit->amd->port.engine,
				   .purpose = purpose,
				   .action = action,
				   .late_ps = action == FAULT_LATE ? 10000000 : 0,
				   .nth = nth};
	if (nth != 0)
		port_inject(fuzz->kit->machine, &fault);
}

/* Translations of the host's and of the other guest's domain, and a cached table entry. */
static void fill_caches(struct fuzz *fuzz)
{
	static const uint16_t domains[] = {OTHER_DOMAIN, HOST_DOMAIN};
	struct amd_translation translation;
	for (unsigned i = 0; i < 2 * TLB_PAGES; i++) {
		struct tlb_entry entry = {.tag = {.domain = domains[i % 2]}};
		tlb_insert(&fuzz->kit->amd->tlb, &entry, i / 2);
	}
	amd_kit_set_dte(fuzz->kit, HOST_DEVICE, (struct amd_dte){{DTE_V, HOST_DOMAIN, 0, 0}});
	amd_translate(fuzz->kit->amd, HOST_DEVICE, 0, false, AMD_LEAVES_NOWHERE, &translation);
}

static void choose_assumptions(struct fuzz *fuzz)
{
	uint32_t digits = fuzz->setup.assumptions;
	for (unsigned i = 0; amd_assumptions[i].key != NULL; i++) {
		uint32_t count = option_value_count(&amd_assumptions[i]);
		amd_kit_assume(fuzz->kit, i, digits % count);
		digits /= count;
	}
}

static void set_up_guests(struct fuzz *fuzz)
{
	struct amd_kit *kit = fuzz->kit;
	fuzz->guest = amd_kit_guest(kit, GUEST, TRANS, DOMAIN);
	fuzz->other = amd_kit_guest(kit, OTHER_GUEST, OTHER_TRANS, OTHER_DOMAIN);
	for (unsigned guest = 0; guest < 2; guest++) {
		uint64_t id = GUEST + guest;
		fuzz->maps[2 * guest] = frame_behind(kit, IPA_DEVICE_MAPS + id * DEVICE_MAP_SIZE);
		fuzz->maps[2 * guest + 1] =
			frame_behind(kit, IPA_DOMAIN_MAPS + id * DOMAIN_MAP_SIZE);
	}
	for (unsigned i = 0; i < 2 * PAGES; i++)
		fuzz->pages[i / 2].frames[i % 2] = amd_kit_frames(kit, 1);
	for (unsigned i = 0; i < 4; i++)
		set_page(fuzz, i, 0, PTE_RW);
	for (unsigned i = 0; i < GUEST_IDS / 2; i++) {
		give(fuzz, i, false, i % 2);
		give(fuzz, i, true, i % 2);
	}
	/* Where Misc Control = 0 leads: nowhere, by a valid entry or by an assumption. */
	if (assumed(fuzz, AMD_DTE_V0) == AMD_DTE_V0_FORWARDS)
		amd_kit_set_dte(kit, 0, (struct amd_dte){{DTE_V, 0, 0, 0}});
}

static struct profile small_profile(void)
{
	struct profile profile = amd_kit_profile();
	amd_kit_set(&profile, "tlb.entries", 256);
	amd_kit_set(&profile, "buffer.entries", 4);
	amd_kit_set(&profile, "pde.entries", 4);
	amd_kit_set(&profile, "dte.entries", 1024);
	return profile;
}

static void set_up(struct fuzz *fuzz, struct input *input)
{
	static const enum access_purpose purposes[] = {ACCESS_COMMAND_FETCH, ACCESS_EVENT_WRITE,
						       ACCESS_COMPLETION_WRITE,
						       ACCESS_CONFIG_FETCH};
	const struct profile profile = small_profile();
	memset(fuzz, 0, sizeof(*fuzz));
	hash_init(&fuzz->hash);
	fuzz->setup.assumptions = (uint16_t)take(input, 2);
	fuzz->setup.silent = (uint8_t)take(input, 1);
	fuzz->setup.late = (uint8_t)take(input, 1);
	fuzz->setup.aborts = (uint8_t)take(input, 1);
	fuzz->kit = amd_kit_new(&profile);
	choose_assumptions(fuzz);
	fuzz->semaphore = amd_kit_frames(fuzz->kit, 1) + SEMAPHORE;
	amd_endpoint_new(fuzz->kit->amd, DEVICE)->silent = fuzz->setup.silent & 1;
	set_up_guests(fuzz);
	fill_caches(fuzz);
	inject(fuzz, ACCESS_COMMAND_FETCH, FAULT_LATE, fuzz->setup.late & 15);
	inject(fuzz, purposes[fuzz->setup.aborts >> 4 & 3], FAULT_ABORT, fuzz->setup.aborts & 15);
	fuzz->kept = hash_kept(fuzz);
	const struct observer observer = {.context = fuzz, .access = on_access, .probe = on_probe};
	machine_observe(fuzz->kit->machine, &observer);
}

/* The other guest and the host are as they were, and cached as they were. */
static void check_others(struct fuzz *fuzz)
{
	struct amd_iommu *amd = fuzz->kit->amd;
	const struct dte_cache_entry *entry = &amd->dtes.entries[HOST_DEVICE];
	assert(hash_kept(fuzz) == fuzz->kept);
	assert(host_runs(fuzz));
	assert(amd_kit_vfcntl(&fuzz->other, VFCNTL_MISC) == (uint64_t)OTHER_TRANS << 16);
	assert(amd_kit_vfcntl(&fuzz->other, VFCNTL_COMMAND) ==
	       (GUEST_RING_AT | GUEST_LENGTH | GUEST_CMD_EN));
	assert(amd_kit_vf(&fuzz->other, AMD_STATUS) & STATUS_CMD_BUF_RUN);
	if (fuzz->all_gone)
		return;
	assert(entry->valid && entry->device == HOST_DEVICE);
	for (unsigned i = 0; i < 2 * TLB_PAGES; i++) {
		struct tlb_tag tag = {.domain = i % 2 ? HOST_DOMAIN : OTHER_DOMAIN};
		assert(tlb_lookup(&amd->tlb, tag, i / 2) != NULL);
	}
}

/* --- the guest --- */

static struct amd_command nearly_right(struct input *input)
{
	static const uint8_t opcodes[] = {
		CMD_COMPLETION_WAIT,        CMD_INVALIDATE_DEVTAB_ENTRY,
		CMD_INVALIDATE_IOMMU_PAGES, CMD_INVALIDATE_IOTLB_PAGES,
		CMD_COMPLETION_WAIT,        CMD_INVALIDATE_INTERRUPT_TABLE,
		CMD_COMPLETE_PPR_REQUEST,   CMD_COMPLETION_WAIT};
	uint64_t which = take(input, 1), id = take(input, 1), page = take(input, 1);
	uint64_t flags = take(input, 1), address = GUEST_RING_AT + page * PAGE_SIZE;
	uint64_t opcode = which < 128 ? opcodes[which % sizeof(opcodes)] : which & 15;
	struct amd_command command = {{field_put(CMD_OPCODE, opcode), address | (flags & 7)}};
	switch (opcode) {
	case CMD_COMPLETION_WAIT:
		command.q[0] |= (flags & 7) | (address + id * 8);
		command.q[1] = id << 8 | page;
		break;
	case CMD_INVALIDATE_IOMMU_PAGES:
		command.q[0] |= field_put(CMD_DOMAIN, id);
		break;
	case CMD_INVALIDATE_IOTLB_PAGES:
		command.q[0] |= id;
		break;
	default:
		command.q[0] |= id;
		command.q[1] = 0;
		break;
	}
	return command;
}

static void put(struct fuzz *fuzz, struct input *input, bool raw)
{
	const struct guest_page *page = &fuzz->pages[take(input, 1) % PAGES];
	uint32_t slot = (uint32_t)take(input, 1);
	struct amd_command command = {{0, 0}};
	if (raw) {
		command.q[0] = take(input, 8);
		command.q[1] = take(input, 8);
	} else {
		command = nearly_right(input);
	}
	amd_kit_put(fuzz->kit, page->frames[page->current], slot, command);
}

/* What the guest wrote to page 1 of its MMIO, as the VMM hands it on. */
static uint64_t base_and_length(struct input *input)
{
	uint64_t how = take(input, 1), address = take(input, 6), base = address << 12 & GUEST_BASE;
	if ((how & 0x30) != 0x30)
		base = GUEST_RING_AT + (address & 15) * PAGE_SIZE;
	return base | (how & 15) | (how & 128 ? GUEST_CMD_EN : 0);
}

static struct pa vf_at(uint64_t offset)
{
	return pa_of(VF_AT + (uint64_t)GUEST * VF_STRIDE + (offset & 0xfff));
}

static void guest_acts(struct fuzz *fuzz, struct input *input, enum operation operation)
{
	struct bus *bus = &fuzz->kit->machine->bus;
	uint64_t offset;
	switch (operation) {
	case OP_BYTES:
	case OP_COMMAND:
		put(fuzz, input, operation == OP_BYTES);
		break;
	case OP_TAIL:
		amd_kit_set_vf(&fuzz->guest, AMD_CMD_TAIL, take(input, 1) * COMMAND_SIZE);
		break;
	case OP_WRITE:
		offset = take(input, 2);
		bus_write(bus, vf_at(offset), offset >> 15 ? 8 : 4, take(input, 8));
		break;
	default:
		offset = take(input, 2);
		hash_u64(&fuzz->hash, bus_read(bus, vf_at(offset), offset >> 15 ? 8 : 4));
		break;
	}
}

/* RESET_VMMIO of the guest, which the host then programs anew. */
static void reset(struct fuzz *fuzz)
{
	const struct amd_command command = amd_command_reset_vmmio(GUEST);
	host_sends(fuzz, &command, 1);
}

static void host_acts(struct fuzz *fuzz, struct input *input, enum operation operation)
{
	uint64_t which = take(input, 1), how;
	switch (operation) {
	case OP_MAP:
		how = take(input, 1);
		set_page(fuzz, which % PAGES, how & 1,
			 (how & 2 ? PTE_IR : 0) | (how & 4 ? PTE_IW : 0));
		break;
	case OP_UNMAP:
		set_page(fuzz, which % PAGES, fuzz->pages[which % PAGES].current, 0);
		break;
	case OP_FLUSH:
		flush(fuzz, which % (PAGES + 1));
		break;
	case OP_MISC:
		amd_kit_set_vfcntl(&fuzz->guest, VFCNTL_MISC,
				   field_put(MISC_TRANS_DEVICE, which & 1 ? TRANS : 0));
		break;
	case OP_RESET:
		reset(fuzz);
		break;
	case OP_HOST:
		host_command(fuzz, which);
		break;
	case OP_GIVE:
		give(fuzz, which % GUEST_IDS, which & 128, which >> 6 & 1);
		break;
	default:
		if (fuzz->setup.aborts & 15)
			break; /* it would be the other guest's to recover from */
		fuzz->other_runs = true;
		amd_kit_guest_post(&fuzz->other,
				   amd_command_completion_wait(GUEST_MEMORY_AT, which));
		run(fuzz);
		fuzz->other_runs = false;
		fuzz->kept = hash_kept(fuzz);
		assert(amd_kit_word(fuzz->kit, fuzz->other.memory) == which);
		break;
	}
}

static void act(struct fuzz *fuzz, struct input *input)
{
	enum operation operation = (enum operation)(take(input, 1) % OP_COUNT);
	uint64_t count;
	switch (operation) {
	case OP_BYTES:
	case OP_COMMAND:
	case OP_TAIL:
	case OP_WRITE:
	case OP_READ:
		guest_acts(fuzz, input, operation);
		break;
	case OP_STEP:
		for (count = take(input, 1) & 15; count > 0; count--)
			clock_step(&fuzz->kit->machine->clock);
		break;
	case OP_RUN:
		run(fuzz);
		break;
	case OP_AGAIN:
		run_again(fuzz);
		break;
	case OP_RING:
		amd_kit_set_vfcntl(&fuzz->guest, VFCNTL_COMMAND, base_and_length(input));
		break;
	case OP_LOG:
		amd_kit_set_vfcntl(&fuzz->guest, VFCNTL_EVENT, base_and_length(input));
		break;
	default:
		host_acts(fuzz, input, operation);
		break;
	}
}

/* A hash of all that was seen. */
static uint64_t play(struct input input)
{
	struct fuzz fuzz;
	set_up(&fuzz, &input);
	for (unsigned i = 0; i < OPERATIONS && input.size > 0; i++)
		act(&fuzz, &input);
	run(&fuzz);
	check_others(&fuzz);
	uint64_t seen = state_of(&fuzz);
	amd_kit_free(fuzz.kit);
	return seen;
}

/* The same input gives the same run. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct input input = {data, size};
	uint64_t first = play(input), second = play(input);
	assert(first == second);
	return 0;
}
