/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A client's bytes behind the handshake, as the RFB server of a viewer takes them: the library's
 * messages, and ours of fences, continuous updates and sound; with sound and a picture to send.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/log.h"
#include "common/loop.h"
#include "display/dialer.h"
#include "display/rfb/server.h"
#include "display/viewer.h"

#define FRAMES 2000u /* of sound, for each input */
#define INPUT  65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libvncserver 0.9.14 forgets 24 bytes at each SetDesktopSize that is granted. */
const char *__lsan_default_suppressions(void)
{
	return "leak:rfbGetClientIterator";
}

static struct disp_screen screen;
static struct disp_sound *sound;
static struct disp_source *source;
static struct disp_clip *clip;
static struct disp_ear other = {.wake_fd = -1}; /* so that sound is kept */

static int begin(void)
{
	struct loop *loop = loop_new();
	struct disp_dialer *dialer = disp_dialer_new("/nonexistent/surface", NULL);

	log_init("fuzz", LOG_ERR);
	sound = disp_sound_new(true);
	clip = disp_clip_new(&screen, 3);
	if (!loop || !dialer || !sound || !clip || disp_screen_init(&screen) < 0 ||
	    disp_screen_resize(&screen, 320, 200) < 0)
		return -1;
	source = disp_source_new(loop, dialer, &screen);
	disp_sound_listen(sound, &other);
	disp_rfb_setup();
	return source ? 0 : -1;
}

static void *drain(void *arg)
{
	char bytes[65536];
	int fd = *(int *)arg;

	while (read(fd, bytes, sizeof(bytes)) > 0)
		continue;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char hello[] = "RFB 003.008\n\1\1";
	static const uint8_t samples[FRAMES * DISP_SOUND_FRAME] = {1};
	struct disp_viewer v = {.conn = "fuzz", .name = "fuzz", .protocol = DISP_RFB};
	pthread_t thread;
	int fd[2];

	if ((!source && begin() < 0) || size > INPUT || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return 0;
	v.fd = fd[0];
	v.screen = &screen;
	v.source = source;
	v.sound = sound;
	v.clip = clip;
	disp_sound_begin(sound, size % 2 ? 44100 : 48000);
	disp_sound_store(sound, samples, FRAMES);
	if (write(fd[1], hello, sizeof(hello) - 1) < 0 ||
	    (size && write(fd[1], data, size) < (ssize_t)size) ||
	    pthread_create(&thread, NULL, drain, &fd[1]))
		abort();
	shutdown(fd[1], SHUT_WR);
	disp_rfb_run(&v);
	disp_viewer_release(&v);
	disp_clip_disown(clip, &v, source);
	shutdown(v.fd, SHUT_RDWR);
	close(v.fd);
	pthread_join(thread, NULL);
	close(fd[1]);
	return 0;
}
