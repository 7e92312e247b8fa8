/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experiments: a script, run on one emulated machine, and what it showed.
 *
 * Concepts
 *   outcome      texts and numbers that stand for themselves: the machine may be gone
 *   story        what happened, in order of time: what actors did, what the hardware and the kernel
 *                made of it
 *   difference   a result that is another than its line says
 *   verdict      the kinds of violations that were found
 *   as expected  no difference, and the violations are those of the `expect` lines
 *   hangs on     a hardware assumption was consulted, and with another value the verdict is another:
 *                found by running the experiment again with each
 */
#ifndef HWQ_TOOLS_RUNNER_EXPERIMENT_H
#define HWQ_TOOLS_RUNNER_EXPERIMENT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "emu/checker.h"
#include "tools/runner/call_watch.h"
#include "tools/runner/script.h"

/* One line of the story. */
struct story_line {
	uint64_t time_ps;
	uint32_t order; /* entries of the chronicle that came before */
	uint32_t line;  /* of the script; 0: not of an actor */
	char *who;
	char *what;
};

/* Something that the promise's frame went through between revocation and access. */
struct frame_event {
	uint64_t time_ps;
	uint32_t line; /* of the call that did it; 0: none */
	char *call;    /* "munmap"; NULL: none */
	char *what;    /* "freed", "handed to other" */
};

struct found_violation {
	enum violation_kind kind;
	bool write;
	bool is_command; /* a fetch of commands */
	bool has_input;  /* it was translated */
	bool has_ipa;    /* and that led to another address of the guest first */
	uint64_t time_ps;
	char *queue; /* "VINTF1 LVCMDQ0" */
	char *guest; /* what a guest can read of the queue at the end; NULL: a device */
	uint64_t pa;
	uint64_t input;
	uint64_t ipa;
	uint32_t size;
	uint32_t index;
	char *owner_then;
	char *owner_now; /* "nobody" where the frame is free */
	char *bytes_of;
	char *ran;     /* the command as it ran; NULL: none */
	char *changed; /* "VMID 3 substituted"; NULL */
	uint32_t removed;
	char *reach;   /* "no effect outside VMID 3", or what it reached; NULL */
	char *stopped; /* "index 2: ERR 1 (ILL_OPCODE)"; NULL */
	bool revoked;
	uint32_t revoked_line; /* 0: no line of the script did */
	char *revoked_by;      /* "IOMMU_IOAS_UNMAP 0x40000000+0x1000 = 0" */
	uint64_t revoking_ps;
	uint64_t cleared_ps; /* UINT64_MAX: not told */
	uint64_t revoked_ps;
	GPtrArray *frame_events; /* struct frame_event */
	char *base_by;           /* "HW_QUEUE_ALLOC id 8", line in base_line; NULL */
	uint32_t base_line;
	const char *why;
};

struct difference_line {
	uint32_t line; /* 0: of the scenario as a whole */
	char *what;
	char *expected;
	char *got;
	char *rule; /* or NULL */
};

/* What another value of a consulted assumption does to the verdict. */
struct other_value {
	const struct option *option;
	unsigned value;   /* as it was */
	unsigned another; /* with this one ... */
	char *verdict;    /* ... the verdict is this, */
	char *did;        /* the hardware did this, */
	char *guest;      /* and the guest sees this */
	bool changed;     /* another verdict: the experiment hangs on the assumption */
};

struct outcome {
	char *path;
	char *title;
	char *profile; /* its name; "-": no hardware */
	bool as_expected;
	uint32_t violation_count; /* all; the first VIOLATIONS_MAX are kept */
	bool found[VIOLATION_KINDS];
	GPtrArray *violations;  /* struct found_violation */
	GPtrArray *differences; /* struct difference_line */
	GPtrArray *story;       /* struct story_line */
	uint32_t story_left_out;
	GPtrArray *other_values;      /* struct other_value; filled by a sweep */
	bool consulted[OPTIONS_MAX];  /* hardware assumptions */
	uint8_t assumed[OPTIONS_MAX]; /* their values at the end */
	char *kernel;                 /* options that are not 7.3.4's, with their tags; "7.3.4" */
	char *hardware;               /* assumptions that are not the defaults; "" */
	/* The row of the table. */
	char *unmapped; /* what the first unmap of the guest's memory returned */
	char *did;      /* what the hardware did after the revocation */
	char *guest;    /* what the guest can see */
	char *verdict;
	char *after; /* from revocation to effect */
	char *depends;
};

/* The NTH (from 0) of the other values that change the verdict, or NULL. */
const struct other_value *outcome_hangs_on(const struct outcome *outcome, guint nth);

struct experiment_options {
	bool check_steps; /* save, do, restore and do again each step */
	bool story;
	/* Another value for one hardware assumption, by index; -1: none. */
	int other_option;
	unsigned other_value;
	const struct call_watch *watch; /* outlives the experiment; NULL: nobody */
	FILE *qemu_events;              /* events go there (qemu_events.h); NULL: none */
};

/* Runs SCRIPT on *MACHINE, which is made anew in its place. Never NULL. */
struct outcome *experiment_run(const struct script *script,
			       const struct experiment_options *options, struct machine **machine);

/*
 * A point in an experiment: its set-up is done, what lies before the first line that is no call and no
 * directive of the machine's; the machine is saved. It goes on from there as often as one likes.
 */
struct experiment_point;
/* NULL: the set-up did not go as its lines say, or there is no hardware. */
struct experiment_point *experiment_set_up(const struct script *script, struct machine **machine);
/* Without a story. OPTIONS may change an assumption that the set-up did not consult. */
struct outcome *experiment_resume(const struct experiment_point *point,
				  const struct experiment_options *options);
void experiment_point_free(struct experiment_point *point);

/* Runs it again for each other value of each consulted assumption, and fills in other_values. */
void experiment_sweep(const struct script *script, struct outcome *outcome,
		      struct machine **machine);
void outcome_free(struct outcome *outcome);

#endif
