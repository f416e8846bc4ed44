/*
 * The boundary between patd and its plug-ins, ABI 1.0. This header is all that a plug-in in C or C++ needs.
 *
 * A plug-in is a shared library that exports one object, `patd_plugin_v1`, and nothing else (link with a version script).
 * The daemon reads it, asks `get_factory` for the kind it wants, and calls through that table:
 *
 *   hasher        PATD_FACTORY_HASHER  patd_hasher   makes digests of secrets; direct calls
 *   store         PATD_FACTORY_STORE   patd_service  keeps rows; requests and completions
 *   audit sink    PATD_FACTORY_AUDIT   patd_service  takes audit events; requests and completions
 *
 * Threads. Each function says who may call it when:
 *   [init]          nothing else runs on the object, before or during the call
 *   [thread-safe]   from any thread, several at once
 *   [never-blocks]  returns within microseconds: no IO, no waiting for a lock that is held over IO
 *   [cpu-bound]     may compute for as long as its configured cost says, on a thread made for that
 *
 * Memory. Nothing changes hands and there is no `free`: what a function is given is borrowed until it returns (copy what
 * you keep), what it has to say it writes into a patd_out (the receiver copies). `out_self` is the plug-in's own and only
 * ever handed back. Libraries are never unloaded, so static tables live as long as the process.
 *
 * Structs grow at their end only; `struct_size` says how much is there. Never read past it. Write all of what this header
 * declares, with `sizeof` as the size.
 *
 * Errors. Any status but PATD_STATUS_OK is a refusal, as is an answer that is malformed or too long. Nothing may unwind out of
 * a function (C++: catch everything, answer PATD_STATUS_PANIC). Details and log lines go to the operator: say what happened
 * and what to do, and never put a secret, a digest or a configured value into them.
 *
 * A plug-in runs inside the daemon and must leave the process alone. Forbidden: signal handlers and masks, setenv, chdir,
 * umask, setlocale, fork, exec, exit, abort, atexit and other exit handlers, writing to standard output or standard error,
 * closing descriptors that are not its own, changing limits or credentials, thread-local storage of the initial-exec
 * model, another memory allocator, any work in constructors, any thread that outlives STOP.
 */
#ifndef PATD_PLUGIN_H
#define PATD_PLUGIN_H


/* Written by `cargo xtask codegen` from crates/abi; do not edit. */

#include <stddef.h>
#include <stdint.h>

/**
 * Name of the one exported object.
 */
#define PATD_ENTRY_SYMBOL "patd_plugin_v1"

/**
 * Factory id of a hasher; the factory is a patd_hasher.
 */
#define PATD_FACTORY_HASHER "patd.hasher/1"

/**
 * Factory id of a store; the factory is a patd_service.
 */
#define PATD_FACTORY_STORE "patd.store/1"

/**
 * Factory id of an audit sink; the factory is a patd_service.
 */
#define PATD_FACTORY_AUDIT "patd.audit/1"


/**
 * First field of patd_plugin: "PATDPLG1" in memory on a little-endian machine.
 */
#define PATD_PLUGIN_MAGIC 3550890738832392528

/**
 * Major version of this ABI; a plug-in of another major is refused.
 */
#define PATD_ABI_MAJOR 1

/**
 * Minor version of this ABI; any minor is accepted, the lower one is in force.
 */
#define PATD_ABI_MINOR 0

/**
 * patd_request.encoding: JSON.
 */
#define PATD_ENCODING_JSON 0

/**
 * Every service: open resources and begin to serve. Threads may be started from here on.
 */
#define PATD_OP_START 1

/**
 * Every service: finish what is in flight, let every other thread end, close resources, answer last. No request follows.
 */
#define PATD_OP_STOP 2

/**
 * Every service: OK when requests would be served now.
 */
#define PATD_OP_HEALTH 3

/**
 * Store: which schema version the database has, which one the plug-in needs.
 */
#define PATD_OP_SCHEMA_STATUS 4

/**
 * Store: bring the schema to the plug-in's version.
 */
#define PATD_OP_MIGRATE 5

