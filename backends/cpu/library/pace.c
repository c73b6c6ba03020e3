/* How many threads the next call of a table gets: the way that its last calls were faster in. Two threads are not always
   faster than one: a small net loses more to waking and meeting than it gains, and beside other busy processes a thread
   that waits for its turn keeps all others waiting. Results are the same bits either way. */

#include <time.h>

#include "runtime.h"

#define DISTURBED(way) ((way)->usual > SLOWER * (way)->best)

void begin_pace(struct pace *pace, double work, int64_t meetings) {
  double share = (double)LARGE_SHARE * (double)meetings;
  *pace = (struct pace){.large = work >= LARGE_PROGRAM && work >= share, .together = 1, .pause = FIRST_PAUSE};
}

int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int next_together(const struct pace *pace) { return pace->together != (pace->trial > 0); }

static void note_way(struct way *way, double took) {
  if (!way->calls || took < way->best) way->best = took;
  if (++way->calls <= TRIALS)
    way->usual = way->best; /* first calls meet cold caches and untouched memory */
  else
    way->usual += WEIGHT * ((took < OUTLIER * way->usual ? took : OUTLIER * way->usual) - way->usual);
}

static int wants_trial(const struct pace *pace) {
  if (!pace->large && !pace->ways[!pace->together].calls) return pace->since >= TRIALS;
  return pace->since >= pace->pause && (!pace->together || DISTURBED(&pace->ways[1]));
}

/* Keep the faster way; one that loses again waits longer for its next trial. */
static void decide(struct pace *pace) {
  const struct way *tried = &pace->ways[!pace->together], *kept = &pace->ways[pace->together];
  pace->since = 0;
  if (tried->calls && tried->best < kept->usual) {
    pace->together = !pace->together;
    pace->pause = FIRST_PAUSE;
  } else {
    pace->pause = pace->pause * 2 < LONGEST_PAUSE ? pace->pause * 2 : LONGEST_PAUSE;
  }
}

void note_call(struct pace *pace, int together, int64_t took) {
  note_way(&pace->ways[together], (double)took);
  pace->since++;
  if (pace->trial) {
    pace->trial -= together != pace->together;
    if (!pace->trial) decide(pace);
  } else if (wants_trial(pace)) {
    pace->ways[!pace->together] = (struct way){0};
    pace->trial = TRIALS;
  }
}
