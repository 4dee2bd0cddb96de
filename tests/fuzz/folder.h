/* A folder of files for a target whose input is several files. */
#ifndef YOCO_TESTS_FUZZ_FOLDER_H
#define YOCO_TESTS_FUZZ_FOLDER_H

#include <stddef.h>
#include <stdint.h>

/* The input begins with n_files parts, a byte 0xff behind each: they become the files of these
 * names in the folder that it gives, and *data, *size what is behind. NULL: there are fewer parts.
 * The folder is removed when the program ends. */
const char *fuzz_folder(const char *const *names, int n_files, const uint8_t **data, size_t *size);

#endif