/**
 * Store: read rows.
 */
#define PATD_OP_QUERY 256

/**
 * Store: apply one set of changes, all or nothing.
 */
#define PATD_OP_APPLY 257

/**
 * Store: read events that wait for delivery.
 */
#define PATD_OP_OUTBOX_TAKE 258

/**
 * Store: move a sink's delivery cursor.
 */
#define PATD_OP_OUTBOX_ACK 259

/**
 * Store: copy everything into a file that does not exist yet.
 */
#define PATD_OP_BACKUP 262

/**
 * Store, optional: give everything piece by piece.
 */
#define PATD_OP_EXPORT 263

/**
 * Store, optional: take everything piece by piece, into an empty store.
 */
#define PATD_OP_IMPORT 264

/**
 * Store, optional: how many live digests there are, by what they were made with.
 */
#define PATD_OP_DIGESTS 265

/**
 * Store: what waits for a sink.
 */
#define PATD_OP_OUTBOX_STATUS 266

/**
 * Store: list the events that a sink will never take.
 */
#define PATD_OP_DEAD_LETTERS 267

/**
 * Store: forget some of them.
 */
#define PATD_OP_DEAD_LETTERS_FORGET 268

/**
 * Store: which of several daemons brings a sink its events.
 */
#define PATD_OP_OUTBOX_LEASE 269

/**
 * Store: remove the oldest events.
 */
#define PATD_OP_EVENTS_REMOVE 270

/**
 * Audit sink: take one batch of events.
 */
#define PATD_OP_DELIVER 512

/**
 * Audit sink: put everything taken so far on stable storage.
 */
#define PATD_OP_FLUSH 513

/**
 * The first number that is not a lifecycle operation.
 */
#define PATD_OP_FIRST_DOMAIN 256

/**
 * Two instances must not overlap on one resource.
 */
#define PATD_FLAG_EXCLUSIVE 1

/**
 * Honours idempotency keys.
 */
#define PATD_FLAG_IDEMPOTENT (1 << 1)

/**
 * Takes one batch at a time, in order.
 */
#define PATD_FLAG_ORDERED (1 << 2)

/**
 * OK means on stable storage.
 */
#define PATD_FLAG_DURABLE (1 << 3)

/**
 * Unknown bits of the high half mean "the host must know this": a host that does not refuses the plug-in.
 */
#define PATD_FLAG_REQUIRED_MASK 18446744069414584320ull

/**
 * Something failed.
 */
#define PATD_LEVEL_ERROR 1

/**
 * Something is odd.
 */
#define PATD_LEVEL_WARN 2

/**
 * Something happened.
 */
#define PATD_LEVEL_INFO 3

/**
 * For whoever debugs the plug-in.
 */
#define PATD_LEVEL_DEBUG 4

/**
 * Everything.
 */
#define PATD_LEVEL_TRACE 5

/**
 * Adds `value` to a counter.
 */
#define PATD_METRIC_COUNTER 1

/**
 * Sets a gauge to `value`.
 */
#define PATD_METRIC_GAUGE 2

/**
 * Records `value` in a histogram.
 */
#define PATD_METRIC_HISTOGRAM 3

/**
 * Outcome of a call; one of the `PATD_STATUS_…` constants. An integer, so that an unknown value is no undefined behaviour:
 * it is read as PATD_STATUS_INTERNAL.
 */
typedef int32_t patd_status;

/**
 * Bytes borrowed for the call, not terminated by a zero. Whoever made them frees them; the receiver copies what it keeps.
 * `ptr` is not NULL even when `len` is 0; readers test `len` first all the same. Text is UTF-8.
 */
typedef struct {
  /**
   * First byte.
   */
  const uint8_t *ptr;
  /**
   * How many.
   */
  size_t len;
} patd_bytes;

/**
 * Where a function writes its output. It is valid until that function returns, on the thread that called it; the receiver
 * copies. An output that is not written is empty.
 */
