"""The table that the families of built-in functions fill."""

from ..functions import FunctionLibrary

BUILTINS = FunctionLibrary()
builtin = BUILTINS.function
