import pytest

pytest.importorskip("tensorflow")

from tensorflow.tsl.profiler.protobuf import xplane_pb2

from tools.benchmarks import step_profile


def test_operations_are_summed_by_kind_and_nothing_else():
    space = xplane_pb2.XSpace()
    for plane_name in ("/host:CPU", "Task Environment"):
        plane = space.planes.add(name=plane_name)
        for number, name in enumerate(
            ("model/conv:Conv2D", "gradient/conv:Conv2D", "x:_MklMul", "Executor::Run")
        ):
            plane.event_metadata[number].name = name
        for thread in range(2):
            line = plane.lines.add(name=f"thread {thread}")
            for number in range(4):
                line.events.add(metadata_id=number, duration_ps=int(1e12))
    seconds = step_profile.sum_operations(space.SerializeToString())
    assert seconds == {"Conv2D": 4.0, "_MklMul": 2.0}
    assert list(seconds) == ["Conv2D", "_MklMul"]  # the longest first
