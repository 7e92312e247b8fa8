/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed: the text that was parsed, and only blanks may differ. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/trace/trace.h"
#include "tests/kit/run.h"

static struct trace_arena arena;
static struct trace_text out;
static struct trace_diag diag;

static void setup(void)
{
	trace_arena_init(&arena);
	trace_text_init(&out);
}

static void teardown(void)
{
	trace_diag_free(&diag);
	trace_text_free(&out);
	trace_arena_free(&arena);
}

static const char *printed(const char *file, uint32_t number, const char *text, size_t length)
{
	struct trace_line line;
	struct trace_pos start = {number, 1};
	trace_arena_reset(&arena);
	int result = trace_parse_text(file, start, text, length, &arena, &line, &diag);
	ck_assert_msg(result == 0, "%s", result ? trace_diag_text(&diag) : "");
	trace_text_clear(&out);
	trace_print_line(&line, &out);
	ck_assert(!out.failed);
	return out.data;
}

static void prints_as(const char *text, const char *expected)
{
	ck_assert_str_eq(printed("x.trace", 1, text, strlen(text)), expected);
}

START_TEST(each_shape_of_line_prints_as_it_was)
{
	static const char *const lines[] = {
		"",
		"#",
		"# hwq-capture 1",
		"# memory 0x55d562831000-0x55d562834000 r--p file",
		"[56.56] 0.011635563 open(\"/sys/kernel/mm/hpage_pmd_size\", 0x0) = 3",
		"[56.56] 0.013499213 mmap(0x7f7386c00000, 0x10000, PROT_READ|PROT_WRITE, "
		"MAP_SHARED|MAP_FIXED|MAP_ANONYMOUS, -1, 0x0) = 0x7f7386c00000",
		"[61.61] 0.023012019 mmap(0x0, 0x10000, PROT_READ, MAP_SHARED, 3, 0x0) = -1 ENXIO",
		"[56.56] 0.013939511 memfd_create(\"buffer\", 0x0) = 3",
		"[56.56] 0.015291204 ftruncate(3, 0x10000) = 0",
		"[62.62] 0.047904383 munmap(0x7f7869a93000, 0x1) = 0",
		"[56.56] 0.021625354 fork() = 57",
		"[62.62] 0.047620729 waitpid(63, 0x0, 0) = 63",
		"[63.63] 1.045976778 exit(0) = ?",
		"[1259.1259] 0.057820263 poll(5, 0x1 => 0x1, 1000) = 1",
		"[1284.1284] 0.094611314 read(5, \"0300afbeadde\", 40) = 40",
		"[1284.1284] 0.095156740 write(5, \"0100000000000000\", 8) = 8",
		"[58.58] 0.033061259 ioctl(4, IOMMU_DESTROY, {size=7}) = -1 EINVAL",
		"[58.58] 0.039956138 ioctl(4, IOMMU_DESTROY, {size=9, id=0, tail=\"ff\"}) = -1 "
		"E2BIG",
		"[899.899] 0.040715194 ioctl(4, IOMMU_IOAS_ALLOC, {size=12, flags=0, "
		"out_ioas_id=0 => 1}) = 0",
		"[899.899] 0.050418316 ioctl(4, IOMMU_HWPT_ALLOC, {size=48, data_type=0xdead, "
		"data_uptr=0x7ffdd4479378->\"0000000000000000\", fault_id=0}) = 0",
		"[899.899] 0.055570837 ioctl(4, IOMMU_HWPT_GET_DIRTY_BITMAP, {page_size=0x800, "
		"data=0x55dee8e02000->\"00\" => \"03\"}) = 0",
		"[899.899] 0.053527239 ioctl(4, IOMMU_TEST_CMD, {op=DIRTY, dirty.flags=0, "
		"dirty.uptr=0x55dee8e02000->\"01\", dirty.out_nr_dirty=0 => 1, last=0}) = 0",
		"[7.7] 0.000000001 ioctl(4, VFIO_IOMMU_GET_INFO, {argsz=0x40, "
		"tail=\"00\" => \"01\"}) = 0",
		"[7.7] 0.000000001 ioctl(4, VFIO_SET_IOMMU, 0x1) = 0",
		"[7.7] 0.000000001 ioctl(4, VFIO_IOMMU_MAP_DMA, {}) = -1 EINVAL",
		"[4294967295.0] 18446744073.709551615 close(-9223372036854775808) = -0x10",
		"vmm: ioctl($iommufd, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => $ioas}) = 0 # first",
		"vmm: f($ring+0x10, $ring+16->\"00\", $ring+0x0) = 0",
		"guest: write($ring->\"00\", ?, {a={b={c={d=A|0x1|2}}}}) = $n #",
		"close(3) = 0",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		prints_as(lines[i], lines[i]);
}
END_TEST

START_TEST(blanks_become_one_space)
{
	prints_as("\t \t", "");
	prints_as("   # indented", "# indented");
	prints_as("\tvmm:close( 3 )=-1\tEBADF  #\ttail ", "vmm: close(3) = -1 EBADF #\ttail ");
	prints_as("[1.1]  0.000000000\tf( {a = 1 ,b=$p ->\"00\"=>\"01\" }, 1=>2 )=?",
		  "[1.1] 0.000000000 f({a=1, b=$p->\"00\" => \"01\"}, 1 => 2) = ?");
}
END_TEST

START_TEST(hex_becomes_lower_case_without_leading_zeros)
{
	prints_as("f(0x00AbC, 0x0) = -0x1", "f(0xabc, 0x0) = -0x1");
}
END_TEST

START_TEST(bytes_print_as_a_hex_string)
{
	static const uint8_t bytes[] = {0x00, 0x1f, 0xff};
	trace_print_bytes(bytes, sizeof(bytes), &out);
	ck_assert_str_eq(out.data, "\"001fff\"");
	trace_print_bytes(bytes, 0, &out);
	ck_assert_str_eq(out.data, "\"001fff\"\"\"");
}
END_TEST

START_TEST(text_grows_and_stays_terminated)
{
	for (int i = 0; i < 1000; i++)
		trace_text_append(&out, "0123456789", 10);
	ck_assert_uint_eq(out.length, 10000);
	ck_assert_uint_eq(strlen(out.data), 10000);
	trace_text_clear(&out);
	ck_assert_str_eq(out.data, "");
}
END_TEST

/* ---- all captures ---- */

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);
	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static void check_file(const char *path)
{
	struct trace_reader *reader = trace_reader_open(path, &diag);
	const char *text;
	uint32_t length;
	uint32_t number;
	int result;

	ck_assert_msg(reader != NULL, "%s", trace_diag_text(&diag));
	while ((result = trace_reader_next_text(reader, &text, &length, &number, &diag)) > 0) {
		printed(path, number, text, length);
		ck_assert_msg(out.length == length && memcmp(out.data, text, length) == 0,
			      "%s:%u: printed as\n%s", path, number, out.data);
	}
	ck_assert_msg(result == 0, "%s", trace_diag_text(&diag));
	trace_reader_close(reader);
}

