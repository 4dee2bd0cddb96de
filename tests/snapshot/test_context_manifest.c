/* manifest.json and partial.json: what is written is read again, anything else is refused. */
#include "configs/context/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/configs/fixture.h"

#define HASH "0123456789abcdef00000000000000ff"
#define HEAD                                                                                       \
    "{\"yoco_context\": 1, \"model\": \"" HASH "\", \"tokenizer\": \"" HASH                        \
    "\", \"document\": \"" HASH "\", \"arithmetic\": \"cpu\", \"dtype\": \"BF16\", "               \
    "\"n_tokens\": 5, \"chunk_rows\": 2"
#define CHUNKS "\"chunks\": [[0, 10, \"" HASH "\"], [1, 11, \"" HASH "\"], [2, 12, \"" HASH "\"]]"
#define EDGES "\"edges\": [[0, 7, \"" HASH "\"], [2, 8, \"" HASH "\"]]"

static yoco_status parse(const char *text, bool partial, yoco_context_manifest *out)
{
    return yoco_context_manifest_parse("m.json", text, strlen(text), partial, out);
}

static void test_round_trip(void **state)
{
    (void)state;
    char *folder = folder_create();
    const char *path = path_in(folder, "manifest.json");
    yoco_context_manifest first, second;
    assert_int_equal(parse(HEAD ", " CHUNKS ", " EDGES "}", false, &first), YOCO_OK);
    assert_int_equal(first.n_chunks, 3);
    assert_int_equal(first.identity.n_tokens, 5);
    assert_int_equal(first.identity.dtype, YOCO_BF16);
    assert_int_equal(first.identity.model.low, 0xff);
    assert_int_equal(first.chunks[1].bytes, 11);
    assert_int_equal(first.edges[0].bytes, 7);
    assert_int_equal(first.edges[1].bytes, 0);
    assert_int_equal(yoco_context_manifest_save(path, &first), YOCO_OK);
    assert_int_equal(yoco_context_manifest_load(path, false, &second), YOCO_OK);
    assert_int_equal(yoco_context_identity_check(path, &second.identity, &first.identity), YOCO_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(second.chunks[i].bytes, first.chunks[i].bytes);
        assert_int_equal(second.edges[i].bytes, first.edges[i].bytes);
        assert_true(yoco_hash_equal(second.chunks[i].checksum, first.chunks[i].checksum));
    }
    yoco_context_manifest_free(&first);
    yoco_context_manifest_free(&second);
    folder_remove(folder);
}

static void test_partial(void **state)
{
    (void)state;
    yoco_context_manifest m;
    assert_int_equal(parse(HEAD "}", true, &m), YOCO_OK);
    assert_null(m.chunks);
    log_begin();
    yoco_status status = parse(HEAD ", " CHUNKS ", " EDGES "}", true, &m);
    log_end("m.json: chunks");
    assert_int_equal(status, YOCO_ERR_DATA);
}

static void test_empty_context(void **state)
{
    (void)state;
    yoco_context_manifest m;
    const char *text = "{\"yoco_context\": 1, \"model\": \"" HASH "\", \"tokenizer\": \"" HASH
                       "\", \"document\": \"" HASH
                       "\", \"arithmetic\": \"cpu\", \"dtype\": \"F32\", \"n_tokens\": 0, "
                       "\"chunk_rows\": 2, \"chunks\": [], \"edges\": []}";
    assert_int_equal(parse(text, false, &m), YOCO_OK);
    assert_int_equal(m.n_chunks, 0);
    yoco_context_manifest_free(&m);
}

/* `from` in the good text replaced by `to`. */
static void refuse(const char *from, const char *to, const char *expected)
{
    const char *good = HEAD ", " CHUNKS ", " EDGES "}", *at = strstr(good, from);
    char text[2048];
    yoco_context_manifest m;
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    log_begin();
    yoco_status status = parse(text, false, &m);
    log_end(expected);
    assert_int_equal(status, YOCO_ERR_DATA);
}

static void test_refused(void **state)
{
    (void)state;
    refuse("\"yoco_context\": 1", "\"yoco_context\": 2", "version 2");
    refuse("\"yoco_context\": 1, ", "", "m.json: yoco_context");
    refuse("\"model\": \"01", "\"model\": \"0", "m.json: model");
    refuse("\"document\": \"01", "\"document\": \"0G", "m.json: document");
    refuse("BF16", "F16", "m.json: dtype");
    refuse("\"cpu\"", "7", "m.json: arithmetic");
    refuse("\"n_tokens\": 5", "\"n_tokens\": -1", "m.json: n_tokens");
    refuse("\"n_tokens\": 5", "\"n_tokens\": 5.5", "m.json: n_tokens");
    refuse("\"n_tokens\": 5", "\"n_tokens\": 7", "m.json: chunks");
    refuse("\"n_tokens\": 5", "\"n_tokens\": 9007199254740993", "m.json: n_tokens");
    refuse("\"n_tokens\": 5", "\"n_tokens\": 281474976710656", "m.json: chunks");
    refuse("\"chunk_rows\": 2", "\"chunk_rows\": 0", "m.json: chunk_rows");
    refuse("\"chunk_rows\": 2", "\"chunk_rows\": 2, \"path\": \"../x\"", "m.json: path");
    refuse("[1, 11", "[1, 0", "m.json: chunks");
    refuse("[1, 11", "[0, 11", "m.json: chunks");
    refuse("[1, 11", "[\"../x\", 11", "m.json: chunks");
    refuse("[1, 11, \"01", "[1, 11, \"1", "m.json: chunks");
    refuse("[2, 12", "[3, 12", "m.json: chunks");
    refuse("[2, 8, \"" HASH "\"]", "[2, 8]", "m.json: edges");
    refuse(", [2, 8, \"" HASH "\"]", "", "m.json: edges");
    refuse("\"edges\": [", "\"edges\": [7, ", "m.json: edges");
}

static void test_identity(void **state)
{
    (void)state;
    const yoco_context_identity good = {.n_tokens = 5, .chunk_rows = 2, .arithmetic = "cpu"};
    static const char *const lines[] = {
        "another model",  "another tokenizer", "another document",     "another document",
        "give --chunk 3", "same --dtype",      "would round otherwise"};
    for (int i = 0; i < 7; i++) {
        yoco_context_identity other = good;
        other.model.low += i == 0;
        other.tokenizer.high += i == 1;
        other.document.low += i == 2;
        other.n_tokens += i == 3;
        other.chunk_rows += i == 4;
        other.dtype = i == 5 ? YOCO_BF16 : YOCO_F32;
        other.arithmetic[0] = i == 6 ? 'g' : 'c';
        log_begin();
        yoco_status status = yoco_context_identity_check("m.json", &other, &good);
        log_end(lines[i]);
        assert_int_equal(status, YOCO_ERR_DATA);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_partial),
        cmocka_unit_test(test_empty_context), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
