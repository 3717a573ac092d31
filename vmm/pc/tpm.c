/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The registers; see tpm.h. Offsets are those of the profile's table 23. The buffer is read and
 * written as the guest likes, except while a command runs: then writes are dropped.
 */
#include "vmm/pc/tpm.h"

#include <string.h>
#include "common/wire.h"
#include "vmm/layout.h"

enum {
	LOC_STATE = 0x00,
	LOC_CTRL = 0x08,
	LOC_STS = 0x0c,
	INTF_ID = 0x30,
	INTF_VENDOR = 0x34,
	CTRL_REQ = 0x40,
	CTRL_STS = 0x44,
	CTRL_CANCEL = 0x48,
	CTRL_START = 0x4c,
	CMD_SIZE = 0x58,
	CMD_LADDR = 0x5c,
	RSP_SIZE = 0x64,
	RSP_ADDR = 0x68,
	DATA = 0x80
};
_Static_assert(DATA + TPM_BUFFER == VM_TPM_BYTES, "the buffer is the rest of the page");

enum {
	STATE_ESTABLISHED = 1,
	STATE_ASSIGNED = 2,
	STATE_VALID = 0x80,
	LOC_REQUEST = 1,
	LOC_RELINQUISH = 2,
	LOC_GRANTED = 1,
	REQ_READY = 1,
	REQ_IDLE = 2,
	STS_FATAL = 1,
	STS_IDLE = 2
};

/* The interface is CRB, version 1, the only one there is; 64 bytes at once; no idle bypass. The
 * maker is who made the software TPM behind it. */
#define ID     0x00025811u
#define VENDOR 0x1014u

enum {
	TAG_NO_SESSIONS = 0x8001,
	RC_FAILURE = 0x101,
	RC_COMMAND_SIZE = 0x142
};

void tpm_init(struct tpm *t, const struct tpm_host *host)
{
	*t = (struct tpm){.host = *host, .idle = true};
	pthread_mutex_init(&t->lock, NULL);
}

void tpm_fini(struct tpm *t)
{
	pthread_mutex_destroy(&t->lock);
}

/* ---- with the lock held ---------------------------------------------------------------------- */

static void end(struct tpm *t, const uint8_t *p, size_t n)
{
	memcpy(t->buffer, p, n);
	t->busy = t->cancelling = false;
}

static void refuse(struct tpm *t, uint32_t code)
{
	uint8_t r[TPM_HEADER];

	put_be16(r, TAG_NO_SESSIONS);
	put_be32(r + 2, TPM_HEADER);
	put_be32(r + 6, code);
	end(t, r, sizeof(r));
}

static void start(struct tpm *t)
{
	uint32_t n = get_be32(t->buffer + 2);

	if (t->busy || t->idle || !t->granted)
		return;
	t->busy = true;
	if (t->dead)
		refuse(t, RC_FAILURE);
	else if (n < TPM_HEADER || n > TPM_BUFFER)
		refuse(t, RC_COMMAND_SIZE);
	else if (t->host.start(t->host.arg) < 0)
		refuse(t, RC_FAILURE);
}

/* Once a command: the guest may write as often as it likes. */
static void cancel(struct tpm *t)
{
	if (t->busy && !t->cancelling)
		t->cancelling = t->host.cancel(t->host.arg) == 0;
}

static void request(struct tpm *t, uint32_t v)
{
	if (t->busy)
		return;
	if (v & REQ_IDLE)
		t->idle = true;
	else if (v & REQ_READY)
		t->idle = false;
}

static void locality(struct tpm *t, uint32_t v)
{
	if (v & LOC_RELINQUISH)
		t->granted = false;
	else if (v & LOC_REQUEST)
		t->granted = true;
}

static void write_register(struct tpm *t, uint64_t offset, uint32_t v)
{
	switch (offset) {
	case LOC_CTRL:
		locality(t, v);
		break;
	case CTRL_REQ:
		request(t, v);
		break;
	case CTRL_CANCEL:
		if (v & 1)
			cancel(t);
		break;
	case CTRL_START:
		if (v & 1)
			start(t);
		break;
	}
}

static uint32_t read_register(const struct tpm *t, uint64_t offset)
{
	switch (offset) {
	case LOC_STATE:
		return STATE_VALID | (t->granted ? STATE_ASSIGNED : 0) |
		       (t->established ? STATE_ESTABLISHED : 0);
	case LOC_STS:
		return t->granted ? LOC_GRANTED : 0;
	case INTF_ID:
		return ID;
	case INTF_VENDOR:
		return VENDOR;
	case CTRL_STS:
		return (t->idle ? STS_IDLE : 0) | (t->dead ? STS_FATAL : 0);
	case CTRL_CANCEL:
		return t->cancelling;
	case CTRL_START:
		return t->busy;
	case CMD_SIZE:
	case RSP_SIZE:
		return TPM_BUFFER;
	case CMD_LADDR:
	case RSP_ADDR:
		return (uint32_t)VM_TPM + DATA;
	default:
		return 0;
	}
}

/* Registers are 32 bits wide; narrower and wider reads see the bytes that lie there. */
static uint64_t read_registers(const struct tpm *t, uint64_t offset)
{
	uint64_t at = offset & ~3ull;
	uint64_t v = read_register(t, at) | (uint64_t)read_register(t, at + 4) << 32;

	return v >> 8 * (offset & 3);
}

void tpm_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct tpm *t = arg;
	uint8_t bytes[8] = {0};

	pthread_mutex_lock(&t->lock);
	if (offset >= DATA && write) {
		put_le64(bytes, *value);
		if (!t->busy)
			memcpy(t->buffer + (offset - DATA), bytes, size);
	} else if (offset >= DATA) {
		memcpy(bytes, t->buffer + (offset - DATA), size);
		*value = get_le64(bytes);
	} else if (write) {
		write_register(t, offset, (uint32_t)*value);
	} else {
		*value = read_registers(t, offset);
	}
	pthread_mutex_unlock(&t->lock);
}

/* ---- main thread ----------------------------------------------------------------------------- */

size_t tpm_take(struct tpm *t, uint8_t out[TPM_BUFFER])
{
	size_t n = 0;

	pthread_mutex_lock(&t->lock);
	if (t->busy) { /* which keeps the size start() has seen */
		n = get_be32(t->buffer + 2);
		memcpy(out, t->buffer, n);
	}
	pthread_mutex_unlock(&t->lock);
	return n;
}

void tpm_answer(struct tpm *t, const uint8_t *p, size_t n)
{
	pthread_mutex_lock(&t->lock);
	if (t->busy)
		end(t, p, n);
	pthread_mutex_unlock(&t->lock);
}

void tpm_lost(struct tpm *t)
{
	pthread_mutex_lock(&t->lock);
	t->dead = true;
	if (t->busy)
		refuse(t, RC_FAILURE);
	pthread_mutex_unlock(&t->lock);
}