static int check_folder(const char *folder)
{
	DIR *stream = opendir(folder);
	int files = 0;

	if (!stream)
		return 0;
	for (struct dirent *entry; (entry = readdir(stream));) {
		char path[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (ends_with(path, ".trace") || ends_with(path, ".trace.zst")) {
			check_file(path);
			files++;
		} else {
			files += check_folder(path);
		}
	}
	closedir(stream);
	return files;
}

START_TEST(every_line_of_every_capture_prints_as_it_was)
{
#ifdef HWQ_SOURCE_DIR
	const char *folder = HWQ_SOURCE_DIR "/traces/captures";
	DIR *stream = opendir(folder);
	if (!stream)
		return;
	closedir(stream);
	ck_assert_int_gt(check_folder(folder), 0);
#else
	(void)check_folder;
#endif
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("trace_print");
	TCase *lines = tcase_create("lines");
	tcase_add_checked_fixture(lines, setup, teardown);
	tcase_add_test(lines, each_shape_of_line_prints_as_it_was);
	tcase_add_test(lines, blanks_become_one_space);
	tcase_add_test(lines, hex_becomes_lower_case_without_leading_zeros);
	tcase_add_test(lines, bytes_print_as_a_hex_string);
	tcase_add_test(lines, text_grows_and_stays_terminated);
	tcase_add_test(lines, every_line_of_every_capture_prints_as_it_was);
	suite_add_tcase(s, lines);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
