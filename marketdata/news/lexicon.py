"""The words that the scorer knows, with what each is worth, -4 to 4. Written for headlines about companies and markets.

A general list of moods calls "beats earnings and raises guidance" neutral and "gross profit" good; here words have the
meaning that traders give them. Lower case, one line a value; a phrase counts in the place of its words.
"""

from __future__ import annotations

_WORDS: dict[float, str] = {
    3.0: "breakthrough blockbuster windfall triumph triumphs triumphant skyrockets skyrocketed skyrocketing",
    2.5: "outperform outperforms outperformed outperforming outperformance stellar bullish landmark booming boom "
    "exceptional outstanding superb excellent flourishing thriving thrives",
    2.2: "upgrade upgrades upgraded upgrading win wins won winning winner winners success successful successfully "
    "succeeds succeeded robust impressive approves approved approval clears cleared profitable profitability "
    "undervalued overweight cheers cheered cheering",
    1.8: "strong stronger strongest strength strengthens strengthened strengthening rebound rebounds rebounded "
    "rebounding recover recovers recovered recovering recovery breakout innovative innovation leading leader leads "
    "milestone optimistic optimism upbeat upside favorable favourable tailwind tailwinds attractive accretive "
    "buyback buybacks repurchase repurchases award awards awarded partnership partnerships partners collaboration "
    "synergy synergies momentum turnaround resilient resilience oversubscribed",
    1.5: "good great better best healthy solid improves improved improving improvement improvements positive "
    "positively confident confidence promising opportunity opportunities advantage advantages progress efficient "
    "efficiency efficiencies expansion enhances enhanced enhancing benefit benefits benefited benefiting reward "
    "rewards rewarding secures secured delivers delivered delivering accelerates accelerated accelerating launch "
    "launches launched unveils unveiled acquires acquired acquisition agreement deal settles settled settlement "
    "resolves resolved reinstates reinstated surplus premium outpaces outpaced",
    1.0: "stable stabilizes stabilized stabilising steady steadily reaffirms reaffirmed reiterates reiterated "
    "maintains maintained support supports supported supportive welcome welcomes hope hopes hopeful calm relief "
    "reassures reassured buy buying adds added adding completes completed completion secure safe "
    "affordable growing popular praised praise praises like likes love loves happy satisfied",
    -1.0: "cautious caution cautions cautioned uncertain uncertainty uncertainties mixed muted flat challenging "
    "challenge challenges pressure pressures pressured volatile volatility delay delays delayed delaying postpones "
    "postponed pause pauses paused slowdown soft softer softness sluggish hesitant tepid subdued lackluster "
    "lacklustre underwhelming sell selling seller sellers dilute dilutes diluted dilution dilutive costly expensive "
    "disputes dispute disputed complaint complaints criticism criticized criticised criticizes unclear questions "
    "questioned skeptical sceptical skepticism resigns resigned resignation resigning departs departure departing "
    "outflow outflows shortage shortages backlog bottleneck bottlenecks tariff tariffs",
    -1.5: "bad worse weak weaker weakest weakness weakens weakened weakening disappoint disappoints disappointed "
    "disappointing disappointment underperform underperforms underperformed underperforming underweight concern "
    "concerns concerned concerning worry worries worried worrying fear fears fearful negative negatively pessimism "
    "pessimistic headwind headwinds risk risks risky problem problems trouble troubles troubled struggle struggles "
    "struggling struggled hurt hurts hurting harms harmed damage damages damaged halts halted halting suspends "
    "suspended suspension suspending disrupts disrupted disruption disruptions withdraws withdrew withdrawn "
    "withdrawal cancels canceled cancelled cancellation cancellations rejects rejected rejection denies denied "
    "deteriorates deteriorated deteriorating deterioration overvalued stagnation stagnant stalls stalled probe "
    "probes inquiry subpoena subpoenas subpoenaed warns warned warning warnings strike strikes walkout oversupply "
    "glut shutdown closure closures impairment impairments writedown writedowns write-down write-downs write-off "
    "write-offs restatement restates restated deficit deficits penalty penalties fine fined fines shortfall "
    "shortfalls unprofitable bleak gloomy gloom dire burden burdens threat threats threatens threatened",
    -2.0: "loss losses lose loses losing lost layoff layoffs furlough furloughs lawsuit lawsuits sue sues sued suing "
    "downgrade downgrades downgraded downgrading bearish recall recalls recalled recalling investigation "
    "investigations investigates investigated investigating violation violations violates violated violating "
    "illegal unlawful misconduct breach breaches breached hack hacked hacks hackers cyberattack outage outages "
    "crisis recession downturn contraction delinquent delinquency delinquencies overdue ousted ousts fires fired "
    "terminates terminated termination fail fails failed failing failure failures panic sanctions sanctioned "
    "antitrust litigation injunction stagflation selloff sell-off distressed distress downbeat hostile scandal "
    "scandals scrutiny injured injuries shortseller",
    -3.0: "crash crashes crashed crashing collapse collapses collapsed collapsing bankrupt bankruptcy bankruptcies "
    "insolvent insolvency liquidation liquidates liquidated fraud fraudulent defrauded embezzlement bribery bribe "
    "bribes corruption corrupt laundering indicted indictment indictments guilty convicted conviction criminal "
    "arrested arrest catastrophe catastrophic disaster disastrous meltdown delisted delisting delists defaulted "
    "nightmare wipeout plummets plummeted plummeting ponzi scam scams deadly fatal fatalities killed explosion "
    "war invasion",
}  # fmt: skip

