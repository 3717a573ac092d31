/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See content.h. Any thread.
 */
#include "common/content.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/wire.h"

#define PIECE (64 * 1024)

/* Moves *off to the piece with the next data and says where that data ends; false when only a hole
 * is left. A file system that cannot tell has data everywhere. */
static bool next_data(int fd, off_t size, off_t *off, off_t *end)
{
	off_t data = lseek(fd, *off, SEEK_DATA);

	if (data < 0 && errno == ENXIO)
		return false;
	*end = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
	if (*end < 0)
		*end = size;
	if (data > *off)
		*off = data / PIECE * PIECE;
	return true;
}

static int read_piece(int fd, uint8_t *p, size_t n, off_t off)
{
	while (n) {
		ssize_t got = pread(fd, p, n, off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ENODATA;
		p += got;
		off += got;
		n -= (size_t)got;
	}
	return 0;
}

static int add_number(EVP_MD_CTX *md, off_t v)
{
	uint8_t b[8];

	put_le64(b, (uint64_t)v);
	return EVP_DigestUpdate(md, b, sizeof(b)) ? 0 : -ENOMEM;
}

static int add_piece(EVP_MD_CTX *md, const uint8_t *p, size_t n, off_t off, int out)
{
	ssize_t w;

	if (add_number(md, off) < 0 || !EVP_DigestUpdate(md, p, n))
		return -ENOMEM;
	if (out < 0)
		return 0;
	w = pwrite(out, p, n, off);
	return w == (ssize_t)n ? 0 : w < 0 ? -errno : -ENOSPC;
}

int content_add(int in, int out, EVP_MD_CTX *md, content_fn fn, void *arg)
{
	static const uint8_t zero[PIECE];
	cleanup_free uint8_t *buf = malloc(PIECE);
	off_t size = lseek(in, 0, SEEK_END), end = 0;
	int r;

	if (!buf || size < 0)
		return buf ? -errno : -ENOMEM;
	for (off_t off = 0; off < size; off += PIECE) {
		size_t n;

		if (off >= end && !next_data(in, size, &off, &end))
			break;
		n = size - off < PIECE ? (size_t)(size - off) : PIECE;
		if ((r = read_piece(in, buf, n, off)) < 0 ||
		    (memcmp(buf, zero, n) != 0 && (r = add_piece(md, buf, n, off, out)) < 0))
			return r;
		if (fn && !fn(arg, (int64_t)n))
			return -ECANCELED;
	}
	if (add_number(md, size) < 0)
		return -ENOMEM;
	return out >= 0 && ftruncate(out, size) < 0 ? -errno : 0;
}

static void cleanup_md(EVP_MD_CTX **m)
{
	EVP_MD_CTX_free(*m);
}

int content_sha256(int fd, char hex[65], content_fn fn, void *arg)
{
	__attribute__((cleanup(cleanup_md))) EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t sum[EVP_MAX_MD_SIZE];
	int r;

	if (!md || !EVP_DigestInit_ex(md, EVP_sha256(), NULL))
		return -ENOMEM;
	if ((r = content_add(fd, -1, md, fn, arg)) < 0)
		return r;
	if (!EVP_DigestFinal_ex(md, sum, NULL))
		return -ENOMEM;
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return 0;
}
