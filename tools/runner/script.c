// SPDX-License-Identifier: Apache-2.0
/* Scenarios: from text to steps. Directives come first, then what actors do. */
#include "tools/runner/script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/bits.h"
#include "kernel_shim/options.h"
#include "tools/runner/command_text.h"
#include "tools/runner/script_line.h"

static struct script_step *add_step(struct script_line *line, enum step_kind kind)
{
	GArray *steps = line->script->steps;
	g_array_set_size(steps, steps->len + 1);
	struct script_step *step = &g_array_index(steps, struct script_step, steps->len - 1);
	step->kind = kind;
	step->line = line->number;
	return step;
}

static int need_profile(struct script_line *line)
{
	if (line->script->platform != NULL)
		return 0;
	return line_refused(line, "no hardware yet", NULL, "nothing says which",
			    "a 'profile NAME' line before this one");
}

/* --- words that name something --- */

static int find_queue(struct script_line *line, const char *name, size_t length, uint32_t *number)
{
	const GArray *queues = line->script->queues;
	for (*number = 0; *number < queues->len; (*number)++) {
		const char *known = g_array_index(queues, struct script_queue, *number).name;
		if (strlen(known) == length && memcmp(known, name, length) == 0)
			return 0;
	}
	return -1;
}

static int find_device(struct script_line *line, const char *name, uint32_t *number)
{
	const GArray *devices = line->script->devices;
	for (*number = 0; *number < devices->len; (*number)++)
		if (strcmp(g_array_index(devices, struct script_device, *number).name, name) == 0)
			return 0;
	return -1;
}

/* NAME.REGISTER: of a guest's queue. */
static int queue_register(struct script_line *line, const char *word, uint32_t *queue,
			  const struct platform_register **reg)
{
	const char *dot = strchr(word, '.');
	if (dot == NULL || find_queue(line, word, (size_t)(dot - word), queue) != 0)
		return line_bad(line, "unknown queue in", word,
				"QUEUE.REGISTER, of a queue of this scenario");
	const struct platform_register *known = line->script->platform->registers;
	const char *names[32] = {NULL};
	for (size_t i = 0; known[i].name != NULL; i++) {
		if (strcmp(known[i].name, dot + 1) == 0) {
			*reg = &known[i];
			return 0;
		}
		names[i] = known[i].name;
	}
	line->word_at += (size_t)(dot + 1 - word);
	return line_unknown(line, "register", dot + 1, names);
}

static bool at_end(struct script_line *line)
{
	line_skip_blanks(line);
	return line->at == line->length;
}

#define FAULT_EVENTS 64U /* codes, of all platforms */

/* Checks that the platform has an event of this name. */
static int check_event(struct script_line *line, const char *word)
{
	const char *names[FAULT_EVENTS + 1];
	unsigned count = 0;
	for (unsigned code = 0; code < FAULT_EVENTS; code++) {
		const char *name = line->script->platform->event_name(code);
		if (name == NULL)
			continue;
		if (strcmp(name, word) == 0)
			return 0;
		names[count++] = name;
	}
	names[count] = NULL;
	return line_unknown(line, "event", word, names);
}

/* `= ok`, `= 0x1000`, `= fault`, `= fault EVENT` */
static int parse_outcome(struct script_line *line, struct script_outcome *outcome)
{
	static const char *const outcomes[] = {"ok", "fault", NULL};
	const char *equals = line_word(line);
	if (strcmp(equals, "=") != 0)
		return line_bad(line, "bad line", equals, "'= ok', '= ADDRESS' or '= fault'");
	const char *word = line_word(line);
	outcome->fault = strcmp(word, "fault") == 0;
	if (outcome->fault) {
		if (at_end(line))
			return 0;
		outcome->event = line_word(line);
		return check_event(line, outcome->event);
	}
	if (strcmp(word, "ok") == 0)
		return 0;
	if (!g_ascii_isdigit(word[0]))
		return line_unknown(line, "outcome", word, outcomes);
	outcome->has_pa = true;
	return line_number(line, word, &outcome->pa);
}

static int parse_direction(struct script_line *line, bool *write)
{
	static const char *const directions[] = {"read", "write", NULL};
	const char *word = line_word(line);
	*write = strcmp(word, "write") == 0;
	if (!*write && strcmp(word, "read") != 0)
		return line_unknown(line, "direction", word, directions);
	return 0;
}

/* --- directives: the machine --- */

static int set_title(struct script_line *line)
{
	line->script->title = line_rest(line);
	return 0;
}

/* A path beside the scenario, unless it is absolute. */
static char *beside(const struct script_line *line, const char *name)
{
	if (g_path_is_absolute(name))
		return g_strdup(name);
	char *folder = g_path_get_dirname(line->script->path);
	char *path = g_build_filename(folder, name, NULL);
	g_free(folder);
	return path;
}

static int set_profile(struct script_line *line)
{
	struct script *script = line->script;
	const char *name = line_word(line);
	if (script->has_profile)
		return line_refused(line, "second profile", name, "there is one",
				    "one profile a scenario");
	line->profile_at = line_word_position(line);
	if (!at_end(line)) {
		const char *bare = line_word(line);
		script->bare = strcmp(bare, "bare") == 0;
		if (!script->bare)
			return line_bad(line, "left over", bare, "'bare', or the end of the line");
	}
	script->has_profile = true;
	if (script->platform != NULL)
		return 0; /* the command line chose another */
	script->profile_name = strchr(name, '/') != NULL ? beside(line, name) : g_strdup(name);
	return platform_profile(script->profile_name, script->path, line->profile_at,
				&script->profile, &script->platform, line->diag);
}

static int unknown_option(struct script_line *line, const char *what, const char *word,
			  const struct option *options)
{
	struct nearest nearest;
	char *texts[OPTIONS_MAX * OPTION_VALUES_MAX];
	size_t count = 0;
	nearest_start(&nearest, word, strlen(word));
	for (const struct option *option = options; option->key != NULL; option++) {
		for (uint32_t i = 0; i < option_value_count(option); i++) {
			texts[count] =
				g_strdup_printf("%s=%s", option->key, option->values[i].name);
			nearest_try(&nearest, texts[count++]);
		}
	}
	const char *known[] = {nearest.best, NULL};
	line_unknown(line, what, word, known);
	while (count > 0)
		g_free(texts[--count]);
	return -1;
}

