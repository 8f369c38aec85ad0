/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/str.h"

#define TAIL_MAX 1200 /* leaves room for a sentence in struct err */

/* Escape sequences are cut out whole: "\033[0;32m" without its \033 would be noise. */
static size_t strip(char *text, size_t n)
{
    size_t out = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)text[i];

        if (ch == 0x1b && i + 1 < n && text[i + 1] == '[') {
            for (i += 2; i < n && (text[i] < 0x40 || text[i] > 0x7e); i++)
                ;
        } else if (ch == '\n' || (ch >= 0x20 && ch != 0x7f)) {
            text[out++] = (char)ch;
        }
    }
    while (out > 0 && text[out - 1] == '\n')
        out--;
    text[out] = '\0';
    return out;
}

char *path_tail(int dirfd, const char *path, unsigned lines)
{
    cleanup_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char buf[4 * TAIL_MAX + 1];
    struct stat st;
    ssize_t n;
    size_t start;

    if (fd < 0 || fstat(fd, &st) < 0)
        return xstrdup("");
    n = pread(fd, buf, sizeof(buf) - 1,
              st.st_size > (off_t)sizeof(buf) - 1 ? st.st_size - (off_t)sizeof(buf) + 1 : 0);
    if (n <= 0)
        return xstrdup("");
    start = strip(buf, (size_t)n);
    for (size_t end = start; start > 0 && end - start < TAIL_MAX; start--)
        if (buf[start - 1] == '\n' && --lines == 0)
            break;
    return xstrdup(buf + start);
}
