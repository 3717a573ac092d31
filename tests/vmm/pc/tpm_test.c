/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/pc/tpm.c as a driver sees it, and vmm/pc/swtpm.c with a TPM behind it that may say anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/sock.h"
#include "common/wire.h"
#include "vmm/layout.h"
#include "vmm/pc/swtpm.h"
#include "vmm/pc/tpm.h"

enum {
	LOC_STATE = 0x00,
	LOC_CTRL = 0x08,
	LOC_STS = 0x0c,
	INTF_ID = 0x30,
	CTRL_REQ = 0x40,
	CTRL_STS = 0x44,
	CTRL_CANCEL = 0x48,
	CTRL_START = 0x4c,
	DATA = 0x80
};

static void put(struct tpm *t, unsigned at, uint32_t v)
{
	uint64_t value = v;

	tpm_access(t, true, at, 4, &value);
}

static uint32_t get(struct tpm *t, unsigned at)
{
	uint64_t value = ~0ull;

	tpm_access(t, false, at, 4, &value);
	return (uint32_t)value;
}

/* A command of n bytes as its header says, from locality 0. */
static void ask(struct tpm *t, uint32_t n)
{
	uint8_t c[TPM_HEADER] = {0x80, 1};
	uint64_t value;

	put_be32(c + 2, n);
	put_be32(c + 6, 0x17b);
	put(t, LOC_CTRL, 1);
	put(t, CTRL_REQ, 1);
	value = get_le64(c);
	tpm_access(t, true, DATA, 8, &value);
	value = get_le16(c + 8);
	tpm_access(t, true, DATA + 8, 2, &value);
	put(t, CTRL_START, 1);
}

/* The code of the response in the buffer. */
static uint32_t code(struct tpm *t)
{
	uint8_t r[TPM_HEADER];

	for (unsigned i = 0; i < sizeof(r); i++) {
		uint64_t value = 0;

		tpm_access(t, false, DATA + i, 1, &value);
		r[i] = (uint8_t)value;
	}
	assert_int_equal(get_be16(r), 0x8001);
	return get_be32(r + 6);
}

/* ---- registers ------------------------------------------------------------------------------- */

struct counts {
	unsigned starts, cancels;
	int error;
};

static int count_start(void *arg)
{
	((struct counts *)arg)->starts++;
	return ((struct counts *)arg)->error;
}

static int count_cancel(void *arg)
{
	((struct counts *)arg)->cancels++;
	return 0;
}

static void counted(struct tpm *t, struct counts *c)
{
	const struct tpm_host host = {.start = count_start, .cancel = count_cancel, .arg = c};

	*c = (struct counts){0};
	tpm_init(t, &host);
}

static void test_found(void **state)
{
	struct counts c;
	struct tpm t;
	uint64_t v = 0;

	(void)state;
	counted(&t, &c);
	assert_int_equal(get(&t, INTF_ID) & 15, 1);	 /* CRB */
	assert_int_equal(get(&t, INTF_ID) >> 17 & 3, 1); /* and it is chosen */
	tpm_access(&t, false, 0x58, 8, &v);
	assert_int_equal(v, TPM_BUFFER | (uint64_t)(VM_TPM + DATA) << 32);
	assert_int_equal(get(&t, LOC_STATE), 0x80);
	put(&t, LOC_CTRL, 1);
	assert_int_equal(get(&t, LOC_STATE), 0x82);
	assert_int_equal(get(&t, LOC_STS), 1);
	assert_int_equal(get(&t, CTRL_STS), 2);
	put(&t, CTRL_REQ, 1);
	assert_int_equal(get(&t, CTRL_STS), 0);
	put(&t, LOC_CTRL, 2);
	assert_int_equal(get(&t, LOC_STS), 0);
	tpm_fini(&t);
}

static void test_command(void **state)
{
	uint8_t command[TPM_BUFFER] = {0}, answer[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 0, 7, 1, 2};
	struct counts c;
	struct tpm t;

	(void)state;
	counted(&t, &c);
	assert_int_equal(tpm_take(&t, command), 0);
	ask(&t, 12);
	assert_int_equal(c.starts, 1);
	assert_int_equal(get(&t, CTRL_START), 1);
	put(&t, DATA, 0xffffffff); /* it is the TPM's now */
	put(&t, CTRL_START, 1);
	assert_int_equal(c.starts, 1);
	assert_int_equal(tpm_take(&t, command), 12);
	assert_int_equal(command[0], 0x80);
	for (unsigned i = 0; i < 3; i++)
		put(&t, CTRL_CANCEL, 1);
	assert_int_equal(c.cancels, 1);
	tpm_answer(&t, answer, sizeof(answer));
	assert_int_equal(get(&t, CTRL_START), 0);
	assert_int_equal(code(&t), 7);
	put(&t, CTRL_CANCEL, 1); /* nothing runs */
	assert_int_equal(c.cancels, 1);
	tpm_fini(&t);
}

