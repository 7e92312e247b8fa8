// SPDX-License-Identifier: Apache-2.0
/* Scenarios as text: what each line becomes, and how each kind of wrong line is refused. */
#include <check.h>
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "kernel_shim/options.h"
#include "models/nvidia_vcmdq/assumptions.h"
#include "tests/kit/run.h"
#include "tools/runner/builtin_profiles.h"
#include "tools/runner/script.h"

#define HEADER "# hwq-scenario 1\n"
#define GRACE  "profile grace\n"
#define DEVICE GRACE "device vfio0 sid=0x10\n"
#define ATS    GRACE "device vfio0 sid=0x10 ats=on\n"
#define QUEUE  DEVICE "queue q page0=0x10000 index=3 gpa=0x40000000 entries=128\n"
#define US     1000000ULL

static char *folder;
static char *path;
static struct script *script;
static struct script_options options;
static struct trace_diag diag;

static void setup(void)
{
	folder = g_dir_make_tmp("hwq-script-XXXXXX", NULL);
	ck_assert_ptr_nonnull(folder);
	path = g_build_filename(folder, "x.hwq", NULL);
	script = NULL;
	options = (struct script_options){.seed = 1};
}

static void teardown(void)
{
	script_free(script);
	trace_diag_free(&diag);
	g_remove(path);
	g_rmdir(folder);
	g_free(path);
	g_free(folder);
}

static struct script *parse_file(const char *text)
{
	ck_assert(g_file_set_contents(path, text, -1, NULL));
	script_free(script);
	script = script_parse(path, &options, &diag);
	return script;
}

static struct script *parse(const char *body)
{
	char *text = g_strconcat(HEADER, body, NULL);
	parse_file(text);
	g_free(text);
	return script;
}

/* The steps of BODY, how many there are. */
static guint steps_of(const char *body)
{
	ck_assert_msg(parse(body) != NULL, "%s", trace_diag_text(&diag));
	return script->steps->len;
}

static const struct script_step *step(guint i)
{
	ck_assert_uint_lt(i, script->steps->len);
	return &g_array_index(script->steps, struct script_step, i);
}

/* The step of the last line of BODY. */
static const struct script_step *last_step(const char *body)
{
	guint count = steps_of(body);
	ck_assert_uint_gt(count, 0);
	return step(count - 1);
}

static const char *name(uint32_t i)
{
	ck_assert_uint_lt(i, script->names->len);
	return script->names->pdata[i];
}

/*
 * Refused at the last place of WHERE in BODY ("": at its end): WHAT is wrong there, and what was
 * EXPECTED.
 */
static void refused(const char *body, const char *where, const char *what, const char *expected)
{
	unsigned line = 2, column = 1;
	const char *at = where[0] != 0 ? g_strrstr(body, where) : body + strlen(body);
	ck_assert_ptr_nonnull(at);
	for (const char *c = body; c < at; c++) {
		column = *c == '\n' ? 1 : column + 1;
		line += *c == '\n';
	}
	char *start = g_strdup_printf("%s:%u:%u: %s, ", path, line, column, what);
	char *end = g_strdup_printf(", expected %s", expected);
	ck_assert_msg(parse(body) == NULL, "accepted: %s", body);
	const char *got = trace_diag_text(&diag);
	ck_assert_msg(g_str_has_prefix(got, start) && g_str_has_suffix(got, end),
		      "got '%s', expected '%s...%s'", got, start, end);
	g_free(start);
	g_free(end);
}

/* The same for each of WORDS (NULL at the end) behind START: "WHAT 'WORD'". */
static void refused_words(const char *start, const char *const *words, const char *end,
			  const char *what, const char *expected)
{
	for (; *words != NULL; words++) {
		char *body = g_strconcat(start, *words, end, NULL);
		char *text = g_strdup_printf("%s '%s'", what, *words);
		refused(body, *words, text, expected);
		g_free(text);
		g_free(body);
	}
}

static void assert_number(struct script_value value, uint64_t expected)
{
	ck_assert(!value.named);
	ck_assert_uint_eq(value.number, expected);
}

static void assert_name(struct script_value value, const char *expected)
{
	ck_assert(value.named);
	ck_assert_str_eq(name(value.name), expected);
}

/* --- the file --- */

START_TEST(header_comes_first)
{
	ck_assert_ptr_nonnull(parse_file(HEADER));
	ck_assert_uint_eq(script->steps->len, 0);
	static const char *const texts[] = {"", ("\n" HEADER), "# hwq-scenario 2\n",
					    "# hwq-capture 1\n", "run 5us\n"};
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		char *place = g_strdup_printf("%s:1:1: ", path);
		ck_assert_ptr_null(parse_file(texts[i]));
		ck_assert(g_str_has_prefix(trace_diag_text(&diag), place));
		g_free(place);
	}
}
END_TEST

START_TEST(missing_file_is_reported)
{
	ck_assert_ptr_null(script_parse("/nowhere/x.hwq", &options, &diag));
	ck_assert(g_str_has_prefix(trace_diag_text(&diag), "/nowhere/x.hwq:1:1: "));
}
END_TEST

START_TEST(blank_lines_and_comments_are_no_steps)
{
	ck_assert_uint_eq(steps_of("\n   \n\t\n# run 5us\n  # run 5us\nrun 5us # and this\n"), 1);
	ck_assert_uint_eq(step(0)->line, 7);
	ck_assert_uint_eq(step(0)->column, 1);
	ck_assert_str_eq(step(0)->text, "run 5us");
}
END_TEST

START_TEST(last_line_needs_no_newline)
{
	ck_assert_uint_eq(steps_of("run 5us"), 1);
}
END_TEST

START_TEST(step_has_its_place)
{
	const struct script_step *run = last_step("\n after  5us   run\t7us  \n");
	ck_assert_uint_eq(run->line, 3);
	ck_assert_uint_eq(run->column, 15);
	ck_assert_str_eq(run->text, "run\t7us");
}
END_TEST

START_TEST(error_in_the_last_line_refuses_the_whole)
{
	refused(QUEUE "run 5us\nvmm: close(3) = 0\nrunn 5us\n", "runn", "unknown directive 'runn'",
		"perhaps 'run'");
}
END_TEST

START_TEST(left_over_words_are_refused)
{
	refused("run 5us now\n", "now", "left over 'now'", "the end of the line");
	refused(GRACE "device a sid=1 ats=on b\n", "b", "left over 'b'", "the end of the line");
	refused(QUEUE "guest: read q.STATUS = 1 2\n", "2", "left over '2'", "the end of the line");
	refused("host: migrate vmm 0x1000 = -1 EBUSY 3\n", "3", "left over '3'",
		"the end of the line");
	refused("expect none none\n", "none", "bad expectation 'none'", "'profile=NAME'");
}
END_TEST

START_TEST(unknown_directives_name_the_nearest)
{
	refused("profil grace\n", "profil", "unknown directive 'profil'", "perhaps 'profile'");
	refused("afer 5us run 1us\n", "afer", "unknown directive 'afer'", "perhaps 'after'");
	refused("wholly-other\n", "wholly-other", "unknown directive 'wholly-other'",
		"a known one");
	refused(":\n", ":", "unknown directive ':'", "a known one");
	refused("at 5us", "", "unknown directive ''", "a known one");
}
END_TEST

/* --- time --- */

START_TEST(steps_start_when_the_line_says)
{
	ck_assert_uint_eq(steps_of("run 1us\nafter 300ns run 1us\nat 1.5us run 1us\n"), 3);
	ck_assert_int_eq(step(0)->start, START_WHEN_DONE);
	ck_assert_int_eq(step(1)->start, START_AFTER);
	ck_assert_uint_eq(step(1)->start_ps, 300000);
	ck_assert_int_eq(step(2)->start, START_AT);
	ck_assert_uint_eq(step(2)->start_ps, 1500000);
}
END_TEST

