"""The network shell: OKX v5 REST and WebSocket over one `Exchange`."""
