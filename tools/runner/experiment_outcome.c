// SPDX-License-Identifier: Apache-2.0
/* What an experiment showed, from the machine as it is at the end. */
#include <inttypes.h>
#include <string.h>

#include "emu/bits.h"
#include "kernel_shim/iommufd.h"
#include "tools/runner/command_text.h"
#include "tools/runner/experiment_state.h"

static char *take(GString *text)
{
	return g_string_free(text, FALSE);
}

static const struct platform *platform_of(const struct experiment *experiment)
{
	return experiment->script->platform;
}

static const struct running_call *call_by_id(const struct experiment *experiment, uint64_t id)
{
	for (guint i = 0; id != 0 && i < experiment->calls->len; i++) {
		const struct running_call *call = g_ptr_array_index(experiment->calls, i);
		if (call->syscall->id == id)
			return call;
	}
	return NULL;
}

/* "IOMMU_IOAS_UNMAP 0x40000000+0x1000 = 0" */
static char *call_with_result(const struct running_call *call)
{
	GString *text = g_string_new(NULL);
	bool address = call->step->call->number == SYS_MMAP && call->result > 0;
	char *result = address ? g_strdup_printf("0x%" PRIx64, (uint64_t)call->result)
			       : result_text(call->result);
	call_text(call, text);
	g_string_append_printf(text, " = %s", call->state == CALL_RETURNED ? result : "no return");
	g_free(result);
	return take(text);
}

static const char *owner_name(const struct experiment *experiment, uint32_t owner)
{
	return owner == OWNER_KERNEL ? "the kernel"
				     : machine_owner_name(experiment->machine, owner);
}

static char *queue_name(const struct experiment *experiment, uint32_t context)
{
	GString *name = g_string_new(NULL);
	platform_of(experiment)->queue_text(experiment->hardware, context, name);
	return take(name);
}

/* What a guest can read of it. */
static char *queue_state(const struct experiment *experiment, uint32_t context)
{
	GString *state = g_string_new(NULL);
	platform_of(experiment)->guest_text(experiment->hardware, context, state);
	return take(state);
}

/* The name of an event that a guest was told of; NULL: the note is another. */
static const char *guest_event(const struct experiment *experiment, const struct note *note)
{
	const struct platform *platform = platform_of(experiment);
	return note->kind == NOTE_GUEST_EVENT && platform->guest_event_name != NULL
		       ? platform->guest_event_name(note->who, note->first)
		       : NULL;
}

/* --- violations --- */

/* What the frame went through from the revocation to the access. */
static GPtrArray *frame_events(const struct experiment *experiment,
			       const struct violation *violation, uint64_t from_ps)
{
	GPtrArray *events = g_ptr_array_new();
	const struct chronicle *chronicle = experiment->chronicle;
	uint64_t pfn = pa_pfn(violation->access.pa);
	for (uint32_t i = 0; i < chronicle->count; i++) {
		const struct chronicle_entry *entry = &chronicle->entries[i];
		const struct note *note = &entry->note;
		if (entry->accesses >= violation->access.number)
			break;
		bool taken = entry->kind == CHRONICLE_NOTE && note->kind == NOTE_FRAMES_TAKEN;
		bool freed = entry->kind == CHRONICLE_NOTE && note->kind == NOTE_FRAMES_FREED;
		if ((!taken && !freed) || pfn - note->first >= note->count ||
		    entry->time_ps < from_ps)
			continue;
		const struct running_call *call = call_by_id(experiment, entry->call);
		struct frame_event *event = g_new0(struct frame_event, 1);
		event->time_ps = entry->time_ps;
		event->what =
			freed ? g_strdup("freed")
			      : g_strdup_printf("handed to %s", owner_name(experiment, note->who));
		if (call != NULL) {
			GString *text = g_string_new(NULL);
			call_text(call, text);
			event->line = call->step->line;
			event->call = take(text);
		} else {
			event->line = entry->line;
		}
		g_ptr_array_add(events, event);
	}
	return events;
}

