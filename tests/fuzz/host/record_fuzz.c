/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any bytes as a desktop's state.json: refused, or a record that is written back the same.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "common/json.h"
#include "vmm/host/desktop.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	json_t *j = json_parse(p, n, NULL), *k;
	struct host_record a, b;

	if (j && host_record_parse(j, &a, NULL) == 0) {
		assert(host_uuid_ok(a.order.id) && host_name_ok(a.order.image));
		k = host_record_json(&a);
		assert(k && host_record_parse(k, &b, NULL) == 0);
		assert(a.vmm_pid == b.vmm_pid && strcmp(a.reason, b.reason) == 0);
		json_decref(k);
	}
	json_decref(j);
	return 0;
}
