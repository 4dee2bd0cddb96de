/* yoco init: a model folder with random weights. */
#include <string.h>

#include "configs/checkpoint.h"
#include "coordinator/commands.h"

typedef struct init_options {
    const char *shape, *folder, *dtype;
    uint64_t seed;
} init_options;

static yoco_status init(void *parsed)
{
    const init_options *o = parsed;
    yoco_model_config config;
    yoco_checkpoint *checkpoint;
    bool f32 = strcmp(o->dtype, "f32") == 0;
    if (!o->shape || !o->folder || (!f32 && strcmp(o->dtype, "bf16") != 0)) {
        yoco_log_error("yoco init: give --shape FILE and -o FOLDER; --dtype is f32 or bf16");
        return YOCO_ERR_USAGE;
    }
    YOCO_TRY(yoco_model_config_load(o->shape, &config));
    YOCO_TRY(yoco_checkpoint_random(&config, f32 ? YOCO_F32 : YOCO_BF16, o->seed, &checkpoint));
    yoco_status status = yoco_checkpoint_save(checkpoint, o->folder);
    yoco_checkpoint_close(checkpoint);
    return status;
}

static int run_command(const yoco_command *command, int argc, char **argv)
{
    init_options o = {.dtype = "bf16"};
    const yoco_option options[] = {
        {"shape", 0, "FILE", YOCO_OPTION_STRING, &o.shape, 0,
         "A params.json, for instance one of configs/shapes/."},
        {"output", 'o', "FOLDER", YOCO_OPTION_STRING, &o.folder, 0, "The model folder to write."},
        {"dtype", 0, "f32|bf16", YOCO_OPTION_STRING, &o.dtype, 0, "Of the weights (default bf16)."},
        {"seed", 0, "S", YOCO_OPTION_U64, &o.seed, 0, "Of the weights (default 0)."},
    };
    return yoco_command_execute(command, options, sizeof options / sizeof *options, argc, argv,
                                init, &o);
}

const yoco_command yoco_command_init = {
    .name = "init",
    .summary = "make a model folder with random weights",
    .synopsis = "yoco init --shape FILE -o FOLDER [OPTION]...",
    .description =
        "Writes params.json and model.safetensors with seeded random weights of a given shape,\n"
        "the same on every machine: for tests, measurements and scaling experiments. A\n"
        "tokenizer, where one is wanted, is copied beside them by hand (docs/MODELS.md).",
    .examples = "yoco init --shape configs/shapes/yoco-demo-window.json -o /tmp/demo",
    .is_alone = true,
    .run = run_command,
};
