/* yoco_tokenizer.json and the file of special tokens that it may name, read and checked. */
#ifndef YOCO_TOKENIZER_CONFIG_H
#define YOCO_TOKENIZER_CONFIG_H

#include "coordinator/text/tokenizer.h"

typedef struct yoco_special {
    char *text; /* not empty, ends with a NUL */
    size_t size;
    int32_t id;
} yoco_special;

enum { YOCO_TOKENIZER_MAX_SPECIALS = 65536 };

typedef struct yoco_tokenizer_config {
    int32_t shift;          /* id = rank + shift: 4 in layout yoco, 0 in layout plain */
    char *path;             /* of the file itself, for error lines */
    char *ranks_path;       /* of the rank file */
    char *pattern;          /* as it stands in the file */
    yoco_special *specials; /* (n_specials), longest text first, ids shifted */
    size_t n_specials;
    int32_t bos, pad; /* -1: none */
    int32_t ends[YOCO_TOKENIZER_MAX_ENDS];
    int n_ends;
} yoco_tokenizer_config;

/* Loads yoco_tokenizer.json of the folder. *found is false, with YOCO_OK, where it has none. */
yoco_status yoco_tokenizer_config_load(const char *folder, yoco_tokenizer_config *out, bool *found);
void yoco_tokenizer_config_free(yoco_tokenizer_config *config);

#endif
