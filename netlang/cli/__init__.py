"""netc: the command line. One small file per group of verbs."""
