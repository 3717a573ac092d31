/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The input queue; see inputq.h. Pushed by the GTK thread, popped by the session thread.
 */
#include "clients/thin/inputq.h"

#include <string.h>

void thin_inputq_init(struct thin_inputq *q)
{
	memset(q, 0, sizeof(*q));
	pthread_mutex_init(&q->lock, NULL);
}

void thin_inputq_fini(struct thin_inputq *q)
{
	pthread_mutex_destroy(&q->lock);
}

static struct thin_input *at(struct thin_inputq *q, unsigned i)
{
	return &q->item[(q->head + i) % THIN_INPUTQ_MAX];
}

/* Two moves, or two resizes, in a row: only the later one matters. */
static bool merges(const struct thin_input *a, const struct thin_input *b)
{
	return a->type == b->type && (a->type == THIN_INPUT_MOVE || a->type == THIN_INPUT_RESIZE);
}

void thin_inputq_push(struct thin_inputq *q, const struct thin_input *in)
{
	pthread_mutex_lock(&q->lock);
	if (q->len && merges(at(q, q->len - 1), in)) {
		*at(q, q->len - 1) = *in;
	} else {
		if (q->len == THIN_INPUTQ_MAX) {
			q->head = (q->head + THIN_INPUTQ_MAX / 2) % THIN_INPUTQ_MAX;
			q->len -= THIN_INPUTQ_MAX / 2;
			q->lost = true;
		}
		*at(q, q->len++) = *in;
	}
	pthread_mutex_unlock(&q->lock);
}

bool thin_inputq_pop(struct thin_inputq *q, struct thin_input *out)
{
	bool got = true;

	pthread_mutex_lock(&q->lock);
	if (q->lost) {
		q->lost = false;
		*out = (struct thin_input){.type = THIN_INPUT_RELEASE};
	} else if (q->len) {
		*out = *at(q, 0);
		q->head = (q->head + 1) % THIN_INPUTQ_MAX;
		q->len--;
	} else {
		got = false;
	}
	pthread_mutex_unlock(&q->lock);
	return got;
}
