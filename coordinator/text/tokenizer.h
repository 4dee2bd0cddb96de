/* Text to token ids and back.
 *
 * A model folder's tokenizer is one of two (docs/MODELS.md):
 * - `yoco_tokenizer.json` names a tiktoken rank file, the split pattern, the special tokens and the
 *   layout of the ids. Layout "yoco" is the authors': ids 0..3 are <s> <pad> </s> <unk>, ranks and
 *   special ids are shifted by 4. In layout "plain" ids are the ranks.
 * - `tokenizer.json`, where the other is not there: a BPE as Hugging Face's library `tokenizers`
 *   saves it, with the roles of tokens from `tokenizer_config.json`. */
#ifndef YOCO_TOKENIZER_H
#define YOCO_TOKENIZER_H

#include "base.h"

enum { YOCO_TOKENIZER_MAX_ENDS = 16 };

typedef struct yoco_tokenizer yoco_tokenizer; /* never changes: threads may share it */

/* Opens the tokenizer of a model folder. *out is NULL, with YOCO_OK, where the folder has none. An
 * id at or past vocab_size is an error. */
yoco_status yoco_tokenizer_open(const char *folder, int vocab_size, yoco_tokenizer **out);
/* The same where ids may do: a tokenizer that is not supported or whose files are wrong is *out
 * NULL, with YOCO_OK, and its line in `why`, which is empty otherwise. */
yoco_status yoco_tokenizer_try(const char *folder, int vocab_size, char why[YOCO_LOG_LINE_BYTES],
                               yoco_tokenizer **out);
void yoco_tokenizer_close(yoco_tokenizer *tokenizer);

/* The ids at which generation stops, in place of those that the tokenizer's own files name. At most
 * YOCO_TOKENIZER_MAX_ENDS count. Before threads share it. */
void yoco_tokenizer_set_ends(yoco_tokenizer *tokenizer, const int32_t *ids, int n);

/* Appends nothing of its own (no <s>). Bytes that are not UTF-8 are encoded byte by byte. Text that
 * spells a special token stays text unless allow_specials; then the longest of those that start
 * leftmost is taken. *ids is the caller's to free with yoco_free; empty text gives NULL and 0. */
yoco_status yoco_tokenizer_encode(const yoco_tokenizer *tokenizer, const char *text, size_t size,
                                  bool allow_specials, int32_t **ids, int64_t *n_ids);

/* The same with <s> in front where the tokenizer has one; empty text stays empty. */
yoco_status yoco_tokenizer_encode_document(const yoco_tokenizer *tokenizer, const char *text,
                                           size_t size, bool allow_specials, int32_t **ids,
                                           int64_t *n_ids);

/* A stretch of a text, from the end of the one before it. */
typedef struct yoco_text_span {
    size_t end;          /* behind its last byte */
    bool special_tokens; /* text that spells a special token becomes one */
} yoco_text_span;

/* The same of a text of n_spans stretches, the last of which ends with the text; no added token
 * reaches from one into the next. bos: <s> goes in front where the tokenizer has one. */
yoco_status yoco_tokenizer_encode_spans(const yoco_tokenizer *tokenizer, const char *text,
                                        const yoco_text_span *spans, size_t n_spans, bool bos,
                                        int32_t **ids, int64_t *n_ids);
/* The id of a special token, -1 where there is none of this text. */
int32_t yoco_tokenizer_special(const yoco_tokenizer *tokenizer, const char *text);

/* The id that text starts with, -1 where there is none. */
int32_t yoco_tokenizer_bos(const yoco_tokenizer *tokenizer);
/* Generation stops at these. */
bool yoco_tokenizer_is_end(const yoco_tokenizer *tokenizer, int32_t id);
/* Ids that a text answer never contains: <s> and <pad>, unless they end it. Writes at most `max`
 * to ids and returns how many. */
int yoco_tokenizer_banned(const yoco_tokenizer *tokenizer, int32_t *ids, int max);

/* The bytes of one token as it goes on from others, NULL and 0 for a special token or an id without
 * text. Valid as long as the tokenizer. */
const char *yoco_tokenizer_bytes(const yoco_tokenizer *tokenizer, int32_t id, size_t *size);

/* Streaming text: holds back an unfinished UTF-8 sequence (at most 3 bytes) until it is complete,
 * replaces what can never become valid by U+FFFD, as often as Python's errors="replace" does.
 * Starts as {0}. */
typedef struct yoco_utf8_stream {
    unsigned char pending[4];
    int n_pending;
} yoco_utf8_stream;

/* Writes at most 3 * (size + 3) bytes to out; returns how many. A final call with size 0 and
 * `flush` gives the rest. */
size_t yoco_utf8_stream_push(yoco_utf8_stream *stream, const char *bytes, size_t size, bool flush,
                             char *out);

#endif
