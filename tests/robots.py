"""A robot with every kind of joint that can be read."""

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
