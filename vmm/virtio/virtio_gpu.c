/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The graphics device (virtio 1.2 §5.7); see virtio_gpu.h. A command's fixed part is copied in
 * once; every answer is written in full or as far as the guest left room. Everything runs on the
 * main loop under the device lock, except reset (a vCPU thread) and virtio_gpu_resize().
 *
 * Cursor pixels arrive premultiplied (DRM's cursor planes are) and leave straight (surface.h).
 */
#include "vmm/virtio/virtio_gpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/surface.h"
#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/edid.h"
#include "vmm/virtio/gpu_proto.h"
#include "vmm/virtio/gpu_resource.h"
#include "common/surface_server.h"

#define F_EDID (1ull << 1)

enum {
	Q_CONTROL = 0,
	Q_CURSOR = 1,
	CONTROL_SIZE = 256,
	CURSOR_SIZE = 64,
	CURSOR_SIDE = 64,
	CURSOR_BYTES = 4 * CURSOR_SIDE * CURSOR_SIDE,
	MIN_WIDTH = 320,
	MIN_HEIGHT = 200,
	WIDTH = 1280,
	HEIGHT = 800,
	ENTRIES = 64,	       /* backing entries copied in at a time */
	ROUND_BYTES = 64 << 20 /* pixels copied before the loop serves others */
};

#define MAX_BYTES (256ull << 20)

struct virtio_gpu {
	struct virtio_dev dev;
	struct surface_server *surface; /* borrowed; may be NULL */
	void (*frame)(void *arg);
	void *arg;
	void (*take)(void *arg, bool mine); /* may be NULL */
	void *take_arg;

	/* dev.lock */
	struct gpu_resources set;
	uint32_t width, height; /* what we suggest */
	uint32_t events;
	uint32_t shown;				  /* resource on the screen, 0 none */
	struct surface_rect visible;		  /* the part of it */
	int32_t hot_x, hot_y, cursor_x, cursor_y; /* cursor_x, _y: of the hot spot */
	uint32_t *cursor;			  /* its pixels, owned; NULL: hidden */
	uint64_t moved;				  /* bytes transferred in this round */
};

/* One command: its fixed part, copied in, and its answer's place. */
struct command {
	const struct virtq_chain *chain;
	uint8_t in[GPU_CMD_MAX]; /* zero beyond what the guest gave */
	size_t len;
	uint32_t written;
};

static struct virtio_gpu *of(struct virtio_dev *d)
{
	return (struct virtio_gpu *)(void *)d;
}

/* ---- answers -------------------------------------------------------------------------------- */

/* Writes the answer's header, with the fence where one was asked for (§5.7.6.7), into out. */
static void head(const struct command *c, uint32_t type, uint8_t out[GPU_HEAD])
{
	uint32_t flags = get_le32(c->in + GPU_H_FLAGS) & GPU_FLAG_FENCE;

	memset(out, 0, GPU_HEAD);
	put_le32(out + GPU_H_TYPE, type);
	if (!flags)
		return;
	put_le32(out + GPU_H_FLAGS, flags);
	memcpy(out + GPU_H_FENCE, c->in + GPU_H_FENCE, 8);
	memcpy(out + GPU_H_CTX, c->in + GPU_H_CTX, 4);
}

static void answer(struct command *c, uint32_t type)
{
	uint8_t out[GPU_HEAD];

	head(c, type, out);
	c->written = (uint32_t)virtq_write(c->chain, 0, out, sizeof(out));
}

static struct surface_rect get_rect(const uint8_t *p)
{
	/* Values over INT32_MAX turn negative and fail every check. */
	return (struct surface_rect){.x = (int32_t)get_le32(p),
				     .y = (int32_t)get_le32(p + 4),
				     .width = (int32_t)get_le32(p + 8),
				     .height = (int32_t)get_le32(p + 12)};
}

/* ---- the screen ----------------------------------------------------------------------------- */

static void show_nothing(struct virtio_gpu *g)
{
	if (g->shown && g->surface)
		surface_server_scanout(g->surface, -1, NULL);
	g->shown = 0;
}

static void show(struct virtio_gpu *g, struct gpu_resource *r, struct surface_rect v)
{
	struct surface_scanout sc = {.width = (uint32_t)v.width,
				     .height = (uint32_t)v.height,
				     .stride = r->stride,
				     .offset = (uint64_t)v.y * r->stride + (uint64_t)v.x * 4,
				     .size = r->bytes + r->stride};

	if (g->shown == r->id && memcmp(&g->visible, &v, sizeof(v)) == 0)
		return;
	gpu_resource_make_opaque(r);
	if (g->take)
		g->take(g->take_arg, true);
	g->shown = r->id;
	g->visible = v;
	if (g->surface)
		surface_server_scanout(g->surface, r->fd, &sc);
}

static uint32_t set_scanout(struct virtio_gpu *g, struct command *c)
{
	struct surface_rect v = get_rect(c->in + GPU_HEAD);
	uint32_t scanout = get_le32(c->in + GPU_HEAD + 16), id = get_le32(c->in + GPU_HEAD + 20);
	struct gpu_resource *r;

	if (scanout != 0)
		return GPU_ERR_SCANOUT;
	if (id == 0) {
		show_nothing(g);
		return GPU_OK_NODATA;
	}
	r = gpu_resource_find(&g->set, id);
	if (!r)
		return GPU_ERR_RESOURCE;
	if (!gpu_rect_inside(&v, r->width, r->height))
		return GPU_ERR_PARAMETER;
	show(g, r, v);
	return GPU_OK_NODATA;
}

static int32_t min32(int32_t a, int32_t b)
{
	return a < b ? a : b;
}

static int32_t max32(int32_t a, int32_t b)
{
	return a > b ? a : b;
}

static uint32_t flush(struct virtio_gpu *g, struct command *c)
{
	struct surface_rect f = get_rect(c->in + GPU_HEAD), v = g->visible, d;
	struct gpu_resource *r = gpu_resource_find(&g->set, get_le32(c->in + GPU_HEAD + 16));

	if (!r)
		return GPU_ERR_RESOURCE;
	if (!gpu_rect_inside(&f, r->width, r->height))
		return GPU_ERR_PARAMETER;
	if (r->id != g->shown)
		return GPU_OK_NODATA;
	d.x = max32(f.x, v.x);
	d.y = max32(f.y, v.y);
	d.width = min32(f.x + f.width, v.x + v.width) - d.x;
	d.height = min32(f.y + f.height, v.y + v.height) - d.y;
	if (d.width <= 0 || d.height <= 0)
		return GPU_OK_NODATA;
	d.x -= v.x;
	d.y -= v.y;
	if (g->surface)
		surface_server_damage(g->surface, d);
	if (g->frame)
		g->frame(g->arg);
	return GPU_OK_NODATA;
}

/* ---- resources ------------------------------------------------------------------------------ */

static uint32_t create(struct virtio_gpu *g, struct command *c)
{
	int rc = gpu_resource_create(&g->set, get_le32(c->in + GPU_HEAD),
				     get_le32(c->in + GPU_HEAD + 4), get_le32(c->in + GPU_HEAD + 8),
				     get_le32(c->in + GPU_HEAD + 12));

	switch (rc) {
	case 0:
		return GPU_OK_NODATA;
	case -EEXIST:
		return GPU_ERR_RESOURCE;
	case -EINVAL:
		return GPU_ERR_PARAMETER;
	default:
		return GPU_ERR_OUT_OF_MEMORY;
	}
}

static uint32_t unref(struct virtio_gpu *g, struct command *c)
{
	struct gpu_resource *r = gpu_resource_find(&g->set, get_le32(c->in + GPU_HEAD));

	if (!r)
		return GPU_ERR_RESOURCE;
	if (r->id == g->shown)
		show_nothing(g);
	gpu_resource_destroy(&g->set, r);
	return GPU_OK_NODATA;
}

/* The entries follow the command: le64 address, le32 length, le32 padding. */
static int fill_backing(struct virtio_gpu *g, struct command *c, struct gpu_resource *r, uint32_t n)
{
	uint8_t raw[ENTRIES * GPU_MEM_ENTRY];

	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *p = raw + i % ENTRIES * GPU_MEM_ENTRY;
		uint32_t len;
		void *at;

		if (i % ENTRIES == 0) {
			uint32_t k = n - i < ENTRIES ? n - i : ENTRIES;
			size_t want = (size_t)k * GPU_MEM_ENTRY;
			uint64_t off = GPU_HEAD + 8 + (uint64_t)i * GPU_MEM_ENTRY;

			if (virtq_read(c->chain, off, raw, want) != want)
				return -EINVAL;
		}
		len = get_le32(p + 8);
		at = vm_mem_ptr(g->dev.env.mem, get_le64(p), len);
		if (!at)
			return -EFAULT;
		r->backing[i] = (struct iovec){.iov_base = at, .iov_len = len};
		r->backing_bytes += len;
	}
	return 0;
}

