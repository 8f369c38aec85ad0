/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "scratch.h"

static void put(int dirfd, const char *name, const char *text)
{
    struct err err = ERR_INIT;

    CHECK_OK(path_replace(dirfd, name, text, strlen(text), 0644, &err), err);
}

static int exists(int dirfd, const char *name)
{
    return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

TEST(joined_paths_have_one_slash)
{
    static const struct {
        const char *a, *b, *want;
    } t[] = {{"a", "b", "a/b"},   {"a/", "/b", "a/b"}, {"/", "b", "/b"},
             {"//", "//b", "/b"}, {"", "b", "b"},      {"a", "", "a"}};

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *got = path_join(t[i].a, t[i].b);

        CHECK_STR_EQ(got, t[i].want);
    }
}

TEST(mkdirs_makes_all_levels_and_accepts_existing_ones)
{
    struct scratch s = scratch_make();
    cleanup_free char *deep = path_join(s.path, "a//b/c/");
    cleanup_free char *below_file = path_join(s.path, "f/x");
    cleanup_free char *file = path_join(s.path, "f");
    struct err err = ERR_INIT;

    CHECK_OK(path_mkdirs(deep, 0700, &err), err);
    CHECK_OK(path_mkdirs(deep, 0700, &err), err);
    CHECK(exists(s.fd, "a/b/c"));
    CHECK_OK(path_mkdirs("/", 0700, &err), err);
    put(s.fd, "f", "");
    CHECK_ERR(path_mkdirs(below_file, 0700, &err), -ENOTDIR);
    CHECK_ERR(path_mkdirs(file, 0700, &err), -ENOTDIR);
    scratch_done(&s);
}

TEST(files_are_read_written_and_replaced)
{
    struct scratch s = scratch_make();
    cleanup_free char *text = NULL;
    struct err err = ERR_INIT;
    struct stat before, after;
    size_t len;

    CHECK_ERR(path_read(s.fd, "f", 100, &text, &len, &err), -ENOENT);
    CHECK_ERR(path_write(s.fd, "f", "x", &err), -ENOENT);
    CHECK_OK(path_replace(s.fd, "f", "first", 5, 0640, &err), err);
    CHECK(fstatat(s.fd, "f", &before, 0) == 0);
    CHECK_INT_EQ(before.st_mode & 0777, 0640);
    CHECK_OK(path_write(s.fd, "f", "two", &err), err);
    CHECK(fstatat(s.fd, "f", &after, 0) == 0);
    CHECK(before.st_ino == after.st_ino);
    CHECK_OK(path_read(s.fd, "f", 3, &text, &len, &err), err);
    CHECK_STR_EQ(text, "two");
    CHECK_INT_EQ(len, 3);
    put(s.fd, "f", "third");
    CHECK_ERR(path_read(s.fd, "f", 3, &text, &len, &err), -EFBIG);
    CHECK_CONTAINS(err.msg, "'f'");
    scratch_done(&s);
}

TEST(failed_replace_leaves_no_temporary_file)
{
    struct scratch s = scratch_make();
    struct err err = ERR_INIT;

    CHECK(mkdirat(s.fd, "d", 0755) == 0);
    CHECK_ERR(path_replace(s.fd, "d", "x", 1, 0644, &err), -EISDIR);
    CHECK(unlinkat(s.fd, "d", AT_REMOVEDIR) == 0);
    CHECK(rmdir(s.path) == 0); /* so there was nothing else */
    CHECK(mkdir(s.path, 0755) == 0);
    scratch_done(&s);
}

