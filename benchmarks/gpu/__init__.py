"""What `python -m benchmarks.cuda` is made of."""
