"""The part about the broker account that forms of sessions and bots share."""

from __future__ import annotations

from functools import cached_property

from accounts.models import BrokerAccount
from bots.forms.market import MarketForm
from bots.selectors.brokers import AccountLine, account_lines


class AccountForm(MarketForm):
    """A form that may name an account."""

    @property
    def is_live(self) -> bool:
        """Whether it trades at a broker."""
        raise NotImplementedError

    @cached_property
    def _lines(self) -> list[AccountLine]:
        return [line for line in account_lines(self.user) if line.account.state == BrokerAccount.State.ACTIVE]

    @property
    def account_groups(self) -> list[tuple[str, list[AccountLine]]]:
        """The accounts that a session can trade on, by what money they are."""
        labels = BrokerAccount.Environment.choices
        groups = [(label, [line for line in self._lines if line.account.environment == key]) for key, label in labels]
        return [(str(label), lines) for label, lines in groups if lines]

    @property
    def account_line(self) -> AccountLine | None:
        """The account that is chosen, with what is free there."""
        chosen = self.values.get("broker_account_id")
        return next((line for line in self._lines if self.is_live and str(line.account.pk) == chosen), None)

    @property
    def account(self) -> BrokerAccount | None:
        """The account that is chosen."""
        return self.account_line.account if self.account_line else None
