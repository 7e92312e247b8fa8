/* SPDX-License-Identifier: Apache-2.0 */
/* What running an experiment and telling of it share. */
#ifndef HWQ_TOOLS_RUNNER_EXPERIMENT_STATE_H
#define HWQ_TOOLS_RUNNER_EXPERIMENT_STATE_H

#include "emu/syscall.h"
#include "tools/runner/chronicle.h"
#include "tools/runner/experiment.h"

struct bound_name {
	bool bound;
	uint64_t value;
};

struct guest_ram {
	uint64_t gpa;
	uint64_t va; /* in the VMM */
	uint64_t length;
};

struct guest_queue {
	uint64_t page;
	uint64_t gpa;
	uint64_t tail; /* commands that the guest has put there */
	bool has_context;
	uint32_t context; /* of the hardware's queue, when it was last seen */
};

struct actor {
	struct process *process;
	uint64_t scratch_free; /* va of memory for an argument that no call uses */
};

enum call_state {
	CALL_RUNNING,
	CALL_RETURNED,
	CALL_HUNG, /* nothing can let it return */
};

struct running_call {
	const struct script_step *step;
	struct actor *actor;
	struct syscall *syscall;
	uint64_t scratch;
	uint64_t pointees[POINTEES_MAX]; /* va of what the line shows behind pointers */
	uint64_t start_ps;
	uint64_t done_ps;
	int64_t result;
	enum call_state state;
	struct story_line *told; /* its line, to be filled in at the end; NULL: no story */
	uint8_t argument[64];    /* its first bytes as they were given */
	uint8_t answer[64];      /* and as they came back */
};

struct experiment {
	const struct script *script;
	struct experiment_options options;
	struct outcome *outcome;
	struct machine *machine;
	void *hardware; /* NULL: none */
	struct checker *checker;
	struct chronicle *chronicle;
	struct arena_snapshot *snapshot;
	struct bound_name *names;
	struct guest_queue *queues;
	struct actor *actors;
	struct device **devices; /* of the driver; NULL on bare hardware */
	GArray *ram;             /* struct guest_ram */
	GPtrArray *calls;        /* struct running_call, in the order of their start */
	GPtrArray *told;         /* struct story_line of actors, in order */
	guint first_running;
	uint8_t *argument; /* of the call that is being started */
	uint32_t steps;    /* done so far */
	uint64_t step_start_ps;
	uint64_t delays_before; /* of the delay in force */
	const struct script_step *delay;
	bool stopped; /* the rest can't be run */
};

/* A result that is another than the line says. Texts are copied; RULE may be NULL. */
void experiment_differs(struct experiment *experiment, uint32_t line, const char *what,
			const char *expected, const char *got, const struct rule *rule);
/* "0", "-1 EBUSY" */
char *result_text(int64_t result);
/* A line of the story, of what an actor does now; WHAT is taken over. NULL: there is no story. */
struct story_line *tell(struct experiment *experiment, uint32_t line, const char *who, char *what);
/* Fills the outcome's texts from the machine as it is at the end. */
void experiment_conclude(struct experiment *experiment);
/* "IOMMU_IOAS_UNMAP 0x40000000+0x1000" */
void call_text(const struct running_call *call, GString *out);

#endif
