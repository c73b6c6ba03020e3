/* What netc writes down of nets, as tables in read-only memory; `tables.py` makes them. Numbers that depend on sizes are
   places in a program's table of numbers, unless another type is given here. */

#ifndef TABLES_H
#define TABLES_H

#include "api.h"

#define TYPE(name) NETLANG_##name
typedef netlang_port port;
typedef netlang_size size;

#define ALIGNMENT 64 /* bytes: a cache line, and the widest vector */
#define ROOM_BEHIND 128 /* bytes that kernels may read behind what they are given */

/* number = a op b; CONSTANT: constants[a]; SIZE: sizes[a]; CHOICE: a ? b : c; STEPS: the last of the values whose start
   is not above a, where constants[c] on are b starts and then b values */
enum { CONSTANT, SIZE, ADD, SUBTRACT, MULTIPLY, DIVIDE, REMAINDER, LESS, LESS_EQUAL, EQUAL, CHOICE, STEPS };
struct number {
  int32_t op, a, b, c;
};
struct numbers {
  int count;
  const struct number *all;
  const int64_t *constants;
};

/* Memory of a tensor, or of some together, or working memory. */
enum { IN_WEIGHTS, IN_CONSTANTS, IN_KEPT, IN_SCRAP, IN_ARENA, IN_INPUT, IN_OUTPUT, HOMES };
struct room {
  int32_t home;
  int32_t bytes;
  int64_t place; /* bytes from the start of its home, or the number of the input or output */
};

struct use {
  int32_t room, written;
  int32_t first, end; /* elements of each image that are touched; -1: all of the room */
};

/* So many bytes after the start of a room; the number itself where `room` is -1. */
struct word {
  int32_t room, number;
};

typedef void kernel_function(int64_t table, int64_t thread, int64_t threads);

struct entry {
  kernel_function *kernel; /* NULL for an end of a loop */
  int32_t flags, table, region, loop, jump; /* region: in which its table is, loop: of which it is an end; or -1 */
  int32_t work, parallel, use, uses;        /* its uses begin at program.uses[use] */
};

/* Of a loop: its tables are the words from start to stop, and a thread's copy has so many words. */
struct region {
  int32_t start, stop, words, rounds;
};

struct outline {
  int words, entries, regions;
  const struct word *word;
  const struct entry *entry;
  const struct region *region;
};

/* A piece of the arena that is needed from `start` to `end`. Where `lives` is -1 all rooms begin where it does; else
   they share it, and from there on in program.lives are for each of them first and last, or -1, -1: all of the time. */
struct claim {
  int32_t start, end, room, rooms, lives;
};

/* After the last line: a room's bytes into the memory of the caller, or where `output` is -1 into a weight. */
struct copy {
  int32_t source, bytes, output;
  int64_t place;
};

/* Weights that were rounded to halves, and are float32 again at their place in `home`, IN_KEPT or IN_SCRAP. */
struct half {
  int32_t home, is_bfloat;
  int64_t place, source, count; /* in bytes; elements */
};

struct program {
  struct numbers numbers;
  int rooms, claims, copies;
  const struct room *room;
  const struct use *uses;
  struct outline prologue, lines;
  const struct claim *claim;
  const int32_t *claimed, *lives; /* the rooms of claims */
  const struct copy *copy;
  int halves;
  const struct half *half;
  int64_t kept, scrap; /* bytes of what the prologue leaves, and of what only itself reads */
};

/* Integers of an input are below the size, and not negative. */
struct bound {
  int32_t input;
  int64_t size;
};

struct net {
  const char *name;
  int inputs, outputs, sizes, bounds, random;
  const netlang_port *input, *output;
  const netlang_size *size;
  const struct bound *bound;
  struct numbers numbers;  /* of the shapes */
  const int32_t *dims;     /* those of all inputs, then of all outputs */
  const struct program *programs; /* by level */
};

/* A learning rate by epochs, as netlang/runtime/schedules.py has it; WARMUP goes on with another schedule. */
enum { STEADY, STEP, COSINE, WARMUP, PLATEAU };
struct schedule {
  int32_t kind, then;
  double epochs, factor, floor, patience;
};

/* A training step is a net that takes targets too and changes weights. `rate`: of learning, before the schedule. */
struct step {
  const char *section;
  struct net net;
  int32_t loss, schedule;
  double rate;
};

/* Where a tensor of a file is: among the weights that are learned and what steps keep, or in the progress of steps. */
enum { LEARNED, PROGRESS };
struct part {
  int32_t home;
  int64_t place, bytes;
};
/* A file in the safetensors format, whose header is always the same. */
struct file {
  const unsigned char *header;
  int64_t bytes; /* of the header */
  int count;
  const struct part *part;
};

struct level {
  const char *name;
  uint64_t needs;
  void (*alone)(int64_t program);
  void (*together)(int64_t control, int64_t program, int64_t threads);
  int64_t (*worker)(int64_t block);
  void (*wake_up)(int64_t block);
};

extern const struct net nets[];
extern const int net_count;
extern const struct step steps[]; /* of libraries that learn */
extern const int step_count;
extern const struct schedule schedules[];
extern const int64_t learning_seed;
extern const netlang_port learned_ports[];
extern const int64_t learned_bytes; /* weights, and behind them what steps keep for themselves, zero at first */
extern const struct file weights_content; /* a file of weights; its parts are those that learned_ports says */
extern const struct file checkpoint_content;
extern const struct level levels[]; /* the best first */
extern const int level_count;
extern const unsigned char constants[];
extern const unsigned char *const weights_inside; /* NULL: they are in a file */
extern const int64_t weights_bytes;
extern const char *const weights_file;
extern const unsigned char weights_id[32];

#endif
