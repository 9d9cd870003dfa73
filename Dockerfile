# One image for every process; compose.yaml says which command each container runs.

# --- chart libraries of the pages
FROM node:22-bookworm-slim AS pages
WORKDIR /build
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json .npmrc ./
COPY tradingsite/up/bootstrap.py tradingsite/up/
RUN python3 tradingsite/up/bootstrap.py pages

# --- Python packages, each checked against its hash
FROM python:3.11-slim-bookworm AS packages
COPY requirements.lock /tmp/
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements.lock

# --- the image itself
FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    VAR_DIR=/var/lib/tradewright \
    NUMBA_CACHE_DIR=/opt/numba \
    HOST=0.0.0.0 \
    PORT=8000 \
    STATIC_FROM_SOURCE=false \
    REMAP_SIGTERM=SIGQUIT \
    MALLOC_TRIM_THRESHOLD_=268435456 \
    MALLOC_MMAP_THRESHOLD_=33554432
RUN useradd --system --uid 10001 --home-dir /var/lib/tradewright tradewright \
    && install -d -o tradewright -g tradewright /var/lib/tradewright /opt/numba
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
COPY --from=pages /build/static/vendor static/vendor
# Compiling takes a minute; done here, the first backtest of a new container does not wait for it. numba knows a cached
# kernel by its file's time, of which an image keeps whole seconds only. The key serves collectstatic alone.
RUN find . -name '*.py' -exec touch -d '2026-01-01 00:00:00' {} + \
    && python -m compileall -q . \
    && python -m tradingsite.kernels \
    && SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" python manage.py collectstatic --no-input \
    && chown -R tradewright:tradewright /opt/numba
USER tradewright
VOLUME /var/lib/tradewright
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --retries=3 --start-period=5s \
    CMD ["python", "-m", "tradingsite.probe"]
CMD ["python", "-m", "tradingsite.web"]
