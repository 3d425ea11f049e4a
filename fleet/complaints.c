/* Complaints about the fleet files. However broken a file is, at most COMPLAINTS_KEPT are kept and the rest is counted,
 * so that a hostile file costs neither memory nor a screen. No state; the loading thread. */
#include "fleet/complaints.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "base/sanitize.h"

#define MESSAGE_CEILING 2048

void complain(struct complaints *complaints, const struct place *place, const char *format, ...)
{
    if (complaints->list.count >= COMPLAINTS_KEPT) {
        complaints->left_out++;
        return;
    }
    char message[MESSAGE_CEILING];
    va_list args;
    va_start(args, format);
    if (vsnprintf(message, sizeof message, format, args) < 0)
        message[0] = '\0';
    va_end(args);
    message[utf8_whole_length(message, strlen(message))] = '\0';
    vec_push(&complaints->list,
        ((struct complaint){
            .file = xstrdup(place->file), .line = place->line, .column = place->column, .message = xstrdup(message)}));
}

const char *quoted(const char *text, size_t length, char out[QUOTED_SIZE])
{
    static const char cut_mark[] = "…\"";
    size_t room = QUOTED_SIZE - sizeof cut_mark; /* for the quote and the text */
    size_t part = length < room ? length : utf8_whole_length(text, room);
    out[0] = '"';
    size_t written = sanitize(out + 1, room, text, part);
    /* A replaced byte takes three, so that the end of unclean text may not have fitted. */
    bool whole = part == length && (sanitize_is_clean(text, part) || written < room - 4);
    memcpy(out + 1 + written, whole ? "\"" : cut_mark, whole ? 2 : sizeof cut_mark);
    return out;
}

const char *named(const char *name, char out[QUOTED_SIZE])
{
    return name_is_valid(name) ? name : quoted(name, strlen(name), out);
}

static int compare_complaints(const void *left, const void *right)
{
    const struct complaint *a = left, *b = right;
    int order = strcmp(a->file, b->file);
    if (order == 0)
        order = (a->line > b->line) - (a->line < b->line);
    if (order == 0)
        order = (a->column > b->column) - (a->column < b->column);
    return order ? order : strcmp(a->message, b->message);
}

void complaints_sort(struct complaints *complaints)
{
    if (complaints->list.count > 1)
        qsort(complaints->list.items, complaints->list.count, sizeof *complaints->list.items, compare_complaints);
}

static size_t others(const struct complaints *complaints)
{
    return complaints->list.count - 1 + complaints->left_out;
}

enum err complaints_first(const struct complaints *complaints, struct err_info *info)
{
    if (complaints->list.count == 0)
        return ERR_OK;
    const struct complaint *first = &complaints->list.items[0];
    char position[32] = "", more[64] = "";
    if (first->line)
        str_format(position, sizeof position, ":%u:%u", first->line, first->column);
    if (others(complaints))
        str_format(more, sizeof more, " (and %zu more: dogwatch check)", others(complaints));
    return err_set(info, ERR_INVALID, "%s%s: %s%s", first->file, position, first->message, more);
}

void complaints_print(const struct complaints *complaints, FILE *out)
{
    vec_each (&complaints->list, struct complaint, complaint) {
        char *file = sanitize_dup(complaint->file, strlen(complaint->file), MESSAGE_CEILING);
        if (complaint->line)
            fprintf(out, "%s:%u:%u: %s\n", file, complaint->line, complaint->column, complaint->message);
        else
            fprintf(out, "%s: %s\n", file, complaint->message);
        free(file);
    }
    if (complaints->left_out)
        fprintf(out, "and %zu more\n", complaints->left_out);
}

void complaints_free(struct complaints *complaints)
{
    vec_each (&complaints->list, struct complaint, complaint) {
        free(complaint->file);
        free(complaint->message);
    }
    vec_free(&complaints->list);
    complaints->left_out = 0;
}
