/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A TPM driver and a TPM that do anything: register accesses, and what comes back. Records of 8
 * bytes: {what, size, address 16, value 32}.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/wire.h"
#include "vmm/layout.h"
#include "vmm/pc/tpm.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum {
	RECORD = 8
};

struct counts {
	unsigned started, cancelled;
};

static int start(void *arg)
{
	return ++((struct counts *)arg)->started % 7 ? 0 : -12;
}

static int cancel(void *arg)
{
	((struct counts *)arg)->cancelled++;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct tpm t;
	static uint8_t bytes[TPM_BUFFER];
	struct counts c = {0};
	const struct tpm_host host = {.start = start, .cancel = cancel, .arg = &c};

	tpm_init(&t, &host);
	for (; n >= RECORD; p += RECORD, n -= RECORD) {
		unsigned size = 1u << (p[1] & 3);
		uint64_t at = (get_le16(p + 2) & (VM_TPM_BYTES - 1)) & ~(uint64_t)(size - 1);
		uint64_t v = get_le32(p + 4) | (uint64_t)get_le32(p + 4) << 32;
		size_t k;

		switch (p[0] & 7) {
		case 0:
		case 1:
		case 2:
			tpm_access(&t, true, at, size, &v);
			break;
		case 3:
		case 4:
			tpm_access(&t, false, at, size, &v);
			break;
		case 5:
			k = tpm_take(&t, bytes);
			assert(!k || (k >= TPM_HEADER && k <= TPM_BUFFER));
			break;
		case 6:
			memset(bytes, p[4], sizeof(bytes));
			k = TPM_HEADER + get_le16(p + 4) % (TPM_BUFFER - TPM_HEADER + 1);
			tpm_answer(&t, bytes, k);
			v = 1;
			tpm_access(&t, false, 0x4c, 4, &v);
			assert(v == 0);
			break;
		default:
			if (p[1] == 0xff)
				tpm_lost(&t);
		}
		assert(c.cancelled <= c.started);
	}
	tpm_fini(&t);
	return 0;
}