typedef struct {
  /**
   * Handed back to `write`; the receiver's.
   */
  void *ctx;
  /**
   * Takes the next piece; may be called any number of times, and copies before it returns: the piece stays the
   * caller's. Beyond the receiver's limit (answers 8 MiB, params and digests 1 KiB, details 4 KiB) pieces are dropped and
   * the call counts as failed, a detail is cut. `[never-blocks]`
   */
  void (*write)(void *ctx, patd_bytes piece);
} patd_out;

/**
 * What the host offers to one instance. Table and `ctx` are valid for the life of the process, also after `destroy`.
 * Every function is `[thread-safe] [never-blocks]` from any thread of the plug-in, never calls back into the plug-in (so
 * it may be called under the plug-in's own lock), and copies what it is lent before it returns. Look at `struct_size`
 * before you use a function, and at the pointer: a host may leave one NULL. A `create` whose plug-in cannot do without a
 * function that is not there (a service without `complete`) is INVALID.
 */
typedef struct {
  /**
   * Bytes of this struct that are there; 56 in ABI 1.0.
   */
  uint32_t struct_size;
  /**
   * The host's ABI major.
   */
  uint16_t abi_major;
  /**
   * The host's ABI minor.
   */
  uint16_t abi_minor;
  /**
   * Handed back to every function below; the host's.
   */
  void *ctx;
  /**
   * Writes a log line. `instance` is the number from `create`, `level` one of `PATD_LEVEL_…`, `fields_json` a JSON
   * object or empty. Never log a secret, a digest, a key or a part of one. `[thread-safe] [never-blocks]`
   */
  void (*log)(void *ctx, uint64_t instance, uint32_t level, patd_bytes message, patd_bytes fields_json);
  /**
   * Records a figure under `patd_plugin_<name>`; `kind` is one of `PATD_METRIC_…`, `name` is of `a-z 0-9 _`, at most 64
   * characters; at most 64 names per instance are kept. `[thread-safe] [never-blocks]`
   */
  void (*metric)(void *ctx, uint64_t instance, uint32_t kind, patd_bytes name, double value);
  /**
   * The host's clock: milliseconds since 1970, UTC. `[thread-safe] [never-blocks]`
   */
  int64_t (*now_unix_ms)(void *ctx);
  /**
   * Answers a request that `submit` took, exactly once, from any thread, also from within `submit`. `payload` is the
   * operation's answer when `status` is OK, and `detail` is then empty (OK with a detail counts as a failure); else `detail` is
   * one sentence for the operator's log. Both stay the caller's. A number that nobody waits for is counted and otherwise
   * ignored. After the answer to STOP the instance may be destroyed at once, on another thread: touch nothing of it any
   * more. `[thread-safe] [never-blocks]`
   */
  void (*complete)(void *ctx, uint64_t request_id, patd_status status, patd_bytes payload, patd_bytes detail);
  /**
   * Optional services by id, e.g. "patd.x/1"; NULL when unknown. What it gives is valid for the life of the process.
   * `[thread-safe] [never-blocks]`
   */
  const void *(*get_extension)(void *ctx, patd_bytes id);
} patd_host;

/**
 * Input of `create`; borrowed for the call, but for `host`.
 */
typedef struct {
  /**
   * Bytes of this struct that are there; 40 in ABI 1.0.
   */
  uint32_t struct_size;
  /**
   * Zero.
   */
  uint32_t reserved;
  /**
   * Number of the instance, unique for the life of the process; hand it to `log` and `metric`.
   */
  uint64_t instance;
  /**
   * The host's functions; valid for the life of the process.
   */
  const patd_host *host;
  /**
   * The plug-in's own configuration table as a JSON object, `{}` when there is none. It may hold secrets (the daemon has
   * read them from their files): wipe your copies, never log or echo a value.
   */
  patd_bytes config_json;
} patd_create;

/**
 * Factory PATD_FACTORY_HASHER: direct calls. The table is constant and valid for the life of the process. All functions are
 * required. A hasher does no IO, starts no thread, never sees a stored digest and gives no verdict: it derives, and the
 * daemon compares in constant time.
 */
