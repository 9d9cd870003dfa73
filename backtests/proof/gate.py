"""Real money asks for a passport: registered with `strategies.proving`, which sessions ask."""

from __future__ import annotations

from accounts.models import User
from backtests.models import Passport
from backtests.proof import selectors
from engine.errors import Fault
from strategies.proving import Choice
from tradingsite.lib.errors import Unprocessable

CODE = "needs_passport"
FIELD = "passport_override"
HINT = f"Let the passport of this choice pass, or send {FIELD} with your reason, which is kept in the audit trail"


def refuse_without(user: User, choice: Choice) -> None:
    """Raises Unprocessable unless a passing passport of the user's speaks for exactly this choice and still holds.

    New prices do not outdate it here: they come every day. Nor do made prices prove anything.
    """
    rows = Passport.objects.filter(owner=user, choice=choice.fingerprint(), state=Passport.State.DONE)
    newest = rows.order_by("-finished_at", "-pk").first()
    why = _why_not(newest)
    if why:
        text = f"Real money asks for a passing robustness passport. {why}"
        raise Unprocessable(text, code=CODE, faults=[Fault(FIELD, CODE, text, HINT)])


def _why_not(passport: Passport | None) -> str:
    """Why the newest passport lets nothing through; "" where it does."""
    if passport is None:
        return "There is none for this strategy with these parameters, symbols, timeframe and settings."
    if passport.verdict != Passport.Verdict.PASS:
        return f"The newest one says: {passport.get_verdict_display().lower()}."
    if passport.synthetic:
        return "The newest one was made on made-up prices."
    return " ".join(selectors.outdated(passport))
