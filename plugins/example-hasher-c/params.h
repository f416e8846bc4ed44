/* The texts that the plug-in reads: its configuration and stored parameters. Both may be hostile: each is read in exactly one
 * spelling, and nothing is read past the length that was given. */
#ifndef EXAMPLE_PARAMS_H
#define EXAMPLE_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <patd_plugin.h>

enum {
  DEFAULT_ITERATIONS = 600000,  /* OWASP's figure for passwords */
  MAX_ITERATIONS = 10000000,    /* some seconds; a row that asks for more is refused, not computed */
  MAX_SALT = 64,
  MAX_PARAMS = 256
};

#define SCHEME "example-pbkdf2-sha256"

typedef struct {
  uint32_t iterations;
  size_t salt_length;
  uint8_t salt[MAX_SALT];
} params;

/* `{}` or `{"iterations": N}` with 1 <= N <= MAX_ITERATIONS; anything else is false, and `unknown_key` is then the key that
 * is not ours, if that is the reason, as the JSON has it between its quotes. */
bool config_read(patd_bytes json, uint32_t *iterations, patd_bytes *unknown_key);

/* `$example-pbkdf2-sha256$i=N$<salt in lower-case hexadecimal>`; anything else is false. */
bool params_read(patd_bytes text, params *into);

/* Writes the same text; gives its length, or 0 when the salt does not fit. */
size_t params_write(uint32_t iterations, patd_bytes salt, char text[MAX_PARAMS]);

#endif
