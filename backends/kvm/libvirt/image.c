/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "LibvirtQemudSave"
#define VERSION 2
#define TEXT_MAX (16u << 20)

/* Newer ones look for the description first and then open the image again. */
bool image_is_read_once(unsigned long libvirt)
{
    return libvirt / 1000000 == 9;
}

static int check(const struct image_header *h, off_t size, const char *path, struct hvp_error *err)
{
    if (memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0)
        return hvp_fail(err, ENOTSUP, "'%.300s' is no image of a domain that libvirt has saved",
                        path);
    if (h->version != VERSION)
        return hvp_fail(err, ENOTSUP,
                        "'%.300s' was saved by a libvirt that writes version %u of its images, "
                        "known here is version %d",
                        path, h->version, VERSION);
    if (h->text_len > TEXT_MAX || (off_t)(sizeof(*h) + h->text_len) > size)
        return hvp_fail(err, EINVAL, "'%.300s', an image of a saved domain, is cut short", path);
    return 0;
}

int image_read(int fd, const char *path, struct image *ret, struct hvp_error *err)
{
    struct image image = {0};
    struct stat st;
    ssize_t n = pread(fd, &image.header, sizeof(image.header), 0);

    if (n < 0 || fstat(fd, &st) < 0)
        return hvp_fail(err, errno, "read '%.300s': %m", path);
    if (check(&image.header, n == sizeof(image.header) ? st.st_size : 0, path, err) < 0)
        return err->code;
    image.memory = (off_t)(sizeof(image.header) + image.header.text_len);
    *ret = image;
    return 0;
}

/* Without a cookie, which is about the CPU: on the same host the same XML has the same. */
char *image_head(const struct image *image, const char *xml, size_t *ret_len)
{
    struct image_header header = image->header;
    size_t len = strlen(xml) + 1;
    char *head = malloc(sizeof(header) + len);

    if (!head)
        return NULL;
    header.text_len = (uint32_t)len;
    header.was_running = 0;
    header.cookie = 0;
    memcpy(head, &header, sizeof(header));
    memcpy(head + sizeof(header), xml, len);
    *ret_len = sizeof(header) + len;
    return head;
}
