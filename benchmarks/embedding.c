/* Many threads call one model of a library at a time: every answer must be the one that a single thread got, and memory
   must not grow. Arguments: threads, calls of each, threads of the model. See embedding.py. */

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stressed.h"

enum { SIZES = 4, MOST = 64 };

static netlang_model *model;
static long calls;
static pthread_barrier_t half;

/* An input, and the output that belongs to it, for a batch of `size`. */
struct sample {
  int64_t size, bytes;
  float *input, *wanted;
};

static struct sample samples[MOST][SIZES];

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, netlang_error());
  exit(1);
}

static void make_sample(const netlang_model *alone, struct sample *sample, int seed) {
  const netlang_port *input = netlang_inputs(alone, NULL), *output = netlang_outputs(alone, NULL);
  int64_t bytes = netlang_shape(alone, input, &sample->size, NULL);
  sample->bytes = netlang_shape(alone, output, &sample->size, NULL);
  sample->input = malloc((size_t)bytes);
  sample->wanted = malloc((size_t)sample->bytes);
  unsigned state = (unsigned)seed * 2654435761u + 1;
  for (int64_t i = 0; i < bytes / 4; i++) {
    state = state * 1664525u + 1013904223u;
    sample->input[i] = (float)(state >> 8) / (1 << 24);
  }
}

static void run(netlang_model *with, const struct sample *sample, float *output) {
  const void *inputs[] = {sample->input};
  void *outputs[] = {output};
  if (netlang_run(with, &sample->size, inputs, outputs)) fail("a call failed");
}

static void *call(void *own) {
  const struct sample *mine = own;
  float *output = malloc((size_t)mine[SIZES - 1].bytes);
  long wrong = 0;
  for (long i = 0; i < calls; i++) {
    if (i == calls / 2)
      for (int turn = 0; turn < 2; turn++) pthread_barrier_wait(&half); /* memory is looked at in between */
    const struct sample *sample = &mine[i * 2 * SIZES / calls % SIZES]; /* each half has all sizes, one after the other */
    memset(output, 0xff, (size_t)sample->bytes);
    run(model, sample, output);
    wrong += memcmp(output, sample->wanted, (size_t)sample->bytes) != 0;
  }
  free(output);
  return (void *)wrong;
}

static long resident(void) {
  long all, pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%ld %ld", &all, &pages) != 2) fail("cannot read /proc/self/statm");
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

int main(int count, char **arguments) {
  if (count != 4) return 2;
  int threads = atoi(arguments[1]);
  calls = atol(arguments[2]);
  netlang_model *alone = netlang_create(NULL, 1, NULL);
  if (threads < 1 || threads > MOST || !alone) fail("cannot begin");
  for (int t = 0; t < threads; t++)
    for (int s = 0; s < SIZES; s++) {
      samples[t][s].size = s + 1;
      make_sample(alone, &samples[t][s], t * SIZES + s);
      run(alone, &samples[t][s], samples[t][s].wanted);
    }
  netlang_destroy(alone);
  if (!(model = netlang_create(NULL, atoi(arguments[3]), NULL))) fail("cannot begin");
  pthread_t handles[MOST];
  pthread_barrier_init(&half, NULL, (unsigned)threads + 1);
  for (int t = 0; t < threads; t++)
    if (pthread_create(&handles[t], NULL, call, samples[t])) fail("cannot start a thread");
  pthread_barrier_wait(&half);
  long memory = resident();
  size_t used = mallinfo2().uordblks;
  pthread_barrier_wait(&half);
  long wrong = 0;
  for (int t = 0; t < threads; t++) {
    void *result;
    pthread_join(handles[t], &result);
    wrong += (long)result;
  }
  /* What the threads themselves had is given back by now. */
  printf("%ld calls, %ld wrong; in the second half %+ld bytes in use, %+ld resident\n", threads * calls, wrong,
         (long)(mallinfo2().uordblks - used), resident() - memory);
  netlang_destroy(model);
  for (int t = 0; t < threads; t++)
    for (int s = 0; s < SIZES; s++) free(samples[t][s].input), free(samples[t][s].wanted);
  return wrong != 0;
}
