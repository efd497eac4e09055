"""The only modules that open data files; everything after them takes arrays and values.

- Scenes: `scenes.open` chooses the format's module by the file's ending; `products.scenes` makes
  scenes of it.
- Labels: `labels.read` does the same for labels.
- Images: `images.folders` reads folders and archives, `images.cifar` CIFAR's own files.
"""

from __future__ import annotations

from spectrolite.readers.labels.read import read_labels

__all__ = ["read_labels"]
