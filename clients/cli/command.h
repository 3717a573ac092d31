/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The commands of `pane`, as data: what each is called, which call it makes, what it may be given
 * and what it shows. Parsing, help, the man page and the request all follow from this one table.
 */
#ifndef PANE_CLI_COMMAND_H
#define PANE_CLI_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "clients/cli/table.h"

enum cli_kind {
	CLI_STRING, /* into the body */
	CLI_NUMBER, /* the same, as a number */
	CLI_LIST,   /* the same, as a list: its value is separated by commas */
	CLI_FILE,   /* the same, as the text of the file of that name */
	CLI_BASE64, /* the same, as the bytes of the file of that name, in base64 */
	CLI_NULL,   /* a flag: the key becomes null */
	CLI_TRUE,   /* a flag: the key becomes true */
	CLI_FALSE,  /* a flag: the key becomes false */
	CLI_FORCE,  /* a flag: ?force=true */
	CLI_STDIN,  /* a flag: the key becomes a line of standard input */
	CLI_LOCAL,  /* for the command itself, see cli_local() */
};

struct cli_option {
	const char *name; /* without its dashes; NULL ends the list */
	const char *arg;  /* what stands for its value in the help; NULL for flags */
	enum cli_kind kind;
	const char *key;      /* "a.b": the field b of an object a; deeper by more dots */
	const char *fallback; /* sent when the option is not given; NULL = not sent */
	bool required;
	const char *help;
};

enum cli_show {
	CLI_SHOW_DONE,
	CLI_SHOW_TABLE,
	CLI_SHOW_DETAILS
};

struct cli_call;
struct cli_command {
	const char *noun, *verb;   /* verb NULL: the noun alone */
	const char *args;	   /* "POOL USER": positional, all required */
	const char *method, *path; /* {1} is the first positional argument */
	const char *keys; /* body keys of the positional ones: "name", "-,user"; NULL = none */
	const struct cli_option *options;
	enum cli_show show;
	const struct cli_column *columns;
	const char *done; /* CLI_SHOW_DONE: what is said, with {1} as in path */
	/* Instead of one plain call. 0 or exit status, negative errno with *e. */
	int (*run)(struct cli_call *c, struct err *e);
	const char *help;
};

/* In the order of the help; NULL past the last. */
const struct cli_command *cli_command_at(size_t i);
extern const struct cli_option cli_globals[];

#define CLI_FILE_MAX	(1u << 20)
#define CLI_ARGS_MAX	3
#define CLI_OPTIONS_MAX 64

/* A parsed command line. */
struct cli_call {
	const struct cli_command *command;
	const char *arg[CLI_ARGS_MAX]; /* borrowed from argv */
	int n_args;
	const char *given[CLI_OPTIONS_MAX]; /* by position in command->options; NULL = not given */
	const char *server, *ca, *fingerprint; /* globals; borrowed */
	bool json, help, version;
};

/* -EINVAL with what is wrong. With help or version set nothing else need be right. */
int cli_parse(int argc, char **argv, struct cli_call *c, struct err *e) must_check;
/* A CLI_LOCAL option's value, "" for a flag; NULL when not given. */
const char *cli_local(const struct cli_call *c, const char *name);
/* "/api/v1/pools/{1}" with the arguments in it, percent-encoded; owned. */
char *cli_fill(const char *pattern, const struct cli_call *c, bool encode) must_check;
/* The request's body (NULL for none) ; reads standard input for CLI_STDIN. */
int cli_body(const struct cli_call *c, json_t **body, struct err *e) must_check;
bool cli_force(const struct cli_call *c);

/* Help of one command, of a noun's commands, or (noun NULL) of all. */
void cli_help(FILE *out, const char *noun, const struct cli_command *c);
/* The generated sections of the man page, in scdoc. */
void cli_help_man(FILE *out);

#endif
