# Two stages: everything is fetched and built in the first, by hash; the second has no installer's traces.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build

COPY requirements.lock requirements-dev.lock ./
RUN pip wheel --require-hashes --only-binary :all: --wheel-dir /wheels --requirement requirements.lock
# For hatchling, so that our own wheel is built by nothing unhashed.
RUN pip install --require-hashes --only-binary :all: --requirement requirements-dev.lock

COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY adapters adapters
COPY policies policies
COPY keys keys
RUN pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels .

RUN python -m venv --without-pip /opt/throughgate \
    && pip --python /opt/throughgate/bin/python install --no-deps --no-index /wheels/*.whl


FROM python:3.13-slim
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin throughgate \
    && install --directory --owner throughgate --group throughgate --mode 0700 /data
COPY --from=build /opt/throughgate /opt/throughgate

# The root may be read-only: all that is written goes to /data, and SQLite's overflow to /tmp.
ENV PATH=/opt/throughgate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    THROUGHGATE_HEALTH_URL=http://127.0.0.1:8080/health/ready
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(os.environ['THROUGHGATE_HEALTH_URL'], timeout=5)"]
ENTRYPOINT ["throughgate"]
CMD ["serve", "--config", "/data/throughgate.toml"]
