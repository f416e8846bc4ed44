/* A complete audit sink in C: each event becomes one line of a file, as the JSON that it came in. It needs patd_plugin.h and a
 * C compiler.
 *
 * Read it beside plugins/README.md. `submit` copies a request into a queue and returns; one thread takes the oldest, works
 * without the lock and completes it. START makes the thread, STOP is the last that it completes. It must never answer OK for
 * an event that is not on stable storage, wait within `submit`, or put a configured value or anything of an event into a
 * message. This file is the boundary; file.c writes, json.c reads. */
#define _POSIX_C_SOURCE 200809L /* -std=c11 alone hides PATH_MAX and strerror_r */
#include <patd_plugin.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "json.h"

enum { MAX_WAITING = 32 }; /* more than describe's max_in_flight: START, STOP and HEALTH are not counted there */

/* A request, copied: the host's is gone when `submit` returns. */
typedef struct job {
  struct job *next;
  uint64_t id;
  uint32_t op;
  bool cancelled;
  size_t length;
  uint8_t payload[];
} job;

typedef struct {
  const patd_host *host;
  char path[PATH_MAX];
  pthread_mutex_t lock; /* guards what follows, up to `serving`; never held over IO */
  pthread_cond_t arrived;
  job *oldest, **end;
  size_t waiting;
  bool has_thread;
  bool stopping; /* STOP was taken: nothing else is any more */
  bool ended;    /* the thread has nothing left to do and returns */
  pthread_t thread;
  bool serving; /* START went well; only the thread looks */
} sink;

static patd_bytes text(const char *text) { return (patd_bytes){(const uint8_t *)text, strlen(text)}; }

/* ---- On the thread. ---- */

static void done(const sink *me, const job *work, patd_bytes answer) {
  me->host->complete(me->host->ctx, work->id, PATD_STATUS_OK, answer, text("")); /* OK has no detail */
}

/* `reason` is an errno, or 0. */
static void failed(const sink *me, const job *work, patd_status status, const char *what, int reason) {
  char detail[256], words[96] = "";
  if (reason != 0 && strerror_r(reason, words, sizeof words) != 0) (void)snprintf(words, sizeof words, "error %d", reason);
  (void)snprintf(detail, sizeof detail, "%s%s%s", what, reason != 0 ? ": " : "", words);
  me->host->complete(me->host->ctx, work->id, status, text(""), text(detail));
}

/* Steps over one event; `id` becomes its id, as it is spelled, in its quotes. */
static bool read_event(json *j, json *id) {
  bool first = true, more, seen = false;
  char name[8];
  json_string key = {name, sizeof name, 0}, value = {NULL, 0, 0};
  if (!json_take(j, '{')) return false;
  while (json_next(j, &first, &key, &more)) {
    if (!more) return seen;
    if (!json_is(&key, "id")) {
      if (!json_skip(j)) return false;
      continue;
    }
    id->at = j->at;
    if (seen || !json_text(j, &value) || value.length == 0) return false;
    id->end = j->at;
    seen = true;
  }
  return false;
}

/* Makes the lines of a batch: all of them before one is written. There is room: each event had a comma or a bracket behind it. */
static bool read_batch(json j, uint8_t *lines, size_t *length, json *last_id) {
  bool first = true, more = true, seen = false;
  char name[8];
  json_string key = {name, sizeof name, 0};
  *length = 0;
  if (!json_take(&j, '{')) return false;
  while (json_next(&j, &first, &key, &more) && more) {
    if (!json_is(&key, "events")) {
      if (!json_skip(&j)) return false;
      continue;
    }
    bool first_event = true, another;
    if (seen || !json_take(&j, '[')) return false;
    seen = true;
    while (json_next(&j, &first_event, NULL, &another) && another) {
      const uint8_t *start = j.at;
      if (!read_event(&j, last_id)) return false;
      uint8_t *end = json_compact(lines + *length, (json){start, j.at});
      *end++ = '\n';
      *length = (size_t)(end - lines);
    }
    if (another) return false;
  }
  return seen && !more && json_ended(&j);
}

