"""Trailing stops, triggers with stops of their own, and amendments of both."""

from decimal import Decimal
from typing import Any

import pytest

from paper.errors import OkxError

BTC = "BTC-USDT-SWAP"


def refused(code: str) -> Any:
    return pytest.raises(OkxError, match=f"^{code} ")


def algo(desk: Any, side: str = "sell", **params: Any) -> Any:
    placed = desk.send("place_algo", tdMode="isolated", side=side, **params)
    return desk.account.algos[placed["algoId"]]


def trail(desk: Any, **params: Any) -> Any:
    return algo(desk, **{"ordType": "move_order_stop", "sz": "1", "reduceOnly": "true", **params})


def test_trailing_stop_follows_the_best_price_and_fires_on_the_way_back(desk: Any) -> None:
    desk.place()
    stop = trail(desk, callbackRatio="0.01")
    for last, trigger in (("60500", "59895"), ("61000", "60390"), ("60600", "60390")):
        desk.price(last)
        assert (stop.state, stop.move_trigger) == ("live", Decimal(trigger))
    desk.price("60390")
    assert (stop.state, desk.held) == ("effective", 0)
    assert desk.account.orders[stop.ord_ids[0]].source == "25"


def test_trailing_stop_sleeps_until_its_activation_price(desk: Any) -> None:
    desk.place()
    stop = trail(desk, callbackSpread="100", activePx="60300")
    desk.price("59000")
    assert (stop.state, stop.move_trigger) == ("live", None)
    desk.price("60310")
    assert stop.move_trigger == Decimal("60210")
    desk.price("60200")
    assert stop.state == "effective"


def test_trailing_stop_of_a_short_mirrors(desk: Any) -> None:
    desk.place("sell")
    stop = trail(desk, side="buy", callbackSpread="100")
    desk.price("59500")
    desk.price("59590")
    assert stop.state == "live"
    desk.price("59600")
    assert (stop.state, desk.held) == ("effective", 0)


def test_trailing_distance_can_be_amended(desk: Any) -> None:
    desk.place()
    stop = trail(desk, callbackRatio="0.01")
    desk.send("amend_algo", algoId=stop.algo_id, newCallbackRatio="0.02")
    desk.price("59300")
    assert stop.state == "live"
    desk.price("58800")
    assert stop.state == "effective"


@pytest.mark.parametrize(
    "params, code",
    [
        ({}, "50015"),
        ({"callbackRatio": "0.01", "callbackSpread": "5"}, "50024"),
        ({"callbackRatio": "1"}, "51000"),
        ({"callbackSpread": "0.05"}, "51000"),
        ({"callbackRatio": "0.01", "activePx": "-1"}, "51000"),
    ],
)
def test_trailing_stop_without_a_distance_is_refused(desk: Any, params: dict[str, str], code: str) -> None:
    with refused(code):
        trail(desk, **params)
    assert not desk.account.algos


def test_trigger_opens_with_a_stop_of_its_own(desk: Any) -> None:
    stop = [{"slTriggerPx": "59000", "slOrdPx": "-1"}]
    entry = algo(desk, "buy", ordType="trigger", sz="1", triggerPx="60500", orderPx="-1", attachAlgoOrds=stop)
    desk.price("60400")
    assert (entry.state, desk.held) == ("live", 0)
    desk.price("60500")
    assert (entry.state, desk.held) == ("effective", 1)
    (born,) = desk.account.open_algos.values()
    assert (born.sl_trigger, born.side, born.sz) == (Decimal(59000), "sell", Decimal(1))


def test_trigger_is_amended_in_price_size_and_stop(desk: Any) -> None:
    stop = [{"slTriggerPx": "59000", "slOrdPx": "-1"}]
    entry = algo(desk, "buy", ordType="trigger", sz="1", triggerPx="60500", orderPx="-1", attachAlgoOrds=stop)
    desk.send(
        "amend_algo",
        algoId=entry.algo_id,
        newTriggerPx="59500",
        newSz="2",
        attachAlgoOrds=[{"newSlTriggerPx": "58000"}],
    )
    desk.price("60600")
    assert entry.state == "live"
    desk.price("59500")
    assert (entry.state, desk.held) == ("effective", 2)
    (born,) = desk.account.open_algos.values()
    assert born.sl_trigger == 58000


def test_failed_amendment_leaves_the_algo_or_ends_it_on_request(desk: Any) -> None:
    desk.place()
    stop = algo(desk, ordType="conditional", sz="1", reduceOnly="true", slTriggerPx="59000", slOrdPx="-1")
    with refused("51280"):
        desk.send("amend_algo", algoId=stop.algo_id, newSlTriggerPx="61000")
    assert (stop.state, stop.sl_trigger) == ("live", Decimal(59000))
    with refused("51280"):
        desk.send("amend_algo", algoId=stop.algo_id, newSlTriggerPx="61000", cxlOnFail="true")
    assert (stop.state, stop.amend_result) == ("canceled", "1")


def test_stop_watches_the_price_it_was_told_to(desk: Any) -> None:
    desk.place()
    stop = algo(
        desk, ordType="conditional", sz="1", reduceOnly="true", slTriggerPx="59000", slOrdPx="-1",
        slTriggerPxType="mark",
    )  # fmt: skip
    desk.price("58900", mark="59100")
    assert stop.state == "live"
    desk.price("59200", mark="58990")
    assert stop.state == "effective"


def test_number_of_trailing_stops_is_limited(desk: Any) -> None:
    desk.place()
    for _ in range(50):
        trail(desk, callbackRatio="0.01")
    with refused("51174"):
        trail(desk, callbackRatio="0.01")


@pytest.mark.parametrize(
    "kind, name, code",
    [("algo", "alone", "51065"), ("algo", "rides", "51068"), ("stop", "alone", "51068"), ("stop", "rides", "51065")],
)
def test_client_id_of_an_algo_or_attached_stop_is_taken(desk: Any, kind: str, name: str, code: str) -> None:
    legs = {"slTriggerPx": "50000", "slOrdPx": "-1"}

    def place_algo(cl_id: str) -> None:
        algo(desk, ordType="conditional", sz="1", algoClOrdId=cl_id, **legs)

    def place_with_stop(cl_id: str) -> None:
        desk.place(ord_type="limit", px="59000", attachAlgoOrds=[{"attachAlgoClOrdId": cl_id, **legs}])

    place_algo("alone")
    place_with_stop("rides")
    with refused(code):
        (place_algo if kind == "algo" else place_with_stop)(name)


def test_one_algo_may_close_a_whole_position(desk: Any) -> None:
    desk.place(sz="1")
    whole = {"tdMode": "isolated", "side": "sell", "closeFraction": "1", "reduceOnly": "true", "slOrdPx": "-1"}
    placed = desk.send("place_algo", ordType="conditional", slTriggerPx="58000", **whole)
    with refused("51088"):
        desk.send("place_algo", ordType="conditional", slTriggerPx="57000", **whole)
    desk.send("cancel_algo", algoId=placed["algoId"])
    desk.send("place_algo", ordType="conditional", slTriggerPx="57000", **whole)
    assert len(desk.account.open_algos) == 1
