// SPDX-License-Identifier: Apache-2.0
/* What a scenario showed: each violation in full, and its row of the table. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "models/nvidia_vcmdq/smmu.h"
#include "tools/runner/command_text.h"
#include "tools/runner/scenario_state.h"

#define LVCMDQ_TEXT_MAX 48

static const char *const error_names[] = {
	[VCMDQ_ERR_NONE] = "no error",
	[VCMDQ_ERR_ILL_OPCODE] = "ERR 1 (ILL_OPCODE)",
	[VCMDQ_ERR_ABT] = "ERR 2 (ABT)",
	[VCMDQ_ERR_ATC_INV_SYNC] = "ERR 3 (ATC_INV_SYNC)",
	[VCMDQ_ERR_ILL_ACCESS] = "ERR 4 (ILL_ACCESS)",
};

static const char *error_text(uint32_t error)
{
	return error < G_N_ELEMENTS(error_names) ? error_names[error] : "an unknown error";
}

static double us(uint64_t ps)
{
	return (double)ps / 1e6;
}

bool scenario_as_expected(const struct scenario *scenario)
{
	bool seen[VIOLATION_KINDS] = {false};
	uint32_t count = scenario->checker->count;
	for (uint32_t i = 0; i < count && i < VIOLATIONS_MAX; i++)
		seen[scenario->checker->violations[i].kind] = true;
	return scenario->mismatches->len == 0 &&
	       memcmp(seen, scenario->expected, sizeof(seen)) == 0;
}

/* "VINTF1 LVCMDQ0" */
static void queue_text(const struct scenario *scenario, uint32_t context, char *text, size_t size)
{
	const struct vcmdq *vcmdq = &scenario->hardware->vcmdqs[context];
	snprintf(text, size, "VINTF%u LVCMDQ%u", (unsigned)field_get(vcmdq->alloc, ALLOC_VINTF),
		 (unsigned)field_get(vcmdq->alloc, ALLOC_LVCMDQ));
}

/* The call that took the promise away: by number, as the ledger counts. */
static const struct scenario_call *revoking_call(const struct scenario *scenario,
						 const struct revocation *revocation)
{
	/* The instant of the revocation lies inside the call that did it: the innermost, as
	 * others may be under way around it. */
	const struct scenario_call *found = NULL;
	for (guint i = 0; i < scenario->calls->len; i++) {
		const struct scenario_call *running = g_ptr_array_index(scenario->calls, i);
		if (running->start_ps <= revocation->start_ps &&
		    revocation->done_ps <= running->done_ps && running->call.layout != NULL &&
		    (found == NULL || found->start_ps <= running->start_ps))
			found = running;
	}
	return found;
}

/* What later calls did to the frame's owner: munmap, mmap. */
static void print_ownership(const struct scenario *scenario, const struct violation *violation,
			    uint64_t after_ps, FILE *out)
{
	for (guint i = 0; i < scenario->calls->len; i++) {
		const struct scenario_call *running = g_ptr_array_index(scenario->calls, i);
		if (running->start_ps < after_ps || running->start_ps > violation->access.time_ps)
			continue;
		if (running->call.number == SYS_MUNMAP || running->call.number == SYS_MMAP)
			fprintf(out, "; line %u %s %s at %.3f", running->call.line,
				running->actor->name,
				running->call.number == SYS_MUNMAP ? "munmap" : "mmap",
				us(running->start_ps));
	}
}

static void print_revocation(const struct scenario *scenario, const struct violation *violation,
			     FILE *out)
{
	const struct ledger *ledger = &scenario->machine->ledger;
	if (violation->promise.state != PROMISE_REVOKED)
		return;
	const struct revocation *revocation = &ledger->revocations[violation->promise.revocation];
	const struct scenario_call *call = revoking_call(scenario, revocation);
	fprintf(out, "  revoked by ");
	if (call != NULL)
		fprintf(out, "line %u %s = %" PRId64, call->call.line, call->call.layout->name,
			call->result);
	else
		fprintf(out, "the kernel (%s)", revocation->what);
	fprintf(out, " (revoking from %.3f, revoked at %.3f us)", us(revocation->start_ps),
		us(revocation->done_ps));
	print_ownership(scenario, violation, revocation->done_ps, out);
	fputc('\n', out);
}

