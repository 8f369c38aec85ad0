/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle.h - bundles whose program is the view probe (guest/view), made from a bundle of the
 * operator's, and the dump that one gives in a container of a class. For the verb `view diff`, and
 * for those who warm a VM of a pool up.
 */
#ifndef CLI_VIEW_BUNDLE_H
#define CLI_VIEW_BUNDLE_H
#include "cli/cli.h"

/* Where the probe is in the container: below /dev, which is a tmpfs, so that nothing is left. */
#define VIEW_PROBE_AT "/dev/.anyvisor-view"

/*
 * DIR/config.json, and DIR/rootfs where bundle is NULL: then it is the one of `anyvisor spec` with
 * an empty root. What would act on the host or belongs to a running pod is left out: hooks, cgroup
 * path, paths of namespaces, the terminal; the root is read-only, so that the operator's stays as
 * it is. argv: of the process; NULL = the probe alone.
 */
int view_bundle_make(const char *dir, const char *bundle, const char *arch, const char *probe,
                     const char *const *argv, struct err *err);

/* Run a container of class cls from the bundle made of `bundle` (may be NULL); caller frees. */
int view_dump(const struct cli *cli, const char *cls, const char *bundle, char **ret_dump,
              struct err *err);

#endif
