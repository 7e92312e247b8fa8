// SPDX-License-Identifier: Apache-2.0
/* Experiments: what a script does on a machine, and what is told of it. */
#include <check.h>
#include <dirent.h>
#include <elf.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/kit/run.h"
#include "tools/runner/experiment.h"
#include "tools/runner/report.h"

#define HEADER "# hwq-scenario 1\n"
#define GRACE  "profile grace\n"
#define US     1000000ULL

/* What every VMM here does before its guest runs; a line of its own each. */
#define OPEN_                                                                                      \
	"vmm: open(\"/dev/iommu\", 0x2) = $fd\n"                                                   \
	"vmm: open(\"/dev/vfio/devices/vfio0\", 0x2) = $vfio\n"                                    \
	"vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = $queue\n"   \
	"vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = $data\n"   \
	"vmm: ioctl($fd, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => $ioas}) = 0\n"                        \
	"vmm: ioctl($vfio, VFIO_DEVICE_BIND_IOMMUFD, {argsz=24, iommufd=$fd, out_devid=0 => "      \
	"$dev}) = 0\n"                                                                             \
	"vmm: ioctl($fd, IOMMU_HWPT_ALLOC, {flags=1, dev_id=$dev, pt_id=$ioas, out_hwpt_id=0 => "  \
	"$hwpt}) = 0\n"                                                                            \
	"vmm: ioctl($vfio, VFIO_DEVICE_ATTACH_IOMMUFD_PT, {argsz=12, pt_id=$hwpt}) = 0\n"          \
	"vmm: ioctl($fd, IOMMU_VIOMMU_ALLOC, {type=2, dev_id=$dev, hwpt_id=$hwpt, "                \
	"out_viommu_id=0 "                                                                         \
	"=> $viommu, data_len=16, data_uptr=$data}) = 0\n"                                         \
	"vmm: ioctl($fd, IOMMU_VDEVICE_ALLOC, {viommu_id=$viommu, dev_id=$dev, virt_id=0x100}) = " \
	"0\n"                                                                                      \
	"vmm: mmap(0, 0x10000, PROT_READ|PROT_WRITE, MAP_SHARED, $fd, 0x1000) = $page0\n"          \
	"vmm: ioctl($fd, IOMMU_IOAS_MAP, {flags=7, ioas_id=$ioas, user_va=$queue, length=0x1000, " \
	"iova=0x40000000}) = 0\n"
#define ALLOC_                                                                            \
	"vmm: ioctl($fd, IOMMU_HW_QUEUE_ALLOC, {viommu_id=$viommu, type=1, index=0, "     \
	"out_hw_queue_id=0 => $hwq, nesting_parent_iova=0x40000000, length=0x800}) = 0\n" \
	"ram gpa=0x40000000 va=$queue length=0x1000\n"                                    \
	"queue q page0=$page0 index=0 gpa=0x40000000 entries=128\n"                       \
	"guest: write q.CONFIG 1\n"
#define VMM    OPEN_ ALLOC_
#define PINNED GRACE "device vfio0 sid=0x10\n" VMM
#define NO_PIN GRACE "kernel hw_queue.pin=off\ndevice vfio0 sid=0x10\n" VMM
#define UNMAP \
	"vmm: ioctl($fd, IOMMU_IOAS_UNMAP, {ioas_id=$ioas, iova=0x40000000, length=0x1000}) = "
#define DESTROY "vmm: ioctl($fd, IOMMU_DESTROY, {id=$hwq}) = 0\n"
#define ONE     "guest: q <- CMD_SYNC\nguest: write q.PROD_INDX 1\n"

static char *folder;
static char *path;
static struct machine *machine;
static struct script *script;
static struct script_options options;
static struct outcome *outcome;

static struct machine *new_machine(uint64_t arena_bytes)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = arena_bytes;
	struct machine *made = machine_new(&config);
	ck_assert_ptr_nonnull(made);
	return made;
}

static void setup(void)
{
	folder = g_dir_make_tmp("hwq-experiment-XXXXXX", NULL);
	ck_assert_ptr_nonnull(folder);
	path = g_build_filename(folder, "x.hwq", NULL);
	machine = new_machine(256ULL << 20);
	options = (struct script_options){.seed = 1};
	script = NULL;
	outcome = NULL;
}

static void teardown(void)
{
	outcome_free(outcome);
	script_free(script);
	machine_free(machine);
	g_remove(path);
	g_rmdir(folder);
	g_free(path);
	g_free(folder);
}

static void parse_file(const char *file)
{
	struct trace_diag diag = {0};
	script_free(script);
	script = script_parse(file, &options, &diag);
	ck_assert_msg(script != NULL, "%s", trace_diag_text(&diag));
}

static void parse(const char *body)
{
	char *text = g_strconcat(HEADER, body, NULL);
	ck_assert(g_file_set_contents(path, text, -1, NULL));
	g_free(text);
	parse_file(path);
}

static void run_parsed(bool check_steps)
{
	const struct experiment_options how = {
		.check_steps = check_steps, .story = true, .other_option = -1};
	outcome_free(outcome);
	outcome = experiment_run(script, &how, &machine);
}

static void run(const char *body)
{
	parse(body);
	run_parsed(false);
}

/* What was not as expected, for messages. */
static const char *differences(void)
{
	static char text[1024];
	size_t at = 0;
	text[0] = 0;
	for (guint i = 0; i < outcome->differences->len && at < sizeof(text) - 1; i++) {
		const struct difference_line *line = outcome->differences->pdata[i];
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "line %u: %s: expected %s, got %s; ", line->line, line->what,
				       line->expected, line->got);
	}
	return text;
}

static void as_expected(const char *body)
{
	run(body);
	ck_assert_msg(outcome->as_expected, "%s", differences());
	ck_assert_uint_eq(outcome->differences->len, 0);
}

/* The line of the scenario that the last WHERE in BODY is in. */
static uint32_t line_of(const char *body, const char *where)
{
	const char *at = g_strrstr(body, where);
	uint32_t line = 2;
	ck_assert_ptr_nonnull(at);
	for (; body < at; body++)
		line += *body == '\n';
	return line;
}

static void assert_difference(guint i, uint32_t line, const char *what, const char *expected,
			      const char *got)
{
	ck_assert_msg(i < outcome->differences->len, "%s", differences());
	const struct difference_line *difference = outcome->differences->pdata[i];
	ck_assert_msg(difference->line == line && strcmp(difference->what, what) == 0 &&
			      strcmp(difference->expected, expected) == 0 &&
			      strcmp(difference->got, got) == 0,
		      "%s", differences());
}

/* One thing is not as expected, in the line of WHERE (NULL: of none). */
static void differs(const char *body, const char *where, const char *what, const char *expected,
		    const char *got)
{
	run(body);
	ck_assert(!outcome->as_expected);
	assert_difference(0, where != NULL ? line_of(body, where) : 0, what, expected, got);
	ck_assert_msg(outcome->differences->len == 1, "%s", differences());
}

/* When the line of WHERE in BODY was done, as the story has it. */
static uint64_t time_of(const char *body, const char *where)
{
	uint32_t number = line_of(body, where);
	for (guint i = 0; i < outcome->story->len; i++) {
		const struct story_line *line = outcome->story->pdata[i];
		if (line->line == number)
			return line->time_ps;
	}
	ck_abort_msg("line %u is not in the story", number);
	return 0;
}

static char *report(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	ck_assert_ptr_nonnull(out);
	report_print(outcome, out);
	fclose(out);
	return text;
}

/* --- calls --- */

START_TEST(results_are_compared)
{
	as_expected("vmm: close(9) = -1 EBADF\n");
	differs("vmm: close(9) = 0\n", "close", "result", "0", "-1 EBADF");
	differs("vmm: close(9) = -1 EINVAL\n", "close", "result", "-1 EINVAL", "-1 EBADF");
	differs("vmm: open(\"/dev/iommu\", 2) = 4\n", "open", "result", "4", "3");
	differs("vmm: close(9) = $n\n", "close", "result", "success", "-1 EBADF");
}
END_TEST

START_TEST(difference_names_the_rule_of_the_refusal)
{
	differs("vmm: open(\"/dev/iommu\", 2) = 3\n"
		"vmm: ioctl(3, IOMMU_IOAS_ALLOC, {flags=1}) = 0\n",
		"ioctl", "result", "0", "-1 EOPNOTSUPP");
	const struct difference_line *line = outcome->differences->pdata[0];
	ck_assert_ptr_nonnull(line->rule);
	ck_assert(g_str_has_prefix(line->rule, "iommufd 2.1"));
}
END_TEST

#define HWPT "vmm: ioctl($fd, IOMMU_HWPT_ALLOC, {dev_id=$dev, "
#define STE                                                                         \
	"vmm: ioctl($fd, IOMMU_VIOMMU_ALLOC, {type=1, dev_id=$dev, hwpt_id=$hwpt, " \
	"out_viommu_id=0 => $nesting}) = 0\n" HWPT "pt_id=$nesting, "

