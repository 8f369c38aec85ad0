/* SPDX-License-Identifier: Apache-2.0 */
/* Images of directories: what names them. How they are kept is in storage/block.sh. */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "storage/images.h"

static struct err err;

static void write_file(const char *dir, const char *name, const char *text)
{
    cleanup_free char *path = path_join(dir, name);

    CHECK_OK(path_replace(AT_FDCWD, path, text, strlen(text), 0644, &err), err);
}

TEST(a_tree_keeps_its_name_until_something_changes)
{
    char top[64] = "/tmp/anyvisor-tree-XXXXXX", a[SHA256_HEX], b[SHA256_HEX];
    cleanup_free char *sub = NULL;

    CHECK(mkdtemp(top) != NULL);
    sub = path_join(top, "sub");
    CHECK(mkdir(sub, 0755) == 0);
    write_file(sub, "f", "one");
    CHECK_OK(storage_tree_identity(top, a, &err), err);
    CHECK_OK(storage_tree_identity(top, b, &err), err);
    CHECK_STR_EQ(a, b);
    write_file(sub, "f", "two");
    CHECK_OK(storage_tree_identity(top, b, &err), err);
    CHECK(strcmp(a, b) != 0);
    CHECK(chmod(sub, 0700) == 0);
    CHECK_OK(storage_tree_identity(top, a, &err), err);
    CHECK(strcmp(a, b) != 0);
    (void)path_remove_tree(AT_FDCWD, top, NULL);
    CHECK_ERR(storage_tree_identity(top, a, &err), -ENOENT);
    CHECK_INT_EQ(err.phase, PHASE_STORAGE);
}
