#include "configs/context/manifest.h"

#include "configs/files/json_text.h"
#include "configs/files/text_file.h"

#include <stdlib.h>
#include <string.h>

/* Above any context, and far below where sums overflow. */
static const int64_t max_size = (int64_t)1 << 48;

static yoco_status bad_field(const char *name, const char *field, const char *expected)
{
    yoco_log_error("%s: %s is not %s: the file is damaged or not a context's; remove it and "
                   "save the context again",
                   name, field, expected);
    return YOCO_ERR_DATA;
}

static yoco_status size_read(const char *name, const json_t *root, const char *field,
                             int64_t minimum, int64_t *out)
{
    const json_t *value = json_object_get(root, field);
    int64_t size = json_integer_value(value);
    if (!json_is_integer(value) || size < minimum || size > max_size)
        return bad_field(name, field, "a whole number in its range");
    *out = size;
    return YOCO_OK;
}

static yoco_status hash_read(const char *name, const json_t *root, const char *field,
                             yoco_hash *out)
{
    const char *text = json_string_value(json_object_get(root, field));
    if (!text || !yoco_hash_parse(text, out))
        return bad_field(name, field, "32 hexadecimal digits");
    return YOCO_OK;
}

static yoco_status dtype_read(const char *name, const json_t *root, yoco_dtype *out)
{
    const char *text = json_string_value(json_object_get(root, "dtype"));
    if (text && strcmp(text, "F32") == 0)
        *out = YOCO_F32;
    else if (text && strcmp(text, "BF16") == 0)
        *out = YOCO_BF16;
    else
        return bad_field(name, "dtype", "F32 or BF16");
    return YOCO_OK;
}

static yoco_status identity_read(const char *name, const json_t *root, yoco_context_identity *out)
{
    const char *arithmetic = json_string_value(json_object_get(root, "arithmetic"));
    if (!arithmetic || strlen(arithmetic) >= sizeof out->arithmetic)
        return bad_field(name, "arithmetic", "a text of at most 255 bytes");
    memcpy(out->arithmetic, arithmetic, strlen(arithmetic) + 1);
    YOCO_TRY(hash_read(name, root, "model", &out->model));
    YOCO_TRY(hash_read(name, root, "tokenizer", &out->tokenizer));
    YOCO_TRY(hash_read(name, root, "document", &out->document));
    YOCO_TRY(dtype_read(name, root, &out->dtype));
    YOCO_TRY(size_read(name, root, "n_tokens", 0, &out->n_tokens));
    return size_read(name, root, "chunk_rows", 1, &out->chunk_rows);
}

static yoco_status version_check(const char *name, const json_t *root)
{
    const json_t *version = json_object_get(root, "yoco_context");
    if (!json_is_integer(version))
        return bad_field(name, "yoco_context", "a version number");
    if (json_integer_value(version) == YOCO_CONTEXT_VERSION)
        return YOCO_OK;
    yoco_log_error("%s: version %lld of the format, but this program knows %d only: save the "
                   "context again",
                   name, (long long)json_integer_value(version), YOCO_CONTEXT_VERSION);
    return YOCO_ERR_DATA;
}

static yoco_status fields_check(const char *name, json_t *root, bool partial)
{
    static const char *const fields[] = {"yoco_context", "model",  "tokenizer", "document",
                                         "arithmetic",   "dtype",  "n_tokens",  "chunk_rows",
                                         "temporary",    "chunks", "edges"};
    const size_t n_fields = sizeof fields / sizeof *fields - (partial ? 2 : 0);
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        size_t i = 0;
        while (i < n_fields && strcmp(key, fields[i]) != 0)
            i++;
        if (i == n_fields)
            return bad_field(name, key, "a field of this file");
    }
    return YOCO_OK;
}

/* [chunk, bytes, checksum], in ascending order of chunks. */
static yoco_status list_read(const char *name, const json_t *root, const char *field,
                             int64_t n_chunks, yoco_context_entry *out)
{
    const json_t *list = json_object_get(root, field);
    int64_t next = 0;
    if (!json_is_array(list))
        return bad_field(name, field, "a list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const json_t *chunk = json_array_get(item, 0), *bytes = json_array_get(item, 1);
        const char *checksum = json_string_value(json_array_get(item, 2));
        int64_t at = json_integer_value(chunk), n = json_integer_value(bytes);
        if (json_array_size(item) != 3 || !json_is_integer(chunk) || at < next || at >= n_chunks ||
            !json_is_integer(bytes) || n < 1 || n > max_size || !checksum ||
            !yoco_hash_parse(checksum, &out[at].checksum))
            return bad_field(name, field, "a list of [chunk, bytes, checksum], chunks ascending");
        out[at].bytes = n;
        next = at + 1;
    }
    return YOCO_OK;
}

static yoco_status lists_read(const char *name, const json_t *root, yoco_context_manifest *m)
{
    const json_t *chunks = json_object_get(root, "chunks");
    /* Before anything is allocated: the file is at least as large as the lists. */
    if (!json_is_array(chunks) || (int64_t)json_array_size(chunks) != m->n_chunks)
        return bad_field(name, "chunks", "a list of as many chunks as n_tokens and chunk_rows ask");
    m->chunks = calloc((size_t)m->n_chunks + 1, sizeof *m->chunks);
    m->edges = calloc((size_t)m->n_chunks + 1, sizeof *m->edges);
    if (!m->chunks || !m->edges) {
        yoco_log_error("%s: no memory for its lists", name);
        return YOCO_ERR_MEMORY;
    }
    YOCO_TRY(list_read(name, root, "chunks", m->n_chunks, m->chunks));
    YOCO_TRY(list_read(name, root, "edges", m->n_chunks, m->edges));
    if (m->n_chunks > 0 && m->edges[m->n_chunks - 1].bytes == 0)
        return bad_field(name, "edges", "a list that ends with the last chunk's");
    return YOCO_OK;
}

