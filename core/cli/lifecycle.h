/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle.h - the steps of a container's life that several verbs take. For core/cli only.
 */
#ifndef CLI_LIFECYCLE_H
#define CLI_LIFECYCLE_H
#include "cli/cli.h"
#include "oci/oci.h"

struct descriptor;

/* The container's configuration as it was at create. */
int container_spec(const struct container *c, struct oci_spec **ret, struct err *err);

/* Warn of descriptors, which the guest does not get. -EINVAL: --preserve-fds (may be NULL) is not a
 * number. */
int not_carried_descriptors(const char *preserve_fds, struct err *err);

/* created -> running, poststart hooks included. The container is locked. */
int container_start(const struct cli *cli, struct container *c, struct err *err);

/* End what is left of it, run poststop hooks, remove every trace. The container is locked. */
int container_delete(const struct cli *cli, struct container *c, const char *id, bool force,
                     struct err *err);

/*
 * damaged.c. Only the directory, or a state that cannot be read, which a create left that died
 * early: lock it, and find by config.json and the plug-ins' directories what was made for it.
 */
int damaged_open(const struct cli *cli, const char *id, struct container *ret, struct err *err);
void damaged_recover(const struct cli *cli, const char *id, struct container *c); /* it is locked */

/* The state directory that a run_dir belongs to, if it still exists; or as it is written there.
 * Caller frees. */
char *run_dir_owner(const char *run_dir);
char *run_dir_written_owner(const char *run_dir);
/* Those of a VM that has ended and whose state directory is gone. */
int damaged_remove_run_dirs(const char *id, struct err *err);
/*
 * clean.c. The VM that its monitor has left behind; *ret_found: its hypervisor knows of it, or that
 * there is none.
 */
int vm_destroy_by_ref(const struct cli *cli, const struct descriptor *d, const char *ref,
                      bool *ret_found, struct err *err);
/*
 * Most VMs die with their monitor; those that do not are found again by what the plug-in wrote.
 * With force, one whose hypervisor cannot be asked is left: gc finds it by the hypervisor's list.
 */
int container_end_vm(const struct cli *cli, const struct container *c, bool force, struct err *err);
/* For another monitor in place of one that has ended: without its mounts of the host. */
int run_dir_renew(const char *dir, struct err *err);
/* With the mounts of the host that are below it (clean.c). */
int run_dir_remove(const char *dir, struct err *err);

/* Open, lock and delete; with force a missing one is fine and a damaged one is cleaned. */
int delete_by_id(const struct cli *cli, const char *id, bool force, struct err *err);

#endif
