"""Learning from closed trades: a review of each, and a deep reflection every 20 closes or six market hours.

Facts first: everything a reflection rests on is computed here from closed trades; a reflector (rules or a model) only
proposes, and `trading.playbook.validation` decides what of it the playbook takes over.
"""

from pipeline.learning.context import Learner
from pipeline.learning.reflection import reflect_asked, reflect_if_due
from pipeline.learning.review import review_open_ends, review_trade

__all__ = ["Learner", "reflect_asked", "reflect_if_due", "review_open_ends", "review_trade"]
