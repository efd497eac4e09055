"""Readers of images: folders, archives and the CIFAR files."""
