"""The process: gunicorn's configuration and worker, the threads of a worker, the probes."""
