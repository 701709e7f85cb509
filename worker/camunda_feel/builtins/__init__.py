"""The built-in functions, in one module per family. An import declares its functions in `BUILTINS`."""

from camunda_feel.builtins import booleans, contexts, conversion, lists, numbers, ranges, strings, temporal
from camunda_feel.builtins.library import BUILTINS

__all__ = ["BUILTINS"]

_FAMILIES = (booleans, contexts, conversion, lists, numbers, ranges, strings, temporal)
