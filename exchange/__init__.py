"""OKX through python-okx and websocket-client: reads with retry, mutations without, every outcome classified."""
