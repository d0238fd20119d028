"""Robots: one with every kind of joint that can be read, and an industrial arm."""

ARM = """<?xml version="1.0"?>
<robot name="arm">
  <link name="base"/>
  <joint name="shoulder" type="revolute">
    <origin xyz="0 0 1" rpy="0 0 1.5707963267948966"/> <parent link="base"/> <child link="upper"/> <axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" effort="1" velocity="1"/>
  </joint>
  <link name="upper"/>
  <joint name="slide" type="prismatic">
    <origin xyz="0 0 0.5"/> <parent link="upper"/> <child link="lower"/> <axis xyz="0 0 2"/>
    <limit lower="-0.1" upper="2" effort="1" velocity="1"/>
  </joint>
  <link name="lower"/>
  <joint name="twist" type="continuous">
    <parent link="lower"/> <child link="wrist"/> <origin xyz="0 0 0.4"/> <axis xyz="0 0 1"/>
  </joint>
  <link name="wrist"/>
  <joint name="finger" type="revolute">
    <origin xyz="0.1 0 0"/> <parent link="wrist"/> <child link="finger_link"/> <axis xyz="0 1 0"/>
    <mimic joint="twist" multiplier="-2" offset="0.5"/>
  </joint>
  <link name="finger_link"/>
  <joint name="tool" type="fixed"> <origin xyz="0 0 0.1"/> <parent link="finger_link"/> <child link="tip"/> </joint>
  <link name="tip"><inertial><origin xyz="0 0 0.05"/><mass value="1"/></inertial></link>
</robot>
"""


def _six_axis_arm() -> str:
    """An arm with the proportions of a common industrial one: six revolutes, turned frames, a flange."""
    # Name, place in the link above [m], roll pitch yaw [rad], axis, limits [rad].
    rows = (
        ("shoulder_pan", (0, 0, 0.0892), (0, 0, 0), "0 0 1", 6.28),
        ("shoulder_lift", (0, 0.1358, 0), (0, 1.5707963, 0), "0 1 0", 6.28),
        ("elbow", (0, -0.1197, 0.425), (0, 0, 0), "0 1 0", 3.14),
        ("wrist_1", (0, 0, 0.3922), (0, 1.5707963, 0), "0 1 0", 6.28),
        ("wrist_2", (0, 0.093, 0), (0, 0, 0), "0 0 1", 6.28),
        ("wrist_3", (0, 0, 0.0947), (0, 0.3, -0.2), "0 -1 0", 6.28),
    )
    parts, above = ['<link name="base_link"/>'], "base_link"
    for name, place, turn, axis, limit in rows:
        xyz, rpy = (" ".join(map(str, one)) for one in (place, turn))
        parts.append(
            f'<link name="{name}_link"/><joint name="{name}_joint" type="revolute"><parent link="{above}"/>'
            f'<child link="{name}_link"/><origin xyz="{xyz}" rpy="{rpy}"/><axis xyz="{axis}"/>'
            f'<limit lower="{-limit}" upper="{limit}" effort="150" velocity="3.15"/></joint>'
        )
        above = f"{name}_link"
    parts.append(
        f'<link name="tool0"/><joint name="flange" type="fixed"><parent link="{above}"/><child link="tool0"/>'
        '<origin xyz="0 0.0823 0" rpy="-1.5707963 0 0"/></joint>'
    )
    return f'<robot name="six_axis_arm">{"".join(parts)}</robot>'


SIX_AXIS_ARM = _six_axis_arm()
