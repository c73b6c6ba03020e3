/* Files of weights and of checkpoints, in the safetensors format: netc has written their headers down. */

#include <errno.h>
#include <fcntl.h>
#include <math.h>
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

static const unsigned char *address_of(const struct learning *learning, const struct part *part) {
  const unsigned char *home = part->home == PROGRESS ? (const unsigned char *)learning->progress : learning->weights;
  return home + part->place;
}

static int write_content(int file, const struct file *content, const struct learning *learning) {
  if (write_all(file, content->header, content->bytes)) return -1;
  for (int i = 0; i < content->count; i++)
    if (write_all(file, address_of(learning, &content->part[i]), content->part[i].bytes)) return -1;
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

int save_content(const struct file *content, const struct learning *learning, const char *path) {
  char *other = malloc(strlen(path) + 64);
  if (!other) return out_of_memory();
  int file = open_beside(path, other);
  int failed = file < 0 ? -1 : write_content(file, content, learning);
  int why = errno;
  if (file >= 0 && close(file) && !failed) failed = -1, why = errno;
  if (!failed && rename(other, path)) failed = -1, why = errno;
  if (failed && file >= 0) unlink(other);
  free(other);
  return failed ? fail("cannot write %s: %s", path, strerror(why)) : 0;
}

static int64_t file_bytes(const struct file *content) {
  int64_t bytes = content->bytes;
  for (int i = 0; i < content->count; i++) bytes += content->part[i].bytes;
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
  if (why)
    fail("cannot read %s: %s", path, strerror(why));
  else
    fail("%s does not hold what is learned here: it has not %lld bytes", path, (long long)bytes);
  return NULL;
}

unsigned char *read_content(const struct file *content, const char *path) {
  unsigned char *memory = read_file(path, file_bytes(content));
  if (memory && memcmp(memory, content->header, (size_t)content->bytes)) {
    fail("%s does not hold what is learned here, in the way in which netlang writes it", path);
    free(memory);
    return NULL;
  }
  return memory;
}

void take_content(const struct file *content, struct learning *learning, const unsigned char *memory) {
  memory += content->bytes;
  for (int i = 0; i < content->count; i++) {
    memcpy((unsigned char *)address_of(learning, &content->part[i]), memory, (size_t)content->part[i].bytes);
    memory += content->part[i].bytes;
  }
}

int check_progress(const unsigned char *memory, const char *path) {
  const struct file *content = &checkpoint_content;
  int64_t counts[2];
  double rates[3];
  memory += content->bytes;
  for (int i = 0; i < content->count; memory += content->part[i++].bytes) {
    if (content->part[i].home != PROGRESS) continue;
    int whole = content->part[i].bytes == sizeof counts;
    memcpy(whole ? (void *)counts : (void *)rates, memory, (size_t)content->part[i].bytes);
    if (whole ? counts[0] < 0 || counts[1] < 0
              : !isfinite(rates[0]) || rates[0] < 0 || !isfinite(rates[1]) || isnan(rates[2]))
      return fail("checkpoint %s is damaged: where its steps stood makes no sense", path);
  }
  return 0;
}
