/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.h - typed access to json-c objects that knows the path of the key it is at.
 * For the parsers of core/oci and of storage/connection.c. The first mistake sticks: after it every
 * call does nothing, so that parsers read straight through and ask once, at the end.
 */
#ifndef OCI_READER_H
#define OCI_READER_H
#include <json-c/json_object.h>
#include <json-c/linkhash.h>
#include "oci/oci.h"

/* Members of any array. A plan takes little more (PLAN_LIST_MAX). */
#define READER_LIST_MAX 16000u

struct reader {
    const char *file; /* "config.json", for messages */
    struct err *err;
    int code;       /* 0, or the -errno of the first mistake */
    char path[512]; /* "linux.resources.devices[3]" */
    size_t len;
};

/* Parse text into an object; `what` names the text. Depth and size are bounded. */
int reader_parse(const char *json, size_t len, const char *what, json_object **ret,
                 struct err *err);

/* Note a mistake at the present place (key may be NULL); keeps the first one. */
void rd_fail(struct reader *r, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Go into obj.key and come back; NULL, and no rd_leave, when it is absent. */
json_object *rd_enter(struct reader *r, json_object *obj, const char *key);
void rd_leave(struct reader *r);

/* Values: an absent or null member leaves *ret alone and answers false. */
bool rd_str(struct reader *r, json_object *obj, const char *key, char **ret);
bool rd_bool(struct reader *r, json_object *obj, const char *key, bool *ret);
bool rd_i64(struct reader *r, json_object *obj, const char *key, int64_t min, int64_t max,
            int64_t *ret);
bool rd_u64(struct reader *r, json_object *obj, const char *key, uint64_t max, uint64_t *ret);
bool rd_u32(struct reader *r, json_object *obj, const char *key, uint32_t *ret);
void rd_opt_i64(struct reader *r, json_object *obj, const char *key, struct oci_i64 *ret);
void rd_opt_u64(struct reader *r, json_object *obj, const char *key, struct oci_u64 *ret);
bool rd_strv(struct reader *r, json_object *obj, const char *key, struct strv *ret);
bool rd_kvs(struct reader *r, json_object *obj, const char *key, struct kvs *ret);
/* The same, but an absent member is a mistake. */
void rd_need_str(struct reader *r, json_object *obj, const char *key, char **ret);

/* Array of objects -> array of n structs of `size` bytes, each zeroed and then filled by fn. */
typedef void (*rd_item_fn)(struct reader *r, json_object *item, void *dest);
bool rd_list(struct reader *r, json_object *obj, const char *key, size_t size, rd_item_fn fn,
             void *ret_v, size_t *ret_n);
bool rd_u32_list(struct reader *r, json_object *obj, const char *key, uint32_t **ret_v,
                 size_t *ret_n);

/* The parsers of the parts. */
void read_process(struct reader *r, json_object *obj, struct oci_process *ret);
void read_linux(struct reader *r, json_object *obj, struct oci_linux *ret);
void read_resources(struct reader *r, json_object *obj, struct oci_resources *ret);
void read_seccomp(struct reader *r, json_object *obj, struct oci_seccomp *ret);
void read_idmaps(struct reader *r, json_object *obj, const char *key, struct oci_idmaps *ret);

/* Free the members; {0} and half-built ones are fine. */
void process_done(struct oci_process *p);
void resources_done(struct oci_resources *r);
void seccomp_done(struct oci_seccomp *s);
void linux_done(struct oci_linux *l);

#endif
