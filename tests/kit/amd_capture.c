// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/amd_capture.h"

#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#ifndef HWQ_SOURCE_DIR
#define HWQ_SOURCE_DIR "."
#endif

const char *capture_folder(void)
{
	const char *folder = getenv("HWQ_AMD_CAPTURES");
	return folder != NULL ? folder : HWQ_SOURCE_DIR "/traces/captures/amd";
}

/* The lines of NAME or NAME.zst; NULL: there is neither. */
static gchar **read_lines(const char *name)
{
	gchar *path = g_build_filename(capture_folder(), name, NULL);
	gchar *packed_path = g_strconcat(path, ".zst", NULL);
	gchar *text = NULL, *packed = NULL;
	gsize length;
	gchar **lines = NULL;
	if (!g_file_get_contents(path, &text, NULL, NULL) &&
	    g_file_get_contents(packed_path, &packed, &length, NULL)) {
		unsigned long long size = ZSTD_getFrameContentSize(packed, length);
		if (size < (1ULL << 30)) {
			text = g_malloc0(size + 1);
			if (ZSTD_decompress(text, size, packed, length) != size)
				g_clear_pointer(&text, g_free);
		}
	}
	if (text != NULL)
		lines = g_strsplit(text, "\n", -1);
	g_free(text);
	g_free(packed);
	g_free(path);
	g_free(packed_path);
	return lines;
}

static gchar **lines_of(const char *stem, const char *suffix)
{
	gchar *name = g_strconcat(stem, suffix, ".txt", NULL);
	gchar **lines = read_lines(name);
	g_free(name);
	return lines;
}

/* A line that is not what the file should hold is no capture at all. */
static void expect(bool good, const char *file, const char *line)
{
	if (!good)
		g_error("%s: bad line '%s'", file, line);
}

typedef bool parse_fn(const char *text, struct capture_line *line);

static bool parse_mmio(const char *text, struct capture_line *line)
{
	line->kind = CAPTURE_MMIO;
	return sscanf(text, "%x %u %" SCNx64 " %" SCNu64, &line->mmio.offset, &line->mmio.width,
		      &line->mmio.value, &line->seq) == 4;
}

static bool parse_command(const char *text, struct capture_line *line)
{
	line->kind = CAPTURE_COMMAND;
	return sscanf(text, "%" SCNu64 " %*u %" SCNx64 " %" SCNx64, &line->seq, &line->command[0],
		      &line->command[1]) == 3;
}

static bool parse_dte(const char *text, struct capture_line *line)
{
	unsigned device;
	line->kind = CAPTURE_DTE;
	if (sscanf(text, "%" SCNu64 " %*u DTE %x %" SCNx64 " %u %" SCNx64, &line->seq, &device,
		   &line->dte.at, &line->dte.word, &line->dte.value) != 5)
		return false;
	line->dte.device = (uint16_t)device;
	return device <= UINT16_MAX && line->dte.word < 4;
}

static bool parse_map(const char *text, struct capture_line *line)
{
	char what[8];
	if (sscanf(text, "%" SCNu64 " %*u %7s %u %" SCNx64 " %" SCNx64 " %" SCNx64 " %x",
		   &line->seq, what, &line->map.domain, &line->map.iova, &line->map.pa,
		   &line->map.size, &line->map.prot) != 7)
		return false;
	line->kind = strcmp(what, "map") == 0 ? CAPTURE_MAP : CAPTURE_UNMAP;
	return true;
}

/* Attaching shows in the device table. */
static bool parse_domain(const char *text, struct capture_line *line)
{
	line->kind = CAPTURE_FREE;
	return sscanf(text, "%" SCNu64 " %*u free - %u -", &line->seq, &line->map.domain) == 2;
}

static void add_lines(GArray *to, const char *stem, const char *suffix, parse_fn *parse,
		      const char *skip)
{
	gchar **lines = lines_of(stem, suffix);
	for (guint i = 0; lines != NULL && lines[i] != NULL; i++) {
		struct capture_line line = {.order = i};
		if (*lines[i] == 0 || (skip != NULL && strstr(lines[i], skip) != NULL))
			continue;
		expect(parse(lines[i], &line), stem, lines[i]);
		g_array_append_val(to, line);
	}
	g_strfreev(lines);
}

static gint by_seq(gconstpointer a, gconstpointer b)
{
	const struct capture_line *left = a, *right = b;
	if (left->seq != right->seq)
		return left->seq < right->seq ? -1 : 1;
	return left->order < right->order ? -1 : left->order > right->order;
}

