/* Token ids against Python's tiktoken (fixtures.json, made by make_fixtures.py), and what must hold
 * for any text. */
#include "coordinator/text/bpe.h"
#include "coordinator/text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

enum { MAX_PATH = 4096, VOCAB_SIZE = 4104 };

static const char *source_dir;

static yoco_tokenizer *open_tokenizer(const char *folder)
{
    char path[MAX_PATH];
    yoco_tokenizer *tokenizer = NULL;
    snprintf(path, sizeof path, "%s/%s", source_dir, folder);
    assert_int_equal(yoco_tokenizer_open(path, VOCAB_SIZE, &tokenizer), YOCO_OK);
    assert_non_null(tokenizer);
    return tokenizer;
}

static json_t *load_fixtures(void)
{
    char path[MAX_PATH];
    snprintf(path, sizeof path, "%s/tests/tokenizer/fixtures.json", source_dir);
    json_error_t error;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!root)
        fail_msg("%s: %s", path, error.text);
    return root;
}

/* The bytes of "hex", or of "text" as often as "repeat" says. The caller frees them. */
static char *case_bytes(const json_t *item, size_t *size)
{
    const json_t *hex = json_object_get(item, "hex");
    if (hex) {
        const char *digits = json_string_value(hex);
        *size = json_string_length(hex) / 2;
        char *bytes = malloc(*size + 1);
        assert_non_null(bytes);
        for (size_t i = 0; i < *size; i++) {
            const char pair[] = {digits[2 * i], digits[2 * i + 1], '\0'};
            bytes[i] = (char)strtoul(pair, NULL, 16);
        }
        return bytes;
    }
    const json_t *text = json_object_get(item, "text"), *times = json_object_get(item, "repeat");
    size_t unit = json_string_length(text), repeat = times ? (size_t)json_integer_value(times) : 1;
    char *bytes = malloc(unit * repeat + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < repeat; i++)
        memcpy(bytes + i * unit, json_string_value(text), unit);
    *size = unit * repeat;
    return bytes;
}

/* Long results stand in the fixtures as their number and a hash (FNV-1a over the ids). */
static void check_ids(const json_t *item, const int32_t *ids, int64_t n_ids)
{
    const json_t *expected = json_object_get(item, "ids");
    if (!expected) {
        uint64_t hash = 0xcbf29ce484222325u;
        for (int64_t i = 0; i < n_ids; i++)
            hash = (hash ^ (uint32_t)ids[i]) * 0x100000001b3u;
        char text[17];
        snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
        assert_int_equal(n_ids, json_integer_value(json_object_get(item, "n_ids")));
        assert_string_equal(text, json_string_value(json_object_get(item, "fnv1a")));
        return;
    }
    assert_int_equal(n_ids, json_array_size(expected));
    for (int64_t i = 0; i < n_ids; i++)
        assert_int_equal(ids[i], json_integer_value(json_array_get(expected, (size_t)i)));
}

static void check_decodes_to(const yoco_tokenizer *tokenizer, const int32_t *ids, int64_t n_ids,
                             const char *text, size_t size)
{
    size_t at = 0;
    for (int64_t i = 0; i < n_ids; i++) {
        size_t n;
        const char *bytes = yoco_tokenizer_bytes(tokenizer, ids[i], &n);
        assert_non_null(bytes);
        assert_true(n <= size - at);
        assert_memory_equal(bytes, text + at, n);
        at += n;
    }
    assert_int_equal(at, size);
}

static void test_equals_tiktoken(void **state)
{
    (void)state;
    json_t *root = load_fixtures(), *item;
    yoco_tokenizer *tokenizer = NULL;
    const char *opened = "";
    size_t index;
    json_array_foreach(json_object_get(root, "cases"), index, item)
    {
        const char *folder = json_string_value(json_object_get(item, "tokenizer"));
        if (strcmp(folder, opened) != 0) {
            yoco_tokenizer_close(tokenizer);
            tokenizer = open_tokenizer(folder);
            opened = folder;
        }
        print_message("case %zu\n", index);
        bool specials = json_is_true(json_object_get(item, "specials"));
        size_t size;
        char *text = case_bytes(item, &size);
        int32_t *ids;
        int64_t n_ids;
        assert_int_equal(yoco_tokenizer_encode(tokenizer, text, size, specials, &ids, &n_ids),
                         YOCO_OK);
        check_ids(item, ids, n_ids);
        if (!specials)
            check_decodes_to(tokenizer, ids, n_ids, text, size);
        yoco_free(ids);
        free(text);
    }
    yoco_tokenizer_close(tokenizer);
    json_decref(root);
}

