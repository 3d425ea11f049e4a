/* How far a step has come, in words and as a fraction: for the job's page, the wallboard and `--wait`. Pure functions;
 * any thread. */
#ifndef VIEWS_PROGRESS_H
#define VIEWS_PROGRESS_H

#include <stdint.h>

#include "store/jobs.h"
#include "views/freshness.h"

#define PROGRESS_SIZE 160
#define PROGRESS_OBJECT_SIZE (KEY_SIZE + 2 * NAME_SIZE + 32)

/* 0…1 of what is being copied; NaN where nothing is, or nobody knows of how much. */
double progress_fraction(const struct job_step_record *step);

/* "pass 2, 1.2G of 4.0G, 98.0M/s, 28.0s left"; "" where nothing is copied. Returns out. */
const char *progress_words(const struct job_step_record *step, char out[PROGRESS_SIZE]);

/* A running step's last sign of life: "sign of life 3s ago", "no sign of life for 2m". Returns how much it matters;
 * *out is "" for a step that does not run. */
enum concern progress_alive(const struct job_step_record *step, int64_t now_us, char out[PROGRESS_SIZE]);

/* What a job is about, for a person: "example.org", "example.org from mosh01 to mosh02", "example.org and 2 more", "all
 * sites on mosh01". Returns out. */
const char *progress_object(const struct job_record *job, char out[PROGRESS_OBJECT_SIZE]);

/* The step that is under way; NULL where none is. Borrowed. */
const struct job_step_record *progress_current(const struct job_step_list *steps);

#endif
