#include "coordinator/batch/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "configs/files/json_text.h"
#include "coordinator/text/utf8.h"

/* Makes a text fit for an error line: no control characters, whole UTF-8 characters. */
static void clean(char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = ' ';
    text[yoco_utf8_valid_bytes((unsigned char *)text, size)] = '\0';
}

yoco_status yoco_batch_fault_set(yoco_batch_fault *fault, const char *field, const char *format,
                                 ...)
{
    va_list arguments;
    va_start(arguments, format);
    snprintf(fault->field, sizeof fault->field, "%s", field);
    vsnprintf(fault->reason, sizeof fault->reason, format, arguments);
    va_end(arguments);
    clean(fault->field);
    clean(fault->reason);
    return YOCO_ERR_DATA;
}

const char *yoco_batch_show(const json_t *value, char text[YOCO_BATCH_SHOWN_BYTES])
{
    if (!value)
        return "missing";
    if (json_is_object(value))
        return "an object";
    if (json_is_array(value))
        return "an array";
    return yoco_json_show_as(value, JSON_ENSURE_ASCII, text, YOCO_BATCH_SHOWN_BYTES);
}
