// SPDX-License-Identifier: Apache-2.0
#include "tools/exec/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "emu/trace/errno_names.h"
#include "emu/trace/trace.h"
#include "kernel_shim/uapi/iommufd_test.h"
#include "kernel_shim/uapi/layout.h"

#define ARGUMENT_MAX 65536U
#define HOLDER       1U     /* a process that is none: has what its sender no longer has */
#define CONTENTS_MAX 16384U /* of memory behind a pointer, captures/FORMAT.md */

/* User memory that the shim looked at or changed during a call, and what was there before. */
struct touched {
	uint64_t va;
	GByteArray *before;
	GByteArray *after; /* as the shim left it: the client may be gone when it is asked for */
};

struct recorder {
	struct exec *exec;
	FILE *out;
	GPtrArray *held; /* files under way between processes: descriptors of HOLDER, from 3 on */
	const char *path;
	bool failed;
	struct trace_text text;
	/* The call at hand. */
	bool recording;
	int fd;
	GHashTable *numbers; /* descriptors that were looked up: the client may be gone later */
	uint8_t *argument;   /* as it was given */
	uint32_t argument_size;
	bool readable;
	GArray *touched;
};

struct recorder *recorder_new(struct exec *exec, const char *path)
{
	if (path == NULL)
		return NULL;
	FILE *out = fopen(path, "we");
	if (out == NULL) {
		fprintf(stderr, "hwq exec: %s: %s\n", path, g_strerror(errno));
		return NULL;
	}
	struct recorder *recorder = g_new0(struct recorder, 1);
	recorder->exec = exec;
	recorder->out = out;
	recorder->path = path;
	recorder->argument = g_malloc(ARGUMENT_MAX);
	recorder->numbers = g_hash_table_new(NULL, NULL);
	recorder->held = g_ptr_array_new();
	recorder->touched = g_array_new(FALSE, FALSE, sizeof(struct touched));
	fprintf(out,
		"# hwq-capture 1\n# source: hwq exec\n# kernel: Linux 7.3.4, as hwq models it\n");
	return recorder;
}

bool recorder_free(struct recorder *recorder)
{
	if (recorder == NULL)
		return true;
	bool ok = !ferror(recorder->out);
	ok &= fclose(recorder->out) == 0;
	if (!ok)
		fprintf(stderr, "hwq exec: %s: not all of it could be written\n", recorder->path);
	trace_text_free(&recorder->text);
	g_array_free(recorder->touched, TRUE);
	g_hash_table_destroy(recorder->numbers);
	g_ptr_array_free(recorder->held, TRUE);
	g_free(recorder->argument);
	g_free(recorder);
	return ok;
}

/* --- lines --- */

static void begin(struct recorder *recorder, const struct client *client)
{
	pid_t tid = client->pid;
	uint64_t call = recorder->exec->calls;
	/* Of the thread that asks, where it is this client's. */
	if (recorder->exec->notif != NULL &&
	    g_hash_table_lookup(recorder->exec->threads,
				GINT_TO_POINTER((gint)recorder->exec->notif->pid)) == client)
		tid = (pid_t)recorder->exec->notif->pid;
	fprintf(recorder->out, "[%d.%d] %" PRIu64 ".%09" PRIu64 " ", client->pid, tid,
		call / 1000000, call % 1000000 * 1000);
}

static void end(struct recorder *recorder, int64_t result)
{
	FILE *out = recorder->out;
	const char *name = result < 0 ? errno_name((int)-result) : NULL;
	if (name != NULL)
		fprintf(out, " = -1 %s\n", name);
	else
		fprintf(out, result < 0x100000 ? " = %" PRId64 "\n" : " = 0x%" PRIx64 "\n", result);
}

static void print_hex(struct recorder *recorder, const uint8_t *bytes, size_t length)
{
	trace_text_clear(&recorder->text);
	trace_print_bytes(bytes, length, &recorder->text);
	fputs(recorder->text.data, recorder->out);
}

