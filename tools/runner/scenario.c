// SPDX-License-Identifier: Apache-2.0
/* Running scenarios: lines are read, checked, and done one after the other. */
#include "tools/runner/scenario.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_shim/drivers/arm_smmu_v3/arm_smmu_v3.h"
#include "kernel_shim/vfio_cdev.h"
#include "models/nvidia_vcmdq/smmu.h"
#include "tools/runner/command_text.h"
#include "tools/runner/scenario_state.h"
#include "tools/runner/words.h"

#define SMMU_BASE    0x05000000ULL
#define CMDQV_BASE   0x05200000ULL
#define SCRATCH_SIZE 0x10000ULL
#define RUN_OUT_PS   100000000000ULL /* 100 ms: nothing here takes longer */

/* --- lines --- */

/* A line being read: words from the left. */
struct reader_line {
	struct scenario *scenario;
	const char *text;
	size_t length;
	size_t at;
	uint32_t number;
	size_t word_at; /* where the last word began */
};

static struct trace_pos position(const struct reader_line *line)
{
	return (struct trace_pos){line->number, (uint32_t)line->at + 1};
}

static struct trace_pos word_position(const struct reader_line *line)
{
	return (struct trace_pos){line->number, (uint32_t)line->word_at + 1};
}

static void skip_blanks(struct reader_line *line)
{
	while (line->at < line->length &&
	       (line->text[line->at] == ' ' || line->text[line->at] == '\t'))
		line->at++;
}

/* The next word, up to a blank; owned by the scenario. Empty at the end of the line. */
static const char *next_word(struct reader_line *line)
{
	skip_blanks(line);
	size_t start = line->at;
	line->word_at = start;
	while (line->at < line->length && line->text[line->at] != ' ' &&
	       line->text[line->at] != '\t')
		line->at++;
	return g_string_chunk_insert_len(line->scenario->texts, line->text + start,
					 (gssize)(line->at - start));
}

static int bad(struct reader_line *line, const char *what, const char *word, const char *expected)
{
	trace_diag_set(line->scenario->diag, line->scenario->path, word_position(line),
		       "%s '%s', it is not in the language, expected %s", what, word, expected);
	return -1;
}

static int unknown_word(struct reader_line *line, const char *what, const char *word,
			const char *const *known)
{
	struct nearest nearest;
	nearest_start(&nearest, word, strlen(word));
	for (; *known != NULL; known++)
		nearest_try(&nearest, *known);
	char *what_text = g_strdup_printf("unknown %s", what);
	char *expected = nearest.best != NULL ? g_strdup_printf("perhaps '%s'", nearest.best)
					      : g_strdup("a known one");
	bad(line, what_text, word, expected);
	g_free(what_text);
	g_free(expected);
	return -1;
}

static bool resolve(void *context, const char *name, uint32_t length, uint64_t *value)
{
	struct scenario *scenario = context;
	char *key = g_strndup(name, length);
	gpointer found = NULL;
	bool bound = g_hash_table_lookup_extended(scenario->names, key, NULL, &found);
	if (bound)
		*value = *(uint64_t *)found;
	g_free(key);
	return bound;
}

static void bind_name(struct scenario *scenario, const char *name, uint64_t value)
{
	uint64_t *stored = g_new(uint64_t, 1);
	*stored = value;
	g_hash_table_insert(scenario->names, g_strdup(name), stored);
}

/* A number or a $name. */
static int parse_value(struct reader_line *line, const char *word, uint64_t *value)
{
	char *end;
	if (word[0] == '$') {
		if (resolve(line->scenario, word + 1, (uint32_t)strlen(word + 1), value))
			return 0;
		return bad(line, "unknown name", word, "one that a line before bound");
	}
	*value = strtoull(word, &end, 0);
	if (word[0] == 0 || *end != 0)
		return bad(line, "bad value", word, "a number or a $name");
	return 0;
}

