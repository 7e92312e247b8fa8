/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorder: writes what clients did as a native trace (hwq replay). Every function takes NULL for
 * "no recording" and does nothing then.
 *
 * What the kernel does not ask about is made up for when it shows: a mapping when the shim looks at
 * it, a fork at the child's first call, a close() when the last copy is gone. Descriptors are
 * numbered as a table that starts at 3, by file.
 */
#ifndef HWQ_TOOLS_EXEC_RECORDER_H
#define HWQ_TOOLS_EXEC_RECORDER_H

#include "tools/exec/exec.h"

struct recorder *recorder_new(struct exec *exec, const char *path);
/* False: it could not all be written. */
bool recorder_free(struct recorder *recorder);

void recorder_process(struct recorder *recorder, struct client *client,
		      const struct client *parent);
/* It has new memory. */
void recorder_exec(struct recorder *recorder, struct client *client);
void recorder_exit(struct recorder *recorder, struct client *client);
void recorder_mmap(struct recorder *recorder, struct client *client,
		   const struct map_request *request, struct outside_object *outside);
void recorder_munmap(struct recorder *recorder, struct client *client, uint64_t va,
		     uint64_t length);
void recorder_mprotect(struct recorder *recorder, struct client *client, uint64_t va,
		       uint64_t length, uint32_t prot);
/* A file that the shim was given by its descriptor. */
void recorder_file(struct recorder *recorder, struct client *client,
		   struct outside_object *outside);
/* What the client may, when it changed. */
void recorder_credentials(struct recorder *recorder, const struct client *client);
/* The next call fails at its NTH modelled allocation, or other point, of this name. */
void recorder_fail_nth(struct recorder *recorder, const struct client *client, uint64_t nth,
		       const char *point);
/* The last descriptor of FILE is closed. */
void recorder_closed(struct recorder *recorder, struct file *file);

/* Around exec->call: before() remembers what it is given, after() writes the line. */
void recorder_before(struct recorder *recorder, struct client *client, int fd);
void recorder_after(struct recorder *recorder, struct client *client, int64_t result);
/* The shim is about to read the client's memory, or to change it to what is WRITTEN. */
void recorder_touch(struct recorder *recorder, struct client *client, uint64_t va,
		    const void *written, uint64_t size);
/* A mapping of a driver's page. */
void recorder_device_mmap(struct recorder *recorder, struct client *client, const uint64_t args[6],
			  int64_t result);

#endif
