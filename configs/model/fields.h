/* Fields of a model's config, read and checked. Every refusal is one line: which file, which field,
 * what it is and what it may be. Outputs are written only on success. */
#ifndef YOCO_FIELDS_H
#define YOCO_FIELDS_H

#include "configs/files/json_text.h"

/* Bounds far above any real model and low enough that no product of sizes overflows 63 bits: the
 * largest are K and V of a sequence (max_seq_len * dim * 8 bytes), all window edges (n_layers *
 * window * dim * 16 bytes), all weights (n_layers * dim * hidden_dim * 12 bytes) and all states
 * (n_layers * hidden_dim * head_dim * 4 bytes). */
enum {
    YOCO_MAX_CONFIG_BYTES = 1 << 20,
    YOCO_MAX_DIM = 1 << 20,
    YOCO_MAX_HIDDEN_DIM = 1 << 22,
    YOCO_MAX_HEAD_DIM = 1 << 12,
    YOCO_MAX_LAYERS = 1 << 12,
    YOCO_MAX_VOCAB = 1 << 24,
    YOCO_MAX_WINDOW = 1 << 24,
    YOCO_MAX_TAPS = 64,   /* of a short convolution */
    YOCO_MAX_STATES = 32, /* of a channel; kernels/ops_mamba.h takes no more */
};
#define YOCO_MAX_SEQ_LEN (INT64_C(1) << 36)
/* Of rope_theta: every angle is finite. */
#define YOCO_MIN_THETA 1e-6
#define YOCO_MAX_THETA 1e18

/* An object of a config file. */
typedef struct yoco_fields {
    const char *file;   /* for error lines */
    const char *prefix; /* of the object's fields in error lines: "" or "text_config." */
    const json_t *object;
    bool takes_null; /* for absent */
} yoco_fields;

yoco_status yoco_field_integer(const yoco_fields *f, const char *field, int64_t min, int64_t max,
                               int64_t *out);
yoco_status yoco_field_int(const yoco_fields *f, const char *field, int min, int max, int *out);
yoco_status yoco_field_real(const yoco_fields *f, const char *field, double min, double max,
                            double *out);
/* A field that is absent leaves *out as it is; so do the following ones. */
yoco_status yoco_field_int_if(const yoco_fields *f, const char *field, int min, int max, int *out);
yoco_status yoco_field_real_if(const yoco_fields *f, const char *field, double min, double max,
                               double *out);
yoco_status yoco_field_bool_if(const yoco_fields *f, const char *field, bool *out);
/* One of n words. */
yoco_status yoco_field_word_if(const yoco_fields *f, const char *field, const char *const *words,
                               int n, int *out);
/* An object in the object; NULL where it is absent. `prefix` is its name with a dot. */
yoco_status yoco_field_object(const yoco_fields *f, const char *field, const char *prefix,
                              yoco_fields *out);

#endif
