/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/logger.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/proc.h"

/* The program's descriptors: it closes the last one when it is ready, which nobody waits for: what
 * is said before waits in the pipes. */
enum { OUT_FD = 3, ERR_FD, READY_FD };

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX, in place. NUL would end a word: it is refused, as is half a code. */
static bool decode(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        int high, low;

        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        high = digit_of(from[1]);
        low = high < 0 ? -1 : digit_of(from[2]);
        if (low < 0 || high + low == 0)
            return false;
        *to++ = (char)(high << 4 | low);
        from += 2;
    }
    *to = '\0';
    return true;
}

static int refuse(const char *uri, struct err *err)
{
    return err_set(err, EINVAL, "log URI '%s': expected binary:///PROGRAM?KEY=VALUE", uri);
}

int logger_words(const char *uri, struct strv *ret, struct err *err)
{
    const char *path = uri + strlen(LOGGER_SCHEME);
    cleanup_free char *copy = NULL;
    char *query, *pair;

    path += str_starts_with(path, "//") ? 2 : 0;
    copy = xstrdup(path);
    query = copy;
    (void)strsep(&query, "?");
    if (copy[0] != '/' || !decode(copy))
        return refuse(uri, err);
    strv_add(ret, copy);
    while ((pair = strsep(&query, "&"))) {
        char *value = pair;
        const char *key = strsep(&value, "=");

        if (!decode(pair) || (value && !decode(value)))
            return refuse(uri, err);
        strv_add(ret, key);
        if (value && *value)
            strv_add(ret, value);
    }
    return 0;
}

static int spawn(const struct process *p, const struct strv *words, const int fds[3],
                 struct err *err)
{
    const struct proc_fd_map map[] = {{fds[0], OUT_FD}, {fds[1], ERR_FD}, {fds[2], READY_FD}};
    struct proc_spawn how = {.path = words->v[0],
                             .argv = (const char *const *)words->v,
                             .fds = map,
                             .n_fds = ARRAY_SIZE(map),
                             .cwd = "/",
                             .new_session = 1,
                             .null_stdio = 1};
    struct strv env = {0};
    pid_t pid;
    int r;

    strv_addf(&env, "CONTAINER_ID=%s", p->t->id);
    strv_addf(&env, "CONTAINER_NAMESPACE=%s", p->t->s->args.ns);
    how.envp = (const char *const *)env.v;
    r = proc_spawn(&how, &pid, NULL, err);
    strv_done(&env);
    return r < 0 ? err_wrap(err, "logging program") : 0;
}

int logger_start(const struct process *p, const char *uri, int ret_fds[2], struct err *err)
{
    struct strv words = {0};
    int ends[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}, r = logger_words(uri, &words, err);

    for (int i = 0; i < 3 && r == 0; i++)
        if (pipe2(ends[i], O_CLOEXEC) < 0)
            r = err_set(err, errno, "pipe2: %m");
    if (r == 0)
        r = spawn(p, &words, (const int[]){ends[0][0], ends[1][0], ends[2][1]}, err);
    if (r == 0)
        for (int i = 0; i < 2; i++)
            ret_fds[i] = steal_fd(&ends[i][1]);
    for (int i = 0; i < 3; i++) {
        close_fd(&ends[i][0]);
        close_fd(&ends[i][1]);
    }
    strv_done(&words);
    return r;
}
