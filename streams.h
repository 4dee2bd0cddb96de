/* stdin, stdout and stderr. What was asked for goes to one stream, that of the descriptor which
 * stdout was when the program began: libraries print to descriptor 1 what they like, and find
 * stderr there. */
#ifndef YOCO_STREAMS_H
#define YOCO_STREAMS_H

#include "base.h"

#include <stdio.h>

/* Before anything is opened: closed streams become /dev/null, so that no file gets their
 * descriptors, and stdout is kept apart. Writing to a stdout that was closed fails. */
yoco_status yoco_streams_open(void);

/* For answers, tables, JSON and help; stdout itself where yoco_streams_open was not called. */
FILE *yoco_stdout(void);
void yoco_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
