/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any bytes as a descriptor: refused, or hardware whose files have plain names.
 */
#include <assert.h>
#include <string.h>
#include "vmm/image/ovf.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct ovf o;

	if (ovf_parse((const char *)p, n, &o, NULL) < 0)
		return 0;
	assert(o.files <= IMG_MEMBERS_MAX && o.disks <= OVF_DISKS_MAX);
	for (size_t i = 0; i < o.files; i++)
		assert(img_plain_name(o.file[i].href));
	for (size_t i = 0; i < o.disks; i++)
		assert(!o.disk[i].href[0] || img_plain_name(o.disk[i].href));
	return 0;
}
