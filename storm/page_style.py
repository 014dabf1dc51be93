"""How the verdict's page looks, by day and by night: colours by name, used by its tables and its plots."""

from __future__ import annotations

FAMILIES: dict[str, frozenset[str]] = {
    "process": frozenset({"crash", "shutdown", "spool_full", "disk_error", "clock_step", "host_lost"}),
    "refused": frozenset({"refused", "auth", "not_found", "busy", "unsupported", "tls", "camera_disabled"}),
    "silent": frozenset({"unreachable", "dns", "stalled", "no_media"}),
    "sync": frozenset({"no_sync"}),
    "nonsense": frozenset({"protocol", "flood"}),
}
"""The reasons of gaps, in as many colours as an eye tells apart."""

FAMILY_WORDS = {
    "process": "gap: the recorder or its host",
    "refused": "gap: the camera refuses",
    "silent": "gap: the camera is silent",
    "sync": "gap: no sync sample yet",
    "nonsense": "gap: the camera talks nonsense",
}

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f5f7f8; --raised: #ffffff; --line: #d5dde3; --text: #1b2732; --quiet: #5c6b79;
  --good: #1f7a4d; --bad: #b3261e; --span: #8fc7ba; --damage: #d4a033; --fault: #5b6ee1; --kill: #1b2732;
  --process: #c6291b; --refused: #d9785f; --silent: #8a5fb0; --sync: #e3a7b8; --nonsense: #8c6d46;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #10161d; --raised: #18212b; --line: #2a3643; --text: #dfe6ec; --quiet: #8d9bab;
    --good: #5fb68a; --bad: #ef6a5d; --span: #2f6d61; --damage: #c99a3c; --fault: #8c9bff; --kill: #dfe6ec;
    --process: #e0564a; --refused: #c98a70; --silent: #b08ad6; --sync: #a86a80; --nonsense: #b8946a;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 78rem; background: var(--ground); color: var(--text);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { margin-top: 2.2rem; font-size: 1.1rem; }
.verdict { display: inline-block; padding: .2rem .8rem; border-radius: .3rem; color: var(--ground); font-weight: 600; }
.passed { background: var(--good); } .failed { background: var(--bad); }
table { border-collapse: collapse; background: var(--raised); font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; } td.name { white-space: nowrap; }
figure { margin: 0; padding: .8rem; background: var(--raised); border: 1px solid var(--line); overflow-x: auto; }
figcaption { margin-bottom: .6rem; color: var(--quiet); }
svg { display: block; width: 100%; min-width: 60rem; height: auto; }
svg text { fill: var(--text); font: 11px system-ui, sans-serif; } svg .quiet { fill: var(--quiet); }
.end { text-anchor: end; } .middle { text-anchor: middle; }
.axis { stroke: var(--quiet); } .grid { stroke: var(--line); }
.span { fill: var(--span); } .damage { fill: var(--damage); } .fault { fill: var(--fault); }
.kill { stroke: var(--kill); stroke-dasharray: 2 3; } .pause { fill: var(--kill); opacity: .12; }
.process { fill: var(--process); } .refused { fill: var(--refused); } .silent { fill: var(--silent); }
.sync { fill: var(--sync); } .nonsense { fill: var(--nonsense); } .bar { fill: var(--fault); }
.scroll { overflow-x: auto; }
"""


def family(reason: str) -> str:
    """Which colour a gap has."""
    return next((name for name, reasons in FAMILIES.items() if reason in reasons), "nonsense")
