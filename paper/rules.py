"""The engine's rules as the switches set them."""

from decimal import Decimal

from paper.engine.state import Rules
from paper.options import PaperOptions


def make_rules(options: PaperOptions) -> Rules:
    return Rules(
        band=Decimal(options.switch("price_band_percent")) / 100,
        fok_attached_stops=options.switch("fok_attached_stops") == "accept",
        attached_reduce_only=options.switch("attached_reduce_only") == "true",
        attached_after_partial=options.switch("attached_after_partial") == "live",
        algos_after_close=options.switch("algos_after_close") == "keep",
        duplicate_cl_ord_id=options.switch("duplicate_cl_ord_id"),
    )
