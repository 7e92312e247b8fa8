/* SPDX-License-Identifier: Apache-2.0 */
/* What a recorded line means: the call to issue, the bytes before and after it, the answer. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_shim/uapi/iommufd.h"
#include "kernel_shim/uapi/iommufd_test.h"
#include "tests/kit/run.h"
#include "tools/runner/recording.h"

#define LABEL "[12.34] 0.000000001 "

static struct trace_arena arena;
static struct trace_line line;
static struct trace_diag diag;
static struct recorded_call call;

static void setup(void)
{
	trace_arena_init(&arena);
}

static void teardown(void)
{
	trace_diag_free(&diag);
	trace_arena_free(&arena);
}

static int decode_line(const char *text)
{
	ck_assert_msg(trace_parse_text("x.trace", (struct trace_pos){7, 1}, text, strlen(text),
				       &arena, &line, &diag) == 0,
		      "%s", trace_diag_text(&diag));
	return recorded_call_decode("x.trace", &line, &arena, &call, &diag);
}

static void decode(const char *text)
{
	char buffer[1024];
	snprintf(buffer, sizeof(buffer), LABEL "%s", text);
	ck_assert_msg(decode_line(buffer) == 0, "%s", trace_diag_text(&diag));
}

/* Refused at the place of WHERE in TEXT, in these words. */
static void refused(const char *text, const char *where, const char *message)
{
	char buffer[1024], expected[1024];
	const char *at = strstr(text, where);
	ck_assert_ptr_nonnull(at);
	snprintf(buffer, sizeof(buffer), LABEL "%s", text);
	snprintf(expected, sizeof(expected), "x.trace:7:%u: %s",
		 (unsigned)(strlen(LABEL) + (size_t)(at - text) + 1), message);
	ck_assert_int_eq(decode_line(buffer), -1);
	ck_assert_str_eq(trace_diag_text(&diag), expected);
}

static uint64_t load(const uint8_t *bytes, size_t offset, size_t width)
{
	uint64_t value = 0;
	memcpy(&value, bytes + offset, width);
	return value;
}

/* --- each call --- */

START_TEST(label_says_who_calls)
{
	decode("close(3) = 0");
	ck_assert_uint_eq(call.line, 7);
	ck_assert_uint_eq(call.pid, 12);
	ck_assert_uint_eq(call.tid, 34);
	ck_assert_ptr_eq(call.source, &line.call);
	ck_assert_int_eq(decode_line("close(3) = 0"), -1);
	ck_assert_str_eq(trace_diag_text(&diag),
			 "x.trace:7:1: no label, a recording says who called, "
			 "expected '[pid.tid] seconds'");
}
END_TEST

START_TEST(plain_calls_have_their_arguments)
{
	decode("open(\"/dev/iommu\", 0x2) = 3");
	ck_assert_int_eq(call.number, SYS_OPEN);
	ck_assert_str_eq(call.path, "/dev/iommu");
	ck_assert_uint_eq(call.args[1], 2);
	ck_assert_int_eq(call.result_kind, RESULT_COMPARED);
	ck_assert_int_eq(call.result, 3);
	decode("munmap(0x1000, 0x2000) = 0");
	ck_assert_int_eq(call.number, SYS_MUNMAP);
	ck_assert_uint_eq(call.args[0], 0x1000);
	ck_assert_uint_eq(call.args[1], 0x2000);
	decode("memfd_create(\"buffer\", 0x0) = 4");
	ck_assert_int_eq(call.number, SYS_MEMFD_CREATE);
	ck_assert_str_eq(call.path, "buffer");
	decode("ftruncate(4, 0x10000) = 0");
	ck_assert_int_eq(call.number, SYS_FTRUNCATE);
	ck_assert_uint_eq(call.args[1], 0x10000);
	decode("madvise(0x1000, 0x1000, MADV_DONTNEED) = 0");
	ck_assert_int_eq(call.number, SYS_MADVISE);
	ck_assert_uint_eq(call.args[2], MADV_DONTNEED_ADVICE);
}
END_TEST

START_TEST(errno_becomes_a_negative_result)
{
	decode("close(3) = -1 EBADF");
	ck_assert_int_eq(call.result, -EBADF);
	decode("munmap(0, 0) = -1 EINVAL");
	ck_assert_int_eq(call.result, -EINVAL);
}
END_TEST