/* Where the guest had the frame, if stage 1 led there from another address. */
static void tell_ipa(const struct experiment *experiment, const struct violation *violation,
		     struct found_violation *found)
{
	const struct chronicle *chronicle = experiment->chronicle;
	uint64_t pfn = pa_pfn(violation->access.pa), input = violation->access.input, ipa = input;
	bool direct = false; /* it had the frame at the address of the access, too */
	for (uint32_t i = 0; i < chronicle->count; i++) {
		const struct chronicle_entry *entry = &chronicle->entries[i];
		const struct note *note = &entry->note;
		if (entry->accesses >= violation->access.number)
			break;
		if (entry->kind != CHRONICLE_NOTE || note->kind != NOTE_UNMAPPING ||
		    pfn - note->first >= note->count)
			continue;
		ipa = note->address + (pfn - note->first) * PAGE_SIZE +
		      page_offset(violation->access.pa.value);
		direct |= ipa == input;
	}
	found->has_ipa = found->has_input && ipa != input && !direct;
	found->ipa = ipa;
}

static void tell_revocation(const struct experiment *experiment, const struct violation *violation,
			    struct found_violation *found)
{
	const struct ledger *ledger = &experiment->machine->ledger;
	found->revoked = violation->promise.state == PROMISE_REVOKED;
	if (!found->revoked)
		return;
	const struct revocation *revocation = &ledger->revocations[violation->promise.revocation];
	const struct running_call *call = call_by_id(experiment, revocation->call);
	found->revoking_ps = revocation->start_ps;
	found->cleared_ps = revocation->cleared_ps;
	found->revoked_ps = revocation->done_ps;
	if (call != NULL) {
		found->revoked_line = call->step->line;
		found->revoked_by = call_with_result(call);
	} else {
		found->revoked_by = g_strdup_printf("the kernel (%s)", revocation->what);
	}
	g_ptr_array_free(found->frame_events, TRUE);
	found->frame_events = frame_events(experiment, violation, revocation->start_ps);
}

/* The call that made the queue, with the id that it returned. */
static void tell_base(const struct experiment *experiment, const struct violation *violation,
		      struct found_violation *found)
{
	const struct running_call *call = call_by_id(experiment, violation->bound_by);
	if (call == NULL || call->step->call->layout == NULL)
		return;
	const struct ioctl_layout *layout = call->step->call->layout;
	const struct field_layout *field = layout->fields;
	while (field->name != NULL && strcmp(field->name, "out_hw_queue_id") != 0)
		field++;
	if (field->name == NULL)
		return;
	found->base_line = call->step->line;
	found->base_by = g_strdup_printf("%s id %" PRIu64, layout->name,
					 load_le(call->answer + field->offset, field->width));
}

static char *reach_text(const struct experiment *experiment, const struct violation *violation)
{
	const struct probe *probe = &violation->command;
	bool escaped = violation->kind == VIOLATION_ESCAPED_COMMAND;
	GString *text = g_string_new(NULL);
	switch (probe->effect) {
	case EFFECT_DOMAIN:
		g_string_append_printf(text,
				       escaped ? "it reached %s %u" : "no effect outside %s %u",
				       platform_of(experiment)->domain_key, probe->target);
		break;
	case EFFECT_DEVICE:
		g_string_append_printf(text,
				       escaped ? "it reached %s 0x%x" : "no effect outside %s 0x%x",
				       platform_of(experiment)->device_key, probe->target);
		break;
	case EFFECT_ALL:
		g_string_append(text, "it reached everyone");
		break;
	case EFFECT_NONE:
		g_string_append(text, "no effect on translations or devices");
		break;
	}
	return take(text);
}

static void tell_command(const struct experiment *experiment, const struct violation *violation,
			 struct found_violation *found)
{
	const struct probe *probe = &violation->command;
	char text[128];
	if (!violation->has_command)
		return;
	if (probe->kind == PROBE_STOPPED) {
		found->stopped = g_strdup_printf("index %u: %s", probe->index,
						 platform_of(experiment)->stop_text(probe->error));
		return;
	}
	GString *changed = g_string_new(NULL);
	command_print(platform_of(experiment)->language, probe->ran, text, sizeof(text));
	platform_of(experiment)->ran_text(probe, changed);
	found->ran = g_strdup(text);
	found->changed = take(changed);
	found->removed = probe->removed;
	found->reach = reach_text(experiment, violation);
}

