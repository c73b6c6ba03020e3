/* What programs call. */

#include "api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

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

int no_model(void) { return fail("the model is NULL"); }

const struct net *find_net(const char *name) {
  if (!name) return &nets[0];
  for (int i = 0; i < net_count; i++)
    if (!strcmp(nets[i].name, name)) return &nets[i];
  fail("there is no net '%.100s': the first one is '%s'", name, nets[0].name);
  return NULL;
}

netlang_model *create_model(const struct net *net, const struct step *step, int threads, struct learning *learning,
                            const unsigned char *weights) {
  netlang_model *model = calloc(1, sizeof *model);
  if (!model) {
    if (learning) end_learning(learning);
    return out_of_memory(), NULL;
  }
  pthread_mutex_init(&model->lock, NULL);
  model->net = net;
  model->step = step;
  model->threads = threads ? threads : processors();
  model->learning = learning;
  model->weights = learning ? learning->weights : weights;
  if (!(model->level = best_level()) || !(model->pool = make_pool(model->level))) goto failed;
  model->program = &net->programs[model->level - levels];
  if (learning) begin_reading(learning), model->version = learning->version;
  int unprepared = prepare(model);
  if (learning) end_reading(learning);
  if (!unprepared) return model;
failed:
  netlang_destroy(model);
  return NULL;
}

int check_threads(int threads) {
  return threads < 0 || threads > MOST ? fail("threads are from 0 to %d, not %d", MOST, threads) : 0;
}

PUBLIC netlang_model *netlang_create(const char *name, int threads, const char *path) {
  const struct net *net = find_net(name);
  const unsigned char *weights = net && !check_threads(threads) ? open_weights(path) : NULL;
  if (!weights) return NULL;
  if (!step_count) return create_model(net, NULL, threads, NULL, weights);
  struct learning *learning = begin_learning(weights);
  close_weights(weights);
  return learning ? create_model(net, NULL, threads, learning, NULL) : NULL;
}

PUBLIC void netlang_destroy(netlang_model *model) {
  if (!model) return;
  end_pool(model->pool);
  while (model->free) {
    struct workspace *space = model->free;
    model->free = space->next;
    end_workspace(space);
  }
  end_prologue(model);
  if (model->learning)
    end_learning(model->learning);
  else
    close_weights(model->weights);
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

int find_port(const netlang_port *ports, int count, const char *name, const char *what) {
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
