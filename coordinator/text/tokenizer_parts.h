/* What a tokenizer consists of, whichever file it was read from. */
#ifndef YOCO_TOKENIZER_PARTS_H
#define YOCO_TOKENIZER_PARTS_H

#include "coordinator/text/added_tokens.h"
#include "coordinator/text/bpe_model.h"
#include "coordinator/text/pretokenizer.h"
#include "coordinator/text/tokenizer.h"

/* Text becomes ids in this order. */
struct yoco_tokenizer {
    yoco_added_tokens added; /* looked for in text as it is */
    yoco_normalizer *normalizers;
    size_t n_normalizers;
    yoco_added_tokens normalized; /* looked for in normalized text */
    yoco_stage *stages;
    size_t n_stages;
    yoco_bpe_model model;
    int32_t shift;     /* id = rank in the vocabularies + shift; added tokens have ids */
    yoco_vocab *texts; /* the bytes of a token in an answer; may be the model's vocabulary */
    int32_t bos;       /* that a document starts with, -1: none */
    int32_t pad;       /* -1: none */
    int32_t ends[YOCO_TOKENIZER_MAX_ENDS];
    int n_ends;
};

/* Each reads a folder's file into *out, which is {0}, and which the caller closes also on failure.
 * *found is false, with YOCO_OK, where the folder has no such file. */
yoco_status yoco_tokenizer_read_ranks(const char *folder, int vocab_size, yoco_tokenizer *out,
                                      bool *found);
yoco_status yoco_tokenizer_read_hf(const char *folder, int vocab_size, yoco_tokenizer *out,
                                   bool *found);

#endif