static void add_dma(struct capture *capture, const char *suffix)
{
	gchar **lines = lines_of("accesses", suffix);
	GArray *all = g_array_new(FALSE, TRUE, sizeof(struct capture_dma));
	for (guint i = 0; lines != NULL && lines[i] != NULL; i++) {
		struct capture_dma dma = {0};
		char where[24];
		unsigned device;
		if (*lines[i] == 0)
			continue;
		expect(sscanf(lines[i], "%" SCNu64 " %x %" SCNx64 " %23s", &dma.after_seq, &device,
			      &dma.iova, where) == 4,
		       "accesses", lines[i]);
		dma.device = (uint16_t)device;
		dma.fault = strcmp(where, "fault") == 0;
		dma.pa = dma.fault ? 0 : strtoull(where, NULL, 16);
		g_array_append_val(all, dma);
	}
	g_strfreev(lines);
	capture->dma_count = all->len;
	capture->dma = (struct capture_dma *)(void *)g_array_free(all, FALSE);
}

static void add_events(struct capture *capture, const char *suffix)
{
	gchar **lines = lines_of("events", suffix);
	GArray *all = g_array_new(FALSE, TRUE, sizeof(struct capture_event));
	for (guint i = 0; lines != NULL && lines[i] != NULL; i++) {
		struct capture_event event;
		if (*lines[i] == 0)
			continue;
		expect(sscanf(lines[i], "%" SCNu64 " %*u %" SCNx64 " %" SCNx64, &event.seq,
			      &event.q[0], &event.q[1]) == 3,
		       "events", lines[i]);
		g_array_append_val(all, event);
	}
	g_strfreev(lines);
	capture->event_count = all->len;
	capture->events = (struct capture_event *)(void *)g_array_free(all, FALSE);
}

struct capture *capture_load(const char *name, const char *suffix)
{
	gchar *commands = g_strconcat("-", name, NULL);
	GArray *all = g_array_new(FALSE, TRUE, sizeof(struct capture_line));
	struct capture *capture = NULL;
	add_lines(all, "commands", commands, parse_command, NULL);
	g_free(commands);
	if (all->len == 0) {
		g_array_free(all, TRUE);
		return NULL;
	}
	add_lines(all, "mmio", suffix, parse_mmio, NULL);
	add_lines(all, "tables", suffix, parse_dte, NULL);
	add_lines(all, "maps", suffix, parse_map, NULL);
	add_lines(all, "domains", suffix, parse_domain, " attach ");
	g_array_sort(all, by_seq);
	capture = g_new0(struct capture, 1);
	capture->line_count = all->len;
	capture->lines = (struct capture_line *)(void *)g_array_free(all, FALSE);
	add_dma(capture, suffix);
	add_events(capture, suffix);
	return capture;
}

void capture_free(struct capture *capture)
{
	g_free(capture->lines);
	g_free(capture->dma);
	g_free(capture->events);
	g_free(capture);
}

struct capture_register *capture_registers(uint32_t *count)
{
	gchar **lines = read_lines("registers.txt");
	GArray *all = g_array_new(FALSE, TRUE, sizeof(struct capture_register));
	for (guint i = 0; lines != NULL && lines[i] != NULL; i++) {
		struct capture_register one;
		if (*lines[i] == 0)
			continue;
		expect(sscanf(lines[i], "%x %u %" SCNx64, &one.offset, &one.width, &one.value) == 3,
		       "registers", lines[i]);
		g_array_append_val(all, one);
	}
	g_strfreev(lines);
	*count = all->len;
	return (struct capture_register *)(void *)g_array_free(all, all->len == 0);
}

static bool parse_translation(const char *text, struct capture_translation *one)
{
	char where[24], what[32];
	unsigned device;
	one->leaf_log2 = 0;
	int fields = sscanf(text, "%x %" SCNx64 " %23s %31s %u", &device, &one->iova, where, what,
			    &one->leaf_log2);
	one->device = (uint16_t)device;
	one->fault = strcmp(where, "-") == 0;
	if (one->fault) {
		g_strlcpy(one->reason, what + strlen("fault:"), sizeof(one->reason));
		return fields == 4 && g_str_has_prefix(what, "fault:");
	}
	one->pa = strtoull(where, NULL, 16);
	one->readable = strchr(what, 'r') != NULL;
	one->writable = strchr(what, 'w') != NULL;
	return fields == 5 && device <= UINT16_MAX;
}

struct capture_translation *capture_translations(uint32_t *count)
{
	gchar **lines = read_lines("translations.txt");
	GArray *all = g_array_new(FALSE, TRUE, sizeof(struct capture_translation));
	for (guint i = 0; lines != NULL && lines[i] != NULL; i++) {
		struct capture_translation one = {0};
		if (*lines[i] == 0)
			continue;
		expect(parse_translation(lines[i], &one), "translations", lines[i]);
		g_array_append_val(all, one);
	}
	g_strfreev(lines);
	*count = all->len;
	return (struct capture_translation *)(void *)g_array_free(all, all->len == 0);
}
