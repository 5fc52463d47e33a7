"""The page of one call: what it shows to whom."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.test import Client

from analysis.values import Abstention, BaselineChange, EffortSign, Party, Scoring, ScoringMode
from callanalytics.calls import files
from callanalytics.calls.models import Call, CallStatus, Flag
from callanalytics.calls.services import call_claim, call_fail, call_objection_set, progress_report
from callanalytics.review.services import coaching_note_add, verdict_record
from dashboard.words import timecode
from tests import factories
from tests.analysis import made

if TYPE_CHECKING:
    from collections.abc import Callable

    from analysis.values import CallAnalysis
    from tests.factories import World

EMOTION = ("frustrat", "anger", "angry", "sentiment", "arousal", "flag", "log-odds", "0.83", "83%", "83 %", "voice:", "contribution")
"""None of this may stand in a page for the call's agent; the page's own style sheets are left out."""


def page(client: Client, call: Call, **query: str) -> str:
    response = client.get(f"/calls/{call.id}/", query)
    assert response.status_code == 200
    return response.content.decode()


def block(html: str, name: str) -> Any:
    """The JSON that the page hands to its scripts."""
    found = re.search(rf'<script id="{name}" type="application/json">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_transcript_has_every_utterance_with_party_time_and_measures(browser: Callable[[str], Client], call: Call) -> None:
    html = page(browser("reviewer"), call)
    assert html.count("data-utterance") == 3
    assert 'data-start="4.20" data-end="7.90"' in html
    assert "Thank you for calling" in html
    assert "+6 dB · +3.4 semitones · 3.1 words/s" in html


def test_customer_utterances_carry_scores_and_reasons_for_withholding_them(browser: Callable[[str], Client], call: Call) -> None:
    html = page(browser("reviewer"), call)
    assert "frustration 83%" in html
    assert "voice: anger 71%" in html
    assert "words 66%" in html
    assert "not scored: not enough evidence" in html
    assert "tone not scored: too little speech" in html


def test_evidence_card_quotes_compares_and_explains(browser: Callable[[str], Client], call: Call) -> None:
    html = page(browser("reviewer"), call)
    assert "“I have called four times”" in html
    assert 'data-clip="0.00,12.90"' in html
    assert "+6.1 dB" in html
    assert "Measured against 18 s of this caller’s speech before it" in html
    assert "counts as" not in html
    assert "+1.40" in html
    assert "−1.31" in html
    assert "faster-whisper/base/int8" in html
    assert "least peak" in html
    assert "Writes down the words" in html


def test_a_change_that_is_held_back_is_shown_as_it_was_and_as_it_counts(browser: Callable[[str], Client], world: World) -> None:
    flag = made.flag()
    change = BaselineChange(6.4, 0.02, None, 8.0, 12.0, 0.04, None)
    early = dataclasses.replace(flag, evidence=dataclasses.replace(flag.evidence, change=change))
    html = page(browser("reviewer"), factories.done_call(world.billing, dataclasses.replace(made.analysis(), flags=(early,))))
    assert '<dt>Loudness</dt><dd>+12.0 dB <span class="soft tiny">counts as +6.4 dB</span></dd>' in html
    assert "<dt>Pitch</dt><dd>" not in html
    stored = Flag.objects.get()
    stored.evidence["change"] |= {"rate_wps": -1.2, "rate_plain_wps": 0.0}
    stored.save()
    paced = '<dt>Pace</dt><dd>unchanged <span class="soft tiny">counts as −1.2 words/s</span></dd>'
    assert paced in page(browser("reviewer"), stored.call), "held back towards the usual pace, not towards none"
    stored.evidence["change"] = {"loudness_db": 6.4, "baseline_s": 8.0}
    stored.save()
    assert "<dt>Loudness</dt><dd>+6.4 dB</dd>" in page(browser("reviewer"), stored.call), "stored before the plain difference was"


@pytest.mark.parametrize(("disagreement", "said"), [(0.6, "voice angrier than the words"), (-0.6, "words harder than the voice")])
def test_card_and_transcript_say_where_voice_and_words_disagree(
    browser: Callable[[str], Client], world: World, disagreement: float, said: str
) -> None:
    agree = factories.done_call(world.billing)
    moment = dataclasses.replace(made.customer_moment(1, 4.2, 7.9, "Fine.", 0.83), disagreement=disagreement)
    analysis = dataclasses.replace(made.analysis(moments=(moment,)), flags=(made.flag(disagreement=disagreement),))
    apart = factories.done_call(world.billing, analysis)
    chip = f'<span class="chip warn wrap">{said}: words 66%, angry voice 71%</span>'
    assert page(browser("reviewer"), apart).count(chip) == 2
    assert 'class="chip warn' not in page(browser("reviewer"), agree)
    Flag.objects.filter(call=apart).update(evidence=without_disagreement(Flag.objects.get(call=apart).evidence))
    assert page(browser("reviewer"), apart).count(chip) == 1
    apart.utterances.update(frustration=0.11)
    assert 'class="chip warn' not in page(browser("reviewer"), apart)


def test_a_tone_that_gave_no_answer_is_said_in_card_legend_and_scoring(browser: Callable[[str], Client], world: World) -> None:
    licence = "tone model switched off (licence)"
    toneless = page(browser("reviewer"), factories.done_call(world.billing, without_tone(Abstention.WEIGHTS_LICENCE)))
    assert f'<span class="withheld soft">not scored: {licence}</span>' in toneless
    assert "+0.00" not in toneless
    assert f"<span>Tone: not scored, {licence}</span>" in toneless
    assert f"<dt>Scoring</dt><dd>Words; tone not scored: {licence}</dd>" in toneless
    assert f"no tone for 2: 2 {licence}" in toneless
    heard = page(browser("reviewer"), factories.done_call(world.billing))
    assert "Tone (anger)</span>" in heard
    assert "<dt>Scoring</dt><dd>Voice and words</dd>" in heard
    assert 'class="withheld' not in heard


def test_a_card_of_an_earlier_analysis_takes_no_reason_from_the_current_one(browser: Callable[[str], Client], world: World) -> None:
    call = factories.done_call(world.billing, without_tone(Abstention.WEIGHTS_LICENCE))
    earlier = call.runs.get()
    earlier.pk, earlier.current = uuid4(), False
    earlier.save(force_insert=True)
    Flag.objects.filter(call=call).update(run=earlier)
    assert 'class="withheld' not in page(browser("reviewer"), call)


def without_tone(reason: Abstention) -> CallAnalysis:
    """The call as it is where tone gives no answer."""
    analysis = made.analysis()
    moments = tuple(
        dataclasses.replace(moment, tone=None, tone_abstained=reason) if moment.party is Party.CUSTOMER else moment
        for moment in analysis.moments
    )
    flag = made.flag()
    quote = flag.evidence.quotes[0]
    quote = dataclasses.replace(quote, contributions=dataclasses.replace(made.CONTRIBUTIONS, tone=0.0))
    evidence = dataclasses.replace(flag.evidence, quotes=(quote,))
    return dataclasses.replace(made.analysis(moments=moments), flags=(dataclasses.replace(flag, evidence=evidence),))


def without_disagreement(evidence: dict[str, Any]) -> dict[str, Any]:
    """As it was stored before quotes told of it."""
    quotes = [{name: value for name, value in quote.items() if name != "disagreement"} for quote in evidence["quotes"]]
    return {**evidence, "quotes": quotes}


def test_chart_and_player_get_the_call_as_json(browser: Callable[[str], Client], call: Call) -> None:
    html = page(browser("reviewer"), call)
    traces = {trace["meta"]: trace["y"] for trace in block(html, "frustration-figure")["data"]}
    assert traces["frustration"] == [0.8314, None]
    assert traces["tone"] == [0.71, None]
    player = block(html, "call-data")
    assert player["seconds"] == 12.0
    assert player["flagged"] == [[4.2, 7.9]]
    assert [(lane["party"], lane["channel"], lane["spans"]) for lane in player["lanes"]] == [("agent", 0, None), ("customer", 1, None)]


def test_one_channel_gives_lanes_by_who_speaks(browser: Callable[[str], Client], world: World) -> None:
    analysis = made.analysis()
    mono = dataclasses.replace(analysis, voices=tuple(dataclasses.replace(voice, channel=0) for voice in analysis.voices))
    lanes = block(page(browser("owner"), factories.done_call(world.billing, mono)), "call-data")["lanes"]
    assert [(lane["party"], lane["spans"]) for lane in lanes] == [("agent", [[0.5, 3.1]]), ("customer", [[4.2, 7.9], [9.0, 9.3]])]


def test_facts_and_provenance(browser: Callable[[str], Client], call: Call) -> None:
    html = page(browser("reviewer"), call)
    for shown in (
        "agent 22%, customer 33%",
        "K 77",
        "1 of 2 customer utterances; withheld: 1 not enough evidence",
        "CC-BY-NC-SA-4.0",
        "ab" * 32,
    ):
        assert shown in html
    assert "2 broken packets were skipped." in html


def test_a_recording_in_which_nobody_is_known_has_no_shares_of_nought(browser: Callable[[str], Client], world: World) -> None:
    analysis = made.analysis()
    roles = tuple(dataclasses.replace(role, party=Party.UNKNOWN, confidence=0.0) for role in analysis.roles)
    moments = tuple(
        dataclasses.replace(moment, party=Party.UNKNOWN, tone=None, wording=None, frustration=None, disagreement=None)
        for moment in analysis.moments
    )
    measures = dataclasses.replace(analysis.measures, silence_s=0.0, longest_silence_s=0.0)
    nobody = dataclasses.replace(made.analysis(moments=moments), roles=roles, segments=(), flags=(), measures=measures)
    html = page(browser("owner"), factories.done_call(world.billing, nobody))
    assert "<dt>Talk share</dt><dd>not known</dd>" in html
    assert "<dt>Interruptions</dt><dd>not known</dd>" in html
    assert "<dt>Silence</dt><dd>none</dd>" in html


def test_what_a_button_says_is_what_it_plays(browser: Callable[[str], Client], world: World) -> None:
    html = page(browser("reviewer"), factories.done_call(world.billing))
    clip = re.search(r'data-clip="([\d.]+),([\d.]+)">.*?</svg>Play ([\d:]+)–([\d:]+)</button>', html)
    assert clip is not None
    assert [timecode(float(clip[1])), timecode(float(clip[2]))] == [clip[3], clip[4]]
    assert 'stretch <span class="num">0:04–0:07</span>' in html


def test_the_models_are_told_once_a_page(browser: Callable[[str], Client], call: Call) -> None:
    assert page(browser("reviewer"), call).count("faster-whisper/base/int8") == 1


def test_a_name_breaks_between_its_parts_and_its_tags_are_shown(browser: Callable[[str], Client], world: World) -> None:
    tags = ("sample", "synthetic voices")
    html = page(browser("owner"), factories.done_call(world.billing, file_name="an_a<b.sample.wav", tags=tags))
    assert "<h1>an_<wbr>a&lt;b.<wbr>sample.<wbr>wav</h1>" in html
    assert "<dt>Tags</dt><dd>sample, synthetic voices</dd>" in html


def test_agent_reads_transcript_measures_and_own_notes_without_any_emotion(
    browser: Callable[[str], Client], call: Call, world: World
) -> None:
    flag = Flag.objects.get(call=call)
    coaching_note_add(user=world.supervisor, call_id=call.id, flag_id=flag.id, text="Let them finish.")
    html = page(browser("agent"), call)
    assert "I have called four times" in html
    assert "+3.4 semitones" in html
    assert "Let them finish." in html
    shown = re.sub(r"<link[^>]*>|<script[^>]*src[^>]*>|They never see emotion scores", "", html).lower()
    assert [word for word in EMOTION if word in shown.replace('"flagged": []', "")] == []
    assert block(html, "call-data")["flagged"] == []


@pytest.mark.parametrize("role", ["reviewer", "agent"])
def test_only_supervisors_get_the_buttons_that_change_a_call(browser: Callable[[str], Client], call: Call, role: str) -> None:
    html = page(browser(role), call)
    for action in ("swap", "delete", "objection", "notes", "retry"):
        assert f"/calls/{call.id}/{action}/" not in html
    supervisors = page(browser("supervisor"), call)
    for action in ("swap", "delete", "objection", "notes"):
        assert f"/calls/{call.id}/{action}/" in supervisors


def test_verdicts_show_who_when_and_why(browser: Callable[[str], Client], call: Call, world: World) -> None:
    verdict_record(user=world.reviewer, flag_id=Flag.objects.get(call=call).id, answer="confirm", reason="clearly upset")
    html = page(browser("supervisor"), call)
    assert "clearly upset" in html
    assert "reviewer, " in html
    assert "Confirmed" in html


SCRIPT = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def test_what_was_said_cannot_become_markup(browser: Callable[[str], Client], world: World) -> None:
    hostile = made.analysis(moments=(made.customer_moment(1, 4.2, 7.9, SCRIPT, 0.8),))
    call = factories.done_call(world.billing, hostile, file_name=f"{SCRIPT}.wav", external_id="x" + SCRIPT[:60], agent=world.agent)
    coaching_note_add(user=world.supervisor, call_id=call.id, text=SCRIPT)
    for role in ("supervisor", "agent"):
        for address in (f"/calls/{call.id}/", "/calls/", "/coaching/", "/"):
            html = browser(role).get(address).content.decode()
            assert "<script>alert" not in html
            assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)" in page(browser("supervisor"), call)


def test_a_queued_call_waits_and_asks_for_its_state(browser: Callable[[str], Client], world: World) -> None:
    call = factories.queued_call(world.billing)
    html = page(browser("supervisor"), call)
    assert "Waiting for a worker" in html
    assert f'hx-get="/calls/{call.id}/status/"' in html
    assert "data-player" not in html


def test_state_shows_step_and_percent_then_asks_for_the_whole_page(browser: Callable[[str], Client], world: World) -> None:
    call = factories.queued_call(world.billing)
    token = factories.claimed(call)
    progress_report(call.id, token, step="transcribe", percent=42)
    running = browser("supervisor").get(f"/calls/{call.id}/status/")
    assert "Writing down what was said" in running.content.decode()
    assert 'value="42"' in running.content.decode()
    assert "HX-Refresh" not in running.headers
    call_fail(call.id, token, "call.wav is empty.", permanent=True)
    assert browser("supervisor").get(f"/calls/{call.id}/status/").headers["HX-Refresh"] == "true"


def failed(call: Call, *, permanent: bool) -> Call:
    Call.objects.filter(id=call.id).update(attempts=2)
    call_fail(call.id, factories.claimed(call), "call.wav holds no audio that can be read.", permanent=permanent)
    return call


@pytest.mark.parametrize("permanent", [False, True])
def test_a_failed_call_tells_why_and_can_be_tried_again(browser: Callable[[str], Client], world: World, permanent: bool) -> None:
    call = failed(factories.queued_call(world.billing), permanent=permanent)
    assert "call.wav holds no audio that can be read." in page(browser("reviewer"), call)
    assert "/retry/" not in page(browser("reviewer"), call)
    assert f"/calls/{call.id}/retry/" in page(browser("supervisor"), call)
    assert browser("supervisor").post(f"/calls/{call.id}/retry/").status_code == 302
    assert Call.objects.get(id=call.id).status == CallStatus.QUEUED


def test_a_retry_is_offered_as_help_only_where_it_may_help(browser: Callable[[str], Client], world: World) -> None:
    passing = page(browser("supervisor"), failed(factories.queued_call(world.billing), permanent=False))
    lasting = page(browser("supervisor"), failed(factories.queued_call(world.billing), permanent=True))
    assert "Retry</button>" in passing
    assert "gives the same result" not in passing
    assert "Retry</button>" not in lasting
    assert "another attempt gives the same result" in lasting
    assert "Do what the reason says" in lasting
    assert "Try again after a change of settings or software</button>" in lasting


def test_a_tone_without_arousal_says_nothing_of_it(browser: Callable[[str], Client], call: Call) -> None:
    absent = dict.fromkeys(("sadness", "fear", "disgust", "happiness", "surprise", "neutral", "arousal", "dominance", "valence"))
    assert call.utterances.filter(tone__isnull=False).update(tone={"anger": 0.9, **absent}) > 0
    html = page(browser("reviewer"), call)
    assert "voice: anger 90%" in html
    assert "Arousal" not in html


def test_no_other_class_of_tone_than_anger_is_shown(browser: Callable[[str], Client], call: Call) -> None:
    calm = {"anger": 0.49, "sadness": 0.0, "fear": 0.0, "disgust": 0.51, "happiness": 0.0, "surprise": 0.0, "neutral": 0.0, "arousal": 0.4}
    assert call.utterances.filter(tone__isnull=False).update(tone=calm) > 0
    assert 'class="chip tone"' not in page(browser("reviewer"), call)


def test_a_call_whose_analysis_is_withdrawn_has_its_page_from_what_remains(
    browser: Callable[[str], Client], call: Call, world: World
) -> None:
    call_objection_set(user=world.supervisor, call_id=call.id, objected=True)
    assert "I have called four times" in page(browser("reviewer"), call)
    token = factories.claimed(call)
    call_fail(call.id, token, "not audio", permanent=True)
    assert "not audio" in page(browser("reviewer"), call)


def test_an_objected_call_says_that_nothing_is_scored(browser: Callable[[str], Client], call: Call, world: World) -> None:
    call_objection_set(user=world.supervisor, call_id=call.id, objected=True)
    measured = dataclasses.replace(
        made.analysis(
            moments=tuple(
                dataclasses.replace(moment, tone=None, tone_abstained=None, wording=None, frustration=None, disagreement=None)
                for moment in made.analysis().moments
            )
        ),
        scoring=Scoring(ScoringMode.MEASURES, "the caller objected"),
        segments=(),
        flags=(),
    )
    factories.analyzed(call, measured)
    html = page(browser("reviewer"), call)
    assert "Nothing is scored in this call: the caller objected." in html
    assert "Caller objected" in html
    assert "frustration-figure" not in html
    assert "I have called four times" in html


def test_no_speech_is_said_and_nothing_invented(browser: Callable[[str], Client], world: World) -> None:
    silent = dataclasses.replace(made.analysis(), moments=(), voices=(), roles=(), segments=(), flags=())
    html = page(browser("owner"), factories.done_call(world.billing, silent))
    assert "No speech was found" in html
    assert "data-utterance" not in html


def test_a_flag_for_effort_shows_its_signs_and_shades_nothing(browser: Callable[[str], Client], world: World) -> None:
    sign = EffortSign("asks_for_human", 5.0, "Let me speak to a manager", 1)
    analysis = made.analysis()
    evidence = dataclasses.replace(analysis.flags[0].evidence, effort=(sign,))
    effort = dataclasses.replace(analysis.flags[0], rule="high_effort", evidence=evidence)
    html = page(browser("owner"), factories.done_call(world.billing, dataclasses.replace(analysis, flags=(effort,), effort=(sign,))))
    assert "High customer effort" in html
    assert "Asks for a human or a manager" in html
    assert "Does the customer have to work too hard here?" in html
    assert "Is the customer frustrated here?" not in html
    assert block(html, "call-data")["flagged"] == []
    assert "What the score at the peak is made of" not in html


def test_unknown_speakers_are_shown_and_never_scored(browser: Callable[[str], Client], world: World) -> None:
    nobody = dataclasses.replace(made.customer_moment(1, 4.2, 7.9, "Who is this", 0.8), party=Party.UNKNOWN, tone=None, wording=None)
    nobody = dataclasses.replace(nobody, frustration=None, disagreement=None)
    analysis = dataclasses.replace(made.analysis(moments=(nobody,)), segments=(), flags=())
    html = page(browser("owner"), factories.done_call(world.billing, analysis))
    assert "Not known" in html
    assert "It is not known who the customer is, so nothing is scored." in html
    assert "Not scored" in html
    assert "No flags" not in html


def test_a_call_that_is_analysed_again_keeps_its_transcript_meanwhile(browser: Callable[[str], Client], world: World) -> None:
    call = factories.done_call(world.billing)
    browser("supervisor").post(f"/calls/{call.id}/retry/")
    assert call_claim(call.id, uuid4()) is not None
    html = page(browser("supervisor"), call)
    assert "I have called four times" in html
    assert "hx-get" in html


def test_a_lost_document_leaves_a_page_made_from_the_rows(browser: Callable[[str], Client], call: Call) -> None:
    run = call.runs.get(current=True)
    files.absolute(run.document).unlink()
    html = page(browser("reviewer"), call)
    assert "I have called four times" in html
    assert "frustration 83%" in html
    assert [lane["party"] for lane in block(html, "call-data")["lanes"]] == ["agent", "customer"]


def test_a_session_that_ended_sends_the_whole_page_to_sign_in(call: Call) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver/calls/{call.id}/"}
    answer = Client().get(f"/calls/{call.id}/status/", headers=headers)
    assert (answer.status_code, answer["HX-Redirect"]) == (200, f"/login/?next=/calls/{call.id}/")
    assert not answer.content


def test_a_page_whose_call_is_gone_is_loaded_again_by_its_fragments(browser: Callable[[str], Client], call: Call) -> None:
    address = f"/calls/{call.id}/status/"
    call.delete()
    answer = browser("supervisor").get(address, headers={"HX-Request": "true"})
    assert answer["HX-Refresh"] == "true"
    assert browser("supervisor").get(address).status_code == 404
