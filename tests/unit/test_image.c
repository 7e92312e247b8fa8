// SPDX-License-Identifier: Apache-2.0
/* Memory images: ELF cores, made here byte by byte, plain and zstd; and all that is none. */
#include <check.h>
#include <elf.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <zstd.h>

#include "tests/kit/run.h"
#include "tools/runner/image.h"

/* Offsets in the ELF header and in a program header, of the 64-bit class. */
#define EHDR_SIZE   64U
#define PHDR_SIZE   56U
#define E_TYPE      16U
#define E_MACHINE   18U
#define E_PHOFF     32U
#define E_PHENTSIZE 54U
#define E_PHNUM     56U
#define P_TYPE      0U
#define P_OFFSET    8U
#define P_PADDR     24U
#define P_FILESZ    32U
#define P_MEMSZ     40U
/* Below the machine's RAM. */
#define LOW 0x40000000ULL

struct load {
	uint64_t pa;
	uint64_t memory;
	const char *bytes;
	uint32_t length;
	uint32_t type;
};

static GByteArray *core;
static char *folder;
static char *path;
static struct trace_diag diag;
static struct machine *machine;
static bool big_endian; /* of what put() puts */

static void setup(void)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 64UL << 20;
	machine = machine_new(&config);
	big_endian = false;
	core = g_byte_array_new();
	folder = g_dir_make_tmp("hwq-image-XXXXXX", NULL);
	ck_assert_ptr_nonnull(folder);
	path = g_build_filename(folder, "core", NULL);
}

static void teardown(void)
{
	trace_diag_free(&diag);
	g_byte_array_free(core, TRUE);
	g_remove(path);
	g_rmdir(folder);
	g_free(path);
	g_free(folder);
	machine_free(machine);
}

/* --- making one --- */

static void put(size_t offset, uint64_t value, unsigned width)
{
	if (core->len < offset + width) {
		guint old = core->len;
		g_byte_array_set_size(core, (guint)(offset + width));
		memset(core->data + old, 0, core->len - old);
	}
	for (unsigned i = 0; i < width; i++)
		core->data[offset + i] = (uint8_t)(value >> (8 * (big_endian ? width - 1 - i : i)));
}

static size_t phdr(unsigned i)
{
	return EHDR_SIZE + (size_t)i * PHDR_SIZE;
}

static void put_header(unsigned loads)
{
	static const unsigned char ident[16] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1};
	g_byte_array_set_size(core, 0);
	g_byte_array_append(core, ident, sizeof(ident));
	core->data[EI_DATA] = big_endian ? ELFDATA2MSB : ELFDATA2LSB;
	put(E_TYPE, ET_CORE, 2);
	put(E_MACHINE, EM_AARCH64, 2);
	put(20, 1, 4); /* e_version */
	put(E_PHOFF, EHDR_SIZE, 8);
	put(52, EHDR_SIZE, 2);
	put(E_PHENTSIZE, PHDR_SIZE, 2);
	put(E_PHNUM, loads, 2);
	put(58, 64, 2); /* e_shentsize */
	put(EHDR_SIZE - 2, 0, 2);
}

static void make_core(const struct load *loads, unsigned count)
{
	size_t at = phdr(count);
	put_header(count);
	for (unsigned i = 0; i < count; i++) {
		put(phdr(i) + P_TYPE, loads[i].type, 4);
		put(phdr(i) + P_OFFSET, at, 8);
		put(phdr(i) + P_PADDR, loads[i].pa, 8);
		put(phdr(i) + P_FILESZ, loads[i].length, 8);
		put(phdr(i) + P_MEMSZ, loads[i].memory, 8);
		put(phdr(i) + PHDR_SIZE - 8, 0, 8);
		at += loads[i].length;
	}
	for (unsigned i = 0; i < count; i++)
		g_byte_array_append(core, (const guint8 *)loads[i].bytes, loads[i].length);
}

static void make_one(uint64_t pa, uint64_t memory)
{
	make_core(&(struct load){pa, memory, "bytes", 5, PT_LOAD}, 1);
}

static void compress(void)
{
	size_t room = ZSTD_compressBound(core->len);
	guint8 *packed = g_malloc(room);
	size_t length = ZSTD_compress(packed, room, core->data, core->len, 3);
	ck_assert(!ZSTD_isError(length));
	g_byte_array_set_size(core, 0);
	g_byte_array_append(core, packed, (guint)length);
	g_free(packed);
}

static struct image *load(void)
{
	ck_assert(g_file_set_contents(path, (const char *)core->data, core->len, NULL));
	return image_load(path, &diag);
}

