"""What calls cost: prices with their dates, and the exact amount that an answer's tokens come to.

Never a guess: where a price is not known, there is a reason instead of an amount.
"""

from openai_connector.money.prices import Cost, Prices, Unpriced, Used

__all__ = ["Cost", "Prices", "Unpriced", "Used"]