/* Where the sheet lists several for one step. */
START_TEST(refusal_names_the_cause_that_applied)
{
	static const char *const refusals[][3] = {
		{HWPT "pt_id=$ioas, data_type=2, data_len=16, data_uptr=$data}) = 0\n",
		 "-1 EOPNOTSUPP", "a HWPT on an IOAS takes no data: data_len is not 0"},
		{HWPT "pt_id=$ioas, flags=2}) = 0\n", "-1 EOPNOTSUPP",
		 "the device can't track dirty pages"},
		{HWPT "pt_id=$ioas, flags=9}) = 0\n", "-1 EOPNOTSUPP",
		 "flags is not 0, NEST_PARENT or PASID alone"},
		{HWPT "pt_id=$ioas, data_type=2}) = 0\n", "-1 EINVAL",
		 "data_len is 0 and data_type is not"},
		{HWPT "pt_id=$hwpt, data_type=2, data_len=16, data_uptr=$data}) = 0\n",
		 "-1 EOPNOTSUPP", "makes none on a HWPT: pt_id is to be a vIOMMU"},
		{HWPT "pt_id=$hwpt}) = 0\n", "-1 EOPNOTSUPP",
		 "data_len is 0: a HWPT on a HWPT needs"},
		{STE "data_type=1, data_len=16, data_uptr=$data}) = 0\n", "-1 EINVAL",
		 "data_type is not IOMMU_HWPT_DATA_ARM_SMMUV3, 2"},
		{STE "data_type=2, data_len=64, data_uptr=$data}) = 0\n", "-1 EINVAL",
		 "data_len is not that of an iommu_hwpt_arm_smmuv3, 16"},
		{STE "data_type=2, data_len=16, data_uptr=16}) = 0\n", "-1 EFAULT",
		 "data_len bytes at data_uptr can't be read"},
		{"vmm: ioctl($fd, IOMMU_HWPT_INVALIDATE, {hwpt_id=$viommu, data_uptr=$data, "
		 "data_type=1, entry_num=1}) = 0\n",
		 "-1 EINVAL", "entry_len is not 1 to 4096"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
		char *body = g_strconcat(PINNED, refusals[i][0], NULL);
		differs(body, "= 0\n", "result", "0", refusals[i][1]);
		const struct difference_line *line = outcome->differences->pdata[0];
		ck_assert_msg(strstr(line->rule, refusals[i][2]) != NULL, "%s", line->rule);
		g_free(body);
	}
}
END_TEST

START_TEST(all_differences_are_told)
{
	run("vmm: close(9) = 0\nvmm: close(8) = -1 EBADF\nother: close(7) = 0\n");
	ck_assert_uint_eq(outcome->differences->len, 2);
	assert_difference(0, 2, "result", "0", "-1 EBADF");
	assert_difference(1, 4, "result", "0", "-1 EBADF");
}
END_TEST

START_TEST(names_carry_values)
{
	as_expected("vmm: open(\"/dev/iommu\", 2) = $fd\n"
		    "vmm: ioctl($fd, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => $a}) = 0\n"
		    "vmm: ioctl($fd, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => $b}) = 0\n"
		    "vmm: ioctl($fd, IOMMU_DESTROY, {id=$a}) = 0\n"
		    "vmm: ioctl($fd, IOMMU_DESTROY, {id=$a}) = -1 ENOENT\n"
		    "vmm: ioctl($fd, IOMMU_DESTROY, {id=$b}) = 0\n"
		    "vmm: close($fd) = 0\n"
		    "vmm: close($fd) = -1 EBADF\n");
}
END_TEST

START_TEST(name_may_get_a_new_value)
{
	as_expected("vmm: open(\"/dev/iommu\", 2) = $fd\n"
		    "vmm: open(\"/dev/iommu\", 2) = $fd\n"
		    "vmm: close(3) = 0\n"
		    "vmm: close($fd) = 0\n"
		    "vmm: close(4) = -1 EBADF\n");
}
END_TEST

START_TEST(name_without_a_value_ends_the_experiment)
{
	static const char body[] = "vmm: close(9) = $n\n"
				   "vmm: close($n) = 0\n"
				   "vmm: close(8) = 0\n";
	run(body);
	ck_assert_uint_eq(outcome->differences->len, 2);
	assert_difference(0, 2, "result", "success", "-1 EBADF");
	assert_difference(1, 3, "$n", "a value", "none; the rest is not run");
}
END_TEST

START_TEST(descriptors_belong_to_a_process)
{
	as_expected("vmm: open(\"/dev/iommu\", 2) = $fd\n"
		    "other: close($fd) = -1 EBADF\n"
		    "vmm.2: close($fd) = 0\n"
		    "vmm2: close($fd) = -1 EBADF\n");
}
END_TEST

START_TEST(fork_takes_no_actor)
{
	as_expected("vmm: fork() = $child\nvmm: waitpid($child, 0, 1) = 0\n");
	differs("vmm: fork() = $child\nvmm: waitpid($child, 7, 1) = 0\n", "waitpid", "status", "7",
		"0");
	differs("vmm: fork() = $child\nvmm: waitpid($child, 0, 0) = 2\nvmm: close(9) = 0\n",
		"waitpid", "result", "a return", "none: it sleeps and nothing can wake it");
}
END_TEST

#define EVENTS                                                                                  \
	PINNED "vmm: ioctl($fd, IOMMU_VEVENTQ_ALLOC, {viommu_id=$viommu, type=2, "              \
	       "veventq_depth=16, out_veventq_id=0 => $id, out_veventq_fd=0 => $events}) = 0\n" \
	       "vmm: poll($events, 1 => 0, 0) = 0\n"                                            \
	       "guest: q <- CFGI_STE sid=0x10\n"                                                \
	       "guest: write q.PROD_INDX 1\n"                                                   \
	       "run 10us\n"

#define OPENED "vmm: open(\"/dev/iommu\", 2) = $fd\n"
#define RANGES                                                                                   \
	OPENED "vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = " \
	       "$p\n"                                                                            \
	       "vmm: ioctl($fd, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => $ioas}) = 0\n"               \
	       "vmm: ioctl($fd, IOMMU_IOAS_IOVA_RANGES, {ioas_id=$ioas, "

/* iommufd 2.2: without a device all is allowed, and what does not fit is counted. */
START_TEST(fields_after_a_call_are_compared)
{
	static const char more[] = RANGES "num_iovas=0 => 1}) = -1 EMSGSIZE\n";
	as_expected(OPENED "vmm: ioctl($fd, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => 1}) = 0\n");
	differs(OPENED "vmm: ioctl($fd, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => 0x123456}) = 0\n",
		"ALLOC", "out_ioas_id", "0x123456", "1");
	differs(OPENED "vmm: ioctl($fd, IOMMU_IOAS_ALLOC, {flags=0 => 2, out_ioas_id=0}) = 0\n",
		"ALLOC", "flags", "2", "0");
	as_expected(more);
	differs(RANGES "num_iovas=0 => 2}) = -1 EMSGSIZE\n", "RANGES", "num_iovas", "2", "1");
	run(RANGES "num_iovas=0 => 2, out_iova_alignment=0 => 3}) = 0\n");
	ck_assert_uint_eq(outcome->differences->len, 3);
	assert_difference(0, line_of(more, "RANGES"), "num_iovas", "2", "1");
	assert_difference(2, line_of(more, "RANGES"), "result", "0", "-1 EMSGSIZE");
}
END_TEST

#define SHOWN "num_iovas=1, allowed_iovas=$p->\"00000000000000000000000000000000\""

START_TEST(bytes_behind_pointers_are_compared)
{
	as_expected(RANGES SHOWN "}) = 0\n");
	as_expected(RANGES SHOWN " => \"0000000000000000ffffffffffffffff\"}) = 0\n");
	differs(RANGES SHOWN " => \"0000000000000000fffffffffffffeff\"}) = 0\n", "RANGES",
		"allowed_iovas, byte 14", "...\"feff\"", "...\"ffff\"");
	differs(OPENED "vmm: ioctl($fd, IOMMU_IOAS_ALLOC, {size=14, tail=\"0000\" => \"0007\"}) "
		       "= 0\n",
		"ALLOC", "tail, byte 0", "...\"07\"", "...\"00\"");
}
END_TEST

/* tegra241-cmdqv 8: flags, sequence, the map of queues in error; CFGI_STE is none of a guest's. */
START_TEST(read_bytes_are_compared)
{
	as_expected(EVENTS "vmm: read($events, "
			   "\"000000000000000001000000000000000000000000000000\", 24) = 24\n");
	differs(EVENTS "vmm: read($events, "
		       "\"000000000000000002000000000000000000000000000000\", 24) = 24\n",
		"read", "buffer, byte 8", "...\"0200000000000000\"...",
		"...\"0100000000000000\"...");
}
END_TEST

/* Bytes that the line does not show would pass whatever they are. */
START_TEST(read_bytes_are_shown_whole_or_not_at_all)
{
	as_expected(EVENTS "vmm: read($events, \"\", 24) = 24\n");
	as_expected(EVENTS "vmm: read($events, \"\", 24) = $n\n");
	as_expected(EVENTS "vmm: read($events, "
			   "\"000000000000000001000000000000000000000000000000\", 24) = $n\n");
	differs(EVENTS "vmm: read($events, \"0000\", 24) = $n\n", "read", "buffer", "2 bytes",
		"24");
	run(EVENTS "vmm: read($events, \"0000000000000000010000000000000001\", 24) = $n\n");
	ck_assert_uint_eq(outcome->differences->len, 2);
}
END_TEST

#define PAGE "vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = $p\n"

START_TEST(store_past_its_mapping_is_a_signal)
{
	as_expected(PAGE "vmm: store $p bytes \"0011\"\n");
	run("vmm: store 0x1000 bytes \"00\"\nvmm: close(9) = 0\n");
	ck_assert_uint_eq(outcome->differences->len, 1);
	assert_difference(0, 2, "store", "memory that is mapped, to be written",
			  "SIGSEGV of vmm at 0x1000; the rest is not run");
	differs("other: mmap(0x10000, 0x1000, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, "
		"0) = 0x10000\nother: store 0x10ffc bytes \"0011223344\"\n",
		"store", "store", "memory that is mapped, to be written",
		"SIGSEGV of other at 0x10ffc; the rest is not run");
	differs("vmm: mmap(0x10000, 0x1000, PROT_READ|PROT_WRITE, "
		"MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0) = 0x10000\n"
		"vmm: store 0x10ffc bytes \"0011223344\"\n",
		"store", "store", "memory that is mapped, to be written",
		"SIGSEGV of vmm at 0x11000; the rest is not run");
}
END_TEST

/* Commands of a guest whose memory the VMM has unmapped. */
START_TEST(guests_store_that_goes_nowhere_says_so)
{
	run(PINNED "vmm: munmap($queue, 0x1000) = 0\nguest: q <- CMD_SYNC\n");
	char *text = report();
	ck_assert_msg(strstr(text, "q <- CMD_SYNC: not mapped, it goes nowhere\n") != NULL, "%s",
		      text);
	free(text);
}
END_TEST

START_TEST(numbers_are_added_to_names)
{
	as_expected("vmm: mmap(0, 0x2000, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = "
		    "$p\n" OPENED
		    "vmm: ioctl($fd, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => $ioas}) = 0\n"
		    "vmm: store $p+0x1ffe bytes \"0011\"\n"
		    "vmm: ioctl($fd, IOMMU_IOAS_IOVA_RANGES, {ioas_id=$ioas, num_iovas=1, "
		    "allowed_iovas=$p+16->\"00000000000000000000000000000000\" => "
		    "\"0000000000000000ffffffffffffffff\"}) = 0\n"
		    "vmm: ioctl($fd, IOMMU_IOAS_MAP, {flags=IOMMU_IOAS_MAP_READABLE|"
		    "IOMMU_IOAS_MAP_FIXED_IOVA, ioas_id=$ioas, user_va=$p+4096, "
		    "length=0x1000, iova=0}) = 0\n"
		    "vmm: munmap($p+0x1000, 0x1000) = 0\n");
	run(PAGE "vmm: store $p+0xfff bytes \"0000\"\n");
	ck_assert_uint_eq(outcome->differences->len, 1);
}
END_TEST

START_TEST(long_store_is_counted_in_the_story)
{
	char *digits = g_strnfill(2 * 64, '5');
	char *whole = g_strconcat(PAGE "vmm: store $p bytes \"", digits, "\"\n", NULL);
	char *longer = g_strconcat(PAGE "vmm: store $p bytes \"", digits, "aa\"\n", NULL);
	char *shown = g_strconcat(digits, "\"\n", NULL);
	char *counted = g_strconcat(digits, "...\" (65 bytes)\n", NULL);
	run(whole);
	char *text = report();
	ck_assert_msg(strstr(text, shown) != NULL, "%s", text);
	free(text);
	run(longer);
	text = report();
	ck_assert_msg(strstr(text, counted) != NULL, "%s", text);
	free(text);
	g_free(digits);
	g_free(whole);
	g_free(longer);
	g_free(shown);
	g_free(counted);
}
END_TEST

START_TEST(ready_events_are_compared)
{
	as_expected(EVENTS "vmm: poll($events, 1 => 1, 0) = 1\n");
	run(EVENTS "vmm: poll($events, 1 => 0, 0) = 0\n");
	ck_assert_uint_eq(outcome->differences->len, 2);
	uint32_t line = line_of(EVENTS "vmm: poll(", "poll(");
	assert_difference(0, line, "revents", "0", "1");
	assert_difference(1, line, "result", "0", "1");
}
END_TEST

START_TEST(sleeping_call_is_woken_by_a_later_line)
{
	as_expected(PINNED
		    "vmm: ioctl($fd, IOMMU_VEVENTQ_ALLOC, {viommu_id=$viommu, type=2, "
		    "veventq_depth=16, out_veventq_id=0 => $id, out_veventq_fd=0 => $events}) = 0\n"
		    "vmm: poll($events, 1 => 1, -1) = 1\n"
		    "after 1us guest: q <- CFGI_STE sid=0x10\n"
		    "after 1us guest: write q.PROD_INDX 1\n");
}
END_TEST

/* --- time --- */

START_TEST(lines_start_at_their_instants)
{
	static const char body[] = "at 5us vmm: close(9) = -1 EBADF\n"
				   "after 2us vmm: close(8) = -1 EBADF\n"
				   "at 9us vmm: close(7) = -1 EBADF\n"
				   "run 3us\n"
				   "vmm: close(6) = -1 EBADF\n";
	as_expected(body);
	ck_assert_uint_eq(time_of(body, "close(9)"), 5 * US);
	ck_assert_uint_eq(time_of(body, "close(8)"), 7 * US);
	ck_assert_uint_eq(time_of(body, "close(7)"), 9 * US);
	ck_assert_uint_eq(time_of(body, "close(6)"), 12 * US);
}
END_TEST

START_TEST(past_instants_end_the_experiment)
{
	differs("run 5us\nat 3us vmm: close(9) = 0\nvmm: close(9) = 0\n", "at 3us", "start",
		"3.000 us", "5.000 us; the rest is not run");
	differs("run 5us\nat 4.999us vmm: close(9) = 0\n", "at ", "start", "4.999 us",
		"5.000 us; the rest is not run");
	as_expected("run 5us\nat 5us vmm: close(9) = -1 EBADF\n");
}
END_TEST

/* A delay holds the call; what starts after it runs beside it. */
START_TEST(lines_run_beside_a_call_that_is_held)
{
	static const char body[] = PINNED "run 5us\n"
					  "delay 20us at queue pages unpinned\n" DESTROY
					  "after 4us vmm.2: munmap($queue, 0x1000) = 0\n"
					  "after 3us other: close(9) = -1 EBADF\n"
					  "vmm: close(8) = -1 EBADF\n";
	as_expected(body);
	uint64_t start = time_of(body, "IOMMU_DESTROY");
	ck_assert_uint_eq(time_of(body, "munmap"), start + 4 * US);
	ck_assert_uint_eq(time_of(body, "close(9)"), start + 7 * US);
	ck_assert_uint_gt(time_of(body, "close(8)"), start + 20 * US);
}
END_TEST

START_TEST(delay_that_no_call_passes_is_told)
{
	differs("delay 5us at queue pages unpinned\nvmm: close(9) = -1 EBADF\n", "delay",
		"delay at 'queue pages unpinned'", "a call passes it", "none did");
	differs(PINNED "delay 5us at no such point\n" DESTROY, "no such",
		"delay at 'no such point'", "a call passes it", "none did");
}
END_TEST

START_TEST(delay_ends_where_the_next_begins)
{
	differs(PINNED "delay 5us at first\ndelay 5us at queue pages unpinned\n" DESTROY, "first",
		"delay at 'first'", "a call passes it", "none did");
	static const char body[] = PINNED
		"delay 50us at queue pages unpinned\ndelay 20us at queue pages unpinned\n" DESTROY
		"vmm: close(9) = -1 EBADF\n";
	run(body);
	assert_difference(0, line_of(body, "delay 50us"), "delay at 'queue pages unpinned'",
			  "a call passes it", "none did");
	ck_assert_uint_lt(time_of(body, "close(9)") - time_of(body, "IOMMU_DESTROY"), 40 * US);
}
END_TEST

START_TEST(too_many_calls_at_once_end_the_experiment)
{
	GString *body = g_string_new("vmm: fork() = $c\n");
	for (unsigned i = 0; i < ARENA_STACKS; i++)
		g_string_append(body, "after 0ns vmm: waitpid($c, 0, 0) = $c\n");
	run(body->str);
	ck_assert_uint_eq(outcome->differences->len, ARENA_STACKS);
	g_string_append(body, "after 0ns vmm: waitpid($c, 0, 0) = $c\n");
	run(body->str);
	assert_difference(ARENA_STACKS, ARENA_STACKS + 3, "call", "a free stack",
			  "none; the rest is not run");
	g_string_free(body, TRUE);
}
END_TEST

/* --- the guest --- */

START_TEST(guest_runs_commands)
{
	as_expected(PINNED "guest: q <- TLBI_NH_ASID asid=1, CMD_SYNC\n"
			   "guest: write q.PROD_INDX 2\n"
			   "run 5us\n"
			   "guest: read q.CONS_INDX = 2\n"
			   "guest: q <- CMD_SYNC\n"
			   "guest: write q.PROD_INDX 3\n"
			   "run 5us\n"
			   "guest: read q.CONS_INDX = 3\n");
	ck_assert_str_eq(outcome->guest, "CONS 3, no error");
	ck_assert_str_eq(outcome->verdict, "no violation");
	ck_assert_str_eq(outcome->did, "no access after revocation");
	ck_assert_str_eq(outcome->unmapped, "-");
	ck_assert_str_eq(outcome->after, "-");
	ck_assert_str_eq(outcome->depends, "7.3.4");
}
END_TEST

START_TEST(register_reads_are_compared)
{
	differs(PINNED "guest: read q.CONS_INDX = 7\n", "read", "register", "0x7", "0x0");
}
END_TEST

START_TEST(register_that_is_not_mapped_reads_all_ones)
{
	as_expected(PINNED "vmm: munmap($page0, 0x10000) = 0\n"
			   "guest: q <- CMD_SYNC\n"
			   "guest: write q.PROD_INDX 1\n"
			   "run 5us\n"
			   "guest: read q.CONS_INDX = 0xffffffff\n");
	as_expected(GRACE "queue q page0=0x10000 index=0 gpa=0 entries=1\n"
			  "guest: read q.CONS_INDX = 0xffffffff\n");
	/* Memory of the VMM's own is no register. */
	as_expected(GRACE "vmm: mmap(0, 0x10000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, "
			  "-1, 0) = $a\n"
			  "queue q page0=$a index=0 gpa=0 entries=1\n"
			  "guest: write q.PROD_INDX 1\n"
			  "guest: read q.CONS_INDX = 0xffffffff\n");
}
END_TEST

/* Entries wrap at the size that the queue's line gives. */
START_TEST(guest_puts_commands_behind_each_other)
{
	GString *body = g_string_new(PINNED);
	for (unsigned i = 1; i <= 130; i++) {
		/* tegra241-cmdqv 4: PROD has the index and, above it, the wrap flag. */
		g_string_append_printf(body,
				       "guest: q <- TLBI_NH_ASID asid=%u\n"
				       "guest: write q.PROD_INDX 0x%x\n"
				       "run 2us\n"
				       "guest: read q.CONS_INDX = 0x%x\n",
				       i, i % 256, i % 256);
	}
	as_expected(body->str);
	g_string_free(body, TRUE);
}
END_TEST

/* --- faults --- */

/* tegra241-cmdqv 4.2: ERR 2 (ABT) in bits 30:24, CONS at the command. */
START_TEST(command_fetch_can_be_aborted)
{
	as_expected(PINNED "fault port=smmu access=command-fetch nth=2 action=abort\n" ONE
			   "run 5us\n"
			   "guest: read q.CONS_INDX = 1\n"
			   "guest: q <- CMD_SYNC\n"
			   "guest: write q.PROD_INDX 2\n"
			   "run 5us\n"
			   "guest: read q.CONS_INDX = 0x2000001\n"
			   "guest: read q.GERROR = 1\n");
	ck_assert_str_eq(outcome->guest, "CONS 1, ERR 2 (ABT)");
}
END_TEST

/* 0x46 becomes 0x47, which is no command. */
START_TEST(command_fetch_can_be_flipped)
{
	as_expected(PINNED "fault port=smmu access=command-fetch nth=1 action=flip\n" ONE
			   "run 5us\n"
			   "guest: read q.CONS_INDX = 0x1000000\n");
}
END_TEST

START_TEST(command_fetch_can_be_late)
{
	as_expected(PINNED "fault port=smmu access=command-fetch nth=1 action=late:20us\n" ONE
			   "run 19us\n"
			   "guest: read q.CONS_INDX = 0\n"
			   "run 5us\n"
			   "guest: read q.CONS_INDX = 1\n");
}
END_TEST

/* smmuv3 6.2. */
START_TEST(walk_and_configuration_can_be_aborted)
{
	as_expected(PINNED "fault port=smmu access=config-fetch nth=1 action=abort\n"
			   "device: dma vfio0 read iova=0x40000000 = fault F_STE_FETCH\n"
			   "fault port=smmu access=table-walk nth=1 action=abort\n"
			   "device: dma vfio0 read iova=0x40000000 = fault F_WALK_EABT\n"
			   "device: dma vfio0 read iova=0x40000000 = ok\n"
			   "device: dma vfio0 read iova=0x50000000 = fault F_TRANSLATION\n");
	differs(PINNED "device: dma vfio0 read iova=0x50000000 = ok\n", "dma", "dma", "ok",
		"fault F_TRANSLATION");
}
END_TEST

START_TEST(device_access_can_be_aborted)
{
	as_expected(PINNED "fault port=smmu access=dma-read action=abort\n"
			   "device: dma vfio0 read iova=0x40000000 = fault\n"
			   "device: dma vfio0 write iova=0x40000000 = ok\n");
}
END_TEST

START_TEST(register_write_can_be_lost)
{
	as_expected(PINNED "fault write=q.PROD_INDX nth=1 action=lose\n" ONE "run 5us\n"
			   "guest: read q.CONS_INDX = 0\n"
			   "guest: write q.PROD_INDX 1\n"
			   "run 5us\n"
			   "guest: read q.CONS_INDX = 1\n");
}
END_TEST

START_TEST(register_write_can_be_late)
{
	as_expected(PINNED "fault write=q.PROD_INDX action=late:10us\n" ONE "run 9us\n"
			   "guest: read q.PROD_INDX = 0\n"
			   "run 6us\n"
			   "guest: read q.CONS_INDX = 1\n");
}
END_TEST

START_TEST(register_that_is_not_mapped_can_not_fail)
{
	differs(PINNED "vmm: munmap($page0, 0x10000) = 0\n"
		       "fault write=q.PROD_INDX action=lose\n",
		"fault", "fault", "a mapped register", "the queue's page is not mapped");
}
END_TEST

/* smmuv3 3.4, tegra241-cmdqv 5: the CMD_SYNC behind a timed-out ATC_INV fails with ERR 3. */
START_TEST(device_can_be_silent)
{
	static const char body[] =
		GRACE "device vfio0 sid=0x10 ats=on\n" VMM "fault device=vfio0 action=silent\n"
		      "guest: q <- ATC_INV sid=0x100 size=52, CMD_SYNC\n"
		      "guest: write q.PROD_INDX 2\n"
		      "run 1s\n"
		      "guest: read q.CONS_INDX = 1\n"
		      "fault device=vfio0 action=answer\n"
		      "run 61s\n"
		      "guest: read q.CONS_INDX = 0x3000001\n";
	as_expected(body);
	as_expected(GRACE "device vfio0 sid=0x10 ats=on\n" VMM "fault device=vfio0 action=silent\n"
			  "fault device=vfio0 action=answer\n"
			  "guest: q <- ATC_INV sid=0x100 size=52, CMD_SYNC\n"
			  "guest: write q.PROD_INDX 2\n"
			  "run 10us\n"
			  "guest: read q.CONS_INDX = 2\n");
}
END_TEST

START_TEST(as_many_faults_fit_as_a_script_may_have)
{
	GString *body = g_string_new(PINNED);
	for (unsigned i = 0; i < 16; i++)
		g_string_append(body, "fault port=smmu access=event-write action=abort\n");
	for (unsigned i = 0; i < 8; i++)
		g_string_append(body, "fault write=q.GERRORN action=lose\n");
	as_expected(body->str);
	g_string_free(body, TRUE);
}
END_TEST

/* --- violations and expectations --- */

#define FREED NO_PIN UNMAP "0\nvmm: munmap($queue, 0x1000) = 0\nguest: write q.PROD_INDX 1\n"

START_TEST(violation_that_nobody_expects_is_told)
{
	differs(FREED, NULL, "use-after-free", "none", "at least one");
	differs(FREED "expect none\n", NULL, "use-after-free", "none", "at least one");
	as_expected(FREED "expect use-after-free\n");
	ck_assert_str_eq(outcome->verdict, "use-after-free");
	ck_assert_str_eq(outcome->unmapped, "0");
	ck_assert_str_eq(outcome->depends, "hw_queue.pin=off [what-if]");
	ck_assert(outcome->found[VIOLATION_USE_AFTER_FREE]);
	ck_assert_uint_eq(outcome->violation_count, 1);
}
END_TEST

START_TEST(violation_that_does_not_happen_is_told)
{
	differs(PINNED UNMAP "-1 EBUSY\nexpect use-after-unmap\n", NULL, "use-after-unmap",
		"at least one", "0");
	ck_assert_str_eq(outcome->unmapped, "EBUSY");
	differs(FREED "expect use-after-free\nexpect foreign-command\n", NULL, "foreign-command",
		"at least one", "0");
}
END_TEST

/* traces/smmuv3/nested.hwq up to WHERE, then REST. */
static void run_nested(const char *where, const char *rest)
{
	char *text = NULL;
	ck_assert(
		g_file_get_contents(HWQ_SOURCE_DIR "/traces/smmuv3/nested.hwq", &text, NULL, NULL));
	char *end = strstr(text, where), *body = strchr(text, '\n') + 1;
	ck_assert_ptr_nonnull(end);
	*end = 0;
	body = g_strconcat(body, rest, NULL);
	run(body);
	g_free(body);
	g_free(text);
}

#define NO_FLUSH_UNMAP                                                                          \
	"kernel unmap.flush=none\n"                                                             \
	"vmm: ioctl($fd, IOMMU_IOAS_UNMAP, {ioas_id=$ioas, iova=0x40002000, length=0x2000}) = " \
	"0\n"

/* The guest's stage 1 leads from 0x3000 to 0x40003000. */
START_TEST(violation_of_nested_tables_has_the_ipa)
{
	run_nested("# Nothing there", NO_FLUSH_UNMAP "device: dma vfio0 read iova=0x3008 = ok\n");
	ck_assert_uint_eq(outcome->violations->len, 1);
	const struct found_violation *found = outcome->violations->pdata[0];
	ck_assert_uint_eq(found->input, 0x3008);
	ck_assert(found->has_ipa);
	ck_assert_uint_eq(found->ipa, 0x40003008);
	char *text = report();
	ck_assert_msg(strstr(text, ", for 0x3008, IPA 0x40003008\n") != NULL, "%s", text);
	free(text);
}
END_TEST

START_TEST(violation_of_one_stage_has_no_ipa)
{
	run(PINNED "kernel unmap.flush=none\n" DESTROY
		   "device: dma vfio0 read iova=0x40000000 = ok\n"
		   "vmm: ioctl($fd, IOMMU_IOAS_MAP, {flags=7, ioas_id=$ioas, user_va=$queue, "
		   "length=0x1000, iova=0x50000000}) = 0\n" UNMAP "0\n"
		   "vmm: ioctl($fd, IOMMU_IOAS_UNMAP, {ioas_id=$ioas, iova=0x50000000, "
		   "length=0x1000}) = 0\n"
		   "device: dma vfio0 read iova=0x40000000 = ok\n");
	ck_assert_msg(outcome->violations->len == 1, "%s", differences());
	const struct found_violation *found = outcome->violations->pdata[0];
	ck_assert(found->has_input && !found->has_ipa);
}
END_TEST

/* smmuv3 9.5: what the guest's own tables fault with, and no fault of stage 2. */
START_TEST(guest_without_a_queue_sees_its_events)
{
	run_nested("device: dma vfio0 read iova=0x2000 = ok", "");
	ck_assert_str_eq(outcome->guest, "-");
	run_nested("# Nothing there", "device: dma vfio0 read iova=0x5000 = fault F_TRANSLATION\n");
	ck_assert_str_eq(outcome->guest, "-");
	run_nested("run 10us", "");
	ck_assert_str_eq(outcome->guest, "1 event, F_TRANSLATION");
	run_nested("expect none", "");
	ck_assert_str_eq(outcome->guest, "2 events, first F_TRANSLATION");
	char *text = report();
	ck_assert_msg(strstr(text, "tells the guest of F_TRANSLATION\n") != NULL, "%s", text);
	free(text);
}
END_TEST

START_TEST(guest_sees_that_events_are_lost)
{
	GString *rest = g_string_new(NULL);
	for (unsigned i = 0; i < 18; i++)
		g_string_append_printf(rest,
				       "device: dma vfio0 read iova=0x%x000 = fault\nrun 9us\n",
				       0x80000 + i);
	run_nested("# Nothing there", rest->str);
	ck_assert_str_eq(outcome->guest, "18 events, first F_TRANSLATION, 2 lost");
	g_string_free(rest, TRUE);
}
END_TEST

START_TEST(violation_has_its_story)
{
	static const char body[] = FREED "expect use-after-free\n";
	as_expected(body);
	ck_assert_uint_eq(outcome->violations->len, 1);
	const struct found_violation *found = outcome->violations->pdata[0];
	ck_assert_str_eq(found->queue, "VINTF1 LVCMDQ0");
	ck_assert(found->is_command && !found->write && found->revoked);
	ck_assert_str_eq(found->owner_then, "vmm");
	ck_assert_str_eq(found->owner_now, "nobody");
	ck_assert_uint_eq(found->revoked_line, line_of(body, "IOMMU_IOAS_UNMAP"));
	ck_assert_str_eq(found->revoked_by, "IOMMU_IOAS_UNMAP 0x40000000+0x1000 = 0");
	ck_assert_uint_eq(found->base_line, line_of(body, "IOMMU_HW_QUEUE_ALLOC"));
	ck_assert_uint_eq(found->frame_events->len, 1);
	const struct frame_event *event = found->frame_events->pdata[0];
	ck_assert_str_eq(event->what, "freed");
	ck_assert_uint_eq(event->line, line_of(body, "munmap"));
	ck_assert(found->revoking_ps < found->revoked_ps && found->revoked_ps < found->time_ps);
}
END_TEST

#define STALE                                                                                 \
	GRACE "kernel hw_queue.pin=off\nkernel unmap.flush=none\ndevice vfio0 sid=0x10\n" VMM \
	      "device: dma vfio0 read iova=0x40000000 = ok\n" UNMAP "0\n"                     \
	      "device: dma vfio0 read iova=0x40000000 = ok\n"                                 \
	      "device: dma vfio0 write iova=0x40000008 = ok\n"                                \
	      "device: dma vfio0 read iova=0x40000010 = ok\n"

START_TEST(violations_are_counted)
{
	as_expected(STALE "expect stale-iotlb count=3\n");
	differs(STALE "expect stale-iotlb count=2\n", NULL, "stale-iotlb", "2", "3");
	differs(STALE "expect stale-iotlb count=4\n", NULL, "stale-iotlb", "4", "3");
}
END_TEST

/* The engine's last write of CONS lands in what has become a page table of the same domain. */
static const char overwritten_table[] =
	"profile grace\n"
	"kernel hw_queue.pin=off\n"
	"kernel cmdqv.cons_dram=on\n"
	"kernel unmap.flush=none\n"
	"device vfio0 sid=0x10\n"
	"vmm: open(\"/dev/iommu\", 0x2) = $fd\n"
	"vmm: open(\"/dev/vfio/devices/vfio0\", 0x2) = $vfio\n"
	"vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = $queue\n"
	"vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = $data\n"
	"vmm: ioctl($fd, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => $ioas}) = 0\n"
	"vmm: ioctl($vfio, VFIO_DEVICE_BIND_IOMMUFD, {argsz=24, iommufd=$fd, out_devid=0 => $dev}) "
	"= 0\n"
	"vmm: ioctl($fd, IOMMU_HWPT_ALLOC, {flags=1, dev_id=$dev, pt_id=$ioas, out_hwpt_id=0 => "
	"$hwpt}) = 0\n"
	"vmm: ioctl($vfio, VFIO_DEVICE_ATTACH_IOMMUFD_PT, {argsz=12, pt_id=$hwpt}) = 0\n"
	"vmm: ioctl($fd, IOMMU_VIOMMU_ALLOC, {type=2, dev_id=$dev, hwpt_id=$hwpt, out_viommu_id=0 "
	"=> $viommu, data_len=16, data_uptr=$data}) = 0\n"
	"vmm: ioctl($fd, IOMMU_VDEVICE_ALLOC, {viommu_id=$viommu, dev_id=$dev, virt_id=0x100}) = "
	"0\n"
	"vmm: mmap(0, 0x10000, PROT_READ|PROT_WRITE, MAP_SHARED, $fd, 0x1000) = $page0\n"
	"vmm: ioctl($fd, IOMMU_IOAS_MAP, {flags=7, ioas_id=$ioas, user_va=$queue, length=0x1000, "
	"iova=0x40000000}) = 0\n"
	"vmm: ioctl($fd, IOMMU_HW_QUEUE_ALLOC, {viommu_id=$viommu, type=1, index=0, "
	"out_hw_queue_id=0 => $hwq, nesting_parent_iova=0x40000000, length=0x800}) = 0\n"
	"ram gpa=0x40000000 va=$queue length=0x1000\n"
	"queue vcmdq0 page0=$page0 index=0 gpa=0x40000000 entries=128\n"
	"guest: write vcmdq0.CONFIG 1\n"
	"guest: vcmdq0 <- TLBI_NH_VA asid=1 va=0x1000, TLBI_NH_VA asid=1 va=0x1000, TLBI_NH_VA "
	"asid=1 va=0x1000, TLBI_NH_VA asid=1 va=0x1000\n"
	"guest: write vcmdq0.PROD_INDX 4\n"
	"run 450ns\n"
	"vmm: ioctl($fd, IOMMU_IOAS_UNMAP, {ioas_id=$ioas, iova=0x40000000, length=0x1000}) = 0\n"
	"vmm: munmap($queue, 0x1000) = 0\n"
	"vmm: ioctl($fd, IOMMU_IOAS_MAP, {flags=7, ioas_id=$ioas, user_va=$data, length=0x1000, "
	"iova=0xbfe01000}) = 0\n"
	"run 5us\n"
	"vmm: ioctl($fd, IOMMU_IOAS_UNMAP, {ioas_id=$ioas, iova=0xbfe01000, length=0x1000}) = 0\n";

START_TEST(table_that_dma_has_overwritten_is_not_followed)
{
	differs(overwritten_table, NULL, "foreign-write", "none", "at least one");
	ck_assert_str_eq(outcome->verdict, "foreign-write");
}
END_TEST

START_TEST(violations_have_an_engine)
{
	as_expected(STALE "expect stale-iotlb engine=vfio0\n");
	run(STALE "expect stale-iotlb engine=q\n");
	ck_assert_uint_eq(outcome->differences->len, 2);
	assert_difference(0, 0, "stale-iotlb", "at least one", "0");
	assert_difference(1, 0, "stale-iotlb", "none", "at least one");
	as_expected(FREED "expect use-after-free engine=q count=1\n");
	run(FREED "expect use-after-free engine=vfio0\n");
	ck_assert_uint_eq(outcome->differences->len, 2);
	as_expected(STALE "expect stale-iotlb engine=vfio0\nexpect stale-iotlb count=3\n");
}
END_TEST

/* Of two queues, the one that did it. */
START_TEST(expected_queue_is_the_one_that_did_it)
{
	static const char two[] = NO_PIN
		"vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = $r\n"
		"vmm: ioctl($fd, IOMMU_IOAS_MAP, {flags=7, ioas_id=$ioas, user_va=$r, "
		"length=0x1000, iova=0x50000000}) = 0\n"
		"vmm: ioctl($fd, IOMMU_HW_QUEUE_ALLOC, {viommu_id=$viommu, type=1, index=1, "
		"out_hw_queue_id=0 => $hwq1, nesting_parent_iova=0x50000000, length=0x800}) = 0\n"
		"queue r page0=$page0 index=1 gpa=0x50000000 entries=128\n" UNMAP
		"0\nguest: write q.PROD_INDX 1\n";
	for (int i = 0; i < 2; i++) {
		char *body = g_strconcat(two, "expect use-after-unmap engine=", i == 0 ? "q" : "r",
					 "\n", NULL);
		run(body);
		ck_assert_msg(outcome->as_expected == (i == 0), "%s", differences());
		g_free(body);
	}
}
END_TEST

/* --- the host --- */

START_TEST(host_is_refused_pinned_pages)
{
	as_expected(PINNED "host: migrate vmm $queue = -1 EBUSY\n"
			   "host: reclaim vmm $queue = -1 EBUSY\n");
	differs(PINNED "host: migrate vmm $queue = 0\n", "host", "migrate", "0", "-1 EBUSY");
	differs(PINNED "host: reclaim vmm $queue = 0\n", "host", "reclaim", "0", "-1 EBUSY");
}
END_TEST

START_TEST(host_takes_what_is_there)
{
	as_expected(
		"vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = "
		"$a\n"
		"host: reclaim vmm $a = -1 EFAULT\n"
		"host: migrate vmm $a = -1 EFAULT\n"
		"vmm: store $a bytes \"00\"\n"
		"host: migrate vmm $a = 0\n"
		"host: reclaim vmm $a = 0\n"
		"host: migrate vmm $a = -1 EFAULT\n"
		"other: close(9) = -1 EBADF\n"
		"host: migrate other $a = -1 EFAULT\n");
}
END_TEST

/* The frame goes to the next that asks; the queue, which nobody told, reads on there. */
START_TEST(frame_of_a_reclaimed_page_is_another_s)
{
	as_expected(
		NO_PIN UNMAP
		"0\n"
		"host: reclaim vmm $queue = 0\n"
		"other: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = "
		"$theirs\n"
		"other: store $theirs commands TLBI_NH_ASID asid=0x51, CMD_SYNC\n"
		"guest: write q.PROD_INDX 2\n"
		"expect foreign-command engine=q\n");
	const struct found_violation *found = outcome->violations->pdata[0];
	ck_assert_str_eq(found->owner_then, "vmm");
	ck_assert_str_eq(found->owner_now, "other");
	ck_assert_str_eq(found->bytes_of, "other");
}
END_TEST

/* --- bare hardware, from an image --- */

#define IMAGE_AT 0x40000000ULL
#define EHDR     64U
#define PHDR     56U

static void put(GByteArray *to, size_t offset, uint64_t value, unsigned width)
{
	if (to->len < offset + width) {
		guint old = to->len;
		g_byte_array_set_size(to, (guint)(offset + width));
		memset(to->data + old, 0, to->len - old);
	}
	for (unsigned i = 0; i < width; i++)
		to->data[offset + i] = (uint8_t)(value >> (8 * i));
}

/* Stream table in page 0, a walk of four levels in pages 1 to 4 (smmuv3 4.2, 5). */
static void put_tables(GByteArray *to, size_t at)
{
	put(to, at + 64, 0x9, 8);                 /* STE 1: bypass */
	put(to, at + 128, 0xd, 8);                /* STE 2: stage 2 */
	put(to, at + 144, 0x044d359000000001, 8); /* VMID 1, T0SZ 16, SL0 2, PS 48 bits, ... */
	put(to, at + 152, IMAGE_AT + 0x1000, 8);
	put(to, at + 192, 0x1, 8); /* STE 3: abort */
	for (uint64_t level = 1; level < 4; level++)
		put(to, at + level * 0x1000, (IMAGE_AT + (level + 1) * 0x1000) | 3, 8);
	put(to, at + 0x4008, 0x4000977f, 8); /* page 1: read only */
	put(to, at + 0x4010, 0x4000a7ff, 8); /* page 2: read, write */
	put(to, at + 0x4ff8, 0, 8);
}

static char *write_core(void)
{
	static const unsigned char ident[16] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1};
	GByteArray *core = g_byte_array_new();
	char *file = g_build_filename(folder, "x.core", NULL);
	g_byte_array_append(core, ident, sizeof(ident));
	put(core, 16, ET_CORE, 2);
	put(core, 18, EM_AARCH64, 2);
	put(core, 20, 1, 4);
	put(core, 32, EHDR, 8);
	put(core, 52, EHDR, 2);
	put(core, 54, PHDR, 2);
	put(core, 56, 1, 2);
	put(core, EHDR, PT_LOAD, 4);
	put(core, EHDR + 8, EHDR + PHDR, 8);
	put(core, EHDR + 24, IMAGE_AT, 8);
	put(core, EHDR + 32, 0x5000, 8);
	put(core, EHDR + 40, 0x10000, 8);
	put(core, EHDR + 48, 0, 8);
	put_tables(core, EHDR + PHDR);
	ck_assert(g_file_set_contents(file, (const char *)core->data, core->len, NULL));
	g_byte_array_free(core, TRUE);
	return file;
}

