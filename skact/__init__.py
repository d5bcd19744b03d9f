"""Find the right activation, width and learning rate for an MLP with scikit-learn."""

import lazy_loader

# A name of `__init__.pyi` loads its module when it is first used: the worker processes
# of a search, which need the engine only, start in half the time.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
