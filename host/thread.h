/* Threads of the helper: detached, with a stack small enough for a program that should not be noticed. */
#ifndef HOST_THREAD_H
#define HOST_THREAD_H

#include <stdbool.h>

/* Run run(argument) in a detached thread; false where the system has no room for one more (EAGAIN). Its stack is
 * 256 KiB of address space (only touched pages count): no large arrays on it, no deep recursion. */
bool thread_start(void *(*run)(void *), void *argument);

#endif