/* `key=value` words: the value behind KEY in WORD, or NULL. */
static const char *value_of(const char *word, const char *key)
{
	size_t length = strlen(key);
	return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

static int parse_duration(struct reader_line *line, const char *word, uint64_t *ps)
{
	static const struct word units[] = {
		{"ps", 1}, {"ns", 1000}, {"us", 1000000}, {"ms", 1000000000}, {NULL, 0}};
	char *end;
	uint64_t unit;
	double number = g_ascii_strtod(word, &end);
	if (end == word || number < 0 || !word_find(units, end, strlen(end), &unit))
		return bad(line, "bad duration", word, "e.g. 300ns or 1.5us");
	*ps = (uint64_t)(number * (double)unit);
	return 0;
}

/* --- the machine --- */

static int set_profile(struct reader_line *line)
{
	struct scenario *scenario = line->scenario;
	const char *name = next_word(line);
	char *path = g_build_filename(scenario->options.profile_dir, name, NULL), *text;
	gsize length;
	int result = -1;
	if (scenario->hardware != NULL) {
		bad(line, "second profile", name, "one profile a scenario");
	} else if (strchr(name, '/') != NULL || !g_file_get_contents(path, &text, &length, NULL)) {
		bad(line, "unknown profile", name, "a file in profiles/");
	} else {
		struct profile profile;
		result = profile_parse(&profile, path, text, length, smmu_parameters,
				       scenario->diag);
		g_free(text);
		if (result == 0) {
			scenario->hardware = smmu_new(scenario->machine, pa_of(SMMU_BASE),
						      pa_of(CMDQV_BASE), &profile);
			scenario->driver = arm_smmu_probe(scenario->machine, pa_of(SMMU_BASE),
							  pa_of(CMDQV_BASE));
		}
	}
	g_free(path);
	return result;
}

/* kernel KEY=VALUE: the first value of each is that of Linux 7.3.4. */
static int set_kernel(struct reader_line *line)
{
	struct iommufd_module *module = line->scenario->machine->kernel;
	static const char *const known[] = {"hw_queue.pin=driver",
					    "hw_queue.pin=off",
					    "hw_queue.destroy=stop-first",
					    "hw_queue.destroy=unpin-first",
					    "cmdqv.cons_dram=off",
					    "cmdqv.cons_dram=on",
					    NULL};
	const char *word = next_word(line);
	int found = -1;
	for (int i = 0; known[i] != NULL; i++)
		if (strcmp(word, known[i]) == 0)
			found = i;
	switch (found) {
	case 0:
	case 1:
		module->options.hw_queue_pin = found == 1 ? HW_QUEUE_PIN_OFF : HW_QUEUE_PIN_DRIVER;
		break;
	case 2:
	case 3:
		module->options.hw_queue_destroy =
			found == 3 ? HW_QUEUE_UNPIN_THEN_STOP : HW_QUEUE_STOP_THEN_UNPIN;
		break;
	case 4:
	case 5:
		module->options.cmdqv_cons_dram = found == 5;
		break;
	default:
		return unknown_word(line, "kernel option", word, known);
	}
	if (found % 2 == 1) /* not what 7.3.4 does */
		g_string_append_printf(line->scenario->depends, "%s%s",
				       line->scenario->depends->len > 0 ? ", " : "", word);
	return 0;
}

static int need_profile(struct reader_line *line)
{
	if (line->scenario->hardware != NULL)
		return 0;
	return bad(line, "no hardware yet at", "this line", "a 'profile NAME' line before it");
}

/* device NAME sid=N: a PCI function that VFIO gives out as /dev/vfio/devices/NAME. */
static int add_device(struct reader_line *line)
{
	struct scenario *scenario = line->scenario;
	const char *name = next_word(line), *word = next_word(line), *text = value_of(word, "sid");
	uint64_t sid;
	if (need_profile(line) != 0)
		return -1;
	if (text == NULL || parse_value(line, text, &sid) != 0 || sid >= 512)
		return bad(line, "bad device", word, "'device NAME sid=N', N below 512");
	struct arm_smmu_master *master = arm_smmu_master_new(scenario->driver, (uint32_t)sid);
	char *path = g_strdup_printf("/dev/vfio/devices/%s", name);
	vfio_cdev_register(scenario->machine, g_string_chunk_insert(scenario->texts, path),
			   &master->device);
	g_free(path);
	bind_name(scenario, name, sid);
	return 0;
}

/* ram gpa=A va=B length=N: guest memory that the VMM backs with its own. */
static int add_ram(struct reader_line *line)
{
	struct guest_ram ram = {0};
	uint64_t *const places[] = {&ram.gpa, &ram.va, &ram.length};
	static const char *const keys[] = {"gpa", "va", "length"};
	for (int i = 0; i < 3; i++) {
		const char *word = next_word(line), *text = value_of(word, keys[i]);
		if (text == NULL)
			return bad(line, "bad guest memory", word, "'ram gpa=A va=$B length=N'");
		if (parse_value(line, text, places[i]) != 0)
			return -1;
	}
	g_array_append_val(line->scenario->ram, ram);
	return 0;
}

/* queue NAME page0=$P index=N gpa=A entries=N: what the guest knows of its queue. */
static int add_queue(struct reader_line *line)
{
	struct guest_queue queue = {.name = next_word(line)};
	uint64_t *const places[] = {&queue.page0, &queue.index, &queue.gpa, &queue.entries};
	static const char *const keys[] = {"page0", "index", "gpa", "entries"};
	for (int i = 0; i < 4; i++) {
		const char *word = next_word(line), *text = value_of(word, keys[i]);
		if (text == NULL)
			return bad(line, "bad queue", word,
				   "'queue NAME page0=$P index=N gpa=A entries=N'");
		if (parse_value(line, text, places[i]) != 0)
			return -1;
	}
	if (queue.index >= CMDQV_QUEUES_MAX || queue.entries == 0 || queue.entries > 1 << 19)
		return bad(line, "bad queue", queue.name, "an index below 128, entries to 2^19");
	g_array_append_val(line->scenario->queues, queue);
	return 0;
}

/* fault port=smmu access=command-fetch [nth=N] action=abort|flip */
static int add_fault(struct reader_line *line)
{
	static const struct word purposes[] = {
		{"command-fetch", ACCESS_COMMAND_FETCH}, {"config-fetch", ACCESS_CONFIG_FETCH},
		{"table-walk", ACCESS_TABLE_WALK},       {"pointer-write", ACCESS_POINTER_WRITE},
		{"event-write", ACCESS_EVENT_WRITE},     {NULL, 0}};
	struct port_fault fault = {.port = "smmu"};
	const char *word;
	bool has_purpose = false, has_action = false;
	while ((word = next_word(line))[0] != 0) {
		const char *text;
		uint64_t value;
		if ((text = value_of(word, "port")) != NULL && strcmp(text, "smmu") == 0)
			continue;
		if ((text = value_of(word, "access")) != NULL &&
		    word_find(purposes, text, strlen(text), &value)) {
			fault.purpose = (enum access_purpose)value;
			has_purpose = true;
		} else if ((text = value_of(word, "nth")) != NULL) {
			if (parse_value(line, text, &fault.nth) != 0)
				return -1;
		} else if (strcmp(word, "action=abort") == 0) {
			fault.action = FAULT_ABORT;
			has_action = true;
		} else if (strcmp(word, "action=flip") == 0) {
			fault.action = FAULT_FLIP;
			has_action = true;
		} else {
			return bad(line, "bad fault", word,
				   "'fault port=smmu access=KIND [nth=N] action=abort|flip'");
		}
	}
	if (!has_purpose || !has_action)
		return bad(line, "bad fault", "", "both access=KIND and action=abort|flip");
	if (!port_inject(line->scenario->machine, &fault))
		return bad(line, "one fault too many", "fault", "at most 16");
	return 0;
}

/* delay DURATION at NAME OF THE POINT */
static int add_delay(struct reader_line *line)
{
	struct scheduler *scheduler = &line->scenario->machine->scheduler;
	if (parse_duration(line, next_word(line), &scheduler->delay_ps) != 0)
		return -1;
	const char *at = next_word(line);
	if (strcmp(at, "at") != 0)
		return bad(line, "bad delay", at, "'delay DURATION at PREEMPTION POINT'");
	skip_blanks(line);
	scheduler->delay_at = g_string_chunk_insert_len(
		line->scenario->texts, line->text + line->at, (gssize)(line->length - line->at));
	line->at = line->length;
	return 0;
}

static struct guest_queue *queue_by_name(struct scenario *scenario, const char *name,
					 size_t length);

static int add_expectation(struct reader_line *line)
{
	const char *word = next_word(line);
	int kind = violation_by_name(word, strlen(word));
	const char *names[VIOLATION_KINDS + 2] = {"none"};
	if (strcmp(word, "none") == 0)
		return 0;
	if (kind < 0) {
		for (int i = 0; i < VIOLATION_KINDS; i++)
			names[i + 1] = violation_name((enum violation_kind)i);
		return unknown_word(line, "violation", word, names);
	}
	line->scenario->expected[kind] = true;
	skip_blanks(line);
	if (line->at == line->length || line->text[line->at] == '#')
		return 0;
	const char *engine = next_word(line), *queue = value_of(engine, "engine");
	if (queue == NULL || queue_by_name(line->scenario, queue, strlen(queue)) == NULL)
		return bad(line, "bad expectation", engine,
			   "'engine=QUEUE', a queue of this scenario");
	return 0;
}

/* --- time --- */

static uint64_t state_hash(struct scenario *scenario)
{
	struct hash hash;
	hash_init(&hash);
	machine_hash(scenario->machine, &hash);
	if (scenario->hardware != NULL)
		smmu_hash(scenario->hardware, &hash);
	hash_u64(&hash, scenario->checker->count);
	return hash.value;
}

/* One step; with check_steps it is done, undone and done again, and must lead to the same state. */
static void step(struct scenario *scenario)
{
	struct machine *machine = scenario->machine;
	if (!scenario->options.check_steps) {
		clock_step(&machine->clock);
		return;
	}
	scenario->snapshot = arena_save(machine->arena, scenario->snapshot);
	clock_step(&machine->clock);
	uint64_t first = state_hash(scenario);
	arena_restore(machine->arena, scenario->snapshot);
	clock_step(&machine->clock);
	if (state_hash(scenario) != first)
		g_string_append_printf(scenario->mismatches,
				       "%s: a step done again led to another state\n",
				       scenario->path);
}

static bool may_step(struct scenario *scenario, uint64_t until_ps)
{
	struct machine *machine = scenario->machine;
	return !machine->scheduler.broken && machine->clock.pending > 0 &&
	       clock_next(&machine->clock) <= until_ps;
}

static void let_pass(struct scenario *scenario, uint64_t until_ps)
{
	struct clock *clock = &scenario->machine->clock;
	while (may_step(scenario, until_ps))
		step(scenario);
	if (until_ps > clock->now_ps)
		clock->now_ps = until_ps;
}

static void run_out(struct scenario *scenario)
{
	uint64_t until_ps = scenario->machine->clock.now_ps + RUN_OUT_PS;
	while (may_step(scenario, until_ps))
		step(scenario);
}

/* --- actors --- */

static struct scenario_actor *actor_of(struct scenario *scenario, const char *name)
{
	size_t base = strcspn(name, ".");
	for (guint i = 0; i < scenario->actors->len; i++) {
		struct scenario_actor *actor = g_ptr_array_index(scenario->actors, i);
		if (strlen(actor->name) == base && memcmp(actor->name, name, base) == 0)
			return actor;
	}
	struct scenario_actor *actor = g_new0(struct scenario_actor, 1);
	actor->name = g_strndup(name, base);
	actor->process = process_new(scenario->machine, NULL);
	for (int fd = 0; fd < 3; fd++)
		fd_install_at(actor->process, fd,
			      file_new(scenario->machine, &char_device_ops, NULL, O_RDWR_BIT));
	machine_owner_rename(scenario->machine, actor->process->mm->owner, actor->name);
	g_ptr_array_add(scenario->actors, actor);
	return actor;
}

static struct thread *free_thread(struct scenario_actor *actor)
{
	struct thread *thread;
	TAILQ_FOREACH (thread, &actor->process->threads, link)
		if (!thread->busy)
			return thread;
	return thread_new(actor->process);
}

/* Fresh memory for one call's argument: several calls may be under way. */
static uint64_t scratch_for(struct scenario_actor *actor)
{
	struct map_request request = {
		.length = SCRATCH_SIZE,
		.prot = PROT_READ_BIT | PROT_WRITE_BIT,
		.flags = MAP_PRIVATE_BIT | MAP_ANONYMOUS_BIT,
	};
	uint64_t va = 0;
	if (actor->scratch_free != 0) {
		va = actor->scratch_free;
		actor->scratch_free = 0;
		return va;
	}
	return mm_map(actor->process->mm, &request, &va) == 0 ? va : 0;
}

static void note_mismatch(struct scenario *scenario, uint32_t line, const char *what,
			  const char *expected, const char *got, const struct rule *rule)
{
	g_string_append_printf(scenario->mismatches, "%s:%u: %s: expected %s, got %s",
			       scenario->path, line, what, expected, got);
	if (rule != NULL && rule->id != NULL)
		g_string_append_printf(scenario->mismatches, " (%s: %s)", rule->id, rule->why);
	g_string_append_c(scenario->mismatches, '\n');
}

static void result_text(char *text, size_t size, int64_t result)
{
	const char *name = result < 0 && result > -4096 ? errno_name((int)-result) : NULL;
	if (name != NULL)
		snprintf(text, size, "-1 %s", name);
	else
		snprintf(text, size, "%lld", (long long)result);
}

static void bind_fields(struct scenario *scenario, const struct scenario_call *running,
			const uint8_t *argument)
{
	for (uint32_t i = 0; i < running->call.binding_count; i++) {
		const struct recorded_binding *binding = &running->call.bindings[i];
		uint64_t value = 0;
		for (uint32_t byte = 0; byte < binding->width; byte++)
			value |= (uint64_t)argument[binding->offset + byte] << (8 * byte);
		bind_name(scenario, binding->name, value);
	}
}

/* A call is done: names get their values, the result is compared and remembered. */
static void finish_call(struct scenario *scenario, struct scenario_call *running)
{
	struct syscall *syscall = running->syscall;
	struct mm *mm = running->actor->process->mm;
	char expected[48], got[48];
	uint8_t *argument = g_malloc0(running->call.reserve + 1);
	running->finished = true;
	running->done_ps = scenario->machine->clock.now_ps;
	if (running->call.has_argument && syscall->number != SYS_EXIT) {
		mm_peek(mm, va_of(running->scratch), argument, running->call.reserve);
		bind_fields(scenario, running, argument);
	}
	result_text(got, sizeof(got), syscall->result);
	running->result = syscall->result;
	if (running->call.result_name != NULL) {
		if (syscall->result < 0)
			note_mismatch(scenario, running->call.line, "result", "success", got,
				      &syscall->rule);
		else
			bind_name(scenario, running->call.result_name, (uint64_t)syscall->result);
	} else if (running->call.result_kind != RESULT_NONE &&
		   running->call.result != syscall->result) {
		result_text(expected, sizeof(expected), running->call.result);
		note_mismatch(scenario, running->call.line, "result", expected, got,
			      &syscall->rule);
	}
	if (running->actor->scratch_free == 0)
		running->actor->scratch_free = running->scratch;
	g_free(argument);
}

static void wait_for_calls(struct scenario *scenario)
{
	for (guint i = scenario->first_running; i < scenario->calls->len; i++) {
		struct scenario_call *running = g_ptr_array_index(scenario->calls, i);
		if (running->finished)
			continue;
		while (!running->syscall->done && may_step(scenario, UINT64_MAX))
			step(scenario);
		if (running->syscall->done)
			finish_call(scenario, running);
		else
			note_mismatch(scenario, running->call.line, "result", "a return",
				      "none: it sleeps and nothing can wake it", NULL);
	}
	scenario->first_running = scenario->calls->len;
}

static int start_call(struct reader_line *line, const char *actor_name)
{
	struct scenario *scenario = line->scenario;
	struct scenario_call *running = g_new0(struct scenario_call, 1);
	struct trace_line parsed;
	g_ptr_array_add(scenario->calls, running);
	if (trace_parse_text(scenario->path, position(line), line->text + line->at,
			     line->length - line->at, &scenario->arena, &parsed,
			     scenario->diag) != 0)
		return -1;
	if (parsed.kind != TRACE_LINE_CALL)
		return bad(line, "no call behind", actor_name, "e.g. 'vmm: close($fd) = 0'");
	struct trace_line *kept = trace_arena_alloc(&scenario->arena, sizeof(*kept));
	*kept = parsed;
	kept->number = line->number;
	line->at = line->length; /* the call takes all of it */
	if (scenario_call_decode(scenario->path, kept, &scenario->arena, resolve, scenario,
				 &running->call, scenario->diag) != 0)
		return -1;
	running->call.line = line->number;
	running->actor = actor_of(scenario, actor_name);
	struct mm *mm = running->actor->process->mm;
	struct syscall *syscall = arena_new(scenario->machine->arena, struct syscall);
	running->syscall = syscall;
	syscall->number = running->call.number;
	memcpy(syscall->args, running->call.args, sizeof(syscall->args));
	if (running->call.path != NULL)
		g_strlcpy(syscall->path, running->call.path, sizeof(syscall->path));
	for (uint32_t i = 0; i < running->call.pointee_count; i++)
		mm_poke(mm, va_of(running->call.pointees[i].va),
			running->call.pointees[i].bytes.before,
			running->call.pointees[i].bytes.length);
	if (running->call.has_argument) {
		if (running->call.reserve > SCRATCH_SIZE)
			return bad(line, "struct too large in", actor_name, "at most 64 KiB");
		running->scratch = scratch_for(running->actor);
		mm_poke(mm, va_of(running->scratch), running->call.argument.before,
			running->call.reserve);
		syscall->args[2] = running->scratch;
	}
	running->start_ps = scenario->machine->clock.now_ps;
	if (!syscall_start(free_thread(running->actor), syscall))
		return bad(line, "too many calls at", actor_name, "fewer at once");
	if (syscall->done)
		finish_call(scenario, running);
	return 0;
}

/* store $address commands ...  |  store $address bytes "hex" */
static int store(struct reader_line *line, const char *actor_name)
{
	struct scenario *scenario = line->scenario;
	struct mm *mm = actor_of(scenario, actor_name)->process->mm;
	struct smmu_command commands[COMMANDS_TEXT_MAX];
	uint64_t address;
	unsigned count;
	if (parse_value(line, next_word(line), &address) != 0)
		return -1;
	const char *kind = next_word(line);
	skip_blanks(line);
	if (strcmp(kind, "commands") == 0) {
		if (commands_parse(scenario->path, position(line), line->text + line->at,
				   line->length - line->at, commands, &count, scenario->diag) != 0)
			return -1;
		for (unsigned i = 0; i < count; i++) {
			uint8_t bytes[COMMAND_SIZE];
			command_store(bytes, &commands[i]);
			mm_write(mm, va_of(address + (uint64_t)i * COMMAND_SIZE), bytes,
				 sizeof(bytes));
		}
		line->at = line->length;
		return 0;
	}
	struct trace_value value;
	size_t length;
	if (strcmp(kind, "bytes") != 0)
		return bad(line, "bad store", kind,
			   "'store $A commands ...' or 'store $A bytes \"hex\"'");
	if (trace_parse_value(scenario->path, position(line), line->text + line->at,
			      line->length - line->at, &scenario->arena, &value,
			      scenario->diag) != 0 ||
	    trace_value_hex_length(&value, scenario->path, &length, scenario->diag) != 0)
		return -1;
	uint8_t *bytes = g_malloc(length + 1);
	trace_string_bytes(&value, bytes, length);
	mm_write(mm, va_of(address), bytes, length);
	g_free(bytes);
	line->at = line->length;
	return 0;
}

/* --- the guest --- */

static struct guest_queue *queue_by_name(struct scenario *scenario, const char *name, size_t length)
{
	for (guint i = 0; i < scenario->queues->len; i++) {
		struct guest_queue *queue = &g_array_index(scenario->queues, struct guest_queue, i);
		if (strlen(queue->name) == length && memcmp(queue->name, name, length) == 0)
			return queue;
	}
	return NULL;
}

/* Guest memory is the VMM's: a store to what the VMM has unmapped goes nowhere. */
static void guest_store(struct scenario *scenario, uint64_t gpa, const void *bytes, size_t size)
{
	struct mm *mm = actor_of(scenario, "vmm")->process->mm;
	for (guint i = 0; i < scenario->ram->len; i++) {
		const struct guest_ram *ram = &g_array_index(scenario->ram, struct guest_ram, i);
		if (gpa - ram->gpa < ram->length)
			mm_write(mm, va_of(ram->va + (gpa - ram->gpa)), bytes, size);
	}
}

static int guest_produce(struct reader_line *line, struct guest_queue *queue)
{
	struct smmu_command commands[COMMANDS_TEXT_MAX];
	unsigned count;
	skip_blanks(line);
	if (commands_parse(line->scenario->path, position(line), line->text + line->at,
			   line->length - line->at, commands, &count, line->scenario->diag) != 0)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		uint8_t bytes[COMMAND_SIZE];
		command_store(bytes, &commands[i]);
		guest_store(line->scenario,
			    queue->gpa + queue->tail % queue->entries * COMMAND_SIZE, bytes,
			    sizeof(bytes));
		queue->tail++;
	}
	line->at = line->length;
	return 0;
}

