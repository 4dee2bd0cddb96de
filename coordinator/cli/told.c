#include "coordinator/cli/told.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/cli/machine.h"

enum { MAX_SHOWN = 80 };

static const char not_given[] = "not given";

static void add(FILE *file, const char *name, const char *value)
{
    fprintf(file, "%s%c%s%c", name, 0, value, 0);
}

static void add_strings(FILE *file, const char *name, const yoco_strings *strings)
{
    char count[32];
    snprintf(count, sizeof count, "given %d time%s", strings->n, strings->n == 1 ? "" : "s");
    add(file, name, strings->n > 0 ? count : not_given);
    for (int i = 0; i < strings->n; i++)
        add(file, name, strings->values[i]);
}

/* A number below the least that can be given says that none was. */
static void add_option(FILE *file, const yoco_option *option)
{
    char name[64], number[48] = "";
    const char *text = number;
    snprintf(name, sizeof name, "--%s", option->name);
    switch (yoco_option_kind_of(option)) {
    case YOCO_OPTION_FLAG:
        text = *(const bool *)option->value ? "given" : not_given;
        break;
    case YOCO_OPTION_STRING:
        text = *(const char *const *)option->value;
        break;
    case YOCO_OPTION_STRINGS:
        add_strings(file, name, option->value);
        return;
    case YOCO_OPTION_SIZE: {
        int64_t size = *(const int64_t *)option->value;
        if ((double)size < option->minimum)
            text = NULL;
        snprintf(number, sizeof number, "%" PRId64, size);
        break;
    }
    case YOCO_OPTION_REAL:
        snprintf(number, sizeof number, "%.17g", *(const double *)option->value);
        break;
    default: /* YOCO_OPTION_U64 */
        snprintf(number, sizeof number, "%" PRIu64, *(const uint64_t *)option->value);
    }
    add(file, name, text ? text : not_given);
}

static void add_command(FILE *file, const yoco_command *command, const char *how)
{
    char program[128], name[128];
    snprintf(program, sizeof program, "yoco " YOCO_VERSION " (%s)", yoco_machine_commit());
    add(file, "the program", program);
    snprintf(name, sizeof name, "%s%s", command->name, how);
    add(file, "the command", name);
}

static yoco_status end(FILE *file, yoco_told *told, yoco_told *out)
{
    if (!file || fclose(file) != 0) {
        yoco_log_error("cannot allocate the list of options");
        free(told->records);
        return YOCO_ERR_MEMORY;
    }
    *out = *told;
    return YOCO_OK;
}

yoco_status yoco_told_options(const yoco_command *command, const yoco_option *options,
                              int n_options, yoco_told *out)
{
    yoco_told told = {0};
    FILE *file = open_memstream(&told.records, &told.bytes);
    if (file)
        add_command(file, command, "");
    for (int i = 0; file && i < n_options; i++)
        if (!(options[i].kind & YOCO_OPTION_PER_RANK))
            add_option(file, &options[i]);
    return end(file, &told, out);
}

yoco_status yoco_told_arguments(const yoco_command *command, char **argv, yoco_told *out)
{
    char folder[PATH_MAX];
    yoco_told told = {0};
    FILE *file = open_memstream(&told.records, &told.bytes);
    if (file) {
        add_command(file, command, " (needs no ranks)");
        add(file, "the current folder", getcwd(folder, sizeof folder) ? folder : "unknown");
    }
    for (int i = 0; file && argv[i]; i++)
        add(file, "an argument", argv[i]);
    return end(file, &told, out);
}

void yoco_told_free(yoco_told *told)
{
    free(told->records);
    *told = (yoco_told){0};
}

/* The string at *at, which moves behind it; NULL at the end. */
static const char *next(const yoco_told *told, size_t *at)
{
    if (*at >= told->bytes)
        return NULL;
    const char *text = told->records + *at;
    *at += strnlen(text, told->bytes - *at) + 1;
    return text;
}

bool yoco_told_differ(const yoco_told *mine, const yoco_told *first,
                      char text[YOCO_TOLD_DIFFERENCE_BYTES])
{
    size_t at = 0, first_at = 0;
    if (mine->bytes == first->bytes && memcmp(mine->records, first->records, mine->bytes) == 0)
        return false;
    while (true) {
        const char *name = next(mine, &at), *first_name = next(first, &first_at);
        const char *value = next(mine, &at), *first_value = next(first, &first_at);
        if (!name || !first_name || !value || !first_value || strcmp(name, first_name) != 0) {
            snprintf(text, YOCO_TOLD_DIFFERENCE_BYTES,
                     "the options are not those of rank 0: start every rank with the same");
            return true;
        }
        if (strcmp(value, first_value) == 0)
            continue;
        snprintf(text, YOCO_TOLD_DIFFERENCE_BYTES,
                 "%s is %.*s here, but %.*s on rank 0: start every rank with the same", name,
                 MAX_SHOWN, value, MAX_SHOWN, first_value);
        return true;
    }
}
