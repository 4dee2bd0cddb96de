#include "coordinator/eval/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/eval/compat.h"

enum { HELD_OUT = 8, N_NOUNS = 3, MAX_DRAWS = 100000 };

/* A document's needles are all about one of its task's nouns. */
static const char *const nouns[YOCO_EVAL_COMPAT][N_NOUNS] = {
    {"vault combination", "boarding pass number", "tracking number"},
    {"laboratory pin", "locker code", "parking disc number"},
    {"permit number", "meter reading", "library card number"},
    {"radio channel", "telex number", "spare key"},
};

yoco_random yoco_eval_cell_random(const yoco_eval_cell *cell, int64_t seed)
{
    int64_t micros = isnan(cell->depth) ? -1 : llround(cell->depth * 1e6);
    const int64_t parts[] = {cell->task, cell->length, micros, cell->n, cell->trial};
    uint64_t mixed = (uint64_t)seed;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        mixed = yoco_random_at(mixed, (uint64_t)parts[i]);
    return (yoco_random){.seed = mixed};
}

bool yoco_eval_cell_same(const yoco_eval_cell *a, const yoco_eval_cell *b)
{
    bool same_depth = a->depth == b->depth || (isnan(a->depth) && isnan(b->depth));
    return a->task == b->task && a->length == b->length && same_depth && a->n == b->n &&
           a->trial == b->trial;
}

void yoco_eval_cell_describe(const yoco_eval_cell *cell, char *out, size_t size)
{
    char depth[32] = "";
    if (!isnan(cell->depth))
        snprintf(depth, sizeof depth, "depth %g, ", cell->depth);
    snprintf(out, size, "%s, %lld tokens, %s%s %d, trial %lld", yoco_eval_task_name(cell->task),
             (long long)cell->length, depth,
             cell->task == YOCO_EVAL_MULTIVALUE ? "values" : "needles", cell->n,
             (long long)cell->trial);
}

int64_t yoco_eval_cell_answer_tokens(const yoco_eval_cell *cell, int64_t per_value)
{
    if (cell->task == YOCO_EVAL_COMPAT)
        return YOCO_COMPAT_ANSWER_TOKENS;
    return cell->task == YOCO_EVAL_MULTIVALUE ? cell->n * per_value : per_value;
}

/* Appends n characters of the alphabet. */
static char *put(yoco_random *random, const char *alphabet, int64_t n, char *out)
{
    int64_t size = (int64_t)strlen(alphabet);
    for (int64_t i = 0; i < n; i++)
        *out++ = alphabet[yoco_random_below(random, size)];
    *out = '\0';
    return out;
}

static const char lower[] = "abcdefghijklmnopqrstuvwxyz", digits[] = "0123456789";

static void draw_name(yoco_random *random, char *out)
{
    int64_t n;
    switch (yoco_random_below(random, 3)) {
    case 0: /* kqzvbn */
        put(random, lower, 5 + yoco_random_below(random, 5), out);
        break;
    case 1: /* Varomiku */
        n = 6 + yoco_random_below(random, 4);
        for (int64_t i = 0; i < n; i++)
            put(random, i % 2 == 0 ? "bdfghjklmnprstvz" : "aeiou", 1, out + i);
        out[0] = (char)(out[0] - 'a' + 'A');
        break;
    default: /* kq-417 */
        out = put(random, lower, 2 + yoco_random_below(random, 3), out);
        *out++ = '-';
        put(random, digits, 2 + yoco_random_below(random, 3), out);
    }
}

static bool is_held_out(const char *name)
{
    unsigned sum = 0;
    for (const char *c = name; *c; c++)
        sum += (unsigned char)*c;
    return sum % HELD_OUT == 0;
}

static void draw_value(yoco_random *random, char *out)
{
    switch (yoco_random_below(random, 3)) {
    case 0:
        out = put(random, digits + 1, 1, out);
        put(random, digits, 4 + yoco_random_below(random, 4), out);
        break;
    case 1:
        put(random, lower, 5 + yoco_random_below(random, 4), out);
        break;
    default:
        put(random, "0123456789abcdef", 6 + yoco_random_below(random, 3), out);
    }
}

static bool overlaps(const char *a, const char *b)
{
    return strstr(a, b) || strstr(b, a);
}

static bool is_used(const char *word, const yoco_eval_fact *facts, int n)
{
    for (int i = 0; i < n; i++)
        if (overlaps(word, facts[i].key) || overlaps(word, facts[i].value))
            return true;
    return false;
}

static yoco_status draw_word(yoco_random *random, bool is_name, yoco_eval_taken taken,
                             const void *data, const yoco_eval_fact *facts, int n, char *out)
{
    for (int i = 0; i < MAX_DRAWS; i++) {
        (is_name ? draw_name : draw_value)(random, out);
        if ((!is_name || is_held_out(out)) && !is_used(out, facts, n) && !taken(data, out))
            return YOCO_OK;
    }
    yoco_log_error("no %s found that is not in the haystack already: use another haystack, or "
                   "fewer needles",
                   is_name ? "name" : "value");
    return YOCO_ERR_DATA;
}

static void phrase(yoco_eval_task task, const char *noun, yoco_eval_fact *f)
{
    const size_t text = sizeof f->text, asked = sizeof f->asked;
    switch (task) {
    case YOCO_EVAL_NEEDLE:
        snprintf(f->text, text, "The %s registered to %s is %s.", noun, f->key, f->value);
        snprintf(f->asked, asked, "\n\nQuestion: What is the %s registered to %s?\nAnswer:", noun,
                 f->key);
        break;
    case YOCO_EVAL_MULTIKEY:
        snprintf(f->text, text, "Please note that the %s reserved for %s is %s.", noun, f->key,
                 f->value);
        snprintf(f->asked, asked, "\n\nQuestion: What is the %s reserved for %s?\nAnswer:", noun,
                 f->key);
        break;
    case YOCO_EVAL_MULTIQUERY:
        snprintf(f->text, text, "In the register, the %s given to %s is %s.", noun, f->key,
                 f->value);
        snprintf(f->asked, asked, "\n\nQuestion: Which %s was given to %s?\nAnswer:", noun, f->key);
        break;
    default:
        snprintf(f->text, text, "One %s of %s is %s.", noun, f->key, f->value);
        snprintf(f->asked, asked, "\n\nQuestion: List all %ss of %s.\nAnswer:", noun, f->key);
    }
}

yoco_status yoco_eval_facts_draw(const yoco_eval_cell *cell, yoco_random *random,
                                 yoco_eval_taken taken, const void *data, yoco_eval_fact *facts)
{
    if (cell->task == YOCO_EVAL_COMPAT) {
        yoco_compat_facts_draw(cell->n, random, facts);
        return YOCO_OK;
    }
    const char *noun = nouns[cell->task][yoco_random_below(random, N_NOUNS)];
    for (int i = 0; i < cell->n; i++) {
        yoco_eval_fact fact = {0};
        if (cell->task == YOCO_EVAL_MULTIVALUE && i > 0)
            memcpy(fact.key, facts[0].key, sizeof fact.key);
        else
            YOCO_TRY(draw_word(random, true, taken, data, facts, i, fact.key));
        facts[i] = fact;
        do
            YOCO_TRY(draw_word(random, false, taken, data, facts, i, fact.value));
        while (overlaps(fact.value, fact.key));
        phrase(cell->task, noun, &fact);
        facts[i] = fact;
    }
    return YOCO_OK;
}
