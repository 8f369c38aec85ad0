/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - the file that libvirt saves a domain to: a header, the domain's XML with room for a
 * longer one, what QEMU wrote. For save.c, which has another domain made from it.
 */
#ifndef LV_IMAGE_H
#define LV_IMAGE_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <anyvisor/hvp.h>

/* As in the file, in the host's byte order. */
struct image_header {
    char magic[16];
    uint32_t version;
    uint32_t text_len; /* bytes behind the header: XML, NUL, maybe a cookie, zeroes */
    uint32_t was_running, compressed;
    uint32_t cookie; /* where in them the cookie is; 0 = none */
    uint32_t unused[14];
};

struct image {
    struct image_header header;
    off_t memory; /* where QEMU's part begins */
};

/*
 * Whether that libvirt (a million for the major number) reads an image that it restores once, from
 * beginning to end: what is known of those that have been tried.
 */
bool image_is_read_once(unsigned long libvirt);
/* -ENOTSUP: no image, or one of a libvirt that writes it in another way. */
int image_read(int fd, const char *path, struct image *ret, struct hvp_error *err);
/* What a reader shall find in front of QEMU's part, for the domain `xml`; NULL = no memory. */
char *image_head(const struct image *image, const char *xml, size_t *ret_len);

#endif
