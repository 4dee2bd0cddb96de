/* Which tokenizer a folder has: contexts and batches of another one do not fit. */
#ifndef YOCO_TOKENIZER_HASH_H
#define YOCO_TOKENIZER_HASH_H

#include "configs/files/hash.h"

/* Of yoco_tokenizer.json as it is understood and of its ranks, else of the bytes of tokenizer.json
 * and tokenizer_config.json; {0, 0} where the folder has neither. */
yoco_status yoco_tokenizer_hash(const char *folder, yoco_hash *out);

#endif
