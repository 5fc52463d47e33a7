from django.http import Http404, HttpRequest, HttpResponse


def flag_verdict(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404

def blind_sample(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404

def blind_sample_judge(request: HttpRequest, **ids: object) -> HttpResponse:
    raise Http404