/* Where a register of the queue is, through the VMM's mapping of VINTF page 0. False: unmapped. */
static bool queue_register(struct scenario *scenario, const struct guest_queue *queue,
			   uint32_t offset, struct pa *pa)
{
	struct mm *mm = actor_of(scenario, "vmm")->process->mm;
	uint64_t va = queue->page0 + CMDQV_QUEUE_STRIDE * queue->index + offset, pfn, run;
	struct vma *vma = mm_find_vma(mm, va);
	if (vma == NULL || vma->object == NULL || vma->object->kind != OBJECT_DEVICE ||
	    mm_fault(mm, va_of(va), 1, FAULT_WRITE, &pfn, &run) != 0)
		return false;
	*pa = pa_of(pfn * PAGE_SIZE + page_offset(va));
	return true;
}

static const struct word registers[] = {{"CONS_INDX", VCMDQ_CONS},
					{"PROD_INDX", VCMDQ_PROD},
					{"CONFIG", VCMDQ_CONFIG},
					{"STATUS", VCMDQ_STATUS},
					{"GERROR", VCMDQ_GERROR},
					{"GERRORN", VCMDQ_GERRORN},
					{NULL, 0}};

/* NAME.REGISTER */
static int parse_register(struct reader_line *line, struct guest_queue **queue, uint64_t *offset)
{
	const char *word = next_word(line), *dot = strchr(word, '.');
	*queue = dot != NULL ? queue_by_name(line->scenario, word, (size_t)(dot - word)) : NULL;
	if (*queue == NULL)
		return bad(line, "unknown queue in", word,
			   "QUEUE.REGISTER, of a queue of this scenario");
	if (word_find(registers, dot + 1, strlen(dot + 1), offset))
		return 0;
	const char *names[G_N_ELEMENTS(registers)] = {NULL};
	for (size_t i = 0; registers[i].name != NULL; i++)
		names[i] = registers[i].name;
	line->word_at += (size_t)(dot + 1 - word);
	return unknown_word(line, "register", dot + 1, names);
}