typedef struct {
  /**
   * Bytes of this struct that are there; 64 in ABI 1.0.
   */
  uint32_t struct_size;
  /**
   * Zero.
   */
  uint32_t reserved;
  /**
   * `PATD_FLAG_…`; 0 for a hasher.
   */
  uint64_t flags;
  /**
   * Makes an instance from its configuration. Unknown keys and wrong types are INVALID, with one sentence in `detail` that
   * names the key (an unknown one too, if it is short and printable) and what is accepted, never a value. On OK the plug-in has stored its own pointer in `*out_self`; it
   * is only ever handed back. No IO, no threads. `[init]`
   */
  patd_status (*create)(const patd_create *input, void **out_self, patd_out detail);
  /**
   * Frees an instance. Nothing else runs on it and nothing follows. It is not called for an instance that was taken out
   * of service. `[init]`
   */
  void (*destroy)(void *me);
  /**
   * Writes the description, a JSON object (see the guide). `me` is NULL before `create`. `[thread-safe]`
   */
  patd_status (*describe)(void *me, patd_out json);
  /**
   * Writes the public text `$scheme$cost$salt` for a new digest: printable ASCII without blanks, not ending in `$`, at
   * most 1 KiB. The host makes the salt (16 random bytes); the plug-in needs no randomness. `[thread-safe]`
   */
  patd_status (*new_params)(void *me, patd_bytes salt, patd_out params, patd_out detail);
  /**
   * Writes the digest of `secret` under `params`, 16 to 1024 bytes. `params` come from a database row and may be hostile:
   * whatever `new_params` could not have written is INVALID, absurd costs are refused and never computed. Every byte of
   * the secret counts, zero bytes too; it may be empty. Same input, same digest, on every thread at once. `secret` is
   * borrowed: wipe whatever you copied or computed from it, never put it into `detail`. `[thread-safe] [cpu-bound]`
   */
  patd_status (*derive)(void *me, patd_bytes secret, patd_bytes params, patd_out digest, patd_out detail);
  /**
   * Stores 1 in `*answer` when `params` are not what `new_params` would give today, else 0. The daemon then derives anew
   * at the next good sign-in. Params that are not this hasher's are INVALID. `[thread-safe]`
   */
  patd_status (*needs_rehash)(void *me, patd_bytes params, uint32_t *answer);
} patd_hasher;

/**
 * One request to a patd_service; it and what it points to are borrowed for `submit` only: copy what outlives it.
 */
typedef struct {
  /**
   * Bytes of this struct that are there; 56 in ABI 1.0.
   */
  uint32_t struct_size;
  /**
   * One of `PATD_OP_…`.
   */
  uint32_t op;
  /**
   * Number for `complete`; unique for the life of the process.
   */
  uint64_t id;
  /**
   * Budget; the host's own timer decides, and it waits no longer.
   */
  uint32_t timeout_ms;
  /**
   * Of the payload; PATD_ENCODING_JSON. Others are INVALID.
   */
  uint32_t encoding;
  /**
   * W3C trace context, or empty.
   */
  patd_bytes traceparent;
  /**
   * The operation's input, JSON or empty.
   */
  patd_bytes payload;
} patd_request;

/**
 * Factories PATD_FACTORY_STORE and PATD_FACTORY_AUDIT: submit and completion. The table is constant and valid for the life of
 * the process. All functions but `cancel` are required. The plug-in owns its threads.
 *
 * `submit` answers OK exactly when one patd_host.complete for that id follows (or has already happened). The host sends
 * START first (HEALTH and a store's SCHEMA_STATUS and MIGRATE may come before it; after a failed START it may try again)
 * and STOP last, also when there was no START or none that worked; it comes again only when it failed or was not answered in
 * time. `destroy` comes after STOP was answered.
 */
