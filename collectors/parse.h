/* Inside collectors/: what the parsers of samples, inventories and logs share. A host may be broken into: nothing it
 * says is taken before its type and its bounds were checked. What is absent, null or out of bounds is unknown (NaN, 0,
 * ""), one bad entry of a list is left out and counted, and a message of the wrong shape is ERR_GARBAGE. Any thread. */
#ifndef COLLECTORS_PARSE_H
#define COLLECTORS_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "fleet/state.h"

#define PARSE_CONTAINERS_MAX 4096
#define PARSE_VOLUMES_MAX 8192
#define PARSE_MARKS_MAX 4096
#define PARSE_LINES_MAX 256
#define PARSE_PARTS_MAX 512 /* file systems, disks, networks: each */

/* Entries of lists that could not be used, and why the first of them could not. */
struct left_out {
    size_t count;
    char first[160]; /* sanitised */
};

/* Note one entry as left out: `what` ("container", …), why, and how the entry begins. */
void left_out_add(struct left_out *left_out, const char *what, const char *why, const json_t *entry);

/* ERR_GARBAGE "WHAT WHY: excerpt of value"; the excerpt is sanitised and short. */
enum err parse_garbage(struct err_info *info, const char *what, const char *why, const json_t *value);

/* *section is NULL where the member is absent or null; ERR_GARBAGE where it is of another type. */
enum err parse_section(const json_t *message, const char *what, const char *key, json_type type, const json_t **section,
    struct err_info *info);

/* The head of samples and inventories. */
struct parse_stamp {
    int64_t seq;
    char boot_id[40];
    int64_t epoch_us; /* the host's wall clock */
    int64_t mono_us;  /* its CLOCK_BOOTTIME */
};
enum err parse_stamp(const json_t *message, const char *what, struct parse_stamp *stamp, struct err_info *info);

double parse_quantity(const json_t *object, const char *key);   /* finite and not negative, else NaN */
double parse_percentage(const json_t *object, const char *key); /* 0–100, else NaN */
int64_t parse_time_us(const json_t *object, const char *key);   /* 0 where absent or outside 1970–9999 */

bool parse_hex_id(
    const json_t *object, const char *key, char *out, size_t out_size);      /* 12–64 hex digits; "sha256:" goes */
bool parse_name(const json_t *object, const char *key, char out[NAME_SIZE]); /* "" and false where no valid one */
bool parse_container_name(const json_t *object, const char *key, char out[CONTAINER_NAME_SIZE]);
void parse_words(
    const json_t *object, const char *key, char *out, size_t out_size); /* cut where too long; "" if none */

/* Append ", item" to a list in a text of fixed size; where it does not fit any more the list ends in "…". */
void parse_list_add(char *list, size_t size, const char *item);

/* Sort, and leave out what is there twice: the two cannot be told apart, the first remains. */
struct parse_list {
    void *items;
    size_t count, item_size;
};
void parse_sort_unique(
    struct parse_list *list, int (*compare)(const void *, const void *), struct left_out *left_out, const char *what);

#endif