static struct found_violation *found_violation(const struct experiment *experiment,
					       const struct violation *violation)
{
	struct found_violation *found = g_new0(struct found_violation, 1);
	const struct access *access = &violation->access;
	bool free_frame = violation->frame.references == 0 && violation->frame.pins == 0;
	found->kind = violation->kind;
	found->time_ps = access->time_ps;
	found->queue = queue_name(experiment, access->context);
	found->write = access_writes(access);
	found->is_command = access->purpose == ACCESS_COMMAND_FETCH;
	found->pa = access->pa.value;
	found->has_input = access->path != PATH_PHYSICAL;
	found->input = access->input;
	found->size = access->size;
	found->index = access->index;
	found->owner_then = g_strdup(violation->promise.state == PROMISE_NONE
					     ? "nobody"
					     : owner_name(experiment, violation->promise.owner));
	found->owner_now =
		g_strdup(free_frame ? "nobody" : owner_name(experiment, violation->frame.owner));
	found->bytes_of = g_strdup(owner_name(experiment, violation->writer));
	found->frame_events = g_ptr_array_new();
	found->why = platform_of(experiment)->why(violation);
	tell_command(experiment, violation, found);
	tell_revocation(experiment, violation, found);
	if (found->revoked)
		tell_ipa(experiment, violation, found);
	if (!(access->context & CONTEXT_DEVICE(0))) {
		tell_base(experiment, violation, found);
		found->guest = queue_state(experiment, access->context);
	}
	return found;
}

/* --- expectations --- */

static bool from_queue(const struct experiment *experiment, const struct violation *violation,
		       const struct script_expectation *expectation)
{
	if (expectation->queue >= 0) {
		const struct guest_queue *queue = &experiment->queues[expectation->queue];
		return queue->has_context && violation->access.context == queue->context;
	}
	if (expectation->device >= 0) {
		const struct script_device *device = &g_array_index(
			experiment->script->devices, struct script_device, expectation->device);
		return violation->access.context == CONTEXT_DEVICE(device->id);
	}
	return true;
}

/* Each expectation must be met, and each violation must meet one. */
static void compare_violations(struct experiment *experiment)
{
	const struct checker *checker = experiment->checker;
	const struct script *script = experiment->script;
	uint32_t met[SCRIPT_EXPECTATIONS_MAX] = {0};
	bool unexpected[VIOLATION_KINDS] = {false};
	for (int kind = 0; kind < VIOLATION_KINDS; kind++)
		experiment->outcome->found[kind] = checker->kinds[kind] > 0;
	if (checker->count > VIOLATIONS_MAX) {
		char *most = g_strdup_printf("at most %u, which are judged", VIOLATIONS_MAX);
		char *got = g_strdup_printf("%u", checker->count);
		experiment_differs(experiment, 0, "violations", most, got, NULL);
		g_free(most);
		g_free(got);
	}
	for (uint32_t i = 0; i < checker->count && i < VIOLATIONS_MAX; i++) {
		const struct violation *violation = &checker->violations[i];
		bool any = false;
		for (uint32_t e = 0; e < script->expectation_count; e++) {
			const struct script_expectation *wanted = &script->expectations[e];
			bool meets = wanted->kind == violation->kind &&
				     from_queue(experiment, violation, wanted);
			met[e] += meets;
			any |= meets;
		}
		unexpected[violation->kind] |= !any;
	}
	for (uint32_t e = 0; e < script->expectation_count; e++) {
		const struct script_expectation *wanted = &script->expectations[e];
		if (met[e] > 0 && (wanted->count == 0 || wanted->count == met[e]))
			continue;
		char *expected = wanted->count > 0 ? g_strdup_printf("%" PRIu64, wanted->count)
						   : g_strdup("at least one");
		char *got = g_strdup_printf("%u", met[e]);
		experiment_differs(experiment, 0, violation_name(wanted->kind), expected, got,
				   NULL);
		g_free(expected);
		g_free(got);
	}
	for (int kind = 0; kind < VIOLATION_KINDS; kind++)
		if (unexpected[kind])
			experiment_differs(experiment, 0, violation_name((enum violation_kind)kind),
					   "none", "at least one", NULL);
}

/* --- the row --- */

static const struct violation *first_violation(const struct experiment *experiment)
{
	return experiment->checker->count > 0 ? &experiment->checker->violations[0] : NULL;
}

