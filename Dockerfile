# The worker alone: no small model, no compiler, no build back end.
#
#   docker build -t openai-connector .
#   docker run --rm -e ZEEBE_ADDRESS=zeebe:26500 -e SECRET_OPENAI_API_KEY openai-connector
#
# Settings are environment variables: docker run --rm openai-connector run --help

ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# First what seldom changes, so that a change of the code alone does not fetch it all again. The environment has no
# pip of its own: the one of this stage fills it, and does not come along.
COPY requirements/worker.txt requirements/worker.txt
RUN python -m venv --without-pip /opt/openai-connector \
 && pip --python /opt/openai-connector/bin/python install \
        --no-deps --require-hashes --only-binary :all: -r requirements/worker.txt
COPY pyproject.toml README.md LICENSE ./
COPY worker worker
# What only the build needs is locked in the same file; it goes when the wheel is made.
RUN pip --python /opt/openai-connector/bin/python wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && pip --python /opt/openai-connector/bin/python install --no-deps dist/*.whl \
 && pip --python /opt/openai-connector/bin/python uninstall --yes \
        editables hatchling packaging pathspec pluggy tomlkit trove-classifiers

FROM python:${PYTHON_VERSION}-slim
# docker build --build-arg VERSION=1.2.3 --build-arg REVISION=$(git rev-parse HEAD)
ARG PYTHON_VERSION
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="openai-connector" \
      org.opencontainers.image.description="Camunda 8 connector worker for OpenAI and OpenAI-compatible APIs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:${PYTHON_VERSION}-slim" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/openai-connector /opt/openai-connector
ENV PATH=/opt/openai-connector/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CONNECTOR_HTTP_HOST=*
# A number, so that Kubernetes can see that it is not root (runAsNonRoot). The worker writes no files but those of
# CONNECTOR_STORE, where that names a folder: mount one that this user may write.
USER 10001:10001
# On SIGTERM running calls are finished (CONNECTOR_DRAIN_TIMEOUT, 60 s): give the container at least 30 s more,
# docker stop --time 90, or terminationGracePeriodSeconds: 90.
STOPSIGNAL SIGTERM
# Health, metrics and the status page. Kubernetes takes its own probes, not this one. It asks whether the worker lives,
# not whether it is ready: Swarm and others end an unhealthy container, and in an outage of the engine this one still has
# calls under way. With CONNECTOR_HTTP_PORT at off or 0 there is no port to ask at: docker run --no-healthcheck.
EXPOSE 9898
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 CMD ["openai-connector", "health", "live"]
ENTRYPOINT ["openai-connector"]
CMD ["run"]
