/* SPDX-License-Identifier: Apache-2.0 */
/* Share, disk or image: the decision, and the facts that it rests on. */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/tool.h"
#include "storage/disk.h"

static struct err err;

static const char mountinfo[] =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "30 22 253:3 / /run/c/b1/rootfs rw,relatime - ext4 /dev/mapper/snap-3 rw\n"
    "31 22 253:4 / /srv/a ro,relatime shared:2 master:1 - xfs /dev/mapper/vg-a rw\n"
    "32 22 253:4 /sub /srv/b rw - xfs /dev/mapper/vg-a rw\n"
    "33 22 0:50 / /m rw - overlay overlay rw,lowerdir=/l1:/l\\0402,upperdir=/u,workdir=/w\n"
    "34 22 0:51 / /with\\040blank rw - tmpfs tmpfs rw,size=1k\n"
    "35 22 8:17 / /m rw - ext4 /dev/sdb1 rw\n"
    "a broken line\n";

TEST(mount_points_are_found_with_their_device)
{
    struct storage_mount m;

    storage_mount_parse(mountinfo, "/run/c/b1/rootfs", &m);
    CHECK(m.found && m.whole && !m.readonly);
    CHECK_INT_EQ(m.major, 253);
    CHECK_INT_EQ(m.minor, 3);
    CHECK_INT_EQ(m.others, 0);
    CHECK_STR_EQ(m.source, "/dev/mapper/snap-3");
    CHECK_STR_EQ(m.fs_type, "ext4");
    storage_mount_done(&m);
    storage_mount_parse(mountinfo, "/srv/a", &m);
    CHECK(m.found && m.whole && m.readonly);
    CHECK_INT_EQ(m.others, 1);
    storage_mount_done(&m);
    storage_mount_parse(mountinfo, "/srv/b", &m);
    CHECK(m.found && !m.whole);
    storage_mount_done(&m);
    storage_mount_parse(mountinfo, "/with blank", &m);
    CHECK_STR_EQ(m.fs_type, "tmpfs");
    storage_mount_done(&m);
    storage_mount_parse(mountinfo, "/srv", &m);
    CHECK(!m.found);
}

TEST(the_mount_on_top_counts)
{
    struct storage_mount m;

    storage_mount_parse(mountinfo, "/m", &m);
    CHECK_INT_EQ(m.major, 8);
    CHECK_STR_EQ(m.fs_type, "ext4");
    storage_mount_done(&m);
}

TEST(overlay_options_are_found)
{
    static const char one[] =
        "33 22 0:50 / /m rw - overlay overlay rw,lowerdir=/l1:/l\\0402,upperdir=/u\n";
    cleanup_free char *lower = storage_mount_option(one, "/m", "lowerdir");
    cleanup_free char *none = storage_mount_option(one, "/m", "dir");

    CHECK_STR_EQ(lower, "/l1:/l 2");
    CHECK(none == NULL);
}

#define DEVICE_MOUNT(whole_, others_)                                                              \
    {                                                                                              \
        .found = true, .whole = whole_, .major = 253, .source = (char *)"/dev/x",                  \
        .others = others_                                                                          \
    }