START_TEST(what_never_happens_has_no_time)
{
	static const char *const lines[] = {"title x", "profile grace", "memory reuse=fifo",
					    "expect none", "expect use-after-free"};
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		char *body = g_strdup_printf("%s 5us %s\n", i % 2 == 0 ? "after" : "at", lines[i]);
		ck_assert_msg(parse(body) == NULL, "%s", body);
		ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag), "x.hwq:2:"));
		g_free(body);
	}
}
END_TEST

START_TEST(durations_have_units)
{
	static const struct {
		const char *line;
		uint64_t ps;
	} lines[] = {
		{"run 7ps", 7},
		{"run 0us", 0},
		{"run 5ns", 5000},
		{"run 1.25ns", 1250},
		{"run 2us", 2 * US},
		{"run 3ms", 3000 * US},
		{"run 61s", 61000000 * US},
		{"run 0.5s", 500000 * US},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
		ck_assert_uint_eq(last_step(lines[i].line)->duration_ps, lines[i].ps);
}
END_TEST

START_TEST(bad_durations_are_refused)
{
	static const char *const words[] = {"5",    "us",   "-5us",     "+5us",   "0x5us", "5min",
					    "5usx", ".5us", "5000000s", "1e300s", NULL};
	refused_words("run ", words, "", "bad duration", "e.g. 300ns or 1.5us");
	refused("run", "", "bad duration ''", "e.g. 300ns or 1.5us");
	refused("run 5 us", "5", "bad duration '5'", "e.g. 300ns or 1.5us");
	refused("after soon run 5us\n", "soon", "bad duration 'soon'", "e.g. 300ns or 1.5us");
}
END_TEST

/* 4.1us are 4,100,000 ps, whatever a double makes of it. */
START_TEST(fractions_are_exact)
{
	ck_assert_uint_eq(last_step("run 4.1us")->duration_ps, 4100000);
	ck_assert_uint_eq(last_step("run 2.01ns")->duration_ps, 2010);
}
END_TEST

START_TEST(delay_names_its_point)
{
	const struct script_step *delay = last_step("delay 20us at  queue pages unpinned \n");
	ck_assert_int_eq(delay->kind, STEP_DELAY);
	ck_assert_uint_eq(delay->delay.delay_ps, 20 * US);
	ck_assert_str_eq(delay->delay.point, "queue pages unpinned");
	refused("delay 20us in CMD_SYNC\n", "in ", "bad delay 'in'",
		"'delay DURATION at PREEMPTION POINT'");
}
END_TEST

/* --- the machine --- */

START_TEST(title_takes_the_rest_of_its_line)
{
	ck_assert_uint_eq(steps_of("title  one # two \n"), 0);
	ck_assert_str_eq(script->title, "one # two");
	steps_of("run 1us\n");
	ck_assert_str_eq(script->title, path);
}
END_TEST

START_TEST(profile_chooses_the_hardware)
{
	ck_assert_uint_eq(steps_of(GRACE), 0);
	ck_assert_ptr_eq(script->platform, &platform_nvidia);
	ck_assert_str_eq(script->profile_name, "grace");
	ck_assert(!script->bare);
	steps_of("profile grace bare\n");
	ck_assert(script->bare);
	steps_of("run 1us\n");
	ck_assert_ptr_null(script->platform);
}
END_TEST

START_TEST(profile_may_be_a_file_beside_the_scenario)
{
	const struct builtin_profile *grace = builtin_profiles;
	char *file = g_build_filename(folder, "mine", NULL);
	while (strcmp(grace->name, "grace") != 0)
		grace++;
	ck_assert(
		g_file_set_contents(file, (const char *)grace->text, (gssize)grace->length, NULL));
	steps_of("profile ./mine\n");
	ck_assert_ptr_eq(script->platform, &platform_nvidia);
	ck_assert_uint_gt(script->profile.count, 0);
	g_remove(file);
	ck_assert_ptr_null(parse("profile ./mine\n"));
	ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag), "x.hwq:2:9: profile '"));
	g_free(file);
}
END_TEST

START_TEST(wrong_profiles_are_refused)
{
	refused("profile grase\n", "grase", "unknown profile 'grase'",
		"perhaps 'grace' or a file with a '/' in its name");
	refused(GRACE "profile grace\n", "grace", "second profile 'grace'",
		"one profile a scenario");
	refused("profile grace naked\n", "naked", "left over 'naked'",
		"'bare', or the end of the line");
}
END_TEST

START_TEST(options_become_steps)
{
	const struct script_step *option = last_step("kernel unmap.flush=none\n");
	ck_assert_int_eq(option->kind, STEP_KERNEL);
	ck_assert_uint_eq(option->option.option, KERNEL_UNMAP_FLUSH);
	ck_assert_uint_eq(option->option.value, UNMAP_FLUSH_NONE);
	option = last_step(GRACE "hardware cmdqv.stop_ack=early\n");
	ck_assert_int_eq(option->kind, STEP_HARDWARE);
	ck_assert_uint_eq(option->option.option, ASSUME_STOP_ACK);
	ck_assert_uint_eq(option->option.value, STOP_ACK_EARLY);
}
END_TEST

START_TEST(unknown_options_name_the_nearest)
{
	refused("kernel hw_queue.pin=of\n", "hw", "unknown kernel option 'hw_queue.pin=of'",
		"perhaps 'hw_queue.pin=off'");
	refused("kernel hw_queue.pins=off\n", "hw", "unknown kernel option 'hw_queue.pins=off'",
		"perhaps 'hw_queue.pin=off'");
	refused(GRACE "hardware cmdqv.prefetch=batsh\n", "cmdqv",
		"unknown hardware assumption 'cmdqv.prefetch=batsh'",
		"perhaps 'cmdqv.prefetch=batch'");
	refused("kernel hw_queue.pin\n", "hw", "unknown kernel option 'hw_queue.pin'",
		"perhaps 'hw_queue.pin=on'");
}
END_TEST

START_TEST(memory_has_an_order_of_reuse)
{
	steps_of("run 1us\n");
	ck_assert_int_eq(script->reuse, REUSE_LIFO);
	ck_assert_uint_eq(steps_of("memory reuse=fifo\n"), 0);
	ck_assert_int_eq(script->reuse, REUSE_FIFO);
	steps_of("memory reuse=random\n");
	ck_assert_int_eq(script->reuse, REUSE_RANDOM);
	steps_of("memory reuse=lifo\n");
	ck_assert_int_eq(script->reuse, REUSE_LIFO);
	refused("memory reuse=best\n", "reuse", "bad memory option 'reuse=best'",
		"'memory reuse=lifo|fifo|random'");
	refused("memory size=1\n", "size", "bad memory option 'size=1'",
		"'memory reuse=lifo|fifo|random'");
}
END_TEST

START_TEST(seed_comes_from_the_options)
{
	options.seed = 77;
	steps_of("run 1us\n");
	ck_assert_uint_eq(script->seed, 77);
}
END_TEST

START_TEST(devices_have_a_path_and_an_id)
{
	ck_assert_uint_eq(steps_of(DEVICE "device nic sid=511 ats=on\ndevice c sid=0 ats=off\n"),
			  3);
	const struct script_device *devices = (const struct script_device *)script->devices->data;
	ck_assert_str_eq(devices[0].name, "vfio0");
	ck_assert_str_eq(devices[0].path, "/dev/vfio/devices/vfio0");
	ck_assert_uint_eq(devices[0].id, 0x10);
	ck_assert(!devices[0].ats);
	ck_assert_uint_eq(devices[1].id, 511);
	ck_assert(devices[1].ats && !devices[2].ats);
	ck_assert_int_eq(step(1)->kind, STEP_DEVICE);
	ck_assert_uint_eq(step(1)->device.device, 1);
}
END_TEST

