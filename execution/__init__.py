"""Acts on the exchange: one call per intent, the truth about what became of it, protection, reconciliation, control."""