static int guest_register(struct reader_line *line, bool write)
{
	struct scenario *scenario = line->scenario;
	struct guest_queue *queue;
	uint64_t offset, value;
	struct pa pa;
	if (parse_register(line, &queue, &offset) != 0)
		return -1;
	if (!write && strcmp(next_word(line), "=") != 0)
		return bad(line, "bad read of", queue->name, "'read QUEUE.REGISTER = VALUE'");
	if (parse_value(line, next_word(line), &value) != 0)
		return -1;
	bool mapped = queue_register(scenario, queue, (uint32_t)offset, &pa);
	if (write) {
		if (mapped)
			bus_write(&scenario->machine->bus, pa, 4, value);
		return 0;
	}
	uint64_t got = mapped ? bus_read(&scenario->machine->bus, pa, 4) : UINT32_MAX;
	if (got != value) {
		char expected_text[32], got_text[32];
		snprintf(expected_text, sizeof(expected_text), "0x%llx", (unsigned long long)value);
		snprintf(got_text, sizeof(got_text), "0x%llx", (unsigned long long)got);
		note_mismatch(scenario, line->number, "register", expected_text, got_text, NULL);
	}
	return 0;
}

static int guest_line(struct reader_line *line)
{
	const char *word = next_word(line);
	struct guest_queue *queue = queue_by_name(line->scenario, word, strlen(word));
	if (queue != NULL && strcmp(next_word(line), "<-") == 0)
		return guest_produce(line, queue);
	if (queue == NULL && (strcmp(word, "write") == 0 || strcmp(word, "read") == 0))
		return guest_register(line, word[0] == 'w');
	return bad(line, "bad guest line", word,
		   "'QUEUE <- COMMANDS', 'write QUEUE.REGISTER VALUE' or 'read QUEUE.REGISTER = "
		   "VALUE'");
}

