/* The parts of tokenizer.json, each read into its part of the tokenizer. */
#ifndef YOCO_HF_PARTS_H
#define YOCO_HF_PARTS_H

#include "coordinator/text/hf_json.h"
#include "coordinator/text/tokenizer_parts.h"

/* Reading a file. */
typedef struct yoco_hf {
    const char *path; /* of tokenizer.json */
    json_t *root;
    int vocab_size;         /* the model's: ids are below it */
    yoco_tokenizer *out;    /* filled part by part; the caller closes it */
    const json_t *vocab;    /* of the model: strings and ids */
    const char **spellings; /* (n_spellings), of the vocabulary's ids; NULL: none has it */
    int32_t n_spellings;
    yoco_added_token *added; /* (n_added), as "added_tokens" has them */
    bool *is_normalized;     /* (n_added): looked for in normalized text */
    size_t n_added;
    bool *is_added; /* by id */
} yoco_hf;

/* In this order. */
yoco_status yoco_hf_read_normalizers(yoco_hf *hf);
yoco_status yoco_hf_read_stages(yoco_hf *hf);
yoco_status yoco_hf_read_model(yoco_hf *hf);
yoco_status yoco_hf_read_added(yoco_hf *hf);
/* Fills out->texts. The added tokens' texts are normalized where they are to be. */
yoco_status yoco_hf_read_decoder(yoco_hf *hf);

#endif
