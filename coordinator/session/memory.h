/* Memory that the ranks of a session take. */
#ifndef YOCO_MEMORY_H
#define YOCO_MEMORY_H

#include "coordinator/session/session.h"

/* The most of any rank. */
typedef struct yoco_memory {
    size_t peak_bytes;   /* the resident set so far */
    size_t device_bytes; /* in use on its GPU now, by all programs; 0 where memory is the host's */
} yoco_memory;

/* Collective. */
yoco_status yoco_memory_measure(const yoco_session *session, yoco_memory *out);

#endif