/* What cannot be a command never leaves, and is answered. */
static void test_no_command(void **state)
{
	static const uint32_t sizes[] = {0, TPM_HEADER - 1, TPM_BUFFER + 1, 0xffffffff};
	struct counts c;
	struct tpm t;

	(void)state;
	counted(&t, &c);
	put(&t, CTRL_START, 1); /* from nobody */
	put(&t, LOC_CTRL, 1);
	put(&t, CTRL_START, 1); /* while idle */
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ask(&t, sizes[i]);
		assert_int_equal(get(&t, CTRL_START), 0);
		assert_int_equal(code(&t), 0x142);
	}
	assert_int_equal(c.starts, 0);
	c.error = -ENOMEM;
	ask(&t, 12);
	assert_int_equal(code(&t), 0x101);
	c.error = 0;
	ask(&t, 12);
	assert_int_equal(get(&t, CTRL_START), 1);
	tpm_lost(&t);
	assert_int_equal(get(&t, CTRL_START), 0);
	assert_int_equal(code(&t), 0x101);
	assert_int_equal(get(&t, CTRL_STS) & 1, 1);
	c.starts = 0;
	ask(&t, 12);
	assert_int_equal(code(&t), 0x101);
	assert_int_equal(c.starts, 0);
	tpm_fini(&t);
}

/* ---- swtpm ----------------------------------------------------------------------------------- */

/* One that is started by the book, then does as the test says by control and data. */
struct fake {
	char folder[32], path[64];
	int listener, control, data;
	uint32_t refuse; /* this order */
	uint16_t tag;	 /* of its first response */
	pthread_t thread;

	struct loop *loop;
	struct tpm tpm;
	struct swtpm *swtpm;
	bool (*until)(struct fake *f);
	bool late;
};

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 30000) == 1;
}