static void print_command(const struct violation *violation, FILE *out)
{
	char text[128];
	if (!violation->has_command)
		return;
	if (violation->command.kind == PROBE_STOPPED) {
		fprintf(out, "  stopped    at index %u: %s\n", violation->command.index,
			error_text(violation->command.error));
		return;
	}
	command_print(violation->command.ran, text, sizeof(text));
	fprintf(out, "  ran as     %s; removed %u cached translations; the queue's VMID is %u\n",
		text, violation->command.removed, violation->vmid);
}

static const char *why(enum violation_kind kind)
{
	switch (kind) {
	case VIOLATION_FOREIGN_WRITE:
		return "CONS_INDX_BASE is a physical address; stage 2 is not consulted";
	case VIOLATION_ESCAPED_COMMAND:
		return "the command reached a VMID that is not the queue owner's";
	default:
		return "VCMDQ fetches by physical address; stage 2 is not consulted";
	}
}

static void print_violation(const struct scenario *scenario, const struct violation *violation,
			    FILE *out)
{
	const struct machine *machine = scenario->machine;
	char queue[LVCMDQ_TEXT_MAX];
	bool free_frame = violation->frame.references == 0 && violation->frame.pins == 0;
	queue_text(scenario, violation->access.context, queue, sizeof(queue));
	fprintf(out, "BUG: %s in %s at %.3f us\n", violation_name(violation->kind), queue,
		us(violation->access.time_ps));
	fprintf(out, "  %-10s PA 0x%" PRIx64 " +%u, index %u\n",
		access_writes(&violation->access) ? "write" : "fetch", violation->access.pa.value,
		violation->access.size, violation->access.index);
	fprintf(out, "  owner      promised to %s, now %s; the bytes are %s's\n",
		machine_owner_name(machine, violation->promise.owner),
		free_frame ? "nobody" : machine_owner_name(machine, violation->frame.owner),
		machine_owner_name(machine, violation->writer));
	print_command(violation, out);
	print_revocation(scenario, violation, out);
	fprintf(out, "  why        %s\n", why(violation->kind));
	fprintf(out,
		"  depends on kernel %s; hardware: fetch by PA and ERR codes as the driver "
		"implies, "
		"times assumed\n",
		scenario->depends->len > 0 ? scenario->depends->str : "7.3.4 as it is");
}

void scenario_report(const struct scenario *scenario, FILE *out)
{
	const struct checker *checker = scenario->checker;
	fprintf(out, "%s: %s\n", scenario->path, scenario->title);
	for (uint32_t i = 0; i < checker->count && i < VIOLATIONS_MAX; i++)
		print_violation(scenario, &checker->violations[i], out);
	if (checker->count > VIOLATIONS_MAX)
		fprintf(out, "%u more violations\n", checker->count - VIOLATIONS_MAX);
	for (int kind = 0; kind < VIOLATION_KINDS; kind++) {
		bool seen = false;
		for (uint32_t i = 0; i < checker->count && i < VIOLATIONS_MAX; i++)
			seen |= checker->violations[i].kind == (enum violation_kind)kind;
		if (seen != scenario->expected[kind])
			fprintf(out, "%s: %s %s\n", scenario->path,
				violation_name((enum violation_kind)kind),
				seen ? "was not expected" : "was expected and did not happen");
	}
	fputs(scenario->mismatches->str, out);
}

/* --- the table --- */

static const struct guest_queue *first_queue(const struct scenario *scenario)
{
	return scenario->queues->len > 0 ? &g_array_index(scenario->queues, struct guest_queue, 0)
					 : NULL;
}

