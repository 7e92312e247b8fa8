// SPDX-License-Identifier: Apache-2.0
#include "tools/runner/recording.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/runner/constants.h"
#include "tools/runner/words.h"

static const struct word prot_words[] = {
	{"PROT_NONE", 0},
	{"PROT_READ", PROT_READ_BIT},
	{"PROT_WRITE", PROT_WRITE_BIT},
	{"PROT_EXEC", PROT_EXEC_BIT},
	{NULL, 0},
};

static const struct word map_words[] = {
	{"MAP_SHARED", MAP_SHARED_BIT},
	{"MAP_PRIVATE", MAP_PRIVATE_BIT},
	{"MAP_SHARED_VALIDATE", MAP_SHARED_VALIDATE_BITS},
	{"MAP_FIXED", MAP_FIXED_BIT},
	{"MAP_ANONYMOUS", MAP_ANONYMOUS_BIT},
	{"MAP_POPULATE", MAP_POPULATE_BIT},
	{"MAP_HUGETLB", MAP_HUGETLB_BIT},
	{"MAP_FIXED_NOREPLACE", MAP_FIXED_NOREPLACE_BIT},
	{"MAP_GROWSDOWN", 0x100},
	{"MAP_DENYWRITE", 0x800},
	{"MAP_LOCKED", 0x2000},
	{"MAP_NORESERVE", 0x4000},
	{"MAP_NONBLOCK", 0x10000},
	{"MAP_STACK", 0x20000},
	{NULL, 0},
};

static const struct word advice_words[] = {
	{"MADV_DONTNEED", MADV_DONTNEED_ADVICE},
	{NULL, 0},
};

struct decoder {
	const char *file;
	struct trace_arena *arena;
	struct trace_diag *diag;
	struct recorded_call *call;
	const struct name_table *names; /* NULL: a recording, which has none */
};

static int no_memory_left(struct decoder *d, struct trace_pos pos)
{
	trace_diag_set(d->diag, d->file, pos,
		       "out of memory, the line is too large for this host, "
		       "expected a smaller one");
	return -1;
}

/* --- values --- */

/* For what a call does not change and what is no pointer with contents. */
static int plain(struct decoder *d, const struct trace_value *value)
{
	if (value->after == NULL && value->contents == NULL)
		return 0;
	trace_diag_set(d->diag, d->file,
		       value->after != NULL ? value->after->pos : value->contents->pos,
		       "misplaced '%s', this argument has none, expected a plain value",
		       value->after != NULL ? "=>" : "->");
	return -1;
}

static int number_of(struct decoder *d, const struct trace_value *value, const char *what,
		     uint64_t *number)
{
	if (value->kind != TRACE_NUMBER) {
		trace_diag_set(d->diag, d->file, value->pos,
			       "bad %s, it is not a number, expected "
			       "a number",
			       what);
		return -1;
	}
	*number = value->number;
	return 0;
}

static int unknown_word(struct decoder *d, struct trace_pos pos, const char *what, const char *text,
			size_t length, const char *best)
{
	trace_diag_set(d->diag, d->file, pos,
		       "unknown %s '%.*s', it is not in the language, "
		       "expected %s%s%s",
		       what, (int)length, text, best != NULL ? "perhaps '" : "a known one",
		       best != NULL ? best : "", best != NULL ? "'" : "");
	return -1;
}

/* A number, or words of TABLE joined by '|'. */
static int flags_of(struct decoder *d, const struct trace_value *value, const struct word *table,
		    const char *what, uint64_t *flags)
{
	if (value->kind == TRACE_NUMBER)
		return number_of(d, value, what, flags);
	if (value->kind != TRACE_SYMBOL) {
		trace_diag_set(d->diag, d->file, value->pos,
			       "bad %s, it is neither words nor a "
			       "number, expected e.g. %s",
			       what, table[1].name);
		return -1;
	}
	*flags = 0;
	for (const char *at = value->text, *end = at + value->length; at < end;) {
		const char *bar = memchr(at, '|', (size_t)(end - at));
		size_t length = (size_t)((bar != NULL ? bar : end) - at);
		uint64_t bits;
		if (word_find(table, at, length, &bits)) {
			*flags |= bits;
		} else if (at[0] >= '0' && at[0] <= '9') {
			unsigned long long number;
			if (sscanf(at, "%lli", (long long *)&number) == 1)
				*flags |= number;
		} else {
			struct nearest nearest;
			struct trace_pos pos = value->pos;
			pos.column += (uint32_t)(at - value->text);
			nearest_start(&nearest, at, length);
			for (const struct word *word = table; word->name != NULL; word++)
				nearest_try(&nearest, word->name);
			return unknown_word(d, pos, what, at, length, nearest.best);
		}
		at += length + 1;
	}
	return 0;
}

