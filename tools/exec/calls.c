// SPDX-License-Identifier: Apache-2.0
/* The calls that the filter asks about. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel_shim/iommufd.h"
#include "kernel_shim/uapi/vfio.h"
#include "tools/exec/engine.h"
#include "tools/exec/exec.h"
#include "tools/exec/recorder.h"

#define DEV_IOMMU "/dev/iommu"
/* A misc device with a dynamic minor, mode 0660 (iommufd 1.1). */
#define IOMMU_MAJOR 10U
#define IOMMU_MINOR 126U

static const struct answer carry_on = {.kind = ANSWER_CONTINUE};

static struct answer value(int64_t value)
{
	return (struct answer){ANSWER_VALUE, value};
}

/* --- running a call --- */

bool exec_issue(struct exec *exec, struct client *client)
{
	struct machine *machine = exec->machine;
	GHashTable *fail_nth = client->fail_nth;
	gpointer tid = GINT_TO_POINTER((gint)exec->notif->pid);
	uint64_t nth = GPOINTER_TO_UINT(g_hash_table_lookup(fail_nth, tid));
	machine_fail_nth(machine, nth, NULL);
	if (machine_guard(machine) != 0 || !syscall_start(client->thread, exec->call) ||
	    !syscall_finish(machine, exec->call)) {
		exec->failed = true;
		return false;
	}
	/* How many points a call passes hangs on which frames lie side by side: say which failed. */
	if (nth > 0 && machine->failures.countdown == 0)
		recorder_fail_nth(exec->recorder, client, machine->failures.last_rank,
				  machine->failures.last);
	if (nth > 0)
		g_hash_table_insert(fail_nth, tid,
				    GUINT_TO_POINTER((guint)machine->failures.countdown));
	machine_fail_nth(machine, 0, NULL);
	engine_called(exec->engine, client);
	exec_update_readiness(exec);
	return true;
}

void exec_update_readiness(struct exec *exec)
{
	GHashTableIter iter;
	gpointer at;
	g_hash_table_iter_init(&iter, exec->standins);
	while (g_hash_table_iter_next(&iter, NULL, &at)) {
		struct standin *standin = at;
		if (standin->has_readiness)
			standin_set_readable(exec, standin,
					     standin->file->ops->poll(standin->file) & POLLIN_BIT);
	}
}

static struct syscall *prepare(struct exec *exec, enum syscall_number number, uint64_t a,
			       uint64_t b, uint64_t c)
{
	struct syscall *call = exec->call;
	call->number = number;
	memset(call->args, 0, sizeof(call->args));
	call->args[0] = a, call->args[1] = b, call->args[2] = c;
	call->path[0] = 0;
	return call;
}

/* --- paths --- */

static bool read_path(struct client *client, uint64_t va, char path[PATH_MAX])
{
	for (uint64_t at = 0; at < PATH_MAX;) {
		uint64_t n = PAGE_SIZE - page_offset(va + at);
		n = MIN(n, PATH_MAX - at);
		if (client_read(client, va + at, path + at, n) != n)
			return false;
		if (memchr(path + at, 0, n) != NULL)
			return true;
		at += n;
	}
	return false;
}

