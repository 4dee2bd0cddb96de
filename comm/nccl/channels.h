/* NCCL's communicators of a ring of ranks, each with the stream of its operations: one of two ranks
 * for the link to either neighbour, and one of all. They are opened, asked and closed without
 * blocking. */
#ifndef YOCO_NCCL_CHANNELS_H
#define YOCO_NCCL_CHANNELS_H

#include "comm/wait.h"

#include <cuda_runtime_api.h>
#include <nccl.h>

typedef struct nccl_channel {
    ncclComm_t nccl; /* NULL in a ring of one */
    cudaStream_t stream;
} nccl_channel;

enum { NCCL_LEFT, NCCL_RIGHT, NCCL_ALL, N_NCCL_CHANNELS };

/* Collective over `control`. NCCL before 2.27 and settings that stop this design are refused with
 * one line, YOCO_ERR_USAGE. Every channel has then carried a message: what NCCL allocates, connects
 * and loads at a first call never meets a receive that waits for its neighbour. What was opened
 * before a failure is closed by yoco_nccl_close. */
yoco_status yoco_nccl_open(yoco_comm *control, nccl_channel channels[N_NCCL_CHANNELS]);
void yoco_nccl_close(nccl_channel channels[N_NCCL_CHANNELS]);

/* True when the channel's last call is through. A failure ends the job. */
bool yoco_nccl_settled(yoco_comm *comm, const nccl_channel *channel, const yoco_subject *subject);

/* True when the event has come to pass. A failure ends the job. */
bool yoco_nccl_happened(yoco_comm *comm, cudaEvent_t event, const yoco_subject *subject);

/* Logs it; YOCO_ERR_INTERNAL. */
yoco_status yoco_nccl_failed(const char *what, const char *reason);

#endif
