"""The market the options ask for."""

from dataclasses import replace
from decimal import Decimal

from paper.errors import StartRefused
from paper.instruments import CATALOGUE, Instrument
from paper.market.files import FileSource
from paper.market.live import LiveMarket, OkxSource
from paper.market.market import Market
from paper.market.okx_feed import OkxFeed
from paper.market.source import Source
from paper.market.synthetic import SyntheticSource
from paper.options import PaperOptions

ASSUMED_MAXIMUM = ("SOL-USDT-SWAP", "XRP-USDT-SWAP", "DOGE-USDT-SWAP")


def make_market(options: PaperOptions) -> Market:
    """The market to play; its instruments carry what the switches say of contract terms. Raises StartRefused."""
    if options.market == "okx":
        feed = OkxFeed(options.okx_rest, options.okx_ws, options.instruments)
        live = OkxSource(feed, options.warmup_bars * 5)
        live.instruments = {name: _by_switches(each, options) for name, each in live.instruments.items()}
        return LiveMarket(live, options.seed)
    source = _source(options)
    source.instruments = {name: _by_switches(each, options) for name, each in source.instruments.items()}
    return Market(source, options.seed, options.warmup_bars)


def _source(options: PaperOptions) -> Source:
    if options.market != "synthetic":
        return FileSource(options.market)
    unknown = [name for name in options.instruments if name not in CATALOGUE]
    if unknown or not options.instruments:
        raise StartRefused(f"--instruments {','.join(unknown)}: known are {', '.join(CATALOGUE)}")
    listed = {name: CATALOGUE[name] for name in options.instruments}
    return SyntheticSource(listed, options.seed, options.warmup_bars * 5, options.start_ms)


def _by_switches(instrument: Instrument, options: PaperOptions) -> Instrument:
    if options.switch("position_tiers") == "flat":
        instrument = replace(instrument, tier_factor=1)
    if options.market != "okx" and instrument.inst_id in ASSUMED_MAXIMUM:
        instrument = replace(instrument, max_mkt_sz=Decimal(options.switch("max_mkt_sz")))
    return instrument