static uint32_t attach(struct virtio_gpu *g, struct command *c)
{
	struct gpu_resource *r = gpu_resource_find(&g->set, get_le32(c->in + GPU_HEAD));
	uint32_t n = get_le32(c->in + GPU_HEAD + 4);

	if (!r)
		return GPU_ERR_RESOURCE;
	if (r->backing)
		return GPU_ERR_UNSPEC;
	if ((uint64_t)n * GPU_MEM_ENTRY > c->chain->out_len)
		return GPU_ERR_PARAMETER;
	if (!gpu_resource_backing(&g->set, r, n))
		return n ? GPU_ERR_OUT_OF_MEMORY : GPU_ERR_PARAMETER;
	if (fill_backing(g, c, r, n) < 0) {
		gpu_resource_detach(&g->set, r);
		return GPU_ERR_PARAMETER;
	}
	return GPU_OK_NODATA;
}

static uint32_t detach(struct virtio_gpu *g, struct command *c)
{
	struct gpu_resource *r = gpu_resource_find(&g->set, get_le32(c->in + GPU_HEAD));

	if (!r)
		return GPU_ERR_RESOURCE;
	gpu_resource_detach(&g->set, r);
	return GPU_OK_NODATA;
}

static uint32_t transfer(struct virtio_gpu *g, struct command *c)
{
	struct surface_rect t = get_rect(c->in + GPU_HEAD);
	uint64_t offset = get_le64(c->in + GPU_HEAD + 16);
	struct gpu_resource *r = gpu_resource_find(&g->set, get_le32(c->in + GPU_HEAD + 24));

	if (!r)
		return GPU_ERR_RESOURCE;
	if (gpu_resource_transfer(r, t, offset) < 0)
		return GPU_ERR_PARAMETER;
	g->moved += (uint64_t)t.width * (uint64_t)t.height * 4;
	return GPU_OK_NODATA;
}