START_TEST(numbers_are_added_to_names)
{
	const struct script_step *ram = last_step("vmm: open(\"/dev/iommu\", 2) = $p\n"
						  "ram gpa=0x40000000 va=$p+0x1000 length=16\n");
	ck_assert(ram->ram.va.named);
	ck_assert_uint_eq(ram->ram.va.number, 0x1000);
	refused("vmm: open(\"/dev/iommu\", 2) = $p\nvmm: store $p+ bytes \"00\"\n", "$p+",
		"bad value '$p+'", "'$name' or '$name+NUMBER'");
	refused("vmm: store $p+1 bytes \"00\"\n", "$p+1", "unknown name '$p+1'",
		"one that a line before binds");
}
END_TEST

START_TEST(wrong_devices_are_refused)
{
	static const char form[] = "'device NAME sid=N [ats=on|off]', N below 512";
	static const char *const words[] = {
		"sid=512", "sid=-1", "sid=$a", "sid=", "did=1", "5", NULL};
	refused_words(GRACE "device a ", words, "\n", "bad device", form);
	refused(GRACE "device a sid=512\n", "sid=", "bad device 'sid=512', its id is out of range",
		form);
	refused(GRACE "device a sid=1 ats=maybe\n", "ats", "bad device 'ats=maybe'", form);
	refused(DEVICE "device vfio0 sid=1\n", "vfio0", "second device 'vfio0'", "another name");
}
END_TEST

START_TEST(hardware_needs_a_profile_before_it)
{
	static const char *const lines[] = {
		"hardware cmdqv.prefetch=batch",
		"device vfio0 sid=1",
		"queue q page0=0 index=0 gpa=0 entries=1",
		"fault port=smmu access=dma-read action=abort",
		"mmio write smmu.CR0 1",
		"translate sid=1 iova=0 read = ok",
	};
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		char *place = g_strdup_printf("%s:2:", path);
		ck_assert_ptr_null(parse(lines[i]));
		ck_assert(g_str_has_prefix(trace_diag_text(&diag), place));
		ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag), "no hardware yet"));
		g_free(place);
	}
	ck_assert_ptr_null(parse("guest: write q.PROD_INDX 1\n"));
	ck_assert_ptr_null(parse("guest: q <- CMD_SYNC\n"));
	ck_assert_ptr_null(parse("vmm: store 0x1000 commands CMD_SYNC\n"));
	ck_assert_ptr_null(parse("device: dma vfio0 read iova=0 = ok\n"));
}
END_TEST

START_TEST(guest_memory_has_values)
{
	const struct script_step *ram = last_step(
		"vmm: open(\"/dev/iommu\", 2) = $a\nram gpa=0x40000000 va=$a length=4096\n");
	ck_assert_int_eq(ram->kind, STEP_RAM);
	assert_number(ram->ram.gpa, 0x40000000);
	assert_name(ram->ram.va, "a");
	assert_number(ram->ram.length, 4096);
	refused("ram gpa=0 length=1 va=0\n", "length", "bad guest memory 'length=1'",
		"'ram gpa=A va=$B length=N'");
	refused("ram gpa=0 va=$b length=1\n", "va", "unknown name '$b'",
		"one that a line before binds");
}
END_TEST

START_TEST(queues_are_named)
{
	const struct script_step *queue = last_step(QUEUE);
	ck_assert_int_eq(queue->kind, STEP_QUEUE);
	ck_assert_uint_eq(queue->queue.queue, 0);
	assert_number(queue->queue.page, 0x10000);
	assert_number(queue->queue.gpa, 0x40000000);
	const struct script_queue *known = &g_array_index(script->queues, struct script_queue, 0);
	ck_assert_str_eq(known->name, "q");
	ck_assert_uint_eq(known->index, 3);
	ck_assert_uint_eq(known->entries, 128);
	ck_assert_uint_eq(steps_of(QUEUE "queue r page0=1 index=0 gpa=2 entries=524288\n"), 3);
	ck_assert_uint_eq(step(2)->queue.queue, 1);
}
END_TEST

START_TEST(wrong_queues_are_refused)
{
	static const char *const words[] = {"index=128 gpa=0 entries=1", "index=0 gpa=0 entries=0",
					    "index=0 gpa=0 entries=524289"};
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		char *body = g_strdup_printf(GRACE "queue r page0=0 %s\n", words[i]);
		ck_assert_ptr_null(parse(body));
		ck_assert_ptr_nonnull(
			strstr(trace_diag_text(&diag),
			       "bad queue 'r', it is not in the language, expected an "
			       "index below 128, entries to 2^19, both numbers"));
		g_free(body);
	}
	refused(GRACE "queue r page=0 index=0 gpa=0 entries=1\n", "page", "bad queue 'page=0'",
		"'queue NAME page0=$P index=N gpa=A entries=N'");
	refused(QUEUE "queue q page0=0 index=0 gpa=0 entries=1\n", "q page", "second queue 'q'",
		"another name");
}
END_TEST

START_TEST(numbers_are_whole_and_fit)
{
	static const char *const words[] = {
		"18446744073709551616", "0x", "1x", "1.5", "x", "-1", "", NULL};
	for (size_t i = 0; words[i] != NULL; i++) {
		char *body = g_strdup_printf("ram gpa=%s va=0 length=1\n", words[i]);
		char *what = g_strdup_printf("bad value '%s'", words[i]);
		refused(body, "gpa", what, "a number or a $name");
		g_free(what);
		g_free(body);
	}
	assert_number(last_step("ram gpa=18446744073709551615 va=0 length=1\n")->ram.gpa,
		      UINT64_MAX);
}
END_TEST

/* Decimals have no leading 0, as in traces. */
START_TEST(number_with_a_leading_zero_is_not_octal)
{
	if (parse("ram gpa=010 va=0 length=1\n") != NULL)
		assert_number(step(0)->ram.gpa, 10);
}
END_TEST

START_TEST(images_are_cores)
{
	refused("load cor x\n", "cor", "unknown kind of image 'cor'", "perhaps 'core'");
	char *expected = g_strdup_printf("%s/x.core:1:1: no memory image, the file can't be read, "
					 "expected a readable one",
					 folder);
	ck_assert_ptr_null(parse("load core x.core\n"));
	ck_assert_str_eq(trace_diag_text(&diag), expected);
	g_free(expected);
}
END_TEST

/* --- faults --- */

START_TEST(faults_of_a_port_say_which_access)
{
	const struct script_step *fault =
		last_step(GRACE "fault port=smmu access=command-fetch nth=3 action=late:20us\n");
	ck_assert_int_eq(fault->kind, STEP_PORT_FAULT);
	ck_assert_int_eq(fault->port_fault.purpose, ACCESS_COMMAND_FETCH);
	ck_assert_int_eq(fault->port_fault.action, FAULT_LATE);
	ck_assert_uint_eq(fault->port_fault.late_ps, 20 * US);
	ck_assert_uint_eq(fault->port_fault.nth, 3);
	fault = last_step(GRACE "fault port=smmu action=flip access=dma-write\n");
	ck_assert_int_eq(fault->port_fault.purpose, ACCESS_DMA_WRITE);
	ck_assert_int_eq(fault->port_fault.action, FAULT_FLIP);
	ck_assert_uint_eq(fault->port_fault.nth, 0);
}
END_TEST