TEST(the_first_word_that_can_carry_the_source_counts)
{
    static const struct {
        const char *words[3];
        struct storage_facts f;
        enum storage_way way; /* 0: refused */
        const char *text;     /* in the reason or in the sentence */
    } t[] = {
        {{"9pfs"}, {.kind = STORAGE_DIR, .disks = true}, STORAGE_SHARE, "shared"},
        {{"9pfs"}, {.kind = STORAGE_BLOCK, .as_disk = true}, 0, "9pfs: a block device is no dir"},
        {{"9pfs"}, {.kind = STORAGE_FILE, .as_disk = true}, 0, "9pfs: a disk image is no dir"},
        {{"block"}, {.kind = STORAGE_FILE, .as_disk = true, .disks = true}, STORAGE_DISK, "image"},
        {{"block"}, {.kind = STORAGE_FILE, .as_disk = true}, 0, "back-end cannot plug disks"},
        {{"block"}, {.kind = STORAGE_BLOCK, .disks = true}, STORAGE_DISK, "a block device"},
        {{"block"}, {.kind = STORAGE_DIR, .as_disk = true, .disks = true}, 0, "neither a block"},
        {{"block"}, {.kind = STORAGE_DIR, .disks = true}, 0, "block: it is a directory"},
        {{"block"}, {.kind = STORAGE_FILE, .disks = true}, STORAGE_SHARE, "always goes"},
        {{"block", "9pfs"}, {.kind = STORAGE_DIR, .disks = true}, STORAGE_SHARE, "(block: it is"},
        {{"network", "block", "9pfs"},
         {.kind = STORAGE_BLOCK, .disks = true},
         STORAGE_DISK,
         "no n"},
        {{"network"}, {.uri = "nbd://h/e", .disks = true}, STORAGE_DISK, "over the network"},
        {{"block", "9pfs"}, {.uri = "nbd://h/e", .disks = true}, 0, "block: a network volume"},
        {{"network"}, {.uri = "nfs://h/e", .files = true, .nics = true}, STORAGE_SERVER, "mounts"},
        {{"network"}, {.uri = "nfs://h/e", .files = true, .disks = true}, 0, "has no NICs"},
        {{"block"},
         {.rootfs = true, .kind = STORAGE_DIR, .disks = true, .images = true},
         STORAGE_TREE_IMAGE,
         "read-only image"},
        {{"block", "9pfs"},
         {.rootfs = true,
          .kind = STORAGE_DIR,
          .disks = true,
          .images = true,
          .writable_images = true},
         STORAGE_SHARE,
         "no read-only images"},
        {{"block"},
         {.rootfs = true,
          .kind = STORAGE_DIR,
          .disks = true,
          .ours = true,
          .mount = DEVICE_MOUNT(true, 0)},
         STORAGE_DISK,
         "lets go"},
        {{"block"},
         {.rootfs = true,
          .kind = STORAGE_DIR,
          .disks = true,
          .images = true,
          .mount = DEVICE_MOUNT(true, 0)},
         STORAGE_TREE_IMAGE,
         "image"},
        {{"block", "9pfs"},
         {.kind = STORAGE_DIR, .disks = true, .mount = DEVICE_MOUNT(true, 0)},
         STORAGE_SHARE,
         "two kernels"},
        {{"block"},
         {.kind = STORAGE_DIR, .disks = true, .ours = true, .mount = DEVICE_MOUNT(true, 1)},
         0,
         "at 1 other place of"},
        {{"block"},
         {.kind = STORAGE_DIR, .disks = true, .ours = true, .mount = DEVICE_MOUNT(false, 0)},
         0,
         "only a part"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_call(strv_done) struct strv words = {0};
        struct storage_choice c = {0};
        int r;

        for (size_t k = 0; k < 3 && t[i].words[k]; k++)
            strv_add(&words, t[i].words[k]);
        r = storage_decide(&words, &t[i].f, &c, &err);
        if (t[i].way == 0) {
            CHECK_ERR(r, -ENOTSUP);
            CHECK_INT_EQ(err.phase, PHASE_STORAGE);
            CHECK_CONTAINS(err.msg, t[i].text);
            continue;
        }
        CHECK_OK(r, err);
        CHECK_INT_EQ(c.way, t[i].way);
        CHECK_CONTAINS(c.reason, t[i].text);
        storage_choice_done(&c);
    }
}

static void image(char path[64], const char *name, const void *head, size_t len)
{
    cleanup_fd int fd = -1;

    snprintf(path, 64, "/tmp/anyvisor-image-%d-%s", (int)getpid(), name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK(write(fd, head, len) == (ssize_t)len);
}

TEST(an_image_that_names_another_file_is_refused)
{
    uint8_t plain[112] = "QFI\xfb\0\0\0\3", backed[112] = "QFI\xfb\0\0\0\3";
    uint8_t external[112] = "QFI\xfb\0\0\0\3", version[112] = "QFI\xfb\0\0\0\x9";
    const char *format;
    char path[64];

    backed[15] = 104;
    external[79] = 4;
    image(path, "a.qcow2", plain, sizeof(plain));
    CHECK_OK(storage_image_format(path, NULL, &format, &err), err);
    CHECK_STR_EQ(format, "qcow2");
    image(path, "a.qcow2", backed, sizeof(backed));
    CHECK_ERR(storage_image_format(path, NULL, &format, &err), -EPERM);
    CHECK_CONTAINS(err.msg, "backing file");
    image(path, "a.qcow2", external, sizeof(external));
    CHECK_ERR(storage_image_format(path, NULL, &format, &err), -EPERM);
    image(path, "a.qcow2", version, sizeof(version));
    CHECK_ERR(storage_image_format(path, NULL, &format, &err), -EINVAL);
    image(path, "a.qcow2", "QFI\xfb", 4);
    CHECK_ERR(storage_image_format(path, NULL, &format, &err), -EINVAL);
    (void)unlink(path);
}

TEST(content_never_decides_the_format)
{
    uint8_t qcow2[112] = "QFI\xfb\0\0\0\3";
    const char *format;
    char path[64];

    image(path, "b.img", qcow2, sizeof(qcow2));
    CHECK_ERR(storage_image_format(path, NULL, &format, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "format=qcow2");
    CHECK_OK(storage_image_format(path, "raw", &format, &err), err);
    CHECK_STR_EQ(format, "raw");
    CHECK_OK(storage_image_format(path, "qcow2", &format, &err), err);
    CHECK_STR_EQ(format, "qcow2");
    CHECK_ERR(storage_image_format(path, "vmdk", &format, &err), -EINVAL);
    (void)unlink(path);
    CHECK_ERR(storage_image_format(path, NULL, &format, &err), -ENOENT);
}

TEST(a_scratch_disk_has_a_whole_file_system_and_takes_little)
{
    static const char *const names[] = {"e2fsck", NULL};
    static const char *const argv[] = {"e2fsck", "-fn", TOOL_FILE, NULL};
    char dir[64] = "/tmp/anyvisor-scratch-XXXXXX";
    cleanup_free char *made = NULL;
    cleanup_fd int fd = -1;
    struct tool check = {names, argv, -1, NULL, "e2fsprogs", 0};
    struct stat st;

    if (!tool_there(names))
        TEST_SKIP("e2fsck is not installed");
    CHECK(mkdtemp(dir) != NULL);
    CHECK_OK(storage_scratch_make(dir, UINT64_C(8) << 30, &made, &err), err);
    CHECK((fd = open(made, O_RDONLY | O_CLOEXEC)) >= 0);
    check.file = fd;
    CHECK_OK(tool_run(&check, &err), err);
    CHECK(fstat(fd, &st) == 0);
    CHECK_U64_EQ((uint64_t)st.st_size, UINT64_C(8) << 30);
    CHECK(st.st_blocks * 512 < 1 << 20);
    (void)path_remove_tree(AT_FDCWD, dir, NULL);
}

TEST(stale_scratch_files_are_swept)
{
    char dir[64] = "/tmp/anyvisor-scratch-XXXXXX";
    cleanup_free char *stale = NULL;
    cleanup_free char *other = NULL;
    cleanup_free char *made = NULL;

    CHECK(mkdtemp(dir) != NULL);
    stale = path_join(dir, "scratch-1-1-abcdef"); /* pid 1 started at another time */
    other = path_join(dir, "image");
    CHECK(close(open(stale, O_CREAT | O_WRONLY, 0600)) == 0);
    CHECK(close(open(other, O_CREAT | O_WRONLY, 0600)) == 0);
    if (access("/usr/sbin/mke2fs", X_OK) < 0 && access("/sbin/mke2fs", X_OK) < 0)
        TEST_SKIP("mke2fs is not installed");
    CHECK_OK(storage_scratch_make(dir, 8 << 20, &made, &err), err);
    CHECK(access(stale, F_OK) < 0);
    CHECK(access(other, F_OK) == 0);
    storage_scratch_sweep(dir);
    CHECK(access(made, F_OK) == 0); /* we are alive */
    (void)path_remove_tree(AT_FDCWD, dir, NULL);
}
