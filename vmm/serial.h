/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A 16550A serial port at COM1 whose line ends in a struct console_log. Output only: nothing is
 * ever received. Guest accesses come from any vCPU thread and are serialised by its lock.
 */
#ifndef PANE_VMM_SERIAL_H
#define PANE_VMM_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "vmm/console_log.h"

struct snap;
struct snap_out;

struct serial {
	pthread_mutex_t lock;	 /* guards everything below */
	struct console_log *log; /* borrowed */
	void (*irq)(void *arg, bool level);
	int (*talks)(
		void *arg); /* NULL, or told of the first byte after silence; 0 when it heard */
	void *arg;
	bool talking; /* until serial_settle() says otherwise */
	uint8_t ier, lcr, mcr, scratch, fcr;
	uint16_t divisor;
	bool thr_empty_pending; /* THRE interrupt not yet acknowledged */
	bool irq_level;
	bool looped; /* a byte came back by loopback and was not read */
	uint8_t looped_byte;
};

void serial_init(struct serial *s, struct console_log *log, void (*irq)(void *arg, bool level),
		 void *arg);
void serial_fini(struct serial *s);
/* A talks() of the owner's sees to it that this is called every now and then until it is false:
 * then the guest has fallen silent, and a line it left without an end, a prompt, is in the log. */
bool serial_settle(struct serial *s);
/* Snapshots (vmm/snapshot/section.h), section "serial". */
void serial_save(struct serial *s, struct snap_out *out);
int serial_load(struct serial *s, const struct snap *snap, struct err *e) must_check;
/* A vm_io_fn for eight ports. */
void serial_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value);

#endif