#define BARE                                       \
	"profile grace bare\n"                     \
	"load core x.core\n"                       \
	"mmio write smmu.STRTAB_BASE 0x40000000\n" \
	"mmio write smmu.STRTAB_BASE_CFG 2\n"      \
	"mmio read smmu.CR0 = 0\n"                 \
	"mmio write smmu+0x20 1\n"                 \
	"mmio read smmu.CR0ACK = 1\n"

START_TEST(bare_hardware_translates_by_an_image)
{
	char *file = write_core();
	as_expected(BARE "translate sid=1 iova=0x1234 write = 0x1234\n"
			 "translate sid=2 iova=0x1234 read = 0x40009234\n"
			 "translate sid=2 iova=0x1234 read = ok\n"
			 "translate sid=2 iova=0x1234 write = fault F_PERMISSION\n"
			 "translate sid=2 iova=0x2ff8 write = 0x4000aff8\n"
			 "translate sid=2 iova=0x3000 read = fault F_TRANSLATION\n"
			 "translate sid=2 iova=0x3000 read = fault\n"
			 "translate sid=0 iova=0x1000 read = fault C_BAD_STE\n"
			 "translate sid=3 iova=0x1000 read = fault\n"
			 "translate sid=4 iova=0x1000 read = fault\n"
			 "device: dma sid=2 read iova=0x1238 = 0x40009238\n"
			 "device: dma sid=2 write iova=0x1238 = fault F_PERMISSION\n"
			 "device: dma sid=4 read iova=0x1000 = fault\n");
	g_remove(file);
	g_free(file);
}
END_TEST