static bool of_the_guest(const struct experiment *experiment, uint64_t gpa, uint64_t length)
{
	for (guint i = 0; i < experiment->ram->len; i++) {
		const struct guest_ram *ram = &g_array_index(experiment->ram, struct guest_ram, i);
		if (ram->gpa - gpa < length || gpa - ram->gpa < ram->length)
			return true;
	}
	return false;
}

/* What the first unmap of the guest's memory answered. */
static char *unmapped_text(const struct experiment *experiment)
{
	for (guint i = 0; i < experiment->calls->len; i++) {
		const struct running_call *call = g_ptr_array_index(experiment->calls, i);
		const struct recorded_call *recorded = call->step->call;
		if (recorded->layout == NULL ||
		    strcmp(recorded->layout->name, "IOMMU_IOAS_UNMAP") != 0)
			continue;
		uint64_t iova = load_le(call->argument + 8, 8);
		uint64_t length = load_le(call->argument + 16, 8);
		if (of_the_guest(experiment, iova, length))
			return call->state != CALL_RETURNED ? g_strdup("no return")
			       : call->result == 0          ? g_strdup("0")
						   : g_strdup(errno_name((int)-call->result));
	}
	return g_strdup("-");
}

/* The fault that was recorded of a queue, once frames were being taken back; NULL: none. */
static const char *queue_fault(const struct experiment *experiment)
{
	const struct chronicle *chronicle = experiment->chronicle;
	bool revoking = false;
	for (uint32_t i = 0; i < chronicle->count; i++) {
		const struct chronicle_entry *entry = &chronicle->entries[i];
		if (entry->kind != CHRONICLE_NOTE)
			continue;
		revoking |= entry->note.kind == NOTE_REVOKING;
		if (revoking && entry->note.kind == NOTE_FAULT && entry->note.count > 0)
			return entry->note.what;
	}
	return NULL;
}

/* " by a cached translation"; empty: as the tables say. */
static const char *how_translated(const struct access *access)
{
	if (access->path == PATH_DEVICE)
		return " by the device's own cache";
	return access->path == PATH_CACHED ? " by a cached translation" : "";
}

static char *did_text(const struct experiment *experiment)
{
	const struct violation *first = first_violation(experiment);
	char command[128];
	if (first == NULL) {
		const char *fault = queue_fault(experiment);
		return fault != NULL ? g_strdup_printf("recorded %s", fault)
				     : g_strdup("no access after revocation");
	}
	const struct access *access = &first->access;
	const char *how = how_translated(access);
	const char *frame = first->promise.state == PROMISE_REVOKED
				    ? "the old frame"
				    : "a frame that was never the guest's";
	if (access->purpose != ACCESS_COMMAND_FETCH)
		return g_strdup_printf("%s %s%s", access_writes(access) ? "wrote to" : "read",
				       frame, how);
	if (!first->has_command)
		return g_strdup_printf("fetched from %s%s", frame, how);
	if (first->command.kind == PROBE_STOPPED)
		return g_strdup_printf("fetched%s, stopped at the bytes", how);
	command_print(platform_of(experiment)->language, first->command.ran, command,
		      sizeof(command));
	return g_strdup_printf("fetched%s, ran %.*s", how, (int)strcspn(command, " "), command);
}

/* "2 events, first F_TRANSLATION": what came into event queues of guests, read or not. */
static char *guest_events_text(const struct experiment *experiment)
{
	const struct chronicle *chronicle = experiment->chronicle;
	const char *first = NULL;
	uint32_t count = 0, lost = 0;
	for (uint32_t i = 0; i < chronicle->count; i++) {
		const struct chronicle_entry *entry = &chronicle->entries[i];
		const char *name = entry->kind == CHRONICLE_NOTE
					   ? guest_event(experiment, &entry->note)
					   : NULL;
		if (name == NULL)
			continue;
		if (first == NULL)
			first = name;
		count++;
		lost += entry->note.count == 0;
	}
	if (first == NULL)
		return g_strdup("-");
	GString *text = g_string_new(NULL);
	g_string_append_printf(text, count == 1 ? "%u event, %s" : "%u events, first %s", count,
			       first);
	if (lost > 0)
		g_string_append_printf(text, ", %u lost", lost);
	return take(text);
}

