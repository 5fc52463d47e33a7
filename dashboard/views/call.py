from django.http import Http404, HttpRequest, HttpResponse


def call_detail(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404

def call_status(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404
