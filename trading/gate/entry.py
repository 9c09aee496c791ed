"""The entry a decision asks for, as the checks see it; each check in turn may cut its size."""

from dataclasses import dataclass
from decimal import Decimal

from trading.decision import Action
from trading.entry_price import Direction, costliest_price, sign_of, worst_price
from trading.gate.verdict import GateInput
from trading.instrument import Instrument
from trading.sizing import requested_contracts
from trading.snapshot import PositionView


@dataclass(frozen=True, slots=True)
class Entry:
    """What is about to be entered. A field is None where its input is missing; nothing stands in for it.

    `price` is the worst price in USDT the order accepts, `costliest` the fill that binds most margin. Stop and target
    are on the tick, as they would be sent; of an ADD they are those of its position, which stay in force for the whole
    of it whatever the decision names. `leverage` is what the exchange has for this instrument. `contracts` is the
    size so far, cut by the checks before.
    """

    direction: Direction | None
    price: Decimal | None
    costliest: Decimal | None
    stop_loss: Decimal | None
    take_profit: Decimal | None
    leverage: Decimal | None
    contracts: Decimal | None

    @property
    def sign(self) -> int:
        """1 for long, −1 for short. Raises ValueError when the direction is not known."""
        if self.direction is None:
            raise ValueError("direction unknown")
        return sign_of(self.direction)


def entry_of(given: GateInput) -> Entry:
    """The entry as asked for, before any check."""
    position = _position_added_to(given)
    direction = _direction(given, position)
    price, costliest = _prices(given, direction)
    leverage = given.account.leverage.get(given.instrument.inst_id)
    if leverage is not None and leverage <= 0:
        leverage = None
    equity = given.account.equity
    contracts: Decimal | None = None
    if costliest is not None and leverage is not None and equity is not None and equity > 0:
        contracts = requested_contracts(
            given.instrument,
            equity=equity,
            size_pct=given.decision.size_pct,
            leverage=leverage,
            price=costliest,
        )
    stop, target = given.decision.stop_loss, given.decision.take_profit
    if given.decision.action is Action.ADD:
        stop, target = (position.stop_px, position.target_px) if position is not None else (None, None)
    stop, target = _on_tick(given.instrument, stop), _on_tick(given.instrument, target)
    return Entry(direction, price, costliest, stop, target, leverage, contracts)


def _position_added_to(given: GateInput) -> PositionView | None:
    if given.decision.action is not Action.ADD or given.account.positions is None:
        return None
    return given.account.position(given.instrument.inst_id)


def _direction(given: GateInput, position: PositionView | None) -> Direction | None:
    """OPEN says it; ADD takes the direction of the position it adds to."""
    if given.decision.action is Action.OPEN_LONG:
        return "long"
    if given.decision.action is Action.OPEN_SHORT:
        return "short"
    if position is None:
        return None
    return "long" if position.contracts > 0 else "short"


def _prices(given: GateInput, direction: Direction | None) -> tuple[Decimal | None, Decimal | None]:
    """The worst and the costliest fill."""
    if direction is None:
        return None, None
    limits = given.limits
    worst = worst_price(direction, given.decision, given.live, given.instrument, limits.entry_slippage_bps)
    if worst is None:
        return None, None
    return worst, costliest_price(direction, worst, given.market, given.live, limits.max_price_drift_bps)


def _on_tick(instrument: Instrument, price: Decimal | None) -> Decimal | None:
    return None if price is None else instrument.round_price(price)
