/* Tokenizer folders, right and wrong: what opens, what the ids are, and which status refuses. */
#include "coordinator/text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CONFIG "yoco_tokenizer.json"
#define RANKS "ranks.tiktoken"
#define SPECIALS "specials.json"

static char folder[] = "/tmp/yoco_tokenizer_XXXXXX";

static void remove_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static void write_file(const char *name, const char *data, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* The 256 bytes with rank = byte, without `skip` (-1: none); then `more`. */
static void write_ranks(int skip, const char *more)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[8192];
    size_t used = 0;
    for (int byte = 0; byte < 256; byte++) {
        if (byte != skip)
            used += (size_t)snprintf(text + used, sizeof text - used, "%c%c== %d\n",
                                     digits[byte >> 2], digits[(byte & 3) << 4], byte);
    }
    used += (size_t)snprintf(text + used, sizeof text - used, "%s", more);
    write_file(RANKS, text, used);
}

static yoco_status open_with(const char *config, int vocab_size, yoco_tokenizer **out)
{
    write_file(CONFIG, config, strlen(config));
    return yoco_tokenizer_open(folder, vocab_size, out);
}

static void refuse(const char *config, yoco_status expected)
{
    yoco_tokenizer *untouched = (yoco_tokenizer *)&folder, *out = untouched;
    print_message("%.200s\n", config);
    assert_int_equal(open_with(config, 1000, &out), expected);
    assert_ptr_equal(out, untouched);
}

/* A config with the fields that every one needs, and `more`. */
#define PLAIN(more)                                                                                \
    "{\"ranks\":\"" RANKS "\",\"layout\":\"plain\",\"pattern\":\"\\\\w+|\\\\s+\"" more "}"
#define YOCO(more)                                                                                 \
    "{\"ranks\":\"" RANKS "\",\"layout\":\"yoco\",\"pattern\":\"\\\\w+|\\\\s+\"" more "}"

static void assert_encodes(const yoco_tokenizer *tokenizer, const char *text, bool specials,
                           const int32_t *expected, int64_t n_expected)
{
    int32_t *ids;
    int64_t n_ids;
    assert_int_equal(yoco_tokenizer_encode(tokenizer, text, strlen(text), specials, &ids, &n_ids),
                     YOCO_OK);
    assert_int_equal(n_ids, n_expected);
    if (n_ids > 0)
        assert_memory_equal(ids, expected, (size_t)n_ids * sizeof *ids);
    yoco_free(ids);
}

