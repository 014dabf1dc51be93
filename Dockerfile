# The recording server as an ordinary user, in two stages: the build tools stay out of the image.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/hulta && /opt/hulta/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY media/ media/
COPY ingest/ ingest/
COPY storage/ storage/
COPY retention/ retention/
COPY playback/ playback/
COPY server/ server/
COPY simulator/ simulator/
COPY storm/ storm/
RUN /opt/hulta/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/hulta --create-home --shell /usr/sbin/nologin hulta
COPY --from=build /opt/hulta /opt/hulta
USER hulta
WORKDIR /var/lib/hulta
ENV PATH=/opt/hulta/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HULTA_CONFIG=/etc/hulta/hulta.yaml \
    HULTA_DATA=/var/lib/hulta/data
VOLUME /var/lib/hulta
EXPOSE 8080
# The API asks for a bearer token on any listen address but loopback; /healthz does not.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["hulta"]
CMD ["run"]
