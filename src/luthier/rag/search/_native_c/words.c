// Words of texts, each numbered at its first sight. A word is a run of letters, digits and marks, in
// lower case.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD 32

// Words of up to 16 bytes are their own key, filled up with zeros; of others it is a hash.
typedef struct {
    uint64_t key[2];
    int32_t number;  // + 1, or 0 for none
    int32_t length;
} Slot;

typedef struct {
    Slot *slots;
    long room;        // slots, a power of two
    int64_t *starts;  // of each word's bytes, and behind the last
    char *bytes;
    long words, words_room, bytes_room;
    int32_t *tokens;  // numbers of the words, text after text
    long count, tokens_room;
    char *read;  // what was read of a text, in lower case
    long read_room;
    Slot waiting[AHEAD];  // words that were read and are looked up together; `number` counts there
    long begins[AHEAD];   // where each begins in `read`
    long waits;
} Words;

static int grow_to(void **block, long *room, long wanted, long size) {
    long more = *room * 2 > wanted ? *room * 2 : wanted;
    void *made = realloc(*block, (size_t)(more * size));
    if (!made) return -1;
    *block = made, *room = more;
    return 0;
}

static inline int grow(void **block, long *room, long wanted, long size) {
    return wanted <= *room ? 0 : grow_to(block, room, wanted, size);
}

void words_free(Words *w) {
    if (!w) return;
    free(w->slots), free(w->starts), free(w->bytes), free(w->tokens), free(w->read), free(w);
}

Words *words_new(void) {
    Words *w = calloc(1, sizeof(Words));
    if (!w) return NULL;
    w->room = 1 << 12;
    w->slots = calloc((size_t)w->room, sizeof(Slot));
    if (!w->slots || grow((void **)&w->starts, &w->words_room, 1024, sizeof(int64_t))) {
        words_free(w);
        return NULL;
    }
    w->starts[0] = 0;
    return w;
}

static inline uint64_t mixed(uint64_t key) {
    key *= 0x9e3779b97f4a7c15u;
    return key ^ key >> 32;
}

static inline long place(const uint64_t *key, long room) {
    return (long)(mixed(key[0] ^ mixed(key[1])) & (uint64_t)(room - 1));
}

static int rehash(Words *w) {
    long room = w->room * 2;
    Slot *slots = calloc((size_t)room, sizeof(Slot));
    if (!slots) return -1;
    for (long i = 0; i < w->room; i++) {
        if (!w->slots[i].number) continue;
        long at = place(w->slots[i].key, room);
        while (slots[at].number) at = (at + 1) & (room - 1);
        slots[at] = w->slots[i];
    }
    free(w->slots);
    w->slots = slots, w->room = room;
    return 0;
}

// Puts a word that ends at `end` of what was read among those that wait. `read` has 16 more bytes.
static inline void waits(Words *w, long begin, long end) {
    Slot *slot = w->waiting + w->waits;
    long length = end - begin;
    const char *word = w->read + begin;
    memcpy(slot->key, word, 16);
    if (length < 8) {
        slot->key[0] &= ((uint64_t)1 << 8 * length) - 1, slot->key[1] = 0;
    } else if (length < 16) {
        slot->key[1] &= ((uint64_t)1 << 8 * (length - 8)) - 1;
    } else if (length > 16) {
        for (long i = 16; i < length; i++)
            slot->key[0] = mixed(slot->key[0] ^ (uint8_t)word[i]) + slot->key[1];
    }
    slot->length = (int32_t)length;
    w->begins[w->waits++] = begin;
    __builtin_prefetch(w->slots + place(slot->key, w->room));
}

static int add(Words *w, const Slot *met, const char *word, long at) {
    long i = w->words, end = w->starts[i] + met->length;
    if (grow((void **)&w->starts, &w->words_room, i + 2, sizeof(int64_t)) ||
        grow((void **)&w->bytes, &w->bytes_room, end, 1))
        return -1;
    memcpy(w->bytes + w->starts[i], word, (size_t)met->length);
    w->starts[i + 1] = end;
    w->slots[at] = *met;
    w->slots[at].number = (int32_t)++w->words;
    w->tokens[w->count++] = (int32_t)i;
    return w->words * 2 > w->room ? rehash(w) : 0;
}

