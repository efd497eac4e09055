"""A trained model as a folder or as an exported graph, and how each is opened and run."""
