/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "kvm/libvirt/image.h"

#define TEXT_ROOM 4096

static struct image_header good(void)
{
    struct image_header h = {
        .version = 2, .text_len = TEXT_ROOM, .was_running = 1, .compressed = 3, .cookie = 99};

    memcpy(h.magic, "LibvirtQemudSave", sizeof(h.magic));
    return h;
}

/* A file of that header and `bytes` behind it. */
static int file_of(const struct image_header *h, size_t bytes)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    CHECK(fd >= 0);
    CHECK_INT_EQ(pwrite(fd, h, sizeof(*h), 0), sizeof(*h));
    CHECK_INT_EQ(ftruncate(fd, (off_t)(sizeof(*h) + bytes)), 0);
    return fd;
}

TEST(the_header_is_as_libvirt_writes_it)
{
    CHECK_INT_EQ(sizeof(struct image_header), 92);
}

TEST(a_new_domain_comes_in_front_of_the_memory)
{
    struct hvp_error err = {.struct_size = sizeof(err)};
    struct image_header h = good();
    int fd = file_of(&h, TEXT_ROOM + 10);
    struct image image;
    size_t len = 0;
    char *head;

    CHECK_INT_EQ(image_read(fd, "/x", &image, &err), 0);
    CHECK_INT_EQ(image.memory, sizeof(h) + TEXT_ROOM);
    head = image_head(&image, "<domain/>", &len);
    CHECK(head != NULL);
    CHECK_INT_EQ(len, sizeof(h) + sizeof("<domain/>"));
    memcpy(&h, head, sizeof(h));
    CHECK_INT_EQ(h.text_len, sizeof("<domain/>"));
    CHECK_INT_EQ(h.was_running, 0);
    CHECK_INT_EQ(h.cookie, 0);
    CHECK_INT_EQ(h.compressed, 3); /* it is about the memory */
    CHECK_STR_EQ(head + sizeof(h), "<domain/>");
    free(head);
    close(fd);
}

static void refused(const struct image_header *h, size_t bytes, int want, const char *word)
{
    struct hvp_error err = {.struct_size = sizeof(err)};
    int fd = file_of(h, bytes);
    struct image image;

    CHECK_INT_EQ(image_read(fd, "/the/image", &image, &err), want);
    CHECK(strstr(err.msg, "'/the/image'") != NULL);
    CHECK(strstr(err.msg, word) != NULL);
    close(fd);
}

TEST(what_is_no_image_of_a_known_kind_is_refused)
{
    struct image_header h = good();

    refused(&h, TEXT_ROOM - 1, -EINVAL, "cut short");
    h.text_len = UINT32_MAX;
    refused(&h, TEXT_ROOM, -EINVAL, "cut short");
    h = good();
    h.version = 3;
    refused(&h, TEXT_ROOM, -ENOTSUP, "version 3");
    h = good();
    h.magic[0] = 'l'; /* what libvirt writes until an image is complete is another word, too */
    refused(&h, TEXT_ROOM, -ENOTSUP, "no image");
}

TEST(only_a_libvirt_that_was_tried_is_trusted_to_read_once)
{
    CHECK(image_is_read_once(9000000));
    CHECK(image_is_read_once(9010000));
    CHECK(!image_is_read_once(8010000));
    CHECK(!image_is_read_once(10000000));
    CHECK(!image_is_read_once(0));
}