START_TEST(mapping_has_its_flags_and_returns_a_binding)
{
	decode("mmap(0x0, 0x400, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS|0x8000, -1, 0x0) = "
	       "0x7f0000000000");
	ck_assert_int_eq(call.number, SYS_MMAP);
	ck_assert_uint_eq(call.args[2], PROT_READ_BIT | PROT_WRITE_BIT);
	ck_assert_uint_eq(call.args[3], MAP_SHARED_BIT | MAP_ANONYMOUS_BIT | MAP_POPULATE_BIT);
	ck_assert_uint_eq(call.args[4], (uint64_t)-1);
	ck_assert_int_eq(call.result_kind, RESULT_ADDRESS);
	ck_assert_int_eq(call.result, 0x7f0000000000);
	decode("mmap(0, 1, 3, 0x22, -1, 0) = 0x1000");
	ck_assert_uint_eq(call.args[2], 3);
	ck_assert_uint_eq(call.args[3], 0x22);
	decode("mmap(0, 1, PROT_NONE, MAP_PRIVATE|MAP_FIXED, 5, 0) = 0x1000");
	ck_assert_uint_eq(call.args[2], 0);
	ck_assert_uint_eq(call.args[3], MAP_PRIVATE_BIT | MAP_FIXED_BIT);
}
END_TEST

START_TEST(processes_are_labels)
{
	decode("fork() = 77");
	ck_assert_int_eq(call.number, SYS_FORK);
	ck_assert_int_eq(call.result_kind, RESULT_PROCESS);
	ck_assert_int_eq(call.result, 77);
	decode("waitpid(77, 0x100, 0) = 77");
	ck_assert_int_eq(call.number, SYS_WAITPID);
	ck_assert(call.has_out);
	ck_assert_uint_eq(call.out, 0x100);
	decode("exit(3) = ?");
	ck_assert_int_eq(call.number, SYS_EXIT);
	ck_assert_int_eq(call.result_kind, RESULT_NONE);
	ck_assert_uint_eq(call.args[0], 3);
}
END_TEST

START_TEST(buffers_are_bytes)
{
	decode("read(5, \"00ff10\", 12) = 3");
	ck_assert_int_eq(call.number, SYS_READ);
	ck_assert(call.has_buffer);
	ck_assert_uint_eq(call.buffer.length, 3);
	ck_assert_mem_eq(call.buffer.before, "\x00\xff\x10", 3);
	ck_assert_uint_eq(call.args[2], 12);
	decode("write(5, \"0a\", 1) = 1");
	ck_assert_int_eq(call.number, SYS_WRITE);
	ck_assert_uint_eq(call.buffer.length, 1);
	decode("read(5, \"\", 0) = -1 EINVAL");
	ck_assert(call.has_buffer);
	ck_assert_uint_eq(call.buffer.length, 0);
}
END_TEST

START_TEST(poll_gives_what_is_ready)
{
	decode("poll(5, 0x1 => 0x41, 1000) = 1");
	ck_assert_int_eq(call.number, SYS_POLL);
	ck_assert_uint_eq(call.args[1], 1);
	ck_assert_uint_eq(call.args[2], 1000);
	ck_assert(call.has_out);
	ck_assert_uint_eq(call.out, 0x41);
	decode("poll(5, 0x1, -1) = -1 EINTR");
	ck_assert(!call.has_out);
	ck_assert_int_eq((int32_t)call.args[2], -1);
}
END_TEST

/* --- ioctls --- */

START_TEST(struct_lies_in_bytes_before_and_after)
{
	decode("ioctl(4, IOMMU_IOAS_MAP, {size=40, flags=6, ioas_id=1, user_va=0x7f0000001000, "
	       "length=0x1000, iova=0 => 0x1000000}) = 0");
	ck_assert_uint_eq(call.args[0], 4);
	ck_assert_uint_eq(call.args[1], IOMMUFD_IO(IOMMUFD_NR_IOAS_MAP));
	ck_assert(call.has_argument);
	ck_assert_uint_eq(call.argument.length, 40);
	ck_assert_uint_eq(load(call.argument.before, 0, 4), 40);
	ck_assert_uint_eq(load(call.argument.before, 4, 4), 6);
	ck_assert_uint_eq(load(call.argument.before, 16, 8), 0x7f0000001000);
	ck_assert_uint_eq(load(call.argument.before, 32, 8), 0);
	ck_assert_uint_eq(load(call.argument.after, 32, 8), 0x1000000);
	ck_assert_mem_eq(call.argument.before, call.argument.after, 32);
}
END_TEST

START_TEST(fields_of_a_test_operation_lie_in_the_union)
{
	decode("ioctl(4, IOMMU_TEST_CMD, {size=72, op=MOCK_DOMAIN_REPLACE, id=2, "
	       "mock_domain_replace.pt_id=1 => 4, last=0}) = 0");
	ck_assert_uint_eq(load(call.argument.before, 4, 4), IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);
	ck_assert_uint_eq(load(call.argument.before, 16, 4), 1);
	ck_assert_uint_eq(load(call.argument.after, 16, 4), 4);
	ck_assert_str_eq(call.test_op->name, "MOCK_DOMAIN_REPLACE");
	decode("ioctl(4, IOMMU_TEST_CMD, {size=72, op=99, id=2, last=0}) = -1 EOPNOTSUPP");
	ck_assert_ptr_null(call.test_op);
	ck_assert_uint_eq(load(call.argument.before, 4, 4), 99);
}
END_TEST

