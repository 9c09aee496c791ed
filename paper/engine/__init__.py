"""The matching engine: pure, synchronous and deterministic. No I/O, no clock; time comes in with prices.

Sizes are contracts, prices and money Decimal, times market milliseconds. Commands either raise `OkxError` and
change nothing, or change state and append events.
"""
