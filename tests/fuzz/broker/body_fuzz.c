/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Request bodies: bytes -> JSON -> every validator. The first byte is part of the body; all
 * validators see every input.
 */
#include "broker/valid.h"
#include "common/json.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_json json_t *o = json_parse(data, size, NULL);
	struct err e = {0};
	struct user_body u;
	struct login_body l;
	struct connect_body c;
	struct enroll_body n;
	int64_t generation, wait_s;
	int bad = 0;

	if (!o)
		return 0;
	bad += valid_user_create(o, &u, &e) != 0;
	bad += valid_user_update(o, &u, &e) != 0;
	bad += valid_pool(o, true, &e) != 0;
	bad += valid_pool(o, false, &e) != 0;
	bad += valid_login(o, &l, &e) != 0;
	bad += valid_connect(o, &c, &e) != 0;
	bad += valid_enroll(o, &n, &e) != 0;
	bad += valid_sync(o, &generation, &wait_s, &e) != 0;
	if (bad && !e.msg[0])
		__builtin_trap(); /* a refusal without a word */
	return 0;
}
