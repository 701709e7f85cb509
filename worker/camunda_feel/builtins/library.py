"""The table that the families of built-in functions fill."""

from camunda_feel.functions import FunctionLibrary

BUILTINS = FunctionLibrary()
builtin = BUILTINS.function
