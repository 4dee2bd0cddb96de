#include "configs/context/file.h"

#include "configs/files/lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const yoco_context_manifest_name = "manifest.json";
const char *const yoco_context_partial_name = "partial.json";

static const char *const kinds[] = {"document", "chunk", "edge"};
static const char suffix[] = ".safetensors";

yoco_status yoco_context_part_path(const char *folder, const yoco_context_part *part,
                                   char path[PATH_MAX])
{
    char name[64];
    if (part->kind == YOCO_CONTEXT_DOCUMENT)
        snprintf(name, sizeof name, "%s%s", kinds[part->kind], suffix);
    else
        snprintf(name, sizeof name, "%s-%06" PRId64 "%s", kinds[part->kind], part->chunk, suffix);
    return yoco_path_join(folder, name, path);
}

/* "", or ".<process>.tmp" as an interrupted write leaves it. */
static bool is_tail(const char *text)
{
    if (text[0] == '\0')
        return true;
    size_t digits = text[0] == '.' ? strspn(text + 1, "0123456789") : 0;
    return digits > 0 && strcmp(text + 1 + digits, ".tmp") == 0;
}

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

bool yoco_context_owns_name(const char *name)
{
    const char *const whole[] = {yoco_context_manifest_name, yoco_context_partial_name,
                                 "document.safetensors"};
    if (strcmp(name, YOCO_LOCK_NAME) == 0)
        return true;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (begins(name, whole[i]) && is_tail(name + strlen(whole[i])))
            return true;
    for (int kind = YOCO_CONTEXT_CHUNK; kind <= YOCO_CONTEXT_EDGE; kind++) {
        const char *rest = name + strlen(kinds[kind]) + 1;
        if (!begins(name, kinds[kind]) || rest[-1] != '-')
            continue;
        size_t digits = strspn(rest, "0123456789");
        rest += digits;
        return digits >= 6 && begins(rest, suffix) && is_tail(rest + strlen(suffix));
    }
    return false;
}

bool yoco_context_passes_name(const char *name)
{
    static const char *const beginnings[] = {".nfs", ".fuse_hidden", "._"};
    static const char *const whole[] = {".DS_Store", ".snapshot", "lost+found"};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (begins(name, beginnings[i]))
            return true;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcmp(name, whole[i]) == 0)
            return true;
    return false;
}

/* What the metadata says. The checksum is the last. */
enum { N_NOTES = 11, NOTE_BYTES = YOCO_CONTEXT_ARITHMETIC_BYTES };

typedef struct note_list {
    yoco_safetensors_note_entry entries[N_NOTES];
    char values[N_NOTES][NOTE_BYTES];
} note_list;

static void notes_make(const yoco_context_part *part, yoco_hash checksum, note_list *notes)
{
    static const char *const keys[N_NOTES] = {"yoco_context", "part",       "chunk",      "model",
                                              "tokenizer",    "document",   "arithmetic", "dtype",
                                              "n_tokens",     "chunk_rows", "checksum"};
    const yoco_context_identity *id = part->identity;
    char(*v)[NOTE_BYTES] = notes->values;
    snprintf(v[0], NOTE_BYTES, "%d", YOCO_CONTEXT_VERSION);
    snprintf(v[1], NOTE_BYTES, "%s", kinds[part->kind]);
    snprintf(v[2], NOTE_BYTES, "%" PRId64, part->chunk);
    yoco_hash_text(id->model, v[3]);
    yoco_hash_text(id->tokenizer, v[4]);
    yoco_hash_text(id->document, v[5]);
    snprintf(v[6], NOTE_BYTES, "%s", id->arithmetic);
    snprintf(v[7], NOTE_BYTES, "%s", yoco_dtype_name(id->dtype));
    snprintf(v[8], NOTE_BYTES, "%" PRId64, id->n_tokens);
    snprintf(v[9], NOTE_BYTES, "%" PRId64, id->chunk_rows);
    yoco_hash_text(checksum, v[10]);
    for (int i = 0; i < N_NOTES; i++)
        notes->entries[i] = (yoco_safetensors_note_entry){keys[i], v[i]};
}

yoco_status yoco_context_file_create(const char *path, const yoco_context_part *part,
                                     yoco_hash checksum, const yoco_tensor *tensors, int n_tensors,
                                     yoco_safetensors_writer **out)
{
    note_list notes;
    notes_make(part, checksum, &notes);
    return yoco_safetensors_create_noted(path, notes.entries, N_NOTES, tensors, n_tensors, out);
}