static void place(bool expected)
{
	struct image *image = load();
	ck_assert_msg(image != NULL, "%s", trace_diag_text(&diag));
	ck_assert(image_place(image, machine) == expected);
	image_free(image);
}

/* With "PATH:1:1: no memory image, " before it. */
static void refused(const char *message)
{
	ck_assert_ptr_null(load());
	char *expected = g_strdup_printf("%s:1:1: no memory image, %s", path, message);
	ck_assert_str_eq(trace_diag_text(&diag), expected);
	g_free(expected);
}

static const char not_core[] = "it is no ELF core, expected an ELF core with physical addresses";
static const char bad_segment[] = "a segment lies outside the file or is not whole pages, expected "
				  "an ELF core with physical addresses";

static void assert_bytes(uint64_t pa, const char *bytes, size_t length)
{
	char got[64];
	memory_read(&machine->memory, pa_of(pa), got, length);
	ck_assert_mem_eq(got, bytes, length);
}

/* --- what is one --- */

START_TEST(segments_become_ram)
{
	static const struct load loads[] = {
		{0, 0, "note", 4, PT_NOTE},
		{LOW, 2 * PAGE_SIZE, "first", 5, PT_LOAD},
		{LOW + 0x10000, PAGE_SIZE, "second", 6, PT_LOAD},
	};
	make_core(loads, 3);
	if (_i == 1)
		compress();
	place(true);
	assert_bytes(LOW, "first\0", 6);
	assert_bytes(LOW + 0x10000, "second\0", 7);
	ck_assert(memory_is_ram(&machine->memory, pa_of(LOW + 2 * PAGE_SIZE - 1)));
	ck_assert(!memory_is_ram(&machine->memory, pa_of(LOW + 2 * PAGE_SIZE)));
	uint32_t owner = memory_frame(&machine->memory, LOW / PAGE_SIZE, NULL).owner;
	ck_assert_str_eq(machine_owner_name(machine, owner), "image");
	ck_assert_uint_eq(memory_writer(&machine->memory, LOW / PAGE_SIZE), owner);
}
END_TEST

START_TEST(what_the_file_lacks_of_a_segment_is_zero)
{
	make_core(&(struct load){LOW, 64 * PAGE_SIZE, NULL, 0, PT_LOAD}, 1);
	place(true);
	assert_bytes(LOW, "\0\0\0\0", 4);
	ck_assert(memory_is_ram(&machine->memory, pa_of(LOW + 63 * PAGE_SIZE)));
	ck_assert_ptr_null(memory_page(&machine->memory, LOW / PAGE_SIZE));
}
END_TEST

START_TEST(pages_of_zeros_cost_nothing)
{
	static char bytes[3 * PAGE_SIZE];
	memset(bytes + PAGE_SIZE, 0, PAGE_SIZE);
	bytes[0] = 1;
	bytes[2 * PAGE_SIZE] = 3;
	make_core(&(struct load){LOW, sizeof(bytes), bytes, sizeof(bytes), PT_LOAD}, 1);
	place(true);
	ck_assert_ptr_nonnull(memory_page(&machine->memory, LOW / PAGE_SIZE));
	ck_assert_ptr_null(memory_page(&machine->memory, LOW / PAGE_SIZE + 1));
	assert_bytes(LOW + 2 * PAGE_SIZE, "\3", 1);
}
END_TEST

START_TEST(last_page_of_a_segment_may_be_a_part)
{
	make_one(LOW, PAGE_SIZE + 1);
	place(true);
	ck_assert(memory_is_ram(&machine->memory, pa_of(LOW + 2 * PAGE_SIZE - 1)));
	ck_assert(!memory_is_ram(&machine->memory, pa_of(LOW + 2 * PAGE_SIZE)));
}
END_TEST

START_TEST(image_can_be_placed_in_many_machines)
{
	struct machine_config config = machine->config;
	make_one(LOW, PAGE_SIZE);
	struct image *image = load();
	ck_assert_ptr_nonnull(image);
	for (int i = 0; i < 3; i++) {
		ck_assert(image_place(image, machine));
		assert_bytes(LOW, "bytes", 5);
		ck_assert(!image_place(image, machine));
		machine = machine_renew(machine, &config);
	}
	image_free(image);
}
END_TEST

START_TEST(several_frames_of_zstd_are_one_file)
{
	GByteArray *whole = g_byte_array_new();
	make_one(LOW, PAGE_SIZE);
	GByteArray *plain = core;
	for (guint at = 0; at < plain->len; at += 64) {
		core = g_byte_array_new();
		g_byte_array_append(core, plain->data + at, MIN(64, plain->len - at));
		compress();
		g_byte_array_append(whole, core->data, core->len);
		g_byte_array_free(core, TRUE);
	}
	g_byte_array_free(plain, TRUE);
	core = whole;
	place(true);
	assert_bytes(LOW, "bytes", 5);
}
END_TEST