_PHRASES: dict[float, str] = {
    3.0: "all-time high | all time high | record profit | record profits | record earnings | record revenue | "
    "record sales | record quarter | blowout quarter | blowout earnings",
    2.5: "beat estimates | beats estimates | beat expectations | beats expectations | tops estimates | "
    "tops expectations | better than expected | better-than-expected | above expectations | strong buy | "
    "fda approval | special dividend | raises guidance | raised guidance | raises outlook | raises forecast",
    1.8: "record high | buy rating | share buyback | stock buyback | short squeeze | debt free | debt-free | "
    "investment grade | takeover bid | takeover offer | initiates dividend | gains share | market share gains | "
    "ahead of schedule | stock split | higher than expected",
    0.0: "in line | gross profit | gross loss | shares outstanding | outstanding shares | stock awards | "
    "risk free | risk-free | interest rate | limited liability | net interest | credit default swap | hedge fund | "
    "fine print | war chest | cost of revenue | like for like | like-for-like | strike price | settlement date | "
    "mixed use | lead time | stop loss | no change | little changed | profit and loss | risk management | "
    "fourth quarter | winning streak | strong arm | best buy | great britain | deal maker | buy side | sell side",
    -1.8: "sell rating | profit taking | profit-taking | steps down | stepping down | stepped down | job cuts | "
    "hiring freeze | price war | supply chain issues | insider selling | secondary offering | stock offering | "
    "share sale | junk status | credit watch | negative outlook | record low | lower than expected | "
    "loss making | loss-making | no deal",
    -2.5: "miss estimates | misses estimates | missed estimates | miss expectations | misses expectations | "
    "missed expectations | worse than expected | worse-than-expected | below expectations | profit warning | "
    "guidance cut | cuts guidance | cut guidance | lowers guidance | lowered guidance | slashes guidance | "
    "cuts dividend | dividend cut | suspends dividend | short seller | short-seller | class action | data breach | "
    "under investigation | accounting irregularities | material weakness | trading halt | record loss | "
    "wells notice | credit downgrade | death cross | bear market | debt crisis",
    -3.5: "going concern | chapter 11 | chapter 7 | files for bankruptcy | accounting fraud | margin call | "
    "ponzi scheme | money laundering | bank run | default on",
}

