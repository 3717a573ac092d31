/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Every text on every page of pane-thin is a message: the pages are built, with all they can show,
 * in a language whose catalogue marks each text (deploy/messages --pseudo), on an X server of this
 * test's own. What comes from elsewhere stands in « and » here.
 */
#include "clients/thin/app.h"
#include "common/language.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

const char *__lsan_default_suppressions(void);

/* It keeps what it read until a program ends, and does not always point at it. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfontconfig";
}

static char dir[] = "/tmp/pane-pages-XXXXXX";
static struct thin_app *app;
static unsigned seen;

/* Letters outside of [!!! … !!!] and « … », which may stand within each other. */
static bool naked(const char *text)
{
	int depth = 0;

	for (; *text; text++) {
		if (g_str_has_prefix(text, "[!!! ") || g_str_has_prefix(text, "«"))
			depth++;
		else if (g_str_has_prefix(text, " !!!]") || g_str_has_prefix(text, "»"))
			depth--;
		else if (!depth && g_ascii_isalpha(*text))
			return true;
	}
	return false;
}

static void look_at(const char *page, const char *text)
{
	if (!text || !*text)
		return;
	seen += strstr(text, "[!!! ") != NULL;
	if (naked(text))
		fail_msg("%s: not a message: %s", page, text);
}

/* An entry's and a password's own parts are GTK's, whose texts are its own. */
static void walk(const char *page, GtkWidget *w)
{
	g_autofree char *tip =
		gtk_widget_get_tooltip_text(w) ? g_strdup(gtk_widget_get_tooltip_text(w)) : NULL;

	look_at(page, tip);
	if (GTK_IS_LABEL(w))
		look_at(page, gtk_label_get_label(GTK_LABEL(w)));
	if (GTK_IS_ENTRY(w)) {
		const char *hint = gtk_entry_get_placeholder_text(GTK_ENTRY(w));

		if (hint && strcmp(hint, "gateway.example") != 0)
			look_at(page, hint);
	}
	if (GTK_IS_EDITABLE(w))
		return;
	for (GtkWidget *c = gtk_widget_get_first_child(w); c; c = gtk_widget_get_next_sibling(c))
		walk(page, c);
}

static struct thin_problem problem(const char *word)
{
	struct err e = {.code = -EIO};
	struct thin_problem p;

	g_strlcpy(e.word, word, sizeof(e.word));
	g_strlcpy(e.msg, "«cause»", sizeof(e.msg));
	thin_problem_from(&p, &e);
	return p;
}

static void problems(void **state)
{
	static const char *const words[] = {
		"login.failed",	       "totp.required",	   "totp.enroll",
		"login.throttled",     "login.busy",	   "login.needed",
		"login.expired",       "server.address",   "server.unreachable",
		"server.timeout",      "server.untrusted", "ca.unreadable",
		"desktop.unknown",     "pool.unknown",	   "desktop.none",
		"desktop.unavailable", "session.refused",  "session.throttled",
		"desktop.unreachable", "desktop.starting", "broker.down",
		"session.lost",	       "session.ended",	   "session.taken",
		"session.timeout",     "something.else"};

	(void)state;
	thin_page_error_init(&app->error, app);
	thin_page_login_init(&app->login, app);
	thin_page_login_terminal(&app->login, true, "«notice»", "«name»");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct thin_problem p = problem(words[i]);

		thin_page_error_show(&app->error, &p, true);
		walk("error", app->error.root);
		thin_page_login_show(&app->login, &p);
		walk("login", app->login.root);
	}
}

