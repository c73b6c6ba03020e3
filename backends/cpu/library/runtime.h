/* What the files of the runtime have in common. Functions that can fail return NULL or -1 after `fail`. */

#ifndef RUNTIME_H
#define RUNTIME_H

#include <pthread.h>
#include <stddef.h>

#include "control.h"
#include "tables.h"

/* ---- failing: the message of this thread, as printf has it; returns -1 */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int out_of_memory(void);

/* ---- memory: zeroed, aligned to a cache line, with ROOM_BEHIND; given back by free */
void *reserve(int64_t bytes);
int64_t aligned(int64_t bytes);

/* ---- numbers: what all of a table are for these sizes; LOST is what does not fit in 64 bits, and what follows of it */
#define LOST INT64_MIN
void evaluate(const struct numbers *numbers, const int64_t *sizes, int64_t *values);

/* ---- arena: where each of its rooms is, in bytes from its start, and how many there are */
int64_t plan_arena(const struct program *program, const int64_t *values, int64_t *places);

/* ---- barriers: the flags of all entries, and what follows for the use of threads */
struct plan {
  int32_t *flags;
  double work;
  int64_t meetings;
};
int plan_threads(const struct program *program, const struct outline *outline, const int64_t *values,
                 const int64_t *addresses, struct plan *plan);

/* ---- pace: whether a table's calls go by several threads; what they took decides, in nanoseconds */
struct way {
  double best, usual;
  int64_t calls;
};
struct pace {
  int large, together, trial, pause; /* trial: calls still to come in the other way */
  int64_t since;                     /* calls since the last decision */
  struct way ways[2];
};
void begin_pace(struct pace *pace, double work, int64_t meetings);
int64_t now(void);
int next_together(const struct pace *pace);
void note_call(struct pace *pace, int together, int64_t took);

/* ---- tables: what the walker walks */
struct patch {
  int32_t word, room; /* a word that depends on an input or output */
  int64_t offset;
};
struct table {
  int64_t *words, *program;
  struct patch *patches;
  int patched;
  double work;
  struct pace pace;
};
int make_table(const struct program *program, const struct outline *outline, const int64_t *values,
               const int64_t *addresses, int threads, struct table *table);
void end_table(struct table *table);

/* ---- threads */
struct pool;
struct pool *make_pool(const struct level *level);
void end_pool(struct pool *pool);
/* Carries a program out on up to so many threads: on the calling one alone where the others are busy. Returns whether it
   were several. */
int pool_run(struct pool *pool, const int64_t *program, int threads);
int processors(void);

/* ---- levels: the best that this machine can run */
const struct level *best_level(void);

/* ---- weights */
const unsigned char *open_weights(const char *path);
void close_weights(const unsigned char *weights);
void widen(const struct half *half, const unsigned char *weights, void *target);

/* ---- workspaces: the memory of calls */
struct workspace {
  struct workspace *next;
  int64_t *sizes, *addresses, *values;
  int64_t *bytes; /* of the inputs, then of the outputs */
  void *arena;
  struct table table;
  int64_t key[2]; /* what random nodes draw by */
};

struct netlang_model {
  const struct net *net;
  const struct level *level;
  const struct program *program;
  int threads;
  const unsigned char *weights;
  unsigned char *kept;
  struct pool *pool;
  pthread_mutex_t lock; /* of what follows */
  struct workspace *free;
  int calls, most; /* at this moment, and at most so far */
  int64_t seed, draws;
};

int check_sizes(const struct net *net, const int64_t *sizes);
int element_bytes(netlang_type type);
int64_t port_shape(const struct net *net, int port, const int64_t *values, int64_t *shape);
struct workspace *acquire(netlang_model *model, const int64_t *sizes);
void release(netlang_model *model, struct workspace *workspace);
void end_workspace(struct workspace *workspace);
int prepare(netlang_model *model);
void carry_out(netlang_model *model, struct table *table);

#endif