START_TEST(short_struct_has_room_for_the_whole_one)
{
	decode("ioctl(4, IOMMU_DESTROY, {size=7}) = -1 EINVAL");
	ck_assert_uint_eq(call.argument.length, 7);
	ck_assert_uint_eq(call.reserve, 8);
	decode("ioctl(4, IOMMU_DESTROY, {size=2}) = -1 EINVAL");
	ck_assert_uint_eq(call.argument.length, 4);
	ck_assert_uint_eq(load(call.argument.before, 0, 4), 2);
}
END_TEST

START_TEST(tail_lies_behind_the_known_struct)
{
	decode("ioctl(4, IOMMU_DESTROY, {size=10, id=1, tail=\"00ff\" => \"0102\"}) = -1 E2BIG");
	ck_assert_uint_eq(call.argument.length, 10);
	ck_assert_mem_eq(call.argument.before + 8, "\x00\xff", 2);
	ck_assert_mem_eq(call.argument.after + 8, "\x01\x02", 2);
}
END_TEST

START_TEST(pointer_shows_what_it_points_to)
{
	decode("ioctl(4, IOMMU_HWPT_INVALIDATE, {size=32, hwpt_id=5, data_uptr=0x120000000000->"
	       "\"0001\" => \"0203\", data_type=0xdeadbeef, entry_len=8, entry_num=2 => 0}) = 0");
	ck_assert_uint_eq(call.pointee_count, 1);
	ck_assert_uint_eq(call.pointees[0].va, 0x120000000000);
	ck_assert_str_eq(call.pointees[0].name, "data_uptr");
	ck_assert_uint_eq(call.pointees[0].bytes.length, 2);
	ck_assert_mem_eq(call.pointees[0].bytes.before, "\x00\x01", 2);
	ck_assert_mem_eq(call.pointees[0].bytes.after, "\x02\x03", 2);
	/* The pointer itself is the same after the call. */
	ck_assert_uint_eq(load(call.argument.after, 8, 8), 0x120000000000);
}
END_TEST

START_TEST(argument_may_be_a_number_or_bytes)
{
	decode("ioctl(4, VFIO_SET_IOMMU, 1) = 0");
	ck_assert(!call.has_argument);
	ck_assert_uint_eq(call.args[2], 1);
	decode("ioctl(4, IOMMU_DESTROY, 0x1000) = -1 EFAULT");
	ck_assert(!call.has_argument);
	ck_assert_uint_eq(call.args[2], 0x1000);
	decode("ioctl(4, 0x5421, 0x1000, \"01000000\") = 0");
	ck_assert_ptr_null(call.layout);
	ck_assert_uint_eq(call.args[1], 0x5421);
	ck_assert_uint_eq(call.pointees[0].va, 0x1000);
	ck_assert_uint_eq(call.pointees[0].bytes.length, 4);
	decode("ioctl(4, VFIO_IOMMU_GET_INFO, {}) = -1 EINVAL");
	ck_assert(call.has_argument);
}
END_TEST

START_TEST(negative_number_fits_where_its_bits_do)
{
	decode("ioctl(4, IOMMU_DESTROY, {size=8, id=-1}) = -1 ENOENT");
	ck_assert_uint_eq(load(call.argument.before, 4, 4), 0xffffffff);
	refused("ioctl(4, IOMMU_DESTROY, {size=8, id=-2147483649}) = 0", "-2147",
		"bad field, the value needs more than its 4 bytes, expected a smaller number");
}
END_TEST

/* --- refusals, with their place --- */

START_TEST(unknown_words_name_the_nearest)
{
	refused("clse(3) = 0", "clse",
		"unknown call 'clse', it is not in the language, expected perhaps 'close'");
	refused("ioctl(3, IOMMU_IOAS_MAPS, {size=8}) = 0", "IOMMU",
		"unknown ioctl 'IOMMU_IOAS_MAPS', it is not in the language, expected perhaps "
		"'IOMMU_IOAS_MAP'");
	refused("ioctl(3, IOMMU_DESTROY, {size=8, id=1, i=2}) = 0", "i=2",
		"unknown field 'i', it is not in the language, expected perhaps 'id'");
	refused("mmap(0, 1, PROT_READ|PROT_WRIT, MAP_PRIVATE, -1, 0) = 0", "PROT_WRIT,",
		"unknown protection 'PROT_WRIT', it is not in the language, expected perhaps "
		"'PROT_WRITE'");
	refused("qwertyuiop() = 0", "qwerty",
		"unknown call 'qwertyuiop', it is not in the language, expected a known one");
}
END_TEST

