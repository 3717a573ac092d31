/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The card's TPM: "tpm" starts it up and asks it for random bytes, and prints "tpm startup CODE",
 * "tpm random CODE BYTES BYTES"; or "tpm none", "tpm failed" where it says so itself.
 */
#ifndef PANE_TESTS_GUEST_TPM_H
#define PANE_TESTS_GUEST_TPM_H

void tpm_ask(void);

#endif
