/* A device that learns: reads digits, each one byte that says which it is and 28 x 28 bytes of its pixels, and takes a
   training step on every 32 of them. Prints the loss of each, and keeps what was learned.

   netc compile examples/mlp.net --train --seed 1 -o mlp.so --header mlp.h --size N=64
   cc -O2 -I. examples/embed/learn.c mlp.so -Wl,-rpath,'$ORIGIN' -o learn
   ./learn weights.safetensors < digits

   It goes on from weights.safetensors where that file is there. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mlp.h"

enum { PIXELS = 28 * 28, BATCH = 32 };

static int failed(void) {
  fprintf(stderr, "%s\n", netlang_error());
  return EXIT_FAILURE;
}

int main(int count, char **arguments) {
  static unsigned char bytes[BATCH][1 + PIXELS];
  static float images[BATCH][PIXELS];
  static int64_t labels[BATCH];
  if (count != 2) return fprintf(stderr, "where are the weights to be kept?\n"), EXIT_FAILURE;
  netlang_model *model = netlang_create(NULL, 1, NULL);
  netlang_model *step = model ? netlang_create_step(model, NULL, 1) : NULL;
  if (!step) return failed();
  if (!access(arguments[1], F_OK) && netlang_load_weights(model, arguments[1])) return failed();
  float loss, accuracy;
  const void *inputs[] = {images, labels};
  void *outputs[] = {&loss, &accuracy};
  size_t digits;
  while ((digits = fread(bytes, 1 + PIXELS, BATCH, stdin)) > 0) {
    for (size_t i = 0; i < digits; i++) {
      labels[i] = bytes[i][0];
      for (int p = 0; p < PIXELS; p++) images[i][p] = (float)bytes[i][1 + p] / 255;
    }
    int64_t sizes[] = {(int64_t)digits};
    if (netlang_run(step, sizes, inputs, outputs)) return failed();
    printf("%.9g %.9g\n", loss, accuracy);
  }
  if (netlang_save_weights(model, arguments[1])) return failed();
  netlang_destroy(step);
  netlang_destroy(model);
  return EXIT_SUCCESS;
}
