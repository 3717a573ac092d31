/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The broker's configuration file.
 */
#ifndef PANE_BROKER_CONF_H
#define PANE_BROKER_CONF_H

#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"

/* [directory]; uri NULL: there is none */
struct directory_conf {
	char *uri; /* ldaps://, ldap:// with start_tls, or ldapi:// */
	bool start_tls;
	char *ca_cert;			    /* NULL: the system's */
	char *bind_dn, *bind_password_file; /* both, or neither: anonymous */
	char *user_base, *user_filter;
	char *user_name, *full_name, *email; /* attributes */
	char *group_base, *group_filter;     /* base NULL: no groups */
	char *group_name, *member;
	int timeout_s, helpers;
	int sync_s; /* between comparisons; 0 = only when asked for */
};

/* [oidc]; issuer NULL: there is none */
struct oidc_conf {
	char *issuer, *client_id;
	char *client_secret_file; /* NULL: a public client */
	char *redirect_uri; /* https://HOST[:PORT]/: the console's address, as browsers see it */
	char *name;	    /* of the button */
	char *ca_cert;	    /* NULL: the system's */
	char **scopes;	    /* beside openid; NULL: profile, email */
	char *user_claim;   /* whose value names the user */
	char *user_match;   /* "name" or "email": of what users are compared with it */
	char *groups_claim; /* NULL: groups stay as they are */
	char **group_map;   /* "theirs=ours" */
	bool second_factor; /* ours is asked for, too, of who has one or must */
	int timeout_s, helpers;
};

struct broker_conf {
	const char *path; /* borrowed: of the file itself; set by main() */
	struct directory_conf directory;
	struct oidc_conf oidc;
	/* [broker] */
	char *api_socket, *internal_socket; /* unix paths only gateways may reach */
	char **metrics_listen;		    /* where /metrics is told besides; NULL = nowhere */
	int workers;			    /* threads, and connections to the database */
	int max_waiting;		    /* requests queued or held, beyond which 503 */
	/* [database] */
	char *conninfo;	      /* of the runtime role */
	char *owner_conninfo; /* of the role that owns the schema: migrate and admin */
	char *sql_dir;
	int statement_timeout_ms;
	/* [pki] */
	char *ca_cert, *ca_key, *grant_key, *grant_pub;
	char *secret_keys; /* NULL: secrets lie in the database as they are */
	int cert_days;
	/* [images] */
	char *store;	  /* directory of uploaded images; NULL = none are taken */
	char *pane_image; /* the converter */
	/* [policy] */
	int poll_max_s;		/* a host's long poll is answered at the latest after this */
	int host_lost_s;	/* silence beyond its poll after which a host is lost */
	int host_gone_s;	/* the same when its open poll broke off */
	int connect_wait_s;	/* how long a connection is held while the desktop starts */
	int connect_wait_rdp_s; /* the same for RDP: FreeRDP's clients give up without a word 9 s
				   after their login */
	int token_ttl_s;	/* bearer tokens */
	int ticket_ttl_s;	/* connection tickets */
	bool ticket_bind;	/* a ticket works only from the address it was given to */
	int login_free;		/* failures of a user from one source before waits begin */
	int login_source_free;	/* the same for a source as a whole */
	int reconcile_ms;
	int home_retention_s; /* of a home nobody may use; 0: for ever */
	int retention_s;      /* what leavers and movers leave behind lies in the bin; 0 = no bin */
};

int broker_conf_read(const char *path, struct broker_conf *c, struct err *e) must_check;
void broker_conf_free(struct broker_conf *c);

#endif