START_TEST(wrong_shapes_are_refused_where_they_stand)
{
	refused("close(3, 4) = 0", "close", "bad call, close() has 2 arguments here, expected 1");
	refused("open(3, 0) = 0", "3",
		"bad name, it is no string or longer than 255 bytes, expected a short string");
	refused("read(3, 4, 5) = 0", "4",
		"bad buffer, it is no string, expected hex digits in '\"'");
	refused("read(3, \"0g\", 1) = 1", "g",
		"bad character in a string of bytes, it is no hex digit, expected 0-9 or a-f");
	refused("mmap(0, 1, \"r\", MAP_PRIVATE, -1, 0) = 0", "\"r\"",
		"bad protection, it is neither words nor a number, expected e.g. PROT_READ");
	refused("close(3) = ?", "?",
		"bad result, a recording has the number that the kernel returned, expected a "
		"number "
		"or -1 and an errno");
	refused("exit(1) = 0", "0", "bad result, exit() does not return, expected '?'");
}
END_TEST

/* Whatever a line shows is compared or refused: nothing of it is dropped. */
START_TEST(what_would_not_be_compared_is_refused)
{
	const char *arrow = "misplaced '=>', this argument has none, expected a plain value";
	refused("close(3 => 4) = 0", "4", arrow);
	refused("waitpid(-1, 0x0 => 0x100, 0) = -1 ECHILD", "0x100", arrow);
	refused("ioctl(3 => 9, IOMMU_DESTROY, {size=8, id=1}) = 0", "9", arrow);
	refused("mmap(0, 1, PROT_READ => PROT_EXEC, MAP_PRIVATE, -1, 0) = 0", "PROT_EXEC", arrow);
	refused("read(3, \"00\" => \"01\", 1) = 1", "\"01", arrow);
	refused("close(3->\"00\") = 0", "\"00",
		"misplaced '->', this argument has none, expected a plain value");
	refused("ioctl(4, IOMMU_DESTROY, {size=8, id=77}, \"00\") = -1 ENOENT", "\"00",
		"unexpected argument, only an ioctl that is given by its number has bytes behind "
		"the address, expected ')'");
	refused("close(3) = -1", "-1",
		"bad result, a refusal has an errno, expected -1 and its name");
}
END_TEST

START_TEST(wrong_structs_are_refused_where_they_are_wrong)
{
	refused("ioctl(4, IOMMU_DESTROY, {id=1}) = 0", "{",
		"field 'size' is missing, the others lie inside that size, expected it first");
	refused("ioctl(4, IOMMU_IOAS_ALLOC, {size=12, flags=0}) = 0", "{",
		"field 'out_ioas_id' is missing, it lies inside the struct's size 12, expected it");
	refused("ioctl(4, IOMMU_DESTROY, {size=7, id=1}) = 0", "id",
		"field 'id' is out of place, it lies past the struct's size 7, expected no such "
		"field");
	refused("ioctl(4, IOMMU_DESTROY, {size=8, id=1, id=2}) = 0", "id=2",
		"field 'id' is there twice, the first one is in column 54, expected it once");
	refused("ioctl(4, IOMMU_DESTROY, {size=8 => 0x100000000, id=1}) = 0", "0x1",
		"bad field, the value needs more than its 4 bytes, expected a smaller number");
	refused("ioctl(4, IOMMU_DESTROY, {size=8, id=1, tail=\"00\"}) = 0", "\"00",
		"bad tail, its 1 bytes reach past the struct's size 8, expected at most 0");
	refused("ioctl(4, IOMMU_DESTROY, {size=8, id=1->\"00\"}) = 0", "1->",
		"contents of 'id', the field is no pointer whose contents count, expected a plain "
		"number");
	refused("ioctl(4, IOMMU_TEST_CMD, {size=72, op=?, id=0, last=0}) = 0", "?",
		"bad op, it is not a number, expected a number");
	refused("ioctl(4, VFIO_SET_IOMMU, {size=4}) = 0", "{",
		"unexpected struct, this ioctl takes a number, expected one");
}
END_TEST

/* --- context lines --- */

static struct recorded_context context_line;

static int context(const char *text)
{
	line = (struct trace_line){.kind = TRACE_LINE_COMMENT,
				   .number = 7,
				   .text = text,
				   .length = (uint32_t)strlen(text)};
	return recorded_context_decode("x.trace", &line, &context_line, &diag);
}