/* --- the device, the host --- */

/* device: dma NAME read|write iova=A = ok|fault */
static int device_line(struct reader_line *line)
{
	static const char *const actions[] = {"dma", NULL},
				 *const directions[] = {"read", "write", NULL},
				 *const outcomes[] = {"ok", "fault", NULL};
	struct scenario *scenario = line->scenario;
	uint64_t sid, iova, word = 0;
	struct translation translation;
	if (need_profile(line) != 0)
		return -1;
	const char *action = next_word(line);
	if (strcmp(action, "dma") != 0)
		return unknown_word(line, "device line", action, actions);
	const char *name = next_word(line);
	if (!resolve(scenario, name, (uint32_t)strlen(name), &sid))
		return bad(line, "unknown device", name, "one of a 'device NAME sid=N' line");
	const char *direction = next_word(line);
	bool write = strcmp(direction, "write") == 0;
	if (!write && strcmp(direction, "read") != 0)
		return unknown_word(line, "direction", direction, directions);
	const char *where = next_word(line), *text = value_of(where, "iova");
	if (text == NULL)
		return bad(line, "bad address", where, "'iova=A'");
	if (parse_value(line, text, &iova) != 0)
		return -1;
	const char *equals = next_word(line);
	if (strcmp(equals, "=") != 0)
		return bad(line, "bad device line", equals, "'= ok' or '= fault'");
	const char *wanted = next_word(line);
	bool want_ok = strcmp(wanted, "ok") == 0;
	if (!want_ok && strcmp(wanted, "fault") != 0)
		return unknown_word(line, "outcome", wanted, outcomes);
	bool ok = smmu_dma(scenario->hardware, (uint32_t)sid, iova & ~7ULL, write, &word,
			   sizeof(word), &translation) == TRANSLATE_OK;
	if (ok != want_ok)
		note_mismatch(scenario, line->number, "dma", wanted, ok ? "ok" : "fault", NULL);
	return 0;
}