static bool take(int fd, void *p, size_t n)
{
	return readable(fd) && recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

/* An order's number, its argument read; 0 at the end. */
static uint32_t next_order(struct fake *f)
{
	static const uint8_t arguments[32] = {[2] = 4, [5] = 4, [17] = 4};
	uint8_t order[4], argument[4];
	int passed = -1;

	if (!readable(f->control) || sock_recv_fd(f->control, order, 4, &passed) != 4)
		return 0;
	if (passed >= 0)
		f->data = passed;
	if (arguments[order[3] & 31] && !take(f->control, argument, 4))
		return 0;
	return get_be32(order);
}

static void *begin(void *arg)
{
	static const uint8_t sizes[32] = {[1] = 8, [2] = 4, [4] = 8, [5] = 4, [16] = 4, [17] = 16};
	struct fake *f = arg;
	char peer[SOCK_ADDR_MAX];
	uint8_t command[TPM_HEADER], answer[16];
	uint32_t order = 0;

	if (!readable(f->listener))
		return NULL;
	f->control = sock_accept(f->listener, peer);
	while (order != 4 && (order = next_order(f))) {
		memset(answer, 0, sizeof(answer));
		if (order == 1)
			put_be32(answer + 4, 0xffff);
		else if (order == 17)
			put_be32(answer + 4, TPM_BUFFER);
		if (order == f->refuse)
			put_be32(answer, 9);
		if (send(f->control, answer, sizes[order & 31], MSG_NOSIGNAL) < 0)
			return NULL;
	}
	if (!order || !take(f->data, command, sizeof(command)))
		return NULL;
	put_be16(answer, f->tag);
	put_be32(answer + 2, TPM_HEADER);
	put_be32(answer + 6, 0x100);
	(void)!send(f->data, answer, TPM_HEADER, MSG_NOSIGNAL);
	return NULL;
}

static void start(struct fake *f, struct err *e)
{
	const struct tpm_host none = {0};
	char address[80];

	strcpy(f->folder, "/tmp/pane-tpm-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/control", f->folder);
	snprintf(address, sizeof(address), "unix:%s", f->path);
	f->control = f->data = -1;
	f->listener = sock_listen(address, SOCK_STREAM, false, 0600, NULL);
	assert_true(f->listener >= 0);
	assert_int_equal(pthread_create(&f->thread, NULL, begin, f), 0);
	f->loop = loop_new();
	tpm_init(&f->tpm, &none);
	f->swtpm = swtpm_new(f->path, f->loop, &f->tpm, e);
	if (!f->swtpm) {
		close(f->listener); /* whom nobody calls any more */
		f->listener = -1;
	}
	pthread_join(f->thread, NULL);
}

static void finish(struct fake *f)
{
	uint8_t order[4] = {0};

	swtpm_free(f->swtpm);
	if (f->control >= 0 && f->swtpm && take(f->control, order, 4))
		assert_int_equal(get_be32(order), 3); /* it is switched off */
	tpm_fini(&f->tpm);
	loop_free(f->loop);
	if (f->listener >= 0)
		close(f->listener);
	if (f->control >= 0)
		close(f->control);
	if (f->data >= 0)
		close(f->data);
	unlink(f->path);
	rmdir(f->folder);
}

static void look(void *arg)
{
	struct fake *f = arg;

	if (f->until(f))
		loop_stop(f->loop);
}

static void too_late(void *arg)
{
	struct fake *f = arg;

	f->late = true;
	loop_stop(f->loop);
}

static void run_until(struct fake *f, bool (*until)(struct fake *f))
{
	struct loop_timer *limit = loop_timer_add(f->loop, 30000, too_late, f);

	f->until = until;
	loop_before_wait(f->loop, look, f);
	assert_int_equal(loop_run(f->loop), 0);
	loop_timer_del(limit);
	assert_false(f->late);
}

static bool answered(struct fake *f)
{
	return !get(&f->tpm, CTRL_START);
}

static bool dead(struct fake *f)
{
	return get(&f->tpm, CTRL_STS) & 1;
}

static bool arrived(struct fake *f)
{
	struct pollfd p = {.fd = f->data, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static bool ordered(struct fake *f)
{
	struct pollfd p = {.fd = f->control, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void test_answers(void **state)
{
	uint8_t command[TPM_BUFFER] = {0},
		answer[TPM_BUFFER] = {0x80, 1, 0, 0, 0xf, 0x80, 0, 0, 0, 5};
	struct fake f = {.tag = 0x8001};
	uint8_t cancel[4] = {0}, result[4] = {0};

	(void)state;
	start(&f, NULL);
	assert_non_null(f.swtpm);
	for (unsigned i = 0; i < 3; i++) {
		ask(&f.tpm, TPM_BUFFER);
		run_until(&f, arrived);
		assert_true(take(f.data, command, TPM_BUFFER));
		assert_int_equal(get_be32(command + 2), TPM_BUFFER);
		put(&f.tpm, CTRL_CANCEL, 1);
		run_until(&f, ordered);
		assert_true(take(f.control, cancel, 4));
		assert_int_equal(get_be32(cancel), 9);
		assert_int_equal(send(f.control, result, 4, 0), 4);
		assert_int_equal(send(f.data, answer, 4, 0), 4); /* in pieces */
		assert_int_equal(send(f.data, answer + 4, TPM_BUFFER - 4, 0), TPM_BUFFER - 4);
		run_until(&f, answered);
		assert_int_equal(code(&f.tpm), 5);
	}
	assert_false(dead(&f));
	finish(&f);
}

/* Each is let go of, and the guest is told. */
static void test_hostile(void **state)
{
	static const uint32_t sizes[] = {0, TPM_HEADER - 1, TPM_BUFFER + 1, 0xffffffff};
	uint8_t answer[TPM_HEADER] = {0x80, 1};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct fake f = {.tag = 0x8001};

		start(&f, NULL);
		ask(&f.tpm, 12);
		run_until(&f, arrived);
		put_be32(answer + 2, sizes[i]);
		assert_int_equal(send(f.data, answer, sizeof(answer), 0), sizeof(answer));
		run_until(&f, dead);
		assert_int_equal(code(&f.tpm), 0x101);
		finish(&f);
	}
	for (unsigned i = 0; i < 4; i++) {
		struct fake f = {.tag = 0x8001};

		start(&f, NULL);
		if (i % 2)
			ask(&f.tpm, 12);
		if (i == 0) /* speaks unasked */
			assert_int_equal(send(f.data, answer, sizeof(answer), 0), sizeof(answer));
		else
			shutdown(i == 1 ? f.data : f.control, SHUT_RDWR);
		run_until(&f, dead);
		ask(&f.tpm, 12);
		assert_int_equal(code(&f.tpm), 0x101);
		finish(&f);
	}
}

static void test_not_started(void **state)
{
	static const uint32_t orders[] = {2, 4, 5, 16, 17};
	struct err e = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct fake f = {.tag = 0x8001, .refuse = orders[i]};

		start(&f, &e);
		assert_null(f.swtpm);
		assert_non_null(strstr(e.msg, "refused with 9"));
		finish(&f);
	}

	struct fake old = {.tag = 0xc4};

	start(&old, &e);
	assert_null(old.swtpm);
	assert_non_null(strstr(e.msg, "no TPM 2.0"));
	finish(&old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),	   cmocka_unit_test(test_command),
		cmocka_unit_test(test_no_command), cmocka_unit_test(test_answers),
		cmocka_unit_test(test_hostile),	   cmocka_unit_test(test_not_started),
	};

	return cmocka_run_group_tests_name("tpm: registers, and what swtpm says", tests, NULL,
					   NULL);
}
