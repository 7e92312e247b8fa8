/* SPDX-License-Identifier: Apache-2.0 */
/* /dev/iommu has neither write() nor poll(): EINVAL, and always ready (1.1). */
#include "client.h"

int main(void)
{
	int fd = iommu_open();
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLOUT};

	EQUAL(poll(&poll_fd, 1, 0), 1);
	EQUAL(poll_fd.revents, POLLIN | POLLOUT);
	REFUSED(EINVAL, write(fd, "x", 1));
	return 0;
}
