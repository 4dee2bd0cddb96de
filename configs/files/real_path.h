/* Where a path leads once its links are followed, also where nothing is there yet. */
#ifndef YOCO_REAL_PATH_H
#define YOCO_REAL_PATH_H

#include <limits.h>

#include "base.h"

/* Absolute and without links, "." and ".."; of what does not exist, as far as it does. False, with
 * errno, where links run in a circle or the path is too long. */
bool yoco_real_path(const char *path, char real[PATH_MAX]);
/* The folder that a path of yoco_real_path lies in. */
void yoco_real_path_parent(const char *real, char parent[PATH_MAX]);

/* The open stream that a name such as /dev/stdout or /dev/fd/5 stands for; -1: none. */
int yoco_stream_of(const char *path);

#endif
