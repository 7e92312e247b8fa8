/* SPDX-License-Identifier: Apache-2.0 */
/* What a replay binds, what it compares, what it can't verify, and when it stops. */
#include <check.h>
#include <fcntl.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kit/run.h"
#include "tools/hwq/hwq.h"
#include "tools/runner/trace_replay.h"

#define HEADER     "# hwq-capture 1\n"
#define P1         "[1.1] 0.000000001 "
#define P2         "[2.2] 0.000000001 "
#define P3         "[3.3] 0.000000001 "
#define EVENTS_MAX 16

/* Copies: what an event points to lives only as long as the event. */
struct seen {
	uint32_t line;
	char field[64];
	char expected[DIFFERENCE_TEXT_MAX];
	char got[DIFFERENCE_TEXT_MAX];
	char text[256]; /* the call, as printed */
	char reason[128];
};

static struct seen differences[EVENTS_MAX];
static struct seen unverifiable[EVENTS_MAX];
static uint32_t difference_count;
static uint32_t unverifiable_count;
static struct replay_counts counts;
static struct trace_diag diag;
static struct replay_options options;

static void setup(void)
{
	options = replay_options_default();
	options.machine.arena_bytes = 64ULL << 20;
}

static void teardown(void)
{
	trace_diag_free(&diag);
}

static void on_difference(void *context, const struct difference *difference)
{
	(void)context;
	ck_assert_uint_lt(difference_count, EVENTS_MAX);
	struct seen *seen = &differences[difference_count++];
	struct trace_text text = {0};
	trace_print_call(difference->call->source, &text);
	seen->line = difference->call->line;
	snprintf(seen->field, sizeof(seen->field), "%s", difference->field);
	snprintf(seen->expected, sizeof(seen->expected), "%s", difference->expected);
	snprintf(seen->got, sizeof(seen->got), "%s", difference->got);
	snprintf(seen->text, sizeof(seen->text), "%s", text.data);
	trace_text_free(&text);
}

static void on_unverifiable(void *context, const struct recorded_call *call, const char *reason)
{
	(void)context;
	ck_assert_uint_lt(unverifiable_count, EVENTS_MAX);
	struct seen *seen = &unverifiable[unverifiable_count++];
	seen->line = call->line;
	snprintf(seen->reason, sizeof(seen->reason), "%s", reason);
}

static const struct replay_events events = {NULL, on_difference, on_unverifiable};

static enum trace_replay_result replay_lines(const char *lines)
{
	char text[8192];
	snprintf(text, sizeof(text), HEADER "%s", lines);
	counts = (struct replay_counts){0};
	difference_count = unverifiable_count = 0;
	struct trace_reader *reader =
		trace_reader_open_memory("x.trace", text, strlen(text), &diag);
	ck_assert_ptr_nonnull(reader);
	return trace_replay(reader, &options, &events, &counts, &diag);
}

static void replays_equal(const char *lines, uint64_t calls)
{
	enum trace_replay_result result = replay_lines(lines);
	ck_assert_msg(result == TRACE_REPLAYED, "%s", trace_diag_text(&diag));
	ck_assert_msg(difference_count == 0, "%s: expected %s, got %s", differences[0].text,
		      differences[0].expected, differences[0].got);
	ck_assert_uint_eq(counts.calls, calls);
	ck_assert_uint_eq(counts.equal, calls);
}

/* One difference, in LINE. */
static void differs(const char *lines, uint32_t line, const char *field, const char *expected,
		    const char *got)
{
	ck_assert_int_eq(replay_lines(lines), TRACE_REPLAYED);
	ck_assert_uint_eq(difference_count, 1);
	ck_assert_uint_eq(differences[0].line, line);
	ck_assert_str_eq(differences[0].field, field);
	ck_assert_str_eq(differences[0].expected, expected);
	ck_assert_str_eq(differences[0].got, got);
	ck_assert_uint_eq(counts.differ, 1);
	ck_assert_uint_eq(counts.calls, counts.equal + counts.differ + counts.unverifiable);
}

