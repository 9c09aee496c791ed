"""Candles of the past: read from files and from OKX, judged, and stored in the `candles` table."""