/* A number, or in a scenario names of iommufd or a $name: the number is then 0 until the call is made. */
static int number_or_name(struct decoder *d, const struct trace_value *value, const char *what,
			  struct recorded_patch patch, uint64_t *number)
{
	struct recorded_call *call = d->call;
	if (value->kind == TRACE_SYMBOL && d->names != NULL)
		return flags_of(d, value, iommufd_constants, "constant", number);
	if (value->kind != TRACE_NAME || d->names == NULL)
		return number_of(d, value, what, number);
	*number = 0;
	patch.pos = value->pos;
	patch.add = value->number;
	if (!d->names->use(d->names->context, value->text, value->length, &patch.name)) {
		trace_diag_set(d->diag, d->file, value->pos,
			       "unknown name '$%s', no line before gives it a value, expected a "
			       "bound name",
			       value->text);
		return -1;
	}
	if (call->patch_count == PATCHES_MAX) {
		trace_diag_set(d->diag, d->file, value->pos,
			       "too many names, a call takes %u, expected a number", PATCHES_MAX);
		return -1;
	}
	call->patches[call->patch_count++] = patch;
	return 0;
}

static int hex_bytes(struct decoder *d, const struct trace_value *value, const uint8_t **bytes,
		     uint32_t *length)
{
	size_t count;
	if (trace_value_hex_length(value, d->file, &count, d->diag) != 0)
		return -1;
	uint8_t *out = trace_arena_alloc(d->arena, count + 1);
	if (out == NULL)
		return no_memory_left(d, value->pos);
	trace_string_bytes(value, out, count);
	*bytes = out;
	*length = (uint32_t)count;
	return 0;
}

/* `"before"` or `"before" => "after"`; AFTER may be NULL. Lengths must agree. */
static int byte_pair(struct decoder *d, const struct trace_value *before,
		     const struct trace_value *after, struct recorded_bytes *bytes)
{
	uint32_t after_length;
	if (hex_bytes(d, before, &bytes->before, &bytes->length) != 0)
		return -1;
	bytes->after = bytes->before;
	if (after == NULL)
		return 0;
	if (after->kind != TRACE_STRING) {
		trace_diag_set(d->diag, d->file, after->pos,
			       "bad bytes, the new contents are no "
			       "string, expected hex digits in '\"'");
		return -1;
	}
	if (hex_bytes(d, after, &bytes->after, &after_length) != 0)
		return -1;
	if (after_length == bytes->length)
		return 0;
	trace_diag_set(d->diag, d->file, after->pos,
		       "bad bytes, there are %u after the call and %u "
		       "before it, expected the same number",
		       after_length, bytes->length);
	return -1;
}

/* --- the struct of an ioctl --- */