static bool overridden(const struct script *script, bool hardware, unsigned option)
{
	for (guint i = 0; i < script->overrides->len; i++) {
		const struct script_override *set =
			&g_array_index(script->overrides, struct script_override, i);
		if (set->hardware == hardware && set->option == option)
			return true;
	}
	return false;
}

static int set_option(struct script_line *line, bool hardware)
{
	const struct option *options =
		hardware ? line->script->platform->assumptions : kernel_options;
	const char *word = line_word(line);
	unsigned option, value;
	if (!option_find(options, word, &option, &value))
		return unknown_option(line, hardware ? "hardware assumption" : "kernel option",
				      word, options);
	if (overridden(line->script, hardware, option)) {
		if (line->timed)
			add_step(line, STEP_RUN)->duration_ps =
				0; /* its time passes all the same */
		return 0;
	}
	struct script_step *step = add_step(line, hardware ? STEP_HARDWARE : STEP_KERNEL);
	step->option.option = (uint8_t)option;
	step->option.value = (uint8_t)value;
	return 0;
}

static int set_kernel(struct script_line *line)
{
	return set_option(line, false);
}

static int set_hardware(struct script_line *line)
{
	return need_profile(line) != 0 ? -1 : set_option(line, true);
}

/* memory reuse=lifo|fifo|random */
static int set_memory(struct script_line *line)
{
	static const struct word orders[] = {
		{"lifo", REUSE_LIFO}, {"fifo", REUSE_FIFO}, {"random", REUSE_RANDOM}, {NULL, 0}};
	const char *word = line_word(line), *text = line_value_of(word, "reuse");
	uint64_t order;
	if (text == NULL || !word_find(orders, text, strlen(text), &order))
		return line_bad(line, "bad memory option", word, "'memory reuse=lifo|fifo|random'");
	line->script->reuse = (enum reuse_order)order;
	return 0;
}

/* Names stand before a '.', behind a '=' and in a path. */
static int check_name(struct script_line *line, const char *name)
{
	if (name[0] != 0 && strpbrk(name, "./=$") == NULL)
		return 0;
	return line_refused(line, "bad name", name, "it could not be used",
			    "a word without '.', '/', '=' and '$'");
}

/* device NAME sid=N [ats=on]: a PCI function that VFIO gives out as /dev/vfio/devices/NAME. */
static int add_device(struct script_line *line)
{
	struct script *script = line->script;
	struct script_device device = {.name = line_word(line)};
	uint32_t number;
	uint64_t id = 0;
	if (need_profile(line) != 0 || check_name(line, device.name) != 0)
		return -1;
	if (find_device(line, device.name, &number) == 0)
		return line_refused(line, "second device", device.name, "there is one",
				    "another name");
	const char *word = line_word(line);
	const char *text = line_value_of(word, script->platform->device_key);
	const char *host = script->platform->add_host_device != NULL ? "|host=identity" : "";
	char *form =
		g_strdup_printf("'device NAME %s=N [ats=on|off%s]', N below %u",
				script->platform->device_key, host, script->platform->device_limit);
	bool good = text != NULL && line_number(line, text, &id) == 0 &&
		    id < script->platform->device_limit;
	if (good && !at_end(line)) {
		word = line_word(line);
		device.ats = strcmp(word, "ats=on") == 0;
		device.host = host[0] != 0 && strcmp(word, "host=identity") == 0;
		good = device.ats || device.host || strcmp(word, "ats=off") == 0;
	}
	if (!good && text != NULL && id >= script->platform->device_limit)
		line_refused(line, "bad device", word, "its id is out of range", form);
	else if (!good)
		line_bad(line, "bad device", word, form);
	g_free(form);
	if (!good)
		return -1;
	device.id = (uint32_t)id;
	for (guint i = 0; i < script->devices->len; i++)
		if (g_array_index(script->devices, struct script_device, i).id == device.id)
			return line_refused(line, "second device", word,
					    "there is one with this id", "another id");
	char *path = g_strdup_printf("/dev/vfio/devices/%s", device.name);
	device.path = g_string_chunk_insert(script->texts, path);
	g_free(path);
	add_step(line, STEP_DEVICE)->device.device = script->devices->len;
	g_array_append_val(script->devices, device);
	return 0;
}

/* ram gpa=A va=$B length=N: guest memory that the VMM backs with its own. */
static int add_ram(struct script_line *line)
{
	static const char form[] = "'ram gpa=A va=$B length=N'", what[] = "bad guest memory";
	struct script_value gpa, va, length;
	if (line_key_value(line, "gpa", what, form, &gpa) != 0 ||
	    line_key_value(line, "va", what, form, &va) != 0 ||
	    line_key_value(line, "length", what, form, &length) != 0)
		return -1;
	struct script_step *step = add_step(line, STEP_RAM);
	step->ram.gpa = gpa;
	step->ram.va = va;
	step->ram.length = length;
	return 0;
}

/* queue NAME page0=$P index=N gpa=A entries=N: what the guest knows of its queue. */
static int add_queue(struct script_line *line)
{
	static const char form[] = "'queue NAME page0=$P index=N gpa=A entries=N'",
			  what[] = "bad queue";
	struct script *script = line->script;
	struct script_queue queue = {.name = line_word(line)};
	struct script_value page, index, gpa, entries;
	uint32_t number;
	if (need_profile(line) != 0 || check_name(line, queue.name) != 0)
		return -1;
	if (find_queue(line, queue.name, strlen(queue.name), &number) == 0)
		return line_refused(line, "second queue", queue.name, "there is one",
				    "another name");
	if (line_key_value(line, "page0", what, form, &page) != 0 ||
	    line_key_value(line, "index", what, form, &index) != 0 ||
	    line_key_value(line, "gpa", what, form, &gpa) != 0 ||
	    line_key_value(line, "entries", what, form, &entries) != 0)
		return -1;
	if (index.named || entries.named || index.number >= script->platform->queue_indices ||
	    entries.number == 0 || entries.number > 1 << 19) {
		char *limits = g_strdup_printf("an index below %u, entries to 2^19, both numbers",
					       script->platform->queue_indices);
		line_bad(line, what, queue.name, limits);
		g_free(limits);
		return -1;
	}
	queue.index = (uint32_t)index.number;
	queue.entries = (uint32_t)entries.number;
	struct script_step *step = add_step(line, STEP_QUEUE);
	step->queue.queue = script->queues->len;
	step->queue.page = page;
	step->queue.gpa = gpa;
	g_array_append_val(script->queues, queue);
	return 0;
}

