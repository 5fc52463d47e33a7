from django.http import Http404, HttpRequest, HttpResponse


def overview(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404
