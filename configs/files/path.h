/* Names of files in folders. */
#ifndef YOCO_PATH_H
#define YOCO_PATH_H

#include <limits.h>

#include "base.h"

/* "FOLDER/NAME"; YOCO_ERR_OPEN, logged, where that is too long. */
yoco_status yoco_path_join(const char *folder, const char *name, char path[PATH_MAX]);
/* The same of any length; the caller frees it with yoco_free. */
yoco_status yoco_path_alloc(const char *folder, const char *name, char **out);
/* Whether nothing has this name, in a folder or behind a file. What cannot be looked at for another
 * reason is there: opening it says why it fails. */
bool yoco_path_is_missing(const char *path);

#endif
