/* The options that every command which opens a session offers. */
#ifndef YOCO_SESSION_OPTIONS_H
#define YOCO_SESSION_OPTIONS_H

#include "coordinator/cli/options.h"
#include "coordinator/session/session.h"

enum { YOCO_N_SESSION_OPTIONS = 8 };

/* Entries of a command's table, for one yoco_session_options. */
/* clang-format off */
#define YOCO_SESSION_OPTIONS(session)                                                              \
    {"dtype", 0, "auto|f32|bf16", YOCO_OPTION_STRING, &(session).dtype, 0,                         \
     "Of matrix inputs and K,V. auto: f32 if the weights are f32, else bf16."},                    \
    {"backend", 0, "auto|reference|cpu|cuda", YOCO_OPTION_STRING, &(session).backend, 0,           \
     "auto: cuda where the machine has a GPU (yoco info --devices), else cpu. reference is\n"      \
     "slow and plain."},                                                                           \
    {"isa", 0, "auto|portable|avx2|avx512|avx512_bf16", YOCO_OPTION_STRING, &(session).isa, 0,     \
     "Highest instruction set to use (auto: the highest that all ranks have). Other sets\n"        \
     "give other rounding."},                                                                           \
    {"threads", 0, "T", YOCO_OPTION_SIZE | YOCO_OPTION_PER_RANK, &(session).threads, 1,                                   \
     "Threads per rank (default: the machine's cores shared among its ranks). Does not\n"          \
     "change any bit."},                                                                           \
    {"transport", 0, "auto|mpi|ucx|nccl", YOCO_OPTION_STRING, &(session).transport, 0,             \
     "What carries the messages between ranks: see docs/CLUSTER.md. auto is mpi, and nccl\n"       \
     "for GPUs. Does not change any bit."},                                                        \
    {"expect-ranks", 0, "N", YOCO_OPTION_SIZE, &(session).expect_ranks, 1,                         \
     "Refuse to start on another number of ranks."},                                               \
    {"deadline", 0, "SECONDS", YOCO_OPTION_REAL, &(session).deadline_s, 0.001,                     \
     "Longest wait for another rank (default 600); then the job ends with exit code 75."},         \
    {"hang-dir", 0, "DIR", YOCO_OPTION_STRING | YOCO_OPTION_SHARED, &(session).hang_folder, 0,                          \
     "Where each rank then says what it was doing, in hang-RANK.json (default: the current\n"      \
     "folder). All ranks must see the same folder.", .path = YOCO_PATH_WRITES_HANG}
/* That of a command which prefills. */
#define YOCO_CHUNK_OPTION(rows)                                                                    \
    {"chunk", 0, "C", YOCO_OPTION_SIZE, &(rows), 1,                                                \
     "Tokens per chunk (default 2048, on a GPU 8192); some models take multiples of 256 only.\n" \
     "Other chunk sizes give other rounding; other rank counts never do."}
/* clang-format on */

#endif
