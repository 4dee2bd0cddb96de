#include "configs/model/shape.h"

#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *source_folder;

static yoco_status parse(const char *text, yoco_model_config *out)
{
    return yoco_model_config_parse("params.json", text, strlen(text), out);
}

/* A field of a valid text that is replaced, added or left out. */
typedef struct change {
    const char *field, *value; /* value NULL: left out */
} change;

static void params_text(char *text, size_t size, const change *changes, int n_changes)
{
    static const change base[] = {
        {"dim", "64"},         {"n_layers", "4"},       {"hidden_dim", "176"},
        {"n_self_heads", "4"}, {"n_attn_heads", "4"},   {"n_attn_kv_heads", "2"},
        {"vocab_size", "512"}, {"max_seq_len", "1236"}, {"sliding_window", "32"}};
    size_t used = (size_t)snprintf(text, size, "{\"max_batch_size\": 1");
    for (size_t i = 0; i < sizeof base / sizeof *base; i++) {
        bool changed = false;
        for (int c = 0; c < n_changes; c++)
            changed = changed || strcmp(changes[c].field, base[i].field) == 0;
        if (!changed)
            used += (size_t)snprintf(text + used, size - used, ", \"%s\": %s", base[i].field,
                                     base[i].value);
    }
    for (int c = 0; c < n_changes; c++)
        if (changes[c].value)
            used += (size_t)snprintf(text + used, size - used, ", \"%s\": %s", changes[c].field,
                                     changes[c].value);
    snprintf(text + used, size - used, "}");
}

static yoco_status parse_changed(const change *changes, int n_changes, yoco_model_config *out)
{
    char text[4096];
    params_text(text, sizeof text, changes, n_changes);
    return parse(text, out);
}

static void test_defaults(void **state)
{
    (void)state;
    yoco_model_config c;
    log_begin();
    yoco_status status = parse_changed(NULL, 0, &c);
    log_end(NULL);
    assert_int_equal(status, YOCO_OK);
    assert_int_equal(c.dim, 64);
    assert_int_equal(c.n_layers, 4);
    assert_int_equal(c.hidden_dim, 176);
    assert_int_equal(c.n_self_heads, 4);
    assert_int_equal(c.n_attn_heads, 4);
    assert_int_equal(c.n_attn_kv_heads, 2);
    assert_int_equal(c.vocab_size, 512);
    assert_int_equal(c.max_seq_len, 1236);
    assert_int_equal(c.sliding_window, 32);
    assert_true(c.norm_eps == 1e-5f);
    assert_true(c.rope_theta == 10000);
    assert_false(c.share_input_output_embed);
    assert_false(yoco_config_is_retention(&c));
    assert_int_equal(yoco_config_kv_dim(&c), 32);
}

static void test_optional_fields(void **state)
{
    (void)state;
    yoco_model_config c;
    static const change given[] = {{"sliding_window", "null"},
                                   {"rope_theta", "8e7"},
                                   {"norm_eps", "0"},
                                   {"share_input_output_embed", "true"}};
    assert_int_equal(parse_changed(given, 4, &c), YOCO_OK);
    assert_true(yoco_config_is_retention(&c));
    assert_true(c.rope_theta == 8e7);
    assert_true(c.norm_eps == 0);
    assert_true(c.share_input_output_embed);
    assert_int_equal(parse_changed(&(change){"sliding_window", NULL}, 1, &c), YOCO_OK);
    assert_true(yoco_config_is_retention(&c));
}

static void test_odd_layer_is_not_there(void **state)
{
    (void)state;
    yoco_model_config c;
    assert_int_equal(parse_changed(&(change){"n_layers", "7"}, 1, &c), YOCO_OK);
    assert_int_equal(c.n_layers, 6);
    assert_int_equal(yoco_config_n_self_layers(&c), 3);
}

static void test_bounds_are_legal(void **state)
{
    (void)state;
    static const change rows[] = {{"max_seq_len", "1"},     {"max_seq_len", "68719476736"},
                                  {"vocab_size", "1"},      {"vocab_size", "16777216"},
                                  {"sliding_window", "1"},  {"sliding_window", "16777216"},
                                  {"hidden_dim", "1"},      {"n_self_heads", "32"},
                                  {"n_attn_kv_heads", "1"}, {"n_layers", "2"},
                                  {"dim", "1048576"},       {"rope_theta", "1"},
                                  {"norm_eps", "0.5"}};
    yoco_model_config c;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(parse_changed(&rows[i], 1, &c), YOCO_OK);
}

