from django.http import Http404, HttpRequest, HttpResponse


def call_swap(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404

def call_retry(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404

def call_delete(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404

def call_objection(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404
