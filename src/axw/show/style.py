"""The one style sheet: light and dark, no request to anywhere, readable without colour.

Signed numbers are blue and orange, never red and green; the contrast of words on their ground is at least 4.5 : 1 in both
themes.
"""

from __future__ import annotations

import re

LIGHT = (
    "--ground:#fff;--panel:#f4f6f9;--ink:#1b1f24;--soft:#525b66;--rule:#cdd5de;"
    "--blue:#1f5fa8;--orange:#a85400;--mark:#ffe9a8;--low:#00224e;--high:#b39a1e"
)
DARK = (
    "--ground:#14171c;--panel:#1e232b;--ink:#e6e9ee;--soft:#a5afbc;--rule:#3d4652;"
    "--blue:#7db7ff;--orange:#ffb066;--mark:#4d4010;--low:#8ea3c9;--high:#f0d94a"
)
COLOURS = f"""
:root{{color-scheme:light dark;{LIGHT}}}
@media(prefers-color-scheme:dark){{:root{{{DARK}}}}}
"""

CHART = """
svg{display:block;width:100%;height:auto;max-width:54rem;font:13px system-ui,sans-serif}
svg text{fill:var(--ink)}
svg text.soft,svg text.tick{fill:var(--soft)}
svg text.number{font-weight:600}
svg text.on{fill:var(--ground);font-weight:600;font-size:11px}
svg line.axis{stroke:var(--soft)}
svg line.grid{stroke:var(--rule);stroke-dasharray:2 4}
svg line.interval{stroke:var(--blue);stroke-width:2.5}
svg line.interval.chosen{stroke:var(--orange)}
svg line.leader{stroke:var(--rule)}
svg circle.point{fill:var(--blue)}
svg circle.point.chosen{fill:var(--orange)}
svg path.steps{fill:none;stroke:var(--rule);stroke-width:1.5}
svg path.even{fill:none;stroke:var(--soft);stroke-dasharray:5 4}
svg rect.bar{fill:var(--blue)}
svg rect.more{fill:var(--blue)}
svg rect.less{fill:var(--orange)}
svg rect.count{fill:var(--rule)}
svg rect.band{fill:var(--mark);opacity:.55}
svg rect.ground{fill:var(--ground)}
svg rect.centre{fill:var(--soft)}
svg rect.clear{fill:transparent}
svg rect.frame{fill:none;stroke:var(--rule)}
svg rect.pick{fill:none;stroke:var(--orange);stroke-width:2}
svg .weight{fill:var(--blue)}
svg path.link{fill:none;stroke:var(--blue);stroke-width:2.5}
svg path.gain{fill:none;stroke:var(--blue)}
svg path.loss{fill:none;stroke:var(--orange)}
svg path.second{fill:none;stroke:var(--orange);stroke-width:2;stroke-dasharray:6 3}
svg path.first{fill:none;stroke:var(--blue);stroke-width:2}
svg line.best{stroke:var(--orange);stroke-dasharray:3 3}
svg line.lost{stroke:var(--orange);stroke-width:2;stroke-dasharray:2 3}
svg line.made{stroke:var(--orange);stroke-width:2;stroke-dasharray:7 3}
svg path.spoke{stroke:none;opacity:.75}
svg path.more{fill:var(--blue)}
svg .less{fill:var(--orange)}
svg circle.dot{fill:var(--orange)}
svg circle.node{fill:var(--panel);stroke:var(--soft)}
svg text.warn{fill:var(--orange)}
svg text.pick{font-weight:600}
svg text.tiny{fill:var(--soft);font-size:11px}
"""

PAGE = """
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.25rem 1rem 4rem}
h1{font-size:1.5rem;line-height:1.25;margin:.4rem 0 .2rem}
h2{font-size:1.15rem;margin:2.2rem 0 .5rem}
h3{font-size:1rem;margin:1.2rem 0 .3rem}
h4{font-size:.9rem;margin:.9rem 0 .2rem}
p{margin:.4rem 0;overflow-wrap:anywhere}
li{overflow-wrap:anywhere}
.soft{color:var(--soft)}
.small{font-size:.875rem}
.verdict{background:var(--panel);border-left:.35rem solid var(--orange);padding:.8rem 1.1rem;border-radius:.3rem;margin:1rem 0}
.verdict p{font-size:1.05rem}
.verdict strong{color:var(--orange)}
.scroll{overflow-x:auto}
.scroll+.scroll{margin-top:1.1rem}
.picture svg{min-width:30rem}
.beside{display:grid;gap:0 2rem}
@media(min-width:96rem){.beside{grid-template-columns:repeat(2,minmax(0,1fr));width:92rem;margin-left:calc(50% - 46rem)}}
table{border-collapse:collapse;min-width:min(100%,34rem);font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{text-align:right;padding:.32rem .6rem;border-bottom:1px solid var(--rule);white-space:nowrap}
th{font-weight:600;color:var(--soft);vertical-align:bottom}
td.words,th.words{text-align:left;white-space:normal;min-width:6rem;overflow-wrap:anywhere}
tr.chosen td{background:var(--mark)}
.worse{color:var(--soft)}
.tag{border:1px solid currentColor;border-radius:1rem;padding:0 .5rem;font-size:.8rem;white-space:nowrap}
.error,.warning{color:var(--orange)}
pre{background:var(--panel);padding:.7rem .9rem;border-radius:.3rem;font-size:.85rem;white-space:pre-wrap;overflow-wrap:anywhere}
pre,code{font-family:ui-monospace,Menlo,Consolas,monospace}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.4rem 0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
details{margin:.6rem 0}
summary{cursor:pointer;color:var(--blue)}
footer{margin-top:3rem;border-top:1px solid var(--rule);padding-top:.6rem}
@media(max-width:34rem){main{padding:.8rem .7rem 3rem}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}
@media(max-width:34rem){th,td{padding:.3rem}th{white-space:normal}td.words:first-child{min-width:8rem}}
@media(min-width:56rem){td:first-child:not(.words)+td.words{min-width:12rem}}
@media print{details>*{display:block}.scroll{overflow:visible}}
"""


def scoped(style: str, scope: str) -> str:
    """The rules for what stands inside `scope` alone, so that a picture in a notebook leaves the notebook as it is.

    Where a notebook says which theme it shows (JupyterLab, VS Code), that counts, and not what the system prefers.
    """

    def inside(found: re.Match[str]) -> str:
        selectors = found.group(1).strip()
        if selectors.startswith("@"):
            return f"{selectors}{{"
        names = [name.strip() for name in selectors.split(",")]
        return ",".join(scope if name in (":root", "body") else f"{scope} {name}" for name in names) + "{"

    told = "".join(
        f"{where} {scope}{{color-scheme:{scheme};{colours}}}"
        for scheme, colours, places in (
            ("light", LIGHT, ('[data-jp-theme-light="true"]', "body.vscode-light")),
            ("dark", DARK, ('[data-jp-theme-light="false"]', "body.vscode-dark")),
        )
        for where in places
    )
    rules = re.sub(r"([^{}]+)\{", inside, style)
    return f"{rules}{scope}{{padding:.6rem .9rem}}{told}"
