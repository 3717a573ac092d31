/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Worker jobs on GLib's thread pool; see jobs.h. A job is owned by its GTask.
 */
#include "clients/thin/jobs.h"
#include "clients/thin/fleet.h"

#include <errno.h>

struct reply {
	thin_job_fn done;
	void *arg;
};

static void job_free(gpointer p)
{
	struct thin_job *j = p;

	secret_wipe(&j->secret);
	explicit_bzero(j->code, sizeof(j->code));
	secret_wipe(&j->token);
	secret_wipe(&j->ticket.ticket);
	thin_pin_info_clear(&j->info);
	json_decref(j->config);
	g_free(j);
}

struct thin_job *thin_job_new(enum thin_job_kind kind, const struct thin_site *site)
{
	struct thin_job *j = g_new0(struct thin_job, 1);

	j->kind = kind;
	j->site = *site;
	return j;
}

static int work(struct thin_job *j, GCancellable *cancel)
{
	switch (j->kind) {
	case THIN_JOB_LOGIN:
		return thin_api_login(&j->site, j->user, &j->secret, j->code, cancel, &j->token,
				      &j->err);
	case THIN_JOB_DESKTOPS:
		return thin_api_desktops(&j->site, &j->secret, cancel, &j->desktops, &j->err);
	case THIN_JOB_TICKET:
		return thin_api_ticket(&j->site, &j->secret, j->pool, cancel, &j->ticket, &j->err);
	case THIN_JOB_PROBE:
		return thin_pin_fetch(j->site.host, j->site.port, &j->info, &j->err);
	case THIN_JOB_LOGOUT:
		return thin_api_logout(&j->site, &j->secret);
	case THIN_JOB_TERMINAL:
		j->token = j->secret;
		return thin_fleet_round(&j->site, j->code, &j->token, &j->config, &j->err);
	}
	return -EINVAL;
}

static void in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancel)
{
	struct thin_job *j = data;

	(void)source;
	j->result = work(j, cancel);
	secret_wipe(&j->secret);
	g_task_return_boolean(task, TRUE);
}

static void in_main(GObject *source, GAsyncResult *result, gpointer data)
{
	g_autofree struct reply *reply = data;
	GTask *task = G_TASK(result);

	(void)source;
	if (!g_cancellable_is_cancelled(g_task_get_cancellable(task)) && reply->done)
		reply->done(g_task_get_task_data(task), reply->arg);
}

void thin_job_run(struct thin_job *j, GCancellable *cancel, thin_job_fn done, void *arg)
{
	struct reply *reply = g_new0(struct reply, 1);
	GTask *task;

	reply->done = done;
	reply->arg = arg;
	task = g_task_new(NULL, cancel, in_main, reply);
	g_task_set_task_data(task, j, job_free);
	g_task_run_in_thread(task, in_thread);
	g_object_unref(task);
}
