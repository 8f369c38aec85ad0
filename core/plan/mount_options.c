/* SPDX-License-Identifier: Apache-2.0 */
/* The options of one mount: which are flags, which propagation, which data for the file system. */
#include <errno.h>
#include <stdlib.h>
#include <linux/mount.h>
#include "base/cleanup.h"
#include "oci/tables.h"
#include "plan/internal.h"

#define VFS_FLAGS                                                                                  \
    (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_MANDLOCK | MS_DIRSYNC |    \
     MS_NOSYMFOLLOW | MS_NOATIME | MS_NODIRATIME | MS_SILENT | MS_POSIXACL | MS_RELATIME |         \
     MS_I_VERSION | MS_STRICTATIME | MS_LAZYTIME)

static void add_data(struct mount_words *w, const char *option)
{
    char *joined = w->data ? xasprintf("%s,%s", w->data, option) : xstrdup(option);

    free(w->data);
    w->data = joined;
}

static void apply_flag(struct mount_words *w, const struct oci_mount_option *o)
{
    if (o->clear)
        w->ms_flags &= ~o->bits;
    else
        w->ms_flags |= o->bits;
    w->bind |= !o->clear && (o->bits & MS_BIND);
    w->recursive |= !o->clear && (o->bits & MS_REC);
}

/* mount_setattr wants the whole atime field cleared before one of its values is set. */
static void apply_attr(struct mount_words *w, const struct oci_mount_option *o)
{
    if (o->clear) {
        w->attr_clr |= o->bits;
        return;
    }
    w->attr_set |= o->bits;
    if ((o->bits & MOUNT_ATTR__ATIME) == o->bits)
        w->attr_clr |= MOUNT_ATTR__ATIME;
}

static int apply(struct mount_words *w, const char *option, const struct oci_mount *m, size_t index,
                 struct err *err)
{
    const struct oci_mount_option *o = oci_mount_option_find(option);

    if (!o) {
        add_data(w, option);
        return 0;
    }
    switch (o->kind) {
    case OCI_MO_FLAG:
        apply_flag(w, o);
        return 0;
    case OCI_MO_PROPAGATION:
        w->propagation = o->bits;
        return 0;
    case OCI_MO_ATTR:
        apply_attr(w, o);
        return 0;
    case OCI_MO_COPYUP:
        w->copyup = true;
        return 0;
    case OCI_MO_IDMAP:
        break;
    }
    return err_set_phase(err, PHASE_CONFIG, ENOTSUP,
                         "config.json: mounts[%zu] '%s': idmapped mounts are not supported", index,
                         m->destination);
}

int mount_words_parse(const struct oci_mount *m, size_t index, struct mount_words *ret,
                      struct err *err)
{
    struct mount_words w = {.bind = m->type && strcmp(m->type, "bind") == 0};
    int r = 0;

    for (size_t i = 0; i < m->options.n && r == 0; i++)
        if (*m->options.v[i])
            r = apply(&w, m->options.v[i], m, index, err);
    if (r == 0 && m->uid_map.n + m->gid_map.n > 0)
        r = err_set_phase(err, PHASE_CONFIG, ENOTSUP,
                          "config.json: mounts[%zu] '%s': uidMappings and gidMappings of a mount "
                          "are not supported",
                          index, m->destination);
    if (r < 0) {
        free(w.data);
        return r;
    }
    w.ms_flags &= VFS_FLAGS;
    *ret = w;
    return 0;
}
