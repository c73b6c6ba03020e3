/* What is asked of the machine: memory, and which code its processor can run. */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "features.h"
#include "runtime.h"

#define HUGE ((int64_t)2 << 20) /* bytes of a huge page */

int64_t aligned(int64_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

void *reserve(int64_t bytes) {
  int64_t most = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
  void *memory = NULL;
  /* Linux promises more than there is, and ends the process when it is used. */
  if (bytes > most || posix_memalign(&memory, bytes >= HUGE ? HUGE : ALIGNMENT, (size_t)bytes + ROOM_BEHIND)) {
    out_of_memory();
    return NULL;
  }
#ifdef MADV_HUGEPAGE
  if (bytes >= HUGE) madvise(memory, (size_t)(bytes / HUGE * HUGE), MADV_HUGEPAGE); /* if not, it is only slower */
#endif
  return memset(memory, 0, (size_t)bytes + ROOM_BEHIND);
}

#if defined __x86_64__
#include <cpuid.h>

static uint64_t bit(unsigned word, int place, enum feature feature) {
  return (uint64_t)(word >> place & 1) << feature;
}

static uint64_t features(void) {
  unsigned a, b, c, d, system = 0;
  uint64_t found = 0, wide, wider;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  if (c >> 27 & 1) __asm__("xgetbv" : "=a"(system), "=d"(d) : "c"(0)); /* which registers the system saves */
  wide = (system & 0x06) == 0x06;
  wider = (system & 0xe6) == 0xe6;
  found |= bit(c, 0, SSE3) | bit(c, 9, SSSE3) | bit(c, 13, CX16) | bit(c, 19, SSE4_1) | bit(c, 20, SSE4_2);
  found |= bit(c, 22, MOVBE) | bit(c, 23, POPCNT) | bit(c, 26, XSAVE);
  if (wide) found |= bit(c, 12, FMA) | bit(c, 28, AVX) | bit(c, 29, F16C);
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    found |= bit(b, 3, BMI) | bit(b, 8, BMI2);
    if (wide) found |= bit(b, 5, AVX2);
    if (wider)
      found |= bit(b, 16, AVX512F) | bit(b, 17, AVX512DQ) | bit(b, 28, AVX512CD) | bit(b, 30, AVX512BW) |
               bit(b, 31, AVX512VL);
  }
  if (__get_cpuid(0x80000001, &a, &b, &c, &d)) found |= bit(c, 0, SAHF) | bit(c, 5, LZCNT);
  return found;
}
#else
static uint64_t features(void) { return (uint64_t)1 << NEON; } /* every 64-bit Arm processor has it */
#endif

const struct level *best_level(void) {
  uint64_t found = features();
  for (int i = 0; i < level_count; i++)
    if ((levels[i].needs & ~found) == 0) return &levels[i];
  fail("this processor cannot run the code: it lacks what %s needs", levels[level_count - 1].name);
  return NULL;
}