static void desktops(void **state)
{
	static const char *const states[][2] = {{"ready", "connected"}, {"ready", "disconnected"},
						{"ready", "none"},	{"failed", "none"},
						{"stopped", "none"},	{"booting", "none"}};
	struct thin_desktops d = {.n = ARRAY_LEN(states)};

	(void)state;
	for (int i = 0; i < d.n; i++) {
		g_strlcpy(d.item[i].pool, "«pool»", sizeof(d.item[i].pool));
		g_strlcpy(d.item[i].desktop, "«desktop»", sizeof(d.item[i].desktop));
		g_strlcpy(d.item[i].machine, states[i][0], sizeof(d.item[i].machine));
		g_strlcpy(d.item[i].session, states[i][1], sizeof(d.item[i].session));
		g_strlcpy(d.item[i].message, "Your desktop is booting.", sizeof(d.item[i].message));
	}
	thin_page_desktops_init(&app->desktops, app);
	thin_page_desktops_fill(&app->desktops, "«alice»", &d);
	walk("desktops", app->desktops.root);
}

static void connecting(void **state)
{
	(void)state;
	thin_page_connecting_init(&app->connecting, app);
	thin_page_connecting_show(&app->connecting, "«title»", THIN_STEP_START, 40, "«detail»");
	walk("connecting", app->connecting.root);
}

static void trust_and_session(void **state)
{
	struct thin_pin_info info = {.sha256 = "«AB:CD»", .subject = "«CN=x»", .until = "«date»"};

	(void)state;
	thin_page_trust_init(&app->trust, app);
	thin_page_trust_show(&app->trust, "«host»", &info, "");
	walk("trust", app->trust.root);
	thin_page_session_init(&app->page, app);
	thin_page_session_name(&app->page, "«desktop»");
	thin_page_session_dim(&app->page, "«title»", "«text»");
	walk("session", app->page.root);
}

static void administrator(void **state)
{
	(void)state;
	thin_page_admin_init(&app->admin, app);
	for (int i = 0; i < 3; i++) { /* the third one has to wait */
		gtk_editable_set_text(GTK_EDITABLE(app->admin.pin), "1234");
		g_signal_emit_by_name(app->admin.pin, "activate");
		walk("admin", app->admin.root);
	}
	assert_non_null(strstr(gtk_label_get_text(GTK_LABEL(app->admin.wrong)), "30"));
	thin_page_admin_say(&app->admin, "«said»");
	walk("admin", app->admin.root);
	assert_in_range(seen, 250, 5000); /* that is, it walked */
}

/* An X server of our own; its display's number, or -1. */
static int start_x(pid_t *pid)
{
	char text[16] = "";
	size_t n = 0;
	int p[2];

	if (pipe(p))
		return -1;
	*pid = fork();
	if (*pid == 0) {
		char fd[8];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(p[0]);
		snprintf(fd, sizeof(fd), "%d", p[1]);
		execlp("Xvfb", "Xvfb", "-displayfd", fd, "-nolisten", "tcp", NULL);
		_exit(127);
	}
	close(p[1]);
	/* The line's end is a write of its own, which has to find us. */
	while (n < sizeof(text) - 1 && !strchr(text, '\n') && read(p[0], text + n, 1) == 1)
		n++;
	close(p[0]);
	return strchr(text, '\n') ? atoi(text) : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(problems),	 cmocka_unit_test(desktops),
		cmocka_unit_test(connecting),	 cmocka_unit_test(trust_and_session),
		cmocka_unit_test(administrator),
	};
	char command[200], display[16];
	pid_t pid = 0;
	int r, n;

	if (system("command -v msgen >/dev/null && command -v Xvfb >/dev/null")) {
		puts("gettext or Xvfb is not installed");
		return 77;
	}
	if (!mkdtemp(dir))
		return 1;
	snprintf(command, sizeof(command), "deploy/messages --pseudo %s", dir);
	n = system(command) ? -1 : start_x(&pid);
	if (n < 0)
		return 1;
	snprintf(display, sizeof(display), ":%d", n);
	setenv("DISPLAY", display, 1);
	setenv("GDK_BACKEND", "x11", 1);
	setenv("GSK_RENDERER", "cairo", 1);
	setenv("GTK_A11Y", "none", 1);
	if (!gtk_init_check())
		return 1;
	language_begin("pane-thin", dir, "xx");
	app = g_new0(struct thin_app, 1);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command) ? 1 : r;
}
