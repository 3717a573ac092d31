/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A login provider's answer: the keys, a line break, and the token they should have signed. None is
 * ever signed here, so none is ever taken.
 */
#include "broker/jwt.h"
#include "common/json.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	cleanup_json json_t *jwks = NULL, *claims = NULL;
	struct jwt_expect x = {"https://i", "pane", "n", 1000000};
	cleanup_free char *token = NULL;
	struct err e = {0};

	if (!end)
		return 0;
	jwks = json_loadb((const char *)data, (size_t)(end - data), 0, NULL);
	token = strndup((const char *)end + 1, size - (size_t)(end - data) - 1);
	if (token && !jwt_verify(token, jwks, &claims, &e) && !jwt_check(claims, &x, &e))
		__builtin_trap();
	(void)!jwt_check(jwks, &x, &e);
	return 0;
}
