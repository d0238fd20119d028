"""Joint lists of well-known naming conventions, written by hand: indentation is the hierarchy."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.motion.skeleton import Topology


def tree(text: str, name: str = "test") -> Topology:
    """A topology from indented names, one joint a line; several names in a line with `>` between are a chain."""
    names: list[str] = []
    parents: list[int] = []
    depth: list[tuple[int, int]] = []
    for line in text.strip("\n").splitlines():
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        while depth and depth[-1][0] >= indent:
            depth.pop()
        parent = depth[-1][1] if depth else -1
        for one in line.strip().split(" > "):
            names.append(one)
            parents.append(parent)
            parent = len(names) - 1
        depth.append((indent, parent))
    return Topology(name, tuple(names), np.array(parents))


def both(text: str, left: str, right: str) -> str:
    """The lines with the mark `@` once as the left and once as the right side."""
    return text.replace("@", left) + "\n" + text.replace("@", right)


MIXAMO = (
    """
mixamorig:Hips
  mixamorig:Spine > mixamorig:Spine1 > mixamorig:Spine2
    mixamorig:Neck > mixamorig:Head > mixamorig:HeadTop_End
"""
    + both(
        """
    mixamorig:@Shoulder > mixamorig:@Arm > mixamorig:@ForeArm > mixamorig:@Hand
      mixamorig:@HandThumb1 > mixamorig:@HandThumb2 > mixamorig:@HandThumb3 > mixamorig:@HandThumb4
      mixamorig:@HandIndex1 > mixamorig:@HandIndex2 > mixamorig:@HandIndex3 > mixamorig:@HandIndex4
      mixamorig:@HandMiddle1 > mixamorig:@HandMiddle2 > mixamorig:@HandMiddle3 > mixamorig:@HandMiddle4
""",
        "Left",
        "Right",
    )
    + both(
        "  mixamorig:@UpLeg > mixamorig:@Leg > mixamorig:@Foot > mixamorig:@ToeBase > mixamorig:@Toe_End",
        "Left",
        "Right",
    )
)

MIXAMO_UNDERSCORE = MIXAMO.replace("mixamorig:", "mixamorig1_")

HUMAN_IK = (
    """
Reference > Hips
  Spine > Spine1 > Spine2
    Neck > Head
"""
    + both(
        """
    @Shoulder > @Arm > @ForeArm > @Hand
      @HandThumb1 > @HandThumb2
      @InHandIndex > @HandIndex1 > @HandIndex2
      @ForeArmRoll
""",
        "Left",
        "Right",
    )
    + both("  @UpLeg > @Leg > @Foot > @ToeBase", "Left", "Right")
)

UNREAL = (
    """
root
  pelvis
    spine_01 > spine_02 > spine_03
      neck_01 > head
"""
    + both(
        """
      clavicle_@ > upperarm_@
        lowerarm_@
          hand_@
            index_01_@ > index_02_@ > index_03_@
            middle_01_@ > middle_02_@ > middle_03_@
            thumb_01_@ > thumb_02_@ > thumb_03_@
          lowerarm_twist_01_@
        upperarm_twist_01_@
""",
        "l",
        "r",
    )
    + both(
        """
    thigh_@
      calf_@
        foot_@ > ball_@
        calf_twist_01_@
      thigh_twist_01_@
""",
        "l",
        "r",
    )
    + """
  ik_foot_root
    ik_foot_l
    ik_foot_r
  ik_hand_root > ik_hand_gun
    ik_hand_l
    ik_hand_r
"""
)

RIGIFY = (
    """
root
  DEF-spine
    DEF-pelvis.L
    DEF-pelvis.R
    DEF-spine.001 > DEF-spine.002 > DEF-spine.003
      DEF-spine.004 > DEF-spine.005 > DEF-spine.006
        DEF-forehead.L
        DEF-jaw > DEF-chin
      DEF-breast.L
      DEF-breast.R
"""
    + both(
        """
      DEF-shoulder.@ > DEF-upper_arm.@ > DEF-upper_arm.@.001 > DEF-forearm.@ > DEF-forearm.@.001 > DEF-hand.@
        DEF-palm.01.@ > DEF-f_index.01.@ > DEF-f_index.02.@
        DEF-palm.02.@ > DEF-f_middle.01.@ > DEF-f_middle.02.@
        DEF-thumb.01.@ > DEF-thumb.02.@
""",
        "L",
        "R",
    )
    + both("    DEF-thigh.@ > DEF-thigh.@.001 > DEF-shin.@ > DEF-shin.@.001 > DEF-foot.@ > DEF-toe.@", "L", "R")
    + """
  ORG-thigh.L > ORG-shin.L > ORG-foot.L
  MCH-thigh_ik.L > MCH-shin_ik.L
"""
)

SMPL = """
Pelvis
  L_Hip > L_Knee > L_Ankle > L_Foot
  R_Hip > R_Knee > R_Ankle > R_Foot
  Spine1 > Spine2 > Spine3
    Neck > Head
    L_Collar > L_Shoulder > L_Elbow > L_Wrist > L_Hand
    R_Collar > R_Shoulder > R_Elbow > R_Wrist > R_Hand
"""

SMPLX = """
pelvis
  left_hip > left_knee > left_ankle > left_foot
  right_hip > right_knee > right_ankle > right_foot
  spine1 > spine2 > spine3
    neck > head
      jaw
      left_eye_smplhf
      right_eye_smplhf
