/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a QEMU before 8.2 that clones a template.  Such a QEMU opens for writing the file
 * that it then maps privately; here the one file named by KVM_READONLY is opened for reading
 * instead.  That is all it takes: its mount is read-only, whether this is loaded or not.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* glibc's names for one call: plain, for large files, and checked by -D_FORTIFY_SOURCE. */
#define EXPORT __attribute__((visibility("default")))
EXPORT int open64(const char *path, int flags, ...);
EXPORT int open(const char *path, int flags, ...);
EXPORT int __open64_2(const char *path, int flags);

static int open_file(const char *path, int flags, mode_t mode)
{
    const char *only = getenv("KVM_READONLY");

    if (only && strcmp(path, only) == 0)
        flags = (flags & ~(O_ACCMODE | O_CREAT)) | O_RDONLY | O_CLOEXEC;
    return openat(AT_FDCWD, path, flags, mode);
}

#define MODE_OF(flags)                                                                             \
    ({                                                                                             \
        mode_t mode_ = 0;                                                                          \
        va_list ap_;                                                                               \
        va_start(ap_, flags);                                                                      \
        if ((flags)&O_CREAT)                                                                       \
            mode_ = va_arg(ap_, mode_t);                                                           \
        va_end(ap_);                                                                               \
        mode_;                                                                                     \
    })

int open64(const char *path, int flags, ...)
{
    return open_file(path, flags, MODE_OF(flags));
}

int open(const char *path, int flags, ...)
{
    return open_file(path, flags, MODE_OF(flags));
}

int __open64_2(const char *path, int flags)
{
    return open_file(path, flags, 0);
}
