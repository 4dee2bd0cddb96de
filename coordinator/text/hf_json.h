/* tokenizer.json, member by member: what all its readers need. */
#ifndef YOCO_HF_JSON_H
#define YOCO_HF_JSON_H

#include <jansson.h>

#include "coordinator/text/splitter.h"

enum { YOCO_HF_WHERE_BYTES = 384 };

/* Where in the file: for error lines. */
typedef struct yoco_hf_place {
    const char *path;                /* of the file */
    char where[YOCO_HF_WHERE_BYTES]; /* "pre_tokenizer.pretokenizers[0]" */
} yoco_hf_place;

/* Logs the place and what is wrong. */
void yoco_hf_log(const yoco_hf_place *at, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, and the status of it. */
#define YOCO_HF_REFUSE(...) (yoco_hf_log(__VA_ARGS__), YOCO_ERR_DATA)
/* The same of a type that is not supported; `supported` names those that are. */
yoco_status yoco_hf_refuse_type(const yoco_hf_place *at, const char *type, const char *supported);

yoco_status yoco_hf_string(const yoco_hf_place *at, const json_t *object, const char *key,
                           const char **out);
/* fallback: where the member is missing or null. */
yoco_status yoco_hf_bool(const yoco_hf_place *at, const json_t *object, const char *key,
                         bool fallback, bool *out);
yoco_status yoco_hf_int(const yoco_hf_place *at, const json_t *object, const char *key,
                        int64_t least, int64_t most, int64_t *out);
/* "pattern": {"String": ...} or {"Regex": ...}. */
yoco_status yoco_hf_pattern(const yoco_hf_place *at, const json_t *object, yoco_splitter **out);
/* The same of a Replace, where no match may be empty: the library's result has no rule then. */
yoco_status yoco_hf_replaced(const yoco_hf_place *at, const json_t *object, yoco_splitter **out);
/* "content" and the like: at most 1024 bytes. The caller frees it with yoco_free. */
yoco_status yoco_hf_content(const yoco_hf_place *at, const json_t *object, const char *key,
                            char **out);

/* A step that is no Sequence. */
typedef yoco_status (*yoco_hf_step)(void *data, const yoco_hf_place *at, const char *type,
                                    const json_t *step);

/* Calls `step` for a member of the file, or for all that its Sequences list in `list`, in order.
 * Nothing where it is missing or null. */
yoco_status yoco_hf_steps(const char *path, const json_t *root, const char *key, const char *list,
                          yoco_hf_step step, void *data);

#endif
