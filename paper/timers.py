"""Cancel-all-after: when each account's timers, one per tag and one for all its orders, run out in wall time."""


class Timers(dict[str, int]):
    """Due wall times in ms by `uid/tag`; without a tag the timer concerns all orders of the account."""

    def keep(self, uid: str, tag: str, due_wall_ms: int) -> None:
        """Arm a timer anew, or with 0 disarm it."""
        self.pop(f"{uid}/{tag}", None)
        if due_wall_ms:
            self[f"{uid}/{tag}"] = due_wall_ms

    def tagged(self, uid: str, but: str) -> int:
        """How many tags of an account, other than `but`, have a timer."""
        return sum(key.startswith(f"{uid}/") and key not in (f"{uid}/", f"{uid}/{but}") for key in self)

    def run_out(self, wall_ms: int) -> list[tuple[str, str]]:
        """Account and tag of those that are due."""
        due = [key.partition("/") for key, at in self.items() if at <= wall_ms]
        return [(uid, tag) for uid, _, tag in due]
