"""Other frameworks on the nets of the benchmarks, built from the same graphs over the same weights.

A peer gives functions without arguments, ready to be timed: inputs are where the framework wants them, weights are
packed as it likes, threads are set. What is not installed is left out.
"""
