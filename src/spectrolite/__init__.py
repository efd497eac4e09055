"""Small, fast, reproducible convolutional classifiers for hyperspectral scenes and for images.

>>> import spectrolite as sl
>>> scene, labels = sl.load("indian_pines")
>>> split = sl.split(labels, "random", train=0.1, seed=345)
>>> split.leakage(patch=25).overlap
1.0

Importing the package is light: a name is loaded from its module when it is first used;
`__init__.pyi` says from which.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
