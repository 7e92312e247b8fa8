// SPDX-License-Identifier: Apache-2.0
/*
 * The mirror of a client's mappings, and the way to the bytes behind its frames.
 *
 * A frame of the machine stands for each page that the shim has looked at. Pages of shared objects
 * are told apart by the object (device and inode) and their place in it; private ones by the
 * client and their address. What the client maps and unmaps is not asked about; the mirror is
 * brought up to date at the first look of each call.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tools/exec/exec.h"
#include "tools/exec/recorder.h"

/* A line of /proc/PID/maps. */
struct live_mapping {
	uint64_t first;
	uint64_t last;
	uint32_t prot;
	bool shared;
	uint64_t page_index;
	dev_t device;
	ino_t inode; /* 0: private anonymous */
	const char *name;
};

/* --- objects --- */

static enum object_kind kind_of_fd(int fd)
{
	struct statfs statfs;
	if (fstatfs(fd, &statfs) != 0)
		return OBJECT_FILE;
	if (statfs.f_type == HUGETLBFS_MAGIC)
		return OBJECT_HUGETLB;
	return statfs.f_type == TMPFS_MAGIC ? OBJECT_SHMEM : OBJECT_FILE;
}

static enum object_kind kind_of_name(const char *name)
{
	if (g_str_has_prefix(name, "/anon_hugepage"))
		return OBJECT_HUGETLB;
	return g_str_has_prefix(name, "/memfd:") || g_str_has_prefix(name, "/dev/zero (deleted)") ||
			       g_str_has_prefix(name, "/SYSV") ||
			       g_str_has_prefix(name, "/dev/shm/")
		       ? OBJECT_SHMEM
		       : OBJECT_FILE;
}

static struct outside_object *find_object(struct exec *exec, dev_t device, ino_t inode)
{
	for (guint i = 0; i < exec->objects->len; i++) {
		struct outside_object *found = exec->objects->pdata[i];
		if (found->inode == inode && found->device == device)
			return found;
	}
	return NULL;
}

/* FD becomes the object's; -1: there is none. */
static struct outside_object *object_of(struct client *client, dev_t device, ino_t inode, int fd,
					const char *name)
{
	struct exec *exec = client->exec;
	struct outside_object *outside = find_object(exec, device, inode);
	if (outside == NULL) {
		enum object_kind kind = fd >= 0 ? kind_of_fd(fd) : kind_of_name(name);
		outside = g_new0(struct outside_object, 1);
		outside->device = device;
		outside->inode = inode;
		outside->fd = -1;
		outside->name = g_strdup(name);
		outside->object =
			object_new(exec->machine, kind, UINT64_MAX, client->process->mm->owner);
		g_ptr_array_add(exec->objects, outside);
	}
	if (outside->fd < 0 && fd >= 0)
		outside->fd = fd;
	else if (fd >= 0)
		close(fd);
	struct stat stat;
	if (outside->fd >= 0 && fstat(outside->fd, &stat) == 0 && S_ISREG(stat.st_mode))
		outside->object->size = (uint64_t)stat.st_size;
	return outside;
}

/* Freed frames keep their bytes until they are handed out again: an engine may still read them. */
static void keep_bytes(struct exec *exec, const struct outside_object *outside)
{
	struct memory *memory = &exec->machine->memory;
	struct span *span;
	uint8_t page[PAGE_SIZE];
	SPANS_FOREACH (span, &outside->object->pages) {
		for (uint64_t i = span->first; i <= span->last; i++) {
			struct pa pa = pa_of_pfn(span_at(span, i));
			if (pread(outside->fd, page, PAGE_SIZE, (off_t)(i * PAGE_SIZE)) !=
			    PAGE_SIZE)
				continue;
			memory->outside = NULL;
			memory_write(memory, pa, page, PAGE_SIZE, outside->object->owner);
			memory->outside = &exec->memory_outside;
		}
	}
}

static void free_object(struct exec *exec, guint index)
{
	struct outside_object *outside = exec->objects->pdata[index];
	if (exec->engine != NULL && outside->fd >= 0)
		keep_bytes(exec, outside);
	if (outside->fd >= 0)
		close(outside->fd);
	if (outside->file != NULL) {
		recorder_closed(exec->recorder, outside->file);
		file_put(outside->file);
	}
	object_put(outside->object);
	g_free(outside->name);
	g_free(outside);
	g_ptr_array_remove_index_fast(exec->objects, index);
}

