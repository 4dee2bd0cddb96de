#include "coordinator/cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "streams.h"

yoco_option_kind yoco_option_kind_of(const yoco_option *option)
{
    return (yoco_option_kind)(option->kind & (YOCO_OPTION_PER_RANK - 1));
}

bool yoco_command_is_alone(const yoco_command *command, const yoco_option *options, int n_options)
{
    bool is_alone = command->is_alone;
    for (int i = 0; i < n_options; i++) /* flags, all of them */
        if (options[i].kind & YOCO_OPTION_ALONE)
            is_alone = is_alone || *(const bool *)options[i].value;
    return is_alone;
}

static yoco_status bad_value(const yoco_command *command, const yoco_option *option,
                             const char *text, const char *expected)
{
    yoco_log_error("yoco %s: --%s is %s, not '%s' (see yoco %s --help)", command->name,
                   option->name, expected, text, command->name);
    return YOCO_ERR_USAGE;
}

static yoco_status append(yoco_strings *strings, const char *value, int place)
{
    size_t n = (size_t)strings->n + 1;
    const char **values = realloc(strings->values, n * sizeof *values);
    if (values)
        strings->values = values;
    int *places = realloc(strings->places, n * sizeof *places);
    if (places)
        strings->places = places;
    if (!values || !places) {
        yoco_log_error("cannot allocate %zu option values", n);
        return YOCO_ERR_MEMORY;
    }
    values[strings->n] = value;
    places[strings->n++] = place;
    return YOCO_OK;
}

/* Only a text may be empty; a name that is comes from a variable that a script has not set. */
static bool lacks_name(const yoco_option *option, const char *text)
{
    yoco_option_kind kind = yoco_option_kind_of(option);
    return (kind == YOCO_OPTION_STRING || kind == YOCO_OPTION_STRINGS) && text[0] == '\0' &&
           strcmp(option->argument, "TEXT") != 0;
}

static yoco_status set_value(const yoco_command *command, const yoco_option *option,
                             const char *text, int place)
{
    char *end;
    int64_t size;
    errno = 0;
    if (lacks_name(option, text))
        return bad_value(command, option, text, option->argument);
    switch (yoco_option_kind_of(option)) {
    case YOCO_OPTION_FLAG:
        *(bool *)option->value = true;
        return YOCO_OK;
    case YOCO_OPTION_STRING:
        *(const char **)option->value = text;
        return YOCO_OK;
    case YOCO_OPTION_STRINGS:
        return append(option->value, text, place);
    case YOCO_OPTION_SIZE:
        if (!yoco_parse_size(text, &size) || (double)size < option->minimum)
            return bad_value(command, option, text, "a whole number, large enough");
        *(int64_t *)option->value = size;
        return YOCO_OK;
    case YOCO_OPTION_REAL: {
        double real = strtod(text, &end);
        if (end == text || *end || !isfinite(real) || real < option->minimum)
            return bad_value(command, option, text, "a number, large enough");
        *(double *)option->value = real;
        return YOCO_OK;
    }
    case YOCO_OPTION_U64: {
        unsigned long long number = strtoull(text, &end, 10);
        if (end == text || *end || errno || text[0] == '-')
            return bad_value(command, option, text, "a whole number from 0 to 2^64 - 1");
        *(uint64_t *)option->value = number;
        return YOCO_OK;
    }
    default:
        return YOCO_ERR_INTERNAL;
    }
}

/* "--name", "--name=value" or "-n": the option, and where its value starts if it stands in the same
 * argument. */
static const yoco_option *find(const yoco_option *options, int n_options, const char *text,
                               const char **value)
{
    *value = NULL;
    for (int i = 0; i < n_options; i++) {
        const yoco_option *option = &options[i];
        if (text[0] == '-' && text[1] != '-' && option->short_name &&
            text[1] == option->short_name) {
            *value = text[2] ? text + 2 : NULL;
            return option;
        }
        size_t length = strlen(option->name);
        if (strncmp(text, "--", 2) == 0 && strncmp(text + 2, option->name, length) == 0) {
            const char *rest = text + 2 + length;
            if (*rest == '=')
                *value = rest + 1;
            if (*rest == '=' || *rest == '\0')
                return option;
        }
    }
    return NULL;
}

/* --help counts also where other arguments are wrong; but the value of an option may spell --help.
 */
static bool asks_for_help(const yoco_option *options, int n_options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
        const yoco_option *option = find(options, n_options, argv[i], &value);
        if (option && yoco_option_kind_of(option) != YOCO_OPTION_FLAG && !value)
            i++;
    }
    return false;
}

yoco_status yoco_options_parse(const yoco_command *command, const yoco_option *options,
                               int n_options, int argc, char **argv, bool *help)
{
    *help = asks_for_help(options, n_options, argc, argv);
    if (*help)
        return YOCO_OK;
    for (int i = 1; i < argc; i++) {
        const char *value;
        const yoco_option *option = find(options, n_options, argv[i], &value);
        bool takes_value = option && yoco_option_kind_of(option) != YOCO_OPTION_FLAG;
        if (!option || (!takes_value && value)) {
            yoco_log_error("yoco %s: '%s' is no option of this command (see yoco %s --help)",
                           command->name, argv[i], command->name);
            return YOCO_ERR_USAGE;
        }
        if (takes_value && !value) {
            if (i + 1 == argc) {
                yoco_log_error("yoco %s: --%s needs %s after it", command->name, option->name,
                               option->argument);
                return YOCO_ERR_USAGE;
            }
            value = argv[++i];
        }
        YOCO_TRY(set_value(command, option, value, i));
    }
    return YOCO_OK;
}

static void print_lines(const char *indent, const char *text)
{
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        yoco_print("%s%.*s\n", length ? indent : "", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

void yoco_options_print_help(const yoco_command *command, const yoco_option *options, int n_options)
{
    yoco_print("NAME\n    yoco %s - %s\n\nSYNOPSIS\n", command->name, command->summary);
    print_lines("    ", command->synopsis);
    yoco_print("\nDESCRIPTION\n");
    print_lines("    ", command->description);
    yoco_print("\nOPTIONS\n");
    for (int i = 0; i < n_options; i++) {
        const yoco_option *option = &options[i];
        char dash[8] = "";
        if (option->short_name)
            snprintf(dash, sizeof dash, "-%c, ", option->short_name);
        yoco_print("    %s--%s%s%s\n", dash, option->name, option->argument ? " " : "",
                   option->argument ? option->argument : "");
        print_lines("        ", option->help);
    }
    if (command->examples) {
        yoco_print("\nEXAMPLES\n");
        print_lines("    ", command->examples);
    }
    yoco_print("\nEXIT STATUS\n"
               "    0   done\n"
               "    2   wrong usage\n"
               "    65  bad input data\n"
               "    66  a file cannot be opened\n"
               "    70  internal error, or not enough memory\n"
               "    74  reading or writing failed\n"
               "    75  stopped early: a rank failed or did not answer in time\n");
}

void yoco_options_free(const yoco_option *options, int n_options)
{
    for (int i = 0; i < n_options; i++) {
        if (yoco_option_kind_of(&options[i]) != YOCO_OPTION_STRINGS)
            continue;
        yoco_strings *strings = options[i].value;
        free(strings->values);
        free(strings->places);
        *strings = (yoco_strings){0};
    }
}

static yoco_parsed parsed_options;

void yoco_options_keep(const yoco_command *command, const yoco_option *options, int n_options)
{
    parsed_options = (yoco_parsed){command, options, n_options};
}

const yoco_parsed *yoco_options_parsed(void)
{
    return &parsed_options;
}
