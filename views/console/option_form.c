/* The form of an action's options. Its first field is the reason, the others are rows of the table in their order;
 * places are chosen from lists of their own. */
#include "views/console/option_form.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { LABEL_SIZE = 48 };

struct option_form {
    struct form *form;
    unsigned takes;
};

/* The next option a person fills in here, after `row`; NULL after the last. */
static const struct action_option *next_field(unsigned takes, const struct action_option *row)
{
    do
        row = action_option_next(takes, row);
    while (row && row->is_place);
    return row;
}

struct option_form *option_form_new(
    const char *title, unsigned takes, const struct plan_options *options, const char *reason)
{
    struct option_form *form = xcalloc(1, sizeof *form);
    form->form = form_new(title);
    form->takes = takes;
    form_add_text(form->form, "reason", "why: it is kept with the job and in the audit log", "none", reason);
    for (const struct action_option *row = next_field(takes, NULL); row; row = next_field(takes, row)) {
        char value[ACTION_OPTION_SIZE], label[LABEL_SIZE];
        row->get(options, value);
        str_format(label, sizeof label, "%s%s%s", row->name, row->value_name ? " " : "",
            row->value_name ? row->value_name : "");
        if (row->value_name)
            form_add_text(form->form, label, row->help, row->without, value);
        else
            form_add_switch(form->form, label, row->help, value[0]);
    }
    return form;
}

void option_form_free(struct option_form *form)
{
    if (!form)
        return;
    form_free(form->form);
    free(form);
}

/* False: a field is wrong, and says so. Options that are not in the form stay as they are. */
static bool take(struct option_form *form, struct plan_options *options, bool *changed)
{
    struct plan_options wanted = *options; /* `more` is not in the form and stays */
    struct err_info info = {0};
    size_t index = 1;
    for (const struct action_option *row = next_field(form->takes, NULL); row; row = next_field(form->takes, row)) {
        char before[ACTION_OPTION_SIZE], after[ACTION_OPTION_SIZE];
        row->get(options, before);
        if (row->set(&wanted, form_value(form->form, index), &info) != ERR_OK) {
            form_refuse(form->form, index, info.message);
            return false;
        }
        row->get(&wanted, after);
        *changed |= strcmp(before, after) != 0;
        index++;
    }
    *options = wanted;
    return true;
}

enum form_result option_form_key(
    struct option_form *form, int key, struct plan_options *options, char **reason, bool *changed)
{
    enum form_result result = form_key(form->form, key);
    if (result != FORM_TAKEN)
        return result;
    if (!take(form, options, changed))
        return FORM_OPEN;
    xstr_set(reason, form_value(form->form, 0));
    return FORM_TAKEN;
}

void option_form_draw(struct option_form *form, struct area area)
{
    form_draw(form->form, area);
}

/* --- in words --- */

void option_form_offer(unsigned takes, char out[OPTION_FORM_WORDS])
{
    str_copy(out, OPTION_FORM_WORDS, "reason");
    for (const struct action_option *row = next_field(takes, NULL); row; row = next_field(takes, row)) {
        size_t length = strlen(out);
        str_format(out + length, OPTION_FORM_WORDS - length, ", %s", row->name);
    }
}

void option_form_given(unsigned takes, const struct plan_options *options, const char *reason, char *out, size_t size)
{
    out[0] = '\0';
    for (const struct action_option *row = next_field(takes, NULL); row; row = next_field(takes, row)) {
        char value[ACTION_OPTION_SIZE];
        size_t length = strlen(out);
        row->get(options, value);
        if (value[0])
            str_format(out + length, size - length, "%s%s%s%s", length ? ", " : "", row->name,
                row->value_name ? " " : "", row->value_name ? value : "");
    }
    size_t length = strlen(out);
    if (reason[0])
        str_format(out + length, size - length, "%sreason: %s", length ? ", " : "", reason);
}
