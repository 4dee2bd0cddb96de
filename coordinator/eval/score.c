#include "coordinator/eval/score.h"

#include <string.h>

#include "coordinator/text/words.h"

static bool equals(yoco_word s, const char *text)
{
    return s.size == strlen(text) && memcmp(s.text, text, s.size) == 0;
}

/* Takes one full stop away: of English, Chinese, or their wide and narrow forms. */
static yoco_word without_full_stop(yoco_word s)
{
    static const char *const stops[] = {".", "\xe3\x80\x82", "\xef\xbc\x8e", "\xef\xbd\xa1"};
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        size_t n = strlen(stops[i]);
        if (s.size >= n && memcmp(s.text + s.size - n, stops[i], n) == 0)
            return (yoco_word){s.text, s.size - n};
    }
    return s;
}

static yoco_eval_score score_one(const char *prediction, const char *expected, bool *found)
{
    size_t size = strlen(prediction), at = 0;
    yoco_word answer = yoco_word_trim(prediction, size), word;
    *found = false;
    while ((word = yoco_word_next(prediction, size, &at, false)).size > 0)
        *found = *found || equals(word, expected);
    return (yoco_eval_score){.score = equals(without_full_stop(answer), expected),
                             .exact = equals(answer, expected)};
}

/* Only the first n words of the list count, so that listing everything does not pay. */
static yoco_eval_score score_list(const char *prediction, const char *const *expected, int64_t n,
                                  bool *found)
{
    int64_t n_words = 0, n_found = 0;
    size_t size = strlen(prediction), at = 0;
    yoco_word word;
    memset(found, 0, (size_t)n * sizeof *found);
    while ((word = yoco_word_next(prediction, size, &at, false)).size > 0) {
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
