/* What the files of the runtime have in common. Functions that can fail return NULL or -1 after `fail`. */

#ifndef RUNTIME_H
#define RUNTIME_H

#include <pthread.h>
#include <stddef.h>

#include "control.h"
#include "tables.h"

#define PUBLIC __attribute__((visibility("default")))

/* ---- failing: the message of this thread, as printf has it; returns -1 */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int out_of_memory(void);
int no_model(void);

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

/* ---- learning: what models that share weights have in common */
struct progress { /* as files of checkpoints have it */
  int64_t steps, bad;
  double epoch, scale, best;
};
struct learning {
  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t free;
  int users, readers, changers, changing; /* changers: those that change weights, or wait to */
  int64_t version; /* of the weights */
  unsigned char *weights;
  struct progress progress[]; /* of every step */
};
struct learning *begin_learning(const unsigned char *first);
void share_learning(struct learning *learning);
void end_learning(struct learning *learning);
void begin_reading(struct learning *learning);
void end_reading(struct learning *learning);
void begin_changing(struct learning *learning);
void end_changing(struct learning *learning);

/* ---- files. read_content gives what is to be freed, when take_content has copied it */
int save_content(const struct file *content, const struct learning *learning, const char *path);
unsigned char *read_content(const struct file *content, const char *path);
void take_content(const struct file *content, struct learning *learning, const unsigned char *memory);
int check_progress(const unsigned char *memory, const char *path);

/* ---- schedules */
double learning_rate(const struct step *step, const struct progress *progress);
void epoch_ended(const struct step *step, struct progress *progress, const double *loss);

/* ---- workspaces: the memory of calls */
struct workspace {
  struct workspace *next;
  int64_t *sizes, *addresses, *values;
  int64_t *bytes; /* of the inputs, then of the outputs */
  void *arena;
  struct table table;
  int64_t key[2]; /* what random nodes draw by */
  float rate;     /* of learning */
  unsigned char *staged; /* old weights that are read when new ones are written */
};

struct netlang_model {
  const struct net *net;
  const struct level *level;
  const struct program *program;
  int threads;
  const unsigned char *weights;
  const struct step *step;   /* NULL: it is a net */
  struct learning *learning; /* NULL: weights stay as they are */
  unsigned char *kept, *scrap;
  struct table prologue; /* as long as weights may change */
  struct pool *pool;
  pthread_mutex_t lock; /* of what follows */
  struct workspace *free;
  int calls, most; /* at this moment, and at most so far */
  int64_t seed, draws;
  int64_t version; /* of the weights that `kept` follows from */
};

/* ---- models. With `learning`, which it takes over one use of, one is made beside others; weights that nobody changes
   are at `weights` */
netlang_model *create_model(const struct net *net, const struct step *step, int threads, struct learning *learning,
                            const unsigned char *weights);
const struct net *find_net(const char *name);
int find_port(const netlang_port *ports, int count, const char *name, const char *what);
int check_threads(int threads);
int check_sizes(const struct net *net, const int64_t *sizes);
int element_bytes(netlang_type type);
int64_t port_shape(const struct net *net, int port, const int64_t *values, int64_t *shape);
struct workspace *acquire(netlang_model *model, const int64_t *sizes);
void release(netlang_model *model, struct workspace *workspace);
void end_workspace(struct workspace *workspace);
int prepare(netlang_model *model);
void prepare_again(netlang_model *model);
void end_prologue(netlang_model *model);
void carry_out(netlang_model *model, struct table *table);

#endif
