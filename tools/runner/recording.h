/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded calls: what a line of a trace means.
 *
 * Concepts
 *   recorded call  one line, decoded: the system call to issue, the bytes to put in memory before,
 *                  and what the recorded kernel answered
 *   argument       the struct an ioctl points to: its bytes before the call and after it
 *   pointee        memory that the line shows behind a pointer: bytes before and after
 *   context line   `# process ...`, `# memory ...`: what was there when the recording began
 *
 * Decoding checks names and shapes: an unknown call, field or symbol is bad input, reported with
 * its place and the nearest valid word. It never looks at recorded results.
 */
#ifndef HWQ_TOOLS_RUNNER_RECORDING_H
#define HWQ_TOOLS_RUNNER_RECORDING_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/syscall.h"
#include "emu/trace/trace.h"
#include "kernel_shim/uapi/layout.h"

#define POINTEES_MAX 2U
#define BINDINGS_MAX 4U
#define PATCHES_MAX  16U

struct recorded_bytes {
	const uint8_t *before;
	const uint8_t *after;
	uint32_t length; /* bytes */
};

struct recorded_pointee {
	uint64_t va;
	struct recorded_bytes bytes;
	const struct trace_value *value; /* of the pointer */
	const char *name;                /* of the field */
};

/* What stands behind `=`, and how a replay takes it. */
enum recorded_result {
	RESULT_COMPARED, /* number or errno */
	RESULT_ADDRESS,  /* of a mapping: a binding, compared only with what the call fixes */
	RESULT_PROCESS,  /* of fork: a label */
	RESULT_NONE,     /* ? */
};

/* `field=A => $name`: what the field holds after the call gets that name. */
struct recorded_binding {
	uint32_t name; /* its number */
	uint32_t offset;
	uint32_t width;
};

/* A $name stands for a value that is known when the call is made. */
enum patch_place {
	PATCH_ARGUMENT, /* args[at] */
	PATCH_FIELD,    /* WIDTH bytes at AT of the struct */
	PATCH_POINTEE,  /* address of pointees[at] */
};

struct recorded_patch {
	enum patch_place place;
	uint32_t name; /* its number */
	uint64_t add;
	uint32_t at;
	uint32_t width;
	struct trace_pos pos;
};

/* Names of a scenario, by number. */
struct name_table {
	void *context;
	/* The number of a name that is to be used: false, no line before binds it. */
	bool (*use)(void *context, const char *name, uint32_t length, uint32_t *number);
	/* The number of a name that this line binds. */
	uint32_t (*bind)(void *context, const char *name, uint32_t length);
};

struct recorded_call {
	uint32_t line;
	uint32_t pid;
	uint32_t tid;
	enum syscall_number number;
	uint64_t args[6];
	const char *path;
	enum recorded_result result_kind;
	int64_t result; /* negative errno for -1 ERRNO */
	/* ioctl */
	const struct ioctl_layout *layout;
	const struct test_op_layout *test_op;
	bool has_argument; /* the struct lies in scratch memory; else args[2] counts */
	struct recorded_bytes argument;
	const uint8_t
		*asked;   /* of a scenario: not 0 where the line shows the byte after the call */
	uint32_t reserve; /* bytes the kernel may read or write behind the pointer */
	/* read, write: the buffer */
	bool has_buffer;
	struct recorded_bytes buffer;
	bool has_out; /* poll: revents, waitpid: status */
	uint64_t out;
	struct recorded_pointee pointees[POINTEES_MAX];
	uint32_t pointee_count;
	struct recorded_binding bindings[BINDINGS_MAX];
	uint32_t binding_count;
	struct recorded_patch patches[PATCHES_MAX];
	uint32_t patch_count;
	bool has_result_name;
	uint32_t result_name; /* `= $name`: its number */
	const struct trace_call *source;
};

enum descriptor_kind {
	DESCRIPTOR_CLOSED,
	DESCRIPTOR_REGULAR,
	DESCRIPTOR_PIPE,
	DESCRIPTOR_CHARACTER,
};

struct recorded_process {
	uint32_t pid;
	uint32_t parent;
	enum descriptor_kind descriptors[3];
};

struct recorded_memory {
	uint64_t first;
	uint64_t last;
	uint32_t prot; /* PROT_*_BIT */
	bool shared;
	bool file;
};

/* `# credentials PID: ...`: what the process may from here on. */
struct recorded_credentials {
	uint32_t pid;
	bool ipc_lock;
	bool sys_resource;
	bool sys_rawio;
	uint64_t memlock; /* bytes */
};

#define FAIL_POINT_MAX 64U

/* `# fail-nth PID: N POINT`: the process's next call fails at its Nth modelled allocation of that name. */
struct recorded_fail_nth {
	uint32_t pid;
	uint64_t nth;
	char point[FAIL_POINT_MAX]; /* empty: of any */
};

/* `# descriptor PID: FD of PID2: FD2`: passed on: it has as FD what the other has as FD2. */
struct recorded_descriptor {
	uint32_t pid;
	uint32_t from_pid;
	int fd;
	int from_fd;
};

enum context_kind {
	CONTEXT_OTHER,
	CONTEXT_PROCESS,
	CONTEXT_MEMORY,
	CONTEXT_CREDENTIALS,
	CONTEXT_FAIL_NTH,
	CONTEXT_DESCRIPTOR,
	CONTEXT_KERNEL, /* the version must be one that the shim models */
};

/* A context line: what its kind needs is set. */
struct recorded_context {
	enum context_kind kind;
	union {
		struct recorded_process process;
		struct recorded_memory memory;
		struct recorded_credentials credentials;
		struct recorded_fail_nth fail_nth;
		struct recorded_descriptor descriptor;
	};
};

/*
 * Decodes a call line; bytes and texts live in ARENA. 0, or -1 with DIAG: bad input at its place
 * in FILE.
 */
int recorded_call_decode(const char *file, const struct trace_line *line, struct trace_arena *arena,
			 struct recorded_call *call, struct trace_diag *diag);

/*
 * The same for a line of a scenario: names stand for values, an actor for the label, and fields
 * may be left out (zero; the struct's own size).
 */
int scenario_call_decode(const char *file, const struct trace_line *line, struct trace_arena *arena,
			 const struct name_table *names, struct recorded_call *call,
			 struct trace_diag *diag);

/* Decodes a comment line. -1: it begins like a context line but is none. */
int recorded_context_decode(const char *file, const struct trace_line *line,
			    struct recorded_context *context, struct trace_diag *diag);

#endif
