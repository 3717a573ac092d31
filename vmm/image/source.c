/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See source.h.
 */
#include "vmm/image/source.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/wire.h"

#define HASH_CHUNK (4u << 20)

int img_read(const struct img_src *s, uint64_t off, void *p, size_t n)
{
	uint8_t *to = p;

	if (!range_ok(off, n, s->size))
		return -ENODATA;
	off += s->base;
	if (s->mem) {
		memcpy(p, s->mem + off, n);
		return 0;
	}
	while (n > 0) {
		ssize_t got = pread(s->fd, to, n, (off_t)off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ENODATA;
		to += got;
		off += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

int img_window(const struct img_src *s, uint64_t off, uint64_t n, struct img_src *out)
{
	if (!range_ok(off, n, s->size))
		return -ENODATA;
	*out = *s;
	out->base += off;
	out->size = n;
	return 0;
}

static void cleanup_md(EVP_MD_CTX **m)
{
	EVP_MD_CTX_free(*m);
}

int img_hash(const struct img_src *s, const char *algorithm, char out[129], img_tick_fn tick,
	     void *arg)
{
	__attribute__((cleanup(cleanup_md))) EVP_MD_CTX *md = EVP_MD_CTX_new();
	cleanup_free uint8_t *buf = img_alloc(HASH_CHUNK);
	const EVP_MD *kind = EVP_get_digestbyname(algorithm);
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	int r;

	if (!md || !buf)
		return -ENOMEM;
	if (!kind || !EVP_DigestInit_ex(md, kind, NULL))
		return -EOPNOTSUPP;
	for (uint64_t off = 0; off < s->size;) {
		size_t n = s->size - off < HASH_CHUNK ? (size_t)(s->size - off) : HASH_CHUNK;

		if ((r = img_read(s, off, buf, n)) < 0)
			return r;
		if (!EVP_DigestUpdate(md, buf, n))
			return -ENOMEM;
		off += n;
		if (tick && (r = tick(arg, off, s->size)) < 0)
			return r;
	}
	if (!EVP_DigestFinal_ex(md, sum, &len) || len > 64)
		return -ENOMEM;
	for (unsigned i = 0; i < len; i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
	return 0;
}