typedef struct {
  /**
   * Bytes of this struct that are there; 56 in ABI 1.0.
   */
  uint32_t struct_size;
  /**
   * Zero.
   */
  uint32_t reserved;
  /**
   * `PATD_FLAG_…` that hold for this service.
   */
  uint64_t flags;
  /**
   * Makes an instance from its configuration, as a hasher's does. Resources are opened by START, not here: no IO, no
   * threads. `[init]`
   */
  patd_status (*create)(const patd_create *input, void **out_self, patd_out detail);
  /**
   * Frees an instance after STOP was answered, or one that never got a request. Joins what threads are left. Nothing else
   * runs on it, but for what is left of the call to `complete` that answered STOP, and nothing follows. It is not called for
   * an instance that did not stop in time. `[init]`
   */
  void (*destroy)(void *me);
  /**
   * Writes the description, a JSON object (see the guide). `me` is NULL before `create`. `[thread-safe]`
   */
  patd_status (*describe)(void *me, patd_out json);
  /**
   * Takes a request: queue it and return within microseconds, work on a thread of your own. OK: `complete` is called
   * exactly once for its id. Anything else: never, the request was not taken (PATD_STATUS_BUSY when too many are in
   * flight). Copy what you need of the request before you return. `[thread-safe] [never-blocks]`
   */
  patd_status (*submit)(void *me, const patd_request *request);
  /**
   * A hint that nobody waits for this request any more; the id may be unknown by now. The request is still to be completed,
   * with PATD_STATUS_CANCELLED if the work was given up. May be NULL. `[thread-safe] [never-blocks]`
   */
  void (*cancel)(void *me, uint64_t request_id);
} patd_service;

/**
 * The only export, under PATD_ENTRY_SYMBOL. Constant, valid for the life of the process, frozen for major 1.
 */
typedef struct {
  /**
   * PATD_PLUGIN_MAGIC.
   */
  uint64_t magic;
  /**
   * Bytes of this struct that are there; 72.
   */
  uint32_t struct_size;
  /**
   * PATD_ABI_MAJOR.
   */
  uint16_t abi_major;
  /**
   * PATD_ABI_MINOR.
   */
  uint16_t abi_minor;
  /**
   * `[a-z0-9.-]{3,64}`: the name by which the configuration calls it; its file is `lib<id>.so`.
   */
  patd_bytes id;
  /**
   * Semantic version, e.g. "1.0.0".
   */
  patd_bytes version;
  /**
   * A JSON object for messages only: compiler, SDK, commit. Or empty.
   */
  patd_bytes build_info;
  /**
   * The constant table of that factory id, compared byte by byte, or NULL. Reads nothing but the id and calls nothing: it
   * runs before any instance exists. `[thread-safe] [never-blocks]`
   */
  const void *(*get_factory)(patd_bytes factory_id);
} patd_plugin;

/**
 * Done.
 */
#define PATD_STATUS_OK 0

/**
 * The input is wrong; the same call fails again.
 */
#define PATD_STATUS_INVALID 1

/**
 * Not possible now; the same call may work later.
 */
#define PATD_STATUS_UNAVAILABLE 2

/**
 * The budget ran out; whether the work was done is unknown.
 */
#define PATD_STATUS_TIMEOUT 3

/**
 * Given up because the host asked for it.
 */
#define PATD_STATUS_CANCELLED 4

/**
 * The plug-in's own code broke down (a panic, an exception). The host takes the instance out of service.
 */
#define PATD_STATUS_PANIC 5

/**
 * The plug-in does not know this operation.
 */
#define PATD_STATUS_UNSUPPORTED 6

/**
 * Too much in flight.
 */
#define PATD_STATUS_BUSY 7

/**
 * Any other failure.
 */
#define PATD_STATUS_INTERNAL 8

/** Initialises a patd_bytes from a string literal: `static const patd_bytes name = PATD_LITERAL("text");`, and within an
 * expression `(patd_bytes)PATD_LITERAL("text")`. */
#define PATD_LITERAL(text) { (const uint8_t *)(text), sizeof(text) - 1 }

/** Makes a symbol visible; everything else is best hidden (-fvisibility=hidden). */
#if defined(__GNUC__)
#define PATD_EXPORT __attribute__((visibility("default")))
#else
#define PATD_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** The plug-in's one export; every plug-in defines it. */
PATD_EXPORT extern const patd_plugin patd_plugin_v1;

#ifdef __cplusplus
}
#endif