/* load core FILE: an ELF core with physical addresses becomes RAM. */
static int load_image(struct script_line *line)
{
	static const char *const kinds[] = {"core", NULL};
	const char *kind = line_word(line);
	if (strcmp(kind, "core") != 0)
		return line_unknown(line, "kind of image", kind, kinds);
	char *path = beside(line, line_word(line));
	struct image *image = image_load(path, line->diag);
	g_free(path);
	if (image == NULL)
		return -1;
	g_ptr_array_add(line->script->images, image);
	add_step(line, STEP_LOAD)->image = image;
	return 0;
}

/* --- directives: time and faults --- */

static int run_line(struct script_line *line)
{
	uint64_t duration_ps;
	if (line_duration(line, line_word(line), &duration_ps) != 0)
		return -1;
	add_step(line, STEP_RUN)->duration_ps = duration_ps;
	return 0;
}

/* delay DURATION at NAME OF THE POINT */
static int add_delay(struct script_line *line)
{
	uint64_t delay_ps;
	if (line_duration(line, line_word(line), &delay_ps) != 0)
		return -1;
	const char *at = line_word(line);
	if (strcmp(at, "at") != 0)
		return line_bad(line, "bad delay", at, "'delay DURATION at PREEMPTION POINT'");
	struct script_step *step = add_step(line, STEP_DELAY);
	step->delay.delay_ps = delay_ps;
	step->delay.point = line_rest(line);
	return 0;
}

static const char fault_form[] =
	"'fault port=ENGINE access=KIND [nth=N] action=abort|flip|late:T', "
	"'fault write=QUEUE.REGISTER [nth=N] action=lose|late:T' or "
	"'fault device=NAME action=silent|answer'";

/* The words behind the first: nth=N, action=..., and for a port access=KIND. */
struct fault_words {
	uint64_t nth;
	const char *access;
	const char *action; /* without late:T */
	size_t access_at;   /* where the words stand */
	size_t action_at;
	uint64_t late_ps;
};

static int fault_lacks(struct script_line *line, const char *form)
{
	line->word_at = line->at;
	return line_bad(line, "bad fault", "", form);
}

static int parse_fault_words(struct script_line *line, struct fault_words *words)
{
	*words = (struct fault_words){0};
	while (!at_end(line)) {
		const char *word = line_word(line), *text;
		if ((text = line_value_of(word, "nth")) != NULL) {
			if (line_number(line, text, &words->nth) != 0)
				return -1;
		} else if ((text = line_value_of(word, "access")) != NULL) {
			words->access = text;
			words->access_at = line->word_at;
		} else if ((text = line_value_of(word, "action")) != NULL) {
			bool late = strncmp(text, "late:", 5) == 0;
			words->action = late ? "late" : text;
			words->action_at = line->word_at;
			if (late && line_duration(line, text + 5, &words->late_ps) != 0)
				return -1;
			if (late && words->late_ps == 0)
				return line_refused(line, "bad fault", word, "it is no delay",
						    "a duration above 0");
		} else {
			return line_bad(line, "bad fault", word, fault_form);
		}
	}
	if (words->action == NULL)
		return fault_lacks(line, "action=...");
	return 0;
}

static int too_many(struct script_line *line, enum step_kind kind, guint most)
{
	const GArray *steps = line->script->steps;
	guint count = 0;
	for (guint i = 0; i < steps->len; i++)
		count += g_array_index(steps, struct script_step, i).kind == kind;
	if (count < most)
		return 0;
	char *expected = g_strdup_printf("at most %u of this kind", most);
	line->word_at = 0;
	line_refused(line, "one fault too many", NULL, "more are not kept", expected);
	g_free(expected);
	return -1;
}

static int bad_action(struct script_line *line, const struct fault_words *words, const char *form)
{
	line->word_at = words->action_at;
	return line_bad(line, "bad fault", words->action, form);
}

static int port_fault(struct script_line *line)
{
	static const struct word purposes[] = {{"command-fetch", ACCESS_COMMAND_FETCH},
					       {"config-fetch", ACCESS_CONFIG_FETCH},
					       {"config-write", ACCESS_CONFIG_WRITE},
					       {"table-walk", ACCESS_TABLE_WALK},
					       {"table-write", ACCESS_TABLE_WRITE},
					       {"pointer-write", ACCESS_POINTER_WRITE},
					       {"event-write", ACCESS_EVENT_WRITE},
					       {"completion-write", ACCESS_COMPLETION_WRITE},
					       {"dma-read", ACCESS_DMA_READ},
					       {"dma-write", ACCESS_DMA_WRITE},
					       {NULL, 0}};
	static const struct word actions[] = {
		{"abort", FAULT_ABORT}, {"flip", FAULT_FLIP}, {"late", FAULT_LATE}, {NULL, 0}};
	struct fault_words words;
	uint64_t purpose, action;
	if (parse_fault_words(line, &words) != 0)
		return -1;
	const char *known[G_N_ELEMENTS(purposes)] = {NULL};
	for (size_t i = 0; purposes[i].name != NULL; i++)
		known[i] = purposes[i].name;
	if (words.access == NULL)
		return fault_lacks(line, "access=KIND");
	line->word_at = words.access_at;
	if (!word_find(purposes, words.access, strlen(words.access), &purpose))
		return line_unknown(line, "kind of access", words.access, known);
	if (!word_find(actions, words.action, strlen(words.action), &action))
		return bad_action(line, &words, "action=abort|flip|late:T");
	if (action == FAULT_LATE && purpose != ACCESS_COMMAND_FETCH)
		return line_bad(line, "bad fault", words.access,
				"access=command-fetch for a late one: others can't wait");
	if (too_many(line, STEP_PORT_FAULT, PORT_FAULTS_MAX) != 0)
		return -1;
	struct script_step *step = add_step(line, STEP_PORT_FAULT);
	step->port_fault.purpose = (enum access_purpose)purpose;
	step->port_fault.action = (enum fault_action)action;
	step->port_fault.late_ps = words.late_ps;
	step->port_fault.nth = words.nth;
	return 0;
}