static void deliver(const sink *me, const job *work) {
  static const char before[] = "{\"accepted_through\":", behind[] = ",\"rejected\":[]}";
  const json payload = {work->payload, work->payload + work->length};
  json last_id = {(const uint8_t *)"null", (const uint8_t *)"null" + 4}; /* of a batch without events */
  size_t length;
  uint8_t *lines = malloc(work->length + 1), *answer = malloc(work->length + sizeof before + sizeof behind + 4);
  int file = -1;
  if (lines == NULL || answer == NULL) {
    failed(me, work, PATD_STATUS_UNAVAILABLE, "out of memory", 0);
  } else if (!read_batch(payload, lines, &length, &last_id)) {
    failed(me, work, PATD_STATUS_INVALID, "the payload is no JSON object whose `events` all have a textual `id`", 0);
  } else if (length > 0 && (file = file_open(me->path)) < 0) { /* anew for each batch: whoever rotates it just renames it */
    failed(me, work, PATD_STATUS_UNAVAILABLE, "cannot open the file that `path` names", errno);
  } else if (length > 0 && !file_append(file, lines, length)) {
    failed(me, work, PATD_STATUS_UNAVAILABLE, "cannot write or sync the file that `path` names", errno);
  } else {
    uint8_t *end = answer;
    memcpy(end, before, sizeof before - 1);
    end = json_compact(end + sizeof before - 1, last_id);
    memcpy(end, behind, sizeof behind - 1);
    end += sizeof behind - 1;
    done(me, work, (patd_bytes){answer, (size_t)(end - answer)});
  }
  if (file >= 0) (void)close(file);
  free(lines);
  free(answer);
}

/* START makes what is missing; both it and HEALTH say whether a batch could be written now. */
static void start_or_health(sink *me, const job *work) {
  const bool ready = work->op == PATD_OP_HEALTH || file_make_folders(me->path);
  const int file = ready ? file_open(me->path) : -1;
  if (file < 0) {
    failed(me, work, PATD_STATUS_UNAVAILABLE, "cannot open the file that `path` names", errno);
    return;
  }
  (void)close(file);
  me->serving = true;
  done(me, work, text(""));
}

static void serve(sink *me, const job *work) {
  if (work->cancelled) failed(me, work, PATD_STATUS_CANCELLED, "it was cancelled while it waited", 0);
  else if (work->op != PATD_OP_START && !me->serving) failed(me, work, PATD_STATUS_UNAVAILABLE, "it is not started", 0);
  else if (work->op == PATD_OP_DELIVER) deliver(me, work);
  else if (work->op == PATD_OP_FLUSH) done(me, work, text("")); /* nothing was accepted before it was synced */
  else start_or_health(me, work);
}

static void *run(void *self) {
  sink *me = self;
  for (;;) {
    pthread_mutex_lock(&me->lock);
    while (me->oldest == NULL) pthread_cond_wait(&me->arrived, &me->lock);
    job *work = me->oldest;
    me->oldest = work->next;
    if (me->oldest == NULL) me->end = &me->oldest;
    me->waiting--;
    const bool last = work->op == PATD_OP_STOP && me->oldest == NULL;
    me->ended = last;
    pthread_mutex_unlock(&me->lock);
    if (work->op == PATD_OP_STOP) done(me, work, text(""));
    else serve(me, work);
    free(work);
    if (last) return NULL; /* `me` was not touched after the answer: `destroy` may have begun, and waits for this thread */
  }
}

/* ---- The boundary. ---- */

/* Reads `{"path": "…"}`; else says why in `problem`, by the name of a key, never by a value. */
static bool read_config(json j, char path[PATH_MAX], char *problem, size_t room) {
  bool first = true, more = true;
  char name[64];
  json_string key = {name, sizeof name, 0}, value = {path, PATH_MAX - 1, 0};
  (void)snprintf(problem, room, "config: accepted is { path = \"…\" }, and nothing else");
  if (!json_take(&j, '{')) return false;
  while (json_next(&j, &first, &key, &more) && more) {
    if (!json_is(&key, "path")) {
      if (json_printable(&key))
        (void)snprintf(problem, room, "config: unknown key `%.*s`; accepted is { path = \"…\" }", (int)key.length, name);
      return false;
    }
    if (value.length > 0 || !json_text(&j, &value) || value.length > value.room || path[0] != '/' ||
        path[value.length - 1] == '/' || memchr(path, 0, value.length) != NULL) {
      (void)snprintf(problem, room, "config: `path` is given once: the absolute path of a file, at most %d bytes", PATH_MAX - 1);
      return false;
    }
  }
  return !more && json_ended(&j) && value.length > 0;
}

static patd_status create(const patd_create *input, void **out_self, patd_out detail) {
  char problem[256];
  if (input->struct_size < sizeof *input || input->host->struct_size < sizeof(patd_host) || input->host->complete == NULL) {
    detail.write(detail.ctx, text("the host is older than this plug-in: its tables are cut short"));
    return PATD_STATUS_INVALID;
  }
  sink *me = calloc(1, sizeof *me);
  if (me == NULL) {
    detail.write(detail.ctx, text("out of memory"));
    return PATD_STATUS_UNAVAILABLE;
  }
  const json config = {input->config_json.ptr, input->config_json.ptr + input->config_json.len};
  if (!read_config(config, me->path, problem, sizeof problem)) {
    detail.write(detail.ctx, text(problem));
    free(me);
    return PATD_STATUS_INVALID;
  }
  me->host = input->host;
  me->end = &me->oldest;
  pthread_mutex_init(&me->lock, NULL);
  pthread_cond_init(&me->arrived, NULL);
  *out_self = me;
  return PATD_STATUS_OK;
}

