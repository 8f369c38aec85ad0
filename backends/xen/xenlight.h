/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xenlight.h - libxenlight as this back-end uses it: one version of its interface, named once.
 * For the files of this back-end; they include this and never <libxl.h>.
 */
#ifndef XEN_XENLIGHT_H
#define XEN_XENLIGHT_H
#define LIBXL_API_VERSION 0x041400
#include <libxl.h>       /* IWYU pragma: export */
#include <libxl_event.h> /* IWYU pragma: export */
#include <libxl_utils.h> /* IWYU pragma: export */

#endif
