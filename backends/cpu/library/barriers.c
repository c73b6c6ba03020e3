/* Which steps are for all threads, and where these meet: before a step that touches what another thread may still be
   writing, or writes what another may still be reading, since they last met. */

#include <stdlib.h>

#include "runtime.h"

/* Bytes that a step reads or writes; `space` is 0 for memory whose address is known, else an input or output. */
struct access {
  int64_t space, start, stop, first, end; /* first -1: not narrowed to a part of each image */
  int written;
};

/* An entry, or a loop by its end, which counts as one step: with the accesses `from` to `to`. `joined`: threads meet at
   its end anyway. */
struct member {
  int entry, from, to, parallel, joined;
};

struct planner {
  const struct program *program;
  const struct outline *outline;
  const int64_t *values;
  struct access *accesses; /* of all uses that the outline's entries have, from use `base` on */
  int base;
  struct member *members;
  struct plan *plan;
};

static int clash(const struct access *a, const struct access *b) {
  if (!(a->written || b->written) || a->space != b->space) return 0;
  if (a->stop <= b->start || b->stop <= a->start) return 0;
  if (a->first >= 0 && b->first >= 0 && a->start == b->start && a->stop == b->stop)
    return a->first < b->end && b->first < a->end;
  return 1;
}

static int members_clash(const struct planner *p, const struct member *a, const struct member *b) {
  for (int i = a->from; i < a->to; i++)
    for (int j = b->from; j < b->to; j++)
      if (clash(&p->accesses[i - p->base], &p->accesses[j - p->base])) return 1;
  return 0;
}

static int clashes_before(const struct planner *p, const struct member *members, int since, int i) {
  for (int j = since; j < i; j++)
    if ((members[j].parallel || members[i].parallel) && members_clash(p, &members[j], &members[i])) return 1;
  return 0;
}

static void meet_after(struct planner *p, const struct member *member, double times) {
  p->plan->flags[member->entry] |= BARRIER;
  p->plan->meetings += (int64_t)times;
}

static void meet(struct planner *p, const struct member *members, int count, double times) {
  int since = 0; /* the first step after the last meeting */
  for (int i = 0; i < count; i++) {
    if (clashes_before(p, members, since, i)) {
      meet_after(p, &members[i - 1], times);
      since = i;
    }
    if (members[i].joined) since = i + 1;
  }
  if (count && !members[count - 1].joined) meet_after(p, &members[count - 1], times);
}

/* The entries `from` to `to`, which are carried out so many times, with their members behind `members`; returns whether
   any is for all threads. */
static int plan_region(struct planner *p, int from, int to, double times, struct member *members, int outermost) {
  const struct entry *entries = p->outline->entry;
  int count = 0, parallel = 0;
  for (int i = from; i < to; i++) {
    const struct entry *entry = &entries[i];
    if (entry->kernel) {
      int64_t work = p->values[entry->work];
      p->plan->work += (double)work * times;
      int own = entry->parallel && work >= SERIAL_STEP;
      if (own) p->plan->flags[i] |= PARALLEL;
      members[count++] = (struct member){i, entry->use, entry->use + entry->uses, own, 0};
      parallel |= own;
      continue;
    }
    int end = i + 1 + entry->jump / STEP_BYTES, first = i + 1;
    int64_t rounds = p->values[p->outline->region[entry->loop].rounds];
    int inside = plan_region(p, first, end, times * (double)rounds, members + count, 0);
    int use = entries[end].use; /* an end has all the uses of its loop */
    if (rounds) {
      members[count++] = (struct member){end, use, use + entries[end].uses, inside, inside};
      parallel |= inside;
    }
    i = end;
  }
  if (outermost || parallel) meet(p, members, count, times);
  return parallel;
}

static struct access access_of(const struct planner *p, const struct use *use, const int64_t *addresses) {
  const struct room *room = &p->program->room[use->room];
  int outside = room->home == IN_INPUT || room->home == IN_OUTPUT;
  struct access found = {0, outside ? 0 : addresses[use->room], 0, -1, -1, use->written};
  if (outside) found.space = room->place * HOMES + room->home;
  found.stop = found.start + p->values[room->bytes];
  if (use->first >= 0) found.first = p->values[use->first], found.end = p->values[use->end];
  return found;
}

int plan_threads(const struct program *program, const struct outline *outline, const int64_t *values,
                 const int64_t *addresses, struct plan *plan) {
  struct planner p = {program, outline, values, NULL, 0, NULL, plan};
  int uses = 0, found = 0;
  for (int i = 0; i < outline->entries; i++) {
    const struct entry *entry = &outline->entry[i];
    plan->flags[i] = entry->flags;
    if (!entry->kernel) continue;
    if (!found++) p.base = entry->use;
    uses = entry->use + entry->uses - p.base;
  }
  p.accesses = malloc((size_t)uses * sizeof *p.accesses + 1);
  p.members = malloc((size_t)outline->entries * sizeof *p.members + 1);
  if (p.accesses && p.members) {
    for (int i = 0; i < uses; i++) p.accesses[i] = access_of(&p, &program->uses[p.base + i], addresses);
    plan_region(&p, 0, outline->entries, 1, p.members, 1);
  }
  int failed = !p.accesses || !p.members;
  free(p.accesses);
  free(p.members);
  return failed ? out_of_memory() : 0;
}
