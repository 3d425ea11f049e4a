/* The words of a log query. A word is what FTS5's "ascii" tokenizer takes for one: a run of ASCII letters and digits
 * and of bytes from 0x80 up; ASCII letters compare without case. No state; any thread. */
#include "store/log_words.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define TERMS_MAX 32

static bool is_word_byte(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

static unsigned char fold(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Take one term off the front of *text. */
static enum err take_term(const char **text, struct log_words *out, struct err_info *info)
{
    const char *start = *text, *end;
    bool quoted = *start == '"';
    if (quoted) {
        end = strchr(++start, '"');
        if (!end)
            return err_set(info, ERR_INVALID, "a quote is not closed in the words to look for: %s", start - 1);
        *text = end + 1;
    } else {
        end = start;
        while (*end && !is_blank(*end) && *end != '"')
            end++;
        *text = end;
    }
    bool prefix = !quoted && end > start + 1 && end[-1] == '*' && is_word_byte((unsigned char)end[-2]);
    if (end - start - prefix <= 0)
        return ERR_OK;
    if (out->terms.count == TERMS_MAX)
        return err_set(info, ERR_INVALID, "more than %d words to look for", TERMS_MAX);
    *vec_add(&out->terms) = (struct log_term){xstrndup(start, (size_t)(end - start) - prefix), prefix};
    return ERR_OK;
}

enum err log_words_parse(const char *text, struct log_words *out, struct err_info *info)
{
    *out = (struct log_words){0};
    for (; text && *text; text += is_blank(*text)) {
        if (is_blank(*text))
            continue;
        enum err result = take_term(&text, out, info);
        if (result != ERR_OK) {
            log_words_free(out);
            return result;
        }
        if (!*text)
            break;
    }
    return ERR_OK;
}

void log_words_free(struct log_words *words)
{
    vec_each (&words->terms, struct log_term, term)
        free(term->text);
    vec_free(&words->terms);
}

/* Tokens hold no quote, so quoting them is enough. */
static void match_term(const struct log_term *term, struct buf *expression)
{
    for (const char *at = term->text; *at;) {
        const char *end = at;
        while (*end && is_word_byte((unsigned char)*end))
            end++;
        if (end > at) {
            buf_puts(expression, expression->length ? " AND \"" : "\"");
            buf_append(expression, at, (size_t)(end - at));
            buf_puts(expression, term->prefix && !*end ? "\" *" : "\"");
        }
        at = end + (end == at);
    }
}

void log_words_match(const struct log_words *words, struct buf *expression)
{
    vec_each (&words->terms, struct log_term, term)
        match_term(term, expression);
}

/* Whether the term stands at `at`, inside text that begins at `text`. */
static bool stands_at(const struct log_term *term, const char *text, const char *at)
{
    size_t i = 0;
    while (term->text[i] && fold((unsigned char)term->text[i]) == fold((unsigned char)at[i]))
        i++;
    if (term->text[i])
        return false;
    bool cut_before = is_word_byte((unsigned char)term->text[0]) && at > text && is_word_byte((unsigned char)at[-1]);
    bool cut_after =
        !term->prefix && is_word_byte((unsigned char)term->text[i - 1]) && is_word_byte((unsigned char)at[i]);
    return !cut_before && !cut_after;
}

bool log_words_in(const struct log_words *words, const char *text)
{
    vec_each (&words->terms, struct log_term, term) {
        const char *at = text;
        while (*at && !stands_at(term, text, at))
            at++;
        if (!*at)
            return false;
    }
    return true;
}