static char *guest_text(const struct experiment *experiment)
{
	if (experiment->hardware == NULL)
		return g_strdup("-");
	if (experiment->script->queues->len == 0 || !experiment->queues[0].has_context)
		return guest_events_text(experiment);
	return queue_state(experiment, experiment->queues[0].context);
}

static char *verdict_text(const struct outcome *outcome)
{
	GString *text = g_string_new(NULL);
	for (int kind = 0; kind < VIOLATION_KINDS; kind++)
		if (outcome->found[kind])
			g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "",
					       violation_name((enum violation_kind)kind));
	if (text->len == 0)
		g_string_append(text, "no violation");
	return take(text);
}

static char *after_text(const struct experiment *experiment)
{
	const struct violation *first = first_violation(experiment);
	if (first == NULL || first->promise.state != PROMISE_REVOKED)
		return g_strdup("-");
	const struct revocation *revocation =
		&experiment->machine->ledger.revocations[first->promise.revocation];
	return g_strdup_printf("%.3f us",
			       (double)(first->access.time_ps - revocation->done_ps) / 1e6);
}

/*
 * "hw_queue.pin=off [what-if]", each option that was consulted and is not the default; OTHERWISE where
 * there is none.
 */
static char *options_text(const struct option_set *set, const char *otherwise)
{
	GString *text = g_string_new(NULL);
	for (unsigned i = 0; set->options != NULL && set->options[i].key != NULL; i++) {
		const struct option_value *value = &set->options[i].values[set->values[i]];
		if (set->values[i] != 0 && set->consulted[i])
			g_string_append_printf(text, "%s%s=%s [%s]", text->len > 0 ? ", " : "",
					       set->options[i].key, value->name, value->tag);
	}
	if (text->len == 0)
		g_string_append(text, otherwise);
	return take(text);
}

static void tell_options(struct experiment *experiment)
{
	struct outcome *outcome = experiment->outcome;
	const struct iommufd_module *module = experiment->machine->kernel;
	const struct option_set none = {0};
	const struct option_set *assumed = &none;
	if (experiment->hardware != NULL)
		assumed = platform_of(experiment)->assumed(experiment->hardware);
	memcpy(outcome->consulted, assumed->consulted, sizeof(outcome->consulted));
	memcpy(outcome->assumed, assumed->values, sizeof(outcome->assumed));
	outcome->kernel = options_text(&module->options, "7.3.4");
	outcome->hardware = options_text(assumed, "");
	outcome->depends = outcome->hardware[0] == 0
				   ? g_strdup(outcome->kernel)
				   : g_strdup_printf("%s; %s", outcome->kernel, outcome->hardware);
}

/* --- the story --- */

static struct story_line *line_of(uint64_t time_ps, char *who, char *what)
{
	struct story_line *line = g_new0(struct story_line, 1);
	line->time_ps = time_ps;
	line->who = who;
	line->what = what;
	return line;
}

static struct story_line *access_line(const struct experiment *experiment,
				      const struct access *access)
{
	const char *failed = access->status == PORT_OK ? "" : ": aborted";
	const char *how = how_translated(access), *comma = how[0] != 0 ? "," : "";
	char *what;
	if (access->purpose == ACCESS_COMMAND_FETCH)
		what = g_strdup_printf(
			"fetches %u command%s from index %u at PA 0x%" PRIx64 "%s%s%s",
			access->size / COMMAND_BYTES, access->size > COMMAND_BYTES ? "s" : "",
			access->index, access->pa.value, comma, how, failed);
	else
		what = g_strdup_printf("%s %u bytes at PA 0x%" PRIx64 "%s%s%s",
				       access_writes(access) ? "writes" : "reads", access->size,
				       access->pa.value, comma, how, failed);
	return line_of(access->time_ps, queue_name(experiment, access->context), what);
}

static struct story_line *probe_line(const struct experiment *experiment, const struct probe *probe)
{
	GString *changed = g_string_new(NULL);
	char command[128], *what;
	command_print(platform_of(experiment)->language, probe->ran, command, sizeof(command));
	platform_of(experiment)->ran_text(probe, changed);
	if (probe->kind == PROBE_STOPPED)
		what = g_strdup_printf("stops at index %u: %s", probe->index,
				       platform_of(experiment)->stop_text(probe->error));
	else
		what = g_strdup_printf("runs %s%s%s%s", command, changed->len > 0 ? " (" : "",
				       changed->str, changed->len > 0 ? ")" : "");
	g_string_free(changed, TRUE);
	return line_of(probe->time_ps, queue_name(experiment, probe->context), what);
}