/* Those that only we still know. Nobody can tell such an object from a new one. */
static void sweep_objects(struct exec *exec)
{
	for (guint i = exec->objects->len; i-- > 0;) {
		struct outside_object *outside = exec->objects->pdata[i];
		bool file_is_used = outside->file != NULL && outside->file->references > 1;
		uint32_t own = 1 + (outside->file != NULL && outside->file->object != NULL);
		if (!file_is_used && outside->object->references == own)
			free_object(exec, i);
	}
}

void mirror_make_file(struct exec *exec, struct outside_object *outside)
{
	bool memory = outside->object->kind != OBJECT_FILE;
	if (outside->file != NULL)
		return;
	outside->file =
		file_new(exec->machine, memory ? &memfd_ops : &regular_file_ops, NULL, O_RDWR_BIT);
	object_get(outside->object);
	outside->file->object = outside->object;
}

struct file *mirror_file(struct client *client, int fd)
{
	char path[64], name[256];
	struct stat stat_;
	struct exec *exec = client->exec;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", client_task(client), fd);
	if (fd < 0 || stat(path, &stat_) != 0)
		return NULL;
	ssize_t length = readlink(path, name, sizeof(name) - 1);
	name[length > 0 ? length : 0] = 0;
	/* Only regular files are opened: to open another may have an effect. */
	bool regular = S_ISREG(stat_.st_mode);
	int copy = regular ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (regular && copy < 0)
		copy = open(path, O_RDONLY | O_CLOEXEC);
	struct outside_object *outside = object_of(client, stat_.st_dev, stat_.st_ino, copy, name);
	if (regular)
		mirror_make_file(exec, outside);
	else if (outside->file == NULL)
		outside->file = file_new(exec->machine, &char_device_ops, NULL, O_RDWR_BIT);
	recorder_file(exec->recorder, client, outside);
	return outside->file;
}

/* --- mappings --- */

static bool parse_mapping(char *line, struct live_mapping *mapping)
{
	unsigned long first, end, offset, inode;
	unsigned device_major, device_minor;
	char rights[5];
	int at = 0;
	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &first, &end, rights, &offset,
		   &device_major, &device_minor, &inode, &at) < 7)
		return false;
	*mapping = (struct live_mapping){
		.first = first,
		.last = end - 1,
		.prot = (rights[0] == 'r' ? PROT_READ_BIT : 0) |
			(rights[1] == 'w' ? PROT_WRITE_BIT : 0) |
			(rights[2] == 'x' ? PROT_EXEC_BIT : 0),
		.shared = rights[3] == 's',
		.page_index = offset / PAGE_SIZE,
		.device = makedev(device_major, device_minor),
		.inode = inode,
		.name = line + at,
	};
	return first < TASK_SIZE; /* the vsyscall page is no mapping */
}

/* A driver's page, which is mapped by another way. */
static bool is_region(const struct exec *exec, ino_t inode)
{
	for (guint i = 0; i < exec->regions->len; i++)
		if (((struct shared_region *)exec->regions->pdata[i])->inode == inode)
			return true;
	return false;
}

static bool is_same(struct exec *exec, const struct vma *vma, uint64_t at,
		    const struct live_mapping *mapping)
{
	bool shared = vma->flags & MAP_SHARED_BIT;
	if (shared != mapping->shared || (vma->object == NULL) != (mapping->inode == 0))
		return false;
	if (vma->object == NULL)
		return true;
	const struct outside_object *outside = find_object(exec, mapping->device, mapping->inode);
	return outside != NULL && outside->object == vma->object &&
	       vma->page_index + (at - vma->first) / PAGE_SIZE ==
		       mapping->page_index + (at - mapping->first) / PAGE_SIZE;
}

/* Where frames of private pages were, their bytes are no longer. */
static void forget_private(struct client *client, uint64_t first, uint64_t last)
{
	struct spans *anon = &client->process->mm->anon;
	for (struct span *span = spans_from(anon, first / PAGE_SIZE);
	     span != NULL && span->first <= last / PAGE_SIZE; span = spans_next(span)) {
		uint64_t from = MAX(span->first, first / PAGE_SIZE);
		uint64_t to = MIN(span->last, last / PAGE_SIZE);
		spans_clear(&client->exec->places, span_at(span, from), span_at(span, to));
	}
}

void mirror_forget(struct client *client)
{
	forget_private(client, 0, TASK_SIZE - 1);
}

