/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle of the container that warms a VM up: the view probe in a root that looks like one. It
 * is found over a symbolic link, its HOME in a file of users, and it reads a file by page faults,
 * as most programs do.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "cli/pool/pool.h"
#include "cli/view/bundle.h"

#define PROGRAM "/bin/warm-up"
#define PAGES "/lib/pages"
#define PAGES_SIZE (1 * MIB)
#define USERS 60 /* with fewer than 1 KiB the 9p client reads in another way */

static int add_users(const char *rootfs, struct err *err)
{
    cleanup_free char *path = path_join(rootfs, "etc/passwd");
    cleanup_free char *text = xstrdup("");

    for (unsigned i = 1; i <= USERS; i++) {
        cleanup_free char *before = text;

        text =
            xasprintf("%suser%u:x:%u:%u::/nonexistent:/bin/false\n", before, i, 1000 + i, 1000 + i);
    }
    return path_replace(AT_FDCWD, path, text, strlen(text), 0644, err);
}

/* Without one byte on a disk. */
static int add_pages(const char *rootfs, struct err *err)
{
    cleanup_free char *dir = path_join(rootfs, "lib"), *path = path_join(rootfs, PAGES);
    cleanup_fd int fd = -1;

    if (mkdir(dir, 0755) < 0)
        return err_set(err, errno, "make '%s': %m", dir);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || ftruncate(fd, PAGES_SIZE) < 0)
        return err_set(err, errno, "make '%s': %m", path);
    return 0;
}

static int add_link(const char *rootfs, struct err *err)
{
    cleanup_free char *dir = path_join(rootfs, "bin"), *path = path_join(rootfs, PROGRAM);

    if (mkdir(dir, 0755) < 0 || symlink(VIEW_PROBE_AT, path) < 0)
        return err_set(err, errno, "make '%s': %m", path);
    return 0;
}

int pool_bundle(const struct creation *of, const char *dir, struct err *err)
{
    static const char *const argv[] = {PROGRAM, "-f", PAGES, NULL};
    const char *arch = of->choice.back_end->arch;
    cleanup_free char *probe = xasprintf("%s/%s/view-probe", of->cli->layout.guest_dir, arch);
    cleanup_free char *rootfs = path_join(dir, "rootfs");
    int r = path_remove_tree(AT_FDCWD, dir, err); /* a killed one's */

    if (r < 0 || (r = path_mkdirs(dir, 0700, err)) < 0)
        return r;
    if (access(probe, R_OK | X_OK) < 0)
        return err_set(err, errno, "what warms a VM up, '%s': %m", probe);
    if ((r = view_bundle_make(dir, NULL, arch, probe, argv, err)) < 0 ||
        (r = add_users(rootfs, err)) < 0 || (r = add_pages(rootfs, err)) < 0)
        return r;
    return add_link(rootfs, err);
}
