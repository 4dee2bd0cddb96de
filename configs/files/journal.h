/* A file of JSON Lines that grows: results, samples, rows. A line that is there whole is there for
 * good; what a kill leaves of one is dropped by the next run. One process at a time has it open (a
 * lock that ends with the process). */
#ifndef YOCO_JOURNAL_H
#define YOCO_JOURNAL_H

#include "base.h"

/* A line of a text. Starts as {0}. */
typedef struct yoco_line {
    const char *text; /* without its newline */
    size_t size;
    int64_t number;    /* from 1 */
    size_t begin, end; /* where it begins; where the next one does */
    bool whole;        /* ends with a newline */
} yoco_line;

/* The next line that is not blank; false: there is none. A carriage return is blank, and so is the
 * Ctrl-Z that ends some files. */
bool yoco_line_next(const char *text, size_t size, yoco_line *line);

typedef struct yoco_journal {
    int fd;
    bool is_stdout;
    char *path;
    int64_t size; /* of the lines that count */
} yoco_journal;

/* Opens and locks the file, and makes it where it is missing. */
yoco_status yoco_journal_open(const char *path, yoco_journal *out);
/* Standard output: never read. */
yoco_status yoco_journal_open_stdout(yoco_journal *out);
void yoco_journal_close(yoco_journal *journal); /* {.fd = -1} is legal */

/* Gives every line to `each`. Sets journal->size behind the last whole one. An unfinished one must
 * begin as `begin` says (NULL: anyhow), else the file is a stranger's: YOCO_ERR_DATA. */
typedef yoco_status (*yoco_journal_each)(void *data, const yoco_line *line);
yoco_status yoco_journal_read(yoco_journal *journal, const char *begin, yoco_journal_each each,
                              void *data);
/* Drops what lies behind `size`. */
yoco_status yoco_journal_cut(yoco_journal *journal, int64_t size);
/* Whole lines, on disk when it returns. */
yoco_status yoco_journal_append(yoco_journal *journal, const char *lines, size_t size);
/* The file anew without the n lines that begin at these places, ascending. */
yoco_status yoco_journal_remove(yoco_journal *journal, const size_t *begins, size_t n);

#endif
