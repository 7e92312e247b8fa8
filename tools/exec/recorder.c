// SPDX-License-Identifier: Apache-2.0
#include "tools/exec/recorder.h"

struct recorder {
	struct exec *exec;
};

struct recorder *recorder_new(struct exec *exec, const char *path)
{
	(void)exec, (void)path;
	return NULL;
}
bool recorder_free(struct recorder *recorder)
{
	return recorder == NULL;
}
void recorder_process(struct recorder *recorder, struct client *client, const struct client *parent)
{
	(void)recorder, (void)client, (void)parent;
}
void recorder_exit(struct recorder *recorder, struct client *client)
{
	(void)recorder, (void)client;
}
void recorder_mmap(struct recorder *recorder, struct client *client,
		   const struct map_request *request, struct outside_object *outside)
{
	(void)recorder, (void)client, (void)request, (void)outside;
}
void recorder_munmap(struct recorder *recorder, struct client *client, uint64_t va, uint64_t length)
{
	(void)recorder, (void)client, (void)va, (void)length;
}
void recorder_file(struct recorder *recorder, struct client *client, struct outside_object *outside)
{
	(void)recorder, (void)client, (void)outside;
}
void recorder_closed(struct recorder *recorder, struct file *file)
{
	(void)recorder, (void)file;
}
void recorder_before(struct recorder *recorder, struct client *client, int fd)
{
	(void)recorder, (void)client, (void)fd;
}
void recorder_after(struct recorder *recorder, struct client *client, int64_t result)
{
	(void)recorder, (void)client, (void)result;
}
