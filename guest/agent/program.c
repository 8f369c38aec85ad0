/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What will be executed, where, with which HOME. The sentences are runc's, which are Go's: docker
 * and containerd turn them into 126 and 127.
 */
#include "agent/agent.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PASSWD_MAX (1u << 20)

#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif

/* Go writes errno texts with a small first letter. */
static const char *go_text(int code, char buf[128])
{
    snprintf(buf, 128, "%s", strerror(code));
    buf[0] = (char)tolower((unsigned char)buf[0]);
    return buf;
}

/*
 * 0, or a positive errno; *ret_stat tells that it came from finding the file. The path is walked
 * once: on a share each of its parts is a question to the host.
 */
static int executable(const char *path, bool *ret_stat)
{
    cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat st;

    *ret_stat = fd < 0 || fstat(fd, &st) < 0;
    if (*ret_stat)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    if (syscall(SYS_faccessat2, fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) < 0)
        return errno;
    /* Capabilities let root "execute" anything; exec wants one x bit all the same. */
    return st.st_mode & 0111 ? 0 : EACCES;
}

static int find_given(const char *path, char **ret_path, struct err *err)
{
    char text[128];
    bool from_stat;
    int e = executable(path, &from_stat);

    if (e && from_stat)
        return err_set(err, e, "exec: \"%s\": stat %s: %s", path, path, go_text(e, text));
    if (e)
        return err_set(err, e, "exec: \"%s\": %s", path, go_text(e, text));
    *ret_path = strdup(path);
    return *ret_path ? 0 : err_set(err, ENOMEM, "exec: %m");
}

static const char *search_path(const struct plan_process *p)
{
    for (size_t i = p->env.n; i-- > 0;)
        if (strncmp(p->env.v[i], "PATH=", 5) == 0)
            return p->env.v[i] + 5;
    return "";
}

int program_find(const struct plan_process *p, char **ret_path, struct err *err)
{
    const char *name = p->args.v[0], *at = search_path(p);
    bool ignored;

    if (strchr(name, '/'))
        return find_given(name, ret_path, err);
    while (*name && *at) {
        size_t len = strcspn(at, ":");
        char *path = NULL;

        if (asprintf(&path, "%.*s/%s", (int)len, len ? at : ".", name) < 0)
            return err_set(err, ENOMEM, "exec: %m");
        if (executable(path, &ignored) == 0) {
            *ret_path = path;
            return 0;
        }
        free(path);
        at += len + (at[len] == ':');
    }
    return err_set(err, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

static void make_path(const char *path)
{
    cleanup_free char *copy = strdup(path);

    for (char *s = copy ? copy + 1 : NULL; s && *s; s++) {
        if (*s != '/')
            continue;
        *s = '\0';
        (void)mkdir(copy, 0755);
        *s = '/';
    }
    if (copy)
        (void)mkdir(copy, 0755);
}

int program_cwd(const struct plan_process *p, struct err *err)
{
    const char *cwd = p->cwd && *p->cwd ? p->cwd : "/";
    char text[128];

    if (chdir(cwd) == 0)
        return 0;
    if (errno == ENOENT) {
        make_path(cwd);
        if (chdir(cwd) == 0)
            return 0;
    }
    return err_set(err, errno, "chdir to cwd (\"%s\") set in config.json failed: %s", cwd,
                   go_text(errno, text));
}

/* The sixth field of the line if it is the user's, else NULL. */
static char *home_in(char *line, uint32_t uid)
{
    char *field[7] = {line}, *end;
    int n = 1;

    for (char *s = line; *s && n < 7; s++)
        if (*s == ':') {
            *s = '\0';
            field[n++] = s + 1;
        }
    if (n < 7 || !*field[2] || strtoul(field[2], &end, 10) != uid || *end != '\0')
        return NULL;
    return *field[5] ? field[5] : (char *)"/";
}

/* The file is the container's and may hold anything; most fit into one read, and a short one is the
 * last: on a share each is a question to the host. */
static size_t read_passwd(char *text, size_t size)
{
    cleanup_fd int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    size_t used = 0;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    do {
        n = read(fd, text + used, size - used);
        used += n > 0 ? (size_t)n : 0;
    } while (n > 0 && used < size && used < (size_t)st.st_size);
    return used;
}

static char *home_of(uint32_t uid)
{
    cleanup_free char *text = malloc(PASSWD_MAX + 1);
    char *rest = text, *line, *home = NULL;

    if (!text)
        return NULL;
    text[read_passwd(text, PASSWD_MAX)] = '\0';
    while (!home && (line = strsep(&rest, "\n")))
        home = home_in(line, uid);
    return strdup(home ? home : "/");
}

/* env becomes a list of its own with HOME in it; the strings stay the plan's. */
int program_env(struct plan_list *env, uint32_t uid, struct err *err)
{
    cleanup_free char *home = NULL;
    char **v;

    for (size_t i = 0; i < env->n; i++)
        if (strncmp(env->v[i], "HOME=", 5) == 0)
            return 0;
    v = calloc(env->n + 2, sizeof(*v));
    home = home_of(uid);
    if (!v || !home)
        return err_set(err, ENOMEM, "environment: %m");
    if (env->n)
        memcpy(v, env->v, env->n * sizeof(*v));
    if (asprintf(&v[env->n], "HOME=%s", home) < 0)
        return err_set(err, ENOMEM, "environment: %m");
    env->v = v;
    env->n++;
    return 0;
}