""" + both(
    """
    @_collar > @_shoulder > @_elbow > @_wrist
      @_index1 > @_index2 > @_index3
      @_middle1 > @_middle2 > @_middle3
      @_thumb1 > @_thumb2 > @_thumb3
""",
    "left",
    "right",
)

KINECT2 = """
SpineBase
  SpineMid > SpineShoulder
    Neck > Head
    ShoulderLeft > ElbowLeft > WristLeft > HandLeft
      HandTipLeft
      ThumbLeft
    ShoulderRight > ElbowRight > WristRight > HandRight
      HandTipRight
      ThumbRight
  HipLeft > KneeLeft > AnkleLeft > FootLeft
  HipRight > KneeRight > AnkleRight > FootRight
"""

BIPED = """
Bip01
  Bip01 Footsteps
  Bip01 Pelvis
    Bip01 Spine
      Bip01 L Thigh > Bip01 L Calf > Bip01 L Foot > Bip01 L Toe0 > Bip01 L Toe0Nub
      Bip01 R Thigh > Bip01 R Calf > Bip01 R Foot > Bip01 R Toe0 > Bip01 R Toe0Nub
      Bip01 Spine1 > Bip01 Neck
        Bip01 Head > Bip01 HeadNub
        Bip01 Ponytail1 > Bip01 Ponytail11
""" + both(
    """
        Bip01 @ Clavicle > Bip01 @ UpperArm > Bip01 @ Forearm > Bip01 @ Hand
          Bip01 @ Finger0 > Bip01 @ Finger01 > Bip01 @ Finger0Nub
          Bip01 @ Finger1 > Bip01 @ Finger11
          Bip01 @ Finger2 > Bip01 @ Finger21
""",
    "L",
    "R",
)

MMD = """
全ての親 > センター > グルーブ > 腰
  下半身
    左足 > 左ひざ > 左足首 > 左つま先
    右足 > 右ひざ > 右足首 > 右つま先
    左足D > 左ひざD > 左足首D > 左足先EX
    腰キャンセル左
  上半身 > 上半身2
    首 > 頭
      両目
      左目
      右目
    左肩P > 左肩
      左腕 > 左腕捩 > 左ひじ > 左手捩 > 左手首
        左親指０ > 左親指１
        左人指１ > 左人指２
        左中指１ > 左中指２
    右肩P > 右肩
      右腕 > 右腕捩 > 右ひじ > 右手捩 > 右手首
        右親指０ > 右親指１
        右人指１ > 右人指２
        右中指１ > 右中指２
左足ＩＫ > 左つま先ＩＫ
右足ＩＫ > 右つま先ＩＫ
"""

MMD_HALF_WIDTH = MMD.replace("センター", "ｾﾝﾀｰ").replace("グルーブ", "ｸﾞﾙｰﾌﾞ")

POSER = """
hip
  abdomen > chest
    neck > head
      lEye
      rEye
    lCollar > lShldr > lForeArm > lHand
      lThumb1 > lThumb2
      lIndex1 > lIndex2
      lMid1 > lMid2
    rCollar > rShldr > rForeArm > rHand
      rThumb1 > rThumb2
      rIndex1 > rIndex2
      rMid1 > rMid2
  lButtock > lThigh > lShin > lFoot > lToe
  rButtock > rThigh > rShin > rFoot > rToe
"""

DAZ = """
hip
  pelvis
    lThighBend > lThighTwist > lShin > lFoot > lMetatarsals > lToe
      lBigToe
      lSmallToe1
    rThighBend > rThighTwist > rShin > rFoot > rMetatarsals > rToe
      rBigToe
      rSmallToe1
  abdomenLower > abdomenUpper > chestLower
    chestUpper
      neckLower > neckUpper > head
        lowerJaw
        lEye
      lCollar > lShldrBend > lShldrTwist > lForearmBend > lForearmTwist > lHand
        lThumb1 > lThumb2
        lCarpal1 > lIndex1 > lIndex2
        lCarpal2 > lMid1 > lMid2
      rCollar > rShldrBend > rShldrTwist > rForearmBend > rForearmTwist > rHand
        rThumb1 > rThumb2
        rCarpal1 > rIndex1 > rIndex2
        rCarpal2 > rMid1 > rMid2
    lPectoral
    rPectoral
"""

CHARACTER_CREATOR = (
    """
RL_BoneRoot > CC_Base_Hip
  CC_Base_Pelvis
"""
    + both(
        """
    CC_Base_@_Thigh
      CC_Base_@_Calf
        CC_Base_@_Foot
          CC_Base_@_ToeBaseShareBone
          CC_Base_@_ToeBase
            CC_Base_@_PinkyToe1
            CC_Base_@_BigToe1
        CC_Base_@_CalfTwist01 > CC_Base_@_CalfTwist02
        CC_Base_@_KneeShareBone
      CC_Base_@_ThighTwist01 > CC_Base_@_ThighTwist02
""",
        "L",
        "R",
    )
    + """
  CC_Base_Waist > CC_Base_Spine01 > CC_Base_Spine02
    CC_Base_NeckTwist01 > CC_Base_NeckTwist02 > CC_Base_Head > CC_Base_FacialBone
      CC_Base_JawRoot > CC_Base_Tongue01 > CC_Base_Tongue02
      CC_Base_R_Eye
      CC_Base_L_Eye
      CC_Base_UpperJaw > CC_Base_Teeth01
    CC_Base_R_RibsTwist > CC_Base_R_Breast
    CC_Base_L_RibsTwist > CC_Base_L_Breast
