"""The built-in metrics: name, label, unit, better, convention. The order is the order on the page.

"Daily" is per UTC date: the equity at the last mark of each date. Returns are simple, between consecutive daily marks;
the first date, on which no earlier mark stands, has none. P is 252 a year, 365 for round-the-clock markets.
"""

from __future__ import annotations

from engine.metrics.registry import Metric, add

_METRICS = (
    ("final_equity", "Final equity", "money", "higher", "Cash plus open positions at the last close"),
    ("total_return_pct", "Total return", "pct", "higher", "Final equity ÷ initial cash − 1"),
    ("annual_return_pct", "Annual return", "pct", "higher", "Mean daily return × P (not compounded)"),
    (
        "cagr_pct",
        "CAGR",
        "pct",
        "higher",
        "(Final equity ÷ initial cash)^(1 ÷ years) − 1; years of 365.25 days from the first bar to the last; "
        "a bare series counts observations ÷ P; none under one day",
    ),
    ("volatility_pct", "Volatility", "pct", "lower", "Standard deviation of daily returns (ddof 1) × √P"),
    (
        "sharpe",
        "Sharpe ratio",
        "ratio",
        "higher",
        "Mean daily return less the risk-free rate ÷ P, ÷ standard deviation (ddof 1), × √P; none without variance",
    ),
    (
        "sortino",
        "Sortino ratio",
        "ratio",
        "higher",
        "As Sharpe, but ÷ the root of the mean squared shortfall below the risk-free rate over all days; "
        "none without a shortfall",
    ),
    ("calmar", "Calmar ratio", "ratio", "higher", "CAGR ÷ maximum drawdown; none without a drawdown"),
    (
        "max_drawdown_pct",
        "Maximum drawdown",
        "pct",
        "lower",
        "Largest fall of equity at bar closes from its highest close before, initial cash included; stated as ≥ 0",
    ),
    ("max_drawdown_start", "Drawdown from", "time", "neither", "Bar of the top that the maximum drawdown fell from"),
    ("max_drawdown_low", "Drawdown low", "time", "neither", "Bar of the maximum drawdown's lowest close"),
    (
        "max_drawdown_end",
        "Drawdown regained",
        "time",
        "neither",
        "First bar that closed at the top again; none: not yet",
    ),
    ("max_drawdown_days", "Length of maximum drawdown", "days", "lower", "From its top to regaining it, or to the end"),
    (
        "longest_drawdown_days",
        "Longest drawdown",
        "days",
        "lower",
        "Longest time from any top to regaining it, or to the end",
    ),
    (
        "var_95_pct",
        "Value at risk 95 %",
        "pct",
        "lower",
        "The loss that 5 % of daily returns exceed: 5 % quantile (linear interpolation), sign turned",
    ),
    (
        "cvar_95_pct",
        "Expected shortfall 95 %",
        "pct",
        "lower",
        "Mean of the ⌊0.05 (n − 1)⌋ + 1 worst daily returns, sign turned",
    ),
    (
        "skew",
        "Skewness",
        "ratio",
        "higher",
        "Third standardised moment of daily returns (population, not bias-corrected)",
    ),
    ("kurtosis", "Excess kurtosis", "ratio", "lower", "Fourth standardised moment (population) − 3"),
    ("best_day_pct", "Best day", "pct", "higher", "Highest daily return"),
    ("worst_day_pct", "Worst day", "pct", "higher", "Lowest daily return"),
    ("trade_count", "Round trips", "count", "neither", "Closed positions; an open one is not counted"),
    ("win_rate_pct", "Win rate", "pct", "higher", "Round trips with net profit > 0 ÷ all round trips"),
    (
        "profit_factor",
        "Profit factor",
        "ratio",
        "higher",
        "Sum of net profits ÷ sum of net losses over round trips; none without a loss",
    ),
    ("expectancy", "Expectancy", "money", "higher", "Mean net profit per round trip"),
    ("average_win", "Average win", "money", "higher", "Mean net profit of the winning round trips"),
    ("average_loss", "Average loss", "money", "higher", "Mean net profit (< 0) of the losing round trips"),
    ("best_trade", "Best trade", "money", "higher", "Highest net profit of a round trip"),
    ("worst_trade", "Worst trade", "money", "higher", "Lowest net profit of a round trip"),
    ("average_holding_s", "Average holding", "seconds", "neither", "Mean time from the entry bar to the exit bar"),
    ("average_holding_bars", "Average holding in bars", "count", "neither", "Mean number of bars held at their close"),
    (
        "sqn",
        "System quality number",
        "ratio",
        "higher",
        "√n × mean ÷ standard deviation (ddof 1) of net profit over all n round trips, not capped at 100",
    ),
    ("exposure_pct", "Time in the market", "pct", "neither", "Bars that close with a position ÷ all bars"),
    (
        "average_exposure_pct",
        "Average exposure",
        "pct",
        "neither",
        "Mean over bars of gross position value ÷ equity",
    ),
    (
        "turnover_ratio",
        "Turnover",
        "ratio",
        "lower",
        "Half of all that was bought and sold ÷ mean daily equity, over the whole run",
    ),
    ("total_commission", "Commission", "money", "lower", "Sum over all fills"),
    ("total_slippage", "Slippage", "money", "lower", "Sum over all fills of quantity × price given away"),
    ("total_costs", "Total costs", "money", "lower", "Commission + slippage"),
    (
        "benchmark_return_pct",
        "Benchmark return",
        "pct",
        "neither",
        "Benchmark's close on the run's last date ÷ its close on the first − 1",
    ),
    (
        "benchmark_volatility_pct",
        "Benchmark volatility",
        "pct",
        "neither",
        "As volatility, of the benchmark on the run's dates",
    ),
    (
        "alpha_pct",
        "Alpha",
        "pct",
        "higher",
        "(Mean excess daily return − beta × the benchmark's) × P (not compounded)",
    ),
    ("beta", "Beta", "ratio", "neither", "Covariance of daily returns with the benchmark's ÷ its variance (ddof 1)"),
    ("correlation", "Correlation", "ratio", "neither", "Pearson's, of daily returns with the benchmark's"),
    (
        "information_ratio",
        "Information ratio",
        "ratio",
        "higher",
        "Mean of daily return − benchmark's ÷ its standard deviation (ddof 1), × √P",
    ),
)

for _name, _label, _unit, _better, _convention in _METRICS:
    add(Metric(_name, _label, _unit, _convention, _better))
