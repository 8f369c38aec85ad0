/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "cli/disks/disks.h"
#include "oci/tables.h"

static int bad(struct err *err, const char *option, const char *expected)
{
    return err_set_phase(err, PHASE_CONFIG, EINVAL, "option '%s': expected %s", option, expected);
}

static int set_cache(const char *option, const char *value, struct disk_words *w, struct err *err)
{
    static const struct {
        const char *name;
        uint32_t cache;
    } modes[] = {
        {"none", HVP_CACHE_NONE}, {"writeback", HVP_CACHE_WRITEBACK}, {"unsafe", HVP_CACHE_UNSAFE}};

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
        if (strcmp(modes[i].name, value) == 0) {
            w->cache = modes[i].cache;
            return 0;
        }
    return bad(err, option, "cache=none, writeback or unsafe");
}

static int set_fs(const char *option, const char *value, struct disk_words *w, struct err *err)
{
    static const char *const known[] = {"ext4", "xfs", "erofs", "squashfs"};

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(known[i], value) == 0) {
            free(w->fs);
            w->fs = xstrdup(value);
            return 0;
        }
    return bad(err, option, "fs=ext4, xfs, erofs or squashfs");
}

static void add_data(struct disk_words *w, const char *option)
{
    char *longer = w->data ? xasprintf("%s,%s", w->data, option) : xstrdup(option);

    free(w->data);
    w->data = longer;
}

static int set_text(char **to, const char *value)
{
    free(*to);
    *to = xstrdup(value);
    return 0;
}

/* Others are the guest's file system's, which would only say that it has no such option. */
static int refuse_mistyped(const char *option, struct err *err)
{
    static const char *const keys[] = {"format", "subdir", "secret", "fs", "cache", "size"};
    cleanup_free char *key = xstrndup(option, strcspn(option, "="));
    const char *meant = str_nearest(key, keys, ARRAY_SIZE(keys));

    return meant ? err_set_phase(err, PHASE_CONFIG, EINVAL,
                                 "option '%s': unknown, did you mean '%s='?", option, meant)
                 : 1;
}

/* "key=value" of ours; 1: it is not. */
static int take_pair(const char *option, struct disk_words *w, struct err *err)
{
    const char *value = strchr(option, '=');

    if (!value++)
        return 1;
    if (str_starts_with(option, "format="))
        return set_text(&w->format, value);
    if (str_starts_with(option, "subdir="))
        return set_text(&w->subdir, value + strspn(value, "/"));
    if (str_starts_with(option, "secret="))
        return set_text(&w->secret, value);
    if (str_starts_with(option, "fs="))
        return set_fs(option, value, w, err);
    if (str_starts_with(option, "cache="))
        return set_cache(option, value, w, err);
    if (str_starts_with(option, "size="))
        return str_to_size(value, &w->size) < 0 || w->size == 0
                   ? bad(err, option, "a size like size=10GiB")
                   : 0;
    return refuse_mistyped(option, err);
}

static int take(const char *option, struct disk_words *w, struct err *err)
{
    int r = take_pair(option, w, err);

    if (r <= 0)
        return r;
    if (strcmp(option, "ro") == 0)
        w->readonly = true;
    else if (strcmp(option, "rw") == 0)
        w->writable = true;
    else if (strcmp(option, "discard") == 0)
        w->discard = true;
    else if (*option && !oci_mount_option_find(option)) /* those are the mount's, not the disk's */
        add_data(w, option);
    return 0;
}

int disk_words_parse(const struct strv *options, struct disk_words *ret, struct err *err)
{
    struct disk_words w = {.cache = HVP_CACHE_DEFAULT};
    int r = 0;

    for (size_t i = 0; i < options->n && r == 0; i++)
        r = take(options->v[i], &w, err);
    if (r < 0) {
        disk_words_done(&w);
        return r;
    }
    *ret = w;
    return 0;
}

void disk_words_done(struct disk_words *w)
{
    free(w->format);
    free(w->fs);
    free(w->subdir);
    free(w->secret);
    str_forget(w->secret_text);
    free(w->data);
    *w = (struct disk_words){0};
}
