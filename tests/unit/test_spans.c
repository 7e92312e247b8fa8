/* SPDX-License-Identifier: Apache-2.0 */
/* Span maps: lookups, splitting and merging, by example and against an array by key. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "emu/arena.h"
#include "emu/spans.h"
#include "tests/kit/run.h"

static struct arena *arena;
static struct spans spans;

static void exhausted(void *context)
{
	(void)context;
	abort();
}

static void setup(void)
{
	arena = arena_create(1UL << 20, exhausted, NULL);
	spans_init(&spans, arena, true);
}

static void teardown(void)
{
	spans_fini(&spans);
	ck_assert_uint_eq(arena_live(arena), 0);
	arena_destroy(arena);
}

static unsigned count(void)
{
	unsigned n = 0;
	struct span *span;
	SPANS_FOREACH (span, &spans)
		n++;
	return n;
}

static void assert_span(const struct span *span, uint64_t first, uint64_t last, uint64_t base,
			uint64_t tag)
{
	ck_assert_ptr_nonnull(span);
	ck_assert_uint_eq(span->first, first);
	ck_assert_uint_eq(span->last, last);
	ck_assert_uint_eq(span->base, base);
	ck_assert_uint_eq(span->tag, tag);
}

START_TEST(empty_map_holds_no_key)
{
	ck_assert_ptr_null(spans_find(&spans, 0));
	ck_assert_ptr_null(spans_from(&spans, 0));
	ck_assert_ptr_null(spans_from(&spans, UINT64_MAX));
	spans_clear(&spans, 0, UINT64_MAX);
	spans_split(&spans, 7);
	spans_merge(&spans, 0, UINT64_MAX);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(lookup_finds_the_span_or_the_next)
{
	spans_set(&spans, 10, 19, 100, 1);
	spans_set(&spans, 30, 30, 200, 2);
	ck_assert_ptr_null(spans_find(&spans, 9));
	assert_span(spans_find(&spans, 10), 10, 19, 100, 1);
	assert_span(spans_find(&spans, 19), 10, 19, 100, 1);
	ck_assert_ptr_null(spans_find(&spans, 20));
	assert_span(spans_from(&spans, 0), 10, 19, 100, 1);
	assert_span(spans_from(&spans, 19), 10, 19, 100, 1);
	assert_span(spans_from(&spans, 20), 30, 30, 200, 2);
	ck_assert_ptr_null(spans_from(&spans, 31));
	ck_assert_uint_eq(span_at(spans_find(&spans, 13), 13), 103);
	ck_assert_ptr_null(spans_next(spans_find(&spans, 30)));
}
END_TEST

START_TEST(set_in_the_middle_leaves_both_ends)
{
	spans_set(&spans, 10, 19, 100, 1);
	spans_set(&spans, 13, 14, 500, 1);
	ck_assert_uint_eq(count(), 3);
	assert_span(spans_find(&spans, 12), 10, 12, 100, 1);
	assert_span(spans_find(&spans, 13), 13, 14, 500, 1);
	assert_span(spans_find(&spans, 15), 15, 19, 105, 1);
}
END_TEST

START_TEST(linear_neighbours_merge_where_the_base_goes_on)
{
	spans_set(&spans, 10, 19, 100, 1);
	spans_set(&spans, 30, 39, 120, 1);
	spans_set(&spans, 20, 29, 110, 1);
	ck_assert_uint_eq(count(), 1);
	assert_span(spans_find(&spans, 10), 10, 39, 100, 1);
	spans_set(&spans, 40, 40, 131, 1); /* 130 would go on */
	spans_set(&spans, 9, 9, 99, 2);    /* another tag */
	ck_assert_uint_eq(count(), 3);
}
END_TEST

START_TEST(constant_neighbours_merge_where_the_base_is_equal)
{
	spans.linear = false;
	spans_set(&spans, 10, 19, 7, 1);
	spans_set(&spans, 20, 29, 7, 1);
	assert_span(spans_find(&spans, 10), 10, 29, 7, 1);
	spans_set(&spans, 30, 39, 17, 1);
	ck_assert_uint_eq(count(), 2);
	spans_split(&spans, 15);
	assert_span(spans_find(&spans, 15), 15, 29, 7, 1);
	spans_merge(&spans, 15, 15);
	assert_span(spans_find(&spans, 15), 10, 29, 7, 1);
}
END_TEST

START_TEST(merge_includes_the_neighbours_of_its_range)
{
	spans.linear = false;
	spans_set(&spans, 0, 99, 7, 1);
	for (uint64_t key = 10; key < 60; key += 10)
		spans_split(&spans, key);
	ck_assert_uint_eq(count(), 6);
	spans_merge(&spans, 40, 49);
	ck_assert_uint_eq(count(), 4);
	assert_span(spans_find(&spans, 40), 30, 99, 7, 1);
	assert_span(spans_find(&spans, 29), 20, 29, 7, 1);
}
END_TEST

