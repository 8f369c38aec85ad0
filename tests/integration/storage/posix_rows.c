/* SPDX-License-Identifier: Apache-2.0 */
#include "posix_rows.h"

#include <dirent.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define MANY 100000 /* files f.0 to f.99999, in the folder "many" of the given directory */
#define PAGE 4096
#define PROGRAM_MAX (16 << 20)
#define LAST_OFFSET (INT64_MAX - 1) /* of one byte in the largest file */

int rows_make(const char *name)
{
    return open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
}

static int same(bool ok)
{
    return ok ? 0 : ROW_NO;
}

static int unlinked_file(void)
{
    int fd = rows_make("u");

    if (fd >= 0 && (write(fd, "x", 1) != 1 || unlink("u") < 0))
        return -1;
    return fd;
}

static int unlinked_io(void)
{
    char c = 0;
    int fd;

    TRY(fd = unlinked_file());
    TRY(pwrite(fd, "y", 1, 0));
    TRY(pread(fd, &c, 1, 0));
    return same(c == 'y');
}

static int unlinked_fstat(void)
{
    struct stat st;
    int fd;

    TRY(fd = unlinked_file());
    TRY(fstat(fd, &st));
    return same(st.st_nlink == 0 && st.st_size == 1);
}

static int unlinked_ftruncate(void)
{
    int fd;

    TRY(fd = unlinked_file());
    TRY(ftruncate(fd, 100));
    return same(lseek(fd, 0, SEEK_END) == 100);
}

static int unlinked_fchmod(void)
{
    int fd;

    TRY(fd = unlinked_file());
    TRY(fchmod(fd, 0600));
    return 0;
}

static int renamed_open(void)
{
    struct stat st;
    int fd;

    TRY(fd = rows_make("a"));
    TRY(rename("a", "b"));
    TRY(write(fd, "x", 1));
    TRY(fchmod(fd, 0600));
    TRY(stat("b", &st));
    return same(st.st_size == 1 && (st.st_mode & 07777) == 0600);
}

