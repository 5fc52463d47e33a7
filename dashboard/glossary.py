"""The help page: every score and measure, defined once."""

from __future__ import annotations

from dataclasses import dataclass

from analysis import words


@dataclass(frozen=True, slots=True)
class Section:
    anchor: str
    title: str
    intro: str
    terms: tuple[tuple[str, str], ...]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


SCORES = Section(
    "scores",
    "Scores",
    "Made for the customer’s utterances only, and only where a role is sure enough and scoring is allowed.",
    (
        (
            "Frustration",
            "How strongly tone, wording, effort, measures and what came just before speak for frustration in this utterance, on a scale "
            "from 0 to 100 %. It is not calibrated yet, because no labelled calls exist to do it on: read 80 % as high on this scale, not "
            "as 8 of 10. How often reviewers here agree is the measured precision on the overview.",
        ),
        (
            "Tone",
            "How it was said: probabilities of seven emotions from the sound alone, and arousal, an activation between calm (0) and "
            "agitated (100 %). The line in the chart is anger.",
        ),
        (
            "Wording",
            "What was said: sentiment from −1 (negative) to +1 (positive), and the probability of frustration from the words alone.",
        ),
        (
            "Disagreement",
            "Anger by voice minus frustration by words. Clearly positive: the voice is angrier than the words, as in calm words in an "
            "angry voice. Clearly negative: the words are harder than the voice. Both may be high.",
        ),
        (
            "Frustration segment",
            "A stretch in which frustration rises above a level, holds, and ends when it falls; with its peak and its mean.",
        ),
        ("Flag", "A stretch that passed a rule and that someone should look at. Severity is high or medium, by its peak."),
        ("Frustrated share", "Seconds within frustration segments, as a share of the length of the calls."),
    ),
)

CONTRIBUTIONS = Section(
    "contributions",
    "Contributions",
    "A score is a sum of parts in log-odds: +1 multiplies the odds of frustration by about 2.7, −1 divides them by as much. With the "
    "starting point they add up to the score.",
    tuple(
        (words.PARTS[part], meaning)
        for part, meaning in (
            ("tone", "What the sound of the voice adds."),
            ("wording", "What the words add."),
            ("effort", "What signs of effort near the utterance add."),
            ("measures", "What changes in loudness, pitch and pace against this caller’s own baseline add."),
            ("context", "What the utterances just before add; anger rarely comes and goes in one sentence."),
            ("prior", "How likely frustration is before anything is heard."),
        )
    ),
)

MEASURES = Section(
    "measures",
    "Measures",
    "Plain numbers, for both parties. They are not emotion. A change is against the speaker’s own median over their earlier speech in the "
    "call.",
    (
        ("Loudness", "Level of the words in dB below full scale; the change in dB. +6 dB is twice the amplitude."),
        ("Pitch", "Median of the voice’s fundamental frequency in Hz; the change in semitones."),
        ("Pace", "Words a second, and its change."),
        ("Pause before", "Seconds in which nobody spoke before the utterance."),
        ("Overlap", "Seconds of the utterance in which the other party spoke too."),
        ("Signal to noise", "Level of speech over the level between, in dB. Low values make scores be withheld."),
        ("Baseline", "Seconds of the speaker’s own earlier speech that a change rests on. Under 15 s it leans on a typical speaker."),
        ("Talk share", "A party’s speech as a share of the recording’s length."),
        ("Silence", "Time in which nobody spoke, and its longest stretch."),
        ("Interruptions", "How often a party began while the other was speaking, and went on."),
    ),
)

EFFORT = Section(
    "effort",
    "Signs of effort",
    "How hard the customer has to work; found in the transcript and its timing, without any emotion.",
    tuple(
        (words.EFFORT[kind], meaning)
        for kind, meaning in (
            ("repeat", "The customer says nearly the same thing again."),
            ("told_before", "The customer says that they have said or done this before, as in “this is the third time”."),
            ("hold", "The agent asks to wait, or the customer tells of having been on hold."),
            ("transfer", "The agent hands the call on or says so, or the customer tells of having been handed on."),
            ("asks_for_human", "The customer asks for a person, a manager or a supervisor."),
            ("long_silence", "Nobody speaks for long."),
        )
    ),
)

ABSTAINED = Section(
    "abstained",
    "“Not enough evidence”",
    "Where the ground is thin a score is withheld, with the reason, instead of guessed.",
    tuple(
        (_capital(words.ABSTAINED[code]), meaning)
        for code, meaning in (
            ("too_short", "Less speech than a score can rest on."),
            ("too_quiet", "Speech too faint to score."),
            ("too_noisy", "Noise too close to the level of the speech."),
            ("overlap", "The parties speak at once for much of the utterance."),
            ("music", "What was taken for speech is music, as on a hold line, or a noise."),
            ("out_of_distribution", "The voice or the line is unlike everything that the tone model was trained on."),
            ("role_unsure", "It is not sure enough that this is the customer; such speech is never scored."),
            ("language_unsupported", "The wording model does not know the language."),
            ("low_asr_confidence", "The transcript itself is doubtful here."),
            ("weights_licence", "The tone weights are for non-commercial use and this installation has not accepted that."),
            ("encoder_unsupported", "No tone head goes with the transcriber of this installation; the words are scored all the same."),
            ("scoring_off", "The caller objected, or the call or its queue is set to measures only."),
            ("no_evidence", "Nothing was made out, or voice and words together are too unreliable here to rest a score on."),
        )
    ),
)