// Looks the waiting words up.
static int looked_up(Words *w) {
    if (grow((void **)&w->tokens, &w->tokens_room, w->count + AHEAD, sizeof(int32_t))) return -1;
    for (long i = 0; i < w->waits; i++) {
        const Slot *met = w->waiting + i;
        const char *word = w->read + w->begins[i];
        long at = place(met->key, w->room);
        for (;; at = (at + 1) & (w->room - 1)) {
            const Slot *slot = w->slots + at;
            if (!slot->number) {
                if (add(w, met, word, at)) return -1;
                break;
            }
            if (slot->key[0] == met->key[0] && slot->key[1] == met->key[1] &&
                slot->length == met->length &&
                (met->length <= 16 ||
                 !memcmp(w->bytes + w->starts[slot->number - 1], word, (size_t)met->length))) {
                w->tokens[w->count++] = slot->number - 1;
                break;
            }
        }
    }
    w->waits = 0;
    return 0;
}

static long decoded(const uint8_t *s, long left, uint32_t *c) {
    if (s[0] >= 0xf0 && left >= 4) {
        *c = (s[0] & 7u) << 18 | (s[1] & 63u) << 12 | (s[2] & 63u) << 6 | (s[3] & 63u);
        return 4;
    }
    if (s[0] >= 0xe0 && left >= 3) {
        *c = (s[0] & 15u) << 12 | (s[1] & 63u) << 6 | (s[2] & 63u);
        return 3;
    }
    if (s[0] >= 0xc0 && left >= 2) {
        *c = (s[0] & 31u) << 6 | (s[1] & 63u);
        return 2;
    }
    *c = 0;
    return 1;
}

static long encoded(char *out, uint32_t c) {
    if (c < 0x80) return out[0] = (char)c, 1;
    if (c < 0x800) return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63));
        return out[2] = (char)(0x80 | (c & 63)), 3;
    }
    out[0] = (char)(0xf0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    return out[3] = (char)(0x80 | (c & 63)), 4;
}

static int read_text(Words *w, const char *text, long size, const uint32_t *folds, long known) {
    const uint8_t *s = (const uint8_t *)text;
    long begin = 0, end = 0;
    // a character of two bytes or more becomes one of four at most
    if (grow((void **)&w->read, &w->read_room, 2 * size + 32, 1)) return -1;
    char *read = w->read;
    for (long i = 0; i < size;) {
        uint32_t c = s[i], folded;
        if (c < 0x80) {
            folded = folds[c];
            i++;
        } else {
            i += decoded(s + i, size - i, &c);
            folded = c < (uint32_t)known ? folds[c] : 0;
        }
        if (folded) {
            if (folded < 0x80)
                read[end++] = (char)folded;
            else
                end += encoded(read + end, folded);
        } else if (end > begin) {
            waits(w, begin, end);
            begin = end;
            if (w->waits == AHEAD && looked_up(w)) return -1;
        }
    }
    if (end > begin) waits(w, begin, end);
    return looked_up(w);
}

// Reads titles and texts of n rows; `folds` holds for each code point below `known` what stands for
// it, or 0 where it ends a word. Writes how many words each row has. -1: no memory.
long words_read(Words *w, const char *titles, const int32_t *title_starts, const char *texts,
                const int32_t *text_starts, long n, const uint32_t *folds, long known,
                int32_t *lengths) {
    for (long row = 0; row < n; row++) {
        long before = w->count;
        if (read_text(w, titles + title_starts[row], title_starts[row + 1] - title_starts[row],
                      folds, known) ||
            read_text(w, texts + text_starts[row], text_starts[row + 1] - text_starts[row], folds,
                      known))
            return -1;
        lengths[row] = (int32_t)(w->count - before);
    }
    return w->count;
}

long words_count(const Words *w) { return w->words; }
const char *words_bytes(const Words *w) { return w->bytes; }
const int64_t *words_starts(const Words *w) { return w->starts; }
const int32_t *words_tokens(const Words *w) { return w->tokens; }
