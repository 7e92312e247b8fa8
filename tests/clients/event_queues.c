/* SPDX-License-Identifier: Apache-2.0 */
/* Records of fault queues and event queues, byte for byte (5.6, 5.7, G.4, G.5). */
#include "client.h"

static void faults_are_read_and_answered(void)
{
	struct iommu_hwpt_pgfault faults[3];
	struct iommu_hwpt_page_response answers[3];
	struct fault_bench bench;
	uint8_t byte;

	fault_bench_set_up(&bench);
	/* Nothing there: neither waits nor EAGAIN. */
	EQUAL(read(bench.queue, faults, 40), 0);
	EQUAL(read(bench.queue, faults, 0), 0);
	REFUSED(ESPIPE, read(bench.queue, faults, 39));
	REFUSED(ESPIPE, pread(bench.queue, faults, 40, 0));
	REFUSED(ESPIPE, lseek(bench.queue, 0, SEEK_SET));
	for (uint32_t group = 1; group <= 3; group++)
		OK(trigger_fault(bench.fd, &bench.device, group));
	REFUSED(EINVAL, read(bench.queue, faults, 0));
	REFUSED(EFAULT, read(bench.queue, nowhere(), 40));
	memset(faults, 0xff, sizeof(faults));
	EQUAL(read(bench.queue, faults, 80), 80);
	EQUAL(faults[0].flags, IOMMU_PGFAULT_FLAGS_LAST_PAGE);
	EQUAL(faults[0].dev_id, bench.device.id);
	EQUAL(faults[0].pasid, 0);
	EQUAL(faults[0].grpid, 1);
	EQUAL(faults[0].perm, 3);
	EQUAL(faults[0].__reserved, 0);
	EQUAL(faults[0].addr, 0xdeadbeaf);
	EQUAL(faults[0].length, 0);
	EQUAL(faults[0].cookie, 1);
	EQUAL(faults[1].grpid, 2);
	EQUAL(faults[1].cookie, 2);
	EQUAL(faults[2].flags, 0xffffffffU);

	answers[0] = (struct iommu_hwpt_page_response){.cookie = 1, .code = 0};
	answers[1] = (struct iommu_hwpt_page_response){.cookie = 5, .code = 0};
	answers[2] = (struct iommu_hwpt_page_response){.cookie = 2, .code = 1};
	REFUSED(ESPIPE, write(bench.queue, answers, 7));
	EQUAL(write(bench.queue, answers, 0), 0);
	EQUAL(write(bench.queue, answers, 24), 8);
	REFUSED(EINVAL, write(bench.queue, answers, 8));
	answers[2].code = 7;
	REFUSED(EINVAL, write(bench.queue, answers + 2, 8));
	answers[2].code = 1;
	EQUAL(write(bench.queue, answers + 2, 8), 8);
	REFUSED(EFAULT, write(bench.queue, nowhere(), 8));
	EQUAL(read(bench.queue, faults, 120), 40);
	EQUAL(faults[0].grpid, 3);
	EQUAL(faults[0].cookie, 1);

	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, bench.queue, 0) == MAP_FAILED);
	REFUSED(EBUSY, destroy(bench.fd, bench.queue_id));
	OK(close(bench.queue));
	REFUSED(EBUSY, destroy(bench.fd, bench.queue_id));
	OK(destroy(bench.fd, bench.device.stdev));
	REFUSED(EBADF, read(bench.queue, &byte, 1));
	OK(close(bench.fd));
}

