"""PostgreSQL tables, a module per aggregate. Importing this package registers every table on `Base.metadata`.

Columns named `*_at` are wall time unless they say market; money, prices and sizes are NUMERIC without a scale,
so that what the exchange wrote is what is stored.
"""

from models.accounts import Account, BotState
from models.base import Base
from models.breaks import BreakRow, MoneyDay
from models.cycles import DecisionCycle, JobRun, OutboxMessage, RiskVerdict
from models.health import ActivityHour, HealthSample
from models.journal import PerformanceSnapshot, Trade
from models.learning import PlaybookVersion, Reflection
from models.llm import LlmCall, ResearchEntry, ScreenerLog
from models.market import CandleRow, FundingRate
from models.mirror import AlgoOrder, Bill, Fill, Position
from models.notices import Alert, AuditEntry
from models.orders import InstrumentLock, Order, OrderEvent
from models.overrides import LimitOverride
from models.telegram import ReadingPosition, TelegramConfirmation, TelegramDelivery, TelegramUpdate

__all__ = [
    "Account",
    "ActivityHour",
    "Alert",
    "AlgoOrder",
    "AuditEntry",
    "Base",
    "Bill",
    "BotState",
    "BreakRow",
    "CandleRow",
    "DecisionCycle",
    "Fill",
    "FundingRate",
    "HealthSample",
    "InstrumentLock",
    "JobRun",
    "LimitOverride",
    "LlmCall",
    "MoneyDay",
    "Order",
    "OrderEvent",
    "OutboxMessage",
    "PerformanceSnapshot",
    "PlaybookVersion",
    "Position",
    "ReadingPosition",
    "Reflection",
    "ResearchEntry",
    "RiskVerdict",
    "ScreenerLog",
    "TelegramConfirmation",
    "TelegramDelivery",
    "TelegramUpdate",
    "Trade",
]
