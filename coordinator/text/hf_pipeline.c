/* Normalizers and pre-tokenizers of tokenizer.json. */
#include <stdio.h>
#include <string.h>

#include "coordinator/text/hf_parts.h"
#include "coordinator/text/utf8.h"

enum { MAX_NORMALIZERS = 32 };

static const char gpt2_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static yoco_status add_normalizer(void *data, const yoco_hf_place *at, const char *type,
                                  const json_t *step)
{
    yoco_tokenizer *out = ((yoco_hf *)data)->out;
    yoco_normalizer *next = &out->normalizers[out->n_normalizers];
    if (out->n_normalizers == MAX_NORMALIZERS)
        return YOCO_HF_REFUSE(at, "more than %d normalizers", MAX_NORMALIZERS);
    *next = (yoco_normalizer){0};
    out->n_normalizers++; /* what it has so far is freed with the tokenizer */
    if (strcmp(type, "NFC") == 0) {
        next->kind = YOCO_NORMALIZE_NFC;
        return YOCO_OK;
    }
    if (strcmp(type, "Prepend") == 0) {
        next->kind = YOCO_NORMALIZE_PREPEND;
        return yoco_hf_content(at, step, "prepend", &next->content);
    }
    if (strcmp(type, "Replace") != 0)
        return yoco_hf_refuse_type(at, type, "NFC, Replace, Prepend and Sequence are");
    next->kind = YOCO_NORMALIZE_REPLACE;
    YOCO_TRY(yoco_hf_content(at, step, "content", &next->content));
    return yoco_hf_replaced(at, step, &next->pattern);
}

yoco_status yoco_hf_read_normalizers(yoco_hf *hf)
{
    YOCO_TRY(yoco_alloc(MAX_NORMALIZERS * sizeof *hf->out->normalizers, "tokenizer",
                        (void **)&hf->out->normalizers));
    return yoco_hf_steps(hf->path, hf->root, "normalizer", "normalizers", add_normalizer, hf);
}

/* The next stage, already counted, so that what it has is freed with the tokenizer. */
static yoco_status next_stage(yoco_hf *hf, const yoco_hf_place *at, yoco_stage **out)
{
    yoco_tokenizer *t = hf->out;
    if (t->n_stages == YOCO_MAX_STAGES)
        return YOCO_HF_REFUSE(at, "more than %d stages", YOCO_MAX_STAGES);
    *out = &t->stages[t->n_stages++];
    **out = (yoco_stage){0};
    return YOCO_OK;
}

static yoco_status add_pattern(yoco_hf *hf, const yoco_hf_place *at, yoco_pattern_kind kind,
                               const char *pattern, yoco_split_behavior behavior)
{
    yoco_stage *stage;
    YOCO_TRY(next_stage(hf, at, &stage));
    stage->behavior = behavior;
    return yoco_splitter_create(at->path, kind, pattern, &stage->pattern);
}

static yoco_status add_split(yoco_hf *hf, const yoco_hf_place *at, const json_t *step)
{
    static const char *const names[] = {[YOCO_SPLIT_REMOVED] = "Removed",
                                        [YOCO_SPLIT_ISOLATED] = "Isolated",
                                        [YOCO_SPLIT_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
                                        [YOCO_SPLIT_MERGED_WITH_NEXT] = "MergedWithNext",
                                        [YOCO_SPLIT_CONTIGUOUS] = "Contiguous"};
    const int n_names = sizeof names / sizeof *names;
    const char *name;
    int behavior = 0;
    yoco_stage *stage;
    YOCO_TRY(next_stage(hf, at, &stage));
    YOCO_TRY(yoco_hf_string(at, step, "behavior", &name));
    while (behavior < n_names && strcmp(name, names[behavior]) != 0)
        behavior++;
    if (behavior == n_names)
        return YOCO_HF_REFUSE(at,
                              "behavior \"%.64s\" is not supported, but Removed, Isolated, "
                              "MergedWithPrevious, MergedWithNext and Contiguous are",
                              name);
    stage->behavior = (yoco_split_behavior)behavior;
    YOCO_TRY(yoco_hf_bool(at, step, "invert", false, &stage->invert));
    return yoco_hf_pattern(at, step, &stage->pattern);
}

static yoco_status add_byte_level(yoco_hf *hf, const yoco_hf_place *at, const json_t *step)
{
    bool prefix, regex;
    yoco_stage *stage;
    YOCO_TRY(yoco_hf_bool(at, step, "add_prefix_space", true, &prefix));
    YOCO_TRY(yoco_hf_bool(at, step, "use_regex", true, &regex));
    if (prefix) {
        YOCO_TRY(next_stage(hf, at, &stage));
        *stage = (yoco_stage){.kind = YOCO_STAGE_MARK, .mark = " ", .front = YOCO_MARK_ALWAYS};
    }
    if (regex)
        YOCO_TRY(add_pattern(hf, at, YOCO_PATTERN_ONIGURUMA, gpt2_pattern, YOCO_SPLIT_ISOLATED));
    hf->out->model.byte_level = true;
    return YOCO_OK;
}

static yoco_status read_front(const yoco_hf_place *at, const json_t *step, yoco_mark_front *out)
{
    static const char *const names[] = {
        [YOCO_MARK_NEVER] = "never", [YOCO_MARK_FIRST] = "first", [YOCO_MARK_ALWAYS] = "always"};
    bool prefix;
    const char *name;
    YOCO_TRY(yoco_hf_bool(at, step, "add_prefix_space", true, &prefix));
    *out = prefix ? YOCO_MARK_ALWAYS : YOCO_MARK_NEVER;
    if (!json_object_get(step, "prepend_scheme"))
        return YOCO_OK;
    YOCO_TRY(yoco_hf_string(at, step, "prepend_scheme", &name));
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (yoco_mark_front)i;
            return YOCO_OK;
        }
    }
    return YOCO_HF_REFUSE(at,
                          "prepend_scheme \"%.64s\" is not supported, but never, first and "
                          "always are",
                          name);
}

