/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Desired times observed gives the next step. A stop that
 * has begun is finished before anything else, also when the wish changed meanwhile: half a shutdown
 * is not a state a guest can be left in. Deadlines force every stop to an end.
 */
#include "vmm/host/decide.h"

#include <stdio.h>
#include <string.h>

const char *host_state_name(enum host_state s)
{
	static const char *const names[] = {
		[HOST_CLONING] = "cloning",	[HOST_BOOTING] = "booting",
		[HOST_READY] = "ready",		[HOST_STOPPED] = "stopped",
		[HOST_SUSPENDED] = "suspended", [HOST_FAILED] = "failed",
		[HOST_ABSENT] = "absent",
	};

	return names[s];
}

/* Only what got ready has something to keep; anything else is shut down. */
static enum host_step decide_suspend(const struct host_view *v, int64_t now_ms, int64_t *wake_ms)
{
	if (!v->ready)
		return HOST_STEP_POWERDOWN;
	if (now_ms >= v->suspend_ms)
		return HOST_STEP_SUSPEND;
	*wake_ms = v->suspend_ms;
	return HOST_STEP_WAIT;
}

static enum host_step decide_running_process(const struct host_view *v, int64_t now_ms,
					     int64_t *wake_ms)
{
	if (v->stopping == HOST_RUNS) {
		if (v->want == HOST_WANT_STOPPED)
			return HOST_STEP_POWERDOWN;
		if (v->want == HOST_WANT_SUSPENDED)
			return decide_suspend(v, now_ms, wake_ms);
		/* Nobody has been let in: a new home comes with a new owner. */
		if (v->want == HOST_WANT_RUNNING && v->other_home)
			return HOST_STEP_QUIT;
		/* What is on the disk is thrown away anyhow: no need to ask the guest. */
		return v->want == HOST_WANT_ABSENT ? HOST_STEP_QUIT : HOST_STEP_NONE;
	}
	if (v->stopping <= HOST_ASKED && v->want == HOST_WANT_ABSENT)
		return HOST_STEP_QUIT;
	if (now_ms < v->stage_ms) {
		*wake_ms = v->stage_ms;
		return HOST_STEP_WAIT;
	}
	return v->stopping <= HOST_ASKED ? HOST_STEP_QUIT : HOST_STEP_KILL;
}

enum host_step host_decide(const struct host_view *v, int64_t now_ms, int64_t *wake_ms)
{
	if (v->process)
		return decide_running_process(v, now_ms, wake_ms);
	switch (v->want) {
	case HOST_WANT_RUNNING:
		if (now_ms >= v->retry_ms)
			return HOST_STEP_START;
		*wake_ms = v->retry_ms;
		return HOST_STEP_WAIT;
	case HOST_WANT_ABSENT:
		return v->files ? HOST_STEP_DELETE : HOST_STEP_NONE;
	case HOST_WANT_STOPPED: /* with nothing to go on with */
		return v->saved ? HOST_STEP_FORGET : HOST_STEP_NONE;
	case HOST_WANT_SUSPENDED:
	case HOST_WANT_NONE:
		break;
	}
	return HOST_STEP_NONE;
}

/* 0, 1, 2, 4 ... 60 s: the first failure costs nothing. */
static int64_t backoff_ms(unsigned fails)
{
	int64_t ms = 1000;

	if (fails <= 1)
		return 0;
	for (unsigned i = 2; i < fails && ms < HOST_BACKOFF_MAX_MS; i++)
		ms *= 2;
	return ms < HOST_BACKOFF_MAX_MS ? ms : HOST_BACKOFF_MAX_MS;
}

static void end_reason(const struct host_ended *end, bool asked, char *out, size_t n)
{
	const char *program = end->program ? end->program : "pane-vmm";

	switch (end->how) {
	case HOST_END_POWEROFF:
		snprintf(out, n, "%s", asked ? "" : "guest powered off");
		break;
	case HOST_END_LOGOUT:
		snprintf(out, n, "%s", asked ? "" : "guest powered off: the user logged out");
		break;
	case HOST_END_QUIT:
		snprintf(out, n, "%s", asked ? "" : "stopped on this host");
		break;
	case HOST_END_RESET:
		snprintf(out, n, "guest rebooted");
		break;
	case HOST_END_PANIC:
		snprintf(out, n, "guest panicked");
		break;
	case HOST_END_SIGNAL:
		if (end->detail)
			snprintf(out, n, "%s was killed (signal %d)", program, end->detail);
		else
			snprintf(out, n, "%s was killed", program);
		break;
	case HOST_END_ERROR:
		snprintf(out, n, "%s failed (exit %d)%s%s", program, end->detail,
			 end->why[0] ? ": " : "", end->why);
		break;
	}
}

void host_verdict(const struct host_ended *end, unsigned fails, int64_t ran_ms, bool asked,
		  struct host_verdict *out)
{
	char base[180];
	int64_t least = 0;

	end_reason(end, asked, base, sizeof(base));
	*out = (struct host_verdict){.fails = ran_ms >= HOST_RAPID_MS ? 1 : fails + 1};
	if (asked) {
		out->fails = 0;
		snprintf(out->reason, sizeof(out->reason), "%s", base);
		return;
	}
	if (end->how == HOST_END_ERROR || end->how == HOST_END_PANIC)
		least = 1000;
	/* Long enough for the broker to hear of it, and to decide that a desktop whose user shut it
	 * down is not to come back. */
	if (end->how == HOST_END_POWEROFF || end->how == HOST_END_LOGOUT)
		least = 2000;
	out->delay_ms = backoff_ms(out->fails);
	if (out->delay_ms < least)
		out->delay_ms = least;
	if (out->fails > 1)
		snprintf(out->reason, sizeof(out->reason), "%.150s, %u times in a row", base,
			 out->fails);
	else
		snprintf(out->reason, sizeof(out->reason), "%s", base);
}
