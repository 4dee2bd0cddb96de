/* Documents: their length, where their sentences stand, and that all else is the haystack. */
#include "coordinator/eval/document.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { VOCAB = 4104, N_LINES = 120 };

static const char *source_folder;
static yoco_tokenizer *tokenizer;
static yoco_eval_haystack haystack;
static yoco_eval_source source;

/* Lines that all differ, so that a place in the haystack can be told from all others. */
static yoco_status load_haystack(const yoco_tokenizer *reader, yoco_eval_haystack *out)
{
    char path[] = "/tmp/yoco-haystack-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return YOCO_ERR_IO;
    FILE *file = fdopen(fd, "w");
    for (int i = 0; i < N_LINES; i++)
        fprintf(file, "line number %d of the text, with zqvxkwj-777 at its end\n", i);
    fputs("of \u201cqvorst9\u201d\u3002wexl\u00e9r\u2026 and \xff latin1 \xe9t\xe9\n", file);
    fclose(file);
    const char *paths[] = {path, path};
    yoco_strings files = {.values = paths, .n = 2};
    yoco_status status = yoco_eval_haystack_load(&files, reader, out);
    unlink(path);
    return status;
}

static int open_all(void **state)
{
    (void)state;
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/models/demo-tokenizer", source_folder);
    yoco_status status = yoco_tokenizer_open(folder, VOCAB, &tokenizer);
    if (status == YOCO_OK)
        status = load_haystack(tokenizer, &haystack);
    if (status == YOCO_OK)
        status = yoco_eval_source_open(tokenizer, &haystack, 17, NULL, &source);
    return status == YOCO_OK ? 0 : 1;
}

static int close_all(void **state)
{
    (void)state;
    yoco_eval_source_close(&source);
    yoco_eval_haystack_free(&haystack);
    yoco_tokenizer_close(tokenizer);
    return 0;
}

static void make(yoco_eval_task task, int64_t length, double depth, int n, int64_t trial,
                 yoco_eval_document *d)
{
    yoco_eval_cell cell = {task, length, depth, n, trial};
    assert_int_equal(yoco_eval_document_draw(&source, &cell, d), YOCO_OK);
    assert_int_equal(yoco_eval_document_fill(&source, d), YOCO_OK);
}

static bool has_line_break(int32_t id)
{
    size_t size;
    const char *bytes = yoco_tokenizer_bytes(tokenizer, id, &size);
    return size > 0 && memchr(bytes, '\n', size) != NULL;
}

/* Whether the n ids run through the haystack from some place on, and around its end. */
static bool is_haystack(const int32_t *ids, int64_t n)
{
    for (int64_t first = 0; first < haystack.n_ids; first++) {
        int64_t i = 0;
        while (i < n && ids[i] == haystack.ids[(first + i) % haystack.n_ids])
            i++;
        if (i == n)
            return true;
    }
    return false;
}

static void check_sentence(const yoco_eval_document *d, int i, int64_t *n)
{
    char line[200];
    int32_t *ids;
    int size = snprintf(line, sizeof line, "\n%s\n", d->facts[i].text);
    assert_int_equal(yoco_tokenizer_encode(tokenizer, line, (size_t)size, false, &ids, n), YOCO_OK);
    assert_memory_equal(d->prompt.context.ids + d->starts[i], ids, (size_t)*n * sizeof *ids);
    yoco_free(ids);
}

/* Every sentence stands where `starts` says, after a line break or at an end of the haystack's
 * part; without them there is the haystack alone. */
static void check_document(const yoco_eval_document *d)
{
    const yoco_ids *context = &d->prompt.context;
    static int32_t rest[1 << 14];
    int64_t at = 1, n_rest = 0, n;
    assert_int_equal(context->n, d->cell.length);
    assert_int_equal(context->ids[0], yoco_tokenizer_bos(tokenizer));
    for (int i = 0; i < d->cell.n; i++) {
        while (at < d->starts[i])
            rest[n_rest++] = context->ids[at++];
        check_sentence(d, i, &n);
        assert_true(n_rest == 0 || has_line_break(context->ids[at - 1]) || at + n == context->n);
        at += n;
    }
    while (at < context->n)
        rest[n_rest++] = context->ids[at++];
    assert_true(is_haystack(rest, n_rest));
}