/* --- where there is no room --- */

START_TEST(image_must_lie_beside_the_machines_ram)
{
	make_one(machine->config.ram_base, PAGE_SIZE);
	place(false);
	make_one(machine->config.ram_base - PAGE_SIZE, 2 * PAGE_SIZE);
	place(false);
	make_one(0, 1ULL << 52);
	place(false);
}
END_TEST

START_TEST(overlapping_segments_are_refused)
{
	static const struct load loads[] = {
		{LOW, 2 * PAGE_SIZE, "first", 5, PT_LOAD},
		{LOW + PAGE_SIZE, PAGE_SIZE, "second", 6, PT_LOAD},
	};
	make_core(loads, 2);
	place(false);
}
END_TEST

START_TEST(too_many_segments_are_refused)
{
	struct load loads[RAM_RANGES_MAX + 1];
	for (unsigned i = 0; i <= RAM_RANGES_MAX; i++)
		loads[i] = (struct load){LOW + i * 2 * PAGE_SIZE, PAGE_SIZE, "x", 1, PT_LOAD};
	make_core(loads, RAM_RANGES_MAX + 1);
	place(false);
	make_core(loads, RAM_RANGES_MAX);
	machine = machine_renew(machine, &(struct machine_config){.memory_bytes = PAGE_SIZE,
								  .ram_base = 1ULL << 32});
	place(true);
}
END_TEST

/* --- what is none --- */

START_TEST(missing_file_is_refused)
{
	char *expected = g_strdup_printf("%s:1:1: no memory image, the file can't be read, "
					 "expected a readable one",
					 path);
	ck_assert_ptr_null(image_load(path, &diag));
	ck_assert_str_eq(trace_diag_text(&diag), expected);
	g_free(expected);
}
END_TEST

START_TEST(garbage_is_refused)
{
	static const char *const texts[] = {"", "x", "\177ELF", "# hwq-scenario 1\n",
					    "\x28\xb5\x2f"};
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_byte_array_set_size(core, 0);
		g_byte_array_append(core, (const guint8 *)texts[i], (guint)strlen(texts[i]));
		refused(not_core);
	}
}
END_TEST

START_TEST(other_kinds_of_elf_are_refused)
{
	static const unsigned types[] = {ET_NONE, ET_REL, ET_EXEC, ET_DYN};
	for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
		make_one(LOW, PAGE_SIZE);
		put(E_TYPE, types[i], 2);
		refused(not_core);
	}
	make_one(LOW, PAGE_SIZE);
	core->data[EI_CLASS] = ELFCLASSNONE;
	ck_assert_ptr_null(load());
	core->data[EI_CLASS] = 9;
	ck_assert_ptr_null(load());
	core->data[EI_CLASS] = ELFCLASS32; /* the headers are not */
	ck_assert_ptr_null(load());
}
END_TEST

START_TEST(core_without_memory_is_refused)
{
	static const char nothing[] = "it has no PT_LOAD segment, expected an ELF core with "
				      "physical addresses";
	put_header(0);
	put(E_PHOFF, 0, 8);
	refused(nothing);
	make_core(&(struct load){0, 0, "note", 4, PT_NOTE}, 1);
	refused(nothing);
}
END_TEST

START_TEST(segment_outside_the_file_is_refused)
{
	make_one(LOW, PAGE_SIZE);
	put(phdr(0) + P_OFFSET, core->len - 4, 8);
	refused(bad_segment);
	put(phdr(0) + P_OFFSET, UINT64_MAX - 2, 8);
	refused(bad_segment);
	make_one(LOW, PAGE_SIZE);
	put(phdr(0) + P_FILESZ, core->len, 8);
	refused(bad_segment);
	put(phdr(0) + P_FILESZ, UINT64_MAX, 8);
	refused(bad_segment);
}
END_TEST

START_TEST(segment_that_is_no_memory_is_refused)
{
	make_one(LOW + 0x10, PAGE_SIZE);
	refused(bad_segment);
	make_one(LOW, 0);
	refused(bad_segment);
	make_one(LOW, 4); /* 5 bytes in the file */
	refused(bad_segment);
	make_one(0xfffffffffffff000, 2 * PAGE_SIZE);
	refused(bad_segment);
}
END_TEST

START_TEST(truncated_core_is_refused)
{
	make_one(LOW, PAGE_SIZE);
	GByteArray *whole = core;
	for (guint length = 0; length < whole->len; length++) {
		core = g_byte_array_new();
		g_byte_array_append(core, whole->data, length);
		ck_assert_msg(load() == NULL, "%u of %u bytes", length, whole->len);
		ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag), ":1:1: no memory image, "));
		g_byte_array_free(core, TRUE);
	}
	core = whole;
}
END_TEST

