/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "cli/cli.h"
#include "oci/oci.h"

struct spec_options {
    const char *bundle;
    bool rootless;
};

static const struct option_row rows[] = {
    {"bundle", 'b', OPTION_TEXT, offsetof(struct spec_options, bundle), "DIR",
     "where to write config.json (default: here)"},
    {"rootless", 0, OPTION_FLAG, offsetof(struct spec_options, rootless), NULL,
     "without what only root may ask for"},
};

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct spec_options *o = options;
    cleanup_free char *path = path_join(o->bundle ? o->bundle : ".", "config.json");
    cleanup_free char *json = oci_spec_default_json(o->rootless);
    cleanup_fd int fd = -1;

    (void)cli, (void)argc, (void)argv;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return err_set(err, EEXIST, "File %s exists. Remove it first", path);
    if (fd < 0)
        return err_set(err, errno, "create '%s': %m", path);
    return fd_write_all(fd, json, strlen(json), err);
}

const struct verb verb_spec = {
    .name = "spec",
    .arguments = "",
    .summary = "write an example config.json",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct spec_options),
    .run = run,
};
