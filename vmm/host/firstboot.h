/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The NoCloud volume of a machine whose image has cloud-init: DIR/seed.raw, made by pane-image from
 * the order's account and the pool's customisation.
 */
#ifndef PANE_HOST_FIRSTBOOT_H
#define PANE_HOST_FIRSTBOOT_H

#include <jansson.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/host/config.h"
#include "vmm/host/images.h"
#include "vmm/host/orders.h"

/* Makes DIR/seed.raw when it is missing or says something else. What it says names the instance: a
 * volume that says the same is left alone, so a first boot happens once; another account makes one
 * more. customizations: those of the newest reply; NULL = none. */
int host_seed_make(const struct host_config *c, const char *dir, const struct host_order *o,
		   json_t *customizations, struct err *e) must_check;
/* Why the packages and the script a pool asks for reach nobody here, and what to do; "" when they
 * do or none are asked for. */
void host_firstboot_unheard(const struct host_order *o, const struct host_image *img,
			    json_t *customizations, char *out, size_t n);

#endif
