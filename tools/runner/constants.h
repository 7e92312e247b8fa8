/* SPDX-License-Identifier: Apache-2.0 */
/* Names of iommufd's numbers, for fields of calls in scenarios. */
#ifndef HWQ_TOOLS_RUNNER_CONSTANTS_H
#define HWQ_TOOLS_RUNNER_CONSTANTS_H

#include "tools/runner/words.h"

/* Ends with a NULL name. */
extern const struct word iommufd_constants[];

#endif
