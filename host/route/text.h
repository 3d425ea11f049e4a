/* A proxy's files as text: find one thing in them, and write the same text with only that changed – what an
 * administrator wrote stays byte for byte. No state; any thread. */
#ifndef HOST_ROUTE_TEXT_H
#define HOST_ROUTE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "host/route/address.h"
#include "host/route/driver.h"

#define NAME_VALUE_SIZE 128 /* a backend's name in a map */

struct text_span {
    size_t start, length;
};

/* The next line of *rest, without its end; false after the last. *rest moves on. */
bool text_line(const char **rest, struct text_span *line, const char *text);
/* Up to `most` words of a line, parted by blanks, up to a comment (a word that begins with #). */
size_t text_words(const char *text, const struct text_span *line, struct text_span *words, size_t most);
bool text_is(const char *text, const struct text_span *span, const char *word);
/* `text` with the span replaced. */
enum err text_replace(struct buf *out, const char *text, const struct text_span *span, const char *by);

/* --- HAProxy's configuration -------------------------------------------------------------------------------------- */

/* In section `backend SITE`: the line `server site ADDRESS:PORT …`. `where`: ADDRESS:PORT. False where there is none,
 * or its address is no literal. */
bool text_find_server(const char *text, const char *site, struct text_span *where, struct address *address);

/* What decides how long requests can wait; as HAProxy starts with, then changed by each text in turn. */
struct hold_settings {
    int64_t retries;
    int64_t connect_ms; /* timeout connect; 0: none */
    bool redispatch;    /* option redispatch 1: each try asks for the server's address anew */
    bool server_close;  /* option http-server-close: no request goes over a connection to the old address */
};
#define HOLD_SETTINGS_START ((struct hold_settings){.retries = 3})
/* Read the `defaults` of a text and, where `site` is not NULL, its section `backend SITE`. */
void text_read_hold_settings(const char *text, const char *site, struct hold_settings *settings);

/* --- HAProxy's maps ----------------------------------------------------------------------------------------------- */

/* The value of the first entry with this key; false where there is none. */
bool map_find(const char *text, const char *key, char value[NAME_VALUE_SIZE]);
/* `text` with `value` in all entries of that key, or with such an entry at the end. */
enum err map_set(struct buf *out, const char *text, const char *key, const char *value);
/* Add the keys whose value this is, where they are domains and not yet among them. */
void map_add_keys(const char *text, const char *value, struct route_domains *domains);
/* "show map" has an identifier before each entry: the same text without. */
enum err map_from_runtime(struct buf *out, const char *answer);

/* --- tables of HAProxy's admin socket ----------------------------------------------------------------------------- */

/* The cell of column `column` in the first row whose column `key_column` is `key`. Columns are named by the line that
 * begins with "# ", so that those of other versions do not matter. */
bool table_cell(const char *table, char separator, const char *key_column, const char *key, const char *column,
    char *out, size_t out_size);
/* Is there a row with both? */
bool table_has(
    const char *table, char separator, const char *column, const char *is, const char *other_column, const char *other);

/* --- nginx -------------------------------------------------------------------------------------------------------- */

struct upstream {
    struct text_span line; /* from `server` to the end of its line */
    struct address leads;  /* where requests go */
    struct address site;   /* where the site is: another one while the notice page is shown */
};
/* In `upstream SITE { … }`: its first `server ADDRESS:PORT;`. */
bool upstream_find(const char *text, const char *site, struct upstream *found);
/* What is to stand in `line` for requests to go to `leads`, while the site is at `site`. */
enum err upstream_line(struct buf *out, const struct address *leads, const struct address *site);

#endif
