#include "coordinator/eval/document.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/eval/compat.h"

static yoco_status make_head(yoco_eval_source *source)
{
    int32_t bos = yoco_tokenizer_bos(source->tokenizer);
    if (source->chat)
        return yoco_turn_encode(source->chat, source->tokenizer, "", 0, true, false, true,
                                &source->head);
    if (bos < 0)
        return YOCO_OK;
    YOCO_TRY(yoco_alloc(sizeof bos, "token ids", (void **)&source->head.ids));
    source->head.ids[source->head.n++] = bos;
    return YOCO_OK;
}

yoco_status yoco_eval_source_open(const yoco_tokenizer *tokenizer,
                                  const yoco_eval_haystack *haystack, int64_t seed,
                                  const yoco_chat_template *chat, yoco_eval_source *out)
{
    yoco_eval_source source = {
        .tokenizer = tokenizer, .haystack = haystack, .seed = seed, .chat = chat};
    YOCO_TRY(make_head(&source));
    *out = source;
    return YOCO_OK;
}

void yoco_eval_source_close(yoco_eval_source *source)
{
    yoco_free(source->head.ids);
    *source = (yoco_eval_source){0};
}

static bool is_taken(const void *data, const char *word)
{
    return yoco_eval_haystack_has_word(data, word);
}

static yoco_status no_memory(const yoco_eval_cell *cell)
{
    yoco_log_error("cannot allocate a document of %lld tokens and %d needles",
                   (long long)cell->length, cell->n);
    return YOCO_ERR_MEMORY;
}

/* A sentence is a line of its own, whatever stands around it. */
static yoco_status encode_sentence(const yoco_eval_source *source, const char *text, yoco_ids *out)
{
    char line[sizeof((yoco_eval_fact *)0)->text + 3];
    int size = snprintf(line, sizeof line, "\n%s\n", text);
    return yoco_tokenizer_encode(source->tokenizer, line, (size_t)size, false, &out->ids, &out->n);
}

/* A question closes the turn that its document opened. */
static yoco_status encode_question(const yoco_eval_source *source, const char *text, yoco_ids *out)
{
    if (source->chat)
        return yoco_turn_encode(source->chat, source->tokenizer, text, strlen(text), false, true,
                                false, out);
    return yoco_ids_encode(source->tokenizer, text, strlen(text), false, false, out);
}

static yoco_status encode_questions(const yoco_eval_source *source, yoco_eval_document *d)
{
    int n = d->cell.task == YOCO_EVAL_MULTIQUERY ? d->cell.n : 1;
    d->prompt.questions = calloc((size_t)n, sizeof *d->prompt.questions);
    if (!d->prompt.questions)
        return no_memory(&d->cell);
    d->prompt.has_questions = true;
    d->prompt.n_questions = n;
    for (int q = 0; q < n; q++)
        YOCO_TRY(encode_question(source, d->facts[q].asked, &d->prompt.questions[q].tokens));
    return YOCO_OK;
}

