"""The way from a closed candle to a journalled decision, stage by stage."""
