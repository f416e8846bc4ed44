/* A complete hasher in C: PBKDF2-HMAC-SHA-256 with its own scheme name. It needs patd_plugin.h and a C compiler.
 *
 * Read it beside plugins/README.md. It must never see a stored digest, put anything of a secret into a message, or compute
 * what a hostile row asks for. This file is the boundary; params.c reads texts, pbkdf2.c computes. */
#include <patd_plugin.h>

#include <stdlib.h>
#include <string.h>

#include "params.h"
#include "pbkdf2.h"

/* An instance is its configuration; it never changes after `create`, so every function is thread-safe. */
typedef struct {
  uint32_t iterations;
} hasher;

static void write_out(patd_out out, const void *bytes, size_t length) {
  if (out.write != NULL && length > 0) out.write(out.ctx, (patd_bytes){bytes, length});
}

static void say(patd_out out, const char *text) { write_out(out, text, strlen(text)); }

static patd_status create(const patd_create *input, void **out_self, patd_out detail) {
  uint32_t iterations;
  if (input == NULL || out_self == NULL || input->struct_size < sizeof *input) {
    say(detail, "the host is older than this plug-in: its patd_create is cut short");
    return PATD_STATUS_INVALID;
  }
  patd_bytes unknown_key;
  if (!config_read(input->config_json, &iterations, &unknown_key)) {
    /* Names the key and what is accepted; never quotes a value, which may be a secret under the wrong key. */
    if (unknown_key.len > 0 && unknown_key.len <= 64) {
      say(detail, "config: unknown key `");
      write_out(detail, unknown_key.ptr, unknown_key.len);
      say(detail, "`; ");
    } else {
      say(detail, "config: ");
    }
    say(detail, "accepted is { iterations = N } with N from 1 to 10000000, or nothing");
    return PATD_STATUS_INVALID;
  }
  hasher *me = malloc(sizeof *me);
  if (me == NULL) {
    say(detail, "out of memory");
    return PATD_STATUS_UNAVAILABLE;
  }
  me->iterations = iterations;
  *out_self = me;
  return PATD_STATUS_OK;
}

static void destroy(void *me) { free(me); }

/* The known answers are PBKDF2-HMAC-SHA-256's published vectors (RFC 7914 section 11; "password" and "salt", 4096 rounds). */
static patd_status describe(void *me, patd_out json) {
  (void)me; /* NULL before `create`; the description is the same for every instance */
  say(json,
      "{\"kind\":\"hasher\",\"schema\":1,\"schemes\":[\"" SCHEME "\"],"
      "\"config_schema\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"iterations\":{"
      "\"type\":\"integer\",\"minimum\":1,\"maximum\":10000000,\"default\":600000,"
      "\"description\":\"PBKDF2 iterations of new digests\"}}},"
      "\"example_config\":{\"iterations\":600000},"
      "\"self_test\":["
      "{\"secret\":\"cGFzc3dk\",\"params\":\"$" SCHEME "$i=1$73616c74\","
      "\"digest\":\"VawEblbjCJ_sFpHCJUS2BflBhSFt3gRl5oudV8INrLw\"},"
      "{\"secret\":\"cGFzc3dvcmQ\",\"params\":\"$" SCHEME "$i=4096$73616c74\","
      "\"digest\":\"xeR41ZKIyEGqUw22hFxMjZYok6ABzk4RpJY4c6qYE0o\"}]}");
  return PATD_STATUS_OK;
}

static patd_status new_params(void *me, patd_bytes salt, patd_out out, patd_out detail) {
  char text[MAX_PARAMS];
  if (me == NULL) return PATD_STATUS_INVALID;
  size_t length = params_write(((const hasher *)me)->iterations, salt, text);
  if (length == 0) {
    say(detail, "the salt must have 1 to 64 bytes");
    return PATD_STATUS_INVALID;
  }
  write_out(out, text, length);
  return PATD_STATUS_OK;
}

static patd_status derive(void *me, patd_bytes secret, patd_bytes text, patd_out out, patd_out detail) {
  params read;
  uint8_t digest[DIGEST_LENGTH];
  if (me == NULL) return PATD_STATUS_INVALID;
  if (!params_read(text, &read)) {
    say(detail, "params must read $" SCHEME "$i=<1 to 10000000>$<salt in hexadecimal>");
    return PATD_STATUS_INVALID;
  }
  pbkdf2_sha256(secret.ptr, secret.len, read.salt, read.salt_length, read.iterations, digest);
  write_out(out, digest, sizeof digest);
  wipe(digest, sizeof digest);
  return PATD_STATUS_OK;
}

static patd_status needs_rehash(void *me, patd_bytes text, uint32_t *answer) {
  params read;
  if (me == NULL || answer == NULL || !params_read(text, &read)) return PATD_STATUS_INVALID;
  *answer = read.iterations != ((const hasher *)me)->iterations;
  return PATD_STATUS_OK;
}

static const patd_hasher table = {
    .struct_size = sizeof(patd_hasher),
    .create = create,
    .destroy = destroy,
    .describe = describe,
    .new_params = new_params,
    .derive = derive,
    .needs_rehash = needs_rehash,
};

static const void *get_factory(patd_bytes id) {
  static const char hasher_id[] = PATD_FACTORY_HASHER;
  if (id.len == sizeof hasher_id - 1 && memcmp(id.ptr, hasher_id, id.len) == 0) return &table;
  return NULL;
}

const patd_plugin patd_plugin_v1 = {
    .magic = PATD_PLUGIN_MAGIC,
    .struct_size = sizeof(patd_plugin),
    .abi_major = PATD_ABI_MAJOR,
    .abi_minor = PATD_ABI_MINOR,
    .id = PATD_LITERAL("example-hasher-c"),
    .version = PATD_LITERAL("1.0.0"),
    .build_info = PATD_LITERAL("{\"language\":\"C11\"}"),
    .get_factory = get_factory,
};
