/* Where the rooms of a program are in its arena: every piece in the smallest gap that holds it among those that are
   needed at the same time, largest first and, as a second try, earliest first. */

#include <stdlib.h>
#include <string.h>

#include "runtime.h"

struct buffer {
  int64_t bytes, place;
  int32_t start, end, number;
};

static int by_number(const struct buffer *a, const struct buffer *b) {
  return (a->number > b->number) - (a->number < b->number);
}

static int by_bytes(const struct buffer *a, const struct buffer *b) {
  return (a->bytes < b->bytes) - (a->bytes > b->bytes);
}

static int by_start(const struct buffer *a, const struct buffer *b) {
  return (a->start > b->start) - (a->start < b->start);
}

static int largest_first(const void *one, const void *other) {
  int order = by_bytes(one, other);
  if (!order) order = by_start(one, other);
  return order ? order : by_number(one, other);
}

static int earliest_first(const void *one, const void *other) {
  int order = by_start(one, other);
  if (!order) order = by_bytes(one, other);
  return order ? order : by_number(one, other);
}

/* The place for one buffer among those before it, whose indices are in `placed` by their places. */
static int64_t best_gap(const struct buffer *buffers, const int32_t *placed, int count, const struct buffer *one) {
  int64_t best = -1, length = 0, top = 0;
  for (int i = 0; i < count; i++) {
    const struct buffer *other = &buffers[placed[i]];
    if (other->start > one->end || other->end < one->start) continue;
    int64_t gap = other->place - top;
    if (gap >= one->bytes && (best < 0 || gap < length)) best = top, length = gap;
    if (other->place + other->bytes > top) top = other->place + other->bytes;
  }
  return best < 0 ? top : best;
}

/* Places all buffers in their order; returns the bytes of all together. */
static int64_t greedy(struct buffer *buffers, int count, int32_t *placed) {
  int64_t peak = 0;
  for (int i = 0; i < count; i++) {
    buffers[i].place = best_gap(buffers, placed, i, &buffers[i]);
    int at = i;
    for (; at > 0 && buffers[placed[at - 1]].place > buffers[i].place; at--) placed[at] = placed[at - 1];
    placed[at] = i;
    int64_t end = buffers[i].place + buffers[i].bytes;
    if (end > peak) peak = end;
  }
  return peak;
}

/* The better of both orders. `places` are written by the buffers' numbers. */
static int64_t place(struct buffer *buffers, int count, int32_t *placed, int64_t *places) {
  qsort(buffers, count, sizeof *buffers, largest_first);
  int64_t peak = greedy(buffers, count, placed);
  for (int i = 0; i < count; i++) places[buffers[i].number] = buffers[i].place;
  qsort(buffers, count, sizeof *buffers, earliest_first);
  int64_t other = greedy(buffers, count, placed);
  if (other >= peak) return peak;
  for (int i = 0; i < count; i++) places[buffers[i].number] = buffers[i].place;
  return other;
}

struct planner {
  const struct program *program;
  const int64_t *values;
  struct buffer *buffers;
  int32_t *placed;
  int64_t *found;
  int64_t *inner; /* of every room in its claim */
};

static int64_t bytes_of(const struct planner *p, int32_t room) {
  return aligned(p->values[p->program->room[room].bytes]);
}

/* Where the rooms of a claim are in their piece, and the bytes of that. */
static int64_t inside(struct planner *p, const struct claim *claim) {
  const int32_t *rooms = p->program->claimed + claim->room;
  if (claim->lives < 0) {
    for (int i = 0; i < claim->rooms; i++) p->inner[rooms[i]] = 0;
    int64_t bytes = bytes_of(p, rooms[0]); /* a tensor without elements has a place too: kernels get its address */
    return bytes > ALIGNMENT ? bytes : ALIGNMENT;
  }
  const int32_t *lives = p->program->lives + claim->lives;
  int known = 1;
  int64_t end = 0;
  for (int i = 0; i < claim->rooms; i++) {
    p->buffers[i] = (struct buffer){bytes_of(p, rooms[i]), 0, lives[2 * i], lives[2 * i + 1], i};
    known &= lives[2 * i] >= 0;
    p->inner[rooms[i]] = end;
    end += p->buffers[i].bytes;
  }
  if (!known) return end;
  end = place(p->buffers, claim->rooms, p->placed, p->found);
  for (int i = 0; i < claim->rooms; i++) p->inner[rooms[i]] = p->found[i];
  return end;
}

int64_t plan_arena(const struct program *program, const int64_t *values, int64_t *places) {
  int most = program->claims + program->rooms; /* buffers of one claim, or claims */
  char *memory = malloc((size_t)most * (sizeof(struct buffer) + sizeof(int32_t) + sizeof(int64_t)) +
                        (size_t)program->claims * sizeof(struct buffer) + 1);
  if (!memory) return out_of_memory();
  struct planner p = {program, values, (struct buffer *)memory, NULL, NULL, places};
  struct buffer *pieces = p.buffers + most;
  p.found = (int64_t *)(pieces + program->claims);
  p.placed = (int32_t *)(p.found + most);
  for (int i = 0; i < program->claims; i++) {
    const struct claim *claim = &program->claim[i];
    pieces[i] = (struct buffer){inside(&p, claim), 0, claim->start, claim->end, i};
  }
  int64_t peak = place(pieces, program->claims, p.placed, p.found);
  for (int i = 0; i < program->claims; i++) {
    const struct claim *claim = &program->claim[i];
    for (int r = 0; r < claim->rooms; r++) places[program->claimed[claim->room + r]] += p.found[i];
  }
  free(memory);
  return peak;
}
