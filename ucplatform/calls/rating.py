"""One word for what was heard on a leg: clear, fair, poor or none.

The limits follow what people notice with G.711 and Opus: below 1 % loss and 30 ms jitter nothing, above 5 %
or 80 ms everybody."""

from typing import Any

from ucplatform.calls.models import Sound

FAIR_LOSS, POOR_LOSS = 0.01, 0.05
FAIR_JITTER_MS, POOR_JITTER_MS = 30.0, 80.0
FEW_PACKETS = 50  # one second of sound: too little to judge its quality
ORDER = [Sound.CLEAR, Sound.FAIR, Sound.POOR, Sound.NONE]


def number(value: Any) -> float:
    """A count or time of the statistics; engines write fractions as text. 0 for anything else."""
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        return 0.0


def loss(lost: Any, packets: Any) -> float:
    """Share of packets that were sent and did not arrive, 0 to 1."""
    missing, arrived = number(lost), number(packets)
    return missing / (missing + arrived) if missing + arrived else 0.0


def rate_direction(packets: float, lost: float, jitter_ms: float) -> Sound:
    """The word for one direction in which sound was expected."""
    if packets == 0:
        return Sound.NONE
    if packets < FEW_PACKETS:
        return Sound.CLEAR
    if lost > POOR_LOSS or jitter_ms > POOR_JITTER_MS:
        return Sound.POOR
    if lost > FAIR_LOSS or jitter_ms > FAIR_JITTER_MS:
        return Sound.FAIR
    return Sound.CLEAR


def rate_leg(stats: dict[str, Any]) -> Sound | None:
    """The worse of both directions of a leg; None without statistics. What we sent is judged by the far end's
    RTCP reports where there were any."""
    arrived, sent = stats.get("in"), stats.get("out")
    if not isinstance(arrived, dict):
        return None
    packets = number(arrived.get("packets"))
    words = [rate_direction(packets, loss(arrived.get("lost"), packets), number(arrived.get("jitter_ms")))]
    if isinstance(sent, dict) and ("remote_lost" in stats or "remote_jitter_ms" in stats):
        share = number(stats.get("remote_lost")) / max(1.0, number(sent.get("packets")))
        words.append(
            rate_direction(number(sent.get("packets")), share, number(stats.get("remote_jitter_ms")))
        )
    return max(words, key=ORDER.index)


def rate_call(legs: list[dict[str, Any]], answered: bool) -> tuple[list[dict[str, Any]], Sound | None]:
    """Legs with their `sound` word, and the call's: its worst leg's. A call nobody answered has none."""
    rated = []
    for leg in legs:
        stats = leg.get("stats")
        word = rate_leg(stats) if answered and isinstance(stats, dict) and stats else None
        rated.append({**leg, "sound": word.value if word else None})
    words = [Sound(leg["sound"]) for leg in rated if leg["sound"]]
    return rated, max(words, key=ORDER.index) if words else None
