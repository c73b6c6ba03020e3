/* LeNet-5 in a C program: reads images of 28 x 28 pixels, one byte each, and prints which digits they show.

   netc compile examples/lenet5.net --weights weights.safetensors -o lenet5.so --header lenet5.h --size N=64
   cc -O2 -I. examples/embed/classify.c lenet5.so -Wl,-rpath,'$ORIGIN' -o classify
   ./classify < images

   Black is 0, as in the MNIST files behind their first 16 bytes. */

#include <stdio.h>
#include <stdlib.h>

#include "lenet5.h"

enum { PIXELS = 28 * 28, CLASSES = 10, BATCH = 64 };

static int failed(void) {
  fprintf(stderr, "%s\n", netlang_error());
  return EXIT_FAILURE;
}

int main(void) {
  static unsigned char bytes[BATCH * PIXELS];
  static float images[BATCH * PIXELS], probs[BATCH * CLASSES];
  netlang_model *model = netlang_create("lenet5", 0, NULL);
  if (!model) return failed();
  const void *inputs[] = {images};
  void *outputs[] = {probs};
  size_t count;
  while ((count = fread(bytes, PIXELS, BATCH, stdin)) > 0) {
    for (size_t i = 0; i < count * PIXELS; i++) images[i] = (float)bytes[i] / 255;
    int64_t sizes[] = {(int64_t)count};
    if (netlang_run(model, sizes, inputs, outputs)) return failed();
    for (size_t i = 0; i < count; i++) {
      const float *row = probs + i * CLASSES;
      int best = 0;
      for (int c = 1; c < CLASSES; c++)
        if (row[c] > row[best]) best = c;
      printf("%d %.6f\n", best, row[best]);
    }
  }
  netlang_destroy(model);
  return EXIT_SUCCESS;
}