/* ---- what the screen is like ---------------------------------------------------------------- */

static void display_info(struct virtio_gpu *g, struct command *c)
{
	uint8_t out[GPU_DISPLAY_INFO_BYTES] = {0};

	head(c, GPU_OK_DISPLAY_INFO, out);
	put_le32(out + GPU_HEAD + 8, g->width);
	put_le32(out + GPU_HEAD + 12, g->height);
	put_le32(out + GPU_HEAD + 16, 1); /* enabled */
	c->written = (uint32_t)virtq_write(c->chain, 0, out, sizeof(out));
}

static void edid(struct virtio_gpu *g, struct command *c)
{
	uint8_t out[GPU_EDID_BYTES] = {0};

	if (get_le32(c->in + GPU_HEAD) != 0) {
		answer(c, GPU_ERR_SCANOUT);
		return;
	}
	head(c, GPU_OK_EDID, out);
	put_le32(out + GPU_HEAD, EDID_BYTES);
	edid_make(out + GPU_HEAD + 8, g->width, g->height);
	c->written = (uint32_t)virtq_write(c->chain, 0, out, sizeof(out));
}

/* ---- queues --------------------------------------------------------------------------------- */

static void control(struct virtio_gpu *g, struct command *c)
{
	switch (get_le32(c->in + GPU_H_TYPE)) {
	case GPU_CMD_GET_DISPLAY_INFO:
		display_info(g, c);
		break;
	case GPU_CMD_GET_EDID:
		edid(g, c);
		break;
	case GPU_CMD_RESOURCE_CREATE_2D:
		answer(c, create(g, c));
		break;
	case GPU_CMD_RESOURCE_UNREF:
		answer(c, unref(g, c));
		break;
	case GPU_CMD_SET_SCANOUT:
		answer(c, set_scanout(g, c));
		break;
	case GPU_CMD_RESOURCE_FLUSH:
		answer(c, flush(g, c));
		break;
	case GPU_CMD_TRANSFER_TO_HOST_2D:
		answer(c, transfer(g, c));
		break;
	case GPU_CMD_ATTACH_BACKING:
		answer(c, attach(g, c));
		break;
	case GPU_CMD_DETACH_BACKING:
		answer(c, detach(g, c));
		break;
	default:
		answer(c, GPU_ERR_UNSPEC);
		break;
	}
}

