/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any bytes where a gateway's preface should be. The key is new in every run, so nothing can be let
 * in.
 */
#include <assert.h>
#include <stdint.h>
#include "common/preface.h"
#include "vmm/host/door.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static EVP_PKEY *key;
	struct host_door_check c = {.host = "3f0e0c7c-0000-4000-8000-000000000001", .now_s = 1};
	json_t *o = NULL;
	struct grant g;
	int r;

	if (!key)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	c.key = key;
	r = preface_take(p, n, &o, NULL);
	assert(r <= (int)n);
	if (r > 0)
		assert(host_door_preface(o, &c, &g, NULL) < 0);
	json_decref(o);
	return 0;
}
