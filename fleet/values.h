/* The types of single values in the fleet files. Within fleet/ only. */
#ifndef FLEET_VALUES_H
#define FLEET_VALUES_H

#include "fleet/schema.h"

/* slot: char * (owned) */
extern const struct value_type value_name, value_text, value_address, value_login, value_image, value_user, value_path,
    value_url_path;
extern const struct value_type value_port;     /* slot: uint16_t */
extern const struct value_type value_status;   /* slot: int */
extern const struct value_type value_size;     /* slot: uint64_t, bytes */
extern const struct value_type value_number;   /* slot: double */
extern const struct value_type value_duration; /* slot: int64_t, µs */
extern const struct value_type value_flag;     /* slot: bool */
extern const struct value_type value_choice;   /* slot: unsigned, an index of field->words */
extern const struct value_type value_domain;   /* list; slot: VEC(char *) */
extern const struct value_type value_role;     /* list; slot: unsigned, a set of enum role */

#endif
