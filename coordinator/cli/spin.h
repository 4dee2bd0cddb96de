/* How long a thread of OpenMP that waits for the others keeps its core before it sleeps. */
#pragma once

/*
 * GNU OpenMP reads GOMP_SPINCOUNT once, while the program is loaded. Its default is some
 * milliseconds: where other programs want the cores, threads that wait use up the time of those
 * that work, and a step of decode takes thirty times as long (docs/SPEED.md). So main() calls this
 * first: it starts the program again with a short count, and returns where GOMP_SPINCOUNT or
 * OMP_WAIT_POLICY is set already or that is not possible.
 */
void yoco_spin_shortly(char **argv);