TONE_ABSTAINED = Section(
    "tone-abstained",
    "“Tone not scored”",
    "Tone alone may give no answer, for any of the reasons above and for these; frustration is then scored by the words, where it can be.",
    tuple(
        (_capital(words.TONE_ABSTAINED[code]), meaning)
        for code, meaning in (
            ("no_evidence", "No emotion, nor a neutral voice, came out as likely enough: a guess would be wrong too often."),
            ("scoring_off", "The call or its queue is set to words or to measures only, or the caller objected."),
        )
    ),
)

LISTENING = Section(
    "listening",
    "Listening",
    "Every score and every word of the transcript rests on the recording as it came in, whichever copy is played.",
    (
        ("Original", "A copy of the recording that every browser plays: 16 kHz, compressed (AAC), otherwise as it came in."),
        (
            "Cleaner",
            "A copy with its noise taken out, made once somebody asks for it on the call’s page. It is for listening only, and may swallow "
            "a faint word: where it matters, listen to the original.",
        ),
    ),
)

INTEGRATIONS = Section(
    "integrations",
    "Integrations",
    "Other systems are told what happens here by events: ids, scores, rules and a link, nothing that a person said and nobody’s name.",
    (
        ("Endpoint", "Somewhere that events are sent to: a webhook of yours, a Slack-compatible chat, PagerDuty, or mailboxes."),
        (
            "Delivery",
            "One event on its way to one endpoint. What fails is tried again for three days and then given up; it can be sent again under "
            "the same id, also by range, with what the endpoint missed while it was off.",
        ),
        ("In order", "Events of one call or flag wait for the one before. Without it the receiver goes by their timestamps."),
        ("Secret", "What a webhook’s requests are signed with, shown once. When it is replaced, the old one signs along for a while."),
        (
            "Switched off",
            "An endpoint that answers 410 Gone, or where nothing arrived for five days, gets no more events until a person switches it on. "
            "Every page says so meanwhile.",
        ),
        ("What leaves", "A page with every host that this installation sends anything to, or fetches recordings from."),
    ),
)

QUALITY = Section(
    "quality",
    "How well it works here",
    "Measured on your own calls, from what reviewers say.",
    (
        (
            "Measured precision",
            "Of the flags for frustration that reviewers judged confirmed or rejected, the share confirmed; n is their number. “Can’t "
            "tell” is left out.",
        ),
        ("Interval", "The 95 % Wilson interval: where the true share plausibly lies. Few verdicts, wide interval."),
        (
            "Missed, estimated",
            "Reviewers judge random unflagged stretches without seeing any score. Each keeps the probability with which it was drawn and "
            "is weighted by its inverse, which gives an estimate of how much frustrated speech the rules do not flag.",
        ),
        (
            "Recalibration",
            "Both kinds of verdicts can refit the starting point and the weights of the score to this site, by a command of its operator. "
            "It needs 50 judged stretches of 20 calls, and 30 random ones to learn how common frustration is here; it changes nothing "
            "unless that measures better, and it can be undone. Calls analysed before keep their scores; the facts of a call name its "
            "calibration.",
        ),
    ),
)

HANDOVERS = Section(
    "handovers",
    "Handovers",
    "A flag that a person is to act on waits on the board until somebody claims it. A plan for each team says which flags those are.",
    (
        ("Claim", "One person takes it; whoever comes second is told who has it. A claim can be given back, and waits again."),
        ("Resolve", "Ends it with what came of it. The note stays here: no other system is sent it."),
        (
            "Time to claim",
            "From the end of the flagged stretch, by the clock, to the claim; so the time that the recording and its analysis took counts. "
            "Half were claimed within the median, nine of ten within the other number.",
        ),
        (
            "Steps",
            "Whom a plan tells, one after another: the team’s board, a person, another system. The next is told when nobody has claimed in "
            "time; after the last it stays on the board as overdue. Anybody who judges the team’s calls may claim at any time.",
        ),
        (
            "The same conversation",
            "A call is handed over once, however often it is analysed again. Further flags of the call, and of the customer’s other calls "
            "while one is under way, join it. For the cool-down after it, further calls of that customer open nothing.",
        ),
        ("Withdrawn", "The flag was taken back before anybody claimed: a reviewer rejected it, or a newer analysis did not find it."),
        ("Quiet hours", "Handovers open, but nobody is told and no time runs until they end."),
        ("Not handed over", "Flags that opened nothing, each with its reason; the board shows them when asked."),
    ),
)

SECTIONS = (SCORES, CONTRIBUTIONS, MEASURES, EFFORT, ABSTAINED, TONE_ABSTAINED, LISTENING, HANDOVERS, INTEGRATIONS, QUALITY)