/* vmm, other, other2, and their threads: vmm.2. */
static bool names_process(const char *actor)
{
	size_t length = strcspn(actor, "."), base = length;
	while (base > 0 && g_ascii_isdigit(actor[base - 1]))
		base--;
	return (base == 3 && memcmp(actor, "vmm", base) == 0) ||
	       (base == 5 && memcmp(actor, "other", base) == 0);
}

/* host: migrate ACTOR $address = RESULT */
static int host_line(struct reader_line *line)
{
	static const char *const processes[] = {"vmm", "other", NULL};
	struct scenario *scenario = line->scenario;
	const char *verb = next_word(line);
	uint64_t va;
	char got[48];
	if (strcmp(verb, "migrate") != 0)
		return bad(line, "bad host line", verb, "'host: migrate ACTOR $address = RESULT'");
	const char *actor = next_word(line);
	if (!names_process(actor))
		return unknown_word(line, "actor", actor, processes);
	if (parse_value(line, next_word(line), &va) != 0)
		return -1;
	int error = mm_migrate(actor_of(scenario, actor)->process->mm, va_of(va));
	result_text(got, sizeof(got), error);
	skip_blanks(line);
	char *rest = g_strndup(line->text + line->at, line->length - line->at);
	char *wanted = g_strstrip(rest[0] == '=' ? rest + 1 : rest);
	if (strcmp(wanted, got) != 0)
		note_mismatch(scenario, line->number, "migrate", wanted, got, NULL);
	g_free(rest);
	line->at = line->length;
	return 0;
}