static uint32_t straight(uint32_t v)
{
	uint32_t a = v >> 24, out = a << 24;

	if (a == 0 || a == 255)
		return a ? v : 0;
	for (unsigned shift = 0; shift < 24; shift += 8) {
		uint32_t c = (v >> shift & 255) * 255 / a;

		out |= (c > 255 ? 255 : c) << shift;
	}
	return out;
}

static void cursor_show(struct virtio_gpu *g)
{
	if (g->surface && g->cursor)
		surface_server_cursor(g->surface, CURSOR_SIDE, CURSOR_SIDE, (uint32_t)g->hot_x,
				      (uint32_t)g->hot_y, g->cursor);
}

static void cursor_hide(struct virtio_gpu *g)
{
	free(g->cursor);
	g->cursor = NULL;
	if (g->surface)
		surface_server_cursor(g->surface, 0, 0, 0, 0, NULL);
}

static void cursor_shape(struct virtio_gpu *g, const struct command *c)
{
	uint32_t id = get_le32(c->in + GPU_HEAD + 16);
	struct gpu_resource *r = id ? gpu_resource_find(&g->set, id) : NULL;

	if (!r) {
		cursor_hide(g);
		return;
	}
	/* §5.7.6.10: cursors are 64x64. */
	if (r->width != 64 || r->height != 64)
		return;
	g->hot_x = (int32_t)(get_le32(c->in + GPU_HEAD + 20) & 63);
	g->hot_y = (int32_t)(get_le32(c->in + GPU_HEAD + 24) & 63);
	if (!g->cursor)
		g->cursor = malloc(CURSOR_BYTES);
	for (unsigned i = 0; g->cursor && i < CURSOR_SIDE * CURSOR_SIDE; i++)
		g->cursor[i] = straight(r->pixels[i]);
	cursor_show(g);
}

/* The guest's position is that of the image's corner, the surface protocol's that of the hot spot.
 */
static void cursor(struct virtio_gpu *g, struct command *c)
{
	uint32_t type = get_le32(c->in + GPU_H_TYPE);
	int32_t x = (int32_t)get_le32(c->in + GPU_HEAD + 4);
	int32_t y = (int32_t)get_le32(c->in + GPU_HEAD + 8);

	if ((type != GPU_CMD_UPDATE_CURSOR && type != GPU_CMD_MOVE_CURSOR) || !g->surface ||
	    get_le32(c->in + GPU_HEAD) != 0)
		return;
	if (type == GPU_CMD_UPDATE_CURSOR)
		cursor_shape(g, c);
	if (x > -SURFACE_MAX_DIM && x < SURFACE_MAX_DIM && y > -SURFACE_MAX_DIM &&
	    y < SURFACE_MAX_DIM) {
		g->cursor_x = x + g->hot_x;
		g->cursor_y = y + g->hot_y;
		surface_server_cursor_pos(g->surface, g->cursor_x, g->cursor_y);
	}
}

