/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See ask.h. An answer is kept here until the main thread has taken it; the first one counts.
 */
#include "display/ask.h"

#include <linux/input-event-codes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"

#define CLICK_MS 1000

struct disp_ask {
	struct loop *loop; /* borrowed */
	struct disp_ask_ops ops;
	pthread_mutex_t lock; /* of what follows */
	char id[DISP_ASK_ID]; /* "" = no question is open */
	struct surface_rect where;
	int64_t since_ms;
	bool helped;
	char done[DISP_ASK_ID]; /* answered, and not taken yet; "" = none */
	bool yes, end;
};

static void on_news(void *arg)
{
	struct disp_ask *a = arg;
	char id[DISP_ASK_ID];
	bool yes, end;

	pthread_mutex_lock(&a->lock);
	memcpy(id, a->done, sizeof(id));
	yes = a->yes;
	end = a->end;
	a->done[0] = '\0';
	a->end = false;
	pthread_mutex_unlock(&a->lock);
	if (id[0] && a->ops.answered)
		a->ops.answered(a->ops.arg, id, yes);
	if (end && a->ops.end)
		a->ops.end(a->ops.arg);
}

static void tell(struct disp_ask *a)
{
	if (loop_post(a->loop, on_news, a) < 0)
		log_warn("ask.answer", "error=\"cannot wake the main loop\"");
}

/* With the lock. */
static void answer(struct disp_ask *a, bool yes)
{
	memcpy(a->done, a->id, sizeof(a->done));
	a->yes = yes;
	a->id[0] = '\0';
	tell(a);
}

bool disp_ask_key(struct disp_ask *a, uint32_t code)
{
	bool ours = false;

	if (code != KEY_F9 && code != KEY_F10)
		return false;
	pthread_mutex_lock(&a->lock);
	if (a->id[0]) {
		answer(a, code == KEY_F9);
		ours = true;
	} else if (a->helped && code == KEY_F10) {
		a->end = ours = true;
		tell(a);
	}
	pthread_mutex_unlock(&a->lock);
	return ours;
}

bool disp_ask_click(struct disp_ask *a, uint32_t x, uint32_t y, int64_t now_ms)
{
	bool ours;

	pthread_mutex_lock(&a->lock);
	ours = a->id[0] && now_ms - a->since_ms >= CLICK_MS && (int64_t)x >= a->where.x &&
	       (int64_t)y >= a->where.y && (int64_t)x < (int64_t)a->where.x + a->where.width &&
	       (int64_t)y < (int64_t)a->where.y + a->where.height;
	if (ours)
		answer(a, true);
	pthread_mutex_unlock(&a->lock);
	return ours;
}

void disp_ask_show(struct disp_ask *a, const char *id, struct surface_rect where, int64_t since_ms)
{
	pthread_mutex_lock(&a->lock);
	snprintf(a->id, sizeof(a->id), "%s", id ? id : "");
	a->where = where;
	a->since_ms = since_ms;
	pthread_mutex_unlock(&a->lock);
}

void disp_ask_helped(struct disp_ask *a, bool helped)
{
	pthread_mutex_lock(&a->lock);
	a->helped = helped;
	pthread_mutex_unlock(&a->lock);
}

void disp_ask_set_ops(struct disp_ask *a, const struct disp_ask_ops *ops)
{
	a->ops = *ops;
}

struct disp_ask *disp_ask_new(struct loop *l)
{
	struct disp_ask *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->loop = l;
	pthread_mutex_init(&a->lock, NULL);
	return a;
}

void disp_ask_free(struct disp_ask *a)
{
	if (!a)
		return;
	pthread_mutex_destroy(&a->lock);
	free(a);
}
