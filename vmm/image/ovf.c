/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See ovf.h. Elements are told apart by local name: the vendors' prefixes differ, the names do not.
 * Limits: size of the document, depth, length of a text; the rest is bounded by the arrays.
 */
#include "vmm/image/ovf.h"

#include <errno.h>
#include <expat.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 32

/* CIM resource types (DSP1041). */
enum {
	RT_CPU = 3,
	RT_MEMORY = 4,
	RT_ETHERNET = 10,
	RT_DISK = 17
};

struct item {
	int type;
	uint64_t quantity;
	char units[OVF_TEXT_MAX], host[OVF_TEXT_MAX];
};

struct reader {
	XML_Parser xml;
	struct ovf *o;
	struct err *e;
	struct item item;
	char text[OVF_TEXT_MAX];
	size_t text_len;
	unsigned depth;
	int drives, systems;
	bool in_item, in_system, in_os, failed;
};

static void stop(struct reader *r)
{
	r->failed = true;
	XML_StopParser(r->xml, XML_FALSE);
}

static const char *local(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static const char *attr(const char **atts, const char *name)
{
	for (; atts[0]; atts += 2) {
		if (!strcmp(local(atts[0]), name))
			return atts[1];
	}
	return "";
}

/* Keeps what can be shown: other bytes become '?', so no log or terminal is at the file's mercy. */
static void copy(char *out, size_t n, const char *s)
{
	size_t i = 0;

	for (; *s && i + 1 < n; s++)
		out[i++] = *s < 0x20 || *s > 0x7e ? '?' : *s;
	out[i] = 0;
}

static uint64_t number(const char *s)
{
	uint64_t v = 0;

	for (; *s >= '0' && *s <= '9'; s++) {
		if (v > UINT64_MAX / 16)
			return UINT64_MAX;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	return v;
}

/* "byte * 2^30", "MegaBytes", "" (DSP0004 Annex C): bytes for v of them, saturating. */
static uint64_t bytes_of(uint64_t v, const char *units)
{
	static const struct {
		const char *word;
		unsigned shift;
	} old[] = {{"KiloBytes", 10}, {"MegaBytes", 20}, {"GigaBytes", 30},
		   {"KB", 10},	      {"MB", 20},	 {"GB", 30}};
	const char *p = strstr(units, "2^");
	uint64_t shift = p ? number(p + 2) : 0;

	for (size_t i = 0; i < ARRAY_LEN(old) && !p; i++) {
		if (!strcmp(units, old[i].word))
			shift = old[i].shift;
	}
	if (shift > 60 || v > UINT64_MAX >> shift)
		return UINT64_MAX;
	return v << shift;
}

static void on_file(struct reader *r, const char **atts)
{
	const char *packed = attr(atts, "compression");
	struct ovf_file *f;

	if (r->o->files == IMG_MEMBERS_MAX) {
		err_setw(r->e, -EINVAL, "image.ovf", "the descriptor names too many files");
		stop(r);
		return;
	}
	if (!img_plain_name(attr(atts, "href")) || strlen(attr(atts, "href")) >= IMG_NAME_MAX) {
		err_setw(
			r->e, -EINVAL, "image.path",
			"the descriptor names a file by a path or an address; files beside it only "
			"are read: do not use this file unless you know who made it");
		stop(r);
		return;
	}
	f = &r->o->file[r->o->files++];
	copy(f->id, sizeof(f->id), attr(atts, "id"));
	copy(f->href, sizeof(f->href), attr(atts, "href"));
	f->size = number(attr(atts, "size"));
	f->packed = (packed[0] && strcmp(packed, "identity") != 0) || attr(atts, "chunkSize")[0];
}

static void on_disk(struct reader *r, const char **atts)
{
	struct ovf_disk *d;

	if (r->o->disks == OVF_DISKS_MAX || attr(atts, "parentRef")[0]) {
		err_setw(r->e, -EINVAL, "image.ovf",
			 r->o->disks == OVF_DISKS_MAX
				 ? "the descriptor names too many disks"
				 : "a disk of the appliance is only the difference to another one: "
				   "export it without snapshots");
		stop(r);
		return;
	}
	d = &r->o->disk[r->o->disks++];
	copy(d->id, sizeof(d->id), attr(atts, "diskId"));
	copy(d->file_ref, sizeof(d->file_ref), attr(atts, "fileRef"));
	d->capacity =
		bytes_of(number(attr(atts, "capacity")), attr(atts, "capacityAllocationUnits"));
	d->place = -1;
}

static void on_start(void *arg, const char *name, const char **atts)
{
	struct reader *r = arg;
	const char *l = local(name);

	if (++r->depth > DEPTH_MAX) {
		err_setw(r->e, -EINVAL, "image.ovf", "the descriptor is nested too deeply");
		stop(r);
		return;
	}
	r->text_len = 0;
	if (!strcmp(l, "File")) {
		on_file(r, atts);
	} else if (!strcmp(l, "Disk") && attr(atts, "diskId")[0]) {
		on_disk(r, atts);
	} else if (!strcmp(l, "VirtualSystem")) {
		r->in_system = true;
		r->systems++;
		copy(r->o->name, sizeof(r->o->name), attr(atts, "id"));
	} else if (!strcmp(l, "OperatingSystemSection")) {
		r->in_os = true;
	} else if (!strcmp(l, "Item") || !strcmp(l, "StorageItem") ||
		   !strcmp(l, "EthernetPortItem")) {
		r->in_item = true;
		r->item = (struct item){0};
	} else if (!strcmp(l, "Config") && !strcmp(attr(atts, "key"), "firmware")) {
		r->o->efi = !strcmp(attr(atts, "value"), "efi");
	} else if (!strcmp(l, "Firmware") && !strncmp(attr(atts, "type"), "EFI", 3)) {
		r->o->efi = true;
	}
}

static void on_text(void *arg, const char *s, int n)
{
	struct reader *r = arg;

	for (int i = 0; i < n && r->text_len + 1 < sizeof(r->text); i++) {
		if (r->text_len > 0 || (unsigned char)s[i] > ' ')
			r->text[r->text_len++] = s[i];
	}
}

static void attach(struct reader *r, const char *host)
{
	const char *id = strrchr(host, '/');

	for (size_t i = 0; id && i < r->o->disks; i++) {
		struct ovf_disk *d = &r->o->disk[i];

		if (!strcmp(d->id, id + 1) && d->place < 0)
			d->place = r->drives++;
	}
}

static void end_item(struct reader *r)
{
	const struct item *i = &r->item;

	r->in_item = false;
	if (i->type == RT_CPU && i->quantity <= 4096) {
		r->o->cpus = (int)i->quantity;
	} else if (i->type == RT_MEMORY) {
		uint64_t b = i->units[0] ? bytes_of(i->quantity, i->units) : i->quantity << 20;

		r->o->memory_mib = b >> 20;
	} else if (i->type == RT_ETHERNET && r->o->nics < 1024) {
		r->o->nics++;
	} else if (i->type == RT_DISK) {
		attach(r, i->host);
	}
}

static void item_field(struct reader *r, const char *l)
{
	if (!strcmp(l, "ResourceType"))
		r->item.type = (int)(number(r->text) & 0xffff);
	else if (!strcmp(l, "VirtualQuantity"))
		r->item.quantity = number(r->text);
	else if (!strcmp(l, "AllocationUnits"))
		copy(r->item.units, sizeof(r->item.units), r->text);
	else if (!strcmp(l, "HostResource"))
		copy(r->item.host, sizeof(r->item.host), r->text);
}

static void on_end(void *arg, const char *name)
{
	struct reader *r = arg;
	const char *l = local(name);

	while (r->text_len > 0 && (unsigned char)r->text[r->text_len - 1] <= ' ')
		r->text_len--;
	r->text[r->text_len] = 0;
	r->depth--;
	if (!strcmp(l, "Item") || !strcmp(l, "StorageItem") || !strcmp(l, "EthernetPortItem"))
		end_item(r);
	else if (r->in_item)
		item_field(r, l);
	else if (!strcmp(l, "OperatingSystemSection"))
		r->in_os = false;
	else if (!strcmp(l, "VirtualSystem"))
		r->in_system = false;
	else if (!strcmp(l, "Description") && r->in_os)
		copy(r->o->os, sizeof(r->o->os), r->text);
	else if (!strcmp(l, "Name") && r->in_system && r->text[0])
		copy(r->o->name, sizeof(r->o->name), r->text);
	r->text_len = 0;
}

static void on_doctype(void *arg, const char *name, const char *sysid, const char *pubid,
		       int has_internal)
{
	struct reader *r = arg;

	(void)name, (void)sysid, (void)pubid, (void)has_internal;
	err_setw(
		r->e, -EINVAL, "image.ovf",
		"the descriptor declares a document type or entities, which no appliance needs: do "
		"not use this file unless you know who made it");
	stop(r);
}

/* Disks to files; the attached ones to the front, in the order of the drives. */
static int settle(struct ovf *o, struct err *e)
{
	struct ovf_disk tmp;

	for (size_t i = 0; i < o->disks; i++) {
		for (size_t k = 0; k < o->files; k++) {
			if (!strcmp(o->disk[i].file_ref, o->file[k].id)) {
				memcpy(o->disk[i].href, o->file[k].href, IMG_NAME_MAX);
				if (o->file[k].packed)
					return err_setw(e, -EOPNOTSUPP, "image.compressed",
							"disk %s is compressed or cut in chunks "
							"inside the appliance: export it without",
							o->file[k].href);
			}
		}
	}
	for (size_t i = 1; i < o->disks; i++) {
		for (size_t k = i;
		     k > 0 && (unsigned)o->disk[k].place < (unsigned)o->disk[k - 1].place; k--) {
			tmp = o->disk[k];
			o->disk[k] = o->disk[k - 1];
			o->disk[k - 1] = tmp;
		}
	}
	return 0;
}

int ovf_parse(const char *text, size_t n, struct ovf *o, struct err *e)
{
	struct err why = {0};
	struct reader r = {.o = o, .e = e ? e : &why};
	bool ok;

	memset(o, 0, sizeof(*o));
	if (n > OVF_MAX_BYTES)
		return err_setw(e, -EFBIG, "image.ovf", "the descriptor is larger than 2 MiB");
	r.xml = XML_ParserCreate(NULL);
	if (!r.xml)
		return -ENOMEM;
	XML_SetUserData(r.xml, &r);
	XML_SetElementHandler(r.xml, on_start, on_end);
	XML_SetCharacterDataHandler(r.xml, on_text);
	XML_SetStartDoctypeDeclHandler(r.xml, on_doctype);
	ok = XML_Parse(r.xml, text, (int)n, XML_TRUE) == XML_STATUS_OK;
	if (!ok && !r.failed)
		err_setw(e, -EINVAL, "image.ovf", "the descriptor is not valid XML: %s (line %lu)",
			 XML_ErrorString(XML_GetErrorCode(r.xml)),
			 (unsigned long)XML_GetCurrentLineNumber(r.xml));
	XML_ParserFree(r.xml);
	if (!ok)
		return -EINVAL;
	if (r.systems != 1)
		return err_setw(e, -EINVAL, "image.ovf",
				r.systems ? "the appliance holds several machines: export the one "
					    "you want alone"
					  : "the descriptor describes no machine: it is no OVF");
	return settle(o, e);
}
