"""OKX through python-okx and websocket-client: reads retried, mutations never, outcomes classified."""