/* Whether steps before the last stage move a text's start: then the library's "first" depends on
 * which of the new characters it counts to the first of the old. */
static bool changes_starts(const yoco_hf *hf)
{
    for (size_t i = 0; i < hf->out->n_normalizers; i++) {
        if (hf->out->normalizers[i].kind != YOCO_NORMALIZE_NFC)
            return true;
    }
    for (size_t i = 0; i + 1 < hf->out->n_stages; i++) {
        if (hf->out->stages[i].kind == YOCO_STAGE_MARK)
            return true;
    }
    return false;
}

static yoco_status add_metaspace(yoco_hf *hf, const yoco_hf_place *at, const json_t *step)
{
    yoco_stage *stage;
    const char *mark;
    bool split;
    size_t length;
    YOCO_TRY(yoco_hf_string(at, step, "replacement", &mark));
    YOCO_TRY(yoco_hf_bool(at, step, "split", true, &split));
    if (!mark[0] || (yoco_utf8_next((const uint8_t *)mark, strlen(mark), &length), mark[length]))
        return YOCO_HF_REFUSE(at, "\"replacement\" must be one character");
    YOCO_TRY(next_stage(hf, at, &stage));
    stage->kind = YOCO_STAGE_MARK;
    snprintf(stage->mark, sizeof stage->mark, "%s", mark);
    YOCO_TRY(read_front(at, step, &stage->front));
    if (stage->front == YOCO_MARK_FIRST && changes_starts(hf))
        return YOCO_HF_REFUSE(at, "prepend_scheme \"first\" is supported only where no Prepend, "
                                  "Replace, Metaspace or prefix comes before");
    if (!split)
        return YOCO_OK;
    return add_pattern(hf, at, YOCO_PATTERN_LITERAL, mark, YOCO_SPLIT_MERGED_WITH_NEXT);
}

static yoco_status add_digits(yoco_hf *hf, const yoco_hf_place *at, const json_t *step)
{
    bool each;
    YOCO_TRY(yoco_hf_bool(at, step, "individual_digits", false, &each));
    return add_pattern(hf, at, YOCO_PATTERN_ONIGURUMA, "\\p{N}",
                       each ? YOCO_SPLIT_ISOLATED : YOCO_SPLIT_CONTIGUOUS);
}

static yoco_status add_stage(void *data, const yoco_hf_place *at, const char *type,
                             const json_t *step)
{
    yoco_hf *hf = data;
    if (hf->out->model.byte_level)
        return YOCO_HF_REFUSE(at, "%.64s behind ByteLevel is not supported: ByteLevel comes last",
                              type);
    if (strcmp(type, "Split") == 0)
        return add_split(hf, at, step);
    if (strcmp(type, "ByteLevel") == 0)
        return add_byte_level(hf, at, step);
    if (strcmp(type, "Metaspace") == 0)
        return add_metaspace(hf, at, step);
    if (strcmp(type, "Digits") == 0)
        return add_digits(hf, at, step);
    return yoco_hf_refuse_type(at, type, "Split, ByteLevel, Digits, Metaspace and Sequence are");
}

yoco_status yoco_hf_read_stages(yoco_hf *hf)
{
    YOCO_TRY(yoco_alloc(YOCO_MAX_STAGES * sizeof *hf->out->stages, "tokenizer",
                        (void **)&hf->out->stages));
    return yoco_hf_steps(hf->path, hf->root, "pre_tokenizer", "pretokenizers", add_stage, hf);
}
