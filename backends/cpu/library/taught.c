/* What programs call of libraries that learn. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

static struct learning *learning_of(const netlang_model *model) {
  if (!model) return no_model(), NULL;
  if (!model->learning) return fail("the library was compiled for inference: it has no training step"), NULL;
  return model->learning;
}

PUBLIC netlang_model *netlang_create_beside(netlang_model *model, const char *name, int threads) {
  struct learning *learning = learning_of(model);
  const struct net *net = learning ? find_net(name) : NULL;
  if (!net || check_threads(threads)) return NULL;
  share_learning(learning);
  return create_model(net, NULL, threads, learning, NULL);
}

static const struct step *find_step(const char *section) {
  if (!section && step_count == 1) return &steps[0];
  for (int i = 0; section && i < step_count; i++)
    if (!strcmp(steps[i].section, section)) return &steps[i];
  if (section)
    fail("there is no train section '%.100s': the first one is '%s'", section, steps[0].section);
  else
    fail("there are %d train sections, of which the first one is '%s': say which", step_count, steps[0].section);
  return NULL;
}

PUBLIC const char *netlang_section(int number) {
  return number >= 0 && number < step_count ? steps[number].section : NULL;
}

PUBLIC netlang_model *netlang_create_step(netlang_model *model, const char *section, int threads) {
  struct learning *learning = learning_of(model);
  const struct step *step = learning ? find_step(section) : NULL;
  if (!step || check_threads(threads)) return NULL;
  share_learning(learning);
  return create_model(&step->net, step, threads, learning, NULL);
}

static int no_step(void) { return fail("that is a net, not a training step"); }

PUBLIC int netlang_learning_rate(const netlang_model *model, double *rate) {
  if (!model) return no_model();
  if (!model->step) return no_step();
  begin_reading(model->learning);
  *rate = learning_rate(model->step, &model->learning->progress[model->step - steps]);
  end_reading(model->learning);
  return 0;
}

PUBLIC int netlang_set_epoch(netlang_model *model, double epoch) {
  if (!model) return no_model();
  if (!model->step) return no_step();
  if (!isfinite(epoch) || epoch < 0) return fail("%g is no number of epochs", epoch);
  begin_changing(model->learning);
  model->learning->progress[model->step - steps].epoch = epoch;
  end_changing(model->learning);
  return 0;
}

PUBLIC int netlang_next_epoch(netlang_model *model, const double *loss) {
  if (!model) return no_model();
  if (!model->step) return no_step();
  begin_changing(model->learning);
  epoch_ended(model->step, &model->learning->progress[model->step - steps], loss);
  end_changing(model->learning);
  return 0;
}

PUBLIC const netlang_port *netlang_weights(const netlang_model *model, int *count) {
  if (!learning_of(model)) return NULL;
  if (count) *count = weights_content.count;
  return learned_ports;
}

PUBLIC int netlang_get_weight(netlang_model *model, const char *name, void *to) {
  struct learning *learning = learning_of(model);
  int number = learning ? find_port(learned_ports, weights_content.count, name, "weight") : -1;
  if (number < 0) return -1;
  begin_reading(learning);
  memcpy(to, learning->weights + weights_content.part[number].place,
         (size_t)weights_content.part[number].bytes);
  end_reading(learning);
  return 0;
}

PUBLIC int netlang_set_weight(netlang_model *model, const char *name, const void *from) {
  struct learning *learning = learning_of(model);
  int number = learning ? find_port(learned_ports, weights_content.count, name, "weight") : -1;
  if (number < 0) return -1;
  begin_changing(learning);
  memcpy(learning->weights + weights_content.part[number].place, from, (size_t)weights_content.part[number].bytes);
  end_changing(learning);
  return 0;
}

static int save(netlang_model *model, const struct file *content, const char *path) {
  struct learning *learning = learning_of(model);
  if (!learning) return -1;
  if (!path) return fail("the path is NULL");
  begin_reading(learning);
  int failed = save_content(content, learning, path);
  end_reading(learning);
  return failed;
}

static int load(netlang_model *model, const struct file *content, const char *path) {
  struct learning *learning = learning_of(model);
  if (!learning) return -1;
  if (!path) return fail("the path is NULL");
  unsigned char *memory = read_content(content, path);
  int failed = !memory || (content == &checkpoint_content && check_progress(memory, path)) ? -1 : 0;
  if (!failed) {
    begin_changing(learning);
    take_content(content, learning, memory);
    end_changing(learning);
  }
  free(memory);
  return failed;
}

PUBLIC int netlang_save_weights(netlang_model *model, const char *path) { return save(model, &weights_content, path); }

PUBLIC int netlang_load_weights(netlang_model *model, const char *path) { return load(model, &weights_content, path); }

PUBLIC int netlang_save_checkpoint(netlang_model *model, const char *path) {
  return save(model, &checkpoint_content, path);
}

PUBLIC int netlang_load_checkpoint(netlang_model *model, const char *path) {
  return load(model, &checkpoint_content, path);
}
