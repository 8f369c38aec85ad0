/* SPDX-License-Identifier: Apache-2.0 */
#include "base/layout.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/str.h"
#include "build_config.h"

/* Ways from the folder of the executable. */
struct ways {
    const char *libexec, *backends, *guest, *etc;
};

static const struct ways installed = {AV_REL_LIBEXEC, AV_REL_BACKENDS, AV_REL_GUEST, AV_REL_ETC};
static const struct ways build_folder = {"../libexec/anyvisor", "../lib/anyvisor/backends",
                                         "../share/anyvisor/guest", "../etc/anyvisor"};

const char *layout_version(void)
{
    return AV_VERSION;
}

/* Shortens "/a/bin/../lib" by text: bin is no symlink, /proc/self/exe has resolved it. */
static char *walk(const char *bin, const char *way)
{
    cleanup_free char *dir = xstrdup(bin);

    while (str_starts_with(way, "../")) {
        char *slash = strrchr(dir, '/');

        if (slash)
            *slash = '\0';
        way += 3;
    }
    return path_join(*dir ? dir : "/", way);
}

static int is_directory(const char *bin, const char *way)
{
    cleanup_free char *path = walk(bin, way);
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int own_executable(char **ret, struct err *err)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (n < 0)
        return err_set(err, errno, "read /proc/self/exe: %m");
    path[n] = '\0';
    *ret = xstrdup(path);
    return 0;
}

int layout_find(struct layout *ret, struct err *err)
{
    cleanup_free char *exe = NULL;
    cleanup_free char *bin = NULL;
    const struct ways *w;
    int r;

    if ((r = own_executable(&exe, err)) < 0)
        return r;
    bin = xstrdup(exe);
    *strrchr(bin, '/') = '\0';
    w = is_directory(bin, installed.etc) ? &installed : &build_folder;
    ret->libexec_dir = walk(bin, w->libexec);
    ret->backend_dir = walk(bin, w->backends);
    ret->guest_dir = walk(bin, w->guest);
    ret->etc_dir = walk(bin, w->etc);
    ret->exe = steal_ptr(&exe);
    return 0;
}

bool layout_is_users(void)
{
    static int answer = -1;

    if (answer < 0)
        answer = geteuid() != 0 || access("/run", W_OK) < 0;
    return answer;
}

/* A folder that a user's environment names, or the system's where it names none. */
static char *place(const char *variable, const char *below, const char *system, const char *name)
{
    const char *dir = layout_is_users() ? getenv(variable) : NULL;

    return dir && *dir == '/' ? xasprintf("%s%s/%s", dir, below, name)
                              : xasprintf("%s/%s", system, name);
}

const char *layout_state_dir(void)
{
    static char *dir;

    return dir ? dir : (dir = place("XDG_RUNTIME_DIR", "", "/run", "anyvisor"));
}

const char *layout_vm_dir(void)
{
    static char *dir;

    return dir ? dir : (dir = place("XDG_RUNTIME_DIR", "", "/run", "anyvisor.vm"));
}

const char *layout_cache_dir(void)
{
    static char *dir;
    bool xdg = getenv("XDG_CACHE_HOME");

    if (!dir)
        dir =
            place(xdg ? "XDG_CACHE_HOME" : "HOME", xdg ? "" : "/.cache", "/var/cache", "anyvisor");
    return dir;
}

void layout_done(struct layout *l)
{
    free(l->exe);
    free(l->libexec_dir);
    free(l->backend_dir);
    free(l->guest_dir);
    free(l->etc_dir);
    *l = (struct layout){0};
}
