/* Files of weights, in the safetensors format: the header is always the same, and netc has written it down. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime.h"

static int write_all(int file, const void *bytes, int64_t count) {
  const char *from = bytes;
  while (count > 0) {
    ssize_t done = write(file, from, (size_t)count);
    if (done < 0 && errno != EINTR) return -1;
    if (done > 0) from += done, count -= done;
  }
  return 0;
}

static int write_weights(int file, const unsigned char *weights) {
  if (write_all(file, weights_header, weights_header_bytes)) return -1;
  for (int i = 0; i < learned_count; i++)
    if (write_all(file, weights + learned[i].place, learned[i].bytes)) return -1;
  return fsync(file);
}

/* A new file beside `path`, whose own path is written to `other`. */
static int open_beside(const char *path, char *other) {
  static int64_t number; /* other threads may be writing too, and processes that were ended may have left files */
  for (int tries = 0; tries < 1000; tries++) {
    sprintf(other, "%s.%ld-%lld.tmp", path, (long)getpid(), (long long)__atomic_add_fetch(&number, 1, __ATOMIC_RELAXED));
    int file = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file >= 0 || errno != EEXIST) return file;
  }
  return -1;
}

int save_weights(const unsigned char *weights, const char *path) {
  char *other = malloc(strlen(path) + 64);
  if (!other) return out_of_memory();
  int file = open_beside(path, other);
  int failed = file < 0 ? -1 : write_weights(file, weights);
  int why = errno;
  if (file >= 0 && close(file) && !failed) failed = -1, why = errno;
  if (!failed && rename(other, path)) failed = -1, why = errno;
  if (failed && file >= 0) unlink(other);
  free(other);
  return failed ? fail("cannot write %s: %s", path, strerror(why)) : 0;
}

static int64_t file_bytes(void) {
  int64_t bytes = weights_header_bytes;
  for (int i = 0; i < learned_count; i++) bytes += learned[i].bytes;
  return bytes;
}

/* All that is in a file of so many bytes; to be freed. */
static unsigned char *read_file(const char *path, int64_t bytes) {
  unsigned char *memory = malloc((size_t)bytes + 1);
  if (!memory) return out_of_memory(), NULL;
  FILE *file = fopen(path, "rb");
  size_t found = file ? fread(memory, 1, (size_t)bytes + 1, file) : 0;
  int why = file && !ferror(file) ? 0 : errno;
  if (file) fclose(file);
  if (!why && found == (size_t)bytes) return memory;
  free(memory);
  if (why) fail("cannot read weights %s: %s", path, strerror(why));
  else fail("%s does not hold these weights: it has not %lld bytes", path, (long long)bytes);
  return NULL;
}

unsigned char *read_weights(const char *path) {
  unsigned char *memory = read_file(path, file_bytes());
  if (memory && memcmp(memory, weights_header, (size_t)weights_header_bytes)) {
    fail("%s does not hold these weights, in the way in which netlang writes them", path);
    free(memory);
    return NULL;
  }
  return memory;
}

void take_weights(unsigned char *weights, const unsigned char *memory) {
  memory += weights_header_bytes;
  for (int i = 0; i < learned_count; i++) {
    memcpy(weights + learned[i].place, memory, (size_t)learned[i].bytes);
    memory += learned[i].bytes;
  }
}
