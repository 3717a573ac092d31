/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Text from headers and fields: tickets and tokens, addresses, UUIDs, X-Pane-Client, paths, and the
 * answers of pane.assign().
 */
#include "broker/assign.h"
#include "broker/route.h"
#include "broker/ticket.h"
#include "broker/valid.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_path(const char *text)
{
	struct req *r = req_new();

	if (!r)
		return;
	strcpy(r->method, "GET");
	snprintf(r->path, sizeof(r->path), "%s", text);
	if (!route_find(r) && r->status != 404 && r->status != 405)
		__builtin_trap();
	req_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[512], hash[DB_HASH_LEN], source[64];
	cleanup_assignment struct assignment a = {0};
	size_t n = size < sizeof(text) - 1 ? size : sizeof(text) - 1;

	memcpy(text, data, n);
	text[n] = 0;
	if (!ticket_hash(TICKET_PREFIX, text, hash) && !ticket_form(TICKET_PREFIX, text))
		__builtin_trap();
	if (!valid_address(text, NULL) && strlen(text) > 71)
		__builtin_trap();
	if (!valid_uuid(text) && strlen(text) != 36)
		__builtin_trap();
	req_source(text, source);
	as_path(text);
	if (!assign_parse(text, &a) && a.kind == ASSIGN_REFUSED && !a.reasons)
		__builtin_trap();
	return 0;
}
