/* What a file is by its first bytes, where it is not what was asked for: text in another encoding,
 * a compressed file, weights, a page that a server sent in place of a file. */
#ifndef YOCO_FIRST_BYTES_H
#define YOCO_FIRST_BYTES_H

#include "base.h"

/* What the reader of a file wants. */
typedef enum yoco_file_use {
    YOCO_FILE_DOCUMENT, /* text of any kind: UTF-8, Latin-1, with NULs or marks, XML, source */
    YOCO_FILE_DATA,     /* JSON, JSON Lines, token ids, a rank file */
    YOCO_FILE_WEIGHTS,  /* safetensors */
} yoco_file_use;

typedef enum yoco_file_fault {
    YOCO_FILE_FINE,
    YOCO_FILE_ODD,   /* may be wanted all the same: a warning */
    YOCO_FILE_WRONG, /* cannot be what was asked for */
} yoco_file_fault;

enum { YOCO_FIRST_BYTES_TEXT = 192 };

/* Where the answer is not YOCO_FILE_FINE, `text` says what the file is and what to do: "is UTF-16
 * text: convert it (iconv -f UTF-16 -t UTF-8)". Looks at the first 4 KiB of `size` bytes. */
yoco_file_fault yoco_first_bytes_judge(yoco_file_use use, const void *data, size_t size,
                                       char text[YOCO_FIRST_BYTES_TEXT]);

/* The same for a file: one line with its name, and YOCO_ERR_DATA where it is wrong. */
yoco_status yoco_first_bytes_check(const char *name, yoco_file_use use, const void *data,
                                   size_t size);

/* Bytes of the UTF-8 mark at the start: 3 or 0. */
size_t yoco_first_bytes_mark(const void *data, size_t size);

#endif
