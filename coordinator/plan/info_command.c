/* yoco info: what a model folder holds. */
#include <inttypes.h>
#include <stdio.h>

#include "coordinator/cli/commands.h"
#include "coordinator/plan/input.h"
#include "coordinator/text/tokenizer.h"
#include "streams.h"

static int64_t count_table(const yoco_model_shape *m)
{
    return (int64_t)m->vocab_size * m->n_layers * m->embed_dim;
}

static int64_t count_parameters(const yoco_model_shape *m)
{
    yoco_tensor_rule rules[YOCO_N_ROLES];
    int64_t n = (m->tied ? 1 : 2) * (int64_t)m->vocab_size * m->dim + m->dim;
    for (int layer = 0; layer < m->n_layers; layer++)
        for (int i = yoco_layer_tensor_rules(&m->layers[layer], rules); i-- > 0;)
            n += yoco_rule_elements(&rules[i]);
    return n + (m->embed_dim > 0 ? count_table(m) + m->embed_dim : 0);
}

static void print_layers(const yoco_model_shape *m)
{
    char text[128];
    for (int i = 0, n; i < m->n_layers; i += n) {
        n = yoco_shape_run(m, i);
        yoco_layer_describe(&m->layers[i], text, sizeof text);
        yoco_print("%-17s%d times %s", i == 0 ? "layers" : "", n, text);
        if (m->layers[i].hidden_dim > 0)
            yoco_print(", hidden %d", m->layers[i].hidden_dim);
        yoco_print("\n");
    }
}

static void print_rotations(const yoco_model_shape *m)
{
    char text[160];
    for (int i = 0; i < m->n_rotations; i++) {
        yoco_rotation_describe(&m->rotations[i], text, sizeof text);
        yoco_print("%-17s%s\n", i == 0 ? "rotation" : "", text);
    }
}

static void print_info(const char *folder, const yoco_checkpoint *c, const char *tokenizer)
{
    const yoco_model_shape *m = c->shape;
    int64_t kept = yoco_shape_kept_width(m);
    yoco_print("model            %s\n", folder);
    yoco_print("parameters       %" PRId64 " (%s)\n", count_parameters(m),
               yoco_dtype_name(c->dtype));
    if (m->embed_dim > 0)
        yoco_print("per-layer table  %" PRId64 " of them, read from their file row by row\n",
                   count_table(m));
    yoco_print("dim              %d\n", m->dim);
    print_layers(m);
    yoco_print("K,V of a token   %" PRId64 " bytes in bf16, %" PRId64 " in f32\n", 2 * kept,
               4 * kept);
    yoco_print("vocabulary       %d%s\n", m->vocab_size,
               m->tied ? ", embedding tied to the output" : "");
    yoco_print("max_seq_len      %" PRId64 ", norm_eps %g\n", m->max_seq_len, (double)m->norm_eps);
    print_rotations(m);
    yoco_print("tokenizer        %s\n", tokenizer);
}

typedef struct info_options {
    yoco_session_options session;
    bool devices, models, tensors;
} info_options;

/* The values of --backend on this machine, the fastest first. */
static void print_devices(void)
{
    char line[256];
    const yoco_ops *ops;
    for (int i = 0; (ops = yoco_ops_at(i)); i++) {
        int n = 0;
        for (; ops->device_at(n, line, sizeof line); n++)
            yoco_print("%-10s %d  %s\n", ops->name, n, line);
        if (n == 0)
            yoco_print("%-10s    no device\n", ops->name);
    }
}

static void print_models(void)
{
    char lines[512];
    for (int i = 0; yoco_model_families_line(i, lines, sizeof lines); i++)
        yoco_print("%s\n", lines);
}

/* Of the shape: weights need not be there. */
static yoco_status print_tensors(const char *model)
{
    yoco_model_shape *shape;
    yoco_tensor_spec *specs = NULL;
    int n_specs = 0;
    YOCO_TRY(yoco_plan_shape_load(model, &shape));
    yoco_status status = yoco_model_tensors(shape, &specs, &n_specs);
    for (int i = 0; i < n_specs; i++) {
        if (specs[i].first_row > 0) /* a tensor that others begin */
            continue;
        yoco_print("%s", specs[i].name);
        for (int j = 0; j < specs[i].n_dims; j++)
            yoco_print(" %" PRId64, specs[i].shape[j]);
        yoco_print("\n");
    }
    yoco_free(specs);
    yoco_free(shape);
    return status;
}

static yoco_status info(void *parsed)
{
    info_options *o = parsed;
    const yoco_session_options *options = &o->session;
    o->session.takes_shape = true;
    if (o->devices)
        print_devices();
    if (o->models)
        print_models();
    if ((o->devices || o->models) && !options->model)
        return YOCO_OK;
    if (o->tensors)
        return print_tensors(options->model);
    yoco_checkpoint *checkpoint;
    yoco_tokenizer *tokenizer = NULL;
    char why[YOCO_LOG_LINE_BYTES], line[sizeof why + 32];
    YOCO_TRY(yoco_session_open_model(options, &checkpoint));
    yoco_status status =
        yoco_tokenizer_try(options->model, checkpoint->shape->vocab_size, why, &tokenizer);
    snprintf(line, sizeof line, "none: token ids only%s%s", why[0] ? ": " : "", why);
    if (status == YOCO_OK)
        print_info(options->model, checkpoint, tokenizer ? "yes" : line);
    yoco_tokenizer_close(tokenizer);
    yoco_checkpoint_close(checkpoint);
    return status;
}

static int run_command(const yoco_command *command, int argc, char **argv)
{
    info_options o = {.session = YOCO_SESSION_DEFAULTS};
    const yoco_option options[] = {
        {"model", 'm', "MODEL", YOCO_OPTION_STRING, &o.session.model, 0, "Model folder.",
         .path = YOCO_PATH_READS_MODEL},
        {"devices", 0, NULL, YOCO_OPTION_FLAG, &o.devices, 0,
         "List the backends and their devices."},
        {"tensors", 0, NULL, YOCO_OPTION_FLAG, &o.tensors, 0,
         "List the tensors that a model folder, or its config, asks for: name, rows, columns."},
        {"models", 0, NULL, YOCO_OPTION_FLAG, &o.models, 0,
         "List the families of models that are supported."},
    };
    return yoco_command_execute(command, options, sizeof options / sizeof *options, argc, argv,
                                info, &o);
}

const yoco_command yoco_command_info = {
    .name = "info",
    .summary = "describe a model, list devices and kinds of models",
    .synopsis = "yoco info -m MODEL [--tensors] | --devices | --models",
    .description = "Opens a model folder, checks every tensor against the config, and prints the\n"
                   "model's shape.",
    .is_alone = true,
    .run = run_command,
};
