/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * YAML files as JSON values and back, by libyaml.
 */
#ifndef PANE_CLI_YAML_H
#define PANE_CLI_YAML_H

#include <jansson.h>
#include <stdio.h>
#include "common/cleanup.h"
#include "common/err.h"

/* Every document of the text, in a new array. Plain scalars that look like a number, true, false or
 * null are one, quoted ones are text. */
int cli_yaml_read(const char *text, size_t n, json_t **out, struct err *e) must_check;
/* Each item of the array as a document. */
int cli_yaml_write(FILE *out, json_t *items) must_check;

#endif