static void test_refused_values(void **state)
{
    (void)state;
    static const struct {
        change change;
        const char *expected;
    } rows[] = {
        {{"dim", NULL}, "field dim is missing"},
        {{"n_layers", NULL}, "field n_layers is missing"},
        {{"hidden_dim", NULL}, "field hidden_dim is missing"},
        {{"n_self_heads", NULL}, "field n_self_heads is missing"},
        {{"n_attn_heads", NULL}, "field n_attn_heads is missing"},
        {{"n_attn_kv_heads", NULL}, "field n_attn_kv_heads is missing"},
        {{"vocab_size", NULL}, "field vocab_size is missing"},
        {{"max_seq_len", NULL}, "field max_seq_len is missing"},
        {{"max_seq_len", "-1"}, "max_seq_len is -1, the release's mark for unset"},
        {{"max_seq_len", "0"}, "max_seq_len is 0"},
        {{"max_seq_len", "68719476737"}, "max_seq_len is 68719476737; give an integer"},
        {{"max_seq_len", "9223372036854775808"}, "is 9.22337203685478e18"},
        {{"dim", "64.5"}, "dim is 64.5; give an integer"},
        {{"dim", "\"64\""}, "dim is \"64\""},
        {{"dim", "null"}, "dim is null"},
        {{"dim", "true"}, "dim is true"},
        {{"dim", "[64]"}, "dim is [64]"},
        {{"dim", "-64"}, "dim is -64"},
        {{"dim", "1048578"}, "dim is 1048578"},
        {{"dim", "4294967360"}, "dim is 4294967360"},
        {{"n_layers", "1"}, "n_layers is 1;"},
        {{"n_layers", "4097"}, "n_layers is 4097"},
        {{"hidden_dim", "0"}, "hidden_dim is 0"},
        {{"n_self_heads", "0"}, "n_self_heads is 0"},
        {{"n_self_heads", "3"}, "3 heads (n_self_heads)"},
        {{"n_self_heads", "64"}, "64 heads (n_self_heads)"},
        {{"n_attn_heads", "6"}, "6 heads (n_attn_heads)"},
        {{"n_attn_kv_heads", "3"}, "multiple of n_attn_kv_heads 3"},
        {{"n_attn_kv_heads", "8"}, "multiple of n_attn_kv_heads 8"},
        {{"vocab_size", "16777217"}, "vocab_size is 16777217"},
        {{"sliding_window", "0"}, "sliding_window is 0"},
        {{"sliding_window", "false"}, "sliding_window is false"},
        {{"sliding_window", "16777217"}, "sliding_window is 16777217"},
        {{"rope_theta", "0"}, "rope_theta is 0"},
        {{"rope_theta", "-1.5"}, "rope_theta is -1.5"},
        {{"rope_theta", "1e300"}, "rope_theta is 1e300"},
        {{"rope_theta", "1e999"}, "rope_theta is 1e308"},
        {{"rope_theta", "null"}, "rope_theta is null"},
        {{"norm_eps", "-1e-5"}, "norm_eps is -"},
        {{"norm_eps", "NaN"}, "not valid JSON"},
        {{"norm_eps", "\"1e-5\""}, "norm_eps is \"1e-5\""},
        {{"share_input_output_embed", "1"}, "share_input_output_embed is 1"},
        {{"max_batch_size", "1"}, "duplicate object key"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        yoco_model_config c = {.dim = -7};
        log_begin();
        yoco_status status = parse_changed(&rows[i].change, 1, &c);
        log_end(rows[i].expected);
        assert_int_equal(status, YOCO_ERR_DATA);
        assert_int_equal(c.dim, -7);
    }
}

static void test_refused_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } rows[] = {{"", "is empty"},
                {"[]", "not an object"},
                {"{\"dim\": 64", "not valid"},
                {"{} {}", "not valid JSON"},
                {"null", "not valid JSON"},
                {"{\"dim\\u0000\": 1}", "not valid JSON"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        yoco_model_config c;
        log_begin();
        yoco_status status = parse(rows[i].text, &c);
        log_end(rows[i].expected);
        assert_int_equal(status, YOCO_ERR_DATA);
    }
}

static void test_deep_nesting(void **state)
{
    (void)state;
    static char text[1 << 20];
    memset(text, '[', sizeof text);
    yoco_model_config c;
    log_begin();
    yoco_status status = yoco_model_config_parse("params.json", text, sizeof text, &c);
    log_end("maximum parsing depth");
    assert_int_equal(status, YOCO_ERR_DATA);
}

static void test_too_long(void **state)
{
    (void)state;
    static char text[(1 << 20) + 1];
    memset(text, ' ', sizeof text);
    yoco_model_config c;
    log_begin();
    yoco_status status = yoco_model_config_parse("params.json", text, sizeof text, &c);
    log_end("too long");
    assert_int_equal(status, YOCO_ERR_DATA);
}

static void test_unknown_field_warns(void **state)
{
    (void)state;
    yoco_model_config c;
    static const change given[] = {{"use_moe", "true"}, {"batch\\n_size", "2"}};
    log_begin();
    yoco_status status = parse_changed(given, 2, &c);
    log_end("warning: params.json: ignoring unknown fields: use_moe batch?_size");
    assert_int_equal(status, YOCO_OK);
}

static void test_load(void **state)
{
    (void)state;
    static const char *const names[] = {"demo", "160m", "3b"};
    static const char *const kinds[] = {"window", "retention"};
    static const int dims[] = {256, 768, 3072}, windows[] = {256, 512, 1024};
    yoco_model_shape *shape = NULL;
    for (int n = 0; n < 3; n++) {
        for (int k = 0; k < 2; k++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/configs/shapes/yoco-%s-%s.json", source_folder,
                     names[n], kinds[k]);
            assert_int_equal(yoco_model_shape_load(path, &shape), YOCO_OK);
            assert_int_equal(shape->dim, dims[n]);
            assert_int_equal(shape->layers[0].window, k == 0 ? windows[n] : 0);
            assert_true(shape->max_seq_len > 1 << 20);
            yoco_free(shape);
        }
    }
    log_begin();
    yoco_status status = yoco_model_shape_load("/no/such/params.json", &shape);
    log_end("cannot open /no/such/params.json");
    assert_int_equal(status, YOCO_ERR_OPEN);
}

int main(int argc, char **argv)
{
    source_folder = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_optional_fields),
        cmocka_unit_test(test_odd_layer_is_not_there),
        cmocka_unit_test(test_bounds_are_legal),
        cmocka_unit_test(test_refused_values),
        cmocka_unit_test(test_refused_texts),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_unknown_field_warns),
        cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
