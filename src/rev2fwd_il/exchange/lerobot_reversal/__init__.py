"""The time reversal of a LeRobot dataset of any robot.

source   opens it and checks what it must keep, episode by episode
roles    what each dimension is: state, command, gripper, velocity, goal
frames   an episode's columns backward, with commands rebuilt
survey   what probably does not reverse
dataset  all of it: from folder to folder
"""
