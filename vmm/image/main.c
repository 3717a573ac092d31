/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-image: disk files and appliances in, images for desktops out. One thread. Every file it is
 * given is taken to be hostile. SIGTERM, SIGINT and SIGHUP arrive by descriptor and undo what was
 * begun; after a SIGKILL the next run in the same place does.
 * Exit status: 0 done, 1 refused or failed, 2 bad arguments.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include "common/file.h"
#include "common/firstboot.h"
#include "common/log.h"
#include "vmm/image/options.h"
#include "vmm/image/progress.h"

static int catch_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int seed(struct img_options *o, struct err *e)
{
	cleanup_free char *script = NULL, *key = NULL;
	size_t n;
	int r;

	if (o->seed.script &&
	    (r = file_read(o->seed.script, FIRSTBOOT_SCRIPT_MAX, &script, &n, e)) < 0)
		return r;
	if (o->seed.ssh_key && (r = file_read(o->seed.ssh_key, 4096, &key, &n, e)) < 0)
		return r;
	if (key)
		key[strcspn(key, "\r\n")] = 0;
	o->seed.script = script;
	o->seed.ssh_key = key;
	return img_seed_write(&o->seed, o->word[0], e);
}

static int convert(const struct img_options *o, int cancel_fd, struct err *e)
{
	struct img_convert c = {.file = o->word[0],
				.out_dir = o->word[1],
				.name = o->name,
				.sha256 = o->sha256,
				.disk = o->disk,
				.lim = o->lim,
				.cancel_fd = cancel_fd};
	int r = img_convert(&c, e);

	/* The caller that follows the progress reads the reason there too. */
	if (r < 0 && img_progress_line(json_pack("{s:{s:s,s:s}}", "error", "code",
						 e->word[0] ? e->word : "image.failed", "message",
						 e->msg[0] ? e->msg : strerror(-r))) < 0)
		return r; /* nobody reads */
	return r;
}

static int run(struct img_options *o, int cancel_fd, struct err *e)
{
	struct img_inspect q = {.file = o->word[0],
				.disk = o->disk,
				.json = o->json,
				.quick = o->quick,
				.lim = o->lim,
				.cancel_fd = cancel_fd};

	switch (o->command) {
	case IMG_CMD_INSPECT:
		return img_inspect(&q, e);
	case IMG_CMD_CONVERT:
		return convert(o, cancel_fd, e);
	case IMG_CMD_SEED:
		return seed(o, e);
	case IMG_CMD_BUILD:
		o->build.recipe = o->word[0];
		o->build.out_dir = o->word[1];
		o->build.cancel_fd = cancel_fd;
		return img_build(&o->build, e);
	case IMG_CMD_RECIPES:
		return img_build_list(o->build.recipes, e);
	case IMG_CMD_VERSION:
		puts("pane-image " PANE_VERSION);
		return 0;
	default:
		fputs(img_options_help(), stdout);
		return 0;
	}
}

int main(int argc, char **argv)
{
	struct img_options o;
	struct err e = {0};
	int r, cancel_fd;

	log_init("pane-image", LOG_INFO);
	if (img_options_parse(argc, argv, &o, &e) < 0) {
		fprintf(stderr, "pane-image: %s\n", e.msg);
		return 2;
	}
	cancel_fd = catch_signals();
	if (cancel_fd < 0)
		return 1;
	r = run(&o, cancel_fd, &e);
	if (r < 0)
		fprintf(stderr, "pane-image: %s\n", e.msg[0] ? e.msg : strerror(-r));
	return r < 0 ? 1 : 0;
}