static void test_needle(void **state)
{
    (void)state;
    static const double depths[] = {0.0, 0.1, 0.5, 0.9, 1.0};
    for (size_t i = 0; i < 5; i++) {
        for (int64_t length = 256; length <= 1024; length *= 2) {
            yoco_eval_document d;
            const char *expected[1];
            make(YOCO_EVAL_NEEDLE, length, depths[i], 1, 0, &d);
            check_document(&d);
            /* Within a line's length, and never more than a needle from the end. */
            double depth = (double)d.starts[0] / (double)length;
            double off = 40.0 / (double)length;
            assert_true(fabs(depth - depths[i]) <= off);
            assert_int_equal(yoco_eval_document_expected(&d, 0, expected), 1);
            assert_string_equal(expected[0], d.facts[0].value);
            assert_string_equal(d.prompt.questions[0].text, d.facts[0].asked);
            yoco_eval_document_free(&d);
        }
    }
}

static void test_multikey(void **state)
{
    (void)state;
    bool moved = false;
    for (int trial = 0; trial < 8; trial++) {
        yoco_eval_document d;
        const char *expected[6];
        make(YOCO_EVAL_MULTIKEY, 1024, 0.5, 6, trial, &d);
        check_document(&d);
        assert_int_equal(d.prompt.n_questions, 1);
        assert_int_equal(yoco_eval_document_expected(&d, 0, expected), 1);
        const yoco_eval_fact *asked = &d.facts[d.first_asked];
        assert_ptr_equal(expected[0], asked->value);
        assert_string_equal(d.prompt.questions[0].text, asked->asked);
        /* At its depth of the haystack; in tokens of the document other needles move it. */
        assert_true(fabs((double)d.starts[d.first_asked] / 1024 - 0.5) < 0.15);
        moved = moved || d.first_asked > 0;
        for (int i = 1; i < 6; i++)
            assert_true(d.starts[i] > d.starts[i - 1]);
        yoco_eval_document_free(&d);
    }
    assert_true(moved);
}

static void test_multiquery(void **state)
{
    (void)state;
    yoco_eval_document d;
    const char *expected[5];
    make(YOCO_EVAL_MULTIQUERY, 768, NAN, 5, 1, &d);
    check_document(&d);
    assert_int_equal(d.prompt.n_questions, 5);
    for (int q = 0; q < 5; q++) {
        int32_t *ids;
        int64_t n;
        const char *asked = d.facts[q].asked;
        assert_int_equal(yoco_eval_document_expected(&d, q, expected), 1);
        assert_ptr_equal(expected[0], d.facts[q].value);
        assert_string_equal(d.prompt.questions[q].text, asked);
        assert_int_equal(yoco_tokenizer_encode(tokenizer, asked, strlen(asked), false, &ids, &n),
                         YOCO_OK);
        assert_int_equal(d.prompt.questions[q].tokens.n, n);
        assert_memory_equal(d.prompt.questions[q].tokens.ids, ids, (size_t)n * sizeof *ids);
        yoco_free(ids);
    }
    yoco_eval_document_free(&d);
}

/* A needle for which the haystack has no line break near is far; none of the others is. */
static void test_far(void **state)
{
    (void)state;
    yoco_eval_haystack one_line = haystack;
    one_line.n_ids = 8; /* of the first line, again and again: no token has a line break */
    for (int near = 0; near < 2; near++) {
        yoco_eval_document d;
        yoco_eval_cell cell = {YOCO_EVAL_NEEDLE, 2048, 0.5, 1, 0};
        yoco_eval_source of_one_line = source;
        if (!near)
            of_one_line.haystack = &one_line;
        assert_int_equal(yoco_eval_document_draw(&of_one_line, &cell, &d), YOCO_OK);
        assert_int_equal(yoco_eval_document_fill(&of_one_line, &d), YOCO_OK);
        assert_true(d.facts[0].wanted == 0.5);
        assert_int_equal(d.facts[0].is_far, !near);
        assert_true(near || d.starts[0] == 1 || yoco_eval_document_depth(&d, 0) > 0.9);
        yoco_eval_document_free(&d);
    }
}

