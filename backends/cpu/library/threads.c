/* The threads of a model. Workers are in the walker's own code, which spins for some microseconds and then sleeps. */

#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime.h"

struct worker {
  pthread_t handle;
  const struct level *level;
  unsigned char *block;
};

struct pool {
  pthread_mutex_t busy;
  const struct level *level;
  unsigned char *block; /* as control.h lays it out */
  struct worker *workers;
  int count, forks;
  int placed, away_from; /* how many workers have been placed, and away from which processor */
};

static int forks; /* how often this process is a child: workers are left behind */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void note_fork(void) { forks++; }
static void watch_forks(void) { pthread_atfork(NULL, NULL, note_fork); }

int processors(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set) < MOST ? CPU_COUNT(&set) : MOST;
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count < MOST ? (int)count : MOST;
}

struct pool *make_pool(const struct level *level) {
  pthread_once(&once, watch_forks);
  struct pool *pool = calloc(1, sizeof *pool);
  if (!pool) return out_of_memory(), NULL;
  pool->level = level;
  pool->forks = forks;
  pool->block = reserve(WORKERS + (int64_t)MOST * WORKER_BYTES);
  pool->workers = calloc(MOST, sizeof *pool->workers);
  if (!pool->block || !pool->workers) {
    out_of_memory();
    free(pool->block);
    free(pool->workers);
    free(pool);
    return NULL;
  }
  pthread_mutex_init(&pool->busy, NULL);
  return pool;
}

static void *live(void *argument) {
  struct worker *worker = argument;
  worker->level->worker((int64_t)worker->block);
  return NULL;
}

/* Starts workers until there are so many, or the system refuses. Signals stay with the threads of the program. */
static void start_workers(struct pool *pool, int wanted) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool->count < wanted) {
    struct worker *worker = &pool->workers[pool->count];
    worker->level = pool->level;
    worker->block = pool->block + WORKERS + (int64_t)pool->count * WORKER_BYTES;
    if (pthread_create(&worker->handle, NULL, live, worker)) break;
    pool->count++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Keeps workers off the caller's processor, so that the two never wait for each other's turn: one that is woken may be
   put on it, and not run before the other's turn ends. One processor each where together they need all; any but the
   caller's where there are more, any at all where there are too few. Where the system refuses they run where they did. */
static void place_workers(struct pool *pool, int workers) {
  int caller = sched_getcpu(), next = caller;
  cpu_set_t allowed, others;
  if (caller < 0 || (pool->placed == workers && pool->away_from == caller)) return;
  if (sched_getaffinity(0, sizeof allowed, &allowed)) return;
  pool->placed = workers;
  pool->away_from = caller;
  others = allowed;
  CPU_CLR(caller, &others);
  int count = CPU_COUNT(&others);
  for (int i = 0; i < workers; i++) {
    cpu_set_t own = workers > count ? allowed : others;
    if (workers == count) {
      do next = (next + 1) % CPU_SETSIZE;
      while (!CPU_ISSET(next, &others));
      CPU_ZERO(&own);
      CPU_SET(next, &own);
    }
    pthread_setaffinity_np(pool->workers[i].handle, sizeof own, &own);
  }
}

int pool_run(struct pool *pool, const int64_t *program, int threads) {
  if (threads > 1 && pool->forks == forks && pthread_mutex_trylock(&pool->busy) == 0) {
    if (pool->count < threads - 1) start_workers(pool, threads - 1);
    if (threads > pool->count + 1) threads = pool->count + 1;
    if (threads > 1) {
      place_workers(pool, threads - 1);
      pool->level->together((int64_t)pool->block, (int64_t)program, threads);
    }
    pthread_mutex_unlock(&pool->busy);
    if (threads > 1) return 1;
  }
  pool->level->alone((int64_t)program);
  return 0;
}

void end_pool(struct pool *pool) {
  if (!pool) return;
  for (int i = 0; i < pool->count && pool->forks == forks; i++) {
    unsigned char *block = pool->workers[i].block;
    memset(block + JOB + 8, 0, 8); /* a job without a program */
    pool->level->wake_up((int64_t)block);
    pthread_join(pool->workers[i].handle, NULL);
  }
  if (pool->forks == forks) pthread_mutex_destroy(&pool->busy);
  free(pool->block);
  free(pool->workers);
  free(pool);
}
