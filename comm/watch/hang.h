/* A rank's report of what it was doing when a wait passed its deadline, as a file hang-<rank>.json
 * in a folder that all ranks share, and the comparison of those files. */
#ifndef YOCO_HANG_H
#define YOCO_HANG_H

#include "comm/wait.h"

enum { YOCO_HANG_HOST_BYTES = 64, YOCO_HANG_WHAT_BYTES = 40 };

/* One operation of the communicator: a message waited for, or a collective. */
typedef struct yoco_hang_op {
    char what[YOCO_HANG_WHAT_BYTES];
    int64_t chunk; /* -1: none */
    int layer;     /* -1: none */
    int peer;      /* -1: all ranks; in a group, the group's number of it */
    bool incoming, collective;
    bool group;     /* of a part of the ranks */
    int64_t number; /* collectives of all ranks that this rank had entered, this one included */
    int64_t bytes;
    double begin_s, end_s; /* as yoco_now_s; end_s 0: still in it */
} yoco_hang_op;

typedef struct yoco_hang_place {
    int64_t pid;
    char host[YOCO_HANG_HOST_BYTES];
} yoco_hang_place;

typedef struct yoco_hang_report {
    uint64_t job; /* tells this job's files from older ones */
    int rank, n_ranks;
    yoco_hang_place place;
    const char *mpi; /* its version */
    double deadline_s;
    double now_s;
    const yoco_hang_op *ops; /* (n_ops), oldest first */
    int n_ops;
} yoco_hang_report;

/* Replaces the file, whole or not at all. Logs nothing: false with errno. */
bool yoco_hang_save(const char *folder, const yoco_hang_report *report);

/* One rank's part of the comparison. */
typedef struct yoco_hang_state {
    bool heard;      /* it wrote a file */
    bool waiting;    /* else it computes, or its last operation never began */
    yoco_hang_op op; /* the last one; what is "" where there was none */
    double seconds;  /* since it began, or ended where it is not waiting */
} yoco_hang_state;

/* heard is false where there is no file of that job and rank, or a damaged one. */
void yoco_hang_load(const char *folder, uint64_t job, int rank, yoco_hang_state *out);

/* The first rank that differs: one that wrote no file, else one that does not wait, else one that
 * is in another operation than most. -1: all wait for the same. `text` gets a line about it. */
int yoco_hang_judge(const yoco_hang_state *states, const yoco_hang_place *places, int n_ranks,
                    char text[YOCO_HANG_TEXT_BYTES]);

#endif