"""
    + both(
        """
    CC_Base_@_Clavicle > CC_Base_@_Upperarm
      CC_Base_@_UpperarmTwist01 > CC_Base_@_UpperarmTwist02
      CC_Base_@_Forearm
        CC_Base_@_ForearmTwist01
        CC_Base_@_ElbowShareBone
        CC_Base_@_Hand
          CC_Base_@_Thumb1 > CC_Base_@_Thumb2
          CC_Base_@_Index1 > CC_Base_@_Index2
          CC_Base_@_Mid1 > CC_Base_@_Mid2
""",
        "L",
        "R",
    )
)

MAKE_HUMAN = """
root
  spine05 > spine04 > spine03 > spine02
    spine01
      neck01 > neck02 > neck03 > head
        jaw > tongue00
        eye.L
        eye.R
      clavicle.L > shoulder01.L > upperarm01.L > upperarm02.L > lowerarm01.L > lowerarm02.L > wrist.L
        finger1-1.L > finger1-2.L
        metacarpal2.L > finger3-1.L > finger3-2.L
      clavicle.R > shoulder01.R > upperarm01.R > upperarm02.R > lowerarm01.R > lowerarm02.R > wrist.R
        finger1-1.R > finger1-2.R
        metacarpal2.R > finger3-1.R > finger3-2.R
    breast.L
    breast.R
  pelvis.L > upperleg01.L > upperleg02.L > lowerleg01.L > lowerleg02.L > foot.L
    toe1-1.L > toe1-2.L
    toe2-1.L
  pelvis.R > upperleg01.R > upperleg02.R > lowerleg01.R > lowerleg02.R > foot.R
    toe1-1.R > toe1-2.R
    toe2-1.R
"""

VRM = """
Root > J_Bip_C_Hips
  J_Bip_C_Spine > J_Bip_C_Chest > J_Bip_C_UpperChest
    J_Bip_C_Neck > J_Bip_C_Head
      J_Adj_L_FaceEye
      J_Adj_R_FaceEye
      J_Sec_Hair1_01 > J_Sec_Hair2_01
    J_Sec_L_Bust1 > J_Sec_L_Bust2
    J_Bip_L_Shoulder > J_Bip_L_UpperArm > J_Bip_L_LowerArm > J_Bip_L_Hand
      J_Bip_L_Index1 > J_Bip_L_Index2
      J_Bip_L_Middle1 > J_Bip_L_Middle2
      J_Bip_L_Thumb1 > J_Bip_L_Thumb2
    J_Bip_R_Shoulder > J_Bip_R_UpperArm > J_Bip_R_LowerArm > J_Bip_R_Hand
      J_Bip_R_Index1 > J_Bip_R_Index2
      J_Bip_R_Middle1 > J_Bip_R_Middle2
      J_Bip_R_Thumb1 > J_Bip_R_Thumb2
  J_Bip_L_UpperLeg > J_Bip_L_LowerLeg > J_Bip_L_Foot > J_Bip_L_ToeBase
  J_Bip_R_UpperLeg > J_Bip_R_LowerLeg > J_Bip_R_Foot > J_Bip_R_ToeBase
"""

ROS_HUMAN = """
body_r2l4x
  r_waist_r2l4x > y_waist_r2l4x > waist_r2l4x
    r_head_r2l4x > y_head_r2l4x > p_head_r2l4x
    l_y_shoulder_r2l4x > l_p_shoulder_r2l4x > l_r_shoulder_r2l4x > l_elbow_r2l4x > l_wrist_r2l4x
    r_y_shoulder_r2l4x > r_p_shoulder_r2l4x > r_r_shoulder_r2l4x > r_elbow_r2l4x > r_wrist_r2l4x
  l_y_hip_r2l4x > l_p_hip_r2l4x > l_r_hip_r2l4x > l_knee_r2l4x > l_ankle_r2l4x
  r_y_hip_r2l4x > r_p_hip_r2l4x > r_r_hip_r2l4x > r_knee_r2l4x > r_ankle_r2l4x
"""

CMU_ASF = """
root
  lhipjoint > lfemur > ltibia > lfoot > ltoes
  rhipjoint > rfemur > rtibia > rfoot > rtoes
  lowerback > upperback > thorax
    lowerneck > upperneck > head
    lclavicle > lhumerus > lradius > lwrist > lhand
      lfingers
      lthumb
    rclavicle > rhumerus > rradius > rwrist > rhand
      rfingers
      rthumb
"""

CMU_MOTION_BUILDER = """
Hips
  LHipJoint > LeftUpLeg > LeftLeg > LeftFoot > LeftToeBase
  RHipJoint > RightUpLeg > RightLeg > RightFoot > RightToeBase
  LowerBack > Spine > Spine1
    Neck > Neck1 > Head
    LeftShoulder > LeftArm > LeftForeArm > LeftHand
      LeftFingerBase > LeftHandIndex1
      LThumb
    RightShoulder > RightArm > RightForeArm > RightHand
      RightFingerBase > RightHandIndex1
      RThumb