static int write_fault(struct script_line *line, const char *where)
{
	struct fault_words words;
	const struct platform_register *reg = NULL;
	uint32_t queue;
	line->word_at += strlen("write=");
	if (queue_register(line, where, &queue, &reg) != 0 || parse_fault_words(line, &words) != 0)
		return -1;
	bool lose = strcmp(words.action, "lose") == 0;
	if ((!lose && strcmp(words.action, "late") != 0) || words.access != NULL)
		return bad_action(line, &words, "action=lose|late:T");
	if (too_many(line, STEP_WRITE_FAULT, BUS_FAULTS_MAX) != 0)
		return -1;
	struct script_step *step = add_step(line, STEP_WRITE_FAULT);
	step->write_fault.queue = queue;
	step->write_fault.reg = reg;
	step->write_fault.nth = words.nth;
	step->write_fault.late_ps = words.late_ps;
	return 0;
}

static int device_fault(struct script_line *line, const char *name)
{
	struct fault_words words;
	uint32_t device;
	if (find_device(line, name, &device) != 0)
		return line_refused(line, "unknown device", name, "no line before has it",
				    "one of a 'device' line");
	if (!g_array_index(line->script->devices, struct script_device, device).ats)
		return line_refused(line, "bad fault", name, "it has no ATS: nothing asks it",
				    "a device with 'ats=on'");
	if (parse_fault_words(line, &words) != 0)
		return -1;
	bool silent = strcmp(words.action, "silent") == 0;
	if ((!silent && strcmp(words.action, "answer") != 0) || words.access != NULL ||
	    words.nth != 0)
		return bad_action(line, &words, "action=silent|answer");
	struct script_step *step = add_step(line, STEP_DEVICE_FAULT);
	step->device_fault.device = device;
	step->device_fault.silent = silent;
	return 0;
}

static int add_fault(struct script_line *line)
{
	if (need_profile(line) != 0)
		return -1;
	const char *word = line_word(line), *text;
	if ((text = line_value_of(word, "port")) != NULL) {
		if (strcmp(line->script->platform->engine, text) != 0)
			return line_bad(line, "unknown engine", text, "one of the profile's");
		return port_fault(line);
	}
	if ((text = line_value_of(word, "write")) != NULL)
		return write_fault(line, text);
	if ((text = line_value_of(word, "device")) != NULL)
		return device_fault(line, text);
	return line_bad(line, "bad fault", word, fault_form);
}

/* --- directives: expectations, and what bare hardware is asked --- */

static int add_expectation(struct script_line *line)
{
	struct script *script = line->script;
	const char *word = line_word(line);
	int kind = violation_by_name(word, strlen(word));
	const char *names[VIOLATION_KINDS + 2] = {"none"};
	bool none = strcmp(word, "none") == 0, other_profile = false;
	if (none && at_end(line))
		return 0;
	if (kind < 0 && !none) {
		for (int i = 0; i < VIOLATION_KINDS; i++)
			names[i + 1] = violation_name((enum violation_kind)i);
		return line_unknown(line, "violation", word, names);
	}
	struct script_expectation expectation = {(enum violation_kind)kind, -1, -1, 0};
	while (!at_end(line)) {
		const char *text;
		uint32_t number;
		word = line_word(line);
		if ((text = line_value_of(word, "profile")) != NULL) {
			other_profile = g_strcmp0(text, script->profile_name) != 0;
			continue;
		}
		if (!none && (text = line_value_of(word, "count")) != NULL) {
			if (line_number(line, text, &expectation.count) != 0)
				return -1;
			if (expectation.count == 0)
				return line_refused(line, "bad expectation", word,
						    "none is 'expect none'", "'count=N' above 0");
			continue;
		}
		if (none || (text = line_value_of(word, "engine")) == NULL)
			return line_bad(line, "bad expectation", word,
					none ? "'profile=NAME'"
					     : "'engine=QUEUE', 'engine=DEVICE', 'count=N' or "
					       "'profile=NAME'");
		if (find_queue(line, text, strlen(text), &number) == 0)
			expectation.queue = (int32_t)number;
		else if (find_device(line, text, &number) == 0)
			expectation.device = (int32_t)number;
		else
			return line_bad(line, "bad expectation", word,
					"'engine=', and a queue or device of this scenario");
	}
	if (none || other_profile)
		return 0;
	if (script->expectation_count == SCRIPT_EXPECTATIONS_MAX)
		return line_refused(line, "one expectation too many", word, "there are 16",
				    "at most 16");
	script->expectations[script->expectation_count++] = expectation;
	return 0;
}

struct nearest_register {
	struct nearest nearest;
	GStringChunk *texts;
};

static void try_register(void *context, const char *name)
{
	struct nearest_register *search = context;
	nearest_try(&search->nearest, g_string_chunk_insert_const(search->texts, name));
}

static int check_width(struct script_line *line, const char *word, const struct script_value *value,
		       unsigned width)
{
	if (width == 8 || value->number >> (8 * width) == 0)
		return 0;
	return line_refused(line, "bad value", word, "the register is narrower", "one of 32 bits");
}

