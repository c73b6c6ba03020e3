/* From outlines to what the walker walks: argument tables, and the list of entries. Behind the words there is room for
   every thread's copy of every loop's region. */

#include <stdlib.h>

#include "runtime.h"

#define LINE_WORDS (LINE / 8)

static int64_t whole_lines(int64_t words) { return (words + LINE_WORDS - 1) / LINE_WORDS * LINE_WORDS; }

static int is_outside(const struct program *program, int32_t room) {
  return room >= 0 && (program->room[room].home == IN_INPUT || program->room[room].home == IN_OUTPUT);
}

/* The words' numbers, and the patches: words that depend on inputs and outputs. */
static int write_words(const struct program *program, const struct outline *outline, const int64_t *values,
                       const int64_t *addresses, struct table *table) {
  for (int i = 0; i < outline->words; i++) {
    const struct word word = outline->word[i];
    int64_t value = values[word.number];
    if (value == LOST) return fail("these sizes are too large");
    if (is_outside(program, word.room))
      table->patches[table->patched++] = (struct patch){i, word.room, value};
    else
      table->words[i] = word.room < 0 ? value : addresses[word.room] + value;
  }
  return 0;
}

static void write_program(const struct outline *outline, const int32_t *flags, const int64_t *own,
                          struct table *table) {
  int64_t *entry = table->program;
  *entry++ = outline->entries;
  for (int i = 0; i < outline->entries; i++, entry += STEP_BYTES / 8) {
    const struct entry *e = &outline->entry[i];
    entry[0] = e->kernel ? (int64_t)e->kernel : e->jump;
    entry[1] = (int64_t)(table->words + e->table);
    entry[2] = flags[i];
    entry[3] = 0;
    if (e->region >= 0) {
      const struct region *region = &outline->region[e->region];
      entry[1] = (int64_t)(table->words + own[e->region] + e->table - region->start) + COPY;
      entry[3] = (int64_t)region->words * 8;
    }
  }
}

int make_table(const struct program *program, const struct outline *outline, const int64_t *values,
               const int64_t *addresses, int threads, struct table *table) {
  int64_t length = outline->words;
  int64_t *own = malloc((size_t)outline->regions * sizeof *own + 1); /* where threads' copies of a region begin */
  int32_t *flags = malloc((size_t)outline->entries * sizeof *flags + 1);
  *table = (struct table){0};
  if (!own || !flags) goto failed;
  for (int i = 0; i < outline->regions; i++) {
    own[i] = whole_lines(length);
    length = own[i] + (int64_t)outline->region[i].words * threads;
  }
  int patched = 0;
  for (int i = 0; i < outline->words; i++) patched += is_outside(program, outline->word[i].room);
  table->words = reserve(length * 8);
  table->program = reserve(8 + (int64_t)outline->entries * STEP_BYTES);
  table->patches = reserve((int64_t)patched * (int64_t)sizeof *table->patches);
  if (!table->words || !table->program || !table->patches) goto failed;
  struct plan plan = {flags, 0, 0};
  if (write_words(program, outline, values, addresses, table)) goto failed;
  if (plan_threads(program, outline, values, addresses, &plan)) goto failed;
  for (int i = 0; i < outline->regions; i++)
    table->words[outline->region[i].stop + OWN] = (int64_t)(table->words + own[i]);
  write_program(outline, flags, own, table);
  table->work = plan.work;
  begin_pace(&table->pace, plan.work, plan.meetings);
  free(own);
  free(flags);
  return 0;
failed:
  if (!own || !flags) out_of_memory();
  free(own);
  free(flags);
  end_table(table);
  return -1;
}

void end_table(struct table *table) {
  free(table->words);
  free(table->program);
  free(table->patches);
  *table = (struct table){0};
}
