/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a template is still what was published: its files, by what a change of them changes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "template/template.h"

#define CONTENTS "contents"
#define TEXT_MAX (64u << 10)

/* Not ctime: who starts a clone may give the files to another user for that long. */
static char *look_of(const struct stat *st)
{
    return xasprintf("%" PRId64 " %" PRIu64 " %" PRId64 ".%09ld", (int64_t)st->st_size,
                     (uint64_t)st->st_ino, (int64_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

static int list(int dir, struct kvs *ret, struct err *err)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    struct stat st;

    if (!d)
        return err_set(err, errno, "list the files of a template: %m");
    while ((e = readdir(d))) {
        cleanup_free char *look = NULL;

        if (strcmp(e->d_name, CONTENTS) == 0 ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        look = look_of(&st);
        kvs_add(ret, e->d_name, look);
    }
    return 0;
}

int template_contents_write(int dir, struct err *err)
{
    cleanup_call(kvs_done) struct kvs files = {0};
    cleanup_free char *text = NULL;
    int r = list(dir, &files, err);

    if (r < 0)
        return r;
    text = template_facts_text(&files);
    return path_replace(dir, CONTENTS, text, strlen(text), 0400, err);
}

static int compare(const struct template *t, const struct kvs *was, const struct kvs *is,
                   struct err *err)
{
    for (size_t i = 0; i < was->n; i++) {
        const char *now = kvs_get(is, was->v[i].key);

        if (!now || strcmp(now, was->v[i].value) != 0)
            return err_set(err, ESTALE,
                           "its file '%s' %s since it was made: remove it with "
                           "'anyvisor template remove %s'",
                           was->v[i].key, now ? "was changed" : "has gone", t->name);
    }
    return 0;
}

static int check_files(const struct template *t, struct err *err)
{
    cleanup_call(kvs_done) struct kvs was = {0}, is = {0};
    cleanup_free char *path = template_live(t), *text = NULL;
    cleanup_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r;

    if (dir < 0)
        return err_set(err, errno, "open '%s': %m", path);
    if ((r = path_read(dir, CONTENTS, TEXT_MAX, &text, NULL, err)) < 0 ||
        (r = list(dir, &is, err)) < 0)
        return r;
    template_facts_parse(text, &was);
    if (was.n == 0)
        return err_set(err, ESTALE, "the list of its files is empty");
    return compare(t, &was, &is, err);
}

int template_check(struct template *t, const struct template_limits *limits, struct err *err)
{
    const char *changed;

    switch (template_look(t, limits)) {
    case TEMPLATE_MISSING:
        return err_set(err, ENOENT, "it is not made yet");
    case TEMPLATE_FAILED:
        return err_set(err, EAGAIN, "it has failed: %s", t->reason ? t->reason : "?");
    case TEMPLATE_EXPIRED:
        return err_set(err, ESTALE,
                       "it is older than templates.max_age or was cloned templates.max_uses times: "
                       "the next start makes it anew");
    default:
        break;
    }
    changed = template_facts_changed(&t->facts);
    if (changed)
        return err_set(err, ESTALE,
                       "'%s' is another than when it was made: the next start makes another one, "
                       "'anyvisor gc' removes this",
                       changed);
    return check_files(t, err);
}
