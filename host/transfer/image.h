/* Images, by the engines' own archives: save on the source, load on the target, and then the very same image must be
 * there: the same ID, or (between engines, which write an image's configuration differently) the same layers and the
 * same configuration in all that decides how its containers run. */
#ifndef HOST_TRANSFER_IMAGE_H
#define HOST_TRANSFER_IMAGE_H

#include "host/transfer/frames.h"
#include "host/transfer/transfer.h"

/* {"image_id","bytes","layers":[diff IDs],"config":{…}} of an image here, the caller's; what is empty is left out of
 * the configuration, so that both engines' answers compare. ERR_NOT_FOUND. */
enum err image_describe(enum runtime_kind kind, const char *id, json_t **image, struct err_info *info);

/* The ID here of the image that has this ID, or else these layers and this configuration, or else as which a transfer
 * for this site brought it here (layers and config may be NULL). ERR_NOT_FOUND. */
enum err image_find(const char *site, enum runtime_kind kind, const char *id, const json_t *layers,
    const json_t *config, char found[RUNTIME_ID_SIZE], struct err_info *info);

enum err image_send(const struct transfer *transfer, struct frames *frames, const struct transfer_watch *watch,
    struct transfer_count *count, struct err_info *info);
/* A name that an image here bears is not given to another one, whatever the archive says. */
enum err image_receive(
    const struct transfer *transfer, struct frames *frames, const json_t *header, struct err_info *info);

/* --- for tests ------------------------------------------------------------------------------------------------------
 */
json_t *image_normalised(const json_t *description); /* an engine's `image inspect` → as image_describe; NULL */
/* How `save` is to be called, NULL-terminated; the ID comes behind it. */
const char *const *image_save_words(enum runtime_kind from, enum runtime_kind to, const json_t *description);

#endif
