/* The scales of the exact merge: the bound on V that they stand for is above every value of the
 * reference models, and not far above the greatest. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "configs/files/safetensors.h"
#include "worker/model.h"

static const char *source_folder;

static char *path_of(const char *model, const char *file)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/tests/reference/%s%s", source_folder, model, file);
    return path;
}

/* The greatest part of its bound that a value of this layer is. */
static double nearest_of(const yoco_model *m, int index, const yoco_tensor *v)
{
    const yoco_layer *kept = &m->layers[index];
    int64_t width = yoco_layer_v_width(kept->shape);
    double nearest = 0;
    assert_int_equal(v->shape[1] * v->shape[2], width);
    for (int64_t i = 0; i < v->shape[0] * width; i++) {
        int log2_bound = m->l_exponent - kept->o_exponent[i % width] - 1; /* merge_scale.h */
        double part = ldexp(fabs((double)yoco_tensor_element(v, i)), -log2_bound);
        assert_true(part <= 1);
        nearest = fmax(nearest, part);
    }
    return nearest;
}

/* Each layer whose V is expected comes near its bound. */
static void check_model(const char *model, double near)
{
    const yoco_device_options options = {.n_threads = 1, .dtype = YOCO_F32};
    yoco_checkpoint *c;
    yoco_safetensors *expected;
    yoco_device *device;
    yoco_model *m;
    int n_checked = 0;
    assert_int_equal(yoco_checkpoint_open(path_of(model, ""), &c), YOCO_OK);
    assert_int_equal(yoco_safetensors_open(path_of(model, "/expected.safetensors"), &expected),
                     YOCO_OK);
    assert_int_equal(yoco_reference_ops.open(&options, &device), YOCO_OK);
    assert_int_equal(yoco_model_create(&yoco_reference_ops, device, c, YOCO_F32, false, &m),
                     YOCO_OK);
    for (int i = 0; i < m->shape->n_layers; i++) {
        char name[32] = "value_cache";
        if (!yoco_safetensors_find(expected, name))
            snprintf(name, sizeof name, "value_cache.%d", i);
        const yoco_tensor *v = yoco_safetensors_find(expected, name);
        if (!v || !m->layers[i].o_exponent)
            continue;
        assert_true(nearest_of(m, i, v) > near);
        n_checked++;
    }
    assert_true(n_checked > 0);
    yoco_model_free(m);
    yoco_reference_ops.close(device);
    yoco_safetensors_close(expected);
    yoco_checkpoint_close(c);
}

static void test_bounds(void **state)
{
    (void)state;
    check_model("swa-tiny", 0.1);
    check_model("fla-yoco-swa", 0.1);   /* a bias of V */
    check_model("phi4flash-tiny", 0.1); /* and LayerNorm's */
    check_model("phi4flash-bf16", 0.1);
    check_model("qwen35-tiny", 0.1); /* weights of norms stored less 1 */
    check_model("qwen35-text-bf16", 0.1);
    check_model("olmo-hybrid-tiny", 1e-6); /* no norm: what the layers before can make at most */
    check_model("llama-tiny", 0.1);        /* of every layer */
    check_model("qwen2-window", 0.1);
    check_model("qwen3-window", 0.1);
    check_model("gemma4-text", 0.1); /* V with a norm of its own */
    check_model("gemma4-mm-bf16", 0.1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bounds)};
    source_folder = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests_name("value_bounds", tests, NULL, NULL);
}