START_TEST(translations_are_compared)
{
	char *file = write_core();
	differs(BARE "translate sid=2 iova=0x1000 read = 0x40008000\n", "translate", "translation",
		"ok at PA 0x40008000", "ok at PA 0x40009000");
	differs(BARE "translate sid=2 iova=0x1000 read = fault\n", "translate", "translation",
		"fault, no event", "ok at PA 0x40009000");
	differs(BARE "translate sid=2 iova=0x3000 read = ok\n", "translate", "translation", "ok",
		"fault F_TRANSLATION");
	differs(BARE "translate sid=2 iova=0x3000 read = fault F_PERMISSION\n", "translate",
		"translation", "fault F_PERMISSION", "fault F_TRANSLATION");
	differs(BARE "translate sid=3 iova=0x3000 read = fault C_BAD_STE\n", "translate",
		"translation", "fault C_BAD_STE", "fault, no event");
	differs(BARE "mmio read smmu.CR0 = 9\n", "mmio", "smmu.CR0", "0x9", "0x1");
	g_remove(file);
	g_free(file);
}
END_TEST

START_TEST(image_without_room_is_told)
{
	char *file = write_core();
	differs("load core x.core\nload core x.core\n", "load", "load", "room beside RAM", "none");
	g_remove(file);
	g_free(file);
}
END_TEST