static void stops(const char *lines, const char *message)
{
	ck_assert_int_eq(replay_lines(lines), TRACE_BAD_INPUT);
	ck_assert_str_eq(trace_diag_text(&diag), message);
}

/* --- addresses --- */

START_TEST(mapping_lies_where_the_recording_has_it)
{
	replays_equal(P1
		      "open(\"/dev/iommu\", 0x2) = 3\n" P1
		      "ioctl(3, IOMMU_IOAS_ALLOC, {size=12, flags=0, out_ioas_id=0 => 1}) = 0\n" P1
		      "mmap(0x0, 0x1000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, "
		      "0x0) = 0x7e0012345000\n" P1
		      "ioctl(3, IOMMU_IOAS_MAP, {size=40, flags=7, ioas_id=1, "
		      "user_va=0x7e0012345000, length=0x1000, iova=0x1000000}) = 0\n" P1
		      "munmap(0x7e0012345000, 0x1000) = 0\n",
		      5);
}
END_TEST

START_TEST(scratch_memory_makes_way)
{
	/* The first ioctl makes the replay's own memory, low down; the mapping wants its place. */
	replays_equal(P1 "ioctl(3, IOMMU_DESTROY, {size=8, id=1}) = -1 EBADF\n" P1
			 "mmap(0x0, 0x200000, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0x0) = "
			 "0x10000\n" P1 "ioctl(3, IOMMU_DESTROY, {size=8, id=1}) = -1 EBADF\n",
		      3);
}
END_TEST

START_TEST(address_that_no_kernel_returns_differs)
{
	differs(P1 "mmap(0x0, 0x1000, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0x0) = 0x1001\n", 2,
		"result", "4097", "an address that was free and page aligned");
}
END_TEST

START_TEST(fixed_mapping_is_compared)
{
	differs(P1 "mmap(0x20000000, 0x1000, PROT_READ, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, "
		   "0x0) = 0x20001000\n",
		2, "result", "0x20001000", "an address that was free and page aligned");
}
END_TEST

START_TEST(failure_of_a_mapping_is_compared)
{
	differs(P1 "mmap(0x0, 0x0, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0x0) = 0x10000\n", 2,
		"result", "65536", "-1 EINVAL");
}
END_TEST

/* --- processes --- */

#define TWO_PROCESSES                                                  \
	"# process 1 of 0: fd 0 closed, fd 1 closed, fd 2 closed\n" P1 \
	"open(\"/dev/iommu\", 0x2) = 0\n"                              \
	"# process 2 of 1: fd 0 character device, fd 1 closed, fd 2 closed\n"

START_TEST(child_has_what_its_parent_had)
{
	replays_equal(P1 "open(\"/dev/iommu\", 0x2) = 3\n" P1 "fork() = 2\n" P2 "close(3) = 0\n" P2
			 "close(3) = -1 EBADF\n" P1 "close(3) = 0\n" P2 "exit(0) = ?\n",
		      6);
}
END_TEST

START_TEST(child_may_act_before_the_line_of_its_fork)
{
	replays_equal(TWO_PROCESSES P2 "close(0) = 0\n" P2 "open(\"/dev/iommu\", 0x2) = 0\n" P1
				       "fork() = 2\n" P1 "close(0) = 0\n" P2 "close(0) = 0\n" P2
				       "exit(3) = ?\n" P1 "waitpid(2, 0x300, 0) = 2\n",
		      8);
}
END_TEST

START_TEST(labels_stand_for_processes)
{
	/* No process here has these numbers; -1 and a failure stay what they are. */
	replays_equal("[70.70] 0.000000001 fork() = 90\n"
		      "[90.90] 0.000000002 exit(1) = ?\n"
		      "[70.70] 0.000000003 waitpid(-1, 0x100, 0) = 90\n"
		      "[70.70] 0.000000004 waitpid(90, 0x0, 0) = -1 ECHILD\n",
		      4);
}
END_TEST

