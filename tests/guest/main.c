/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The test card: a guest of a few kilobytes that uses every device of the machine and obeys typed
 * commands, for tests of everything around a desktop where no operating system can boot.
 *
 * On the serial line it prints: "pci N vendor:device class C", "disk MiB boot COUNT" (the count is
 * kept on the disk), "screen 640x400", "pane.ready", then "key CODE DOWN", "ptr X Y", "btn CODE
 * DOWN", "wheel N", "line TEXT" for each typed line, which it then obeys:
 *   poweroff reboot panic triple halt spin clear, "note TEXT" tells the host, play (sound.h), storm
 * (storm.h), clock (clock.h), tpm (tpm.h), churn churned (churn.h; the disk is written and read
 * meanwhile), fill report check (balloon.h), hold letgo echo pairs (hotplug.h), anything else is
 * just echoed. In a clone it prints "generation X", the text of its identity disk, and "pane.ready"
 * once more. One that could become a clone says "pane.waits" behind "pane.ready". Kernel command
 * line: "run=COMMAND" obeys it once ready; "noready" never says pane.ready, "nowaits" never
 * pane.waits, "packed" uses packed rings.
 */
#include "tests/guest/balloon.h"
#include "tests/guest/churn.h"
#include "tests/guest/clock.h"
#include "tests/guest/hotplug.h"
#include "tests/guest/hw.h"
#include "tests/guest/memory.h"
#include "tests/guest/screen.h"
#include "tests/guest/sound.h"
#include "tests/guest/storm.h"
#include "tests/guest/tpm.h"
#include "tests/guest/virtio.h"
#include "vmm/layout.h"

void card_main(const uint8_t *params);

/* ---- disk -------------------------------------------------------------------------------------
 */

enum {
	BLK_READ = 0,
	BLK_WRITE = 1,
	BLK_FLUSH = 4,
	COUNT_SECTOR = 8,
	CHURN_SECTOR = 2048,  /* and the 1024 behind it */
	CHURN_DISK = 4,	      /* rounds of churning between two of the disk */
	CHURN_READ = 96 << 20 /* 4 MiB that nobody but the disk writes to */
};

static struct virtio disk, identity;
static struct queue disk_queue, identity_queue;
static struct {
	uint32_t type, zero;
	uint64_t sector;
} disk_head;
static uint8_t sector[512], disk_status;

static bool queue_call(struct queue *q, uint32_t type, uint64_t at)
{
	struct piece p[3] = {{&disk_head, 16, false}, {sector, 512, type == BLK_READ}};
	unsigned n = type == BLK_FLUSH ? 1 : 2;

	p[n] = (struct piece){&disk_status, 1, true};
	disk_head.type = type;
	disk_head.sector = at;
	disk_status = 0xff;
	virtio_call(q, p, n + 1);
	return disk_status == 0;
}

static bool disk_call(uint32_t type, uint64_t at)
{
	return queue_call(&disk_queue, type, at);
}

/* Counts boots in a sector of the disk. */
static void use_disk(void)
{
	static const char mark[8] = "PANECARD";
	uint32_t count = 0;

	if (!virtio_open(&disk, 2, 0, 1 << 9) || !virtio_queue(&disk, &disk_queue, 0)) {
		print("disk none\n");
		return;
	}
	virtio_go(&disk);

	uint64_t sectors = mmio_read32(disk.device) | (uint64_t)mmio_read32(disk.device + 4) << 32;

	if (!disk_call(BLK_READ, COUNT_SECTOR)) {
		print("disk read failed: %u\n", disk_status);
		return;
	}
	if (*(uint64_t *)sector == *(const uint64_t *)mark)
		count = *(uint32_t *)(sector + 8);
	memset(sector, 0, sizeof(sector));
	memcpy(sector, mark, sizeof(mark));
	*(uint32_t *)(sector + 8) = ++count;
	if (!disk_call(BLK_WRITE, COUNT_SECTOR) || !disk_call(BLK_FLUSH, 0))
		print("disk write failed: %u\n", disk_status);
	print("disk %u boot %u\n", (unsigned)(sectors >> 11), count);
}

