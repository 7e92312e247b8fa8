// SPDX-License-Identifier: Apache-2.0
/*
 * hwq bench exec: what a call through hwq exec costs its program, by the wall clock, as the
 * supervisor's work and two switches of process are part of it. Medians.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kernel_shim/uapi/iommufd.h"
#include "tools/exec/exec.h"
#include "tools/hwq/bench.h"

#define CALLS 20000

/* Each is one call; what it is done on is in FD. */
static void call_read(int fd)
{
	char byte;
	(void)!read(fd, &byte, 1);
}

static void call_open(int fd)
{
	(void)fd;
	close(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static void call_iommu(int fd)
{
	struct iommu_ioas_iova_ranges ranges = {.size = sizeof(ranges), .ioas_id = 1};
	ioctl(fd, IOMMUFD_IO(IOMMUFD_NR_IOAS_IOVA_RANGES), &ranges);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static double now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double median_us(void (*call)(int fd), int fd)
{
	double *samples = g_new(double, CALLS);
	for (int i = 0; i < CALLS; i++) {
		double start = now_us();
		call(fd);
		samples[i] = now_us() - start;
	}
	qsort(samples, CALLS, sizeof(*samples), compare);
	double median = samples[CALLS / 2];
	g_free(samples);
	return median;
}

struct figures {
	double read_us;
	double open_us;
	double iommu_us;
};

static int measure(void *context)
{
	struct figures *figures = context;
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	if (iommufd >= 0)
		ioctl(iommufd, IOMMUFD_IO(IOMMUFD_NR_IOAS_ALLOC), &ioas);
	figures->read_us = median_us(call_read, zero);
	figures->open_us = median_us(call_open, -1);
	figures->iommu_us = median_us(call_iommu, iommufd);
	return iommufd < 0;
}

int bench_exec(struct bench_run *run)
{
	struct figures bare;
	struct figures *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct exec_options options = {.body = measure, .body_context = shared, .seed = 1};
	if (shared == MAP_FAILED)
		return HWQ_INTERNAL_ERROR;
	measure(&bare);
	int status = exec_run(&options);
	bench_figure(run, "bare_read", bare.read_us, "us");
	bench_figure(run, "exec_read", shared->read_us, "us");
	bench_figure(run, "bare_open_close", bare.open_us, "us");
	bench_figure(run, "exec_open_close", shared->open_us, "us");
	bench_figure(run, "exec_call", shared->iommu_us, "us");
	munmap(shared, sizeof(*shared));
	return status == 0 ? HWQ_AS_EXPECTED : HWQ_INTERNAL_ERROR;
}
