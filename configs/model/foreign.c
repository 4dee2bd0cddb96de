#include "configs/model/foreign.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char save[] = "download the model's safetensors, or load it with its library and save "
                           "it (save_pretrained)";

static const struct {
    const char *pattern, *what, *advice;
} formats[] = {
    {"*.gguf", "weights in the GGUF format",
     "download the original model's folder, with config.json and safetensors"},
    {"adapter_model.*", "an adapter, which changes another model's weights",
     "merge it into that model first (merge_and_unload, save_pretrained)"},
    {"checkpoint.pth", "a checkpoint of PyTorch", "convert it (tools/convert_checkpoint.py)"},
    {"consolidated*.safetensors", "weights under names of their own",
     "download the folder with model.safetensors and config.json"},
    {"*.bin", "weights pickled by PyTorch", save},
    {"*.bin.index.json", "the index of weights pickled by PyTorch", save},
    {"*.pth", "weights pickled by PyTorch", save},
    {"*.pt", "weights pickled by PyTorch", save},
    {"*.ckpt", "weights pickled by PyTorch", save},
    {"*.h5", "weights of Keras", save},
    {"*.msgpack", "weights of Flax", save},
    {"*.onnx", "a graph in the ONNX format", save},
    {"*.safetensors", "safetensors under another name",
     "call the file model.safetensors, or shards as model.safetensors.index.json does"},
};

enum { N_FORMATS = sizeof formats / sizeof *formats };

static int format_of(const char *name)
{
    int i = strcmp(name, "model.safetensors") == 0 ? N_FORMATS : 0;
    while (i < N_FORMATS && fnmatch(formats[i].pattern, name, FNM_CASEFOLD) != 0)
        i++;
    return i;
}

/* Writes the name of the file of the foremost format in folder/part to `found`. */
static int find_foreign(const char *folder, const char *part, char found[256])
{
    char path[PATH_MAX];
    int best = N_FORMATS;
    snprintf(path, sizeof path, "%s/%s", folder, part);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        int format = format_of(entry->d_name);
        bool first = format < best || strcmp(entry->d_name, found) < 0;
        if (format == N_FORMATS || format > best || !first)
            continue;
        best = format;
        snprintf(found, 256, "%s", entry->d_name);
    }
    if (dir)
        closedir(dir);
    return best;
}

/* The first folder of folder/part that has a config, as "part/name"; false: there is none. */
static bool find_model(const char *folder, const char *part, char found[256])
{
    char path[PATH_MAX];
    bool any = false;
    snprintf(path, sizeof path, "%s/%s", folder, part);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char name[256];
        int n = snprintf(name, sizeof name, "%s%s", part, entry->d_name);
        int m = snprintf(path, sizeof path, "%s/%s/config.json", folder, name);
        if (entry->d_name[0] == '.' || n >= (int)sizeof name || m >= (int)sizeof path ||
            access(path, F_OK) != 0 || (any && strcmp(name, found) > 0))
            continue;
        snprintf(found, 256, "%s", name);
        any = true;
    }
    if (dir)
        closedir(dir);
    return any;
}

void yoco_foreign_weights(const char *folder, char text[YOCO_FOREIGN_TEXT])
{
    static const char *const parts[] = {"", "original/"};
    char found[256] = "";
    text[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !text[0]; i++) {
        int best = find_foreign(folder, parts[i], found);
        if (best < N_FORMATS)
            snprintf(text, YOCO_FOREIGN_TEXT, "; it holds %s%s, %s: %s", parts[i], found,
                     formats[best].what, formats[best].advice);
    }
    /* snapshots/HASH of a Hugging Face cache, or a folder of models. */
    if (!text[0] && (find_model(folder, "snapshots/", found) || find_model(folder, "", found)))
        snprintf(text, YOCO_FOREIGN_TEXT, "; the model is in its folder %s: give that", found);
}
