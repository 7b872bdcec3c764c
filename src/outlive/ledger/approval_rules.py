"""Rules by which calls are approved without a person: "this kind from now on"."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Engine, RowMapping, insert, select, update

from outlive.errors import UsageError
from outlive.ledger.schema import approval_rules

_CONDITION = re.compile(r"([\w.-]+)\s*(<=|>=|=|(?<=\s)in(?=\s))\s*(\S.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What an argument has to be.

    Attributes:
        argument: Its name; of one inside another, ``order.amount``.
        operator: ``=``, ``<=``, ``>=`` or ``in``.
        value: JSON; of ``in`` a list.
    """

    argument: str
    operator: str
    value: Any

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, str) else json.dumps(self.value)
        return f"{self.argument} in {value}" if self.operator == "in" else f"{self.argument}{self.operator}{value}"

    @classmethod
    def read(cls, text: str) -> "Condition":
        """Read one such as ``amount<=100``, ``currency=EUR`` or ``country in ["DE", "FR"]``.

        Raises:
            UsageError: If it is none.
        """
        if (found := _CONDITION.fullmatch(text.strip())) is not None:
            argument, operator, value = found[1], found[2].strip(), found[3]
            return cls(argument=argument, operator=operator, value=_value(operator, value, text))
        raise UsageError(
            f"{text!r} is no condition. Give one such as 'amount<=100', 'currency=EUR' or 'country in [\"DE\"]'."
        )

    def holds(self, args: Mapping[str, Any]) -> bool:
        """Whether the arguments of a call are so; one that is missing or cannot be compared is not."""
        found: Any = args
        for name in self.argument.split("."):
            if not isinstance(found, Mapping) or name not in found:
                return False
            found = found[name]
        if self.operator == "in":
            return any(_equal(found, one) for one in self.value)
        if self.operator == "=":
            return _equal(found, self.value)
        given, bound = _number(found), _number(self.value)
        if given is None or bound is None:
            return False
        return given <= bound if self.operator == "<=" else given >= bound


@dataclass(frozen=True, kw_only=True)
class ApprovalRule:
    """A rule. It covers the calls of one tool by one agent for which all its conditions hold."""

    number: int
    agent: str
    tool: str
    conditions: list[Condition]
    made_by: str
    made_at: float
    revoked_by: str | None = None
    revoked_at: float | None = None

    @property
    def name(self) -> str:
        """How it signs what it decides."""
        return f"rule {self.number} of {self.made_by}"

    def covers(self, args: Mapping[str, Any]) -> bool:
        """Whether it approves a call with these arguments."""
        return all(condition.holds(args) for condition in self.conditions)


class ApprovalRules:
    """Reads and writes of rules, to be run through `Ledger.call`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(outlive_writes=True)

    def make(self, *, agent: str, tool: str, conditions: list[Condition], by: str) -> ApprovalRule:
        """Make a rule; the same one again is the one that is there."""
        for rule in self.of(agent, tool):
            if rule.conditions == conditions:
                return rule
        now = time.time()
        written = json.dumps([asdict(condition) for condition in conditions])
        values = {"agent": agent, "tool": tool, "conditions": written, "made_by": by, "made_at": now}
        with self._writing.begin() as connection:
            key = connection.execute(insert(approval_rules).values(**values)).inserted_primary_key
        assert key is not None
        return ApprovalRule(number=key[0], agent=agent, tool=tool, conditions=conditions, made_by=by, made_at=now)

    def revoke(self, number: int, *, by: str) -> bool:
        """Let a rule count no more; False where there is none of this number that counts."""
        counts = (approval_rules.c.number == number) & approval_rules.c.revoked_at.is_(None)
        with self._writing.begin() as connection:
            change = update(approval_rules).where(counts).values(revoked_by=by, revoked_at=time.time())
            return connection.execute(change).rowcount == 1

    def listed(self) -> list[ApprovalRule]:
        """Return all rules, revoked ones too, in the order in which they were made."""
        with self._engine.connect() as connection:
            return [_rule(row) for row in connection.execute(select(approval_rules).order_by("number")).mappings()]

    def of(self, agent: str, tool: str) -> list[ApprovalRule]:
        """Return the rules that count for a tool of an agent."""
        return [rule for rule in self.listed() if rule.agent == agent and rule.tool == tool and rule.revoked_at is None]

    def covering(self, agent: str, tool: str, args: Mapping[str, Any]) -> ApprovalRule | None:
        """Return a rule that approves a call; None where there is none."""
        return next((rule for rule in self.of(agent, tool) if rule.covers(args)), None)


def _rule(row: RowMapping) -> ApprovalRule:
    values = dict(row)
    values["conditions"] = [Condition(**condition) for condition in json.loads(values["conditions"])]
    return ApprovalRule(**values)


def _value(operator: str, text: str, whole: str) -> Any:
    try:
        value: Any = json.loads(text, parse_float=str, parse_constant=str)
    except ValueError:
        value = text
    if operator == "in" and not isinstance(value, list):
        raise UsageError(f'{whole!r} needs a JSON list behind `in`, such as ["DE", "FR"].')
    if operator in {"<=", ">="} and _number(value) is None:
        raise UsageError(f"{whole!r} needs a number behind {operator!r}.")
    return value


def _number(value: Any) -> Decimal | None:
    """Return a value as a number, also where it is written as text; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _equal(one: Any, other: Any) -> bool:
    numbers = _number(one), _number(other)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return type(one) is type(other) and bool(one == other)
