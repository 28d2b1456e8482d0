"""The folder-to-package mapping; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

ROOTS = {
    "rewardax": "src/rewardax",
    "rewardax.envs": "envs",
    "rewardax.wrappers": "wrappers",
    "rewardax.agents": "agents",
    "rewardax.analysis": "analysis",
    "rewardax.experiments": "experiments",
}

setup(
    package_dir=ROOTS,
    packages=[
        package for name, path in ROOTS.items() for package in (name, *(f"{name}.{sub}" for sub in find_packages(path)))
    ],
)
