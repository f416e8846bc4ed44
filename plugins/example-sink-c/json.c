#include "json.h"

#include <string.h>

enum { DEPTH = 64 }; /* a hundred thousand nested lists must not overflow the stack */

bool json_take(json *j, char wanted) {
  while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r')) j->at++;
  if (j->at == j->end || *j->at != (uint8_t)wanted) return false;
  j->at++;
  return true;
}

bool json_ended(json *j) {
  (void)json_take(j, ' '); /* steps over all blanks */
  return j->at == j->end;
}

static bool hex4(json *j, uint32_t *value) {
  *value = 0;
  if (j->end - j->at < 4) return false;
  for (int i = 0; i < 4; i++) {
    static const char digits[] = "0123456789abcdef";
    const char *digit = *j->at ? strchr(digits, *j->at >= 'A' && *j->at <= 'F' ? *j->at + 32 : *j->at) : NULL;
    if (digit == NULL) return false;
    *value = *value << 4 | (uint32_t)(digit - digits);
    j->at++;
  }
  return true;
}

/* The character behind `\u`; of a pair, both halves. */
static bool escaped(json *j, uint32_t *c) {
  uint32_t low;
  if (!hex4(j, c) || (*c >= 0xdc00 && *c <= 0xdfff)) return false;
  if (*c < 0xd800 || *c > 0xdfff) return true;
  if (j->end - j->at < 6 || j->at[0] != '\\' || j->at[1] != 'u') return false;
  j->at += 2;
  if (!hex4(j, &low) || low < 0xdc00 || low > 0xdfff) return false;
  *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
  return true;
}

static size_t encode(uint32_t c, uint8_t piece[4]) {
  size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (size_t i = n - 1; i > 0; i--, c >>= 6) piece[i] = (uint8_t)(0x80 | (c & 0x3f));
  piece[0] = (uint8_t)(n == 1 ? c : (0xf00u >> n & 0xff) | c);
  return n;
}

/* The length of the UTF-8 sequence at `p`, 0 if there is none: no long forms, no halves of pairs. */
static size_t utf8(const uint8_t *p, const uint8_t *end) {
  size_t n = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 : *p >= 0xf0 && *p < 0xf5 ? 4 : 0;
  if (n == 0 || (size_t)(end - p) < n) return 0;
  for (size_t i = 1; i < n; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f)) return 0;
  return n;
}

/* One character of a string, at most four bytes of UTF-8; 0 if it is none. */
static size_t character(json *j, uint8_t piece[4]) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  uint32_t c;
  if (*j->at < 0x20) return 0;
  if (*j->at != '\\') {
    size_t n = utf8(j->at, j->end);
    memcpy(piece, j->at, n);
    j->at += n;
    return n;
  }
  if (j->end - j->at < 2 || j->at[1] == 0) return 0;
  const uint8_t kind = j->at[1];
  j->at += 2;
  if (kind == 'u') return escaped(j, &c) ? encode(c, piece) : 0;
  const char *found = strchr(from, kind);
  if (found == NULL) return 0;
  piece[0] = (uint8_t)to[found - from];
  return 1;
}

bool json_text(json *j, json_string *into) {
  uint8_t piece[4];
  if (into != NULL) into->length = 0;
  if (!json_take(j, '"')) return false;
  while (j->at < j->end && *j->at != '"') {
    size_t n = character(j, piece);
    if (n == 0) return false;
    if (into == NULL) continue;
    if (into->length <= into->room && into->room - into->length >= n) memcpy(into->text + into->length, piece, n);
    into->length += n;
  }
  return json_take(j, '"');
}

bool json_next(json *j, bool *first, json_string *key, bool *more) {
  *more = !json_take(j, key != NULL ? '}' : ']');
  if (!*more) return true;
  if (!*first && !json_take(j, ',')) return false;
  *first = false;
  return key == NULL || (json_text(j, key) && json_take(j, ':'));
}

static bool digits(json *j) {
  const uint8_t *start = j->at;
  while (j->at < j->end && *j->at >= '0' && *j->at <= '9') j->at++;
  return j->at > start;
}

static bool number(json *j) {
  if (j->at < j->end && *j->at == '-') j->at++;
  const uint8_t *start = j->at;
  if (!digits(j) || (*start == '0' && j->at - start > 1)) return false;
  if (j->at < j->end && *j->at == '.') {
    j->at++;
    if (!digits(j)) return false;
  }
  if (j->at < j->end && (*j->at == 'e' || *j->at == 'E')) {
    j->at++;
    if (j->at < j->end && (*j->at == '+' || *j->at == '-')) j->at++;
    return digits(j);
  }
  return true;
}

static bool word(json *j, const char *wanted) {
  const size_t n = strlen(wanted);
  if ((size_t)(j->end - j->at) < n || memcmp(j->at, wanted, n) != 0) return false;
  j->at += n;
  return true;
}

static bool skip(json *j, int depth) {
  bool first = true, more;
  json_string ignored = {NULL, 0, 0};
  if (depth == 0 || json_ended(j)) return false;
  const uint8_t start = *j->at;
  if (start == '"') return json_text(j, NULL);
  if (start != '{' && start != '[') return word(j, "true") || word(j, "false") || word(j, "null") || number(j);
  j->at++;
  while (json_next(j, &first, start == '{' ? &ignored : NULL, &more)) {
    if (!more) return true;
    if (!skip(j, depth - 1)) return false;
  }
  return false;
}

bool json_skip(json *j) { return skip(j, DEPTH); }

bool json_is(const json_string *key, const char *name) {
  return key->length == strlen(name) && key->length <= key->room && memcmp(key->text, name, key->length) == 0;
}

bool json_printable(const json_string *key) {
  if (key->length == 0 || key->length > key->room) return false;
  for (size_t i = 0; i < key->length; i++)
    if (key->text[i] < 0x20 || key->text[i] > 0x7e || key->text[i] == '`') return false;
  return true;
}

uint8_t *json_compact(uint8_t *out, json value) {
  bool inside = false;
  for (; value.at < value.end; value.at++) {
    if (inside && *value.at == '\\') *out++ = *value.at++; /* a quote behind it ends nothing */
    else if (*value.at == '"') inside = !inside;
    else if (!inside && memchr(" \t\r\n", *value.at, 4) != NULL) continue;
    *out++ = *value.at;
  }
  return out;
}
