from django.http import Http404, HttpRequest, HttpResponse


def call_list(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404

def call_upload(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404
