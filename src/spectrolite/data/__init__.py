"""Scenes, labels and images as values that check themselves."""
