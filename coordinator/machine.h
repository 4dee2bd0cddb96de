/* What reports say about the machine they were made on. */
#ifndef YOCO_MACHINE_H
#define YOCO_MACHINE_H

#include "base.h"

/* The processor's name as the system gives it, or "unknown". */
void yoco_machine_cpu(char *text, size_t size);
/* The commit that the program was built from, or "unknown". */
const char *yoco_machine_commit(void);

#endif