/* Also a document longer than the haystack, which goes on from the start again. */
static void test_multivalue(void **state)
{
    (void)state;
    yoco_eval_document d;
    const char *expected[3];
    int64_t length = 2 * haystack.n_ids + 100;
    make(YOCO_EVAL_MULTIVALUE, length, NAN, 3, 0, &d);
    check_document(&d);
    assert_int_equal(d.prompt.n_questions, 1);
    assert_int_equal(yoco_eval_document_expected(&d, 0, expected), 3);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(expected[i], d.facts[i].value);
    yoco_eval_document_free(&d);
}

static void test_same(void **state)
{
    (void)state;
    yoco_eval_document a, b;
    make(YOCO_EVAL_MULTIKEY, 512, 0.25, 4, 2, &a);
    make(YOCO_EVAL_NEEDLE, 512, 0.25, 1, 2, &b);
    yoco_eval_document_free(&b);
    make(YOCO_EVAL_MULTIKEY, 512, 0.25, 4, 2, &b);
    assert_memory_equal(a.prompt.context.ids, b.prompt.context.ids, 512 * sizeof(int32_t));
    yoco_eval_document_free(&b);
    make(YOCO_EVAL_MULTIKEY, 512, 0.25, 4, 3, &b);
    assert_memory_not_equal(a.prompt.context.ids, b.prompt.context.ids, 512 * sizeof(int32_t));
    yoco_eval_document_free(&a);
    yoco_eval_document_free(&b);
}

static void test_too_short(void **state)
{
    (void)state;
    yoco_eval_document d;
    yoco_eval_cell cell = {YOCO_EVAL_MULTIKEY, 256, 0.5, 40, 0};
    assert_int_equal(yoco_eval_document_draw(&source, &cell, &d), YOCO_ERR_DATA);
    cell = (yoco_eval_cell){YOCO_EVAL_COMPAT, 150, 0.5, 1, 0};
    assert_int_equal(yoco_eval_document_draw(&source, &cell, &d), YOCO_ERR_DATA);
}

static void test_compat(void **state)
{
    (void)state;
    for (int n = 1; n <= 4; n += 3) {
        yoco_eval_document d;
        char text[16384] = "";
        size_t size = 0, token_size;
        make(YOCO_EVAL_COMPAT, 1024, 0.4, n, 0, &d);
        assert_true(d.prompt.context.n > 824 && d.prompt.context.n <= d.n_most);
        for (int64_t i = 0, fact = 0; i < d.prompt.context.n; i++) {
            if (fact < n && d.starts[fact] == i)
                size = 0;
            const char *bytes =
                yoco_tokenizer_bytes(tokenizer, d.prompt.context.ids[i], &token_size);
            if (token_size > 0)
                memcpy(text + size, bytes, token_size);
            size += token_size;
            if (fact < n && i > d.starts[fact] && size > strlen(d.facts[fact].text)) {
                assert_memory_equal(text, d.facts[fact].text, strlen(d.facts[fact].text));
                fact++;
            }
            if (i + 1 == d.prompt.context.n)
                assert_int_equal(fact, n);
        }
        assert_true(size > 0 && text[size - 1] == '\n');
        assert_true(fabs((double)d.starts[d.first_asked] / 1024 - 0.4) < 0.1);
        assert_true(n == 1 || d.first_asked < n - 1);
        yoco_eval_document_free(&d);
    }
}

/* A document of a chat whose text is encoded as a whole, and its question, are the ids of the
 * user's turn that holds both. */