static void events_come_with_their_number(void)
{
	uint32_t words[16];
	struct event_bench bench;

	event_bench_set_up(&bench, 2);
	EQUAL(read(bench.queue, words, sizeof(words)), 0);
	REFUSED(EINVAL, read(bench.queue, words, 7));
	REFUSED(EINVAL, write(bench.queue, words, 8));
	REFUSED(ESPIPE, lseek(bench.queue, 0, SEEK_SET));
	REFUSED(ESPIPE, pread(bench.queue, words, 12, 0));
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, bench.queue, 0) == MAP_FAILED);
	OK(trigger_event(bench.fd, &bench.device));
	REFUSED(EINVAL, read(bench.queue, words, 7));
	REFUSED(EINVAL, read(bench.queue, words, 11));
	REFUSED(EFAULT, read(bench.queue, nowhere(), 12));
	memset(words, 0xff, sizeof(words));
	EQUAL(read(bench.queue, words, 23), 12);
	EQUAL(words[0], 0);
	EQUAL(words[1], 0);
	EQUAL(words[2], VIRT_ID);
	EQUAL(words[3], 0xffffffffU);
	EQUAL(read(bench.queue, words, 12), 0);

	/* Depth 2, three events: the third is lost, and its number says so. */
	for (int event = 0; event < 3; event++)
		OK(trigger_event(bench.fd, &bench.device));
	EQUAL(read(bench.queue, words, 36), 32);
	EQUAL(words[0], 0);
	EQUAL(words[1], 1);
	EQUAL(words[2], VIRT_ID);
	EQUAL(words[3], 0);
	EQUAL(words[4], 2);
	EQUAL(words[5], VIRT_ID);
	EQUAL(words[6], IOMMU_VEVENTQ_FLAG_LOST_EVENTS);
	EQUAL(words[7], 3);
	EQUAL(read(bench.queue, words, 36), 0);

	/* A marker that is overtaken disappears; the gap in the numbers stays. */
	for (int event = 0; event < 3; event++)
		OK(trigger_event(bench.fd, &bench.device));
	EQUAL(read(bench.queue, words, 12), 12);
	EQUAL(words[1], 4);
	OK(trigger_event(bench.fd, &bench.device));
	EQUAL(read(bench.queue, words, sizeof(words)), 24);
	EQUAL(words[1], 5);
	EQUAL(words[3], 0);
	EQUAL(words[4], 7);

	/* Only the marker left: 8 bytes are enough. */
	for (int event = 0; event < 3; event++)
		OK(trigger_event(bench.fd, &bench.device));
	EQUAL(read(bench.queue, words, 24), 24);
	EQUAL(read(bench.queue, words, 8), 8);
	EQUAL(words[0], IOMMU_VEVENTQ_FLAG_LOST_EVENTS);
	EQUAL(words[1], 10);

	REFUSED(EBUSY, destroy(bench.fd, bench.queue_id));
	OK(close(bench.queue));
	OK(trigger_event(bench.fd, &bench.device));
	OK(destroy(bench.fd, bench.queue_id));
	REFUSED(EOPNOTSUPP, trigger_event(bench.fd, &bench.device));
	OK(close(bench.fd));
}

static void vectors_are_filled_in_turn(void)
{
	uint32_t first[3], second[3];
	struct iovec vectors[2] = {{first, sizeof(first)}, {second, sizeof(second)}};
	struct iommu_hwpt_page_response answers[2];
	struct iommu_hwpt_pgfault faults[2];
	struct iovec halves[2] = {{&faults[0], 40}, {&faults[1], 40}};
	struct iovec responses[2] = {{&answers[0], 8}, {&answers[1], 8}};
	struct event_bench events;
	struct fault_bench bench;

	event_bench_set_up(&events, 8);
	OK(trigger_event(events.fd, &events.device));
	OK(trigger_event(events.fd, &events.device));
	EQUAL(readv(events.queue, vectors, 2), 24);
	EQUAL(first[1], 0);
	EQUAL(second[1], 1);
	EQUAL(second[2], VIRT_ID);
	OK(trigger_event(events.fd, &events.device));
	EQUAL(readv(events.queue, vectors, 2), 12);
	OK(close(events.queue));
	OK(close(events.fd));

	fault_bench_set_up(&bench);
	OK(trigger_fault(bench.fd, &bench.device, 1));
	OK(trigger_fault(bench.fd, &bench.device, 2));
	EQUAL(readv(bench.queue, halves, 2), 80);
	EQUAL(faults[0].grpid, 1);
	EQUAL(faults[1].grpid, 2);
	answers[0] = (struct iommu_hwpt_page_response){.cookie = faults[1].cookie};
	answers[1] = (struct iommu_hwpt_page_response){.cookie = faults[0].cookie};
	EQUAL(writev(bench.queue, responses, 2), 16);
	OK(close(bench.queue));
	OK(close(bench.fd));
}

/* A queue's descriptor holds the context: the other one may go first. */
static void a_queue_outlives_the_contexts_descriptor(void)
{
	uint8_t *memory = shared_memory(PAGE);
	struct event_bench bench;
	uint32_t words[3];
	uint64_t iova = 0x2000000;

	event_bench_set_up(&bench, 8);
	OK(map_fixed(bench.fd, 1, memory, PAGE, iova));
	OK(trigger_event(bench.fd, &bench.device));
	OK(close(bench.fd));
	REFUSED(EIO, nothing_pinned(memory, PAGE));
	EQUAL(read(bench.queue, words, sizeof(words)), 12);
	EQUAL(words[2], VIRT_ID);
	OK(close(bench.queue));
	OK(nothing_pinned(memory, PAGE));
}

int main(void)
{
	faults_are_read_and_answered();
	events_come_with_their_number();
	vectors_are_filled_in_turn();
	a_queue_outlives_the_contexts_descriptor();
	return 0;
}
