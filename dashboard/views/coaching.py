from django.http import Http404, HttpRequest, HttpResponse


def coaching_note_add(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404

def coaching_list(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404

def coaching_note_read(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404