/* A fixed sequence, the same in every run. */
static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void test_random_bytes_decode_to_themselves(void **state)
{
    (void)state;
    yoco_tokenizer *tokenizer = open_tokenizer("models/demo-tokenizer");
    uint32_t random = 1;
    for (int round = 0; round < 300; round++) {
        char text[2000];
        size_t size = 1 + next_random(&random) % sizeof text;
        uint32_t mask = round % 3 == 0 ? 0xff : round % 3 == 1 ? 0x7f : 0xc3;
        for (size_t i = 0; i < size; i++)
            text[i] = (char)(next_random(&random) & mask);
        int32_t *ids;
        int64_t n_ids;
        assert_int_equal(yoco_tokenizer_encode(tokenizer, text, size, true, &ids, &n_ids), YOCO_OK);
        check_decodes_to(tokenizer, ids, n_ids, text, size);
        yoco_free(ids);
    }
    yoco_tokenizer_close(tokenizer);
}

/* The rule as it is told: look at all pairs, merge the best, start again. */
static size_t merge_naively(const yoco_vocab *vocab, const uint8_t *piece, size_t size,
                            int32_t *ranks)
{
    size_t start[512], n = size;
    for (size_t i = 0; i <= n; i++)
        start[i] = i;
    for (;;) {
        int32_t best_rank = INT32_MAX;
        size_t best = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            int32_t rank = yoco_vocab_find(vocab, piece + start[i], start[i + 2] - start[i]);
            if (rank >= 0 && rank < best_rank) {
                best_rank = rank;
                best = i;
            }
        }
        if (best_rank == INT32_MAX)
            break;
        memmove(start + best + 1, start + best + 2, (n - best - 1) * sizeof *start);
        n--;
    }
    for (size_t i = 0; i < n; i++)
        ranks[i] = yoco_vocab_find(vocab, piece + start[i], start[i + 1] - start[i]);
    return n;
}

/* Pieces on both sides of the size from which a heap is used. */
static void test_merges_follow_the_rule(void **state)
{
    (void)state;
    char path[MAX_PATH];
    snprintf(path, sizeof path, "%s/tests/tokenizer/tiny-o200k/tiny.tiktoken", source_dir);
    yoco_map file;
    yoco_vocab *vocab;
    assert_int_equal(yoco_map_open(path, &file), YOCO_OK);
    assert_int_equal(yoco_vocab_parse(path, file.data, file.size, &vocab), YOCO_OK);
    uint32_t random = 7;
    for (size_t size = 1; size < 300; size++) {
        uint8_t piece[300];
        int32_t expected[300], ranks[300];
        for (size_t i = 0; i < size; i++)
            piece[i] = (uint8_t) "ab s'"[next_random(&random) % (2 + size % 4)];
        size_t n_ranks, n_expected = merge_naively(vocab, piece, size, expected);
        assert_int_equal(yoco_bpe_encode(vocab, piece, size, ranks, &n_ranks), YOCO_OK);
        if (n_ranks == 1 && yoco_vocab_find(vocab, piece, size) >= 0)
            continue; /* a piece that is a token needs no merges that lead there */
        assert_int_equal(n_ranks, n_expected);
        assert_memory_equal(ranks, expected, n_ranks * sizeof *ranks);
    }
    yoco_vocab_free(vocab);
    yoco_map_close(&file);
}

static void test_utf8_stream(void **state)
{
    (void)state;
    json_t *root = load_fixtures(), *item;
    uint32_t random = 3;
    size_t index;
    json_array_foreach(json_object_get(root, "streams"), index, item)
    {
        size_t size, used = 0, most = 1 + index % 4;
        char *bytes = case_bytes(item, &size), *out = malloc(3 * (size + 3));
        assert_non_null(out);
        yoco_utf8_stream stream = {0};
        for (size_t at = 0; at < size;) {
            size_t n = next_random(&random) % (most + 1);
            n = n < size - at ? n : size - at;
            used += yoco_utf8_stream_push(&stream, bytes + at, n, false, out + used);
            at += n;
        }
        used += yoco_utf8_stream_push(&stream, NULL, 0, true, out + used);
        const json_t *text = json_object_get(item, "text");
        assert_int_equal(used, json_string_length(text));
        assert_memory_equal(out, json_string_value(text), used);
        free(out);
        free(bytes);
    }
    json_decref(root);
}

/* A character leaves the stream with its last byte, not later. */
static void test_utf8_stream_does_not_wait(void **state)
{
    (void)state;
    yoco_utf8_stream stream = {0};
    char out[32];
    assert_int_equal(yoco_utf8_stream_push(&stream, "a\xf0\x9f\x91", 4, false, out), 1);
    assert_int_equal(yoco_utf8_stream_push(&stream, "\x8d", 1, false, out), 4);
    assert_memory_equal(out, "\xf0\x9f\x91\x8d", 4);
    assert_int_equal(yoco_utf8_stream_push(&stream, "\xe2\x82", 2, false, out), 0);
    assert_int_equal(yoco_utf8_stream_push(&stream, "x", 1, false, out), 4);
    assert_memory_equal(out, "\xef\xbf\xbdx", 4);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    source_dir = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_tiktoken),
        cmocka_unit_test(test_random_bytes_decode_to_themselves),
        cmocka_unit_test(test_merges_follow_the_rule),
        cmocka_unit_test(test_utf8_stream),
        cmocka_unit_test(test_utf8_stream_does_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