static void check_turn(const yoco_eval_source *chat)
{
    yoco_eval_cell cell = {YOCO_EVAL_COMPAT, 512, 0.5, 1, 0};
    yoco_eval_document d;
    char text[16384];
    size_t size = 0, token_size;
    assert_int_equal(yoco_eval_document_draw(chat, &cell, &d), YOCO_OK);
    assert_int_equal(yoco_eval_document_fill(chat, &d), YOCO_OK);
    const yoco_ids *context = &d.prompt.context, *question = &d.prompt.questions[0].tokens;
    for (int64_t i = chat->head.n; i < context->n; i++) {
        const char *bytes = yoco_tokenizer_bytes(chat->tokenizer, context->ids[i], &token_size);
        assert_true(token_size > 0 && size + token_size < sizeof text / 2);
        memcpy(text + size, bytes, token_size);
        size += token_size;
    }
    size += (size_t)snprintf(text + size, sizeof text - size, "%s", d.facts[0].asked);
    yoco_ids turn = {0};
    assert_int_equal(
        yoco_turn_encode(chat->chat, chat->tokenizer, text, size, true, true, true, &turn),
        YOCO_OK);
    assert_int_equal(turn.n, context->n + question->n);
    assert_memory_equal(turn.ids, context->ids, (size_t)context->n * sizeof *turn.ids);
    assert_memory_equal(turn.ids + context->n, question->ids,
                        (size_t)question->n * sizeof *turn.ids);
    yoco_free(turn.ids);
    yoco_eval_document_free(&d);
}

static void check_chat(const char *name, const char *model_type)
{
    char folder[4096];
    yoco_tokenizer *reader;
    yoco_eval_haystack text;
    yoco_eval_source chat;
    yoco_eval_document d;
    const yoco_chat_template *t;
    yoco_eval_cell cell = {YOCO_EVAL_MULTIKEY, 512, 0.0, 3, 0};
    snprintf(folder, sizeof folder, "%s/tests/tokenizer/hf/%s", source_folder, name);
    assert_int_equal(yoco_tokenizer_open(folder, VOCAB, &reader), YOCO_OK);
    assert_int_equal(load_haystack(reader, &text), YOCO_OK);
    assert_int_equal(yoco_chat_template_find(name, model_type, reader, &t), YOCO_OK);
    assert_int_equal(yoco_eval_source_open(reader, &text, 17, t, &chat), YOCO_OK);
    check_turn(&chat);
    assert_int_equal(yoco_eval_document_draw(&chat, &cell, &d), YOCO_OK);
    assert_int_equal(yoco_eval_document_fill(&chat, &d), YOCO_OK);
    assert_int_equal(d.prompt.context.n, cell.length);
    assert_int_equal(d.starts[0], chat.head.n);
    assert_memory_equal(d.prompt.context.ids, chat.head.ids, (size_t)chat.head.n * sizeof(int32_t));
    yoco_eval_document_free(&d);
    yoco_eval_source_close(&chat);
    yoco_eval_haystack_free(&text);
    yoco_tokenizer_close(reader);
}

static void test_chat(void **state)
{
    (void)state;
    check_chat("o200k", "phi4flash");
    check_chat("llama3", "llama");
    check_chat("qwen", "qwen2");
    check_chat("gemma", "gemma4");
}

static void test_words(void **state)
{
    (void)state;
    assert_true(yoco_eval_haystack_has_word(&haystack, "number"));
    assert_true(yoco_eval_haystack_has_word(&haystack, "zqvxkwj-777"));
    assert_true(yoco_eval_haystack_has_word(&haystack, "777"));
    assert_true(yoco_eval_haystack_has_word(&haystack, "119"));
    assert_false(yoco_eval_haystack_has_word(&haystack, "120"));
    assert_false(yoco_eval_haystack_has_word(&haystack, "umber"));
    assert_true(yoco_eval_haystack_has_word(&haystack, "qvorst9"));
    assert_true(yoco_eval_haystack_has_word(&haystack, "wexl\u00e9r"));
    assert_false(yoco_eval_haystack_has_word(&haystack, "wexl"));
    assert_true(yoco_eval_haystack_has_word(&haystack, "\xe9t\xe9"));
    assert_int_equal(haystack.n_files, 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_needle),     cmocka_unit_test(test_multikey),
        cmocka_unit_test(test_multiquery), cmocka_unit_test(test_multivalue),
        cmocka_unit_test(test_far),        cmocka_unit_test(test_same),
        cmocka_unit_test(test_too_short),  cmocka_unit_test(test_compat),
        cmocka_unit_test(test_words),      cmocka_unit_test(test_chat),
    };
    source_folder = argc > 1 ? argv[1] : ".";
    yoco_log_set_quiet(true);
    return cmocka_run_group_tests(tests, open_all, close_all);
}
