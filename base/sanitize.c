/* The one sanitiser, and the strict UTF-8 decoder under it.
 *
 * What leaves here is valid UTF-8 that moves no cursor, changes no colour, reverses no line and hides no character.
 * Sources: RFC 3629 for the encoding; Unicode 15 general categories Cc, Cf, Zl and Zp, and the blank fillers, for the
 * table. No state; any thread. */
#include "base/sanitize.h"

#include <string.h>

#include "base/mem.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */
#define REPLACEMENT_LENGTH 3

static const struct range {
    uint32_t first, last;
} removed[] = {
    {0x0000, 0x001F},   /* C0, escape among them */
    {0x007F, 0x009F},   /* DEL and C1 */
    {0x00AD, 0x00AD},   /* soft hyphen */
    {0x0600, 0x0605},   /* Arabic number signs that enclose what follows */
    {0x061C, 0x061C},   /* Arabic letter mark */
    {0x06DD, 0x06DD},   /* Arabic end of ayah */
    {0x070F, 0x070F},   /* Syriac abbreviation mark */
    {0x0890, 0x0891},   /* Arabic currency marks above */
    {0x08E2, 0x08E2},   /* Arabic disputed end of ayah */
    {0x115F, 0x1160},   /* Hangul fillers */
    {0x17B4, 0x17B5},   /* Khmer inherent vowels, not drawn */
    {0x180E, 0x180E},   /* Mongolian vowel separator */
    {0x200B, 0x200F},   /* zero width space and joiners, direction marks */
    {0x2028, 0x202E},   /* line and paragraph separators, embeddings and overrides */
    {0x2060, 0x206F},   /* word joiner, invisible operators, isolates, deprecated format controls */
    {0x3164, 0x3164},   /* Hangul filler */
    {0xFDD0, 0xFDEF},   /* noncharacters */
    {0xFEFF, 0xFEFF},   /* byte order mark */
    {0xFFA0, 0xFFA0},   /* half-width Hangul filler */
    {0xFFF0, 0xFFFB},   /* interlinear annotation, unassigned before it */
    {0xFFFE, 0xFFFF},   /* noncharacters */
    {0x110BD, 0x110BD}, /* Kaithi number sign */
    {0x110CD, 0x110CD}, /* Kaithi number sign above */
    {0x13430, 0x1343F}, /* Egyptian hieroglyph joiners */
    {0x1BCA0, 0x1BCA3}, /* shorthand format controls */
    {0x1D173, 0x1D17A}, /* musical beams and slurs */
    {0xE0000, 0xE00FF}, /* tag characters */
    {0xE01F0, 0xE0FFF}, /* unassigned, never drawn; between them variation selectors (combining) */
};

static bool is_removed(uint32_t code_point)
{
    if (code_point >= 0x20 && code_point < 0x7F)
        return false;
    size_t low = 0, high = sizeof removed / sizeof removed[0];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code_point > removed[middle].last)
            low = middle + 1;
        else if (code_point < removed[middle].first)
            high = middle;
        else
            return true;
    }
    return (code_point & 0xFFFE) == 0xFFFE; /* the last two of every plane are noncharacters */
}

/* Bytes of the character that this byte begins; 0 where it cannot begin one. */
static size_t sequence_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 3;
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

size_t utf8_decode(const char *text, size_t length, uint32_t *code_point)
{
    static const uint32_t lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* below it the form is overlong */
    *code_point = 0;
    if (length == 0)
        return 0;
    size_t bytes = sequence_length((unsigned char)text[0]);
    if (bytes == 0 || bytes > length)
        return 0;
    uint32_t value = (unsigned char)text[0] & lead_bits[bytes];
    for (size_t i = 1; i < bytes; i++) {
        unsigned char next = (unsigned char)text[i];
        if ((next & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (next & 0x3F);
    }
    if (value < least[bytes] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code_point = value;
    return bytes;
}

size_t utf8_whole_length(const char *text, size_t length)
{
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        unsigned char byte = (unsigned char)text[length - back];
        if ((byte & 0xC0) != 0x80)
            return sequence_length(byte) > back ? length - back : length;
    }
    return length;
}

/* One step over the text: what is written for it (borrowed) and how many bytes of the text it stands for. */
struct piece {
    const char *text;
    size_t length;
    size_t consumed;
};

static struct piece next_piece(const char *text, size_t length)
{
    uint32_t code_point;
    if (*text == '\t')
        return (struct piece){" ", 1, 1};
    size_t bytes = utf8_decode(text, length, &code_point);
    if (bytes == 0 || is_removed(code_point))
        return (struct piece){REPLACEMENT, REPLACEMENT_LENGTH, bytes ? bytes : 1};
    return (struct piece){text, bytes, bytes};
}

size_t sanitize(char *out, size_t out_size, const char *text, size_t length)
{
    if (out_size == 0)
        return 0;
    size_t written = 0;
    for (size_t at = 0; at < length;) {
        struct piece piece = next_piece(text + at, length - at);
        if (piece.length > out_size - 1 - written)
            break;
        memcpy(out + written, piece.text, piece.length);
        written += piece.length;
        at += piece.consumed;
    }
    out[written] = '\0';
    return written;
}

char *sanitize_dup(const char *text, size_t length, size_t ceiling)
{
    size_t worst = length > ceiling / REPLACEMENT_LENGTH ? ceiling : length * REPLACEMENT_LENGTH;
    char *out = xmalloc(worst + 1);
    sanitize(out, worst + 1, text, length);
    return out;
}

bool sanitize_is_clean(const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        struct piece piece = next_piece(text + at, length - at);
        if (piece.text != text + at)
            return false;
        at += piece.consumed;
    }
    return true;
}