START_TEST(each_kind_of_access_can_fail)
{
	static const char *const kinds[ACCESS_PURPOSES] = {
		[ACCESS_COMMAND_FETCH] = "command-fetch",
		[ACCESS_CONFIG_FETCH] = "config-fetch",
		[ACCESS_CONFIG_WRITE] = "config-write",
		[ACCESS_TABLE_WALK] = "table-walk",
		[ACCESS_TABLE_WRITE] = "table-write",
		[ACCESS_POINTER_WRITE] = "pointer-write",
		[ACCESS_EVENT_WRITE] = "event-write",
		[ACCESS_COMPLETION_WRITE] = "completion-write",
		[ACCESS_DMA_READ] = "dma-read",
		[ACCESS_DMA_WRITE] = "dma-write",
	};
	for (int i = 0; i < ACCESS_PURPOSES; i++) {
		char *body =
			g_strdup_printf(GRACE "fault port=smmu access=%s action=abort\n", kinds[i]);
		ck_assert_int_eq(last_step(body)->port_fault.purpose, i);
		ck_assert_int_eq(step(0)->port_fault.action, FAULT_ABORT);
		g_free(body);
	}
}
END_TEST

START_TEST(faults_of_a_write_say_which_register)
{
	const struct script_step *fault =
		last_step(QUEUE "fault write=q.PROD_INDX nth=2 action=lose\n");
	ck_assert_int_eq(fault->kind, STEP_WRITE_FAULT);
	ck_assert_uint_eq(fault->write_fault.queue, 0);
	ck_assert_str_eq(fault->write_fault.reg->name, "PROD_INDX");
	ck_assert_uint_eq(fault->write_fault.nth, 2);
	ck_assert_uint_eq(fault->write_fault.late_ps, 0);
	fault = last_step(QUEUE "fault write=q.CONFIG action=late:3us\n");
	ck_assert_str_eq(fault->write_fault.reg->name, "CONFIG");
	ck_assert_uint_eq(fault->write_fault.late_ps, 3 * US);
}
END_TEST

START_TEST(faults_of_a_device_make_it_silent)
{
	const struct script_step *fault = last_step(ATS "fault device=vfio0 action=silent\n");
	ck_assert_int_eq(fault->kind, STEP_DEVICE_FAULT);
	ck_assert(fault->device_fault.silent);
	ck_assert(!last_step(ATS "fault device=vfio0 action=answer\n")->device_fault.silent);
}
END_TEST

START_TEST(wrong_faults_are_refused)
{
	refused(QUEUE "fault port=amd access=dma-read action=abort\n", "port",
		"unknown engine 'amd'", "one of the profile's");
	refused(QUEUE "fault port=smmu access=dma-reed action=abort\n", "access",
		"unknown kind of access 'dma-reed'", "perhaps 'dma-read'");
	refused(QUEUE "fault port=smmu access=dma-read action=lose\n", "action", "bad fault 'lose'",
		"action=abort|flip|late:T");
	refused(QUEUE "fault port=smmu access=dma-read action=late:5us\n", "access",
		"bad fault 'dma-read'", "access=command-fetch for a late one: others can't wait");
	refused(QUEUE "fault port=smmu access=command-fetch action=late:0us\n", "action",
		"bad fault 'action=late:0us'", "a duration above 0");
	refused(QUEUE "fault port=smmu access=command-fetch action=late:x\n", "action",
		"bad duration 'x'", "e.g. 300ns or 1.5us");
	refused(QUEUE "fault port=smmu access=dma-read nth=x action=abort\n", "nth",
		"bad value 'x'", "a number or a $name");
	refused(QUEUE "fault write=q.PROD_INDX action=abort\n", "action", "bad fault 'abort'",
		"action=lose|late:T");
	refused(QUEUE "fault write=q.PROD_INDEX action=lose\n", "PROD_INDEX",
		"unknown register 'PROD_INDEX'", "perhaps 'PROD_INDX'");
	refused(QUEUE "fault write=r.PROD_INDX action=lose\n", "r.PROD",
		"unknown queue in 'r.PROD_INDX'", "QUEUE.REGISTER, of a queue of this scenario");
	refused(QUEUE "fault device=vfio0 action=silent\n", "device", "bad fault 'vfio0'",
		"a device with 'ats=on'");
	refused(QUEUE "fault device=vfio1 action=silent\n", "device", "unknown device 'vfio1'",
		"one of a 'device' line");
	refused(ATS "fault device=vfio0 nth=1 action=silent\n", "action", "bad fault 'silent'",
		"action=silent|answer");
}
END_TEST

static void refused_after(const char *line, unsigned count, const char *expected)
{
	GString *body = g_string_new(QUEUE);
	for (unsigned i = 0; i < count; i++)
		g_string_append(body, line);
	steps_of(body->str);
	g_string_append(body, line);
	refused(body->str, "fault", "one fault too many", expected);
	g_string_free(body, TRUE);
}

START_TEST(faults_are_limited)
{
	refused_after("fault port=smmu access=event-write action=abort\n", 16,
		      "at most 16 of this kind");
	refused_after("fault write=q.GERRORN action=lose\n", 8, "at most 8 of this kind");
}
END_TEST

START_TEST(names_that_lines_could_not_say_are_refused)
{
	static const char *const names[] = {"a.b", "a/b", "a=b", "$a"};
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		char *device = g_strdup_printf(GRACE "device %s sid=1\n", names[i]);
		char *queue = g_strdup_printf(DEVICE "queue %s page0=0 index=0 gpa=0 entries=128\n",
					      names[i]);
		char *what = g_strdup_printf("bad name '%s'", names[i]);
		refused(device, names[i], what, "a word without '.', '/', '=' and '$'");
		refused(queue, names[i], what, "a word without '.', '/', '=' and '$'");
		g_free(what);
		g_free(device);
		g_free(queue);
	}
}
END_TEST

START_TEST(incomplete_faults_are_refused)
{
	static const char *const lines[] = {
		"fault",
		"fault smmu",
		"fault port=smmu",
		"fault port=smmu access=dma-read",
		"fault port=smmu action=abort",
		"fault port=smmu access=dma-read action=abort more",
		"fault write=q.PROD_INDX",
		"fault write=q action=lose",
		"fault device=vfio0",
	};
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		char *body = g_strconcat(QUEUE, lines[i], NULL);
		ck_assert_msg(parse(body) == NULL, "%s", lines[i]);
		ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag), "x.hwq:5:"));
		ck_assert_ptr_nonnull(strstr(trace_diag_text(&diag), ", expected "));
		g_free(body);
	}
}
END_TEST

/* --- expectations --- */

START_TEST(expectations_are_kept_apart_from_steps)
{
	ck_assert_uint_eq(steps_of(QUEUE "expect use-after-free\n"
					 "expect foreign-command engine=q count=2\n"
					 "expect stale-iotlb count=1 engine=vfio0\n"
					 "expect none\n"),
			  2);
	ck_assert_uint_eq(script->expectation_count, 3);
	const struct script_expectation *expectations = script->expectations;
	ck_assert_int_eq(expectations[0].kind, VIOLATION_USE_AFTER_FREE);
	ck_assert_int_eq(expectations[0].queue, -1);
	ck_assert_int_eq(expectations[0].device, -1);
	ck_assert_uint_eq(expectations[0].count, 0);
	ck_assert_int_eq(expectations[1].queue, 0);
	ck_assert_uint_eq(expectations[1].count, 2);
	ck_assert_int_eq(expectations[2].device, 0);
	ck_assert_int_eq(expectations[2].queue, -1);
}
END_TEST

START_TEST(each_violation_can_be_expected)
{
	for (int i = 0; i < VIOLATION_KINDS; i++) {
		char *body = g_strdup_printf("expect %s\n", violation_name((enum violation_kind)i));
		steps_of(body);
		ck_assert_int_eq(script->expectations[0].kind, i);
		g_free(body);
	}
}
END_TEST

