/* SPDX-License-Identifier: Apache-2.0 */
/* A handler without SA_RESTART: iommufd's calls, which do not sleep, never give EINTR. */
#include "client.h"

#include <sys/time.h>

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
	(void)number;
	alarms++;
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval timer = {{0, 500}, {0, 500}};
	int fd = iommu_open();

	OK(sigaction(SIGALRM, &action, NULL));
	OK(setitimer(ITIMER_REAL, &timer, NULL));
	for (unsigned int round = 0; round < 20000 && (round < 200 || alarms < 500); round++) {
		EQUAL(ioas_alloc(fd), 1);
		OK(destroy(fd, 1));
	}
	return 0;
}
