/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios as text, parsed: what is to happen, line by line, before anything does.
 *
 * Concepts
 *   script   a text that starts with `# hwq-scenario 1`; one line, one step
 *   step     one thing that happens: a directive, or what an actor does
 *   start    a step starts when the steps before it are done; `after T` starts it T after the start
 *            of the one before, `at T` at an instant: then it may run beside them
 *   actor    `vmm`, `other`, ...: a process; `vmm.2` is its second thread
 *   name     $fd: gets its value when a call returns it. A value in a step is a number or a name
 *
 * A script is checked whole: a word that is not in the language, a name that no line before binds
 * and a value that does not fit are refused with their place before anything runs. It can be run
 * often (experiment.h).
 */
#ifndef HWQ_TOOLS_RUNNER_SCRIPT_H
#define HWQ_TOOLS_RUNNER_SCRIPT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "emu/checker.h"
#include "emu/trace/trace.h"
#include "tools/runner/image.h"
#include "tools/runner/platform.h"
#include "tools/runner/recording.h"

struct script_value {
	bool named;
	uint64_t number; /* or what is added to the name's value */
	uint32_t name;   /* index */
};

enum step_start {
	START_WHEN_DONE,
	START_AFTER, /* start_ps after the start of the step before */
	START_AT,    /* start_ps after the machine was made */
};

enum step_kind {
	STEP_CALL,
	STEP_STORE,
	STEP_PRODUCE,  /* guest: QUEUE <- COMMANDS */
	STEP_WRITE,    /* guest: write QUEUE.REGISTER */
	STEP_READ,     /* guest: read QUEUE.REGISTER */
	STEP_DMA,      /* device: dma */
	STEP_MIGRATE,  /* host: migrate */
	STEP_RECLAIM,  /* host: reclaim */
	STEP_UPDATE,   /* host: update */
	STEP_KERNEL,   /* kernel KEY=VALUE */
	STEP_HARDWARE, /* hardware KEY=VALUE */
	STEP_DEVICE,
	STEP_RAM,
	STEP_QUEUE,
	STEP_RUN,
	STEP_DELAY,
	STEP_PORT_FAULT,
	STEP_WRITE_FAULT,
	STEP_DEVICE_FAULT,
	STEP_LOAD,
	STEP_MMIO_WRITE,
	STEP_MMIO_READ,
	STEP_TRANSLATE,
};

/* What a line says of a DMA or a translation: "ok", an address, or a fault. */
struct script_outcome {
	bool fault;
	const char *event; /* its name; NULL: any */
	bool has_pa;
	uint64_t pa;
};

struct script_step {
	enum step_kind kind;
	uint32_t line;
	uint32_t column; /* of its first word */
	enum step_start start;
	uint64_t start_ps;
	uint32_t actor;   /* index; of calls, stores, host lines */
	const char *text; /* what the line says, without comment; for the narrative */
	union {
		struct recorded_call *call;
		struct {
			struct script_value address;
			const uint8_t *bytes;
			uint32_t length;
		} store;
		struct {
			uint32_t queue;
			const uint8_t *bytes;
			uint32_t count; /* commands */
		} produce;
		struct {
			uint32_t queue;
			const struct platform_register *reg;
			struct script_value value;
		} access;
		struct {
			uint32_t id;      /* stream id, DeviceID */
			const char *name; /* as the line has it */
			bool write;
			struct script_value iova;
			struct script_outcome outcome;
		} dma;
		struct {
			struct script_value address;
			int64_t result;
		} page;
		struct {
			uint8_t option;
			uint8_t value;
		} option;
		struct {
			uint32_t device;
		} device;
		struct {
			struct script_value gpa;
			struct script_value va;
			struct script_value length;
		} ram;
		struct {
			uint32_t queue;
			struct script_value page;
			struct script_value gpa;
		} queue;
		uint64_t duration_ps;
		struct {
			uint64_t delay_ps;
			const char *point;
		} delay;
		struct {
			enum access_purpose purpose;
			enum fault_action action;
			uint64_t late_ps;
			uint64_t nth;
		} port_fault;
		struct {
			uint32_t queue;
			const struct platform_register *reg;
			uint64_t nth;
			uint64_t late_ps;
		} write_fault;
		struct {
			uint32_t device;
			bool silent;
		} device_fault;
		const struct image *image;
		struct {
			const char *reg; /* the platform finds it */
			struct script_value value;
		} mmio;
		struct {
			uint32_t device; /* id */
			bool write;
			struct script_value iova;
			struct script_outcome outcome;
		} translate;
	};
};

struct script_queue {
	const char *name;
	uint32_t index;
	uint32_t entries;
};

struct script_device {
	const char *name;
	const char *path; /* /dev/vfio/devices/NAME */
	uint32_t id;
	bool ats;
	bool host; /* the host's own, passed through: nobody can open it */
};

struct script_expectation {
	enum violation_kind kind;
	int32_t queue;  /* index, or -1: any */
	int32_t device; /* index, or -1: any */
	uint64_t count; /* 0: once or more */
};

#define SCRIPT_EXPECTATIONS_MAX 16U
#define SCRIPT_ARGUMENT_MAX     0x10000U /* bytes of a call's struct */

/* An option that the command line sets; the script's own lines for its key do not count. */
struct script_override {
	bool hardware;
	unsigned option;
	unsigned value;
};

struct script_options {
	const char *profile;       /* instead of the script's; NULL: its own */
	const char *const *kernel; /* KEY=VALUE, NULL at the end; or NULL */
	const char *const *hardware;
	uint64_t seed;
};

struct script {
	char *path;
	const char *title;
	struct trace_arena arena; /* nodes, bytes and texts */
	GStringChunk *texts;
	GArray *steps;     /* struct script_step */
	GPtrArray *names;  /* texts */
	GPtrArray *actors; /* texts, without the thread's number */
	GArray *queues;    /* struct script_queue */
	GArray *devices;   /* struct script_device */
	GPtrArray *images; /* struct image */
	GArray *overrides; /* struct script_override */
	struct script_expectation expectations[SCRIPT_EXPECTATIONS_MAX];
	uint32_t expectation_count;
	const struct platform *platform; /* NULL: no hardware */
	struct profile profile;
	char *profile_name; /* in force */
	bool has_profile;   /* there was a `profile` line */
	bool bare;
	enum reuse_order reuse;
	uint64_t seed;
};

/* NULL with DIAG where the text is wrong. */
struct script *script_parse(const char *path, const struct script_options *options,
			    struct trace_diag *diag);
void script_free(struct script *script);

#endif
