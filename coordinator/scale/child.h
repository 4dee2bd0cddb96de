/* Another program, run to its end; what it prints on stdout is kept. */
#ifndef YOCO_SCALE_CHILD_H
#define YOCO_SCALE_CHILD_H

#include "base.h"

enum { YOCO_CHILD_MAX_ARGS = 128 };

/* argv[0] is looked for in PATH; NULL ends the list. *text, NUL-terminated, is the caller's to
 * yoco_free. A program that fails is YOCO_ERR_STOPPED, its name and how it ended logged. */
yoco_status yoco_child_run(const char *const *argv, char **text);

#endif
