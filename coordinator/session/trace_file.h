/* --trace: the spans of all ranks as one file of Chrome's trace event format, for chrome://tracing
 * or ui.perfetto.dev: a row per rank. The name of a row carries the sums of its rank. */
#ifndef YOCO_TRACE_FILE_H
#define YOCO_TRACE_FILE_H

#include "comm/comm.h"

/* Collective: starts the trace of every rank at the same moment. */
yoco_status yoco_trace_open(yoco_comm *comm);
/* Collective: gathers and writes the file, and stops the trace. */
yoco_status yoco_trace_save(yoco_comm *comm, const char *path);

#endif
