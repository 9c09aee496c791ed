"""Everything that changes the exchange: one request each, never repeated, its outcome never raised."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import structlog

from exchange.outcomes import classify
from exchange.transport import Call, OkxTransport, TransportFailure
from trading.orders import AlgoRequest, OrderRequest, Outcome, OutcomeKind

logger = structlog.get_logger()

MARKET = "-1"  # OKX: order price of a trigger that executes at market


class Mutations:
    """One request per method."""

    def __init__(self, transport: OkxTransport) -> None:
        self._okx = transport

    def place_order(self, request: OrderRequest, exp_time: datetime) -> Outcome:
        """Place an order, stop and target attached; OKX discards it if it arrives after `exp_time` (wall)."""
        return self._send(
            "place_order",
            lambda: self._okx.trade.place_order(
                instId=request.inst_id,
                tdMode=request.td_mode,
                side=request.side,
                ordType=request.ord_type,
                sz=plain(request.sz_contracts),
                clOrdId=request.cl_ord_id,
                px=plain(request.px) if request.px is not None else "",
                reduceOnly="true" if request.reduce_only else "",
                attachAlgoOrds=_attached(request),
            ),
            id_field="ordId",
            exp_time=exp_time,
            subject=request.cl_ord_id,
        )

    def place_algo(self, request: AlgoRequest, signed_at: datetime | None = None) -> Outcome:
        """Place a position-level stop and target: whole position, reduce-only, market at trigger.

        It knows no `expTime`: signed as of `signed_at` (wall), OKX refuses it 30 s after that.
        """
        both = request.stop_loss_px is not None and request.take_profit_px is not None
        stop, target = request.stop_loss_px, request.take_profit_px
        kind = request.trigger_px_type
        return self._send(
            "place_algo",
            lambda: self._okx.trade.place_algo_order(
                instId=request.inst_id,
                tdMode=request.td_mode,
                side=request.side,
                ordType="oco" if both else "conditional",
                closeFraction="1",
                reduceOnly="true",
                cxlOnClosePos="true",
                algoClOrdId=request.algo_cl_ord_id,
                slTriggerPx=plain(stop) if stop is not None else "",
                slOrdPx=MARKET if stop is not None else "",
                slTriggerPxType=kind if stop is not None else "",
                tpTriggerPx=plain(target) if target is not None else "",
                tpOrdPx=MARKET if target is not None else "",
                tpTriggerPxType=kind if target is not None else "",
            ),
            id_field="algoId",
            subject=request.algo_cl_ord_id,
            signed_at=signed_at,
        )

    def cancel_order(self, inst_id: str, cl_ord_id: str) -> Outcome:
        """Ask for a cancel. Accepted means asked; the order's own state says when it is done."""
        call = lambda: self._okx.trade.cancel_order(inst_id, clOrdId=cl_ord_id)  # noqa: E731
        return self._send("cancel_order", call, id_field="ordId", subject=cl_ord_id)

    def cancel_order_by_id(self, inst_id: str, ord_id: str) -> Outcome:
        """Cancel an order that has no id of ours."""
        call = lambda: self._okx.trade.cancel_order(inst_id, ordId=ord_id)  # noqa: E731
        return self._send("cancel_order", call, id_field="ordId", subject=ord_id)

    def cancel_algos(self, algos: Sequence[tuple[str, str]]) -> Outcome:
        """Cancel up to ten algo orders, `(instId, algoId)` each.

        The outcome is that of the least certain one.
        """
        if not 1 <= len(algos) <= 10:
            raise ValueError("cancel_algos takes one to ten algo orders")
        body = [{"instId": inst_id, "algoId": algo_id} for inst_id, algo_id in algos]
        subject = ",".join(algo_id for _, algo_id in algos)
        return self._send(
            "cancel_algos",
            lambda: self._okx.trade.cancel_algo_order(body),
            id_field="algoId",
            subject=subject,
        )

    def amend_algo(
        self, inst_id: str, algo_id: str, new_stop: Decimal | None = None, new_target: Decimal | None = None
    ) -> Outcome:
        """Move a live stop and/or target; None leaves a leg as it is."""
        return self._send(
            "amend_algo",
            lambda: self._okx.trade.amend_algo_order(
                instId=inst_id,
                algoId=algo_id,
                newSlTriggerPx=plain(new_stop) if new_stop is not None else "",
                newSlOrdPx=MARKET if new_stop is not None else "",
                newTpTriggerPx=plain(new_target) if new_target is not None else "",
                newTpOrdPx=MARKET if new_target is not None else "",
            ),
            id_field="algoId",
            subject=algo_id,
        )

    def close_position(
        self,
        inst_id: str,
        mgn_mode: str,
        cl_ord_id: str,
        auto_cancel: bool = True,
        signed_at: datetime | None = None,
    ) -> Outcome:
        """Close the whole position at market; `auto_cancel` also cancels closing orders in its way.

        It knows no `expTime`: signed as of `signed_at` (wall), OKX refuses it 30 s after that.
        """
        return self._send(
            "close_position",
            lambda: self._okx.trade.close_positions(
                inst_id, mgn_mode, autoCxl="true" if auto_cancel else "false", clOrdId=cl_ord_id
            ),
            subject=cl_ord_id,
            signed_at=signed_at,
        )

    def set_leverage(self, inst_id: str, lever: Decimal | int, mgn_mode: str) -> Outcome:
        """Set the leverage of an instrument in net mode."""
        call = lambda: self._okx.account.set_leverage(plain(Decimal(lever)), mgn_mode, instId=inst_id)  # noqa: E731
        return self._send("set_leverage", call, subject=inst_id)

    def set_position_mode(self, mode: str) -> Outcome:
        """`net_mode` or `long_short_mode`."""
        return self._send("set_position_mode", lambda: self._okx.account.set_position_mode(mode), subject=mode)

    def _send(
        self,
        what: str,
        call: Call,
        *,
        subject: str,
        id_field: str | None = None,
        exp_time: datetime | None = None,
        signed_at: datetime | None = None,
    ) -> Outcome:
        try:
            with self._okx.expiring(exp_time, signed_at):
                outcome = classify(call(), id_field)
        except TransportFailure as failure:
            outcome = classify(failure)
        report = logger.info if outcome.kind is OutcomeKind.ACCEPTED else logger.warning
        report("exchange_mutation", call=what, subject=subject, outcome=outcome.kind.value, code=outcome.code,
               message=outcome.message)  # fmt: skip
        return outcome


def plain(number: Decimal) -> str:
    """Decimal as OKX wants it: no exponent, no trailing zeros."""
    written = format(number, "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


def _attached(request: OrderRequest) -> list[dict[str, str]] | None:
    """Stop and target that come to life with the order's full fill; market execution, triggered by last
    price.
    """
    legs: dict[str, str] = {}
    if request.stop_loss_px is not None:
        legs |= {"slTriggerPx": plain(request.stop_loss_px), "slOrdPx": MARKET, "slTriggerPxType": "last"}
    if request.take_profit_px is not None:
        legs |= {"tpTriggerPx": plain(request.take_profit_px), "tpOrdPx": MARKET, "tpTriggerPxType": "last"}
    if not legs:
        return None
    if request.attach_algo_cl_ord_id:
        legs["attachAlgoClOrdId"] = request.attach_algo_cl_ord_id
    return [legs]
