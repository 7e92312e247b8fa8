/* SPDX-License-Identifier: Apache-2.0 */
/* Memory images: ELF cores with physical addresses (dump-guest-memory, vmcore), plain or zstd. */
#ifndef HWQ_TOOLS_RUNNER_IMAGE_H
#define HWQ_TOOLS_RUNNER_IMAGE_H

#include <stdint.h>

#include "emu/machine.h"
#include "emu/trace/diag.h"

struct image;

/* NULL with DIAG, which speaks of the file itself. */
struct image *image_load(const char *path, struct trace_diag *diag);
void image_free(struct image *image);
/* Makes the image's ranges RAM of MACHINE, with its bytes. False: too many ranges. */
bool image_place(const struct image *image, struct machine *machine);

#endif
