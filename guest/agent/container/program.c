/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What will be executed, where, with which HOME. The sentences are runc's, which are Go's: docker
 * and containerd turn them into 126 and 127.
 */
#include "agent/container/child.h"

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
#define PASSWD_USUAL 4096

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
 * 0 with the file open, and its last link if it is one; or a positive errno; *ret_found tells that
 * there is a file. On a share each part of a path that nobody holds is a question to the host, and
 * so is fstat: the path is walked once, and what is held spares execve the same walk.
 */
static int executable(const char *path, struct found_program *ret, bool *ret_found)
{
    cleanup_fd int link = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    cleanup_fd int fd = link < 0 ? -1 : open(path, O_PATH | O_CLOEXEC);
    cleanup_fd int dir = -1;

    *ret_found = fd >= 0;
    if (fd < 0)
        return errno;
    dir = openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0)
        return EISDIR;
    if (syscall(SYS_faccessat2, fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) < 0)
        return errno;
    ret->fd = steal_fd(&fd);
    ret->link_fd = steal_fd(&link);
    return 0;
}

static int find_given(const char *path, struct found_program *ret, struct err *err)
{
    char text[128];
    bool found;
    int e = executable(path, ret, &found);

    if (e && !found)
        return err_set(err, e, "exec: \"%s\": stat %s: %s", path, path, go_text(e, text));
    if (e)
        return err_set(err, e, "exec: \"%s\": %s", path, go_text(e, text));
    ret->path = strdup(path);
    return ret->path ? 0 : err_set(err, ENOMEM, "exec: %m");
}

static const char *search_path(const struct plan_process *p)
{
    for (size_t i = p->env.n; i-- > 0;)
        if (strncmp(p->env.v[i], "PATH=", 5) == 0)
            return p->env.v[i] + 5;
    return "";
}

int program_find(const struct plan_process *p, struct found_program *ret, struct err *err)
{
    const char *name = p->args.v[0], *at = search_path(p);
    bool found;

    if (strchr(name, '/'))
        return find_given(name, ret, err);
    while (*name && *at) {
        size_t len = strcspn(at, ":");
        char *path = NULL;

        if (asprintf(&path, "%.*s/%s", (int)len, len ? at : ".", name) < 0)
            return err_set(err, ENOMEM, "exec: %m");
        if (executable(path, ret, &found) == 0) {
            ret->path = path;
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

/*
 * The file is the container's and may be anything; most fit into one read, and a short one is the
 * last: on a share each is a question to the host. There the kernel takes hold of the whole buffer,
 * however little comes: so the first one is small.
 */
static size_t read_passwd(char *text, size_t size)
{
    cleanup_fd int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, PASSWD_USUAL), more;

    if (n < PASSWD_USUAL)
        return n < 0 ? 0 : (size_t)n;
    more = read(fd, text + n, size - (size_t)n);
    return (size_t)n + (more < 0 ? 0 : (size_t)more);
}

static char *home_of(uint32_t uid)
{
    static char text[PASSWD_MAX + 1]; /* no page of it is there until it is used */
    char *rest = text, *line, *home = NULL;

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
