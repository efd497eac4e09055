"""What one does with runs: train, evaluate, verify, repeat, compare, examine."""
