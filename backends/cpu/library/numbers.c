/* Numbers that depend on sizes. */

#include "runtime.h"

static int64_t divided(int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return -a;
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t applied(int op, int64_t a, int64_t b) {
  int64_t result;
  switch (op) {
    case ADD: return __builtin_add_overflow(a, b, &result) ? LOST : result;
    case SUBTRACT: return __builtin_sub_overflow(a, b, &result) ? LOST : result;
    case MULTIPLY: return __builtin_mul_overflow(a, b, &result) ? LOST : result;
    case DIVIDE: return divided(a, b);
    case REMAINDER: return b == 0 ? 0 : a - divided(a, b) * b;
    case LESS: return a < b;
    case LESS_EQUAL: return a <= b;
    default: return a == b;
  }
}

static int64_t stepped(int64_t a, int32_t count, const int64_t *starts) {
  int32_t low = 0, high = count; /* the first start above a is between */
  while (low < high) {
    int32_t middle = low + (high - low) / 2;
    if (starts[middle] <= a)
      low = middle + 1;
    else
      high = middle;
  }
  return starts[count + (low > 0 ? low - 1 : 0)];
}

void evaluate(const struct numbers *numbers, const int64_t *sizes, int64_t *values) {
  for (int i = 0; i < numbers->count; i++) {
    const struct number n = numbers->all[i];
    if (n.op == CONSTANT) {
      values[i] = numbers->constants[n.a];
    } else if (n.op == SIZE) {
      values[i] = sizes[n.a];
    } else if (values[n.a] == LOST) {
      values[i] = LOST;
    } else if (n.op == CHOICE) {
      values[i] = values[n.a] ? values[n.b] : values[n.c];
    } else if (n.op == STEPS) {
      values[i] = stepped(values[n.a], n.b, numbers->constants + n.c);
    } else {
      values[i] = values[n.b] == LOST ? LOST : applied(n.op, values[n.a], values[n.b]);
    }
  }
}
