/* SPDX-License-Identifier: Apache-2.0 */
#include "common/file.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "common/util.h"

#define PANIC_TAIL 4096

static ssize_t read_up_to(int fd, char *buf, size_t len)
{
    size_t used = 0;

    while (used < len) {
        ssize_t n = read(fd, buf + used, len - used);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

int file_read_text(const char *path, char *buf, size_t len)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = read_up_to(fd, buf, len - 1);
    if (n >= 0)
        buf[n] = '\0';
    return (int)n;
}

int file_read_alloc(const char *path, size_t max, char **ret, size_t *ret_len)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    cleanup_free char *buf = NULL;
    size_t cap = 4096, used = 0;

    if (fd < 0)
        return -errno;
    for (;;) {
        char *bigger = realloc(buf, cap + 1);
        ssize_t n;

        if (!bigger)
            return -ENOMEM;
        buf = bigger;
        n = read_up_to(fd, buf + used, cap - used);
        if (n < 0)
            return (int)n;
        used += (size_t)n;
        if (used < cap)
            break;
        if (cap >= max)
            return -EFBIG;
        cap = cap * 2 > max ? max : cap * 2;
    }
    buf[used] = '\0';
    *ret = steal_ptr(&buf);
    *ret_len = used;
    return 0;
}

int file_write_atomic(const char *path, const char *text)
{
    cleanup_free char *tmp = NULL;
    size_t len = strlen(text);
    int fd, r = 0;

    if (asprintf(&tmp, "%s.XXXXXX", path) < 0)
        return -ENOMEM;
    fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (write(fd, text, len) != (ssize_t)len)
        r = -EIO;
    close(fd);
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(tmp);
    return r;
}

int file_read_tail(const char *path, char *buf, size_t len)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    ssize_t n;

    if (fd < 0)
        return -errno;
    if (lseek(fd, -(off_t)(len - 1), SEEK_END) < 0)
        lseek(fd, 0, SEEK_SET); /* shorter than that */
    n = read_up_to(fd, buf, len - 1);
    if (n < 0)
        return (int)n;
    for (ssize_t i = 0; i < n; i++)
        if (!buf[i])
            buf[i] = ' ';
    buf[n] = '\0';
    return (int)n;
}

bool file_last_line(const char *path, char *buf, size_t len)
{
    char tail[1025], *line;
    int n = file_read_tail(path, tail, sizeof(tail));

    while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == '\r' || tail[n - 1] == ' '))
        n--;
    if (n <= 0)
        return false;
    tail[n] = '\0';
    line = strrchr(tail, '\n');
    snprintf(buf, len, "%s", line ? line + 1 : tail);
    for (char *p = buf; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
    return buf[0] != '\0';
}

bool file_tail_line(const char *path, const char *mark, char *line, size_t len)
{
    char tail[PANIC_TAIL], *p;

    if (!path[0] || file_read_tail(path, tail, sizeof(tail)) < 0)
        return false;
    p = strstr(tail, mark);
    if (!p)
        return false;
    snprintf(line, len, "%.*s", (int)strcspn(p, "\r\n"), p);
    return true;
}

static int unix_address(const char *path, struct sockaddr_un *ret, struct hvp_error *err)
{
    if (strlen(path) >= sizeof(ret->sun_path))
        return hvp_fail(err, ENAMETOOLONG, "socket path '%s' is longer than %zu bytes", path,
                        sizeof(ret->sun_path) - 1);
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, path, strlen(path));
    return 0;
}

int file_listen(const char *path, int *ret_fd, struct hvp_error *err)
{
    cleanup_close int fd = -1;
    struct sockaddr_un sa;
    int r = unix_address(path, &sa, err);

    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return hvp_fail(err, errno, "make a socket: %m");
    if (unlink(path) < 0 && errno != ENOENT)
        return hvp_fail(err, errno, "remove the old '%s': %m", path);
    if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        listen(fd, 4) < 0)
        return hvp_fail(err, errno, "listen at '%s': %m", path);
    *ret_fd = steal_fd(&fd);
    return 0;
}

int file_connect(const char *path, int *ret_fd, struct hvp_error *err)
{
    cleanup_close int fd = -1;
    struct sockaddr_un sa;
    int r = unix_address(path, &sa, err);

    if (r < 0)
        return r;
    /* Non-blocking for connect: a full backlog is an error, not a wait without limit. */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return hvp_fail(err, errno, "make a socket: %m");
    if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
        return hvp_fail(err, errno, "connect to '%s': %m", path);
    if (fcntl(fd, F_SETFL, 0) < 0)
        return hvp_fail(err, errno, "make '%s' blocking: %m", path);
    *ret_fd = steal_fd(&fd);
    return 0;
}

int file_open_log(const char *path, int *ret_fd, struct hvp_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);

    if (fd < 0)
        return hvp_fail(err, errno, "open '%s': %m", path);
    *ret_fd = fd;
    return 0;
}
