# One image for the API and the worker: docker build -t cairn .
FROM python:3.13-slim-trixie AS build
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
RUN uv venv /opt/cairn
COPY pyproject.toml requirements.lock README.md ./
# What serving needs of the lock, each file checked against its hash; the tools of development stay out.
RUN uv pip install --python /opt/cairn --require-hashes --constraints requirements.lock --requirements pyproject.toml
COPY cairn cairn
COPY workflows workflows
COPY activities activities
COPY api api
COPY worker.py ./
RUN uv pip install --python /opt/cairn --no-deps .

FROM python:3.13-slim-trixie
RUN useradd --system --uid 10001 --create-home cairn && install --directory --owner cairn --mode 700 /data
COPY --from=build /opt/cairn /opt/cairn
ENV PATH=/opt/cairn/bin:$PATH PYTHONUNBUFFERED=1 CAIRN_HOME=/data CAIRN_API_HOST=0.0.0.0
USER cairn
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["cairn", "api"]
