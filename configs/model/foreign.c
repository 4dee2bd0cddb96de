#include "configs/model/foreign.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

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
    while (i < N_FORMATS && fnmatch(formats[i].pattern, name, 0) != 0)
        i++;
    return i;
}

void yoco_foreign_weights(const char *folder, char text[YOCO_FOREIGN_TEXT])
{
    char found[256] = "";
    int best = N_FORMATS;
    DIR *dir = opendir(folder);
    text[0] = '\0';
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        int format = format_of(entry->d_name);
        bool first = format < best || strcmp(entry->d_name, found) < 0;
        if (format == N_FORMATS || format > best || !first)
            continue;
        best = format;
        snprintf(found, sizeof found, "%s", entry->d_name);
    }
    if (dir)
        closedir(dir);
    if (best < N_FORMATS)
        snprintf(text, YOCO_FOREIGN_TEXT, "; it holds %s, %s: %s", found, formats[best].what,
                 formats[best].advice);
}
