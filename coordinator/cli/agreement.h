/* The one agreement of all ranks, right after MPI has started and before anything is computed: what
 * failed before, what each was told, and the folders that they share (docs/DESIGN.md). What each
 * rank opens by itself is compared by who opens it: same_model.h, worker/snapshot/snapshot.h.
 *
 * A process has one command, so there is one state. */
#ifndef YOCO_AGREEMENT_H
#define YOCO_AGREEMENT_H

#include "comm/comm.h"
#include "coordinator/cli/options.h"

/* At the start of the program: errors of all tasks but the launcher's first are held until the
 * ranks can compare them, and lines other than errors are dropped until then. `argv` stays. */
void yoco_agreement_begin(char **argv);

/* After the options were parsed. */
yoco_status yoco_agreement_tell(const yoco_command *command, const yoco_option *options,
                                int n_options, bool help);

/* Collective, in place of yoco_comm_open_mpi: YOCO_ERR_USAGE where ranks were told different
 * things, YOCO_ERR_OPEN where a shared folder is not one. */
yoco_status yoco_agreement_open(double deadline_s, int64_t expected_ranks, yoco_comm **out);

/* Around a command that needs no ranks: *mine tells whether this process is to run it. Where all
 * ranks were told the same, that is rank 0, and its status is that of all; where they were told
 * different things, of which none needs ranks, it is every one, as it is in a script, whose later
 * commands may need MPI. */
yoco_status yoco_agreement_open_alone(yoco_comm **out, bool *mine);
yoco_status yoco_agreement_close_alone(yoco_comm *comm, yoco_status status);

/* At the end of the program: a process that failed before it opened anything tells the others,
 * which wait for it. Returns the exit code. */
int yoco_agreement_end(int exit_code);

#endif