START_TEST(context_lines_are_read)
{
	ck_assert_int_eq(context(" process 12 of 3: fd 0 closed, fd 1 pipe, fd 2 regular file"), 0);
	ck_assert_int_eq(context_line.kind, CONTEXT_PROCESS);
	ck_assert_uint_eq(context_line.process.pid, 12);
	ck_assert_uint_eq(context_line.process.parent, 3);
	ck_assert_int_eq(context_line.process.descriptors[0], DESCRIPTOR_CLOSED);
	ck_assert_int_eq(context_line.process.descriptors[1], DESCRIPTOR_PIPE);
	ck_assert_int_eq(context_line.process.descriptors[2], DESCRIPTOR_REGULAR);
	ck_assert_int_eq(context(" memory 0x1000-0x3000 rw-s file"), 0);
	ck_assert_int_eq(context_line.kind, CONTEXT_MEMORY);
	ck_assert_uint_eq(context_line.memory.first, 0x1000);
	ck_assert_uint_eq(context_line.memory.last, 0x2fff);
	ck_assert_uint_eq(context_line.memory.prot, PROT_READ_BIT | PROT_WRITE_BIT);
	ck_assert(context_line.memory.shared && context_line.memory.file);
	ck_assert_int_eq(context(" credentials 12: ipc_lock 0, sys_resource 1, sys_rawio 0, "
				 "memlock 65536"),
			 0);
	ck_assert_int_eq(context_line.kind, CONTEXT_CREDENTIALS);
	ck_assert_uint_eq(context_line.credentials.pid, 12);
	ck_assert(!context_line.credentials.ipc_lock && context_line.credentials.sys_resource &&
		  !context_line.credentials.sys_rawio);
	ck_assert_uint_eq(context_line.credentials.memlock, 65536);
	ck_assert_int_eq(context(" fail-nth 12: 3 copy to user"), 0);
	ck_assert_str_eq(context_line.fail_nth.point, "copy to user");
	ck_assert_int_eq(context_line.kind, CONTEXT_FAIL_NTH);
	ck_assert_uint_eq(context_line.fail_nth.pid, 12);
	ck_assert_uint_eq(context_line.fail_nth.nth, 3);
	ck_assert_int_eq(context(" descriptor 12: 3 of 13: 4"), 0);
	ck_assert_int_eq(context_line.kind, CONTEXT_DESCRIPTOR);
	ck_assert_uint_eq(context_line.descriptor.pid, 12);
	ck_assert_int_eq(context_line.descriptor.fd, 3);
	ck_assert_uint_eq(context_line.descriptor.from_pid, 13);
	ck_assert_int_eq(context_line.descriptor.from_fd, 4);
	ck_assert_int_eq(context(" kernel: Linux 7.3.4 x86_64"), 0);
	ck_assert_int_eq(context_line.kind, CONTEXT_KERNEL);
	ck_assert_int_eq(context(" anything else"), 0);
	ck_assert_int_eq(context_line.kind, CONTEXT_OTHER);
}
END_TEST

START_TEST(broken_context_lines_are_refused)
{
	static const char *const texts[] = {
		" process 12: fd 0 closed",
		" process 12 of 3: fd 0 closed, fd 1 closed",
		" process 12 of 3: fd 0 closed, fd 1 socket, fd 2 closed",
		" memory 0x1000-0x1800 rw-p anonymous",
		" memory 0x2000-0x1000 rw-p anonymous",
		" memory 0x1000-0xfffffffffffff000 rw-p anonymous",
		" credentials 12: ipc_lock 2, sys_resource 1, sys_rawio 0, memlock 65536",
		" credentials 12: ipc_lock 1, sys_resource 1, sys_rawio 0",
		" credentials 12: ipc_lock 1, sys_resource 1, sys_rawio 0, memlock 1 MiB",
		" fail-nth 12",
		" descriptor 12: 3 of 13",
		" descriptor 12: 3000 of 13: 4",
		" fail-nth 12: 3x",
		" kernel: Linux 6.1.0",
		" kernel: Linux 7.30",
		" kernel: a FreeBSD that runs Linux 7.3 programs",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert_int_eq(context(texts[i]), -1);
		ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag), "x.trace:7:1: bad context"));
	}
}
END_TEST

/* --- lines of scenarios --- */

#define NAMES_MAX 8U

static char known[NAMES_MAX][16];
static uint32_t known_count;

static bool use_name(void *context, const char *name, uint32_t length, uint32_t *number)
{
	ck_assert_ptr_eq(context, &known_count);
	for (*number = 0; *number < known_count; (*number)++)
		if (strlen(known[*number]) == length && memcmp(known[*number], name, length) == 0)
			return true;
	return false;
}

static uint32_t bind_name(void *context, const char *name, uint32_t length)
{
	uint32_t number;
	if (use_name(context, name, length, &number))
		return number;
	ck_assert_uint_lt(known_count, NAMES_MAX);
	snprintf(known[known_count], sizeof(known[0]), "%.*s", (int)length, name);
	return known_count++;
}

/* $fd and $a are bound before, in this order. */
static int decode_scenario_line(const char *text)
{
	static const struct name_table names = {&known_count, use_name, bind_name};
	known_count = 0;
	bind_name(&known_count, "fd", 2);
	bind_name(&known_count, "a", 1);
	ck_assert_msg(trace_parse_text("x.hwq", (struct trace_pos){7, 1}, text, strlen(text),
				       &arena, &line, &diag) == 0,
		      "%s", trace_diag_text(&diag));
	return scenario_call_decode("x.hwq", &line, &arena, &names, &call, &diag);
}