"""

CMU_JOINTS = """
Hips
  LHipJoint > LeftHip > LeftKnee > LeftAnkle > LeftToe
  RHipJoint > RightHip > RightKnee > RightAnkle > RightToe
  lowerback > Chest > Chest2
    lowerneck > Neck > Head
    LeftCollar > LeftShoulder > LeftElbow > LeftWrist > lhand
      LFingers
      LThumb
    RightCollar > RightShoulder > RightElbow > RightWrist > rhand
      RFingers
      RThumb
"""

GAME = """
Root
  Body
    Hips > Abdomen > Torso > Chest
      Neck > Head
      Shoulder.L > UpperArm.L > LowerArm.L > Hand.L
      Shoulder.R > UpperArm.R > LowerArm.R > Hand.R > Weapon
    UpperLeg.L > LowerLeg.L
    UpperLeg.R > LowerLeg.R
  Foot.L
  PT.L
  Foot.R
  PT.R
"""

MINIMAL = """
pelvis
  torso
    head
    lshoulder > lelbow > lwrist
    rshoulder > relbow > rwrist
  lhip > lknee > lankle
  rhip > rknee > rankle
"""

# Feet and pole targets hang from the root, helpers from the body (Quaternius).
ASTRONAUT = """
Root
  Body
    Hips > Abdomen > Torso
      Neck > Head
      Shoulder.L > UpperArm.L > LowerArm.L
        Middle1.L > Middle2.L > Middle3.L
        Index1.L > Index2.L > Index3.L
        Thumb1.L > Thumb2.L
      Shoulder.R > UpperArm.R > LowerArm.R
        Middle1.R > Middle2.R > Middle3.R
        Index1.R > Index2.R > Index3.R
        Thumb1.R > Thumb2.R
    UpperLeg.L > LowerLeg.L
    UpperLeg.R > LowerLeg.R
  Foot.L
  PoleTarget.L
  Foot.R
  PoleTarget.R
"""

UNITREE_G1 = (
    """
pelvis
  pelvis_contour_link
  waist_yaw_link > waist_roll_link > torso_link
    logo_link
    head_link
    imu_link
    d435_link
    mid360_link
"""
    + both(
        """
    @_shoulder_pitch_link > @_shoulder_roll_link > @_shoulder_yaw_link > @_elbow_link > @_wrist_roll_link > @_rubber_hand
""",
        "left",
        "right",
    )
    + both(
        """
  @_hip_pitch_link > @_hip_roll_link > @_hip_yaw_link > @_knee_link > @_ankle_pitch_link > @_ankle_roll_link
""",
        "left",
        "right",
    )
)

MUJOCO_HUMANOID = """
pelvis
  torso
    head
    right_upper_arm > right_lower_arm > right_hand
    left_upper_arm > left_lower_arm > left_hand
  right_thigh > right_shin > right_foot
  left_thigh > left_shin > left_foot
"""

VALVE = """
ValveBiped.Bip01_Pelvis
  ValveBiped.Bip01_Spine > ValveBiped.Bip01_Spine1 > ValveBiped.Bip01_Spine2 > ValveBiped.Bip01_Spine4
    ValveBiped.Bip01_Neck1 > ValveBiped.Bip01_Head1
    ValveBiped.Bip01_L_Clavicle > ValveBiped.Bip01_L_UpperArm > ValveBiped.Bip01_L_Forearm > ValveBiped.Bip01_L_Hand
    ValveBiped.Bip01_R_Clavicle > ValveBiped.Bip01_R_UpperArm > ValveBiped.Bip01_R_Forearm > ValveBiped.Bip01_R_Hand
  ValveBiped.Bip01_L_Thigh > ValveBiped.Bip01_L_Calf > ValveBiped.Bip01_L_Foot > ValveBiped.Bip01_L_Toe0
  ValveBiped.Bip01_R_Thigh > ValveBiped.Bip01_R_Calf > ValveBiped.Bip01_R_Foot > ValveBiped.Bip01_R_Toe0
"""

HORSE = """
root
  hips
    spine_1 > spine_2 > spine_3 > spine_4
      spine_5 > spine_6 > head
        ear_1_l
        ear_1_r
        nose > mouth
      front_scapula_l > front_humerus_l > front_leg_upper_l > front_leg_lower_l > front_leg_ankle_l > front_leg_foot_l
      front_scapula_r > front_humerus_r > front_leg_upper_r > front_leg_lower_r > front_leg_ankle_r > front_leg_foot_r
    tail_1 > tail_2 > tail_3
    back_leg_pelvis_l > back_leg_upper_l > back_leg_lower_l > back_leg_ankle_l > back_leg_foot_l > back_leg_toe_l
    back_leg_pelvis_r > back_leg_upper_r > back_leg_lower_r > back_leg_ankle_r > back_leg_foot_r > back_leg_toe_r
"""


# Legs end where the targets of their inverse kinematics are; the snake and the dolphin have no limbs (Quaternius).
DEER = """
Armature
  Body
    Back
      Torso > Torso2
        Neck1 > Head
          Ear1.L
        FrontShoulder.L > FrontUpperLeg.L > FrontLowerLeg.L
        FrontShoulder.R > FrontUpperLeg.R > FrontLowerLeg.R
      BackLeg.L > BackUpperLeg.L > BackLowerLeg.L
      BackLeg.R > BackUpperLeg.R > BackLowerLeg.R
      Tail1 > Tail2
    PoleTarget.L
  IKBackLeg.L > FFB.L
  IKBackLeg.R > FFB.R
  IKFrontLeg.L > FF.L
  IKFrontLeg.R > FF.R