/* --- options --- */

START_TEST(options_change_from_their_line_on)
{
	as_expected(PINNED UNMAP
		    "-1 EBUSY\n" DESTROY "kernel hw_queue.pin=off\n"
		    "vmm: ioctl($fd, IOMMU_HW_QUEUE_ALLOC, {viommu_id=$viommu, type=1, "
		    "index=0, out_hw_queue_id=0 => $hwq, nesting_parent_iova=0x40000000, "
		    "length=0x800}) = 0\n" UNMAP "0\n");
	ck_assert_str_eq(outcome->kernel, "hw_queue.pin=off [what-if]");
}
END_TEST

START_TEST(command_line_overrides_kernel_lines)
{
	static const char *const kernel[] = {"hw_queue.pin=driver", NULL};
	as_expected(NO_PIN UNMAP "0\n");
	options.kernel = kernel;
	as_expected(NO_PIN UNMAP "-1 EBUSY\n");
	ck_assert_str_eq(outcome->kernel, "7.3.4");
	static const char *const off[] = {"hw_queue.pin=off", NULL};
	options.kernel = off;
	as_expected(PINNED UNMAP "0\n");
	ck_assert_str_eq(outcome->depends, "hw_queue.pin=off [what-if]");
}
END_TEST

/* Of what the driver decides once, when it finds the hardware. */
START_TEST(kernel_lines_before_all_else_hold_at_the_probe)
{
	static const char later[] = "device vfio0 sid=0x10\nkernel cmdqv.disable_cmdqv=on\n";
	static const char off[] = "mmio read cmdqv+0x0 = 0x20082\n";
	static const char on[] = "mmio read cmdqv+0x0 = 0x20083\n";
	char *before = g_strconcat(GRACE "kernel unmap.flush=none\n"
					 "kernel cmdqv.disable_cmdqv=on\n",
				   off, NULL);
	char *after = g_strconcat(GRACE, later, on, NULL);
	as_expected(before);
	as_expected(after);
	g_free(before);
	g_free(after);
}
END_TEST

