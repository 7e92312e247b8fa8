/* SPDX-License-Identifier: Apache-2.0 */
/* Hardware behind the shim (hwq exec --profile). Every function but engine_new() takes NULL: none. */
#ifndef HWQ_TOOLS_EXEC_ENGINE_H
#define HWQ_TOOLS_EXEC_ENGINE_H

#include "tools/exec/exec.h"

/* The profile's hardware with one device, /dev/vfio/devices/vfio0. NULL: the message is printed. */
struct engine *engine_new(struct exec *exec, const struct exec_options *options);
/* Prints the last violations, and how many there were. */
void engine_free(struct engine *engine);
/* Whether clients have registers mapped: then they must be looked at from time to time. */
bool engine_has_registers(struct engine *engine);
/* Takes doorbells from the mapped pages and runs the hardware until it rests. */
void engine_run(struct engine *engine);
/* exec->call was done for CLIENT: reports name it. */
void engine_called(struct engine *engine, const struct client *client);

#endif
