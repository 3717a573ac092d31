/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Texts for people in their language, by the C library's gettext. The English text in the source is
 * the key; what a catalogue does not have stays English. docs/languages.md says how to add one.
 */
#ifndef PANE_COMMON_LANGUAGE_H
#define PANE_COMMON_LANGUAGE_H

#include <libintl.h>
#include <stdbool.h>
#include <stddef.h>
#include "common/cleanup.h"

#define _(text)	 gettext(text)
#define N_(text) (text) /* for tables: found by xgettext, looked up where it is shown */

/* Whether code is one as "de" or "pt_BR". */
bool language_ok(const char *code) must_check;
/* From now on texts are those of the catalogues domain.mo below dir (NULL: share/locale beside the
 * directory of this program), in the first language of wanted ("fr:de"; "" or NULL: what the
 * environment says) that has one. Reads the catalogue at once: no file is opened by later calls.
 * Not while other threads run. */
void language_begin(const char *domain, const char *dir, const char *wanted);
/* What a server said, in that language as far as it is known (sentences of said.c, with an id or
 * reasons behind them); else as it is. Returns out. */
const char *language_said(const char *text, char *out, size_t n);

#endif
