/* A file that appears under its name whole or not at all, and is on disk once it is there: written
 * beside it, synced, renamed, the folder synced. */
#ifndef YOCO_ATOMIC_FILE_H
#define YOCO_ATOMIC_FILE_H

#include "base.h"

typedef struct yoco_atomic_file yoco_atomic_file;

/* An existing regular file under that path stays until `finish` replaces it; anything else there
 * (a folder, a device) is refused. */
yoco_status yoco_atomic_file_create(const char *path, yoco_atomic_file **out);
yoco_status yoco_atomic_file_write(yoco_atomic_file *file, const void *data, size_t bytes);
/* Frees the file in every case, and leaves nothing behind if it fails. */
yoco_status yoco_atomic_file_finish(yoco_atomic_file *file);
void yoco_atomic_file_discard(yoco_atomic_file *file);

/* A whole file at once. */
yoco_status yoco_atomic_file_save(const char *path, const void *data, size_t bytes);

#endif
