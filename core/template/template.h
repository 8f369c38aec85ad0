/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template.h - saved VMs that others are cloned from, as files: found by what must be equal, made
 * under a lock, grown old, dropped.
 * For cli, which has the VMs saved and restored by monitors; this here never looks into a state.
 *
 *   DIR/NAME/lock         shared: a clone is being started; exclusive: it is made, or dropped
 *   DIR/NAME/failed       "COUNT TIME REASON": it could not be made or cloned; gone with a success
 *   DIR/NAME/build/       in the making; of nobody once the lock is free
 *   DIR/NAME/live/        ready: what the plug-in saved, and
 *   DIR/NAME/live/facts   what is equal in all its clones
 *   DIR/NAME/live/key     the plug-in's word for the same
 *   DIR/NAME/live/contents  size, inode and time of each of these files
 *   DIR/NAME/uses         a byte for each clone
 *
 * NAME is a checksum of the facts. All is root's alone.
 */
#ifndef TEMPLATE_TEMPLATE_H
#define TEMPLATE_TEMPLATE_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

#define TEMPLATE_NAME 33      /* bytes, NUL included */
#define TEMPLATE_GONE "gone." /* what was removed is called until it is gone */

/* What must be equal, in a fixed order. A fact about a file changes when the file does. */
void template_fact(struct kvs *facts, const char *name, const char *value); /* NULL = "" */
void template_fact_file(struct kvs *facts, const char *name, const char *path);
/* This boot of the host: processors, kernel and secrets are others after the next. */
void template_fact_boot(struct kvs *facts);
void template_name(const struct kvs *facts, char ret[TEMPLATE_NAME]);
/* One fact a line, "name=value"; malloc'ed. The parser cuts text up, and replaces *ret. */
char *template_facts_text(const struct kvs *facts);
void template_facts_parse(char *text, struct kvs *ret);
/* Whether all is still as the facts say that can be looked at: boot and files. */
bool template_facts_hold(const struct kvs *facts);
const char *template_facts_changed(const struct kvs *facts); /* the name of one that does not */

struct template_limits {
    uint64_t max_age_s, max_uses;
    uint64_t max_size; /* bytes of all templates */
};

enum template_state {
    TEMPLATE_MISSING, /* nothing is there that could be cloned: make it */
    TEMPLATE_READY,
    TEMPLATE_EXPIRED, /* too old, or used too often: make it anew */
    TEMPLATE_FAILED,  /* has failed again and again: not before a while */
};
const char *template_state_name(enum template_state s);

struct template
{
    char name[TEMPLATE_NAME];
    char *path; /* DIR/NAME */
    int dir, lock;
    char *key; /* the plug-in's; once it is ready */
    struct kvs facts;
    uint64_t made, uses, size; /* seconds since 1970; count; bytes on the host */
    char *reason;              /* FAILED: the last one */
};
#define TEMPLATE_INIT                                                                              \
    {                                                                                              \
        .dir = -1, .lock = -1                                                                      \
    }

/*
 * Find or begin the template of these facts below dir, which is made if it is missing and must be
 * ours alone. Locked as said (LOCK_SH to clone, LOCK_EX to make) until template_close.
 */
int template_open(const char *dir, const struct kvs *facts, int lock, uint64_t deadline_ns,
                  struct template *ret, struct err *err);
/* One by its name, for list and remove; -ENOENT. */
int template_open_name(const char *dir, const char *name, int lock, uint64_t deadline_ns,
                       struct template *ret, struct err *err);
/* From LOCK_SH to LOCK_EX or back; in between others may have had it: look again. */
int template_relock(struct template *t, int lock, uint64_t deadline_ns, struct err *err);
void template_close(struct template *t);

/* What is there now; fills key, facts, made, uses, size, reason. */
enum template_state template_look(struct template *t, const struct template_limits *limits);

/* Whether it could be cloned now, as far as files, facts and age tell: 0, or why not. */
int template_check(struct template *t, const struct template_limits *limits, struct err *err);
/* Of the directory that template_publish is about to publish. */
int template_contents_write(int dir, struct err *err);

/* Directory to clone from; malloc'ed. */
char *template_live(const struct template *t);

/* LOCK_EX: an empty directory to save into (*ret_dir malloc'ed); then one of the other two. */
int template_begin(struct template *t, char **ret_dir, struct err *err);
int template_publish(struct template *t, const struct kvs *facts, const char *key, struct err *err);
/* It could not be made, or (LOCK_SH) cloned: what is there goes. for_good: making it again would
 * fail again. */
void template_fail(struct template *t, const char *reason, bool for_good);

/* A clone has come up. */
void template_used(struct template *t);

/* LOCK_EX: away with it; the directory itself too. Clones that run are not touched. */
int template_remove(struct template *t, struct err *err);

/* Names below dir, sorted. */
int template_list(const char *dir, struct strv *ret, struct err *err);
/* Drop what nobody can use any more, then the longest unused until all fit; those at work stay.
 * keep: a name that is not dropped for room; NULL = none. Their number. */
unsigned template_sweep(const char *dir, const struct template_limits *limits, const char *keep);

#endif
