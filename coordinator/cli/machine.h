/* The machine that a report was made on. */
#ifndef YOCO_MACHINE_H
#define YOCO_MACHINE_H

#include "base.h"

enum { YOCO_MACHINE_ID_BYTES = 128 };

/* The processor's name as the system gives it, or "unknown". */
void yoco_machine_cpu(char *text, size_t size);
/* Equal for two processes only if one kernel runs both; false where the system does not tell. */
bool yoco_machine_id(char text[YOCO_MACHINE_ID_BYTES]);
/* Bytes of memory that this process may still take, as far as /proc/meminfo and the limit of its
 * address space tell; INT64_MAX: they tell nothing. */
int64_t yoco_machine_memory_left(void);
/* The commit that the program was built from, or "unknown". */
const char *yoco_machine_commit(void);

#endif
