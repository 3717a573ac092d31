/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The screen by virtio-gpu 2D commands (virtio 1.2 §5.7.6): one resource, one scanout; every
 * drawing is transferred and flushed as the rectangle it changed. Eight colour bars on top, a text
 * area below.
 */
#include "tests/guest/screen.h"

#include "tests/guest/font.h"
#include "tests/guest/hw.h"
#include "tests/guest/virtio.h"

enum {
	CELL = 8,
	BARS_H = 96,
	TEXT_TOP = 104,
	COLUMNS = SCREEN_W / CELL
};
enum {
	BACKGROUND = 0xff203040,
	INK = 0xffffffff,
	MARK = 0xffffff00
};
enum {
	CREATE_2D = 0x101,
	SET_SCANOUT = 0x103,
	FLUSH = 0x104,
	TRANSFER = 0x105,
	ATTACH = 0x106,
	FORMAT_BGRX = 2,
	RESOURCE = 1,
};

static uint32_t pixels[SCREEN_H][SCREEN_W] __attribute__((aligned(4096)));
static struct virtio gpu;
static struct queue control;
static bool opened;
static unsigned column, row; /* of the text area */

struct head {
	uint32_t type, flags;
	uint64_t fence;
	uint32_t context, zero;
};

static struct {
	struct head head;
	uint32_t word[12];
} command;
static struct head answer;

static void call(uint32_t type, unsigned words)
{
	const struct piece p[] = {{&command, (uint32_t)(sizeof(struct head) + 4 * words), false},
				  {&answer, sizeof(answer), true}};

	command.head = (struct head){.type = type};
	virtio_call(&control, p, 2);
	if (answer.type != 0x1100)
		print("gpu: command %x answered %x\n", type, answer.type);
}

static void rectangle(unsigned x, unsigned y, unsigned w, unsigned h)
{
	command.word[0] = x;
	command.word[1] = y;
	command.word[2] = w;
	command.word[3] = h;
}

static void show(unsigned x, unsigned y, unsigned w, unsigned h)
{
	if (!opened)
		return;
	rectangle(x, y, w, h);
	command.word[4] = (y * SCREEN_W + x) * 4;
	command.word[5] = 0;
	command.word[6] = RESOURCE;
	command.word[7] = 0;
	call(TRANSFER, 8);
	rectangle(x, y, w, h);
	command.word[4] = RESOURCE;
	command.word[5] = 0;
	call(FLUSH, 6);
}

static void fill(unsigned x, unsigned y, unsigned w, unsigned h, uint32_t colour)
{
	for (unsigned i = 0; i < h; i++) {
		uint32_t *at = &pixels[y + i][x];
		uint64_t n = w;

		__asm__ volatile("rep stosl" : "+D"(at), "+c"(n) : "a"(colour) : "memory");
	}
}

static void draw_pattern(void)
{
	static const uint32_t bar[8] = {0xffffffff, 0xffffff00, 0xff00ffff, 0xff00ff00,
					0xffff00ff, 0xffff0000, 0xff0000ff, 0xff000000};

	for (unsigned i = 0; i < 8; i++)
		fill(i * 80, 0, 80, BARS_H, bar[i]);
	fill(0, BARS_H, SCREEN_W, SCREEN_H - BARS_H, BACKGROUND);
}

bool screen_open(void)
{
	if (!virtio_open(&gpu, 16, 0, 0) || !virtio_queue(&gpu, &control, 0))
		return false;
	virtio_go(&gpu);
	draw_pattern();
	command.word[0] = RESOURCE;
	command.word[1] = FORMAT_BGRX;
	command.word[2] = SCREEN_W;
	command.word[3] = SCREEN_H;
	call(CREATE_2D, 4);
	command.word[0] = RESOURCE;
	command.word[1] = 1;
	command.word[2] = (uint32_t)(uint64_t)pixels;
	command.word[3] = 0;
	command.word[4] = sizeof(pixels);
	command.word[5] = 0;
	call(ATTACH, 6);
	rectangle(0, 0, SCREEN_W, SCREEN_H);
	command.word[4] = 0;
	command.word[5] = RESOURCE;
	call(SET_SCANOUT, 6);
	opened = true;
	show(0, 0, SCREEN_W, SCREEN_H);
	return true;
}

static void draw_glyph(char c, unsigned x, unsigned y)
{
	const uint8_t *g = font[c >= ' ' && c <= '~' ? c - ' ' : '?' - ' '];

	fill(x, y, CELL, CELL, BACKGROUND);
	for (unsigned i = 0; i < 5; i++)
		for (unsigned j = 0; j < 7; j++)
			if (g[i] >> j & 1)
				pixels[y + j][x + 1 + i] = INK;
}

static void new_line(void)
{
	column = 0;
	if (TEXT_TOP + (++row + 1) * CELL <= SCREEN_H)
		return;
	row = 0;
	fill(0, TEXT_TOP, SCREEN_W, SCREEN_H - TEXT_TOP, BACKGROUND);
	show(0, TEXT_TOP, SCREEN_W, SCREEN_H - TEXT_TOP);
}

void screen_text(const char *s)
{
	unsigned from = column;

	for (; *s; s++) {
		if (*s == '\n') {
			new_line();
			from = 0;
		} else if (*s == '\b') {
			if (column)
				column--;
			from = column;
			draw_glyph(' ', column * CELL, TEXT_TOP + row * CELL);
			show(column * CELL, TEXT_TOP + row * CELL, CELL, CELL);
		} else {
			draw_glyph(*s, column * CELL, TEXT_TOP + row * CELL);
			column++;
			if (s[1] == 0 || s[1] == '\n' || s[1] == '\b' || column == COLUMNS)
				show(from * CELL, TEXT_TOP + row * CELL, (column - from) * CELL,
				     CELL);
			if (column == COLUMNS) {
				new_line();
				from = 0;
			}
		}
	}
}

void screen_pointer(unsigned x, unsigned y)
{
	if (x < 4 || y < 4 || x > SCREEN_W - 5 || y > SCREEN_H - 5)
		return;
	fill(x - 4, y, 9, 1, MARK);
	for (unsigned i = 0; i < 9; i++)
		pixels[y - 4 + i][x] = MARK;
	show(x - 4, y - 4, 9, 9);
}
