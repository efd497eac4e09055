"""The folder of a run: manifest, stored data, checkpoints to resume from."""
