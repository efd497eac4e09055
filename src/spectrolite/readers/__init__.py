"""The only modules that open data files; everything after them takes arrays and values.

- Scenes: `scenes.open` chooses the format's module by the file's ending.
- Labels: `labels.read` does the same for labels.
- Images: `images.folders` reads folders and archives, `images.cifar` CIFAR's own files.
"""

from __future__ import annotations

from spectrolite.readers.labels.read import read_labels
from spectrolite.readers.scenes.open import open_cube, open_scene, read_scene

__all__ = ["open_cube", "open_scene", "read_labels", "read_scene"]
