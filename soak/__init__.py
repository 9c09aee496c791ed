"""Long proofs: the running bot disturbed on purpose, and the exchange's own books as the judge.

`make soak` (or `python -m soak`) runs what takes minutes; `tests/reliability` runs a part of each.
"""