/* What PATH, relative to DIRFD, names; absolute ones stay. */
static void resolve(struct client *client, int dirfd, char path[PATH_MAX])
{
	char link[64], folder[PATH_MAX];
	static const char *const worth_it[] = {"iommu", "status", "fail-nth"};
	bool worth = strstr(path, "fail") != NULL;
	const char *last = strrchr(path, '/');
	last = last != NULL ? last + 1 : path;
	if (path[0] == '/' || path[0] == 0)
		return;
	for (size_t i = 0; i < G_N_ELEMENTS(worth_it); i++)
		worth |= strcmp(last, worth_it[i]) == 0;
	if (!worth)
		return;
	if (dirfd == AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/%d/cwd", client_task(client));
	else
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", client_task(client), dirfd);
	ssize_t length = readlink(link, folder, sizeof(folder) - 1);
	if (length <= 0)
		return;
	folder[length] = 0;
	/* The folder that stands for debugfs: see procfs_open(). */
	if (g_str_has_suffix(folder, "/fdinfo") && g_str_has_prefix(folder, "/proc/"))
		snprintf(folder, sizeof(folder), "/sys/kernel/debug");
	char *whole = g_strdup_printf("%s/%s", folder, path);
	g_strlcpy(path, whole, PATH_MAX);
	g_free(whole);
}

/* The device or another file that the machine has registered. */
static bool is_device(const struct exec *exec, const char *path)
{
	for (uint32_t i = 0; i < exec->machine->device_count; i++)
		if (strcmp(exec->machine->devices[i].path, path) == 0)
			return true;
	return false;
}

/* Takes "//", "/./" and "/../" out of an absolute path. */
static void tidy(char path[PATH_MAX])
{
	size_t to = 0;
	if (path[0] != '/' || (strstr(path, "/.") == NULL && strstr(path, "//") == NULL))
		return;
	for (size_t at = 0; path[at] != 0;) {
		size_t length = strcspn(path + at + 1, "/") + 1;
		if (length == 3 && memcmp(path + at, "/..", 3) == 0) {
			while (to > 0 && path[--to] != '/')
				;
		} else if (length > 1 && !(length == 2 && path[at + 1] == '.')) {
			memmove(path + to, path + at, length);
			to += length;
		}
		at += length;
	}
	path[to] = 0;
}

/* The path that a call means. A link to a device is followed: the kernel would find nothing there. */
static bool take_path(struct exec *exec, struct client *client, int dirfd, uint64_t va, bool follow,
		      char path[PATH_MAX])
{
	char link[PATH_MAX + 64], target[PATH_MAX];
	if (!read_path(client, va, path))
		return false;
	resolve(client, dirfd, path);
	tidy(path);
	if (!follow || path[0] == 0 || is_device(exec, path))
		return true;
	if (path[0] == '/')
		snprintf(link, sizeof(link), "/proc/%d/root%s", client_task(client), path);
	else if (dirfd == AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/%d/cwd/%s", client_task(client), path);
	else
		snprintf(link, sizeof(link), "/proc/%d/fd/%d/%s", client_task(client), dirfd, path);
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	if (length <= 0)
		return true;
	target[length] = 0;
	tidy(target);
	if (is_device(exec, target))
		g_strlcpy(path, target, PATH_MAX);
	return true;
}

/* As if the device were a folder. */
static bool is_below_device(const struct exec *exec, const char *path)
{
	for (uint32_t i = 0; i < exec->machine->device_count; i++) {
		size_t length = strlen(exec->machine->devices[i].path);
		if (strncmp(exec->machine->devices[i].path, path, length) == 0 &&
		    path[length] == '/')
			return true;
	}
	return false;
}

static struct answer open_path(struct exec *exec, struct client *client, int dirfd, uint64_t va,
			       uint32_t flags)
{
	char path[PATH_MAX];
	bool ours;
	if (!take_path(exec, client, dirfd, va, !(flags & O_NOFOLLOW), path))
		return carry_on;
	if (is_below_device(exec, path))
		return value(-ENOTDIR);
	if (is_device(exec, path)) {
		if (flags & O_DIRECTORY)
			return value(-ENOTDIR);
		if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
			return value(-EEXIST);
		struct syscall *call = prepare(exec, SYS_OPEN, 0, flags, 0);
		g_strlcpy(call->path, path, sizeof(call->path));
		recorder_before(exec->recorder, client, -1);
		if (!exec_issue(exec, client))
			return value(-EIO);
		int64_t result = call->result < 0 ? call->result : exec->installed;
		recorder_after(exec->recorder, client, result);
		return value(result);
	}
	struct answer answer = procfs_open(exec, client, path, flags, &ours);
	return ours ? answer : carry_on;
}

/* --- stat --- */

static void device_stat(struct stat *stat)
{
	*stat = (struct stat){
		.st_mode = S_IFCHR | 0660,
		.st_nlink = 1,
		.st_rdev = makedev(IOMMU_MAJOR, IOMMU_MINOR),
		.st_blksize = 4096,
	};
}

static void device_statx(struct statx *stat)
{
	*stat = (struct statx){
		.stx_mask = STATX_BASIC_STATS,
		.stx_mode = S_IFCHR | 0660,
		.stx_nlink = 1,
		.stx_rdev_major = IOMMU_MAJOR,
		.stx_rdev_minor = IOMMU_MINOR,
		.stx_blksize = 4096,
	};
}

static struct answer put_stat(struct client *client, uint64_t va, bool extended)
{
	struct stat stat;
	struct statx statx;
	device_stat(&stat);
	device_statx(&statx);
	uint64_t size = extended ? sizeof(statx) : sizeof(stat);
	const void *bytes = extended ? (const void *)&statx : &stat;
	return value(client_write(client, va, bytes, size) == size ? 0 : -EFAULT);
}

/* Whether FD is a descriptor of a device of the machine, not of a queue or of exec's own. */
static bool is_device_fd(struct client *client, int fd)
{
	struct standin *standin = standin_find(client, fd);
	return standin != NULL && standin->file != NULL && standin->file->ops->ioctl != NULL;
}

static struct answer stat_path(struct exec *exec, struct client *client, int dirfd, uint64_t va,
			       uint64_t buffer, bool extended, bool follow)
{
	char path[PATH_MAX];
	if (!take_path(exec, client, dirfd, va, follow, path))
		return carry_on;
	if (path[0] == 0)
		return is_device_fd(client, dirfd) ? put_stat(client, buffer, extended) : carry_on;
	return is_device(exec, path) ? put_stat(client, buffer, extended) : carry_on;
}

static struct answer access_path(struct exec *exec, struct client *client, int dirfd, uint64_t va,
				 uint32_t mode)
{
	char path[PATH_MAX];
	if (!take_path(exec, client, dirfd, va, true, path))
		return carry_on;
	if (is_device(exec, path))
		return value(mode & X_OK ? -EACCES : 0);
	return procfs_exists(path) ? value(0) : carry_on;
}

/* --- descriptors --- */

/* Commands that may look at capabilities or limits before the caller's memory is looked at. */
static bool asks_for_rights(uint32_t cmd)
{
	static const uint32_t commands[] = {
		IOMMUFD_IO(IOMMUFD_NR_OPTION),        IOMMUFD_IO(IOMMUFD_NR_IOAS_CHANGE_PROCESS),
		IOMMUFD_IO(IOMMUFD_NR_HWPT_ALLOC),    IOMMUFD_IO(IOMMUFD_NR_TEST_CMD),
		IOMMUFD_IO(IOMMUFD_NR_IOAS_MAP_FILE), VFIO_SET_IOMMU,
		VFIO_DEVICE_ATTACH_IOMMUFD_PT,
	};
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		if (commands[i] == cmd)
			return true;
	return false;
}

static struct answer ioctl_fd(struct exec *exec, struct client *client, const uint64_t args[6])
{
	struct standin *standin = standin_find(client, (int)args[0]);
	if (standin == NULL || standin->file == NULL)
		return carry_on;
	struct syscall *call =
		prepare(exec, SYS_IOCTL, args[0] & UINT32_MAX, args[1] & UINT32_MAX, args[2]);
	client_prefetch(client, args[2]);
	if (asks_for_rights((uint32_t)args[1]))
		client_credentials(client);
	recorder_before(exec->recorder, client, (int)args[0]);
	if (!exec_issue(exec, client))
		return value(-EIO);
	recorder_after(exec->recorder, client, call->result);
	return value(call->result);
}

static int64_t transfer(struct exec *exec, struct client *client, struct standin *standin, int fd,
			bool reads, uint64_t va, uint64_t count, uint64_t offset)
{
	if (standin->file == NULL)
		return reads ? procfs_read(client, standin, va, count, offset)
			     : procfs_write(client, standin, va, count);
	struct syscall *call = prepare(exec, reads ? SYS_READ : SYS_WRITE, (uint64_t)fd, va, count);
	recorder_before(exec->recorder, client, fd);
	if (!exec_issue(exec, client))
		return -EIO;
	recorder_after(exec->recorder, client, call->result);
	return call->result;
}

static struct answer transfer_fd(struct exec *exec, struct client *client, const uint64_t args[6],
				 bool reads, bool positioned)
{
	int fd = (int)args[0];
	struct standin *standin = standin_find(client, fd);
	if (standin == NULL)
		return carry_on;
	if (positioned && standin->file != NULL)
		return value(-ESPIPE);
	return value(transfer(exec, client, standin, fd, reads, args[1], args[2],
			      positioned ? args[3] : 0));
}

/* As the VFS does for files that have read() alone: piece by piece, until one comes short. */
static struct answer transfer_vector(struct exec *exec, struct client *client,
				     const uint64_t args[6], bool reads)
{
	struct iovec vector[IOV_MAX];
	int64_t done = 0;
	struct standin *standin = standin_find(client, (int)args[0]);
	if (standin == NULL)
		return carry_on;
	if (args[2] > IOV_MAX)
		return value(-EINVAL);
	if (client_read(client, args[1], vector, args[2] * sizeof(*vector)) !=
	    args[2] * sizeof(*vector))
		return value(-EFAULT);
	for (uint64_t i = 0; i < args[2]; i++) {
		int64_t got =
			transfer(exec, client, standin, (int)args[0], reads,
				 (uint64_t)(uintptr_t)vector[i].iov_base, vector[i].iov_len, 0);
		if (got < 0)
			return value(done > 0 ? done : got);
		done += got;
		if ((uint64_t)got < vector[i].iov_len)
			break;
	}
	return value(done);
}

/* A copy of a queue keeps a number that the filter knows. */
static struct answer dup_fd(struct exec *exec, struct client *client, int fd, int64_t to,
			    bool cloexec)
{
	struct standin *standin = standin_find(client, fd);
	if (standin == NULL)
		return carry_on;
	if (to >= 0) {
		if (to < exec->fd_base && to != fd)
			exec_limit(exec, LIMIT_MOVED_QUEUE,
				   "descriptor %d of process %d was copied to %d: read() and "
				   "write() of the copy do not reach the queue",
				   fd, client->pid, (int)to);
		return carry_on;
	}
	exec->call->number = SYS_IOCTL;
	int number = client->process->fd_outside->reserve(client->process);
	if (number < 0)
		return value(number);
	int copy = client_take_fd(client, fd);
	if (copy < 0)
		return value(-EBADF);
	int given = exec_give_fd(exec, copy, number, cloexec);
	close(copy);
	return value(given);
}

/* A stand-in is a socket, open for both ways however the file was opened. */
static struct answer flags_of_fd(struct client *client, int fd)
{
	struct standin *standin = standin_find(client, fd);
	int copy = standin != NULL && standin->file != NULL ? client_take_fd(client, fd) : -1;
	int flags = copy >= 0 ? fcntl(copy, F_GETFL) : -1;
	close(copy);
	if (flags < 0)
		return carry_on;
	return value((flags & ~O_ACCMODE) | (int)(standin->file->flags & O_ACCMODE_BITS));
}

/* --- mmap --- */

/* Opened for each access: a descriptor that stayed would look like a client's. */
bool region_copy(const struct shared_region *region, uint64_t offset, void *to, const void *from,
		 uint64_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", region->fd);
	int fd = open(path, (to != NULL ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	ssize_t got = to != NULL ? pread(fd, to, size, (off_t)offset)
				 : pwrite(fd, from, size, (off_t)offset);
	close(fd);
	return got == (ssize_t)size;
}

static void free_region(struct exec *exec, struct shared_region *region)
{
	struct memory *memory = &exec->machine->memory;
	uint8_t page[PAGE_SIZE];
	g_ptr_array_remove_fast(exec->regions, region);
	/* Whoever maps the page next finds what was there; registers are the hardware's. */
	for (uint64_t at = 0; at < region->length; at += PAGE_SIZE)
		if (memory_is_ram(memory, pa_of(region->pfn * PAGE_SIZE)) &&
		    region_copy(region, at, page, NULL, PAGE_SIZE))
			memory_write(memory, pa_of(region->pfn * PAGE_SIZE + at), page, PAGE_SIZE,
				     OWNER_NOBODY);
	for (guint i = 0; i < region->mappings->len; i++) {
		struct region_mapping *mapping =
			&g_array_index(region->mappings, struct region_mapping, i);
		if (mapping->client != NULL && mapping->va != 0)
			recorder_munmap(exec->recorder, mapping->client, mapping->va,
					region->length);
		if (mapping->ops != NULL)
			mapping->ops->close(mapping->ops_context);
		file_put(mapping->file);
	}
	g_array_free(region->mappings, TRUE);
	g_free(region->known);
	close(region->fd);
	g_free(region);
}

/* A lease for reading is granted only while nobody has the memory open, or mapped, for writing. */
void regions_sweep(struct exec *exec)
{
	for (guint i = exec->regions->len; i-- > 0;) {
		struct shared_region *region = exec->regions->pdata[i];
		if (fcntl(region->fd, F_SETLEASE, F_RDLCK) != 0)
			continue;
		fcntl(region->fd, F_SETLEASE, F_UNLCK);
		free_region(exec, region);
	}
}

void regions_forget(struct exec *exec, const struct client *client)
{
	for (guint i = 0; i < exec->regions->len; i++) {
		GArray *mappings = ((struct shared_region *)exec->regions->pdata[i])->mappings;
		for (guint k = 0; k < mappings->len; k++)
			if (g_array_index(mappings, struct region_mapping, k).client == client)
				g_array_index(mappings, struct region_mapping, k).client = NULL;
	}
}

/* Memory with what the frames of the driver's page hold. */
static struct shared_region *make_region(struct exec *exec, uint64_t pfn, uint64_t length)
{
	char path[64];
	uint8_t page[PAGE_SIZE];
	struct stat stat;
	int memory = memfd_create("vIOMMU", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	int reader = memory >= 0 && ftruncate(memory, (off_t)length) == 0
			     ? open(path, O_RDONLY | O_CLOEXEC)
			     : -1;
	close(memory);
	if (reader < 0)
		return NULL;
	fstat(reader, &stat);
	struct shared_region *region = g_new0(struct shared_region, 1);
	region->fd = reader;
	region->length = length;
	region->pfn = pfn;
	region->inode = stat.st_ino;
	region->mappings = g_array_new(FALSE, TRUE, sizeof(struct region_mapping));
	for (uint64_t at = 0;
	     at < length && memory_is_ram(&exec->machine->memory, pa_of(pfn * PAGE_SIZE));
	     at += PAGE_SIZE) {
		memory_read(&exec->machine->memory, pa_of(pfn * PAGE_SIZE + at), page, PAGE_SIZE);
		region_copy(region, at, NULL, page, PAGE_SIZE);
	}
	g_ptr_array_add(exec->regions, region);
	return region;
}

static struct shared_region *find_region(struct exec *exec, uint64_t pfn, uint64_t length)
{
	for (guint i = 0; i < exec->regions->len; i++) {
		struct shared_region *region = exec->regions->pdata[i];
		if (region->pfn == pfn)
			return region;
	}
	return make_region(exec, pfn, length);
}

/* Opened by path: memfd_create()'s own descriptor does not count as a writer (regions_sweep()). */
static int open_region(const struct shared_region *region)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", region->fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Where a new mapping lies, an earlier one does not: its munmap() was not asked about. */
static void note_unmapped(struct exec *exec, const struct client *client, uint64_t va,
			  uint64_t length)
{
	for (guint i = 0; i < exec->regions->len; i++) {
		struct shared_region *region = exec->regions->pdata[i];
		for (guint k = 0; k < region->mappings->len; k++) {
			struct region_mapping *mapping =
				&g_array_index(region->mappings, struct region_mapping, k);
			if (mapping->client != client || mapping->va == 0 ||
			    mapping->va >= va + length || va >= mapping->va + region->length)
				continue;
			recorder_munmap(exec->recorder, mapping->client, mapping->va,
					region->length);
			mapping->va = 0;
		}
	}
}

static struct answer mmap_fd(struct exec *exec, struct client *client, const uint64_t args[6])
{
	struct standin *standin = standin_find(client, (int)args[4]);
	uint32_t type = (uint32_t)args[3] & MAP_TYPE_MASK;
	if (standin == NULL || standin->file == NULL)
		return carry_on;
	if (standin->file->ops->mmap == NULL)
		return value(-ENODEV);
	if (page_offset(args[5]) != 0 || args[1] == 0 || type == 0 ||
	    type > MAP_SHARED_VALIDATE_BITS)
		return value(-EINVAL);
	if (args[1] > TASK_SIZE)
		return value(-ENOMEM);
	if (type != MAP_PRIVATE_BIT && (args[2] & PROT_WRITE_BIT) &&
	    (standin->file->flags & O_ACCMODE_BITS) == 0)
		return value(-EACCES);
	struct map_request request = {
		.length = align_up(args[1], PAGE_SIZE),
		.prot = (uint32_t)args[2],
		.flags = (uint32_t)args[3],
	};
	uint64_t pfn, run;
	int error = standin->file->ops->mmap(client->thread, standin->file, &request, args[5]);
	if (error != 0) {
		recorder_device_mmap(exec->recorder, client, args, error);
		return value(error);
	}
	object_frames(request.object, request.page_index, request.length / PAGE_SIZE, &pfn, &run);
	object_put(request.object);
	struct shared_region *region = find_region(exec, pfn, request.length);
	int fd = region != NULL ? open_region(region) : -1;
	int number = fd < 0 ? -ENOMEM : exec_give_fd(exec, fd, -1, true);
	if (fd >= 0)
		close(fd);
	if (number < 0) {
		request.ops->close(request.ops_context);
		return value(number); /* a region that nobody has goes with the next sweep */
	}
	int64_t result = inject_mmap(exec, client->pid, (pid_t)exec->notif->pid, args, number);
	if (result > 0)
		note_unmapped(exec, client, (uint64_t)result, request.length);
	recorder_device_mmap(exec->recorder, client, args, result);
	struct region_mapping mapping = {
		.client = client,
		.va = result > 0 ? (uint64_t)result : 0,
		.file = standin->file,
		.ops = request.ops,
		.ops_context = request.ops_context,
	};
	file_get(standin->file);
	g_array_append_val(region->mappings, mapping);
	return (struct answer){.kind = ANSWER_SENT};
}

/* --- ends --- */

/* Somebody may still look at what CLIENT has pinned; copies are not made for nobody. */
static void keep_memory(struct exec *exec, struct client *client, bool exits)
{
	pid_t tid = (pid_t)exec->notif->pid;
	bool borrowed = syscall(SYS_tgkill, client->pid, tid, 0) != 0; /* by a vfork() child */
	if (!borrowed && !(exits && g_hash_table_size(exec->clients) == 1))
		mirror_keep(client);
	if (!borrowed && !exits)
		client_execs(client);
}

/* --- all --- */

struct answer exec_call(struct exec *exec, struct client *client)
{
	const struct seccomp_data *data = &exec->notif->data;
	uint64_t args[6];
	memcpy(args, data->args, sizeof(args));
	if (exec->regions->len > 0) {
		engine_run(exec->engine);
		regions_sweep(exec);
	}
	switch (data->nr) {
	case SYS_open:
		return open_path(exec, client, AT_FDCWD, args[0], (uint32_t)args[1]);
	case SYS_openat:
		return open_path(exec, client, (int)args[0], args[1], (uint32_t)args[2]);
	case SYS_openat2: {
		uint64_t flags = 0;
		if (client_read(client, args[2], &flags, sizeof(flags)) != sizeof(flags))
			return carry_on;
		return open_path(exec, client, (int)args[0], args[1], (uint32_t)flags);
	}
	case SYS_stat:
	case SYS_lstat:
		return stat_path(exec, client, AT_FDCWD, args[0], args[1], false,
				 data->nr == SYS_stat);
	case SYS_fstat:
		return is_device_fd(client, (int)args[0]) ? put_stat(client, args[1], false)
							  : carry_on;
	case SYS_newfstatat:
		return stat_path(exec, client, (int)args[0], args[1], args[2], false,
				 !(args[3] & AT_SYMLINK_NOFOLLOW));
	case SYS_statx:
		return stat_path(exec, client, (int)args[0], args[1], args[4], true,
				 !(args[2] & AT_SYMLINK_NOFOLLOW));
	case SYS_access:
		return access_path(exec, client, AT_FDCWD, args[0], (uint32_t)args[1]);
	case SYS_faccessat:
	case SYS_faccessat2:
		return access_path(exec, client, (int)args[0], args[1], (uint32_t)args[2]);
	case SYS_ioctl:
		return ioctl_fd(exec, client, args);
	case SYS_read:
	case SYS_pread64:
		return transfer_fd(exec, client, args, true, data->nr == SYS_pread64);
	case SYS_write:
	case SYS_pwrite64:
		return transfer_fd(exec, client, args, false, data->nr == SYS_pwrite64);
	case SYS_readv:
		return transfer_vector(exec, client, args, true);
	case SYS_writev:
		return transfer_vector(exec, client, args, false);
	case SYS_dup:
		return dup_fd(exec, client, (int)args[0], -1, false);
	case SYS_dup2:
	case SYS_dup3:
		return dup_fd(exec, client, (int)args[0], (int)args[1], false);
	case SYS_fcntl:
		if (args[1] == F_GETFL)
			return flags_of_fd(client, (int)args[0]);
		return dup_fd(exec, client, (int)args[0], -1, args[1] != F_DUPFD);
	case SYS_mmap:
		return mmap_fd(exec, client, args);
	case SYS_mremap:
		/* A driver's page never grows (iommufd 5.9). */
		return args[2] > args[1] && exec->regions->len > 0 &&
				       mirror_is_region(client, args[0])
			       ? value(-EFAULT)
			       : carry_on;
	case SYS_execve:
	case SYS_execveat:
	case SYS_exit_group:
		keep_memory(exec, client, data->nr == SYS_exit_group);
		return carry_on;
	default:
		return carry_on;
	}
}
