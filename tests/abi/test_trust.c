/* SPDX-License-Identifier: Apache-2.0 */
/* Whose plug-ins are loaded: owner, mode and directory of the .so and of its descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "fixture.h"
#include "test.h"

/* A copy of plug.so in the fixture's own folder, so that its mode may be changed. */
static void init_with_copy(struct fixture *f)
{
    cleanup_free char *so = NULL;
    struct err err = ERR_INIT;
    size_t len;

    fixture_init(f, "plug", NULL);
    CHECK_OK(path_read(AT_FDCWD, f->d.so, 64 * MIB, &so, &len, &err), err);
    free(f->d.so);
    f->d.so = path_join(f->dir, "copy.so");
    CHECK_OK(path_replace(AT_FDCWD, f->d.so, so, len, 0755, &err), err);
}

TEST(a_safe_copy_is_loaded)
{
    cleanup_call(fixture_done) struct fixture f;

    init_with_copy(&f);
    plugin_close(fixture_open(&f));
}

TEST(a_library_that_others_may_write_is_refused)
{
    cleanup_call(fixture_done) struct fixture f;

    init_with_copy(&f);
    CHECK_INT_EQ(chmod(f.d.so, 0775), 0);
    fixture_refused(&f, EPERM, "copy.so' is not trusted: its group may write it");
    CHECK_INT_EQ(chmod(f.d.so, 0757), 0);
    fixture_refused(&f, EPERM, "copy.so' is not trusted: everybody may write it");
    CHECK(!is_mapped(f.d.so));
}

TEST(a_descriptor_that_others_may_write_is_refused)
{
    cleanup_call(fixture_done) struct fixture f;

    init_with_copy(&f);
    CHECK_INT_EQ(chmod(f.d.file, 0666), 0);
    fixture_refused(&f, EPERM, "descriptor");
    CHECK(!is_mapped(f.d.so));
}

TEST(a_directory_that_others_may_write_is_refused_even_with_the_sticky_bit)
{
    cleanup_call(fixture_done) struct fixture f;

    init_with_copy(&f);
    CHECK_INT_EQ(chmod(f.dir, 01777), 0);
    fixture_refused(&f, EPERM, "directory '/tmp/av-abi-");
}

TEST(a_library_of_another_user_is_refused)
{
    cleanup_call(fixture_done) struct fixture f;

    if (geteuid() != 0)
        TEST_SKIP("only root can give a file away");
    init_with_copy(&f);
    CHECK_INT_EQ(chown(f.d.so, 4711, 0), 0);
    fixture_refused(&f, EPERM, "belongs to neither root nor the calling user");
}

TEST(something_else_than_a_regular_file_is_refused)
{
    cleanup_call(fixture_done) struct fixture f;

    init_with_copy(&f);
    CHECK_INT_EQ(unlink(f.d.so), 0);
    CHECK_INT_EQ(mkfifo(f.d.so, 0600), 0);
    fixture_refused(&f, EPERM, "not a regular file");
}

TEST(a_link_is_judged_by_what_it_points_to)
{
    cleanup_call(fixture_done) struct fixture f;
    cleanup_free char *link = NULL;

    init_with_copy(&f);
    link = path_join(f.dir, "link.so");
    CHECK_INT_EQ(chmod(f.d.so, 0777), 0);
    CHECK_INT_EQ(symlink(f.d.so, link), 0);
    free(f.d.so);
    f.d.so = xstrdup(link);
    fixture_refused(&f, EPERM, "its group may write it");
}