#define ASSERT_ENCODES(tokenizer, text, specials, ...)                                             \
    assert_encodes(tokenizer, text, specials, (const int32_t[]){__VA_ARGS__},                      \
                   sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

static void test_folder_without_tokenizer(void **state)
{
    (void)state;
    yoco_tokenizer *tokenizer = (yoco_tokenizer *)&folder;
    remove_file(CONFIG);
    assert_int_equal(yoco_tokenizer_open(folder, 1000, &tokenizer), YOCO_OK);
    assert_null(tokenizer);
}

static void test_layout_yoco(void **state)
{
    (void)state;
    yoco_tokenizer *tokenizer;
    int32_t banned[4];
    size_t size;
    write_ranks(-1, "YWI= 256\n");
    assert_int_equal(open_with(YOCO(",\"specials\":{\"<|x|>\":260}"), 265, &tokenizer), YOCO_OK);
    ASSERT_ENCODES(tokenizer, "aba<|x|>", false, 260, 101, 64, 128, 124, 128, 66);
    ASSERT_ENCODES(tokenizer, "aba<|x|>", true, 260, 101, 264);
    ASSERT_ENCODES(tokenizer, "<s>", true, 64, 119, 66);
    assert_encodes(tokenizer, "", true, NULL, 0);
    assert_int_equal(yoco_tokenizer_bos(tokenizer), 0);
    assert_true(yoco_tokenizer_is_end(tokenizer, 2));
    assert_false(yoco_tokenizer_is_end(tokenizer, 264));
    assert_int_equal(yoco_tokenizer_banned(tokenizer, banned, 4), 2);
    assert_int_equal(banned[0], 0);
    assert_int_equal(banned[1], 1);
    assert_int_equal(yoco_tokenizer_banned(tokenizer, banned, 1), 1);
    assert_memory_equal(yoco_tokenizer_bytes(tokenizer, 260, &size), "ab", 2);
    assert_int_equal(size, 2);
    const int32_t without_text[] = {-1, 0, 3, 261, 264, 1000, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof without_text / sizeof *without_text; i++) {
        assert_null(yoco_tokenizer_bytes(tokenizer, without_text[i], &size));
        assert_int_equal(size, 0);
    }
    yoco_tokenizer_close(tokenizer);
}

static void test_layout_plain(void **state)
{
    (void)state;
    yoco_tokenizer *tokenizer;
    int32_t banned[4];
    write_ranks(-1, "YWI= 256\r\n\nYWJj 300");
    assert_int_equal(open_with(PLAIN(), 301, &tokenizer), YOCO_OK);
    ASSERT_ENCODES(tokenizer, "abc ab", false, 300, 32, 256);
    assert_int_equal(yoco_tokenizer_bos(tokenizer), -1);
    assert_int_equal(yoco_tokenizer_banned(tokenizer, banned, 4), 0);
    assert_false(yoco_tokenizer_is_end(tokenizer, 2));
    yoco_tokenizer_close(tokenizer);
}

/* One token in both roles, as in GPT-2: it must stay possible to end. */
static void test_specials_from_a_file_and_their_roles(void **state)
{
    (void)state;
    yoco_tokenizer *tokenizer;
    int32_t banned[4];
    const char *specials = "{\"<a\": 300, \"<a>\": 301, \"<a><b>\": 302, \"p\": 303, \"q\": 303}";
    write_ranks(-1, "");
    write_file(SPECIALS, specials, strlen(specials));
    assert_int_equal(open_with(PLAIN(",\"specials\":\"" SPECIALS "\",\"bos\":\"<a>\",\"pad\":\"p\","
                                     "\"eos\":[\"<a>\",\"<a\"]"),
                               304, &tokenizer),
                     YOCO_OK);
    ASSERT_ENCODES(tokenizer, "<a<a><a><b><", true, 300, 301, 302, 60);
    ASSERT_ENCODES(tokenizer, "pq", true, 303, 303);
    assert_int_equal(yoco_tokenizer_bos(tokenizer), 301);
    assert_true(yoco_tokenizer_is_end(tokenizer, 300));
    assert_true(yoco_tokenizer_is_end(tokenizer, 301));
    assert_int_equal(yoco_tokenizer_banned(tokenizer, banned, 4), 1);
    assert_int_equal(banned[0], 303);
    yoco_tokenizer_close(tokenizer);
}

/* As a piece of its own: "!a" would merge first if it were one piece with the match. */
static void test_text_between_matches_is_kept(void **state)
{
    (void)state;
    yoco_tokenizer *tokenizer;
    write_ranks(-1, "IWE= 256\nLCE= 257\n");
    assert_int_equal(open_with(PLAIN(), 1000, &tokenizer), YOCO_OK);
    ASSERT_ENCODES(tokenizer, ",!a,!b,", false, 257, 97, 257, 98, 44);
    yoco_tokenizer_close(tokenizer);
}

/* Where PCRE2 left to itself would cut. Each text is one token if it is one piece. */
static void test_dialect_of_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text, *base64;
    } cases[] = {
        {"a$|a\\\\n", "a\n", "YQo="},                /* $ is the very end */
        {"\\\\w+", "\xc3\xa9x", "w6l4"},             /* \w knows Unicode */
        {"\\\\s|.x", "\xe1\xa0\x8ex", "4aCOeA=="},   /* U+180E is no space */
        {"[\\\\S]x|x", "\xe1\xa0\x8ex", "4aCOeA=="}, /* nor in a class */
        {"\\\\\\\\s|s", "\\s", "XHM="},              /* a backslash and an s */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char config[256], line[64];
        yoco_tokenizer *tokenizer;
        snprintf(line, sizeof line, "%s 256\n", cases[i].base64);
        snprintf(config, sizeof config,
                 "{\"ranks\":\"" RANKS "\",\"layout\":\"plain\",\"pattern\":\"%s\"}",
                 cases[i].pattern);
        print_message("%s\n", config);
        write_ranks(-1, line);
        assert_int_equal(open_with(config, 1000, &tokenizer), YOCO_OK);
        ASSERT_ENCODES(tokenizer, cases[i].text, false, 256);
        yoco_tokenizer_close(tokenizer);
    }
}

