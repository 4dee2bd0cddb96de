/* Names with accents are the same to the eye in two Unicode forms, composed (NFC) and decomposed
 * (NFD, as macOS writes them), and two names to the file system. */
#ifndef YOCO_FILE_NAME_H
#define YOCO_FILE_NAME_H

#include "base.h"

enum { YOCO_FILE_NAME_HINT = 160 };

/* For the end of an error line about a path that cannot be opened: says so where a part of it
 * stands in its folder in another form, else is empty. */
void yoco_file_name_hint(const char *path, char hint[YOCO_FILE_NAME_HINT]);

/* The same below an open folder, which links and ".." do not leave. */
void yoco_file_name_hint_beneath(int folder, const char *path, char hint[YOCO_FILE_NAME_HINT]);

#endif
