/* tokenizer.json from strangers: what opens, what is refused and with which status, and files that
 * try to take time or memory. */
#include "coordinator/text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_NAME "tokenizer.json"
#define CONFIG_NAME "tokenizer_config.json"

static char folder[] = "/tmp/yoco_hf_open_XXXXXX";

static void path_of(const char *name, char path[256])
{
    snprintf(path, 256, "%s/%s", folder, name);
}

static void write_file(const char *name, const char *data, size_t size)
{
    char path[256];
    path_of(name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *name)
{
    char path[256];
    path_of(name, path);
    unlink(path);
}

/* A tokenizer of characters a, b, c, a blank, "ab" and <unk>, with parts to fill in. */
#define VOCAB "\"<unk>\":0,\"a\":1,\"b\":2,\"c\":3,\"ab\":4,\" \":5"
#define MODEL(options, vocab, merges)                                                              \
    "\"model\":{\"type\":\"BPE\"," options "\"vocab\":{" vocab "},\"merges\":[" merges "]}"
#define PLAIN_MODEL MODEL("", VOCAB, "\"a b\"")
#define DECODER "\"decoder\":{\"type\":\"Fuse\"}"
#define WITH(parts) "{\"version\":\"1.0\"," parts "," DECODER "," PLAIN_MODEL "}"
#define WITH_MODEL(model) "{\"version\":\"1.0\"," DECODER "," model "}"
#define WITH_DECODER(decoder) "{\"version\":\"1.0\"," PLAIN_MODEL ",\"decoder\":" decoder "}"
#define ADDED(fields) WITH("\"added_tokens\":[{" fields "}]")
#define SPLIT(regex)                                                                               \
    WITH("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex                   \
         "\"},\"behavior\":\"Isolated\",\"invert\":false}")

static yoco_status open_with(const char *file, yoco_tokenizer **out)
{
    write_file(FILE_NAME, file, strlen(file));
    return yoco_tokenizer_open(folder, 1000, out);
}

static void refuse(const char *file, const char *words)
{
    yoco_tokenizer *untouched = (yoco_tokenizer *)&folder, *out = untouched;
    print_message("%.200s\n", file);
    yoco_log_forget_error();
    assert_int_equal(open_with(file, &out), YOCO_ERR_DATA);
    assert_ptr_equal(out, untouched);
    assert_non_null(strstr(yoco_log_last_error(), folder));
    if (!strstr(yoco_log_last_error(), words))
        fail_msg("no '%s' in: %s", words, yoco_log_last_error());
}

static yoco_tokenizer *accept(const char *file)
{
    yoco_tokenizer *out = NULL;
    print_message("%.200s\n", file);
    assert_int_equal(open_with(file, &out), YOCO_OK);
    assert_non_null(out);
    return out;
}

static void assert_encodes(const yoco_tokenizer *tokenizer, const char *text,
                           const int32_t *expected, int64_t n_expected)
{
    int32_t *ids;
    int64_t n;
    assert_int_equal(yoco_tokenizer_encode(tokenizer, text, strlen(text), true, &ids, &n), YOCO_OK);
    assert_int_equal(n, n_expected);
    if (n > 0)
        assert_memory_equal(ids, expected, (size_t)n * sizeof *ids);
    yoco_free(ids);
}

static void test_smallest(void **state)
{
    (void)state;
    yoco_tokenizer *tokenizer = accept(WITH("\"truncation\":{\"max_length\":1}"));
    assert_encodes(tokenizer, "ab a", (const int32_t[]){4, 5, 1}, 3);
    assert_encodes(tokenizer, "zz\xff", NULL, 0); /* unknown characters vanish, as in the library */
    assert_int_equal(yoco_tokenizer_bos(tokenizer), -1);
    assert_false(yoco_tokenizer_is_end(tokenizer, 2));
    yoco_tokenizer_set_ends(tokenizer, (const int32_t[]){2, 3}, 2);
    assert_true(yoco_tokenizer_is_end(tokenizer, 2));
    assert_true(yoco_tokenizer_is_end(tokenizer, 3));
    yoco_tokenizer_close(tokenizer);
}

/* yoco's own file comes first. */
static void test_which_file(void **state)
{
    (void)state;
    yoco_tokenizer *tokenizer = NULL;
    write_file("yoco_tokenizer.json", "{", 1);
    assert_int_equal(open_with(WITH("\"x\":1"), &tokenizer), YOCO_ERR_DATA);
    remove_file("yoco_tokenizer.json");
    yoco_tokenizer_close(accept(WITH("\"x\":1")));
}

static void test_bad_json(void **state)
{
    (void)state;
    refuse("", "JSON");
    refuse("[]", "object");
    refuse("{\"version\":\"1.0\"", "JSON");
    refuse("{\"version\":\"2.0\"," DECODER "," PLAIN_MODEL "}", "version \"2.0\"");
    refuse(WITH("\"x\":\"\xff\""), "JSON");
    refuse(WITH("\"x\":\"\\ud800\""), "JSON");
    size_t depth = 100000;
    char *deep = malloc(depth + 16);
    assert_non_null(deep);
    snprintf(deep, depth + 16, "{\"x\":");
    memset(deep + 5, '[', depth);
    deep[5 + depth] = '\0';
    refuse(deep, "JSON");
    free(deep);
}

/* What stands in the folder under the name, and is no file. */
static void test_no_file(void **state)
{
    (void)state;
    static const char *const names[] = {FILE_NAME, CONFIG_NAME, "yoco_tokenizer.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        yoco_tokenizer *out;
        char path[256];
        write_file(FILE_NAME, WITH("\"x\":1"), strlen(WITH("\"x\":1")));
        path_of(names[i], path);
        unlink(path);
        assert_int_equal(symlink("/dev/zero", path), 0);
        assert_int_equal(yoco_tokenizer_open(folder, 1000, &out), YOCO_ERR_OPEN);
        assert_non_null(strstr(yoco_log_last_error(), "it is a device, and a regular file is"));
        unlink(path);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(yoco_tokenizer_open(folder, 1000, &out), YOCO_ERR_OPEN);
        assert_non_null(strstr(yoco_log_last_error(), "it is a pipe, and a regular file is"));
        unlink(path);
        assert_int_equal(symlink("../gone", path), 0);
        assert_int_equal(yoco_tokenizer_open(folder, 1000, &out), YOCO_ERR_OPEN);
        assert_non_null(strstr(yoco_log_last_error(), "is a link to ../gone, which is not there"));
        unlink(path);
    }
}

#define GROW                                                                                       \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"aaaaaaaaaaaaaaaaaaaa\"}"

/* Replacements of what they make: the text would have 20^6 times its bytes. */
static void test_growth(void **state)
{
    (void)state;
    int32_t *ids;
    int64_t n;
    yoco_tokenizer *tokenizer =
        accept(WITH("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[" GROW "," GROW "," GROW
                    "," GROW "," GROW "," GROW "]}"));
    assert_int_equal(yoco_tokenizer_encode(tokenizer, "a", 1, true, &ids, &n), YOCO_ERR_DATA);
    assert_non_null(strstr(yoco_log_last_error(), "make more than 65600 bytes of a text"));
    yoco_tokenizer_close(tokenizer);
    tokenizer = accept(WITH("\"normalizer\":" GROW));
    assert_int_equal(yoco_tokenizer_encode(tokenizer, "aa", 2, true, &ids, &n), YOCO_OK);
    assert_int_equal(n, 40);
    yoco_free(ids);
    yoco_tokenizer_close(tokenizer);
}

static void test_bad_models(void **state)
{
    (void)state;
    static const struct {
        const char *file, *words;
    } cases[] = {
        {"{" DECODER "}", "model: must be an object"},
        {WITH_MODEL("\"model\":{\"type\":\"Unigram\",\"vocab\":[]}"), "\"Unigram\""},
        {WITH_MODEL("\"model\":{\"type\":7}"), "model: type 7 is not supported"},
        {WITH_MODEL("\"model\":{\"type\":null}"), "model: type null is not supported"},
        {WITH_MODEL(MODEL("\"dropout\":0.1,", VOCAB, "")), "dropout"},
        {WITH_MODEL(MODEL("\"dropout\":\"0\",", VOCAB, "")), "dropout"},
        {WITH_MODEL(MODEL("\"end_of_word_suffix\":\"</w>\",", VOCAB, "")), "end_of_word_suffix"},
        {WITH_MODEL(MODEL("\"continuing_subword_prefix\":\"##\",", VOCAB, "")),
         "continuing_subword_prefix"},
        {WITH_MODEL(MODEL("\"fuse_unk\":1,", VOCAB, "")), "fuse_unk"},
        {WITH_MODEL(MODEL("\"unk_token\":\"<none>\",", VOCAB, "")), "<none>"},
        {WITH_MODEL(MODEL("\"unk_token\":[],", VOCAB, "")), "unk_token"},
        {WITH_MODEL(MODEL("", "", "")), "vocab"},
        {WITH_MODEL("\"model\":{\"vocab\":[\"a\"],\"merges\":[]}"), "vocab"},
        {WITH_MODEL(MODEL("", "\"a\":1,\"b\":1", "")), "same id 1"},
        {WITH_MODEL(MODEL("", "\"a\":1,\"a\":2", "")), "JSON"},
        {WITH_MODEL(MODEL("", "\"a\":1000", "")), "\"a\""},
        {WITH_MODEL(MODEL("", "\"a\":-1", "")), "\"a\""},
        {WITH_MODEL(MODEL("", "\"a\":2147483648", "")), "\"a\""},
        {WITH_MODEL(MODEL("", "\"a\":99999999999999999999999", "")), "\"a\""},
        {WITH_MODEL(MODEL("", "\"a\":\"1\"", "")), "\"a\""},
        {WITH_MODEL(MODEL("", "\"a\":1.5", "")), "\"a\""},
        {WITH_MODEL(MODEL("", VOCAB, "\"a x\"")), "model.merges[0]: \"x\""},
        {WITH_MODEL(MODEL("", VOCAB, "\"a b\",\"b c\"")), "model.merges[1]: \"bc\""},
        {WITH_MODEL(MODEL("", VOCAB, "\"ab\"")), "model.merges[0]"},
        {WITH_MODEL(MODEL("", VOCAB, "\"a b c\"")), "model.merges[0]"},
        {WITH_MODEL(MODEL("", VOCAB, "[\"a\"]")), "model.merges[0]"},
        {WITH_MODEL(MODEL("", VOCAB, "[\"a\",1]")), "model.merges[0]"},
        {WITH_MODEL(MODEL("", VOCAB, "[\"a\",\"b\",\"c\"]")), "model.merges[0]"},
        {WITH_MODEL(MODEL("", VOCAB, "\"\"")), "model.merges[0]"},
        {WITH_MODEL(MODEL("", VOCAB, "7")), "model.merges[0]"},
        {WITH_MODEL("\"model\":{\"vocab\":{" VOCAB "}}"), "merges"},
        {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\"}," DECODER
         "," MODEL("\"byte_fallback\":true,", VOCAB, "") "}",
         "byte_fallback"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(cases[i].file, cases[i].words);
}

static void test_bad_steps(void **state)
{
    (void)state;
    static const struct {
        const char *file, *words;
    } cases[] = {
        {WITH("\"normalizer\":{\"type\":\"Lowercase\"}"), "normalizer: type \"Lowercase\""},
        {WITH("\"normalizer\":7"), "normalizer"},
        {WITH("\"normalizer\":{\"type\":\"Sequence\"}"), "\"normalizers\""},
        {WITH("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},"
              "{\"type\":\"NFKC\"}]}"),
         "normalizer.normalizers[1]: type \"NFKC\""},
        {WITH("\"normalizer\":{\"type\":\"Prepend\"}"), "\"prepend\""},
        {WITH("\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":"
              "\"\"}"),
         "empty pattern"},
        {WITH("\"normalizer\":{\"type\":\"Replace\",\"pattern\":\"a\",\"content\":\"\"}"),
         "\"pattern\""},
        {WITH("\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"x*\"},\"content\":"
              "\"\"}"),
         "may be empty"},
        {WITH("\"pre_tokenizer\":{\"type\":\"Whitespace\"}"), "\"Whitespace\""},
        {WITH("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\" \"},\"behavior\":"
              "\"Dropped\"}"),
         "\"Dropped\""},
        {WITH(
             "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},"
             "{\"type\":\"Digits\"}]}"),
         "Digits behind ByteLevel"},
        {WITH("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\"}"), "one character"},
        {WITH("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"__\"}"),
         "one character"},
        {WITH("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":"
              "\"often\"}"),
         "\"often\""},
        {WITH("\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"_\"},\"pre_tokenizer\":{\"type\":"
              "\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"first\"}"),
         "\"first\""},
        {WITH("\"post_processor\":{\"type\":\"BertProcessing\"}"), "\"BertProcessing\""},
        {WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[]}"), "\"single\""},
        {WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{"
              "\"id\":"
              "\"A\"}},{\"SpecialToken\":{\"id\":\"a\"}}],\"special_tokens\":{\"a\":{\"ids\":[1]}}"
              "}"),
         "\"single\""},
        {WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{"
              "\"id\":\"a\"}},{\"Sequence\":{}}],\"special_tokens\":{\"a\":{\"ids\":[2147483648]}}"
              "}"),
         "vocab_size"},
        {WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{"
              "\"id\":\"a\"}},{\"Sequence\":{}}],\"special_tokens\":{}}"),
         "one id"},
        {"{" PLAIN_MODEL "}", "decoder"},
        {WITH_DECODER("null"), "decoder"},
        {WITH_DECODER("{\"type\":\"WordPiece\"}"), "\"WordPiece\""},
        {WITH_DECODER("{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":"
                      "\"ByteLevel\"}]}"),
         "ByteLevel behind ByteFallback"},
        {WITH_DECODER(
             "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"Strip\","
             "\"content\":\" \",\"start\":0,\"stop\":1}]}"),
         "\"stop\""},
        {WITH_DECODER("{\"type\":\"Strip\",\"content\":\" \",\"start\":-1,\"stop\":0}"),
         "\"start\""},
        {WITH_DECODER("{\"type\":\"Strip\",\"content\":\"\",\"start\":0,\"stop\":0}"),
         "\"content\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(cases[i].file, cases[i].words);
}

static void test_bad_added_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *file, *words;
    } cases[] = {
        {WITH("\"added_tokens\":{}"), "added_tokens"},
        {WITH("\"added_tokens\":[7]"), "added_tokens[0]"},
        {ADDED("\"id\":6"), "\"content\""},
        {ADDED("\"id\":6,\"content\":\"\""), "empty"},
        {ADDED("\"content\":\"x\""), "\"id\""},
        {ADDED("\"id\":1000,\"content\":\"x\""), "\"id\""},
        {ADDED("\"id\":-1,\"content\":\"x\""), "\"id\""},
        {ADDED("\"id\":2147483648,\"content\":\"x\""), "\"id\""},
        {ADDED("\"id\":\"6\",\"content\":\"x\""), "\"id\""},
        {ADDED("\"id\":6,\"content\":\"x\",\"special\":\"yes\""), "\"special\""},
        {ADDED("\"id\":6,\"content\":\"a\""), "id 6 here and 1"},
        {ADDED("\"id\":1,\"content\":\"x\""), "which is \"a\""},
        {ADDED("\"id\":6,\"content\":\"x\"},{\"id\":6,\"content\":\"y\""), "id 6 stands twice"},
        {ADDED("\"id\":6,\"content\":\"x\"},{\"id\":7,\"content\":\"x\""), "\"x\" stands twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(cases[i].file, cases[i].words);
}

/* What PCRE2 reads differently from Oniguruma, or not at all. */
static void test_bad_patterns(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "(",           "[a",        "[a[bc]]",  "[[:alpha:]]", "[a-z&&[^b]]",
        "a{1,3}+",     "a{2}?",     "a{,2}",    "(?m:a.b)",    "(?s)a",
        "a(?i)b",      "\\\\pL",    "\\\\Qa",   "a\\\\",       "(?<=a+)b",
        "\\\\p{Nope}", "(*UTF)a",   "[]a]",     "[\\\\W]",     "\\\\xz",
        "\\\\C",       "\\\\u{65}", "\\\\g<1>", "a{b",         "(?P<n>a)\\\\k<m>",
    };
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char file[2048];
        static const char form[] = SPLIT("@");
        const char *at = strchr(form, '@');
        snprintf(file, sizeof file, "%.*s%s%s", (int)(at - form), form, patterns[i], at + 1);
        refuse(file, "pre_tokenizer: the pattern");
    }
}

/* A pattern that tries exponentially many ways ends with an error. */
static void test_runaway_pattern(void **state)
{
    (void)state;
    yoco_tokenizer *tokenizer = accept(SPLIT("(?:a+)+b|(?:a+)+c"));
    char text[80];
    int32_t *ids;
    int64_t n;
    memset(text, 'a', sizeof text);
    assert_int_equal(yoco_tokenizer_encode(tokenizer, text, sizeof text, false, &ids, &n),
                     YOCO_ERR_DATA);
    yoco_tokenizer_close(tokenizer);
}

#define NESTED_4 ".normalizers[0].normalizers[0].normalizers[0].normalizers[0]"

/* Nested Sequences, far below what the JSON reader takes. */
static void test_nesting(void **state)
{
    (void)state;
    for (int depth = 1; depth <= 64; depth *= 2) {
        char file[8192];
        int used = snprintf(file, sizeof file, "{\"normalizer\":");
        for (int i = 0; i < depth; i++)
            used += snprintf(file + used, sizeof file - (size_t)used,
                             "{\"type\":\"Sequence\",\"normalizers\":[");
        used += snprintf(file + used, sizeof file - (size_t)used, "{\"type\":\"NFC\"}");
        for (int i = 0; i < depth; i++)
            used += snprintf(file + used, sizeof file - (size_t)used, "]}");
        snprintf(file + used, sizeof file - (size_t)used, "," DECODER "," PLAIN_MODEL "}");
        if (depth <= 8)
            yoco_tokenizer_close(accept(file));
        else
            refuse(file, NESTED_4 NESTED_4 ": Sequences nest more than 8 deep");
    }
}

/* A megabyte of combining marks in the worst order is one run to NFC. */
static void test_run_of_marks(void **state)
{
    (void)state;
    const size_t n = 500000;
    yoco_tokenizer *tokenizer = accept("{\"normalizer\":{\"type\":\"NFC\"}," DECODER
                                       ",\"model\":{\"vocab\":{\"\xcc\x81\":1,\"\xcc\xa3\":2,"
                                       "\"a\":3,\"\xe1\xba\xa1\":4},\"merges\":[]}}");
    char *text = malloc(2 * n + 1);
    assert_non_null(text);
    text[0] = 'a';
    for (size_t i = 0; i < n; i++) /* above, below, above, below */
        memcpy(text + 1 + 2 * i, i % 2 ? "\xcc\xa3" : "\xcc\x81", 2);
    int32_t *ids;
    int64_t n_ids;
    assert_int_equal(yoco_tokenizer_encode(tokenizer, text, 2 * n + 1, false, &ids, &n_ids),
                     YOCO_OK);
    assert_int_equal(n_ids, n);
    assert_int_equal(ids[0], 4); /* the first mark below joins the letter */
    assert_int_equal(ids[1], 2);
    assert_int_equal(ids[n / 2], 1);
    assert_int_equal(ids[n - 1], 1);
    yoco_free(ids);
    free(text);
    yoco_tokenizer_close(tokenizer);
}

/* Four megabytes that no pattern cuts, where every merge makes the next one possible. */
static void test_one_piece(void **state)
{
    (void)state;
    const size_t size = 4000000;
    yoco_tokenizer *tokenizer = accept(WITH_MODEL(MODEL(
        "", "\"a\":1,\"aa\":2,\"aaaa\":3,\"aaaaaaaa\":4", "\"a a\",\"aa aa\",\"aaaa aaaa\"")));
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'a', size);
    int32_t *ids;
    int64_t n;
    assert_int_equal(yoco_tokenizer_encode(tokenizer, text, size, false, &ids, &n), YOCO_OK);
    assert_int_equal(n, size / 8);
    assert_int_equal(ids[0], 4);
    assert_int_equal(ids[n - 1], 4);
    yoco_free(ids);
    free(text);
    yoco_tokenizer_close(tokenizer);
}

static void open_with_config(const char *config, yoco_status expected, int32_t bos, int32_t end)
{
    yoco_tokenizer *tokenizer = NULL;
    print_message("%s\n", config);
    write_file(CONFIG_NAME, config, strlen(config));
    assert_int_equal(
        open_with(WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{"
                       "\"SpecialToken\":{\"id\":\"a\"}},{\"Sequence\":{\"id\":\"A\"}}],"
                       "\"special_tokens\":{\"a\":{\"ids\":[1]}}}"),
                  &tokenizer),
        expected);
    remove_file(CONFIG_NAME);
    if (expected != YOCO_OK)
        return;
    assert_int_equal(yoco_tokenizer_bos(tokenizer), bos);
    for (int32_t id = 0; id < 6; id++)
        assert_int_equal(yoco_tokenizer_is_end(tokenizer, id), id == end);
    yoco_tokenizer_close(tokenizer);
}

static void test_roles(void **state)
{
    (void)state;
    open_with_config("{}", YOCO_OK, 1, -1);
    open_with_config("{\"eos_token\":\"b\"}", YOCO_OK, 1, 2);
    open_with_config("{\"eos_token\":{\"content\":\"c\"},\"bos_token\":\"b\"}", YOCO_OK, 1, 3);
    open_with_config("{\"eos_token\":null,\"pad_token\":\"none\"}", YOCO_OK, 1, -1);
    open_with_config("{\"add_bos_token\":false}", YOCO_OK, -1, -1);
    open_with_config("{\"add_bos_token\":true}", YOCO_OK, 1, -1);
    open_with_config("{\"eos_token\":\"none\"}", YOCO_ERR_DATA, 0, 0);
    open_with_config("{\"eos_token\":{}}", YOCO_ERR_DATA, 0, 0);
    open_with_config("{\"eos_token\":{\"content\":\"<nope>\"}}", YOCO_ERR_DATA, 0, 0);
    open_with_config("{\"eos_token\":7}", YOCO_ERR_DATA, 0, 0);
    open_with_config("{\"add_eos_token\":true}", YOCO_ERR_DATA, 0, 0);
    open_with_config("{\"add_bos_token\":\"no\"}", YOCO_ERR_DATA, 0, 0);
    open_with_config("[", YOCO_ERR_DATA, 0, 0);
    yoco_tokenizer *tokenizer = NULL;
    static const char config[] =
        "{\"add_bos_token\":true,\"bos_token\":\"b\",\"pad_token\":\"c\",\"eos_token\":\"b\"}";
    int32_t banned[2];
    write_file(CONFIG_NAME, config, strlen(config));
    assert_int_equal(open_with(WITH("\"x\":1"), &tokenizer), YOCO_OK);
    assert_int_equal(yoco_tokenizer_bos(tokenizer), 2);
    assert_int_equal(yoco_tokenizer_banned(tokenizer, banned, 2), 1); /* b ends an answer */
    assert_int_equal(banned[0], 3);
    yoco_tokenizer_close(tokenizer);
    remove_file(CONFIG_NAME);
}

/* Decoders work on every token by itself. */
static void test_texts(void **state)
{
    (void)state;
    static const char file[] =
        "{\"model\":{\"vocab\":{\"_a_\":0,\"<0x41>\":1,\"<0xff>\":2,\"<0xZZ>\":3,\"__\":4},"
        "\"merges\":[]},\"added_tokens\":[{\"id\":5,\"content\":\"_s\",\"special\":true},{\"id\":7,"
        "\"content\":\"_n\",\"special\":false}],\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{"
        "\"type\":\"Replace\",\"pattern\":{\"String\":\"_\"},\"content\":\" "
        "\"},{\"type\":\"Strip\","
        "\"content\":\" "
        "\",\"start\":0,\"stop\":1},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{"
        "\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}}";
    static const char *const texts[] = {" a", "A", "\xff", "<0xZZ>", " ", NULL, NULL, " n", NULL};
    yoco_tokenizer *tokenizer = accept(file);
    for (int32_t id = 0; id < 9; id++) {
        size_t size;
        const char *bytes = yoco_tokenizer_bytes(tokenizer, id, &size);
        if (!texts[id]) {
            assert_null(bytes);
            continue;
        }
        assert_int_equal(size, strlen(texts[id]));
        assert_memory_equal(bytes, texts[id], size);
    }
    yoco_tokenizer_close(tokenizer);
}

/* No added token reaches over the end of a span, and special tokens are found where they may be. */
static void test_spans(void **state)
{
    (void)state;
    static const char text[] = "a<|x|>b<|x|>c<|x|>";
    static const yoco_text_span spans[] = {{1, false}, {6, true}, {13, false}, {18, true}};
    static const int32_t expected[] = {1, 6, 2, 3, 6};
    yoco_tokenizer *tokenizer = accept(
        ADDED("\"id\":6,\"content\":\"<|x|>\",\"special\":true,\"normalized\":false},{\"id\":7,"
              "\"content\":\"a<|x|>\",\"normalized\":false},{\"id\":8,\"content\":\"|>c<|x\""));
    int32_t *ids;
    int64_t n;
    assert_int_equal(yoco_tokenizer_encode_spans(tokenizer, text, spans, 4, true, &ids, &n),
                     YOCO_OK);
    assert_int_equal(n, 5);
    assert_memory_equal(ids, expected, sizeof expected);
    yoco_free(ids);
    assert_encodes(tokenizer, text, (const int32_t[]){7, 2, 6, 3, 6}, 5);
    assert_int_equal(yoco_tokenizer_special(tokenizer, "<|x|>"), 6);
    assert_int_equal(yoco_tokenizer_special(tokenizer, "a<|x|>"), -1);
    assert_int_equal(yoco_tokenizer_special(tokenizer, "a"), -1);
    yoco_tokenizer_close(tokenizer);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    remove_file(FILE_NAME);
    remove_file(CONFIG_NAME);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest),     cmocka_unit_test(test_which_file),
        cmocka_unit_test(test_no_file),      cmocka_unit_test(test_growth),
        cmocka_unit_test(test_bad_json),     cmocka_unit_test(test_bad_models),
        cmocka_unit_test(test_bad_steps),    cmocka_unit_test(test_bad_added_tokens),
        cmocka_unit_test(test_bad_patterns), cmocka_unit_test(test_runaway_pattern),
        cmocka_unit_test(test_nesting),      cmocka_unit_test(test_run_of_marks),
        cmocka_unit_test(test_one_piece),    cmocka_unit_test(test_roles),
        cmocka_unit_test(test_texts),        cmocka_unit_test(test_spans),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