static int rename_flags(unsigned flags)
{
    TRY(rows_make("a"));
    TRY(rows_make("b"));
    TRY(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", flags));
    return 0;
}

static int rename_exchange(void)
{
    return rename_flags(RENAME_EXCHANGE);
}

static int rename_noreplace(void)
{
    int r = rename_flags(RENAME_NOREPLACE);

    return r == -EEXIST ? 0 : r == 0 ? ROW_NO : r;
}

static char *map(int fd)
{
    char *p;

    if (ftruncate(fd, PAGE) < 0)
        return NULL;
    p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

static int shared_mmap(void)
{
    int fd, status;
    char c = 0, *p;

    TRY(fd = rows_make("m"));
    p = map(fd);
    if (!p)
        return -errno;
    if (fork() == 0) {
        p[0] = 'x';
        _exit(msync(p, PAGE, MS_SYNC) < 0);
    }
    TRY(wait(&status));
    TRY(pread(fd, &c, 1, 0));
    return same(status == 0 && p[0] == 'x' && c == 'x');
}

static int mmap_sees_write(void)
{
    int fd;
    char *p;

    TRY(fd = rows_make("m"));
    p = map(fd);
    if (!p)
        return -errno;
    if (*(volatile char *)p != 0)
        return ROW_NO;
    TRY(pwrite(fd, "x", 1, 0));
    return same(*(volatile char *)p == 'x');
}

int rows_told(int inotify_fd)
{
    char buf[PAGE];
    ssize_t n = read(inotify_fd, buf, sizeof(buf));

    return n > 0 ? 0 : errno == EAGAIN ? ROW_NO : -errno;
}

static int inotify_here(void)
{
    int fd, in;

    TRY(in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    TRY(inotify_add_watch(in, ".", IN_CREATE));
    TRY(fd = rows_make("f"));
    return rows_told(in);
}

static int direct_io(void)
{
    void *buf = NULL;
    int fd;

    if (posix_memalign(&buf, PAGE, PAGE) != 0)
        return -ENOMEM;
    memset(buf, 'x', PAGE);
    TRY(fd = open("d", O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0644));
    TRY(pwrite(fd, buf, PAGE, 0));
    memset(buf, 0, PAGE);
    TRY(pread(fd, buf, PAGE, 0));
    return same(((char *)buf)[PAGE - 1] == 'x');
}

/* The lock that another process or description asks for while the first one has it, and after. */
static int second_locker(int (*lock)(int fd, bool on))
{
    int fd, other;

    TRY(fd = rows_make("l"));
    TRY(other = open("l", O_RDWR | O_CLOEXEC));
    TRY(lock(fd, true));
    if (lock(other, true) == 0)
        return ROW_NO;
    if (errno != EAGAIN && errno != EACCES)
        return -errno;
    TRY(lock(fd, false));
    TRY(lock(other, true));
    return 0;
}

static int flock_on(int fd, bool on)
{
    return flock(fd, on ? LOCK_EX | LOCK_NB : LOCK_UN);
}

static int ofd_on(int fd, bool on)
{
    struct flock l = {.l_type = on ? F_WRLCK : F_UNLCK, .l_whence = SEEK_SET, .l_len = 10};

    return fcntl(fd, F_OFD_SETLK, &l);
}

static int lock_flock(void)
{
    return second_locker(flock_on);
}

static int lock_ofd(void)
{
    return second_locker(ofd_on);
}

static int fcntl_range(int64_t start)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = 1};
    int fd, status;

    TRY(fd = rows_make("l"));
    TRY(fcntl(fd, F_SETLK, &l));
    if (fork() == 0) {
        int r = fcntl(fd, F_SETLK, &l);

        _exit(r < 0 && (errno == EAGAIN || errno == EACCES) ? 0 : 1);
    }
    TRY(wait(&status));
    return same(status == 0);
}

static int lock_fcntl(void)
{
    return fcntl_range(0);
}

static int lock_last_byte(void)
{
    return fcntl_range(LAST_OFFSET);
}

static int xattr(const char *name, const void *value, size_t n)
{
    char got[64];
    int fd;

    TRY(fd = rows_make("x"));
    TRY(fsetxattr(fd, name, value, n, 0));
    return same(fgetxattr(fd, name, got, sizeof(got)) == (ssize_t)n && memcmp(got, value, n) == 0);
}

static int xattr_user(void)
{
    return xattr("user.probe", "value", 5);
}

static int xattr_acl(void)
{
    /* version 2; user::rw-, user:1:rw-, group::r--, mask::rw-, other::r-- */
    static const uint16_t acl[] = {2,      0,      1,  6, 0xffff, 0xffff, 2,  6,
                                   1,      0,      4,  4, 0xffff, 0xffff, 16, 6,
                                   0xffff, 0xffff, 32, 4, 0xffff, 0xffff};

    return xattr("system.posix_acl_access", acl, sizeof(acl));
}

static int unix_socket(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "s"};
    int s, c;

    TRY(s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    TRY(c = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    TRY(bind(s, (struct sockaddr *)&at, sizeof(at)));
    TRY(listen(s, 1));
    TRY(connect(c, (struct sockaddr *)&at, sizeof(at)));
    return 0;
}

static int fifo(void)
{
    char c = 0;
    int fd;

    TRY(mkfifo("p", 0600));
    TRY(fd = open("p", O_RDWR | O_CLOEXEC));
    TRY(write(fd, "x", 1));
    TRY(read(fd, &c, 1));
    return same(c == 'x');
}

static int device_node(void)
{
    TRY(mknod("null", S_IFCHR | 0600, makedev(1, 3)));
    TRY(open("null", O_WRONLY | O_CLOEXEC));
    return 0;
}

static int hard_link(void)
{
    struct stat a, b;

    TRY(rows_make("a"));
    TRY(link("a", "b"));
    TRY(stat("a", &a));
    TRY(stat("b", &b));
    return same(a.st_ino == b.st_ino && b.st_nlink == 2);
}

static int symbolic_link(void)
{
    char to[16] = "";

    TRY(symlink("no/such", "s"));
    TRY(readlink("s", to, sizeof(to) - 1));
    return same(strcmp(to, "no/such") == 0);
}

static int tmpfile_and_link(void)
{
    char path[64];
    int fd;

    TRY(fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    TRY(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    return 0;
}

static int preallocate(void)
{
    int fd;

    TRY(fd = rows_make("f"));
    TRY(fallocate(fd, 0, 0, PAGE));
    return 0;
}

static int clone_file(void)
{
    int fd, to;

    TRY(fd = rows_make("f"));
    TRY(to = rows_make("t"));
    TRY(ioctl(to, FICLONE, fd));
    return 0;
}

static int append_together(void)
{
    struct stat st;
    int fd, status = 0;

    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            fd = open("a", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
            for (int k = 0; k < 50; k++)
                if (write(fd, "line\n", 5) != 5)
                    _exit(1);
            _exit(0);
        }
    for (int i = 0; i < 2; i++) {
        int s = 0;

        wait(&s);
        status |= s;
    }
    TRY(stat("a", &st));
    return same(status == 0 && st.st_size == 500);
}

static int copy_of_this(const char *name)
{
    int from, to;

    TRY(from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    TRY(to = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
    TRY(sendfile(to, from, NULL, PROGRAM_MAX));
    close(to);
    return 0;
}

/* A running program cannot be written to. It says when it runs, and ends when its stdin does. */
static int busy_program(void)
{
    int in[2], out[2], r = copy_of_this("p");
    char c;

    if (r < 0)
        return r;
    TRY(pipe2(in, O_CLOEXEC));
    TRY(pipe2(out, O_CLOEXEC));
    if (fork() == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execl("./p", "p", "watch", ".", NULL);
        _exit(1);
    }
    close(out[1]);
    if (read(out[0], &c, 1) != 1)
        return ROW_NO;
    r = open("p", O_WRONLY | O_CLOEXEC);
    return r >= 0 ? ROW_NO : errno == ETXTBSY ? 0 : -errno;
}

static int new_times(void)
{
    const struct timespec t[2] = {{1, 123456789}, {2, 987654321}};
    struct stat st;

    TRY(rows_make("f"));
    TRY(utimensat(AT_FDCWD, "f", t, 0));
    TRY(stat("f", &st));
    return same(st.st_atim.tv_nsec == t[0].tv_nsec && st.st_mtim.tv_sec == t[1].tv_sec &&
                st.st_mtim.tv_nsec == t[1].tv_nsec);
}

static int new_owner(void)
{
    struct stat st;

    TRY(rows_make("f"));
    TRY(chown("f", 1000, 1001));
    TRY(stat("f", &st));
    return same(st.st_uid == 1000 && st.st_gid == 1001);
}

static int long_names(void)
{
    char name[256];
    struct stat a, b;

    memset(name, '\xff', 255);
    name[255] = '\0';
    TRY(rows_make(name));
    TRY(stat(name, &a));
    TRY(rows_make("case"));
    TRY(rows_make("CASE"));
    TRY(stat("case", &a));
    TRY(stat("CASE", &b));
    return same(a.st_ino != b.st_ino);
}

static int write_at(int64_t offset)
{
    struct stat st;
    char c = 0;
    int fd;

    TRY(fd = rows_make("big"));
    TRY(pwrite(fd, "x", 1, offset));
    TRY(pread(fd, &c, 1, offset));
    TRY(fstat(fd, &st));
    return same(c == 'x' && st.st_size == offset + 1);
}

static int sparse_tib(void)
{
    return write_at(1LL << 40);
}

static int last_offset(void)
{
    return write_at(LAST_OFFSET);
}

/* The folder is there, or is made here. */
static int make_many(void)
{
    char name[16];

    if (chdir("many") == 0)
        return 0;
    TRY(mkdir("many", 0755));
    TRY(chdir("many"));
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "f.%d", i);
        TRY(mknod(name, S_IFREG | 0644, 0));
    }
    return 0;
}

/* Each of the files is listed, and once; another one can be made and removed. */
static int many_files(void)
{
    static bool seen[MANY];
    struct dirent *e;
    unsigned long n = 0, i;
    int r = make_many();
    DIR *d;

    if (r < 0)
        return r;
    TRY(rows_make("g"));
    d = opendir(".");
    while (d && (e = readdir(d)) != NULL) {
        if (sscanf(e->d_name, "f.%lu", &i) != 1)
            continue;
        if (i >= MANY || seen[i])
            return ROW_NO;
        seen[i] = true;
        n++;
    }
    TRY(access("f.99999", R_OK));
    TRY(unlink("g"));
    return same(d && n == MANY);
}

const struct row rows_local[] = {
    {"unlinked file: read and write", unlinked_io, false},
    {"unlinked file: fstat", unlinked_fstat, false},
    {"unlinked file: ftruncate", unlinked_ftruncate, false},
    {"unlinked file: fchmod", unlinked_fchmod, false},
    {"renamed while open", renamed_open, false},
    {"rename: exchange", rename_exchange, false},
    {"rename: no replacement", rename_noreplace, false},
    {"shared mmap, by two processes", shared_mmap, false},
    {"shared mmap sees write()", mmap_sees_write, false},
    {"inotify: own changes", inotify_here, false},
    {"O_DIRECT", direct_io, false},
    {"locks: fcntl", lock_fcntl, false},
    {"locks: open file description", lock_ofd, false},
    {"locks: flock", lock_flock, false},
    {"locks: the last byte, 2^63 - 2", lock_last_byte, false},
    {"xattr: user.*", xattr_user, false},
    {"xattr: access list", xattr_acl, false},
    {"unix socket", unix_socket, false},
    {"FIFO", fifo, false},
    {"device node", device_node, false},
    {"hard link", hard_link, false},
    {"symbolic link", symbolic_link, false},
    {"O_TMPFILE", tmpfile_and_link, false},
    {"fallocate", preallocate, false},
    {"clone of a file (FICLONE)", clone_file, false},
    {"O_APPEND by two processes", append_together, false},
    {"running program is busy", busy_program, false},
    {"owner", new_owner, false},
    {"times in nanoseconds", new_times, false},
    {"names: 255 bytes of any kind, case", long_names, false},
    {"offsets: 1 TiB, sparse", sparse_tib, false},
    {"offsets: the last one, 2^63 - 2", last_offset, false},
    {"100,000 files in a directory", many_files, true},
    {NULL, NULL, false},
};
