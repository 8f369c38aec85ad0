/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `plugin new`: the skeleton of a plug-in, from the templates of anyvisor-dev. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "cli/creation/choice.h"

#define TEMPLATE_MAX (1u << 20)
#define NAME_MAX_LEN 32

struct new_options {
    const char *arch;
};

static const struct option_row rows[] = {
    {"arch", 'a', OPTION_TEXT, offsetof(struct new_options, arch), "ARCH",
     "of the guests (default: this host's)"},
};

/* What stands for @KEY@ in a template. */
struct words {
    const char *name, *arch;
    char c_name[NAME_MAX_LEN + 1];
};

/* It becomes a file, a target of CMake and an identifier of C. */
static int check_name(const char *name, struct err *err)
{
    size_t len = strlen(name);
    bool good = len > 0 && len <= NAME_MAX_LEN && islower((unsigned char)name[0]);

    for (size_t i = 0; i < len; i++)
        good = good && (islower((unsigned char)name[i]) || isdigit((unsigned char)name[i]) ||
                        name[i] == '-');
    if (!good)
        return err_set(err, EINVAL,
                       "'%s' is no name for a plug-in: at most %d lower-case letters, digits and "
                       "'-', a letter first",
                       name, NAME_MAX_LEN);
    return 0;
}

static const char *value_of(const struct words *w, const char *key, size_t len)
{
    const struct {
        const char *key, *value;
    } known[] = {
        {"NAME", w->name}, {"C_NAME", w->c_name}, {"ARCH", w->arch}, {"VERSION", layout_version()}};

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strlen(known[i].key) == len && strncmp(known[i].key, key, len) == 0)
            return known[i].value;
    return NULL;
}

static int fill_in(const char *text, const struct words *w, int fd, struct err *err)
{
    int r = 0;

    while (r == 0 && *text) {
        const char *at = strchr(text, '@'), *end = at ? strchr(at + 1, '@') : NULL;
        const char *value = end ? value_of(w, at + 1, (size_t)(end - at - 1)) : NULL;

        if (value) {
            r = fd_write_all(fd, text, (size_t)(at - text), err);
            r = r < 0 ? r : fd_write_all(fd, value, strlen(value), err);
            text = end + 1;
        } else {
            size_t n = at ? (size_t)(at - text) + 1 : strlen(text);

            r = fd_write_all(fd, text, n, err);
            text += n;
        }
    }
    return r;
}

/* file: "plugin.c" becomes NAME.c, all others keep their names. */
static int write_one(const char *templates, const char *file, const struct words *w,
                     const char *dir, struct err *err)
{
    cleanup_free char *from = xasprintf("%s/%s.in", templates, file), *to = NULL, *text = NULL;
    cleanup_fd int fd = -1;
    int r = path_read(AT_FDCWD, from, TEMPLATE_MAX, &text, NULL, err);

    if (r < 0)
        return err_wrap(err, "read the skeleton (package anyvisor-dev has it)");
    if (strcmp(file, "plugin.c") == 0)
        to = xasprintf("%s/%s.c", dir, w->c_name);
    else if (strcmp(file, "plugin.yaml") == 0)
        to = xasprintf("%s/%s.yaml", dir, w->name);
    else
        to = path_join(dir, file);
    fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set(err, errno, "make '%s': %m", to);
    r = fill_in(text, w, fd, err);
    return r < 0 ? err_wrap(err, "write '%s'", to) : 0;
}

static char *parent_of(const char *dir)
{
    return xstrndup(dir, (size_t)(strrchr(dir, '/') - dir));
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    static const char *const files[] = {"plugin.c", "plugin.yaml", "CMakeLists.txt", "README.md"};
    const struct new_options *o = options;
    cleanup_free char *share = parent_of(cli->layout.guest_dir);
    cleanup_free char *templates = path_join(share, "template");
    struct words w = {.name = argv[0], .arch = o->arch ? o->arch : choice_host_arch()};
    const char *dir = argc > 1 ? argv[1] : argv[0];
    int r = check_name(argv[0], err);

    if (r < 0 || (r = path_mkdirs(dir, 0755, err)) < 0)
        return r;
    for (size_t i = 0; w.name[i]; i++)
        w.c_name[i] = w.name[i] == '-' ? '_' : w.name[i];
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if ((r = write_one(templates, files[i], &w, dir, err)) < 0)
            return r;
    printf("%s: README.md tells how it is built and tested\n", dir);
    return 0;
}

const struct verb verb_plugin_new = {
    .name = "plugin new",
    .arguments = "NAME [DIR]",
    .summary = "write the skeleton of a hypervisor plug-in",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct new_options),
    .min_args = 1,
    .max_args = 2,
    .run = run,
};
