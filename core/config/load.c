/* SPDX-License-Identifier: Apache-2.0 */
/* Files into one configuration: anyvisor.yaml, then the drop-ins of conf.d. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "config/schema.h"

#define DROPINS "conf.d"

/* A secret's name is one of secrets_dir, which may stand behind it in the file. */
static void place_secrets(struct config *c)
{
    for (size_t i = 0; i < c->n_classes; i++)
        for (size_t k = 0; k < c->classes[i].n_volumes; k++) {
            cleanup_free char *name = c->classes[i].volumes[k].secret;

            if (name)
                c->classes[i].volumes[k].secret =
                    *name == '/' ? steal_ptr(&name) : path_join(c->secrets_dir, name);
        }
}

/* Into what the files before it have left. */
static int read_text(struct config *c, const char *text, size_t len, const char *name,
                     const char *dir, struct err *err)
{
    struct config_file f = {*c, 0};
    struct yaml_reader y = {.name = name, .dir = dir, .err = err, .seen = &f.c.places};

    y.overrides = &f.c.overrides;
    strv_add(&f.c.files, name);
    yaml_reader_parse(&y, text, len, config_schema, &f);
    if (y.code == 0 && f.version == 0)
        yaml_fail(&y, yaml_document_get_root_node(&y.doc),
                  "missing key 'version', write version: 1");
    yaml_reader_done(&y);
    *c = f.c;
    return y.code;
}

static int by_class_name(const void *a, const void *b)
{
    const struct config_class *x = *(struct config_class *const *)a;
    const struct config_class *y = *(struct config_class *const *)b;
    int r = strcmp(x->name, y->name);

    return r ? r : x < y ? -1 : 1;
}

static int check_names(const struct config *c, struct err *err)
{
    cleanup_free struct config_class **v = xcalloc(c->n_classes + 1, sizeof(*v));

    for (size_t i = 0; i < c->n_classes; i++)
        v[i] = &c->classes[i];
    qsort(v, c->n_classes, sizeof(*v), by_class_name);
    for (size_t i = 1; i < c->n_classes; i++)
        if (strcmp(v[i - 1]->name, v[i]->name) == 0)
            return err_set_phase(
                err, PHASE_CONFIG, EINVAL, "%s:%u:%u: class '%s' is there twice, also in %s:%u",
                v[i]->file, v[i]->line, v[i]->column, v[i]->name, v[i - 1]->file, v[i - 1]->line);
    return 0;
}

/* The first n classes go behind the others. */
static void move_to_end(struct config *c, size_t n)
{
    struct config_class *v;

    if (n == 0 || n == c->n_classes)
        return;
    v = xcalloc(c->n_classes, sizeof(*v));
    memcpy(v, c->classes + n, (c->n_classes - n) * sizeof(*v));
    memcpy(v + c->n_classes - n, c->classes, n * sizeof(*v));
    free(c->classes);
    c->classes = v;
}

static int finish(struct config *c, const char *dir, struct err *err)
{
    config_fill(c, dir);
    place_secrets(c);
    return check_names(c, err);
}

int config_parse(const char *text, size_t len, const char *name, const char *dir,
                 struct config *ret, struct err *err)
{
    struct config c;
    int r;

    config_init(&c);
    r = read_text(&c, text, len, name, dir, err);
    if (r == 0)
        r = finish(&c, dir, err);
    if (r < 0) {
        config_done(&c);
        return r;
    }
    *ret = c;
    return 0;
}

static int read_file(struct config *c, const char *path, const char *name, const char *dir,
                     struct err *err)
{
    cleanup_free char *text = NULL;
    size_t len;

    if (path_read(AT_FDCWD, path, CONFIG_FILE_MAX, &text, &len, err) < 0)
        return err_in_phase(err, PHASE_CONFIG);
    return read_text(c, text, len, name, dir, err);
}

static int is_dropin(const struct dirent *e)
{
    return e->d_name[0] != '.' && str_ends_with(e->d_name, ".yaml");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); /* not the locale's order */
}

static int read_dropins(struct config *c, const char *dir, struct err *err)
{
    cleanup_free char *dropins = path_join(dir, DROPINS);
    struct dirent **names = NULL;
    int n = scandir(dropins, &names, is_dropin, by_name), r = 0;

    if (n < 0 && errno != ENOENT)
        return err_set_phase(err, PHASE_CONFIG, errno, "drop-ins '%s': %m", dropins);
    for (int i = 0; i < n; i++) {
        cleanup_free char *path = path_join(dropins, names[i]->d_name);

        if (r == 0)
            r = read_file(c, path, path, dir, err);
        free(names[i]);
    }
    free(names);
    return r;
}

/* path NULL: there are only drop-ins. */
static int load(const char *path, const char *name, const char *dir, struct config *ret,
                struct err *err)
{
    struct config c;
    size_t own = 0;
    int r = 0;

    config_init(&c);
    if (path) {
        c.file = xstrdup(path);
        r = read_file(&c, path, name, dir, err);
        own = c.n_classes;
    }
    if (r == 0)
        r = read_dropins(&c, dir, err);
    if (r == 0) {
        move_to_end(&c, own);
        r = finish(&c, dir, err);
    }
    if (r < 0) {
        config_done(&c);
        return r;
    }
    *ret = c;
    return 0;
}

int config_load(const char *path, struct config *ret, struct err *err)
{
    cleanup_free char *file = realpath(path, NULL), *dir = NULL;

    if (!file)
        return err_set_phase(err, PHASE_CONFIG, errno, "configuration '%s': %m", path);
    dir = xstrndup(file, MAX((size_t)(strrchr(file, '/') - file), (size_t)1));
    return load(file, path, dir, ret, err);
}

int config_load_default(const char *option, const char *etc_dir, struct config *ret,
                        struct err *err)
{
    const char *env = getenv("ANYVISOR_CONFIG");
    cleanup_free char *file = NULL;

    if (option)
        return config_load(option, ret, err);
    if (env && *env)
        return config_load(env, ret, err);
    file = path_join(etc_dir, "anyvisor.yaml");
    if (access(file, F_OK) == 0 || errno != ENOENT)
        return config_load(file, ret, err);
    return load(NULL, NULL, etc_dir, ret, err);
}
