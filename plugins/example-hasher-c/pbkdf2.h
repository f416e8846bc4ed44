/* PBKDF2-HMAC-SHA-256 (RFC 8018, FIPS 180-4), one block of output. Must never leave a secret behind: it wipes what it used. */
#ifndef EXAMPLE_PBKDF2_H
#define EXAMPLE_PBKDF2_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_LENGTH = 32 };

/* The first block of PBKDF2; `iterations` is at least 1. Either input may be empty. */
void pbkdf2_sha256(const uint8_t *secret, size_t secret_length, const uint8_t *salt, size_t salt_length,
                   uint32_t iterations, uint8_t digest[DIGEST_LENGTH]);

/* Overwrites memory in a way that the compiler does not leave out. */
void wipe(void *memory, size_t length);

#endif