/* tegra241-cmdqv 7.1: what becomes of CS in a guest's CMD_SYNC is assumed. */
START_TEST(command_line_overrides_assumptions)
{
	static const char *const hardware[] = {"cmdqv.guest_sync_cs=as-none", NULL};
	static const char body[] = PINNED "guest: q <- CMD_SYNC cs=1\n"
					  "guest: write q.PROD_INDX 1\n"
					  "run 5us\n";
	char *stops = g_strconcat(body, "guest: read q.CONS_INDX = 0x1000000\n", NULL);
	char *runs = g_strconcat(body, "guest: read q.CONS_INDX = 1\n", NULL);
	as_expected(stops);
	options.hardware = hardware;
	as_expected(runs);
	ck_assert_str_eq(outcome->depends, "7.3.4; cmdqv.guest_sync_cs=as-none [not excluded]");
	g_free(stops);
	g_free(runs);
}
END_TEST

/* --- what a verdict hangs on --- */

#define BUSY                                                                       \
	PINNED "fault port=smmu access=command-fetch nth=1 action=late:20us\n" ONE \
	       "run 1us\n" DESTROY UNMAP "0\nvmm: munmap($queue, 0x1000) = 0\n"

START_TEST(sweep_finds_what_a_verdict_hangs_on)
{
	as_expected(BUSY);
	experiment_sweep(script, outcome, &machine);
	const struct other_value *other = outcome_hangs_on(outcome, 0);
	ck_assert_ptr_nonnull(other);
	ck_assert_str_eq(other->option->key, "cmdqv.stop_ack");
	ck_assert_str_eq(other->option->values[other->value].name, "drained");
	ck_assert_str_eq(other->option->values[other->another].name, "early");
	ck_assert_str_eq(other->verdict, "use-after-free");
	ck_assert(other->changed);
	ck_assert_ptr_null(outcome_hangs_on(outcome, 1));
	ck_assert_str_eq(outcome->verdict, "no violation");
}
END_TEST

