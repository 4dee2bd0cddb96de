/* Shared by paths*.c. */
#ifndef YOCO_PATHS_PARTS_H
#define YOCO_PATHS_PARTS_H

#include <limits.h>
#include <sys/types.h>

#include "coordinator/cli/options.h"

typedef enum yoco_path_kind {
    YOCO_PATH_IS_FILE,
    YOCO_PATH_IS_FOLDER, /* in which the command owns some names */
    YOCO_PATH_IS_MODEL,  /* a folder whose files are read */
} yoco_path_kind;

typedef struct yoco_path_identity {
    bool exists;
    dev_t dev;
    ino_t ino;
    mode_t mode;
} yoco_path_identity;

typedef struct yoco_path {
    const char *option; /* NULL: a stream, and `path` is its name */
    yoco_path_role role;
    yoco_path_kind kind;
    bool writes;
    bool within;                    /* a file of the folder that the option names */
    bool (*owns)(const char *name); /* FOLDER; NULL: owns nothing by name */
    char path[PATH_MAX];            /* as given */
    char real[PATH_MAX];            /* yoco_real_path; "": a stream, or not to be resolved */
    yoco_path_identity self, parent;
} yoco_path;

typedef struct yoco_path_list {
    yoco_path *items;
    int64_t n;
} yoco_path_list;

bool yoco_path_identity_same(const yoco_path_identity *a, const yoco_path_identity *b);

/* YOCO_ERR_USAGE, logged, where two overlap and one of them is written. */
yoco_status yoco_path_compare(const char *command, const yoco_path *a, const yoco_path *b);
/* All pairs. */
yoco_status yoco_paths_compare(const char *command, const yoco_path_list *list);

#endif
