/* The findings of yoco doctor, check by check. Every rank has its own; they are merged
 * for printing. A check says something in every case. */
#ifndef YOCO_DOCTOR_H
#define YOCO_DOCTOR_H

#include "coordinator/plan/input.h"

typedef enum yoco_verdict { YOCO_FINE, YOCO_WARN, YOCO_BAD, YOCO_N_VERDICTS } yoco_verdict;

enum { YOCO_DOCTOR_FINDINGS = 20, YOCO_DOCTOR_TEXT = 320, YOCO_DOCTOR_HOST = 64 };

typedef struct yoco_finding {
    int verdict; /* yoco_verdict */
    char area[16];
    char text[YOCO_DOCTOR_TEXT];
    char fix[YOCO_DOCTOR_TEXT]; /* what to do; empty where all is fine */
} yoco_finding;

typedef struct yoco_doctor {
    yoco_comm *comm;
    char host[YOCO_DOCTOR_HOST];
    int n;
    yoco_finding findings[YOCO_DOCTOR_FINDINGS];
} yoco_doctor;

/* `fix` is NULL where all is fine. */
void yoco_doctor_say(yoco_doctor *d, yoco_verdict verdict, const char *area, const char *fix,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Checks of one machine, by its first rank. */
void yoco_doctor_cpu(yoco_doctor *d);
void yoco_doctor_gpu(yoco_doctor *d);
/* plan_bytes: of the largest rank; 0: no plan was asked for. */
void yoco_doctor_memory(yoco_doctor *d, size_t plan_bytes);
void yoco_doctor_shared_memory(yoco_doctor *d);
void yoco_doctor_disk(yoco_doctor *d, const char *folder);

/* Collective; rank 0 speaks. The first one tells whether all ranks see the same folder. */
yoco_status yoco_doctor_shared(yoco_doctor *d, const char *folder);
yoco_status yoco_doctor_ranks(yoco_doctor *d);
yoco_status yoco_doctor_clocks(yoco_doctor *d);
yoco_status yoco_doctor_messages(yoco_doctor *d);

/* Collective: rank 0 prints all findings, those alike once for all their hosts. *bad, on every
 * rank: whether one is bad. */
yoco_status yoco_doctor_print(const yoco_doctor *d, bool json, bool *bad);

#endif