START_TEST(sweep_tries_only_what_was_consulted)
{
	as_expected(PINNED ONE);
	experiment_sweep(script, outcome, &machine);
	ck_assert_ptr_null(outcome_hangs_on(outcome, 0));
	ck_assert_uint_gt(outcome->other_values->len, 0);
	for (guint i = 0; i < outcome->other_values->len; i++) {
		const struct other_value *other = outcome->other_values->pdata[i];
		ptrdiff_t option = other->option - script->platform->assumptions;
		ck_assert(outcome->consulted[option]);
		ck_assert_uint_ne(other->value, other->another);
		ck_assert(!other->changed);
		ck_assert_str_eq(other->verdict, outcome->verdict);
	}
}
END_TEST

START_TEST(sweep_goes_on_from_what_was_chosen)
{
	as_expected("profile grace\nhardware cmdqv.stop_ack=early\ndevice vfio0 sid=0x10\n" VMM
		    "fault port=smmu access=command-fetch nth=1 action=late:20us\n" ONE
		    "run 1us\n" DESTROY UNMAP "0\nvmm: munmap($queue, 0x1000) = 0\n"
		    "expect use-after-free\n");
	experiment_sweep(script, outcome, &machine);
	const struct other_value *other = outcome_hangs_on(outcome, 0);
	ck_assert_ptr_nonnull(other);
	ck_assert_str_eq(other->option->key, "cmdqv.stop_ack");
	ck_assert_str_eq(other->option->values[other->another].name, "drained");
	ck_assert_str_eq(other->verdict, "no violation");
}
END_TEST

START_TEST(sweep_is_not_undone_by_a_line_that_comes_later)
{
	as_expected("profile grace\ndevice vfio0 sid=0x10\n" VMM
		    "fault port=smmu access=command-fetch nth=1 action=late:20us\n" ONE
		    "run 1us\nhardware cmdqv.stop_ack=early\n" DESTROY UNMAP
		    "0\nvmm: munmap($queue, 0x1000) = 0\nexpect use-after-free\n");
	experiment_sweep(script, outcome, &machine);
	const struct other_value *other = outcome_hangs_on(outcome, 0);
	ck_assert_ptr_nonnull(other);
	ck_assert_str_eq(other->option->key, "cmdqv.stop_ack");
	ck_assert_str_eq(other->verdict, "no violation");
}
END_TEST

START_TEST(sweep_without_hardware_does_nothing)
{
	as_expected("vmm: close(9) = -1 EBADF\n");
	experiment_sweep(script, outcome, &machine);
	ck_assert_uint_eq(outcome->other_values->len, 0);
}
END_TEST

/* --- the same again --- */

/* Twice on machines renewed in place, then with each step undone and done again. */
static void assert_repeatable(void)
{
	run_parsed(false);
	char *first = report(), *verdict = g_strdup(outcome->verdict);
	for (int round = 0; round < 3; round++) {
		run_parsed(round > 0);
		char *again = report();
		ck_assert_str_eq(again, first);
		ck_assert_str_eq(outcome->verdict, verdict);
		free(again);
	}
	free(first);
	g_free(verdict);
}

/* From a saved machine, again and again, each outcome is that of a fresh one. */
static void assert_resumable(void)
{
	const struct experiment_options how = {.other_option = -1};
	struct experiment_point *point = experiment_set_up(script, &machine);
	ck_assert_ptr_nonnull(point);
	for (unsigned i = 0; i < 3; i++) {
		struct outcome *resumed = experiment_resume(point, &how);
		ck_assert_str_eq(resumed->verdict, outcome->verdict);
		ck_assert_str_eq(resumed->did, outcome->did);
		ck_assert_str_eq(resumed->guest, outcome->guest);
		ck_assert_str_eq(resumed->unmapped, outcome->unmapped);
		ck_assert_str_eq(resumed->after, outcome->after);
		ck_assert_str_eq(resumed->depends, outcome->depends);
		ck_assert_uint_eq(resumed->violation_count, outcome->violation_count);
		ck_assert(resumed->as_expected);
		outcome_free(resumed);
	}
	experiment_point_free(point);
}

/* A timed line starts beside the call before it: that call is no set-up. */
START_TEST(calls_that_a_line_starts_beside_are_not_set_up)
{
	as_expected(GRACE "device vfio0 sid=0x10\n" OPEN_
			  "after 10ns vmm.2: close(9) = -1 EBADF\n");
	assert_resumable();
}
END_TEST

START_TEST(set_up_that_fails_is_no_point_to_go_on_from)
{
	parse(GRACE "vmm: close(9) = 0\n");
	ck_assert_ptr_null(experiment_set_up(script, &machine));
	parse("vmm: close(9) = -1 EBADF\n");
	ck_assert_ptr_null(experiment_set_up(script, &machine));
}
END_TEST

static void repeat_folder(const char *name)
{
	char *at = g_build_filename(HWQ_SOURCE_DIR, "traces", name, NULL);
	DIR *dir = opendir(at);
	struct dirent *entry;
	unsigned files = 0;
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (!g_str_has_suffix(entry->d_name, ".hwq"))
			continue;
		char *file = g_build_filename(at, entry->d_name, NULL);
		parse_file(file);
		assert_repeatable();
		ck_assert_msg(outcome->as_expected, "%s: %s", file, differences());
		if (!script->bare)
			assert_resumable();
		g_free(file);
		files++;
	}
	ck_assert_uint_gt(files, 0);
	closedir(dir);
	g_free(at);
}

START_TEST(shipped_scenarios_repeat_to_the_letter)
{
	repeat_folder("flagship");
	repeat_folder("vcmdq");
}
END_TEST

START_TEST(experiments_with_differences_repeat)
{
	parse(STALE "vmm: close(9) = 0\nvmm: fork() = $c\nvmm: waitpid($c, 0, 0) = $c\n"
		    "expect use-after-free count=3\n");
	assert_repeatable();
	ck_assert(!outcome->as_expected);
}
END_TEST

/* Frames of 16 pages that other freed one by one: which the queue's page gets is chance. */
static char *shuffled(void)
{
	GString *body = g_string_new("memory reuse=random\n" GRACE "device vfio0 sid=0x10\n");
	for (unsigned i = 0; i < 16; i++)
		g_string_append_printf(body,
				       "other: mmap(0, 0x1000, PROT_READ|PROT_WRITE, "
				       "MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = $p%u\n"
				       "other: store $p%u bytes \"01\"\n",
				       i, i);
	for (unsigned i = 0; i < 16; i++)
		g_string_append_printf(body, "other: munmap($p%u, 0x1000) = 0\n", i);
	g_string_append(body, VMM ONE);
	return g_string_free(body, FALSE);
}