static void decode_scenario(const char *text)
{
	ck_assert_msg(decode_scenario_line(text) == 0, "%s", trace_diag_text(&diag));
}

static void assert_patch(uint32_t i, enum patch_place place, const char *name, uint32_t at,
			 uint32_t width)
{
	ck_assert_uint_lt(i, call.patch_count);
	ck_assert_int_eq(call.patches[i].place, place);
	ck_assert_str_eq(known[call.patches[i].name], name);
	ck_assert_uint_eq(call.patches[i].at, at);
	ck_assert_uint_eq(call.patches[i].width, width);
}

START_TEST(names_of_a_recording_are_refused)
{
	ck_assert_int_eq(decode_line(LABEL "close($fd) = 0"), -1);
	ck_assert_str_eq(trace_diag_text(&diag),
			 "x.trace:7:27: bad argument, it is not a number, expected a number");
	ck_assert_int_eq(decode_line(LABEL "open(\"/dev/iommu\", 2) = $fd"), -1);
	ck_assert_int_eq(
		decode_line(LABEL "ioctl(3, IOMMU_IOAS_ALLOC, {size=12, flags=0, out_ioas_id=0 => "
				  "$ioas}) = 0"),
		-1);
}
END_TEST

START_TEST(scenario_needs_no_label)
{
	decode_scenario("close(3) = -1 EBADF");
	ck_assert_int_eq(call.number, SYS_CLOSE);
	ck_assert_uint_eq(call.args[0], 3);
	ck_assert_int_eq(call.result, -EBADF);
	ck_assert_uint_eq(call.patch_count, 0);
	ck_assert(!call.has_result_name);
}
END_TEST

START_TEST(names_stand_for_arguments)
{
	decode_scenario("munmap($a, 0x1000) = 0");
	ck_assert_uint_eq(call.patch_count, 1);
	assert_patch(0, PATCH_ARGUMENT, "a", 0, 0);
	ck_assert_uint_eq(call.args[1], 0x1000);
	decode_scenario("mmap($a, 0x1000, PROT_READ, MAP_SHARED, $fd, $a) = 0x1000");
	ck_assert_uint_eq(call.patch_count, 3);
	assert_patch(1, PATCH_ARGUMENT, "fd", 4, 0);
	assert_patch(2, PATCH_ARGUMENT, "a", 5, 0);
	ck_assert_uint_eq(call.patches[1].pos.column, 41);
	decode_scenario("ioctl($fd, VFIO_SET_IOMMU, $a) = 0");
	assert_patch(1, PATCH_ARGUMENT, "a", 2, 0);
}
END_TEST

/* iommufd 2.8: ioas_id at 4, iova at 8, length at 16. */
START_TEST(names_stand_for_fields)
{
	decode_scenario("ioctl($fd, IOMMU_IOAS_UNMAP, {ioas_id=$a, iova=$fd, length=5}) = 0");
	ck_assert_uint_eq(call.patch_count, 3);
	assert_patch(0, PATCH_ARGUMENT, "fd", 0, 0);
	assert_patch(1, PATCH_FIELD, "a", 4, 4);
	assert_patch(2, PATCH_FIELD, "fd", 8, 8);
	ck_assert_uint_eq(load(call.argument.before, 4, 4), 0);
	ck_assert_uint_eq(load(call.argument.before, 16, 8), 5);
}
END_TEST

START_TEST(name_stands_for_the_address_of_contents)
{
	decode_scenario("ioctl(3, IOMMU_HWPT_INVALIDATE, {data_uptr=$a->\"00ff\"}) = 0");
	ck_assert_uint_eq(call.pointee_count, 1);
	ck_assert_uint_eq(call.pointees[0].bytes.length, 2);
	ck_assert_uint_eq(call.patch_count, 2);
	assert_patch(0, PATCH_FIELD, "a", 8, 8);
	assert_patch(1, PATCH_POINTEE, "a", 0, 0);
}
END_TEST

START_TEST(unbound_names_are_refused_where_they_stand)
{
	static const char *const texts[] = {
		"munmap($b, 0x1000) = 0",
		"close($b) = $b",
		"ioctl($fd, IOMMU_IOAS_UNMAP, {ioas_id=$b}) = 0",
		"ioctl($fd, IOMMU_IOAS_ALLOC, {flags=$b, out_ioas_id=0 => $b}) = 0",
		"ioctl($fd, IOMMU_HWPT_INVALIDATE, {data_uptr=$b->\"00\"}) = 0",
		"read(3, \"00\", $b) = 0",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char expected[128];
		snprintf(expected, sizeof(expected),
			 "x.hwq:7:%u: unknown name '$b', no line before gives it a value, expected "
			 "a bound name",
			 (unsigned)(strstr(texts[i], "$b") - texts[i] + 1));
		ck_assert_int_eq(decode_scenario_line(texts[i]), -1);
		ck_assert_str_eq(trace_diag_text(&diag), expected);
	}
}
END_TEST

