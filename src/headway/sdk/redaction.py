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
# One cheap look decides for almost every message that there is nothing to mask.
_SUSPICIOUS = re.compile(
    r"(?i)pass|pwd|secret|token|key|auth|bearer|cookie|credential|-----BEGIN|://[^/\s]*@"
    r"|eyJ|sk-|hw_|gh[opsur]_|github_pat|xox|AKIA|ASIA|AIza|glpat"
)
_PATTERNS = (
    # -----BEGIN … PRIVATE KEY----- blocks
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S), MASK),
    # Authorization: Bearer abc, Cookie: a=b; the rest of the line is the secret
    (re.compile(r"(?i)(\b(?:proxy-)?authorization\b[\"']?\s*[:=]\s*[\"']?)[^\"'\r\n,;]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)(\b(?:set-)?cookie\b[\"']?\s*:\s*[\"']?)[^\"'\r\n]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/._~\-]{8,}=*"), rf"\1 {MASK}"),
    # password=abc, "api_key": "abc", --token abc
    (
        re.compile(
            r"(?i)((?:\b|[\w\-.]*[_\-.])(?:pass(?:word|wd|phrase)|pwd|secret(?:[_\-]?key)?|token|api[_\-]?key"
            r"|access[_\-]?key|private[_\-]?key|credentials?)[\"']?\s*(?:=>|[:=])\s*)"
            r"(\"[^\"]*\"|'[^']*'|[^\s,;&\"')}\]]+)"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)(--(?:password|passwd|token|secret|api-key)\s+)\S+"), rf"\1{MASK}"),
    # https://user:password@host
    (re.compile(r"(\b[a-z][a-z0-9+.\-]*://[^/\s:@]*:)[^/\s@]+@", re.I), rf"\1{MASK}@"),
    # keys that look like keys wherever they stand
    (
        re.compile(
            r"\b(?:sk-[A-Za-z0-9_\-]{16,}|hw_[A-Za-z0-9_\-]{32,}|gh[opsur]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
            r"|glpat-[\w\-]{16,}|xox[abeoprs]-[A-Za-z0-9\-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w\-]{30,}"
            r"|eyJ[\w\-]{8,}\.[\w\-]{8,}\.[\w\-]*)"
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
