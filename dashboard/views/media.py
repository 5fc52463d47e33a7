from django.http import Http404, HttpRequest, HttpResponse


def call_audio(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404

def call_peaks(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404

def call_transcript(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404
