/* A strict scanner of JSON: it checks UTF-8, limits the depth, allocates nothing and never reads past the end that it was given. */
#ifndef EXAMPLE_JSON_H
#define EXAMPLE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is still to be read, or the span of one value. */
typedef struct {
  const uint8_t *at;
  const uint8_t *end;
} json;

/* A string that was read; `length` is what it needs, of which no more than the caller's room was written. */
typedef struct {
  char *text;
  size_t room;
  size_t length;
} json_string;

/* Each of these steps over what it read, blanks before it included, and is false when something else stands there. */
bool json_take(json *j, char wanted);
bool json_text(json *j, json_string *into); /* `into` may be NULL: then the string is checked only */
bool json_skip(json *j);                    /* any one value */

/* One member of the object, or element of the list, whose bracket was taken: `more` is false when it has ended instead. Of a
 * member the key is read (for an element, `key` is NULL), and what is to be read next is the value. */
bool json_next(json *j, bool *first, json_string *key, bool *more);

/* Nothing but blanks is left. */
bool json_ended(json *j);

/* Whether a key is this one, and whether it may stand in a message. */
bool json_is(const json_string *key, const char *name);
bool json_printable(const json_string *key);

/* Copies a value that was checked, without the blanks between its tokens; gives the end of what it wrote. */
uint8_t *json_compact(uint8_t *out, json value);

#endif
