/* json_tool FILE [KEY|INDEX]...: the value at that path, strings as they are, everything else as
 * JSON. Fails unless the whole file is one JSON value that holds it. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    json_error_t error;
    json_t *root = argc > 1 ? json_load_file(argv[1], JSON_REJECT_DUPLICATES, &error) : NULL;
    const json_t *value = root;
    for (int i = 2; value && i < argc; i++)
        value = json_is_array(value) ? json_array_get(value, strtoul(argv[i], NULL, 10))
                                     : json_object_get(value, argv[i]);
    if (value && json_is_string(value))
        fwrite(json_string_value(value), 1, json_string_length(value), stdout);
    else if (value)
        json_dumpf(value, stdout, JSON_ENCODE_ANY);
    else
        fprintf(stderr, "%s: no such value, or no JSON\n", argc > 1 ? argv[1] : "no file");
    putchar('\n');
    json_decref(root);
    return value ? 0 : 1;
}
