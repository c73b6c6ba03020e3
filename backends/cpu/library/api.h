/* Compiled networks, made by netc compile. @NETS@

   netlang_model *model = netlang_create(NULL, 0, NULL);
   int64_t sizes[] = {16};                                   one for each of netlang_sizes(), in that order
   const void *inputs[] = {image};                           one for each of netlang_inputs()
   void *outputs[] = {probs};                                one for each of netlang_outputs()
   if (!model || netlang_run(model, sizes, inputs, outputs)) fprintf(stderr, "%s\n", netlang_error());
   netlang_destroy(model);

   Functions that can fail return NULL, or a negative number; netlang_error() then says why. Tensors are arrays without
   gaps, the last dimension running fastest, aligned as their elements are. Tensors of a call must not overlap, unless
   both are inputs. Whatever functions return belongs to the model or the library and is never freed by the caller. */

#ifndef NETLANG_MODEL_H
#define NETLANG_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A net with what was computed from its weights, its threads, and the working memory of its calls. Any number of
   threads may call netlang_run with one model at a time: each call has working memory of its own, which is kept for
   later calls with the same sizes, so that only first calls ask the system for memory. After fork() a model runs on the
   calling thread alone. */
typedef struct netlang_model netlang_model;

/* What elements are. Of bfloat16 and float16 there is no type in C: they are uint16_t. */
typedef enum {
  NETLANG_BOOL,  /* one byte, 0 or 1 */
  NETLANG_UINT8,
  NETLANG_INT8,
  NETLANG_UINT16,
  NETLANG_INT16,
  NETLANG_UINT32,
  NETLANG_INT32,
  NETLANG_UINT64,
  NETLANG_INT64,
  NETLANG_FLOAT16,
  NETLANG_BFLOAT16,
  NETLANG_FLOAT32,
  NETLANG_FLOAT64
} netlang_type;

/* What a net takes or gives. */
typedef struct {
  const char *name;
  const char *text;     /* such as "f32[N, 3, 32, 32]" */
  netlang_type type;
  int rank;
  const int64_t *shape; /* -1 where a dimension depends on sizes: see netlang_shape */
} netlang_port;

/* A dimension that each call decides. */
typedef struct {
  const char *name;
  int64_t least, largest;
} netlang_size;

/* The nets of this library by number, from 0 on; NULL behind the last one. */
const char *netlang_net(int number);

/* A net ready to be called.
     net      its name; NULL: the one that was compiled for
     threads  1: work is done by the calling thread alone, 0: as many as the process may use. Others are started when
              they are first of use, and end with the model.
     weights  the file that they are in where they are not in the library; NULL: where netc has put it, in the folder
              of the library */
netlang_model *netlang_create(const char *net, int threads, const char *weights);

/* Ends a model, which no thread may be using. NULL is allowed. */
void netlang_destroy(netlang_model *model);

/* One call: 0, or -1 where it cannot be carried out. Of tensors without elements the address may be NULL. */
int netlang_run(netlang_model *model, const int64_t *sizes, const void *const *inputs, void *const *outputs);

/* Why the last function that failed on this thread did; "" where none has. */
const char *netlang_error(void);

/* What a net takes and gives, in the order of netlang_run; *count is how many there are. */
const netlang_port *netlang_inputs(const netlang_model *model, int *count);
const netlang_port *netlang_outputs(const netlang_model *model, int *count);
const netlang_size *netlang_sizes(const netlang_model *model, int *count);

/* The place of an input or output of this name; -1 where there is none. */
int netlang_input(const netlang_model *model, const char *name);
int netlang_output(const netlang_model *model, const char *name);

/* Writes the shape that a port has with these sizes, and returns its bytes; -1 where they are out of range. `shape` may
   be NULL where only the bytes are asked for. */
int64_t netlang_shape(const netlang_model *model, const netlang_port *port, const int64_t *sizes, int64_t *shape);

/* How many threads a call may be carried out by. */
int netlang_threads(const netlang_model *model);

/* The kind of processor whose code is used, such as "x86-64-v3". */
const char *netlang_level(const netlang_model *model);

/* For nets with random nodes: the numbers that calls draw begin anew, as this seed (0 at first) says. */
int netlang_seed(netlang_model *model, int64_t seed);

/* ---- learning, in libraries that were compiled with --train

   netlang_model *step = netlang_create_step(model, NULL, 0);
   const void *inputs[] = {images, labels};                  as netlang_inputs(step) says
   void *outputs[] = {&loss, &accuracy};
   if (netlang_run(step, sizes, inputs, outputs)) ...        changes the weights: calls of `model` go by them at once

   A step goes forward, backward and updates, and gives the bits that a trainer gives in Python. One whose loss is not
   finite fails and changes nothing. Steps of several threads take turns; calls of nets wait meanwhile, and go by the
   weights before a step or after it. */

/* The `train` sections by number, from 0 on; NULL behind the last one. Where there is only one its name may be "". */
const char *netlang_section(int number);

/* The training step of a section (NULL: of the only one), or another net, over the same weights as `model`, whatever of
   them is destroyed first. Steps of one section have one optimiser, one count of steps and one epoch together. */
netlang_model *netlang_create_step(netlang_model *model, const char *section, int threads);
netlang_model *netlang_create_beside(netlang_model *model, const char *net, int threads);

/* The learning rate of the next step. */
int netlang_learning_rate(const netlang_model *step, double *rate);

/* Tells the schedule of the learning rate that an epoch is over; `loss`, which may be NULL, is what a plateau watches. */
int netlang_next_epoch(netlang_model *step, const double *loss);

/* So many epochs have passed; fractions count. */
int netlang_set_epoch(netlang_model *step, double epoch);

/* What a file of weights holds. */
const netlang_port *netlang_weights(const netlang_model *model, int *count);

/* Copy one of them, whose bytes follow from its shape. */
int netlang_get_weight(netlang_model *model, const char *name, void *to);
int netlang_set_weight(netlang_model *model, const char *name, const void *from);

/* All of them as a safetensors file, which is written whole or not at all. Only files are read that netlang has written,
   here or in Python; of others nothing is changed. */
int netlang_save_weights(netlang_model *model, const char *path);
int netlang_load_weights(netlang_model *model, const char *path);

/* The same with all that steps keep (optimisers, counts, epochs): learning goes on from there as if nothing had been. A
   .netc file of the same net with the same seed goes on from it too, and the other way round. */
int netlang_save_checkpoint(netlang_model *model, const char *path);
int netlang_load_checkpoint(netlang_model *model, const char *path);

#ifdef __cplusplus
}
#endif

#endif
