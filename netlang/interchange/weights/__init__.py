"""What `netc weights` computes of files of weights: statistics, differences, files of other names and types."""
