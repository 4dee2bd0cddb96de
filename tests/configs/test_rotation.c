/* Rotations: their frequencies, against those of transformers 5.24 in float64, and what a config
 * says of them. */
#include "configs/model/hf_config.h"

#include "fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The rotation of a config with this text, of heads of head_dim. */
static yoco_status read(const char *text, int head_dim, yoco_rotation *out)
{
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    const yoco_fields f = {"config.json", "", root, true};
    *out = (yoco_rotation){.head_dim = head_dim, .theta = 10000, .halves = true};
    yoco_status status = yoco_hf_rotation(&f, out);
    json_decref(root);
    return status;
}

static void check(const char *text, int head_dim, double amplitude, const double *frequencies)
{
    yoco_rotation r;
    assert_int_equal(read(text, head_dim, &r), YOCO_OK);
    assert_true(fabs(yoco_rotation_amplitude(&r) - amplitude) < 1e-15);
    for (int i = 0; i < yoco_rotation_pairs(&r); i++) {
        double frequency = yoco_rotation_frequency(&r, i);
        if (!(fabs(frequency - frequencies[i]) <= 4e-16 * frequencies[i]))
            fail_msg("%s: frequency %d is %.17g", text, i, frequency);
    }
}

static void test_frequencies(void **state)
{
    (void)state;
    check("{}", 8, 1, (const double[]){1, 0.1, 0.01, 0.001});
    check("{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.5}}", 8, 1,
          (const double[]){0.4, 0.04, 0.004, 0.0004});
    check("{\"rope_theta\": 500000, \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8,"
          "\"low_freq_factor\": 1, \"high_freq_factor\": 4,"
          "\"original_max_position_embeddings\": 8192}}",
          16, 1,
          (const double[]){1, 0.19392274474868576, 0.037606030930863933, 0.0072926647372171085,
                           0.00052484616099295468, 3.4281021959525912e-05, 6.6478698711812362e-06,
                           1.2891731721515574e-06});
    check("{\"rope_parameters\": {\"rope_type\": \"yarn\", \"factor\": 4, \"rope_theta\": 1e6,"
          "\"original_max_position_embeddings\": 32768}}",
          16, 1.138629436111989,
          (const double[]){1, 0.17782794100389226, 0.031622776601683791, 0.004217559938927618,
                           0.00050000000000000001, 4.4456985250973067e-05, 7.9056941504209488e-06,
                           1.4058533129758728e-06});
    check("{\"rope_parameters\": {\"rope_type\": \"yarn\", \"factor\": 4, \"rope_theta\": 1e6,"
          "\"original_max_position_embeddings\": 32768, \"truncate\": false, \"beta_fast\": 20,"
          "\"beta_slow\": 2}}",
          16, 1.138629436111989,
          (const double[]){1, 0.17782794100389226, 0.031622776601683791, 0.005623413251903491,
                           0.00056218005320321648, 4.4456985250973067e-05, 7.9056941504209488e-06,
                           1.4058533129758728e-06});
    check("{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40, \"mscale\": 0.7,"
          "\"mscale_all_dim\": 1.2, \"original_max_position_embeddings\": 4096}}",
          16, 0.8721505655360163,
          (const double[]){1, 0.31622776601683794, 0.1, 0.023914724805023366, 0.005125,
                           0.00084986212117025184, 2.5e-05, 7.9056941504209471e-06});
    /* The band lies before the first pair. */
    check("{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 16, \"attention_factor\": 1.5,"
          "\"original_max_position_embeddings\": 16}}",
          8, 1.5, (const double[]){1, 0.00625, 0.000625, 6.25e-05});
    check("{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, \"partial_rotary_factor\": 0.5,"
          "\"original_max_position_embeddings\": 2048}}",
          16, 1.0693147180559945, (const double[]){1, 0.1, 0.0075, 0.0005});
}

/* Pairs from n_turned on stay; those before turn as if all did. */
static void test_turned_pairs(void **state)
{
    (void)state;
    yoco_rotation r = {.head_dim = 16, .n_turned = 2, .theta = 10000, .halves = true};
    assert_int_equal(yoco_rotation_pairs(&r), 8);
    assert_true(yoco_rotation_frequency(&r, 1) == pow(10000, -0.125));
    for (int i = 2; i < 8; i++)
        assert_true(yoco_rotation_frequency(&r, i) == 0);
}