/* mmio write REGISTER VALUE  |  mmio read REGISTER = VALUE */
static int mmio_line(struct script_line *line)
{
	struct pa pa;
	unsigned width;
	bool write;
	if (need_profile(line) != 0 || parse_direction(line, &write) != 0)
		return -1;
	const char *reg = line_word(line);
	if (!platform_find_register(line->script->platform, reg, &pa, &width)) {
		struct nearest_register search = {.texts = line->script->texts};
		nearest_start(&search.nearest, reg, strlen(reg));
		platform_each_register(line->script->platform, try_register, &search);
		const char *known[] = {search.nearest.best, NULL};
		return line_unknown(line, "register", reg, known);
	}
	if (!write) {
		const char *equals = line_word(line);
		if (strcmp(equals, "=") != 0)
			return line_bad(line, "bad line", equals, "'mmio read REGISTER = VALUE'");
	}
	struct script_value value;
	const char *word = line_word(line);
	if (line_value(line, word, &value) != 0 || check_width(line, word, &value, width) != 0)
		return -1;
	struct script_step *step = add_step(line, write ? STEP_MMIO_WRITE : STEP_MMIO_READ);
	step->mmio.reg = reg;
	step->mmio.value = value;
	return 0;
}

/* The NUMBER of WORD, `sid=NUMBER`: of any requester, whether there is a device or not. */
static int parse_id(struct script_line *line, const char *word, const char *number, uint32_t *id)
{
	static const char range[] = "a number from 0 to 0x7fffffff";
	uint64_t value;
	if (!number_parse(number, strlen(number), &value))
		return line_bad(line, "bad id", word, range);
	*id = (uint32_t)value;
	return value <= UINT32_MAX / 2
		       ? 0
		       : line_refused(line, "bad id", word, "it is out of range", range);
}

/* translate sid=N iova=A read|write = ADDRESS | ok | fault [EVENT] */
static int translate_line(struct script_line *line)
{
	static const char what[] = "bad translation";
	struct script_value iova;
	struct script_outcome outcome = {0};
	uint32_t id;
	bool write;
	if (need_profile(line) != 0)
		return -1;
	const char *key = line->script->platform->device_key;
	char *form = g_strdup_printf("'translate %s=N iova=A read|write = ADDRESS|fault'", key);
	const char *word = line_word(line), *number = line_value_of(word, key);
	int error = number == NULL ? line_bad(line, what, word, form)
				   : parse_id(line, word, number, &id);
	if (error == 0)
		error = line_key_value(line, "iova", what, form, &iova);
	g_free(form);
	if (error != 0 || parse_direction(line, &write) != 0 || parse_outcome(line, &outcome) != 0)
		return -1;
	struct script_step *step = add_step(line, STEP_TRANSLATE);
	step->translate.device = id;
	step->translate.iova = iova;
	step->translate.write = write;
	step->translate.outcome = outcome;
	return 0;
}

/* --- processes --- */

/* vmm, other, other2, and their threads: vmm.2. */
static bool names_process(const char *actor)
{
	size_t length = strcspn(actor, "."), base = length;
	const char *thread = actor + length;
	while (base > 0 && g_ascii_isdigit(actor[base - 1]))
		base--;
	if (*thread == '.' && (thread[1] == 0 || thread[1 + strspn(thread + 1, "0123456789")] != 0))
		return false;
	return (base == 3 && memcmp(actor, "vmm", base) == 0) ||
	       (base == 5 && memcmp(actor, "other", base) == 0);
}

static uint32_t actor_of(struct script *script, const char *name)
{
	size_t base = strcspn(name, ".");
	for (guint i = 0; i < script->actors->len; i++) {
		const char *known = g_ptr_array_index(script->actors, i);
		if (strlen(known) == base && memcmp(known, name, base) == 0)
			return i;
	}
	g_ptr_array_add(script->actors,
			g_string_chunk_insert_len(script->texts, name, (gssize)base));
	return script->actors->len - 1;
}

static int add_call(struct script_line *line, const char *actor)
{
	struct script *script = line->script;
	struct trace_line *parsed = trace_arena_alloc(&script->arena, sizeof(*parsed));
	struct recorded_call *call = trace_arena_alloc(&script->arena, sizeof(*call));
	const struct name_table names = {line, line_use_name, line_bind_name};
	if (parsed == NULL || call == NULL)
		abort();
	if (trace_parse_text(script->path, line_position(line), line->text + line->at,
			     line->length - line->at, &script->arena, parsed, line->diag) != 0)
		return -1;
	if (parsed->kind != TRACE_LINE_CALL || parsed->call.has_label || parsed->call.actor != NULL)
		return line_bad(line, "no call behind", actor, "e.g. 'vmm: close($fd) = 0'");
	parsed->number = line->number;
	line->at = line->length; /* the call takes all of it */
	if (scenario_call_decode(script->path, parsed, &script->arena, &names, call, line->diag) !=
	    0)
		return -1;
	call->line = line->number;
	if (call->reserve > SCRIPT_ARGUMENT_MAX ||
	    (call->has_buffer &&
	     (call->args[2] > SCRIPT_ARGUMENT_MAX || call->buffer.length > SCRIPT_ARGUMENT_MAX)))
		return line_refused(line, "too many bytes in a call of", actor, "there is no room",
				    "at most 64 KiB");
	struct script_step *step = add_step(line, STEP_CALL);
	step->call = call;
	step->actor = actor_of(script, actor);
	return 0;
}

static const uint8_t *keep_bytes(struct script *script, const void *bytes, size_t length)
{
	uint8_t *kept = trace_arena_alloc(&script->arena, length + 1);
	if (kept == NULL)
		abort();
	memcpy(kept, bytes, length);
	return kept;
}

/* The commands that the rest of the line lists, as bytes. */
static int parse_commands(struct script_line *line, const uint8_t **bytes, uint32_t *count)
{
	struct command_words commands[COMMANDS_TEXT_MAX];
	uint8_t packed[COMMANDS_TEXT_MAX * COMMAND_BYTES];
	line_skip_blanks(line);
	if (commands_parse(line->script->platform->language, line->script->path,
			   line_position(line), line->text + line->at, line->length - line->at,
			   commands, count, line->diag) != 0)
		return -1;
	line->at = line->length;
	for (uint32_t i = 0; i < *count; i++) {
		store_le64(packed + (size_t)i * COMMAND_BYTES, commands[i].word[0]);
		store_le64(packed + (size_t)i * COMMAND_BYTES + 8, commands[i].word[1]);
	}
	*bytes = keep_bytes(line->script, packed, (size_t)*count * COMMAND_BYTES);
	return 0;
}

