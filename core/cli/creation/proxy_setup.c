/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/creation/proxy_setup.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/str.h"

static char *map_text(const struct oci_idmaps *map)
{
    char *text = xstrdup("");

    for (size_t i = 0; i < map->n; i++) {
        char *longer = xasprintf("%s%u %u %u\n", text, map->v[i].container_id, map->v[i].host_id,
                                 map->v[i].size);

        free(text);
        text = longer;
    }
    return text;
}

void proxy_setup_make(const struct oci_spec *spec, struct proxy_setup *ret)
{
    const struct oci_linux *l = &spec->linux_;
    const struct oci_namespace *mnt = &l->ns[OCI_NS_MOUNT], *user = &l->ns[OCI_NS_USER];

    *ret = (struct proxy_setup){.own_mounts = mnt->listed && !mnt->path};
    if (!user->listed || user->path)
        return;
    ret->uid_map = map_text(&l->uid_map);
    ret->gid_map = map_text(&l->gid_map);
}

void proxy_setup_done(struct proxy_setup *s)
{
    free(s->uid_map);
    free(s->gid_map);
    *s = (struct proxy_setup){0};
}

static int write_map(int proc_dir, const char *file, const char *text)
{
    cleanup_fd int fd = openat(proc_dir, file, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

/* The maps' writer keeps the rights of the old namespace; its parent has left when go ends. */
static int write_maps(const struct proxy_setup *s, int proc_dir, int go)
{
    char none;

    if (read(go, &none, 1) != 0)
        return 1;
    return write_map(proc_dir, "uid_map", s->uid_map) < 0 ||
           write_map(proc_dir, "gid_map", s->gid_map) < 0;
}

/*
 * The namespace that counts is the guest's. This one tells engines, who look at /proc/PID, and
 * containers that are to join it. A host may forbid user namespaces, which is no reason to fail.
 */
static int make_user_namespace(const struct proxy_setup *s)
{
    cleanup_fd int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int go[2], status = 0;
    pid_t writer;

    if (self < 0 || pipe2(go, O_CLOEXEC) < 0)
        return -errno;
    writer = fork();
    if (writer == 0) {
        close(go[1]);
        _exit(write_maps(s, self, go[0]));
    }
    close(go[0]);
    if (writer > 0)
        (void)unshare(CLONE_NEWUSER);
    close(go[1]);
    while (writer > 0 && waitpid(writer, &status, 0) < 0 && errno == EINTR)
        ;
    return writer < 0 ? -EAGAIN : 0;
}

int proxy_setup_run(const void *setup)
{
    const struct proxy_setup *s = setup;

    /* What the caller mounts and unmounts later shall happen here, but not the other way round. A
     * caller in a chroot has no mount there, and nothing to follow. */
    if (s->own_mounts)
        (void)mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
    return s->uid_map ? make_user_namespace(s) : 0;
}