/* --- processes --- */

static const char *descriptor_kind(const struct client *client, int fd)
{
	char path[64];
	struct stat stat_;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", client_task(client), fd);
	if (stat(path, &stat_) != 0)
		return "closed";
	return S_ISREG(stat_.st_mode)   ? "regular file"
	       : S_ISCHR(stat_.st_mode) ? "character device"
					: "pipe";
}

void recorder_process(struct recorder *recorder, struct client *client, const struct client *parent)
{
	if (recorder == NULL)
		return;
	if (parent != NULL) {
		begin(recorder, parent);
		fprintf(recorder->out, "fork() = %d\n", client->pid);
	}
	fprintf(recorder->out, "# process %d of %d: fd 0 %s, fd 1 %s, fd 2 %s\n", client->pid,
		parent != NULL ? parent->pid : 0, descriptor_kind(client, 0),
		descriptor_kind(client, 1), descriptor_kind(client, 2));
}

/* The number of FILE among NUMBERS, or -1. */
static int find_number(const GPtrArray *numbers, const struct file *file)
{
	for (guint i = 0; i < numbers->len; i++)
		if (numbers->pdata[i] == file)
			return (int)i;
	return -1;
}

/* Another client that has FILE; NULL: none. */
static struct client *other_with(struct recorder *recorder, const struct client *client,
				 const struct file *file)
{
	GHashTableIter iter;
	gpointer at;
	g_hash_table_iter_init(&iter, recorder->exec->clients);
	while (g_hash_table_iter_next(&iter, NULL, &at)) {
		struct client *other = at;
		if (other != client && find_number(other->numbers, file) >= 0)
			return other;
	}
	return NULL;
}

/* What lives on although its last known owner exits is under way to somebody. */
static void hold(struct recorder *recorder, const struct client *client, struct file *file, int fd)
{
	if (recorder->held->len == 0) {
		fprintf(recorder->out, "# process %u of 0: fd 0 closed, fd 1 closed, fd 2 closed\n",
			HOLDER);
		g_ptr_array_set_size(recorder->held, 3);
	}
	fprintf(recorder->out, "# descriptor %u: %u of %d: %d\n", HOLDER, recorder->held->len,
		client->pid, fd);
	g_ptr_array_add(recorder->held, file);
}

/* A descriptor that came by no call that is asked about: passed on by another process. */
static void receive(struct recorder *recorder, struct client *client, struct file *file)
{
	struct client *from = other_with(recorder, client, file);
	int held = find_number(recorder->held, file);
	if (from == NULL && held < 0)
		return;
	fprintf(recorder->out, "# descriptor %d: %d of %d: %d\n", client->pid,
		client_number(client, file), from != NULL ? from->pid : (pid_t)HOLDER,
		from != NULL ? find_number(from->numbers, file) : held);
}

void recorder_exec(struct recorder *recorder, struct client *client)
{
	if (recorder == NULL)
		return;
	begin(recorder, client);
	fprintf(recorder->out, "execve(\"program\") = 0\n");
}

void recorder_exit(struct recorder *recorder, struct client *client)
{
	if (recorder == NULL)
		return;
	for (guint i = 3; i < client->numbers->len; i++) {
		struct file *file = client->numbers->pdata[i];
		if (file != NULL && standin_is_open(recorder->exec, file) &&
		    other_with(recorder, client, file) == NULL)
			hold(recorder, client, file, (int)i);
	}
	begin(recorder, client);
	fprintf(recorder->out, "exit(0) = ?\n");
}

void recorder_credentials(struct recorder *recorder, const struct client *client)
{
	const struct credentials *may = &client->process->credentials;
	if (recorder != NULL)
		fprintf(recorder->out,
			"# credentials %d: ipc_lock %d, sys_resource %d, sys_rawio %d, memlock "
			"%" PRIu64 "\n",
			client->pid, may->cap_ipc_lock, may->cap_sys_resource, may->cap_sys_rawio,
			may->rlimit_memlock);
}

