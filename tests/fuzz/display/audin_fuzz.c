/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A client's messages on the audio input channel, up to what goes to the desktop.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "display/microphone.h"
#include "display/rdp/audin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct disp_mic *mic;
static struct disp_mouth mouth = {.wake_fd = -1};
static struct audin audin;
static int64_t now;
static volatile uint8_t sum;

static int on_send(void *arg, const uint8_t *p, size_t n)
{
	(void)arg;
	(void)p;
	return n ? 0 : -1;
}

static void on_heard(void *arg, const uint8_t *p, size_t frames)
{
	(void)arg;
	if (!frames || frames > AUDIN_FRAMES || audin.state != AUDIN_OPEN)
		abort();
	disp_mic_say(mic, &mouth, audin.rate, p, frames, now);
}

static void on_voice(void *arg, uint32_t rate, const uint8_t *p, size_t frames)
{
	(void)arg;
	if (!rate || !frames || frames > SURFACE_VOICE_MAX)
		abort();
	sum = (uint8_t)(sum + p[0] + p[frames * DISP_MIC_FRAME - 1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct audin_ops ops = {on_send, on_heard};

	if (!mic) {
		mic = disp_mic_new(true);
		if (!mic)
			return 0;
		disp_mic_set_send(mic, on_voice, NULL);
		disp_mic_join(mic, &mouth);
		disp_mic_record(mic, 44100);
	}
	now = 1000;
	disp_audin_init(&audin, &ops, NULL);
	if (disp_audin_open(&audin, 44100) < 0)
		abort();
	/* Messages are cut where a byte says, as the channel would deliver them. */
	while (size > 1) {
		size_t n = data[0] < size - 1 ? data[0] : size - 1;

		if (disp_audin_receive(&audin, data + 1, n) < 0)
			break;
		data += 1 + n;
		size -= 1 + n;
		now += 10;
	}
	return 0;
}
