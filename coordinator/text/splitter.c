#include "coordinator/text/splitter.h"

#include "coordinator/text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

/* One match may span a whole document: 4 MB of one letter are one piece. A pattern that keeps a way
 * back per character needs up to 64 bytes for it, with JIT; the memory is taken as it is used. */
enum { JIT_STACK_START_BYTES = 1 << 16, JIT_STACK_MAX_BYTES = 1 << 29, HEAP_LIMIT_KIB = 1 << 21 };
enum { MIN_MATCH_LIMIT = 10000000, MATCH_LIMIT_PER_BYTE = 16 };

struct yoco_splitter {
    pcre2_code *code;
    bool may_be_empty;
};

struct yoco_split {
    const yoco_splitter *splitter;
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *jit_stack; /* NULL: match without JIT */
    uint32_t options;
    const uint8_t *text;
    size_t size, at;
    bool has_match;                /* a match at or after `at` is to be told of yet */
    size_t match_begin, match_end; /* the last match that was found; at first, none: SIZE_MAX */
    bool at_end;                   /* there is no further one */
};

static yoco_status compile(const char *name, yoco_pattern_kind kind, const char *pattern,
                           pcre2_code **out)
{
    static const uint32_t options[] = {
        [YOCO_PATTERN_TIKTOKEN] = PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C,
        [YOCO_PATTERN_ONIGURUMA] = PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
        [YOCO_PATTERN_LITERAL] = PCRE2_LITERAL};
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) {
        yoco_log_error("cannot allocate the compiler of split patterns");
        return YOCO_ERR_MEMORY;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int error;
    PCRE2_SIZE offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | options[kind], &error, &offset, context);
    pcre2_compile_context_free(context);
    if (!code) {
        PCRE2_UCHAR why[128];
        pcre2_get_error_message(error, why, sizeof why);
        yoco_log_error("%s: the pattern is wrong near its byte %zu: %s", name, (size_t)offset, why);
        return YOCO_ERR_DATA;
    }
    *out = code;
    return YOCO_OK;
}

yoco_status yoco_splitter_create(const char *name, yoco_pattern_kind kind, const char *pattern,
                                 yoco_splitter **out)
{
    char *spelled = NULL;
    if (kind == YOCO_PATTERN_TIKTOKEN)
        YOCO_TRY(yoco_pattern_spell_tiktoken(name, pattern, &spelled));
    if (kind == YOCO_PATTERN_ONIGURUMA)
        YOCO_TRY(yoco_pattern_spell_oniguruma(name, pattern, &spelled));
    pcre2_code *code;
    yoco_status status = compile(name, kind, spelled ? spelled : pattern, &code);
    yoco_free(spelled);
    YOCO_TRY(status);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without it, matching is only slower */

    yoco_splitter *splitter;
    status = yoco_alloc(sizeof *splitter, "split pattern", (void **)&splitter);
    if (status != YOCO_OK) {
        pcre2_code_free(code);
        return status;
    }
    *splitter = (yoco_splitter){.code = code, .may_be_empty = kind == YOCO_PATTERN_ONIGURUMA};
    *out = splitter;
    return YOCO_OK;
}

bool yoco_splitter_may_be_empty(const yoco_splitter *splitter)
{
    uint32_t may = 0;
    pcre2_pattern_info(splitter->code, PCRE2_INFO_MATCHEMPTY, &may);
    return splitter->may_be_empty && may;
}

void yoco_splitter_free(yoco_splitter *splitter)
{
    if (!splitter)
        return;
    pcre2_code_free(splitter->code);
    yoco_free(splitter);
}

