/* The memory of calls: as many workspaces as there have been calls at a time, kept for calls with the same sizes:
   for MOST_FREE different ones. */

#include <stdlib.h>
#include <string.h>

#include "runtime.h"


void carry_out(netlang_model *model, struct table *table) {
  if (table->program[0] == 0) return;
  if (model->threads == 1 || table->work < SERIAL_PROGRAM) {
    pool_run(model->pool, table->program, 1);
    return;
  }
  int threads = next_together(&table->pace) ? model->threads : 1;
  int64_t start = now();
  int together = pool_run(model->pool, table->program, threads);
  note_call(&table->pace, together, now() - start);
}

/* Where rooms are whose address is known, and 0 for inputs and outputs. In: the offsets of those in the arena. */
static void find_addresses(const netlang_model *model, const void *arena, const void *scrap, int64_t *addresses) {
  const unsigned char *homes[HOMES] = {
      [IN_WEIGHTS] = model->weights, [IN_CONSTANTS] = constants, [IN_KEPT] = model->kept, [IN_SCRAP] = scrap,
      [IN_ARENA] = arena};
  for (int i = 0; i < model->program->rooms; i++) {
    const struct room *room = &model->program->room[i];
    int64_t place = room->home == IN_ARENA ? addresses[i] : room->place;
    addresses[i] = homes[room->home] ? (int64_t)(homes[room->home] + place) : 0;
  }
}

/* A net's numbers do not depend on sizes in its prologue, so any will do. */
int prepare(netlang_model *model) {
  const struct program *program = model->program;
  int64_t *sizes = calloc((size_t)model->net->sizes + 1, sizeof *sizes);
  int64_t *values = malloc((size_t)program->numbers.count * sizeof *values + 1);
  int64_t *addresses = calloc((size_t)program->rooms + 1, sizeof *addresses);
  int failed = -1;
  model->scrap = reserve(program->scrap);
  model->kept = reserve(program->kept);
  if (!sizes || !values || !addresses || !model->scrap || !model->kept) {
    out_of_memory();
  } else {
    for (int i = 0; i < model->net->sizes; i++) sizes[i] = model->net->size[i].least;
    evaluate(&program->numbers, sizes, values);
    find_addresses(model, NULL, model->scrap, addresses);
    for (int i = 0; i < program->halves; i++) {
      const struct half *half = &program->half[i];
      widen(half, model->weights, (half->home == IN_KEPT ? model->kept : model->scrap) + half->place);
    }
    failed = make_table(program, &program->prologue, values, addresses, model->threads, &model->prologue);
    if (!failed) carry_out(model, &model->prologue);
  }
  free(sizes);
  free(values);
  free(addresses);
  if (!model->learning) end_prologue(model);
  return failed;
}

void end_prologue(netlang_model *model) {
  end_table(&model->prologue);
  free(model->scrap);
  model->scrap = NULL;
}

void prepare_again(netlang_model *model) {
  pthread_mutex_lock(&model->lock);
  if (model->version != model->learning->version) {
    carry_out(model, &model->prologue);
    model->version = model->learning->version;
  }
  pthread_mutex_unlock(&model->lock);
}

int element_bytes(netlang_type type) {
  static const int bytes[] = {
      [NETLANG_BOOL] = 1,    [NETLANG_UINT8] = 1,    [NETLANG_INT8] = 1,    [NETLANG_UINT16] = 2,
      [NETLANG_INT16] = 2,   [NETLANG_UINT32] = 4,   [NETLANG_INT32] = 4,   [NETLANG_UINT64] = 8,
      [NETLANG_INT64] = 8,   [NETLANG_FLOAT16] = 2,  [NETLANG_BFLOAT16] = 2, [NETLANG_FLOAT32] = 4,
      [NETLANG_FLOAT64] = 8,
  };
  return bytes[type];
}

int64_t port_shape(const struct net *net, int port, const int64_t *values, int64_t *shape) {
  const netlang_port *p = port < net->inputs ? &net->input[port] : &net->output[port - net->inputs];
  const int32_t *dims = net->dims;
  for (int i = 0; i < port; i++) dims += i < net->inputs ? net->input[i].rank : net->output[i - net->inputs].rank;
  int64_t bytes = element_bytes(p->type);
  for (int i = 0; i < p->rank; i++) {
    int64_t dim = values[dims[i]];
    if (dim == LOST || __builtin_mul_overflow(bytes, dim, &bytes)) return fail("these sizes are too large");
    if (shape) shape[i] = dim;
  }
  return bytes;
}

