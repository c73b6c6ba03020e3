/* Calls of nets, and training steps. */

#include <math.h>
#include <string.h>

#include "runtime.h"

static int check_address(const netlang_port *port, const void *address, int64_t bytes, const char *what) {
  if (!address && bytes) return fail("%s '%s' is NULL", what, port->name);
  if ((uintptr_t)address % (uintptr_t)element_bytes(port->type))
    return fail("%s '%s' is not aligned as its elements are", what, port->name);
  return 0;
}

/* An element of an integer type; of uint64_t the largest int64_t stands for all that are larger. */
static int64_t whole_number(netlang_type type, const void *address, int64_t i) {
  switch (type) {
    case NETLANG_UINT8: return ((const uint8_t *)address)[i];
    case NETLANG_INT8: return ((const int8_t *)address)[i];
    case NETLANG_UINT16: return ((const uint16_t *)address)[i];
    case NETLANG_INT16: return ((const int16_t *)address)[i];
    case NETLANG_UINT32: return ((const uint32_t *)address)[i];
    case NETLANG_INT32: return ((const int32_t *)address)[i];
    case NETLANG_UINT64: {
      uint64_t value = ((const uint64_t *)address)[i];
      return value > INT64_MAX ? INT64_MAX : (int64_t)value;
    }
    default: return ((const int64_t *)address)[i];
  }
}

static int check_bound(const netlang_port *port, int64_t size, const void *address, int64_t bytes) {
  int width = element_bytes(port->type);
  for (int64_t i = 0; i < bytes / width; i++) {
    int64_t value = whole_number(port->type, address, i);
    if (value < 0 || value >= size)
      return fail("'%s' has the value %lld; it must be between 0 and %lld", port->name, (long long)value,
                  (long long)size - 1);
  }
  return 0;
}

static int check_call(const struct net *net, const struct workspace *space, const void *const *inputs,
                      void *const *outputs) {
  for (int i = 0; i < net->inputs; i++)
    if (check_address(&net->input[i], inputs[i], space->bytes[i], "input")) return -1;
  for (int i = 0; i < net->outputs; i++)
    if (check_address(&net->output[i], outputs[i], space->bytes[net->inputs + i], "output")) return -1;
  for (int i = 0; i < net->bounds; i++) {
    int input = net->bound[i].input;
    if (check_bound(&net->input[input], net->bound[i].size, inputs[input], space->bytes[input])) return -1;
  }
  return 0;
}

/* The address of a room in this call. */
static const void *room_address(const netlang_model *model, const struct workspace *space, int32_t number,
                                const void *const *inputs, void *const *outputs) {
  const struct room *room = &model->program->room[number];
  if (room->home == IN_OUTPUT) return outputs[room->place];
  if (room->home != IN_INPUT) return (const void *)space->addresses[number];
  if (room->place < model->net->inputs) return inputs[room->place];
  return room->place == model->net->inputs ? (const void *)space->key : (const void *)&space->rate;
}

/* Old weights are read before new ones are written: they may change places. */
static void copy_results(netlang_model *model, struct workspace *space, const void *const *inputs,
                         void *const *outputs) {
  const struct program *program = model->program;
  const struct copy *end = program->copy + program->copies;
  unsigned char *staged = space->staged;
  for (const struct copy *copy = program->copy; space->staged && copy < end; copy++) {
    if (program->room[copy->source].home != IN_WEIGHTS) continue;
    size_t bytes = (size_t)space->values[copy->bytes];
    memcpy(staged, (const void *)space->addresses[copy->source], bytes);
    staged += bytes;
  }
  staged = space->staged;
  for (const struct copy *copy = program->copy; copy < end; copy++) {
    size_t bytes = (size_t)space->values[copy->bytes];
    const void *source = room_address(model, space, copy->source, inputs, outputs);
    if (space->staged && program->room[copy->source].home == IN_WEIGHTS) source = staged, staged += bytes;
    void *target = copy->output < 0 ? model->learning->weights + copy->place : outputs[copy->output];
    if (bytes) memcpy(target, source, bytes);
  }
}

static void call(netlang_model *model, struct workspace *space, const void *const *inputs, void *const *outputs) {
  struct table *table = &space->table;
  for (int i = 0; i < table->patched; i++) {
    const struct patch patch = table->patches[i];
    table->words[patch.word] = (int64_t)room_address(model, space, patch.room, inputs, outputs) + patch.offset;
  }
  carry_out(model, table);
  copy_results(model, space, inputs, outputs);
}

static int is_finite(netlang_type type, const void *number) {
  if (type == NETLANG_FLOAT16) return (*(const uint16_t *)number & 0x7c00) != 0x7c00;
  if (type == NETLANG_BFLOAT16) return (*(const uint16_t *)number & 0x7f80) != 0x7f80;
  return isfinite(type == NETLANG_FLOAT64 ? *(const double *)number : (double)*(const float *)number);
}

/* A step; one whose loss is not finite has changed nothing. */
static int take_step(netlang_model *model, struct workspace *space, const void *const *inputs, void *const *outputs) {
  const struct step *step = model->step;
  struct progress *progress = &model->learning->progress[step - steps];
  int failed = 0;
  begin_changing(model->learning);
  double rate = learning_rate(step, progress);
  space->rate = (float)rate;
  space->key[0] = learning_seed;
  space->key[1] = progress->steps;
  call(model, space, inputs, outputs);
  if (is_finite(step->net.output[step->loss].type, outputs[step->loss]))
    progress->steps++;
  else
    failed = fail("the loss is not finite in step %lld at learning rate %g; the weights were left as they were",
                  (long long)progress->steps + 1, rate);
  end_changing(model->learning);
  return failed;
}

static void call_between_steps(netlang_model *model, struct workspace *space, const void *const *inputs,
                               void *const *outputs) {
  begin_reading(model->learning);
  prepare_again(model);
  call(model, space, inputs, outputs);
  end_reading(model->learning);
}

static int check_samples(const struct net *net, const int64_t *sizes) {
  for (int i = 0; i < net->sizes; i++)
    if (!sizes[i]) return fail("there is nothing to train on: %s is 0", net->size[i].name);
  return 0;
}

PUBLIC int netlang_run(netlang_model *model, const int64_t *sizes, const void *const *inputs, void *const *outputs) {
  if (!model) return no_model();
  const struct net *net = model->net;
  if ((net->inputs && !inputs) || (net->outputs && !outputs)) return fail("the inputs or the outputs are NULL");
  if (check_sizes(net, sizes) || (model->step && check_samples(net, sizes))) return -1;
  struct workspace *space = acquire(model, sizes);
  if (!space) return -1;
  int failed = check_call(net, space, inputs, outputs);
  if (!failed && model->step)
    failed = take_step(model, space, inputs, outputs);
  else if (!failed && model->learning)
    call_between_steps(model, space, inputs, outputs);
  else if (!failed)
    call(model, space, inputs, outputs);
  release(model, space);
  return failed;
}