static int parse_hex(struct script_line *line, const uint8_t **bytes, uint32_t *length)
{
	struct script *script = line->script;
	struct trace_value value;
	size_t count;
	line_skip_blanks(line);
	if (trace_parse_value(script->path, line_position(line), line->text + line->at,
			      line->length - line->at, &script->arena, &value, line->diag) != 0 ||
	    trace_value_hex_length(&value, script->path, &count, line->diag) != 0)
		return -1;
	line->at = line->length;
	uint8_t *kept = trace_arena_alloc(&script->arena, count + 1);
	if (kept == NULL)
		abort();
	trace_string_bytes(&value, kept, count);
	*bytes = kept;
	*length = (uint32_t)count;
	return 0;
}

/* store $address commands ...  |  store $address bytes "hex" */
static int add_store(struct script_line *line, const char *actor)
{
	struct script_value address;
	const uint8_t *bytes = NULL;
	uint32_t length = 0;
	if (line_value(line, line_word(line), &address) != 0)
		return -1;
	const char *kind = line_word(line);
	if (strcmp(kind, "commands") == 0) {
		if (need_profile(line) != 0 || parse_commands(line, &bytes, &length) != 0)
			return -1;
		length *= COMMAND_BYTES;
	} else if (strcmp(kind, "bytes") == 0) {
		if (parse_hex(line, &bytes, &length) != 0)
			return -1;
	} else {
		return line_bad(line, "bad store", kind,
				"'store $A commands ...' or 'store $A bytes \"hex\"'");
	}
	struct script_step *step = add_step(line, STEP_STORE);
	step->actor = actor_of(line->script, actor);
	step->store.address = address;
	step->store.bytes = bytes;
	step->store.length = length;
	return 0;
}

static int process_line(struct script_line *line, const char *actor)
{
	size_t start = line->at;
	if (strcmp(line_word(line), "store") == 0)
		return add_store(line, actor);
	line->at = start;
	return add_call(line, actor);
}

/* --- the guest, the device, the host --- */

static int guest_register(struct script_line *line, bool write)
{
	uint32_t queue;
	const struct platform_register *reg = NULL;
	struct script_value value;
	if (queue_register(line, line_word(line), &queue, &reg) != 0)
		return -1;
	if (!write && strcmp(line_word(line), "=") != 0)
		return line_bad(line, "bad read of", reg->name, "'read QUEUE.REGISTER = VALUE'");
	const char *word = line_word(line);
	if (line_value(line, word, &value) != 0)
		return -1;
	if (check_width(line, word, &value, reg->width) != 0)
		return -1;
	struct script_step *step = add_step(line, write ? STEP_WRITE : STEP_READ);
	step->access.queue = queue;
	step->access.reg = reg;
	step->access.value = value;
	return 0;
}

/* guest: ring QUEUE N: its tail, so that N commands in all are there. */
static int ring_doorbell(struct script_line *line)
{
	const struct platform *platform = line->script->platform;
	uint32_t number;
	uint64_t commands;
	if (need_profile(line) != 0)
		return -1;
	const char *name = line_word(line);
	if (find_queue(line, name, strlen(name), &number) != 0)
		return line_refused(line, "unknown queue", name, "no line before has it",
				    "one of a 'queue' line");
	if (line_number(line, line_word(line), &commands) != 0)
		return -1;
	const struct script_queue *queue =
		&g_array_index(line->script->queues, struct script_queue, number);
	struct script_step *step = add_step(line, STEP_WRITE);
	step->access.queue = number;
	step->access.reg = platform->tail;
	step->access.value.number = platform->tail_value((uint32_t)commands, queue->entries);
	return 0;
}

static int guest_line(struct script_line *line)
{
	const char *word = line_word(line);
	uint32_t queue;
	bool is_queue = find_queue(line, word, strlen(word), &queue) == 0;
	if (is_queue && strcmp(line_word(line), "<-") == 0) {
		const uint8_t *bytes;
		uint32_t count;
		if (parse_commands(line, &bytes, &count) != 0)
			return -1;
		struct script_step *step = add_step(line, STEP_PRODUCE);
		step->produce.queue = queue;
		step->produce.bytes = bytes;
		step->produce.count = count;
		return 0;
	}
	if (!is_queue && strcmp(word, "ring") == 0)
		return ring_doorbell(line);
	if (!is_queue && (strcmp(word, "write") == 0 || strcmp(word, "read") == 0)) {
		if (line->script->platform == NULL)
			return need_profile(line);
		return guest_register(line, word[0] == 'w');
	}
	return line_bad(line, "bad guest line", word,
			"'QUEUE <- COMMANDS', 'ring QUEUE N', 'write QUEUE.REGISTER VALUE' or "
			"'read QUEUE.REGISTER = VALUE'");
}

/* NAME of a 'device' line, or sid=N: any requester, of bare hardware for instance. */
static int parse_requester(struct script_line *line, uint32_t *id, const char **name)
{
	const char *word = *name = line_word(line);
	const char *number = line_value_of(word, line->script->platform->device_key);
	uint32_t device;
	if (number != NULL)
		return parse_id(line, word, number, id);
	if (find_device(line, word, &device) != 0) {
		char *known = g_strdup_printf("one of a 'device' line, or '%s=N'",
					      line->script->platform->device_key);
		line_refused(line, "unknown device", word, "no line before has it", known);
		g_free(known);
		return -1;
	}
	*id = g_array_index(line->script->devices, struct script_device, device).id;
	return 0;
}

