// SPDX-License-Identifier: Apache-2.0
#include "kernel_shim/options.h"

const struct option kernel_options[] = {
	[KERNEL_HW_QUEUE_PIN] = {"hw_queue.pin",
				 "iommufd 5.4",
				 {{"driver", "7.3.4"}, {"off", "what-if"}}},
	[KERNEL_HW_QUEUE_DESTROY] = {"hw_queue.destroy",
				     "tegra241-cmdqv 9.5",
				     {{"stop-first", "7.3.4"}, {"unpin-first", "what-if"}}},
	[KERNEL_HW_QUEUE_BASE] = {"hw_queue.base",
				  "known-bugs 1",
				  {{"exact", "7.3.4"}, {"rounded-up", "posted v6 to v8"}}},
	[KERNEL_UNMAP_FLUSH] = {"unmap.flush",
				"smmuv3 3.6",
				{{"wait", "7.3.4"}, {"no-wait", "what-if"}, {"none", "what-if"}}},
	[KERNEL_CMDQV_CONS_DRAM] = {"cmdqv.cons_dram",
				    "tegra241-cmdqv 5",
				    {{"off", "7.3.4"}, {"on", "what-if"}}},
	[KERNEL_CMDQV_DEINIT_SYNC] = {"cmdqv.deinit_sync",
				      "tegra241-cmdqv 9.3",
				      {{"on", "7.3.4"}, {"off", "what-if"}}},
	{NULL, NULL, {{NULL, NULL}}},
};
