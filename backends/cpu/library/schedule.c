/* Learning rates, as netlang/runtime/schedules.py has them, in the same order of operations. */

#include <math.h>

#include "runtime.h"

static const double PI = 3.141592653589793;

static double least(double a, double b) { return b < a ? b : a; }
static double most(double a, double b) { return b > a ? b : a; }

/* After `done` epochs, before what a plateau took off. */
static double rate_of(const struct schedule *schedule, double base, double done) {
  for (; schedule->kind == WARMUP; schedule = &schedules[schedule->then]) {
    if (done < schedule->epochs) return base * most(0.01, done / schedule->epochs);
    done -= schedule->epochs;
  }
  if (schedule->kind == STEP) return base * pow(schedule->factor, floor(done / schedule->epochs));
  if (schedule->kind != COSINE) return base;
  double part = least(done / schedule->epochs, 1.0);
  return schedule->floor + (base - schedule->floor) * 0.5 * (1 + cos(PI * part));
}

double learning_rate(const struct step *step, const struct progress *progress) {
  return progress->scale * rate_of(&schedules[step->schedule], step->rate, progress->epoch);
}

void epoch_ended(const struct step *step, struct progress *progress, const double *loss) {
  const struct schedule *schedule = &schedules[step->schedule];
  progress->epoch = floor(progress->epoch) + 1;
  while (schedule->kind == WARMUP) schedule = &schedules[schedule->then];
  if (!loss || schedule->kind != PLATEAU) return;
  if (*loss < progress->best) {
    progress->best = *loss;
    progress->bad = 0;
  } else if ((double)++progress->bad > schedule->patience) {
    progress->scale *= schedule->factor;
    progress->bad = 0;
  }
}