START_TEST(results_and_fields_give_values_to_names)
{
	decode_scenario("open(\"/dev/iommu\", 0x2) = $other");
	ck_assert(call.has_result_name);
	ck_assert_str_eq(known[call.result_name], "other");
	/* iommufd 5.7: out_fault_id at 8, out_fault_fd at 12. */
	decode_scenario("ioctl(3, IOMMU_FAULT_QUEUE_ALLOC, {out_fault_id=7 => $id, "
			"out_fault_fd=0 => $file}) = 0");
	ck_assert_uint_eq(call.binding_count, 2);
	ck_assert_str_eq(known[call.bindings[0].name], "id");
	ck_assert_uint_eq(call.bindings[0].offset, 8);
	ck_assert_uint_eq(call.bindings[0].width, 4);
	ck_assert_str_eq(known[call.bindings[1].name], "file");
	ck_assert_uint_eq(call.bindings[1].offset, 12);
	ck_assert_uint_eq(load(call.argument.before, 8, 4), 7);
}
END_TEST

START_TEST(field_may_take_one_name_and_give_another)
{
	decode_scenario("ioctl(3, IOMMU_IOAS_MAP, {iova=$a => $b}) = 0");
	assert_patch(0, PATCH_FIELD, "a", 32, 8);
	ck_assert_uint_eq(call.binding_count, 1);
	ck_assert_str_eq(known[call.bindings[0].name], "b");
}
END_TEST

START_TEST(call_gives_values_to_at_most_4_names)
{
	decode_scenario("ioctl(3, IOMMU_IOAS_MAP, {flags=0 => $f, ioas_id=0 => $i, user_va=0 => "
			"$u, length=0 => $l}) = 0");
	ck_assert_uint_eq(call.binding_count, BINDINGS_MAX);
	ck_assert_int_eq(decode_scenario_line("ioctl(3, IOMMU_IOAS_MAP, {flags=0 => $f, ioas_id=0 "
					      "=> $i, user_va=0 => $u, length=0 => $l, iova=0 => "
					      "$v}) = 0"),
			 -1);
	ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag), "too many names, "));
}
END_TEST

START_TEST(scenario_shows_all_that_is_read_or_nothing)
{
	static const char *const wrong[] = {"read(3, \"00\", 8) = 8", "read(3, \"0000\", 8) = 1",
					    "read(3, \"00\", 8) = 0"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_int_eq(decode_scenario_line(wrong[i]), -1);
		ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag), ":9: bad buffer, it shows "));
	}
	ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag), "1 bytes of the 0 that are read, "));
	decode_scenario("read(3, \"0011\", 8) = 2");
	decode_scenario("read(3, \"\", 8) = 8");
	decode_scenario("read(3, \"00\", 8) = -1 EAGAIN");
	decode_scenario("read(3, \"00\", 8) = $n");
}
END_TEST

static void scenario_refused(const char *text, const char *message)
{
	ck_assert_int_eq(decode_scenario_line(text), -1);
	ck_assert_msg(strstr(trace_diag_text(&diag), message) != NULL, "%s",
		      trace_diag_text(&diag));
}

START_TEST(fields_of_scenarios_take_names_of_iommufd)
{
	decode_scenario("ioctl(3, IOMMU_IOAS_MAP, {flags=IOMMU_IOAS_MAP_READABLE|"
			"IOMMU_IOAS_MAP_FIXED_IOVA|8, length=0x1000}) = 0");
	ck_assert_uint_eq(call.argument.before[4], 13);
	decode_scenario("ioctl(3, IOMMU_VIOMMU_ALLOC, {type=IOMMU_VIOMMU_TYPE_AMD}) = 0");
	ck_assert_uint_eq(call.argument.before[8], 3);
	scenario_refused("ioctl(3, IOMMU_HWPT_ALLOC, {flags=IOMMU_HWPT_ALLOC_NESTPARENT}) = 0",
			 "unknown constant 'IOMMU_HWPT_ALLOC_NESTPARENT', it is not in the "
			 "language, expected perhaps 'IOMMU_HWPT_ALLOC_NEST_PARENT'");
	scenario_refused("ioctl(3, IOMMU_HWPT_ALLOC, {flags=IOMMU_HWPT_ALLOC_PASID|0x100000000}) "
			 "= 0",
			 "bad field, the value needs more than its 4 bytes");
}
END_TEST

START_TEST(numbers_are_added_to_names)
{
	decode_scenario("munmap($a+0x1000, 0x1000) = 0");
	ck_assert_uint_eq(call.patch_count, 1);
	ck_assert_uint_eq(call.patches[0].add, 0x1000);
	scenario_refused("close(3) = $n+1", ":12: misplaced '+', the name gets its value here");
	scenario_refused("ioctl(3, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => $n+0x1}) = 0",
			 "misplaced '+', the name gets its value here, expected '$n'");
}
END_TEST

