/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See form.h. Fields grow and shrink at their end only: a name and a password need no more.
 */
#include "display/lobby/form.h"

#include <errno.h>
#include <string.h>
#include <xkbcommon/xkbcommon-keysyms.h>
#include "common/json.h"
#include "common/language.h"

void lobby_form_init(struct lobby_form *f, const char *user)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->text[LOBBY_USER], LOBBY_TEXT, "%s", user);
	f->focus = user[0] ? LOBBY_PASSWORD : LOBBY_USER;
}

void lobby_form_wipe(struct lobby_form *f)
{
	explicit_bzero(f->text[LOBBY_PASSWORD], LOBBY_TEXT);
	explicit_bzero(f->text[LOBBY_CODE], LOBBY_TEXT);
}

/* ---- what is shown ---- */

static int show_form(struct lobby_form *f, json_t *o, struct err *e)
{
	const char *user = "";
	bool code = false;
	int r = json_opt_str(o, "user", LOBBY_TEXT - 1, &user, e);

	if (!r)
		r = json_opt_bool(o, "code", &code, e);
	if (r)
		return r;
	if (!f->text[LOBBY_USER][0])
		snprintf(f->text[LOBBY_USER], LOBBY_TEXT, "%s", user);
	f->asks_code = f->asks_code || code;
	lobby_form_wipe(f);
	f->mode = LOBBY_FORM;
	f->focus = f->text[LOBBY_USER][0] ? LOBBY_PASSWORD : LOBBY_USER;
	f->trouble = f->message[0] != '\0';
	return 0;
}

static int show_choose(struct lobby_form *f, json_t *o, struct err *e)
{
	json_t *list, *name;
	size_t i;
	int r = json_need_array(o, "desktops", &list, e);

	if (r)
		return r;
	f->n_desktops = f->selected = f->first = 0;
	json_array_foreach(list, i, name)
	{
		const char *s = json_string_value(name);

		if (s && strlen(s) < LOBBY_NAME && f->n_desktops < LOBBY_DESKTOPS)
			memcpy(f->desktop[f->n_desktops++], s, strlen(s) + 1);
	}
	if (!f->n_desktops)
		return err_set(e, -EINVAL, "a choice of nothing");
	f->mode = LOBBY_CHOOSE;
	f->focus = LOBBY_LIST;
	f->trouble = false;
	return 0;
}

static int show_wait(struct lobby_form *f, json_t *o, int64_t now_ms, struct err *e)
{
	int64_t percent = 0;
	int r = json_opt_int(o, "percent", 0, 100, &percent, e);

	if (r)
		return r;
	if (f->mode != LOBBY_WAIT)
		f->since_ms = now_ms;
	f->mode = LOBBY_WAIT;
	f->focus = LOBBY_LEAVE;
	f->trouble = false;
	f->percent = (int)percent;
	return 0;
}

int lobby_form_show(struct lobby_form *f, json_t *o, int64_t now_ms, struct err *e)
{
	const char *what, *message = "";
	int r = json_need_str(o, "show", 1, 16, &what, e);

	if (!r)
		r = json_opt_str(o, "message", LOBBY_MESSAGE - 1, &message, e);
	if (r)
		return r;
	f->busy = false;
	language_said(message, f->message, sizeof(f->message));
	if (!strcmp(what, "form"))
		return show_form(f, o, e);
	if (!strcmp(what, "choose"))
		return show_choose(f, o, e);
	if (!strcmp(what, "wait"))
		return show_wait(f, o, now_ms, e);
	return err_set(e, -EINVAL, "there is no such thing to show");
}

/* ---- what the user does ---- */

static bool shown(const struct lobby_form *f, enum lobby_part p)
{
	switch (p) {
	case LOBBY_USER:
	case LOBBY_PASSWORD:
		return f->mode == LOBBY_FORM;
	case LOBBY_CODE:
		return f->mode == LOBBY_FORM && f->asks_code;
	case LOBBY_LIST:
		return f->mode == LOBBY_CHOOSE;
	case LOBBY_GO:
		return f->mode != LOBBY_WAIT;
	default:
		return true;
	}
}

static enum lobby_wish move_focus(struct lobby_form *f, int step)
{
	do
		f->focus = (enum lobby_part)(((int)f->focus + step + LOBBY_PARTS) % LOBBY_PARTS);
	while (!shown(f, f->focus));
	return LOBBY_REDRAW;
}

static enum lobby_wish select_row(struct lobby_form *f, int step)
{
	int to = (int)f->selected + step;

	f->selected = to < 0 ? 0 : to >= (int)f->n_desktops ? f->n_desktops - 1 : (unsigned)to;
	if (f->selected < f->first)
		f->first = f->selected;
	else if (f->n_rows && f->selected >= f->first + f->n_rows)
		f->first = f->selected - f->n_rows + 1;
	return LOBBY_REDRAW;
}

static enum lobby_wish go(struct lobby_form *f)
{
	if (f->mode == LOBBY_WAIT || f->busy)
		return LOBBY_NOTHING;
	if (f->mode == LOBBY_CHOOSE) {
		f->busy = true;
		return LOBBY_CHOSE;
	}
	if (!f->text[LOBBY_USER][0]) {
		f->focus = LOBBY_USER;
		return LOBBY_REDRAW;
	}
	f->busy = true;
	return LOBBY_TRY;
}