TEST(link_in_a_root_stays_in_that_root)
{
    struct scratch s = scratch_make();
    cleanup_free char *text = NULL;
    struct err err = ERR_INIT;
    int fd;

    put(s.fd, "inside", "mine");
    CHECK(symlinkat("/inside", s.fd, "absolute") == 0);
    CHECK(symlinkat("../../../../inside", s.fd, "dots") == 0);
    fd = path_open_in_root(s.fd, "absolute", O_RDONLY, &err);
    CHECK_OK(fd, err);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    fd = path_open_in_root(s.fd, "/dots", O_RDONLY, &err);
    CHECK_OK(fd, err);
    close(fd);
    CHECK_ERR(path_open_in_root(s.fd, "/etc/passwd", O_RDONLY, &err), -ENOENT);
    scratch_done(&s);
}

TEST(nothing_outside_is_opened_beneath)
{
    struct scratch s = scratch_make();
    struct err err = ERR_INIT;
    int fd;

    put(s.fd, "inside", "mine");
    CHECK(symlinkat("/etc/passwd", s.fd, "absolute") == 0);
    fd = path_open_beneath(s.fd, "inside", O_RDONLY, &err);
    CHECK_OK(fd, err);
    close(fd);
    CHECK_ERR(path_open_beneath(s.fd, "absolute", O_RDONLY, &err), -EXDEV);
    CHECK_ERR(path_open_beneath(s.fd, "../x", O_RDONLY, &err), -EXDEV);
    fd = path_open_beneath(s.fd, "new", O_RDWR | O_CREAT, &err);
    CHECK_OK(fd, err);
    close(fd);
    scratch_done(&s);
}

TEST(tree_is_removed_and_links_are_not_followed)
{
    struct scratch s = scratch_make();
    cleanup_free char *deep = path_join(s.path, "t/a/b/c");
    cleanup_free char *absolute = path_join(s.path, "t/");
    struct err err = ERR_INIT;

    CHECK_OK(path_mkdirs(deep, 0755, &err), err);
    CHECK(mkdirat(s.fd, "kept", 0755) == 0);
    put(s.fd, "kept/file", "x");
    put(s.fd, "t/a/file", "x");
    CHECK(symlinkat("../../kept", s.fd, "t/a/link") == 0);
    CHECK_OK(path_remove_tree(AT_FDCWD, absolute, &err), err);
    CHECK(!exists(s.fd, "t"));
    CHECK(exists(s.fd, "kept/file"));
    CHECK_OK(path_remove_tree(s.fd, "t", &err), err);
    CHECK_OK(path_remove_tree(s.fd, "t/a/b", &err), err);
    CHECK_OK(path_remove_tree(s.fd, "kept/file", &err), err);
    CHECK(!exists(s.fd, "kept/file"));
    scratch_done(&s);
}

/* In a child with a mount namespace of its own, so that nothing stays mounted. */
static int remove_with_mount(const struct scratch *s)
{
    cleanup_free char *top = path_join(s->path, "t");
    cleanup_free char *mounted = path_join(top, "m");
    cleanup_free char *file = path_join(mounted, "file");
    struct err err = ERR_INIT;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount(mounted, mounted, NULL, MS_BIND, NULL) < 0)
        return 77;
    /* By path: s->fd still sees the mounts of the other namespace. */
    if (path_remove_tree(AT_FDCWD, top, &err) != -EXDEV)
        return 1;
    if (path_remove_tree(AT_FDCWD, mounted, &err) != -EXDEV)
        return 2;
    return exists(AT_FDCWD, file) ? 0 : 3;
}

TEST(tree_with_a_mount_keeps_what_is_mounted)
{
    struct scratch s = scratch_make();
    cleanup_free char *dir = path_join(s.path, "t/m");
    struct err err = ERR_INIT;
    int status;
    pid_t pid;

    CHECK_OK(path_mkdirs(dir, 0755, &err), err);
    put(s.fd, "t/m/file", "x");
    pid = fork();
    if (pid == 0)
        _exit(remove_with_mount(&s));
    CHECK(waitpid(pid, &status, 0) == pid);
    scratch_done(&s);
    if (WEXITSTATUS(status) == 77)
        TEST_SKIP("no right to mount");
    CHECK_INT_EQ(status, 0);
}
