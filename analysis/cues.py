"""What people say on service calls, as patterns: who speaks (roles) and that the customer has to work (effort). English only.

The log-odds of a cue are set by hand from what each phrase does in a service call, not fitted to any corpus; docs/models/fusion.md
states what they measure on calls they were not made from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LANGUAGES = frozenset({"en"})


@dataclass(frozen=True, slots=True)
class Cue:
    """A pattern and the natural log-odds it gives that its speaker is the agent (negative: the customer)."""

    pattern: re.Pattern[str]
    log_odds: float


def _cue(log_odds: float, *alternatives: str) -> Cue:
    return Cue(_any(*alternatives), log_odds)


def _any(*alternatives: str) -> re.Pattern[str]:
    """Any of the alternatives as whole words; a blank stands for any white space or punctuation within a phrase."""
    joined = "|".join(alternative.replace(" ", r"[\s,]+") for alternative in alternatives)
    return re.compile(rf"\b(?:{joined})(?!\w)", re.IGNORECASE)


_HELP = r"(?:help|assist|do for|serve)"
_THING = (
    r"(?:account|order|car|claim|bill|payment|card|phone|internet|policy|package|refund|money|insurance|boss|husband|wife|son|daughter"
    r"|flight|luggage|subscription|connection|router|vehicle|appointment|bank|house|last name|number)"
)

ROLE_CUES: tuple[Cue, ...] = (
    _cue(2.5, rf"how (?:can|may|could) i {_HELP} (?:you)?", rf"what can i {_HELP} (?:you)?", "how may i direct"),
    _cue(2.5, r"thank(?:s| you) (?:so much )?for (?:calling|holding|contacting|reaching out|choosing|waiting)", "for being a valued"),
    _cue(2.0, r"(?:may|can|could) i (?:please )?(?:have|get|ask(?: for)?|verify|confirm|check) (?:you |with you |for )?(?:for )?your"),
    _cue(1.8, r"(?:could|can) you (?:please )?(?:provide|verify|confirm|spell|give) (?:me |that |us )?(?:with |for me )?(?:your)?"),
    _cue(1.8, r"let me (?:just )?(?:pull (?:up|that)|look (?:up|into|that up)|check|see what|transfer|put you|get that|bring up)"),
    _cue(
        1.8, r"(?:is there |was there )?any ?(?:thing|one) else (?:i|we) can", r"is there anything else", r"anything else (?:today|for you)"
    ),
    _cue(
        1.5,
        r"i(?:'d| would) be (?:more than )?happy to",
        r"i(?:'m| am) happy to",
        r"i(?:'ll| will) be glad to",
        r"i(?:'m| am) here to help",
    ),
    _cue(
        1.5,
        r"i (?:do )?(?:understand|apologi[sz]e for|appreciate) (?:your|the|any|you)",
        r"(?:sorry|apologies) for (?:the|any|your) inconvenience",
    ),
    _cue(1.5, r"(?:our|my) (?:system|records|department|warranty|policy|technicians?|team|store|office|dealership)"),
    _cue(1.2, r"(?:i|we) (?:can |do )?(?:see|show|have) (?:here|that|in (?:our|the) system|your|you)", "looks like (?:you|your|we)"),
    _cue(1.2, r"what(?:'s| is| was) your", "do you have your", "for verification", "to verify", r"date of birth", "can i put you"),
    _cue(
        1.2,
        r"you(?:'re| are) (?:very |most )?welcome to",
        r"we (?:would|'d) (?:love|be happy) to",
        "no charge",
        "my pleasure",
        "feel free to",
    ),
    _cue(1.0, r"(?:this is|my name is|i'm) \w+ (?:from|with|at|speaking)", r"speaking with (?:today)?"),
    _cue(
        1.0, r"(?:transfer|connect) you", r"(?:put|place) you on", r"(?:bear|stay) (?:with|on) (?:me|the line)", r"one moment (?:please)?"
    ),
    _cue(0.8, "sir", "ma'?am", r"unfortunately (?:we|i)", "we (?:do|can|offer|have|handle|cover|will|'ll|typically|usually|require)"),
    _cue(0.5, r"your (?:account|order|car|claim|policy|number|name|address|request|refund|card|vehicle|appointment|service|call|patience)"),
    _cue(0.4, r"(?:certainly|absolutely|wonderful|perfect|of course)"),
    _cue(-2.5, r"i(?:'m| am| was) (?:just )?(?:calling|phoning) (?:in |you )?(?:to |today |about |because |regarding |for |again )"),
    _cue(-2.2, r"i(?:'ve| have)? (?:been|was) (?:waiting|on hold|charged|billed|told|transferred|trying|promised|a customer|overcharged)"),
    _cue(
        -2.0,
        r"you (?:guys|people)",
        r"your (?:website|company|mechanics?|technician|driver|colleague|app|people|office) (?:is|are|was|told|said|told me)?",
    ),
    _cue(-2.0, r"i(?:'d| would) (?:like|love) to (?:speak|talk|cancel|return|book|order|know|complain|schedule|report|check|make|change)"),
    _cue(-1.8, r"(?:speak|talk) (?:to|with) (?:a|your|the|another) (?:manager|supervisor|human|person|representative|agent|someone)"),
    _cue(
        -1.8,
        r"i (?:need|want|wanted) (?:to |some |your |a |my |you )",
        "i was wondering",
        "i'm wondering",
        "i have a (?:question|problem|issue)",
    ),
    _cue(
        -1.5,
        r"(?:i )?(?:bought|purchased|ordered|filed|paid|submitted|signed up|got) (?:a|an|the|my|this|it|for)",
        "how (?:soon|much|long) (?:can|is|will|does|do) ",
    ),
    _cue(
        -1.5,
        r"i (?:haven't|have not|didn't|did not|never) (?:received|receive|heard|hear|gotten|got|get)",
        r"i(?:'ve| have)? called (?:\w+ )?(?:times|already|before|again|yesterday)",
    ),
    _cue(-1.0, rf"my {_THING}", r"(?:isn't|not|stopped|doesn't) work(?:ing)?", "nobody", "no one (?:called|told|has)"),
    _cue(
        -0.8,
        "thank you so much",
        r"you(?:'ve| have) been (?:very |so |really )?helpful",
        "my name is",
        "can you help",
        "could you (?:help|tell)",
    ),
)

ANNOUNCEMENT = _any(
    r"(?:your|the) call is (?:very |really )?important to us",
    r"all (?:of )?our (?:agents|representatives|operators|lines|advisors|associates|customer service \w+) are",
    r"please (?:stay|remain|hold) on the line",
    r"please (?:continue to )?hold for the next",
    r"your call (?:will|may) be (?:answered|recorded|monitored|taken)",
    r"calls? (?:may|will) be (?:recorded|monitored)",
    r"(?:next|first) available (?:agent|representative|operator|advisor|associate)",
    r"you are (?:number )?\w+ in (?:the )?(?:queue|line)",
    r"(?:for|to) .{3,50} (?:please )?press (?:\d|one|two|three|four|five|six|seven|eight|nine|zero|star|pound)",
    r"we (?:appreciate|value) your (?:patience|call) (?:and|please)",
    r"(?:higher|high) than (?:normal|usual) call volumes?",
)
FIRST_PERSON = _any("i", "i'm", "i've", "i'll", "i'd", "me", "my", "mine")
"""Machines say `we`; a person who quotes an announcement says `I`."""

TOLD_BEFORE = _any(
    r"i(?:'ve| have)? already (?:told|said|explained|gave|given|sent|tried|done|did|called|paid|provided|went|been)",
    r"i(?:'ve| have)? (?:just|literally just) (?:told|explained to|gave|said that to) (?:you|him|her|them|your|that)?",
    r"i(?:'ve| have) told (?:you|him|her|them|your \w+|every\w+)",
    r"(?:as|like) i(?:'ve| have)? (?:already |just )?(?:said|told|mentioned|explained)",
    r"i(?:'ve| have)? (?:called|phoned|rung|asked|told you|explained (?:this|it|that)|been through this|emailed|written) "
    r"(?:\w+ ){0,2}(?:twice|\w+ times|again and again)",
    r"(?:for the|this is the|it's the|that's the|my) "
    r"(?:second|third|fourth|fifth|sixth|seventh|tenth|umpteenth|hundredth|\d\d?(?:st|nd|rd|th)) time",
    r"how many (?:more )?times (?:do|have|must|should|will) i",
    r"(?:keep|kept) (?:having to )?(?:telling|explaining|repeating|calling|asking|repeat|explain|call)",
    r"i (?:have|had) to (?:repeat|explain) (?:myself|this|it|everything|that) (?:\w+ )?(?:again)?",
)

ASKS_FOR_HUMAN = _any(
    r"(?:speak|talk|speaking|talking) (?:to|with) (?:(?:a|an|your|the|another|some) )?(?:real |actual |live |human |shift |different )?"
    r"(?:manager|supervisor|human(?: being)?|person|representative|agent|operator|boss|someone else|somebody else|someone in charge)",
    r"(?:get|give|find|put) me (?:(?:through|on|over) (?:to|with) )?(?:a|an|your|the|another) (?:real |actual |live )?"
    r"(?:manager|supervisor|human|person|representative|agent|operator)",
    r"(?:want|need|like) (?:a|your|the|another) (?:real |actual |live )?(?:manager|supervisor|human(?: being)?|real person|representative)",
    r"(?:transfer|connect|escalate) (?:me|this) to (?:a|your|the|another) \w+",
    r"is there (?:a|any) (?:\w+ )?(?:manager|supervisor|human)",
)

HOLD_BY_AGENT = _any(
    r"(?:put|place|putting|placing|pop) you (?:back )?on (?:a )?(?:\w+ )?hold",
    r"(?:please |can you |could you |you )?hold (?:on|the line|please|for (?:a|one|just|me|two))",
    r"please hold",
    r"mind holding",
    r"(?:thank you|thanks) for (?:your )?(?:holding|patience while)",
)
HOLD_BY_CUSTOMER = _any(
    r"(?:been|was|kept|left|put|sitting|waiting) (?:me )?(?:waiting )?on hold",
    r"(?:been|was|kept me) (?:holding|waiting) (?:here |on the (?:line|phone) )?(?:for|since|over|almost|nearly)",
)
TRANSFER_BY_AGENT = _any(
    r"(?:transfer|transferring|connect|connecting|redirect|redirecting) you(?:r call)?",
    r"(?:put|putting|pass|passing) you (?:through|over|on) to",
)
TRANSFER_BY_CUSTOMER = _any(
    r"(?:been|was|got|get|being|keep getting|kept getting) (?:\w+ )?"
    r"(?:transferred|passed (?:around|on|from)|bounced|sent (?:around|from)|redirected)",
    r"(?:they|you|he|she|someone|somebody) (?:just |keep |kept )?(?:transferred|transferring|passed|bounced) me",
)

_NEGATION = re.compile(r"(?:\b(?:not|never|no need to|without|cannot)|n't)(?:\s+[\w']+){0,3}\s*$", re.IGNORECASE)
_CLAUSE = re.compile(r"[.,;:!?]|\b(?:but|because|and|so)\b", re.IGNORECASE)


def said(pattern: re.Pattern[str], text: str) -> bool:
    """Whether the pattern is said and not denied: `I don't want to talk to a manager` does not ask for one.

    A denial counts up to three words before the phrase and within its clause, so `No, I already told you` stays a repeat.
    """
    plain = text.replace("’", "'")
    return any(not _denied(plain[: found.start()]) for found in pattern.finditer(plain))


def _denied(before: str) -> bool:
    clause = _CLAUSE.split(before)[-1]
    return _NEGATION.search(clause) is not None