/* From a field that is not the last one, Enter goes on to the next empty one. */
static enum lobby_wish enter(struct lobby_form *f)
{
	enum lobby_part last = f->asks_code ? LOBBY_CODE : LOBBY_PASSWORD;

	if (f->focus == LOBBY_LEAVE)
		return LOBBY_CANCELLED;
	if (f->mode == LOBBY_FORM && f->focus < last && !f->text[f->focus + 1][0])
		return move_focus(f, 1);
	return go(f);
}

static bool is_field(enum lobby_part p)
{
	return p <= LOBBY_CODE;
}

/* The last character goes, whole. */
static enum lobby_wish erase(struct lobby_form *f)
{
	char *t = f->text[f->focus];
	size_t n = strlen(t);

	while (n && ((uint8_t)t[--n] & 0xC0) == 0x80)
		t[n] = '\0';
	t[n] = '\0';
	return LOBBY_REDRAW;
}

static enum lobby_wish type(struct lobby_form *f, const char *utf8)
{
	char *t = f->text[f->focus];
	size_t have = strlen(t), n = strlen(utf8);

	if ((uint8_t)utf8[0] < ' ' || utf8[0] == 0x7F || have + n >= LOBBY_TEXT)
		return LOBBY_NOTHING;
	memcpy(t + have, utf8, n + 1);
	return LOBBY_REDRAW;
}

static enum lobby_wish edit(struct lobby_form *f, uint32_t keysym, const char *utf8, bool control)
{
	if (keysym == XKB_KEY_BackSpace)
		return erase(f);
	if (keysym == XKB_KEY_Delete || (control && (keysym | 0x20) == XKB_KEY_u)) {
		explicit_bzero(f->text[f->focus], LOBBY_TEXT);
		return LOBBY_REDRAW;
	}
	return control || !utf8[0] ? LOBBY_NOTHING : type(f, utf8);
}

enum lobby_wish lobby_form_key(struct lobby_form *f, uint32_t keysym, const char *utf8, bool shift,
			       bool control)
{
	switch (keysym) {
	case XKB_KEY_Escape:
		return LOBBY_CANCELLED;
	case XKB_KEY_Tab:
	case XKB_KEY_ISO_Left_Tab:
		return move_focus(f, shift || keysym == XKB_KEY_ISO_Left_Tab ? -1 : 1);
	case XKB_KEY_Return:
	case XKB_KEY_KP_Enter:
		return enter(f);
	case XKB_KEY_Down:
	case XKB_KEY_KP_Down:
		return f->focus == LOBBY_LIST ? select_row(f, 1) : move_focus(f, 1);
	case XKB_KEY_Up:
	case XKB_KEY_KP_Up:
		return f->focus == LOBBY_LIST ? select_row(f, -1) : move_focus(f, -1);
	case XKB_KEY_space:
		if (f->focus == LOBBY_GO || f->focus == LOBBY_LEAVE)
			return enter(f);
		break;
	default:
		break;
	}
	return is_field(f->focus) && !f->busy ? edit(f, keysym, utf8, control) : LOBBY_NOTHING;
}

static bool within(const struct surface_rect *r, int32_t x, int32_t y)
{
	return r->width > 0 && x >= r->x && y >= r->y && x - r->x < r->width &&
	       y - r->y < r->height;
}

enum lobby_wish lobby_form_click(struct lobby_form *f, int32_t x, int32_t y)
{
	for (int p = 0; p < LOBBY_PARTS; p++) {
		if (!shown(f, (enum lobby_part)p) || !within(&f->place[p], x, y))
			continue;
		f->focus = (enum lobby_part)p;
		if (p == LOBBY_LIST && f->row_height > 0 && within(&f->rows, x, y)) {
			unsigned row = f->first + (unsigned)((y - f->rows.y) / f->row_height);

			if (row < f->n_desktops)
				f->selected = row;
		}
		if (p == LOBBY_GO)
			return go(f);
		return p == LOBBY_LEAVE ? LOBBY_CANCELLED : LOBBY_REDRAW;
	}
	return LOBBY_NOTHING;
}

enum lobby_wish lobby_form_wheel(struct lobby_form *f, int32_t notches)
{
	return f->mode == LOBBY_CHOOSE && notches ? select_row(f, notches > 0 ? -1 : 1)
						  : LOBBY_NOTHING;
}

json_t *lobby_form_answer(const struct lobby_form *f, enum lobby_wish wish)
{
	char secret[2 * LOBBY_TEXT];
	json_t *o;

	if (wish == LOBBY_CHOSE)
		return json_pack("{s:s}", "choose", f->desktop[f->selected]);
	if (wish == LOBBY_CANCELLED)
		return json_pack("{s:b}", "cancel", 1);
	/* docs/contracts.md: the code stands directly after the password. */
	snprintf(secret, sizeof(secret), "%s%s", f->text[LOBBY_PASSWORD],
		 f->asks_code ? f->text[LOBBY_CODE] : "");
	o = json_pack("{s:{s:s, s:s}}", "try", "user", f->text[LOBBY_USER], "password", secret);
	explicit_bzero(secret, sizeof(secret));
	return o;
}
