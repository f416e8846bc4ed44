#include "params.h"

#include <stdio.h>
#include <string.h>

static const char PREFIX[] = "$" SCHEME "$i=";

/* What is left to read. */
typedef struct {
  const uint8_t *at, *end;
} cursor;

static cursor over(patd_bytes bytes) {
  if (bytes.len == 0 || bytes.ptr == NULL) return (cursor){NULL, NULL};
  return (cursor){bytes.ptr, bytes.ptr + bytes.len};
}

/* Steps over `text` if it is next. */
static bool literal(cursor *in, const char *text) {
  size_t length = strlen(text);
  if ((size_t)(in->end - in->at) < length || memcmp(in->at, text, length) != 0) return false;
  in->at += length;
  return true;
}

/* A decimal number from 1 to MAX_ITERATIONS without sign or leading zeros. */
static bool count(cursor *in, uint32_t *number) {
  uint32_t value = 0;
  const uint8_t *start = in->at;
  while (in->at < in->end && *in->at >= '0' && *in->at <= '9') {
    value = value * 10 + (uint32_t)(*in->at - '0');
    if (value == 0 || value > MAX_ITERATIONS) return false;
    in->at++;
  }
  *number = value;
  return in->at > start;
}

static void blanks(cursor *in) {
  while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r')) in->at++;
}

/* A JSON string of printable ASCII without escapes; ours have nothing else. */
static bool string(cursor *in, patd_bytes *text) {
  if (!literal(in, "\"")) return false;
  const uint8_t *start = in->at;
  while (in->at < in->end && *in->at >= ' ' && *in->at <= '~' && *in->at != '"' && *in->at != '\\') in->at++;
  *text = (patd_bytes){start, (size_t)(in->at - start)};
  return literal(in, "\"");
}

bool config_read(patd_bytes json, uint32_t *iterations, patd_bytes *unknown_key) {
  static const char ours[] = "iterations";
  cursor in = over(json);
  *iterations = DEFAULT_ITERATIONS;
  *unknown_key = (patd_bytes){json.ptr, 0};
  bool seen = false;
  blanks(&in);
  if (!literal(&in, "{")) return false;
  blanks(&in);
  if (!literal(&in, "}")) {
    do {
      patd_bytes key;
      blanks(&in);
      if (!string(&in, &key)) return false;
      if (key.len != sizeof ours - 1 || memcmp(key.ptr, ours, key.len) != 0) {
        *unknown_key = key;
        return false;
      }
      blanks(&in);
      if (seen || !literal(&in, ":")) return false;
      seen = true;
      blanks(&in);
      if (!count(&in, iterations)) return false;
      blanks(&in);
    } while (literal(&in, ","));
    if (!literal(&in, "}")) return false;
  }
  blanks(&in);
  return in.at == in.end;
}

static int nibble(uint8_t digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

bool params_read(patd_bytes text, params *into) {
  if (text.len >= MAX_PARAMS) return false;
  cursor in = over(text);
  if (!literal(&in, PREFIX) || !count(&in, &into->iterations) || !literal(&in, "$")) return false;
  size_t digits = (size_t)(in.end - in.at);
  if (digits == 0 || digits % 2 != 0 || digits > 2 * MAX_SALT) return false;
  into->salt_length = digits / 2;
  for (size_t i = 0; i < into->salt_length; i++) {
    int high = nibble(in.at[2 * i]), low = nibble(in.at[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    into->salt[i] = (uint8_t)(high * 16 + low);
  }
  return true;
}

size_t params_write(uint32_t iterations, patd_bytes salt, char text[MAX_PARAMS]) {
  static const char digits[] = "0123456789abcdef";
  if (salt.len == 0 || salt.len > MAX_SALT) return 0;
  int head = snprintf(text, MAX_PARAMS, "%s%lu$", PREFIX, (unsigned long)iterations);
  if (head < 0 || (size_t)head + 2 * salt.len >= MAX_PARAMS) return 0;
  size_t length = (size_t)head;
  for (size_t i = 0; i < salt.len; i++) {
    text[length++] = digits[salt.ptr[i] >> 4];
    text[length++] = digits[salt.ptr[i] & 15];
  }
  return length;
}
