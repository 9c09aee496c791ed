"""The table that decides what an answer means."""

from pathlib import Path

import pytest

from exchange.outcome_reference import outcomes_markdown
from exchange.outcomes import AMBIGUOUS, REFUSED, TABLE, TABLE_FILE, classify, kind_of
from exchange.transport import Envelope, TransportFailure
from trading.orders import OutcomeKind

ACCEPTED, REJECTED, UNKNOWN = OutcomeKind.ACCEPTED, OutcomeKind.REJECTED, OutcomeKind.UNKNOWN


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("0", ACCEPTED),
        # Neither yes nor no.
        ("50001", UNKNOWN), ("50004", UNKNOWN), ("50005", UNKNOWN), ("50013", UNKNOWN), ("50026", UNKNOWN),
        ("51149", UNKNOWN), ("51054", UNKNOWN), ("51412", UNKNOWN),
        # The id exists already: ours is sent once, so something of ours took effect.
        ("51016", UNKNOWN), ("51065", UNKNOWN), ("50071", UNKNOWN),
        # Before anything took effect.
        ("50011", REJECTED), ("50061", REJECTED), ("50036", REJECTED), ("50037", REJECTED), ("50102", REJECTED),
        ("50111", REJECTED), ("50113", REJECTED), ("51000", REJECTED), ("51008", REJECTED), ("51020", REJECTED),
        ("51121", REJECTED), ("51277", REJECTED), ("51400", REJECTED), ("51023", REJECTED), ("51603", REJECTED),
        ("59102", REJECTED), ("54031", REJECTED),
        # Nobody documented these.
        ("51699", UNKNOWN), ("50099", UNKNOWN), ("58999", UNKNOWN), ("1", UNKNOWN), ("", UNKNOWN), ("abc", UNKNOWN),
    ],
)  # fmt: skip
def test_code_means(code: str, meaning: OutcomeKind) -> None:
    assert kind_of(code) is meaning


def test_no_ambiguous_code_counts_as_a_refusal() -> None:
    assert not AMBIGUOUS & REFUSED


def test_the_documented_table_is_the_one_that_decides(checkout: Path) -> None:
    assert (checkout / "docs" / "outcomes.md").read_text() == outcomes_markdown()


def test_every_code_stands_in_the_table_once_with_a_reason_where_it_is_no_refusal() -> None:
    assert len(TABLE) == len(TABLE_FILE.read_text().splitlines()) - 1
    assert all(row.why for row in TABLE.values() if row.kind is not REJECTED)
    assert [row.code for row in TABLE.values() if row.kind is ACCEPTED] == ["0"]


def answer(code: str, *items: dict[str, str], status: int = 200, message: str = "") -> Envelope:
    return Envelope(status, code, message, list(items))


def test_item_code_outranks_the_envelope() -> None:
    outcome = classify(answer("1", {"ordId": "", "sCode": "51008", "sMsg": "Insufficient margin"}), "ordId")
    assert (outcome.kind, outcome.code, outcome.message) == (REJECTED, "51008", "Insufficient margin")


def test_success_carries_the_exchange_id() -> None:
    outcome = classify(answer("0", {"ordId": "77", "sCode": "0"}), "ordId")
    assert (outcome.kind, outcome.exchange_id) == (ACCEPTED, "77")


def test_success_without_an_id_is_unknown() -> None:
    assert classify(answer("0", {"ordId": "", "sCode": "0"}), "ordId").kind is UNKNOWN
    assert classify(answer("0"), "ordId").kind is UNKNOWN


def test_server_error_is_unknown_even_with_a_refusal_code() -> None:
    assert classify(answer("51008", status=500)).kind is UNKNOWN
    assert classify(answer("0", {"ordId": "1", "sCode": "0"}, status=502), "ordId").kind is UNKNOWN


def test_request_level_refusal_has_no_items() -> None:
    outcome = classify(answer("50011", status=429, message="Too Many Requests"))
    assert (outcome.kind, outcome.code) == (REJECTED, "50011")


def test_all_failed_without_items_is_unknown() -> None:
    assert classify(answer("1", message="All operations failed")).kind is UNKNOWN


def test_least_certain_item_decides() -> None:
    good, refused, lost = ({"algoId": "1", "sCode": code} for code in ("0", "51400", "50026"))
    assert classify(answer("2", good, refused), "algoId").kind is REJECTED
    assert classify(answer("2", good, refused, lost), "algoId").kind is UNKNOWN


def test_failure_is_rejected_only_when_nothing_was_sent() -> None:
    assert classify(TransportFailure("connect_failed", "refused", sent=False)).kind is REJECTED
    lost = classify(TransportFailure("timeout", "read", sent=True))
    assert (lost.kind, lost.code) == (UNKNOWN, "timeout")
