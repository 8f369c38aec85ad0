/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of core/kit share: the state of the child that runs the checks.
 * Nobody else includes it.
 */
#ifndef KIT_INTERNAL_H
#define KIT_INTERNAL_H
#include "kit/kit.h"

#define KIT_OP_MS 60000u  /* an op that works, on a busy machine */
#define KIT_SOON_MS 5000u /* giving up, beyond the time-out that was asked for */
#define KIT_MIB (UINT64_C(1) << 20)
#define KIT_CMDLINE "quiet loglevel=1 panic=-1 random.trust_cpu=on"

/* What the child tells its parent while it runs; lives in shared memory. */
struct kit_shared {
    char step[48]; /* the op under way */
    char work[64]; /* the child's folder; whoever started it removes it, for it may crash */
    bool probed, finished;
    struct plugin_info info;
};

/* What must be the same before and after. */
struct kit_mark {
    int fds, children, mounts, links;
};

struct kit {
    const struct kit_options *o;
    struct kit_shared *shared;
    int out;  /* checks go there, as struct kit_check */
    int said; /* what the plug-in writes to 1 and 2 */
    const char *area;
    struct plugin *opened; /* core's own instance: the .so is loaded and trusted */
    const struct hvp_plugin *ops;
    struct hvp_host host;
    int cancel_timer;
    void *inst;
    struct hvp_caps caps;
    struct hvp_error err;
    const char *work;
    char share[80], console[80], template_dir[80];
    unsigned n_vms;
    bool kernel_less;
};

/* ---- record.c: one check each */
bool kit_that(struct kit *k, bool good, const char *what, const char *fmt, ...) PRINTF_LIKE(4, 5);
bool kit_ok(struct kit *k, int r, const char *what);              /* the op must succeed */
bool kit_refused(struct kit *k, int r, const char *what);         /* the op must fail */
bool kit_errno(struct kit *k, int r, int code, const char *what); /* with this code */
void kit_skip(struct kit *k, const char *what, const char *fmt, ...) PRINTF_LIKE(3, 4);
void kit_note(struct kit *k, const char *fmt, ...) PRINTF_LIKE(2, 3);
uint64_t kit_now_ms(void);

/* Call an op whose last argument is the error; a failure without a sentence is a failed check. */
void kit_step(struct kit *k, const char *op);
int kit_answer(struct kit *k, const char *op, int r);
#define KIT_CALL(k, op, ...)                                                                       \
    (kit_step(k, #op), kit_answer(k, #op, (k)->ops->op(__VA_ARGS__, &(k)->err)))

/* Is this area asked for? */
static inline bool kit_wants(const struct kit *k, const char *area)
{
    return k->o->only->n == 0 || strv_has(k->o->only, area);
}

static inline bool kit_has(const struct kit *k, uint64_t cap)
{
    return k->caps.flags & cap;
}

/* ---- host.c */
int kit_host_init(struct kit *k, struct err *err);
void kit_cancel_after(struct kit *k, uint32_t ms); /* 0 = at once */
void kit_cancel_clear(struct kit *k);

/* ---- symbols.c: names that the .so exports beside the entry; -errno when it cannot be read */
int kit_foreign_symbols(const char *path, char *names, size_t len);

/* ---- instance.c: what needs no VM */
void kit_check_instance(struct kit *k);
bool kit_check_probe(struct kit *k);

/* ---- build.c: a VM and its devices */
struct kit_vm_wish {
    const char *dir;               /* restore from there; NULL = a new VM */
    const char *cmdline;           /* NULL = KIT_CMDLINE */
    const char *kernel, *machine;  /* NULL = what works */
    const struct hvp_share *share; /* instead of the usual one */
    const struct hvp_kv *options;  /* NULL = none */
    const char *template_dir;      /* NULL = it will not be one */
    const struct hvp_device *more; /* one more cold device */
    uint32_t timeout_ms;           /* 0 = the usual one */
    bool no_nic, try_once;         /* try_once: time-out 0 */
    bool check_key;                /* of the template, if there are any */
};
struct kit_vm {
    void *vm; /* NULL = there is none */
    char id[40], uuid[40], run_dir[80];
    bool has_nic;
};
struct hvp_share kit_share(const struct kit *k);
int kit_tap(void); /* -1 = none to be had here */
struct hvp_nic kit_nic(const char *tag, const int *tap, uint8_t last, uint32_t flags);
int kit_build(struct kit *k, const struct kit_vm_wish *wish, struct kit_vm *ret);
bool kit_make(struct kit *k, struct kit_vm *ret, const char *what); /* a check: it must work */
bool kit_make_template(struct kit *k, struct kit_vm *ret, const char *what);
void kit_destroy(struct kit *k, struct kit_vm *vm, const char *what);
void kit_drop(struct kit *k, struct kit_vm *vm); /* silently: destroy, close */
uint32_t kit_state(struct kit *k, void *vm);
int32_t kit_pid(struct kit *k, void *vm); /* of the VMM; 0 = unknown */

/* ---- agent.c */
bool kit_hello(struct kit *k, void *vm);
uint32_t kit_event(struct kit *k, void *vm, uint32_t ms); /* kind; 0 = none in time */
bool kit_console_says(struct kit *k);

/* ---- the rest, in the order in which they run */
void kit_check_life(struct kit *k);                         /* life.c */
void kit_check_claims(struct kit *k, struct kit_vm *vm);    /* claims.c */
void kit_check_devices(struct kit *k, struct kit_vm *vm);   /* devices.c */
void kit_check_unclaimed(struct kit *k, struct kit_vm *vm); /* unclaimed.c */
void kit_check_template(struct kit *k, struct kit_vm *vm);  /* template.c */
void kit_check_bad(struct kit *k);                          /* bad.c: descriptions */
void kit_check_faults(struct kit *k);                       /* faults.c: what goes wrong outside */
void kit_check_gone(struct kit *k, struct kit_vm *vm, int32_t pid);

/* ---- leaks.c */
void kit_mark(struct kit_mark *ret);
void kit_check_mark(struct kit *k, const struct kit_mark *before, const char *after);
void kit_check_cloexec(struct kit *k);
void kit_check_files(struct kit *k, const struct kit_vm *vm);
void kit_check_silence(struct kit *k);

/* ---- run.c: the child */
_Noreturn void kit_child(const struct kit_options *o, struct kit_shared *shared, int out);

#endif
