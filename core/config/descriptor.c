/* SPDX-License-Identifier: Apache-2.0 */
#include "config/descriptor.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "config/config.h"
#include "config/reader.h"

void descriptor_done(struct descriptor *d)
{
    free(d->name);
    free(d->file);
    free(d->so);
    free(d->arch);
    strv_done(&d->modules);
    strv_done(&d->requires);
    strv_done(&d->paths);
    for (size_t i = 0; i < d->n_config; i++) {
        free(d->config[i].key);
        free(d->config[i].value);
    }
    free(d->config);
    memset(d, 0, sizeof(*d));
}

void descriptor_list_done(struct descriptor_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        descriptor_done(&l->v[i]);
    free(l->v);
    memset(l, 0, sizeof(*l));
}

const struct descriptor *descriptor_find(const struct descriptor_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i].name, name) == 0)
            return &l->v[i];
    return NULL;
}

static void add_config(void *ctx, const char *key, const char *value, unsigned line,
                       unsigned column)
{
    struct descriptor *d = ctx;
    struct descriptor_key *k;

    d->config = xreallocarray(d->config, d->n_config + 1, sizeof(*d->config));
    k = &d->config[d->n_config++];
    *k = (struct descriptor_key){xstrdup(key), xstrdup(value), line, column};
}

static YAML_READER(read_config)
{
    (void)key;
    yaml_pairs(y, node, add_config, to);
}

/* The name is an argument, a file name and a word of the policy: keep it plain. */
static YAML_READER(read_name)
{
    const char *text = yaml_text(y, node, "a string");
    struct err err = ERR_INIT;

    if (text && (str_check_id(text, &err) < 0 || strlen(text) > 63))
        yaml_fail(y, node, "'%s' is not a name of at most 63 letters, digits, '.', '_', '+', '-'",
                  text);
    else
        yaml_string(y, node, key, to);
}

static YAML_READER(read_mounts)
{
    const char *text = yaml_text(y, node, "private or host");

    (void)key;
    if (text && strcmp(text, "host") != 0 && strcmp(text, "private") != 0)
        yaml_fail(y, node, "'mounts: %s' is neither private nor host", text);
    else if (text)
        *(bool *)to = text[0] == 'h';
}

/* Never the whole root: the monitor's is made to be small. */
static bool is_path(const char *text)
{
    return text[0] == '/' && text[1] && text[1] != ':' && !strstr(text, "/../") &&
           !str_ends_with(text, "/..");
}

static YAML_READER(read_requires)
{
    const struct strv *paths = to;

    yaml_strings(y, node, key, to);
    for (size_t i = 0; i < paths->n; i++)
        if (paths->v[i][0] != '/')
            yaml_fail(y, node, "'%s' is not an absolute path", paths->v[i]);
}

static YAML_READER(read_paths)
{
    const struct strv *paths = to;

    yaml_strings(y, node, key, to);
    for (size_t i = 0; i < paths->n; i++)
        if (!is_path(paths->v[i]))
            yaml_fail(y, node, "'%s' is not an absolute path, with ':rw' behind it or without",
                      paths->v[i]);
}

#define AT(member) offsetof(struct descriptor, member)
static const struct yaml_key keys[] = {
    {"name", read_name, AT(name)},
    {"library", yaml_string, AT(so)},
    {"arch", yaml_string, AT(arch)},
    {"modules", yaml_strings, AT(modules)},
    {"requires", read_requires, AT(requires)},
    {"paths", read_paths, AT(paths)},
    {"config", read_config, 0},
    {"mounts", read_mounts, AT(host_mounts)},
    {NULL},
};

static char *directory_of(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash ? xstrndup(file, MAX((size_t)(slash - file), (size_t)1)) : xstrdup(".");
}

