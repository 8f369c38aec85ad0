/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/view/bundle.h"
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "base/path.h"
#include "oci/oci.h"
#include "policy/policy.h"

#define CONFIG_MAX (16 * MIB) /* as oci_bundle_load */

static void put_object(json_object **o)
{
    json_object_put(*o);
}

/* The member as an object, made where it is missing. */
static json_object *member(json_object *o, const char *key)
{
    json_object *found = NULL;

    if (!json_object_object_get_ex(o, key, &found) ||
        !json_object_is_type(found, json_type_object)) {
        found = json_object_new_object();
        json_object_object_add(o, key, found);
    }
    return found;
}

static void set_process(json_object *config, const char *const *argv)
{
    static const char *const probe_alone[] = {VIEW_PROBE_AT, NULL};
    json_object *process = member(config, "process"), *args = json_object_new_array();

    for (argv = argv ? argv : probe_alone; *argv; argv++)
        json_object_array_add(args, json_object_new_string(*argv));
    json_object_object_add(process, "args", args);
    json_object_object_add(process, "terminal", json_object_new_boolean(false));
    json_object_object_del(process, "consoleSize");
}

static void set_root(json_object *config, const char *rootfs)
{
    json_object *root = member(config, "root");

    json_object_object_add(root, "path", json_object_new_string(rootfs));
    json_object_object_add(root, "readonly", json_object_new_boolean(true));
}

static void set_linux(json_object *config)
{
    json_object *linux_part = member(config, "linux"), *list = NULL;

    json_object_object_del(linux_part, "cgroupsPath");
    if (!json_object_object_get_ex(linux_part, "namespaces", &list) ||
        !json_object_is_type(list, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(list); i++)
        json_object_object_del(json_object_array_get_idx(list, i), "path");
}

static void add_probe(json_object *config, const char *probe)
{
    json_object *mounts = NULL, *m = json_object_new_object(), *options = json_object_new_array();

    json_object_array_add(options, json_object_new_string("bind"));
    json_object_array_add(options, json_object_new_string("ro"));
    json_object_object_add(m, "destination", json_object_new_string(VIEW_PROBE_AT));
    json_object_object_add(m, "type", json_object_new_string("bind"));
    json_object_object_add(m, "source", json_object_new_string(probe));
    json_object_object_add(m, "options", options);
    if (!json_object_object_get_ex(config, "mounts", &mounts) ||
        !json_object_is_type(mounts, json_type_array)) {
        mounts = json_object_new_array();
        json_object_object_add(config, "mounts", mounts);
    }
    json_object_array_add(mounts, m);
}

/* The operator's config.json has been read by oci_bundle_load before: it is good. */
static int load(const char *bundle, json_object **ret, struct err *err)
{
    cleanup_free char *path = bundle ? path_join(bundle, "config.json") : NULL;
    cleanup_free char *text = bundle ? NULL : oci_spec_default_json(false);
    int r = bundle ? path_read(AT_FDCWD, path, CONFIG_MAX, &text, NULL, err) : 0;

    if (r < 0)
        return r;
    *ret = json_tokener_parse(text);
    if (!*ret)
        return err_set_phase(err, PHASE_CONFIG, EINVAL, "'%s' is not JSON", bundle ? path : "spec");
    return 0;
}

/* The root of the operator's bundle by its full name, or a new one that has what mounts need. */
static int find_rootfs(const char *dir, const char *bundle, json_object *config, char **ret,
                       struct err *err)
{
    static const char *const below[] = {"dev", "proc", "sys", "tmp", "etc"};
    cleanup_free char *made = path_join(dir, "rootfs");
    json_object *root = member(config, "root"), *path = NULL;
    int r;

    if (bundle) {
        const char *word = json_object_object_get_ex(root, "path", &path)
                               ? json_object_get_string(path)
                               : "rootfs";
        cleanup_free char *named = word[0] == '/' ? xstrdup(word) : path_join(bundle, word);

        *ret = realpath(named, NULL);
        return *ret ? 0 : err_set(err, errno, "root '%s' of the bundle: %m", named);
    }
    for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
        cleanup_free char *at = path_join(made, below[i]);

        if ((r = path_mkdirs(at, 0755, err)) < 0)
            return r;
    }
    *ret = steal_ptr(&made);
    return 0;
}

int view_bundle_make(const char *dir, const char *bundle, const char *arch, const char *probe,
                     const char *const *argv, struct err *err)
{
    cleanup_call(put_object) json_object *config = NULL;
    cleanup_free char *rootfs = NULL, *path = path_join(dir, "config.json");
    cleanup_fd int fd = -1;
    const char *text;
    int r;

    if ((r = load(bundle, &config, err)) < 0 ||
        (r = find_rootfs(dir, bundle, config, &rootfs, err)) < 0)
        return r;
    json_object_object_del(config, "hooks");
    set_process(config, argv);
    set_root(config, rootfs);
    set_linux(config);
    add_probe(config, probe);
    json_object_object_add(member(config, "annotations"), POLICY_ANNOTATION_ARCH,
                           json_object_new_string(arch));
    text = json_object_to_json_string_ext(config, JSON_C_TO_STRING_NOSLASHESCAPE);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, errno, "create '%s': %m", path);
    return fd_write_all(fd, text, strlen(text), err);
}