static void store(uint8_t *to, uint64_t value, uint32_t width)
{
	for (uint32_t i = 0; i < width; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static const struct field_layout *find_field(const struct recorded_call *call, const char *name,
					     uint32_t length)
{
	const struct field_layout *lists[2] = {
		call->layout->fields, call->test_op != NULL ? call->test_op->fields : NULL};
	for (int i = 0; i < 2; i++)
		for (const struct field_layout *field = lists[i];
		     field != NULL && field->name != NULL; field++)
			if (trace_text_is(name, length, field->name))
				return field;
	return NULL;
}

static int unknown_field(struct decoder *d, const struct trace_field *field)
{
	const struct recorded_call *call = d->call;
	struct nearest nearest;
	nearest_start(&nearest, field->name, field->name_length);
	for (const struct field_layout *f = call->layout->fields; f->name != NULL; f++)
		nearest_try(&nearest, f->name);
	if (call->test_op != NULL)
		for (const struct field_layout *f = call->test_op->fields; f->name != NULL; f++)
			nearest_try(&nearest, f->name);
	return unknown_word(d, field->pos, "field", field->name, field->name_length, nearest.best);
}

/* Finds the operation of IOMMU_TEST_CMD first: its fields depend on it. */
static int find_test_op(struct decoder *d, const struct trace_value *fields)
{
	const struct trace_field *op = trace_value_field(fields, "op");
	if (op == NULL || op->value.kind == TRACE_NUMBER) {
		if (op != NULL)
			d->call->test_op = test_op_layout_by_op((uint32_t)op->value.number);
		return 0;
	}
	uint64_t number;
	if (op->value.kind != TRACE_SYMBOL)
		return number_of(d, &op->value, "op", &number);
	d->call->test_op = test_op_layout_by_name(op->value.text, op->value.length);
	if (d->call->test_op != NULL)
		return 0;
	struct nearest nearest;
	nearest_start(&nearest, op->value.text, op->value.length);
	for (uint32_t i = 1; test_op_layout_by_op(i) != NULL; i++)
		nearest_try(&nearest, test_op_layout_by_op(i)->name);
	return unknown_word(d, op->value.pos, "test operation", op->value.text, op->value.length,
			    nearest.best);
}

static int add_pointee(struct decoder *d, const struct field_layout *layout,
		       const struct trace_value *value, uint64_t address)
{
	struct recorded_call *call = d->call;
	if (value->contents == NULL)
		return 0;
	if (call->pointee_count == POINTEES_MAX) {
		trace_diag_set(d->diag, d->file, value->pos,
			       "too many contents, a call shows at "
			       "most %u, expected none here",
			       POINTEES_MAX);
		return -1;
	}
	struct recorded_pointee *pointee = &call->pointees[call->pointee_count];
	struct recorded_patch patch = {.place = PATCH_POINTEE, .at = call->pointee_count++};
	pointee->value = value;
	pointee->name = layout->name;
	pointee->va = address;
	if (value->kind == TRACE_NAME &&
	    number_or_name(d, value, layout->name, patch, &pointee->va) != 0)
		return -1;
	return byte_pair(d, value->contents, value->contents_after, &pointee->bytes);
}

static int fits_width(struct decoder *d, const struct trace_value *value, uint64_t number,
		      uint32_t width)
{
	assert(width > 0);
	if (width == 8 || number >> (8 * width) == 0 ||
	    (value->negative && (int64_t)number >= -(1LL << (8 * width - 1))))
		return 0;
	trace_diag_set(d->diag, d->file, value->pos,
		       "bad field, the value needs more than its %u "
		       "bytes, expected a smaller number",
		       width);
	return -1;
}

/* A name that gets a value stands alone. */
static int alone(struct decoder *d, const struct trace_value *name)
{
	if (name->number == 0 && !name->hex)
		return 0;
	trace_diag_set(d->diag, d->file, name->pos,
		       "misplaced '+', the name gets its value here, expected '$%s'", name->text);
	return -1;
}

/* `=> $name` */
static int bind_field(struct decoder *d, const struct field_layout *layout,
		      const struct trace_value *name)
{
	struct recorded_call *call = d->call;
	if (alone(d, name) != 0)
		return -1;
	if (call->binding_count == BINDINGS_MAX) {
		trace_diag_set(d->diag, d->file, name->pos,
			       "too many names, a call gives values to %u, expected none here",
			       BINDINGS_MAX);
		return -1;
	}
	call->bindings[call->binding_count++] = (struct recorded_binding){
		d->names->bind(d->names->context, name->text, name->length), layout->offset,
		layout->width};
	return 0;
}

/* The bytes of a call's struct; ASKED is not 0 where the line shows what is there after the call. */
struct argument_bytes {
	uint32_t size;
	uint8_t *before;
	uint8_t *after;
	uint8_t *asked;
};

static int decode_field(struct decoder *d, const struct trace_field *field,
			const struct argument_bytes *bytes)
{
	const struct field_layout *layout = find_field(d->call, field->name, field->name_length);
	const struct trace_value *value = &field->value;
	uint64_t number;
	if (layout == NULL)
		return unknown_field(d, field);
	if ((uint32_t)layout->offset + layout->width > bytes->size) {
		trace_diag_set(d->diag, d->file, field->pos,
			       "field '%s' is out of place, it lies "
			       "past the struct's size %u, expected "
			       "no such field",
			       layout->name, bytes->size);
		return -1;
	}
	struct recorded_patch patch = {
		.place = PATCH_FIELD, .at = layout->offset, .width = layout->width};
	if (layout->kind == FIELD_TEST_OP && value->kind == TRACE_SYMBOL)
		number = d->call->test_op->op;
	else if (number_or_name(d, value, layout->name, patch, &number) != 0 ||
		 fits_width(d, value, number, layout->width) != 0)
		return -1;
	if (value->contents != NULL && layout->kind != FIELD_DATA) {
		trace_diag_set(d->diag, d->file, value->pos,
			       "contents of '%s', the field is no "
			       "pointer whose contents count, "
			       "expected a plain number",
			       layout->name);
		return -1;
	}
	if (add_pointee(d, layout, value, number) != 0)
		return -1;
	store(bytes->before + layout->offset, number, layout->width);
	if (value->after != NULL && value->after->kind == TRACE_NAME && d->names != NULL)
		return bind_field(d, layout, value->after);
	if (value->after != NULL) {
		if (number_of(d, value->after, layout->name, &number) != 0 ||
		    fits_width(d, value->after, number, layout->width) != 0)
			return -1;
		memset(bytes->asked + layout->offset, 1, layout->width);
	}
	store(bytes->after + layout->offset, number, layout->width);
	return 0;
}

/* Where the bytes of `tail` begin: behind the fields that traces name. */
static uint32_t tail_offset(const struct recorded_call *call)
{
	uint32_t end = 0;
	if (call->layout->min_size != 0)
		return call->layout->size;
	for (const struct field_layout *field = call->layout->fields; field->name != NULL; field++)
		if ((uint32_t)field->offset + field->width > end)
			end = field->offset + field->width;
	return end;
}

static int missing_field(struct decoder *d, const struct trace_value *fields, uint32_t size)
{
	const struct recorded_call *call = d->call;
	const struct field_layout *lists[2] = {
		call->layout->fields, call->test_op != NULL ? call->test_op->fields : NULL};
	for (int i = 0; i < 2; i++) {
		for (const struct field_layout *field = lists[i];
		     field != NULL && field->name != NULL; field++) {
			if (field->kind == FIELD_RESERVED ||
			    (uint32_t)field->offset + field->width > size ||
			    trace_value_field(fields, field->name) != NULL)
				continue;
			trace_diag_set(d->diag, d->file, fields->pos,
				       "field '%s' is missing, it lies inside the struct's size "
				       "%u, expected it",
				       field->name, size);
			return -1;
		}
	}
	return 0;
}

/* A second field of the name would undo the first. */
static int unique_field(struct decoder *d, const struct trace_value *fields,
			const struct trace_field *field)
{
	for (const struct trace_field *other = fields->fields; other < field; other++) {
		if (other->name_length != field->name_length ||
		    memcmp(other->name, field->name, field->name_length) != 0)
			continue;
		trace_diag_set(d->diag, d->file, field->pos,
			       "field '%.*s' is there twice, the first one is in column %u, "
			       "expected it once",
			       (int)field->name_length, field->name, other->pos.column);
		return -1;
	}
	return 0;
}

/* `tail="hex"`: what lies behind the fields that have names. */
static int decode_tail(struct decoder *d, const struct trace_value *value,
		       const struct argument_bytes *bytes)
{
	uint32_t at = tail_offset(d->call);
	struct recorded_bytes tail;
	if (value->kind != TRACE_STRING) {
		trace_diag_set(d->diag, d->file, value->pos,
			       "bad tail, it is no string, expected hex digits in '\"'");
		return -1;
	}
	if (byte_pair(d, value, value->after, &tail) != 0)
		return -1;
	if (at + (uint64_t)tail.length > bytes->size) {
		trace_diag_set(d->diag, d->file, value->pos,
			       "bad tail, its %u bytes reach past the struct's size %u, "
			       "expected at most %u",
			       tail.length, bytes->size, bytes->size > at ? bytes->size - at : 0);
		return -1;
	}
	memcpy(bytes->before + at, tail.before, tail.length);
	memcpy(bytes->after + at, tail.after, tail.length);
	if (value->after != NULL)
		memset(bytes->asked + at, 1, tail.length);
	return 0;
}

static int decode_fields(struct decoder *d, const struct trace_value *fields,
			 const struct argument_bytes *bytes)
{
	for (uint32_t i = 0; i < fields->field_count; i++) {
		const struct trace_field *field = &fields->fields[i];
		if (unique_field(d, fields, field) != 0)
			return -1;
		if (!trace_text_is(field->name, field->name_length, "tail")) {
			if (decode_field(d, field, bytes) != 0)
				return -1;
		} else if (decode_tail(d, &field->value, bytes) != 0) {
			return -1;
		}
	}
	return 0;
}

#define ARGUMENT_MAX (TRACE_LINE_MAX / 2)

static int decode_struct(struct decoder *d, const struct trace_value *fields)
{
	struct recorded_call *call = d->call;
	const struct trace_field *size_field =
		trace_value_field(fields, call->layout->fields[0].name);
	uint64_t size = 0;
	if (size_field == NULL && fields->field_count > 0 && d->names == NULL) {
		trace_diag_set(d->diag, d->file, fields->pos,
			       "field '%s' is missing, the others lie inside that size, "
			       "expected it first",
			       call->layout->fields[0].name);
		return -1;
	}
	if (size_field != NULL && number_of(d, &size_field->value, size_field->name, &size) != 0)
		return -1;
	if (size_field == NULL && d->names != NULL)
		size = call->layout->size;
	/* A size that the line shows no bytes for is only a number: the kernel refuses it or not. */
	uint32_t known = size > ARGUMENT_MAX ? ARGUMENT_MAX : (uint32_t)size;
	if (known < sizeof(uint32_t))
		known = sizeof(uint32_t);
	uint32_t room = known > call->layout->size ? known : call->layout->size;
	uint8_t *before = trace_arena_alloc(d->arena, 3 * (size_t)room);
	if (before == NULL)
		return no_memory_left(d, fields->pos);
	const struct argument_bytes bytes = {known, before, before + room,
					     before + 2 * (size_t)room};
	memset(before, 0, 3 * (size_t)room);
	call->has_argument = true;
	call->argument = (struct recorded_bytes){bytes.before, bytes.after, known};
	call->asked = d->names != NULL ? bytes.asked : NULL;
	call->reserve = room;
	if (strcmp(call->layout->name, "IOMMU_TEST_CMD") == 0 && find_test_op(d, fields) != 0)
		return -1;
	if (decode_fields(d, fields, &bytes) != 0)
		return -1;
	if (size_field == NULL && d->names != NULL) {
		store(bytes.before, size, sizeof(uint32_t));
		store(bytes.after, size, sizeof(uint32_t));
	}
	if (d->names != NULL)
		return 0;
	return fields->field_count > 1 ? missing_field(d, fields, known) : 0;
}

/* ioctl(fd, NAME, {fields}) and ioctl(fd, number, address[, "bytes"]) */
static int decode_ioctl(struct decoder *d, const struct trace_call *source)
{
	struct recorded_call *call = d->call;
	const struct trace_value *cmd = &source->args[1], *arg = &source->args[2];
	if (plain(d, cmd) != 0 || plain(d, arg) != 0)
		return -1;
	if (cmd->kind == TRACE_SYMBOL) {
		call->layout = ioctl_layout_by_name(cmd->text, cmd->length);
		if (call->layout == NULL) {
			struct nearest nearest;
			nearest_start(&nearest, cmd->text, cmd->length);
			for (size_t i = 0; ioctl_layout_at(i) != NULL; i++)
				nearest_try(&nearest, ioctl_layout_at(i)->name);
			return unknown_word(d, cmd->pos, "ioctl", cmd->text, cmd->length,
					    nearest.best);
		}
		call->args[1] = call->layout->cmd;
	} else if (number_of(d, cmd, "ioctl number", &call->args[1]) != 0) {
		return -1;
	}
	if (cmd->kind == TRACE_SYMBOL && source->arg_count > 3) {
		trace_diag_set(d->diag, d->file, source->args[3].pos,
			       "unexpected argument, only an ioctl that is given by its number "
			       "has bytes behind the address, expected ')'");
		return -1;
	}
	if (arg->kind == TRACE_STRUCT) {
		if (call->layout == NULL || call->layout->argument != ARGUMENT_STRUCT) {
			trace_diag_set(d->diag, d->file, arg->pos,
				       "unexpected struct, this ioctl "
				       "takes a number, expected one");
			return -1;
		}
		return decode_struct(d, arg);
	}
	struct recorded_patch patch = {.place = PATCH_ARGUMENT, .at = 2};
	if (number_or_name(d, arg, "ioctl argument", patch, &call->args[2]) != 0)
		return -1;
	if (source->arg_count < 4)
		return 0;
	const struct trace_value *bytes = &source->args[3];
	if (bytes->kind != TRACE_STRING) {
		trace_diag_set(d->diag, d->file, bytes->pos,
			       "bad bytes, they are no string, "
			       "expected hex digits in '\"'");
		return -1;
	}
	struct recorded_pointee *pointee = &call->pointees[call->pointee_count++];
	struct recorded_patch address = {.place = PATCH_POINTEE, .at = call->pointee_count - 1};
	if (number_or_name(d, arg, "ioctl argument", address, &pointee->va) != 0)
		return -1;
	pointee->value = bytes;
	pointee->name = "argument";
	return byte_pair(d, bytes, bytes->after, &pointee->bytes);
}

/* --- the other calls --- */

static int decode_buffer(struct decoder *d, const struct trace_value *value)
{
	struct recorded_call *call = d->call;
	if (value->kind != TRACE_STRING) {
		trace_diag_set(d->diag, d->file, value->pos,
			       "bad buffer, it is no string, "
			       "expected hex digits in '\"'");
		return -1;
	}
	call->has_buffer = true;
	return byte_pair(d, value, NULL, &call->buffer);
}

static int decode_path(struct decoder *d, const struct trace_value *value)
{
	if (value->kind != TRACE_STRING || value->length >= SYSCALL_PATH_MAX) {
		trace_diag_set(d->diag, d->file, value->pos,
			       "bad name, it is no string or longer "
			       "than %u bytes, expected a short "
			       "string",
			       SYSCALL_PATH_MAX - 1);
		return -1;
	}
	d->call->path = value->text;
	return 0;
}

static int decode_poll(struct decoder *d, const struct trace_value *events)
{
	struct recorded_call *call = d->call;
	if (events->after == NULL)
		return 0;
	call->has_out = true;
	return number_of(d, events->after, "revents", &call->out);
}

/* What each argument of a call is. */
enum argument_type {
	ARG_NUMBER,
	ARG_PATH,
	ARG_BUFFER,
	ARG_PROT,
	ARG_MAP,
	ARG_ADVICE,
	ARG_EVENTS,
	ARG_STATUS, /* shown by value, although the kernel takes a pointer */
	ARG_IOCTL,  /* this one and the next, and perhaps a third */
};

struct call_layout {
	const char *name;
	enum syscall_number number;
	enum recorded_result result;
	uint32_t arg_count;
	uint32_t arg_max;
	enum argument_type args[6];
};

#define N ARG_NUMBER
static const struct call_layout calls[] = {
	{"open", SYS_OPEN, RESULT_COMPARED, 2, 2, {ARG_PATH, N}},
	{"close", SYS_CLOSE, RESULT_COMPARED, 1, 1, {N}},
	{"ioctl", SYS_IOCTL, RESULT_COMPARED, 3, 4, {N, ARG_IOCTL}},
	{"read", SYS_READ, RESULT_COMPARED, 3, 3, {N, ARG_BUFFER, N}},
	{"write", SYS_WRITE, RESULT_COMPARED, 3, 3, {N, ARG_BUFFER, N}},
	{"poll", SYS_POLL, RESULT_COMPARED, 3, 3, {N, ARG_EVENTS, N}},
	{"mmap", SYS_MMAP, RESULT_ADDRESS, 6, 6, {N, N, ARG_PROT, ARG_MAP, N, N}},
	{"munmap", SYS_MUNMAP, RESULT_COMPARED, 2, 2, {N, N}},
	{"mprotect", SYS_MPROTECT, RESULT_COMPARED, 3, 3, {N, N, ARG_PROT}},
	{"madvise", SYS_MADVISE, RESULT_COMPARED, 3, 3, {N, N, ARG_ADVICE}},
	{"memfd_create", SYS_MEMFD_CREATE, RESULT_COMPARED, 2, 2, {ARG_PATH, N}},
	{"ftruncate", SYS_FTRUNCATE, RESULT_COMPARED, 2, 2, {N, N}},
	{"fork", SYS_FORK, RESULT_PROCESS, 0, 0, {N}},
	{"execve", SYS_EXECVE, RESULT_COMPARED, 1, 1, {ARG_PATH}},
	{"waitpid", SYS_WAITPID, RESULT_COMPARED, 3, 3, {N, ARG_STATUS, N}},
	{"exit", SYS_EXIT, RESULT_NONE, 1, 1, {N}},
};
#undef N
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static const struct call_layout *find_call(struct decoder *d, const struct trace_call *source)
{
	struct nearest nearest;
	for (size_t i = 0; i < CALLS; i++)
		if (trace_text_is(source->name, source->name_length, calls[i].name))
			return &calls[i];
	nearest_start(&nearest, source->name, source->name_length);
	for (size_t i = 0; i < CALLS; i++)
		nearest_try(&nearest, calls[i].name);
	unknown_word(d, source->pos, "call", source->name, source->name_length, nearest.best);
	return NULL;
}

static int decode_argument(struct decoder *d, const struct trace_call *source, uint32_t i,
			   enum argument_type type)
{
	const struct trace_value *value = &source->args[i];
	uint64_t *arg = &d->call->args[i];
	if (type != ARG_EVENTS && type != ARG_IOCTL && plain(d, value) != 0)
		return -1;
	switch (type) {
	case ARG_PATH:
		return decode_path(d, value);
	case ARG_BUFFER:
		return decode_buffer(d, value);
	case ARG_PROT:
		return flags_of(d, value, prot_words, "protection", arg);
	case ARG_MAP:
		return flags_of(d, value, map_words, "mapping flag", arg);
	case ARG_ADVICE:
		return flags_of(d, value, advice_words, "advice", arg);
	case ARG_EVENTS:
		return number_of(d, value, "events", arg) != 0 ? -1 : decode_poll(d, value);
	case ARG_STATUS:
		d->call->has_out = true;
		return number_of(d, value, "status", &d->call->out);
	case ARG_IOCTL:
		return decode_ioctl(d, source);
	case ARG_NUMBER:
		break;
	}
	struct recorded_patch patch = {.place = PATCH_ARGUMENT, .at = i};
	return number_or_name(d, value, "argument", patch, arg);
}

static int decode_result(struct decoder *d, const struct trace_call *source,
			 const struct call_layout *layout)
{
	struct recorded_call *call = d->call;
	call->result_kind = layout->result;
	if (layout->result == RESULT_NONE) {
		if (source->result.kind == TRACE_UNKNOWN)
			return 0;
		trace_diag_set(d->diag, d->file, source->result.pos,
			       "bad result, %s() does not return, expected '?'", layout->name);
		return -1;
	}
	if (source->result.kind == TRACE_NAME && d->names != NULL) {
		if (alone(d, &source->result) != 0)
			return -1;
		call->has_result_name = true;
		call->result_name = d->names->bind(d->names->context, source->result.text,
						   source->result.length);
		return 0;
	}
	if (source->result.kind != TRACE_NUMBER) {
		trace_diag_set(d->diag, d->file, source->result.pos,
			       "bad result, a recording has the number that the kernel returned, "
			       "expected a number or -1 and an errno");
		return -1;
	}
	if (source->error == NULL && source->result.negative) {
		trace_diag_set(d->diag, d->file, source->result.pos,
			       "bad result, a refusal has an errno, expected -1 and its name");
		return -1;
	}
	call->result =
		source->error != NULL ? -source->error_number : (int64_t)source->result.number;
	return 0;
}

static int decode_call(struct decoder *d, const struct trace_line *line)
{
	const struct trace_call *source = &line->call;
	struct recorded_call *call = d->call;
	memset(call, 0, sizeof(*call));
	call->line = line->number;
	call->source = source;
	call->pid = source->pid;
	call->tid = source->tid;
	const struct call_layout *layout = find_call(d, source);
	if (layout == NULL)
		return -1;
	call->number = layout->number;
	if (source->arg_count < layout->arg_count || source->arg_count > layout->arg_max) {
		trace_diag_set(d->diag, d->file, source->pos,
			       "bad call, %s() has %u arguments here, expected %u%s", layout->name,
			       source->arg_count, layout->arg_count,
			       layout->arg_max > layout->arg_count ? " or one more" : "");
		return -1;
	}
	for (uint32_t i = 0; i < layout->arg_count; i++) {
		if (decode_argument(d, source, i, layout->args[i]) != 0)
			return -1;
		if (layout->args[i] == ARG_IOCTL)
			break;
	}
	return decode_result(d, source, layout);
}

/* A line that shows bytes shows all that are read: the rest would pass whatever it is. */
static int check_read(struct decoder *d)
{
	const struct recorded_call *call = d->call;
	uint32_t length = call->buffer.length;
	if (call->number != SYS_READ || call->has_result_name || call->result < 0 || length == 0 ||
	    length == (uint64_t)call->result)
		return 0;
	trace_diag_set(d->diag, d->file, call->source->args[1].pos,
		       "bad buffer, it shows %u bytes of the %" PRId64
		       " that are read, expected all of them, or \"\" to compare none",
		       length, call->result);
	return -1;
}

int recorded_call_decode(const char *file, const struct trace_line *line, struct trace_arena *arena,
			 struct recorded_call *call, struct trace_diag *diag)
{
	struct decoder d = {file, arena, diag, call, NULL};
	if (!line->call.has_label) {
		trace_diag_set(diag, file, line->call.pos,
			       "no label, a recording says who called, expected '[pid.tid] "
			       "seconds'");
		return -1;
	}
	return decode_call(&d, line);
}

int scenario_call_decode(const char *file, const struct trace_line *line, struct trace_arena *arena,
			 const struct name_table *names, struct recorded_call *call,
			 struct trace_diag *diag)
{
	struct decoder d = {file, arena, diag, call, names};
	return decode_call(&d, line) != 0 ? -1 : check_read(&d);
}

/* --- context lines --- */

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int bad_context(const char *file, const struct trace_line *line, struct trace_diag *diag,
		       const char *what, const char *expected)
{
	struct trace_pos pos = {line->number, 1};
	trace_diag_set(diag, file, pos, "bad context line, %s, expected '%s'", what, expected);
	return -1;
}

static bool descriptor_kind(const char *text, enum descriptor_kind *kind)
{
	static const struct word words[] = {
		{"closed", DESCRIPTOR_CLOSED},
		{"regular file", DESCRIPTOR_REGULAR},
		{"pipe", DESCRIPTOR_PIPE},
		{"character device", DESCRIPTOR_CHARACTER},
		{NULL, 0},
	};
	uint64_t value;
	if (!word_find(words, text, strcspn(text, ","), &value))
		return false;
	*kind = (enum descriptor_kind)value;
	return true;
}

static bool process_line(const char *text, struct recorded_process *process)
{
	int end = 0;
	if (sscanf(text, " process %u of %u:%n", &process->pid, &process->parent, &end) != 2 ||
	    end == 0)
		return false;
	for (int fd = 0; fd < 3; fd++) {
		char prefix[32];
		snprintf(prefix, sizeof(prefix), " fd %d ", fd);
		const char *at = strstr(text + end, prefix);
		if (at == NULL || !descriptor_kind(at + strlen(prefix), &process->descriptors[fd]))
			return false;
	}
	return true;
}

static bool memory_line(const char *text, struct recorded_memory *memory)
{
	unsigned long long first, end;
	char prot[5];
	int at = 0;
	if (sscanf(text, " memory 0x%llx-0x%llx %4[rwxps-] %n", &first, &end, prot, &at) != 3 ||
	    at == 0 || strlen(prot) != 4)
		return false;
	if (first >= end || end > TASK_SIZE || page_offset(first | end) != 0)
		return false;
	memory->first = first;
	memory->last = end - 1;
	memory->prot = (prot[0] == 'r' ? PROT_READ_BIT : 0) |
		       (prot[1] == 'w' ? PROT_WRITE_BIT : 0) | (prot[2] == 'x' ? PROT_EXEC_BIT : 0);
	memory->shared = prot[3] == 's';
	memory->file = starts_with(text + at, "file");
	return true;
}

static bool credentials_line(const char *text, struct recorded_credentials *credentials)
{
	unsigned ipc_lock, sys_resource, sys_rawio;
	int end = 0;
	if (sscanf(text,
		   " credentials %u: ipc_lock %u, sys_resource %u, sys_rawio %u, memlock %" SCNu64
		   "%n",
		   &credentials->pid, &ipc_lock, &sys_resource, &sys_rawio, &credentials->memlock,
		   &end) != 5 ||
	    text[end] != 0 || ipc_lock > 1 || sys_resource > 1 || sys_rawio > 1)
		return false;
	credentials->ipc_lock = ipc_lock;
	credentials->sys_resource = sys_resource;
	credentials->sys_rawio = sys_rawio;
	return true;
}

static bool fail_nth_line(const char *text, struct recorded_fail_nth *fail_nth)
{
	int end = 0;
	if (sscanf(text, " fail-nth %u: %" SCNu64 "%n", &fail_nth->pid, &fail_nth->nth, &end) !=
		    2 ||
	    (text[end] != 0 && text[end] != ' ') || strlen(text + end) >= FAIL_POINT_MAX)
		return false;
	snprintf(fail_nth->point, sizeof(fail_nth->point), "%s",
		 text[end] != 0 ? text + end + 1 : "");
	return true;
}

static bool descriptor_line(const char *text, struct recorded_descriptor *descriptor)
{
	int end = 0;
	return sscanf(text, " descriptor %u: %d of %u: %d%n", &descriptor->pid, &descriptor->fd,
		      &descriptor->from_pid, &descriptor->from_fd, &end) == 4 &&
	       text[end] == 0 && descriptor->fd >= 0 && descriptor->fd < (int)FD_MAX;
}

static bool kernel_line(const char *text)
{
	static const char kernel[] = " kernel: Linux 7.3";
	return starts_with(text, kernel) &&
	       !(text[strlen(kernel)] >= '0' && text[strlen(kernel)] <= '9');
}

int recorded_context_decode(const char *file, const struct trace_line *line,
			    struct recorded_context *context, struct trace_diag *diag)
{
	const char *text = line->text;
	*context = (struct recorded_context){.kind = CONTEXT_OTHER};
	if (starts_with(text, " process ")) {
		context->kind = CONTEXT_PROCESS;
		if (!process_line(text, &context->process))
			return bad_context(
				file, line, diag, "it names no process and descriptors",
				"# process PID of PPID: fd 0 KIND, fd 1 KIND, fd 2 KIND");
	} else if (starts_with(text, " memory ")) {
		context->kind = CONTEXT_MEMORY;
		if (!memory_line(text, &context->memory))
			return bad_context(file, line, diag, "it names no page-aligned user range",
					   "# memory 0xLO-0xHI rwxp KIND");
	} else if (starts_with(text, " credentials ")) {
		context->kind = CONTEXT_CREDENTIALS;
		if (!credentials_line(text, &context->credentials))
			return bad_context(file, line, diag, "it does not say what a process may",
					   "# credentials PID: ipc_lock 0|1, sys_resource 0|1, "
					   "sys_rawio 0|1, memlock BYTES");
	} else if (starts_with(text, " fail-nth ")) {
		context->kind = CONTEXT_FAIL_NTH;
		if (!fail_nth_line(text, &context->fail_nth))
			return bad_context(file, line, diag, "it names no process and number",
					   "# fail-nth PID: N POINT");
	} else if (starts_with(text, " descriptor ")) {
		context->kind = CONTEXT_DESCRIPTOR;
		if (!descriptor_line(text, &context->descriptor))
			return bad_context(file, line, diag, "it names no two descriptors",
					   "# descriptor PID: FD of PID: FD");
	} else if (starts_with(text, " kernel:")) {
		context->kind = CONTEXT_KERNEL;
		if (!kernel_line(text))
			return bad_context(file, line, diag, "the shim does not model this kernel",
					   "# kernel: Linux 7.3...");
	}
	return 0;
}