void recorder_fail_nth(struct recorder *recorder, const struct client *client, uint64_t nth,
		       const char *point)
{
	if (recorder != NULL)
		fprintf(recorder->out, "# fail-nth %d: %" PRIu64 " %s\n", client->pid, nth, point);
}

/* --- memory and files --- */

static void print_prot(struct recorder *recorder, uint32_t prot)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} bits[] = {{PROT_READ_BIT, "PROT_READ"},
		    {PROT_WRITE_BIT, "PROT_WRITE"},
		    {PROT_EXEC_BIT, "PROT_EXEC"}};
	bool any = false;
	for (size_t i = 0; i < G_N_ELEMENTS(bits); i++) {
		if (!(prot & bits[i].bit))
			continue;
		fprintf(recorder->out, "%s%s", any ? "|" : "", bits[i].name);
		any = true;
	}
	if (!any)
		fputs("PROT_NONE", recorder->out);
}

static bool is_memfd(const struct outside_object *outside)
{
	return outside->object->kind == OBJECT_SHMEM && g_str_has_prefix(outside->name, "/memfd:");
}

static void record_size(struct recorder *recorder, const struct client *client,
			struct outside_object *outside, int number)
{
	if (outside->recorded_size == outside->object->size)
		return;
	outside->recorded_size = outside->object->size;
	begin(recorder, client);
	fprintf(recorder->out, "ftruncate(%d, 0x%" PRIx64 ") = 0\n", number, outside->object->size);
}

void recorder_file(struct recorder *recorder, struct client *client, struct outside_object *outside)
{
	if (recorder == NULL)
		return;
	bool known = find_number(client->numbers, outside->file) >= 0;
	int number = client_number(client, outside->file);
	bool memfd = is_memfd(outside);
	if (!known) {
		begin(recorder, client);
		if (memfd)
			fprintf(recorder->out, "memfd_create(\"memfd\", 0x0) = %d\n", number);
		else
			fprintf(recorder->out, "open(\"%s\", 0x2) = %d\n",
				outside->name[0] == '/' ? outside->name : "/dev/null", number);
		outside->recorded_size = 0;
	}
	if (memfd)
		record_size(recorder, client, outside, number);
}

void recorder_mmap(struct recorder *recorder, struct client *client,
		   const struct map_request *request, struct outside_object *outside)
{
	if (recorder == NULL)
		return;
	bool anonymous =
		outside == NULL || (outside->object->kind != OBJECT_FILE && !is_memfd(outside));
	int number = -1;
	if (!anonymous) {
		mirror_make_file(recorder->exec, outside);
		recorder_file(recorder, client, outside);
		number = client_number(client, outside->file);
	}
	begin(recorder, client);
	fprintf(recorder->out, "mmap(0x%" PRIx64 ", 0x%" PRIx64 ", ", request->address,
		request->length);
	print_prot(recorder, request->prot);
	fprintf(recorder->out, ", %s|MAP_FIXED%s%s, %d, 0x%" PRIx64 ") = 0x%" PRIx64 "\n",
		request->flags & MAP_SHARED_BIT ? "MAP_SHARED" : "MAP_PRIVATE",
		anonymous ? "|MAP_ANONYMOUS" : "",
		outside != NULL && outside->object->kind == OBJECT_HUGETLB ? "|MAP_HUGETLB" : "",
		number, anonymous ? (uint64_t)0 : request->page_index * (uint64_t)PAGE_SIZE,
		request->address);
}

void recorder_munmap(struct recorder *recorder, struct client *client, uint64_t va, uint64_t length)
{
	if (recorder == NULL)
		return;
	begin(recorder, client);
	fprintf(recorder->out, "munmap(0x%" PRIx64 ", 0x%" PRIx64 ") = 0\n", va, length);
}

