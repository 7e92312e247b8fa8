/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout of every ioctl's argument, field by field: one table for the dispatcher's size rules and
 * for traces (names, offsets, what is a descriptor or a user address).
 */
#ifndef HWQ_KERNEL_SHIM_UAPI_LAYOUT_H
#define HWQ_KERNEL_SHIM_UAPI_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

enum field_kind {
	FIELD_NUMBER,
	FIELD_RESERVED, /* traces show it only when it is not zero */
	FIELD_VA,       /* a user address */
	FIELD_DATA,     /* a user address whose contents traces show */
	FIELD_FD,       /* a descriptor */
	FIELD_TEST_OP,  /* the operation of IOMMU_TEST_CMD, by name */
};

struct field_layout {
	const char *name;
	uint16_t offset; /* bytes */
	uint8_t width;   /* bytes */
	uint8_t kind;    /* enum field_kind */
};

enum argument_kind {
	ARGUMENT_STRUCT, /* pointer to a struct that begins with its size */
	ARGUMENT_SCALAR,
};

struct ioctl_layout {
	const char *name;
	const char *section; /* of the iommufd sheet */
	uint32_t cmd;
	uint16_t size;                     /* of the known struct */
	uint16_t min_size;                 /* below: EINVAL */
	uint8_t argument;                  /* enum argument_kind */
	const struct field_layout *fields; /* ended by a NULL name */
};

struct test_op_layout {
	const char *name;
	uint32_t op;
	const struct field_layout *fields; /* of the union: "member.field" */
};

const struct ioctl_layout *ioctl_layout_by_name(const char *name, size_t length);
const struct ioctl_layout *ioctl_layout_by_cmd(uint32_t cmd);
const struct test_op_layout *test_op_layout_by_name(const char *name, size_t length);
const struct test_op_layout *test_op_layout_by_op(uint32_t op);
/* The INDEX-th row, or NULL past the end. */
const struct ioctl_layout *ioctl_layout_at(size_t index);

#endif
