/* The words of a log query: what the full-text index is asked, and what a row must contain. The index (detail=none)
 * knows which rows have which words, not where they stand; so phrases, and everything else, are checked on the row.
 * Internal to store/. */
#ifndef STORE_LOG_WORDS_H
#define STORE_LOG_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"

struct log_term {
    char *text; /* as asked for, without quotes and without a final * */
    bool prefix;
};

struct log_words {
    VEC(struct log_term) terms;
};

/* `error timeout`, `"no route" conn*`; NULL or "" gives none. ERR_INVALID: a quote is not closed, too many terms. */
enum err log_words_parse(const char *text, struct log_words *out, struct err_info *info);
void log_words_free(struct log_words *words);

/* Append ` AND "token"…` for every token of every term to an FTS5 expression; nothing where there is none. */
void log_words_match(const struct log_words *words, struct buf *expression);
/* Whether the text has every term, beginning and ending at the border of a word; ASCII case is ignored. */
bool log_words_in(const struct log_words *words, const char *text);

#endif
