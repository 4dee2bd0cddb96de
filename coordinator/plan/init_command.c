/* yoco init: a model folder with random weights. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "configs/files/lock.h"
#include "configs/files/path.h"
#include "configs/model/checkpoint.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/paths.h"

typedef struct init_options {
    const char *shape, *folder, *dtype;
    uint64_t seed;
    bool overwrite;
} init_options;

/* Weights cannot be had again from anything that is left. */
static yoco_status check_folder(const char *folder)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json",
                                        "params.json", "config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[PATH_MAX];
        struct stat info;
        YOCO_TRY(yoco_path_join(folder, names[i], path));
        if (lstat(path, &info) == 0) {
            yoco_log_error("yoco init: %s is there: give another folder with -o, or --overwrite to "
                           "replace the model in this one",
                           path);
            return YOCO_ERR_USAGE;
        }
    }
    return YOCO_OK;
}

/* The folder is locked: weights and config of two runs must not mix. */
static yoco_status save(const init_options *o, const yoco_checkpoint *checkpoint)
{
    yoco_lock *lock;
    if (mkdir(o->folder, 0777) != 0 && errno != EEXIST) {
        int error = errno;
        yoco_log_error("cannot create folder %s: %s", o->folder, strerror(error));
        return yoco_status_of_errno(error);
    }
    YOCO_TRY(yoco_lock_folder(o->folder, &lock));
    yoco_status status = o->overwrite ? YOCO_OK : check_folder(o->folder);
    if (status == YOCO_OK)
        status = yoco_checkpoint_save(checkpoint, o->folder);
    yoco_lock_release(lock);
    return status;
}

static yoco_status init(void *parsed)
{
    const init_options *o = parsed;
    yoco_model_shape *shape;
    yoco_checkpoint *checkpoint;
    bool f32 = strcmp(o->dtype, "f32") == 0;
    if (!o->shape || !o->folder || (!f32 && strcmp(o->dtype, "bf16") != 0)) {
        yoco_log_error("yoco init: give --shape FILE and -o FOLDER; --dtype is f32 or bf16");
        return YOCO_ERR_USAGE;
    }
    YOCO_TRY(yoco_model_shape_load(o->shape, &shape));
    yoco_status status = yoco_paths_check();
    if (status == YOCO_OK && !o->overwrite)
        status = check_folder(o->folder);
    if (status == YOCO_OK)
        status = yoco_checkpoint_random(shape, f32 ? YOCO_F32 : YOCO_BF16, o->seed, &checkpoint);
    yoco_free(shape);
    YOCO_TRY(status);
    status = save(o, checkpoint);
    yoco_checkpoint_close(checkpoint);
    return status;
}

static int run_command(const yoco_command *command, int argc, char **argv)
{
    init_options o = {.dtype = "bf16"};
    const yoco_option options[] = {
        {"shape", 0, "FILE", YOCO_OPTION_STRING, &o.shape, 0,
         "A params.json or config.json, for instance one of configs/shapes/.",
         .path = YOCO_PATH_READS_FILE},
        {"output", 'o', "FOLDER", YOCO_OPTION_STRING, &o.folder, 0, "The model folder to write.",
         .path = YOCO_PATH_WRITES_MODEL},
        {"dtype", 0, "f32|bf16", YOCO_OPTION_STRING, &o.dtype, 0, "Of the weights (default bf16)."},
        {"seed", 0, "S", YOCO_OPTION_U64, &o.seed, 0, "Of the weights (default 0)."},
        {"overwrite", 0, NULL, YOCO_OPTION_FLAG, &o.overwrite, 0,
         "Replace the model that is in FOLDER."},
    };
    return yoco_command_execute(command, options, sizeof options / sizeof *options, argc, argv,
                                init, &o);
}

const yoco_command yoco_command_init = {
    .name = "init",
    .summary = "make a model folder with random weights",
    .synopsis = "yoco init --shape FILE -o FOLDER [OPTION]...",
    .description =
        "Writes the config and model.safetensors with seeded random weights of a given shape, the\n"
        "same on every machine: for tests, measurements and scaling experiments. A tokenizer,\n"
        "where one is wanted, is copied beside them by hand (docs/MODELS.md).",
    .examples = "yoco init --shape configs/shapes/yoco-demo-window.json -o /tmp/demo",
    .is_alone = true,
    .run = run_command,
};
