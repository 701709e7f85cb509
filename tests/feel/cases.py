"""stub"""
from typing import Any
CASES: list[tuple[str, dict[str, Any], Any]] = [("1+1", {}, 2)]
