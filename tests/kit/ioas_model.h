/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slow, obvious model of what an IOAS does, written from the iommufd sheet (2, 3, 6, 7).
 *
 * Concepts
 *   frame   a page of memory that both the model and the test know, by its number
 *   region  a run of user addresses, or of a file's offsets, and the frames behind it
 *   source  the page array of one MAP or MAP_FILE; areas of one source share its pins
 *   area    a contiguous mapping of an IOAS
 *   item    what one ACCESS_PAGES pinned
 *   skip    the sheet leaves the answer open: nothing has changed, and the call is not to be made
 *
 * Each call takes the ioctl's struct, fills the fields that the kernel would write, and returns 0
 * or a negative errno. Nothing is kept that can be worked out from the rest: pins, alignment and
 * reserved ranges are recomputed whenever they are asked for.
 */
#ifndef HWQ_TESTS_KIT_IOAS_MODEL_H
#define HWQ_TESTS_KIT_IOAS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/addr.h"
#include "kernel_shim/uapi/iommufd.h"
#include "kernel_shim/uapi/iommufd_test.h"

#define MODEL_SKIP INT64_MIN

#define MODEL_REGIONS 4U
#define MODEL_FRAMES  160U
#define MODEL_OBJECTS 96U
#define MODEL_AREAS   96U
#define MODEL_SPANS   24U
#define MODEL_ITEMS   32U
#define MODEL_PIECES  32U
#define MODEL_SOURCES 256U
#define MODEL_FDS     48U
/* Of one call of IOVA_RANGES. */
#define MODEL_RANGES 64U

struct model_region {
	uint64_t start; /* address, or offset in the file */
	uint32_t pages;
	uint32_t first_frame;
	bool file;
	bool writable;
};

struct model_span {
	uint64_t start, last;
};

struct model_source {
	uint32_t areas; /* 0: free */
	bool file;
	bool memory;  /* what can be pinned; else a file of another kind */
	int64_t what; /* as in fds: the mapping holds the file open */
	bool writable;
};

struct model_area {
	uint64_t serial;
	uint64_t iova, length;
	uint64_t at; /* of its first byte, in the source's address space */
	uint32_t flags;
	uint32_t source;
};

struct model_piece {
	uint64_t area; /* serial */
	uint32_t source;
	uint64_t first_page, last_page;
};

struct model_item {
	uint32_t id;
	uint64_t iova, last;
	uint32_t piece_count;
	struct model_piece pieces[MODEL_PIECES];
};

enum model_kind {
	MODEL_NONE,
	MODEL_IOAS,
	MODEL_HWPT,
	MODEL_STDEV,
	MODEL_DEVICE,
	MODEL_ACCESS,
	MODEL_PLACEHOLDER,
};

struct model_object {
	enum model_kind kind;
	/* IOAS; areas by IOVA */
	bool small_pages;
	uint32_t area_count, reserved_count, allowed_count;
	struct model_area areas[MODEL_AREAS];
	struct model_span reserved[MODEL_SPANS], allowed[MODEL_SPANS];
	/* HWPT, ACCESS */
	uint32_t ioas;
	/* HWPT */
	bool automatic;
	/* STDEV */
	uint32_t device, hwpt;
	/* ACCESS */
	bool pins;
	uint32_t next_item, item_count;
	struct model_item items[MODEL_ITEMS];
};

struct model {
	struct model_object objects[MODEL_OBJECTS];
	struct model_source sources[MODEL_SOURCES];
	struct model_region regions[MODEL_REGIONS];
	uint32_t region_count;
	uint8_t bytes[MODEL_FRAMES][PAGE_SIZE];
	uint32_t frame_count;
	/* What descriptors are: an access's id, or one of these. */
	int64_t fds[MODEL_FDS];
	uint64_t next_serial;
};

#define MODEL_FD_FREE   0
#define MODEL_FD_MEMORY (-1) /* the memfd */
#define MODEL_FD_OTHER  (-2)

void model_init(struct model *model);
void model_add_region(struct model *model, const struct model_region *region);
/* A descriptor for a file of the given kind, as open() gives it. */
void model_add_fd(struct model *model, int64_t what);
/* The page's frame, -1 when there is none. */
int64_t model_frame(const struct model *model, bool file, uint64_t page);
struct model_object *model_get(struct model *model, uint32_t id, enum model_kind kind);
/* Pins of each frame. */
void model_pins(struct model *model, uint32_t pins[MODEL_FRAMES]);
/* Whether areas cover the whole range. */
bool model_covered(struct model *model, uint32_t ioas, uint64_t iova, uint64_t length);

int64_t model_ioas_alloc(struct model *model, struct iommu_ioas_alloc *cmd);
int64_t model_destroy(struct model *model, const struct iommu_destroy *cmd);
/* RANGES: MODEL_RANGES, of which the first cmd->num_iovas (as given) are written. */
int64_t model_ranges(struct model *model, struct iommu_ioas_iova_ranges *cmd,
		     struct iommu_iova_range *ranges);
int64_t model_allow(struct model *model, const struct iommu_ioas_allow_iovas *cmd,
		    const struct iommu_iova_range *ranges);
int64_t model_map(struct model *model, struct iommu_ioas_map *cmd);
int64_t model_map_file(struct model *model, struct iommu_ioas_map_file *cmd);
int64_t model_copy(struct model *model, struct iommu_ioas_copy *cmd);
int64_t model_unmap(struct model *model, struct iommu_ioas_unmap *cmd);
int64_t model_change_process(struct model *model, const struct iommu_ioas_change_process *cmd);
int64_t model_option(struct model *model, struct iommu_option *cmd);
int64_t model_hwpt_alloc(struct model *model, struct iommu_hwpt_alloc *cmd);
/*
 * IOMMU_TEST_CMD, for the operations of section 7.3 that concern an IOAS. DATA is what ACCESS_RW
 * writes, or reads into; NULL: at its uptr there is no memory.
 */
int64_t model_test(struct model *model, struct iommu_test_cmd *cmd, uint8_t *data);
/* Whether close() would leave the file open, because a mapping holds it. */
bool model_is_mapped(const struct model *model, uint32_t fd);
/* close() of an access's descriptor, which no mapping holds. */
void model_close(struct model *model, uint32_t fd);

#endif
