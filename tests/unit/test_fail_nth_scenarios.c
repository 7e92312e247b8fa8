// SPDX-License-Identifier: Apache-2.0
/* Each point of each call of the shipped scenarios fails in turn (iommufd app. E); stage1 and stage2 of smmuv3 make none. */
#include <check.h>
#include <glib.h>

#include "tests/kit/fail_nth.h"
#include "tests/kit/run.h"
#include "tools/runner/experiment.h"

static const char *const folders[] = {"amd", "amd-ats", "compare", "flagship", "smmuv3", "vcmdq"};

static struct machine *machine;
static struct fail_nth fail_nth;

static void setup(void)
{
	struct machine_config config = machine_config_default();
	config.arena_bytes = 256ULL << 20;
	machine = machine_new(&config);
	ck_assert_ptr_nonnull(machine);
	fail_nth = (struct fail_nth){0};
}

static void teardown(void)
{
	fail_nth_fini(&fail_nth);
	machine_free(machine);
}

static void run_file(const char *path)
{
	const struct script_options options = {.seed = 1};
	struct call_watch watch = fail_nth_watch(&fail_nth);
	const struct experiment_options how = {.other_option = -1, .watch = &watch};
	struct trace_diag diag = {0};
	struct script *script = script_parse(path, &options, &diag);
	ck_assert_msg(script != NULL, "%s", trace_diag_text(&diag));
	fail_nth.file = script->path;
	struct outcome *outcome = experiment_run(script, &how, &machine);
	ck_assert_msg(outcome->as_expected, "%s is not as expected", path);
	outcome_free(outcome);
	script_free(script);
}

START_TEST(failures_in_calls_of_scenarios_change_nothing)
{
	uint32_t files = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
		char *folder = g_build_filename(HWQ_SOURCE_DIR, "traces", folders[i], NULL);
		GDir *dir = g_dir_open(folder, 0, NULL);
		const char *name;
		ck_assert_ptr_nonnull(dir);
		while ((name = g_dir_read_name(dir)) != NULL) {
			if (!g_str_has_suffix(name, ".hwq"))
				continue;
			char *path = g_build_filename(folder, name, NULL);
			run_file(path);
			g_free(path);
			files++;
		}
		g_dir_close(dir);
		g_free(folder);
	}
	ck_assert_uint_ge(files, 40);
	ck_assert_uint_gt(fail_nth.failures, 3000);
	ck_assert_uint_eq(fail_nth.unfinished, 0);
	ck_assert_uint_eq(fail_nth.findings, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fail_nth_scenarios");
	TCase *tcase = tcase_create("fail_nth_scenarios");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, failures_in_calls_of_scenarios_change_nothing);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
