/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-doctor: looks at one machine of a site, as what it is by its configuration (a site with
 * broker.conf and gateway.conf, a host with host.conf, or both), and says of everything Pane needs
 * whether it is there. It changes nothing, asks no broker and needs none. A check never ends the
 * program: what cannot be looked at is a line that says why.
 */
#ifndef PANE_DOCTOR_DOCTOR_H
#define PANE_DOCTOR_DOCTOR_H

#include "deploy/doctor/report.h"
#include "deploy/doctor/settings.h"

struct doctor {
	struct report report;
	struct settings broker, gateway, host;
	bool root; /* of this machine: other processes can be looked at */
};

/* machine.c: KVM, IOMMU, control groups, user namespaces, kernel settings, the clock. */
void check_machine(struct doctor *d);
/* service.c: the configurations by their daemons' own check, versions, units. */
void check_services(struct doctor *d);
/* certs.c */
void check_certificates(struct doctor *d);
/* database.c */
void check_database(struct doctor *d);
/* ports.c: who listens where the configurations say. */
void check_ports(struct doctor *d);
/* space.c: the file systems that everything lies on, and the last backup. */
void check_space(struct doctor *d);

#endif
