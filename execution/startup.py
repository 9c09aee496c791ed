"""Before anything trades: whose database this is, and whether the account is set up as the bot needs it.

`bind_and_verify` refuses with one line what the operator must mend, and leaves the bot `running` but not reconciled:
entries wait for the first reconciliation. Run as `python -m execution.startup` by the supervisor at every start.
"""

import os
import sys
from decimal import Decimal

import structlog
from sqlalchemy import select

from exchange.client import OkxExchange
from exchange.clock import build_clock
from exchange.errors import CredentialsMissing, ReadFailed
from execution import control, identifiers
from execution.binding import Binding, find_binding
from execution.context import ExecutionContext
from execution.errors import Refused
from execution.playbook import write_version
from models import Account, BotState, PlaybookVersion
from models.session import SessionFactory, build_engine, build_sessions
from settings import AnySettings, LiveSettings, SettingsError, load_settings
from trading.clock import Clock
from trading.orders import AccountConfig, OutcomeKind
from trading.playbook import default_playbook

logger = structlog.get_logger()

FUTURES_MODE = "2"
NET_MODE = "net_mode"


def bind_and_verify(
    settings: AnySettings,
    sessions: SessionFactory,
    exchange: OkxExchange,
    clock: Clock,
    *,
    by_operator: bool = True,
) -> Binding:
    """Bind the database to (mode, uid), verify account, modes and leverage. Raises Refused or ReadFailed.

    `by_operator`: a person started the bot, which may lift automatic halts; a supervisor's restart never does.
    """
    config = exchange.account_config()
    verify_account(settings, config)
    binding = _bind(settings, sessions, config.uid)
    _set_net_mode(exchange, config)
    for inst_id in settings.instruments:
        _set_leverage(settings, exchange, inst_id)
    ctx = ExecutionContext(
        sessions=sessions,
        exchange=exchange,
        clock=clock,
        settings=settings,
        account_id=binding.account_id,
        order_prefix=binding.order_prefix,
        send=lambda task, queue, args: False,
    )
    _prepare(ctx)
    if by_operator:
        control.clear_automatic_halts_on_restart(ctx)
    logger.info("account_bound", mode=binding.mode, uid=binding.uid, order_prefix=binding.order_prefix)
    return binding


def verify_account(settings: AnySettings, config: AccountConfig) -> None:
    """Whose account, what its key may do, in which mode it is. Raises Refused."""
    if isinstance(settings, LiveSettings) and settings.live_account_uid != config.uid:
        raise Refused(
            f"LIVE_ACCOUNT_UID names account {settings.live_account_uid}, but the API key belongs to {config.uid}"
        )
    if "withdraw" in config.permissions:
        raise Refused("the API key may withdraw: make one with read and trade permission only")
    if "trade" not in config.permissions:
        raise Refused("the API key may not trade: give it the trade permission")
    if config.acct_lv != FUTURES_MODE:
        raise Refused(
            f"the account is in mode {config.acct_lv}, not Futures mode (2): change it on OKX under Account mode"
        )


def _bind(settings: AnySettings, sessions: SessionFactory, uid: str) -> Binding:
    binding = find_binding(sessions)
    if binding is None:
        with sessions.begin() as session:
            session.add(Account(mode=settings.trading_mode, uid=uid, order_prefix=identifiers.new_prefix()))
        binding = find_binding(sessions)
        assert binding is not None, "the row was just committed"
    if (binding.mode, binding.uid) != (settings.trading_mode, uid):
        raise Refused(
            f"this database belongs to {binding.mode} account {binding.uid}, not to {settings.trading_mode} account"
            f" {uid}: use another OKXBOT_HOME or DATABASE_URL"
        )
    return binding


def _set_net_mode(exchange: OkxExchange, config: AccountConfig) -> None:
    if config.pos_mode == NET_MODE:
        return
    outcome = exchange.set_position_mode(NET_MODE)
    if exchange.account_config().pos_mode != NET_MODE:
        raise Refused(
            f"the account could not be set to net positions ({outcome.code} {outcome.message}): close its positions and"
            " orders, then set Position mode to One-way on OKX"
        )


def _set_leverage(settings: AnySettings, exchange: OkxExchange, inst_id: str) -> None:
    """Set only what differs; judged by what the exchange then says."""
    wanted = Decimal(settings.leverage)
    if exchange.leverage(inst_id, settings.margin_mode) == wanted:
        return
    outcome = exchange.set_leverage(inst_id, wanted, settings.margin_mode)
    found = exchange.leverage(inst_id, settings.margin_mode)
    if found != wanted:
        why = f" ({outcome.code} {outcome.message})" if outcome.kind is not OutcomeKind.ACCEPTED else ""
        raise Refused(f"leverage of {inst_id} is {found}, not LEVERAGE={wanted}{why}")


def _prepare(ctx: ExecutionContext) -> None:
    now = ctx.clock.wall_now()
    with ctx.sessions.begin() as session:
        state = session.get(BotState, ctx.account_id, with_for_update=True)
        if state is None:
            state = BotState(account_id=ctx.account_id, transfers_total=Decimal(0), consecutive_losses=0)
            session.add(state)
        state.state, state.reconciled_at, state.started_at = "running", None, now
        state.unsettled_at = now
        known = session.scalar(select(PlaybookVersion.id).where(PlaybookVersion.account_id == ctx.account_id).limit(1))
        if known is None:
            write_version(
                session, ctx.account_id, default_playbook(), author="default", reason="first start", market_at=None
            )


def main() -> int:
    """Exit status 0 and a line on stdout, or 2 and one line on stderr."""
    try:
        settings = load_settings()
        if settings.database_url is None:
            raise Refused("DATABASE_URL is not set")
        engine = build_engine(settings.database_url.get_secret_value(), "startup", pool_size=1, max_overflow=1)
        binding = bind_and_verify(
            settings,
            build_sessions(engine),
            OkxExchange.from_settings(settings),
            build_clock(settings),
            by_operator=os.environ.get("BOT_STARTED_BY", "operator") == "operator",
        )
    except (Refused, SettingsError, ReadFailed, CredentialsMissing) as refusal:
        sys.stderr.write(f"{str(refusal).splitlines()[0]}\n")
        return 2
    sys.stdout.write(f"bound to {binding.mode} account {binding.uid}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
