# The service as one image: `nba up` by default; `nba api` and `nba worker` where stores are
# elsewhere (serving/compose.yaml, serving/helm). The project in /project is the reference project;
# mount or copy your own over it.
ARG PYTHON_VERSION=3.12

FROM python:${PYTHON_VERSION}-slim AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/nba
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY catalog catalog
COPY features features
COPY models models
COPY policies policies
COPY serving serving
COPY training training
COPY nba nba
# psycopg is the driver of a control store on PostgreSQL.
RUN python -m pip wheel . --no-deps --wheel-dir /wheels \
    && wheel=$(ls /wheels/nba-*.whl) \
    && /opt/nba/bin/python -m pip install -c constraints.txt "${wheel}[train]" "psycopg[binary]"

FROM python:${PYTHON_VERSION}-slim
# LightGBM needs the OpenMP runtime, which slim images leave out.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home nba \
    && install --directory --owner nba --group nba /project /data
COPY --from=build /opt/nba /opt/nba
# What numba compiles is kept where an unprivileged user may write.
ENV PATH=/opt/nba/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GIT_PYTHON_REFRESH=quiet \
    NUMBA_CACHE_DIR=/tmp/numba \
    NBA_HOST=0.0.0.0 \
    NBA_PROJECT_DIR=/project \
    NBA_DATA_DIR=/data
USER 10001
WORKDIR /project
RUN nba init /project
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ.get('NBA_PORT', '8080')}/healthz\", timeout=2)"]
CMD ["nba", "up"]
