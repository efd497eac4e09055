"""Settings, recipes, optimisers, the training loop and its checkpoints."""