/* The last unmap that touches the queue's page. */
static const struct scenario_call *queue_unmap(const struct scenario *scenario)
{
	const struct guest_queue *queue = first_queue(scenario);
	const struct scenario_call *found = NULL;
	for (guint i = 0; queue != NULL && i < scenario->calls->len; i++) {
		const struct scenario_call *running = g_ptr_array_index(scenario->calls, i);
		if (running->call.layout == NULL ||
		    strcmp(running->call.layout->name, "IOMMU_IOAS_UNMAP") != 0)
			continue;
		uint64_t iova = load_le64(running->call.argument.before + 8);
		uint64_t length = load_le64(running->call.argument.before + 16);
		if (queue->gpa - iova < length && found == NULL)
			found = running;
	}
	return found;
}

static char *verdict_text(const struct scenario *scenario)
{
	GString *text = g_string_new(NULL);
	for (int kind = 0; kind < VIOLATION_KINDS; kind++) {
		uint32_t seen = 0;
		for (uint32_t i = 0; i < scenario->checker->count && i < VIOLATIONS_MAX; i++)
			seen += scenario->checker->violations[i].kind == (enum violation_kind)kind;
		if (seen > 0)
			g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "",
					       violation_name((enum violation_kind)kind));
	}
	if (text->len == 0)
		g_string_append(text, "no violation");
	return g_string_free(text, FALSE);
}

static const struct violation *first_violation(const struct scenario *scenario)
{
	return scenario->checker->count > 0 ? &scenario->checker->violations[0] : NULL;
}

static char *hardware_text(const struct scenario *scenario)
{
	const struct violation *first = first_violation(scenario);
	char command[128];
	if (first == NULL)
		return g_strdup("no access after revocation");
	if (first->kind == VIOLATION_FOREIGN_WRITE)
		return g_strdup("wrote CONS to the old frame");
	if (!first->has_command)
		return g_strdup("fetched from the old frame");
	if (first->command.kind == PROBE_STOPPED)
		return g_strdup("fetched, stopped at the bytes");
	command_print(first->command.ran, command, sizeof(command));
	return g_strdup_printf("fetched, ran %.*s", (int)strcspn(command, " "), command);
}

static char *guest_text(const struct scenario *scenario)
{
	const struct guest_queue *queue = first_queue(scenario);
	if (queue == NULL || scenario->hardware == NULL)
		return g_strdup("-");
	for (uint32_t q = 0; q < scenario->hardware->vcmdq_count; q++) {
		const struct vcmdq *vcmdq = &scenario->hardware->vcmdqs[q];
		const struct ledger_binding *binding =
			ledger_binding(&scenario->machine->ledger, "smmu", q);
		if (binding != NULL)
			return g_strdup_printf("CONS %u, %s", vcmdq->queue.cons,
					       error_text(vcmdq->queue.error));
	}
	return g_strdup("-");
}

static char *effect_text(const struct scenario *scenario)
{
	const struct violation *first = first_violation(scenario);
	if (first == NULL || first->promise.state != PROMISE_REVOKED)
		return g_strdup("-");
	const struct revocation *revocation =
		&scenario->machine->ledger.revocations[first->promise.revocation];
	return g_strdup_printf("%.3f us", us(first->access.time_ps - revocation->done_ps));
}

static char *unmap_text(const struct scenario *scenario)
{
	const struct scenario_call *unmap = queue_unmap(scenario);
	if (unmap == NULL)
		return g_strdup("-");
	if (unmap->result == 0)
		return g_strdup("0");
	return g_strdup(errno_name((int)-unmap->result));
}

struct scenario_row scenario_row(const struct scenario *scenario)
{
	char **texts = ((struct scenario *)(uintptr_t)scenario)->row_texts;
	if (texts[0] == NULL) {
		texts[0] = unmap_text(scenario);
		texts[1] = hardware_text(scenario);
		texts[2] = guest_text(scenario);
		texts[3] = verdict_text(scenario);
		texts[4] = effect_text(scenario);
		texts[5] = scenario->depends->len > 0
				   ? g_strdup_printf("%s [what-if]", scenario->depends->str)
				   : g_strdup("7.3.4");
	}
	return (struct scenario_row){scenario->title, texts[0], texts[1], texts[2],
				     texts[3],        texts[4], texts[5]};
}