START_TEST(truncated_zstd_is_refused)
{
	static const char message[] = "it can't be decompressed, expected whole zstd frames of at "
				      "most 4 GiB";
	uint32_t random = 1;
	make_one(LOW, PAGE_SIZE);
	/* Bytes behind the core, in many blocks: what is cut off is none of the core. */
	for (size_t at = core->len, end = at + 400000; at < end; at++) {
		random = random * 1664525 + 1013904223;
		put(at, random >> 24, 1);
	}
	compress();
	GByteArray *whole = core;
	for (int cut = 1; cut < 12; cut++) {
		core = g_byte_array_new();
		g_byte_array_append(core, whole->data, whole->len - (whole->len >> (12 - cut)));
		refused(message);
		g_byte_array_free(core, TRUE);
	}
	core = whole;
	place(true);
}
END_TEST

START_TEST(damaged_zstd_is_survived)
{
	make_one(LOW, PAGE_SIZE);
	compress();
	for (guint at = 4; at < core->len; at++) {
		core->data[at] ^= 0xff;
		struct image *image = load();
		if (image == NULL)
			ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag), "no memory image, "));
		image_free(image);
		core->data[at] ^= 0xff;
	}
}
END_TEST

/* Each byte of the headers with each of a few values: an image or an error, no crash. */
START_TEST(damaged_headers_are_survived)
{
	static const uint8_t values[] = {0, 1, 2, 0x7f, 0x80, 0xff};
	make_one(LOW, PAGE_SIZE);
	for (guint at = 0; at < phdr(1); at++) {
		uint8_t was = core->data[at];
		core->data[at] = values[_i];
		struct image *image = load();
		if (image == NULL)
			ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag), "no memory image, "));
		image_free(image);
		core->data[at] = was;
	}
}
END_TEST

/* What the machines here read is little-endian. */
START_TEST(big_endian_core_is_refused)
{
	big_endian = true;
	make_one(LOW, PAGE_SIZE);
	refused(not_core);
}
END_TEST

/* Whose addresses are those of another machine. */
START_TEST(core_of_another_machine_is_refused)
{
	make_one(LOW, PAGE_SIZE);
	put(E_MACHINE, EM_S390, 2);
	refused(not_core);
}
END_TEST

/* Their number would wrap to none. */
START_TEST(segment_of_all_addresses_finds_no_room)
{
	make_one(0, UINT64_MAX - 10);
	struct image *image = load();
	ck_assert(image == NULL || !image_place(image, machine));
	image_free(image);
	uint64_t pfn;
	ck_assert_uint_eq(memory_alloc(&machine->memory, 5, 1, 1, 1, 0, &pfn), 1);
	ck_assert_uint_eq(memory_frame(&machine->memory, pfn + 1, NULL).references, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("image");
	TCase *tcase = tcase_create("image");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, segments_become_ram, 0, 2);
	tcase_add_test(tcase, what_the_file_lacks_of_a_segment_is_zero);
	tcase_add_test(tcase, pages_of_zeros_cost_nothing);
	tcase_add_test(tcase, last_page_of_a_segment_may_be_a_part);
	tcase_add_test(tcase, image_can_be_placed_in_many_machines);
	tcase_add_test(tcase, several_frames_of_zstd_are_one_file);
	tcase_add_test(tcase, image_must_lie_beside_the_machines_ram);
	tcase_add_test(tcase, overlapping_segments_are_refused);
	tcase_add_test(tcase, too_many_segments_are_refused);
	tcase_add_test(tcase, missing_file_is_refused);
	tcase_add_test(tcase, garbage_is_refused);
	tcase_add_test(tcase, other_kinds_of_elf_are_refused);
	tcase_add_test(tcase, core_without_memory_is_refused);
	tcase_add_test(tcase, segment_outside_the_file_is_refused);
	tcase_add_test(tcase, segment_that_is_no_memory_is_refused);
	tcase_add_test(tcase, truncated_core_is_refused);
	tcase_add_test(tcase, truncated_zstd_is_refused);
	tcase_add_test(tcase, damaged_zstd_is_survived);
	tcase_add_loop_test(tcase, damaged_headers_are_survived, 0, 6);
	tcase_add_test(tcase, big_endian_core_is_refused);
	tcase_add_test(tcase, core_of_another_machine_is_refused);
	tcase_add_test(tcase, segment_of_all_addresses_finds_no_room);
	suite_add_tcase(s, tcase);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