/* Tokens of sentences and the head, or of yoco-compat of what the authors leave 150 tokens for. */
static yoco_status measure(const yoco_eval_source *source, yoco_eval_document *d)
{
    const yoco_eval_cell *cell = &d->cell;
    int64_t n = source->head.n;
    for (int i = 0; i < cell->n; i++)
        n += d->sentences[i].n;
    d->n_most = cell->length;
    if (cell->task == YOCO_EVAL_COMPAT) {
        d->n_most = cell->length + yoco_i64_max(0, n - YOCO_COMPAT_RESERVED_TOKENS / 2);
        n = YOCO_COMPAT_RESERVED_TOKENS + cell->n;
    }
    if (n > cell->length) {
        yoco_log_error("--length %lld is too short for %s with %d needles, which take %lld tokens",
                       (long long)cell->length, yoco_eval_task_name(cell->task), cell->n,
                       (long long)n);
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

static yoco_status draw(const yoco_eval_source *source, yoco_eval_document *d)
{
    size_t n = (size_t)d->cell.n;
    d->facts = calloc(n, sizeof *d->facts);
    d->starts = calloc(n, sizeof *d->starts);
    d->sentences = calloc(n, sizeof *d->sentences);
    if (!d->facts || !d->starts || !d->sentences)
        return no_memory(&d->cell);
    YOCO_TRY(yoco_eval_facts_draw(&d->cell, &d->random, is_taken, source->haystack, d->facts));
    for (size_t i = 0; i < n; i++)
        YOCO_TRY(encode_sentence(source, d->facts[i].text, &d->sentences[i]));
    YOCO_TRY(measure(source, d));
    return encode_questions(source, d);
}

yoco_status yoco_eval_document_draw(const yoco_eval_source *source, const yoco_eval_cell *cell,
                                    yoco_eval_document *out)
{
    yoco_eval_document d = {.cell = *cell, .random = yoco_eval_cell_random(cell, source->seed)};
    yoco_status status = draw(source, &d);
    if (status != YOCO_OK) {
        yoco_eval_document_free(&d);
        return status;
    }
    *out = d;
    return YOCO_OK;
}

/* The haystack's part of a document: n tokens from `first` on, around the end. */
typedef struct strand {
    const yoco_eval_source *source;
    int64_t first, n;
} strand;

static int32_t strand_at(const strand *s, int64_t i)
{
    return s->source->haystack->ids[(s->first + i) % s->source->haystack->n_ids];
}

/* True where a line can be put in before token i: at either end, or after a line break. */
static bool is_boundary(const strand *s, int64_t i)
{
    size_t size;
    if (i == 0 || i == s->n)
        return true;
    const char *bytes = yoco_tokenizer_bytes(s->source->tokenizer, strand_at(s, i - 1), &size);
    return size > 0 && memchr(bytes, '\n', size) != NULL;
}

static int64_t nearest_boundary(const strand *s, double depth)
{
    int64_t target = llround(depth * (double)s->n);
    for (int64_t distance = 0;; distance++) {
        if (target - distance >= 0 && is_boundary(s, target - distance))
            return target - distance;
        if (target + distance <= s->n && is_boundary(s, target + distance))
            return target + distance;
    }
}

typedef struct place {
    int64_t at; /* before this token of the haystack */
    int fact;
} place;

static int compare_places(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->fact - y->fact;
}

/* The asked fact is the first and stands at the cell's depth; all others anywhere. */
static void choose_places(yoco_eval_document *d, const strand *s, place *places)
{
    for (int i = 0; i < d->cell.n; i++) {
        double depth = yoco_random_unit(yoco_random_next(&d->random));
        if (i == 0 && !isnan(d->cell.depth))
            depth = d->cell.depth;
        places[i] = (place){nearest_boundary(s, depth), i};
        d->facts[i].wanted = depth;
        d->facts[i].is_far =
            fabs((double)places[i].at - depth * (double)s->n) > YOCO_EVAL_FAR * (double)s->n;
    }
    qsort(places, (size_t)d->cell.n, sizeof *places, compare_places);
}

static void copy_head(const yoco_eval_source *source, int32_t *out)
{
    if (source->head.n > 0)
        memcpy(out, source->head.ids, (size_t)source->head.n * sizeof *out);
}

static void copy_tokens(yoco_eval_document *d, const strand *s, const place *places,
                        int64_t *starts)
{
    int32_t *out = d->prompt.context.ids;
    int64_t n = s->source->head.n, taken = 0;
    copy_head(s->source, out);
    for (int i = 0; i < d->cell.n; i++) {
        const yoco_ids *sentence = &d->sentences[places[i].fact];
        while (taken < places[i].at)
            out[n++] = strand_at(s, taken++);
        starts[i] = n;
        memcpy(out + n, sentence->ids, (size_t)sentence->n * sizeof *out);
        n += sentence->n;
    }
    while (taken < s->n)
        out[n++] = strand_at(s, taken++);
}

/* Facts, and the questions of multiquery with them, in the order of the document. */
static yoco_status reorder(yoco_eval_document *d, const place *places)
{
    size_t n = (size_t)d->cell.n;
    yoco_eval_fact *facts = calloc(n, sizeof *facts);
    yoco_question *questions = calloc(n, sizeof *questions);
    if (!facts || !questions) {
        free(facts);
        free(questions);
        return no_memory(&d->cell);
    }
    for (int i = 0; i < d->cell.n; i++) {
        facts[i] = d->facts[places[i].fact];
        if (places[i].fact == 0 && d->prompt.n_questions == 1)
            d->first_asked = i;
        if (d->cell.task == YOCO_EVAL_MULTIQUERY)
            questions[i] = d->prompt.questions[places[i].fact];
    }
    free(d->facts);
    d->facts = facts;
    if (d->cell.task == YOCO_EVAL_MULTIQUERY)
        memcpy(d->prompt.questions, questions, n * sizeof *questions);
    free(questions);
    return YOCO_OK;
}

static yoco_status fill_own(const yoco_eval_source *source, yoco_eval_document *d)
{
    strand s = {.source = source, .n = d->cell.length};
    size_t bytes = (size_t)d->cell.length * sizeof *d->prompt.context.ids;
    s.n -= source->head.n;
    for (int i = 0; i < d->cell.n; i++)
        s.n -= d->sentences[i].n;
    s.first = yoco_random_below(&d->random, source->haystack->n_ids);
    place *places = calloc((size_t)d->cell.n, sizeof *places);
    if (!places)
        return no_memory(&d->cell);
    yoco_status status = yoco_alloc(bytes, "a document", (void **)&d->prompt.context.ids);
    if (status == YOCO_OK) {
        d->prompt.context.n = d->cell.length;
        choose_places(d, &s, places);
        copy_tokens(d, &s, places, d->starts);
        status = reorder(d, places);
    }
    free(places);
    return status;
}

/* The head and the tokens of the text; where in them the facts start that do so at these bytes. */
static yoco_status encode_compat(const yoco_eval_source *source, const yoco_compat_text *text,
                                 const size_t *bytes, yoco_eval_document *d)
{
    yoco_ids ids = {0}, *context = &d->prompt.context;
    size_t end = 0, size;
    YOCO_TRY(
        yoco_tokenizer_encode(source->tokenizer, text->text, text->size, false, &ids.ids, &ids.n));
    yoco_status status = yoco_alloc((size_t)(source->head.n + ids.n) * sizeof *ids.ids,
                                    "a document", (void **)&context->ids);
    if (status == YOCO_OK) {
        copy_head(source, context->ids);
        context->n = source->head.n;
    }
    for (int64_t i = 0, fact = 0; status == YOCO_OK && i < ids.n; i++) {
        yoco_tokenizer_bytes(source->tokenizer, ids.ids[i], &size);
        end += size;
        for (; fact < d->cell.n && end > bytes[fact]; fact++)
            d->starts[fact] = context->n;
        context->ids[context->n++] = ids.ids[i];
    }
    yoco_free(ids.ids);
    return status;
}

/* Only the asked needle of yoco-compat has a depth; whole lines of the haystack lie before it. */
static void compare_compat_depth(yoco_eval_document *d)
{
    for (int i = 0; i < d->cell.n; i++)
        d->facts[i].wanted = i == d->first_asked ? d->cell.depth : NAN;
    double off = yoco_eval_document_depth(d, d->first_asked) - d->cell.depth;
    d->facts[d->first_asked].is_far = fabs(off) > YOCO_EVAL_FAR;
}

static yoco_status fill_compat(const yoco_eval_source *source, yoco_eval_document *d)
{
    yoco_compat_text text;
    size_t *bytes = calloc((size_t)d->cell.n, sizeof *bytes);
    if (!bytes)
        return no_memory(&d->cell);
    yoco_status status = yoco_compat_text_make(&d->cell, source->haystack, source->tokenizer,
                                               &d->random, d->facts, bytes, &d->first_asked, &text);
    if (status == YOCO_OK) {
        status = encode_compat(source, &text, bytes, d);
        free(text.text);
    }
    free(bytes);
    if (status == YOCO_OK)
        compare_compat_depth(d);
    return status;
}

double yoco_eval_document_depth(const yoco_eval_document *d, int i)
{
    return (double)d->starts[i] / (double)d->prompt.context.n;
}

static void warn_of_far(const yoco_eval_document *d)
{
    int n_far = 0, first = 0;
    char what[128];
    for (int i = d->cell.n - 1; i >= 0; i--) {
        n_far += d->facts[i].is_far;
        first = d->facts[i].is_far ? i : first;
    }
    if (n_far == 0)
        return;
    yoco_eval_cell_describe(&d->cell, what, sizeof what);
    yoco_log_warn(
        "%s: %d of %d needles stand more than %g %% of the document from their depth, one "
        "at %.3f instead of %.3f: the lines of the haystack are too long there",
        what, n_far, d->cell.n, 100 * YOCO_EVAL_FAR, yoco_eval_document_depth(d, first),
        d->facts[first].wanted);
}

yoco_status yoco_eval_document_fill(const yoco_eval_source *source, yoco_eval_document *d)
{
    if (d->cell.task == YOCO_EVAL_COMPAT)
        YOCO_TRY(fill_compat(source, d));
    else
        YOCO_TRY(fill_own(source, d));
    for (int q = 0; q < d->prompt.n_questions; q++)
        d->prompt.questions[q].text = d->facts[d->first_asked + q].asked;
    warn_of_far(d);
    return YOCO_OK;
}

void yoco_eval_document_free(yoco_eval_document *d)
{
    for (int i = 0; d->sentences && i < d->cell.n; i++)
        yoco_free(d->sentences[i].ids);
    free(d->sentences);
    free(d->facts);
    free(d->starts);
    yoco_prompt_free(&d->prompt);
    *d = (yoco_eval_document){0};
}

int64_t yoco_eval_document_expected(const yoco_eval_document *d, int q, const char **expected)
{
    if (d->cell.task != YOCO_EVAL_MULTIVALUE) {
        expected[0] = d->facts[d->first_asked + q].value;
        return 1;
    }
    for (int i = 0; i < d->cell.n; i++)
        expected[i] = d->facts[i].value;
    return d->cell.n;
}