static yoco_status root_read(const char *name, json_t *root, bool partial, yoco_context_manifest *m)
{
    YOCO_TRY(version_check(name, root));
    YOCO_TRY(fields_check(name, root, partial));
    YOCO_TRY(identity_read(name, root, &m->identity));
    const json_t *temporary = json_object_get(root, "temporary");
    if (temporary && !json_is_boolean(temporary))
        return bad_field(name, "temporary", "true or false");
    m->temporary = json_is_true(temporary);
    m->n_chunks = yoco_div_up(m->identity.n_tokens, m->identity.chunk_rows);
    return partial ? YOCO_OK : lists_read(name, root, m);
}

yoco_status yoco_context_manifest_parse(const char *name, const char *text, size_t size,
                                        bool partial, yoco_context_manifest *out)
{
    json_t *root;
    yoco_context_manifest manifest = {.n_chunks = 0};
    YOCO_TRY(yoco_json_parse(name, text, size, &root));
    yoco_status status = root_read(name, root, partial, &manifest);
    json_decref(root);
    if (status == YOCO_OK)
        *out = manifest;
    else
        yoco_context_manifest_free(&manifest);
    return status;
}

yoco_status yoco_context_manifest_load(const char *path, bool partial, yoco_context_manifest *out)
{
    yoco_text text;
    YOCO_TRY(yoco_text_read_data(path, false, yoco_text_max_bytes, &text));
    yoco_status status = yoco_context_manifest_parse(path, text.data, text.size, partial, out);
    yoco_text_free(&text);
    return status;
}

static json_t *list_json(const yoco_context_entry *entries, int64_t n_chunks)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < n_chunks; i++) {
        char checksum[YOCO_HASH_TEXT_BYTES];
        if (entries[i].bytes == 0)
            continue;
        yoco_hash_text(entries[i].checksum, checksum);
        json_array_append_new(
            list, json_pack("[I, I, s]", (json_int_t)i, (json_int_t)entries[i].bytes, checksum));
    }
    return list;
}

static json_t *manifest_json(const yoco_context_manifest *m)
{
    const yoco_context_identity *id = &m->identity;
    char model[YOCO_HASH_TEXT_BYTES], tokenizer[YOCO_HASH_TEXT_BYTES];
    char document[YOCO_HASH_TEXT_BYTES];
    yoco_hash_text(id->model, model);
    yoco_hash_text(id->tokenizer, tokenizer);
    yoco_hash_text(id->document, document);
    json_t *root =
        json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "yoco_context", YOCO_CONTEXT_VERSION,
                  "model", model, "tokenizer", tokenizer, "document", document, "arithmetic",
                  id->arithmetic, "dtype", yoco_dtype_name(id->dtype), "n_tokens",
                  (json_int_t)id->n_tokens, "chunk_rows", (json_int_t)id->chunk_rows);
    if (m->temporary)
        json_object_set_new(root, "temporary", json_true());
    if (m->chunks) {
        json_object_set_new(root, "chunks", list_json(m->chunks, m->n_chunks));
        json_object_set_new(root, "edges", list_json(m->edges, m->n_chunks));
    }
    return root;
}

yoco_status yoco_context_manifest_save(const char *path, const yoco_context_manifest *manifest)
{
    return yoco_json_save(path, manifest_json(manifest), JSON_INDENT(1));
}

void yoco_context_manifest_free(yoco_context_manifest *manifest)
{
    free(manifest->chunks);
    free(manifest->edges);
    *manifest = (yoco_context_manifest){.n_chunks = 0};
}

yoco_status yoco_context_identity_check(const char *path, const yoco_context_identity *found,
                                        const yoco_context_identity *wanted)
{
    if (!yoco_hash_equal(found->model, wanted->model))
        yoco_log_error("%s: made with another model: give that one with -m, or another folder",
                       path);
    else if (!yoco_hash_equal(found->tokenizer, wanted->tokenizer))
        yoco_log_error("%s: made with another tokenizer: put that one into the model folder, or "
                       "give another folder",
                       path);
    else if (!yoco_hash_equal(found->document, wanted->document) ||
             found->n_tokens != wanted->n_tokens)
        yoco_log_error("%s: made from another document (%lld tokens, not %lld): give another "
                       "folder, or remove this one",
                       path, (long long)found->n_tokens, (long long)wanted->n_tokens);
    else if (found->chunk_rows != wanted->chunk_rows)
        yoco_log_error("%s: made in chunks of %lld tokens, not %lld: give --chunk %lld", path,
                       (long long)found->chunk_rows, (long long)wanted->chunk_rows,
                       (long long)found->chunk_rows);
    else if (found->dtype != wanted->dtype)
        yoco_log_error("%s: made in %s, not %s: give the same --dtype", path,
                       yoco_dtype_name(found->dtype), yoco_dtype_name(wanted->dtype));
    else if (strcmp(found->arithmetic, wanted->arithmetic) != 0)
        yoco_log_error("%s: computed with \"%s\", this run computes with \"%s\" and would round "
                       "otherwise: use the same --backend, --isa and libraries, or make it again",
                       path, found->arithmetic, wanted->arithmetic);
    else
        return YOCO_OK;
    return YOCO_ERR_DATA;
}
