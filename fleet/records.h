/* Reading one file by the schema into a struct fleet, and what has to be looked at once all files are read. Within
 * fleet/ only; the loading thread. */
#ifndef FLEET_RECORDS_H
#define FLEET_RECORDS_H

#include "fleet/fleet.h"
#include "fleet/schema.h"
#include "fleet/yaml_reader.h"

/* A name written somewhere that stands for something elsewhere. Texts are owned by the fleet. */
struct reference {
    const char *text;
    const char *of; /* the name of the host, site or container it is written in */
    size_t site;    /* index in fleet->sites before these are sorted; for domains and volumes */
    struct place place;
};

struct loader {
    struct fleet *fleet;
    struct complaints *complaints;
    struct reader *reader;         /* of the file that is being read */
    const struct context *context; /* where in it the reader is; private to records.c */
    VEC(struct reference) references[REFERS_COUNT];
    size_t suggestions; /* how often the nearest of all names was looked for */
};

/* One whole file. What is wrong is complained about; what is right is in the fleet. `file` lives as long as the fleet;
 * `title` is what it is called in messages. */
void records_read_file(struct loader *loader, const struct record *record, const char *file, const char *title,
    const char *text, size_t length);

/* Across files: complains about doubles, dangling references and circles; leaves hosts and sites sorted by name. */
void references_check(struct loader *loader);

#endif