static void test_bad_configs(void **state)
{
    (void)state;
    write_ranks(-1, "");
    refuse("", YOCO_ERR_DATA);
    refuse("[]", YOCO_ERR_DATA);
    refuse("{\"ranks\":", YOCO_ERR_DATA);
    refuse("{}", YOCO_ERR_DATA);
    refuse("{\"ranks\":\"" RANKS "\",\"layout\":\"plain\"}", YOCO_ERR_DATA);
    refuse("{\"ranks\":\"" RANKS "\",\"pattern\":\".\"}", YOCO_ERR_DATA);
    refuse("{\"ranks\":\"" RANKS "\",\"pattern\":\".\",\"layout\":\"llama\"}", YOCO_ERR_DATA);
    refuse("{\"ranks\":1,\"pattern\":\".\",\"layout\":\"plain\"}", YOCO_ERR_DATA);
    refuse("{\"ranks\":\"../x\",\"pattern\":\".\",\"layout\":\"plain\"}", YOCO_ERR_DATA);
    refuse("{\"ranks\":\"/etc/passwd\",\"pattern\":\".\",\"layout\":\"plain\"}", YOCO_ERR_DATA);
    refuse("{\"ranks\":\"..\",\"pattern\":\".\",\"layout\":\"plain\"}", YOCO_ERR_DATA);
    refuse("{\"ranks\":\"missing\",\"pattern\":\".\",\"layout\":\"plain\"}", YOCO_ERR_OPEN);
    refuse("{\"ranks\":\"" RANKS "\",\"pattern\":\"(a\",\"layout\":\"plain\"}", YOCO_ERR_DATA);
    refuse("{\"ranks\":\"" RANKS "\",\"pattern\":\"[a&&b]\",\"layout\":\"plain\"}", YOCO_ERR_DATA);
    refuse("{\"ranks\":\"" RANKS "\",\"pattern\":\"\\\\C\",\"layout\":\"plain\"}", YOCO_ERR_DATA);
    refuse(PLAIN(",\"layout\":\"yoco\""), YOCO_ERR_DATA);
    refuse(PLAIN(",\"eof\":\"x\""), YOCO_ERR_DATA);
    refuse(PLAIN(",\"specials\":\"missing.json\""), YOCO_ERR_OPEN);
    refuse(PLAIN(",\"specials\":\"../" SPECIALS "\""), YOCO_ERR_DATA);
    refuse(PLAIN(",\"specials\":7"), YOCO_ERR_DATA);
    refuse(PLAIN(",\"specials\":{\"x\":\"300\"}"), YOCO_ERR_DATA);
    refuse(PLAIN(",\"specials\":{\"x\":-1}"), YOCO_ERR_DATA);
    refuse(PLAIN(",\"specials\":{\"x\":99999999999}"), YOCO_ERR_DATA);
    refuse(PLAIN(",\"specials\":{\"\":300}"), YOCO_ERR_DATA);
    refuse(PLAIN(",\"specials\":{\"x\":255}"), YOCO_ERR_DATA);
    refuse(PLAIN(",\"specials\":{\"x\":1000}"), YOCO_ERR_DATA);
    refuse(YOCO(",\"specials\":{\"x\":996}"), YOCO_ERR_DATA);
    refuse(PLAIN(",\"bos\":\"<s>\""), YOCO_ERR_DATA);
    refuse(PLAIN(",\"bos\":1"), YOCO_ERR_DATA);
    refuse(YOCO(",\"eos\":[\"</s>\",\"nothing\"]"), YOCO_ERR_DATA);
    refuse(YOCO(",\"eos\":[\"<s>\",\"<s>\",\"<s>\",\"<s>\",\"<s>\",\"<s>\",\"<s>\",\"<s>\",\"<s>\","
                "\"<s>\",\"<s>\",\"<s>\",\"<s>\",\"<s>\",\"<s>\",\"<s>\",\"<s>\"]"),
           YOCO_ERR_DATA);
}

