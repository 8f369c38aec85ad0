/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A qcow2 header can name a file that holds the data, and QEMU has no word to ignore it, as it has
 * for backing files. Core refuses such an image of the host; what is on a server only QEMU reads:
 * so it is asked once the image is open, and before a guest sees the disk.
 */
#include <errno.h>
#include <string.h>
#include "disk.h"
#include "kvm.h"

static const char *data_file(struct json_object *node)
{
    static const char *const path[] = {"image", "format-specific", "data", "data-file"};

    for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++)
        if (!json_object_object_get_ex(node, path[i], &node))
            return NULL;
    return json_object_get_string(node);
}

int kvm_disk_check_alone(struct kvm_vm *vm, const struct hvp_disk *k, const struct deadline *d,
                         struct hvp_error *err)
{
    struct json_object *nodes = NULL, *flat = json_object_new_object();
    char name[HVP_TAG_MAX + 3];
    size_t n;
    int r = 0;

    if (k->format != HVP_FORMAT_QCOW2) {
        json_object_put(flat);
        return 0;
    }
    json_object_object_add(flat, "flat", json_object_new_boolean(true));
    if (kvm_qmp(vm, "query-named-block-nodes", flat, &nodes, d, err) < 0)
        return err->code;
    snprintf(name, sizeof(name), "n-%s", k->d.tag);
    n = json_object_is_type(nodes, json_type_array) ? json_object_array_length(nodes) : 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        struct json_object *node = json_object_array_get_idx(nodes, i);

        if (strcmp(qmp_text(node, "node-name", ""), name) == 0 && data_file(node))
            r = hvp_fail(err, EPERM,
                         "disk '%s': the qcow2 image keeps its data in another file: make an image "
                         "of its own of it with 'qemu-img convert'",
                         k->d.tag);
    }
    json_object_put(nodes);
    return r;
}
