"""Masking of secrets in what leaves the process: messages, stacks and data, but not the bytes of artifacts.

The patterns know common spellings and cannot know every secret; `headway.configure(redact=…)` replaces them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Redact = Callable[[str], str]

MASK = "[redacted]"
SENSITIVE_KEY = re.compile(
    r"(?i)(?:^|[_\-. ])(?:pass(?:word|wd|phrase)?|secret|token|credentials?|authorization|cookie"
    r"|(?:api|access|private|secret)[_\-. ]?key|session[_\-. ]?id)$|^(?:apikey|pwd|auth)$"
)
# One cheap look decides for almost every message that there is nothing to mask: what every pattern below needs.
_SUSPICIOUS = re.compile(r"[:=@]|--|[A-Za-z0-9_\-]{16}|[bB](?i:earer|asic) ")
# None of them looks at a character more than a few times: texts can be hundreds of kilobytes of anything.
_PATTERNS = (
    # -----BEGIN … PRIVATE KEY----- blocks
    (
        re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}KEY-----|\Z)", re.S),
        MASK,
    ),
    # Authorization: Bearer abc, Cookie: a=b; the rest of the line is the secret
    (
        re.compile(r"(?i)(\b(?:proxy-)?authorization[\"']?\s{0,9}[:=]\s{0,9}[\"']?)[^\"'\r\n,;]+"),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)(\b(?:set-)?cookie[\"']?\s{0,9}:\s{0,9}[\"']?)[^\"'\r\n]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic) {1,9}[A-Za-z0-9+/._~\-]{8,}=*"), rf"\1 {MASK}"),
    # password=abc, "api_key": "abc"
    (
        re.compile(
            r"(?i)((?:pass(?:word|wd|phrase)|secret(?:[_\-]?key)?|credentials?|(?<![a-z])(?:pwd|token)"
            r"|(?:api|access|private)[_\-]?key)[\"']?\s{0,9}(?:=>|[:=])\s{0,9})"
            r"(\"[^\"]*\"|'[^']*'|[^\s,;&\"')}\]]+)"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)(--(?:password|passwd|token|secret|api-key)\s{1,9})\S+"), rf"\1{MASK}"),
    # https://user:password@host
    (re.compile(r"(://[^/\s:@]{0,255}:)[^/\s@]+@"), rf"\1{MASK}@"),
    # keys that look like keys wherever they stand
    (
        re.compile(
            r"(?<![\w\-])(?:sk-[A-Za-z0-9_\-]{16,}|hw_[A-Za-z0-9_\-]{32,}|gh[opsur]_[A-Za-z0-9]{20,}"
            r"|github_pat_\w{20,}|glpat-[\w\-]{16,}|xox[abeoprs]-[A-Za-z0-9\-]{12,}|(?:AKIA|ASIA)[A-Z0-9]{16}"
            r"|AIza[\w\-]{30,}|eyJ[\w\-]{13,}\.[\w\-]{8,}\.[\w\-]*)"
        ),
        MASK,
    ),
)


def redact(text: str) -> str:
    """The text with keys, tokens, passwords and Authorization values masked."""
    if _SUSPICIOUS.search(text) is None:
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def is_sensitive(key: str) -> bool:
    """Whether the value under this key of a mapping is masked whole."""
    return SENSITIVE_KEY.search(key) is not None
