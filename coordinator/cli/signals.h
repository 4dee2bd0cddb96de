/* SIGTERM and SIGUSR1: the first asks for a stop, the second ends the process with exit code 75. */
#ifndef YOCO_SIGNALS_H
#define YOCO_SIGNALS_H

#include <signal.h>

/* Catches both from here on. The flag becomes 1 with the first. */
const volatile sig_atomic_t *yoco_signals_catch(void);

#endif