/* device: dma NAME|sid=N read|write iova=A = ok|ADDRESS|fault [EVENT] */
static int device_line(struct script_line *line)
{
	static const char *const actions[] = {"dma", NULL};
	struct script_value iova;
	struct script_outcome outcome = {0};
	uint32_t device;
	bool write;
	if (need_profile(line) != 0)
		return -1;
	const char *action = line_word(line);
	if (strcmp(action, "dma") != 0)
		return line_unknown(line, "device line", action, actions);
	const char *name;
	if (parse_requester(line, &device, &name) != 0 || parse_direction(line, &write) != 0 ||
	    line_key_value(line, "iova", "bad address", "'iova=A'", &iova) != 0 ||
	    parse_outcome(line, &outcome) != 0)
		return -1;
	struct script_step *step = add_step(line, STEP_DMA);
	step->dma.id = device;
	step->dma.name = name;
	step->dma.write = write;
	step->dma.iova = iova;
	step->dma.outcome = outcome;
	return 0;
}

/* `= 0` or `= -1 ERRNO`, at the end of the line */
static int parse_result(struct script_line *line, int64_t *result)
{
	const char *equals = line_word(line), *word = line_word(line);
	uint64_t number = 0;
	if (strcmp(equals, "=") == 0 && strcmp(word, "-1") == 0) {
		const char *name = line_word(line);
		int error = errno_from_name(name, strlen(name));
		*result = -error;
		return error != 0 ? 0
				  : line_refused(line, "unknown errno", name,
						 "no errno is called so", "e.g. EBUSY");
	}
	if (strcmp(equals, "=") != 0 || line_number(line, word, &number) != 0)
		return line_bad(line, "bad result", word, "'= 0' or '= -1 ERRNO'");
	*result = (int64_t)number;
	return 0;
}

/* host: migrate|reclaim|update ACTOR $address = RESULT */
static int host_line(struct script_line *line)
{
	static const char *const processes[] = {"vmm", "other", NULL};
	static const char *const verbs[] = {"migrate", "reclaim", "update", NULL};
	static const enum step_kind kinds[] = {STEP_MIGRATE, STEP_RECLAIM, STEP_UPDATE};
	struct script_value address;
	int64_t result = 0;
	const char *verb = line_word(line);
	size_t which = 0;
	while (verbs[which] != NULL && strcmp(verb, verbs[which]) != 0)
		which++;
	if (verbs[which] == NULL)
		return line_unknown(line, "host line", verb, verbs);
	const char *actor = line_word(line);
	if (!names_process(actor))
		return line_unknown(line, "actor", actor, processes);
	if (line_value(line, line_word(line), &address) != 0 || parse_result(line, &result) != 0)
		return -1;
	struct script_step *step = add_step(line, kinds[which]);
	step->actor = actor_of(line->script, actor);
	step->page.address = address;
	step->page.result = result;
	return 0;
}

/* --- a line --- */

static int actor_line(struct script_line *line, const char *actor)
{
	static const char *const actors[] = {"vmm", "other", "guest", "device", "host", NULL};
	if (strcmp(actor, "guest") == 0)
		return guest_line(line);
	if (strcmp(actor, "device") == 0)
		return device_line(line);
	if (strcmp(actor, "host") == 0)
		return host_line(line);
	if (!names_process(actor))
		return line_unknown(line, "actor", actor, actors);
	return process_line(line, actor);
}

static int add_vm(struct script_line *line);

static const struct {
	const char *name;
	int (*parse)(struct script_line *line);
} directives[] = {
	{"title", set_title},
	{"profile", set_profile},
	{"kernel", set_kernel},
	{"hardware", set_hardware},
	{"memory", set_memory},
	{"device", add_device},
	{"ram", add_ram},
	{"queue", add_queue},
	{"load", load_image},
	{"run", run_line},
	{"delay", add_delay},
	{"fault", add_fault},
	{"expect", add_expectation},
	{"vm", add_vm},
	{"mmio", mmio_line},
	{"translate", translate_line},
};

static int directive_line(struct script_line *line, const char *word)
{
	const char *names[G_N_ELEMENTS(directives) + 3] = {"after", "at"};
	for (size_t i = 0; i < G_N_ELEMENTS(directives); i++) {
		if (strcmp(word, directives[i].name) == 0)
			return directives[i].parse(line);
		names[i + 2] = directives[i].name;
	}
	return line_unknown(line, "directive", word, names);
}

/* What the line says, for the narrative: without its comment and the blanks around it. */
static const char *line_text(const struct script_line *line, size_t start)
{
	size_t end = line->at;
	while (end > start && (line->text[end - 1] == ' ' || line->text[end - 1] == '\t'))
		end--;
	return g_string_chunk_insert_len(line->script->texts, line->text + start,
					 (gssize)(end - start));
}

static int parse_line(struct script_line *line)
{
	struct script *script = line->script;
	enum step_start start = START_WHEN_DONE;
	uint64_t start_ps = 0;
	const char *word = line_word(line);
	if (word[0] == 0)
		return 0;
	if (strcmp(word, "after") == 0 || strcmp(word, "at") == 0) {
		start = word[1] == 't' ? START_AT : START_AFTER;
		if (line_duration(line, line_word(line), &start_ps) != 0)
			return -1;
		word = line_word(line);
	}
	guint before = script->steps->len;
	line->timed = start != START_WHEN_DONE;
	size_t length = strlen(word), text_at = line->word_at;
	uint32_t column = line_word_position(line).column;
	int error;
	if (length > 1 && word[length - 1] == ':')
		error = actor_line(
			line, g_string_chunk_insert_len(script->texts, word, (gssize)length - 1));
	else
		error = directive_line(line, word);
	if (error != 0)
		return -1;
	const char *text = line_text(line, text_at);
	if (!at_end(line))
		return line_refused(line, "left over", line_word(line), "nothing can follow",
				    "the end of the line");
	if (script->steps->len == before && start == START_WHEN_DONE)
		return 0; /* it says something of the scenario as a whole */
	if (script->steps->len == before) {
		line->word_at = text_at;
		return line_refused(line, "no time for", word, "it happens at no instant",
				    "the line without 'at' or 'after'");
	}
	struct script_step *step = &g_array_index(script->steps, struct script_step, before);
	step->start = start;
	step->start_ps = start_ps;
	step->column = column;
	step->text = text;
	return 0;
}