START_TEST(wrong_status_differs)
{
	differs(P1 "fork() = 2\n" P2 "exit(3) = ?\n" P1 "waitpid(2, 0x200, 0) = 2\n", 4, "status",
		"512", "768");
}
END_TEST

START_TEST(fork_of_another_child_differs_at_its_line)
{
	differs(TWO_PROCESSES P2 "close(0) = 0\n" P1 "fork() = 9\n", 6, "result", "9",
		"the child that acts is 2");
	ck_assert_ptr_nonnull(strstr(differences[0].text, "fork() = 9"));
}
END_TEST

START_TEST(fork_of_a_child_of_another_differs_at_its_line)
{
	differs(TWO_PROCESSES P2 "close(0) = 0\n" P1 "fork() = 3\n"
				 "# process 3 of 2: fd 0 closed, fd 1 closed, fd 2 closed\n" P3
				 "close(0) = -1 EBADF\n" P2 "fork() = 3\n",
		6, "result", "3", "3 is a child of 2");
	ck_assert_ptr_nonnull(strstr(differences[0].text, "fork() = 3"));
}
END_TEST

START_TEST(fork_that_failed_is_counted_once)
{
	differs(TWO_PROCESSES P2 "close(0) = 0\n" P1 "fork() = -1 EAGAIN\n", 6, "result",
		"-1 EAGAIN", "3");
}
END_TEST

/* --- what a recording lacks --- */

START_TEST(other_files_are_unverifiable)
{
	ck_assert_int_eq(replay_lines("# process 1 of 0: fd 0 pipe, fd 1 closed, fd 2 closed\n" P1
				      "open(\"/etc/motd\", 0x0) = -1 ENOENT\n" P1
				      "read(0, \"00ff\", 2) = 2\n" P1
				      "open(\"/etc/motd\", 0x0) = 1\n"),
			 TRACE_REPLAYED);
	ck_assert_uint_eq(unverifiable_count, 2);
	ck_assert_uint_eq(unverifiable[0].line, 3);
	ck_assert_str_eq(unverifiable[0].reason, "what files there were is not recorded");
	ck_assert_uint_eq(unverifiable[1].line, 4);
	ck_assert_str_eq(unverifiable[1].reason,
			 "the contents of files and pipes are not recorded");
	ck_assert_uint_eq(counts.unverifiable, 2);
	ck_assert_uint_eq(counts.equal, 1);
	ck_assert_uint_eq(counts.differ, 0);
}
END_TEST

#define MAPPED                                                                           \
	P1 "open(\"/dev/iommu\", 0x2) = 3\n" P1                                          \
	   "ioctl(3, IOMMU_IOAS_ALLOC, {size=12, flags=0, out_ioas_id=0 => 1}) = 0\n" P1 \
	   "mmap(0x100000000000, 0x2000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|"   \
	   "MAP_ANONYMOUS, -1, 0x0) = 0x100000000000\n" P1                               \
	   "ioctl(3, IOMMU_IOAS_MAP, {size=40, flags=7, ioas_id=1, "                     \
	   "user_va=0x100000000000, length=0x1000, iova=0x1000000}) = 0\n" P1            \
	   "ioctl(3, IOMMU_TEST_CMD, {size=72, op=CREATE_ACCESS, id=1, "                 \
	   "create_access.out_access_fd=0 => 4, create_access.flags=0, last=0}) = 0\n"
#define ACCESS_RW(flags, contents)                                                                \
	P1 "ioctl(3, IOMMU_TEST_CMD, {size=72, op=ACCESS_RW, id=4, "                              \
	   "access_rw.iova=0x1000000, access_rw.length=2, access_rw.uptr=0x100000001000" contents \
	   ", access_rw.flags=" flags ", last=0}) = 0\n"

