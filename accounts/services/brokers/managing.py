"""What owners do with their accounts at brokers: add, rename, check, replace keys, close."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import quotas, selectors
from accounts.models import BrokerAccount, User
from accounts.services import audit
from accounts.services.brokers import checking, cleaning
from accounts.services.brokers.checking import Checked
from accounts.services.brokers.using import stored
from engine.errors import Fault, InputError
from tradingsite.lib.errors import Conflict, Unavailable, Unprocessable

MAX_ACCOUNTS = 20
# What `_write` writes. The columns of the lease are the hosts', which renew it at any moment.
_SAID = (
    "account_number", "currency", "permissions", "cash", "equity", "buying_power", "seen_at", "checked_at", "state",
    "state_reason", "updated_at",
)  # fmt: skip
_State = BrokerAccount.State
_sessions: list[Callable[[BrokerAccount], int]] = []


def register_sessions(count: Callable[[BrokerAccount], int]) -> None:
    """What tells how many sessions that are not over trade on an account. Call in AppConfig.ready."""
    _sessions[:] = [count]


def sessions_of(account: BrokerAccount) -> int:
    """How many sessions that are not over trade on it."""
    return _sessions[0](account) if _sessions else 0


def add(user: User, values: Mapping[str, Any], *, ip: str = "", is_new: bool = False) -> BrokerAccount:
    """Try a pair of keys at its venue and, where they are good, keep them encrypted.

    values: name, kind, environment, api_key, api_secret; options ({"exchange": …} for ccxt), opposite_orders ("block"
    or "net"). is_new: opened just now: no row can be the same account, whatever its number.
    Not inside a transaction. Raises InputError, Conflict (409: this account is here already), what
    `checking.try_new` raises, SecretsLocked.
    """
    clean = cleaning.read(values)
    room(user, clean["name"])
    key, secret = clean.pop("api_key"), clean.pop("api_secret")
    found = checking.try_new(user, clean["kind"], clean["environment"], key, secret, clean["options"], ip)
    return _keep(user, clean, key, secret, found, is_new)


def rename(user: User, account_id: int, name: str) -> BrokerAccount:
    """Raises NotFound, InputError, Conflict for one that is closed."""
    faults: list[Fault] = []
    name = cleaning.name(name, faults)
    if faults:
        raise InputError(faults)
    with transaction.atomic():
        account = _open(user, account_id)
        if account.name != name:
            _refuse_name(user, name, account)
            before, account.name = account.name, name
            account.save(update_fields=["name", "updated_at"])
            _audit(account, "renamed", {"before": before, "after": name}, user)
    return account


def set_opposite_orders(user: User, account_id: int, policy: str) -> BrokerAccount:
    """What happens to an entry that opposes another bot's on it: "block" or "net". Raises as `rename`."""
    faults: list[Fault] = []
    policy = cleaning.choice("opposite_orders", policy, BrokerAccount.Opposite.values, faults)
    if faults:
        raise InputError(faults)
    with transaction.atomic():
        account = _open(user, account_id)
        if account.opposite_orders != policy:
            before, account.opposite_orders = account.opposite_orders, policy
            account.save(update_fields=["opposite_orders", "updated_at"])
            _audit(account, "policy_changed", {"opposite_orders": [before, policy]}, user)
    return account


def replace_keys(user: User, account_id: int, key: str, secret: str, *, ip: str = "") -> BrokerAccount:
    """Put other keys of the same account in the place of those that are kept, once the venue takes them.

    Not inside a transaction. Raises as `add`, NotFound, Conflict for keys of another account.
    """
    account = _open(user, account_id)
    faults: list[Fault] = []
    key, secret = cleaning.key("api_key", key, faults), cleaning.key("api_secret", secret, faults)
    if faults:
        raise InputError(faults)
    found = checking.try_new(user, account.kind, account.environment, key, secret, account.options, ip)
    if account.account_number and found.account_number != account.account_number:
        text = "These keys belong to another account at the venue. Add it as an account of its own."
        raise Conflict(text, code="another_account")
    with transaction.atomic():
        account = _open(user, account_id)
        account.api_key, account.api_secret = key, secret
        _write(account, found)
        account.save(update_fields=[*_SAID, "api_key", "api_secret"])
        _audit(account, "keys_replaced", {"key": str(account.api_key)}, user)
    return account