"""

SNAKE = """
RootNode > SnakeArmature > Root
  Body > Chest > Neck > Head
  Tail > Tail1 > Tail2
  PoleTarget
  Mouth > Tongue1
"""

DOLPHIN = """
Armature > Root
  Spine1 > Spine2 > Spine3 > Tail
  Head
  TopFlipper.L > MidFlipper.L > BottomFlipper.L
  TopFlipper.R > MidFlipper.R > BottomFlipper.R
"""

TREX = """
root
  Body
    FrontUpLeg.L > FrontLowLeg.L > FrontFoot.L
    FrontUpLeg.R > FrontLowLeg.R > FrontFoot.R
    BackUpLeg.L > BackLowLeg.L
    BackUpLeg.R > BackLowLeg.R
    Back > Tail1 > Tail2
    Hips > Torso > Shoulders > Neck > Head
  BackFoot.L
  BackFoot.R
"""


def listed(text: str) -> dict[str, str]:
    """ "part: joint; part: joint" as a dictionary."""
    return dict(row.strip().split(": ") for row in " ".join(text.split()).split(";"))


def split(text: str) -> list[str]:
    """Names between semicolons."""
    return [name.strip() for name in " ".join(text.split()).split(";")]


# What each convention calls the joints that matter; "@" stands for the letters of a side as given.
EXPECTED: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "mixamo": (
        MIXAMO,
        "Left",
        "Right",
        listed(
            """
            pelvis: mixamorig:Hips; spine: mixamorig:Spine; chest: mixamorig:Spine2; neck:
            mixamorig:Neck; head: mixamorig:Head; clavicle: mixamorig:@Shoulder; upper_arm:
            mixamorig:@Arm; forearm: mixamorig:@ForeArm; hand: mixamorig:@Hand; fingers:
            mixamorig:@HandMiddle1; thigh: mixamorig:@UpLeg; shin: mixamorig:@Leg; foot:
            mixamorig:@Foot; toes: mixamorig:@ToeBase
            """
        ),
    ),
    "mixamo underscore": (
        MIXAMO_UNDERSCORE,
        "Left",
        "Right",
        listed(
            """
            pelvis: mixamorig1_Hips; head: mixamorig1_Head; clavicle: mixamorig1_@Shoulder;
            upper_arm: mixamorig1_@Arm; hand: mixamorig1_@Hand; shin: mixamorig1_@Leg; foot:
            mixamorig1_@Foot
            """
        ),
    ),
    "human ik": (
        HUMAN_IK,
        "Left",
        "Right",
        listed(
            """
            pelvis: Hips; chest: Spine2; head: Head; clavicle: @Shoulder; upper_arm: @Arm; forearm:
            @ForeArm; hand: @Hand; thigh: @UpLeg; shin: @Leg; foot: @Foot; toes: @ToeBase
            """
        ),
    ),
    "unreal": (
        UNREAL,
        "l",
        "r",
        listed(
            """
            pelvis: pelvis; spine: spine_01; chest: spine_03; neck: neck_01; head: head; clavicle:
            clavicle_@; upper_arm: upperarm_@; forearm: lowerarm_@; hand: hand_@; fingers:
            middle_01_@; thigh: thigh_@; shin: calf_@; foot: foot_@; toes: ball_@
            """
        ),
    ),
    "rigify": (
        RIGIFY,
        "L",
        "R",
        listed(
            """
            pelvis: DEF-spine; spine: DEF-spine.001; chest: DEF-spine.003; neck: DEF-spine.004;
            head: DEF-spine.006; clavicle: DEF-shoulder.@; upper_arm: DEF-upper_arm.@; forearm:
            DEF-forearm.@; hand: DEF-hand.@; fingers: DEF-f_middle.01.@; thigh: DEF-thigh.@; shin:
            DEF-shin.@; foot: DEF-foot.@; toes: DEF-toe.@
            """
        ),
    ),
    "smpl": (
        SMPL,
        "L",
        "R",
        listed(
            """
            pelvis: Pelvis; spine: Spine1; chest: Spine3; neck: Neck; head: Head; clavicle:
            @_Collar; upper_arm: @_Shoulder; forearm: @_Elbow; hand: @_Wrist; fingers: @_Hand;
            thigh: @_Hip; shin: @_Knee; foot: @_Ankle; toes: @_Foot
            """
        ),
    ),
    "smpl-x": (
        SMPLX,
        "left",
        "right",
        listed(
            """
            pelvis: pelvis; chest: spine3; head: head; clavicle: @_collar; upper_arm: @_shoulder;
            hand: @_wrist; fingers: @_middle1; thigh: @_hip; foot: @_ankle; toes: @_foot
            """
        ),
    ),
    "kinect v2": (
        KINECT2,
        "Left",
        "Right",
        listed(
            """
            pelvis: SpineBase; spine: SpineMid; chest: SpineShoulder; neck: Neck; head: Head;
            upper_arm: Shoulder@; forearm: Elbow@; hand: Wrist@; fingers: HandTip@; thigh: Hip@;
            shin: Knee@; foot: Ankle@; toes: Foot@
            """
        ),
    ),
    "biped": (
        BIPED,
        "L",
        "R",
        listed(
            """
            pelvis: Bip01 Pelvis; neck: Bip01 Neck; head: Bip01 Head; clavicle: Bip01 @ Clavicle;
            upper_arm: Bip01 @ UpperArm; forearm: Bip01 @ Forearm; hand: Bip01 @ Hand; fingers:
            Bip01 @ Finger2; thigh: Bip01 @ Thigh; shin: Bip01 @ Calf; foot: Bip01 @ Foot; toes:
            Bip01 @ Toe0
            """
        ),
    ),
    "mmd": (
        MMD,
        "左",
        "右",
        listed(
            """
            spine: 上半身; chest: 上半身2; neck: 首; head: 頭; clavicle: @肩; upper_arm: @腕; forearm: @ひじ;
            hand: @手首; fingers: @中指１; thigh: @足; shin: @ひざ; foot: @足首; toes: @つま先; pelvis: 下半身
            """
        ),
    ),
    "mmd half width": (
        MMD_HALF_WIDTH,
        "左",
        "右",
        listed(
            """
            head: 頭; hand: @手首; foot: @足首; pelvis: 下半身
            """
        ),
    ),
    "poser": (
        POSER,
        "l",
        "r",
        listed(
            """
            pelvis: hip; spine: abdomen; chest: chest; neck: neck; head: head; clavicle: @Collar;
            upper_arm: @Shldr; forearm: @ForeArm; hand: @Hand; fingers: @Mid1; thigh: @Thigh; shin:
            @Shin; foot: @Foot; toes: @Toe
            """
        ),
    ),
    "daz": (
        DAZ,
        "l",
        "r",
        listed(
            """
            pelvis: hip; spine: abdomenLower; chest: chestUpper; head: head; clavicle: @Collar;
            upper_arm: @ShldrBend; forearm: @ForearmBend; hand: @Hand; fingers: @Mid1; thigh:
            @ThighBend; shin: @Shin; foot: @Foot; toes: @Toe
            """
        ),
    ),
    "character creator": (
        CHARACTER_CREATOR,
        "L",
        "R",
        listed(
            """
            pelvis: CC_Base_Hip; spine: CC_Base_Waist; chest: CC_Base_Spine02; neck:
            CC_Base_NeckTwist01; head: CC_Base_Head; clavicle: CC_Base_@_Clavicle; upper_arm:
            CC_Base_@_Upperarm; forearm: CC_Base_@_Forearm; hand: CC_Base_@_Hand; fingers:
            CC_Base_@_Mid1; thigh: CC_Base_@_Thigh; shin: CC_Base_@_Calf; foot: CC_Base_@_Foot;
            toes: CC_Base_@_ToeBase
            """
        ),
    ),
    "makehuman": (
        MAKE_HUMAN,
        "L",
        "R",
        listed(
            """
            pelvis: root; chest: spine01; neck: neck01; head: head; clavicle: clavicle.@; upper_arm:
            upperarm01.@; forearm: lowerarm01.@; hand: wrist.@; thigh: upperleg01.@; shin:
            lowerleg01.@; foot: foot.@; toes: toe1-1.@
            """
        ),
    ),
    "vrm": (
        VRM,
        "L",
        "R",
        listed(
            """
            pelvis: J_Bip_C_Hips; spine: J_Bip_C_Spine; chest: J_Bip_C_UpperChest; neck:
            J_Bip_C_Neck; head: J_Bip_C_Head; clavicle: J_Bip_@_Shoulder; upper_arm:
            J_Bip_@_UpperArm; forearm: J_Bip_@_LowerArm; hand: J_Bip_@_Hand; fingers:
            J_Bip_@_Middle1; thigh: J_Bip_@_UpperLeg; shin: J_Bip_@_LowerLeg; foot: J_Bip_@_Foot;
            toes: J_Bip_@_ToeBase
            """
        ),
    ),
    "ros human": (
        ROS_HUMAN,
        "l",
        "r",
        listed(
            """
            pelvis: body_r2l4x; head: r_head_r2l4x; upper_arm: @_y_shoulder_r2l4x; forearm:
            @_elbow_r2l4x; hand: @_wrist_r2l4x; thigh: @_y_hip_r2l4x; shin: @_knee_r2l4x; foot:
            @_ankle_r2l4x
            """
        ),
    ),
    "cmu asf": (
        CMU_ASF,
        "l",
        "r",
        listed(
            """
            pelvis: root; spine: lowerback; chest: thorax; neck: lowerneck; head: head; clavicle:
            @clavicle; upper_arm: @humerus; forearm: @radius; hand: @wrist; fingers: @fingers;
            thigh: @femur; shin: @tibia; foot: @foot; toes: @toes
            """
        ),
    ),
    "cmu motionbuilder": (
        CMU_MOTION_BUILDER,
        "Left",
        "Right",
        listed(
            """
            pelvis: Hips; chest: Spine1; head: Head; clavicle: @Shoulder; upper_arm: @Arm; forearm:
            @ForeArm; hand: @Hand; thigh: @UpLeg; shin: @Leg; foot: @Foot; toes: @ToeBase
            """
        ),
    ),
    "cmu joints": (
        CMU_JOINTS,
        "Left",
        "Right",
        listed(
            """
            pelvis: Hips; chest: Chest2; head: Head; clavicle: @Collar; upper_arm: @Shoulder;
            forearm: @Elbow; hand: @Wrist; thigh: @Hip; shin: @Knee; foot: @Ankle; toes: @Toe
            """
        ),
    ),
    "game": (
        GAME,
        "L",
        "R",
        listed(
            """
            pelvis: Body; chest: Chest; head: Head; clavicle: Shoulder.@; upper_arm: UpperArm.@;
            forearm: LowerArm.@; hand: Hand.@; thigh: UpperLeg.@; shin: LowerLeg.@; foot: Foot.@
            """
        ),
    ),
    "minimal": (
        MINIMAL,
        "l",
        "r",
        listed(
            """
            pelvis: pelvis; chest: torso; head: head; upper_arm: @shoulder; forearm: @elbow; hand:
            @wrist; thigh: @hip; shin: @knee; foot: @ankle
            """
        ),
    ),
    "astronaut": (
        ASTRONAUT,
        "L",
        "R",
        listed(
            """
            pelvis: Body; spine: Abdomen; chest: Torso; neck: Neck; head: Head; clavicle: Shoulder.@; upper_arm:
            UpperArm.@; forearm: LowerArm.@; hand: Middle1.@; fingers: Middle2.@; thigh: UpperLeg.@; shin: LowerLeg.@;
            foot: Foot.@
            """
        ),
    ),
    "unitree g1": (
        UNITREE_G1,
        "left",
        "right",
        listed(
            """
            pelvis: pelvis; chest: torso_link; head: head_link; upper_arm: @_shoulder_pitch_link; forearm:
            @_elbow_link; hand: @_wrist_roll_link; fingers: @_rubber_hand; thigh: @_hip_pitch_link; shin: @_knee_link;
            foot: @_ankle_pitch_link
            """
        ),
    ),
    "mujoco humanoid": (
        MUJOCO_HUMANOID,
        "left",
        "right",
        listed(
            """
            pelvis: pelvis; chest: torso; head: head; upper_arm: @_upper_arm; forearm: @_lower_arm; hand: @_hand;
            thigh: @_thigh; shin: @_shin; foot: @_foot
            """
        ),
    ),
    "valve": (
        VALVE,
        "L",
        "R",
        listed(
            """
            pelvis: ValveBiped.Bip01_Pelvis; chest: ValveBiped.Bip01_Spine4; head:
            ValveBiped.Bip01_Head1; clavicle: ValveBiped.Bip01_@_Clavicle; upper_arm:
            ValveBiped.Bip01_@_UpperArm; hand: ValveBiped.Bip01_@_Hand; thigh:
            ValveBiped.Bip01_@_Thigh; shin: ValveBiped.Bip01_@_Calf; foot: ValveBiped.Bip01_@_Foot;
            toes: ValveBiped.Bip01_@_Toe0
            """
        ),
    ),
}

# Joints that are not drawn.
HELPERS: dict[str, list[str]] = {
    "unreal": split(
        """
        root; ik_foot_l; ik_hand_gun; calf_twist_01_l; thumb_01_r; middle_02_l; index_01_l;
        ik_foot_root
        """
    ),
    "rigify": split(
        """
        root; DEF-jaw; DEF-breast.L; ORG-shin.L; MCH-thigh_ik.L; DEF-f_index.01.L; DEF-pelvis.L
        """
    ),
    "mixamo": split(
        """
        mixamorig:HeadTop_End; mixamorig:LeftHandThumb1; mixamorig:LeftHandIndex1;
        mixamorig:LeftToe_End
        """
    ),
    "character creator": split(
        """
        RL_BoneRoot; CC_Base_L_CalfTwist01; CC_Base_FacialBone; CC_Base_L_Eye; CC_Base_Teeth01;
        CC_Base_L_PinkyToe1; CC_Base_L_RibsTwist; CC_Base_R_Breast; CC_Base_L_ElbowShareBone;
        CC_Base_L_Index1; CC_Base_L_Thumb1; CC_Base_Tongue02
        """
    ),
    "mmd": split(
        """
        全ての親; センター; 左足ＩＫ; 左つま先ＩＫ; 左目; 左腕捩; 左肩P; 左ひざD; 左足D; 左親指０
        """
    ),
    "daz": split(
        """
        lBigToe; lSmallToe1; lowerJaw; lEye; lPectoral; lThumb1; lIndex1; lCarpal1
        """
    ),
    "biped": split(
        """
        Bip01; Bip01 Footsteps; Bip01 L Toe0Nub; Bip01 HeadNub; Bip01 Ponytail1; Bip01 L Finger0
        """
    ),
    "vrm": split(
        """
        Root; J_Adj_L_FaceEye; J_Sec_Hair1_01; J_Sec_L_Bust1; J_Bip_L_Thumb1
        """
    ),
    "kinect v2": split(
        """
        ThumbLeft; ThumbRight
        """
    ),
    "game": split(
        """
        Root; PT.L; Weapon
        """
    ),
    "astronaut": split(
        """
        Root; PoleTarget.L; PoleTarget.R; Middle3.L; Index1.R; Thumb1.L
        """
    ),
    "unitree g1": split(
        """
        logo_link; imu_link; d435_link; mid360_link
        """
    ),
    "makehuman": split(
        """
        jaw; tongue00; eye.L; breast.R; finger1-1.L; metacarpal2.L; toe2-1.L
        """
    ),
}


def walker(frames: int = 60, speed: float = 1.2, fps: float = 30.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Joint tracks (T, 3) [m] of a person 1.7 m tall who walks along +Z, left is +X, Y up; keys are SMPL-like names."""
    noise = np.random.default_rng(seed)
    time = np.arange(frames) / fps
    phase = 2 * np.pi * 0.9 * time + noise.uniform(0, 6)

    def point(x: float, y: float, z: float) -> np.ndarray:
        return np.stack([np.full(frames, x), np.full(frames, y), z + speed * time], axis=1)

    def swing(angle: np.ndarray, length: float) -> np.ndarray:
        """A bone hanging down, turned forward by `angle` [rad]."""
        return length * np.stack([0 * angle, -np.cos(angle), np.sin(angle)], axis=1)

    body = {
        "pelvis": point(0, 0.93, 0),
        "spine1": point(0, 1.03, 0.0),
        "spine2": point(0, 1.16, 0.01),
        "chest": point(0, 1.28, 0.0),
        "neck": point(0, 1.44, -0.01),
        "head": point(0, 1.53, 0.02),
        "head_top": point(0, 1.70, 0.02),
    }
    for side, sign, shift in (("l", 1, 0.0), ("r", -1, np.pi)):
        thigh = 0.4 * np.sin(phase + shift)
        knee = 0.12 + 0.5 * np.clip(np.cos(phase + shift), 0, None)
        hip = point(0.09 * sign, 0.90, 0)
        shin = hip + swing(thigh, 0.42)
        ankle = shin + swing(thigh - knee, 0.42)
        toes = ankle + np.stack([0 * time, -0.06 - 0 * time, 0.14 + 0 * time], axis=1)
        arm = 0.35 * np.sin(phase + shift + np.pi)
        bend = 0.3 + 0.15 * np.sin(phase + shift)
        clavicle = point(0.03 * sign, 1.38, 0)
        shoulder = point(0.18 * sign, 1.39, -0.01)
        elbow = shoulder + swing(arm, 0.29)
        wrist = elbow + swing(arm + bend, 0.25)
        body |= {
            f"{side}_thigh": hip,
            f"{side}_thigh_middle": (hip + shin) / 2,
            f"{side}_shin": shin,
            f"{side}_shin_middle": (shin + ankle) / 2,
            f"{side}_foot": ankle,
            f"{side}_toes": toes,
            f"{side}_toe_end": toes + np.array([0, -0.01, 0.06]),
            f"{side}_clavicle": clavicle,
            f"{side}_upper_arm": shoulder,
            f"{side}_forearm": elbow,
            f"{side}_hand": wrist,
            f"{side}_fingers": wrist + swing(arm + bend, 0.09),
            f"{side}_finger_end": wrist + swing(arm + bend, 0.13),
            f"{side}_thumb": wrist + swing(arm + bend + 0.6, 0.06),
            f"{side}_hip_joint": body["pelvis"],
            f"{side}_twist": (shoulder + elbow) / 2,
            f"{side}_eye": body["head"] + [0.03 * sign, 0.05, 0.08],
        }
    return body