static void destroy(void *self) {
  sink *me = self;
  if (me->has_thread) pthread_join(me->thread, NULL);
  pthread_cond_destroy(&me->arrived);
  pthread_mutex_destroy(&me->lock);
  free(me);
}

static patd_status describe(void *me, patd_out out) {
  (void)me; /* NULL before `create`; the description is the same for every instance */
  out.write(out.ctx, text("{\"kind\":\"audit\",\"schema\":1,\"max_in_flight\":8,\"config_schema\":{\"type\":\"object\","
                          "\"additionalProperties\":false,\"required\":[\"path\"],\"properties\":{\"path\":{\"type\":\"string\","
                          "\"description\":\"The file that gets a line for each event; an absolute path\"}}},"
                          "\"example_config\":{\"path\":\"/var/lib/patd/events.jsonl\"}}"));
  return PATD_STATUS_OK;
}

static patd_status submit(void *self, const patd_request *request) {
  sink *me = self;
  const uint32_t op = request->op;
  const size_t length = op == PATD_OP_DELIVER ? request->payload.len : 0; /* that of the others is ignored */
  patd_status status = PATD_STATUS_OK;
  if (op != PATD_OP_START && op != PATD_OP_STOP && op != PATD_OP_HEALTH && op != PATD_OP_DELIVER && op != PATD_OP_FLUSH)
    return PATD_STATUS_UNSUPPORTED;
  if (request->encoding != PATD_ENCODING_JSON) return PATD_STATUS_INVALID;
  job *work = malloc(sizeof *work + length);
  if (work == NULL) return PATD_STATUS_UNAVAILABLE;
  *work = (job){.id = request->id, .op = op, .length = length};
  if (length > 0) memcpy(work->payload, request->payload.ptr, length);

  pthread_mutex_lock(&me->lock);
  if (op == PATD_OP_START && !me->has_thread && !me->stopping)
    me->has_thread = pthread_create(&me->thread, NULL, run, me) == 0;
  const bool idle_stop = op == PATD_OP_STOP && (!me->has_thread || me->ended); /* never started, or asked again */
  if (op == PATD_OP_STOP) me->stopping = true; /* it is never refused */
  else if (me->stopping || !me->has_thread) status = PATD_STATUS_UNAVAILABLE;
  else if (me->waiting >= MAX_WAITING) status = PATD_STATUS_BUSY;
  const bool queued = status == PATD_STATUS_OK && !idle_stop;
  if (queued) {
    *me->end = work;
    me->end = &work->next;
    me->waiting++;
    pthread_cond_signal(&me->arrived);
  }
  pthread_mutex_unlock(&me->lock);
  if (idle_stop) done(me, work, text("")); /* within `submit`, but not under the lock: `destroy` may follow */
  if (!queued) free(work);
  return status;
}

/* What waits is given up in its turn. START and STOP are not: others wait for what they do. */
static void cancel(void *self, uint64_t id) {
  sink *me = self;
  pthread_mutex_lock(&me->lock);
  for (job *work = me->oldest; work != NULL; work = work->next)
    if (work->id == id && work->op != PATD_OP_START && work->op != PATD_OP_STOP) work->cancelled = true;
  pthread_mutex_unlock(&me->lock);
}

/* EXCLUSIVE: lines of two writers could end up within each other when the disk is full. */
static const patd_service table = {
    .struct_size = sizeof(patd_service),
    .flags = PATD_FLAG_ORDERED | PATD_FLAG_DURABLE | PATD_FLAG_EXCLUSIVE,
    .create = create,
    .destroy = destroy,
    .describe = describe,
    .submit = submit,
    .cancel = cancel,
};

static const void *get_factory(patd_bytes id) {
  static const char audit_id[] = PATD_FACTORY_AUDIT;
  if (id.len == sizeof audit_id - 1 && memcmp(id.ptr, audit_id, id.len) == 0) return &table;
  return NULL;
}

const patd_plugin patd_plugin_v1 = {
    .magic = PATD_PLUGIN_MAGIC,
    .struct_size = sizeof(patd_plugin),
    .abi_major = PATD_ABI_MAJOR,
    .abi_minor = PATD_ABI_MINOR,
    .id = PATD_LITERAL("example-sink-c"),
    .version = PATD_LITERAL("1.0.0"),
    .build_info = PATD_LITERAL("{\"language\":\"C11\"}"),
    .get_factory = get_factory,
};