START_TEST(bytes_that_nobody_stored_are_unverifiable)
{
	ck_assert_int_eq(replay_lines(MAPPED ACCESS_RW("0", "->\"0000\" => \"abcd\"")),
			 TRACE_REPLAYED);
	ck_assert_uint_eq(counts.differ, 0);
	ck_assert_uint_eq(unverifiable_count, 1);
	ck_assert_uint_eq(unverifiable[0].line, 7);
}
END_TEST

START_TEST(bytes_that_a_call_stored_are_compared)
{
	replays_equal(MAPPED ACCESS_RW("1", "->\"abcd\"") ACCESS_RW("0", "->\"0000\" => \"abcd\""),
		      7);
	ck_assert_uint_ge(counts.bytes, 4);
}
END_TEST

/* --- calls that do not return --- */

START_TEST(call_that_sleeps_for_good_differs)
{
	ck_assert_int_eq(replay_lines(P1 "fork() = 2\n" P1 "waitpid(2, 0x0, 0) = 2\n" P2
					 "close(9) = -1 EBADF\n" P1 "close(9) = -1 EBADF\n"),
			 TRACE_REPLAYED);
	ck_assert_uint_eq(difference_count, 1);
	ck_assert_uint_eq(differences[0].line, 3);
	ck_assert_str_eq(differences[0].field, "result");
	ck_assert_str_eq(differences[0].expected, "2");
	ck_assert_str_eq(differences[0].got,
			 "no return: it sleeps at 'waitpid' and nothing can wake it");
	ck_assert_uint_eq(counts.equal, 3);
}
END_TEST

START_TEST(dead_process_stops_the_replay)
{
	stops(P1 "exit(0) = ?\n" P1 "close(3) = -1 EBADF\n",
	      "x.trace:3:19: the replay stops here, a process acts after its exit, expected a call "
	      "that can be made");
	ck_assert_uint_eq(counts.calls, 1);
}
END_TEST

START_TEST(buffer_without_room_stops_the_replay)
{
	stops(P1 "open(\"/dev/iommu\", 0x2) = 3\n" P1
		 "read(3, \"\", 0xffffffffffffffff) = -1 EINVAL\n",
	      "x.trace:3:19: the replay stops here, no room in the process for the call's buffer, "
	      "expected a call that can be made");
	ck_assert_uint_eq(counts.calls, 1);
}
END_TEST

START_TEST(second_header_stops_the_replay)
{
	stops(P1 "close(3) = -1 EBADF\n" HEADER,
	      "x.trace:3:1: second header, another recording begins here, expected one recording a "
	      "file");
	ck_assert_uint_eq(counts.calls, 1);
}
END_TEST

/* --- ways to replay --- */

START_TEST(loaded_trace_replays_alike_again_and_again)
{
	static const char text[] = HEADER TWO_PROCESSES P2 "close(0) = 0\n" P1 "fork() = 9\n";
	struct trace_reader *reader =
		trace_reader_open_memory("x.trace", text, strlen(text), &diag);
	struct loaded_trace *trace = trace_load(reader, &diag);
	ck_assert_ptr_nonnull(trace);
	for (int i = 0; i < 3; i++) {
		counts = (struct replay_counts){0};
		difference_count = 0;
		ck_assert_int_eq(trace_replay_loaded(trace, &options, &events, &counts, &diag),
				 TRACE_REPLAYED);
		ck_assert_uint_eq(counts.calls, 3);
		ck_assert_uint_eq(counts.differ, 1);
		ck_assert_uint_eq(differences[0].line, 6);
	}
	loaded_trace_free(trace);
}
END_TEST

START_TEST(checked_steps_give_the_same_answers)
{
	options.check_steps = true;
	replays_equal(MAPPED ACCESS_RW("1", "->\"abcd\"") ACCESS_RW("0", "->\"0000\" => \"abcd\""),
		      7);
}
END_TEST

/* --- JSON --- */