void recorder_mprotect(struct recorder *recorder, struct client *client, uint64_t va,
		       uint64_t length, uint32_t prot)
{
	if (recorder == NULL)
		return;
	begin(recorder, client);
	fprintf(recorder->out, "mprotect(0x%" PRIx64 ", 0x%" PRIx64 ", ", va, length);
	print_prot(recorder, prot);
	fprintf(recorder->out, ") = 0\n");
}

void recorder_closed(struct recorder *recorder, struct file *file)
{
	GHashTableIter iter;
	gpointer at;
	if (recorder == NULL)
		return;
	g_hash_table_iter_init(&iter, recorder->exec->clients);
	while (g_hash_table_iter_next(&iter, NULL, &at)) {
		struct client *client = at;
		for (guint i = 3; i < client->numbers->len; i++) {
			if (client->numbers->pdata[i] != file)
				continue;
			client->numbers->pdata[i] = NULL;
			begin(recorder, client);
			fprintf(recorder->out, "close(%u) = 0\n", i);
		}
	}
	int held = find_number(recorder->held, file);
	if (held < 0)
		return;
	recorder->held->pdata[held] = NULL;
	fprintf(recorder->out, "[%u.%u] 0.000000000 close(%d) = 0\n", HOLDER, HOLDER, held);
}

/* --- calls --- */

static struct touched *find_touched(struct recorder *recorder, uint64_t va)
{
	for (guint i = 0; i < recorder->touched->len; i++) {
		struct touched *touched = &g_array_index(recorder->touched, struct touched, i);
		if (va >= touched->va && va <= touched->va + touched->before->len)
			return touched;
	}
	return NULL;
}

static struct touched *make_touched(struct recorder *recorder, uint64_t va)
{
	struct touched fresh = {va, g_byte_array_new(), g_byte_array_new()};
	g_array_append_val(recorder->touched, fresh);
	return &g_array_index(recorder->touched, struct touched, recorder->touched->len - 1);
}

void recorder_touch(struct recorder *recorder, struct client *client, uint64_t va,
		    const void *written, uint64_t size)
{
	uint8_t bytes[CONTENTS_MAX];
	if (recorder == NULL || !recorder->recording || size == 0)
		return;
	struct touched *touched = find_touched(recorder, va);
	if (touched == NULL)
		touched = make_touched(recorder, va);
	uint64_t known = touched->va + touched->before->len - va;
	if (known < size) {
		uint64_t n = MIN(size - known, sizeof(bytes));
		n = client_read(client, va + known, bytes, n);
		g_byte_array_append(touched->before, bytes, (guint)n);
		g_byte_array_append(touched->after, bytes, (guint)n);
	}
	uint64_t offset = va - touched->va;
	/* Memory that can't be read can't be written either. */
	if (written != NULL && offset < touched->after->len)
		memcpy(touched->after->data + offset, written,
		       MIN(size, touched->after->len - offset));
}

static void forget_touched(struct recorder *recorder)
{
	for (guint i = 0; i < recorder->touched->len; i++) {
		struct touched *touched = &g_array_index(recorder->touched, struct touched, i);
		g_byte_array_free(touched->before, TRUE);
		g_byte_array_free(touched->after, TRUE);
	}
	g_array_set_size(recorder->touched, 0);
}

/* What lies at VA now, as far as the call had to do with it; BYTES holds what was there before. */
static void bring_up_to_date(struct recorder *recorder, uint64_t va, uint8_t *bytes, uint64_t size)
{
	for (guint i = 0; i < recorder->touched->len; i++) {
		const struct touched *touched =
			&g_array_index(recorder->touched, struct touched, i);
		uint64_t first = MAX(va, touched->va);
		uint64_t end = MIN(va + size, touched->va + touched->after->len);
		if (first < end)
			memcpy(bytes + (first - va), touched->after->data + (first - touched->va),
			       end - first);
	}
}

