"""What the doctor says of an OKX key, from what the exchange says of it."""

import dataclasses

import pytest

from cli.doctor import check_key, judge_key
from runtime.errors import OperatorError
from tests.execution.conftest import Bot, account_file, exchange_server, sessions, settings, unbound  # noqa: F401


def test_a_key_that_works_from_any_address_is_advised_to_be_linked(unbound: Bot):  # noqa: F811
    """The paper exchange's key is such a one."""
    with pytest.raises(OperatorError, match="it works from any address: link it to this machine's IP address on OKX"):
        check_key(unbound.settings)


def test_a_linked_key_that_may_trade_and_not_withdraw_is_well(unbound: Bot):  # noqa: F811
    linked = dataclasses.replace(unbound.okx.account_config(), linked_ips=("192.0.2.7", "192.0.2.8"))
    assert judge_key(linked).endswith("read_only, trade, from 192.0.2.7, 192.0.2.8 only")
    for permissions, said in ((("read_only", "trade", "withdraw"), "may withdraw"), (("read_only",), "may not trade")):
        with pytest.raises(OperatorError, match=said):
            judge_key(dataclasses.replace(linked, permissions=permissions))


def test_a_key_the_exchange_refuses_is_said_to_be(unbound: Bot, tmp_path):  # noqa: F811
    account = tmp_path / "account.json"
    account.write_text('{"api_key": "x", "secret_key": "y", "passphrase": "z"}')
    with pytest.raises(OperatorError, match="the exchange does not accept it: "):
        check_key(unbound.settings.model_copy(update={"paper_account_file": account}))
