/* SPDX-License-Identifier: Apache-2.0 */
/*
 * from_template.h - the template that a new VM can be cloned from: found, or made on the way.
 * For creation.c and the verb `template build`. A VM that cannot be cloned boots: nothing here
 * makes a creation fail but a signal.
 */
#ifndef CLI_FROM_TEMPLATE_H
#define CLI_FROM_TEMPLATE_H
#include "cli/creation/creation.h"

#define BUILDER_PREFIX "t-" /* of the run_dirs of templates in the making */

/* 1: c->template is ready and locked, until from_template_done; 0: boot, *err says why if it is
 * worth a word; -EINTR. c has its decision, nothing need exist yet. */
int from_template_find(struct creation *c, struct err *err);

/* What became of the clone. failure: it did not come up, and why. */
void from_template_done(struct creation *c, const struct err *failure);

/* like_template.c: c, whose choice is loaded, becomes the creation of a VM like that with these
 * facts, which it borrows, and has taps for it. */
int from_template_like(struct creation *c, const struct kvs *facts, struct err *err);

/* Clone c->template (LOCK_EX, ready), wait until the clone's agent has answered, and end it. When
 * it does not come up the template goes. Needs c->interrupt. */
int from_template_try(struct creation *c, struct err *err);

/* What a VM like c's needs to be cloned, for list and for explain: the facts. */
void from_template_facts(const struct creation *c, struct kvs *ret);

#endif