/* Standard output of `hwq replay --json FILE` goes to OUT. */
static int run_json(char *file, const char *out)
{
	char *argv[] = {(char[]){"replay"}, (char[]){"--json"}, (char[]){"--memory-limit=64"}, file,
			NULL};
	fflush(stdout);
	int saved = dup(STDOUT_FILENO);
	int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	dup2(fd, STDOUT_FILENO);
	close(fd);
	int status = hwq_replay(4, argv);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	return status;
}

START_TEST(json_names_each_difference)
{
	static const char text[] = HEADER P1 "close(3) = -1 EINVAL\n" P1 "close(4) = -1 EBADF\n";
	char folder[] = "test_replay.XXXXXX", file[64], out[64];
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/\"quoted\".trace", folder);
	snprintf(out, sizeof(out), "%s/out", folder);
	ck_assert(g_file_set_contents(file, text, -1, NULL));
	int status = run_json(file, out);
	JsonParser *parser = json_parser_new();
	GError *error = NULL;
	bool parsed = json_parser_load_from_file(parser, out, &error);
	remove(out);
	remove(file);
	rmdir(folder);
	ck_assert_int_eq(status, HWQ_NOT_AS_EXPECTED);
	ck_assert_msg(parsed, "%s", error != NULL ? error->message : "");
	JsonObject *root = json_node_get_object(json_parser_get_root(parser));
	ck_assert_int_eq(json_object_get_int_member(root, "files"), 1);
	ck_assert_int_eq(json_object_get_int_member(root, "calls"), 2);
	ck_assert_int_eq(json_object_get_int_member(root, "equal"), 1);
	ck_assert_int_eq(json_object_get_int_member(root, "differ"), 1);
	ck_assert_int_eq(json_object_get_int_member(root, "unverifiable"), 0);
	JsonArray *array = json_object_get_array_member(root, "differences");
	ck_assert_uint_eq(json_array_get_length(array), 1);
	JsonObject *first = json_array_get_object_element(array, 0);
	ck_assert_str_eq(json_object_get_string_member(first, "file"), file);
	ck_assert_int_eq(json_object_get_int_member(first, "line"), 2);
	ck_assert_str_eq(json_object_get_string_member(first, "field"), "result");
	ck_assert_str_eq(json_object_get_string_member(first, "expected"), "-1 EINVAL");
	ck_assert_str_eq(json_object_get_string_member(first, "got"), "-1 EBADF");
	g_object_unref(parser);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("replay");
	TCase *tcase = tcase_create("replay");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, mapping_lies_where_the_recording_has_it);
	tcase_add_test(tcase, scratch_memory_makes_way);
	tcase_add_test(tcase, address_that_no_kernel_returns_differs);
	tcase_add_test(tcase, fixed_mapping_is_compared);
	tcase_add_test(tcase, failure_of_a_mapping_is_compared);
	tcase_add_test(tcase, child_has_what_its_parent_had);
	tcase_add_test(tcase, child_may_act_before_the_line_of_its_fork);
	tcase_add_test(tcase, labels_stand_for_processes);
	tcase_add_test(tcase, wrong_status_differs);
	tcase_add_test(tcase, fork_of_another_child_differs_at_its_line);
	tcase_add_test(tcase, fork_of_a_child_of_another_differs_at_its_line);
	tcase_add_test(tcase, fork_that_failed_is_counted_once);
	tcase_add_test(tcase, other_files_are_unverifiable);
	tcase_add_test(tcase, bytes_that_nobody_stored_are_unverifiable);
	tcase_add_test(tcase, bytes_that_a_call_stored_are_compared);
	tcase_add_test(tcase, call_that_sleeps_for_good_differs);
	tcase_add_test(tcase, dead_process_stops_the_replay);
	tcase_add_test(tcase, buffer_without_room_stops_the_replay);
	tcase_add_test(tcase, second_header_stops_the_replay);
	tcase_add_test(tcase, loaded_trace_replays_alike_again_and_again);
	tcase_add_test(tcase, checked_steps_give_the_same_answers);
	tcase_add_test(tcase, json_names_each_difference);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
