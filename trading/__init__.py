"""The domain, pure: what an instrument, a candle, a decision, a verdict and an order are. No I/O."""
