/* What programs call. */

#include "api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

#define PUBLIC __attribute__((visibility("default")))

static __thread char message[512];

PUBLIC const char *netlang_error(void) { return message; }

int fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return -1;
}

int out_of_memory(void) { return fail("there is not enough memory"); }

PUBLIC const char *netlang_net(int number) { return number >= 0 && number < net_count ? nets[number].name : NULL; }

static int no_model(void) { return fail("the model is NULL"); }

static const struct net *find_net(const char *name) {
  if (!name) return &nets[0];
  for (int i = 0; i < net_count; i++)
    if (!strcmp(nets[i].name, name)) return &nets[i];
  fail("there is no net '%.100s': the first one is '%s'", name, nets[0].name);
  return NULL;
}

PUBLIC netlang_model *netlang_create(const char *name, int threads, const char *weights) {
  const struct net *net = find_net(name);
  const struct level *level = net ? best_level() : NULL;
  if (!level) return NULL;
  if (threads < 0 || threads > MOST) return fail("threads are from 0 to %d, not %d", MOST, threads), NULL;
  netlang_model *model = calloc(1, sizeof *model);
  if (!model) return out_of_memory(), NULL;
  pthread_mutex_init(&model->lock, NULL);
  model->net = net;
  model->level = level;
  model->program = &net->programs[level - levels];
  model->threads = threads ? threads : processors();
  if (!(model->weights = open_weights(weights)) || !(model->pool = make_pool(level)) || prepare(model)) {
    netlang_destroy(model);
    return NULL;
  }
  return model;
}

PUBLIC void netlang_destroy(netlang_model *model) {
  if (!model) return;
  end_pool(model->pool);
  while (model->free) {
    struct workspace *space = model->free;
    model->free = space->next;
    end_workspace(space);
  }
  if (model->weights) close_weights(model->weights);
  free(model->kept);
  pthread_mutex_destroy(&model->lock);
  free(model);
}

/* ---- what there is to know */

PUBLIC const netlang_port *netlang_inputs(const netlang_model *model, int *count) {
  if (count) *count = model->net->inputs;
  return model->net->input;
}

PUBLIC const netlang_port *netlang_outputs(const netlang_model *model, int *count) {
  if (count) *count = model->net->outputs;
  return model->net->output;
}

PUBLIC const netlang_size *netlang_sizes(const netlang_model *model, int *count) {
  if (count) *count = model->net->sizes;
  return model->net->size;
}

static int find_port(const netlang_port *ports, int count, const char *name, const char *what) {
  if (!name) return fail("the name is NULL");
  for (int i = 0; i < count; i++)
    if (!strcmp(ports[i].name, name)) return i;
  return fail("there is no %s '%.100s'", what, name);
}

PUBLIC int netlang_input(const netlang_model *model, const char *name) {
  if (!model) return no_model();
  return find_port(model->net->input, model->net->inputs, name, "input");
}

PUBLIC int netlang_output(const netlang_model *model, const char *name) {
  if (!model) return no_model();
  return find_port(model->net->output, model->net->outputs, name, "output");
}

int check_sizes(const struct net *net, const int64_t *sizes) {
  if (net->sizes && !sizes) return fail("the sizes are NULL");
  for (int i = 0; i < net->sizes; i++) {
    const netlang_size *size = &net->size[i];
    if (sizes[i] < size->least)
      return fail("%s is %lld: the net needs %lld at least", size->name, (long long)sizes[i], (long long)size->least);
    if (sizes[i] > size->largest)
      return fail("%s is %lld: the net was compiled for %lld at most", size->name, (long long)sizes[i],
                  (long long)size->largest);
  }
  return 0;
}

static int number_of(const struct net *net, const netlang_port *port) {
  for (int i = 0; i < net->inputs; i++)
    if (port == &net->input[i]) return i;
  for (int i = 0; i < net->outputs; i++)
    if (port == &net->output[i]) return net->inputs + i;
  return fail("that is no port of the net '%s'", net->name);
}

PUBLIC int64_t netlang_shape(const netlang_model *model, const netlang_port *port, const int64_t *sizes,
                             int64_t *shape) {
  if (!model) return no_model();
  const struct net *net = model->net;
  int number = number_of(net, port);
  if (number < 0 || check_sizes(net, sizes)) return -1;
  int64_t *values = malloc((size_t)net->numbers.count * sizeof *values + 1);
  if (!values) return out_of_memory();
  evaluate(&net->numbers, sizes, values);
  int64_t bytes = port_shape(net, number, values, shape);
  free(values);
  return bytes;
}

PUBLIC int netlang_threads(const netlang_model *model) { return model->threads; }

PUBLIC const char *netlang_level(const netlang_model *model) { return model->level->name; }

PUBLIC int netlang_seed(netlang_model *model, int64_t seed) {
  if (!model) return no_model();
  if (!model->net->random) return fail("net '%s' has no random nodes, so there is nothing to seed", model->net->name);
  if (seed < 0) return fail("a seed is not negative");
  pthread_mutex_lock(&model->lock);
  model->seed = seed;
  model->draws = 0;
  pthread_mutex_unlock(&model->lock);
  return 0;
}

/* ---- calls */

static int check_address(const netlang_port *port, const void *address, int64_t bytes, const char *what) {
  if (!address && bytes) return fail("%s '%s' is NULL", what, port->name);
  if ((uintptr_t)address % (uintptr_t)element_bytes(port->type))
    return fail("%s '%s' is not aligned as its elements are", what, port->name);
  return 0;
}

static int check_bound(const netlang_port *port, int64_t size, const void *address, int64_t bytes) {
  int width = element_bytes(port->type);
  for (int64_t i = 0; i < bytes / width; i++) {
    int64_t value = width == 8   ? ((const int64_t *)address)[i]
                    : width == 4 ? ((const int32_t *)address)[i]
                                 : ((const int8_t *)address)[i];
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
  if (room->home == IN_INPUT) return room->place < model->net->inputs ? inputs[room->place] : space->key;
  return room->home == IN_OUTPUT ? outputs[room->place] : (const void *)space->addresses[number];
}

static void call(netlang_model *model, struct workspace *space, const void *const *inputs, void *const *outputs) {
  const struct program *program = model->program;
  struct table *table = &space->table;
  for (int i = 0; i < table->patched; i++) {
    const struct patch patch = table->patches[i];
    table->words[patch.word] = (int64_t)room_address(model, space, patch.room, inputs, outputs) + patch.offset;
  }
  carry_out(model, table);
  for (int i = 0; i < program->copies; i++) {
    const struct copy copy = program->copy[i];
    const void *source = room_address(model, space, copy.source, inputs, outputs);
    if (space->values[copy.bytes]) memcpy(outputs[copy.output], source, (size_t)space->values[copy.bytes]);
  }
}

PUBLIC int netlang_run(netlang_model *model, const int64_t *sizes, const void *const *inputs, void *const *outputs) {
  if (!model) return no_model();
  const struct net *net = model->net;
  if ((net->inputs && !inputs) || (net->outputs && !outputs)) return fail("the inputs or the outputs are NULL");
  if (check_sizes(net, sizes)) return -1;
  struct workspace *space = acquire(model, sizes);
  if (!space) return -1;
  int failed = check_call(net, space, inputs, outputs);
  if (!failed) call(model, space, inputs, outputs);
  release(model, space);
  return failed;
}
