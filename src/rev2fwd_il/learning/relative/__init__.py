"""LeRobot policies that take and give absolute actions, and hold what their networks see instead within themselves.

`rev2fwd_diffusion` is LeRobot's `diffusion`, `rev2fwd_act` its `act`, and so on for each type that predicts a chunk of
actions: the same network under the same settings. LeRobot's processors would add a relative action to the state at the
step at which it is executed; here a plan is made absolute once, by the state that it was made from. So LeRobot's own
loops (`select_action`) may execute it over the next steps.

LeRobot finds the classes by the names of the three modules here: configuration_, modeling_ and processor_rev2fwd.
"""