/* NAME in place of each '@'. */
static char *with_name(const char *form, const char *name)
{
	char **pieces = g_strsplit(form, "@", -1);
	char *text = g_strjoinv(name, pieces);
	g_strfreev(pieces);
	return text;
}

/* vm QUEUE: what every VM here has, in the words of the profile's platform. */
static int add_vm(struct script_line *line)
{
	const char *name = line_word(line);
	if (need_profile(line) != 0 || check_name(line, name) != 0)
		return -1;
	struct script_line whole = *line;
	int error = 0;
	for (const char *const *form = line->script->platform->vm; error == 0 && *form != NULL;
	     form++) {
		char *text = with_name(*form, name);
		line->text = text;
		line->length = strlen(text);
		line->at = 0;
		error = parse_line(line);
		g_free(text);
	}
	line->text = whole.text;
	line->length = whole.length;
	line->at = whole.at;
	line->word_at = whole.word_at;
	line->timed = whole.timed;
	return error;
}

/* --- a script --- */

static struct script *script_new(const char *path, const struct script_options *options)
{
	struct script *script = g_new0(struct script, 1);
	script->path = g_strdup(path);
	script->title = script->path;
	script->texts = g_string_chunk_new(1024);
	script->steps = g_array_new(FALSE, TRUE, sizeof(struct script_step));
	script->names = g_ptr_array_new();
	script->actors = g_ptr_array_new();
	script->queues = g_array_new(FALSE, TRUE, sizeof(struct script_queue));
	script->devices = g_array_new(FALSE, TRUE, sizeof(struct script_device));
	script->images = g_ptr_array_new_with_free_func((GDestroyNotify)image_free);
	script->overrides = g_array_new(FALSE, TRUE, sizeof(struct script_override));
	script->reuse = REUSE_LIFO;
	script->seed = options->seed;
	trace_arena_init(&script->arena);
	return script;
}

void script_free(struct script *script)
{
	if (script == NULL)
		return;
	g_array_free(script->steps, TRUE);
	g_ptr_array_free(script->names, TRUE);
	g_ptr_array_free(script->actors, TRUE);
	g_array_free(script->queues, TRUE);
	g_array_free(script->devices, TRUE);
	g_ptr_array_free(script->images, TRUE);
	g_array_free(script->overrides, TRUE);
	g_string_chunk_free(script->texts);
	trace_arena_free(&script->arena);
	g_free(script->profile_name);
	g_free(script->path);
	g_free(script);
}

/* Options of the command line; those of another engine's hardware do not count. */
static void add_overrides(struct script *script, const struct option *options, bool hardware,
			  const char *const *texts)
{
	for (; texts != NULL && *texts != NULL; texts++) {
		struct script_override set = {.hardware = hardware};
		if (option_find(options, *texts, &set.option, &set.value))
			g_array_append_val(script->overrides, set);
	}
}

/* The hardware must be known before the first line: the command line, else the profile line. */
static int choose_hardware(struct script *script, const struct script_options *options,
			   struct trace_diag *diag)
{
	if (options->profile == NULL)
		return 0;
	script->profile_name = g_strdup(options->profile);
	return platform_profile(options->profile, "--profile", (struct trace_pos){1, 1},
				&script->profile, &script->platform, diag);
}

/* The line up to a comment and the blanks before it. A title takes everything. */
static uint32_t without_comment(const char *text, uint32_t length)
{
	uint32_t start = 0, end = 0;
	bool quoted = false;
	while (start < length && g_ascii_isspace(text[start]))
		start++;
	if (length - start > 5 && memcmp(text + start, "title", 5) == 0 &&
	    g_ascii_isspace(text[start + 5]))
		return length;
	for (uint32_t at = 0; at < length && (quoted || text[at] != '#'); at++) {
		quoted ^= text[at] == '"';
		if (!g_ascii_isspace(text[at]))
			end = at + 1;
	}
	return end;
}

static int parse_lines(struct script_line *line, const struct script_options *options,
		       struct trace_reader *reader)
{
	const char *text;
	uint32_t length, number;
	int more, error = 0;
	bool overrides = false;
	while (error == 0 &&
	       (more = trace_reader_next_text(reader, &text, &length, &number, line->diag)) != 0) {
		if (more < 0)
			return -1;
		line->text = text;
		line->length = without_comment(text, length);
		line->at = 0;
		line->number = number;
		line->word_at = 0;
		if (!overrides && line->script->platform != NULL) {
			add_overrides(line->script, line->script->platform->assumptions, true,
				      options->hardware);
			overrides = true;
		}
		error = parse_line(line);
	}
	return error;
}

/* Known at the end only: a file without a `profile` line may have the command line's. */
static int probe_hardware(const struct script_line *line, const struct script_options *options)
{
	const struct script *script = line->script;
	bool own = options->profile == NULL;
	if (script->platform == NULL || script->bare)
		return 0;
	return platform_probes(script->platform, &script->profile, script->profile_name,
			       own ? script->path : "--profile",
			       own ? line->profile_at : (struct trace_pos){1, 1}, line->diag);
}

struct script *script_parse(const char *path, const struct script_options *options,
			    struct trace_diag *diag)
{
	static const char *const headers[] = {"# hwq-scenario 1"};
	struct script *script = script_new(path, options);
	struct trace_reader *reader = trace_reader_open(path, diag);
	struct script_line line = {.script = script, .diag = diag};
	int error = -1;
	if (reader != NULL && trace_reader_expect_header(reader, headers, 1, diag) >= 0 &&
	    choose_hardware(script, options, diag) == 0) {
		line.names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
		add_overrides(script, kernel_options, false, options->kernel);
		error = parse_lines(&line, options, reader);
		if (error == 0)
			error = probe_hardware(&line, options);
		g_hash_table_destroy(line.names);
	}
	trace_reader_close(reader);
	if (error == 0)
		return script;
	script_free(script);
	return NULL;
}
