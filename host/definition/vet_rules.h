/* Rules for single values of a definition; for vet.c. Pure functions; any thread. */
#ifndef HOST_DEFINITION_VET_RULES_H
#define HOST_DEFINITION_VET_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

typedef bool vet_rule(const json_t *value);

/* Printable, without control characters, of 1 to `most` bytes. */
bool vet_is_plain(const char *text, size_t most);
/* Letters, digits and `more`, beginning with a letter or digit. */
bool vet_is_word(const char *text, const char *more, size_t most);
/* A place in a container: absolute, and nothing in it that a command line takes apart. */
bool vet_is_place(const char *path);
/* An array of at most so many values, each of which obeys the rule. */
bool vet_each(const json_t *array, size_t most, vet_rule *rule);

/* One value. */
vet_rule vet_is_container_name, vet_is_name, vet_is_runtime, vet_is_image, vet_is_id, vet_is_user, vet_is_host_name,
    vet_is_signal, vet_is_cpu_set, vet_is_directory, vet_is_flag, vet_is_none, vet_is_one_argument, vet_is_environment,
    vet_is_address;
/* Several. */
vet_rule vet_are_arguments, vet_are_layers, vet_are_sentences, vet_are_labels, vet_are_sysctls, vet_are_caps,
    vet_are_groups, vet_are_addresses, vet_are_host_names, vet_are_dns_options, vet_are_extra_hosts;

#endif