START_TEST(scenario_may_leave_fields_out)
{
	decode_scenario("ioctl(3, IOMMU_IOAS_MAP, {length=0x1000}) = 0");
	ck_assert_uint_eq(load(call.argument.before, 0, 4), sizeof(struct iommu_ioas_map));
	ck_assert_uint_eq(load(call.argument.after, 0, 4), sizeof(struct iommu_ioas_map));
	ck_assert_uint_eq(load(call.argument.before, 4, 4), 0);
	ck_assert_uint_eq(load(call.argument.before, 24, 8), 0x1000);
	ck_assert_uint_eq(call.reserve, sizeof(struct iommu_ioas_map));
	decode_scenario("ioctl(3, IOMMU_IOAS_MAP, {}) = -1 EINVAL");
	ck_assert_uint_eq(load(call.argument.before, 0, 4), sizeof(struct iommu_ioas_map));
	decode_scenario("ioctl(3, IOMMU_IOAS_MAP, {size=8}) = -1 EINVAL");
	ck_assert_uint_eq(load(call.argument.before, 0, 4), 8);
}
END_TEST

START_TEST(names_stand_only_where_a_value_counts)
{
	static const char *const texts[] = {
		"ioctl(3, $fd, 0) = 0",
		"ioctl(3, IOMMU_IOAS_MAP, {size=$a}) = 0",
		"mmap(0, 0x1000, $a, MAP_SHARED, 3, 0) = 0",
		"open($a, 2) = 3",
		"poll(3, 1 => $a, 0) = 1",
		"waitpid(2, $a, 0) = 2",
		"exit(0) = $a",
		"ioctl(3, IOMMU_TEST_CMD, {op=$a}) = 0",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(decode_scenario_line(texts[i]) == -1, "%s", texts[i]);
}
END_TEST

/* The bytes belong behind the address that the name stands for. */
START_TEST(bytes_follow_a_named_argument)
{
	decode_scenario("ioctl(3, 0x3b81, $a, \"0c000000\") = 0");
	ck_assert_uint_eq(call.pointee_count, 1);
	ck_assert_uint_eq(call.patch_count, 2);
	assert_patch(0, PATCH_ARGUMENT, "a", 2, 0);
	assert_patch(1, PATCH_POINTEE, "a", 0, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recording");
	TCase *tcase = tcase_create("recording");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, label_says_who_calls);
	tcase_add_test(tcase, plain_calls_have_their_arguments);
	tcase_add_test(tcase, errno_becomes_a_negative_result);
	tcase_add_test(tcase, mapping_has_its_flags_and_returns_a_binding);
	tcase_add_test(tcase, processes_are_labels);
	tcase_add_test(tcase, buffers_are_bytes);
	tcase_add_test(tcase, poll_gives_what_is_ready);
	tcase_add_test(tcase, struct_lies_in_bytes_before_and_after);
	tcase_add_test(tcase, fields_of_a_test_operation_lie_in_the_union);
	tcase_add_test(tcase, short_struct_has_room_for_the_whole_one);
	tcase_add_test(tcase, tail_lies_behind_the_known_struct);
	tcase_add_test(tcase, pointer_shows_what_it_points_to);
	tcase_add_test(tcase, argument_may_be_a_number_or_bytes);
	tcase_add_test(tcase, negative_number_fits_where_its_bits_do);
	tcase_add_test(tcase, unknown_words_name_the_nearest);
	tcase_add_test(tcase, wrong_shapes_are_refused_where_they_stand);
	tcase_add_test(tcase, what_would_not_be_compared_is_refused);
	tcase_add_test(tcase, wrong_structs_are_refused_where_they_are_wrong);
	tcase_add_test(tcase, context_lines_are_read);
	tcase_add_test(tcase, broken_context_lines_are_refused);
	tcase_add_test(tcase, names_of_a_recording_are_refused);
	tcase_add_test(tcase, scenario_needs_no_label);
	tcase_add_test(tcase, names_stand_for_arguments);
	tcase_add_test(tcase, names_stand_for_fields);
	tcase_add_test(tcase, name_stands_for_the_address_of_contents);
	tcase_add_test(tcase, unbound_names_are_refused_where_they_stand);
	tcase_add_test(tcase, results_and_fields_give_values_to_names);
	tcase_add_test(tcase, field_may_take_one_name_and_give_another);
	tcase_add_test(tcase, call_gives_values_to_at_most_4_names);
	tcase_add_test(tcase, scenario_shows_all_that_is_read_or_nothing);
	tcase_add_test(tcase, fields_of_scenarios_take_names_of_iommufd);
	tcase_add_test(tcase, numbers_are_added_to_names);
	tcase_add_test(tcase, scenario_may_leave_fields_out);
	tcase_add_test(tcase, names_stand_only_where_a_value_counts);
	tcase_add_test(tcase, bytes_follow_a_named_argument);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