def check(user: User, account_id: int) -> BrokerAccount:
    """Try the keys that are kept. Good: the account is active and its money is what the venue said. Refused, or no
    longer fit to be used: it is REFUSED, with the reason, and its sessions stop trading.

    Not inside a transaction. Raises NotFound, Conflict for one that is closed, Unavailable (nothing has changed).
    """
    account = _open(user, account_id)
    key, secret = account.api_key.reveal(), account.api_secret.reveal()
    reason, found = "", None
    try:
        found = checking.ask(account.kind, account.environment, key, secret, account.options)
        checking.refuse_unfit(account.environment, found)
    except checking.KeysRefused as said:
        reason = str(said)
    except Unprocessable as unfit:
        reason = unfit.message
    except (checking.VenueSilent, checking.VenueTooBusy) as said:
        raise Unavailable(f"The venue does not answer ({said}). The account is as it was.") from None
    with transaction.atomic():
        tried, account = account, _open(user, account_id)
        if account.api_secret.stored != tried.api_secret.stored:
            return account  # other keys were put in their place meanwhile, and tried
        if found is not None:
            _write(account, found)
        account.checked_at = timezone.now()
        account.state, account.state_reason = (_State.REFUSED if reason else _State.ACTIVE), reason
        account.save(update_fields=_SAID)
        _audit(account, "checked", {"refused": reason} if reason else {"state": account.state}, user)
    return account


def close(user: User, account_id: int) -> BrokerAccount:
    """Forget its keys and use it no more; what was traded on it stays. One that is closed stays as it is.

    Raises NotFound, Conflict while sessions that are not over trade on it.
    """
    with transaction.atomic():
        quotas.lock(user)
        account = selectors.broker_account(user, account_id)
        if account.state == _State.CLOSED:
            return account
        if running := sessions_of(account):
            text = f"{running} session{'s' if running > 1 else ''} of yours trade on this account. Stop them first."
            raise Conflict(text, code="in_use", sessions=running)
        account.state, account.state_reason, account.closed_at = _State.CLOSED, "", timezone.now()
        account.api_key = account.api_secret = ""
        account.save(update_fields=["state", "state_reason", "closed_at", "api_key", "api_secret", "updated_at"])
        _audit(account, "closed", {}, user)
    return account


def room(user: User, name: str) -> None:
    """Raises InputError for a name that is taken, Conflict where there are enough accounts."""
    if selectors.broker_accounts(user).count() >= MAX_ACCOUNTS:
        raise Conflict(f"You have {MAX_ACCOUNTS} accounts. Close one that you no longer use.", code="too_many")
    _refuse_name(user, name)


def _refuse_name(user: User, name: str, but: BrokerAccount | None = None) -> None:
    taken = selectors.broker_accounts(user).filter(name=name)
    if (taken.exclude(pk=but.pk) if but else taken).exists():
        raise InputError(Fault("name", "already_taken", "You have an account of this name.", "Choose another one."))


def _keep(user: User, clean: Mapping[str, Any], key: str, secret: str, found: Checked, is_new: bool) -> BrokerAccount:
    with transaction.atomic():
        quotas.lock(user)
        room(user, clean["name"])
        same = selectors.broker_accounts(user).filter(
            kind=clean["kind"], environment=clean["environment"], account_number=found.account_number
        )
        before = same.exclude(account_number="").first()
        if not is_new and before is not None and before.options == clean["options"]:
            text = f"This account is here already, as “{before.name}”. To change its keys, replace them there."
            raise Conflict(text, code="already_added", broker_account_id=before.pk)
        account = BrokerAccount(owner=user, api_key=key, api_secret=secret, **clean)
        _write(account, found)
        account.save(force_insert=True)
        detail = {
            "name": account.name,
            "kind": account.kind,
            "environment": account.environment,
            "key": str(account.api_key),
        }
        _audit(account, "added", detail, user)
    return account


def _write(account: BrokerAccount, found: Checked) -> None:
    """What the venue said of the keys, into the row: it takes them."""
    now = timezone.now()
    account.account_number, account.currency = found.account_number[:80], found.currency[:12]
    account.permissions = {"trade": found.may_trade, "withdraw": found.may_withdraw, "short": found.may_short}
    account.cash, account.equity = stored(found.cash), stored(found.equity)
    account.buying_power = stored(found.buying_power)
    account.state, account.state_reason, account.checked_at = _State.ACTIVE, "", now
    if found.cash is not None:
        account.seen_at = now


def _open(user: User, account_id: int) -> BrokerAccount:
    """The user's account. Raises NotFound, Conflict for one that is closed."""
    account = selectors.broker_account(user, account_id)
    if account.state == _State.CLOSED:
        raise Conflict("This account is closed. Add it again to use it.", code="closed")
    return account


def _audit(account: BrokerAccount, what: str, detail: Mapping[str, Any], by: User) -> None:
    audit.record(by, f"broker_account.{what}", target=f"broker account {account.pk}", detail=detail)