START_TEST(expectations_may_be_of_one_profile)
{
	steps_of(GRACE "expect use-after-free profile=grace\nexpect stale-iotlb profile=other\n"
		       "expect none profile=grace\n");
	ck_assert_uint_eq(script->expectation_count, 1);
	ck_assert_int_eq(script->expectations[0].kind, VIOLATION_USE_AFTER_FREE);
}
END_TEST

START_TEST(vm_is_a_vm_with_a_queue_that_runs)
{
	guint count = steps_of(GRACE "vm q\n");
	ck_assert_uint_eq(script->devices->len, 1);
	ck_assert_uint_eq(script->queues->len, 1);
	const struct script_step *enable = step(count - 1);
	ck_assert_int_eq(enable->kind, STEP_WRITE);
	ck_assert_str_eq(enable->access.reg->name, "CONFIG");
	for (guint i = 0; i < count; i++)
		ck_assert_uint_eq(step(i)->line, 3);
	/* Names that it binds are there for the lines behind it. */
	steps_of(GRACE "vm q\nvmm: munmap($queue, 0x1000) = 0\nhost: update vmm $buffer = 0\n");
	refused("vm q\n", "q", "no hardware yet", "a 'profile NAME' line before this one");
	refused(GRACE "vm a.b\n", "a.b", "bad name 'a.b'", "a word without '.', '/', '=' and '$'");
}
END_TEST

START_TEST(doorbells_are_rung_by_the_number_of_commands)
{
	const struct script_step *bell = last_step(GRACE "vm q\nguest: ring q 130\n");
	ck_assert_str_eq(bell->access.reg->name, "PROD_INDX");
	assert_number(bell->access.value, 130); /* 2 of 128, with the wrap flag */
	bell = last_step("profile amd-viommu\nvm q\nguest: ring q 258\n");
	ck_assert_str_eq(bell->access.reg->name, "CMD_TAIL");
	assert_number(bell->access.value, 0x20); /* bytes of 256 */
	refused(QUEUE "guest: ring r 1\n", "r 1", "unknown queue 'r'", "one of a 'queue' line");
}
END_TEST

START_TEST(wrong_expectations_are_refused)
{
	refused("expect use-after-fre\n", "use", "unknown violation 'use-after-fre'",
		"perhaps 'use-after-free'");
	refused("expect nune\n", "nune", "unknown violation 'nune'", "perhaps 'none'");
	refused(QUEUE "expect use-after-free engine=r\n", "engine", "bad expectation 'engine=r'",
		"'engine=', and a queue or device of this scenario");
	refused(QUEUE "expect use-after-free times=2\n", "times", "bad expectation 'times=2'",
		"'engine=QUEUE', 'engine=DEVICE', 'count=N' or 'profile=NAME'");
	ck_assert_ptr_null(parse(QUEUE "expect use-after-free count=0\n"));
	refused(QUEUE "expect use-after-free count=two\n", "count", "bad value 'two'",
		"a number or a $name");
}
END_TEST

START_TEST(expectations_are_limited)
{
	GString *body = g_string_new(NULL);
	for (unsigned i = 0; i < SCRIPT_EXPECTATIONS_MAX; i++)
		g_string_append(body, "expect use-after-free\n");
	steps_of(body->str);
	ck_assert_uint_eq(script->expectation_count, SCRIPT_EXPECTATIONS_MAX);
	g_string_append(body, "expect stale-iotlb\n");
	refused(body->str, "stale-iotlb", "one expectation too many 'stale-iotlb'", "at most 16");
	g_string_free(body, TRUE);
}
END_TEST

/* --- bare hardware --- */

START_TEST(registers_have_names)
{
	const struct script_step *mmio = last_step("profile grace bare\nmmio write smmu.CR0 0x8\n");
	ck_assert_int_eq(mmio->kind, STEP_MMIO_WRITE);
	ck_assert_str_eq(mmio->mmio.reg, "smmu.CR0");
	assert_number(mmio->mmio.value, 8);
	mmio = last_step("profile grace bare\nmmio read cmdqv+0x200 = 5\n");
	ck_assert_int_eq(mmio->kind, STEP_MMIO_READ);
	ck_assert_str_eq(mmio->mmio.reg, "cmdqv+0x200");
	steps_of("profile grace bare\nmmio read smmu.IDR5 = 0\nmmio read smmu+0x14 = 0\n");
}
END_TEST

START_TEST(wrong_registers_are_refused)
{
	refused(GRACE "mmio write smmu.CR00 1\n", "smmu", "unknown register 'smmu.CR00'",
		"perhaps 'smmu.CR0'");
	refused(GRACE "mmio write smmu.IDR9 1\n", "smmu", "unknown register 'smmu.IDR9'",
		"perhaps 'smmu.IDR0'");
	refused(GRACE "mmio poke smmu.CR0 1\n", "poke", "unknown direction 'poke'", "a known one");
	refused(GRACE "mmio read smmu.CR0 1\n", "1", "bad line '1'",
		"'mmio read REGISTER = VALUE'");
	static const char *const words[] = {"smmu", "smmu+", "smmu+x", "smmu+5x", "cmdqv.CONFIG"};
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		char *body = g_strdup_printf(GRACE "mmio write %s 1\n", words[i]);
		ck_assert_msg(parse(body) == NULL, "%s", words[i]);
		ck_assert_ptr_nonnull(
			strstr(trace_diag_text(&diag), "x.hwq:3:12: unknown register"));
		g_free(body);
	}
}
END_TEST

START_TEST(translations_have_an_outcome)
{
	const struct script_step *asked =
		last_step(GRACE "translate sid=3 iova=0x1000 write = 0x40001000\n");
	ck_assert_int_eq(asked->kind, STEP_TRANSLATE);
	ck_assert_uint_eq(asked->translate.device, 3);
	ck_assert(asked->translate.write);
	assert_number(asked->translate.iova, 0x1000);
	ck_assert(asked->translate.outcome.has_pa && !asked->translate.outcome.fault);
	ck_assert_uint_eq(asked->translate.outcome.pa, 0x40001000);
	asked = last_step(GRACE "translate sid=3 iova=0 read = fault F_TRANSLATION\n");
	ck_assert(!asked->translate.write && asked->translate.outcome.fault);
	ck_assert_str_eq(asked->translate.outcome.event, "F_TRANSLATION");
	asked = last_step(GRACE "translate sid=3 iova=0 read = fault\n");
	ck_assert_ptr_null(asked->translate.outcome.event);
	asked = last_step(GRACE "translate sid=3 iova=0 read = ok\n");
	ck_assert(!asked->translate.outcome.fault && !asked->translate.outcome.has_pa);
}
END_TEST

START_TEST(wrong_translations_are_refused)
{
	refused(GRACE "translate did=3 iova=0 read = ok\n", "did", "bad translation 'did=3'",
		"'translate sid=N iova=A read|write = ADDRESS|fault'");
	refused(GRACE "translate sid=3 iova=0 reed = ok\n", "reed", "unknown direction 'reed'",
		"perhaps 'read'");
	refused(GRACE "translate sid=3 iova=0 read = fault F_TRANSLATON\n", "F_TRANSLATON",
		"unknown event 'F_TRANSLATON'", "perhaps 'F_TRANSLATION'");
	refused(GRACE "translate sid=3 iova=0 read = okay\n", "okay", "unknown outcome 'okay'",
		"perhaps 'ok'");
	refused(GRACE "translate sid=0xffffffff iova=0 read = ok\n",
		"sid=", "bad id 'sid=0xffffffff', it is out of range",
		"a number from 0 to 0x7fffffff");
	ck_assert_uint_eq(steps_of(GRACE "translate sid=0x7fffffff iova=0 read = ok\n"), 1);
	refused(GRACE "translate sid=$a iova=0 read = ok\n", "sid=", "bad id 'sid=$a'",
		"a number from 0 to 0x7fffffff");
	ck_assert_ptr_null(parse(GRACE "translate sid=3 iova=0 read ok\n"));
	ck_assert_ptr_null(parse(GRACE "translate sid=3 iova=0 read =\n"));
}
END_TEST

