"""Scenes as users name them: satellite products, told by their structure, and files."""
