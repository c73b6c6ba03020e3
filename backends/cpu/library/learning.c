/* Weights that are learned: memory of their own for a model and all that are made beside it, and who may use it when. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

_Static_assert(sizeof(struct progress) == 40, "files of checkpoints go by it");

struct learning *begin_learning(const unsigned char *first) {
  struct learning *learning = calloc(1, sizeof *learning + (size_t)step_count * sizeof *learning->progress);
  if (!learning) return out_of_memory(), NULL;
  if (!(learning->weights = reserve(learned_bytes))) {
    free(learning);
    return NULL;
  }
  memcpy(learning->weights, first, (size_t)weights_bytes);
  pthread_mutex_init(&learning->lock, NULL);
  pthread_cond_init(&learning->free, NULL);
  learning->users = 1;
  for (int i = 0; i < step_count; i++) learning->progress[i] = (struct progress){.scale = 1, .best = INFINITY};
  return learning;
}

void share_learning(struct learning *learning) {
  pthread_mutex_lock(&learning->lock);
  learning->users++;
  pthread_mutex_unlock(&learning->lock);
}

void end_learning(struct learning *learning) {
  pthread_mutex_lock(&learning->lock);
  int left = --learning->users;
  pthread_mutex_unlock(&learning->lock);
  if (left) return;
  pthread_mutex_destroy(&learning->lock);
  pthread_cond_destroy(&learning->free);
  free(learning->weights);
  free(learning);
}

/* Whoever changes waits for those that read, and keeps later readers waiting, so that its turn comes. */

void begin_reading(struct learning *learning) {
  pthread_mutex_lock(&learning->lock);
  while (learning->changers) pthread_cond_wait(&learning->free, &learning->lock);
  learning->readers++;
  pthread_mutex_unlock(&learning->lock);
}

void end_reading(struct learning *learning) {
  pthread_mutex_lock(&learning->lock);
  learning->readers--;
  pthread_cond_broadcast(&learning->free);
  pthread_mutex_unlock(&learning->lock);
}

void begin_changing(struct learning *learning) {
  pthread_mutex_lock(&learning->lock);
  learning->changers++;
  while (learning->readers || learning->changing) pthread_cond_wait(&learning->free, &learning->lock);
  learning->changing = 1;
  pthread_mutex_unlock(&learning->lock);
}

void end_changing(struct learning *learning) {
  pthread_mutex_lock(&learning->lock);
  learning->version++;
  learning->changing = 0;
  learning->changers--;
  pthread_cond_broadcast(&learning->free);
  pthread_mutex_unlock(&learning->lock);
}
