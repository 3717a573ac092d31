/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Orders in, events out; who was told what is docs/contracts.md, "Live migration".
 */
#include "vmm/mover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/json.h"
#include "vmm/devices.h"
#include "vmm/machine.h"
#include "vmm/migrate_out.h"
#include "vmm/plugged.h"

#define DOWNTIME_MAX_MS 60000

struct mover {
	struct mover_cfg cfg;
	struct migrate_out *out; /* owned; the latest, NULL before the first */
};

struct mover *mover_new(const struct mover_cfg *cfg)
{
	struct mover *m = calloc(1, sizeof(*m));

	if (m)
		m->cfg = *cfg;
	return m;
}

void mover_free(struct mover *m)
{
	if (!m)
		return;
	migrate_out_free(m->out);
	free(m);
}

static int hand_over(void *arg, bool away)
{
	return vm_devices_hand_over(((struct mover *)arg)->cfg.devices, away);
}

static void tell(struct mover *m, json_t *o)
{
	if (o)
		m->cfg.event(m->cfg.arg, o);
	json_decref(o);
}

static void on_progress(void *arg, const struct migrate_news *n)
{
	tell(arg, json_pack("{s:s, s:i, s:i, s:I}", "event", "migrate", "percent", (int)n->percent,
			    "round", (int)n->round, "left_bytes", (json_int_t)n->left_bytes));
}

static void on_moved(void *arg, int64_t downtime_ms)
{
	struct mover *m = arg;

	tell(m,
	     json_pack("{s:s, s:I}", "event", "migrated", "downtime_ms", (json_int_t)downtime_ms));
	vm_stop(m->cfg.vm, VM_MIGRATED, NULL);
}

static void on_failed(void *arg, const struct err *why)
{
	tell(arg, json_pack("{s:s, s:s, s:s%}", "event", "migrate.failed", "word", why->word,
			    "reason", why->msg, strlen(why->msg)));
}

static void on_doubt(void *arg, const struct err *why)
{
	tell(arg, json_pack("{s:s, s:s%}", "event", "migrate.doubt", "reason", why->msg,
			    strlen(why->msg)));
}

int mover_start(struct mover *m, json_t *order, int fd, struct err *e)
{
	cleanup_close int line = fd;
	struct migrate_out_cfg cfg = {.downtime_ms = MIGRATE_DOWNTIME_MS,
				      .identity_bytes = *m->cfg.identity_bytes,
				      .hand_over = hand_over,
				      .progress = on_progress,
				      .moved = on_moved,
				      .failed = on_failed,
				      .doubt = on_doubt,
				      .arg = m};
	int r;

	if (mover_state(m))
		return err_setw(e, -EBUSY, "migrate.busy", "the machine is being moved already");
	if ((r = json_opt_int(order, "downtime_ms", 0, DOWNTIME_MAX_MS, &cfg.downtime_ms, e)) < 0)
		return r;
	cfg.verify = json_is_true(json_object_get(order, "verify"));
	if (m->cfg.variables)
		return err_setw(e, -ENOTSUP, "migrate.variables",
				"a machine whose UEFI variables lie in a file cannot be moved");
	if ((r = plugged_check_snapshot(m->cfg.plugged, e)) < 0)
		return r;
	migrate_out_free(m->out);
	m->out = migrate_out_new(m->cfg.vm, line, &cfg, e);
	if (!m->out)
		return -EINVAL;
	(void)steal_fd(&line);
	return 0;
}

int mover_cancel(struct mover *m, struct err *e)
{
	if (!mover_state(m))
		return err_setw(e, -EINVAL, "migrate.none", "the machine is not being moved");
	return migrate_out_cancel(m->out) < 0 ? err_setw(e, -EALREADY, "migrate.late",
							 "it is too late to call the move off")
					      : 0;
}

const char *mover_state(struct mover *m)
{
	return migrate_out_state(m->out);
}

int mover_resume(struct mover *m, struct err *e)
{
	return migrate_out_resume(m->out) < 0
		       ? err_setw(e, -EBUSY, "migrate.busy",
				  "the machine is being moved: call that off instead")
		       : 0;
}
