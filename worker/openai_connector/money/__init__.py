"""What calls cost: prices with their dates, and the exact amount that an answer's tokens come to.

Never a guess: where a price is not known, there is a reason instead of an amount.
"""

from openai_connector.money.prices import Cost, Prices, Unpriced, Used
from openai_connector.money.record import PARTS, SHOWN, both, cost_of, record_of, shown

__all__ = ["PARTS", "SHOWN", "Cost", "Prices", "Unpriced", "Used", "both", "cost_of", "record_of", "shown"]
