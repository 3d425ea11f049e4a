/* The roles of a host as words. No state; any thread. */
#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "fleet/complaints.h"
#include "fleet/fleet.h"

#define ROLE_COUNT 4

static const char *const role_words[ROLE_COUNT] = {"compute", "proxy", "storage", "backup"}; /* bit 0, 1, … */

const char *roles_text(unsigned roles, char out[64])
{
    out[0] = '\0';
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        size_t used = strlen(out);
        if (roles & (1U << i))
            str_format(out + used, 64 - used, "%s%s", used ? " " : "", role_words[i]);
    }
    return out;
}

static unsigned find_role(const char *word, size_t length)
{
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        if (strlen(role_words[i]) == length && memcmp(role_words[i], word, length) == 0)
            return 1U << i;
    return 0;
}

static enum err refuse_role(const char *word, size_t length, struct err_info *info)
{
    char text[QUOTED_SIZE], copy[NAME_SIZE];
    quoted(word, length, text);
    str_format(copy, sizeof copy, "%.*s", (int)(length < NAME_MAX_BYTES ? length : NAME_MAX_BYTES), word);
    const char *nearest = name_nearest(copy, role_words, ROLE_COUNT);
    if (nearest)
        return err_set(info, ERR_INVALID, "unknown role %s; did you mean \"%s\"?", text, nearest);
    return err_set(info, ERR_INVALID, "unknown role %s; there are compute, proxy, storage and backup", text);
}

bool roles_parse(const char *text, unsigned *roles, struct err_info *info)
{
    unsigned found = 0;
    *roles = 0;
    for (text += strspn(text, ", "); *text; text += strspn(text, ", ")) {
        size_t length = strcspn(text, ", ");
        unsigned role = find_role(text, length);
        if (!role) {
            refuse_role(text, length, info);
            return false;
        }
        found |= role;
        text += length;
    }
    if (!found)
        err_set(info, ERR_INVALID, "no role given; there are compute, proxy, storage and backup");
    *roles = found;
    return found != 0;
}