static gboolean is_unpinned(gpointer pfn, gpointer bytes, gpointer exec)
{
	(void)bytes;
	struct memory *memory = &((struct exec *)exec)->machine->memory;
	return memory_frame(memory, GPOINTER_TO_SIZE(pfn), NULL).pins == 0;
}

void mirror_keep(struct client *client)
{
	struct exec *exec = client->exec;
	struct span *span;
	g_hash_table_foreach_remove(exec->kept, is_unpinned, exec);
	SPANS_FOREACH (span, &exec->places) {
		if ((pid_t)span->tag != client->pid)
			continue;
		for (uint64_t pfn = span->first; pfn <= span->last; pfn++) {
			uint8_t bytes[PAGE_SIZE];
			if (is_unpinned(GSIZE_TO_POINTER(pfn), NULL, exec) ||
			    client_read(client, span_at(span, pfn) * PAGE_SIZE, bytes, PAGE_SIZE) !=
				    PAGE_SIZE)
				continue;
			g_hash_table_insert(exec->kept, GSIZE_TO_POINTER(pfn),
					    g_memdup2(bytes, PAGE_SIZE));
		}
	}
}

static void unmap(struct client *client, uint64_t first, uint64_t last)
{
	forget_private(client, first, last);
	mm_unmap(client->process->mm, first, last - first + 1);
	recorder_munmap(client->exec->recorder, client, first, last - first + 1);
}

static void protect(struct client *client, const struct vma *vma, uint64_t first, uint64_t last,
		    uint32_t prot)
{
	if (vma->prot == prot)
		return;
	mm_protect(client->process->mm, first, last - first + 1, prot);
	recorder_mprotect(client->exec->recorder, client, first, last - first + 1, prot);
}

/* The first live mapping that ends at or after AT, or NULL. */
static const struct live_mapping *live_from(const GArray *live, uint64_t at)
{
	for (guint i = 0; i < live->len; i++)
		if (g_array_index(live, struct live_mapping, i).last >= at)
			return &g_array_index(live, struct live_mapping, i);
	return NULL;
}

/* Takes out of the mirror what is not, or not so, among LIVE. */
static void remove_old(struct client *client, const GArray *live)
{
	struct mm *mm = client->process->mm;
	uint64_t at = 0;
	for (struct vma *vma; (vma = mm_vma_from(mm, at)) != NULL;) {
		uint64_t first = MAX(vma->first, at), end = vma->last;
		const struct live_mapping *mapping = live_from(live, first);
		if (mapping == NULL || mapping->first > first) {
			if (mapping != NULL)
				end = MIN(end, mapping->first - 1);
			unmap(client, first, end);
		} else {
			end = MIN(end, mapping->last);
			if (!is_same(client->exec, vma, first, mapping))
				unmap(client, first, end);
			else
				protect(client, vma, first, end, mapping->prot);
		}
		at = end + 1;
	}
}

static void map(struct client *client, const struct live_mapping *mapping, uint64_t first,
		uint64_t last)
{
	struct map_request request = {
		.address = first,
		.length = last - first + 1,
		.prot = mapping->prot,
		.flags = MAP_FIXED_BIT | (mapping->shared ? MAP_SHARED_BIT : MAP_PRIVATE_BIT),
		.page_index = mapping->page_index + (first - mapping->first) / PAGE_SIZE,
	};
	struct outside_object *outside = NULL;
	uint64_t va;
	if (mapping->inode != 0) {
		char path[96];
		snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", client_task(client),
			 (unsigned long)mapping->first, (unsigned long)mapping->last + 1);
		bool memory = kind_of_name(mapping->name) != OBJECT_FILE;
		int fd = memory && mapping->shared ? open(path, O_RDWR | O_CLOEXEC) : -1;
		if (fd < 0 && mapping->name[0] == '/')
			fd = open(path, O_RDONLY | O_CLOEXEC);
		outside = object_of(client, mapping->device, mapping->inode, fd, mapping->name);
		request.object = outside->object;
	}
	if (mm_map(client->process->mm, &request, &va) == 0)
		recorder_mmap(client->exec->recorder, client, &request, outside);
}

static void add_new(struct client *client, const GArray *live)
{
	struct mm *mm = client->process->mm;
	for (guint i = 0; i < live->len; i++) {
		const struct live_mapping *mapping = &g_array_index(live, struct live_mapping, i);
		for (uint64_t at = mapping->first; at <= mapping->last;) {
			struct vma *vma = mm_find_vma(mm, at);
			if (vma != NULL) {
				at = vma->last + 1;
				continue;
			}
			vma = mm_vma_from(mm, at);
			uint64_t last =
				vma == NULL ? mapping->last : MIN(mapping->last, vma->first - 1);
			map(client, mapping, at, last);
			at = last + 1;
		}
	}
}

