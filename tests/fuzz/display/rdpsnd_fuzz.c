/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A client's messages on the audio output channel, with sound sent in between.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "display/rdp/rdpsnd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_send(void *arg, const uint8_t *p, size_t n)
{
	(void)arg;
	(void)p;
	return n ? 0 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t samples[500 * DISP_SOUND_FRAME] = {1};
	static struct disp_sound *sound;
	static struct rdpsnd s;
	int64_t now = 1;

	if (!sound)
		sound = disp_sound_new(true);
	if (!sound)
		return 0;
	disp_rdpsnd_init(&s, on_send, NULL);
	s.ear.wake_fd = -1;
	disp_sound_listen(sound, &s.ear);
	disp_sound_begin(sound, 44100);
	if (disp_rdpsnd_open(&s) < 0)
		abort();
	/* Messages are cut where a byte says, as the channel would deliver them. */
	while (size > 1) {
		size_t n = data[0] < size - 1 ? data[0] : size - 1;

		if (disp_rdpsnd_receive(&s, data + 1, n, now) < 0)
			break;
		data += 1 + n;
		size -= 1 + n;
		now += 10;
		disp_sound_store(sound, samples, 500);
		if (disp_rdpsnd_run(&s, sound, now) < 0)
			break;
		if (s.in_flight > RDPSND_BLOCKS)
			abort();
	}
	disp_sound_leave(sound, &s.ear);
	return 0;
}
