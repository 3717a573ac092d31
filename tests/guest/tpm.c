/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A driver for the command response buffer interface (vmm/pc/tpm.h), as one is written from the
 * profile: locality, ready, command, start, response, idle.
 */
#include "tests/guest/tpm.h"

#include "tests/guest/hw.h"
#include "vmm/layout.h"

enum {
	HEADER = 10,
	LOC_STATE = 0x00,
	LOC_CTRL = 0x08,
	LOC_STS = 0x0c,
	CTRL_REQ = 0x40,
	CTRL_STS = 0x44,
	CTRL_START = 0x4c,
	CMD_LADDR = 0x5c,
	RSP_ADDR = 0x68
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The code of the response, of which n bytes are copied. */
static uint32_t command(const uint8_t *bytes, unsigned size, uint8_t *response, unsigned n)
{
	uint64_t to = mmio_read32(VM_TPM + CMD_LADDR), from = mmio_read32(VM_TPM + RSP_ADDR);

	mmio_write32(VM_TPM + CTRL_REQ, 1);
	for (unsigned i = 0; i < size; i++)
		mmio_write8(to + i, bytes[i]);
	mmio_write32(VM_TPM + CTRL_START, 1);
	while (mmio_read32(VM_TPM + CTRL_START))
		continue;
	for (unsigned i = 0; i < n; i++)
		response[i] = mmio_read8(from + i);
	return be32(response + 6);
}

void tpm_ask(void)
{
	/* TPM 2.0 library, part 3: Startup(CLEAR), GetRandom(16) */
	static const uint8_t startup[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0};
	static const uint8_t get_random[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 16};
	uint8_t response[HEADER + 2 + 16];
	uint64_t random[2];

	if (mmio_read32(VM_TPM + LOC_STATE) == 0xffffffff) {
		print("tpm none\n");
		return;
	}
	mmio_write32(VM_TPM + LOC_CTRL, 1);
	if (!(mmio_read32(VM_TPM + LOC_STS) & 1)) {
		print("tpm refuses its locality\n");
		return;
	}
	print("tpm startup %x\n", command(startup, sizeof(startup), response, HEADER));

	uint32_t code = command(get_random, sizeof(get_random), response, sizeof(response));

	memcpy(random, response + HEADER + 2, sizeof(random));
	if (mmio_read32(VM_TPM + CTRL_STS) & 1)
		print("tpm failed %x\n", code);
	else
		print("tpm random %x %X %X\n", code, random[0], random[1]);
	mmio_write32(VM_TPM + CTRL_REQ, 2);
	mmio_write32(VM_TPM + LOC_CTRL, 2);
}