void mirror_exec(struct client *client)
{
	mirror_forget(client);
	regions_forget(client->exec, client);
	recorder_exec(client->exec->recorder, client);
	client->process->mm->outside = NULL;
	process_exec(client->process);
	client->process->mm->outside = &client_memory;
	client->process->mm->outside_context = client;
	g_string_truncate(client->maps, 0);
	client->refreshed = 0;
}

static GString *read_maps(const struct client *client)
{
	char path[64], bytes[16384];
	GString *text = g_string_new(NULL);
	snprintf(path, sizeof(path), "/proc/%d/maps", client_task(client));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;
	while (fd >= 0 && (got = read(fd, bytes, sizeof(bytes))) > 0)
		g_string_append_len(text, bytes, got);
	if (fd >= 0)
		close(fd);
	return text;
}

bool mirror_is_region(struct client *client, uint64_t va)
{
	GString *text = read_maps(client);
	char *rest = text->str, *line;
	bool is = false;
	while (!is && (line = strsep(&rest, "\n")) != NULL) {
		struct live_mapping mapping;
		is = parse_mapping(line, &mapping) && mapping.first <= va && va <= mapping.last &&
		     is_region(client->exec, mapping.inode);
	}
	g_string_free(text, TRUE);
	return is;
}

void mirror_refresh(struct client *client)
{
	if (client->refreshed == client->exec->calls + 1)
		return;
	client->refreshed = client->exec->calls + 1;
	client_credentials(client); /* pins are charged behind this */
	GString *text = read_maps(client);
	if (g_string_equal(text, client->maps)) {
		g_string_free(text, TRUE);
		return;
	}
	g_string_assign(client->maps, text->str);
	GArray *live = g_array_new(FALSE, FALSE, sizeof(struct live_mapping));
	char *rest = text->str, *line;
	while ((line = strsep(&rest, "\n")) != NULL) {
		struct live_mapping mapping;
		if (parse_mapping(line, &mapping) && !is_region(client->exec, mapping.inode))
			g_array_append_val(live, mapping);
	}
	remove_old(client, live);
	add_new(client, live);
	sweep_objects(client->exec);
	g_array_free(live, TRUE);
	g_string_free(text, TRUE);
}

/* --- the machine's side --- */

static void refresh(struct mm *mm)
{
	mirror_refresh(mm->outside_context);
}

static void found(struct mm *mm, struct va va, uint64_t pfn, uint64_t count)
{
	struct client *client = mm->outside_context;
	/* A frame that was handed out again. */
	for (uint64_t i = 0; i < count && g_hash_table_size(client->exec->kept) > 0; i++)
		g_hash_table_remove(client->exec->kept, GSIZE_TO_POINTER(pfn + i));
	spans_set(&client->exec->places, pfn, pfn + count - 1, va.value / PAGE_SIZE,
		  (uint64_t)client->pid);
}

static uint64_t read_memory(struct mm *mm, struct va va, void *to, uint64_t size)
{
	struct client *client = mm->outside_context;
	recorder_touch(client->exec->recorder, client, va.value, NULL, size);
	return client_read(client, va.value, to, size);
}

static uint64_t write_memory(struct mm *mm, struct va va, const void *from, uint64_t size)
{
	struct client *client = mm->outside_context;
	recorder_touch(client->exec->recorder, client, va.value, from, size);
	return client_write(client, va.value, from, size);
}

const struct mm_outside client_memory = {
	.refresh = refresh,
	.found = found,
	.read = read_memory,
	.write = write_memory,
};

/* --- bytes by frame --- */

static bool copy_region(struct exec *exec, struct pa pa, void *to, const void *from, uint64_t size)
{
	for (guint i = 0; i < exec->regions->len; i++) {
		const struct shared_region *region = exec->regions->pdata[i];
		uint64_t offset = pa.value - region->pfn * PAGE_SIZE;
		if (offset >= region->length)
			continue;
		return region_copy(region, offset, to, from, size);
	}
	return false;
}

