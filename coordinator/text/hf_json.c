#include "coordinator/text/hf_json.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "configs/files/json_text.h"

enum { MAX_NESTING = 8, MAX_CONTENT_BYTES = 1024 };

void yoco_hf_log(const yoco_hf_place *at, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    yoco_log_error("%s: %s%s%s", at->path, at->where, at->where[0] ? ": " : "", text);
}

yoco_status yoco_hf_refuse_type(const yoco_hf_place *at, const char *type, const char *supported)
{
    return YOCO_HF_REFUSE(at, "type \"%.64s\" is not supported, but %s", type, supported);
}

static void log_value(const yoco_hf_place *at, const char *key, const char *rule,
                      const json_t *value)
{
    char shown[YOCO_JSON_SHOWN_BYTES] = "missing";
    if (value)
        yoco_json_show(value, shown);
    yoco_hf_log(at, "\"%s\" must be %s, and is %s", key, rule, shown);
}

#define REFUSE_VALUE(...) (log_value(__VA_ARGS__), YOCO_ERR_DATA)

yoco_status yoco_hf_string(const yoco_hf_place *at, const json_t *object, const char *key,
                           const char **out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value))
        return REFUSE_VALUE(at, key, "a string", value);
    *out = json_string_value(value);
    return YOCO_OK;
}

yoco_status yoco_hf_bool(const yoco_hf_place *at, const json_t *object, const char *key,
                         bool fallback, bool *out)
{
    const json_t *value = json_object_get(object, key);
    if (value && !json_is_null(value) && !json_is_boolean(value))
        return REFUSE_VALUE(at, key, "true or false", value);
    *out = json_is_boolean(value) ? json_is_true(value) : fallback;
    return YOCO_OK;
}

yoco_status yoco_hf_int(const yoco_hf_place *at, const json_t *object, const char *key,
                        int64_t least, int64_t most, int64_t *out)
{
    const json_t *value = json_object_get(object, key);
    json_int_t number = json_integer_value(value);
    char rule[80];
    if (!json_is_integer(value) || number < least || number > most) {
        snprintf(rule, sizeof rule, "a whole number from %lld to %lld", (long long)least,
                 (long long)most);
        return REFUSE_VALUE(at, key, rule, value);
    }
    *out = number;
    return YOCO_OK;
}

yoco_status yoco_hf_pattern(const yoco_hf_place *at, const json_t *object, yoco_splitter **out)
{
    const json_t *pattern = json_object_get(object, "pattern");
    const char *literal = json_string_value(json_object_get(pattern, "String"));
    const char *regex = json_string_value(json_object_get(pattern, "Regex"));
    char name[PATH_MAX + YOCO_HF_WHERE_BYTES];
    if (json_object_size(pattern) != 1 || !(literal || regex))
        return REFUSE_VALUE(at, "pattern", "{\"String\": ...} or {\"Regex\": ...}", pattern);
    if (literal && !literal[0])
        return YOCO_HF_REFUSE(at, "an empty pattern is not supported");
    snprintf(name, sizeof name, "%s: %s", at->path, at->where);
    return yoco_splitter_create(name, literal ? YOCO_PATTERN_LITERAL : YOCO_PATTERN_ONIGURUMA,
                                literal ? literal : regex, out);
}

yoco_status yoco_hf_replaced(const yoco_hf_place *at, const json_t *object, yoco_splitter **out)
{
    YOCO_TRY(yoco_hf_pattern(at, object, out));
    if (yoco_splitter_may_be_empty(*out))
        return YOCO_HF_REFUSE(at, "a Replace of what may be empty is not supported");
    return YOCO_OK;
}

yoco_status yoco_hf_content(const yoco_hf_place *at, const json_t *object, const char *key,
                            char **out)
{
    const char *text;
    YOCO_TRY(yoco_hf_string(at, object, key, &text));
    size_t size = strlen(text);
    if (size > MAX_CONTENT_BYTES)
        return YOCO_HF_REFUSE(at, "\"%s\" has %zu bytes, more than %d", key, size,
                              MAX_CONTENT_BYTES);
    YOCO_TRY(yoco_alloc(size + 1, "tokenizer", (void **)out));
    memcpy(*out, text, size + 1);
    return YOCO_OK;
}

/* How to read a tree of steps. */
typedef struct reader {
    const char *list;
    yoco_hf_step step;
    void *data;
} reader;

static yoco_status read_node(const reader *r, const yoco_hf_place *at, const json_t *node,
                             int depth)
{
    const char *type;
    if (!json_is_object(node))
        return YOCO_HF_REFUSE(at, "must be an object with a type");
    YOCO_TRY(yoco_hf_string(at, node, "type", &type));
    if (strcmp(type, "Sequence") != 0)
        return r->step(r->data, at, type, node);
    const json_t *list = json_object_get(node, r->list), *item;
    size_t i;
    if (!json_is_array(list))
        return REFUSE_VALUE(at, r->list, "an array", list);
    if (depth == MAX_NESTING)
        return YOCO_HF_REFUSE(at, "Sequences nest more than %d deep", MAX_NESTING);
    json_array_foreach(list, i, item)
    {
        yoco_hf_place inner = {.path = at->path};
        snprintf(inner.where, sizeof inner.where, "%.320s.%s[%zu]", at->where, r->list, i);
        YOCO_TRY(read_node(r, &inner, item, depth + 1));
    }
    return YOCO_OK;
}

yoco_status yoco_hf_steps(const char *path, const json_t *root, const char *key, const char *list,
                          yoco_hf_step step, void *data)
{
    const json_t *node = json_object_get(root, key);
    yoco_hf_place at = {.path = path};
    if (!node || json_is_null(node))
        return YOCO_OK;
    snprintf(at.where, sizeof at.where, "%s", key);
    return read_node(&(reader){list, step, data}, &at, node, 0);
}
