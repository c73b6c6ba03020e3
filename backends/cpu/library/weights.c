/* Weights: in the library, or in a file beside it that is mapped, and so shared between processes either way. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime.h"

/* Of a file, before the weights: what it is, and which weights are in it. */
struct head {
  char magic[16];
  unsigned char id[32];
};
#define PAGE 4096 /* bytes of the file before the weights */
#define FILE_BYTES (PAGE + weights_bytes + ROOM_BEHIND)

/* The path of the file beside this library; to be freed. */
static char *beside(void) {
  Dl_info found;
  const char *library = dladdr((const void *)&beside, &found) && found.dli_fname ? found.dli_fname : "";
  const char *slash = strrchr(library, '/');
  size_t folder = slash ? (size_t)(slash - library) + 1 : 0;
  char *path = malloc(folder + strlen(weights_file) + 1);
  if (!path) return out_of_memory(), NULL;
  memcpy(path, library, folder);
  strcpy(path + folder, weights_file);
  return path;
}

static const unsigned char *mapped(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return fail("cannot read %s: %s", path, strerror(errno)), NULL;
  struct stat about;
  const unsigned char *memory = MAP_FAILED;
  if (fstat(file, &about))
    fail("cannot read %s: %s", path, strerror(errno));
  else if (about.st_size != FILE_BYTES)
    fail("%s has %lld bytes where the weights have %lld", path, (long long)about.st_size, (long long)FILE_BYTES);
  else if ((memory = mmap(NULL, (size_t)FILE_BYTES, PROT_READ, MAP_SHARED, file, 0)) == MAP_FAILED)
    fail("cannot map %s: %s", path, strerror(errno));
  close(file);
  if (memory == MAP_FAILED) return NULL;
  const struct head *head = (const struct head *)memory;
  if (memcmp(head->magic, "netlang weights", 16) || memcmp(head->id, weights_id, 32)) {
    munmap((void *)memory, (size_t)FILE_BYTES);
    return fail("%s does not hold the weights that the library was compiled with", path), NULL;
  }
  return memory + PAGE;
}

const unsigned char *open_weights(const char *path) {
  if (weights_inside) {
    if (path) return fail("the weights are in the library: no file is read"), NULL;
    return weights_inside;
  }
  if (path) return mapped(path);
  char *own = beside();
  const unsigned char *weights = own ? mapped(own) : NULL;
  free(own);
  return weights;
}

void close_weights(const unsigned char *weights) {
  if (!weights_inside) munmap((void *)(weights - PAGE), (size_t)FILE_BYTES);
}

/* The float32 that a float16 is: an exponent of 5 bits becomes one of 8. */
static float widened(uint16_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  uint32_t wide = sign | (exponent == 0x1f ? 0xffu : exponent + 112) << 23 | fraction << 13;
  float number;
  if (exponent == 0) { /* fractions of 2 to the power of -14 */
    number = (float)fraction * 0x1p-24f;
    return sign ? -number : number;
  }
  memcpy(&number, &wide, sizeof number);
  return number;
}

void widen(const struct half *half, const unsigned char *weights, void *target) {
  const uint16_t *source = (const uint16_t *)(weights + half->source);
  float *floats = target;
  uint32_t *bits = target;
  for (int64_t i = 0; i < half->count; i++) {
    if (half->is_bfloat)
      bits[i] = (uint32_t)source[i] << 16;
    else
      floats[i] = widened(source[i]);
  }
}