BODY = """
pelvis
  l_thigh > l_shin > l_foot > l_toes
  r_thigh > r_shin > r_foot > r_toes
  spine1 > spine2 > chest
    neck > head
    l_clavicle > l_upper_arm > l_forearm > l_hand
    r_clavicle > r_upper_arm > r_forearm > r_hand
"""

BODIES: dict[str, str] = {
    "22 joints": BODY,
    "15 joints": """
pelvis
  l_thigh > l_shin > l_foot
  r_thigh > r_shin > r_foot
  chest
    head
    l_upper_arm > l_forearm > l_hand
    r_upper_arm > r_forearm > r_hand
""",
    "cmu": """
pelvis
  l_hip_joint > l_thigh > l_shin > l_foot > l_toes > l_toe_end
  r_hip_joint > r_thigh > r_shin > r_foot > r_toes > r_toe_end
  spine1 > spine2 > chest
    neck > head > head_top
    l_clavicle > l_upper_arm > l_forearm > l_hand
      l_fingers > l_finger_end
      l_thumb
    r_clavicle > r_upper_arm > r_forearm > r_hand
      r_fingers > r_finger_end
      r_thumb
""",
    "segments": """
pelvis
  l_thigh > l_thigh_middle > l_shin > l_shin_middle > l_foot > l_toes
  r_thigh > r_thigh_middle > r_shin > r_shin_middle > r_foot > r_toes
  spine1 > chest
    neck > head
    l_clavicle > l_upper_arm
      l_forearm > l_hand
      l_twist
    r_clavicle > r_upper_arm
      r_forearm > r_hand
      r_twist
""",
    "face": BODY.replace("neck > head", "neck > head\n      l_eye\n      r_eye"),
    "from the head down": """
head > neck > chest
  l_upper_arm > l_forearm > l_hand
  r_upper_arm > r_forearm > r_hand
  spine1 > pelvis
    l_thigh > l_shin > l_foot
    r_thigh > r_shin > r_foot
""",
}


def assembled(text: str, tracks: dict[str, np.ndarray]) -> tuple[Topology, np.ndarray]:
    """Topology and positions (T, J, 3) of a rig whose joints are named after the tracks."""
    topology = tree(text)
    return topology, np.stack([tracks[name] for name in topology.names], axis=1)


def anonymous(topology: Topology) -> Topology:
    """The same hierarchy with names that say nothing."""
    return Topology("anonymous", tuple(f"j{joint}" for joint in range(len(topology))), topology.parents)
