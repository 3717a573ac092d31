/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any bytes as a sync reply: refused, or understood with every identifier safe as a file name.
 */
#include <assert.h>
#include <stdint.h>
#include "common/json.h"
#include "vmm/host/orders.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	json_t *j = json_parse(p, n, NULL);
	struct host_orders o;

	if (j && host_orders_parse(j, &o, NULL) == 0) {
		for (size_t i = 0; i < o.n; i++) {
			assert(host_uuid_ok(o.v[i].id));
			assert(o.v[i].want == HOST_WANT_ABSENT ||
			       (host_name_ok(o.v[i].name) && host_name_ok(o.v[i].image)));
		}
		host_orders_free(&o);
	}
	json_decref(j);
	return 0;
}