static void notify(struct virtio_dev *d, unsigned q)
{
	struct virtio_gpu *g = of(d);
	struct virtq_chain chain;
	unsigned n, most = q == Q_CONTROL ? CONTROL_SIZE : CURSOR_SIZE;

	g->moved = 0;
	for (n = 0; n < most && g->moved < ROUND_BYTES && virtio_pop(d, q, &chain); n++) {
		struct command c = {.chain = &chain};

		c.len = virtq_read(&chain, 0, c.in, sizeof(c.in));
		if (c.len < GPU_HEAD) {
			virtio_broken(d, "graphics command without header");
			return;
		}
		if (q == Q_CONTROL)
			control(g, &c);
		else
			cursor(g, &c);
		virtio_push(d, q, &chain, c.written);
	}
	if (n == most || g->moved >= ROUND_BYTES)
		virtio_again(d, q);
	if (n)
		virtio_signal(d, q);
}

static void reset(struct virtio_dev *d)
{
	struct virtio_gpu *g = of(d);

	show_nothing(g);
	cursor_hide(g);
	if (g->take)
		g->take(g->take_arg, false);
	gpu_resources_clear(&g->set);
	g->events = 0;
	g->hot_x = g->hot_y = 0;
}

/* ---- configuration -------------------------------------------------------------------------- */

static void config_read(struct virtio_dev *d, uint32_t off, void *dst, uint32_t n)
{
	uint8_t c[GPU_C_BYTES] = {0};

	put_le32(c + GPU_C_EVENTS, of(d)->events);
	put_le32(c + GPU_C_SCANOUTS, 1);
	memcpy(dst, c + off, n);
}

static void config_write(struct virtio_dev *d, uint32_t off, const void *src, uint32_t n)
{
	if (off == GPU_C_CLEAR && n == 4)
		of(d)->events &= ~get_le32(src);
}

/* A screen we suggest must fit the budget several times: the old and the new one, and flips. */
static void set_size(struct virtio_gpu *g, uint32_t width, uint32_t height)
{
	uint64_t most = g->set.max_bytes / 4 / 4; /* pixels */

	width = width < MIN_WIDTH ? MIN_WIDTH : width > SURFACE_MAX_DIM ? SURFACE_MAX_DIM : width;
	height = height < MIN_HEIGHT	    ? MIN_HEIGHT
		 : height > SURFACE_MAX_DIM ? SURFACE_MAX_DIM
					    : height;
	if ((uint64_t)width * height > most)
		height = (uint32_t)(most / width);
	g->width = width;
	g->height = height;
}

void virtio_gpu_resize(struct virtio_gpu *g, uint32_t width, uint32_t height)
{
	uint32_t w, h;

	pthread_mutex_lock(&g->dev.lock);
	w = g->width;
	h = g->height;
	set_size(g, width, height);
	if (w != g->width || h != g->height) {
		g->events |= GPU_EVENT_DISPLAY;
		virtio_config_changed(&g->dev);
	}
	pthread_mutex_unlock(&g->dev.lock);
}

/* ---- snapshots ------------------------------------------------------------------------------ */

static void save(struct virtio_dev *d, struct snap_out *out)
{
	const struct virtio_gpu *g = of(d);

	snap_put_u32(out, g->width);
	snap_put_u32(out, g->height);
	snap_put_u32(out, g->events);
	snap_put_u32(out, g->shown);
	snap_put_u32(out, (uint32_t)g->visible.x);
	snap_put_u32(out, (uint32_t)g->visible.y);
	snap_put_u32(out, (uint32_t)g->visible.width);
	snap_put_u32(out, (uint32_t)g->visible.height);
	snap_put_u32(out, (uint32_t)g->hot_x);
	snap_put_u32(out, (uint32_t)g->hot_y);
	snap_put_u32(out, (uint32_t)g->cursor_x);
	snap_put_u32(out, (uint32_t)g->cursor_y);
	snap_put_u8(out, g->cursor != NULL);
	if (g->cursor)
		snap_put_bytes(out, g->cursor, CURSOR_BYTES);
	gpu_resources_save(&g->set, g->dev.env.mem, out);
}

