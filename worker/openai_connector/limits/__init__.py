"""When a call may be sent: rate limits, hosts that are down, fair slots. Knows no HTTP, sends nothing.

All times are seconds of a clock that is handed in. The facts (a wait that was told, what is left of a limit)
are handed in as plain values.
"""

from __future__ import annotations

from openai_connector.limits.breaker import Trouble
from openai_connector.limits.gate import Admission, Asking, Gate, Held, HostChange
from openai_connector.limits.keys import Key, key_of
from openai_connector.limits.limiter import FixedLimits
from openai_connector.limits.shared import SharedState, exchange
from openai_connector.limits.shares import Shares

__all__ = [
    "Admission",
    "Asking",
    "FixedLimits",
    "Gate",
    "Held",
    "HostChange",
    "Key",
    "SharedState",
    "Shares",
    "Trouble",
    "exchange",
    "key_of",
]
