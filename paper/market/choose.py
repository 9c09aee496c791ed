"""The price source the options ask for."""

from dataclasses import replace
from decimal import Decimal

from paper.errors import StartRefused
from paper.instruments import CATALOGUE, Instrument
from paper.market.files import FileSource
from paper.market.source import Source
from paper.market.synthetic import SyntheticSource
from paper.options import PaperOptions

ASSUMED_MAXIMUM = ("SOL-USDT-SWAP", "XRP-USDT-SWAP", "DOGE-USDT-SWAP")


def make_source(options: PaperOptions) -> Source:
    """Its instruments carry what the switches say about contract terms. Raises StartRefused."""
    source = _source(options)
    for inst_id, instrument in source.instruments.items():
        source.instruments[inst_id] = _by_switches(instrument, options)
    return source


def _source(options: PaperOptions) -> Source:
    if options.market == "okx":
        raise StartRefused("--market okx: OKX's live feed is not available as a price source in this version")
    if options.market != "synthetic":
        return FileSource(options.market)
    unknown = [name for name in options.instruments if name not in CATALOGUE]
    if unknown or not options.instruments:
        raise StartRefused(f"--instruments {','.join(unknown)}: known are {', '.join(CATALOGUE)}")
    listed = {name: CATALOGUE[name] for name in options.instruments}
    return SyntheticSource(listed, options.seed, options.warmup_bars * 5)


def _by_switches(instrument: Instrument, options: PaperOptions) -> Instrument:
    if options.switch("position_tiers") == "flat":
        instrument = replace(instrument, tier_factor=1)
    if instrument.inst_id in ASSUMED_MAXIMUM:
        instrument = replace(instrument, max_mkt_sz=Decimal(options.switch("max_mkt_sz")))
    return instrument
