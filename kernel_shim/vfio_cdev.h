/* SPDX-License-Identifier: Apache-2.0 */
/* VFIO device files (/dev/vfio/devices/...): how a VMM gives a device to an iommufd. */
#ifndef HWQ_KERNEL_SHIM_VFIO_CDEV_H
#define HWQ_KERNEL_SHIM_VFIO_CDEV_H

#include "kernel_shim/iommufd.h"

/* PATH must outlive the machine's state: a literal, or in the arena. */
void vfio_cdev_register(struct machine *machine, const char *path, struct device *device);

#endif
