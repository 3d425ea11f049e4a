/* Start detached threads with small stacks. No state; any thread. */
#include "host/thread.h"

#include <pthread.h>
#include <stddef.h>

#define STACK_BYTES (256u * 1024u)

bool thread_start(void *(*run)(void *), void *argument)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &attributes, run, argument);
    pthread_attr_destroy(&attributes);
    return failed == 0;
}