/* --- processes --- */

START_TEST(calls_have_an_actor)
{
	ck_assert_uint_eq(steps_of("vmm: close(3) = -1 EBADF\n"
				   "other: close(4) = -1 EBADF\n"
				   "vmm.2: close(5) = -1 EBADF\n"
				   "other2: close(6) = -1 EBADF\n"),
			  4);
	ck_assert_uint_eq(script->actors->len, 3);
	ck_assert_int_eq(step(0)->kind, STEP_CALL);
	ck_assert_int_eq(step(0)->call->number, SYS_CLOSE);
	ck_assert_uint_eq(step(0)->call->args[0], 3);
	ck_assert_int_eq(step(0)->call->result, -EBADF);
	ck_assert_uint_eq(step(0)->call->line, 2);
	ck_assert_uint_eq(step(2)->actor, step(0)->actor);
	ck_assert_str_eq(script->actors->pdata[step(3)->actor], "other2");
}
END_TEST

START_TEST(unknown_actors_name_the_nearest)
{
	refused("vm: close(3) = 0\n", "vm", "unknown actor 'vm'", "perhaps 'vmm'");
	refused("ghost: write q.PROD_INDX 1\n", "ghost", "unknown actor 'ghost'", "perhaps 'host'");
	refused("vmmx: close(3) = 0\n", "vmmx", "unknown actor 'vmmx'", "perhaps 'vmm'");
	refused("2: close(3) = 0\n", "2", "unknown actor '2'", "a known one");
}
END_TEST

START_TEST(thread_is_a_number)
{
	ck_assert_ptr_null(parse("vmm.two: close(3) = -1 EBADF\n"));
	ck_assert_ptr_null(parse("vmm.: close(3) = -1 EBADF\n"));
	ck_assert_ptr_null(parse("vmm.2.3: close(3) = -1 EBADF\n"));
}
END_TEST

START_TEST(errors_of_a_call_point_into_its_line)
{
	refused("vmm: clos(3) = 0\n", "clos", "unknown call 'clos'", "perhaps 'close'");
	refused("after 5us  vmm:   close(3) = -1 EBADFD0\n", "EBADFD0", "unknown error",
		"one as in errno.h");
	refused("vmm: ioctl(3, IOMMU_IOAS_ALOC, {}) = 0\n", "IOMMU",
		"unknown ioctl 'IOMMU_IOAS_ALOC'", "perhaps 'IOMMU_IOAS_ALLOC'");
	refused("vmm:", "", "no call behind 'vmm'", "e.g. 'vmm: close($fd) = 0'");
	refused("vmm: # nothing\n", " # nothing", "no call behind 'vmm'",
		"e.g. 'vmm: close($fd) = 0'");
}
END_TEST

START_TEST(one_line_has_one_actor)
{
	ck_assert_ptr_null(parse("vmm: other: close(3) = -1 EBADF\n"));
	ck_assert_ptr_null(parse("vmm: [1.1] 0.000000001 close(3) = -1 EBADF\n"));
}
END_TEST

START_TEST(calls_take_at_most_64_kib)
{
	ck_assert_uint_eq(steps_of("vmm: read(3, \"00\", 0x10000) = -1 EBADF\n"), 1);
	refused("vmm: read(3, \"00\", 0x10001) = -1 EBADF\n", "read",
		"too many bytes in a call of 'vmm'", "at most 64 KiB");
	ck_assert_ptr_null(parse("vmm: ioctl(3, IOMMU_IOAS_ALLOC, {size=0x10001}) = 0\n"));
}
END_TEST

START_TEST(stores_are_bytes_or_commands)
{
	const struct script_step *store = last_step("vmm: store 0x1000 bytes \"0aFf\"\n");
	ck_assert_int_eq(store->kind, STEP_STORE);
	assert_number(store->store.address, 0x1000);
	ck_assert_uint_eq(store->store.length, 2);
	ck_assert_mem_eq(store->store.bytes, "\x0a\xff", 2);
	store = last_step(GRACE "other: store 0x1000 commands CMD_SYNC, TLBI_NH_ALL vmid=1\n");
	ck_assert_uint_eq(store->store.length, 32);
	/* smmuv3 3.2: CMD_SYNC as Linux writes it, little-endian. */
	ck_assert_mem_eq(store->store.bytes, "\x46\x00\xc0\x0f\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\1",
			 21);
	ck_assert_str_eq(script->actors->pdata[store->actor], "other");
}
END_TEST

START_TEST(wrong_stores_are_refused)
{
	refused("vmm: store here bytes \"00\"\n", "here", "bad value 'here'",
		"a number or a $name");
	refused("vmm: store 0x1000 words \"00\"\n", "words", "bad store 'words'",
		"'store $A commands ...' or 'store $A bytes \"hex\"'");
	refused("vmm: store 0x1000 bytes \"0g\"\n", "g", "bad character in a string of bytes",
		"0-9 or a-f");
	refused(GRACE "vmm: store 0x1000 commands TLBI_NH_ALLE\n", "TLBI",
		"unknown command 'TLBI_NH_ALLE'", "perhaps 'TLBI_NH_ALL'");
	refused(GRACE "vmm: store 0x1000 commands TLBI_NH_ALL vmid=65536\n", "65536",
		"bad value '65536'", "at most 0xffff");
}
END_TEST

/* --- names --- */

START_TEST(names_are_bound_by_results_and_fields)
{
	const struct script_step *last = last_step(
		"vmm: open(\"/dev/iommu\", 0x2) = $fd\n"
		"vmm: ioctl($fd, IOMMU_IOAS_ALLOC, {out_ioas_id=0 => $ioas}) = 0\n"
		"vmm: ioctl($fd, IOMMU_IOAS_UNMAP, {ioas_id=$ioas, iova=0, length=$fd}) = 0\n");
	const struct recorded_call *call = last->call;
	ck_assert(step(0)->call->has_result_name);
	ck_assert_str_eq(name(step(0)->call->result_name), "fd");
	ck_assert_uint_eq(step(1)->call->binding_count, 1);
	ck_assert_str_eq(name(step(1)->call->bindings[0].name), "ioas");
	ck_assert_uint_eq(step(1)->call->bindings[0].offset, 8); /* iommufd 2.1 */
	ck_assert_uint_eq(step(1)->call->bindings[0].width, 4);
	ck_assert_uint_eq(call->patch_count, 3);
	ck_assert_int_eq(call->patches[0].place, PATCH_ARGUMENT);
	ck_assert_str_eq(name(call->patches[0].name), "fd");
	ck_assert_int_eq(call->patches[1].place, PATCH_FIELD);
	ck_assert_uint_eq(call->patches[1].at, 4);
	ck_assert_uint_eq(call->patches[2].at, 16);
	ck_assert_uint_eq(call->patches[2].width, 8);
}
END_TEST

START_TEST(names_are_used_after_they_are_bound)
{
	refused("vmm: close($fd) = 0\nvmm: open(\"/dev/iommu\", 2) = $fd\n", "$fd)",
		"unknown name '$fd'", "a bound name");
	refused("vmm: close($fd) = $fd\n", "$fd)", "unknown name '$fd'", "a bound name");
	refused("vmm: ioctl(3, IOMMU_IOAS_ALLOC, {flags=$ioas, out_ioas_id=0 => $ioas}) = 0\n",
		"$ioas,", "unknown name '$ioas'", "a bound name");
	refused("vmm: store $a bytes \"00\"\n", "$a", "unknown name '$a'",
		"one that a line before binds");
	refused("host: reclaim vmm $a = 0\n", "$a", "unknown name '$a'",
		"one that a line before binds");
	refused(QUEUE "guest: write q.PROD_INDX $n\n", "$n", "unknown name '$n'",
		"one that a line before binds");
}
END_TEST

