"""Readers of scenes, one module a format family."""