static bool copy_object(struct exec *exec, struct pa pa, void *to, const void *from, uint64_t size,
			bool *is_objects)
{
	uint64_t pfn = pa_pfn(pa);
	for (guint i = 0; i < exec->objects->len; i++) {
		struct outside_object *outside = exec->objects->pdata[i];
		struct span *span;
		SPANS_FOREACH (span, &outside->object->pages) {
			if (pfn - span->base > span->last - span->first)
				continue;
			*is_objects = true;
			uint64_t index = span->first + (pfn - span->base);
			off_t offset = (off_t)(index * PAGE_SIZE + page_offset(pa.value));
			return outside->fd >= 0 &&
			       (to != NULL
					? pread(outside->fd, to, size, offset)
					: pwrite(outside->fd, from, size, offset)) == (ssize_t)size;
		}
	}
	return false;
}

static bool through_client(struct client *client, uint64_t va, void *to, const void *from,
			   uint64_t size)
{
	return (to != NULL ? client_read(client, va, to, size)
			   : client_write(client, va, from, size)) == size;
}

/* Any client that maps the object's page still. */
static bool through_any_client(struct exec *exec, struct pa pa, void *to, const void *from,
			       uint64_t size)
{
	GHashTableIter iter;
	gpointer value;
	g_hash_table_iter_init(&iter, exec->clients);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct client *client = value;
		struct mm *mm = client->process->mm;
		for (struct vma *vma = mm_vma_from(mm, 0); vma != NULL;
		     vma = mm_vma_from(mm, vma->last + 1)) {
			struct span *span;
			if (vma->object == NULL || !(vma->flags & MAP_SHARED_BIT))
				continue;
			SPANS_FOREACH (span, &vma->object->pages) {
				uint64_t index = span->first + (pa_pfn(pa) - span->base);
				uint64_t page = index - vma->page_index;
				if (pa_pfn(pa) - span->base > span->last - span->first ||
				    page > (vma->last - vma->first) / PAGE_SIZE)
					continue;
				if (through_client(client,
						   vma->first + page * PAGE_SIZE +
							   page_offset(pa.value),
						   to, from, size))
					return true;
			}
		}
	}
	return false;
}

static bool is_clients(struct exec *exec, struct pa pa)
{
	uint32_t owner = memory_frame(&exec->machine->memory, pa_pfn(pa), NULL).owner;
	return g_str_has_prefix(machine_owner_name(exec->machine, owner), "process ");
}

static bool copy(struct exec *exec, struct pa pa, void *to, const void *from, uint64_t size)
{
	bool is_objects = false;
	if (copy_region(exec, pa, to, from, size))
		return true;
	if (!is_clients(exec, pa))
		return false;
	struct span *place = spans_find(&exec->places, pa_pfn(pa));
	struct client *client =
		place != NULL
			? g_hash_table_lookup(exec->clients, GSIZE_TO_POINTER((gsize)place->tag))
			: NULL;
	if (copy_object(exec, pa, to, from, size, &is_objects))
		return true;
	if (client != NULL && !is_objects &&
	    through_client(client, span_at(place, pa_pfn(pa)) * PAGE_SIZE + page_offset(pa.value),
			   to, from, size))
		return true;
	if (is_objects && through_any_client(exec, pa, to, from, size))
		return true;
	uint8_t *kept = g_hash_table_lookup(exec->kept, GSIZE_TO_POINTER(pa_pfn(pa)));
	if (kept != NULL && to != NULL) {
		memcpy(to, kept + page_offset(pa.value), size);
		return true;
	}
	if (kept != NULL && from != NULL) {
		memcpy(kept + page_offset(pa.value), from, size);
		return true;
	}
	exec_limit(
		exec, LIMIT_GONE_PAGE,
		"a pinned page is no longer mapped by the program, and its bytes can't be "
		"reached: zeros are read. A kernel would still have them. Use a memfd, or run as "
		"root");
	if (to != NULL)
		memset(to, 0, size);
	return true;
}

static bool read_frame(void *context, struct pa pa, void *to, uint64_t size)
{
	return copy(context, pa, to, NULL, size);
}

static bool write_frame(void *context, struct pa pa, const void *from, uint64_t size)
{
	return copy(context, pa, NULL, from, size);
}

void mirror_init(struct exec *exec)
{
	exec->objects = g_ptr_array_new();
	exec->regions = g_ptr_array_new();
	exec->kept = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	spans_init(&exec->places, exec->machine->arena, true);
	exec->memory_outside = (struct memory_outside){read_frame, write_frame, exec};
	exec->machine->memory.outside = &exec->memory_outside;
}