/* Sizes and offsets, as the daemon was compiled with. A compiler that lays structs out differently stops here. */
#ifdef __cplusplus
#define PATD_ASSERT_(condition) static_assert(condition, "patd_plugin.h: " #condition)
#else
#define PATD_ASSERT_(condition) _Static_assert(condition, "patd_plugin.h: " #condition)
#endif
#if UINTPTR_MAX == UINT64_MAX
PATD_ASSERT_(sizeof(patd_bytes) == 16);
PATD_ASSERT_(offsetof(patd_bytes, len) == 8);
PATD_ASSERT_(sizeof(patd_out) == 16);
PATD_ASSERT_(offsetof(patd_out, write) == 8);
PATD_ASSERT_(sizeof(patd_host) == 56);
PATD_ASSERT_(offsetof(patd_host, abi_major) == 4);
PATD_ASSERT_(offsetof(patd_host, abi_minor) == 6);
PATD_ASSERT_(offsetof(patd_host, ctx) == 8);
PATD_ASSERT_(offsetof(patd_host, log) == 16);
PATD_ASSERT_(offsetof(patd_host, metric) == 24);
PATD_ASSERT_(offsetof(patd_host, now_unix_ms) == 32);
PATD_ASSERT_(offsetof(patd_host, complete) == 40);
PATD_ASSERT_(offsetof(patd_host, get_extension) == 48);
PATD_ASSERT_(sizeof(patd_create) == 40);
PATD_ASSERT_(offsetof(patd_create, instance) == 8);
PATD_ASSERT_(offsetof(patd_create, host) == 16);
PATD_ASSERT_(offsetof(patd_create, config_json) == 24);
PATD_ASSERT_(sizeof(patd_hasher) == 64);
PATD_ASSERT_(offsetof(patd_hasher, flags) == 8);
PATD_ASSERT_(offsetof(patd_hasher, create) == 16);
PATD_ASSERT_(offsetof(patd_hasher, destroy) == 24);
PATD_ASSERT_(offsetof(patd_hasher, describe) == 32);
PATD_ASSERT_(offsetof(patd_hasher, new_params) == 40);
PATD_ASSERT_(offsetof(patd_hasher, derive) == 48);
PATD_ASSERT_(offsetof(patd_hasher, needs_rehash) == 56);
PATD_ASSERT_(sizeof(patd_request) == 56);
PATD_ASSERT_(offsetof(patd_request, op) == 4);
PATD_ASSERT_(offsetof(patd_request, id) == 8);
PATD_ASSERT_(offsetof(patd_request, timeout_ms) == 16);
PATD_ASSERT_(offsetof(patd_request, encoding) == 20);
PATD_ASSERT_(offsetof(patd_request, traceparent) == 24);
PATD_ASSERT_(offsetof(patd_request, payload) == 40);
PATD_ASSERT_(sizeof(patd_service) == 56);
PATD_ASSERT_(offsetof(patd_service, flags) == 8);
PATD_ASSERT_(offsetof(patd_service, create) == 16);
PATD_ASSERT_(offsetof(patd_service, destroy) == 24);
PATD_ASSERT_(offsetof(patd_service, describe) == 32);
PATD_ASSERT_(offsetof(patd_service, submit) == 40);
PATD_ASSERT_(offsetof(patd_service, cancel) == 48);
PATD_ASSERT_(sizeof(patd_plugin) == 72);
PATD_ASSERT_(offsetof(patd_plugin, struct_size) == 8);
PATD_ASSERT_(offsetof(patd_plugin, abi_major) == 12);
PATD_ASSERT_(offsetof(patd_plugin, abi_minor) == 14);
PATD_ASSERT_(offsetof(patd_plugin, id) == 16);
PATD_ASSERT_(offsetof(patd_plugin, version) == 32);
PATD_ASSERT_(offsetof(patd_plugin, build_info) == 48);
PATD_ASSERT_(offsetof(patd_plugin, get_factory) == 64);
#endif
#undef PATD_ASSERT_

#endif /* PATD_PLUGIN_H */
