// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/smmu_capture.h"

#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#ifndef HWQ_SOURCE_DIR
#define HWQ_SOURCE_DIR "."
#endif

#define TEXT_MAX (1ULL << 30)

char *smmu_capture_path(const char *folder, const char *file)
{
	const char *base = getenv("HWQ_SMMUV3_CAPTURES");
	base = base != NULL ? base : HWQ_SOURCE_DIR "/traces/captures/smmuv3";
	return g_build_filename(base, folder, file, NULL);
}

/* The text of PATH.zst, or NULL. */
static gchar *unpack(const gchar *path)
{
	gchar *packed_path = g_strconcat(path, ".zst", NULL), *packed = NULL, *text = NULL;
	gsize length = 0;
	if (g_file_get_contents(packed_path, &packed, &length, NULL)) {
		unsigned long long size = ZSTD_getFrameContentSize(packed, length);
		if (size < TEXT_MAX) {
			text = g_malloc0(size + 1);
			if (ZSTD_decompress(text, size, packed, length) != size)
				g_clear_pointer(&text, g_free);
		}
	}
	g_free(packed);
	g_free(packed_path);
	return text;
}

/* The lines of a file, plain or packed; NULL: it is not there. */
static gchar **lines_of(const char *folder, const char *stem, const char *suffix)
{
	gchar *file = g_strconcat(stem, suffix, ".txt", NULL);
	gchar *path = smmu_capture_path(folder, file), *text = NULL;
	if (!g_file_get_contents(path, &text, NULL, NULL))
		text = unpack(path);
	gchar **lines = text != NULL ? g_strsplit(text, "\n", -1) : NULL;
	g_free(text);
	g_free(path);
	g_free(file);
	return lines;
}

/* A line that is not what the file should hold is no capture at all. */
static void expect(bool good, const char *file, const char *line)
{
	if (!good)
		g_error("%s: bad line '%s'", file, line);
}

/* --- lines --- */

typedef bool parse_fn(const char *text, struct smmu_capture_line *line);

static bool parse_mmio(const char *text, struct smmu_capture_line *line)
{
	line->kind = SMMU_CAPTURE_MMIO;
	return sscanf(text, "%x %u %" SCNx64 " %" SCNu64, &line->mmio.offset, &line->mmio.width,
		      &line->mmio.value, &line->seq) == 4;
}

static bool parse_command(const char *text, struct smmu_capture_line *line)
{
	line->kind = SMMU_CAPTURE_COMMAND;
	return sscanf(text, "%" SCNu64 " %*u %" SCNx64 " %" SCNx64, &line->seq, &line->command[0],
		      &line->command[1]) == 3;
}

static bool parse_store(const char *text, struct smmu_capture_line *line)
{
	char what[8];
	if (sscanf(text, "%" SCNu64 " %*u %7s %x %" SCNx64 " %u %" SCNx64, &line->seq, what,
		   &line->store.sid, &line->store.at, &line->store.word, &line->store.value) != 6)
		return false;
	line->kind = strcmp(what, "STE") == 0  ? SMMU_CAPTURE_STE
		     : strcmp(what, "CD") == 0 ? SMMU_CAPTURE_CD
					       : SMMU_CAPTURE_L1STD;
	return line->store.word < 8;
}

static bool parse_map(const char *text, struct smmu_capture_line *line)
{
	char what[8];
	if (sscanf(text, "%" SCNu64 " %*u %7s %u %" SCNx64 " %" SCNx64 " %" SCNx64 " %x",
		   &line->seq, what, &line->map.domain, &line->map.iova, &line->map.pa,
		   &line->map.size, &line->map.prot) < 6)
		return false;
	line->kind = strcmp(what, "map") == 0 ? SMMU_CAPTURE_MAP : SMMU_CAPTURE_UNMAP;
	return true;
}

/* Attaching shows in the tables. */
static bool parse_domain(const char *text, struct smmu_capture_line *line)
{
	line->kind = SMMU_CAPTURE_FREE;
	return sscanf(text, "%" SCNu64 " %*u free - %u -", &line->seq, &line->map.domain) == 2;
}

static bool parse_event(const char *text, struct smmu_capture_line *line)
{
	uint64_t *event = line->event;
	line->kind = SMMU_CAPTURE_EVENT;
	return sscanf(text, "%" SCNu64 " %*u %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
		      &line->seq, &event[0], &event[1], &event[2], &event[3]) == 5;
}

struct source {
	const char *folder;
	const char *stem;
	const char *suffix;
	parse_fn *parse;
	const char *skip; /* lines with this; NULL: none */
};

static void add_lines(GArray *to, const struct source *source)
{
	gchar **lines = lines_of(source->folder, source->stem, source->suffix);
	for (guint i = 0; lines != NULL && lines[i] != NULL; i++) {
		struct smmu_capture_line line = {.order = i};
		if (*lines[i] == 0 ||
		    (source->skip != NULL && strstr(lines[i], source->skip) != NULL))
			continue;
		expect(source->parse(lines[i], &line), source->stem, lines[i]);
		g_array_append_val(to, line);
	}
	g_strfreev(lines);
}

