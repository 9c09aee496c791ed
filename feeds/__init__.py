"""Long-lived workers between the exchange and the rest: market, account, control stream, pacer."""
