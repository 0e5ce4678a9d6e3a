# One image for every role; docker-compose.yml says which role a container runs.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY requirements.txt ./
COPY scripts scripts
RUN python scripts/bootstrap.py python
COPY frontend frontend
RUN python scripts/bootstrap.py frontend && rm -rf frontend/node_modules
COPY ucplatform ucplatform
COPY gateway gateway
COPY manage.py ./
RUN python scripts/bootstrap.py messages

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 1000 uc && install -d -o uc -g uc -m 700 /data
COPY --from=build /app /app
WORKDIR /app
USER uc
ENV UC_DATA_DIR=/data PYTHONUNBUFFERED=1
VOLUME /data
STOPSIGNAL SIGTERM
ENTRYPOINT ["/app/.venv/bin/python", "manage.py"]
CMD ["up"]