START_TEST(name_is_one_for_all_actors)
{
	steps_of("vmm: open(\"/dev/iommu\", 2) = $fd\nother: close($fd) = -1 EBADF\n"
		 "vmm: open(\"/dev/iommu\", 2) = $fd\n");
	ck_assert_uint_eq(script->names->len, 1);
	ck_assert_uint_eq(step(2)->call->result_name, step(1)->call->patches[0].name);
}
END_TEST

/* --- guest, device, host --- */

START_TEST(guest_produces_writes_and_reads)
{
	const struct script_step *guest = last_step(QUEUE "guest: q <- CMD_SYNC, CMD_SYNC cs=1\n");
	ck_assert_int_eq(guest->kind, STEP_PRODUCE);
	ck_assert_uint_eq(guest->produce.queue, 0);
	ck_assert_uint_eq(guest->produce.count, 2);
	ck_assert_uint_eq(guest->produce.bytes[17], 0x10);
	guest = last_step(QUEUE "guest: write q.PROD_INDX 0x10\n");
	ck_assert_int_eq(guest->kind, STEP_WRITE);
	ck_assert_str_eq(guest->access.reg->name, "PROD_INDX");
	assert_number(guest->access.value, 0x10);
	guest = last_step(QUEUE "guest: read q.CONS_INDX = 4\n");
	ck_assert_int_eq(guest->kind, STEP_READ);
	ck_assert_str_eq(guest->access.reg->name, "CONS_INDX");
	assert_number(guest->access.value, 4);
}
END_TEST

START_TEST(wrong_guest_lines_are_refused)
{
	static const char forms[] =
		"'QUEUE <- COMMANDS', 'ring QUEUE N', 'write QUEUE.REGISTER VALUE' or 'read "
		"QUEUE.REGISTER = VALUE'";
	refused(QUEUE "guest: r <- CMD_SYNC\n", "r <-", "bad guest line 'r'", forms);
	refused(QUEUE "guest: poke q.PROD_INDX 1\n", "poke", "bad guest line 'poke'", forms);
	ck_assert_ptr_null(parse(QUEUE "guest: q <= CMD_SYNC\n"));
	ck_assert_ptr_null(parse(QUEUE "guest: q <-\n"));
	refused(QUEUE "guest: read q.PROD_INDX 1\n", "1", "bad read of 'PROD_INDX'",
		"'read QUEUE.REGISTER = VALUE'");
	refused(QUEUE "guest: write q.PRODINDX 1\n", "PRODINDX", "unknown register 'PRODINDX'",
		"perhaps 'PROD_INDX'");
	refused(QUEUE "guest: write q 1\n", "q 1", "unknown queue in 'q'",
		"QUEUE.REGISTER, of a queue of this scenario");
	refused(QUEUE "guest: write q.PROD_INDX one\n", "one", "bad value 'one'",
		"a number or a $name");
}
END_TEST

/* Registers of a queue have 32 bits (tegra241-cmdqv 3). */
START_TEST(value_that_no_register_holds_is_refused)
{
	ck_assert_ptr_null(parse(QUEUE "guest: write q.PROD_INDX 0x100000000\n"));
	ck_assert_ptr_null(parse(QUEUE "guest: read q.PROD_INDX = 0x100000000\n"));
}
END_TEST

START_TEST(devices_make_dma)
{
	const struct script_step *dma =
		last_step(DEVICE "device: dma vfio0 write iova=0x1000 = fault F_TRANSLATION\n");
	ck_assert_int_eq(dma->kind, STEP_DMA);
	ck_assert_uint_eq(dma->dma.id, 0x10);
	ck_assert_str_eq(dma->dma.name, "vfio0");
	ck_assert(dma->dma.write);
	assert_number(dma->dma.iova, 0x1000);
	ck_assert(dma->dma.outcome.fault);
	ck_assert_str_eq(dma->dma.outcome.event, "F_TRANSLATION");
	refused(DEVICE "device: dma vfio1 read iova=0 = ok\n", "vfio1", "unknown device 'vfio1'",
		"one of a 'device' line, or 'sid=N'");
	dma = last_step("profile grace bare\ndevice: dma sid=0x123 read iova=8 = 0x4000\n");
	ck_assert_uint_eq(dma->dma.id, 0x123);
	ck_assert_str_eq(dma->dma.name, "sid=0x123");
	ck_assert_uint_eq(dma->dma.outcome.pa, 0x4000);
	refused(GRACE "device: dma sid=0x80000000 read iova=0 = ok\n",
		"sid=", "bad id 'sid=0x80000000'", "a number from 0 to 0x7fffffff");
	refused(GRACE "device: dma sid=x read iova=0 = ok\n", "sid=", "bad id 'sid=x'",
		"a number from 0 to 0x7fffffff");
	refused(DEVICE "device: dna vfio0 read iova=0 = ok\n", "dna", "unknown device line 'dna'",
		"perhaps 'dma'");
	refused(DEVICE "device: dma vfio0 read va=0 = ok\n", "va", "bad address 'va=0'",
		"'iova=A'");
}
END_TEST

START_TEST(host_takes_and_moves_pages)
{
	const struct script_step *host = last_step("host: migrate vmm 0x1000 = -1 EBUSY\n");
	ck_assert_int_eq(host->kind, STEP_MIGRATE);
	assert_number(host->page.address, 0x1000);
	ck_assert_int_eq(host->page.result, -EBUSY);
	host = last_step("host: reclaim other2 0x1000 = 0\n");
	ck_assert_int_eq(host->kind, STEP_RECLAIM);
	ck_assert_int_eq(host->page.result, 0);
	ck_assert_str_eq(script->actors->pdata[host->actor], "other2");
}
END_TEST

START_TEST(wrong_host_lines_are_refused)
{
	refused("host: migrat vmm 0 = 0\n", "migrat", "unknown host line 'migrat'",
		"perhaps 'migrate'");
	refused("host: reclaim othr 0 = 0\n", "othr", "unknown actor 'othr'", "perhaps 'other'");
	refused("host: reclaim vmm 0 = -1 EBUZY\n", "EBUZY", "unknown errno 'EBUZY'", "e.g. EBUSY");
	refused("host: reclaim vmm 0 0", "", "bad result ''", "'= 0' or '= -1 ERRNO'");
	ck_assert_ptr_null(parse("host: reclaim vmm 0 = -2\n"));
}
END_TEST

/* --- the command line --- */

START_TEST(kernel_option_of_the_command_line_takes_the_lines_place)
{
	static const char *const kernel[] = {"hw_queue.pin=off", NULL};
	options.kernel = kernel;
	ck_assert_uint_eq(steps_of("kernel hw_queue.pin=driver\nkernel unmap.flush=none\n"), 1);
	ck_assert_uint_eq(step(0)->option.option, KERNEL_UNMAP_FLUSH);
	ck_assert_uint_eq(script->overrides->len, 1);
	const struct script_override *set =
		&g_array_index(script->overrides, struct script_override, 0);
	ck_assert(!set->hardware);
	ck_assert_uint_eq(set->option, KERNEL_HW_QUEUE_PIN);
	ck_assert_uint_eq(set->value, HW_QUEUE_PIN_OFF);
	ck_assert_ptr_null(parse("kernel hw_queue.pin=perhaps\n"));
}
END_TEST

/* The line is right; that it counts for nothing is not its fault. */
START_TEST(overridden_line_may_have_a_time)
{
	static const char *const kernel[] = {"hw_queue.pin=off", NULL};
	options.kernel = kernel;
	ck_assert_msg(parse("after 1us kernel hw_queue.pin=driver\n") != NULL, "%s",
		      trace_diag_text(&diag));
}
END_TEST

