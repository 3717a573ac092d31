/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See keys.h. xkbcommon does it; the keymap and the table of dead keys are made before the sandbox
 * closes, as they come from files.
 */
#include "display/lobby/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xkbcommon/xkbcommon-compose.h>
#include <xkbcommon/xkbcommon.h>
#include "common/xlayout.h"

#define LEVEL_3	     "Mod5" /* what AltGr is in xkb-data's keymaps */
#define EVDEV_OFFSET 8	    /* X's key codes begin there */

struct lobby_keys {
	struct xkb_context *context;
	struct xkb_keymap *map;
	struct xkb_state *state;
	struct xkb_compose_table *table; /* NULL: no dead keys */
	struct xkb_compose_state *compose;
};

static struct xkb_keymap *make_map(struct xkb_context *c, uint32_t layout)
{
	char text[512], symbols[XLAYOUT_SYMBOLS];

	if (!xlayout_symbols(layout, symbols) && !xlayout_symbols(XLAYOUT_US, symbols))
		return NULL;
	snprintf(text, sizeof(text),
		 "xkb_keymap { xkb_keycodes { include \"evdev+aliases(qwerty)\" };"
		 " xkb_types { include \"complete\" }; xkb_compat { include \"complete\" };"
		 " xkb_symbols { include \"%s\" }; };",
		 symbols);
	return xkb_keymap_new_from_string(c, text, XKB_KEYMAP_FORMAT_TEXT_V1,
					  XKB_KEYMAP_COMPILE_NO_FLAGS);
}

struct lobby_keys *lobby_keys_new(uint32_t layout)
{
	struct lobby_keys *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->context = xkb_context_new(XKB_CONTEXT_NO_ENVIRONMENT_NAMES);
	if (k->context)
		xkb_context_set_log_level(k->context, XKB_LOG_LEVEL_CRITICAL);
	k->map = k->context ? make_map(k->context, layout) : NULL;
	if (k->context && !k->map)
		k->map = make_map(k->context, XLAYOUT_US);
	k->state = k->map ? xkb_state_new(k->map) : NULL;
	if (!k->state) {
		lobby_keys_free(k);
		return NULL;
	}
	k->table = xkb_compose_table_new_from_locale(k->context, "en_US.UTF-8",
						     XKB_COMPOSE_COMPILE_NO_FLAGS);
	if (k->table)
		k->compose = xkb_compose_state_new(k->table, XKB_COMPOSE_STATE_NO_FLAGS);
	return k;
}

void lobby_keys_free(struct lobby_keys *k)
{
	if (!k)
		return;
	xkb_compose_state_unref(k->compose);
	xkb_compose_table_unref(k->table);
	xkb_state_unref(k->state);
	xkb_keymap_unref(k->map);
	xkb_context_unref(k->context);
	free(k);
}

/* Dead keys: what they and the key after them make. */
static void compose(struct lobby_keys *k, struct lobby_key *out)
{
	if (!k->compose ||
	    xkb_compose_state_feed(k->compose, out->keysym) != XKB_COMPOSE_FEED_ACCEPTED)
		return;
	switch (xkb_compose_state_get_status(k->compose)) {
	case XKB_COMPOSE_COMPOSED:
		out->keysym = xkb_compose_state_get_one_sym(k->compose);
		xkb_compose_state_get_utf8(k->compose, out->utf8, sizeof(out->utf8));
		xkb_compose_state_reset(k->compose);
		break;
	case XKB_COMPOSE_COMPOSING:
	case XKB_COMPOSE_CANCELLED:
		out->keysym = 0;
		out->utf8[0] = '\0';
		break;
	default:
		break;
	}
}

static bool active(const struct lobby_keys *k, const char *modifier)
{
	return xkb_state_mod_name_is_active(k->state, modifier, XKB_STATE_MODS_EFFECTIVE) > 0;
}

void lobby_keys_press(struct lobby_keys *k, uint32_t code, bool down, struct lobby_key *out)
{
	xkb_keycode_t key = code + EVDEV_OFFSET;

	*out = (struct lobby_key){0};
	if (down) {
		out->keysym = xkb_state_key_get_one_sym(k->state, key);
		/* Not by the state: Windows' AltGr comes with a Ctrl that means nothing. */
		if (xkb_keysym_to_utf8(out->keysym, out->utf8, sizeof(out->utf8)) <= 0)
			out->utf8[0] = '\0';
		out->shift = active(k, XKB_MOD_NAME_SHIFT);
		out->control = active(k, XKB_MOD_NAME_CTRL) && !active(k, LEVEL_3);
		compose(k, out);
	}
	xkb_state_update_key(k->state, key, down ? XKB_KEY_DOWN : XKB_KEY_UP);
}

void lobby_keys_character(uint32_t keysym, struct lobby_key *out)
{
	*out = (struct lobby_key){.keysym = keysym};
	if (xkb_keysym_to_utf8(keysym, out->utf8, sizeof(out->utf8)) <= 0)
		out->utf8[0] = '\0';
}
