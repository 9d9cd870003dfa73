"""The life of a session as rows have it: every line of the table is gone along, everything else is refused."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import product

import pytest
from django.db.models.functions import Now
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.models import User
from bots.host import lease as leases
from bots.host import ledger
from bots.models import SessionEvent, TradingSession
from bots.states import CLAIMABLE, MOVES, IllegalMove, SessionState, check_move
from tests.bots.host.hosting import make

S = SessionState
LEAST_STATE, LEAST_MOVE = 20, 10
"""How often each state, and each legal move, is seen on rows."""

seen_states: Counter[SessionState] = Counter()
seen_moves: Counter[tuple[SessionState, SessionState]] = Counter()


@pytest.mark.row("I8")
def test_every_pair_is_a_line_of_the_table_or_is_refused() -> None:
    for before, after in product(SessionState, SessionState):
        if after in MOVES[before]:
            check_move(before, after)
        else:
            with pytest.raises(IllegalMove):
                check_move(before, after)
    assert all(S.HALTED in MOVES[state] for state in MOVES if state not in (S.DRAFT, S.HALTED, S.STOPPED, S.FAILED))
    assert MOVES[S.HALTED] == {S.STOPPED}, "what halted never goes on by itself"
    entered = {state for state, after in MOVES.items() if S.RUNNING in after}
    assert entered == {S.WARMING, S.DEGRADED}, "RUNNING only after the ledger agreed with the venue"
    assert {state for state, after in MOVES.items() if S.STOPPED in after} == {
        S.DRAFT, S.SCHEDULED, S.STOPPING, S.ORPHANED, S.HALTED,
    }  # fmt: skip


def machine_for(owner: User) -> type[RuleBasedStateMachine]:
    class SessionMachine(RuleBasedStateMachine):
        """Hosts that claim, move, go to sleep and lose a session; each holds the lease that it was given."""

        @initialize(state=st.sampled_from((S.DRAFT, S.SCHEDULED)))
        def begin(self, state: SessionState) -> None:
            self.session = make(owner, state=state)
            self.lease = leases.Lease(self.session.pk, 0)
            self.old: list[leases.Lease] = []
            self._lend()
            self.state = state
            seen_states[state] += 1

        def _lend(self) -> None:
            TradingSession.objects.filter(pk=self.session.pk).update(lease_expires_at=Now() + timedelta(seconds=60))

        def _count(self, after: SessionState) -> None:
            seen_moves[self.state, after] += 1
            seen_states[after] += 1
            self.state = after

        @precondition(lambda self: bool(MOVES[self.state]))
        @rule(data=st.data())
        def move(self, data: st.DataObject) -> None:
            """By its host."""
            self.go(data.draw(st.sampled_from(sorted(MOVES[self.state]))))

        def go(self, after: SessionState) -> None:
            assert ledger.move(self.lease, self.state, after, "by the machine")
            self._count(after)

        @rule(after=st.sampled_from(SessionState))
        def illegal(self, after: SessionState) -> None:
            if after not in MOVES[self.state]:
                with pytest.raises(IllegalMove):
                    ledger.move(self.lease, self.state, after)

        @precondition(lambda self: self.state in CLAIMABLE)
        @rule()
        def taken_over(self) -> None:
            """The lease runs out, another host claims."""
            assert leases.claim("eager", 5, only=[self.session.pk]) == [], "nobody takes what is held"
            TradingSession.objects.filter(pk=self.session.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
            assert leases.renew("machine", [self.lease]) == {self.session.pk}
            (lease,) = leases.claim("machine", 5, only=[self.session.pk])
            assert lease.fence > self.lease.fence
            self.old.append(self.lease)
            self.lease, self.state = lease, S.CLAIMED
            seen_states[S.CLAIMED] += 1

        @precondition(lambda self: self.old and bool(MOVES[self.state]))
        @rule(data=st.data())
        def an_old_host_wakes(self, data: st.DataObject) -> None:
            stale = data.draw(st.sampled_from(self.old))
            for after in MOVES[self.state]:
                assert not ledger.move(stale, self.state, after), "an old fence wrote"

        @rule()
        def a_wrong_memory(self) -> None:
            """A host that believes the session elsewhere than it is."""
            for before in (S.RUNNING, S.PAUSED):
                if before is not self.state:
                    assert not ledger.move(self.lease, before, S.STOPPING)

        @invariant()
        def the_row_says_so(self) -> None:
            if hasattr(self, "session"):
                row = TradingSession.objects.only("state", "fence").get(pk=self.session.pk)
                assert (row.state, row.fence) == (self.state, self.lease.fence)

        def teardown(self) -> None:
            if hasattr(self, "session"):
                told = SessionEvent.objects.filter(session=self.session, kind="state").order_by("pk")
                assert all(e.detail["to"] in MOVES[S(e.detail["from"])] for e in told)

    return SessionMachine


@pytest.mark.row("I8")
@pytest.mark.django_db
def test_rows_go_along_every_line_and_no_other(alice: User) -> None:
    seen_states.clear()
    seen_moves.clear()
    machine = machine_for(alice)
    run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=25, database=None))
    lines = [(before, after) for before in MOVES for after in MOVES[before]]
    while rarest := min((line for line in lines if seen_moves[line] < LEAST_MOVE), default=None):
        # Until each line was gone along often enough, whatever the examples were: from where one is missing.
        rig = machine()
        rig.begin(rarest[0])
        rig.go(rarest[1])
        while MOVES[rig.state]:
            rig.go(min(MOVES[rig.state], key=lambda after: (seen_moves[rig.state, after], after)))
            rig.the_row_says_so()
    rare = {f"{a} → {b}": seen_moves[a, b] for a, b in lines if seen_moves[a, b] < LEAST_MOVE}
    assert not rare, f"seen less than {LEAST_MOVE} times: {rare}"
    assert not {state: seen_states[state] for state in SessionState if seen_states[state] < LEAST_STATE}