START_TEST(edges_of_the_key_space_work)
{
	spans_set(&spans, 0, UINT64_MAX, 0, 1);
	assert_span(spans_find(&spans, UINT64_MAX), 0, UINT64_MAX, 0, 1);
	spans_clear(&spans, UINT64_MAX, UINT64_MAX);
	spans_clear(&spans, 0, 0);
	assert_span(spans_find(&spans, 1), 1, UINT64_MAX - 1, 1, 1);
	ck_assert_ptr_null(spans_find(&spans, 0));
	ck_assert_ptr_null(spans_from(&spans, UINT64_MAX));
	spans_set(&spans, 0, 0, 0, 1);
	spans_set(&spans, UINT64_MAX, UINT64_MAX, UINT64_MAX, 1);
	ck_assert_uint_eq(count(), 1);
	spans_split(&spans, UINT64_MAX);
	ck_assert_uint_eq(count(), 2);
	spans_merge(&spans, UINT64_MAX, UINT64_MAX);
	ck_assert_uint_eq(count(), 1);
	spans_set(&spans, 5, UINT64_MAX, 0, 2);
	assert_span(spans_find(&spans, 0), 0, 4, 0, 1);
	spans_clear(&spans, 0, UINT64_MAX);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

/* ---- against an array ---- */

#define KEYS 512

static struct cell {
	uint64_t base; /* of this very key; 0: none */
	uint64_t tag;
} model[KEYS];
static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

static void random_set(uint64_t first, uint64_t last)
{
	/* Few bases and tags, so that neighbours often merge. */
	uint64_t base = spans.linear ? 1000 + 100 * random_below(2) + first : 1 + random_below(3);
	uint64_t tag = random_below(2);
	spans_set(&spans, first, last, base, tag);
	for (uint64_t key = first; key <= last; key++)
		model[key] = (struct cell){spans.linear ? base + (key - first) : base, tag};
}

static void random_clear(uint64_t first, uint64_t last)
{
	spans_clear(&spans, first, last);
	for (uint64_t key = first; key <= last; key++)
		model[key] = (struct cell){0};
}

static void assert_equal(int seed, int op)
{
	for (uint64_t key = 0; key < KEYS; key++) {
		struct span *span = spans_find(&spans, key);
		uint64_t base = span == NULL ? 0 : spans.linear ? span_at(span, key) : span->base;
		if (base != model[key].base || (span != NULL && span->tag != model[key].tag))
			ck_abort_msg("seed %d, operation %d: key %d has %d, expected %d", seed, op,
				     (int)key, (int)base, (int)model[key].base);
	}
}

/* As few spans as the array allows. */
static unsigned fewest(void)
{
	unsigned n = 0;
	for (int key = 0; key < KEYS; key++) {
		if (model[key].base == 0)
			continue;
		uint64_t step = spans.linear ? 1 : 0;
		if (key == 0 || model[key - 1].base == 0 || model[key - 1].tag != model[key].tag ||
		    model[key - 1].base + step != model[key].base)
			n++;
	}
	return n;
}

START_TEST(map_agrees_with_an_array)
{
	random_state = (uint64_t)_i + 1;
	spans.linear = _i % 2 == 0;
	for (int key = 0; key < KEYS; key++)
		model[key] = (struct cell){0};
	for (int op = 0; op < 1500; op++) {
		uint32_t kind = random_below(8);
		uint64_t first = random_below(KEYS);
		uint64_t last = first + random_below(40);
		last = last < KEYS ? last : KEYS - 1;
		if (kind < 4)
			random_set(first, last);
		else if (kind < 6)
			random_clear(first, last);
		else if (kind == 6)
			spans_split(&spans, first);
		else
			spans_merge(&spans, 0, UINT64_MAX);
		assert_equal(_i, op);
		if (kind == 7)
			ck_assert_msg(count() == fewest(), "seed %d, operation %d: %u spans for %u",
				      _i, op, count(), fewest());
	}
}
END_TEST

START_TEST(sets_and_clears_alone_stay_merged)
{
	random_state = (uint64_t)_i + 100;
	spans.linear = _i % 2 == 0;
	for (int key = 0; key < KEYS; key++)
		model[key] = (struct cell){0};
	for (int op = 0; op < 1500; op++) {
		uint64_t first = random_below(KEYS);
		uint64_t last = first + random_below(20);
		last = last < KEYS ? last : KEYS - 1;
		if (random_below(3) > 0)
			random_set(first, last);
		else
			random_clear(first, last);
		ck_assert_msg(count() == fewest(), "seed %d, operation %d: %u spans for %u", _i, op,
			      count(), fewest());
	}
	assert_equal(_i, 1500);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("spans");
	TCase *examples = tcase_create("examples");
	tcase_add_checked_fixture(examples, setup, teardown);
	tcase_add_test(examples, empty_map_holds_no_key);
	tcase_add_test(examples, lookup_finds_the_span_or_the_next);
	tcase_add_test(examples, set_in_the_middle_leaves_both_ends);
	tcase_add_test(examples, linear_neighbours_merge_where_the_base_goes_on);
	tcase_add_test(examples, constant_neighbours_merge_where_the_base_is_equal);
	tcase_add_test(examples, merge_includes_the_neighbours_of_its_range);
	tcase_add_test(examples, edges_of_the_key_space_work);
	suite_add_tcase(s, examples);

	TCase *properties = tcase_create("properties");
	tcase_add_checked_fixture(properties, setup, teardown);
	tcase_add_loop_test(properties, map_agrees_with_an_array, 0, 6);
	tcase_add_loop_test(properties, sets_and_clears_alone_stay_merged, 0, 6);
	suite_add_tcase(s, properties);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
