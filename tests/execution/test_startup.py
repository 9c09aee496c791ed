"""Whose database, which account: refused in one line, or set up as the bot needs it."""

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select

from execution.binding import read_binding
from execution.errors import Refused
from execution.identifiers import attached_id, cl_ord_id, cycle_basis, is_attached, is_ours, new_prefix, position_basis
from execution.startup import bind_and_verify, verify_account
from models import Account, PlaybookVersion
from settings import SettingsError, load_settings
from trading.orders import Leg


def bind(bot, settings=None):
    return bind_and_verify(settings or bot.settings, bot.sessions, bot.okx, bot.ctx.clock)


def test_first_start_binds_and_makes_the_first_playbook(unbound):
    with unbound.sessions() as session:
        account = session.scalars(select(Account)).one()
        playbook = session.scalars(select(PlaybookVersion)).one()
    assert (account.mode, account.uid) == ("paper", unbound.uid)
    assert (playbook.version, playbook.active, playbook.author) == (1, True, "default")
    assert unbound.state().state == "running"


def test_every_start_waits_for_its_own_reconciliation(bot):
    assert bot.state().reconciled_at is not None
    before = read_binding(bot.sessions)
    assert bind(bot) == before
    assert bot.state().reconciled_at is None


def test_leverage_is_set_and_verified(unbound):
    bind(unbound, unbound.settings.model_copy(update={"leverage": 2}))
    assert unbound.okx.leverage("ETH-USDT-SWAP", "isolated") == Decimal(2)


def test_a_database_of_another_account_is_refused(unbound):
    with unbound.sessions.begin() as session:
        session.scalars(select(Account)).one().uid = "4711"
    with pytest.raises(Refused, match="belongs to paper account 4711"):
        bind(unbound)


@pytest.mark.parametrize(
    ("permissions", "said"),
    [(("read_only", "trade", "withdraw"), "may withdraw"), (("read_only",), "may not trade"), ((), "may not trade")],
)
def test_a_key_that_may_do_too_much_or_too_little_is_refused(bot, permissions, said):
    config = dataclasses.replace(bot.okx.account_config(), permissions=permissions)
    with pytest.raises(Refused, match=said):
        verify_account(bot.settings, config)


def test_live_trades_only_the_account_its_owner_has_named(bot):
    key = {"TRADING_MODE": "live", "OKX_API_KEY": "k", "OKX_SECRET_KEY": "s", "OKX_PASSPHRASE": "p"}
    with pytest.raises(SettingsError, match="LIVE_ACCOUNT_UID: is required"):
        load_settings(key, dotenv=False)
    config = bot.okx.account_config()
    verify_account(load_settings(key | {"LIVE_ACCOUNT_UID": config.uid}, dotenv=False), config)
    with pytest.raises(Refused, match="LIVE_ACCOUNT_UID names account 4711, but the API key belongs to"):
        verify_account(load_settings(key | {"LIVE_ACCOUNT_UID": "4711"}, dotenv=False), config)


def test_an_unbound_database_is_named(sessions):
    with pytest.raises(Refused, match="okxbot up"):
        read_binding(sessions)


@pytest.mark.parametrize("leg", list(Leg))
def test_identifiers_are_ours_alphanumeric_and_short(leg):
    prefix = new_prefix()
    opened_at = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
    for basis in (cycle_basis(2**40), position_basis("1000SATSLONG-USDT-SWAP", opened_at)):
        identifier = cl_ord_id(prefix, basis, leg, attempt=35)
        assert identifier.isalnum()
        assert len(attached_id(identifier)) <= 32
        assert is_ours(identifier, prefix)
        assert not is_attached(identifier, prefix)
        assert is_attached(attached_id(identifier), prefix)
        assert not is_ours(identifier, new_prefix())
        assert identifier == cl_ord_id(prefix, basis, leg, attempt=35)
        assert identifier != cl_ord_id(prefix, basis, leg, attempt=34)


def test_an_id_the_exchange_would_refuse_is_not_made():
    with pytest.raises(ValueError, match="not a valid"):
        cl_ord_id("x" * 30, cycle_basis(1), Leg.ENTRY)
