/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "storage/disk.h"

#define QCOW2_MAGIC "QFI\xfb"
/* Offsets in qcow2's header, big-endian (docs/interop/qcow2.txt of QEMU). */
enum { QCOW2_VERSION = 4, QCOW2_BACKING = 8, QCOW2_INCOMPATIBLE = 72, QCOW2_HEADER = 80 };
#define QCOW2_EXTERNAL_DATA (UINT64_C(1) << 2)

static uint64_t be(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;

    while (bytes-- > 0)
        v = v << 8 | *p++;
    return v;
}

/* Only a file of its own: what a header names would be opened with our rights. */
static int check_qcow2(const char *path, const uint8_t *head, ssize_t n, struct err *err)
{
    uint64_t version;

    if (n < QCOW2_HEADER || memcmp(head, QCOW2_MAGIC, 4) != 0)
        return err_set_phase(err, PHASE_STORAGE, EINVAL, "'%s' is not a qcow2 image", path);
    version = be(head + QCOW2_VERSION, 4);
    if (version != 2 && version != 3)
        return err_set_phase(err, PHASE_STORAGE, EINVAL,
                             "'%s' is a qcow2 image of version %llu, which is not known", path,
                             (unsigned long long)version);
    if (be(head + QCOW2_BACKING, 8) != 0)
        return err_set_phase(err, PHASE_STORAGE, EPERM,
                             "'%s' has a backing file: make an image of its own of it with "
                             "'qemu-img convert'",
                             path);
    if (version == 3 && (be(head + QCOW2_INCOMPATIBLE, 8) & QCOW2_EXTERNAL_DATA))
        return err_set_phase(err, PHASE_STORAGE, EPERM,
                             "'%s' keeps its data in another file: make an image of its own of it "
                             "with 'qemu-img convert'",
                             path);
    return 0;
}

int storage_image_format(const char *path, const char *word, const char **ret, struct err *err)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *format = word ? word : str_ends_with(path, ".qcow2") ? "qcow2" : "raw";
    uint8_t head[QCOW2_HEADER];
    ssize_t n;
    int r;

    if (fd < 0 || (n = pread(fd, head, sizeof(head), 0)) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "open disk image '%s': %m", path);
    if (strcmp(format, "qcow2") == 0) {
        if ((r = check_qcow2(path, head, n, err)) < 0)
            return r;
        *ret = "qcow2";
        return 0;
    }
    if (strcmp(format, "raw") != 0)
        return err_set_phase(err, PHASE_STORAGE, EINVAL,
                             "disk image '%s': format '%s' is neither raw nor qcow2", path, format);
    if (!word && n >= 4 && memcmp(head, QCOW2_MAGIC, 4) == 0)
        return err_set_phase(err, PHASE_STORAGE, EINVAL,
                             "'%s' looks like a qcow2 image: say format=qcow2 (or format=raw if "
                             "it is not)",
                             path);
    *ret = "raw";
    return 0;
}

bool storage_image_readonly(const char *path)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char magic[4];

    return fd >= 0 &&
           ((pread(fd, magic, 4, 0) == 4 && memcmp(magic, "hsqs", 4) == 0) ||
            (pread(fd, magic, 4, 1024) == 4 && memcmp(magic, "\xe2\xe1\xf5\xe0", 4) == 0));
}