static int find_bytes(const struct net *net, const int64_t *sizes, int64_t *found) {
  int64_t *values = malloc((size_t)net->numbers.count * sizeof *values + 1);
  if (!values) return out_of_memory();
  evaluate(&net->numbers, sizes, values);
  int failed = 0;
  for (int i = 0; i < net->inputs + net->outputs && !failed; i++)
    failed = (found[i] = port_shape(net, i, values, NULL)) < 0;
  free(values);
  return failed ? -1 : 0;
}

/* Rooms that no memory could hold. */
static int check_rooms(const struct program *program, const int64_t *values) {
  for (int i = 0; i < program->rooms; i++) {
    int64_t bytes = values[program->room[i].bytes];
    if (bytes == LOST || bytes >= (int64_t)1 << 48) return fail("these sizes are too large");
  }
  return 0;
}

/* Of the weights whose old values are copied while new ones are. */
static int64_t staged_bytes(const struct program *program, const int64_t *values) {
  int64_t bytes = 0;
  for (int i = 0; i < program->copies; i++)
    if (program->room[program->copy[i].source].home == IN_WEIGHTS) bytes += values[program->copy[i].bytes];
  return bytes;
}

static int fill(netlang_model *model, const int64_t *sizes, struct workspace *space) {
  const struct program *program = model->program;
  const struct net *net = model->net;
  space->sizes = malloc((size_t)net->sizes * sizeof *sizes + 1);
  space->values = malloc((size_t)program->numbers.count * sizeof *space->values + 1);
  space->addresses = calloc((size_t)program->rooms + 1, sizeof *space->addresses);
  space->bytes = calloc((size_t)(net->inputs + net->outputs) + 1, sizeof *space->bytes);
  if (!space->sizes || !space->values || !space->addresses || !space->bytes) return out_of_memory();
  if (net->sizes) memcpy(space->sizes, sizes, (size_t)net->sizes * sizeof *sizes);
  evaluate(&program->numbers, sizes, space->values);
  if (check_rooms(program, space->values) || find_bytes(net, sizes, space->bytes)) return -1;
  int64_t bytes = plan_arena(program, space->values, space->addresses);
  if (bytes < 0 || !(space->arena = reserve(bytes))) return -1;
  if (model->step && !(space->staged = reserve(staged_bytes(program, space->values)))) return -1;
  find_addresses(model, space->arena, NULL, space->addresses);
  return make_table(program, &program->lines, space->values, space->addresses, model->threads, &space->table);
}

static struct workspace *make_workspace(netlang_model *model, const int64_t *sizes) {
  struct workspace *space = calloc(1, sizeof *space);
  if (!space) return out_of_memory(), NULL;
  if (fill(model, sizes, space)) {
    end_workspace(space);
    return NULL;
  }
  return space;
}

void end_workspace(struct workspace *space) {
  free(space->sizes);
  free(space->values);
  free(space->addresses);
  free(space->bytes);
  free(space->arena);
  free(space->staged);
  end_table(&space->table);
  free(space);
}

/* The first of the free ones that has these sizes, taken out of them. */
static struct workspace *take(netlang_model *model, const int64_t *sizes, int *count) {
  size_t length = (size_t)model->net->sizes * sizeof *sizes;
  *count = 0;
  for (struct workspace **place = &model->free; *place; place = &(*place)->next, ++*count) {
    struct workspace *space = *place;
    if (length && memcmp(space->sizes, sizes, length)) continue;
    *place = space->next;
    return space;
  }
  return NULL;
}

/* The free one that has waited longest, taken out of them. */
static struct workspace *take_last(netlang_model *model) {
  struct workspace **place = &model->free, *last;
  while ((*place)->next) place = &(*place)->next;
  last = *place;
  *place = NULL;
  return last;
}

struct workspace *acquire(netlang_model *model, const int64_t *sizes) {
  struct workspace *found, *old = NULL;
  int count;
  pthread_mutex_lock(&model->lock);
  int64_t key[2] = {model->seed, model->draws++};
  if (++model->calls > model->most) model->most = model->calls;
  found = take(model, sizes, &count);
  if (!found && count >= MOST_FREE * model->most) old = take_last(model);
  pthread_mutex_unlock(&model->lock);
  if (old) end_workspace(old);
  if (!found) found = make_workspace(model, sizes);
  if (!found) {
    pthread_mutex_lock(&model->lock);
    model->calls--;
    pthread_mutex_unlock(&model->lock);
    return NULL;
  }
  memcpy(found->key, key, sizeof key);
  return found;
}

void release(netlang_model *model, struct workspace *space) {
  pthread_mutex_lock(&model->lock);
  space->next = model->free;
  model->free = space;
  model->calls--;
  pthread_mutex_unlock(&model->lock);
}