static gint by_seq(gconstpointer a, gconstpointer b)
{
	const struct smmu_capture_line *left = a, *right = b;
	if (left->seq != right->seq)
		return left->seq < right->seq ? -1 : 1;
	return left->order < right->order ? -1 : left->order > right->order;
}

static void add_dma(struct smmu_capture *capture, const char *suffix)
{
	gchar **lines = lines_of(capture->folder, "accesses", suffix);
	GArray *all = g_array_new(FALSE, TRUE, sizeof(struct smmu_capture_dma));
	for (guint i = 0; lines != NULL && lines[i] != NULL; i++) {
		struct smmu_capture_dma dma = {0};
		char perm[4];
		if (*lines[i] == 0)
			continue;
		expect(sscanf(lines[i], "%" SCNu64 " %x %" SCNx64 " %" SCNx64 " %3s",
			      &dma.after_seq, &dma.sid, &dma.iova, &dma.pa, perm) == 5,
		       "accesses", lines[i]);
		dma.readable = strchr(perm, 'r') != NULL;
		dma.writable = strchr(perm, 'w') != NULL;
		g_array_append_val(all, dma);
	}
	g_strfreev(lines);
	capture->dma_count = all->len;
	capture->dma = (struct smmu_capture_dma *)(void *)g_array_free(all, FALSE);
}

struct smmu_capture *smmu_capture_load(const char *folder, const char *name, const char *suffix)
{
	gchar *commands = g_strconcat("-", name, NULL);
	GArray *all = g_array_new(FALSE, TRUE, sizeof(struct smmu_capture_line));
	const struct source sources[] = {
		{folder, "commands", commands, parse_command, NULL},
		{folder, "mmio", suffix, parse_mmio, NULL},
		{folder, "tables", suffix, parse_store, NULL},
		{folder, "maps", suffix, parse_map, NULL},
		{folder, "domains", suffix, parse_domain, " attach "},
		{folder, "events", suffix, parse_event, NULL},
	};
	add_lines(all, &sources[0]);
	if (all->len == 0) {
		g_array_free(all, TRUE);
		g_free(commands);
		return NULL;
	}
	for (size_t i = 1; i < G_N_ELEMENTS(sources); i++)
		add_lines(all, &sources[i]);
	g_free(commands);
	g_array_sort(all, by_seq);
	struct smmu_capture *capture = g_new0(struct smmu_capture, 1);
	capture->folder = folder;
	capture->name = name;
	capture->line_count = all->len;
	capture->lines = (struct smmu_capture_line *)(void *)g_array_free(all, FALSE);
	add_dma(capture, suffix);
	return capture;
}

void smmu_capture_free(struct smmu_capture *capture)
{
	g_free(capture->lines);
	g_free(capture->dma);
	g_free(capture);
}

/* --- the end of a run --- */

struct smmu_capture_register *smmu_capture_registers(const char *folder, uint32_t *count)
{
	gchar **lines = lines_of(folder, "registers", "");
	GArray *all = g_array_new(FALSE, TRUE, sizeof(struct smmu_capture_register));
	for (guint i = 0; lines != NULL && lines[i] != NULL; i++) {
		struct smmu_capture_register one;
		if (*lines[i] == 0)
			continue;
		expect(sscanf(lines[i], "%x %u %" SCNx64, &one.offset, &one.width, &one.value) == 3,
		       "registers", lines[i]);
		g_array_append_val(all, one);
	}
	g_strfreev(lines);
	*count = all->len;
	return (struct smmu_capture_register *)(void *)g_array_free(all, all->len == 0);
}

static bool parse_translation(const char *text, struct smmu_capture_translation *one)
{
	char where[24], what[40];
	int fields = sscanf(text, "%x %" SCNx64 " %23s %39s %u", &one->sid, &one->iova, where, what,
			    &one->leaf_log2);
	one->fault = strcmp(where, "-") == 0;
	if (one->fault) {
		if (fields != 4 || !g_str_has_prefix(what, "fault:"))
			return false;
		g_strlcpy(one->reason, what + strlen("fault:"), sizeof(one->reason));
		return true;
	}
	one->pa = strtoull(where, NULL, 16);
	one->readable = strchr(what, 'r') != NULL;
	one->writable = strchr(what, 'w') != NULL;
	return fields == 5;
}

struct smmu_capture_translation *smmu_capture_translations(const char *folder, uint32_t *count)
{
	gchar **lines = lines_of(folder, "translations", "");
	GArray *all = g_array_new(FALSE, TRUE, sizeof(struct smmu_capture_translation));
	for (guint i = 0; lines != NULL && lines[i] != NULL; i++) {
		struct smmu_capture_translation one = {0};
		if (*lines[i] == 0)
			continue;
		expect(parse_translation(lines[i], &one), "translations", lines[i]);
		g_array_append_val(all, one);
	}
	g_strfreev(lines);
	*count = all->len;
	return (struct smmu_capture_translation *)(void *)g_array_free(all, all->len == 0);
}
