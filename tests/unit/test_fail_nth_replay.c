// SPDX-License-Identifier: Apache-2.0
/* Each point of each call of the recordings of iommufd_viommu fails in turn (iommufd app. E). */
#include <check.h>
#include <glib.h>

#include "tests/kit/fail_nth.h"
#include "tests/kit/run.h"
#include "tools/runner/trace_replay.h"

#define FOLDER HWQ_SOURCE_DIR "/traces/captures/iommufd"

static void on_difference(void *context, const struct difference *difference)
{
	(void)context;
	ck_abort_msg("line %u: %s: expected %s, got %s", difference->call->line, difference->field,
		     difference->expected, difference->got);
}

static void on_unverifiable(void *context, const struct recorded_call *call, const char *reason)
{
	(void)context;
	(void)call;
	(void)reason;
}

static void replay_file(const char *name, struct fail_nth *fail_nth)
{
	struct call_watch watch = fail_nth_watch(fail_nth);
	struct replay_events events = {NULL, on_difference, on_unverifiable};
	struct replay_options options = replay_options_default();
	struct replay_counts counts = {0};
	struct trace_diag diag = {0};
	char *path = g_build_filename(FOLDER, name, NULL);
	options.machine.arena_bytes = 64ULL << 20;
	options.watch = &watch;
	fail_nth->file = name;
	struct trace_reader *reader = trace_reader_open(path, &diag);
	ck_assert_ptr_nonnull(reader);
	ck_assert_msg(trace_replay(reader, &options, &events, &counts, &diag) == TRACE_REPLAYED,
		      "%s", trace_diag_text(&diag));
	trace_diag_free(&diag);
	g_free(path);
}

START_TEST(failures_in_recorded_calls_change_nothing)
{
	struct fail_nth fail_nth = {0};
	GDir *folder = g_dir_open(FOLDER, 0, NULL);
	const char *name;
	uint32_t files = 0;
	ck_assert_ptr_nonnull(folder);
	while ((name = g_dir_read_name(folder)) != NULL) {
		if (!g_str_has_prefix(name, "iommufd_viommu") || !g_str_has_suffix(name, ".trace"))
			continue;
		replay_file(name, &fail_nth);
		files++;
	}
	g_dir_close(folder);
	fail_nth_fini(&fail_nth);
	ck_assert_uint_ge(files, 12);
	ck_assert_uint_gt(fail_nth.failures, 800);
	ck_assert_uint_eq(fail_nth.unfinished, 0);
	ck_assert_uint_eq(fail_nth.findings, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fail_nth_replay");
	TCase *tcase = tcase_create("fail_nth_replay");
	tcase_add_test(tcase, failures_in_recorded_calls_change_nothing);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
