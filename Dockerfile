# One image for every service of the bot: the locked wheels, checked by their hashes, and the program. No compiler, no
# pip, no shell tools beyond the base; an ordinary user.
ARG PYTHON_IMAGE=python:3.13.9-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
RUN python3 -m venv /opt/okxbot
COPY requirements.lock /build/
RUN /opt/okxbot/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-compile --progress-bar off \
    --require-hashes --only-binary :all: -r /build/requirements.lock
COPY . /build/
RUN cd /build && /opt/okxbot/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-compile \
    --no-build-isolation --no-deps . && \
    /opt/okxbot/bin/python -m pip uninstall -y -q pip && \
    /opt/okxbot/bin/python3 -m compileall -q -j 0 /opt/okxbot/lib

FROM ${PYTHON_IMAGE}
RUN groupadd -g 10001 okxbot && useradd -u 10001 -g 10001 -M -d /var/lib/okxbot -s /usr/sbin/nologin okxbot && \
    install -d -o okxbot -g okxbot -m 0700 /var/lib/okxbot /var/lib/okxbot/exchange /var/lib/okxbot/run \
    /var/lib/okxbot/backups /var/lib/okxbot/counters
COPY --from=build /opt/okxbot /opt/okxbot
ENV PATH=/opt/okxbot/bin:$PATH OKXBOT_HOME=/var/lib/okxbot LOG_FORMAT=json PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MALLOC_ARENA_MAX=2
WORKDIR /var/lib/okxbot
USER 10001:10001
ENTRYPOINT []
CMD ["okxbot", "--help"]
