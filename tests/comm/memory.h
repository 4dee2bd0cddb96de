/* The kind of memory that the transport under test is for; the programs of this folder are linked
 * with one of the two. What is allocated can be read and written by the test. */
#ifndef YOCO_TEST_MEMORY_H
#define YOCO_TEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

bool uses_device_memory(void);
void *get_memory(size_t bytes); /* exits on failure; 0 bytes are legal */
void free_memory(void *ptr);

#endif
