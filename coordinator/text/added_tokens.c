#include "coordinator/text/added_tokens.h"

#include "coordinator/text/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static int by_bytes(const void *a, const void *b)
{
    const yoco_added_token *left = a, *right = b;
    size_t size = left->size < right->size ? left->size : right->size;
    int order = memcmp(left->text, right->text, size);
    return order ? order : (left->size > right->size) - (left->size < right->size);
}

yoco_status yoco_added_tokens_create(const char *name, yoco_added_token *tokens, size_t n,
                                     yoco_added_tokens *out)
{
    yoco_added_tokens added = {.tokens = tokens, .n = n};
    if (n > 0)
        qsort(tokens, n, sizeof *tokens, by_bytes);
    for (size_t i = 0; i < n; i++) {
        added.starts[(uint8_t)tokens[i].text[0]] = 1;
        if (i > 0 && by_bytes(&tokens[i - 1], &tokens[i]) == 0) {
            yoco_log_error("%s: the added token \"%s\" stands twice", name, tokens[i].text);
            yoco_added_tokens_free(&added);
            return YOCO_ERR_DATA;
        }
    }
    *out = added;
    return YOCO_OK;
}

void yoco_added_tokens_free(yoco_added_tokens *added)
{
    for (size_t i = 0; i < added->n; i++)
        yoco_free(added->tokens[i].text);
    yoco_free(added->tokens);
    *added = (yoco_added_tokens){0};
}

/* The longest token at the start of the text, NULL: none. The tokens that share `depth` bytes with
 * the text lie side by side, the one that ends there in front. */
static const yoco_added_token *longest_at(const yoco_added_tokens *added, const uint8_t *text,
                                          size_t size)
{
    const yoco_added_token *found = NULL;
    size_t low = 0, high = added->n;
    if (!added->starts[text[0]])
        return NULL;
    for (size_t depth = 0; low < high; depth++) {
        if (added->tokens[low].size == depth)
            found = &added->tokens[low++];
        if (depth == size)
            break;
        size_t from = low, to = high; /* the first whose byte at `depth` is not below the text's */
        while (from < to) {
            size_t middle = from + (to - from) / 2;
            if ((uint8_t)added->tokens[middle].text[depth] < text[depth])
                from = middle + 1;
            else
                to = middle;
        }
        low = from;
        to = high; /* the first whose byte is above it */
        while (from < to) {
            size_t middle = from + (to - from) / 2;
            if ((uint8_t)added->tokens[middle].text[depth] <= text[depth])
                from = middle + 1;
            else
                to = middle;
        }
        high = from;
    }
    return found;
}

/* \w of Rust's regex: Alphabetic, marks, decimal digits, connectors and joiners (UTS 18, annex C).
 * Alphabetic are letters, letter numbers, some marks and circled letters. */
static bool is_word(int32_t c)
{
    if (c == 0x200c || c == 0x200d || (c >= 0x24b6 && c <= 0x24e9) ||
        (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
        (c >= 0x1f170 && c <= 0x1f189))
        return true;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        return false;
    }
}

static bool is_part_of_word(const yoco_search *s, size_t begin, size_t end)
{
    size_t length;
    return (begin > 0 && is_word(yoco_utf8_before(s->text, begin, &length))) ||
           (end < s->size && is_word(yoco_utf8_at(s->text + end, s->size - end, &length)));
}

static yoco_found widen(const yoco_search *s, const yoco_added_token *token, size_t begin)
{
    size_t end = begin + token->size, length;
    if (token->lstrip) {
        while (begin > s->taken && yoco_utf8_is_space(yoco_utf8_before(s->text, begin, &length)))
            begin -= length;
        begin = begin > s->taken ? begin : s->taken;
    }
    while (token->rstrip && end < s->size &&
           yoco_utf8_is_space(yoco_utf8_at(s->text + end, s->size - end, &length)))
        end += length;
    return (yoco_found){token, begin, end};
}

yoco_found yoco_search_next(yoco_search *s)
{
    while (s->at < s->size) {
        size_t begin = s->at;
        while (s->offset + begin >= s->span->end)
            s->span++;
        size_t most = s->span->end - s->offset < s->size ? s->span->end - s->offset : s->size;
        const yoco_added_token *token = longest_at(s->added, s->text + begin, most - begin);
        s->at += token ? token->size : 1;
        if (!token || (token->special && !s->span->special_tokens) ||
            (token->single_word && is_part_of_word(s, begin, s->at)))
            continue;
        yoco_found found = widen(s, token, begin);
        if (found.begin >= found.end)
            continue; /* nothing of it is left: the token before it took it as white space */
        s->taken = found.end;
        return found;
    }
    return (yoco_found){NULL, s->size, s->size};
}