static void test_bad_ranks(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "YWI=",                      /* no rank */
        "YWI= ",                     /* no rank */
        "YWI= x",                    /* not a number */
        "YWI= -1",                   /* not a number */
        "YWI= 256 7",                /* two numbers */
        "YWI= 4194304",              /* above the bound */
        "YWI= 99999999999999999999", /* far above it */
        "YWI= 1000",                 /* does not fit vocab_size */
        "YWI= 255",                  /* rank twice */
        "YWI= 256\nYWI= 257",        /* token twice */
        "YQ== 256",                  /* token twice, a single byte */
        " 256",                      /* empty token */
        "YWI 256",                   /* not padded */
        "YW=I 256",                  /* padded in the middle */
        "Y=== 256",                  /* padded too much */
        "==== 256",                  /* padding only */
        "YWJ= 256",                  /* unused bits */
        "YW*= 256",                  /* no base64 */
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        print_message("%s\n", lines[i]);
        write_ranks(-1, lines[i]);
        refuse(PLAIN(), YOCO_ERR_DATA);
    }
    write_ranks(77, "");
    refuse(PLAIN(), YOCO_ERR_DATA);
    write_file(RANKS, "", 0);
    refuse(PLAIN(), YOCO_ERR_DATA);
}

/* A pattern that tries exponentially many ways must end with an error. */
static void test_runaway_pattern(void **state)
{
    (void)state;
    yoco_tokenizer *tokenizer;
    int32_t *ids;
    int64_t n_ids;
    write_ranks(-1, "");
    assert_int_equal(open_with("{\"ranks\":\"" RANKS "\",\"layout\":\"plain\","
                               "\"pattern\":\"(?:a+)+b|(?:a+)+c\"}",
                               1000, &tokenizer),
                     YOCO_OK);
    const char *text = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!bc";
    assert_int_equal(yoco_tokenizer_encode(tokenizer, text, strlen(text), false, &ids, &n_ids),
                     YOCO_ERR_DATA);
    yoco_tokenizer_close(tokenizer);
}

/* One match over megabytes, in patterns that keep a way back per character and in those that do
 * not: neither may run out of stack. */
static void test_one_piece_of_megabytes(void **state)
{
    (void)state;
    static const char *const patterns[] = {"\\\\p{L}+", "\\\\p{L}++", "(?:\\\\p{L}\\\\p{M}*)+",
                                           "(?:(\\\\p{L})|x)+"};
    const size_t size = 4000000;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'a', size);
    write_ranks(-1, "YWE= 256\nYWFhYQ== 257\nYWFh 258\n");
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char config[256];
        snprintf(config, sizeof config,
                 "{\"ranks\":\"" RANKS "\",\"layout\":\"plain\",\"pattern\":\"%s\"}", patterns[i]);
        print_message("%s\n", config);
        yoco_tokenizer *tokenizer;
        int32_t *ids;
        int64_t n_ids;
        assert_int_equal(open_with(config, 1000, &tokenizer), YOCO_OK);
        assert_int_equal(yoco_tokenizer_encode(tokenizer, text, size, false, &ids, &n_ids),
                         YOCO_OK);
        assert_int_equal(n_ids, (int64_t)size / 4);
        assert_int_equal(ids[0], 257);
        assert_int_equal(ids[n_ids - 1], 257);
        yoco_free(ids);
        yoco_tokenizer_close(tokenizer);
    }
    free(text);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    remove_file(CONFIG);
    remove_file(RANKS);
    remove_file(SPECIALS);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder_without_tokenizer),
        cmocka_unit_test(test_layout_yoco),
        cmocka_unit_test(test_layout_plain),
        cmocka_unit_test(test_specials_from_a_file_and_their_roles),
        cmocka_unit_test(test_text_between_matches_is_kept),
        cmocka_unit_test(test_dialect_of_patterns),
        cmocka_unit_test(test_bad_configs),
        cmocka_unit_test(test_bad_ranks),
        cmocka_unit_test(test_runaway_pattern),
        cmocka_unit_test(test_one_piece_of_megabytes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
