// SPDX-License-Identifier: Apache-2.0
#include "emu/bus.h"

#include <assert.h>
#include <stddef.h>

const struct register_row *register_find(const struct register_row *rows, uint64_t offset,
					 uint32_t *index)
{
	for (const struct register_row *row = rows; row->name != NULL; row++) {
		uint64_t stride = row->count > 1 ? row->stride : row->width;
		if (offset < row->offset || offset >= row->offset + row->count * stride)
			continue;
		*index = (uint32_t)((offset - row->offset) / stride);
		if ((offset - row->offset) % stride < row->width)
			return row;
	}
	return NULL;
}

void bus_add(struct bus *bus, struct pa base, uint64_t size, const struct mmio_ops *ops,
	     void *owner, const char *name)
{
	assert(bus->count < BUS_REGIONS_MAX);
	bus->regions[bus->count++] = (struct mmio_region){base, size, ops, owner, name};
}

struct mmio_region *bus_find(struct bus *bus, struct pa pa)
{
	for (uint32_t i = 0; i < bus->count; i++)
		if (pa.value - bus->regions[i].base.value < bus->regions[i].size)
			return &bus->regions[i];
	return NULL;
}

static bool well_formed(struct pa pa, unsigned width)
{
	return (width == 4 || width == 8) && pa.value % width == 0;
}

uint64_t bus_read(struct bus *bus, struct pa pa, unsigned width)
{
	struct mmio_region *region = bus_find(bus, pa);
	if (region == NULL || !well_formed(pa, width))
		return 0;
	return region->ops->read(region->owner, pa.value - region->base.value, width);
}

void bus_write(struct bus *bus, struct pa pa, unsigned width, uint64_t value)
{
	struct mmio_region *region = bus_find(bus, pa);
	if (region != NULL && well_formed(pa, width))
		region->ops->write(region->owner, pa.value - region->base.value, width, value);
}