static const struct ioctl_layout *layout_of(const struct syscall *call)
{
	return call->number == SYS_IOCTL ? ioctl_layout_by_cmd((uint32_t)call->args[1]) : NULL;
}

/* Operations of IOMMU_TEST_CMD whose id is a descriptor of an access (iommufd 7.2). */
static bool id_is_fd(const struct test_op_layout *op)
{
	return op != NULL &&
	       (op->op == IOMMU_TEST_OP_DESTROY_ACCESS_PAGES ||
		op->op == IOMMU_TEST_OP_ACCESS_PAGES || op->op == IOMMU_TEST_OP_ACCESS_RW ||
		op->op == IOMMU_TEST_OP_ACCESS_REPLACE_IOAS);
}

static uint64_t load(const uint8_t *bytes, uint32_t width)
{
	uint64_t value = 0;
	for (uint32_t i = 0; i < width; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

static const struct test_op_layout *test_op_of(const struct recorder *recorder,
					       const struct ioctl_layout *layout)
{
	if (layout == NULL || strcmp(layout->name, "IOMMU_TEST_CMD") != 0 ||
	    recorder->argument_size < 8)
		return NULL;
	return test_op_layout_by_op((uint32_t)load(recorder->argument + 4, 4));
}

/* As the recording counts it; what is not open gets a number that is not open there either. */
static int64_t number_of_fd(struct recorder *recorder, struct client *client, int fd)
{
	gpointer known;
	if (fd < 3)
		return fd;
	if (g_hash_table_lookup_extended(recorder->numbers, GINT_TO_POINTER(fd), NULL, &known))
		return GPOINTER_TO_INT(known);
	struct file *file = client->process->fd_outside->file(client->process, fd);
	if (file == NULL)
		return 100000 + fd;
	if (find_number(client->numbers, file) < 0)
		receive(recorder, client, file);
	int number = client_number(client, file);
	g_hash_table_insert(recorder->numbers, GINT_TO_POINTER(fd), GINT_TO_POINTER(number));
	return number;
}

static bool is_fd_field(const struct field_layout *field, const struct test_op_layout *op)
{
	return field->kind == FIELD_FD || (strcmp(field->name, "id") == 0 && id_is_fd(op));
}

typedef void field_fn(struct recorder *recorder, struct client *client,
		      const struct field_layout *field, bool fd, void *context);

static void each_field(struct recorder *recorder, struct client *client,
		       const struct ioctl_layout *layout, field_fn *visit, void *context)
{
	const struct test_op_layout *op = test_op_of(recorder, layout);
	const struct field_layout *lists[2] = {layout->fields, op != NULL ? op->fields : NULL};
	for (int i = 0; i < 2; i++)
		for (const struct field_layout *field = lists[i];
		     field != NULL && field->name != NULL; field++)
			if ((uint32_t)field->offset + field->width <= recorder->argument_size)
				visit(recorder, client, field, is_fd_field(field, op), context);
}

/* Descriptors that are given: the lines that make them stand before the call. */
static void name_descriptor(struct recorder *recorder, struct client *client,
			    const struct field_layout *field, bool fd, void *context)
{
	(void)context;
	if (fd && !g_str_has_prefix(field->name, "out_") && strstr(field->name, ".out_") == NULL)
		number_of_fd(recorder, client,
			     (int)load(recorder->argument + field->offset, field->width));
}

void recorder_before(struct recorder *recorder, struct client *client, int fd)
{
	if (recorder == NULL)
		return;
	const struct syscall *call = recorder->exec->call;
	const struct ioctl_layout *layout = layout_of(call);
	uint32_t size = 0;
	forget_touched(recorder);
	g_hash_table_remove_all(recorder->numbers);
	if (fd >= 0)
		number_of_fd(recorder, client, fd);
	recorder->fd = fd;
	recorder->argument_size = 0;
	recorder->readable = false;
	memset(recorder->argument, 0, ARGUMENT_MAX);
	if (layout != NULL && layout->argument == ARGUMENT_STRUCT &&
	    client_read(client, call->args[2], &size, sizeof(size)) == sizeof(size)) {
		uint32_t n = MIN(MAX(size, 4), ARGUMENT_MAX);
		recorder->readable = client_read(client, call->args[2], recorder->argument, n) == n;
		recorder->argument_size = n;
		if (recorder->readable)
			each_field(recorder, client, layout, name_descriptor, NULL);
	}
	recorder->recording = true;
}

static void print_contents(struct recorder *recorder, uint64_t va)
{
	struct touched *touched = find_touched(recorder, va);
	if (va == 0 || touched == NULL || va == touched->va + touched->before->len)
		return;
	const uint8_t *before = touched->before->data + (va - touched->va);
	const uint8_t *after = touched->after->data + (va - touched->va);
	uint64_t length = MIN(touched->va + touched->before->len - va, CONTENTS_MAX);
	fputs("->", recorder->out);
	print_hex(recorder, before, length);
	if (memcmp(before, after, length) != 0) {
		fputs(" => ", recorder->out);
		print_hex(recorder, after, length);
	}
}

static void print_value(struct recorder *recorder, const struct field_layout *field, uint64_t value)
{
	const struct test_op_layout *op =
		field->kind == FIELD_TEST_OP ? test_op_layout_by_op((uint32_t)value) : NULL;
	if (op != NULL)
		fputs(op->name, recorder->out);
	else
		fprintf(recorder->out, value < 0x1000 ? "%" PRIu64 : "0x%" PRIx64, value);
}

static void print_field(struct recorder *recorder, struct client *client,
			const struct field_layout *field, bool fd, void *context)
{
	const uint8_t *after_bytes = context;
	uint64_t before = load(recorder->argument + field->offset, field->width);
	uint64_t after = load(after_bytes + field->offset, field->width);
	if (field->kind == FIELD_RESERVED && before == 0)
		return;
	fprintf(recorder->out, "%s%s=", field->offset > 0 ? ", " : "", field->name);
	if (fd && !g_str_has_prefix(field->name, "out_") && strstr(field->name, ".out_") == NULL) {
		int64_t number = number_of_fd(recorder, client, (int)before);
		fprintf(recorder->out, "%" PRIu64, (uint64_t)(uint32_t)number);
		return;
	}
	print_value(recorder, field, before);
	if (field->kind == FIELD_DATA)
		print_contents(recorder, before);
	if (after == before)
		return;
	fputs(" => ", recorder->out);
	if (fd)
		fprintf(recorder->out, "%" PRId64, number_of_fd(recorder, client, (int)after));
	else
		print_value(recorder, field, after);
}

static void print_tail(struct recorder *recorder, const struct ioctl_layout *layout,
		       const uint8_t *after)
{
	uint32_t at = layout->size;
	if (layout->min_size == 0) {
		at = 0;
		for (const struct field_layout *field = layout->fields; field->name != NULL;
		     field++)
			at = MAX(at, (uint32_t)field->offset + field->width);
	}
	if (recorder->argument_size <= at)
		return;
	fputs(", tail=", recorder->out);
	print_hex(recorder, recorder->argument + at, recorder->argument_size - at);
	if (memcmp(recorder->argument + at, after + at, recorder->argument_size - at) == 0)
		return;
	fputs(" => ", recorder->out);
	print_hex(recorder, after + at, recorder->argument_size - at);
}

/* By its number; with the bytes that the dispatcher looks at, where they can be read. */
static void print_unknown(struct recorder *recorder, struct client *client)
{
	const struct syscall *call = recorder->exec->call;
	uint8_t bytes[4];
	fprintf(recorder->out, "0x%" PRIx64 ", 0x%" PRIx64, call->args[1], call->args[2]);
	if (client_read(client, call->args[2], bytes, sizeof(bytes)) != sizeof(bytes))
		return;
	fputs(", ", recorder->out);
	print_hex(recorder, bytes, sizeof(bytes));
}

static void print_ioctl(struct recorder *recorder, struct client *client)
{
	const struct syscall *call = recorder->exec->call;
	const struct ioctl_layout *layout = layout_of(call);
	fprintf(recorder->out, "ioctl(%" PRId64 ", ", number_of_fd(recorder, client, recorder->fd));
	if (layout == NULL)
		print_unknown(recorder, client);
	else if (layout->argument == ARGUMENT_SCALAR || recorder->argument_size == 0)
		fprintf(recorder->out, "%s, 0x%" PRIx64, layout->name, call->args[2]);
	else if (!recorder->readable || load(recorder->argument, 4) < 4)
		fprintf(recorder->out, layout->min_size == 0 ? "%s, {}" : "%s, {size=%" PRIu64 "}",
			layout->name, load(recorder->argument, 4));
	else {
		uint8_t *after = g_malloc(ARGUMENT_MAX);
		memcpy(after, recorder->argument, recorder->argument_size);
		bring_up_to_date(recorder, call->args[2], after, recorder->argument_size);
		fprintf(recorder->out, "%s, {", layout->name);
		each_field(recorder, client, layout, print_field, after);
		print_tail(recorder, layout, after);
		fputc('}', recorder->out);
		g_free(after);
	}
	fputc(')', recorder->out);
}

static void print_transfer(struct recorder *recorder, struct client *client, int64_t result)
{
	const struct syscall *call = recorder->exec->call;
	bool reads = call->number == SYS_READ;
	uint64_t length = reads ? (result > 0 ? (uint64_t)result : 0) : call->args[2];
	uint8_t bytes[CONTENTS_MAX];
	length = client_read(client, call->args[1], bytes, MIN(length, sizeof(bytes)));
	fprintf(recorder->out, "%s(%" PRId64 ", ", reads ? "read" : "write",
		number_of_fd(recorder, client, recorder->fd));
	print_hex(recorder, bytes, length);
	fprintf(recorder->out, ", %" PRIu64 ")", call->args[2]);
}

void recorder_after(struct recorder *recorder, struct client *client, int64_t result)
{
	if (recorder == NULL)
		return;
	const struct syscall *call = recorder->exec->call;
	recorder->recording = false;
	/* Killed before the shim had read it: nothing came of it. */
	if ((result == -EFAULT || result == -EBADF || result == -EBADFD) &&
	    !exec_still_waits(recorder->exec))
		return;
	/* The program's own limit on descriptors, which a recording does not hold. */
	if (call->number == SYS_OPEN && result == -EMFILE)
		return;
	if (call->number == SYS_OPEN && result >= 0)
		result = number_of_fd(recorder, client, (int)result);
	begin(recorder, client);
	if (call->number == SYS_OPEN)
		fprintf(recorder->out, "open(\"%s\", 0x%" PRIx64 ")", call->path, call->args[1]);
	else if (call->number == SYS_IOCTL)
		print_ioctl(recorder, client);
	else
		print_transfer(recorder, client, result);
	end(recorder, result);
}

void recorder_device_mmap(struct recorder *recorder, struct client *client, const uint64_t args[6],
			  int64_t result)
{
	if (recorder == NULL)
		return;
	begin(recorder, client);
	fprintf(recorder->out, "mmap(0x%" PRIx64 ", 0x%" PRIx64 ", ", args[0], args[1]);
	print_prot(recorder, (uint32_t)args[2]);
	fprintf(recorder->out, ", 0x%" PRIx64 ", %" PRId64 ", 0x%" PRIx64 ")", args[3],
		number_of_fd(recorder, client, (int)args[4]), args[5]);
	end(recorder, result);
}
