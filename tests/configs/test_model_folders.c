/* Folders of Hugging Face in which a model is not where it is looked for, or is of another format.
 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static const char *source_folder;

static void folder_refused(const char *folder, const char *line)
{
    yoco_checkpoint *c = NULL;
    log_begin();
    yoco_status status = yoco_checkpoint_open(folder, &c);
    log_end(line);
    assert_int_not_equal(status, YOCO_OK);
    assert_null(c);
}

/* Where the weights, or all of a model, are of another format. */
static void test_weights_of_others(void **state)
{
    (void)state;
    static const struct {
        const char *file, *line;
    } rows[] = {
        {"model-Q4_K_M.gguf", "it holds model-Q4_K_M.gguf, weights in the GGUF format: download"},
        {"MODEL.GGUF", "it holds MODEL.GGUF, weights in the GGUF format: download"},
        {"pytorch_model.bin", "pytorch_model.bin, weights pickled by PyTorch: download"},
        {"pytorch_model.bin.index.json", "the index of weights pickled by PyTorch"},
        {"adapter_model.safetensors", "an adapter, which changes another model's weights: merge"},
        {"consolidated.00.pth", "consolidated.00.pth, weights pickled by PyTorch"},
        {"weights.safetensors", "safetensors under another name: call the file model.safetensors"},
        {"checkpoint.pth", "convert it (tools/convert_checkpoint.py)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *folder = folder_create();
        text_write(path_in(folder, rows[i].file), "x");
        folder_refused(folder, rows[i].line);
        file_copy(path_in(source_folder, "tests/reference/swa-tiny/params.json"),
                  path_in(folder, "params.json"));
        folder_refused(folder, rows[i].line);
        folder_remove(folder);
    }
}

/* A cache of Hugging Face, its snapshots, and a release in a folder of its own. */
static void test_models_further_down(void **state)
{
    (void)state;
    char *folder = folder_create();
    const char *snapshots = path_in(folder, "snapshots");
    assert_int_equal(mkdir(snapshots, 0700), 0);
    assert_int_equal(mkdir(path_in(folder, "snapshots/12ab"), 0700), 0);
    text_write(path_in(folder, "snapshots/12ab/config.json"), "{}");
    folder_refused(folder, "; the model is in its folder snapshots/12ab: give that");
    folder_refused(snapshots, "; the model is in its folder 12ab: give that");
    folder_remove(folder);
    folder = folder_create();
    assert_int_equal(mkdir(path_in(folder, "original"), 0700), 0);
    text_write(path_in(folder, "original/consolidated.00.pth"), "x");
    folder_refused(folder, "it holds original/consolidated.00.pth, weights pickled by PyTorch");
    folder_remove(folder);
}

/* In place of a config: looked at before it is read. */
static void test_config_of_another_format(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line;
    } rows[] = {
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
         "config.json is a Git LFS pointer, not the file itself: fetch the file (git lfs pull)"},
        {"<!DOCTYPE html><html></html>", "config.json is a page of HTML"},
        {"PK\x03\x04", "config.json is a ZIP archive"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *folder = folder_create();
        text_write(path_in(folder, "config.json"), rows[i].text);
        folder_refused(folder, rows[i].line);
        folder_remove(folder);
    }
}

int main(int argc, char **argv)
{
    source_folder = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_of_others),
        cmocka_unit_test(test_models_further_down),
        cmocka_unit_test(test_config_of_another_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
