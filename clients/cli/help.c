/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Help, and the man page's sections, out of the one table of commands: they cannot disagree.
 */
#include "clients/cli/command.h"

#include <stdio.h>
#include <string.h>

static void usage_line(char *out, size_t n, const struct cli_command *k)
{
	snprintf(out, n, "%s%s%s%s%s", k->noun, k->verb ? " " : "", k->verb ? k->verb : "",
		 k->args[0] ? " " : "", k->args);
}

static void option_head(char *out, size_t n, const struct cli_option *o)
{
	snprintf(out, n, "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
}

static void option_help(char *out, size_t n, const struct cli_option *o)
{
	if (o->required)
		snprintf(out, n, "%s (required)", o->help);
	else if (o->fallback)
		snprintf(out, n, "%s (default %s)", o->help, o->fallback);
	else
		snprintf(out, n, "%s", o->help);
}

static void help_options(FILE *out, const struct cli_option *list)
{
	char head[64], text[200];

	for (const struct cli_option *o = list; o && o->name; o++) {
		option_head(head, sizeof(head), o);
		option_help(text, sizeof(text), o);
		fprintf(out, "  %-22s %s\n", head, text);
	}
}

static void help_command(FILE *out, const struct cli_command *k)
{
	char line[120];

	usage_line(line, sizeof(line), k);
	fprintf(out, "Usage: pane %s%s\n\n%c%s.\n", line, k->options ? " [OPTIONS]" : "",
		k->help[0] - 'a' + 'A', k->help + 1);
	if (k->options) {
		fputs("\nOptions:\n", out);
		help_options(out, k->options);
	}
	fputs("\nEverywhere:\n", out);
	help_options(out, cli_globals);
}

static void help_list(FILE *out, const char *noun)
{
	const struct cli_command *k, *before = NULL;
	char line[120];

	for (size_t i = 0; (k = cli_command_at(i)); before = k, i++) {
		if (noun && strcmp(noun, k->noun) != 0)
			continue;
		if (!noun && before && k->verb && strcmp(k->noun, before->noun) != 0)
			fputc('\n', out);
		usage_line(line, sizeof(line), k);
		fprintf(out, "  %-28s %s\n", line, k->help);
	}
}

void cli_help(FILE *out, const char *noun, const struct cli_command *c)
{
	if (c) {
		help_command(out, c);
		return;
	}
	fprintf(out, "Usage: pane %s [ARGUMENTS] [OPTIONS]\n\n", noun ? noun : "COMMAND");
	help_list(out, noun);
	fputs("\nEverywhere:\n", out);
	help_options(out, cli_globals);
	fputs("\npane COMMAND --help tells a command's own options.\n", out);
}

static void man_options(FILE *out, const struct cli_option *list, const char *indent)
{
	char text[200];

	for (const struct cli_option *o = list; o && o->name; o++) {
		option_help(text, sizeof(text), o);
		fprintf(out, "%s*--%s*%s%s%s\n%s\t%s\n\n", indent, o->name, o->arg ? " _" : "",
			o->arg ? o->arg : "", o->arg ? "_" : "", indent, text);
	}
}

void cli_help_man(FILE *out)
{
	const struct cli_command *k;

	fputs("# COMMANDS\n\n", out);
	for (size_t i = 0; (k = cli_command_at(i)); i++) {
		fprintf(out, "*pane %s%s%s*", k->noun, k->verb ? " " : "", k->verb ? k->verb : "");
		for (const char *p = k->args; *p;) {
			size_t n = strcspn(p, " ");

			fprintf(out, " _%.*s_", (int)n, p);
			p += n + (p[n] == ' ');
		}
		fprintf(out, "\n\t%s\n\n", k->help);
		man_options(out, k->options, "\t");
	}
	fputs("# OPTIONS\n\nThese may be given with every command.\n\n", out);
	man_options(out, cli_globals, "");
}
