/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/log.h"
#include "base/macros.h"
#include "jail/filter.h"

static const char *const names[] = {
#include "syscall_names.h"
};

struct line {
    char text[256];
    size_t n;
};

static void add_text(struct line *l, const char *text)
{
    while (*text && l->n < sizeof(l->text))
        l->text[l->n++] = *text++;
}

static void add_number(struct line *l, unsigned n)
{
    char digits[12] = "";
    size_t at = sizeof(digits) - 1;

    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    add_text(l, digits + at);
}

/* SA_RESETHAND and SA_NODEFER: the second SIGSYS ends the process at once. */
static void on_violation(int signo, siginfo_t *info, void *context)
{
    unsigned nr = (unsigned)info->si_syscall;
    struct line l = {.n = 0};

    (void)context;
    add_text(&l, "error: " JAIL_LAST_WORDS);
    add_text(&l, nr < ARRAY_SIZE(names) && names[nr] ? names[nr] : "unknown");
    add_text(&l, "' (");
    add_number(&l, nr);
    add_text(&l, "), which it never makes: a guest has broken into it, or this is a bug; "
                 "please report it\n");
    log_from_signal(l.text, l.n);
    (void)syscall(SYS_tgkill, getpid(), gettid(), signo);
    _exit(128 + signo);
}

static int watch_violations(void)
{
    struct sigaction sa = {.sa_sigaction = on_violation,
                           .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER};

    return sigaction(SIGSYS, &sa, NULL) < 0 ? -errno : 0;
}

int jail_filter(enum jail_profile profile, struct err *err)
{
    struct filter f;
    struct sock_fprog prog = {.filter = f.v};
    int r = watch_violations();
    long thread;

    filter_build(&f, profile, getpid());
    prog.len = (unsigned short)f.n;
    if (r < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set(err, errno, "prepare the system call filter: %m");
    thread = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
    if (thread < 0)
        return err_set(err, errno, "install the system call filter: %m");
    if (thread > 0)
        return err_set(err, EBUSY, "thread %ld has a system call filter of its own", thread);
    return 0;
}
