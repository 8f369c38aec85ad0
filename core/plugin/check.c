/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "plugin/internal.h"

static int refuse(struct err *err, const char *what, const char *path, const char *why)
{
    return err_set_phase(err, PHASE_PLUGIN, EPERM, "%s '%s' is not trusted: %s", what, path, why);
}

/*
 * Root, the caller, and whose program this is: he runs code as us already. The last also stands for
 * root in a user namespace that does not know him, where all such owners look alike.
 */
static bool owner_is_trusted(uid_t owner)
{
    struct stat self;

    return owner == 0 || owner == geteuid() ||
           (stat("/proc/self/exe", &self) == 0 && self.st_uid == owner);
}

/* Whoever may write the file, or replace it in its directory, would run code as us. */
static int check_one(const char *what, const char *path, const struct stat *st, struct err *err)
{
    if (!owner_is_trusted(st->st_uid))
        return refuse(err, what, path, "it belongs to neither root nor the calling user");
    if (st->st_mode & S_IWGRP)
        return refuse(err, what, path, "its group may write it (chmod g-w)");
    if (st->st_mode & S_IWOTH)
        return refuse(err, what, path, "everybody may write it (chmod o-w)");
    return 0;
}

int plugin_file_check(const char *what, const char *path, struct err *err)
{
    cleanup_free char *real = realpath(path, NULL);
    struct stat st;
    char *slash;
    int r;

    if (!real || stat(real, &st) < 0)
        return err_set_phase(err, PHASE_PLUGIN, errno, "find %s '%s': %m", what, path);
    if (!S_ISREG(st.st_mode))
        return refuse(err, what, path, "it is not a regular file");
    r = check_one(what, real, &st, err);
    if (r < 0)
        return r;
    slash = strrchr(real, '/');
    slash[slash == real] = '\0';
    if (stat(real, &st) < 0)
        return err_set_phase(err, PHASE_PLUGIN, errno, "look at directory '%s': %m", real);
    return check_one("directory", real, &st, err);
}
