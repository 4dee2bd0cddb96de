/* Files of text that a person names, read whole: also pipes and files of unknown size. A copy, so
 * that a file which is cut short or rotated meanwhile harms nobody. */
#ifndef YOCO_TEXT_FILE_H
#define YOCO_TEXT_FILE_H

#include "configs/files/first_bytes.h"

typedef struct yoco_text {
    const char *data; /* without the mark at the start of data; followed by a NUL; never NULL */
    size_t size;
    char *memory; /* owns it */
} yoco_text;

/* "-" is stdin. YOCO_ERR_OPEN, YOCO_ERR_IO or, by its first bytes (yoco_first_bytes_check) or its
 * size, YOCO_ERR_DATA; logged. A UTF-8 mark at the start is skipped in YOCO_FILE_DATA and is part
 * of a document. */
yoco_status yoco_text_read(const char *path, yoco_file_use use, yoco_text *out);
void yoco_text_free(yoco_text *text);

/* The same of YOCO_FILE_DATA of at most max_bytes, which its first bytes tell before it is read. A
 * file that nobody named but a folder has is a regular one, or YOCO_ERR_OPEN: any_kind is false. */
yoco_status yoco_text_read_data(const char *path, bool any_kind, size_t max_bytes, yoco_text *out);

/* From an open descriptor to its end, at most max_bytes. Not logged but for memory: errno tells,
 * EFBIG where there is more. */
extern const size_t yoco_text_max_bytes; /* 4 GiB: of what a person names */
yoco_status yoco_text_read_fd(int fd, size_t max_bytes, yoco_text *out);

#endif
