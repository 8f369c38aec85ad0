/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "storage/disk.h"

#define MOUNTINFO_MAX (16u << 20)

/* One line: "ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAGS] - TYPE SOURCE SUPER". Members are copies,
 * the kernel's octal escapes taken out. */
struct line {
    uint32_t major, minor;
    char *root, *point, *options, *type, *source, *super;
};

static void line_done(struct line *l)
{
    free(l->root);
    free(l->point);
    free(l->options);
    free(l->type);
    free(l->source);
    free(l->super);
}

static bool is_octal(const char *p)
{
    return p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
           p[3] >= '0' && p[3] <= '7';
}

static void unescape(char *s)
{
    char *to = s;

    for (; *s; s++) {
        if (is_octal(s)) {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 3;
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
}

/* The next word of the line, a copy; NULL at its end. */
static char *word(const char **p)
{
    size_t n = strcspn(*p, " \n");
    char *copy;

    if (n == 0)
        return NULL;
    copy = xstrndup(*p, n);
    *p += n;
    *p += **p == ' ';
    unescape(copy);
    return copy;
}

static bool device_parse(const char *text, struct line *l)
{
    const char *colon = strchr(text, ':');
    cleanup_free char *first = xstrndup(text, strcspn(text, ":"));
    uint64_t major, minor;

    if (!colon || str_to_u64(first, 0, UINT32_MAX, &major) < 0 ||
        str_to_u64(colon + 1, 0, UINT32_MAX, &minor) < 0)
        return false;
    l->major = (uint32_t)major;
    l->minor = (uint32_t)minor;
    return true;
}

static void skip(const char **p, unsigned words)
{
    while (words-- > 0)
        free(word(p));
}

static bool line_parse(const char *p, struct line *l)
{
    cleanup_free char *device = NULL;
    char *tag;

    *l = (struct line){0};
    skip(&p, 2);
    device = word(&p);
    l->root = word(&p);
    l->point = word(&p);
    l->options = word(&p);
    while ((tag = word(&p)) && strcmp(tag, "-") != 0)
        free(tag);
    free(tag);
    l->type = word(&p);
    l->source = word(&p);
    l->super = word(&p);
    return device && device_parse(device, l) && l->super;
}

static bool has_option(const char *options, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = options; *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == n && strncmp(p, name, n) == 0)
            return true;
    return false;
}

static void take(const struct line *l, struct storage_mount *ret)
{
    storage_mount_done(ret);
    *ret = (struct storage_mount){
        .found = true,
        .whole = strcmp(l->root, "/") == 0,
        .readonly = has_option(l->options, "ro") || has_option(l->super, "ro"),
        .major = l->major,
        .minor = l->minor,
        .fs_type = xstrdup(l->type),
        .source = xstrdup(l->source),
    };
}

static const char *next_line(const char *p)
{
    const char *end = strchr(p, '\n');

    return end ? end + 1 : p + strlen(p);
}

/* The last line of a place is the mount on top. */
static void find(const char *mountinfo, const char *path, struct storage_mount *ret)
{
    for (const char *p = mountinfo; *p; p = next_line(p)) {
        struct line l;

        if (line_parse(p, &l) && strcmp(l.point, path) == 0)
            take(&l, ret);
        line_done(&l);
    }
}

static unsigned count(const char *mountinfo, const struct storage_mount *m)
{
    unsigned n = 0;

    for (const char *p = mountinfo; *p; p = next_line(p)) {
        struct line l;

        n += line_parse(p, &l) && l.major == m->major && l.minor == m->minor;
        line_done(&l);
    }
    return n;
}

void storage_mount_parse(const char *mountinfo, const char *path, struct storage_mount *ret)
{
    *ret = (struct storage_mount){0};
    find(mountinfo, path, ret);
    if (ret->found)
        ret->others = count(mountinfo, ret) - 1;
}

int storage_mount_at(const char *path, struct storage_mount *ret, struct err *err)
{
    cleanup_free char *text = NULL;
    cleanup_free char *real = realpath(path, NULL);
    int r;

    if (!real)
        return err_set_phase(err, PHASE_STORAGE, errno, "resolve '%s': %m", path);
    if ((r = path_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL, err)) < 0)
        return r;
    storage_mount_parse(text, real, ret);
    return 0;
}

char *storage_mount_find(const char *mountinfo, const char *source, const char *fs_type)
{
    char *point = NULL;

    for (const char *p = mountinfo; *p && !point; p = next_line(p)) {
        struct line l;

        if (line_parse(p, &l) && strcmp(l.source, source) == 0 &&
            str_starts_with(l.type, fs_type) && strcmp(l.root, "/") == 0)
            point = steal_ptr(&l.point);
        line_done(&l);
    }
    return point;
}

int storage_mount_of(const char *source, const char *fs_type, char **ret, struct err *err)
{
    cleanup_free char *text = NULL;
    int r = path_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL, err);

    if (r == 0)
        *ret = storage_mount_find(text, source, fs_type);
    return r;
}

void storage_mount_done(struct storage_mount *m)
{
    free(m->fs_type);
    free(m->source);
    *m = (struct storage_mount){0};
}

char *storage_mount_option(const char *mountinfo, const char *path, const char *key)
{
    size_t n = strlen(key);
    char *value = NULL;

    for (const char *p = mountinfo; *p; p = next_line(p)) {
        struct line l;

        if (line_parse(p, &l) && strcmp(l.point, path) == 0) {
            free(steal_ptr(&value));
            for (char *o = l.super; *o; o += strcspn(o, ","), o += *o == ',')
                if (strncmp(o, key, n) == 0 && o[n] == '=')
                    value = xstrndup(o + n + 1, strcspn(o + n + 1, ","));
        }
        line_done(&l);
    }
    return value;
}
