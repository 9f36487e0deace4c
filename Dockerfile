# Only the viewer (custdyn serve). Build the wheel, then the image:
#   pip wheel --no-deps --wheel-dir dist . && docker build --tag custdyn-viewer .
# Run it with a read-only root and a read-only store:
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --publish 127.0.0.1:8899:8899 \
#     --volume /srv/reports/store:/store:ro --group-add <gid of report-readers> \
#     --env CUSTDYN_SHARE_URL=https://reports.example custdyn-viewer
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv
COPY dist/*.whl requirements-viewer.txt constraints.txt /build/
RUN python3 -m venv /opt/custdyn \
 && /opt/custdyn/bin/pip install --no-deps /build/*.whl \
 && /opt/custdyn/bin/pip install --no-deps --constraint /build/constraints.txt --requirement /build/requirements-viewer.txt \
 && /opt/custdyn/bin/python -m compileall -q /opt/custdyn/lib \
 && /opt/custdyn/bin/pip uninstall --yes pip setuptools

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/custdyn /opt/custdyn
RUN useradd --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin custdyn-viewer
USER 10001
WORKDIR /
ENV CUSTDYN_SNAPSHOTS=/store HOME=/nonexistent PYTHONDONTWRITEBYTECODE=1
EXPOSE 8899
HEALTHCHECK --interval=30s --timeout=10s CMD ["/opt/custdyn/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8899/healthz', timeout=8)"]
ENTRYPOINT ["/opt/custdyn/bin/custdyn", "serve", "--host", "0.0.0.0"]
CMD ["--log-format", "json"]
