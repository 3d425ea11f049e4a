/* Names of roles and flags, for theme files, dumps and tests. Pure; any thread. */
#include "tui/style.h"

#include "base/mem.h"

static const char *const role_names[ROLE_COUNT] = {
#define STYLE_ROLE_NAME(name, constant, help) [constant] = #name,
    STYLE_ROLES(STYLE_ROLE_NAME)
#undef STYLE_ROLE_NAME
};

static const struct {
    unsigned flag;
    const char *name;
} flag_names[] = {
    {STYLE_BOLD, "bold"},
    {STYLE_DIM, "dim"},
    {STYLE_UNDERLINE, "underline"},
    {STYLE_REVERSE, "reverse"},
    {STYLE_SELECTED, "selected"},
    {STYLE_MARKED, "marked"},
    {STYLE_MATCH, "match"},
};

const char *style_role_name(unsigned style)
{
    unsigned role = style & STYLE_ROLE_MASK;
    return role < ROLE_COUNT ? role_names[role] : role_names[ROLE_NORMAL];
}

const char *style_name(unsigned style, char out[STYLE_NAME_SIZE])
{
    struct buf name = BUF(STYLE_NAME_SIZE - 1);
    (void)buf_puts(&name, style_role_name(style));
    for (size_t i = 0; i < sizeof flag_names / sizeof *flag_names; i++)
        if (style & flag_names[i].flag)
            (void)buf_printf(&name, "+%s", flag_names[i].name);
    str_copy(out, STYLE_NAME_SIZE, buf_text(&name));
    buf_free(&name);
    return out;
}
