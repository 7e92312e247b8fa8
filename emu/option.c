// SPDX-License-Identifier: Apache-2.0
#include "emu/option.h"

#include <assert.h>
#include <string.h>

uint32_t option_count(const struct option *options)
{
	uint32_t count = 0;
	while (options[count].key != NULL)
		count++;
	return count;
}

uint32_t option_value_count(const struct option *option)
{
	uint32_t count = 0;
	while (count < OPTION_VALUES_MAX && option->values[count].name != NULL)
		count++;
	return count;
}

void option_set_init(struct option_set *set, const struct option *options)
{
	assert(option_count(options) <= OPTIONS_MAX);
	*set = (struct option_set){.options = options};
}

bool option_find(const struct option *options, const char *text, unsigned *option, unsigned *value)
{
	for (*option = 0; options[*option].key != NULL; (*option)++) {
		const struct option *candidate = &options[*option];
		size_t length = strlen(candidate->key);
		if (strncmp(text, candidate->key, length) != 0 || text[length] != '=')
			continue;
		for (*value = 0; *value < option_value_count(candidate); (*value)++)
			if (strcmp(candidate->values[*value].name, text + length + 1) == 0)
				return true;
		return false;
	}
	return false;
}
