/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd.h - reading, writing and passing file descriptors.
 * For everybody; knows nothing of what the bytes mean.
 */
#ifndef BASE_FD_H
#define BASE_FD_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

#define FD_PASS_MAX 253 /* SCM_MAX_FD of the kernel */

/* Read to EOF into a new NUL-terminated buffer; more than max bytes is -EFBIG. Caller frees. */
int fd_read_all(int fd, size_t max, char **ret_buf, size_t *ret_len, struct err *err);

/* Write everything; retries EINTR, waits on EAGAIN with poll. */
int fd_write_all(int fd, const void *buf, size_t len, struct err *err);

/* Read exactly len bytes; EOF in between (or before) is -EPIPE. Waits on EAGAIN. */
int fd_read_exact(int fd, void *buf, size_t len, struct err *err);

/*
 * Send all of buf on a blocking unix socket; the n fds (n <= FD_PASS_MAX, borrowed) travel with the
 * first byte.
 */
int fd_send(int sock, const void *buf, size_t len, const int *fds, size_t n, struct err *err);

/*
 * One recvmsg: up to len bytes and up to *n_fds descriptors (CLOEXEC, the caller's from now on).
 * Returns the bytes read, 0 at EOF, -errno (also -EAGAIN, without filling err, on a non-blocking
 * socket). In: *n_fds = room in fds; out: how many came. Surplus descriptors are closed: -EMFILE.
 */
ssize_t fd_recv(int sock, void *buf, size_t len, int *fds, size_t *n_fds, struct err *err);

/* Unix stream sockets by path; paths longer than sun_path go through /proc/self/fd of the
 * directory. */
int fd_unix_listen(const char *path, struct err *err); /* listening, CLOEXEC, mode 0600 */
int fd_unix_connect(const char *path, struct err *err);

/* Add or remove O_NONBLOCK. Only for descriptions that are ours alone (never inherited stdio). */
int fd_nonblock(int fd, int on, struct err *err);

/*
 * Descriptors put aside: whoever releases them before an undo can open files where others ran out
 * of descriptors. -EMFILE when there are not as many.
 */
#define FD_RESERVE 16
struct fd_reserve {
    int fds[FD_RESERVE];
    size_t n;
};
int fd_reserve(struct fd_reserve *ret, struct err *err);
void fd_release(struct fd_reserve *r); /* twice is fine */

/* flock() with a deadline: 0, -ETIMEDOUT, -errno. operation: LOCK_EX or LOCK_SH. */
int fd_lock(int fd, int operation, uint64_t deadline_ns);

/* poll() one descriptor for events; timeout_ms < 0 waits for ever. 1 ready, 0 timed out, -errno. */
int fd_wait(int fd, short events, int timeout_ms);

#endif
