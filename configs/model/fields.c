#include "configs/model/fields.h"

#include <stdio.h>
#include <string.h>

static const json_t *given(const yoco_fields *f, const char *field)
{
    const json_t *value = json_object_get(f->object, field);
    return f->takes_null && json_is_null(value) ? NULL : value;
}

static yoco_status refuse(const yoco_fields *f, const char *field, const json_t *value,
                          const char *wanted)
{
    char shown[YOCO_JSON_SHOWN_BYTES];
    yoco_log_error("%s: field %s%s is %s; give %s", f->file, f->prefix, field,
                   value ? yoco_json_show(value, shown) : "missing", wanted);
    return YOCO_ERR_DATA;
}

yoco_status yoco_field_integer(const yoco_fields *f, const char *field, int64_t min, int64_t max,
                               int64_t *out)
{
    const json_t *value = json_object_get(f->object, field);
    char wanted[96];
    snprintf(wanted, sizeof wanted, "an integer from %lld to %lld", (long long)min, (long long)max);
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max)
        return refuse(f, field, value, wanted);
    *out = json_integer_value(value);
    return YOCO_OK;
}

yoco_status yoco_field_int(const yoco_fields *f, const char *field, int min, int max, int *out)
{
    int64_t value;
    YOCO_TRY(yoco_field_integer(f, field, min, max, &value));
    *out = (int)value;
    return YOCO_OK;
}

yoco_status yoco_field_int_if(const yoco_fields *f, const char *field, int min, int max, int *out)
{
    return given(f, field) ? yoco_field_int(f, field, min, max, out) : YOCO_OK;
}

yoco_status yoco_field_real(const yoco_fields *f, const char *field, double min, double max,
                            double *out)
{
    const json_t *value = json_object_get(f->object, field);
    double real = json_number_value(value);
    char wanted[96];
    snprintf(wanted, sizeof wanted, "a number from %g to %g", min, max);
    if (!json_is_number(value) || !(real >= min && real <= max))
        return refuse(f, field, value, wanted);
    *out = real;
    return YOCO_OK;
}

yoco_status yoco_field_real_if(const yoco_fields *f, const char *field, double min, double max,
                               double *out)
{
    return given(f, field) ? yoco_field_real(f, field, min, max, out) : YOCO_OK;
}

yoco_status yoco_field_bool_if(const yoco_fields *f, const char *field, bool *out)
{
    const json_t *value = given(f, field);
    if (!value)
        return YOCO_OK;
    if (!json_is_boolean(value))
        return refuse(f, field, value, "true or false");
    *out = json_is_true(value);
    return YOCO_OK;
}

yoco_status yoco_field_word_if(const yoco_fields *f, const char *field, const char *const *words,
                               int n, int *out)
{
    const json_t *value = given(f, field);
    const char *text = json_string_value(value);
    char wanted[160] = "one that is supported:";
    if (!value)
        return YOCO_OK;
    for (int i = 0; i < n && text; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return YOCO_OK;
        }
    }
    for (int i = 0; i < n; i++)
        snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%s %s", i > 0 ? "," : "",
                 words[i]);
    return refuse(f, field, value, wanted);
}

yoco_status yoco_field_object(const yoco_fields *f, const char *field, const char *prefix,
                              yoco_fields *out)
{
    const json_t *value = given(f, field);
    if (value && !json_is_object(value))
        return refuse(f, field, value, "an object");
    *out = (yoco_fields){f->file, prefix, value, f->takes_null};
    return YOCO_OK;
}