/* --- a line --- */

static int actor_line(struct reader_line *line, const char *actor)
{
	static const char *const actors[] = {"vmm", "other", "guest", "device", "host", NULL};
	size_t start = line->at;
	if (strcmp(actor, "guest") == 0)
		return guest_line(line);
	if (strcmp(actor, "device") == 0)
		return device_line(line);
	if (strcmp(actor, "host") == 0)
		return host_line(line);
	if (!names_process(actor))
		return unknown_word(line, "actor", actor, actors);
	const char *word = next_word(line);
	if (strcmp(word, "store") == 0)
		return store(line, actor);
	line->at = start;
	return start_call(line, actor);
}

struct directive {
	const char *name;
	int (*run)(struct reader_line *line);
};

static int set_title(struct reader_line *line)
{
	skip_blanks(line);
	line->scenario->title = g_string_chunk_insert_len(
		line->scenario->texts, line->text + line->at, (gssize)(line->length - line->at));
	line->at = line->length;
	return 0;
}

static int run_line(struct reader_line *line)
{
	uint64_t duration;
	if (parse_duration(line, next_word(line), &duration) != 0)
		return -1;
	let_pass(line->scenario, line->scenario->machine->clock.now_ps + duration);
	return 0;
}

static const struct directive directives[] = {
	{"title", set_title},   {"profile", set_profile}, {"kernel", set_kernel},
	{"device", add_device}, {"ram", add_ram},         {"queue", add_queue},
	{"fault", add_fault},   {"delay", add_delay},     {"expect", add_expectation},
	{"run", run_line},
};

static int directive_line(struct reader_line *line, const char *word)
{
	const char *names[G_N_ELEMENTS(directives) + 3] = {"after", "at"};
	for (size_t i = 0; i < G_N_ELEMENTS(directives); i++) {
		if (strcmp(word, directives[i].name) == 0)
			return directives[i].run(line);
		names[i + 2] = directives[i].name;
	}
	return unknown_word(line, "directive", word, names);
}