/* Coordinates in [-n, n]; anything else is none a cursor of ours could have. */
static int32_t coordinate(struct snap_in *in, int32_t n)
{
	int32_t v = (int32_t)snap_u32(in);

	if (v < -n || v > n) {
		snap_refuse(in);
		return 0;
	}
	return v;
}

static void load_cursor(struct virtio_gpu *g, struct snap_in *in)
{
	const uint8_t *pixels = NULL;

	g->hot_x = coordinate(in, CURSOR_SIDE - 1);
	g->hot_y = coordinate(in, CURSOR_SIDE - 1);
	g->cursor_x = coordinate(in, SURFACE_MAX_DIM + CURSOR_SIDE);
	g->cursor_y = coordinate(in, SURFACE_MAX_DIM + CURSOR_SIDE);
	if (g->hot_x < 0 || g->hot_y < 0)
		snap_refuse(in);
	if (snap_u8(in))
		pixels = snap_view(in, CURSOR_BYTES);
	if (in->bad || !pixels)
		return;
	g->cursor = malloc(CURSOR_BYTES);
	if (g->cursor)
		memcpy(g->cursor, pixels, CURSOR_BYTES);
	cursor_show(g);
	if (g->surface)
		surface_server_cursor_pos(g->surface, g->cursor_x, g->cursor_y);
}

static void load(struct virtio_dev *d, struct snap_in *in)
{
	struct virtio_gpu *g = of(d);
	uint32_t width = snap_u32(in), height = snap_u32(in), shown;
	struct surface_rect v;
	struct gpu_resource *r;

	set_size(g, width, height);
	g->events = snap_u32(in);
	shown = snap_u32(in);
	v.x = (int32_t)snap_u32(in);
	v.y = (int32_t)snap_u32(in);
	v.width = (int32_t)snap_u32(in);
	v.height = (int32_t)snap_u32(in);
	load_cursor(g, in);
	gpu_resources_load(&g->set, g->dev.env.mem, in);
	if (in->bad || shown == 0)
		return;
	r = gpu_resource_find(&g->set, shown);
	if (!r || !gpu_rect_inside(&v, r->width, r->height))
		snap_refuse(in);
	else
		show(g, r, v);
}

/* ---- making one ----------------------------------------------------------------------------- */

static const struct virtio_ops ops = {.config_read = config_read,
				      .config_write = config_write,
				      .notify = notify,
				      .reset = reset,
				      .save = save,
				      .load = load};

struct virtio_gpu *virtio_gpu_new(const struct virtio_env *env, const struct virtio_gpu_config *c,
				  struct err *e)
{
	struct virtio_gpu *g = calloc(1, sizeof(*g));

	if (!g) {
		err_set(e, -ENOMEM, "virtio-gpu: out of memory");
		return NULL;
	}
	g->surface = c->surface;
	g->frame = c->frame;
	g->arg = c->arg;
	g->take = c->vga ? c->take : NULL;
	g->take_arg = c->take_arg;
	g->set.max_n = VIRTIO_GPU_RESOURCES;
	g->set.max_bytes = c->max_bytes ? c->max_bytes : MAX_BYTES;
	set_size(g, c->width ? c->width : WIDTH, c->height ? c->height : HEIGHT);
	g->dev.ops = &ops;
	g->dev.name = "virtio-gpu";
	g->dev.id = VIRTIO_ID_GPU;
	g->dev.class_code = c->vga ? 0x030000 : 0x038000; /* VGA, or another display */
	g->dev.mate = c->vga;
	g->dev.offered = F_EDID;
	g->dev.config_bytes = GPU_C_BYTES;
	g->dev.queues = 2;
	g->dev.queue_size[Q_CONTROL] = CONTROL_SIZE;
	g->dev.queue_size[Q_CURSOR] = CURSOR_SIZE;
	if (virtio_dev_init(&g->dev, env, e) < 0) {
		free(g);
		return NULL;
	}
	return g;
}

void virtio_gpu_free(struct virtio_gpu *g)
{
	if (!g)
		return;
	virtio_dev_fini(&g->dev);
	free(g);
}

struct virtio_dev *virtio_gpu_dev(struct virtio_gpu *g)
{
	return &g->dev;
}
