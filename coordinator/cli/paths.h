/* The paths that a command reads and writes, as its option table says (yoco_path_role). One place
 * for all commands: what overlaps is refused, and every output is tried, before anything is
 * written.
 *
 * An output overlaps an input or another output where both are one file, also through links, other
 * names, ".." or mounts; where it lies in a folder that belongs to one command alone (a context, a
 * checkpoint); or where it is a file of the model folder. A path at which nothing is yet is known
 * by its folder and its name. */
#ifndef YOCO_PATHS_H
#define YOCO_PATHS_H

#include "coordinator/cli/options.h"

/* Checks the paths of the command that runs. YOCO_ERR_USAGE for an overlap, YOCO_ERR_OPEN or
 * YOCO_ERR_IO for an output that cannot be written; one line names the options. Leaves nothing
 * behind and changes nothing. Rank 0, or a command without ranks. */
yoco_status yoco_paths_check(void);

/* The same overlaps for files that an input names: `names` (n, NULL is skipped) below `folder`, the
 * value of --option. */
yoco_status yoco_paths_check_below(const char *option, const char *folder, const char *const *names,
                                   int64_t n);

/* For a command whose paths are no options. */
yoco_status yoco_paths_check_table(const char *command, const yoco_option *options, int n_options);

#endif
