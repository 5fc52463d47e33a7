from django.http import Http404, HttpRequest, HttpResponse


def help_page(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404

def about(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404