/* `after T` or `at T`, the word that was read: the line before may still be under way. */
static int wait_for_instant(struct reader_line *line, bool absolute)
{
	struct scenario *scenario = line->scenario;
	const char *text = next_word(line);
	uint64_t time_ps;
	if (parse_duration(line, text, &time_ps) != 0)
		return -1;
	uint64_t now_ps = scenario->machine->clock.now_ps;
	if (absolute && time_ps < now_ps) {
		trace_diag_set(scenario->diag, scenario->path, word_position(line),
			       "bad instant '%s', it is past, expected %llu ns or later", text,
			       (unsigned long long)(now_ps + 999) / 1000);
		return -1;
	}
	let_pass(scenario, absolute ? time_ps : scenario->line_start_ps + time_ps);
	return 0;
}

static int take_line(struct reader_line *line)
{
	struct scenario *scenario = line->scenario;
	const char *word = next_word(line);
	if (word[0] == 0 || word[0] == '#')
		return 0;
	if (strcmp(word, "after") == 0 || strcmp(word, "at") == 0) {
		if (wait_for_instant(line, word[1] == 't') != 0)
			return -1;
		word = next_word(line);
	} else {
		wait_for_calls(scenario);
	}
	scenario->line_start_ps = scenario->machine->clock.now_ps;
	size_t length = strlen(word);
	int error;
	if (length > 1 && word[length - 1] == ':')
		error = actor_line(
			line, g_string_chunk_insert_len(scenario->texts, word, (gssize)length - 1));
	else
		error = directive_line(line, word);
	if (error != 0)
		return -1;
	skip_blanks(line);
	if (line->at < line->length && line->text[line->at] != '#')
		return bad(line, "left over", next_word(line), "the end of the line");
	return 0;
}

/* --- a scenario --- */

static struct scenario *scenario_new(const char *path, const struct scenario_options *options,
				     struct trace_diag *diag)
{
	struct scenario *scenario = g_new0(struct scenario, 1);
	struct machine_config config = machine_config_default();
	scenario->options = *options;
	scenario->path = g_strdup(path);
	scenario->diag = diag;
	scenario->title = scenario->path;
	scenario->texts = g_string_chunk_new(1024);
	scenario->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	scenario->actors = g_ptr_array_new();
	scenario->calls = g_ptr_array_new();
	scenario->ram = g_array_new(FALSE, TRUE, sizeof(struct guest_ram));
	scenario->queues = g_array_new(FALSE, TRUE, sizeof(struct guest_queue));
	scenario->mismatches = g_string_new(NULL);
	scenario->depends = g_string_new(NULL);
	trace_arena_init(&scenario->arena);
	scenario->machine = machine_new(&config);
	if (scenario->machine == NULL)
		abort();
	iommufd_register(scenario->machine);
	/* Lines to come are events too, which the clock does not know: never pass a point. */
	scenario->machine->scheduler.stepwise = true;
	scenario->checker = checker_new(scenario->machine);
	return scenario;
}

void scenario_free(struct scenario *scenario)
{
	if (scenario == NULL)
		return;
	for (guint i = 0; i < scenario->actors->len; i++) {
		struct scenario_actor *actor = g_ptr_array_index(scenario->actors, i);
		g_free(actor->name);
		g_free(actor);
	}
	for (guint i = 0; i < scenario->calls->len; i++)
		g_free(g_ptr_array_index(scenario->calls, i));
	g_ptr_array_free(scenario->actors, TRUE);
	g_ptr_array_free(scenario->calls, TRUE);
	g_array_free(scenario->ram, TRUE);
	g_array_free(scenario->queues, TRUE);
	g_hash_table_destroy(scenario->names);
	g_string_free(scenario->mismatches, TRUE);
	g_string_free(scenario->depends, TRUE);
	for (int i = 0; i < SCENARIO_ROW_TEXTS; i++)
		g_free(scenario->row_texts[i]);
	arena_snapshot_free(scenario->snapshot);
	g_string_chunk_free(scenario->texts);
	trace_arena_free(&scenario->arena);
	machine_free(scenario->machine);
	g_free(scenario->path);
	g_free(scenario);
}

enum scenario_result scenario_run(const char *path, const struct scenario_options *options,
				  struct scenario **out, struct trace_diag *diag)
{
	static const char *const headers[] = {"# hwq-scenario 1"};
	struct scenario *scenario = scenario_new(path, options, diag);
	struct trace_reader *reader = trace_reader_open(path, diag);
	enum scenario_result result = SCENARIO_BAD_INPUT;
	*out = scenario;
	if (reader == NULL || trace_reader_expect_header(reader, headers, 1, diag) < 0) {
		trace_reader_close(reader);
		return result;
	}
	int more, error = 0;
	const char *text;
	uint32_t length, number;
	while (error == 0 &&
	       (more = trace_reader_next_text(reader, &text, &length, &number, diag)) != 0) {
		struct reader_line line = {scenario, text, length, 0, number, 0};
		error = more < 0 ? -1 : take_line(&line);
	}
	trace_reader_close(reader);
	if (error != 0)
		return result;
	wait_for_calls(scenario);
	run_out(scenario);
	checker_finish(scenario->checker);
	return SCENARIO_RAN;
}