/* A bare file name is one of ours; anything with a slash is where the administrator put it. */
static void place_library(struct descriptor *d, const char *backend_dir)
{
    cleanup_free char *dir = directory_of(d->file), *written = d->so;

    if (written[0] == '/')
        d->so = steal_ptr(&written);
    else
        d->so = path_join(strchr(written, '/') ? dir : backend_dir, written);
}

static void fill(struct yaml_reader *y, struct descriptor *d, const char *backend_dir)
{
    yaml_node_t *root = yaml_document_get_root_node(&y->doc);
    struct utsname host;

    if (!d->name)
        yaml_fail(y, root, "missing key 'name'");
    if (!d->so)
        yaml_fail(y, root, "missing key 'library'");
    if (y->code)
        return;
    place_library(d, backend_dir);
    if (!d->arch)
        d->arch = xstrdup(uname(&host) == 0 ? host.machine : "unknown");
}

int descriptor_parse(const char *text, size_t len, const char *file, const char *backend_dir,
                     struct descriptor *ret, struct err *err)
{
    struct yaml_reader y = {.name = file, .dir = "/", .err = err};
    struct descriptor d = {.file = xstrdup(file)};

    if (yaml_reader_parse(&y, text, len, keys, &d) == 0)
        fill(&y, &d, backend_dir);
    yaml_reader_done(&y);
    if (y.code) {
        descriptor_done(&d);
        return y.code;
    }
    *ret = d;
    return 0;
}

/* The directory is resolved, the file is not: who owns a link matters to the caller. */
static char *absolute_file(const char *path)
{
    cleanup_free char *dir = directory_of(path), *real = realpath(dir, NULL);
    const char *slash = strrchr(path, '/');

    return real ? path_join(real, slash ? slash + 1 : path) : NULL;
}

int descriptor_load(const char *path, const char *backend_dir, struct descriptor *ret,
                    struct err *err)
{
    cleanup_free char *file = absolute_file(path), *text = NULL;
    size_t len;

    if (!file)
        return err_set_phase(err, PHASE_CONFIG, errno, "descriptor '%s': %m", path);
    if (path_read(AT_FDCWD, file, CONFIG_FILE_MAX, &text, &len, err) < 0)
        return err_in_phase(err, PHASE_CONFIG);
    return descriptor_parse(text, len, file, backend_dir, ret, err);
}

static int is_descriptor(const struct dirent *e)
{
    return e->d_name[0] != '.' && str_ends_with(e->d_name, ".yaml");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); /* not the locale's order */
}

static int add_descriptor(struct descriptor_list *l, const char *path, const char *backend_dir,
                          struct err *err)
{
    struct descriptor d;
    const struct descriptor *other;
    int r = descriptor_load(path, backend_dir, &d, err);

    if (r < 0)
        return r;
    if ((other = descriptor_find(l, d.name))) {
        r = err_set_phase(err, PHASE_CONFIG, EEXIST, "%s: the name '%s' is taken by %s", d.file,
                          d.name, other->file);
        descriptor_done(&d);
        return r;
    }
    l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
    l->v[l->n++] = d;
    return 0;
}

int descriptor_load_dir(const char *dir, const char *backend_dir, struct descriptor_list *ret,
                        struct err *err)
{
    struct descriptor_list l = {0};
    struct dirent **names = NULL;
    int n = scandir(dir, &names, is_descriptor, by_name), r = 0;

    if (n < 0 && errno != ENOENT)
        return err_set_phase(err, PHASE_CONFIG, errno, "plugins_dir '%s': %m", dir);
    for (int i = 0; i < n; i++) {
        cleanup_free char *path = path_join(dir, names[i]->d_name);

        if (r == 0)
            r = add_descriptor(&l, path, backend_dir, err);
        free(names[i]);
    }
    free(names);
    if (r < 0) {
        descriptor_list_done(&l);
        return r;
    }
    *ret = l;
    return 0;
}

void descriptor_keys(struct strv *ret)
{
    yaml_key_names(keys, "", ret);
}
