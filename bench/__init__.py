"""Figures this project states about itself, one module per set; `okxbot bench` runs them."""