static struct story_line *guest_event_line(const struct experiment *experiment,
					   const struct note *note, uint64_t time_ps)
{
	const char *name = guest_event(experiment, note);
	if (name == NULL)
		return NULL;
	return line_of(
		time_ps, g_strdup("kernel"),
		note->count > 0
			? g_strdup_printf("tells the guest of %s", name)
			: g_strdup_printf("loses %s: the guest's event queue is full", name));
}

static struct story_line *note_line(const struct experiment *experiment,
				    const struct chronicle_entry *entry)
{
	const struct note *note = &entry->note;
	uint64_t time_ps = entry->time_ps;
	switch (note->kind) {
	case NOTE_TABLES_CLEARED:
		return line_of(time_ps, g_strdup("kernel"),
			       g_strdup("has cleared the translation tables"));
	case NOTE_REVOKED:
		return line_of(time_ps, g_strdup("kernel"),
			       g_strdup_printf("has taken back %" PRIu64
					       " frame%s at PA 0x%" PRIx64,
					       note->count, note->count == 1 ? "" : "s",
					       (uint64_t)(note->first * PAGE_SIZE)));
	case NOTE_FAULT:
		return line_of(time_ps, g_strdup("hardware"),
			       g_strdup_printf("records %s of %s 0x%x at 0x%" PRIx64, note->what,
					       platform_of(experiment)->device_key, note->who,
					       note->first));
	case NOTE_GUEST_EVENT:
		return guest_event_line(experiment, note, time_ps);
	case NOTE_INTERRUPT:
		return line_of(time_ps, g_strdup("hardware"),
			       g_strdup_printf("raises interrupt line %u", note->who));
	case NOTE_DOORBELL_LOST:
		return line_of(time_ps, g_strdup("experiment"),
			       g_strdup_printf("loses a write of %" PRIu64 " to 0x%" PRIx64,
					       note->count, note->first));
	case NOTE_DOORBELL_LATE:
		return line_of(time_ps, g_strdup("experiment"),
			       g_strdup_printf("holds up a write of %" PRIu64 " to 0x%" PRIx64,
					       note->count, note->first));
	case NOTE_FRAMES_TAKEN:
	case NOTE_FRAMES_FREED:
	case NOTE_UNMAPPING:
	case NOTE_REVOKING:
		break; /* told where a violation needs them */
	}
	return NULL;
}

static struct story_line *entry_line(const struct experiment *experiment,
				     const struct chronicle_entry *entry)
{
	switch (entry->kind) {
	case CHRONICLE_ACCESS:
		return access_line(experiment, &entry->access);
	case CHRONICLE_PROBE:
		return probe_line(experiment, &entry->probe);
	case CHRONICLE_NOTE:
		return note_line(experiment, entry);
	}
	return NULL;
}

static bool same_fault(const struct chronicle_entry *a, const struct chronicle_entry *b)
{
	return a->kind == CHRONICLE_NOTE && b->kind == CHRONICLE_NOTE &&
	       a->note.kind == NOTE_FAULT && b->note.kind == NOTE_FAULT &&
	       a->note.who == b->note.who && a->note.what == b->note.what &&
	       a->time_ps == b->time_ps;
}

/* A line for the entry, and for the faults after it that differ in their address only; how many. */
static uint32_t tell_entry(const struct experiment *experiment, const struct chronicle_entry *entry,
			   uint32_t left)
{
	struct story_line *line = entry_line(experiment, entry);
	uint32_t count = 1;
	if (line == NULL)
		return 1;
	while (count < left && same_fault(entry, entry + count))
		count++;
	if (count > 1) {
		char *one = line->what;
		line->what = g_strdup_printf("%s, and %u more", one, count - 1);
		g_free(one);
	}
	g_ptr_array_add(experiment->outcome->story, line);
	return count;
}

