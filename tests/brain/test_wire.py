"""Hostile JSON is refused by name; the canonical form is one."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.wire import Malformed, canonical, parse_object, sha256, storable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"), ("{", "not JSON"), ("null", "not a JSON object"), ("[]", "not a JSON object"),
        ('{"a": NaN}', "NaN"), ('{"a": -Infinity}', "Infinity"), ('{"a": 1e400}', "too large"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"), ('{"a":' * 100_000, "nested"), (" " * 1_000_001, "longer"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        parse_object(text)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_everything_read_can_be_stored_and_hashes_the_same_again(value: dict[str, object]) -> None:
    read = parse_object(json.dumps(value))
    text = canonical(read).decode()
    assert "\\u0000" not in text
    assert sha256(json.loads(text)) == sha256(read)
    assert storable(read) == read


def test_key_order_and_spacing_do_not_change_the_hash() -> None:
    assert sha256({"a": 1, "b": [2]}) == sha256(parse_object('{ "b": [ 2 ], "a": 1 }'))
