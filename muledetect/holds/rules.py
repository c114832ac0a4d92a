"""What events a hold may have, in which order, and what they make of it, under the clocks of a country."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from muledetect.errors import OptionError
from muledetect.holds.clocks import Clock, Clocks
from muledetect.schema import HOLD_EVENTS

Event = Mapping[str, Any]

EVENTS: Final = HOLD_EVENTS.column("event").values
#: Events that need no hold, and those that may come after its end.
_BEGINS: Final = "held"
_ENDS: Final = "expired"


class Refused(ValueError):  # noqa: N818 (it is told as a DataError or an OptionError)
    """An event that the clock or the state of its hold does not allow."""


@dataclass(slots=True)
class Hold:
    """One hold while its events are applied; times in microseconds."""

    clocks: Clocks
    clock: Clock
    first: Event
    last: Event
    held: int
    bank_until: int
    expires_at: int
    review_due: int
    police_until: int | None = None
    extended_until: int | None = None
    appealed_at: int | None = None
    ended_at: int | None = None
    state: str = field(default="held")

    def apply(self, event: Event) -> None:
        """Change the state by a later event, or refuse it."""
        kind, time = event["event"], event["time"]
        if self.ended_at is not None:
            raise Refused("the hold has ended; a new one begins with the event held")
        if kind == _BEGINS:
            raise Refused("the hold has begun; its amount is not raised. Hold more under another hold_id")
        if time < self.first["time"]:
            raise Refused("it took effect before the hold began")
        if (kind == _ENDS) != (time >= self.expires_at):
            at = self.clocks.shown(self.expires_at)
            raise Refused(
                f"the hold stands until {at}; end it with released" if kind == _ENDS else f"the hold ended at {at}"
            )
        getattr(self, f"_{kind}")(event)
        self.last = event

    def at(self, moment: int) -> dict[str, Any]:
        """Return the state just before a moment, as a row of `schema.HOLD_STATES`."""
        ended, state = self.ended_at, self.state
        if ended is None and self.expires_at < moment:
            ended, state = self.expires_at, "expired"
        review = self.review_due if ended is None else None
        return {
            **{name: self.first[name] for name in ("hold_id", "account_id", "complaint_id", "transfer_id", "clock")},
            "state": state, "amount": self.first["amount"], "held": self.held if ended is None else 0,
            "started_at": self.first["time"], "bank_until": self.bank_until, "police_until": self.police_until,
            "extended_until": self.extended_until, "review_due": review, "expires_at": self.expires_at,
            "ended_at": ended, "appealed_at": self.appealed_at, "is_due": review is not None and review < moment,
            "last_event": self.last["event"], "decided_by": self.last["decided_by"], "why": self.last["why"],
            "as_of": moment,
        }  # fmt: skip

    def _reported(self, event: Event) -> None:
        if not self.clock.police:
            raise Refused(f"clock {self.clock.name!r} has no second period")
        if self.police_until is not None:
            raise Refused("its second period has begun already; it begins once")
        self.police_until = self.clocks.ends(self.clock.police, event["time"])
        self.expires_at = max(self.expires_at, self.police_until)

    def _extended(self, event: Event) -> None:
        power, until = event["power"], event["until"]
        if until is None or power is None:
            raise Refused("say until when, and by whose power")
        if until <= self.expires_at:
            raise Refused(f"it stands until {self.clocks.shown(self.expires_at)} already")
        latest = max(self.bank_until, self.police_until or 0)
        if power != "bank":
            if power not in self.clock.powers:
                raise Refused(f"clock {self.clock.name!r} gives no power to {power}; it does to the bank, within its "
                              f"period, and to {sorted(self.clock.powers)}")  # fmt: skip
            most = self.clock.powers[power]
            # what an order adds counts from the day of the order, or from the end of what stood
            latest = self.clocks.ends(most, max(self.expires_at, event["time"])) if most else until
        if until > latest:
            raise Refused(f"{power} may extend it until {self.clocks.shown(latest)} and no longer")
        self.extended_until = self.expires_at = until

    def _reviewed(self, event: Event) -> None:
        self.state = "held"
        self.review_due = self.clocks.ends(self.clock.review, event["time"])

    def _appealed(self, event: Event) -> None:
        self.state, self.appealed_at = "appealed", event["time"]
        self.review_due = min(self.review_due, self.clocks.ends(self.clock.review, event["time"]))

    def _released(self, event: Event) -> None:
        amount = self.held if event["amount"] is None else event["amount"]
        if amount > self.held:
            raise Refused("more is released than is held")
        self.held -= amount
        if not self.held:
            self.state, self.ended_at = "released", event["time"]

    def _expired(self, event: Event) -> None:
        self.held, self.state, self.ended_at = 0, "expired", event["time"]


def begin(event: Event, clocks: Clocks) -> Hold:
    """Return the hold that an event begins, or refuse it: no hold beyond the pack."""
    if event["event"] != _BEGINS:
        raise Refused("the hold is not in the record; a hold begins with the event held")
    if event["account_id"] is None or event["amount"] is None or event["clock"] is None:
        raise Refused("a hold needs an account, an amount and a clock")
    if event["complaint_id"] is None and event["transfer_id"] is None:
        raise Refused("a hold stems from a complaint, or from a payment: name its complaint or its transfer")
    clock, start = clocks.clock(event["clock"]), event["time"]
    bank_until = clocks.ends(clock.bank, start)
    until = bank_until if event["until"] is None else event["until"]
    if not start < until <= bank_until:
        raise Refused(f"it may stand until {clocks.shown(bank_until)}, when the bank's period ends, and no longer")
    review = min(clocks.ends(clock.review, start), until)
    return Hold(clocks, clock, event, event, event["amount"], bank_until, until, review)


def build_holds(events: Iterable[Event], clocks: Clocks) -> dict[str, Hold]:
    """Return the holds of events in the order of the record; `Refused` where one does not fit."""
    holds: dict[str, Hold] = {}
    # of one moment the record's order counts
    for event in sorted(events, key=lambda event: event["time"]):
        hold = holds.get(event["hold_id"])
        if hold is None:
            holds[event["hold_id"]] = begin(event, clocks)
        else:
            hold.apply(event)
    return holds


def check_events(events: list[Event], clocks: Clocks) -> Hold:
    """Return the hold of the last event if all fit each other, else raise `OptionError` with the reason."""
    last = events[-1]
    try:
        return build_holds([event for event in events if event["hold_id"] == last["hold_id"]], clocks)[last["hold_id"]]
    except Refused as error:
        raise OptionError(f"hold: the event {last['event']!r} is refused: {error}.") from error
