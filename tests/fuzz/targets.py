"""All that is fuzzed, by name."""

from __future__ import annotations

from tests.fuzz import media_targets, sip_targets
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target for found in (sip_targets, media_targets) for target in found.targets()
}
