// SPDX-License-Identifier: Apache-2.0
/*
 * A VMM in small, for `hwq exec --profile grace --check`: gives a guest a VCMDQ whose commands lie
 * in the guest's memory, lets the guest run a command, then takes that memory away.
 * It is an ordinary program: it knows nothing of hwq, and builds with `cc small_vmm.c`.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_IOVA  0x40000000ULL
#define QUEUE_BYTES 0x800ULL /* 128 commands of 16 bytes */

/* Registers of a VCMDQ in a VINTF's page 0, bytes. */
#define CONS_INDX 0x0
#define PROD_INDX 0x4
#define CONFIG    0x8

struct vfio_bind {
	uint32_t argsz, flags;
	int32_t iommufd;
	uint32_t out_devid;
	uint64_t token;
};

struct vfio_attach {
	uint32_t argsz, flags, pt_id, pasid;
};

struct ioas_alloc {
	uint32_t size, flags, out_ioas_id;
};

struct hwpt_alloc {
	uint32_t size, flags, dev_id, pt_id, out_hwpt_id, reserved, data_type, data_len;
	uint64_t data_uptr;
	uint32_t fault_id, reserved2;
};

struct viommu_alloc {
	uint32_t size, flags, type, dev_id, hwpt_id, out_viommu_id, data_len, reserved;
	uint64_t data_uptr;
};

struct viommu_data {
	uint64_t out_vintf_mmap_offset, out_vintf_mmap_length;
};

struct ioas_map {
	uint32_t size, flags, ioas_id, reserved;
	uint64_t user_va, length, iova;
};

struct ioas_unmap {
	uint32_t size, ioas_id;
	uint64_t iova, length;
};

struct hw_queue_alloc {
	uint32_t size, flags, viommu_id, type, index, out_hw_queue_id;
	uint64_t nesting_parent_iova, length;
};

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

/* The guest: one command, a doorbell, and a look at what came of it. */
static void guest_runs(uint64_t *queue, volatile uint8_t *page0, uint32_t index, uint64_t command)
{
	volatile uint32_t *prod = (volatile uint32_t *)(page0 + PROD_INDX);
	volatile uint32_t *cons = (volatile uint32_t *)(page0 + CONS_INDX);
	const struct timespec a_while = {0, 1000000};
	uint32_t before = *cons;
	if (queue != NULL) {
		queue[2 * index] = command;
		queue[2 * index + 1] = 0;
	}
	*prod = index + 1;
	for (int i = 0; i < 5000 && *cons == before; i++)
		nanosleep(&a_while, NULL);
	printf("guest: PROD 0x%x, CONS 0x%x\n", *prod, *cons);
	fflush(stdout);
}

int main(void)
{
	int iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	int device = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
	must(iommufd >= 0, "/dev/iommu");
	must(device >= 0, "/dev/vfio/devices/vfio0");

	struct ioas_alloc ioas = {.size = sizeof(ioas)};
	must(ioctl(iommufd, 0x3b81, &ioas) == 0, "IOAS_ALLOC");
	struct vfio_bind bind = {.argsz = sizeof(bind), .iommufd = iommufd};
	must(ioctl(device, 0x3b76, &bind) == 0, "BIND_IOMMUFD");
	struct hwpt_alloc parent = {.size = sizeof(parent),
				    .flags = 1,
				    .dev_id = bind.out_devid,
				    .pt_id = ioas.out_ioas_id};
	must(ioctl(iommufd, 0x3b89, &parent) == 0, "HWPT_ALLOC");
	struct vfio_attach attach = {.argsz = sizeof(attach), .pt_id = parent.out_hwpt_id};
	must(ioctl(device, 0x3b77, &attach) == 0, "ATTACH_IOMMUFD_PT");
	struct viommu_data data = {0};
	struct viommu_alloc viommu = {.size = sizeof(viommu),
				      .type = 2,
				      .dev_id = bind.out_devid,
				      .hwpt_id = parent.out_hwpt_id,
				      .data_len = sizeof(data),
				      .data_uptr = (uintptr_t)&data};
	must(ioctl(iommufd, 0x3b90, &viommu) == 0, "VIOMMU_ALLOC");
	uint8_t *page0 = mmap(NULL, data.out_vintf_mmap_length, PROT_READ | PROT_WRITE, MAP_SHARED,
			      iommufd, (off_t)data.out_vintf_mmap_offset);
	must(page0 != MAP_FAILED, "mmap of the VINTF");

	int ram = memfd_create("guest RAM", MFD_CLOEXEC);
	must(ram >= 0 && ftruncate(ram, 4096) == 0, "guest RAM");
	uint64_t *queue = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ram, 0);
	must(queue != MAP_FAILED, "mmap of guest RAM");
	struct ioas_map map = {.size = sizeof(map),
			       .flags = 7,
			       .ioas_id = ioas.out_ioas_id,
			       .user_va = (uintptr_t)queue,
			       .length = 4096,
			       .iova = QUEUE_IOVA};
	must(ioctl(iommufd, 0x3b85, &map) == 0, "IOAS_MAP");
	struct hw_queue_alloc hwq = {.size = sizeof(hwq),
				     .viommu_id = viommu.out_viommu_id,
				     .type = 1,
				     .nesting_parent_iova = QUEUE_IOVA,
				     .length = QUEUE_BYTES};
	must(ioctl(iommufd, 0x3b94, &hwq) == 0, "HW_QUEUE_ALLOC");

	*(volatile uint32_t *)(page0 + CONFIG) = 1;
	guest_runs(queue, page0, 0, 0x12); /* TLBI_NH_VA */

	struct ioas_unmap unmap = {sizeof(unmap), ioas.out_ioas_id, QUEUE_IOVA, 4096};
	int result = ioctl(iommufd, 0x3b86, &unmap);
	printf("vmm:   IOAS_UNMAP of the queue's page: %s\n", result == 0 ? "done" : "refused");
	if (result == 0) {
		munmap(queue, 4096);
		close(ram);
		queue = NULL;
	}
	guest_runs(queue, page0, 1, 0x12);
	return 0;
}
