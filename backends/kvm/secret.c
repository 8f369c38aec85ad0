/* SPDX-License-Identifier: Apache-2.0 */
/* The one place where a password is in our memory; it leaves through a sealed descriptor only. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "common/util.h"
#include "disk.h"

static int read_secret(const struct hvp_disk *k, char *buf, size_t *ret_len, struct hvp_error *err)
{
    cleanup_close int fd = open(k->secret_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0)
        return hvp_fail(err, errno, "disk '%s': open the secret file '%.200s': %m", k->d.tag,
                        k->secret_file);
    if (!S_ISREG(st.st_mode) || st.st_size > DISK_SECRET_MAX)
        return hvp_fail(err, EINVAL, "disk '%s': '%.200s' is not a file of at most %d bytes",
                        k->d.tag, k->secret_file, DISK_SECRET_MAX);
    n = read(fd, buf, DISK_SECRET_MAX);
    if (n < 0)
        return hvp_fail(err, errno, "disk '%s': read the secret file '%.200s': %m", k->d.tag,
                        k->secret_file);
    while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
        n--;
    if (n == 0)
        return hvp_fail(err, EINVAL, "disk '%s': the secret file '%.200s' is empty", k->d.tag,
                        k->secret_file);
    *ret_len = (size_t)n;
    return 0;
}

int disk_secret_open(const struct hvp_disk *k, int *ret_fd, struct hvp_error *err)
{
    cleanup_close int fd = -1;
    char buf[DISK_SECRET_MAX];
    size_t len = 0;
    int r = read_secret(k, buf, &len, err);

    if (r < 0)
        return r;
    fd = memfd_create("secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || write(fd, buf, len) != (ssize_t)len ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        r = hvp_fail(err, errno ? errno : EIO, "disk '%s': pass the secret to QEMU: %m", k->d.tag);
    explicit_bzero(buf, sizeof(buf));
    if (r == 0)
        *ret_fd = steal_fd(&fd);
    return r;
}
