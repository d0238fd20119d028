"""This folder as an ament_python package, for colcon; the Python distribution is that of the root's pyproject.toml."""

from setuptools import setup  # type: ignore[import-untyped]

NAME = "skeletonllm_ros2"

setup(
    name=NAME,
    version="0.1.0",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", ["launch/labeler_launch.py"]),
    ],
    entry_points={"console_scripts": [f"labeler = {NAME}.ros_node:main"]},
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=True,
    license="Apache-2.0",
)