/* What actors did, and between it what came of it. */
static void tell_story(struct experiment *experiment)
{
	const struct chronicle *chronicle = experiment->chronicle;
	GPtrArray *story = experiment->outcome->story;
	uint32_t entries = experiment->hardware != NULL ? chronicle->count : 0, at = 0;
	if (!experiment->options.story)
		return;
	for (guint i = 0; i < experiment->calls->len; i++) {
		const struct running_call *call = g_ptr_array_index(experiment->calls, i);
		if (call->told != NULL)
			call->told->what = call_with_result(call);
	}
	for (guint i = 0; i <= experiment->told->len; i++) {
		struct story_line *told =
			i < experiment->told->len ? experiment->told->pdata[i] : NULL;
		uint32_t end =
			told == NULL || entries < told->order ? entries : (uint32_t)told->order;
		while (at < end)
			at += tell_entry(experiment, &chronicle->entries[at], end - at);
		if (told != NULL)
			g_ptr_array_add(story, told);
	}
	experiment->outcome->story_left_out = chronicle->left_out;
}

/* By line; what is of the scenario as a whole comes last. */
static gint compare_differences(gconstpointer a, gconstpointer b)
{
	const struct difference_line *const *left = a, *const *right = b;
	uint32_t first = (*left)->line - 1, second = (*right)->line - 1;
	return first < second ? -1 : first > second;
}

void experiment_conclude(struct experiment *experiment)
{
	struct outcome *outcome = experiment->outcome;
	const struct checker *checker = experiment->checker;
	compare_violations(experiment);
	outcome->violation_count = checker->count;
	outcome->as_expected = outcome->differences->len == 0;
	g_ptr_array_sort(outcome->differences, compare_differences);
	for (uint32_t i = 0; i < checker->count && i < VIOLATIONS_MAX; i++)
		g_ptr_array_add(outcome->violations,
				found_violation(experiment, &checker->violations[i]));
	tell_options(experiment);
	tell_story(experiment);
	outcome->unmapped = unmapped_text(experiment);
	outcome->did = did_text(experiment);
	outcome->guest = guest_text(experiment);
	outcome->verdict = verdict_text(outcome);
	outcome->after = after_text(experiment);
}

/* --- freeing --- */

static void free_violation(gpointer item)
{
	struct found_violation *found = item;
	for (guint i = 0; i < found->frame_events->len; i++) {
		struct frame_event *event = found->frame_events->pdata[i];
		g_free(event->call);
		g_free(event->what);
		g_free(event);
	}
	g_ptr_array_free(found->frame_events, TRUE);
	g_free(found->queue);
	g_free(found->guest);
	g_free(found->owner_then);
	g_free(found->owner_now);
	g_free(found->bytes_of);
	g_free(found->ran);
	g_free(found->changed);
	g_free(found->reach);
	g_free(found->stopped);
	g_free(found->revoked_by);
	g_free(found->base_by);
	g_free(found);
}

static void free_difference(gpointer item)
{
	struct difference_line *difference = item;
	g_free(difference->what);
	g_free(difference->expected);
	g_free(difference->got);
	g_free(difference->rule);
	g_free(difference);
}

static void free_story(gpointer item)
{
	struct story_line *line = item;
	g_free(line->who);
	g_free(line->what);
	g_free(line);
}

static void free_other_value(gpointer item)
{
	struct other_value *other = item;
	g_free(other->verdict);
	g_free(other->did);
	g_free(other->guest);
	g_free(other);
}

static void free_all(GPtrArray *items, GDestroyNotify free_item)
{
	for (guint i = 0; i < items->len; i++)
		free_item(items->pdata[i]);
	g_ptr_array_free(items, TRUE);
}

void outcome_free(struct outcome *outcome)
{
	if (outcome == NULL)
		return;
	free_all(outcome->violations, free_violation);
	free_all(outcome->differences, free_difference);
	free_all(outcome->story, free_story);
	free_all(outcome->other_values, free_other_value);
	g_free(outcome->path);
	g_free(outcome->title);
	g_free(outcome->profile);
	g_free(outcome->kernel);
	g_free(outcome->hardware);
	g_free(outcome->unmapped);
	g_free(outcome->did);
	g_free(outcome->guest);
	g_free(outcome->verdict);
	g_free(outcome->after);
	g_free(outcome->depends);
	g_free(outcome);
}