yoco_status yoco_context_file_seal(yoco_safetensors_writer *writer, yoco_hash checksum)
{
    char text[NOTE_BYTES];
    yoco_hash_text(checksum, text);
    return yoco_safetensors_set_note(writer, "checksum", text);
}

void yoco_context_tensor_name(yoco_context_kind kind, int index, char name[YOCO_CONTEXT_NAME_BYTES])
{
    static const char *const names[][2] = {{"tokens", "tokens"}, {"k", "v"}, {"edges", "edges"}};
    int nth = kind == YOCO_CONTEXT_CHUNK ? index / 2 : index;
    if (nth == 0)
        snprintf(name, YOCO_CONTEXT_NAME_BYTES, "%s", names[kind][index % 2]);
    else
        snprintf(name, YOCO_CONTEXT_NAME_BYTES, "%s.%d", names[kind][index % 2], nth);
}

static bool tensor_is(const yoco_tensor *tensor, const yoco_tensor *expected)
{
    bool same = strcmp(tensor->name, expected->name) == 0 && tensor->dtype == expected->dtype &&
                tensor->n_dims == expected->n_dims;
    for (int i = 0; same && i < tensor->n_dims; i++)
        same = tensor->shape[i] == expected->shape[i];
    return same;
}

/* Without the model, whose sizes may be any. */
static bool tensor_may_be(const yoco_tensor *tensor, const yoco_context_part *part, int index)
{
    const yoco_context_identity *id = part->identity;
    int64_t rows = yoco_i64_min(id->chunk_rows, id->n_tokens - part->chunk * id->chunk_rows);
    char name[YOCO_CONTEXT_NAME_BYTES];
    yoco_context_tensor_name(part->kind, index, name);
    if (strcmp(tensor->name, name) != 0)
        return false;
    switch (part->kind) {
    case YOCO_CONTEXT_DOCUMENT:
        return tensor->dtype == YOCO_I64 && tensor->n_dims == 1 && tensor->shape[0] == id->n_tokens;
    case YOCO_CONTEXT_CHUNK:
        return tensor->dtype == id->dtype && tensor->n_dims == 3 && tensor->shape[0] == rows;
    case YOCO_CONTEXT_EDGE:
        break;
    }
    /* States are F32 whatever K and V are. */
    return (tensor->dtype == id->dtype || tensor->dtype == YOCO_F32) && tensor->n_dims == 4;
}

static bool tensors_fit(const yoco_safetensors *file, const yoco_context_part *part,
                        const yoco_tensor *expected, int n_expected)
{
    int n = yoco_safetensors_count(file);
    bool fits = expected                           ? n == n_expected
                : part->kind == YOCO_CONTEXT_CHUNK ? n > 0 && n % 2 == 0
                                                   : part->kind == YOCO_CONTEXT_EDGE || n == 1;
    for (int i = 0; fits && i < n; i++) {
        const yoco_tensor *tensor = yoco_safetensors_at(file, i);
        fits = expected ? tensor_is(tensor, &expected[i]) : tensor_may_be(tensor, part, i);
    }
    return fits;
}

yoco_status yoco_context_file_check(const char *name, const yoco_safetensors *file,
                                    const yoco_context_part *part, const yoco_tensor *expected,
                                    int n_expected, yoco_hash *checksum)
{
    note_list notes;
    notes_make(part, (yoco_hash){0, 0}, &notes);
    for (int i = 0; i < N_NOTES - 1; i++) {
        const char *key = notes.entries[i].key, *value = yoco_safetensors_note(file, key);
        if (value && strcmp(value, notes.values[i]) == 0)
            continue;
        yoco_log_error("%s: its %s is %s, not %s: the file belongs to another context or is "
                       "damaged; saving the context again repairs it",
                       name, key, value ? value : "missing", notes.values[i]);
        return YOCO_ERR_DATA;
    }
    yoco_hash found;
    const char *text = yoco_safetensors_note(file, "checksum");
    if (!text || !yoco_hash_parse(text, &found)) {
        yoco_log_error(
            "%s: it has no checksum: the file is damaged; saving the context again repairs it",
            name);
        return YOCO_ERR_DATA;
    }
    if (tensors_fit(file, part, expected, n_expected)) {
        *checksum = found;
        return YOCO_OK;
    }
    yoco_log_error("%s: its tensors are not those of this %s: the file is damaged; saving the "
                   "context again repairs it",
                   name, kinds[part->kind]);
    return YOCO_ERR_DATA;
}

yoco_status yoco_context_file_damaged(const char *name)
{
    yoco_log_error("%s: its data is not what its checksum says: the file is damaged; saving the "
                   "context again repairs it",
                   name);
    return YOCO_ERR_DATA;
}
