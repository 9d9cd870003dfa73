"""One key, several processes: one stream at the vendor, and everybody has its bars."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis.asyncio
from django.conf import settings

from marketdata.feeds import FeedError, FeedKey
from marketdata.feeds.live import relay
from tests.marketdata.live_rig import Live, live, play, until

# Without a key there is nothing to share (Binance); coins of Alpaca have a stream of their own, by the same code.
KEYED = ("alpaca", "polygon")


@pytest.fixture(params=KEYED)
def made(request: pytest.FixtureRequest) -> Iterator[Live]:
    with live(request.param) as rig:
        yield rig


def clients(made: Live) -> int:
    return len(made.venue.polygon.clients if made.vendor == "polygon" else made.venue.stream.clients)


@pytest.mark.row("W10", "G16")
@pytest.mark.fault(17)
def test_processes_of_one_key_share_its_stream_and_one_follows_the_other(made: Live) -> None:
    """Each wants another symbol. Who has the stream asks for both; when it goes, the other one opens it."""
    hubs = made.hub(), made.hub()
    alpha, beta = made.symbols

    async def scene() -> None:
        first, one = made.listen(hubs[0], (alpha,))
        await until(lambda: first.statuses[-1] == "live", "the first to be live")
        second, _ = made.listen(hubs[1], (beta,))
        await until(lambda: len(second.bars("1m")) >= 2, "bars that the first passed on")
        assert clients(made) == 1
        assert second.statuses[-1] == "live"
        heard = second.values("1m", beta)
        assert sorted(heard) == made.truth(beta, "1m", int(heard[0][0]), int(max(heard)[0])), "the vendor's own"
        assert not [bar for bar in first.bars("1m") if bar.symbol == beta], "who passes them on does not trade them"
        await until(lambda: second.ticks, "a price to watch by")
        assert hubs[1].stats()[FeedKey.of(made.vendor)]["quarantined"] == {}
        one.close()
        await until(lambda: clients(made) == 1 and second.statuses[-1] == "live", "the second to open the stream")
        have = len(second.bars("1m"))
        await until(lambda: len(second.bars("1m")) >= have + 2, "bars of its own")
        whole = second.values("1m", beta)
        assert sorted(whole) == made.truth(beta, "1m", int(whole[0][0]), int(max(whole)[0])), "no hole, nothing twice"

    play(made, scene)


@pytest.mark.row("G12", "W11")
def test_a_halt_is_passed_on_also_to_who_comes_later() -> None:
    with live("alpaca") as made:
        hubs = made.hub(), made.hub()
        alpha, beta = made.symbols

        async def scene() -> None:
            first, _ = made.listen(hubs[0], (alpha, beta))
            await until(lambda: first.statuses[-1] == "live", "the first to be live")
            made.control("halts", symbol=alpha, halted=True)
            await until(lambda: made.feeds[0].halted, "the halt")
            second, heard = made.listen(hubs[1], (alpha,))
            await until(lambda: heard.halts == {alpha: "Volatility Trading Pause"}, "the halt to be passed on")
            made.control("halts", symbol=alpha, halted=False)
            await until(lambda: not heard.halts, "the end of it")
            assert second.statuses[-1] == "live"

        play(made, scene)


@pytest.mark.row("I4")
def test_nothing_is_taken_from_who_has_lost_the_lease() -> None:
    """It slept through it; what it says then names a lease of the past."""

    async def scene() -> None:
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
        name = f"feed:relay-test:{id(scene)}"
        heard: list[Any] = []
        joined: list[bool] = []
        await client.set(name, "new")
        listening = asyncio.create_task(relay.follow(name, lambda: ["AAPL"], heard.append, lambda: joined.append(True)))
        sleeper, holder = relay.Sender(name, "old"), relay.Sender(name, "new")
        jobs = [asyncio.create_task(each.run(lambda: None)) for each in (sleeper, holder)]
        try:
            await until(lambda: joined and sleeper.wanted == holder.wanted == {"AAPL"}, "it to be asked for")
            for number in range(5):
                sleeper.say("bar", "AAPL", number)
                holder.say("halt", "AAPL", str(number))
            await until(lambda: len(heard) >= 5, "what the holder says")
            assert heard == [["halt", "AAPL", str(number)] for number in range(5)]
            await client.delete(name)
            with pytest.raises(FeedError, match="has let go of them"):
                await asyncio.wait_for(listening, 30)
        finally:
            for job in (*jobs, listening):
                job.cancel()
            await asyncio.gather(*jobs, listening, return_exceptions=True)
            await client.aclose()

    asyncio.run(scene())
