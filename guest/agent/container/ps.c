/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of a container, from its cgroup and our procfs. */
#include "agent/container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

struct gather {
    struct agent *a;
    struct container *c;
    struct msg_ps *ps;
    int64_t ppids[PLAN_LIST_MAX]; /* parents as we see them, to be translated at the end */
    pid_t pids[PLAN_LIST_MAX];
};

static int read_of(struct agent *a, pid_t pid, const char *file, char *buf, size_t size)
{
    char path[64];

    snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
    return cgroup_read(a->proc_fd, path, buf, size);
}

/* The last number of "NSpid:": the pid in the innermost namespace. */
static uint32_t inner_pid(const char *status)
{
    const char *at = strstr(status, "\nNSpid:"), *end;
    uint32_t pid = 0;

    if (!at)
        return 0;
    at += 7;
    for (end = strchr(at, '\n'); at && (!end || at < end);) {
        char *next;
        unsigned long v = strtoul(at, &next, 10);

        if (next == at)
            break;
        pid = (uint32_t)v;
        at = next;
    }
    return pid;
}

static uint32_t uid_of(const char *status)
{
    const char *at = strstr(status, "\nUid:");

    return at ? (uint32_t)strtoul(at + 5, NULL, 10) : 0;
}

static void tty_name(long long nr, char *to, size_t size)
{
    unsigned major = (unsigned)(nr >> 8) & 0xfff,
             minor = (unsigned)((nr & 0xff) | ((nr >> 12) & 0xfff00));

    if (major >= 136 && major <= 143)
        snprintf(to, size, "pts/%u", (major - 136) * 256 + minor);
    else
        snprintf(to, size, "%s", nr ? "tty" : "?");
}

/* Fields after the name, which may hold blanks and brackets itself. */
static int parse_stat(char *stat, struct msg_ps_row *row, int64_t *ret_ppid, char **ret_name)
{
    long hz = sysconf(_SC_CLK_TCK);
    char *open = strchr(stat, '('), *end = strrchr(stat, ')'), tty[32];
    unsigned long long utime, stime, start;
    long long tty_nr, ppid;

    if (!open || !end || hz <= 0)
        return -EPROTO;
    if (sscanf(
            end + 1,
            " %*c %lld %*d %*d %lld %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
            &ppid, &tty_nr, &utime, &stime, &start) != 5)
        return -EPROTO;
    *end = '\0';
    *ret_name = open + 1;
    *ret_ppid = ppid;
    row->cpu_ms = (utime + stime) * 1000 / (unsigned long long)hz;
    row->start_ms = start * 1000 / (unsigned long long)hz;
    tty_name(tty_nr, tty, sizeof(tty));
    row->tty = strdup(tty);
    return 0;
}

static char *command(struct agent *a, pid_t pid, const char *name)
{
    char buf[4096], *text = NULL;
    int n = read_of(a, pid, "cmdline", buf, sizeof(buf));

    if (n <= 0) {
        if (asprintf(&text, "[%s]", name) < 0)
            return NULL;
        return text;
    }
    for (int i = 0; i < n; i++)
        if (buf[i] == '\0')
            buf[i] = ' ';
    while (n > 0 && buf[n - 1] == ' ')
        buf[--n] = '\0';
    return strdup(buf);
}

static uint32_t known_as(struct agent *a, pid_t pid)
{
    for (struct process *p = a->processes; p; p = p->next)
        if (p->pid == pid && p->pidfd.fd >= 0)
            return p->id;
    return 0;
}

static int add(void *arg, pid_t pid)
{
    struct gather *g = arg;
    struct msg_ps_row row = {.proc_id = known_as(g->a, pid)};
    char stat[2048], status[4096], *name;
    int64_t ppid;

    if (g->ps->n >= PLAN_LIST_MAX)
        return -E2BIG;
    /* It may end while we look: then it is not there. */
    if (read_of(g->a, pid, "stat", stat, sizeof(stat)) <= 0 ||
        read_of(g->a, pid, "status", status, sizeof(status)) <= 0 ||
        parse_stat(stat, &row, &ppid, &name) < 0)
        return 0;
    row.pid = inner_pid(status);
    row.uid = uid_of(status);
    row.cmd = command(g->a, pid, name);
    g->ppids[g->ps->n] = ppid;
    g->pids[g->ps->n] = pid;
    g->ps->rows[g->ps->n++] = row;
    return 0;
}

int ps_gather(struct agent *a, struct container *c, struct msg_ps *ret, struct err *err)
{
    cleanup_free struct gather *g = calloc(1, sizeof(*g));

    memset(ret, 0, sizeof(*ret));
    ret->rows = calloc(PLAN_LIST_MAX, sizeof(*ret->rows));
    if (!g || !ret->rows)
        return err_set(err, ENOMEM, "ps: %m");
    g->a = a;
    g->c = c;
    g->ps = ret;
    if (c->cgroup_fd >= 0)
        (void)cgroup_each_pid(c->cgroup_fd, add, g);
    for (size_t i = 0; i < ret->n; i++)
        for (size_t k = 0; k < ret->n; k++)
            if (g->pids[k] == g->ppids[i])
                ret->rows[i].ppid = ret->rows[k].pid;
    return 0;
}
