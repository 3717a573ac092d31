/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The driver side of virtio 1.2 §5.5, of a guest that never wants anything back.
 */
#include "tests/guest/balloon.h"

#include "tests/guest/hw.h"
#include "tests/guest/virtio.h"

enum {
	PAGE = 4096,
	FIRST = 32 << 20, /* bytes */
	PAGES = (64 << 20) / PAGE,
	AT_ONCE = 256,
	F_REPORTING = 1 << 5,
	C_TARGET = 0,
	C_ACTUAL = 4,
	Q_INFLATE = 0,
	Q_REPORT = 3
};

static struct virtio dev;
static struct queue inflate, report;
static uint32_t pfn[AT_ONCE], given;

void balloon_open(void)
{
	if (!virtio_open(&dev, 5, 0, F_REPORTING) || !virtio_queue(&dev, &inflate, Q_INFLATE) ||
	    !virtio_queue(&dev, &report, Q_REPORT)) {
		dev.device = 0;
		return;
	}
	virtio_go(&dev);
	print("balloon\n");
}

void balloon_look(void)
{
	uint32_t target = dev.device ? mmio_read32(dev.device + C_TARGET) : 0;

	if (target > PAGES)
		target = PAGES;
	if (given >= target)
		return;
	while (given < target) {
		uint32_t n = target - given < AT_ONCE ? target - given : AT_ONCE;
		const struct piece p = {pfn, n * 4, false};

		for (uint32_t i = 0; i < n; i++)
			pfn[i] = FIRST / PAGE + given + i;
		virtio_call(&inflate, &p, 1);
		given += n;
	}
	mmio_write32(dev.device + C_ACTUAL, given);
	print("balloon has %u\n", given);
}

static void fill(void)
{
	for (uint64_t i = 0; i < PAGES; i++)
		*(volatile uint32_t *)(FIRST + i * PAGE) = 1;
	print("filled\n");
}

static void report_half(void)
{
	const struct piece p = {(uint8_t *)FIRST + PAGES / 2 * PAGE, PAGES / 2 * PAGE, true};

	virtio_call(&report, &p, 1);
	print("reported\n");
}

static void check(void)
{
	unsigned zeros = 0;

	for (uint64_t i = 0; i < PAGES; i++)
		zeros += *(volatile uint32_t *)(FIRST + i * PAGE) == 0;
	print("zeros %u\n", zeros);
}

void balloon_obey(const char *s)
{
	if (!strcmp(s, "fill"))
		fill();
	else if (!strcmp(s, "report"))
		report_half();
	else if (!strcmp(s, "check"))
		check();
}
