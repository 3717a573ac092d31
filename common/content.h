/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The digest of a disk's content, at the cost of its data: what is a hole is never read, and zeros
 * that were written count as a hole. It covers every byte of the file: SHA-256 over, in order, for
 * each piece of 64 KiB (the last may be shorter) that is not all zeros its offset (le64) and its
 * bytes, and at the end the file's size (le64). So it depends on content alone, not on how the file
 * happens to be laid out; it is not what sha256sum prints.
 */
#ifndef PANE_COMMON_CONTENT_H
#define PANE_COMMON_CONTENT_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

/* How much has been read since the last call; false gives up with -ECANCELED. */
typedef bool (*content_fn)(void *arg, int64_t bytes);

/* Adds a file's digest to md. out, unless -1: an empty file that becomes a copy, with holes where
 * there are zeros. */
int content_add(int in, int out, EVP_MD_CTX *md, content_fn fn, void *arg) must_check;
/* The digest of one file as 64 hex digits. */
int content_sha256(int fd, char hex[65], content_fn fn, void *arg) must_check;

#endif
