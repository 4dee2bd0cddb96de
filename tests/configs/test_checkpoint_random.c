#include "configs/model/checkpoint.h"

#include "fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static yoco_model_config small_config(bool retention, bool tied)
{
    return (yoco_model_config){.dim = 64,
                               .n_layers = 4,
                               .hidden_dim = 176,
                               .n_self_heads = 4,
                               .n_attn_heads = 4,
                               .n_attn_kv_heads = 2,
                               .vocab_size = 512,
                               .sliding_window = retention ? 0 : 32,
                               .max_seq_len = 4096,
                               .norm_eps = 1e-5f,
                               .rope_theta = 12345.678,
                               .share_input_output_embed = tied};
}

static yoco_status make(const yoco_model_config *config, yoco_dtype dtype, uint64_t seed,
                        yoco_checkpoint **out)
{
    yoco_model_shape *shape;
    assert_int_equal(yoco_model_shape_make(config, &shape), YOCO_OK);
    yoco_status status = yoco_checkpoint_random(shape, dtype, seed, out);
    yoco_free(shape);
    return status;
}

static double rms(const yoco_tensor *tensor)
{
    const float *values = tensor->data;
    size_t n = tensor->bytes / sizeof *values;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)values[i] * values[i];
    return sqrt(sum / (double)n);
}

static void near(double found, double expected)
{
    if (fabs(found - expected) > 0.03 * expected)
        fail_msg("%g is not near %g", found, expected);
}

static void test_scale(void **state)
{
    (void)state;
    yoco_model_config config = small_config(true, false);
    yoco_checkpoint *c;
    assert_int_equal(make(&config, YOCO_F32, 1, &c), YOCO_OK);
    near(rms(c->embed_tokens), 1 / 8.);
    near(rms(c->output_projection), 1.5 / 8);
    near(rms(c->layers[2].role[YOCO_ROLE_K]), 1 / 8.);
    near(rms(c->layers[0].role[YOCO_ROLE_Q]), 1 / 8.);
    near(rms(c->layers[4].role[YOCO_ROLE_FC2]), 1 / sqrt(176));
    near(rms(c->final_norm), 1);
    assert_true(memcmp(c->layers[0].role[YOCO_ROLE_FC1]->data,
                       c->layers[0].role[YOCO_ROLE_GATE]->data, 64) != 0);
    yoco_checkpoint_close(c);
}

/* The bits of one seed, once and for all: other machines and later versions make the same model. */
static void test_known_bits(void **state)
{
    (void)state;
    yoco_model_config config = small_config(false, false);
    yoco_checkpoint *c;
    assert_int_equal(make(&config, YOCO_F32, 42, &c), YOCO_OK);
    static const float expected[] = {-0x1.1a98dep-5f, 0x1.e2865cp-4f, -0x1.a3cfb8p-5f,
                                     0x1.6d17c6p-4f};
    assert_memory_equal(c->embed_tokens->data, expected, sizeof expected);
    yoco_checkpoint_close(c);
}

static void test_seed_and_dtype(void **state)
{
    (void)state;
    yoco_model_config config = small_config(false, true);
    yoco_checkpoint *a, *b, *other, *half;
    assert_int_equal(make(&config, YOCO_F32, 7, &a), YOCO_OK);
    assert_int_equal(make(&config, YOCO_F32, 7, &b), YOCO_OK);
    assert_int_equal(make(&config, YOCO_F32, 8, &other), YOCO_OK);
    assert_int_equal(make(&config, YOCO_BF16, 7, &half), YOCO_OK);
    assert_ptr_equal(a->output_projection, a->embed_tokens);
    const yoco_tensor *fc1 = a->layers[3].role[YOCO_ROLE_FC1];
    assert_memory_equal(fc1->data, b->layers[3].role[YOCO_ROLE_FC1]->data, fc1->bytes);
    assert_true(memcmp(fc1->data, other->layers[3].role[YOCO_ROLE_FC1]->data, 64) != 0);
    const float *full = fc1->data;
    const uint16_t *rounded = half->layers[3].role[YOCO_ROLE_FC1]->data;
    for (size_t i = 0; i < fc1->bytes / sizeof *full; i++)
        assert_int_equal(rounded[i], yoco_f32_to_bf16(full[i]));
    assert_int_equal(half->dtype, YOCO_BF16);
    yoco_checkpoint_close(a);
    yoco_checkpoint_close(b);
    yoco_checkpoint_close(other);
    yoco_checkpoint_close(half);

    log_begin();
    yoco_status status = make(&config, YOCO_F16, 7, &a);
    log_end("not F16");
    assert_int_equal(status, YOCO_ERR_USAGE);
}

static void save_and_compare(bool retention, bool tied, yoco_dtype dtype)
{
    yoco_model_config config = small_config(retention, tied);
    yoco_checkpoint *made, *opened;
    char *folder = folder_create();
    const char *model = path_in(folder, "model");
    assert_int_equal(make(&config, dtype, 3, &made), YOCO_OK);
    assert_int_equal(yoco_checkpoint_save(made, model), YOCO_OK);
    assert_int_equal(yoco_checkpoint_save(made, model), YOCO_OK);
    assert_int_equal(yoco_checkpoint_open(model, &opened), YOCO_OK);
    const yoco_model_config read = config_of(opened->shape);
    assert_int_equal(read.sliding_window, config.sliding_window);
    assert_int_equal(read.max_seq_len, config.max_seq_len);
    assert_true(read.norm_eps == config.norm_eps);
    assert_true(read.rope_theta == config.rope_theta);
    assert_int_equal(read.share_input_output_embed, tied);
    assert_int_equal(opened->dtype, dtype);
    const yoco_tensor *a = made->layers[1].role[YOCO_ROLE_K],
                      *b = opened->layers[1].role[YOCO_ROLE_K];
    assert_memory_equal(a->data, b->data, a->bytes);
    yoco_tensor_release(made, a);
    assert_memory_equal(a->data, b->data, a->bytes);
    a = made->final_norm, b = opened->final_norm;
    assert_memory_equal(a->data, b->data, a->bytes);
    yoco_checkpoint_close(made);
    yoco_checkpoint_close(opened);
    folder_remove(folder);
}

static void test_save(void **state)
{
    (void)state;
    save_and_compare(false, false, YOCO_F32);
    save_and_compare(true, true, YOCO_BF16);
}

static void test_save_refused(void **state)
{
    (void)state;
    yoco_model_config config = small_config(false, false);
    yoco_checkpoint *c;
    assert_int_equal(make(&config, YOCO_F32, 3, &c), YOCO_OK);
    log_begin();
    yoco_status status = yoco_checkpoint_save(c, "/no/such/folder");
    log_end("cannot create folder /no/such/folder");
    assert_int_equal(status, YOCO_ERR_OPEN);
    yoco_checkpoint_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scale),          cmocka_unit_test(test_known_bits),
        cmocka_unit_test(test_seed_and_dtype), cmocka_unit_test(test_save),
        cmocka_unit_test(test_save_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