/* What was written the time before must be there. */
static void churn_disk(uint64_t n)
{
	static uint64_t last;
	uint64_t at = CHURN_SECTOR + n / 64 % 1024;
	uint8_t *to = (uint8_t *)CHURN_READ + last / 64 % 1024 * 4096;
	struct piece p[3] = {{&disk_head, 16, false}, {to, 512, true}, {&disk_status, 1, true}};

	if (!disk.device)
		return;
	disk_head.type = BLK_READ;
	disk_head.sector = CHURN_SECTOR + last / 64 % 1024;
	disk_status = 0xff;
	if (last)
		virtio_call(&disk_queue, p, 3);
	if (last && (disk_status || *(volatile uint64_t *)to != last))
		print("churn bad disk %u\n", disk_status);
	*(uint64_t *)sector = last = n;
	if (!disk_call(BLK_WRITE, at))
		print("churn bad disk %u\n", disk_status);
}

static void churn_on(void)
{
	static unsigned rounds;
	uint64_t n = churn();

	if (++rounds % CHURN_DISK == 0)
		churn_disk(n);
}

/* ---- identity ---------------------------------------------------------------------------------
 *
 * The second disk, when it is one of eight sectors: once it has grown, its text says who the card
 * is.
 */

enum {
	IDENTITY_BLANK = 8, /* sectors */
	IDENTITY_GIVEN = 16
};

static uint32_t identity_sectors;

static void use_identity(void)
{
	if (!virtio_open(&identity, 2, 1, 0) || !virtio_queue(&identity, &identity_queue, 0))
		return;
	virtio_go(&identity);
	identity_sectors = mmio_read32(identity.device);
}

static void look_at_identity(void)
{
	const uint64_t *generation = (const uint64_t *)VM_GENERATION_AT;

	if (generation_changed) {
		generation_changed = false;
		print("generation %X %X\n", generation[0], generation[1]);
	}
	if (identity_sectors != IDENTITY_BLANK || mmio_read32(identity.device) != IDENTITY_GIVEN)
		return;
	identity_sectors = IDENTITY_GIVEN;
	if (!queue_call(&identity_queue, BLK_READ, IDENTITY_BLANK))
		return;
	sector[sizeof(sector) - 1] = 0;
	print("%s", (const char *)sector);
	print("pane.ready\n");
}

/* ---- input ------------------------------------------------------------------------------------
 */

enum {
	EV_KEY = 1,
	EV_REL = 2,
	EV_ABS = 3,
	EV_SYN = 0
};
enum {
	KEY_BACKSPACE = 14,
	KEY_ENTER = 28,
	KEY_LEFTSHIFT = 42,
	KEY_RIGHTSHIFT = 54,
	BTN_MOUSE = 0x110
};

struct event {
	uint16_t type, code;
	int32_t value;
};

static struct input {
	struct virtio dev;
	struct queue queue;
	struct event event[RING];
} input[2];

static char line[80];
static unsigned line_n;
static bool shift;
static int pointer_x, pointer_y;
static bool pointer_moved;

/* Afterwards every device does what it is for, after a reset. */
static void weather(void)
{
	storm();
	disk_queue = (struct queue){0};
	use_disk();
}

static void obey(const char *s)
{
	if (!strcmp(s, "poweroff"))
		power_off();
	else if (!strcmp(s, "reboot"))
		reset();
	else if (!strcmp(s, "panic"))
		panic();
	else if (!strcmp(s, "triple"))
		triple_fault();
	else if (!strcmp(s, "halt"))
		for (;;)
			__asm__ volatile("cli; hlt");
	else if (!strcmp(s, "spin"))
		for (;;)
			continue;
	else if (!__builtin_memcmp(s, "note ", 5))
		print("pane.note %s\n", s + 5);
	else if (!strcmp(s, "storm"))
		weather();
	else if (!strcmp(s, "tpm"))
		tpm_ask();
	else if (!strcmp(s, "play"))
		sound_play();
	else if (!churn_obey(s) && !hotplug_obey(s) && !memory_obey(s))
		clock_obey(s), balloon_obey(s);
}

static char character(unsigned code)
{
	static const char plain[58] = "\0\0001234567890-=\0\0qwertyuiop[]\0\0asdfghjkl;'`\0\\"
				      "zxcvbnm,./\0*\0 ";
	static const char shifted[58] = "\0\0!@#$%^&*()_+\0\0QWERTYUIOP{}\0\0ASDFGHJKL:\"~\0|"
					"ZXCVBNM<>?\0*\0 ";

	return code < sizeof(plain) ? (shift ? shifted : plain)[code] : 0;
}

