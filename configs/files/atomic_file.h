/* A file that appears under its name whole or not at all, and is on disk once it is there: written
 * beside it, synced, renamed, the folder synced. */
#ifndef YOCO_ATOMIC_FILE_H
#define YOCO_ATOMIC_FILE_H

#include "base.h"

typedef struct yoco_atomic_file yoco_atomic_file;

/* An existing regular file under that path stays until `finish` replaces it. What it was stays: a
 * link is followed, the file that it names replaced; mode and, as far as the user may, owner and
 * group are the old ones. Other names of the file (hard links) keep the old content. A device, a
 * pipe or /dev/stdout is written as it is; a folder is
 * refused, and so is a file that another process has locked. */
yoco_status yoco_atomic_file_create(const char *path, yoco_atomic_file **out);
/* The same for a file whose lock the caller has. */
yoco_status yoco_atomic_file_create_locked(const char *path, yoco_atomic_file **out);
yoco_status yoco_atomic_file_write(yoco_atomic_file *file, const void *data, size_t bytes);
/* Writes over bytes that were written before; of a regular file. */
yoco_status yoco_atomic_file_rewrite(yoco_atomic_file *file, size_t offset, const void *data,
                                     size_t bytes);
/* Frees the file in every case, and leaves nothing behind if it fails. */
yoco_status yoco_atomic_file_finish(yoco_atomic_file *file);
void yoco_atomic_file_discard(yoco_atomic_file *file);

/* Makes a file's name durable: that of a new one which is written in place. */
yoco_status yoco_atomic_file_sync_folder(const char *path);
/* YOCO_ERR_OPEN, logged, where the file has several names (hard links), which would part if it was
 * replaced. */
yoco_status yoco_atomic_file_check_names(const char *path);

/* A whole file at once. */
yoco_status yoco_atomic_file_save(const char *path, const void *data, size_t bytes);

#endif