yoco_status yoco_split_create(const yoco_splitter *splitter, yoco_split **out)
{
    yoco_split *split;
    YOCO_TRY(yoco_alloc(sizeof *split, "text splitting", (void **)&split));
    *split = (yoco_split){
        .splitter = splitter,
        .match = pcre2_match_data_create(1, NULL),
        .context = pcre2_match_context_create(NULL),
        .jit_stack = pcre2_jit_stack_create(JIT_STACK_START_BYTES, JIT_STACK_MAX_BYTES, NULL),
    };
    if (!split->match || !split->context) {
        yoco_log_error("cannot allocate memory for text splitting");
        yoco_split_free(split);
        return YOCO_ERR_MEMORY;
    }
    split->options = PCRE2_NO_UTF_CHECK | (splitter->may_be_empty ? 0 : PCRE2_NOTEMPTY) |
                     (split->jit_stack ? 0 : PCRE2_NO_JIT);
    pcre2_jit_stack_assign(split->context, NULL, split->jit_stack);
    pcre2_set_heap_limit(split->context, HEAP_LIMIT_KIB);
    *out = split;
    return YOCO_OK;
}

void yoco_split_free(yoco_split *split)
{
    if (!split)
        return;
    pcre2_jit_stack_free(split->jit_stack);
    pcre2_match_context_free(split->context);
    pcre2_match_data_free(split->match);
    yoco_free(split);
}

void yoco_split_begin(yoco_split *split, const uint8_t *text, size_t size)
{
    split->text = text;
    split->size = size;
    split->at = 0;
    split->has_match = false;
    split->match_begin = split->match_end = SIZE_MAX;
    split->at_end = size == 0;
    size_t limit = size < (UINT32_MAX - MIN_MATCH_LIMIT) / MATCH_LIMIT_PER_BYTE
                       ? MIN_MATCH_LIMIT + MATCH_LIMIT_PER_BYTE * size
                       : UINT32_MAX;
    pcre2_set_match_limit(split->context, (uint32_t)limit);
}

static yoco_status give_up(int error)
{
    PCRE2_UCHAR why[128];
    pcre2_get_error_message(error, why, sizeof why);
    yoco_log_error("the tokenizer's split pattern gives up on this text: %s", why);
    return error == PCRE2_ERROR_NOMEMORY ? YOCO_ERR_MEMORY : YOCO_ERR_DATA;
}

/* The next match from `from` on, which is behind the last one. */
static yoco_status find_match(yoco_split *split, size_t from)
{
    int n = pcre2_match(split->splitter->code, split->text, split->size, from, split->options,
                        split->match, split->context);
    if (n == PCRE2_ERROR_NOMATCH) {
        split->at_end = true;
        return YOCO_OK;
    }
    if (n < 0)
        return give_up(n);
    const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(split->match);
    if (bounds[0] < split->at || bounds[1] < bounds[0]) { /* \K can turn a match around */
        yoco_log_error("the tokenizer's split pattern matches backwards on this text");
        return YOCO_ERR_DATA;
    }
    split->has_match = true;
    if (bounds[0] == bounds[1] && bounds[1] == split->match_end) {
        split->has_match = false; /* empty, right behind the last */
        return YOCO_OK;
    }
    split->match_begin = bounds[0];
    split->match_end = bounds[1];
    return YOCO_OK;
}

/* As Oniguruma's iteration goes on: behind an empty match that does not count, by a character. */
static yoco_status advance(yoco_split *split)
{
    size_t from = split->at;
    while (!split->has_match && !split->at_end) {
        YOCO_TRY(find_match(split, from));
        for (from++; from < split->size && (split->text[from] & 0xc0) == 0x80;)
            from++;
        split->at_end = split->at_end || (!split->has_match && from > split->size);
    }
    return YOCO_OK;
}

yoco_status yoco_split_next(yoco_split *split, const uint8_t **piece, size_t *size,
                            yoco_piece_kind *kind)
{
    YOCO_TRY(advance(split));
    size_t begin = split->at, end = split->size;
    *kind = begin < end ? YOCO_PIECE_BETWEEN : YOCO_PIECE_END;
    if (split->has_match && begin < split->match_begin) {
        end = split->match_begin;
    } else if (split->has_match) {
        *kind = YOCO_PIECE_MATCH;
        end = split->match_end;
        split->has_match = false;
    }
    *piece = split->text + begin;
    *size = end - begin;
    split->at = end;
    return YOCO_OK;
}
