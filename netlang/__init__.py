"""netlang: a compiler for neural networks."""
