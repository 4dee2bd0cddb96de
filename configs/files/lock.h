/* One writer at a time: a lock on each file and folder for as long as it is written. The system
 * ends it with the process. On NFS it holds between machines too; a file system that has no locks
 * gets a warning. */
#ifndef YOCO_LOCK_H
#define YOCO_LOCK_H

#include "base.h"

/* Of an open file, until it is closed. YOCO_ERR_OPEN, logged, where another process has it, or the
 * path meanwhile names another file. */
yoco_status yoco_lock_file(int fd, const char *path);
/* The same without a line; true also where there are no locks. */
bool yoco_lock_try(int fd);

/* Of a file that is to be replaced: YOCO_ERR_OPEN, logged, where another process has its lock, or
 * this one by another descriptor. */
yoco_status yoco_lock_check(const char *path);

/* Of a folder: a file in it, YOCO_LOCK_NAME, which goes with the lock. */
#define YOCO_LOCK_NAME "writing.lock"
typedef struct yoco_lock yoco_lock;

yoco_status yoco_lock_folder(const char *folder, yoco_lock **out);
/* The same, but *out is NULL, with YOCO_OK and without a line, where another process has it. */
yoco_status yoco_lock_folder_try(const char *folder, yoco_lock **out);
/* As yoco_lock_check. */
yoco_status yoco_lock_check_folder(const char *folder);
void yoco_lock_release(yoco_lock *lock); /* NULL is nothing */
bool yoco_lock_covers(const yoco_lock *lock, const char *folder);

#endif
