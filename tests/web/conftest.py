"""A front end for the tests of the web: what Vite would have built."""

import json

import pytest

MANIFEST = {
    "index.html": {
        "file": "assets/i-1.js",
        "isEntry": True,
        "css": ["assets/i-1.css"],
        "imports": ["_shared.js"],
    },
    "_shared.js": {"file": "assets/s-1.js", "css": ["assets/s-1.css"], "imports": ["_deep.js"]},
    "_deep.js": {"file": "assets/d-1.js", "imports": ["_shared.js"]},
    "late.ts": {"file": "assets/late-1.js", "isDynamicEntry": True},
}


@pytest.fixture
def built(settings, tmp_path):
    """A front end as Vite built it, collected."""
    settings.STATIC_ROOT = tmp_path
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "manifest.json").write_text(json.dumps(MANIFEST))