static void typed(char c)
{
	const char text[2] = {c, 0};

	if (line_n == sizeof(line) - 1)
		return;
	line[line_n++] = c;
	screen_text(text);
}

static void on_key(unsigned code, bool down)
{
	print("key %u %u\n", code, down);
	if (code == KEY_LEFTSHIFT || code == KEY_RIGHTSHIFT)
		shift = down;
	if (!down)
		return;
	if (code == KEY_ENTER) {
		line[line_n] = 0;
		line_n = 0;
		print("line %s\n", line);
		screen_text("\n");
		obey(line);
	} else if (code == KEY_BACKSPACE && line_n) {
		line_n--;
		screen_text("\b");
	} else if (character(code)) {
		typed(character(code));
	}
}

static void on_event(const struct event *e)
{
	if (e->type == EV_KEY && e->code >= BTN_MOUSE)
		print("btn %u %u\n", e->code, (unsigned)e->value);
	else if (e->type == EV_KEY)
		on_key(e->code, e->value);
	else if (e->type == EV_REL)
		print("wheel %d\n", e->value);
	else if (e->type == EV_ABS && e->code == 0)
		pointer_x = e->value * SCREEN_W / 32768, pointer_moved = true;
	else if (e->type == EV_ABS && e->code == 1)
		pointer_y = e->value * SCREEN_H / 32768, pointer_moved = true;
	else if (e->type == EV_SYN && pointer_moved) {
		pointer_moved = false;
		print("ptr %d %d\n", pointer_x, pointer_y);
		screen_pointer((unsigned)pointer_x, (unsigned)pointer_y);
	}
}

static void input_open(struct input *in, unsigned nth)
{
	if (!virtio_open(&in->dev, 18, nth, 0) || !virtio_queue(&in->dev, &in->queue, 0))
		return;
	virtio_go(&in->dev);
	for (unsigned i = 0; i < RING; i++)
		virtio_offer(&in->queue, in->event, sizeof(struct event), i);
	virtio_kick(&in->queue);
	print("input %u\n", nth);
}

static void input_poll(struct input *in)
{
	int i;

	while (in->queue.notify && (i = virtio_take(&in->queue)) >= 0) {
		struct event e = in->event[i];

		virtio_offer(&in->queue, in->event, sizeof(struct event), (unsigned)i);
		virtio_kick(&in->queue);
		on_event(&e);
	}
}

/* ---- life --------------------------------------------------------------------------------------
 */

/* The value of "name=value" on the command line up to a space, or "" for a bare word. */
static bool option(const char *cmdline, const char *name, char *value, unsigned n)
{
	size_t len = strlen(name);

	while (*cmdline) {
		const char *word = cmdline;
		size_t i = 0;

		while (*cmdline && *cmdline != ' ')
			cmdline++;
		while (i < len && word[i] == name[i])
			i++;
		if (i == len && (word[i] == '=' || word + i == cmdline)) {
			for (word += len + 1; word < cmdline && n > 1; n--)
				*value++ = *word++;
			*value = 0;
			return true;
		}
		while (*cmdline == ' ')
			cmdline++;
	}
	return false;
}

void card_main(const uint8_t *params)
{
	const char *cmdline = (const char *)(uint64_t) * (const uint32_t *)(params + 0x228);
	char command[sizeof(line)];

	virtio_packed = option(cmdline, "packed", command, sizeof(command));
	print("pane test card\n");
	memory_init(params);
	interrupts_init();
	pci_list();
	use_disk();
	use_identity();
	balloon_open();
	if (screen_open())
		print("screen %ux%u\n", SCREEN_W, SCREEN_H);
	input_open(&input[0], 0);
	input_open(&input[1], 1);
	screen_text("pane test card\n> ");
	if (!option(cmdline, "noready", command, sizeof(command)))
		print("pane.ready\n");
	if (identity_sectors == IDENTITY_BLANK &&
	    !option(cmdline, "nowaits", command, sizeof(command)))
		print("pane.waits\n");
	if (option(cmdline, "run", command, sizeof(command)))
		obey(command);
	for (;;) {
		device_interrupt = false;
		input_poll(&input[0]);
		input_poll(&input[1]);
		look_at_identity();
		balloon_look();
		hotplug_look();
		if (power_button)
			power_off();
		if (churning)
			churn_on();
		else
			sleep_unless(&device_interrupt);
	}
}
