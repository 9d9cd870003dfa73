"""Portfolio allocation: what share of equity each symbol is to have, computed from the bars so far."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault, InputError
from strategies import allocation
from strategies.allocation import declared, moments, schedule
from strategies.base import BUY, EXIT_LONG, Action, Exits, Line, register
from strategies.panel import Array, Panel, PanelStrategy
from strategies.params import BoolParam, ChoiceParam, FloatParam, IntParam, PctParam, RatioParam

_YEAR_NS = 365.25 * 86_400e9


class Decision(NamedTuple):
    """One computation. row: number of the complete row. weights: in order of names. shares: of the portfolio's
    variance, each symbol's. fault: why there are none."""

    row: int
    weights: Array | None
    shares: Array | None
    fault: str


@register
class Allocation(PanelStrategy):
    """Hold every symbol at a weight that a method of portfolio construction gives: equal weight, inverse volatility,
    minimum variance, maximum Sharpe ratio, a target return, risk parity, hierarchical risk parity, Kelly, log growth
    or Black and Litterman's model with views.

    Weights are computed from the bars looked back on, first when there are enough of them and then every day, week or
    month, or when one has drifted too far from what was computed. They are the target weights of the run and take the
    place of its sizing. Under "rebalance" the settings say when holdings are brought back to them; with "never" what
    is bought stays as it is, and a symbol whose weight falls to nothing is sold. With "on signal", let it say weights
    only when they are new, or every bar is a rebalance.

    Where a bar's data allow no answer (a price that stands still, a target that no weights reach, no mean return above
    the risk-free rate) the weights stay as they are. A limit on turnover that the other limits do not allow gives way
    to them, and all of them to those on what is invested and on value at risk (normal returns, 95 %), under which all
    weights are cut alike. A bar that one of the symbols lacks is left out. Costs are taken off the expected return of
    those methods that read one, spread over a number of bars.
    """

    slug, label, kind = "allocation", "Portfolio allocation", "portfolio"
    least, most = 2, allocation.MOST_SYMBOLS
    together = needs_short = allows_short = False
    roles = "Their order plays no part. Under Rebalance say when holdings follow the weights."
    depends_on = (
        "strategies.panel",
        "strategies.allocation.feasible",
        "strategies.allocation.methods",
        "strategies.allocation.moments",
        "strategies.allocation.polishing",
        "strategies.allocation.schedule",
        "strategies.allocation.solving",
    )

    method = ChoiceParam(
        "risk_parity",
        choices=[(found.slug, found.label) for found in allocation.registered().values()],
        help="How weights are chosen",
    )
    lookback = IntParam(120, min=20, max=2000, unit="bars", label="Look back", help="Returns that weights come from")
    covariance = ChoiceParam(
        "ledoit_wolf", choices=list(allocation.COVARIANCES.items()), help="Estimator of how returns move together"
    )
    compute = ChoiceParam(
        "monthly", choices=list(schedule.EVERY.items()), label="Compute weights", help="When they are computed anew"
    )
    drift_pct = PctParam(
        5.0, min=0.1, max=100, step=0.5, label="Drift", help="Points of weight that count as drifted, on closes"
    )
    only_new = BoolParam(
        False, label="Say weights when new", help="Signal only on bars on which weights are computed, not on every bar"
    )
    min_weight_pct = PctParam(0.0, min=0, max=100, step=1, label="Least weight", help="Of every symbol")
    max_weight_pct = PctParam(25.0, min=0.1, max=100, step=1, label="Most weight", help="Of every symbol")
    bounds = declared.BoundsParam((), help="Least and most weight of single symbols, in the place of those above")
    groups = declared.GroupsParam((), help="Limits on what symbols weigh together, such as a sector")
    max_turnover_pct = PctParam(
        None, min=0.1, max=200, step=5, label="Most turnover", help="Bought and sold together, at one computation"
    )
    cost_bps = FloatParam(0.0, min=0, max=1000, step=1, unit="bp", label="Cost", help="Of what is traded")
    cost_bars = IntParam(21, min=1, max=2000, unit="bars", label="Cost over", help="Bars that a cost is earned back in")
    target_return_pct = PctParam(
        None, min=-100, max=1000, step=1, label="Target return", help="A year; the method of that name needs it"
    )
    risk_free_pct = PctParam(0.0, min=-10, max=100, step=0.25, label="Risk-free rate", help="A year")
    max_var_pct = PctParam(
        None,
        min=0.01,
        max=100,
        step=0.25,
        label="Most value at risk",
        help="Loss of equity in a bar that 95 of 100 bars stay below; above it all weights are cut, the rest is cash",
    )
    max_invested_pct = PctParam(
        None, min=0.1, max=100, step=5, label="Most invested", help="Above it all weights are cut, the rest is cash"
    )
    kelly_ratio = RatioParam(0.5, min=0.01, max=1, step=0.05, label="Kelly: share", help="Half Kelly is 0.5")
    views = declared.ViewsParam((), help="Opinions on returns a year, for Black-Litterman")

    line_info = {
        "weight_pct": Line("Target weight, %", "own"),
        "risk_pct": Line("Share of the portfolio's variance, %", "own"),
    }

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        low, high = values["min_weight_pct"], values["max_weight_pct"]
        if low > high:
            message = f"The least weight ({low:g} %) is above the most ({high:g} %)."
            yield Fault("min_weight_pct", "conflict", message, f"At most {high:g}.")
        for i, (low, high) in enumerate(cls._bounded(values).values()):
            if low > high:
                symbol = values["bounds"][i]["symbol"]
                message = f"The least weight of {symbol} ({low:g} %) is above its most ({high:g} %)."
                yield Fault(f"bounds[{i}].min_pct", "conflict", message, f"At most {high:g}.")
        if values["method"] == "target_return" and values["target_return_pct"] is None:
            yield Fault("target_return_pct", "required", "This method needs a return to aim at.", "Percent a year.")
        if values["views"] and values["method"] != "black_litterman":
            yield Fault("views", "conflict", "Only Black-Litterman reads views.", "Choose it, or leave them out.")

    @classmethod
    def _bounded(cls, values: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
        """(least, most) in percent of each symbol with bounds of its own."""
        named = [bound["symbol"] for bound in values["bounds"]]
        return declared.least_and_most(named, values["min_weight_pct"], values["max_weight_pct"], values["bounds"])

    @classmethod
    def most_weight_pct(cls, values: Mapping[str, Any]) -> float:
        """The most that cleaned parameters let any one symbol weigh."""
        return max([values["max_weight_pct"], *(high for _, high in cls._bounded(values).values())])

    @classmethod
    def refusals(cls, parameters: Mapping[str, Any], symbols: Sequence[str]) -> Iterable[Fault]:
        invested = allocation.registered()[parameters["method"]].invested
        groups = parameters["groups"]
        known = f"One of: {', '.join(symbols)}."
        strangers = [
            Fault(f"groups[{i}].symbols", "unknown_choice", f"{symbol} is none of the symbols.", known)
            for i, group in enumerate(groups)
            for symbol in group["symbols"]
            if symbol not in symbols
        ]
        strangers += [
            Fault(f"bounds[{i}].symbol", "unknown_choice", f"{bound['symbol']} is none of the symbols.", known)
            for i, bound in enumerate(parameters["bounds"])
            if bound["symbol"] not in symbols
        ]
        for i, view in enumerate(parameters["views"]):
            for name in ("symbol", "over"):
                if view[name] is not None and view[name] not in symbols:
                    message = f"{view[name]} is none of the symbols."
                    strangers.append(Fault(f"views[{i}].{name}", "unknown_choice", message, known))
        if strangers:
            return strangers
        low, high = parameters["min_weight_pct"], parameters["max_weight_pct"]
        faults = list(declared.refusals(symbols, low, high, groups, invested, parameters["bounds"]))
        if parameters["covariance"] == "sample" and parameters["lookback"] <= len(symbols):
            message = f"{parameters['lookback']} returns are too few for the covariance of {len(symbols)} symbols."
            hint = f"At least {len(symbols) + 1}, or the Ledoit-Wolf estimator."
            faults.append(Fault("lookback", "conflict", message, hint))
        return faults

    def warmup(self) -> int:
        return self.lookback + 1

    def panel_lines(self, panel: Panel, symbol: str) -> dict[str, Array]:
        weights, shares, _ = panel.once(self._weights)
        place = sorted(panel.symbols).index(symbol)
        return {
            "weight_pct": panel.spread(weights[:, place] * 100.0),
            "risk_pct": panel.spread(shares[:, place] * 100.0),
        }

    def panel_signals(self, panel: Panel) -> dict[str, NDArray[np.void]]:
        rows = panel.shared
        weights, _, decided = panel.once(self._weights)
        signals = panel.silent()
        spoken = np.isfinite(weights).all(axis=1) if weights.size else np.zeros(len(rows), bool)
        if self.only_new:
            spoken &= decided
        for place, symbol in enumerate(sorted(panel.symbols)):
            said, weight = signals[symbol], weights[:, place]
            said["action"][rows[spoken]] = np.where(weight > 0, BUY, EXIT_LONG)[spoken]
            said["confidence"][rows[spoken]] = 1.0
            said["target_weight"][rows[spoken]] = weight[spoken]
        return signals

    def panel_reason(self, symbol: str, action: Action, exits: Exits, at: Mapping[str, float]) -> str:
        called = allocation.registered()[self.method].label
        if "weight_pct" not in at:
            return f"{called} has no weights from these bars yet, so nothing is held."
        said = {"BUY": "to be held", "SELL": "to be sold", "HOLD": "as it was computed last"}[action]
        return f"{called} gives it {at['weight_pct']:.2f} % of equity: {said}."

    # --- what it is read from: one row a complete row, one column a symbol by name ------------------------------------

    def decisions(self, panel: Panel, on_row: Callable[[int, int], None] | None = None) -> list[Decision]:
        """Every computation of weights on these bars, in order of time, with what stood in its way.

        on_row(row, rows): before each row that is looked at; what it raises ends this.
        """
        names, ts, closes = self._read(panel)
        rows = len(ts)
        starts = schedule.period_starts(ts, self.compute)
        found: list[Decision] = []
        weights: Array | None = None
        base: Array | None = None
        for row in range(self.lookback, rows):
            if on_row is not None:
                on_row(row, rows)
            now = None if weights is None or base is None else schedule.drifted(weights, base, closes[row])
            due = not found or bool(starts[row])
            if self.compute == "drift" and now is not None and weights is not None:
                due = bool(np.abs(now - weights).max() * 100.0 >= self.drift_pct)
            if not due and not (weights is None and self.compute in ("once", "drift")):
                continue
            window, spent = closes[row - self.lookback : row + 1], ts[row] - ts[row - self.lookback]
            decision = Decision(row, *self._computed(names, window, float(spent), now))
            found.append(decision)
            if decision.weights is not None:
                weights, base = decision.weights, closes[row]
        return found

    def problem_now(self, panel: Panel) -> tuple[allocation.Problem, float]:
        """(the problem of the last `lookback` returns of a run that begins with nothing held, bars a year).

        Raises InputError where there are too few complete rows.
        """
        names, ts, closes = self._read(panel)
        if len(ts) < self.warmup():
            message = f"There are {len(ts)} bars that all symbols share, and weights need {self.warmup()}."
            hint = "Choose a longer period or finer bars"
            if len(ts) > self.params["lookback"].min:
                hint += f", or look back on {len(ts) - 1} at most"
            raise InputError(Fault("lookback", "too_few", message, f"{hint}."))
        window, spent = closes[-self.warmup() :], float(ts[-1] - ts[-self.warmup()])
        a_year = _YEAR_NS * self.lookback / spent
        return self._problem(names, window[1:] / window[:-1] - 1.0, a_year, None), a_year

    def weights_of(self, problem: allocation.Problem) -> Array:
        """The weights of such a problem, in order of its symbols. Raises InputError where there is no answer."""
        return self._weighed(problem)[0]

    @staticmethod
    def _read(panel: Panel) -> tuple[tuple[str, ...], NDArray[np.int64], Array]:
        """(symbols by name, starts of the complete rows, closes: one row a complete row, one column a symbol)."""
        names = tuple(sorted(panel.symbols))
        closes = [panel.column(symbol, "close")[panel.shared] for symbol in names]
        return names, panel.ts[panel.shared], np.stack(closes, axis=1)

    def _weights(self, panel: Panel) -> tuple[Array, Array, NDArray[np.bool_]]:
        """(weights as of each row, NaN before the first; shares of variance; rows on which they were computed)."""
        weights, shares = np.full((2, len(panel.shared), len(panel.symbols)), np.nan)
        decided = np.zeros(len(panel.shared), bool)
        for decision in panel.once(self.decisions):
            if decision.weights is not None:
                weights[decision.row :], shares[decision.row :] = decision.weights, decision.shares
                decided[decision.row] = True
        return weights, shares, decided

    def _computed(
        self, names: tuple[str, ...], closes: Array, spent_ns: float, now: Array | None
    ) -> tuple[Array | None, Array | None, str]:
        """(weights, shares of variance, "") or (None, None, why not).

        closes: lookback + 1 rows, spent_ns from the first to the last. now: what the last weights have become.
        """
        a_year = _YEAR_NS * self.lookback / spent_ns
        held = now if now is not None and (self.max_turnover_pct is not None or self.cost_bps) else None
        question = json.dumps([self.version(), self.parameters, names, a_year])

        def compute() -> tuple[Array | None, Array | None, str]:
            try:
                return *self._weighed(self._problem(names, closes[1:] / closes[:-1] - 1.0, a_year, held)), ""
            except InputError as error:
                return None, None, " ".join(fault.message for fault in error.faults)

        return schedule.kept(question, (closes, np.empty(0) if held is None else held), compute)

    def _weighed(self, problem: allocation.Problem) -> tuple[Array, Array]:
        """(weights, shares of variance). Raises InputError where there is no answer."""
        weights = self._solved(problem)
        mu, cov = moments.moments(problem)
        if self.max_invested_pct is not None and (total := float(weights.sum())) > self.max_invested_pct / 100.0:
            weights = weights * (self.max_invested_pct / 100.0 / total)
        if self.max_var_pct is not None:
            risk, most = moments.value_at_risk(weights, mu, cov), self.max_var_pct / 100.0
            if risk > most:
                # The loss is in proportion to what is invested.
                weights = weights * (most / risk)
        return weights, moments.risk_contributions(weights, cov)

    def _solved(self, problem: allocation.Problem) -> Array:
        try:
            return allocation.allocate(self.method, problem).values
        except InputError as error:
            if problem.max_turnover is None or all(fault.path != "max_turnover" for fault in error.faults):
                raise
        return allocation.allocate(self.method, problem.without_turnover()).values

    def _problem(self, names: tuple[str, ...], returns: Array, a_year: float, held: Array | None) -> allocation.Problem:
        limited = held is not None and self.max_turnover_pct is not None
        target = self.target_return_pct
        return allocation.Problem(
            symbols=names,
            returns=returns,
            min_weight=self.min_weight_pct / 100.0,
            max_weight=self.max_weight_pct / 100.0,
            bounds={
                symbol: (low / 100.0, high / 100.0) for symbol, (low, high) in self._bounded(self.parameters).items()
            },
            groups=tuple(
                allocation.Group(
                    group["name"],
                    tuple(group["symbols"]),
                    None if group["min_pct"] is None else group["min_pct"] / 100.0,
                    None if group["max_pct"] is None else group["max_pct"] / 100.0,
                )
                for group in self.groups
            ),
            current={} if held is None else dict(zip(names, held.tolist(), strict=True)),
            max_turnover=self.max_turnover_pct / 100.0 if limited else None,
            cost_ratio=self.cost_bps / 1e4,
            cost_bars=self.cost_bars,
            covariance=self.covariance,
            risk_free=self.risk_free_pct / 100.0 / a_year,
            target_return=None if self.method != "target_return" or target is None else target / 100.0 / a_year,
            kelly_ratio=self.kelly_ratio,
            views=tuple(
                allocation.View(view["symbol"], view["return_pct"] / 100.0 / a_year, view["over"], view["confidence"])
                for view in self.views
            ),
        )
