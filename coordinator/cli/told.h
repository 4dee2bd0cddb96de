/* The instructions of a process, as records that ranks compare: version, command, and the value of
 * every option of the command's table that must be the same on all ranks; of a command that needs
 * no ranks, all arguments and the current folder, as they must be alike for one process to do what
 * all were told. */
#ifndef YOCO_TOLD_H
#define YOCO_TOLD_H

#include "coordinator/cli/options.h"

enum { YOCO_TOLD_DIFFERENCE_BYTES = 512 };

/* Pairs of strings, a name and a value, each ended by 0. */
typedef struct yoco_told {
    char *records;
    size_t bytes;
} yoco_told;

/* The values as they are now. */
yoco_status yoco_told_options(const yoco_command *command, const yoco_option *options,
                              int n_options, yoco_told *out);
/* The records of a command that needs no ranks; NULL ends the arguments. */
yoco_status yoco_told_arguments(const yoco_command *command, char **argv, yoco_told *out);
void yoco_told_free(yoco_told *told);

/* True where this rank's records are not those of rank 0; the first difference as the text of an
 * error line. */
bool yoco_told_differ(const yoco_told *mine, const yoco_told *first,
                      char text[YOCO_TOLD_DIFFERENCE_BYTES]);

#endif
