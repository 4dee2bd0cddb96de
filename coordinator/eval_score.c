#include "coordinator/eval_score.h"

#include <ctype.h>
#include <string.h>

typedef struct span {
    const char *text;
    size_t size;
} span;

/* Letters, digits and every byte of a character beyond ASCII. */
static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* The next run of word bytes from *at on; size 0 at the end. */
static span next_word(const char **at)
{
    while (**at && !is_word_byte(**at))
        ++*at;
    span word = {*at, 0};
    while (is_word_byte(word.text[word.size]))
        word.size++;
    *at += word.size;
    return word;
}

static bool equals(span s, const char *text)
{
    return s.size == strlen(text) && memcmp(s.text, text, s.size) == 0;
}

static span trim(const char *text)
{
    span s = {text, strlen(text)};
    while (s.size > 0 && isspace((unsigned char)s.text[0]))
        s = (span){s.text + 1, s.size - 1};
    while (s.size > 0 && isspace((unsigned char)s.text[s.size - 1]))
        s.size--;
    return s;
}

static yoco_eval_score score_one(const char *prediction, const char *expected, bool *found)
{
    span answer = trim(prediction);
    yoco_eval_score result = {.exact = equals(answer, expected)};
    *found = false;
    for (span word = next_word(&prediction); word.size > 0; word = next_word(&prediction))
        *found = *found || equals(word, expected);
    if (answer.size > 0 && answer.text[answer.size - 1] == '.')
        answer.size--;
    result.score = equals(answer, expected);
    return result;
}

/* Only the first n words of the list count, so that listing everything does not pay. */
static yoco_eval_score score_list(const char *prediction, const char *const *expected, int64_t n,
                                  bool *found)
{
    int64_t n_words = 0, n_found = 0;
    memset(found, 0, (size_t)n * sizeof *found);
    for (span word = next_word(&prediction); word.size > 0; word = next_word(&prediction)) {
        if (equals(word, "and"))
            continue;
        n_words++;
        for (int64_t i = 0; i < n && n_words <= n; i++)
            found[i] = found[i] || equals(word, expected[i]);
    }
    for (int64_t i = 0; i < n; i++)
        n_found += found[i];
    return (yoco_eval_score){.score = (double)n_found / (double)n,
                             .exact = n_found == n && n_words == n};
}

yoco_eval_score yoco_eval_score_answer(yoco_eval_task task, const char *prediction,
                                       const char *const *expected, int64_t n_expected, bool *found)
{
    if (task == YOCO_EVAL_MULTIVALUE)
        return score_list(prediction, expected, n_expected, found);
    yoco_eval_score result = score_one(prediction, expected[0], found);
    if (task == YOCO_EVAL_COMPAT) {
        *found = strstr(prediction, expected[0]) != NULL;
        result.score = *found;
    }
    return result;
}
