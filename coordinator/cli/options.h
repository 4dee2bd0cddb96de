/* Command-line options as a table: one entry per option gives its parsing, its checks and its line
 * in --help. */
#ifndef YOCO_OPTIONS_H
#define YOCO_OPTIONS_H

#include "base.h"

typedef enum yoco_option_kind {
    YOCO_OPTION_FLAG,    /* bool */
    YOCO_OPTION_STRING,  /* const char * */
    YOCO_OPTION_STRINGS, /* yoco_strings: may be given several times */
    YOCO_OPTION_SIZE,    /* int64_t >= minimum, with K, M, G */
    YOCO_OPTION_REAL,    /* double >= minimum */
    YOCO_OPTION_U64,     /* uint64_t */

    /* Added to one of these: */
    YOCO_OPTION_PER_RANK = 1 << 8, /* may differ between ranks; all others are compared */
    YOCO_OPTION_ALONE = 1 << 9,    /* where it is given, the command needs no ranks */
    YOCO_OPTION_SHARED = 1 << 10,  /* a folder in which all ranks write: it must be one */
    YOCO_OPTION_STDIN = 1 << 11,   /* - is stdin, which the first task alone reads, at once */
} yoco_option_kind;

/* Values in the order given, with the place of each among all arguments. */
typedef struct yoco_strings {
    const char **values; /* into argv; freed by yoco_options_free */
    int *places;
    int n;
} yoco_strings;

/* The purpose of a path. coordinator/cli/paths.c knows which files each role reads or writes. */
typedef enum yoco_path_role {
    YOCO_PATH_NONE, /* no path */
    YOCO_PATH_READS_FILE,
    YOCO_PATH_READS_MODEL, /* a model folder, or its config alone */
    YOCO_PATH_READS_CONTEXT,
    YOCO_PATH_APPENDS_FILE,
    YOCO_PATH_REPLACES_FILE,
    YOCO_PATH_WRITES_MODEL,
    YOCO_PATH_WRITES_CONTEXT,  /* a folder of its own */
    YOCO_PATH_WRITES_CONTEXTS, /* a folder for each job in it */
    YOCO_PATH_WRITES_EVAL,
    YOCO_PATH_REPORTS_EVAL, /* from samples that must be there */
    YOCO_PATH_WRITES_SCALE,
    YOCO_PATH_WRITES_HANG,
} yoco_path_role;

typedef struct yoco_option {
    const char *name;      /* without the dashes */
    char short_name;       /* 0: none */
    const char *argument;  /* what --help calls it; NULL for a flag */
    yoco_option_kind kind; /* one of the first, and what is added to it */
    void *value;
    double minimum; /* SIZE and REAL */
    const char *help;
    yoco_path_role path;
} yoco_option;

typedef struct yoco_command {
    const char *name, *summary; /* one line */
    const char *synopsis;       /* lines of "yoco run -m MODEL ..." */
    const char *description;    /* paragraphs, already wrapped */
    const char *examples;       /* lines, or NULL */
    bool is_alone;              /* needs no ranks: under mpiexec, rank 0 runs it for all */
    int (*run)(const struct yoco_command *command, int argc, char **argv); /* the exit code */
} yoco_command;

yoco_option_kind yoco_option_kind_of(const yoco_option *option); /* one of the first */
/* True where the command as it was given needs no ranks. */
bool yoco_command_is_alone(const yoco_command *command, const yoco_option *options, int n_options);

/* Parses argv[1..]; *help tells that --help was among them. Arguments that are not options are
 * refused. */
yoco_status yoco_options_parse(const yoco_command *command, const yoco_option *options,
                               int n_options, int argc, char **argv, bool *help);
/* A manual page on stdout. */
void yoco_options_print_help(const yoco_command *command, const yoco_option *options,
                             int n_options);
/* The table of the command that runs, its values set: what paths.h looks at. */
typedef struct yoco_parsed {
    const yoco_command *command;
    const yoco_option *options;
    int n_options;
} yoco_parsed;
void yoco_options_keep(const yoco_command *command, const yoco_option *options, int n_options);
const yoco_parsed *yoco_options_parsed(void);
/* Executes a command (command.c): parse, then print the help or run; one that needs no ranks
 * runs on rank 0. Returns the exit code. */
int yoco_command_execute(const yoco_command *command, const yoco_option *options, int n_options,
                         int argc, char **argv, yoco_status (*run)(void *parsed), void *parsed);
void yoco_options_free(const yoco_option *options, int n_options);

#endif
