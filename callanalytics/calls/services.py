"""Every change to a call, in one list; each lives in the module that its name belongs to."""

from callanalytics.calls.announcing import call_announce
from callanalytics.calls.cleaning import (
    cleaner_copies_requeue_expired,
    cleaner_copy_ask,
    cleaner_copy_claim,
    cleaner_copy_finish,
    cleaner_copy_give_back,
    cleaner_copy_renew,
    cleaner_copy_report,
)
from callanalytics.calls.corrections import call_confirm_roles, call_objection_set, call_retry, call_set_customer, call_swap_roles
from callanalytics.calls.files import peaks_path, playback_path, recording_path, replaced_atomically
from callanalytics.calls.flagging import flag_judge, flag_payload, flag_retract
from callanalytics.calls.ingest import Ingested, NewCall, call_ingest
from callanalytics.calls.lease import (
    call_claim,
    call_fail,
    call_give_back,
    call_requeue,
    call_requeue_expired,
    lease_renew,
    progress_report,
)
from callanalytics.calls.mapping import GivenOptions, call_options
from callanalytics.calls.storing import analysis_store

__all__ = [
    "GivenOptions",
    "Ingested",
    "NewCall",
    "analysis_store",
    "call_announce",
    "call_claim",
    "call_confirm_roles",
    "call_fail",
    "call_give_back",
    "call_ingest",
    "call_objection_set",
    "call_options",
    "call_requeue",
    "call_requeue_expired",
    "call_retry",
    "call_set_customer",
    "call_swap_roles",
    "cleaner_copies_requeue_expired",
    "cleaner_copy_ask",
    "cleaner_copy_claim",
    "cleaner_copy_finish",
    "cleaner_copy_give_back",
    "cleaner_copy_renew",
    "cleaner_copy_report",
    "flag_judge",
    "flag_payload",
    "flag_retract",
    "lease_renew",
    "peaks_path",
    "playback_path",
    "progress_report",
    "recording_path",
    "replaced_atomically",
]