# What goes up or down: worth its value where it stands alone or beside something that is wanted, and the opposite
# beside something that is not ("losses narrow", "cuts costs").
_MOVES: dict[float, str] = {
    2.2: "beat beats beaten beating exceed exceeds exceeded exceeding surpass surpasses surpassed surpassing soar "
    "soars soared soaring surge surges surged surging top tops topped topping doubles doubled doubling triples "
    "tripled",
    1.6: "raise raises raised raising hike hikes hiked hiking boost boosts boosted boosting jump jumps jumped jumping "
    "rally rallies rallied rallying climb climbs climbed climbing gain gains gained gaining grow grows grew grown "
    "lift lifts lifted lifting advance advances advanced advancing spike spikes spiked spiking",
    1.2: "increase increases increased increasing rise rises rose risen rising higher up expand expands expanded "
    "expanding widen widens widened widening edges-up accelerate swells swelled",
    -1.2: "decrease decreases decreased decreasing lower lowers lowered lowering down reduce reduces reduced reducing "
    "reduction narrow narrows narrowed narrowing shrink shrinks shrank shrunk shrinking slow slows slowed slowing "
    "slower ease eases eased easing trim trims trimmed trimming slip slips slipped slipping dip dips dipped dipping "
    "retreat retreats retreated cool cools cooled cooling",
    -1.6: "fall falls fell fallen falling drop drops dropped dropping decline declines declined declining cut cuts "
    "cutting miss misses missed missing slide slides slid sliding sink sinks sank sunk sinking halve halves halved",
    -2.2: "plunge plunges plunged plunging tumble tumbles tumbled tumbling slump slumps slumped slumping slash slashes "
    "slashed slashing nosedive nosedives nosedived tank tanks tanked tanking",
}  # fmt: skip


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


WANTED = _set(
    "guidance outlook forecast forecasts dividend dividends earnings revenue revenues profit profits sales income "
    "margin margins eps cash orders bookings demand deliveries shipments target targets rating shares share stock "
    "stocks output production jobs workforce staff traffic subscribers users customers payout estimates expectations "
    "growth futures index equities"
)
UNWANTED = _set(
    "loss losses cost costs debt debts expense expenses spending inflation unemployment jobless claims default "
    "defaults delinquencies layoffs deficit deficits charge charges provisions writedowns impairment impairments "
    "risk risks churn tariff tariffs tax taxes rate rates borrowing leverage shortage shortages vacancies "
    "bankruptcies fears concerns worries uncertainty volatility emissions injuries delays outages backlog"
)
# Words of many meanings ("set up", "top executive"): they move only what stands beside them.
NEEDS_A_THING = _set("up down top tops topped higher lower slow slower cool dip tank narrow spike")
NEGATORS = _set(
    "not no never without cannot neither nor hardly isn't aren't wasn't weren't doesn't don't didn't won't can't "
    "couldn't wouldn't shouldn't hasn't haven't unlikely unable refuses refused"
)
# Turns what follows around where "to" comes next: "fails to win".
NEGATORS_BEFORE_TO = _set("fail fails failed failing declines declined")
STRONGER = _set(
    "sharply significantly strongly massively hugely steeply dramatically substantially heavily deeply vastly very "
    "extremely major massive huge sharp steep significant record big biggest widely greatly severely"
)
WEAKER = _set(
    "slightly modestly somewhat marginally barely partly partially mildly slight modest minor small temporarily little"
)
CONTRAST = frozenset(("but", "however"))


def _by_word(table: dict[float, str]) -> dict[str, float]:
    return {word: value for value, words in table.items() for word in words.split()}


WORDS = _by_word(_WORDS)
MOVES = _by_word(_MOVES)
PHRASES: dict[tuple[str, ...], float] = {
    tuple(phrase.split()): value for value, text in _PHRASES.items() for phrase in text.split("|")
}
LONGEST_PHRASE = max(len(phrase) for phrase in PHRASES)