START_TEST(assumption_of_the_command_line_takes_the_lines_place)
{
	static const char *const hardware[] = {"cmdqv.stop_ack=early", NULL};
	options.hardware = hardware;
	ck_assert_uint_eq(steps_of(GRACE "hardware cmdqv.stop_ack=drained\n"), 0);
	ck_assert_uint_eq(script->overrides->len, 1);
	ck_assert(g_array_index(script->overrides, struct script_override, 0).hardware);
	ck_assert_uint_eq(steps_of(GRACE "hardware cmdqv.prefetch=batch\n"), 1);
}
END_TEST

START_TEST(profile_of_the_command_line_takes_the_lines_place)
{
	options.profile = "grace";
	steps_of("device a sid=1\n");
	ck_assert_ptr_eq(script->platform, &platform_nvidia);
	options.profile = "grase";
	ck_assert_ptr_null(parse("run 1us\n"));
	ck_assert_str_eq(trace_diag_text(&diag),
			 "--profile:1:1: unknown profile 'grase', none of that name is built in, "
			 "expected perhaps 'grace' or a file with a '/' in its name");
}
END_TEST

/* The grammar lets a comment stand behind any line but a title and a delay. */
START_TEST(comment_may_stand_behind_each_line)
{
	static const char *const lines[] = {
		"vmm: close(3) = -1 EBADF",
		"vmm: store 0x1000 bytes \"00\"",
		"vmm: store 0x1000 commands CMD_SYNC",
		"guest: q <- CMD_SYNC",
		"guest: write q.PROD_INDX 1",
		"host: reclaim vmm 0x1000 = -1 EFAULT",
		"device: dma vfio0 read iova=0 = fault",
		"fault port=smmu access=dma-read action=abort",
	};
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		char *body = g_strconcat(QUEUE, lines[i], " # why", NULL);
		ck_assert_msg(parse(body) != NULL, "%s", trace_diag_text(&diag));
		ck_assert_str_eq(step(script->steps->len - 1)->text, lines[i]);
		g_free(body);
	}
}
END_TEST

static void add_machine_tests(Suite *s)
{
	TCase *tcase = tcase_create("machine");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, title_takes_the_rest_of_its_line);
	tcase_add_test(tcase, profile_chooses_the_hardware);
	tcase_add_test(tcase, profile_may_be_a_file_beside_the_scenario);
	tcase_add_test(tcase, wrong_profiles_are_refused);
	tcase_add_test(tcase, options_become_steps);
	tcase_add_test(tcase, unknown_options_name_the_nearest);
	tcase_add_test(tcase, memory_has_an_order_of_reuse);
	tcase_add_test(tcase, seed_comes_from_the_options);
	tcase_add_test(tcase, devices_have_a_path_and_an_id);
	tcase_add_test(tcase, numbers_are_added_to_names);
	tcase_add_test(tcase, wrong_devices_are_refused);
	tcase_add_test(tcase, hardware_needs_a_profile_before_it);
	tcase_add_test(tcase, guest_memory_has_values);
	tcase_add_test(tcase, queues_are_named);
	tcase_add_test(tcase, wrong_queues_are_refused);
	tcase_add_test(tcase, numbers_are_whole_and_fit);
	tcase_add_test(tcase, images_are_cores);
	suite_add_tcase(s, tcase);
}

static void add_directive_tests(Suite *s)
{
	TCase *tcase = tcase_create("directives");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, faults_of_a_port_say_which_access);
	tcase_add_test(tcase, each_kind_of_access_can_fail);
	tcase_add_test(tcase, faults_of_a_write_say_which_register);
	tcase_add_test(tcase, faults_of_a_device_make_it_silent);
	tcase_add_test(tcase, wrong_faults_are_refused);
	tcase_add_test(tcase, incomplete_faults_are_refused);
	tcase_add_test(tcase, faults_are_limited);
	tcase_add_test(tcase, names_that_lines_could_not_say_are_refused);
	tcase_add_test(tcase, expectations_are_kept_apart_from_steps);
	tcase_add_test(tcase, each_violation_can_be_expected);
	tcase_add_test(tcase, expectations_may_be_of_one_profile);
	tcase_add_test(tcase, vm_is_a_vm_with_a_queue_that_runs);
	tcase_add_test(tcase, doorbells_are_rung_by_the_number_of_commands);
	tcase_add_test(tcase, wrong_expectations_are_refused);
	tcase_add_test(tcase, expectations_are_limited);
	tcase_add_test(tcase, registers_have_names);
	tcase_add_test(tcase, wrong_registers_are_refused);
	tcase_add_test(tcase, translations_have_an_outcome);
	tcase_add_test(tcase, wrong_translations_are_refused);
	suite_add_tcase(s, tcase);
}

static void add_actor_tests(Suite *s)
{
	TCase *tcase = tcase_create("actors");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, calls_have_an_actor);
	tcase_add_test(tcase, unknown_actors_name_the_nearest);
	tcase_add_test(tcase, errors_of_a_call_point_into_its_line);
	tcase_add_test(tcase, calls_take_at_most_64_kib);
	tcase_add_test(tcase, stores_are_bytes_or_commands);
	tcase_add_test(tcase, wrong_stores_are_refused);
	tcase_add_test(tcase, names_are_bound_by_results_and_fields);
	tcase_add_test(tcase, names_are_used_after_they_are_bound);
	tcase_add_test(tcase, name_is_one_for_all_actors);
	tcase_add_test(tcase, guest_produces_writes_and_reads);
	tcase_add_test(tcase, wrong_guest_lines_are_refused);
	tcase_add_test(tcase, devices_make_dma);
	tcase_add_test(tcase, host_takes_and_moves_pages);
	tcase_add_test(tcase, wrong_host_lines_are_refused);
	tcase_add_test(tcase, kernel_option_of_the_command_line_takes_the_lines_place);
	tcase_add_test(tcase, assumption_of_the_command_line_takes_the_lines_place);
	tcase_add_test(tcase, profile_of_the_command_line_takes_the_lines_place);
	suite_add_tcase(s, tcase);
}

static Suite *suite(void)
{
	Suite *s = suite_create("script");
	add_machine_tests(s);
	add_directive_tests(s);
	add_actor_tests(s);
	TCase *tcase = tcase_create("file");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, header_comes_first);
	tcase_add_test(tcase, missing_file_is_reported);
	tcase_add_test(tcase, blank_lines_and_comments_are_no_steps);
	tcase_add_test(tcase, last_line_needs_no_newline);
	tcase_add_test(tcase, step_has_its_place);
	tcase_add_test(tcase, error_in_the_last_line_refuses_the_whole);
	tcase_add_test(tcase, left_over_words_are_refused);
	tcase_add_test(tcase, unknown_directives_name_the_nearest);
	tcase_add_test(tcase, steps_start_when_the_line_says);
	tcase_add_test(tcase, what_never_happens_has_no_time);
	tcase_add_test(tcase, durations_have_units);
	tcase_add_test(tcase, bad_durations_are_refused);
	tcase_add_test(tcase, delay_names_its_point);
	tcase_add_test(tcase, fractions_are_exact);
	tcase_add_test(tcase, number_with_a_leading_zero_is_not_octal);
	tcase_add_test(tcase, thread_is_a_number);
	tcase_add_test(tcase, one_line_has_one_actor);
	tcase_add_test(tcase, value_that_no_register_holds_is_refused);
	tcase_add_test(tcase, comment_may_stand_behind_each_line);
	tcase_add_test(tcase, overridden_line_may_have_a_time);
	suite_add_tcase(s, tcase);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
