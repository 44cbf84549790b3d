"""Parts go to worker processes, on this machine or on a Ray cluster, and again if a worker dies with them.

The queue, the processes and the transport are joblib's; what is here is which parts are still missing.
"""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence

from lorabook import extras

__all__ = ["BACKENDS", "results"]

BACKENDS = ("loky", "ray")
"""Processes on this machine, or the workers of a Ray cluster."""

_ATTEMPTS = 3
_WAVE = 4
"""Parts for each worker between two looks at what a Ray cluster has finished."""


def results(compute: Callable, parts: Sequence, jobs: int, backend: str) -> Iterator[tuple]:
    """Pairs (part, compute(part)) as they are finished, in any order.

    When a worker dies, what is missing is submitted again, with a warning; an ordinary exception of `compute` passes
    on at once.

    Raises RuntimeError when workers have died four times in a row without finishing a part.
    """
    missing = dict.fromkeys(parts)  # a set that keeps its order
    run, deaths = _on_ray(jobs) if backend == "ray" else _on_this_machine(jobs)
    failures = 0
    while missing:
        before = len(missing)
        try:
            with run(compute, list(missing)) as finished:
                for part, result in finished:
                    del missing[part]
                    yield part, result
        except deaths as error:
            failures = failures + 1 if len(missing) == before else 1
            done = f"{len(parts) - len(missing)} of {len(parts)} parts are done"
            reason = " ".join(str(error).split())[:200]
            if failures > _ATTEMPTS:
                raise RuntimeError(
                    f"worker processes died {failures} times in a row; {done}. Parts kept in a folder (`out`) stay "
                    f"there, and running the same again continues from them. The last death: {reason}"
                ) from error
            warnings.warn(f"a worker process died; {done}, the others are submitted again", stacklevel=3)


def _on_this_machine(jobs: int):
    from concurrent.futures.process import BrokenProcessPool

    import joblib

    @contextlib.contextmanager
    def run(compute, parts):
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            parallel = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")
            finished = parallel(joblib.delayed(_with_part)(compute, part) for part in parts)
        try:
            yield finished
        finally:
            with warnings.catch_warnings():  # the reader stopped early and knows it
                warnings.simplefilter("ignore", UserWarning)
                finished.close()

    return run, BrokenProcessPool


def _on_ray(jobs: int):
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise extras.MissingPackageError(
            f'backend "ray" needs the package ray ({error}); {extras.pip_command(["cluster"])}', name="ray"
        ) from None
    import joblib

    register_ray()
    errors = ray.exceptions
    deaths = (errors.RayActorError, errors.WorkerCrashedError, errors.ObjectLostError, errors.OutOfMemoryError)

    @contextlib.contextmanager
    def run(compute, parts):
        with _ray_cluster(ray, jobs), joblib.parallel_config(backend="ray", ray_remote_args={"num_cpus": 1}):
            workers = jobs if jobs > 0 else int(ray.cluster_resources()["CPU"])
            with joblib.Parallel(n_jobs=jobs, batch_size=1, pre_dispatch="all") as parallel:
                yield _waves(parallel, compute, parts, _WAVE * workers)

    def _waves(parallel, compute, parts, size):
        for start in range(0, len(parts), size):
            wave = parts[start : start + size]
            yield from parallel(joblib.delayed(_with_part)(compute, part) for part in wave)

    return run, deaths


@contextlib.contextmanager
def _ray_cluster(ray, jobs: int):
    """The cluster that this process is connected to, or that RAY_ADDRESS names, or one of our own for the time."""
    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if os.environ.get("RAY_ADDRESS", "local") != "local":
        ray.init(**quiet)
    else:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a sweep on one's own machine is nobody else's business
        ray.init(address="local", num_cpus=jobs if jobs > 0 else None, include_dashboard=False, **quiet)
    try:
        yield
    finally:
        ray.shutdown()


def _with_part(compute: Callable, part) -> tuple:
    return part, compute(part)
