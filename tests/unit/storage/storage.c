/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "storage/storage.h"

static char top[64];
static struct err err;

static void new_top(void)
{
    snprintf(top, sizeof(top), "/tmp/anyvisor-storage-XXXXXX");
    CHECK(mkdtemp(top) != NULL);
}

TEST(sources_are_told_apart)
{
    struct storage_source s;
    cleanup_free char *sock = NULL;
    cleanup_free char *fifo = NULL;
    cleanup_fd int fd = -1;

    new_top();
    sock = path_join(top, "sock");
    fifo = path_join(top, "fifo");
    CHECK(mkfifo(fifo, 0600) == 0);
    fd = fd_unix_listen(sock, &err);
    CHECK_OK(fd, err);
    CHECK_OK(storage_inspect(top, &s, &err), err);
    CHECK_INT_EQ(s.kind, STORAGE_DIR);
    CHECK_INT_EQ(s.mode, 0700);
    CHECK_OK(storage_inspect(sock, &s, &err), err);
    CHECK_INT_EQ(s.kind, STORAGE_SOCKET);
    CHECK_OK(storage_inspect(fifo, &s, &err), err);
    CHECK_INT_EQ(s.kind, STORAGE_FIFO);
    CHECK_OK(storage_inspect("/dev/null", &s, &err), err);
    CHECK_INT_EQ(s.kind, STORAGE_DEVICE);
    CHECK_OK(storage_inspect("/proc/self/exe", &s, &err), err);
    CHECK_INT_EQ(s.kind, STORAGE_FILE);
    CHECK(!s.on_tmpfs);
    (void)path_remove_tree(AT_FDCWD, top, NULL);
}

TEST(one_source_has_one_id_by_whatever_path)
{
    struct storage_source a, b, other;
    cleanup_free char *dir = NULL;
    cleanup_free char *link = NULL;

    new_top();
    dir = path_join(top, "dir");
    link = path_join(top, "link");
    CHECK(mkdir(dir, 0700) == 0 && symlink("dir", link) == 0);
    CHECK_OK(storage_inspect(dir, &a, &err), err);
    CHECK_OK(storage_inspect(link, &b, &err), err);
    CHECK_OK(storage_inspect(top, &other, &err), err);
    CHECK_U64_EQ(a.id, b.id);
    CHECK(a.id != other.id);
    if (mount("t", dir, "tmpfs", 0, NULL) == 0) {
        CHECK_OK(storage_inspect(dir, &b, &err), err);
        CHECK(a.id != b.id);
        a = other; /* of the folder, which has a mount below it now */
        CHECK_OK(storage_inspect(top, &other, &err), err);
        CHECK(a.id != other.id);
        CHECK(umount(dir) == 0);
    }
    (void)path_remove_tree(AT_FDCWD, top, NULL);
}

TEST(a_missing_source_is_said_as_runc_says_it)
{
    struct storage_source s;

    CHECK_ERR(storage_inspect("/no/such", &s, &err), -ENOENT);
    CHECK_STR_EQ(err.msg, "error mounting \"/no/such\": stat /no/such: No such file or directory");
    CHECK_INT_EQ(err.phase, PHASE_STORAGE);
}

TEST(sockets_and_changed_kinds_are_not_cloned)
{
    cleanup_free char *sock = NULL;
    cleanup_fd int fd = -1;
    int clone = -1;

    if (geteuid() != 0)
        TEST_SKIP("needs root for open_tree");
    new_top();
    sock = path_join(top, "sock");
    fd = fd_unix_listen(sock, &err);
    CHECK_OK(fd, err);
    CHECK_ERR(storage_clone(&(struct storage_bind){sock, true, false, false, false}, &clone, &err),
              -EOPNOTSUPP);
    CHECK_CONTAINS(err.msg, "unix socket");
    CHECK_ERR(storage_clone(&(struct storage_bind){top, true, false, false, false}, &clone, &err),
              -ESTALE);
    CHECK_INT_EQ(clone, -1);
    (void)path_remove_tree(AT_FDCWD, top, NULL);
}

/* A tmpfs below top; a recursive clone shows it, a plain one does not. */
TEST(recursive_clones_hold_the_mounts_below_and_outlive_them)
{
    cleanup_free char *sub = NULL;
    cleanup_free char *file = NULL;
    cleanup_fd int tree = -1, flat = -1, f = -1;
    struct storage_source s;
    struct statvfs attrs;

    if (geteuid() != 0)
        TEST_SKIP("needs root for mounts");
    new_top();
    sub = path_join(top, "sub");
    file = path_join(sub, "file");
    CHECK(mkdir(sub, 0700) == 0);
    if (mount("tmpfs", sub, "tmpfs", 0, "size=1m") < 0)
        TEST_SKIP("no tmpfs can be mounted here: %s", strerror(errno));
    CHECK((f = open(file, O_CREAT | O_RDWR | O_CLOEXEC, 0600)) >= 0);
    CHECK_OK(storage_inspect(sub, &s, &err), err);
    CHECK(s.on_tmpfs);
    CHECK_U64_EQ(s.fs_size, 1048576);
    CHECK(mount(NULL, sub, NULL, MS_PRIVATE, NULL) == 0);
    CHECK_OK(storage_inspect(file, &s, &err), err);
    CHECK(!s.shared);
    CHECK(mount(NULL, sub, NULL, MS_SHARED, NULL) == 0);
    CHECK_OK(storage_inspect(file, &s, &err), err);
    CHECK(s.shared);
    CHECK_OK(storage_clone(&(struct storage_bind){top, false, true, true, false}, &tree, &err),
             err);
    CHECK_OK(storage_clone(&(struct storage_bind){top, false, false, false, true}, &flat, &err),
             err);
    close_fd(&f);
    CHECK(umount2(sub, MNT_DETACH) == 0);
    CHECK(faccessat(tree, "sub/file", F_OK, 0) == 0);
    CHECK(faccessat(flat, "sub/file", F_OK, 0) < 0);
    /* Attributes come with the clone: the host's nodes lead nowhere, what is read-only is so. */
    CHECK(fstatvfs(tree, &attrs) == 0 && attrs.f_flag & ST_NODEV && attrs.f_flag & ST_NOSUID);
    CHECK(!(attrs.f_flag & ST_RDONLY));
    CHECK(fstatvfs(flat, &attrs) == 0 && attrs.f_flag & ST_RDONLY);
    close_fd(&tree);
    close_fd(&flat);
    (void)path_remove_tree(AT_FDCWD, top, NULL);
}
