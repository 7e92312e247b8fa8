// SPDX-License-Identifier: Apache-2.0
#include "tools/runner/image.h"

#include <errno.h>
#include <gelf.h>
#include <glib.h>
#include <libelf.h>
#include <string.h>
#include <zstd.h>

#define IMAGE_BYTES_MAX (4ULL << 30)

struct segment {
	uint64_t pa;
	uint64_t size;   /* in memory */
	uint64_t offset; /* of its bytes in the file */
	uint64_t bytes;  /* in the file */
};

struct image {
	unsigned char *data;
	size_t length;
	GArray *segments; /* struct segment */
};

static struct image *bad(struct trace_diag *diag, const char *path, const char *what,
			 const char *expected)
{
	trace_diag_set(diag, path, (struct trace_pos){1, 1}, "no memory image, %s, expected %s",
		       what, expected);
	return NULL;
}

/* The decompressed bytes, or NULL. */
static unsigned char *inflate(const unsigned char *packed, size_t packed_length, size_t *length)
{
	GByteArray *out = g_byte_array_new();
	ZSTD_DStream *stream = ZSTD_createDStream();
	ZSTD_inBuffer in = {packed, packed_length, 0};
	size_t piece_size = ZSTD_DStreamOutSize(), left = 1;
	unsigned char *piece = g_malloc(piece_size);
	bool ok = stream != NULL;
	while (ok && in.pos < in.size) {
		ZSTD_outBuffer to = {piece, piece_size, 0};
		left = ZSTD_decompressStream(stream, &to, &in);
		ok = !ZSTD_isError(left) && out->len + to.pos <= IMAGE_BYTES_MAX &&
		     out->len + to.pos <= G_MAXUINT - piece_size;
		if (ok)
			g_byte_array_append(out, piece, (guint)to.pos);
	}
	g_free(piece);
	ZSTD_freeDStream(stream);
	*length = out->len;
	return g_byte_array_free(out, !ok || left != 0);
}

static const char *read_segments(struct image *image)
{
	elf_version(EV_CURRENT);
	Elf *elf = elf_memory((char *)image->data, image->length);
	GElf_Ehdr header;
	size_t count = 0;
	const char *wrong = NULL;
	if (elf == NULL || elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == NULL ||
	    header.e_type != ET_CORE || header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64))
		wrong = "it is no ELF core";
	else if (elf_getphdrnum(elf, &count) != 0)
		wrong = "its program headers can't be read";
	for (size_t i = 0; wrong == NULL && i < count; i++) {
		GElf_Phdr program;
		if (gelf_getphdr(elf, (int)i, &program) == NULL) {
			wrong = "its program headers can't be read";
		} else if (program.p_type == PT_LOAD) {
			struct segment segment = {program.p_paddr, program.p_memsz,
						  program.p_offset, program.p_filesz};
			uint64_t end;
			if (segment.bytes > segment.size ||
			    add_overflows(segment.offset, segment.bytes, &end) ||
			    end > image->length || page_offset(segment.pa) != 0 ||
			    add_overflows(segment.pa, segment.size, &end) ||
			    end > UINT64_MAX - PAGE_SIZE || segment.size == 0)
				wrong = "a segment lies outside the file or is not whole pages";
			else
				g_array_append_val(image->segments, segment);
		}
	}
	elf_end(elf);
	if (wrong == NULL && image->segments->len == 0)
		wrong = "it has no PT_LOAD segment";
	return wrong;
}

struct image *image_load(const char *path, struct trace_diag *diag)
{
	struct image *image = g_new0(struct image, 1);
	gchar *bytes = NULL;
	image->segments = g_array_new(FALSE, FALSE, sizeof(struct segment));
	if (!g_file_test(path, G_FILE_TEST_IS_REGULAR) ||
	    !g_file_get_contents(path, &bytes, &image->length, NULL)) {
		image_free(image);
		return bad(diag, path, "the file can't be read", "a readable one");
	}
	image->data = (unsigned char *)bytes;
	if (image->length >= 4 && memcmp(bytes, "\x28\xb5\x2f\xfd", 4) == 0) {
		size_t length;
		image->data = inflate((unsigned char *)bytes, image->length, &length);
		g_free(bytes);
		if (image->data == NULL) {
			image_free(image);
			return bad(diag, path, "it can't be decompressed",
				   "whole zstd frames of at most 4 GiB");
		}
		image->length = length;
	}
	const char *wrong = read_segments(image);
	if (wrong == NULL)
		return image;
	image_free(image);
	return bad(diag, path, wrong, "an ELF core with physical addresses");
}

void image_free(struct image *image)
{
	if (image == NULL)
		return;
	g_array_free(image->segments, TRUE);
	g_free(image->data);
	g_free(image);
}

/* Pages of zeros need no bytes. */
static void place_bytes(struct machine *machine, uint64_t pa, const unsigned char *bytes,
			uint64_t length, uint32_t owner)
{
	static const unsigned char zeros[PAGE_SIZE];
	for (uint64_t at = 0; at < length; at += PAGE_SIZE) {
		uint64_t n = length - at < PAGE_SIZE ? length - at : PAGE_SIZE;
		if (memcmp(bytes + at, zeros, n) != 0)
			memory_write(&machine->memory, pa_of(pa + at), bytes + at, n, owner);
	}
}

bool image_place(const struct image *image, struct machine *machine)
{
	uint32_t owner = machine_owner(machine, "image");
	for (guint i = 0; i < image->segments->len; i++) {
		const struct segment *segment = &g_array_index(image->segments, struct segment, i);
		if (!memory_add_ram(&machine->memory, segment->pa / PAGE_SIZE,
				    (segment->size + PAGE_SIZE - 1) / PAGE_SIZE, owner))
			return false;
		place_bytes(machine, segment->pa, image->data + segment->offset, segment->bytes,
			    owner);
	}
	return true;
}
