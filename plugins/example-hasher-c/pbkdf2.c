#define _DEFAULT_SOURCE /* explicit_bzero */
#include "pbkdf2.h"

#include <string.h>

enum { BLOCK = 64 };

typedef struct {
  uint32_t state[8];
  uint64_t length; /* bytes so far */
  uint8_t block[BLOCK];
} sha256;

void wipe(void *memory, size_t length) { explicit_bzero(memory, length); }

static uint32_t rotate(uint32_t word, unsigned by) { return (word >> by) | (word << (32 - by)); }

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static void compress(uint32_t state[8], const uint8_t block[BLOCK]) {
  uint32_t w[64];
  for (size_t i = 0; i < 16; i++) {
    const uint8_t *p = block + 4 * i;
    w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
  }
  for (size_t i = 16; i < 64; i++) {
    uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >> 3);
    uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (size_t i = 0; i < 64; i++) {
    uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    uint32_t one = h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i];
    uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    uint32_t two = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + one;
    d = c, c = b, b = a, a = one + two;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
  wipe(w, sizeof w);
}

static void sha256_init(sha256 *hash) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(hash->state, start, sizeof start);
  hash->length = 0;
}

static void sha256_update(sha256 *hash, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    size_t used = (size_t)(hash->length % BLOCK);
    size_t piece = BLOCK - used < length ? BLOCK - used : length;
    memcpy(hash->block + used, bytes, piece);
    hash->length += piece;
    bytes += piece;
    length -= piece;
    if (hash->length % BLOCK == 0) compress(hash->state, hash->block);
  }
}

static void sha256_finish(sha256 *hash, uint8_t digest[DIGEST_LENGTH]) {
  static const uint8_t padding[BLOCK] = {0x80};
  uint64_t bits = hash->length * 8;
  size_t used = (size_t)(hash->length % BLOCK);
  sha256_update(hash, padding, used < 56 ? 56 - used : 120 - used);
  uint8_t length[8];
  for (size_t i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
  sha256_update(hash, length, sizeof length);
  for (size_t i = 0; i < DIGEST_LENGTH; i++) digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

/* HMAC with its key taken in once: both start states are kept, each message costs two further blocks. */
typedef struct {
  sha256 inner, outer;
} hmac;

static void hmac_init(hmac *mac, const uint8_t *key, size_t length) {
  uint8_t pad[BLOCK] = {0};
  if (length > BLOCK) {
    sha256_init(&mac->inner);
    sha256_update(&mac->inner, key, length);
    sha256_finish(&mac->inner, pad);
  } else if (length > 0) {
    memcpy(pad, key, length);
  }
  for (size_t i = 0; i < BLOCK; i++) pad[i] ^= 0x36;
  sha256_init(&mac->inner);
  sha256_update(&mac->inner, pad, BLOCK);
  for (size_t i = 0; i < BLOCK; i++) pad[i] ^= 0x36 ^ 0x5c;
  sha256_init(&mac->outer);
  sha256_update(&mac->outer, pad, BLOCK);
  wipe(pad, sizeof pad);
}

static void hmac_finish(const hmac *mac, sha256 *inner, uint8_t digest[DIGEST_LENGTH]) {
  sha256 outer = mac->outer;
  sha256_finish(inner, digest);
  sha256_update(&outer, digest, DIGEST_LENGTH);
  sha256_finish(&outer, digest);
  wipe(&outer, sizeof outer);
}

void pbkdf2_sha256(const uint8_t *secret, size_t secret_length, const uint8_t *salt, size_t salt_length,
                   uint32_t iterations, uint8_t digest[DIGEST_LENGTH]) {
  static const uint8_t first_block[4] = {0, 0, 0, 1};
  hmac mac;
  hmac_init(&mac, secret, secret_length);

  uint8_t u[DIGEST_LENGTH];
  sha256 inner = mac.inner;
  sha256_update(&inner, salt, salt_length);
  sha256_update(&inner, first_block, sizeof first_block);
  hmac_finish(&mac, &inner, u);
  memcpy(digest, u, DIGEST_LENGTH);
  for (uint32_t round = 1; round < iterations; round++) {
    inner = mac.inner;
    sha256_update(&inner, u, DIGEST_LENGTH);
    hmac_finish(&mac, &inner, u);
    for (size_t i = 0; i < DIGEST_LENGTH; i++) digest[i] ^= u[i];
  }
  wipe(u, sizeof u);
  wipe(&inner, sizeof inner);
  wipe(&mac, sizeof mac);
}
