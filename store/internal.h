/* Shared inside store/ only: what a store and a reader are made of. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "store/intake.h"
#include "store/jobs.h"
#include "store/reader.h"
#include "store/rows.h"
#include "store/store.h"
#include "store/writer.h"

struct store {
    char *path; /* of dogwatch.db */
    struct intake *intake;
    pthread_t thread;
    struct writer writer; /* the writer thread's own */

    pthread_mutex_t durable_mutex; /* one job thread at a time */
    sqlite3 *durable;              /* synchronous=FULL */

    pthread_mutex_t stats_mutex;
    struct store_stats stats;
};

/* Take and give back the durable connection. */
sqlite3 *store_lock_durable(struct store *store);
void store_unlock_durable(struct store *store);

sqlite3 *store_reader_db(struct store_reader *reader);

#endif
