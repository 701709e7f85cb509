"""The built-in functions, one module a family. Importing a family declares its functions in `BUILTINS`."""

from . import booleans, contexts, conversion, lists, numbers, ranges, strings, temporal
from .library import BUILTINS

__all__ = ["BUILTINS"]

_FAMILIES = (booleans, contexts, conversion, lists, numbers, ranges, strings, temporal)