START_TEST(seed_decides_which_frame_is_handed_out)
{
	char *body = shuffled();
	char *first = NULL;
	unsigned others = 0;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		options.seed = seed;
		parse(body);
		assert_repeatable();
		char *text = report();
		if (first == NULL)
			first = g_strdup(text);
		others += strcmp(first, text) != 0;
		free(text);
	}
	ck_assert_uint_gt(others, 3);
	g_free(first);
	g_free(body);
}
END_TEST

/* What a call made of itself is told before the next line is. */
START_TEST(steps_undone_change_no_order)
{
	parse("vmm: open(\"/dev/iommu\", 2) = 3\n"
	      "run 1us\n"
	      "vmm: ioctl(3, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => $ioas}) = 5\n"
	      "at 0ns vmm: close(3) = 0\n");
	assert_repeatable();
}
END_TEST

/* --- not met: each of these ends the program --- */

/* However early the emulator's memory ends: it is told, and the next experiment is as ever. */
START_TEST(end_of_the_emulators_memory_is_told)
{
	parse(FREED "expect use-after-free\n");
	run_parsed(false);
	size_t used = arena_used(machine->arena);
	unsigned ended = 0;
	for (int i = 1; i <= 12; i++) {
		machine_free(machine);
		machine = new_machine(used * (unsigned)(i + 12) / 24);
		run_parsed(false);
		if (outcome->as_expected)
			continue;
		ended++;
		const struct difference_line *line = outcome->differences->pdata[0];
		ck_assert_msg(strcmp(line->what, "memory of the emulator") == 0, "%s",
			      differences());
	}
	ck_assert_uint_gt(ended, 0);
}
END_TEST

START_TEST(process_that_exited_does_nothing_more)
{
	run("vmm: mmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = $a\n"
	    "vmm: exit(0) = ?\n"
	    "vmm: store $a bytes \"00\"\n"
	    "host: reclaim vmm $a = -1 EFAULT\n"
	    "vmm: close(3) = -1 EBADF\n");
	ck_assert(!outcome->as_expected);
}
END_TEST

START_TEST(tabs_are_blanks)
{
	as_expected("vmm:\tmmap(0, 0x1000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) "
		    "= $a\nvmm:\tstore\t$a\tbytes\t\"00\"\n");
}
END_TEST

START_TEST(many_devices_are_made)
{
	GString *body = g_string_new(GRACE);
	for (unsigned i = 0; i < 20; i++)
		g_string_append_printf(body, "device d%u sid=%u\n", i, i);
	run(body->str);
	g_string_free(body, TRUE);
}
END_TEST

/* 2^64 ps are 213 days. */
START_TEST(time_that_ends_is_told)
{
	run(PINNED ONE "run 1000000s\nrun 1000000s\nrun 1000000s\nrun 1000000s\n"
		       "run 1000000s\nrun 1000000s\n"
		       "fault write=q.PROD_INDX action=late:1000000s\n"
		       "guest: write q.PROD_INDX 1\n");
	ck_assert(!outcome->as_expected);
}
END_TEST

static void add_call_tests(Suite *s)
{
	TCase *tcase = tcase_create("calls");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, results_are_compared);
	tcase_add_test(tcase, difference_names_the_rule_of_the_refusal);
	tcase_add_test(tcase, refusal_names_the_cause_that_applied);
	tcase_add_test(tcase, all_differences_are_told);
	tcase_add_test(tcase, names_carry_values);
	tcase_add_test(tcase, name_may_get_a_new_value);
	tcase_add_test(tcase, name_without_a_value_ends_the_experiment);
	tcase_add_test(tcase, descriptors_belong_to_a_process);
	tcase_add_test(tcase, fork_takes_no_actor);
	tcase_add_test(tcase, fields_after_a_call_are_compared);
	tcase_add_test(tcase, bytes_behind_pointers_are_compared);
	tcase_add_test(tcase, read_bytes_are_compared);
	tcase_add_test(tcase, read_bytes_are_shown_whole_or_not_at_all);
	tcase_add_test(tcase, store_past_its_mapping_is_a_signal);
	tcase_add_test(tcase, guests_store_that_goes_nowhere_says_so);
	tcase_add_test(tcase, numbers_are_added_to_names);
	tcase_add_test(tcase, long_store_is_counted_in_the_story);
	tcase_add_test(tcase, ready_events_are_compared);
	tcase_add_test(tcase, sleeping_call_is_woken_by_a_later_line);
	tcase_add_test(tcase, lines_start_at_their_instants);
	tcase_add_test(tcase, past_instants_end_the_experiment);
	tcase_add_test(tcase, lines_run_beside_a_call_that_is_held);
	tcase_add_test(tcase, delay_that_no_call_passes_is_told);
	tcase_add_test(tcase, delay_ends_where_the_next_begins);
	tcase_add_test(tcase, too_many_calls_at_once_end_the_experiment);
	suite_add_tcase(s, tcase);
}

static void add_hardware_tests(Suite *s)
{
	TCase *tcase = tcase_create("hardware");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, guest_runs_commands);
	tcase_add_test(tcase, register_reads_are_compared);
	tcase_add_test(tcase, register_that_is_not_mapped_reads_all_ones);
	tcase_add_test(tcase, guest_puts_commands_behind_each_other);
	tcase_add_test(tcase, command_fetch_can_be_aborted);
	tcase_add_test(tcase, command_fetch_can_be_flipped);
	tcase_add_test(tcase, command_fetch_can_be_late);
	tcase_add_test(tcase, walk_and_configuration_can_be_aborted);
	tcase_add_test(tcase, register_write_can_be_lost);
	tcase_add_test(tcase, register_write_can_be_late);
	tcase_add_test(tcase, register_that_is_not_mapped_can_not_fail);
	tcase_add_test(tcase, device_can_be_silent);
	tcase_add_test(tcase, as_many_faults_fit_as_a_script_may_have);
	tcase_add_test(tcase, bare_hardware_translates_by_an_image);
	tcase_add_test(tcase, translations_are_compared);
	tcase_add_test(tcase, image_without_room_is_told);
	suite_add_tcase(s, tcase);
}

static void add_verdict_tests(Suite *s)
{
	TCase *tcase = tcase_create("verdicts");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, violation_that_nobody_expects_is_told);
	tcase_add_test(tcase, violation_that_does_not_happen_is_told);
	tcase_add_test(tcase, violation_of_nested_tables_has_the_ipa);
	tcase_add_test(tcase, violation_of_one_stage_has_no_ipa);
	tcase_add_test(tcase, guest_without_a_queue_sees_its_events);
	tcase_add_test(tcase, guest_sees_that_events_are_lost);
	tcase_add_test(tcase, violation_has_its_story);
	tcase_add_test(tcase, violations_are_counted);
	tcase_add_test(tcase, table_that_dma_has_overwritten_is_not_followed);
	tcase_add_test(tcase, violations_have_an_engine);
	tcase_add_test(tcase, expected_queue_is_the_one_that_did_it);
	tcase_add_test(tcase, host_is_refused_pinned_pages);
	tcase_add_test(tcase, host_takes_what_is_there);
	tcase_add_test(tcase, frame_of_a_reclaimed_page_is_another_s);
	tcase_add_test(tcase, options_change_from_their_line_on);
	tcase_add_test(tcase, command_line_overrides_kernel_lines);
	tcase_add_test(tcase, kernel_lines_before_all_else_hold_at_the_probe);
	tcase_add_test(tcase, command_line_overrides_assumptions);
	tcase_add_test(tcase, sweep_finds_what_a_verdict_hangs_on);
	tcase_add_test(tcase, sweep_tries_only_what_was_consulted);
	tcase_add_test(tcase, sweep_goes_on_from_what_was_chosen);
	tcase_add_test(tcase, sweep_is_not_undone_by_a_line_that_comes_later);
	tcase_add_test(tcase, sweep_without_hardware_does_nothing);
	suite_add_tcase(s, tcase);
}

static Suite *suite(void)
{
	Suite *s = suite_create("experiment");
	add_call_tests(s);
	add_hardware_tests(s);
	add_verdict_tests(s);
	TCase *tcase = tcase_create("again");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, shipped_scenarios_repeat_to_the_letter);
	tcase_add_test(tcase, calls_that_a_line_starts_beside_are_not_set_up);
	tcase_add_test(tcase, set_up_that_fails_is_no_point_to_go_on_from);
	tcase_add_test(tcase, experiments_with_differences_repeat);
	tcase_add_test(tcase, seed_decides_which_frame_is_handed_out);
	tcase_add_test(tcase, device_access_can_be_aborted);
	tcase_add_test(tcase, steps_undone_change_no_order);
	tcase_add_test(tcase, end_of_the_emulators_memory_is_told);
	tcase_add_test(tcase, process_that_exited_does_nothing_more);
	tcase_add_test(tcase, tabs_are_blanks);
	tcase_add_test(tcase, many_devices_are_made);
	tcase_add_test(tcase, time_that_ends_is_told);
	suite_add_tcase(s, tcase);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
