"""The paper exchange: a local process that speaks OKX v5 well enough that OKX's own clients trade on it.

`engine` matches and keeps accounts (pure, deterministic), `market` makes prices, `store` makes state durable,
`server` speaks REST and WebSocket, `exchange` ties the first three together without any network.
"""
