#include "coordinator/text/splitter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

/* One match may span a whole document: 4 MB of one letter are one piece. A pattern that keeps a way
 * back per character needs up to 64 bytes for it, with JIT; the memory is taken as it is used. */
enum { JIT_STACK_START_BYTES = 1 << 16, JIT_STACK_MAX_BYTES = 1 << 29, HEAP_LIMIT_KIB = 1 << 21 };
enum { MIN_MATCH_LIMIT = 10000000, MATCH_LIMIT_PER_BYTE = 16 };

struct yoco_splitter {
    pcre2_code *code;
};

struct yoco_split {
    const yoco_splitter *splitter;
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *jit_stack; /* NULL: match without JIT */
    uint32_t options;
    const uint8_t *text;
    size_t size, at;
    size_t match_begin, match_end; /* the match at or after `at`; both `size` where there is none */
};

/* \s and \S in the terms of Unicode, inside and outside of character classes. */
static yoco_status spell_spaces(const char *pattern, char **out)
{
    static const char space[] = "\\p{White_Space}", other[] = "\\P{White_Space}";
    size_t size = strlen(pattern), used = 0;
    char *text;
    YOCO_TRY(yoco_alloc(size * sizeof space + 1, "split pattern", (void **)&text));
    for (size_t i = 0; i < size; i++) {
        bool escape = pattern[i] == '\\' && i + 1 < size;
        if (escape && (pattern[i + 1] == 's' || pattern[i + 1] == 'S')) {
            memcpy(text + used, pattern[i + 1] == 's' ? space : other, sizeof space - 1);
            used += sizeof space - 1;
            i++;
            continue;
        }
        text[used++] = pattern[i];
        if (escape)
            text[used++] = pattern[++i];
    }
    text[used] = '\0';
    *out = text;
    return YOCO_OK;
}

static yoco_status compile(const char *name, const char *pattern, pcre2_code **out)
{
    const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) {
        yoco_log_error("cannot allocate the compiler of split patterns");
        return YOCO_ERR_MEMORY;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int error;
    PCRE2_SIZE offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error,
                                     &offset, context);
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

yoco_status yoco_splitter_create(const char *name, const char *pattern, yoco_splitter **out)
{
    if (strstr(pattern, "&&")) {
        yoco_log_error("%s: the pattern has a set intersection (&&), which is not supported", name);
        return YOCO_ERR_DATA;
    }
    char *spelled;
    YOCO_TRY(spell_spaces(pattern, &spelled));
    pcre2_code *code;
    yoco_status status = compile(name, spelled, &code);
    yoco_free(spelled);
    YOCO_TRY(status);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without it, matching is only slower */

    yoco_splitter *splitter;
    status = yoco_alloc(sizeof *splitter, "split pattern", (void **)&splitter);
    if (status != YOCO_OK) {
        pcre2_code_free(code);
        return status;
    }
    splitter->code = code;
    *out = splitter;
    return YOCO_OK;
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
    split->options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | (split->jit_stack ? 0 : PCRE2_NO_JIT);
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
    split->at = split->match_begin = split->match_end = 0;
    size_t limit = size < (UINT32_MAX - MIN_MATCH_LIMIT) / MATCH_LIMIT_PER_BYTE
                       ? MIN_MATCH_LIMIT + MATCH_LIMIT_PER_BYTE * size
                       : UINT32_MAX;
    pcre2_set_match_limit(split->context, (uint32_t)limit);
}

/* The next match that is not empty. */
static yoco_status find_match(yoco_split *split)
{
    int n = pcre2_match(split->splitter->code, split->text, split->size, split->at, split->options,
                        split->match, split->context);
    if (n == PCRE2_ERROR_NOMATCH) {
        split->match_begin = split->match_end = split->size;
        return YOCO_OK;
    }
    if (n < 0) {
        PCRE2_UCHAR why[128];
        pcre2_get_error_message(n, why, sizeof why);
        yoco_log_error("the tokenizer's split pattern gives up on this text: %s", why);
        return n == PCRE2_ERROR_NOMEMORY ? YOCO_ERR_MEMORY : YOCO_ERR_DATA;
    }
    const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(split->match);
    if (bounds[0] < split->at || bounds[1] <= bounds[0]) { /* \K can turn a match around */
        yoco_log_error("the tokenizer's split pattern matches backwards on this text");
        return YOCO_ERR_DATA;
    }
    split->match_begin = bounds[0];
    split->match_end = bounds[1];
    return YOCO_OK;
}

yoco_status yoco_split_next(yoco_split *split, const uint8_t **piece, size_t *size)
{
    if (split->at == split->match_end && split->at < split->size)
        YOCO_TRY(find_match(split));
    size_t end = split->at < split->match_begin ? split->match_begin : split->match_end;
    *piece = split->text + split->at;
    *size = end - split->at;
    split->at = end;
    return YOCO_OK;
}