/* Where a field stands, and what it means where it stands twice. */
static void test_places(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        yoco_rope_scaling scaling;
        double theta, original;
        int width;
    } rows[] = {
        {"{\"rope_theta\": 500}", YOCO_ROPE_PLAIN, 500, 0, 16},
        {"{\"rope_theta\": 500, \"rope_scaling\": null, \"rope_parameters\": null}",
         YOCO_ROPE_PLAIN, 500, 0, 16},
        {"{\"rope_theta\": 500, \"rope_parameters\": {\"rope_theta\": 7}}", YOCO_ROPE_PLAIN, 7, 0,
         16},
        {"{\"rope_parameters\": {\"rope_type\": \"default\", \"factor\": 2}}", YOCO_ROPE_PLAIN,
         10000, 0, 16},
        {"{\"rope_parameters\": {\"rope_theta\": 7}, \"rope_scaling\": {\"type\": \"linear\","
         "\"factor\": 2}}",
         YOCO_ROPE_LINEAR, 10000, 0, 16},
        {"{\"rope_parameters\": {\"type\": \"linear\", \"factor\": 2}, \"rope_scaling\": {}}",
         YOCO_ROPE_LINEAR, 10000, 0, 16},
        {"{\"rope_scaling\": {\"type\": \"linear\", \"rope_type\": \"yarn\", \"factor\": 2},"
         "\"max_position_embeddings\": 300}",
         YOCO_ROPE_YARN, 10000, 300, 16},
        {"{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2,"
         "\"original_max_position_embeddings\": 30}, \"max_position_embeddings\": 300}",
         YOCO_ROPE_YARN, 10000, 30, 16},
        {"{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2,"
         "\"original_max_position_embeddings\": 30}, \"original_max_position_embeddings\": 40}",
         YOCO_ROPE_YARN, 10000, 40, 16},
        {"{\"partial_rotary_factor\": 0.25}", YOCO_ROPE_PLAIN, 10000, 0, 4},
        {"{\"partial_rotary_factor\": 0.5,"
         "\"rope_parameters\": {\"partial_rotary_factor\": 0.25}}",
         YOCO_ROPE_PLAIN, 10000, 0, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        yoco_rotation r;
        assert_int_equal(read(rows[i].text, 16, &r), YOCO_OK);
        assert_int_equal(r.scaling, rows[i].scaling);
        assert_true(r.theta == rows[i].theta);
        assert_true(r.original == rows[i].original);
        assert_int_equal(yoco_rotation_width(&r), rows[i].width);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line;
    } rows[] = {
        {"{\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2}}",
         "config.json: field rope_scaling.type is \"dynamic\"; give one that is supported: "
         "default, linear, llama3, yarn"},
        {"{\"rope_parameters\": {\"rope_type\": \"longrope\"}}",
         "rope_parameters.rope_type is \"longrope\""},
        {"{\"rope_scaling\": {\"factor\": 2}}", "rope_scaling.factor is 2"},
        {"{\"rope_scaling\": {\"type\": \"linear\"}}", "rope_scaling.factor is missing"},
        {"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": null}}", "factor is null"},
        {"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 0.5}}", "factor is 0.5"},
        {"{\"rope_scaling\": {\"type\": \"llama3\", \"factor\": 8, \"high_freq_factor\": 4,"
         "\"original_max_position_embeddings\": 64}}",
         "high_freq_factor 4 is not above low_freq_factor 0"},
        {"{\"rope_scaling\": {\"type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 4,"
         "\"high_freq_factor\": 4, \"original_max_position_embeddings\": 64}}",
         "rope_scaling.high_freq_factor 4 is not above low_freq_factor 4"},
        {"{\"rope_scaling\": {\"type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1,"
         "\"high_freq_factor\": 4}}",
         "original_max_position_embeddings is missing"},
        {"{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 8, \"beta_fast\": 0.5,"
         "\"original_max_position_embeddings\": 8}}",
         "beta_fast 0.5 is not above beta_slow 1"},
        {"{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 8, \"truncate\": 1,"
         "\"original_max_position_embeddings\": 8}}",
         "truncate is 1"},
        {"{\"rope_theta\": 0.5, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 8,"
         "\"original_max_position_embeddings\": 8}}",
         "rope_theta 0.5 is too small for yarn"},
        {"{\"partial_rotary_factor\": 0.2}",
         "partial_rotary_factor 0.2 of heads of 16 leaves no whole pairs"},
        {"{\"partial_rotary_factor\": 0}", "partial_rotary_factor 0 of heads"},
        {"{\"partial_rotary_factor\": 1.5}", "partial_rotary_factor is 1.5"},
        {"{\"rope_theta\": \"x\"}", "rope_theta is \"x\""},
        {"{\"rope_scaling\": 4}", "rope_scaling is 4; give an object"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        yoco_rotation r;
        log_begin();
        yoco_status status = read(rows[i].text, 16, &r);
        log_end(rows[i].line);
        assert_int_equal(status, YOCO_ERR_DATA);
        assert_true(r.theta == 10000 && r.width == 0); /* as it was */
    }
}

static void test_texts(void **state)
{
    (void)state;
    char text[160], other[384], one[384];
    yoco_rotation r;
    assert_int_equal(read("{}", 16, &r), YOCO_OK);
    yoco_rotation_describe(&r, text, sizeof text);
    assert_string_equal(text, "theta 10000, heads of 16");
    yoco_rotation_identify(&r, one, sizeof one);
    assert_string_equal(one, "16 10000 1 0"); /* as before there were others: contexts load again */
    r.n_turned = 2;
    yoco_rotation_describe(&r, text, sizeof text);
    assert_string_equal(text, "theta 10000, heads of 16, 4 channels of each");
    yoco_rotation_identify(&r, other, sizeof other);
    assert_string_not_equal(one, other);
    r = (yoco_rotation){.head_dim = 16, .width = 4, .theta = 10000, .halves = true};
    r.scaling = YOCO_ROPE_LINEAR;
    r.factor = 2;
    yoco_rotation_describe(&r, text, sizeof text);
    assert_string_equal(text, "theta 10000, heads of 16, 4 channels of each, linear 2 times");
    yoco_rotation_identify(&r, one, sizeof one);
    r.factor = 2.5;
    yoco_rotation_identify(&r, other, sizeof other);
    assert_string_not_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frequencies), cmocka_unit_test(test_turned_pairs),
        cmocka_unit_test(test_places),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests_name("configs_rotation", tests, NULL, NULL);
}
