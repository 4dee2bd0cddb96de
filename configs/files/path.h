/* Names of files in folders. */
#ifndef YOCO_PATH_H
#define YOCO_PATH_H

#include <limits.h>

#include "base.h"

/* "FOLDER/NAME"; YOCO_ERR_OPEN, logged, where that is too long. */
yoco_status yoco_path_join(const char *folder, const char *name, char path[PATH_MAX]);
/* The same of any length; the caller frees it with yoco_free. */
yoco_status yoco_path_alloc(const char *folder, const char *name, char **out);

#endif
